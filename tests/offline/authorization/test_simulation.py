"""iam:SimulatePrincipalPolicy over the wire: what it answers, page by page, and to whom."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.offline.authorization import simulation

ACCOUNT = "123456789012"
BUCKET = "arn:aws:s3:::earth-work"


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def deny(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return allow(action, resource, **condition) | {"Effect": "Deny"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/{name}"


def simulated(cloud: Any, arn: str, *actions: str, **more: Any) -> list[dict[str, Any]]:
    pages = (
        cloud.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(PolicySourceArn=arn, ActionNames=list(actions), **more)
    )
    return [result for page in pages for result in page["EvaluationResults"]]


def decisions(found: list[dict[str, Any]]) -> dict[str, str]:
    return {result["EvalActionName"]: result["EvalDecision"] for result in found}


def test_it_decides_as_enforcement_does(cloud: Any) -> None:
    cloud.role(
        allow(["s3:ListAllMyBuckets", "sqs:*"]),
        allow("s3:GetObject", f"{BUCKET}/*"),
        deny("sqs:DeleteQueue"),
        name="ana",
    )
    found = simulated(
        cloud,
        role_arn("ana"),
        "s3:ListAllMyBuckets",
        "s3:GetObject",
        "sqs:SendMessage",
        "sqs:DeleteQueue",
        "kms:Decrypt",
    )
    assert decisions(found) == {
        "s3:ListAllMyBuckets": "allowed",
        # Without a resource the question is about all of them.
        "s3:GetObject": "implicitDeny",
        "sqs:SendMessage": "allowed",
        "sqs:DeleteQueue": "explicitDeny",
        "kms:Decrypt": "implicitDeny",
    }
    assert found[0]["EvalResourceName"] == "*"
    assert "ResourceSpecificResults" not in found[0]
    assert "PermissionsBoundaryDecisionDetail" not in found[0]


def test_each_resource_has_its_own_decision(cloud: Any) -> None:
    cloud.role(allow("s3:GetObject", f"{BUCKET}/teams/*"), name="ana")
    arns = [f"{BUCKET}/teams/a", f"{BUCKET}/else"]
    (result,) = simulated(cloud, role_arn("ana"), "s3:GetObject", ResourceArns=arns)
    assert result["EvalDecision"] == "implicitDeny"
    assert {
        each["EvalResourceName"]: each["EvalResourceDecision"]
        for each in result["ResourceSpecificResults"]
    } == {arns[0]: "allowed", arns[1]: "implicitDeny"}
    (alone,) = simulated(cloud, role_arn("ana"), "s3:GetObject", ResourceArns=arns[:1])
    assert (alone["EvalDecision"], alone["EvalResourceName"]) == ("allowed", arns[0])


def test_what_a_boundary_forbids_is_told_apart(cloud: Any) -> None:
    cloud.role(allow("*"), name="ana", boundary=document(allow("s3:*")))
    within, beyond = simulated(cloud, role_arn("ana"), "s3:GetObject", "sqs:SendMessage")
    detail = "PermissionsBoundaryDecisionDetail"
    assert within[detail] == {"AllowedByPermissionsBoundary": True}
    assert within["EvalDecision"] == "allowed"
    assert beyond[detail] == {"AllowedByPermissionsBoundary": False}
    assert beyond["EvalDecision"] == "implicitDeny"
    # A boundary in the request stands in for the role's own.
    wider = [document(allow("sqs:*"))]
    within, beyond = simulated(
        cloud,
        role_arn("ana"),
        "s3:GetObject",
        "sqs:SendMessage",
        PermissionsBoundaryPolicyInputList=wider,
    )
    assert decisions([within, beyond]) == {
        "s3:GetObject": "implicitDeny",
        "sqs:SendMessage": "allowed",
    }


def test_a_context_key_counts_when_given_and_is_told_when_missing(cloud: Any) -> None:
    cloud.role(
        allow(
            "sagemaker:CreateTrainingJob",
            "*",
            **{
                "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.g5.xlarge"]},
                "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "3600"},
            },
        ),
        name="ana",
    )
    action = "sagemaker:CreateTrainingJob"
    (bare,) = simulated(cloud, role_arn("ana"), action)
    assert bare["EvalDecision"] == "implicitDeny"
    assert bare["MissingContextValues"] == [
        "sagemaker:InstanceTypes",
        "sagemaker:MaxRuntimeInSeconds",
    ]

    def given(types: list[str], seconds: str) -> dict[str, Any]:
        entries = [
            {
                "ContextKeyName": "sagemaker:instancetypes",
                "ContextKeyType": "stringList",
                "ContextKeyValues": types,
            },
            {
                "ContextKeyName": "sagemaker:MaxRuntimeInSeconds",
                "ContextKeyType": "numeric",
                "ContextKeyValues": [seconds],
            },
        ]
        (result,) = simulated(cloud, role_arn("ana"), action, ContextEntries=entries)
        return result

    assert given(["ml.g5.xlarge"], "3600")["EvalDecision"] == "allowed"
    assert given(["ml.g5.xlarge"], "3600")["MissingContextValues"] == []
    assert given(["ml.g5.xlarge", "ml.p4d.24xlarge"], "60")["EvalDecision"] == "implicitDeny"
    assert given(["ml.g5.xlarge"], "3601")["EvalDecision"] == "implicitDeny"


def test_the_deciding_statements_are_pointed_at(cloud: Any) -> None:
    cloud.role(allow("s3:*"), deny("s3:Delete*"), name="ana")
    extra = document(deny("s3:DeleteObject"), allow("sqs:*"))
    allowed, denied = simulated(
        cloud, role_arn("ana"), "s3:GetObject", "s3:DeleteObject", PolicyInputList=[extra]
    )
    assert [each["SourcePolicyId"] for each in allowed["MatchedStatements"]] == ["role_ana_own"]
    # An explicit deny is the only kind listed, though another statement allows.
    assert [each["SourcePolicyId"] for each in denied["MatchedStatements"]] == [
        "role_ana_own",
        "PolicyInputList.1",
    ]
    assert {each["SourcePolicyType"] for each in denied["MatchedStatements"]} == {"IAM Policy"}


#: A published answer of AWS: aws-cli, examples of simulate-custom-policy, example 1.
AWS_EXAMPLE = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*",'
    '"Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}'
)


def test_aws_own_example_of_a_custom_policy_comes_out_as_documented(cloud: Any) -> None:
    entry = {
        "ContextKeyName": "aws:CurrentTime",
        "ContextKeyValues": ["2019-04-25T11:00:00Z"],
        "ContextKeyType": "date",
    }
    answer = cloud.client("iam").simulate_custom_policy(
        PolicyInputList=[AWS_EXAMPLE],
        ActionNames=["dynamodb:CreateBackup"],
        ContextEntries=[entry],
    )
    (result,) = answer["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    assert result["EvalResourceName"] == "*"
    assert result["MissingContextValues"] == []
    (matched,) = result["MatchedStatements"]
    assert matched["SourcePolicyId"] == "PolicyInputList.1"
    assert matched["StartPosition"] == {"Line": 1, "Column": 38}
    assert matched["EndPosition"] == {"Line": 1, "Column": 167}
    entry["ContextKeyValues"] = ["2014-04-25T11:00:00Z"]
    answer = cloud.client("iam").simulate_custom_policy(
        PolicyInputList=[AWS_EXAMPLE],
        ActionNames=["dynamodb:CreateBackup"],
        ContextEntries=[entry],
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"
    assert answer["EvaluationResults"][0]["MatchedStatements"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # AdministratorAccess as AWS keeps it: line 3, column 17 to line 8, column 6.
        (
            '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Effect": "Allow",\n'
            '      "Action": "*",\n      "Resource": "*"\n    }\n  ]\n}',
            [((3, 17), (8, 6))],
        ),
        ('{"Statement":[{"a":1}, {"b":2}]}', [((1, 15), (1, 22)), ((1, 22), (1, 31))]),
        ('{"Id":"Statement","Statement":{"a":[1]}}', [((1, 32), (1, 40))]),
    ],
)
def test_a_statement_is_found_in_its_text(text: str, expected: list[Any]) -> None:
    def place(offset: int) -> tuple[int, int]:
        found = simulation._position(text, offset)
        return found["Line"], found["Column"]

    assert [(place(a), place(b)) for a, b in simulation.spans(text)] == expected


def test_a_user_as_caller_meets_a_resource_policy(cloud: Any) -> None:
    cloud.role(name="ana")
    ben = f"arn:aws:iam::{ACCOUNT}:user/ben"
    bucket = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [allow("s3:GetObject", f"{BUCKET}/*") | {"Principal": {"AWS": ben}}],
        }
    )
    given = {"ResourcePolicy": bucket, "ResourceArns": [f"{BUCKET}/x"]}
    (result,) = simulated(cloud, role_arn("ana"), "s3:GetObject", CallerArn=ben, **given)
    assert result["EvalDecision"] == "allowed"
    (matched,) = result["MatchedStatements"]
    assert matched["SourcePolicyId"] == "ResourcePolicy"
    assert matched["SourcePolicyType"] == "Resource Policy"
    other = f"arn:aws:iam::{ACCOUNT}:user/mallory"
    (result,) = simulated(cloud, role_arn("ana"), "s3:GetObject", CallerArn=other, **given)
    assert result["EvalDecision"] == "implicitDeny"


@pytest.mark.parametrize(
    ("changed", "code", "named"),
    [
        ({"PolicySourceArn": role_arn("nobody")}, "NoSuchEntity", "nobody"),
        ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:group/all"}, "InvalidInput", "group/all"),
        ({"ActionNames": ["GetObject"]}, "InvalidInput", "GetObject"),
        ({"ResourceArns": ["earth-work"]}, "InvalidInput", "earth-work"),
        ({"PolicyInputList": ["{}"]}, "InvalidInput", "PolicyInputList.1"),
        ({"ResourcePolicy": document(allow("s3:*"))}, "InvalidInput", "IAM users only"),
        ({"ResourceHandlingOption": "EC2-VPC-EBS"}, "InvalidInput", "EC2"),
        ({"PolicyExclusionList": [{"PolicyType": "scp"}]}, "InvalidInput", "PolicyExclusionList"),
        ({"Marker": "bm8="}, "InvalidInput", "Marker"),
        (
            {"PermissionsBoundaryPolicyInputList": [document(allow("*"))] * 2},
            "InvalidInput",
            "only one",
        ),
        (
            {
                "ContextEntries": [
                    {
                        "ContextKeyName": "aws:Blob",
                        "ContextKeyType": "binary",
                        "ContextKeyValues": ["a"],
                    }
                ]
            },
            "InvalidInput",
            "binary",
        ),
    ],
)
def test_what_it_does_not_simulate_it_refuses_by_name(
    cloud: Any, refused: Any, changed: dict[str, Any], code: str, named: str
) -> None:
    cloud.role(name="ana")
    asked = {"PolicySourceArn": role_arn("ana"), "ActionNames": ["s3:GetObject"], **changed}
    client = cloud.client("iam")
    assert named in refused(lambda: client.simulate_principal_policy(**asked), code)


def test_pages_follow_each_other_and_a_marker_fits_its_own_request(
    cloud: Any, refused: Any
) -> None:
    cloud.role(allow("s3:Get*"), name="ana")
    actions = [f"s3:Get{number}" for number in range(150)] + ["s3:PutObject"]
    assert decisions(simulated(cloud, role_arn("ana"), *actions)) == {
        action: "allowed" if action.startswith("s3:Get") else "implicitDeny" for action in actions
    }
    client = cloud.client("iam")
    asked = {"PolicySourceArn": role_arn("ana"), "ActionNames": actions}
    first = client.simulate_principal_policy(**asked)
    assert (len(first["EvaluationResults"]), first["IsTruncated"]) == (100, True)
    small = client.simulate_principal_policy(**asked, MaxItems=7, Marker=first["Marker"])
    assert [each["EvalActionName"] for each in small["EvaluationResults"]] == actions[100:107]
    other = {**asked, "ActionNames": actions[:-1]}
    refused(
        lambda: client.simulate_principal_policy(**other, Marker=first["Marker"]), "InvalidInput"
    )


def test_it_needs_a_permission_of_its_own_on_the_role(cloud: Any, refused: Any) -> None:
    cloud.role(allow("s3:*"), name="ben")
    curious = cloud.role(allow("iam:SimulatePrincipalPolicy", role_arn("ben")), name="ana")
    client = cloud.client("iam", curious)
    asked = {"ActionNames": ["s3:GetObject"]}
    (result,) = client.simulate_principal_policy(PolicySourceArn=role_arn("ben"), **asked)[
        "EvaluationResults"
    ]
    assert result["EvalDecision"] == "allowed"
    message = refused(
        lambda: client.simulate_principal_policy(PolicySourceArn=role_arn("ana"), **asked)
    )
    assert "iam:SimulatePrincipalPolicy" in message
    refused(lambda: client.simulate_custom_policy(PolicyInputList=[document(allow("*"))], **asked))


def test_a_policy_outside_the_model_is_an_error_and_not_a_guess(cloud: Any, refused: Any) -> None:
    cloud.role(allow("s3:*", "*", NumericLessThan={"s3:max-keys": "10"}), name="ana")
    entry = {
        "ContextKeyName": "s3:max-keys",
        "ContextKeyType": "string",
        "ContextKeyValues": ["many"],
    }
    message = refused(
        lambda: cloud.client("iam").simulate_principal_policy(
            PolicySourceArn=role_arn("ana"),
            ActionNames=["s3:ListBucket"],
            ContextEntries=[entry],
        ),
        "PolicyEvaluation",
    )
    assert "many" in message


@pytest.mark.clients
def test_the_aws_cli_pages_through_it(cloud: Any, tmp_path: Path) -> None:
    aws = shutil.which("aws", path=str(Path(sys.executable).parent))
    assert aws is not None, "the AWS CLI is a development dependency"
    cloud.role(allow("s3:Get*"), name="ana")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    from infra.offline.environment import ADMIN_ACCESS_KEY

    environment["AWS_ACCESS_KEY_ID"] = ADMIN_ACCESS_KEY
    ran = subprocess.run(
        [
            aws, "iam", "simulate-principal-policy", "--policy-source-arn", role_arn("ana"),
            "--action-names", *[f"s3:Get{number}" for number in range(5)], "s3:PutObject",
            "--page-size", "2", "--output", "json",
        ],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)["EvaluationResults"]
    assert [each["EvalDecision"] for each in found] == ["allowed"] * 5 + ["implicitDeny"]
