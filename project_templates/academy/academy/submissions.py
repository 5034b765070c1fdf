"""Checks predictions, sends them, and waits for the scorer's receipt.

What is checked and sent is the project's own: forecasts here, maps in
`academy.land_cover.submission`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import html
import json
import math
import numbers
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from academy.cloud import AlreadyThere, Cloud
from academy.datasets import Dataset, Task, read_rows
from academy.errors import CloudError, DatasetError, SubmissionError
from academy.land_cover import submission
from academy.land_cover.project import LandCover
from academy.workspace import Workspace

#: The scorer reads no more, and no larger values.
MAX_BYTES = 1_000_000
MAX_MAGNITUDE = 1e9
MAX_NOTE = 200
COLUMNS = ("series", "step", "value")

Row = tuple[str, int, float]


@dataclass(frozen=True)
class Receipt:
    """What the scorer said to one submission.

    Attributes
    ----------
    submission : str
        Its name.
    status : str
        ``scored``, ``refused``, or ``waiting`` when the scorer has not answered yet.
    message : str
        In words.
    public_score : float or None
        What the board now shows of your team on the public part, to three digits: this entry's, if
        it was better beyond noise. The board says whether higher or lower is better.
    received : str
        When it arrived, UTC, ISO 8601.
    counted : bool
        Whether it counts against the day's limit.
    classes : dict
        The F1 of each class on the public part, where the project has classes; else empty.
    job : str
        Your team's training job that made it; empty if you named none that there is.
    image : str
        What that job ran on: a name, and what tells this build from others.
    """

    submission: str
    status: str
    message: str
    public_score: float | None
    received: str
    counted: bool
    classes: Mapping[str, float] = field(default_factory=dict)
    job: str = ""
    image: str = ""

    def __repr__(self) -> str:
        score = "" if self.public_score is None else f" {self.public_score:.3f}"
        width = max(map(len, self.classes), default=0)
        lines = [f"  {name:{width}} {value:.3f}" for name, value in self.classes.items()]
        lines += [f"  {self._origin()}"] if self.job else []
        return "\n".join([f"Receipt {self.status}{score} · {self.message}", *lines])

    def _origin(self) -> str:
        return f"made by {self.job} on {self.image or 'an unknown image'}"

    def _repr_html_(self) -> str:
        color = {"scored": "#1a7f5a", "refused": "#b3261e"}.get(self.status, "#8a6d00")
        score = (
            f'<div style="font-size:200%">{self.public_score:.3f}</div>'
            if self.public_score is not None
            else ""
        )
        origin = f"<div>{html.escape(self._origin())}</div>" if self.job else ""
        return (
            f'<div style="border-left:3px solid {color};padding:2px 10px">'
            f"<b>{html.escape(self.status)}</b>{score}"
            f"<div>{html.escape(self.message)}</div>{self._bars()}{origin}"
            f'<div style="opacity:.6;font-size:85%">{html.escape(self.submission)}</div></div>'
        )

    def _bars(self) -> str:
        """A bar for each class, as long as its F1."""
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td style='width:160px'>"
            f"<div style='height:9px;width:{100 * min(max(value, 0.0), 1.0):.0f}%;"
            f"background:#33658a'></div></td><td>{value:.3f}</td></tr>"
            for name, value in self.classes.items()
        )
        return f"<table><caption>F1 of each class</caption>{rows}</table>" if rows else ""


def rows_of(predictions: Any, task: Task) -> list[Row]:
    """A forecast in any of its forms as rows (series, step, value).

    A path is a CSV file with the columns series, step, value; a dictionary has the values of each
    series over the horizon, first step first; a table with those three columns (pandas) or a list
    of such rows is taken as it is.
    """
    if isinstance(predictions, str | Path):
        file = Path(predictions).expanduser()
        if not file.is_file():
            raise SubmissionError(f"There is no file {file.absolute()}.")
        if file.stat().st_size > 4 * MAX_BYTES:
            raise SubmissionError(f"{file} has more than {MAX_BYTES:,} bytes.")
        try:
            return read_rows(file)
        except DatasetError as problem:
            raise SubmissionError(str(problem)) from None
    if isinstance(predictions, Mapping):
        return _from_series(predictions, task)
    if all(hasattr(predictions, name) for name in ("columns", "itertuples")):
        missing = [name for name in COLUMNS if name not in list(predictions.columns)]
        if missing:
            raise SubmissionError(f"The table has no column {', '.join(missing)}.")
        columns = [list(predictions[name]) for name in COLUMNS]
        return _from_rows(zip(*columns, strict=True))
    if isinstance(predictions, Iterable):
        return _from_rows(predictions)
    raise SubmissionError(
        f"{predictions!r:.60} is no forecast. Give the path of a CSV file, a dictionary "
        "series -> values, a table, or rows (series, step, value)."
    )


def _from_series(predictions: Mapping[Any, Any], task: Task) -> list[Row]:
    unknown = [str(name) for name in predictions if name not in task.series]
    if unknown:
        raise SubmissionError(
            f"No series is called {', '.join(unknown[:3])}; they are {', '.join(task.series)}."
        )
    rows: list[Row] = []
    for name in task.series:
        if name not in predictions:
            raise SubmissionError(
                f"The forecast of {name} is missing; needed are {', '.join(task.series)}."
            )
        try:
            values = np.asarray(predictions[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise SubmissionError(
                f"The forecast of {name} has values that are no numbers."
            ) from None
        if values.shape != (task.horizon,):
            raise SubmissionError(
                f"The forecast of {name} has shape {values.shape}; expected ({task.horizon},), one "
                "value for each month."
            )
        first = task.first_step[name]
        rows += [(name, first + lead, float(value)) for lead, value in enumerate(values)]
    return rows


def _from_rows(predictions: Iterable[Any]) -> list[Row]:
    rows: list[Row] = []
    for number, row in enumerate(predictions, start=1):
        if isinstance(row, Mapping):
            row = [row.get(name) for name in COLUMNS]
        if isinstance(row, str | bytes) or not isinstance(row, Sequence) or len(row) != 3:
            raise SubmissionError(f"Row {number} is {row!r}; expected (series, step, value).")
        name, step, value = row
        whole = isinstance(step, numbers.Real) and float(step).is_integer()
        if not whole or isinstance(step, bool):
            raise SubmissionError(f"Row {number}: step {step!r} is no whole number.")
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise SubmissionError(f"Row {number}: value {value!r} is no number.")
        rows.append((str(name), int(step), float(value)))
    return rows


def check(rows: Sequence[Row], sample: Sequence[Row]) -> list[Row]:
    """The rows in the sample's order, if they are exactly those that are asked for.

    Raises
    ------
    SubmissionError
        Rows are missing, unknown or there twice, or a value cannot be scored.
    """
    values: dict[tuple[str, int], float] = {}
    wanted = {(name, step) for name, step, _ in sample}
    for name, step, value in rows:
        if (name, step) in values:
            raise SubmissionError(f"{name}, step {step} is there twice.")
        if (name, step) not in wanted:
            raise SubmissionError(
                f"{name}, step {step} is not asked for. {_asked(name, wanted)} The file "
                "sample_submission.csv of the data shows all rows."
            )
        if not math.isfinite(value):
            raise SubmissionError(
                f"The forecast of {name} at step {step} is {value}. Every value must be a finite "
                "number: look for a division by zero, or a training loss that is nan."
            )
        if abs(value) > MAX_MAGNITUDE:
            raise SubmissionError(
                f"The forecast of {name} at step {step} is {value:g}: beyond {MAX_MAGNITUDE:g} "
                "nothing is scored. Did you undo your scaling?"
            )
        values[name, step] = value
    missing = [(name, step) for name, step, _ in sample if (name, step) not in values]
    if missing:
        name, step = missing[0]
        raise SubmissionError(
            f"{len(missing)} of {len(sample)} rows are missing, the first is {name}, step {step}."
        )
    return [(name, step, values[name, step]) for name, step, _ in sample]


def _asked(name: str, wanted: set[tuple[str, int]]) -> str:
    steps = [step for series, step in wanted if series == name]
    if steps:
        return f"Steps of {name} are {min(steps)} to {max(steps)}."
    return f"Series are {', '.join(sorted({series for series, _ in wanted}))}."


def as_csv(rows: Sequence[Row]) -> bytes:
    """The file that is sent: the shortest decimal numbers that keep every value as it is."""
    lines = [",".join(COLUMNS)]
    lines += [f"{name},{step},{value!r}" for name, step, value in rows]
    return ("\n".join(lines) + "\n").encode()


def packed(predictions: Any, data: Dataset | LandCover) -> tuple[bytes, str]:
    """What is sent, and the ending of its name.

    Raises
    ------
    SubmissionError
        The predictions are not complete, or cannot be scored.
    """
    if isinstance(data, LandCover):
        return submission.packed(predictions, data.task), "npz"
    content = as_csv(check(rows_of(predictions, data.task), data.sample_submission))
    if len(content) > MAX_BYTES:
        raise SubmissionError(f"The forecast has {len(content):,} bytes; at most {MAX_BYTES:,}.")
    return content, "csv"


def send(
    cloud: Cloud,
    workspace: Workspace,
    data: Dataset | LandCover,
    predictions: Any,
    *,
    project: str,
    note: str,
    job: str,
    now: dt.datetime,
    wait_seconds: float,
    to: str = "academy",
) -> Receipt:
    """See `academy.submit`."""
    if not isinstance(to, str) or (to != "academy" and to.partition(":")[0] != "kaggle"):
        raise SubmissionError(
            f'to is {to!r:.60}; expected "academy", "kaggle" or "kaggle:<competition>".'
        )
    if not isinstance(note, str):
        raise SubmissionError(f"The note is {note!r}; expected a text.")
    if len(note) > MAX_NOTE:
        raise SubmissionError(f"The note has {len(note)} characters; at most {MAX_NOTE}.")
    if to != "academy":
        # Imported here: it needs this module, and few use it.
        from academy import kaggle

        competition = kaggle.competition_of(to)
        content, _ = packed(predictions, data)
        return kaggle.send(
            kaggle.converted(content, data),
            competition=competition,
            note=f"{note} ({job})" if job else note,
            now=now,
            wait_seconds=wait_seconds,
        )
    content, ending = packed(predictions, data)
    name = f"{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
    key = workspace.prefix("submissions", project) + name
    metadata = {"note": quote(note), "learner": workspace.learner, "job": job}
    # The same predictions in the same second: their receipt is ours.
    with contextlib.suppress(AlreadyThere):
        cloud.create(workspace.buckets["work"], key, content, metadata)
    receipt = f"{workspace.prefix('receipts', project)}{name}.json"
    return _await(cloud, workspace.buckets["work"], name, receipt, now, wait_seconds)


def _await(
    cloud: Cloud, bucket: str, name: str, receipt: str, now: dt.datetime, wait_seconds: float
) -> Receipt:
    deadline, pause = time.monotonic() + wait_seconds, 0.2
    while True:
        # Listing, because reading what is not there yet counts as denied.
        if cloud.objects(bucket, receipt):
            return read_receipt(name, cloud.read(bucket, receipt))
        if time.monotonic() + pause > deadline:
            return Receipt(
                name,
                "waiting",
                "Received, not scored yet. The board will show it; there is no need to send it "
                "again.",
                None,
                f"{now:%Y-%m-%dT%H:%M:%SZ}",
                False,
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def read_receipt(name: str, content: bytes) -> Receipt:
    """The scorer's receipt from its JSON."""
    try:
        document = json.loads(content)
        score = document["public_score"]
        return Receipt(
            submission=name,
            status=str(document["status"]),
            message=str(document["message"]),
            public_score=None if score is None else float(score),
            received=str(document["received"]),
            counted=bool(document["counted"]),
            classes={n: float(f1) for n, f1 in (document.get("classes") or {}).items()},
            job=str(document.get("job") or ""),
            image=str(document.get("image") or ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CloudError(
            f"The receipt of {name} cannot be read. Your submission was received; ask your advisor."
        ) from None
