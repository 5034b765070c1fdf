"""Groups of one-time schedules. The schedules themselves are the broker's, made at run time."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from typing import ClassVar

from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    tag_changes,
)


class ScheduleGroup(ResourceType):
    """A group; deleting it deletes its schedules."""

    type: ClassVar[str] = "AWS::Scheduler::ScheduleGroup"
    properties: ClassVar[tuple[str, ...]] = ("Name", "Tags")
    replaced_by: ClassVar[tuple[str, ...]] = ("Name",)
    attributes: ClassVar[tuple[str, ...]] = (
        "Arn",
        "CreationDate",
        "LastModificationDate",
        "State",
    )
    named_by: ClassVar[str | None] = "Name"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("Name") or scope.generated_name(64)
        tags = list(wanted.get("Tags", ())) or None
        scope.call("scheduler", "CreateScheduleGroup", Name=name, Tags=tags)
        return self._made(scope.exists(name), scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        set_tags, removed = tag_changes(before, wanted)
        group = self._made(made, scope)
        arn = group.attributes["Arn"]
        if removed:
            scope.call("scheduler", "UntagResource", ResourceArn=arn, TagKeys=removed)
        if set_tags:
            scope.call("scheduler", "TagResource", ResourceArn=arn, Tags=set_tags)
        return group

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "scheduler", "DeleteScheduleGroup", unless=("ResourceNotFoundException",), Name=made
        )

    @staticmethod
    def _made(name: str, scope: Scope) -> Made:
        group = scope.call("scheduler", "GetScheduleGroup", Name=name)
        return Made(
            name,
            {
                "Arn": group["Arn"],
                "CreationDate": group["CreationDate"].isoformat(),
                "LastModificationDate": group["LastModificationDate"].isoformat(),
                "State": group["State"],
            },
        )


TYPES: tuple[ResourceType, ...] = (ScheduleGroup(),)
