"""`cohort offline up` says in the terminal what would have been mailed: the code to sign in."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

UP = ("-m", "infra.cli.main", "offline", "up", "--port", "0", "--until-eof")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The endpoint of a cloud that runs as a program, and the program."""
    ready = tmp_path / "ready"
    command = [sys.executable, *UP, "--state", str(tmp_path / "state"), "--ready-file", str(ready)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        until = time.monotonic() + 60
        while not ready.exists() and time.monotonic() < until and running.poll() is None:
            time.sleep(0.1)
        yield ready.read_text(encoding="utf-8"), running


@pytest.mark.end_to_end
def test_a_code_to_sign_in_is_said_in_the_terminal(
    cloud: tuple[str, subprocess.Popen[str]],
) -> None:
    endpoint, running = cloud
    idp = boto3.client(
        "cognito-idp",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="any",
    )
    pool = idp.create_user_pool(
        PoolName="door",
        AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
    )["UserPool"]["Id"]
    client = idp.create_user_pool_client(
        UserPoolId=pool, ClientName="door", ExplicitAuthFlows=["ALLOW_USER_AUTH"]
    )["UserPoolClient"]["ClientId"]
    address = {"email": "ana@example.org", "email_verified": "true"}
    idp.admin_create_user(
        UserPoolId=pool,
        Username="ana",
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in address.items()],
    )
    asked = idp.initiate_auth(
        AuthFlow="USER_AUTH",
        ClientId=client,
        AuthParameters={"USERNAME": "ana", "PREFERRED_CHALLENGE": "EMAIL_OTP"},
    )
    said, _ = running.communicate()
    [line] = [each for each in said.splitlines() if each.startswith("# mail to")]
    assert line.startswith("# mail to ana@example.org: Your authentication code is ")
    assert asked["ChallengeName"] == "EMAIL_OTP"
