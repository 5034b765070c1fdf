"""The people of a pool: known by a name and by their verified e-mail address, one each.

Made by an administrator and without a password: who may sign in by a code by e-mail is confirmed
at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.cognitoidp.exceptions import (
    AliasExistsException,
    InvalidParameterException,
    NotAuthorizedError,
    UsernameExistsException,
)
from moto.cognitoidp.models import CognitoIdpUser, UserStatus
from moto.core.responses import ActionResult, EmptyResult

from infra.offline.patching import adds, replaces
from infra.offline.services.cognito_idp import pools, tokens
from infra.offline.services.cognito_idp.shared import (
    hold,
    hold_value,
    not_modelled,
    values,
)

_ATTRIBUTES = values("Name", "Value")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def find(pool: Any, named: str) -> Any | None:
    """Who is called so, or has this verified e-mail address where that is an alias."""
    alias = "email" in pool.extended_config.get("AliasAttributes", ())
    same = _same(pool)
    for user in list(pool.users.values()):
        if same(user.username, named):
            return user
    for user in list(pool.users.values()):
        if alias and verified(user) and same(user.attribute_lookup["email"], named):
            return user
    return None


def shown(user: Any, attributes: str = "Attributes") -> dict[str, Any]:
    """A user as AWS tells of one who has no second factor."""
    told: dict[str, Any] = user.to_json(extended=True, attributes_key=attributes)
    kept = (attributes, "Enabled", "UserCreateDate", "UserLastModifiedDate", "UserStatus")
    return {name: told[name] for name in ("Username", *kept)}


def verified(user: Any) -> bool:
    """Whether this person's e-mail address is known to be theirs."""
    known = user.attribute_lookup
    return bool(known.get("email")) and known.get("email_verified") == "true"


def _same(pool: Any) -> Callable[[str, str], bool]:
    if pools.case_sensitive(pool):
        return lambda one, other: one == other
    return lambda one, other: one.casefold() == other.casefold()


@replaces(
    "moto.cognitoidp.models:CognitoIdpUserPool._get_user",
    because="moto knows no aliases, and tells capital from small letters in every pool",
)
def _get_user(_original: Callable[..., Any], pool: Any, username: str) -> Any:
    return find(pool, username)


# --- attributes -----------------------------------------------------------------------------------
def checked(attributes: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Attributes by name, if they can be.

    Raises:
        InvalidParameterException: for one that there is not, or an address that is none.
    """
    given = {each["Name"]: each.get("Value", "") for each in attributes}
    for name, value in given.items():
        if name not in pools.STANDARD:
            raise InvalidParameterException(
                f"Attributes did not conform to the schema: {name}: Attribute does not exist in "
                "the schema."
            )
        if name == "sub":
            raise InvalidParameterException("Cannot modify the non-mutable attribute sub")
        if name == "email" and not _EMAIL.fullmatch(value):
            raise InvalidParameterException("Invalid email address format.")
        if name.endswith("_verified") and value.lower() not in ("true", "false"):
            raise InvalidParameterException(f"{name} is true or false, not {value!r}")
    return {
        name: value.lower() if name.endswith("_verified") else value
        for name, value in given.items()
    }


def _not_another(pool: Any, email: str | None, this: Any = None) -> None:
    """Refuse an address that is the alias of somebody else."""
    if not email or "email" not in pool.extended_config.get("AliasAttributes", ()):
        return
    same = _same(pool)
    for user in list(pool.users.values()):
        if user is not this and verified(user) and same(user.attribute_lookup["email"], email):
            raise AliasExistsException


def put(user: Any, attributes: Mapping[str, str]) -> None:
    """Write these over the attributes that somebody has."""
    user.update_attributes([{"Name": name, "Value": value} for name, value in attributes.items()])


# --- by administrators ----------------------------------------------------------------------------
@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.admin_create_user",
    because="moto invents passwords for all, checks no address, and lets two people have one",
)
def _create(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    members = {
        "MessageAction": None,
        "UserAttributes": _ATTRIBUTES,
        "UserPoolId": None,
        "Username": None,
    }
    hold(given, members)
    hold_value("MessageAction", given.get("MessageAction"), "SUPPRESS")
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    if "EMAIL_OTP" not in pools.factors(pool):
        raise not_modelled("A user with a password", ("users of pools that allow EMAIL_OTP",))
    name, attributes = given["Username"], checked(given.get("UserAttributes", ()))
    if _EMAIL.fullmatch(name) and "email" in pool.extended_config.get("AliasAttributes", ()):
        raise InvalidParameterException(
            "Username cannot be of email format, since user pool is configured for email alias."
        )
    if find(pool, name) is not None:
        raise UsernameExistsException("User account already exists")
    if "email" not in attributes:
        raise InvalidParameterException("A user without a password needs an email attribute.")
    if attributes.get("email_verified") == "true":
        _not_another(pool, attributes["email"])
    user = CognitoIdpUser(pool.id, name, None, UserStatus.CONFIRMED, [])
    put(user, attributes)
    pool.users[name] = user
    return ActionResult({"User": shown(user)})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.admin_get_user",
    because="moto tells of second factors that nobody has",
)
def _admin_get(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    user = response.backend.admin_get_user(given["UserPoolId"], given["Username"])
    return ActionResult(shown(user, "UserAttributes"))


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.admin_update_user_attributes",
    because="moto checks no address, and lets two people have one",
)
def _update(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(given, {"UserAttributes": _ATTRIBUTES, "UserPoolId": None, "Username": None})
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    user = response.backend.admin_get_user(pool.id, given["Username"])
    attributes = checked(given["UserAttributes"])
    if "email" in attributes:
        # A new address is somebody's only when it is said to be.
        attributes = {"email_verified": "false", **attributes}
    known = {**user.attribute_lookup, **attributes}
    if known.get("email_verified") == "true":
        _not_another(pool, known.get("email"), user)
    put(user, attributes)
    return EmptyResult()


@replaces(
    "moto.cognitoidp.models:CognitoIdpBackend.admin_disable_user",
    because="moto leaves the tokens of who is disabled, and they are good again with the person",
)
def _disable(original: Callable[..., Any], backend: Any, pool_id: str, username: str) -> None:
    original(backend, pool_id, username)
    pool = backend.describe_user_pool(pool_id)
    tokens.revoke(pool, pool._get_user(username))


@replaces(
    "moto.cognitoidp.models:CognitoIdpBackend.admin_user_global_sign_out",
    because="moto forgets tokens that it should know as revoked",
)
def _sign_out(_original: Callable[..., Any], backend: Any, pool_id: str, username: str) -> None:
    user = backend.admin_get_user(pool_id, username)
    tokens.revoke(backend.describe_user_pool(pool_id), user)


# --- by themselves --------------------------------------------------------------------------------
@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.get_user",
    because="moto's tokens never expire, and every client reads every attribute",
)
def _get(_original: Callable[..., Any], response: Any) -> ActionResult:
    held = tokens.bearer(response.backend, response.parameters["AccessToken"])
    shown = {"sub", *pools.readable(held.client)}
    attributes = [each for each in held.user.attributes if each["Name"] in shown]
    return ActionResult({"Username": held.user.username, "UserAttributes": attributes})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.update_user_attributes",
    because="moto lets every client write every attribute",
)
def _update_own(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(given, {"AccessToken": None, "UserAttributes": _ATTRIBUTES})
    held = tokens.bearer(response.backend, given["AccessToken"])
    attributes = checked(given["UserAttributes"])
    _may_write(held, attributes)
    if "email" in attributes:
        raise not_modelled("A new address of one's own (email)", ("other attributes",))
    put(held.user, attributes)
    return ActionResult({"CodeDeliveryDetailsList": []})


@adds(
    "moto.cognitoidp.responses:CognitoIdpResponse.delete_user_attributes",
    because="moto lacks it",
)
def _delete_own_attributes(response: Any) -> ActionResult:
    given = response.parameters
    held = tokens.bearer(response.backend, given["AccessToken"])
    _may_write(held, given["UserAttributeNames"])
    held.user.delete_attributes(
        [name for name in given["UserAttributeNames"] if name in held.user.attribute_lookup]
    )
    return EmptyResult()


def _may_write(held: tokens.Held, names: Iterable[str]) -> None:
    if set(names) - set(pools.writable(held.client)):
        raise NotAuthorizedError("A client attempted to write unauthorized attribute")


@adds(
    "moto.cognitoidp.responses:CognitoIdpResponse.delete_user",
    because="moto lacks it, and every signed-in person may remove themselves",
)
def _delete_own(response: Any) -> ActionResult:
    held = tokens.bearer(response.backend, response.parameters["AccessToken"])
    response.backend.admin_delete_user(held.pool.id, held.user.username)
    return EmptyResult()
