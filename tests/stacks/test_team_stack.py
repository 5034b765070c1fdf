"""A team's stack: what each learner has, and how little their roles may do."""

from __future__ import annotations

import itertools
import json

import pytest
from aws_cdk.assertions import Match

from infra.stacks.foundation import LifecycleScript


@pytest.fixture(scope="module")
def template(academy):
    return academy.template(academy.names.team_stack("falcon"))


@pytest.fixture(scope="module")
def lifecycle():
    name = f"earth-2026-fall--start-{LifecycleScript().hash[:8]}"
    return f"arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/{name}"


@pytest.mark.parametrize(
    "kind",
    [
        "SageMaker::Domain",
        "SageMaker::UserProfile",
        "SageMaker::Space",
        "Lambda::Alias",
        "SSM::Parameter",
    ],
)
def test_each_learner_has_one(template, kind):
    template.resource_count_is(f"AWS::{kind}", 2)


def test_a_domain_leaves_nothing_behind_and_ends_idle_spaces(template, lifecycle):
    template.has_resource_properties(
        "AWS::SageMaker::Domain",
        {
            "DomainName": "earth-2026-fall--ana",
            "AuthMode": "IAM",
            "AppNetworkAccessType": "PublicInternetOnly",
            "HomeEfsFileSystemCreation": "Disabled",
            "DefaultUserSettings": {
                "AutoMountHomeEFS": "Disabled",
                "StudioWebPortal": "ENABLED",
                "DefaultLandingUri": "studio::",
                "ExecutionRole": Match.any_value(),
                "JupyterLabAppSettings": {
                    "LifecycleConfigArns": [lifecycle],
                    "DefaultResourceSpec": {
                        "InstanceType": "ml.t3.medium",
                        "LifecycleConfigArn": lifecycle,
                    },
                    "AppLifecycleManagement": {
                        "IdleSettings": {
                            "LifecycleManagement": "ENABLED",
                            "IdleTimeoutInMinutes": 60,
                            "MinIdleTimeoutInMinutes": 60,
                            "MaxIdleTimeoutInMinutes": 60,
                        }
                    },
                },
                "SpaceStorageSettings": {
                    "DefaultEbsStorageSettings": {
                        "DefaultEbsVolumeSizeInGb": 20,
                        "MaximumEbsVolumeSizeInGb": 20,
                    }
                },
            },
        },
    )


def test_the_domain_stands_in_the_network_that_foundation_wrote_down(template):
    template.has_parameter(
        "Networkvpc",
        {
            "Type": "AWS::SSM::Parameter::Value<String>",
            "Default": "/academy/earth-2026-fall/network/vpc",
        },
    )
    template.all_resources_properties(
        "AWS::SageMaker::Domain",
        {
            "VpcId": {"Ref": "Networkvpc"},
            "SubnetIds": {"Fn::Split": [",", {"Ref": "Networksubnets"}]},
        },
    )


def test_a_space_is_private_and_its_owners(template):
    template.has_resource_properties(
        "AWS::SageMaker::Space",
        {
            "SpaceName": "earth-2026-fall--ana",
            "OwnershipSettings": {"OwnerUserProfileName": "earth-2026-fall--ana"},
            "SpaceSharingSettings": {"SharingType": "Private"},
            "SpaceSettings": Match.object_like(
                {
                    "AppType": "JupyterLab",
                    "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 20}},
                }
            ),
        },
    )


def test_deletion_can_go_config_space_profile_domain_role(template):
    """Each names or depends on the next, so CloudFormation takes them away in this order."""

    def of_ana(kind: str) -> str:
        (found,) = [x for x in template.find_resources(f"AWS::{kind}") if "ana" in x]
        return found

    resources = template.to_json()["Resources"]
    chain = [
        of_ana("SSM::Parameter"),
        of_ana("SageMaker::Space"),
        of_ana("SageMaker::UserProfile"),
        of_ana("SageMaker::Domain"),
        of_ana("IAM::Role"),
    ]
    for upper, lower in itertools.pairwise(chain):
        assert lower in json.dumps(resources[upper]), (upper, lower)


def test_the_alias_is_the_learners_identity(template):
    template.has_resource_properties(
        "AWS::Lambda::Alias",
        {"Name": "ana", "FunctionName": "earth-2026-fall-broker", "FunctionVersion": "$LATEST"},
    )


def test_the_workspace_config_is_the_contract(template, lifecycle):
    (parameter,) = template.find_resources(
        "AWS::SSM::Parameter",
        {"Properties": {"Name": "/academy/workspaces/earth-2026-fall--ana"}},
    ).values()
    value = parameter["Properties"]["Value"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "d-0123456789ab" for part in value)
    (generated,) = [part for part in value if not isinstance(part, str)]
    assert generated["Fn::GetAtt"][1] == "DomainId"
    assert len(text) <= 4096, "the standard tier of SSM parameters"
    assert json.loads(text) == {
        "version": 1,
        "cohort": "earth-2026-fall",
        "region": "us-east-1",
        "account": "123456789012",
        "learner": "ana",
        "team": "falcon",
        "teammates": ["ben"],
        "domain_id": "d-0123456789ab",
        "profile": "earth-2026-fall--ana",
        "space": "earth-2026-fall--ana",
        "training_role": "arn:aws:iam::123456789012:role/academy/earth-2026-fall/training/"
        "earth-2026-fall--training--falcon",
        "lifecycle_config": lifecycle,
        "buckets": {
            "data": "earth-2026-fall-123456789012-us-east-1-data",
            "work": "earth-2026-fall-123456789012-us-east-1-work",
            "site": "earth-2026-fall-123456789012-us-east-1-site",
        },
        "prefixes": {
            "team": "teams/falcon/",
            "datasets": "datasets/",
            "software": "software/",
            "submissions": "submissions/{project}/falcon/",
            "receipts": "receipts/{project}/falcon/",
            "boards": "boards/",
        },
        "broker": "arn:aws:lambda:us-east-1:123456789012:function:earth-2026-fall-broker:ana",
        "projects": ["land-cover", "climate-series"],
        "training": {
            "instances": ["ml.m5.large", "ml.g5.xlarge"],
            "max_hours": 4,
            "max_instances": 1,
        },
        "studio": {"instances": ["ml.t3.medium", "ml.g4dn.xlarge"], "max_hours": 4},
        "competition": {"submissions_per_day": 5, "closes": "2027-03-15"},
    }


def test_a_learner_starts_nothing(permissions):
    actions = {
        a for s in permissions["earth-2026-fall--learner--ana"].values() for a in s["Action"]
    }
    assert {a for a in actions if a.startswith("sagemaker:")} == {"sagemaker:DescribeTrainingJob"}
    assert not {a for a in actions if a.startswith(("iam:", "sts:", "kms:", "dynamodb:", "ec2:"))}


def test_a_learner_invokes_their_own_alias_only(permissions):
    statement = permissions["earth-2026-fall--learner--ana"]["AskTheBroker"]
    assert statement["Action"] == ["lambda:InvokeFunction"]
    assert statement["Resource"] == [
        "arn:aws:lambda:us-east-1:123456789012:function:earth-2026-fall-broker:ana"
    ]


def test_a_learner_reads_their_own_config_only(permissions):
    statement = permissions["earth-2026-fall--learner--ana"]["ReadWorkspaceConfig"]
    assert statement["Resource"] == [
        "arn:aws:ssm:us-east-1:123456789012:parameter/academy/workspaces/earth-2026-fall--ana"
    ]


@pytest.mark.parametrize("name", ["learner--ana", "training--falcon"])
def test_work_is_open_below_the_teams_prefixes_only(permissions, academy, name):
    work = academy.arns.bucket("work")
    prefixes = (
        "teams/falcon/",
        "submissions/land-cover/falcon/",
        "receipts/land-cover/falcon/",
        "submissions/climate-series/falcon/",
        "receipts/climate-series/falcon/",
    )
    for sid, statement in permissions[f"earth-2026-fall--{name}"].items():
        for resource in statement["Resource"]:
            if resource.startswith(f"{work}/"):
                assert resource.removeprefix(f"{work}/") in {f"{p}*" for p in prefixes}, sid
            elif resource == work:
                listed = statement["Condition"]["StringLike"]["s3:prefix"]
                assert set(listed) <= {f"{p}*" for p in prefixes}, sid


def test_a_learner_adds_submissions_and_overwrites_none(permissions, academy):
    work = academy.arns.bucket("work")
    learner = permissions["earth-2026-fall--learner--ana"]
    writing = [
        (sid, statement)
        for sid, statement in learner.items()
        if any(r.startswith(f"{work}/submissions/") for r in statement["Resource"])
        and any("Put" in action or "Delete" in action for action in statement["Action"])
    ]
    [(sid, statement)] = writing
    assert sid == "Submit"
    assert statement["Action"] == ["s3:PutObject"]
    assert statement["Condition"] == {
        "Null": {
            "s3:if-none-match": "false",
            "s3:x-amz-server-side-encryption-customer-algorithm": "true",
        },
        "StringEqualsIfExists": {"s3:x-amz-storage-class": "STANDARD"},
    }


def test_a_learner_cannot_write_their_own_receipt(permissions, academy):
    work = academy.arns.bucket("work")
    for statement in permissions["earth-2026-fall--learner--ana"].values():
        if "s3:PutObject" in statement["Action"]:
            assert not any(r.startswith(f"{work}/receipts/") for r in statement["Resource"])


def test_a_training_role_submits_nothing_and_asks_no_broker(permissions):
    actions = {
        a for s in permissions["earth-2026-fall--training--falcon"].values() for a in s["Action"]
    }
    assert "lambda:InvokeFunction" not in actions
    assert "ssm:GetParameter" not in actions
    assert "submissions/" not in json.dumps(permissions["earth-2026-fall--training--falcon"])


def test_no_role_of_learners_code_reads_the_logs_of_a_whole_group(permissions):
    for name in ("earth-2026-fall--learner--ana", "earth-2026-fall--training--falcon"):
        actions = {a for s in permissions[name].values() for a in s["Action"]}
        assert "logs:FilterLogEvents" not in actions
    reads = permissions["earth-2026-fall--learner--ana"]["ReadTeamsJobLogs"]
    assert reads["Resource"] == [
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:"
        "earth-2026-fall--falcon--*"
    ]


def test_roles_of_learners_code_are_taken_by_sagemaker_alone(academy):
    for path, resource in academy.resources("AWS::IAM::Role"):
        if "PermissionsBoundary" in resource["Properties"]:
            (statement,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}, path
            assert statement["Action"] == "sts:AssumeRole"
