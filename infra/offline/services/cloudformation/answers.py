"""What CloudFormation's operations answer, from what the engine remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.offline.services.cloudformation.stack import (
    ChangeSet,
    Definition,
    Event,
    Resource,
    Stack,
)
from infra.offline.services.cloudformation.template import Template

Answer = dict[str, Any]

#: Events in an answer; the CLI asks for older ones until it meets one that it knows.
EVENTS_PER_PAGE = 100

#: Members of a change that are told only to who asks for the properties' values.
_VALUES = ("AfterContext", "BeforeContext")
_VALUES_OF_TARGET = ("AfterValue", "AttributeChangeType", "BeforeValue", "Path")


def page_of(events: list[Event], token: str | None) -> tuple[list[Event], str | None]:
    """A page of `events`, newest first; the token names the last event of the page before."""
    start = 0
    if token:
        start = next(
            (place + 1 for place, event in enumerate(events) if event.event_id == token), 0
        )
    page = events[start : start + EVENTS_PER_PAGE]
    more = len(events) > start + EVENTS_PER_PAGE
    return page, page[-1].event_id if more else None


def summary_of(stack: Stack) -> Answer:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "TemplateDescription": stack.definition.template.description if stack.definition else None,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def description_of(stack: Stack) -> Answer:
    definition = stack.definition
    described = summary_of(stack)
    described["Description"] = described.pop("TemplateDescription")
    return {
        **described,
        "ChangeSetId": stack.change_set_id,
        "Parameters": _parameters(definition) if definition else [],
        "DisableRollback": stack.rollback_disabled,
        "RollbackConfiguration": {},
        "NotificationARNs": definition.notification_arns if definition else [],
        "Capabilities": definition.capabilities if definition else [],
        "RoleARN": definition.role_arn if definition else None,
        "Tags": _tags(definition) if definition else [],
        "Outputs": stack.outputs,
        "EnableTerminationProtection": stack.protected,
    }


def _parameters(definition: Definition) -> list[Answer]:
    parameters = definition.parameters
    return [
        {
            "ParameterKey": name,
            "ParameterValue": "****" if name in parameters.hidden else value,
            **({"ResolvedValue": parameters.resolved[name]} if name in parameters.resolved else {}),
        }
        for name, value in parameters.given.items()
    ]


def _tags(definition: Definition) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in definition.tags.items()]


def event_of(stack: Stack, event: Event) -> Answer:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "EventId": event.event_id,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.type,
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason,
        "ClientRequestToken": event.token,
        "Timestamp": event.at,
    }


def resource_of(stack: Stack, resource: Resource) -> Answer:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason,
        "Timestamp": resource.changed,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def change_set_of(stack: Stack, change_set: ChangeSet, *, with_values: bool) -> Answer:
    definition = change_set.definition
    return {
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.change_set_id,
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "Description": change_set.description,
        "Parameters": _parameters(definition),
        "CreationTime": change_set.created,
        "ExecutionStatus": change_set.execution,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "NotificationARNs": definition.notification_arns,
        "RollbackConfiguration": {},
        "Capabilities": definition.capabilities,
        "Tags": _tags(definition),
        "Changes": [
            change if with_values else _without_values(change) for change in change_set.changes
        ],
        "IncludeNestedStacks": False,
        "ImportExistingResources": change_set.importing,
        "OnStackFailure": change_set.on_failure,
    }


def _without_values(change: Mapping[str, Any]) -> Answer:
    told = {name: value for name, value in change["ResourceChange"].items() if name not in _VALUES}
    if "Details" in told:
        told["Details"] = [
            {
                **detail,
                "Target": {
                    name: value
                    for name, value in detail["Target"].items()
                    if name not in _VALUES_OF_TARGET
                },
            }
            for detail in told["Details"]
        ]
    return {**change, "ResourceChange": told}


def change_set_summary_of(stack: Stack, change_set: ChangeSet) -> Answer:
    return {
        "ChangeSetId": change_set.change_set_id,
        "ChangeSetName": change_set.name,
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "ExecutionStatus": change_set.execution,
        "CreationTime": change_set.created,
        "Description": change_set.description,
        "ImportExistingResources": change_set.importing,
    }


def declared_parameters(template: Template) -> list[Answer]:
    return [
        {
            "ParameterKey": name,
            "DefaultValue": None if "Default" not in declared else str(declared["Default"]),
            "ParameterType": declared.get("Type", "String"),
            "NoEcho": str(declared.get("NoEcho", "false")).lower() == "true",
            "Description": declared.get("Description"),
            "ParameterConstraints": {
                "AllowedValues": [str(value) for value in declared.get("AllowedValues", [])]
            },
        }
        for name, declared in template.parameters.items()
    ]
