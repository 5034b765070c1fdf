"""Measures of a point forecast, as the competition's scorer defines them.

The mean absolute scaled error (MASE) divides a forecast's error by the error that the seasonal
naive makes inside the history: a number without a unit, so series can be compared [1]_. The
board divides once more, by the MASE of the seasonal naive on the same months, and takes the
geometric mean over the series: 1.0 is the floor, 0.8 is a fifth less error than the floor.

.. [1] Hyndman, R. J. and Koehler, A. B. (2006). Another look at measures of forecast accuracy.
   International Journal of Forecasting 22, 679-688.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from academy.forecasting.naive import as_series, seasonal_naive

#: In a score each ratio counts as at least this: one perfect series must not make all the rest
#: worthless.
LEAST_RATIO = 1e-3
#: And at most this: nobody reads the answers off scores that have no end.
MOST_RATIO = 2.0

Array = npt.NDArray[np.float64]


def mae(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Mean absolute error.

    Parameters
    ----------
    actual, forecast
        Shape (horizon,), in the series' unit.

    Raises
    ------
    ValueError
        The shapes differ, or a value is not a finite number.

    Examples
    --------
    >>> mae([3.0, 5.0], [2.0, 5.0])
    0.5
    """
    truth, guess = as_series(actual, "actual"), as_series(forecast, "forecast")
    if truth.shape != guess.shape:
        raise ValueError(f"actual has {truth.size} values, forecast has {guess.size}")
    return float(np.mean(np.abs(truth - guess)))


def mase_scale(history: npt.ArrayLike, season: int = 12) -> float:
    """Mean absolute change from one season to the next, inside `history`.

    Parameters
    ----------
    history
        Shape (n,), n > season.
    season
        Steps in a season: 12 for months in a year.

    Raises
    ------
    ValueError
        The history is no longer than a season, or it repeats exactly: nothing to scale by.

    Examples
    --------
    >>> mase_scale([1.0, 2.0, 3.0, 5.0], season=2)
    2.5
    """
    past = as_series(history, "history")
    if past.size <= season:
        raise ValueError(f"history has {past.size} values; more than one season ({season}) needed")
    scale = float(np.mean(np.abs(past[season:] - past[:-season])))
    if scale == 0:
        raise ValueError("history repeats exactly from season to season: MASE is not defined")
    return scale


def mase(
    actual: npt.ArrayLike, forecast: npt.ArrayLike, history: npt.ArrayLike, season: int = 12
) -> float:
    """Mean absolute scaled error: `mae` over `mase_scale`.

    Parameters
    ----------
    actual, forecast
        Shape (horizon,).
    history
        Shape (n,), what was known when the forecast was made.

    Examples
    --------
    >>> mase([5.0, 6.0], [4.0, 4.0], history=[1.0, 2.0, 3.0, 5.0], season=2)
    0.6
    """
    return mae(actual, forecast) / mase_scale(history, season)


def relative_mase(
    actual: npt.ArrayLike, forecast: npt.ArrayLike, history: npt.ArrayLike, season: int = 12
) -> float:
    """MASE of `forecast` over the MASE of the seasonal naive on the same months.

    Raises
    ------
    ValueError
        The seasonal naive is exact: there is nothing to be better than.

    Examples
    --------
    >>> relative_mase([5.0, 7.0], [4.0, 6.0], history=[1.0, 2.0, 3.0, 5.0], season=2)
    0.5
    """
    past, truth = as_series(history, "history"), as_series(actual, "actual")
    floor = mase(truth, seasonal_naive(past, truth.size, season), past, season)
    if floor == 0:
        raise ValueError("the seasonal naive is exact here: a relative error is not defined")
    return mase(truth, forecast, past, season) / floor


def geometric_mean(ratios: Iterable[float]) -> float:
    """Geometric mean of ratios: halving one and doubling another cancel out.

    A ratio of zero, a perfect forecast, makes the mean zero.

    Raises
    ------
    ValueError
        No ratio, a negative one, or one that is not finite.

    Examples
    --------
    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    values = as_series(list(ratios), "ratios")
    if (values < 0).any():
        raise ValueError("ratios must not be negative")
    if (values == 0).any():
        return 0.0
    return float(np.exp(np.mean(np.log(values))))


def evaluate(
    actual: Mapping[str, npt.ArrayLike],
    forecast: Mapping[str, npt.ArrayLike],
    history: Mapping[str, npt.ArrayLike],
    season: int = 12,
) -> dict[str, float]:
    """The relative MASE of each series, and their geometric mean under ``"score"``.

    In the mean each ratio counts as at least `LEAST_RATIO` and at most
    `MOST_RATIO`, as on the board.

    Parameters
    ----------
    actual, forecast, history
        Series by name; `forecast` and `history` must have every name of `actual`.

    Examples
    --------
    >>> evaluate({"a": [5.0, 7.0]}, {"a": [4.0, 6.0]}, {"a": [1.0, 2.0, 3.0, 5.0]}, season=2)
    {'a': 0.5, 'score': 0.5}
    """
    for name in actual:
        for kind, given in (("forecast", forecast), ("history", history)):
            if name not in given:
                raise ValueError(f"series {name!r} has no {kind}")
    scores = {
        name: relative_mase(truth, forecast[name], history[name], season)
        for name, truth in actual.items()
    }
    return {**scores, "score": geometric_mean(_counted(r) for r in scores.values())}


def _counted(ratio: float) -> float:
    return min(MOST_RATIO, max(LEAST_RATIO, ratio))
