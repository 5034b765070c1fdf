"""People sign in by a code by e-mail, hold tokens for a while, and are out at once when they are
to be."""

from __future__ import annotations

import base64
import http.client
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from tests.offline import whole_cloud
from tests.offline.small_cloud import zipped

EMAIL = {"USERNAME": "ana@example.org", "PREFERRED_CHALLENGE": "EMAIL_OTP"}
POOL = {
    "AliasAttributes": ["email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
    "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
}
CLIENT = {
    "ClientName": "door",
    "ExplicitAuthFlows": ["ALLOW_USER_AUTH"],
    "PreventUserExistenceErrors": "ENABLED",
    "AccessTokenValidity": 12,
    "AuthSessionValidity": 3,
    "WriteAttributes": ["nickname"],
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(cloud: Cloud) -> Any:
    return whole_cloud.client(cloud, "cognito-idp")


@pytest.fixture(scope="module")
def public(cloud: Cloud) -> Any:
    """A client that has no key at all."""
    return boto3.client(
        "cognito-idp",
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
    )


@dataclass
class Door:
    """A pool with its client and two people."""

    cloud: Cloud
    admin: Any
    public: Any
    pool: str
    client: str

    def add(self, name: str, **attributes: str) -> None:
        given = {"email": f"{name}@example.org", "email_verified": "true", **attributes}
        self.admin.admin_create_user(
            UserPoolId=self.pool,
            Username=name,
            UserAttributes=[{"Name": key, "Value": value} for key, value in given.items()],
            MessageAction="SUPPRESS",
        )

    def ask(self, name: str = "ana@example.org", **more: Any) -> dict[str, Any]:
        """The answer to a name: a challenge."""
        parameters = {**EMAIL, "USERNAME": name, **more}
        return dict(
            self.public.initiate_auth(
                AuthFlow="USER_AUTH", ClientId=self.client, AuthParameters=parameters
            )
        )

    def answer(
        self, session: str, code: str, name: str = "ana@example.org", challenge: str = "EMAIL_OTP"
    ) -> dict[str, Any]:
        responses = {"USERNAME": name, f"{challenge}_CODE": code}
        return dict(
            self.public.respond_to_auth_challenge(
                ClientId=self.client,
                ChallengeName=challenge,
                Session=session,
                ChallengeResponses=responses,
            )
        )

    def sign_in(self, name: str = "ana@example.org") -> dict[str, Any]:
        asked = self.ask(name)
        return dict(self.answer(asked["Session"], self.code(), name)["AuthenticationResult"])

    def who(self, tokens: dict[str, Any]) -> str:
        return str(self.public.get_user(AccessToken=tokens["AccessToken"])["Username"])

    def named(self, name: str = "ana") -> dict[str, str]:
        return {"UserPoolId": self.pool, "Username": name}

    def code(self) -> str:
        """The code of the last mail."""
        return codes(self.cloud)[-1]


def mail(cloud: Cloud) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"{cloud.endpoint}/_academy/mail") as answer:  # noqa: S310
        return list(json.load(answer)["mail"])


def codes(cloud: Cloud) -> list[str]:
    found = (re.search(r"\b\d{8}\b", each["message"]) for each in mail(cloud))
    return [each[0] for each in found if each]


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(f"{body}==")))


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call()
    told = error.value.response["Error"]
    return str(told["Code"]), str(told["Message"])


@pytest.fixture
def door(cloud: Cloud, admin: Any, public: Any) -> Iterator[Door]:
    pool = admin.create_user_pool(PoolName="earth-door", **POOL)["UserPool"]["Id"]
    client = admin.create_user_pool_client(UserPoolId=pool, **CLIENT)["UserPoolClient"]["ClientId"]
    made = Door(cloud, admin, public, pool, client)
    for name in ("ana", "ben"):
        made.add(name)
    yield made
    admin.delete_user_pool(UserPoolId=pool)


# --- signing in -----------------------------------------------------------------------------------
def test_a_code_by_e_mail_signs_a_person_in(door: Door) -> None:
    asked = door.ask()
    assert asked["ChallengeName"] == "EMAIL_OTP"
    assert asked["AvailableChallenges"] == ["EMAIL_OTP"]
    assert asked["ChallengeParameters"] == {
        "CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL",
        "CODE_DELIVERY_DESTINATION": "a***@e***",
    }
    sent = mail(door.cloud)[-1]
    assert (sent["to"], sent["topic"]) == ("ana@example.org", "")
    tokens = door.answer(asked["Session"], door.code())["AuthenticationResult"]
    assert (tokens["TokenType"], tokens["ExpiresIn"]) == ("Bearer", 12 * 3600)
    told = door.public.get_user(AccessToken=tokens["AccessToken"])
    assert told["Username"] == "ana"
    assert {each["Name"]: each["Value"] for each in told["UserAttributes"]}["email"] == (
        "ana@example.org"
    )


@pytest.mark.parametrize("name", ["ana", "ANA", "Ana@Example.Org"])
def test_a_name_or_an_address_is_one_person_in_any_letters(door: Door, name: str) -> None:
    assert door.who(door.sign_in(name)) == "ana"


def test_an_access_token_says_whose_it_is_and_in_which_groups(door: Door) -> None:
    for group in ("learners", "advisors"):
        door.admin.create_group(UserPoolId=door.pool, GroupName=group)
        door.admin.admin_add_user_to_group(**door.named(), GroupName=group)
    tokens = door.sign_in()
    said, now = claims(tokens["AccessToken"]), door.cloud.runtime.clock.now().timestamp()
    assert said["username"] == "ana"
    assert said["cognito:groups"] == ["advisors", "learners"]
    assert (said["token_use"], said["client_id"]) == ("access", door.client)
    assert said["iss"] == f"https://cognito-idp.us-east-1.amazonaws.com/{door.pool}"
    assert abs(said["iat"] - now) < 60
    assert said["exp"] - said["iat"] == 12 * 3600
    about = claims(tokens["IdToken"])
    assert (about["cognito:username"], about["email"]) == ("ana", "ana@example.org")
    assert "cognito:groups" not in claims(door.sign_in("ben")["AccessToken"])


def test_codes_have_eight_digits_and_are_others_each_time(door: Door) -> None:
    before = len(codes(door.cloud))
    for _ in range(5):
        door.ask()
    fresh = codes(door.cloud)[before:]
    assert len(set(fresh)) == 5


def test_a_session_fits_into_a_cookie(door: Door) -> None:
    session = door.ask()["Session"]
    assert 1500 < len(session) < 2000
    assert len(door.sign_in()["AccessToken"]) < 2000


def test_wrong_codes_are_refused_and_not_counted(door: Door) -> None:
    session, code = door.ask()["Session"], door.code()
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for _ in range(6):
        assert refusal(lambda: door.answer(session, wrong)) == (
            "CodeMismatchException",
            "Invalid code or auth state for the user.",
        )
    assert door.answer(session, code)["AuthenticationResult"]


def test_a_code_signs_in_once(door: Door) -> None:
    session, code = door.ask()["Session"], door.code()
    door.answer(session, code)
    assert refusal(lambda: door.answer(session, code)) == (
        "NotAuthorizedException",
        "Invalid session for the user, session can only be used once.",
    )


def test_of_many_who_say_the_code_at_once_one_comes_in(door: Door) -> None:
    session, code = door.ask()["Session"], door.code()

    def say(_: int) -> str:
        try:
            door.answer(session, code)
        except ClientError as error:
            return str(error.response["Error"]["Message"])
        return "in"

    with ThreadPoolExecutor(8) as pool:
        said = sorted(pool.map(say, range(8)))
    once = "Invalid session for the user, session can only be used once."
    assert said == [*[once] * 7, "in"]


def test_a_code_is_good_for_as_long_as_the_client_says(door: Door) -> None:
    first, code = door.ask()["Session"], door.code()
    door.cloud.runtime.clock.move(by=timedelta(minutes=2, seconds=30))
    assert door.answer(first, code)["AuthenticationResult"]
    late, code = door.ask()["Session"], door.code()
    door.cloud.runtime.clock.move(by=timedelta(minutes=3))
    assert refusal(lambda: door.answer(late, code)) == (
        "NotAuthorizedException",
        "Invalid session for the user, session is expired.",
    )


def test_a_code_is_of_no_use_in_another_session_or_for_another_person(door: Door) -> None:
    first, code = door.ask()["Session"], door.code()
    second, other = door.ask()["Session"], door.code()
    assert refusal(lambda: door.answer(second, code))[0] == "CodeMismatchException"
    nobody = ("NotAuthorizedException", "Invalid session for the user.")
    assert refusal(lambda: door.answer(first, code, "ben")) == nobody
    assert refusal(lambda: door.answer("x" * 1540, code)) == nobody
    for session, right in ((first, code), (second, other)):
        assert door.answer(session, right, "ana")["AuthenticationResult"]


def test_who_names_no_preference_is_offered_what_there_is(door: Door) -> None:
    asked = door.public.initiate_auth(
        AuthFlow="USER_AUTH", ClientId=door.client, AuthParameters={"USERNAME": "ana"}
    )
    assert (asked["ChallengeName"], asked["AvailableChallenges"]) == (
        "SELECT_CHALLENGE",
        ["EMAIL_OTP"],
    )
    chosen = door.public.respond_to_auth_challenge(
        ClientId=door.client,
        ChallengeName="SELECT_CHALLENGE",
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "ana", "ANSWER": "EMAIL_OTP"},
    )
    assert chosen["ChallengeName"] == "EMAIL_OTP"
    assert door.answer(chosen["Session"], door.code(), "ana")["AuthenticationResult"]


def test_an_address_that_is_not_verified_gets_no_code(door: Door) -> None:
    door.add("cleo", email_verified="false")
    before = len(mail(door.cloud))
    asked = door.ask("cleo")
    assert (asked["ChallengeName"], asked["AvailableChallenges"]) == ("SELECT_CHALLENGE", [])
    assert len(mail(door.cloud)) == before


# --- unknown names --------------------------------------------------------------------------------
def test_an_unknown_name_is_answered_like_a_known_one(door: Door) -> None:
    known, before = door.ask(), len(mail(door.cloud))
    asked = {name: door.ask(name) for name in (f"nobody{n}@example.org" for n in range(12))}
    assert len(mail(door.cloud)) == before
    assert {each["ChallengeName"] for each in asked.values()} == {"EMAIL_OTP", "PASSWORD"}
    for name, each in asked.items():
        assert each.keys() == known.keys()
        assert len(each["Session"]) == len(known["Session"])
        assert door.ask(name)["ChallengeName"] == each["ChallengeName"]
        if each["ChallengeName"] == "EMAIL_OTP":
            where = each["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"]
            assert where == "n***@e***"


def test_no_code_passes_for_an_unknown_name(door: Door) -> None:
    names = [f"nobody{n}@example.org" for n in range(12)]
    for name in names:
        asked = door.ask(name)
        for code in ("", "00000000", codes(door.cloud)[-1] if codes(door.cloud) else "12345678"):
            wanted = {
                "EMAIL_OTP": ("CodeMismatchException", "InvalidParameterException"),
                "PASSWORD": ("NotAuthorizedException",),
            }[asked["ChallengeName"]]
            assert refusal(lambda: door.answer(asked["Session"], code, name))[0] in wanted  # noqa: B023


def test_a_client_that_hides_nothing_says_that_there_is_nobody(door: Door) -> None:
    settings = {**CLIENT, "PreventUserExistenceErrors": "LEGACY"}
    door.admin.update_user_pool_client(UserPoolId=door.pool, ClientId=door.client, **settings)
    assert refusal(lambda: door.ask("nobody@example.org")) == (
        "UserNotFoundException",
        "User does not exist.",
    )


# --- out at once ----------------------------------------------------------------------------------
REVOKED = ("NotAuthorizedException", "Access Token has been revoked")


def test_who_is_disabled_is_out_at_once_and_stays_out(door: Door) -> None:
    tokens = door.sign_in()
    session, code = door.ask()["Session"], door.code()
    door.admin.admin_disable_user(**door.named())
    assert refusal(lambda: door.who(tokens)) == REVOKED
    for call in (door.ask, lambda: door.answer(session, code)):
        assert refusal(call) == ("NotAuthorizedException", "User is disabled.")
    assert not door.admin.admin_get_user(**door.named())["Enabled"]
    door.admin.admin_enable_user(**door.named())
    assert refusal(lambda: door.who(tokens)) == REVOKED
    assert door.who(door.sign_in()) == "ana"


def test_who_is_removed_is_out_at_once_and_so_is_the_next_of_that_name(door: Door) -> None:
    tokens = door.sign_in()
    session, code = door.ask()["Session"], door.code()
    door.admin.admin_delete_user(**door.named())
    gone = ("UserNotFoundException", "User does not exist.")
    assert refusal(lambda: door.who(tokens)) == gone
    door.add("ana")
    assert refusal(lambda: door.who(tokens)) == gone
    assert refusal(lambda: door.answer(session, code))[0] == "NotAuthorizedException"
    assert door.who(door.sign_in()) == "ana"


def test_signing_out_ends_all_that_a_person_holds_and_nothing_of_another(door: Door) -> None:
    first, second, other = door.sign_in(), door.sign_in(), door.sign_in("ben")
    door.public.global_sign_out(AccessToken=first["AccessToken"])
    for tokens in (first, second):
        assert refusal(lambda: door.who(tokens)) == REVOKED  # noqa: B023
    assert refusal(lambda: door.public.global_sign_out(AccessToken=first["AccessToken"])) == REVOKED
    assert door.who(other) == "ben"


def test_an_administrator_signs_somebody_out(door: Door) -> None:
    tokens, other = door.sign_in(), door.sign_in("ben")
    door.admin.admin_user_global_sign_out(**door.named())
    assert refusal(lambda: door.who(tokens)) == REVOKED
    assert door.who(other) == "ben"


def test_a_revoked_refresh_token_takes_what_came_with_it(door: Door) -> None:
    first, second = door.sign_in(), door.sign_in()
    revoke = {"ClientId": door.client}
    door.public.revoke_token(**revoke, Token=first["RefreshToken"])
    assert refusal(lambda: door.who(first)) == REVOKED
    assert door.who(second) == "ana"
    for token, code in (
        (second["AccessToken"], "UnsupportedTokenTypeException"),
        ("nothing", "InvalidParameterException"),
    ):
        assert refusal(lambda: door.public.revoke_token(**revoke, Token=token))[0] == code  # noqa: B023
    unknown = {"ClientId": "nobody", "Token": "x"}
    assert refusal(lambda: door.public.revoke_token(**unknown))[0] == "UnauthorizedException"


def test_a_token_ends_with_its_time(door: Door) -> None:
    tokens = door.sign_in()
    door.cloud.runtime.clock.move(by=timedelta(hours=11, minutes=59))
    assert door.who(tokens) == "ana"
    door.cloud.runtime.clock.move(by=timedelta(minutes=1, seconds=5))
    assert refusal(lambda: door.who(tokens)) == (
        "NotAuthorizedException",
        "Access Token has expired",
    )


def test_a_token_that_was_not_issued_is_none(door: Door) -> None:
    token = door.sign_in()["AccessToken"]
    head, body, signature = token.split(".")
    said = {**claims(token), "username": "ben"}
    other = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    for forged in ("x", "a.b.c", f"{head}.{other}.{signature}", f"{head}.{body}.", token[:-1]):
        assert refusal(lambda: door.public.get_user(AccessToken=forged)) == (  # noqa: B023
            "NotAuthorizedException",
            "Invalid Access Token",
        )


def test_a_pool_takes_its_tokens_with_it(door: Door) -> None:
    settings = {"PoolName": "other", **POOL}
    pool = door.admin.create_user_pool(**settings)["UserPool"]["Id"]
    made = door.admin.create_user_pool_client(UserPoolId=pool, **CLIENT)["UserPoolClient"]
    other = Door(door.cloud, door.admin, door.public, pool, made["ClientId"])
    other.add("ana")
    tokens, mine = other.sign_in(), door.sign_in()
    door.admin.delete_user_pool(UserPoolId=pool)
    assert refusal(lambda: door.who(tokens))[0] == "NotAuthorizedException"
    assert door.who(mine) == "ana"


# --- what people do with their own token ----------------------------------------------------------
def test_nobody_changes_their_own_address(door: Door) -> None:
    token = door.sign_in()["AccessToken"]

    def write(**attributes: str) -> Any:
        given = [{"Name": key, "Value": value} for key, value in attributes.items()]
        return door.public.update_user_attributes(AccessToken=token, UserAttributes=given)

    unauthorized = ("NotAuthorizedException", "A client attempted to write unauthorized attribute")
    assert refusal(lambda: write(email="ben@example.org")) == unauthorized
    assert refusal(lambda: write(nickname="a", email_verified="false")) == unauthorized
    gone = {"AccessToken": token, "UserAttributeNames": ["email"]}
    assert refusal(lambda: door.public.delete_user_attributes(**gone)) == unauthorized
    write(nickname="annie")
    assert attributes(door)["nickname"] == "annie"
    door.public.delete_user_attributes(AccessToken=token, UserAttributeNames=["nickname"])
    assert "nickname" not in attributes(door)


def attributes(door: Door) -> dict[str, str]:
    told = door.admin.admin_get_user(**door.named())
    return {each["Name"]: each["Value"] for each in told["UserAttributes"]}


def test_a_client_whose_list_is_empty_may_write_all(door: Door) -> None:
    settings = {**CLIENT, "WriteAttributes": []}
    door.admin.update_user_pool_client(UserPoolId=door.pool, ClientId=door.client, **settings)
    token = door.sign_in()["AccessToken"]
    given = [{"Name": "email", "Value": "ben@example.org"}]
    code, message = refusal(
        lambda: door.public.update_user_attributes(AccessToken=token, UserAttributes=given)
    )
    # It would be allowed; what comes then is not emulated.
    assert (code, "not modelled" in message) == ("InvalidParameterException", True)


def test_a_client_reads_what_it_may_read(door: Door) -> None:
    settings = {**CLIENT, "ReadAttributes": ["nickname"]}
    door.admin.update_user_pool_client(UserPoolId=door.pool, ClientId=door.client, **settings)
    tokens = door.sign_in()
    told = door.public.get_user(AccessToken=tokens["AccessToken"])["UserAttributes"]
    assert [each["Name"] for each in told] == ["sub"]
    assert "email" not in claims(tokens["IdToken"])


def test_people_may_remove_themselves_as_on_aws(door: Door) -> None:
    tokens = door.sign_in()
    door.public.delete_user(AccessToken=tokens["AccessToken"])
    assert refusal(lambda: door.who(tokens))[0] == "UserNotFoundException"
    assert refusal(lambda: door.admin.admin_get_user(**door.named()))[0] == "UserNotFoundException"


# --- who may ask ----------------------------------------------------------------------------------
def test_only_what_needs_no_signature_passes_without_one(door: Door) -> None:
    for call in (
        lambda: door.public.list_user_pools(MaxResults=1),
        lambda: door.public.admin_get_user(**door.named()),
        lambda: door.public.admin_disable_user(**door.named()),
    ):
        assert refusal(call)[0] == "MissingAuthenticationTokenException"
    assert door.admin.admin_get_user(**door.named())["Enabled"]


@pytest.mark.parametrize(
    ("target", "path", "body"),
    [
        ("AWSCognitoIdentityProviderService.GetUser", "/?Action=ListUserPools", b"{}"),
        ("AWSCognitoIdentityProviderService.GetUser", "/bucket/key", b"{}"),
        ("AWSCognitoIdentityProviderService.Nothing", "/", b"{}"),
        ("AWSCognitoIdentityProviderService", "/", b"{}"),
        ("SageMaker.ListDomains", "/", b"{}"),
        ("AWSCognitoIdentityProviderService.GetUser", "/", b'{"AccessToken": "a", "AccessToken"'),
        (
            "AWSCognitoIdentityProviderService.GetUser",
            "/",
            b'{"AccessToken": "a", "AccessToken": "b"}',
        ),
    ],
)
def test_a_request_without_a_signature_has_one_spelling(
    door: Door, target: str, path: str, body: bytes
) -> None:
    connection = http.client.HTTPConnection(door.cloud.endpoint.removeprefix("http://"))
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    assert 400 <= answer.status < 500 or answer.status == 501
    assert b"Username" not in answer.read()


def test_a_role_asks_what_iam_allows_it(cloud: Cloud, door: Door) -> None:
    here = f"arn:aws:cognito-idp:us-east-1:123456789012:userpool/{door.pool}"
    allowed = (["cognito-idp:AdminGetUser"], here)
    arn = whole_cloud.role(cloud, f"asks-{door.pool[-6:]}", "lambda", allowed)
    api = whole_cloud.as_role(cloud, arn, "cognito-idp")
    assert api.admin_get_user(**door.named())["Username"] == "ana"
    assert refusal(lambda: api.admin_disable_user(**door.named()))[0] == "AccessDeniedException"
    # Cognito asks nobody's policies about what a person's own token is for.
    token = door.sign_in()["AccessToken"]
    assert api.get_user(AccessToken=token)["Username"] == "ana"


FUNCTION = """
    import boto3

    def handler(event, _context):
        return boto3.client("cognito-idp").get_user(AccessToken=event["token"])["Username"]
"""


def test_a_function_without_any_right_asks_whose_token_it_was_given(
    cloud: Cloud, door: Door
) -> None:
    arn = whole_cloud.role(cloud, "door", "lambda")
    functions = whole_cloud.client(cloud, "lambda")
    functions.create_function(
        FunctionName="door",
        Runtime="python3.11",
        Handler="app.handler",
        Role=arn,
        Code={"ZipFile": zipped({"app.py": FUNCTION})},
        Timeout=20,
    )
    event = json.dumps({"token": door.sign_in()["AccessToken"]})
    answer = functions.invoke(FunctionName="door", Payload=event)
    assert json.load(answer["Payload"]) == "ana"


# --- settings -------------------------------------------------------------------------------------
def test_a_pool_is_changed_and_described(door: Door) -> None:
    arn = "arn:aws:ses:us-east-1:123456789012:identity/academy@example.org"
    sender = {"EmailSendingAccount": "DEVELOPER", "SourceArn": arn}
    settings = {name: POOL[name] for name in ("AdminCreateUserConfig", "Policies")}
    door.admin.update_user_pool(
        UserPoolId=door.pool,
        PoolName="renamed",
        EmailConfiguration=sender,
        DeletionProtection="ACTIVE",
        UserPoolTags={"academy:cohort": "earth"},
        **settings,
    )
    told = door.admin.describe_user_pool(UserPoolId=door.pool)["UserPool"]
    assert (told["Name"], told["EmailConfiguration"]) == ("renamed", sender)
    assert (told["AliasAttributes"], told["UserPoolTier"]) == (["email"], "ESSENTIALS")
    assert told["Policies"]["SignInPolicy"] == POOL["Policies"]["SignInPolicy"]
    message = {"Message": "Type {####} to enter.", "Subject": "Your code"}
    door.admin.set_user_pool_mfa_config(UserPoolId=door.pool, EmailMfaConfiguration=message)
    kept = door.admin.get_user_pool_mfa_config(UserPoolId=door.pool)
    assert kept["EmailMfaConfiguration"] == message
    door.ask()
    sent = mail(door.cloud)[-1]
    assert sent["subject"] == "Your code"
    assert re.fullmatch(r"Type \d{8} to enter\.", sent["message"])
    code, said = refusal(lambda: door.admin.delete_user_pool(UserPoolId=door.pool))
    assert (code, "deletion protection" in said) == ("InvalidParameterException", True)
    door.admin.update_user_pool(UserPoolId=door.pool, **settings)
    assert door.admin.describe_user_pool(UserPoolId=door.pool)["UserPool"]["Name"] == "renamed"


def test_an_address_belongs_to_one(door: Door) -> None:
    taken = [
        {"Name": "email", "Value": "Ben@example.org"},
        {"Name": "email_verified", "Value": "true"},
    ]
    change = {**door.named(), "UserAttributes": taken}
    assert refusal(lambda: door.admin.admin_update_user_attributes(**change))[0] == (
        "AliasExistsException"
    )
    free = [{"Name": "email", "Value": "anna@example.org"}]
    door.admin.admin_update_user_attributes(**door.named(), UserAttributes=free)
    assert attributes(door)["email_verified"] == "false"
    sure = [*free, {"Name": "email_verified", "Value": "true"}]
    door.admin.admin_update_user_attributes(**door.named(), UserAttributes=sure)
    assert door.who(door.sign_in("anna@example.org")) == "ana"


def user(name: str = "cleo", **attributes: str) -> dict[str, Any]:
    given = {"email": f"{name}@example.org", "email_verified": "true", **attributes}
    return {
        "Username": name,
        "UserAttributes": [{"Name": key, "Value": value} for key, value in given.items() if value],
        "MessageAction": "SUPPRESS",
    }


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (user("ANA"), "UsernameExistsException", "User account already exists"),
        (user(email="ana@example.org"), "AliasExistsException", "given email already exists"),
        (
            user() | {"Username": "cleo@example.org"},
            "InvalidParameterException",
            "cannot be of email format",
        ),
        (user(email="cleo"), "InvalidParameterException", "Invalid email address format."),
        (user(email=""), "InvalidParameterException", "needs an email"),
        (user(shoe="38"), "InvalidParameterException", "does not exist in the schema"),
        (user(sub="1"), "InvalidParameterException", "non-mutable attribute sub"),
        (user() | {"MessageAction": "RESEND"}, "InvalidParameterException", "not modelled"),
        (user() | {"TemporaryPassword": "aA1!aaaa"}, "InvalidParameterException", "not modelled"),
    ],
)
def test_people_who_cannot_be_are_refused(
    door: Door, request_: dict[str, Any], code: str, says: str
) -> None:
    told = refusal(lambda: door.admin.admin_create_user(UserPoolId=door.pool, **request_))
    assert (told[0], says in told[1]) == (code, True), told
    assert len(door.admin.list_users(UserPoolId=door.pool)["Users"]) == 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"LambdaConfig": {}}, "LambdaConfig is not modelled"),
        ({"AliasAttributes": ["phone_number"]}, "phone_number is not modelled"),
        ({"MfaConfiguration": "ON"}, "MfaConfiguration ON is not modelled"),
        ({"UserPoolTier": "PLUS"}, "UserPoolTier PLUS is not modelled"),
        ({"AdminCreateUserConfig": {}}, "AllowAdminCreateUserOnly False is not modelled"),
        (
            {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["EMAIL_OTP"]}}},
            "PASSWORD must be among",
        ),
        (
            {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}}},
            "WEB_AUTHN is not modelled",
        ),
        ({"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER"}}, "needs a SourceArn"),
        ({"EmailConfiguration": {"ConfigurationSet": "a"}}, "ConfigurationSet is not modelled"),
        ({"UserPoolTier": "LITE"}, "needs the tier ESSENTIALS"),
    ],
)
def test_a_pool_outside_the_fence_is_refused_by_name(
    admin: Any, settings: dict[str, Any], says: str
) -> None:
    before = len(admin.list_user_pools(MaxResults=60)["UserPools"])
    code, message = refusal(lambda: admin.create_user_pool(PoolName="x", **{**POOL, **settings}))
    assert says in message
    assert code in ("InvalidParameterException", "FeatureUnavailableInTierException")
    assert len(admin.list_user_pools(MaxResults=60)["UserPools"]) == before


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"GenerateSecret": True}, "GenerateSecret True is not modelled"),
        ({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]}, "is not modelled"),
        ({"ExplicitAuthFlows": []}, "(none given) is not modelled"),
        ({"LogoutURLs": []}, "LogoutURLs is not modelled"),
        ({"AllowedOAuthFlows": ["implicit"]}, "AllowedOAuthFlows implicit is not modelled"),
        ({"AllowedOAuthScopes": ["x/y"]}, "AllowedOAuthScopes x/y is not modelled"),
        ({"AllowedOAuthFlows": ["code"]}, "need CallbackURLs"),
        ({"CallbackURLs": ["http://x.example/"]}, "Invalid callback URL"),
        ({"SupportedIdentityProviders": ["Google"]}, "The provider Google does not exist"),
        ({"AccessTokenValidity": 25}, "Invalid range for token validity."),
        (
            {"AccessTokenValidity": 4, "TokenValidityUnits": {"AccessToken": "minutes"}},
            "Invalid range for token validity.",
        ),
        ({"WriteAttributes": ["email_verified"]}, "Invalid write attributes"),
        ({"ReadAttributes": ["shoe"]}, "Invalid read attributes"),
    ],
)
def test_a_client_outside_the_fence_is_refused_by_name(
    door: Door, settings: dict[str, Any], says: str
) -> None:
    for call in (
        door.admin.create_user_pool_client,
        lambda **given: door.admin.update_user_pool_client(ClientId=door.client, **given),
    ):
        given = {**CLIENT, **settings}
        if call is not door.admin.create_user_pool_client and "GenerateSecret" in given:
            continue  # no member of UpdateUserPoolClient
        code, message = refusal(lambda: call(UserPoolId=door.pool, **given))  # noqa: B023
        assert (code, says in message) == ("InvalidParameterException", True), message


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({"AuthFlow": "USER_PASSWORD_AUTH"}, "InvalidParameterException", "flow not enabled"),
        ({"ClientId": "nobody"}, "ResourceNotFoundException", "client nobody does not exist"),
        ({"AuthParameters": {}}, "InvalidParameterException", "parameter USERNAME"),
        (
            {"AuthParameters": {**EMAIL, "SECRET_HASH": "x"}},
            "InvalidParameterException",
            "SECRET_HASH is not modelled",
        ),
        ({"ClientMetadata": {}}, "InvalidParameterException", "ClientMetadata is not modelled"),
    ],
)
def test_a_beginning_outside_the_fence_is_refused_by_name(
    door: Door, request_: dict[str, Any], code: str, says: str
) -> None:
    given = {"AuthFlow": "USER_AUTH", "ClientId": door.client, "AuthParameters": EMAIL, **request_}
    told = refusal(lambda: door.public.initiate_auth(**given))
    assert (told[0], says in told[1]) == (code, True), told


@pytest.mark.parametrize(
    "operation",
    [
        lambda door: door.public.sign_up(ClientId=door.client, Username="x", Password="aA1!aaaa"),
        lambda door: door.public.forgot_password(ClientId=door.client, Username="ana"),
        lambda door: door.admin.admin_set_user_password(**door.named(), Password="aA1!aaaa"),
        lambda door: door.admin.update_user_pool_domain(
            UserPoolId=door.pool, Domain="x", ManagedLoginVersion=2
        ),
    ],
)
def test_an_operation_outside_the_fence_is_refused_by_name(
    door: Door, operation: Callable[[Door], Any]
) -> None:
    code, message = refusal(lambda: operation(door))
    assert (code, "not modelled" in message) == ("NotImplemented", True)


# --- mail -----------------------------------------------------------------------------------------
def test_a_code_stands_among_the_mail_and_in_the_cloud_s_log(cloud: Cloud, door: Door) -> None:
    sns = whole_cloud.client(cloud, "sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.org")
    before = len(mail(cloud))
    door.ask()
    sns.publish(TopicArn=topic, Subject="between", Message="news")
    door.ask("ben")
    fresh = mail(cloud)[before:]
    assert [each["topic"] for each in fresh] == ["", topic, ""]
    assert [each["to"] for each in fresh][::2] == ["ana@example.org", "ben@example.org"]
    log = Path(cloud.runtime.state, "cloud.log").read_text(encoding="utf-8")
    assert f"mail to ben@example.org: {fresh[-1]['message']}" in log
