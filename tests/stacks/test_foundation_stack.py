"""Foundation: network, keys, buckets, ledger, boundary, start script."""

from __future__ import annotations

import base64

import pytest
from aws_cdk.assertions import Match

from infra.stacks import foundation

PURPOSES = ("data", "vault", "work", "site")


@pytest.fixture(scope="module")
def template(academy):
    return academy.template(academy.names.foundation_stack)


@pytest.fixture(scope="module")
def boundary(template):
    (policy,) = template.find_resources("AWS::IAM::ManagedPolicy").values()
    return policy["Properties"]["PolicyDocument"]["Statement"]


def test_there_are_four_buckets(template):
    template.resource_count_is("AWS::S3::Bucket", len(PURPOSES))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_bucket_is_encrypted_closed_and_without_acls(template, academy, purpose):
    template.has_resource_properties(
        "AWS::S3::Bucket",
        {
            "BucketName": academy.arns.bucket_name(purpose),
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {
                        "ServerSideEncryptionByDefault": Match.object_like(
                            {"SSEAlgorithm": "aws:kms" if purpose == "vault" else "AES256"}
                        )
                    }
                    | ({"BucketKeyEnabled": True} if purpose == "vault" else {})
                ]
            },
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        },
    )


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_bucket_answers_over_tls_only(template, academy, purpose):
    buckets = template.find_resources(
        "AWS::S3::Bucket", {"Properties": {"BucketName": academy.arns.bucket_name(purpose)}}
    )
    (logical_id,) = buckets
    template.has_resource_properties(
        "AWS::S3::BucketPolicy",
        {
            "Bucket": {"Ref": logical_id},
            "PolicyDocument": Match.object_like(
                {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Effect": "Deny",
                                    "Principal": {"AWS": "*"},
                                    "Action": "s3:*",
                                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                                    "Resource": [
                                        {"Fn::GetAtt": [logical_id, "Arn"]},
                                        {
                                            "Fn::Join": [
                                                "",
                                                [{"Fn::GetAtt": [logical_id, "Arn"]}, "/*"],
                                            ]
                                        },
                                    ],
                                }
                            )
                        ]
                    )
                }
            ),
        },
    )


@pytest.mark.parametrize("purpose", ["data", "vault", "work"])
def test_what_people_write_or_run_can_be_brought_back(template, academy, purpose):
    template.has_resource_properties(
        "AWS::S3::Bucket",
        {
            "BucketName": academy.arns.bucket_name(purpose),
            "VersioningConfiguration": {"Status": "Enabled"},
            "LifecycleConfiguration": {
                "Rules": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                                "Status": "Enabled",
                            }
                        )
                    ]
                )
            },
        },
    )


def test_what_the_checker_hands_over_goes_after_a_week_and_nothing_else_does(template, academy):
    expiring = {}
    for bucket in template.find_resources("AWS::S3::Bucket").values():
        for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]:
            if "ExpirationInDays" in rule:
                name = bucket["Properties"]["BucketName"]
                expiring[name, rule.get("Prefix")] = rule["ExpirationInDays"]
    assert expiring == {(academy.arns.bucket_name("work"), "checked/"): 7}


def test_no_role_of_learners_code_reaches_what_the_checker_hands_over(boundary, academy):
    work = academy.arns.bucket("work")
    [own] = [s for s in boundary if s["Sid"] == "Work"]
    assert set(own["Resource"]) == {
        f"{work}/{prefix}*" for prefix in ("teams/", "submissions/", "receipts/")
    }


def test_only_work_announces_its_objects(template, academy):
    announcing = template.find_resources(
        "AWS::S3::Bucket",
        {
            "Properties": {
                "NotificationConfiguration": {
                    "EventBridgeConfiguration": {"EventBridgeEnabled": True}
                }
            }
        },
    )
    assert [b["Properties"]["BucketName"] for b in announcing.values()] == [
        academy.arns.bucket_name("work")
    ]


@pytest.mark.parametrize(("kind", "action"), [("bucket", "s3:*"), ("key", "kms:*")])
def test_of_the_academys_roles_the_scorer_alone_opens_the_vault(template, academy, kind, action):
    denial = Match.object_like(
        {
            "Sid": "OnlyTheScorer",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": action,
            "Condition": {
                "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/academy/*"},
                "ArnNotEquals": {"aws:PrincipalArn": academy.arns.role("service", "scorer")},
            },
        }
    )
    statements = {"Statement": Match.array_with([denial])}
    if kind == "bucket":
        template.has_resource_properties(
            "AWS::S3::BucketPolicy", {"PolicyDocument": Match.object_like(statements)}
        )
    else:
        template.has_resource_properties(
            "AWS::KMS::Key", {"KeyPolicy": Match.object_like(statements)}
        )


def test_keys_rotate(template):
    template.resource_count_is("AWS::KMS::Key", 2)
    template.all_resources_properties("AWS::KMS::Key", {"EnableKeyRotation": True})


def test_the_ledger_is_encrypted_recoverable_and_finds_open_reservations(template, academy):
    template.has_resource_properties(
        "AWS::DynamoDB::Table",
        {
            "TableName": academy.names.ledger_table,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "open",
                    "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": Match.object_like({"SSEEnabled": True, "SSEType": "KMS"}),
        },
    )


def test_the_network_has_two_subnets_and_no_way_out_that_bills(template):
    template.resource_count_is("AWS::EC2::Subnet", 2)
    template.has_resource_properties(
        "AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway", "RouteTableIds": Match.any_value()}
    )
    for costly in ("NatGateway", "InternetGateway", "EIP"):
        template.resource_count_is(f"AWS::EC2::{costly}", 0)


def test_the_network_is_found_by_parameters(template, academy):
    for part in ("vpc", "subnets"):
        template.has_resource_properties(
            "AWS::SSM::Parameter", {"Name": academy.names.network_parameter(part)}
        )


def test_the_boundary_is_shut_outside_the_cohorts_dates(boundary):
    dated = {
        statement["Sid"]: statement["Condition"]
        for statement in boundary
        if statement["Effect"] == "Deny" and "Condition" in statement
    }
    assert dated == {
        "NotBeforeTheStart": {"DateLessThan": {"aws:CurrentTime": "2026-11-16T00:00:00Z"}},
        # The last day counts in full.
        "NotAfterTheEnd": {"DateGreaterThanEquals": {"aws:CurrentTime": "2027-04-01T00:00:00Z"}},
    }
    for statement in boundary:
        if statement["Sid"] in dated:
            assert (statement["Action"], statement["Resource"]) == (["*"], ["*"])


def test_the_boundary_denies_the_vault(boundary, academy):
    (statement,) = [each for each in boundary if each["Sid"] == "NeverTheVault"]
    vault = academy.arns.bucket("vault")
    assert statement["Effect"] == "Deny"
    assert statement["Action"] == ["s3:*"]
    assert statement["Resource"] == [vault, f"{vault}/*"]


def test_the_boundary_allows_nothing_that_bills_or_delegates(boundary):
    actions = {
        action
        for statement in boundary
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    assert [a for a in actions if a.startswith("sagemaker:")] == ["sagemaker:DescribeTrainingJob"]
    services = {action.partition(":")[0] for action in actions}
    assert services == {"s3", "ssm", "lambda", "sagemaker", "logs", "cloudwatch", "ecr"}


def test_every_permission_of_learners_code_is_within_the_boundary(academy, boundary):
    allowed = {a for s in boundary if s["Effect"] == "Allow" for a in s["Action"]}
    for path, role in academy.resources("AWS::IAM::Role"):
        if "PermissionsBoundary" in role["Properties"]:
            (policy,) = role["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]:
                assert set(statement["Action"]) <= allowed, (path, statement["Sid"])


def test_the_start_script_is_in_the_template_under_the_hash_of_its_content(template, academy):
    script = foundation.LifecycleScript()
    template.has_resource_properties(
        "AWS::SageMaker::StudioLifecycleConfig",
        {
            "StudioLifecycleConfigName": academy.names.lifecycle_config(script.hash),
            "StudioLifecycleConfigAppType": "JupyterLab",
            "StudioLifecycleConfigContent": script.content,
        },
    )
    assert base64.b64decode(script.content) == foundation.START_SCRIPT.read_bytes()


def test_a_changed_start_script_leaves_the_old_one_to_the_domains_that_name_it(template):
    template.has_resource(
        "AWS::SageMaker::StudioLifecycleConfig",
        {"UpdateReplacePolicy": "Retain", "DeletionPolicy": "Delete"},
    )


def test_a_start_script_that_is_too_long_is_refused(tmp_path):
    path = tmp_path / "start.sh"
    path.write_bytes(b"#" * (foundation.LIFECYCLE_CONTENT_MAX * 3 // 4 + 1))
    with pytest.raises(ValueError, match="16384"):
        foundation.LifecycleScript(path)
