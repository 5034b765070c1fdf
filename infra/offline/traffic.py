"""What came over the wire: how often each client called which operation, and how it was answered.

The count says which operations an official client has tried here, so that the documentation can
say it from what happened (`GET /_academy/traffic`).
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.offline import dispatch, patching
from infra.offline.authorization import wire

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: Clients by what their User-Agent header begins with or holds, the most telling first.
_CLIENTS = (
    ("sagemaker-sdk", re.compile(r"AWS-SageMaker-?(Python-SDK|Core)", re.I)),
    ("aws-cli", re.compile(r"^aws-cli/")),
    ("cdk", re.compile(r"cdk|aws-sdk-js", re.I)),
    ("boto3", re.compile(r"^Boto(3|core)/", re.I)),
)


@dataclass(frozen=True)
class Kind:
    """Requests that are counted together."""

    service: str
    operation: str
    client: str
    status: int


_counts: Counter[Kind] = Counter()
_lock = threading.Lock()


def counted(application: Application) -> Application:
    """`application` with each of its requests counted."""

    def serve(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        service = dispatch.service_of(environ)
        name = wire.botocore_name(service)
        client = client_of(environ.get("HTTP_USER_AGENT", ""))
        try:
            operation = wire.operation_of(environ, name)
        except wire.WireError:
            operation = ""

        def start(status: str, headers: Any, *rest: Any) -> Any:
            kind = Kind(name, operation or "(none)", client, int(status.split(" ", 1)[0]))
            with _lock:
                _counts[kind] += 1
            return start_response(status, headers, *rest)

        return application(environ, start)

    return serve


def counts() -> dict[Kind, int]:
    """How many requests there were of each kind since the cloud started."""
    with _lock:
        return dict(_counts)


def forget() -> None:
    """Begin to count anew; what was counted goes to the file that the environment names."""
    file = os.environ.get(patching.LOG_VARIABLE)
    with _lock:
        kinds = [{**asdict(kind), "count": count} for kind, count in _counts.items()]
        _counts.clear()
    if file and kinds:
        lines = "".join(f"{json.dumps(each)}\n" for each in kinds)
        with Path(file).open("a", encoding="utf-8") as log:
            log.write(lines)


def client_of(user_agent: str) -> str:
    """The program that sent a request, as far as it says so."""
    return next((name for name, pattern in _CLIENTS if pattern.search(user_agent)), "other")
