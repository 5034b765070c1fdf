"""Events that come twice, late and out of order, and targets that do not answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.offline import faults
from infra.offline.faults import Fault
from infra.offline.services import events, sqs
from tests.offline.services.test_events import Kept
from tests.offline.services.test_events import cloud as cloud  # the fixtures
from tests.offline.services.test_events import kept as kept
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:undelivered"
PATTERN = {"source": ["aws.s3"]}


@pytest.fixture(autouse=True)
def cleared(cloud: SmallCloud) -> Iterator[None]:
    yield
    faults.clear()


def emit(*keys: str) -> None:
    for key in keys:
        events.emit("aws.s3", "Object Created", {"key": key}, [])


def seen(kept: Kept) -> list[str]:
    return [event["detail"]["key"] for event in kept.events()]


def test_an_event_comes_twice_under_one_id(kept: Kept) -> None:
    kept.rule(EventPattern=PATTERN)
    faults.add(Fault("twice", "events"))
    emit("a", "b")
    assert sorted(seen(kept)) == ["a", "a", "b"]
    assert len({event["id"] for event in kept.events()}) == 2


def test_an_event_comes_twice_and_the_second_time_late(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern=PATTERN)
    faults.add(Fault("twice", "events", seconds=3600))
    emit("a")
    assert seen(kept) == ["a"]
    cloud.clock.move(by=timedelta(hours=2))
    assert seen(kept) == ["a", "a"]


def test_an_event_comes_late_with_the_time_at_which_it_happened(
    cloud: SmallCloud, kept: Kept
) -> None:
    kept.rule(EventPattern=PATTERN)
    faults.add(Fault("late", "events", seconds=600, match={"detail-type": "Object *"}))
    happened = f"{cloud.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    emit("a")
    cloud.clock.move(by=timedelta(seconds=599))
    assert seen(kept) == []
    cloud.clock.move(by=timedelta(seconds=1))
    [event] = kept.events()
    assert (event["detail"], event["time"]) == ({"key": "a"}, happened)


def test_an_event_is_overtaken_by_the_next(kept: Kept) -> None:
    kept.rule(EventPattern=PATTERN)
    faults.add(Fault("out-of-order", "events", match={"rule": kept.name}))
    emit("a")
    assert seen(kept) == []
    emit("b")
    assert sorted(seen(kept)) == ["a", "b"]


def test_an_event_that_nothing_overtakes_comes_all_the_same(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern=PATTERN)
    faults.add(Fault("out-of-order", "events"))
    emit("a")
    cloud.clock.move(by=timedelta(seconds=61))
    assert seen(kept) == ["a"]
    emit("b")
    assert sorted(seen(kept)) == ["a", "b"]


def test_another_rule_or_source_is_delivered_as_ever(kept: Kept) -> None:
    kept.rule(EventPattern={"source": ["aws.s3", "aws.sagemaker"]})
    faults.add(Fault("twice", "events", match={"rule": "another"}))
    faults.add(Fault("twice", "events", match={"source": "aws.sagemaker"}))
    emit("a")
    assert seen(kept) == ["a"]
    events.emit("aws.sagemaker", "Ended", {"key": "job"}, [])
    assert seen(kept) == ["a", "job", "job"]


# --- a target that does not answer --------------------------------------------------------------
def refusing(kind: str = "throttle", count: int = 1000) -> None:
    caller = "events.amazonaws.com"
    faults.add(Fault(kind, "lambda", "Invoke", caller=caller, count=count))


def letters(cloud: SmallCloud) -> list[dict[str, Any]]:
    found = cloud.client("sqs").receive_message(
        QueueUrl=sqs.url("undelivered"),
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
    )
    return [
        {
            "body": json.loads(message["Body"]),
            **{name: each["StringValue"] for name, each in message["MessageAttributes"].items()},
        }
        for message in found.get("Messages", ())
    ]


@pytest.fixture
def undelivered(cloud: SmallCloud) -> Iterator[dict[str, Any]]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queues = cloud.client("sqs")
    queues.create_queue(QueueName="undelivered", Attributes={"Policy": policy})
    yield {"DeadLetterConfig": {"Arn": QUEUE}}
    queues.delete_queue(QueueUrl=sqs.url("undelivered"))


@pytest.mark.parametrize("kind", ["throttle", "internal", "closed-before"])
def test_a_target_that_does_not_answer_is_tried_again_with_growing_pauses(
    cloud: SmallCloud, kept: Kept, kind: str
) -> None:
    kept.rule(EventPattern=PATTERN)
    refusing(kind, count=5)
    emit("a")
    # After 1, 2, 4, 8 and 16 seconds.
    cloud.clock.move(by=timedelta(seconds=30))
    assert seen(kept) == []
    cloud.clock.move(by=timedelta(seconds=1))
    assert seen(kept) == ["a"]


def test_a_target_whose_answer_is_lost_gets_the_event_twice(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern=PATTERN)
    refusing("closed-after", count=1)
    emit("a")
    cloud.clock.move(by=timedelta(seconds=5))
    assert seen(kept) == ["a", "a"]


def test_after_a_day_an_event_goes_to_the_dead_letters(
    cloud: SmallCloud, kept: Kept, undelivered: dict[str, Any]
) -> None:
    kept.rule(EventPattern=PATTERN, target=undelivered)
    refusing()
    emit("a")
    cloud.clock.move(by=timedelta(hours=22))
    assert letters(cloud) == []
    cloud.clock.move(by=timedelta(hours=2, minutes=1))
    [letter] = letters(cloud)
    assert letter["body"]["detail"] == {"key": "a"}
    assert letter["ERROR_CODE"] == "THROTTLING"
    assert letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert letter["RETRY_ATTEMPTS"] == "185"
    faults.clear()
    cloud.clock.move(by=timedelta(days=2))
    assert seen(kept) == []


@pytest.mark.parametrize(
    ("policy", "condition", "attempts"),
    [
        ({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts", "0"),
        ({"MaximumRetryAttempts": 3}, "MaximumRetryAttempts", "3"),
        ({"MaximumEventAgeInSeconds": 60}, "MaximumEventAgeInSeconds", "5"),
    ],
)
def test_a_targets_own_retry_policy_holds(
    cloud: SmallCloud,
    kept: Kept,
    undelivered: dict[str, Any],
    policy: dict[str, int],
    condition: str,
    attempts: str,
) -> None:
    kept.rule(EventPattern=PATTERN, target={**undelivered, "RetryPolicy": policy})
    refusing()
    emit("a")
    cloud.clock.move(by=timedelta(minutes=5))
    [letter] = letters(cloud)
    assert letter["EXHAUSTED_RETRY_CONDITION"] == condition
    assert letter["RETRY_ATTEMPTS"] == attempts


def test_no_permission_is_not_tried_again(
    cloud: SmallCloud, kept: Kept, undelivered: dict[str, Any]
) -> None:
    kept.rule(EventPattern=PATTERN, permission=False, target=undelivered)
    emit("a")
    [letter] = letters(cloud)
    assert letter["ERROR_CODE"] == "NO_PERMISSIONS"
    assert "RETRY_ATTEMPTS" not in letter
