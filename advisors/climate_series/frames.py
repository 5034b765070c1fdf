"""Frames in which the expert's regressions learn: what is left of a series without its season.

A frame says, at every moment of a series, what is expected without learning (the anchor), and what
may tell how the series will depart from it (the features). Three are used:

- ``flat``: the mean season; departures return to it.
- ``line``: the mean season on a straight line through all that is known.
- ``recent``: the season of the last ten years and the slope of the last ten years, from the *last*
  level. For a trend that bends, as that of CO2: a line through forty years is no good start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from academy.forecasting.naive import fit_climatology

Array = npt.NDArray[np.float64]
Kind = Literal["flat", "line", "recent"]

#: Seasons that make the slope, and the season, of the frame ``recent``.
_YEARS = 10
#: Lags of other series, and over how many steps each is averaged.
_LAGS, _OVER = (0, 3, 6), 2


@dataclass(frozen=True)
class Framed:
    """A series in a frame: n moments, the last of them now.

    Attributes
    ----------
    level : array (n,)
        The series without its season (and without its line, in the frame ``line``).
    season : array (n + horizon,)
        What was taken away; the level plus it is the series again.
    anchor : array (n, horizon)
        The level that is expected at each lead, without learning.
    features : array (n, k)
        In the series' unit; all that they need is known at their moment, but for the season and
        the line, which are those of now.
    """

    level: Array
    season: Array
    anchor: Array
    features: Array


def framed(
    values: Array, horizon: int, season: int, kind: Kind, others: Sequence[Array] = ()
) -> Framed:
    """`values` (n,), all that is known, in a frame; `others` are (n,) each, without a unit."""
    n = values.size
    if kind == "recent":
        usual = _recent_season(values, season)[np.arange(n + horizon) % season]
        level = values - usual[:n]
        step = np.arange(n)
        before = np.maximum(0, step - _YEARS * season)
        slope = (level - level[before]) / np.maximum(1, step - before)
        anchor = level[:, None] + np.arange(1, horizon + 1) * slope[:, None]
        year = level - level[np.maximum(0, step - season)]
        columns = [
            level - trailing(level, max(2, season // 4)),
            level - trailing(level, max(2, season // 2)),
            np.where(step >= season, year - season * slope, 0.0),
        ]
    else:
        usual = fit_climatology(values, horizon, season, 1 if kind == "line" else 0)
        level = values - usual[:n]
        anchor = np.zeros((n, horizon))
        # What a departure is worth may depend on the month.
        angle = 2 * np.pi * np.arange(n) / season
        columns = [level, _lag(level, 1), _lag(level, 2), trailing(level, season)]
        columns += [level * np.cos(angle), level * np.sin(angle)]
    size = float(np.std(columns[0]))
    for other in others:
        columns += [trailing(_lag(other, lag), _OVER) * size for lag in _LAGS]
    return Framed(level, usual, anchor, np.stack(columns, axis=1))


def anomalies(values: Array, season: int) -> Array:
    """Departures from the mean season, over their standard deviation: (n,)."""
    month = np.arange(values.size) % season
    mean = np.bincount(month, values) / np.bincount(month)
    found = values - mean[month]
    return np.asarray(found / max(float(found.std()), 1e-12))


def trailing(values: Array, steps: int) -> Array:
    """Mean of the last `steps` values at each moment, of fewer at the start: (n, ...)."""
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - steps)
    counts = (ends - starts).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((sums[ends] - sums[starts]) / counts)


def _lag(values: Array, steps: int) -> Array:
    return np.concatenate([np.zeros(steps), values[: values.size - steps]])


def _recent_season(values: Array, season: int) -> Array:
    """Each month's mean departure from the centred mean over a season, in the last ten years."""
    kernel = np.ones(season + 1)
    kernel[[0, -1]] = 0.5
    trend = np.convolve(values, kernel / season, "valid")
    half = season // 2
    month = np.arange(half, half + trend.size) % season
    kept = slice(-_YEARS * season, None)
    departure = (values[half : half + trend.size] - trend)[kept]
    mean = np.bincount(month[kept], departure, season) / np.bincount(
        month[kept], minlength=season
    ).clip(1)
    return np.asarray(mean - mean.mean())
