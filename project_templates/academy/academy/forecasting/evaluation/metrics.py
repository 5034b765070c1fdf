"""Measures of point and quantile forecasts, as the competition's scorer defines them.

The mean absolute scaled error (MASE) divides a forecast's error by the error that the seasonal
naive makes inside the history: a number without a unit, so series can be compared [1]_. The
board divides once more, by the MASE of the seasonal naive on the same months, and takes the
geometric mean over the series: 1.0 is the floor, 0.8 is a fifth less error than the floor.
GIFT-Eval [2]_ divides and means so, too, data set by data set.

A forecast that says how sure it is gives quantiles at the 19 `LEVELS`. `wql` is one number for all
of them, `coverage` says how often the truth was inside an interval.

`mae`, `rmse`, `smape`, `pinball`, `wql` and `coverage` take arrays of any number of axes, the last
of which is the horizon: truth and forecast (..., horizon), quantiles (..., horizon, 19).

.. [1] Hyndman, R. J. and Koehler, A. B. (2006). Another look at measures of forecast accuracy.
   International Journal of Forecasting 22, 679-688.
.. [2] Aksu, T. et al. (2024). GIFT-Eval: a benchmark for general time series forecasting model
   evaluation. https://arxiv.org/abs/2410.10393
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import SeriesError, as_series
from academy.forecasting.naive import seasonal_naive

#: The levels of the quantiles that are asked for: 0.05, 0.10 and so on to 0.95.
LEVELS = tuple(number / 20 for number in range(1, 20))
#: The place of the median among them.
MEDIAN = LEVELS.index(0.5)

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
        Shape (..., horizon), in the series' unit.

    Raises
    ------
    SeriesError
        The shapes differ, or a value is not a finite number.

    Examples
    --------
    >>> mae([3.0, 5.0], [2.0, 5.0])
    0.5
    """
    truth, guess = _pair(actual, forecast)
    return float(np.mean(np.abs(truth - guess)))


def rmse(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Root of the mean squared error: one large miss costs more than many small ones.

    Parameters
    ----------
    actual, forecast
        Shape (..., horizon), in the series' unit.

    Raises
    ------
    SeriesError
        The shapes differ, or a value is not a finite number.

    Examples
    --------
    >>> rmse([3.0, 7.0], [2.0, 0.0])
    5.0
    """
    truth, guess = _pair(actual, forecast)
    return float(np.sqrt(np.mean(np.square(truth - guess))))


def smape(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Symmetric mean absolute percentage error, from 0 to 2: mean of 2 |y - f| / (|y| + |f|).

    The M4 competition's [1]_ and GluonTS's form; others write it times 100, or without the 2. Where
    truth and forecast both are 0 the error is 0. It means something only where 0 means "none", as
    for CO2. For degrees Celsius or an anomaly the zero is a convention, and so is the figure.

    Parameters
    ----------
    actual, forecast
        Shape (..., horizon).

    Raises
    ------
    SeriesError
        The shapes differ, or a value is not a finite number.

    References
    ----------
    .. [1] Makridakis, S., Spiliotis, E. and Assimakopoulos, V. (2020). The M4 competition: 100,000
       time series and 61 forecasting methods. International Journal of Forecasting 36, 54-74.

    Examples
    --------
    >>> smape([3.0, 5.0], [1.0, 5.0])
    0.5
    """
    truth, guess = _pair(actual, forecast)
    error, size = 2 * np.abs(truth - guess), np.abs(truth) + np.abs(guess)
    return float(np.mean(np.divide(error, size, out=np.zeros_like(error), where=size > 0)))


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
    SeriesError
        The history is no longer than a season, or it repeats exactly: nothing to scale by.

    Examples
    --------
    >>> mase_scale([1.0, 2.0, 3.0, 5.0], season=2)
    2.5
    """
    past = as_series(history, "history")
    if past.size <= season:
        raise SeriesError(f"history has {past.size} values; more than one season ({season}) needed")
    scale = float(np.mean(np.abs(past[season:] - past[:-season])))
    if scale == 0:
        raise SeriesError("history repeats exactly from season to season: MASE is not defined")
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
    SeriesError
        The seasonal naive is exact: there is nothing to be better than.

    Examples
    --------
    >>> relative_mase([5.0, 7.0], [4.0, 6.0], history=[1.0, 2.0, 3.0, 5.0], season=2)
    0.5
    """
    past, truth = as_series(history, "history"), as_series(actual, "actual")
    floor = mase(truth, seasonal_naive(past, truth.size, season), past, season)
    if floor == 0:
        raise SeriesError("the seasonal naive is exact here: a relative error is not defined")
    return mase(truth, forecast, past, season) / floor


def pinball(
    actual: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float] = LEVELS
) -> Array:
    """The quantile loss of every value at every level: (y - z) (q - [y < z]).

    In the long run the true quantile, and nothing else, makes it least [1]_.

    Parameters
    ----------
    actual
        Shape (..., horizon).
    quantiles
        Shape (..., horizon, levels), in the series' unit.
    levels
        Each above 0 and below 1.

    Returns
    -------
    Shape (..., horizon, levels), none negative.

    Raises
    ------
    SeriesError
        The shapes do not fit, or a value is not a finite number.

    References
    ----------
    .. [1] Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33-50.

    Examples
    --------
    >>> pinball([2.0], [[1.0, 4.0]], levels=(0.25, 0.75))
    array([[0.25, 0.5 ]])
    """
    truth, given = _fan(actual, quantiles, levels)
    error = truth[..., None] - given
    return np.asarray(error * (np.asarray(levels) - (error < 0)), dtype=np.float64)


def wql(actual: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float] = LEVELS) -> float:
    """Weighted quantile loss: twice the pinball loss, mean over levels, over the truth's mean size.

        2 sum_q sum_t rho_q(y_t - z_qt) / (levels sum_t |y_t|),

    the sums over all that is given [1]_; GluonTS calls it the mean weighted sum quantile loss. The
    board takes it series by series, on the 19 levels, and gives the arithmetic mean, undivided.
    GIFT-Eval does otherwise: on 9 levels, over a whole data set, divided by the seasonal naive's,
    and the geometric mean of that. The numbers cannot be compared. Quantiles that are all equal
    make it the sum of absolute errors over the sum of sizes. Like `smape` it depends on where zero
    is: compare it between models, not between series.

    Parameters
    ----------
    actual
        Shape (..., horizon).
    quantiles
        Shape (..., horizon, levels).

    Raises
    ------
    SeriesError
        The shapes do not fit, a value is not finite, or the truth is 0 throughout.

    References
    ----------
    .. [1] Park, Y. et al. (2022). Learning quantile functions without quantile crossing for
       distribution-free time series forecasting. AISTATS. https://arxiv.org/abs/2111.06581

    Examples
    --------
    >>> wql([2.0, -2.0], [[1.0] * 19, [-1.0] * 19])
    0.5
    """
    size = float(np.abs(_block(actual, "actual")).sum())
    loss = pinball(actual, quantiles, levels)
    if size == 0:
        raise SeriesError("actual is 0 throughout: the weighted quantile loss is not defined")
    return 2 * float(loss.sum()) / (len(levels) * size)


def coverage(
    actual: npt.ArrayLike,
    quantiles: npt.ArrayLike,
    share: float = 0.8,
    levels: Sequence[float] = LEVELS,
) -> float:
    """How much of the truth lies inside the central interval that should hold `share` of it.

    Parameters
    ----------
    actual
        Shape (..., horizon).
    quantiles
        Shape (..., horizon, levels).
    share
        0.8 is the interval between the levels 0.1 and 0.9; its ends count as inside.

    Raises
    ------
    SeriesError
        The shapes do not fit, a value is not finite, or the interval's ends are not among `levels`.

    Examples
    --------
    >>> coverage([1.0, 5.0], [[-2.0, 0.0, 2.0]] * 2, levels=(0.1, 0.5, 0.9))
    0.5
    """
    truth, given = _fan(actual, quantiles, levels)
    low, high = (given[..., at] for at in interval(share, levels))
    return float(np.mean((low <= truth) & (truth <= high)))


def interval(share: float, levels: Sequence[float] = LEVELS) -> tuple[int, int]:
    """The places in `levels` of the ends of the central interval that should hold `share`.

    Examples
    --------
    >>> [LEVELS[at] for at in interval(0.8)]
    [0.1, 0.9]
    """
    ends = []
    for level in ((1 - share) / 2, (1 + share) / 2):
        near = np.flatnonzero(np.abs(np.asarray(levels) - level) < 1e-9)
        if not near.size:
            raise SeriesError(
                f"an interval for {share:g} ends at the level {level:g}, which is not among the "
                f"{len(levels)} levels; 0.8 and 0.9 are usual"
            )
        ends.append(int(near[0]))
    return ends[0], ends[1]


def geometric_mean(ratios: Iterable[float]) -> float:
    """Geometric mean of ratios: halving one and doubling another cancel out.

    A ratio of zero, a perfect forecast, makes the mean zero.

    Raises
    ------
    SeriesError
        No ratio, a negative one, or one that is not finite.

    Examples
    --------
    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    values = as_series(list(ratios), "ratios")
    if (values < 0).any():
        raise SeriesError("ratios must not be negative")
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
                raise SeriesError(f"series {name!r} has no {kind}")
    scores = {
        name: relative_mase(truth, forecast[name], history[name], season)
        for name, truth in actual.items()
    }
    return {**scores, "score": geometric_mean(_counted(r) for r in scores.values())}


def _counted(ratio: float) -> float:
    return min(MOST_RATIO, max(LEAST_RATIO, ratio))


def _block(values: npt.ArrayLike, name: str) -> Array:
    """float64 with at least one axis and one value, all finite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise SeriesError(f"{name} holds something that is not a number, or ragged rows") from None
    if array.ndim == 0:
        raise SeriesError(f"{name} is a single value; a row of them is needed")
    if array.size == 0:
        raise SeriesError(f"{name} is empty")
    wrong = np.argwhere(~np.isfinite(array))
    if wrong.size:
        place = ", ".join(map(str, wrong[0]))
        raise SeriesError(
            f"{name}[{place}] is {array[tuple(wrong[0])]}; every value must be finite"
        )
    return array


def _pair(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> tuple[Array, Array]:
    truth, guess = _block(actual, "actual"), _block(forecast, "forecast")
    if truth.shape != guess.shape:
        if truth.ndim == guess.ndim == 1:
            raise SeriesError(f"actual has {truth.size} values, forecast has {guess.size}")
        raise SeriesError(f"actual has the shape {truth.shape}, forecast has {guess.shape}")
    return truth, guess


def _fan(
    actual: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float]
) -> tuple[Array, Array]:
    truth, given = _block(actual, "actual"), _block(quantiles, "quantiles")
    if given.shape != (*truth.shape, len(levels)):
        raise SeriesError(
            f"quantiles have the shape {given.shape}; for {truth.shape} values and {len(levels)} "
            f"levels it must be {(*truth.shape, len(levels))}"
        )
    return truth, given
