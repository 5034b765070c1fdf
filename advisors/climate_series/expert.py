"""What an expert makes of the climate-series project: the advisors' line to look up to.

    python -m advisors.climate_series.expert DATASET submission.csv

DATASET is the published folder with ``task.json`` and ``history.csv``. Nothing here reads answers
or the public records from which the series were sealed.

Five ideas, each of which a learner can find:

- **The right frame.** What is learnt is the departure from a mean season (`frames`), never the
  series itself; and a series that mostly rises starts from its last level, not from a line through
  all its past.
- **A regression for each lead, strongly shrunk** (`regression`). It has ten coefficients where a
  network has thousands, and there are some forty years to learn from.
- **What hangs together, learns together.** Windows of the same record share their coefficients;
  a series may read what others did by calendar (Darwin's pressure and Niño), and cells of a grid
  share their trend (`yearly`).
- **Averages.** Over frames, with and without the other series, over drawn pasts; and with AutoARIMA
  at a share that was settled on other keys and earlier years.
- **Quantiles from errors that were made.** The same forecast is made from each of the last 240
  origins, and how far it missed, lead by lead, is the fan (conformal prediction). Overlapping
  errors count as fewer, which widens it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from academy.datasets import Dataset
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError, as_series, step_number
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.rivals import RIVALS
from academy.forecasting.rivals.statsforecast_models import MissingPackage

from advisors.climate_series import regression, yearly
from advisors.climate_series.frames import Framed, Kind, anomalies, framed

Array = npt.NDArray[np.float64]
#: Name, what is known of the series, horizon and season in; the point forecast (horizon,) out.
Classical = Callable[[str, Array, int, int], Array]
Member = tuple[Kind, bool]


@dataclass(frozen=True)
class Recipe:
    """What can be turned; the defaults are what was settled on earlier origins and other keys.

    `share` is AutoARIMA's part of monthly points, `share_of_kin` that of windows of one record;
    `every` is in steps, from one fit to the next; `errors` how many past origins make the fan.
    """

    bags: int = 8
    shrinkage: float = 10.0
    share: float = 0.3
    share_of_kin: float = 0.5
    every: int = 12
    errors: int = 240
    first_seasons: int = 8
    seed: int = 0


class Expert:
    """A forecaster: call it with a history and a horizon, and get quantiles (horizon, 19) by name.

    It remembers what it computed from a past, under that past's digest, so that a backtest of many
    origins does not compute all past errors again and again.
    """

    name = "expert"

    def __init__(self, recipe: Recipe | None = None, classical: Classical | None = None) -> None:
        self.recipe = recipe or Recipe()
        self.classical = classical
        self._kept: dict[Any, Any] = {}

    def __call__(self, history: Mapping[str, npt.ArrayLike], horizon: int) -> dict[str, Array]:
        """Quantiles of the next values, (horizon, 19), whose median is the point forecast.

        Raises
        ------
        SeriesError
            A series is too short; or, of yearly ones, they are not of the same length.
        """
        series = {name: as_series(history[name], name) for name in history}
        season = int(getattr(history, "season", 12))
        if season == 1:
            return self._yearly(series, horizon)
        past = _Past(series, horizon, season, history if isinstance(history, Panel) else None)
        return {name: self._monthly(past, name) for name in getattr(history, "wanted", series)}

    # --- months -----------------------------------------------------------------------------------
    def _monthly(self, past: _Past, name: str) -> Array:
        recipe, horizon = self.recipe, past.horizon
        values = past.series[name]
        first = recipe.first_seasons * past.season
        if values.size < first + past.season:
            raise SeriesError(
                f"{name} has {values.size} values; the expert needs {first + past.season}"
            )
        point = self._point(past, name, values.size)
        share = recipe.share if len(past.kin(name)) == 1 else recipe.share_of_kin
        if self.classical is not None and share:
            said = self.classical(name, values, horizon, past.season)
            point = (1 - share) * point + share * said
        errors = []
        for kin in past.kin(name):
            known = past.series[kin]
            unit = _unit(known, past.season) / _unit(values, past.season)
            for end in range(max(first, known.size - recipe.errors), known.size):
                row = np.full(horizon, np.nan)
                came = known[end : end + horizon]
                row[: came.size] = (came - self._point(past, kin, end)[: came.size]) / unit
                errors.append(row)
        # Windows of one record may overlap: they are not more origins, only more errors.
        return _fan(point, np.array(errors), origins=len(errors) / len(past.kin(name)))

    def _point(self, past: _Past, name: str, end: int) -> Array:
        """The mean of the members, from the origin `end`: what came later is not looked at."""
        trending = past.trending(name, end)
        kin = past.kin(name)
        kinds: tuple[Kind, ...] = ("flat", "line")
        if trending:
            kinds = ("line", "recent") if len(kin) > 1 else ("recent",)
        told = (False, True) if past.others(name, end) else (False,)
        key = (name, end, past.horizon, past.digest(name, end))
        if key not in self._kept:
            made = [
                self._member(past, name, end, (kind, other)) for kind in kinds for other in told
            ]
            self._kept[key] = np.mean(made, axis=0)
        return np.asarray(self._kept[key])

    def _member(self, past: _Past, name: str, end: int, member: Member) -> Array:
        recipe = self.recipe
        fitted = end // recipe.every * recipe.every
        key = (name, fitted, member, past.horizon, past.digest(name, fitted))
        if key not in self._kept:
            features, targets, times = [], [], []
            for kin in past.kin(name):
                unit = _unit(past.series[kin][:fitted], past.season)
                frame = past.framed(kin, fitted, member)
                ahead = np.arange(fitted)[:, None] + np.arange(1, past.horizon + 1)
                level = np.where(ahead < fitted, frame.level[np.minimum(ahead, fitted - 1)], np.nan)
                rows = slice(3 * past.season, fitted - 1)
                features.append(frame.features[rows] / unit)
                targets.append((level - frame.anchor)[rows] / unit)
                times.append(np.arange(fitted)[rows])
            self._kept[key] = regression.fit(
                np.concatenate(features),
                np.concatenate(targets),
                np.concatenate(times),
                shrinkage=recipe.shrinkage,
                bags=recipe.bags,
                block=past.season,
                seed=recipe.seed,
            )
        frame = past.framed(name, end, member)
        usual = frame.anchor[-1] + frame.season[end:]
        return np.asarray(usual + self._kept[key] @ frame.features[-1])

    # --- years ------------------------------------------------------------------------------------
    def _yearly(self, series: Mapping[str, Array], horizon: int) -> dict[str, Array]:
        if len({values.size for values in series.values()}) > 1:
            raise SeriesError("yearly series must end together and be of the same length")
        cells = np.stack(list(series.values()))
        n = cells.shape[1]
        if n < yearly.FIRST + 2 * horizon:
            raise SeriesError(
                f"cells have {n} years; the expert needs {yearly.FIRST + 2 * horizon}"
            )
        spread = np.abs(np.diff(cells, axis=1)).mean(axis=1)
        errors = []
        for end in range(max(yearly.FIRST, n - self.recipe.errors // 4), n):
            came = np.full((len(cells), horizon), np.nan)
            known = cells[:, end : end + horizon]
            came[:, : known.shape[1]] = known
            errors.append((came - self._cells(cells, end, horizon)) / spread[:, None])
        pooled = np.concatenate(errors)
        point = self._cells(cells, n, horizon)
        # All cells of a year err together: as many origins as years, not as cells.
        unit = _fan(np.zeros(horizon), pooled, origins=len(errors))
        fans = point[:, :, None] + unit * spread[:, None, None]
        return dict(zip(series, fans, strict=True))

    def _cells(self, cells: Array, end: int, horizon: int) -> Array:
        known = cells[:, :end]
        key = ("cells", end, horizon, _digest(known))
        if key not in self._kept:
            fitted = end // yearly.EVERY * yearly.EVERY
            rule = ("rule", fitted, horizon, _digest(known[:, :fitted]))
            if rule not in self._kept:
                self._kept[rule] = yearly.learn(
                    cells[:, :fitted], horizon, bags=self.recipe.bags, seed=self.recipe.seed
                )
            made = yearly.pooled(known, self._kept[rule]), yearly.pattern(known, horizon)
            self._kept[key] = np.mean(made, axis=0)
        return np.asarray(self._kept[key])


class _Past:
    """Series as they are known, and what each may look at beside itself."""

    def __init__(
        self, series: Mapping[str, Array], horizon: int, season: int, panel: Panel | None
    ) -> None:
        self.series, self.horizon, self.season = series, horizon, season
        self._starts: dict[str, int] = {}
        if panel is not None and panel.frequency == "month":
            for name in series:
                start = panel.start(name)
                if start is not None:
                    self._starts[name] = step_number(start, "month")

    def kin(self, name: str) -> list[str]:
        """Windows of the same record, itself first: names that differ in a last number only."""
        stem = re.sub(r"-\d+$", "", name)
        found = [each for each in self.series if stem != name and each.startswith(f"{stem}-")]
        return [name, *(each for each in found if each != name)]

    def others(self, name: str, end: int) -> list[Array]:
        """Other series' anomalies in the months of this one's first `end`; 0 where not known."""
        if name not in self._starts:
            return []
        start, found = self._starts[name], []
        for other, values in self.series.items():
            if other == name or other not in self._starts or self.trending(other, values.size):
                continue
            offset = start - self._starts[other]
            seen = values[: max(0, end + offset)]
            if seen.size < 5 * self.season:
                continue
            known = anomalies(seen, self.season)
            place = np.arange(end) + offset
            inside = (place >= 0) & (place < known.size)
            # A record that ended long ago says nothing of now.
            if not inside[-1]:
                continue
            found.append(np.where(inside, known[np.clip(place, 0, known.size - 1)], 0.0))
        return found

    def trending(self, name: str, end: int) -> bool:
        """Whether most of the change from year to year is a steady one."""
        change = self.series[name][self.season : end] - self.series[name][: end - self.season]
        return bool(np.abs(change - change.mean()).mean() < 0.7 * np.abs(change).mean())

    def framed(self, name: str, end: int, member: Member) -> Framed:
        kind, told = member
        others = self.others(name, end) if told else []
        return framed(self.series[name][:end], self.horizon, self.season, kind, others)

    def digest(self, name: str, end: int) -> str:
        """Of all that a forecast from `end` looks at."""
        kin = [self.series[each][:end] for each in self.kin(name)]
        return _digest(*kin, *self.others(name, end))


def _fan(point: Array, errors: Array, origins: float) -> Array:
    """Quantiles around `point` (horizon,), from past `errors` (n, horizon): (horizon, 19).

    The median stays where it is: a bias that is estimated from errors that depend on each other is
    mostly chance.
    """
    found = np.zeros((point.size, len(LEVELS)))
    upper = np.array([2 * level - 1 for level in LEVELS[MEDIAN + 1 :]])
    for lead in range(point.size):
        past = errors[np.isfinite(errors[:, lead]), lead]
        if past.size < 8:
            found[lead] = found[lead - 1]
            continue
        distinct = max(8.0, (origins - lead) / (1 + lead / 2))
        inside = np.minimum(upper * (1 + 1 / distinct), 1.0)
        past = past - np.median(past)
        found[lead, MEDIAN + 1 :] = np.quantile(past, (1 + inside) / 2)
        found[lead, :MEDIAN] = np.quantile(past, (1 - inside) / 2)[::-1]
    return np.asarray(point[:, None] + np.sort(found, axis=1))


def _unit(values: Array, season: int) -> float:
    """The MASE's scale."""
    return max(float(np.abs(values[season:] - values[:-season]).mean()), 1e-12)


def _digest(*arrays: Array) -> str:
    found = hashlib.sha256()
    for each in arrays:
        found.update(np.ascontiguousarray(each).tobytes() + b"|")
    return found.hexdigest()[:32]


def arima(name: str, values: Array, horizon: int, season: int) -> Array:
    """AutoARIMA's points, kept on the disk as the rivals' are."""
    return RIVALS["AutoARIMA"].of(values, horizon, season, name=name)


def main() -> None:
    """Learns from a published dataset and writes a submission."""
    parser = argparse.ArgumentParser(description="Makes the expert's submission.")
    parser.add_argument("dataset", type=Path, help="folder with task.json and history.csv")
    parser.add_argument("submission", type=Path, help="the .csv file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn pasts")
    arguments = parser.parse_args()
    data = Dataset(arguments.dataset)
    recipe, horizon = Recipe(seed=arguments.seed), data.task.horizon
    try:
        found = Expert(recipe, arima)(data.history, horizon)
    except MissingPackage as problem:
        print(f"Without AutoARIMA's share: {problem}")
        found = Expert(recipe)(data.history, horizon)
    with arguments.submission.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["series", "step", "value", *(f"{level:g}" for level in LEVELS)])
        for name in data.task.series:
            for lead, row in enumerate(found[name]):
                step = data.task.first_step[name] + lead
                writer.writerow([name, step, row[MEDIAN], *row])
    print(f"{len(data.task.series)} series of {horizon} steps in {arguments.submission}")


if __name__ == "__main__":
    main()
