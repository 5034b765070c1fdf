"""IAM and STS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.assurance.iam import Value
from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    TAG_KEYS,
    Question,
    Unmodelled,
    form_tags,
    keys_of,
    maps,
    name_of,
    need,
    some,
)
from infra.offline.authorization.wire import Call


@maps("iam", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies")
def _read_role(call: Call, account: str) -> Iterator[Question]:
    name = name_of(call, "RoleName", r"[\w+=,.@-]{1,64}")
    role = state.role_named(account, name)
    arn = f"arn:aws:iam::{account}:role/{name}" if role is None else str(role.arn)
    yield Question(f"iam:{call.operation}", arn)


@maps("iam", "SimulatePrincipalPolicy")
def _simulate(call: Call, _account: str) -> Iterator[Question]:
    yield Question("iam:SimulatePrincipalPolicy", need(call, "PolicySourceArn"))


@maps("iam", "SimulateCustomPolicy")
def _simulate_custom(_call: Call, _account: str) -> Iterator[Question]:
    yield Question("iam:SimulateCustomPolicy", "*")


@maps("sts", "GetCallerIdentity")
def _who_am_i(_call: Call, _account: str) -> Iterator[Question]:
    """No permission is needed, and none can deny it."""
    yield from ()


@maps("sts", "AssumeRole")
def _assume(call: Call, _account: str) -> Iterator[Question]:
    yield from assume_role(call.params)


def assume_role(params: Mapping[str, Any]) -> Iterator[Question]:
    """The questions of sts:AssumeRole; `params` are the flat form fields."""
    role = str(params.get("RoleArn", ""))
    tags = form_tags(params)
    for name in params:
        if name.startswith(("PolicyArns.", "ProvidedContexts.", "TransitiveTagKeys.")) or name in (
            "SerialNumber",
            "TokenCode",
            "SourceIdentity",
        ):
            raise Unmodelled(f"AssumeRole with {name} is not modelled")
    context: dict[str, Value] = {
        **some(
            sts__ExternalId=params.get("ExternalId"),
            sts__RoleSessionName=params.get("RoleSessionName"),
        ),
        **tags,
    }
    # The last two are never there: a call with them is refused above.
    keys = TAG_KEYS | keys_of(
        "sts", "ExternalId", "RoleSessionName", "SourceIdentity", "TransitiveTagKeys"
    )
    yield Question("sts:AssumeRole", role, context, keys)
    if tags:
        yield Question("sts:TagSession", role, context, keys)
