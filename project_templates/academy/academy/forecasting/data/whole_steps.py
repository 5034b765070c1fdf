"""Which months and years have all of their rows: the mean of a part is not the mean of the whole.

What a step should have is what the source's own rows show: every day of a month if they come
daily, the four quarters of a year if they come quarterly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.moments import Integers, Moments
from academy.forecasting.data.series import Frequency

Booleans = npt.NDArray[np.bool_]

#: Rows come regularly if this share of them follows the one before at the usual distance. Working
#: days, of which four in five do, are irregular: holidays are no gaps.
_REGULAR = 0.85
#: Days between rows up to which they are finer than the steps.
_FINER: dict[Frequency, int] = {"year": 220, "month": 18}
#: Of a day's rows, one in so many may be absent: summer time takes an hour of 24.
_SUMMER_TIME = 20


def lacking(
    source: Moments, moments: Moments, steps: Integers, frequency: Frequency
) -> tuple[Integers, Integers, Booleans]:
    """For each step that has rows: how many it has, how many it should have, whether that is less.

    Rows that come irregularly show no number that a step should have. Then it is the median of what
    steps have, and a step may have less, but not less than half.

    Parameters
    ----------
    source
        When the file has rows, in order, whether or not their values are missing.
    moments, steps
        When there are values, in order, and the steps that these belong to.
    """
    first = _begins(steps)
    has = _lengths(first, len(steps))
    distinct = _begins(moments.days)
    of_each = _lengths(distinct, len(moments))
    step_of_each = np.searchsorted(steps[first], steps[distinct])
    usual = int(np.bincount(of_each).argmax()) if moments.kind == "day" else 1
    short = of_each < usual - usual // _SUMMER_TIME
    # The file may begin and end within a day.
    varies = len(short) > 2 and short[1:-1].mean() > 1 - _REGULAR
    expected = _expected(source, moments[distinct], step_of_each, frequency)
    if expected is None or varies:
        median = int(np.median(has))
        return has, np.full(len(has), median), has < median / 2
    there = np.bincount(step_of_each)
    cut = np.bincount(step_of_each, weights=short) > 0
    return has, expected * usual, (there < expected) | cut


def _begins(ordered: Integers) -> Integers:
    """Where each value of a row of ascending ones comes first."""
    return np.flatnonzero(np.concatenate([[True], np.diff(ordered) > 0]))


def _lengths(begins: Integers, total: int) -> Integers:
    return np.diff(np.concatenate([begins, [total]]))


def _expected(
    source: Moments, moments: Moments, place: Integers, frequency: Frequency
) -> Integers | None:
    """How many distinct moments each step should have; None if the source does not show it.

    `place` is the number of the step that each of the (distinct) `moments` belongs to.
    """
    there = np.bincount(place)
    rows = source[_begins(source.days)]
    if len(rows) < 2:
        return None
    months_apart, days_apart = np.diff(rows.months), np.diff(rows.days)
    if np.median(days_apart) > _FINER.get(frequency, 0):
        return np.ones_like(there)
    lengths, times = np.unique(days_apart, return_counts=True)
    unit = int(lengths[times.argmax()])
    once_a_month = float((months_apart > 0).mean())
    if once_a_month < 1 and (days_apart == unit).mean() >= _REGULAR:
        return there + _absent(moments, place, unit, frequency)
    if once_a_month < _REGULAR:
        return None
    # Months, or seasons: each year should have those that the source has in any year.
    of_a_year = np.unique(rows.month).size
    if rows.months[-1] - rows.months[0] < 12:
        of_a_year = 12 // int(np.gcd.reduce(np.append(months_apart, 12)))
    return np.full_like(there, of_a_year if frequency == "year" else 1)


def _absent(moments: Moments, place: Integers, unit: int, frequency: Frequency) -> Integers:
    """How many rows, `unit` days apart, are absent from each step: within it and at its ends."""
    days, first = moments.days, _begins(place)
    last = np.append(first[1:], len(days)) - 1
    between = np.rint(np.diff(days) / unit).astype(np.int64) - 1
    inner = np.bincount(
        place[1:], weights=np.where(np.diff(place) == 0, between, 0), minlength=len(first)
    )
    year, month, one = moments.year[first], moments.month[first], np.ones_like(first)
    if frequency == "year":
        begin = Moments(year, one, one, "day", moments.calendar).days
        end = Moments(year + 1, one, one, "day", moments.calendar).days
    else:
        begin = Moments(year, month, one, "day", moments.calendar).days
        end = Moments(year + month // 12, month % 12 + 1, one, "day", moments.calendar).days
    before = (days[first] - begin) // unit
    after = (end - 1 - days[last]) // unit
    # Not more than there is room for between this step's rows and the next one's.
    before[1:] = np.minimum(before[1:], between[first[1:] - 1])
    after[:-1] = np.minimum(after[:-1], between[last[:-1]])
    return np.asarray(inner + before + after, dtype=np.int64)
