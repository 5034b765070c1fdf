"""Forecasts without learning: what every model has to beat before it may be called good.

All take a history of shape (n,) without gaps and give a forecast of shape (horizon,).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import Array, SeriesError, as_series

__all__ = [
    "as_series",
    "climatology",
    "damped_anomaly",
    "fit_climatology",
    "seasonal_naive",
    "seasonal_naive_drift",
]


def seasonal_naive(history: npt.ArrayLike, horizon: int, season: int = 12) -> Array:
    """The same month of the last known year, again and again.

    Examples
    --------
    >>> seasonal_naive([1.0, 2.0, 3.0, 4.0], horizon=3, season=2)
    array([3., 4., 3.])
    """
    past = _checked(history, horizon, season, seasons=1)
    return np.resize(past[-season:], horizon)


def seasonal_naive_drift(history: npt.ArrayLike, horizon: int, season: int = 12) -> Array:
    """The seasonal naive, raised each year by the mean yearly change of the history.

    Examples
    --------
    >>> seasonal_naive_drift([1.0, 2.0, 3.0, 4.0], horizon=4, season=2)
    array([5., 6., 7., 8.])
    """
    past = _checked(history, horizon, season, seasons=2)
    change = float(np.mean(past[season:] - past[:-season]))
    return seasonal_naive(past, horizon, season) + change * (np.arange(horizon) // season + 1)


def climatology(history: npt.ArrayLike, horizon: int, season: int = 12, degree: int = 1) -> Array:
    """Each month's mean over the whole history, on a straight line (`degree` 1) or level (0).

    Least squares of a polynomial in time and one constant per month, continued.

    Examples
    --------
    >>> climatology([1.0, 2.0, 3.0, 4.0], horizon=2, season=2).round(6)
    array([5., 6.])
    """
    past = _checked(history, horizon, season, seasons=2 if degree else 1)
    return fit_climatology(past, horizon, season, degree)[past.size :]


def damped_anomaly(
    history: npt.ArrayLike, horizon: int, season: int = 12, degree: int = 1
) -> Array:
    """`climatology`, plus today's departure from it, fading at the rate it used to fade.

    The rate is the anomalies' correlation with the month before.

    Examples
    --------
    >>> damped_anomaly([0.0, 2.0, 0.0, 2.0, 0.0, 2.0], horizon=2, season=2).round(6) + 0.0
    array([0., 2.])
    """
    past = _checked(history, horizon, season, seasons=2 if degree else 1)
    usual = fit_climatology(past, horizon, season, degree)
    anomaly = past - usual[: past.size]
    power = float(anomaly[:-1] @ anomaly[:-1])
    rate = float(anomaly[1:] @ anomaly[:-1]) / power if power > 0 else 0.0
    fading = min(max(rate, 0.0), 1.0) ** np.arange(1, horizon + 1)
    return np.asarray(usual[past.size :] + anomaly[-1] * fading, dtype=np.float64)


def fit_climatology(past: Array, horizon: int, season: int, degree: int) -> Array:
    """The fitted climatology over history and horizon, shape (n + horizon,).

    `past` is not checked: float64, finite, at least two seasons long (one for degree 0).
    """
    step = np.arange(past.size + horizon)
    time = step / past.size - 0.5
    powers = [time**power for power in range(1, degree + 1)]
    design = np.column_stack([*powers, *(step % season == month for month in range(season))])
    coefficients = np.linalg.lstsq(design[: past.size].astype(float), past, rcond=None)[0]
    return np.asarray(design @ coefficients, dtype=np.float64)


def _checked(history: npt.ArrayLike, horizon: int, season: int, seasons: int) -> Array:
    if horizon < 1:
        raise SeriesError(f"horizon is {horizon}; it must be at least 1")
    if season < 1:
        raise SeriesError(f"season is {season}; it must be at least 1")
    past = as_series(history, "history")
    if past.size < season * seasons:
        raise SeriesError(
            f"history has {past.size} values; {season * seasons} needed (season {season})"
        )
    return past
