"""Holds a reservation against what AWS says, and settles or releases it when that has ended.

Broker, settler and sweep share this, so a reservation ends the same way whoever looks first, and
events may come twice, late or never.

How an opening of a space is billed: from the app's CreationTime to the moment at which it is first
seen gone, at most to the end of the reservation and the stop's grace: by then its schedule has
deleted it. One that was seen alive after that has lost its schedule, and is billed until it is
seen gone. AWS keeps no end time of a deleted app; the sweep's interval bounds what this charges too
much. Studio's own idle shutdown ends apps before their reservation does; they are settled alike.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.guard import ledger, money
from infra.services.guard.cloud import App, Cloud, CloudError, Job
from infra.services.guard.ledger import Change, Changed, Ledger, Reservation
from infra.services.guard.settings import Settings
from infra.services.guard.training import code_root, code_uri

log = logging.getLogger(__name__)

#: How long after the last moment at which somebody could still be starting it a thing that AWS does
#: not know counts as never started. Generous: a request can be accepted and its answer lost.
NEVER_STARTED_AFTER = dt.timedelta(minutes=10)
#: An app that outlives its reservation by this much has lost its schedule; the sweep ends it.
OVERDUE_AFTER = dt.timedelta(minutes=5)
#: A job that was seen and is not known any more is charged in full after this long.
FORGOTTEN_AFTER = dt.timedelta(days=1)
#: How far a function's clock may be ahead of SageMaker's; some tell whole seconds only. Less than
#: an app takes to start and be deleted, so that an opening is never taken for the one before.
CLOCKS_DIFFER = dt.timedelta(seconds=10)
ATTEMPTS = 5


@dataclass(frozen=True)
class Guard:
    """What every operation of the guard works with."""

    settings: Settings
    names: Names
    prices: PriceList
    ledger: Ledger
    cloud: Cloud

    def stop_of(self, held: Reservation) -> str:
        """The name of the schedule that ends this opening of a space, and no other."""
        return f"{self.names.stop_schedule(held.learner)}-{held.stop_name}"


def app_of(held: Reservation, app: App | None) -> App | None:
    """`app` if it is the one that `held` pays for, not one of an earlier opening."""
    if app is None:
        return None
    # A space has one app, and the one before was seen to have ended when `held` was made: what is
    # alive is this one, whatever the clocks say. The function's may be ahead of SageMaker's.
    if app.status in ("Pending", "InService") and app.instance in ("", held.instance):
        return app
    return app if app.created_at >= held.created_at - CLOCKS_DIFFER else None


def job_of(guard: Guard, held: Reservation, job: Job | None) -> Job | None:
    """`job` if it is the one that `held` pays for: its name has a part of the token, and it carries
    the whole one, in a variable or as the place of its code. Only the broker writes either.

    A job that carries neither is taken for it: nobody but the broker starts one of this name, and
    to call it another's would free the money that it spends.
    """
    if job is None:
        return None
    if job.token:
        return job if job.token == held.token else None
    if job.code.startswith(f"s3://{guard.settings.work_bucket}/{code_root(held.team)}"):
        return job if job.code == code_uri(guard.settings, held.team, held.token) else None
    return job


def follow_up(guard: Guard, held: Reservation, now: dt.datetime) -> Reservation:
    """Bring `held` up to date with AWS, and return it as it then stands.

    Raises:
        CloudError: if AWS could not be asked; nothing was changed.
    """
    for _ in range(ATTEMPTS):
        step = _space_step if held.kind == "space" else _job_step
        try:
            change = step(guard, held, now)
            return guard.ledger.apply(change) if change else held
        except Changed:
            latest = guard.ledger.find(held.learner, held.id)
            if latest is None or latest.token != held.token or not latest.is_open:
                return latest or held
            held = latest
    log.warning("reservation %s of %s keeps changing", held.id, held.learner)
    return held


def _space_step(guard: Guard, held: Reservation, now: dt.datetime) -> Change | None:
    if not held.is_open:
        return None
    app = app_of(held, guard.cloud.app(held.domain, held.name))
    if app is None or app.gone:
        if app is None and now <= held.lease_until:
            # Just asked for, it may not be visible yet. An app that has ended is listed as Deleted.
            return None
        started = app.created_at if app else held.started_at
        if started is not None:
            remove_stop(guard, held)
            seconds = _billed(held, started, now)
            return ledger.settle(held, at=now, seconds=seconds, began_at=started)
        if now <= held.lease_until + NEVER_STARTED_AFTER:
            return None
        remove_stop(guard, held)
        return ledger.release(held, at=now, note="the space never started")
    if app.status == "Failed":
        guard.cloud.delete_app(held.domain, held.name)
        remove_stop(guard, held)
        note = f"the space failed to start: {app.failure}"
        seconds = _billed(held, app.created_at, now)
        return ledger.settle(held, at=now, seconds=seconds, note=note, began_at=app.created_at)
    if app.status != "Deleting" and now > held.ends_at + OVERDUE_AFTER:
        log.warning("the app of %s outlived its reservation and is ended now", held.learner)
        guard.cloud.delete_app(held.domain, held.name)
        if not held.outlived:
            return ledger.outlived(held)
    return ledger.started(held, app.created_at) if held.started_at is None else None


def _billed(held: Reservation, started: dt.datetime, now: dt.datetime) -> int:
    end = now
    if not held.outlived:
        end = min(now, held.ends_at + dt.timedelta(seconds=money.GRACE_SECONDS))
    return max(0, -(-(end - started) // dt.timedelta(seconds=1)))


def remove_stop(guard: Guard, held: Reservation) -> None:
    """Remove the schedule of an opening that is over. One that stays behind only stops."""
    try:
        guard.cloud.delete_stop(guard.settings.schedule_group, guard.stop_of(held))
    except CloudError as error:
        log.warning("schedule %s stays behind: %s", guard.stop_of(held), error)


def _job_step(guard: Guard, held: Reservation, now: dt.datetime) -> Change | None:
    if held.status == "settled":
        return None
    job = job_of(guard, held, guard.cloud.job(held.name))
    if job is not None and job.ended:
        note = job.failure if job.status == "Failed" else ""
        began_at = job.started_at or job.created_at
        seconds = billable_seconds(job)
        return ledger.settle(
            held, at=now, seconds=seconds, note=note, began_at=began_at, image=job.image
        )
    if not held.is_open:
        return None
    if job is not None:
        return ledger.started(held, job.created_at) if held.started_at is None else None
    if held.started_at is None:
        if now <= held.lease_until + NEVER_STARTED_AFTER:
            return None
        return ledger.release(held, at=now, note="the job never started")
    if now <= held.ends_at + FORGOTTEN_AFTER:
        return None
    note = "SageMaker no longer knows this job; charged for its longest run"
    return ledger.settle(held, at=now, seconds=held.seconds, note=note)


def billable_seconds(job: Job) -> int:
    """What AWS bills each instance of a job that has ended."""
    if job.billable_seconds is not None:
        return job.billable_seconds
    if job.started_at is None or job.ended_at is None:
        return 0
    return max(0, -(-(job.ended_at - job.started_at) // dt.timedelta(seconds=1)))
