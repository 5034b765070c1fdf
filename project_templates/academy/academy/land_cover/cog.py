"""A scene's arrays as cloud-optimised GeoTIFF, for geographic software; needs rasterio.

The library reads the arrays of the scene's folder: cutting crops out of compressed GeoTIFF is tens
of times slower. These files are for people, and for QGIS.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from academy.errors import DatasetError
from academy.land_cover.classes import IGNORE
from academy.land_cover.scene import Scene

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
    rasterio = _rasterio()
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written = [_write(rasterio, target / FILES["gamma0"], scene.gamma0, np.nan, scene, "")]
    if scene.labels is not None:
        labels = scene.labels[None]
        written.append(_write(rasterio, target / FILES["labels"], labels, IGNORE, scene, "label_"))
    return written


def _write(rasterio: Any, path: Path, bands: Any, nodata: float, scene: Scene, prefix: str) -> Path:
    place: dict[str, Any] = {}
    if f"{prefix}transform" in scene.metadata:
        place["transform"] = rasterio.Affine(*scene.metadata[f"{prefix}transform"][:6])
        place["crs"] = scene.metadata.get(f"{prefix}crs")
    profile = {
        "driver": "COG",
        "dtype": bands.dtype.name,
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "nodata": nodata,
        "compress": "DEFLATE",
    }
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(np.asarray(bands))
    return path


def read_bands(path: str | Path) -> Any:
    """The bands of a GeoTIFF, (bands, H, W), in the file's own type.

    Raises
    ------
    DatasetError
        rasterio is not installed, or the file cannot be opened.
    """
    rasterio = _rasterio()
    try:
        with rasterio.open(path) as file:
            return file.read()
    except rasterio.errors.RasterioIOError as error:
        raise DatasetError(f"{path} cannot be read ({error}); load or copy it again") from None
