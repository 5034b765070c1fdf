"""The torch baseline: it starts as a damped anomaly, learns, never looks ahead, can be saved."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import signal
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from academy.forecasting import climatology, damped_anomaly, evaluate, holdout
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import leakage
from academy.forecasting.evaluation.backtesting import backtest
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.models.baseline import Baseline, Settings
from academy.forecasting.models.departures import moments
from academy.forecasting.models.training import (
    CheckpointError,
    Interrupted,
    TrainingError,
    learning_rate,
)
from academy.forecasting.naive import seasonal_naive_drift
from academy.training.settings import SettingsError
from academy.training.weights import ModelError
from hypothesis import given, settings
from hypothesis import strategies as st


def persistent(seed: int, months: int = 240) -> np.ndarray:
    """Trend, season, and departures with the memory of a damped oscillation: learnable."""
    draw, time = np.random.default_rng(seed), np.arange(months)
    noise = np.zeros(months)
    for step in range(2, months):
        noise[step] = 1.6 * noise[step - 1] - 0.8 * noise[step - 2] + draw.normal()
    return 0.05 * time + 10 * np.sin(time * np.pi / 6) + noise


HISTORY = {f"s{seed}": persistent(seed) for seed in range(4)}
SMALL = Settings(horizon=6, epochs=8, networks=2, width=16)


@pytest.fixture(scope="module")
def fitted() -> Baseline:
    return Baseline(SMALL, "cpu").fit(HISTORY)


def fit(history=HISTORY, model=SMALL, **more) -> Baseline:
    return Baseline(model, "cpu").fit(history, **more)


@pytest.mark.parametrize("name", ["baseline", "settings", "departures", "training"])
def test_the_examples_in_the_docstrings_run(name):
    assert (
        doctest.testmod(importlib.import_module(f"academy.forecasting.models.{name}")).failed == 0
    )


# -- what it knows before it learns -------------------------------------------------------------


@pytest.mark.parametrize("season", [12, 1, 7], ids=["months", "years", "days"])
def test_an_untrained_baseline_is_the_damped_anomaly(season):
    model = Baseline(Settings(season=season))
    found = model.predict(HISTORY)
    for name, series in HISTORY.items():
        assert found[name] == pytest.approx(damped_anomaly(series, 24, season))


def test_its_untrained_fan_is_that_of_an_autoregression():
    """Of 200 futures of one that is known, four in five lie in the 80 % interval at each lead."""
    draw, rate = np.random.default_rng(5), 0.7
    known, inside = 480, []
    for _ in range(200):
        values = np.zeros(known + 12)
        for step in range(1, values.size):
            values[step] = rate * values[step - 1] + draw.normal()
        fan = Baseline(Settings(horizon=12)).predict_quantiles({"a": values[:known]})["a"]
        low, high = fan[:, LEVELS.index(0.1)], fan[:, LEVELS.index(0.9)]
        inside.append((low <= values[known:]) & (values[known:] <= high))
    # The standard error of a share of 200 is 3 %.
    assert np.mean(inside, axis=0) == pytest.approx(0.8, abs=0.1)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.04)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 4, 12]), st.integers(50, 120))
def test_the_fits_of_all_moments_at_once_are_those_of_each_by_itself(seed, season, length):
    values = np.random.default_rng(seed).normal(size=length).cumsum()
    ends = np.arange(40, length + 1, 7)
    together = moments(values, ends, 5, season, 3)
    for row, end in enumerate(ends):
        # A longer array: what comes after `end` must not count.
        alone = moments(values, np.array([end]), 5, season, 3)
        assert together.forecast[row] == pytest.approx(alone.forecast[0], abs=1e-8)
        assert together.spread[row] == pytest.approx(alone.spread[0], rel=1e-6)
        assert together.signed[row] == pytest.approx(alone.signed[0], abs=1e-6)
        assert together.forecast[row] == pytest.approx(
            damped_anomaly(values[:end], 5, season), abs=1e-8
        )


def test_what_is_taken_away_comes_back():
    values = persistent(1)
    ends = np.arange(60, 230, 10)
    now = moments(values, ends, 6, 12, 3)
    futures = np.stack([values[end : end + 6] for end in ends])
    assert now.undone(now.targets(futures)) == pytest.approx(futures)


# -- what it learns -----------------------------------------------------------------------------


def test_it_beats_climatology_drift_and_its_start_where_departures_have_a_memory(fitted):
    """On forty series that it has not learnt from: one of six months would say nothing."""
    known, held_out = holdout({f"n{seed}": persistent(seed) for seed in range(100, 140)}, 6)
    learned = evaluate(held_out, fitted.predict(known), known)["score"]
    for rival in (climatology, seasonal_naive_drift, damped_anomaly):
        usual = {name: rival(series, 6) for name, series in known.items()}
        assert learned < 0.9 * evaluate(held_out, usual, known)["score"], rival
    assert fitted.losses[-1] < fitted.losses[0]


def test_its_quantiles_hold_what_they_promise_on_series_it_has_not_seen(fitted):
    series = {f"n{seed}": persistent(seed) for seed in range(200, 280)}
    known, held_out = holdout(series, 6)
    fan = fitted.predict_quantiles(known)
    below = np.mean([held_out[name][:, None] <= fan[name] for name in known], axis=(0, 1))
    # 80 series of six months that hang together.
    assert below == pytest.approx(LEVELS, abs=0.12)


def test_the_median_is_the_point_forecast_and_quantiles_ascend(fitted):
    fan = fitted.predict_quantiles(HISTORY)
    for name, point in fitted.predict(HISTORY).items():
        assert np.array_equal(point, fan[name][:, MEDIAN])
        assert fan[name].shape == (6, 19)
        assert (np.diff(fan[name], axis=1) > 0).all()


def test_only_the_series_that_are_asked_for_are_forecast():
    """A backtest of series that end at different dates shows others, too, maybe short ones."""
    panel = Panel.of(
        {"old": persistent(0, 300), "young": persistent(1, 150)},
        frequency="month",
        starts={"old": "1970-01", "young": "1990-01"},
    )
    model = fit(panel.between(last="1989-12"), Settings(horizon=3, epochs=1, networks=1))
    found = backtest(model, panel, 3, origins=10, refit_every=1000)
    assert found.quantiles.shape == (2, 10, 3, 19)
    asked = backtest(lambda history, _: model.predict(history), panel, 3, origins=10)
    assert asked.point.shape == found.point.shape


def test_it_never_looks_ahead():
    report = leakage.check_forecaster(fit(model=Settings(horizon=3, epochs=1)), HISTORY, 3)
    assert not report.leaks, report


def test_it_learns_from_nothing_that_the_last_value_tells_but_the_last_target():
    """Another last value changes the last window's target, and no input."""
    other = {name: np.r_[series[:-1], series[-1] + 1] for name, series in HISTORY.items()}
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    class Watched(Baseline):
        def _moments(self, values, ends, history=None):
            found = super()._moments(values, ends, history)
            seen.append((found.signed, found.forecast))
            return found

    for history in (HISTORY, other):
        Watched(Settings(horizon=6, epochs=0), "cpu").fit(history)
    for one, two in zip(seen[:4], seen[4:], strict=True):
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])
        assert len(one[0]) == 240 - 6 - 96 + 1


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.booleans())
def test_unit_level_and_sign_do_not_matter(fitted, unit, level, turned):
    factor = -unit if turned else unit
    plain = fitted.predict_quantiles(HISTORY)
    moved = fitted.predict_quantiles(
        {name: factor * (series + level) for name, series in HISTORY.items()}
    )
    for name, fan in plain.items():
        expected = factor * (fan + level)
        if turned:
            # The network is not exactly odd: its median is near, not equal.
            width = unit * (fan[:, -1] - fan[:, 0])
            assert (np.abs(moved[name][:, MEDIAN] - expected[:, MEDIAN]) < 0.3 * width).all()
        else:
            assert moved[name] == pytest.approx(expected, rel=1e-4, abs=1e-4 * unit)


def test_a_series_does_not_hang_on_its_neighbours_or_their_order(fitted):
    together = fitted.predict_quantiles(HISTORY)
    alone = fitted.predict_quantiles({"s2": HISTORY["s2"]})
    assert alone["s2"] == pytest.approx(together["s2"], rel=1e-5)
    turned = fitted.predict_quantiles(dict(reversed(HISTORY.items())))
    assert list(turned) == ["s3", "s2", "s1", "s0"]
    assert turned["s0"] == pytest.approx(together["s0"], rel=1e-5)


def test_the_same_seed_gives_the_same_model_and_leaves_torchs_seed_alone(fitted):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again = fit()
    assert torch.equal(torch.rand(3), expected)
    assert again.losses == fitted.losses
    one, two = fitted.predict(HISTORY), again.predict(HISTORY)
    assert all(np.array_equal(one[name], two[name]) for name in HISTORY)
    assert fit(model=Settings(**{**SMALL.as_json(), "seed": 1})).losses != fitted.losses


def test_fit_starts_anew_each_time(fitted):
    model = fit({"other": persistent(9)})
    model.fit(HISTORY)
    assert model.losses == fitted.losses
    assert np.array_equal(model.predict(HISTORY)["s0"], fitted.predict(HISTORY)["s0"])


def test_a_ragged_panel_is_learnt_from_and_what_cannot_be_is_listed():
    panel = Panel.of(
        {
            "long": persistent(0, 300),
            "short": persistent(1, 110),
            "too short": np.arange(101.0),
            "flat": np.full(200, 4.0),
        },
        frequency="month",
        starts="1990-01",
    )
    model = fit(panel, Settings(horizon=6, epochs=1))
    assert set(model.left_out) == {"too short", "flat"}
    assert "too short has 101 values; a past of 96 and a horizon of 6 need 102" in str(
        model.left_out["too short"]
    )
    assert "flat" in model.left_out["flat"]
    # It can be forecast all the same: there is past enough.
    assert set(model.predict(panel)) == set(panel)


@pytest.mark.parametrize(
    ("frequency", "start", "season"),
    [("year", "1900", 1), ("month", "1990-01", 12), (None, None, 1)],
    ids=["years", "months", "no dates"],
)
def test_the_season_is_the_panels(frequency, start, season):
    panel = Panel.of(dict(HISTORY), frequency=frequency, starts=start)
    model = fit(panel, Settings(horizon=3, epochs=0))
    assert model.season == season
    expected = damped_anomaly(HISTORY["s0"], 3, season)
    assert model.predict(panel)["s0"] == pytest.approx(expected, rel=1e-4)


def test_series_without_departures_are_forecast_as_they_go_on(fitted):
    flat = {"flat": np.full(200, 4.0), "line": np.arange(200.0), "zero": np.zeros(150)}
    found = fitted.predict(flat)
    assert found["flat"] == pytest.approx(np.full(6, 4.0))
    assert found["line"] == pytest.approx(np.arange(200.0, 206.0), rel=1e-4)
    assert found["zero"] == pytest.approx(np.zeros(6), abs=1e-12)


@pytest.mark.parametrize("size", [1e-150, 1e150], ids=["tiny", "huge"])
def test_sizes_at_the_end_of_what_a_float_holds_are_forecast(fitted, size):
    found = fitted.predict_quantiles({"a": HISTORY["s0"] * size})["a"]
    assert found / size == pytest.approx(fitted.predict_quantiles(HISTORY)["s0"], rel=1e-4)


def test_of_a_long_panel_every_nth_moment_is_taken_the_newest_always():
    taken: list[np.ndarray] = []

    class Watched(Baseline):
        def _moments(self, values, ends, history=None):
            taken.append(ends)
            return super()._moments(values, ends, history)

    Watched(Settings(horizon=6, epochs=0, windows=100), "cpu").fit(HISTORY)
    assert [len(ends) for ends in taken] == [24, 24, 24, 24]
    assert all(ends[-1] == 240 - 6 for ends in taken)
    assert all(set(np.diff(ends)) == {6} for ends in taken)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({}, "no series"),
        ({"a": np.arange(50.0)}, "a has 50 values"),
        ({"a": np.full(300, 2.0)}, "a is"),
        ({"a": np.r_[np.arange(199.0), np.nan]}, r"a\[199\] is nan"),
        ({"a": np.r_[np.inf, np.arange(199.0)]}, r"a\[0\] is inf"),
        ({"a": np.zeros((20, 20))}, "a must be one row of numbers"),
    ],
    ids=["none", "short", "constant", "missing", "infinite", "two dimensions"],
)
def test_a_bad_series_is_named(history, said):
    with pytest.raises(SeriesError, match=said):
        fit(history)


def test_a_history_too_short_to_forecast_from_is_named(fitted):
    with pytest.raises(SeriesError, match="b has 95 values; the model needs 96"):
        fitted.predict({"a": HISTORY["s0"], "b": np.arange(95.0)})
    assert fitted.predict({}) == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"first": 20, "season": 12}, "first is 20; it must cover three seasons"),
        ({"networks": 0}, "networks is 0; it must be at least 1"),
        ({"horizon": 0}, "horizon is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number"),
        ({"mirror": 1}, "mirror is 1; it must be true or false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_work_are_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        Settings(**wrong)


def test_a_first_moment_that_the_panels_season_does_not_allow_is_refused():
    with pytest.raises(SettingsError, match="first is 20; it must cover three seasons"):
        fit(model=Settings(first=20))


# -- on disk ------------------------------------------------------------------------------------


def test_what_is_saved_forecasts_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again = Baseline.load(tmp_path / "model")
    assert (again.settings, again.season) == (SMALL, 12)
    for name, fan in fitted.predict_quantiles(HISTORY).items():
        assert np.array_equal(again.predict_quantiles(HISTORY)[name], fan)


def described(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        document = json.loads((folder / "settings.json").read_text())
        change(document)
        (folder / "settings.json").write_text(json.dumps(document))

    return act


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


def packed(folder: Path) -> None:
    with zipfile.ZipFile(folder / "weights.pt") as old:
        parts = {each: old.read(each) for each in old.namelist()}
    with zipfile.ZipFile(folder / "weights.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)


def not_finite(folder: Path) -> None:
    weights = torch.load(folder / "weights.pt", weights_only=True)
    weights["median_bias"][0, 0, 0] = float("nan")
    torch.save(weights, folder / "weights.pt")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "weights.pt").write_bytes(b"torn"), "is damaged"),
        (lambda folder: torch.save({"a": Trap()}, folder / "weights.pt"), "more than numbers"),
        (lambda folder: torch.save({"a": torch.ones(2)}, folder / "weights.pt"), "does not fit"),
        (lambda folder: (folder / "weights.pt").unlink(), "holds no model"),
        (packed, "parts are compressed"),
        (not_finite, "not finite; train again"),
        (lambda folder: (folder / "settings.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "settings.json").write_text("[" * 9999), "cannot be read"),
        (described(lambda each: each.update(format=1)), "another version"),
        (described(lambda each: each.update(season=-1)), "season is -1"),
        (described(lambda each: each["settings"].update(width=17)), "does not fit"),
        (described(lambda each: each["settings"].update(width=0)), "width is 0"),
        (described(lambda each: each["settings"].update(depth=3)), "no setting depth"),
        (described(lambda each: each.pop("settings")), "cannot be used"),
    ],
    ids=[
        "torn",
        "code",
        "other weights",
        "no weights",
        "compressed",
        "not finite",
        "no json",
        "nested json",
        "old",
        "no season",
        "another width",
        "bad setting",
        "unknown setting",
        "no settings",
    ],
)
def test_damaged_files_are_refused_and_nothing_in_them_is_run(
    fitted, tmp_path, monkeypatch, harm, said
):
    monkeypatch.chdir(tmp_path)
    fitted.save(tmp_path / "model")
    harm(tmp_path / "model")
    with pytest.raises(ModelError, match=said):
        Baseline.load(tmp_path / "model")
    assert not (tmp_path / "trapped").exists()


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no baseline was saved there"):
        Baseline.load(tmp_path)


# -- interruptions ------------------------------------------------------------------------------

OFTEN = Settings(**{**SMALL.as_json(), "checkpoint_seconds": 0.0})


def after(epoch: int, act: Callable[[], None]) -> Callable[[int, float], None]:
    """A report that does something after an epoch."""

    def report(number: int, _: float) -> None:
        if number == epoch:
            act()

    return report


def counted(numbers: list[int]) -> Callable[[int, float], None]:
    """A report that notes the epochs."""
    return lambda number, _: numbers.append(number)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def lost() -> None:
    raise ConnectionError("the machine is gone")


@pytest.mark.parametrize(
    ("act", "raised", "model"),
    [(terminate, Interrupted, SMALL), (lost, ConnectionError, OFTEN)],
    ids=["stopped", "lost"],
)
def test_an_interrupted_run_goes_on_to_the_very_same_model(fitted, tmp_path, act, raised, model):
    with pytest.raises(raised):
        fit(model=model, out=tmp_path, report=after(3, act))
    epochs: list[int] = []
    again = fit(model=model, out=tmp_path, report=counted(epochs))
    assert epochs[0] in (3, 4)
    assert again.losses == fitted.losses
    assert np.array_equal(again.predict(HISTORY)["s0"], fitted.predict(HISTORY)["s0"])


def test_an_interruption_says_what_to_do(tmp_path):
    with pytest.raises(Interrupted, match=r"after 2 of 8 epochs; the same call goes on"):
        fit(out=tmp_path, report=after(2, terminate))
    with pytest.raises(Interrupted, match="it must start over"):
        fit(report=after(2, terminate))


def test_sigterm_means_again_what_it_meant_before():
    before = signal.getsignal(signal.SIGTERM)
    fit(model=Settings(horizon=6, epochs=1, networks=1))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_finished_run_is_read_and_not_repeated(fitted, tmp_path):
    fit(out=tmp_path)
    epochs: list[int] = []
    again = fit(out=tmp_path, report=counted(epochs))
    assert epochs == []
    assert again.losses == fitted.losses
    assert np.array_equal(again.predict(HISTORY)["s0"], fitted.predict(HISTORY)["s0"])
    fit(out=tmp_path, resume=False, report=counted(epochs))
    assert epochs == list(range(1, 9))


@pytest.mark.parametrize(
    ("history", "model", "said"),
    [
        (HISTORY, Settings(**{**SMALL.as_json(), "seed": 5}), "seed was 0 and is 5"),
        ({"a": persistent(7)}, SMALL, "other series"),
    ],
    ids=["other settings", "other series"],
)
def test_another_run_does_not_go_on_from_a_checkpoint(tmp_path, history, model, said):
    fit(out=tmp_path)
    with pytest.raises(CheckpointError, match=said):
        fit(history, model, out=tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="to start over"):
        fit(out=tmp_path)


def test_it_learns_in_a_thread_too(fitted):
    found: list[list[float]] = []
    thread = threading.Thread(target=lambda: found.append(fit().losses))
    thread.start()
    thread.join()
    assert found == [fitted.losses]


def test_a_loss_that_is_no_number_ends_training_with_advice(monkeypatch):
    monkeypatch.setattr(
        "academy.forecasting.models.training.pinball",
        lambda quantiles, _: quantiles * float("nan"),
    )
    with pytest.raises(TrainingError, match="Try a lower learning_rate"):
        fit()


def test_the_learning_rate_goes_up_and_down():
    rates = [learning_rate(SMALL, step, 100) for step in range(100)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(SMALL.learning_rate)
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top + 1 :]) < 0).all()
    assert rates[-1] < 0.01 * rates[top]
