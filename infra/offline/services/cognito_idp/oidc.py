"""The other side: a provider of OpenID Connect, as a pool speaks to it.

It is believed only what it signs: the ID token's signature, by the keys that its discovery document
names, issuer, audience, time and nonce are checked as OpenID Connect Core 1.0 (3.1.3.7) has it.
Times are the machine's: a provider knows nothing of the cloud's clock.
"""

from __future__ import annotations

import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from infra.offline.services.cognito_idp.providers import secure

#: Signatures by a key of the provider's. No MACs, and never none: those anybody could make.
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")

_SECONDS = 10
_LARGEST = 256 * 1024
#: How much two clocks may differ.
_LEEWAY = 60


class ProviderError(Exception):
    """The provider does not answer, or what it answers is not to be believed. Says why."""


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Straight, urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Issuer:
    """A provider, by what a pool keeps of it and what it says of itself."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str
    document: Mapping[str, Any]

    @classmethod
    def discover(cls, details: Mapping[str, str]) -> Issuer:
        """Read the provider's discovery document.

        Raises:
            ProviderError: if there is none, or it speaks for another.
        """
        issuer = details["oidc_issuer"]
        document = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise ProviderError(f"the discovery document is of {document.get('issuer')!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not secure(str(document.get(name))):
                raise ProviderError(f"the discovery document has no {name} by https")
        return cls(
            issuer,
            details["client_id"],
            details.get("client_secret", ""),
            details["authorize_scopes"],
            document,
        )

    def authorize_url(self, redirect_uri: str, state: str, nonce: str) -> str:
        """Where the browser signs in."""
        asked = {
            "client_id": self.client_id,
            "nonce": nonce,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": self.scopes,
            "state": state,
        }
        endpoint = str(self.document["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def claims(self, code: str, redirect_uri: str, nonce: str) -> dict[str, Any]:
        """What the provider says of who has signed in.

        Raises:
            ProviderError: if it says nothing, or nothing to be believed.
        """
        form = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": code,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
        }
        answer = _json(str(self.document["token_endpoint"]), form=urlencode(form).encode())
        claims = self._verified(str(answer.get("id_token", "")), nonce)
        endpoint = self.document.get("userinfo_endpoint")
        if endpoint is None:
            return claims
        if not secure(str(endpoint)):
            raise ProviderError("userinfo_endpoint is not by https")
        more = _json(str(endpoint), token=str(answer.get("access_token", "")))
        # OpenID Connect Core 1.0, 5.3.2.
        if more.get("sub") != claims["sub"]:
            raise ProviderError("userinfo speaks of another person than the ID token")
        return {**claims, **more}

    def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            found = cast(KeySetSerialization, _json(str(self.document["jwks_uri"])))
            keys = KeySet.import_key_set(found)
            claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(f"the ID token is not signed by it: {error}") from None
        now, audience = time.time(), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self.issuer:
            raise ProviderError("the ID token is of another issuer")
        if self.client_id not in audiences or (
            len(audiences) > 1 and claims.get("azp") != self.client_id
        ):
            raise ProviderError("the ID token is for another client")
        expires, issued = claims.get("exp"), claims.get("iat")
        if not isinstance(expires, int | float) or expires < now - _LEEWAY:
            raise ProviderError("the ID token has expired")
        if not isinstance(issued, int | float) or issued > now + _LEEWAY:
            raise ProviderError("the ID token is not issued yet")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise ProviderError("the ID token has another nonce")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise ProviderError("the ID token names nobody")
        return dict(claims)


def _json(url: str, *, form: bytes | None = None, token: str = "") -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, form, headers)  # noqa: S310 (`secure` has looked)
    try:
        with _opener.open(request, timeout=_SECONDS) as answer:
            body = answer.read(_LARGEST + 1)
        found = json.loads(body) if len(body) <= _LARGEST else None
    except urllib.error.HTTPError as error:
        with error:
            raise ProviderError(f"{url} answers {error.code}") from None
    except (OSError, ValueError) as error:
        raise ProviderError(f"{url} does not answer: {error}") from None
    if not isinstance(found, dict):
        raise ProviderError(f"{url} answers with what is no object")
    return found
