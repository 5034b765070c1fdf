"""From moments and values as a file has them to series at equal steps: refused, split or cut.

The reading functions (`academy.forecasting.data.reading`) share this. A step is a calendar month,
year, day, or seven days; two rows in one step are duplicates, a step without a row is a gap. A
missing value is a step without a row. Where a step is the mean of several rows, it is a gap, too,
if some of its rows are absent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from academy.forecasting.data import whole_steps
from academy.forecasting.data.moments import Integers, Moments
from academy.forecasting.data.panel import About, Panel
from academy.forecasting.data.series import (
    LABELS,
    Array,
    Frequency,
    SeriesError,
    shown,
    step_label,
    stride,
)

Gaps = Literal["refuse", "split", "longest"]
Duplicates = Literal["refuse", "mean", "first"]
Order = Literal["refuse", "sort"]

_FINENESS: dict[str, int] = {"year": 0, "month": 1, "week": 2, "day": 2}
#: Days by which a month's value may lie off a twelfth of a year: 15 January, 14 February, 15 March.
_LOOSE = 3.0
_MONTH, _YEAR = 365.25 / 12, 365.25


@dataclass(frozen=True)
class Run:
    """A series without a gap: its name, the label of its first step, its values."""

    name: str
    whole: str
    """What the series is called of which this is a part."""
    start: str
    values: Array


def choice(name: str, value: str, allowed: Any) -> None:
    """Refuses a `value` of the argument `name` that is none of the literal type `allowed`."""
    if value not in get_args(allowed):
        raise SeriesError(f"{name} is {shown(value)}; it must be {' or '.join(get_args(allowed))}.")


# --- how often -----------------------------------------------------------------------------------
def inferred(series: Sequence[tuple[str, Moments]]) -> Frequency:
    """The frequency that all series' moments have in common.

    Raises
    ------
    SeriesError
        Irregular steps, a single step, or series of different frequencies.
    """
    found: dict[Frequency, str] = {}
    for name, moments in series:
        frequency = _inferred(name, moments)
        if frequency:
            found.setdefault(frequency, name)
    if not found:
        raise SeriesError(
            "One step does not show how often values come: say frequency='month', for example."
        )
    # A daily series with a single Monday a week, among others, is still a daily one.
    if set(found) == {"day", "week"}:
        return "day"
    if len(found) > 1:
        (one, first), (two, second) = list(found.items())[:2]
        raise SeriesError(
            f"{first} has one value a {one}, {second} one a {two}: a panel has one frequency. "
            "Read them one by one."
        )
    return next(iter(found))


def _inferred(name: str, moments: Moments) -> Frequency | None:
    order = np.argsort(moments.days, kind="stable")
    days = moments.days[order]
    distinct = np.concatenate([[True], np.diff(days) > 0])
    ordered, days = moments[order][distinct], days[distinct]
    if len(days) < 2:
        return None
    if moments.kind != "day":
        return moments.kind
    gaps = np.diff(days)
    if _once_each(ordered.year, gaps, _YEAR, _MONTH / 2):
        return "year"
    if _once_each(ordered.year * 12 + ordered.month, gaps, _MONTH, _LOOSE):
        return "month"
    if (gaps % 7 == 0).all():
        return "week"
    if (gaps == 1).any():
        return "day"
    typical = int(np.median(gaps))
    place = int(np.argmax(gaps != typical))
    raise SeriesError(
        f"{name} is irregular: {_days(int(gaps[place]))} from {ordered.text(place)} to "
        f"{ordered.text(place + 1)}, and {_days(typical)} elsewhere. A forecast needs equal steps: "
        "say frequency='month' and duplicates='mean' for the mean of each month's values, or "
        "make equal steps of it before."
    )


def _once_each(period: Integers, gaps: Integers, length: float, loose: float) -> bool:
    """Whether each date lies in a period of its own, at about the same place in it."""
    passed = np.diff(period)
    return bool((passed > 0).all() and (np.abs(gaps - passed * length) <= loose).all())


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


# --- from moments to steps -----------------------------------------------------------------------
def numbers(name: str, moments: Moments, frequency: Frequency) -> Integers:
    """The number of each moment's step, as `series.step_number` counts them.

    Raises
    ------
    SeriesError
        The moments are coarser than the frequency, or a calendar has other days than ours.
    """
    if _FINENESS[moments.kind] < _FINENESS[frequency]:
        raise SeriesError(
            f"{name}: {moments.text(0)} is a {moments.kind}; a {frequency} is written as "
            f"{LABELS[frequency]}."
        )
    if frequency == "year":
        found = moments.year
    elif frequency == "month":
        found = moments.year * 12 + moments.month - 1
    elif moments.calendar == "standard":
        # Days since 0001-01-01, as datetime.date.toordinal() counts.
        found = moments.days + date(1970, 1, 1).toordinal()
    else:
        raise SeriesError(
            f"{name} is in the calendar {moments.calendar}, whose days are not the usual ones. "
            "Make months or years of them first: data.resample(time='MS').mean()."
        )
    outside = np.flatnonzero((moments.year < 1) | (moments.year > 9999))
    if outside.size:
        raise SeriesError(f"{name}: the year {moments.year[outside[0]]} is not in 1 to 9999.")
    return np.asarray(found, dtype=np.int64)


def ordered(
    name: str,
    moments: Moments,
    steps: Integers,
    order: Order,
    where: Callable[[int], str],
) -> Integers:
    """The rows' places by ascending step; refused unless they are so already or `order` is sort."""
    back = np.flatnonzero(np.diff(moments.days) < 0)
    if not back.size:
        return np.arange(len(steps))
    if order == "sort":
        # By day: two rows of one month stay in their order in time.
        return np.argsort(moments.days, kind="stable")
    place = int(back[0]) + 1
    newest = bool((np.diff(moments.days) <= 0).all())
    raise SeriesError(
        f"{name} is in the wrong order: {where(place)} ({moments.text(place)}) comes after "
        f"{moments.text(place - 1)}. "
        + (
            "The newest come first: order='sort' turns them round."
            if newest
            else "Are days and months mixed up (say format='%d.%m.%Y')? If not, order='sort' sorts."
        )
    )


def single(
    name: str,
    moments: Moments,
    steps: Integers,
    values: Array,
    frequency: Frequency,
    duplicates: Duplicates,
    gaps: Gaps,
    where: Callable[[int], str],
    source: Moments,
) -> tuple[Integers, Array]:
    """One value a step, from rows in order: refused, their mean, or the first one.

    `source` is when the file has rows, missing values among them. Of means, those of which rows are
    absent are refused, or left out if `gaps` says what becomes of gaps.
    """
    width = stride(frequency)
    within = (steps - steps[0]) % width
    if within.any():
        place = int(np.flatnonzero(within)[0])
        raise SeriesError(
            f"{name} is irregular: {moments.text(place)} is no whole number of weeks after "
            f"{moments.text(0)}."
        )
    first = np.concatenate([[True], np.diff(steps) > 0])
    if duplicates == "refuse" and not first.all():
        raise SeriesError(_twice(name, moments, steps, first, frequency, where))
    if duplicates == "refuse":
        return steps, values
    if duplicates == "first":
        return steps[first], values[first]
    has, should, lacking = whole_steps.lacking(source, moments, steps, frequency)
    means = np.asarray(np.add.reduceat(values, np.flatnonzero(first)) / has, dtype=np.float64)
    if not lacking.any():
        return steps[first], means
    if gaps == "refuse" or lacking.all():
        raise SeriesError(_not_whole(name, steps[first], has, should, lacking, frequency))
    return steps[first][~lacking], means[~lacking]


def _not_whole(
    name: str,
    steps: Integers,
    has: Integers,
    should: Integers,
    lacking: npt.NDArray[np.bool_],
    frequency: Frequency,
) -> str:
    places = np.flatnonzero(lacking)
    several = [
        f"{step_label(int(steps[place]), frequency)} has {has[place]} of {should[place]}"
        for place in places[:3]
    ]
    more = " and so on" if len(places) > 3 else ""
    count = "all" if lacking.all() else f"{len(places)} of {len(steps)}"
    way = f"No {frequency} is whole: take finer steps, or make these yourself before."
    if not lacking.all():
        way = "gaps='longest' and gaps='split' take such steps for gaps."
    return (
        f"{name} lacks rows or values of some {frequency}s: {', '.join(several)}{more} ({count} "
        f"{frequency}s). The mean of the rest is not the {frequency}'s mean. {way}"
    )


def _twice(
    name: str,
    moments: Moments,
    steps: Integers,
    first: npt.NDArray[np.bool_],
    frequency: Frequency,
    where: Callable[[int], str],
) -> str:
    place = int(np.flatnonzero(~first)[0])
    label = step_label(int(steps[place]), frequency)
    rows = f"{where(place - 1)} and {where(place)}"
    more = int((~first).sum()) - 1
    others = f" ({more} more like it)" if more else ""
    if moments.text(place) != moments.text(place - 1):
        return (
            f"{name} has several values in the {frequency} {label}: {rows}{others}. "
            f"duplicates='mean' takes the mean of those there are in each {frequency}."
        )
    return (
        f"{name} has {label} twice: {rows}{others}. If these are several series in one table, say "
        "which column names them (series=…); if not, duplicates='mean' or 'first'."
    )


def parts(name: str, steps: Integers, values: Array, frequency: Frequency, gaps: Gaps) -> list[Run]:
    """The parts of a series without a gap; `steps` ascend and are distinct.

    Raises
    ------
    SeriesError
        There is a gap, and `gaps` is refuse.
    """
    width = stride(frequency)
    breaks = np.flatnonzero(np.diff(steps) > width) + 1
    edges = [0, *breaks.tolist(), len(steps)]
    spans = list(itertools.pairwise(edges))
    if len(spans) > 1 and gaps == "refuse":
        before, after = int(steps[breaks[0] - 1]), int(steps[breaks[0]])
        absent = int((steps[-1] - steps[0]) // width + 1 - len(steps))
        longest = max(end - begin for begin, end in spans)
        raise SeriesError(
            f"{name} has a gap: nothing from {step_label(before + width, frequency)} to "
            f"{step_label(after - width, frequency)} ({absent} {frequency}s are absent in all). "
            f"gaps='longest' keeps the longest part without a gap ({longest} of {len(steps)} "
            "values), gaps='split' makes each part a series. Nothing is ever filled in."
        )
    if gaps != "split":
        # The first of the longest, so that the choice does not depend on anything else.
        spans = [max(spans, key=lambda span: span[1] - span[0])]
    several = len(spans) > 1
    found = []
    for begin, end in spans:
        label = step_label(int(steps[begin]), frequency)
        called = f"{name} from {label}" if several else name
        found.append(Run(called, name, label, values[begin:end]))
    return found


def runs(
    name: str,
    moments: Moments,
    values: Array,
    *,
    frequency: Frequency,
    gaps: Gaps,
    duplicates: Duplicates,
    order: Order,
    where: Callable[[int], str],
) -> list[Run]:
    """One series' rows, with NaN where a value is missing, as series without gaps.

    Raises
    ------
    SeriesError
        Infinities, nothing but missing values, and what `numbers`, `ordered`, `single` and `parts`
        refuse.
    """
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise SeriesError(
            f"{name}: {where(int(infinite[0]))} is {values[infinite[0]]}; every value must be "
            "finite. Look for a division by zero or the logarithm of zero."
        )
    steps = numbers(name, moments, frequency)
    places = ordered(name, moments, steps, order, where)
    source = moments[places]
    places = places[~np.isnan(values[places])]
    if not places.size:
        raise SeriesError(f"{name}: all of its {len(values)} values are missing. Leave it out.")
    steps, kept = single(
        name,
        moments[places],
        steps[places],
        values[places],
        frequency,
        duplicates,
        gaps,
        lambda place: where(int(places[place])),
        source,
    )
    return parts(name, steps, kept, frequency, gaps)


def panel_of(
    found: Sequence[Run],
    frequency: Frequency,
    about: About | Callable[[Run], About],
    season: int | None,
) -> Panel:
    """The parts of all series as one panel; a name that comes twice is refused."""
    names = [run.name for run in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SeriesError(f"Two series would be called {shown(twice)}. Rename one.")
    return Panel.of(
        {run.name: run.values for run in found},
        frequency=frequency,
        starts={run.name: run.start for run in found},
        about=about if isinstance(about, About) else {run.name: about(run) for run in found},
        season=season,
    )
