"""Which scenes an area is cut into: 20 m grids in UTM, none larger than asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from academy.data.deafrica.errors import LoadingError, OutsideAfrica, YearError

PIXEL_M = 20
#: Fewer rows or columns than this are no scene: crops would not fit.
LEAST_PIXELS = 32

#: west, south, east, north of Digital Earth Africa's copy of cgls_landcover, in degrees (from
#: github.com/digitalearthafrica/deafrica-scripts, AFRICA_BBOX).
AFRICA = (-26.36, -47.97, 64.50, 38.35)

#: Where both are in the archive: s1_rtc starts 2018-07-01, cgls_landcover ends with 2019
#: (docs.digitalearthafrica.org, data specifications).
S1_STARTS = date(2018, 7, 1)
LABEL_YEARS = range(2015, 2020)

Area = tuple[float, float, float, float]
"""west, south, east, north in degrees."""


@dataclass(frozen=True)
class Grid:
    """A raster's place: its CRS, its six numbers as rasterio's Affine, and its shape."""

    crs: str
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int

    def affine(self) -> Any:
        """The same as an affine transform."""
        from affine import Affine

        return Affine(*self.transform)

    def part(self, row: int, column: int, height: int, width: int) -> Grid:
        """The grid of a window, which may reach beyond this one."""
        across, right, left, below, down, top = self.transform
        left, top = left + column * across + row * right, top + column * below + row * down
        return Grid(self.crs, (across, right, left, below, down, top), height, width)

    @property
    def bounds(self) -> Area:
        """left, bottom, right, top in the grid's own CRS; for grids with north up."""
        across, _, left, _, down, top = self.transform
        return left, top + down * self.height, left + across * self.width, top

    def lonlat(self) -> Area:
        """west, south, east, north in degrees of the box around it."""
        from rasterio.warp import transform_bounds

        west, south, east, north = transform_bounds(self.crs, "EPSG:4326", *self.bounds)
        return west, south, east, north


def check_areas(area: Sequence[float] | Sequence[Sequence[float]]) -> list[Area]:
    """One area or several, checked.

    Raises
    ------
    LoadingError
        Not four finite numbers in the order west, south, east, north.
    OutsideAfrica
        An area that is not within the archive's bounds.
    """
    given: list[Any] = list(area)
    several = given if given and isinstance(given[0], Sequence) else [given]
    return [_checked(each) for each in several]


def _checked(area: Any) -> Area:
    try:
        west, south, east, north = (float(value) for value in area)
    except (TypeError, ValueError):
        raise LoadingError(
            f"area {area!r} is not four numbers: west, south, east, north in degrees"
        ) from None
    if not all(math.isfinite(value) for value in (west, south, east, north)):
        raise LoadingError(f"area {area} has a number that is not finite")
    if west >= east or south >= north:
        raise LoadingError(
            f"area {area} is empty: give west, south, east, north, with west < east, south < north"
        )
    if not _within(west, south, east, north):
        hint = ""
        if _within(south, west, north, east):
            hint = "; are longitude and latitude swapped? west comes first"
        raise OutsideAfrica(
            f"area {area} is not within Digital Earth Africa's bounds, longitude "
            f"{AFRICA[0]} to {AFRICA[2]}, latitude {AFRICA[1]} to {AFRICA[3]}{hint}"
        )
    return west, south, east, north


def _within(west: float, south: float, east: float, north: float) -> bool:
    return (
        AFRICA[0] <= west
        and east <= AFRICA[2]
        and AFRICA[1] <= south
        and north <= AFRICA[3]
        and west < east
        and south < north
    )


def check_season(year: int, season: tuple[str, str]) -> tuple[datetime, datetime]:
    """The first and the last moment of a season, in UTC.

    Raises
    ------
    YearError
        Radar and labels of it do not both exist, or it is not within one year.
    """
    if year not in LABEL_YEARS or year < S1_STARTS.year:
        raise YearError(
            f"year {year}: the radar archive (s1_rtc) starts {S1_STARTS}, the labels "
            f"(cgls_landcover) are of {LABEL_YEARS[0]} to {LABEL_YEARS[-1]}, and labels of "
            "another year would be wrong where land changed; take 2019, or late 2018"
        )
    try:
        first, last = (date.fromisoformat(f"{year}-{day}") for day in season)
    except (TypeError, ValueError):
        raise YearError(
            f"season {season!r} of {year} is not two days such as ('06-01', '09-30')"
        ) from None
    if first > last:
        raise YearError(
            f"season {season[0]} to {season[1]} goes over New Year; the labels are of one year: "
            "give a season within it"
        )
    if first < S1_STARTS:
        raise YearError(
            f"season {first} to {last} starts before the radar archive does, {S1_STARTS}; "
            "start later, or take 2019"
        )
    return (
        datetime(first.year, first.month, first.day, tzinfo=UTC),
        datetime(last.year, last.month, last.day, 23, 59, 59, tzinfo=UTC),
    )


def tiles(area: Area, size: int) -> list[Grid]:
    """The scenes that cover an area, each at most `size` x `size` pixels.

    An area over several UTM zones is cut at their borders first. Within a zone its scenes are of
    nearly equal size, and together a little larger than the area, which is not square in UTM.

    Raises
    ------
    LoadingError
        The area is smaller than a scene may be, or `size` is.
    """
    if size < LEAST_PIXELS:
        raise LoadingError(f"scene_size is {size}; it must be {LEAST_PIXELS} pixels or more")
    return [tile for part in _zones(area) for tile in _tiles_of_zone(*part, size)]


def _zones(area: Area) -> Iterator[tuple[Area, str]]:
    west, south, east, north = area
    while west < east:
        zone = int((west + 180) // 6) + 1
        border = min(east, zone * 6 - 180.0)
        hemisphere = 326 if (south + north) / 2 >= 0 else 327
        yield (west, south, border, north), f"EPSG:{hemisphere}{zone:02d}"
        west = border


def _tiles_of_zone(area: Area, crs: str, size: int) -> Iterator[Grid]:
    from rasterio.warp import transform_bounds

    left, bottom, right, top = transform_bounds("EPSG:4326", crs, *area)
    left, bottom = (float(math.floor(value / PIXEL_M) * PIXEL_M) for value in (left, bottom))
    height = math.ceil((top - bottom) / PIXEL_M)
    width = math.ceil((right - left) / PIXEL_M)
    if min(height, width) < LEAST_PIXELS:
        raise LoadingError(
            f"area {area} is {height} x {width} pixels of {PIXEL_M} m in {crs}; "
            f"a scene needs {LEAST_PIXELS} x {LEAST_PIXELS}: make it larger, or keep it within "
            "one UTM zone"
        )
    place = (float(PIXEL_M), 0.0, left, 0.0, -float(PIXEL_M), bottom + height * PIXEL_M)
    whole = Grid(crs, place, height, width)
    for row, rows in _parts(height, size):
        for column, columns in _parts(width, size):
            yield whole.part(row, column, rows, columns)


def _parts(length: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of nearly equal parts of at most `size`."""
    count = math.ceil(length / size)
    for at in range(count):
        start, end = length * at // count, length * (at + 1) // count
        yield start, end - start
