"""What a stack left behind is taken over by name, as it is; or else its names are in the way."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

SCRIPT = base64.b64encode(b"echo start").decode()
BUCKET = "left-behind-123456789012"


def resources() -> dict[str, Any]:
    kept = {"DeletionPolicy": "RetainExceptOnCreate"}
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    mine = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    key = {"Version": "2012-10-17", "Statement": [mine]}
    return {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": key}, **kept},
        "Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": "alias/left", "TargetKeyId": {"Ref": "Key"}},
            **kept,
        },
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET}, **kept},
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": BUCKET,
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
            **kept,
        },
        "Script": {
            "Type": "AWS::SageMaker::StudioLifecycleConfig",
            "Properties": {
                "StudioLifecycleConfigName": "left",
                "StudioLifecycleConfigAppType": "JupyterLab",
                "StudioLifecycleConfigContent": SCRIPT,
            },
            **kept,
        },
    }


@pytest.fixture
def left(stacks: Any, client: Any) -> Any:
    """The id of the key whose alias, like all else, outlived its stack."""
    stacks.deploy("first", resources())
    assert stacks.delete("first").status == "DELETE_COMPLETE"
    return client("kms").describe_key(KeyId="alias/left")["KeyMetadata"]["KeyId"]


def test_the_names_are_in_the_way_until_they_are_taken_over(
    left: str, stacks: Any, client: Any
) -> None:
    failed = stacks.deploy("second", resources())
    assert failed.status == "ROLLBACK_COMPLETE"
    stacks.delete("second")
    only = {name: each for name, each in resources().items() if name == "Policy"}
    only["Policy"]["Properties"]["PolicyDocument"]["Statement"][0]["Resource"] = "*"
    failed = stacks.deploy("second", only)
    assert failed.reasons["Policy"] == "Bucket Policy Already Exists"
    stacks.delete("second")

    api = client("cloudformation")
    given = {
        "StackName": "second",
        "ChangeSetName": "take-over",
        "ChangeSetType": "CREATE",
        "ImportExistingResources": True,
        "TemplateBody": json.dumps({"Resources": resources()}),
        "Tags": [{"Key": "academy:cohort", "Value": "earth"}],
    }
    api.create_change_set(**given)
    stacks.names.append("second")
    found = api.describe_change_set(StackName="second", ChangeSetName="take-over")["Changes"]
    actions = {
        each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]["Action"]
        for each in found
    }
    assert actions == {
        "Key": "Add",
        "Alias": "Import",
        "Bucket": "Import",
        "Policy": "Import",
        "Script": "Import",
    }
    api.execute_change_set(StackName="second", ChangeSetName="take-over")
    api.get_waiter("stack_create_complete").wait(StackName="second", WaiterConfig={"Delay": 1})
    now = client("kms").describe_key(KeyId="alias/left")["KeyMetadata"]["KeyId"]
    assert now == left, "an import changes nothing: the alias is still that of the key it had"
    again = api.create_change_set(**given | {"ChangeSetName": "again", "ChangeSetType": "UPDATE"})
    said = api.describe_change_set(ChangeSetName=again["Id"])
    assert said["Status"] == "FAILED", "and afterwards nothing differs"
