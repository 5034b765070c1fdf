"""A learner's own table (CSV) as a panel: `read_csv`, strict about times and numbers."""

from __future__ import annotations

import csv
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import numpy as np

from academy.forecasting.data import missing_codes, timeline
from academy.forecasting.data.moments import Kind, Moments
from academy.forecasting.data.panel import About, Panel
from academy.forecasting.data.series import SeriesError, as_frequency, shown
from academy.forecasting.data.timeline import Duplicates, Gaps, Order

#: More is refused before it is read: a table is held in memory.
MOST_BYTES = 256 * 2**20
MOST_ROWS = 10_000_000
MOST_SERIES = 100_000
#: Words for a value that is not there, in any case.
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "--", ".", "missing")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})(?:[-/]([0-9]{1,2}))?(?:[-/]([0-9]{1,2}))?")
_CLOCK = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9:.,]+)\s*(Z|[+-][0-9:]+)?")

#: (year, month, day), what the text says, and whether it names a zone (None: no time of day).
_Parsed = tuple[tuple[int, int, int], Kind, str]


@dataclass
class _Column:
    """One series' rows as they are read."""

    dates: list[tuple[int, int, int]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def read_csv(
    file: str | Path,
    time: str | Sequence[str],
    value: str | Sequence[str],
    series: str | None = None,
    *,
    frequency: str | None = None,
    gaps: Gaps = "refuse",
    duplicates: Duplicates = "refuse",
    order: Order = "refuse",
    timezone: str | None = None,
    format: str | None = None,
    missing: Sequence[str] | None = None,
    delimiter: str = ",",
    decimal: str = ".",
    season: int | None = None,
    about: About | Mapping[str, About] | None = None,
) -> Panel:
    """A panel from a CSV file with a header.

    Nothing is interpolated, here or anywhere in the library. A value filled in between two others
    is made of the later one: a model that is trained up to the gap has then seen what comes after
    it. And filled-in values are smoother than measured ones, so that errors look smaller than they
    are. A gap is refused, or the series is split there.

    Parameters
    ----------
    file
        A file of at most 256 MB and ten million rows, in UTF-8.
    time
        The column of times, or several that make one (``["YEAR", "MONTH"]``). Written as ``1997``,
        ``1997-11``, ``1997-11-30`` or ``1997-11-30T12:00:00+00:00``; anything else with `format`.
        Day and month are never guessed.
    value
        The column of values. Several columns are several series, called like them.
    series
        The column that names the series, if the table has them one below the other.
    frequency
        ``month``, ``year``, ``week`` or ``day``; by default what the times show. With finer times
        than that, ``duplicates="mean"`` takes each step's mean.
    gaps
        What becomes of a series with absent or missing steps: ``refuse``; ``longest`` keeps the
        longest part without a gap; ``split`` makes a series of each ("ocean from 1964-05").
    duplicates
        What becomes of two values in one step: ``refuse``, ``mean``, or ``first``. A mean of finer
        rows is one of all of them: a year with 10 of its 12 months, or a month with a day less, is
        a gap. That goes for the first and the last step, too. Where rows come irregularly, on
        working days for example, a step with fewer than half of the usual number is a gap.
    order
        What becomes of rows that go back in time: ``refuse``, or ``sort``.
    timezone
        The zone, such as ``UTC`` or ``Africa/Nairobi``, whose calendar counts, for times of day
        with an offset. Times with several offsets need it: the day depends on it. Times without an
        offset are taken as they are written.
    format
        How times are written, in the words of `datetime.strptime`: ``"%d.%m.%Y"``. Years have
        four digits.
    missing
        What else means a missing value, beside the usual words (nothing, NA, NaN, null, -). A
        number such as -999 that lies far off all others is asked about: ``missing=["-999"]`` says
        that it means missing, ``missing=[]`` that all numbers were measured.
    delimiter, decimal
        What stands between cells, and before decimals.
    season, about
        As in `Panel.of`.

    Raises
    ------
    SeriesError
        What is wrong, in which row, and what to do about it.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "tide.csv"
    >>> _ = file.write_text("month,cm\\n1999-11,1.5\\n1999-12,2\\n2000-01,NA\\n2000-02,3\\n")
    >>> panel = read_csv(file, time="month", value="cm", gaps="longest")
    >>> panel.times("cm"), panel["cm"]
    (['1999-11', '1999-12'], array([1.5, 2. ]))
    """
    timeline.choice("gaps", gaps, Gaps)
    timeline.choice("duplicates", duplicates, Duplicates)
    timeline.choice("order", order, Order)
    known = as_frequency(frequency)
    values = [value] if isinstance(value, str) else list(value)
    times = [time] if isinstance(time, str) else list(time)
    if not values or not times:
        raise SeriesError("Say which column has the times (time=…) and which the values (value=…).")
    if len(set(values)) < len(values):
        raise SeriesError(f"A column of values is named twice: {', '.join(values)}.")
    if series is not None and len(values) > 1:
        raise SeriesError(
            "Either the series stand one below the other (series=…, one column of values) or side "
            "by side (several columns of values), not both."
        )
    parse = _times(format, _zone(timezone))
    words = [word.strip() for word in ([missing] if isinstance(missing, str) else missing or ())]
    number = _numbers(words, decimal)
    found, kind = _columns(Path(file), times, values, series, delimiter, parse, number)
    moments = {name: Moments.of(column.dates, kind) for name, column in found.items()}
    if known is None:
        known = timeline.inferred(list(moments.items()))
    parts = []
    for name, column in found.items():
        numbers = np.array(column.values)
        if missing is None or words:
            missing_codes.no_codes(numbers[:, None], [name], _row_of(column.rows), words)
        parts += timeline.runs(
            name,
            moments[name],
            numbers,
            frequency=known,
            gaps=gaps,
            duplicates=duplicates,
            order=order,
            where=_row_of(column.rows),
        )
    return timeline.panel_of(parts, known, _described(about), season)


def _described(
    about: About | Mapping[str, About] | None,
) -> About | Callable[[timeline.Run], About]:
    """What each part is: said of the part itself, of the series it is of, or its name alone."""
    if isinstance(about, About):
        return about
    given = dict(about or {})
    return lambda part: given.get(part.name, given.get(part.whole, About(title=part.name)))


def _row_of(rows: list[int]) -> Callable[[int], str]:
    return lambda place: f"row {rows[place]}"


# --- the table -----------------------------------------------------------------------------------
def _columns(
    file: Path,
    times: list[str],
    values: list[str],
    series: str | None,
    delimiter: str,
    parse: Callable[[str], _Parsed],
    number: Callable[[str], float],
) -> tuple[dict[str, _Column], Kind]:
    found: dict[str, _Column] = {} if series else {name: _Column() for name in values}
    first: tuple[int, str, Kind, str] | None = None
    rows = _rows(file, delimiter)
    header = [cell.strip() for cell in next(rows, (1, []))[1]]
    places = {name: _place(file, header, name, delimiter) for name in [*times, *values]}
    if series:
        places[series] = _place(file, header, series, delimiter)
    at_times, at_values = [places[name] for name in times], [places[name] for name in values]
    at_series = places[series] if series else None
    for row, cells in rows:
        if len(cells) != len(header):
            raise SeriesError(
                f"{file}: row {row} has {len(cells)} cells, the header has {len(header)}."
            )
        text = "-".join([cells[at].strip() for at in at_times])
        try:
            date, kind, zoned = parse(text)
        except ValueError as problem:
            raise SeriesError(f"{file}: row {row}: {problem}") from None
        if first is None:
            first = (row, text, kind, zoned)
        elif kind != first[2] or zoned != first[3]:
            _written_differently(file, first, row, text, (kind, zoned))
        for name, at in zip(values, at_values, strict=True):
            key = name if at_series is None else cells[at_series].strip()
            column = found.get(key)
            if column is None:
                if len(found) == MOST_SERIES:
                    raise SeriesError(f"{file} has more than {MOST_SERIES} series in {series}.")
                column = found[key] = _Column()
            try:
                column.values.append(number(cells[at].strip()))
            except ValueError as problem:
                raise SeriesError(f"{file}: row {row}, {name}: {problem}") from None
            column.dates.append(date)
            column.rows.append(row)
    if first is None:
        raise SeriesError(f"{file} has a header and no rows.")
    return found, first[2]


def _rows(file: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with its number in the file."""
    if len(delimiter) != 1:
        raise SeriesError(f"delimiter is {shown(delimiter)}; it must be one character.")
    if not file.is_file():
        raise SeriesError(f"There is no file {file}.")
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise SeriesError(
            f"{file} has {size / 2**20:.0f} MB; at most {MOST_BYTES // 2**20} MB are read. "
            "Cut it into files, or aggregate it first."
        )
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            for cells in reader:
                if reader.line_num > MOST_ROWS:
                    raise SeriesError(
                        f"{file} has more than {MOST_ROWS:,} rows. Cut it into files, or "
                        "aggregate it first."
                    )
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
    except UnicodeDecodeError:
        raise SeriesError(f"{file} is no text in UTF-8. Save it as CSV UTF-8.") from None
    except (OSError, csv.Error) as problem:
        raise SeriesError(f"{file} cannot be read as CSV ({problem}).") from None


def _place(file: Path, header: list[str], name: str, delimiter: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise SeriesError(f"{file} has two columns {shown(name)}.")
    other = next((mark for mark in ";\t," if mark != delimiter and mark in "".join(header)), None)
    if len(header) == 1 and other:
        raise SeriesError(
            f"{file} has one column, {shown(header[0])}. Its cells seem to be separated by "
            f"{other!r}: say delimiter={other!r}."
        )
    columns = ", ".join(shown(cell) for cell in header[:20])
    raise SeriesError(f"{file} has no column {shown(name)}; it has {columns or 'no header'}.")


def _written_differently(
    file: Path, first: tuple[int, str, Kind, str], row: int, text: str, now: tuple[Kind, str]
) -> NoReturn:
    here = f"{file}: row {row} says {shown(text)}, row {first[0]} said {shown(first[1])}"
    zones = {first[3], now[1]}
    if first[2] != now[0] or "" in zones:
        raise SeriesError(f"{here}: times must all be written in one way.")
    if "naive" in zones:
        raise SeriesError(
            f"{here}: one names its zone, the other does not. Write all of them in one way."
        )
    raise SeriesError(
        f"{here}: they have different offsets from UTC, and which day a moment belongs to "
        "depends on the zone. Say timezone='UTC', or your own, such as 'Africa/Nairobi'."
    )


# --- cells ---------------------------------------------------------------------------------------
def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except Exception:  # OSError, ValueError, KeyError: by the kind of nonsense
        raise SeriesError(
            f"There is no time zone {shown(name)}; say UTC, or one such as Africa/Nairobi."
        ) from None


def _times(format: str | None, zone: tzinfo | None) -> Callable[[str], _Parsed]:
    """Reads one time; the third thing it tells: "" for a date, naive, aware, or the offset."""

    def moment(found: datetime, kind: Kind, clock: bool) -> _Parsed:
        zoned = "" if not clock else "naive"
        if found.tzinfo is not None:
            # In a zone that was asked for, offsets may differ: they have been converted.
            zoned = "aware" if zone else str(found.utcoffset())
            found = found.astimezone(zone) if zone else found
        return (found.year, found.month, found.day), kind, zoned

    if format is not None:
        # %x may be 30/11/58. A percent sign that is written %% begins nothing.
        if two := re.search(r"%[yx]", format.replace("%%", "")):
            raise SeriesError(
                f"format has {two.group()}, a year of two digits: 58 may be 1958 or 2058, and "
                "nothing says which. Write four digits into the file, and %Y for them here."
            )
        kind: Kind = "year"
        if re.search(r"%[mbB]", format):
            kind = "month"
        if re.search(r"%[djcxDFeGuwVUW]", format):
            kind = "day"
        clock = bool(re.search(r"%[HIMSfzZcX]", format))

        def by_format(text: str) -> _Parsed:
            try:
                return moment(datetime.strptime(text, format), kind, clock)
            except (ValueError, OverflowError):
                raise ValueError(f"{shown(text)} is no time written as {shown(format)}.") from None

        return functools.lru_cache(maxsize=100_000)(by_format)

    def iso(text: str) -> _Parsed:
        if date := _DATE.fullmatch(text):
            parts = [int(part) for part in date.groups() if part]
            year, month, day = [*parts, 1, 1][:3]
            kinds: tuple[Kind, ...] = ("year", "month", "day")
            return moment(datetime(year, month, day), kinds[len(parts) - 1], clock=False)
        if clock := _CLOCK.fullmatch(text):
            date_part, hours, offset = clock.groups()
            found = datetime.fromisoformat(f"{date_part}T{hours}{offset or ''}")
            return moment(found, "day", clock=True)
        raise ValueError

    def by_iso(text: str) -> _Parsed:
        try:
            return iso(text)
        except (ValueError, OverflowError):
            hint = (
                " A year with decimals is no date." if re.fullmatch(r"[0-9]+\.[0-9]+", text) else ""
            )
            raise ValueError(
                f"{shown(text)} is no time that can be read without guessing.{hint} Write "
                "1997, 1997-11 or 1997-11-30, or say how it is written: format='%d.%m.%Y'."
            ) from None

    return functools.lru_cache(maxsize=100_000)(by_iso)


def _numbers(words: Sequence[str], decimal: str) -> Callable[[str], float]:
    if decimal not in (".", ","):
        raise SeriesError(f"decimal is {shown(decimal)}; it must be a point or a comma.")
    absent = {*MISSING, *(word.lower() for word in words)}
    # -999 means -999.0, too.
    fillers = {float(word) for word in words if _NUMBER.fullmatch(word)}

    def number(text: str) -> float:
        plain = text
        if decimal == ",":
            plain = "" if "." in text else text.replace(",", ".")
        # float() alone would take 1_000, and digits of other scripts.
        if _NUMBER.fullmatch(plain):
            found = float(plain)
            return math.nan if found in fillers else found
        if text.lower() in absent:
            return math.nan
        if _INFINITE.fullmatch(text):
            return math.copysign(math.inf, -1 if text.startswith("-") else 1)
        hint = ""
        if decimal == "." and _NUMBER.fullmatch(text.replace(",", ".")):
            hint = " If the comma stands before decimals, say decimal=','."
        raise ValueError(
            f"{shown(text)} is no number.{hint or ' If it means missing, say missing=[…].'}"
        )

    return number
