"""`cohort competition rescore`: all entries anew, the old board kept; broken off and gone on."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.cli.competition import rescoring as command
from tests.cli.competition_world import NOW, PROJECT, World, one_line, world_of


class Checker:
    """Checker and scorer as one: what is handed over has a new score at once."""

    def __init__(self, world: World, scores: Callable[[float], float]) -> None:
        self.world, self.scores = world, scores
        self.silent: set[str] = set()
        self.refused: set[str] = set()
        self.frozen: list[bool] = []

    def __call__(self, event: dict[str, Any]) -> None:
        key = event["submission"]["key"]
        self.frozen.append(self.world.table.state(PROJECT).frozen)
        team = key.split("/")[2]
        if team in self.silent:
            raise RuntimeError("out of memory")
        entry = self.world.table.entry_of_key(PROJECT, team, key)
        assert entry is not None
        self.world.table.rescore(
            entry,
            self.scores(entry.public_score),
            self.scores(entry.private_score),
            b"",
            {},
            rescored=event["rescore"],
            fault="line 3 is no number" if team in self.refused else "",
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(command, "PATIENCE_SECONDS", 0.0)
    with world_of(tmp_path, monkeypatch) as found:
        found.enter("falcon", 0.9, days=3)
        found.enter("falcon", 0.6, days=2, version_id="v2")
        found.enter("heron", 0.7, days=1)
        found.publish()
        yield found


def handed(world: World) -> list[str]:
    return [payload["submission"]["key"] for payload in world.functions.of("checker")]


def run_id(world: World) -> str:
    [event, *_] = world.functions.of("checker")
    return str(event["rescore"])


def test_every_entry_is_scored_again_and_old_and_new_stand_side_by_side(world: World) -> None:
    # The mended metric turns the order around.
    checker = world.functions.run["checker"] = Checker(world, lambda score: 1.5 - score)
    old = world.get("site", f"boards/{PROJECT}.json")
    done = world.verb("rescore", PROJECT, "--yes", why="the scales were wrong")
    assert done.exit_code == 0, done.output
    assert "3 entries of climate-series, 3 to be scored again: at most $0.016" in done.output
    entries = world.table.entries(PROJECT)
    assert sorted(handed(world)) == sorted(each.key for each in entries)
    assert {p["submission"]["version"] for p in world.functions.of("checker")} == {None, "v2"}
    assert {each.rescored for each in entries} == {run_id(world)}
    board = {each["team"]: each for each in world.board()["entries"]}
    assert (board["falcon"]["score"], board["heron"]["score"]) == (0.6, 0.8)
    # Falcon's line is its first entry now.
    [row] = [line for line in done.output.splitlines() if "│ falcon" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "falcon",
        "1",
        "1",
        "0.600",
        "0.600",
        "+0.000",
    ]
    [row] = [line for line in done.output.splitlines() if "│ heron" in line]
    assert "+0.100" in row
    archive = f"archive/{PROJECT}/{run_id(world)}/"
    assert world.get("site", f"{archive}{PROJECT}.json") == old
    assert f"{archive}{PROJECT}.html" in world.keys("site", archive)
    assert archive in done.output
    assert checker.frozen == [True] * 3, "no submission falls between two metrics"
    assert not world.table.state(PROJECT).frozen
    assert [what for what, _ in world.acts()] == [
        f"rescore done {run_id(world)}",
        "reopen",
        "freeze",
        f"rescore begins {run_id(world)}",
    ]
    assert world.acts()[0][1] == world.acts()[-1][1] == "the scales were wrong"


def test_it_asks_before_it_freezes(world: World) -> None:
    done = world.run("competition", "rescore", PROJECT, "--why", "x", input="n\n")
    assert done.exit_code == 1
    assert "frozen until that is done" in done.output
    assert world.acts() == []
    assert world.functions.of("checker") == []


def test_one_that_broke_off_goes_on_with_the_same_id(world: World) -> None:
    checker = world.functions.run["checker"] = Checker(world, lambda score: score + 0.1)
    checker.silent = {"heron"}
    old = world.get("site", f"boards/{PROJECT}.json")
    done = world.verb("rescore", PROJECT, "--yes")
    assert done.exit_code == 1
    run = run_id(world)
    assert "1 entry of 3 got no new score" in one_line(done.output)
    assert f"--id {run}" in one_line(done.output)
    assert world.table.state(PROJECT).frozen
    # Without the id it is not begun anew by mistake.
    again = world.verb("rescore", PROJECT, "--yes")
    assert again.exit_code == 1
    assert f"the rescore {run} of climate-series broke off" in one_line(again.output)
    checker.silent = set()
    done = world.verb("rescore", PROJECT, "--yes", "--id", run)
    assert done.exit_code == 0, done.output
    assert "1 to be scored again" in done.output
    assert len(handed(world)) == 4, "what has its new score is not scored again"
    assert not world.table.state(PROJECT).frozen
    board = {each["team"]: each["score"] for each in world.board()["entries"]}
    assert board == {"falcon": 0.7, "heron": 0.8}
    assert world.get("site", f"archive/{PROJECT}/{run}/{PROJECT}.json") == old
    assert world.acts()[0][0] == f"rescore done {run}"
    # And the next one is a new one.
    assert world.verb("rescore", PROJECT, "--yes", "--id", "20200101T000000Z").exit_code == 1


def test_it_may_begin_anew_instead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checker = world.functions.run["checker"] = Checker(world, lambda score: score)
    checker.silent = {"heron"}
    world.verb("rescore", PROJECT, "--yes")
    first = run_id(world)
    checker.silent = set()
    later = NOW + dt.timedelta(days=365)
    with monkeypatch.context() as patch:
        patch.setattr(command.Arena, "now", lambda _self: later)
        done = world.verb("rescore", PROJECT, "--yes", "--new")
    assert done.exit_code == 0, done.output
    assert {each.rescored for each in world.table.entries(PROJECT)} == {f"{later:%Y%m%dT%H%M%SZ}"}
    assert first != f"{later:%Y%m%dT%H%M%SZ}"


def test_what_was_frozen_before_stays_frozen(world: World) -> None:
    world.functions.run["checker"] = Checker(world, lambda score: score)
    world.verb("freeze", PROJECT, why="a look into it")
    done = world.verb("rescore", PROJECT, "--yes")
    assert done.exit_code == 0, done.output
    assert "stays frozen" in done.output
    state = world.table.state(PROJECT)
    assert (state.frozen, state.reason) == (True, "a look into it")


def test_after_the_close_the_final_ranks_are_made_anew(world: World) -> None:
    checker = world.functions.run["checker"] = Checker(world, lambda score: score + 0.1)
    world.verb("close", PROJECT)
    done = world.verb("rescore", PROJECT, "--yes")
    assert done.exit_code == 0, done.output
    assert checker.frozen == [False] * 3
    assert world.board()["phase"] == "closed"
    final = {each["team"]: each["score"] for each in world.board()["final"]["entries"]}
    assert final["heron"] == pytest.approx(0.9)


def test_an_entry_that_is_not_accepted_any_more_is_named(world: World) -> None:
    checker = world.functions.run["checker"] = Checker(world, lambda score: score)
    checker.refused = {"heron"}
    done = world.verb("rescore", PROJECT, "--yes")
    assert done.exit_code == 0, done.output
    assert "is not accepted any more: line 3 is no number" in one_line(done.output)
    assert [each["team"] for each in world.board()["entries"]] == ["falcon"]


def test_without_a_checker_it_breaks_off_and_says_so(world: World) -> None:
    done = world.verb("rescore", PROJECT, "--yes")
    assert done.exit_code == 1
    assert "there is no function earth-2026-fall-checker" in one_line(done.output)
    assert "It goes on by" in one_line(done.output)


def test_a_board_that_nobody_wrote_yet_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world_of(tmp_path, monkeypatch) as world:
        done = world.verb("rescore", PROJECT, "--yes")
        assert done.exit_code == 0, done.output
        assert world.board()["entries"] == []


def test_marks_are_scored_again_too(world: World) -> None:
    entry = world.table.entries(PROJECT)[0]
    expert = replace(
        entry,
        team="expert",
        key=f"submissions/{PROJECT}/expert/20261201T090000Z-{'e' * 12}.csv",
        digest="e" * 64,
        public_score=0.3,
    )
    world.table.record_mark(expert)

    def checker(event: dict[str, Any]) -> None:
        if "/expert/" not in event["submission"]["key"]:
            Checker(world, lambda score: score)(event)
            return
        world.table.record_mark(replace(expert, public_score=0.2, rescored=event["rescore"]))

    world.functions.run["checker"] = checker
    done = world.verb("rescore", PROJECT, "--yes")
    assert done.exit_code == 0, done.output
    assert "4 entries of climate-series" in done.output
    assert world.table.marks(PROJECT)["expert"].public_score == 0.2
    assert json.loads(world.get("site", f"boards/{PROJECT}.json"))["phase"] == "open"
