"""Sums over moving windows of an image with gaps, for numpy arrays and torch tensors alike.

A window's sum is made of shifted additions, never of differences of running totals: one bright
target then cannot spoil the last digits of the row that follows it. A window of seven takes four
additions (1, 2, 4, then 4 + 2 + 1), and on tiles that stay in the processor's cache an addition
costs a third of a nanosecond a pixel: no compiled code is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

#: Rows and columns of a tile: with its halo and twenty intermediate arrays it fits a cache of 2 MB.
TILE = (96, 512)

#: `(block, valid) -> filtered`: from a block with a halo to the block without it.
TileFilter = Callable[[Any, Any], Any]


def module_of(array: Any) -> Any:
    """The module whose functions work on `array`: torch for a tensor, else numpy."""
    torch = sys.modules.get("torch")  # whoever has a tensor has imported torch
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def cut(array: Any, top: int, left: int, shape: tuple[int, int]) -> Any:
    """The view of `shape` (rows, columns) that starts at row `top`, column `left`."""
    return array[..., top : top + shape[0], left : left + shape[1]]


def run_sum(array: Any, length: int, axis: int) -> Any:
    """Sums of `length` neighbours along the last (-1) or the last but one (-2) axis.

    The result is shorter by length - 1 on that axis: entry i sums the entries i to i + length - 1.
    """
    if length == 1:
        return array
    size = array.shape[axis] - length + 1

    def part(source: Any, start: int, count: int) -> Any:
        if axis == -1:
            return source[..., start : start + count]
        return source[..., start : start + count, :]

    doubled, reach, total, covered = array, 1, None, 0
    while True:
        if length & reach:
            piece = part(doubled, covered, size)
            total = piece if total is None else total + piece
            covered += reach
        if covered == length:
            return total
        count = doubled.shape[axis] - reach
        doubled = part(doubled, 0, count) + part(doubled, reach, count)
        reach *= 2


def box_sum(array: Any, rows: int, columns: int) -> Any:
    """Sums over boxes of rows x columns; entry (i, j) is the box that starts there."""
    return run_sum(run_sum(array, rows, -2), columns, -1)


def over_tiles(power: Any, reach: int, tile_filter: TileFilter, *, wide: bool = True) -> Any:
    """Applies a filter that looks `reach` pixels around itself, within the image and its gaps.

    Parameters
    ----------
    power
        Shape (..., rows, columns), numpy or torch, floating. What is not finite is nodata.
    reach
        How far the filter looks.
    tile_filter
        Gets a block, nodata as 0, with a halo of `reach` pixels, and where it is valid (1 or 0)
        or None if all of it is. Gives the filtered block without its halo.
    wide
        Whether numpy's blocks are float64, however narrow the image is; else as the image, at
        least float32. torch's are always so.

    Returns
    -------
    Same kind, shape and type; NaN where `power` is nodata.
    """
    if module_of(power) is not np:
        return _whole(power, reach, tile_filter)
    images = power.reshape(-1, *power.shape[-2:])
    result = np.empty(images.shape, power.dtype)
    kind = np.dtype(np.float64) if wide else np.promote_types(power.dtype, np.float32)
    tiles = [
        (image, out, *tile)
        for image, out in zip(images, result, strict=True)
        for tile in _tiles(power.shape[-2], power.shape[-1], reach)
    ]

    def run(task: tuple[Any, Any, int, int, int, int]) -> None:
        image, out, top, left, rows, columns = task
        block, valid = _block(
            image, top - reach, left - reach, rows + 2 * reach, columns + 2 * reach, kind
        )
        filtered = tile_filter(block, valid)
        if valid is not None:
            filtered = np.where(cut(valid, reach, reach, (rows, columns)) > 0, filtered, np.nan)
        out[top : top + rows, left : left + columns] = filtered

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if power.size < 1 << 18 or (workers or 1) < 2:
        for task in tiles:
            run(task)
    else:
        # numpy lets go of the interpreter within each addition: threads do work side by side.
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, tiles))
    return result.reshape(power.shape)


def _tiles(rows: int, columns: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """(top, left, rows, columns) of tiles that cover the image once.

    A frame as wide as the halo stands apart: only there are windows cut by the image's border.
    """
    for top, height in _spans(rows, reach, TILE[0]):
        for left, width in _spans(columns, reach, TILE[1]):
            yield top, left, height, width


def _spans(length: int, reach: int, size: int) -> Iterator[tuple[int, int]]:
    inner = length - 2 * reach
    if inner <= 0:
        yield 0, length
        return
    yield 0, reach
    for start in range(reach, length - reach, size):
        yield start, min(size, length - reach - start)
    yield length - reach, reach


def _block(
    image: Any, top: int, left: int, rows: int, columns: int, kind: np.dtype[Any]
) -> tuple[Any, Any]:
    """A copy with nodata and what lies outside as 0, and its validity or None if full."""
    bottom, right = top + rows, left + columns
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    finite = np.isfinite(inside)
    if inside.shape == (rows, columns) and finite.all():
        return inside.astype(kind), None
    block, valid = np.zeros((rows, columns), kind), np.zeros((rows, columns), kind)
    place = (
        slice(max(-top, 0), max(-top, 0) + inside.shape[0]),
        slice(max(-left, 0), max(-left, 0) + inside.shape[1]),
    )
    block[place] = np.where(finite, inside, 0)
    valid[place] = finite
    return block, valid


def _whole(power: Any, reach: int, tile_filter: TileFilter) -> Any:
    """torch: the whole batch at once, so that a GPU has enough to do."""
    import torch

    kind = torch.promote_types(power.dtype, torch.float32)
    with torch.no_grad():
        finite = torch.isfinite(power)
        valid = torch.nn.functional.pad(finite.to(kind), (reach,) * 4)
        block = torch.nn.functional.pad(torch.where(finite, power.to(kind), 0), (reach,) * 4)
        return torch.where(finite, tile_filter(block, valid), torch.nan).to(power.dtype)
