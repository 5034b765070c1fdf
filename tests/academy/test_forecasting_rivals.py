"""The rivals: what they forecast, how sure they are, and that the slow ones are asked once."""

from __future__ import annotations

import doctest
import importlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from academy.errors import AcademyError
from academy.forecasting import naive
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation.backtesting import backtest
from academy.forecasting.evaluation.leakage import check_forecaster
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.rivals import (
    QUICK,
    RIVALS,
    SLOW,
    cache,
    past_errors,
    prepare,
    statsforecast_models,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FUNCTIONS = {
    "seasonal naive": naive.seasonal_naive,
    "drift": naive.seasonal_naive_drift,
    "climatology": naive.climatology,
    "climatology 30 years": past_errors.normals,
    "damped anomaly": naive.damped_anomaly,
}
each_quick = pytest.mark.parametrize("name", QUICK)
each_slow = pytest.mark.parametrize("name", SLOW)


def record(count: int, season: int = 12, seed: int = 0, memory: float = 0.8) -> np.ndarray:
    """Trend, season and an anomaly with a memory, as of a climate record."""
    rng = np.random.default_rng(seed)
    anomaly = np.zeros(count + 50)
    for step in range(1, count + 50):
        anomaly[step] = memory * anomaly[step - 1] + rng.normal()
    steps = np.arange(count)
    return 20 + 0.01 * steps + 3 * np.sin(2 * np.pi * steps / season) + anomaly[50:]


def rows(made: np.ndarray) -> bool:
    return bool((np.diff(made, axis=1) >= 0).all() and np.isfinite(made).all())


# --- which there are ------------------------------------------------------------------------------
def test_there_are_eight_from_the_simplest_on():
    assert list(RIVALS) == [*FUNCTIONS, "AutoETS", "AutoTheta", "AutoARIMA"]
    assert (*QUICK, *SLOW) == tuple(RIVALS)
    assert all(rival.name == name and rival.about for name, rival in RIVALS.items())


@pytest.mark.parametrize("module", ["roster", "past_errors", "statsforecast_models", "cache"])
def test_the_examples_in_the_docstrings_run(module):
    assert (
        doctest.testmod(importlib.import_module(f"academy.forecasting.rivals.{module}")).failed == 0
    )


def test_the_quick_ones_need_nothing_but_numpy():
    code = (
        "import sys\n"
        "from academy.forecasting.rivals import RIVALS, QUICK\n"
        "for name in QUICK:\n"
        "    RIVALS[name]({'a': [float(k * k % 7) for k in range(60)]}, 3, quantiles=True)\n"
        "heavy = {'torch', 'pandas', 'scipy', 'statsforecast', 'numba', 'xarray'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --- what they say --------------------------------------------------------------------------------
@each_quick
@given(data=st.data(), season=st.integers(1, 6), horizon=st.integers(1, 15))
@settings(max_examples=30, deadline=None)
def test_a_forecast_is_the_functions_and_the_fan_is_around_it(name, data, season, horizon):
    least = RIVALS[name].needs(season) + past_errors.LEAST
    value = st.floats(-1e4, 1e4, allow_nan=False)
    past = np.array(data.draw(st.lists(value, min_size=least, max_size=least + 30)))
    point = RIVALS[name].of(past, horizon, season)
    assert np.array_equal(point, FUNCTIONS[name](past, horizon, season))
    fan = RIVALS[name].of(past, horizon, season, quantiles=True)
    assert fan.shape == (horizon, len(LEVELS))
    assert rows(fan)
    assert np.array_equal(fan[:, MEDIAN], point)


@each_quick
@pytest.mark.parametrize("season", [1, 5, 12])
def test_the_past_errors_are_those_of_the_same_forecaster_then(name, season):
    """All origins at once give what the plain function gives, asked at each by itself."""
    past, horizon = record(90, max(season, 2)), 14
    origins = np.arange(RIVALS[name].needs(season), past.size)
    made = past_errors._PAST[name](past, origins, horizon, season)
    for row, origin in zip(made, origins, strict=True):
        assert row == pytest.approx(FUNCTIONS[name](past[:origin], horizon, season), abs=1e-6)


@each_quick
@pytest.mark.parametrize("quantiles", [False, True], ids=["points", "quantiles"])
def test_the_future_is_not_seen(name, quantiles):
    series = {"a": record(150), "b": record(130, seed=1)}
    forecaster = partial(RIVALS[name], quantiles=quantiles)
    check_forecaster(forecaster, series, 6).must_hold()


@each_quick
def test_another_unit_gives_the_same_forecast_in_it(name):
    past = record(150)
    fan = RIVALS[name].of(past, 24, quantiles=True)
    other = RIVALS[name].of(32 + 1.8 * past, 24, quantiles=True)
    assert other == pytest.approx(32 + 1.8 * fan, rel=1e-8)


@each_quick
def test_the_interval_of_eighty_percent_holds_about_eighty(name):
    # Anomalies without memory, and a trend that all but the 30 years know: each series one draw.
    inside = []
    for seed in range(300):
        whole = record(132, seed=seed, memory=0.5)
        if name == "climatology 30 years":
            whole = whole - 0.01 * np.arange(132)
        fan = RIVALS[name].of(whole[:120], 12, quantiles=True)
        inside.append((fan[:, 1] <= whole[120:]) & (whole[120:] <= fan[:, 17]))
    assert 0.74 <= np.mean(inside) <= 0.88


@each_quick
def test_of_a_constant_everybody_is_sure(name):
    fan = RIVALS[name].of(np.full(60, 7.5), 24, quantiles=True)
    assert fan == pytest.approx(np.full((24, 19), 7.5), abs=1e-9)


def test_the_normals_are_of_the_last_thirty_years():
    past = np.concatenate([np.full(120, 99.0), np.tile(np.arange(12.0), 30), np.arange(12.0)])
    assert RIVALS["climatology 30 years"].of(past[:-7], 12) == pytest.approx(
        [*np.arange(5.0, 12.0), *np.arange(5.0)]
    )
    assert RIVALS["climatology"].of(past, 1)[0] != pytest.approx(0.0, abs=1.0)


def test_a_panel_tells_its_season_and_a_plain_mapping_has_twelve():
    yearly = Panel.of({"a": np.arange(20.0)}, frequency="year", starts={"a": "1990"})
    assert RIVALS["seasonal naive"](yearly, 2)["a"] == pytest.approx([19.0, 19.0])
    plain = {"a": np.arange(20.0)}
    assert RIVALS["seasonal naive"](plain, 2)["a"] == pytest.approx([8.0, 9.0])
    assert RIVALS["seasonal naive"](plain, 2, season=2)["a"] == pytest.approx([18.0, 19.0])


def test_only_what_a_backtest_asks_for_is_forecast():
    class Asked(dict):  # type: ignore[type-arg]
        wanted = ("b",)

    # The other one could not be forecast.
    history = Asked(a=[1.0], b=np.arange(30.0))
    assert list(RIVALS["drift"](history, 2)) == ["b"]


def test_a_rival_is_backtested_as_it_is():
    series = {"a": record(140), "b": record(120, seed=3)}
    points = backtest(RIVALS["climatology"], series, 6, origins=5)
    fans = backtest(partial(RIVALS["climatology"], quantiles=True), series, 6, origins=5)
    assert (points.name, points.quantiles) == ("climatology", None)
    assert np.array_equal(points.point, fans.point)
    assert fans.quantiles is not None
    expected = naive.climatology(series["b"][:-6], 6)
    assert points.point[1, -1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("past", "options", "words"),
    [
        ([1.0] * 23, {}, "wind has 23 values; climatology needs 24 with a season of 12"),
        ([1.0] * 31, {"quantiles": True}, r"wind has 31 values; climatology needs 32 to know"),
        ([1.0, np.nan] * 20, {}, "wind.*missing"),
        ([1.0, np.inf] * 20, {}, "wind"),
        ([[1.0] * 30] * 2, {}, "wind"),
        ([], {}, "wind"),
        ([1.0] * 30, {"horizon": 0}, "horizon is 0; it must be at least 1"),
        ([1.0] * 30, {"season": 0}, "season is 0; it must be at least 1"),
    ],
    ids=["short", "fan", "missing", "infinite", "flat", "empty", "horizon", "season"],
)
def test_what_cannot_be_forecast_is_refused_with_the_series_name(past, options, words):
    given_ = {"horizon": 3} | options
    with pytest.raises(SeriesError, match=words):
        RIVALS["climatology"]({"wind": past}, **given_)


# --- the slow three -------------------------------------------------------------------------------
class Asked:
    """Stands for statsforecast, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, name: str, past: np.ndarray, horizon: int, season: int) -> np.ndarray:
        self.times += 1
        return past[-1] + len(name) + np.arange(horizon)[:, None] + np.linspace(-1, 1, 19)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    monkeypatch.setattr(statsforecast_models, "forecast", found)
    monkeypatch.setattr(statsforecast_models, "versions", lambda: "statsforecast 0")
    return found


def test_what_was_said_once_is_not_asked_again(asked, monkeypatch):
    past = record(48)
    first = RIVALS["AutoETS"].of(past, 12, quantiles=True)
    # A shorter horizon, the point, and another program of the same content.
    assert np.array_equal(RIVALS["AutoETS"].of(past, 5, quantiles=True), first[:5])
    assert np.array_equal(RIVALS["AutoETS"].of(list(past), 12), first[:, MEDIAN])
    assert asked.times == 1
    # What it depends on: the values, the method, the season, and the versions.
    RIVALS["AutoETS"].of(past + 1e-12 * (np.arange(48) == 3), 12)
    RIVALS["AutoTheta"].of(past, 12)
    RIVALS["AutoETS"].of(past, 12, season=6)
    monkeypatch.setattr(statsforecast_models, "versions", lambda: "statsforecast 1")
    RIVALS["AutoETS"].of(past, 12)
    assert asked.times == 5


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01", b"cos\nsystem\n(S'x'\ntR."], ids=["empty", "cut", "pickle"]
)
def test_a_damaged_file_is_made_anew(asked, content):
    past = record(48)
    first = RIVALS["AutoETS"].of(past, 12)
    [file] = cache.folder().rglob("*.npy")
    whole = file.read_bytes()
    file.write_bytes(content)
    assert np.array_equal(RIVALS["AutoETS"].of(past, 12), first)
    assert (asked.times, file.read_bytes()) == (2, whole)


@pytest.mark.parametrize("wrong", [np.zeros((24, 18)), np.full((24, 19), np.nan)])
def test_what_is_no_forecast_is_made_anew(asked, wrong):
    past = record(48)
    first = RIVALS["AutoETS"].of(past, 12)
    [file] = cache.folder().rglob("*.npy")
    np.save(file, wrong)
    assert np.array_equal(RIVALS["AutoETS"].of(past, 12), first)


def test_without_a_place_for_a_cache_everything_works(asked, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ACADEMY_CACHE", str(tmp_path / "file"))
    assert RIVALS["AutoETS"].of(record(48), 3).shape == (3,)
    assert RIVALS["AutoETS"].of(record(48), 3).shape == (3,)
    assert asked.times == 2


def test_who_has_no_statsforecast_is_told_what_to_do(monkeypatch):
    from importlib import metadata

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(
        statsforecast_models.MissingPackage, match=r"pip install statsforecast.*rivals\.QUICK"
    ):
        RIVALS["AutoETS"]({"a": record(48)}, 3)
    assert RIVALS["drift"]({"a": record(48)}, 3)["a"].shape == (3,)


@each_slow
def test_statsforecasts_forecasts_are_fans(name):
    pytest.importorskip("statsforecast")
    past = record(40, season=4)
    fan = RIVALS[name].of(past, 9, season=4, quantiles=True)
    assert fan.shape == (9, 19)
    assert rows(fan)
    assert np.array_equal(fan[:, MEDIAN], RIVALS[name].of(past, 9, season=4))
    # Further ahead nobody is surer.
    width = fan[:, 17] - fan[:, 1]
    assert width[0] > 0
    assert (np.diff(width) >= -1e-9 * width[0]).all()
    assert RIVALS[name].of(np.full(40, 3.0), 2, 4) == pytest.approx([3.0, 3.0])


def test_the_quantiles_of_ets_are_the_packages_own():
    models = pytest.importorskip("statsforecast.models")
    past = record(48, season=4)
    fan = RIVALS["AutoETS"].of(past, 8, season=4, quantiles=True)
    found = models.AutoETS(season_length=4).forecast(past, 8, level=[40, 90])
    for name, level in (("lo-90", 0.05), ("lo-40", 0.3), ("hi-40", 0.7), ("hi-90", 0.95)):
        assert fan[:, LEVELS.index(level)] == pytest.approx(found[name], rel=1e-6)


def test_the_interval_of_theta_is_as_wide_as_its_errors_and_not_as_the_season():
    pytest.importorskip("statsforecast")
    inside, widths = [], []
    for seed in range(40):
        whole = record(72, season=4, seed=seed, memory=0.3)
        fan = statsforecast_models.forecast("AutoTheta", whole[:64], 8, 4)
        inside.append((fan[:, 1] <= whole[64:]) & (whole[64:] <= fan[:, 17]))
        widths.append(np.mean(fan[:, 17] - fan[:, 1]))
    assert 0.65 <= np.mean(inside) <= 0.92
    # The season alone is 6 from top to bottom.
    assert np.mean(widths) < 4


def test_a_model_without_a_finite_forecast_is_an_error_in_words(monkeypatch):
    models = pytest.importorskip("statsforecast.models")

    def forecast(self: object, y: np.ndarray, h: int, level: list[int]) -> dict[str, np.ndarray]:
        return {"mean": y[:h], "lo-80": np.full(h, -np.inf), "hi-80": np.full(h, np.inf)}

    monkeypatch.setattr(models.AutoARIMA, "forecast", forecast)
    with pytest.raises(AcademyError, match="AutoARIMA finds no model of a series of 48 values"):
        RIVALS["AutoARIMA"].of(record(48), 3)
    assert not list(cache.folder().rglob("*.npy"))


# --- many of them ---------------------------------------------------------------------------------
def test_a_backtest_that_was_prepared_asks_nobody(monkeypatch):
    pytest.importorskip("statsforecast")
    panel = Panel.of({"a": record(40, 4), "b": record(36, 4, seed=1)}, season=4)
    told: list[tuple[int, int]] = []
    names = ("AutoETS", "drift")
    options = {"origins": 2, "step": 3, "names": names}
    assert prepare(panel, 5, processes=1, report=lambda *n: told.append(n), **options) == 4
    assert told == [(done, 4) for done in range(5)]
    assert prepare(panel, 5, **options) == 0

    def nobody(*_: object) -> None:
        raise AssertionError("asked all the same")

    here = statsforecast_models.forecast("AutoETS", panel["a"][:35], 24, 4)
    monkeypatch.setattr(statsforecast_models, "forecast", nobody)
    forecaster = partial(RIVALS["AutoETS"], quantiles=True)
    found = backtest(forecaster, panel, 5, origins=2, step=3)
    # The processes say what is said here.
    assert np.array_equal(found.quantiles[0, -1], here[:5])


def test_a_series_that_is_too_short_is_told_before_anything_is_computed():
    with pytest.raises(SeriesError, match="b has 20 values; AutoETS needs 24"):
        prepare({"a": record(60), "b": record(20)}, 6, origins=0)
    assert not cache.folder().exists()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("#!/bin/sh\nexit 3\n", "AutoETS: its process ended"),
        ("#!/bin/sh\nread task\necho 'AutoETS: ValueError: it is so'\n", "ValueError: it is so"),
    ],
    ids=["ended", "failed"],
)
def test_a_process_that_does_not_answer_is_an_error(asked, monkeypatch, tmp_path, program, words):
    broken = tmp_path / "python"
    broken.write_text(program)
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    # Longer than what a pipe holds: it cannot be written to who does not read.
    with pytest.raises(AcademyError, match=words):
        prepare({"a": record(9000)}, 6, origins=0, names=("AutoETS",), processes=1)
    assert not list(Path(cache.folder()).rglob("*.npy"))
    assert asked.times == 0
