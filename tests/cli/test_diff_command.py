"""`cohort diff`, `cohort reconcile` and the lock, over stacks that are deployed by hand."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from infra.assurance.templates import Templates
from infra.cli import diff, locks
from infra.cli.account import Site
from infra.cli.close import close_cohort
from infra.cli.deployed import Deployed, DeployedStack, elsewhere, read
from infra.cli.main import cohort
from infra.cli.reconcile import left
from infra.cli.terminal import Refused
from infra.cohort.model import Cohort
from infra.offline.server import Cloud

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
NAME = "earth-2026-fall"
TAG = {"Key": "academy:cohort", "Value": NAME}


def foundation(**ledger: Any) -> dict[str, Any]:
    table = {
        "TableName": f"{NAME}-ledger",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in KEYS],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    }
    return {
        "Ledger": {"Type": "AWS::DynamoDB::Table", "Properties": table, **ledger},
        "Work": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": f"{NAME}-{ACCOUNT}-us-east-1-work"},
            **ledger,
        },
    }


KEYS = ("pk", "sk")


def team(*people: str) -> dict[str, Any]:
    """A stack of a team: a domain, a profile and a space for each."""
    found: dict[str, Any] = {}
    for person in people:
        name = f"{NAME}--{person}"
        domain = {"Fn::GetAtt": [f"{person}Domain", "DomainId"]}
        found |= {
            f"{person}Domain": {
                "Type": "AWS::SageMaker::Domain",
                "Properties": {
                    "DomainName": name,
                    "AuthMode": "IAM",
                    "AppNetworkAccessType": "PublicInternetOnly",
                    "HomeEfsFileSystemCreation": "Disabled",
                    "VpcId": {"Ref": "Vpc"},
                    "SubnetIds": [{"Ref": "Subnet"}],
                    "DefaultUserSettings": {"ExecutionRole": ROLE},
                },
            },
            f"{person}Profile": {
                "Type": "AWS::SageMaker::UserProfile",
                "Properties": {"UserProfileName": name, "DomainId": domain},
            },
            f"{person}Space": {
                "Type": "AWS::SageMaker::Space",
                "DependsOn": f"{person}Profile",
                "Properties": {
                    "SpaceName": name,
                    "DomainId": domain,
                    "OwnershipSettings": {"OwnerUserProfileName": name},
                    "SpaceSharingSettings": {"SharingType": "Private"},
                    "SpaceSettings": {
                        "AppType": "JupyterLab",
                        "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 20}},
                    },
                },
            },
        }
    found["Vpc"] = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/24"}}
    found["Subnet"] = {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/26"},
    }
    return found


ROLE = f"arn:aws:iam::{ACCOUNT}:role/learner"

Stacks = dict[str, dict[str, Any]]


class Account:
    """An account with stacks made by hand, and the templates that the file would make now."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "cohort.yaml"
        self.wanted: Stacks = {}
        self.write("falcon", "heron")
        monkeypatch.setattr(diff, "synthesized", self._synthesized)
        self.cloudformation = self.site.client("cloudformation")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        self.iam = self.site.client("iam")
        self.iam.create_role(
            RoleName="learner",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )

    def _synthesized(self, _cohort: Cohort, *, account: str) -> Templates:
        assert account == ACCOUNT
        return Templates({name: {"Resources": each} for name, each in self.wanted.items()})

    @property
    def site(self) -> Site:
        return Site.of(self.file)

    def write(self, *teams: str, **more: Any) -> None:
        document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
        document["teams"] = [
            {"id": t, "learners": [{"id": f"x{t}", "email": f"x{t}@example.org"}]} for t in teams
        ]
        document.update(more)
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")

    def deploy(self, name: str, resources: dict[str, Any], **more: Any) -> None:
        """Create or update a stack, as the CDK does."""
        given = {
            "StackName": name,
            "TemplateBody": json.dumps({"Resources": resources}),
            "Tags": [TAG],
            **more,
        }
        there = [each["StackName"] for each in self.cloudformation.describe_stacks()["Stacks"]]
        verb = "update" if name in there else "create"
        getattr(self.cloudformation, f"{verb}_stack")(**given)
        self.cloudformation.get_waiter(f"stack_{verb}_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1}
        )

    def run(self, verb: str, *arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cohort, [verb, str(self.file), *arguments], input=input)

    def spaces(self) -> list[str]:
        found = self.site.client("sagemaker").list_spaces()["Spaces"]
        return sorted(each["SpaceName"].removeprefix(f"{NAME}--") for each in found)

    def stacks(self) -> list[str]:
        found = self.cloudformation.describe_stacks()["Stacks"]
        return sorted(each["StackName"].removeprefix(f"{NAME}-") for each in found)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def account(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in cloud.client_environment().items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the credentials that it first saw.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    made = Account(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        for stack in reversed(made.cloudformation.describe_stacks()["Stacks"]):
            made.cloudformation.delete_stack(StackName=stack["StackName"])
        made.iam.delete_role(RoleName="learner")


@pytest.fixture
def two_teams(account: Account) -> Account:
    """ana and ben in falcon, chi in heron, and the file makes just that."""
    account.wanted = {
        f"{NAME}-Foundation": foundation(),
        f"{NAME}-Team-falcon": team("ana", "ben"),
        f"{NAME}-Team-heron": team("chi"),
    }
    for name, resources in account.wanted.items():
        account.deploy(name, resources)
    return account


@pytest.mark.slow
def test_nothing_is_there_yet(account: Account) -> None:
    account.wanted = {f"{NAME}-Foundation": foundation()}
    said = account.run("diff")
    assert said.exit_code == 0, said.output
    assert f"Nothing of {NAME} is deployed here" in said.output


@pytest.mark.slow
def test_a_cohort_of_the_same_name_in_another_region_is_found(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = boto3.client("cloudformation", region_name="eu-central-1")
    site = account.site
    monkeypatch.setattr("infra.cohort.prices.PriceList.regions", lambda _: ["eu-central-1"])
    there = {"StackName": f"{NAME}-Foundation", "Tags": [TAG]}
    other.create_stack(**there, TemplateBody=json.dumps({"Resources": {"Vpc": team()["Vpc"]}}))
    assert list(elsewhere(site)) == ["eu-central-1"]


def test_a_loss_is_refused_until_it_is_named(two_teams: Account) -> None:
    assert "Nobody would lose anything" in two_teams.run("diff").output
    two_teams.wanted[f"{NAME}-Team-falcon"] = team("ben")
    said = two_teams.run("diff")
    assert said.exit_code == 1
    assert "home:ana (refused): this erases ana's home (20 GB volume, never opened)" in said.output
    assert f"cohort diff {two_teams.file} --erase home:ana" in said.output
    wrong = two_teams.run("diff", "--erase", "home:ben")
    assert wrong.exit_code == 1
    assert "home:ben was named, and would not be lost" in wrong.output
    named = two_teams.run("diff", "--erase", "home:ana")
    assert named.exit_code == 0, named.output
    assert two_teams.spaces() == ["ana", "ben", "chi"], "it deploys nothing"


@pytest.mark.slow
def test_the_document_says_the_same(two_teams: Account) -> None:
    two_teams.wanted[f"{NAME}-Team-falcon"] = team("ben")
    said = two_teams.run("diff", "--json")
    assert said.exit_code == 1
    document = json.loads(said.output)
    assert document["refused"] == ["home:ana"]
    [loss] = document["lost"]
    assert (loss["size"], loss["certain"]) == ("20 GB volume, never opened", True)
    assert len(loss["resources"]) == 3
    assert [each["kind"] for each in document["intentions"]] == ["left"]
    assert {each["action"] for each in document["changes"]} == {"delete"}


@pytest.mark.slow
def test_sizes_are_the_accounts(two_teams: Account) -> None:
    site = two_teams.site
    site.client("s3").put_object(Bucket=site.bucket("work"), Key="a", Body=b"x" * 2_000)
    site.client("dynamodb").put_item(
        TableName=f"{NAME}-ledger", Item={"pk": {"S": "a"}, "sk": {"S": "b"}}
    )
    two_teams.wanted[f"{NAME}-Foundation"] = {"Vpc": team()["Vpc"]}
    said = two_teams.run("diff").output
    assert "every submission and its receipt (1 object, 2.0 kB)" in said
    assert "what everybody has spent and holds (about 1 items" in said
    site.client("s3").delete_object(Bucket=site.bucket("work"), Key="a")


def test_the_lock_holds_until_a_loss_is_named(two_teams: Account) -> None:
    stack, site = f"{NAME}-Team-falcon", two_teams.site
    assert locks.lock(site) == 3
    assert locks.open_stacks(read(site)) == []
    two_teams.wanted[stack] = team("ben")
    two_teams.cloudformation.update_stack(
        StackName=stack,
        TemplateBody=json.dumps({"Resources": team("ben")}),
        Tags=[TAG],
    )
    events = two_teams.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    assert any("Action denied by stack policy" in e.get("ResourceStatusReason", "") for e in events)
    assert two_teams.spaces() == ["ana", "ben", "chi"]

    said = two_teams.run("diff", "--erase", "home:ana")
    assert "CloudFormation now lets go of anaSpace, anaDomain, anaProfile" in said.output
    two_teams.wanted[stack] = {}
    assert two_teams.run("diff", "--erase", "home:ana").exit_code == 1, "ben's is not named"
    two_teams.deploy(stack, team("ben"))
    assert two_teams.spaces() == ["ben", "chi"]
    with pytest.raises(ClientError):
        two_teams.deploy(stack, {})
    assert locks.lock(site) == 3
    assert locks.open_stacks(read(site)) == []


@pytest.mark.slow
def test_what_is_changed_in_place_needs_no_name(two_teams: Account) -> None:
    locks.lock(two_teams.site)
    grown = copy.deepcopy(team("ana", "ben"))
    space = grown["anaSpace"]["Properties"]["SpaceSettings"]["SpaceStorageSettings"]
    space["EbsStorageSettings"]["EbsVolumeSizeInGb"] = 30
    two_teams.wanted[f"{NAME}-Team-falcon"] = grown
    said = two_teams.run("diff")
    assert said.exit_code == 0
    assert "homes grow from 20 to 30 GB" in said.output
    two_teams.deploy(f"{NAME}-Team-falcon", grown)


@pytest.mark.slow
def test_a_stack_that_is_being_worked_on_is_not_judged(
    two_teams: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.cli.deployed.DeployedStack.busy", True)
    said = two_teams.run("diff")
    assert said.exit_code == 1


# --- cohort reconcile -----------------------------------------------------------------------------


def test_a_team_that_left_is_removed_and_no_other(two_teams: Account) -> None:
    assert "Every team" in two_teams.run("reconcile").output
    two_teams.write("heron")
    said = two_teams.run("reconcile", input="n\n")
    assert said.exit_code == 1
    assert "this erases ana's home (20 GB volume, never opened)" in said.output
    assert "What falcon made stays" in said.output
    assert two_teams.stacks() == ["Foundation", "Team-falcon", "Team-heron"]

    half = two_teams.run("reconcile", "--yes", "--erase", "home:ana")
    assert half.exit_code == 1
    assert "--erase home:ana --erase home:ben" in half.output
    assert two_teams.stacks() == ["Foundation", "Team-falcon", "Team-heron"]

    done = two_teams.run("reconcile", "--yes", "--erase", "home:ana", "--erase", "home:ben")
    assert done.exit_code == 0, done.output
    assert two_teams.stacks() == ["Foundation", "Team-heron"]
    assert two_teams.spaces() == ["chi"]
    assert two_teams.run("reconcile", "--yes").exit_code == 0, "again, there is nothing to do"


@pytest.mark.slow
def test_what_a_removal_keeps_is_listed_with_how_to_remove_it(account: Account) -> None:
    kept = team("ana")
    for name in ("anaDomain", "anaProfile", "anaSpace", "Vpc", "Subnet"):
        kept[name]["DeletionPolicy"] = "RetainExceptOnCreate"
    account.deploy(f"{NAME}-Team-falcon", kept, EnableTerminationProtection=True)
    account.write("heron")
    done = account.run("reconcile", "--yes")
    assert done.exit_code == 0, done.output
    assert account.stacks() == []
    assert account.spaces() == ["ana"], "her home is there still"
    [domain] = account.site.client("sagemaker").list_domains()["Domains"]
    of = f"--domain-id {domain['DomainId']}"
    assert f"aws sagemaker delete-space {of} --space-name {NAME}--ana" in done.output
    assert f"aws sagemaker delete-domain {of}" in done.output
    sagemaker = account.site.client("sagemaker")
    name = {"DomainId": domain["DomainId"]}
    sagemaker.delete_space(**name, SpaceName=f"{NAME}--ana")
    sagemaker.delete_user_profile(**name, UserProfileName=f"{NAME}--ana")
    sagemaker.delete_domain(**name)


@pytest.mark.slow
def test_a_removal_that_failed_goes_on_when_it_is_run_again(
    two_teams: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_teams.write("heron")
    extra = f"{NAME}-Team-falcon"
    sagemaker = two_teams.site.client("sagemaker")
    space = next(each for each in sagemaker.list_spaces()["Spaces"] if "ana" in each["SpaceName"])
    # A profile of nobody's in her domain: SageMaker deletes no domain that has one.
    other = {"DomainId": space["DomainId"], "UserProfileName": "left-behind"}
    sagemaker.create_user_profile(**other)
    names = ("--yes", "--erase", "home:ana", "--erase", "home:ben")
    failed = two_teams.run("reconcile", *names)
    assert failed.exit_code == 1
    assert f"{extra} could not be deleted: anaDomain:" in failed.stderr
    sagemaker.delete_user_profile(**other)
    again = two_teams.run("reconcile", *names)
    assert again.exit_code == 0, again.output + again.stderr
    assert two_teams.stacks() == ["Foundation", "Team-heron"]


def stands(name: str, *reads: str) -> DeployedStack:
    """A deployed stack that holds nothing; it reads these SSM parameters."""
    parameters = {f"P{place}": {"Default": each} for place, each in enumerate(reads)}
    return DeployedStack(name, "CREATE_COMPLETE", {"Parameters": parameters}, {}, False, None)


def test_stacks_that_are_no_teams_leave_with_what_they_are_for() -> None:
    site = Site.of(ROOT / "cohorts" / "example.yaml")
    names = site.cohort.names
    reads = stands(names.team_stack("falcon"), names.domain_parameter)
    gone = stands(names.team_stack("gone"), names.domain_parameter)
    others = [names.foundation_stack, names.guard_stack, names.competition_stack]
    found = [*map(stands, [*others, names.studio_stack, names.advisors_stack]), gone]

    def leaving(*stacks: DeployedStack) -> list[str]:
        return [each.name for each in left(site, Deployed({s.name: s for s in stacks}))]

    expected = [gone.name, names.advisors_stack, names.studio_stack]
    assert leaving(*found) == expected
    assert leaving(*found, reads) == expected[:2], "a domain that a team is in stays"


def test_a_door_leaves_when_no_team_has_users_in_its_pool() -> None:
    site = Site.of(ROOT / "cohorts" / "example.yaml")
    names = site.cohort.names
    shut = Site(site.cohort.model_copy(update={"door": None}))
    door, team = stands(names.door_stack), names.team_stack("falcon")
    before, after = stands(team, names.user_pool_parameter), stands(team)

    def leaving(site: Site, *stacks: DeployedStack) -> list[str]:
        return [each.name for each in left(site, Deployed({s.name: s for s in stacks}))]

    assert leaving(site, door, before) == []
    assert leaving(shut, door, before) == [], "the file is not deployed yet"
    assert leaving(shut, door, after) == [door.name]


# --- cohort close ---------------------------------------------------------------------------------


def test_a_file_and_stacks_that_disagree_about_protect_are_refused(account: Account) -> None:
    account.write("falcon", protect=True)
    account.deploy(f"{NAME}-Foundation", foundation())
    with pytest.raises(
        Refused, match=r"says protect: true, and what is deployed of .* unprotected"
    ):
        list(close_cohort(account.site))


def test_a_board_that_protect_did_not_keep_yet_is_deployed_anew_before_a_close(
    account: Account,
) -> None:
    """Who deployed when `protect` left the board out would lose the live round."""
    account.write("falcon", protect=True)
    kept = {"DeletionPolicy": "RetainExceptOnCreate"}
    account.deploy(f"{NAME}-Foundation", foundation(**kept))
    board = foundation()["Ledger"]
    board["Properties"]["TableName"] = f"{NAME}-board"
    account.deploy(f"{NAME}-Competition", {"Board": board})
    with pytest.raises(Refused, match="would disagree about what stays"):
        list(close_cohort(account.site))
    account.deploy(f"{NAME}-Competition", {"Board": {**board, **kept}})
    assert list(close_cohort(account.site))


@pytest.mark.slow
def test_closing_lets_the_stacks_be_deleted(account: Account) -> None:
    account.deploy(f"{NAME}-Foundation", foundation(), EnableTerminationProtection=True)
    account.deploy(f"{NAME}-Team-gone", {"Vpc": team()["Vpc"]})
    said = list(close_cohort(account.site))
    assert any(f"{NAME}-Team-gone: not in the cohort file any more" in line for line in said)
    assert said[-1].startswith("1 stack may be deleted now")
    account.cloudformation.delete_stack(StackName=f"{NAME}-Foundation")
    assert "Foundation" not in account.stacks()
