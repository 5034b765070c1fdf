"""The live round: forecasts of months that nobody knows yet, sealed by a hash when they are sent.

`academy.live_round` gives the round with what is known by now, ``academy.submit(project, forecast,
live=True)`` sends a forecast, ``academy.leaderboard(project, live=True)`` shows the board. What was
sealed can be checked by anybody: `sealed` computes the hash anew.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import html
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.datasets import Task
from academy.errors import DatasetError, SubmissionError
from academy.forecasting import submission
from academy.tables import html_table, plain, text_table, untypeset

FOLDER = "live"
ENDING = ".live.csv"
#: The checker reads no more.
MAX_BYTES = 1_000_000

Array = npt.NDArray[np.float64]

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


# --- months ---------------------------------------------------------------------------------------
def month_index(month: str) -> int:
    """The month's number: one more for each month.

    >>> month_index("2027-01") - month_index("2026-11")
    2

    Raises
    ------
    SubmissionError
        It is no month such as ``2026-12``.
    """
    found = _MONTH.fullmatch(str(month).strip())
    if not found:
        raise SubmissionError(f"{str(month)[:30]!r} is no month; expected one such as 2026-12.")
    return int(found[1]) * 12 + int(found[2]) - 1


def month_name(index: int) -> str:
    """
    >>> month_name(month_index("2026-12") + 1)
    '2027-01'
    """
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


# --- the round ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LiveRound:
    """A live round: what is forecast, and what is known of it by now.

    Attributes
    ----------
    name, title, note : str
    project : str
    horizon : int
        Months that a forecast has, each series.
    series : tuple of dict
        id, title, unit, source, url of each.
    known : dict
        Each series' values, oldest first, shape (n,): history and what was observed since.
    starts : dict
        The month of each series' first value, ``YYYY-MM``.
    opened, stopped : str
        ISO instants, UTC; `stopped` is empty while forecasts are taken.
    season : int
        12.
    """

    name: str
    title: str
    project: str
    horizon: int
    series: tuple[Mapping[str, Any], ...]
    known: Mapping[str, Array]
    starts: Mapping[str, str]
    opened: str
    stopped: str = ""
    note: str = ""
    season: int = 12

    @property
    def open(self) -> bool:
        """Whether it takes forecasts."""
        return not self.stopped

    @property
    def names(self) -> tuple[str, ...]:
        """The series' ids."""
        return tuple(str(each["id"]) for each in self.series)

    def months(self, now: dt.datetime | None = None) -> tuple[str, ...]:
        """The months that a forecast which is sent now must have: the `horizon` next ones after
        this month, UTC."""
        first = _month_of(now or dt.datetime.now(dt.UTC)) + 1
        return tuple(month_name(first + lead) for lead in range(self.horizon))

    def steps_ahead(self, name: str, now: dt.datetime | None = None) -> int:
        """How many months there are from the last known value of `name` to the last that is asked
        for: what a model must forecast, of which the last `horizon` are sent."""
        last = month_index(self.starts[name]) + len(self.known[name]) - 1
        return month_index(self.months(now)[-1]) - last

    def _rows(self) -> list[dict[str, str]]:
        rows = []
        for each in self.series:
            name = str(each["id"])
            first = month_index(self.starts[name])
            rows.append(
                {
                    "series": name,
                    "what": plain(each.get("title", "")),
                    "unit": plain(each.get("unit", "")),
                    "known": f"{self.starts[name]} to "
                    f"{month_name(first + len(self.known[name]) - 1)}",
                    "source": plain(each.get("source", "")),
                }
            )
        return rows

    def _head(self) -> str:
        if not self.open:
            return f"{plain(self.title)} · takes no forecasts since {self.stopped[:10]}"
        months = self.months()
        return f"{plain(self.title)} · now forecast: {months[0]} to {months[-1]}"

    def __repr__(self) -> str:
        columns = ["series", "what", "unit", "known", "source"]
        return "\n".join([self._head(), text_table(columns, self._rows())])

    @untypeset
    def _repr_html_(self) -> str:
        columns = ["series", "what", "unit", "known", "source"]
        note = f"<div>{html.escape(plain(self.note))}</div>" if self.note else ""
        return (
            f"<div>{html.escape(self._head())}</div>{note}"
            f"{html_table(columns, self._rows(), wrapped=('what', 'source'))}"
        )


def read_round(folder: Path) -> LiveRound | None:
    """The round among a project's downloaded data; None if it has none.

    Raises
    ------
    DatasetError
        Its files cannot be read.
    """
    file = folder / FOLDER / "task.json"
    if not file.is_file():
        return None
    try:
        task = json.loads(file.read_text(encoding="utf-8"))
        names = [str(each["id"]) for each in task["series"]]
        starts: dict[str, str] = {}
        known: dict[str, list[float]] = {name: [] for name in names}
        for part in ("history.csv", "observed.csv"):
            path = file.with_name(part)
            rows = _rows_of(path) if path.is_file() or part == "history.csv" else []
            for name, month, value in rows:
                first = starts.setdefault(name, month)
                expected = month_index(first) + len(known[name])
                if month_index(month) != expected:
                    raise ValueError(f"{part} has {month} of {name}, not {month_name(expected)}")
                known[name].append(value)
        return LiveRound(
            name=str(task["round"]),
            title=str(task["title"]),
            project=str(task["project"]),
            horizon=int(task["horizon"]),
            series=tuple(task["series"]),
            known={name: np.array(known[name], dtype=np.float64) for name in names},
            starts={name: starts[name] for name in names},
            opened=str(task["opened"]),
            stopped=str(task["stopped"] or ""),
            note=str(task.get("note") or ""),
            season=int(task.get("season") or 12),
        )
    except (OSError, ValueError, KeyError, TypeError, SubmissionError) as problem:
        raise DatasetError(f"The live round in {file.parent} cannot be read ({problem}).") from None


def _rows_of(file: Path) -> list[tuple[str, str, float]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        head, *rows = csv.reader(text)
    if head != ["series", "month", "value"]:
        raise ValueError(f"{file.name} begins with {','.join(head)[:60]}")
    return [(name, month, float(value)) for name, month, value in rows]


def _month_of(now: dt.datetime) -> int:
    utc = now.astimezone(dt.UTC)
    return utc.year * 12 + utc.month - 1


# --- what is sent ---------------------------------------------------------------------------------
def packed(forecast: Any, given: LiveRound, now: dt.datetime) -> bytes:
    """The file that is sent.

    Parameters
    ----------
    forecast
        A dictionary series -> values of shape (horizon,) or quantiles of shape (horizon, 19), first
        month first; or the path of a CSV file, a table or a list of rows (series, month, value),
        with quantiles as columns ``0.05`` to ``0.95`` or without.
    given
        The round.
    now
        When it is sent: it says which months are asked for.

    Raises
    ------
    SubmissionError
        It is not complete, or cannot be scored.
    """
    months = given.months(now)
    # Months count as steps: what forecasts are checked for is the same.
    first = month_index(months[0])
    task = Task(
        project=given.project,
        horizon=given.horizon,
        season=given.season,
        metric="",
        series=given.names,
        first_step=dict.fromkeys(given.names, first),
    )
    wanted = [(name, first + lead, 0.0) for name in given.names for lead in range(given.horizon)]
    rows = submission.rows_of(_by_steps(forecast), task)
    try:
        found = submission.check(rows, wanted)
    except SubmissionError as problem:
        raise SubmissionError(_by_months(str(problem))) from None
    head = ["series", "month", "value"]
    if found and len(found[0]) > 3:
        head += list(submission.QUANTILES)
    lines = [",".join(head)]
    lines += [
        f"{name},{month_name(step)},{','.join(repr(float(value)) for value in values)}"
        for name, step, *values in found
    ]
    content = ("\n".join(lines) + "\n").encode()
    if len(content) > MAX_BYTES:
        raise SubmissionError(f"The forecast has {len(content):,} bytes; at most {MAX_BYTES:,}.")
    return content


class _Table:
    """Columns by name, in which the column month has become the column step."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns: dict[str, list[Any]] = {}
        for name, values in columns.items():
            if name == "month":
                self._columns["step"] = [month_index(value) for value in values]
            elif name == "series":
                self._columns[name] = list(map(str, values))
            else:
                self._columns[name] = list(map(_number, values))

    @property
    def columns(self) -> list[str]:
        return list(self._columns)

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def itertuples(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self._columns.values(), strict=True)


def _number(value: Any) -> Any:
    """A number that a file has as text; what is none is left for the check to tell."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _by_steps(forecast: Any) -> Any:
    """The forecast with months as whole numbers, in a form that the project's check reads."""
    if isinstance(forecast, str | Path):
        return _Table(_columns_of(Path(forecast).expanduser()))
    if isinstance(forecast, Mapping):
        return forecast
    if all(hasattr(forecast, name) for name in ("columns", "itertuples")):
        if "month" not in list(forecast.columns):
            raise SubmissionError("The table has no column month.")
        # Periods and timestamps begin with their month.
        months = [str(value)[:7] for value in forecast["month"]]
        columns = {str(name): list(forecast[name]) for name in forecast.columns}
        return _Table({**columns, "month": months})
    if not isinstance(forecast, Iterable):
        raise SubmissionError(
            f"{forecast!r:.60} is no forecast. Give a dictionary series -> values, the path of a "
            "CSV file, a table, or rows (series, month, value)."
        )
    found = []
    for number, row in enumerate(forecast, start=1):
        if isinstance(row, str | bytes) or not isinstance(row, Sequence) or len(row) != 3:
            raise SubmissionError(f"Row {number} is {row!r:.60}; expected (series, month, value).")
        found.append((row[0], month_index(row[1]), row[2]))
    return found


def _columns_of(file: Path) -> dict[str, list[str]]:
    """A CSV file's columns."""
    if not file.is_file():
        raise SubmissionError(f"There is no file {file.absolute()}.")
    if file.stat().st_size > MAX_BYTES:
        raise SubmissionError(f"{file} has more than {MAX_BYTES:,} bytes.")
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise SubmissionError(f"{file} cannot be read as CSV ({problem}).") from None
    head = [cell.strip() for cell in rows[0]] if rows else []
    if "series" not in head or "month" not in head:
        raise SubmissionError(
            f"{file} must begin with the line series,month,value, and the quantiles if you have "
            "them."
        )
    if len(set(head)) != len(head):
        raise SubmissionError(f"{file} has a column twice.")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise SubmissionError(f"{file}: row {number} has {len(row)} cells, not {len(head)}.")
    return {name: [row[at] for row in rows[1:]] for at, name in enumerate(head)}


def _by_months(message: str) -> str:
    """A sentence about steps as one about months.

    >>> _by_months("co2, step 24324 is there twice. Steps of co2 are 24323 to 24324.")
    'co2, month 2027-01 is there twice. Months of co2 are 2026-12 to 2027-01.'
    """

    def named(found: re.Match[str]) -> str:
        return month_name(int(found[0]))

    message = re.sub(r"\b2[0-9]{4}\b", named, message)
    message = message.replace("step", "month").replace("Steps", "Months")
    return re.sub(r" The file sample_submission\.csv.*", "", message)


# --- seals ----------------------------------------------------------------------------------------
def sealed(forecast: bytes | str, *, project: str, round: str, team: str, salt: str) -> str:
    """The hash that seals a forecast, to be held against the one on the board.

    Parameters
    ----------
    forecast
        The canonical forecast: as it is shown when all its months are observed.
    project, round, team
        Whose it is, and of which round.
    salt
        Of the team's receipt; shown with the forecast.

    Examples
    --------
    >>> sealed("series,month,value\\n", project="p", round="r", team="t", salt="0" * 32)[:8]
    '22de7c3f'
    """
    body = forecast.encode() if isinstance(forecast, str) else forecast
    head = f"academy live forecast\n{project}\n{round}\n{team}\n{salt}\n"
    return hashlib.sha256(head.encode() + body).hexdigest()


def canonical(content: bytes) -> bytes:
    """A file that was sent in canonical form, as it is sealed: rows sorted, shortest numbers.

    With it and the salt of its receipt a team computes its own hash at once:
    ``sealed(canonical(content), …)``.
    """
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    if "value" not in head:
        at = head.index("0.5")
        head = [*head[:2], "value", *head[2:]]
        rows = [[*row[:2], row[at], *row[2:]] for row in rows]
    numbers = [(row[0], row[1], [repr(float(v) + 0.0) for v in row[2:]]) for row in rows]
    lines = [",".join(head)]
    lines += [",".join([name, month, *values]) for name, month, values in sorted(numbers)]
    return ("\n".join(lines) + "\n").encode()
