"""The endpoints of a pool's domain: authorize, idpresponse, token and userInfo.

A browser that comes to `authorize` is led on to a provider; it comes back to `idpresponse`, the
provider's word makes or renews a user of the pool, and the client's page gets a code, which is good
once and for who has the verifier. There are no pages to look at.

At AWS they are at https://PREFIX.auth.REGION.amazoncognito.com/oauth2/; here at
/_academy/auth/PREFIX/oauth2/ of the cloud's one address.

Sources: "User pool endpoints and managed login reference", "OIDC user pool IdP authentication
flow", "Mapping IdP attributes to profiles and tokens" (developer guide); RFC 6749, RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from moto.cognitoidp.exceptions import (
    InvalidParameterException,
    NotAuthorizedError,
    ResourceNotFoundError,
    UserNotFoundError,
)
from moto.cognitoidp.models import CognitoIdpUser, cognitoidp_backends

from infra.offline import runtime
from infra.offline.services.cognito_idp import people, pools, providers, tokens
from infra.offline.services.cognito_idp.oidc import Issuer, ProviderError
from infra.offline.services.cognito_idp.shared import now

log = logging.getLogger(__name__)

PREFIX = "/_academy/auth/"
_PATH = re.compile(r"/_academy/auth/(?P<domain>[a-z0-9-]+)/oauth2/(?P<what>[A-Za-z]+)")

#: Source: "The token issuer endpoint": a code is good once, for five minutes.
CODE_MINUTES = 5
SIGN_IN_MINUTES = 10
#: Binds a sign-in to a browser. Source: "csrf-state" among the cookies of AWS's endpoints.
COOKIE = "csrf-state"

_LARGEST_FORM = 16 * 1024
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class _Asked:
    """What a client asked for at `authorize`, once it is known to be one that may."""

    pool: str
    client: str
    provider: str
    redirect_uri: str
    scope: str
    state: str | None
    challenge: str
    nonce: str
    expires: datetime


@dataclass(frozen=True)
class _Code:
    asked: _Asked
    username: str
    user_id: str
    expires: datetime


@dataclass
class _Kept:
    asked: dict[str, _Asked] = field(default_factory=dict)
    codes: dict[str, _Code] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, of: dict[str, Any], name: str) -> Any:
        """What is kept under a name, once; None if it is too old, or not there."""
        with self.lock:
            found = of.pop(name, None)
        return found if found is not None and found.expires > now() else None


class _Refused(Exception):
    """An answer that goes to whoever asked, and leads nowhere."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(error)
        told = {"error": error, **({"error_description": description} if description else {})}
        self.answer = _json(status, told)


class _ToClient(Exception):
    """An error that the client's own page is told of."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def serves(path: str) -> bool:
    """Whether `path` is an endpoint of a domain."""
    return path.startswith(PREFIX)


def handle(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The endpoints as a WSGI application."""
    try:
        status, headers, body = _answer(environ)
    except _Refused as refused:
        status, headers, body = refused.answer
    start_response(
        f"{status} {_PHRASES.get(status, 'Unknown')}",
        [*headers.items(), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")],
    )
    return [body]


_PHRASES = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    501: "Not Implemented",
}


def _answer(environ: dict[str, Any]) -> Answer:
    # A name that somebody lets lead here must not reach what a browser may reach alone.
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname
    if not providers.is_loopback(host):
        raise _Refused(403, "invalid_request", "the endpoints answer to 127.0.0.1")
    found = _PATH.fullmatch(environ.get("PATH_INFO", ""))
    here = runtime.current()
    backend = cognitoidp_backends[here.account][here.region]
    pool = providers.pool_at(backend, found["domain"]) if found else None
    if found is None or pool is None:
        raise _Refused(404, "not_found", "there is no such domain, or no such endpoint of one")
    base = f"{here.endpoint}{PREFIX}{found['domain']}/oauth2"
    method, what = environ["REQUEST_METHOD"], found["what"]
    if what == "authorize" and method == "GET":
        return _authorize(pool, _query(environ), base)
    if what == "idpresponse" and method == "GET":
        return _returned(pool, environ, base)
    if what == "token" and method == "POST":
        return _token(pool, _form(environ))
    if what == "userInfo" and method in ("GET", "POST"):
        return _user_info(backend, pool, environ.get("HTTP_AUTHORIZATION", ""))
    raise _Refused(501, "not_modelled", f"{method} {what} is not modelled by the embedded cloud")


# --- the way there --------------------------------------------------------------------------------
def _authorize(pool: Any, query: Mapping[str, str], base: str) -> Answer:
    client = pool.clients.get(query.get("client_id", ""))
    if client is None:
        raise _Refused(400, "invalid_client", "no such client")
    config = client.extended_config
    redirect_uri = query.get("redirect_uri", "")
    # Nobody is led to an address that the client has not named, by an error neither.
    if redirect_uri not in config.get("CallbackURLs", ()):
        raise _Refused(400, "redirect_mismatch", "redirect_uri is none of the client's")
    state = query.get("state")
    try:
        asked = _allowed(pool, client, query, redirect_uri, state)
        issuer = _issuer(pool, asked.provider)
    except _ToClient as error:
        return _back(redirect_uri, state, error)
    except ProviderError as error:
        log.warning("%s: %s", query.get("identity_provider"), error)
        told = _ToClient("server_error", f"The provider cannot be reached: {error}")
        return _back(redirect_uri, state, told)
    sign_in = secrets.token_urlsafe(32)
    _kept(pool).asked[sign_in] = asked
    cookie = f"{COOKIE}={sign_in}; Path={PREFIX}; HttpOnly; SameSite=Lax; Max-Age=600"
    to = issuer.authorize_url(f"{base}/idpresponse", sign_in, asked.nonce)
    return 302, {"Location": to, "Set-Cookie": cookie}, b""


def _allowed(
    pool: Any, client: Any, query: Mapping[str, str], redirect_uri: str, state: str | None
) -> _Asked:
    config = client.extended_config
    known = {
        *("client_id", "code_challenge", "code_challenge_method", "identity_provider"),
        *("redirect_uri", "response_type", "scope", "state"),
    }
    if set(query) - known:
        raise _Refused(501, "not_modelled", f"{sorted(set(query) - known)} is not modelled")
    if query.get("response_type") != "code":
        raise _ToClient("unsupported_response_type", "response_type is code here")
    if not config.get("AllowedOAuthFlowsUserPoolClient") or "code" not in config.get(
        "AllowedOAuthFlows", ()
    ):
        raise _ToClient("unauthorized_client", "the client may not use this flow")
    allowed = config.get("AllowedOAuthScopes", [])
    scopes = query.get("scope", " ".join(allowed)).split()
    if not scopes or set(scopes) - set(allowed):
        raise _ToClient("invalid_scope", "a scope that the client has not")
    challenge, how = query.get("code_challenge", ""), query.get("code_challenge_method")
    if (challenge or how) and (how != "S256" or not _CHALLENGE.fullmatch(challenge)):
        raise _ToClient("invalid_request", "code_challenge goes by S256")
    provider = query.get("identity_provider")
    if provider is None:
        raise _Refused(501, "not_modelled", "without identity_provider AWS shows a page of its own")
    if provider not in config.get("SupportedIdentityProviders", ()) or provider == "COGNITO":
        raise _ToClient("invalid_request", "the client does not believe this provider")
    return _Asked(
        pool.id,
        client.id,
        provider,
        redirect_uri,
        " ".join(scopes),
        state,
        challenge,
        secrets.token_urlsafe(32),
        now() + timedelta(minutes=SIGN_IN_MINUTES),
    )


# --- the way back ---------------------------------------------------------------------------------
def _returned(pool: Any, environ: Mapping[str, Any], base: str) -> Answer:
    query = _query(environ)
    sign_in = query.get("state", "")
    if not sign_in or not hmac.compare_digest(sign_in.encode(), _cookie(environ).encode()):
        raise _Refused(400, "invalid_request", "this sign-in was not begun in this browser")
    asked = _kept(pool).take(_kept(pool).asked, sign_in)
    if asked is None:
        raise _Refused(400, "invalid_request", "this sign-in has been used, or took too long")
    try:
        if "error" in query:
            raise _ToClient(query["error"], query.get("error_description", ""))
        issuer = _issuer(pool, asked.provider)
        claims = issuer.claims(query.get("code", ""), f"{base}/idpresponse", asked.nonce)
        user = _user(pool, asked, claims)
    except _ToClient as error:
        return _back(asked.redirect_uri, asked.state, error)
    except ProviderError as error:
        log.warning("%s: %s", asked.provider, error)
        told = _ToClient("server_error", f"The provider is not believed: {error}")
        return _back(asked.redirect_uri, asked.state, told)
    code = str(uuid.uuid4())
    expires = now() + timedelta(minutes=CODE_MINUTES)
    _kept(pool).codes[code] = _Code(asked, user.username, user.id, expires)
    return _led(asked.redirect_uri, {"code": code, "state": asked.state})


def _issuer(pool: Any, provider: str) -> Issuer:
    known = pool.identity_providers.get(provider)
    if known is None:
        raise _ToClient("invalid_request", "there is no such provider any more")
    return Issuer.discover(known.extended_config["ProviderDetails"])


def _user(pool: Any, asked: _Asked, claims: Mapping[str, Any]) -> Any:
    """The user whom the provider speaks of, made or renewed by what it says.

    What it does not say stays as it was: "a mapped claim that no longer exists in the incoming
    token is not deleted or changed".
    """
    name = f"{asked.provider}_{claims['sub']}"
    client = pool.clients.get(asked.client)
    if client is None:
        raise _ToClient("invalid_request", "there is no such client any more")
    given = {
        attribute: _text(claims[claim])
        for attribute, claim in pool.identity_providers[asked.provider]
        .extended_config["AttributeMapping"]
        .items()
        if attribute != "username" and claim in claims
    }
    for attribute in given:
        if not attribute.endswith("_verified") and attribute not in pools.writable(client):
            raise _ToClient("invalid_request", f"attribute {attribute} is not writable")
    try:
        attributes = people.checked({"Name": each, "Value": given[each]} for each in given)
    except InvalidParameterException as error:
        raise _ToClient("invalid_request", str(error.message)) from None
    with _kept(pool).lock:
        user = pool.users.get(name)
        if user is None:
            user = CognitoIdpUser(pool.id, name, None, "EXTERNAL_PROVIDER", [])
            identity = {
                "userId": claims["sub"],
                "providerName": asked.provider,
                "providerType": "OIDC",
                "primary": "true",
            }
            people.put(user, {"identities": json.dumps([identity])})
            # By default, a mapped address is not verified.
            if "email" in attributes:
                attributes = {"email_verified": "false", **attributes}
            pool.users[name] = user
        if not user.enabled:
            raise _ToClient("invalid_request", "User is not enabled")
        people.put(user, attributes)
    return user


def _text(claim: Any) -> str:
    if isinstance(claim, bool):
        return "true" if claim else "false"
    return claim if isinstance(claim, str) else json.dumps(claim)


# --- tokens ---------------------------------------------------------------------------------------
def _token(pool: Any, form: Mapping[str, str]) -> Answer:
    if form.get("grant_type") != "authorization_code":
        raise _Refused(400, "unsupported_grant_type")
    client = pool.clients.get(form.get("client_id", ""))
    if client is None:
        raise _Refused(400, "invalid_client")
    # Taken by whoever shows it: what is wrong beside it makes it no better the next time.
    code = _kept(pool).take(_kept(pool).codes, form.get("code", ""))
    if code is None or code.asked.client != client.id:
        raise _Refused(400, "invalid_grant")
    if form.get("redirect_uri") != code.asked.redirect_uri:
        raise _Refused(400, "invalid_grant")
    if code.asked.challenge and not _proves(form.get("code_verifier", ""), code.asked.challenge):
        raise _Refused(400, "invalid_grant")
    user = pool.users.get(code.username)
    if user is None or user.id != code.user_id or not user.enabled:
        raise _Refused(400, "invalid_grant")
    made = tokens.issue(pool, client, user, code.asked.scope)
    told = {
        "id_token": made["IdToken"],
        "access_token": made["AccessToken"],
        "refresh_token": made["RefreshToken"],
        "expires_in": made["ExpiresIn"],
        "token_type": "Bearer",
    }
    return _json(200, told)


def _proves(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(digest.rstrip(b"=").decode(), challenge)


def _user_info(backend: Any, pool: Any, authorization: str) -> Answer:
    kind, _, token = authorization.partition(" ")
    try:
        if kind.lower() != "bearer":
            raise NotAuthorizedError("no token")
        held = tokens.bearer(backend, token.strip(), "openid")
        if held.pool is not pool:
            raise NotAuthorizedError("a token of another pool")
    except (NotAuthorizedError, ResourceNotFoundError, UserNotFoundError):
        status, headers, body = _json(
            401, {"error": "invalid_token", "error_description": "The access token is not good."}
        )
        return status, {**headers, "WWW-Authenticate": 'Bearer error="invalid_token"'}, body
    readable, scopes = pools.readable(held.client), held.issued.scope.split()
    shown = {
        name: value
        for name, value in held.user.attribute_lookup.items()
        if name in readable and name in ("email", "email_verified") and "email" in scopes
    }
    return _json(200, {"sub": held.user.id, **shown, "username": held.user.username})


# --- within ---------------------------------------------------------------------------------------
def _kept(pool: Any) -> _Kept:
    # In the pool's own state, so that it goes with it.
    return vars(pool).setdefault("academy_hosted", _Kept())  # type: ignore[no-any-return]


def _json(status: int, document: Mapping[str, Any]) -> Answer:
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    return status, headers, json.dumps(document).encode()


def _back(redirect_uri: str, state: str | None, error: _ToClient) -> Answer:
    told = {"error_description": error.description, "state": state, "error": error.error}
    return _led(redirect_uri, told)


def _led(redirect_uri: str, told: Mapping[str, str | None]) -> Answer:
    query = urlencode({name: value for name, value in told.items() if value is not None})
    return 302, {"Location": f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"}, b""


def _query(environ: Mapping[str, Any]) -> dict[str, str]:
    return _single(str(environ.get("QUERY_STRING", "")))


def _form(environ: Mapping[str, Any]) -> dict[str, str]:
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    size = str(environ.get("CONTENT_LENGTH") or "0")
    if kind != "application/x-www-form-urlencoded" or not size.isdigit():
        raise _Refused(400, "invalid_request", "a form")
    if int(size) > _LARGEST_FORM:
        raise _Refused(400, "invalid_request", "a smaller form")
    return _single(environ["wsgi.input"].read(int(size)).decode("utf-8", "replace"))


def _single(text: str) -> dict[str, str]:
    """Parameters that came once each (RFC 6749, 3.1)."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=40)
    except ValueError:
        raise _Refused(400, "invalid_request", "too many parameters") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Refused(400, "invalid_request", "a parameter came twice")
    return dict(pairs)


def _cookie(environ: Mapping[str, Any]) -> str:
    try:
        found = SimpleCookie(str(environ.get("HTTP_COOKIE", ""))).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
