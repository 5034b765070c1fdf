"""Whether what is held out can be looked up in what is known: a part of `leakage`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import Array, SeriesError, as_series
from academy.forecasting.evaluation.leak_report import LeakReport

#: A run of fewer different values says nothing.
_FEWEST_VALUES = 3
#: Nor does one that chance makes more often than this where every step is drawn by itself.
_CHANCE = 1e-3
#: Runs that a series has in common with itself are looked for from this length on.
_LEAST_OWN = 4
#: In so many of its last values, so many of them at a time.
_MOST_OWN = 2000
_BLOCK = 256


def check_split(
    known: Mapping[str, npt.ArrayLike], held_out: Mapping[str, npt.ArrayLike], *, least: int = 6
) -> LeakReport:
    """Whether what is held out stands in what is known, as it is or in another unit.

    Every held-out series is laid along every known one. Where `least` of its steps in a row or more
    agree but for a factor, a constant and rounding, the answer can be looked up there: a series
    that is in the panel twice, in another unit, standardised, or a test that was never cut off.
    Counts, rain and what repeats from year to year agree with themselves: of them a run counts that
    is no chance where values come again as often, and that is half as long again as those that the
    known values have in common with their own past. Of two `Panel`s with dates the report also says
    which known series go on while others are held out.

    Parameters
    ----------
    known, held_out
        Series by name, as `holdout` gives them.
    least
        Steps in a row that must agree. Straight lines, and runs of one or two values, agree with
        each other and do not count.

    Raises
    ------
    SeriesError
        `least` is below 4: so short a row agrees by chance.

    Examples
    --------
    >>> kelvin = np.random.default_rng(0).normal(280, 9, 60)
    >>> known = {"cut": kelvin[:48], "twin": (kelvin - 273.15) * 1.8 + 32}
    >>> check_split(known, {"cut": kelvin[48:]})
    LEAK: the split. Held-out cut, step 0 on, stands in twin at step 48, in another unit.
    """
    if least < 4:
        raise SeriesError(f"least is {least}; fewer than 4 steps agree by chance")
    pairs = 0
    past = {name: _Past(as_series(values, name)) for name, values in known.items()}
    future = {name: as_series(values, name) for name, values in held_out.items()}
    for name, hidden in future.items():
        for other, values in past.items():
            pairs += 1
            found = _stands_in(hidden, values, past.get(name), least)
            if found is not None:
                start, place, plainly = found.start, found.place, found.plainly
                return LeakReport(
                    "the split",
                    True,
                    f"Held-out {name}, step {start} on, stands in {other} at step {place}"
                    f"{'' if plainly else ', in another unit'}.",
                    step=place,
                    series=other,
                    places=pairs,
                )
    note = _goes_on(known, held_out)
    return LeakReport("the split", False, f"{pairs} pairs were tried.{note}", places=pairs)


@dataclass(frozen=True)
class _Run:
    """Steps of what is held out, from `start` on, that agree with what is known from `place` on."""

    length: int
    start: int
    place: int
    plainly: bool


class _Past:
    """A known series, and which runs it has in common with itself."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.step = _visible_step(values)
        self._found: dict[tuple[float, int, bool], bool] = {}

    def chance(self, width: float, run: _Run) -> float:
        """How probable the run's values are in a row if each is drawn from the series by itself.

        Two, the rarest, go for the factor and the constant.
        """
        values = np.sort(self.values)
        row = self.values[run.place : run.place + run.length]
        reach = width + 1e-9 * np.abs(values).max()
        ends = (np.searchsorted(values, row + side * reach, side="right") for side in (1, -1))
        shares = np.sort((next(ends) - next(ends)) / values.size)
        return float(np.prod(shares if run.plainly else shares[2:]))

    def repeats(self, width: float, length: int, plainly: bool) -> bool:
        """Whether a run agrees with a later one of the same series, so that chance may, too."""
        asked = (width, length, plainly)
        if asked not in self._found:
            self._found[asked] = self._repeats(width, length, plainly)
        return self._found[asked]

    def _repeats(self, width: float, length: int, plainly: bool) -> bool:
        values = self.values[-_MOST_OWN:]
        if values.size < 2 * length:
            return False
        rows = np.lib.stride_tricks.sliding_window_view(values, length)
        telling = _telling(rows, width)
        for first in range(0, len(rows) - length, _BLOCK):
            block = rows[first : first + _BLOCK]
            later = rows[first + length :]
            agree = _agree(block, later, (width, width))[1 if plainly else 0]
            # Row k of the block is compared with what begins `length` steps after it, or more.
            if (np.triu(agree) & telling[first : first + _BLOCK, None]).any():
                return True
        return False


def _stands_in(hidden: Array, known: _Past, own: _Past | None, least: int) -> _Run | None:
    """The longest run of `hidden` that stands in `known`, if chance does not make such runs.

    First to the last digits; then as far as rounding lets it be seen, if there is any.
    """
    steps = (_visible_step(hidden), known.step)
    for widths in ((0.0, 0.0), steps) if any(steps) else ((0.0, 0.0),):
        run = _longest(hidden, known.values, widths, least)
        if run is None:
            continue
        # Where values come again, so do runs of them.
        if hidden.size * known.values.size * known.chance(widths[1], run) > _CHANCE:
            continue
        # Dry spells and seasons repeat themselves: only what goes well beyond says something.
        usual = next(n for n in itertools.count(_LEAST_OWN) if n + max(3, n // 2) >= run.length)
        again = known.repeats(widths[1], usual, run.plainly)
        if own is not None and own is not known:
            again = again or own.repeats(widths[0], usual, run.plainly)
        if not again:
            return run
    return None


def _longest(hidden: Array, values: Array, widths: tuple[float, float], least: int) -> _Run | None:
    best: _Run | None = None
    for start in range(hidden.size - least + 1):
        length = max(least, best.length + 1 if best else 0)
        places = np.arange(values.size - length + 1)
        while places.size and start + length <= hidden.size:
            row = hidden[None, start : start + length]
            rows = np.lib.stride_tricks.sliding_window_view(values, length)[places]
            agree, same = (each[0] for each in _agree(row, rows, widths))
            if not agree.any():
                break
            if _telling(row, widths[0])[0]:
                at = int(np.argmax(same if same.any() else agree))
                best = _Run(length, start, int(places[at]), bool(same[at]))
            length += 1
            places = places[agree & (places + length <= values.size)]
    return best


def _telling(rows: Array, width: float) -> npt.NDArray[np.bool_]:
    """Which have several values, and more than a straight line: lines agree with each other."""
    several = (np.diff(np.sort(rows, axis=1), axis=1) > 0).sum(axis=1) + 1 >= _FEWEST_VALUES
    steps = np.arange(rows.shape[1]) - (rows.shape[1] - 1) / 2
    bend = rows - rows.mean(axis=1, keepdims=True)
    bend -= np.outer(bend @ steps / (steps @ steps), steps)
    least = width / 2 + 1e-9 * np.abs(rows).max(axis=1)
    return np.asarray(several & (np.abs(bend).max(axis=1) > least))


def _agree(
    ones: Array, others: Array, widths: tuple[float, float]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which of `ones` are which of `others` but for a factor and a constant; and which plainly.

    As far as the digits let it be seen, and the steps `widths` that both are rounded to: of a
    straight fit no more may be left over than rounding can leave.
    """
    length, tiny = ones.shape[1], np.finfo(float).tiny
    means = [each.mean(axis=1) for each in (ones, others)]
    one, other = ones - means[0][:, None], others - means[1][:, None]
    size, sizes = np.square(one).sum(axis=1)[:, None], np.square(other).sum(axis=1)
    product = one @ other.T
    factor = product / np.maximum(sizes, tiny)
    left = size - factor * product
    allowed = (widths[0] + np.abs(factor) * widths[1]) / 2 + 1e-5 * np.sqrt(size / length)
    agree = left <= length * allowed**2
    apart = size + sizes - 2 * product + length * np.square(means[0][:, None] - means[1])
    near = sum(widths) / 2 + 1e-7 * np.abs(ones).max(axis=1, keepdims=True)
    return np.asarray(agree), np.asarray(agree & (apart <= length * near**2))


def _visible_step(values: Array) -> float:
    """The step that values are visibly rounded to, 0 if there is none: 0.1 of 23.4, 23.5, 23.9.

    >>> round(_visible_step(np.array([23.4, 23.5, 23.9, 25.0])), 9)
    0.1
    """
    different = np.diff(np.unique(values))
    # Two that differ in their last digits are one value.
    different = different[different > 1e-12 * np.abs(values).max()]
    if not different.size:
        return 0.0
    step = float(different.min())
    counts = different / step
    whole = bool((np.abs(counts - np.rint(counts)) < 1e-3).all()) and different.size > 1
    if whole and step > 1e-7 * np.abs(values).max():
        return step
    if np.array_equal(values, values.astype(np.float32)):
        return float(np.spacing(np.float32(np.abs(values).max())))
    return 0.0


def _goes_on(known: Mapping[str, Any], held_out: Mapping[str, Any]) -> str:
    if not (isinstance(known, Panel) and isinstance(held_out, Panel)):
        return ""
    if known.frequency is None or known.frequency != held_out.frequency:
        return ""
    begins = {name: start for name in held_out if (start := held_out.start(name)) is not None}
    if not begins:
        return ""
    first = min(begins, key=lambda name: begins[name])
    later = [
        n for n in known if known.start(n) and known.times(n)[-1] >= begins[first] and n != first
    ]
    if not later:
        return ""
    return (
        f" Mind that {later[0]} goes on to {known.times(later[0])[-1]}, while {first} is held out "
        f"from {begins[first]} on: what belongs together tells of each other."
    )
