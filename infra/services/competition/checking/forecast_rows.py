"""Rows of a forecast, hostile until checked: a CSV with a value, 19 quantiles, or both in a row.

What is forecast stands in each row's two first cells, and is for the reader of a project to
understand: a step of a series, or a month. Beside the value, or instead of it, a row may have
quantiles in the columns 0.05, 0.1 and so on to 0.95; without a value the median is it.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.services.competition.problems import Fault
from infra.services.competition.submission import show

#: A forecast of more bytes is refused. 20 series of 24 months with 19 quantiles, as numpy writes
#: them, are a fifth of it.
MAX_BYTES = 1_000_000
#: No forecast of anything measured is larger; what is would only overflow.
MAX_MAGNITUDE = 1e9
#: The levels of the quantiles, and their columns: "0.05", "0.1" and so on.
LEVELS = tuple(number / 20 for number in range(1, 20))
QUANTILES = [f"{level:g}" for level in LEVELS]
#: The place of the median among them.
MEDIAN = LEVELS.index(0.5)

_VALUE = "value"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

#: A series, and the number of a step or month.
Point = tuple[str, int]


@dataclass(frozen=True)
class Forecast:
    """A point forecast, and the quantiles at `LEVELS`; none where only a value was given."""

    value: float
    quantiles: tuple[float, ...] = ()


def headers(keys: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """The first lines that a file may have: with values, with both, with quantiles alone. The first
    two are those of the canonical form."""
    return [*keys, _VALUE], [*keys, _VALUE, *QUANTILES], [*keys, *QUANTILES]


def rows(content: bytes, keys: Sequence[str]) -> Iterator[tuple[int, list[str], Forecast]]:
    """Each row's number, which counts from 1, its two first cells, and its forecast.

    Raises:
        Fault: at the first thing that is wrong, with its row.
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
    header: list[str] = []
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True)):
            if number == 0:
                header = _header(row, keys)
                continue
            if len(row) != len(header):
                shown = ", ".join(header[:3]) + (" and so on" if len(header) > 3 else "")
                raise Fault(f"row {number}: {len(row)} values; expected {len(header)}: {shown}.")
            yield number, row[: len(keys)], _forecast(number, header[len(keys) :], row[len(keys) :])
    except csv.Error as error:
        raise Fault(f"row {number + 1}: not CSV ({error}).") from None


def written(found: Mapping[Point, tuple[list[str], Forecast]], keys: Sequence[str]) -> bytes:
    """The canonical form: rows sorted by point, each with its cells as given and its numbers in the
    shortest way."""
    wide = any(forecast.quantiles for _, forecast in found.values())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers(keys)[1 if wide else 0])
    for _, (cells, forecast) in sorted(found.items()):
        numbers = (forecast.value, *(forecast.quantiles if wide else ()))
        writer.writerow([*cells, *map(repr, numbers)])
    return text.getvalue().encode()


def canonical_rows(body: bytes, keys: Sequence[str]) -> Iterator[tuple[list[str], Forecast]]:
    """The cells and forecasts of a canonical form.

    Raises:
        ValueError, csv.Error: if it is none.
    """
    header, *lines = csv.reader(io.StringIO(body.decode()), strict=True)
    if header not in headers(keys)[:2]:
        raise ValueError(f"columns {header[:30]}")
    for line in lines:
        if len(line) != len(header):
            raise ValueError(f"{line[:2]} has {len(line)} cells")
        numbers = tuple(map(float, line[len(keys) :]))
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{line[:2]} has a value that is no number")
        yield line[: len(keys)], Forecast(numbers[0], numbers[1:])


def _header(row: list[str], keys: Sequence[str]) -> list[str]:
    known = headers(keys)
    if row not in known:
        raise Fault(
            f"The first line is {show(','.join(row[:99]))}; expected exactly {','.join(known[0])}, "
            "or with the 19 quantiles 0.05,0.1,0.15 and so on to 0.95 after them (value may then "
            "be left out)."
        )
    return row


def _forecast(number: int, columns: list[str], texts: list[str]) -> Forecast:
    values = [_value(number, name, text) for name, text in zip(columns, texts, strict=True)]
    quantiles = tuple(values[-len(LEVELS) :]) if len(values) >= len(LEVELS) else ()
    for at, (low, high) in enumerate(itertools.pairwise(quantiles)):
        if low > high:
            raise Fault(
                f"row {number}: the quantile {QUANTILES[at]} is {low!r}, above {high!r} at "
                f"{QUANTILES[at + 1]}. Quantiles must not cross: sort each row's, ascending."
            )
    return Forecast(values[0] if columns[0] == _VALUE else quantiles[MEDIAN], quantiles)


def _value(number: int, name: str, text: str) -> float:
    what = name if name == _VALUE else f"quantile {name}"
    if len(text) > 60 or not _NUMBER.fullmatch(text):
        raise Fault(f"row {number}: {what} {show(text)} is not a number.")
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise Fault(f"row {number}: {what} {show(text)} is beyond {MAX_MAGNITUDE:g}.")
    # A negative zero is none of its own.
    return value + 0.0
