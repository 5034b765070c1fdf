"""Tables: the ledger and the board."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import time
from typing import Any, ClassVar

from moto.dynamodb.exceptions import ResourceNotFoundException

from infra.offline import patching
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    Refused,
    ResourceType,
    Scope,
    tag_changes,
)


@patching.replaces(
    "moto.dynamodb.models:DynamoDBBackend.tag_resource",
    because="moto keeps two tags of one key where AWS overwrites, and tags what is not there",
)
def _tag_resource(original: Any, backend: Any, arn: str, tags: dict[str, str]) -> None:
    if all(table.table_arn != arn for table in backend.tables.values()):
        raise ResourceNotFoundException
    backend.untag_resource(arn, list(tags))
    original(backend, arn, tags)


@patching.replaces(
    "moto.dynamodb.models:DynamoDBBackend.update_time_to_live",
    because="moto names the attribute of an expiry that is turned off; AWS says DISABLED alone",
)
def _update_time_to_live(original: Any, backend: Any, name: str, setting: dict[str, Any]) -> None:
    original(backend, name, setting)
    if not setting["Enabled"]:
        backend.get_table(name).ttl.pop("AttributeName", None)


@patching.replaces(
    "moto.dynamodb.responses:DynamoHandler.update_table",
    because="moto takes another encryption of a table and forgets it",
)
def _update_table(original: Any, handler: Any) -> Any:
    answer = original(handler)
    setting = handler.body.get("SSESpecification")
    if setting is None:
        return answer
    table = handler.dynamodb_backend.get_table(handler.body["TableName"])
    if setting.get("Enabled"):
        table.sse_specification = dict(setting)
        if "KMSMasterKeyId" not in setting:
            table.sse_specification["KMSMasterKeyId"] = table._get_default_encryption_key(
                handler.current_account, handler.region
            )
    else:
        table.sse_specification = None
    return type(answer)(table.describe())


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
        "TableName",
        "TimeToLiveSpecification",
    )
    required: ClassVar[tuple[str, ...]] = ("KeySchema",)
    replaced_by: ClassVar[tuple[str, ...]] = ("KeySchema", "LocalSecondaryIndexes", "TableName")
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)
    named_by: ClassVar[str | None] = "TableName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        try:
            return self._made(wanted["TableName"], scope)
        except Refused as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("TableName") or scope.generated_name(255)
        scope.call(
            "dynamodb",
            "CreateTable",
            TableName=name,
            SSESpecification=_encryption(wanted),
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
        for change in self._index_changes(made, before, wanted, scope):
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
    def _index_changes(
        made: str, before: Properties, wanted: Properties, scope: Scope
    ) -> list[dict[str, Any]]:
        """The indexes that go and that come, from those that are there in fact.

        A change that stopped half-way may have deleted one and not made its successor.
        """
        table = scope.call("dynamodb", "DescribeTable", TableName=made)["Table"]
        there = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())}
        old, new = (
            {index["IndexName"]: index for index in each.get("GlobalSecondaryIndexes", ())}
            for each in (before, wanted)
        )
        gone = [name for name in old if old[name] != new.get(name) and name in there]
        left = there - set(gone)
        return [
            *({"Delete": {"IndexName": name}} for name in gone),
            *({"Create": index} for name, index in new.items() if name not in left),
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
        return Made(name, {"Arn": table["TableArn"]})


TYPES: tuple[ResourceType, ...] = (Table(),)
