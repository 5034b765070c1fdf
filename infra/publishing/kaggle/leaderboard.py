"""Reads a leaderboard that was downloaded from Kaggle. Its team names are anybody's words.

Two forms: the file that ``kaggle competitions leaderboard --download`` unpacks to (columns Rank,
TeamId, TeamName, LastSubmissionDate, Score, SubmissionCount, …), and what ``--show --csv`` prints
(teamId, teamName, submissionDate, score).
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from infra.publishing.kaggle import KaggleError
from infra.services.competition.submission import show

MAX_BYTES = 20_000_000
MAX_ROWS = 100_000
MAX_NAME = 60

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?"
)
_COUNT = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Row:
    """A team on Kaggle. `submissions` is None where the file does not say; `submitted` may be
    empty."""

    rank: int
    team: str
    score: float
    submissions: int | None
    submitted: str


def read(content: bytes) -> list[Row]:
    """The rows, in the file's order.

    Raises
    ------
    KaggleError
        At the first thing that is wrong, with its row; rows count from 1, the header is row 0.
    """
    if content.startswith(b"PK"):
        raise KaggleError("this is a zip: unzip it, and give the .csv that is in it")
    if len(content) > MAX_BYTES:
        raise KaggleError(f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KaggleError(f"the file is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise KaggleError("the file holds a NUL character; it is no CSV file")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[Row] = []
    number = 0
    try:
        columns = _columns(next(reader, []))
        for number, cells in enumerate(reader, start=1):
            if number > MAX_ROWS:
                raise KaggleError(f"the file has more than {MAX_ROWS:,} rows")
            if cells:
                found.append(_row(number, cells, columns))
    except csv.Error as error:
        raise KaggleError(f"row {number + 1}: not CSV ({error})") from None
    return found


def _columns(header: list[str]) -> dict[str, int]:
    """Where each column is, by its name in small letters."""
    columns = {name.strip().lower(): at for at, name in enumerate(header)}
    if len(columns) != len(header) or not {"teamname", "score"} <= set(columns):
        raise KaggleError(
            f"the first line is {show(','.join(header))}; expected the columns of a leaderboard of "
            "Kaggle, with TeamName and Score"
        )
    columns[""] = len(header)
    return columns


def _row(number: int, cells: list[str], columns: dict[str, int]) -> Row:
    if len(cells) != columns[""]:
        raise KaggleError(f"row {number}: {len(cells)} cells; the first line has {columns['']}")

    def cell(*names: str) -> str:
        return next((cells[columns[name]].strip() for name in names if name in columns), "")

    text = cell("score")
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise KaggleError(f"row {number}: the score {show(text)} is not a number")
    return Row(
        rank=_count(number, "rank", cell("rank") or str(number)),
        team=shown(cell("teamname")),
        score=float(text),
        submissions=(
            _count(number, "number of submissions", cell("submissioncount"))
            if cell("submissioncount")
            else None
        ),
        submitted=shown(cell("lastsubmissiondate", "submissiondate"))[:19],
    )


def _count(number: int, what: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise KaggleError(f"row {number}: the {what} {show(text)} is not a whole number")
    return int(text)


def shown(text: str) -> str:
    """A name as it may stand on a terminal: one line, short, without anything that moves it.

    Control and formatting characters (escape sequences, changes of writing direction) go.
    """
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[:1000])
    name = " ".join(kept.split())
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


@dataclass(frozen=True)
class Standing:
    """A line of both boards together."""

    place: str
    rank: str
    team: str
    score: float
    submissions: int | None
    submitted: str


def beside(board: Any, rows: list[Row]) -> list[Standing]:
    """Both boards and the fixed marks, the best score first.

    Parameters
    ----------
    board
        The academy's own, as its JSON.

    Raises
    ------
    KaggleError
        It cannot be read.
    """
    try:
        found = [
            Standing(
                "academy",
                str(int(entry["rank"])),
                shown(str(entry["team"])),
                float(entry["score"]),
                int(entry["submissions"]),
                str(entry["submitted"])[:19].replace("T", " "),
            )
            for entry in board["entries"]
        ]
        found += [
            Standing("", "", shown(str(line["name"])), float(line["score"]), None, "")
            for line in board["lines"]
        ]
        lower = board["better"] == "lower"
    except (KeyError, TypeError, ValueError) as error:
        raise KaggleError(f"the academy's board cannot be read: {error!r}") from None
    found += [
        Standing("Kaggle", str(row.rank), row.team, row.score, row.submissions, row.submitted)
        for row in rows
    ]
    return sorted(found, key=lambda one: one.score if lower else -one.score)
