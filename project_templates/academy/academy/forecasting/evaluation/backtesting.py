"""Backtesting: forecasts made again and again from the past, each with what was known then.

At each of many *origins* the forecaster gets the series up to there, and nothing else, and
forecasts the next `horizon` steps. The last origin stands `horizon` steps before the end of each
series, the others `step` steps apart before it. Origins that are closer than the horizon overlap:
sixty of them are far fewer than sixty independent tries. `academy.forecasting.compare` knows.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import Array, SeriesError, as_series
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.evaluation.origins import Known, Moment, moments
from academy.forecasting.evaluation.origins import frame as origin_frame
from academy.forecasting.evaluation.results import Backtest
from academy.forecasting.evaluation.scores import Scoreboard, Scores

__all__ = [
    "FEWEST_ORIGINS",
    "Backtest",
    "Forecaster",
    "Known",
    "Model",
    "Scoreboard",
    "Scores",
    "backtest",
    "one_by_one",
]

#: History by name and horizon in, a forecast by name out: (horizon,), or quantiles (horizon, 19).
Forecaster = Callable[[Mapping[str, Array], int], Mapping[str, Array]]

FEWEST_ORIGINS = 60
"""What a claim needs at least: standard errors over five origins swallow most claims."""

#: Part of every cached file's name: a change of what is kept must change it.
_VERSION = 3


class Model(Protocol):
    """What is fitted before it forecasts; `fit` must start anew each time."""

    def fit(self, history: Any, /) -> Any: ...

    def predict(self, history: Any, /) -> Mapping[str, Array]: ...


def is_model(forecaster: object) -> TypeGuard[Model]:
    """Whether it is fitted before it forecasts; one that can be called, too, as torch's modules."""
    return all(callable(getattr(forecaster, part, None)) for part in ("fit", "predict"))


def one_by_one(
    forecast: Callable[..., npt.ArrayLike], season: int | None = None, **options: Any
) -> Forecaster:
    """A `Forecaster` from a function of one series: forecast(series, horizon, season).

    Parameters
    ----------
    forecast
        Gives (horizon,), or quantiles (horizon, 19); all of
        `academy.forecasting.naive` will do.
    season
        In steps; without it, the season of what is backtested.
    options
        Passed on, as ``degree=0``.

    Examples
    --------
    >>> from academy.forecasting import seasonal_naive
    >>> one_by_one(seasonal_naive, season=2)({"a": np.array([1.0, 2.0])}, 3)
    {'a': array([1., 2., 1.])}
    """

    def forecaster(history: Mapping[str, Array], horizon: int) -> dict[str, Array]:
        length = season or int(getattr(history, "season", 12))
        return {
            name: np.asarray(forecast(history[name], horizon, length, **options), dtype=np.float64)
            for name in getattr(history, "wanted", history)
        }

    forecaster.__name__ = getattr(forecast, "__name__", "forecaster")
    return forecaster


def backtest(
    forecaster: Forecaster | Model,
    panel: Mapping[str, npt.ArrayLike],
    horizon: int,
    *,
    origins: int = FEWEST_ORIGINS,
    step: int = 1,
    season: int | None = None,
    refit_every: int = 1,
    name: str = "",
    cache: str | Path | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Forecasts from each of `origins` origins with what was known there, and keeps all of it.

    Parameters
    ----------
    forecaster
        A `Forecaster`; or an object with `fit(history)` and `predict(history)`, as `Baseline`, and
        maybe `predict_quantiles(history)`. An object is copied as it is given, and the copy is
        fitted on what was known, at the first origin and at every `refit_every`-th after it. It is
        not told the horizon, so what it forecasts beyond it is left away; a function is asked for
        `horizon` steps and must give as many.
    panel
        Series by name, (n,) each, of any lengths: a `Panel` or a dict. Of a panel with dates whose
        series end at different ones, a forecaster gets at each date all series as they were known
        then, and is asked for those that have an origin there (``history.wanted``). Of a dict the
        series are taken to end together.
    horizon
        Steps that are forecast.
    origins, step
        How many, and how many steps apart.
    season
        In steps: of the MASE's scale and of the seasonal naive, and what forecasters find as
        ``history.season``. Without it, the panel's; 12 for a dict.
    refit_every
        In origins. Between two fits a model still gets what is known, but has not learnt from it.
    name
        The forecaster's name in tables; without one, the function's or the class's.
    cache
        A folder. What was tested before under the same `name`, on the same values of the same dates
        and with the same settings, is read from there. Give another name when the model changes.
    report
        Called after each origin, or date, with how many are done, and how many there are.

    Returns
    -------
    Backtest

    Raises
    ------
    SeriesError
        A series is too short, has values that are not finite, or repeats from season to season; or
        the forecaster leaves out a series, or gives a wrong number of values, values that are not
        finite, or quantiles that cross. The message names the series and the origin.

    Examples
    --------
    >>> from academy.forecasting import seasonal_naive
    >>> series = {"a": np.sin(np.arange(100.0)) + np.arange(100.0)}
    >>> backtest(one_by_one(seasonal_naive), series, horizon=6, origins=10)
    Backtest 'seasonal_naive': points, 1 series, 10 origins, horizon 6
    """
    for what, count in (
        ("horizon", horizon),
        ("origins", origins),
        ("step", step),
        ("refit_every", refit_every),
    ):
        if count < 1:
            raise SeriesError(f"{what} is {count}; it must be at least 1")
    length = int(getattr(panel, "season", 12)) if season is None else season
    if length < 1:
        raise SeriesError(f"season is {length}; it must be at least 1")
    series = {each: as_series(values, each) for each, values in panel.items()}
    if not series:
        raise SeriesError("no series to test on")
    named = name or _name_of(forecaster)
    kept = None
    if cache is not None:
        if not name:
            raise SeriesError("a cache knows forecasters by their names: give name=, too")
        settings = (named, horizon, origins, step, length, refit_every)
        kept = Path(cache) / f"{_digest(series, (*settings, _dates(panel)))}.npz"
        if kept.is_file():
            return Backtest.load(kept)

    frame = origin_frame(series, horizon, origins, step, length)
    count, plan = moments(panel, series, frame.places, length)
    names = tuple(series)
    point = np.empty_like(frame.truth)
    quantiles: Array | None = None
    wide: bool | None = None
    beyond = is_model(forecaster)
    for done, (moment, said, points) in enumerate(
        _forecasts(forecaster, plan, horizon, refit_every * step), start=1
    ):
        where = f"{named}, {moment.label}"
        for at, number in moment.asked:
            past = int(frame.places[at, number])
            row = _row(said, names[at], horizon, where, past, beyond)
            if wide is None and (wide := row.ndim == 2):
                quantiles = np.empty((*frame.truth.shape, len(LEVELS)))
            if wide != (row.ndim == 2):
                raise SeriesError(f"{where}: quantiles of some series or origins, points of others")
            if quantiles is not None:
                quantiles[at, number] = row
                if points is None:
                    row = row[:, MEDIAN]
                else:
                    row = _row(points, names[at], horizon, where, past, beyond)
            if row.ndim == 2:
                raise SeriesError(f"{where}: predict gives quantiles; points expected")
            point[at, number] = row
        if report:
            report(done, count)
    found = Backtest(
        name=named,
        names=names,
        season=length,
        truth=frame.truth,
        point=point,
        naive=frame.naive,
        scale=frame.scale,
        origins=frame.places,
        quantiles=quantiles,
    )
    if kept is not None:
        found.save(kept)
    return found


def _forecasts(
    forecaster: Forecaster | Model, plan: Iterator[Moment], horizon: int, refit_after: int
) -> Iterator[tuple[Moment, Any, Any]]:
    """What the forecaster says at each moment, oldest first; of a model, its points beside."""
    model: Any = None
    fitted = 0
    for moment in plan:
        if not is_model(forecaster):
            yield moment, forecaster(moment.history, horizon), None  # type: ignore[operator]
            continue
        if model is None or moment.when - fitted >= refit_after:
            model, fitted = copy.deepcopy(forecaster), moment.when
            model.fit(moment.history)
        points = model.predict(moment.history)
        wide = getattr(model, "predict_quantiles", None)
        yield (moment, points, None) if wide is None else (moment, wide(moment.history), points)


def _row(said: Any, name: str, horizon: int, where: str, past: int, beyond: bool) -> Array:
    """The forecast of one series: (horizon,) or (horizon, 19).

    `past` values of it are known; `beyond` says whether more steps than are asked for will do.
    """
    if not isinstance(said, Mapping):
        kind = type(said).__name__
        raise SeriesError(f"{where}: forecasts by series expected, a mapping; not {kind}")
    if name not in said:
        raise SeriesError(f"{where}: there is no forecast for {name}")
    where = f"{where}, {name}"
    try:
        row = np.asarray(said[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise SeriesError(f"{where}: the forecast is not made of numbers") from None
    if row.ndim and row.shape[0] == past + horizon:
        raise SeriesError(
            f"{where}: {row.shape[0]} steps, which are the {past} known ones and the horizon of "
            f"{horizon}. Leave the past away: [-{horizon}:] are the steps that come next"
        )
    # A model forecasts as far as it was made to; what is beyond is not asked for.
    row = row[:horizon] if row.ndim and beyond else row
    if row.shape not in ((horizon,), (horizon, len(LEVELS))):
        expected = f"({horizon},) or ({horizon}, {len(LEVELS)})"
        more = row.shape not in ((), (len(LEVELS),)) and row.shape[0] > horizon
        hint = f": [:{horizon}] are the steps that were asked for" if more else ""
        raise SeriesError(f"{where}: the shape is {row.shape}; expected {expected}{hint}")
    if not np.isfinite(row).all():
        step = int(np.argwhere(~np.isfinite(row))[0][0])
        raise SeriesError(f"{where}: step {step + 1} ahead is not a finite number")
    if row.ndim == 2 and (np.diff(row) < 0).any():
        step, level = np.argwhere(np.diff(row) < 0)[0]
        raise SeriesError(
            f"{where}: step {step + 1} ahead, the quantile {LEVELS[level]:g} is above that of "
            f"{LEVELS[level + 1]:g}; sort each step's quantiles"
        )
    return row


def _name_of(forecaster: Any) -> str:
    return str(
        getattr(forecaster, "name", "")
        or getattr(forecaster, "__name__", "")
        or type(forecaster).__name__
    )


def _dates(panel: Mapping[str, Any]) -> list[str | None]:
    """What a forecaster may read off the calendar: the frequency, and where each series starts."""
    if not isinstance(panel, Panel):
        return []
    return [panel.frequency, *(panel.start(name) for name in panel)]


def _digest(series: Mapping[str, Array], settings: tuple[Any, ...]) -> str:
    digest = hashlib.sha256(json.dumps([_VERSION, *settings, *series]).encode())
    for values in series.values():
        digest.update(values.tobytes() + b"|")
    return digest.hexdigest()[:32]
