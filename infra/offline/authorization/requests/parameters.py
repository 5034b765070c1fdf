"""Systems Manager's parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    Question,
    Unmodelled,
    arn_of,
    keys_of,
    maps,
    need,
    some,
)
from infra.offline.authorization.wire import Call

_PARAMETER = re.compile(r"^(/?[A-Za-z0-9_.\-/]+)(?::[A-Za-z0-9_.\-]+)?$")


def _parameter(call: Call, account: str, given: Any) -> str:
    found = _PARAMETER.match(given) if isinstance(given, str) else None
    if found is None:
        raise Unmodelled(f"parameter {given!r}: only names are modelled, not ARNs")
    name = found.group(1).removeprefix("/")
    return arn_of(call, account, "ssm", f"parameter/{name}")


def _not_secret(call: Call, account: str, name: str) -> None:
    if state.is_secure_string(account, call.region, name):
        raise Unmodelled(f"SecureString parameters ({name}) are not modelled for roles")


@maps("ssm", "GetParameter", "GetParameterHistory")
def _get_parameter(call: Call, account: str) -> Iterator[Question]:
    name = need(call, "Name")
    arn = _parameter(call, account, name)
    _not_secret(call, account, name)
    yield Question(f"ssm:{call.operation}", arn)


@maps("ssm", "GetParameters")
def _get_parameters(call: Call, account: str) -> Iterator[Question]:
    for name in call.params.get("Names") or ():
        arn = _parameter(call, account, name)
        _not_secret(call, account, name)
        yield Question("ssm:GetParameters", arn)


@maps("ssm", "GetParametersByPath")
def _get_by_path(call: Call, account: str) -> Iterator[Question]:
    if call.params.get("WithDecryption"):
        raise Unmodelled("GetParametersByPath with decryption is not modelled for roles")
    path = need(call, "Path").rstrip("/") or "/"
    arn = _parameter(call, account, path)
    context = some(ssm__Recursive=bool(call.params.get("Recursive")))
    yield Question("ssm:GetParametersByPath", arn, context, keys_of("ssm", "Recursive"))


@maps("ssm", "PutParameter")
def _put_parameter(call: Call, account: str) -> Iterator[Question]:
    if call.params.get("Type") == "SecureString" or call.params.get("Tags"):
        raise Unmodelled("SecureString parameters and tags are not modelled for roles")
    arn = _parameter(call, account, need(call, "Name"))
    context = some(ssm__Overwrite=bool(call.params.get("Overwrite")))
    yield Question("ssm:PutParameter", arn, context, keys_of("ssm", "Overwrite"))


@maps("ssm", "DeleteParameter")
def _delete_parameter(call: Call, account: str) -> Iterator[Question]:
    yield Question("ssm:DeleteParameter", _parameter(call, account, need(call, "Name")))


@maps("ssm", "DescribeParameters")
def _describe_parameters(call: Call, account: str) -> Iterator[Question]:
    yield Question("ssm:DescribeParameters", arn_of(call, account, "ssm", "*"))
