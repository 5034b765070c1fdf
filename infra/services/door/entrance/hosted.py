"""The door's calls to the host of the provider's people, and what its answers mean.

Two go to Cognito's host by HTTP, as a client without a secret makes them; ending a session is a
call that anybody may make. One is signed, the only one of the door's that is: whether the user that
a deploy made for a person is there and may sign in.

Sources: "The token issuer endpoint", "The user attributes endpoint" (Cognito developer guide);
RevokeToken, AdminGetUser (Cognito user pools API reference).
"""

from __future__ import annotations

import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.services.door.context import Unavailable
from infra.services.door.entrance.provider import NoGood, Provider, Tokens
from infra.services.door.entrance.security import is_loopback
from infra.services.door.entrance.sessions import SignedOut

log = logging.getLogger(__name__)

SECONDS = 8
#: Bytes of an answer: three tokens are some 5,000.
LARGEST = 64 * 1024

_PATIENCE = {"connect_timeout": 3, "read_timeout": 5}
_SIGNED = Config(retries={"mode": "standard", "total_max_attempts": 3}, **_PATIENCE)
_UNSIGNED = Config(
    signature_version=UNSIGNED, retries={"mode": "standard", "total_max_attempts": 2}, **_PATIENCE
)


class _Straight(urllib.request.HTTPRedirectHandler):
    """A token is for this host and for none that it leads to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


#: By no proxy that an environment names, either.
_opener = urllib.request.build_opener(_Straight, urllib.request.ProxyHandler({}))


class CognitoHost:
    """A `Hosted` that is the domain of the provider's pool.

    Args:
        pool: the id of the pool in which each person of the cohort has a user.
    """

    def __init__(self, provider: Provider, pool: str) -> None:
        host = urlsplit(provider.host)
        if host.scheme != "https" and not (host.scheme == "http" and is_loopback(host.netloc)):
            raise ValueError(f"{provider.host} is not spoken to in clear")
        self._provider, self._pool = provider, pool
        self._signed = boto3.client("cognito-idp", config=_SIGNED)
        self._unsigned = boto3.client("cognito-idp", config=_UNSIGNED)

    def exchange(self, code: str, verifier: str) -> Tokens:
        form = {
            "grant_type": "authorization_code",
            "client_id": self._provider.client,
            "code": code,
            "redirect_uri": self._provider.callback,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._ask("token", headers, urlencode(form).encode())
        if status == 400:
            log.info("a code was refused: %.40s", str(answer.get("error")).replace("\n", " "))
            raise NoGood
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if status != 200 or not isinstance(access, str) or not isinstance(refresh, str):
            raise Unavailable(f"oauth2/token answers {status}")
        return Tokens(access, refresh)

    def user(self, token: str) -> Mapping[str, Any]:
        status, answer = self._ask("userInfo", {"Authorization": f"Bearer {token}"})
        if status in (400, 401, 403):
            raise SignedOut
        if status != 200:
            raise Unavailable(f"oauth2/userInfo answers {status}")
        return answer

    def may_sign_in(self, username: str) -> bool:
        try:
            user = self._signed.admin_get_user(UserPoolId=self._pool, Username=username)
        except ClientError as error:
            if error.response["Error"]["Code"] == "UserNotFoundException":
                return False
            raise Unavailable(f"AdminGetUser: {error.response['Error']['Code']}") from None
        except BotoCoreError as error:
            raise Unavailable(f"AdminGetUser: {error}") from error
        # By its own name alone: what was found by an alias is somebody else.
        return user["Enabled"] is True and user["Username"] == username

    def revoke(self, refresh: str) -> None:
        if not refresh:
            return
        try:
            self._unsigned.revoke_token(ClientId=self._provider.client, Token=refresh)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # What is none, or of another client, or has ended, is nothing that goes on.
            if code not in ("InvalidParameterException", "UnauthorizedException"):
                raise Unavailable(f"RevokeToken: {code}") from None
        except BotoCoreError as error:
            raise Unavailable(f"RevokeToken: {error}") from error

    def _ask(
        self, what: str, headers: Mapping[str, str], form: bytes | None = None
    ) -> tuple[int, Mapping[str, Any]]:
        request = urllib.request.Request(  # noqa: S310 (https, or this machine: see __init__)
            f"{self._provider.host}/oauth2/{what}", form, {"Accept": "application/json", **headers}
        )
        try:
            try:
                with _opener.open(request, timeout=SECONDS) as answer:
                    status, body = answer.status, answer.read(LARGEST + 1)
            except urllib.error.HTTPError as error:
                with error:
                    status, body = error.code, error.read(LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"oauth2/{what}: {type(error).__name__}") from None
        try:
            found = json.loads(body) if len(body) <= LARGEST else None
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return status, found
        if status == 200:
            raise Unavailable(f"oauth2/{what} answers with what it never does")
        return status, {}
