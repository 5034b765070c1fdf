"""User pools and their clients: what is emulated of them, and their defaults.

An update replaces all: what it does not name takes its default, as on AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from moto.cognitoidp.exceptions import InvalidParameterException
from moto.cognitoidp.models import CognitoIdpUserPoolAttribute
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, EmptyResult

from infra.offline.patching import replaces
from infra.offline.services.cognito_idp.shared import (
    Members,
    hold,
    hold_value,
    not_modelled,
    now,
    values,
)

#: What a pool keeps for good. Source: UpdateUserPool has no such members.
_FOR_GOOD: Members = {"AliasAttributes": None, "UsernameConfiguration": values("CaseSensitive")}
_CHANGEABLE: Members = {
    "AccountRecoverySetting": {"RecoveryMechanisms": values("Name", "Priority")},
    "AdminCreateUserConfig": values("AllowAdminCreateUserOnly"),
    "DeletionProtection": None,
    "EmailConfiguration": values("EmailSendingAccount", "From", "ReplyToEmailAddress", "SourceArn"),
    "MfaConfiguration": None,
    "Policies": {
        "PasswordPolicy": values(
            "MinimumLength",
            "PasswordHistorySize",
            "RequireLowercase",
            "RequireNumbers",
            "RequireSymbols",
            "RequireUppercase",
            "TemporaryPasswordValidityDays",
        ),
        "SignInPolicy": values("AllowedFirstAuthFactors"),
    },
    "PoolName": None,
    "UserPoolTags": None,
    "UserPoolTier": None,
}
POOL: Members = {**_FOR_GOOD, **_CHANGEABLE}
FACTORS = ("PASSWORD", "EMAIL_OTP")

_PASSWORDS = {
    "MinimumLength": 8,
    "RequireUppercase": True,
    "RequireLowercase": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
    "TemporaryPasswordValidityDays": 7,
}

#: Where codes go in a message.
PLACE_OF_CODE = "{####}"

CLIENT: Members = {
    "AccessTokenValidity": None,
    "AllowedOAuthFlows": None,
    "AllowedOAuthFlowsUserPoolClient": None,
    "AllowedOAuthScopes": None,
    "AuthSessionValidity": None,
    "CallbackURLs": None,
    "ClientName": None,
    "EnableTokenRevocation": None,
    "ExplicitAuthFlows": None,
    "GenerateSecret": None,
    "IdTokenValidity": None,
    "PreventUserExistenceErrors": None,
    "ReadAttributes": None,
    "RefreshTokenValidity": None,
    "SupportedIdentityProviders": None,
    "TokenValidityUnits": values("AccessToken", "IdToken", "RefreshToken"),
    "UserPoolId": None,
    "WriteAttributes": None,
}
#: Source: AuthSessionValidity, TokenValidityUnits and their neighbours in CreateUserPoolClient.
_CLIENT_DEFAULTS = {
    "AllowedOAuthFlowsUserPoolClient": False,
    "AuthSessionValidity": 3,
    "EnablePropagateAdditionalUserContextData": False,
    "EnableTokenRevocation": True,
    "PreventUserExistenceErrors": "LEGACY",
    "RefreshTokenValidity": 30,
    "TokenValidityUnits": {},
}
#: Token: the default validity and its default unit, the shortest and the longest.
_VALIDITY = {
    "AccessToken": (1, "hours", timedelta(minutes=5), timedelta(days=1)),
    "IdToken": (1, "hours", timedelta(minutes=5), timedelta(days=1)),
    "RefreshToken": (30, "days", timedelta(minutes=60), timedelta(days=3650)),
}

STANDARD = tuple(CognitoIdpUserPoolAttribute.STANDARD_SCHEMA)
#: Nobody writes these for themselves.
_NOT_WRITABLE = ("sub", "email_verified", "phone_number_verified")
WRITABLE = tuple(name for name in STANDARD if name not in _NOT_WRITABLE)


# --- reading --------------------------------------------------------------------------------------
def factors(pool: Any) -> tuple[str, ...]:
    """By what people of the pool may begin to sign in."""
    return tuple(pool.extended_config["Policies"]["SignInPolicy"]["AllowedFirstAuthFactors"])


def case_sensitive(pool: Any) -> bool:
    """Pools that do not say so tell capital from small letters."""
    return bool(pool.extended_config.get("UsernameConfiguration", {}).get("CaseSensitive", True))


def message(pool: Any) -> tuple[str, str]:
    """Subject and text of the mail that brings a code."""
    kept = vars(pool).get("academy_email_message", {})
    return (
        kept.get("Subject", "Your authentication code"),
        kept.get("Message", f"Your authentication code is {PLACE_OF_CODE}."),
    )


def validity(client: Any, token: str) -> timedelta:
    """How long a token of a client lives: "AccessToken", "IdToken" or "RefreshToken"."""
    return _validity(client.extended_config, token)


def _validity(config: Mapping[str, Any], token: str) -> timedelta:
    number, unit, _, _ = _VALIDITY[token]
    # A refresh token's 0 is its default. Source: RefreshTokenValidity in CreateUserPoolClient.
    number = config.get(f"{token}Validity") or number
    unit = (config.get("TokenValidityUnits") or {}).get(token, unit)
    return timedelta(**{unit: number})


def writable(client: Any) -> tuple[str, ...]:
    """What a signed-in person may write. An empty list is none: hashicorp/terraform-provider-aws
    issue 28684."""
    return tuple(client.extended_config.get("WriteAttributes") or WRITABLE)


def readable(client: Any) -> tuple[str, ...]:
    """What a signed-in person may read."""
    return tuple(client.extended_config.get("ReadAttributes") or STANDARD)


# --- pools ----------------------------------------------------------------------------------------
@replaces(
    "moto.cognitoidp.models:utcnow",
    because="moto's times follow the machine's clock",
)
def _utcnow(_original: Callable[..., Any]) -> datetime:
    return now().replace(tzinfo=None)


def _complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """A pool's settings with the defaults of what is not given, if they can be."""
    policies = given.get("Policies", {})
    first = policies.get("SignInPolicy", {}).get("AllowedFirstAuthFactors", ["PASSWORD"])
    config = {
        "DeletionProtection": "INACTIVE",
        "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
        "MfaConfiguration": "OFF",
        "UserPoolTier": "ESSENTIALS",
        **given,
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": False,
            "UnusedAccountValidityDays": 7,
            **given.get("AdminCreateUserConfig", {}),
        },
        "Policies": {
            "PasswordPolicy": policies.get("PasswordPolicy", _PASSWORDS),
            "SignInPolicy": {"AllowedFirstAuthFactors": first},
        },
    }
    alone = config["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"]
    hold_value("AdminCreateUserConfig.AllowAdminCreateUserOnly", alone, True)
    hold_value("MfaConfiguration", config["MfaConfiguration"], "OFF")
    hold_value("UserPoolTier", config["UserPoolTier"], "LITE", "ESSENTIALS")
    for alias in config.get("AliasAttributes", ()):
        hold_value("AliasAttributes", alias, "email")
    for factor in first:
        hold_value("AllowedFirstAuthFactors", factor, *FACTORS)
    if "PASSWORD" not in first:
        raise InvalidParameterException("PASSWORD must be among AllowedFirstAuthFactors.")
    if "EMAIL_OTP" in first and config["UserPoolTier"] == "LITE":
        raise JsonRESTError(
            "FeatureUnavailableInTierException",
            "EMAIL_OTP as a first factor needs the tier ESSENTIALS or higher.",
        )
    mail = config["EmailConfiguration"]
    if mail.get("EmailSendingAccount") == "DEVELOPER" and not mail.get("SourceArn"):
        raise InvalidParameterException("EmailSendingAccount DEVELOPER needs a SourceArn.")
    return config


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.create_user_pool",
    because="moto keeps whatever it is given, and gives no sign-in policy or tier",
)
def _create_pool(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = dict(response.parameters)
    hold(given, POOL)
    config = _complete({name: value for name, value in given.items() if name != "PoolName"})
    pool = response.backend.create_user_pool(given["PoolName"], config)
    return ActionResult({"UserPool": pool.to_json(extended=True)})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.update_user_pool",
    because="moto takes back what a pool keeps for good, and its answer is none",
)
def _update_pool(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = dict(response.parameters)
    pool = response.backend.describe_user_pool(given.pop("UserPoolId"))
    hold(given, _CHANGEABLE)
    for_good = {name: pool.extended_config[name] for name in _FOR_GOOD if name in _config(pool)}
    name = given.pop("PoolName", pool.name)
    config = _complete({**for_good, **given})
    pool.update_extended_config(config)
    pool.name, pool.last_modified_date = name, now().replace(tzinfo=None)
    return EmptyResult()


def _config(pool: Any) -> Mapping[str, Any]:
    return pool.extended_config  # type: ignore[no-any-return]


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.delete_user_pool",
    because="moto deletes a pool that is protected",
)
def _delete_pool(original: Callable[..., Any], response: Any) -> Any:
    pool = response.backend.describe_user_pool(response.parameters["UserPoolId"])
    if pool.extended_config["DeletionProtection"] == "ACTIVE":
        raise InvalidParameterException(
            "The user pool cannot be deleted because deletion protection is activated. Deletion "
            "protection must be inactivated first."
        )
    if any(each.user_pool_id == pool.id for each in response.backend.user_pool_domains.values()):
        raise InvalidParameterException(
            "User pool cannot be deleted. It has a domain configured that should be deleted first."
        )
    return original(response)


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.set_user_pool_mfa_config",
    because="moto loses the message that brings a code by e-mail",
)
def _set_mfa(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(
        given,
        {
            "EmailMfaConfiguration": values("Message", "Subject"),
            "MfaConfiguration": None,
            "UserPoolId": None,
        },
    )
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    hold_value("MfaConfiguration", given.get("MfaConfiguration", "OFF"), "OFF")
    wanted = given.get("EmailMfaConfiguration", {})
    sender = pool.extended_config["EmailConfiguration"]["EmailSendingAccount"]
    if wanted and sender != "DEVELOPER":
        raise InvalidParameterException(
            "A message of one's own for codes by e-mail needs EmailSendingAccount DEVELOPER."
        )
    vars(pool)["academy_email_message"] = dict(wanted)
    return ActionResult(_mfa(pool))


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.get_user_pool_mfa_config",
    because="the same when it is asked",
)
def _get_mfa(_original: Callable[..., Any], response: Any) -> ActionResult:
    pool = response.backend.describe_user_pool(response.parameters["UserPoolId"])
    return ActionResult(_mfa(pool))


def _mfa(pool: Any) -> dict[str, Any]:
    kept = vars(pool).get("academy_email_message", {})
    return {"MfaConfiguration": "OFF", **({"EmailMfaConfiguration": kept} if kept else {})}


# --- clients --------------------------------------------------------------------------------------
def _client_config(pool: Any, given: Mapping[str, Any], doing: str) -> dict[str, Any]:
    """A client's settings with the defaults of what is not given, if they can be."""
    hold(given, CLIENT)
    hold_value("GenerateSecret", given.get("GenerateSecret", False), False)
    flows = given.get("ExplicitAuthFlows", [])
    if list(flows) not in (["ALLOW_USER_AUTH"], ["ALLOW_CUSTOM_AUTH"]):
        raise not_modelled(
            f"ExplicitAuthFlows {', '.join(flows) or '(none given)'}",
            ("ALLOW_USER_AUTH", "ALLOW_CUSTOM_AUTH"),
        )
    for provider in given.get("SupportedIdentityProviders", ()):
        if provider != "COGNITO" and provider not in pool.identity_providers:
            raise InvalidParameterException(
                f"The provider {provider} does not exist for User Pool {pool.id}."
            )
    _hold_oauth(given)
    for member, known in (("ReadAttributes", STANDARD), ("WriteAttributes", WRITABLE)):
        if set(given.get(member, ())) - set(known):
            kind = member.removesuffix("Attributes").lower()
            raise InvalidParameterException(
                f"Invalid {kind} attributes specified while {doing} a client"
            )
    for token, (_, _, shortest, longest) in _VALIDITY.items():
        if not shortest <= _validity(given, token) <= longest:
            raise InvalidParameterException("Invalid range for token validity.")
    named = ("UserPoolId", "ClientId", "GenerateSecret")
    return _CLIENT_DEFAULTS | {name: value for name, value in given.items() if name not in named}


#: Source: AllowedOAuthScopes in CreateUserPoolClient.
SCOPES = ("openid", "email", "profile", "phone", "aws.cognito.signin.user.admin")


def _hold_oauth(given: Mapping[str, Any]) -> None:
    for flow in given.get("AllowedOAuthFlows", ()):
        hold_value("AllowedOAuthFlows", flow, "code")
    for scope in given.get("AllowedOAuthScopes", ()):
        hold_value("AllowedOAuthScopes", scope, *SCOPES)
    if given.get("AllowedOAuthFlows") and not given.get("CallbackURLs"):
        raise InvalidParameterException("AllowedOAuthFlows need CallbackURLs.")
    for url in given.get("CallbackURLs", ()):
        parts = urlsplit(url)
        # AWS takes http for localhost alone; doors of this cloud stand on 127.0.0.1.
        here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
        if not parts.hostname or parts.fragment or not (parts.scheme == "https" or here):
            raise InvalidParameterException(f"Invalid callback URL {url}")


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.create_user_pool_client",
    because="moto keeps whatever it is given",
)
def _create_client(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    pool = response.backend.describe_user_pool(given["UserPoolId"])
    config = _client_config(pool, given, "creating")
    client = response.backend.create_user_pool_client(given["UserPoolId"], False, config)
    return ActionResult({"UserPoolClient": client.to_json(extended=True)})


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.update_user_pool_client",
    because="moto leaves what an update does not name as it was",
)
def _update_client(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = dict(response.parameters)
    pool, named = given.pop("UserPoolId"), given.pop("ClientId")
    client = response.backend.describe_user_pool_client(pool, named)
    config = _client_config(response.backend.describe_user_pool(pool), given, "updating")
    client.extended_config = {"ClientName": client.extended_config.get("ClientName"), **config}
    return ActionResult({"UserPoolClient": client.to_json(extended=True)})
