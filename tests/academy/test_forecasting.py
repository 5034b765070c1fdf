"""Metrics, naive forecasts and windows: against the literature's definitions, and by properties."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from academy.forecasting import (
    climatology,
    damped_anomaly,
    evaluate,
    geometric_mean,
    holdout,
    mase,
    relative_mase,
    seasonal_naive,
    seasonal_naive_drift,
    windows,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
histories = arrays(np.float64, st.integers(25, 80), elements=numbers).filter(
    lambda h: np.abs(h[12:] - h[:-12]).mean() > 1e-2
)
FORECASTERS = [seasonal_naive, seasonal_naive_drift, climatology, damped_anomaly]


@pytest.mark.parametrize("name", ["evaluation.metrics", "naive", "data.windows"])
def test_the_examples_in_the_docstrings_run(name):
    module = importlib.import_module(f"academy.forecasting.{name}")
    result = doctest.testmod(module)
    assert result.attempted >= 2
    assert result.failed == 0


@given(histories, arrays(np.float64, 6, elements=numbers), arrays(np.float64, 6, elements=numbers))
def test_mase_is_the_mean_error_over_the_mean_seasonal_change(history, actual, forecast):
    error = sum(abs(a - f) for a, f in zip(actual, forecast, strict=True)) / 6
    change = [abs(history[t] - history[t - 12]) for t in range(12, len(history))]
    expected = error / (sum(change) / len(change))
    assert mase(actual, forecast, history) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(
    histories,
    arrays(np.float64, 6, elements=numbers),
    st.floats(0.01, 100),
    st.floats(-1000, 1000),
)
def test_mase_knows_neither_unit_nor_zero_point(history, actual, scale, shift):
    forecast = seasonal_naive(history, 6) + 1
    turned = mase(actual * scale + shift, forecast * scale + shift, history * scale + shift)
    assert turned == pytest.approx(mase(actual, forecast, history), rel=1e-5, abs=1e-5)


def test_the_seasonal_naive_scores_one_whatever_the_series():
    draw = np.random.default_rng(0)
    history = {name: draw.normal(size=60).cumsum() for name in "abc"}
    actual = {name: draw.normal(size=24) for name in history}
    forecast = {name: seasonal_naive(series, 24) for name, series in history.items()}
    scores = evaluate(actual, forecast, history)
    assert scores == pytest.approx({"a": 1, "b": 1, "c": 1, "score": 1})


def test_a_perfect_series_does_not_make_the_score_zero():
    history = {name: np.arange(30.0) ** 2 for name in "ab"}
    actual = {name: np.arange(30.0, 36.0) ** 2 for name in history}
    naive = seasonal_naive(history["b"], 6)
    scores = evaluate(actual, {"a": actual["a"], "b": naive}, history)
    assert scores["a"] == 0
    assert scores["score"] == pytest.approx(1e-3**0.5)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=10))
def test_the_geometric_mean_lies_between_and_turns_with_its_ratios(ratios):
    mean = geometric_mean(ratios)
    assert min(ratios) * 0.999 <= mean <= max(ratios) * 1.001
    assert geometric_mean([1 / r for r in ratios]) == pytest.approx(1 / mean)


@given(arrays(np.float64, st.integers(2, 60), elements=numbers), st.data())
def test_windows_are_views_and_cover_every_position_once(series, data):
    context = data.draw(st.integers(1, len(series) - 1))
    horizon = data.draw(st.integers(1, len(series) - context))
    past, future = windows(series, context, horizon)
    assert len(past) == len(future) == len(series) - context - horizon + 1
    for start in range(len(past)):
        assert np.array_equal(past[start], series[start : start + context])
        assert np.array_equal(future[start], series[start + context :][:horizon])
    assert np.shares_memory(past, series)
    assert not past.flags.writeable


def test_windows_step_and_say_what_is_too_short():
    past, _ = windows(np.arange(10.0), 4, 2, step=3)
    assert past[:, 0].tolist() == [0, 3]
    with pytest.raises(ValueError, match="context 9 and horizon 2 need 11"):
        windows(np.arange(10.0), 9, 2)


@pytest.mark.parametrize("forecaster", FORECASTERS)
def test_a_season_that_repeats_is_forecast_exactly(forecaster):
    history = np.tile(np.arange(12.0) ** 2, 5)
    assert forecaster(history, 30) == pytest.approx(np.resize(np.arange(12.0) ** 2, 30), abs=1e-6)


@pytest.mark.parametrize("forecaster", [climatology, damped_anomaly, seasonal_naive_drift])
def test_a_line_with_a_season_is_continued(forecaster):
    time = np.arange(96.0)
    series = 3 * time + np.tile(np.sin(np.arange(12.0)), 8)
    assert forecaster(series[:72], 24) == pytest.approx(series[72:], abs=1e-6)


def test_an_anomaly_fades_to_climatology():
    noise = np.zeros(240)
    draw = np.random.default_rng(1).normal(size=240)
    for step in range(1, 240):
        noise[step] = 0.9 * noise[step - 1] + draw[step]
    noise[-1] = 8
    gap = damped_anomaly(noise, 36) - climatology(noise, 36)
    assert gap[0] > gap[5] > gap[20] > 0
    assert gap[35] < 0.2 * gap[0]


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([], "history is empty"),
        ([1.0] * 5, "5 values; 12 needed"),
        ([1.0] * 11 + [np.nan], r"history\[11\] is nan"),
        ([np.inf] + [1.0] * 12, r"history\[0\] is inf"),
        ([[1.0, 2.0]], "one row of numbers"),
    ],
)
def test_a_bad_history_is_named(history, message):
    with pytest.raises(ValueError, match=message):
        seasonal_naive(history, 3)


def test_a_constant_history_has_no_mase():
    with pytest.raises(ValueError, match="repeats exactly"):
        relative_mase([1.0], [1.0], [2.0] * 30)


def test_evaluate_names_the_series_without_a_forecast():
    with pytest.raises(ValueError, match="'a' has no forecast"):
        evaluate({"a": [1.0]}, {}, {"a": [1.0] * 30})


def test_holdout_splits_without_overlap():
    known, held_out = holdout({"a": np.arange(30.0)}, 6)
    assert known["a"].tolist() + held_out["a"].tolist() == list(range(30))
    with pytest.raises(ValueError, match="a has 3 values; more than 6 needed"):
        holdout({"a": [1.0, 2.0, 3.0]}, 6)
