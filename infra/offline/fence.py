"""Which operations the embedded cloud serves over the wire; all others are refused by name.

moto answers thousands that nobody here has looked at. An operation is inside the fence if roles may
be allowed it (authorization/requests), if a service module of ours performs it, or if it stands in
ADMINISTRATORS: what the administrator, the tests and the tools of AWS need besides, done by moto.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping

from botocore import xform_name

from infra.offline import patching
from infra.offline.authorization import requests, wire

ADMINISTRATORS: Mapping[str, frozenset[str]] = {
    service: frozenset(operations.split())
    for service, operations in {
        "budgets": "DeleteBudget DescribeBudget UpdateBudget",
        "cloudwatch": "DeleteAlarms GetMetricData GetMetricStatistics ListMetrics",
        "dynamodb": (
            "BatchGetItem BatchWriteItem CreateTable DeleteTable DescribeContinuousBackups "
            "DescribeTimeToLive ListTables Scan TransactGetItems UpdateContinuousBackups "
            "UpdateTable UpdateTimeToLive"
        ),
        "ec2": (
            "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateNetworkInterface "
            "CreateSecurityGroup CreateSubnet CreateTags CreateVpc DeleteNetworkInterface "
            "DeleteSecurityGroup DeleteSubnet DeleteVpc DescribeAvailabilityZones"
        ),
        "ecr": "CreateRepository DeleteRepository",
        "events": "DeleteRule DescribeRule DisableRule EnableRule PutRule PutTargets RemoveTargets",
        "iam": (
            "AttachRolePolicy CreatePolicy CreateRole DeletePolicy DeleteRole "
            "DeleteRolePermissionsBoundary DeleteRolePolicy DetachRolePolicy "
            "ListEntitiesForPolicy ListPolicies ListPolicyVersions ListRoleTags ListRoles "
            "PutRolePermissionsBoundary PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy "
            "UpdateRole"
        ),
        "kms": (
            "CancelKeyDeletion CreateAlias CreateKey DeleteAlias DisableKey EnableKey "
            "EnableKeyRotation GetKeyPolicy GetKeyRotationStatus ListResourceTags PutKeyPolicy "
            "ReEncrypt ScheduleKeyDeletion TagResource UpdateAlias"
        ),
        "lambda": (
            "AddPermission CreateAlias CreateFunction DeleteAlias DeleteFunction "
            "DeleteFunctionConcurrency GetAlias GetFunctionConcurrency GetPolicy ListAliases "
            "ListTags PublishVersion PutFunctionConcurrency RemovePermission TagResource "
            "UntagResource UpdateAlias UpdateFunctionCode UpdateFunctionConfiguration"
        ),
        "logs": (
            "CreateLogGroup DeleteLogGroup DeleteLogStream FilterLogEvents PutRetentionPolicy "
            "TagResource ListTagsForResource"
        ),
        "s3": (
            "CreateBucket DeleteBucket DeleteBucketPolicy DeleteBucketTagging "
            "DeletePublicAccessBlock GetBucketAcl GetBucketEncryption GetBucketLocation "
            "GetBucketLifecycleConfiguration GetBucketNotificationConfiguration GetBucketPolicy "
            "GetBucketOwnershipControls GetBucketTagging GetBucketVersioning GetPublicAccessBlock PutBucketEncryption "
            "PutBucketLifecycleConfiguration PutBucketNotificationConfiguration "
            "PutBucketOwnershipControls PutBucketPolicy PutBucketTagging PutBucketVersioning "
            "PutPublicAccessBlock"
        ),
        "service-quotas": (
            "GetAWSDefaultServiceQuota GetServiceQuota ListAWSDefaultServiceQuotas "
            "ListServiceQuotas RequestServiceQuotaIncrease"
        ),
        "sns": (
            "CreateTopic DeleteTopic GetSubscriptionAttributes GetTopicAttributes "
            "ListSubscriptions ListSubscriptionsByTopic ListTagsForResource ListTopics "
            "SetTopicAttributes Subscribe TagResource Unsubscribe UntagResource"
        ),
        "sqs": "CreateQueue DeleteQueue ListQueueTags ListQueues PurgeQueue SetQueueAttributes",
        "ssm": "AddTagsToResource DeleteParameter DeleteParameters ListTagsForResource",
        "sts": "GetCallerIdentity",
    }.items()
}

#: moto's packages where they are not called as botocore calls the service.
_PACKAGES = {"awslambda": "lambda", "servicequotas": "service-quotas"}


@functools.cache
def served() -> dict[str, frozenset[str]]:
    """The operations inside the fence, by botocore's name of the service."""
    found: dict[str, set[str]] = defaultdict(set)
    for service, mapped in requests.mapped().items():
        found[service] |= set(mapped)
    for service, operations in ADMINISTRATORS.items():
        found[service] |= operations
    for service, operation in changed():
        found[service].add(operation)
    return {service: frozenset(operations) for service, operations in found.items()}


def changed() -> set[tuple[str, str]]:
    """The operations whose methods in moto are ours, as service and operation."""
    found = set()
    for change in patching.changes():
        package = change.target.split(".")[1]
        service = _PACKAGES.get(package, package)
        operation = _operations(service).get(change.target.rsplit(".", 1)[-1])
        if operation is not None:
            found.add((service, operation))
    return found


def refused(service: str, operation: str) -> bool:
    """Whether an operation lies outside. What botocore does not know is for the service to say."""
    inside = served().get(service)
    return inside is not None and bool(operation) and operation not in inside


@functools.cache
def _operations(service: str) -> dict[str, str]:
    """A service's operations: moto's name of the method -> AWS's name."""
    if service not in wire.services():
        return {}
    return {xform_name(name): name for name in wire.model_of(service).operation_names}
