"""Ranks and intervals: exact where they can be, and right often enough on simulated boards.

Larger simulations are in `benchmarks/ranking.py`, whose worlds these are.
"""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ranking import (
    BETTER_SKILL,
    SKILL,
    Units,
    World,
    all_tied,
    boards,
    by_numpy,
    none_apart,
    score,
    share,
    told_apart,
    true_score,
)
from infra.services.competition.projects.climate_series import ClimateSeries
from infra.services.competition.projects.land_cover import LandCover
from infra.services.competition.ranking import (
    Interval,
    difference,
    rank,
    student,
    summed,
)

MACRO_F1 = LandCover().score_of
RATIO = ClimateSeries().score_of


def teams(*skills: float, scenes: int = 24, seed: int = 1) -> dict[str, Units]:
    rng = np.random.default_rng(seed)
    world = World.draw(rng, scenes)
    return {f"team-{at}": world.model(rng, skill) for at, skill in enumerate(skills)}


def forecasts(*means: float, series: int = 24, seed: int = 1) -> dict[str, Any]:
    """Logarithms of error ratios about these means, on the same series."""
    rng = np.random.default_rng(seed)
    hardness = rng.normal(0, 0.3, series)
    return {
        f"team-{at}": {
            f"series-{number}": (float(value), 1.0)
            for number, value in enumerate(hardness + rng.normal(mean, 0.05, series))
        }
        for at, mean in enumerate(means)
    }


# --- exact ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("scenes", [2, 3, 10, 24])
def test_numpy_finds_the_same_rank_intervals(scenes: int) -> None:
    board = teams(*(0.3 + 0.15 * at for at in range(12)), scenes=scenes, seed=scenes)
    found = rank(board, MACRO_F1, "higher", replicates=200, seed="x", digits=3)
    intervals = {name: (s.rank_low, s.rank_high) for name, s in found.teams.items()}
    assert intervals == by_numpy(board, "x", 200)


def test_that_comparison_is_of_boards_on_which_ranks_differ() -> None:
    board = teams(*(0.3 + 0.15 * at for at in range(12)))
    intervals = set(by_numpy(board, "x", 200).values())
    assert len(intervals) > 4
    assert (1, 12) not in intervals


def test_the_same_board_is_the_same_board_again_in_any_order() -> None:
    board = teams(0.3, 0.6, 0.9)
    first = rank(board, MACRO_F1, "higher", replicates=100, seed="a")
    turned = {
        name: dict(reversed(list(units.items()))) for name, units in reversed(list(board.items()))
    }
    assert rank(turned, MACRO_F1, "higher", replicates=100, seed="a") == first


def test_a_score_is_that_of_all_units_and_lies_in_its_interval() -> None:
    board = teams(0.3, 0.9)
    found = rank(board, MACRO_F1, "higher", replicates=50, seed="a")
    assert (found.units, found.replicates, found.narrow) == (24, 50, False)
    for name, standing in found.teams.items():
        assert standing.score.value == score(board[name])
        assert standing.score.low < standing.score.value < standing.score.high


def test_where_less_is_better_the_least_stands_first() -> None:
    board = forecasts(0.0, -0.5, -0.5)
    found = rank(board, RATIO, "lower", replicates=200, seed="a", digits=3)
    first, *rest = (found.teams[name] for name in sorted(board))
    assert (first.rank_low, first.rank_high, first.tied_with) == (3, 3, ())
    assert [(s.rank_low, s.rank_high) for s in rest] == [(1, 2), (1, 2)]
    assert [s.tied_with for s in rest] == [("team-2",), ("team-1",)]
    mean = math.fsum(value for value, _ in board["team-0"].values()) / 24
    assert first.score.value == pytest.approx(math.exp(mean), rel=1e-12)
    assert 0 < first.score.low < first.score.value < first.score.high


def test_the_jackknifes_error_of_a_mean_is_the_textbooks() -> None:
    rng = np.random.default_rng(4)
    one, other = (
        {str(at): (float(value), 1.0) for at, value in enumerate(rng.normal(size=30))}
        for _ in range(2)
    )
    apart, error = difference(one, other, lambda sums: sums[0] / sums[1])
    differences = np.array([one[name][0] - other[name][0] for name in one])
    assert apart == pytest.approx(differences.mean())
    assert error == pytest.approx(differences.std(ddof=1) / math.sqrt(30))


def test_the_interval_of_a_mean_is_students_with_half_the_degrees_of_freedom() -> None:
    values = np.random.default_rng(5).normal(3, 1, 25)
    board = {"a": {str(at): (float(value), 1.0) for at, value in enumerate(values)}}
    found = rank(board, lambda s: s[0] / s[1], "higher", replicates=9, seed="")
    half = 2.178813 * values.std(ddof=1) / 5  # t with 12 degrees of freedom, two-sided .95
    assert found.teams["a"].score == Interval(
        pytest.approx(values.mean()),
        pytest.approx(values.mean() - half, abs=1e-6),
        pytest.approx(values.mean() + half, abs=1e-6),
    )


@pytest.mark.parametrize(
    ("outside", "freedom", "expected"),
    [
        # From tables.
        (0.05, 1, 12.7062),
        (0.05, 2, 4.30265),
        (0.10, 9, 1.83311),
        (0.05, 23, 2.06866),
        (0.001, 10, 4.58689),
        (0.01, 120, 2.61742),
    ],
)
def test_students_t(outside: float, freedom: int, expected: float) -> None:
    assert student(outside, freedom) == pytest.approx(expected, rel=1e-5)


def test_with_many_degrees_of_freedom_students_t_is_normal() -> None:
    assert student(0.05, 100_000) == pytest.approx(NormalDist().inv_cdf(0.975), rel=1e-4)


# A machine that others use as well is slow now and then.
@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6), min_size=2, max_size=2),
        min_size=2,
        max_size=6,
    )
)
def test_resamples_are_those_of_plain_sums(vectors: list[list[float]]) -> None:
    # A score that is the sum itself shows what the wide integers hold.
    board = {"a": {f"{at}": tuple(vector) for at, vector in enumerate(vectors)}}
    seen: list[tuple[float, float]] = []

    def score_of(sums: Any) -> float:
        seen.append((float(sums[0]), float(sums[1])))
        return float(sums[0])

    rank(board, score_of, "higher", replicates=20, seed="s")
    draw = random.Random("s").random  # noqa: S311
    count = len(vectors)
    for found in seen[-20:]:
        picked = [vectors[int(draw() * count)] for _ in range(count)]
        assert found == pytest.approx(tuple(summed(picked)), rel=1e-12, abs=1e-6)


def test_counts_too_large_for_their_lane_are_refused_not_mixed_up() -> None:
    board = {"a": {"1": (2**60, 1), "2": (1, 1)}}
    with pytest.raises(ValueError, match="too large"):
        rank(board, lambda s: s[0], "higher", seed="")


# --- who cannot be ranked -------------------------------------------------------------------------
def test_teams_of_other_units_are_an_error() -> None:
    board = teams(0.3, 0.6)
    del board["team-0"]["scene-003"]
    with pytest.raises(ValueError, match="units differ"):
        rank(board, MACRO_F1, "higher", seed="")


def test_one_unit_tells_nothing() -> None:
    with pytest.raises(ValueError, match="two or more"):
        rank(teams(0.3, 0.6, scenes=1), MACRO_F1, "higher", seed="")


def test_no_team_is_no_ranking() -> None:
    assert rank({}, MACRO_F1, "higher", seed="").teams == {}


def test_fewer_than_24_units_are_few() -> None:
    for scenes, narrow in ((23, True), (24, False)):
        found = rank(teams(0.3, scenes=scenes), MACRO_F1, "higher", replicates=2, seed="")
        assert found.narrow is narrow


# --- who is tied ----------------------------------------------------------------------------------
def test_the_very_same_entry_of_two_teams_is_tied() -> None:
    board = teams(0.3)
    board |= {"copy": board["team-0"]}
    found = rank(board, MACRO_F1, "higher", seed="")
    assert {(s.rank_low, s.rank_high) for s in found.teams.values()} == {(1, 2)}


def test_a_gain_that_rounding_hides_tells_nobody_apart() -> None:
    """A ten-thousandth better on every series alike, without any noise."""
    board = forecasts(0.0)
    board["nearly"] = {name: (value - 1e-4, 1.0) for name, (value, _) in board["team-0"].items()}
    for digits, interval in ((2, (1, 2)), (6, (2, 2))):
        found = rank(board, RATIO, "lower", seed="", digits=digits).teams["team-0"]
        assert (found.rank_low, found.rank_high) == interval


def test_being_tied_is_mutual_and_follows_from_the_intervals() -> None:
    found = rank(teams(*(0.2 * at for at in range(9))), MACRO_F1, "higher", seed="").teams
    assert any(s.tied_with for s in found.values())
    assert not all(len(s.tied_with) == 8 for s in found.values())
    for one, standing in found.items():
        for other, its in found.items():
            overlap = standing.rank_low <= its.rank_high and its.rank_low <= standing.rank_high
            assert (other in standing.tied_with) is (overlap and one != other)
        assert 1 <= standing.rank_low <= standing.rank_high <= 9


# --- beside the lines -----------------------------------------------------------------------------
def test_the_gap_closed_is_a_share_of_the_way_from_baseline_to_expert() -> None:
    board = teams(0.0, 1.0, 2.0)
    baseline, expert = board["team-0"], board["team-2"]
    found = rank(board, MACRO_F1, "higher", seed="", baseline=baseline, expert=expert).teams
    low, middle, high = (found[name].gap_closed for name in sorted(found))
    assert (low, high) == (Interval(0, 0, 0), Interval(1, 1, 1))
    scores = [score(board[name]) for name in sorted(board)]
    assert middle is not None
    assert middle.value == pytest.approx((scores[1] - scores[0]) / (scores[2] - scores[0]))
    assert 0 < middle.low < middle.value < middle.high < 1


def test_the_gap_closed_counts_downwards_where_less_is_better() -> None:
    board = forecasts(0.0, -0.5, -1.0)
    found = rank(
        board, RATIO, "lower", seed="", baseline=board["team-0"], expert=board["team-2"]
    ).teams
    gap = found["team-1"].gap_closed
    assert gap is not None
    assert 0.5 < gap.low < gap.value < gap.high < 0.75
    assert [found[name].near_expert for name in sorted(found)] == [False, False, True]


def test_a_ratio_is_judged_by_its_logarithm() -> None:
    evidence = forecasts(0.25, 0.5, series=8)
    found = rank(evidence, ClimateSeries().score_of, "lower", seed="s", scale="ratio")
    for standing in found.teams.values():
        score = standing.score
        assert 0 < score.low < score.value < score.high
        assert score.value / score.low == pytest.approx(score.high / score.value)


def test_half_and_double_are_equally_far_from_one() -> None:
    """Turned upside down, with less being better, a board says the same."""
    evidence = forecasts(0.3, 0.5, 0.8, series=8)
    upside_down = {
        team: {name: (-log, one) for name, (log, one) in row.items()}
        for team, row in evidence.items()
    }
    score_of = ClimateSeries().score_of
    down = rank(evidence, score_of, "lower", seed="s", scale="ratio")
    up = rank(upside_down, score_of, "higher", seed="s", scale="ratio")
    for team, standing in down.teams.items():
        other = up.teams[team]
        assert (other.rank_low, other.rank_high) == (standing.rank_low, standing.rank_high)
        assert other.score.low == pytest.approx(1 / standing.score.high)


def test_without_both_lines_or_a_sure_gap_no_share_of_it_is_told() -> None:
    board = teams(0.0, 0.02, 2.0)
    for lines in (
        {},
        {"baseline": board["team-0"]},
        {"expert": board["team-2"]},
        {"baseline": board["team-0"], "expert": board["team-1"]},
        {"baseline": board["team-2"], "expert": board["team-0"]},
    ):
        found = rank(board, MACRO_F1, "higher", replicates=20, seed="", **lines)  # type: ignore[arg-type]
        assert {s.gap_closed for s in found.teams.values()} == {None}


def test_near_the_expert_is_who_is_surely_less_than_two_points_behind() -> None:
    def forecasts_near(gain: float, noise: float) -> Any:
        rng = np.random.default_rng(3)
        return {f"{at}": (gain + noise * rng.normal(), 1.0) for at in range(24)}

    def near(team: Any) -> bool:
        found = rank(
            {"a": team},
            lambda s: s[0] / s[1],
            "higher",
            replicates=9,
            seed="",
            expert=forecasts_near(0, 0),
        )
        return found.teams["a"].near_expert

    assert near(forecasts_near(0.5, 0.01))
    assert near(forecasts_near(-0.01, 0.001))
    assert not near(forecasts_near(-0.03, 0.001))
    assert not near(forecasts_near(-0.01, 0.2)), "too unsure"


# --- simulated boards -----------------------------------------------------------------------------
@pytest.mark.parametrize(("scenes", "count"), [(24, 400), (10, 200)])
def test_two_models_that_are_equally_good_share_a_rank_on_19_boards_of_20(
    scenes: int, count: int
) -> None:
    found = boards(count, scenes, [SKILL] * 2, replicates=250, seed=2)
    assert share([none_apart(board) for board in found]) >= 0.95


def test_ten_models_that_are_equally_good_share_a_rank_on_19_boards_of_20() -> None:
    found = boards(100, 24, [SKILL] * 10, replicates=250, seed=2)
    assert share([all_tied(board) for board in found]) >= 0.95
    assert share([none_apart(board) for board in found]) >= 0.95, "nor is any pair told apart"


def test_a_model_that_is_five_points_better_is_told_apart_on_most_boards() -> None:
    assert 0.04 < true_score(BETTER_SKILL) - true_score(SKILL) < 0.06
    found = boards(150, 24, [SKILL, BETTER_SKILL], replicates=250, seed=2)
    assert share([told_apart(board) for board in found]) > 0.7


def test_a_scores_interval_holds_the_score_on_very_many_scenes() -> None:
    truth = true_score(SKILL)
    found = boards(300, 24, [SKILL], replicates=2, seed=2)
    held = [s.score.low <= truth <= s.score.high for board in found for s in board.values()]
    assert 0.92 <= share(held) <= 0.99
