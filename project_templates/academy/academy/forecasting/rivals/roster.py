"""The rivals: eight forecasters without deep learning, which a model has to beat to be of use.

The first five need nothing but numpy and take milliseconds; the last three are statsforecast's and
take up to seconds a series, so that what they said once is kept on the disk. All give a point
forecast or 19 quantiles, whose median is the point forecast.

>>> import numpy as np
>>> history = {"a": 10 + np.sin(np.arange(120) * np.pi / 6)}
>>> RIVALS["climatology"](history, 3)["a"].shape
(3,)
>>> RIVALS["climatology"](history, 3, quantiles=True)["a"].shape
(3, 19)

A backtest over sixty origins asks the slow three sixty times: `prepare` computes all of that first,
on all cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from academy.forecasting import naive
from academy.forecasting.data.series import SeriesError, as_series
from academy.forecasting.evaluation.metrics import LEVELS
from academy.forecasting.rivals import cache, past_errors, statsforecast_models

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rival:
    """A forecaster for comparison: call it with a history and a horizon.

    Attributes
    ----------
    name
        Its name in `RIVALS`.
    about
        What it does, in a sentence.
    slow
        Whether it is statsforecast's: its package may be missing, and its forecasts are kept.
    least_seasons
        Whole seasons that a history must have.
    least
        Values that it must have in any case.
    """

    name: str
    about: str
    least_seasons: int
    least: int
    slow: bool = False

    def __call__(
        self,
        history: Mapping[str, npt.ArrayLike],
        horizon: int,
        *,
        season: int | None = None,
        quantiles: bool = False,
    ) -> dict[str, Array]:
        """The next `horizon` values of each series.

        Parameters
        ----------
        history
            Series by name, each of shape (n,); n may differ. Of one that says which of its series
            are asked for (``history.wanted``, as in a backtest), only those are forecast.
        horizon
            Steps to forecast, 1 or more.
        season
            Steps in a season; by default the panel's (``history.season``), and 12 for a plain
            mapping.
        quantiles
            Whether to give the quantiles at `academy.forecasting.evaluation.metrics.LEVELS`, too.

        Returns
        -------
        Forecasts by name, in the series' unit: (horizon,), or with `quantiles` (horizon, 19), which
        ascend, and whose column 9, the median, is the point forecast.

        Raises
        ------
        SeriesError
            A series is too short, or has values that are missing or infinite.
        MissingPackage
            A slow one's package is not installed.
        """
        if season is None:
            season = int(getattr(history, "season", 12))
        # A backtest of series that end at different dates says whose forecasts count at this one.
        wanted = getattr(history, "wanted", history)
        return {
            name: self.of(history[name], horizon, season, quantiles=quantiles, name=name)
            for name in wanted
        }

    def of(
        self,
        series: npt.ArrayLike,
        horizon: int,
        season: int = 12,
        *,
        quantiles: bool = False,
        name: str = "history",
    ) -> Array:
        """The forecast of one series: (horizon,), or with `quantiles` (horizon, 19).

        Examples
        --------
        >>> RIVALS["drift"].of([1.0, 2.0, 3.0, 4.0], horizon=4, season=2)
        array([5., 6., 7., 8.])
        """
        past = self._checked(series, horizon, season, name)
        if self.slow:
            whole = _kept(self, past, horizon, season)
            return whole if quantiles else whole[:, LEVELS.index(0.5)]
        point = _SIMPLE[self.name](past, horizon, season)
        if not quantiles:
            return point
        spread = past_errors.spread(self.name, past, horizon, season, self.needs(season), name)
        return np.asarray(point[:, None] + spread, dtype=np.float64)

    def needs(self, season: int) -> int:
        """Values that a history must have for a point forecast.

        >>> RIVALS["climatology"].needs(season=12)
        24
        """
        return max(self.least, self.least_seasons * season)

    def _checked(self, series: npt.ArrayLike, horizon: int, season: int, name: str) -> Array:
        for what, value in (("horizon", horizon), ("season", season)):
            if value < 1:
                raise SeriesError(f"{what} is {value}; it must be at least 1.")
        past = as_series(series, name)
        if past.size < self.needs(season):
            raise SeriesError(
                f"{name} has {past.size} values; {self.name} needs {self.needs(season)} with a "
                f"season of {season}. Give a longer history, or say another season."
            )
        return past


_SIMPLE: dict[str, Callable[[Array, int, int], Array]] = {
    "seasonal naive": naive.seasonal_naive,
    "drift": naive.seasonal_naive_drift,
    "climatology": naive.climatology,
    "climatology 30 years": past_errors.normals,
    "damped anomaly": naive.damped_anomaly,
}

#: The rivals by name, from the simplest on.
RIVALS: dict[str, Rival] = {
    rival.name: rival
    for rival in (
        Rival("seasonal naive", "The same month of the last year, again and again.", 1, 1),
        Rival("drift", "The seasonal naive, raised by the mean yearly change.", 2, 2),
        Rival("climatology", "Each month's mean on a straight line, over all years.", 2, 3),
        Rival("climatology 30 years", "Each month's mean over the last 30 years.", 1, 1),
        Rival(
            "damped anomaly",
            "Climatology, plus today's departure from it, fading as it used to fade.",
            2,
            3,
        ),
        Rival(
            "AutoETS",
            "Exponential smoothing: error, trend and season of 30 kinds, chosen by AICc.",
            2,
            10,
            slow=True,
        ),
        Rival(
            "AutoTheta",
            "The Theta method in four forms, on additively deseasonalised values.",
            2,
            10,
            slow=True,
        ),
        Rival(
            "AutoARIMA",
            "Seasonal ARIMA, its orders chosen stepwise by AICc.",
            2,
            10,
            slow=True,
        ),
    )
}
#: Those that need nothing but numpy.
QUICK = tuple(name for name, rival in RIVALS.items() if not rival.slow)
#: Those that are statsforecast's.
SLOW = tuple(name for name, rival in RIVALS.items() if rival.slow)


def prepare(
    history: Mapping[str, npt.ArrayLike],
    horizon: int,
    *,
    origins: int = 1,
    step: int = 1,
    season: int | None = None,
    names: tuple[str, ...] = SLOW,
    processes: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Computes what the slow rivals will be asked for in a backtest, on several cores.

    Parameters
    ----------
    history
        Series by name: all that the backtest is given.
    horizon, origins, step, season
        As `academy.forecasting.backtest` is called. ``origins=0`` forecasts from the end of the
        history, as for a submission.
    names
        Which rivals; the quick ones of them need no preparation.
    processes
        How many at a time; by default one for each core.
    report
        Called with how many forecasts are done, and of how many.

    Returns
    -------
    How many were computed: those that were not kept already.

    Raises
    ------
    SeriesError, MissingPackage
        As calling them does.
    """
    if season is None:
        season = int(getattr(history, "season", 12))
    tasks = []
    for name, series in history.items():
        whole = as_series(series, name)
        for past in _pasts(whole, horizon, origins, step):
            for rival in (each for each in names if RIVALS[each].slow):
                RIVALS[rival]._checked(past, horizon, season, name)
                tasks.append(_task(rival, past, horizon, season))
    return cache.fill(tasks, processes=processes, report=report)


def _pasts(whole: Array, horizon: int, origins: int, step: int) -> Iterator[Array]:
    if not origins:
        yield whole
    for number in range(origins):
        yield whole[: max(0, whole.size - horizon - number * step)]


def _task(rival: str, past: Array, horizon: int, season: int) -> cache.Task:
    # One forecast serves all shorter horizons: it is kept for a whole number of two seasons, or 24.
    unit = max(24, 2 * season)
    return cache.Task(rival, past, -(-horizon // unit) * unit, season)


def _kept(rival: Rival, past: Array, horizon: int, season: int) -> Array:
    task = _task(rival.name, past, horizon, season)
    found = cache.find(task)
    if found is None:
        found = statsforecast_models.forecast(rival.name, past, task.horizon, season)
        cache.keep(task, found)
    return found[:horizon]
