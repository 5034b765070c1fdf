"""One cohort under the real guard: learners ask the broker, events reach the settler, the sweep
sweeps, and after every step the books are held against what runs and what it costs."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.simulation.aws import (
    ACCOUNT,
    BASE,
    COHORT,
    REGION,
    SECOND,
    UNIT,
    RunningApp,
    SimulatedAws,
    instant,
    job_rate,
    micros,
)
from benchmarks.simulation.demand import (
    DAY,
    HOUR,
    IDLE_SECONDS,
    MAX_HOURS,
    MAX_INSTANCES,
    STUDIO,
    TRAINING,
    JobWish,
    Trace,
    Visit,
)
from benchmarks.simulation.faults import Faults, Weather
from infra.cohort.naming import JobName
from infra.services.guard import money
from infra.services.guard.broker import Call, answer
from infra.services.guard.journal import MemoryJournal
from infra.services.guard.ledger import SPACE, Change, Entry, Reservation
from infra.services.guard.memory import MemoryLedger
from infra.services.guard.reconcile import Guard
from infra.services.guard.requests import DEFAULT_VOLUME_GB
from infra.services.guard.settings import Settings, settings_document
from infra.services.guard.settling import settle_job
from infra.services.guard.sweeping import Sweep

SWEEP_EVERY = 15 * 60 * SECOND
SWEEP_LIMIT = 300 * SECOND
#: handler.LEASE_BEYOND, and what the sweep leaves unused of its time (handler.STOP_EARLY_MS).
LEASE_BEYOND = 30 * SECOND
STOP_EARLY = 15 * SECOND
GRACE = money.GRACE_SECONDS * SECOND
#: Of this many seconds after the last wish everything works again.
TAIL = 2 * DAY

Answer = dict[str, Any]


@dataclass
class Outcome:
    """What one cohort's days under the guard came to. Money in micro-dollars, spans in seconds."""

    seed: int
    learner_days: int
    events: int = 0
    calls: int = 0
    nested: int = 0
    checks: int = 0
    violations: list[str] = field(default_factory=list)
    #: A learner each: the cap, AWS's bill, what the ledger says is spent.
    caps: list[int] = field(default_factory=list)
    bills: list[int] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    requests: int = 0
    granted: int = 0
    granted_cost: int = 0
    refused_for_budget: int = 0
    #: Of these, what would have fitted had the actual costs been known beforehand.
    oracle_grants: int = 0
    oracle_cost: int = 0
    refused_otherwise: int = 0
    #: Apps that the sweep found without a reservation.
    orphans: int = 0
    #: From the end of a space's reservation to the end of its bill.
    space_overtime: list[int] = field(default_factory=list)
    #: From the end of something to its settlement.
    settled_after: list[int] = field(default_factory=list)
    #: The most by which a learner's ledger is short of AWS's bill.
    unpaid: int = 0
    #: The calls that each operation made, and which were broken in which way.
    made: set[tuple[str, str]] = field(default_factory=set)
    broken: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def settings(cap: int) -> Settings:
    """The cohort's settings with this cap, as the Guard stack would write them."""
    return Settings.from_json(
        settings_document(
            cohort=COHORT,
            region=REGION,
            starts=BASE.date(),
            ends=BASE.date().replace(year=BASE.year + 1),
            cap_micro_usd=cap,
            studio_instances=list(STUDIO.values()),
            studio_max_hours=MAX_HOURS,
            training_instances=list(TRAINING.values()),
            training_max_hours=MAX_HOURS,
            training_max_instances=MAX_INSTANCES,
            projects=["climate-series"],
            data_bucket="earth-data",
            work_bucket="earth-work",
            schedule_group="earth--stops",
            stopper_role_arn=f"arn:aws:iam::{ACCOUNT}:role/academy/earth/service/stopper",
            submissions_per_day=5,
            closes=BASE.date().replace(year=BASE.year + 1),
        )
    )


class WatchedLedger:
    """The ledger in memory, reached by calls that can break, and checked at every write.

    With `record`, every operation and its answer is kept, for a replay on the table.
    """

    def __init__(
        self,
        inner: MemoryLedger,
        aws: SimulatedAws,
        wrote: Callable[[Change], None],
        record: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] | None,
    ) -> None:
        self._inner = inner
        self._aws = aws
        self._wrote = wrote
        self._record = record

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            def effect() -> Any:
                try:
                    result = method(*arguments, **named)
                except Exception as error:
                    if self._record is not None:
                        self._record.append((name, arguments, named, error))
                    raise
                if hasattr(result, "__next__"):
                    result = list(result)
                if self._record is not None:
                    self._record.append((name, arguments, named, result))
                if name == "apply":
                    self._wrote(arguments[0])
                return iter(result) if isinstance(result, list) else result

            return self._aws.call(f"ledger.{name}", effect, ledger=True)

        return call


class WatchedJournal:
    """The sweep's journal in memory, reached by calls that can break."""

    def __init__(self, inner: MemoryJournal, aws: SimulatedAws) -> None:
        self._inner = inner
        self._aws = aws

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any) -> Any:
            return self._aws.call(f"journal.{name}", lambda: method(*arguments), ledger=True)

        return call


class Academy:
    """The run of one trace under the guard."""

    def __init__(
        self,
        trace: Trace,
        faults: Faults,
        record: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] | None = None,
    ) -> None:
        self.trace = trace
        self.out = Outcome(trace.seed, trace.learners * trace.days)
        rng = random.Random(f"faults {trace.seed}")  # noqa: S311
        weather = Weather.draw(trace.seed, trace.days, faults)
        self.aws = SimulatedAws(rng, faults, weather)
        self.aws.calm_from = (trace.days * DAY + DAY // 2) * SECOND
        self.aws.job_ended = self._job_ended
        self.rng = random.Random(f"learners {trace.seed}")  # noqa: S311
        self.books = MemoryLedger()
        self.guard = Guard(
            settings=settings(trace.cap),
            names=self.aws.names,
            prices=self.aws.prices,
            ledger=WatchedLedger(self.books, self.aws, self._wrote, record),
            cloud=self.aws,
        )
        self.journal: Any = WatchedJournal(MemoryJournal(), self.aws)
        self.aws.orphan_ended = self._orphan_ended
        for learner in range(trace.learners):
            self._enrol(learner)
        self._openings = itertools.count(1)
        #: An own account of the books, kept from the changes alone.
        self._mirror: dict[str, list[int]] = {}
        #: When the learner means to be done with the space; how often someone has come to it.
        self._planned: dict[int, int] = {}
        self._visits: Counter[int] = Counter()

    def _enrol(self, learner: int) -> None:
        name, team = who(learner), team_of(learner)
        workspace = self.aws.names.workspace(name)
        self.aws.workspaces[self.aws.names.workspace_parameter(name)] = {
            "version": 1,
            "cohort": COHORT,
            "learner": name,
            "team": team,
            "account": ACCOUNT,
            "domain_id": f"d-{name}",
            "profile": workspace,
            "space": workspace,
            "training_role": f"arn:aws:iam::{ACCOUNT}:role/academy/earth/training/{team}",
            "lifecycle_config": "",
        }

    # --- the run ----------------------------------------------------------------------------------
    def run(self) -> Outcome:
        """Live through the whole trace, and the quiet days after it."""
        aws, trace = self.aws, self.trace
        for wish in trace.wishes:
            if isinstance(wish, Visit):
                aws.at(wish.at * SECOND, lambda v=wish: self._begin_visit(v, v.work, 0))  # type: ignore[misc]
            else:
                name = aws.names.job(team_of(wish.learner), who(wish.learner), wish.token)
                aws.wishes[name] = wish
                aws.at(wish.at * SECOND, lambda w=wish: self._begin_job(w, 0))  # type: ignore[misc]
        self._next_sweep()
        for day in range(trace.days + TAIL // DAY):
            aws.run((day + 1) * DAY * SECOND)
            self._recount()
        self._reckon()
        return self.out

    def _invoke(self, operation: str, body: Callable[[], Any], limit: int | None = None) -> Any:
        aws = self.aws
        if not aws.calm and aws.weather.is_dead(aws.now // SECOND):
            return None
        self.out.events += 1
        result = aws.invoke(operation, body, **({"limit": limit} if limit else {}))
        self._check_running()
        return result

    def _ask(self, learner: int, **payload: Any) -> Answer:
        """The broker's answer to a learner, or {} if there was none."""
        aws = self.aws

        def body() -> Answer:
            now = aws.clock()
            call = Call(
                learner=who(learner),
                now=now,
                lease_until=instant(micros(now) + aws.time_left() + LEASE_BEYOND),
                opening=f"{next(self._openings):08x}" + "0" * 24,
            )
            return answer(self.guard, call, payload)

        return self._invoke(str(payload["op"]), body) or {}

    # --- the sweep and the events -----------------------------------------------------------------
    def _next_sweep(self) -> None:
        self.aws.at(self.aws.now + SWEEP_EVERY, self._next_sweep)
        aws = self.aws

        def body() -> dict[str, int]:
            return Sweep(
                guard=self.guard,
                survey=aws,
                journal=self.journal,
                topic="notices",
                now=aws.clock,
                more_time=lambda: aws.time_left() > STOP_EARLY,
                pause=lambda seconds: aws.pause(int(seconds * SECOND)),
            ).run()

        # Now and then there is time for a few reservations only.
        short = not aws.calm and self.rng.random() < 0.05
        try:
            self._invoke("sweep", body, STOP_EARLY + SECOND if short else SWEEP_LIMIT)
        except RuntimeError as error:
            # It raises when AWS would not answer: seen as an error of the function.
            if not str(error).startswith("the sweep could"):
                raise

    def _job_ended(self, name: str) -> None:
        faults, rng = self.aws.faults, self.rng
        copies = 1 + (rng.random() < faults.double_events) - (rng.random() < faults.lost_events)
        for _ in range(copies):
            late = rng.random() < faults.late_events
            delay = self.aws.uniform(0.2, 12 * HOUR if late else 5)
            self.aws.at(self.aws.now + delay, lambda: self._deliver(name, 0))

    def _deliver(self, name: str, attempt: int) -> None:
        job = JobName.parse(name)
        assert job is not None
        aws = self.aws
        done = self._invoke("settler", lambda: self._settle(job))
        if done is None and attempt < 2:
            # Lambda repeats a failed event twice: after one minute, then after two.
            aws.at(aws.now + (attempt + 1) * 60 * SECOND, lambda: self._deliver(name, attempt + 1))

    def _settle(self, job: JobName) -> str | None:
        from infra.services.guard.cloud import CloudError

        try:
            return settle_job(self.guard, job, self.aws.clock())
        except CloudError:
            return None

    # --- visits -----------------------------------------------------------------------------------
    def _begin_visit(self, visit: Visit, work: int, attempt: int) -> None:
        aws = self.aws
        if attempt == 0:
            self.out.requests += 1
        found = self._ask(
            visit.learner, op="open_space", instance=visit.instance, hours=visit.hours
        )
        error = found.get("error", {})
        elsewhere = "Close it before" in error.get("message", "")
        if not found.get("ok") and not elsewhere:
            if error.get("code") == "budget":
                self._refused(visit.learner, self._visit_cost(visit, work))
            elif attempt < 5:
                again = aws.now + aws.uniform(120, 900)
                aws.at(again, lambda: self._begin_visit(visit, work, attempt + 1))
            else:
                self.out.refused_otherwise += 1
            return
        self.out.granted += 1
        self.out.granted_cost += self._visit_cost(visit, work)
        self._visits[visit.learner] += 1
        leave = aws.now + work * SECOND
        ended = leave + (IDLE_SECONDS * SECOND if visit.leaving == "idle" else 0)
        self._planned[visit.learner] = ended if visit.leaving != "kernel" else 1 << 62
        serial = self._visits[visit.learner]
        self._ask_later(visit.learner, 2, op="space", link=True)
        if "ends_at" in found:
            self._while_open(visit, leave, micros_of(found["ends_at"]))
        aws.at(leave, lambda: self._leave(visit, serial, 0))

    def _while_open(self, visit: Visit, leave: int, ends: int) -> None:
        aws = self.aws
        if leave <= ends:
            return
        if visit.stays:
            aws.at(ends - 600 * SECOND, lambda: self._stay(visit, leave))
        elif leave - ends > 600 * SECOND:
            rest = (leave - ends) // SECOND
            aws.at(ends + 300 * SECOND, lambda: self._begin_visit(visit, rest, 0))

    def _stay(self, visit: Visit, leave: int) -> None:
        left = (leave - self.aws.now) / SECOND / HOUR
        hours = max(0.5, min(MAX_HOURS, round(left + 0.25, 2)))
        found = self._ask(visit.learner, op="stay", hours=hours)
        if found.get("ok"):
            self._while_open(visit, leave, micros_of(found["ends_at"]))
        elif found.get("error", {}).get("code") == "budget":
            self.out.requests += 1
            app = self._app(visit.learner)
            extra = int(left * HOUR) * (app.rate if app else 0)
            self._refused(visit.learner, extra // UNIT)

    def _leave(self, visit: Visit, serial: int, attempt: int) -> None:
        aws, learner = self.aws, visit.learner
        if self._visits[learner] != serial:
            return  # Somebody came back meanwhile.
        if visit.leaving == "closes":
            found = self._ask(learner, op="close_space")
            if not found.get("ok") and attempt < 3:
                aws.at(
                    aws.now + aws.uniform(30, 180), lambda: self._leave(visit, serial, attempt + 1)
                )
        elif visit.leaving == "idle":
            aws.at(aws.now + IDLE_SECONDS * SECOND, lambda: self._idle(learner, serial))

    def _idle(self, learner: int, serial: int) -> None:
        app = self._app(learner)
        if self._visits[learner] == serial and app is not None and app.bills(self.aws.now):
            self.aws.delete(app.space)

    def _app(self, learner: int) -> RunningApp | None:
        return self.aws.apps.get(self.aws.names.workspace(who(learner)))

    def _ask_later(self, learner: int, minutes: int, **payload: Any) -> None:
        self.aws.at(
            self.aws.now + minutes * 60 * SECOND, lambda: void(self._ask(learner, **payload))
        )

    # --- jobs -------------------------------------------------------------------------------------
    def _begin_job(self, wish: JobWish, attempt: int) -> None:
        aws, learner = self.aws, wish.learner
        if attempt == 0:
            self.out.requests += 1
            if self.rng.random() < 0.2:
                self._ask(learner, op="budget")
            if wish.twice:
                aws.at(aws.now + aws.uniform(0, 30), lambda: void(self._train(wish)))
        found = self._train(wish)
        if found.get("ok"):
            self.out.granted += 1
            self.out.granted_cost += self._job_cost(wish)
            name = found["job"]
            self._ask_later(learner, 10, op="job", job=name)
            if self.rng.random() < 0.5:
                self._ask_later(learner, 150, op="job", job=name)
            if wish.stopped_after is not None:
                aws.at(
                    aws.now + wish.stopped_after * SECOND,
                    lambda: void(self._ask(learner, op="stop_job", job=name)),
                )
        elif found.get("error", {}).get("code") == "budget":
            self._refused(learner, self._job_cost(wish))
        elif attempt < 5:
            again = aws.now + aws.uniform(20, 600)
            aws.at(again, lambda: self._begin_job(wish, attempt + 1))
        else:
            self.out.refused_otherwise += 1

    def _train(self, wish: JobWish) -> Answer:
        return self._ask(
            wish.learner,
            op="train",
            token=wish.token,
            project="climate-series",
            instance=wish.instance,
            count=wish.count,
            hours=wish.hours,
            script="train.py",
            hyperparameters={"epochs": "20"},
        )

    # --- what it would have cost ------------------------------------------------------------------
    def _visit_cost(self, visit: Visit, work: int) -> int:
        rate = self.aws.prices.micro_usd_per_hour(REGION, "studio", visit.instance)
        return rate * visit_seconds(visit, work) // 3600

    def _job_cost(self, wish: JobWish) -> int:
        rate = job_rate(self.aws.prices, wish.instance, wish.count, DEFAULT_VOLUME_GB)
        return rate * job_seconds(wish) // UNIT

    def _refused(self, learner: int, cost: int) -> None:
        """Count a refusal for want of money, and whether an oracle would have refused too."""
        out, aws, name = self.out, self.aws, who(learner)
        out.refused_for_budget += 1
        to_come = 0
        app = self._app(learner)
        if app is not None and app.bills(aws.now):
            ends = [self._planned.get(learner, aws.now)]
            ends += [when for when, space, _ in aws.stops.values() if space == app.space]
            to_come += app.rate * max(0, min(ends) - aws.now) // SECOND
        for job_name in self.aws.live:
            job = aws.jobs[job_name]
            if job.learner == name:
                to_come += job.rate * (job.seconds(job.ends) - job.seconds(aws.now))
        if aws.bill(name) + to_come + cost * UNIT <= self.trace.cap * UNIT:
            out.oracle_grants += 1
            out.oracle_cost += cost

    def _orphan_ended(self, space: str) -> None:
        app = self.aws.apps[space]
        held = self.books.find(app.learner, SPACE)
        self.out.orphans += 1
        if held is not None and held.is_open:
            self._wrong(f"the sweep ends {app} although it is paid for: {held}")

    # --- what must always be true -----------------------------------------------------------------
    def _wrong(self, what: str) -> None:
        if len(self.out.violations) < 20:
            self.out.violations.append(f"seed {self.trace.seed}, {instant(self.aws.now)}: {what}")

    def _wrote(self, change: Change) -> None:
        """After every write: the account it touched."""
        self.out.checks += 1
        held = change.after
        account = self.books.accounts[held.learner]
        mirror = self._mirror.setdefault(held.learner, [0, 0])
        mirror[0] += change.reserved
        mirror[1] += change.entry.billed if change.entry else 0
        if (account.reserved, account.spent) != (mirror[0], mirror[1]):
            self._wrong(f"the books of {held.learner} do not add up: {account} {mirror}")
        if account.available != account.cap - account.spent - account.reserved:
            self._wrong(f"available is not what is left: {account}")
        if account.spent + account.reserved > account.cap:
            self._wrong(f"above the cap: {account} after {change}")
        if change.entry is not None:
            self._traces(change.entry, held)

    def _traces(self, entry: Entry, held: Reservation) -> None:
        """An entry belongs to a job or an app that ran, and charges no less than that did."""
        aws = self.aws
        if entry.overrun:
            self._wrong(f"more was billed than reserved: {entry}")
        if entry.kind == "job":
            job = aws.jobs.get(entry.name)
            if job is None:
                if entry.billed:
                    self._wrong(f"{entry} for no job")
                return
            if aws.now < job.ends:
                self._wrong(f"{entry} although {entry.name} still runs")
            elif entry.seconds != job.seconds(job.ends):
                self._wrong(f"{entry.seconds} s charged for {job.seconds(job.ends)} s of {entry}")
            self.out.settled_after.append(max(0, aws.now - job.ends) // SECOND)
            return
        opened = micros(held.created_at) - int(4 * aws.faults.skew * SECOND)
        apps = [a for a in aws.all_apps if a.space == entry.name and a.created >= opened]
        if not apps:
            if entry.billed:
                self._wrong(f"{entry} for no app")
            return
        if not entry.billed:
            self._wrong(f"{entry} although {apps[0]} ran")
        app = apps[0]
        if app.bills(aws.now):
            self._wrong(f"{entry} although {app} still runs")
        elif app.rate * app.seconds(aws.now) > held.amount * UNIT:
            self._wrong(f"{app} cost more than was held: {held}")
        elif app.gone is not None:
            self.out.settled_after.append((aws.now - app.gone) // SECOND)

    def _check_running(self) -> None:
        """After every event: whatever runs has a reservation, and a stop that is not overdue."""
        aws, now = self.aws, self.aws.now
        self.out.checks += 1
        for app in aws.apps.values():
            if app.deleting is not None or not app.bills(now):
                continue
            held = self.books.find(app.learner, SPACE)
            if held is None or not held.is_open:
                self._wrong(f"{app} runs without a reservation: {held}")
                continue
            if now > micros(held.ends_at) + GRACE:
                self._wrong(f"{app} outlives {held}")
            stop = aws.stops.get(self.guard.stop_of(held))
            if stop is None or stop[0] > micros(held.ends_at):
                self._wrong(f"{app} runs without a stop in time: {stop}; {held}")
        for name in aws.live:
            job = aws.jobs[name]
            if now >= job.ends:
                continue
            held = self.books.find(job.learner, name[-8:])
            if held is None or not held.is_open:
                self._wrong(f"{name} runs without a reservation: {held}")

    def _recount(self) -> None:
        """From scratch, once a day: reservations and entries against the accounts."""
        for name, account in self.books.accounts.items():
            reserved = sum(r.amount for r in self.books.open_of(name))
            spent = sum(e.billed for e in self.books.lines if e.learner == name)
            if (account.reserved, account.spent) != (reserved, spent):
                self._wrong(f"recount: {account}, but {reserved} is held and {spent} spent")

    def _reckon(self) -> None:
        """At the end: everything has ended, is paid for, and no money is stuck."""
        aws, out = self.aws, self.out
        out.calls, out.nested, out.made, out.broken = aws.calls, aws.nested, aws.made, aws.broken
        for app in aws.all_apps:
            if app.gone is None and app.fails_at is None:
                self._wrong(f"{app} never ended")
            if app.overdue:
                out.space_overtime.append(app.overdue // SECOND)
        for learner in range(self.trace.learners):
            name = who(learner)
            account = self.books.account(name, self.trace.cap)
            bill = aws.bill(name)
            out.caps.append(self.trace.cap)
            out.bills.append(-(-bill // UNIT))
            out.spent.append(account.spent)
            if account.reserved:
                self._wrong(f"money is stuck: {self.books.open_of(name)}")
            if bill > self.trace.cap * UNIT:
                self._wrong(
                    f"AWS bills {name} {bill / UNIT / 1e6:.4f}, the cap is {account.cap / 1e6}"
                )
            unpaid = bill - account.spent * UNIT
            if unpaid > 0:
                out.unpaid = max(out.unpaid, unpaid // UNIT)
                # What a slow clock hides of an opening, seconds each; the end of a run is a job's.
                openings = [a for a in aws.all_apps if a.learner == name]
                hidden = sum(a.rate * (3 * aws.faults.skew + 1) for a in openings)
                if unpaid > hidden:
                    self._wrong(f"unpaid: {name} spent {account.spent}, AWS bills {bill / UNIT}")


def who(learner: int) -> str:
    return f"l{learner}"


def team_of(learner: int) -> str:
    return f"t{learner // 2}"


def micros_of(text: str) -> int:
    import datetime as dt

    return micros(dt.datetime.fromisoformat(text))


def void(_answer: Answer) -> None:
    """An agenda's events return nothing."""


def visit_seconds(visit: Visit, work: int) -> int:
    """How long a visit bills under stops that are written beforehand."""
    if visit.leaving == "kernel":
        return max(work, visit.hours * HOUR)
    return work + (IDLE_SECONDS if visit.leaving == "idle" else 0)


def job_seconds(wish: JobWish) -> int:
    """How long a job bills under its own MaxRuntime."""
    seconds = wish.fetches + min(wish.runs, int(wish.hours * HOUR)) + wish.saves
    if wish.stopped_after is not None:
        seconds = min(seconds, max(0, wish.stopped_after - wish.waits) + wish.saves)
    return seconds
