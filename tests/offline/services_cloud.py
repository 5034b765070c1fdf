"""The academy's functions, really run, in an embedded cloud without its stacks: for faults."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from infra.constructs import bundle
from infra.offline.server import Cloud
from tests.offline import whole_cloud

ACCOUNT = "123456789012"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
EVERYTHING = (["*"], "*")


def bundled(package: str) -> bytes:
    """What the stacks upload of a service, as a zip."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        bundle.stage(package, Path(folder))
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return content.getvalue()


def function(
    cloud: Cloud,
    package: str,
    name: str,
    environment: dict[str, str],
    *,
    timeout: int = 60,
    retries: int = 2,
) -> str:
    """The service `earth-<name>` of a package; its lost events go to the queue `earth-lost`."""
    role = whole_cloud.role(cloud, f"earth-{name}", "lambda", EVERYTHING)
    api = whole_cloud.client(cloud, "lambda")
    made = api.create_function(
        FunctionName=f"earth-{name}",
        Runtime="python3.11",
        Handler=f"infra.services.{package}.handler.{name}",
        Role=role,
        Code={"ZipFile": bundled(package)},
        Timeout=timeout,
        Environment={
            "Variables": {"COHORT": "earth", "SETTINGS_PARAMETER": SETTINGS, **environment}
        },
    )
    api.put_function_event_invoke_config(
        FunctionName=f"earth-{name}",
        MaximumRetryAttempts=retries,
        DestinationConfig={"OnFailure": {"Destination": lost_queue(cloud)}},
    )
    return str(made["FunctionArn"])


SETTINGS = "/academy/earth/settings"


def lost_queue(cloud: Cloud) -> str:
    """The ARN of the queue of lost events, made if need be."""
    sqs = whole_cloud.client(cloud, "sqs")
    url = sqs.create_queue(QueueName="earth-lost")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])


def rule(cloud: Cloud, name: str, function_arn: str, **how: Any) -> None:
    """A rule that calls the function: `pattern` of events, or `rate`."""
    events = whole_cloud.client(cloud, "events")
    made = events.put_rule(
        Name=name,
        **({"EventPattern": json.dumps(how["pattern"])} if "pattern" in how else {}),
        **({"ScheduleExpression": how["rate"]} if "rate" in how else {}),
    )
    whole_cloud.client(cloud, "lambda").add_permission(
        FunctionName=function_arn,
        StatementId=name,
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=made["RuleArn"],
    )
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function_arn}])
