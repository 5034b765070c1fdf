"""EventBridge Scheduler of the embedded cloud: one-time schedules that call an AWS operation.

A schedule hangs on the cloud's clock. When it falls due, its operation is called through the wire
endpoint with the credentials of the schedule's own role, so IAM decides as for anyone. What is not
emulated (recurring schedules, other targets, other time zones) is refused when it is made, by name.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.scheduler.exceptions import (
    ScheduleExists,
    ScheduleGroupNotFound,
    ValidationException,
)
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends

from infra.offline import as_role, runtime
from infra.offline.fidelity import Part
from infra.offline.patching import replaces
from infra.offline.services import lambda_runtime

FIDELITY = Part(
    title="EventBridge Scheduler",
    emulated=(
        "one-time `at()` schedules that call `sagemaker:DeleteApp` or invoke a function, as "
        "their role, over the wire, with their retry policy"
    ),
    checked="by client: AWS CLI; by model",
    differences=(
        "flexible windows, other zones and targets, and dead-letter queues are refused; which "
        "errors are retried is our reading"
    ),
)

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

_AT = re.compile(r"^at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)$")

#: Scheduler's defaults, and its limit.
MOST_RETRIES = 185
LONGEST_RETRYING = timedelta(hours=24)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)

#: Source: ScheduleSummary in the EventBridge Scheduler API reference.
SUMMARY = ("Arn", "CreationDate", "GroupName", "LastModificationDate", "Name", "State", "Target")

_TARGET_MEMBERS = ("Arn", "RoleArn", "Input", "RetryPolicy")


@dataclass(frozen=True)
class Operation:
    """An operation that a universal target may name; members as the API's reference has them."""

    service: str
    method: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()


#: By universal target. Source: "Using universal targets", EventBridge Scheduler user guide.
OPERATIONS = {
    "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp": Operation(
        "sagemaker",
        "delete_app",
        frozenset({"DomainId", "AppType", "AppName"}),
        frozenset({"SpaceName", "UserProfileName"}),
    ),
    "arn:aws:scheduler:::aws-sdk:lambda:invoke": Operation(
        "lambda",
        "invoke",
        frozenset({"FunctionName"}),
        frozenset({"InvocationType", "Payload", "Qualifier"}),
    ),
}


def due(expression: str) -> datetime:
    """The moment of `at(2027-01-31T18:00:00)`, in UTC.

    Raises:
        ValidationException: if it is no such moment, or a recurring schedule.
    """
    match = _AT.match(expression)
    if match is None:
        if expression.startswith(("rate(", "cron(")):
            raise ValidationException(
                f"ScheduleExpression {expression}: recurring schedules are not emulated; use at()"
            )
        raise ValidationException(f"Invalid Schedule Expression {expression}.")
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        raise ValidationException(f"Invalid Schedule Expression {expression}.") from None


def _check(
    expression: str,
    timezone: str | None,
    window: JsonObject | None,
    state: str | None,
    key: str | None,
    target: JsonObject | None,
    completion: str | None,
    group_arn: str,
) -> None:
    """Refuse what AWS would refuse and what is not emulated."""
    moment = due(expression)
    now = runtime.current().clock.now()
    if moment < now - timedelta(minutes=1):
        raise ValidationException(
            f"ScheduleExpression {expression} is in the past: it is {now:%Y-%m-%dT%H:%M:%S} UTC"
        )
    if timezone not in (None, "", "UTC"):
        raise ValidationException(f"ScheduleExpressionTimezone {timezone} is not emulated; use UTC")
    if (window or {}).get("Mode") != "OFF":
        raise ValidationException("FlexibleTimeWindow: only Mode OFF is emulated")
    if state not in (None, "", "ENABLED", "DISABLED"):
        raise ValidationException(f"State {state} is neither ENABLED nor DISABLED")
    if completion not in (None, "", "NONE", "DELETE"):
        raise ValidationException(f"ActionAfterCompletion {completion} is neither NONE nor DELETE")
    if key:
        raise ValidationException("KmsKeyArn is not emulated")
    _check_target(target or {}, group_arn)


def _check_target(target: JsonObject, group_arn: str) -> None:
    for member in target:
        if member not in _TARGET_MEMBERS:
            raise ValidationException(f"Target {member} is not emulated")
    operation = OPERATIONS.get(str(target.get("Arn")))
    if operation is None:
        raise ValidationException(
            f"Target {target.get('Arn')} is not emulated; the embedded cloud calls "
            f"{' and '.join(OPERATIONS)}"
        )
    try:
        given = json.loads(target.get("Input") or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValidationException("Target Input must be a JSON object")
    missing = operation.required - set(given)
    unknown = set(given) - operation.required - operation.optional
    if missing or unknown:
        raise ValidationException(
            f"Target Input for {operation.service} {operation.method}: "
            f"missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    role = str(target.get("RoleArn"))
    if not _trusts_scheduler(role, group_arn):
        raise ValidationException(
            f"The execution role you provide must allow AWS EventBridge Scheduler to assume the "
            f"role. ({role})"
        )


def _trusts_scheduler(role_arn: str, group_arn: str) -> bool:
    # Scheduler names the group as the source. Source: "Confused deputy prevention", user guide.
    return lambda_runtime.role_trusts(role_arn, "scheduler.amazonaws.com", source_arn=group_arn)


# --- running ------------------------------------------------------------------------------------
class _NotNow(Exception):
    """The operation failed in a way that may pass."""


def _arm(backend: Any, schedule: Any) -> None:
    """Put a schedule's alarm on the clock in place of an earlier one."""
    _disarm(schedule)
    if schedule.state != "ENABLED":
        return
    moment = due(schedule.schedule_expression)
    run = _Run(backend, schedule, moment)
    schedule.academy_alarm = runtime.current().clock.call_at(
        moment, run.start, name=f"schedule {schedule.group_name}/{schedule.name}"
    )


def _disarm(schedule: Any) -> None:
    alarm = getattr(schedule, "academy_alarm", None)
    if alarm is not None:
        alarm.cancel()
        schedule.academy_alarm = None


class _Run:
    """One run of a one-time schedule, with its retries."""

    def __init__(self, backend: Any, schedule: Any, moment: datetime) -> None:
        self._backend = backend
        self._schedule = schedule
        self._moment = moment
        self._failures = 0
        self._name = f"{schedule.group_name}/{schedule.name}"

    def start(self) -> None:
        lambda_runtime.in_background(self._call, what=f"schedule {self._name}")

    def _call(self) -> None:
        group = self._backend.schedule_groups.get(self._schedule.group_name)
        if group is None or group.schedules.get(self._schedule.name) is not self._schedule:
            return  # deleted since
        try:
            _call_target(self._schedule.target, group.arn, session_name=self._schedule.name)
            log.info("schedule %s called %s", self._name, self._schedule.target["Arn"])
        except _NotNow as error:
            if self._again():
                log.warning("schedule %s failed and will be tried again: %s", self._name, error)
                return
            log.error("schedule %s failed for the last time: %s", self._name, error)
        except Exception as error:
            log.error("schedule %s failed: %s", self._name, error)
        if self._schedule.action_after_completion == "DELETE":
            group.schedules.pop(self._schedule.name, None)

    def _again(self) -> bool:
        policy = self._schedule.target.get("RetryPolicy") or {}
        clock = runtime.current().clock
        pause = min(FIRST_RETRY * 2**self._failures, LONGEST_PAUSE)
        age = clock.now() + pause - self._moment
        allowed = timedelta(
            seconds=policy.get("MaximumEventAgeInSeconds", LONGEST_RETRYING.total_seconds())
        )
        if self._failures >= policy.get("MaximumRetryAttempts", MOST_RETRIES) or age > allowed:
            return False
        self._failures += 1
        self._schedule.academy_alarm = clock.call_at(
            clock.now() + pause, self.start, name=f"schedule {self._name} again"
        )
        return True


def _call_target(target: JsonObject, group_arn: str, *, session_name: str) -> None:
    operation = OPERATIONS[target["Arn"]]
    role = target["RoleArn"]
    if not _trusts_scheduler(role, group_arn):
        raise PermissionError(f"{role} does not trust scheduler.amazonaws.com")
    client = as_role.client(operation.service, role, session_name=session_name, attempts=0)
    try:
        getattr(client, operation.method)(**json.loads(target.get("Input") or "{}"))
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        # What the request itself is to blame for would fail again; worse, it might succeed on a
        # later app of the same name.
        if status >= 500 or status == 429 or "Throttl" in error.response["Error"]["Code"]:
            raise _NotNow(str(error)) from error
        raise
    except BotoCoreError as error:
        raise _NotNow(str(error)) from error
    finally:
        client.close()


# --- changes to moto ----------------------------------------------------------------------------
@replaces(
    "moto.scheduler.models:EventBridgeSchedulerBackend.create_schedule",
    because="moto checks nothing, runs nothing and fails on an unknown group",
)
def _create_schedule(
    original: Callable[..., Any], backend: EventBridgeSchedulerBackend, **request: Any
) -> Any:
    group_name = request["group_name"] or "default"
    group = backend.schedule_groups.get(group_name)
    if group is None:
        raise ScheduleGroupNotFound(group_name)
    if request["name"] in group.schedules:
        raise ScheduleExists(request["name"])
    _check(
        request["schedule_expression"],
        request["schedule_expression_timezone"],
        request["flexible_time_window"],
        request["state"],
        request["kms_key_arn"],
        request["target"],
        request["action_after_completion"],
        group.arn,
    )
    schedule = original(backend, **request)
    schedule.action_after_completion = request["action_after_completion"] or "NONE"
    _stamp(schedule, created=True)
    _arm(backend, schedule)
    return schedule


@replaces(
    "moto.scheduler.responses:EventBridgeSchedulerResponse.create_schedule",
    because="moto takes the address's query for a part of the schedule's name",
)
def _create_schedule_response(original: Callable[..., Any], self: Any) -> str:
    self.uri = self.uri.split("?", 1)[0]
    return str(original(self))


@replaces(
    "moto.scheduler.responses:EventBridgeSchedulerResponse.update_schedule",
    because="moto checks nothing and forgets ActionAfterCompletion, which an update replaces",
)
def _update_schedule(_original: Callable[..., Any], response: Any) -> str:
    name = response.uri.split("?")[0].split("/")[-1]
    backend = response.scheduler_backend
    schedule = backend.get_schedule(response._get_param("GroupName"), name)
    member = response._get_param
    _check(
        member("ScheduleExpression") or "",
        member("ScheduleExpressionTimezone"),
        member("FlexibleTimeWindow"),
        member("State"),
        member("KmsKeyArn"),
        member("Target"),
        member("ActionAfterCompletion"),
        backend.get_schedule_group(schedule.group_name).arn,
    )
    # An update replaces everything: what it does not name takes the default.
    schedule.update(
        description=member("Description"),
        end_date=member("EndDate"),
        flexible_time_window=member("FlexibleTimeWindow"),
        kms_key_arn=None,
        schedule_expression=member("ScheduleExpression"),
        schedule_expression_timezone=member("ScheduleExpressionTimezone"),
        start_date=member("StartDate"),
        state=member("State") or "ENABLED",
        target=member("Target"),
    )
    schedule.action_after_completion = member("ActionAfterCompletion") or "NONE"
    _stamp(schedule, created=False)
    _arm(backend, schedule)
    return json.dumps({"ScheduleArn": schedule.arn})


def _stamp(schedule: Any, *, created: bool) -> None:
    now = runtime.current().clock.now().timestamp()
    schedule.last_modified_date = now
    if created:
        schedule.creation_date = now


@replaces(
    "moto.scheduler.models:EventBridgeSchedulerBackend.delete_schedule",
    because="a deleted schedule must not run",
)
def _delete_schedule(
    original: Callable[..., Any], backend: Any, group_name: str | None, name: str
) -> None:
    schedule = backend.get_schedule(group_name, name)
    original(backend, group_name, name)
    _disarm(schedule)


@replaces(
    "moto.scheduler.models:EventBridgeSchedulerBackend.delete_schedule_group",
    because="moto answers HTTP 500 for an unknown group; the group's schedules end with it",
)
def _delete_schedule_group(original: Callable[..., Any], backend: Any, name: str | None) -> None:
    group = backend.get_schedule_group(name)
    if group.name == "default":
        raise ValidationException("Cannot delete the default schedule group.")
    for schedule in tuple(group.schedules.values()):
        _disarm(schedule)
    original(backend, name)


@replaces(
    "moto.scheduler.models:EventBridgeSchedulerBackend.create_schedule_group",
    because="moto replaces a group of the same name, and its schedules are lost",
)
def _create_schedule_group(
    original: Callable[..., Any], backend: Any, name: str, tags: list[dict[str, str]] | None
) -> Any:
    if name in backend.schedule_groups:
        raise ScheduleExists(name)
    return original(backend, name, tags or [])


@replaces(
    "moto.scheduler.responses:EventBridgeSchedulerResponse.list_schedules",
    because="moto lists members that only GetSchedule gives",
)
def _list_schedules(original: Callable[..., Any], response: Any) -> str:
    page = json.loads(original(response))
    page["Schedules"] = [
        {name: value for name, value in each.items() if name in SUMMARY and value is not None}
        for each in page["Schedules"]
    ]
    return json.dumps({name: value for name, value in page.items() if value is not None})


def schedules() -> list[Any]:
    """Every schedule of this cloud: moto's objects."""
    here = runtime.current()
    groups = scheduler_backends[here.account][here.region].schedule_groups
    return [schedule for group in tuple(groups.values()) for schedule in group.schedules.values()]
