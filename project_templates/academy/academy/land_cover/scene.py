"""A scene on disk: radar pixels, labels on their own coarser grid, and each pixel's label cell.

A scene is a folder, the same whether it was observed or simulated::

    gamma0.npy       float32 (2, H, W)   linear gamma nought, VV and VH; nodata is NaN
    cells.npy        int32   (H, W)      the label cell a pixel lies in, row * columns + column;
                                         -1 outside the label grid
    labels.npy       uint8   (R, C)      a class a cell, 255 ignored; absent where held out
    probability.npy  uint8   (R, C)      optional: the label's own confidence, 0 to 100, 255 unknown
    truth.npy        uint8   (H, W)      optional: the class a pixel, which only a simulator knows
    metadata.json    name, pixel size, looks, and what else its source knows

Arrays are memory-mapped: opening a scene of a gigabyte reads a few hundred bytes. Labels stay on
their own grid because that is where they are known: copied to pixels, one label would count 25
times. For geographic software, `academy.land_cover.cog` keeps the same arrays as GeoTIFF.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.errors import DatasetError
from academy.land_cover.classes import COUNT, IGNORE, Labels

Power = npt.NDArray[np.float32]
Cells = npt.NDArray[np.int32]

FORMAT = 1
BANDS = ("VV", "VH")
#: What a held-out scene does not tell: where and when it was taken.
GEOREFERENCE = frozenset(
    {
        "crs",
        "transform",
        "label_crs",
        "label_transform",
        "bounds",
        "year",
        "season",
        "dates",
        "orbit_state",
        "relative_orbit",
        "catalogue",
        "items",
        "items_left_out",
        "seed",
    }
)

_REQUIRED = {"gamma0": np.float32, "cells": np.int32}
_OPTIONAL = {"labels": np.uint8, "probability": np.uint8, "truth": np.uint8}


class SceneError(DatasetError):
    """A scene's folder is not what it should be."""


@dataclass
class Scene:
    """A radar scene with its labels.

    Parameters
    ----------
    name
        The folder's name.
    gamma0
        float32 (2, H, W), linear power, VV and VH; nodata is NaN in both bands.
    cells
        int32 (H, W), the label cell each pixel lies in; -1 for none.
    labels
        uint8 (R, C); None for a held-out scene.
    probability
        uint8 (R, C), 0 to 100; 255 unknown.
    truth
        uint8 (H, W).
    metadata
        What goes to ``metadata.json``; must be JSON.

    Raises
    ------
    SceneError
        A shape, type or value is not as above.
    """

    name: str
    gamma0: Power
    cells: Cells
    labels: Labels | None = None
    probability: Labels | None = None
    truth: Labels | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.gamma0.ndim != 3 or self.gamma0.shape[0] != len(BANDS):
            raise self._error("gamma0", f"has shape {self.gamma0.shape}; it must be (2, H, W)")
        for name, kind in {**_REQUIRED, **_OPTIONAL}.items():
            array = getattr(self, name)
            if array is not None and array.dtype != kind:
                raise self._error(name, f"is {array.dtype}; it must be {np.dtype(kind)}")
        for name in ("cells", "truth"):
            array = getattr(self, name)
            if array is not None and array.shape != self.shape:
                raise self._error(name, f"has shape {array.shape}; gamma0 has pixels {self.shape}")
        grid = self.metadata.get("label_shape")
        for name in ("labels", "probability"):
            array = getattr(self, name)
            if array is None:
                continue
            if array.ndim != 2:
                raise self._error(name, f"has shape {array.shape}; it must be (rows, columns)")
            if grid is not None and list(array.shape) != list(grid):
                raise self._error(name, f"has shape {array.shape}; metadata say {grid}")
            grid = array.shape
        if grid is None:
            raise self._error("metadata", "has no label_shape, and there are no labels to tell it")
        self.metadata["label_shape"] = [int(length) for length in grid]

    def _error(self, name: str, what: str) -> SceneError:
        return SceneError(f"scene {self.name}: {name} {what}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        return int(self.gamma0.shape[1]), int(self.gamma0.shape[2])

    @property
    def label_shape(self) -> tuple[int, int]:
        """Rows and columns of label cells."""
        rows, columns = self.metadata["label_shape"]
        return int(rows), int(columns)

    @cached_property
    def _label_of_cell(self) -> Labels:
        """Labels by cell id; the last entry is what the id -1 reads."""
        if self.labels is None:
            raise self._error("labels", "are held out: there is nothing to learn from here")
        return np.append(np.ravel(self.labels), np.uint8(IGNORE))

    def pixel_labels(self, rows: slice = slice(None), columns: slice = slice(None)) -> Labels:
        """Each pixel's label, uint8 of the window's shape; `IGNORE` for nodata.

        Raises
        ------
        SceneError
            The scene is held out.
        """
        return self._masked(self.gamma0[:, rows, columns], self.cells[rows, columns])

    def _masked(self, gamma0: Power, cells: Cells) -> Labels:
        labels = np.take(self._label_of_cell, cells, mode="wrap")
        # A sum is finite if both are; one pass over half the data.
        valid = np.isfinite(gamma0[0] + gamma0[1])
        labels[~valid] = IGNORE
        return labels

    def window(self, row: int, column: int, height: int, width: int) -> tuple[Power, Labels]:
        """A crop: gamma0 (2, height, width), a view on the file; labels (height, width)."""
        gamma0 = self.gamma0[:, row : row + height, column : column + width]
        cells = self.cells[row : row + height, column : column + width]
        return gamma0, self._masked(gamma0, cells)

    def cell_counts(self) -> npt.NDArray[np.int64]:
        """Label cells of each class, shape (9,): what class weights are made from."""
        if self.labels is None:
            raise self._error("labels", "are held out")
        return np.bincount(np.ravel(self.labels), minlength=256)[:COUNT].astype(np.int64)

    def check(self) -> None:
        """Reads everything once and checks the values.

        Raises
        ------
        SceneError
            A value is out of range: a negative power, a cell id or a class that does not exist.
        """
        with np.errstate(invalid="ignore"):
            for band, values in zip(BANDS, self.gamma0, strict=True):
                if np.isinf(values).any() or (values < 0).any():
                    raise self._error(
                        f"gamma0 {band}", "has negative or infinite power; is it in dB?"
                    )
        if (np.isnan(self.gamma0[0]) != np.isnan(self.gamma0[1])).any():
            raise self._error("gamma0", "has pixels with nodata in one band only")
        rows, columns = self.label_shape
        if self.cells.size and (self.cells.min() < -1 or self.cells.max() >= rows * columns):
            raise self._error(
                "cells",
                f"go from {self.cells.min()} to {self.cells.max()}; "
                f"the label grid has {rows} x {columns} cells",
            )
        for name in ("labels", "truth"):
            array = getattr(self, name)
            if array is not None and ((array >= COUNT) & (array != IGNORE)).any():
                wrong = array[(array >= COUNT) & (array != IGNORE)][0]
                raise self._error(name, f"have the class {wrong}; they go from 0 to {COUNT - 1}")

    def sealed(self, name: str) -> Scene:
        """This scene as learners may see it when it is held out: no labels, no place, no date."""
        kept = {key: value for key, value in self.metadata.items() if key not in GEOREFERENCE}
        return Scene(name, self.gamma0, self.cells, metadata={**kept, "held_out": True})

    def described(self) -> str:
        """What ``metadata.json`` says."""
        document = {
            "format": FORMAT,
            "name": self.name,
            "bands": list(BANDS),
            "quantity": "gamma0, linear power",
            "nodata": "NaN",
            **{key: value for key, value in self.metadata.items() if key not in ("format", "name")},
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def write(self, folder: str | Path) -> Path:
        """Writes the scene into `folder`, which is made if need be; gives the folder.

        The metadata are written last: a folder without them was not finished, and is no scene.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        (target / "metadata.json").unlink(missing_ok=True)
        for name in (*_REQUIRED, *_OPTIONAL):
            array = getattr(self, name)
            if array is None:
                (target / f"{name}.npy").unlink(missing_ok=True)
            else:
                np.save(target / f"{name}.npy", np.ascontiguousarray(array))
        (target / "metadata.json").write_text(self.described(), encoding="utf-8")
        return target

    @classmethod
    def read(cls, folder: str | Path) -> Scene:
        """Opens the scene in `folder`; its arrays are mapped, not read.

        Raises
        ------
        SceneError
            The folder is no scene, or one of another format.
        """
        source = Path(folder)
        try:
            metadata = json.loads((source / "metadata.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SceneError(f"{source} is no scene: it has no metadata.json") from None
        except ValueError as error:
            raise SceneError(f"{source / 'metadata.json'} is not JSON: {error}") from None
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise SceneError(f"{source} is not a scene of format {FORMAT}; update the library")
        arrays: dict[str, Any] = {}
        for name in (*_REQUIRED, *_OPTIONAL):
            path = source / f"{name}.npy"
            if not path.is_file():
                if name in _REQUIRED:
                    raise SceneError(f"{source} has no {name}.npy; copy the scene again")
                continue
            try:
                arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            except ValueError as error:
                raise SceneError(f"{path} cannot be read ({error}); copy it again") from None
        return cls(
            str(metadata.pop("name", source.name)), **arrays, metadata=metadata, folder=source
        )

    def __getstate__(self) -> dict[str, Any]:
        # A worker process opens the files anew: a pickled memory map is a copy of the whole file.
        if self.folder is not None:
            return {"folder": self.folder}
        return {key: value for key, value in self.__dict__.items() if key != "_label_of_cell"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        if "gamma0" not in state:
            self.__dict__.update(Scene.read(state["folder"]).__dict__)
        else:
            self.__dict__.update(state)


def read_scenes(folder: str | Path) -> list[Scene]:
    """All scenes in `folder`, by name.

    Raises
    ------
    SceneError
        There is none, or one cannot be opened.
    """
    source = Path(folder)
    found = sorted(path.parent for path in source.glob("*/metadata.json"))
    if not found:
        raise SceneError(f"{source} has no scenes: no folder in it has a metadata.json")
    return [Scene.read(path) for path in found]


def label_grid(
    height: int, width: int, cell_pixels: float, offset: tuple[float, float]
) -> tuple[Cells, tuple[int, int]]:
    """Which cell of a coarser grid each pixel's centre lies in.

    Parameters
    ----------
    height, width
        Of the pixel grid.
    cell_pixels
        A cell's side in pixels; not a whole number, so the two grids drift against each other.
    offset
        How much of the first cell, in pixels down and to the right, lies before the first pixel.

    Returns
    -------
    cells, (rows, columns)
        int32 (height, width), row * columns + column, and the coarse grid's shape.

    Examples
    --------
    >>> cells, shape = label_grid(2, 5, 2.5, (0.0, 0.0))
    >>> cells
    array([[0, 0, 1, 1, 1],
           [0, 0, 1, 1, 1]], dtype=int32)
    >>> shape
    (1, 2)
    """
    if cell_pixels < 1:
        raise ValueError(f"cell_pixels is {cell_pixels}; a label cell is at least a pixel wide")
    down = np.floor((np.arange(height) + 0.5 + offset[0]) / cell_pixels).astype(np.int32)
    right = np.floor((np.arange(width) + 0.5 + offset[1]) / cell_pixels).astype(np.int32)
    down -= down[0]
    right -= right[0]
    rows, columns = int(down[-1]) + 1, int(right[-1]) + 1
    return down[:, None] * np.int32(columns) + right[None, :], (rows, columns)
