"""SQS of the embedded cloud: standard queues, and the one of their metrics that alarms watch.

Moto keeps the queues. What it would accept and not do is refused by name when it is asked for.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from moto.sqs.exceptions import SQSException
from moto.sqs.models import sqs_backends

from infra.offline import runtime
from infra.offline.authorization.resource_access import service_may
from infra.offline.fidelity import Part
from infra.offline.patching import replaces
from infra.offline.services import cloudwatch

FIDELITY = Part(
    title="SQS",
    emulated="moto's standard queues; queue and key policies hold for services and roles",
    checked="by client: AWS CLI, boto3",
    differences=(
        "visibility times follow the machine's clock; FIFO and redrive are refused; version 1 of "
        "the AWS CLI sends `aws sqs` to queue.amazonaws.com whatever AWS_ENDPOINT_URL says: it "
        "needs `--endpoint-url`"
    ),
)

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SQS"
VISIBLE = "ApproximateNumberOfMessagesVisible"

#: Attributes of a queue that are emulated. FIFO, redrive, and keys of the customer's are not.
ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)


#: Least and greatest of the attributes that are numbers. Source: SetQueueAttributes, SQS API
#: reference.
NUMBERS = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, 1024 * 1024),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}


def url(name: str) -> str:
    """A queue's URL, by which clients know it."""
    here = runtime.current()
    return f"{here.endpoint}/{here.account}/{name}"


def arn(name: str) -> str:
    here = runtime.current()
    return f"arn:aws:sqs:{here.region}:{here.account}:{name}"


def find(queue_arn: str) -> Any | None:
    """Moto's queue of this ARN, or None."""
    here = runtime.current()
    name = queue_arn.rsplit(":", 1)[-1]
    if queue_arn != arn(name):
        return None
    return sqs_backends[here.account][here.region].queues.get(name)


def send_as_service(
    queue_arn: str,
    body: str,
    attributes: Mapping[str, str],
    *,
    service: str,
    source_arn: str,
) -> bool:
    """Put a message as an AWS service does: if the queue's policy lets it. Says whether."""
    queue = find(queue_arn)
    if queue is None:
        log.error("%s cannot reach the queue %s: there is none", service, queue_arn)
        return False
    policy = json.dumps(queue.policy) if isinstance(queue.policy, dict) else queue.policy
    if not service_may(service, "sqs:SendMessage", queue_arn, policy, source_arn=source_arn):
        log.error(
            "%s may not write to %s for %s: its policy does not let it",
            service,
            queue_arn,
            source_arn,
        )
        return False
    here = runtime.current()
    sqs_backends[here.account][here.region].send_message(
        queue.name,
        body,
        message_attributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )
    return True


def _visible(dimensions: Mapping[str, str]) -> float | None:
    """The gauge behind the metric: how many messages wait, or None if there is no such queue."""
    here = runtime.current()
    queue = sqs_backends[here.account][here.region].queues.get(dimensions.get("QueueName", ""))
    return None if queue is None else float(queue.approximate_number_of_messages)


cloudwatch.gauge(NAMESPACE, VISIBLE, _visible)


# --- changes to moto ----------------------------------------------------------------------------
def _refuse_unmodelled(name: str, attributes: Mapping[str, Any]) -> None:
    for attribute, value in attributes.items():
        if attribute not in ATTRIBUTES:
            raise SQSException(
                "InvalidAttributeName",
                f"Attribute {attribute} of queue {name} is not modelled by the embedded cloud "
                f"(modelled: {', '.join(ATTRIBUTES)}).",
            )
        if attribute == "Policy" and value:
            try:
                json.loads(value)
            except (TypeError, ValueError):
                raise SQSException(
                    "InvalidAttributeValue", "Invalid value for the parameter Policy."
                ) from None
        if attribute in NUMBERS:
            least, greatest = NUMBERS[attribute]
            if not re.fullmatch(r"\d{1,9}", str(value)) or not least <= int(value) <= greatest:
                raise SQSException(
                    "InvalidAttributeValue", f"Invalid value for the parameter {attribute}."
                )


@replaces(
    "moto.sqs.models:SQSBackend.create_queue",
    because="FIFO queues, redrive and customer keys are not emulated, so they are refused",
)
def _create_queue(
    original: Callable[..., Any],
    backend: Any,
    name: str,
    tags: dict[str, str] | None = None,
    **attributes: Any,
) -> Any:
    region = {"region": attributes.pop("region")} if "region" in attributes else {}
    if name.endswith(".fifo"):
        raise SQSException("InvalidParameterValue", f"FIFO queue {name}: not emulated")
    _refuse_unmodelled(name, attributes)
    return original(backend, name, tags, **attributes, **region)


@replaces(
    "moto.sqs.models:SQSBackend.set_queue_attributes",
    because="the same when a queue is changed; and moto forgets the policy when another attribute "
    "is set",
)
def _set_queue_attributes(
    original: Callable[..., Any], backend: Any, queue_name: str, attributes: dict[str, Any]
) -> Any:
    _refuse_unmodelled(queue_name, attributes)
    if "Policy" not in attributes:
        held = backend.get_queue(queue_name).policy
        policy = json.dumps(held) if isinstance(held, dict) else held
        attributes = {**attributes, **({"Policy": policy} if policy else {})}
    return original(backend, queue_name, attributes)
