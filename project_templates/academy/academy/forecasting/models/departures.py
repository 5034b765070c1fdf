"""The frame in which the baseline learns: departures from a forecast that needs no learning.

At a moment of a series, from what is known then:

1. a straight line and a mean season are fitted (`naive.fit_climatology`);
2. today's departure from them fades as departures used to fade (`damped_anomaly`): the *forecast*;
3. how far such a forecast errs at each lead follows from how it errs by one step, if departures are
   an autoregression of first order [1]_: the *spread*.

What came after, less the forecast, over the spread, is without a unit, without a level and of
about the same size for every series and every lead: something that one network can learn.

.. [1] Box, G. E. P., Jenkins, G. M., Reinsel, G. C. and Ljung, G. M. (2015). Time Series Analysis,
   5th edition, section 5.2: the variance of the error at lead h is
   ``variance of a step times (1 + rate^2 + ... + rate^(2h - 2))``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import Array

#: Beside the last departures a network sees three more numbers that turn with the sign, and three
#: that do not.
MEANS, TRAITS = 3, 3
_MOST = 10.0


@dataclass(frozen=True)
class Moments:
    """What is known of a series at `o` moments, without a unit, and what turns it back."""

    signed: Array
    """(o, memory + 3): the last departures, oldest first, their mean over one season and over two,
    in units of their own spread; and the last one in units of a step's error, over 10."""
    traits: Array
    """(o, 3): how fast departures fade, and how large they are beside a step's error."""
    forecast: Array
    """(o, horizon), in the series' unit: the damped anomaly."""
    spread: Array
    """(o, horizon), in the series' unit, above 0: the standard deviation of its errors."""

    def targets(self, futures: Array) -> Array:
        """What is to be learnt, from what came after, both (o, horizon)."""
        return np.asarray((futures - self.forecast) / self.spread)

    def undone(self, learnt: Array) -> Array:
        """`learnt` (o, horizon, ...) back in the series' unit."""
        more = (..., *[None] * (learnt.ndim - 2))
        return np.asarray(self.forecast[more] + self.spread[more] * learnt)


def moments(
    values: Array, ends: npt.NDArray[np.int64], horizon: int, season: int, memory: int
) -> Moments:
    """The frame at each of `ends`: of each only the values before it are looked at.

    Parameters
    ----------
    values
        Shape (n,), finite.
    ends
        Shape (o,): how many values are known at each moment; each at least three seasons and
        `memory`.
    """
    # Squares of very large or very small numbers would leave what a float holds.
    values = values[: int(np.max(ends))]
    peak = float(np.abs(values).max(initial=0.0)) or 1.0
    known = values / peak
    slopes, levels, middles = (_expanding if len(ends) > 1 else _once)(known, season)
    leads = np.arange(horizon)
    steps = np.arange(known.size + horizon)
    month = steps % season
    signed, traits, forecasts, spreads = [], [], [], []
    for end in ends:
        slope = slopes[end - 1]
        usual = levels[end - 1][month[: end + horizon]] + slope * (
            steps[: end + horizon] - middles[end - 1][month[: end + horizon]]
        )
        departure = known[:end] - usual[:end]
        power = float(departure[:-1] @ departure[:-1])
        rate = float(departure[1:] @ departure[:-1]) / power if power > 0 else 0.0
        rate = min(max(rate, 0.0), 1.0)
        # A series that is all line and season has errors of rounding alone: no scale to divide by.
        least = max(float(np.abs(known[:end]).max()) * 1e-9, 1e-30)
        error = max(float(np.std(departure[1:] - rate * departure[:-1])), least)
        size = max(float(departure.std()), least)
        signed.append(
            [
                *departure[-memory:] / size,
                departure[-season:].mean() / size if season > 1 else departure[-6:].mean() / size,
                departure[-max(2 * season, 12) :].mean() / size,
                departure[-1] / error / 10,
            ]
        )
        traits.append([rate, np.log(1 - rate + 1e-3), np.log(size / error)])
        forecasts.append(usual[end:] + departure[-1] * rate ** (leads + 1))
        spreads.append(error * np.sqrt(np.cumsum(rate ** (2 * leads))))
    width = memory + MEANS
    return Moments(
        np.clip(np.reshape(signed, (-1, width)), -_MOST, _MOST),
        np.reshape(traits, (-1, TRAITS)).astype(np.float64),
        np.reshape(forecasts, (-1, horizon)) * peak,
        np.reshape(spreads, (-1, horizon)) * peak,
    )


def _once(values: Array, season: int) -> tuple[Array, Array, Array]:
    """The last row of `_expanding`, the only one that is not zero."""
    n = values.size
    steps = np.arange(n)
    month = steps % season
    counts = np.bincount(month, minlength=season).clip(1)
    middle = np.bincount(month, steps, season) / counts
    level = np.bincount(month, values, season) / counts
    beside = steps - middle[month]
    slope = float(beside @ (values - level[month])) / max(float(beside @ beside), 1e-30)
    slopes, levels, middles = np.zeros(n), np.zeros((n, season)), np.zeros((n, season))
    slopes[-1], levels[-1], middles[-1] = slope, level, middle
    return slopes, levels, middles


def _expanding(values: Array, season: int) -> tuple[Array, Array, Array]:
    """Line and season fitted to the first 1, 2, … n values: the slope, shape (n,), and each month's
    mean value and mean step, shapes (n, season).

    Least squares with a constant per month is a regression on departures from the months' means
    (Frisch and Waugh 1933); those and their products are updated value by value (Welford 1962), so
    that all n fits cost no more than a few.
    """
    n = values.size
    levels, middles = np.zeros((n, season)), np.zeros((n, season))
    slopes, counts = np.zeros(n), [0] * season
    level, middle = [0.0] * season, [0.0] * season
    power = product = 0.0
    for step, value in enumerate(values.tolist()):
        month = step % season
        counts[month] += 1
        share = 1 / counts[month]
        beside, above = step - middle[month], value - level[month]
        middle[month] += beside * share
        level[month] += above * share
        power += beside * (step - middle[month])
        product += beside * (value - level[month])
        slopes[step] = product / power if power > 0 else 0.0
        levels[step], middles[step] = level, middle
    return slopes, levels, middles
