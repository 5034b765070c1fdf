"""Floors that a network must beat: features for a forest, by pixel and by label cell.

A forest over means of windows around a cell sees how bright a place and its surroundings are, at
several scales. It is quick, it needs no graphics card, and many networks do not beat it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from academy.land_cover.scene import Scene
from academy.land_cover.speckle import lee
from academy.land_cover.speckle.windows import box_sum

Features = npt.NDArray[np.float32]

_DB = 10 / math.log(10)
_LEAST_POWER = 1e-5


def pixel_features(scene: Scene, window: int = 7) -> Features:
    """Lee-filtered VV, VH and VV over VH of each pixel in dB, (H * W, 3); nodata is NaN.

    Parameters
    ----------
    window
        Of the filter, pixels. The looks are those the scene states, 4.4 if it does not.
    """
    looks = float(scene.metadata.get("looks") or 4.4)
    vv, vh = (_decibels(lee(np.asarray(band), looks, window)).ravel() for band in scene.gamma0)
    return np.stack([vv, vh, vv - vh], axis=1)


def cell_features(scene: Scene, windows: Sequence[int] = (1, 5, 15, 35)) -> Features:
    """Mean VV and VH around each label cell at several scales, in dB, (R * C, 2 * windows).

    A cell's value at a scale is the mean, over its valid pixels, of the mean linear power of the
    window around each. A cell without a valid pixel gets NaN.

    Parameters
    ----------
    windows
        Sides in pixels, odd.

    Raises
    ------
    ValueError
        A window is even.
    """
    gamma0 = np.asarray(scene.gamma0)
    valid = np.isfinite(gamma0[0] + gamma0[1])
    inside = valid & (scene.cells >= 0)
    count = scene.label_shape[0] * scene.label_shape[1]
    cell = np.asarray(scene.cells)[inside]
    pixels = np.bincount(cell, minlength=count)
    columns = []
    for window in windows:
        if window < 1 or window % 2 == 0:
            raise ValueError(f"a window is {window} wide; it must be odd, to have a middle pixel")
        weight = _around(valid.astype(np.float64), window)
        for band in gamma0:
            mean = _around(np.where(valid, band, 0).astype(np.float64), window) / np.maximum(
                weight, 1
            )
            total = np.bincount(cell, mean[inside], minlength=count)
            columns.append(
                np.where(pixels > 0, _decibels(total / np.maximum(pixels, 1)), np.float32(np.nan))
            )
    return np.stack(columns, axis=1).astype(np.float32)


def _around(image: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Sums over windows around each pixel; beyond the image there is nothing."""
    reach = window // 2
    return np.asarray(box_sum(np.pad(image, reach), window, window))


def _decibels(power: npt.ArrayLike) -> Features:
    values = np.maximum(np.asarray(power, np.float32), np.float32(_LEAST_POWER))
    return np.asarray(np.log(values) * np.float32(_DB), np.float32)
