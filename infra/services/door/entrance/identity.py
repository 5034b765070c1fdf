"""The door's calls to Cognito, and what its answers mean: the only file that speaks to it.

All four are calls that anybody may make: they are not signed, and the function's role needs no
right to them. What counts is the session, the code, or the token that they carry.

Sources: InitiateAuth, RespondToAuthChallenge, GetUser, GlobalSignOut (Cognito user pools API
reference); "Managing user existence error responses" (developer guide): where the pool hides who
exists, somebody unknown gets a challenge at random, so that only one for a code by mail can be
answered, and the others look the same from outside.
"""

from __future__ import annotations

import logging

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.services.door.context import Unavailable
from infra.services.door.entrance.sessions import (
    SignedOut,
    TooOften,
    Waiting,
    WrongCode,
    no_session,
)

log = logging.getLogger(__name__)

#: A code's mail is not sent twice behind our back, nor is a try at one counted twice.
_ONCE = Config(
    signature_version=UNSIGNED,
    connect_timeout=3,
    read_timeout=10,
    retries={"total_max_attempts": 1},
)
_LOOK = Config(
    signature_version=UNSIGNED,
    connect_timeout=3,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)

_UNKNOWN = (
    "NotAuthorizedException",
    "UserNotFoundException",
    "UserNotConfirmedException",
    "PasswordResetRequiredException",
)
_OFTEN = ("TooManyRequestsException", "LimitExceededException", "TooManyFailedAttemptsException")


class Cognito:
    """An `Identity` that is the cohort's user pool."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._once = boto3.client("cognito-idp", config=_ONCE)
        self._look = boto3.client("cognito-idp", config=_LOOK)

    def send_code(self, name: str) -> Waiting:
        try:
            answer = self._once.initiate_auth(
                AuthFlow="USER_AUTH",
                ClientId=self._client,
                AuthParameters={"USERNAME": name, "PREFERRED_CHALLENGE": "EMAIL_OTP"},
            )
        except ClientError as error:
            if _code(error) in _UNKNOWN or _is_user_input(error):
                return Waiting(name, no_session())
            raise _meaning(error) from None
        except BotoCoreError as error:
            raise Unavailable(f"InitiateAuth: {error}") from error
        if answer.get("ChallengeName") != "EMAIL_OTP":
            log.info("a sign-in got the challenge %s", answer.get("ChallengeName"))
        # By alias, Cognito may ask to be answered by the user's own name, and then says it.
        told = answer.get("ChallengeParameters") or {}
        called = told.get("USERNAME") or told.get("USER_ID_FOR_SRP") or name
        return Waiting(str(called), str(answer.get("Session") or no_session()))

    def redeem(self, waiting: Waiting, code: str) -> str:
        try:
            answer = self._once.respond_to_auth_challenge(
                ClientId=self._client,
                ChallengeName="EMAIL_OTP",
                Session=waiting.session,
                ChallengeResponses={"USERNAME": waiting.name, "EMAIL_OTP_CODE": code},
            )
        except ClientError as error:
            wrong = (*_UNKNOWN, "CodeMismatchException", "ExpiredCodeException")
            if _code(error) in wrong or _is_user_input(error):
                raise WrongCode from None
            raise _meaning(error) from None
        except BotoCoreError as error:
            raise Unavailable(f"RespondToAuthChallenge: {error}") from error
        token = (answer.get("AuthenticationResult") or {}).get("AccessToken")
        if not token:
            raise Unavailable(f"a code led to the challenge {answer.get('ChallengeName')}")
        return str(token)

    def username(self, token: str) -> str:
        try:
            return str(self._look.get_user(AccessToken=token)["Username"])
        except ClientError as error:
            if _code(error) in (*_UNKNOWN, "ResourceNotFoundException") or _is_user_input(error):
                raise SignedOut from None
            raise Unavailable(f"GetUser: {_code(error)}") from None
        except BotoCoreError as error:
            raise Unavailable(f"GetUser: {error}") from error

    def end(self, token: str) -> None:
        try:
            self._look.global_sign_out(AccessToken=token)
        except ClientError as error:
            if _code(error) not in (*_UNKNOWN, "ResourceNotFoundException"):
                raise Unavailable(f"GlobalSignOut: {_code(error)}") from None
        except BotoCoreError as error:
            raise Unavailable(f"GlobalSignOut: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _is_user_input(error: ClientError) -> bool:
    """Whether Cognito found what was typed to be nothing that it knows, in form."""
    return _code(error) == "InvalidParameterException"


def _meaning(error: ClientError) -> Exception:
    # Cognito's own message may name the person: it stays out of the log.
    return TooOften() if _code(error) in _OFTEN else Unavailable(f"Cognito: {_code(error)}")
