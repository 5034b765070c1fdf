"""What a decision needs to know of the embedded cloud's state: policies, keys, owners.

The only module of this package that reads moto's and the services' backends, apart from
`credentials`, which makes sessions in them. Look-ups answer None for what does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.kms.utils import RESERVED_ALIASE_TARGET_KEY_IDS
from moto.s3.models import s3_backends
from moto.sagemaker.models import sagemaker_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends

from infra.offline.authorization import credentials

PARTITION = credentials.PARTITION


# --- IAM ------------------------------------------------------------------------------------------
def identity_policies(role: Any) -> tuple[str, ...]:
    """The role's inline and attached policies, as documents."""
    attached = [document_of(policy) for policy in list(role.managed_policies.values())]
    return (*list(role.policies.values()), *attached)


def managed_policy(account: str, arn: str) -> str | None:
    """The default version of a managed policy."""
    policy = iam_backends[account][PARTITION].managed_policies.get(arn)
    return None if policy is None else document_of(policy)


def document_of(policy: Any) -> str:
    """The default version of one of moto's managed policies."""
    for version in policy.versions:
        if version.version_id == policy.default_version_id:
            return text_of(version.document)
    raise LookupError(f"policy {policy.arn} has no default version")


def text_of(document: Any) -> str:
    """A document as text, however moto keeps it."""
    if isinstance(document, bytes):
        return document.decode()
    return document if isinstance(document, str) else json.dumps(document)


def role_named(account: str, name: str) -> Any | None:
    for role in list(iam_backends[account][PARTITION].roles.values()):
        if role.name == name:
            return role
    return None


def role_tags(role: Any) -> Mapping[str, str]:
    tags = role.tags or []
    values = tags.values() if isinstance(tags, Mapping) else tags
    return {tag["Key"]: tag["Value"] for tag in values}


# --- S3 -------------------------------------------------------------------------------------------
def _bucket(account: str, name: str) -> Any | None:
    return s3_backends[account][PARTITION].buckets.get(name)


def bucket_policy(account: str, name: str) -> str | None:
    bucket = _bucket(account, name)
    return None if bucket is None or bucket.policy is None else text_of(bucket.policy)


def bucket_encryption(account: str, name: str) -> tuple[str | None, str | None, bool]:
    """(algorithm, key, bucket key enabled) of a bucket's default encryption."""
    bucket = _bucket(account, name)
    if bucket is None or not bucket.encryption:
        return None, None, False
    rule = bucket.encryption["Rule"]
    rule = rule[0] if isinstance(rule, list) else rule
    default = rule["ApplyServerSideEncryptionByDefault"]
    enabled = str(rule.get("BucketKeyEnabled", False)).lower() == "true"
    return default["SSEAlgorithm"], default.get("KMSMasterKeyID"), enabled


def stored_object(account: str, bucket: str, key: str, version: str | None) -> Any | None:
    found = _bucket(account, bucket)
    if found is None:
        return None
    return s3_backends[account][PARTITION].get_object(bucket, key, version_id=version)


def upload_key(account: str, bucket: str, upload: str) -> str | None:
    """The key that a multipart upload is for."""
    found = _bucket(account, bucket)
    started = None if found is None else found.multiparts.get(upload)
    return None if started is None else str(started.key_name)


# --- KMS ------------------------------------------------------------------------------------------
def key_arn(account: str, region: str, named: str) -> str | None:
    """The ARN of the key that `named` (id, ARN, alias, alias ARN) stands for."""
    key = _key(account, region, named)
    return None if key is None else str(key.arn)


def key_policy(account: str, region: str, arn: str) -> str | None:
    key = _key(account, region, arn)
    return None if key is None or not key.policy else text_of(key.policy)


def key_aliases(account: str, region: str, arn: str) -> tuple[str, ...]:
    key = _key(account, region, arn)
    return () if key is None else tuple(sorted(key.aliases))


def key_facts(account: str, region: str, arn: str) -> dict[str, Any]:
    """What KMS says of a key itself, under its condition keys with `__` for the colon."""
    key = _key(account, region, arn)
    if key is None:
        return {}
    return {
        "kms__KeyOrigin": key.origin or "AWS_KMS",
        "kms__KeySpec": key.key_spec,
        # What CreateKey takes if it is not told (KMS API reference).
        "kms__KeyUsage": key.key_usage or "ENCRYPT_DECRYPT",
        "kms__MultiRegion": bool(key.multi_region),
    }


def aws_managed_key(named: str) -> bool:
    """Whether this is one of AWS's own keys, whose policy lets the account use it through S3."""
    bare = named.split(":")[-1]
    bare = bare.removeprefix("key/")
    return bare.startswith("alias/aws/") or bare in RESERVED_ALIASE_TARGET_KEY_IDS.values()


def _key(account: str, region: str, named: str) -> Any | None:
    parts = named.split(":")
    if named.startswith("arn:"):
        if len(parts) != 6 or parts[4] != account:
            return None
        region = parts[3]
    backend = kms_backends[account][region]
    bare = parts[-1] if named.startswith("arn:") else named
    if bare.startswith("alias/"):
        for key in list(backend.keys.values()):
            if bare in key.aliases:
                return key
        return None
    return backend.keys.get(bare.removeprefix("key/"))


# --- SNS and SQS ----------------------------------------------------------------------------------
def topic_policy(account: str, arn: str) -> str | None:
    """The policy that a topic was given."""
    from infra.offline.services import sns

    topic = _topic(account, arn.split(":")[3], arn)
    return None if topic is None else sns.topic_policy(topic)


def topic_key(account: str, region: str, arn: str) -> str | None:
    """The KMS key of a topic, as it was named to SNS."""
    topic = _topic(account, region, arn)
    return None if topic is None or not topic.kms_master_key_id else str(topic.kms_master_key_id)


def _topic(account: str, region: str, arn: str) -> Any | None:
    return sns_backends[account][region].topics.get(arn)


def queue_policy(account: str, arn: str) -> str | None:
    _, _, _, region, _, name = arn.split(":", 5)
    queue = sqs_backends[account][region].queues.get(name)
    return None if queue is None or not queue.policy else text_of(queue.policy)


# --- ECR ------------------------------------------------------------------------------------------
def repository_policy(account: str, arn: str) -> str | None:
    """The policy of a repository, with the Resource that ECR's policies leave out."""
    from infra.offline.services import ecr

    return ecr.repository_policy(account, arn)


# --- other services -------------------------------------------------------------------------------
def table(account: str, region: str, name: str) -> Any | None:
    return dynamodb_backends[account][region].tables.get(name)


def table_key(found: Any) -> str | None:
    """The customer key of a table, or None: the table is under an AWS owned key."""
    given = found.sse_specification or {}
    enabled = str(given.get("Enabled", given.get("SSEEnabled", False))).lower() == "true"
    key = given.get("KMSMasterKeyId") if enabled else None
    return None if key is None or aws_managed_key(str(key)) else str(key)


def is_secure_string(account: str, region: str, name: str) -> bool:
    parameter = ssm_backends[account][region].get_parameter(name)
    return parameter is not None and parameter.parameter_type == "SecureString"


def stack_arn(account: str, region: str, named: str) -> str | None:
    from infra.offline.services.cloudformation.engine import engine_of

    stack = engine_of(account, region).find(named)
    return stack.stack_id if stack is not None else None


def space(account: str, region: str, domain: str, name: str) -> Any | None:
    """A Studio space, as infra.offline.services.sagemaker keeps it."""
    from infra.offline.services.sagemaker import operations

    state = operations.state(sagemaker_backends[account][region])
    with state.lock:
        return state.spaces.get((domain, name))


def latest_image_version(account: str, region: str, name: str) -> int:
    """The number of the latest version of a SageMaker image; 0 if it has none."""
    from infra.offline.services.sagemaker import operations

    state = operations.state(sagemaker_backends[account][region])
    with state.lock:
        image = state.images.get(name)
        return max(image.versions, default=0) if image is not None else 0
