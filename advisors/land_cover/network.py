"""The expert's view of a scene, a picture with one pixel a label cell, and its network.

>>> model = CellNet(channels=10)
>>> model(torch.zeros(1, 10, 97, 97)).shape
torch.Size([1, 9, 97, 97])
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from academy.land_cover.classes import COUNT
from academy.land_cover.scene import Scene
from academy.land_cover.speckle.windows import box_sum
from torch import Tensor, nn
from torch.nn import functional

Picture = npt.NDArray[np.float32]

#: Windows around a cell, cells.
SIDES = (3, 7, 15)
#: What `cell_picture` tells of each cell.
CHANNELS = (
    "VV, dB",
    "VH, dB",
    "VV over VH, dB",
    "VV: mean of dB less dB of the mean",
    "VH: the same",
    "VV: deviation, dB",
    "VH: deviation, dB",
    "covariance of VV and VH, dB²/10",
    "VV over VH, dB, where vegetation differs",
    *(
        f"{what} of {side} x {side} cells"
        for side in SIDES
        for what in (
            "VV, dB",
            "VV over VH, dB",
            "VV over VH, dB, where vegetation differs",
            "VV: deviation, dB",
        )
    ),
    "VV, dB less the scene's",
    "VV over VH, dB less the scene's",
)
_DB = 10 / math.log(10)
_LEAST_POWER = 1e-5


def cell_picture(scene: Scene) -> tuple[Picture, npt.NDArray[np.bool_]]:
    """The statistics of each label cell's pixels, float32 (8, R, C), and which cells have data.

    The mean is over linear power: about 25 pixels of 4.4 looks make some 60 of them, less what
    correlation takes. What a cell mean loses, how its pixels scatter, is in the other channels:
    texture tells towns, scrub and wetland from what is as bright. Cells without data are 0.
    """
    rows, columns = scene.label_shape
    count = rows * columns
    gamma0 = np.asarray(scene.gamma0)
    cells = np.asarray(scene.cells)
    used = (cells >= 0) & np.isfinite(gamma0[0] + gamma0[1])
    cell = cells[used]
    power = [np.maximum(band[used].astype(np.float64), _LEAST_POWER) for band in gamma0]
    decibels = [_DB * np.log(values) for values in power]
    pixels = np.bincount(cell, minlength=count)

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.bincount(cell, values, minlength=count) / np.maximum(pixels, 1))

    level = [_DB * np.log(np.maximum(mean(values), _LEAST_POWER)) for values in power]
    middle = [mean(values) for values in decibels]
    spread = [
        np.sqrt(np.maximum(mean(values**2) - centre**2, 0))
        for values, centre in zip(decibels, middle, strict=True)
    ]
    common = mean(decibels[0] * decibels[1]) - middle[0] * middle[1]
    picture = np.stack(
        [
            *level,
            level[0] - level[1],
            *(centre - top for centre, top in zip(middle, level, strict=True)),
            *spread,
            common / 10,
        ]
    )
    there = (pixels > 0).reshape(rows, columns)
    means = np.stack([mean(values) for values in power]).reshape(2, rows, columns)
    grid = picture.reshape(-1, rows, columns)
    grid[:, ~there] = 0
    ratio = grid[2]
    around = [_fine(ratio)]
    for side in SIDES:
        weight = np.maximum(_box(pixels.reshape(rows, columns).astype(float), side), 1e-9)
        wide = [
            _DB
            * np.log(
                np.maximum(_box(band * pixels.reshape(rows, columns), side) / weight, _LEAST_POWER)
            )
            for band in means
        ]
        here = np.maximum(_box(there.astype(float), side), 1e-9)
        around += [
            wide[0],
            wide[0] - wide[1],
            _fine(wide[0] - wide[1]),
            _box(grid[5] * there, side) / here,
        ]
    around += [grid[0] - np.median(grid[0][there]), ratio - np.median(ratio[there])]
    picture = np.concatenate([grid, np.stack(around)]) * there
    return picture.astype(np.float32), there


def _fine(ratio: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """VV over VH in dB, drawn out between 5 and 8.5, where the vegetated classes are."""
    return np.asarray(np.tanh((ratio - 6.5) / 1.0))


def _box(values: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    return np.asarray(box_sum(np.pad(values, side // 2), side, side))


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each channel over the training scenes' cells."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, pictures: list[tuple[Picture, npt.NDArray[np.bool_]]]) -> Scale:
        values = np.concatenate([picture[:, there] for picture, there in pictures], axis=1)
        values = values.astype(np.float64)
        return cls(
            tuple(values.mean(axis=1).tolist()),
            tuple(np.maximum(values.std(axis=1), 1e-6).tolist()),
        )

    def __call__(self, picture: Picture, there: npt.NDArray[np.bool_]) -> Picture:
        """Normalised, with one more channel: whether there are data. float32 (9, R, C)."""
        shape = (-1, 1, 1)
        mean = np.array(self.mean, np.float32).reshape(shape)
        std = np.array(self.std, np.float32).reshape(shape)
        scaled = (picture - mean) / std * there
        return np.concatenate([scaled, there[None]]).astype(np.float32)


class _Block(nn.Module):
    """Two convolutions with their norms, around which the input goes too."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(given, made, 3, padding=1, bias=False),
            nn.GroupNorm(8, made),
            nn.ReLU(inplace=True),
            nn.Conv2d(made, made, 3, padding=1, bias=False),
            nn.GroupNorm(8, made),
        )
        self.past = nn.Conv2d(given, made, 1) if given != made else nn.Identity()

    def forward(self, value: Tensor) -> Tensor:
        return functional.relu(self.body(value) + self.past(value))


class CellNet(nn.Module):
    """A residual U-Net on the label grid: logits (batch, 9, R, C) of (batch, channels, R, C).

    With one pixel a cell, a scene is 25 times smaller, so the same seconds buy a network that sees
    8 km around a cell and passes over all labels fifty times.

    Parameters
    ----------
    width
        Channels at the finest level; coarser ones have up to twice as many.
    depth
        Levels.
    """

    def __init__(self, channels: int, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        widths = [width, width * 3 // 16 * 8, *[2 * width] * (depth - 2)][:depth]
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            _Block(given, made) for given, made in zip([width, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _Block(below + above, above)
            for above, below in reversed(list(itertools.pairwise(widths)))
        )
        self.head = nn.Conv2d(widths[0], COUNT, 1)

    def forward(self, picture: Tensor) -> Tensor:
        value = self.stem(picture)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                skips.append(value)
                value = functional.max_pool2d(value, 2, ceil_mode=True)
            value = block(value)
        for block in self.up:
            skip = skips.pop()
            value = functional.interpolate(
                value, size=skip.shape[2:], mode="bilinear", align_corners=False
            )
            value = block(torch.cat([value, skip], dim=1))
        logits: Tensor = self.head(value)
        return logits.float()
