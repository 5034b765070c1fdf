"""Grids (NetCDF, Zarr, or what xarray has open) as a panel: a point, a region's mean, or all cells.

Written for the grids that climate data come on: regular in latitude and longitude, either way
round, from 0 to 360 or -180 to 180 degrees, in calendars of 360, 365 or real days.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.errors import AcademyError, install
from academy.forecasting.data import missing_codes, timeline
from academy.forecasting.data.grid_axes import Grid, cell_edges, is_time, outer, overlap
from academy.forecasting.data.panel import About, Panel
from academy.forecasting.data.panel_files import clipped
from academy.forecasting.data.series import Array, SeriesError, as_frequency, shown
from academy.forecasting.data.stamps import Stamps
from academy.forecasting.data.timeline import Duplicates, Gaps, Order

#: Values that are read at most (1.6 GB): a small file may claim to hold any number of them.
MOST_VALUES = 200_000_000
#: Names are rounded to this many decimals of a degree: 11 m.
_DECIMALS = 4
_CELL = re.compile(r"([0-9]+(?:\.[0-9]+)?)([NS]) ([0-9]+(?:\.[0-9]+)?)([EW])")


def read_grid(
    source: Any,
    variable: str | None = None,
    *,
    point: tuple[float, float] | None = None,
    region: tuple[float, float, float, float] | None = None,
    cells: bool = False,
    frequency: str | None = None,
    gaps: Gaps = "refuse",
    duplicates: Duplicates = "refuse",
    order: Order = "refuse",
    missing: Sequence[str | float] | None = None,
    name: str | None = None,
    season: int | None = None,
    about: About | None = None,
) -> Panel:
    """A panel from a gridded record: exactly one of `point`, `region` and `cells` is said.

    A record of a single place, without latitude and longitude, needs none of them. As everywhere,
    nothing is interpolated (see `read_csv`), neither in time nor between cells.

    A time with bounds is the middle of them: archives stamp the mean of January with 1 January, the
    16th, or 1 February.

    Parameters
    ----------
    source
        A NetCDF file, a folder in Zarr, or an xarray Dataset or DataArray. What has a level or a
        member of an ensemble is to be chosen before: ``data.sel(level=850)``.
    variable
        Which of the file's variables; needed if there are several.
    point
        (latitude, longitude) in degrees, north and east positive: the series of the cell it lies
        in.
    region
        (south, west, north, east) in degrees: one series, the mean over the region, each cell
        weighted by the area that lies in it. From west to east: 170, -120 crosses the date line.
    cells
        A series for each cell, called like "45.5N 87.25W" (`position` reads that). Cells without
        any value, such as land in a record of the sea, are left out.
    frequency, gaps, duplicates, order, season
        As in `read_csv`.
    missing
        What else means a missing value, beside what the file says (``_FillValue``, ``valid_range``,
        ``valid_min``, ``valid_max``, and NetCDF's default). A number such as -999 that lies far off
        all others is asked about, as in `read_csv`: ``missing=[-999]`` or ``missing=[]``.
    name
        What to call the series of a point or a region; the variable's name by default.
    about
        By default what the file says of itself.

    Raises
    ------
    SeriesError
        What is wrong, and what to do about it. A region or point outside the grid; a region of
        which a cell has values at some times and not at others, unless `gaps` says what to do;
        grids that are not regular in latitude and longitude.
    AcademyError
        A package is missing that reads such files.

    Notes
    -----
    The area of a cell between latitudes a and b, on a sphere, is proportional to its width times
    sin b - sin a. A cell ends half-way to the next one's centre.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> grid = xarray.DataArray(
    ...     np.arange(24.0).reshape(2, 3, 4),
    ...     {"year": ("time", [1999, 2000]), "lat": [50, 40, 30], "lon": [0, 90, 180, 270]},
    ...     ("time", "lat", "lon"),
    ...     name="temperature",
    ... ).assign_coords(time=np.array(["1999-06-01", "2000-06-01"], "datetime64[ns]"))
    >>> read_grid(grid, point=(41, -80))["temperature"]
    array([ 7., 19.])
    """
    timeline.choice("gaps", gaps, Gaps)
    timeline.choice("duplicates", duplicates, Duplicates)
    timeline.choice("order", order, Order)
    known = as_frequency(frequency)
    opened, close = _opened(source)
    try:
        data, attributes = _variable(opened, variable)
        grid = Grid.of(data)
        chosen = _Chosen.of(grid, point, region, cells, name or str(data.name or "series"))
        stamps = Stamps.of(opened, grid.data[grid.time])
        moments = stamps.moments()
        values = chosen.read(missing, lambda step: f"time {step} ({moments.text(step)})")
        described = about or _about(data, attributes, chosen.title)
    finally:
        if close:
            opened.close()
    known = known or timeline.inferred([(chosen.names[0], moments)])
    moments = stamps.moments(known)
    parts = []
    empty = np.asarray(np.isnan(values).all(axis=0))
    for place, called in enumerate(chosen.names):
        if cells and empty[place] and not empty.all():
            continue
        parts += timeline.runs(
            called,
            moments,
            values[:, place],
            frequency=known,
            gaps=gaps,
            duplicates=duplicates,
            order=order,
            where=lambda step: f"time {step} ({moments.text(step)})",
        )
    return timeline.panel_of(parts, known, described, season)


def position(name: str) -> tuple[float, float]:
    """Latitude and longitude in degrees, north and east positive, of a cell's name.

    Raises
    ------
    SeriesError
        The name is not a cell's.

    Examples
    --------
    >>> position("45.5N 87.25W")
    (45.5, -87.25)
    """
    match = _CELL.fullmatch(name)
    if not match:
        raise SeriesError(f"{shown(name)} is not called like a cell, such as 45.5N 87.25W.")
    north, ns, east, ew = match.groups()
    return float(north) * (-1 if ns == "S" else 1), float(east) * (-1 if ew == "W" else 1)


def _cell_name(latitude: float, longitude: float) -> str:
    east = round((longitude + 180) % 360 - 180, _DECIMALS)
    north = round(latitude, _DECIMALS)
    return (
        f"{abs(north):.10g}{'S' if north < 0 else 'N'} {abs(east):.10g}{'W' if east < 0 else 'E'}"
    )


# --- opening -------------------------------------------------------------------------------------
def _opened(source: Any) -> tuple[Any, bool]:
    """An xarray Dataset or DataArray, and whether it is ours to close."""
    try:
        import xarray
    except ImportError:
        raise AcademyError(
            f"Reading grids needs xarray. {install('%pip install xarray h5netcdf cftime')}."
        ) from None
    if isinstance(source, (xarray.Dataset, xarray.DataArray)):
        return source, False
    if not isinstance(source, (str, Path)):
        raise SeriesError(
            f"source is {shown(source)}; it must be a file's name, or an xarray Dataset or "
            "DataArray."
        )
    if "://" in str(source):
        raise SeriesError(f"{shown(str(source))} is an address. Download it first, give the file.")
    path = Path(source)
    engine = _engine(path)
    try:
        # Plain arrays, read when they are wanted; object arrays (pickles) do not decode.
        local = {"consolidated": False} if engine == "zarr" else {}
        return xarray.open_dataset(path, engine=engine, chunks=None, cache=False, **local), True
    except ImportError as problem:
        needed = {"h5netcdf": "h5netcdf h5py cftime", "zarr": "zarr", "scipy": "scipy"}[engine]
        raise AcademyError(
            f"Reading {path.name} needs another package ({problem}). "
            f"{install(f'%pip install {needed}')}."
        ) from None
    except Exception as problem:  # readers of broken files raise whatever they run into
        raise SeriesError(f"{path} cannot be read ({_short(problem)}).") from None


def _engine(path: Path) -> str:
    if path.is_dir():
        if any((path / name).is_file() for name in (".zgroup", ".zmetadata", "zarr.json")):
            _no_pickles(path)
            return "zarr"
        raise SeriesError(f"{path} is a folder, and no Zarr store.")
    if not path.is_file():
        raise SeriesError(f"There is no file {path}.")
    with path.open("rb") as file:
        start = file.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        return "h5netcdf"
    if start[:3] == b"CDF":
        return "scipy"  # the older NetCDF formats
    raise SeriesError(
        f"{path} is neither NetCDF nor Zarr. Is it GRIB or PP? Convert it first, or open it with "
        "xarray and give what that opened."
    )


def _no_pickles(store: Path) -> None:
    """Refuses a store whose chunks are pickles: reading one runs what it says.

    zarr 3 refuses them by itself; the older ones do not.
    """
    for file in store.rglob("*"):
        if file.name not in (".zarray", ".zmetadata", "zarr.json"):
            continue
        try:
            document = json.loads(file.read_bytes())
        except (ValueError, OSError, RecursionError) as problem:
            raise SeriesError(f"{file} cannot be read as JSON ({_short(problem)}).") from None
        # Written anew, so that no escape hides a word.
        if '"pickle"' in json.dumps(document).lower():
            raise SeriesError(f"{file} speaks of pickles, which can run programs: not read.")


def _short(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    return text if len(text) <= 200 else text[:199] + "…"


# --- which variable ------------------------------------------------------------------------------
def _variable(opened: Any, wanted: str | None) -> tuple[Any, dict[str, Any]]:
    """The variable, and the file's own attributes."""
    if not hasattr(opened, "data_vars"):
        if wanted is not None and wanted != opened.name:
            raise SeriesError(f"This is the variable {opened.name}, not {shown(wanted)}.")
        return opened, {}
    bounds = {
        str(variable.attrs.get("bounds", variable.encoding.get("bounds")))
        for variable in opened.variables.values()
    }
    names = [str(name) for name in opened.data_vars if str(name) not in bounds]
    timed = [name for name in names if any(is_time(opened, d) for d in opened[name].dims)]
    if wanted is None and len(timed) == 1:
        return opened[timed[0]], dict(opened.attrs)
    if wanted is not None and wanted in timed:
        return opened[wanted], dict(opened.attrs)
    if wanted is None and timed:
        raise SeriesError(
            f"There are {len(timed)} variables: say which (variable={timed[0]!r}). "
            + "; ".join(_described(opened[name]) for name in timed[:10])
            + "."
        )
    if wanted in names:
        raise SeriesError(f"The variable {wanted} does not change in time; it is no series.")
    raise SeriesError(
        (f"There is no variable {shown(wanted)}" if wanted else "No variable changes in time")
        + f"; there is {', '.join(timed or names[:10]) or 'none'}."
    )


def _described(variable: Any) -> str:
    title = variable.attrs.get("long_name") or variable.attrs.get("standard_name")
    return f"{variable.name}" + (f" ({clipped(title, 60)})" if title else "")


def _about(data: Any, attributes: dict[str, Any], title: str) -> About:
    """What CF attributes say: units, long_name, source, license."""

    def said(*names: str) -> str:
        for name in names:
            text = data.attrs.get(name) or attributes.get(name)
            if isinstance(text, str) and text.strip():
                return clipped(text)
        return ""

    kind = said("long_name", "standard_name") or str(data.name or "")
    return About(
        unit=said("units"),
        source=said("source", "institution", "references"),
        licence=said("license", "licence", "rights"),
        title=clipped(f"{kind}{title}"),
    )


# --- point, region, cells ------------------------------------------------------------------------
@dataclass(frozen=True)
class _Chosen:
    """Which cells are read, and with what weights they are added up, if they are."""

    grid: Grid
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    names: Sequence[str]
    title: str = ""
    weights: Array | None = None
    """Shape (rows, columns), of a region."""

    @classmethod
    def of(
        cls,
        grid: Grid,
        point: tuple[float, float] | None,
        region: tuple[float, float, float, float] | None,
        cells: bool,
        name: str,
    ) -> _Chosen:
        said = [point is not None, region is not None, cells]
        if sum(said) > 1:
            raise SeriesError("Say one of point, region and cells, not several.")
        if grid.lone:
            if any(said):
                raise SeriesError(
                    f"{name} has no latitude and longitude: leave point, region and cells out."
                )
            return cls(grid, np.array([0]), np.array([0]), [name])
        if point is not None:
            return cls._point(grid, _numbers_of(point, 2, "point", "(latitude, longitude)"), name)
        if region is not None:
            sides = _numbers_of(region, 4, "region", "(south, west, north, east)")
            return cls._region(grid, sides, name)
        if not cells:
            raise SeriesError(
                f"{name} is a grid ({grid.covers()}): say point=(latitude, longitude), "
                "region=(south, west, north, east) or cells=True."
            )
        rows, columns = np.arange(grid.latitude.size), np.arange(grid.longitude.size)
        names = [_cell_name(lat, lon) for lat in grid.latitude for lon in grid.longitude]
        if len(set(names)) < len(names):
            raise SeriesError("Cells lie closer than 0.0001 degrees: choose some of them first.")
        return cls(grid, rows, columns, names)

    @classmethod
    def _point(cls, grid: Grid, point: tuple[float, ...], name: str) -> _Chosen:
        north, east = point
        _on_globe(north, east)
        (south_end, north_end), (west_end, east_end) = outer(grid.latitude), outer(grid.longitude)
        beyond = (east - west_end) % 360 > east_end - west_end + 1e-6
        if beyond or not south_end - 1e-6 <= north <= north_end + 1e-6:
            raise SeriesError(
                f"The point {north:g} north, {east:g} east lies outside the grid, which covers "
                f"{grid.covers()}."
            )
        row = int(np.abs(grid.latitude - north).argmin())
        column = int(np.abs((grid.longitude - east + 180) % 360 - 180).argmin())
        cell = _cell_name(grid.latitude[row], grid.longitude[column])
        return cls(grid, np.array([row]), np.array([column]), [name], f" at {cell}")

    @classmethod
    def _region(cls, grid: Grid, sides: tuple[float, ...], name: str) -> _Chosen:
        south, west, north, east = sides
        _on_globe(south, west)
        _on_globe(north, east)
        if south >= north:
            raise SeriesError(
                f"The region's south, {south:g}, is not south of its north, {north:g}. "
                "It is (south, west, north, east)."
            )
        width = 360.0 if abs(east - west) == 360 else (east - west) % 360
        if width == 0:
            raise SeriesError(f"The region's west and east are both {west:g}: it has no width.")
        if grid.latitude.size < 2 or grid.longitude.size < 2:
            raise SeriesError("The grid has a single row or column of cells: say point instead.")
        bands = np.clip(cell_edges(grid.latitude), -90.0, 90.0)
        heights = np.clip(np.sin(np.deg2rad(np.clip(bands, south, north))), -1, 1)
        tall = heights[:, 1] - heights[:, 0]
        spans = cell_edges(grid.longitude)
        wide = np.array([overlap(low, high, west, width) for low, high in spans])
        whole = (np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south))) * width
        covered = float(tall.sum() * wide.sum()) / whole
        if covered < 1 - 1e-6:
            raise SeriesError(
                f"The region {south:g} to {north:g} north and {west:g} to {east:g} east lies "
                f"{'partly ' if covered > 0 else ''}outside the grid, which covers "
                f"{grid.covers()}. A mean over a part of it would not be the region's."
            )
        rows, columns = np.flatnonzero(tall > 0), np.flatnonzero(wide > 0)
        weights = np.outer(tall[rows], wide[columns])
        title = f", mean of {south:g} to {north:g} north and {west:g} to {east:g} east"
        return cls(grid, rows, columns, [name], title, weights)

    def read(self, missing: Sequence[str | float] | None, where: Callable[[int], str]) -> Array:
        """Shape (times, series); NaN where a value is missing.

        `missing` is what was said to mean that, and `where` says when a row was.
        """
        data = self.grid.data
        count = data.sizes[self.grid.time] * self.rows.size * self.columns.size
        if count > MOST_VALUES:
            raise SeriesError(
                f"That is {count:,} values; at most {MOST_VALUES:,} are read at a time. "
                "Choose a region, fewer cells or fewer times."
            )
        if not self.grid.lone:
            data = data.isel({data.dims[1]: self.rows, data.dims[2]: self.columns})
        try:
            values = np.asarray(data.values)
        except Exception as problem:
            raise SeriesError(f"{data.name} cannot be read ({_short(problem)}).") from None
        if values.dtype.kind not in "iuf":
            raise SeriesError(f"{data.name} holds {values.dtype}, not numbers.")
        table: Array = values.astype(np.float64).reshape(len(values), -1)
        missing_codes.mask(data, table)
        said = [] if missing is None else _codes(missing)
        missing_codes.without(table, said)
        if missing is None or said:
            missing_codes.no_codes(table, self._cells(), where, [f"{code:g}" for code in said])
        return table if self.weights is None else self._mean(table)[:, None]

    def _cells(self) -> Sequence[str]:
        """What the columns of the table are called, before a mean is taken."""
        if self.weights is None:
            return self.names
        north, east = self.grid.latitude[self.rows], self.grid.longitude[self.columns]
        return [f"{self.names[0]}, {_cell_name(lat, lon)}" for lat in north for lon in east]

    def _mean(self, table: Array) -> Array:
        """The weighted mean over the cells that have values, if these are the same at all times.

        A step at which one of them is missing is missing: the mean of the others is of another
        region.
        """
        assert self.weights is not None
        lacking = np.isnan(table)
        there = ~lacking.all(axis=0)
        if not there.any():
            raise SeriesError(f"{self.names[0]}: no cell of the region has a value. Is it on land?")
        weights = self.weights.ravel()[there]
        return np.asarray(table[:, there] @ (weights / weights.sum()), dtype=np.float64)


def _codes(missing: Sequence[str | float]) -> list[float]:
    words = [missing] if isinstance(missing, (str, float, int)) else missing
    try:
        return [float(word) for word in words]
    except (TypeError, ValueError):
        raise SeriesError(
            f"missing is {shown(missing)}; it must be numbers, such as [-999]."
        ) from None


def _numbers_of(values: Any, count: int, name: str, shape: str) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not np.isfinite(found).all():
        raise SeriesError(f"{name} is {shown(values)}; it must be {shape}, in degrees.")
    return found


def _on_globe(latitude: float, longitude: float) -> None:
    if not -90 <= latitude <= 90:
        raise SeriesError(
            f"{latitude:g} is no latitude: it must be from -90 to 90. Latitude comes first."
        )
    if not -360 <= longitude <= 360:
        raise SeriesError(f"{longitude:g} is no longitude: it must be from -180 to 360.")
