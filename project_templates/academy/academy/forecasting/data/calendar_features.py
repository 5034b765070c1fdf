"""What a date alone tells a model: the month, the day of the week, the place in the year.

Nothing here is fitted, and nothing is looked up in a series: the features of a step are a function
of its date, so those of the future are known exactly, and they cannot leak. (A mean, a scale or a
trend line taken from the data is another matter: see `academy.forecasting.evaluation.leakage`.)
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import (
    Array,
    Frequency,
    SeriesError,
    as_frequency,
    step_number,
    times,
)

#: Waves in a year: two describe most seasons, each more a sharper one.
HARMONICS = 2
#: ``trend`` is 0 at the beginning of this year, and grows by one in a decade.
EPOCH = 2000


class Features(NamedTuple):
    """Features of steps: `values` of shape (n, k), float64, and the k `names` of its columns."""

    values: Array
    names: tuple[str, ...]


def month_of_year(
    times_or_start: str | Iterable[str], count: int | None = None
) -> npt.NDArray[np.int64]:
    """The month of each step, 0 for January to 11.

    Parameters
    ----------
    times_or_start
        Labels ``YYYY-MM`` (or ``YYYY-MM-DD``), as `Panel.times` gives them; or the first month.
    count
        How many months, if only the first is given.

    Raises
    ------
    SeriesError
        A label is no month.

    Examples
    --------
    >>> month_of_year("1999-11", 4)
    array([10, 11,  0,  1])
    >>> month_of_year(["2024-02", "2025-02"])
    array([1, 1])
    """
    if isinstance(times_or_start, str):
        if count is None or count < 0:
            raise SeriesError(f"count is {count}; say how many months follow {times_or_start}.")
        first = step_number(times_or_start[:7], "month")
        return np.asarray((first + np.arange(count)) % 12, dtype=np.int64)
    if count is not None:
        raise SeriesError("With a list of times leave count out: it has its own length.")
    return np.array([step_number(str(each)[:7], "month") % 12 for each in times_or_start], np.int64)


def features(
    start: str, count: int, frequency: str, *, harmonics: int = HARMONICS, trend: bool = True
) -> Features:
    """Features of `count` steps from `start` on.

    Months, weeks and days have sines and cosines of their place in the year; days also of their
    place in the week; all, years among them, a trend. Their sizes are about 1.

    Parameters
    ----------
    start
        Label of the first step: ``YYYY-MM``, ``YYYY`` or ``YYYY-MM-DD``.
    count
        Steps, those to be forecast among them.
    frequency
        ``month``, ``year``, ``week`` or ``day``.
    harmonics
        Waves in a year, 0 to 6: `h` has sine and cosine of 1 to h waves.
    trend
        Whether to have the date itself: decades since 2000.

    Returns
    -------
    `Features`: values (count, k) and the names of the columns.

    Raises
    ------
    SeriesError
        The label is not of the frequency, there is no such frequency, or no feature is left.

    Examples
    --------
    >>> values, names = features("1999-12", 2, "month", harmonics=1)
    >>> names
    ('sin 1/year', 'cos 1/year', 'trend')
    >>> values.round(3)
    array([[-0.259,  0.966, -0.004],
           [ 0.259,  0.966,  0.004]])
    """
    known = as_frequency(frequency)
    if known is None:
        raise SeriesError("Steps without a frequency have no dates: month, year, week or day.")
    if count < 0:
        raise SeriesError(f"count is {count}; it must not be negative.")
    if not 0 <= harmonics <= 6:
        raise SeriesError(f"harmonics is {harmonics}; it goes from 0 to 6 (months need no more).")
    years, weekdays = _dates(start, count, known)
    columns: dict[str, Array] = {}
    if known != "year":
        for wave in range(1, harmonics + 1):
            angle = 2 * np.pi * wave * (years % 1)
            columns[f"sin {wave}/year"], columns[f"cos {wave}/year"] = np.sin(angle), np.cos(angle)
    if known == "day":
        angle = 2 * np.pi * weekdays / 7
        columns["sin 1/week"], columns["cos 1/week"] = np.sin(angle), np.cos(angle)
    if trend:
        columns["trend"] = (years - EPOCH) / 10
    if not columns:
        raise SeriesError("No feature is left: ask for harmonics or for the trend.")
    return Features(np.column_stack(list(columns.values())), tuple(columns))


def features_of(
    panel: Panel, name: str, horizon: int = 0, *, harmonics: int = HARMONICS
) -> Features:
    """`features` of all steps of a series, and of `horizon` more.

    Raises
    ------
    SeriesError
        The panel's steps have no dates.

    Examples
    --------
    >>> panel = Panel.of({"a": [1, 2, 3]}, frequency="month", starts="1999-11")
    >>> features_of(panel, "a", horizon=2).values.shape
    (5, 5)
    """
    start = panel.start(name)
    if start is None or panel.frequency is None:
        raise SeriesError(
            f"{name} has no dates; make the panel with frequency and starts (Panel.of)."
        )
    return features(start, panel[name].size + horizon, panel.frequency, harmonics=harmonics)


def _dates(start: str, count: int, frequency: Frequency) -> tuple[Array, Array]:
    """The middle of each step in years, such as 1999.96, and its day of the week."""
    none = np.zeros(count)
    if frequency == "year":
        return np.asarray(step_number(start, "year") + np.arange(count) + 0.5), none
    if frequency == "month":
        first = step_number(start, "month")
        return (first + np.arange(count) + 0.5) / 12, none
    days = [date.fromisoformat(label) for label in times(start, count, frequency)]
    middle = 3.5 if frequency == "week" else 0.5
    years = [
        day.year
        + (day.timetuple().tm_yday - 1 + middle) / (366 if calendar.isleap(day.year) else 365)
        for day in days
    ]
    return np.array(years, dtype=np.float64), np.array([day.weekday() for day in days], np.float64)
