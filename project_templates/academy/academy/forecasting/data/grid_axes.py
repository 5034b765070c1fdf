"""The axes of a gridded record: which dimension is what, and where cells end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from academy.forecasting.data.series import Array, SeriesError

_LATITUDES = {"latitude", "lat", "nav_lat", "y"}
_LONGITUDES = {"longitude", "lon", "long", "nav_lon", "x"}


def is_time(data: Any, name: Any) -> bool:
    """Whether the dimension `name` of `data` is time."""
    if name not in data.coords:
        return str(name).lower() == "time"
    coordinate = data.coords[name]
    return (
        str(name).lower() in ("time", "year")
        or coordinate.attrs.get("axis") == "T"
        or coordinate.attrs.get("standard_name") == "time"
        or coordinate.dtype.kind == "M"
    )


def _axis(data: Any, names: set[str], standard: str, letter: str, unit: str) -> str | None:
    """The dimension that is latitude or longitude, by CF's rules first and by its name then."""
    found = []
    for dimension in data.dims:
        if dimension not in data.coords:
            continue
        said = data.coords[dimension].attrs
        units = str(said.get("units", ""))
        if said.get("standard_name") == standard or units.startswith(unit):
            return str(dimension)
        # metres, or degrees on a rotated globe, are neither
        plain = "standard_name" not in said and units in ("", "degrees", "degree")
        if plain and (str(dimension).lower() in names or said.get("axis") == letter):
            found.append(str(dimension))
    return found[0] if found else None


@dataclass(frozen=True)
class Grid:
    """A variable with its axes: dimensions in the order time, latitude, longitude."""

    data: Any
    time: str
    latitude: Array
    longitude: Array
    """Both of one element, NaN, if the record is of a single place."""

    @classmethod
    def of(cls, data: Any) -> Grid:
        """Finds the axes of `data`, or says what it lacks."""
        times = [str(name) for name in data.dims if is_time(data, name)]
        if len(times) != 1:
            raise SeriesError(
                f"{data.name} has {'no' if not times else 'more than one'} dimension of time."
            )
        if times[0] not in data.coords:
            raise SeriesError(f"{data.name} does not say when its values were: it has no times.")
        north = _axis(data, _LATITUDES, "latitude", "Y", "degrees_north")
        east = _axis(data, _LONGITUDES, "longitude", "X", "degrees_east")
        axes = [name for name in (north, east) if name]
        others = [name for name in data.dims if str(name) not in [*times, *axes]]
        wide = [name for name in others if data.sizes[name] > 1]
        if any(_elsewhere(data, name) for name in wide) or (not axes and len(wide) > 1):
            raise SeriesError(
                f"{data.name} is on a grid that is not regular in latitude and longitude "
                f"(dimensions {', '.join(map(str, wide))}). Regrid it first."
            )
        if wide:
            raise SeriesError(
                f"{data.name} has the dimension {wide[0]} of {data.sizes[wide[0]]}: choose one, "
                f"such as data.isel({wide[0]}=0), or take a mean, and give that."
            )
        if len(axes) == 1:
            raise SeriesError(f"{data.name} has {axes[0]} and no second axis of the globe.")
        plain = data.squeeze(others, drop=True) if others else data
        if not axes:
            lone = np.array([np.nan])
            return cls(plain, times[0], lone, lone)
        return cls(
            plain.transpose(times[0], north, east),
            times[0],
            _degrees(data, str(north), 90.0),
            _degrees(data, str(east), 360.0),
        )

    @property
    def lone(self) -> bool:
        """Whether this is a single place, without latitude and longitude."""
        return bool(np.isnan(self.latitude[0]))

    def covers(self) -> str:
        """The grid's extent, in words."""
        south, north = outer(self.latitude)
        west, east = outer(self.longitude)
        return f"{south:g} to {north:g} north and {west:g} to {east:g} east"


def _elsewhere(data: Any, name: Any) -> bool:
    """Whether a dimension lies along the ground without being latitude or longitude."""
    if str(name).lower() in _LATITUDES | _LONGITUDES:
        return True
    if name not in data.coords:
        return False
    said = data.coords[name].attrs
    standard = str(said.get("standard_name", ""))
    return said.get("axis") in ("X", "Y") or standard.startswith(("grid_", "projection_"))


def _degrees(data: Any, axis: str, most: float) -> Array:
    values = np.asarray(data.coords[axis].values)
    if values.dtype.kind not in "iuf" or values.size == 0 or not np.isfinite(values).all():
        raise SeriesError(f"{axis} must be finite numbers.")
    found = values.astype(np.float64)
    if np.abs(found).max() > most + 1e-6:
        place = int(np.abs(found).argmax())
        raise SeriesError(f"{axis}[{place}] is {found[place]:g}, which is no degree.")
    steps = np.diff(found)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise SeriesError(f"{axis} must ascend or descend; it does not.")
    if most == 360.0 and abs(found[-1] - found[0]) >= 360.0 - 1e-6:
        raise SeriesError(f"{axis} has {found[0]:g} and {found[-1]:g}: the same place twice.")
    return found


def cell_edges(centres: Array) -> Array:
    """Where cells begin and end, shape (n, 2) with the lower edge first: half-way between centres.

    A single cell has no width that could be known: (nan, nan).
    """
    if centres.size == 1:
        return np.full((1, 2), np.nan)
    middle = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
    outer = np.concatenate([[first], middle, [last]])
    return np.sort(np.column_stack([outer[:-1], outer[1:]]), axis=1)


def outer(centres: Array) -> tuple[float, float]:
    """Where the first cell begins and the last one ends."""
    found = cell_edges(centres)
    if np.isnan(found).any():
        # of a single cell no width is known: half a degree to either side
        return float(centres[0]) - 0.5, float(centres[0]) + 0.5
    return float(found.min()), float(found.max())


def overlap(low: float, high: float, west: float, width: float) -> float:
    """Degrees of longitude that a cell shares with a region that goes `width` east from `west`."""
    # The cell, moved round the globe, may meet the region at either end.
    start = (low - west) % 360
    end = start + high - low
    return max(0.0, min(end, width) - start) + max(0.0, min(end - 360, width))
