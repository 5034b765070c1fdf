"""What the door makes of Cognito's answers. The answers are AWS's, by botocore's own model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from infra.services.door.context import Unavailable
from infra.services.door.entrance.identity import Cognito
from infra.services.door.entrance.sessions import SignedOut, TooOften, Waiting, WrongCode

SESSION = "s" * 1540
WAITING = Waiting("ana@example.org", SESSION)


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


class Asked:
    """A Cognito whose next answers a test gives."""

    def __init__(self) -> None:
        self.cognito = Cognito("client")
        self.once = Stubber(self.cognito._once)
        self.look = Stubber(self.cognito._look)
        self.once.activate()
        self.look.activate()


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.once.assert_no_pending_responses()
    made.look.assert_no_pending_responses()


def sends(asked: Asked, **answer: Any) -> None:
    asked.once.add_response(
        "initiate_auth",
        answer,
        {
            "AuthFlow": "USER_AUTH",
            "ClientId": "client",
            "AuthParameters": {"USERNAME": "ana@example.org", "PREFERRED_CHALLENGE": "EMAIL_OTP"},
        },
    )


def test_a_code_is_asked_for_by_mail(asked: Asked) -> None:
    sends(asked, ChallengeName="EMAIL_OTP", Session=SESSION, ChallengeParameters={})
    assert asked.cognito.send_code("ana@example.org") == WAITING


def test_the_users_own_name_is_answered_with_where_cognito_says_it(asked: Asked) -> None:
    sends(
        asked,
        ChallengeName="EMAIL_OTP",
        Session=SESSION,
        ChallengeParameters={"USERNAME": "ana--0a1b2c3d"},
    )
    assert asked.cognito.send_code("ana@example.org").name == "ana--0a1b2c3d"


def test_a_challenge_that_cognito_made_up_for_a_stranger_looks_like_any(asked: Asked) -> None:
    sends(asked, ChallengeName="PASSWORD", Session=SESSION, ChallengeParameters={})
    assert asked.cognito.send_code("ana@example.org") == WAITING


@pytest.mark.parametrize(
    "code",
    ["UserNotFoundException", "NotAuthorizedException", "InvalidParameterException",
     "UserNotConfirmedException", "PasswordResetRequiredException"],
)  # fmt: skip
def test_somebody_unknown_or_disabled_waits_for_a_code_as_anybody_does(
    asked: Asked, code: str
) -> None:
    asked.once.add_client_error("initiate_auth", code)
    waiting = asked.cognito.send_code("eve@example.org")
    assert waiting.name == "eve@example.org"
    assert Waiting.read(waiting.text()) == waiting


@pytest.mark.parametrize("code", ["TooManyRequestsException", "LimitExceededException"])
def test_cognitos_own_limits_are_told_as_such(asked: Asked, code: str) -> None:
    asked.once.add_client_error("initiate_auth", code)
    with pytest.raises(TooOften):
        asked.cognito.send_code("ana@example.org")


def test_what_else_cognito_says_is_no_answer_and_names_nobody(asked: Asked) -> None:
    asked.once.add_client_error("initiate_auth", "InternalErrorException", "ana@example.org")
    with pytest.raises(Unavailable) as error:
        asked.cognito.send_code("ana@example.org")
    assert "ana" not in str(error.value)


def answers(asked: Asked, **answer: Any) -> None:
    asked.once.add_response(
        "respond_to_auth_challenge",
        answer,
        {
            "ClientId": "client",
            "ChallengeName": "EMAIL_OTP",
            "Session": SESSION,
            "ChallengeResponses": {"USERNAME": "ana@example.org", "EMAIL_OTP_CODE": "31415926"},
        },
    )


def test_a_code_is_good_for_a_token(asked: Asked) -> None:
    answers(asked, AuthenticationResult={"AccessToken": "a.b.c"})
    assert asked.cognito.redeem(WAITING, "31415926") == "a.b.c"


def test_a_code_that_leads_to_another_challenge_is_good_for_nothing(asked: Asked) -> None:
    answers(asked, ChallengeName="NEW_PASSWORD_REQUIRED", Session=SESSION)
    with pytest.raises(Unavailable):
        asked.cognito.redeem(WAITING, "31415926")


@pytest.mark.parametrize(
    "code",
    ["CodeMismatchException", "ExpiredCodeException", "NotAuthorizedException",
     "UserNotFoundException", "InvalidParameterException"],
)  # fmt: skip
def test_wrong_late_and_made_up_are_told_alike(asked: Asked, code: str) -> None:
    asked.once.add_client_error("respond_to_auth_challenge", code)
    with pytest.raises(WrongCode):
        asked.cognito.redeem(WAITING, "31415926")


def test_a_token_that_holds_is_somebodys(asked: Asked) -> None:
    asked.look.add_response(
        "get_user", {"Username": "ana--0a1b2c3d", "UserAttributes": []}, {"AccessToken": "a.b.c"}
    )
    assert asked.cognito.username("a.b.c") == "ana--0a1b2c3d"


@pytest.mark.parametrize(
    "code",
    ["NotAuthorizedException", "UserNotFoundException", "ResourceNotFoundException",
     "UserNotConfirmedException", "PasswordResetRequiredException", "InvalidParameterException"],
)  # fmt: skip
def test_a_token_that_cognito_refuses_is_nobodys(asked: Asked, code: str) -> None:
    asked.look.add_client_error("get_user", code)
    with pytest.raises(SignedOut):
        asked.cognito.username("a.b.c")


@pytest.mark.parametrize("code", ["ForbiddenException", "SomethingNew", "AccessDenied"])
def test_an_answer_that_says_neither_lets_nobody_in(asked: Asked, code: str) -> None:
    asked.look.add_client_error("get_user", code)
    with pytest.raises(Unavailable):
        asked.cognito.username("a.b.c")


def test_no_answer_lets_nobody_in(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://cognito")

    monkeypatch.setattr(asked.cognito._look, "get_user", fails)
    with pytest.raises(Unavailable):
        asked.cognito.username("a.b.c")


def test_a_session_that_has_ended_can_be_ended_again(asked: Asked) -> None:
    asked.look.add_client_error("global_sign_out", "NotAuthorizedException")
    asked.cognito.end("a.b.c")


def test_the_calls_are_not_signed(asked: Asked) -> None:
    for client in (asked.cognito._once, asked.cognito._look):
        assert client.meta.config.signature_version is UNSIGNED
