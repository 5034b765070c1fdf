"""Alarms on one metric. Their state is the embedded cloud's own work; see `services.cloudwatch`."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from typing import ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    tag_changes,
)


class Alarm(ResourceType):
    """A metric alarm."""

    type: ClassVar[str] = "AWS::CloudWatch::Alarm"
    properties: ClassVar[tuple[str, ...]] = (
        "ActionsEnabled",
        "AlarmActions",
        "AlarmDescription",
        "AlarmName",
        "ComparisonOperator",
        "DatapointsToAlarm",
        "Dimensions",
        "EvaluationPeriods",
        "InsufficientDataActions",
        "MetricName",
        "Namespace",
        "OKActions",
        "Period",
        "Statistic",
        "Tags",
        "Threshold",
        "TreatMissingData",
    )
    # AWS's schema asks for none of these, because an alarm may also stand on a sum of metrics.
    replaced_by: ClassVar[tuple[str, ...]] = ("AlarmName",)
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)
    named_by: ClassVar[str | None] = "AlarmName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("AlarmName") or scope.generated_name(255)
        if scope.call("cloudwatch", "DescribeAlarms", AlarmNames=[name])["MetricAlarms"]:
            raise ResourceError(f"{name} already exists")
        return self._put(name, wanted, scope, tags=list(wanted.get("Tags", ())))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        alarm = self._put(made, wanted, scope)
        set_tags, removed = tag_changes(before, wanted)
        arn = alarm.attributes["Arn"]
        if removed:
            scope.call("cloudwatch", "UntagResource", ResourceARN=arn, TagKeys=removed)
        if set_tags:
            scope.call("cloudwatch", "TagResource", ResourceARN=arn, Tags=set_tags)
        return alarm

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.call("cloudwatch", "DeleteAlarms", AlarmNames=[made])

    @staticmethod
    def _put(
        name: str, wanted: Properties, scope: Scope, tags: list[dict[str, str]] | None = None
    ) -> Made:
        given = {key: value for key, value in wanted.items() if key not in ("AlarmName", "Tags")}
        scope.call("cloudwatch", "PutMetricAlarm", AlarmName=name, Tags=tags or None, **given)
        return Made(scope.exists(name), {"Arn": scope.arn("cloudwatch", f"alarm:{name}")})


TYPES: tuple[ResourceType, ...] = (Alarm(),)
