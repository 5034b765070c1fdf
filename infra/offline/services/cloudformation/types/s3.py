"""Buckets and their policies. A policy is stored; who obeys it is the authorization's matter."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from infra.offline import patching
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
)


@patching.replaces(
    "moto.s3.responses:S3Response.get_bucket_notification",
    because="moto keeps that a bucket's events go to EventBridge, but does not say so when asked",
)
def _get_notification(original: Any, response: Any) -> Any:
    status, headers, body = original(response)
    kept = response.backend.get_bucket_notification_configuration(response.bucket_name)
    if kept is not None and kept.event_bridge is not None:
        text = body.decode() if isinstance(body, bytes) else body
        shown = "<EventBridgeConfiguration/>"
        root = "NotificationConfiguration"
        if f"</{root}>" in text:
            text = text.replace(f"</{root}>", f"{shown}</{root}>")
        else:
            text = text.replace("/>", f">{shown}</{root}>")
        body = text
    return status, headers, body


def _encryption(value: Any) -> dict[str, Any]:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        converted: dict[str, Any] = {}
        if "ServerSideEncryptionByDefault" in rule:
            default = dict(rule["ServerSideEncryptionByDefault"])
            converted["ApplyServerSideEncryptionByDefault"] = default
        if "BucketKeyEnabled" in rule:
            converted["BucketKeyEnabled"] = rule["BucketKeyEnabled"]
        rules.append(converted)
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _lifecycle(value: Any) -> dict[str, Any]:
    rules = []
    for rule in value["Rules"]:
        converted: dict[str, Any] = {
            "Status": rule["Status"],
            "Filter": {"Prefix": rule.get("Prefix", "")},
        }
        if "Id" in rule:
            converted["ID"] = rule["Id"]
        for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
            if name in rule:
                converted[name] = rule[name]
        expiration = {}
        if "ExpirationInDays" in rule:
            expiration["Days"] = rule["ExpirationInDays"]
        if "ExpiredObjectDeleteMarker" in rule:
            expiration["ExpiredObjectDeleteMarker"] = rule["ExpiredObjectDeleteMarker"]
        if expiration:
            converted["Expiration"] = expiration
        rules.append(converted)
    return {"LifecycleConfiguration": {"Rules": rules}}


def _notification(value: Any) -> dict[str, Any]:
    configuration: dict[str, Any] = {}
    if "EventBridgeConfiguration" in value:
        bridge = value["EventBridgeConfiguration"]
        if str(bridge.get("EventBridgeEnabled", True)).lower() == "true":
            configuration["EventBridgeConfiguration"] = {}
    return {"NotificationConfiguration": configuration}


def _ownership(value: Any) -> dict[str, Any]:
    return {"OwnershipControls": {"Rules": value["Rules"]}}


def _public_access(value: Any) -> dict[str, Any]:
    return {"PublicAccessBlockConfiguration": value}


def _versioning(value: Any) -> dict[str, Any]:
    return {"VersioningConfiguration": value}


#: property: (operation that sets it, its parameters, operation that removes it).
_SETTINGS: dict[str, tuple[str, Callable[[Any], dict[str, Any]], str | None]] = {
    "BucketEncryption": ("PutBucketEncryption", _encryption, "DeleteBucketEncryption"),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        _lifecycle,
        "DeleteBucketLifecycle",
    ),
    "NotificationConfiguration": ("PutBucketNotificationConfiguration", _notification, None),
    "OwnershipControls": (
        "PutBucketOwnershipControls",
        _ownership,
        "DeleteBucketOwnershipControls",
    ),
    "PublicAccessBlockConfiguration": (
        "PutPublicAccessBlock",
        _public_access,
        "DeletePublicAccessBlock",
    ),
    "VersioningConfiguration": ("PutBucketVersioning", _versioning, None),
}
#: What a setting becomes that the template no longer has and that no operation removes.
_DEFAULTS: dict[str, Any] = {
    "NotificationConfiguration": {},
    "VersioningConfiguration": {"Status": "Suspended"},
}


class Bucket(ResourceType):
    """A bucket. One that holds anything is not deleted."""

    type: ClassVar[str] = "AWS::S3::Bucket"
    properties: ClassVar[tuple[str, ...]] = ("AccessControl", "BucketName", *_SETTINGS, "Tags")
    replaced_by: ClassVar[tuple[str, ...]] = ("BucketName",)
    attributes: ClassVar[tuple[str, ...]] = (
        "Arn",
        "DomainName",
        "DualStackDomainName",
        "RegionalDomainName",
    )
    named_by: ClassVar[str | None] = "BucketName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        name = wanted["BucketName"]
        there = scope.attempt("s3", "HeadBucket", unless=("404", "NoSuchBucket"), Bucket=name)
        return self._made(name, scope) if there else None

    def create(self, wanted: Properties, scope: Scope) -> Made:
        self._check(wanted)
        name = wanted.get("BucketName") or scope.generated_name(63, lower=True)
        # In us-east-1 S3 lets an owner create a bucket twice; CloudFormation does not.
        if scope.attempt("s3", "HeadBucket", unless=("404", "NoSuchBucket"), Bucket=name):
            raise ResourceError(f"{name} already exists")
        location = {"LocationConstraint": scope.region}
        scope.call(
            "s3",
            "CreateBucket",
            Bucket=name,
            CreateBucketConfiguration=None if scope.region == "us-east-1" else location,
        )
        scope.exists(name)
        self._set(name, {}, wanted, scope)
        return self._made(name, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._check(wanted)
        self._set(made, before, wanted, scope)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("s3", "DeleteBucket", unless=("NoSuchBucket",), Bucket=made)

    @staticmethod
    def _check(wanted: Properties) -> None:
        if wanted.get("AccessControl", "Private") != "Private":
            raise ResourceError(
                f"AccessControl {wanted['AccessControl']} is not modelled by the embedded cloud "
                "(modelled: Private)."
            )

    @staticmethod
    def _set(name: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        for setting, (put, convert, remove) in _SETTINGS.items():
            old, new = before.get(setting), wanted.get(setting)
            if old == new:
                continue
            if new is None and remove is not None:
                scope.call("s3", remove, Bucket=name)
            else:
                value = _DEFAULTS[setting] if new is None else new
                scope.call("s3", put, Bucket=name, **convert(value))
        if before.get("Tags") != wanted.get("Tags"):
            tags = list(wanted.get("Tags", ()))
            if tags:
                scope.call("s3", "PutBucketTagging", Bucket=name, Tagging={"TagSet": tags})
            else:
                scope.call("s3", "DeleteBucketTagging", Bucket=name)

    @staticmethod
    def _made(name: str, scope: Scope) -> Made:
        return Made(
            name,
            {
                "Arn": f"arn:aws:s3:::{name}",
                "DomainName": f"{name}.s3.amazonaws.com",
                "DualStackDomainName": f"{name}.s3.dualstack.{scope.region}.amazonaws.com",
                "RegionalDomainName": f"{name}.s3.{scope.region}.amazonaws.com",
            },
        )


class BucketPolicy(ResourceType):
    """Who may do what with a bucket, said by the bucket."""

    type: ClassVar[str] = "AWS::S3::BucketPolicy"
    properties: ClassVar[tuple[str, ...]] = ("Bucket", "PolicyDocument")
    required: ClassVar[tuple[str, ...]] = ("Bucket", "PolicyDocument")
    replaced_by: ClassVar[tuple[str, ...]] = ("Bucket",)

    importable: ClassVar[bool] = True
    found_by: ClassVar[str | None] = "Bucket"

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        gone = ("NoSuchBucket", "NoSuchBucketPolicy")
        bucket = wanted["Bucket"]
        there = scope.attempt("s3", "GetBucketPolicy", unless=gone, Bucket=bucket)
        return Made(bucket) if there else None

    def create(self, wanted: Properties, scope: Scope) -> Made:
        # S3 would put one over the other. CloudFormation does not, as reports of it say.
        if self.existing(wanted, scope):
            raise ResourceError("Bucket Policy Already Exists")
        return self._put(wanted["Bucket"], wanted, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return self._put(made, wanted, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        gone = ("NoSuchBucket", "NoSuchBucketPolicy")
        scope.attempt("s3", "DeleteBucketPolicy", unless=gone, Bucket=made)

    @staticmethod
    def _put(bucket: str, wanted: Properties, scope: Scope) -> Made:
        policy = json.dumps(wanted["PolicyDocument"])
        scope.call("s3", "PutBucketPolicy", Bucket=bucket, Policy=policy)
        return Made(bucket)


TYPES: tuple[ResourceType, ...] = (Bucket(), BucketPolicy())
