"""The loss gate by the unmodified CDK CLI: a learner moves, a team leaves, a cohort is kept."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from infra.cli import locks
from infra.cli.account import Site
from infra.cli.close import close_cohort
from infra.cli.main import cohort
from infra.offline.server import Cloud

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
PEOPLE = {name: {"id": name, "email": f"{name}@example.org"} for name in ("ana", "ben", "chi")}
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Cloud(state=tmp_path / "cloud") as cloud:
        for name, value in cloud.client_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield cloud


class Academy:
    """A cohort file that changes, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "cohort.yaml"
        self.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "")

    def write(self, teams: dict[str, list[str]], **changes: Any) -> Site:
        today = dt.datetime.now(dt.UTC).date()
        document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
        document["starts"] = today - dt.timedelta(days=7)
        document["ends"] = today + dt.timedelta(days=120)
        document["competition"]["closes"] = today + dt.timedelta(days=100)
        document["teams"] = [
            {"id": team, "learners": [PEOPLE[person] for person in people]}
            for team, people in teams.items()
        ]
        document.update(changes)
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return Site.of(self.file)

    def cdk(self, *arguments: str, fails: bool = False) -> str:
        answer = subprocess.run(
            [str(CDK), *arguments],
            cwd=ROOT,
            env=dict(os.environ) | {"CDK_VALIDATION": "false"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = answer.stdout + answer.stderr
        assert (answer.returncode != 0) is fails, said[-3000:]
        return said

    def deploy(self, *stacks: str, fails: bool = False) -> str:
        return self.cdk(
            *("deploy", *(stacks or ("--all",)), "-c", f"cohort={self.file}"),
            *("--output", str(self.folder / "cdk.out"), "--require-approval", "never"),
            fails=fails,
        )

    def destroy(self, *, fails: bool = False) -> str:
        return self.cdk(
            *("destroy", "--force", "--all", "-c", f"cohort={self.file}"),
            *("--output", str(self.folder / "cdk.out")),
            fails=fails,
        )

    def run(self, verb: str, *arguments: str) -> Result:
        return CliRunner().invoke(cohort, [verb, str(self.file), *arguments])


@pytest.fixture
def academy(cloud: Cloud, tmp_path: Path) -> Academy:
    return Academy(tmp_path)


def domains(site: Site) -> dict[str, str]:
    found = site.client("sagemaker").list_domains()["Domains"]
    return {each["DomainName"]: each["DomainId"] for each in found}


def enabled(kms: Any) -> list[str]:
    """The customer's keys that do not pend deletion."""
    found = [kms.describe_key(KeyId=key["KeyId"]) for key in kms.list_keys()["Keys"]]
    return [each["KeyMetadata"]["KeyId"] for each in found if each["KeyMetadata"]["Enabled"]]


def test_a_learner_moves_and_a_team_leaves(academy: Academy) -> None:
    site = academy.write({"falcon": ["ana", "ben"], "heron": ["chi"]})
    assert academy.run("diff").exit_code == 0
    academy.deploy()
    assert locks.lock(site) == 6
    first = domains(site)
    assert "Nobody would lose anything" in academy.run("diff").output

    site = academy.write({"falcon": ["ben"], "heron": ["chi", "ana"]})
    refused = academy.run("diff")
    assert refused.exit_code == 1
    assert "this erases ana's home (20 GB volume, never opened)" in refused.output
    assert "ana moves from falcon to heron" in refused.output
    falcon = site.cohort.names.team_stack("falcon")
    held = academy.deploy(falcon, fails=True)
    assert "Action denied by stack policy" in held
    assert domains(site) == first, "CloudFormation has let nothing go"

    opened = academy.run("diff", "--erase", "home:ana")
    assert opened.exit_code == 0, opened.output
    academy.deploy(falcon)
    academy.deploy()
    second = domains(site)
    assert {name: i for name, i in second.items() if "ana" not in name} == {
        name: i for name, i in first.items() if "ana" not in name
    }
    assert second["earth-2026-fall--ana"] != first["earth-2026-fall--ana"]
    assert academy.run("diff").exit_code == 0

    site = academy.write({"falcon": ["ben"]})
    left = academy.run("diff")
    assert left.exit_code == 0, "a deploy erases nothing of a team that left"
    assert "team heron is in the file no more" in left.output
    academy.deploy()
    assert domains(site) == second
    refused = academy.run("reconcile", "--yes", "--erase", "home:chi")
    assert refused.exit_code == 1
    assert domains(site) == second
    done = academy.run("reconcile", "--yes", "--erase", "home:chi", "--erase", "home:ana")
    assert done.exit_code == 0, done.output
    assert domains(site) == {name: i for name, i in second.items() if "ben" in name}
    assert "Every team" in academy.run("reconcile").output
    assert academy.run("diff").exit_code == 0


def test_what_a_cohort_protects_outlives_it_and_is_taken_over(academy: Academy) -> None:
    site = academy.write({"falcon": ["ana"]}, protect=True)
    academy.deploy()
    s3, dynamodb = site.client("s3"), site.client("dynamodb")
    for purpose in ("work", "vault", "data"):
        s3.put_object(Bucket=site.bucket(purpose), Key="teams/falcon/model", Body=b"hers")
    item = {"pk": {"S": "learner#ana"}, "sk": {"S": "entry#1"}}
    ledger = site.cohort.names.ledger_table
    board = site.cohort.names.board_table
    for table in (ledger, board):
        dynamodb.put_item(TableName=table, Item=item)

    assert "TerminationProtection" in academy.destroy(fails=True)
    assert any("may be deleted now" in line for line in close_cohort(site))
    academy.destroy()
    assert s3.get_object(Bucket=site.bucket("work"), Key="teams/falcon/model")["Body"].read()
    assert s3.get_object(Bucket=site.bucket("vault"), Key="teams/falcon/model")["Body"].read()
    for table in (ledger, board):
        assert dynamodb.get_item(TableName=table, Key=item)["Item"] == item
        with pytest.raises(ClientError, match="DeletionProtectionEnabled"):
            dynamodb.delete_table(TableName=table)
    sagemaker, kms = site.client("sagemaker"), site.client("kms")
    [home] = sagemaker.list_spaces()["Spaces"]
    assert home["SpaceName"] == "earth-2026-fall--ana"
    for purpose in ("records", "vault"):
        key = kms.describe_key(KeyId=site.cohort.names.key_alias(purpose))["KeyMetadata"]
        assert key["KeyState"] == "Enabled"

    said = academy.run("diff")
    assert said.exit_code == 0, said.output
    assert "--import-existing-resources" in said.output
    assert "already exists" in academy.deploy(fails=True)
    # What failed has left nothing that the next attempt stumbles over.
    assert len(enabled(kms)) == 2

    for space in sagemaker.list_spaces()["Spaces"]:
        of = {"DomainId": space["DomainId"]}
        sagemaker.delete_space(**of, SpaceName=space["SpaceName"])
        sagemaker.delete_user_profile(**of, UserProfileName=space["SpaceName"])
        sagemaker.delete_domain(**of)
    foundation = site.cohort.names.foundation_stack
    said = academy.run("diff")
    assert f"--no-enable-termination-protection --stack-name {foundation}" in said.output
    site.client("cloudformation").update_termination_protection(
        StackName=foundation, EnableTerminationProtection=False
    )
    academy.deploy("--all", "--import-existing-resources")
    for table in (ledger, board):
        assert dynamodb.get_item(TableName=table, Key=item)["Item"] == item
    assert s3.get_object(Bucket=site.bucket("vault"), Key="teams/falcon/model")["Body"].read()
    said = academy.run("diff")
    assert said.exit_code == 0, said.output
    assert "No stack would change" in said.output
    assert "encrypted with it. Leave it" in said.output
    assert "schedule-key-deletion" not in said.output, "nobody is told to delete a key in use"

    site = academy.write({"falcon": ["ana"]}, protect=False)
    assert academy.run("close", "--yes").exit_code == 1, "what is deployed is protected still"
    assert s3.get_object(Bucket=site.bucket("work"), Key="teams/falcon/model")["Body"].read()
    assert academy.run("diff").exit_code == 1
    assert academy.run("diff", "--erase", "protection").exit_code == 0
    academy.deploy()
    closed = academy.run("close", "--yes")
    assert closed.exit_code == 0, closed.output
    academy.destroy()
    assert dynamodb.list_tables()["TableNames"] == []
    assert [each["Name"] for each in s3.list_buckets()["Buckets"] if "earth" in each["Name"]] == []
    for key in enabled(kms):
        assert f"schedule-key-deletion --key-id {key}" in academy.run("diff").output
