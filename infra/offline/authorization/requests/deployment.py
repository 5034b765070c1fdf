"""CloudFormation and CloudTrail: what the CDK CLI's own roles call."""

from __future__ import annotations

from collections.abc import Iterator

from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    TAG_KEYS,
    Question,
    arn_of,
    form_tags,
    keys_of,
    maps,
    pass_role,
    some,
)
from infra.offline.authorization.wire import Call

_STACK = (
    "ContinueUpdateRollback",
    "CreateChangeSet",
    "CreateStack",
    "DeleteChangeSet",
    "DeleteStack",
    "DescribeChangeSet",
    "DescribeEvents",
    "DescribeStackEvents",
    "DescribeStackResource",
    "DescribeStackResources",
    "DescribeStacks",
    "ExecuteChangeSet",
    "GetStackPolicy",
    "GetTemplate",
    "GetTemplateSummary",
    "ListStackResources",
    "RollbackStack",
    "SetStackPolicy",
    "UpdateStack",
    "UpdateTerminationProtection",
)


@maps("cloudformation", *_STACK)
def _stack(call: Call, account: str) -> Iterator[Question]:
    # A change set's ARN alone does not say which stack it is for; nor does no name at all.
    named = call.params.get("StackName")
    resource = "*"
    if named:
        resource = state.stack_arn(account, call.region, named) or (
            named
            if named.startswith("arn:")
            else arn_of(call, account, "cloudformation", f"stack/{named}/*")
        )
    context = form_tags(call.params) | some(
        cloudformation__RoleArn=call.params.get("RoleARN"),
        cloudformation__ChangeSetName=call.params.get("ChangeSetName"),
        cloudformation__TemplateUrl=call.params.get("TemplateURL"),
    )
    keys = TAG_KEYS | keys_of("cloudformation", "RoleArn", "ChangeSetName", "TemplateUrl")
    yield Question(f"cloudformation:{call.operation}", resource, context, keys)
    yield from pass_role(call.params.get("RoleARN"), "cloudformation.amazonaws.com")


@maps("cloudformation", "ListStacks")
def _list_stacks(_call: Call, _account: str) -> Iterator[Question]:
    yield Question("cloudformation:ListStacks", "*")


@maps("cloudtrail", "LookupEvents")
def _lookup_events(_call: Call, _account: str) -> Iterator[Question]:
    yield Question("cloudtrail:LookupEvents", "*")
