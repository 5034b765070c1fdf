"""EventBridge rules on the default bus."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from typing import ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    Refused,
    ResourceType,
    Scope,
    tag_changes,
)

_GONE = "ResourceNotFoundException"


class Rule(ResourceType):
    """A rule with its targets."""

    type: ClassVar[str] = "AWS::Events::Rule"
    properties: ClassVar[tuple[str, ...]] = (
        "Description",
        "EventBusName",
        "EventPattern",
        "Name",
        "RoleArn",
        "ScheduleExpression",
        "State",
        "Tags",
        "Targets",
    )
    replaced_by: ClassVar[tuple[str, ...]] = ("EventBusName", "Name")
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)
    named_by: ClassVar[str | None] = "Name"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        bus = wanted.get("EventBusName", "default")
        if bus != "default":
            raise ResourceError(
                f"EventBusName {bus} is not modelled by the embedded cloud (modelled: default)."
            )
        name = wanted.get("Name") or scope.generated_name(64)
        if scope.attempt("events", "DescribeRule", unless=(_GONE,), Name=name):
            raise ResourceError(f"Rule {name} already exists")
        made = self._put(name, wanted, scope)
        if wanted.get("Tags"):
            arn = made.attributes["Arn"]
            scope.call("events", "TagResource", ResourceARN=arn, Tags=wanted["Tags"])
        return made

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        kept = {target["Id"] for target in wanted.get("Targets", ())}
        gone = [target["Id"] for target in before.get("Targets", ()) if target["Id"] not in kept]
        if gone:
            scope.call("events", "RemoveTargets", Rule=made, Ids=gone)
        updated = self._put(made, wanted, scope)
        set_tags, removed = tag_changes(before, wanted)
        arn = updated.attributes["Arn"]
        if removed:
            scope.call("events", "UntagResource", ResourceARN=arn, TagKeys=removed)
        if set_tags:
            scope.call("events", "TagResource", ResourceARN=arn, Tags=set_tags)
        return updated

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        try:
            targets = scope.call("events", "ListTargetsByRule", Rule=made)["Targets"]
            if targets:
                ids = [target["Id"] for target in targets]
                scope.call("events", "RemoveTargets", Rule=made, Ids=ids)
            scope.call("events", "DeleteRule", Name=made)
        except Refused as error:
            if error.code != _GONE:
                raise

    @staticmethod
    def _put(name: str, wanted: Properties, scope: Scope) -> Made:
        pattern = wanted.get("EventPattern")
        arn = scope.call(
            "events",
            "PutRule",
            Name=name,
            Description=wanted.get("Description"),
            EventPattern=None if pattern is None else json.dumps(pattern),
            ScheduleExpression=wanted.get("ScheduleExpression"),
            State=wanted.get("State"),
            RoleArn=wanted.get("RoleArn"),
        )["RuleArn"]
        scope.exists(name)
        if wanted.get("Targets"):
            answer = scope.call("events", "PutTargets", Rule=name, Targets=wanted["Targets"])
            for failure in answer.get("FailedEntries", ()):
                raise ResourceError(
                    f"Target {failure.get('TargetId')}: {failure.get('ErrorMessage')}"
                )
        return Made(name, {"Arn": arn})


TYPES: tuple[ResourceType, ...] = (Rule(),)
