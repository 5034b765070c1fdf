"""SNS of the embedded cloud: topics to which services and roles publish, and who hears of it.

Mail is not sent: what a topic would have mailed is kept, and `mail` (and GET /_academy/mail) gives
it back. An e-mail subscription counts as confirmed; on AWS its owner must click the link in the
first mail. Queues are written to if their policy lets SNS. Channels of Microsoft Teams hear of
topics as `chatbot` says. Other subscribers are refused by name.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.kms.models import kms_backends
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import sns_backends

from infra.offline import runtime
from infra.offline.authorization.resource_access import service_may, service_may_encrypt
from infra.offline.fidelity import Part
from infra.offline.patching import replaces
from infra.offline.services import chatbot, sqs

FIDELITY = Part(
    title="SNS",
    emulated=(
        "moto's topics; topic and key policies hold for services and roles; mail is kept and "
        "shown at `/_academy/mail`"
    ),
    checked="by client: AWS CLI, boto3",
    differences=(
        "an e-mail subscription counts as confirmed; FIFO and other subscribers are refused"
    ),
)

log = logging.getLogger(__name__)

#: Attributes of a topic that are emulated.
TOPIC_ATTRIBUTES = ("DisplayName", "KmsMasterKeyId", "Policy")
PROTOCOLS = ("email", "sqs", chatbot.PROTOCOL)

_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")

#: The statement of the policy that a topic has before it is given one.
_DEFAULT_STATEMENT = "__default_statement_ID"


@dataclass(frozen=True)
class Mail:
    """A mail as SNS would have sent it."""

    to: str
    topic: str
    subject: str
    message: str
    sent: datetime


def mail() -> tuple[Mail, ...]:
    """Every mail of this cloud, in the order in which it was sent."""
    here = runtime.current()
    return tuple(_outbox(sns_backends[here.account][here.region]))


def _outbox(backend: Any) -> list[Mail]:
    # In the backend's own state, so that it goes when that is reset.
    return vars(backend).setdefault("academy_mail", [])  # type: ignore[no-any-return]


def topic_policy(topic: Any) -> str | None:
    """The policy that a topic was given, or None if it has the one that every topic begins with:
    that one only says that the account's own policies decide."""
    statements = topic._policy_json.get("Statement", [])
    if any(each.get("Sid") == _DEFAULT_STATEMENT for each in statements):
        return None
    return str(topic.policy)


def find(topic_arn: str) -> Any | None:
    """Moto's topic of this ARN, or None."""
    here = runtime.current()
    return sns_backends[here.account][here.region].topics.get(topic_arn)


def publish_as_service(
    topic_arn: str, message: str, *, subject: str, service: str, source_arn: str
) -> str | None:
    """Publish as an AWS service does. Returns None, or why the topic or its key refused it."""
    topic = find(topic_arn)
    if topic is None:
        return f"there is no topic {topic_arn}"
    if not service_may(
        service, "sns:Publish", topic_arn, topic_policy(topic), source_arn=source_arn
    ):
        return f"the policy of {topic_arn} does not let {service} publish for {source_arn}"
    if topic.kms_master_key_id:
        key = _key(topic.kms_master_key_id)
        if key is None:
            return f"the key {topic.kms_master_key_id} of {topic_arn} does not exist"
        if not service_may_encrypt(service, key.arn, key.policy, source_arn=source_arn):
            return f"the policy of {key.arn}, the key of {topic_arn}, does not let {service} use it"
    topic.publish(message, subject=subject[:100])
    return None


def _key(named: str) -> Any | None:
    here = runtime.current()
    backend = kms_backends[here.account][here.region]
    bare = named.rsplit(":", 1)[-1]
    if bare.startswith("alias/"):
        return next((key for key in list(backend.keys.values()) if bare in key.aliases), None)
    return backend.keys.get(bare.removeprefix("key/"))


# --- changes to moto ----------------------------------------------------------------------------
@replaces(
    "moto.sns.models:SNSBackend.get_topic",
    because="moto fails on a topic's ARN that is none",
)
def _get_topic(original: Callable[..., Any], backend: Any, arn: str) -> Any:
    if arn.count(":") < 5:
        raise SNSInvalidParameter("Invalid parameter: TopicArn")
    return original(backend, arn)


@replaces(
    "moto.sns.models:SNSBackend.create_topic",
    because="FIFO topics and other attributes are not emulated, so they are refused",
)
def _create_topic(
    original: Callable[..., Any],
    backend: Any,
    name: str,
    attributes: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
) -> Any:
    for attribute in attributes or {}:
        _refuse_attribute(name, attribute)
    return original(backend, name, attributes, tags)


@replaces(
    "moto.sns.models:SNSBackend.set_topic_attribute",
    because="the same when a topic is changed",
)
def _set_topic_attribute(
    original: Callable[..., Any],
    backend: Any,
    topic_arn: str,
    attribute_name: str,
    attribute_value: str,
) -> None:
    # Moto hands the name over in its own spelling, kms_master_key_id.
    camel = "".join(part.title() for part in attribute_name.split("_"))
    _refuse_attribute(topic_arn, camel)
    original(backend, topic_arn, attribute_name, attribute_value)


def _refuse_attribute(topic: str, attribute: str) -> None:
    if attribute not in TOPIC_ATTRIBUTES:
        raise SNSInvalidParameter(
            f"Attribute {attribute} of topic {topic} is not modelled by the embedded cloud "
            f"(modelled: {', '.join(TOPIC_ATTRIBUTES)})."
        )


@replaces(
    "moto.sns.models:SNSBackend.subscribe",
    because="subscribers that are not emulated are refused by name",
)
def _subscribe(
    original: Callable[..., Any], backend: Any, topic_arn: str, endpoint: str, protocol: str
) -> Any:
    if protocol not in PROTOCOLS:
        raise SNSInvalidParameter(
            f"Protocol {protocol} is not modelled by the embedded cloud "
            f"(modelled: {', '.join(PROTOCOLS)})."
        )
    if protocol == "email" and not _EMAIL.match(endpoint or ""):
        raise SNSInvalidParameter("Invalid parameter: Email address")
    if protocol == chatbot.PROTOCOL and not chatbot.hears(endpoint):
        raise SNSInvalidParameter(
            f"Endpoint {endpoint} is not modelled by the embedded cloud, which calls no address "
            f"(modelled: {chatbot.ENDPOINT}, for channels of Microsoft Teams)."
        )
    return original(backend, topic_arn, endpoint, protocol)


@replaces(
    "moto.sns.models:Subscription.publish",
    because="moto drops mail, and writes to queues whatever their policy says",
)
def _deliver(
    _original: Callable[..., Any],
    subscription: Any,
    message: str,
    message_id: str,
    subject: str | None = None,
    message_attributes: dict[str, Any] | None = None,
    message_structure: str | None = None,
    **_of_fifo_topics: Any,
) -> None:
    here = runtime.current()
    topic = subscription.topic
    matcher = subscription._filter_policy_matcher
    if matcher is not None and not matcher.matches(message_attributes, message):
        return
    if message_structure == "json":
        message = subscription._parse_message_structure(message, subscription.protocol)
    if subscription.protocol == "email":
        _outbox(topic.sns_backend).append(
            Mail(
                to=subscription.endpoint,
                topic=topic.arn,
                subject=subject or "AWS Notification Message",
                message=message,
                sent=here.clock.now(),
            )
        )
        return
    if subscription.protocol == chatbot.PROTOCOL:
        chatbot.deliver(topic.arn, message)
        return
    envelope = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic.arn,
        **({"Subject": subject} if subject else {}),
        "Message": message,
        "Timestamp": f"{here.clock.now():%Y-%m-%dT%H:%M:%S.000Z}",
        "SignatureVersion": "1",
    }
    sqs.send_as_service(
        subscription.endpoint,
        json.dumps(envelope),
        {},
        service="sns.amazonaws.com",
        source_arn=topic.arn,
    )


@replaces(
    "moto.sns.models:SNSBackend.set_subscription_attributes",
    because="raw delivery and redrive are not emulated, so they are refused",
)
def _set_subscription_attributes(
    original: Callable[..., Any], backend: Any, arn: str, name: str, value: Any
) -> None:
    if name not in ("FilterPolicy", "FilterPolicyScope"):
        raise SNSInvalidParameter(
            f"Attribute {name} of a subscription is not modelled by the embedded cloud "
            "(modelled: FilterPolicy, FilterPolicyScope)."
        )
    original(backend, arn, name, value)
    subscription = backend.subscriptions.get(arn)
    if name == "FilterPolicy" and subscription is not None and json.loads(value or "{}") == {}:
        # An empty policy is how a filter is taken away, and its scope goes with it.
        for gone in ("FilterPolicy", "FilterPolicyScope"):
            subscription.attributes.pop(gone, None)
        subscription._filter_policy = subscription._filter_policy_matcher = None


@replaces(
    "moto.sns.models:SNSBackend.publish",
    because="moto answers HTTP 500 where neither a topic nor a phone is named",
)
def _publish(original: Callable[..., Any], backend: Any, message: str, **to: Any) -> Any:
    if to.get("arn") is None and to.get("phone_number") is None:
        raise SNSInvalidParameter(
            "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"
        )
    return original(backend, message, **to)
