"""The AWS CLI and people who sign in: a pool is made, somebody signs in by a code, and is out."""

from __future__ import annotations

import json
import urllib.request

import pytest

from infra.offline.server import Cloud
from tests.offline.clients.aws_cli import SERVICE_REFUSED, AwsCli

pytestmark = pytest.mark.clients

POLICIES = json.dumps({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}})


@pytest.fixture(scope="module")
def pool(aws: AwsCli) -> str:
    made = aws(
        "cognito-idp",
        "create-user-pool",
        "--pool-name=earth-door",
        "--alias-attributes=email",
        "--username-configuration=CaseSensitive=false",
        "--admin-create-user-config=AllowAdminCreateUserOnly=true",
        f"--policies={POLICIES}",
    )
    return str(made["UserPool"]["Id"])


@pytest.fixture(scope="module")
def client(aws: AwsCli, pool: str) -> str:
    made = aws(
        "cognito-idp",
        "create-user-pool-client",
        f"--user-pool-id={pool}",
        "--client-name=door",
        "--explicit-auth-flows=ALLOW_USER_AUTH",
        "--prevent-user-existence-errors=ENABLED",
        "--access-token-validity=12",
        "--write-attributes=nickname",
    )
    return str(made["UserPoolClient"]["ClientId"])


def code(cloud: Cloud) -> str:
    """The code of the last mail."""
    with urllib.request.urlopen(f"{cloud.endpoint}/_academy/mail") as answer:  # noqa: S310
        sent = json.load(answer)["mail"][-1]
    return str(sent["message"]).rstrip(". ").rsplit(" ", 1)[-1]


def begin(aws: AwsCli, client: str, name: str) -> dict[str, str]:
    return dict(
        aws(
            "cognito-idp",
            "initiate-auth",
            "--auth-flow=USER_AUTH",
            f"--client-id={client}",
            f"--auth-parameters=USERNAME={name},PREFERRED_CHALLENGE=EMAIL_OTP",
        )
    )


def words(client: str, session: str, name: str, given: str) -> tuple[str, ...]:
    return (
        "cognito-idp",
        "respond-to-auth-challenge",
        f"--client-id={client}",
        "--challenge-name=EMAIL_OTP",
        f"--session={session}",
        f"--challenge-responses=USERNAME={name},EMAIL_OTP_CODE={given}",
    )


def make(aws: AwsCli, pool: str, name: str) -> None:
    made = aws(
        "cognito-idp",
        "admin-create-user",
        f"--user-pool-id={pool}",
        f"--username={name}",
        "--message-action=SUPPRESS",
        "--user-attributes",
        f"Name=email,Value={name}@example.org",
        "Name=email_verified,Value=true",
    )["User"]
    assert (made["UserStatus"], made["Enabled"]) == ("CONFIRMED", True)


def test_somebody_signs_in_and_is_out_when_disabled(
    aws: AwsCli, cloud: Cloud, pool: str, client: str
) -> None:
    of_pool = f"--user-pool-id={pool}"
    make(aws, pool, "ana")
    aws("cognito-idp", "create-group", of_pool, "--group-name=learners")
    who = (of_pool, "--username=ana")
    aws("cognito-idp", "admin-add-user-to-group", *who, "--group-name=learners")
    session = begin(aws, client, "ana@example.org")["Session"]
    wrong = aws.refused(*words(client, session, "ana@example.org", "0"))
    assert (wrong.status, wrong.code) == (SERVICE_REFUSED, "CodeMismatchException")
    right = words(client, session, "ana@example.org", code(cloud))
    tokens = aws(*right)["AuthenticationResult"]
    assert aws.refused(*right).code == "NotAuthorizedException"
    token = f"--access-token={tokens['AccessToken']}"
    assert aws("cognito-idp", "get-user", token)["Username"] == "ana"
    changed = aws.refused(
        "cognito-idp",
        "update-user-attributes",
        token,
        "--user-attributes=Name=email,Value=ben@example.org",
    )
    assert changed.code == "NotAuthorizedException"
    named = "--user-attributes=Name=nickname,Value=annie"
    aws("cognito-idp", "update-user-attributes", token, named)
    gone = "--user-attribute-names=nickname"
    aws("cognito-idp", "delete-user-attributes", token, gone)
    aws("cognito-idp", "admin-disable-user", *who)
    out = aws.refused("cognito-idp", "get-user", token)
    assert (out.code, out.message) == ("NotAuthorizedException", "Access Token has been revoked")
    aws("cognito-idp", "admin-enable-user", *who)
    told = aws("cognito-idp", "admin-get-user", *who)
    assert (told["Username"], told["Enabled"]) == ("ana", True)
    groups = aws("cognito-idp", "admin-list-groups-for-user", *who, "--query=Groups[].GroupName")
    assert groups == ["learners"]


def test_people_sign_out_are_signed_out_and_go(
    aws: AwsCli, cloud: Cloud, pool: str, client: str
) -> None:
    make(aws, pool, "ben")
    who = (f"--user-pool-id={pool}", "--username=ben")

    def sign_in() -> dict[str, str]:
        session = begin(aws, client, "ben")["Session"]
        answer = aws(*words(client, session, "ben", code(cloud)))
        return dict(answer["AuthenticationResult"])

    def is_in(tokens: dict[str, str]) -> bool:
        said = aws.run("cognito-idp", "get-user", f"--access-token={tokens['AccessToken']}")
        return said.status == 0

    for out in (
        lambda tokens: ("global-sign-out", f"--access-token={tokens['AccessToken']}"),
        lambda tokens: (
            "revoke-token",
            f"--client-id={client}",
            f"--token={tokens['RefreshToken']}",
        ),
        lambda _: ("admin-user-global-sign-out", *who),
        lambda tokens: ("delete-user", f"--access-token={tokens['AccessToken']}"),
    ):
        tokens = sign_in()
        assert is_in(tokens)
        aws("cognito-idp", *out(tokens))
        assert not is_in(tokens)


def test_people_are_listed_moved_between_groups_and_removed(aws: AwsCli, pool: str) -> None:
    of_pool = f"--user-pool-id={pool}"
    make(aws, pool, "cleo")
    who, group = (of_pool, "--username=cleo"), (of_pool, "--group-name=advisors")
    aws("cognito-idp", "create-group", *group)
    aws("cognito-idp", "update-group", *group, "--description=who advises")
    told = aws("cognito-idp", "get-group", *group)["Group"]
    assert told["Description"] == "who advises"
    assert "advisors" in aws("cognito-idp", "list-groups", of_pool, "--query=Groups[].GroupName")
    aws("cognito-idp", "admin-add-user-to-group", *who, "--group-name=advisors")
    query = "--query=Users[].Username"
    assert aws("cognito-idp", "list-users-in-group", *group, query) == ["cleo"]
    aws("cognito-idp", "admin-remove-user-from-group", *who, "--group-name=advisors")
    assert aws("cognito-idp", "list-users-in-group", *group, query) == []
    aws("cognito-idp", "delete-group", *group)
    moved = "Name=email,Value=cleopatra@example.org"
    aws("cognito-idp", "admin-update-user-attributes", *who, f"--user-attributes={moved}")
    by_address = '--filter=email = "cleopatra@example.org"'
    assert aws("cognito-idp", "list-users", of_pool, by_address, query) == ["cleo"]
    aws("cognito-idp", "admin-delete-user", *who)
    missing = aws.refused("cognito-idp", "admin-get-user", *who)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "UserNotFoundException")


def test_an_unknown_name_is_not_told_from_a_known_one(aws: AwsCli, client: str) -> None:
    asked = [begin(aws, client, f"nobody{number}@example.org") for number in range(6)]
    assert {each["ChallengeName"] for each in asked} <= {"EMAIL_OTP", "PASSWORD"}
    assert {tuple(sorted(each)) for each in asked} == {
        ("AvailableChallenges", "ChallengeName", "ChallengeParameters", "Session")
    }


def test_a_pool_is_listed_changed_described_and_deleted(aws: AwsCli, pool: str) -> None:
    listed = aws("cognito-idp", "list-user-pools", "--max-results=60", "--query=UserPools[].Id")
    assert pool in listed
    made = aws(
        "cognito-idp",
        "create-user-pool",
        "--pool-name=brief",
        "--deletion-protection=ACTIVE",
        "--admin-create-user-config=AllowAdminCreateUserOnly=true",
    )["UserPool"]
    brief = f"--user-pool-id={made['Id']}"
    busy = aws.refused("cognito-idp", "delete-user-pool", brief)
    assert (busy.status, busy.code) == (SERVICE_REFUSED, "InvalidParameterException")
    sender = "arn:aws:ses:us-east-1:123456789012:identity/academy@example.org"
    aws(
        "cognito-idp",
        "update-user-pool",
        brief,
        "--admin-create-user-config=AllowAdminCreateUserOnly=true",
        f"--email-configuration=EmailSendingAccount=DEVELOPER,SourceArn={sender}",
    )
    message = "--email-mfa-configuration=Message='Type {####}',Subject=Code"
    aws("cognito-idp", "set-user-pool-mfa-config", brief, message)
    kept = aws("cognito-idp", "get-user-pool-mfa-config", brief)
    assert kept["EmailMfaConfiguration"] == {"Message": "Type {####}", "Subject": "Code"}
    told = aws("cognito-idp", "describe-user-pool", brief)["UserPool"]
    assert told["EmailConfiguration"]["SourceArn"] == sender
    aws("cognito-idp", "delete-user-pool", brief)
    missing = aws.refused("cognito-idp", "describe-user-pool", brief)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ResourceNotFoundException")
    nobody = aws.refused("cognito-idp", "sign-up", "--client-id=x", "--username=x", "--password=x")
    assert nobody.code in ("NotImplemented", "501")


def test_a_client_is_changed_described_and_deleted(aws: AwsCli, pool: str) -> None:
    of_pool = f"--user-pool-id={pool}"
    flows = "--explicit-auth-flows=ALLOW_USER_AUTH"
    made = aws("cognito-idp", "create-user-pool-client", of_pool, "--client-name=brief", flows)
    brief = (of_pool, f"--client-id={made['UserPoolClient']['ClientId']}")
    query = "--query=UserPoolClients[].ClientName"
    assert "brief" in aws("cognito-idp", "list-user-pool-clients", of_pool, query)
    aws("cognito-idp", "update-user-pool-client", *brief, flows, "--access-token-validity=2")
    told = aws("cognito-idp", "describe-user-pool-client", *brief)["UserPoolClient"]
    assert (told["ClientName"], told["AccessTokenValidity"]) == ("brief", 2)
    aws("cognito-idp", "delete-user-pool-client", *brief)
    missing = aws.refused("cognito-idp", "describe-user-pool-client", *brief)
    assert missing.code == "ResourceNotFoundException"


def test_a_provider_and_its_domain_are_made_and_unmade(aws: AwsCli) -> None:
    made = aws(
        "cognito-idp",
        "create-user-pool",
        "--pool-name=earth-door-provider",
        "--admin-create-user-config=AllowAdminCreateUserOnly=true",
    )
    of_pool = f"--user-pool-id={made['UserPool']['Id']}"
    aws("secretsmanager", "create-secret", "--name=academy/agency", "--secret-string=sesame")
    kept = aws("secretsmanager", "get-secret-value", "--secret-id=academy/agency")
    details = {
        "attributes_request_method": "GET",
        "authorize_scopes": "openid email",
        "client_id": "academy",
        "client_secret": kept["SecretString"],
        "oidc_issuer": "https://login.example.org",
    }
    agency = (of_pool, "--provider-name=Agency")
    with_details = f"--provider-details={json.dumps(details)}"
    mapped = "--attribute-mapping=email=email,email_verified=email_verified"
    create = ("cognito-idp", "create-identity-provider", *agency, "--provider-type=OIDC")
    aws(*create, with_details, mapped)
    assert aws.refused(*create, with_details).code == "DuplicateProviderException"
    aws("cognito-idp", "update-identity-provider", *agency, "--attribute-mapping=email=mail")
    told = aws("cognito-idp", "describe-identity-provider", *agency)["IdentityProvider"]
    assert told["AttributeMapping"] == {"email": "mail", "username": "sub"}
    assert told["ProviderDetails"]["oidc_issuer"] == "https://login.example.org"
    listed = aws("cognito-idp", "list-identity-providers", of_pool)["Providers"]
    assert [each["ProviderName"] for each in listed] == ["Agency"]
    aws("cognito-idp", "create-user-pool-domain", of_pool, "--domain=earth-1a2b3c4d")
    at = "--domain=earth-1a2b3c4d"
    described = aws("cognito-idp", "describe-user-pool-domain", at)["DomainDescription"]
    assert described["UserPoolId"] == made["UserPool"]["Id"]
    first = aws.refused("cognito-idp", "delete-user-pool", of_pool)
    assert "has a domain configured that should be deleted first" in first.message
    aws("cognito-idp", "delete-user-pool-domain", of_pool, at)
    assert aws("cognito-idp", "describe-user-pool-domain", at)["DomainDescription"] == {}
    aws("cognito-idp", "delete-identity-provider", *agency)
    aws("cognito-idp", "delete-user-pool", of_pool)


def test_a_secret_is_kept_changed_and_gone(aws: AwsCli) -> None:
    named = "--secret-id=earth/changing"
    aws("secretsmanager", "create-secret", "--name=earth/changing", "--secret-string=first")
    aws("secretsmanager", "put-secret-value", named, "--secret-string=second")
    assert aws("secretsmanager", "get-secret-value", named)["SecretString"] == "second"
    assert aws("secretsmanager", "describe-secret", named)["Name"] == "earth/changing"
    aws("secretsmanager", "delete-secret", named, "--force-delete-without-recovery")
    gone = aws.refused("secretsmanager", "get-secret-value", named)
    assert gone.code == "ResourceNotFoundException"
    beyond = aws.refused("secretsmanager", "get-random-password")
    assert beyond.code == "NotImplemented"
