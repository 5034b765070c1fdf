"""What IAM is asked about a call: one question for each permission that AWS asks of its caller.

One function an operation (or a few alike), declared with `maps`. It yields questions: action,
resource ARN and condition keys as AWS's Service Authorization Reference lists them, and the further
permissions that the operation needs (iam:PassRole, tags, keys, a copy's source). An operation
without a function is refused by name: what is not modelled is never let through.

A question also says for which condition keys absence means absence on AWS (`keys`). A policy that
asks for another key is unmodelled, and refused.

One module a service; `asking` holds what they share.
"""

from __future__ import annotations

from urllib.parse import quote

# Each service's module declares its functions when it is imported.
from infra.offline.authorization.requests import (
    apigateway,
    codebuild,
    cognito,
    deployment,
    dynamodb,
    ecr,
    functions,
    identity,
    kms,
    logs,
    messaging,
    parameters,
    s3,
    scheduling,
    studio,
    training,
)
from infra.offline.authorization.requests.asking import (
    GLOBAL_KEYS,
    Asked,
    Question,
    Unmodelled,
    mappers,
    maps,
)
from infra.offline.authorization.requests.ecr import pulling
from infra.offline.authorization.requests.functions import function_of
from infra.offline.authorization.requests.identity import assume_role
from infra.offline.authorization.requests.s3 import bucket_of, copy_source, may_list
from infra.offline.authorization.wire import Call

__all__ = [
    "GLOBAL_KEYS",
    "Asked",
    "Question",
    "Unmodelled",
    "apigateway",
    "asked",
    "assume_role",
    "bucket_of",
    "codebuild",
    "cognito",
    "deployment",
    "dynamodb",
    "ecr",
    "functions",
    "identity",
    "kms",
    "logs",
    "mapped",
    "maps",
    "may_list",
    "messaging",
    "parameters",
    "pulling",
    "s3",
    "scheduling",
    "studio",
    "training",
]


def mapped() -> dict[str, tuple[str, ...]]:
    """Every operation that roles may be allowed, by service."""
    made: dict[str, list[str]] = {}
    for service, operation in sorted(mappers):
        made.setdefault(service, []).append(operation)
    return {service: tuple(operations) for service, operations in made.items()}


def asked(call: Call, account: str) -> Asked:
    """The permissions that `call` needs of a caller in `account`.

    Raises:
        Unmodelled: if the operation, or something that it was given, is not modelled.
        WireError: if its input is malformed.
    """
    mapper = mappers.get((call.service, call.operation))
    if mapper is None:
        raise Unmodelled(f"{call.service} {call.operation} is not modelled for roles")
    call = _canonical(call, account)
    questions = tuple(mapper(call, account))
    if call.operation == "DeleteObjects":
        return Asked(call, (), questions)
    return Asked(call, questions)


def _canonical(call: Call, account: str) -> Call:
    """Spell what names the same thing in several ways in one way."""
    if call.service == "lambda" and "FunctionName" in call.params:
        name, qualifier = function_of(call, account)
        params = {k: v for k, v in call.params.items() if k != "Qualifier"}
        params |= {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
        return call.with_only(params)
    if call.operation in ("CopyObject", "UploadPartCopy"):
        bucket, key, version = copy_source(call)
        source = f"/{quote(bucket, safe='')}/{quote(key, safe='/~')}"
        source += f"?versionId={quote(version, safe='')}" if version else ""
        return call.with_params(CopySource=source)
    return call
