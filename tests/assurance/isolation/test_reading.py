"""From templates to a world: what is resolved, what is found, and that nothing is passed over."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.assurance.isolation.reading.reader import Unreadable, read
from infra.assurance.isolation.reading.resource_types import ADDITIONS, SILENT, TYPES
from infra.assurance.isolation.world import Guarded, World
from infra.assurance.templates import Templates
from infra.cohort.images import FLAVOURS, Built, ImageVersion, Record
from tests.assurance.isolation.made import (
    ACCOUNT,
    REGION,
    TRUST,
    allow,
    example,
    policy,
    role,
    synthesize,
    template,
    world_of,
)

BUCKET = {"Type": "AWS::S3::Bucket", "BucketName": "b"}
QUEUE = {"Type": "AWS::SQS::Queue", "QueueName": "q"}
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "FunctionName": "f",
    "Role": {"Fn::GetAtt": ["R", "Arn"]},
    "Code": {"S3Bucket": "assets", "S3Key": "code.zip"},
}
VERSION = ImageVersion(
    number=2,
    built=dt.datetime(2026, 11, 28, tzinfo=dt.UTC),
    source="0" * 64,
    images={
        flavour: Built(
            workspace=f"sha256:{number}{'a' * 63}", training=f"sha256:{number}{'b' * 63}", bytes=1
        )
        for number, flavour in enumerate(FLAVOURS)
    },
)


# --- our own templates ----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The fullest cohort that there is, and the account's images."""
    cohort = example(
        isolation="team",
        network="private",
        budget={"per_learner_usd": 25, "per_advisor_usd": 5},
        notify={
            "email": "a@example.org",
            "news": ["b@example.org"],
            "teams": {
                "tenant": "01234567-89ab-cdef-0123-456789abcdef",
                "team": "11234567-89ab-cdef-0123-456789abcdef",
                "channel": "19%3Aabc%40thread.tacv2",
            },
        },
    )
    record = Record().with_version(ACCOUNT, REGION, VERSION)
    outdir = tmp_path_factory.mktemp("everything")
    return synthesize(outdir, cohort, images=VERSION, record=record)


@pytest.fixture(scope="module")
def world(everything: Templates) -> World:
    return read(everything, account=ACCOUNT, region=REGION)


def test_every_role_of_our_templates_is_read_with_all_that_limits_it(
    everything: Templates, world: World
) -> None:
    assert len(world.roles) == everything.counts()["AWS::IAM::Role"]
    assert world.cohorts == ("earth-2026-fall",)
    for each in world.roles:
        assert each.identity, each
        of_learners_code = each.kind in ("learner", "training", "advisor", "domain")
        assert (each.boundary is not None) == of_learners_code, each
    kinds = {each.kind for each in world.roles}
    assert kinds == {"learner", "training", "advisor", "domain", "service", "images"}


def test_roles_know_whose_they_are(world: World) -> None:
    teams = {each.owner: each.team for each in world.of_kind("learner", "training")}
    assert teams == {
        "ana": "falcon",
        "ben": "falcon",
        "falcon": "falcon",
        "chi": "heron",
        "dov": "heron",
        "heron": "heron",
    }
    assert [each.owner for each in world.of_kind("advisor")] == ["shelley"]
    assert all(each.team is None for each in world.of_kind("advisor", "domain", "service"))
    assert {each.cohort for each in world.of_kind("images")} == {""}


def test_no_reference_is_left_in_a_policy(world: World) -> None:
    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, each in value.items():
                yield key
                yield from texts(each)
        elif isinstance(value, list):
            for each in value:
                yield from texts(each)
        else:
            yield str(value)

    documents = [each.document for each in world.guarded if each.document]
    for each in world.roles:
        documents += [*each.identity, each.trust, *([each.boundary] if each.boundary else [])]
    for document in documents:
        found = set(texts(document.body))
        assert not {text for text in found if text == "Ref" or "Fn::" in text or "<ssm:" in text}


def test_a_resource_of_every_type_with_an_arn_can_be_asked_about(
    everything: Templates, world: World
) -> None:
    made = everything.counts()
    guarded = {each.type for each in world.guarded}
    silent = {*SILENT, *ADDITIONS, "AWS::Lambda::Alias", "AWS::Lambda::Version"}
    assert set(made) - guarded == set(made) & silent
    assert set(SILENT) <= set(made), "a type that no template uses needs no excuse"
    assert guarded <= set(TYPES)


def test_policies_of_resources_are_found_where_they_stand(world: World) -> None:
    with_policy = {each.type for each in world.guarded if each.document}
    assert with_policy == {
        "AWS::KMS::Key",
        "AWS::Lambda::Function",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }
    keys = [each for each in world.guarded if each.type == "AWS::KMS::Key"]
    assert {each.facts["kms:ResourceAliases"] for each in keys} == {
        ("alias/academy/earth-2026-fall/records",),
        ("alias/academy/earth-2026-fall/vault",),
    }
    assert all(each.decides == (each.type == "AWS::KMS::Key") for each in world.guarded)


def test_the_broker_is_known_by_the_alias_of_each_person(world: World) -> None:
    [broker] = [each for each in world.functions if each.arn.endswith("-broker")]
    assert set(broker.aliases) == {"ana", "ben", "chi", "dov", "shelley"}
    assert world.role(broker.role).owner == "broker"


def test_what_calls_the_scorer_is_what_the_checker_writes(world: World) -> None:
    [call] = [
        each for each in world.calls if each.target.endswith(":function:earth-2026-fall-scorer")
    ]
    assert call.on is not None
    assert call.on["detail"]["object"] == {"key": [{"prefix": "checked/"}]}
    assert call.role is None, "the function's own policy admits the rule"


def test_the_images_version_in_a_domain_is_the_one_that_the_images_stack_made(
    everything: Templates, world: World
) -> None:
    versions = {
        each.arn.rpartition("/")[2]
        for each in world.guarded
        if each.type == "AWS::SageMaker::ImageVersion"
    }
    domains = [each for each in world.guarded if each.type == "AWS::SageMaker::Domain"]
    attached = {
        image["ImageVersionNumber"]
        for domain in domains
        if domain.source
        for image in domain.source.properties["DefaultUserSettings"]["JupyterLabAppSettings"][
            "CustomImages"
        ]
    }
    assert attached
    assert attached <= versions

    alone = Templates(
        {name: each for name, each in everything.stacks.items() if name != "Academy-Images"}
    )
    text = json.dumps(
        [
            each.source.properties
            for each in read(alone, account=ACCOUNT, region=REGION).guarded
            if each.source and each.type == "AWS::SageMaker::Domain"
        ]
    )
    assert "<ssm:/academy-images/segmentation-cpu/v2>[2]" in text


def test_ids_are_the_same_every_time_and_another_for_each_resource(
    everything: Templates, world: World
) -> None:
    arns = [each.arn for each in world.guarded]
    assert len(set(arns)) == len(arns)
    again = read(everything, account=ACCOUNT, region=REGION)
    assert [each.arn for each in again.guarded] == arns


def test_a_statement_more_in_any_policy_is_seen(everything: Templates, world: World) -> None:
    """Wherever a statement is added to our templates, it stands in the world."""

    def policies(value: Any) -> Iterator[list[Any]]:
        if isinstance(value, dict):
            for key, each in value.items():
                if key == "Statement" and isinstance(each, list):
                    yield each
                else:
                    yield from policies(each)
        elif isinstance(value, list):
            for each in value:
                yield from policies(each)

    def labels(world: World) -> set[str]:
        documents = [each.document for each in world.guarded if each.document]
        for each in world.roles:
            documents += [*each.identity, each.trust, *([each.boundary] if each.boundary else [])]
        return {
            statement.label for document in documents for statement in document.policy.statements
        }

    changed = copy.deepcopy(dict(everything.stacks))
    added = 0
    for name, stack in changed.items():
        for logical_id, resource in stack["Resources"].items():
            if resource["Type"] == "AWS::EC2::VPCEndpoint":
                continue
            for statements in policies(resource.get("Properties", {})):
                added += 1
                sid = f"Added{added}x{name}{logical_id}".replace("-", "")
                statements.append({**statements[0], "Sid": sid})
    seen = labels(read(Templates(changed), account=ACCOUNT, region=REGION))
    assert added > 30
    # But one: the chat's guardrail, which no role holds. It only takes away from the chat's role.
    assert len([each for each in seen if each.startswith("Added")]) == added - 1
    assert not any(each.startswith("Added") and "NewsChannelGuardrail" in each for each in seen)
    assert not any(each.startswith("Added") for each in labels(world))


# --- references -----------------------------------------------------------------------------------
def resolved(value: Any, **more: Any) -> Any:
    """What `value` becomes in a resource's property, beside a bucket B, a queue Q and a role R."""
    made = world_of(
        {
            "P": {"Type": "AWS::SSM::Parameter", "Name": "/p", "Value": value},
            "B": BUCKET,
            "Q": QUEUE,
            "R": role("r"),
            **more,
        }
    )
    [parameter] = [each for each in made.guarded if each.arn.endswith("parameter/p")]
    assert parameter.source is not None
    return parameter.source.properties["Value"]


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ({"Ref": "B"}, "b"),
        ({"Fn::GetAtt": ["B", "Arn"]}, "arn:aws:s3:::b"),
        ({"Fn::GetAtt": "B.Arn"}, "arn:aws:s3:::b"),
        ({"Ref": "Q"}, f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q"),
        ({"Fn::Join": ["/", [{"Ref": "B"}, "x", 1]]}, "b/x/1"),
        (
            {"Fn::Sub": "${B}/${!x}/${AWS::Region}/${Q.Arn}"},
            f"b/${{x}}/{REGION}/arn:aws:sqs:{REGION}:{ACCOUNT}:q",
        ),
        ({"Fn::Sub": ["${x}-${B}", {"x": {"Ref": "AWS::Partition"}}]}, "aws-b"),
        ({"Fn::Select": [1, {"Fn::Split": [":", {"Fn::GetAtt": ["R", "Arn"]}]}]}, "aws"),
        ({"Fn::Select": ["0", {"Fn::GetAZs": ""}]}, f"{REGION}a"),
        ({"Ref": "AWS::AccountId"}, ACCOUNT),
        ([{"Ref": "AWS::NoValue"}, "x"], ["x"]),
        ({"Fn::Base64": "x"}, "eA=="),
    ],
)
def test_functions_mean_what_cloudformation_makes_of_them(written: Any, means: Any) -> None:
    assert resolved(written) == means


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"Ref": "Nothing"}, "Nothing, which is not in S0"),
        ({"Fn::GetAtt": ["B", "WebsiteURL"]}, "WebsiteURL"),
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue"),
        ({"Fn::If": ["C", 1, 2]}, "Fn::If"),
        ({"Fn::Select": [7, ["x"]]}, "Fn::Select"),
        ({"Ref": "AWS::NotificationARNs"}, "AWS::NotificationARNs"),
        ("{{resolve:ssm:/x}}", "dynamic reference"),
        ({"Fn::GetAtt": ["P", "Value"]}, "refers to itself"),
        ({"Fn::Join": ["", {"Ref": "B"}]}, "no list"),
    ],
)
def test_what_is_not_followed_is_an_error_that_names_the_resource(written: Any, told: str) -> None:
    with pytest.raises(Unreadable, match="S0/P") as caught:
        resolved(written)
    assert told in str(caught.value)


def test_a_parameter_is_what_another_stack_writes() -> None:
    writes = template(
        {
            "V": {"Type": "AWS::EC2::VPC", "CidrBlock": "10.0.0.0/16"},
            "P": {"Type": "AWS::SSM::Parameter", "Name": "/vpc", "Value": {"Ref": "V"}},
        }
    )
    reads = template(
        {
            "A": {"Type": "AWS::SSM::Parameter", "Name": "/a", "Value": {"Ref": "Known"}},
            "B": {"Type": "AWS::SSM::Parameter", "Name": "/b", "Value": {"Ref": "Strange"}},
            "C": {
                "Type": "AWS::SSM::Parameter",
                "Name": "/c",
                "Value": {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "Strange"}]}]},
            },
        },
        Parameters={
            "Known": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/vpc"},
            "Strange": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/elsewhere"},
        },
    )
    made = world_of(Reads=reads, Writes=writes)
    values = {
        each.arn.rpartition("/")[2]: each.source.properties["Value"]
        for each in made.guarded
        if each.source and each.type == "AWS::SSM::Parameter"
    }
    [vpc] = [each.arn for each in made.guarded if each.type == "AWS::EC2::VPC"]
    assert values["a"] == values["vpc"] == vpc.rpartition("/")[2]
    assert values["b"] == "<ssm:/elsewhere>"
    assert values["c"] == "<ssm:/elsewhere>[2]"


def test_a_parameter_that_a_deploy_fills_is_an_error() -> None:
    reads = template(
        {"B": {"Type": "AWS::S3::Bucket", "BucketName": {"Ref": "Chosen"}}},
        Parameters={"Chosen": {"Type": "String", "Default": "b"}},
    )
    with pytest.raises(Unreadable, match="Chosen, which a deploy fills"):
        world_of(S=reads)


def test_a_policy_on_what_only_a_deploy_knows_is_an_error() -> None:
    reads = template(
        {"R": role("r", allow("s3:*", {"Ref": "Strange"}))},
        Parameters={
            "Strange": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/elsewhere"}
        },
    )
    with pytest.raises(Unreadable, match="<ssm:/elsewhere>"):
        world_of(S=reads)


def test_circles_end() -> None:
    with pytest.raises(Unreadable, match="refers to itself"):
        world_of(
            {
                "A": {"Type": "AWS::S3::Bucket", "BucketName": {"Ref": "B"}},
                "B": {"Type": "AWS::S3::Bucket", "BucketName": {"Ref": "A"}},
            }
        )


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({**template({"B": BUCKET}), "Transform": "AWS::LanguageExtensions"}, "Transform"),
        ({**template({"B": BUCKET}), "Conditions": {"C": True}}, "Conditions"),
        ({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Condition": "C"}}}, "Condition"),
        (template({"X": {"Type": "AWS::IAM::User"}}), "S/X (AWS::IAM::User)"),
        (template({"X": {"Type": "Custom::Anything"}}), "S/X (Custom::Anything)"),
        (template({"X": {"Type": "AWS::Logs::ResourcePolicy"}}), "AWS::Logs::ResourcePolicy"),
    ],
)
def test_a_template_of_another_kind_is_an_error(made: dict[str, Any], told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        world_of(S=made)
    assert told in str(caught.value)


# --- roles ----------------------------------------------------------------------------------------
def test_policies_come_from_all_four_places() -> None:
    made = world_of(
        {
            "R": role("r", allow("s3:A"), ManagedPolicyArns=[{"Ref": "M"}]),
            "M": {
                "Type": "AWS::IAM::ManagedPolicy",
                "ManagedPolicyName": "m",
                "PolicyDocument": policy(allow("s3:B")),
            },
            "I": {
                "Type": "AWS::IAM::Policy",
                "PolicyName": "i",
                "Roles": [{"Ref": "R"}],
                "PolicyDocument": policy(allow("s3:C")),
            },
            "O": {
                "Type": "AWS::IAM::RolePolicy",
                "PolicyName": "o",
                "RoleName": "r",
                "PolicyDocument": policy(allow("s3:D")),
            },
        },
        {
            "N": {
                "Type": "AWS::IAM::ManagedPolicy",
                "ManagedPolicyName": "n",
                "Roles": ["r"],
                "PolicyDocument": policy(allow("s3:E")),
            }
        },
    )
    [only] = made.roles
    actions = [document.body["Statement"][0]["Action"] for document in only.identity]
    assert sorted(actions) == ["s3:A", "s3:B", "s3:C", "s3:D", "s3:E"]
    assert {document.id for document in only.identity} == {"r/p", "r/i", "r/o", "m", "n"}


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        (
            {"R": role(ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"])},
            "ReadOnlyAccess, which no template makes",
        ),
        (
            {"R": role(PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/other")},
            "policy/other, which no template makes",
        ),
        (
            {
                "I": {
                    "Type": "AWS::IAM::Policy",
                    "PolicyName": "i",
                    "Roles": ["stranger"],
                    "PolicyDocument": policy(allow("s3:*")),
                }
            },
            "stranger, which no template makes",
        ),
        ({"R": role("r", allow("s3:*", NotPrincipal="*"))}, "NotPrincipal"),
        ({"R": role("r", allow("s3:*"), AssumeRolePolicyDocument={})}, "trust: the policy has no"),
        ({"R": {"Type": "AWS::IAM::Role", "RoleName": "r"}}, "AssumeRolePolicyDocument"),
        ({"R": role("x", Path="/academy/earth/")}, "/academy/COHORT/KIND/"),
        ({"R": role("x", Path="/academy/earth/learner/")}, "must be earth--learner--OWNER"),
        ({"R": role("earth--learner--ana", Path="/academy/earth/learner/")}, "earth-Team-TEAM"),
        ({"A": role("r"), "B": role("r")}, "have the same ARN"),
        ({"A": role("r", allow("s3:*")), "B": role("R", Path="/x/", RoleName="r")}, "same"),
        (
            {
                "I": {
                    "Type": "AWS::IAM::Policy",
                    "PolicyName": "i",
                    "Users": ["u"],
                    "PolicyDocument": policy(allow("s3:*")),
                }
            },
            "Users",
        ),
    ],
)
def test_a_role_that_is_not_understood_is_an_error(resources: dict[str, Any], told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        world_of(resources)
    assert told in str(caught.value)


# --- policies of resources ------------------------------------------------------------------------
def guarded(made: World, arn: str) -> Guarded:
    [found] = [each for each in made.guarded if each.arn == arn]
    return found


def test_permissions_are_the_policy_of_their_function() -> None:
    made = world_of(
        {"R": role(), "F": FUNCTION},
        {
            "Rule": {
                "Type": "AWS::Lambda::Permission",
                "FunctionName": "f",
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": "arn:aws:events:us-east-1:123456789012:rule/x",
                "SourceAccount": ACCOUNT,
            },
            "Other": {
                "Type": "AWS::Lambda::Permission",
                "FunctionName": f"{FUNCTION_ARN}:live",
                "Action": "lambda:*",
                "Principal": "111122223333",
            },
        },
    )
    found = guarded(made, FUNCTION_ARN)
    assert found.covers == (FUNCTION_ARN, f"{FUNCTION_ARN}:*")
    assert found.document is not None
    assert found.document.body["Statement"] == [
        {
            "Sid": "Rule",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": FUNCTION_ARN,
            "Condition": {
                "ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/x"},
                "StringEquals": {"AWS:SourceAccount": ACCOUNT},
            },
        },
        {
            "Sid": "Other",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "lambda:*",
            "Resource": f"{FUNCTION_ARN}:live",
        },
    ]


def test_a_repositorys_statements_are_about_it() -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    made = world_of(
        {
            "E": {
                "Type": "AWS::ECR::Repository",
                "RepositoryName": "x/y",
                "RepositoryPolicyText": policy(statement),
            }
        }
    )
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/x/y"
    document = guarded(made, arn).document
    assert document is not None
    assert document.body["Statement"][0]["Resource"] == arn


def test_policies_of_tables_buses_and_secrets_are_read() -> None:
    everyone = {"Principal": "*"}
    made = world_of(
        {
            "T": {
                "Type": "AWS::DynamoDB::Table",
                "TableName": "t",
                "ResourcePolicy": {"PolicyDocument": policy(allow("dynamodb:*", **everyone))},
            },
            "B": {"Type": "AWS::Events::EventBus", "Name": "bus"},
            "P": {
                "Type": "AWS::Events::EventBusPolicy",
                "EventBusName": "bus",
                "StatementId": "x",
                "Statement": allow("events:PutEvents", **everyone),
            },
            "S": {"Type": "AWS::SecretsManager::Secret", "Name": "s"},
            "Q": {
                "Type": "AWS::SecretsManager::ResourcePolicy",
                "SecretId": {"Ref": "S"},
                "ResourcePolicy": policy(allow("secretsmanager:*", **everyone)),
            },
        }
    )
    assert sorted(each.type for each in made.guarded if each.document) == [
        "AWS::DynamoDB::Table",
        "AWS::Events::EventBus",
        "AWS::SecretsManager::Secret",
    ]


BUCKET_POLICY = {
    "Type": "AWS::S3::BucketPolicy",
    "Bucket": {"Ref": "B"},
    "PolicyDocument": policy(allow("s3:*", "arn:aws:s3:::b", Principal="*")),
}


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"B": BUCKET, "P": BUCKET_POLICY, "Q": BUCKET_POLICY}, "two policies"),
        ({"P": {**BUCKET_POLICY, "Bucket": "elsewhere"}}, "elsewhere, which no template makes"),
        ({"B": BUCKET, "P": {**BUCKET_POLICY, "PolicyDocument": "["}}, "not JSON"),
        (
            {"B": {**BUCKET, "Rules": [{"Policy": policy(allow("s3:*"))}]}},
            "Rules[0].Policy.Statement",
        ),
        ({"B": {**BUCKET, "Text": json.dumps(policy(allow("s3:*")))}}, "a policy in Text"),
        ({"B": {**BUCKET, "AccessControl": "PublicRead"}}, "AccessControl"),
        (
            {"B": {**BUCKET, "ReplicationConfiguration": {"Role": "r"}}},
            "ReplicationConfiguration",
        ),
        (
            {"B": {**BUCKET, "New": {"RoleArn": "arn:aws:iam::123456789012:role/x"}}},
            "a role in New.RoleArn",
        ),
        ({"T": {"Type": "AWS::SNS::Topic", "TopicName": "t"}}, "has no policy"),
        ({"K": {"Type": "AWS::KMS::Key"}}, "no KeyPolicy"),
        (
            {"A": {"Type": "AWS::KMS::Alias", "AliasName": "alias/a", "TargetKeyId": "x"}},
            "alias/a is an alias of the key",
        ),
        (
            {"A": {"Type": "AWS::Lambda::Alias", "FunctionName": "f", "Name": "x"}},
            "f has an alias, and no template makes the function",
        ),
        (
            {
                "P": {
                    "Type": "AWS::Lambda::Permission",
                    "FunctionName": "g",
                    "Action": "lambda:*",
                    "Principal": "*",
                }
            },
            "function:g, which no template makes",
        ),
        (
            {
                "V": {
                    "Type": "AWS::EC2::VPCEndpoint",
                    "PolicyDocument": {"Statement": [{"Effect": "Perhaps"}]},
                }
            },
            "Effect 'Perhaps'",
        ),
    ],
)
def test_a_policy_that_is_not_understood_is_an_error(resources: dict[str, Any], told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        world_of(resources)
    assert told in str(caught.value)


# --- calls ----------------------------------------------------------------------------------------
def test_everything_that_calls_is_found() -> None:
    queue, topic = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
    pattern = {"source": ["aws.s3"]}
    failed = {"DestinationConfig": {"OnFailure": {"Destination": queue}}}
    made = world_of(
        {
            "R": role(),
            "Q": QUEUE,
            "F": {**FUNCTION, "DeadLetterConfig": {"TargetArn": queue}},
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Name": "rule",
                "EventPattern": pattern,
                "ScheduleExpression": "rate(1 hour)",
                "Targets": [{"Arn": FUNCTION_ARN, "DeadLetterConfig": {"Arn": queue}}],
            },
            "Bus": {
                "Type": "AWS::Events::Rule",
                "Name": "rule",
                "EventBusName": "bus",
                "EventPattern": pattern,
                "Targets": [{"Arn": topic, "RoleArn": {"Fn::GetAtt": ["R", "Arn"]}}],
            },
            "Schedule": {
                "Type": "AWS::Scheduler::Schedule",
                "Name": "schedule",
                "Target": {"Arn": FUNCTION_ARN, "RoleArn": {"Fn::GetAtt": ["R", "Arn"]}},
            },
            "B": {
                **BUCKET,
                "NotificationConfiguration": {
                    "EventBridgeConfiguration": {"EventBridgeEnabled": True},
                    "LambdaConfigurations": [
                        {
                            "Event": "s3:ObjectCreated:Put",
                            "Function": FUNCTION_ARN,
                            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}},
                        }
                    ],
                },
            },
            "Sub": {
                "Type": "AWS::SNS::Subscription",
                "TopicArn": topic,
                "Protocol": "lambda",
                "Endpoint": FUNCTION_ARN,
            },
            "Mail": {
                "Type": "AWS::SNS::Subscription",
                "TopicArn": topic,
                "Protocol": "email",
                "Endpoint": "a@example.org",
            },
            "Map": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "FunctionName": "f",
                "EventSourceArn": queue,
            },
            "Lost": {"Type": "AWS::Lambda::EventInvokeConfig", "FunctionName": "f", **failed},
        }
    )
    r = f"arn:aws:iam::{ACCOUNT}:role/r"
    events = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    in_bucket = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["b"]}, "object": {"key": [{"prefix": "in/"}]}},
    }
    calls = [(each.by, each.on, each.target, each.role) for each in made.calls]
    for expected in (
        (f"{events}/rule", pattern, FUNCTION_ARN, None),
        (f"{events}/rule", pattern, queue, None),
        (f"{events}/rule", None, FUNCTION_ARN, None),
        (f"{events}/rule", None, queue, None),
        (f"{events}/bus/rule", pattern, topic, r),
        (f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/schedule", None, FUNCTION_ARN, r),
        ("arn:aws:s3:::b", in_bucket, FUNCTION_ARN, None),
        (topic, {}, FUNCTION_ARN, None),
        (queue, {}, FUNCTION_ARN, r),
        (FUNCTION_ARN, {}, queue, r),
        (FUNCTION_ARN, {}, queue, r),
    ):
        assert expected in calls
        calls.remove(expected)
    assert calls == []


def test_a_call_that_is_not_understood_is_an_error() -> None:
    notifying: dict[str, Any] = {"NotificationConfiguration": {"NewConfigurations": [{}]}}
    with pytest.raises(Unreadable, match="NewConfigurations"):
        world_of({"B": {**BUCKET, **notifying}})
    with pytest.raises(Unreadable, match=r"S0/S \(AWS::Scheduler::Schedule\)"):
        world_of({"S": {"Type": "AWS::Scheduler::Schedule", "Name": "s", "Target": {"Arn": "x"}}})


def test_trust_is_in_the_role_and_not_a_policy_about_its_arn() -> None:
    """It says who may assume it; iam:PassRole, on the same ARN, does not ask it."""
    made = world_of({"R": role("r", allow("s3:*"))})
    assert made.roles[0].trust.body == TRUST
    assert guarded(made, f"arn:aws:iam::{ACCOUNT}:role/r").document is None
