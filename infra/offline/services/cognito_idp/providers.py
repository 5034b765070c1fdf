"""Providers that a pool believes, and the prefix under which its endpoints answer.

A domain's endpoints are at `/_academy/auth/PREFIX/` of the cloud's one address (`hosted`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from moto.cognitoidp.exceptions import InvalidParameterException, ResourceNotFoundError
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, EmptyResult

from infra.offline import listings
from infra.offline.patching import replaces
from infra.offline.services.cognito_idp import pools
from infra.offline.services.cognito_idp.shared import Members, hold, hold_value, now, values

#: Source: ProviderDetails in CreateIdentityProvider. The provider's endpoints are discovered.
DETAILS = (
    "attributes_request_method",
    "authorize_scopes",
    "client_id",
    "client_secret",
    "oidc_issuer",
)
_PROVIDER: Members = {
    "AttributeMapping": None,
    "ProviderDetails": values(*DETAILS),
    "ProviderName": None,
    "ProviderType": None,
    "UserPoolId": None,
}
#: Source: "Using the Amazon Cognito domain for managed login", developer guide.
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NOT_IN_PREFIX = ("aws", "amazon", "cognito")


def is_loopback(host: str | None) -> bool:
    """Whether it is this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def secure(url: str) -> bool:
    """Whether something secret may be sent there: by https, or within this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    )


# --- providers ------------------------------------------------------------------------------------
def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    details = given["ProviderDetails"]
    for name in ("client_id", "oidc_issuer", "attributes_request_method", "authorize_scopes"):
        if not details.get(name):
            raise InvalidParameterException(f"{name} is required in ProviderDetails")
    if "openid" not in details["authorize_scopes"].split():
        raise InvalidParameterException("authorize_scopes must include openid")
    hold_value("attributes_request_method", details["attributes_request_method"], "GET")
    if not secure(details["oidc_issuer"]):
        raise InvalidParameterException("oidc_issuer must be an https URL")
    mapping = dict(given.get("AttributeMapping") or {})
    for name in mapping:
        if name not in pools.STANDARD or name == "sub":
            raise InvalidParameterException(f"Invalid user pool attribute {name} in the mapping")
    return {"ProviderDetails": dict(details), "AttributeMapping": {"username": "sub", **mapping}}


def _found(pool: Any, name: str) -> Any:
    found = pool.identity_providers.get(name)
    if found is None:
        raise ResourceNotFoundError(f"Identity provider {name} does not exist.")
    return found


def _told(pool: Any, provider: Any) -> ActionResult:
    shown = {**provider.to_json(extended=True), "UserPoolId": pool.id}
    return ActionResult({"IdentityProvider": shown})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.create_identity_provider",
    because="moto keeps whatever it is given, and one of the same name instead of the first",
)
def _create(_original: Callable[..., Any], response: Any) -> Any:
    given = response.parameters
    hold(given, _PROVIDER)
    hold_value("ProviderType", given["ProviderType"], "OIDC")
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    name = given["ProviderName"]
    if name in pool.identity_providers:
        raise JsonRESTError(
            "DuplicateProviderException", f"A provider {name} exists in the user pool."
        )
    config = {"ProviderType": "OIDC", **_checked(given)}
    made = response.backend.create_identity_provider(pool.id, name, config)
    return _told(pool, made)


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.update_identity_provider",
    because="moto keeps whatever it is given",
)
def _update(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(given, {name: below for name, below in _PROVIDER.items() if name != "ProviderType"})
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    provider = _found(pool, given["ProviderName"])
    kept = {name: provider.extended_config[name] for name in ("ProviderDetails",)}
    mapping = given.get("AttributeMapping", provider.extended_config["AttributeMapping"])
    without = {name: claim for name, claim in mapping.items() if name != "username"}
    provider.extended_config |= _checked({**kept, **given, "AttributeMapping": without})
    provider.last_modified_date = now().replace(tzinfo=None)
    return _told(pool, provider)


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.describe_identity_provider",
    because="moto does not say whose it is",
)
def _describe(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    return _told(pool, _found(pool, given["ProviderName"]))


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.delete_identity_provider",
    because="moto deletes a provider that a client believes",
)
def _delete(original: Callable[..., Any], response: Any) -> Any:
    given = response.parameters
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    _found(pool, given["ProviderName"])
    return original(response)


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.list_identity_providers",
    because="moto's tokens name the next item, and are of no use once it is gone",
)
def _list(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    page, following = listings.page(
        list(pool.identity_providers.values()),
        lambda provider: str(provider.name),
        size=min(int(given.get("MaxResults") or 60), 60),
        token=given.get("NextToken"),
        refuses=InvalidParameterException,
    )
    shown: dict[str, Any] = {"Providers": [provider.to_json() for provider in page]}
    return ActionResult(shown | ({"NextToken": following} if following else {}))


# --- domains --------------------------------------------------------------------------------------
@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.create_user_pool_domain",
    because="moto takes any prefix, one that another pool has, too",
)
def _create_domain(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(given, values("Domain", "ManagedLoginVersion", "UserPoolId"))
    # The newer pages come with styles of one's own; no page is modelled.
    hold_value("ManagedLoginVersion", given.get("ManagedLoginVersion", 1), 1)
    backend, prefix = response.backend, given["Domain"]
    pool = backend.describe_user_pool(given["UserPoolId"])
    if not _PREFIX.fullmatch(prefix) or any(word in prefix for word in _NOT_IN_PREFIX):
        raise InvalidParameterException(f"{prefix} cannot be a domain's prefix.")
    if prefix in backend.user_pool_domains:
        raise InvalidParameterException("Domain already associated with another user pool.")
    if any(each.user_pool_id == pool.id for each in backend.user_pool_domains.values()):
        raise InvalidParameterException(f"User pool already has a domain: {pool.id}")
    backend.create_user_pool_domain(pool.id, prefix)
    return ActionResult({"ManagedLoginVersion": 1})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.describe_user_pool_domain",
    because="moto invents the account",
)
def _describe_domain(_original: Callable[..., Any], response: Any) -> ActionResult:
    found = response.backend.user_pool_domains.get(response.parameters["Domain"])
    if found is None:
        return ActionResult({"DomainDescription": {}})
    told = {
        "AWSAccountId": response.current_account,
        "Domain": found.domain,
        "ManagedLoginVersion": 1,
        "Status": "ACTIVE",
        "UserPoolId": found.user_pool_id,
    }
    return ActionResult({"DomainDescription": told})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.delete_user_pool_domain",
    because="moto deletes another pool's",
)
def _delete_domain(_original: Callable[..., Any], response: Any) -> ActionResult:
    given, backend = response.parameters, response.backend
    found = backend.user_pool_domains.get(given["Domain"])
    if found is None or found.user_pool_id != given["UserPoolId"]:
        raise ResourceNotFoundError("No such domain or user pool exists.")
    del backend.user_pool_domains[given["Domain"]]
    return EmptyResult()


def pool_at(backend: Any, prefix: str) -> Any | None:
    """The pool whose domain has this prefix."""
    found = backend.user_pool_domains.get(prefix)
    return None if found is None else backend.user_pools.get(found.user_pool_id)
