"""Crops as a training step takes them: images, and labels by pixel or by label cell.

A label of the 100 m grid is known for a cell of about 5 x 5 pixels. Copied to pixels it says 25
times what it says once, and wrongly so where a cell is mixed. `CellCrops` keeps cells together:
`pool_cells` makes one prediction of each cell's pixels, which is what the label is about.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from academy.land_cover.ahead import ahead
from academy.land_cover.augmentation import Augmentation
from academy.land_cover.classes import IGNORE
from academy.land_cover.dataset import Crops, Normalisation
from academy.land_cover.sampling import Sampler
from academy.land_cover.scene import Scene

#: The smallest mean probability of a cell: its logarithm and gradient stay finite in float32.
LEAST = 1e-30


def sure_labels(scenes: Sequence[Scene], least_probability: int) -> list[Scene]:
    """The scenes with labels ignored that their source is less sure of, percent.

    Labels without a stated probability are kept. The scenes' files are not changed.
    """
    if least_probability <= 0:
        return list(scenes)
    kept = []
    for scene in scenes:
        if scene.labels is None or scene.probability is None:
            kept.append(scene)
            continue
        unsure = np.asarray(scene.probability) < least_probability
        labels = np.where(unsure, np.uint8(IGNORE), scene.labels)
        # Without its folder: a worker that opens the files anew would find the old labels.
        kept.append(replace(scene, labels=labels, metadata=dict(scene.metadata), folder=None))
    return kept


class PixelCrops(Crops):
    """Item n: ``image`` float32 (2, size, size) and ``label`` int64 (size, size)."""

    def __getitem__(self, number: int) -> dict[str, Any]:
        scene, rows, columns = self._place(number)
        gamma0 = scene.gamma0[:, rows, columns]
        labels = scene.pixel_labels(rows, columns).astype(np.int64)
        gamma0, labels = self._augmented(gamma0, labels, number)
        return {"image": self.normalisation(gamma0), "label": labels}

    def _place(self, number: int) -> tuple[Scene, slice, slice]:
        crop, size = self.sampler.crop(number), self.sampler.size
        rows, columns = slice(crop.row, crop.row + size), slice(crop.column, crop.column + size)
        return self.scenes[crop.scene], rows, columns

    def _augmented(
        self, gamma0: npt.NDArray[np.float32], plane: npt.NDArray[np.int64], number: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        rng = np.random.default_rng([self.seed, 1, number])
        gamma0, moved = self.augmentation(gamma0, cast(Any, plane), rng)
        return gamma0, np.ascontiguousarray(moved, np.int64)


class CellCrops(PixelCrops):
    """Item n: ``image`` as before, ``cell`` int64 (size, size) and ``label`` int64 (cells,).

    ``cell`` numbers the crop's label cells from 0; -1 where a pixel has no cell or no data. A cell
    that the crop's border or missing data leave less than half of is ignored: its label is about
    the rest too.
    """

    def __getitem__(self, number: int) -> dict[str, Any]:
        scene, rows, columns = self._place(number)
        if scene.labels is None:
            raise scene._error("labels", "are held out: there is nothing to learn from here")
        gamma0 = scene.gamma0[:, rows, columns]
        cells = np.asarray(scene.cells[rows, columns])
        down, right = np.divmod(cells, np.int32(scene.label_shape[1]))
        valid = (cells >= 0) & np.isfinite(gamma0[0] + gamma0[1])
        local, labels = np.full(cells.shape, -1, np.int64), np.empty(0, np.int64)
        if valid.any():
            top, left = down[valid].min(), right[valid].min()
            bottom, end = down[valid].max() + 1, right[valid].max() + 1
            local[valid] = ((down - top) * (end - left) + right - left)[valid]
            labels = np.array(scene.labels[top:bottom, left:end], np.int64).ravel()
            pixels = np.bincount(local[valid], minlength=labels.size)
            labels[2 * pixels < pixels.max()] = IGNORE
        gamma0, local = self._augmented(gamma0, local, number)
        return {"image": self.normalisation(gamma0), "cell": local, "label": labels}


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """A batch of items; lists of cells are filled up with ignored ones to the longest."""
    longest = max(item["label"].size for item in items)
    batch = {
        key: torch.from_numpy(np.stack([item[key] for item in items]))
        for key in items[0]
        if key != "label"
    }
    if "cell" not in batch:
        return {**batch, "label": torch.from_numpy(np.stack([item["label"] for item in items]))}
    labels = np.full((len(items), longest), IGNORE, np.int64)
    for row, item in zip(labels, items, strict=True):
        row[: item["label"].size] = item["label"]
    return {**batch, "label": torch.from_numpy(labels)}


def pool_cells(logits: Tensor, cell: Tensor, cells: int) -> Tensor:
    """The log of the mean probability over each cell's pixels, shape (batch, classes, cells).

    Its softmax is that mean, so that every loss takes it as it takes logits.

    Parameters
    ----------
    logits
        (batch, classes, H, W).
    cell
        int64 (batch, H, W), 0 to cells - 1; -1 counts nowhere.
    cells
        How many an image has at most. A cell without a pixel gets the same for all classes.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    shares = logits.to(wide).softmax(dim=1).flatten(2)
    batch, classes, _ = shares.shape
    # One more, for pixels without a cell.
    index = torch.where(cell < 0, cells, cell).flatten(1)
    sums = shares.new_zeros(batch, classes, cells + 1)
    sums = sums.scatter_add(2, index[:, None].expand(-1, classes, -1), shares)[:, :, :cells]
    pixels = shares.new_zeros(batch, cells + 1)
    pixels = pixels.scatter_add(1, index, torch.ones_like(pixels[:, :1]).expand_as(index))
    mean = sums / pixels[:, None, :cells].clamp_min(1)
    return mean.clamp_min(LEAST).log()


def training_batches(
    scenes: Sequence[Scene],
    sampler: Sampler,
    normalisation: Normalisation,
    augmentation: Augmentation,
    *,
    level: str,
    seed: int,
    numbers: range,
    batch: int,
    workers: int = 0,
    pin: bool = False,
) -> Generator[dict[str, Tensor]]:
    """Batches of the crops with these numbers, in this order, by `level` "pixel" or "cell".

    They are made while the model computes: by `workers` processes, or by a thread for 0.
    """
    kind = CellCrops if level == "cell" else PixelCrops
    crops = kind(scenes, sampler, normalisation, augmentation, seed)
    loader = DataLoader(
        crops,
        batch_size=batch,
        sampler=_Numbers(numbers),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        drop_last=True,
        # Of its own, so that the caller's random numbers are not drawn from.
        generator=torch.Generator(),
        prefetch_factor=4 if workers else None,
    )
    batches = iter(loader) if workers else ahead(loader)
    try:
        yield from batches
    finally:
        if isinstance(batches, Generator):
            batches.close()


class _Numbers(torch.utils.data.Sampler[int]):
    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
