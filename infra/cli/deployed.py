"""What is deployed of a cohort: its stacks and their templates, as CloudFormation has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.assurance.templates import Templates
from infra.cli.account import Site
from infra.cli.terminal import Refused
from infra.cohort.prices import PriceList

#: The tag by which a stack is a cohort's, whatever its name begins with (stacks/base.py).
TAG = "academy:cohort"

#: Statuses of stacks without resources of their own: a first deploy that is planned, or failed.
EMPTY = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE")
GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED", "CREATE_FAILED")


@dataclass(frozen=True)
class DeployedStack:
    """One stack that is there.

    Attributes:
        template: as it was deployed, with the parameters that were given as its defaults, and
            without resources that are not there.
        physical: the id of each resource by its logical id.
        protected: whether CloudFormation refuses to delete it.
        policy: its stack policy; None if it has none.
    """

    name: str
    status: str
    template: Mapping[str, Any]
    physical: Mapping[str, str]
    protected: bool
    policy: str | None

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")


@dataclass(frozen=True)
class Deployed:
    """All stacks of the cohort that are there, by name."""

    stacks: Mapping[str, DeployedStack]

    @property
    def templates(self) -> Templates:
        return Templates({name: stack.template for name, stack in self.stacks.items()})

    @property
    def ids(self) -> set[str]:
        """The physical ids of everything that a stack has."""
        return {each for stack in self.stacks.values() for each in stack.physical.values()}


def read(site: Site, *, waiting: bool = False) -> Deployed:
    """The cohort's stacks in the site's account and region.

    Args:
        waiting: take stacks that are being worked on as they are: the caller waits for them.

    Raises:
        Refused: if one is being worked on: what it is cannot be told until that is over.
    """
    client = site.client("cloudformation")
    found = {each["StackName"]: _stack(client, each) for each in described(site)}
    busy = [name for name, stack in found.items() if stack.busy]
    if busy and not waiting:
        raise Refused(
            f"CloudFormation is at work on {', '.join(busy)}: wait until that is over, and ask "
            "again"
        )
    return Deployed(found)


def described(site: Site, *, empty: bool = False) -> list[dict[str, Any]]:
    """The cohort's stacks as CloudFormation describes them; those that hold nothing if `empty`."""
    found = []
    for page in site.client("cloudformation").get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
            if tags.get(TAG) == site.cohort.name and (empty or stack["StackStatus"] not in EMPTY):
                found.append(stack)
    return found


def failed(site: Site) -> list[str]:
    """Stacks whose first deploy failed, and that the CDK could not delete to try again, because
    they are protected."""
    return [
        each["StackName"]
        for each in described(site, empty=True)
        if each["StackStatus"] == "ROLLBACK_COMPLETE" and each.get("EnableTerminationProtection")
    ]


def _stack(client: Any, described: Mapping[str, Any]) -> DeployedStack:
    name = described["StackName"]
    physical = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in client.get_paginator("list_stack_resources").paginate(StackName=name)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceStatus"] not in GONE and resource.get("PhysicalResourceId")
    }
    body = client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    template: dict[str, Any] = body if isinstance(body, dict) else _read(name, body)
    given = {each["ParameterKey"]: each.get("ParameterValue") for each in described["Parameters"]}
    declared = template.get("Parameters", {})
    return DeployedStack(
        name=name,
        status=described["StackStatus"],
        template={
            **template,
            "Parameters": {
                key: {**each, "Default": given.get(key, each.get("Default"))}
                for key, each in declared.items()
            },
            "Resources": {
                key: each for key, each in template.get("Resources", {}).items() if key in physical
            },
        },
        physical=physical,
        protected=bool(described.get("EnableTerminationProtection")),
        policy=client.get_stack_policy(StackName=name).get("StackPolicyBody"),
    )


def _read(name: str, text: str) -> dict[str, Any]:
    """A template's text: the CDK CLI sends small ones as YAML, and uploads large ones as JSON."""
    try:
        document = json.loads(text)
    except ValueError:
        document = _yaml(text)
    if not isinstance(document, dict):
        raise Refused(f"the template of stack {name} is no mapping: was it deployed by the CDK?")
    return document


def _yaml(text: str) -> Any:
    # Imported here: most templates need it not.
    import yaml

    try:
        # The CDK writes the long forms of functions (Ref, Fn::GetAtt), which are plain YAML.
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None


def elsewhere(site: Site) -> Iterator[str]:
    """Other regions in which a cohort of this name stands: a file whose region was changed."""
    for region in PriceList.snapshot().regions():
        if region == site.cohort.region:
            continue
        client = boto3.client("cloudformation", region_name=region)
        try:
            client.describe_stacks(StackName=site.cohort.names.foundation_stack)
        except ClientError:
            # It is not there, or the region is not switched on in this account.
            continue
        yield region
