"""Checks predictions, sends them, waits for the receipt; says which entries count at the close.

What is checked and sent is the project's own: `academy.forecasting.submission`,
`academy.land_cover.submission`. Receipts and entries are in `academy.receipts`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from academy import live, receipts
from academy.cloud import AlreadyThere, Cloud, Denied, Missing
from academy.datasets import Dataset
from academy.errors import SubmissionError
from academy.forecasting import submission as forecasts
from academy.land_cover import submission as maps
from academy.land_cover.project import LandCover
from academy.progress import Progress
from academy.receipts import Entries, Receipt
from academy.workspace import Workspace

MAX_NOTE = 200
#: So many entries count at the close.
MAX_SELECTED = 2


def packed(predictions: Any, data: Dataset | LandCover) -> tuple[bytes, str]:
    """What is sent, and the ending of its name.

    Raises
    ------
    SubmissionError
        The predictions are not complete, or cannot be scored.
    """
    if isinstance(data, LandCover):
        return maps.packed(predictions, data.task), "npz"
    return forecasts.packed(predictions, data), "csv"


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
    name = f"{_stamp(now)}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
    return _put(
        cloud,
        workspace,
        name,
        content,
        project=project,
        note=note,
        job=job,
        now=now,
        wait_seconds=wait_seconds,
    )


def send_live(
    cloud: Cloud,
    workspace: Workspace,
    given: live.LiveRound,
    forecast: Any,
    *,
    note: str,
    job: str,
    now: dt.datetime,
    wait_seconds: float,
) -> Receipt:
    """See `academy.submit` with ``live=True``."""
    if not isinstance(note, str) or len(note) > MAX_NOTE:
        raise SubmissionError(f"The note is no text of at most {MAX_NOTE} characters.")
    content = live.packed(forecast, given, now)
    name = f"{_stamp(now)}-{hashlib.sha256(content).hexdigest()[:12]}{live.ENDING}"
    return _put(
        cloud,
        workspace,
        name,
        content,
        project=given.project,
        note=note,
        job=job,
        now=now,
        wait_seconds=wait_seconds,
    )


def select(
    cloud: Cloud,
    workspace: Workspace,
    entries: Sequence[Receipt | str],
    *,
    project: str,
    now: dt.datetime,
    wait_seconds: float,
) -> Receipt:
    """See `academy.select`."""
    if not 1 <= len(entries) <= MAX_SELECTED:
        raise SubmissionError(
            f"{len(entries)} entries are given; choose one or two. Of a choice of one, your best "
            "other public score is the second."
        )
    ids = [_entry_id(cloud, workspace, project, each) for each in entries]
    if len({each[:12] for each in ids}) != len(ids):
        raise SubmissionError("These are the same entry; choose two that differ, or one.")
    content = json.dumps({"entries": ids}).encode()
    name = f"{_stamp(now)}-{hashlib.sha256(content).hexdigest()[:12]}{receipts.SELECTION}"
    return _put(
        cloud,
        workspace,
        name,
        content,
        project=project,
        note="",
        job="",
        now=now,
        wait_seconds=wait_seconds,
    )


def _entry_id(cloud: Cloud, workspace: Workspace, project: str, given: Receipt | str) -> str:
    """The id of an entry that is given as receipt, as submission or by its id."""
    if isinstance(given, str) and re.fullmatch(r"[0-9a-f]{12,64}", given):
        return given
    if isinstance(given, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,100}", given):
        key = f"{workspace.prefix('receipts', project)}{given}.json"
        if not any(each.key == key for each in cloud.objects(workspace.buckets["work"], key)):
            raise SubmissionError(
                f"There is no entry {given!r} of your team, or it has no receipt yet. "
                f"academy.entries({project!r}) shows what there is."
            )
        given = receipts.read(given, cloud.read(workspace.buckets["work"], key))
    if not isinstance(given, Receipt):
        raise SubmissionError(
            f"{given!r:.60} is no entry. Give a receipt, the name of a submission, or an entry's "
            f"id as academy.entries({project!r}) shows it."
        )
    if not given.entry:
        raise SubmissionError(
            f"{given.submission} is no entry that can be chosen: its receipt says "
            f"{given.status}. {given.message}"
        )
    return given.entry


def entries(cloud: Cloud, workspace: Workspace, project: str, limit: int) -> Entries:
    """See `academy.entries`."""
    bucket = workspace.buckets["work"]
    sent, answered = (
        {
            each.key.removeprefix(prefix).removesuffix(ending)
            for each in cloud.objects(bucket, prefix)
        }
        for prefix, ending in (
            (workspace.prefix("submissions", project), ""),
            (workspace.prefix("receipts", project), ".json"),
        )
    )
    names = sorted(sent | answered, reverse=True)
    choices = [name for name in names if name.endswith(receipts.SELECTION)]
    plain = [name for name in names if name not in choices]

    def receipt(name: str) -> Receipt:
        if name not in answered:
            return receipts.waiting(name, receipts.stamped(name))
        key = f"{workspace.prefix('receipts', project)}{name}.json"
        return receipts.read(name, cloud.read(bucket, key))

    with ThreadPoolExecutor(8) as several:
        found = tuple(several.map(receipt, plain[:limit]))
        noted = [each for each in several.map(receipt, choices) if each.status == "noted"]
    chosen: tuple[str, ...] = ()
    if noted:
        holds = max(noted, key=lambda each: (each.received, each.submission))
        key = workspace.prefix("submissions", project) + holds.submission
        with contextlib.suppress(Missing, Denied, ValueError, KeyError, TypeError):
            chosen = tuple(map(str, json.loads(cloud.read(bucket, key))["entries"]))
    return Entries(project, found, chosen, len(plain))


def _stamp(now: dt.datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"


def _put(
    cloud: Cloud,
    workspace: Workspace,
    name: str,
    content: bytes,
    *,
    project: str,
    note: str,
    job: str,
    now: dt.datetime,
    wait_seconds: float,
) -> Receipt:
    """Uploads, and waits for the receipt; shows how far it is."""
    progress = Progress(f"{project} {name}")
    shown = 0

    def sent(so_far: int) -> None:
        nonlocal shown
        share = 100 * so_far // max(1, len(content))
        # A whole step, so that a line of a log file is not one for every block.
        if share // 10 > shown // 10:
            shown = share
            progress.update("sending", [], f"{share} %")

    progress.update("sending", [], _size(len(content)))
    key = workspace.prefix("submissions", project) + name
    metadata = {"note": quote(note), "learner": workspace.learner, "job": job}
    # The same predictions in the same second: their receipt is ours.
    with contextlib.suppress(AlreadyThere):
        cloud.create(workspace.buckets["work"], key, content, metadata, sent)
    receipt = _await(
        cloud,
        workspace.buckets["work"],
        name,
        f"{workspace.prefix('receipts', project)}{name}.json",
        now,
        wait_seconds,
        progress,
    )
    progress.update(receipt.status, [])
    return receipt


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{max(1, round(count / 1000))} kB"


def _await(
    cloud: Cloud,
    bucket: str,
    name: str,
    receipt: str,
    now: dt.datetime,
    wait_seconds: float,
    progress: Progress,
) -> Receipt:
    deadline, pause = time.monotonic() + wait_seconds, 0.2
    while True:
        # Listing, because reading what is not there yet counts as denied.
        if cloud.objects(bucket, receipt):
            return receipts.read(name, cloud.read(bucket, receipt))
        if time.monotonic() + pause > deadline:
            return receipts.waiting(name, f"{now:%Y-%m-%dT%H:%M:%SZ}")
        progress.update("sent, waiting for its score", [])
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


#: Where it was before there were entries.
read_receipt = receipts.read
