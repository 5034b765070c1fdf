"""What is honoured below the top level of a type's properties.

A type names its properties; here stand the members of those that moto keeps without a second look.
Budgets, CodeBuild, Cognito, EventBridge and SageMaker hold the members of their own requests
against what they emulate, and refuse the rest themselves, so theirs are not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Members by name; None for a value, or for a document with a grammar of its own.
Members = Mapping[str, "Members | None"]


def _values(*names: str) -> Members:
    return dict.fromkeys(names)


_KEY_SCHEMA = _values("AttributeName", "KeyType")
_CAPACITY = _values("ReadCapacityUnits", "WriteCapacityUnits")
_INDEX: Members = {
    "IndexName": None,
    "KeySchema": _KEY_SCHEMA,
    "Projection": _values("NonKeyAttributes", "ProjectionType"),
}

#: Most types have tags in this form; the others, which have a map of them, say nothing here.
TAGS = _values("Key", "Value")

MEMBERS: Mapping[str, Members] = {
    "AWS::CloudWatch::Alarm": {"Dimensions": _values("Name", "Value")},
    # What an update does not hand on, the service does not see.
    "AWS::Cognito::UserPool": {"UsernameConfiguration": _values("CaseSensitive")},
    "AWS::DynamoDB::Table": {
        "AttributeDefinitions": _values("AttributeName", "AttributeType"),
        "GlobalSecondaryIndexes": {**_INDEX, "ProvisionedThroughput": _CAPACITY},
        "KeySchema": _KEY_SCHEMA,
        "LocalSecondaryIndexes": _INDEX,
        "PointInTimeRecoverySpecification": _values("PointInTimeRecoveryEnabled"),
        "ProvisionedThroughput": _CAPACITY,
        "SSESpecification": _values("KMSMasterKeyId", "SSEEnabled", "SSEType"),
        "TimeToLiveSpecification": _values("AttributeName", "Enabled"),
    },
    "AWS::ECR::Repository": {
        "EncryptionConfiguration": _values("EncryptionType", "KmsKey"),
        "ImageScanningConfiguration": _values("ScanOnPush"),
        "LifecyclePolicy": _values("LifecyclePolicyText"),
    },
    "AWS::IAM::Role": {"Policies": _values("PolicyDocument", "PolicyName")},
    "AWS::Lambda::EventInvokeConfig": {
        "DestinationConfig": {"OnFailure": _values("Destination")},
    },
    "AWS::Lambda::Function": {
        "Code": _values("S3Bucket", "S3Key", "ZipFile"),
        "Environment": _values("Variables"),
        "LoggingConfig": _values("LogGroup"),
    },
    "AWS::S3::Bucket": {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": {
                "BucketKeyEnabled": None,
                "ServerSideEncryptionByDefault": _values("KMSMasterKeyID", "SSEAlgorithm"),
            },
        },
        "LifecycleConfiguration": {
            "Rules": {
                **_values(
                    "ExpirationInDays", "ExpiredObjectDeleteMarker", "Id", "Prefix", "Status"
                ),
                "AbortIncompleteMultipartUpload": _values("DaysAfterInitiation"),
                "NoncurrentVersionExpiration": _values("NewerNoncurrentVersions", "NoncurrentDays"),
            },
        },
        "NotificationConfiguration": {
            "EventBridgeConfiguration": _values("EventBridgeEnabled"),
        },
        "OwnershipControls": {"Rules": _values("ObjectOwnership")},
        "PublicAccessBlockConfiguration": _values(
            "BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"
        ),
        "VersioningConfiguration": _values("Status"),
    },
}


def unmodelled(kind: str, properties: Mapping[str, Any]) -> list[str]:
    """What is wrong with the names of members below the top level, a sentence each."""
    members = MEMBERS.get(kind, {})
    said = []
    for name, value in properties.items():
        below = members.get(name)
        if name == "Tags" and isinstance(value, list):
            below = TAGS
        if below is not None:
            said += list(_beyond(value, below, name))
    return said


def _beyond(value: Any, members: Members, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _beyond(item, members, f"{path}/{place}")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in members:
                yield (
                    f"Property {path}/{name} is not modelled by the embedded cloud "
                    f"(modelled: {', '.join(members)})."
                )
            else:
                below = members[name]
                if below is not None:
                    yield from _beyond(inner, below, f"{path}/{name}")
