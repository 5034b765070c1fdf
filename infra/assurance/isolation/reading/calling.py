"""What calls what without asking the first caller's rights: rules, schedules, topics, functions.

Read from resolved resources into `Call`s. `by` is what must be set off: a rule's, topic's, queue's,
table's, bucket's, function's, alarm's or project's ARN, and `on` the events that set a rule off
(None: the clock; an empty pattern: whatever reaches `by`). `role` is whose rights the call has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.assurance.isolation.reading.resolving import Resolver, Unreadable, qualified, reading
from infra.assurance.isolation.world import Call
from infra.assurance.templates import Resource

#: Whatever reaches it.
ANYTHING: Mapping[str, Any] = {}

#: Subscriptions that end at a person, who has no rights by them.
_TO_PEOPLE = ("email", "email-json", "sms")


def calls_of(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """The calls that `resource` (resolved) makes.

    Raises:
        Unreadable: if it calls in a way that is not known here.
    """
    read = _CALLERS.get(resource.type)
    if read is None:
        return
    with reading(resource):
        yield from read(resource, resolver)


def _arn(resource: Resource, resolver: Resolver) -> str:
    return resolver.physical(resource.stack, resource.logical_id).arn


def _rule(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    given, by = resource.properties, _arn(resource, resolver)
    triggers: list[Mapping[str, Any] | None] = []
    if "EventPattern" in given:
        triggers.append(given["EventPattern"])
    if "ScheduleExpression" in given:
        triggers.append(None)
    for target in given.get("Targets", ()):
        for on in triggers:
            yield Call(by, on, target["Arn"], target.get("RoleArn"), resource)
            if "DeadLetterConfig" in target:
                yield Call(by, on, target["DeadLetterConfig"]["Arn"], None, resource)


def _schedule(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    by, target = _arn(resource, resolver), resource.properties["Target"]
    yield Call(by, None, target["Arn"], target["RoleArn"], resource)
    if "DeadLetterConfig" in target:
        yield Call(by, None, target["DeadLetterConfig"]["Arn"], target["RoleArn"], resource)


def _bucket(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """S3's own notifications. What goes to EventBridge, the rules there say."""
    configured = resource.properties.get("NotificationConfiguration", {})
    members = {
        "LambdaConfigurations": "Function",
        "QueueConfigurations": "Queue",
        "TopicConfigurations": "Topic",
    }
    for member, listed in configured.items():
        if member == "EventBridgeConfiguration":
            continue
        if member not in members:
            raise Unreadable(f"{resource} notifies by {member}, which the proof does not follow")
        for each in listed:
            yield Call(
                _arn(resource, resolver),
                _object_pattern(resource, each),
                each[members[member]],
                None,
                resource,
            )


def _object_pattern(resource: Resource, notification: Mapping[str, Any]) -> Mapping[str, Any]:
    """A notification's filter as EventBridge would say it.

    A filter by suffix is left out: the pattern then says more than what sets the call off.
    """
    kinds = {"s3:ObjectCreated": "Object Created", "s3:ObjectRemoved": "Object Deleted"}
    kind = ":".join(notification["Event"].split(":")[:2])
    if kind not in kinds:
        raise Unreadable(f"{resource} notifies of {notification['Event']}")
    detail: dict[str, Any] = {"bucket": {"name": [resource.properties["BucketName"]]}}
    rules = notification.get("Filter", {}).get("S3Key", {}).get("Rules", ())
    prefixes = [rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"]
    if prefixes:
        detail["object"] = {"key": [{"prefix": prefix} for prefix in prefixes]}
    return {"source": ["aws.s3"], "detail-type": [kinds[kind]], "detail": detail}


def _subscription(resource: Resource, _resolver: Resolver) -> Iterator[Call]:
    given = resource.properties
    if given["Protocol"] not in _TO_PEOPLE:
        role = given.get("SubscriptionRoleArn")
        yield Call(given["TopicArn"], ANYTHING, given["Endpoint"], role, resource)


def _topic(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    by = _arn(resource, resolver)
    for each in resource.properties.get("Subscription", ()):
        if each["Protocol"] not in _TO_PEOPLE:
            yield Call(by, ANYTHING, each["Endpoint"], None, resource)


def _queue(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    redrive = resource.properties.get("RedrivePolicy")
    if redrive:
        target = redrive["deadLetterTargetArn"]
        yield Call(_arn(resource, resolver), ANYTHING, target, None, resource)


def _function(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    given = resource.properties
    if "DeadLetterConfig" in given:
        target = given["DeadLetterConfig"]["TargetArn"]
        yield Call(_arn(resource, resolver), ANYTHING, target, given["Role"], resource)


def _destinations(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """Where Lambda hands a function's results and lost events, under the function's own role."""
    given = resource.properties
    arn, role = called_function(resource, given["FunctionName"], resolver)
    for each in given.get("DestinationConfig", {}).values():
        yield Call(arn, ANYTHING, each["Destination"], role, resource)


def _mapping(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """A function that takes from a queue, table or stream, under its own role."""
    given = resource.properties
    if "EventSourceArn" not in given:
        raise Unreadable(f"{resource} takes from no EventSourceArn: the proof knows no other way")
    arn, role = called_function(resource, given["FunctionName"], resolver)
    yield Call(given["EventSourceArn"], ANYTHING, arn, role, resource)
    for each in given.get("DestinationConfig", {}).values():
        yield Call(given["EventSourceArn"], ANYTHING, each["Destination"], role, resource)


def _alarm(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    given, by = resource.properties, _arn(resource, resolver)
    for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        for target in given.get(member, ()):
            yield Call(by, ANYTHING, target, None, resource)


def _budget(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    by = _arn(resource, resolver)
    for notification in resource.properties.get("NotificationsWithSubscribers", ()):
        for each in notification["Subscribers"]:
            if each["SubscriptionType"] == "SNS":
                yield Call(by, ANYTHING, each["Address"], None, resource)


def _channel(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """A chat: who writes in it acts under its role, and topics speak to it."""
    given, arn = resource.properties, _arn(resource, resolver)
    for topic in given.get("SnsTopicArns", ()):
        yield Call(topic, ANYTHING, arn, given["IamRoleArn"], resource)
    yield Call(arn, ANYTHING, arn, given["IamRoleArn"], resource)


def _integration(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """An HTTP API: whoever asks it, with or without credentials, has its function called."""
    given = resource.properties
    api = f"arn:aws:execute-api:{resolver.region}:{resolver.account}:{given['ApiId']}"
    yield Call(api, ANYTHING, given["IntegrationUri"], None, resource)


def _project(resource: Resource, resolver: Resolver) -> Iterator[Call]:
    """A build: whoever starts one runs what it is given under the project's role."""
    arn = _arn(resource, resolver)
    yield Call(arn, ANYTHING, arn, resource.properties["ServiceRole"], resource)


def called_function(resource: Resource, written: str, resolver: Resolver) -> tuple[str, str]:
    """ARN and role of the function that `resource` names, by name or ARN, with or without alias."""
    name, _ = qualified(written)
    for function in resolver.resources("AWS::Lambda::Function"):
        made = resolver.physical(function.stack, function.logical_id)
        if made.facts["name"] == name:
            return made.arn, function.properties["Role"]
    raise Unreadable(f"{resource} names the function {written}, which no template makes")


_CALLERS: Mapping[str, Callable[[Resource, Resolver], Iterator[Call]]] = {
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::Budgets::Budget": _budget,
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": _channel,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CodeBuild::Project": _project,
    "AWS::Events::Rule": _rule,
    "AWS::Lambda::EventInvokeConfig": _destinations,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Function": _function,
    "AWS::S3::Bucket": _bucket,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::Scheduler::Schedule": _schedule,
}
