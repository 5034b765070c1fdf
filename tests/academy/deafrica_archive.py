"""A small archive like Digital Earth Africa's on disk: a static STAC catalogue of real COGs.

Two 1-degree tiles are stood in for by two that meet at `SEAM`, in the middle of the scenes. Over
them pass two descending relative orbits and one ascending, the last on the same solar days as the
first: whoever groups by day mixes dawn with dusk. All pixel values are known, here and nowhere in
the loader.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import rasterio
from affine import Affine

STEP = 0.0002
WEST, NORTH = 36.68, -1.34
ROWS, COLUMNS, SEAM = 400, 420, 180
#: What tests load: well inside the tiles.
AREA = (36.70, -1.40, 36.73, -1.37)

LABEL_STEP = 0.0009920634920634888
LABEL_WEST, LABEL_NORTH = 36.0007, -1.0003
LABEL_ROWS, LABEL_COLUMNS = 600, 1000

LOOKS = 4.4
CODES = (111, 126, 20, 30, 100, 40, 50, 60, 80, 90)


@dataclass(frozen=True)
class Track:
    """An orbit that passes over the archive."""

    state: str
    relative: int | None
    first: datetime
    dates: int
    level: float


DAWN = Track("descending", 21, datetime(2019, 6, 3, 3, 12, 9, tzinfo=UTC), 10, 1.0)
OTHER_DAWN = Track("descending", 94, datetime(2019, 6, 8, 3, 20, 4, tzinfo=UTC), 3, 3.0)
#: The same solar days as DAWN, seen from the other side.
DUSK = Track("ascending", 58, datetime(2019, 6, 3, 15, 50, 30, tzinfo=UTC), 5, 10.0)


@dataclass
class Archive:
    """Where it is, and what is in it.

    Attributes
    ----------
    catalogue
        Path of catalog.json.
    images
        For each pass, by its time: vv, vh and mask over both tiles, (ROWS, COLUMNS).
    codes, probability
        The land cover of 2019, (LABEL_ROWS, LABEL_COLUMNS).
    """

    folder: Path
    catalogue: Path
    images: dict[datetime, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    probability: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def copy(self, folder: Path) -> Archive:
        """Another on disk, to break."""
        shutil.copytree(self.folder, folder)
        return Archive(folder, folder / "catalog.json", self.images, self.codes, self.probability)

    def file(self, name: str) -> Path:
        """A file by its name."""
        (found,) = self.folder.rglob(name)
        return found


def item_name(tile: int, moment: datetime) -> str:
    """Of the item of a tile (0 or 1) and pass."""
    return f"S1_{tile}_{moment:%Y%m%dT%H%M%S}"


def ground(seed: int = 0) -> np.ndarray:
    """Fields of one backscatter each, (2, ROWS, COLUMNS) linear."""
    rng = np.random.default_rng(seed)
    fields = rng.uniform(0.03, 0.3, (2, ROWS // 40 + 1, COLUMNS // 40 + 1))
    fields[1] /= 5
    return np.kron(fields, np.ones((1, 40, 40)))[:, :ROWS, :COLUMNS].astype(np.float32)


def make(
    folder: Path,
    tracks: tuple[Track, ...] = (DAWN, OTHER_DAWN, DUSK),
    label_years: tuple[int, ...] = (2018, 2019),
    code: int | None = None,
) -> Archive:
    """Writes an archive; `code` makes all land cover that one."""
    archive = Archive(folder, folder / "catalog.json")
    catalogue = pystac.Catalog("archive", "as Digital Earth Africa has it")
    rng = np.random.default_rng(5)
    land = ground()
    items = []
    for track in tracks:
        for number in range(track.dates):
            moment = track.first + timedelta(days=12 * number)
            bands = _images(rng, land, track, number)
            archive.images[moment] = bands
            items += [_s1_item(folder, tile, track, moment, bands) for tile in (0, 1)]
    archive.codes = np.full((LABEL_ROWS, LABEL_COLUMNS), code or 0, np.uint8)
    archive.probability = rng.integers(30, 101, archive.codes.shape).astype(np.uint8)
    if code is None:
        archive.codes[:] = rng.choice(CODES, archive.codes.shape)
        archive.codes[395:, :705] = 200  # sea in the south west of the area
        archive.probability[370, 720] = 255
    items += [_label_item(folder, year, archive) for year in label_years]
    _write(catalogue, items, folder)
    return archive


def _write(catalogue: pystac.Catalog, items: list[pystac.Item], folder: Path) -> None:
    for name in ("s1_rtc", "cgls_landcover"):
        extent = pystac.Extent(
            pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]])
        )
        collection = pystac.Collection(name, name, extent, license="CC-BY-4.0")
        collection.add_items(item for item in items if item.id.startswith(name[:1].upper()))
        catalogue.add_child(collection)
    catalogue.normalize_hrefs(str(folder))
    catalogue.make_all_asset_hrefs_relative()
    catalogue.save(pystac.CatalogType.SELF_CONTAINED)


def _images(
    rng: np.random.Generator, land: np.ndarray, track: Track, number: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One pass: speckle on the ground, and all that is wrong with real ones."""
    speckle = rng.gamma(LOOKS, 1 / LOOKS, land.shape).astype(np.float32)
    vv, vh = land * speckle * np.float32(track.level)
    mask = np.ones((ROWS, COLUMNS), np.uint8)
    if track is DAWN and number == 2:
        # The swath ends: a slanted border, with noise along it that the mask lets pass.
        border = np.arange(COLUMNS)[None, :] < 120 + np.arange(ROWS)[:, None] // 4
        mask[border] = 0
        vv[border], vh[border] = np.nan, np.nan
        noise = ~border & np.roll(border, 8, axis=1)
        vv[noise] *= 1000
    if track is DAWN and number == 3:
        mask[200:210, 220:230] = 2  # layover
        vv[200:210, 220:230] = 500
        vh[215, 240] = -0.001
        vv[216, 241] = np.inf
        vv[217, 242], vh[217, 242] = 0, 0  # specks: they must not widen
        mask[218, 243] = 0
    return vv, vh, mask


def _columns(tile: int) -> slice:
    return slice(0, SEAM) if tile == 0 else slice(SEAM, COLUMNS)


def _s1_item(
    folder: Path,
    tile: int,
    track: Track,
    moment: datetime,
    bands: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> pystac.Item:
    name = item_name(tile, moment)
    columns = _columns(tile)
    place = Affine(STEP, 0, WEST + columns.start * STEP, 0, -STEP, NORTH)
    # The second tile's slice starts seconds later, as consecutive slices do.
    properties = {"sat:orbit_state": track.state}
    if track.relative is not None:
        properties["sat:relative_orbit"] = track.relative
    moment = moment + timedelta(seconds=25 * tile)
    item = _item(name, moment, place, (ROWS, columns.stop - columns.start), properties)
    if track is DUSK:  # some items do not tell their grid: the files do
        item.stac_extensions = []
        item.properties = {k: v for k, v in item.properties.items() if not k.startswith("proj:")}
    for band, values in zip(("vv", "vh", "mask"), bands, strict=True):
        path = folder / "files" / f"{name}_{band}.tif"
        _cog(path, values[:, columns], place, 0 if band == "mask" else np.nan)
        item.add_asset(band, pystac.Asset(str(path), media_type=pystac.MediaType.COG))
    item.add_asset("metadata", pystac.Asset("card4l.xml", media_type="application/xml"))
    return item


def _label_item(folder: Path, year: int, archive: Archive) -> pystac.Item:
    place = Affine(LABEL_STEP, 0, LABEL_WEST, 0, -LABEL_STEP, LABEL_NORTH)
    name = f"CGLS_{year}"
    item = _item(name, datetime(year, 7, 2, tzinfo=UTC), place, archive.codes.shape, {})
    for asset, values in (
        ("classification", archive.codes),
        ("classification_probability", archive.probability),
    ):
        path = folder / "files" / f"{name}_{asset}.tif"
        # Another year's map is another map.
        _cog(path, values if year == 2019 else np.full_like(values, 80), place, 255)
        item.add_asset(asset, pystac.Asset(str(path), media_type=pystac.MediaType.COG))
    return item


def _item(
    name: str,
    moment: datetime,
    place: Affine,
    shape: tuple[int, ...],
    properties: dict[str, object],
) -> pystac.Item:
    west, north = place @ (0, 0)
    east, south = place @ (shape[1], shape[0])
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    projection = {
        "proj:epsg": 4326,
        "proj:shape": list(shape),
        # Rounded, as metadata are: only the file itself is exact.
        "proj:transform": [round(value, 6) for value in tuple(place)[:6]],
    }
    return pystac.Item(
        name,
        {"type": "Polygon", "coordinates": [ring]},
        [west, south, east, north],
        moment,
        {**properties, **projection},
        stac_extensions=["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
    )


def _cog(path: Path, values: np.ndarray, place: Affine, nodata: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        dtype=values.dtype.name,
        count=1,
        height=values.shape[0],
        width=values.shape[1],
        crs="EPSG:4326",
        transform=place,
        nodata=nodata,
        compress="DEFLATE",
        level=1,
        blocksize=128,
        overviews="NONE",
    ) as file:
        file.write(values, 1)
