"""Every combination of isolation, network, images, advisors' spaces and `protect`, those with it
with a provider at the door: clean by AWS's
own review rules (cdk-nag) and by CloudFormation's schemas (cfn-lint), and within its limits."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infra.assurance.isolation.proof import prove
from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.templates import Templates
from infra.cohort import naming
from infra.cohort.images import FLAVOURS
from infra.cohort.model import Cohort
from tests.stacks import conftest
from tests.stacks.test_every_stack import MODELLED, NAME_OF, policies, size
from tests.stacks.test_review_rules import complaints, findings


class Combination(NamedTuple):
    isolation: str
    network: str
    images: bool
    advisors: bool
    protect: bool

    def __str__(self) -> str:
        switches = zip(("images", "advisors", "protect"), self[2:], strict=True)
        return "-".join([self.isolation, self.network, *(name for name, on in switches if on)])


EVERY = [
    Combination(*values)
    for values in itertools.product(
        ("learner", "team", "cohort"), ("public", "private"), *[(False, True)] * 3
    )
]
#: Every two values of two switches occur together in one of them.
COVERING = [
    Combination("cohort", "private", images=True, advisors=True, protect=True),
    Combination("team", "private", images=False, advisors=False, protect=False),
    Combination("learner", "public", images=False, advisors=False, protect=True),
    Combination("learner", "public", images=False, advisors=True, protect=False),
    Combination("learner", "private", images=True, advisors=False, protect=False),
    Combination("team", "public", images=True, advisors=True, protect=True),
    Combination("cohort", "public", images=False, advisors=False, protect=False),
]
#: A synth takes two seconds of a processor, and the schemas twice as long. Beside the example
#: cohort, of which all other tests of the stacks are, this one has whatever there is.
OFTEN = COVERING[:1]

Found = tuple[Combination, Any]


def synthesized(which: Combination, cohort: Cohort, folder: Path) -> Any:
    budget = cohort.budget.model_copy(
        update={"per_advisor_usd": Decimal(5) if which.advisors else None}
    )
    # Of the door's two kinds, half of the combinations have each.
    door = conftest.with_provider(cohort).door if which.protect else cohort.door
    chosen = cohort.model_copy(
        update={
            "door": door,
            "isolation": which.isolation,
            "network": which.network,
            "protect": which.protect,
            "budget": budget,
        }
    )
    images = conftest.image_version(flavours=FLAVOURS) if which.images else None
    return conftest.synthesize(chosen, folder, images)


def marked(combinations: list[Combination], often: list[Combination]) -> list[Any]:
    def marks(each: Combination) -> Any:
        if each in often:
            return ()
        return pytest.mark.slow if each in COVERING else pytest.mark.exhaustive

    return [pytest.param(each, id=str(each), marks=marks(each)) for each in combinations]


@pytest.fixture(scope="module")
def made(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Combination], Any]:
    """Synthesizes each combination once."""
    kept: dict[Combination, Any] = {}

    def make(which: Combination) -> Any:
        if which not in kept:
            kept.clear()  # tests come combination by combination, and an app is large
            kept[which] = synthesized(which, cohort, tmp_path_factory.mktemp(str(which)))
        return kept[which]

    return make


@pytest.fixture(scope="module", params=marked(EVERY, OFTEN))
def academy(request: pytest.FixtureRequest, made: Callable[[Combination], Any]) -> Found:
    return request.param, made(request.param)


def test_all_pairs_are_covered() -> None:
    def pairs(combinations: list[Combination]) -> set[Any]:
        return {
            (a, each[a], b, each[b])
            for each in combinations
            for a, b in itertools.combinations(range(len(each)), 2)
        }

    assert pairs(COVERING) == pairs(EVERY)


def test_aws_review_rules_find_nothing(academy: Found) -> None:
    _, found = academy
    assert findings(found) == []


@pytest.mark.parametrize("academy", marked(EVERY, OFTEN), indirect=True, scope="module")
def test_cloudformations_schemas_accept_every_template(academy: Found) -> None:
    _, found = academy
    assert complaints(found.templates) == []


def test_every_promise_of_isolation_holds(academy: Found) -> None:
    which, found = academy
    images = conftest.image_version(flavours=FLAVOURS) if which.images else None
    world = read(Templates(found.templates), account=conftest.ACCOUNT, region=found.cohort.region)
    proof = prove(world, [found.cohort], Catalogue.published(), images=images)
    assert [breach.words for each in proof.broken for breach in each.breaches] == []
    assert proof.holds


def test_the_stacks_are_the_cohorts_and_ask_no_account(academy: Found) -> None:
    which, found = academy
    names = found.names
    shared = [names.studio_stack] if which.isolation == "cohort" else []
    advised = [names.advisors_stack] if which.advisors else []
    teams = [names.team_stack(team) for team in ("falcon", "heron")]
    assert found.order == [
        names.foundation_stack,
        *shared,
        names.guard_stack,
        names.competition_stack,
        names.door_stack,
        *teams,
        *advised,
    ]
    for stack in (*teams, *advised):
        assert set(shared) < found.dependencies[stack]
    assert found.missing == []
    assert {resource["Type"] for _, resource in found.resources()} <= MODELLED
    for stack, template in found.templates.items():
        assert "Outputs" not in template, stack


def test_domains_are_as_many_as_the_isolation_says(academy: Found) -> None:
    which, found = academy
    domains = {
        resource["Properties"]["DomainName"]
        for _, resource in found.resources("AWS::SageMaker::Domain")
    }
    names = found.names
    learners = {names.workspace(learner) for learner in ("ana", "ben", "chi", "dov")}
    advisors = {names.workspace("shelley")} if which.advisors else set()
    assert (
        domains
        == {
            "learner": learners | advisors,
            "team": {names.shared_domain("falcon"), names.shared_domain("heron")} | advisors,
            "cohort": {names.shared_domain(naming.EVERYONE)},
        }[which.isolation]
    )
    profiles = {
        resource["Properties"]["UserProfileName"]
        for _, resource in found.resources("AWS::SageMaker::UserProfile")
    }
    assert profiles == learners | ({names.workspace("shelley")} if which.advisors else set())


def test_every_profile_has_a_role_of_its_own_and_a_shared_domains_does_nothing(
    academy: Found,
) -> None:
    _, found = academy
    roles = {
        f"{path.split('/')[0]}/{logical_id}": resource["Properties"]
        for path, resource in found.resources("AWS::IAM::Role")
        for logical_id in [path.split("/")[1]]
    }

    def role_of(path: str, reference: dict[str, Any]) -> dict[str, Any]:
        return roles[f"{path.split('/')[0]}/{reference['Fn::GetAtt'][0]}"]

    for path, resource in found.resources("AWS::SageMaker::UserProfile"):
        properties = resource["Properties"]
        assert set(properties["UserSettings"]) == {"ExecutionRole"}, path
        role = role_of(path, properties["UserSettings"]["ExecutionRole"])
        assert role["RoleName"].split("--")[2] == properties["UserProfileName"].split("--")[1]
    for path, resource in found.resources("AWS::SageMaker::Domain"):
        settings = resource["Properties"]["DefaultUserSettings"]
        role = role_of(path, settings["ExecutionRole"])
        kind = role["RoleName"].split("--")[1]
        if resource["Properties"]["DomainName"].split("--")[1] != "domain":
            assert kind in ("learner", "advisor"), path
            continue
        assert kind == "domain", path
        assert role["PermissionsBoundary"] == found.arns.boundary
        (statement,) = (s for p in role["Policies"] for s in p["PolicyDocument"]["Statement"])
        assert (statement["Effect"], statement["Action"], statement["Resource"]) == (
            "Deny",
            ["*"],
            ["*"],
        )
        # The settings that hold for all profiles are the domain's.
        idle = settings["JupyterLabAppSettings"]["AppLifecycleManagement"]["IdleSettings"]
        assert idle["LifecycleManagement"] == "ENABLED"


def test_names_are_legal_promised_and_unique(academy: Found) -> None:
    which, found = academy
    teams = [(team.id, [x.id for x in team.learners]) for team in found.cohort.teams]
    promised = set(
        found.names.every(
            teams,
            advisors=["shelley"] if which.advisors else [],
            isolation=which.isolation,
            network=which.network,
            door=found.cohort.door is not None,
            provider=bool(found.cohort.door and found.cohort.door.provider),
            account=conftest.ACCOUNT,
            region="us-east-1",
        )
    )
    made = []
    for path, resource in found.resources():
        if (
            resource["Type"] in NAME_OF
            and resource["Type"] != "AWS::SageMaker::StudioLifecycleConfig"
        ):
            kind, key = NAME_OF[resource["Type"]]
            name = resource["Properties"][key]
            assert naming.illegal(kind, name) is None, path
            assert (kind, name) in promised, path
            made.append((kind, name))
    assert len(made) == len(set(made))
    kinds = {"domain", "profile", "space", "alias", "parameter"}
    assert {each for each in promised if each[0] in kinds} <= set(made)


def test_policies_and_parameters_fit(academy: Found) -> None:
    """As they are once generated ids are filled in."""
    _, found = academy
    for path, resource in found.resources("AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
        limit = 6_144 if resource["Type"].endswith("ManagedPolicy") else 10_240
        assert sum(size(filled(each)) for each in policies(resource)) <= limit, path


def filled(value: Any) -> Any:
    """A template's value with a generated id, as long as the longest, for every reference."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return separator.join(str(filled(part)) for part in parts)
        if len(value) == 1 and next(iter(value)) in ("Ref", "Fn::GetAtt", "Fn::Select"):
            return "subnet-0123456789abcdef0"
        return {key: filled(inner) for key, inner in value.items()}
    return [filled(each) for each in value] if isinstance(value, list) else value


# --- a private network --------------------------------------------------------------------------
def test_a_private_network_stands_spaces_inside_and_a_public_one_does_not(academy: Found) -> None:
    which, found = academy
    private = which.network == "private"
    for path, resource in found.resources("AWS::SageMaker::Domain"):
        properties = resource["Properties"]
        access = "VpcOnly" if private else "PublicInternetOnly"
        assert properties["AppNetworkAccessType"] == access, path
        groups = [{"Ref": "Networksecuritygroup"}] if private else None
        assert properties["DefaultUserSettings"].get("SecurityGroups") == groups, path
    endpoints = [r["Properties"] for _, r in found.resources("AWS::EC2::VPCEndpoint")]
    interfaces = [each for each in endpoints if each["VpcEndpointType"] == "Interface"]
    assert len(endpoints) - len(interfaces) == 1, "S3's gateway"
    expected = (7 + (2 if which.images else 0)) if private else 0
    assert len(interfaces) == expected
    for each in interfaces:
        assert each["PrivateDnsEnabled"] is True
        assert len(each["SubnetIds"]) == 2


def test_nothing_comes_in_to_spaces_and_jobs(academy: Found) -> None:
    which, found = academy
    groups = {
        path.split("/")[1]: resource["Properties"]
        for path, resource in found.resources("AWS::EC2::SecurityGroup")
    }
    if which.network == "public":
        assert groups == {}
        return
    workloads = next(name for name in groups if "Workloads" in name)
    endpoints = next(name for name in groups if "Endpoints" in name)
    assert set(groups) == {workloads, endpoints}
    assert "SecurityGroupIngress" not in groups[workloads]
    (rule,) = groups[endpoints]["SecurityGroupIngress"]
    assert rule["SourceSecurityGroupId"] == {"Fn::GetAtt": [workloads, "GroupId"]}
    assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (443, 443, "tcp")
    for group in groups.values():
        (rule,) = group["SecurityGroupEgress"]
        assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (443, 443, "tcp")


def test_endpoints_are_for_this_account_alone(academy: Found) -> None:
    which, found = academy
    if which.network == "public":
        return
    account = conftest.ACCOUNT
    for path, resource in found.resources("AWS::EC2::VPCEndpoint"):
        statements = resource["Properties"]["PolicyDocument"]["Statement"]
        ours = statements.pop(0)
        assert ours["Condition"]["StringEquals"]["aws:PrincipalAccount"] == account, path
        if resource["Properties"]["VpcEndpointType"] == "Interface":
            assert statements == []
            continue
        assert ours["Condition"]["StringEquals"]["aws:ResourceAccount"] == account
        (layers,) = statements
        assert layers["Action"] == "s3:GetObject"
        assert layers["Resource"] == "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"


def test_a_job_is_started_inside_or_not_at_all(academy: Found) -> None:
    which, found = academy
    broker = conftest.permissions_of(found)[found.names.role("service", "broker")]
    when = broker["StartJobs"]["Condition"]
    keys = {"sagemaker:VpcSubnets", "sagemaker:VpcSecurityGroupIds"}
    if which.network == "public":
        assert not keys & set(when["ForAllValues:StringEquals"])
        return
    subnets = {"Fn::Split": [",", {"Ref": "Networksubnets"}]}
    exactly = when["ForAllValues:StringEquals"]
    assert exactly["sagemaker:VpcSubnets"] == [{"Fn::Select": [n, subnets]} for n in (0, 1)]
    assert exactly["sagemaker:VpcSecurityGroupIds"] == [{"Ref": "Networksecuritygroup"}]
    # ForAllValues is true of a missing key.
    assert {when["Null"][key] for key in keys} == {"false"}
    settings = json.dumps(
        [
            resource["Properties"]["Value"]
            for _, resource in found.resources("AWS::SSM::Parameter")
            if resource["Properties"]["Name"] == found.names.settings_parameter
        ]
    )
    assert "security_groups" in settings
    assert "Networksecuritygroup" in settings


def test_only_a_private_cohorts_jobs_make_interfaces_and_only_there(academy: Found) -> None:
    which, found = academy
    for name, statements in conftest.permissions_of(found).items():
        ec2 = {
            sid: statement
            for sid, statement in statements.items()
            if any(action.startswith("ec2:") for action in statement["Action"])
        }
        if which.network == "public" or "--training--" not in name:
            assert ec2 == {}, name
            continue
        assert set(ec2) == {"MakeJobsInterfaces", "HandOverAndRemoveJobsInterfaces", "SeeNetworks"}
        assert len(ec2["MakeJobsInterfaces"]["Resource"]) == 4
        handed = ec2["HandOverAndRemoveJobsInterfaces"]["Condition"]["ArnEquals"]["ec2:Subnet"]
        assert len(handed) == 2


def test_protect_keeps_whatever_a_home_stands_on(academy: Found) -> None:
    which, found = academy
    for path, resource in found.resources(
        "AWS::SageMaker::Domain", "AWS::SageMaker::UserProfile", "AWS::SageMaker::Space"
    ):
        kept = str(resource.get("DeletionPolicy")).startswith("Retain")
        assert kept == which.protect, path
    for path, resource in found.resources("AWS::EC2::SecurityGroup"):
        kept = str(resource.get("DeletionPolicy")).startswith("Retain")
        assert kept == (which.protect and "Workloads" in path), path
    for path, resource in found.resources("AWS::EC2::VPCEndpoint"):
        assert resource.get("DeletionPolicy", "Delete") == "Delete", f"{path} bills by the hour"


@pytest.mark.slow
def test_the_rules_would_find_what_is_acknowledged(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do look at a private network and a shared domain."""
    for module in ("boundary", "function", "network", "notices", "private_bucket", "role"):
        monkeypatch.setattr(f"infra.constructs.{module}.acknowledge", lambda *_: None)
    found = findings(synthesized(COVERING[1], cohort, tmp_path))
    assert any("network-interface/*" in each and "Training" in each for each in found), found
    assert any(each.startswith("AwsSolutions-VPC7") for each in found), found
