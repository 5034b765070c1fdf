"""Under the whole cloud: functions and schedules act as their roles, and IAM decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from infra.offline.server import Cloud
from infra.offline.services import events
from tests.offline.small_cloud import ACCOUNT, REGION, zipped

READER = """
import boto3
def handler(event, context):
    if event.get("source") == "aws.s3":
        where = event["detail"]["bucket"]["name"], event["detail"]["object"]["key"]
    else:
        where = event["bucket"], event["key"]
    s3 = boto3.client("s3")
    body = s3.get_object(Bucket=where[0], Key=where[1])["Body"].read()
    s3.put_object(Bucket=where[0], Key="seen/" + where[1].split("/")[-1], Body=body.upper())
    return "read"
"""


class Academy:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._environment = cloud.client_environment()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.cloud.endpoint,
            region_name=REGION,
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
        )

    def role(self, name: str, service: str, *statements: dict[str, Any]) -> str:
        iam = self.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]
        if statements:
            iam.put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=_document(*statements)
            )
        return str(arn["Arn"])


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def academy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Academy]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        made = Academy(running)
        made.client("s3").create_bucket(Bucket="work-bucket")
        made.client("s3").put_bucket_notification_configuration(
            Bucket="work-bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        role = made.role(
            "reader",
            "lambda.amazonaws.com",
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": [
                    "arn:aws:s3:::work-bucket/submissions/*",
                    "arn:aws:s3:::work-bucket/seen/*",
                ],
            },
        )
        made.client("lambda").create_function(
            FunctionName="reader",
            Runtime="python3.11",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": zipped({"app.py": READER})},
            Timeout=30,
        )
        yield made


def call(academy: Academy, key: str) -> Any:
    academy.client("s3").put_object(Bucket="work-bucket", Key=key, Body=b"abc")
    reply = academy.client("lambda").invoke(
        FunctionName="reader",
        Payload=json.dumps({"bucket": "work-bucket", "key": key}).encode(),
    )
    return json.loads(reply["Payload"].read())


def test_a_function_may_what_its_role_may(academy: Academy) -> None:
    assert call(academy, "submissions/one") == "read"


def test_a_function_may_no_more_than_its_role(academy: Academy) -> None:
    answer = call(academy, "answers/one")
    assert "AccessDenied" in answer["errorMessage"]
    assert "assumed-role/reader/reader" in answer["errorMessage"]


def test_a_warm_worker_keeps_its_credentials_when_months_pass(academy: Academy) -> None:
    assert call(academy, "submissions/before") == "read"
    academy.cloud.runtime.clock.move(by=timedelta(days=100))
    assert call(academy, "submissions/after") == "read"


def test_an_upload_runs_the_scorer(academy: Academy) -> None:
    api = academy.client("events")
    api.put_rule(
        Name="scorer",
        EventPattern=json.dumps(
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": ["work-bucket"]},
                    "object": {"key": [{"prefix": "submissions/"}]},
                },
            }
        ),
    )
    api.put_targets(
        Rule="scorer",
        Targets=[{"Id": "1", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:reader"}],
    )
    academy.client("lambda").add_permission(
        FunctionName="reader",
        StatementId="scorer",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/scorer",
    )
    s3 = academy.client("s3")
    s3.put_object(Bucket="work-bucket", Key="submissions/p/falcon/x.csv", Body=b"forecast")
    assert events.drain(30)
    assert s3.get_object(Bucket="work-bucket", Key="seen/x.csv")["Body"].read() == b"FORECAST"


@pytest.mark.parametrize(
    ("allowed", "answer"), [(False, "AccessDeniedException"), (True, "ResourceNotFound")]
)
def test_a_schedule_may_what_its_role_may(
    academy: Academy, allowed: bool, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"stopper-{allowed}"
    app = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:app/*"
    statement = {"Effect": "Allow", "Action": "sagemaker:DeleteApp", "Resource": app}
    role = academy.role(name, "scheduler.amazonaws.com", *([statement] if allowed else []))
    clock = academy.cloud.runtime.clock
    moment = clock.now() + timedelta(hours=1)
    academy.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp",
            "RoleArn": role,
            "Input": json.dumps(
                {
                    "DomainId": "d-abcdef123456",
                    "SpaceName": "earth--ana",
                    "AppType": "JupyterLab",
                    "AppName": "default",
                }
            ),
        },
    )
    clock.move(by=timedelta(hours=2))
    [told] = [record.message for record in caplog.records if f"default/{name}" in record.message]
    assert answer in told


def test_the_control_routes_are_served(academy: Academy) -> None:
    import urllib.request

    with urllib.request.urlopen(f"{academy.cloud.endpoint}/_academy/processes") as reply:  # noqa: S310
        listed = json.loads(reply.read())["processes"]
    assert "function reader" in {process["name"] for process in listed}
