"""Backtests of the panels: the real monthly records, and a spread of a climate model's cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.reading import position
from academy.forecasting.evaluation.backtesting import Backtest, Forecaster, backtest
from academy.forecasting.rivals import RIVALS

from benchmarks.climate_series_parts import classical
from infra.publishing.climate_records import grid_panel, monthly_panel

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A panel, and how it is tested.

    Attributes
    ----------
    name
        In tables and files.
    panel
        What is forecast; the last `origins` origins count.
    horizons
        At which figures are told; forecasts go to the last.
    every
        Origins from one fit of a slow classical model to the next.
    """

    name: str
    panel: Panel
    horizons: tuple[int, ...]
    origins: int
    every: int

    @property
    def horizon(self) -> int:
        return self.horizons[-1]

    def ends(self, name: str) -> list[int]:
        """How many values are known at each origin of a series."""
        last = int(self.panel[name].size) - self.horizon
        return list(range(last - self.origins + 1, last + 1))


def monthly(origins: int) -> Part:
    """CO2 at Mauna Loa, Niño 1+2, the Southern Oscillation at Darwin."""
    return Part("monthly", monthly_panel(), (3, 6, 12, 24), origins, every=12)


def grid(origins: int) -> Part:
    """56 of the 1,813 cells, every fifth latitude and every sixth longitude."""
    whole = grid_panel()
    places = {name: position(name) for name in whole.names}
    rows = set(np.unique([place[0] for place in places.values()])[2::5])
    columns = set(np.unique([place[1] for place in places.values()])[3::6])
    chosen = [name for name, at in places.items() if at[0] in rows and at[1] in columns]
    return Part("grid", whole.select(chosen), (1, 3, 5, 10), origins, every=5)


class Classical:
    """The slow rivals' forecasts of a part, by series and by how much of it was known."""

    def __init__(self, part: Part, folder: Path) -> None:
        self.part, self.folder = part, folder
        self._found: dict[str, dict[tuple[str, int], Array]] = {}

    def of(self, model: str) -> Mapping[tuple[str, int], Array]:
        """Quantiles (horizon, 19) by (series, values known)."""
        if model not in self._found:
            part, rows = self.part, {}
            for name, values in part.panel.items():
                ends = part.ends(name)
                made = classical.forecasts(
                    model, values, ends, part.horizon, part.panel.season, self.folder, part.every
                )
                rows.update({(name, end): row for end, row in zip(ends, made, strict=True)})
            self._found[model] = rows
        return self._found[model]

    def forecaster(self, model: str) -> Forecaster:
        """For `backtest`."""

        def forecast(history: Mapping[str, Array], _: int) -> dict[str, Array]:
            rows = self.of(model)
            wanted = getattr(history, "wanted", history)
            return {name: rows[name, history[name].size] for name in wanted}

        return forecast

    def point(self, name: str, values: Array, horizon: int, season: int) -> Array:
        """AutoARIMA's points, as the expert asks for them."""
        return self.of("AutoARIMA")[name, values.size][:, 9]


def models(part: Part, folder: Path, seeds: int) -> Iterator[tuple[str, Callable[[], Backtest]]]:
    """Every model's name and what makes its backtest, quick ones first."""
    from academy.forecasting.models.baseline import Baseline, Settings

    from advisors.climate_series.expert import Expert, Recipe

    slow = Classical(part, folder / "classical")

    def tested(name: str, forecaster: object, refit_every: int = 1) -> Callable[[], Backtest]:
        return lambda: backtest(
            forecaster,  # type: ignore[arg-type]
            part.panel,
            part.horizon,
            origins=part.origins,
            refit_every=refit_every,
            name=name,
        )

    def rival(name: str) -> Forecaster:
        return lambda history, horizon: RIVALS[name](history, horizon, quantiles=True)

    for name, each in RIVALS.items():
        yield name, tested(name, slow.forecaster(name) if each.slow else rival(name))
    share = slow.point if part.panel.season > 1 else None
    for seed in range(1, seeds + 1):
        settings = Settings(horizon=part.horizon, seed=seed)
        yield (
            f"baseline, seed {seed}",
            tested(f"baseline, seed {seed}", Baseline(settings, device="cpu"), 60),
        )
    for seed in range(1, seeds + 1):
        expert = Expert(Recipe(seed=seed), share)
        yield f"expert, seed {seed}", tested(f"expert, seed {seed}", expert)
    if share is not None:
        yield "expert without AutoARIMA", tested("expert without AutoARIMA", Expert(Recipe(seed=1)))
