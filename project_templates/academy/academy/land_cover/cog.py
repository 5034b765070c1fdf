"""A scene's arrays as cloud-optimised GeoTIFF, for geographic software; needs rasterio.

The library reads the arrays of the scene's folder: cutting crops out of compressed GeoTIFF is tens
of times slower. These files are for people, and for QGIS.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from academy.errors import DatasetError
from academy.land_cover.classes import CLASSES, IGNORE
from academy.land_cover.scene import BANDS, Scene

FILES = {"gamma0": "gamma0.tif", "labels": "labels.tif"}


def _rasterio() -> Any:
    try:
        return importlib.import_module("rasterio")
    except ImportError:
        raise DatasetError(
            "GeoTIFF files need rasterio, which is not installed here; "
            "install it with: pip install rasterio"
        ) from None


def write_cogs(scene: Scene, folder: str | Path) -> list[Path]:
    """Writes gamma0.tif (VV, VH, nodata NaN) and labels.tif (nodata 255) into `folder`.

    Place is from the metadata's ``crs``, ``transform``, ``label_crs`` and ``label_transform``
    (six numbers, as rasterio's Affine); without them the files have none.

    Raises
    ------
    DatasetError
        rasterio is not installed.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    told = scene.metadata
    place = told.get("crs"), told.get("transform")
    written = [write_cog(target / FILES["gamma0"], scene.gamma0, np.nan, *place, BANDS)]
    if scene.labels is not None:
        place = told.get("label_crs"), told.get("label_transform")
        colours = {number: _rgb(each.colour) for number, each in enumerate(CLASSES)}
        path = target / FILES["labels"]
        written.append(
            write_cog(path, scene.labels[None], IGNORE, *place, ("class",), colours=colours)
        )
    return written


def write_cog(
    path: Path,
    bands: Any,
    nodata: float,
    crs: str | None,
    transform: Sequence[float] | None,
    names: Sequence[str],
    *,
    colours: dict[int, tuple[int, int, int]] | None = None,
) -> Path:
    """Writes one cloud-optimised GeoTIFF; gives its path.

    Parameters
    ----------
    bands
        (bands, H, W).
    nodata
        The value that stands for none.
    crs, transform
        Its place, six numbers as rasterio's Affine; None for a file without.
    names
        Of the bands.
    colours
        Of whole numbers that are classes; overviews then show the commonest, not a mean.

    Raises
    ------
    DatasetError
        rasterio is not installed.
    """
    rasterio = _rasterio()
    place = {} if transform is None else {"transform": rasterio.Affine(*transform[:6]), "crs": crs}
    profile = {
        "driver": "COG",
        "dtype": bands.dtype.name,
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "nodata": nodata,
        "compress": "DEFLATE",
        "predictor": "YES",
        "overview_resampling": "MODE" if colours else "AVERAGE",
    }
    with _no_place_is_no_news(), rasterio.open(path, "w", **profile, **place) as file:
        file.write(np.asarray(bands))
        for number, name in enumerate(names, start=1):
            file.set_band_description(number, name)
        if colours:
            file.write_colormap(1, colours)
    return path


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


@contextmanager
def _no_place_is_no_news() -> Any:
    """A sealed scene has no place; rasterio need not warn of that."""
    rasterio = _rasterio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def read_bands(path: str | Path) -> Any:
    """The bands of a GeoTIFF, (bands, H, W), in the file's own type.

    Raises
    ------
    DatasetError
        rasterio is not installed, or the file cannot be opened.
    """
    rasterio = _rasterio()
    try:
        with _no_place_is_no_news(), rasterio.open(path) as file:
            return file.read()
    except rasterio.errors.RasterioIOError as error:
        raise DatasetError(f"{path} cannot be read ({error}); load or copy it again") from None
