"""AWS as the guard sees it, simulated: it keeps the truth of what ran and what that cost.

It keeps its own promises (a job ends within its MaxRuntime and 120 s, a schedule fires within a
minute, a call that is turned down has no effect) and breaks everything else: calls fail, hang, lose
their answers or kill the caller; while one hangs, everything else goes on, other invocations of the
guard included.

Time is whole microseconds from the first midnight. A bill counts whole seconds, begun ones too, in
the `UNIT`s below, so that sums are exact.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.simulation.demand import JobWish
from benchmarks.simulation.faults import HOW, Faults, Weather
from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.guard import money
from infra.services.guard.cloud import (
    App,
    InUse,
    Job,
    LiveApp,
    TurnedDown,
    Unclear,
    Versions,
    Workspace,
)
from infra.services.guard.storage_prices import storage_prices
from infra.services.guard.training import billed_disk_gb

T = TypeVar("T")

SECOND = 1_000_000
#: So many units of a bill are a micro-dollar: rates by the hour and by the month are whole in it.
UNIT = money.SECONDS_PER_MONTH
HOURLY = UNIT // 3600
#: The first midnight, a Monday.
BASE = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
COHORT = "earth"
REGION = "us-east-1"
ACCOUNT = "123456789012"
#: An invocation lives this long (the broker's and the settler's time limit).
LIMIT = 60 * SECOND
#: Rows of a listing's page.
PAGE = 4
#: How many invocations can be under way within one another.
DEPTH = 6


def job_rate(prices: PriceList, instance: str, count: int, volume_gb: int) -> int:
    """What a second of a job costs, its disks included, in `UNIT`s."""
    hour = prices.micro_usd_per_hour(REGION, "training", instance)
    disk = billed_disk_gb(instance, volume_gb) * storage_prices(REGION).training_disk
    return count * (HOURLY * hour + disk)


class Crash(BaseException):
    """The function's process is gone: nothing in it may catch this."""


class LedgerDown(Exception):
    """DynamoDB gave no answer; the write may have taken effect."""


def instant(at: int) -> dt.datetime:
    return BASE + dt.timedelta(microseconds=at)


def micros(at: dt.datetime) -> int:
    return (at - BASE) // dt.timedelta(microseconds=1)


def whole_seconds(span: int) -> int:
    """Seconds of `span` microseconds as they are billed: a begun one counts."""
    return max(0, -(-span // SECOND))


@dataclass
class RunningApp:
    """One app of a space, from its creation to the moment at which it stops billing."""

    learner: str
    space: str
    instance: str
    rate: int
    created: int
    seen_from: int
    ready: int
    fails_at: int | None = None
    deleting: int | None = None
    gone: int | None = None
    forgotten_at: int | None = None
    overdue: int = 0

    def status(self, now: int) -> str:
        if self.gone is not None and now >= self.gone:
            return "Deleted"
        if self.deleting is not None:
            return "Deleting"
        if self.fails_at is not None and now >= self.fails_at:
            return "Failed"
        return "Pending" if now < self.ready else "InService"

    def bills(self, now: int) -> bool:
        if self.fails_at is not None and now >= self.fails_at:
            return False
        return self.gone is None or now < self.gone

    def seconds(self, now: int) -> int:
        """Billed until now."""
        end = min(t for t in (now, self.gone, self.fails_at) if t is not None)
        return whole_seconds(end - self.created)


@dataclass
class RunningJob:
    """One training job: it waits, then bills while it fetches, runs and saves."""

    learner: str
    request: dict[str, Any]
    wish: JobWish
    rate: int
    created: int
    seen_from: int
    begins: int
    ends: int
    status: str
    stop_asked: int | None = None

    def seconds(self, now: int) -> int:
        return whole_seconds(min(now, self.ends) - self.begins)


@dataclass(order=True)
class _Due:
    at: int
    order: int
    what: Callable[[], None] = field(compare=False)


@dataclass
class _Invocation:
    operation: str
    deadline: int


class SimulatedAws:
    """A `Cloud` in which time passes by itself; `at` puts an event on its agenda."""

    def __init__(self, rng: random.Random, faults: Faults, weather: Weather) -> None:
        self.now = 0
        self.rng = rng
        self.faults = faults
        self.weather = weather
        self.calm_from: int | None = None
        self.names = Names(COHORT)
        self.prices = PriceList.snapshot()
        #: What the world does; and what AWS does by itself, on time however busy the guard is.
        self.agenda: list[_Due] = []
        self.own: list[_Due] = []
        self._order = itertools.count()
        self._invocations: list[_Invocation] = []
        self.workspaces: dict[str, dict[str, Any]] = {}
        #: The app of each space, and every app there was.
        self.apps: dict[str, RunningApp] = {}
        self.all_apps: list[RunningApp] = []
        self.jobs: dict[str, RunningJob] = {}
        self.wishes: dict[str, JobWish] = {}
        #: Names of the jobs that have not ended; whoever looks may drop those that have.
        self.live: set[str] = set()
        #: name -> (when, space, which writing of it)
        self.stops: dict[str, tuple[int, str, int]] = {}
        #: Whoever wants to know which running thing the sweep takes for an orphan.
        self.orphan_ended: Callable[[str], None] = lambda _name: None
        self.job_ended: Callable[[str], None] = lambda _name: None
        #: Which call of which operation has been broken in which way.
        self.broken: Counter[tuple[str, str, str]] = Counter()
        self.made: set[tuple[str, str]] = set()
        self.calls = 0
        self.nested = 0

    # --- time -------------------------------------------------------------------------------------
    def at(self, when: int, what: Callable[[], None], *, own: bool = False) -> None:
        agenda = self.own if own else self.agenda
        heapq.heappush(agenda, _Due(max(when, self.now), next(self._order), what))

    def run(self, until: int) -> None:
        """Let everything happen that is due by `until`."""
        agenda, own = self.agenda, self.own
        while True:
            first = agenda[0].at if agenda else until + 1
            if own and own[0].at <= min(first, until):
                self._run_own(min(first, until))
            elif first <= until:
                due = heapq.heappop(agenda)
                self.now = max(self.now, due.at)
                due.what()
            else:
                break
        self.now = max(self.now, until)

    def _run_own(self, until: int) -> None:
        own = self.own
        while own and own[0].at <= until:
            due = heapq.heappop(own)
            self.now = max(self.now, due.at)
            due.what()

    @property
    def calm(self) -> bool:
        return self.calm_from is not None and self.now >= self.calm_from

    def uniform(self, least: float, most: float) -> int:
        """A span between `least` and `most` seconds, in microseconds."""
        return int(self.rng.uniform(least, most) * SECOND)

    # --- invocations and their calls --------------------------------------------------------------
    def invoke(self, operation: str, body: Callable[[], T], limit: int = LIMIT) -> T | None:
        """One invocation of a function of the guard; None if it died or the ledger was silent."""
        self._invocations.append(_Invocation(operation, self.now + limit))
        try:
            return body()
        except (Crash, LedgerDown):
            return None
        finally:
            self._invocations.pop()

    def time_left(self) -> int:
        return self._invocations[-1].deadline - self.now

    def clock(self) -> dt.datetime:
        """What the function's clock says."""
        if self.calm or not self.faults.skew:
            return instant(self.now)
        skew = self.faults.skew
        wrong = max(-3 * skew, min(3 * skew, self.rng.gauss(0, skew)))
        return instant(self.now + int(wrong * SECOND))

    def call(self, name: str, effect: Callable[[], T], *, ledger: bool = False) -> T:
        """One call of the guard: it takes time, and may break."""
        self.calls += 1
        invocation = self._invocations[-1]
        self.made.add((invocation.operation, name))
        faults, rng = self.faults, self.rng
        how = ""
        if not self.calm:
            chance = rng.random()
            if chance < faults.broken_calls:
                how = rng.choice(HOW)
            elif chance < faults.broken_calls + faults.slow_calls:
                self._wait(self.uniform(1, 25))
            elif self.weather.throttled and self.weather.is_throttled(self.now // SECOND):
                how = "down" if rng.random() < 0.5 else ""
        self._wait(rng.randrange(4_000, 12_000) if ledger else rng.randrange(20_000, 120_000))
        if self.now > invocation.deadline:
            self.broken[invocation.operation, name, "time limit"] += 1
            raise Crash(name)
        if not how:
            return effect()
        self.broken[invocation.operation, name, how] += 1
        if how == "before":
            raise Crash(name)
        if how in ("lost_before", "down"):
            raise self._failure(how, name, ledger)
        result = effect()
        if how == "after":
            raise Crash(name)
        del result
        raise self._failure(how, name, ledger)

    def _failure(self, how: str, name: str, ledger: bool) -> Exception:
        if ledger:
            return LedgerDown(name)
        if how == "down":
            quota = name in ("create_app", "create_job") and self.rng.random() < 0.5
            return TurnedDown("ResourceLimitExceeded" if quota else "ThrottlingException", name)
        return Unclear(f"{name}: no answer")

    def pause(self, span: int) -> None:
        """What a function that sleeps does."""
        self._wait(span)

    def _wait(self, span: int) -> None:
        """Time passes within a call, and what is due meanwhile happens meanwhile."""
        end = self.now + span
        agenda = self.agenda
        if agenda and agenda[0].at <= end and len(self._invocations) < DEPTH:
            self.nested += 1
            self.run(end)
        elif self.own and self.own[0].at <= end:
            self._run_own(end)
        self.now = max(self.now, end)

    # --- parameters -------------------------------------------------------------------------------
    def workspace(self, parameter: str) -> dict[str, Any] | None:
        return self.call("workspace", lambda: self.workspaces.get(parameter))

    # --- spaces -----------------------------------------------------------------------------------
    def app(self, domain: str, space: str) -> App | None:
        return self.call("app", lambda: self._app(space))

    def _app(self, space: str) -> App | None:
        app = self.apps.get(space)
        if app is None or self.now < app.seen_from:
            return None
        if app.forgotten_at is not None and self.now >= app.forgotten_at:
            return None
        failure = "the start script failed" if app.fails_at is not None else ""
        return App(app.status(self.now), instant(app.created), app.instance, failure)

    def create_app(self, workspace: Workspace, instance: str, image: str = "") -> None:
        self.call("create_app", lambda: self._create_app(workspace, instance))

    def _create_app(self, workspace: Workspace, instance: str) -> None:
        standing = self.apps.get(workspace.space)
        if standing is not None and standing.status(self.now) not in ("Deleted", "Failed"):
            raise InUse("ResourceInUse", "the app exists")
        app = RunningApp(
            learner=workspace.learner,
            space=workspace.space,
            instance=instance,
            rate=HOURLY * self.prices.micro_usd_per_hour(REGION, "studio", instance),
            created=self.now,
            seen_from=self.now + self._unseen(),
            ready=self.now + self.uniform(20, 120),
        )
        if not self.calm and self.rng.random() < self.faults.failing_apps:
            app.fails_at = self.now + self.uniform(30, 300)
        self.apps[workspace.space] = app
        self.all_apps.append(app)

    def _unseen(self) -> int:
        if self.calm or self.rng.random() >= self.faults.unseen:
            return 0
        return self.uniform(0, 45)

    def delete_app(self, domain: str, space: str) -> None:
        self.call("delete_app", lambda: self.delete(space))

    def delete(self, space: str) -> None:
        app = self.apps.get(space)
        if app is None or app.deleting is not None:
            return
        app.deleting = self.now
        app.gone = self.now + self.uniform(5, self.faults.app_ends_in)
        if self.rng.random() < self.faults.forgotten_apps:
            app.forgotten_at = app.gone + self.uniform(60, 7200)

    def presigned_url(self, workspace: Workspace) -> str:
        return self.call("presigned_url", lambda: f"https://{workspace.domain}/auth")

    # --- stops ------------------------------------------------------------------------------------
    def put_stop(
        self, group: str, name: str, role: str, at: dt.datetime, domain: str, space: str
    ) -> None:
        # Schedules know whole seconds (at(yyyy-mm-ddThh:mm:ss)).
        when = micros(at.replace(microsecond=0))
        self.call("put_stop", lambda: self._put_stop(name, when, space))

    def _put_stop(self, name: str, when: int, space: str) -> None:
        if when <= self.now:
            raise TurnedDown("ValidationException", "the time of the schedule has passed")
        writing = next(self._order)
        self.stops[name] = (when, space, writing)
        late = self.uniform(0, self.faults.schedule_late)
        if self.faults.late_stops and self.rng.random() < self.faults.late_stops:
            late += self.faults.late_by * SECOND
        self.at(when + late, lambda: self._fire(name, writing), own=True)

    def _fire(self, name: str, writing: int) -> None:
        stop = self.stops.get(name)
        if stop is not None and stop[2] == writing:
            del self.stops[name]
            self.delete(stop[1])
            app = self.apps.get(stop[1])
            if app is not None and app.gone is not None and app.deleting == self.now:
                app.overdue = app.gone - stop[0]

    def delete_stop(self, group: str, name: str) -> None:
        self.call("delete_stop", lambda: self.stops.pop(name, None))

    # --- jobs -------------------------------------------------------------------------------------
    def job(self, name: str) -> Job | None:
        return self.call("job", lambda: self._job(name))

    def _job(self, name: str) -> Job | None:
        job = self.jobs.get(name)
        if job is None or self.now < job.seen_from:
            return None
        ended = self.now >= job.ends
        begun = self.now >= job.begins and job.begins < job.ends
        status = job.status if ended else "InProgress"
        return Job(
            name=name,
            status=status,
            secondary_status=status if ended else "Training" if begun else "Starting",
            code=job.request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"],
            created_at=instant(job.created),
            started_at=instant(job.begins) if begun else None,
            ended_at=instant(job.ends) if ended else None,
            billable_seconds=job.seconds(job.ends) if ended else None,
            failure="AlgorithmError" if ended and status == "Failed" else "",
        )

    def create_job(self, request: dict[str, Any]) -> None:
        self.call("create_job", lambda: self._create_job(request))

    def _create_job(self, request: dict[str, Any]) -> None:
        name = request["TrainingJobName"]
        if name in self.jobs:
            raise InUse("ResourceInUse", "the job exists")
        wish = self.wishes[name]
        resources = request["ResourceConfig"]
        rate = job_rate(
            self.prices,
            resources["InstanceType"],
            resources["InstanceCount"],
            resources["VolumeSizeInGB"],
        )
        longest = request["StoppingCondition"]["MaxRuntimeInSeconds"]
        begins = self.now + wish.waits * SECOND
        runs = wish.runs
        if runs > longest:
            # SIGTERM at the limit, SIGKILL within 120 s.
            runs = longest + self.rng.randrange(121)
        self.jobs[name] = job = RunningJob(
            learner=request["Tags"][2]["Value"],
            request=request,
            wish=wish,
            rate=rate,
            created=self.now,
            seen_from=self.now + self._unseen(),
            begins=begins,
            ends=begins + (wish.fetches + runs + wish.saves) * SECOND,
            status="Failed" if wish.fails else "Stopped" if wish.runs > longest else "Completed",
        )
        self.live.add(name)
        self._say_ended(name, job.ends)

    def _say_ended(self, name: str, when: int) -> None:
        def end() -> None:
            if self.jobs[name].ends == when:
                self.live.discard(name)
                self.job_ended(name)

        self.at(when, end, own=True)

    def stop_job(self, name: str) -> None:
        self.call("stop_job", lambda: self._stop_job(name))

    def _stop_job(self, name: str) -> None:
        job = self.jobs[name]
        if self.now >= job.ends or job.stop_asked is not None:
            return
        job.stop_asked = self.now
        if self.now < job.begins:
            job.begins = end = self.now
        else:
            end = self.now + self.uniform(2, 120) + job.wish.saves * SECOND
        if end < job.ends:
            job.ends, job.status = end, "Stopped"
            self._say_ended(name, end)

    # --- the survey: a few a page -----------------------------------------------------------------
    def _page(self, found: list[T], token: str) -> tuple[list[T], str]:
        begin = int(token or 0)
        end = begin + PAGE
        return found[begin:end], str(end) if end < len(found) else ""

    def domains(self, token: str) -> tuple[list[tuple[str, str]], str]:
        found = [(w["domain_id"], w["space"]) for w in self.workspaces.values()]
        return self.call("domains", lambda: self._page(found, token))

    def live_apps(self, token: str) -> tuple[list[LiveApp], str]:
        return self.call("live_apps", lambda: self._page(self._live_apps(), token))

    def _live_apps(self) -> list[LiveApp]:
        return [
            LiveApp(
                domain=f"d-{app.learner}",
                space=app.space,
                profile="",
                type="JupyterLab",
                name="default",
                created_at=instant(app.created),
            )
            for app in self.apps.values()
            if app.status(self.now) in ("Pending", "InService") and self.now >= app.seen_from
        ]

    def end_app(self, app: LiveApp) -> None:
        def end() -> None:
            self.orphan_ended(app.space)
            self.delete(app.space)

        self.call("end_app", end)

    def live_jobs(self, prefix: str, token: str) -> tuple[list[str], str]:
        def jobs() -> tuple[list[str], str]:
            found = [n for n in self.live if self.jobs[n].seen_from <= self.now < self.jobs[n].ends]
            return self._page(sorted(found), token)

        return self.call("live_jobs", jobs)

    def disks(self, token: str) -> tuple[list[tuple[str, str, int]], str]:
        found = [(w["domain_id"], w["space"], 20) for w in self.workspaces.values()]
        return self.call("disks", lambda: self._page(found, token))

    def versions(self, bucket: str, prefix: str, key: str, version: str) -> Versions:
        return self.call("versions", lambda: Versions(()))

    def publish(self, topic: str, title: str, text: str, attributes: dict[str, str]) -> None:
        self.call("publish", lambda: None)

    # --- the truth --------------------------------------------------------------------------------
    def bill(self, learner: str) -> int:
        """What everything of the learner's has cost until now, in `UNIT`s."""
        total = sum(a.rate * a.seconds(self.now) for a in self.all_apps if a.learner == learner)
        return total + sum(
            j.rate * j.seconds(self.now) for j in self.jobs.values() if j.learner == learner
        )
