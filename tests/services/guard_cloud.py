"""A cloud in memory for the guard's tests: it keeps the truth of what ran, fires the schedules and
breaks where a test wants it to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.guard.broker import Call, answer
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
from infra.services.guard.journal import MemoryJournal
from infra.services.guard.ledger import Account, Act, Change, Entry, Reservation
from infra.services.guard.memory import MemoryLedger
from infra.services.guard.reconcile import Guard
from infra.services.guard.settings import Settings, settings_document
from infra.services.guard.settling import sweep
from infra.services.guard.storage_prices import storage_prices
from infra.services.guard.sweeping import Sweep
from infra.services.guard.training import billed_disk_gb

START = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
CAP = 25_000_000
LEASE = dt.timedelta(seconds=90)
TEAMS = {"ana": "falcon", "ben": "falcon", "chi": "heron"}
PROJECTS = ["land-cover", "climate-series"]


def image_of(project: str, accelerator: str, version: int = 2) -> dict[str, str]:
    """A project's image as it stands in the settings document."""
    name = "segmentation" if project == "land-cover" else "forecasting"
    flavour = f"{name}-{accelerator}"
    return {
        "app": "arn:aws:sagemaker:us-east-1:123456789012:image-version/"
        f"academy-{flavour}/{version}",
        "job": "123456789012.dkr.ecr.us-east-1.amazonaws.com/"
        f"academy/{flavour}@sha256:{version:064x}",
    }


def images(version: int = 2) -> dict[str, dict[str, dict[str, str]]]:
    return {
        project: {kind: image_of(project, kind, version) for kind in ("cpu", "gpu")}
        for project in PROJECTS
    }


def settings(**changes: Any) -> Settings:
    return Settings.from_json(settings_text(**changes))


def settings_text(**changes: Any) -> str:
    return settings_document(
        **{
            "cohort": "earth",
            "region": "us-east-1",
            "starts": dt.date(2026, 11, 30),
            "ends": dt.date(2027, 3, 31),
            "cap_micro_usd": CAP,
            "studio_instances": ["ml.t3.medium", "ml.g4dn.xlarge"],
            "studio_max_hours": 4,
            "training_instances": ["ml.m5.large", "ml.g5.xlarge"],
            "training_max_hours": 4,
            "training_max_instances": 2,
            "projects": ["climate-series"],
            "data_bucket": "earth-data",
            "work_bucket": "earth-work",
            "schedule_group": "earth--stops",
            "stopper_role_arn": "arn:aws:iam::123456789012:role/academy/earth/service/stopper",
            "submissions_per_day": 2,
            "closes": dt.date(2027, 3, 15),
            **changes,
        }
    )


class Crash(BaseException):
    """The function's process is gone: nothing in it may catch this."""


@dataclass
class Trouble:
    """Breaks the call with this number. `how`: before, after (the process dies before or after the
    call took effect), lost_before, lost_after (the answer is lost), or down (turned down)."""

    at: int | None = None
    how: str = "before"
    calls: list[str] = field(default_factory=list)

    def around(self, name: str, effect: Callable[[], Any]) -> Any:
        self.calls.append(name)
        here = len(self.calls) - 1 == self.at
        cloud = not name.startswith("ledger.")
        if here and (self.how == "before" or (not cloud and self.how != "after")):
            raise Crash(name)
        if here and self.how == "lost_before":
            raise Unclear(f"{name}: no answer")
        if here and self.how == "down":
            raise TurnedDown("ThrottlingException", name)
        result = effect()
        if here and self.how == "after":
            raise Crash(name)
        if here and self.how == "lost_after":
            raise Unclear(f"{name}: no answer")
        return result


@dataclass
class RunningApp:
    instance: str
    created: dt.datetime
    deleted: dt.datetime | None = None
    fails: str = ""
    image: str = ""

    def status(self, now: dt.datetime) -> str:
        if self.fails:
            return "Failed"
        if self.deleted is not None:
            return "Deleting" if now < self.deleted + dt.timedelta(seconds=30) else "Deleted"
        return "Pending" if now < self.created + dt.timedelta(seconds=40) else "InService"

    def end(self, now: dt.datetime) -> dt.datetime:
        """What AWS bills to: until it is deleted, the half minute that takes included."""
        return now if self.deleted is None else min(now, self.deleted + dt.timedelta(seconds=30))


@dataclass
class RunningJob:
    request: dict[str, Any]
    created: dt.datetime
    lasts: dt.timedelta
    fails: str = ""
    stopped: dt.datetime | None = None
    billed: int | None = None

    @property
    def ends(self) -> dt.datetime:
        longest = dt.timedelta(seconds=self.request["StoppingCondition"]["MaxRuntimeInSeconds"])
        end = self.created + min(self.lasts, longest)
        return min(end, self.stopped) if self.stopped else end


class SimulatedCloud:
    """A `Cloud` whose time a test moves."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        self.now = START
        self.trouble = trouble or Trouble()
        self.apps: dict[tuple[str, str], list[RunningApp]] = {}
        self.stops: dict[str, tuple[dt.datetime, str, str]] = {}
        self.jobs: dict[str, RunningJob] = {}
        self.jobs_last = dt.timedelta(minutes=30)
        self.app_fails = ""
        #: How much a listing gives at once.
        self.page = 2
        #: Apps that the guard did not start and has no place for.
        self.strays: list[LiveApp] = []
        self.ended: list[LiveApp] = []
        #: Versions in the bucket `work`: key, bytes, whether it is the latest.
        self.objects: list[tuple[str, int, bool]] = []
        self.published: list[tuple[str, str, str, dict[str, str]]] = []
        self.workspaces: dict[str, dict[str, Any] | None] = {
            Names("earth").workspace_parameter(learner): {
                "version": 1,
                "cohort": "earth",
                "learner": learner,
                "team": team,
                "account": "123456789012",
                "domain_id": f"d-{learner}",
                "profile": f"earth--{learner}",
                "space": f"earth--{learner}",
                "training_role": f"arn:aws:iam::123456789012:role/academy/earth/training/{team}",
                "lifecycle_config": "arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-c/x",
            }
            for learner, team in TEAMS.items()
        }

    # --- time -------------------------------------------------------------------------------------
    def move(self, span: dt.timedelta) -> None:
        """Let time pass; what is due happens at its time."""
        end = self.now + span
        while due := [(at, name) for name, (at, _, _) in self.stops.items() if at <= end]:
            at, name = min(due)
            self.now = max(self.now, at)
            _, domain, space = self.stops.pop(name)
            self._delete(domain, space)
        self.now = end

    def _delete(self, domain: str, space: str) -> None:
        for app in self.apps.get((domain, space), [])[-1:]:
            if app.deleted is None and not app.fails:
                app.deleted = self.now

    # --- the port ---------------------------------------------------------------------------------
    def workspace(self, parameter: str) -> dict[str, Any] | None:
        return self.trouble.around("workspace", lambda: self.workspaces.get(parameter))

    def app(self, domain: str, space: str) -> App | None:
        return self.trouble.around("app", lambda: self._app(domain, space))

    def _app(self, domain: str, space: str) -> App | None:
        found = self.apps.get((domain, space))
        if not found:
            return None
        last = found[-1]
        return App(last.status(self.now), last.created, last.instance, last.fails)

    def create_app(self, workspace: Workspace, instance: str, image: str = "") -> None:
        self.trouble.around("create_app", lambda: self._create_app(workspace, instance, image))

    def _create_app(self, workspace: Workspace, instance: str, image: str) -> None:
        place = (workspace.domain, workspace.space)
        seen = self._app(*place)
        if seen is not None and seen.status not in ("Deleted", "Failed"):
            raise InUse("ResourceInUse", "the app exists")
        # The promise that the guard rests on: nothing runs without a stop that will end it.
        assert any(stop[1:] == place and stop[0] > self.now for stop in self.stops.values())
        app = RunningApp(instance, self.now, fails=self.app_fails, image=image)
        self.apps.setdefault(place, []).append(app)

    def delete_app(self, domain: str, space: str) -> None:
        self.trouble.around("delete_app", lambda: self._delete(domain, space))

    def presigned_url(self, workspace: Workspace) -> str:
        return self.trouble.around("presigned_url", lambda: f"https://{workspace.domain}/auth")

    def put_stop(
        self, group: str, name: str, role: str, at: dt.datetime, domain: str, space: str
    ) -> None:
        def put() -> None:
            assert at > self.now, "Scheduler turns down a time that has passed"
            self.stops[name] = (at, domain, space)

        self.trouble.around("put_stop", put)

    def delete_stop(self, group: str, name: str) -> None:
        self.trouble.around("delete_stop", lambda: self.stops.pop(name, None))

    def job(self, name: str) -> Job | None:
        return self.trouble.around("job", lambda: self._job(name))

    def _job(self, name: str) -> Job | None:
        job = self.jobs.get(name)
        if job is None:
            return None
        ended = self.now >= job.ends
        status = "InProgress"
        if ended:
            status = "Stopped" if job.stopped else "Failed" if job.fails else "Completed"
        code = job.request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
        return Job(
            name=name,
            status=status,
            secondary_status=status,
            code=code,
            created_at=job.created,
            started_at=job.created,
            ended_at=job.ends if ended else None,
            billable_seconds=self.billable(job) if ended else None,
            failure=job.fails if ended else "",
            image=job.request["AlgorithmSpecification"]["TrainingImage"],
            token=job.request["Environment"].get("ACADEMY_TOKEN", ""),
        )

    def billable(self, job: RunningJob) -> int:
        if job.billed is not None:
            return job.billed
        return round((min(job.ends, self.now) - job.created).total_seconds())

    def create_job(self, request: dict[str, Any]) -> None:
        self.trouble.around("create_job", lambda: self._create_job(request))

    def _create_job(self, request: dict[str, Any]) -> None:
        name = request["TrainingJobName"]
        if name in self.jobs:
            raise InUse("ResourceInUse", "the job exists")
        self.jobs[name] = RunningJob(request, self.now, self.jobs_last)

    def stop_job(self, name: str) -> None:
        def stop() -> None:
            self.jobs[name].stopped = self.now

        self.trouble.around("stop_job", stop)

    # --- what the sweep looks through -------------------------------------------------------------
    def _page(self, name: str, rows: list[Any], token: str) -> tuple[list[Any], str]:
        def page() -> tuple[list[Any], str]:
            start = int(token or 0)
            more = start + self.page < len(rows)
            return rows[start : start + self.page], str(start + self.page) if more else ""

        return self.trouble.around(name, page)

    def domains(self, token: str) -> tuple[list[tuple[str, str]], str]:
        mine = sorted((w["domain_id"], w["space"]) for w in self.workspaces.values() if w)
        return self._page("domains", [*mine, ("d-mars", "mars--eve")], token)

    def live_apps(self, token: str) -> tuple[list[LiveApp], str]:
        # As AWS does: a page of what there is and was, of which some may have ended.
        rows = [
            LiveApp(domain, space, "", "JupyterLab", "default", apps[-1].created)
            for (domain, space), apps in sorted(self.apps.items())
            if apps
        ]
        found, token = self._page("live_apps", [*rows, *self.strays], token)
        return [app for app in found if self._lives(app)], token

    def _lives(self, app: LiveApp) -> bool:
        if app in self.strays:
            return app not in self.ended
        return self.apps[app.domain, app.space][-1].status(self.now) in ("Pending", "InService")

    def end_app(self, app: LiveApp) -> None:
        def end() -> None:
            if app in self.strays:
                self.ended.append(app)
            else:
                self._delete(app.domain, app.space)

        self.trouble.around("end_app", end)

    def live_jobs(self, prefix: str, token: str) -> tuple[list[str], str]:
        rows = [n for n, job in sorted(self.jobs.items()) if prefix in n and self.now < job.ends]
        return self._page("live_jobs", rows, token)

    def disks(self, token: str) -> tuple[list[tuple[str, str, int]], str]:
        rows = [(f"d-{learner}", f"earth--{learner}", 20) for learner in sorted(TEAMS)]
        return self._page("disks", [*rows, ("d-mars", "mars--eve", 99)], token)

    def versions(self, bucket: str, prefix: str, key: str, version: str) -> Versions:
        assert bucket == "earth-work"
        rows = [row for row in self.objects if row[0].startswith(prefix)]
        found, token = self._page("versions", rows, version)
        return Versions(tuple(found), found[-1][0] if token else "", token)

    def publish(self, topic: str, title: str, text: str, attributes: dict[str, str]) -> None:
        self.trouble.around(
            "publish", lambda: self.published.append((topic, title, text, attributes))
        )


class TroubledLedger:
    """A ledger whose calls can break as the cloud's can."""

    def __init__(self, inner: MemoryLedger, trouble: Trouble) -> None:
        self.inner, self.trouble = inner, trouble

    def account(self, learner: str, cap: int) -> Account:
        return self.trouble.around("ledger.account", lambda: self.inner.account(learner, cap))

    def find(self, learner: str, reservation: str) -> Reservation | None:
        return self.trouble.around("ledger.find", lambda: self.inner.find(learner, reservation))

    def apply(self, change: Change) -> Reservation:
        return self.trouble.around("ledger.apply", lambda: self.inner.apply(change))

    def open_of(self, learner: str) -> list[Reservation]:
        return self.inner.open_of(learner)

    def all_open(self) -> Iterator[Reservation]:
        return self.inner.all_open()

    def entries(self, learner: str, limit: int) -> list[Entry]:
        return self.inner.entries(learner, limit)

    def record(self, act: Act) -> Account:
        return self.trouble.around("ledger.record", lambda: self.inner.record(act))

    def acts(self, learner: str, limit: int) -> list[Act]:
        return self.inner.acts(learner, limit)


class Academy:
    """A guard over a simulated cloud, as a test uses it."""

    def __init__(self, trouble: Trouble | None = None, **changes: Any) -> None:
        self.cloud = SimulatedCloud(trouble)
        self.ledger = MemoryLedger()
        self.guard = Guard(
            settings=settings(**changes),
            names=Names("earth"),
            prices=PriceList.snapshot(),
            ledger=TroubledLedger(self.ledger, self.cloud.trouble),
            cloud=self.cloud,
        )
        self.journal = MemoryJournal()
        self.pauses: list[float] = []
        self._openings = 0

    def configure(self, **changes: Any) -> None:
        self.guard = replace(self.guard, settings=settings(**changes))

    def ask(self, learner: str, **payload: Any) -> dict[str, Any]:
        """One invocation of the learner's alias."""
        self._openings += 1
        call = Call(
            learner=learner,
            now=self.cloud.now,
            lease_until=self.cloud.now + LEASE,
            opening=f"{self._openings:08x}" + "0" * 24,
        )
        return answer(self.guard, call, payload)

    def train(self, learner: str = "ana", token: str = "a" * 32, **changes: Any) -> dict[str, Any]:
        return self.ask(learner, **{**TRAIN, "token": token, **changes})

    def sweep(self) -> dict[str, int]:
        return sweep(self.guard, now=lambda: self.cloud.now, more_time=lambda: True)

    def full_sweep(self, more_time: Callable[[], bool] = lambda: True) -> dict[str, int]:
        """The whole sweep, as the function runs it."""
        return Sweep(
            guard=self.guard,
            survey=self.cloud,
            journal=self.journal,
            topic="arn:aws:sns:us-east-1:123456789012:earth-notices",
            now=lambda: self.cloud.now,
            more_time=more_time,
            pause=self.pauses.append,
        ).run()

    def account(self, learner: str = "ana") -> Account:
        """The learner's account as it stands, without looking at settings."""
        return self.ledger.accounts[learner]

    def money(self, learner: str = "ana") -> Account:
        return self.ledger.account(learner, self.guard.settings.cap_micro_usd)

    def true_cost(self, learner: str) -> int:
        """What AWS bills for everything of the learner's that ran, in micro-dollars."""
        prices, total = PriceList.snapshot(), 0
        for (_, space), apps in self.cloud.apps.items():
            if space == f"earth--{learner}":
                for app in apps:
                    hour = prices.micro_usd_per_hour("us-east-1", "studio", app.instance)
                    span = app.end(self.cloud.now) - app.created
                    total += 0 if app.fails else -(-hour * int(span.total_seconds()) // 3600)
        for name, job in self.cloud.jobs.items():
            if f"--{learner}--" in name:
                resources = job.request["ResourceConfig"]
                kind, count = resources["InstanceType"], resources["InstanceCount"]
                hour = prices.micro_usd_per_hour("us-east-1", "training", kind)
                seconds = self.cloud.billable(job)
                gb = billed_disk_gb(kind, resources["VolumeSizeInGB"]) * count
                disk = gb * storage_prices("us-east-1").training_disk
                total += -(-hour * count * seconds // 3600)
                # By the month that costs most an hour: 28 days.
                total += -(-disk * seconds // (28 * 86_400))
        return total

    def check(self) -> None:
        """What is true of the books at every moment."""
        for account in self.ledger.accounts.values():
            assert account.available == account.cap - account.spent - account.reserved
            mine = self.ledger.open_of(account.learner)
            assert account.reserved == sum(r.amount for r in mine)
            lines = [e for e in self.ledger.lines if e.learner == account.learner]
            assert account.spent == sum(e.billed for e in lines) >= 0


TRAIN: dict[str, Any] = {
    "op": "train",
    "project": "climate-series",
    "instance": "ml.m5.large",
    "count": 1,
    "hours": 1,
    "script": "train.py",
    "hyperparameters": {"epochs": "20"},
}
