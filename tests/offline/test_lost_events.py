"""What a function fails on to the end is kept, and what CloudWatch counts of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.cloudwatch.models import cloudwatch_backends

from infra.offline.authorization import credentials
from infra.offline.server import Cloud
from infra.offline.services import events, lambda_runtime, sns, sqs
from tests.offline.small_cloud import ACCOUNT, REGION, zipped

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-letters"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
CODE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("cannot")
    return "done"
"""


class Running:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.clock = cloud.runtime.clock

    def client(self, service: str, **keys: str) -> Any:
        environment = self.cloud.client_environment()
        return boto3.client(
            service,
            endpoint_url=self.cloud.endpoint,
            region_name=REGION,
            **(
                keys
                or {
                    "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
                    "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
                }
            ),
        )

    def as_role(self, service: str) -> Any:
        keys = credentials.for_role(ROLE, session_name="worker")
        return self.client(
            service,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
        )

    def role(self, *statements: dict[str, Any]) -> None:
        iam = self.client("iam")
        trust = {"Service": "lambda.amazonaws.com"}
        statement = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
        iam.create_role(
            RoleName="worker",
            AssumeRolePolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [statement]}
            ),
        )
        if statements:
            iam.put_role_policy(
                RoleName="worker",
                PolicyName="own",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
            )

    def function(self) -> str:
        made = self.client("lambda").create_function(
            FunctionName="worker",
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": zipped({"app.py": CODE})},
            Timeout=20,
        )
        return str(made["FunctionArn"])

    def destination(self) -> None:
        self.client("lambda").put_function_event_invoke_config(
            FunctionName="worker",
            DestinationConfig={"OnFailure": {"Destination": QUEUE}},
        )

    def call(self, **event: Any) -> None:
        self.client("lambda").invoke(
            FunctionName="worker", InvocationType="Event", Payload=json.dumps(event)
        )

    def pass_time(self, **by: float) -> None:
        self.clock.move(by=timedelta(**by))

    def messages(self) -> list[dict[str, Any]]:
        found = self.client("sqs").receive_message(
            QueueUrl=sqs.url("dead-letters"),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
        )
        return list(found.get("Messages", ()))

    def metric(self, name: str) -> float:
        return sum(
            datum.value
            for datum in cloudwatch_backends[ACCOUNT][REGION].metric_data
            if datum.name == name
            and [(each.name, each.value) for each in datum.dimensions]
            == [("FunctionName", "worker")]
        )


MAY_SEND = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE}


@pytest.fixture
def cloud(tmp_path) -> Iterator[Running]:
    with Cloud(state=tmp_path) as running:
        made = Running(running)
        made.client("sqs").create_queue(QueueName="dead-letters")
        yield made


def test_an_event_that_fails_three_times_is_kept_with_why(cloud: Running) -> None:
    cloud.role(MAY_SEND)
    cloud.function()
    cloud.destination()
    cloud.call(fail=True, job="a")
    cloud.pass_time(minutes=4)
    [message] = cloud.messages()
    record = json.loads(message["Body"])
    assert record["requestPayload"] == {"fail": True, "job": "a"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"]["errorMessage"] == "cannot"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert (cloud.metric("Invocations"), cloud.metric("Errors")) == (3, 3)


def test_an_event_that_succeeds_leaves_nothing(cloud: Running) -> None:
    cloud.role(MAY_SEND)
    cloud.function()
    cloud.destination()
    cloud.call(fail=False)
    cloud.pass_time(minutes=4)
    assert cloud.messages() == []
    assert (cloud.metric("Invocations"), cloud.metric("Errors")) == (1, 0)


def test_a_function_that_may_not_run_at_all_gives_its_events_up_at_once(cloud: Running) -> None:
    cloud.role(MAY_SEND)
    cloud.function()
    cloud.destination()
    cloud.client("lambda").put_function_concurrency(
        FunctionName="worker", ReservedConcurrentExecutions=0
    )
    cloud.call(job="a")
    assert lambda_runtime.drain()
    [message] = cloud.messages()
    assert json.loads(message["Body"])["requestContext"] | {"requestId": ""} == {
        "requestId": "",
        "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:worker:$LATEST",
        "condition": "ZeroReservedConcurrency",
        "approximateInvokeCount": 0,
    }
    assert cloud.metric("Invocations") == 0


def test_throttled_calls_are_counted_as_such(cloud: Running) -> None:
    cloud.role()
    cloud.function()
    functions = cloud.client("lambda")
    functions.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        functions.invoke(FunctionName="worker")
    assert cloud.metric("Throttles") >= 1
    assert cloud.metric("Invocations") == 0


def test_without_a_destination_a_lost_event_is_counted(cloud: Running) -> None:
    cloud.role()
    cloud.function()
    cloud.call(fail=True)
    cloud.pass_time(minutes=4)
    assert cloud.messages() == []
    assert cloud.metric("AsyncEventsDropped") == 1


def test_a_destination_that_the_role_may_not_write_to_is_refused(cloud: Running) -> None:
    cloud.role()
    cloud.function()
    with pytest.raises(ClientError, match="does not have permissions to call SendMessage"):
        cloud.destination()


@pytest.mark.parametrize(
    ("when", "target"),
    [
        ("OnSuccess", QUEUE),
        ("OnFailure", f"arn:aws:sqs:{REGION}:{ACCOUNT}:none"),
        ("OnFailure", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other"),
    ],
)
def test_a_destination_that_is_not_emulated_is_refused(
    cloud: Running, when: str, target: str
) -> None:
    cloud.role(MAY_SEND)
    cloud.function()
    with pytest.raises(ClientError, match="is not emulated"):
        cloud.client("lambda").put_function_event_invoke_config(
            FunctionName="worker", DestinationConfig={when: {"Destination": target}}
        )


def rule(cloud: Running, queue_policy: dict[str, Any] | None) -> str:
    cloud.role()
    function = cloud.function()
    rules = cloud.client("events")
    arn = rules.put_rule(Name="ended", EventPattern='{"source": ["a"]}')["RuleArn"]
    target = {"Id": "1", "Arn": function, "DeadLetterConfig": {"Arn": QUEUE}}
    rules.put_targets(Rule="ended", Targets=[target])
    if queue_policy is not None:
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=sqs.url("dead-letters"),
            Attributes={
                "Policy": json.dumps({"Version": "2012-10-17", "Statement": [queue_policy]})
            },
        )
    return str(arn)


def rules_may_write(**condition: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": condition or {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }


def test_an_event_that_a_rule_may_not_hand_over_is_kept_with_why(cloud: Running) -> None:
    arn = rule(cloud, rules_may_write())
    events.emit("a", "b", {"x": 1}, [])
    [message] = cloud.messages()
    assert json.loads(message["Body"])["detail"] == {"x": 1}
    told = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert told["ERROR_CODE"] == "NO_PERMISSIONS"
    assert told["RULE_ARN"] == arn


@pytest.mark.parametrize(
    "policy",
    [None, rules_may_write(StringEquals={"aws:SourceAccount": "111122223333"})],
    ids=["no policy", "another account's"],
)
def test_a_queue_takes_dead_letters_only_if_its_policy_lets_rules_in(
    cloud: Running, policy: dict[str, Any] | None
) -> None:
    rule(cloud, policy)
    events.emit("a", "b", {}, [])
    assert cloud.messages() == []


def test_waiting_letters_raise_the_alarm_and_reading_them_ends_it(cloud: Running) -> None:
    alarms = cloud.client("cloudwatch")
    alarms.put_metric_alarm(
        AlarmName="letters",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "dead-letters"}],
        Statistic="Maximum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )

    def state() -> str:
        return str(alarms.describe_alarms()["MetricAlarms"][0]["StateValue"])

    cloud.pass_time(minutes=5)
    assert state() == "OK"
    queue, url = cloud.client("sqs"), sqs.url("dead-letters")
    queue.send_message(QueueUrl=url, MessageBody="lost")
    cloud.pass_time(minutes=5)
    assert state() == "ALARM"
    [message] = cloud.messages()
    queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    cloud.pass_time(minutes=5)
    assert state() == "OK"


# --- roles that publish -------------------------------------------------------------------------
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:notices"


def test_a_role_publishes_to_an_encrypted_topic_with_the_key_through_sns_alone(
    cloud: Running,
) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    admin = cloud.client("sns")
    admin.create_topic(Name="notices", Attributes={"KmsMasterKeyId": key})
    admin.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="admin@example.org")
    publish = {"Effect": "Allow", "Action": "sns:Publish", "Resource": TOPIC}
    cloud.role(publish)
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        cloud.as_role("sns").publish(TopicArn=TOPIC, Message="m")
    use = {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": key,
        "Condition": {"StringEquals": {"kms:ViaService": f"sns.{REGION}.amazonaws.com"}},
    }
    cloud.client("iam").put_role_policy(
        RoleName="worker",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [publish, use]}),
    )
    cloud.as_role("sns").publish(TopicArn=TOPIC, Subject="Soon", Message="15 minutes left")
    assert [(mail.subject, mail.message) for mail in sns.mail()] == [("Soon", "15 minutes left")]
    with pytest.raises(ClientError, match="kms:Decrypt"):
        cloud.as_role("kms").decrypt(CiphertextBlob=b"x" * 40, KeyId=key)


def test_a_denial_in_the_topics_policy_holds_for_roles(cloud: Running) -> None:
    cloud.client("sns").create_topic(Name="notices")
    cloud.role({"Effect": "Allow", "Action": "sns:Publish", "Resource": TOPIC})
    cloud.as_role("sns").publish(TopicArn=TOPIC, Message="m")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": TOPIC}
    cloud.client("sns").set_topic_attributes(
        TopicArn=TOPIC,
        AttributeName="Policy",
        AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
    )
    with pytest.raises(ClientError, match="explicit deny"):
        cloud.as_role("sns").publish(TopicArn=TOPIC, Message="m")


@pytest.mark.parametrize(
    ("service", "operation", "asked", "named"),
    [
        ("sns", "create_topic", {"Name": "t.fifo", "Attributes": {"FifoTopic": "true"}}, "Fifo"),
        (
            "sns",
            "create_topic",
            {"Name": "t", "Attributes": {"TracingConfig": "Active"}},
            "TracingConfig",
        ),
        ("sns", "subscribe", {"TopicArn": TOPIC, "Protocol": "sms", "Endpoint": "+1555"}, "sms"),
        (
            "sns",
            "subscribe",
            {"TopicArn": TOPIC, "Protocol": "https", "Endpoint": "https://x"},
            "https",
        ),
        ("sqs", "create_queue", {"QueueName": "q.fifo"}, "FIFO"),
        (
            "sqs",
            "create_queue",
            {"QueueName": "q", "Attributes": {"KmsMasterKeyId": "alias/x"}},
            "KmsMasterKeyId",
        ),
        (
            "sqs",
            "set_queue_attributes",
            {"QueueUrl": "dead-letters", "Attributes": {"RedrivePolicy": "{}"}},
            "RedrivePolicy",
        ),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(
    cloud: Running, service: str, operation: str, asked: dict[str, Any], named: str
) -> None:
    cloud.client("sns").create_topic(Name="notices")
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client(service), operation)(**asked)
    assert named in refused.value.response["Error"]["Message"]
