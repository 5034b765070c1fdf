"""Any learner, admin, failure and passing of time, in any order: the books add up, the cap holds.

The state machine drives the broker, the settler and the sweep over the simulated cloud, and asks
after each step: does `spent + reserved` stay within the cap, is what runs paid for and given a
stop, does each entry trace to a job or to an interval of an app, do the entries add up.
"""

from __future__ import annotations

import contextlib
import datetime as dt

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from infra.cohort.naming import JobName
from infra.services.guard import ledger
from infra.services.guard.cloud import CloudError
from infra.services.guard.settling import settle_job
from tests.services.guard_cloud import CAP, Academy, Crash, RunningApp

MINUTE = dt.timedelta(minutes=1)
#: Two of two teams: enough to be mixed up, few enough that their steps meet.
LEARNERS = st.sampled_from(["ana", "chi"])
TOKENS = st.sampled_from(["a" * 32, "b" * 32, "a" * 8 + "c" * 24])
#: Small, so that the cap is often in the way.
CAPS = st.sampled_from([0, 60_000, 500_000, 3_000_000, CAP])
HOURS = st.sampled_from([0.1, 0.5, 1, 2, 4])


class Guarded(RuleBasedStateMachine):
    """Everything that may happen to an academy."""

    def __init__(self) -> None:
        super().__init__()
        self.academy = Academy(cap_micro_usd=3_000_000)
        #: An admin who lowers a cap below what is committed overdraws it: then nothing is started.
        self.lowered: set[str] = set()
        #: Started by nobody that the academy lets. A reservation that is made while one runs takes
        #: it over, with its stop; what it ran before is nobody's.
        self.behind: list[RunningApp] = []

    # --- learners -----------------------------------------------------------------------------
    def ask(self, learner: str, **payload: object) -> None:
        try:
            before = dict(self.academy.ledger.accounts)
            answer = self.academy.ask(learner, **payload)
        except Crash:
            return
        account = self.academy.ledger.accounts.get(learner)
        if (
            account is not None
            and account.frozen
            and payload["op"] in ("train", "open_space", "stay")
        ):
            held = before[learner].reserved if learner in before else 0
            assert account.reserved <= held, "a frozen account holds nothing new"
        assert answer["ok"] or answer["error"]["message"]

    @rule(
        learner=LEARNERS,
        token=TOKENS,
        hours=HOURS,
        instance=st.sampled_from(["ml.m5.large", "ml.g5.xlarge"]),
        count=st.integers(1, 2),
        lasts=st.integers(1, 300),
    )
    def train(
        self, learner: str, token: str, hours: float, instance: str, count: int, lasts: int
    ) -> None:
        self.academy.cloud.jobs_last = lasts * MINUTE
        asked = {"project": "climate-series", "script": "train.py", "token": token}
        self.ask(learner, op="train", instance=instance, count=count, hours=hours, **asked)

    @rule(learner=LEARNERS, hours=HOURS, fails=st.booleans())
    def open_space(self, learner: str, hours: float, fails: bool) -> None:
        self.academy.cloud.app_fails = "start.sh" if fails else ""
        self.ask(learner, op="open_space", hours=hours)

    @rule(learner=LEARNERS, hours=HOURS)
    def stay(self, learner: str, hours: float) -> None:
        self.ask(learner, op="stay", hours=hours)

    @rule(learner=LEARNERS, operation=st.sampled_from(["close_space", "space", "budget"]))
    def look(self, learner: str, operation: str) -> None:
        self.ask(learner, op=operation)

    @precondition(lambda self: self.academy.cloud.jobs)
    @rule(data=st.data(), learner=LEARNERS, operation=st.sampled_from(["job", "stop_job"]))
    def look_at_a_job(self, data: st.DataObject, learner: str, operation: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.academy.cloud.jobs)))
        self.ask(learner, op=operation, job=name)

    # --- admins -------------------------------------------------------------------------------
    @rule(learner=LEARNERS, cap=CAPS, reset=st.booleans())
    def change_cap(self, learner: str, cap: int, reset: bool) -> None:
        account = self.academy.money(learner)
        told = {"at": self.academy.cloud.now, "who": "arn:admin", "why": "because"}
        file = self.academy.guard.settings.cap_micro_usd
        act = (
            ledger.reset_cap(account, file, **told)  # type: ignore[arg-type]
            if reset
            else ledger.set_cap(account, cap, **told)  # type: ignore[arg-type]
        )
        after = self.academy.ledger.record(act)
        if after.available < 0:
            self.lowered.add(learner)
        assert after.standing == act.after
        # The file's cap does not override an individual one, nor the other way round.
        assert self.academy.money(learner).cap == (file if reset else cap)
        assert self.academy.ledger.acts(learner, 1)[0].why == "because"

    @rule(learner=LEARNERS, freezes=st.booleans())
    def freeze(self, learner: str, freezes: bool) -> None:
        account = self.academy.money(learner)
        make = ledger.freeze if freezes else ledger.unfreeze
        self.academy.ledger.record(
            make(account, at=self.academy.cloud.now, who="arn:admin", why="because")
        )

    # --- time and failures ----------------------------------------------------------------------
    @rule(minutes=st.sampled_from([1, 14, 16, 61, 250]))
    def time_passes(self, minutes: int) -> None:
        self.academy.cloud.move(minutes * MINUTE)

    @rule(whole=st.booleans(), looks=st.integers(0, 12))
    def sweep(self, whole: bool, looks: int) -> None:
        left = [looks]

        def more_time() -> bool:
            left[0] -= 1
            return whole or left[0] >= 0

        with contextlib.suppress(Crash, RuntimeError, CloudError):
            self.academy.full_sweep(more_time)

    @precondition(lambda self: self.academy.cloud.jobs)
    @rule(data=st.data())
    def an_event_comes(self, data: st.DataObject) -> None:
        """Once, twice, early or late."""
        name = JobName.parse(data.draw(st.sampled_from(sorted(self.academy.cloud.jobs))))
        assert name is not None
        with contextlib.suppress(Crash, CloudError):
            settle_job(self.academy.guard, name, self.academy.cloud.now)

    @rule(
        ahead=st.integers(0, 12),
        how=st.sampled_from(["before", "after", "lost_before", "lost_after", "down"]),
    )
    def something_will_break(self, ahead: int, how: str) -> None:
        trouble = self.academy.cloud.trouble
        trouble.at, trouble.how = len(trouble.calls) + ahead, how

    @rule(learner=LEARNERS)
    def an_app_starts_behind_the_guard(self, learner: str) -> None:
        place = (f"d-{learner}", f"earth--{learner}")
        if not self.academy.ledger.open_of(learner) and not self.academy.cloud.apps.get(place):
            self.behind.append(RunningApp("ml.t3.medium", self.academy.cloud.now))
            self.academy.cloud.apps[place] = [self.behind[-1]]

    # --- what is always true --------------------------------------------------------------------
    @invariant()
    def the_books_add_up(self) -> None:
        self.academy.check()

    @invariant()
    def the_cap_holds(self) -> None:
        for learner, account in self.academy.ledger.accounts.items():
            if learner in self.lowered:
                continue
            # What AWS billed beyond a reservation is told by its entry, and by nothing else.
            lines = [line for line in self.academy.ledger.lines if line.learner == learner]
            over = sum(line.billed - line.reserved for line in lines if line.overrun)
            assert account.spent + account.reserved <= account.cap + over

    @invariant()
    def every_entry_traces_to_a_job_or_an_interval_of_an_app(self) -> None:
        cloud = self.academy.cloud
        for line in self.academy.ledger.lines:
            if not line.billed:
                continue
            assert line.began_at is not None
            if line.kind == "job":
                assert line.name in cloud.jobs
                assert cloud.jobs[line.name].created == line.began_at
            else:
                apps = cloud.apps[f"d-{line.learner}", line.name]
                taken_over = any(app in self.behind for app in apps)
                assert taken_over or line.began_at in {app.created for app in apps}

    @invariant()
    def nothing_the_guard_started_runs_without_money_and_a_stop(self) -> None:
        cloud = self.academy.cloud
        held = {r.name for r in self.academy.ledger.all_open()}
        for (_, space), apps in cloud.apps.items():
            alive = apps and apps[-1].status(cloud.now) in ("Pending", "InService")
            if alive and apps[-1] not in self.behind:
                assert space in held
                assert any(stop[2] == space for stop in cloud.stops.values())
        for name, job in cloud.jobs.items():
            assert name in held or cloud.now >= job.ends

    def teardown(self) -> None:
        """Half a day later, with nothing breaking any more, nothing is stuck and all is paid."""
        self.academy.cloud.trouble.at = None
        for _ in range(60):
            self.academy.cloud.move(15 * MINUTE)
            self.academy.full_sweep()
            self.academy.check()
        for learner in self.academy.ledger.accounts:
            assert self.academy.money(learner).reserved == 0
        for apps in self.academy.cloud.apps.values():
            assert apps[-1].status(self.academy.cloud.now) in ("Deleted", "Failed")
        running = [
            job for job in self.academy.cloud.jobs.values() if job.ends > self.academy.cloud.now
        ]
        assert not running


def test_the_guard_holds_whatever_happens() -> None:
    run_state_machine_as_test(
        Guarded,
        settings=hypothesis_settings(
            max_examples=150,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
