"""The same predictions on Kaggle: converts them to its form, and submits through its own package.

The form is one table with a row id, as Kaggle wants it. For land-cover a row is a scene and a
class, with the runs of label cells of that class; for climate-series it is a series and a step,
with the value. What is converted is what the academy's own scorer would get, byte for byte.

The package `kaggle` is not part of the academy: ``pip install kaggle`` brings it, and its
``kaggle auth login``, or a token in KAGGLE_API_TOKEN, says who you are there.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import importlib
import io
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.datasets import Dataset
from academy.errors import CloudError, SubmissionError, install
from academy.land_cover.classes import COUNT
from academy.land_cover.project import LandCover
from academy.receipts import Receipt

#: The column that tells rows apart.
ROW_ID = "row_id"
#: Stands for no run: Kaggle takes an empty cell for a missing one.
EMPTY = "-"

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
#: An image's environment is the jobs' too, and belongs to root.
_FIXED = (
    "If that is refused, your space's libraries are fixed, as your jobs' are: ask your advisor for "
    "the package."
)
_SETUP = (
    "Run kaggle auth login in a terminal, or make a token at https://www.kaggle.com/settings/api "
    "and set it as KAGGLE_API_TOKEN."
)
#: Seconds between two looks at a submission that is not scored yet: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 3.0, 30.0


# --- the form -------------------------------------------------------------------------------------
def run_lengths(mask: npt.ArrayLike) -> str:
    """Where `mask` is true, as runs "start length start length …".

    Parameters
    ----------
    mask
        Of any shape. Cells are numbered from 1, by rows: first along the first row, then along the
        second.

    Returns
    -------
    str
        Runs in ascending order, as few as there can be; "-" if there is none.

    Examples
    --------
    >>> run_lengths([[0, 1, 1], [1, 0, 1]])
    '2 3 6 1'
    """
    flat = np.asarray(mask, bool).ravel()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat, [False])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    runs = np.stack([starts + 1, ends - starts], axis=1).ravel()
    return " ".join(map(str, runs.tolist())) or EMPTY


def converted(content: bytes, data: Dataset | LandCover) -> bytes:
    """A submission to the academy as one to Kaggle, a CSV file.

    Parameters
    ----------
    content
        What `academy.submissions.packed` made: complete and checked.
    data
        The project's data.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if isinstance(data, LandCover):
        writer.writerow([ROW_ID, "rle"])
        with np.load(io.BytesIO(content), allow_pickle=False) as maps:
            for scene in data.task.held_out:
                writer.writerows(class_rows(scene, maps[scene]))
    else:
        writer.writerow([ROW_ID, "value"])
        for row in csv.DictReader(io.StringIO(content.decode())):
            writer.writerow([f"{row['series']}_{row['step']}", row["value"]])
    return text.getvalue().encode()


def class_rows(scene: str, labels: npt.ArrayLike) -> Iterator[tuple[str, str]]:
    """The rows of a scene: for each class its id and its runs."""
    given = np.asarray(labels)
    for number in range(COUNT):
        yield f"{scene}_{number}", run_lengths(given == number)


# --- sending --------------------------------------------------------------------------------------
def competition_of(to: str) -> str | None:
    """The competition in ``kaggle:<competition>``; None for the one that kaggle itself is set to.

    Raises
    ------
    SubmissionError
        It is no name of a competition.
    """
    _, colon, name = to.partition(":")
    if not colon:
        return None
    if not _SLUG.fullmatch(name):
        raise SubmissionError(
            f"{name[:60]!r} is no competition of Kaggle; expected the last part of its address, "
            'such as to="kaggle:earth-2026-land-cover".'
        )
    return name


def send(
    content: bytes,
    *,
    competition: str | None,
    note: str,
    now: dt.datetime,
    wait_seconds: float,
) -> Receipt:
    """Submits a file of Kaggle's form, and waits for its public score.

    Parameters
    ----------
    content
        What `converted` made.
    competition
        The last part of its address; None for the one that the package is configured with.

    Raises
    ------
    SubmissionError
        The package is missing or not configured; nothing was sent.
    CloudError
        Kaggle could not be reached, or refused.
    """
    api = _api()
    competition = competition or _configured(api)
    received = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    name = f"{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:12]}.csv"
    message = " ".join("".join(c if c.isprintable() else " " for c in note).split())
    with tempfile.TemporaryDirectory(prefix="academy-kaggle-") as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        with _asking(competition):
            answer = api.competition_submit(
                str(file), message or "sent by the academy's library", competition, quiet=True
            )
    said = _line(getattr(answer, "message", ""))
    if said.lower().startswith("could not submit"):
        raise CloudError(
            f"Kaggle did not take the file ({said}). Are you part of {competition}, with its rules "
            "accepted, and is it open?"
        )
    reference = getattr(answer, "ref", None) or None
    found = _await(api, competition, reference, name, wait_seconds)
    return _receipt(competition, reference, name, found, received)


def _api() -> Any:
    """The package's client, authenticated."""
    # It says on its own output what a terminal's user should do, and then ends the process.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            module = importlib.import_module("kaggle.api.kaggle_api_extended")
            api = module.KaggleApi()
            api.authenticate()
        except ModuleNotFoundError as problem:
            lacking = (problem.name or "kaggle").partition(".")[0]
            if lacking == "kaggle":
                raise SubmissionError(
                    f"The package kaggle is not installed. {install('%pip install kaggle')}, and "
                    f"submit again. {_FIXED}"
                ) from None
            raise SubmissionError(
                f"The package kaggle lacks {lacking}. {install(f'%pip install {lacking}')}, and "
                f"submit again. {_FIXED}"
            ) from None
        except (SystemExit, OSError, ValueError) as problem:
            why = "" if isinstance(problem, SystemExit) else f" ({_line(problem)})"
            raise SubmissionError(f"Kaggle does not know who you are{why}. {_SETUP}") from None
    return api


def _configured(api: Any) -> str:
    name = api.get_config_value("competition")
    if not isinstance(name, str) or not _SLUG.fullmatch(name):
        raise SubmissionError(
            'Which competition? Say to="kaggle:<competition>" with the last part of its address, '
            "or set one with kaggle config set -n competition -v <competition>."
        )
    return name


@contextlib.contextmanager
def _asking(competition: str) -> Iterator[None]:
    """Turns what the package raises into the library's own errors."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    # It raises requests' errors, its own and plain ones; none must end a notebook with a trace.
    except Exception as problem:
        status = getattr(getattr(problem, "response", None), "status_code", None)
        raise CloudError(_refusal(competition, status, problem)) from None
    except SystemExit:
        raise CloudError(f"The package kaggle gave up. {_SETUP}") from None


def _refusal(competition: str, status: int | None, problem: Exception) -> str:
    if status == 401:
        return f"Kaggle does not take your token. {_SETUP}"
    if status == 403:
        return (
            f"Kaggle does not let you submit to {competition}: join it and accept its rules at "
            f"https://www.kaggle.com/competitions/{competition}/rules."
        )
    if status == 404:
        return f"Kaggle has no open competition {competition}."
    if status == 429:
        return "Kaggle has had too many requests from you, or today's submissions are used up."
    return f"Kaggle did not take it: {_line(problem)}"


def _await(
    api: Any, competition: str, reference: Any, name: str, wait_seconds: float
) -> Any | None:
    """The submission as Kaggle lists it once it is scored or refused; None if it is not yet."""
    deadline, pause = time.monotonic() + wait_seconds, _FIRST_PAUSE
    while time.monotonic() + pause <= deadline:
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            with _asking(competition):
                listed = api.competition_submissions(competition) or []
        except CloudError:
            # It was sent; that Kaggle cannot be asked now is no reason to say it was not.
            continue
        for each in listed:
            ours = (
                getattr(each, "ref", None) == reference
                if reference is not None
                else getattr(each, "file_name", None) == name
            )
            if ours and _status(each) in ("COMPLETE", "ERROR"):
                return each
    return None


def _status(submission: Any) -> str:
    status = getattr(submission, "status", "")
    return str(getattr(status, "name", status)).rsplit(".", 1)[-1].upper()


def _receipt(
    competition: str, reference: Any, name: str, found: Any | None, received: str
) -> Receipt:
    submission = f"{competition}/{reference or name}"
    place = f"https://www.kaggle.com/competitions/{competition}/submissions"
    if found is None:
        return Receipt(
            submission,
            "waiting",
            f"Kaggle has it; it is not scored yet. See {place}; there is no need to send it again.",
            None,
            received,
            True,
        )
    if _status(found) == "ERROR":
        why = _line(getattr(found, "error_description", "")) or "it does not say why"
        return Receipt(submission, "refused", f"Kaggle: {why}", None, received, False)
    try:
        score = float(found.public_score)
    except (AttributeError, TypeError, ValueError):
        return Receipt(
            submission, "waiting", f"Kaggle shows no score yet. See {place}.", None, received, True
        )
    return Receipt(
        submission, "scored", f"Kaggle's public score in {competition}", score, received, True
    )


def _line(text: object) -> str:
    """What somebody else said, on one line, short, without control characters."""
    shown = "".join(c if c.isprintable() else " " for c in str(text)[:2000])
    return " ".join(shown.split())[:300]
