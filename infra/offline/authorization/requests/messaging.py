"""SNS and SQS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    Question,
    Unmodelled,
    arn_of,
    maps,
    name_of,
    need,
)
from infra.offline.authorization.requests.kms import through
from infra.offline.authorization.wire import Call, WireError


@maps("sns", "Publish")
def _publish(call: Call, account: str) -> Iterator[Question]:
    if "TargetArn" in call.params or "PhoneNumber" in call.params:
        raise Unmodelled("Publish to anything but a TopicArn is not modelled for roles")
    topic = need(call, "TopicArn")
    if not re.fullmatch(r"arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", topic):
        raise WireError("InvalidParameter", f"TopicArn {topic!r} is no topic's ARN")
    yield Question("sns:Publish", topic)
    key = state.topic_key(account, call.region, topic)
    if key:
        # Source: "Key management", Amazon SNS developer guide.
        for action in ("GenerateDataKey", "Decrypt"):
            yield from through(call, account, action, key, "sns", topic)


#: Source: "Actions, resources, and condition keys for Amazon SQS".
_SQS = {
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "DeleteMessage": "DeleteMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "GetQueueAttributes": "GetQueueAttributes",
    "GetQueueUrl": "GetQueueUrl",
    "ReceiveMessage": "ReceiveMessage",
    "SendMessage": "SendMessage",
    "SendMessageBatch": "SendMessage",
}


@maps("sqs", *_SQS)
def _queue(call: Call, account: str) -> Iterator[Question]:
    if call.operation == "GetQueueUrl":
        if call.params.get("QueueOwnerAWSAccountId", account) != account:
            raise Unmodelled("queues of other accounts are not modelled")
        name = name_of(call, "QueueName", r"[A-Za-z0-9_-]{1,80}")
    else:
        # moto goes by the last part of the URL alone.
        url = re.fullmatch(r"https?://[^/]+/(\d{12})/([A-Za-z0-9_-]{1,80})", need(call, "QueueUrl"))
        if url is None or url[1] != account:
            raise WireError(
                "QueueDoesNotExist", f"QueueUrl {call.params['QueueUrl']!r} is no queue's"
            )
        name = url[2]
    yield Question(f"sqs:{_SQS[call.operation]}", arn_of(call, account, "sqs", name))
