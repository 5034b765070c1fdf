"""The guard's Lambda functions: broker, settler and sweep."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
import time
from typing import Any

from infra.cohort.naming import JobName, Names
from infra.cohort.prices import PriceList
from infra.services.guard import broker as brokering
from infra.services.guard import settling
from infra.services.guard.aws import AwsCloud
from infra.services.guard.broker import Call
from infra.services.guard.cloud import CloudError, Survey
from infra.services.guard.journal import Journal
from infra.services.guard.problems import Misconfigured, Refusal
from infra.services.guard.reconcile import Guard
from infra.services.guard.requests import learner_of
from infra.services.guard.settings import Settings
from infra.services.guard.store import TableJournal, TableLedger, TableTurns
from infra.services.guard.sweeping import Sweep
from infra.services.guard.turns import Turns

# Ours alone: boto3 says much at this level.
logging.getLogger("infra").setLevel(logging.INFO)
log = logging.getLogger(__name__)

#: Lambda's longest time limit: the lease to take where the invocation's own is not told.
LONGEST = 900_000
LEASE_BEYOND = dt.timedelta(seconds=30)
SETTINGS_SECONDS = 60.0
#: Characters of a refusal that the log keeps.
LOGGED = 500
#: The sweep stops looking this long before its time is up; the next one goes on.
STOP_EARLY_MS = 15_000

_cloud: AwsCloud | None = None
_ledger: TableLedger | None = None
_settings: tuple[float, Settings] | None = None
_counter: TableTurns | None = None
#: Of those whom this container refused: until when, on its own monotonic clock.
_refused_until: dict[str, float] = {}


def broker(event: Any, context: Any) -> dict[str, Any]:
    """Answers one learner, who is known by the alias that was invoked."""
    begun = time.monotonic()
    learner = "unknown"
    try:
        learner = learner_of(str(context.invoked_function_arn), os.environ["COHORT"])
        now = dt.datetime.now(dt.UTC)
        _take_turn(learner, now)
        call = Call(
            learner=learner,
            now=now,
            lease_until=now + dt.timedelta(milliseconds=_remaining(context)) + LEASE_BEYOND,
            opening=os.urandom(16).hex(),
        )
        answer = brokering.answer(_guard(), call, event)
    except Refusal as refusal:
        answer = {"ok": False, "error": refusal.document()}
    except Exception:
        # A learner never reads a stack trace; the admin finds it in the log.
        log.exception("the broker failed for %s", learner)
        answer = {"ok": False, "error": brokering.unavailable().document()}
    error = answer.get("error", {})
    operation = event.get("op") if isinstance(event, dict) else None
    _say(
        "request",
        learner=learner,
        op=operation[:20] if isinstance(operation, str) else None,
        ok=answer["ok"],
        code=error.get("code"),
        message=_cut(error.get("message")),
        job=answer.get("job"),
        milliseconds=round(1000 * (time.monotonic() - begun)),
    )
    return answer


def settler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Settles the job that an event says has ended. What counts is what SageMaker says now."""
    name = event.get("detail", {}).get("TrainingJobName")
    parsed = JobName.parse(name) if isinstance(name, str) else None
    if parsed is None or parsed.cohort != os.environ["COHORT"]:
        _say("not ours", job=str(name)[:63])
        return {"settled": False}
    status = settling.settle_job(_guard(), parsed, dt.datetime.now(dt.UTC))
    _say("event", job=name, reservation=status)
    return {"settled": status == "settled"}


def sweep(_event: Any, context: Any) -> dict[str, int]:
    """Looks after all that is open and all that runs; see `sweeping`."""
    run = Sweep(
        guard=_guard(),
        survey=_survey(),
        journal=_journal(),
        topic=os.environ.get("NOTICES_TOPIC", ""),
        now=lambda: dt.datetime.now(dt.UTC),
        more_time=lambda: _remaining(context) > STOP_EARLY_MS,
        pause=time.sleep,
    )
    try:
        return run.run()
    finally:
        _say("sweep", **run.counts)


def _take_turn(learner: str, now: dt.datetime) -> None:
    """Refuse the learner who asks too often; while that is so, without asking the ledger."""
    moment = time.monotonic()
    wait = max(0.0, _refused_until.get(learner, 0.0) - moment)
    if not wait:
        wait = _turns().take(learner, now).total_seconds()
        _refused_until[learner] = moment + wait
    if wait:
        raise Refusal(
            "busy",
            "So many requests of yours came that others would have to wait. Ask again in a few "
            "seconds, and less often.",
            retry_after_milliseconds=math.ceil(1000 * wait),
        )


def _remaining(context: Any) -> int:
    tell = getattr(context, "get_remaining_time_in_millis", None)
    return int(tell()) if tell is not None else LONGEST


def _turns() -> Turns:
    global _counter
    _counter = _counter or TableTurns(os.environ["LEDGER_TABLE"])
    return _counter


def _survey() -> Survey:
    global _cloud
    _cloud = _cloud or AwsCloud()
    return _cloud


def _journal() -> Journal:
    return TableJournal(os.environ["LEDGER_TABLE"])


def _guard() -> Guard:
    global _cloud, _ledger
    _cloud = _cloud or AwsCloud()
    _ledger = _ledger or TableLedger(os.environ["LEDGER_TABLE"])
    return Guard(
        settings=_current_settings(_cloud),
        names=Names(os.environ["COHORT"]),
        prices=PriceList.snapshot(),
        ledger=_ledger,
        cloud=_cloud,
    )


def _current_settings(cloud: AwsCloud) -> Settings:
    """The settings, read anew after a minute: a new date or cap takes effect without a deploy."""
    global _settings
    if _settings is not None and time.monotonic() - _settings[0] < SETTINGS_SECONDS:
        return _settings[1]
    name = os.environ["SETTINGS_PARAMETER"]
    try:
        text = cloud.parameter(name)
    except CloudError:
        if _settings is not None:
            return _settings[1]
        raise
    if text is None:
        raise Misconfigured(f"there is no parameter {name}; deploy the Guard stack")
    settings = Settings.from_json(text)
    if settings.cohort != os.environ["COHORT"]:
        raise Misconfigured(f"parameter {name} is of cohort {settings.cohort}")
    _settings = (time.monotonic(), settings)
    return settings


def _cut(message: str | None) -> str | None:
    """A refusal that names many members, as a log line shows it."""
    return message if message is None or len(message) <= LOGGED else f"{message[:LOGGED]} ..."


def _say(what: str, **members: Any) -> None:
    log.info(json.dumps({"what": what, **{k: v for k, v in members.items() if v is not None}}))
