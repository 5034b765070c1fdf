"""The advisors' pages: every team at a glance, one in full, its notebooks, and notes to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from infra.services.door.context import NotFound, Page, PageContext, People, Redirect
from infra.services.door.pages import advisors
from tests.academy import hostile
from tests.browser import boards
from tests.services import door_teams
from tests.services.door_teams import World
from tests.services.test_competition_page import Page as Read
from tests.services.test_door_team import harmless, words

DAY = dt.timedelta(days=1)


def overview(world: World, **query: str) -> Page:
    return advisors.overview(world.context("shelley", query))


def line(page: Page, team: str) -> str:
    """The words of a team's line."""
    start = page.body.index(f'href="/advisors/{team}"')
    row = page.body[page.body.rindex("<tr", 0, start) : page.body.index("</tr>", start) + 5]
    return " ".join(" ".join(Read(row).texts).split())


# --- every team -----------------------------------------------------------------------------------
def test_a_glance_says_activity_spending_scores_and_failed_jobs() -> None:
    page = overview(door_teams.lively())
    assert line(page, "falcon") == (
        "falcon ana , ben now 1 in the workspace, 2 jobs $53.20 of $300.00 "
        "0.561 64 % of the gap 0.939 64 % of the gap 2"
    )
    assert line(page, "owl").startswith("owl cy , di 12 days ago quiet 7 Dec, 09:30 UTC $152.60")
    assert "frozen" in line(page, "owl")
    assert line(page, "plover").startswith("plover gus never $0.00 of $150.00")
    assert line(page, "wren").endswith("1.262 below the baseline ▶ 1")
    assert "baseline 0.451, expert 0.623" in words(page)


def test_the_news_counts_who_works_who_is_quiet_and_what_failed() -> None:
    said = words(overview(door_teams.lively()))
    assert "5 teams, 1 at work now, 2 quiet for a week, 3 jobs failed within a week." in said


def test_nobody_is_quiet_in_the_first_week() -> None:
    world = World()
    world.now = dt.datetime(2026, 12, 5, tzinfo=dt.UTC)
    assert "quiet for a week" not in words(overview(world))


def test_a_job_that_failed_long_ago_is_not_counted() -> None:
    world = World()
    world.ran("ana", "falcon", 1, 8 * DAY, note="no space left")
    world.ran("ben", "falcon", 2, 6 * DAY, note="no space left")
    world.ran("ben", "falcon", 3, DAY, note="the space failed to start", kind="space")
    assert line(overview(world), "falcon").endswith(" 1")


def test_before_there_are_boards_and_accounts_all_teams_stand_there() -> None:
    page = overview(World())
    for team in door_teams.TEAMS:
        assert "nothing yet nothing yet 0" in line(page, team)


def test_of_many_teams_a_part_is_asked_for() -> None:
    many = {f"team{number:03}": (f"l{number}",) for number in range(70)}
    world = World(people=People(many, frozenset({"shelley"})))
    first, last = overview(world), overview(world, **{"from": "60"})
    assert first.body.count("<tr role") == 1 + advisors.TEAMS
    assert last.body.count("<tr role") == 1 + 10
    assert 'href="/advisors?from=60"' in first.body
    assert 'href="/advisors/team069"' in last.body
    assert "70 teams" in words(first)


@pytest.mark.parametrize("given", ["-1", "999", "x", "", "1e3", "٣", "9" * 50, *hostile.MARKUP[:2]])
def test_a_part_that_there_is_not_is_the_first(given: str) -> None:
    page = overview(door_teams.lively(), **{"from": given})
    assert 'href="/advisors/falcon"' in page.body
    harmless_but_drawn(page)


def harmless_but_drawn(page: Page) -> None:
    """As `harmless`, of a page that has drawings of ours."""
    read = Read(str(page.body))
    assert not {tag for tag, _ in read.tags} & {
        "script",
        "style",
        "iframe",
        "base",
        "object",
        "img",
    }
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        at = attributes.get("href") or attributes.get("action") or "/"
        assert at.startswith(("/", "#"))


# --- one team -------------------------------------------------------------------------------------
def test_a_team_in_full_has_members_scores_submissions_files_and_jobs() -> None:
    said = words(advisors.team(door_teams.lively().context("shelley"), "falcon"))
    for part in (
        "ana works on ml.g4dn.xlarge, until 19 Dec, 12:00 UTC $41.20 of $150.00",
        "The borders between crops and grass are where you lose most.",
        "4–7 of 12 with 0.561, past the baseline",
        "Sent to land-cover",
        "The file has 11 tiles",
        "01-first-map.ipynb",
        "torch.OutOfMemoryError",
    ):
        assert part in said


def test_every_team_can_be_looked_at() -> None:
    world = door_teams.lively()
    for team in door_teams.TEAMS:
        assert advisors.team(world.context("shelley"), team).title == f"Team {team}"


def test_a_notebook_is_opened_from_the_teams_folder_alone() -> None:
    world = door_teams.lively()
    context = world.context("shelley")
    assert "A first map" in words(advisors.notebook(context, "falcon", "01-first-map.ipynb"))
    for team, name in (
        ("owl", "01-first-map.ipynb"),
        ("falcon", "../../owl/shared/01-first-map.ipynb"),
        ("falcon/../falcon", "01-first-map.ipynb"),
        ("nobody", "01-first-map.ipynb"),
        ("", "01-first-map.ipynb"),
    ):
        with pytest.raises(NotFound):
            advisors.notebook(context, team, name)


# --- notes ----------------------------------------------------------------------------------------
def test_a_note_is_left_and_the_page_shows_it() -> None:
    world = door_teams.lively()
    answer = advisors.note(world.context("shelley"), "falcon", {"text": "Well <b>done</b>."})
    assert answer == Redirect("/advisors/falcon#notes")
    page = advisors.team(world.context("shelley"), "falcon")
    assert "Well &lt;b&gt;done&lt;/b&gt;." in page.body


def test_the_form_carries_its_token() -> None:
    page = advisors.team(door_teams.lively().context("shelley"), "falcon")
    assert '<input type="hidden" name="csrf" value="c3JmLXRva2Vu">' in page.body
    assert 'method="post" action="/advisors/falcon/notes"' in page.body


@pytest.mark.parametrize("text", ["", "  ", "</textarea><script>1</script>" * 100])
def test_a_note_that_is_refused_stands_there_still(text: str) -> None:
    world = door_teams.lively()
    page = advisors.note(world.context("shelley"), "falcon", {"text": text})
    assert isinstance(page, Page)
    assert page.status == 400
    assert 'role="alert"' in page.body
    assert page.body.count("</textarea>") == 1
    assert not [what for what, _ in world.cloud.asked if what == "put_note"]


def test_a_form_without_a_text_is_an_empty_note() -> None:
    page = advisors.note(door_teams.lively().context("shelley"), "falcon", {})
    assert isinstance(page, Page)
    assert "The note is empty." in words(page)


# --- who may --------------------------------------------------------------------------------------
DEEDS: list[Callable[[PageContext], Any]] = [
    advisors.overview,
    lambda ctx: advisors.team(ctx, "falcon"),
    lambda ctx: advisors.notebook(ctx, "falcon", "01-first-map.ipynb"),
    lambda ctx: advisors.note(ctx, "falcon", {"text": "hello"}),
]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("person", ["ana", "cy"])
def test_a_learner_does_nothing_of_an_advisors(
    person: str, deed: Callable[[PageContext], Any]
) -> None:
    world = door_teams.lively()
    with pytest.raises(NotFound, match=r"^$"):
        deed(world.context(person))
    assert world.cloud.asked == []


@pytest.mark.parametrize("team", ["", "nobody", "falcon/", "../falcon", "FALCON", *boards.HOSTILE])
def test_of_a_team_that_there_is_not_nothing_is_read(team: str) -> None:
    world = door_teams.lively()
    context = world.context("shelley")
    for deed in (
        lambda: advisors.team(context, team),
        lambda: advisors.note(context, team, {"text": "hello"}),
        lambda: advisors.notebook(context, team, "01-first-map.ipynb"),
    ):
        with pytest.raises(NotFound):
            deed()
    assert world.cloud.asked == []


# --- what does not answer, and what is hostile ----------------------------------------------------
def test_what_aws_does_not_tell_takes_little_of_the_page() -> None:
    world = door_teams.lively()
    world.cloud.down = frozenset({"listing", "job"})
    said = words(advisors.team(world.context("shelley"), "falcon"))
    assert "The submissions cannot be listed just now." in said
    assert "The folder cannot be listed just now." in said
    assert "4–7 of 12" in said


def test_hostile_work_of_a_team_is_text_to_its_advisor() -> None:
    world = door_teams.hostile()
    page = advisors.team(world.context("shelley"), "falcon")
    harmless_but_drawn(page)
    assert not set(page.body) & set("\u202e\u2066\u2067\x00\x1b\x0b\x07")
    harmless_but_drawn(overview(world))
    harmless(advisors.notebook(world.context("shelley"), "falcon", "evil.ipynb"))


def test_the_pages_stay_small() -> None:
    """Bytes of a page without the style sheet, which a browser keeps for a year."""
    world = door_teams.lively()
    assert len(overview(world).body.encode()) < 60_000
    assert len(advisors.team(world.context("shelley"), "falcon").body.encode()) < 60_000
