"""A running cloud, its clients, and short ways to deploy a template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from infra.offline.server import Cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def client(cloud):
    """A client of a service, over the wire, as the administrator."""
    environment = cloud.client_environment()
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    made: dict[str, Any] = {}

    def get(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, endpoint_url=cloud.endpoint)
        return made[service]

    return get


@dataclass
class Deployed:
    """A stack as DescribeStacks and its events tell."""

    name: str
    status: str
    outputs: dict[str, str]
    #: (logical id, status), oldest first, without IN_PROGRESS.
    events: list[tuple[str, str]]
    reasons: dict[str, str]


class Stacks:
    """Deploys templates and reads back what became of them."""

    def __init__(self, cloudformation: Any) -> None:
        self.api = cloudformation
        self.names: list[str] = []

    def deploy(
        self, name: str, resources: dict, outputs: dict | None = None, **sections
    ) -> Deployed:
        """Create or update by a change set, as the CDK CLI does."""
        body = {
            "Resources": resources,
            "Outputs": {key: {"Value": value} for key, value in (outputs or {}).items()},
        }
        parameters = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in sections.pop("given", {}).items()
        ]
        kind = "UPDATE" if self.exists(name) else "CREATE"
        self.api.delete_change_set(StackName=name, ChangeSetName="cdk-deploy-change-set")
        change_set = self.api.create_change_set(
            StackName=name,
            ChangeSetName="cdk-deploy-change-set",
            ChangeSetType=kind,
            TemplateBody=json.dumps(body | sections),
            Parameters=parameters,
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        self.names.append(name)
        self.api.execute_change_set(ChangeSetName=change_set["Id"], StackName=name)
        return self.describe(change_set["StackId"])

    def exists(self, name: str) -> bool:
        return any(
            stack["StackName"] == name and stack["StackStatus"] != "DELETE_COMPLETE"
            for stack in self.api.list_stacks()["StackSummaries"]
        )

    def describe(self, name: str) -> Deployed:
        stack = self.api.describe_stacks(StackName=name)["Stacks"][0]
        pages = self.api.get_paginator("describe_stack_events").paginate(StackName=name)
        events = [event for page in pages for event in page["StackEvents"]][::-1]
        return Deployed(
            name=stack["StackName"],
            status=stack["StackStatus"],
            outputs={each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]},
            events=[
                (event["LogicalResourceId"], event["ResourceStatus"])
                for event in events
                if not event["ResourceStatus"].endswith("IN_PROGRESS")
            ],
            reasons={
                event["LogicalResourceId"]: event["ResourceStatusReason"]
                for event in events
                if "FAILED" in event["ResourceStatus"]
            },
        )

    def delete(self, name: str) -> Deployed:
        stack_id = self.api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.api.delete_stack(StackName=name)
        return self.describe(stack_id)

    def resource(self, name: str, logical_id: str) -> str:
        """The physical id."""
        answer = self.api.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
        return answer["StackResourceDetail"]["PhysicalResourceId"]


@pytest.fixture
def stacks(client) -> Iterator[Stacks]:
    used = Stacks(client("cloudformation"))
    yield used
    for name in reversed(used.names):
        if used.exists(name):
            used.delete(name)
