"""Missing values that are written as numbers: codes such as -999, and what NetCDF says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import Array, SeriesError

#: Numbers that archives write for a missing value. One that lies far off all others is asked about,
#: since a mean over it is nonsense that looks like a number.
_CODES = np.array(
    [
        *(-99.0, -99.9, -99.99, -999.0, -999.9, -999.99, -9999.0, -9999.9, -9999.99, -888.0),
        *(-99999.0, -99999.9, -999999.0, -9999999.0, -99999999.0, -8888.0, -9.99e8, -1e20),
        *(-32767.0, -32768.0, -2147483647.0, -2147483648.0, -9223372036854775806.0, -1e30),
        *(999.9, 999.99, 9999.0, 9999.9, 9999.99, 99999.0, 99999.9, 999999.0, 9999999.0),
        *(32767.0, 65535.0, 2147483647.0, 1e15, 1e20, 1e30, 1e35, 1e36, 9.999e20, -1e34),
        *(9.969209968386869e36, 3.4028234663852886e38, -3.4028234663852886e38),
    ]
)
#: Codes that were single precision before they became double are this far off themselves.
_SAME = 1e-7
#: A code is far off if it lies this many interquartile ranges beyond the quartiles of the others,
#: and if no other value lies within one of it.
_FAR_OFF = 3.0
#: What NetCDF's library writes where nothing was written, by kind and bytes (bytes have none).
_DEFAULT_FILLS = {
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
    "i2": -32767.0,
    "i4": -2147483647.0,
    "i8": -9223372036854775806.0,
    "u2": 65535.0,
    "u4": 4294967295.0,
    "u8": 18446744073709551614.0,
}


# --- codes ---------------------------------------------------------------------------------------
def no_codes(
    values: Array, names: Sequence[str], where: Callable[[int], str], missing: Sequence[str]
) -> None:
    """Refuses values that are codes for a missing one and lie far off all others of their series.

    Codes are taken out before the others are judged: two of them in one series do not hide each
    other.

    Parameters
    ----------
    values
        Shape (n, series); NaN where a value is missing.
    names
        What each series is called.
    where
        Says what row a place in `values` is.
    missing
        What has been said already to mean missing.
    """
    candidate = _equal(values, _CODES)
    if candidate is None:
        return
    for column in np.flatnonzero(candidate.any(axis=0)).tolist():
        series, codes = values[:, column], candidate[:, column]
        others = series[np.isfinite(series) & ~codes]
        found = [float(code) for code in np.unique(series[codes]) if _far(float(code), others)]
        if not found:
            continue
        place = int(np.flatnonzero(np.isin(series, found))[0])
        rest = "and there is no other value"
        if others.size:
            rest = f"far off all other values ({others.min():g} to {others.max():g})"
        texts = [_text(code) for code in found]
        also = [text for text in texts if text != _text(series[place])]
        listed = ", ".join(repr(text) for text in [*missing, *texts])
        raise SeriesError(
            f"{names[column]}: {where(place)} says {_text(series[place])}, {rest}"
            + (f"; others say {', '.join(also)}. " if also else ". ")
            + f"If it means missing, say missing=[{listed}]; if it was measured, say missing=[]."
        )


def without(values: Array, missing: Sequence[float]) -> None:
    """Puts NaN in place of the values that are one of `missing`."""
    if (equal := _equal(values, np.array(missing, dtype=np.float64))) is not None:
        values[equal] = np.nan


def _equal(values: Array, numbers: Array) -> npt.NDArray[np.bool_] | None:
    """Where `values` are one of `numbers`; None if they are nowhere."""
    if not values.size:
        return None
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    loose = np.abs(numbers) * _SAME
    found = np.zeros(values.shape, dtype=bool)
    # Most records hold no number as large as a code: then there is nothing to look for.
    for place in np.flatnonzero((numbers + loose >= low) & (numbers - loose <= high)):
        found |= np.abs(values - numbers[place]) <= loose[place]
    return found if found.any() else None


def _far(code: float, others: Array) -> bool:
    if not others.size:
        return True
    low, middle, high = np.percentile(others, [25, 50, 75])
    # On most days there may be no rain: then the middle half are all the same.
    spread = float(high - low) or float(np.abs(others - middle).mean())
    beyond = max(float(low) - code, code - float(high))
    return beyond > _FAR_OFF * spread and float(np.abs(others - code).min()) > spread


def _text(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


# --- NetCDF --------------------------------------------------------------------------------------
def mask(data: Any, values: Array) -> None:
    """Puts NaN in place of `values` that the attributes of the variable `data` say are missing.

    These lie outside ``valid_min``, ``valid_max`` or ``valid_range``, or are NetCDF's own fill
    value where the file names no other. What xarray has decoded is NaN already.

    Raises
    ------
    SeriesError
        The values are packed still, or every one of them lies outside the limits.
    """
    decoded = ("scale_factor", "add_offset", "_FillValue", "missing_value")
    undone = [name for name in decoded if name in data.attrs]
    if undone and data.dtype.kind in "iu":
        raise SeriesError(
            f"{data.name} is as the file has it packed: integers, with {', '.join(undone)} in its "
            "attributes. Open the file without mask_and_scale=False, or give what "
            "xarray.decode_cf makes of its Dataset."
        )
    if not values.size:
        return
    without(values, [*_said(data, "_FillValue"), *_said(data, "missing_value")])
    low, high, loose = _limits(data)
    fill, half = _default_fill(data)
    values[np.abs(values - fill) <= half] = np.nan
    least, most = float(np.fmin.reduce(values, None)), float(np.fmax.reduce(values, None))
    if most < low - loose or least > high + loose:
        raise SeriesError(
            f"{data.name} has values from {least:g} to {most:g}, and its attributes say that only "
            f"{low:g} to {high:g} are valid. Is that another unit? Correct or delete its "
            "valid_range, valid_min and valid_max."
        )
    if least < low - loose or most > high + loose:
        values[(values < low - loose) | (values > high + loose)] = np.nan


def _said(data: Any, name: str) -> list[float]:
    """The numbers that an attribute holds; none if it is text, or absent."""
    said = np.asarray(data.attrs.get(name, ())).ravel()
    return (
        [float(number) for number in said if number == number] if said.dtype.kind in "iuf" else []
    )


def _packing(data: Any) -> tuple[float, float]:
    """By what the file's integers were multiplied, and what was added then."""
    scale, offset = data.encoding.get("scale_factor", 1.0), data.encoding.get("add_offset", 0.0)
    return float(scale), float(offset)


def _limits(data: Any) -> tuple[float, float, float]:
    """The lowest and the highest valid value, and how far beyond them rounding may reach."""
    names = [name for name in ("valid_range", "valid_min", "valid_max") if _said(data, name)]
    said = {name: _said(data, name) for name in names}
    integers = all(np.asarray(data.attrs[name]).dtype.kind in "iu" for name in names)
    if integers and str(data.encoding.get("_Unsigned")).lower() == "true":
        more = 2.0 ** (8 * np.dtype(data.encoding["dtype"]).itemsize)
        said = {name: [n + more if n < 0 else n for n in said[name]] for name in names}
    both = said.get("valid_range", [])
    lows, highs = said.get("valid_min", []), said.get("valid_max", [])
    if len(both) == 2:
        lows, highs = [*lows, both[0]], [*highs, both[1]]
    low, high = max(lows, default=-np.inf), min(highs, default=np.inf)
    scale, offset = _packing(data)
    if integers and scale and (scale, offset) != (1.0, 0.0):
        # As the file's integers are, by NetCDF's rule.
        low, high = sorted((low * scale + offset, high * scale + offset))
        return low, high, abs(scale) / 2
    return low, high, _SAME * max(abs(n) for n in (low, high, 0.0) if np.isfinite(n))


def _default_fill(data: Any) -> tuple[float, float]:
    """What NetCDF writes where nothing was written, and how far off rounding may put it."""
    if "_FillValue" in data.encoding or "_FillValue" in data.attrs:
        return np.nan, 0.0
    in_file = data.encoding.get("dtype")
    # Integers that come from no file mean what they say.
    dtype = np.dtype(in_file) if in_file else data.dtype if data.dtype.kind == "f" else None
    fill = None if dtype is None else _DEFAULT_FILLS.get(f"{dtype.kind}{dtype.itemsize}")
    if fill is None:
        return np.nan, 0.0
    scale, offset = _packing(data)
    found = fill * scale + offset
    if not np.isfinite(found):
        return np.nan, 0.0
    return found, max(abs(scale) / 2 if fill < 0 else 0.0, abs(found) * _SAME)
