"""The expert on a grid of cells with a value a year: what neighbours have in common, and a pattern.

Two forecasts are averaged:

- the *pooled regression*: one model for all cells, from a cell's means over the last 1 to 40 years,
  and those of all cells together, whose noise is smaller;
- the *pattern*: the trend of the mean over all cells, as it was over the last decade, times how
  much each cell has followed it so far (pattern scaling: Santer, Wigley, Schlesinger and Mitchell
  1990), from the cell's own last level.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from advisors.climate_series import regression
from advisors.climate_series.frames import trailing

Array = npt.NDArray[np.float64]

_BASE = 10
_SPANS = (1, 3, 5, 20, 40)
#: Steps in which a row's weight halves: in the regression, and in the pattern's trend and level.
_FORGET, _TREND = 40, 8
_SMOOTH = 11
#: Years that a regression is kept before it is fitted anew.
EVERY = 10
#: Shortest past.
FIRST = 60


def pooled(cells: Array, coefficients: Array) -> Array:
    """Forecasts of all cells, (cells, horizon), from `cells` (cells, n) and `learn`'s result."""
    base, features, spread = _features(cells)
    return np.asarray(base[-1][:, None] + features[-1] @ coefficients.T * spread[:, None])


def learn(cells: Array, horizon: int, *, bags: int, seed: int) -> Array:
    """The regression's coefficients, (horizon, 11), from `cells` (cells, n)."""
    base, features, spread = _features(cells)
    count, n = cells.shape
    times = np.arange(max(_SPANS) - 1, n)
    ahead = times[:, None] + np.arange(1, horizon + 1)
    future = np.where(ahead < n, cells[:, np.minimum(ahead, n - 1)], np.nan)
    targets = (future - base[times].T[:, :, None]) / spread[:, None, None]
    rows = features[times].swapaxes(0, 1).reshape(count * times.size, -1)
    weights = np.tile(0.5 ** ((n - times) / _FORGET), count)
    return regression.fit(
        rows,
        targets.reshape(-1, horizon),
        np.tile(times, count),
        shrinkage=100.0,
        bags=bags,
        block=10,
        seed=seed,
        weights=weights,
    )


def pattern(cells: Array, horizon: int) -> Array:
    """Forecasts of all cells, (cells, horizon): the common trend, as each has followed it."""
    values = cells.T
    n = len(values)
    common = values.mean(axis=1)
    weight = 0.5 ** ((n - 1 - np.arange(n)) / _TREND)
    time = np.vander((np.arange(n + horizon) - n) / 50, 2)
    root = np.sqrt(weight)
    line = time @ np.linalg.lstsq(time[:n] * root[:, None], common * root, rcond=None)[0]
    half = _SMOOTH // 2
    smooth = np.convolve(
        np.pad(common, (half, half), mode="edge"), np.ones(_SMOOTH) / _SMOOTH, "valid"
    )
    smooth[-half:] = line[n - half : n]
    centred = smooth - smooth.mean()
    share = (centred @ (values - values.mean(axis=0))) / (centred @ centred)
    rest = values - smooth[:, None] * share
    level = weight / weight.sum() @ rest
    left = (rest - level)[-60:]
    rate = (left[1:] * left[:-1]).sum(axis=0) / (left[:-1] ** 2).sum(axis=0)
    # One cell's rate is uncertain: half way to that of most.
    rate = np.clip(0.5 * rate + 0.5 * np.median(rate), 0, 1)
    fading = left[-1] * rate ** np.arange(1, horizon + 1)[:, None]
    return np.asarray((level + line[n:, None] * share + fading).T)


def _features(cells: Array) -> tuple[Array, Array, Array]:
    """Means over ten years (n, cells); features (n, cells, 11); each cell's spread (cells,)."""
    values = cells.T
    spread = np.diff(values, axis=0).std(axis=0) + 1e-12
    common = np.broadcast_to(values.mean(axis=1)[:, None], values.shape)
    base, shared = trailing(values, _BASE), trailing(common, _BASE)
    columns = [(trailing(values, span) - base) / spread for span in _SPANS]
    columns += [(trailing(common, span) - shared) / spread for span in _SPANS]
    return base, np.stack([*columns, np.ones_like(base)], axis=2), spread
