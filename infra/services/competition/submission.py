"""Reads a submission: a hostile file until every line has been checked.

The sender is known from the key alone, whose prefix IAM lets one team write. The file's name and
metadata are the sender's own words: they are shown, never trusted.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import math
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from infra.cohort.naming import ID_MAX, ID_PATTERN, JobName
from infra.services.competition.problems import Fault
from infra.services.competition.scoring import Answers, Point

MAX_BYTES = 1_000_000
MAX_NOTE = 200
COLUMNS = ["series", "step", "value"]
#: No forecast of anything measured is larger; what is would only overflow.
MAX_MAGNITUDE = 1e9

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_STEP = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Sender:
    """Whose submission it is, by its key: submissions/<project>/<team>/<name>."""

    project: str
    team: str
    name: str

    @property
    def receipt(self) -> str:
        """The key of its receipt."""
        return f"receipts/{self.project}/{self.team}/{self.name}.json"


def sender_of(key: str) -> Sender | None:
    """The sender, or None for a key that the library does not make."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != "submissions":
        return None
    _, project, team, name = parts
    if not (_id(project) and _id(team) and _NAME.fullmatch(name)) or set(name) == {"."}:
        return None
    return Sender(project, team, name)


def _id(text: str) -> bool:
    return len(text) <= ID_MAX and re.fullmatch(ID_PATTERN, text) is not None


@dataclass(frozen=True)
class Upload:
    """A file as it was received: at most `MAX_BYTES` + 1 bytes of it, and what came with it."""

    key: str
    content: bytes
    received: dt.datetime
    metadata: Mapping[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def note(self) -> str:
        """The sender's note, on one line, without control characters."""
        text = urllib.parse.unquote(self.metadata.get("note", "")[: MAX_NOTE * 12])
        shown = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(shown.split())[:MAX_NOTE]

    @property
    def learner(self) -> str:
        """Who says to have sent it."""
        given = self.metadata.get("learner", "")
        return given if _id(given) else ""

    @property
    def job(self) -> str:
        """The job that is said to have made it."""
        given = self.metadata.get("job", "")
        return given if len(given) <= 63 and JobName.parse(given) else ""


def forecasts(content: bytes, answers: Answers) -> dict[Point, float]:
    """The forecast of each point that `answers` asks for.

    Raises:
        Fault: at the first thing that is wrong, with its row; rows count from 1, the header is row
            0.
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
    found: dict[Point, float] = {}
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True)):
            if number == 0:
                _header(row)
            else:
                point, value = _row(number, row, answers)
                if point in found:
                    raise Fault(f"row {number}: series {point[0]}, step {point[1]} stands twice.")
                found[point] = value
    except csv.Error as error:
        raise Fault(f"row {number + 1}: not CSV ({error}).") from None
    _complete(found, answers)
    return found


def _header(row: list[str]) -> None:
    if row != COLUMNS:
        raise Fault(
            f"The first line is {_show(','.join(row))}; expected exactly {','.join(COLUMNS)}."
        )


def _row(number: int, row: list[str], answers: Answers) -> tuple[Point, float]:
    if len(row) != len(COLUMNS):
        raise Fault(f"row {number}: {len(row)} values; expected {', '.join(COLUMNS)}.")
    series, step, text = row
    if series not in answers.scales:
        known = ", ".join(sorted(answers.scales))
        raise Fault(f"row {number}: series {_show(series)} is unknown; expected one of {known}.")
    if not _STEP.fullmatch(step):
        raise Fault(f"row {number}: step {_show(step)} is not a whole number.")
    point = (series, int(step))
    if point not in answers.points:
        steps = [s for name, s in answers.points if name == series]
        raise Fault(
            f"row {number}: step {int(step)} of {series} is not asked for; expected steps "
            f"{min(steps)} to {max(steps)}."
        )
    if len(text) > 60 or not _NUMBER.fullmatch(text):
        raise Fault(f"row {number}: value {_show(text)} is not a number.")
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise Fault(f"row {number}: value {_show(text)} is beyond {MAX_MAGNITUDE:g}.")
    return point, value


def _complete(found: dict[Point, float], answers: Answers) -> None:
    missing = sorted(answers.points.keys() - found.keys())
    if missing:
        series, step = missing[0]
        raise Fault(
            f"{len(missing)} of {len(answers.points)} rows are missing; the first is series "
            f"{series}, step {step}. The rows are those of sample_submission.csv."
        )


def _show(text: str) -> str:
    """`text` as it may stand in a message: short, on one line, in ASCII."""
    shown = ascii(text[:40])
    return shown if len(text) <= 40 else shown[:-1] + "...'"
