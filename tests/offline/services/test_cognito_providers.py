"""What a pool takes for a provider or a domain, and what its endpoints answer to nonsense. Signing
in by them is tried end to end (tests/end_to_end/test_provider.py)."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from tests.offline import openid_provider, whole_cloud
from tests.offline.openid_provider import OpenIdProvider

CALLBACK = "https://door.example.org/signed-in"
PREFIX = "earth-0a1b2c3d"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def idp(cloud: Cloud) -> Any:
    return whole_cloud.client(cloud, "cognito-idp")


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider.running() as running:
        yield running


def details(issuer: str = "https://login.example.org", **more: str) -> dict[str, str]:
    return {
        "attributes_request_method": "GET",
        "authorize_scopes": "openid email",
        "client_id": openid_provider.CLIENT_ID,
        "client_secret": openid_provider.CLIENT_SECRET,
        "oidc_issuer": issuer,
        **more,
    }


def new_pool(idp: Any) -> str:
    settings = {"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True}}
    return str(idp.create_user_pool(PoolName="earth", **settings)["UserPool"]["Id"])


@pytest.fixture
def pool(idp: Any) -> str:
    return new_pool(idp)


def client_of(idp: Any, pool: str, **more: Any) -> str:
    given = {
        "ClientName": "door",
        "ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"],
        "SupportedIdentityProviders": ["Agency"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email"],
        "CallbackURLs": [CALLBACK],
        "WriteAttributes": ["email"],
        **more,
    }
    made = idp.create_user_pool_client(UserPoolId=pool, **given)
    return str(made["UserPoolClient"]["ClientId"])


def make(idp: Any, pool: str, **more: Any) -> Any:
    given = {
        "ProviderName": "Agency",
        "ProviderType": "OIDC",
        "ProviderDetails": details(),
        "AttributeMapping": {"email": "email", "email_verified": "email_verified"},
        **more,
    }
    return idp.create_identity_provider(UserPoolId=pool, **given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ProviderType": "SAML"}, "ProviderType SAML is not modelled"),
        ({"IdpIdentifiers": ["x"]}, "IdpIdentifiers is not modelled"),
        ({"ProviderDetails": details("http://login.example.org")}, "must be an https URL"),
        ({"ProviderDetails": details(authorize_scopes="email")}, "must include openid"),
        ({"ProviderDetails": details(attributes_request_method="POST")}, "POST is not modelled"),
        ({"ProviderDetails": details(token_url="https://x")}, "token_url is not modelled"),
        ({"ProviderDetails": {"client_id": "x"}}, "oidc_issuer is required"),
        ({"AttributeMapping": {"shoe": "size"}}, "Invalid user pool attribute shoe"),
    ],
)
def test_a_provider_that_is_not_modelled_or_cannot_be_is_refused(
    idp: Any, pool: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientError, match=says):
        make(idp, pool, **given)
    assert idp.list_identity_providers(UserPoolId=pool)["Providers"] == []


def test_an_update_keeps_what_it_does_not_name(idp: Any, pool: str) -> None:
    make(idp, pool)
    agency = {"UserPoolId": pool, "ProviderName": "Agency"}
    idp.update_identity_provider(**agency, ProviderDetails=details("https://other.example.org"))
    told = idp.describe_identity_provider(**agency)["IdentityProvider"]
    assert told["ProviderDetails"]["oidc_issuer"] == "https://other.example.org"
    assert told["AttributeMapping"]["email"] == "email"
    idp.delete_identity_provider(**agency)
    with pytest.raises(ClientError, match="does not exist"):
        idp.describe_identity_provider(**agency)


@pytest.mark.parametrize("prefix", ["my-aws-door", "amazonia", "cognito-1", "-x", "x-"])
def test_a_prefix_that_aws_does_not_take_is_refused(idp: Any, pool: str, prefix: str) -> None:
    with pytest.raises(ClientError):
        idp.create_user_pool_domain(UserPoolId=pool, Domain=prefix)


def test_a_prefix_is_of_one_pool_and_a_pool_has_one(idp: Any, pool: str) -> None:
    other = new_pool(idp)
    idp.create_user_pool_domain(UserPoolId=pool, Domain="earth-one")
    with pytest.raises(ClientError, match="another user pool"):
        idp.create_user_pool_domain(UserPoolId=other, Domain="earth-one")
    with pytest.raises(ClientError, match="already has a domain"):
        idp.create_user_pool_domain(UserPoolId=pool, Domain="earth-two")
    with pytest.raises(ClientError, match="No such domain"):
        idp.delete_user_pool_domain(UserPoolId=other, Domain="earth-one")
    idp.delete_user_pool_domain(UserPoolId=pool, Domain="earth-one")
    idp.delete_user_pool(UserPoolId=pool)


# --- endpoints ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def served(cloud: Cloud, idp: Any, provider: OpenIdProvider) -> dict[str, str]:
    """A pool whose domain answers, and its client."""
    pool = new_pool(idp)
    make(idp, pool, ProviderDetails=details(provider.issuer))
    idp.create_user_pool_domain(UserPoolId=pool, Domain=PREFIX)
    client = client_of(idp, pool)
    return {"host": urlsplit(cloud.endpoint).netloc, "client": client, "pool": pool}


def ask(
    served: dict[str, str],
    method: str,
    what: str,
    body: bytes | None = None,
    prefix: str = PREFIX,
    **headers: str,
) -> tuple[int, str, str]:
    """Status, body and Location."""
    connection = http.client.HTTPConnection(served["host"], timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"/_academy/auth/{prefix}/oauth2/{what}", body, named)
    answer = connection.getresponse()
    told = answer.status, answer.read().decode(), answer.headers.get("Location", "")
    connection.close()
    return told


def wanted(served: dict[str, str], **more: str) -> str:
    given = {
        "client_id": served["client"],
        "identity_provider": "Agency",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email",
        **more,
    }
    return f"authorize?{urlencode(given)}"


@pytest.mark.parametrize(
    ("method", "what", "body", "headers", "status", "says"),
    [
        ("GET", "nothing", None, {}, 501, "not_modelled"),
        ("POST", "authorize", b"", {}, 501, "not_modelled"),
        ("GET", "idpresponse?state=x&code=y", None, {}, 400, "not begun in this browser"),
        ("GET", "idpresponse", None, {}, 400, "not begun in this browser"),
        ("GET", "authorize?client_id=a&client_id=b", None, {}, 400, "came twice"),
        ("POST", "token", b"grant_type=x", {}, 400, "a form"),
        ("POST", "token", b"grant_type=x", {"Content_Type": FORM}, 400, "unsupported_grant_type"),
        ("GET", "userInfo", None, {}, 401, "invalid_token"),
        ("GET", "userInfo", None, {"Authorization": "Bearer x.y.z"}, 401, "invalid_token"),
        ("GET", "userInfo", None, {"Host": "evil.example"}, 403, "127.0.0.1"),
    ],
)
def test_nonsense_is_answered_and_leads_nowhere(
    served: dict[str, str],
    method: str,
    what: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    says: str,
) -> None:
    got = ask(served, method, what, body, **headers)
    assert (got[0], says in got[1], got[2]) == (status, True, "")


def test_no_domain_no_endpoint(served: dict[str, str]) -> None:
    assert ask(served, "GET", "userInfo", prefix="another")[0] == 404


def test_a_page_of_cognitos_own_is_not_modelled(served: dict[str, str]) -> None:
    given = {"client_id": served["client"], "redirect_uri": CALLBACK, "response_type": "code"}
    status, told, _ = ask(served, "GET", f"authorize?{urlencode(given)}")
    assert (status, "page of its own" in told) == (501, True)


def test_an_error_of_the_clients_goes_to_its_page_with_its_state(served: dict[str, str]) -> None:
    status, _, to = ask(served, "GET", wanted(served, scope="openid phone", state="s 1"))
    assert status == 302
    assert to.startswith(f"{CALLBACK}?")
    assert "error=invalid_scope" in to
    assert "state=s+1" in to


def test_a_provider_that_does_not_answer_or_speaks_for_another_is_told_of(
    served: dict[str, str], idp: Any, provider: OpenIdProvider
) -> None:
    agency = {"UserPoolId": served["pool"], "ProviderName": "Agency"}
    for issuer in ("http://127.0.0.1:9", f"{provider.issuer}/"):
        idp.update_identity_provider(**agency, ProviderDetails=details(issuer))
        try:
            _, _, to = ask(served, "GET", wanted(served))
        finally:
            idp.update_identity_provider(**agency, ProviderDetails=details(provider.issuer))
        assert "error=server_error" in to


def test_what_a_client_may_not_write_is_not_mapped_through_it(
    served: dict[str, str], idp: Any, provider: OpenIdProvider
) -> None:
    provider.signs_in("ana")
    narrow = client_of(idp, served["pool"], WriteAttributes=["locale"])
    connection = http.client.HTTPConnection(served["host"], timeout=30)
    path = f"/_academy/auth/{PREFIX}/oauth2/"
    connection.request("GET", path + wanted(served, client_id=narrow))
    begun = connection.getresponse()
    begun.read()
    cookie = begun.headers["Set-Cookie"].partition(";")[0]
    at = urlsplit(begun.headers["Location"])
    away = http.client.HTTPConnection(at.netloc, timeout=30)
    away.request("GET", f"{at.path}?{at.query}")
    back = urlsplit(away.getresponse().headers["Location"])
    connection.request("GET", f"{back.path}?{back.query}", headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    assert "attribute+email+is+not+writable" in answer.headers["Location"]
    # Once more with the same state: it was used.
    connection.request("GET", f"{back.path}?{back.query}", headers={"Cookie": cookie})
    assert connection.getresponse().status == 400
    assert idp.list_users(UserPoolId=served["pool"])["Users"] == []
