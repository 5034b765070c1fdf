"""Faults over the wire: each service's own errors, repeated by boto3 as AWS's are; connections that
break before and after; what happens for whom and how often; what cannot happen is refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from infra.offline import dispatch, fault_errors, faults
from infra.offline.faults import Fault, UnknownFault
from infra.offline.server import Cloud
from infra.offline.services import lambda_runtime
from tests.offline import whole_cloud
from tests.offline.small_cloud import zipped

TABLE = {
    "TableName": "ledger",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        client(running, "secretsmanager").create_secret(Name="x", SecretString="x")
        whole_cloud.client(running, "dynamodb").create_table(**TABLE)
        yield running


@pytest.fixture(autouse=True)
def cleared(cloud: Cloud) -> Iterator[None]:
    yield
    faults.clear()


def client(cloud: Cloud, service: str, *, attempts: int = 1, **config: Any) -> Any:
    environment = cloud.client_environment()
    retries = {"total_max_attempts": attempts, "mode": config.pop("mode", "standard")}
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries=retries, **config),
    )


#: A harmless call of each service.
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "apigateway": ("apigatewayv2", "get_apis", {}),
    "budgets": ("budgets", "describe_budgets", {"AccountId": "123456789012"}),
    "cloudformation": ("cloudformation", "list_stacks", {}),
    "cloudtrail": ("cloudtrail", "lookup_events", {}),
    "codebuild": ("codebuild", "list_projects", {}),
    "cognito-idp": ("cognito-idp", "list_user_pools", {"MaxResults": 1}),
    "dynamodb": ("dynamodb", "list_tables", {}),
    "ec2": ("ec2", "describe_regions", {}),
    "ecr": ("ecr", "describe_repositories", {}),
    "events": ("events", "list_rules", {}),
    "iam": ("iam", "list_roles", {}),
    "kms": ("kms", "list_keys", {}),
    "lambda": ("lambda", "list_functions", {}),
    "logs": ("logs", "describe_log_groups", {}),
    "monitoring": ("cloudwatch", "describe_alarms", {}),
    "s3": ("s3", "list_buckets", {}),
    "sagemaker": ("sagemaker", "list_domains", {}),
    "scheduler": ("scheduler", "list_schedules", {}),
    "secretsmanager": ("secretsmanager", "describe_secret", {"SecretId": "x"}),
    "servicequotas": (
        "service-quotas",
        "list_service_quotas",
        {"ServiceCode": "sagemaker"},
    ),
    "sns": ("sns", "list_topics", {}),
    "sqs": ("sqs", "list_queues", {}),
    "ssm": ("ssm", "describe_parameters", {}),
    "sts": ("sts", "get_caller_identity", {}),
}


#: What the academy's own code calls most; the others are tried by `make test-slow`.
OFTEN = ("dynamodb", "lambda", "s3", "sagemaker", "scheduler")


def test_every_modelled_service_has_its_errors() -> None:
    assert set(fault_errors.ERRORS) == set(dispatch.FORMS) == set(CALLS)


@pytest.mark.parametrize(
    ("service", "kind", "error"),
    [
        pytest.param(service, kind, errors[0], marks=[] if service in OFTEN else pytest.mark.slow)
        for service, kinds in fault_errors.ERRORS.items()
        for kind, errors in kinds.items()
        if kind in ("throttle", "internal")
    ],
    ids=lambda value: value.code if isinstance(value, fault_errors.Error) else value,
)
def test_a_client_reads_the_services_own_error(
    cloud: Cloud, service: str, kind: str, error: fault_errors.Error
) -> None:
    name, method, arguments = CALLS[service]
    calls = client(cloud, name)
    faults.add(Fault(kind, service))
    with pytest.raises(ClientError) as said:
        getattr(calls, method)(**arguments)
    answer = said.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (
        error.code,
        error.status,
    )
    assert answer["Error"]["Message"] == error.message
    getattr(calls, method)(**arguments)


@pytest.mark.parametrize(
    ("service", "kind", "mode"),
    [
        *(
            ("dynamodb", kind, mode)
            for kind in ("throttle", "internal", "closed-before", "closed-after")
            for mode in ("legacy", "standard")
        ),
        *((service, "throttle", "legacy") for service in ("lambda", "scheduler")),
        *((service, "throttle", "standard") for service in ("s3", "sagemaker", "ssm")),
        ("s3", "closed-after", "standard"),
        ("sagemaker", "internal", "legacy"),
    ],
)
def test_three_attempts_survive_two_faults_and_not_three(
    cloud: Cloud, service: str, kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    name, method, arguments = CALLS[service]
    calls = client(cloud, name, attempts=3, mode=mode)
    faults.add(Fault(kind, service, count=2))
    answer = getattr(calls, method)(**arguments)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    faults.clear()
    faults.add(Fault(kind, service, count=3))
    with pytest.raises((ClientError, ConnectionClosedError)):
        getattr(calls, method)(**arguments)
    assert [each["left"] for each in faults.shown()] == [0]


def item(key: str) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": "ledger",
            "Item": {"pk": {"S": key}, "n": {"N": "1"}, "b": {"B": b"\x00"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }


def test_a_transaction_is_cancelled_with_a_reason_for_each_item(cloud: Cloud) -> None:
    table = client(cloud, "dynamodb")
    faults.add(Fault("conflict", "dynamodb", "TransactWriteItems"))
    with pytest.raises(ClientError) as said:
        table.transact_write_items(TransactItems=[item("a"), item("b")])
    assert said.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert said.value.response["Error"]["Message"].endswith("[TransactionConflict, None]")
    reasons = said.value.response["CancellationReasons"]
    assert [each["Code"] for each in reasons] == ["TransactionConflict", "None"]
    assert "Item" not in table.get_item(TableName="ledger", Key={"pk": {"S": "a"}})
    faults.add(Fault("conflict", "dynamodb", "TransactWriteItems", reasons=("ThrottlingError",)))
    with pytest.raises(ClientError, match=r"\[ThrottlingError\]"):
        table.transact_write_items(TransactItems=[item("a")])


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("TransactWriteItems", "TransactionInProgressException"),
        ("PutItem", "TransactionConflictException"),
        ("GetItem", "TransactionConflictException"),
    ],
)
def test_dynamodb_conflicts_in_other_ways(cloud: Cloud, operation: str, code: str) -> None:
    table = client(cloud, "dynamodb")
    faults.add(Fault("conflict", "dynamodb", operation, code=code))
    calls: dict[str, Any] = {
        "TransactWriteItems": lambda: table.transact_write_items(TransactItems=[item("c")]),
        "PutItem": lambda: table.put_item(TableName="ledger", Item={"pk": {"S": "c"}}),
        "GetItem": lambda: table.get_item(TableName="ledger", Key={"pk": {"S": "c"}}),
    }
    with pytest.raises(ClientError) as said:
        calls[operation]()
    assert said.value.response["Error"]["Code"] == code


def test_what_was_done_and_not_told_is_done_once_when_it_is_repeated(cloud: Cloud) -> None:
    """boto3 repeats the transaction under the token that it gave it: the same transaction."""
    table = client(cloud, "dynamodb", attempts=3)
    faults.add(Fault("closed-after", "dynamodb", "TransactWriteItems", count=2))
    update = {
        "Update": {
            "TableName": "ledger",
            "Key": {"pk": {"S": "sum"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    table.transact_write_items(TransactItems=[item("once"), update])
    found = table.get_item(TableName="ledger", Key={"pk": {"S": "sum"}})["Item"]
    assert found["n"] == {"N": "1"}


def test_a_token_stands_for_one_transaction_and_ten_minutes(cloud: Cloud) -> None:
    table = client(cloud, "dynamodb")
    for _ in range(2):
        table.transact_write_items(TransactItems=[item("t1")], ClientRequestToken="t")
    with pytest.raises(ClientError) as said:
        table.transact_write_items(TransactItems=[item("t2")], ClientRequestToken="t")
    assert said.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
    cloud.runtime.clock.move(by=timedelta(minutes=11))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        table.transact_write_items(TransactItems=[item("t1")], ClientRequestToken="t")


@pytest.mark.parametrize(("kind", "there"), [("closed-before", False), ("closed-after", True)])
def test_a_connection_closes_before_or_after_the_operation(
    cloud: Cloud, kind: str, there: bool
) -> None:
    s3 = client(cloud, "s3")
    faults.add(Fault(kind, "s3", "CreateBucket"))
    with pytest.raises(ConnectionClosedError):
        s3.create_bucket(Bucket=f"made-{kind}")
    names = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert (f"made-{kind}" in names) == there


def test_a_silent_connection_is_a_time_out(cloud: Cloud) -> None:
    faults.add(Fault("closed-before", "ssm", seconds=1.0))
    with pytest.raises(ReadTimeoutError):
        client(cloud, "ssm", read_timeout=0.3).describe_parameters()


def test_a_fault_is_of_its_operation_member_and_caller(cloud: Cloud) -> None:
    role = whole_cloud.role(cloud, "reader", "lambda", (["dynamodb:GetItem"], "*"))
    mine = whole_cloud.as_role(cloud, role, "dynamodb")
    table = client(cloud, "dynamodb")
    faults.add(
        Fault(
            "conflict", "dynamodb", "GetItem", match={"Key.pk.S": "learner#*"}, caller="*:role/rea*"
        )
    )
    key = {"pk": {"S": "learner#ana"}}
    table.list_tables()
    table.get_item(TableName="ledger", Key=key)
    mine.get_item(TableName="ledger", Key={"pk": {"S": "team"}})
    with pytest.raises(ClientError, match="TransactionConflict"):
        mine.get_item(TableName="ledger", Key=key)
    mine.get_item(TableName="ledger", Key=key)


def test_members_of_rest_services_and_forms_are_matched_too(cloud: Cloud) -> None:
    s3, sts = client(cloud, "s3"), client(cloud, "sts")
    s3.create_bucket(Bucket="matched")
    faults.add(Fault("throttle", "s3", "PutObject", match={"Key": "receipts/*"}))
    s3.put_object(Bucket="matched", Key="other", Body=b"1")
    with pytest.raises(ClientError, match="SlowDown"):
        s3.put_object(Bucket="matched", Key="receipts/1", Body=b"1")
    role = whole_cloud.role(cloud, "putter", "lambda", (["s3:PutObject"], "*"))
    mine = whole_cloud.as_role(cloud, role, "s3")
    faults.add(Fault("conflict", "s3", "PutObject", match={"Key": "boards/*"}, caller="*:role/pu*"))
    mine.put_object(Bucket="matched", Key="other", Body=b"1")
    with pytest.raises(ClientError, match="OperationAborted"):
        mine.put_object(Bucket="matched", Key="boards/1", Body=b"1")
    faults.add(Fault("throttle", "sts", match={"Action": "GetCaller*"}))
    with pytest.raises(ClientError, match="Throttling"):
        sts.get_caller_identity()


def test_a_probability_is_the_same_for_one_seed(cloud: Cloud) -> None:
    table = client(cloud, "dynamodb")

    def run(seed: int) -> list[bool]:
        faults.clear()
        faults.add(Fault("throttle", "dynamodb", probability=0.5, seed=seed))
        met = []
        for _ in range(30):
            try:
                table.list_tables()
                met.append(False)
            except ClientError:
                met.append(True)
        return met

    first = run(3)
    assert first == run(3) != run(4)
    assert 5 < sum(first) < 25


def test_one_code_of_several_may_be_asked_for_and_applies_where_it_exists(cloud: Cloud) -> None:
    ssm = client(cloud, "ssm")
    faults.add(Fault("conflict", "ssm"))
    ssm.describe_parameters()
    with pytest.raises(ClientError, match="TooManyUpdates"):
        ssm.put_parameter(Name="/a", Value="1", Type="String")


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"kind": "earthquake", "service": "s3"}, "kind earthquake"),
        ({"kind": "dropped", "service": "events"}, "at least once"),
        ({"kind": "throttle", "service": "rds"}, "service rds"),
        ({"kind": "throttle", "service": "s3", "operation": "PutItem"}, "operation PutItem"),
        ({"kind": "conflict", "service": "sts"}, "kind conflict"),
        ({"kind": "throttle", "service": "s3", "code": "Nope"}, "code Nope"),
        (
            {
                "kind": "conflict",
                "service": "dynamodb",
                "operation": "GetItem",
                "code": "TransactionInProgressException",
            },
            "GetItem",
        ),
        ({"kind": "closed-before", "service": "s3", "code": "SlowDown"}, "neither code"),
        ({"kind": "crash-before", "service": "s3"}, "is of service lambda"),
        ({"kind": "twice", "service": "events", "match": {"bus": "x"}}, "match bus"),
        ({"kind": "late", "service": "events"}, "by how many seconds"),
        ({"kind": "throttle", "service": "s3", "count": 0}, "count 0"),
        ({"kind": "throttle", "service": "s3", "probability": 2}, "probability 2"),
        ({"kind": "throttle", "service": "s3", "count": "2"}, "count of a fault"),
        ({"kind": "throttle", "service": "s3", "often": 2}, "no often"),
        ({"kind": "throttle"}, "needs service"),
        ({"kind": "throttle", "service": "s3", "reasons": ["None"]}, "reasons"),
    ],
)
def test_what_cannot_happen_is_refused_by_name(
    cloud: Cloud, fault: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnknownFault, match=named):
        faults.add(Fault.from_json(fault))
    assert faults.shown() == []
    status, answer = control(cloud, "POST", fault)
    assert status == 400
    assert named in answer["error"]


def control(cloud: Cloud, method: str, body: Any = None, query: str = "") -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310
        f"{cloud.endpoint}/_academy/faults{query}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_faults_are_set_looked_at_and_taken_back_over_http(cloud: Cloud) -> None:
    fault = {"kind": "throttle", "service": "ssm", "operation": "GetParameter", "count": 2}
    status, answer = control(cloud, "POST", fault)
    assert status == 200
    [shown] = answer["faults"]
    assert shown | fault == shown
    assert (shown["happened"], shown["left"]) == (0, 2)
    with pytest.raises(ClientError, match="ThrottlingException"):
        client(cloud, "ssm").get_parameter(Name="/x")
    assert control(cloud, "GET")[1]["faults"][0]["happened"] == 1
    control(cloud, "POST", {"chaos": {"seed": 1, "probability": 0.01}})
    assert len(control(cloud, "GET")[1]["faults"]) > 20
    assert len(control(cloud, "DELETE", query=f"?id={shown['id']}")[1]["faults"]) > 20
    assert control(cloud, "DELETE", query="?id=f0")[0] == 404
    assert control(cloud, "DELETE") == (200, {"faults": []})


# --- functions that die -------------------------------------------------------------------------
WRITES = """
import os, boto3
def handler(event, context):
    client = boto3.client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    client.update_item(
        TableName="ledger", Key={"pk": {"S": event["key"]}},
        UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}},
    )
    return "done"
"""


@pytest.fixture(scope="module")
def writer(cloud: Cloud) -> str:
    role = whole_cloud.role(cloud, "writer", "lambda", (["dynamodb:UpdateItem"], "*"))
    client(cloud, "lambda").create_function(
        FunctionName="writer",
        Runtime="python3.11",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": zipped({"app.py": WRITES})},
        Timeout=7,
    )
    return "writer"


def written(cloud: Cloud, key: str) -> int:
    found = client(cloud, "dynamodb").get_item(TableName="ledger", Key={"pk": {"S": key}})
    return int(found.get("Item", {}).get("n", {"N": "0"})["N"])


DIES = [
    (Fault("crash-before", "lambda"), 0, "Runtime.ExitError", "signal: killed"),
    (Fault("crash-after", "lambda"), 1, "Runtime.ExitError", "signal: killed"),
    (Fault("timeout-before", "lambda"), 0, "Sandbox.Timedout", "timed out after 7.00 seconds"),
    (Fault("timeout-after", "lambda"), 1, "Sandbox.Timedout", "timed out after 7.00 seconds"),
    (Fault("init-error", "lambda"), 0, "Runtime.ExitError", "exit status 1"),
    (Fault("out-of-memory", "lambda"), 0, "Runtime.OutOfMemory", "signal: killed"),
    (Fault("dies-before", "dynamodb"), 0, "Runtime.ExitError", "signal: killed"),
    (Fault("dies-after", "dynamodb"), 1, "Runtime.ExitError", "signal: killed"),
]


@pytest.mark.parametrize(
    ("fault", "done", "kind", "message"), DIES, ids=[fault.kind for fault, *_ in DIES]
)
def test_a_function_dies_and_its_caller_is_told_so(
    cloud: Cloud, writer: str, fault: Fault, done: int, kind: str, message: str
) -> None:
    key = f"sync-{fault.kind}"
    faults.add(fault)
    functions = client(cloud, "lambda")
    payload = json.dumps({"key": key})
    answer = functions.invoke(FunctionName=writer, Payload=payload)
    said = json.loads(answer["Payload"].read())
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert said["errorType"] == kind
    assert message in said["errorMessage"]
    assert written(cloud, key) == done
    again = functions.invoke(FunctionName=writer, Payload=payload)
    assert json.loads(again["Payload"].read()) == "done"
    assert written(cloud, key) == done + 1


def test_a_function_that_dies_on_an_event_is_tried_twice_more(cloud: Cloud, writer: str) -> None:
    faults.add(Fault("crash-after", "lambda", match={"FunctionName": "writ*"}, count=9))
    client(cloud, "lambda").invoke(
        FunctionName=writer, InvocationType="Event", Payload=json.dumps({"key": "event"})
    )
    assert lambda_runtime.drain(20)
    assert written(cloud, "event") == 1
    cloud.runtime.clock.move(by=timedelta(seconds=61))
    assert written(cloud, "event") == 2
    cloud.runtime.clock.move(by=timedelta(seconds=121))
    assert written(cloud, "event") == 3
    cloud.runtime.clock.move(by=timedelta(hours=7))
    assert written(cloud, "event") == 3


@pytest.mark.parametrize("kind", ["throttle", "internal"])
def test_what_lambda_itself_fails_on_is_tried_for_hours_and_no_try_is_counted(
    cloud: Cloud, writer: str, kind: str
) -> None:
    key = f"returned-{kind}"
    faults.add(Fault(kind, "lambda", "Invoke", caller="lambda.amazonaws.com", count=20))
    client(cloud, "lambda").invoke(
        FunctionName=writer, InvocationType="Event", Payload=json.dumps({"key": key})
    )
    assert lambda_runtime.drain(20)
    # 1, 2, 4, … 256 seconds, then 300 each time: 20 of them take 3811 seconds.
    cloud.runtime.clock.move(by=timedelta(seconds=3800))
    assert written(cloud, key) == 0
    assert [each["left"] for each in faults.shown()] == [0]
    cloud.runtime.clock.move(by=timedelta(seconds=20))
    assert written(cloud, key) == 1
