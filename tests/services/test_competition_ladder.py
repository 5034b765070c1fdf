"""The shown score moves on gains beyond noise alone, and 500 tries at chance gain nothing."""

from __future__ import annotations

from functools import cache
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from benchmarks.ranking import (
    Attack,
    Maps,
    World,
    any_gain_moves,
    attack,
    ladder_moves,
    score,
)
from infra.services.competition.ladder import Ladder
from infra.services.competition.projects.climate_series import ClimateSeries, record

SEEDS = range(3)


# --- attacks --------------------------------------------------------------------------------------
@cache
def attacks(moves: Any, *, climb: bool) -> list[Attack]:
    return [attack(seed, moves, climb=climb) for seed in SEEDS]


def honest_noise() -> float:
    """The standard deviation of the private score over guesses that are equally good."""
    maps = Maps(0)
    return float(np.std([score(maps.parts(maps.guess())[1]) for _ in range(60)]))


@pytest.mark.parametrize("climb", [False, True], ids=["random", "hill-climbing"])
def test_500_tries_at_chance_do_not_raise_the_private_score(climb: bool) -> None:
    found = attacks(ladder_moves, climb=climb)
    # The first guess and the last each have that noise; so has the mean over three worlds.
    limit = 3 * honest_noise() * (2 / len(found)) ** 0.5
    assert limit < 0.02
    assert fmean(each.private for each in found) < limit


def test_without_the_ladder_hill_climbing_raises_the_public_score_visibly_more() -> None:
    free, held = attacks(any_gain_moves, climb=True), attacks(ladder_moves, climb=True)
    gained, kept = (fmean(each.public for each in found) for found in (free, held))
    assert gained > 0.05, "the attack works"
    assert kept < gained / 2
    assert fmean(each.moves for each in held) < fmean(each.moves for each in free) / 4
    assert fmean(each.private for each in free) < 0.01, "and all of it is the board's own noise"


def test_climbing_scene_by_scene_moves_nothing() -> None:
    """A gain on one scene alone is never enough, however lucky the guess."""
    maps = Maps(1)
    best = maps.guess()
    shown, _ = maps.parts(best)
    for number in range(100):
        new = best.copy()
        new[number % maps.public] = maps.guess(0.2)[number % maps.public]
        units, _ = maps.parts(new)
        assert any_gain_moves(units, shown)
        assert not ladder_moves(units, shown)


# --- honest work ----------------------------------------------------------------------------------
def test_a_map_with_a_quarter_less_error_moves_the_shown_score() -> None:
    maps = Maps(2)
    shown, _ = maps.parts(maps.guess(0.4))
    assert ladder_moves(maps.parts(maps.guess(0.3))[0], shown)
    assert not ladder_moves(shown, maps.parts(maps.guess(0.3))[0])


def test_many_steps_that_are_each_too_small_are_shown_together() -> None:
    maps = Maps(3)
    first = best = maps.guess(0.4)
    shown, _ = maps.parts(first)
    steps = []
    for _ in range(40):
        mended = maps.rng.random(best.shape) < 0.002
        best = np.where(mended, maps.truth, best)
        moved = ladder_moves(maps.parts(best)[0], shown)
        steps.append(moved)
        if moved:
            shown = maps.parts(best)[0]
    assert any(steps)
    assert not all(steps)
    assert score(shown) > score(maps.parts(first)[0]) + 0.02


# --- the rule -------------------------------------------------------------------------------------
def series(*ratios: float) -> bytes:
    logs = {f"s{at}": ratio for at, ratio in enumerate(ratios)}
    return record({"public": logs, "private": dict.fromkeys(logs, 0.0)})


def moves(new: bytes, shown: bytes, better: Any = "lower") -> bool:
    project = ClimateSeries()

    def score_of(each: bytes) -> float:
        vectors = project.units(each, "public").values()
        return project.score_of([sum(column) for column in zip(*vectors, strict=True)])

    return Ladder(better, project).moves(score_of(new), new, score_of(shown), shown)


SHOWN = series(0.0, 0.1, -0.1, 0.2)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (SHOWN, False),
        (series(-0.3, -0.2, -0.4, -0.1), True),  # better by the same on each
        (series(-0.3, -0.15, -0.45, -0.1), True),  # by nearly the same
        (series(-1.0, 0.1, -0.1, 0.2), False),  # on one alone
        (series(-0.5, 0.2, -0.2, 0.2), False),  # by chance
        (series(0.3, 0.4, 0.2, 0.5), False),  # worse
        (series(-0.0001, 0.0999, -0.1001, 0.1999), False),  # by less than is shown
    ],
)
def test_what_moves_is_better_on_the_units_together(new: bytes, expected: bool) -> None:
    assert moves(new, SHOWN) is expected


def test_where_more_is_better_the_same_gain_downwards_is_none() -> None:
    up, down = series(0.3, 0.4, 0.2, 0.5), series(-0.3, -0.2, -0.4, -0.1)
    assert moves(up, SHOWN, "higher")
    assert not moves(down, SHOWN, "higher")


@pytest.mark.parametrize("shown_record", [b"", series(0.0, 0.1), series(0.0)])
def test_beside_an_entry_without_the_same_units_any_gain_that_is_seen_moves(
    shown_record: bytes,
) -> None:
    rule = Ladder("lower", ClimateSeries())
    assert rule.moves(0.9, SHOWN, 0.95, shown_record)
    assert not rule.moves(0.9, SHOWN, 0.9004, shown_record)
    assert not rule.moves(0.95, SHOWN, 0.9, shown_record)


def test_the_private_part_moves_nothing() -> None:
    """Two entries that differ in the private part alone are one to the ladder."""
    logs = {"a": 0.0, "b": 0.1, "c": -0.1}
    one = record({"public": logs, "private": {"a": 0.0, "b": 0.0, "c": 0.0}})
    other = record({"public": logs, "private": {"a": -2.0, "b": -2.0, "c": -2.0}})
    assert not moves(other, one)
    better = record({"public": {n: v - 1 for n, v in logs.items()}, "private": logs})
    worse = record({"public": {n: v - 1 for n, v in logs.items()}, "private": {"a": 9.0}})
    assert moves(better, one)
    assert moves(worse, one)


def test_five_points_are_mostly_seen_on_ten_scenes() -> None:
    """Of two models that differ as those of one team do. Where they differ more, an honest gain may
    take a second step to be shown: that is what the ladder costs."""
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(300):
        world = World.draw(rng, 10)
        one, other = world.model(rng, 0.5, 0.3), world.model(rng, 0.76, 0.3)
        seen.append(ladder_moves(other, one))
    assert fmean(seen) > 0.7
