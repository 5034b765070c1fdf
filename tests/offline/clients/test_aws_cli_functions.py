"""The AWS CLI and what runs without a server: functions, their logs, schedules, rules, messages."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.offline.server import Cloud
from tests.offline.clients.aws_cli import SERVICE_REFUSED, WAITER_FAILED, AwsCli
from tests.offline.services.sagemaker.studio_cloud import until
from tests.offline.small_cloud import zipped
from tests.offline.whole_cloud import role

pytestmark = pytest.mark.clients

CODE = """\
def handler(event, context):
    if event.get("fail"):
        raise ValueError("asked to")
    print("told", event["name"])
    return {"arn": context.invoked_function_arn, "name": event["name"]}
"""
GROUP = "/aws/lambda/greets"
#: What SQS says of a queue that is not there, in the code that its older protocol had.
GONE = "AWS.SimpleQueueService.NonExistentQueue"


@pytest.fixture(scope="module")
def function(aws: AwsCli, cloud: Cloud) -> str:
    bundle = aws.home / "bundle.zip"
    bundle.write_bytes(zipped({"app.py": CODE}))
    aws("logs", "create-log-group", f"--log-group-name={GROUP}")
    aws(
        "lambda",
        "create-function",
        "--function-name=greets",
        "--runtime=python3.11",
        "--handler=app.handler",
        f"--role={role(cloud, 'greeter', 'lambda')}",
        f"--zip-file=fileb://{bundle}",
        "--timeout=20",
        "--environment=Variables={COHORT=earth}",
    )
    aws("lambda", "wait", "function-active-v2", "--function-name=greets")
    version = aws("lambda", "publish-version", "--function-name=greets")["Version"]
    aws(
        "lambda",
        "create-alias",
        "--function-name=greets",
        "--name=ana",
        f"--function-version={version}",
    )
    return "greets"


def invoke(aws: AwsCli, function: str, event: object, *more: str) -> tuple[dict[str, Any], Any]:
    """What the CLI prints of the call, and what the function returned."""
    out = aws.home / "out.json"
    out.unlink(missing_ok=True)
    told = aws(
        "lambda",
        "invoke",
        f"--function-name={function}",
        "--payload",
        json.dumps(event),
        *more,
        str(out),
    )
    text = out.read_text()
    return told, json.loads(text) if text else None


def test_an_alias_is_called_and_answers(aws: AwsCli, function: str) -> None:
    told, answer = invoke(aws, function, {"name": "ana"}, "--qualifier=ana", "--log-type=Tail")
    assert told["StatusCode"] == 200
    assert told["ExecutedVersion"] == "1"
    assert answer["arn"].endswith(":function:greets:ana")
    tail = base64.b64decode(told["LogResult"]).decode()
    assert tail.startswith("START RequestId: ")
    assert "told ana\n" in tail
    assert "\nREPORT RequestId: " in tail
    _, answer = invoke(aws, f"{function}:ana", {"name": "by name"})
    assert answer["arn"].endswith(":function:greets:ana")


def test_an_error_of_the_function_is_its_answer(aws: AwsCli, function: str) -> None:
    told, answer = invoke(aws, function, {"fail": True})
    assert (told["StatusCode"], told["FunctionError"]) == (200, "Unhandled")
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "asked to")


def test_an_event_is_taken_and_runs_later(aws: AwsCli, function: str) -> None:
    told, answer = invoke(aws, function, {"name": "later"}, "--invocation-type=Event")
    assert (told, answer) == ({"StatusCode": 202}, None)
    words = ("logs", "filter-log-events", f"--log-group-name={GROUP}")
    until(lambda: "told later\n" in aws(*words, "--query=events[].message"))
    told, _ = invoke(aws, function, {}, "--invocation-type=DryRun")
    assert told == {"StatusCode": 204}


def test_functions_are_described_and_changed(aws: AwsCli, function: str) -> None:
    assert aws("lambda", "list-functions", "--query=Functions[].FunctionName") == [function]
    named = f"--function-name={function}"
    got = aws("lambda", "get-function", named)
    assert got["Configuration"]["State"] == "Active"
    assert got["Configuration"]["Environment"] == {"Variables": {"COHORT": "earth"}}
    aws("lambda", "update-function-configuration", named, "--timeout=30")
    aws("lambda", "wait", "function-updated", named)
    aws("lambda", "wait", "function-updated-v2", named)
    assert aws("lambda", "get-function-configuration", named)["Timeout"] == 30
    bundle = aws.home / "bundle.zip"
    aws("lambda", "update-function-code", named, f"--zip-file=fileb://{bundle}")
    aws("lambda", "wait", "function-updated-v2", named)
    [alias] = aws("lambda", "list-aliases", named)["Aliases"]
    assert (alias["Name"], alias["FunctionVersion"]) == ("ana", "1")
    assert aws("lambda", "get-alias", named, "--name=ana") == alias
    versions = aws("lambda", "list-versions-by-function", named, "--query=Versions[].Version")
    assert versions == ["$LATEST", "1"]


def test_a_function_that_may_not_run_is_throttled(aws: AwsCli, function: str) -> None:
    named = f"--function-name={function}"
    aws("lambda", "put-function-concurrency", named, "--reserved-concurrent-executions=0")
    reserved = aws("lambda", "get-function-concurrency", named)
    assert reserved == {"ReservedConcurrentExecutions": 0}
    refusal = aws.refused("lambda", "invoke", named, "--payload={}", str(aws.home / "out"))
    assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "TooManyRequestsException")
    aws("lambda", "delete-function-concurrency", named)
    assert invoke(aws, function, {"name": "again"})[1]["name"] == "again"


def test_functions_that_are_missing_or_forbidden(aws: AwsCli, cloud: Cloud, function: str) -> None:
    out = str(aws.home / "out")
    for words in (
        ("get-function", "--function-name=never"),
        ("get-alias", f"--function-name={function}", "--name=never"),
        ("invoke", "--function-name=never", out),
        ("invoke", f"--function-name={function}", "--qualifier=never", out),
    ):
        refusal = aws.refused("lambda", *words)
        assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "ResourceNotFoundException")
        assert "never" in refusal.message
    nobody = aws.as_role(role(cloud, "nobody", "sagemaker"))
    denied = nobody.refused("lambda", "invoke", f"--function-name={function}", out)
    assert (denied.status, denied.code) == (SERVICE_REFUSED, "AccessDeniedException")
    assert "lambda:InvokeFunction" in denied.message
    waited = aws.run("lambda", "wait", "function-active-v2", "--function-name=never")
    assert waited.status == WAITER_FAILED
    assert "ResourceNotFoundException" in waited.errors


# --- logs -----------------------------------------------------------------------------------------
def test_logs_are_written_and_read(aws: AwsCli, cloud: Cloud) -> None:
    group, stream = "--log-group-name=/academy/cli", "--log-stream-name=one"
    aws("logs", "create-log-group", group)
    again = aws.refused("logs", "create-log-group", group)
    assert (again.status, again.code) == (SERVICE_REFUSED, "ResourceAlreadyExistsException")
    aws("logs", "create-log-stream", group, stream)
    now = int(cloud.runtime.clock.now().timestamp() * 1000)
    events = [{"timestamp": now + number, "message": f"line {number}"} for number in range(5)]
    aws("logs", "put-log-events", group, stream, f"--log-events={json.dumps(events)}")
    got = aws("logs", "get-log-events", group, stream, "--start-from-head", "--limit=3")
    assert [each["message"] for each in got["events"]] == ["line 0", "line 1", "line 2"]
    rest = aws("logs", "get-log-events", group, stream, "--next-token", got["nextForwardToken"])
    assert [each["message"] for each in rest["events"]] == ["line 3", "line 4"]
    # At the end the token stays what it is: so a reader knows.
    last = aws("logs", "get-log-events", group, stream, "--next-token", rest["nextForwardToken"])
    assert (last["events"], last["nextForwardToken"]) == ([], rest["nextForwardToken"])
    found = aws(
        "logs",
        "filter-log-events",
        group,
        '--filter-pattern="line 3"',
        f"--start-time={now}",
        "--query=events[].message",
    )
    assert found == ["line 3"]
    [listed] = aws("logs", "describe-log-streams", group)["logStreams"]
    assert listed["logStreamName"] == "one"
    [listed] = aws("logs", "describe-log-groups", "--log-group-name-prefix=/academy/cli")[
        "logGroups"
    ]
    assert listed["logGroupName"] == "/academy/cli"
    aws("logs", "delete-log-stream", group, stream)
    missing = aws.refused("logs", "get-log-events", group, stream)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ResourceNotFoundException")
    aws("logs", "delete-log-group", group)


# --- schedules and rules --------------------------------------------------------------------------
def test_a_schedule_is_made_changed_and_fires(aws: AwsCli, cloud: Cloud, function: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    caller = role(cloud, "caller", "scheduler", (["lambda:InvokeFunction"], f"{arn}*"))
    when = cloud.runtime.clock.now() + timedelta(hours=2)
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
        "RoleArn": caller,
        "Input": json.dumps(
            {
                "FunctionName": arn,
                "InvocationType": "Event",
                "Payload": json.dumps({"name": "scheduled"}),
            }
        ),
    }
    words = (
        "--name=once",
        "--flexible-time-window=Mode=OFF",
        f"--target={json.dumps(target)}",
        "--action-after-completion=DELETE",
    )
    later = f"--schedule-expression=at({when + timedelta(days=9):%Y-%m-%dT%H:%M:%S})"
    aws("scheduler", "create-schedule", *words, later)
    aws("scheduler", "delete-schedule", "--name=once")
    aws("scheduler", "create-schedule", *words, later)
    again = aws.refused("scheduler", "create-schedule", *words, later)
    assert (again.status, again.code) == (SERVICE_REFUSED, "ConflictException")
    expression = f"at({when:%Y-%m-%dT%H:%M:%S})"
    aws("scheduler", "update-schedule", *words, f"--schedule-expression={expression}")
    got = aws("scheduler", "get-schedule", "--name=once")
    assert (got["ScheduleExpression"], got["State"]) == (expression, "ENABLED")
    assert got["Target"]["RoleArn"] == caller
    listed = aws("scheduler", "list-schedules", "--name-prefix=on", "--query=Schedules[].Name")
    assert listed == ["once"]
    cloud.runtime.clock.move(by=timedelta(hours=2, minutes=1))
    words = ("logs", "filter-log-events", f"--log-group-name={GROUP}")
    until(lambda: "told scheduled\n" in aws(*words, "--query=events[].message"))
    until(lambda: aws("scheduler", "list-schedules")["Schedules"] == [])


def test_schedules_that_are_missing_or_wrong(aws: AwsCli, cloud: Cloud) -> None:
    for words in (
        ("get-schedule", "--name=never"),
        ("delete-schedule", "--name=never"),
        ("get-schedule-group", "--name=never"),
    ):
        refusal = aws.refused("scheduler", *words)
        assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "ResourceNotFoundException")
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp",
        "RoleArn": role(cloud, "ender", "scheduler"),
        "Input": "{}",
    }
    wrong = aws.refused(
        "scheduler",
        "create-schedule",
        "--name=wrong",
        "--flexible-time-window=Mode=OFF",
        f"--target={json.dumps(target)}",
        "--schedule-expression=at(tomorrow)",
    )
    assert (wrong.status, wrong.code) == (SERVICE_REFUSED, "ValidationException")


def test_schedule_groups(aws: AwsCli) -> None:
    aws("scheduler", "create-schedule-group", "--name=cohort")
    listed = aws("scheduler", "list-schedule-groups", "--query=ScheduleGroups[].Name")
    assert sorted(listed) == ["cohort", "default"]
    assert aws("scheduler", "get-schedule-group", "--name=cohort")["State"] == "ACTIVE"
    aws("scheduler", "delete-schedule-group", "--name=cohort")
    listed = aws("scheduler", "list-schedule-groups", "--query=ScheduleGroups[].Name")
    assert listed == ["default"]


def test_rules_their_targets_and_an_event(aws: AwsCli, function: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    pattern = {"source": ["academy.cli"]}
    rule = aws("events", "put-rule", "--name=heard", f"--event-pattern={json.dumps(pattern)}")
    aws(
        "lambda",
        "add-permission",
        f"--function-name={function}",
        "--statement-id=heard",
        "--action=lambda:InvokeFunction",
        "--principal=events.amazonaws.com",
        f"--source-arn={rule['RuleArn']}",
    )
    put = aws("events", "put-targets", "--rule=heard", f"--targets=Id=function,Arn={arn}")
    assert put["FailedEntryCount"] == 0
    assert aws("events", "list-rules", "--query=Rules[].Name") == ["heard"]
    assert json.loads(aws("events", "describe-rule", "--name=heard")["EventPattern"]) == pattern
    assert aws("events", "list-targets-by-rule", "--rule=heard")["Targets"] == [
        {"Id": "function", "Arn": arn}
    ]
    entry = [{"Source": "academy.cli", "DetailType": "Said", "Detail": '{"name": "x"}'}]
    sent = aws("events", "put-events", f"--entries={json.dumps(entry)}")
    assert sent["FailedEntryCount"] == 0
    # The event has no name of its own, so the function fails on it: that is heard too.
    words = ("logs", "filter-log-events", f"--log-group-name={GROUP}")
    until(lambda: "KeyError" in " ".join(aws(*words, "--query=events[].message")))
    aws("events", "disable-rule", "--name=heard")
    assert aws("events", "describe-rule", "--name=heard")["State"] == "DISABLED"
    used = aws.refused("events", "delete-rule", "--name=heard")
    assert (used.status, used.code) == (SERVICE_REFUSED, "ValidationException")
    aws("events", "remove-targets", "--rule=heard", "--ids=function")
    aws("events", "delete-rule", "--name=heard")
    missing = aws.refused("events", "describe-rule", "--name=heard")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ResourceNotFoundException")


# --- messages -------------------------------------------------------------------------------------
def test_a_message_from_a_topic_to_a_queue(aws: AwsCli, tmp_path: Path) -> None:
    topic = aws("sns", "create-topic", "--name=news")["TopicArn"]
    url = aws("sqs", "create-queue", "--queue-name=news")["QueueUrl"]
    named = f"--queue-url={url}"
    arn = aws("sqs", "get-queue-attributes", named, "--attribute-names=QueueArn")["Attributes"][
        "QueueArn"
    ]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    aws("sqs", "set-queue-attributes", named, "--attributes", json.dumps(attributes))
    aws(
        "sns",
        "subscribe",
        f"--topic-arn={topic}",
        "--protocol=sqs",
        f"--notification-endpoint={arn}",
    )
    told = aws("sns", "publish", f"--topic-arn={topic}", "--message=hello", "--subject=News")
    [message] = aws("sqs", "receive-message", named, "--wait-time-seconds=1")["Messages"]
    envelope = json.loads(message["Body"])
    assert (envelope["Message"], envelope["Subject"]) == ("hello", "News")
    assert envelope["MessageId"] == told["MessageId"]
    aws("sqs", "delete-message", named, "--receipt-handle", message["ReceiptHandle"])
    aws("sqs", "send-message", named, "--message-body=direct")
    [message] = aws("sqs", "receive-message", named)["Messages"]
    assert message["Body"] == "direct"
    assert aws("sqs", "list-queues")["QueueUrls"] == [url]
    assert aws("sqs", "get-queue-url", "--queue-name=news") == {"QueueUrl": url}
    topics = aws("sns", "list-topics", "--query=Topics[].TopicArn")
    assert topics == [topic]
    [heard] = aws("sns", "list-subscriptions-by-topic", f"--topic-arn={topic}")["Subscriptions"]
    assert (heard["Protocol"], heard["Endpoint"]) == ("sqs", arn)
    shown = ("--attribute-name=DisplayName", "--attribute-value=Academy")
    aws("sns", "set-topic-attributes", f"--topic-arn={topic}", *shown)
    kept = aws("sns", "get-topic-attributes", f"--topic-arn={topic}")["Attributes"]
    assert kept["DisplayName"] == "Academy"
    aws("sns", "unsubscribe", f"--subscription-arn={heard['SubscriptionArn']}")
    aws("sns", "delete-topic", f"--topic-arn={topic}")
    assert aws("sns", "list-topics")["Topics"] == []
    aws("sqs", "delete-queue", named)
    gone = aws.refused("sqs", "receive-message", named)
    assert (gone.status, gone.code) == (SERVICE_REFUSED, GONE)


def test_topics_and_queues_that_are_missing(aws: AwsCli, cloud: Cloud) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:never"
    missing = aws.refused("sns", "publish", f"--topic-arn={topic}", "--message=x")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NotFound")
    missing = aws.refused("sqs", "get-queue-url", "--queue-name=never")
    assert missing.status == SERVICE_REFUSED
    assert missing.code == GONE
    nobody = aws.as_role(role(cloud, "silent", "sagemaker"))
    denied = nobody.refused("sns", "publish", f"--topic-arn={topic}", "--message=x")
    assert denied.status == SERVICE_REFUSED
    assert denied.code == "AuthorizationError"
    assert "sns:Publish" in denied.message
    denied = nobody.refused("ec2", "describe-vpcs")
    assert (denied.status, denied.code) == (SERVICE_REFUSED, "UnauthorizedOperation")


def test_the_end_of_a_function(aws: AwsCli, function: str) -> None:
    aws("lambda", "delete-function", f"--function-name={function}")
    missing = aws.refused("lambda", "get-function", f"--function-name={function}")
    assert missing.code == "ResourceNotFoundException"
