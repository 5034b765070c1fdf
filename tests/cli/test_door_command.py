"""`cohort door`: the address, and who is shut out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from infra.cli.account import Site
from infra.cli.main import cohort as command
from infra.cohort.loading import load
from infra.offline.environment import client_environment
from infra.offline.services import cognito_idp  # noqa: F401 (the pools are the embedded cloud's)
from tests.offline.small_cloud import REGION, small_cloud

FILE = Path(__file__).resolve().parents[2] / "cohorts" / "example.yaml"
COHORT = load(FILE)
ANA = COHORT.names.user("ana", "ana@example.org")


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["door", str(FILE), *arguments])


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The pool with ana in it, and what the stack tells."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with small_cloud(tmp_path) as cloud:
        for name, value in client_environment(cloud.here.endpoint, REGION).items():
            monkeypatch.setenv(name, value)
        cognito, ssm = cloud.client("cognito-idp"), cloud.client("ssm")
        made = cognito.create_user_pool(
            PoolName=COHORT.names.user_pool,
            Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            AliasAttributes=["email"],
        )
        pool = made["UserPool"]["Id"]
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=ANA,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": "ana@example.org"},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
        told = {
            COHORT.names.user_pool_parameter: pool,
            COHORT.names.door_url_parameter: "https://a1b2.execute-api.us-east-1.amazonaws.com",
        }
        for name, value in told.items():
            ssm.put_parameter(Name=name, Value=value, Type="String")
        yield lambda: cognito.admin_get_user(UserPoolId=pool, Username=ANA)["Enabled"]


def test_it_prints_the_address_and_nothing_else(deployed: Any) -> None:
    assert ran().output == "https://a1b2.execute-api.us-east-1.amazonaws.com\n"


def test_somebody_is_shut_out_and_let_in_again(deployed: Any) -> None:
    assert "ana is out" in ran("--shut-out", "ana").output
    assert deployed() is False
    assert "ana may sign in again" in ran("--let-in", "ana").output
    assert deployed() is True


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--shut-out", "mallory"), "'mallory' is nobody of earth-2026-fall: ana, ben, chi"),
        (("--shut-out", "ben"), "ben has no user by ben@example.org: deploy the file first"),
        (("--shut-out", "ana", "--let-in", "ana"), "one at a time"),
        (("--shut-out", "ana", "--redirect-uri"), "one at a time"),
        (("--redirect-uri",), "names no provider"),
    ],
)
def test_what_cannot_be_is_said(deployed: Any, arguments: tuple[str, ...], says: str) -> None:
    done = ran(*arguments)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())
    assert deployed() is True


def test_a_cohort_that_is_not_deployed_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        done = ran()
    assert done.exit_code == 1
    assert "has no door in account" in " ".join(done.output.split())


@pytest.mark.parametrize("offline", [False, True])
def test_what_to_register_with_the_provider_is_known_before_a_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    provider = (
        "door:\n  provider: {name: Agency, issuer: https://login.example.org, client_id: academy, "
        "secret: academy/agency}\n"
    )
    file = tmp_path / "cohort.yaml"
    file.write_text(FILE.read_text().replace("door:                ", provider + "  #"))
    monkeypatch.setattr(Site, "account", "123456789012")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if offline:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    done = CliRunner().invoke(command, ["door", str(file), "--redirect-uri"])
    prefix = COHORT.names.provider_domain(account="123456789012", region="us-east-1")
    host = (
        f"http://127.0.0.1:4566/_academy/auth/{prefix}"
        if offline
        else f"https://{prefix}.auth.us-east-1.amazoncognito.com"
    )
    assert done.output == f"{host}/oauth2/idpresponse\n"
