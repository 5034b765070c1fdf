"""The mean of many dates: less speckle, and no pixel's detail given up for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from academy.land_cover.speckle.filters import check_power
from academy.land_cover.speckle.windows import module_of


class TemporalMean(NamedTuple):
    """What `temporal_mean` gives; both of shape (..., rows, columns)."""

    power: Any
    """Mean linear power; NaN where fewer dates than asked are valid."""
    dates: Any
    """How many dates are valid, integers."""


def temporal_mean(stack: Any, *, at_least: int = 1) -> TemporalMean:
    """The mean of dates in linear power.

    Dates of independent speckle add their looks: T dates of L looks have T L. (Decibels do not
    average: the mean of the logarithm of single-look power is 2.5 dB low.) What changes between
    dates, as crops do, is averaged too: take the dates of one season, and of one orbit.

    Parameters
    ----------
    stack
        Linear power, shape (..., dates, rows, columns), floating, numpy or torch; what is not
        finite is nodata.
    at_least
        Pixels with fewer valid dates become nodata.

    Raises
    ------
    ValueError
        No date, `at_least` below 1, or an image that looks like decibels.
    TypeError
        Not a floating image.

    Examples
    --------
    >>> import numpy as np
    >>> mean = temporal_mean(np.array([[[1.0, 2.0]], [[3.0, np.nan]]]))
    >>> mean.power, mean.dates
    (array([[2., 2.]]), array([[2, 1]]))
    """
    stack = check_power(stack)
    if stack.ndim < 3 or stack.shape[-3] < 1:
        raise ValueError(
            f"the stack has the shape {tuple(stack.shape)}, not (dates, rows, columns)"
        )
    if at_least < 1:
        raise ValueError(f"at_least is {at_least}; it must be 1 or more")
    xp = module_of(stack)
    valid = xp.isfinite(stack)
    dates = valid.sum(-3)
    wide = xp.float64 if xp.__name__ == "numpy" else stack.dtype
    total = xp.where(valid, stack, xp.zeros_like(stack)).sum(-3, dtype=wide)
    mean = total / xp.clip(dates, 1, None)
    power = xp.where(dates >= at_least, mean, xp.nan)
    return TemporalMean(power.astype(stack.dtype) if xp.__name__ == "numpy" else power, dates)
