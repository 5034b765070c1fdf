"""Intervals of paired forecasts: symmetries, verdicts, and whether they hold what they promise."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace

import numpy as np
import pytest
from academy.forecasting import climatology, seasonal_naive
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import comparing
from academy.forecasting.evaluation.backtesting import Backtest, backtest, one_by_one
from academy.forecasting.evaluation.comparing import (
    LEAST_ORIGINS,
    TIE,
    compare,
    compare_by_lead,
    coverage_interval,
    half_width,
    reliability_intervals,
    student_quantile,
)
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

seeds = st.integers(0, 10_000)


def trial(
    seed: int = 0,
    *,
    name: str = "mine",
    error: float = 1.0,
    series: int = 2,
    origins: int = 60,
    horizon: int = 3,
    wide: bool = False,
    noise: int = 1,
) -> Backtest:
    """A backtest of white noise: what came depends on `seed`, what was said on `noise`, too."""
    truth = np.random.default_rng(seed).normal(size=(series, origins, horizon))
    said = truth + error * np.random.default_rng([seed, noise]).normal(size=truth.shape)
    quantiles = said[..., None] + error * stats.norm.ppf(LEVELS)
    return Backtest(
        name=name,
        names=tuple("abcdefgh"[:series]),
        season=12,
        truth=truth,
        point=said,
        naive=np.zeros_like(truth),
        scale=np.ones((series, origins)),
        origins=np.tile(np.arange(100, 100 + origins), (series, 1)),
        quantiles=quantiles if wide else None,
    )


def of(backtest: Backtest, rows: list[int]) -> Backtest:
    """Some of its series, maybe several times, under new names."""
    return replace(
        backtest,
        names=tuple(f"series {at}" for at in range(len(rows))),
        **{
            part: getattr(backtest, part)[rows]
            for part in ("truth", "point", "naive", "scale", "origins")
        },
    )


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(comparing)
    assert result.attempted >= 6
    assert result.failed == 0


# --- the ratio -----------------------------------------------------------------------------------
def test_the_ratio_is_the_geometric_mean_over_the_series_and_lies_inside():
    one, other = trial(error=0.5), trial(name="theirs", noise=2)
    ratios = [
        np.abs(one.truth[at] - one.point[at]).mean()
        / np.abs(other.truth[at] - other.point[at]).mean()
        for at in range(2)
    ]
    found = compare(one, other)
    assert found.ratio == pytest.approx(math.sqrt(ratios[0] * ratios[1]))
    assert found.low < found.ratio < found.high
    assert found.ratio**2 == pytest.approx(found.low * found.high)
    assert (found.name, found.other, found.origins, found.level) == ("mine", "theirs", 60, 0.95)
    assert "mine / theirs: 0.5" in repr(found)
    assert "60 origins, worth about" in repr(found)


@given(seeds, st.floats(0.2, 3))
def test_turned_round_the_interval_turns_round(seed, error):
    one, other = trial(seed, error=error), trial(seed, name="theirs", noise=2)
    there, back = compare(one, other), compare(other, one)
    assert back.ratio == pytest.approx(1 / there.ratio)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))
    assert back.effective == pytest.approx(there.effective)
    turned = {"better": "worse", "worse": "better"}
    if "tie" not in (there.verdict, back.verdict):
        assert back.verdict == turned.get(there.verdict, there.verdict)


@given(seeds, st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_the_unit_of_a_series_does_not_matter(seed, factor, shift):
    def other_unit(backtest: Backtest) -> Backtest:
        turned = {
            part: getattr(backtest, part) * factor + shift for part in ("truth", "point", "naive")
        }
        return replace(backtest, scale=backtest.scale * factor, **turned)

    one, other = trial(seed, error=0.7), trial(seed, noise=2)
    plain, turned = compare(one, other), compare(other_unit(one), other_unit(other))
    assert (turned.ratio, turned.low, turned.high) == pytest.approx(
        (plain.ratio, plain.low, plain.high), rel=1e-6
    )


@given(seeds, st.integers(2, 6))
def test_a_series_that_is_there_several_times_makes_nothing_surer(seed, times):
    one, other = trial(seed, error=0.7, series=1), trial(seed, noise=2, series=1)
    once, often = compare(one, other), compare(of(one, [0] * times), of(other, [0] * times))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert often.effective == pytest.approx(once.effective)


@given(seeds)
def test_the_order_of_the_series_does_not_matter(seed):
    one, other = trial(seed, error=0.7, series=3), trial(seed, noise=2, series=3)
    plain, turned = compare(one, other), compare(of(one, [2, 0, 1]), of(other, [2, 0, 1]))
    assert (turned.low, turned.high) == pytest.approx((plain.low, plain.high))


@given(seeds)
def test_more_certainty_needs_a_wider_interval(seed):
    one, other = trial(seed, error=0.7), trial(seed, noise=2)
    widths = [
        (found := compare(one, other, level=level)).high - found.low for level in (0.5, 0.8, 0.99)
    ]
    assert widths == sorted(widths)


# --- verdicts ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "verdict"), [(0.3, "better"), (3.0, "worse"), (1.05, "not settled")]
)
def test_verdicts(error, verdict):
    one, other = trial(error=error, origins=240), trial(noise=2, origins=240)
    found = compare(one, other)
    assert found.verdict == verdict
    assert (found.high < 1, found.low > 1) == (verdict == "better", verdict == "worse")


def test_the_same_forecasts_are_a_tie_without_width():
    one = trial()
    found = compare(one, replace(one, name="theirs"))
    assert (found.ratio, found.low, found.high) == (1, 1, 1)
    assert (found.verdict, found.effective) == ("tie", 60)


def test_a_small_certain_difference_is_a_tie():
    other = trial(origins=240)
    one = replace(other, point=other.truth + 0.97 * (other.point - other.truth))
    found = compare(one, other)
    assert found.ratio == pytest.approx(0.97)
    assert 1 - TIE < found.low <= found.high < 1
    assert found.verdict == "tie"


# --- leads and measures --------------------------------------------------------------------------
def test_by_lead_is_lead_by_lead():
    one, other = trial(error=0.7), trial(noise=2)
    found = compare_by_lead(one, other)
    assert found == [compare(one, other, leads=slice(at, at + 1)) for at in range(3)]
    assert len({each.ratio for each in found}) == 3
    assert compare(one, other, leads=slice(-1, None)) == found[-1]


@given(seeds)
def test_points_count_as_quantiles_that_are_all_equal(seed):
    one, other = trial(seed, error=0.7), trial(seed, noise=2)
    flat = replace(one, quantiles=np.repeat(one.point[..., None], 19, axis=-1))
    by_points, by_quantiles = (compare(each, other, measure="wql") for each in (one, flat))
    assert by_points.ratio == pytest.approx(compare(one, other).ratio)
    assert by_quantiles.ratio == pytest.approx(by_points.ratio)
    assert by_quantiles.high == pytest.approx(by_points.high)


def test_a_fan_beats_its_own_median_by_wql():
    fan = trial(wide=True, origins=240)
    assert compare(fan, replace(fan, quantiles=None), measure="wql").verdict == "better"


# --- coverage ------------------------------------------------------------------------------------
def calibrated(width: float = 1.0) -> Backtest:
    """The truth is standard normal, and so are the quantiles but for their width."""
    base = trial(origins=240)
    quantiles = np.broadcast_to(width * stats.norm.ppf(LEVELS), (*base.truth.shape, 19))
    return replace(base, quantiles=quantiles, point=quantiles[..., MEDIAN])


def test_the_truths_own_quantiles_are_calibrated_and_narrow_ones_are_not():
    right, narrow = coverage_interval(calibrated()), coverage_interval(calibrated(0.4))
    assert right.calibrated
    assert right.nominal == 0.8
    assert right.share == pytest.approx(0.8, abs=0.04)
    assert not narrow.calibrated
    assert narrow.high < 0.8
    assert "80% is right" in repr(narrow)


def test_reliability_has_an_interval_for_every_level():
    backtest = calibrated(0.4)
    found = reliability_intervals(backtest)
    assert [each.nominal for each in found] == list(LEVELS)
    assert [each.share for each in found] == pytest.approx(backtest.reliability())
    assert all(0 <= each.low <= each.share <= each.high <= 1 for each in found)
    assert not found[0].calibrated
    assert found[MEDIAN].calibrated
    assert sum(each.calibrated for each in reliability_intervals(calibrated())) >= 17


@pytest.mark.parametrize(("width", "share"), [(50.0, 1.0), (1e-9, 0.0)])
def test_an_interval_has_a_width_where_all_or_nothing_is_inside(width, share):
    found = coverage_interval(calibrated(width), 0.9)
    assert found.share == share
    assert 0.05 < found.high - found.low < 0.15
    assert (found.low == share, found.high == share) == (share == 0.0, share == 1.0)
    assert found.effective == pytest.approx(240 / 4)
    assert not found.calibrated


def autoregression(draw, weight: float, count: int) -> np.ndarray:
    """Standard normal at every step."""
    values = np.empty(count)
    values[0] = draw.normal()
    for step in range(1, count):
        values[step] = weight * values[step - 1] + math.sqrt(1 - weight**2) * draw.normal()
    return values


def of_steps(values: np.ndarray, origins: int, horizon: int, point: float, name: str) -> Backtest:
    """A backtest of what always says the normal distribution around `point`."""
    truth = values[np.arange(origins)[:, None] + np.arange(horizon)][None]
    flat = np.full_like(truth, point)
    return Backtest(
        name=name,
        names=("a",),
        season=1,
        truth=truth,
        point=flat,
        naive=np.zeros_like(truth),
        scale=np.ones(truth.shape[:2]),
        origins=100 + np.arange(origins)[None],
        quantiles=flat[..., None] + stats.norm.ppf(LEVELS),
    )


def test_a_right_forecaster_is_seldom_called_wrong_at_any_level():
    """Levels at the ends had no width in half of the cases, and were called wrong in a third."""
    draw, wrong = np.random.default_rng(0), np.zeros(20)
    for _round in range(60):
        right = of_steps(autoregression(draw, 0.9, 66), 60, 6, 0.0, "right")
        shares = [coverage_interval(right), *reliability_intervals(right)]
        assert all(each.low < each.share < each.high or each.share in (0, 1) for each in shares)
        assert all(each.high - each.low > 0.1 for each in shares)
        wrong += [not each.calibrated for each in shares]
    assert wrong.max() <= 10
    assert wrong[0] <= 3


# --- too few for a verdict -----------------------------------------------------------------------
def test_fewer_origins_than_two_and_a_half_spans_settle_nothing():
    long, short = (
        [
            trial(error=error, origins=60, horizon=7, noise=noise)
            for error, noise in ((0.1, 1), (1, 2))
        ]
        for _ in range(2)
    )
    near = compare(*long, leads=slice(0, 6))
    assert (near.verdict, near.needed) == ("better", 60)
    assert "needs" not in repr(near)
    far = compare(*short)
    assert far.high < 1
    assert (far.verdict, far.needed) == ("not settled", 63)
    assert "a verdict needs 63" in repr(far)
    apart = compare(*(replace(each, origins=each.origins * 12) for each in short))
    assert apart.verdict == "better"


def test_levels_apart_are_seldom_told_apart_where_a_series_stays_long_on_one_side():
    """Equally good in the long run; with 60 origins and 24 months it was one verdict in four."""
    draw, wrong = np.random.default_rng(1), 0
    for _round in range(100):
        values = autoregression(draw, 0.9, 60 + 12)
        pair = [of_steps(values, 60, 12, *each) for each in ((0.5, "high"), (-0.5, "low"))]
        wrong += compare(*pair).verdict in ("better", "worse")
    assert wrong == 0
    few = 0
    for _round in range(100):
        values = autoregression(draw, 0.9, 60 + 6)
        pair = [of_steps(values, 60, 6, *each) for each in ((0.5, "high"), (-0.5, "low"))]
        found = compare(*pair)
        few += found.effective < comparing.LEAST_WORTH
        assert found.verdict == "not settled" or found.effective >= comparing.LEAST_WORTH
        wrong += found.verdict in ("better", "worse")
    assert few > 50
    assert wrong <= 8


# --- how sure ------------------------------------------------------------------------------------
@given(st.floats(0.5001, 0.9999), st.integers(1, 60))
def test_students_quantiles_are_those_of_scipy(probability, dof):
    assert student_quantile(probability, dof) == pytest.approx(
        stats.t.ppf(probability, dof), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0, math.nan])
def test_students_quantile_is_asked_for_above_the_middle(probability):
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        student_quantile(probability, 4)


@given(seeds, st.integers(LEAST_ORIGINS, 200), st.floats(0.001, 1000), st.floats(-1000, 1000))
def test_widths_follow_the_unit_and_grow_with_the_span(seed, count, factor, shift):
    values = np.random.default_rng(seed).normal(size=count).cumsum()
    half, effective = half_width(values, 10)
    scaled = half_width(values * factor + shift, 10)
    assert scaled == pytest.approx((half * factor, effective), rel=1e-5)
    assert half_width(values[::-1], 10) == pytest.approx((half, effective))
    assert 0 < effective <= count
    wider = half_width(values, 40)[0]
    assert wider >= half
    assert half_width(values, 10_000)[0] >= wider


def test_overlapping_errors_count_as_few_tries():
    draw = np.random.default_rng(0)
    apart = draw.normal(size=240)
    overlapping = np.convolve(draw.normal(size=263), np.ones(24), "valid")
    assert half_width(apart, 1)[1] > 60
    assert half_width(overlapping, 24)[1] < 30


def test_origins_further_apart_hang_together_less():
    near, far = trial(error=0.7), trial(noise=2)
    apart = [replace(each, origins=each.origins * 12) for each in (near, far)]
    found, wider = compare(*apart), compare(near, far)
    assert found.ratio == wider.ratio
    assert found.high < wider.high


def test_nine_intervals_in_ten_hold_the_truth_where_the_usual_ones_fail():
    """The nominal share is .95; errors are moving sums over a horizon of 12, at 120 origins."""
    draw = np.random.default_rng(3)
    held = usual = 0
    for _round in range(400):
        values = np.convolve(draw.normal(size=131), np.ones(12), "valid")
        mean = abs(values.mean())
        held += mean <= half_width(values, 12 + comparing.PERSISTENCE)[0]
        usual += mean <= 1.98 * values.std(ddof=1) / math.sqrt(120)
    assert held / 400 > 0.9
    assert usual / 400 < 0.6


def test_forecasters_that_are_equally_good_are_seldom_told_apart():
    wrong = 0
    for seed in range(100):
        one, other = trial(seed, origins=60), trial(seed, origins=60, noise=2)
        wrong += compare(one, other).verdict in ("better", "worse")
    assert wrong <= 10


def test_real_forecasters_with_a_horizon_that_overlaps():
    series = {"a": np.random.default_rng(1).normal(size=400)}
    found = [
        backtest(one_by_one(each), series, 12, origins=120)
        for each in (climatology, seasonal_naive)
    ]
    pair = compare(*found)
    assert pair.verdict == "better"
    # Of white noise: error sigma against sigma times the root of 2.
    assert pair.low < math.sqrt(1 / 2) < pair.high


# --- bad input -----------------------------------------------------------------------------------
def perfect() -> Backtest:
    one = trial()
    point = one.point.copy()
    point[1] = one.truth[1]
    return replace(one, name="oracle", point=point)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        pytest.param(trial(series=3), "on other series", id="series"),
        pytest.param(trial(horizon=4), "on other horizons: 4 and 3", id="horizon"),
        pytest.param(trial(origins=61), "other numbers of origins: 61 and 60", id="origins"),
        pytest.param(trial(5), "at other origins or on other values", id="values"),
        pytest.param(perfect(), "b: oracle makes no error at all", id="perfect"),
    ],
)
def test_what_cannot_be_compared_is_said(one, message):
    with pytest.raises(SeriesError, match=message):
        compare(one, trial(name="theirs", noise=2))


def test_few_origins_say_nothing():
    least, fewer = (
        [trial(origins=count), trial(origins=count, noise=2)] for count in (LEAST_ORIGINS, 7)
    )
    assert compare(*least).origins == LEAST_ORIGINS
    with pytest.raises(SeriesError, match="7 origins say nothing"):
        compare(*fewer)


@pytest.mark.parametrize("leads", [slice(3, None), slice(2, 1), slice(-9, -5)], ids=str)
def test_leads_that_are_not_there_are_refused(leads):
    for call in (compare, lambda one, _, leads: coverage_interval(one, leads=leads)):
        with pytest.raises(SeriesError, match="no lead is left: the horizon is 3"):
            call(trial(wide=True), trial(noise=2), leads=leads)


@pytest.mark.parametrize("wide", [False, True])
def test_an_unknown_measure_is_refused(wide):
    with pytest.raises(SeriesError, match="measure is 'rmse'; it must be 'mae' or 'wql'"):
        compare(trial(wide=wide), trial(noise=2), measure="rmse")


def test_points_have_no_coverage():
    for call in (coverage_interval, reliability_intervals):
        with pytest.raises(SeriesError, match="mine gave no quantiles"):
            call(trial())
    with pytest.raises(SeriesError, match="not among the 19 levels"):
        coverage_interval(trial(wide=True), 0.83)
