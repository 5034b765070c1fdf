"""`cohort leaderboard`: the board in the terminal, as the scorer wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.cli.competition_world import PROJECT, World, one_line, world_of

ENTRY: dict[str, Any] = {
    "rank": 1,
    "rank_low": 1,
    "rank_high": 2,
    "tied_with": ["heron"],
    "team": "falcon",
    "score": 0.6,
    "score_low": 0.5,
    "score_high": 0.7,
    "submissions": 7,
    "submitted": "2026-12-01T09:00:00Z",
    "note": "first try",
    "job": "",
    "image": "",
    "gap_closed": {"value": 0.42, "low": 0.3, "high": 0.5},
    "near_expert": False,
    "classes": {},
    "left_today": 3,
    "cost_micro_usd": 1_250_000,
    "gpu_hours": 1.5,
    "instance": "ml.g5.xlarge",
    "also": {"WQL": 0.123},
}
BOARD: dict[str, Any] = {
    "project": PROJECT,
    "metric": "MASE",
    "better": "lower",
    "hint": "1 is the seasonal naive",
    "scored_on": "months",
    "updated": "2026-12-01T09:00:05Z",
    "phase": "open",
    "opens": "2026-11-30T00:00:00Z",
    "closes": "2027-03-16T00:00:00Z",
    "reason": "",
    "day": "2026-12-01",
    "out": [],
    "units": {"count": 12, "name": "series"},
    "narrow": True,
    "replicates": 1000,
    "limit_per_day": 5,
    "classes": [],
    "lines": [
        {"name": "floor: seasonal naive", "score": 1.0, "kind": "floor"},
        {"name": "expert: Shelley", "score": 0.55, "kind": "expert"},
    ],
    "entries": [ENTRY, ENTRY | {"rank": 2, "team": "heron", "score": 0.65, "gap_closed": None}],
    "history": [],
}
FINAL = {
    "units": {"count": 28, "name": "series"},
    "narrow": False,
    "lines": [],
    "entries": [
        {
            "rank": 1,
            "rank_low": 1,
            "rank_high": 1,
            "tied_with": [],
            "team": "heron",
            "score": 0.7,
            "score_low": 0.65,
            "score_high": 0.75,
            "public_rank": 2,
            "public_score": 0.65,
            "change": 1,
            "within_noise": True,
            "chosen": "team",
            "entry": "0123456789ab",
        }
    ],
    "explained": ["1 of 2 teams moved; chance alone explains it."],
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_of(tmp_path, monkeypatch) as found:
        yield found


def board(world: World, **members: Any) -> None:
    world.put("site", f"boards/{PROJECT}.json", json.dumps(BOARD | members))


def row(output: str, name: str) -> list[str]:
    [line] = [line for line in output.splitlines() if f"│ {name}" in line and "│" in line]
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_ranks_intervals_what_is_left_and_what_it_cost_stand_in_a_table(world: World) -> None:
    board(world)
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 0, done.output
    assert row(done.output, "falcon") == [
        *("1–2", "falcon", "0.600", "0.500–0.700", "42 %", "0.123"),
        *("7", "3", "$1.25", "1.50", "first try"),
    ]
    order = [done.output.index(name) for name in ("expert:", "falcon", "heron", "floor:")]
    assert order == sorted(order), "lines stand where their scores put them"
    said = one_line(done.output)
    assert "1 is the seasonal naive; lower is better." in said
    assert "It closes 2027-03-16T00:00:00Z." in said
    assert "Only 12 series are held out in the public part" in said


def test_the_page_is_linked_for_an_hour(world: World) -> None:
    board(world)
    world.put("site", f"{PROJECT}.html", "<html>")
    [link] = [x for x in world.run("leaderboard", PROJECT).output.splitlines() if "https" in x]
    assert f"/{PROJECT}.html?" in link
    assert dict(parse_qsl(urlsplit(link).query))["X-Amz-Expires"] == "3600"


def test_higher_is_better_elsewhere(world: World) -> None:
    board(world, better="higher", entries=[ENTRY | {"score": 0.65, "team": "heron"}, ENTRY])
    done = world.run("leaderboard", PROJECT)
    order = [done.output.index(name) for name in ("floor:", "heron", "falcon", "expert:")]
    assert order == sorted(order)


def test_when_it_is_closed_the_final_ranks_come_first_and_are_explained(world: World) -> None:
    board(world, phase="closed", final=FINAL)
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 0, done.output
    assert "the final ranks, on 28 series that nobody saw" in one_line(done.output)
    first = next(line for line in done.output.splitlines() if "│ heron" in line)
    assert [cell.strip() for cell in first.split("│")[1:-1]] == [
        *("1", "heron", "0.700", "0.650–0.750", "2", "+1 (noise)", "0123456789ab", "the team")
    ]
    assert "1 of 2 teams moved; chance alone explains it." in done.output
    assert "It closed 2027-03-16T00:00:00Z." in done.output


def test_a_freeze_and_who_is_out_are_said_with_the_reason(world: World) -> None:
    board(
        world,
        phase="frozen",
        reason="the answers are wrong",
        out=[{"team": "owl", "reason": "shared its code"}],
    )
    said = one_line(world.run("leaderboard", PROJECT).output)
    assert "It is frozen: the answers are wrong" in said
    assert "owl is off the board: shared its code" in said


def test_the_document_is_given_as_it_is(world: World) -> None:
    board(world)
    done = world.run("leaderboard", PROJECT, "--json")
    assert json.loads(done.output) == BOARD
    assert world.run("leaderboard", PROJECT, "--json", "--acts").exit_code == 1


def test_what_was_done_is_shown_if_asked(world: World) -> None:
    board(world)
    world.verb("freeze", PROJECT, why="to look into it")
    board(world)
    assert "to look into it" not in world.run("leaderboard", PROJECT).output
    done = world.run("leaderboard", PROJECT, "--acts")
    assert done.exit_code == 0, done.output
    assert "freeze" in done.output
    assert "arn:aws:sts::123456789012" in done.output


def test_hostile_notes_are_shown_and_not_run(world: World) -> None:
    evil = "[bold]x[/bold] \x1b[2J \u202egnp [/] =1+1"
    board(world, entries=[ENTRY | {"note": evil}], reason=evil, phase="frozen")
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 0, done.output
    assert "[bold]x[/bold] [2J gnp [/] =1+1" in done.output
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output


def test_a_board_from_before_new_members_is_shown_all_the_same(world: World) -> None:
    old = {"rank": 1, "team": "falcon", "score": 0.6, "submissions": 3, "note": ""}
    document = {"metric": "MASE", "better": "lower", "entries": [old], "lines": []}
    world.put("site", f"boards/{PROJECT}.json", json.dumps(document))
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 0, done.output
    assert row(done.output, "falcon" if "│ falcon" in done.output else "1")[1] == "falcon"


def test_before_the_first_board_it_says_so(world: World) -> None:
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 0, done.output
    assert "has no board yet" in done.output
    assert world.run("leaderboard", PROJECT, "--json").output.strip() == "null"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"entries": {}, "lines": []}'])
def test_what_is_no_board_is_told(world: World, content: str) -> None:
    world.put("site", f"boards/{PROJECT}.json", content)
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 1
    assert "is not a board as the scorer writes it" in one_line(done.output)


def test_another_project_and_a_cohort_that_is_not_deployed_are_told(world: World) -> None:
    assert "is no project of" in world.run("leaderboard", "land-cover").output
    world.s3.delete_bucket(Bucket=world.site.bucket("site"))
    done = world.run("leaderboard", PROJECT)
    assert done.exit_code == 1
    assert "is earth-2026-fall deployed in account" in one_line(done.output)
