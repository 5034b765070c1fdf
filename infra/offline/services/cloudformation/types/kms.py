"""Keys and their aliases. A deleted key pends deletion, as on AWS."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from typing import ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    is_set,
    tag_changes,
)


class Key(ResourceType):
    """A customer-managed key."""

    type: ClassVar[str] = "AWS::KMS::Key"
    properties: ClassVar[tuple[str, ...]] = (
        "Description",
        "EnableKeyRotation",
        "Enabled",
        "KeyPolicy",
        "KeySpec",
        "KeyUsage",
        "MultiRegion",
        "PendingWindowInDays",
        "RotationPeriodInDays",
        "Tags",
    )
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "KeyId")

    def create(self, wanted: Properties, scope: Scope) -> Made:
        policy = wanted.get("KeyPolicy")
        key = scope.call(
            "kms",
            "CreateKey",
            Description=wanted.get("Description"),
            KeySpec=wanted.get("KeySpec"),
            KeyUsage=wanted.get("KeyUsage"),
            MultiRegion=wanted.get("MultiRegion"),
            Policy=None if policy is None else json.dumps(policy),
            Tags=[
                {"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in wanted.get("Tags", ())
            ],
        )["KeyMetadata"]
        made = scope.exists(key["KeyId"])
        self._set_state(made, {}, wanted, scope)
        return Made(made, {"Arn": key["Arn"], "KeyId": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        for name in ("KeySpec", "KeyUsage", "MultiRegion"):
            if before.get(name) != wanted.get(name):
                raise ResourceError(f"Updates to {name} are not supported.")
        if wanted.get("KeyPolicy") != before.get("KeyPolicy"):
            if "KeyPolicy" not in wanted:
                raise ResourceError("Removing KeyPolicy is not supported.")
            scope.call(
                "kms",
                "PutKeyPolicy",
                KeyId=made,
                PolicyName="default",
                Policy=json.dumps(wanted["KeyPolicy"]),
            )
        if wanted.get("Description") != before.get("Description"):
            scope.call(
                "kms",
                "UpdateKeyDescription",
                KeyId=made,
                Description=wanted.get("Description", ""),
            )
        self._set_state(made, before, wanted, scope)
        set_tags, removed = tag_changes(before, wanted)
        if removed:
            scope.call("kms", "UntagResource", KeyId=made, TagKeys=removed)
        if set_tags:
            scope.call(
                "kms",
                "TagResource",
                KeyId=made,
                Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in set_tags],
            )
        key = scope.call("kms", "DescribeKey", KeyId=made)["KeyMetadata"]
        return Made(made, {"Arn": key["Arn"], "KeyId": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "kms",
            "ScheduleKeyDeletion",
            # A key that pends deletion already is as good as deleted.
            unless=("KMSInvalidStateException", "NotFoundException"),
            KeyId=made,
            PendingWindowInDays=properties.get("PendingWindowInDays", 30),
        )

    @staticmethod
    def _set_state(made: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        rotation = is_set(wanted.get("EnableKeyRotation", False))
        days = wanted.get("RotationPeriodInDays")
        if rotation:
            scope.call("kms", "EnableKeyRotation", KeyId=made, RotationPeriodInDays=days)
        elif is_set(before.get("EnableKeyRotation", False)):
            scope.call("kms", "DisableKeyRotation", KeyId=made)
        enabled = is_set(wanted.get("Enabled", True))
        if enabled != is_set(before.get("Enabled", True)):
            scope.call("kms", "EnableKey" if enabled else "DisableKey", KeyId=made)


class Alias(ResourceType):
    """A key's name."""

    type: ClassVar[str] = "AWS::KMS::Alias"
    properties: ClassVar[tuple[str, ...]] = ("AliasName", "TargetKeyId")
    required: ClassVar[tuple[str, ...]] = ("AliasName", "TargetKeyId")
    replaced_by: ClassVar[tuple[str, ...]] = ("AliasName",)
    named_by: ClassVar[str | None] = "AliasName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        name = wanted["AliasName"]
        there = scope.attempt("kms", "DescribeKey", unless=("NotFoundException",), KeyId=name)
        return Made(name) if there else None

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted["AliasName"]
        scope.call("kms", "CreateAlias", AliasName=name, TargetKeyId=wanted["TargetKeyId"])
        return Made(name)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        scope.call("kms", "UpdateAlias", AliasName=made, TargetKeyId=wanted["TargetKeyId"])
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("kms", "DeleteAlias", unless=("NotFoundException",), AliasName=made)


TYPES: tuple[ResourceType, ...] = (Key(), Alias())
