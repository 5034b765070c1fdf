"""CloudWatch of the embedded cloud: metrics on the cloud's clock, and alarms that watch them.

An alarm is looked at whenever one of its periods ends (AWS looks every minute), over as many whole
periods as it asks for; the periods are aligned to the hour as on AWS. When its state changes it
publishes AWS's message to its SNS topics, if their policies let CloudWatch.

Missing data. Before AWS fills a gap, it looks back beyond the evaluation periods for real data. How
far, it says, depends; the example in its documentation looks back two periods more, and so does
this. A silence is therefore noticed after `EvaluationPeriods + 2` periods. Source: "Configuring how
CloudWatch alarms treat missing data", Amazon CloudWatch user guide.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import MetricDatum, cloudwatch_backends

from infra.offline import runtime
from infra.offline.fidelity import Part
from infra.offline.patching import replaces

FIDELITY = Part(
    title="CloudWatch",
    emulated=(
        "Lambda's Invocations, Errors, Throttles and Duration, the length of a queue, and what "
        "is put; alarms on one metric, looked at when a period ends; AWS's message to SNS"
    ),
    checked="by client: AWS CLI; by documentation: the table of missing data, the message's shape",
    differences=(
        "AWS looks every minute; `missing` and `ignore`, sums of metrics, percentiles and other "
        "actions are refused; a move of the clock over more than 24 periods looks at the last 24"
    ),
)

log = logging.getLogger(__name__)

SERVICE = "cloudwatch.amazonaws.com"

#: How many periods beyond its evaluation periods an alarm looks back for real data.
LOOKS_BACK = 2

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}
_SIGNS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanOrEqualToThreshold": "less than or equal to",
    "LessThanThreshold": "less than",
}
#: What a missing period counts as. The other two, "missing" and "ignore", are not emulated.
TREATMENTS = ("breaching", "notBreaching")

Dimensions = Mapping[str, str]
Gauge = Callable[[Dimensions], float | None]

_gauges: dict[tuple[str, str], Gauge] = {}


def gauge(namespace: str, metric: str, read: Gauge) -> None:
    """Let alarms on this metric read `read(dimensions)` when their periods end: the metric of a
    quantity that stands, such as the length of a queue. None means that there is no such thing."""
    _gauges[namespace, metric] = read


def record(
    namespace: str,
    metric: str,
    value: float,
    dimensions: Dimensions,
    *,
    unit: str = "Count",
    at: datetime | None = None,
) -> None:
    """Put a data point at `at`, or at the cloud's present, as an AWS service does of itself."""
    here = runtime.current()
    cloudwatch_backends[here.account][here.region].metric_data.append(
        MetricDatum(
            namespace,
            metric,
            value,
            [{"Name": name, "Value": held} for name, held in dimensions.items()],
            _naive(at or here.clock.now()),
            unit,
        )
    )


def _naive(moment: datetime) -> datetime:
    """As moto keeps times: in UTC, and without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


# --- alarms -------------------------------------------------------------------------------------
def _dimensions(alarm: Any) -> dict[str, str]:
    return {each.name: each.value for each in alarm.dimensions}


def _watch(backend: Any, alarm: Any) -> None:
    """Look at `alarm` at the end of each of its periods, until it is deleted or put anew."""
    clock = runtime.current().clock
    period = timedelta(seconds=alarm.period)

    def begin() -> None:
        look()
        alarm.academy_ticks = clock.call_every(period, look, name=f"alarm {alarm.name}")

    def look() -> None:
        if backend.alarms.get(alarm.name) is alarm:
            _look(alarm)
        else:
            alarm.academy_ticks.cancel()

    first = _floor(clock.now(), period) + period
    alarm.academy_ticks = clock.call_at(first, begin, name=f"alarm {alarm.name}")


def _floor(moment: datetime, period: timedelta) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (moment - start) // period * period


def _look(alarm: Any) -> None:
    period = timedelta(seconds=alarm.period)
    end = _floor(runtime.current().clock.now(), period)
    last, alarm.academy_looked = getattr(alarm, "academy_looked", None), end
    if last is not None and end - last > period:
        # A long move of the clock passes over all but the last occurrences of what repeats, the
        # sweep's included: what is missing before this moment is the move's doing.
        alarm.academy_since = end
    since = getattr(alarm, "academy_since", None)
    _sample(alarm, end)
    periods = [
        end - period * (back + 1) for back in range(int(alarm.evaluation_periods) + LOOKS_BACK)
    ]
    if since is not None and periods[-1] < since:
        return
    values = [_statistic(alarm, start, start + period) for start in periods]
    state, reason = judge(
        values,
        evaluation_periods=int(alarm.evaluation_periods),
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        treatment=alarm.treat_missing_data,
    )
    if state != alarm.state_value:
        _change(alarm, state, reason)


def _sample(alarm: Any, end: datetime) -> None:
    """Put down a gauge's value within the period that just ended."""
    read = _gauges.get((alarm.namespace, alarm.metric_name))
    value = None if read is None else read(_dimensions(alarm))
    if value is None:
        return
    at = end - timedelta(seconds=1)
    record(alarm.namespace, alarm.metric_name, value, _dimensions(alarm), at=at)


def _statistic(alarm: Any, start: datetime, end: datetime) -> float | None:
    here = runtime.current()
    wanted = _dimensions(alarm)
    first, last = _naive(start), _naive(end)
    values = [
        datum.value
        for datum in cloudwatch_backends[here.account][here.region].metric_data
        if datum.namespace == alarm.namespace
        and datum.name == alarm.metric_name
        and isinstance(datum, MetricDatum)
        and first <= datum.timestamp.replace(tzinfo=None) < last
        and {each.name: each.value for each in datum.dimensions} == wanted
    ]
    if not values:
        return None
    return float(_STATISTICS[alarm.statistic](values))


_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}


def judge(
    values: Iterable[float | None],
    *,
    evaluation_periods: int,
    datapoints_to_alarm: int,
    comparison: str,
    threshold: float,
    treatment: str,
) -> tuple[str, str]:
    """(state, reason) of an alarm. `values`: one a period, the latest first, None where there is no
    data; beyond `evaluation_periods` they are looked at only to do without filling a gap."""
    breaches = COMPARISONS[comparison]
    real = [value for value in values if value is not None][:evaluation_periods]
    missing = evaluation_periods - len(real)
    breaching = sum(breaches(value, threshold) for value in real)
    if treatment == "breaching":
        breaching += missing
    state = "ALARM" if breaching >= datapoints_to_alarm else "OK"
    shown = ", ".join(f"{value:g}" for value in real) or "no datapoints"
    gap = f"; {missing} missing datapoints were treated as [{treatment}]" if missing else ""
    reason = (
        f"Threshold Crossed: {breaching} of {evaluation_periods} datapoints [{shown}] "
        f"{'were' if state == 'ALARM' else 'were not enough'} {_SIGNS[comparison]} the threshold "
        f"({threshold:g}){gap}"
    )
    return state, reason


def _change(alarm: Any, state: str, reason: str) -> None:
    now = runtime.current().clock.now()
    before = alarm.state_value
    data = {"version": "1.0", "queryDate": f"{now:%Y-%m-%dT%H:%M:%S.000+0000}"}
    alarm.update_state(reason, json.dumps(data), state)
    alarm.state_updated_timestamp = _naive(now)
    log.info("alarm %s: %s -> %s: %s", alarm.name, before, state, reason)
    if not alarm.actions_enabled:
        return
    # Imported here: topics write to queues, whose length is a gauge of this module.
    from infra.offline.services import sns

    topics = {
        "ALARM": alarm.alarm_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
        "OK": alarm.ok_actions,
    }
    for topic in topics[state]:
        refused = sns.publish_as_service(
            topic,
            json.dumps(_message(alarm, before, now)),
            subject=f'{state}: "{alarm.name}" in {alarm.region_name}',
            service=SERVICE,
            source_arn=alarm.alarm_arn,
        )
        if refused:
            log.error("alarm %s could not tell %s: %s", alarm.name, topic, refused)


def _message(alarm: Any, before: str, now: datetime) -> dict[str, Any]:
    """Source: an alarm's notification as "Using Amazon CloudWatch alarms" describes it."""
    here = runtime.current()
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": here.account,
        "AlarmConfigurationUpdatedTimestamp": (
            f"{alarm.configuration_updated_timestamp:%Y-%m-%dT%H:%M:%S.000+0000}"
        ),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": f"{now:%Y-%m-%dT%H:%M:%S.000+0000}",
        "Region": alarm.region_name,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": alarm.statistic.upper(),
            "Unit": alarm.unit,
            "Dimensions": [{"value": each.value, "name": each.name} for each in alarm.dimensions],
            "Period": int(alarm.period),
            "EvaluationPeriods": int(alarm.evaluation_periods),
            "DatapointsToAlarm": int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": float(alarm.threshold),
            "TreatMissingData": alarm.treat_missing_data,
            "EvaluateLowSampleCountPercentile": "",
        },
    }


# --- changes to moto ----------------------------------------------------------------------------
@replaces(
    "moto.cloudwatch.models:CloudWatchBackend.put_metric_alarm",
    because="moto never looks at a metric alarm; what is not emulated is refused by name",
)
def _put_metric_alarm(original: Callable[..., Any], backend: Any, **alarm: Any) -> Any:
    _refuse_unmodelled(alarm)
    before = backend.alarms.get(alarm["name"])
    made = original(backend, **alarm)
    now = _naive(runtime.current().clock.now())
    made.configuration_updated_timestamp = made.state_updated_timestamp = now
    made.state_value = "INSUFFICIENT_DATA"
    if before is not None:
        # An alarm that is put anew keeps its state until it is looked at.
        made.state_value, made.state_reason = before.state_value, before.state_reason
        made.state_updated_timestamp = before.state_updated_timestamp
        before.academy_ticks.cancel()
    _watch(backend, made)
    return made


def _refuse_unmodelled(alarm: Mapping[str, Any]) -> None:
    name = alarm["name"]

    def refuse(member: str, value: object, modelled: Iterable[str] = ()) -> ValidationError:
        known = ", ".join(modelled)
        return ValidationError(
            f"{member} {value} of alarm {name} is not modelled by the embedded cloud"
            + (f" (modelled: {known})." if known else ".")
        )

    for member, shown in (
        ("rule", "AlarmRule"),
        ("metric_data_queries", "Metrics"),
        ("extended_statistic", "ExtendedStatistic"),
        ("evaluate_low_sample_count_percentile", "EvaluateLowSampleCountPercentile"),
        ("threshold_metric_id", "ThresholdMetricId"),
        ("unit", "Unit"),
    ):
        if alarm.get(member):
            raise refuse(shown, alarm[member])
    if alarm["comparison_operator"] not in COMPARISONS:
        raise refuse("ComparisonOperator", alarm["comparison_operator"], COMPARISONS)
    if alarm["statistic"] not in _STATISTICS:
        raise refuse("Statistic", alarm["statistic"], _STATISTICS)
    treatment = alarm.get("treat_missing_data") or "missing"
    if treatment not in TREATMENTS:
        raise refuse("TreatMissingData", treatment, TREATMENTS)
    for member, least in (("period", 60), ("evaluation_periods", 1)):
        value = alarm.get(member)
        if value is None or int(value) < least or (member == "period" and int(value) % 60):
            raise refuse(member.title().replace("_", ""), value)
    here = runtime.current()
    ours = f"arn:aws:sns:{here.region}:{here.account}:"
    for member in ("alarm_actions", "ok_actions", "insufficient_data_actions"):
        for action in alarm.get(member) or ():
            if not action.startswith(ours):
                raise refuse("Action", action, (f"{ours}<topic>",))


@replaces(
    "moto.cloudwatch.models:CloudWatchBackend.delete_alarms",
    because="the clock must forget them too",
)
def _delete_alarms(original: Callable[..., Any], backend: Any, alarm_names: list[str]) -> None:
    for name in alarm_names:
        alarm = backend.alarms.get(name)
        if alarm is not None:
            alarm.academy_ticks.cancel()
    original(backend, alarm_names)


@replaces(
    "moto.cloudwatch.models:CloudWatchBackend.put_metric_data",
    because="a data point without a time belongs to the cloud's present, not the machine's",
)
def _put_metric_data(
    original: Callable[..., Any], backend: Any, namespace: str, metric_data: list[dict[str, Any]]
) -> None:
    now = _naive(runtime.current().clock.now())
    original(
        backend,
        namespace,
        [each if each.get("Timestamp") else {**each, "Timestamp": now} for each in metric_data],
    )


@replaces(
    "moto.cloudwatch.models:CloudWatchBackend.set_alarm_state",
    because="the time of the change is the cloud's",
)
def _set_alarm_state(
    original: Callable[..., Any],
    backend: Any,
    alarm_name: str,
    reason: str,
    reason_data: str,
    state_value: str,
) -> None:
    original(backend, alarm_name, reason, reason_data, state_value)
    changed = backend.alarms[alarm_name]
    changed.state_updated_timestamp = _naive(runtime.current().clock.now())
