"""Amazon Q Developer in chat applications, as far as it takes a topic's messages to a channel.

A configuration names a channel of Microsoft Teams and the topics that it hears. Nothing is sent:
what each channel would have been told is kept, and `told` (and GET /_academy/chat) gives it back,
with what is wrong with it where the real service would have shown nothing. Nobody can write to a
channel here, so a configuration's role and guardrails are kept and never used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.sns.models import sns_backends

from infra.offline import runtime
from infra.offline.fidelity import Part

FIDELITY = Part(
    title="Amazon Q Developer in chat applications",
    emulated=(
        "a channel of Microsoft Teams hears its topics; messages are kept and shown at "
        "`/_academy/chat`, with why one would have shown nothing"
    ),
    checked="by documentation: the structure of custom notifications",
    differences=(
        "their length limits were not found; the tenant's consent is taken for given; nobody can "
        "write to a channel"
    ),
)

#: Where the service hears of a topic: it subscribes itself. Source: "Test notifications from AWS
#: services to chat channels", guide of Amazon Q Developer in chat applications.
ENDPOINT = "https://global.sns-api.chatbot.amazonaws.com"
PROTOCOL = "https"

#: What the service applies where a configuration names no guardrail. Source: GuardrailPolicies of
#: AWS::Chatbot::MicrosoftTeamsChannelConfiguration.
DEFAULT_GUARDRAIL = "arn:aws:iam::aws:policy/AdministratorAccess"

_CONTENT = {"textType", "title", "description", "nextSteps", "keywords"}
_METADATA = {"threadId", "summary", "eventType", "relatedResources", "additionalContext"}


@dataclass(frozen=True)
class Channel:
    """One configuration."""

    name: str
    tenant: str
    team: str
    channel: str
    role: str
    topics: tuple[str, ...]
    guardrails: tuple[str, ...] = (DEFAULT_GUARDRAIL,)
    logging: str = "NONE"
    user_role_required: bool = False


@dataclass(frozen=True)
class Told:
    """One message to one channel. `problem`: why the real service would show nothing, or ""."""

    channel: str
    topic: str
    title: str
    text: str
    thread: str
    kind: str
    message: str
    sent: datetime
    problem: str


def channels() -> dict[str, Channel]:
    """Every configuration by its name."""
    here = runtime.current()
    # In the state of the topics' backend, so that it goes when that is reset.
    kept = vars(sns_backends[here.account][here.region])
    return kept.setdefault("academy_channels", {})  # type: ignore[no-any-return]


def told() -> tuple[Told, ...]:
    """What channels were told, in order."""
    return tuple(_told())


def deliver(topic: str, message: str) -> None:
    """Tell every channel that hears `topic`."""
    title, text, thread, kind, problem = _read(message)
    for channel in channels().values():
        if topic in channel.topics:
            _told().append(
                Told(
                    channel=channel.name,
                    topic=topic,
                    title=title,
                    text=text,
                    thread=thread,
                    kind=kind,
                    message=message,
                    sent=runtime.current().clock.now(),
                    problem=problem,
                )
            )


def _told() -> list[Told]:
    here = runtime.current()
    kept = vars(sns_backends[here.account][here.region])
    return kept.setdefault("academy_chat", [])  # type: ignore[no-any-return]


def _read(message: str) -> tuple[str, str, str, str, str]:
    """Title, text, thread, kind of event and what is wrong with a message."""
    try:
        document: Any = json.loads(message)
    except ValueError:
        return "", message, "", "", "no custom notification: not JSON"
    problem = _problem(document)
    if problem:
        return "", message, "", "", f"no custom notification: {problem}"
    content, metadata = document["content"], document.get("metadata", {})
    return (
        str(content.get("title", "")),
        str(content["description"]),
        str(metadata.get("threadId", "")),
        str(metadata.get("eventType", "")),
        "",
    )


def _problem(document: Any) -> str:
    """What is wrong with a custom notification, or "".

    Source: "Custom notifications using Amazon Q Developer in chat applications", event schema.
    """
    if not isinstance(document, Mapping):
        return "not an object"
    if document.get("version") != "1.0" or document.get("source") != "custom":
        return 'not version "1.0" of source "custom"'
    unknown = set(document) - {"version", "source", "id", "content", "metadata"}
    content, metadata = document.get("content"), document.get("metadata", {})
    if not isinstance(content, Mapping) or not isinstance(metadata, Mapping):
        return "content and metadata are objects"
    unknown |= (set(content) - _CONTENT) | (set(metadata) - _METADATA)
    if unknown:
        return f"unknown members {', '.join(sorted(map(str, unknown)))}"
    if content.get("textType", "client-markdown") != "client-markdown":
        return f"textType {content['textType']!r}, not client-markdown"
    if not isinstance(content.get("description"), str) or not content["description"]:
        return "content has no description"
    for part, texts, lists in (
        (content, ("title",), ("nextSteps", "keywords")),
        (metadata, ("threadId", "summary", "eventType"), ("relatedResources",)),
    ):
        for name in texts:
            if name in part and not isinstance(part[name], str):
                return f"{name} is no text"
        for name in lists:
            if name in part and not _texts(part[name]):
                return f"{name} is no list of texts"
    more = metadata.get("additionalContext", {})
    if not isinstance(more, Mapping) or not _texts(list(more.values())):
        return "additionalContext is no map of texts"
    return ""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def hears(endpoint: str) -> bool:
    """Whether an https subscription is the service's own."""
    return re.fullmatch(re.escape(ENDPOINT), endpoint or "") is not None
