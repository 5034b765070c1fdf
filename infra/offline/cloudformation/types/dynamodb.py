"""Tables: the ledger and the board."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import time
from typing import Any, ClassVar

from infra.offline import patching
from infra.offline.cloudformation.errors import ResourceError
from infra.offline.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    tag_changes,
)


@patching.replaces(
    "moto.dynamodb.models:DynamoDBBackend.tag_resource",
    because="moto keeps two tags of one key where AWS overwrites",
)
def _tag_resource(original: Any, backend: Any, arn: str, tags: dict[str, str]) -> None:
    backend.untag_resource(arn, list(tags))
    original(backend, arn, tags)


_CREATED_WITH = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "TableClass",
    "Tags",
)


def _encryption(wanted: Properties) -> dict[str, Any] | None:
    """CloudFormation says SSEEnabled where the service says Enabled."""
    given = wanted.get("SSESpecification")
    if given is None:
        return None
    return {("Enabled" if name == "SSEEnabled" else name): value for name, value in given.items()}


class Table(ResourceType):
    """A table in one region."""

    type: ClassVar[str] = "AWS::DynamoDB::Table"
    properties: ClassVar[tuple[str, ...]] = (
        *_CREATED_WITH,
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "StreamSpecification",
        "TableName",
        "TimeToLiveSpecification",
    )
    required: ClassVar[tuple[str, ...]] = ("KeySchema",)
    replaced_by: ClassVar[tuple[str, ...]] = ("KeySchema", "LocalSecondaryIndexes", "TableName")
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "StreamArn")
    named_by: ClassVar[str | None] = "TableName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("TableName") or scope.generated_name(255)
        stream = wanted.get("StreamSpecification")
        scope.call(
            "dynamodb",
            "CreateTable",
            TableName=name,
            SSESpecification=_encryption(wanted),
            StreamSpecification={"StreamEnabled": True, **stream} if stream else None,
            **{
                member: wanted[member]
                for member in _CREATED_WITH
                if member in wanted and wanted[member] != []
            },
        )
        scope.exists(name)
        self._wait(name, scope)
        self._set(name, {}, wanted, scope)
        return self._made(name, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        if before.get("StreamSpecification") != wanted.get("StreamSpecification"):
            raise ResourceError(
                f"Updating StreamSpecification of {self.type} is not modelled by the embedded "
                "cloud."
            )
        if before.get("Tags", []) != wanted.get("Tags", []):
            self._retag(made, before, wanted, scope)
        changed = {
            name: wanted[name]
            for name in (
                "BillingMode",
                "DeletionProtectionEnabled",
                "ProvisionedThroughput",
                "TableClass",
            )
            if name in wanted and before.get(name) != wanted[name]
        }
        if before.get("SSESpecification") != wanted.get("SSESpecification"):
            changed["SSESpecification"] = _encryption(wanted) or {"Enabled": False}
        if changed:
            scope.call("dynamodb", "UpdateTable", TableName=made, **changed)
            self._wait(made, scope)
        for change in self._index_changes(before, wanted):
            # One index a call: the service accepts no more.
            scope.call(
                "dynamodb",
                "UpdateTable",
                TableName=made,
                AttributeDefinitions=wanted.get("AttributeDefinitions"),
                GlobalSecondaryIndexUpdates=[change],
            )
            self._wait(made, scope)
        self._set(made, before, wanted, scope)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "dynamodb", "DeleteTable", unless=("ResourceNotFoundException",), TableName=made
        )

    @staticmethod
    def _index_changes(before: Properties, wanted: Properties) -> list[dict[str, Any]]:
        old, new = (
            {index["IndexName"]: index for index in each.get("GlobalSecondaryIndexes", ())}
            for each in (before, wanted)
        )
        gone = [{"Delete": {"IndexName": name}} for name in old if old[name] != new.get(name)]
        return [
            *gone,
            *({"Create": index} for name, index in new.items() if old.get(name) != index),
        ]

    @staticmethod
    def _set(name: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        recovery = "PointInTimeRecoverySpecification"
        if before.get(recovery) != wanted.get(recovery):
            scope.call(
                "dynamodb",
                "UpdateContinuousBackups",
                TableName=name,
                PointInTimeRecoverySpecification=wanted.get(
                    recovery, {"PointInTimeRecoveryEnabled": False}
                ),
            )
        expiry = "TimeToLiveSpecification"
        if before.get(expiry) != wanted.get(expiry):
            setting = wanted.get(expiry) or {**before[expiry], "Enabled": False}
            scope.call(
                "dynamodb", "UpdateTimeToLive", TableName=name, TimeToLiveSpecification=setting
            )

    def _retag(self, name: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        arn = scope.arn("dynamodb", f"table/{name}")
        set_tags, removed = tag_changes(before, wanted)
        if removed:
            scope.call("dynamodb", "UntagResource", ResourceArn=arn, TagKeys=removed)
        if set_tags:
            scope.call("dynamodb", "TagResource", ResourceArn=arn, Tags=set_tags)

    @staticmethod
    def _wait(name: str, scope: Scope) -> None:
        for _ in range(200):
            table = scope.call("dynamodb", "DescribeTable", TableName=name)["Table"]
            if table["TableStatus"] == "ACTIVE":
                return
            time.sleep(0.05)
        raise ResourceError(f"Table {name} did not become ACTIVE.")

    @staticmethod
    def _made(name: str, scope: Scope) -> Made:
        table = scope.call("dynamodb", "DescribeTable", TableName=name)["Table"]
        attributes = {"Arn": table["TableArn"]}
        if "LatestStreamArn" in table:
            attributes["StreamArn"] = table["LatestStreamArn"]
        return Made(name, attributes)


TYPES: tuple[ResourceType, ...] = (Table(),)
