"""How long the broker takes to decide, and the sweep to go round, on the embedded cloud.

    python -m benchmarks.guard_latency

Three measurements, and what each is and is not:

- *deployed*: a cohort of 20 learners, deployed by the CDK CLI; real Lambda invocations of the
  learners' aliases over HTTP, IAM checked, each asking for a job that the cap does not cover. The
  whole way of an admission but the start itself, which would run real training here. The embedded
  Lambda has four execution environments a function, so beyond four requests this is a queue.
- *logic*: the broker's code in this process over the same table, over HTTP; each request is granted
  (reservation, start noted). SageMaker and Scheduler answer from memory at once.
- *sweep*: one round over N learners with a space and a job each, over the same table; SageMaker
  answers from memory at once, and its calls are counted: on AWS each takes tens of milliseconds.

The embedded table handles one request at a time in Python. These figures compare versions of this
code on one machine; they are not DynamoDB's or Lambda's.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import click
import yaml
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmarks.simulation.academy import settings
from benchmarks.simulation.aws import ACCOUNT, COHORT
from infra.cli.demo.stage import Stage
from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.guard import money
from infra.services.guard.broker import Call, answer
from infra.services.guard.cloud import App, Job, LiveApp, Versions, Workspace
from infra.services.guard.ledger import SPACE, Reservation, reserve, started
from infra.services.guard.reconcile import Guard
from infra.services.guard.store import TableJournal, TableLedger
from infra.services.guard.sweeping import Sweep

CONCURRENT = (1, 20, 100)
LEARNERS = (10, 100, 500)
TEAMS = 10
CAP = 10**9
UTC = dt.UTC


class InstantCloud:
    """SageMaker, Scheduler and the workspace parameters, from memory; calls are counted."""

    def __init__(self) -> None:
        self.calls = itertools.count()
        self.apps: dict[str, App] = {}
        self.jobs: dict[str, Job] = {}

    def workspace(self, parameter: str) -> dict[str, Any]:
        next(self.calls)
        workspace = parameter.rsplit("/", 1)[1]
        return {
            "cohort": COHORT,
            "learner": workspace.removeprefix(f"{COHORT}--"),
            "team": "t",
            "account": ACCOUNT,
            "domain_id": "d",
            "profile": workspace,
            "space": workspace,
            "training_role": "r",
            "lifecycle_config": "",
        }

    def app(self, domain: str, space: str) -> App | None:
        next(self.calls)
        return self.apps.get(space)

    def create_app(self, workspace: Workspace, instance: str, image: str = "") -> None:
        next(self.calls)

    def delete_app(self, domain: str, space: str) -> None:
        next(self.calls)

    def presigned_url(self, workspace: Workspace) -> str:
        next(self.calls)
        return ""

    def put_stop(self, *_: Any) -> None:
        next(self.calls)

    def delete_stop(self, *_: Any) -> None:
        next(self.calls)

    def job(self, name: str) -> Job | None:
        next(self.calls)
        return self.jobs.get(name)

    def create_job(self, request: dict[str, Any]) -> None:
        next(self.calls)

    def stop_job(self, name: str) -> None:
        next(self.calls)

    def domains(self, token: str) -> tuple[list[tuple[str, str]], str]:
        next(self.calls)
        return [("d", f"{COHORT}--d")], ""

    def live_apps(self, token: str) -> tuple[list[LiveApp], str]:
        """A hundred a page, as ListApps gives at most."""
        next(self.calls)
        begin = int(token or 0)
        found = [
            LiveApp("d", space, "", "JupyterLab", "default", app.created_at)
            for space, app in self.apps.items()
            if app.status == "InService"
        ]
        return found[begin : begin + 100], str(begin + 100) if begin + 100 < len(found) else ""

    def end_app(self, app: LiveApp) -> None:
        next(self.calls)

    def live_jobs(self, prefix: str, token: str) -> tuple[list[str], str]:
        next(self.calls)
        begin = int(token or 0)
        found = [name for name, job in self.jobs.items() if not job.ended]
        return found[begin : begin + 100], str(begin + 100) if begin + 100 < len(found) else ""

    def disks(self, token: str) -> tuple[list[tuple[str, str, int]], str]:
        next(self.calls)
        return [], ""

    def versions(self, bucket: str, prefix: str, key: str, version: str) -> Versions:
        next(self.calls)
        return Versions(())

    def publish(self, *_: Any) -> None:
        next(self.calls)


@click.command()
@click.option("--requests", default=300, show_default=True, help="of each measurement of requests")
@click.option("--skip-deploy", is_flag=True, help="leave out the deployed broker (saves minutes)")
@click.option("--json", "as_json", is_flag=True, help="the figures as one JSON document")
def main(requests: int, skip_deploy: bool, as_json: bool) -> None:
    """Measure admission and sweep on the embedded cloud."""
    console = Console(stderr=True)
    figures: dict[str, Any] = {"deployed": {}, "logic": {}, "last dollar": {}, "sweep": {}}
    with tempfile.TemporaryDirectory(prefix="academy-latency-") as folder:
        stage = Stage(Path(folder), keep=False)
        try:
            with console.status("the embedded cloud comes up") as status:
                _write_cohort(stage)
                stage.start_cloud()
                if not skip_deploy:
                    status.update("cdk deploy")
                    _deploy(stage)
                    for concurrent in CONCURRENT:
                        status.update(f"deployed broker, {concurrent} at once")
                        figures["deployed"][concurrent] = _deployed(stage, requests, concurrent)
                for concurrent in CONCURRENT:
                    status.update(f"the broker's logic, {concurrent} at once")
                    figures["logic"][concurrent] = _logic(requests, concurrent)
                status.update("racing for the last dollar")
                figures["last dollar"] = _last_dollar()
                for learners in LEARNERS:
                    status.update(f"sweep, {learners} learners")
                    figures["sweep"][learners] = _sweep(learners)
        finally:
            stage.clear()
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show(figures)


# --- the deployed broker --------------------------------------------------------------------------
def _write_cohort(stage: Stage) -> None:
    file = stage.cohort_file
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["teams"] = [
        {
            "id": f"t{team}",
            "learners": [
                {"id": f"l{2 * team + i}", "email": f"l{2 * team + i}@example.org"} for i in (0, 1)
            ],
        }
        for team in range(TEAMS)
    ]
    # Less than one job of four hours on a g5 may cost.
    document["budget"]["per_learner_usd"] = 2
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _deploy(stage: Stage) -> None:
    def silent(_line: str) -> None: ...

    stage.cdk("bootstrap", f"aws://{ACCOUNT}/us-east-1", "--app", "", told=silent)
    everything = ("--all", "-c", f"cohort={stage.cohort_file}")
    output = ("--output", str(stage.logs / "cdk.out"))
    stage.cdk("deploy", *everything, *output, "--require-approval", "never", told=silent)


def _deployed(stage: Stage, requests: int, concurrent: int) -> dict[str, float]:
    config = Config(max_pool_connections=concurrent, read_timeout=300, retries={"mode": "standard"})
    client = boto3.client("lambda", config=config)
    names = stage.site.cohort.names
    function = names.function("broker")
    learners = itertools.cycle(range(2 * TEAMS))

    def ask() -> None:
        learner = next(learners)
        token = uuid.uuid4().hex
        payload = _train(token, instance="ml.g5.xlarge", hours=4)
        answered = client.invoke(
            FunctionName=f"{function}:{names.alias(f'l{learner}')}",
            Payload=json.dumps(payload).encode(),
        )
        said = json.loads(answered["Payload"].read())
        if said.get("error", {}).get("code") != "budget":
            raise RuntimeError(f"the deployed broker said {said}")

    for _ in range(8):  # Warm containers only: a cold start is Lambda's affair.
        ask()
    return _timed(ask, requests if concurrent > 1 else requests // 3, concurrent)


def _train(token: str, *, instance: str, hours: float) -> dict[str, Any]:
    return {
        "op": "train",
        "token": token,
        "project": "climate-series",
        "instance": instance,
        "count": 1,
        "hours": hours,
        "script": "train.py",
    }


# --- the logic over the table ---------------------------------------------------------------------
def _logic(requests: int, concurrent: int) -> dict[str, float]:
    guard = _guard(_table(f"logic-{concurrent}", concurrent))
    learners = itertools.count()

    def ask() -> None:
        # A hundred learners: who asks is hardly ever the same at once.
        said = _ask(guard, f"l{next(learners) % 100}", uuid.uuid4().hex, hours=0.5)
        if not said["ok"]:
            raise RuntimeError(f"the broker said {said}")

    for _ in range(5):
        ask()
    return _timed(ask, requests, concurrent)


def _last_dollar() -> dict[str, Any]:
    """A hundred requests at once of one learner, whose cap covers ten of them."""
    price = PriceList.snapshot().micro_usd_per_hour("us-east-1", "training", "ml.m5.large")
    table = _table("dollar", 100)
    guard = _guard(table)
    _ask(guard, "probe", uuid.uuid4().hex, hours=0.5)
    cost = table.account("probe", CAP).reserved
    assert cost > price // 2
    guard = replace(guard, settings=replace(guard.settings, cap_micro_usd=10 * cost + cost // 2))
    codes: list[str] = []

    def ask() -> None:
        said = _ask(guard, "ana", uuid.uuid4().hex, hours=0.5)
        codes.append("granted" if said["ok"] else said["error"]["code"])

    timed = _timed(ask, 100, 100)
    account = table.account("ana", guard.settings.cap_micro_usd)
    counts = {code: codes.count(code) for code in sorted(set(codes))}
    if codes.count("granted") != 10 or account.reserved != 10 * cost or account.available < 0:
        raise RuntimeError(f"the last dollar was given twice: {counts}, {account}")
    return {**timed, **counts}


def _ask(guard: Guard, learner: str, token: str, *, hours: float) -> dict[str, Any]:
    now = dt.datetime.now(UTC)
    call = Call(learner, now, now + dt.timedelta(seconds=90), uuid.uuid4().hex)
    return answer(guard, call, _train(token, instance="ml.m5.large", hours=hours))


def _guard(table: TableLedger) -> Guard:
    return Guard(
        settings=replace(settings(CAP), starts=dt.date(2020, 1, 1), ends=dt.date(2999, 1, 1)),
        names=Names(COHORT),
        prices=PriceList.snapshot(),
        ledger=table,
        cloud=InstantCloud(),
    )


def _table(name: str, connections: int) -> TableLedger:
    client = _client(connections)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "open")
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open",
                "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return TableLedger(name, client)


def _client(connections: int) -> Any:
    config = Config(max_pool_connections=connections, read_timeout=120)
    return boto3.client("dynamodb", config=config)


# --- the sweep ------------------------------------------------------------------------------------
def _sweep(learners: int) -> dict[str, float]:
    """One round: each learner has a space, open, and a job, every other one of which has ended."""
    name = f"sweep-{learners}"
    guard = _guard(_table(name, 10))
    cloud = guard.cloud
    assert isinstance(cloud, InstantCloud)
    now = dt.datetime.now(UTC)
    for number in range(learners):
        _open(guard, cloud, f"l{number}", now, job_ended=number % 2 == 0)
    before = next(cloud.calls)
    begun = time.perf_counter()
    counts = Sweep(
        guard=guard,
        survey=cloud,
        journal=TableJournal(name),
        topic="",
        now=lambda: now,
        more_time=lambda: True,
        pause=time.sleep,
    ).run()
    seconds = time.perf_counter() - begun
    if (counts["open"], counts["settled"]) != (learners + learners // 2, learners - learners // 2):
        raise RuntimeError(f"the sweep counted {counts}")
    calls = next(cloud.calls) - before - 1
    return {"seconds": seconds, "reservations": 2 * learners, "calls_beside_table": calls}


def _open(
    guard: Guard, cloud: InstantCloud, who: str, now: dt.datetime, *, job_ended: bool
) -> None:
    guard.ledger.account(who, CAP)
    hour = dt.timedelta(hours=1)
    token = uuid.uuid4().hex
    workspace = guard.names.workspace(who)
    common: dict[str, Any] = {
        "learner": who,
        "token": token,
        "request": "",
        "team": "t",
        "count": 1,
        "price": 50_000,
        "seconds": 4 * 3600,
        "amount": money.worst_case(50_000, 1, 4 * 3600),
        "created_at": now - hour,
        "ends_at": now + 3 * hour,
        "lease_until": now - hour,
    }
    space = Reservation(
        id=SPACE, kind="space", name=workspace, domain="d", instance="ml.t3.medium", **common
    )
    name = guard.names.job("t", who, token)
    job = Reservation(
        id=token[:8], kind="job", name=name, domain="", instance="ml.m5.large", **common
    )
    for held in (space, job):
        guard.ledger.apply(started(guard.ledger.apply(reserve(held, None)), now - hour))
    cloud.apps[workspace] = App("InService", now - hour, "ml.t3.medium")
    cloud.jobs[name] = Job(
        name=name,
        status="Completed" if job_ended else "InProgress",
        secondary_status="",
        code=f"s3://{guard.settings.work_bucket}/teams/t/code/{token}/",
        created_at=now - hour,
        billable_seconds=1800 if job_ended else None,
    )


# --- timing ---------------------------------------------------------------------------------------
def _timed(ask: Callable[[], None], requests: int, concurrent: int) -> dict[str, float]:
    """Milliseconds of each of `requests`, `concurrent` of them always under way."""
    spans: list[float] = []
    start = threading.Barrier(concurrent)
    left = itertools.count()

    def work() -> None:
        start.wait()
        while next(left) < requests:
            begun = time.perf_counter()
            ask()
            spans.append(1000 * (time.perf_counter() - begun))

    begun = time.perf_counter()
    with ThreadPoolExecutor(concurrent) as pool:
        for done in [pool.submit(work) for _ in range(concurrent)]:
            done.result()
    seconds = time.perf_counter() - begun
    ordered = sorted(spans)
    return {
        "requests": len(ordered),
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "a_second": len(ordered) / seconds,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the tables for people."""
    console = Console()
    table = Table(title=f"Admission on the embedded cloud, {os.cpu_count()} cores")
    for name in ("", "at once", "requests", "p50", "p99", "a second"):
        table.add_column(name, justify="left" if not name else "right")
    rows = [(what, n, f) for what in ("deployed", "logic") for n, f in figures[what].items()]
    for what, concurrent, f in [*rows, ("last dollar", 100, figures["last dollar"])]:
        table.add_row(
            what,
            str(concurrent),
            str(f["requests"]),
            f"{f['p50_ms']:.0f} ms",
            f"{f['p99_ms']:.0f} ms",
            f"{f['a_second']:.0f}",
        )
    console.print(table)
    last = {k: v for k, v in figures["last dollar"].items() if isinstance(v, int)}
    console.print(f"last dollar: 100 requests of one learner at once, money for 10: {last}")
    table = Table(title="One sweep")
    for name in ("learners", "reservations", "seconds", "calls beside the table's"):
        table.add_column(name, justify="right")
    for learners, f in figures["sweep"].items():
        table.add_row(
            str(learners),
            str(f["reservations"]),
            f"{f['seconds']:.1f}",
            str(f["calls_beside_table"]),
        )
    console.print(table)


if __name__ == "__main__":
    main()
