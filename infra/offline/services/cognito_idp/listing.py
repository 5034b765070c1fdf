"""Listings of pools, clients, people and groups, in pages as everywhere here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.cognitoidp.exceptions import InvalidParameterException
from moto.core.responses import ActionResult

from infra.offline import listings
from infra.offline.patching import replaces
from infra.offline.services.cognito_idp import people

#: Items a page at most. Source: Limit and MaxResults of the operations.
MOST = 60


@dataclass(frozen=True)
class _Listing:
    """How an operation finds its items, what each is known by, and how it is shown."""

    operation: str
    items: str
    find: Callable[[Any, dict[str, Any]], list[Any]]
    key: Callable[[Any], str]
    show: Callable[[Any], dict[str, Any]]
    token: str = "NextToken"  # noqa: S105 (a member's name)


def _users(backend: Any, given: dict[str, Any]) -> list[Any]:
    """The filter is moto's."""
    find = type(backend).list_users.__wrapped__
    return list(find(backend, given["UserPoolId"], given.get("Filter")))


_LISTINGS = (
    _Listing(
        "list_user_pools",
        "UserPools",
        lambda backend, _: list(backend.user_pools.values()),
        lambda pool: str(pool.id),
        lambda pool: {
            name: value
            for name, value in pool.to_json().items()
            if name in ("Id", "Name", "LambdaConfig", "CreationDate", "LastModifiedDate")
        },
    ),
    _Listing(
        "list_user_pool_clients",
        "UserPoolClients",
        lambda backend, given: list(
            backend.describe_user_pool(given["UserPoolId"]).clients.values()
        ),
        lambda client: str(client.id),
        lambda client: client.to_json(),
    ),
    _Listing(
        "list_groups",
        "Groups",
        lambda backend, given: list(
            backend.describe_user_pool(given["UserPoolId"]).groups.values()
        ),
        lambda group: str(group.group_name),
        lambda group: group.to_json(),
    ),
    _Listing(
        "admin_list_groups_for_user",
        "Groups",
        lambda backend, given: list(
            backend.admin_get_user(given["UserPoolId"], given["Username"]).groups
        ),
        lambda group: str(group.group_name),
        lambda group: group.to_json(),
    ),
    _Listing(
        "list_users",
        "Users",
        _users,
        lambda user: str(user.username),
        people.shown,
        "PaginationToken",
    ),
    _Listing(
        "list_users_in_group",
        "Users",
        lambda backend, given: list(
            backend.get_group(given["UserPoolId"], given["GroupName"]).users
        ),
        lambda user: str(user.username),
        people.shown,
    ),
)


def _paged(listing: _Listing) -> Callable[..., Any]:
    def answer(_original: Callable[..., Any], response: Any) -> ActionResult:
        given = response.parameters
        if given.get("AttributesToGet") is not None:
            raise InvalidParameterException(
                "AttributesToGet is not modelled by the embedded cloud."
            )
        page, following = listings.page(
            listing.find(response.backend, given),
            listing.key,
            size=min(int(given.get("Limit") or given.get("MaxResults") or MOST), MOST),
            token=given.get(listing.token),
            refuses=InvalidParameterException,
        )
        shown = {listing.items: [listing.show(item) for item in page]}
        return ActionResult(shown | ({listing.token: following} if following else {}))

    return answer


for _listing in _LISTINGS:
    replaces(
        f"moto.cognitoidp.responses:CognitoIdpResponse.{_listing.operation}",
        because="moto's tokens name the next item, and are of no use once it is gone",
    )(_paged(_listing))
