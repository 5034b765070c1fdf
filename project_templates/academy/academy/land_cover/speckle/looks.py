"""How many looks a scene has: the equivalent number, measured on its own even ground.

The number in a product's metadata is that of the product. Terrain correction, reprojection and
averaging of dates change it, and make neighbours alike: a window then varies less than its speckle
does, and mean² / variance within windows says too many looks. Here that is measured and undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.land_cover.speckle.filters import check_power

_HIGHEST_LAG = 5
_FEWEST_WINDOWS = 30


@dataclass(frozen=True)
class Looks:
    """What `estimate_looks` found."""

    looks: float
    """The equivalent number of looks, mean² / variance of the speckle of one pixel."""
    correlation_rows: tuple[float, ...]
    """How alike pixels 1, 2, … rows apart are: correlation of their speckle."""
    correlation_columns: tuple[float, ...]
    """The same for columns."""
    windows: int
    """How many windows of even ground it rests on."""

    def independent(self, rows: int, columns: int) -> float:
        """How many independent pixels a box of rows x columns is worth: its mean has
        looks x this many looks.
        """
        alike = _mean_correlation(self.correlation_rows, rows)
        alike *= _mean_correlation(self.correlation_columns, columns)
        return 1 / alike


def estimate_looks(power: Any, window: int = 15) -> Looks:
    """The equivalent number of looks of a scene, of any ground, from windows of even ground in it.

    1. Cut the scene into windows; of each, ENL = mean² / variance. Edges and texture only lower
       it: windows of one surface make the peak of its distribution (S. N. Anfinsen, A. P.
       Doulgeris, T. Eltoft, "Estimation of the equivalent number of looks in polarimetric SAR
       imagery", IEEE TGRS 47(11), 2009). Here the peak is that of a kernel density of log ENL, and
       the estimate is the median around it.
    2. In the windows around the peak, measure the correlation of speckle between neighbours, up to
       five pixels apart, along rows and columns; what is farther counts as independent.
    3. Pixels with a mean correlation r vary within a window by only 1 - r of their variance: divide
       by it. Without correlation that is the familiar n / (n - 1). A window's own mean hides as
       much of the correlation, so that 2 and 3 are solved together.

    Texture that is everywhere cannot be told from speckle: a scene all of one textured forest shows
    fewer looks than it has.

    Parameters
    ----------
    power
        Linear power, shape (..., rows, columns), floating; numpy, or a torch tensor (it is copied
        to the CPU). What is not finite is nodata; a window with any is left out.
    window
        Side of the windows, pixels, 7 or more: small enough that some lie within one surface.

    Raises
    ------
    ValueError
        Fewer than 30 windows without nodata; an even scene without speckle; decibels.
    TypeError
        Not a floating image.

    Examples
    --------
    >>> field = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (300, 300))
    >>> abs(estimate_looks(field).looks - 4.4) < 0.2
    True
    """
    if window < 7:
        raise ValueError(f"window is {window}; it must be 7 or more")
    power = check_power(power)
    image = np.asarray(power.cpu() if hasattr(power, "cpu") else power)
    blocks = _blocks(image, window)
    if len(blocks) < _FEWEST_WINDOWS:
        raise ValueError(
            f"the scene has {len(blocks)} windows of {window}x{window} without nodata; "
            f"an estimate needs {_FEWEST_WINDOWS}: give a larger scene or a smaller window"
        )
    mean = blocks.mean(axis=(1, 2))
    variance = blocks.var(axis=(1, 2))
    usable = (mean > 0) & (variance > 0)
    if usable.sum() < _FEWEST_WINDOWS:
        raise ValueError("the scene does not vary within windows: it has no speckle to measure")
    enl = mean[usable] ** 2 / variance[usable]
    centre, spread = _peak(np.log(enl))
    even = np.abs(np.log(enl) - centre) < spread
    rest = blocks[usable][even] / mean[usable][even][:, None, None] - 1
    rows, columns, alike = _correlations(rest, window)
    # The inverse of the windows' median, without what their pixels share.
    varies = 1 / float(np.median(enl[even]))
    # The mean of a window varies too: mean² is larger than the ground's by r times the variance.
    share = varies / (1 - alike)
    return Looks(
        looks=1 / share - alike,
        correlation_rows=tuple(rows.tolist()),
        correlation_columns=tuple(columns.tolist()),
        windows=int(even.sum()),
    )


def _blocks(image: npt.NDArray[Any], window: int) -> npt.NDArray[np.float64]:
    """Windows side by side without nodata, shape (n, window, window)."""
    rows, columns = (size // window * window for size in image.shape[-2:])
    cut = image[..., :rows, :columns].reshape(-1, rows // window, window, columns // window, window)
    blocks = cut.swapaxes(2, 3).reshape(-1, window, window)
    full: npt.NDArray[np.float64] = blocks[np.isfinite(blocks).all(axis=(1, 2))]
    return full.astype(np.float64)


def _peak(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The peak of a kernel density, and the spread of its upper flank (the lower has the edges)."""
    low, high = np.quantile(values, [0.01, 0.99])
    grid = np.linspace(low, high, 512)
    quarter, three = np.quantile(values, [0.25, 0.75])
    width = max(0.9 * (three - quarter) / 1.34 * len(values) ** -0.2, 1e-6)
    counts, edges = np.histogram(values, bins=2048)
    middle = (edges[1:] + edges[:-1]) / 2
    density = np.exp(-0.5 * ((grid[:, None] - middle) / width) ** 2) @ counts
    peak = float(grid[density.argmax()])
    upper = values[values >= peak]
    return peak, max(float(np.quantile(upper, 0.68)) - peak, 1e-3)


def _correlations(
    rest: npt.NDArray[np.float64], window: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Correlations by lag along rows and along columns, and the mean over a window's pairs."""
    power = (rest * rest).mean()
    lags = range(1, _HIGHEST_LAG + 1)
    seen_rows = np.array([(rest[:, :-k] * rest[:, k:]).mean() for k in lags]) / power
    seen_columns = np.array([(rest[:, :, :-k] * rest[:, :, k:]).mean() for k in lags]) / power
    alike = 1 / window**2
    for _ in range(50):
        rows = np.clip(seen_rows * (1 - alike) + alike, 0, 1)
        columns = np.clip(seen_columns * (1 - alike) + alike, 0, 1)
        # Below the noise of the estimate a correlation is none.
        rows[rows < 0.02], columns[columns < 0.02] = 0, 0
        found = _mean_correlation(rows, window) * _mean_correlation(columns, window)
        if abs(found - alike) < 1e-9:
            break
        alike = found
    return rows, columns, alike


def _mean_correlation(lags: npt.ArrayLike, length: int) -> float:
    """Over all pairs along a line of pixels, each with itself too; 1 / length if independent."""
    values = np.asarray(lags, np.float64)[: length - 1]
    pairs = length - np.arange(1, len(values) + 1)
    return float(length + 2 * (pairs * values).sum()) / length**2
