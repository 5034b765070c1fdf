"""Log groups."""

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


class LogGroup(ResourceType):
    """A log group with its retention and key."""

    type: ClassVar[str] = "AWS::Logs::LogGroup"
    properties: ClassVar[tuple[str, ...]] = (
        "KmsKeyId",
        "LogGroupClass",
        "LogGroupName",
        "RetentionInDays",
        "Tags",
    )
    replaced_by: ClassVar[tuple[str, ...]] = ("LogGroupName",)
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)
    named_by: ClassVar[str | None] = "LogGroupName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        name = wanted["LogGroupName"]
        found = scope.call("logs", "DescribeLogGroups", logGroupNamePrefix=name)["logGroups"]
        there = any(group["logGroupName"] == name for group in found)
        return self._made(name, scope) if there else None

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("LogGroupName") or scope.generated_name(512)
        scope.call(
            "logs",
            "CreateLogGroup",
            logGroupName=name,
            kmsKeyId=wanted.get("KmsKeyId"),
            logGroupClass=wanted.get("LogGroupClass"),
            tags={tag["Key"]: tag["Value"] for tag in wanted.get("Tags", ())} or None,
        )
        scope.exists(name)
        self._set_retention(name, {}, wanted, scope)
        return self._made(name, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._set_retention(made, before, wanted, scope)
        key = wanted.get("KmsKeyId")
        if key != before.get("KmsKeyId"):
            if key is None:
                scope.call("logs", "DisassociateKmsKey", logGroupName=made)
            else:
                scope.call("logs", "AssociateKmsKey", logGroupName=made, kmsKeyId=key)
        set_tags, removed = tag_changes(before, wanted)
        arn = scope.arn("logs", f"log-group:{made}")
        if removed:
            scope.call("logs", "UntagResource", resourceArn=arn, tagKeys=removed)
        if set_tags:
            tags = {tag["Key"]: tag["Value"] for tag in set_tags}
            scope.call("logs", "TagResource", resourceArn=arn, tags=tags)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "logs", "DeleteLogGroup", unless=("ResourceNotFoundException",), logGroupName=made
        )

    @staticmethod
    def _set_retention(made: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        days = wanted.get("RetentionInDays")
        if days == before.get("RetentionInDays"):
            return
        if days is None:
            scope.call("logs", "DeleteRetentionPolicy", logGroupName=made)
        else:
            scope.call("logs", "PutRetentionPolicy", logGroupName=made, retentionInDays=days)

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        return Made(made, {"Arn": scope.arn("logs", f"log-group:{made}:*")})


TYPES: tuple[ResourceType, ...] = (LogGroup(),)
