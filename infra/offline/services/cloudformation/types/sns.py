"""Topics, their policies, and who is subscribed to them."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from typing import ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    tag_changes,
)

_GONE = ("NotFound", "NotFoundException")


class Topic(ResourceType):
    """A standard topic."""

    type: ClassVar[str] = "AWS::SNS::Topic"
    properties: ClassVar[tuple[str, ...]] = ("DisplayName", "KmsMasterKeyId", "Tags", "TopicName")
    replaced_by: ClassVar[tuple[str, ...]] = ("TopicName",)
    attributes: ClassVar[tuple[str, ...]] = ("TopicArn",)
    named_by: ClassVar[str | None] = "TopicName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("TopicName") or scope.generated_name(256)
        # SNS answers a second creation with the first topic; CloudFormation does not.
        if scope.attempt(
            "sns", "GetTopicAttributes", unless=_GONE, TopicArn=scope.arn("sns", name)
        ):
            raise ResourceError(f"{name} already exists")
        arn = scope.call(
            "sns",
            "CreateTopic",
            Name=name,
            Attributes={
                attribute: wanted[attribute]
                for attribute in ("DisplayName", "KmsMasterKeyId")
                if attribute in wanted
            },
            Tags=list(wanted.get("Tags", ())) or None,
        )["TopicArn"]
        return Made(scope.exists(arn), {"TopicArn": arn})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        for attribute in ("DisplayName", "KmsMasterKeyId"):
            if before.get(attribute) != wanted.get(attribute):
                scope.call(
                    "sns",
                    "SetTopicAttributes",
                    TopicArn=made,
                    AttributeName=attribute,
                    AttributeValue=wanted.get(attribute, ""),
                )
        set_tags, removed = tag_changes(before, wanted)
        if removed:
            scope.call("sns", "UntagResource", ResourceArn=made, TagKeys=removed)
        if set_tags:
            scope.call("sns", "TagResource", ResourceArn=made, Tags=set_tags)
        return Made(made, {"TopicArn": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("sns", "DeleteTopic", unless=_GONE, TopicArn=made)


class TopicPolicy(ResourceType):
    """The policy of one topic or several."""

    type: ClassVar[str] = "AWS::SNS::TopicPolicy"
    properties: ClassVar[tuple[str, ...]] = ("PolicyDocument", "Topics")
    required: ClassVar[tuple[str, ...]] = ("PolicyDocument", "Topics")
    attributes: ClassVar[tuple[str, ...]] = ("Id",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.exists(scope.generated_name(128))
        self._put(wanted, scope)
        return Made(made, {"Id": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        for topic in before["Topics"]:
            if topic not in wanted["Topics"]:
                self._reset(topic, scope)
        self._put(wanted, scope)
        return Made(made, {"Id": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        for topic in properties["Topics"]:
            self._reset(topic, scope)

    @staticmethod
    def _put(wanted: Properties, scope: Scope) -> None:
        for topic in wanted["Topics"]:
            scope.call(
                "sns",
                "SetTopicAttributes",
                TopicArn=topic,
                AttributeName="Policy",
                AttributeValue=json.dumps(wanted["PolicyDocument"]),
            )

    @staticmethod
    def _reset(topic: str, scope: Scope) -> None:
        """Back to the policy that every topic begins with: the account's own policies decide."""
        statement = {
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:Publish"],
            "Resource": topic,
            "Condition": {"StringEquals": {"AWS:SourceOwner": scope.account}},
        }
        scope.attempt(
            "sns",
            "SetTopicAttributes",
            unless=_GONE,
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=json.dumps({"Version": "2008-10-17", "Statement": [statement]}),
        )


class Subscription(ResourceType):
    """Who hears of what a topic is told."""

    type: ClassVar[str] = "AWS::SNS::Subscription"
    properties: ClassVar[tuple[str, ...]] = (
        "Endpoint",
        "FilterPolicy",
        "FilterPolicyScope",
        "Protocol",
        "TopicArn",
    )
    required: ClassVar[tuple[str, ...]] = ("Protocol", "TopicArn")
    replaced_by: ClassVar[tuple[str, ...]] = ("Endpoint", "Protocol", "TopicArn")
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        arn = scope.call(
            "sns",
            "Subscribe",
            TopicArn=wanted["TopicArn"],
            Protocol=wanted["Protocol"],
            Endpoint=wanted.get("Endpoint"),
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        scope.exists(arn)
        self._filter(arn, {}, wanted, scope)
        return Made(arn, {"Arn": arn})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._filter(made, before, wanted, scope)
        return Made(made, {"Arn": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("sns", "Unsubscribe", unless=_GONE, SubscriptionArn=made)

    @staticmethod
    def _filter(made: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        for attribute in ("FilterPolicyScope", "FilterPolicy"):
            value = wanted.get(attribute)
            if before.get(attribute) == value:
                continue
            if attribute == "FilterPolicy":
                value = json.dumps(value or {})
            elif value is None:
                continue  # the scope goes with the filter
            scope.call(
                "sns",
                "SetSubscriptionAttributes",
                SubscriptionArn=made,
                AttributeName=attribute,
                AttributeValue=value,
            )


TYPES: tuple[ResourceType, ...] = (Topic(), TopicPolicy(), Subscription())
