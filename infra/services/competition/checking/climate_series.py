"""Reads forecasts of series, hostile until checked: a CSV of series, step and value.

Beside the value, or instead of it, a row may have 19 quantiles, in the columns 0.05, 0.1 and so on
to 0.95. Without a value the median is it. The canonical form is a CSV with the rows sorted and each
number written in the shortest way, so that order and layout of what was sent do not matter.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.services.competition.checking.canonical import Body, Content
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.submission import show

Point = tuple[str, int]
TASK = "task.json"

#: A submission of more is refused.
MAX_BYTES = 1_000_000
KEYS = ["series", "step"]
COLUMNS = [*KEYS, "value"]
#: The levels of the quantiles, and their columns: "0.05", "0.1" and so on.
LEVELS = tuple(number / 20 for number in range(1, 20))
QUANTILES = [f"{level:g}" for level in LEVELS]
#: The place of the median among them.
MEDIAN = LEVELS.index(0.5)
#: No forecast of anything measured is larger; what is would only overflow.
MAX_MAGNITUDE = 1e9

_HEADERS = (COLUMNS, [*COLUMNS, *QUANTILES], [*KEYS, *QUANTILES])
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_STEP = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Forecast:
    """A point forecast, and the quantiles at `LEVELS`; none where only a value was given."""

    value: float
    quantiles: tuple[float, ...] = ()


def steps_of(task: bytes) -> dict[str, range]:
    """The steps that the published task asks for, by series.

    Raises:
        Misconfigured: if it cannot be used.
    """
    try:
        document: Any = json.loads(task)
        horizon = int(document["horizon"])
        first = {str(name): int(document["first_step"][name]) for name in document["series"]}
        if horizon < 1 or not first:
            raise ValueError(f"{len(first)} series, a horizon of {horizon}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Misconfigured(f"the published task of climate-series: {error!r}") from None
    return {name: range(start, start + horizon) for name, start in first.items()}


def check(content: bytes, task: bytes) -> Content:
    """The forecasts in canonical form.

    Raises:
        Fault: at the first thing that is wrong, with its row; rows count from 1, the header is row
            0.
        Misconfigured: if the task cannot be used.
    """
    found = forecasts(content, steps_of(task))
    wide = any(each.quantiles for each in found.values())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADERS[1] if wide else COLUMNS)
    for (series, step), each in sorted(found.items()):
        writer.writerow([series, step, *map(repr, (each.value, *each.quantiles))])
    body = text.getvalue().encode()
    digest = hashlib.sha256(b"climate-series\n" + body).hexdigest()
    return Content(digest, {"quantiles": wide}, body)


def forecasts(content: bytes, steps: Mapping[str, range]) -> dict[Point, Forecast]:
    """The forecast of each step of each series that is asked for.

    Raises:
        Fault: as `check`.
    """
    if not content:
        raise Fault("The file is empty.")
    if len(content) > MAX_BYTES:
        raise Fault(f"The file is larger than {MAX_BYTES:,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Fault(f"The file is not UTF-8 text (byte {error.start}).") from None
    if "\0" in text:
        raise Fault("The file holds a NUL character; it is not a CSV file.")
    found: dict[Point, Forecast] = {}
    header: list[str] = []
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True)):
            if number == 0:
                header = _header(row)
            else:
                point, forecast = _row(number, row, header, steps)
                if point in found:
                    raise Fault(f"row {number}: series {point[0]}, step {point[1]} stands twice.")
                found[point] = forecast
    except csv.Error as error:
        raise Fault(f"row {number + 1}: not CSV ({error}).") from None
    _complete(found, steps)
    return found


def _header(row: list[str]) -> list[str]:
    if row not in _HEADERS:
        raise Fault(
            f"The first line is {show(','.join(row[:99]))}; expected exactly {','.join(COLUMNS)}, "
            "or with the 19 quantiles 0.05,0.1,0.15 and so on to 0.95 after them (value may then "
            "be left out)."
        )
    return row


def _row(
    number: int, row: list[str], header: list[str], steps: Mapping[str, range]
) -> tuple[Point, Forecast]:
    if len(row) != len(header):
        shown = ", ".join(header[:3]) + (" and so on" if len(header) > 3 else "")
        raise Fault(f"row {number}: {len(row)} values; expected {len(header)}: {shown}.")
    series, step, *texts = row
    if series not in steps:
        known = sorted(steps)
        several = ", ".join(known[:8]) + (" and so on" if len(known) > 8 else "")
        raise Fault(f"row {number}: series {show(series)} is unknown; expected one of {several}.")
    if not _STEP.fullmatch(step):
        raise Fault(f"row {number}: step {show(step)} is not a whole number.")
    asked = steps[series]
    if int(step) not in asked:
        raise Fault(
            f"row {number}: step {int(step)} of {series} is not asked for; expected steps "
            f"{asked[0]} to {asked[-1]}."
        )
    values = [_value(number, name, text) for name, text in zip(header[2:], texts, strict=True)]
    quantiles = tuple(values[-len(LEVELS) :]) if len(values) >= len(LEVELS) else ()
    for at, (low, high) in enumerate(itertools.pairwise(quantiles)):
        if low > high:
            raise Fault(
                f"row {number}: the quantile {QUANTILES[at]} is {low!r}, above {high!r} at "
                f"{QUANTILES[at + 1]}. Quantiles must not cross: sort each row's, ascending."
            )
    value = values[0] if header[2] == "value" else quantiles[MEDIAN]
    return (series, int(step)), Forecast(value, quantiles)


def _value(number: int, name: str, text: str) -> float:
    what = name if name == "value" else f"quantile {name}"
    if len(text) > 60 or not _NUMBER.fullmatch(text):
        raise Fault(f"row {number}: {what} {show(text)} is not a number.")
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise Fault(f"row {number}: {what} {show(text)} is beyond {MAX_MAGNITUDE:g}.")
    # A negative zero is none of its own.
    return value + 0.0


def _complete(found: Mapping[Point, Forecast], steps: Mapping[str, range]) -> None:
    missing = [(s, step) for s in sorted(steps) for step in steps[s] if (s, step) not in found]
    if missing:
        series, step = missing[0]
        raise Fault(
            f"{len(missing)} of {sum(map(len, steps.values()))} rows are missing; the first is "
            f"series {series}, step {step}. The rows are those of sample_submission.csv."
        )


def read(body: Body) -> dict[Point, Forecast]:
    """The forecasts in a canonical body.

    Raises:
        Misconfigured: if it is none.
    """
    content = b""
    while more := body.read(1 << 16):
        content += more
        # Shortest numbers can be longer than what was sent ("1e9"), by no more than this.
        if len(content) > 25 * MAX_BYTES:
            raise Misconfigured("a checked forecast is too long")
    found: dict[Point, Forecast] = {}
    try:
        header, *rows = csv.reader(io.StringIO(content.decode()), strict=True)
        if header not in _HEADERS[:2]:
            raise ValueError(f"columns {header[:30]}")
        for series, step, value, *quantiles in rows:
            if len(quantiles) != len(header) - 3:
                raise ValueError(f"{series} {step} has {len(quantiles)} quantiles")
            found[series, int(step)] = Forecast(float(value), tuple(map(float, quantiles)))
    except (ValueError, csv.Error) as error:
        raise Misconfigured(f"a checked forecast: {error!r:.200}") from None
    if not all(
        math.isfinite(number) for each in found.values() for number in (each.value, *each.quantiles)
    ):
        raise Misconfigured("a checked forecast has a value that is no number")
    return found
