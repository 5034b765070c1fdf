"""`cohort competition rerun`: the same job again, and what comes out compared with the first.

SageMaker is a stand-in that ends a job as a test says; buckets, table and comparison are real.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from infra.cli.competition import rerunning as command
from infra.cli.competition.arena import Arena
from infra.cli.competition.packing import Packer
from infra.publishing import climate_series
from tests.cli.competition_world import ACCOUNT, NOW, PROJECT, World, one_line, world_of

REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{REGISTRY}/academy/forecasting-cpu@sha256:{'0123456789abcdef' * 4}"
METRICS = {"backtest": {"score": 0.8, "by": [0.7, 0.9]}, "seconds": 61.2, "device": "cpu"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(command, "POLL_SECONDS", 0.0)
    with world_of(tmp_path, monkeypatch) as found:
        found.enter("falcon", 0.9, days=3, job=trained(found, "aaaaaaaa"))
        found.enter("heron", 0.7, days=1)
        found.jobs.ends = lambda request: ended(found, request, METRICS)
        yield found


def name_of(world: World, token: str, learner: str = "ana") -> str:
    return world.names.job("falcon", learner, token)


def trained(world: World, token: str, metrics: Any = METRICS, image: str = IMAGE) -> str:
    """A job of falcon's that ended three days ago, and its output."""
    name = name_of(world, token)
    world.put("work", f"teams/falcon/code/{token}/source.tar.gz", b"code")
    world.jobs.jobs[name] = {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/{name}",
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "RoleArn": world.names.role_arn("training", "falcon", account=ACCOUNT),
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": ["exec python -m academy.job"],
            "EnableSageMakerMetricsTimeSeries": False,
        },
        "HyperParameters": {"epochs": "3", "academy_script": "train.py"},
        "InputDataConfig": [channel(world, "code", f"teams/falcon/code/{token}/")],
        "OutputDataConfig": {
            "KmsKeyId": "",
            "S3OutputPath": f"s3://{world.site.bucket('work')}/teams/falcon/jobs/",
        },
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
        "EnableManagedSpotTraining": False,
        "EnableNetworkIsolation": False,
        "Environment": {"PYTHONUNBUFFERED": "1"},
        # Later than the code, which was written just now.
        "CreationTime": NOW + dt.timedelta(hours=1),
        "BillableTimeInSeconds": 600,
        "ModelArtifacts": {"S3ModelArtifacts": "x"},
    }
    output(world, f"teams/falcon/jobs/{name}", metrics)
    return name


def channel(world: World, name: str, prefix: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{world.site.bucket('work')}/{prefix}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "InputMode": "File", "DataSource": {"S3DataSource": source}}


def output(world: World, folder: str, metrics: Any, **files: bytes) -> None:
    packed = io.BytesIO()
    contents = {"metrics.json": json.dumps(metrics).encode(), **files}
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    world.put("work", f"{folder}/output/output.tar.gz", packed.getvalue())


def ended(world: World, request: dict[str, Any], metrics: Any, **files: bytes) -> dict[str, Any]:
    """The job of a request, ended at once, with its output where the request says."""
    folder = request["OutputDataConfig"]["S3OutputPath"].split("/", 3)[3].rstrip("/")
    output(world, f"{folder}/{request['TrainingJobName']}", metrics, **files)
    return request | {
        "TrainingJobStatus": "Completed",
        "CreationTime": NOW,
        "BillableTimeInSeconds": 630,
    }


def test_the_same_job_is_started_again_and_gives_the_same(world: World) -> None:
    done = world.verb("rerun", PROJECT, "falcon", "--yes", why="a finalist")
    assert done.exit_code == 0, done.output
    [request] = world.jobs.started
    first = world.jobs.jobs[name_of(world, "aaaaaaaa")]
    for member in (
        *("RoleArn", "HyperParameters", "InputDataConfig", "ResourceConfig"),
        *("StoppingCondition", "Environment"),
    ):
        assert request[member] == first[member], member
    assert request["AlgorithmSpecification"] == {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash", "-c"],
        "ContainerArguments": ["exec python -m academy.job"],
    }
    work = world.site.bucket("work")
    assert request["OutputDataConfig"] == {"S3OutputPath": f"s3://{work}/teams/falcon/reruns/"}
    name = request["TrainingJobName"]
    assert name.startswith("earth-2026-fall--falcon--rerun--")
    assert len(name.rpartition("--")[2]) == 8
    assert {tag["Key"]: tag["Value"] for tag in request["Tags"]} == {
        "academy:cohort": "earth-2026-fall",
        "academy:team": "falcon",
        "academy:learner": "rerun",
    }
    assert "3 values of metrics.json are the same" in done.output
    assert "how it ran" in done.output
    assert "within 1e-06 of the larger value" in done.output
    assert [what.partition(": ")[2] for what, _ in world.acts()] == [
        f"{name}: 3 values of metrics.json are the same",
        name,
    ]
    assert {why for _, why in world.acts()} == {"a finalist"}


def test_the_request_is_what_sagemaker_takes(world: World) -> None:
    world.verb("rerun", PROJECT, "falcon", "--yes")
    [request] = world.jobs.started
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    assert not ParamValidator().validate(request, shape).has_errors()


def test_what_differs_is_shown_with_both_values(world: World) -> None:
    other = {"backtest": {"score": 0.81, "by": [0.7, 0.9]}, "seconds": 60.0, "device": "cuda:0"}
    world.jobs.ends = lambda request: ended(world, request, other)
    done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert done.exit_code == 0, done.output
    assert "1 of 3 values of metrics.json differ" in done.output
    [row] = [line for line in done.output.splitlines() if "backtest.score" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        *("backtest.score", "0.8", "0.81", "0.01", "differs")
    ]
    assert (
        "3 values" in world.verb("rerun", PROJECT, "falcon", "--yes", "--tolerance", "0.1").output
    )


def test_it_says_what_it_costs_and_asks(world: World) -> None:
    done = world.run("competition", "rerun", PROJECT, "falcon", "--why", "x", input="n\n")
    assert done.exit_code == 1
    # Two hours and the stop's grace at $0.115, the price of an ml.m5.large.
    assert "2:00:00 at most: up to $0.23; the first took 0:10:00" in one_line(done.output)
    assert "beside all budgets" in one_line(done.output)
    assert world.jobs.started == []
    assert world.acts() == []


def test_an_image_by_tag_may_have_moved(world: World) -> None:
    aws = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312"
    world.enter("falcon", 0.5, days=1, job=trained(world, "bbbbbbbb", image=aws))
    done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert done.exit_code == 1
    assert "a tag, which may have moved since" in one_line(done.output)
    assert world.jobs.started == []
    done = world.verb("rerun", PROJECT, "falcon", "--yes", "--any-image")
    assert done.exit_code == 0, done.output
    assert world.jobs.started[0]["AlgorithmSpecification"]["TrainingImage"] == aws


def test_another_entry_than_the_best_is_named_by_its_id(world: World) -> None:
    worse = world.enter("falcon", 1.4, days=2, job=trained(world, "cccccccc"))
    done = world.verb("rerun", PROJECT, "falcon", "--yes", "--entry", worse.digest[:12])
    assert done.exit_code == 0, done.output
    [request] = world.jobs.started
    assert request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"].endswith(
        "code/cccccccc/"
    )


def test_inputs_that_changed_since_are_told(world: World) -> None:
    job = world.jobs.jobs[name_of(world, "aaaaaaaa")]
    job["CreationTime"] = NOW - dt.timedelta(days=3)
    done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert done.exit_code == 0, done.output
    assert "1 input written since the job began, such as s3://" in one_line(done.output)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TrainingJobStatus": "InProgress"}, "still runs"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "ran as arn:aws:iam"),
        (
            {"ResourceConfig": {"InstanceType": "ml.x9.large", "InstanceCount": 1}},
            "no training price for 'ml.x9.large'",
        ),
    ],
)
def test_a_job_that_cannot_be_run_again_is_refused(
    world: World, change: dict[str, Any], words: str
) -> None:
    world.jobs.jobs[name_of(world, "aaaaaaaa")] |= change
    done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert done.exit_code == 1
    assert words in one_line(done.output)
    assert world.jobs.started == []


def test_an_entry_without_a_job_or_with_one_that_is_gone_is_refused(world: World) -> None:
    done = world.verb("rerun", PROJECT, "heron", "--yes")
    assert done.exit_code == 1
    assert "names no job of heron's" in one_line(done.output)
    del world.jobs.jobs[name_of(world, "aaaaaaaa")]
    done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert "SageMaker has no job" in one_line(done.output)
    world.enter("heron", 0.1, days=0.5, job=name_of(world, "aaaaaaaa"))
    done = world.verb("rerun", PROJECT, "heron", "--yes")
    assert "is no job of heron's" in one_line(done.output)


def test_after_the_cohorts_end_its_roles_may_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world_of(tmp_path, monkeypatch, starts=-40, closes=-10, ends=-2) as world:
        world.enter("falcon", 0.9, days=20, job=trained(world, "aaaaaaaa"))
        done = world.verb("rerun", PROJECT, "falcon", "--yes")
        assert done.exit_code == 1
        assert "Prolong it first" in one_line(done.output)


def test_an_interrupted_wait_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    world.jobs.ends = lambda request: (
        request
        | {
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Training",
        }
    )
    with monkeypatch.context() as patch:
        patch.setattr(command.time, "sleep", interrupted)
        done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert done.exit_code == 1
    [request] = world.jobs.started
    name = request["TrainingJobName"]
    assert f"--attach {name}" in one_line(done.output)
    world.jobs.jobs[name] = ended(world, request, METRICS)
    done = world.verb("rerun", PROJECT, "falcon", "--attach", name)
    assert done.exit_code == 0, done.output
    assert len(world.jobs.started) == 1
    assert "3 values of metrics.json are the same" in done.output
    done = world.verb("rerun", PROJECT, "falcon", "--attach", name_of(world, "aaaaaaaa"))
    assert "is no re-run of falcon's" in one_line(done.output)


def test_a_second_run_that_fails_is_told_with_its_reason(world: World) -> None:
    world.jobs.ends = lambda request: (
        request
        | {
            "TrainingJobStatus": "Failed",
            "FailureReason": "AlgorithmError: \x1b[2Jno memory",
            "BillableTimeInSeconds": 30,
        }
    )
    done = world.verb("rerun", PROJECT, "falcon", "--yes")
    assert done.exit_code == 0, done.output
    assert "AlgorithmError: [2Jno memory" in done.output
    assert "The second job: it left no output" in done.output
    assert world.acts()[0][0].endswith(": Failed; nothing to compare")


def test_predictions_of_the_second_run_are_the_entry(world: World, tmp_path: Path) -> None:
    mine = published(world)
    file = tmp_path / "mine.csv"
    file.write_text(mine)
    with Packer.of(Arena(world.site, PROJECT)) as packer:
        digest = packer.pack(file).digest
    first = world.table.entries(PROJECT, "falcon")[0]
    made = replace(
        first,
        digest=digest,
        public_score=0.2,
        key=first.key.replace(".csv", "x.csv"),
        job=trained(world, "dddddddd"),
    )
    world.table.record(made, 100, world.ladder)
    world.jobs.ends = lambda request: ended(
        world, request, METRICS, **{"table.csv": b"a,b\n1,2\n", "predictions.csv": mine.encode()}
    )
    done = world.verb("rerun", PROJECT, "falcon", "--yes", "--entry", digest[:12])
    assert done.exit_code == 0, done.output
    assert "predictions.csv of the second run is the entry" in one_line(done.output)
    assert "is the entry" in world.acts()[0][0]
    # The series of a test are others each time, so its first value is made another, whatever it is.
    head, row, rest = mine.split("\n", 2)
    series, value = row.rsplit(",", 1)
    another = f"{head}\n{series},{float(value) + 1:.3f}\n{rest}"
    world.jobs.ends = lambda request: ended(
        world, request, METRICS, **{"predictions.csv": another.encode()}
    )
    done = world.verb("rerun", PROJECT, "falcon", "--yes", "--entry", digest[:12])
    assert "no file of either run is the entry itself" in one_line(done.output)


def published(world: World) -> str:
    """What is asked for, in the data bucket; gives its sample."""
    sealed = climate_series.build(climate_series.KEY.new(), public_fraction=0.3)
    for key, content in sealed.data.items():
        world.put("data", key, content)
    return sealed.data[f"datasets/{PROJECT}/sample_submission.csv"].decode()


def test_once_closed_it_is_the_entry_that_decided(world: World) -> None:
    """Which is the better of two on the private part, and not the one that is shown."""
    best = world.enter(
        "heron", 0.5, days=2, job=name_of(world, "bbbbbbbb").replace("falcon", "heron")
    )
    decided = world.enter("heron", 0.6, days=1)
    table = world.table
    table.rescore(decided, 0.6, 0.1, decided.record, {}, rescored="r")
    open_ = world.verb("rerun", PROJECT, "heron", "--yes").output
    assert best.digest[:12] in open_ or best.job in open_
    world.verb("close", PROJECT)
    closed = world.verb("rerun", PROJECT, "heron", "--yes")
    assert f"the entry {decided.digest[:12]} names no job" in one_line(closed.output)
