"""The guard as deployed, in a cloud where everything goes wrong now and then.

Broker, settler and sweep run as functions of their own processes; ledger, settings, schedules, apps
and jobs are those of the embedded cloud, over the wire. Only what a space or a job would compute is
left out: it waits on the cloud's clock. Whatever goes wrong, at every moment nobody's `spent` and
`reserved` exceed the cap and nothing runs without money held for it; and when all is over, the
books say what SageMaker says.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cohort.naming import JobName, Names
from infra.cohort.prices import PriceList
from infra.offline import faults
from infra.offline.faults import Fault
from infra.offline.server import Cloud
from infra.offline.services import lambda_runtime
from infra.offline.services.sagemaker import apps
from infra.offline.services.sagemaker.training import instance
from infra.services.guard import money
from infra.services.guard.ledger import Account, Reservation
from infra.services.guard.storage_prices import storage_prices
from infra.services.guard.store import TableLedger
from infra.services.guard.training import billed_disk_gb
from tests.offline import services_cloud, whole_cloud
from tests.offline.services.sagemaker import studio_cloud
from tests.services.guard_cloud import TRAIN, settings_text
from tests.services.test_guard_ledger import make_table

pytestmark = pytest.mark.slow

CAP = 2_000_000
LEARNERS = {"ana": "falcon", "ben": "falcon"}
NAMES = Names("earth")
STOPPER = "arn:aws:iam::123456789012:role/earth-stopper"


class IdleJob(instance.Work):
    """An instance on which nothing is computed: the job takes its time of the cloud's clock."""

    def prepare(self) -> None:
        pass

    def download(self) -> None:
        pass

    def upload(self) -> None:
        pass

    def train(self) -> int:
        job = self._job
        lasts = dt.timedelta(minutes=5 + int(job.name[-2:], 16) % 70)
        ends, fails = job.now() + lasts, int(job.name[-3], 16) < 3
        while not job.stop and not job.abandoned and job.now() < ends:
            time.sleep(0.01)
        return int(fails and not job.stop)

    def failure(self, exit_code: int) -> str:
        return f"AlgorithmError: told to, exit code: {exit_code}"


def idle_app(app: apps.App) -> None:
    """A space in which nothing runs."""
    app.folder.mkdir(parents=True, exist_ok=True)
    app.space.home.mkdir(parents=True, exist_ok=True)
    app._launch(["sleep", "100000"], {"PATH": "/usr/bin:/bin"}, app.folder / "jupyter.log")
    with app.lock:
        app._require_wanted()
        app.status = "InService"


class Academy:
    """A cohort of two learners, and what holds of it at every moment."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.clock = cloud.runtime.clock
        self.sagemaker = self.client("sagemaker")
        self.functions = self.client("lambda")
        self.books: TableLedger = make_table(self.client("dynamodb"))
        self.worst: dict[str, int] = {}
        self.answers: list[tuple[str, bool]] = []
        self._workspaces()
        self._functions()

    def client(self, service: str) -> Any:
        return whole_cloud.client(self.cloud, service)

    def _workspaces(self) -> None:
        everything = services_cloud.EVERYTHING
        training = whole_cloud.role(self.cloud, "earth-training", "sagemaker", everything)
        space = whole_cloud.role(self.cloud, "earth-space", "sagemaker", everything)
        whole_cloud.role(self.cloud, "earth-stopper", "scheduler", everything)
        self.client("s3").create_bucket(Bucket="earth-work")
        self.client("scheduler").create_schedule_group(Name="earth--stops")
        ssm, now = self.client("ssm"), self.clock.now().date()
        ssm.put_parameter(
            Name=services_cloud.SETTINGS,
            Type="String",
            Value=settings_text(
                starts=now - dt.timedelta(days=7),
                ends=now + dt.timedelta(days=90),
                closes=now + dt.timedelta(days=80),
                cap_micro_usd=CAP,
                stopper_role_arn=STOPPER,
            ),
        )
        for learner, team in LEARNERS.items():
            name = f"earth--{learner}"
            request = studio_cloud.domain_request(self, name, space)  # type: ignore[arg-type]
            domain = studio_cloud.make(self.sagemaker, request, name)
            workspace = {
                "version": 1,
                "cohort": "earth",
                "learner": learner,
                "team": team,
                "account": "123456789012",
                "domain_id": domain,
                "profile": name,
                "space": name,
                "training_role": training,
                "lifecycle_config": "",
            }
            ssm.put_parameter(
                Name=NAMES.workspace_parameter(learner), Type="String", Value=json.dumps(workspace)
            )

    def _functions(self) -> None:
        more = {"LEDGER_TABLE": "earth-ledger"}
        made = {
            name: services_cloud.function(self.cloud, "guard", name, more, timeout=seconds)
            for name, seconds in (("broker", 60), ("settler", 60), ("sweep", 300))
        }
        for learner in LEARNERS:
            self.functions.create_alias(
                FunctionName="earth-broker", Name=learner, FunctionVersion="$LATEST"
            )
        ended = {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Training Job State Change"],
            "detail": {
                "TrainingJobName": [{"prefix": "earth--"}],
                "TrainingJobStatus": ["Completed", "Failed", "Stopped"],
            },
        }
        services_cloud.rule(self.cloud, "earth-settler", made["settler"], pattern=ended)
        services_cloud.rule(self.cloud, "earth-sweep", made["sweep"], rate="rate(15 minutes)")

    # --- what learners do ---------------------------------------------------------------------
    def ask(self, learner: str, **payload: Any) -> dict[str, Any]:
        """One call of the learner's alias; one that dies answers nothing."""
        answer = self.functions.invoke(
            FunctionName="earth-broker", Qualifier=learner, Payload=json.dumps(payload)
        )
        said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            said = {"ok": False, "error": {"code": said["errorType"]}}
        self.answers.append((payload["op"], said["ok"]))
        self.check()
        return dict(said)

    def move(self, minutes: float) -> None:
        self.clock.move(by=dt.timedelta(minutes=minutes))
        self.check()

    # --- what holds at every moment -----------------------------------------------------------
    def accounts(self) -> list[Account]:
        found = (self.books.seen(learner) for learner in LEARNERS)
        return [account for account in found if account is not None]

    def reservations(self) -> list[Reservation]:
        return list(self.books.all_open())

    def check(self) -> None:
        for account in self.accounts():
            assert account.spent + account.reserved <= account.cap == CAP, account
            assert account.available == account.cap - account.spent - account.reserved
            self.worst[account.learner] = max(
                self.worst.get(account.learner, 0), account.spent + account.reserved
            )
        held = {each.name: each for each in self.reservations()}
        now = self.clock.now()
        for job in self.jobs():
            if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
                mine = held.get(job["TrainingJobName"])
                assert mine is not None, f"{job['TrainingJobName']} runs without a reservation"
                longest = job["StoppingCondition"]["MaxRuntimeInSeconds"]
                assert longest <= mine.seconds
        for app in self.sagemaker.list_apps(MaxResults=100)["Apps"]:
            if app["Status"] in ("Pending", "InService"):
                space = held.get(app["SpaceName"])
                assert space is not None, f"{app['SpaceName']} runs without a reservation"
                assert now <= space.ends_at + dt.timedelta(seconds=money.GRACE_SECONDS)

    def jobs(self) -> list[dict[str, Any]]:
        names = [
            each["TrainingJobName"]
            for page in self.sagemaker.get_paginator("list_training_jobs").paginate()
            for each in page["TrainingJobSummaries"]
        ]
        return [self.sagemaker.describe_training_job(TrainingJobName=name) for name in names]

    # --- when all is over ---------------------------------------------------------------------
    def come_to_rest(self) -> None:
        """Nothing goes wrong any more, and all that runs comes to its end."""
        faults.clear()
        for _ in range(10):
            self.move(60)
        assert lambda_runtime.drain(60)
        self.check()

    def settled(self) -> None:
        assert self.reservations() == []
        began = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
        jobs = {job["TrainingJobName"]: job for job in self.jobs()}
        charged: dict[str, int] = {}
        for account in self.accounts():
            entries = self.books.entries_since(account.learner, began)
            assert account.reserved == 0
            assert account.spent == sum(entry.billed for entry in entries)
            for entry in entries:
                assert not entry.overrun, entry
                if entry.kind == "job" and entry.billed:
                    assert entry.name not in charged, "one job was charged twice"
                    charged[entry.name] = entry.billed
        true = {name: cost for name, job in jobs.items() if (cost := bill(job))}
        assert charged == true, "the ledger does not say what SageMaker bills"


def bill(job: dict[str, Any]) -> int:
    resources, seconds = job["ResourceConfig"], job.get("BillableTimeInSeconds", 0)
    kind, count = resources["InstanceType"], resources["InstanceCount"]
    price = PriceList.snapshot().micro_usd_per_hour("us-east-1", "training", kind)
    return money.cost(
        price,
        count,
        seconds,
        disk_gb=billed_disk_gb(kind, resources["VolumeSizeInGB"]),
        disk_price=storage_prices("us-east-1").training_disk,
    )


@pytest.fixture
def academy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Academy]:
    monkeypatch.setattr(instance, "Work", IdleJob)
    monkeypatch.setattr(apps.App, "_start", idle_app)
    with Cloud(state=tmp_path) as cloud:
        yield Academy(cloud)


def act(academy: Academy, choose: random.Random, tokens: list[str]) -> None:
    """Something that a learner does; what was asked before is often asked again."""
    learner = choose.choice(sorted(LEARNERS))
    kind = choose.choice(("train", "train", "train", "open", "stay", "close", "stop", "job"))
    names = [NAMES.job(LEARNERS[learner], learner, token) for token in tokens[-4:]]
    if kind == "train":
        if not tokens or choose.random() < 0.6:
            tokens.append(f"{choose.getrandbits(128):032x}")
        academy.ask(learner, **{**TRAIN, "token": choose.choice(tokens[-3:])})
    elif kind == "open":
        academy.ask(learner, op="open_space", hours=1)
    elif kind == "stay":
        academy.ask(learner, op="stay", hours=2)
    elif kind == "close":
        academy.ask(learner, op="close_space")
    elif names:
        operation = "stop_job" if kind == "stop" else "job"
        academy.ask(learner, op=operation, job=choose.choice(names))


def live(academy: Academy, seed: int, steps: int) -> None:
    choose, tokens = random.Random(seed), []  # noqa: S311
    for _ in range(steps):
        act(academy, choose, tokens)
        if choose.random() < 0.5:
            academy.move(choose.choice((0.2, 3, 11, 40)))
    academy.come_to_rest()
    academy.settled()


def test_without_faults_the_story_is_settled(academy: Academy) -> None:
    live(academy, 1, 12)
    assert sum(ok for _, ok in academy.answers) >= 4
    assert any(account.spent for account in academy.accounts())


EVERYWHERE = [
    *(
        Fault(kind, service, operation)
        for service, operation in (
            ("dynamodb", "TransactWriteItems"),
            ("sagemaker", "CreateTrainingJob"),
            ("sagemaker", "DescribeTrainingJob"),
        )
        for kind in ("closed-before", "closed-after", "dies-before", "dies-after", "throttle")
    ),
    Fault("conflict", "dynamodb", "TransactWriteItems", count=3),
    Fault(
        "conflict", "dynamodb", "TransactWriteItems", code="TransactionInProgressException", count=3
    ),
    Fault("limit", "sagemaker", "CreateTrainingJob"),
    Fault("crash-after", "lambda", match={"FunctionName": "earth-broker"}),
    Fault("no-capacity", "sagemaker"),
    Fault("failed-to-start", "sagemaker"),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "fault", EVERYWHERE, ids=lambda f: f"{f.kind}-{f.service}-{f.operation}-{f.code}"
)
def test_one_fault_anywhere_in_a_start_leaves_the_books_right(
    academy: Academy, fault: Fault
) -> None:
    """The learner asks again, as the library does: one job, and one bill for it."""
    faults.add(fault)
    token = "a" * 32
    for _ in range(4):
        if academy.ask("ana", **{**TRAIN, "token": token})["ok"]:
            break
        academy.move(3)
    academy.come_to_rest()
    academy.settled()
    assert [JobName.parse(job["TrainingJobName"]).token for job in academy.jobs()] == ["a" * 8]  # type: ignore[union-attr]
    assert faults.shown() == []


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (1, 2, 3))]
)
def test_in_a_cloud_where_everything_goes_wrong_the_books_stay_right(
    academy: Academy, seed: int
) -> None:
    for fault in faults.chaos(seed, 0.02):
        faults.add(fault)
    live(academy, seed, 30)
    assert any(ok for _, ok in academy.answers), "nothing was granted: the test tried nothing"
    assert any(not ok for _, ok in academy.answers)


@pytest.mark.parametrize("kind", ["twice", "late", "out-of-order"])
def test_events_that_go_wrong_settle_each_job_once(academy: Academy, kind: str) -> None:
    faults.add(Fault(kind, "events", match={"source": "aws.sagemaker"}, seconds=1800, count=100))
    live(academy, 7, 14)
