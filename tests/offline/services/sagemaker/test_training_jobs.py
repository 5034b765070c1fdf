"""Training jobs as real processes, by the container contract, over the wire."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.services import events
from infra.offline.services.sagemaker import training
from tests.offline.services.sagemaker.studio_cloud import IMAGE, until
from tests.offline.small_cloud import SmallCloud

BUCKET = "work"
ENDED = ("Completed", "Failed", "Stopped")


class Jobs:
    """Makes jobs in one cloud and waits for them."""

    def __init__(self, cloud: SmallCloud) -> None:
        self.cloud = cloud
        self.api = cloud.client("sagemaker")
        self.s3 = cloud.client("s3")
        self.role = cloud.role("trainer", "sagemaker.amazonaws.com")
        self.s3.create_bucket(Bucket=BUCKET)
        for key in ("data/series/co2.csv", "data/task.json", "data/", "database/no.csv"):
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=f"at {key}".encode())

    def request(self, script: str, **more: Any) -> dict[str, Any]:
        return {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:8]}",
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/bash", "-c"],
                "ContainerArguments": [script],
            },
            "RoleArn": self.role,
            "HyperParameters": {"epochs": "3"},
            "InputDataConfig": [channel("data", f"s3://{BUCKET}/data/")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/jobs/"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "EnableManagedSpotTraining": False,
            "Tags": [{"Key": "academy:team", "Value": "falcon"}],
            **more,
        }

    def start(self, script: str, **more: Any) -> str:
        request = self.request(script, **more)
        self.api.create_training_job(**request)
        return str(request["TrainingJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.api.describe_training_job(TrainingJobName=name)
        return described

    def ended(self, name: str) -> dict[str, Any]:
        def over() -> Any:
            job = self.describe(name)
            return job if job["TrainingJobStatus"] in ENDED else None

        found: dict[str, Any] = until(over)
        return found

    def logged(self, name: str) -> list[str]:
        logs = self.cloud.client("logs")
        try:
            (stream,) = logs.describe_log_streams(
                logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/algo-1-"
            )["logStreams"]
        except (ValueError, ClientError):
            return []
        found = logs.get_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"]
        )
        return [event["message"] for event in found["events"]]

    def unpacked(self, uri: str) -> dict[str, str]:
        key = uri.removeprefix(f"s3://{BUCKET}/")
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            return {
                member.name: tar.extractfile(member).read().decode()  # type: ignore[union-attr]
                for member in tar
                if member.isfile()
            }


def channel(name: str, uri: str, **source: Any) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
                **source,
            }
        },
    }


@pytest.fixture(scope="module")
def jobs(cloud: SmallCloud) -> Jobs:
    return Jobs(cloud)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events that were emitted, in order."""
    emitted: list[dict[str, Any]] = []

    def emit(source: str, kind: str, detail: Any, resources: list[str], **_: Any) -> None:
        emitted.append({"source": source, "kind": kind, "resources": resources, **detail})

    monkeypatch.setattr(events, "emit", emit)
    return emitted


CONTRACT = """
import importlib.util, json, os, pathlib

ml = pathlib.Path(os.environ["ML_ROOT"])
parameters = json.loads((ml / "input/config/hyperparameters.json").read_text())
channels = json.loads((ml / "input/config/inputdataconfig.json").read_text())
resources = json.loads((ml / "input/config/resourceconfig.json").read_text())
print("epochs", parameters["epochs"], "for", os.environ["TRAINING_JOB_NAME"])
print("channels", *sorted(channels), "on", resources["current_host"])
print("environment", os.environ["COLOUR"], os.environ["SM_MODEL_DIR"] == str(ml / "model"))
print("infra", importlib.util.find_spec("infra"), "torch", bool(importlib.util.find_spec("torch")))
print("identity", os.environ["AWS_ACCESS_KEY_ID"][:4], os.environ["HOME"] != "/root")
data = ml / "input" / "data" / "data"
print("data", *sorted(str(path.relative_to(data)) for path in data.rglob("*.*")))
(ml / "model" / "weights.txt").write_text("w")
(ml / "model" / "deep").mkdir()
(ml / "model" / "deep" / "more.txt").write_text("m")
(ml / "output" / "data" / "metrics.txt").write_text("0.5")
"""


def test_a_job_finds_the_container_contract_and_its_results_reach_s3(jobs: Jobs) -> None:
    jobs.s3.put_object(Bucket=BUCKET, Key="code/contract.py", Body=CONTRACT.encode())
    name = jobs.start(
        "exec python /opt/ml/input/data/code/contract.py",
        InputDataConfig=[
            channel("data", f"s3://{BUCKET}/data/"),
            channel("code", f"s3://{BUCKET}/code/"),
        ],
        Environment={
            "COLOUR": "green",
            "SM_MODEL_DIR": "/opt/ml/model",
            "HOME": "/root",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        },
    )
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job
    prefix = f"s3://{BUCKET}/jobs/{name}/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{prefix}/model.tar.gz"
    assert jobs.unpacked(f"{prefix}/model.tar.gz") == {"weights.txt": "w", "deep/more.txt": "m"}
    assert jobs.unpacked(f"{prefix}/output.tar.gz") == {"metrics.txt": "0.5"}
    assert jobs.logged(name) == [
        f"epochs 3 for {name}",
        "channels code data on algo-1",
        "environment green True",
        "infra None torch True",
        "identity ASIA True",
        "data series/co2.csv task.json",
    ]


def test_a_job_goes_through_the_states_of_aws_and_tells_each(
    jobs: Jobs, told: list[dict[str, Any]]
) -> None:
    name = jobs.start("true")
    job = jobs.ended(name)
    states = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]] == states
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    until(lambda: len(told) == 5)
    assert [one["SecondaryStatus"] for one in told] == states
    assert [one["TrainingJobStatus"] for one in told] == ["InProgress"] * 4 + ["Completed"]
    last = told[-1]
    assert (last["source"], last["kind"]) == (
        "aws.sagemaker",
        "SageMaker Training Job State Change",
    )
    assert last["resources"] == [job["TrainingJobArn"]]
    assert last["Tags"] == {"academy:team": "falcon"}
    assert last["TrainingEndTime"] == int(job["TrainingEndTime"].timestamp() * 1000)


def test_the_log_is_readable_while_the_job_runs(jobs: Jobs) -> None:
    name = jobs.start("echo early; while ! test -e /opt/ml/go; do sleep 0.05; done; echo late")
    until(lambda: jobs.logged(name) == ["early"])
    assert jobs.describe(name)["TrainingJobStatus"] == "InProgress"
    (jobs.cloud.here.state / "jobs" / name / "ml" / "go").touch()
    jobs.ended(name)
    assert jobs.logged(name) == ["early", "late"]


def test_the_failure_file_becomes_the_failure_reason(jobs: Jobs) -> None:
    name = jobs.start("echo 'the loss is not a number' > /opt/ml/output/failure; exit 3")
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the loss is not a number, exit code: 3"


def test_a_job_that_is_killed_fails_with_the_code_of_a_container(jobs: Jobs) -> None:
    assert jobs.ended(jobs.start("kill -9 $$"))["FailureReason"].endswith("exit code: 137")


def test_a_long_failure_file_is_cut(jobs: Jobs) -> None:
    name = jobs.start("printf 'x%.0s' {1..5000} > /opt/ml/output/failure; exit 1")
    reason = jobs.ended(name)["FailureReason"]
    assert len(reason) == 1024
    assert reason.endswith("x, exit code: 1")


def test_without_a_failure_file_the_end_of_the_log_says_why(jobs: Jobs) -> None:
    reason = jobs.ended(jobs.start("echo 'no such column: month'; exit 1"))["FailureReason"]
    assert "no such column: month" in reason


def test_a_program_that_is_not_there_fails_the_job(jobs: Jobs) -> None:
    request = jobs.request("")
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["no-such-program"]
    del request["AlgorithmSpecification"]["ContainerArguments"]
    jobs.api.create_training_job(**request)
    assert "no-such-program" in jobs.ended(request["TrainingJobName"])["FailureReason"]


def test_nothing_of_a_job_is_left_on_the_machine(jobs: Jobs) -> None:
    name = jobs.start("sleep 600 & disown; setsid sleep 600 & echo started")
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    until(lambda: not (jobs.cloud.here.state / "jobs" / name).exists())
    assert not [one for one in jobs.cloud.here.processes.running() if name in one.name]


def test_a_stopped_job_may_save_its_model(jobs: Jobs) -> None:
    name = jobs.start(
        "trap 'echo kept > /opt/ml/model/m; exit 0' TERM; echo up; while true; do sleep 0.05; done"
    )
    until(lambda: jobs.logged(name) == ["up"])
    jobs.api.stop_training_job(TrainingJobName=name)
    job = jobs.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert jobs.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"m": "kept\n"}
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]][-3:] == [
        "Stopping",
        "Uploading",
        "Stopped",
    ]
    with pytest.raises(ClientError, match="training job is in status Stopped") as error:
        jobs.api.stop_training_job(TrainingJobName=name)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_a_job_that_ignores_the_stop_is_killed_after_the_grace(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.instance, "GRACE_SECONDS", 0.5)
    name = jobs.start("trap '' TERM; echo up; while true; do sleep 0.05; done")
    until(lambda: jobs.logged(name) == ["up"])
    asked = time.monotonic()
    jobs.api.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["TrainingJobStatus"] == "Stopped"
    assert 0.5 <= time.monotonic() - asked < 10


def test_max_runtime_stops_the_job_by_the_clock(jobs: Jobs, told: list[dict[str, Any]]) -> None:
    name = jobs.start(
        "echo up; while true; do sleep 0.05; done",
        StoppingCondition={"MaxRuntimeInSeconds": 7200},
    )
    until(lambda: jobs.logged(name) == ["up"])
    jobs.cloud.clock.move(by=timedelta(hours=1, minutes=50))
    assert jobs.describe(name)["TrainingJobStatus"] == "InProgress"
    jobs.cloud.clock.move(by=timedelta(hours=10))
    job = jobs.describe(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert 7200 <= job["BillableTimeInSeconds"] <= 7320
    assert told[-1]["TrainingJobStatus"] == "Stopped"


def test_a_stop_before_the_start_of_the_process_ends_the_job(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        training.Work, "prepare", lambda work: until(lambda: work._job.stop, seconds=10)
    )
    name = jobs.start("echo ran")
    jobs.api.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["SecondaryStatus"] == "Stopped"
    assert jobs.logged(name) == []


def test_checkpoints_come_back_in_the_next_job(jobs: Jobs) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/a"}
    script = "ls /opt/ml/checkpoints; echo 1 > /opt/ml/checkpoints/$TRAINING_JOB_NAME"
    first = jobs.start(f"{script}; exit 1", CheckpointConfig=config)
    assert jobs.ended(first)["TrainingJobStatus"] == "Failed"
    second = jobs.start(script, CheckpointConfig=config)
    assert jobs.ended(second)["TrainingJobStatus"] == "Completed"
    assert (jobs.logged(first), jobs.logged(second)) == ([], [first])


def test_a_prefix_without_objects_fails_the_job(jobs: Jobs) -> None:
    name = jobs.start("true", InputDataConfig=[channel("data", f"s3://{BUCKET}/nothing/")])
    reason = jobs.ended(name)["FailureReason"]
    assert f'No S3 objects found under S3 URL "s3://{BUCKET}/nothing/"' in reason


def test_a_bucket_that_is_not_there_fails_the_job(jobs: Jobs) -> None:
    name = jobs.start("true", InputDataConfig=[channel("data", "s3://no-such-bucket/x/")])
    reason = jobs.ended(name)["FailureReason"]
    assert "Data download failed: NoSuchBucket" in reason
    assert jobs.role in reason


def test_results_that_cannot_be_written_fail_the_job(jobs: Jobs) -> None:
    name = jobs.start(
        "echo > /opt/ml/model/m", OutputDataConfig={"S3OutputPath": "s3://no-such-bucket/"}
    )
    assert "Artifact upload failed" in jobs.ended(name)["FailureReason"]


def test_a_key_that_leads_out_of_its_channel_fails_the_job(jobs: Jobs) -> None:
    jobs.s3.put_object(Bucket=BUCKET, Key="evil/../../../../escaped", Body=b"")
    name = jobs.start("true", InputDataConfig=[channel("data", f"s3://{BUCKET}/evil/")])
    assert "does not name a file below its channel" in jobs.ended(name)["FailureReason"]


def test_one_key_that_is_the_folder_of_another_fails_the_job(jobs: Jobs) -> None:
    for key in ("both/a", "both/a/b"):
        jobs.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    name = jobs.start("true", InputDataConfig=[channel("data", f"s3://{BUCKET}/both/")])
    assert "one key is the folder of another" in jobs.ended(name)["FailureReason"]


@pytest.mark.parametrize(
    ("key", "prefix", "relative"),
    [
        ("data/a/b.csv", "data/", "a/b.csv"),
        ("data/a/b.csv", "data", "a/b.csv"),
        ("data/a.csv", "data/a.csv", "a.csv"),
        ("data/a.csv", "data/a", "a.csv"),
        ("a.csv", "", "a.csv"),
        ("data/", "data/", None),
    ],
)
def test_where_an_object_lies_in_its_channel(key: str, prefix: str, relative: str | None) -> None:
    assert training.relative_key(key, prefix) == relative


def changed(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """`request` with the member at `path` (dots) set, or without it if the value is None."""
    *parents, last = path.split(".")
    place: Any = request
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return request


S3_SOURCE = "InputDataConfig.0.DataSource.S3DataSource"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("ResourceConfig.KeepAlivePeriodInSeconds", 60, "ResourceConfig.KeepAlivePeriodInSeconds"),
        ("ResourceConfig.InstanceGroups", [], "ResourceConfig.InstanceGroups"),
        ("ResourceConfig.InstanceCount", 2, "InstanceCount of CreateTrainingJob as '2'"),
        ("ResourceConfig.InstanceType", "ml.huge", "enum value set"),
        ("ResourceConfig.VolumeSizeInGB", None, "VolumeSizeInGB is required"),
        ("AlgorithmSpecification.TrainingInputMode", "Pipe", "TrainingInputMode"),
        ("AlgorithmSpecification.MetricDefinitions", [], "MetricDefinitions"),
        ("AlgorithmSpecification.ContainerEntrypoint", None, "ContainerEntrypoint is required"),
        ("AlgorithmSpecification.TrainingImage", None, "TrainingImage is required"),
        ("DebugHookConfig", {"S3OutputPath": "s3://b/x"}, "DebugHookConfig of CreateTrainingJob"),
        ("ExperimentConfig", {}, "ExperimentConfig of CreateTrainingJob"),
        ("EnableManagedSpotTraining", True, "It must be present and be greater than or equal"),
        ("EnableNetworkIsolation", True, "EnableNetworkIsolation"),
        (
            "VpcConfig",
            {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
            "The subnet ID 'subnet-1' does not exist",
        ),
        ("RetryStrategy", {"MaximumRetryAttempts": 1}, "RetryStrategy of CreateTrainingJob"),
        ("RemoteDebugConfig", {"EnableRemoteDebug": True}, "EnableRemoteDebug"),
        (f"{S3_SOURCE}.S3DataDistributionType", "ShardedByS3Key", "S3DataDistributionType"),
        (f"{S3_SOURCE}.S3DataType", "ManifestFile", "S3DataType"),
        (f"{S3_SOURCE}.S3Uri", "https://host/bucket", "is not an s3:// URI"),
        ("InputDataConfig.0.InputMode", "FastFile", "InputDataConfig.InputMode"),
        ("InputDataConfig.0.CompressionType", "Gzip", "InputDataConfig.CompressionType"),
        ("InputDataConfig.0.ShuffleConfig", {"Seed": 1}, "InputDataConfig.ShuffleConfig"),
        ("InputDataConfig.0.ChannelName", "..", "does not name a folder"),
        ("StoppingCondition", None, "StoppingCondition is required"),
        ("StoppingCondition.MaxRuntimeInSeconds", 3_000_000, "must not exceed 2419200"),
        ("StoppingCondition.MaxWaitTimeInSeconds", 7200, "It is only supported when"),
        ("TrainingJobName", "two_words", "regular expression pattern"),
        (
            "AlgorithmSpecification.ContainerArguments",
            ["x" * 257],
            "length less than or equal to 256",
        ),
        ("HyperParameters", {"epochs": "9" * 2501}, "length less than or equal to 2500"),
        ("RoleArn", "arn:aws:iam::123456789012:role/nobody", "Could not assume role"),
        (
            "CheckpointConfig",
            {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/etc"},
            "must lie below /opt/ml",
        ),
    ],
)
def test_what_a_job_cannot_be_is_refused_by_name(
    jobs: Jobs, path: str, value: Any, says: str
) -> None:
    request = changed(jobs.request("true"), path, value)
    with pytest.raises(ClientError) as error:
        jobs.api.create_training_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert says in error.value.response["Error"]["Message"]


def test_a_name_is_used_once(jobs: Jobs) -> None:
    name = jobs.start("true")
    with pytest.raises(ClientError, match="already exists") as error:
        jobs.api.create_training_job(**jobs.request("true", TrainingJobName=name))
    assert error.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_job_that_is_not_there_is_not_found_as_aws_says_it(jobs: Jobs) -> None:
    for call in (jobs.api.describe_training_job, jobs.api.stop_training_job):
        with pytest.raises(ClientError, match=r"Requested resource not found\.") as error:
            call(TrainingJobName="nothing")
        assert error.value.response["Error"]["Code"] == "ValidationException"


def test_jobs_are_listed_by_name_and_status(jobs: Jobs) -> None:
    prefix = f"list-{uuid.uuid4().hex[:6]}"
    jobs.ended(jobs.start("true", TrainingJobName=f"{prefix}-a"))
    jobs.ended(jobs.start("exit 1", TrainingJobName=f"{prefix}-b"))
    found = jobs.api.list_training_jobs(NameContains=prefix, SortBy="Name", SortOrder="Descending")[
        "TrainingJobSummaries"
    ]
    assert [one["TrainingJobName"] for one in found] == [f"{prefix}-b", f"{prefix}-a"]
    failed = jobs.api.list_training_jobs(NameContains=prefix, StatusEquals="Failed")
    assert [one["TrainingJobName"] for one in failed["TrainingJobSummaries"]] == [f"{prefix}-b"]


def test_tags_of_a_job_are_listed(jobs: Jobs) -> None:
    name = jobs.start("true")
    arn = jobs.describe(name)["TrainingJobArn"]
    assert jobs.api.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "academy:team", "Value": "falcon"}
    ]
