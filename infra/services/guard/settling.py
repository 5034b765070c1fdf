"""Settler and sweep: what ended is settled, whoever notices first, and exactly once."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

from infra.cohort.naming import RERUN, JobName
from infra.services.guard.cloud import CloudError
from infra.services.guard.ledger import Reservation
from infra.services.guard.reconcile import Guard, follow_up

log = logging.getLogger(__name__)


def settle_job(guard: Guard, name: JobName, now: dt.datetime) -> str:
    """Bring the job's reservation up to date. Returns its status, "unknown" without one, or
    "rerun" for a job that admins ran again.

    An event is only a hint to look: duplicates, late ones and those out of order change nothing.
    """
    if name.learner == RERUN:
        # Admins ran a team's job again: there is nothing to settle.
        return "rerun"
    held = guard.ledger.find(name.learner, name.token)
    if held is None:
        log.error("no reservation for job token %s of %s", name.token, name.learner)
        return "unknown"
    return follow_up(guard, held, now).status


def sweep(
    guard: Guard, *, now: Callable[[], dt.datetime], more_time: Callable[[], bool]
) -> dict[str, int]:
    """Follow up every open reservation while there is time: the first phase of the whole sweep.

    Returns counts: settled, released, open, failed (AWS did not answer), left (no time).

    Raises:
        RuntimeError: if nothing at all could be followed up, so that the failure is seen.
    """
    counts = dict.fromkeys(("settled", "released", "open", "failed", "left"), 0)
    # Oldest first: what the last sweep had no time for comes before what was opened since.
    for held in sorted(guard.ledger.all_open(), key=lambda r: r.created_at):
        if more_time():
            counts[look_after(guard, held, now)] += 1
        else:
            counts["left"] += 1
    fail_if_blind(counts)
    return counts


def look_after(
    guard: Guard,
    held: Reservation,
    now: Callable[[], dt.datetime],
    patiently: Callable[[Callable[[], Reservation]], Reservation] = lambda call: call(),
) -> str:
    """Bring one reservation up to date; what goes wrong with it does not touch the others.

    Returns its status, or "failed".
    """
    try:
        return patiently(lambda: follow_up(guard, held, now())).status
    except CloudError as error:
        log.error("could not look after %s of %s: %s", held.name, held.learner, error)
    except Exception:
        # A reservation that nothing can be made of must not shield those behind it.
        log.exception("could not look after %s of %s", held.name, held.learner)
    return "failed"


def fail_if_blind(counts: dict[str, int]) -> None:
    """Raise RuntimeError if reservations were looked at and none could be followed up."""
    if counts["failed"] and not (counts["settled"] + counts["released"] + counts["open"]):
        raise RuntimeError(f"the sweep could look after none of {counts['failed']} reservations")
