"""Cognito user pools, as far as IAM is asked.

What people call with their own tokens is not here: Cognito asks IAM nothing about it, and no client
signs it (`wire.public`). Source: "Actions, resources, and condition keys for Amazon Cognito User
Pools".
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.offline.authorization.requests.asking import (
    Question,
    arn_of,
    maps,
    name_of,
)
from infra.offline.authorization.wire import Call


@maps(
    "cognito-idp",
    "AdminDisableUser",
    "AdminEnableUser",
    "AdminGetUser",
    "AdminListGroupsForUser",
    "AdminUpdateUserAttributes",
    "AdminUserGlobalSignOut",
    "DescribeUserPool",
    "DescribeUserPoolClient",
    "ListGroups",
    "ListUserPoolClients",
    "ListUsers",
    "ListUsersInGroup",
)
def _pool(call: Call, account: str) -> Iterator[Question]:
    pool = name_of(call, "UserPoolId", r"[\w-]+_[0-9a-zA-Z]+")
    arn = arn_of(call, account, "cognito-idp", f"userpool/{pool}")
    yield Question(f"cognito-idp:{call.operation}", arn)


@maps("cognito-idp", "ListUserPools")
def _pools(call: Call, _account: str) -> Iterator[Question]:
    yield Question(f"cognito-idp:{call.operation}", "*")
