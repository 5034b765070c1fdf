"""Where crops are cut: at random, on a grid, or biased to rare classes, each with its probability.

Crops are numbered, and crop number n is a function of the seed and n alone: whichever worker cuts
it, in whatever order, after whatever interruption, it is the same crop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.scene import Scene

_BLOCK = 4096
_KEPT_BLOCKS = 4


class Crop(NamedTuple):
    """A crop's place: number of the scene, upper row, left column.

    `aimed` is the class it was cut for, -1 for none.
    """

    scene: int
    row: int
    column: int
    aimed: int = -1


class Sampler(Protocol):
    """Says where crop number n is, and how probable that place was."""

    @property
    def size(self) -> int:
        """A crop's side in pixels."""
        ...

    def crop(self, number: int) -> Crop:
        """The place of crop `number`, 0 or more."""
        ...

    def probability(self, crop: Crop, labels: Labels) -> float:
        """The probability that one draw falls on this place; `labels` are the crop's own."""
        ...


class _Blocks:
    """Draws in blocks of `_BLOCK`, each from a stream of its own, and keeps the last few."""

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed is {seed}; it must not be negative")
        self._seed = seed
        self._blocks: OrderedDict[int, list[tuple[int, int, int, int]]] = OrderedDict()

    def crop(self, number: int) -> Crop:
        if number < 0:
            raise IndexError(f"crop {number}: crops are numbered from 0")
        block, at = divmod(number, _BLOCK)
        drawn = self._blocks.get(block)
        if drawn is None:
            rng = np.random.default_rng([self._seed, block])
            drawn = list(map(tuple, self._draw(rng, _BLOCK).tolist()))
            self._blocks[block] = drawn
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return Crop(*drawn[at])

    def _draw(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_blocks": OrderedDict()}


def _shapes(scenes: Sequence[Scene], size: int) -> npt.NDArray[np.int64]:
    if not scenes:
        raise ValueError("there are no scenes to cut crops from")
    if size < 1:
        raise ValueError(f"size is {size}; a crop has at least one pixel")
    for scene in scenes:
        if min(scene.shape) < size:
            raise ValueError(
                f"scene {scene.name} has {scene.shape[0]} x {scene.shape[1]} pixels; "
                f"crops of {size} do not fit"
            )
    return np.array([scene.shape for scene in scenes], np.int64)


class RandomCrops(_Blocks):
    """Crops anywhere, every place of every scene as likely as any other.

    Parameters
    ----------
    scenes
        Where to cut.
    size
        A crop's side, pixels.
    seed
        Crops of another seed are other crops.
    """

    def __init__(self, scenes: Sequence[Scene], size: int, seed: int = 0) -> None:
        super().__init__(seed)
        shapes = _shapes(scenes, size)
        self.size = size
        self._places = shapes - size + 1
        self._ends = np.cumsum(self._places.prod(axis=1))

    def _draw(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        at = rng.integers(0, self._ends[-1], count)
        scene = np.searchsorted(self._ends, at, side="right")
        within = at - np.where(scene > 0, self._ends[scene - 1], 0)
        row, column = np.divmod(within, self._places[scene, 1])
        return np.stack([scene, row, column, np.full(count, -1)], axis=1)

    def probability(self, crop: Crop, labels: Labels) -> float:  # noqa: ARG002
        """One over the number of places."""
        return 1.0 / float(self._ends[-1])


class GridCrops:
    """Every place of a regular grid, once; the last row and column are flush with the edge.

    So each pixel of each scene is in at least one crop if `step` is at most `size`.

    Parameters
    ----------
    step
        Distance between neighbours, pixels; `size` by default.
    """

    def __init__(self, scenes: Sequence[Scene], size: int, step: int | None = None) -> None:
        self.size = size
        step = size if step is None else step
        if step < 1:
            raise ValueError(f"step is {step}; it must be at least 1")
        self._crops = [
            Crop(at, row, column)
            for at, (height, width) in enumerate(_shapes(scenes, size).tolist())
            for row in _starts(height, size, step)
            for column in _starts(width, size, step)
        ]

    def __len__(self) -> int:
        return len(self._crops)

    def crop(self, number: int) -> Crop:
        """Crop `number`, from 0 to len - 1."""
        if not 0 <= number < len(self._crops):
            raise IndexError(f"crop {number}: the grid has {len(self._crops)}")
        return self._crops[number]

    def probability(self, crop: Crop, labels: Labels) -> float:  # noqa: ARG002
        """1: every place is cut."""
        return 1.0


def _starts(length: int, size: int, step: int) -> list[int]:
    starts = list(range(0, length - size + 1, step))
    if starts[-1] != length - size:
        starts.append(length - size)
    return starts


@dataclass(frozen=True)
class _Runs:
    """Pixels of a class as runs along rows: where each starts, counted over all scenes, and how
    many pixels lie in it and all runs before it."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    @property
    def pixels(self) -> int:
        return int(self.end[-1]) if self.end.size else 0

    def pixel(self, at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Pixel number `at` of the class."""
        run = np.searchsorted(self.end, at, side="right")
        before = np.where(run > 0, self.end[run - 1], 0)
        return np.asarray(self.start[run] + at - before)


class ClassIndex:
    """Which pixels of which scenes have which class: built once, in one pass over the labels.

    Kept as runs, so it takes a few bytes per label cell, not per pixel. Pixels without data or
    label are in no class.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes = list(scenes)
        self.shapes = np.array([scene.shape for scene in self.scenes], np.int64)
        self.ends = np.cumsum(self.shapes.prod(axis=1))
        starts: list[list[npt.NDArray[np.int64]]] = [[] for _ in range(COUNT)]
        lengths: list[list[npt.NDArray[np.int64]]] = [[] for _ in range(COUNT)]
        offset = 0
        for scene in self.scenes:
            height, width = scene.shape
            # In strips, so that a scene larger than memory can be indexed.
            strip = max(1, 4_000_000 // width)
            for top in range(0, height, strip):
                labels = scene.pixel_labels(slice(top, top + strip))
                first, length, value = _runs_of(labels)
                for number in range(COUNT):
                    chosen = value == number
                    starts[number].append(first[chosen] + offset + top * width)
                    lengths[number].append(length[chosen])
            offset += height * width
        self.runs = [
            _Runs(np.concatenate(start), np.cumsum(np.concatenate(length)))
            for start, length in zip(starts, lengths, strict=True)
        ]

    @property
    def pixels(self) -> npt.NDArray[np.int64]:
        """Pixels of each class, shape (9,)."""
        return np.array([runs.pixels for runs in self.runs], np.int64)

    def place(
        self, pixel: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Scene, row and column of pixels that are counted over all scenes."""
        scene = np.searchsorted(self.ends, pixel, side="right")
        within = pixel - np.where(scene > 0, self.ends[scene - 1], 0)
        row, column = np.divmod(within, self.shapes[scene, 1])
        return scene, row, column


def _runs_of(
    labels: Labels,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Labels]:
    """Start, length and value of the runs along the rows of `labels`."""
    change = np.ones(labels.shape, bool)
    change[:, 1:] = labels[:, 1:] != labels[:, :-1]
    first = np.flatnonzero(change)
    length = np.diff(first, append=labels.size)
    return first, length, labels.ravel()[first]


def class_shares(
    index: ClassIndex, bias: float | str | Mapping[str | int, float]
) -> npt.NDArray[np.float64]:
    """How often crops are aimed at each class, shape (9,), sum 1.

    Parameters
    ----------
    bias
        A number from 0, as often as the class occurs, to 1, all classes that occur alike: shares
        are pixels ** (1 - bias). ``"balanced"`` is 1. Or a part for each class by name or number;
        what is not named gets none.

    Raises
    ------
    ValueError
        A class is asked for that has no pixel, or the parts are negative or all zero.
    """
    pixels = index.pixels
    if pixels.sum() == 0:
        raise ValueError("no pixel of these scenes has a label: nothing to aim at")
    if isinstance(bias, str):
        if bias != "balanced":
            raise ValueError(f"bias is {bias!r}; it is a number, 'balanced', or parts by class")
        bias = 1.0
    if isinstance(bias, Mapping):
        shares = np.zeros(COUNT)
        for name, part in bias.items():
            if isinstance(name, str) and name not in NAMES:
                raise ValueError(f"there is no class {name!r}; the classes are {', '.join(NAMES)}")
            number = NAMES.index(name) if isinstance(name, str) else name
            if not 0 <= number < COUNT:
                raise ValueError(f"there is no class {number}; they go from 0 to {COUNT - 1}")
            if not (part >= 0 and np.isfinite(part)):
                raise ValueError(f"{NAMES[number]} is asked for {part}; it must not be negative")
            if part > 0 and pixels[number] == 0:
                raise ValueError(f"no pixel of these scenes is {NAMES[number]}; do not ask for it")
            shares[number] = part
    else:
        if not 0 <= bias <= 1:
            raise ValueError(f"bias is {bias}; it goes from 0 to 1")
        present = pixels > 0
        shares = np.where(present, np.maximum(pixels, 1).astype(float) ** (1 - bias), 0.0)
    if shares.sum() == 0:
        raise ValueError("every class is asked for 0 times")
    return np.asarray(shares / shares.sum())


class BiasedCrops(_Blocks):
    """Crops aimed at classes: rare ones as often as asked.

    First a class is drawn by its share, then one of its pixels, all alike, then a place for the
    crop among those that have the pixel in it. Nothing is rejected, so it takes as long for one
    pixel in a million as for any other. A place's exact probability is known, for those who want
    to weight crops back.

    Parameters
    ----------
    scenes
        Where to cut, or a `ClassIndex` of them, so that several samplers share one.
    bias
        As for `class_shares`.

    Attributes
    ----------
    shares
        How often each class is aimed at, (9,).
    """

    def __init__(
        self,
        scenes: Sequence[Scene] | ClassIndex,
        size: int,
        seed: int = 0,
        bias: float | str | Mapping[str | int, float] = "balanced",
    ) -> None:
        super().__init__(seed)
        self.index = scenes if isinstance(scenes, ClassIndex) else ClassIndex(scenes)
        self.size = size
        self._shapes = _shapes(self.index.scenes, size)
        self.shares = class_shares(self.index, bias)
        pixels = self.index.pixels
        # By label: what one pixel of it is aimed at with. 0 for what is ignored.
        self._per_pixel = np.zeros(256)
        self._per_pixel[:COUNT] = self.shares / np.maximum(pixels, 1)
        self._per_pixel[IGNORE] = 0
        # For each length that occurs: one over the places that have a given row in them.
        self._per_place = {
            int(length): 1.0 / _places(int(length), size) for length in np.unique(self._shapes)
        }

    def _draw(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        aimed = rng.choice(COUNT, count, p=self.shares)
        chance = rng.random(count)
        pixel = np.empty(count, np.int64)
        for number in np.unique(aimed):
            runs, chosen = self.index.runs[number], aimed == number
            pixel[chosen] = runs.pixel((chance[chosen] * runs.pixels).astype(np.int64))
        scene, row, column = self.index.place(pixel)
        starts = []
        for axis, at in enumerate((row, column)):
            low = np.maximum(0, at - self.size + 1)
            high = np.minimum(self._shapes[scene, axis] - self.size, at)
            starts.append(low + (rng.random(count) * (high - low + 1)).astype(np.int64))
        return np.stack([scene, *starts, aimed], axis=1)

    def probability(self, crop: Crop, labels: Labels) -> float:
        """The probability that one draw falls on this place, whatever class it is aimed at.

        Over all places it sums to 1. `labels` are the crop's, (size, size), as `Scene.window`
        gives them.
        """
        height, width = self._shapes[crop.scene]
        down = self._per_place[int(height)][crop.row : crop.row + self.size]
        right = self._per_place[int(width)][crop.column : crop.column + self.size]
        return float(down @ self._per_pixel[labels] @ right)


def _places(length: int, size: int) -> npt.NDArray[np.float64]:
    """For each of `length` rows, in how many of the crops of `size` rows it is."""
    at = np.arange(length)
    return np.asarray(
        np.minimum(length - size, at) - np.maximum(0, at - size + 1) + 1, dtype=np.float64
    )
