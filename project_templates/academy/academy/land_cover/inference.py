"""Maps from a model: whole scenes by overlapping windows, and one class for each label cell.

A scene is cut into windows of the size the model was trained on; each window's probabilities fade
out towards its edges, where the model sees least, and are averaged where windows overlap. So there
are no seams. Only a strip of windows is in memory at a time, whatever the scene's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.metrics import SceneConfusions
from academy.land_cover.sampling import _starts
from academy.land_cover.scene import Cells, Scene, SceneError
from academy.land_cover.trained import Trained
from academy.training.precision import autocast

Probabilities = npt.NDArray[np.float32]

#: Share of a window's side by which neighbours overlap.
OVERLAP = 0.5


def predict_pixels(
    trained: Trained,
    scene: Scene,
    *,
    window: int | None = None,
    overlap: float = OVERLAP,
    batch: int = 16,
    views: int = 1,
    out: Probabilities | None = None,
) -> Probabilities:
    """Each pixel's class probabilities, float32 (9, H, W); NaN where the scene has no data.

    Parameters
    ----------
    window
        Side of a window, pixels; the crops' of the training by default.
    overlap
        Share of it that neighbours share, 0 to below 1.
    batch
        Windows at a time.
    views
        1 to 8: how many of the flips and quarter turns of each window are averaged.
    out
        Where to write, such as a `numpy.lib.format.open_memmap` for a scene that does not fit.

    Raises
    ------
    ValueError
        A number is out of range, or `out` has another shape.
    """
    shape = (COUNT, *scene.shape)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"out is {out.dtype} {out.shape}; it must be float32 {shape}")
    for top, strip in _strips(trained, scene, window, overlap, batch, views):
        out[:, top : top + strip.shape[1]] = strip
    return out


def predict_cells(
    trained: Trained,
    scene: Scene,
    *,
    window: int | None = None,
    overlap: float = OVERLAP,
    batch: int = 16,
    views: int = 1,
) -> Probabilities:
    """Each label cell's class probabilities, float32 (9, R, C); NaN for cells without data.

    As `pool(predict_pixels(...))`, without an array of all pixels in memory.
    """
    cells = _CellMeans(COUNT, scene.label_shape)
    for top, strip in _strips(trained, scene, window, overlap, batch, views):
        cells.add(strip, scene.cells[top : top + strip.shape[1]])
    return cells.mean()


def pool(probabilities: npt.ArrayLike, cells: Cells, label_shape: tuple[int, int]) -> Probabilities:
    """The mean of the probabilities over each cell's valid pixels, float32 (classes, R, C).

    Parameters
    ----------
    probabilities
        (classes, H, W); pixels with NaN are left out.
    cells
        int32 (H, W), as `Scene.cells`; -1 for no cell.
    label_shape
        Rows and columns of the label grid.

    Returns
    -------
    NaN for a cell without a valid pixel; `fill_empty` fills it.

    Raises
    ------
    ValueError
        Shapes differ, or a cell is not on the grid.
    """
    values = np.asarray(probabilities, np.float32)
    if values.ndim != 3 or values.shape[1:] != cells.shape:
        raise ValueError(
            f"probabilities have the shape {values.shape} and cells {cells.shape}; "
            "they must be (classes, H, W) and (H, W)"
        )
    means = _CellMeans(len(values), label_shape)
    step = max(1, 1_000_000 // max(1, cells.shape[1]))
    for top in range(0, cells.shape[0], step):
        means.add(values[:, top : top + step], cells[top : top + step])
    return means.mean()


class _CellMeans:
    """Sums over cells, strip by strip, in float64."""

    def __init__(self, classes: int, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._size = shape[0] * shape[1]
        self._sums = np.zeros((classes, self._size))
        self._pixels = np.zeros(self._size, np.int64)

    def add(self, values: Probabilities, cells: Cells) -> None:
        ids = np.ravel(cells).astype(np.int64)
        flat = values.reshape(len(values), -1)
        valid = (ids >= 0) & np.isfinite(flat.sum(axis=0))
        ids = ids[valid]
        if not ids.size:
            return
        low, high = int(ids.min()), int(ids.max()) + 1
        if high > self._size:
            raise ValueError(
                f"cells go up to {high - 1}; the label grid of {self._shape[0]} x "
                f"{self._shape[1]} ends at {self._size - 1}"
            )
        ids -= low
        self._pixels[low:high] += np.bincount(ids, minlength=high - low)
        for number, plane in enumerate(flat):
            self._sums[number, low:high] += np.bincount(ids, plane[valid], minlength=high - low)

    def mean(self) -> Probabilities:
        mean = np.full(self._sums.shape, np.nan, np.float32)
        np.divide(self._sums, self._pixels, out=mean, where=self._pixels > 0, casting="same_kind")
        return mean.reshape(len(mean), *self._shape)


def fill_empty(probabilities: Probabilities) -> Probabilities:
    """Cells without a value get the mean of the smallest block around them that has values.

    Blocks are of 2, 4, 8, ... cells. Shape (classes, R, C); NaN in any class is no value.

    Raises
    ------
    ValueError
        No cell has a value.
    """
    there = np.isfinite(probabilities.sum(axis=0))
    if there.all():
        return probabilities
    if not there.any():
        raise ValueError("no cell has a value: there is nothing to fill the others from")
    return _filled(np.where(there, probabilities, 0).astype(np.float32), there)


def _filled(values: Probabilities, there: npt.NDArray[np.bool_]) -> Probabilities:
    """Of zeros where there is nothing; from the next coarser level, which is filled likewise."""
    if there.all():
        return values
    classes, rows, columns = values.shape
    pad = ((0, rows % 2), (0, columns % 2))
    half = (rows + 1) // 2, (columns + 1) // 2
    count = np.pad(there, pad).reshape(half[0], 2, half[1], 2).sum(axis=(1, 3))
    total = np.pad(values, ((0, 0), *pad)).reshape(classes, half[0], 2, half[1], 2).sum((2, 4))
    coarse = _filled(total / np.maximum(count, 1).astype(np.float32), count > 0)
    finer = coarse.repeat(2, axis=1).repeat(2, axis=2)[:, :rows, :columns]
    return np.where(there, values, finer)


def predict(
    trained: Trained,
    scene: Scene,
    *,
    shift: Sequence[float] | npt.NDArray[Any] | None = None,
    window: int | None = None,
    overlap: float = OVERLAP,
    batch: int = 16,
    views: int = 1,
) -> Labels:
    """A class for each cell of the label grid, uint8 (R, C), 0 to 8: what is submitted.

    A cell without data gets the class of its surroundings.

    Parameters
    ----------
    shift
        Added to the log-probability of each class; `trained.shift` by default.
    window, overlap, batch, views
        As `predict_pixels`.

    Raises
    ------
    SceneError
        The scene has no data at all.
    """
    shares = predict_cells(trained, scene, window=window, overlap=overlap, batch=batch, views=views)
    try:
        shares = fill_empty(shares)
    except ValueError:
        raise SceneError(f"scene {scene.name} has no valid pixel in any label cell") from None
    return decide(shares, trained.shift if shift is None else shift)


def decide(
    probabilities: Probabilities, shift: Sequence[float] | npt.NDArray[Any] | None = None
) -> Labels:
    """The class with the largest probability, uint8 (...) of (classes, ...); 255 where NaN.

    With a shift, the largest of log probability + shift.

    Raises
    ------
    ValueError
        There are not as many shifts as classes.
    """
    values: npt.NDArray[Any] = probabilities
    if shift is not None:
        added = np.asarray(shift, np.float64)
        if added.shape != (len(values),) or not np.isfinite(added).all():
            raise ValueError(f"shift is {shift}; it must be {len(values)} finite numbers")
        # Factors in place of sums of logarithms: a probability of 0 stays the last choice.
        factors = np.exp(added - added.max()).astype(np.float32)
        values = values * factors.reshape(-1, *[1] * (values.ndim - 1))
    chosen: Labels = np.argmax(values, axis=0).astype(np.uint8)
    chosen[np.isnan(probabilities).any(axis=0)] = IGNORE
    return chosen


def evaluate(
    trained: Trained,
    scenes: Iterable[Scene],
    *,
    shift: Sequence[float] | npt.NDArray[Any] | None = None,
    window: int | None = None,
    overlap: float = OVERLAP,
    batch: int = 16,
    views: int = 1,
) -> SceneConfusions:
    """Confusion counts of each scene, on its label cells; `.scores()` are precision, recall, F1.

    Parameters as `predict`.

    Raises
    ------
    SceneError
        A scene has no labels.
    """
    counts = SceneConfusions(NAMES)
    for scene in scenes:
        if scene.labels is None:
            raise SceneError(f"scene {scene.name} is held out: its labels are not here")
        found = predict(
            trained, scene, shift=shift, window=window, overlap=overlap, batch=batch, views=views
        )
        counts.add(scene.name, np.asarray(scene.labels), found)
    return counts


def _strips(
    trained: Trained,
    scene: Scene,
    window: int | None,
    overlap: float,
    batch: int,
    views: int,
) -> Iterator[tuple[int, Probabilities]]:
    """(first row, probabilities (classes, rows, W)) of finished rows, from top to bottom."""
    side = trained.settings.crop if window is None else window
    if side < 1:
        raise ValueError(f"window is {side}; it must be at least 1 pixel")
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap is {overlap}; it must be at least 0 and below 1")
    if batch < 1:
        raise ValueError(f"batch is {batch}; it must be at least 1")
    if not 1 <= views <= len(_VIEWS):
        raise ValueError(f"views is {views}; there are 1 to {len(_VIEWS)}")
    height, width = scene.shape
    tall, wide = min(side, height), min(side, width)
    tops = _starts(height, tall, _step(tall, overlap))
    lefts = _starts(width, wide, _step(wide, overlap))
    device = trained.device
    fade = _fade(tall).outer(_fade(wide)).to(device)
    across = _total(lefts, wide, width).to(device)
    down = _total(tops, tall, height).to(device)
    strip = torch.zeros(COUNT, tall, width, device=device)
    with _predicting(trained) as forward:
        for number, top in enumerate(tops):
            gamma0 = np.asarray(scene.gamma0[:, top : top + tall])
            valid = np.isfinite(gamma0[0] + gamma0[1])
            filled = [left for left in lefts if valid[:, left : left + wide].any()]
            for start in range(0, len(filled), batch):
                group = filled[start : start + batch]
                images = [trained.normalisation(gamma0[:, :, at : at + wide]) for at in group]
                shares = forward(torch.from_numpy(np.stack(images)).to(device), views)
                if shares.shape[1] != COUNT:
                    raise ValueError(
                        f"the model gives {shares.shape[1]} classes; there are {COUNT}"
                    )
                shares = shares * fade
                for at, share in zip(group, shares, strict=True):
                    strip[:, :, at : at + wide] += share
            # Rows above the next windows get nothing more.
            after = tops[number + 1] if number + 1 < len(tops) else top + tall
            done = after - top
            weight = down[top:after, None] * across
            finished = (strip[:, :done] / weight).cpu().numpy()
            finished[:, ~valid[:done]] = np.nan
            yield top, finished
            kept = strip[:, done:].clone()
            strip.zero_()
            strip[:, : tall - done] = kept


def _step(side: int, overlap: float) -> int:
    return max(1, round(side * (1 - overlap)))


def _fade(side: int) -> Tensor:
    """A window's weight along a side: a raised cosine, never 0."""
    return torch.sin(torch.pi * (torch.arange(side) + 0.5) / side) ** 2


def _total(starts: Sequence[int], side: int, length: int) -> Tensor:
    """The weight of all windows along a side; that of the plane is the two sides' product."""
    total = torch.zeros(length)
    for start in starts:
        total[start : start + side] += _fade(side)
    return total


class _predicting:  # noqa: N801
    """The model ready to predict, and afterwards in the mode it was in."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained

    def __enter__(self) -> Callable[[Tensor, int], Tensor]:
        self._training = self._trained.model.training
        self._trained.model.eval()
        self._mode = torch.inference_mode()
        self._mode.__enter__()
        return self._forward

    def __exit__(self, *error: Any) -> None:
        self._mode.__exit__(*error)
        self._trained.model.train(self._training)

    def _forward(self, images: Tensor, views: int) -> Tensor:
        """Mean probabilities, float32 (batch, classes, h, w), of some views of the images."""
        total: Tensor | None = None
        for turn, mirror in _VIEWS[:views]:
            seen = images.flip(3) if mirror else images
            seen = seen.rot90(turn, (2, 3)).contiguous(memory_format=torch.channels_last)
            shares = self._logits(seen).float().softmax(1).rot90(-turn, (2, 3))
            shares = shares.flip(3) if mirror else shares
            total = shares if total is None else total + shares
        assert total is not None
        return total / views

    def _logits(self, images: Tensor) -> Tensor:
        # A model of a GPU predicts on a CPU too, where half precision is slow or refused.
        on_gpu = images.device.type == "cuda"
        with autocast(self._trained.settings.precision if on_gpu else "float32", images.device):
            if self._trained.features is not None:
                images = self._trained.features(images)
            logits: Tensor = self._trained.model(images)
        return logits


#: (quarter turns, mirrored): two views are the image and its half turn, four are all turns of 180
#: degrees and mirrors, eight all.
_VIEWS = (
    (0, False),
    (2, False),
    (0, True),
    (2, True),
    (1, False),
    (3, False),
    (1, True),
    (3, True),
)
