"""What AWS refuses is refused in its words: no mistake of a client's is one of the cloud's."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from tests.offline.small_cloud import zipped
from tests.offline.whole_cloud import client, role

VALUES = {":v": {"S": "x"}}
KEY = {"k": {"S": "a"}}
NO_POLICY = "arn:aws:iam::123456789012:policy/none"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        role(running, "worker", "lambda")
        client(running, "s3").create_bucket(Bucket="work")
        client(running, "s3").put_object(Bucket="work", Key="a", Body=b"a")
        client(running, "sqs").create_queue(QueueName="q")
        client(running, "dynamodb").create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield running


def refused(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


# --- IAM ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("document", ["[]", '{"Statement": 5}', "{}", "nope"])
def test_a_trust_policy_is_one(cloud: Cloud, document: str) -> None:
    iam = client(cloud, "iam")
    wanted = ("MalformedPolicyDocument", 400)
    made = {"RoleName": "none", "AssumeRolePolicyDocument": document}
    assert refused(lambda: iam.create_role(**made)) == wanted
    changed = {"RoleName": "worker", "PolicyDocument": document}
    assert refused(lambda: iam.update_assume_role_policy(**changed)) == wanted


def test_a_boundary_exists(cloud: Cloud) -> None:
    iam = client(cloud, "iam")
    role = {"RoleName": "bound", "AssumeRolePolicyDocument": TRUST}
    wanted = ("NoSuchEntity", 404)
    assert refused(lambda: iam.create_role(**role, PermissionsBoundary=NO_POLICY)) == wanted
    assert refused(lambda: iam.get_role(RoleName="bound")) == wanted
    bound = {"RoleName": "worker", "PermissionsBoundary": NO_POLICY}
    assert refused(lambda: iam.put_role_permissions_boundary(**bound)) == wanted
    iam.put_role_permissions_boundary(
        RoleName="worker", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    iam.delete_role_permissions_boundary(RoleName="worker")


def test_only_roles_are_assumed(cloud: Cloud) -> None:
    sts = client(cloud, "sts")
    request = {"RoleArn": "this-is-no-arn-of-a-role", "RoleSessionName": "ana"}
    assert refused(lambda: sts.assume_role(**request)) == ("ValidationError", 400)


def test_a_trust_policy_outside_our_iam_lets_nobody_in(cloud: Cloud) -> None:
    iam, sts = client(cloud, "iam"), client(cloud, "sts")
    document = json.loads(TRUST)
    document["Statement"][0]["Principal"] = {"Federated": "cognito-identity.amazonaws.com"}
    made = iam.create_role(RoleName="federated", AssumeRolePolicyDocument=json.dumps(document))
    request = {"RoleArn": made["Role"]["Arn"], "RoleSessionName": "ana"}
    assert refused(lambda: sts.assume_role(**request)) == ("AccessDenied", 403)


# --- S3 -------------------------------------------------------------------------------------------
def statement(**changes: Any) -> str:
    given = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::work/private/*",
    } | changes
    kept = {name: value for name, value in given.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


@pytest.mark.parametrize(
    "policy",
    [
        "nope",
        "{}",
        statement(Resource="arn:aws:s3:::other/*"),
        statement(Resource=["arn:aws:s3:::work/*", "arn:aws:s3:::workshop/*"]),
        statement(Resource="*"),
        statement(Effect="Allow", Principal=None, NotPrincipal={"AWS": "*"}),
    ],
)
def test_a_bucket_policy_is_one_of_the_bucket(cloud: Cloud, policy: str) -> None:
    s3 = client(cloud, "s3")
    wrong = {"Bucket": "work", "Policy": policy}
    assert refused(lambda: s3.put_bucket_policy(**wrong)) == ("MalformedPolicy", 400)
    s3.put_bucket_policy(Bucket="work", Policy=statement())
    s3.delete_bucket_policy(Bucket="work")


@pytest.mark.parametrize(
    ("method", "request_", "wanted"),
    [
        ("list_objects_v2", {"ContinuationToken": "never given"}, ("InvalidArgument", 400)),
        ("list_objects_v2", {"MaxKeys": -1}, ("InvalidArgument", 400)),
        ("list_objects", {"MaxKeys": -1}, ("InvalidArgument", 400)),
        ("list_object_versions", {"MaxKeys": -1}, ("InvalidArgument", 400)),
        ("copy_object", {"Key": "b", "CopySource": "garbage"}, ("InvalidArgument", 400)),
        (
            "upload_part",
            {"Key": "b", "UploadId": "none", "PartNumber": 1, "Body": b"x"},
            ("NoSuchUpload", 404),
        ),
        (
            "upload_part_copy",
            {"Key": "b", "UploadId": "none", "PartNumber": 1, "CopySource": "work/a"},
            ("NoSuchUpload", 404),
        ),
        (
            "upload_part_copy",
            {"Key": "b", "UploadId": "none", "PartNumber": 1, "CopySource": "garbage"},
            ("InvalidArgument", 400),
        ),
        (
            "complete_multipart_upload",
            {
                "Key": "b",
                "UploadId": "none",
                "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]},
            },
            ("NoSuchUpload", 404),
        ),
        ("put_object", {"Key": "é" * 513, "Body": b""}, ("KeyTooLongError", 400)),
        ("create_multipart_upload", {"Key": "e" * 1025}, ("KeyTooLongError", 400)),
        (
            "copy_object",
            {"Key": "e" * 1025, "CopySource": "work/a"},
            ("KeyTooLongError", 400),
        ),
        *(
            ("put_object", {"Key": "b", "Body": b"x", **wrong}, ("BadDigest", 400))
            for wrong in (
                {"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
                {"ChecksumCRC32": "AAAAAA=="},
                {"ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
            )
        ),
    ],
)
def test_s3_refuses(
    cloud: Cloud, method: str, request_: dict[str, Any], wanted: tuple[str, int]
) -> None:
    s3 = client(cloud, "s3")
    assert refused(lambda: getattr(s3, method)(Bucket="work", **request_)) == wanted
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="work")["Contents"]] == ["a"]


def test_what_arrives_as_it_was_sent_is_kept(cloud: Cloud) -> None:
    s3, body = client(cloud, "s3"), b"as it was sent"
    sha = base64.b64encode(hashlib.sha256(body).digest()).decode()
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    for right in ({"ContentMD5": md5}, {"ChecksumCRC32": crc}, {"ChecksumSHA256": sha}):
        s3.put_object(Bucket="work", Key="é" * 512, Body=body, **right)
        s3.delete_object(Bucket="work", Key="é" * 512)


def raw(
    cloud: Cloud,
    service: str,
    target: str,
    *,
    method: str = "PUT",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, str]:
    """A request that no client of AWS's would make, signed as they sign."""
    keys = cloud.client_environment()
    request = AWSRequest(method, f"{cloud.endpoint}{target}", headers=headers or {}, data=body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    secret = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    signer(secret, service, "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=10)
    connection.request(method, target, body, dict(request.headers.items()))
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/work?tagging="),
        ("PUT", "/work/a?tagging="),
        ("PUT", "/work?lifecycle="),
        ("PUT", "/work?notification="),
        ("PUT", "/work?encryption="),
        ("PUT", "/work?publicAccessBlock="),
        ("POST", "/work?delete="),
    ],
)
@pytest.mark.parametrize("body", [b"not xml", b"<open>", b"<Other/>"])
def test_s3_wants_xml(cloud: Cloud, method: str, target: str, body: bytes) -> None:
    status, text = raw(cloud, "s3", target, method=method, body=body)
    assert (status, "<Code>MalformedXML</Code>" in text) == (400, True), text


def test_a_size_is_a_number(cloud: Cloud) -> None:
    status, text = raw(cloud, "s3", "/work?list-type=2&max-keys=abc", method="GET")
    assert (status, "<Code>InvalidArgument</Code>" in text) == (400, True), text


# --- the others -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "request_"),
    [
        *(
            ("update_item", {"Key": KEY, "UpdateExpression": expression})
            for expression in ("SET #n = :v", "ADD #n :v", "SET a = = :v", "SET")
        ),
        *(
            (method, {**request, name: expression})
            for method, request, name in (
                ("put_item", {"Item": KEY}, "ConditionExpression"),
                ("delete_item", {"Key": KEY}, "ConditionExpression"),
                ("query", {"KeyConditionExpression": "k = :v"}, "FilterExpression"),
                ("scan", {}, "FilterExpression"),
            )
            for expression in ("#n = :v", "k = = :v", "k", "k = :w", "attribute_exists(")
        ),
        ("query", {"KeyConditionExpression": "k = = :v"}),
        ("query", {"KeyConditionExpression": "#n = :v"}),
    ],
)
def test_dynamodb_wants_expressions_that_it_can_read(
    cloud: Cloud, method: str, request_: dict[str, Any]
) -> None:
    call = getattr(client(cloud, "dynamodb"), method)
    request = {"TableName": "table", "ExpressionAttributeValues": VALUES, **request_}
    assert refused(lambda: call(**request)) == ("ValidationException", 400)


@pytest.mark.parametrize(
    "attributes",
    [
        {"VisibilityTimeout": "abc"},
        {"VisibilityTimeout": "-1"},
        {"DelaySeconds": "901"},
        {"MaximumMessageSize": "x"},
    ],
)
def test_a_queues_numbers_are_within_bounds(cloud: Cloud, attributes: dict[str, str]) -> None:
    sqs = client(cloud, "sqs")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    for call in (
        lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes),
        lambda: sqs.create_queue(QueueName="other", Attributes=attributes),
    ):
        assert refused(call) == ("InvalidAttributeValue", 400)


def test_a_topics_arn_is_one(cloud: Cloud) -> None:
    sns = client(cloud, "sns")
    for method in ("get_topic_attributes", "list_subscriptions_by_topic"):
        assert refused(lambda: getattr(sns, method)(TopicArn="x")) == (  # noqa: B023
            "InvalidParameter",
            400,
        )


def test_a_functions_code_is_a_zip(cloud: Cloud) -> None:
    api = client(cloud, "lambda")
    function = {
        "FunctionName": "f",
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::123456789012:role/worker",
        "Handler": "index.handler",
    }
    wanted = ("InvalidParameterValueException", 400)
    assert refused(lambda: api.create_function(**function, Code={"ZipFile": b"none"})) == wanted
    assert api.list_functions()["Functions"] == []
    api.create_function(**function, Code={"ZipFile": zipped({"index.py": "def handler(*_): pass"})})
    changed = {"FunctionName": "f", "ZipFile": b"none"}
    assert refused(lambda: api.update_function_code(**changed)) == wanted


@pytest.mark.parametrize(
    ("service", "target", "method", "body", "headers"),
    [
        ("dynamodb", "/", "POST", b"{}", {"X-Amz-Target": "DynamoDB_20120810.Invent"}),
        ("sqs", "/", "POST", b"{}", {"X-Amz-Target": "AmazonSQS.Invent"}),
        ("sagemaker", "/", "POST", b"{}", {"X-Amz-Target": "SageMaker.Invent"}),
        ("iam", "/", "POST", b"Action=Invent&Version=2010-05-08", {}),
        ("sns", "/", "POST", b"Action=Invent&Version=2010-03-31", {}),
        ("sts", "/", "POST", b"Action=Invent&Version=2011-06-15", {}),
        ("ec2", "/", "POST", b"Action=Invent&Version=2016-11-15", {}),
        ("lambda", "/2015-03-31/inventions", "GET", b"", {}),
        ("scheduler", "/inventions", "GET", b"", {}),
    ],
)
def test_an_operation_that_nobody_has_is_refused_by_name(
    cloud: Cloud, service: str, target: str, method: str, body: bytes, headers: dict[str, str]
) -> None:
    if body.startswith(b"Action"):
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    status, text = raw(cloud, service, target, method=method, body=body, headers=headers)
    assert (status, "nvent" in text, "not modelled" in text) == (501, True, True), text
