"""What holds for all stacks of a cohort together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from infra.cohort import naming
from infra.constructs import policies as permissions
from infra.constructs.arns import Arns
from infra.constructs.attached_images import AttachedImages
from infra.constructs.network import ZONES, Inside
from infra.constructs.statements import document
from infra.stacks.foundation import LifecycleScript
from tests.stacks.conftest import image_version

#: What the embedded cloud models; anything else would fail there, by design.
MODELLED = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Cognito::UserPoolIdentityProvider",
    "AWS::Cognito::UserPoolUser",
    "AWS::Cognito::UserPoolUserToGroupAttachment",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::KMS::Key",
    "AWS::KMS::Alias",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::DynamoDB::Table",
    "AWS::IAM::Role",
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::Function",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Events::Rule",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::SageMaker::Domain",
    "AWS::SageMaker::UserProfile",
    "AWS::SageMaker::Space",
    "AWS::SageMaker::StudioLifecycleConfig",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
}

#: Where the name of each kind of resource stands in its properties.
NAME_OF = {
    "AWS::Cognito::UserPool": ("user pool", "UserPoolName"),
    "AWS::Cognito::UserPoolDomain": ("domain prefix", "Domain"),
    "AWS::ApiGatewayV2::Api": ("api", "Name"),
    "AWS::S3::Bucket": ("bucket", "BucketName"),
    "AWS::DynamoDB::Table": ("table", "TableName"),
    "AWS::Lambda::Function": ("function", "FunctionName"),
    "AWS::Lambda::Alias": ("alias", "Name"),
    "AWS::IAM::Role": ("role", "RoleName"),
    "AWS::IAM::ManagedPolicy": ("policy", "ManagedPolicyName"),
    "AWS::SageMaker::Domain": ("domain", "DomainName"),
    "AWS::SageMaker::UserProfile": ("profile", "UserProfileName"),
    "AWS::SageMaker::Space": ("space", "SpaceName"),
    "AWS::SageMaker::StudioLifecycleConfig": (
        "lifecycle config",
        "StudioLifecycleConfigName",
    ),
    "AWS::Events::Rule": ("rule", "Name"),
    "AWS::Scheduler::ScheduleGroup": ("schedule group", "Name"),
    "AWS::SSM::Parameter": ("parameter", "Name"),
    "AWS::KMS::Alias": ("key alias", "AliasName"),
    "AWS::Logs::LogGroup": ("log group", "LogGroupName"),
    "AWS::CloudWatch::Alarm": ("alarm", "AlarmName"),
    "AWS::SNS::Topic": ("topic", "TopicName"),
    "AWS::SQS::Queue": ("queue", "QueueName"),
}

#: IAM's limits in characters other than white space.
#: Source: "IAM and AWS STS quotas" in the IAM user guide.
INLINE_MAX, MANAGED_MAX = 10_240, 6_144


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Each (key, value) of nested mappings, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def policies(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The identity policies of a role or a managed policy."""
    properties = resource["Properties"]
    if resource["Type"] == "AWS::IAM::Role":
        return [each["PolicyDocument"] for each in properties.get("Policies", [])]
    return [properties["PolicyDocument"]]


def allowed(resource: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for p in policies(resource) for s in p["Statement"] if s["Effect"] == "Allow"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def size(document: Any) -> int:
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def test_a_cohort_is_foundation_guard_competition_the_door_and_a_stack_a_team(academy):
    name = academy.cohort.name
    assert academy.order == [
        f"{name}-Foundation",
        f"{name}-Guard",
        f"{name}-Competition",
        f"{name}-Door",
        f"{name}-Team-falcon",
        f"{name}-Team-heron",
    ]


def test_stacks_are_deployed_in_order_and_teams_side_by_side(academy):
    foundation, guard, competition, door, *teams = academy.order
    assert academy.dependencies == {
        foundation: set(),
        guard: {foundation},
        competition: {guard},
        door: {competition},
        **{team: {competition, door} for team in teams},
    }


def test_no_stack_locks_another_by_an_export(academy):
    for stack, template in academy.templates.items():
        keys = {key for key, _ in walk(template)}
        assert "Outputs" not in template, stack
        assert not keys & {"Fn::ImportValue", "Export"}, stack


def test_a_synth_asks_no_account_for_anything(academy):
    assert academy.missing == []


def test_only_types_that_the_embedded_cloud_models_are_used(academy):
    used = {resource["Type"] for _, resource in academy.resources()}
    assert used <= MODELLED


def test_nothing_is_done_by_a_custom_resource(academy):
    for path, resource in academy.resources():
        assert not resource["Type"].startswith(("Custom::", "AWS::CloudFormation::")), path
    functions = [
        r["Properties"]["FunctionName"] for _, r in academy.resources("AWS::Lambda::Function")
    ]
    names = academy.names
    assert sorted(functions) == sorted(names.function(service) for service in naming.SERVICES)


def test_no_policy_is_aws_managed(academy):
    for path, resource in academy.resources("AWS::IAM::Role"):
        assert "ManagedPolicyArns" not in resource["Properties"], path
    for stack, template in academy.templates.items():
        assert ":aws:policy/" not in json.dumps(template), stack


def test_no_role_is_allowed_by_exclusion_or_everything(academy):
    for path, resource in academy.resources("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for statement in allowed(resource):
            assert not {"NotAction", "NotResource"} & set(statement), (path, statement)
            for action in listed(statement["Action"]):
                assert "*" not in action, (path, action)


def test_policies_fit_into_iam(academy):
    for path, resource in academy.resources("AWS::IAM::Role"):
        assert sum(size(each) for each in policies(resource)) <= INLINE_MAX, path
    for path, resource in academy.resources("AWS::IAM::ManagedPolicy"):
        assert size(policies(resource)[0]) <= MANAGED_MAX, path


def test_the_boundary_fits_into_iam_for_the_longest_names(cohort):
    longest = naming.Names("a" * naming.COHORT_MAX)
    arns = Arns(longest, "123456789012", "ap-southeast-1")
    images = AttachedImages.of(cohort, image_version(), account=arns.account)
    inside = Inside((f"subnet-{'0' * 17}",) * ZONES, f"sg-{'0' * 17}")
    assert size(document(permissions.boundary(arns, cohort, images, inside))) <= MANAGED_MAX


def test_roles_are_grouped_by_path(academy):
    for path, resource in academy.resources("AWS::IAM::Role"):
        kind = resource["Properties"]["RoleName"].split("--")[1]
        assert resource["Properties"]["Path"] == academy.names.role_path(kind), path


def test_every_role_of_learners_code_has_the_boundary_and_no_other_does(academy):
    bounded = {
        resource["Properties"]["RoleName"]
        for _, resource in academy.resources("AWS::IAM::Role")
        if resource["Properties"].get("PermissionsBoundary") == academy.arns.boundary
    }
    names = academy.names
    assert bounded == {
        *(names.role("learner", learner) for learner in ("ana", "ben", "chi", "dov")),
        *(names.role("training", team) for team in ("falcon", "heron")),
    }


def test_every_name_is_legal_and_from_the_naming_module(academy):
    teams = [(team.id, [x.id for x in team.learners]) for team in academy.cohort.teams]
    promised = set(
        academy.names.every(teams, door=True, account="123456789012", region="us-east-1")
    )
    found = []
    for path, resource in academy.resources():
        if resource["Type"] not in NAME_OF:
            continue
        kind, key = NAME_OF[resource["Type"]]
        name = resource["Properties"][key]
        assert naming.illegal(kind, name) is None, path
        if kind != "lifecycle config":  # carries the script's hash
            assert (kind, name) in promised, path
        found.append((kind, name))
    assert len(found) == len(set(found))
    names = academy.names
    # Only with a channel of Microsoft Teams, which the example has not.
    channel = {
        ("chat configuration", names.news_channel),
        ("policy", names.chat_policy),
        ("role", names.role("service", "chat")),
    }
    assert channel <= promised
    # What is made later: jobs by the broker, schedules by it too; stacks are not resources; a
    # budget's name lies deeper in its resource.
    later = {"stack", "job", "schedule", "lifecycle config", "rule", "budget"}
    assert {each for each in promised - channel if each[0] not in later} <= set(found)


def test_templates_stay_within_cloudformations_limits(academy):
    for stack, template in academy.templates.items():
        assert len(json.dumps(template)) < 1_000_000, stack
        assert len(template["Resources"]) < 500, stack


def test_every_stack_says_what_it_is(academy):
    for template in academy.templates.values():
        assert template["Description"].startswith("Deep Learning Academy earth-2026-fall: ")


def test_nothing_outlives_an_unprotected_cohort(academy):
    for path, resource in academy.resources():
        assert resource.get("DeletionPolicy", "Delete") == "Delete", path


def test_protect_keeps_tables_work_answers_homes_and_their_keys(protected):
    kept = [
        (resource["Type"].removeprefix("AWS::"), name_of(resource))
        for _, resource in protected.resources()
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
    ]
    names, arns = protected.names, protected.arns
    homes = [names.workspace(learner) for learner in ("ana", "ben", "chi", "dov")]
    assert sorted(kept) == sorted(
        [
            ("DynamoDB::Table", names.ledger_table),
            # Of a live round it has the only record.
            ("DynamoDB::Table", names.board_table),
            ("S3::Bucket", arns.bucket_name("work")),
            ("S3::Bucket", arns.bucket_name("vault")),
            # The rules of a bucket that stays: TLS only, and the vault's.
            ("S3::BucketPolicy", ""),
            ("S3::BucketPolicy", ""),
            ("KMS::Key", ""),
            ("KMS::Key", ""),
            # By which everything finds its key.
            ("KMS::Alias", names.key_alias("records")),
            ("KMS::Alias", names.key_alias("vault")),
            # What a home's domain names.
            ("EC2::VPC", ""),
            ("EC2::Subnet", ""),
            ("EC2::Subnet", ""),
            ("SageMaker::StudioLifecycleConfig", names.lifecycle_config(LifecycleScript().hash)),
            *(
                (f"SageMaker::{kind}", home)
                for kind in ("Domain", "UserProfile", "Space")
                for home in homes
            ),
        ]
    )


def name_of(resource: dict[str, Any]) -> str:
    _, key = NAME_OF.get(resource["Type"], ("", ""))
    return str(resource["Properties"].get(key, ""))


def test_a_second_synth_gives_the_same_templates(academy, cohort, synthesis, tmp_path):
    again = synthesis(cohort, tmp_path)
    assert again.templates == academy.templates
