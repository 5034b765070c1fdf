"""The demo's proof that no line of the guard's own code is needed to stop what bills.

The guard is killed for real, by the setting that Lambda has for it, while a space runs and a job
trains. Two hours pass on the cloud's clock. Then it is brought back, and what it wrote down is held
against what SageMaker says.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests
from botocore.exceptions import ClientError
from rich.table import Table

from infra.cli.demo.narrator import Narrator, Step
from infra.cli.demo.stage import Stage, poll
from infra.cli.terminal import Refused
from infra.cohort.prices import PriceList
from infra.services.guard.storage_prices import storage_prices

PROJECT = "climate-series"
GUARD = ("broker", "settler", "sweep")
LEARNERS = ("ana", "ben")
#: Two intervals of the sweep and a little: it has run, and its alarm has seen that it has.
A_WHILE = dt.timedelta(minutes=31)
CENT = Decimal("0.01")
#: How much later than its schedule an app may be gone, as the ledger bills it.
GRACE_SECONDS = 120

#: Runs in ana's kernel: a job that would go on for ever, on half an hour's reservation.
ENDLESS = f"""
import contextlib, io, pathlib, academy
folder = pathlib.Path.home() / "endless"
folder.mkdir(exist_ok=True)
(folder / "train.py").write_text("import time\\nwhile True:\\n    time.sleep(1)\\n")
with contextlib.redirect_stdout(io.StringIO()):
    job = academy.train(folder / "train.py", project="{PROJECT}", hours=0.5, wait=False)
print(job.name)
"""


@dataclass(frozen=True)
class Run:
    """What SageMaker says of one run, and what the ledger charged for it."""

    learner: str
    what: str
    said_seconds: int
    charged_seconds: int
    said_usd: Decimal
    charged_usd: Decimal


def guard_dies(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The guard dies while a space runs and a job trains") as step:
        _half_an_hour_as_usual(stage, step)
        job = _endless_job(stage, step)
        _kill(stage, step)
        _two_hours_without(stage, step, job)
        _revive(stage, step)
        _reconcile(stage, step, job)


def _half_an_hour_as_usual(stage: Stage, step: Step) -> None:
    step.doing("half an hour passes on the cloud's clock")
    move(stage, A_WHILE)
    state = _alarm(stage, "sweep-silent")
    step.check("the sweep runs, and its alarm is content", state == "OK", state)


def _endless_job(stage: Stage, step: Step) -> str:
    step.doing("ana starts a job that never ends by itself")
    with stage.labs["ana"].kernel() as kernel:
        job = kernel.text(ENDLESS).strip()
    poll("ana's job trains", lambda: _job(stage, job)["SecondaryStatus"] == "Training")
    limit = _job(stage, job)["StoppingCondition"]["MaxRuntimeInSeconds"]
    apps = {learner: _app(stage, learner)["Status"] for learner in LEARNERS}
    step.check(
        "a job trains and two spaces run",
        set(apps.values()) == {"InService"},
        f"{job}, {limit} s at most",
    )
    return job


def _kill(stage: Stage, step: Step) -> None:
    functions = stage.site.client("lambda")
    for service in GUARD:
        functions.put_function_concurrency(
            FunctionName=stage.site.cohort.names.function(service), ReservedConcurrentExecutions=0
        )
    try:
        stage.site.broker("ben", {"op": "budget"})
        answer = "an answer"
    except ClientError as error:
        answer = error.response["Error"]["Code"]
    step.check(
        f"{', '.join(GUARD)} are killed", answer == "TooManyRequestsException", f"broker: {answer}"
    )


def _two_hours_without(stage: Stage, step: Step, job: str) -> None:
    ends = max(_reserved_until(stage, learner) for learner in LEARNERS)
    began = now(stage)
    step.doing(f"the clock moves past every reservation, to {ends:%H:%M} UTC")
    move(stage, ends + dt.timedelta(minutes=5) - began)

    ended = poll("the job's end", lambda: _ended(_job(stage, job)))
    step.check(
        "its MaxRuntime ended the job",
        (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded"),
        f"{ended['SecondaryStatus']} after {ended['BillableTimeInSeconds']} s",
    )
    apps = {
        learner: poll("the app's end", functools.partial(_deleted, stage, learner))
        for learner in LEARNERS
    }
    step.check(
        "the stops written before the starts ended the spaces",
        set(apps.values()) == {"Deleted"},
        f"by schedule, at {ends:%H:%M} UTC",
    )
    running = requests.get(f"{stage.endpoint}/_academy/processes", timeout=10).json()["processes"]
    alive = [p["name"] for p in running if p["running"] and not p["name"].startswith("function")]
    step.check("no process of a space or a job runs", not alive, ", ".join(alive))

    accounts = {learner: _account(stage, learner) for learner in LEARNERS}
    step.check(
        "the ledger, untouched, still holds what was reserved, within the caps",
        all(a["reserved"] > 0 and _within(a) for a in accounts.values()),
        ", ".join(f"{name} ${_usd(a['reserved']):.4f}" for name, a in accounts.items()),
    )
    silent, letters = _alarm(stage, "sweep-silent"), _alarm(stage, "dead-letters")
    step.check("the sweep's silence raised an alarm", silent == "ALARM", silent)
    step.check("and so did the events that nobody took", letters == "ALARM", letters)
    mail = requests.get(f"{stage.endpoint}/_academy/mail", timeout=10).json()["mail"]
    told = [each for each in mail if "sweep-silent" in each["subject"]]
    step.check(
        "the admin has mail",
        any(each["subject"].startswith("ALARM") for each in told),
        f"{told[-1]['to']}: {told[-1]['subject']}" if told else "",
    )


def _revive(stage: Stage, step: Step) -> None:
    functions = stage.site.client("lambda")
    for service in GUARD:
        functions.delete_function_concurrency(
            FunctionName=stage.site.cohort.names.function(service)
        )
    step.doing("the guard is brought back; the sweep runs at its next interval")
    move(stage, A_WHILE)
    accounts = {learner: _account(stage, learner) for learner in LEARNERS}
    step.check(
        "back again, the sweep settled all that was open",
        all(a["reserved"] == 0 and _within(a) for a in accounts.values()),
    )
    state = _alarm(stage, "sweep-silent")
    step.check("and its alarm is content again", state == "OK", state)


def _reconcile(stage: Stage, step: Step, job: str) -> None:
    runs = [_job_run(stage, job), *(_space_run(stage, learner) for learner in LEARNERS)]
    table = Table(
        "learner", "run", "SageMaker says", "ledger says", "", box=None, padding=(0, 2, 0, 0)
    )
    for run in runs:
        table.add_row(
            run.learner,
            run.what,
            f"{run.said_seconds} s  ${run.said_usd:.4f}",
            f"{run.charged_seconds} s  ${run.charged_usd:.4f}",
        )
    step.show(table)
    step.check(
        "to the cent, each run is charged at what SageMaker bills",
        all(abs(run.charged_usd - run.said_usd) < CENT for run in runs),
    )
    for learner in LEARNERS:
        entries = stage.site.broker(learner, {"op": "budget"})["entries"]
        charged = sum(entry["billed_micro_usd"] for entry in entries)
        account = _account(stage, learner)
        step.check(
            f"{learner}'s entries add up to what is spent, within the cap",
            charged == account["spent"] and _within(account),
            f"${_usd(charged):.4f} of ${_usd(account['cap']):.2f}",
        )


# --- what SageMaker says --------------------------------------------------------------------------
def _job(stage: Stage, name: str) -> dict[str, Any]:
    answer = stage.site.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert isinstance(answer, dict)
    return answer


def _ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None


def _app(stage: Stage, learner: str) -> dict[str, Any]:
    workspace = stage.site.workspace(learner)
    assert workspace is not None
    answer = stage.site.client("sagemaker").describe_app(
        DomainId=workspace["domain_id"],
        SpaceName=workspace["space"],
        AppType="JupyterLab",
        AppName="default",
    )
    assert isinstance(answer, dict)
    return answer


def _deleted(stage: Stage, learner: str) -> str | None:
    status = str(_app(stage, learner)["Status"])
    return status if status == "Deleted" else None


def _job_run(stage: Stage, name: str) -> Run:
    job = _job(stage, name)
    seconds = int(job["BillableTimeInSeconds"])
    resources = job["ResourceConfig"]
    instance, count = resources["InstanceType"], int(resources["InstanceCount"])
    month = 28 * 24 * 3600
    disk = Decimal(storage_prices(stage.site.cohort.region).training_disk) / 1_000_000
    said = (
        _hourly(stage, "training", instance) * seconds / 3600
        + disk * int(resources["VolumeSizeInGB"]) * seconds / month
    ) * count
    entry = _entry(stage, "ana", "job", name)
    return Run(
        "ana", f"job, {instance}", seconds, entry["seconds"], said, _usd(entry["billed_micro_usd"])
    )


def _space_run(stage: Stage, learner: str) -> Run:
    """AWS keeps no end time of a deleted app: what it bills is from the app's creation to the
    schedule that ended it."""
    entry = _entry(stage, learner, "space", None)
    app = _app(stage, learner)
    began = app["CreationTime"].astimezone(dt.UTC)
    seconds = round((_reserved_until(stage, learner) - began).total_seconds())
    late = entry["seconds"] - seconds
    # The schedule's time and the entry's seconds are whole ones, each rounded its own way.
    if not 0 <= late <= GRACE_SECONDS + 2:
        raise Refused(f"{learner}'s space: charged for {late} s more than it was reserved")
    said = _hourly(stage, "studio", entry["instance"]) * seconds / 3600
    return Run(
        learner,
        f"space, {entry['instance']}",
        seconds,
        entry["seconds"],
        said,
        _usd(entry["billed_micro_usd"]),
    )


# --- what the ledger says -------------------------------------------------------------------------
def _account(stage: Stage, learner: str) -> dict[str, int]:
    """Straight from the table: the broker may be dead. Micro-dollars."""
    item = stage.site.client("dynamodb").get_item(
        TableName=stage.site.cohort.names.ledger_table,
        Key={"pk": {"S": f"learner#{learner}"}, "sk": {"S": "account"}},
        ConsistentRead=True,
    )["Item"]
    return {name: int(item[name]["N"]) for name in ("cap", "reserved", "spent")}


def _within(account: dict[str, int]) -> bool:
    return account["spent"] + account["reserved"] <= account["cap"]


def _entry(stage: Stage, learner: str, kind: str, name: str | None) -> dict[str, Any]:
    entries = stage.site.broker(learner, {"op": "budget"})["entries"]
    found = [e for e in entries if e["kind"] == kind and name in (None, e["name"])]
    if len(found) != 1:
        raise Refused(f"{learner} has {len(found)} entries for the {kind} {name or ''}")
    entry: dict[str, Any] = found[0]
    return entry


def _reserved_until(stage: Stage, learner: str) -> dt.datetime:
    """When the reservation of the learner's space ends, by the schedule that stops it."""
    if learner not in stage.reserved_until:
        names = stage.site.cohort.names
        scheduler = stage.site.client("scheduler")
        [stop] = scheduler.list_schedules(
            GroupName=names.schedule_group, NamePrefix=names.stop_schedule(learner)
        )["Schedules"]
        stop = scheduler.get_schedule(GroupName=names.schedule_group, Name=stop["Name"])
        moment = stop["ScheduleExpression"].removeprefix("at(").removesuffix(")")
        stage.reserved_until[learner] = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    return stage.reserved_until[learner]


def _usd(micro_usd: int) -> Decimal:
    return Decimal(micro_usd) / 1_000_000


def _hourly(stage: Stage, component: Any, instance: str) -> Decimal:
    prices = PriceList.snapshot()
    return _usd(prices.micro_usd_per_hour(stage.site.cohort.region, component, instance))


# --- the cloud's clock and alarms -----------------------------------------------------------------
def now(stage: Stage) -> dt.datetime:
    answer = requests.get(f"{stage.endpoint}/_academy/clock", timeout=10).json()
    return dt.datetime.fromisoformat(answer["now"])


def move(stage: Stage, by: dt.timedelta) -> None:
    answer = requests.post(
        f"{stage.endpoint}/_academy/clock",
        data=json.dumps({"by_seconds": by.total_seconds()}),
        headers={"Content-Type": "application/json"},
        timeout=120,
    )
    answer.raise_for_status()


def _alarm(stage: Stage, purpose: str) -> str:
    name = stage.site.cohort.names.alarm(purpose)
    [alarm] = stage.site.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(alarm["StateValue"])
