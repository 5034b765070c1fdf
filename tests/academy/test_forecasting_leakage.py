"""Leakage guards: what sees the future is found, what does not is left in peace."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest
from academy.errors import AcademyError
from academy.forecasting import climatology, seasonal_naive
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import leakage, sources, splits
from academy.forecasting.evaluation.backtesting import one_by_one
from academy.forecasting.evaluation.leakage import (
    LeakError,
    LeakReport,
    check_forecaster,
    check_pipeline,
    check_split,
    check_transform,
)
from hypothesis import given
from hypothesis import strategies as st

#: Its numbers go on from call to call, as of a model whose seed was not fixed.
DRAW = np.random.default_rng(0)


def walk(count: int = 120, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count).cumsum()


def with_gaps() -> np.ndarray:
    values = walk(60)
    values[[11, 12, 30, 45]] = np.nan
    return values


@pytest.mark.parametrize("module", [leakage, splits, sources], ids=lambda each: each.__name__)
def test_the_examples_in_the_docstrings_run(module):
    result = doctest.testmod(module)
    assert result.attempted >= 1
    assert result.failed == 0


# --- transforms ----------------------------------------------------------------------------------
def expanding(values):
    count = np.arange(1, values.size + 1)
    return values - np.cumsum(values) / count


def centred(values, width=5):
    return pd.Series(values).rolling(width, center=True, min_periods=1).mean().to_numpy()


def seasonal_means(values):
    """What a decomposition over all years takes for the season."""
    return values - np.resize(np.pad(values, (0, -values.size % 12)).reshape(-1, 12).mean(0), 120)


def detrended(values):
    steps = np.arange(values.size)
    return values - np.polyval(np.polyfit(steps, values, 1), steps)


CLEAN = {
    "difference": lambda x: np.diff(x, prepend=0.0),
    "lags": lambda x: np.stack([np.roll(x, 1) * (np.arange(x.size) > 0), x], axis=1),
    "expanding mean": expanding,
    "trailing mean": lambda x: pd.Series(x).rolling(12, min_periods=1).mean().to_numpy(),
    "scaled by its first year": lambda x: (x - x[:1].mean()) / 3.0,
    "exponential": lambda x: pd.Series(x).ewm(alpha=0.3).mean().to_numpy(),
    "calendar": lambda x: np.arange(x.size) % 12,
}
LEAKY = {
    "standardise": lambda x: (x - x.mean()) / x.std(),
    "smallest to largest": lambda x: (x - x.min()) / (x.max() - x.min()),
    "mean of all": lambda x: np.full(x.size, x.mean()),
    "centred mean": centred,
    "lag of the wrong sign": lambda x: np.roll(x, -1),
    "seasonal means": seasonal_means,
    "trend of all": detrended,
    "spectrum": lambda x: np.fft.irfft(np.fft.rfft(x)[:20], x.size),
    "one feature of three": lambda x: np.stack([x, np.abs(x), np.roll(x, -3)], axis=1),
    "one part of two": lambda x: (x, x - x.mean()),
    "ranks": lambda x: np.argsort(np.argsort(x)).astype(float),
}


@pytest.mark.parametrize("name", CLEAN)
def test_transforms_that_know_the_past_alone_pass(name):
    found = check_transform(CLEAN[name], walk(), name=name)
    assert not found.leaks
    assert found.step is None
    assert found.places >= 24
    assert found.must_hold() is found
    assert repr(found).startswith(f"No leak found: {name}.")


@pytest.mark.parametrize("name", LEAKY)
def test_transforms_that_use_what_comes_later_are_found(name):
    found = check_transform(LEAKY[name], walk(), name=name)
    assert found.leaks
    assert found.ahead > 0
    assert str(found).startswith(f"LEAK: {name}. Step {found.step} knows the value of step")
    with pytest.raises(LeakError, match=f"LEAK: {name}"):
        found.must_hold()


@given(st.integers(1, 12))
def test_how_far_ahead_is_seen_is_told(ahead):
    def look(values):
        return np.concatenate([values[ahead:], np.zeros(ahead)])

    found = check_transform(look, walk(40), places=50)
    assert (found.leaks, found.step, found.ahead) == (True, 0, ahead)


@given(st.integers(0, 20), st.integers(1, 9))
def test_one_step_that_peeks_is_found_where_every_step_is_tried(at, ahead):
    def peek(values):
        out = values.copy()
        out[at] = values[at + ahead]
        return out

    found = check_transform(peek, walk(40), places=50)
    assert (found.step, found.ahead) == (at, ahead)


@pytest.mark.parametrize("unit", [1.0, 1e9])
def test_a_leak_beside_a_column_of_large_numbers_is_found(unit):
    stamp = unit * (1.5e9 + 86_400 * 30.4 * np.arange(120))
    found = check_transform(lambda x: (stamp, (x - x.mean()) / x.std()), walk())
    assert (found.leaks, found.step) == (True, 0)
    assert not check_transform(lambda x: (stamp, np.diff(x, prepend=0.0)), walk()).leaks


@pytest.mark.parametrize(
    ("fill", "leaks"),
    [
        pytest.param(lambda s: s.ffill(), False, id="forwards"),
        pytest.param(lambda s: s.fillna(0.0), False, id="zero"),
        pytest.param(lambda s: s.bfill(), True, id="backwards"),
        pytest.param(lambda s: s.interpolate(), True, id="interpolated"),
        pytest.param(lambda s: s.fillna(s.mean()), True, id="mean of all"),
    ],
)
def test_what_fills_gaps_is_looked_at_where_they_are(fill, leaks):
    found = check_transform(lambda x: fill(pd.Series(x)).to_numpy(), with_gaps(), places=3)
    assert found.leaks is leaks


def test_the_series_itself_is_not_changed():
    values = walk()
    before = values.copy()

    def greedy(given_):
        given_[:] = 0
        return given_

    assert not check_transform(greedy, values).leaks
    assert np.array_equal(values, before)


# --- forecasters ---------------------------------------------------------------------------------
FORECASTERS = {
    "seasonal naive": one_by_one(seasonal_naive),
    "climatology": one_by_one(climatology),
    "fan": lambda history, horizon: {
        name: values[-1] + np.tile(np.arange(19.0), (horizon, 1))
        for name, values in history.items()
    },
}


def data(panel: bool = False):
    series = {"a": walk(), "b": walk(100, 1)}
    return Panel.of(series, frequency="month", starts="1990-01") if panel else series


@pytest.mark.parametrize("panel", [False, True], ids=["dict", "panel"])
@pytest.mark.parametrize("name", FORECASTERS)
def test_forecasters_that_know_their_history_alone_pass(name, panel):
    given_ = data(panel)
    before = {each: np.array(given_[each]) for each in given_}
    assert not check_forecaster(FORECASTERS[name], given_, 6, origins=20).leaks
    assert not check_pipeline(lambda _: FORECASTERS[name], given_, 6, origins=20).leaks
    assert all(np.array_equal(given_[each], before[each]) for each in before)


def test_who_looks_into_the_notebooks_own_data_is_found():
    own = data()
    before = {name: values.copy() for name, values in own.items()}

    def peek(history, horizon):
        return {name: own[name][len(history[name]) :][:horizon] for name in history}

    found = check_forecaster(peek, own, 6, origins=20)
    assert found.leaks
    assert found.series == "a"
    assert found.step == 120 - 6 - 20
    assert "changes with values that come after it" in found.message
    assert all(np.array_equal(own[name], before[name]) for name in own)


SHAPES = {
    "panel": lambda: data(panel=True),
    "of a panel": lambda: dict(data(panel=True)),
    "lists": lambda: {name: values.tolist() for name, values in data().items()},
    "whole numbers": lambda: {
        name: np.rint(9 * values).astype(np.int16) for name, values in data().items()
    },
    "no less than 0": lambda: {
        name: np.rint(9 * np.abs(values)).astype(np.uint8) for name, values in data().items()
    },
    "lists of whole numbers": lambda: {
        name: np.rint(9 * values).astype(int).tolist() for name, values in data().items()
    },
    "objects": lambda: {name: values.astype(object) for name, values in data().items()},
    "pandas": lambda: {name: pd.Series(values) for name, values in data().items()},
    "single": lambda: {name: values.astype(np.float32) for name, values in data().items()},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_holds_the_data_who_looks_into_it_is_found(shape):
    own = SHAPES[shape]()
    before = {name: np.array(own[name]) for name in own}

    def peek(history, horizon):
        return {name: np.array(own[name])[len(history[name]) :][:horizon] for name in history}

    found = check_forecaster(peek, own, 6, origins=20)
    assert (found.leaks, found.step) == (True, 120 - 6 - 20)
    assert "changes with values that come after it" in found.message
    for name, values in before.items():
        now = np.array(own[name])
        assert now.dtype == values.dtype
        assert now.tolist() == values.tolist()
    honest = check_forecaster(FORECASTERS["climatology"], own, 6, origins=20)
    assert str(honest) == "No leak found: climatology. 4 origins were tried."


def test_a_view_of_a_panel_is_no_hiding_place_and_stays_read_only():
    own = data(panel=True)
    views = {name: own.select([name])[name] for name in own}

    def peek(history, horizon):
        return {name: views[name][len(history[name]) :][:horizon] for name in history}

    assert check_forecaster(peek, own, 6, origins=20).leaks
    assert not any(values.flags.writeable for values in views.values())
    assert own == data(panel=True)


def test_a_panel_on_the_disk_is_looked_at_and_not_written_to(tmp_path):
    data(panel=True).save(tmp_path)
    own = Panel.open(tmp_path)
    buffer = own.buffer

    def peek(history, horizon):
        return {name: own[name][len(history[name]) :][:horizon] for name in history}

    assert check_forecaster(peek, own, 6, origins=20).leaks
    assert own.buffer is buffer
    assert Panel.open(tmp_path) == data(panel=True)


def test_who_has_what_came_from_a_copy_is_found():
    copy = {name: values.copy() for name, values in data().items()}

    def by_heart(history, horizon):
        """One month of six is what came; a fan, whose median it is."""
        found = {}
        for name, values in history.items():
            row = np.full(horizon, values[-1])
            row[2] = copy[name][values.size + 2]
            found[name] = row[:, None] + np.linspace(-1, 1, 19)
        return found

    found = check_forecaster(by_heart, data(), 6, origins=20)
    assert (found.leaks, found.series, found.step) == (True, "a", 120 - 6 - 20)
    assert "is what came, whatever the history" in found.message


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.arange(90.0), id="line"),
        pytest.param(np.arange(90.0) // 3, id="stairs"),
        pytest.param(np.arange(90) % 12 + np.arange(90) // 12 * 0.5, id="season and line"),
        pytest.param(np.where(np.arange(90) % 7 < 2, 1.0, 0.0), id="mostly nought"),
    ],
)
def test_who_is_right_from_the_past_alone_passes(values):
    def rounded(history, horizon):
        ahead = one_by_one(climatology)(history, horizon)
        return {name: np.round(each, 1) for name, each in ahead.items()}

    def nought(history, horizon):
        return {name: np.zeros(horizon) for name in history}

    for forecaster in (rounded, nought, one_by_one(seasonal_naive)):
        assert not check_forecaster(forecaster, {"a": values.copy()}, 6, origins=20).leaks


def test_what_cannot_be_changed_was_not_looked_at():
    own = {name: tuple(values) for name, values in data().items()}
    found = check_forecaster(FORECASTERS["climatology"], own, 6, origins=20)
    assert (found.leaks, found.blind, found.series) == (False, True, "a")
    assert str(found).startswith("Not looked at: climatology. 4 origins were tried. Whether it")
    assert "No leak" not in str(found)
    with pytest.raises(LeakError, match="Not looked at"):
        found.must_hold()
    one = check_forecaster(FORECASTERS["climatology"], data(), 6, origins=20, places=1)
    assert "1 origin was tried." in one.message


@pytest.mark.parametrize("shape", SHAPES)
def test_the_data_is_put_back_even_if_the_forecaster_fails(shape):
    own, calls = SHAPES[shape](), []
    before = {name: np.array(own[name]) for name in own}

    def breaks(history, horizon):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("broken")
        return FORECASTERS["climatology"](history, horizon)

    with pytest.raises(RuntimeError, match="broken"):
        check_forecaster(breaks, own, 6, origins=20)
    assert all(np.array_equal(np.array(own[name]), before[name]) for name in own)


def test_who_looks_behind_the_end_of_its_history_is_found():
    def behind(history, horizon):
        found = {}
        for name, values in history.items():
            whole = values if values.base is None else np.asarray(values.base)
            found[name] = whole[values.size :][:horizon] if whole.size > values.size else values[:6]
        return found

    found = check_forecaster(behind, {"a": walk()}, 6, origins=20)
    assert found.leaks
    assert found.step == 120 - 6 - 20


def test_who_keeps_what_it_was_shown_is_found():
    longest = {}

    def keeps(history, horizon):
        for name, values in history.items():
            if values.size > longest.get(name, values).size or name not in longest:
                longest[name] = values.copy()
        return {name: np.full(horizon, longest[name][-1]) for name in history}

    found = check_forecaster(keeps, data(), 6, origins=20)
    assert found.leaks
    assert "it keeps what it saw" in found.message


class Mean:
    def __init__(self, warm: bool = False) -> None:
        self.warm, self.mean = warm, {}

    def fit(self, history):
        for name, values in history.items():
            old = self.mean.get(name, values.mean()) if self.warm else values.mean()
            self.mean[name] = (old + values.mean()) / 2

    def predict(self, history):
        return {name: np.full(6, self.mean[name]) for name in history}


def test_a_fit_that_starts_anew_passes_and_a_warm_start_does_not():
    assert not check_forecaster(Mean(), data(), 6, origins=20).leaks
    found = check_forecaster(Mean(warm=True), data(), 6, origins=20)
    assert found.leaks
    assert "keeps what it saw" in found.message
    assert found.what == "Mean"


# --- pipelines -----------------------------------------------------------------------------------
def scaled_first(all_of_it):
    means = {name: float(np.mean(values)) for name, values in all_of_it.items()}
    return lambda history, horizon: {
        name: np.full(horizon, (values[-1] - means[name]) * 0.5 + means[name])
        for name, values in history.items()
    }


def scaled_on_the_past(all_of_it):
    means = {name: float(np.mean(values[:50])) for name, values in all_of_it.items()}
    return lambda history, horizon: {
        name: np.full(horizon, (values[-1] - means[name]) * 0.5 + means[name])
        for name, values in history.items()
    }


@pytest.mark.parametrize("panel", [False, True], ids=["dict", "panel"])
def test_scaled_first_and_split_later_is_found(panel):
    found = check_pipeline(scaled_first, data(panel), 6, origins=20)
    assert found.leaks
    assert found.what == "scaled_first"
    assert not check_pipeline(scaled_on_the_past, data(panel), 6, origins=20).leaks


def test_one_leaky_series_of_several_is_named():
    def build(all_of_it):
        last = float(all_of_it["b"][-1])
        return lambda history, horizon: {
            name: np.full(horizon, last if name == "b" else values[-1])
            for name, values in history.items()
        }

    found = check_pipeline(build, data(), 6, origins=20)
    assert (found.leaks, found.series) == (True, "b")


# --- splits --------------------------------------------------------------------------------------
@given(st.floats(0.01, 100), st.floats(-300, 300), st.integers(0, 30), st.booleans())
def test_a_twin_in_another_unit_is_found_where_it_stands(factor, shift, start, turned):
    values = walk(60)
    twin = (-factor if turned else factor) * values[start:] + shift
    found = check_split({"cut": values[:48], "twin": twin}, {"cut": values[48:]})
    assert found.leaks
    assert found.series == "twin"
    assert found.step == 48 - start


def test_a_test_that_was_never_cut_off_is_found():
    values = walk(60)
    found = check_split({"a": values}, {"a": values[48:]})
    assert (found.leaks, found.step, found.series) == (True, 48, "a")
    assert "in another unit" not in found.message
    partly = check_split({"a": values[:54]}, {"a": values[48:]})
    assert (partly.leaks, partly.step) == (True, 48)


ROUNDED = {
    "Fahrenheit, a tenth": lambda k: ((k - 273.15) * 1.8 + 32).round(1),
    "a hundredth": lambda k: k.round(2),
    "half degrees": lambda k: np.round(2 * k) / 2,
    "single": lambda k: k.astype(np.float32),
    "standardised, rounded": lambda k: ((k - k.mean()) / k.std()).round(2),
}


@pytest.mark.parametrize("twin", ROUNDED)
def test_a_twin_that_was_rounded_is_found(twin):
    kelvin = np.random.default_rng(0).normal(280, 9, 60)
    found = check_split({"cut": kelvin[:48], "twin": ROUNDED[twin](kelvin)}, {"cut": kelvin[48:]})
    assert (found.leaks, found.series, found.step) == (True, "twin", 48)
    same_unit = twin in ("a hundredth", "half degrees", "single")
    assert ("in another unit" in found.message) is not same_unit


COUNTS = {
    "few storms": lambda draw: draw.poisson(0.5, 300).astype(float),
    "storms": lambda draw: draw.poisson(3, 300).astype(float),
    "rain": lambda draw: np.where(draw.random(300) < 0.2, draw.gamma(2, 5, 300).round(1), 0),
    "grades": lambda draw: draw.integers(0, 6, 300).astype(float),
    "rounded": lambda draw: draw.normal(0, 1, 300).round(1),
    "a season of counts": lambda draw: draw.poisson(3 + 2 * np.sin(np.arange(300) / 2)) * 1.0,
}


@pytest.mark.parametrize("kind", COUNTS)
def test_counts_and_rain_are_not_accused_of_agreeing_by_chance(kind):
    for seed in range(20):
        values = COUNTS[kind](np.random.default_rng(seed))
        assert not check_split({"a": values[:276]}, {"a": values[276:]}).leaks, seed


@pytest.mark.parametrize("kind", COUNTS)
def test_counts_that_were_never_cut_off_are_found(kind):
    leaks = 0
    for seed in range(10):
        values = COUNTS[kind](np.random.default_rng(seed))
        leaks += check_split({"a": values}, {"a": values[276:]}).leaks
    assert leaks >= (5 if kind in ("few storms", "rain") else 10)


def test_what_repeats_from_year_to_year_is_no_leak():
    wave = np.sin(np.arange(120) * np.pi / 6)
    assert not check_split({"a": wave[:96], "b": 3 * wave[:96] + 1}, {"a": wave[96:]}).leaks


@given(st.integers(0, 1000))
def test_series_of_their_own_pass(seed):
    draw = np.random.default_rng(seed)
    known = {name: draw.normal(size=60) for name in "abc"}
    found = check_split(known, {name: draw.normal(size=12) for name in "abc"})
    assert not found.leaks
    assert found.places == 9


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(np.full(60, 3.0), id="constant"),
        pytest.param(np.arange(60.0), id="line"),
        pytest.param(1e9 + np.arange(60.0), id="far line"),
    ],
)
def test_straight_lines_do_not_count(shape):
    assert not check_split({"a": shape[:48], "b": shape * 2}, {"a": shape[48:]}).leaks


def test_an_overlap_shorter_than_least_is_not_seen_and_a_longer_one_is():
    values = walk(60)
    for shared, leaks in ((5, False), (6, True)):
        found = check_split({"a": values[: 48 + shared]}, {"a": values[48:]})
        assert found.leaks is leaks
    assert check_split({"a": values[:53]}, {"a": values[48:]}, least=5).leaks


def test_of_panels_it_says_who_goes_on_while_another_is_held_out():
    panel = Panel.of(
        {"a": walk(60), "b": walk(90, 1)},
        frequency="month",
        starts={"a": "1990-01", "b": "1990-01"},
    )
    known = Panel.of(
        {"a": panel["a"][:48], "b": panel["b"]},
        frequency="month",
        starts={"a": "1990-01", "b": "1990-01"},
    )
    held = Panel.of({"a": panel["a"][48:]}, frequency="month", starts={"a": "1994-01"})
    found = check_split(known, held)
    assert not found.leaks
    assert "b goes on to 1997-06, while a is held out from 1994-01 on" in found.message
    assert "goes on" not in check_split(known.select(["a"]), held).message


# --- bad input -----------------------------------------------------------------------------------
def test_a_leak_is_an_error_of_the_academy():
    report = LeakReport("it", True, "There.", step=3, ahead=2)
    assert issubclass(LeakError, AcademyError)
    with pytest.raises(AcademyError, match=r"LEAK: it\. There\."):
        report.must_hold()


@pytest.mark.parametrize(
    ("transform", "series", "message"),
    [
        pytest.param(lambda x: x, [1.0, 2.0], "2", id="short"),
        pytest.param(lambda x: x, [np.inf] * 9, r"series\[0\] is inf", id="infinite"),
        pytest.param(lambda x: x[1:], walk(9), r"\(8,\) for 9 values", id="rows"),
        pytest.param(lambda x: x[0], walk(9), r"shape \(\) for 9 values", id="scalar"),
        pytest.param(
            lambda x: x + DRAW.normal(size=x.size),
            walk(9),
            "another result every time: fix its seed",
            id="random",
        ),
    ],
)
def test_bad_transforms_are_named(transform, series, message):
    with pytest.raises(SeriesError, match=message):
        check_transform(transform, series)


def random_walk(history, horizon):
    return {name: values[-1] + DRAW.normal(size=horizon) for name, values in history.items()}


@pytest.mark.parametrize(
    ("forecaster", "series", "options", "message"),
    [
        pytest.param(random_walk, data(), {}, "random_walk gives another forecast of a", id="seed"),
        pytest.param(
            lambda h, n: {"a": h["a"][:n]}, data(), {}, "there is no forecast for b", id="left out"
        ),
        pytest.param(random_walk, {}, {}, "no series to look at", id="none"),
        pytest.param(random_walk, {"a": walk(20)}, {}, "a has 20 values; 20 origins", id="short"),
        pytest.param(random_walk, {"a": [np.nan] * 60}, {}, "a: all of its 60", id="missing"),
        pytest.param(random_walk, data(), {"places": 0}, "places 0: 1 at least", id="places"),
        pytest.param(random_walk, data(), {"origins": 0}, "origins 0", id="origins"),
    ],
)
def test_bad_forecasters_and_series_are_named(forecaster, series, options, message):
    options = {"origins": 20} | options
    with pytest.raises(SeriesError, match=message):
        check_forecaster(forecaster, series, 6, **options)
    with pytest.raises(SeriesError, match=message.replace("random_walk", "built")):
        check_pipeline(lambda _: forecaster, series, 6, name="built", **options)


@pytest.mark.parametrize(
    ("known", "held_out", "least", "message"),
    [
        pytest.param({"a": walk()}, {"a": walk()}, 3, "least is 3; fewer than 4", id="least"),
        pytest.param({"a": walk()}, {"a": [np.nan]}, 6, "a: all of its 1|is nan", id="missing"),
        pytest.param({"a": []}, {"a": walk()}, 6, "a is empty", id="empty"),
    ],
)
def test_bad_splits_are_named(known, held_out, least, message):
    with pytest.raises(SeriesError, match=message):
        check_split(known, held_out, least=least)
