"""A one-time schedule calls its operation once, at its time, as its own role."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.scheduler.exceptions import ValidationException

from infra.offline import runtime
from infra.offline.authorization import credentials
from infra.offline.services import lambda_runtime, scheduler
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud, small_cloud

DELETE_APP = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp"
APP = {
    "DomainId": "d-abcdef123456",
    "SpaceName": "earth--ana",
    "AppType": "JupyterLab",
    "AppName": "default",
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path_factory.mktemp("cloud"), still=True) as running:
        running.role("stopper", "scheduler.amazonaws.com")
        running.role("stranger", "lambda.amazonaws.com")
        running.client("scheduler").create_schedule_group(Name="stops")
        yield running


class Schedules:
    """Schedules of one group, whose calls go to a server that records them."""

    def __init__(self, cloud: SmallCloud) -> None:
        self.cloud = cloud
        self.api = cloud.client("scheduler")
        self.requests: list[dict[str, Any]] = []
        self.answers: list[tuple[int, str]] = []

    def request(self, after: timedelta, **changes: Any) -> dict[str, Any]:
        moment = self.cloud.clock.now() + after
        target = {
            "Arn": DELETE_APP,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/stopper",
            "Input": json.dumps(APP),
            **changes.pop("Target", {}),
        }
        return {
            "Name": "ana--stop-app",
            "GroupName": "stops",
            "ScheduleExpression": f"at({moment:%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": target,
            **changes,
        }

    def names(self) -> list[str]:
        return [found["Name"] for found in self.api.list_schedules()["Schedules"]]


@pytest.fixture
def schedules(cloud: SmallCloud) -> Iterator[Schedules]:
    made = Schedules(cloud)

    class Recorder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.requests.append(
                {
                    "operation": self.headers["X-Amz-Target"],
                    "body": json.loads(body),
                    "authorization": self.headers["Authorization"],
                    "token": self.headers["X-Amz-Security-Token"],
                    "at": cloud.clock.now(),
                }
            )
            status, kind = made.answers.pop(0) if made.answers else (200, "")
            answer = json.dumps({"__type": kind, "message": kind} if kind else {}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    runtime.deactivate()
    there = dataclasses.replace(cloud.here, endpoint=f"http://127.0.0.1:{server.server_port}")
    runtime.activate(there)
    yield made
    lambda_runtime.close()
    runtime.deactivate()
    runtime.activate(cloud.here)
    server.shutdown()
    server.server_close()
    for found in made.api.list_schedules()["Schedules"]:
        made.api.delete_schedule(Name=found["Name"], GroupName=found["GroupName"])


def test_a_schedule_calls_once_at_its_time(cloud: SmallCloud, schedules: Schedules) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(hours=2)))
    cloud.clock.move(by=timedelta(hours=1, minutes=59))
    assert schedules.requests == []
    cloud.clock.move(by=timedelta(hours=9))
    [request] = schedules.requests
    assert request["operation"] == "SageMaker.DeleteApp"
    assert request["body"] == APP


def test_the_call_carries_the_credentials_of_the_schedules_role(
    cloud: SmallCloud, schedules: Schedules
) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(minutes=5)))
    cloud.clock.move(by=timedelta(minutes=6))
    [request] = schedules.requests
    key = request["authorization"].split("Credential=")[1].split("/")[0]
    session = credentials.principal_of(key)
    assert session is not None
    assert session.role_arn == f"arn:aws:iam::{ACCOUNT}:role/stopper"
    assert session.token == request["token"]


def test_after_completion_a_schedule_is_deleted_if_it_says_so(
    cloud: SmallCloud, schedules: Schedules
) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(minutes=5)))
    schedules.api.create_schedule(
        **schedules.request(timedelta(minutes=5), Name="stays", ActionAfterCompletion="NONE")
    )
    cloud.clock.move(by=timedelta(minutes=6))
    assert len(schedules.requests) == 2
    assert schedules.names() == ["stays"]
    cloud.clock.move(by=timedelta(days=2))
    assert len(schedules.requests) == 2


def test_an_update_moves_the_stop(cloud: SmallCloud, schedules: Schedules) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1)))
    schedules.api.update_schedule(**schedules.request(timedelta(hours=3)))
    cloud.clock.move(by=timedelta(hours=2))
    assert schedules.requests == []
    cloud.clock.move(by=timedelta(hours=2))
    assert len(schedules.requests) == 1
    assert schedules.names() == []


def test_an_update_replaces_what_it_does_not_name(cloud: SmallCloud, schedules: Schedules) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1), Description="old"))
    request = schedules.request(timedelta(hours=1))
    del request["ActionAfterCompletion"]
    schedules.api.update_schedule(**request)
    found = schedules.api.get_schedule(Name="ana--stop-app", GroupName="stops")
    assert found["ActionAfterCompletion"] == "NONE"
    assert not found.get("Description")


def test_a_deleted_schedule_does_not_run(cloud: SmallCloud, schedules: Schedules) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1)))
    schedules.api.delete_schedule(Name="ana--stop-app", GroupName="stops")
    cloud.clock.move(by=timedelta(hours=2))
    assert schedules.requests == []


def test_a_disabled_schedule_does_not_run(cloud: SmallCloud, schedules: Schedules) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1), State="DISABLED"))
    cloud.clock.move(by=timedelta(hours=2))
    assert schedules.requests == []


def test_the_schedules_of_a_deleted_group_do_not_run(
    cloud: SmallCloud, schedules: Schedules
) -> None:
    schedules.api.create_schedule_group(Name="passing")
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1), GroupName="passing"))
    schedules.api.delete_schedule_group(Name="passing")
    cloud.clock.move(by=timedelta(hours=2))
    assert schedules.requests == []


def test_what_may_pass_is_tried_again_with_growing_pauses(
    cloud: SmallCloud, schedules: Schedules
) -> None:
    schedules.answers = [(500, "InternalFailure"), (400, "ThrottlingException"), (200, "")]
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1)))
    cloud.clock.move(by=timedelta(hours=2))
    times = [request["at"] for request in schedules.requests]
    pauses = [round((b - a).total_seconds()) for a, b in itertools.pairwise(times)]
    assert pauses == [60, 120]
    assert schedules.names() == []


def test_retries_end_with_the_schedules_own_policy(cloud: SmallCloud, schedules: Schedules) -> None:
    schedules.answers = [(500, "InternalFailure")] * 9
    policy = {"RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 86400}}
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1), Target=policy))
    cloud.clock.move(by=timedelta(days=2))
    assert len(schedules.requests) == 3
    assert schedules.names() == []


@pytest.mark.parametrize("kind", ["ResourceNotFound", "AccessDeniedException"])
def test_what_would_fail_again_is_not_tried_again(
    cloud: SmallCloud, schedules: Schedules, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    # A later app has the same name: a second try could end it.
    schedules.answers = [(400, kind)]
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1)))
    cloud.clock.move(by=timedelta(days=2))
    assert len(schedules.requests) == 1
    assert kind in caplog.text
    assert schedules.names() == []


def test_a_role_that_trusts_another_group_is_not_assumed(
    cloud: SmallCloud, schedules: Schedules
) -> None:
    groups = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group"
    role = cloud.role(
        "careful",
        "scheduler.amazonaws.com",
        condition={"ArnEquals": {"aws:SourceArn": f"{groups}/stops"}},
    )
    request = schedules.request(timedelta(hours=1), Target={"RoleArn": role})
    schedules.api.create_schedule(**request)
    with pytest.raises(ClientError, match="assume the role"):
        schedules.api.create_schedule(**{**request, "GroupName": "default"})


def test_a_name_is_taken_once(schedules: Schedules) -> None:
    schedules.api.create_schedule(**schedules.request(timedelta(hours=1)))
    with pytest.raises(schedules.api.exceptions.ConflictException):
        schedules.api.create_schedule(**schedules.request(timedelta(hours=1)))
    with pytest.raises(schedules.api.exceptions.ConflictException):
        schedules.api.create_schedule_group(Name="stops")


def test_an_unknown_group_is_not_found(schedules: Schedules) -> None:
    with pytest.raises(schedules.api.exceptions.ResourceNotFoundException):
        schedules.api.create_schedule(**schedules.request(timedelta(hours=1), GroupName="none"))
    with pytest.raises(schedules.api.exceptions.ResourceNotFoundException):
        schedules.api.delete_schedule_group(Name="none")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ScheduleExpression": "rate(5 minutes)"}, "rate"),
        ({"ScheduleExpression": "cron(0 10 * * ? *)"}, "cron"),
        ({"ScheduleExpression": "at(2031-02-30T10:00:00)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "at(2031-02-03T10:00:00Z)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "at(2031-02-03)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "at(2020-01-01T00:00:00)"}, "in the past"),
        ({"ScheduleExpressionTimezone": "Europe/Berlin"}, "Europe/Berlin"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}}, "Flexible"),
        ({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:createApp"}}, "createApp"),
        ({"Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}}, "sqs"),
        ({"Target": {"Input": "{"}}, "JSON object"),
        ({"Target": {"Input": json.dumps({**APP, "domainId": "x"})}}, "domainId"),
        ({"Target": {"Input": json.dumps({"DomainId": "d-1"})}}, "AppName"),
        ({"Target": {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/stranger"}}, "assume the role"),
        ({"Target": {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}}, "assume the role"),
        ({"Target": {"DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}}}, "Dead"),
    ],
)
def test_what_is_wrong_or_not_emulated_is_refused_by_name(
    schedules: Schedules, changes: dict[str, Any], named: str
) -> None:
    request = schedules.request(timedelta(hours=1), **changes)
    with pytest.raises(ClientError, match=named) as refusal:
        schedules.api.create_schedule(**request)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert schedules.names() == []


def test_a_moment_is_read_in_utc() -> None:
    assert scheduler.due("at(2027-01-31T18:00:00)") == datetime(2027, 1, 31, 18, tzinfo=UTC)
    with pytest.raises(ValidationException):
        scheduler.due("at(2027-01-31 18:00:00)")


def test_a_schedule_invokes_a_function(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.function(
        "called",
        f"def handler(event, context): open({str(tmp_path / 'called')!r}, 'w').write(event['a'])",
    )
    schedules = Schedules(cloud)
    schedules.api.create_schedule(
        **schedules.request(
            timedelta(minutes=5),
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
                "Input": json.dumps({"FunctionName": "called", "Payload": '{"a": "b"}'}),
            },
        )
    )
    cloud.clock.move(by=timedelta(minutes=6))
    assert (tmp_path / "called").read_text() == "b"
