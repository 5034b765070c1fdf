"""Signing in by the organisation's own provider: decisions; `hosted` speaks to Cognito's host.

Cognito makes a user of everybody of the organisation who comes by, in a pool where the cohort has
nobody. So a token of that pool says nothing yet: at each request Cognito is asked which address the
provider has checked, the list of people whose it is, and Cognito again whether that person's own
user, which a deploy made, is there and may sign in. Whoever leaves the file, or is shut out, is out
by that, however they came.

A sign-in is bound to the browser that began it: what comes back counts beside the cookie that holds
its state, and Cognito gives the token only to who has the verifier, which never left it (PKCE).

Sources: RFC 6749, RFC 7636, RFC 9700 (2.1); "The redirect and authorization endpoint", "The token
issuer endpoint", "The user attributes endpoint" (Cognito developer guide).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from infra.cohort import naming
from infra.services.door.context import People, Person
from infra.services.door.entrance.sessions import SignedOut, claims_of, is_token

#: The door's path to which Cognito leads back.
CALLBACK = "/signed-in"
#: Of a person, so much and no more: with aws.cognito.signin.user.admin a learner could change the
#: address that she is known by.
SCOPES = "openid email"

#: 256 bits each, as RFC 7636 (4.1) asks of a verifier.
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
#: Cognito's codes are UUIDs.
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,512}")
#: RFC 6749 (4.1.2.1) has few; what it is not is not written into a log.
_ERROR = re.compile(r"[a-z_]{1,40}")


class NotBegun(Exception):
    """What came back belongs to no sign-in that this browser has begun."""


class NotSignedIn(Exception):
    """The provider, or Cognito, did not sign the person in; the message is the error's code."""


class NoGood(Exception):
    """The code counts no more: it was used, or took too long."""


@dataclass(frozen=True)
class Tokens:
    """What a code is good for: the session, and what ends it."""

    access: str
    refresh: str


class Hosted(Protocol):
    """What Cognito's host does for the door.

    Raises:
        context.Unavailable: if it does not answer.
    """

    def exchange(self, code: str, verifier: str) -> Tokens:
        """The tokens that a code is good for.

        Raises:
            NoGood: if it is good for none.
        """

    def user(self, token: str) -> Mapping[str, Any]:
        """What is known of the person whose token it is.

        Raises:
            SignedOut: if it holds no more.
        """

    def may_sign_in(self, username: str) -> bool:
        """Whether the deploy's user of that name is there, and nobody has shut it out."""

    def revoke(self, refresh: str) -> None:
        """End what came with this token."""


@dataclass(frozen=True)
class Provider:
    """The provider that the cohort file names.

    Attributes:
        name: before an underscore in the names of its people.
        client: the id of the door's client in the pool of its people, and `pool` that pool's.
        host: where Cognito answers for that pool, "https://...".
        address: the door's own, to which Cognito leads back.
    """

    name: str
    client: str
    pool: str
    host: str
    address: str

    @property
    def callback(self) -> str:
        return f"{self.address}{CALLBACK}"

    def begins(self, begun: Begun) -> str:
        """Where the browser is sent, to come back with a code."""
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        asked = {
            "identity_provider": self.name,
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": self.callback,
            "scope": SCOPES,
            "state": begun.state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.host}/oauth2/authorize?{urlencode(asked)}"

    def made(self, token: str | None) -> bool:
        """Whether a token says that it is of this provider's people. Nothing follows from it but
        who is asked about it."""
        return bool(token) and claims_of(str(token)).get("client_id") == self.client


@dataclass(frozen=True)
class Begun:
    """A sign-in that waits for its return, as the browser keeps it."""

    state: str
    verifier: str

    @classmethod
    def new(cls) -> Begun:
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    def text(self) -> str:
        """As a cookie's value."""
        return f"{self.state}.{self.verifier}"

    @classmethod
    def read(cls, text: str | None) -> Begun | None:
        """From a cookie's value; None if there is none, or none that this made."""
        parts = (text or "").split(".")
        if len(parts) != 2 or not all(_SECRET.fullmatch(part) for part in parts):
            return None
        return cls(*parts)

    def code(self, query: Mapping[str, str]) -> str:
        """The code that the browser came back with.

        Raises:
            NotBegun: if it came back from somebody else's sign-in.
            NotSignedIn: if it came back with an error.
        """
        # As bytes: text that is not ASCII is not compared, and it may be anything.
        if not hmac.compare_digest(query.get("state", "").encode(), self.state.encode()):
            raise NotBegun
        error, code = query.get("error"), query.get("code", "")
        if error is not None or not _CODE.fullmatch(code):
            given = error or "no code"
            raise NotSignedIn(given if _ERROR.fullmatch(given) else "an error of its own")
        return code


def person_of(token: str | None, hosted: Hosted, people: People, provider: Provider) -> Person:
    """Who is signed in by `token`, which Cognito gave for the provider's word.

    Raises:
        SignedOut: if nobody of the cohort is.
    """
    if not token or not is_token(token):
        raise SignedOut
    # Cognito first: until it has taken the token its claims are anybody's words.
    known = hosted.user(token)
    claims = claims_of(token)
    name, prefix = known.get("username"), f"{provider.name}_".lower()
    if (
        claims.get("token_use") != "access"
        or claims.get("client_id") != provider.client
        or str(claims.get("iss", "")).rpartition("/")[2] != provider.pool
        or not isinstance(name, str)
        or claims.get("username") != name
        or not name.lower().startswith(prefix)
        or len(name) == len(prefix)
    ):
        raise SignedOut
    # AWS's example of an answer has the word in quotes; nothing else counts as yes.
    checked = known.get("email_verified")
    if checked != "true" and checked is not True:
        raise SignedOut
    person = people.by_address(known.get("email"))
    if person is None:
        raise SignedOut
    if not hosted.may_sign_in(naming.user_of(person.id, people.addresses[person.id])):
        raise SignedOut
    return person
