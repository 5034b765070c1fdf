"""Lambda of the embedded cloud: runs the uploaded code, really, in warm worker processes.

A function has up to four execution environments, each a process (see `lambda_worker`) with the
credentials of the function's role, the function's variables and the cloud's clock. They start on
demand, stay warm, and are replaced when code or configuration changes.

Retries of asynchronous calls hang on the cloud's clock, as on AWS: what the function failed on is
tried again after one minute, then two; what was throttled, or met an error of Lambda's own, after 1
second, then twice as long each time up to 5 minutes, until the event is too old. What fails to the
end goes to the function's on-failure destination, a queue, if it has one. CloudWatch counts calls,
errors and throttles.

Source: "How Lambda handles errors and retries with asynchronous invocation", developer guide.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import io
import json
import logging
import queue
import re
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import uuid
import zipfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.exceptions import (
    InvalidParameterValueException,
    LambdaClientError,
    UnknownFunctionException,
)
from moto.awslambda.utils import get_backend
from moto.logs.models import logs_backends

from infra.offline import faults, runtime
from infra.offline.authorization import credentials
from infra.offline.environment import client_environment
from infra.offline.fidelity import Part
from infra.offline.patching import replaces
from infra.offline.processes import Process, minimal_environment
from infra.offline.services import cloudwatch, sqs

FIDELITY = Part(
    title="Lambda",
    emulated=(
        "moto's state; the uploaded bundle runs in a warm process with the standard library and "
        "boto3 alone, as the function's role, named by alias; asynchronous calls: tries after "
        "one minute and two, throttles for six hours, then the on-failure destination"
    ),
    checked="by client: AWS CLI, boto3; by documentation: error shapes, retries, timeouts, exits",
    differences=(
        "the cloud's own Python, whatever `python3.x` the function names; at most 4 at once, "
        "others wait; memory is not limited; credentials of a warm worker do not expire; "
        "destinations are queues; a function's own dead-letter queue is refused"
    ),
)

log = logging.getLogger(__name__)

#: Execution environments of one function; further calls wait. AWS would start more.
LARGEST_POOL = 4

#: Threads that carry asynchronous calls.
CARRIERS = 8

#: Importing the handler's module: AWS allows 10 s. A laptop that runs everything may need longer.
START_SECONDS = 60.0

#: Lambda's limits for the payload of a call.
LARGEST_PAYLOAD_BYTES = 6_291_456
LARGEST_ASYNCHRONOUS_PAYLOAD_BYTES = 1_048_576

#: When Lambda tries a failed asynchronous call again.
RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=2))
OLDEST_EVENT = timedelta(hours=6)

#: When Lambda tries again what was throttled or met an error of its own; each time twice as long.
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)

#: As the runtime words the signal that ended it: by Go's names of signals.
SIGNALS: dict[int, str] = {
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}

NAMESPACE = "AWS/Lambda"

#: How long a move of the clock waits for the asynchronous work of one moment.
SETTLE_SECONDS = 60.0

#: What Lambda's Python runtime has beside the standard library, and what moves a worker's clock.
RUNTIME_LIBRARIES = (
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "six",
    "urllib3",
    "time-machine",
)

_NAME = re.compile(
    r"^(?:arn:aws:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:"
    r"|(?P<partial>\d{12}):function:|function:)?"
    r"(?P<name>[A-Za-z0-9-_]+)(?::(?P<qualifier>\$LATEST|[A-Za-z0-9-_]+))?$"
)


class TooManyRequests(LambdaClientError):  # type: ignore[misc]
    """The function's reserved concurrency is in use."""

    code = 429

    def __init__(self, function: str) -> None:
        super().__init__(
            "TooManyRequestsException", f"Rate Exceeded. (reserved concurrency of {function})"
        )


class ServiceFailed(Exception):
    """Lambda itself failed to run an event (an injected fault)."""


@dataclass(frozen=True)
class Answer:
    """What a call came to.

    Attributes:
        payload: JSON; the handler's answer, or the error as Lambda words it.
        error: None, or "Unhandled" if the function failed.
        log_tail: the last 4 KB of the call's log.
        version: the version that ran.
    """

    payload: bytes
    error: str | None
    log_tail: str
    version: str


@dataclass(frozen=True)
class Called:
    """A function as a call named it."""

    function: Any  # moto's LambdaFunction
    arn: str  # with the alias or version that was named, if one was


def find(name: str, qualifier: str | None = None) -> Called:
    """The function that a name, partial or full ARN stands for, with alias or version.

    Raises:
        InvalidParameterValueException: if the name is malformed or names two qualifiers.
        UnknownFunctionException: if there is no such function, alias or version.
    """
    here = runtime.current()
    match = _NAME.match(name)
    if match is None:
        raise InvalidParameterValueException(f"{name!r} is neither a function's name nor its ARN")
    named = match["qualifier"]
    if named and qualifier and named != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    region = match["region"] or here.region
    account = match["account"] or match["partial"] or here.account
    chosen = named or qualifier
    arn = f"arn:aws:lambda:{region}:{account}:function:{match['name']}"
    arn = f"{arn}:{chosen}" if chosen else arn
    if (region, account) != (here.region, here.account):
        raise UnknownFunctionException(arn)
    return Called(get_backend(account, region).get_function(match["name"], chosen), arn)


def invoke(
    function_arn: str,
    payload: bytes,
    *,
    asynchronous: bool = False,
    qualifier: str | None = None,
) -> Answer | None:
    """Call a function by name or ARN; the ARN may carry an alias, which the function is told.

    Synchronous calls return the answer, function errors included. Asynchronous ones return None at
    once; a failure is tried again after one minute and two more, on the cloud's clock.

    Raises:
        LambdaClientError: as AWS words it: no such function or alias, no JSON, throttled.
    """
    called = find(function_arn, qualifier)
    payload = payload or b"{}"
    largest = LARGEST_ASYNCHRONOUS_PAYLOAD_BYTES if asynchronous else LARGEST_PAYLOAD_BYTES
    if len(payload) > largest:
        raise _payload_too_large(largest)
    try:
        text = payload.decode()
        json.loads(text)
    except ValueError as error:
        raise LambdaClientError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from None
    if asynchronous:
        _fleet().carry(_Delivery(called.arn, text, runtime.current().clock.now()))
        return None
    return _fleet().call(called, text, request_id=str(uuid.uuid4()))


def role_trusts(role_arn: str, service: str, *, source_arn: str | None = None) -> bool:
    """Whether a role's trust policy lets an AWS service assume it, for `source_arn` if given."""
    # Imported here: enforcement reads the state of services that stand on this module.
    from infra.offline.authorization import enforcement

    return enforcement.service_may_assume(role_arn, service, source_arn=source_arn)


def in_background(work: Callable[[], None], *, what: str) -> None:
    """Run `work` in one of the threads that carry asynchronous calls; `drain` waits for it."""
    _fleet().put(work, what=what)


def drain(timeout: float = 60.0) -> bool:
    """Wait until no asynchronous work is queued or running; False if that takes over `timeout` s.

    Calls that wait for a retry wait for the clock, so they are not waited for here.
    """
    return _fleet().drain(timeout)


def close() -> None:
    """Drop what is queued and end the free workers: the first step of stopping the cloud."""
    if _one_fleet is not None:
        _one_fleet.close()


# --- the fleet: every worker of this cloud ------------------------------------------------------
class _Fleet:
    def __init__(self, cloud: runtime.Runtime) -> None:
        self.cloud = cloud
        self.folder = cloud.state / "functions"
        self.libraries = self._link_libraries(self.folder / ".runtime")
        self._pools: dict[str, _Pool] = {}
        self._pools_lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Callable[[], None], str] | None]
        self._queue = queue.SimpleQueue()
        self._busy = 0
        self._idle = threading.Condition()
        self._carriers = 0
        self._closed = False
        cloud.clock.after_each_step(self._settle)

    # synchronous calls
    def call(self, called: Called, payload: str, *, request_id: str) -> Answer:
        name = called.function.function_name
        begun = time.monotonic()
        at = self.cloud.clock.now()
        try:
            answer = self.pool(name).call(called, payload, request_id)
        except TooManyRequests:
            self._count(name, at, Throttles=1)
            raise
        self._count(name, at, Invocations=1, Errors=int(answer.error is not None))
        milliseconds = 1000 * (time.monotonic() - begun)
        self._record(name, at, "Duration", milliseconds, "Milliseconds")
        return answer

    def _count(self, name: str, at: datetime, **metrics: int) -> None:
        for metric, value in metrics.items():
            self._record(name, at, metric, value, "Count")

    def _record(self, name: str, at: datetime, metric: str, value: float, unit: str) -> None:
        if self._closed:  # the cloud's state is being forgotten
            return
        cloudwatch.record(NAMESPACE, metric, value, {"FunctionName": name}, unit=unit, at=at)

    def pool(self, function_name: str) -> _Pool:
        with self._pools_lock:
            if function_name not in self._pools:
                self._pools[function_name] = _Pool(self, function_name)
            return self._pools[function_name]

    def retire(self, function_name: str) -> None:
        with self._pools_lock:
            pool = self._pools.pop(function_name, None)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        self._closed = True
        with self._pools_lock:
            pools, self._pools = tuple(self._pools.values()), {}
        for pool in pools:
            pool.close()
        for _ in range(CARRIERS):
            self._queue.put(None)

    # asynchronous work
    def put(self, work: Callable[[], None], *, what: str) -> None:
        with self._idle:
            if self._closed:
                return
            self._busy += 1
            if self._carriers < min(CARRIERS, self._busy):
                self._carriers += 1
                name = f"lambda-carrier-{self._carriers}"
                threading.Thread(target=self._carry_on, name=name, daemon=True).start()
        self._queue.put((work, what))

    def _carry_on(self) -> None:
        while (taken := self._queue.get()) is not None:
            work, what = taken
            try:
                if not self._closed:
                    work()
            except Exception:
                if not self._closed:
                    log.exception("%s failed", what)
            finally:
                with self._idle:
                    self._busy -= 1
                    self._idle.notify_all()

    def drain(self, timeout: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, timeout)

    def _settle(self) -> None:
        if not self._closed and not self.drain(SETTLE_SECONDS):
            log.warning("asynchronous work takes more than %.0f s; time moves on", SETTLE_SECONDS)

    def carry(self, delivery: _Delivery) -> None:
        self.put(lambda: self._deliver(delivery), what=f"the call of {delivery.arn}")

    def _deliver(self, delivery: _Delivery) -> None:
        try:
            called = find(delivery.arn)
            if _never_runs(called.function) and on_failure(called.function):
                # At zero, events go to the destination at once, without any try. Source:
                # "Configuring reserved concurrency", Lambda developer guide.
                self._lost(delivery, called.function, "ZeroReservedConcurrency", None)
                return
            self._meet_fault(called)
            answer = self.call(called, delivery.payload, request_id=delivery.request_id)
        except (TooManyRequests, ServiceFailed):
            # Such calls are kept and do not count as tries.
            pause = min(FIRST_PAUSE * 2 ** min(delivery.returned, 20), LONGEST_PAUSE)
            delivery.returned += 1
            self._again(delivery, called.function, pause, None)
            return
        except LambdaClientError as error:
            log.warning("the event for %s is lost: %s", delivery.arn, error.message)
            return
        delivery.tries += 1
        if answer.error is None:
            return
        delays = RETRY_DELAYS[: _retries(called.function)]
        if delivery.tries <= len(delays):
            self._again(delivery, called.function, delays[delivery.tries - 1], answer)
        else:
            self._lost(delivery, called.function, "RetriesExhausted", answer)

    def _meet_fault(self, called: Called) -> None:
        """What an injected fault makes of Lambda's own attempt to run an event."""
        name = called.function.function_name
        fault = faults.on_call(
            "lambda", "Invoke", {"FunctionName": name}, caller="lambda.amazonaws.com"
        )
        if fault is None:
            return
        if fault.kind == "throttle":
            self._count(name, self.cloud.clock.now(), Throttles=1)
            raise TooManyRequests(name)
        raise ServiceFailed(fault.kind)

    def _again(
        self, delivery: _Delivery, function: Any, delay: timedelta, answer: Answer | None
    ) -> None:
        clock = self.cloud.clock
        if clock.now() + delay - delivery.since > _oldest(function):
            self._lost(delivery, function, "EventAgeExceeded", answer)
            return
        clock.call_at(
            clock.now() + delay, lambda: self.carry(delivery), name=f"call {delivery.arn} again"
        )

    def _lost(
        self, delivery: _Delivery, function: Any, condition: str, answer: Answer | None
    ) -> None:
        """An event that will not be tried again: to the function's destination, if it has one."""
        log.error(
            "%s: %s after %d tries: %s",
            delivery.arn,
            condition,
            delivery.tries,
            "" if answer is None else answer.payload.decode(errors="replace")[:2000],
        )
        destination = on_failure(function)
        if destination is None:
            self._count(function.function_name, self.cloud.clock.now(), AsyncEventsDropped=1)
            return
        document = _invocation_record(delivery, condition, answer, self.cloud.clock.now())
        try:
            self._send_as_role(function, destination, json.dumps(document))
        except (BotoCoreError, ClientError) as error:
            log.error("%s cannot be told of the failure: %s", destination, error)
            name = function.function_name
            self._count(name, self.cloud.clock.now(), DestinationDeliveryFailures=1)

    def _send_as_role(self, function: Any, queue_arn: str, body: str) -> None:
        """Over the wire, so that the role needs the permission as on AWS."""
        keys = credentials.for_role(function.role, session_name=function.function_name)
        with _making_client:
            client = boto3.client(
                "sqs",
                endpoint_url=self.cloud.endpoint,
                region_name=self.cloud.region,
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=keys["AWS_SESSION_TOKEN"],
            )
        client.send_message(QueueUrl=sqs.url(queue_arn.rsplit(":", 1)[-1]), MessageBody=body)

    @staticmethod
    def _link_libraries(folder: Path) -> Path:
        """A folder with links to what Lambda's runtime brings, and to nothing else."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in RUNTIME_LIBRARIES:
            distribution = importlib.metadata.distribution(name)
            for entry in {file.parts[0] for file in distribution.files or ()}:
                origin = Path(str(distribution.locate_file(entry)))
                link = folder / entry
                if entry not in ("..", "__pycache__") and origin.exists() and not link.exists():
                    link.symlink_to(origin)
        return folder


@dataclass
class _Delivery:
    arn: str
    payload: str
    since: datetime
    tries: int = 0
    # How often it was throttled or met an error of Lambda's own.
    returned: int = 0
    # Lambda tries again under the same request id.
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class _Pool:
    """The execution environments of one function."""

    def __init__(self, fleet: _Fleet, name: str) -> None:
        self._fleet = fleet
        self._name = name
        self._free: deque[_Environment] = deque()
        self._all: set[_Environment] = set()
        self._starting = 0
        self._in_use = 0
        self._closed = False
        self._changed = threading.Condition()

    def call(self, called: Called, payload: str, request_id: str) -> Answer:
        function = called.function
        reserved = function.reserved_concurrency
        with self._changed:
            if reserved is not None and self._in_use >= int(reserved):
                raise TooManyRequests(self._name)
            self._in_use += 1
        try:
            environment = self._take(function)
            keep = False
            try:
                answer = environment.call(called, payload, request_id)
                keep = environment.usable
                return answer
            finally:
                self._give_back(environment, keep=keep)
        finally:
            with self._changed:
                self._in_use -= 1
                self._changed.notify_all()

    def _take(self, function: Any) -> _Environment:
        wanted = _fingerprint(function)
        with self._changed:
            while True:
                if self._closed:
                    raise UnknownFunctionException(function.function_arn)
                stale = [free for free in self._free if not free.serves(function, wanted)]
                for environment in stale:
                    self._free.remove(environment)
                    self._all.discard(environment)
                    environment.stop()
                for environment in self._free:
                    if environment.fingerprint == wanted:
                        self._free.remove(environment)
                        return environment
                if len(self._all) + self._starting < LARGEST_POOL:
                    self._starting += 1
                    break
                if self._free:  # of another version: make room
                    oldest = self._free.popleft()
                    self._all.discard(oldest)
                    oldest.stop()
                    continue
                self._changed.wait()
        try:
            environment = _Environment(self._fleet, function, wanted)
        except BaseException:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()
            raise
        with self._changed:
            self._starting -= 1
            self._all.add(environment)
        return environment

    def _give_back(self, environment: _Environment, *, keep: bool) -> None:
        with self._changed:
            if keep and not self._closed:
                self._free.append(environment)
            else:
                self._all.discard(environment)
                keep = False
            self._changed.notify_all()
        if not keep:
            environment.stop()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            free, self._free = tuple(self._free), deque()
            self._all.difference_update(free)
            self._changed.notify_all()
        for environment in free:
            environment.stop()


class _Environment:
    """One worker process: one call at a time."""

    def __init__(self, fleet: _Fleet, function: Any, fingerprint: tuple[object, ...]) -> None:
        cloud = fleet.cloud
        self._cloud = cloud
        self.fingerprint = fingerprint
        self._version = str(function.version)
        identity = uuid.uuid4().hex
        folder = fleet.folder / function.function_name
        self._home = folder / identity
        self._home.mkdir(parents=True)
        now = cloud.clock.now()
        self._log_group = function.logs_group_name
        self._log_stream = f"{now:%Y/%m/%d}/[{self._version}]{identity}"
        self._log_file = folder / f"{identity}.log"
        self._log_read = 0
        code = _unpack(function, folder)
        ours, theirs = socket.socketpair()
        self._connection = ours
        # Lambda hands credentials to an environment and renews it in time; ours do not expire.
        keys = credentials.for_role(function.role, session_name=function.function_name)
        self._key = keys["AWS_ACCESS_KEY_ID"]
        with theirs:
            self._process: Process = cloud.processes.start(
                f"function {function.function_name}",
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-B",
                    "-u",  # what was printed before a kill is in the log
                    str(Path(__file__).with_name("lambda_worker.py")),
                    str(theirs.fileno()),
                    str(fleet.libraries),
                ],
                env={
                    **minimal_environment(self._home),
                    **_client_environment(cloud),
                    **function.environment_vars,
                    **keys,
                    "TMPDIR": str(self._home),
                    "TZ": ":UTC",
                    "_HANDLER": function.handler,
                    "LAMBDA_TASK_ROOT": str(code),
                    "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
                    "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
                    "AWS_LAMBDA_FUNCTION_VERSION": self._version,
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
                    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                    "AWS_LAMBDA_LOG_GROUP_NAME": self._log_group,
                    "AWS_LAMBDA_LOG_STREAM_NAME": self._log_stream,
                },
                cwd=code,
                log=self._log_file,
                pass_fds=(theirs.fileno(),),
            )
        faults.register_worker(self._key, self._process.kill)
        self._start_call: dict[str, Any] | None = {
            "kind": "start",
            "handler": function.handler,
            "code": str(code),
        }

    @property
    def usable(self) -> bool:
        return self._process.running and self._start_call is None

    def serves(self, function: Any, wanted: tuple[object, ...]) -> bool:
        """Whether this environment is of another version, or up to date."""
        other_version = self._version != str(function.version)
        return self._process.running and (other_version or self.fingerprint == wanted)

    def call(self, called: Called, payload: str, request_id: str) -> Answer:
        function = called.function
        self._write_log(f"START RequestId: {request_id} Version: {self._version}")
        fault = faults.on_function(function.function_name)
        kind = fault.kind if fault is not None else ""
        if kind in _BEFORE:
            self._process.kill()
            return self._failed(request_id, *_ended_by(kind, float(function.timeout)))
        if self._start_call is not None:
            try:
                started = self._exchange(self._start_call, START_SECONDS)
            except TimeoutError:
                self._process.kill()
                return self._failed(
                    request_id,
                    "Sandbox.Timedout",
                    f"the handler's module took more than {START_SECONDS:.0f} s to import",
                )
            if started is None:
                return self._exited(request_id)
            if started["started"]:
                self._start_call = None
        began = time.monotonic()
        seconds = float(function.timeout)
        message = {
            "kind": "call",
            "request_id": request_id,
            "invoked_function_arn": called.arn,
            "timeout_seconds": seconds,
            "payload": payload,
        }
        try:
            reply = self._exchange(message, seconds)
        except TimeoutError:
            self._process.kill()
            return self._failed(
                request_id, "Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds"
            )
        if reply is not None and kind in _AFTER:
            # What it did stands; its answer is lost.
            self._process.kill()
            return self._failed(request_id, *_ended_by(kind, seconds))
        if reply is None:
            return self._exited(request_id)
        duration_ms = (time.monotonic() - began) * 1000
        tail = self._finish_log(
            request_id,
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {int(duration_ms) + 1} ms\tMemory Size: {function.memory_size} MB",
        )
        if "error" in reply:
            return Answer(json.dumps(reply["error"]).encode(), "Unhandled", tail, self._version)
        return Answer(reply["payload"].encode(), None, tail, self._version)

    def stop(self) -> None:
        faults.forget_worker(self._key)
        self._connection.close()
        self._process.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    # the conversation
    def _exchange(self, message: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The worker's reply, or None if it is gone. Raises TimeoutError."""
        ahead = (self._cloud.clock.now() - datetime.now(UTC)).total_seconds()
        body = json.dumps({**message, "ahead_seconds": ahead}).encode()
        deadline = time.monotonic() + seconds
        try:
            self._connection.settimeout(seconds)
            self._connection.sendall(struct.pack("!I", len(body)) + body)
            head = self._receive(4, deadline)
            reply = head and self._receive(struct.unpack("!I", head)[0], deadline)
        except TimeoutError:
            raise
        except OSError:
            return None
        answer: dict[str, Any] | None = json.loads(reply) if reply else None
        return answer

    def _receive(self, size: int, deadline: float) -> bytes | None:
        received = bytearray()
        while len(received) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            chunk = self._connection.recv(min(size - len(received), 1 << 20))
            if not chunk:
                return None
            received += chunk
        return bytes(received)

    def _exited(self, request_id: str) -> Answer:
        status = self._process.wait(5.0)
        if status is None:
            status = self._process.kill()
        if status < 0:
            how = f"with error: signal: {SIGNALS.get(-status, f'signal {-status}')}"
        else:
            how = f"with error: exit status {status}" if status else "without providing a reason"
        return self._failed(request_id, "Runtime.ExitError", f"Runtime exited {how}")

    def _failed(self, request_id: str, kind: str, message: str) -> Answer:
        text = f"RequestId: {request_id} Error: {message}"
        tail = self._finish_log(request_id, text)
        body = {"errorType": kind, "errorMessage": text}
        return Answer(json.dumps(body).encode(), "Unhandled", tail, self._version)

    # the log
    def _finish_log(self, request_id: str, last: str) -> str:
        with self._log_file.open("rb") as file:
            file.seek(self._log_read)
            printed = file.read().decode(errors="replace")
            self._log_read = file.tell()
        lines = [*printed.splitlines(), f"END RequestId: {request_id}", last]
        self._write_log(*lines)
        head = f"START RequestId: {request_id} Version: {self._version}"
        return "\n".join([head, *lines, ""])[-4096:]

    def _write_log(self, *lines: str) -> None:
        """To CloudWatch Logs, if the function's group exists: it belongs to the stack, and a late
        call must not make it again after the stack is gone."""
        backend = logs_backends[self._cloud.account][self._cloud.region]
        group = backend.groups.get(self._log_group)
        if group is None:
            return
        if self._log_stream not in group.streams:
            group.create_log_stream(self._log_stream)
        stamp = int(self._cloud.clock.now().timestamp() * 1000)
        group.put_log_events(
            # As on AWS a message has its line's end; without, an empty line would be no message.
            self._log_stream,
            [{"timestamp": stamp, "message": f"{line}\n"} for line in lines],
        )


#: Injected faults that end a function before it does anything, and after it did all but answer.
_BEFORE = frozenset({"crash-before", "timeout-before", "init-error", "out-of-memory"})
_AFTER = frozenset({"crash-after", "timeout-after"})


def _ended_by(kind: str, seconds: float) -> tuple[str, str]:
    """The error's type and words of a function that an injected fault ends."""
    if kind.startswith("timeout-"):
        return "Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds"
    if kind == "init-error":
        return "Runtime.ExitError", "Runtime exited with error: exit status 1"
    killed = "Runtime exited with error: signal: killed"
    return ("Runtime.OutOfMemory" if kind == "out-of-memory" else "Runtime.ExitError"), killed


def _fingerprint(function: Any) -> tuple[object, ...]:
    """Everything that a running environment has taken from the function."""
    return (
        str(function.version),
        function.code_sha_256,
        function.handler,
        function.role,
        function.run_time,
        function.memory_size,
        tuple(sorted(function.environment_vars.items())),
    )


def _unpack(function: Any, folder: Path) -> Path:
    """The function's code, unpacked once per content."""
    code = folder / f"code-{function.code_digest[:32]}"
    if not code.exists():
        with contextlib.suppress(OSError), _unpacking(code) as unfinished:
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(unfinished)
            unfinished.rename(code)
    if not code.exists():
        raise InvalidParameterValueException("Could not unzip uploaded file.")
    return code


@contextlib.contextmanager
def _unpacking(code: Path) -> Any:
    unfinished = code.with_name(f"{code.name}.{uuid.uuid4().hex}")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _client_environment(cloud: runtime.Runtime) -> dict[str, str]:
    """How a client in a worker reaches the cloud: without the administrator's keys."""
    environment = client_environment(cloud.endpoint, cloud.region)
    return {name: value for name, value in environment.items() if "ACCESS_KEY" not in name}


def on_failure(function: Any) -> str | None:
    """The ARN of the queue that gets a function's lost events, or None."""
    for config in function.event_invoke_config:
        destinations = config.config.get("DestinationConfig") or {}
        return (destinations.get("OnFailure") or {}).get("Destination") or None
    return None


def _never_runs(function: Any) -> bool:
    reserved = function.reserved_concurrency
    return reserved is not None and int(reserved) == 0


def _oldest(function: Any) -> timedelta:
    for config in function.event_invoke_config:
        seconds = config.config.get("MaximumEventAgeInSeconds")
        return OLDEST_EVENT if seconds is None else timedelta(seconds=int(seconds))
    return OLDEST_EVENT


def _invocation_record(
    delivery: _Delivery, condition: str, answer: Answer | None, now: datetime
) -> dict[str, Any]:
    """Source: "Capturing records of Lambda asynchronous invocations", Lambda developer guide."""
    arn = delivery.arn
    # name, or name and qualifier
    arn = arn if len(arn.split(":")) > 7 else f"{arn}:$LATEST"
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S.000Z}",
        "requestContext": {
            "requestId": delivery.request_id,
            "functionArn": arn,
            "condition": condition,
            "approximateInvokeCount": delivery.tries,
        },
        "requestPayload": json.loads(delivery.payload),
    }
    if answer is not None:
        document |= {
            "responseContext": {
                "statusCode": 200,
                "executedVersion": answer.version,
                "functionError": answer.error,
            },
            "responsePayload": json.loads(answer.payload),
        }
    return document


#: boto3 is not thread-safe while it makes a client.
_making_client = threading.Lock()


def _retries(function: Any) -> int:
    for config in function.event_invoke_config:
        return int(config.config.get("MaximumRetryAttempts", len(RETRY_DELAYS)))
    return len(RETRY_DELAYS)


def _payload_too_large(largest: int) -> LambdaClientError:
    error = LambdaClientError(
        "RequestTooLargeException", f"Request must be smaller than {largest} bytes for this call."
    )
    error.code = 413
    return error


# --- changes to moto ----------------------------------------------------------------------------
@replaces(
    "moto.awslambda.responses:LambdaResponse.invoke",
    because="moto runs functions in Docker, reads the qualifier under a wrong name, runs events "
    "before it answers and tells the function nothing of the alias that was named",
)
def _invoke(_original: Callable[..., Any], response: Any) -> tuple[int, dict[str, str], bytes]:
    name = unquote(response.path.rstrip("/").rsplit("/", 2)[-2])
    qualifier = response.querystring.get("Qualifier", [None])[0]
    kind = response.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    payload = response.body if isinstance(response.body, bytes) else (response.body or "").encode()
    if kind == "DryRun":
        find(name, qualifier)
        return 204, {"status": "204"}, b""
    if kind not in ("Event", "RequestResponse"):
        raise InvalidParameterValueException(f"no InvocationType {kind!r}")
    answer = invoke(name, payload, asynchronous=kind == "Event", qualifier=qualifier)
    if answer is None:
        return 202, {"status": "202"}, b""
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": answer.version}
    if answer.error is not None:
        headers["X-Amz-Function-Error"] = answer.error
    if response.headers.get("X-Amz-Log-Type") == "Tail":
        headers["X-Amz-Log-Result"] = base64.b64encode(answer.log_tail.encode()).decode()
    return 200, headers, answer.payload


@replaces(
    "moto.awslambda.models:LambdaFunction._invoke_lambda",
    because="the same for the services of moto that call a function themselves",
)
def _invoke_lambda(
    _original: Callable[..., Any], function: Any, event: Any = None
) -> tuple[str, bool, str]:
    called = Called(function, function.function_arn)
    answer = _fleet().call(called, json.dumps(event or {}), request_id=str(uuid.uuid4()))
    return answer.payload.decode(), answer.error is not None, answer.log_tail


@replaces(
    "moto.awslambda.models:LambdaBackend.create_function",
    because="what the runner cannot run is refused by name when the function is made",
)
def _create_function(original: Callable[..., Any], backend: Any, spec: dict[str, Any]) -> Any:
    name = str(spec.get("FunctionName"))
    _refuse_what_cannot_run(name, {"Runtime": None, **spec})
    if spec.get("PackageType", "Zip") != "Zip":
        raise _not_emulated(name, "PackageType", spec["PackageType"])
    _refuse_no_zip((spec.get("Code") or {}).get("ZipFile"))
    return original(backend, spec)


@replaces(
    "moto.awslambda.models:LambdaFunction.update_function_code",
    because="moto takes any bytes for a function's code",
)
def _update_code(original: Callable[..., Any], function: Any, spec: dict[str, Any]) -> Any:
    _refuse_no_zip(spec.get("ZipFile"))
    return original(function, spec)


def _refuse_no_zip(given: str | bytes | None) -> None:
    """`given` is in base64, as it came over the wire."""
    if given is None:
        return
    try:
        whole = zipfile.is_zipfile(io.BytesIO(base64.b64decode(given)))
    except ValueError:
        whole = False
    if not whole:
        raise InvalidParameterValueException(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        )


@replaces(
    "moto.awslambda.models:LambdaFunction.update_configuration",
    because="the same when it is changed; and moto fails on an Environment without Variables",
)
def _update_configuration(
    original: Callable[..., Any], function: Any, config_updates: dict[str, Any]
) -> Any:
    _refuse_what_cannot_run(function.function_name, config_updates)
    changes = dict(config_updates)
    if "Environment" in changes:
        changes["Environment"] = {"Variables": (changes["Environment"] or {}).get("Variables", {})}
    return original(function, changes)


def _refuse_what_cannot_run(name: str, settings: dict[str, Any]) -> None:
    if "Runtime" in settings and not str(settings["Runtime"]).startswith("python3."):
        raise _not_emulated(name, "Runtime", settings["Runtime"])
    for member in ("Layers", "FileSystemConfigs"):
        if settings.get(member):
            raise _not_emulated(name, member, settings[member])
    for member, inner in (("VpcConfig", "SubnetIds"), ("DeadLetterConfig", "TargetArn")):
        if (settings.get(member) or {}).get(inner):
            raise _not_emulated(name, member, settings[member])
    if "Role" in settings and not role_trusts(str(settings["Role"]), "lambda.amazonaws.com"):
        raise InvalidParameterValueException(
            "The role defined for the function cannot be assumed by Lambda."
        )


def _not_emulated(name: str, member: str, value: object) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"{member} {value!r} of function {name} is not emulated: the embedded cloud runs Python "
        "functions from a zip, outside a VPC"
    )


@replaces(
    "moto.awslambda.models:LambdaBackend.put_function_event_invoke_config",
    because="a destination that is not emulated is refused; moto keeps every configuration and "
    "goes on using the first",
)
def _put_function_event_invoke_config(
    original: Callable[..., Any], backend: Any, function_name: str, config: dict[str, Any]
) -> Any:
    function = backend.get_function(function_name)
    for when, destination in (config.get("DestinationConfig") or {}).items():
        target = (destination or {}).get("Destination")
        if target and (when != "OnFailure" or sqs.find(target) is None):
            raise InvalidParameterValueException(
                f"DestinationConfig {when} {target} of {function_name} is not emulated: the "
                "embedded cloud knows OnFailure to a queue that exists"
            )
        if target and not _role_may(function.role, "sqs:SendMessage", target):
            raise InvalidParameterValueException(
                f"The function's execution role does not have permissions to call SendMessage on "
                f"{target}"
            )
    function.event_invoke_config.clear()
    return original(backend, function_name, config)


def _role_may(role_arn: str, action: str, resource: str) -> bool:
    # Imported here: enforcement reads the state of services that stand on this module.
    from infra.offline.authorization import enforcement
    from infra.offline.authorization.requests import Question

    keys = credentials.for_role(role_arn, session_name="lambda")
    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    if session is None:
        return False
    return bool(enforcement.decide(session, Question(action, resource)).allowed)


@replaces(
    "moto.awslambda.models:LambdaStorage.del_function",
    because="the processes of a deleted function must end",
)
def _del_function(
    original: Callable[..., Any], storage: Any, name_or_arn: str, qualifier: str | None = None
) -> None:
    function = storage.get_function_by_name_or_arn_with_qualifier(name_or_arn, qualifier)
    original(storage, name_or_arn, qualifier)
    if function.function_name not in storage._functions and _one_fleet is not None:
        _one_fleet.retire(function.function_name)


_one_fleet: _Fleet | None = None
_fleet_lock = threading.Lock()


def _fleet() -> _Fleet:
    global _one_fleet
    cloud = runtime.current()
    with _fleet_lock:
        if _one_fleet is None or _one_fleet.cloud is not cloud:
            _one_fleet = _Fleet(cloud)
        return _one_fleet


@replaces(
    "moto.awslambda.models:LambdaBackend.list_versions_by_function",
    because="moto lists no versions of a function that does not exist; AWS says that it does not",
)
def _versions_of(original: Callable[..., Any], backend: Any, function_name: str) -> Any:
    found = original(backend, function_name)
    if not found:
        raise UnknownFunctionException(function_name)
    return found
