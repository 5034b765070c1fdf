"""EventBridge and its scheduler."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.offline.authorization.requests.asking import (
    Question,
    Unmodelled,
    arn_of,
    keys_of,
    maps,
    member_of,
    name_of,
    pass_role,
)
from infra.offline.authorization.wire import Call, WireError


@maps("scheduler", "CreateSchedule", "UpdateSchedule", "GetSchedule", "DeleteSchedule")
def _schedule(call: Call, account: str) -> Iterator[Question]:
    name = name_of(call, "Name")
    # Members of the body and of the query are spelt differently, but mean the same group.
    call = call.with_params(GroupName=call.params.get("GroupName") or "default")
    group = name_of(call, "GroupName")
    arn = arn_of(call, account, "scheduler", f"schedule/{group}/{name}")
    yield Question(f"scheduler:{call.operation}", arn)
    if call.operation in ("CreateSchedule", "UpdateSchedule"):
        role = member_of(call, "Target", "RoleArn")
        if not isinstance(role, str) or not role:
            raise WireError("ValidationException", f"{call.operation} needs Target.RoleArn")
        yield from pass_role(role, "scheduler.amazonaws.com")


@maps("scheduler", "GetScheduleGroup")
def _schedule_group(call: Call, account: str) -> Iterator[Question]:
    group = name_of(call, "Name")
    arn = arn_of(call, account, "scheduler", f"schedule-group/{group}")
    yield Question("scheduler:GetScheduleGroup", arn)


@maps("scheduler", "ListSchedules", "ListScheduleGroups")
def _list_schedules(call: Call, _account: str) -> Iterator[Question]:
    yield Question(f"scheduler:{call.operation}", "*")


@maps("events", "PutEvents")
def _put_events(call: Call, account: str) -> Iterator[Question]:
    for entry in call.params.get("Entries") or ():
        bus = str(entry.get("EventBusName") or "default")
        if not re.fullmatch(r"[A-Za-z0-9_.\-/]+", bus):
            raise Unmodelled(f"EventBusName {bus!r}: only names are modelled, not ARNs")
        yield Question(
            "events:PutEvents",
            arn_of(call, account, "events", f"event-bus/{bus}"),
            {
                "events:source": str(entry.get("Source", "")),
                "events:detail-type": str(entry.get("DetailType", "")),
            },
            keys_of("events", "source", "detail-type", "eventBusInvocation"),
        )
