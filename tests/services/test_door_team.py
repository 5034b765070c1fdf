"""The door's page of a team: who is at work, notes, the shared folder, jobs and their logs."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from infra.services.door.context import NotFound, Page, Refusal
from infra.services.door.pages import team
from infra.services.door.reading import files, jobs, notes
from tests.academy import hostile
from tests.browser import boards
from tests.services import door_teams
from tests.services.door_teams import NOW, World, job_name, token
from tests.services.test_competition_page import Page as Read

HOUR = dt.timedelta(hours=1)


def page_of(world: World, person: str = "ana") -> Page:
    return team.team(world.context(person))


def words(page: Page) -> str:
    return " ".join(" ".join(Read(str(page.body)).texts).split())


def harmless(page: Page) -> Read:
    read = Read(str(page.body))
    tags = {tag for tag, _ in read.tags}
    assert not tags & {"script", "style", "iframe", "base", "object", "meta", "link", "svg", "math"}
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("href", "src", "action"):
            at = attributes.get(name)
            assert at is None or at == "" or at.startswith(("/", "#", "data:image/png;base64,"))
    return read


# --- the team -------------------------------------------------------------------------------------
def test_the_page_says_who_is_at_work_and_until_when() -> None:
    said = words(page_of(door_teams.lively(), "ben"))
    assert "ben you workspace closed ana works on ml.g4dn.xlarge, until 19 Dec, 12:00 UTC" in said


def test_an_opening_that_is_over_is_not_work() -> None:
    world = door_teams.lively()
    world.now = NOW + 3 * HOUR
    assert "works on" not in words(page_of(world))


def test_an_advisor_has_no_team() -> None:
    with pytest.raises(NotFound):
        page_of(door_teams.lively(), "shelley")


def test_nothing_of_another_team_is_read_or_said() -> None:
    world = door_teams.lively()
    page = page_of(world, "cy")
    assert "falcon" not in page.body
    assert "ana" not in words(page).split()
    for _, name in world.cloud.asked:
        assert "/owl/" in name or "--owl--" in name


def test_the_page_reads_well_before_anything_has_happened() -> None:
    said = words(page_of(World()))
    assert "Nothing is shared yet." in said
    assert "No job yet." in said
    assert "From your advisors" not in said


# --- jobs -----------------------------------------------------------------------------------------
def test_jobs_say_state_machine_time_and_cost_and_what_runs_stands_first() -> None:
    found = jobs.of_team(door_teams.lively().context("ana"), "falcon")
    assert [(job.learner, job.state, job.doing) for job in found] == [
        ("ben", "starting", "fetching its data"),
        ("ana", "running", "training"),
        ("ana", "failed", "failed"),
        ("ben", "failed", "never started"),
        ("ben", "ended", "ended"),
        ("ana", "ended", "ended"),
    ]
    said = words(page_of(door_teams.lively()))
    assert "47 min so far $5.64 held" in said, "what may be asked is rounded up"
    assert "54 min $0.31" in said
    assert "under $0.01" in said


def test_a_failed_job_says_the_last_line_of_why() -> None:
    said = words(page_of(door_teams.lively()))
    assert "torch.OutOfMemoryError: CUDA out of memory." in said
    assert "Traceback" not in said


def test_of_a_job_that_was_released_and_ran_all_the_same_both_bills_count() -> None:
    world = World()
    world.ran("ana", "falcon", 1, 2 * HOUR, usd=0, note="the job never started", began=False)
    world.ran("ana", "falcon", 1, HOUR, usd=0.75)
    [found] = jobs.of_team(world.context("ana"), "falcon")
    assert (found.cost, found.state) == (750_000, "ended")


def test_what_sagemaker_does_not_tell_is_said_as_the_ledger_has_it() -> None:
    world = door_teams.lively()
    world.cloud.down = frozenset({"job"})
    assert "running" in words(page_of(world))


def test_a_job_that_has_just_failed_and_is_not_settled_says_so() -> None:
    world = World()
    name = world.starts("ana", "falcon", 5)
    world.cloud.jobs[name] = replace(
        world.cloud.jobs[name], status="Failed", failure="AlgorithmError: exit 1"
    )
    said = words(page_of(world))
    assert "failed AlgorithmError: exit 1" in said


def test_a_jobs_page_has_its_facts_and_the_end_of_its_log() -> None:
    world = door_teams.lively()
    page = team.job(world.context("ben"), job_name("falcon", "ana", 17))
    said = words(page)
    assert "Started by ana Machine ml.g5.xlarge" in said
    assert "Has run 47 min Held for it $5.64" in said
    assert "100 %|##########" in said
    assert " 90 %" not in said, "of a progress bar the last state is shown"
    assert page.refresh == team.AGAIN
    failed = team.job(world.context("ana"), job_name("falcon", "ana", 16))
    assert "Why it failed Traceback (most recent call last)" in words(failed)
    assert "It wrote no log." in words(failed)
    assert failed.refresh is None


def test_a_log_that_cannot_be_read_takes_no_page_down() -> None:
    world = door_teams.lively()
    world.cloud.down = frozenset({"log_tail"})
    page = team.job(world.context("ana"), job_name("falcon", "ana", 17))
    assert "The log cannot be read just now." in words(page)


def test_an_endless_line_of_a_log_is_cut() -> None:
    assert len(team.tail(["x" * 10**6])) < 1_000
    assert team.tail([f"line {n}" for n in range(1_000)]).count("\n") == team.LINES - 1


@pytest.mark.parametrize(
    "name",
    [
        job_name("falcon", "ana", 17),
        "earth--falcon--ana--" + "f" * 8,
        "other--owl--cy--" + token(1)[:8],
        "earth--owl--ana--" + token(17)[:8],
        "earth--owl--rerun--" + token(17)[:8],
        "earth--owl--cy--../../x",
        "",
        "x" * 500,
        *hostile.MARKUP[:3],
    ],
)
def test_a_learner_opens_no_job_but_those_of_the_team(name: str) -> None:
    """cy is in the team owl."""
    world = door_teams.lively()
    with pytest.raises(NotFound):
        team.job(world.context("cy"), name)
    assert not [what for what, _ in world.cloud.asked if what == "log_tail"]


def test_an_advisor_opens_every_teams_jobs_and_is_led_back_to_the_team() -> None:
    world = door_teams.lively()
    page = team.job(world.context("shelley"), job_name("falcon", "ana", 17))
    assert page.here == "/advisors"
    assert 'href="/advisors/falcon#jobs"' in page.body


# --- the shared folder ----------------------------------------------------------------------------
def test_the_folder_lists_files_the_newest_first_and_links_what_can_be_read() -> None:
    page = page_of(door_teams.lively())
    said = words(page)
    assert said.index("01-first-map.ipynb") < said.index("train.py") < said.index("model.pt")
    assert 'href="/team/notebooks/01-first-map.ipynb"' in page.body
    assert "model.pt" in said
    assert "/team/notebooks/model.pt" not in page.body


def test_a_team_reads_its_own_notebook() -> None:
    page = team.notebook(door_teams.lively().context("ben"), "01-first-map.ipynb")
    assert "A first map" in words(page)
    assert "7 cells, 1 of them ended with an error." in words(page)
    assert page.here == "/team"


@pytest.mark.parametrize(
    "name",
    ["missing.ipynb", "../../owl/shared/x.ipynb", "", ".", "..", "a/b.ipynb", "a\0b", "é.py"],
)
def test_nothing_beside_the_folder_is_opened(name: str) -> None:
    world = door_teams.lively()
    with pytest.raises(NotFound):
        team.notebook(world.context("ana"), name)
    for _, key in world.cloud.asked:
        assert key == "teams/falcon/shared/missing.ipynb"


def test_a_file_that_is_too_large_is_named_and_not_opened() -> None:
    world = door_teams.lively()
    world.shares("falcon", "big.ipynb", b"x" * (9 * 2**20))
    page = team.notebook(world.context("ana"), "big.ipynb")
    assert "It has more than 8.4 MB" in words(page)
    world.shares("falcon", "broken.ipynb", b"{")
    page = team.notebook(world.context("ana"), "broken.ipynb")
    assert "This is no notebook" in words(page)


def test_names_with_spaces_are_linked_as_addresses() -> None:
    world = World()
    world.shares("falcon", "my map 2.ipynb", door_teams.notebook())
    assert 'href="/team/notebooks/my%20map%202.ipynb"' in page_of(world).body


# --- notes ----------------------------------------------------------------------------------------
def a_note(world: World, text: str, *, minutes: int = 0, by: str = "shelley") -> None:
    world.now = NOW + dt.timedelta(minutes=minutes)
    notes.leave(world.context(by), "falcon", text)


def test_the_team_reads_what_advisors_wrote_the_newest_first() -> None:
    world = door_teams.lively()
    a_note(world, "Well done.")
    found = notes.latest(world.context("ana"), "falcon", 5)
    assert [(note.author, note.text[:10]) for note in found] == [
        ("shelley", "Well done."),
        ("shelley", "The border"),
    ]
    assert notes.latest(world.context("ben"), "falcon", 1) == found[:1]
    assert "From your advisors Well done. shelley , 19 Dec, 09:30 UTC" in words(page_of(world))


def test_another_team_reads_none_of_it() -> None:
    world = door_teams.lively()
    with pytest.raises(NotFound):
        notes.latest(world.context("cy"), "falcon", 5)
    assert notes.latest(world.context("cy"), "owl", 5) == []


def test_a_learner_leaves_no_note_not_even_to_the_own_team() -> None:
    world = door_teams.lively()
    for person, of in (("ana", "falcon"), ("cy", "falcon"), ("shelley", "nobody")):
        with pytest.raises(NotFound):
            notes.leave(world.context(person), of, "hello")
    assert not [what for what, _ in world.cloud.asked if what == "put_note"]


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u202e\u200b\0", "x" * (notes.MAX_NOTE + 1)])
def test_an_empty_or_endless_note_is_refused(text: str) -> None:
    world = World()
    with pytest.raises(Refusal):
        a_note(world, text)
    assert world.cloud.works == {}


def test_a_form_that_is_sent_twice_leaves_one_note() -> None:
    world = World()
    a_note(world, "Look at fold 2.")
    a_note(world, "Look at fold 2.\r\n", minutes=5)
    assert len(world.cloud.works) == 1
    a_note(world, "Look at fold 2.", minutes=30)
    assert len(world.cloud.works) == 2


def test_a_notes_author_is_who_is_signed_in_and_its_key_lies_with_the_team() -> None:
    world = World()
    a_note(world, "Hello.")
    [(key, (content, _))] = world.cloud.works.items()
    assert key.startswith("notes/falcon/20261219T093000Z-")
    assert json.loads(content)["author"] == "shelley"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"at": 7}', b'{"at": "soon"}', b"\xff"])
def test_a_file_that_is_no_note_hides_no_other(content: bytes) -> None:
    world = door_teams.lively()
    world.cloud.works["notes/falcon/9.json"] = (content, NOW)
    assert len(notes.latest(world.context("ana"), "falcon", 5)) == 1


# --- hostile work ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def world() -> World:
    return door_teams.hostile()


def test_hostile_files_notes_reasons_and_logs_are_text(world: World) -> None:
    page = page_of(world)
    read = harmless(page)
    assert "<script>window.pwned=1;document.title='pwned'</script>" in read.texts
    for name in (job_name("falcon", "ana", 17), job_name("falcon", "ana", 66)):
        harmless(team.job(world.context("ana"), name))
    harmless(team.notebook(world.context("ana"), "evil.ipynb"))


def test_nothing_of_theirs_turns_the_page_around(world: World) -> None:
    for page in (page_of(world), team.job(world.context("ana"), job_name("falcon", "ana", 17))):
        assert not set(page.body) & set("\u202e\u2066\u2067\x00\x1b\x0b\x07")


@pytest.mark.parametrize("name", [*boards.HOSTILE, *hostile.MARKUP])
def test_a_file_with_a_hostile_name_is_listed_and_not_opened(name: str, world: World) -> None:
    listed = files.of_team(world.context("ana"), "falcon")
    assert {each.name for each in listed.files if each.opens} <= {
        "01-first-map.ipynb",
        "evil.ipynb",
        "train.py",
    }
    if name == "unbroken" * 25:
        # A name as any other, of what is no text.
        assert "Only notebooks" in words(team.notebook(world.context("ana"), name))
        return
    with pytest.raises(NotFound):
        team.notebook(world.context("ana"), name)


def test_what_a_learner_may_not_see_is_not_there(world: World) -> None:
    """In the same words: who asks learns nothing of whether it exists."""
    context = world.context("cy")
    asked: list[Any] = [
        lambda: files.of_team(context, "falcon"),
        lambda: files.of_team(context, "nobody"),
        lambda: jobs.of_team(context, "falcon"),
        lambda: notes.latest(context, "", 1),
    ]
    for ask in asked:
        with pytest.raises(NotFound, match=r"^$"):
            ask()
