"""Signing in by the organisation's provider: what is decided, and what Cognito's host may answer.

That it works with a provider that signs what it says is tried end to end."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from botocore.stub import Stubber

from infra.cohort.naming import address_hash, user_of
from infra.services.door import handler, visits
from infra.services.door.context import People, Unavailable
from infra.services.door.entrance.hosted import LARGEST, CognitoHost
from infra.services.door.entrance.provider import Begun, NoGood, Provider, Tokens, person_of
from infra.services.door.entrance.sessions import SignedOut
from tests.services.door_world import HOST, PEOPLE, Browser, World, event, token

AGENCY = Provider(
    name="Agency",
    client="client-of-the-provider",
    pool="us-east-1_Agency",
    host="https://earth-1a2b3c4d.auth.us-east-1.amazoncognito.com",
    address=f"https://{HOST}",
)
EVERYBODY = ("ana", "ben", "chi", "shelley")
KNOWN = People(
    PEOPLE.teams,
    PEOPLE.advisors,
    {each: address_hash(f"{each}@example.org") for each in EVERYBODY},
)


def of_agency(name: str = "Agency_ana", **claims: Any) -> str:
    return token(
        {
            "iss": f"https://cognito-idp.us-east-1.amazonaws.com/{AGENCY.pool}",
            "client_id": AGENCY.client,
            "token_use": "access",
            "username": name,
            **claims,
        }
    )


class FakeHosted:
    """A `Hosted` of dictionaries."""

    def __init__(self) -> None:
        self.codes: dict[str, tuple[str, str]] = {}
        self.knows: dict[str, dict[str, Any]] = {}
        self.out: set[str] = set()
        self.asked: list[str] = []
        self.revoked: list[str] = []
        self.down = False

    def gives(self, verifier: str, **known: Any) -> str:
        """A code for who is known so; returns the code."""
        told = {
            "username": "Agency_ana",
            "email": "ana@example.org",
            "email_verified": "true",
            **known,
        }
        access = of_agency(told["username"], jti=str(len(self.codes)))
        self.knows[access] = told
        code = f"code-{len(self.codes)}"
        self.codes[code] = (verifier, access)
        return code

    def exchange(self, code: str, verifier: str) -> Tokens:
        self._up()
        wanted, access = self.codes.pop(code, ("", ""))
        if not wanted or verifier != wanted:
            raise NoGood
        return Tokens(access, f"refresh-of-{code}")

    def user(self, token: str) -> Mapping[str, Any]:
        self._up()
        self.asked.append(token)
        if token not in self.knows:
            raise SignedOut
        return self.knows[token]

    def may_sign_in(self, username: str) -> bool:
        self._up()
        return username not in self.out

    def revoke(self, refresh: str) -> None:
        self._up()
        self.revoked.append(refresh)

    def _up(self) -> None:
        if self.down:
            raise Unavailable("Cognito's host does not answer")


@pytest.fixture
def hosted() -> FakeHosted:
    return FakeHosted()


@pytest.fixture
def world(hosted: FakeHosted) -> World:
    made = World()
    made.people = KNOWN
    made.door = replace(made.door, provider=AGENCY, hosted=hosted)
    return made


def begin(browser: Browser) -> tuple[str, str]:
    """The state and the verifier of a sign-in that this browser begins."""
    browser.ask("GET", "/provider")
    state, _, verifier = browser.cookies["__Host-provider"].partition(".")
    return state, verifier


def come_back(world: World, hosted: FakeHosted, browser: Browser, **known: Any) -> Any:
    state, verifier = begin(browser)
    code = hosted.gives(verifier, **known)
    return browser.ask("GET", f"/signed-in?{urlencode({'code': code, 'state': state})}")


# --- there ----------------------------------------------------------------------------------------
def test_the_provider_comes_first_and_the_code_below_it(world: World) -> None:
    page = world.browser().get("/")
    assert page.plain.index("Sign in with Agency") < page.plain.index("Send me a code")
    assert 'href="/provider"' in page.text


def test_without_a_provider_there_is_neither_button_nor_way() -> None:
    world = World()
    assert "/provider" not in world.browser().get("/").text
    for path in ("/provider", "/signed-in?code=x&state=y"):
        assert world.browser().ask("GET", path).status == 404


def test_a_sign_in_begins_with_what_the_browser_alone_keeps(world: World) -> None:
    browser = world.browser()
    seen = browser.ask("GET", "/provider")
    to = urlsplit(seen.headers["Location"])
    asked = dict(parse_qsl(to.query))
    state, _, verifier = browser.cookies["__Host-provider"].partition(".")
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    assert f"{to.scheme}://{to.netloc}{to.path}" == f"{AGENCY.host}/oauth2/authorize"
    assert asked == {
        "identity_provider": "Agency",
        "response_type": "code",
        "client_id": AGENCY.client,
        "redirect_uri": f"https://{HOST}/signed-in",
        "scope": "openid email",
        "state": state,
        "code_challenge": digest.rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    assert verifier not in seen.headers["Location"]
    [cookie] = world.answer(event("GET", "/provider"))["cookies"]
    assert cookie.endswith("; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax")


def test_two_sign_ins_have_nothing_in_common(world: World) -> None:
    first, second = begin(world.browser()), begin(world.browser())
    assert not set(first) & set(second)


def test_both_ways_are_throttled_apart_and_by_their_own_spelling_alone(world: World) -> None:
    for path in ("/provider", "/signed-in"):
        assert ("GET", path) in handler.THROTTLED
        other = {**event("GET", path), "routeKey": "$default"}
        assert world.answer(other)["statusCode"] == 404


def test_a_sender_begins_so_many_and_then_none_for_a_while(world: World) -> None:
    most = visits.OF_A_SENDER
    seen = [world.browser().ask("GET", "/provider").status for _ in range(most + 1)]
    assert set(seen[:most]) == {303}
    assert seen[most] == 429


# --- back -----------------------------------------------------------------------------------------
def test_who_comes_back_is_in_and_has_what_ends_it(world: World, hosted: FakeHosted) -> None:
    browser = world.browser()
    seen = come_back(world, hosted, browser)
    assert (seen.status, seen.headers["Location"]) == (303, "/")
    assert "Your workspace" in browser.get("/").plain
    assert "__Host-provider" not in browser.cookies
    browser.send("/sign-out")
    assert hosted.revoked == ["refresh-of-code-0"]
    assert not {"__Host-session", "__Host-refresh"} & set(browser.cookies)


@pytest.mark.parametrize(
    "known",
    [
        {"email_verified": "false"},
        {"email_verified": None},
        {"email_verified": 1},
        {"email_verified": "True"},
        {"email_verified": ["true"]},
        {"email": None},
        {"email": ["ana@example.org"]},
        {"email": "eve@example.org"},
        {"email": "ana@example.org "},
        {"email": "\u0430na@example.org"},
        {"username": "ana"},
        {"username": "Agency_"},
        {"username": "Agencyana"},
        {"username": "Other_ana"},
    ],
)
def test_what_is_not_certain_is_nobody_and_ends(
    world: World, hosted: FakeHosted, known: dict[str, Any]
) -> None:
    browser = world.browser()
    seen = come_back(world, hosted, browser, **known)
    assert seen.status == 403
    assert "this cohort does not" in seen.plain
    assert "__Host-session" not in browser.cookies
    assert hosted.revoked == ["refresh-of-code-0"]


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": "another"},
        {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Another"},
        {"token_use": "id"},
        {"username": "Agency_ben"},
    ],
)
def test_a_token_that_was_not_made_for_this_door_is_nobodys(
    hosted: FakeHosted, claims: dict[str, str]
) -> None:
    other = of_agency(**claims)
    hosted.knows[other] = {
        "username": "Agency_ana",
        "email": "ana@example.org",
        "email_verified": "true",
    }
    with pytest.raises(SignedOut):
        person_of(other, hosted, KNOWN, AGENCY)
    assert hosted.asked == [other]


def test_claims_are_nothing_until_cognitos_host_has_taken_the_token(world: World) -> None:
    browser = world.browser()
    browser.cookies["__Host-session"] = of_agency()
    assert browser.ask("GET", "/team").headers["Location"] == "/"


def test_a_token_by_code_and_one_by_the_provider_do_not_stand_for_each_other(
    world: World, hosted: FakeHosted
) -> None:
    by_code = world.identity.token("ana--0a1b2c3d")
    assert not AGENCY.made(by_code)
    with pytest.raises(SignedOut):
        person_of(by_code, hosted, KNOWN, AGENCY)
    browser = world.browser("ana")
    assert "Your workspace" in browser.get("/").plain
    assert hosted.asked == [by_code]


@pytest.mark.parametrize("query", ["", "code=x", "state=x", "error=access_denied", "code=x&state="])
def test_a_return_that_nobody_began_is_refused(world: World, query: str) -> None:
    for begun in (False, True):
        browser = world.browser()
        if begun:
            begin(browser)
        seen = browser.ask("GET", f"/signed-in?{query}")
        assert seen.status == 400
        assert "not begun in this browser" in seen.plain


@pytest.mark.parametrize("cookie", ["x", "a.b", "." * 9, "a" * 43, f"{'a' * 43}.{'b' * 42}"])
def test_a_cookie_that_the_door_did_not_make_is_none(cookie: str) -> None:
    assert Begun.read(cookie) is None


def test_another_state_is_refused_before_cognito_is_asked(world: World, hosted: FakeHosted) -> None:
    browser = world.browser()
    _, verifier = begin(browser)
    code = hosted.gives(verifier)
    assert browser.ask("GET", f"/signed-in?code={code}&state={'x' * 43}").status == 400
    assert code in hosted.codes
    assert "__Host-provider" not in browser.cookies


@pytest.mark.parametrize(
    "told",
    [
        {"error": "access_denied", "error_description": "<script>alert(1)</script>"},
        {"error": "<script>alert(1)</script>"},
        {"error": ""},
        {"code": ""},
        {"code": "<script>alert(1)</script>"},
        {},
    ],
)
def test_an_error_is_told_in_our_words_and_nothing_of_it_is_shown_or_logged(
    world: World, told: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    browser = world.browser()
    state, _ = begin(browser)
    seen = browser.ask("GET", f"/signed-in?{urlencode({**told, 'state': state})}")
    assert seen.status == 403
    assert "Agency did not sign you in" in seen.plain
    assert "alert(1)" not in seen.text + caplog.text


def test_a_code_that_counts_no_more_is_told_of(world: World) -> None:
    browser = world.browser()
    state, _ = begin(browser)
    seen = browser.ask("GET", f"/signed-in?code=unknown&state={state}")
    assert (seen.status, "has been used, or took too long" in seen.plain) == (400, True)


def test_while_cognitos_host_does_not_answer_nobody_is_let_in(
    world: World, hosted: FakeHosted
) -> None:
    browser = world.browser()
    come_back(world, hosted, browser)
    hosted.down = True
    assert browser.ask("GET", "/team").status == 503
    other = world.browser()
    state, _ = begin(other)
    assert other.ask("GET", f"/signed-in?code=x&state={state}").status == 503
    assert "__Host-session" not in other.cookies


def test_who_is_shut_out_or_has_left_is_out_with_the_next_click(
    world: World, hosted: FakeHosted
) -> None:
    browser = world.browser()
    come_back(world, hosted, browser)
    hosted.out.add(user_of("ana", KNOWN.addresses["ana"]))
    assert browser.ask("GET", "/team").headers["Location"] == "/"
    other = world.browser()
    come_back(world, hosted, other, username="Agency_ben", email="ben@example.org")
    assert other.ask("GET", "/team").status == 200
    addresses = {each: hash for each, hash in KNOWN.addresses.items() if each != "ben"}
    world.people = People({"falcon": ("ana",), "heron": ("chi",)}, KNOWN.advisors, addresses)
    assert other.ask("GET", "/team").headers["Location"] == "/"


# --- Cognito's host -------------------------------------------------------------------------------
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def answering() -> Iterator[Callable[[Answer], tuple[CognitoHost, list[Any]]]]:
    """A host on loopback that answers so, and what it was asked."""
    servers = []

    def start(answer: Answer) -> tuple[CognitoHost, list[Any]]:
        asked: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = dict(parse_qsl(self.rfile.read(size).decode()))
                asked.append((self.path, self.headers.get("Authorization"), body))
                status, headers, told = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(told))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = _serve  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        at = replace(AGENCY, host=f"http://127.0.0.1:{server.server_port}")
        return CognitoHost(at, "us-east-1_Door"), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)


def told(**document: Any) -> bytes:
    return json.dumps(document).encode()


def test_a_code_is_exchanged_with_its_verifier_and_no_secret(answering: Any) -> None:
    good = told(access_token="a", refresh_token="r", id_token="i", expires_in=1)
    host, asked = answering((200, {}, good))
    assert host.exchange("code", "v" * 43) == Tokens("a", "r")
    form = {
        "grant_type": "authorization_code",
        "client_id": AGENCY.client,
        "code": "code",
        "redirect_uri": AGENCY.callback,
        "code_verifier": "v" * 43,
    }
    assert asked == [("/oauth2/token", None, form)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {}, told(error="invalid_grant")), NoGood),
        ((400, {}, b"<html>"), NoGood),
        ((500, {}, b""), Unavailable),
        ((200, {}, b""), Unavailable),
        ((200, {}, b"[]"), Unavailable),
        ((200, {}, told(access_token="a")), Unavailable),
        ((200, {}, told(access_token=1, refresh_token="r")), Unavailable),
        ((200, {}, b'{"x":"' + b"x" * LARGEST + b'"}'), Unavailable),
        ((200, {}, b"[" * 5000), Unavailable),
        ((302, {"Location": "/elsewhere"}, b""), Unavailable),
    ],
)
def test_another_answer_is_no_token(answering: Any, answer: Answer, error: type[Exception]) -> None:
    host, asked = answering(answer)
    with pytest.raises(error):
        host.exchange("code", "v" * 43)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {}, told(error="invalid_token")), SignedOut),
        ((400, {}, b""), SignedOut),
        ((503, {}, b""), Unavailable),
        ((307, {"Location": "/elsewhere"}, b""), Unavailable),
    ],
)
def test_a_token_that_is_not_taken_is_nobodys(
    answering: Any, answer: Answer, error: type[Exception]
) -> None:
    host, asked = answering(answer)
    with pytest.raises(error):
        host.user("t")
    assert asked == [("/oauth2/userInfo", "Bearer t", {})]


def test_a_host_that_is_not_there_is_not_available() -> None:
    host = CognitoHost(replace(AGENCY, host="http://127.0.0.1:9"), "us-east-1_Door")
    with pytest.raises(Unavailable):
        host.user("t")


def test_nothing_goes_in_clear_to_another_machine() -> None:
    with pytest.raises(ValueError, match="in clear"):
        CognitoHost(replace(AGENCY, host="http://earth.example.org"), "us-east-1_Door")


def test_a_user_may_sign_in_if_it_is_there_and_enabled_under_that_very_name() -> None:
    host = CognitoHost(AGENCY, "us-east-1_Door")
    wanted = {"UserPoolId": "us-east-1_Door", "Username": "ana--86b9260a"}
    with Stubber(host._signed) as cognito:
        for answer, may in (
            ({"Username": "ana--86b9260a", "Enabled": True}, True),
            ({"Username": "ana--86b9260a", "Enabled": False}, False),
            ({"Username": "ben--86b9260a", "Enabled": True}, False),
        ):
            cognito.add_response("admin_get_user", answer, wanted)
            assert host.may_sign_in("ana--86b9260a") is may
        cognito.add_client_error("admin_get_user", "UserNotFoundException")
        assert not host.may_sign_in("ana--86b9260a")
        cognito.add_client_error("admin_get_user", "AccessDeniedException")
        with pytest.raises(Unavailable):
            host.may_sign_in("ana--86b9260a")


def test_what_has_ended_already_is_ended() -> None:
    host = CognitoHost(AGENCY, "us-east-1_Door")
    with Stubber(host._unsigned) as cognito:
        host.revoke("")
        wanted = {"ClientId": AGENCY.client, "Token": "refresh"}
        cognito.add_response("revoke_token", {}, wanted)
        host.revoke("refresh")
        cognito.add_client_error("revoke_token", "UnauthorizedException")
        host.revoke("refresh")
        cognito.add_client_error("revoke_token", "InternalErrorException")
        with pytest.raises(Unavailable):
            host.revoke("refresh")
        cognito.assert_no_pending_responses()
