"""Who is signed in, and how somebody signs in: decisions; `identity` speaks to Cognito.

A session is an access token of the cohort's user pool, in a cookie, and nothing is kept of it here.
Cognito is asked on every request whether the token still holds, so that who was removed, disabled
or signed out is out at once. Its claims are read only after that: by then Cognito vouches for them.

Cognito is regional and takes a token of any pool in the region, also one in a stranger's account
that has a user of the same name. So a token counts only if it was made for this door's client.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
import re
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Protocol

from infra.cohort.naming import person_of_user
from infra.services.door.context import People, Person

LEARNERS, ADVISORS = "learners", "advisors"

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
#: Cognito's sessions have 20 to 2048 characters (InitiateAuth).
_SESSION = re.compile(r"[A-Za-z0-9_=+/.-]{20,2048}")
_NAME_MAX = 254
#: Addresses, codes or senders that are counted at once.
KEYS = 8000


class SignedOut(Exception):
    """Nobody is signed in: no session, one that has ended, or one that is not of this door."""


class WrongCode(Exception):
    """The code is not the one that was sent, or no longer counts, or none was sent.

    Which of them is not told: it would tell who is known here.
    """


class TooOften(Exception):
    """So many codes were asked for, or tried, that there is none for some minutes."""


@dataclass(frozen=True)
class Waiting:
    """A sign-in that waits for its code: by which name, and in which session of Cognito's."""

    name: str
    session: str

    @property
    def counted(self) -> str:
        """What tries of its code are counted by.

        The session as whoever reads base64 may have it: with other signs for 62 and 63, padding, or
        the last one's spare bits, it would be the same session and another count.
        """
        signs = re.sub(r"[^A-Za-z0-9]", "", self.session)[:-1]
        return hashlib.sha256(signs.encode()).hexdigest()

    def text(self) -> str:
        """As a cookie's value."""
        document = json.dumps({"n": self.name, "s": self.session}, separators=(",", ":"))
        return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str | None) -> Waiting | None:
        """From a cookie's value; None if there is none, or none that this made."""
        try:
            raw = (text or "").encode("ascii")
            found = json.loads(base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
            name, session = found["n"], found["s"]
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            return None
        if not isinstance(name, str) or not 0 < len(name) <= _NAME_MAX or not name.isprintable():
            return None
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            return None
        return cls(name, session)


class Identity(Protocol):
    """What Cognito does for the door.

    Raises:
        context.Unavailable: if it does not answer.
    """

    def send_code(self, name: str) -> Waiting:
        """Send a code to who is called so, by id or address.

        For who is not known the answer is one of the same kind, and no code is sent.

        Raises:
            TooOften: if too many were asked for.
        """

    def redeem(self, waiting: Waiting, code: str) -> str:
        """The access token that the code is good for.

        Raises:
            WrongCode, TooOften: if it is good for none.
        """

    def username(self, token: str) -> str:
        """The user whose token it is, as `Names.user` calls them, if it still holds.

        Raises:
            SignedOut: otherwise.
        """

    def end(self, token: str) -> None:
        """End every session of whose token it is."""


@dataclass(frozen=True)
class Client:
    """Whom a token must have been made for: the app client's id, and its pool's."""

    id: str
    pool: str = ""


def person_of(token: str | None, identity: Identity, people: People, client: Client) -> Person:
    """Who is signed in by `token`.

    Raises:
        SignedOut: if nobody is.
    """
    if not token or not is_token(token):
        raise SignedOut
    # Cognito first: until it has taken the token its claims are anybody's words.
    name = identity.username(token)
    claims = claims_of(token)
    if (
        claims.get("token_use") != "access"
        or claims.get("client_id") != client.id
        or claims.get("username") != name
        or (client.pool and str(claims.get("iss", "")).rpartition("/")[2] != client.pool)
    ):
        raise SignedOut
    person = people.person(person_of_user(name) or "")
    groups = claims.get("cognito:groups")
    wanted = ADVISORS if person is not None and person.advises else LEARNERS
    if person is None or not isinstance(groups, list) or wanted not in groups:
        # Pool and roster disagree while a deploy turns a learner into an advisor: sign in anew.
        raise SignedOut
    return person


def is_token(text: str) -> bool:
    """Whether `text` has a token's form."""
    return _TOKEN.fullmatch(text) is not None


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, whoever wrote it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def no_session() -> str:
    """A session of nobody's, as long as Cognito's are: no code is good in it."""
    return secrets.token_urlsafe(900)


class Pace:
    """How often an address gets a code, or a code is tried: kept in this function's memory alone.

    Cognito counts no wrong codes, and the API's throttling counts everybody's requests together.
    This keeps a stranger from filling a learner's mailbox, and from trying codes by the thousand.
    Each copy of the function counts for itself, and what it remembers is bounded: by more than the
    throttled routes let through within the time, so that nobody makes it forget by being many.
    """

    def __init__(self, most: int, within: dt.timedelta, *, keys: int = KEYS) -> None:
        self._most, self._within, self._keys = most, within, keys
        self._asked: OrderedDict[str, deque[dt.datetime]] = OrderedDict()

    def take(self, key: str, now: dt.datetime) -> None:
        """Count one.

        Raises:
            TooOften: if there were `most` within the time.
        """
        asked = self._asked.setdefault(key, deque())
        self._asked.move_to_end(key)
        while asked and asked[0] <= now - self._within:
            asked.popleft()
        if len(asked) >= self._most:
            raise TooOften
        asked.append(now)
        while len(self._asked) > self._keys:
            self._asked.popitem(last=False)
