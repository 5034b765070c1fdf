"""CloudWatch: when an alarm takes silence for a sign, and whether it reaches an encrypted topic."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from infra.cli.probe.probing import Probe, TookTooLong
from infra.cli.probe.question import Answer, confirmed, contradicted

NAMESPACE = "AcademyProbe"
PERIOD = 60
#: The alarm asks for two silent periods, as that on the sweep does.
PERIODS = 2
#: What the embedded cloud takes AWS to look back beyond them: infra/offline/services/cloudwatch.py.
LOOKS_BACK = 2
#: What would surprise us no more: AWS looks every minute, and a metric is stored in seconds.
SLACK = 2


def _put(probe: Probe, metric: str, value: float = 1.0) -> None:
    probe.client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE, MetricData=[{"MetricName": metric, "Value": value}]
    )


def _alarm(probe: Probe, what: str, **settings: Any) -> str:
    name = probe.name(what)
    probe.make(
        "alarm",
        name,
        lambda: probe.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace=NAMESPACE,
            MetricName=name,
            Statistic="Sum",
            Period=PERIOD,
            Tags=probe.tags,
            **settings,
        ),
    )
    return name


def _state(probe: Probe, name: str) -> str:
    found = probe.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found[0]["StateValue"])


def ask_silence(probe: Probe) -> Answer:
    name = probe.name("silence")
    _put(probe, name)
    _alarm(
        probe,
        "silence",
        EvaluationPeriods=PERIODS,
        DatapointsToAlarm=PERIODS,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    first: str | None = None
    for passed in range(PERIODS + LOOKS_BACK + SLACK + 3):
        state = _state(probe, name)
        first = first or (state if state != "INSUFFICIENT_DATA" else None)
        # An alarm that is new may ring before it has found the datum; then it is silent again.
        if state == "ALARM" and passed >= PERIODS:
            return read_silence(passed, first)
        probe.pass_seconds(PERIOD)
    return read_silence(None, first)


def read_silence(periods: int | None, first: str | None) -> Answer:
    """`periods`: after how many of silence it rang; `first`: the first state that it had."""
    expected = PERIODS + LOOKS_BACK
    seen = {"periods": periods, "first_state": first}
    if periods is None:
        return contradicted(f"silence of {expected + SLACK} periods and more is not told", **seen)
    begins = f"; its first state was {first}" if first else ""
    if periods > expected + SLACK:
        return contradicted(f"silence is told after {periods} periods only{begins}", **seen)
    return confirmed(
        f"an alarm on {PERIODS} silent periods rings after {periods}, where ours takes "
        f"{expected}{begins}",
        **seen,
    )


def ask_encrypted(probe: Probe) -> Answer:
    """A topic, its key and both policies as the academy's, and a queue that hears the topic."""
    name = probe.name("notices")
    topic, queue = probe.arn("sns", name), probe.arn("sqs", name)
    account = {"StringEquals": {"aws:SourceAccount": probe.account}}
    key = _key(probe, name, account)
    sns, sqs = probe.client("sns"), probe.client("sqs")
    probe.make(
        "topic",
        name,
        lambda: sns.create_topic(Name=name, Attributes={"KmsMasterKeyId": key}, Tags=probe.tags),
        arn=topic,
    )
    publishes = _statement("cloudwatch.amazonaws.com", ["sns:Publish"], topic, account)
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=_document(publishes)
    )
    hears = {"ArnEquals": {"aws:SourceArn": topic}}
    writes = _statement("sns.amazonaws.com", ["sqs:SendMessage"], queue, hears)
    url = probe.make(
        "queue",
        name,
        lambda: sqs.create_queue(
            QueueName=name,
            Attributes={"Policy": _document(writes), "VisibilityTimeout": "43200"},
            tags=probe.tag_map,
        ),
    )["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    alarm = _alarm(
        probe,
        "rings",
        EvaluationPeriods=1,
        Threshold=0.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )
    for _ in range(4):
        _put(probe, alarm)
        probe.pass_seconds(PERIOD)
        if _state(probe, alarm) == "ALARM":
            break
    return read_encrypted(_state(probe, alarm), _message(probe, url))


def read_encrypted(state: str, message: str | None) -> Answer:
    if state != "ALARM":
        return contradicted(f"an alarm on a metric above its threshold is {state}", state=state)
    if message is None:
        return contradicted(
            "the alarm rang and nothing came through the encrypted topic: CloudWatch does not "
            "satisfy aws:SourceAccount on its key or its topic (its history says which)",
        )
    return confirmed("an alarm reaches a topic whose key and policy ask for aws:SourceAccount")


def _key(probe: Probe, name: str, account: dict[str, Any]) -> str:
    kms = probe.client("kms")
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{probe.account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    uses = _statement(
        "cloudwatch.amazonaws.com", ["kms:Decrypt", "kms:GenerateDataKey*"], "*", account
    )
    tags = [{"TagKey": "Name", "TagValue": name}]
    tags += [{"TagKey": each["Key"], "TagValue": each["Value"]} for each in probe.tags]
    made = probe.make(
        "key",
        name,
        lambda: kms.create_key(
            Policy=_document(owner, uses), Description="academy probe", Tags=tags
        ),
        learn="KeyMetadata.KeyId",
    )
    return str(made["KeyMetadata"]["Arn"])


def _statement(
    service: str, actions: list[str], resource: str, when: dict[str, Any]
) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": actions,
        "Resource": resource,
        "Condition": when,
    }


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _message(probe: Probe, url: str) -> str | None:
    sqs = probe.client("sqs")
    wait = 5 if probe.source == "aws" else 0

    def look() -> list[Any]:
        return list(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait).get("Messages", ()))

    try:
        found = probe.until("the alarm's message", look, bool, seconds=60)
    except TookTooLong:
        return None
    return str(found[0]["Body"])


# --- budgets --------------------------------------------------------------------------------------
def ask_annual(probe: Probe) -> Answer:
    """A yearly budget from the first of last month, and the periods that AWS counts by it."""
    budgets, name = probe.client("budgets"), probe.name("year")
    month = probe.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begins = (month - dt.timedelta(days=1)).replace(day=1)
    probe.make(
        "budget",
        name,
        lambda: budgets.create_budget(
            AccountId=probe.account,
            Budget={
                "BudgetName": name,
                "BudgetType": "COST",
                "TimeUnit": "ANNUALLY",
                "BudgetLimit": {"Amount": "100", "Unit": "USD"},
                "TimePeriod": {"Start": begins},
                "CostFilters": {"TagKeyValue": [f"user:academy-probe${probe.run}"]},
            },
        ),
        account=probe.account,
    )
    seen = budgets.describe_budget(AccountId=probe.account, BudgetName=name)["Budget"]
    return read_annual(begins, seen["TimePeriod"]["Start"])


def read_annual(asked: dt.datetime, held: dt.datetime) -> Answer:
    seen = {"asked": asked.isoformat(), "held": held.isoformat()}
    if held.astimezone(dt.UTC).date() == asked.astimezone(dt.UTC).date():
        return confirmed(f"a yearly budget keeps its start, {held:%Y-%m-%d}", **seen)
    return contradicted(f"a yearly budget from {asked:%Y-%m-%d} starts {held:%Y-%m-%d}", **seen)
