"""Channels of Microsoft Teams that hear topics. Kept and shown; nothing leaves the machine."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import re
from typing import ClassVar

from infra.offline.services import chatbot
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    is_set,
)

#: Source: the patterns of the type's schema.
_ID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_PART = r"[a-zA-Z0-9\-_=+/.,]*"
_PATTERNS = {
    "ConfigurationName": r"[A-Za-z0-9\-_]{1,128}",
    "LoggingLevel": r"ERROR|INFO|NONE",
    "TeamId": _ID,
    "TeamsChannelId": rf"(?=.{{1,256}}$){_PART}%3[aA]{_PART}%40{_PART}",
    "TeamsTenantId": _ID,
}
_GONE = ("NotFound", "NotFoundException")


class TeamsChannel(ResourceType):
    """A channel. Its tenant's consent, once in the console, is taken for given here."""

    type: ClassVar[str] = "AWS::Chatbot::MicrosoftTeamsChannelConfiguration"
    properties: ClassVar[tuple[str, ...]] = (
        "ConfigurationName",
        "GuardrailPolicies",
        "IamRoleArn",
        "LoggingLevel",
        "SnsTopicArns",
        "Tags",
        "TeamId",
        "TeamsChannelId",
        "TeamsTenantId",
        "UserRoleRequired",
    )
    required: ClassVar[tuple[str, ...]] = (
        "ConfigurationName",
        "IamRoleArn",
        "TeamId",
        "TeamsChannelId",
        "TeamsTenantId",
    )
    replaced_by: ClassVar[tuple[str, ...]] = ("ConfigurationName", "TeamId", "TeamsTenantId")
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)
    named_by: ClassVar[str | None] = "ConfigurationName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted["ConfigurationName"]
        if name in chatbot.channels():
            raise ResourceError(f"{name} already exists")
        self._put({}, wanted, scope)
        return self._made(name, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._put(before, wanted, scope)
        return self._made(wanted["ConfigurationName"], scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        gone = chatbot.channels().pop(made.rsplit("/", 1)[-1], None)
        for topic in gone.topics if gone else ():
            self._leave(topic, scope)

    def _put(self, before: Properties, wanted: Properties, scope: Scope) -> None:
        for name, pattern in _PATTERNS.items():
            if name in wanted and not re.fullmatch(pattern, str(wanted[name])):
                raise ResourceError(
                    f"Model validation failed (#/{name}: failed validation constraint for keyword "
                    "[pattern])"
                )
        name = wanted["ConfigurationName"]
        role = str(wanted["IamRoleArn"]).rsplit("/", 1)[-1]
        scope.call("iam", "GetRole", RoleName=role)
        for policy in wanted.get("GuardrailPolicies", ()):
            scope.call("iam", "GetPolicy", PolicyArn=policy)
        topics = tuple(wanted.get("SnsTopicArns", ()))
        for topic in topics:
            if not self._subscription(topic, scope):
                scope.call(
                    "sns",
                    "Subscribe",
                    TopicArn=topic,
                    Protocol=chatbot.PROTOCOL,
                    Endpoint=chatbot.ENDPOINT,
                )
        chatbot.channels()[name] = chatbot.Channel(
            name=name,
            tenant=wanted["TeamsTenantId"],
            team=wanted["TeamId"],
            channel=wanted["TeamsChannelId"],
            role=wanted["IamRoleArn"],
            topics=topics,
            guardrails=tuple(wanted.get("GuardrailPolicies") or (chatbot.DEFAULT_GUARDRAIL,)),
            logging=wanted.get("LoggingLevel", "NONE"),
            user_role_required=is_set(wanted.get("UserRoleRequired", False)),
        )
        for topic in before.get("SnsTopicArns", ()):
            if topic not in topics:
                self._leave(topic, scope)

    def _leave(self, topic: str, scope: Scope) -> None:
        """Unsubscribe from a topic that no channel hears any more."""
        if any(topic in other.topics for other in chatbot.channels().values()):
            return
        if arn := self._subscription(topic, scope):
            scope.attempt("sns", "Unsubscribe", unless=_GONE, SubscriptionArn=arn)

    @staticmethod
    def _subscription(topic: str, scope: Scope) -> str:
        """The service's subscription to `topic`, or ""."""
        if not scope.attempt("sns", "GetTopicAttributes", unless=_GONE, TopicArn=topic):
            return ""
        listed = scope.call("sns", "ListSubscriptionsByTopic", TopicArn=topic)
        return next(
            (
                str(each["SubscriptionArn"])
                for each in listed["Subscriptions"]
                if each["Protocol"] == chatbot.PROTOCOL and chatbot.hears(each["Endpoint"])
            ),
            "",
        )

    @staticmethod
    def _made(name: str, scope: Scope) -> Made:
        # Global: the ARN of a configuration names no region.
        arn = f"arn:aws:chatbot::{scope.account}:chat-configuration/microsoft-teams-channel/{name}"
        scope.exists(arn)
        return Made(arn, {"Arn": arn})


TYPES: tuple[ResourceType, ...] = (TeamsChannel(),)
