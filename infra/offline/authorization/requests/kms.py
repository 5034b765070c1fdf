"""KMS, and keys that a service uses in the caller's name."""

from __future__ import annotations

from collections.abc import Iterator

from infra.assurance.iam import Value
from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import Question, Unmodelled, keys_of, maps, some
from infra.offline.authorization.wire import Call, WireError

_KMS_KEYS = keys_of(
    "kms",
    "CallerAccount",
    "EncryptionAlgorithm",
    "EncryptionContext:*",
    "EncryptionContextKeys",
    "KeyOrigin",
    "KeySpec",
    "KeyUsage",
    "MultiRegion",
    # Never there: no key of several regions, no request from an enclave.
    "MultiRegionKeyType",
    "RecipientAttestation:*",
    "RequestAlias",
    "ResourceAliases",
    "ViaService",
)


def _key_context(call: Call, account: str, arn: str) -> dict[str, Value]:
    return some(
        kms__CallerAccount=account,
        kms__ResourceAliases=state.key_aliases(account, call.region, arn),
        **state.key_facts(account, call.region, arn),
    )


def through(
    call: Call, account: str, action: str, named: str, service: str, encrypted: str
) -> Iterator[Question]:
    """The caller's permission on a key that `service` uses in the caller's name."""
    if state.aws_managed_key(named):
        return
    arn = state.key_arn(account, call.region, named)
    if arn is None:
        raise WireError("KMS.NotFoundException", f"Key {named!r} does not exist")
    context = _key_context(call, account, arn)
    context["kms:EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT"
    context["kms:ViaService"] = f"{service}.{call.region}.amazonaws.com"
    context["aws:ViaAWSService"] = "true"
    names = {
        "dynamodb": {"aws:dynamodb:tableName": encrypted, "aws:dynamodb:subscriberId": account},
        "s3": {"aws:s3:arn": encrypted},
        "sns": {"aws:sns:topicArn": encrypted},
    }[service]
    context |= {f"kms:EncryptionContext:{key}": value for key, value in names.items()}
    context["kms:EncryptionContextKeys"] = tuple(names)
    yield Question(f"kms:{action}", arn, context, _KMS_KEYS)


@maps(
    "kms",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
)
def _kms(call: Call, account: str) -> Iterator[Question]:
    named = call.params.get("KeyId")
    if not isinstance(named, str) or not named:
        raise Unmodelled(f"kms {call.operation} without KeyId is not modelled")
    arn = state.key_arn(account, call.region, named)
    if arn is None:
        raise WireError("NotFoundException", f"Key {named!r} does not exist")
    if "Recipient" in call.params:
        raise Unmodelled(f"kms {call.operation} for an enclave (Recipient) is not modelled")
    context = _key_context(call, account, arn)
    if call.operation != "DescribeKey":
        context["kms:EncryptionAlgorithm"] = str(
            call.params.get("EncryptionAlgorithm") or "SYMMETRIC_DEFAULT"
        )
    if "alias/" in named:
        context["kms:RequestAlias"] = named.split(":")[-1]
    given = call.params.get("EncryptionContext") or {}
    context |= {f"kms:EncryptionContext:{key}": str(value) for key, value in given.items()}
    if given:
        context["kms:EncryptionContextKeys"] = tuple(given)
    yield Question(f"kms:{call.operation}", arn, context, _KMS_KEYS)
