"""How sure a simple rival is: the errors that it would have made from earlier origins.

A method without a model of its noise has no intervals of its own. It has a past, though: from each
of many earlier origins it forecasts what is known by now, and the absolute errors at each lead are
the widths [1]_. They count in both directions, so that the median stays the point forecast: a bias
that is estimated from a few errors, which depend on each other, is mostly chance.

.. [1] V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World (Springer 2005);
   for series: C. Xu and Y. Xie, "Conformal prediction interval for dynamic time-series", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation.metrics import LEVELS

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

NORMAL_YEARS = 30
#: Past origins that are tried: more of them say the same, as they overlap.
ORIGINS = 120
#: Errors that a lead needs to have a width of its own; a later lead takes the width before it.
LEAST = 8


def spread(
    rival: str, past: Array, horizon: int, season: int, first: int, name: str = "history"
) -> Array:
    """Quantiles of the error of a simple rival, (horizon, 19): ascending, and 0 at the median.

    Widths do not shrink with the lead: where they seem to, it is chance.

    Parameters
    ----------
    rival
        The rival's name.
    past
        Shape (n,), all that is known.
    horizon, season
        In steps.
    first
        Values that the rival needs.
    name
        What to call the series in an error.

    Raises
    ------
    SeriesError
        Fewer than `LEAST` earlier origins.
    """
    # Of short pasts the fits are worse than today's: half of the history is enough of them.
    earliest = max(first, min(past.size // 2, past.size - 2 * LEAST))
    count = past.size - earliest
    if count < LEAST:
        raise SeriesError(
            f"{name} has {past.size} values; {rival} needs {first + LEAST} to know how sure it is "
            f"(quantiles), {first} for a point forecast."
        )
    origins = np.unique(np.linspace(earliest, past.size - 1, min(count, ORIGINS)).astype(np.int64))
    targets = origins[:, None] + np.arange(horizon)
    known = targets < past.size
    made = _PAST[rival](past, origins, horizon, season)
    errors = np.where(known, np.abs(made - past[np.minimum(targets, past.size - 1)]), np.nan)

    upper = np.array([2 * level - 1 for level in LEVELS if level > 0.5])
    widths = np.zeros((horizon, upper.size))
    for lead in range(horizon):
        at_lead = errors[known[:, lead], lead]
        if at_lead.size >= LEAST:
            # The next error is as likely to be the largest as each of those before.
            share = np.minimum(1.0, upper * (at_lead.size + 1) / at_lead.size)
            widths[lead] = np.quantile(at_lead, share)
        elif lead:
            widths[lead] = widths[lead - 1]
    widths = np.maximum.accumulate(widths, axis=0)
    return np.concatenate([-widths[:, ::-1], np.zeros((horizon, 1)), widths], axis=1)


def normals(past: Array, horizon: int, season: int) -> Array:
    """Each month's mean over the last `NORMAL_YEARS`, or over all years if they are fewer.

    The climatology of meteorologists: World Meteorological Organization, Guidelines on the
    Calculation of Climate Normals, WMO-No. 1203 (2017).

    >>> normals(np.array([9.0, 1.0, 5.0, 3.0, 7.0]), horizon=3, season=2)
    array([2., 6., 2.])
    """
    # Whole seasons from the end: the first of what is kept is the month that comes next.
    seasons = min(NORMAL_YEARS, past.size // season)
    means = past[past.size - seasons * season :].reshape(seasons, season).mean(axis=0)
    return np.resize(means, horizon)


def _seasonal_naive(past: Array, origins: Places, horizon: int, season: int) -> Array:
    return np.asarray(past[origins[:, None] - season + np.arange(horizon) % season])


def _drift(past: Array, origins: Places, horizon: int, season: int) -> Array:
    changes = np.cumsum(past[season:] - past[:-season])
    mean = changes[origins - season - 1] / (origins - season)
    seasons = np.arange(horizon) // season + 1
    return _seasonal_naive(past, origins, horizon, season) + mean[:, None] * seasons


def _normals(past: Array, origins: Places, horizon: int, season: int) -> Array:
    return np.stack([normals(past[:origin], horizon, season) for origin in origins])


def _climatology(past: Array, origins: Places, horizon: int, season: int) -> Array:
    design, fits = _fits(past, origins, horizon, season)
    ahead = origins[:, None] + np.arange(horizon)
    return np.asarray(np.einsum("ohk,ok->oh", design[ahead], fits))


def _damped_anomaly(past: Array, origins: Places, horizon: int, season: int) -> Array:
    design, fits = _fits(past, origins, horizon, season)
    anomalies = past - fits @ design[: past.size].T
    # What came after an origin is not known there.
    anomalies[np.arange(past.size) >= origins[:, None]] = 0.0
    last = anomalies[np.arange(origins.size), origins - 1]
    before, after = anomalies[:, :-1].copy(), anomalies[:, 1:]
    # The last one has none after it.
    before[np.arange(origins.size), origins - 1] = 0.0
    power = (before**2).sum(axis=1)
    rate = np.divide(
        (before * after).sum(axis=1), power, out=np.zeros(origins.size), where=power > 0
    )
    fading = np.clip(rate, 0.0, 1.0)[:, None] ** np.arange(1, horizon + 1)
    ahead = origins[:, None] + np.arange(horizon)
    return np.asarray(np.einsum("ohk,ok->oh", design[ahead], fits) + last[:, None] * fading)


def _fits(past: Array, origins: Places, horizon: int, season: int) -> tuple[Array, Array]:
    """The design of a straight line and a mean season, (n + horizon, 1 + season), and for each
    origin the coefficients that were fitted to what was known there, (origins, 1 + season).

    All origins at once, by the normal equations: they are sums over what is known.
    """
    step = np.arange(past.size + horizon)
    time = (step + 0.5) / past.size - 0.5
    seasons = (step[:, None] % season == np.arange(season)).astype(np.float64)
    design = np.column_stack([time, seasons])
    known = design[: past.size]
    squares = np.cumsum(known[:, :, None] * known[:, None, :], axis=0)[origins - 1]
    centre = float(past.mean())
    products = np.cumsum(known * (past - centre)[:, None], axis=0)[origins - 1]
    fits = np.linalg.solve(squares, products[:, :, None])[:, :, 0]
    fits[:, 1:] += centre
    return design, np.asarray(fits, dtype=np.float64)


_PAST: dict[str, Callable[[Array, Places, int, int], Array]] = {
    "seasonal naive": _seasonal_naive,
    "drift": _drift,
    "climatology": _climatology,
    "climatology 30 years": _normals,
    "damped anomaly": _damped_anomaly,
}
