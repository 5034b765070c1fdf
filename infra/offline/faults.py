"""What goes wrong in the embedded cloud because somebody asked for it.

    faults.add(Fault("throttle", "dynamodb", "TransactWriteItems", count=2))
    faults.add(Fault("closed-after", "sagemaker", "CreateTrainingJob"))
    faults.add(Fault("twice", "events", match={"source": "aws.s3"}, probability=0.2, seed=7))
    faults.clear()

A fault belongs to the running cloud and happens once, unless it says how often. Over the wire it is
a layer between IAM and the services (`layer`): what IAM refuses meets no fault. Services of the
cloud that call each other ask for theirs (`on_call`, `on_function`, `on_delivery`, `on_job`).

Errors are those that the service's own model or its page of common errors names, in its protocol's
form, so that clients repeat them as they would AWS's. What no AWS service does is refused: an event
is delivered at least once, so it is never dropped.
"""

from __future__ import annotations

import io
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

import botocore.session
from werkzeug.test import run_wsgi_app

from infra.offline import dispatch, runtime
from infra.offline.authorization import credentials, wire
from infra.offline.fault_errors import ERRORS, TRANSACTIONS, Error
from infra.offline.fidelity import Part

FIDELITY = Part(
    title="What goes wrong",
    emulated=(
        "faults on demand (`/_academy/faults`): throttles, limits, conflicts, answers lost "
        "before and after the work, a caller's process that dies, Lambda that crashes, times out "
        "or runs out of memory, events twice, late and out of order, no capacity, spot "
        "interruption; with a seed, all at random"
    ),
    checked=(
        "under each of them the guard's cap and the competition's receipts hold "
        "(`tests/offline/test_faults_*.py`)"
    ),
    differences=(
        "a fault acts behind IAM; an injected time-out does not take its seconds; SQS and SNS "
        "deliver once; dropped events are refused: AWS delivers at least once"
    ),
)

log = logging.getLogger(__name__)

Environ = dict[str, Any]
Application = Callable[..., Any]

#: Kinds by where they happen.
PLACES = {
    "call": (
        # answered by the service, without effect
        *("throttle", "limit", "conflict", "internal"),
        # the connection is closed before the operation is performed, or after: done, and not told
        *("closed-before", "closed-after"),
        # the Lambda function that calls is killed before the operation is performed, or after
        *("dies-before", "dies-after"),
    ),
    # a Lambda function ends before it did anything, or after it did all but answer
    "function": (
        *("crash-before", "crash-after", "timeout-before", "timeout-after"),
        *("init-error", "out-of-memory"),
    ),
    # EventBridge hands an event to a rule's target
    "delivery": ("twice", "late", "out-of-order"),
    # a training job
    "job": ("no-capacity", "failed-to-start", "interruption"),
}
_PLACE_OF = {kind: place for place, kinds in PLACES.items() for kind in kinds}

#: What stands for `service` and `operation` outside of calls.
_ELSEWHERE = {
    "function": ("lambda", "Invoke"),
    "delivery": ("events", "*"),
    "job": ("sagemaker", "CreateTrainingJob"),
}
#: What `match` may name outside of calls.
_MEMBERS = {
    "function": frozenset({"FunctionName"}),
    "delivery": frozenset({"rule", "source", "detail-type"}),
    "job": frozenset({"TrainingJobName"}),
}

#: How long a delivery waits to be overtaken, if nothing overtakes it and `seconds` is not given.
OVERTAKEN_WITHIN_SECONDS = 60.0


class UnknownFault(ValueError):
    """A fault that cannot happen here; the message names what is wrong with it."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: one of PLACES.
        service: by the name under which requests are signed ("dynamodb", "monitoring").
        operation: "PutItem"; "*" is every operation.
        match: members of the request (dotted: "Key.pk.S") and the patterns (as of file names) that
            they must match. Of a delivery: rule, source, detail-type; of a job: TrainingJobName;
            of a function: FunctionName.
        caller: a pattern for who calls: a role's ARN, "admin", or a service, "events.amazonaws.com"
            where EventBridge hands over, "apigateway.amazonaws.com" where an HTTP API calls, and
            "lambda.amazonaws.com" where Lambda runs its queue.
        count: how often; once if neither it nor `probability` is given, without end if only that.
        probability: how likely each time, drawn from `seed`.
        code: which of the service's errors of this kind; the usual one if empty.
        reasons: of TransactionCanceledException, by item.
        seconds: how late an event is; how long a Spot job has trained before it is interrupted, or
            waits until it looks for capacity again: all of the cloud's clock. Of "closed-*" how
            long the connection is silent before it is closed, in real seconds.
    """

    kind: str
    service: str
    operation: str = "*"
    match: Mapping[str, str] = field(default_factory=dict)
    caller: str = "*"
    count: int | None = None
    probability: float | None = None
    seed: int = 0
    code: str = ""
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def place(self) -> str:
        return _PLACE_OF[self.kind]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Fault:
        """A fault from its attributes as JSON.

        Raises:
            UnknownFault: for an attribute that there is not, or of a wrong type.
        """
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise UnknownFault(
                f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
            )
        for name, value in document.items():
            if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
                raise UnknownFault(f"{name} of a fault cannot be {value!r}")
        if missing := [name for name in ("kind", "service") if name not in document]:
            raise UnknownFault(f"a fault needs {' and '.join(missing)}")
        return cls(**{**document, "reasons": tuple(document.get("reasons", ()))})


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("kind", "service", "operation", "caller", "code"), str),
    **dict.fromkeys(("count", "seed"), int),
    **dict.fromkeys(("probability", "seconds"), (int, float)),
    "match": dict,
    "reasons": (list, tuple),
}


class _Armed:
    """A fault that has been set, with how often it happened."""

    def __init__(self, name: str, fault: Fault) -> None:
        self.name = name
        self.fault = fault
        self.happened = 0
        once = fault.count is None and fault.probability is None
        self.most = 1 if once else fault.count
        self._random = random.Random(fault.seed)  # noqa: S311

    @property
    def over(self) -> bool:
        return self.most is not None and self.happened >= self.most

    def strikes(self) -> bool:
        """Whether it happens now; counts it if so."""
        if self.over:
            return False
        probability = self.fault.probability
        if probability is not None and self._random.random() >= probability:
            return False
        self.happened += 1
        return True

    def shown(self) -> dict[str, Any]:
        left = None if self.most is None else self.most - self.happened
        return {"id": self.name, **asdict(self.fault), "happened": self.happened, "left": left}


class _Faults:
    """The faults of one cloud."""

    def __init__(self, cloud: runtime.Runtime) -> None:
        self.cloud = cloud
        self.lock = threading.Lock()
        self.armed: dict[str, _Armed] = {}
        self.made = 0
        #: What kills the function behind an access key.
        self.workers: dict[str, Callable[[], object]] = {}


_one: _Faults | None = None
_one_lock = threading.Lock()


def _faults() -> _Faults:
    global _one
    cloud = runtime.current()
    with _one_lock:
        if _one is None or _one.cloud is not cloud:
            _one = _Faults(cloud)
        return _one


# --- set and clear ------------------------------------------------------------------------------
def add(fault: Fault) -> str:
    """Let it happen from now on. Returns the name by which it is cleared.

    Raises:
        UnknownFault: if it cannot happen here.
    """
    _check(fault)
    mine = _faults()
    with mine.lock:
        mine.made += 1
        name = f"f{mine.made}"
        mine.armed[name] = _Armed(name, fault)
    return name


def clear(name: str | None = None) -> None:
    """Take one fault back, or all.

    Raises:
        UnknownFault: if there is no fault of that name.
    """
    mine = _faults()
    with mine.lock:
        if name is None:
            mine.armed.clear()
        elif mine.armed.pop(name, None) is None:
            raise UnknownFault(f"there is no fault {name}")


def shown() -> list[dict[str, Any]]:
    """Every fault that is set, as JSON, with how often it `happened` and may still (`left`)."""
    mine = _faults()
    with mine.lock:
        return [armed.shown() for armed in mine.armed.values()]


def chaos(seed: int, probability: float, *, caller: str = "arn:*:role/*") -> list[Fault]:
    """A cloud in which everything that may go wrong does now and then, the same for one seed.

    Only roles meet it: the administrator who looks at what became of it does not.
    """
    kinds = [
        *(
            (kind, service)
            for service in ("dynamodb", "sagemaker", "scheduler", "ssm", "s3")
            for kind in ("throttle", "internal", "closed-before", "closed-after")
        ),
        ("conflict", "dynamodb"),
        *((kind, "dynamodb") for kind in ("dies-before", "dies-after")),
        *((kind, "lambda") for kind in ("crash-before", "crash-after", "timeout-after")),
    ]
    made = [
        Fault(kind, service, caller=caller, probability=probability, seed=seed + place)
        for place, (kind, service) in enumerate(kinds)
    ]
    # Events are what AWS promises least of: these go wrong more often.
    often = min(1.0, 5 * probability)
    for place, kind in enumerate(PLACES["delivery"], len(made)):
        made.append(
            Fault(
                kind,
                "events",
                match={"source": "*"},
                probability=often,
                seed=seed + place,
                seconds=120.0,
            )
        )
    return made


def _check(fault: Fault) -> None:
    if fault.kind == "dropped":
        raise UnknownFault(
            "kind dropped: EventBridge delivers at least once, so no event is dropped; disable the "
            "rule, or let its target refuse (throttle lambda Invoke for events.amazonaws.com)"
        )
    if fault.kind not in _PLACE_OF:
        raise UnknownFault(f"kind {fault.kind}: there is {', '.join(_PLACE_OF)}")
    if fault.count is not None and fault.count < 1:
        raise UnknownFault(f"count {fault.count}: at least 1")
    if fault.probability is not None and not 0 < fault.probability <= 1:
        raise UnknownFault(f"probability {fault.probability}: above 0 and at most 1")
    if fault.seconds < 0:
        raise UnknownFault(f"seconds {fault.seconds}: not below 0")
    if fault.kind == "late" and not fault.seconds:
        raise UnknownFault("kind late: say by how many seconds")
    if fault.place == "call":
        _check_call(fault)
        return
    if fault.code or fault.reasons:
        raise UnknownFault(f"kind {fault.kind} has neither code nor reasons")
    service, operation = _ELSEWHERE[fault.place]
    if fault.service != service or fault.operation not in ("*", operation):
        raise UnknownFault(
            f"kind {fault.kind} is of service {service}, operation {operation}, not of "
            f"{fault.service} {fault.operation}"
        )
    if unknown := sorted(set(fault.match) - _MEMBERS[fault.place]):
        raise UnknownFault(
            f"match {', '.join(unknown)}: kind {fault.kind} has "
            f"{', '.join(sorted(_MEMBERS[fault.place]))}"
        )


def _check_call(fault: Fault) -> None:
    if fault.service not in dispatch.FORMS:
        raise UnknownFault(f"service {fault.service}: there is {', '.join(dispatch.FORMS)}")
    operations = _operations(fault.service)
    if fault.operation != "*" and fault.operation not in operations:
        raise UnknownFault(f"operation {fault.operation}: {fault.service} has none of that name")
    if fault.kind in ("throttle", "limit", "conflict", "internal"):
        _error(fault, fault.operation)
    elif fault.code or fault.reasons:
        raise UnknownFault(f"kind {fault.kind} has neither code nor reasons")
    if fault.reasons and fault.operation not in TRANSACTIONS:
        raise UnknownFault(f"reasons: of {' and '.join(TRANSACTIONS)} alone")


def _operations(service: str) -> list[str]:
    name = wire.SERVICES.get(service, wire.botocore_name(service))
    model = botocore.session.get_session().get_service_model(name)
    return list(model.operation_names)


def _can_answer(fault: Fault, operation: str) -> bool:
    """Whether the operation has the fault's error, where the fault is one that is answered."""
    if fault.place != "call" or fault.kind.startswith(("closed-", "dies-")):
        return True
    try:
        _error(fault, operation)
    except UnknownFault:
        return False
    return True


def _error(fault: Fault, operation: str) -> Error:
    """The service's error for a fault."""
    of_service = ERRORS[fault.service].get(fault.kind, ())
    found = [
        error
        for error in of_service
        if fault.code in ("", error.code) and error.may_answer(operation)
    ]
    if not found:
        codes = ", ".join(error.code for error in of_service) or "none"
        asked = f"code {fault.code}" if fault.code else f"kind {fault.kind}"
        raise UnknownFault(
            f"{asked}: {fault.service} has no such error for {operation}; of {fault.kind} it has "
            f"{codes}"
        )
    return found[0]


# --- what happens -------------------------------------------------------------------------------
def _take(
    place: str, service: str, operation: str, members: Callable[[], Mapping[str, Any]], caller: str
) -> Fault | None:
    """The fault that happens now, if one does."""
    if _one is None or not _one.armed:
        return None
    mine = _faults()
    with mine.lock:
        candidates = [
            armed
            for armed in mine.armed.values()
            if armed.fault.place == place
            and armed.fault.service == service
            and armed.fault.operation in ("*", operation)
            and not armed.over
            and fnmatchcase(caller, armed.fault.caller)
            and _can_answer(armed.fault, operation)
        ]
    if not candidates:
        return None
    given = members() if any(armed.fault.match for armed in candidates) else {}
    for armed in candidates:
        if not _matches(armed.fault.match, given):
            continue
        with mine.lock:
            if armed.name not in mine.armed or not armed.strikes():
                continue
        log.warning("fault %s: %s of %s:%s", armed.name, armed.fault.kind, service, operation)
        return armed.fault
    return None


def _matches(match: Mapping[str, str], members: Mapping[str, Any]) -> bool:
    for path, pattern in match.items():
        value: Any = members
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None or not fnmatchcase(str(value), pattern):
            return False
    return True


def on_call(
    service: str, operation: str, members: Mapping[str, Any], *, caller: str
) -> Fault | None:
    """The fault of a call that one service makes to another without the wire."""
    return _take("call", service, operation, lambda: members, caller)


def on_function(name: str) -> Fault | None:
    """The fault of a function that is called."""
    return _take("function", "lambda", "Invoke", lambda: {"FunctionName": name}, "*")


def on_delivery(*, rule: str, event: Mapping[str, Any]) -> Fault | None:
    """The fault of handing an event to a rule's target."""
    members = {
        "rule": rule,
        "source": event.get("source", ""),
        "detail-type": event.get("detail-type", ""),
    }
    return _take("delivery", "events", "*", lambda: members, "*")


def on_job(name: str, *kinds: str, trained: float = 0.0) -> Fault | None:
    """The fault of a training job, of these kinds, that has trained for so many seconds."""
    if _one is None or not _one.armed:
        return None
    mine = _faults()
    members = {"TrainingJobName": name}
    with mine.lock:
        for armed in mine.armed.values():
            fault = armed.fault
            due = fault.kind in kinds and (fault.kind != "interruption" or trained >= fault.seconds)
            if due and _matches(fault.match, members) and armed.strikes():
                log.warning("fault %s: %s of training job %s", armed.name, fault.kind, name)
                return fault
    return None


def register_worker(access_key: str, kill: Callable[[], object]) -> None:
    """Say how the function that calls with this key is killed."""
    mine = _faults()
    with mine.lock:
        mine.workers[access_key] = kill


def forget_worker(access_key: str) -> None:
    if _one is not None:
        with _one.lock:
            _one.workers.pop(access_key, None)


# --- the wire -----------------------------------------------------------------------------------
def layer(application: Application) -> Application:
    """`application` (the services) with the faults that are set."""

    def serve(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if _one is None or not _one.armed:
            return application(environ, start_response)  # type: ignore[no-any-return]
        service = dispatch.service_of(environ)
        operation = wire.operation_of(environ, wire.botocore_name(service))
        key = _access_key(environ)
        fault = _take("call", service, operation, lambda: _members(environ), _caller(key))
        if fault is None:
            return application(environ, start_response)  # type: ignore[no-any-return]
        if fault.kind.startswith("dies-"):
            return _dies(fault, key, application, environ, start_response)
        if fault.kind.startswith("closed-"):
            return _closed(fault, application, environ, start_response)
        return _answered(fault, operation, environ, start_response)

    return serve


def _access_key(environ: Environ) -> str:
    with suppress(wire.WireError):
        signature = wire.signature_of(environ)
        if signature is not None:
            return signature.access_key
    return ""


def _caller(access_key: str) -> str:
    session = credentials.principal_of(access_key)
    return session.role_arn if session is not None else "admin"


def _members(environ: Environ) -> Mapping[str, Any]:
    """The request's members, as far as it can be read; its body is put back."""
    if environ.get("HTTP_X_AMZ_TARGET"):
        with suppress(ValueError):
            found = json.loads(_body(environ) or b"{}")
            return found if isinstance(found, dict) else {}
        return {}
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        return dict(parse_qsl(_body(environ).decode("utf-8", "replace")))
    with suppress(wire.WireError):
        signature = wire.signature_of(environ)
        if signature is not None:
            return wire.parse(environ, signature).params
    return {}


def _body(environ: Environ) -> bytes:
    body = bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _performed(application: Application, environ: Environ) -> None:
    """Let the operation take its effect, whatever it answers."""
    chunks, _, _ = run_wsgi_app(application, environ, buffered=True)
    b"".join(chunks)


def _dies(
    fault: Fault,
    key: str,
    application: Application,
    environ: Environ,
    start_response: Callable[..., Any],
) -> Iterable[bytes]:
    kill = _faults().workers.get(key)
    if kill is None:  # not a function's call: there is nothing to die
        return application(environ, start_response)  # type: ignore[no-any-return]
    if fault.kind == "dies-after":
        _performed(application, environ)
    kill()
    return _cut(environ, start_response)


def _closed(
    fault: Fault, application: Application, environ: Environ, start_response: Callable[..., Any]
) -> Iterable[bytes]:
    if fault.kind == "closed-after":
        _performed(application, environ)
    time.sleep(fault.seconds)
    return _cut(environ, start_response)


def _cut(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Close the connection under the client."""
    connection: socket.socket = environ["werkzeug.socket"]
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    # Writing it fails, by which the server notices.
    start_response("0 Connection closed", [])
    return []


def _answered(
    fault: Fault, operation: str, environ: Environ, start_response: Callable[..., Any]
) -> Iterable[bytes]:
    error = _error(fault, operation)
    members = _members(environ) if operation in TRANSACTIONS else {}
    # What the client still sends is read, or it may lose the answer to a broken pipe.
    with suppress(OSError, ValueError):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    refusal = dispatch.Refusal(fault.service, error.code, error.message, error.status)
    response = refusal.response(environ)
    if error.code == "TransactionCanceledException":
        _with_reasons(response, fault, members)
    return response(environ, start_response)  # type: ignore[no-any-return]


def _with_reasons(response: Any, fault: Fault, members: Mapping[str, Any]) -> None:
    items = len(members.get("TransactItems", ())) or 1
    reasons = fault.reasons or ("TransactionConflict", *["None"] * (items - 1))
    document = json.loads(response.get_data())
    document["message"] += f" [{', '.join(reasons)}]"
    document["CancellationReasons"] = [
        {"Code": reason} if reason == "None" else {"Code": reason, "Message": _REASONS.get(reason)}
        for reason in reasons
    ]
    response.set_data(json.dumps(document))


#: Source: TransactWriteItems, DynamoDB API reference.
_REASONS = {
    "ConditionalCheckFailed": "The conditional request failed",
    "TransactionConflict": "Transaction is ongoing for the item.",
    "ThrottlingError": "Throughput exceeds the current capacity of your table or index.",
    "ProvisionedThroughputExceeded": "The level of configured provisioned throughput for the table "
    "was exceeded.",
}
