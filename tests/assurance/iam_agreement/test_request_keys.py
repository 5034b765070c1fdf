"""The condition keys of each question that the embedded cloud asks, against AWS's reference.

A key that AWS lists for an action is given (or absent as on AWS), or it stands in `NOT_MODELLED`:
then a policy that asks for it is refused by name.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Any

import pytest

from infra.offline.authorization import requests, state, tags
from infra.offline.authorization.requests import GLOBAL_KEYS, Question
from infra.offline.authorization.wire import Call, Signature, model_of
from tests.assurance.iam_agreement.reference import keys_of

pytestmark = pytest.mark.clients

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"

#: (actions, keys, why not). Patterns, lower-case.
NOT_MODELLED = (
    ("apigateway:*", "apigateway:re*/*", "of what a request makes; no policy of ours asks"),
    ("codebuild:*", "codebuild:*", "84 keys for members of a project; no policy of ours asks"),
    ("dynamodb:*", "dynamodb:attributes", "needs every expression of a request taken apart"),
    ("dynamodb:*", "dynamodb:return*", "their value when the request says nothing is unknown"),
    ("events:putevents", "events:systemmetadata/*", "set by services"),
    ("iam:getrole", "iam:permissionsboundary", "of the role that is read"),
    ("iam:getrole", "iam:roletemplatearn", "of the role that is read"),
    ("iam:passrole", "iam:associatedresourcearn", "services differ in what they say"),
    ("lambda:invokefunction", "lambda:*", "set by Lambda's own event sources and URLs"),
    ("s3:*", "s3:signatureage", "clients do not live on the cloud's clock"),
    ("s3:*", "s3:existingobjecttag/*", "would read the object before each decision"),
    ("s3:*", "s3:object-lock-*", "no bucket of ours has Object Lock"),
    ("s3:*", "s3:x-amz-object-annotation-directive", "newer than botocore's model"),
    ("sagemaker:*", "sagemaker:directgatedmodelaccess", "JumpStart's models"),
    ("sagemaker:*tags", "sagemaker:current*", "of the model registry"),
    ("sts:*", "*.com:*", "federated callers"),
    ("sts:*", "saml:*", "federated callers"),
    ("ssm:*", "ssm:policies", "advanced parameters"),
    ("cloudformation:*", "cloudformation:resourcetypes", "not used by the CDK CLI"),
    ("cloudformation:*", "cloudformation:importresourcetypes", "not used by the CDK CLI"),
    ("cloudformation:*", "cloudformation:stackpolicyurl", "not used by the CDK CLI"),
    ("ssm:putparameter", "aws:requesttag/*", "a role's tags on a parameter are refused"),
    ("ssm:putparameter", "aws:tagkeys", "a role's tags on a parameter are refused"),
    ("logs:createloggroup", "aws:*tag*", "a role's tags on a log group are refused"),
    *(
        (f"{service}:*", "aws:resourcetag/*", "their tags are not read")
        for service in (
            "apigateway",
            "cloudformation",
            "codebuild",
            "ecr",
            "events",
            "kms",
            "logs",
            "scheduler",
            "ssm",
        )
    ),
    ("ecr:*", "ecr:resourcetag/*", "their tags are not read"),
    ("ssm:*", "ssm:resourcetag/*", "their tags are not read"),
)

SAMPLE: dict[str, Any] = {
    "Bucket": "earth-work", "Key": "a/b", "KeyId": "k", "FunctionName": "f", "Name": "n",
    "Names": ["n"], "Path": "/p", "TableName": "table", "TrainingJobName": "j", "RoleArn": ROLE,
    "ResourceArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/x", "DomainId": "d-abc",
    "SpaceName": "s", "AppType": "JupyterLab", "AppName": "default", "ImageName": "i",
    "Version": 1, "AppImageConfigName": "a", "StudioLifecycleConfigName": "l",
    "repositoryName": "r", "names": ["project"], "ids": ["project:1"], "name": "project",
    "projectName": "project", "id": "project:1", "logGroupName": "g", "logStreamName": "st",
    "GroupName": "g", "Target": {"RoleArn": ROLE}, "Entries": [{"Source": "s"}],
    "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:t", "QueueUrl": f"http://x/{ACCOUNT}/q",
    "QueueName": "q", "RoleName": "r", "PolicySourceArn": ROLE, "StackName": "st",
    "CopySource": "/earth-work/k", "Delete": [{"Key": "k"}],
    "Tags": [{"Key": "team", "Value": "x"}], "tags": [{"key": "team", "value": "x"}],
    "UserPoolId": "us-east-1_AbCdEfGhI",
    "ApiId": "a1b2c3d4", "IntegrationId": "i1", "RouteId": "r1", "StageName": "$default",
}  # fmt: skip
CHANGED: dict[str, dict[str, Any]] = {
    "GetTags": {"ResourceArn": "arn:aws:apigateway:us-east-1::/apis/a1b2c3d4"},
    "AssumeRole": {"RoleArn": ROLE, "Tags.member.1.Key": "k", "Tags.member.1.Value": "v"},
    "BatchGetItem": {"RequestItems": {"table": {"Keys": [{}]}}},
    "BatchWriteItem": {"RequestItems": {"table": [{"PutRequest": {"Item": {}}}]}},
    "CreateLogGroup": {"logGroupName": "g"},
    "CreatePresignedDomainUrl": {**SAMPLE, "UserProfileName": "u"},
    "DescribeUserProfile": {**SAMPLE, "UserProfileName": "u"},
    "DescribeLogGroups": {},
    "PutParameter": {"Name": "n"},
    "TransactGetItems": {"TransactItems": [{"Get": {"TableName": "table", "Key": {}}}]},
    "TransactWriteItems": {"TransactItems": [{"Put": {"TableName": "table", "Item": {}}}]},
}
STATE = {
    "upload_key": "a/b", "bucket_encryption": (None, None, False), "stored_object": None,
    "key_arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k", "key_aliases": ("alias/a",),
    "key_facts": {}, "is_secure_string": False, "table": None, "topic_key": None,
    "role_named": None, "stack_arn": None, "space": None, "latest_image_version": 1,
}  # fmt: skip
SIGNATURE = Signature(
    "key", "20261201", "us-east-1", "s3", ("host",), "0" * 64, None, "20261201T000000Z"
)


#: Operations of S3 that take tags and an ACL.
CREATING = ("CopyObject", "CreateMultipartUpload", "PutObject")


def members_of(service: str, operation: str) -> dict[str, Any]:
    """Input of an operation: what it has of the sample, and no more."""
    if operation in CHANGED:
        return CHANGED[operation]
    if service == "cloudformation":
        return {"StackName": "st"}
    shape = model_of(service).operation_model(operation).input_shape
    return {name: value for name, value in SAMPLE.items() if shape and name in shape.members}


def asked() -> Iterator[tuple[str, Question]]:
    """Every question that the operations which roles may call can lead to."""
    for service, operations in requests.mapped().items():
        for operation in operations:
            creating = service == "s3" and operation in CREATING
            headers = {"x-amz-tagging": "a=b", "x-amz-acl": "private"} if creating else {}
            params = members_of(service, operation)
            call = Call(service, operation, "json", SIGNATURE, params, headers, b"")
            made = requests.asked(call, ACCOUNT)
            for question in (*made.questions, *made.each):
                yield f"{service} {operation}", question


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Question]]:
    for name, answer in STATE.items():
        monkeypatch.setattr(state, name, lambda *_args, _answer=answer: _answer)
    return list(asked())


def not_modelled(action: str, key: str) -> bool:
    return any(
        fnmatch.fnmatchcase(action.lower(), actions) and fnmatch.fnmatchcase(key, keys)
        for actions, keys, _ in NOT_MODELLED
    )


def vouched(question: Question) -> frozenset[str]:
    service = question.resource.split(":")[2] if ":" in question.resource else ""
    modelled = question.resource == "*" or service in tags._READERS
    own = tags.OWN_KEYS.get(question.action.split(":", 1)[0], "")
    families = ("aws:resourcetag/*", f"{own.lower()}*") if modelled else ()
    return question.keys | frozenset(families)


def test_every_key_that_aws_lists_is_given_or_named_as_not_modelled(
    questions: list[tuple[str, Question]],
) -> None:
    missing = {
        (question.action, key)
        for _, question in questions
        for key in keys_of(question.action) - vouched(question)
        if not not_modelled(question.action, key)
        and not any(key.startswith(k[:-1]) for k in vouched(question) if k.endswith("*"))
    }
    assert missing == set()


def test_every_action_is_one_of_awss(questions: list[tuple[str, Question]]) -> None:
    for operation, question in questions:
        assert keys_of(question.action) is not None, operation


def test_no_key_is_given_that_aws_does_not_list(questions: list[tuple[str, Question]]) -> None:
    invented = {
        (question.action, key)
        for _, question in questions
        for key in question.context
        if key.lower() not in GLOBAL_KEYS
        and not any(fnmatch.fnmatchcase(key.lower(), listed) for listed in keys_of(question.action))
    }
    assert invented == set()


def test_nothing_is_listed_as_not_modelled_in_vain(
    questions: list[tuple[str, Question]],
) -> None:
    used = {
        (actions, keys)
        for _, question in questions
        for key in keys_of(question.action) - vouched(question)
        for actions, keys, _ in NOT_MODELLED
        if fnmatch.fnmatchcase(question.action.lower(), actions) and fnmatch.fnmatchcase(key, keys)
    }
    assert {(actions, keys) for actions, keys, _ in NOT_MODELLED} - used == set()
