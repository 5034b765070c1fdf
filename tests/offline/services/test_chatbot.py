"""A channel of Microsoft Teams: made from a template, told what its topics are told, shown."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, WaiterError
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from infra.offline.server import Cloud
from infra.offline.services import chatbot
from infra.offline.services.cloudformation.types.chatbot import _PATTERNS, TeamsChannel
from tests.offline import whole_cloud
from tests.offline.small_cloud import ACCOUNT

NEWS = f"arn:aws:sns:us-east-1:{ACCOUNT}:chat-news"
NOTICES = f"arn:aws:sns:us-east-1:{ACCOUNT}:chat-notices"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def template(topic: str = "News", **more: Any) -> dict[str, Any]:
    denial = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "chatbot.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {
        "News": resource("AWS::SNS::Topic", TopicName="chat-news"),
        "Notices": resource("AWS::SNS::Topic", TopicName="chat-notices"),
        "Role": resource(
            "AWS::IAM::Role",
            RoleName="chat-role",
            AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [trust]},
        ),
        "Guardrail": resource(
            "AWS::IAM::ManagedPolicy",
            ManagedPolicyName="chat-guardrail",
            PolicyDocument={"Version": "2012-10-17", "Statement": [denial]},
        ),
        "Channel": resource(
            "AWS::Chatbot::MicrosoftTeamsChannelConfiguration",
            **{
                "ConfigurationName": "chat-channel",
                "TeamsTenantId": "11111111-2222-3333-4444-555555555555",
                "TeamId": "66666666-7777-8888-9999-aaaaaaaaaaaa",
                "TeamsChannelId": "19%3a0123456789abcdef%40thread.tacv2",
                "IamRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "GuardrailPolicies": [{"Ref": "Guardrail"}],
                "SnsTopicArns": [{"Ref": topic}],
                **more,
            },
        ),
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


def deploy(cloud: Cloud, resources: dict[str, Any]) -> tuple[str, list[str]]:
    """The stack's status, and every reason of its events."""
    api = whole_cloud.client(cloud, "cloudformation")
    body = json.dumps({"Resources": resources})
    names = [each["StackName"] for each in api.describe_stacks()["Stacks"]]
    call = api.update_stack if "chat" in names else api.create_stack
    call(StackName="chat", TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
    waiter = api.get_waiter("stack_update_complete" if "chat" in names else "stack_create_complete")
    # If it fails, its status and events say what was wrong.
    with contextlib.suppress(WaiterError):
        waiter.wait(StackName="chat", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    status = api.describe_stacks(StackName="chat")["Stacks"][0]["StackStatus"]
    events = api.describe_stack_events(StackName="chat")["StackEvents"]
    return status, [each.get("ResourceStatusReason", "") for each in events]


def remove(cloud: Cloud) -> None:
    api = whole_cloud.client(cloud, "cloudformation")
    api.delete_stack(StackName="chat")
    api.get_waiter("stack_delete_complete").wait(
        StackName="chat", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


@pytest.fixture
def channel(cloud: Cloud) -> Iterator[Cloud]:
    status, reasons = deploy(cloud, template())
    assert status == "CREATE_COMPLETE", reasons
    yield cloud
    remove(cloud)
    chatbot._told().clear()


def notification(**content: Any) -> str:
    return json.dumps(
        {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": "falcon leads",
                "description": "**falcon** leads land-cover with 0.713.",
                **content,
            },
            "metadata": {"threadId": "earth-land-cover", "eventType": "leader"},
        }
    )


def shown(cloud: Cloud) -> list[dict[str, Any]]:
    return control(cloud, "chat")


def control(cloud: Cloud, what: str) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc)
    connection.request("GET", f"/_academy/{what}")
    return list(json.load(connection.getresponse())[what])


def test_a_channel_is_told_what_its_topic_is_told_and_nothing_else(channel: Cloud) -> None:
    sns = whole_cloud.client(channel, "sns")
    sns.subscribe(TopicArn=NEWS, Protocol="email", Endpoint="ana@example.org")
    sns.publish(
        TopicArn=NEWS,
        Subject="falcon leads",
        MessageStructure="json",
        Message=json.dumps(
            {"default": "x", "https": notification(), "email": "falcon leads land-cover"}
        ),
    )
    sns.publish(TopicArn=NOTICES, Message="the budget is used up")
    [told] = shown(channel)
    assert (told["channel"], told["topic"]) == ("chat-channel", NEWS)
    assert told["title"] == "falcon leads"
    assert told["text"] == "**falcon** leads land-cover with 0.713."
    assert (told["thread"], told["kind"], told["problem"]) == ("earth-land-cover", "leader", "")
    assert told["sent"].startswith(f"{channel.runtime.clock.now():%Y-%m-%dT%H:}")
    [mail] = control(channel, "mail")
    assert (mail["to"], mail["message"]) == ("ana@example.org", "falcon leads land-cover")


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("falcon leads", "not JSON"),
        ("[1]", "not an object"),
        ("{}", "version"),
        (notification(textType="html"), "textType"),
        (notification(description=""), "description"),
        (notification(nextSteps="look"), "nextSteps"),
        (notification(nextSteps=[1]), "nextSteps"),
        (notification(colour="red"), "colour"),
    ],
)
def test_what_the_service_would_not_show_says_why(
    channel: Cloud, message: str, problem: str
) -> None:
    whole_cloud.client(channel, "sns").publish(TopicArn=NEWS, Message=message)
    [told] = shown(channel)
    assert problem in told["problem"]
    assert told["message"] == message


def test_a_channel_moves_to_another_topic_and_leaves_the_first(channel: Cloud) -> None:
    status, reasons = deploy(channel, template("Notices", LoggingLevel="ERROR"))
    assert status == "UPDATE_COMPLETE", reasons
    sns = whole_cloud.client(channel, "sns")
    sns.publish(TopicArn=NEWS, Message=notification())
    sns.publish(TopicArn=NOTICES, Message=notification(title="other"))
    assert [each["title"] for each in shown(channel)] == ["other"]
    assert sns.list_subscriptions_by_topic(TopicArn=NEWS)["Subscriptions"] == []
    made = chatbot.channels()["chat-channel"]
    assert made.guardrails == (f"arn:aws:iam::{ACCOUNT}:policy/chat-guardrail",)
    assert made.logging == "ERROR"


def test_gone_it_is_told_nothing(cloud: Cloud) -> None:
    deploy(cloud, template())
    remove(cloud)
    assert chatbot.channels() == {}
    assert whole_cloud.client(cloud, "sns").list_subscriptions()["Subscriptions"] == []


def test_without_guardrails_it_has_aws_default(cloud: Cloud) -> None:
    resources = template()
    del resources["Channel"]["Properties"]["GuardrailPolicies"]
    deploy(cloud, resources)
    try:
        assert chatbot.channels()["chat-channel"].guardrails == (
            "arn:aws:iam::aws:policy/AdministratorAccess",
        )
    finally:
        remove(cloud)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TeamId", "falcon"),
        ("TeamsTenantId", "11111111-2222-3333-4444-55555555555"),
        ("TeamsChannelId", "19:0123@thread.tacv2"),
        ("ConfigurationName", "a channel"),
        ("LoggingLevel", "LOUD"),
        ("IamRoleArn", f"arn:aws:iam::{ACCOUNT}:role/nobody"),
        ("GuardrailPolicies", [f"arn:aws:iam::{ACCOUNT}:policy/none"]),
        ("SnsTopicArns", [f"arn:aws:sns:us-east-1:{ACCOUNT}:none"]),
        ("CustomizationResourceArns", []),
    ],
)
def test_what_aws_would_refuse_fails_the_stack(cloud: Cloud, name: str, value: Any) -> None:
    status, reasons = deploy(cloud, template(**{name: value}))
    try:
        assert status == "ROLLBACK_COMPLETE"
        said = "none" if name in ("SnsTopicArns", "GuardrailPolicies") else name
        said = "nobody" if name == "IamRoleArn" else said
        assert any(said in reason or "does not exist" in reason for reason in reasons), reasons
        assert chatbot.channels() == {}
    finally:
        remove(cloud)


def test_other_addresses_cannot_subscribe(cloud: Cloud) -> None:
    sns = whole_cloud.client(cloud, "sns")
    topic = sns.create_topic(Name="chat-elsewhere")["TopicArn"]
    for endpoint in ("https://example.org/hook", f"{chatbot.ENDPOINT}.example.org"):
        with pytest.raises(ClientError, match="not modelled"):
            sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=endpoint)


def test_the_patterns_are_those_of_the_schema() -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", TeamsChannel.type).schema
    samples = (
        "66666666-7777-8888-9999-aaaaaaaaaaaa",
        "66666666-7777-8888-9999-aaaaaaaaaaag",
        "19%3a0123%40thread.tacv2",
        "19%3A_x-=+/.,%40",
        "19:0123@thread.tacv2",
        "earth-news",
        "earth news",
        "NONE",
        "INFO",
        "LOUD",
        "",
    )
    for name, pattern in _PATTERNS.items():
        theirs = schema["properties"][name]
        for sample in samples:
            fits = bool(re.search(theirs["pattern"], sample))
            fits &= theirs["minLength"] <= len(sample) <= theirs["maxLength"]
            assert bool(re.fullmatch(pattern, sample)) == fits, (name, sample)
