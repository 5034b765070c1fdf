"""Labels as a coarse global map has them: one class per 100 m cell, wrong where land is mixed.

CGLS-LC100 states 80.6 % overall accuracy for 2015 and 80.3 % for 2019 against 28,000 points
(land.copernicus.eu, product quality, v3.0). That its errors crowd at the edges of patches and come
in small groups is common to maps made by classification; how much is a choice here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from academy.data.simulator.fields import fractal
from academy.land_cover.classes import COUNT, IGNORE, Labels
from academy.land_cover.scene import Cells

#: A cell away from every edge is wrong this often, as a part of the whole error rate [choice].
INTERIOR = 0.35
#: No cell is more likely to be wrong than this [choice]: at an edge there is still a signal.
MOST = 0.6

# What a class is taken for where no other is near, by weight [choice]: its neighbours in kind.
_TAKEN_FOR: tuple[dict[int, float], ...] = (
    {1: 0.95, 2: 0.05},  # closed forest
    {0: 0.5, 2: 0.4, 3: 0.1},  # open forest
    {3: 0.5, 1: 0.3, 4: 0.2},  # shrub
    {4: 0.5, 2: 0.5},  # herbaceous
    {3: 0.65, 2: 0.35},  # crops
    {4: 0.6, 3: 0.3, 6: 0.1},  # urban
    {3: 0.7, 2: 0.3},  # bare
    {8: 0.7, 3: 0.3},  # water
    {3: 0.5, 0: 0.2, 7: 0.3},  # wetland
)


@dataclass(frozen=True)
class CellLabels:
    """Labels of the label grid, all (R, C).

    `labels` as the map has them, `majority` as they should be, both uint8 and `IGNORE` where less
    than half a cell is in the image; `risk` float32, the probability that a label is wrong;
    `probability` uint8, what a producer would state, 0 to 100.
    """

    labels: Labels
    majority: Labels
    risk: npt.NDArray[np.float32]
    probability: Labels


def cell_majority(
    truth: Labels, cells: Cells, shape: tuple[int, int], valid: npt.NDArray[np.bool_]
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """The commonest class of each cell's valid pixels, (R, C), and its part of them.

    `IGNORE` where less than half as many pixels are valid as the fullest cell has.
    """
    count = shape[0] * shape[1]
    inside = valid & (cells >= 0)
    joint = cells[inside].astype(np.int64) * COUNT + truth[inside]
    counts = np.bincount(joint, minlength=count * COUNT).reshape(count, COUNT)
    pixels = counts.sum(axis=1)
    majority = np.argmax(counts, axis=1).astype(np.uint8)
    purity = counts.max(axis=1) / np.maximum(pixels, 1)
    whole = np.bincount(cells[cells >= 0].ravel(), minlength=count).max(initial=1)
    majority[pixels < whole / 2] = IGNORE
    return majority.reshape(shape), purity.astype(np.float32).reshape(shape)


def draw_labels(
    rng: np.random.Generator,
    truth: Labels,
    cells: Cells,
    shape: tuple[int, int],
    valid: npt.NDArray[np.bool_],
    noise: float,
) -> CellLabels:
    """Labels of which a part `noise` is wrong, most of them where patches meet.

    In a scene with few edges the part is smaller: interior cells are wrong `INTERIOR` as often.

    Parameters
    ----------
    truth, cells, valid
        (H, W).
    shape
        Of the label grid.
    noise
        0 to .5.
    """
    if not 0 <= noise <= 0.5:
        raise ValueError(f"noise is {noise}; a part from 0 to .5 of the labels is wrong")
    majority, purity = cell_majority(truth, cells, shape, valid)
    scored = majority != IGNORE
    around = _neighbours(majority)
    near = around.sum(axis=0)
    own = np.take_along_axis(around, np.where(scored, majority, 0)[None].astype(int), 0)[0]
    mixed = 1 - np.where(near > 0, own / np.maximum(near, 1), 1)
    edge = (0.5 * (1 - purity) + 0.5 * mixed) * scored
    risk = np.zeros(shape, np.float32)
    if noise > 0 and scored.any():
        risk = _risk(edge, scored, noise)

    # Errors come in groups: the same smooth surface decides for neighbours. Ranks make it uniform.
    surface = fractal(rng, shape, 1.6) + 0.3 * rng.standard_normal(shape)
    uniform = (np.argsort(np.argsort(surface, axis=None)) + 0.5) / surface.size
    wrong = (uniform.reshape(shape) < risk) & scored
    labels = majority.copy()
    labels[wrong] = _taken_for(rng, majority, around, wrong)

    stated = 100 * (1 - risk) + rng.normal(0, 12, shape) * (noise > 0)
    probability = np.clip(np.rint(stated), 0, 100).astype(np.uint8)
    probability[~scored] = 255
    return CellLabels(labels, majority, risk, probability)


def _neighbours(majority: Labels) -> npt.NDArray[np.int64]:
    """How many of the 3 x 3 cells have each class, (9, R, C)."""
    rows, columns = majority.shape
    padded = np.pad(majority, 1, constant_values=IGNORE)
    counts = np.zeros((COUNT, rows, columns), np.int64)
    for number in range(COUNT):
        is_class = padded == number
        for down in range(3):
            for right in range(3):
                counts[number] += is_class[down : down + rows, right : right + columns]
    return counts


def _risk(
    edge: npt.NDArray[np.floating], scored: npt.NDArray[np.bool_], noise: float
) -> npt.NDArray[np.float32]:
    """The probability of a wrong label: a base, and more at edges, so that the mean is right."""
    low, high = 0.0, 50.0
    for _ in range(40):
        middle = (low + high) / 2
        mean = np.minimum(INTERIOR * noise + middle * edge, MOST)[scored].mean()
        low, high = (middle, high) if mean < noise else (low, middle)
    risk = np.minimum(INTERIOR * noise + high * edge, MOST)
    return np.where(scored, risk, 0).astype(np.float32)


def _taken_for(
    rng: np.random.Generator,
    majority: Labels,
    around: npt.NDArray[np.int64],
    wrong: npt.NDArray[np.bool_],
) -> Labels:
    """The class each wrong cell gets: a neighbour's, or one of its kind."""
    own = majority[wrong].astype(int)
    weights = around[:, wrong].T.astype(float)
    weights[np.arange(own.size), own] = 0
    kind = np.zeros((COUNT, COUNT))
    for number, others in enumerate(_TAKEN_FOR):
        for other, weight in others.items():
            kind[number, other] = weight
    # A little of its kind everywhere, and nothing but that inside a patch.
    weights += kind[own] * 0.5
    cumulative = np.cumsum(weights, axis=1)
    pick = rng.random(own.size) * cumulative[:, -1]
    taken = (cumulative <= pick[:, None]).sum(axis=1)
    return np.asarray(np.minimum(taken, COUNT - 1), np.uint8)
