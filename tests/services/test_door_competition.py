"""The door's pages of the competition: every board, one in full, and what the own team has sent."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from infra.services.competition import checking
from infra.services.competition.live import board as live_board
from infra.services.competition.publishing import live_board as name_of_live
from infra.services.door.context import NotFound, Page
from infra.services.door.pages import competition
from infra.services.door.reading import boards, receipts
from tests.browser import boards as given
from tests.services import door_teams, live_world
from tests.services.door_teams import NOW, World
from tests.services.test_competition_page import Page as Read


def board_page(world: World, person: str = "ana", project: str = "land-cover") -> Page:
    return competition.project(world.context(person), project)


def put(world: World, document: dict[str, Any], name: str = "land-cover") -> None:
    world.cloud.sites[f"boards/{name}.json"] = json.dumps(document).encode()


def words(page: Page) -> str:
    return " ".join(" ".join(Read(str(page.body)).texts).split())


# --- all boards -----------------------------------------------------------------------------------
def test_the_overview_says_where_the_own_team_stands_on_each_board() -> None:
    page = competition.overview(door_teams.lively().context("ana"))
    said = words(page)
    assert "land-cover Open Until the end of 15 Mar 2027. 4–7 of 12 with 0.561" in said
    assert "past the baseline" in said
    assert "0.623 expert: U-Net with a logit shift" in said
    assert "5 submissions left today (UTC)." in said


def test_an_advisor_sees_the_boards_and_no_team_of_her_own() -> None:
    said = words(competition.overview(door_teams.lively().context("shelley")))
    assert "12 teams" in said
    assert "left today" not in said
    assert "Your team" not in said


def test_without_boards_the_dates_are_said() -> None:
    world = World()
    assert "Open Until the end of 15 Mar 2027." in words(competition.overview(world.context("ana")))
    world.now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    assert "Not open yet Opens 1 Dec 2026 (UTC)." in words(
        competition.overview(world.context("ana"))
    )
    world.now = dt.datetime(2027, 3, 16, tzinfo=dt.UTC)
    assert "Closed Since the end of 15 Mar 2027." in words(
        competition.overview(world.context("ana"))
    )


def test_a_board_that_was_written_before_the_close_does_not_say_open_after_it() -> None:
    world = door_teams.lively()
    world.now = dt.datetime(2027, 3, 20, tzinfo=dt.UTC)
    assert "Closed Since the end of 15 Mar 2027." in words(
        competition.overview(world.context("ana"))
    )
    page = board_page(world)
    assert "left today" not in words(page)
    assert '<p class="phase closed">' in page.body


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"better": "higher", "entries": [7]}', b"[" * 10**5]
)
def test_a_board_that_cannot_be_read_takes_no_page_down(content: bytes) -> None:
    world = door_teams.lively()
    world.cloud.sites["boards/land-cover.json"] = content
    assert "climate-series" in words(competition.overview(world.context("ana")))
    assert "land-cover" in words(board_page(world))


# --- one board ------------------------------------------------------------------------------------
def test_the_board_marks_the_own_team_alone() -> None:
    page = board_page(door_teams.lively())
    assert page.body.count("your team</span>") == 1
    row = page.body[page.body.index('<bdi class="name">falcon</bdi>') :]
    assert row.startswith('<bdi class="name">falcon</bdi><span class="badge">your team</span>')
    assert "your team</span>" not in board_page(door_teams.lively(), "shelley").body


def test_the_time_that_is_left_is_as_of_now() -> None:
    world = door_teams.lively()
    world.now = dt.datetime(2027, 3, 13, 12, tzinfo=dt.UTC)
    assert "Until the end of 15 Mar 2027 (UTC) ; 2 days left." in words(board_page(world))


def test_submissions_stand_with_their_receipts_the_newest_first() -> None:
    page = board_page(door_teams.lively())
    said = words(page)
    order = [said.index(word) for word in ("waiting", "scored 0.561", "refused", "noted")]
    assert order == sorted(order)
    assert "The file has 11 tiles; the task asks for 12: test-07 is missing." in said
    assert "Entry b1946ac92492" in said
    assert "Left that day 3" in said
    assert "Wetland 0.210" in said


def test_nobody_elses_submissions_are_read() -> None:
    world = door_teams.lively()
    board_page(world, "cy")
    files = {name for what, name in world.cloud.asked if what in ("work", "listing")}
    assert files == {"submissions/land-cover/owl/", "receipts/land-cover/owl/"}
    world.cloud.asked.clear()
    board_page(world, "shelley")
    assert not [name for what, name in world.cloud.asked if what in ("work", "listing")]


def test_a_submission_that_waits_for_long_says_so() -> None:
    world = World()
    world.sends("falcon", "land-cover", "a.npz", NOW - dt.timedelta(minutes=1), None)
    assert "within a minute or two" in words(board_page(world))
    world.sends("falcon", "land-cover", "a.npz", NOW - dt.timedelta(hours=1), None)
    assert "tell the admin" in words(board_page(world))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"status": null}', b"[" * 10**5])
def test_a_receipt_that_cannot_be_read_takes_no_page_down(content: bytes) -> None:
    world = door_teams.lively()
    world.sends("falcon", "land-cover", "z.npz", NOW, content)
    assert "Scored 0.561" in words(board_page(world))


def test_the_newest_of_many_submissions_are_shown_and_counted() -> None:
    world = World()
    for number in range(40):
        at = NOW - dt.timedelta(hours=number)
        world.sends("falcon", "land-cover", f"{number:02}.npz", at, {"status": "scored"})
    sent = receipts.of_team(world.context("ana"), "land-cover", "falcon")
    assert [each.name for each in sent.receipts] == [f"{n:02}.npz" for n in range(12)]
    assert sent.total == 40


def test_live_forecasts_stand_with_the_live_board() -> None:
    world = World()
    for name in ("a.csv", "b.live.csv", "c.selection.json"):
        world.sends("falcon", "climate-series", name, NOW, {"status": "noted", "message": name})
    found = {
        live: {
            each.name
            for each in receipts.of_team(context, "climate-series", "falcon", live=live).receipts
        }
        for context in [world.context("ana")]
        for live in (None, True, False)
    }
    assert checking.is_live(f"b{receipts.LIVE}"), "as the checker tells them apart"
    assert found[True] == {"b.live.csv"}
    assert found[False] == {"a.csv", "c.selection.json"}
    assert found[None] == found[True] | found[False]


def test_where_the_files_cannot_be_listed_the_board_is_shown_all_the_same() -> None:
    world = door_teams.lively()
    world.cloud.down = frozenset({"listing"})
    said = words(board_page(world))
    assert "The submissions cannot be listed just now." in said
    assert "leads with 0.631" in said


@pytest.mark.parametrize("name", ["", "../x", "land-cover/..", "boards", "land-cover.live", "<b>"])
def test_there_is_no_other_board(name: str) -> None:
    world = door_teams.lively()
    with pytest.raises(NotFound):
        board_page(world, project=name)
    assert {name for what, name in world.cloud.asked} <= {"boards/land-cover.live.json"}


def test_the_live_round_has_a_page_of_its_own() -> None:
    assert name_of_live("climate-series") == f"climate-series{boards.LIVE}"
    world = door_teams.lively()
    live = live_board.Live(live_world.a_round(), [], {})
    document = live_board.document(live, lambda _: {}, NOW)
    put(world, document, "climate-series.live")
    page = board_page(world, project="climate-series.live")
    assert "Niño 1+2 and CO2, as they come" in words(page)
    assert 'href="/competition/climate-series"' in page.body
    assert (
        'href="/competition/climate-series.live"'
        in board_page(world, project="climate-series").body
    )
    assert "The live round" in words(competition.overview(world.context("ana")))


def test_home_gets_a_line_for_each_board_that_there_is() -> None:
    world = door_teams.lively()
    del world.cloud.sites["boards/climate-series.json"]
    assert competition.glance(world.context("ana"), "falcon") == [
        competition.Glance("land-cover", "4–7", "0.561", 12)
    ]
    put(world, given.empty())
    assert competition.glance(world.context("ana"), "falcon") == [
        competition.Glance("land-cover", "", "", 0)
    ]
    world.cloud.down = frozenset({"site"})
    assert competition.glance(world.context("ana"), "falcon") == []


# --- every kind of board, and hostile ones --------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        *(given.lively, given.forecast, given.closed, given.crowded, given.frozen, given.soon),
        *(given.empty, given.narrow, given.of_old, given.hostile, given.hostile_end),
    ],
    ids=lambda make: make.__name__,
)
def test_every_board_has_its_page_and_its_card(make: Any) -> None:
    world = door_teams.lively()
    put(world, make())
    for person in ("ana", "shelley"):
        context = world.context(person)
        for page in (competition.overview(context), competition.project(context, "land-cover")):
            read = Read(str(page.body))
            tags = {tag for tag, _ in read.tags}
            assert not tags & {"script", "style", "img", "iframe", "base", "object", "form"}
            for _, attributes in read.tags:
                assert not [name for name in attributes if name.startswith("on")]
                assert "style" not in attributes, "the door's policy lets no style attribute work"
            assert "cannot be shown just now" not in page.body
