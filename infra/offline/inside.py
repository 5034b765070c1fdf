"""Boto3 clients that call the embedded cloud's services in this process, without a socket.

CloudFormation makes its resources through these clients. They speak the real operations, so that
parameters are checked and errors are worded as on the wire, and they pass by the authorization
middleware, as a service's own calls do.
"""

from __future__ import annotations

import functools
import threading
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from werkzeug.test import EnvironBuilder, run_wsgi_app

from infra.offline import dispatch
from infra.offline.environment import ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY

#: Never connected to: requests are answered before they reach a socket.
_ENDPOINT = "http://127.0.0.1:1"

_making_client = threading.Lock()


@functools.cache
def client(service: str, region: str) -> Any:
    """A boto3 client of `service` that calls it in this process, as the account's root."""
    # boto3 sessions are not thread-safe while they make a client; clients are.
    with _making_client:
        session = boto3.Session(
            aws_access_key_id=ADMIN_ACCESS_KEY,
            aws_secret_access_key=ADMIN_SECRET_KEY,
            region_name=region,
        )
        made = session.client(
            service,
            endpoint_url=_ENDPOINT,
            config=Config(
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
                # A checksum trailer would be framed for a socket; the body is handed over whole.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    made.meta.events.register("before-send", _answer)
    return made


def _answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    parts = urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    headers = [
        (name, value.decode() if isinstance(value, bytes) else str(value))
        for name, value in request.headers.items()
    ]
    environ = EnvironBuilder(
        method=request.method,
        path=parts.path or "/",
        query_string=parts.query,
        headers=headers,
        data=body if isinstance(body, bytes | bytearray) else str(body).encode(),
        base_url=f"{parts.scheme}://{parts.netloc}",
    ).get_environ()
    chunks, status, answered = run_wsgi_app(dispatch.application(), environ, buffered=True)
    return AWSResponse(
        request.url, int(status.split(" ", 1)[0]), dict(answered), _Raw(b"".join(chunks))
    )


class _Raw(BytesIO):
    """A body as botocore reads it from urllib3."""

    def stream(self, **_: Any) -> Any:
        while chunk := self.read(65536):
            yield chunk
