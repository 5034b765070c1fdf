"""Land cover on its own 100 m grid, and the cell that each 20 m pixel lies in.

Codes are never resampled: the window of the map is cut out as it is, and each pixel of the scene
is told which cell its centre lies in, by geometry. The map is in degrees, the scene in metres, so
that cells are four to six pixels wide, by latitude, and drift against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.data.deafrica.areas import Grid
from academy.data.deafrica.catalogue import LABEL_BANDS
from academy.data.deafrica.errors import LoadingError
from academy.data.deafrica.reading import (
    STAC_CFG,
    check_assets,
    grid_of,
    public,
    quiet,
    which_is_broken,
    window,
)
from academy.land_cover.classes import IGNORE, Labels, from_cgls
from academy.land_cover.scene import Cells

#: A cell is labelled if more than this part of it is in the scene: then it is in no other too.
PART_INSIDE = 0.5
#: Confidence that the map does not state.
UNKNOWN = 255


@dataclass(frozen=True)
class CellLabels:
    """Labels of the cells of a scene.

    Attributes
    ----------
    grid
        Of the cells, (R, C).
    cells
        int32 (H, W), each pixel's cell, row * C + column.
    labels
        uint8 (R, C), classes; `IGNORE` for sea and no input.
    probability
        uint8 (R, C), 0 to 100, the map's own confidence; 255 unknown.
    """

    grid: Grid
    cells: Cells
    labels: Labels
    probability: Labels

    def ignore_unseen(self, scene: Grid, valid: npt.NDArray[np.bool_]) -> None:
        """Makes `IGNORE` of cells not enough of which valid pixels, bool (H, W), cover."""
        self.labels[seen_part(self.cells, self.grid, scene, valid) <= PART_INSIDE] = IGNORE


def read_labels(items: Sequence[Any], scene: Grid) -> CellLabels:
    """The land cover of a scene.

    Parameters
    ----------
    items
        Of one year, with classification and classification_probability.
    scene
        The pixels' grid.

    Raises
    ------
    BrokenAsset
        A file cannot be read.
    LoadingError
        It has codes that are not of CGLS-LC100.
    """
    import odc.stac
    import rasterio
    from odc.geo.geobox import GeoBox

    check_assets(items, LABEL_BANDS)
    grid = window(grid_of(items[0], LABEL_BANDS[0]), scene, margin=0)
    try:
        with quiet():
            loaded = odc.stac.load(
                items,
                bands=list(LABEL_BANDS),
                geobox=GeoBox((grid.height, grid.width), grid.affine(), grid.crs),
                groupby=lambda *_: 0,
                resampling="nearest",
                stac_cfg=STAC_CFG,
                patch_url=public,
            )
    except rasterio.errors.RasterioError as error:
        broken = which_is_broken(items, LABEL_BANDS, grid, error)
        raise broken or LoadingError(f"the land cover cannot be read: {error}") from None
    codes, stated = (loaded[band].data[0] for band in LABEL_BANDS)
    try:
        labels = from_cgls(codes)
    except ValueError as error:
        names = ", ".join(item.id for item in items)
        raise LoadingError(f"labels of {names}: {error}") from None
    stated = np.where(stated > 100, np.uint8(UNKNOWN), stated)
    return CellLabels(grid, cells_of(scene, grid), labels, stated)


def cells_of(scene: Grid, labels: Grid) -> Cells:
    """int32 (H, W): the cell that each pixel's centre lies in; -1 outside the label grid."""
    from pyproj import Transformer

    to_labels = Transformer.from_crs(scene.crs, labels.crs, always_xy=True)
    place, inverse = scene.affine(), ~labels.affine()
    cells = np.empty((scene.height, scene.width), np.int32)
    columns = np.arange(scene.width) + 0.5
    strip = max(1, 1_000_000 // scene.width)
    for top in range(0, scene.height, strip):
        rows = np.arange(top, min(top + strip, scene.height)) + 0.5
        x, y = to_labels.transform(*_apply(place, *np.meshgrid(columns, rows)))
        column, row = (np.floor(each).astype(np.int64) for each in _apply(inverse, x, y))
        inside = (column >= 0) & (column < labels.width) & (row >= 0) & (row < labels.height)
        cells[top : top + len(rows)] = np.where(inside, row * labels.width + column, -1)
    return cells


def _apply(transform: Any, x: Any, y: Any) -> tuple[Any, Any]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return a * x + b * y + c, d * x + e * y + f


def seen_part(
    cells: Cells, labels: Grid, scene: Grid, valid: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """(R, C): which part of each cell valid pixels of the scene cover."""
    from pyproj import Transformer

    count = np.bincount(cells[valid & (cells >= 0)], minlength=labels.height * labels.width)
    # A cell's size in metres changes by a thousandth over a scene: that of the middle will do.
    middle = _apply(labels.affine(), labels.width // 2, labels.height // 2)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float) * (
        labels.transform[0],
        labels.transform[4],
    )
    to_scene = Transformer.from_crs(labels.crs, scene.crs, always_xy=True)
    x, y = to_scene.transform(middle[0] + corners[:, 0], middle[1] + corners[:, 1])
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    pixel = abs(scene.transform[0] * scene.transform[4])
    part = count * float(pixel / area)
    return np.asarray(part.reshape(labels.height, labels.width), np.float64)
