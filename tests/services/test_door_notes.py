"""Notes, notebooks and boards through the door itself: what a request may and may not do."""

from __future__ import annotations

import json

import pytest

from tests.academy import hostile
from tests.browser import boards
from tests.services import door_teams
from tests.services.door_world import World


def stored(world: World) -> list[dict[str, str]]:
    return [
        json.loads(each.content)
        for key, each in world.files.works.items()
        if key.startswith("notes/")
    ]


def test_an_advisors_note_is_on_the_teams_home_and_page_and_on_no_others() -> None:
    world = World()
    shelley = world.browser("shelley")
    shelley.get("/advisors/falcon")
    answer = shelley.post("/advisors/falcon/notes", text="Look at <b>fold 2</b>.")
    assert answer.headers["Location"] == "/advisors/falcon#notes"
    assert "Look at <b>fold 2</b>. shelley" in shelley.get("/advisors/falcon").plain
    for who in ("ana", "ben"):
        browser = world.browser(who)
        for path in ("/", "/team"):
            page = browser.get(path)
            assert "Look at <b>fold 2</b>." in page.plain
            assert "<b>fold 2</b>" not in page.text
    for path in ("/", "/team"):
        assert "fold 2" not in world.browser("chi").get(path).text


def test_a_form_says_nothing_about_who_wrote_the_note_and_where_it_goes() -> None:
    world = World()
    shelley = world.browser("shelley")
    token = shelley.get("/advisors/falcon").csrf("/advisors/falcon/notes")
    form = {"csrf": token, "text": "hello", "author": "ana", "team": "heron", "key": "teams/x"}
    assert shelley.ask("POST", "/advisors/falcon/notes", form).status == 303
    [note] = stored(world)
    assert note["author"] == "shelley"
    assert [key[:13] for key in world.files.works] == ["notes/falcon/"]


@pytest.mark.parametrize("team", ["falcon", "heron", "nobody"])
def test_a_learner_leaves_no_note_with_a_form_of_the_own_session(team: str) -> None:
    world = World()
    ana = world.browser("ana")
    token = ana.get("/").csrf("/sign-out")
    found = ana.ask("POST", f"/advisors/{team}/notes", {"csrf": token, "text": "hello"})
    assert found.status == 404
    assert stored(world) == []


@pytest.mark.parametrize(
    "path", ["/advisors/..%2Ffalcon/notes", "/advisors/falcon%2F/notes", "/advisors/%00/notes"]
)
def test_no_path_leads_a_note_elsewhere(path: str) -> None:
    world = World()
    shelley = world.browser("shelley")
    token = shelley.get("/advisors/falcon").csrf("/advisors/falcon/notes")
    assert shelley.ask("POST", path, {"csrf": token, "text": "hello"}).status in (400, 404)
    assert stored(world) == []


@pytest.mark.parametrize("text", [*boards.HOSTILE, *hostile.MARKUP])
def test_a_hostile_note_is_text_on_every_page(text: str) -> None:
    world = World()
    shelley = world.browser("shelley")
    token = shelley.get("/advisors/falcon").csrf("/advisors/falcon/notes")
    shelley.ask("POST", "/advisors/falcon/notes", {"csrf": token, "text": text})
    for who, path in (("shelley", "/advisors/falcon"), ("ana", "/"), ("ana", "/team")):
        page = world.browser(who).get(path)
        assert page.status == 200
        for mark in ("<script>", "<img", "<svg onload", "<iframe", "<object", "<base", "<meta h"):
            assert mark not in page.text.split("<main", 1)[1]


def test_a_notebook_is_read_by_its_team_and_its_advisor_and_by_nobody_else() -> None:
    world = World()
    world.files.put("teams/falcon/shared/my map.ipynb", door_teams.notebook())
    for who, path, status in (
        ("ana", "/team/notebooks/my map.ipynb", 200),
        ("shelley", "/advisors/falcon/notebooks/my map.ipynb", 200),
        ("chi", "/team/notebooks/my map.ipynb", 404),
        ("chi", "/advisors/falcon/notebooks/my map.ipynb", 404),
        ("ana", "/advisors/falcon/notebooks/my map.ipynb", 404),
        ("shelley", "/team/notebooks/my map.ipynb", 404),
        ("shelley", "/advisors/heron/notebooks/my map.ipynb", 404),
        ("ana", "/team/notebooks/..", 404),
        ("ana", "/team/notebooks/../../heron/shared/x.ipynb", 404),
    ):
        page = world.browser(who).get(path)
        assert (who, path, page.status) == (who, path, status)
        assert ("A first map" in page.plain) is (status == 200)


def test_a_notebook_that_tries_everything_leaves_the_page_its_policy() -> None:
    world = World()
    world.files.put("teams/falcon/shared/evil.ipynb", hostile.notebook())
    page = world.browser("shelley").get("/advisors/falcon/notebooks/evil.ipynb")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in page.text
    assert "the work itself" in page.plain


def test_the_board_is_behind_the_sign_in() -> None:
    world = World()
    world.files.put_site("boards/land-cover.json", json.dumps(boards.lively()))
    assert "kestrel" in world.browser("ana").get("/competition/land-cover").plain
    assert "kestrel" not in world.browser().get("/competition/land-cover").plain
