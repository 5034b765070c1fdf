"""What a backtest found: every forecast beside what came, its measures, and its file."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import Array, SeriesError
from academy.forecasting.evaluation import metrics
from academy.forecasting.evaluation.metrics import LEVELS
from academy.forecasting.evaluation.scores import Scores

Places = npt.NDArray[np.int64]

_FORMAT = 1
#: What numpy, zip and JSON raise for files that are something else, or damaged.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
_ARRAYS = ("truth", "point", "scale", "naive", "origins", "quantiles")


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a forecaster said at every origin, and what came.

    Attributes
    ----------
    name : str
        The forecaster's.
    names : tuple of str
        The series.
    season : int
        Steps in a season: of the scale and of the seasonal naive.
    truth, point, naive : array (series, origins, horizon)
        What came; what was forecast; what the seasonal naive says. In the series' units. Of a
        forecast by quantiles the median is the point.
    quantiles : array (series, origins, horizon, 19) or None
        At `metrics.LEVELS`.
    scale : array (series, origins)
        The MASE's: mean absolute change from season to season in what was known then.
    origins : array of int (series, origins)
        How many values of the series were known: the first value that is forecast is
        ``series[origins]``. Oldest first.
    """

    name: str
    names: tuple[str, ...]
    season: int
    truth: Array
    point: Array
    naive: Array
    scale: Array
    origins: Places
    quantiles: Array | None = None

    @property
    def horizon(self) -> int:
        return int(self.truth.shape[2])

    def __repr__(self) -> str:
        count, origins, horizon = self.truth.shape
        kind = "points" if self.quantiles is None else "quantiles"
        return (
            f"Backtest {self.name!r}: {kind}, {count} series, {origins} origins, horizon {horizon}"
        )

    def only(self, *names: str) -> Backtest:
        """The same of some of the series.

        Raises
        ------
        SeriesError
            A name that was not tested, or no name.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown or not names:
            what = f"{unknown[0]!r} was not tested" if unknown else "no name is given"
            raise SeriesError(f"{what}; there is {', '.join(self.names[:8])}")
        rows = [self.names.index(name) for name in names]
        return replace(
            self,
            names=names,
            truth=self.truth[rows],
            point=self.point[rows],
            naive=self.naive[rows],
            scale=self.scale[rows],
            origins=self.origins[rows],
            quantiles=None if self.quantiles is None else self.quantiles[rows],
        )

    def scores(self, leads: slice | None = None) -> Scores:
        """Every series' measures and their summary; `leads` are steps ahead, counted from 0.

        The relative MASE is MASE over the seasonal naive's at the same origins; of several series
        its geometric mean is taken, as GIFT-Eval does of data sets.

        Raises
        ------
        SeriesError
            The seasonal naive is exact throughout a series: there is no ratio.
        """
        at = slice(None) if leads is None else leads
        rows: dict[str, dict[str, float]] = {}
        for number, name in enumerate(self.names):
            truth, point = self.truth[number][:, at], self.point[number][:, at]
            if not truth.size:
                raise SeriesError(f"no lead is left: the horizon is {self.horizon}, leads {leads}")
            # MASE of each origin, then their mean.
            error = np.abs(truth - point).mean(axis=1) / self.scale[number]
            floor = np.abs(truth - self.naive[number][:, at]).mean(axis=1) / self.scale[number]
            if not floor.any():
                raise SeriesError(f"{name}: the seasonal naive is exact; a ratio is not defined")
            rows[name] = {
                "relative MASE": float(error.mean() / floor.mean()),
                "MASE": float(error.mean()),
                "sMAPE": metrics.smape(truth, point),
                "RMSE": metrics.rmse(truth, point),
            }
            if self.quantiles is not None:
                quantiles = self.quantiles[number][:, at]
                if truth.any():
                    rows[name]["WQL"] = metrics.wql(truth, quantiles)
                rows[name]["coverage of 80 %"] = metrics.coverage(truth, quantiles)
        return Scores(self.name, rows)

    def by_lead(self, reference: Backtest | None = None) -> Array:
        """Skill at each step ahead, shape (horizon,): 1 - MAE / MAE of the reference.

        1 is perfect, 0 as good as the reference, below 0 worse. Of several series the geometric
        mean of the ratios is taken.

        Parameters
        ----------
        reference
            Another backtest of the same series and origins; without one, the seasonal naive.

        Raises
        ------
        SeriesError
            The reference was tested on something else, or is exact at some lead.
        """
        if reference is not None:
            self.must_match(reference)
        other = self.naive if reference is None else reference.point
        error = (np.abs(self.truth - self.point) / self.scale[:, :, None]).mean(axis=1)
        floor = (np.abs(self.truth - other) / self.scale[:, :, None]).mean(axis=1)
        if (floor == 0).any():
            number, lead = np.argwhere(floor == 0)[0]
            raise SeriesError(
                f"{self.names[number]}: the reference is exact {lead + 1} steps ahead; "
                "skill is not defined"
            )
        with np.errstate(divide="ignore"):
            return np.asarray(1 - np.exp(np.log(error / floor).mean(axis=0)), dtype=np.float64)

    def reliability(self) -> Array:
        """The observed share of the truth at or below each quantile, shape (19,).

        A calibrated forecast gives `metrics.LEVELS` themselves.

        Raises
        ------
        SeriesError
            The forecaster gave points only.
        """
        if self.quantiles is None:
            raise SeriesError(f"{self.name} gave no quantiles; reliability needs them")
        return np.asarray((self.truth[..., None] <= self.quantiles).mean(axis=(0, 1, 2)))

    def must_match(self, other: Backtest) -> None:
        """Raises SeriesError unless both were tested on the same series, origins and truth."""
        for what, mine, theirs in (
            ("series", self.names, other.names),
            ("horizons", self.horizon, other.horizon),
            ("numbers of origins", self.truth.shape[1], other.truth.shape[1]),
        ):
            if mine != theirs:
                raise SeriesError(
                    f"{self.name} and {other.name} were tested on other {what}: {mine} and {theirs}"
                )
        if not (
            np.array_equal(self.origins, other.origins) and np.array_equal(self.truth, other.truth)
        ):
            raise SeriesError(
                f"{self.name} and {other.name} were tested at other origins or on other values"
            )

    def save(self, file: str | Path) -> None:
        """Writes all of it into one file, which ends in .npz by custom."""
        about = {"format": _FORMAT, "name": self.name, "names": self.names, "season": self.season}
        arrays = {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}
        target = Path(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as opened:
            text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
            np.savez_compressed(opened, about=text, **arrays)
        part.replace(target)

    @classmethod
    def load(cls, file: str | Path) -> Backtest:
        """The backtest that `save` wrote.

        Raises
        ------
        SeriesError
            The file is not there, or is no saved backtest.
        """
        try:
            with np.load(file, allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                if about["format"] != _FORMAT:
                    raise ValueError(f"its format is {about['format']}")
                arrays = {name: stored[name] for name in _ARRAYS if name in stored}
            names = tuple(map(str, about["names"]))
            found = cls(str(about["name"]), names, int(about["season"]), **arrays)
            found._check_shapes()
        except _UNREADABLE as no:
            raise SeriesError(f"{file} is no saved backtest: {no}") from None
        return found

    def _check_shapes(self) -> None:
        series, origins, horizon = self.truth.shape
        wanted: dict[str, tuple[int, ...]] = {
            "truth": (len(self.names), origins, horizon),
            "point": (series, origins, horizon),
            "naive": (series, origins, horizon),
            "scale": (series, origins),
            "origins": (series, origins),
            "quantiles": (series, origins, horizon, len(LEVELS)),
        }
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
            if array is not None and array.dtype.kind not in "if":
                raise ValueError(f"{name} holds {array.dtype}")
