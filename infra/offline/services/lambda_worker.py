"""One execution environment of a Lambda function: imports the handler once, then answers calls.

Run as a script by `python -I -S`, never imported by the cloud: it sees the standard library, the
function's own code and what Lambda's Python runtime brings, and nothing of this repository.
Messages are JSON with a length in front, over a socket whose number is the first argument; the
second is the folder of the runtime's libraries. Whatever the function prints goes to standard
output, which the cloud reads as its log.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

#: Lambda's own limit for a synchronous answer.
LARGEST_ANSWER_BYTES = 6_291_556

#: Up to here the cloud's clock counts as real time.
SMALLEST_OFFSET_SECONDS = 1.0

Handler = Callable[[Any, "Context"], Any]
Message = dict[str, Any]


class Context:
    """What Lambda tells a handler about the call; the names are AWS's."""

    def __init__(self, call: Message) -> None:
        self.function_name: str = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version: str = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb: str = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name: str = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name: str = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn: str = call["invoked_function_arn"]
        self.aws_request_id: str = call["request_id"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + call["timeout_seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    @staticmethod
    def log(message: object) -> None:
        sys.stdout.write(str(message))


class _RequestId(logging.Filter):
    current = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.current
        return True


class Worker:
    """Answers the cloud's messages until the socket closes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._request_id = _RequestId()
        self._handler: Handler | None = None
        self._failure: Message | None = None

    def serve(self) -> None:
        while (call := self._receive()) is not None:
            with _cloud_time(call["ahead_seconds"]):
                if call["kind"] == "start":
                    self._start(call)
                    self._send({"started": self._failure is None})
                else:
                    answer = self._answer(call)
                    sys.stdout.flush()
                    sys.stderr.flush()
                    self._send(answer)

    def _start(self, call: Message) -> None:
        sys.path.insert(0, call["code"])
        self._log_like_lambda()
        module_name, _, function_name = call["handler"].rpartition(".")
        module_name = module_name.replace("/", ".")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            self._failure = _error(
                "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
            )
        except Exception as error:
            self._failure = _raised(error, call["code"])
        else:
            self._handler = getattr(module, function_name, None)
            if self._handler is None:
                self._failure = _error(
                    "Runtime.HandlerNotFound",
                    f"Handler '{function_name}' missing on module '{module_name}'",
                )
        self._code = call["code"]

    def _answer(self, call: Message) -> Message:
        self._request_id.current = call["request_id"]
        if self._handler is None:
            return {"error": {**(self._failure or {}), "requestId": call["request_id"]}}
        try:
            event = json.loads(call["payload"])
            answer = self._handler(event, Context(call))
        except Exception as error:
            failure = {**_raised(error, self._code), "requestId": call["request_id"]}
            trace = "".join(failure["stackTrace"])
            print(
                f"[ERROR] {failure['errorType']}: {failure['errorMessage']}\n"
                f"Traceback (most recent call last):\n{trace}"
            )
            return {"error": failure}
        try:
            payload = json.dumps(answer)
        except (TypeError, ValueError) as error:
            failure = _error("Runtime.MarshalError", f"Unable to marshal response: {error}")
            return {"error": {**failure, "requestId": call["request_id"]}}
        if len(payload) > LARGEST_ANSWER_BYTES:
            return {
                "error": _error(
                    "Function.ResponseSizeTooLarge",
                    "Response payload size exceeded maximum allowed payload size "
                    f"({LARGEST_ANSWER_BYTES} bytes).",
                )
            }
        return {"payload": payload}

    def _log_like_lambda(self) -> None:
        handler = logging.StreamHandler(sys.stdout)
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        handler.addFilter(self._request_id)
        logging.getLogger().addHandler(handler)

    def _receive(self) -> Message | None:
        head = self._exactly(4)
        if head is None:
            return None
        body = self._exactly(struct.unpack("!I", head)[0])
        message: Message | None = None if body is None else json.loads(body)
        return message

    def _exactly(self, size: int) -> bytes | None:
        chunks = bytearray()
        while len(chunks) < size:
            chunk = self._connection.recv(size - len(chunks))
            if not chunk:
                return None
            chunks += chunk
        return bytes(chunks)

    def _send(self, message: Message) -> None:
        body = json.dumps(message).encode()
        self._connection.sendall(struct.pack("!I", len(body)) + body)


@contextlib.contextmanager
def _cloud_time(ahead_seconds: float) -> Iterator[None]:
    """The function reads the cloud's clock wherever it asks for the time."""
    if abs(ahead_seconds) <= SMALLEST_OFFSET_SECONDS:
        yield
        return
    import time_machine

    with time_machine.travel(time.time() + ahead_seconds, tick=True):
        yield


def _error(kind: str, message: str) -> Message:
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": []}


def _raised(error: Exception, code: str) -> Message:
    """An exception as Lambda's Python runtime reports it: the function's own frames only."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen importlib")
    ]
    lines = [line.replace(code, "/var/task") for line in traceback.format_list(frames)]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": "",
        "stackTrace": lines,
    }


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    Worker(socket.socket(fileno=int(sys.argv[1]))).serve()
