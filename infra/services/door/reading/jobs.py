"""A team's training jobs, as the ledger knows them, and what one of them is doing.

The ledger says who started what, how long it ran and what it cost; SageMaker is asked only about
what has not ended. A job that the ledger has a note of did not end well.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

from infra.cohort.naming import JobName
from infra.services.door.context import PageContext, TrainingJob, Unavailable
from infra.services.door.others import shown
from infra.services.door.reading import together
from infra.services.guard.ledger import Entry, Reservation

State = Literal["starting", "running", "stopping", "ended", "failed"]

#: Entries of a learner that are looked through: openings of the space stand among them.
ENTRIES = 100
SHOWN = 25

#: SageMaker's words for how far a job is, in ours (DescribeTrainingJob, SecondaryStatus).
_DOING = {
    "Starting": "being prepared",
    "Pending": "waiting for a machine",
    "Downloading": "fetching its data",
    "DownloadingTrainingImage": "fetching its image",
    "LaunchingMLInstances": "waiting for a machine",
    "PreparingTrainingStack": "being prepared",
    "Training": "training",
    "Interrupted": "interrupted",
    "Uploading": "saving its results",
    "Stopping": "stopping",
}


@dataclass(frozen=True)
class Job:
    """One job. `cost` is in micro-dollars: what was billed, or, while it runs, what is held."""

    name: str
    learner: str
    state: State
    doing: str
    instance: str
    count: int
    began: dt.datetime
    seconds: int | None = None
    cost: int = 0
    why: str = ""

    @property
    def short(self) -> str:
        """The part of its name that tells it from the team's others."""
        parsed = JobName.parse(self.name)
        return parsed.token[:8] if parsed else shown.line(self.name, 20)

    @property
    def live(self) -> bool:
        return self.state in ("starting", "running", "stopping")

    @property
    def first_words(self) -> str:
        """The line that says most of why it failed: the last one of a traceback."""
        lines = [line.strip() for line in self.why.split("\n") if line.strip()]
        return shown.line(lines[-1] if lines else "", 120)

    @property
    def machine(self) -> str:
        return f"{self.count} x {self.instance}" if self.count > 1 else self.instance


def of_team(ctx: PageContext, team: str) -> list[Job]:
    """The team's newest jobs, the newest first; what runs stands first.

    Raises:
        NotFound: if the person may not see the team.
    """
    learners = ctx.people.teams[ctx.may_see(team)]

    def read(learner: str) -> list[Job]:
        held = [one for one in ctx.ledger.open_of(learner) if one.kind == "job"]
        entries = [e for e in ctx.ledger.entries(learner, ENTRIES) if e.kind == "job"]
        return [*map(_held, held), *of_entries(entries)]

    found = [job for jobs in together.each(read, learners) for job in jobs]
    found.sort(key=lambda job: (job.live, job.began, job.name), reverse=True)
    return [_asked(ctx, job) if job.live else job for job in found[:SHOWN]]


def of_entries(entries: list[Entry]) -> list[Job]:
    """A job for each name; of one that was settled after it was released, both bills count."""
    found: dict[str, Job] = {}
    for entry in entries:
        known = found.get(entry.name)
        if known is None:
            found[entry.name] = _ended(entry)
        else:
            found[entry.name] = replace(known, cost=known.cost + entry.billed)
    return list(found.values())


def find(ctx: PageContext, name: str) -> Job | None:
    """The job of that name, with what SageMaker says of it; None if there is none.

    Raises:
        NotFound: if it is none of a team that the person may see.
    """
    parsed = JobName.parse(name) if len(name) <= 63 else None
    team = parsed.team if parsed and parsed.cohort == ctx.names.cohort else ""
    learners = ctx.people.teams.get(ctx.may_see(team), ())
    if parsed is None or parsed.learner not in learners:
        return None
    held = [one for one in ctx.ledger.open_of(parsed.learner) if one.name == name]
    if held:
        return _asked(ctx, _held(held[0]))
    entries = [e for e in ctx.ledger.entries(parsed.learner, ENTRIES) if e.name == name]
    if entries:
        return of_entries(entries)[0]
    # Older than the entries that are looked through: SageMaker may know it still.
    asked = ctx.cloud.job(name)
    return _described(asked, parsed.learner) if asked else None


def _held(one: Reservation) -> Job:
    return Job(
        name=one.name,
        learner=one.learner,
        state="running" if one.started_at else "starting",
        doing="running" if one.started_at else "starting",
        instance=one.instance,
        count=one.count,
        began=one.started_at or one.created_at,
        cost=one.amount,
    )


def _ended(entry: Entry) -> Job:
    failed = bool(entry.note)
    return Job(
        name=entry.name,
        learner=entry.learner,
        state="failed" if failed else "ended",
        doing=("failed" if entry.began_at else "never started") if failed else "ended",
        instance=entry.instance,
        count=entry.count,
        began=entry.began_at or entry.at,
        seconds=entry.seconds,
        cost=entry.billed,
        why=shown.lines(entry.note, 1_000),
    )


def _asked(ctx: PageContext, job: Job) -> Job:
    """The job with what SageMaker says of it now; as it is, where SageMaker says nothing."""
    try:
        found = ctx.cloud.job(job.name)
    except Unavailable:
        return job
    if found is None:
        return job
    told = _described(found, job.learner)
    # What it cost is settled in a moment; until then what is held is what is known.
    return replace(told, cost=job.cost, instance=told.instance or job.instance)


def _described(found: TrainingJob, learner: str) -> Job:
    states: dict[str, State] = {
        "InProgress": "running",
        "Stopping": "stopping",
        "Failed": "failed",
    }
    state = states.get(found.status, "ended")
    if state == "running" and found.started_at is None:
        state = "starting"
    doing = {"Completed": "completed", "Stopped": "stopped", "Failed": "failed"}.get(
        found.status, _DOING.get(found.secondary_status, "running")
    )
    seconds = found.billable_seconds
    if seconds is None and found.started_at is not None and found.ended_at is not None:
        seconds = int((found.ended_at - found.started_at).total_seconds())
    return Job(
        name=found.name,
        learner=learner,
        state=state,
        doing=doing,
        instance=found.instance,
        count=found.count,
        began=found.started_at or found.created_at,
        seconds=seconds,
        why=shown.lines(found.failure, 1_000) if state == "failed" else "",
    )
