"""Signing in by the organisation's own provider, over the wire: the deployed door, the cloud's
Cognito, and a real provider of OpenID Connect that signs what it says."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.cohort.naming import Names
from infra.constructs import bundle
from infra.offline import inside
from infra.offline.server import Cloud
from tests.offline import openid_provider
from tests.offline.openid_provider import CLIENT_ID, OpenIdProvider
from tests.offline.services.cloudformation import academy_stacks
from tests.offline.services.cloudformation.academy_stacks import REGION, Deployer

NAMES = Names("earth-2026-fall")
SENDER = {"from": "academy@example.org"}


def door(provider: OpenIdProvider) -> dict[str, Any]:
    return SENDER | {
        "provider": {
            "name": "Agency",
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "secret": academy_stacks.SECRET,
        }
    }


@dataclass
class Page:
    status: int
    address: str
    headers: dict[str, str]
    text: str

    @property
    def plain(self) -> str:
        return " ".join(re.sub(r"<[^>]*>", " ", self.text).split())

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.headers["location"]).query))


@dataclass
class Browser:
    """Follows redirects and keeps cookies by path; of this machine's ports it knows one host."""

    door: str
    cookies: dict[str, tuple[str, str]] = field(default_factory=dict)

    def ask(self, url: str, form: dict[str, str] | None = None) -> Page:
        """One request, by an address of the door's or by a whole one."""
        address = urljoin(self.door, url)
        parts = urlsplit(address)
        sent = "; ".join(
            f"{name}={value}"
            for name, (value, path) in self.cookies.items()
            if parts.path.startswith(path)
        )
        headers = {"Cookie": sent} if sent else {}
        if form is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": self.door,
                "Sec-Fetch-Site": "same-origin",
            }
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        body = urlencode(form) if form is not None else None
        connection.request("GET" if form is None else "POST", target, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("set-cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = (morsel.value, morsel["path"])
        connection.close()
        got = {name.lower(): value for name, value in answer.headers.items()}
        return Page(answer.status, address, got, text)

    def follow(self, url: str, *, until: Callable[[str], bool] = lambda _: False) -> Page:
        """The page that an address leads to, or the first redirect to one that is `until`."""
        for _ in range(10):
            page = self.ask(url)
            if page.status not in (302, 303) or until(page.headers["location"]):
                return page
            url = urljoin(page.address, page.headers["location"])
        raise AssertionError("a redirect that never ends")

    def sign_in(self) -> Page:
        return self.follow("/provider")

    def returning(self) -> str:
        """Where the provider's word leads back to, before it is followed."""
        page = self.follow("/provider", until=lambda to: "/signed-in?" in to)
        return page.headers["location"]


@dataclass
class Academy:
    """A deployed cohort whose file names the provider."""

    cloud: Cloud
    deployer: Deployer
    provider: OpenIdProvider
    templates: dict[str, Any]
    door: str
    pool: str
    by_provider: str
    client: str

    def browser(self) -> Browser:
        return Browser(self.door)

    @property
    def cognito(self) -> Any:
        return inside.client("cognito-idp", REGION)

    @property
    def domain(self) -> str:
        prefix = NAMES.provider_domain(account=academy_stacks.ACCOUNT, region=REGION)
        return f"{self.cloud.endpoint}/_academy/auth/{prefix}/oauth2"

    def exchange(self, **form: str) -> tuple[int, dict[str, Any]]:
        given = {"grant_type": "authorization_code", "client_id": self.client, **form}
        request = urllib.request.Request(f"{self.domain}/token", urlencode(given).encode())  # noqa: S310
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def deploy(self, **members: Any) -> None:
        """Other members of the cohort file, deployed."""
        academy_stacks.VARIANTS["by provider"] = {"door": door(self.provider), **members}
        academy_stacks.templates.cache_clear()
        made = academy_stacks.templates("by provider")
        self.deployer.assets(*made.values())
        put_services(made)
        for name, template in made.items():
            if template != self.templates.get(name):
                stack = self.deployer.deploy(name, template)
                assert stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), (name, stack.status)
        self.templates = made


def put_services(templates: dict[str, Any]) -> None:
    """The code that the functions run, under the keys that the templates have for it."""
    for template in templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] != "AWS::Lambda::Function":
                continue
            package = resource["Properties"]["Handler"].split(".")[2]
            packed = io.BytesIO()
            with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(packed, "w") as archive:
                folder = Path(name)
                bundle.stage(package, folder)
                for file in sorted(folder.rglob("*")):
                    archive.write(file, file.relative_to(folder))
            inside.client("s3", REGION).put_object(
                Bucket=academy_stacks.ASSETS,
                Key=resource["Properties"]["Code"]["S3Key"],
                Body=packed.getvalue(),
            )


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider.running() as running:
        yield running


@pytest.fixture(scope="module")
def academy(
    provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Academy]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as cloud:
        deployer = Deployer()
        made = Academy(cloud, deployer, provider, {}, "", "", "", "")
        academy_stacks.VARIANTS["by provider"] = {"door": door(provider)}
        academy_stacks.templates.cache_clear()
        deployer.ready(*academy_stacks.templates("by provider").values())
        made.deploy()
        ssm = inside.client("ssm", REGION)

        def told(name: str) -> str:
            return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])

        made.door = told(NAMES.door_url_parameter)
        made.pool = told(NAMES.user_pool_parameter)
        pools = made.cognito.list_user_pools(MaxResults=10)["UserPools"]
        [made.by_provider] = [p["Id"] for p in pools if p["Name"] == NAMES.provider_pool]
        [client] = made.cognito.list_user_pool_clients(UserPoolId=made.by_provider)[
            "UserPoolClients"
        ]
        made.client = client["ClientId"]
        yield made
    del academy_stacks.VARIANTS["by provider"]


# --- in -------------------------------------------------------------------------------------------
def test_a_learner_comes_in_by_the_provider(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    first = browser.ask("/")
    assert first.plain.index("Sign in with Agency") < first.plain.index("Send me a code")
    home = browser.sign_in()
    assert home.status == 200
    assert urlsplit(home.address).path == "/"
    assert "Your workspace" in home.plain
    assert "Signed in as ana" in home.plain or "ana" in home.plain
    assert "__Host-provider" not in browser.cookies
    assert browser.ask("/team").status == 200


def test_an_advisor_comes_in_likewise(academy: Academy) -> None:
    academy.provider.signs_in("shelley")
    browser = academy.browser()
    browser.sign_in()
    assert browser.ask("/advisors").status == 200


def test_capital_letters_of_an_address_do_not_matter(academy: Academy) -> None:
    academy.provider.signs_in("ben", email="Ben@Example.ORG")
    assert "Your workspace" in academy.browser().sign_in().plain


def test_the_code_by_mail_goes_on_beside_it(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    academy.browser().sign_in()
    known = academy.cognito.admin_get_user(
        UserPoolId=academy.pool, Username=NAMES.user("ana", "ana@example.org")
    )
    attributes = {each["Name"]: each["Value"] for each in known["UserAttributes"]}
    assert attributes["email_verified"] == "true"
    browser = academy.browser()
    browser.ask("/")
    assert browser.ask("/sign-in", {"email": "ana@example.org"}).status == 303
    mail = json.loads(browser.ask(f"{academy.cloud.endpoint}/_academy/mail").text)["mail"][-1]
    [code] = re.findall(r"\b\d{8}\b", mail["message"])
    [csrf] = re.findall(r'name="csrf" value="([^"]+)"', browser.ask("/code").text)
    assert browser.ask("/code", {"code": code, "csrf": csrf}).headers["location"] == "/"
    assert "Your workspace" in browser.ask("/").plain


# --- not in ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "said",
    [
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": None},
        {"email": "ben@example.org", "email_verified": False},
        {"sub": "new", "email": None},
        {"email": "eve@example.org"},
        {"email": "ana@example.org.evil.example"},
        {"email": "aná@example.org"},
        {"email": "ana@example.org\u200b"},
        # In small letters it would be k: "\N{KELVIN SIGN}".lower() == "k".
        {"email": "\N{KELVIN SIGN}ana@example.org"},
    ],
)
def test_an_address_that_is_not_checked_or_not_in_the_file_is_nobodys(
    academy: Academy, said: dict[str, Any]
) -> None:
    academy.provider.signs_in("mallory")
    claims = {
        **academy.provider.claims,
        "sub": f"sub-{json.dumps(said)}",
        "email": "ana@example.org",
    }
    claims |= said
    academy.provider.claims = {name: each for name, each in claims.items() if each is not None}
    browser = academy.browser()
    page = browser.sign_in()
    assert page.status == 403
    assert "this cohort does not" in page.plain or "did not sign you in" in page.plain
    assert "__Host-session" not in browser.cookies
    assert "Sign in with Agency" in browser.ask("/").plain


def test_a_stranger_of_the_organisation_is_told_that_the_cohort_does_not_know_them(
    academy: Academy,
) -> None:
    academy.provider.signs_in("eve")
    page = academy.browser().sign_in()
    assert page.status == 403
    assert "Agency knows you, but this cohort does not" in page.plain


@pytest.mark.parametrize(
    "forge",
    [
        openid_provider.by_another_key,
        openid_provider.by_nobody,
        openid_provider.by_the_public_key,
        openid_provider.changed_after,
        openid_provider.saying(aud="another"),
        openid_provider.saying(aud=["academy", "another"]),
        openid_provider.saying(iss="https://evil.example"),
        openid_provider.saying(nonce="another"),
        openid_provider.saying(nonce=None),
        openid_provider.saying(exp=1),
        openid_provider.saying(exp=None),
        openid_provider.saying(iat=4102444800),
        openid_provider.saying(sub=None),
    ],
)
def test_an_id_token_that_is_not_the_providers_word_signs_nobody_in(
    academy: Academy, forge: openid_provider.Forge
) -> None:
    academy.provider.signs_in("ana")
    academy.provider.forge = forge
    browser = academy.browser()
    page = browser.sign_in()
    assert page.status == 403
    assert "Agency did not sign you in" in page.plain
    assert "__Host-session" not in browser.cookies


def test_userinfo_of_another_person_signs_nobody_in(academy: Academy) -> None:
    academy.provider.signs_in("eve")
    academy.provider.user_info = {
        "sub": "sub-of-ana",
        "email": "ana@example.org",
        "email_verified": True,
    }
    assert "did not sign you in" in academy.browser().sign_in().plain


def test_what_the_provider_says_of_an_error_is_not_passed_on(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    academy.provider.refuses = {
        "error": "access_denied",
        "error_description": "<script>alert(1)</script> call 555-1234",
    }
    page = academy.browser().sign_in()
    assert page.status == 403
    assert "Agency did not sign you in" in page.plain
    assert "<script>alert" not in page.text
    assert "alert(1)" not in page.text
    assert "555" not in page.text


# --- who began it ---------------------------------------------------------------------------------
def test_what_comes_back_counts_in_the_browser_that_began_it_alone(academy: Academy) -> None:
    academy.provider.signs_in("eve")
    attackers = academy.browser().returning()
    academy.provider.signs_in("ana")
    victim = academy.browser()
    for begun in (False, True):
        if begun:
            victim.ask("/provider")
        page = victim.ask(attackers)
        assert page.status == 400
        assert "not begun in this browser" in page.plain
        assert "__Host-session" not in victim.cookies
        assert "__Host-provider" not in victim.cookies


@pytest.mark.parametrize("state", ["", "x", "ö", None])
def test_another_state_is_refused_and_ends_the_sign_in(academy: Academy, state: str | None) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    right = browser.returning()
    query = dict(parse_qsl(urlsplit(right).query))
    wrong = {"code": query["code"], **({} if state is None else {"state": state})}
    assert browser.ask(f"/signed-in?{urlencode(wrong)}").status == 400
    assert browser.ask(right).status == 400


def test_a_code_is_good_once(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    right = browser.returning()
    kept = browser.cookies["__Host-provider"]
    assert browser.ask(right).headers["location"] == "/"
    again = academy.browser()
    again.cookies["__Host-provider"] = kept
    page = again.ask(right)
    assert page.status == 400
    assert "has been used" in page.plain
    assert "__Host-session" not in again.cookies


def test_a_code_alone_is_of_no_use_to_who_has_not_the_verifier(academy: Academy) -> None:
    for verifier in ("", "x" * 43):
        academy.provider.signs_in("ana")
        code = dict(parse_qsl(urlsplit(academy.browser().returning()).query))["code"]
        form = {"code": code, "redirect_uri": f"{academy.door}/signed-in"}
        assert academy.exchange(**form, code_verifier=verifier) == (400, {"error": "invalid_grant"})


def test_a_code_ends_after_five_minutes(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    right = browser.returning()
    academy.cloud.runtime.clock.move(by=timedelta(seconds=301))
    assert "has been used, or took too long" in browser.ask(right).plain


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"redirect_uri": "https://evil.example/signed-in"}, 400),
        ({"client_id": "another"}, 400),
    ],
)
def test_cognito_leads_to_nobody_elses_page(
    academy: Academy, changed: dict[str, str], status: int
) -> None:
    begun = academy.browser().ask("/provider").query
    page = academy.browser().ask(f"{academy.domain}/authorize?{urlencode(begun | changed)}")
    assert page.status == status
    assert "location" not in page.headers


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": "openid email aws.cognito.signin.user.admin"},
        {"identity_provider": "COGNITO"},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
    ],
)
def test_a_client_gets_no_more_than_the_template_says(
    academy: Academy, changed: dict[str, str]
) -> None:
    begun = academy.browser().ask("/provider").query
    page = academy.browser().ask(f"{academy.domain}/authorize?{urlencode(begun | changed)}")
    assert "error" in page.query
    assert "code" not in page.query


# --- what a token may do --------------------------------------------------------------------------
def test_a_learner_cannot_change_who_she_is_by_the_token_in_her_browser(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    browser.sign_in()
    token = browser.cookies["__Host-session"][0]
    public = boto3.client(
        "cognito-idp",
        endpoint_url=academy.cloud.endpoint,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )
    bens = [{"Name": "email", "Value": "ben@example.org"}]
    for call in (
        lambda: public.update_user_attributes(AccessToken=token, UserAttributes=bens),
        lambda: public.delete_user_attributes(AccessToken=token, UserAttributeNames=["email"]),
        lambda: public.delete_user(AccessToken=token),
        lambda: public.get_user(AccessToken=token),
    ):
        with pytest.raises(ClientError, match="does not have required scopes"):
            call()
    assert "ana" in browser.ask("/").plain


def test_an_address_that_cognito_did_not_see_checked_is_nobodys(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    browser.sign_in()
    user = {"UserPoolId": academy.by_provider, "Username": "Agency_sub-of-ana"}
    bens = [{"Name": "email", "Value": "ben@example.org"}]
    academy.cognito.admin_update_user_attributes(**user, UserAttributes=bens)
    assert browser.ask("/team").headers["location"] == "/"
    assert "Sign in with Agency" in browser.ask("/").plain


def test_a_token_of_the_one_pool_is_none_of_the_other(academy: Academy) -> None:
    academy.provider.signs_in("ana")
    browser = academy.browser()
    browser.sign_in()
    head, claims, signature = browser.cookies["__Host-session"][0].split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    for changed in ({"username": NAMES.user("ben", "ben@example.org")}, {"client_id": "another"}):
        forged = base64.urlsafe_b64encode(json.dumps(said | changed).encode()).rstrip(b"=")
        browser.cookies["__Host-session"] = (f"{head}.{forged.decode()}.{signature}", "/")
        assert browser.ask("/team").status == 303


# --- out ------------------------------------------------------------------------------------------
def signed_in(academy: Academy, name: str = "ana") -> Browser:
    academy.provider.signs_in(name)
    browser = academy.browser()
    assert browser.sign_in().status == 200
    assert browser.ask("/team").status == 200
    return browser


def test_who_signs_out_is_out_and_so_is_a_copy_of_the_cookie(academy: Academy) -> None:
    browser = signed_in(academy)
    copy = Browser(academy.door, dict(browser.cookies))
    [csrf] = set(
        re.findall(r'action="/sign-out".*?name="csrf" value="([^"]+)"', browser.ask("/").text, re.S)
    )
    assert browser.ask("/sign-out", {"csrf": csrf}).headers["location"] == "/?out"
    assert not {"__Host-session", "__Host-refresh"} & set(browser.cookies)
    assert copy.ask("/team").status == 303


def test_who_is_shut_out_is_out_at_once_and_does_not_come_back_by_the_provider(
    academy: Academy,
) -> None:
    browser, bens = signed_in(academy), signed_in(academy, "ben")
    user = {"UserPoolId": academy.pool, "Username": NAMES.user("ana", "ana@example.org")}
    academy.cognito.admin_disable_user(**user)
    try:
        assert browser.ask("/team").status == 303
        academy.provider.signs_in("ana", sub="another-sub-of-ana")
        assert academy.browser().sign_in().status == 403
        assert bens.ask("/team").status == 200
    finally:
        academy.cognito.admin_enable_user(**user)
    assert signed_in(academy).ask("/team").status == 200


def test_whom_the_admin_disables_among_the_providers_people_is_out_too(academy: Academy) -> None:
    browser = signed_in(academy)
    user = {"UserPoolId": academy.by_provider, "Username": "Agency_sub-of-ana"}
    academy.cognito.admin_disable_user(**user)
    try:
        assert browser.ask("/team").status == 303
        assert "did not sign you in" in academy.browser().sign_in().plain
    finally:
        academy.cognito.admin_enable_user(**user)


def test_who_leaves_the_file_is_out_with_the_deploy(academy: Academy) -> None:
    browser, bens = signed_in(academy), signed_in(academy, "ben")
    without = {"id": "falcon", "learners": [{"id": "ben", "email": "ben@example.org"}]}
    heron = {
        "id": "heron",
        "learners": [{"id": each, "email": f"{each}@example.org"} for each in ("chi", "dov")],
    }
    academy.deploy(teams=[without, heron])
    assert browser.ask("/team").status == 303
    academy.provider.signs_in("ana")
    assert "this cohort does not" in academy.browser().sign_in().plain
    assert bens.ask("/team").status == 200
