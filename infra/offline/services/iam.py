"""IAM of the embedded cloud: what AWS refuses when it is written is not kept here either.

moto keeps the roles and policies; `infra/offline/authorization` decides by them, and could decide
nothing by a trust policy that is none, or under a boundary that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from infra.offline.fidelity import Part
from infra.offline.patching import replaces

FIDELITY = Part(
    title="Roles as they are written",
    emulated="moto; trust policies and boundaries that AWS refuses are refused",
    checked="by client: AWS CLI, CDK CLI, boto3",
    differences="a policy that is some role's boundary can be deleted (AWS: DeleteConflict)",
)


@replaces(
    "moto.iam.models:IAMBackend.create_role",
    because="moto makes roles with any trust policy and under boundaries that do not exist",
)
def _create_role(
    original: Callable[..., Any],
    backend: Any,
    role_name: str,
    assume_role_policy_document: str,
    path: str,
    permissions_boundary: str | None,
    *args: Any,
    **settings: Any,
) -> Any:
    IAMTrustPolicyDocumentValidator(with_version(assume_role_policy_document)).validate()
    _there(backend, permissions_boundary)
    return original(
        backend,
        role_name,
        assume_role_policy_document,
        path,
        permissions_boundary,
        *args,
        **settings,
    )


@replaces(
    "moto.iam.models:IAMBackend.put_role_permissions_boundary",
    because="the same when a role gets another boundary",
)
def _put_boundary(
    original: Callable[..., Any], backend: Any, role_name: str, permissions_boundary: str
) -> None:
    backend.get_role(role_name)
    _there(backend, permissions_boundary)
    original(backend, role_name, permissions_boundary)


@replaces(
    "moto.iam.models:IAMBackend.update_assume_role_policy",
    because="AWS takes a trust policy without a Version, as `cdk bootstrap` writes them; moto "
    "refuses it when the policy is changed",
)
def _update_trust(
    original: Callable[..., Any], backend: Any, role_name: str, policy_document: str
) -> None:
    original(backend, role_name, with_version(policy_document))
    backend.get_role(role_name).assume_role_policy_document = policy_document


def with_version(document: str) -> str:
    """A policy as moto's validator takes it: without a Version it would be refused."""
    try:
        policy = json.loads(document)
    except ValueError:
        return document
    if not isinstance(policy, dict) or "Version" in policy:
        return document
    return json.dumps({"Version": "2012-10-17", **policy})


def _there(backend: Any, boundary: str | None) -> None:
    """What is no policy's ARN at all, moto refuses by itself."""
    if not boundary or not backend.policy_arn_regex.match(boundary):
        return
    if boundary not in backend.managed_policies:
        raise NotFoundException(f"Scope ARN: {boundary} does not exist or is not attachable.")
