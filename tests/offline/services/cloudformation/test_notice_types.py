"""Topics, queues, alarms, budgets and lost events from templates: made, changed, gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:types-notices"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:types-letters"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def attribute(logical_id: str, name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, name]}


def policy(action: str, on: Any, **principal: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": on}
    return {"Version": "2012-10-17", "Statement": [statement]}


def template(*, days: int = 14, percent: int = 50, limit: int = 100) -> dict[str, Any]:
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": attribute("Queue", "Arn")}
    trust = policy("sts:AssumeRole", None, Service="lambda.amazonaws.com")
    del trust["Statement"][0]["Resource"]
    return {
        "Topic": resource("AWS::SNS::Topic", TopicName="types-notices", DisplayName=f"{days} days"),
        "Says": resource(
            "AWS::SNS::TopicPolicy",
            Topics=[{"Ref": "Topic"}],
            PolicyDocument=policy(
                "sns:Publish", {"Ref": "Topic"}, Service="cloudwatch.amazonaws.com"
            ),
        ),
        "Mail": resource(
            "AWS::SNS::Subscription",
            TopicArn={"Ref": "Topic"},
            Protocol="email",
            Endpoint="a@example.org",
        ),
        "Queue": resource(
            "AWS::SQS::Queue",
            QueueName="types-letters",
            MessageRetentionPeriod=days * 86_400,
            SqsManagedSseEnabled=True,
        ),
        "Takes": resource(
            "AWS::SQS::QueuePolicy",
            Queues=[{"Ref": "Queue"}],
            PolicyDocument=policy(
                "sqs:SendMessage", attribute("Queue", "Arn"), Service="events.amazonaws.com"
            ),
        ),
        "Role": resource(
            "AWS::IAM::Role",
            RoleName="types-letters-role",
            AssumeRolePolicyDocument=trust,
            Policies=[
                {
                    "PolicyName": "own",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [send]},
                }
            ],
        ),
        "Function": resource(
            "AWS::Lambda::Function",
            FunctionName="types-letters-function",
            Handler="index.handle",
            Runtime="python3.11",
            Role=attribute("Role", "Arn"),
            Code={"ZipFile": "def handle(event, context):\n    return 1\n"},
        ),
        "Lost": resource(
            "AWS::Lambda::EventInvokeConfig",
            FunctionName={"Ref": "Function"},
            Qualifier="$LATEST",
            MaximumRetryAttempts=1,
            DestinationConfig={"OnFailure": {"Destination": attribute("Queue", "Arn")}},
        ),
        "Alarm": resource(
            "AWS::CloudWatch::Alarm",
            AlarmName="types-alarm",
            AlarmDescription=f"{days}",
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": attribute("Queue", "QueueName")}],
            Statistic="Maximum",
            Period="300",
            EvaluationPeriods="1",
            Threshold="0",
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[{"Ref": "Topic"}],
        ),
        "Budget": resource(
            "AWS::Budgets::Budget",
            Budget={
                "BudgetName": "types-budget",
                "BudgetType": "COST",
                "BudgetLimit": {"Amount": limit, "Unit": "USD"},
                "TimeUnit": "ANNUALLY",
                "TimePeriod": {"Start": "1793491200"},
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "ComparisonOperator": "GREATER_THAN",
                        "NotificationType": "ACTUAL",
                        "Threshold": percent,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": [{"SubscriptionType": "SNS", "Address": {"Ref": "Topic"}}],
                }
            ],
        ),
    }


def seen(client) -> dict[str, Any]:
    """What the services say of the stack's resources."""
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="types-letters")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    [alarm] = client("cloudwatch").describe_alarms(AlarmNames=["types-alarm"])["MetricAlarms"]
    topic = client("sns").get_topic_attributes(TopicArn=TOPIC)["Attributes"]
    budgets = client("budgets")
    named = {"AccountId": ACCOUNT, "BudgetName": "types-budget"}
    lost = client("lambda").get_function_event_invoke_config(FunctionName="types-letters-function")
    return {
        "kept": int(queue["MessageRetentionPeriod"]),
        "takes": json.loads(queue["Policy"])["Statement"][0]["Principal"],
        "said by": json.loads(topic["Policy"])["Statement"][0]["Principal"],
        "display": topic["DisplayName"],
        "alarm": (alarm["AlarmDescription"], alarm["Period"], alarm["Threshold"]),
        "limit": budgets.describe_budget(**named)["Budget"]["BudgetLimit"]["Amount"],
        "percent": [
            each["Threshold"]
            for each in budgets.describe_notifications_for_budget(**named)["Notifications"]
        ],
        "lost": lost["DestinationConfig"]["OnFailure"]["Destination"],
    }


def test_they_are_made_changed_and_gone(stacks, client):
    made = stacks.deploy("types-notices", template())
    assert made.reasons == {}
    first = {
        "kept": 14 * 86_400,
        "takes": {"Service": "events.amazonaws.com"},
        "said by": {"Service": "cloudwatch.amazonaws.com"},
        "display": "14 days",
        "alarm": ("14", 300, 0.0),
        "limit": "100",
        "percent": [50.0],
        "lost": QUEUE,
    }
    assert seen(client) == first
    changed = stacks.deploy("types-notices", template(days=7, limit=200))
    assert changed.reasons == {}
    assert seen(client) == {
        **first,
        "kept": 7 * 86_400,
        "display": "7 days",
        "alarm": ("7", 300, 0.0),
        "limit": "200",
    }
    assert stacks.delete("types-notices").status == "DELETE_COMPLETE"
    assert client("sns").list_topics()["Topics"] == []
    assert client("sqs").list_queues().get("QueueUrls", []) == []
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"] == []


@pytest.mark.parametrize(
    ("logical_id", "path", "value", "named"),
    [
        ("Topic", ("FifoTopic",), True, "FifoTopic"),
        ("Queue", ("RedrivePolicy",), {}, "RedrivePolicy"),
        ("Alarm", ("Metrics",), [], "Metrics"),
        ("Alarm", ("TreatMissingData",), "ignore", "TreatMissingData ignore"),
        ("Lost", ("Qualifier",), "live", "Qualifier live"),
        ("Lost", ("DestinationConfig",), {"OnSuccess": {"Destination": QUEUE}}, "OnSuccess"),
        ("Mail", ("Protocol",), "sms", "sms"),
        ("Budget", ("Budget", "AutoAdjustData"), {"AutoAdjustType": "HISTORICAL"}, "AutoAdjust"),
        ("Budget", ("ResourceTags",), [], "ResourceTags"),
    ],
)
def test_what_is_not_modelled_fails_the_stack_by_name(stacks, logical_id, path, value, named):
    resources = template()
    properties = resources[logical_id]["Properties"]
    for step in path[:-1]:
        properties = properties[step]
    properties[path[-1]] = value
    made = stacks.deploy("types-refused", resources)
    assert made.status != "CREATE_COMPLETE"
    assert any(named in reason for reason in made.reasons.values()), made.reasons
