"""When the values of a gridded record were: its times as dates, in the middle of their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from academy.forecasting.data.moments import Moments
from academy.forecasting.data.series import Frequency, SeriesError, shown

#: Whole numbers in this range are years, whatever their coordinate is called.
_YEARS = (1000, 2999)
_UNITS_OF_YEARS = ("", "1", "year", "years", "calendar_year")
_DAYS_USUAL = ("standard", "gregorian", "proleptic_gregorian")


@dataclass(frozen=True)
class Stamps:
    """The times of a record, and where the interval of each begins and ends, if that is known."""

    values: Any
    """Years, or dates as numpy or cftime have them; shape (n,)."""
    bounds: str = ""
    """The variable that should hold the bounds; empty if the file speaks of none."""
    lower: Any = None
    upper: Any = None

    @classmethod
    def of(cls, opened: Any, coordinate: Any) -> Stamps:
        """Of the coordinate of time of what xarray has `opened`.

        Raises
        ------
        SeriesError
            The times are no dates.
        """
        values = np.asarray(coordinate.values)
        if values.size == 0:
            raise SeriesError("There are no times.")
        if values.dtype.kind == "M":
            if np.isnat(values).any():
                raise SeriesError(f"time[{int(np.isnat(values).argmax())}] is missing.")
        elif values.dtype.kind in "iu":
            _are_years(coordinate, values)
            return cls(values)
        elif values.dtype.kind != "O" or not all(hasattr(time, "calendar") for time in values):
            raise SeriesError(
                f"The times are not dates, but {values.dtype} ({shown(values[0])}). Their "
                "attribute units must say what they count, such as 'days since 1800-01-01'."
            )
        bounds = str(coordinate.attrs.get("bounds") or coordinate.encoding.get("bounds") or "")
        edges = _edges(opened, coordinate, values, bounds)
        return cls(values, bounds) if edges is None else cls(values, bounds, *edges)

    def moments(self, frequency: Frequency | None = None) -> Moments:
        """The date that says in which step a value belongs.

        It is the middle of its bounds, or where these begin, if it is weeks that are called by
        their first day.

        Raises
        ------
        SeriesError
            The bounds cannot be read, and each time may be the beginning of its own step or the
            end of the one before.
        """
        if self.lower is not None:
            begin = frequency == "week"
            return _dates(self.lower if begin else self.lower + (self.upper - self.lower) / 2)
        found = _dates(self.values)
        if self.bounds and frequency and self._between_steps(found, frequency):
            raise SeriesError(
                f"Are the times, such as {found.text(0)}, the first or the last moment of a "
                f"{frequency}? Their bounds, {shown(self.bounds)}, would tell; they are not there, "
                "or hold no dates around the times. Give the Dataset that has them. If they are "
                "the first, take bounds out of the attributes: data.time.attrs.pop('bounds')."
            )
        return found

    def _between_steps(self, found: Moments, frequency: Frequency) -> bool:
        midnight = found.day > 0
        if self.values.dtype.kind == "M":
            midnight = self.values == self.values.astype("datetime64[D]")
        elif self.values.dtype.kind == "O":
            clocks = [(t.hour, t.minute, t.second, t.microsecond) for t in self.values]
            midnight = np.array([not any(clock) for clock in clocks])
        if frequency in ("month", "year"):
            midnight &= found.day == 1
        if frequency == "year":
            midnight &= found.month == 1
        return bool(midnight.all())


def _are_years(coordinate: Any, values: Any) -> None:
    """Refuses whole numbers that may be months, days, or the numbers of records."""
    units = str(coordinate.attrs.get("units") or coordinate.encoding.get("units") or "").strip()
    called = str(coordinate.name).lower() in ("year", "years")
    low, high = int(values.min()), int(values.max())
    if units.lower() in _UNITS_OF_YEARS and (
        (called and low > 0 and high <= 9999) or (_YEARS[0] <= low and high <= _YEARS[1])
    ):
        return
    count = values.size
    way = "If they are years, call them so: data.rename(time='year')."
    if units.lower() not in _UNITS_OF_YEARS:
        way = "Open the file without decode_times=False, or give what xarray.decode_cf makes of it."
        if units.lower().startswith(("month", "year")):
            way = "Months and years have no fixed length, so that xarray does not count in them."
    raise SeriesError(
        f"The times are not dates, but whole numbers from {low} to {high}"
        f"{f' in {shown(units)}' if units else ''}. {way} Otherwise say when they were, such as "
        f"data.assign_coords(time=pandas.date_range('1960-01', periods={count}, freq='MS'))."
    )


def _dates(values: Any) -> Moments:
    if values.dtype.kind == "M":
        months = values.astype("datetime64[M]").astype(np.int64)
        day = (values.astype("datetime64[D]") - values.astype("datetime64[M]")).astype(np.int64)
        return Moments(months // 12 + 1970, months % 12 + 1, day + 1, "day")
    if values.dtype.kind == "O":
        calendar = values[0].calendar
        dates = [(time.year, time.month, time.day) for time in values]
        return Moments.of(dates, "day", "standard" if calendar in _DAYS_USUAL else calendar)
    return Moments.of([(int(year), 1, 1) for year in values], "year")


def _edges(opened: Any, coordinate: Any, values: Any, name: str) -> tuple[Any, Any] | None:
    """Where each time's interval begins and ends; None if no such dates are there."""
    known = opened.variables if hasattr(opened, "data_vars") else opened.coords
    if not name or name not in known or coordinate.dims[0] not in known[name].dims:
        return None
    try:
        edges = np.asarray(known[name].transpose(coordinate.dims[0], ...).values)
        if edges.shape != (len(values), 2) or edges.dtype.kind != values.dtype.kind:
            return None
        lower, upper = edges.min(axis=1), edges.max(axis=1)
        around = (lower <= values) & (values <= upper)
    except Exception:  # readers of broken files raise whatever they run into
        return None
    return (lower, upper) if bool(np.all(around)) else None
