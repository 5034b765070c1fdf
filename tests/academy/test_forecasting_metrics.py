"""The forecasting metrics: the numbers of utilsforecast, properties, and words for bad input."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as theirs
from academy.errors import AcademyError
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import metrics
from academy.forecasting.evaluation.metrics import (
    LEVELS,
    MEDIAN,
    coverage,
    interval,
    mae,
    mase,
    mase_scale,
    pinball,
    rmse,
    smape,
    wql,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
rows = arrays(np.float64, 6, elements=numbers)
fans = arrays(np.float64, (6, len(LEVELS)), elements=numbers).map(lambda a: np.sort(a, axis=1))
POINTS = [mae, rmse, smape]


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(metrics)
    assert result.attempted >= 12
    assert result.failed == 0


def test_the_levels_are_every_twentieth_and_the_median_is_in_the_middle():
    assert pytest.approx(np.arange(0.05, 0.951, 0.05)) == LEVELS
    assert len(LEVELS) == 19
    assert LEVELS[MEDIAN] == 0.5


# --- utilsforecast -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def world() -> dict[str, np.ndarray]:
    """Three series with a season of 4: histories, what came, points and quantiles."""
    draw = np.random.default_rng(4)
    truth = 2 * draw.normal(size=(3, 8)) * [[1.0], [20.0], [0.1]] + [[3.0], [0], [-9]]
    return {
        "history": draw.normal(size=(3, 40)).cumsum(axis=1),
        "truth": truth,
        "point": truth + draw.normal(size=truth.shape),
        "quantiles": np.sort(truth[..., None] + 1 + draw.normal(size=(*truth.shape, 19)), axis=-1),
    }


@pytest.fixture(scope="module")
def frame(world) -> pd.DataFrame:
    """The same as utilsforecast wants it: a row a step."""
    series, steps = world["truth"].shape
    table = {
        "unique_id": np.repeat(list("abc"), steps),
        "ds": np.tile(np.arange(40, 40 + steps), series),
        "y": world["truth"].ravel(),
        "model": world["point"].ravel(),
        "model-lo-80": world["quantiles"][..., 1].ravel(),
        "model-hi-80": world["quantiles"][..., 17].ravel(),
    }
    table |= {f"q{at}": world["quantiles"][..., at].ravel() for at in range(len(LEVELS))}
    return pd.DataFrame(table)


def said(table: pd.DataFrame) -> list[float]:
    return table.sort_values("unique_id")["model"].tolist()


@pytest.mark.parametrize(
    ("ours", "name", "factor"),
    [
        pytest.param(mae, "mae", 1, id="mae"),
        pytest.param(rmse, "rmse", 1, id="rmse"),
        # Theirs is without the 2 that M4 and GluonTS have: 0 to 1.
        pytest.param(smape, "smape", 2, id="smape"),
    ],
)
def test_points_have_the_numbers_of_utilsforecast(world, frame, ours, name, factor):
    expected = said(getattr(theirs, name)(frame, models=["model"]))
    found = [ours(t, p) for t, p in zip(world["truth"], world["point"], strict=True)]
    assert found == pytest.approx([factor * each for each in expected])


def test_mase_has_the_numbers_of_utilsforecast(world, frame):
    past = pd.DataFrame(
        {
            "unique_id": np.repeat(list("abc"), 40),
            "ds": np.tile(np.arange(40), 3),
            "y": world["history"].ravel(),
        }
    )
    expected = said(theirs.mase(frame, models=["model"], seasonality=4, train_df=past))
    parts = zip(world["truth"], world["point"], world["history"], strict=True)
    assert [mase(*each, season=4) for each in parts] == pytest.approx(expected)


@pytest.mark.parametrize("at", [0, 4, 9, 18])
def test_pinball_has_the_numbers_of_utilsforecast(world, frame, at):
    expected = said(theirs.quantile_loss(frame, models={"model": f"q{at}"}, q=LEVELS[at]))
    found = pinball(world["truth"], world["quantiles"])[..., at].mean(axis=-1)
    assert found == pytest.approx(expected)


def test_wql_has_the_numbers_of_utilsforecast_and_takes_sums_over_all(world, frame):
    columns = {"model": [f"q{at}" for at in range(len(LEVELS))]}
    expected = said(theirs.scaled_crps(frame, models=columns, quantiles=np.array(LEVELS)))
    pairs = zip(world["truth"], world["quantiles"], strict=True)
    assert [wql(*each) for each in pairs] == pytest.approx(expected)
    # GluonTS and GIFT-Eval sum over the series, too: large ones weigh more.
    one = theirs.scaled_crps(
        frame.assign(unique_id="a"), models=columns, quantiles=np.array(LEVELS)
    )
    assert wql(world["truth"], world["quantiles"]) == pytest.approx(said(one)[0])


def test_coverage_has_the_numbers_of_utilsforecast(world, frame):
    expected = said(theirs.coverage(frame, models=["model"], level=80))
    pairs = zip(world["truth"], world["quantiles"], strict=True)
    found = [coverage(*each) for each in pairs]
    assert found == pytest.approx(expected)
    assert coverage(world["truth"], world["quantiles"]) == pytest.approx(np.mean(expected))
    assert 0 < np.mean(found) < 1


# --- properties ----------------------------------------------------------------------------------
@given(rows, rows)
def test_points_that_hit_cost_nothing_and_signs_do_not_matter(truth, forecast):
    for metric in POINTS:
        assert metric(truth, truth) == 0
        assert metric(truth, forecast) >= 0
        assert metric(forecast, truth) == pytest.approx(metric(truth, forecast))
        assert metric(-truth, -forecast) == pytest.approx(metric(truth, forecast))


@given(rows, rows)
def test_the_mean_error_is_at_most_the_root_of_the_mean_square(truth, forecast):
    largest = np.abs(truth - forecast).max()
    assert mae(truth, forecast) <= rmse(truth, forecast) * (1 + 1e-12)
    assert rmse(truth, forecast) <= largest * (1 + 1e-12)


@given(rows, rows, st.floats(0.01, 100))
def test_smape_knows_no_unit_and_ends_at_two(truth, forecast, scale):
    found = smape(truth, forecast)
    assert found <= 2 * (1 + 1e-12)
    assert smape(truth * scale, forecast * scale) == pytest.approx(found, abs=1e-9)
    assert smape(np.abs(truth) + 1, -np.abs(forecast)) == pytest.approx(2)


@given(rows, fans)
def test_pinball_is_never_negative_and_at_the_median_half_the_error(truth, quantiles):
    loss = pinball(truth, quantiles)
    assert loss.shape == (6, 19)
    assert (loss >= 0).all()
    assert loss[:, MEDIAN] == pytest.approx(np.abs(truth - quantiles[:, MEDIAN]) / 2)


@given(arrays(np.float64, st.integers(3, 60), elements=numbers), numbers, st.sampled_from(LEVELS))
def test_no_number_has_less_pinball_loss_than_the_quantile(sample, other, level):
    def loss(guess: float) -> float:
        given_ = np.full((sample.size, 1), guess)
        return float(pinball(sample, given_, levels=(level,)).mean())

    quantile = float(np.quantile(sample, level, method="inverted_cdf"))
    assert loss(quantile) <= loss(other) + 1e-9 * (1 + np.abs(sample).max() + abs(other))


@given(rows.filter(lambda a: np.abs(a).sum() > 1), rows)
def test_equal_quantiles_make_wql_the_error_over_the_size(truth, forecast):
    found = wql(truth, np.repeat(forecast[:, None], 19, axis=1))
    assert found == pytest.approx(np.abs(truth - forecast).sum() / np.abs(truth).sum())


@given(rows.filter(lambda a: np.abs(a).sum() > 1), fans, st.floats(0.01, 100))
def test_quantile_scores_know_no_unit(truth, quantiles, scale):
    assert wql(truth * scale, quantiles * scale) == pytest.approx(wql(truth, quantiles))


@given(rows, fans)
def test_wider_intervals_cover_no_less_and_their_ends_count(truth, quantiles):
    found = [coverage(truth, quantiles, share) for share in (0.1, 0.5, 0.8, 0.9)]
    assert found == sorted(found)
    assert coverage(quantiles[:, 1], quantiles) == coverage(quantiles[:, 17], quantiles) == 1


@given(arrays(np.float64, (3, 4, 6), elements=numbers), st.data())
def test_leading_axes_are_meaned_over(truth, data):
    forecast = data.draw(arrays(np.float64, truth.shape, elements=numbers))
    every = [mae(t, f) for t, f in zip(truth, forecast, strict=True)]
    assert mae(truth, forecast) == pytest.approx(np.mean(every))
    every = [smape(t, f) for t, f in zip(truth, forecast, strict=True)]
    assert smape(truth, forecast) == pytest.approx(np.mean(every), abs=1e-12)


def test_the_quantiles_of_the_truth_are_calibrated():
    draw = np.random.default_rng(1)
    quantiles = np.tile(np.quantile(draw.normal(size=200_000), LEVELS), (20_000, 1))
    truth = draw.normal(size=20_000)
    assert coverage(truth, quantiles) == pytest.approx(0.8, abs=0.015)
    assert coverage(truth, quantiles, 0.5) == pytest.approx(0.5, abs=0.015)
    # Mean of 2 x pinball over the levels is near the CRPS of the normal, 1 / sqrt(pi).
    assert wql(truth, quantiles) == pytest.approx(0.5642 / np.abs(truth).mean(), rel=0.05)


# --- bad input -----------------------------------------------------------------------------------
@pytest.mark.parametrize("metric", POINTS)
@pytest.mark.parametrize(
    ("truth", "forecast", "message"),
    [
        pytest.param([1.0, np.nan], [1.0, 2.0], r"actual\[1\] is nan", id="missing"),
        pytest.param([1.0, 2.0], [np.inf, 2.0], r"forecast\[0\] is inf", id="infinite"),
        pytest.param([[1.0], [2.0]], [[1.0], [np.nan]], r"forecast\[1, 0\] is nan", id="two axes"),
        pytest.param([1.0, 2.0], [1.0], "actual has 2 values, forecast has 1", id="short"),
        pytest.param([[1.0, 2.0]], [1.0, 2.0], r"shape \(1, 2\), forecast has \(2,\)", id="axes"),
        pytest.param([], [], "actual is empty", id="empty"),
        pytest.param(1.0, 1.0, "actual is a single value", id="scalar"),
        pytest.param(["x"], [1.0], "actual holds something that is not a number", id="text"),
        pytest.param([[1.0], [1.0, 2.0]], [1.0], "ragged rows", id="ragged"),
    ],
)
def test_bad_points_are_named(metric, truth, forecast, message):
    with pytest.raises(SeriesError, match=message) as caught:
        metric(truth, forecast)
    assert isinstance(caught.value, AcademyError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("metric", [pinball, wql, coverage])
def test_quantiles_of_a_wrong_shape_are_refused(metric):
    with pytest.raises(SeriesError, match=r"shape \(2, 3\); for \(2,\) values and 19 levels"):
        metric([1.0, 2.0], np.zeros((2, 3)))
    with pytest.raises(SeriesError, match=r"quantiles\[0, 0\] is nan"):
        metric([1.0], np.full((1, 19), np.nan))


def test_a_truth_of_zeros_has_no_wql_but_an_smape():
    with pytest.raises(SeriesError, match="0 throughout"):
        wql([0.0, 0.0], np.zeros((2, 19)))
    assert smape([0.0, 0.0], [0.0, 1.0]) == 1


@pytest.mark.parametrize("share", [0.83, 1.0, 7.0])
def test_an_interval_whose_ends_are_no_levels_is_refused(share):
    assert interval(0.9) == (0, 18)
    with pytest.raises(SeriesError, match="not among the 19 levels"):
        coverage([1.0], np.zeros((1, 19)), share)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        pytest.param([1.0] * 12, "history has 12 values; more than one season", id="a season"),
        pytest.param([5.0] * 40, "repeats exactly", id="constant"),
        pytest.param([1.0] * 20 + [np.nan], r"history\[20\] is nan", id="missing"),
    ],
)
def test_a_history_without_a_scale_is_refused(history, message):
    with pytest.raises(SeriesError, match=message):
        mase_scale(history)
