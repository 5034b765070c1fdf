"""What the embedded CloudFormation remembers of a stack."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.offline.services.cloudformation.parameters import Parameters
from infra.offline.services.cloudformation.rollback import Unfinished
from infra.offline.services.cloudformation.stack_policy import StackPolicy
from infra.offline.services.cloudformation.template import Template


def timestamp() -> datetime:
    """Now, by the machine. Not by the cloud's clock, which tests move: the CDK CLI shows only the
    events that are later than its own start."""
    return datetime.now(UTC)


@dataclass(eq=False)
class Resource:
    """A resource that a stack owns. Each record is itself: two of one shape are two."""

    logical_id: str
    type: str
    physical_id: str
    properties: dict[str, Any]
    attributes: Mapping[str, Any]
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    needs: frozenset[str] = frozenset()
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    changed: datetime = field(default_factory=timestamp)


@dataclass(frozen=True)
class Event:
    """A line of a stack's history."""

    event_id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None
    token: str | None
    at: datetime


@dataclass
class Definition:
    """What a stack is told to be."""

    template: Template
    parameters: Parameters
    tags: dict[str, str] = field(default_factory=dict)
    role_arn: str | None = None
    capabilities: list[str] = field(default_factory=list)
    notification_arns: list[str] = field(default_factory=list)
    description: str | None = None


@dataclass
class Stack:
    """A stack, live or deleted."""

    stack_id: str
    name: str
    account: str
    region: str
    status: str
    definition: Definition | None = None
    #: In the order of creation.
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: list[dict[str, str]] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    reason: str | None = None
    protected: bool = False
    policy: StackPolicy | None = None
    change_set_id: str | None = None
    token: str | None = None
    #: The way back from a deployment that failed and is neither undone nor mended.
    unfinished: Unfinished | None = None
    rollback_disabled: bool = False
    created: datetime = field(default_factory=timestamp)
    updated: datetime | None = None
    deleted: datetime | None = None

    @property
    def pseudo(self) -> dict[str, Any]:
        """The pseudo parameters."""
        return {
            "AWS::AccountId": self.account,
            "AWS::NotificationARNs": (self.definition.notification_arns if self.definition else []),
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }

    @property
    def exports(self) -> dict[str, str]:
        return {
            output["ExportName"]: output["OutputValue"]
            for output in self.outputs
            if "ExportName" in output
        }

    def enter(self, status: str, reason: str | None = None) -> None:
        """Put the stack itself into `status`, with an event."""
        self.status = status
        self.reason = reason
        self._note(self.name, self.stack_id, "AWS::CloudFormation::Stack", status, reason)

    def note(self, resource: Resource, status: str, reason: str | None = None) -> None:
        """Put a resource into `status`, with an event."""
        resource.status, resource.reason, resource.changed = status, reason, timestamp()
        self._note(resource.logical_id, resource.physical_id, resource.type, status, reason)

    def _note(
        self, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None
    ) -> None:
        # The CLI orders events by their milliseconds, so no two of a stack may share one.
        at = timestamp()
        if self.events:
            at = max(at, self.events[-1].at + timedelta(milliseconds=1))
        self.events.append(
            Event(
                f"{logical_id}-{status}-{uuid.uuid4()}",
                logical_id,
                physical_id,
                kind,
                status,
                reason,
                self.token,
                at,
            )
        )


@dataclass
class ChangeSet:
    """A proposed definition for a stack, and what it would change."""

    change_set_id: str
    name: str
    stack_id: str
    kind: str
    definition: Definition
    changes: list[dict[str, Any]]
    description: str | None
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    execution: str = "AVAILABLE"
    #: Logical ids of resources that are there already and come into the stack.
    imports: frozenset[str] = frozenset()
    importing: bool = False
    #: What becomes of the stack if the change set fails: ROLLBACK, DO_NOTHING or DELETE.
    on_failure: str | None = None
    created: datetime = field(default_factory=timestamp)
