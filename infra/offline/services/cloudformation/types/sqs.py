"""Standard queues and their policies. `Ref` gives a queue's URL."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from typing import Any, ClassVar

from infra.offline.services import sqs
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    tag_changes,
)

_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

#: Attributes that a template sets, and what they go back to when it no longer does.
_ATTRIBUTES: dict[str, Any] = {
    "DelaySeconds": 0,
    "MaximumMessageSize": 262_144,
    "MessageRetentionPeriod": 345_600,
    "ReceiveMessageWaitTimeSeconds": 0,
    "SqsManagedSseEnabled": True,
    "VisibilityTimeout": 30,
}


class Queue(ResourceType):
    """A standard queue."""

    type: ClassVar[str] = "AWS::SQS::Queue"
    properties: ClassVar[tuple[str, ...]] = (*_ATTRIBUTES, "QueueName", "Tags")
    replaced_by: ClassVar[tuple[str, ...]] = ("QueueName",)
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "QueueName", "QueueUrl")
    named_by: ClassVar[str | None] = "QueueName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("QueueName") or scope.generated_name(80)
        # SQS answers a second creation with the first queue; CloudFormation does not.
        if scope.attempt("sqs", "GetQueueUrl", unless=_GONE, QueueName=name):
            raise ResourceError(f"{name} already exists")
        scope.call(
            "sqs",
            "CreateQueue",
            QueueName=name,
            Attributes={key: wanted[key] for key in _ATTRIBUTES if key in wanted},
            tags={tag["Key"]: tag["Value"] for tag in wanted.get("Tags", ())} or None,
        )
        scope.exists(sqs.url(name))
        return self._made(name)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        changed = {
            key: wanted.get(key, default)
            for key, default in _ATTRIBUTES.items()
            if before.get(key) != wanted.get(key)
        }
        if changed:
            scope.call("sqs", "SetQueueAttributes", QueueUrl=made, Attributes=changed)
        set_tags, removed = tag_changes(before, wanted)
        if removed:
            scope.call("sqs", "UntagQueue", QueueUrl=made, TagKeys=removed)
        if set_tags:
            tags = {tag["Key"]: tag["Value"] for tag in set_tags}
            scope.call("sqs", "TagQueue", QueueUrl=made, Tags=tags)
        return self._made(made.rsplit("/", 1)[-1])

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("sqs", "DeleteQueue", unless=_GONE, QueueUrl=made)

    @staticmethod
    def _made(name: str) -> Made:
        url = sqs.url(name)
        return Made(url, {"Arn": sqs.arn(name), "QueueName": name, "QueueUrl": url})


class QueuePolicy(ResourceType):
    """The policy of one queue or several, named by their URLs."""

    type: ClassVar[str] = "AWS::SQS::QueuePolicy"
    properties: ClassVar[tuple[str, ...]] = ("PolicyDocument", "Queues")
    required: ClassVar[tuple[str, ...]] = ("PolicyDocument", "Queues")
    attributes: ClassVar[tuple[str, ...]] = ("Id",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.exists(scope.generated_name(128))
        self._put(wanted["Queues"], json.dumps(wanted["PolicyDocument"]), scope)
        return Made(made, {"Id": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._put([url for url in before["Queues"] if url not in wanted["Queues"]], "", scope)
        self._put(wanted["Queues"], json.dumps(wanted["PolicyDocument"]), scope)
        return Made(made, {"Id": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        self._put(properties["Queues"], "", scope)

    @staticmethod
    def _put(urls: list[str], policy: str, scope: Scope) -> None:
        for url in urls:
            scope.attempt(
                "sqs",
                "SetQueueAttributes",
                # Only on the way out: a policy for no queue is a mistake.
                unless=() if policy else _GONE,
                QueueUrl=url,
                Attributes={"Policy": policy},
            )


TYPES: tuple[ResourceType, ...] = (Queue(), QueuePolicy())
