"""What a clever team may try, and what chance may do: each was possible once, or nearly."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from infra.services.competition import handler, logic, state
from infra.services.competition.ladder import Ladder
from infra.services.competition.projects.climate_series import MOST_RATIO, ClimateSeries, record
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable
from tests.services.test_competition_scorer import (
    AT,
    CLOSED,
    PREFIX,
    RIGHT,
    World,
    better,
    digest_of,
    event,
    parameter,
    select,
    world,
)

__all__ = ["world"]

PROJECT = "climate-series"
HOUR = dt.timedelta(hours=1)


def act(world: World, verb: Any, at: dt.datetime, **more: Any) -> None:
    """An admin's verb, at that time; it is that time for the scorer, too."""
    world.now = at
    table, rules = BoardTable("earth-board"), CompetitionSettings.from_json(parameter())
    before = table.state(PROJECT)
    after, done = verb(before, rules, at=at, who="arn:x", why="because", **more)
    table.act(PROJECT, before, after, done)


# --- reading the answers off the scores -----------------------------------------------------------
def test_a_descent_in_step_is_no_equation_in_the_answers() -> None:
    """Forecasts that are far off by the same in every series have no error between them, so that
    each, a little nearer, would move the shown score and tell it to three digits; from enough of
    them every held-out value can be computed. Capped ratios do not move, and then few steps are
    left that are worth being told."""
    series = ClimateSeries()
    ladder = Ladder("lower", series)
    naive = [1 + number / 10 for number in range(8)]

    def scored(off: float) -> tuple[float, bytes]:
        logs = {
            f"s{at}": math.log(min(MOST_RATIO, max(1e-3, off / scale)))
            for at, scale in enumerate(naive)
        }
        found = record({"public": logs, "private": logs})
        return series.score_of((math.fsum(logs.values()), len(logs))), found

    shown = scored(100)
    moves = 0
    for step in range(500):
        new = scored(100 / 1.045**step)
        if ladder.moves(*new, *shown):
            moves, shown = moves + 1, new
    assert shown[0] < 0.01, "it comes down all the same"
    assert moves < 150, "there are 48 values to a part, and digits of noise to each equation"
    far = [scored(100 / 1.045**step)[0] for step in range(50)]
    assert far == pytest.approx([MOST_RATIO] * 50), "far off there is nothing to be read"


def test_what_is_told_beside_the_score_has_no_more_digits_than_it(world: World) -> None:
    levels = [f"{number / 20:g}" for number in range(1, 20)]
    header = ",".join(["series", "step", "value", *levels])
    rows = []
    for line in RIGHT.splitlines()[1:]:
        name, step, value = line.split(",")
        quantiles = ["1e9" if step in ("10", "20") else value] * len(levels)
        rows.append(",".join([name, step, value, *quantiles]))
    receipt = world.submit("\n".join([header, *rows]) + "\n")
    assert receipt["status"] == "scored", receipt["message"]
    assert len(repr(receipt["also"]["WQL"]).replace(".", "")) <= 5


def test_other_quantiles_of_the_same_values_tell_nothing_new(world: World) -> None:
    levels = [f"{number / 20:g}" for number in range(1, 20)]

    def forecast(off: float) -> str:
        rows = [",".join(["series", "step", "value", *levels])]
        for line in RIGHT.splitlines()[1:]:
            name, step, value = line.split(",")
            rows.append(",".join([name, step, value, *[str(float(value) + off)] * len(levels)]))
        return "\n".join(rows) + "\n"

    world.submit(forecast(0), at=AT + dt.timedelta(seconds=1))
    was = world.board()["entries"][0]["also"]
    receipt = world.submit(forecast(-3), at=AT)
    assert receipt["status"] == "scored"
    assert world.board()["entries"][0]["also"] == was


# --- wearing the scorer out -----------------------------------------------------------------------
def test_what_is_beyond_the_days_limit_is_not_scored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (1.9, 1.8):
        world.submit(better(value))
    monkeypatch.setattr(logic, "_score", lambda *_: pytest.fail("it was scored"))
    assert "has used its 2 submissions" in world.submit(better(1.7))["message"]


def test_selections_have_a_limit_and_the_last_one_holds(world: World) -> None:
    entry = world.submit(better(1.9))["entry"]
    said = [
        select(world, entry, at=AT + dt.timedelta(seconds=number))["status"]
        for number in range(logic.SELECTIONS_A_DAY + 2)
    ]
    assert said == ["noted"] * logic.SELECTIONS_A_DAY + ["refused"] * 2
    assert len(BoardTable("earth-board").selections(PROJECT)["falcon"].entries) == 1


def test_a_file_that_cannot_be_read_back_is_refused(world: World) -> None:
    key = f"{PREFIX}/falcon/20261201T090000Z-00000000aaaa.csv"
    world.s3.put_object(Bucket="work", Key=key, Body=RIGHT.encode(), StorageClass="GLACIER")
    assert world.check(key)["status"] == "refused"


# --- freezes, closes, reopenings ------------------------------------------------------------------
def test_there_is_no_result_while_something_waits_that_came_in_time(world: World) -> None:
    world.submit(better(1.5), team="heron")
    act(world, state.freeze, CLOSED - 3 * HOUR)
    waiting = world.upload(RIGHT)
    assert world.score(waiting, CLOSED - 2 * HOUR)["status"] == "waiting"
    act(world, state.close, CLOSED + HOUR)
    handler.scorer({"publish": PROJECT}, None)
    assert world.board()["phase"] == "closed"
    assert "final" not in world.board()
    receipt = handler.scorer(event(waiting.replace("submissions/", "checked/", 1)), None)
    assert (receipt["status"], receipt["late"]) == ("scored", False)
    final = world.board()["final"]["entries"]
    assert {entry["team"] for entry in final} == {"falcon", "heron"}
    assert BoardTable("earth-board").held(PROJECT) == []


def test_a_frozen_board_stands_still_for_what_was_late_and_came_again(world: World) -> None:
    assert world.submit(better(1.5), at=CLOSED)["late"]
    act(world, state.reopen, CLOSED + HOUR, until=(CLOSED + dt.timedelta(days=9)).date())
    act(world, state.freeze, CLOSED + HOUR)
    generation = BoardTable("earth-board").generation(PROJECT)
    assert world.submit(better(1.5), at=CLOSED + 2 * HOUR)["status"] == "waiting"
    assert BoardTable("earth-board").generation(PROJECT) == generation


def test_what_came_while_it_was_closed_is_late_whenever_it_is_scored(world: World) -> None:
    act(world, state.close, AT)
    scored = world.submit(better(1.7), team="heron", at=AT + HOUR)
    waits = world.upload(better(1.5))
    world.check(waits, AT + HOUR)
    act(world, state.reopen, AT + 2 * HOUR, until=(AT + dt.timedelta(days=9)).date())
    later = handler.scorer(event(waits.replace("submissions/", "checked/", 1)), None)
    assert scored["late"]
    assert later["late"]


def test_who_was_scored_after_the_moment_of_a_close_does_not_decide(world: World) -> None:
    """The entry is in the table before the close is."""
    world.submit(better(1.5), at=AT + dt.timedelta(seconds=30))
    act(world, state.close, AT)
    world.now = AT + HOUR
    handler.scorer({"publish": PROJECT}, None)
    assert world.board()["final"]["entries"] == []


# --- honest words ---------------------------------------------------------------------------------
def test_of_two_selections_in_one_second_each_is_told_whether_it_holds(world: World) -> None:
    one, two = (world.submit(better(value))["entry"] for value in (1.9, 1.8))
    for order in ((one, two), (two, one)):
        world.dynamodb.delete_item(
            TableName="earth-board",
            Key={"pk": {"S": f"project#{PROJECT}"}, "sk": {"S": "selection#falcon"}},
        )
        told = [select(world, entry)["message"] for entry in order]
        holds = BoardTable("earth-board").selections(PROJECT)["falcon"].entries[0]
        assert ("changes nothing" in told[1]) == (not holds.startswith(order[1]))


def test_an_entry_that_was_disqualified_is_told_so_when_it_comes_again(world: World) -> None:
    world.submit(better(1.5))
    act(world, state.disqualify, AT, team="falcon", digest=digest_of(better(1.5)))
    again = world.submit(better(1.5), at=AT + HOUR)
    assert "disqualified: because" in again["message"]
    assert again["public_score"] is None


def test_an_entry_that_counts_no_more_cannot_be_selected(world: World) -> None:
    world.submit(better(1.5))
    table = BoardTable("earth-board")
    [entry] = table.entries(PROJECT)
    table.rescore(
        entry,
        entry.public_score,
        entry.private_score,
        entry.record,
        entry.also,
        rescored="r",
        fault="Scene 3 is missing.",
    )
    assert "Scene 3 is missing" in select(world, entry.digest[:12])["message"]
