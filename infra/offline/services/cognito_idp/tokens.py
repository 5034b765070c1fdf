"""What a signed-in person holds: an access token, an ID token and a refresh token.

They are as AWS's: signed claims, and an opaque one. Yet whether an access token is good is asked
here and not read from it: it ends with its time, when it is revoked, and with its owner.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.cognitoidp.exceptions import (
    InvalidParameterException,
    NotAuthorizedError,
    ResourceNotFoundError,
    UserNotFoundError,
)
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, EmptyResult

from infra.offline.patching import adds, replaces
from infra.offline.services.cognito_idp import pools
from infra.offline.services.cognito_idp.shared import hold, now, values

#: AWS's refresh tokens are opaque and about this long.
_REFRESH_BYTES = 1300

#: What lets a token ask Cognito about its owner.
USER = "aws.cognito.signin.user.admin"


@dataclass
class Issued:
    """An access token, or the refresh token that came with it."""

    client_id: str
    #: The claim `sub`, which nobody else ever has: not who is later called the same.
    user_id: str
    username: str
    #: What tokens of one signing-in share.
    origin: str
    expires: datetime
    #: What an access token may be used for, parted by blanks.
    scope: str = USER
    revoked: bool = False


@dataclass
class _Kept:
    access: dict[str, Issued] = field(default_factory=dict)
    refresh: dict[str, Issued] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """A good access token, and whose it is."""

    pool: Any
    client: Any
    user: Any
    issued: Issued


def _kept(pool: Any) -> _Kept:
    # In the pool's own state, so that they go with it.
    return vars(pool).setdefault("academy_tokens", _Kept())  # type: ignore[no-any-return]


def issue(pool: Any, client: Any, user: Any, scope: str = USER) -> dict[str, Any]:
    """New tokens for who has signed in: AuthenticationResult."""
    moment, origin, event = now(), str(uuid.uuid4()), str(uuid.uuid4())

    def signed(use: str, token: str, **claims: Any) -> tuple[str, datetime]:
        expires = moment + pools.validity(client, token)
        times = {
            "iat": int(moment.timestamp()),
            "auth_time": int(moment.timestamp()),
            "exp": int(expires.timestamp()),
        }
        groups = sorted(group.group_name for group in user.groups)
        shared = {"origin_jti": origin, "event_id": event, **times, **claims}
        if groups:
            shared["cognito:groups"] = groups
        made, _ = pool.create_jwt(client.id, user.username, use, extra_data=shared)
        return str(made), expires

    access, expires = signed("access", "AccessToken", scope=scope)
    shown = {
        name: value == "true" if name.endswith("_verified") else value
        for name, value in user.attribute_lookup.items()
        if name in pools.readable(client)
    }
    identity, _ = signed("id", "IdToken", **shown)
    # Begins as AWS's encrypted ones do.
    refresh = f"eyJ{secrets.token_urlsafe(_REFRESH_BYTES)}"
    kept = _kept(pool)
    about = (client.id, user.id, user.username, origin)
    kept.access[access] = Issued(*about, expires, scope)
    kept.refresh[refresh] = Issued(*about, moment + pools.validity(client, "RefreshToken"))
    return {
        "AccessToken": access,
        "ExpiresIn": int((expires - moment).total_seconds()),
        "IdToken": identity,
        "RefreshToken": refresh,
        "TokenType": "Bearer",
    }


def bearer(backend: Any, token: str, scope: str = USER) -> Held:
    """Whose token this is, which must be good for `scope`.

    Raises:
        NotAuthorizedError: unless it is.
        UserNotFoundError: if its owner is gone.
    """
    for pool in list(backend.user_pools.values()):
        issued = _kept(pool).access.get(token)
        if issued is None:
            continue
        if issued.revoked:
            raise NotAuthorizedError("Access Token has been revoked")
        if issued.expires <= now():
            raise NotAuthorizedError("Access Token has expired")
        if scope not in issued.scope.split():
            raise NotAuthorizedError("Access Token does not have required scopes")
        user, client = pool.users.get(issued.username), pool.clients.get(issued.client_id)
        if user is None or user.id != issued.user_id:
            raise UserNotFoundError("User does not exist.")
        if client is None:
            raise ResourceNotFoundError(f"User pool client {issued.client_id} does not exist.")
        return Held(pool, client, user, issued)
    raise NotAuthorizedError("Invalid Access Token")


def revoke(pool: Any, user: Any) -> None:
    """End everything that this person holds."""
    kept = _kept(pool)
    for issued in (*kept.access.values(), *kept.refresh.values()):
        if issued.user_id == user.id:
            issued.revoked = True


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.global_sign_out",
    because="moto forgets tokens that it should know as revoked",
)
def _global_sign_out(_original: Callable[..., Any], response: Any) -> ActionResult:
    held = bearer(response.backend, response.parameters["AccessToken"])
    revoke(held.pool, held.user)
    return EmptyResult()


@adds(
    "moto.cognitoidp.responses:CognitoIdpResponse.revoke_token",
    because="moto lacks it",
)
def _revoke_token(response: Any) -> ActionResult:
    given = response.parameters
    hold(given, values("ClientId", "Token"))
    for pool in list(response.backend.user_pools.values()):
        client = pool.clients.get(given["ClientId"])
        if client is None:
            continue
        if not client.extended_config["EnableTokenRevocation"]:
            raise JsonRESTError(
                "UnsupportedOperationException", "Token revocation is not enabled for this client."
            )
        kept = _kept(pool)
        if given["Token"] in kept.access:
            raise JsonRESTError(
                "UnsupportedTokenTypeException", "Only refresh tokens can be revoked."
            )
        found = kept.refresh.get(given["Token"])
        if found is None or found.client_id != client.id:
            raise InvalidParameterException("Invalid Refresh Token")
        for issued in (*kept.access.values(), found):
            issued.revoked |= issued.origin == found.origin
        return EmptyResult()
    raise JsonRESTError(
        "UnauthorizedException", f"User pool client {given['ClientId']} does not exist."
    )
