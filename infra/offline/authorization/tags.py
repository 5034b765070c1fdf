"""The tags of what a request is about: aws:ResourceTag/KEY, and the services' own names for it.

Answers None where the embedded cloud cannot tell, and then a policy that asks is refused by name.
What does not exist (yet) has no tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from moto.awslambda.models import lambda_backends
from moto.cognitoidp.models import cognitoidp_backends
from moto.core.exceptions import ServiceException
from moto.dynamodb.models import dynamodb_backends
from moto.sagemaker.models import sagemaker_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from infra.offline.authorization import credentials, state

#: What services call the key besides aws:ResourceTag (Service Authorization Reference).
OWN_KEYS = {
    "iam": "iam:ResourceTag/",
    "sagemaker": "sagemaker:ResourceTag/",
    "sts": "iam:ResourceTag/",
}


def resource_tags(arn: str) -> Mapping[str, str] | None:
    """The tags of the resource `arn`, or None if they are not modelled."""
    if arn == "*":
        return {}
    parts = arn.split(":", 5)
    reader = _READERS.get(parts[2])
    return None if reader is None else reader(parts[4], parts[3], arn)


def context(action: str, arn: str) -> tuple[dict[str, str], frozenset[str]]:
    """The context keys of a resource's tags, and the families that are thereby vouched for."""
    tags = resource_tags(arn)
    if tags is None:
        return {}, frozenset()
    families = ["aws:ResourceTag/"]
    own = OWN_KEYS.get(action.split(":", 1)[0])
    families += [own] if own else []
    given = {f"{family}{key}": value for family in families for key, value in tags.items()}
    return given, frozenset(f"{family.lower()}*" for family in families)


def _pairs(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _bucket(_account: str, _region: str, _arn: str) -> dict[str, str]:
    """S3 gives a bucket's tags only where attribute-based access control is switched on for it,
    which it is not by default ("Enabling ABAC in general purpose buckets"), and never here."""
    return {}


def _role(_account: str, _region: str, arn: str) -> dict[str, str] | None:
    try:
        role = credentials.find_role(arn)
    except LookupError:
        return None
    return {} if role is None else dict(state.role_tags(role))


def _sagemaker(account: str, region: str, arn: str) -> dict[str, str]:
    try:
        found = sagemaker_backends[account][region]._get_resource_from_arn(arn)
    except (AttributeError, KeyError, ValueError, ServiceException):
        return {}  # moto looks for kinds and names that it does not have in these ways
    return {} if found is None else _pairs(found.tags or ())


def _queue(account: str, region: str, arn: str) -> dict[str, str]:
    queue = sqs_backends[account][region].queues.get(arn.rsplit(":", 1)[-1])
    return {} if queue is None else dict(queue.tags or {})


def _topic(account: str, region: str, arn: str) -> dict[str, str]:
    topic = sns_backends[account][region].topics.get(arn)
    return {} if topic is None else dict(topic._tags or {})


def _table(account: str, region: str, arn: str) -> dict[str, str]:
    name = arn.split(":", 5)[-1].split("/")[1]
    found = dynamodb_backends[account][region].tables.get(name)
    return {} if found is None else _pairs(found.tags or ())


def _function(account: str, region: str, arn: str) -> dict[str, str]:
    plain = ":".join(arn.split(":")[:7])
    found = lambda_backends[account][region]._lambdas.get_arn(plain)
    return {} if found is None else dict(found.tags or {})


def _user_pool(account: str, region: str, arn: str) -> dict[str, str]:
    pool = cognitoidp_backends[account][region].user_pools.get(arn.rsplit("/", 1)[-1])
    return {} if pool is None else dict(pool.extended_config.get("UserPoolTags") or {})


_READERS: Mapping[str, Callable[[str, str, str], dict[str, str] | None]] = {
    "cognito-idp": _user_pool,
    "dynamodb": _table,
    "iam": _role,
    "lambda": _function,
    "s3": _bucket,
    "sagemaker": _sagemaker,
    "sns": _topic,
    "sqs": _queue,
}
