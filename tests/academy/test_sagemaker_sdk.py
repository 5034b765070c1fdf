"""The door between SageMaker's SDK and the broker, through botocore alone: the SDK's own tests are
in tests/sdk."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import boto3
import pytest
from academy import sagemaker_sdk
from academy.errors import AcademyError, Refused
from academy.workspace import Workspace
from botocore.awsrequest import AWSResponse

from tests.academy import fake_academy

ASKED: dict[str, Any] = {
    "TrainingJobName": "climate-series-job-20261201090000",
    "RoleArn": fake_academy.WORKSPACE["training_role"],
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "academy/x"},
    "OutputDataConfig": {"S3OutputPath": "s3://earth-work/teams/falcon/sagemaker/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
}
JOB = "earth--falcon--ana--0123abcd"


class Broker:
    """Keeps what it was asked; `refusal` is its answer if there is one."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal: Refused | None = None

    def ask(self, broker: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((broker, request))
        if self.refusal:
            raise self.refusal
        return {"job": JOB, "status": "Stopping"}


class Wire:
    """What would have gone to SageMaker."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def __call__(self, request: Any, **_: Any) -> Any:
        self.sent.append(json.loads(request.body))
        answer = {"TrainingJobName": JOB, "TrainingJobStatus": "InProgress"}
        body = sagemaker_sdk._Body(json.dumps(answer).encode())
        return AWSResponse(request.url, 200, {}, body)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def api(broker: Broker, wire: Wire) -> Any:
    workspace = Workspace.from_document(fake_academy.WORKSPACE, "test")
    session = boto3.session.Session("AKIAIOSFODNN7EXAMPLE", "x", region_name="us-east-1")
    door = sagemaker_sdk.Door(broker, workspace, "climate-series")  # type: ignore[arg-type]
    door.stand_in(session.events)
    session.events.register("before-send.sagemaker.DescribeTrainingJob", wire)
    # Nothing listens there: a request that the door lets out fails.
    return session.client("sagemaker", endpoint_url="http://127.0.0.1:9")


def test_the_request_goes_to_the_broker_as_the_sdk_made_it(api: Any, broker: Broker) -> None:
    answer = api.create_training_job(**ASKED)
    assert answer["TrainingJobArn"] == (
        f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{JOB}"
    )
    ((alias, request),) = broker.asked
    assert alias == fake_academy.BROKER
    assert {name: request[name] for name in ("op", "project", "request")} == {
        "op": "training_job",
        "project": "climate-series",
        "request": ASKED,
    }


def test_one_name_is_one_token_so_that_asking_again_starts_no_second_job(
    api: Any, broker: Broker
) -> None:
    for name in ("one", "one", "two"):
        api.create_training_job(**{**ASKED, "TrainingJobName": name})
    first, again, other = [request["token"] for _, request in broker.asked]
    assert first == again != other
    assert len(first) == 32
    assert int(first, 16)


def test_a_refusal_reaches_the_learner_as_the_broker_worded_it(api: Any, broker: Broker) -> None:
    broker.refusal = Refused("budget", "Your budget has $1.00 left.", {"available_micro_usd": 1})
    with pytest.raises(Refused, match=r"Your budget has \$1\.00 left") as refused:
        api.create_training_job(**ASKED)
    assert (refused.value.code, refused.value.figures) == ("budget", {"available_micro_usd": 1})
    assert len(broker.asked) == 1, "it is not asked for again"


def test_the_sdks_name_means_the_academys_job(api: Any, broker: Broker, wire: Wire) -> None:
    api.create_training_job(**ASKED)
    assert api.describe_training_job(TrainingJobName=ASKED["TrainingJobName"])
    assert api.describe_training_job(TrainingJobName=JOB)
    assert api.describe_training_job(TrainingJobName="of-somebody-else")
    assert [sent["TrainingJobName"] for sent in wire.sent] == [JOB, JOB, "of-somebody-else"]


def test_a_stop_goes_to_the_broker(api: Any, broker: Broker) -> None:
    api.create_training_job(**ASKED)
    api.stop_training_job(TrainingJobName=ASKED["TrainingJobName"])
    assert broker.asked[-1] == (fake_academy.BROKER, {"op": "stop_job", "job": JOB})


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sagemaker", None)
    workspace = Workspace.from_document(fake_academy.WORKSPACE, "test")
    with pytest.raises(AcademyError, match=r"venv ~/sdk .*/pip install 'sagemaker>=3\.27,<4'"):
        sagemaker_sdk.session(Broker(), workspace, "climate-series")  # type: ignore[arg-type]


def test_its_session_tells_where_the_projects_data_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def __init__(self, **given: Any) -> None:
            self.given = given

    monkeypatch.setattr(sagemaker_sdk, "_session_class", lambda: Session)
    workspace = Workspace.from_document(fake_academy.WORKSPACE, "test")
    made = sagemaker_sdk.session(Broker(), workspace, "climate-series")  # type: ignore[arg-type]
    assert made.academy_data == "s3://earth-data/datasets/climate-series/"


def test_the_library_imports_no_sdk() -> None:
    """The SDK takes seconds to import: only who asks for its session waits for it."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, academy, academy.connection; print(academy.sagemaker_session.__name__, "
            "[name for name in sys.modules if 'sagemaker' in name])",
        ],
        env={"PYTHONPATH": str(fake_academy.LIBRARY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "sagemaker_session []"
