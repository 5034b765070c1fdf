"""Alarms watch metrics on the cloud's clock, and say so to their topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto.cloudwatch.models import cloudwatch_backends

from infra.offline.services import cloudwatch, sns
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud, small_cloud

MINUTE = timedelta(minutes=1)
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:notices"
LATE: dict[str, Any] = {
    "evaluation_periods": 3,
    "datapoints_to_alarm": 3,
    "comparison": "GreaterThanThreshold",
    "threshold": 0.0,
}


# --- the judgement ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "treatment", "state"),
    [
        # "Configuring how CloudWatch alarms treat missing data": three of three, five looked at.
        # The latest period is first; 1 breaches.
        ([None, 1, None, 1, 0], "breaching", "OK"),
        ([None, 1, None, 1, 0], "notBreaching", "OK"),
        ([None, None, None, None, 0], "breaching", "OK"),
        ([None, None, None, None, None], "breaching", "ALARM"),
        ([None, None, None, None, None], "notBreaching", "OK"),
        ([1, None, 1, 1, 0], "breaching", "ALARM"),
        ([1, None, 1, 1, 0], "notBreaching", "ALARM"),
        ([None, None, 1, None, None], "breaching", "ALARM"),
        ([None, None, 1, None, None], "notBreaching", "OK"),
    ],
)
def test_missing_data_count_as_the_documentation_shows(
    values: list[float | None], treatment: str, state: str
) -> None:
    assert cloudwatch.judge(values, treatment=treatment, **LATE)[0] == state


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanOrEqualToThreshold", [2.0, 3.0]),
        ("GreaterThanThreshold", [3.0]),
        ("LessThanOrEqualToThreshold", [1.0, 2.0]),
        ("LessThanThreshold", [1.0]),
    ],
)
def test_a_value_is_compared_as_asked(comparison: str, breaching: list[float]) -> None:
    asked = {**LATE, "evaluation_periods": 1, "datapoints_to_alarm": 1, "threshold": 2.0}
    asked["comparison"] = comparison
    states = {
        value: cloudwatch.judge([value], treatment="notBreaching", **asked)[0]
        for value in (1.0, 2.0, 3.0)
    }
    assert [value for value, state in states.items() if state == "ALARM"] == breaching


@given(
    st.lists(st.none() | st.integers(0, 3).map(float), min_size=5, max_size=5),
    st.integers(1, 3),
)
def test_treating_gaps_as_breaching_never_alarms_less(
    values: list[float | None], wanted: int
) -> None:
    asked = {**LATE, "datapoints_to_alarm": wanted}
    lenient = cloudwatch.judge(values, treatment="notBreaching", **asked)[0]
    strict = cloudwatch.judge(values, treatment="breaching", **asked)[0]
    assert (lenient, strict) != ("ALARM", "OK")


# --- on the clock -------------------------------------------------------------------------------
@pytest.fixture
def cloud(tmp_path) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path, still=True) as running:
        sns = running.client("sns")
        sns.create_topic(Name="notices")
        sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="admin@example.org")
        let(running, "cloudwatch.amazonaws.com")
        # To the beginning of an hour, so that periods are easy to count.
        now = running.clock.now()
        running.clock.move(to=now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
        yield running


def let(cloud: SmallCloud, service: str, **condition: Any) -> None:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": TOPIC,
    }
    if condition:
        statement["Condition"] = condition
    cloud.client("sns").set_topic_attributes(
        TopicArn=TOPIC,
        AttributeName="Policy",
        AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def alarm(cloud: SmallCloud, **changed: Any) -> None:
    asked = {
        "AlarmName": "errors",
        "AlarmDescription": "something failed",
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "broker"}],
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
        **changed,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    cloud.client("cloudwatch").put_metric_alarm(**given)


def errors(value: float = 1, function: str = "broker") -> None:
    cloudwatch.record("AWS/Lambda", "Errors", value, {"FunctionName": function})


def state(cloud: SmallCloud, name: str = "errors") -> str:
    [found] = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def subjects() -> list[str]:
    return [mail.subject for mail in sns.mail()]


def test_an_alarm_begins_without_data_and_is_judged_when_its_period_ends(cloud: SmallCloud) -> None:
    alarm(cloud)
    assert state(cloud) == "INSUFFICIENT_DATA"
    cloud.clock.move(by=4 * MINUTE)
    assert state(cloud) == "INSUFFICIENT_DATA"
    cloud.clock.move(by=MINUTE)
    assert state(cloud) == "OK"


def test_an_error_alarms_for_as_long_as_it_is_in_sight(cloud: SmallCloud) -> None:
    alarm(cloud)
    cloud.clock.move(by=6 * MINUTE)
    errors()
    cloud.clock.move(by=5 * MINUTE)
    assert state(cloud) == "ALARM"
    cloud.clock.move(by=15 * MINUTE)
    assert state(cloud) == "OK"
    assert [subject.split(":")[0] for subject in subjects()] == ["OK", "ALARM", "OK"]


def test_another_functions_errors_do_not_count(cloud: SmallCloud) -> None:
    alarm(cloud)
    errors(function="sweep")
    cloud.clock.move(by=6 * MINUTE)
    assert state(cloud) == "OK"


def test_a_statistic_spans_one_period(cloud: SmallCloud) -> None:
    alarm(cloud, Threshold=1)
    cloud.clock.move(by=4 * MINUTE)
    errors()
    cloud.clock.move(by=2 * MINUTE)  # the next period
    errors()
    cloud.clock.move(by=10 * MINUTE)
    assert "ALARM" not in {subject.split(":")[0] for subject in subjects()}


def test_silence_alarms_after_the_periods_that_are_looked_at(cloud: SmallCloud) -> None:
    silent = {
        "AlarmName": "silent",
        "MetricName": "Invocations",
        "Period": 900,
        "EvaluationPeriods": 2,
        "Threshold": 1,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
    }
    alarm(cloud, **silent)
    cloudwatch.record("AWS/Lambda", "Invocations", 1, {"FunctionName": "broker"})
    # The one call stays in sight for 2 + 2 periods.
    cloud.clock.move(by=4 * 15 * MINUTE)
    assert state(cloud, "silent") == "OK"
    cloud.clock.move(by=15 * MINUTE)
    assert state(cloud, "silent") == "ALARM"


def test_a_long_move_does_not_take_its_own_leap_for_silence(cloud: SmallCloud) -> None:
    """Of what repeats, a move runs the last occurrences only: the calls before are missing."""

    def call() -> None:
        cloudwatch.record("AWS/Lambda", "Invocations", 1, {"FunctionName": "broker"})

    cloud.clock.move(by=timedelta(minutes=7))
    cloud.clock.call_every(15 * MINUTE, call, name="rule")
    alarm(
        cloud,
        MetricName="Invocations",
        Period=900,
        EvaluationPeriods=2,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    cloud.clock.move(by=timedelta(hours=1))
    before = len(subjects())
    cloud.clock.move(by=timedelta(days=60))
    assert state(cloud) == "OK"
    assert len(subjects()) == before


def test_the_message_is_awss(cloud: SmallCloud) -> None:
    alarm(cloud)
    errors(2)
    cloud.clock.move(by=5 * MINUTE)
    [mail] = sns.mail()
    message = json.loads(mail.message)
    assert mail.to == "admin@example.org"
    assert mail.subject == f'ALARM: "errors" in {REGION}'
    assert mail.sent.replace(microsecond=0) == cloud.clock.now().replace(microsecond=0)
    assert message["NewStateValue"] == "ALARM"
    assert message["OldStateValue"] == "INSUFFICIENT_DATA"
    assert message["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors"
    assert message["Trigger"] == {
        "MetricName": "Errors",
        "Namespace": "AWS/Lambda",
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [{"value": "broker", "name": "FunctionName"}],
        "Period": 300,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
    }


@pytest.mark.parametrize(
    ("service", "condition", "hears"),
    [
        ("cloudwatch.amazonaws.com", {}, True),
        ("events.amazonaws.com", {}, False),
        (
            "cloudwatch.amazonaws.com",
            {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            True,
        ),
        (
            "cloudwatch.amazonaws.com",
            {"StringEquals": {"aws:SourceAccount": "111122223333"}},
            False,
        ),
        (
            "cloudwatch.amazonaws.com",
            {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:err*"}},
            True,
        ),
        (
            "cloudwatch.amazonaws.com",
            {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:x*"}},
            False,
        ),
    ],
)
def test_a_topic_hears_an_alarm_only_if_its_policy_lets_it(
    cloud: SmallCloud, service: str, condition: dict[str, Any], hears: bool
) -> None:
    let(cloud, service, **condition)
    alarm(cloud)
    cloud.clock.move(by=5 * MINUTE)
    assert bool(subjects()) is hears


def test_an_encrypted_topic_hears_an_alarm_only_if_its_key_lets_it(cloud: SmallCloud) -> None:
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]
    cloud.client("sns").set_topic_attributes(
        TopicArn=TOPIC, AttributeName="KmsMasterKeyId", AttributeValue=key["KeyId"]
    )
    alarm(cloud)
    cloud.clock.move(by=5 * MINUTE)
    assert subjects() == []
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
    }
    kms.put_key_policy(
        KeyId=key["KeyId"],
        PolicyName="default",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    errors()
    cloud.clock.move(by=5 * MINUTE)
    assert len(subjects()) == 1


def test_a_deleted_alarm_is_off_the_clock(cloud: SmallCloud) -> None:
    alarm(cloud)
    assert [each.name for each in cloud.clock.alarms()] == ["alarm errors"]
    cloud.client("cloudwatch").delete_alarms(AlarmNames=["errors"])
    assert cloud.clock.alarms() == ()


def test_an_alarm_put_anew_keeps_its_state_and_is_looked_at_once(cloud: SmallCloud) -> None:
    alarm(cloud)
    cloud.clock.move(by=5 * MINUTE)
    alarm(cloud, AlarmDescription="other")
    assert state(cloud) == "OK"
    assert len(cloud.clock.alarms()) == 1


def test_an_alarm_whose_actions_are_off_is_silent(cloud: SmallCloud) -> None:
    alarm(cloud, ActionsEnabled=False)
    errors()
    cloud.clock.move(by=5 * MINUTE)
    assert (state(cloud), subjects()) == ("ALARM", [])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"TreatMissingData": "ignore"}, "TreatMissingData ignore"),
        ({"TreatMissingData": "missing"}, "TreatMissingData missing"),
        ({"Unit": "Count"}, "Unit Count"),
        ({"Period": 10}, "Period 10"),
        ({"Period": 90}, "Period 90"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "LessThanLowerThreshold"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "arn:aws:automate"),
        (
            {"AlarmActions": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"]},
            f"arn:aws:lambda:{REGION}",
        ),
        ({"Statistic": None, "ExtendedStatistic": "p99"}, "ExtendedStatistic p99"),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(
    cloud: SmallCloud, changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(ClientError) as refused:
        alarm(cloud, **changed)
    assert named in refused.value.response["Error"]["Message"]
    assert "not modelled" in refused.value.response["Error"]["Message"]
    assert cloud.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_a_datum_without_a_time_lies_in_the_clouds_present(cloud: SmallCloud) -> None:
    cloud.clock.move(by=timedelta(days=3))
    cloud.client("cloudwatch").put_metric_data(
        Namespace="ours", MetricData=[{"MetricName": "m", "Value": 1.0}]
    )
    [datum] = cloudwatch_backends[ACCOUNT][REGION].metric_data
    stamp = datum.timestamp.replace(tzinfo=UTC)
    assert abs(stamp - cloud.clock.now()) < timedelta(seconds=5)
    assert stamp > datetime.now(UTC) + timedelta(days=2)
