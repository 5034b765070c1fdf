"""The climate-series benchmark at a tiny size: it resumes, and its figures are those of arrays."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from academy.forecasting.data.panel import Panel
from academy.forecasting.evaluation.backtesting import Backtest, backtest
from academy.forecasting.rivals import RIVALS
from rich.console import Console

from benchmarks import climate_series
from benchmarks.climate_series_parts import classical, panels, sealed


@pytest.fixture
def part() -> panels.Part:
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=140) + np.sin(np.arange(140)) for name in ("a", "b")}
    panel = Panel.of(values, frequency="month", starts=dict.fromkeys(values, "1990-01"))
    return panels.Part("tiny", panel, (2, 3), 12, every=6)


def _models(
    part: panels.Part, asked: list[str]
) -> Callable[[panels.Part, Path, int], Iterator[tuple[str, Callable[[], Backtest]]]]:
    def made(name: str, rival: str) -> Backtest:
        asked.append(name)
        return backtest(
            lambda history, horizon: RIVALS[rival](history, horizon, quantiles=True),
            part.panel,
            part.horizon,
            origins=part.origins,
            name=name,
        )

    def models(*_: object) -> Iterator[tuple[str, Callable[[], Backtest]]]:
        yield "seasonal naive", lambda: made("seasonal naive", "seasonal naive")
        yield "climatology", lambda: made("climatology", "climatology")
        yield "expert, seed 1", lambda: made("expert, seed 1", "damped anomaly")

    return models


def test_a_run_goes_on_where_it_was(
    part: panels.Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(panels, "models", _models(part, asked))
    climate_series.run_panel(part, tmp_path, 1)
    (tmp_path / "tiny" / "climatology.npz").unlink()
    climate_series.run_panel(part, tmp_path, 1)
    assert asked == ["seasonal naive", "climatology", "expert, seed 1", "climatology"]
    told = io.StringIO()
    climate_series.tell_panel(part, tmp_path, Console(file=told, width=200))
    assert "1.000" in told.getvalue()
    assert "best classical" in told.getvalue()


def test_loss_of_the_seasonal_naive_without_a_fan_is_its_error(part: panels.Part) -> None:
    found = backtest(
        lambda history, horizon: {
            name: np.repeat(row[:, None], 19, axis=1)
            for name, row in RIVALS["seasonal naive"](history, horizon).items()
        },
        part.panel,
        part.horizon,
        origins=part.origins,
        name="flat fan",
    )
    assert climate_series._loss(found, 3) == pytest.approx(1.0)


def test_origins_are_the_backtests(part: panels.Part) -> None:
    found = backtest(RIVALS["drift"], part.panel, part.horizon, origins=part.origins)
    for row, name in zip(found.origins, found.names, strict=True):
        assert row.tolist() == part.ends(name)


def test_classical_forecasts_look_at_no_future(part: panels.Part, tmp_path: Path) -> None:
    values = np.array(part.panel["a"])
    ends = part.ends("a")
    one = classical.forecasts("drift", values, ends, 3, 12, tmp_path)
    changed = values.copy()
    changed[ends[5] :] += 100
    other = classical.forecasts("drift", changed, ends, 3, 12, tmp_path)
    np.testing.assert_array_equal(one[:6], other[:6])
    assert (one[6:] != other[6:]).any()


def test_measures_of_perfect_and_of_naive_forecasts() -> None:
    worlds = sealed.worlds(1)
    history, answers = worlds[0]
    perfect = np.stack([np.repeat(each[:, None], 19, axis=1) for each in answers.values()])[None]
    found = sealed.measures(perfect, worlds)
    assert not found["relative"].any()
    assert found["inside"].all()
    naive = sealed.forecast("seasonal naive", history)[None]
    np.testing.assert_allclose(sealed.measures(naive, worlds)["relative"], 1.0)
