"""Spot training jobs: interrupted, resumed from their checkpoints, ended by their two limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline import faults
from infra.offline.faults import Fault
from tests.offline.services.sagemaker.studio_cloud import until
from tests.offline.services.sagemaker.test_training_jobs import BUCKET, Jobs, channel
from tests.offline.services.sagemaker.test_training_jobs import told as told  # the fixture
from tests.offline.small_cloud import SmallCloud

pytestmark = pytest.mark.slow

#: Fits a line by gradient descent, one step a file, and goes on where its checkpoint stands.
SCRIPT = """
import json, os, pathlib, signal, sys, time

ml = pathlib.Path(os.environ["ML_ROOT"])
kept, model = ml / "checkpoints" / "state.json", ml / "model"
state = json.loads(kept.read_text()) if kept.exists() else {"step": 0, "weight": 0.0}
print("from step", state["step"])
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
points = [(x, 3.0 * x) for x in range(1, 5)]
while state["step"] < 40:
    slope = sum(2 * x * (state["weight"] * x - y) for x, y in points) / len(points)
    state = {"step": state["step"] + 1, "weight": state["weight"] - 0.01 * slope}
    if state["step"] == 15 and not (ml / "input/data/data/hurry").exists():
        while not asked:
            time.sleep(0.02)
    if asked:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(state))
        print("kept step", state["step"])
        sys.exit(0)
(model / "line.json").write_text(json.dumps(state))
"""

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
}
WAITS = "echo up; while true; do sleep 0.05; done"


@pytest.fixture(scope="module")
def jobs(cloud: SmallCloud) -> Jobs:
    made = Jobs(cloud)
    made.s3.put_object(Bucket=BUCKET, Key="code/line.py", Body=SCRIPT.encode())
    return made


@pytest.fixture(autouse=True)
def cleared(jobs: Jobs) -> Iterator[None]:
    yield
    faults.clear()


def line(jobs: Jobs, **more: Any) -> str:
    return jobs.start(
        "exec python /opt/ml/input/data/code/line.py",
        InputDataConfig=[
            channel("data", f"s3://{BUCKET}/data/"),
            channel("code", f"s3://{BUCKET}/code/"),
        ],
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints/line-{id(more)}"},
        **{**SPOT, **more},
    )


def in_state(jobs: Jobs, name: str, state: str) -> None:
    until(lambda: jobs.describe(name)["SecondaryStatus"] == state)


def waiting(jobs: Jobs, name: str) -> None:
    """Until the job waits for an instance, so that the clock may move."""
    wanted = f"capacity for training job {name}"
    until(lambda: any(alarm.name == wanted for alarm in jobs.cloud.clock.alarms()))


def states(job: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in job["SecondaryStatusTransitions"]]


def test_an_interrupted_job_goes_on_where_its_checkpoint_stands(
    jobs: Jobs, told: list[dict[str, Any]]
) -> None:
    faults.add(Fault("interruption", "sagemaker", seconds=600))
    name = line(jobs)
    in_state(jobs, name, "Training")
    jobs.cloud.clock.move(by=timedelta(seconds=300))
    until(lambda: jobs.describe(name)["SecondaryStatus"] == "Training")
    jobs.cloud.clock.move(by=timedelta(seconds=301))
    in_state(jobs, name, "Interrupted")
    waiting(jobs, name)
    # Nothing of it is left on the machine, and its checkpoint is in S3.
    assert not [one for one in jobs.cloud.here.processes.running() if name in one.name]
    jobs.s3.put_object(Bucket=BUCKET, Key="data/hurry", Body=b"")
    jobs.cloud.clock.move(by=timedelta(seconds=900))
    job = jobs.ended(name)
    jobs.s3.delete_object(Bucket=BUCKET, Key="data/hurry")
    assert job["TrainingJobStatus"] == "Completed", job
    before = ["Starting", "Downloading", "Training"]
    assert states(job) == [*before, "Interrupted", *before, "Uploading", "Completed"]
    logged = [
        event["message"]
        for event in jobs.cloud.client("logs").filter_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
        )["events"]
    ]
    assert logged == ["from step 0", "kept step 15", "from step 15"]
    model = jobs.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"])["line.json"]
    assert '"step": 40' in model
    assert abs(float(model.split("weight")[1].strip('": }')) - 3.0) < 0.01
    # 601 seconds on the first instance, some on the second; 900 between them are not billed.
    assert 1501 <= job["TrainingTimeInSeconds"] <= 1540
    assert 601 <= job["BillableTimeInSeconds"] <= 640
    until(lambda: told and told[-1]["SecondaryStatus"] == "Completed")
    assert [one["SecondaryStatus"] for one in told] == states(job)
    assert all(one["EnableManagedSpotTraining"] for one in told)


def test_a_job_without_checkpoints_begins_anew(jobs: Jobs) -> None:
    faults.add(Fault("interruption", "sagemaker"))
    name = jobs.start(
        "ls /opt/ml/checkpoints 2>/dev/null; mkdir -p /opt/ml/checkpoints; "
        "touch /opt/ml/checkpoints/one; echo run; sleep 1",
        **SPOT,
    )
    in_state(jobs, name, "Interrupted")
    waiting(jobs, name)
    jobs.cloud.clock.move(by=timedelta(seconds=61))
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed"
    assert states(job).count("Training") == 2


def test_what_ignores_the_notice_is_killed_after_the_grace(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.offline.services.sagemaker import training

    monkeypatch.setattr(training.instance, "GRACE_SECONDS", 0.5)
    faults.add(Fault("interruption", "sagemaker"))
    name = jobs.start("trap '' TERM; echo up; sleep 60 & wait; sleep 60", **SPOT)
    in_state(jobs, name, "Interrupted")
    waiting(jobs, name)
    jobs.api.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["SecondaryStatus"] == "Stopped"


def test_an_on_demand_job_is_not_interrupted(jobs: Jobs) -> None:
    faults.add(Fault("interruption", "sagemaker"))
    job = jobs.ended(jobs.start("sleep 0.5"))
    assert "Interrupted" not in states(job)
    assert job["EnableManagedSpotTraining"] is False


def test_max_wait_ends_a_job_that_waits_for_another_instance(jobs: Jobs) -> None:
    faults.add(Fault("interruption", "sagemaker"))
    faults.add(Fault("no-capacity", "sagemaker", match={"TrainingJobName": "none"}))
    name = jobs.start(WAITS, **SPOT)
    in_state(jobs, name, "Interrupted")
    waiting(jobs, name)
    faults.add(Fault("no-capacity", "sagemaker", count=1000, seconds=300))
    for _ in range(5):
        jobs.cloud.clock.move(by=timedelta(seconds=1500))
    job = jobs.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert job["BillableTimeInSeconds"] < 60 < 7000 < job["TrainingTimeInSeconds"]


def test_a_job_that_never_gets_an_instance_is_not_billed(jobs: Jobs) -> None:
    faults.add(Fault("no-capacity", "sagemaker", count=1000))
    name = jobs.start(WAITS, **SPOT)
    waiting(jobs, name)
    jobs.cloud.clock.move(by=timedelta(seconds=7201))
    job = jobs.ended(name)
    assert states(job) == ["Starting", "Stopping", "MaxWaitTimeExceeded"]
    assert "BillableTimeInSeconds" not in job
    assert "TrainingStartTime" not in job


def test_max_wait_ends_a_job_that_trains(jobs: Jobs) -> None:
    limits = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600}
    faults.add(Fault("no-capacity", "sagemaker", seconds=1800))
    name = jobs.start(WAITS, **{**SPOT, "StoppingCondition": limits})
    waiting(jobs, name)
    jobs.cloud.clock.move(by=timedelta(seconds=1801))
    until(lambda: jobs.logged(name) == ["up"])
    jobs.cloud.clock.move(by=timedelta(seconds=1801))
    assert jobs.ended(name)["SecondaryStatus"] == "MaxWaitTimeExceeded"


def test_max_runtime_counts_the_time_on_all_instances(jobs: Jobs) -> None:
    faults.add(Fault("interruption", "sagemaker", seconds=2000))
    name = jobs.start(WAITS, **SPOT)
    in_state(jobs, name, "Training")
    jobs.cloud.clock.move(by=timedelta(seconds=2001))
    in_state(jobs, name, "Interrupted")
    waiting(jobs, name)
    jobs.cloud.clock.move(by=timedelta(seconds=1000))
    in_state(jobs, name, "Training")
    jobs.cloud.clock.move(by=timedelta(seconds=1500))
    assert jobs.describe(name)["SecondaryStatus"] == "Training"
    jobs.cloud.clock.move(by=timedelta(seconds=120))
    job = jobs.ended(name)
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert 3600 <= job["BillableTimeInSeconds"] <= 3720


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"MaxRuntimeInSeconds": 3600}, "must be present"),
        ({"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3599}, "greater than or equal"),
        ({"MaxWaitTimeInSeconds": 3600}, "greater than or equal"),
    ],
)
def test_a_spot_job_needs_time_to_wait(jobs: Jobs, limits: dict[str, int], says: str) -> None:
    with pytest.raises(ClientError, match=says) as error:
        jobs.start("true", **{**SPOT, "StoppingCondition": limits})
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("kind", "reason"), [("no-capacity", "CapacityError: "), ("failed-to-start", "InternalServerE")]
)
def test_a_job_that_gets_no_instance_fails(jobs: Jobs, kind: str, reason: str) -> None:
    faults.add(Fault(kind, "sagemaker", match={"TrainingJobName": "job-*"}))
    job = jobs.ended(jobs.start("true"))
    assert states(job) == ["Starting", "Failed"]
    assert job["FailureReason"].startswith(reason)
    assert "BillableTimeInSeconds" not in job
    assert jobs.ended(jobs.start("true"))["TrainingJobStatus"] == "Completed"
