"""Writes down what goes over the wire, call by call, fit to be shared: one file a question.

Recorded are botocore's own events: the parameters as they were given, the request as it was sent
(method, path, headers without credentials), and the answer as it came (status, headers, body), with
what botocore read in it. A line is a call; a file begins with a line that says where it is from.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime as dt
import io
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore
from botocore.response import StreamingBody

from infra.cli.probe.scrubbing import Scrubber

FORMAT = 1
#: The folder of a run in which they lie: it may be shared, the rest may not.
TRANSCRIPTS = "transcripts"
#: A longer body is left out of its transcript: the price list has megabytes.
BODY_LIMIT = 100_000

_REQUEST_HEADERS = ("content-type", "if-none-match", "x-amz-target", "smithy-protocol")
_RESPONSE_HEADERS = (
    *("content-type", "date", "etag", "x-amzn-errortype", "x-amzn-query-error"),
    *("x-amz-function-error", "x-amz-executed-version", "x-amz-storage-class"),
    *("x-amz-server-side-encryption", "x-amz-version-id", "x-amz-delete-marker"),
)


def plain(value: Any) -> Any:
    """`value` as JSON: bytes and times are marked, so that `fancy` gives them back."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        try:
            # As text where it is one: only text can be scrubbed.
            return {"$utf8": bytes(value).decode()}
        except UnicodeDecodeError:
            return {"$base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, dt.datetime):
        return {"$time": value.isoformat()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def fancy(value: Any) -> Any:
    """What `plain` made JSON of."""
    if isinstance(value, dict):
        if set(value) == {"$utf8"}:
            return str(value["$utf8"]).encode()
        if set(value) == {"$base64"}:
            return base64.b64decode(value["$base64"])
        if set(value) == {"$time"}:
            return dt.datetime.fromisoformat(value["$time"])
        return {name: fancy(item) for name, item in value.items()}
    return [fancy(item) for item in value] if isinstance(value, list) else value


@dataclass
class _Call:
    service: str
    operation: str
    params: Any
    request: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    attempts: int = 0


class Recorder:
    """Writes the transcripts of one run into `folder`.

    Args:
        source: "aws" or "embedded".
    """

    def __init__(self, folder: Path, scrubber: Scrubber, *, source: str, region: str) -> None:
        self._folder = folder
        self._scrubber = scrubber
        self._header = {
            "transcript": FORMAT,
            "source": source,
            "region": region,
            "botocore": botocore.__version__,
        }
        self._question: str | None = None
        self._number = 0
        self._call: _Call | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def about(self, question: str | None) -> str | None:
        """From now on record as part of `question`; None: do not record. Returns the one before."""
        before, self._question = self._question, question
        return before

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Record nothing within: for what may show resources that are none of the run's."""
        before = self.about(None)
        try:
            yield
        finally:
            self.about(before)

    def scrubbed(self, document: dict[str, Any]) -> dict[str, Any]:
        """A document with the same placeholders as the transcripts."""
        found: dict[str, Any] = self._scrubber.value(document)
        return found

    def waited(self, seconds: float) -> None:
        """Time that had to pass between two calls: a replay lets it pass too."""
        self._write({"wait": seconds})

    def listen(self, session: Any, identity: str) -> None:
        """Record every call of a boto3 session, as `identity`."""
        events = session.events
        events.register_first("before-parameter-build", self._asked)
        events.register_last("before-send", self._sent)
        events.register_last("after-call", lambda **kw: self._answered(identity, **kw))
        events.register_last("after-call-error", lambda **kw: self._failed(identity, **kw))

    # --- botocore's events ------------------------------------------------------------------------
    def _asked(self, params: Any, model: Any, **_: Any) -> None:
        self._call = _Call(
            model.service_model.service_name, model.name, plain(copy.deepcopy(params))
        )

    def _sent(self, request: Any, **_: Any) -> None:
        if self._call is None:
            return
        self._call.attempts += 1
        address = urlsplit(request.url)
        self._call.request = {
            "method": request.method,
            "path": address.path + (f"?{address.query}" if address.query else ""),
            "headers": _headers(request.headers, _REQUEST_HEADERS),
        }

    def _answered(
        self, identity: str, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any
    ) -> None:
        shown = {name: item for name, item in parsed.items() if name != "ResponseMetadata"}
        if _streams(http_response, model):
            member = model.output_shape.serialization["payload"]
            body = shown[member] = _read(parsed, member)
        else:
            body = bytes(http_response.content)
        error = shown.pop("Error", None) if http_response.status_code >= 300 else None
        self._record(
            identity,
            response={
                "status": http_response.status_code,
                "headers": _headers(http_response.headers, _RESPONSE_HEADERS),
                "parsed": _limited(plain(shown)),
                "body": _limited(body.decode("utf-8", "replace")),
            },
            error=error and {"code": error.get("Code"), "message": error.get("Message")},
        )

    def _failed(self, identity: str, exception: Exception, **_: Any) -> None:
        self._record(identity, response=None, error={"code": type(exception).__name__})

    def _record(self, identity: str, *, response: Any, error: Any) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        self._write(
            {
                "as": identity,
                "service": call.service,
                "operation": call.operation,
                "params": call.params,
                "request": call.request,
                "response": response,
                "error": error,
                "attempts": call.attempts,
                "seconds": round(time.monotonic() - call.began, 3),
            }
        )

    def _write(self, line: dict[str, Any]) -> None:
        if self._question is None:
            return
        self._number += 1
        path = self._folder / f"{self._question}.jsonl"
        new = not path.exists()
        with path.open("a", encoding="utf-8") as file:
            if new:
                file.write(json.dumps({**self._header, "question": self._question}) + "\n")
            line = {"n": self._number, **self._scrubber.value(line)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _headers(headers: Mapping[str, Any], wanted: tuple[str, ...]) -> dict[str, str]:
    found = {str(name).lower(): value for name, value in headers.items()}
    return {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name in wanted
        if (value := found.get(name)) is not None
    }


def _streams(http_response: Any, model: Any) -> bool:
    return bool(model.has_streaming_output) and http_response.status_code < 300


def _read(parsed: dict[str, Any], member: str) -> bytes:
    """The body of an answer that is streamed: read to its end, and given back to be read again."""
    content = bytes(parsed[member].read())
    parsed[member] = StreamingBody(io.BytesIO(content), len(content))
    return content


def _limited(value: Any) -> Any:
    size = len(value) if isinstance(value, str) else len(json.dumps(value))
    return value if size <= BODY_LIMIT else {"$omitted": size}
