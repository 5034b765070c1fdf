"""The whole sweep: what events missed, what runs without a reservation, warnings, and storage.

It works in phases, each a listing that it takes a page or an item at a time. When Lambda's time
runs short it writes down where it is and the next sweep goes on there; what it has done until then
may be done again without harm. When AWS asks for fewer requests, it waits and repeats.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from infra.cohort.naming import RERUN, SEPARATOR, JobName
from infra.services.guard import ledger, money
from infra.services.guard.cloud import CloudError, LiveApp, Survey, TurnedDown
from infra.services.guard.journal import Cursor, Disk, Heartbeat, Journal, Notice, Objects
from infra.services.guard.ledger import SPACE, Changed, Reservation
from infra.services.guard.reconcile import CLOCKS_DIFFER, Guard, job_of
from infra.services.guard.settling import fail_if_blind, look_after

log = logging.getLogger(__name__)
T = TypeVar("T")

#: How often it runs; docs/decisions/0009 says why.
INTERVAL = dt.timedelta(minutes=15)
#: A learner is warned at least this long before the space's end, if sweeps run.
WARN_BEFORE = dt.timedelta(minutes=15)
#: A round that was broken off this long ago is not gone on with: the world has moved.
STALE_AFTER = dt.timedelta(hours=6)
ATTEMPTS = 6
LONGEST_PAUSE = 20.0

COUNTS = (
    *("settled", "released", "open", "failed", "left"),
    *("apps", "jobs", "orphans", "warned", "untold", "measured"),
)


@dataclass
class Sweep:
    """One run. `pause` waits so many seconds; `topic` is empty where notices are only kept."""

    guard: Guard
    survey: Survey
    journal: Journal
    topic: str
    now: Callable[[], dt.datetime]
    more_time: Callable[[], bool]
    pause: Callable[[float], None]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    def run(self) -> dict[str, int]:
        """Go on where the last one stopped, or from the beginning. Returns the counts, with
        `whole` 1 if it reached the end.

        Raises:
            RuntimeError: if it could do nothing of what it looked at, so that the failure is seen.
        """
        phases: dict[str, Callable[[str], str]] = {
            "reservations": self._reservations,
            "apps": self._apps,
            "jobs": self._jobs,
            "warnings": self._warnings,
            "disks": self._disks,
            "objects": self._objects,
        }
        began = self.now()
        cursor = self.journal.cursor()
        if cursor and (cursor.phase not in phases or began - cursor.began > STALE_AFTER):
            cursor = None
        names = list(phases)
        position = cursor.position if cursor else ""
        broken: list[str] = []
        for name in names[names.index(cursor.phase) if cursor else 0 :]:
            try:
                position = phases[name](position)
            except CloudError as error:
                # The other phases do not need this one's answers.
                log.error("the sweep's phase %s broke off: %s", name, error)
                broken.append(name)
                position = ""
            if position:
                self.journal.keep(Cursor(name, position, cursor.began if cursor else began))
                break
        else:
            self.journal.keep(None)
        whole = not position and not broken
        self._beat(whole)
        fail_if_blind(self.counts)
        if broken:
            raise RuntimeError(f"the sweep could not go through: {', '.join(broken)}")
        return {**self.counts, "whole": int(whole)}

    def _beat(self, whole: bool) -> None:
        last = self.journal.heartbeat()
        at = self.now()
        before = last.whole_at if last else None
        self.journal.beat(Heartbeat(at, at if whole else before, dict(self.counts)))

    def _patiently(self, call: Callable[[], T]) -> T:
        """`call`, again after a pause while AWS asks for fewer requests and there is time."""
        for attempt in range(ATTEMPTS):
            try:
                return call()
            except TurnedDown as error:
                if not error.throttled or attempt == ATTEMPTS - 1 or not self.more_time():
                    raise
                log.warning("AWS asks for fewer requests: %s", error)
            # Full jitter: other callers back off too.
            self.pause(random.uniform(0, min(LONGEST_PAUSE, 2.0**attempt)))  # noqa: S311
        raise AssertionError("unreachable")

    # --- reservations -----------------------------------------------------------------------------
    def _reservations(self, position: str) -> str:
        """Follow up every open reservation, oldest first; `position` is the last one done."""
        waiting = sorted(self.guard.ledger.all_open(), key=_place)
        for index, held in enumerate(waiting):
            if _place(held) <= position:
                continue
            if not self.more_time():
                self.counts["left"] = len(waiting) - index
                # Never empty, which would mean the end: " " sorts before every place.
                return position or " "
            self.counts[look_after(self.guard, held, self.now, self._patiently)] += 1
            position = _place(held)
        return ""

    # --- orphans ----------------------------------------------------------------------------------
    def _pages(self, token: str, page: Callable[[str], str]) -> str:
        """Take page after page from `token` on. Returns where it stopped, "" at the end."""
        # The first page has no token; a position must not be empty.
        token = "" if token == FIRST else token
        while True:
            if not self.more_time():
                return token or FIRST
            token = self._patiently(lambda at=token: page(at))  # type: ignore[misc]
            if not token:
                return ""

    def _apps(self, position: str) -> str:
        """End every app in the cohort's domains that no open reservation pays for."""
        ours: set[str] = set()
        prefix = f"{self.guard.names.cohort}{SEPARATOR}"

        def domains(token: str) -> str:
            found, token = self.survey.domains(token)
            ours.update(domain for domain, name in found if name.startswith(prefix))
            return token

        def apps(token: str) -> str:
            found, token = self.survey.live_apps(token)
            for app in found:
                if app.domain in ours:
                    self.counts["apps"] += 1
                    self._check_app(app)
            return token

        if self._pages("", domains):
            # Not worth remembering: these are a few pages.
            return position or FIRST
        return self._pages(position, apps)

    def _check_app(self, app: LiveApp) -> None:
        learner = self._learner_of(app.owner)
        # Read after the listing: what was listed had its reservation before.
        held = self.guard.ledger.find(learner, SPACE) if learner else None
        ordinary = bool(app.space) and (app.type, app.name) == ("JupyterLab", "default")
        mine = held is not None and ordinary and (held.domain, held.name) == (app.domain, app.space)
        if held is not None and mine and held.is_open:
            return
        if ordinary:
            # What is there now may be the next one, started since the listing.
            there = self._patiently(lambda: self.guard.cloud.app(app.domain, app.space))
            if there is None or there.created_at != app.created_at:
                return
            if there.status not in ("Pending", "InService"):
                return
        what = f"app {app.domain}/{app.owner}/{app.type}/{app.name}"
        self._orphan(learner, what, app.created_at, lambda: self.survey.end_app(app))
        late = held is not None and app.created_at >= held.created_at - CLOCKS_DIFFER
        if held is not None and mine and late and held.status == "released":
            # It started after all: its reservation was given back, and is now paid.
            self._charge(held, app)

    def _charge(self, held: Reservation, app: LiveApp) -> None:
        now = self.now()
        ran = -(-(now - app.created_at) // dt.timedelta(seconds=1)) + money.GRACE_SECONDS
        note = "started although its reservation had been released; ended by the sweep"
        try:
            self.guard.ledger.apply(
                ledger.settle(held, at=now, seconds=ran, note=note, began_at=app.created_at)
            )
        except Changed:
            log.warning("the reservation of %s moved on", held.name)

    def _jobs(self, position: str) -> str:
        """Stop every job of the cohort's in progress that no open reservation pays for.

        Not those that admins run again: they have no reservation, and no learner's job is named so.
        """
        prefix = f"{self.guard.names.cohort}{SEPARATOR}"

        def jobs(token: str) -> str:
            found, token = self.survey.live_jobs(prefix, token)
            for name in found:
                if name.startswith(prefix):
                    self.counts["jobs"] += 1
                    self._check_job(name)
            return token

        return self._pages(position, jobs)

    def _check_job(self, name: str) -> None:
        parsed = JobName.parse(name)
        if parsed is not None and parsed.learner == RERUN:
            # Admins run a team's job again with their own rights: no learner pays for it.
            return
        held = self.guard.ledger.find(parsed.learner, parsed.token) if parsed else None
        if held is not None and held.is_open and held.name == name:
            return
        there = self._patiently(lambda: self.guard.cloud.job(name))
        if there is None or there.ended or there.status == "Stopping":
            return
        learner = parsed.learner if parsed else ""
        stop = self.guard.cloud.stop_job
        self._orphan(learner, f"training job {name}", there.created_at, lambda: stop(name))
        if held is not None and job_of(self.guard, held, there) is not None:
            # Its end settles the released reservation: event or the next look at it.
            log.warning("job %s runs although its reservation is %s", name, held.status)

    def _orphan(
        self, learner: str, what: str, since: dt.datetime, stop: Callable[[], None]
    ) -> None:
        self.counts["orphans"] += 1
        log.error("%s runs without a reservation since %s and is stopped", what, since)
        outcome, said = "stopped", "and is stopped"
        try:
            self._patiently(stop)
        except CloudError as error:
            log.error("%s could not be stopped: %s", what, error)
            outcome, said = "not stopped", f"and could not be stopped ({error}): end it by hand"
            self.counts["failed"] += 1
        self._tell(
            Notice(
                learner=learner,
                key=f"{_instant(since)}#orphan#{what}#{outcome}",
                kind="orphan",
                at=self.now(),
                title=f"{self.guard.names.cohort}: something ran without a reservation",
                text=f"The {what} has run since {_instant(since)} without a reservation {said}.",
            )
        )

    def _learner_of(self, workspace: str) -> str:
        prefix = f"{self.guard.names.cohort}{SEPARATOR}"
        return workspace.removeprefix(prefix) if workspace.startswith(prefix) else ""

    # --- warnings ---------------------------------------------------------------------------------
    def _warnings(self, _position: str) -> str:
        """Tell the learner whose space ends soon, once for each end."""
        for held in self.guard.ledger.all_open():
            left = held.ends_at - self.now()
            if held.kind != "space" or not dt.timedelta(0) < left <= WARN_BEFORE + INTERVAL:
                continue
            minutes = left // dt.timedelta(minutes=1)
            self._tell(
                Notice(
                    learner=held.learner,
                    key=f"{_instant(held.ends_at)}#ends#{held.token}",
                    kind="ends",
                    at=self.now(),
                    title=f"{held.learner}'s space closes in {minutes} minutes",
                    text=f"The space of {held.learner} closes at {_instant(held.ends_at)}, in "
                    f"{minutes} minutes; files in it stay. academy.stay(hours=2) keeps it open.",
                )
            )
        return ""

    def _tell(self, notice: Notice) -> None:
        """Keep the notice and send it: kept once, and sent until it has gone once."""
        kept = self.journal.note(notice)
        if kept.sent or not self.topic:
            self.counts["warned"] += kept is notice
            return
        attributes = {"kind": kept.kind, "cohort": self.guard.names.cohort}
        if kept.learner:
            attributes["learner"] = kept.learner
        try:
            self._patiently(
                lambda: self.survey.publish(self.topic, kept.title[:100], kept.text, attributes)
            )
        except CloudError as error:
            # The next sweep tries again: the notice is not marked.
            log.error("a notice was not sent: %s", error)
            self.counts["untold"] += 1
            return
        self.journal.sent(kept)
        self.counts["warned"] += 1

    # --- storage, once a day ----------------------------------------------------------------------
    def _disks(self, position: str) -> str:
        """Note the size of every space's disk."""
        if self.journal.measured_on() == self.now().date():
            return ""

        def page(token: str) -> str:
            found, token = self.survey.disks(token)
            for _, space, gb in found:
                if learner := self._learner_of(space):
                    self.journal.put_disk(Disk(learner, gb, self.now()))
                    self.counts["measured"] += 1
            return token

        return self._pages(position, page)

    def _objects(self, position: str) -> str:
        """Add up what each team keeps in `work`; `position` carries the sums so far."""
        if self.journal.measured_on() == self.now().date() and not position:
            return ""
        state: dict[str, Any] = {"at": 0, "key": "", "version": "", "sums": {}}
        if position:
            state = json.loads(position)
        while state["at"] < len(PREFIXES):
            if not self.more_time():
                return json.dumps(state)
            self._patiently(lambda: self._add(state))
        for team, (size, versions, old) in sorted(state["sums"].items()):
            self.journal.put_objects(Objects(team, size, versions, old, self.now()))
            self.counts["measured"] += 1
        self.journal.measured(self.now().date())
        return ""

    def _add(self, state: dict[str, Any]) -> None:
        prefix, part = PREFIXES[state["at"]]
        bucket = self.guard.settings.work_bucket
        page = self.survey.versions(bucket, prefix, state["key"], state["version"])
        for key, size, latest in page.rows:
            parts = key.split("/")
            if len(parts) <= part + 1:
                # Of no team: nobody but an admin can have put it there.
                continue
            sums = state["sums"].setdefault(parts[part], [0, 0, 0])
            sums[0] += size
            sums[1] += 1
            sums[2] += 0 if latest else size
        state["key"], state["version"] = page.next_key, page.next_version
        state["at"] += not page.next_key


FIRST = "the first page"
#: Prefixes of `work`, and which part of a key names the team: submissions/<project>/<team>/…
PREFIXES = (("teams/", 1), ("submissions/", 2))


def _place(held: Reservation) -> str:
    return f"{_instant(held.created_at)}#{held.learner}#{held.id}"


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
