"""Takes a submission from the bucket to the board, in two steps.

`check_upload` opens what a team sent, which is hostile, and writes what it says in canonical form;
it has no right to held-out answers and none to the table. `score_checked` reads only that form: it
scores, keeps, says so on a receipt, and renews the board.

Everything may happen twice: events are delivered at least once, a run that broke off is repeated,
and what has no receipt is handed to the checker again. The entry is written once, by one
transaction; canonical form, receipt and pages follow from what is there, and are simply written
again.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from infra.cohort import naming
from infra.services.competition import (
    checking,
    effort,
    news,
    projects,
    provenance,
)
from infra.services.competition.checking import selection
from infra.services.competition.checking.canonical import SHORT, Body, Content, Header, Kind
from infra.services.competition.entry import Entry
from infra.services.competition.final import Selection
from infra.services.competition.ladder import DIGITS, Ladder
from infra.services.competition.live.store import LiveTable
from infra.services.competition.live.submitting import seal_checked
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects.project import Project, Result
from infra.services.competition.provenance import Provenance, Trained
from infra.services.competition.publishing import publish
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.state import State
from infra.services.competition.store import BoardTable, DayFull, Duplicate
from infra.services.competition.submission import Sender, Upload

log = logging.getLogger(__name__)

#: Nobody needs as many; each reads the team's entries.
SELECTIONS_A_DAY = 20

#: Of such an upload S3 says when it began: "Working with object metadata" in the S3 user guide. It
#: could begin before a month does, and end when its value is known.
_IN_PARTS = (
    "The file was uploaded in parts, and of these S3 does not say when the last one came. Send it "
    "with academy.submit, in one."
)

Receipt = dict[str, Any]
Now = Callable[[], dt.datetime]


class CheckerFiles(Protocol):
    """What the checker reads and writes."""

    def task(self, project: str) -> bytes: ...

    def live_task(self, project: str) -> bytes | None: ...

    def put_checked(self, key: str, header: Header, body: bytes) -> None: ...

    def put_receipt(self, key: str, receipt: Receipt) -> None: ...


class Files(Protocol):
    """What the scorer reads and writes besides its table."""

    def answers(self, project: str, name: str) -> bytes: ...

    def put_receipt(self, key: str, receipt: Receipt) -> None: ...

    def put_page(self, key: str, text: str) -> None: ...

    def send_news(
        self, subject: str, chat: str, plain: str, attributes: dict[str, str]
    ) -> None: ...

    def trained(self, job: str) -> Trained | None:
        """What the training job ran on, its image `provenance.UNKNOWN` if that is not known, or
        None if there is no such job. Never fails."""


# --- the first step -------------------------------------------------------------------------------
def check_upload(
    upload: Upload,
    sender: Sender,
    settings: CompetitionSettings,
    files: CheckerFiles,
    rescore: str = "",
) -> Receipt | None:
    """Write the canonical form of `upload` for the scorer, or the receipt that refuses it.

    With `rescore` a file that is refused is an entry already: then the scorer is told instead.

    Returns:
        The receipt of one that is refused; None for one that goes on to the scorer.
    """
    header = Header(
        kind=_kind(sender.name),
        project=sender.project,
        team=sender.team,
        name=sender.name,
        key=upload.key,
        received=upload.received,
        version_id=upload.version,
        note=upload.note,
        learner=upload.learner,
        job=upload.job,
        rescore=rescore,
    )
    try:
        content = _content(upload, sender, settings, files)
    except Fault as fault:
        if rescore:
            header = replace(header, kind="fault", message=str(fault))
            files.put_checked(sender.checked, header, b"")
            return None
        receipt = _receipt(header, "refused", str(fault))
        files.put_receipt(sender.receipt, receipt)
        return receipt
    header = replace(header, digest=content.digest, members=content.members)
    files.put_checked(sender.checked, header, content.body)
    return None


def _content(
    upload: Upload, sender: Sender, settings: CompetitionSettings, files: CheckerFiles
) -> Content:
    if sender.project not in settings.projects:
        raise Fault(f"There is no competition {sender.project} in {settings.cohort}.")
    if upload.fault:
        raise Fault(upload.fault)
    if checking.is_live(sender.name):
        if upload.in_parts:
            raise Fault(_IN_PARTS)
        asked = files.live_task(sender.project)
        return checking.check_live(upload.content, asked, upload.received)
    task = files.task(sender.project)
    return checking.check(sender.project, sender.name, upload.content, task)


def _kind(name: str) -> Kind:
    if checking.is_live(name):
        return "live"
    return "selection" if checking.is_selection(name) else "predictions"


# --- the second step ------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Case:
    """One checked submission, and what its receipt says so far."""

    header: Header
    body: Body
    settings: CompetitionSettings
    files: Files
    table: BoardTable
    state: State
    now: Now

    @property
    def phase(self) -> str:
        return self.state.phase(self.settings, self.now())


@dataclass(frozen=True)
class _Outcome:
    """What the receipt says, and whether the board may have changed."""

    status: str
    message: str
    more: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False


def score_checked(
    header: Header,
    body: Body,
    settings: CompetitionSettings,
    files: Files,
    table: BoardTable,
    now: Now,
) -> Receipt:
    """The receipt of a checked submission, which is also written; a scored one is on the board.

    A fault of form costs none of the day's submissions. What a rescoring asks for has its receipt
    already, and gets no other.

    Raises:
        Misconfigured: if what was checked cannot be of this competition.
    """
    sender = Sender(header.project, header.team, header.name)
    if header.key != sender.submission:
        raise Misconfigured(f"{header.key[:200]} was checked as {sender.submission[:200]}")
    if header.rescore:
        return _rescored(header, body, files, table)
    if header.kind == "live":
        live = LiveTable.of(table)
        return seal_checked(header, body, sender.receipt, settings, files, live, now)
    case = _Case(header, body, settings, files, table, table.state(header.project), now)
    try:
        outcome = _outcome(case)
    except Fault as fault:
        outcome = _Outcome("refused", str(fault))
    receipt = _receipt(header, outcome.status, outcome.message, **outcome.more)
    if outcome.changed:
        publish_and_tell(header.project, settings, files, table, now, always=False)
    # Who waits for the receipt finds the board renewed.
    files.put_receipt(sender.receipt, receipt)
    # Only what an admin has frozen is ever held; and no result is shown while anything is.
    if case.state.version and outcome.status != "waiting":
        table.release(header.project, header.key)
        if case.phase == "closed":
            publish_and_tell(header.project, settings, files, table, now)
    return receipt


def _outcome(case: _Case) -> _Outcome:
    header, state = case.header, case.state
    if header.project not in case.settings.projects:
        raise Fault(f"There is no competition {header.project} in {case.settings.cohort}.")
    if header.kind == "fault":
        raise Misconfigured(f"{header.key} is refused, and is not of a rescoring")
    if header.team in naming.MARK_TEAMS:
        return _mark(case)
    if (reason := state.removed(header.team)) is not None:
        raise Fault(f"Your team is disqualified: {reason}")
    opens = state.opens(case.settings)
    if header.received < opens:
        raise Fault(f"The competition opens on {_instant(opens)}.")
    if header.kind == "selection":
        return _select(case)
    return _enter(case)


def _mark(case: _Case) -> _Outcome:
    """A line of the board: no limit, no dates; the one that came last stands."""
    header = case.header
    if header.kind != "predictions":
        raise Fault("A mark is a prediction; it selects nothing.")
    result = _result(case)
    written = case.table.record_mark(_entry(case, result, Provenance(), late=False))
    newer = "" if written.key == header.key else " A newer one stands on the board."
    return _Outcome(
        "scored",
        f"The {header.team} scores {_shown(written.public_score)} on the public part "
        f"({_reading(projects.of(header.project))}).{newer}",
        {"public_score": _rounded(result.public), "counted": True, "also": _told_also(result.also)},
        changed=True,
    )


def _select(case: _Case) -> _Outcome:
    """Which entries count at the close; the later word of a team's is the one that holds."""
    header, closes = case.header, case.state.closes(case.settings)
    if case.state.late(case.settings, header.received):
        raise Fault(f"The competition closed on {_instant(closes)}; entries are selected before.")
    day = header.received.astimezone(dt.UTC).date()
    if case.table.asked(header.project, header.team, "select", day) > SELECTIONS_A_DAY:
        raise Fault(
            f"Your team has selected {SELECTIONS_A_DAY} times on {day} (UTC). The next day begins "
            "at 00:00 UTC; until then the last one holds."
        )
    chosen = tuple(_chosen(case, entry) for entry in selection.entries(header.members))
    wanted = Selection(
        entries=tuple(entry.digest for entry in chosen),
        received=header.received,
        learner=header.learner,
    )
    holds = case.table.select(header.project, header.team, wanted)
    if holds.entries != wanted.entries:
        message = "A later selection of your team's holds already; this one changes nothing."
    else:
        several = len(chosen) > 1
        names = " and ".join(entry.digest[:SHORT] for entry in chosen)
        message = (
            f"{'Entries' if several else 'Entry'} {names} {'count' if several else 'counts'} at "
            f"the close{'' if several else ', and with it the best other one'}. A later selection "
            "replaces this one."
        )
    # A board that is final already goes by selections.
    return _Outcome("noted", message, changed=case.phase == "closed")


def _chosen(case: _Case, wanted: str) -> Entry:
    header = case.header
    found = [
        entry
        for entry in case.table.entries(header.project, header.team, records=False)
        if entry.digest.startswith(wanted)
    ]
    if not found:
        raise Fault(
            f"Your team has no entry {wanted[:SHORT]}. academy.entries({header.project!r}) shows "
            "those that it has."
        )
    if len(found) > 1:
        raise Fault(f"{len(found)} entries begin with {wanted}; give more digits.")
    [entry] = found
    if entry.late:
        raise Fault(f"The entry {wanted[:SHORT]} came after the close and cannot count.")
    if entry.fault:
        raise Fault(f"The entry {wanted[:SHORT]} counts no more: {entry.fault}")
    if (reason := case.state.removed(header.team, entry.digest)) is not None:
        raise Fault(f"The entry {wanted[:SHORT]} is disqualified: {reason}")
    return entry


def _enter(case: _Case) -> _Outcome:
    header, table, settings = case.header, case.table, case.settings
    known = table.find(header.project, header.team, header.digest)
    late = case.state.late(settings, header.received)
    # The same content may have come again after the close, and have been scored before this one.
    overdue = known is not None and known.late and not late
    # What is an entry already has been scored, whatever is frozen since.
    if (known is None or overdue) and case.phase == "frozen":
        table.hold(header.project, header.key, header.version_id, header.received)
        why = f" ({case.state.reason})" if case.state.reason else ""
        return _Outcome(
            "waiting",
            f"The competition stands still{why}. Your submission is kept, and is scored when it "
            "goes on, as of now. There is no need to send it again.",
        )
    project = projects.of(header.project)
    if known is not None and (why := _counts_no_more(case, known)):
        raise Fault(why)
    # The transaction below decides; this spares the scorer what cannot count.
    if known is None and not _left_today(case):
        raise _day_full(case)
    result = _result(case)
    if known is None or overdue:
        # An entry keeps the provenance that it came with.
        source = _provenance(header, settings, case.files)
        entry = _entry(case, result, source, late=late)
        try:
            ladder = Ladder(project.better, project)
            known = table.record(entry, settings.submissions_per_day, ladder, instead=known)
        except Duplicate:
            known = table.find(entry.project, entry.team, entry.digest) or entry
        except DayFull:
            raise _day_full(case) from None
    told = known.moved or known.late
    more: dict[str, Any] = {
        "public_score": _rounded(known.public_score if known.late else known.shown),
        "counted": known.key == header.key,
        "entry": known.digest[:SHORT],
        "late": known.late,
        "left_today": _left_today(case),
    }
    # An entry from before images were kept has a job that nobody checked.
    if known.image:
        more |= {"job": known.job, "image": provenance.short(known.image)}
    # They tell more than the score; so they are told where it is.
    if told and result.classes:
        more["classes"] = {name: _rounded(f1) for name, f1 in result.classes.items()}
    if told:
        more["also"] = _told_also(result.also)
    if known.late and case.phase == "closed":
        more["private_score"] = _rounded(known.private_score)
    return _Outcome("scored", _told(known, case, project), more, changed=True)


def _counts_no_more(case: _Case, entry: Entry) -> str:
    """Why the entry that has this content already does not count; empty if it does."""
    reason = case.state.removed(entry.team, entry.digest)
    if reason is not None:
        return f"These predictions are your team's entry that was disqualified: {reason}"
    if entry.fault:
        return f"These predictions are your team's entry that counts no more: {entry.fault}"
    return ""


def _day_full(case: _Case) -> Fault:
    day = case.header.received.astimezone(dt.UTC).date()
    return Fault(
        f"Your team has used its {case.settings.submissions_per_day} submissions of {day} (UTC). "
        "The next day begins at 00:00 UTC."
    )


def _told(entry: Entry, case: _Case, project: Project) -> str:
    """What the receipt says of the entry that holds the submission's content."""
    shown = _shown(entry.public_score if entry.late else entry.shown)
    if entry.key != case.header.key:
        scored = f", which scored {shown}" if entry.moved or entry.late else ""
        return (
            f"The same predictions as your team's submission of "
            f"{entry.received:%Y-%m-%d %H:%M} UTC{scored}. Not counted again."
        )
    if entry.late:
        closed = _instant(case.state.closes(case.settings))
        return (
            f"Late: the competition closed on {closed}. Scored {shown} on the public part "
            f"({_reading(project)}), and it stands on no board."
        )
    if not entry.moved:
        return (
            f"Kept, and it counts at the close. It is not better than your team's shown score, "
            f"{shown}, beyond noise; so that one stays on the board."
        )
    return f"Scored {shown} on the public part ({_reading(project)})."


def _result(case: _Case) -> Result:
    header = case.header
    return _score(header, case.body, case.files)


def _score(header: Header, body: Body, files: Files) -> Result:
    def answers(name: str) -> bytes:
        return files.answers(header.project, name)

    return projects.of(header.project).score(header.members, body, answers)


def _entry(case: _Case, result: Result, source: Provenance, *, late: bool) -> Entry:
    header, trained = case.header, source.trained
    return Entry(
        project=header.project,
        team=header.team,
        digest=header.digest,
        key=header.key,
        version_id=header.version_id,
        received=header.received,
        public_score=result.public,
        private_score=result.private,
        note=header.note,
        learner=header.learner,
        record=result.record,
        also=result.also,
        late=late,
        job=source.job,
        image=trained.image,
        instance=trained.instance,
        instances=trained.instances,
        seconds=trained.seconds,
        cost=effort.cost(trained, case.settings.region),
        gpu_hours=effort.gpu_hours(trained),
    )


def _provenance(header: Header, settings: CompetitionSettings, files: Files) -> Provenance:
    if not provenance.of_team(header.job, settings.cohort, header.team):
        return Provenance()
    trained = files.trained(header.job)
    if trained is None:
        log.info("%s names %s, and there is no such job", header.key, header.job)
        return Provenance()
    return Provenance(header.job, trained)


def _left_today(case: _Case) -> int:
    """Entries that the team has left on the day the submission was received."""
    header = case.header
    day = header.received.astimezone(dt.UTC).date()
    used = case.table.used(header.project, day).get(header.team, 0)
    return max(0, case.settings.submissions_per_day - used)


# --- scoring again --------------------------------------------------------------------------------
def _rescored(header: Header, body: Body, files: Files, table: BoardTable) -> Receipt:
    """Overwrites an entry's scores, and nothing else of it; boards are rebuilt when all are done.

    What is no entry (refused, waiting, a selection) is left alone.
    """
    entry = table.entry_of_key(header.project, header.team, header.key)
    if entry is None or header.kind in ("selection", "live"):
        return {"status": "ignored", "submission": header.key}
    if header.kind == "fault":
        result = Result(entry.public_score, entry.private_score, {}, entry.record, entry.also)
    else:
        result = _score(header, body, files)
    table.rescore(
        entry,
        result.public,
        result.private,
        result.record,
        result.also,
        rescored=header.rescore,
        fault=header.message,
    )
    return {"status": "rescored", "submission": header.key, "message": header.message}


# --- both -----------------------------------------------------------------------------------------
def publish_and_tell(
    project: str,
    settings: CompetitionSettings,
    files: Files,
    table: BoardTable,
    now: Now,
    *,
    always: bool = True,
) -> dict[str, Any] | None:
    """Write the project's board and pages, and tell what is new of it; see `publish`."""
    document = publish(project, settings, files, table, now, always=always)
    if document is None:
        return None
    try:
        news.tell(project, document, settings, files, table, now)
    except Exception:
        # Nobody's score waits for news: what could not be told is told with the next board.
        log.exception("the news of %s could not be told", project)
    return document


def _receipt(header: Header, status: str, message: str, **more: Any) -> Receipt:
    return {
        "submission": header.key,
        "status": status,
        "message": message,
        "public_score": None,
        "received": _utc(header.received).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "counted": False,
        "entry": "",
        "late": False,
        "left_today": None,
        "also": {},
        "private_score": None,
        **more,
    }


def _told_also(also: Mapping[str, float]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in also.items()}


def _rounded(score: float) -> float:
    return round(score, DIGITS)


def _shown(score: float) -> str:
    return f"{score:.{DIGITS}f}"


def _reading(project: Project) -> str:
    return f"{project.hint}; {project.better} is better"


def _utc(instant: dt.datetime) -> dt.datetime:
    return instant.astimezone(dt.UTC)


def _instant(instant: dt.datetime) -> str:
    return f"{_utc(instant):%Y-%m-%d at %H:%M} UTC"
