"""Whether what is held out can be looked up in what is known: a part of `leakage`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import Array, SeriesError, as_series
from academy.forecasting.evaluation.leak_report import LeakReport


def check_split(
    known: Mapping[str, npt.ArrayLike], held_out: Mapping[str, npt.ArrayLike], *, least: int = 6
) -> LeakReport:
    """Whether what is held out stands in what is known, as it is or in another unit.

    Every held-out series is laid along every known one. Where `least` of its steps in a row agree
    but for a factor and a constant, the answer can be looked up there: a series that is in the
    panel twice, in another unit, standardised, or a test that was never cut off. Of two `Panel`s
    with dates the report also says which known series go on while others are held out.

    Parameters
    ----------
    known, held_out
        Series by name, as `holdout` gives them.
    least
        Steps in a row that must agree; straight lines agree with each other and do not count.

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
    past, future = (
        {name: as_series(values, name) for name, values in given.items()}
        for given in (known, held_out)
    )
    for name, hidden in future.items():
        for other, values in past.items():
            pairs += 1
            found = _stands_in(hidden, values, least)
            if found is not None:
                start, place, plainly = found
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


def _stands_in(hidden: Array, values: Array, least: int) -> tuple[int, int, bool] | None:
    """Where `least` steps of `hidden` agree with `values` up to a factor and a constant."""
    if min(hidden.size, values.size) < least:
        return None
    rows = np.lib.stride_tricks.sliding_window_view(values, least)
    shape, sizes = _shapes(rows)
    for start in range(hidden.size - least + 1):
        row = hidden[start : start + least]
        one, size = _shapes(row[None])
        bend = row - np.polyval(np.polyfit(np.arange(least), row, 1), np.arange(least))
        if size[0] == 0 or np.abs(bend).max() <= 1e-9 * max(size[0], np.abs(row).max()):
            continue
        match = np.flatnonzero((np.abs(shape @ one[0]) > 1 - 1e-10) & (sizes > 0))
        if match.size:
            place = int(match[0])
            same = np.allclose(rows[place], row, rtol=1e-9, atol=1e-9 * size[0])
            return start, place, bool(same)
    return None


def _shapes(rows: Array) -> tuple[Array, Array]:
    """Each row without its mean and of length 1, and the lengths they had."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    sizes = np.sqrt(np.square(centred).sum(axis=1))
    floor = 1e-12 * np.abs(rows).max(axis=1)
    sizes = np.where(sizes > floor * math.sqrt(rows.shape[1]), sizes, 0.0)
    return centred / np.where(sizes > 0, sizes, 1.0)[:, None], sizes


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
