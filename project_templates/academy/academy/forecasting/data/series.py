"""What a series is: a row of finite numbers at equal steps, and the labels of its steps.

Everything in `academy.forecasting` that takes a series reads it with `as_series`, so that the same
mistake gives the same words everywhere: which series, which place, what is wrong, what to do.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from academy.errors import AcademyError

Array = npt.NDArray[np.float64]
Frequency = Literal["month", "year", "week", "day"]

#: Steps after which each frequency's pattern comes again. A daily series has a week here; who
#: looks for the year in it says ``season=365``.
SEASONS: dict[Frequency, int] = {"month": 12, "year": 1, "week": 52, "day": 7}
#: How a step is written, by frequency. A week is written as the date of its first day.
LABELS: dict[Frequency, str] = {
    "month": "YYYY-MM",
    "year": "YYYY",
    "week": "YYYY-MM-DD",
    "day": "YYYY-MM-DD",
}
_MOST_SHOWN = 60


class SeriesError(AcademyError, ValueError):
    """A series, or a file of series, is not what a forecast can be made from."""


def as_series(
    values: npt.ArrayLike, name: str = "series", *, least: int = 1, missing: bool = False
) -> Array:
    """`values` as one row of finite numbers.

    Parameters
    ----------
    values
        Shape (n,): numbers, oldest first. Text and dates are refused, and not converted in silence.
    name
        What to call the series in an error.
    least
        The smallest n that will do.
    missing
        Whether values may be missing (NaN; a mask's hidden values count as missing, too). Not all
        of them may be, and infinities never.

    Returns
    -------
    float64 of shape (n,); `values` itself, not a copy, if it is that already.

    Raises
    ------
    SeriesError
        More than one dimension, no values, too few, something that is no number, missing values,
        infinities. It is a ValueError, too.

    Examples
    --------
    >>> as_series([1, 2, 3])
    array([1., 2., 3.])
    >>> as_series([1.0, float("inf")], "ocean")
    Traceback (most recent call last):
    academy.forecasting.data.series.SeriesError: ocean[1] is inf; every value must be finite. ...
    """
    array = _numbers(values, name)
    if array.ndim != 1:
        raise SeriesError(
            f"{name} must be one row of numbers; its shape is {array.shape}. "
            "Give one series at a time."
        )
    if array.size == 0:
        raise SeriesError(f"{name} is empty: it has no values.")
    if array.size < least:
        raise SeriesError(
            f"{name} has {_count(array.size, 'value')}; at least {least} needed. "
            "Give a longer history, or ask for less."
        )
    # One pass over the whole row: this is what nearly every call comes to.
    if np.isfinite(array).all():
        return array
    lacking = np.isnan(array)
    infinite = np.flatnonzero(~np.isfinite(array) & ~lacking)
    if infinite.size:
        raise SeriesError(
            f"{name}[{infinite[0]}] is {array[infinite[0]]}; every value must be finite. "
            "Look for a division by zero or the logarithm of zero."
        )
    if lacking.all():
        raise SeriesError(f"{name}: all of its {_count(array.size, 'value')} are missing.")
    if not missing:
        place = int(np.flatnonzero(lacking)[0])
        raise SeriesError(
            f"{name}[{place}] is nan; every value must be finite. {_count(int(lacking.sum()))} "
            f"of {array.size} missing: forecast from a part without gaps "
            "(academy.forecasting.data.reading takes gaps='longest')."
        )
    return array


def not_constant(values: Array, name: str = "series") -> Array:
    """`values`, unless they are all the same: then there is no scale to measure errors in.

    Examples
    --------
    >>> not_constant(as_series([3, 3, 3]), "tide")
    Traceback (most recent call last):
    academy.forecasting.data.series.SeriesError: tide is constant: all 3 values are 3. ...
    """
    if float(values.min()) == float(values.max()):
        raise SeriesError(
            f"{name} is constant: all {values.size} values are {values[0]:g}. "
            "There is nothing to learn and no scale to measure an error in; leave it out."
        )
    return values


def _numbers(values: npt.ArrayLike, name: str) -> Array:
    if isinstance(values, np.ma.MaskedArray):
        # asarray would bring back what the mask hides: fill values such as -999.
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as problem:
        raise SeriesError(f"{name} must be one row of numbers ({problem}).") from None
    if array.dtype.kind in "biuf":
        return np.asarray(array, dtype=np.float64)
    if array.dtype.kind == "O":
        return _from_objects(array, name)
    kinds = {"U": "text", "S": "bytes", "M": "dates", "m": "lengths of time", "c": "complex"}
    kind = kinds.get(array.dtype.kind, str(array.dtype))
    raise SeriesError(f"{name} holds {kind}, not numbers{_first(array)}. Convert it first.")


def _from_objects(array: npt.NDArray[np.object_], name: str) -> Array:
    """Python objects, one by one, so that the first wrong one can be named; None is missing."""
    if array.ndim != 1:
        raise SeriesError(f"{name} must be one row of numbers; its shape is {array.shape}.")
    found = np.empty(array.size, dtype=np.float64)
    for place, value in enumerate(array):
        try:
            if isinstance(value, (str, bytes, date, timedelta)):
                raise TypeError
            # pandas writes a missing value as NA, which float() does not take.
            found[place] = np.nan if value is None or repr(value) == "<NA>" else float(value)
        except (TypeError, ValueError, OverflowError):
            raise SeriesError(
                f"{name}[{place}] is {shown(value)}, which is no number. Convert it first."
            ) from None
    return found


def _first(array: npt.NDArray[np.generic]) -> str:
    return f" (the first is {shown(array.flat[0])})" if array.size else ""


def shown(value: object, most: int = _MOST_SHOWN) -> str:
    """`value` for an error message: on one line, and not longer than `most` characters."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _count(number: int, noun: str = "") -> str:
    if not noun:
        return f"{number} {'is' if number == 1 else 'are'}"
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- the labels of steps -------------------------------------------------------------------------
def step_number(label: str, frequency: Frequency) -> int:
    """`label` as a whole number; two of one frequency differ by the steps between them.

    Weeks are the exception: their numbers count days, since a week may begin on any day.

    Raises
    ------
    SeriesError
        The label is not written as `LABELS` says.

    Examples
    --------
    >>> step_number("1970-03", "month") - step_number("1969-12", "month")
    3
    """
    text = str(label)
    # Years 0001 to 9999: what a date can be. ASCII only: \d would take any script's digits.
    shape = {"month": r"[0-9]{4}-[0-9]{2}", "year": r"[0-9]{4}"}
    pattern = shape.get(frequency, r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
    if re.fullmatch(pattern, text):
        try:
            if frequency == "year":
                return date(int(text), 1, 1).year
            if frequency == "month":
                day = date(int(text[:4]), int(text[5:]), 1)
                return day.year * 12 + day.month - 1
            return date.fromisoformat(text).toordinal()
        except ValueError:
            pass
    raise SeriesError(
        f"{shown(label)} is no {frequency}; write it as {LABELS[frequency]}, "
        f"such as {step_label(_EXAMPLE[frequency], frequency)}."
    )


_EXAMPLE: dict[Frequency, int] = {
    "month": 1997 * 12 + 10,
    "year": 1997,
    "week": date(1997, 11, 24).toordinal(),
    "day": date(1997, 11, 30).toordinal(),
}


def step_label(number: int, frequency: Frequency) -> str:
    """The label that `step_number` reads as `number`.

    Examples
    --------
    >>> step_label(step_number("1997-11", "month") + 2, "month")
    '1998-01'
    """
    try:
        if frequency == "year":
            return f"{date(number, 1, 1).year:04}"
        if frequency == "month":
            return f"{date(number // 12, 1, 1).year:04}-{number % 12 + 1:02}"
        return date.fromordinal(number).isoformat()
    except (ValueError, OverflowError):
        raise SeriesError("A step lies outside the years 0001 to 9999.") from None


def stride(frequency: Frequency) -> int:
    """By how much `step_number` grows from one step to the next: 7 for weeks, else 1."""
    return 7 if frequency == "week" else 1


def times(start: str, count: int, frequency: Frequency) -> list[str]:
    """The labels of `count` steps, the first of them `start`.

    Raises
    ------
    SeriesError
        `start` is not written as `LABELS` says, or a step lies beyond the year 9999.

    Examples
    --------
    >>> times("1999-11", 3, "month")
    ['1999-11', '1999-12', '2000-01']
    >>> times("2024-02-26", 2, "week")
    ['2024-02-26', '2024-03-04']
    """
    first = step_number(start, frequency)
    width = stride(frequency)
    return [step_label(first + width * step, frequency) for step in range(count)]


def as_frequency(value: str | None) -> Frequency | None:
    """`value` as a frequency, or None; or a SeriesError that names the four there are."""
    for known in get_args(Frequency):
        if value == known:
            return known  # type: ignore[no-any-return]
    if value is None:
        return None
    raise SeriesError(f"frequency is {shown(value)}; it must be one of {', '.join(SEASONS)}.")
