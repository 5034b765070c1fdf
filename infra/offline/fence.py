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
        "apigatewayv2": "TagResource UntagResource",
        "budgets": (
            "DeleteBudget DescribeBudget ListTagsForResource TagResource UntagResource UpdateBudget"
        ),
        "cloudwatch": (
            "DeleteAlarms GetMetricData GetMetricStatistics ListMetrics ListTagsForResource "
            "TagResource UntagResource"
        ),
        "cognito-idp": (
            "AdminAddUserToGroup AdminDeleteUser AdminRemoveUserFromGroup CreateGroup "
            "CreateIdentityProvider CreateUserPoolDomain DeleteGroup DeleteIdentityProvider "
            "DeleteUserPoolClient DeleteUserPoolDomain DescribeIdentityProvider "
            "DescribeUserPoolDomain GetGroup ListIdentityProviders UpdateGroup "
            "UpdateIdentityProvider"
        ),
        "dynamodb": (
            "BatchGetItem BatchWriteItem CreateTable DeleteTable DescribeContinuousBackups "
            "DescribeTimeToLive ListTables ListTagsOfResource Scan TagResource "
            "TransactGetItems UntagResource UpdateContinuousBackups UpdateTable "
            "UpdateTimeToLive"
        ),
        "ec2": (
            "AssociateRouteTable AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress "
            "CreateNetworkInterface CreateRoute CreateRouteTable CreateSecurityGroup "
            "CreateSubnet CreateTags CreateVpc CreateVpcEndpoint DeleteNetworkInterface "
            "DeleteRouteTable DeleteSecurityGroup DeleteSubnet DeleteTags DeleteVpc "
            "DeleteVpcEndpoints DescribeAvailabilityZones DescribeNetworkAcls "
            "DescribeRegions DescribeRouteTables DescribeSecurityGroupRules DescribeTags "
            "DescribeVpcAttribute DescribeVpcEndpoints DisassociateRouteTable "
            "ModifyVpcAttribute RevokeSecurityGroupEgress RevokeSecurityGroupIngress"
        ),
        "ecr": (
            "CreateRepository DeleteLifecyclePolicy DeleteRepository DeleteRepositoryPolicy "
            "GetLifecyclePolicy GetRepositoryPolicy ListTagsForResource "
            "PutImageTagMutability PutLifecyclePolicy SetRepositoryPolicy TagResource "
            "UntagResource"
        ),
        "events": (
            "DeleteRule DescribeRule DisableRule EnableRule ListTagsForResource PutRule "
            "PutTargets RemoveTargets TagResource UntagResource"
        ),
        "iam": (
            "AttachRolePolicy CreatePolicy CreatePolicyVersion CreateRole DeletePolicy "
            "DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy "
            "DetachRolePolicy GetPolicy GetPolicyVersion ListEntitiesForPolicy ListPolicies "
            "ListPolicyVersions ListRoleTags ListRoles PutRolePermissionsBoundary "
            "PutRolePolicy SetDefaultPolicyVersion TagPolicy TagRole UntagRole "
            "UpdateAssumeRolePolicy UpdateRole"
        ),
        "kms": (
            "CancelKeyDeletion CreateAlias CreateKey DeleteAlias DisableKey EnableKey "
            "EnableKeyRotation GetKeyPolicy GetKeyRotationStatus ListResourceTags "
            "PutKeyPolicy ReEncrypt ScheduleKeyDeletion TagResource UpdateAlias"
        ),
        "lambda": (
            "AddPermission CreateAlias CreateFunction DeleteAlias DeleteFunction "
            "DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig GetAlias "
            "GetFunctionConcurrency GetFunctionEventInvokeConfig GetPolicy ListAliases "
            "ListTags PublishVersion PutFunctionConcurrency PutFunctionEventInvokeConfig "
            "RemovePermission TagResource UntagResource UpdateAlias UpdateFunctionCode "
            "UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig"
        ),
        "logs": (
            "CreateLogGroup DeleteLogGroup DeleteLogStream FilterLogEvents "
            "ListTagsForResource PutRetentionPolicy TagResource"
        ),
        "s3": (
            "CreateBucket DeleteBucket DeleteBucketPolicy DeleteBucketTagging "
            "DeletePublicAccessBlock GetBucketAcl GetBucketEncryption "
            "GetBucketLifecycleConfiguration GetBucketLocation "
            "GetBucketNotificationConfiguration GetBucketOwnershipControls GetBucketPolicy "
            "GetBucketTagging GetBucketVersioning GetPublicAccessBlock PutBucketEncryption "
            "PutBucketLifecycleConfiguration PutBucketNotificationConfiguration "
            "PutBucketOwnershipControls PutBucketPolicy PutBucketTagging PutBucketVersioning "
            "PutPublicAccessBlock"
        ),
        "scheduler": (
            "CreateScheduleGroup DeleteScheduleGroup GetScheduleGroup ListTagsForResource "
            "TagResource UntagResource"
        ),
        "secretsmanager": (
            "CreateSecret DeleteSecret DescribeSecret GetSecretValue PutSecretValue"
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
        "sqs": ("CreateQueue DeleteQueue ListQueueTags ListQueues PurgeQueue SetQueueAttributes"),
        "ssm": "AddTagsToResource DeleteParameter DeleteParameters ListTagsForResource",
        "sts": "GetCallerIdentity",
    }.items()
}

#: These are ours altogether, and refuse for themselves.
OURS = frozenset({"cloudformation", "cloudtrail"})

#: moto's packages where they are not called as botocore calls the service.
_PACKAGES = {
    "awslambda": "lambda",
    "cognitoidp": "cognito-idp",
    "servicequotas": "service-quotas",
}


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
    if service in OURS or not operation:
        return False
    return operation not in served().get(service, frozenset())


@functools.cache
def _operations(service: str) -> dict[str, str]:
    """A service's operations: moto's name of the method -> AWS's name."""
    if service not in wire.services():
        return {}
    return {xform_name(name): name for name in wire.model_of(service).operation_names}
