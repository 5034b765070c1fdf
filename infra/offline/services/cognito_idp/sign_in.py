"""Signing in: who says a name gets a code by e-mail, and who says the code gets tokens.

    InitiateAuth(USER_AUTH, {USERNAME, PREFERRED_CHALLENGE: EMAIL_OTP})
        -> ChallengeName EMAIL_OTP, Session
    RespondToAuthChallenge(EMAIL_OTP, Session, {USERNAME, EMAIL_OTP_CODE})
        -> AuthenticationResult

A session lives as long as its client says (AuthSessionValidity), takes one right code, and does not
count wrong ones. Where the client wants it so (PreventUserExistenceErrors), nobody learns from an
answer whether a name is known: an unknown one gets a challenge that no answer passes.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.cognitoidp.exceptions import (
    CodeMismatchException,
    InvalidParameterException,
    NotAuthorizedError,
    ResourceNotFoundError,
    UserNotFoundError,
)
from moto.cognitoidp.models import cognitoidp_backends
from moto.core.responses import ActionResult

from infra.offline import runtime
from infra.offline.patching import replaces
from infra.offline.services.cognito_idp import people, pools, tokens
from infra.offline.services.cognito_idp.shared import hold, hold_value, not_modelled, now, values
from infra.offline.services.sns import Mail

#: Says what was mailed: `cohort offline up` shows it, and the cloud's log has it.
mailed = logging.getLogger("infra.offline.mail")
mailed.setLevel(logging.INFO)

CODE = "EMAIL_OTP"
CHOICE = "SELECT_CHALLENGE"
CODE_DIGITS = 8
#: AWS's sessions are about this long; what keeps one in a cookie should know.
_SESSION_BYTES = 1155

NO_SESSION = "Invalid session for the user."
USED = "Invalid session for the user, session can only be used once."
LATE = "Invalid session for the user, session is expired."
WRONG_CODE = "Invalid code or auth state for the user."


@dataclass
class _Session:
    """One step of signing in, and what is expected next."""

    challenge: str
    pool: str
    client: str
    #: The name that was said.
    said: str
    #: Whose it is; "" if nobody's.
    user_id: str
    code: str
    expires: datetime
    used: bool = False

    def use(self) -> None:
        """Take this step, once, whoever else tries at the same moment.

        Raises:
            NotAuthorizedError: if somebody has.
        """
        with _using:
            if self.used:
                raise NotAuthorizedError(USED)
            self.used = True


_using = threading.Lock()


def mail() -> tuple[Mail, ...]:
    """Every mail of Cognito's in this cloud, in the order in which it was sent."""
    here = runtime.current()
    return tuple(_outbox(cognitoidp_backends[here.account][here.region]))


def _outbox(backend: Any) -> list[Mail]:
    # In the backend's own state, so that it goes when that is reset.
    return vars(backend).setdefault("academy_mail", [])  # type: ignore[no-any-return]


def _sessions(backend: Any) -> dict[str, _Session]:
    return vars(backend).setdefault("academy_sessions", {})  # type: ignore[no-any-return]


# --- the two operations ---------------------------------------------------------------------------
@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.initiate_auth",
    because="moto knows no USER_AUTH",
)
def _initiate(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(given, values("AuthFlow", "AuthParameters", "ClientId"))
    pool, client = _client(response.backend, given["ClientId"])
    if f"ALLOW_{given['AuthFlow']}" not in client.extended_config["ExplicitAuthFlows"]:
        raise InvalidParameterException(f"{given['AuthFlow']} flow not enabled for this client")
    hold_value("AuthFlow", given["AuthFlow"], "USER_AUTH")
    said = given.get("AuthParameters", {})
    hold(said, values("PREFERRED_CHALLENGE", "USERNAME"), "AuthParameters.")
    name, preferred = _required(said, "USERNAME"), said.get("PREFERRED_CHALLENGE")
    user = people.find(pool, name)
    if user is None:
        return ActionResult(_simulated(response.backend, pool, client, name))
    if not user.enabled:
        raise NotAuthorizedError("User is disabled.")
    offered = _offered(pool, user)
    if preferred == CODE and CODE in offered:
        return ActionResult(_send_code(response.backend, pool, client, name, user))
    return ActionResult(
        {
            "ChallengeName": CHOICE,
            "Session": _begin(response.backend, CHOICE, pool, client, name, user.id),
            "ChallengeParameters": {},
            "AvailableChallenges": list(offered),
        }
    )


@replaces(
    "moto.cognitoidp.responses:CognitoIdpResponse.respond_to_auth_challenge",
    because="moto sends no codes and takes any for right",
)
def _respond(_original: Callable[..., Any], response: Any) -> ActionResult:
    given = response.parameters
    hold(given, values("ChallengeName", "ChallengeResponses", "ClientId", "Session"))
    challenge, backend = given["ChallengeName"], response.backend
    if challenge not in (CODE, CHOICE, "PASSWORD"):
        raise not_modelled(f"ChallengeName {challenge}", (CODE, CHOICE))
    pool, client = _client(backend, given["ClientId"])
    session = _sessions(backend).get(given.get("Session", ""))
    answer = given.get("ChallengeResponses", {})
    name = _required(answer, "USERNAME")
    if session is None or (session.pool, session.client) != (pool.id, client.id):
        raise NotAuthorizedError(NO_SESSION)
    if session.used:
        raise NotAuthorizedError(USED)
    if session.expires <= now():
        raise NotAuthorizedError(LATE)
    user = people.find(pool, name)
    whose = user.id if user is not None else ""
    if session.challenge != challenge or session.user_id != whose:
        raise NotAuthorizedError(NO_SESSION)
    if challenge == "PASSWORD":
        raise NotAuthorizedError("Incorrect username or password.")
    if challenge == CHOICE:
        hold(answer, values("ANSWER", "USERNAME"), "ChallengeResponses.")
        if _required(answer, "ANSWER") != CODE or user is None or CODE not in _offered(pool, user):
            raise not_modelled(f"ANSWER {answer['ANSWER']}", (CODE,))
        session.use()
        return ActionResult(_send_code(backend, pool, client, name, user))
    hold(answer, values("EMAIL_OTP_CODE", "USERNAME"), "ChallengeResponses.")
    code = _required(answer, "EMAIL_OTP_CODE")
    right = hmac.compare_digest(code.encode(), session.code.encode())
    if user is None or not right:
        raise CodeMismatchException(WRONG_CODE)
    if not user.enabled:
        raise NotAuthorizedError("User is disabled.")
    session.use()
    return ActionResult(
        {"ChallengeParameters": {}, "AuthenticationResult": tokens.issue(pool, client, user)}
    )


# --- within ---------------------------------------------------------------------------------------
def _client(backend: Any, named: str) -> tuple[Any, Any]:
    for pool in list(backend.user_pools.values()):
        if named in pool.clients:
            return pool, pool.clients[named]
    raise ResourceNotFoundError(f"User pool client {named} does not exist.")


def _required(given: Mapping[str, str], name: str) -> str:
    if not given.get(name):
        raise InvalidParameterException(f"Missing required parameter {name}")
    return given[name]


def _offered(pool: Any, user: Any) -> tuple[str, ...]:
    """How this person may sign in. Nobody here has a password."""
    return (CODE,) if CODE in pools.factors(pool) and people.verified(user) else ()


def _begin(
    backend: Any, challenge: str, pool: Any, client: Any, said: str, user_id: str, code: str = ""
) -> str:
    # Begins with a letter, as AWS's do: a command's argument must not look like an option.
    session = f"A{secrets.token_urlsafe(_SESSION_BYTES)}"
    minutes = client.extended_config["AuthSessionValidity"]
    expires = now() + timedelta(minutes=minutes)
    _sessions(backend)[session] = _Session(
        challenge, pool.id, client.id, said, user_id, code, expires
    )
    return session


def _send_code(backend: Any, pool: Any, client: Any, said: str, user: Any) -> dict[str, Any]:
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    to = user.attribute_lookup["email"]
    session = _begin(backend, CODE, pool, client, said, user.id, code)
    subject, text = pools.message(pool)
    sent = Mail(
        to=to,
        topic="",
        subject=subject,
        message=text.replace(pools.PLACE_OF_CODE, code),
        sent=now(),
    )
    _outbox(backend).append(sent)
    mailed.info("mail to %s: %s", to, " ".join(sent.message.split()))
    return _asked_for_code(session, to)


def _asked_for_code(session: str, to: str) -> dict[str, Any]:
    return {
        "ChallengeName": CODE,
        "Session": session,
        "ChallengeParameters": {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL",
            "CODE_DELIVERY_DESTINATION": _masked(to),
        },
        "AvailableChallenges": [CODE],
    }


def _masked(address: str) -> str:
    """An address as AWS shows it: of "ana@example.org", "a***@e***"."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain[:1]}***"


def _simulated(backend: Any, pool: Any, client: Any, said: str) -> dict[str, Any]:
    """A challenge for a name that nobody has.

    AWS draws it from what the pool allows ("Managing user existence error responses"); here the
    name decides, so that asking twice tells no more than asking once.
    """
    if client.extended_config["PreventUserExistenceErrors"] != "ENABLED":
        raise UserNotFoundError("User does not exist.")
    allowed = pools.factors(pool)
    digest = hashlib.sha256(f"{pool.id} {said.casefold()}".encode()).digest()
    challenge = allowed[digest[0] % len(allowed)]
    session = _begin(backend, challenge, pool, client, said, "")
    if challenge == CODE:
        return _asked_for_code(session, said)
    return {
        "ChallengeName": challenge,
        "Session": session,
        "ChallengeParameters": {},
        "AvailableChallenges": [challenge],
    }
