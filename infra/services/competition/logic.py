"""Scores one upload: checks it, scores it, keeps it, says so on a receipt, renews the board.

Everything may happen twice: EventBridge delivers at least once, and a run that broke off is
repeated. The entry is written once, by one transaction; receipt and pages follow from what the
table holds, and are simply written again.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from infra.services.competition import board, projects, provenance
from infra.services.competition.ladder import Ladder
from infra.services.competition.page import index, page
from infra.services.competition.problems import Fault
from infra.services.competition.projects.project import Answers, Project, Result
from infra.services.competition.provenance import Provenance
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable, DayFull, Duplicate, Entry
from infra.services.competition.submission import Sender, Upload

log = logging.getLogger(__name__)

PUBLISH_ROUNDS = 10


class Files(Protocol):
    """What the scorer reads and writes besides its table."""

    def answers(self, project: str, name: str) -> bytes: ...

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None: ...

    def put_page(self, key: str, text: str) -> None: ...

    def image_of_job(self, job: str) -> str | None:
        """What the training job ran on, `provenance.UNKNOWN`, or None if there is no such job.
        Never fails."""


def score_upload(
    upload: Upload,
    sender: Sender,
    settings: CompetitionSettings,
    files: Files,
    table: BoardTable,
    now: Callable[[], dt.datetime],
) -> dict[str, Any]:
    """The receipt of `upload`, which is also written; a scored one is on the board.

    A fault of form costs none of the day's submissions.
    """
    try:
        entry, result, message = _scored(upload, sender, settings, files, table)
    except Fault as fault:
        receipt = _receipt(upload, "refused", str(fault), None, counted=False)
        files.put_receipt(sender.receipt, receipt)
        return receipt
    counted = entry.key == upload.key
    publish(sender.project, settings, files, table, now)
    receipt = _receipt(upload, "scored", message, entry.shown, counted=counted)
    # An entry from before images were kept has a job that nobody checked.
    if entry.image:
        receipt |= {"job": entry.job, "image": provenance.short(entry.image)}
    # They tell more than the score; so they are told where it is.
    if result.classes and entry.moved:
        receipt["classes"] = {n: round(f1, board.DIGITS) for n, f1 in result.classes.items()}
    # Last: who waits for the receipt finds the board renewed.
    files.put_receipt(sender.receipt, receipt)
    return receipt


def _scored(
    upload: Upload,
    sender: Sender,
    settings: CompetitionSettings,
    files: Files,
    table: BoardTable,
) -> tuple[Entry, Result, str]:
    if sender.project not in settings.projects:
        raise Fault(f"There is no competition {sender.project} in {settings.cohort}.")
    if upload.received < settings.opens_at:
        raise Fault(f"The competition opens on {settings.starts} (UTC).")
    if upload.received >= settings.closes_at:
        raise Fault(f"The competition closed on {settings.closes} (UTC).")
    project = projects.of(sender.project)
    result = project.score(upload.content, _answers(files, sender.project))
    known = table.find(sender.project, sender.team, upload.digest)
    # An entry keeps the provenance that it came with.
    source = _provenance(upload, sender, settings, files) if known is None else Provenance()
    entry = Entry(
        project=sender.project,
        team=sender.team,
        digest=upload.digest,
        key=upload.key,
        received=upload.received,
        public_score=result.public,
        private_score=result.private,
        note=upload.note,
        learner=upload.learner,
        job=source.job,
        image=source.image,
        record=result.record,
    )
    try:
        if known is None:
            ladder = Ladder(project.better, project)
            known = table.record(entry, settings.submissions_per_day, ladder)
    except Duplicate:
        known = table.find(entry.project, entry.team, entry.digest) or entry
    except DayFull:
        day = upload.received.astimezone(dt.UTC).date()
        raise Fault(
            f"Your team has used its {settings.submissions_per_day} submissions of {day} (UTC). "
            "The next day begins at 00:00 UTC."
        ) from None
    return known, result, _told(known, upload, project)


def _told(entry: Entry, upload: Upload, project: Project) -> str:
    """What the receipt says of the entry that holds the upload's content."""
    shown = f"{entry.shown:.{board.DIGITS}f}"
    if entry.key != upload.key:
        scored = f", which scored {shown}" if entry.moved else ""
        return (
            f"The same predictions as your team's submission of "
            f"{entry.received:%Y-%m-%d %H:%M} UTC{scored}. Not counted again."
        )
    if not entry.moved:
        return (
            f"Kept, and it counts at the close. It is not better than your team's shown score, "
            f"{shown}, beyond noise; so that one stays on the board."
        )
    return f"Scored {shown} on the public part ({_reading(project)})."


def _provenance(
    upload: Upload, sender: Sender, settings: CompetitionSettings, files: Files
) -> Provenance:
    if not provenance.of_team(upload.job, settings.cohort, sender.team):
        return Provenance()
    image = files.image_of_job(upload.job)
    if image is None:
        log.info("%s names %s, and there is no such job", upload.key, upload.job)
        return Provenance()
    return Provenance(upload.job, image)


def _answers(files: Files, project: str) -> Answers:
    return lambda name: files.answers(project, name)


def _reading(project: Project) -> str:
    return f"{project.hint}; {project.better} is better"


def _receipt(
    upload: Upload, status: str, message: str, public_score: float | None, *, counted: bool
) -> dict[str, Any]:
    return {
        "submission": upload.key,
        "status": status,
        "message": message,
        "public_score": None if public_score is None else round(public_score, board.DIGITS),
        "received": upload.received.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "counted": counted,
    }


def publish(
    project: str,
    settings: CompetitionSettings,
    files: Files,
    table: BoardTable,
    now: Callable[[], dt.datetime],
) -> dict[str, Any]:
    """Write the project's board and pages from the table.

    Two scorers may write at once, and the one with the older reading last. So each looks again
    after it wrote: whoever wrote last has seen every entry, or writes once more.
    """
    about = projects.of(project)
    rules = board.Rules(
        metric=about.metric,
        better=about.better,
        hint=about.hint,
        scored_on=about.scored_on,
        lines=tuple(about.lines(_answers(files, project))),
        limit_per_day=settings.submissions_per_day,
        evidence=about,
    )
    for _ in range(PUBLISH_ROUNDS):
        generation = table.generation(project)
        found = board.document(project, rules, table.lines(project), now())
        files.put_page(f"boards/{project}.json", json.dumps(found, indent=1))
        files.put_page(f"{project}.html", page(found, settings.cohort))
        files.put_page("index.html", index(settings.projects, settings.cohort))
        if table.generation(project) == generation:
            return found
    raise RuntimeError(f"the board of {project} changes faster than it can be written")
