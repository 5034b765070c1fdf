"""The movable clock under everything at once: what ends, expires and repeats, over the wire."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from infra.offline.services import lambda_runtime
from infra.offline.services.sagemaker import apps
from infra.offline.services.sagemaker.training import instance
from tests.offline import whole_cloud
from tests.offline.services.sagemaker import studio_cloud
from tests.offline.services.sagemaker.studio_cloud import IMAGE, until
from tests.offline.small_cloud import SmallCloud, zipped
from tests.offline.test_faults_guard import IdleJob, idle_app

pytestmark = pytest.mark.slow

EVERYTHING = (["*"], "*")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instance, "Work", IdleJob)
        patch.setattr(apps.App, "_start", idle_app)
        with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
            yield running


def move(cloud: Cloud, **by: float) -> datetime:
    """Move the clock as a person does, over the control route."""
    body = json.dumps({"by_seconds": timedelta(**by).total_seconds()}).encode()
    request = urllib.request.Request(  # noqa: S310
        f"{cloud.endpoint}/_academy/clock", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return datetime.fromisoformat(json.loads(answer.read())["now"])


def start_job(cloud: Cloud, name: str, longest: int = 86_400) -> dict[str, Any]:
    sagemaker = whole_cloud.client(cloud, "sagemaker")
    try:
        role = whole_cloud.role(cloud, "trainer", "sagemaker", EVERYTHING)
    except ClientError:
        role = "arn:aws:iam::123456789012:role/trainer"
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["true"],
        },
        OutputDataConfig={"S3OutputPath": "s3://somewhere/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": longest},
    )
    until(lambda: job(cloud, name)["SecondaryStatus"] == "Training")
    return job(cloud, name)


def job(cloud: Cloud, name: str) -> dict[str, Any]:
    sagemaker = whole_cloud.client(cloud, "sagemaker")
    described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return described


COUNTS = """
import boto3
def handler(event, context):
    boto3.client("dynamodb").update_item(
        TableName="ticks", Key={"pk": {"S": event.get("who", "rate")}},
        UpdateExpression="ADD n :one SET atx = :at",
        ExpressionAttributeValues={":one": {"N": "1"}, ":at": {"S": event.get("time", "")}},
    )
"""


@pytest.fixture(scope="module")
def ticker(cloud: Cloud) -> str:
    whole_cloud.client(cloud, "dynamodb").create_table(
        TableName="ticks",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    made = whole_cloud.client(cloud, "lambda").create_function(
        FunctionName="ticker",
        Runtime="python3.11",
        Handler="app.handler",
        Role=whole_cloud.role(cloud, "ticker", "lambda", EVERYTHING),
        Code={"ZipFile": zipped({"app.py": COUNTS})},
        Timeout=20,
    )
    return str(made["FunctionArn"])


def ticks(cloud: Cloud) -> dict[str, int]:
    found = whole_cloud.client(cloud, "dynamodb").scan(TableName="ticks")["Items"]
    return {item["pk"]["S"]: int(item["n"]["N"]) for item in found}


def schedule(cloud: Cloud, name: str, at: datetime, target: dict[str, Any]) -> None:
    whole_cloud.client(cloud, "scheduler").create_schedule(
        Name=name,
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target=target,
    )


def test_one_move_passes_many_alarms_and_each_does_its_work_once(cloud: Cloud, ticker: str) -> None:
    role = whole_cloud.role(cloud, "waker", "scheduler", EVERYTHING)
    start_job(cloud, "crossed-fff", longest=1800)
    now = cloud.runtime.clock.now()
    for number in range(15):
        schedule(
            cloud,
            f"tick-{number}",
            now + timedelta(hours=number + 1),
            {
                "Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
                "RoleArn": role,
                "Input": json.dumps(
                    {
                        "FunctionName": "ticker",
                        "InvocationType": "Event",
                        "Payload": json.dumps({"who": f"schedule-{number}"}),
                    }
                ),
            },
        )
    after = move(cloud, days=5)
    assert lambda_runtime.drain(60)
    assert after >= now + timedelta(days=5)
    assert ticks(cloud) == {f"schedule-{number}": 1 for number in range(15)}
    ended = job(cloud, "crossed-fff")
    assert ended["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert 1800 <= ended["BillableTimeInSeconds"] <= 1920
    assert not whole_cloud.client(cloud, "scheduler").list_schedules()["Schedules"]


def test_two_moves_at_once_while_a_job_runs_add_up(cloud: Cloud) -> None:
    begun = start_job(cloud, "moved-fff", longest=3600)
    before = cloud.runtime.clock.now()
    threads = [threading.Thread(target=move, args=(cloud,), kwargs={"hours": 1}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = cloud.runtime.clock.now() - before
    assert timedelta(hours=4) <= passed < timedelta(hours=4, minutes=2)
    ended = job(cloud, "moved-fff")
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == (
        "Stopped",
        "MaxRuntimeExceeded",
    )
    states = [each["Status"] for each in ended["SecondaryStatusTransitions"]]
    assert states.count("MaxRuntimeExceeded") == 1
    assert (ended["TrainingEndTime"] - begun["TrainingStartTime"]).total_seconds() < 3720


def test_a_reservations_schedule_ends_an_app_at_its_time(cloud: Cloud) -> None:
    role = whole_cloud.role(cloud, "stopper", "scheduler", EVERYTHING)
    small = SmallCloud(cloud.runtime)
    made = studio_cloud.workspace(small)
    made.sagemaker.create_app(**made.app)
    made.ended("InService")
    schedule(
        cloud,
        "stop-ana",
        cloud.runtime.clock.now() + timedelta(hours=2),
        {
            "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp",
            "RoleArn": role,
            "Input": json.dumps(made.app),
        },
    )
    move(cloud, hours=1, minutes=59)
    assert made.status()["Status"] == "InService"
    move(cloud, minutes=2)
    assert made.ended("Deleted", "Deleting")
