"""A simulated land: which class stands where, its rivers, roads and fields.

A class stands where its niche is: closed forest where it is wet and far from people, crops and
towns where people are, bare ground where it is dry. Niches are ragged by fractal noise, and their
thresholds are set so that each class has the share of land that was asked for. None of these
numbers is measured: they are choices, made to look like land.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from academy.data.simulator.fields import Field, blur, fractal
from academy.land_cover.classes import (
    CLOSED_FOREST,
    COUNT,
    CROPS,
    HERBACEOUS,
    OPEN_FOREST,
    SHRUB,
    URBAN,
    WATER,
    Labels,
)

Shares = npt.NDArray[np.float64]

# How much a class likes wetness, and people.
_NICHE = np.array(
    [
        (0.9, -0.8),  # closed forest
        (0.3, -0.3),  # open forest
        (-0.3, -0.2),  # shrub
        (-0.7, 0.0),  # herbaceous
        (0.0, 0.9),  # crops
        (0.0, 1.5),  # urban
        (-1.2, -0.2),  # bare
        (1.0, 0.0),  # water: lakes
        (1.5, -0.1),  # wetland
    ]
)
# How much its own fractal noise weighs, and that noise's exponent: lakes are smooth, scrub ragged.
_ROUGHNESS = (1.2, 1.2, 1.1, 1.1, 1.2, 1.3, 1.1, 1.4, 0.9)
_EXPONENT = (2.8, 2.6, 2.5, 2.6, 2.9, 2.7, 2.6, 3.6, 2.6)

# At full imbalance: how the land that the dominant class leaves is shared, on average.
_MINOR = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.25, 0.2, 0.12])
# Which class dominates a scene, at full imbalance. Mostly forest.
_DOMINANT = {CLOSED_FOREST: 0.55, OPEN_FOREST: 0.15, SHRUB: 0.1, HERBACEOUS: 0.1, CROPS: 0.1}
_DOMINANT_SHARE = (0.75, 0.95)


@dataclass(frozen=True)
class Mosaic:
    """A land.

    `truth` uint8 (H, W); `road` float32 (H, W), the part of a pixel that a road covers;
    `parcel` int32 (H, W), a number for each farmer's field, everywhere.
    """

    truth: Labels
    road: Field
    parcel: npt.NDArray[np.int32]


def draw_shares(
    rng: np.random.Generator, imbalance: float, required: Iterable[int] = (), least: float = 0.004
) -> Shares:
    """How much of a scene's land each class has, shape (9,), sum 1.

    Parameters
    ----------
    imbalance
        0: about a ninth each. 1: one class, mostly closed forest, has 75 to 95 % of the land, and
        about a third of the others are absent.
    required
        Classes that must be there, with at least `least` of the land.
    """
    needed = sorted(set(required))
    dominant = int(rng.choice(list(_DOMINANT), p=list(_DOMINANT.values())))
    steep = rng.uniform(*_DOMINANT_SHARE)
    # Geometric between a ninth and steep: the dial's steps then look even.
    share = float(np.exp((1 - imbalance) * np.log(1 / COUNT) + imbalance * np.log(steep)))
    weights = _MINOR**imbalance
    weights[dominant] = 0
    # Scenes differ: a Dirichlet law around the weights.
    minor = rng.gamma(8 * weights / weights.max() + 1e-9)
    absent = rng.random(COUNT) < 0.35 * imbalance
    absent[needed] = False
    minor[absent] = 0
    minor[dominant] = 0
    if minor.sum() == 0:
        minor[(dominant + 1) % COUNT] = 1
    shares = (1 - share) * minor / minor.sum()
    shares[dominant] = share
    present = np.zeros(COUNT, bool)
    present[needed] = True
    # What is there at all is there to be seen.
    shares[(shares > 0) | present] = np.maximum(shares[(shares > 0) | present], least)
    return np.asarray(shares / shares.sum())


def draw_mosaic(rng: np.random.Generator, shape: tuple[int, int], shares: Shares) -> Mosaic:
    """A land of `shape` pixels of 20 m, with `shares` of the classes to within about a tenth."""
    height, width = shape
    wetness, people = fractal(rng, shape, 3.2), fractal(rng, shape, 2.9)

    river = np.zeros(shape, bool)
    if shares[WATER] > 0:
        for _ in range(int(rng.integers(1, 3))):
            half = rng.uniform(0.5, 2.6)
            course = _line(rng, shape, bend=0.035)
            drawn = river | _brush(course, shape, half)
            # Rivers may take most of the water; lakes have the rest.
            if drawn.mean() <= 0.8 * shares[WATER]:
                river = drawn
    road = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(2, 5))):
        # A road with its verges is 8 to 18 m wide: part of a pixel, and no class of its own.
        wide = np.float32(rng.uniform(0.4, 0.9))
        road = np.maximum(road, _brush(_line(rng, shape, bend=0.008), shape, 0.5) * wide)

    if river.any():
        near = blur(river, 7.0)
        wetness = wetness + 2.5 * near / max(float(near.max()), 1e-6)
    near = blur(road, 5.0)
    people = people + 1.2 * near / max(float(near.max()), 1e-6)

    scores = np.empty((COUNT, height, width), np.float32)
    for number in range(COUNT):
        wet, busy = _NICHE[number]
        own = fractal(rng, shape, _EXPONENT[number])
        scores[number] = wet * wetness + busy * people + _ROUGHNESS[number] * own

    # Lakes first, by their own level: shores are smooth, whatever grows beside them.
    water = river
    lakes = shares[WATER] - float(river.mean())
    if lakes > 0:
        level = np.quantile(scores[WATER][::2, ::2], 1 - lakes)
        water = river | (scores[WATER] > level)
    left = shares.copy()
    left[WATER] = 0
    parcel = _parcels(rng, shape)
    truth = _with_shares(scores, left / left.sum())
    truth = _whole_fields(truth, scores, left, parcel)
    truth[water] = WATER
    return Mosaic(truth, road, parcel)


def _whole_fields(
    truth: Labels, scores: Field, shares: Shares, parcel: npt.NDArray[np.int32]
) -> Labels:
    """Crops end where fields end: a field is sown whole, or not at all."""
    without = shares.copy()
    without[CROPS] = 0
    if shares[CROPS] == 0 or without.sum() == 0:
        return truth
    numbers, at = np.unique(parcel, return_inverse=True)
    at = at.reshape(parcel.shape)
    sown = np.bincount(at[truth == CROPS], minlength=numbers.size)
    keep = (2 * sown > np.bincount(at.ravel(), minlength=numbers.size))[at]
    result = truth.copy()
    # What was crops in other fields is what grows next to it: the class that would be second.
    wild = (truth == CROPS) & ~keep
    if wild.any():
        second = _with_shares(scores, without / without.sum())
        result[wild] = second[wild]
    result[keep & (truth != URBAN)] = CROPS
    return result


def _with_shares(scores: Field, shares: Shares) -> Labels:
    """The class with the highest score plus bias; biases are such that shares come out."""
    step = -(-min(scores.shape[1:]) // 128)
    sample = scores[:, ::step, ::step].reshape(COUNT, -1)
    present = np.flatnonzero(shares)
    bias = np.full(COUNT, -np.inf, np.float32)
    bias[present] = 0
    target, rate = shares[present], 1.0
    for _ in range(80):
        chosen = np.argmax(sample + bias[:, None], axis=0)
        got = np.bincount(chosen, minlength=COUNT)[present] / chosen.size
        # On a log scale, because shares differ by a factor of a hundred.
        change = np.log(target + 1e-3) - np.log(got + 1e-3)
        bias[present] += (rate * np.clip(change, -1, 1)).astype(np.float32)
        rate = max(0.15, rate * 0.96)
    return np.asarray(np.argmax(scores + bias[:, None, None], axis=0), np.uint8)


def _line(rng: np.random.Generator, shape: tuple[int, int], bend: float) -> npt.NDArray[np.float64]:
    """A winding line across the scene: points (row, column), half a pixel apart."""
    height, width = shape
    heading = rng.uniform(0, 2 * np.pi)
    count = int(6 * max(height, width))
    # The direction wanders, but comes back: an AR(1) process around the heading.
    memory, value = 1 - 2.0 / max(height, width), 0.0
    turns = rng.normal(0, bend * 2, count)
    wander = np.empty(count)
    for at in range(count):
        value = memory * value + turns[at]
        wander[at] = value
    angle = heading + wander
    path = 0.5 * np.cumsum(np.stack([np.sin(angle), np.cos(angle)], axis=1), axis=0)
    through = np.array([rng.uniform(0.15, 0.85) * height, rng.uniform(0.15, 0.85) * width])
    return np.asarray(path - path[count // 2] + through)


def _brush(
    line: npt.NDArray[np.float64], shape: tuple[int, int], half: float
) -> npt.NDArray[np.bool_]:
    """The pixels within `half` pixels of a line."""
    drawn = np.zeros(shape, bool)
    reach = np.arange(-np.floor(half), np.floor(half) + 1)
    for down in reach:
        for right in reach:
            if np.hypot(down, right) <= half:
                row = np.floor(line[:, 0] + down).astype(int)
                column = np.floor(line[:, 1] + right).astype(int)
                inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
                drawn[row[inside], column[inside]] = True
    return drawn


def _parcels(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Fields: districts, each ploughed its own way, in strips that are cut at different lengths.

    Fields are 80 to 400 m wide and 1 to 3 times as long: larger than most of Africa's, so that a
    20 m pixel can show them. A choice.
    """
    height, width = shape
    districts = max(4, height * width // 20_000)
    centres = rng.uniform(0, 1, (districts, 2)) * shape
    row, column = np.mgrid[:height, :width].astype(np.float32)
    nearest = np.zeros(shape, np.int32)
    best = np.full(shape, np.inf, np.float32)
    for number, (down, right) in enumerate(centres):
        distance = (row - down) ** 2 + (column - right) ** 2
        closer = distance < best
        nearest[closer], best[closer] = number, distance[closer]
    parcel = np.zeros(shape, np.int32)
    for number in range(districts):
        inside = nearest == number
        turn, wide = rng.uniform(0, np.pi), rng.uniform(4, 16)
        u = row[inside] * np.cos(turn) + column[inside] * np.sin(turn)
        v = column[inside] * np.cos(turn) - row[inside] * np.sin(turn)
        edges = np.cumsum(rng.uniform(0.6, 1.4, int(4 * (height + width) / wide) + 4) * wide)
        strip = np.searchsorted(edges, u + edges[-1] / 2)
        lengths = wide * rng.uniform(1, 3, edges.size + 1)
        offsets = rng.uniform(0, 100, edges.size + 1)
        cut = np.floor((v + offsets[strip]) / lengths[strip]).astype(np.int64)
        parcel[inside] = (number * 7919 + strip * 104_729 + cut * 1_299_709) % 2_147_483_647
    return parcel
