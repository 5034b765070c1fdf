"""Reads a live forecast, hostile until checked: a CSV of series, month and value.

Beside the value, or instead of it, a row may have the 19 quantiles 0.05 to 0.95. The months are
exactly the next ones after the month in which S3 received the file, so that a forecast of a month
can only ever come before it begins. The canonical form has the rows sorted and each number written
in the shortest way; it is what is sealed.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.services.competition.checking.canonical import Content
from infra.services.competition.live import months
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.submission import show

#: What a live forecast's name ends with.
ENDING = ".live.csv"
#: 20 series of 24 months with 19 quantiles, as numpy writes them, are a fifth of it.
MAX_BYTES = 1_000_000
KEYS = ["series", "month"]
COLUMNS = [*KEYS, "value"]
LEVELS = tuple(number / 20 for number in range(1, 20))
QUANTILES = [f"{level:g}" for level in LEVELS]
MEDIAN = LEVELS.index(0.5)
MAX_MAGNITUDE = 1e9

_HEADERS = (COLUMNS, [*COLUMNS, *QUANTILES], [*KEYS, *QUANTILES])
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

#: A series and a month.
Point = tuple[str, int]


@dataclass(frozen=True)
class Forecast:
    """A point forecast, and the quantiles at `LEVELS`; none where only a value was given."""

    value: float
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Task:
    """What the published task says of what is asked."""

    id: str
    series: tuple[str, ...]
    horizon: int
    opened: dt.datetime
    stopped: dt.datetime | None

    @classmethod
    def read(cls, task: bytes) -> _Task:
        try:
            document: Any = json.loads(task)
            stopped = document["stopped"]
            found = cls(
                id=str(document["round"]),
                series=tuple(str(each["id"]) for each in document["series"]),
                horizon=int(document["horizon"]),
                opened=dt.datetime.fromisoformat(document["opened"]),
                stopped=None if stopped is None else dt.datetime.fromisoformat(stopped),
            )
            if not found.series or found.horizon < 1 or found.opened.tzinfo is None:
                raise ValueError(f"{len(found.series)} series, a horizon of {found.horizon}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(f"the live round's task: {error!r:.300}") from None
        return found


def check(content: bytes, task: bytes | None, received: dt.datetime) -> Content:
    """The forecast in canonical form.

    Args:
        task: The round's published task; None if the project has no round.
        received: When S3 had the file.

    Raises:
        Fault: at the first thing that is wrong, with its row; rows count from 1.
        Misconfigured: if the task cannot be used.
    """
    if task is None:
        raise Fault("There is no live round. academy.submit without live=True goes to the board.")
    asked = _Task.read(task)
    if received < asked.opened:
        raise Fault(f"The live round {asked.id} opened at {_said(asked.opened)}, after this.")
    if asked.stopped is not None and received >= asked.stopped:
        raise Fault(f"The live round {asked.id} takes no forecasts since {_said(asked.stopped)}.")
    first = months.of(received) + 1
    wanted = range(first, first + asked.horizon)
    found = forecasts(content, asked.series, wanted, received)
    wide = any(each.quantiles for each in found.values())
    body = canonical(found)
    digest = hashlib.sha256(b"live forecast\n" + body).hexdigest()
    members = {
        "round": asked.id,
        "first": months.name(wanted[0]),
        "last": months.name(wanted[-1]),
        "quantiles": wide,
    }
    return Content(digest, members, body)


def canonical(found: Mapping[Point, Forecast]) -> bytes:
    """The one way to write a forecast."""
    wide = any(each.quantiles for each in found.values())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADERS[1] if wide else COLUMNS)
    for (series, month), each in sorted(found.items()):
        row = (each.value, *(each.quantiles if wide else ()))
        writer.writerow([series, months.name(month), *map(repr, row)])
    return text.getvalue().encode()


def forecasts(
    content: bytes, series: tuple[str, ...], wanted: range, received: dt.datetime
) -> dict[Point, Forecast]:
    """The forecast of each month of each series that is asked for.

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
                continue
            point, forecast = _row(number, row, header, series, wanted, received)
            if point in found:
                raise Fault(
                    f"row {number}: series {point[0]}, month {months.name(point[1])} stands twice."
                )
            found[point] = forecast
    except csv.Error as error:
        raise Fault(f"row {number + 1}: not CSV ({error}).") from None
    missing = [(s, month) for s in series for month in wanted if (s, month) not in found]
    if missing:
        name, month = missing[0]
        raise Fault(
            f"{len(missing)} of {len(series) * len(wanted)} rows are missing; the first is series "
            f"{name}, month {months.name(month)}. {_asked(wanted, received)}"
        )
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
    number: int,
    row: list[str],
    header: list[str],
    series: tuple[str, ...],
    wanted: range,
    received: dt.datetime,
) -> tuple[Point, Forecast]:
    if len(row) != len(header):
        shown = ", ".join(header[:3]) + (" and so on" if len(header) > 3 else "")
        raise Fault(f"row {number}: {len(row)} values; expected {len(header)}: {shown}.")
    name, text, *texts = row
    if name not in series:
        known = ", ".join(series[:8]) + (" and so on" if len(series) > 8 else "")
        raise Fault(f"row {number}: series {show(name)} is unknown; expected one of {known}.")
    try:
        month = months.index(text)
    except ValueError:
        raise Fault(f"row {number}: {show(text)} is no month such as 2026-12.") from None
    if month not in wanted:
        why = " It has begun: nobody may forecast it any more." if month < wanted[0] else ""
        raise Fault(
            f"row {number}: {months.name(month)} is not asked for.{why} {_asked(wanted, received)}"
        )
    values = [_value(number, column, v) for column, v in zip(header[2:], texts, strict=True)]
    quantiles = tuple(values[-len(LEVELS) :]) if len(values) >= len(LEVELS) else ()
    for at, (low, high) in enumerate(itertools.pairwise(quantiles)):
        if low > high:
            raise Fault(
                f"row {number}: the quantile {QUANTILES[at]} is {low!r}, above {high!r} at "
                f"{QUANTILES[at + 1]}. Quantiles must not cross: sort each row's, ascending."
            )
    value = values[0] if header[2] == "value" else quantiles[MEDIAN]
    return (name, month), Forecast(value, quantiles)


def _value(number: int, name: str, text: str) -> float:
    what = name if name == "value" else f"quantile {name}"
    if len(text) > 60 or not _NUMBER.fullmatch(text):
        raise Fault(f"row {number}: {what} {show(text)} is not a number.")
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise Fault(f"row {number}: {what} {show(text)} is beyond {MAX_MAGNITUDE:g}.")
    # A negative zero is none of its own.
    return value + 0.0


def _asked(wanted: range, received: dt.datetime) -> str:
    return (
        f"A forecast that came at {_said(received)} is of {months.span(wanted[0], wanted[-1])}, "
        "each month of each series."
    )


def _said(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def read(body: bytes) -> dict[Point, Forecast]:
    """The forecasts in a canonical body.

    Raises:
        Misconfigured: if it is none, to the byte.
    """
    found: dict[Point, Forecast] = {}
    try:
        header, *rows = csv.reader(io.StringIO(body.decode()), strict=True)
        if header not in _HEADERS[:2]:
            raise ValueError(f"columns {header[:30]}")
        for series, month, value, *quantiles in rows:
            if len(quantiles) != len(header) - 3:
                raise ValueError(f"{series} {month} has {len(quantiles)} quantiles")
            numbers = tuple(map(float, (value, *quantiles)))
            if not all(map(math.isfinite, numbers)):
                raise ValueError(f"{series} {month} is no number")
            found[series, months.index(month)] = Forecast(numbers[0], numbers[1:])
    except (ValueError, csv.Error) as error:
        raise Misconfigured(f"a sealed forecast: {error!r:.200}") from None
    if canonical(found) != body:
        raise Misconfigured("a sealed forecast is not in canonical form")
    return found
