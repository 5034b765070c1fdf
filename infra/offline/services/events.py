"""EventBridge of the embedded cloud: the default bus, its rules, and their Lambda targets.

Events come from services (`emit`), from users (PutEvents) and from S3 buckets that have EventBridge
notifications on. Rules match them by pattern; rules with a rate hang on the cloud's clock. Delivery
is Lambda's asynchronous call, so a function that fails is tried again as there. What a pattern, a
rule or a target asks for and is not emulated is refused when it is put, by name.

A target that does not answer (an injected fault) is tried again, with growing pauses, for 24 hours
and up to 185 times, or as the target's retry policy says; then the event goes to its dead-letter
queue. Injected faults also deliver twice, late and out of order.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import events_backends

from infra.offline import faults, runtime
from infra.offline.authorization.resource_access import service_may
from infra.offline.fidelity import Part
from infra.offline.patching import replaces
from infra.offline.services import lambda_runtime, sqs

FIDELITY = Part(
    title="EventBridge",
    emulated=(
        "patterns, `rate()`, Lambda targets, S3's and SageMaker's events; retries for 24 hours "
        "and 185 tries, or the target's own policy, then its dead-letter queue"
    ),
    checked="by client: AWS CLI; by documentation: event shapes",
    differences=(
        "`cron()`, other targets and transformers are refused; the pauses between tries are ours"
    ),
)

log = logging.getLogger(__name__)

#: Waits until no event is being delivered; see `lambda_runtime.drain`.
drain = lambda_runtime.drain

JsonObject = dict[str, Any]

#: A target's retry policy if it says nothing. Source: "How EventBridge retries delivering events",
#: EventBridge user guide.
MOST_RETRIES = 185
LONGEST_RETRYING = timedelta(hours=24)
#: Pauses double from the first to the longest; AWS does not say its own. With these, 185 retries
#: take 24 hours.
FIRST_RETRY = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=8)


def emit(
    source: str,
    detail_type: str,
    detail: JsonObject,
    resources: list[str],
    *,
    time: datetime | None = None,
    event_id: str | None = None,
) -> None:
    """Put an event on the default bus. Returns at once; matching rules deliver it later.

    Args:
        source: "aws.sagemaker", "aws.s3", …
        detail_type: as the service names it, "SageMaker Training Job State Change".
        detail: JSON values only.
        resources: ARNs.
        time: when it happened; now if not given. event_id: made if not given.
    """
    here = runtime.current()
    event = {
        "version": "0",
        "id": event_id or str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": here.account,
        "time": f"{(time or here.clock.now()).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": here.region,
        "resources": resources,
        "detail": detail,
    }
    # As the wire would carry it: what is no JSON fails here, at its maker.
    event = json.loads(json.dumps(event))
    held = getattr(_held, "events", None)
    if held is not None:
        held.append(event)
    else:
        _publish(event)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold this thread's events back until the block ends, when what they tell of is complete."""
    if getattr(_held, "events", None) is not None:
        yield
        return
    _held.events = []
    try:
        yield
    finally:
        events, _held.events = _held.events, None
        for event in events:
            _publish(event)


_held = threading.local()


# --- patterns -----------------------------------------------------------------------------------
class _Missing:
    """A field that an event does not have."""


_MISSING = _Missing()


class Pattern:
    """An event pattern: exact values, prefix, suffix, equals-ignore-case, anything-but (a value, a
    list, a prefix or a suffix), exists, numeric, and $or; nested fields and arrays.

    Source: "Comparison operators for use in event patterns", EventBridge user guide.

    Raises:
        InvalidEventPatternException: if the text is no pattern or uses another operator.
    """

    def __init__(self, text: str) -> None:
        try:
            self._fields = json.loads(text)
        except ValueError:
            raise InvalidEventPatternException(reason="Invalid JSON") from None
        if not isinstance(self._fields, dict) or not self._fields:
            raise InvalidEventPatternException(reason="Filter is not an object")
        _check_fields(self._fields, "")

    def matches(self, event: JsonObject) -> bool:
        return _fields_match(self._fields, event)


def _check_fields(fields: JsonObject, path: str) -> None:
    for name, wanted in fields.items():
        here = f"{path}.{name}" if path else name
        if name == "$or":
            if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
                raise InvalidEventPatternException(reason=f"'{here}' must be a list of objects")
            for each in wanted:
                _check_fields(each, path)
        elif isinstance(wanted, dict):
            _check_fields(wanted, here)
        elif not isinstance(wanted, list):
            raise InvalidEventPatternException(reason=f"'{here}' must be an object or an array")
        elif not wanted:
            raise InvalidEventPatternException(reason="Empty arrays are not allowed")
        else:
            for condition in wanted:
                _check_condition(condition, here)


def _check_condition(condition: Any, path: str) -> None:
    if isinstance(condition, list):
        raise InvalidEventPatternException(reason=f"'{path}' holds an array in an array")
    if not isinstance(condition, dict):
        return
    if len(condition) != 1:
        raise InvalidEventPatternException(reason=f"'{path}': one operator in each object")
    [(operator, operand)] = condition.items()
    valid = False
    if operator in ("prefix", "suffix", "equals-ignore-case"):
        valid = isinstance(operand, str)
    elif operator == "exists":
        valid = isinstance(operand, bool)
    elif operator == "numeric":
        valid = _numeric_is_valid(operand)
    elif operator == "anything-but":
        if isinstance(operand, dict):
            valid = len(operand) == 1 and all(
                inner in ("prefix", "suffix") and isinstance(value, str)
                for inner, value in operand.items()
            )
        else:
            values = operand if isinstance(operand, list) else [operand]
            valid = bool(values) and all(isinstance(value, str | int | float) for value in values)
    if not valid:
        raise InvalidEventPatternException(
            reason=f"'{path}': {operator} {json.dumps(operand)} is not valid, or is not emulated"
        )


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    "=": lambda left, right: left == right,
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
}


def _numeric_is_valid(operand: Any) -> bool:
    return (
        isinstance(operand, list)
        and len(operand) in (2, 4)
        and all(operator in _COMPARISONS for operator in operand[::2])
        and all(_is_number(value) for value in operand[1::2])
    )


def _fields_match(fields: JsonObject, value: Any) -> bool:
    if isinstance(value, list):  # of objects: one of them matches as a whole
        return any(_fields_match(fields, each) for each in value if isinstance(each, dict))
    held = value if isinstance(value, dict) else {}
    for name, wanted in fields.items():
        if name == "$or":
            if not any(_fields_match(each, held) for each in wanted):
                return False
        elif isinstance(wanted, dict):
            if not _fields_match(wanted, held.get(name, {})):
                return False
        elif not _leaf_matches(wanted, held.get(name, _MISSING)):
            return False
    return True


def _leaf_matches(conditions: list[Any], value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(
        _condition_holds(condition, each)
        for condition in conditions
        for each in values or [_MISSING]
    )


def _condition_holds(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return _same(condition, value)
    [(operator, operand)] = condition.items()
    if operator == "exists":
        # Only leaves exist: an object in between is none.
        present = not isinstance(value, _Missing | dict)
        return present is operand
    if isinstance(value, _Missing | dict):
        return False
    if operator == "anything-but":
        if isinstance(operand, dict):
            return isinstance(value, str) and not _condition_holds(operand, value)
        unwanted = operand if isinstance(operand, list) else [operand]
        return not any(_same(each, value) for each in unwanted)
    if operator == "numeric":
        return _is_number(value) and all(
            _COMPARISONS[comparison](value, bound)
            for comparison, bound in zip(operand[::2], operand[1::2], strict=True)
        )
    if not isinstance(value, str):
        return False
    if operator == "prefix":
        return value.startswith(str(operand))
    if operator == "suffix":
        return value.endswith(str(operand))
    return bool(value.casefold() == operand.casefold())


def _same(wanted: Any, value: Any) -> bool:
    # In JSON, true is not 1.
    return not isinstance(value, _Missing | dict) and (
        wanted == value and isinstance(wanted, bool) == isinstance(value, bool)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- rules --------------------------------------------------------------------------------------
_RATE = re.compile(r"^rate\(([1-9]\d*) (minute|hour|day)(s?)\)$")

#: What a target may have; the rest is refused.
_TARGET_MEMBERS = ("Id", "Arn", "DeadLetterConfig", "Input", "RetryPolicy")


def _period(expression: str) -> timedelta:
    """The period of `rate(15 minutes)`.

    Raises:
        ValidationException: if it is no rate, or another kind of schedule.
    """
    match = _RATE.match(expression)
    if match is None:
        if expression.startswith("cron("):
            raise ValidationException(
                f"ScheduleExpression {expression}: cron() is not emulated; use rate()"
            )
        raise ValidationException("Parameter ScheduleExpression is not valid.")
    count, unit, plural = int(match[1]), match[2], match[3]
    if (count == 1) == bool(plural):  # AWS wants "1 minute" and "2 minutes"
        raise ValidationException("Parameter ScheduleExpression is not valid.")
    return (
        count
        * {
            "minute": timedelta(minutes=1),
            "hour": timedelta(hours=1),
            "day": timedelta(days=1),
        }[unit]
    )


def _rules() -> list[Any]:
    here = runtime.current()
    bus = events_backends[here.account][here.region].event_buses["default"]
    return [rule for rule in tuple(bus.rules.values()) if rule.state == "ENABLED"]


def _publish(event: JsonObject) -> None:
    for rule in _rules():
        pattern: Pattern | None = getattr(rule, "academy_pattern", None)
        if pattern is not None and pattern.matches(event):
            _deliver(rule, event)


def _deliver(rule: Any, event: JsonObject) -> None:
    """Hand an event to each of a rule's targets, as an injected fault has it."""
    for target in tuple(rule.targets):
        delivery = _Delivery(rule, target, target.get("Input") or json.dumps(event))
        fault = faults.on_delivery(rule=rule.name, event=event)
        kind, seconds = (fault.kind, fault.seconds) if fault is not None else ("", 0.0)
        if kind == "late":
            delivery.later(seconds)
        elif kind == "out-of-order":
            _wait_to_be_overtaken(delivery, seconds or faults.OVERTAKEN_WITHIN_SECONDS)
        else:
            delivery.hand_over()
            if kind == "twice" and seconds:
                delivery.later(seconds)
            elif kind == "twice":  # not by the clock's thread: whoever drains waits for both
                delivery.hand_over()
            _overtaken(rule)


#: Deliveries that wait until a later event of the same rule has gone before them.
_waiting: dict[str, list[_Delivery]] = {}
_waiting_lock = threading.Lock()


def _wait_to_be_overtaken(delivery: _Delivery, seconds: float) -> None:
    with _waiting_lock:
        _waiting.setdefault(delivery.rule.arn, []).append(delivery)

    def at_last() -> None:
        with _waiting_lock:
            waits = delivery in _waiting.get(delivery.rule.arn, ())
            if waits:
                _waiting[delivery.rule.arn].remove(delivery)
        if waits:
            delivery.hand_over()

    clock = runtime.current().clock
    clock.call_at(clock.now() + timedelta(seconds=seconds), at_last, name=f"{delivery} is late")


def _overtaken(rule: Any) -> None:
    with _waiting_lock:
        late = _waiting.pop(rule.arn, [])
    for delivery in late:
        delivery.hand_over()


@dataclass(eq=False)
class _Delivery:
    """One event on its way to one target of a rule."""

    rule: Any
    target: JsonObject
    payload: str
    since: datetime = field(default_factory=lambda: runtime.current().clock.now())
    retries: int = 0

    def __str__(self) -> str:
        return f"rule {self.rule.name}: an event for {self.target['Arn']}"

    def later(self, seconds: float) -> None:
        clock = runtime.current().clock
        when = clock.now() + timedelta(seconds=seconds)
        clock.call_at(when, self.hand_over, name=f"{self}, later")

    def hand_over(self) -> None:
        rule, arn = self.rule, self.target["Arn"]
        try:
            called = lambda_runtime.find(arn)
            if not may_invoke(called, service="events.amazonaws.com", source_arn=rule.arn):
                why = (
                    f"its resource policy admits no events.amazonaws.com from {rule.arn}, so rule "
                    f"{rule.name} may not invoke {called.arn}"
                )
                self._dead_letter("NO_PERMISSIONS", why)
                return
            failed = self._invoke(called)
        except LambdaClientError as error:
            self._dead_letter(
                "NO_RESOURCE", f"rule {rule.name} cannot reach {arn}: {error.message}"
            )
            return
        if failed:
            self._again(failed)

    def _invoke(self, called: lambda_runtime.Called) -> str:
        """Call the target; returns how it failed in a way that may pass, or ""."""
        members = {"FunctionName": called.function.function_name, "InvocationType": "Event"}
        fault = faults.on_call("lambda", "Invoke", members, caller="events.amazonaws.com")
        if fault is None or fault.kind == "closed-after":
            lambda_runtime.invoke(self.target["Arn"], self.payload.encode(), asynchronous=True)
        if fault is None:
            return ""
        return _FAILED.get(fault.kind, "SDK_CLIENT_ERROR")

    def _again(self, code: str) -> None:
        policy = self.target.get("RetryPolicy") or {}
        clock = runtime.current().clock
        pause = min(FIRST_RETRY * 2 ** min(self.retries, 20), LONGEST_PAUSE)
        age = clock.now() + pause - self.since
        oldest = timedelta(
            seconds=policy.get("MaximumEventAgeInSeconds", LONGEST_RETRYING.total_seconds())
        )
        if self.retries >= policy.get("MaximumRetryAttempts", MOST_RETRIES):
            self._dead_letter(code, "the target did not answer", "MaximumRetryAttempts")
        elif age > oldest:
            self._dead_letter(code, "the target did not answer", "MaximumEventAgeInSeconds")
        else:
            self.retries += 1
            clock.call_at(clock.now() + pause, self.hand_over, name=f"{self}, again")

    def _dead_letter(self, code: str, why: str, exhausted: str = "") -> None:
        """An event that a target does not get: to the target's dead-letter queue, if it has one.

        Source: "Using dead-letter queues to process undelivered events", EventBridge user guide.
        """
        rule, target = self.rule, self.target
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        log.warning("%s; the event %s", why, f"goes to {queue}" if queue else "is dropped")
        if not queue:
            return
        attributes = {
            "ERROR_CODE": code,
            "ERROR_MESSAGE": why,
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target["Arn"],
        }
        if exhausted:
            attributes |= {
                "EXHAUSTED_RETRY_CONDITION": exhausted,
                "RETRY_ATTEMPTS": str(self.retries),
            }
        sqs.send_as_service(
            queue, self.payload, attributes, service="events.amazonaws.com", source_arn=rule.arn
        )


#: EventBridge's error codes for what an injected fault makes of a call.
_FAILED = {"throttle": "THROTTLING", "internal": "INTERNAL_ERROR"}


def may_invoke(called: lambda_runtime.Called, *, service: str, source_arn: str) -> bool:
    """Whether a function's resource policy lets `service` call it for `source_arn`."""
    elements = ("Sid", "Effect", "Principal", "Action", "Resource", "Condition")
    statements = [
        {name: statement[name] for name in elements if name in statement}
        for statement in called.function.policy.statements
    ]
    for statement in statements:
        statement["Resource"] = str(statement.get("Resource", "")).removesuffix(":$LATEST")
    if not statements:
        return False
    return service_may(
        service,
        "lambda:InvokeFunction",
        called.arn.removesuffix(":$LATEST"),
        {"Version": "2012-10-17", "Statement": statements},
        source_arn=source_arn,
    )


# --- changes to moto ----------------------------------------------------------------------------
@replaces(
    "moto.events.models:EventsBackend.put_rule",
    because="patterns and schedules that are not emulated are refused; rates run on the clock",
)
def _put_rule(
    original: Callable[..., Any],
    backend: Any,
    name: str,
    description: str | None = None,
    event_bus_arn: str | None = None,
    event_pattern: str | None = None,
    role_arn: str | None = None,
    scheduled_expression: str | None = None,
    state: str | None = None,
    managed_by: str | None = None,
    tags: list[dict[str, str]] | None = None,
) -> Any:
    if event_bus_arn and event_bus_arn.rsplit("/", 1)[-1] != "default":
        raise ValidationException(f"EventBusName {event_bus_arn}: only the default bus is emulated")
    if state not in (None, "", "ENABLED", "DISABLED"):
        raise ValidationException(f"State {state} is not emulated")
    pattern = Pattern(event_pattern) if event_pattern else None
    period = _period(scheduled_expression) if scheduled_expression else None
    rule = original(
        backend,
        name,
        description=description,
        event_bus_arn="default",
        event_pattern=event_pattern,
        role_arn=role_arn,
        scheduled_expression=scheduled_expression,
        state=state,
        managed_by=managed_by,
        tags=tags,
    )
    rule.academy_pattern = pattern
    if period is not None:
        _run_every(period, backend, rule)
    return rule


def _run_every(period: timedelta, backend: Any, rule: Any) -> None:
    def occur() -> None:
        if backend.event_buses["default"].rules.get(rule.name) is not rule:
            alarm.cancel()  # deleted, or put anew
        elif rule.state == "ENABLED":
            _deliver(rule, scheduled_event(rule.arn))

    alarm = runtime.current().clock.call_every(period, occur, name=f"rule {rule.name}")


def scheduled_event(rule_arn: str) -> JsonObject:
    """What a rule with a rate sends to its targets."""
    here = runtime.current()
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": here.account,
        "time": f"{here.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        "region": here.region,
        "resources": [rule_arn],
        "detail": {},
    }


@replaces(
    "moto.events.models:EventsBackend.put_targets",
    because="targets that are not emulated are refused by name",
)
def _put_targets(
    original: Callable[..., Any],
    backend: Any,
    name: str,
    event_bus_arn: str | None,
    targets: list[JsonObject],
) -> Any:
    for target in targets:
        if not re.match(r"^arn:aws:lambda:[a-z0-9-]+:\d{12}:function:", str(target.get("Arn"))):
            raise ValidationException(
                f"Target {target.get('Id')} of rule {name}: {target.get('Arn')} is not emulated; "
                "the embedded cloud delivers to Lambda functions only"
            )
        for member in target:
            if member not in _TARGET_MEMBERS:
                raise ValidationException(
                    f"Target {target.get('Id')} of rule {name}: {member} is not emulated"
                )
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue is not None and sqs.find(queue) is None:
            raise ValidationException(
                f"Target {target.get('Id')} of rule {name}: there is no queue {queue} for its dead "
                "letters"
            )
        try:
            json.loads(target.get("Input") or "{}")
        except ValueError:
            raise ValidationException(
                f"Target {target.get('Id')} of rule {name}: Input is no JSON"
            ) from None
    return original(backend, name, event_bus_arn, targets)


@replaces(
    "moto.events.models:EventsBackend.put_events",
    because="moto delivers to no function, and lets anyone speak for an AWS service",
)
def _put_events(
    _original: Callable[..., Any], _backend: Any, events: list[JsonObject]
) -> list[JsonObject]:
    if len(events) > 10:
        raise ValidationException(
            "1 validation error detected: Value '[PutEventsRequestEntry]' at 'entries' failed to "
            "satisfy constraint: Member must have length less than or equal to 10"
        )
    return [_put_event(event) for event in events]


def _put_event(event: JsonObject) -> JsonObject:
    for member in ("Source", "DetailType", "Detail"):
        if not event.get(member):
            return _refused(
                "InvalidArgument",
                f"Parameter {member} is not valid. Reason: {member} is a required argument.",
            )
    if event["Source"].startswith("aws."):
        return _refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    bus = event.get("EventBusName") or "default"
    if bus.rsplit("/", 1)[-1] != "default":
        return _refused("InvalidArgument", f"EventBusName {bus}: only the default bus is emulated")
    try:
        detail = json.loads(event["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return _refused("MalformedDetail", "Detail is malformed.")
    happened = event.get("Time")
    event_id = str(uuid.uuid4())
    emit(
        event["Source"],
        event["DetailType"],
        detail,
        list(event.get("Resources") or []),
        time=datetime.fromtimestamp(float(happened), UTC) if happened else None,
        event_id=event_id,
    )
    return {"EventId": event_id}


def _refused(code: str, message: str) -> JsonObject:
    return {"ErrorCode": code, "ErrorMessage": message}


# --- S3 -----------------------------------------------------------------------------------------
#: Source: "EventBridge event message structure", S3 user guide.
_CREATED_BY = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}


@replaces(
    "moto.s3.notifications:_send_event_bridge_message",
    because="moto's events have a wrong shape, reach no function and hide every error",
)
def _send_event_bridge_message(
    _original: Callable[..., Any], _account: str, bucket: Any, event_name: Any, key: Any
) -> None:
    name = str(getattr(event_name, "value", event_name))
    if name == "s3:ObjectCreated:Put" and getattr(_held, "completing", False):
        return
    if name in _CREATED_BY:
        _s3_event(
            bucket,
            "Object Created",
            _object_of(key),
            {"reason": _CREATED_BY[name]},
        )
    elif name == "s3:ObjectRemoved:Delete":
        # Versioned buckets tell of theirs in `_delete_object`, delete markers included.
        if not bucket.is_versioned:
            _s3_event(bucket, "Object Deleted", {"key": key.name}, _DELETED)
    else:
        log.info("no EventBridge event is emulated for %s of s3://%s", name, bucket.name)


_DELETED = {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"}
_MARKED = {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"}


def _object_of(key: Any) -> JsonObject:
    described = {"key": key.name, "size": key.size, "etag": key.etag.replace('"', "")}
    if key.version_id not in (None, "null"):
        described["version-id"] = key.version_id
    return described


def _s3_event(bucket: Any, detail_type: str, described: JsonObject, more: JsonObject) -> None:
    here = runtime.current()
    emit(
        "aws.s3",
        detail_type,
        {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {**described, "sequencer": _sequencer(here.clock.now())},
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": here.account,
            "source-ip-address": "127.0.0.1",
            **more,
        },
        [bucket.arn],
    )


_sequence = threading.Lock()
_last_sequence = 0


def _sequencer(now: datetime) -> str:
    """Hexadecimal, and growing: later events of one key compare greater."""
    global _last_sequence
    with _sequence:
        _last_sequence = max(_last_sequence + 1, int(now.timestamp() * 1_000_000))
        return f"{_last_sequence:018X}"


@replaces(
    "moto.s3.models:S3Backend.complete_multipart_upload",
    because="moto tells of a multipart upload twice, first as if it were a plain one",
)
def _complete_multipart_upload(
    original: Callable[..., Any], backend: Any, *args: Any, **kw: Any
) -> Any:
    _held.completing = True
    try:
        return original(backend, *args, **kw)
    finally:
        # The event of the completion itself is sent with the flag up, under its own name.
        _held.completing = False


@replaces(
    "moto.s3.models:S3Backend.delete_object",
    because="in versioned buckets moto tells of the last version alone, and of no delete marker",
)
def _delete_object(
    original: Callable[..., Any],
    backend: Any,
    bucket_name: str,
    key_name: str,
    version_id: str | None = None,
    bypass: bool = False,
) -> tuple[bool, JsonObject]:
    done: tuple[bool, JsonObject] = original(backend, bucket_name, key_name, version_id, bypass)
    bucket = backend.get_bucket(bucket_name)
    told = bucket.notification_configuration
    if done[0] and bucket.is_versioned and told is not None and told.event_bridge is not None:
        version = done[1].get("version-id")
        described = {"key": key_name, **({"version-id": version} if version else {})}
        more = _MARKED if version_id is None else _DELETED
        _s3_event(bucket, "Object Deleted", described, more)
    return done


@replaces(
    "moto.s3.responses:S3Response._key_response",
    because="moto tells of an object before it has its metadata and tags; a function that is quick "
    "would read it without",
)
def _key_response(original: Callable[..., Any], response: Any, *args: Any, **kw: Any) -> Any:
    with held_back():
        return original(response, *args, **kw)


@replaces(
    "moto.s3.responses:S3Response._bucket_response",
    because="the same for objects that a form posts",
)
def _bucket_response(original: Callable[..., Any], response: Any, *args: Any, **kw: Any) -> Any:
    with held_back():
        return original(response, *args, **kw)
