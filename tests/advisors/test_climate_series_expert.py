"""The climate-series expert: it looks at no future, units change nothing, the board takes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import leakage
from academy.forecasting.evaluation.metrics import LEVELS

from advisors.climate_series import expert
from advisors.climate_series.expert import Expert, Recipe
from infra.services.competition.checking.climate_series import check


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


_SMALL = Recipe(bags=2, errors=24)


def _series(number: int, n: int = 156) -> np.ndarray:
    rng = np.random.default_rng(number)
    anomaly = np.zeros(n)
    for step in range(1, n):
        anomaly[step] = 0.9 * anomaly[step - 1] + rng.normal()
    return 20 + 5 * np.sin(np.arange(n) * np.pi / 6) + anomaly


def _months(n: int = 156) -> dict[str, np.ndarray]:
    rising = _series(3, n) + np.arange(float(n))
    return {"warm-1": _series(1, n), "warm-2": _series(2, n), "rising": rising}


def test_quantiles_ascend_and_are_finite() -> None:
    found = Expert(_SMALL)(_months(), 6)
    assert list(found) == list(_months())
    for rows in found.values():
        assert rows.shape == (6, len(LEVELS))
        assert np.isfinite(rows).all()
        assert (np.diff(rows) >= 0).all()


def test_beats_the_mean_season_where_departures_last() -> None:
    errors, floor = [], []
    for number in range(40):
        series = _series(100 + number, 243)
        found = Expert(_SMALL)({"a": series[:240]}, 3)["a"][:, 9]
        season = series[:240].reshape(20, 12).mean(axis=0)[:3]
        errors.append(np.abs(found - series[240:]).mean())
        floor.append(np.abs(season - series[240:]).mean())
    assert np.mean(errors) < 0.9 * np.mean(floor)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(_months(300), id="windows-of-one-record"),
        pytest.param(
            Panel.of(
                {"a": _series(1, 300), "b": _series(2, 290)},
                frequency="month",
                starts={"a": "1990-01", "b": "1990-06"},
            ),
            id="panel-with-dates",
        ),
    ],
)
def test_looks_at_no_future(history: Mapping[str, np.ndarray]) -> None:
    assert not leakage.check_forecaster(Expert(_SMALL), history, 6).leaks


def test_units_change_nothing() -> None:
    plain = Expert(_SMALL)(_months(), 6)
    turned = Expert(_SMALL)({name: 1000 * each - 7 for name, each in _months().items()}, 6)
    for name in plain:
        np.testing.assert_allclose(turned[name], 1000 * plain[name] - 7, rtol=1e-6)


def test_what_is_remembered_is_what_is_computed_anew() -> None:
    kept = Expert(_SMALL)
    kept(_months(), 6)
    shorter = {name: values[:-3] for name, values in _months().items()}
    found, anew = kept(shorter, 6), Expert(_SMALL)(shorter, 6)
    for name in anew:
        np.testing.assert_array_equal(found[name], anew[name])


def test_same_seed_same_forecast_other_seed_another() -> None:
    one, same = (Expert(Recipe(bags=2, errors=24, seed=3))(_months(), 6) for _ in range(2))
    other = Expert(Recipe(bags=2, errors=24, seed=4))(_months(), 6)
    np.testing.assert_array_equal(one["rising"], same["rising"])
    assert (one["rising"] != other["rising"]).any()


def test_cells_of_a_grid() -> None:
    rng = np.random.default_rng(0)
    trend = np.r_[np.zeros(60), np.arange(60) / 20]
    cells = {f"cell {at}": 280 + at + trend + rng.normal(size=120) for at in range(6)}
    panel = Panel.of(cells, frequency="year", starts=dict.fromkeys(cells, "1900"))
    found = Expert(_SMALL)(panel, 5)
    middle = np.mean([rows[:, 9] - 280 - at for at, rows in enumerate(found.values())])
    assert 2.2 < middle < 4.2
    assert all((np.diff(rows) >= 0).all() for rows in found.values())


@pytest.mark.parametrize(
    ("history", "told"),
    [
        pytest.param({"a": np.arange(50.0)}, "expert needs 108", id="short"),
        pytest.param({"a": np.r_[_series(1), np.nan]}, "a", id="missing"),
    ],
)
def test_refuses_in_words(history: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(SeriesError, match=told):
        Expert(_SMALL)(history, 6)


def test_the_command_writes_what_the_board_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = {
        "project": "climate-series",
        "horizon": 6,
        "season": 12,
        "metric": "MASE",
        "series": list(_months()),
        "first_step": dict.fromkeys(_months(), 156),
    }
    (tmp_path / "task.json").write_text(json.dumps(task))
    rows = [
        f"{name},{step},{value}"
        for name, each in _months().items()
        for step, value in enumerate(each)
    ]
    (tmp_path / "history.csv").write_text("series,step,value\n" + "\n".join(rows) + "\n")
    monkeypatch.setattr(expert, "arima", lambda _, values, horizon, __: values[-horizon:])
    file = tmp_path / "submission.csv"
    monkeypatch.setattr(sys, "argv", ["expert", str(tmp_path), str(file)])
    expert.main()
    checked = check(file.read_bytes(), (tmp_path / "task.json").read_bytes())
    assert checked.members == {"quantiles": True}
    assert "3 series of 6 steps" in capsys.readouterr().out
