"""Roles of the competition under the embedded cloud's IAM: what they may is what they need."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.assurance import iam
from infra.constructs import policies
from infra.constructs.statements import Statement, document
from infra.offline.authorization import credentials
from infra.offline.server import Cloud
from infra.offline.services import lambda_runtime, sns
from infra.services.competition.steward_aws import AwsWorld, from_environment
from tests.offline import whole_cloud
from tests.offline.small_cloud import zipped

WORK = "earth-2026-fall-123456789012-us-east-1-work"
LOST = "submissions/land-cover/falcon/20261201T120000Z-0123abcd.npz"

#: A key that the sender gives, which S3 uses and forgets.
OWN_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}

#: Says that it was called, and with what.
CALLED = """
import boto3, json, os, uuid
def handler(event, context):
    boto3.client("s3").put_object(
        Bucket="calls", Key=f"{os.environ['ME']}/{uuid.uuid4()}", Body=json.dumps(event).encode()
    )
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, academy: Any) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        names, arns = academy.names, academy.arns
        s3 = whole_cloud.client(running, "s3")
        for bucket in (WORK, "calls", arns.bucket_name("data"), arns.bucket_name("vault")):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=WORK, Key=LOST, Body=b"hostile")
        s3.put_object(Bucket=arns.bucket_name("vault"), Key="answers/land-cover/answers.json")
        whole_cloud.client(running, "ssm").put_parameter(
            Name=names.settings_parameter, Type="String", Value=document_of(academy)
        )
        whole_cloud.client(running, "dynamodb").create_table(
            TableName=names.board_table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        )
        sns = whole_cloud.client(running, "sns")
        for topic in ("notices", "news"):
            made = sns.create_topic(Name=names.topic(topic))["TopicArn"]
            sns.subscribe(TopicArn=made, Protocol="email", Endpoint=f"{topic}@example.org")
        role = whole_cloud.role(
            running, "called", "lambda", (["s3:PutObject"], "arn:aws:s3:::calls/*")
        )
        for service in ("checker", "scorer"):
            whole_cloud.client(running, "lambda").create_function(
                FunctionName=names.function(service),
                Runtime="python3.11",
                Handler="app.handler",
                Role=role,
                Code={"ZipFile": zipped({"app.py": CALLED})},
                Environment={"Variables": {"ME": service}},
                Timeout=30,
            )
        yield running


def document_of(academy: Any) -> str:
    """The settings as Guard writes them."""
    [parameter] = [
        r["Properties"]["Value"]
        for _, r in academy.resources("AWS::SSM::Parameter")
        if r["Properties"]["Name"] == academy.names.settings_parameter
    ]
    return str(parameter)


def keys_of(cloud: Cloud, name: str, statements: list[Statement]) -> dict[str, str]:
    """Credentials of a role that has these statements and no others."""
    iam = whole_cloud.client(cloud, "iam")
    arn = whole_cloud.role(cloud, name, "lambda")
    iam.put_role_policy(
        RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document(statements))
    )
    return credentials.for_role(arn, session_name=name)


@pytest.fixture(scope="module")
def steward_keys(cloud: Cloud, academy: Any) -> dict[str, str]:
    return keys_of(cloud, "steward", policies.steward(academy.arns))


@pytest.fixture
def environment(
    cloud: Cloud, academy: Any, steward_keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The function's own environment, as the stack writes it."""
    [made] = [
        r["Properties"]["Environment"]["Variables"]
        for _, r in academy.resources("AWS::Lambda::Function")
        if r["Properties"]["FunctionName"] == academy.names.function("steward")
    ]
    for name, value in {
        **steward_keys,
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the credentials that it first saw.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return dict(made)


@pytest.fixture
def refused() -> Callable[[Callable[[], Any]], None]:
    def check(call: Callable[[], Any]) -> None:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] in (
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
        )

    return check


def test_the_steward_does_all_of_its_duties_under_its_own_role(
    cloud: Cloud, academy: Any, environment: dict[str, str]
) -> None:
    now = cloud.runtime.clock.now

    def run() -> dict[str, int]:
        done = from_environment(environment, now=now, more_time=lambda: True).run()
        lambda_runtime.drain()
        return done

    assert run()["handed"] == 0  # it may still be on its way
    for _ in range(3):
        cloud.runtime.clock.move(by=dt.timedelta(hours=1))
        assert run()["handed"] == 1
    cloud.runtime.clock.move(by=dt.timedelta(hours=1))
    assert run()["given_up"] == 1
    calls = [(key.split("/")[0], json.loads(body)) for key, body in objects(cloud, "calls")]
    assert calls.count(("checker", {"submission": {"key": LOST, "version": None}})) == 3
    assert calls.count(("scorer", {"publish": "land-cover"})) == 5
    assert calls.count(("scorer", {"publish": "climate-series"})) == 5
    [mail] = sns.mail()
    assert mail.to == "notices@example.org"
    assert LOST in mail.message
    [(key, receipt)] = objects(cloud, WORK, "receipts/")
    assert key == f"receipts/{LOST.removeprefix('submissions/')}.json"
    assert json.loads(receipt)["status"] == "failed"
    assert run()["given_up"] == 0


def objects(cloud: Cloud, bucket: str, prefix: str = "") -> list[tuple[str, bytes]]:
    s3 = whole_cloud.client(cloud, "s3")
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [
        (each["Key"], s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
        for each in found
    ]


def test_the_steward_reads_a_receipt_and_knows_when_there_is_none(
    cloud: Cloud, environment: dict[str, str]
) -> None:
    world = AwsWorld(
        cohort=environment["COHORT"],
        settings=environment["SETTINGS_PARAMETER"],
        work=environment["WORK_BUCKET"],
        checker=environment["CHECKER"],
        scorer=environment["SCORER"],
        notices=environment["NOTICES_TOPIC"],
    )
    assert world.settings().projects == ("land-cover", "climate-series")
    key = "receipts/land-cover/heron/1.npz.json"
    assert world.receipt(key) is None
    world.put_receipt(key, {"status": "waiting"})
    assert world.receipt(key) == {"status": "waiting"}
    whole_cloud.client(cloud, "s3").delete_object(Bucket=WORK, Key=key)


def test_the_steward_reads_no_submission_and_writes_nothing_but_receipts(
    cloud: Cloud, academy: Any, steward_keys: dict[str, str], refused: Any
) -> None:
    s3 = whole_cloud.client(cloud, "s3", steward_keys)
    vault = academy.arns.bucket_name("vault")
    refused(lambda: s3.get_object(Bucket=WORK, Key=LOST))
    refused(lambda: s3.get_object(Bucket=vault, Key="answers/land-cover/answers.json"))
    refused(lambda: s3.put_object(Bucket=WORK, Key="checked/land-cover/falcon/1.npz"))
    refused(lambda: s3.put_object(Bucket=WORK, Key=LOST))
    refused(lambda: s3.list_objects_v2(Bucket=WORK, Prefix="teams/"))
    sns = whole_cloud.client(cloud, "sns", steward_keys)
    refused(lambda: sns.publish(TopicArn=academy.arns.topic("news"), Message="x"))


def test_the_checker_reads_what_was_sent_and_reaches_neither_answers_nor_table(
    cloud: Cloud, academy: Any, refused: Any
) -> None:
    keys = keys_of(cloud, "checker", policies.checker(academy.arns))
    s3 = whole_cloud.client(cloud, "s3", keys)
    assert s3.get_object(Bucket=WORK, Key=LOST)["Body"].read() == b"hostile"
    s3.put_object(Bucket=WORK, Key="checked/land-cover/falcon/1.npz", Body=b"{}")
    s3.put_object(Bucket=WORK, Key="receipts/land-cover/falcon/1.npz.json", Body=b"{}")
    refused(
        lambda: s3.get_object(
            Bucket=academy.arns.bucket_name("vault"), Key="answers/land-cover/answers.json"
        )
    )
    refused(lambda: s3.get_object(Bucket=WORK, Key="checked/land-cover/falcon/1.npz"))
    refused(lambda: s3.put_object(Bucket=WORK, Key=LOST, Body=b""))
    refused(lambda: s3.put_object(Bucket=academy.arns.bucket_name("data"), Key="datasets/x"))
    table = whole_cloud.client(cloud, "dynamodb", keys)
    refused(
        lambda: table.get_item(
            TableName=academy.names.board_table, Key={"pk": {"S": "a"}, "sk": {"S": "b"}}
        )
    )
    whole_cloud.client(cloud, "s3").delete_object(
        Bucket=WORK, Key="receipts/land-cover/falcon/1.npz.json"
    )


def test_the_scorer_reads_the_answers_and_no_file_as_it_was_sent(
    cloud: Cloud, academy: Any, refused: Any
) -> None:
    keys = keys_of(cloud, "scorer", policies.scorer(academy.arns))
    s3 = whole_cloud.client(cloud, "s3", keys)
    whole_cloud.client(cloud, "s3").put_object(Bucket=WORK, Key="checked/land-cover/falcon/2.npz")
    s3.get_object(Bucket=WORK, Key="checked/land-cover/falcon/2.npz")
    s3.get_object(Bucket=academy.arns.bucket_name("vault"), Key="answers/land-cover/answers.json")
    refused(lambda: s3.get_object(Bucket=WORK, Key=LOST))
    refused(lambda: s3.put_object(Bucket=WORK, Key="checked/land-cover/falcon/2.npz"))
    sns = whole_cloud.client(cloud, "sns", keys)
    sns.publish(TopicArn=academy.arns.topic("news"), Message="falcon leads")
    refused(lambda: sns.publish(TopicArn=academy.arns.topic("notices"), Message="x"))


def test_a_learner_adds_submissions_and_overwrites_none(
    cloud: Cloud, academy: Any, refused: Any
) -> None:
    [team, *_] = academy.cohort.teams
    keys = keys_of(cloud, "ana", policies.learner(academy.arns, academy.cohort, team, "ana"))
    s3 = whole_cloud.client(cloud, "s3", keys)
    new = {"Bucket": WORK, "Key": "submissions/land-cover/falcon/new.npz"}
    refused(lambda: s3.put_object(**new, Body=b"x"))
    for kind in ("GLACIER", "DEEP_ARCHIVE", "STANDARD_IA"):
        refused(
            lambda kind=kind: s3.put_object(**new, Body=b"x", IfNoneMatch="*", StorageClass=kind)
        )
    refused(lambda: s3.put_object(**new, Body=b"x", IfNoneMatch="*", **OWN_KEY))
    s3.put_object(**new, Body=b"x", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**new, Body=b"y", IfNoneMatch="*")
    refused(lambda: s3.delete_object(**new))
    refused(lambda: s3.create_multipart_upload(**new))
    refused(
        lambda: s3.put_object(
            **{**new, "Key": LOST.replace("falcon", "heron")}, Body=b"x", IfNoneMatch="*"
        )
    )
    refused(lambda: s3.put_object(Bucket=WORK, Key="checked/land-cover/falcon/x", IfNoneMatch="*"))
    refused(lambda: s3.get_object(Bucket=WORK, Key="checked/land-cover/falcon/2.npz"))
    assert s3.get_object(**new)["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"x-amz-storage-class": "STANDARD"}, True),
        ({"x-amz-storage-class": "GLACIER"}, False),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
    ],
)
def test_a_learner_sends_only_what_the_checker_can_read(
    academy: Any, headers: dict[str, str], allowed: bool
) -> None:
    [team, *_] = academy.cohort.teams
    statements = policies.learner(academy.arns, academy.cohort, team, "ana")
    given = {"if-none-match": "*", **headers}
    request = iam.Request(
        iam.Principal.session("arn:aws:sts::123456789012:assumed-role/ana/ana", role_arn="ana"),
        "s3:PutObject",
        f"arn:aws:s3:::{WORK}/submissions/land-cover/falcon/new.npz",
        {f"s3:{name}": value for name, value in given.items()},
    )
    own = iam.Policies(identity=(iam.Policy.parse(document(statements)),))
    assert iam.decide(request, own).allowed is allowed
