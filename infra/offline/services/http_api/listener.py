"""A listener on loopback for each API: HTTP/1.1, read strictly, and nothing of what it means.

What is no request of HTTP/1.1 is answered here and never reaches a function: two lengths, a length
beside a coding, a header that goes on in a second line.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.offline import runtime
from infra.offline.services.http_api.events import Request, Response, message
from infra.offline.services.http_api.gateway import Gateway

log = logging.getLogger(__name__)

HOST = "127.0.0.1"

#: Source: "Quotas for configuring and running an HTTP API in API Gateway", developer guide: request
#: line and header values together, and the payload.
LARGEST_HEAD_BYTES = 10_240
LARGEST_BODY_BYTES = 10 * 1024 * 1024
#: How much of a body that is too large is still read, so that its sender hears the answer.
_DRAINED_BYTES = 64 * 1024 * 1024
#: How long a connection may be silent.
_IDLE_SECONDS = 75.0
_POLL_SECONDS = 0.05


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.ended(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def _serve(self) -> None:
        try:
            request = self._request()
        except _Bad as bad:
            self.close_connection = True
            self._write(message(bad.status, HTTPStatus(bad.status).phrase))
            return
        self._write(self.server.gateway.answer(request))

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815

    def _request(self) -> Request:
        line = self.requestline.split()
        if len(line) != 3:
            raise _Bad(400)
        headers = tuple((name, _text(value)) for name, value in self.headers.items())
        size = len(self.requestline) + sum(len(value.encode()) for _, value in headers)
        if size > LARGEST_HEAD_BYTES:
            raise _Bad(431)
        if any("\n" in value or "\r" in value for _, value in headers):
            raise _Bad(400)  # continued on a second line, which HTTP has given up
        if len(self.headers.get_all("host", [])) != 1:
            raise _Bad(400)
        target = _text(line[1])
        if not target.startswith("/"):
            scheme, found, rest = target.partition("://")
            if not found or scheme.lower() not in ("http", "https"):
                raise _Bad(400)
            target = f"/{rest.partition('/')[2]}"
        return Request(
            method=line[0],
            target=target,
            protocol=line[2],
            headers=headers,
            body=self._body(),
            source_ip=str(self.client_address[0]),
        )

    def _body(self) -> bytes:
        lengths = self.headers.get_all("content-length", [])
        codings = self.headers.get_all("transfer-encoding", [])
        if codings:
            if lengths or [each.strip().lower() for each in codings] != ["chunked"]:
                raise _Bad(400)
            return self._chunks()
        if not lengths:
            return b""
        if len(set(lengths)) != 1 or not lengths[0].isascii() or not lengths[0].isdigit():
            raise _Bad(400)
        size = int(lengths[0])
        if size > LARGEST_BODY_BYTES:
            self._drain(size)
            raise _Bad(413)
        body = self.rfile.read(size)
        if len(body) < size:
            raise _Bad(400)
        return body

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size_line = self.rfile.readline(1024).partition(b";")[0].strip()
            try:
                size = int(size_line, 16) if size_line.isalnum() else -1
            except ValueError:
                size = -1
            if size < 0:
                raise _Bad(400)
            if size == 0:
                break
            if len(body) + size > LARGEST_BODY_BYTES:
                raise _Bad(413)
            body += self.rfile.read(size)
            if self.rfile.readline(3) not in (b"\r\n", b"\n"):
                raise _Bad(400)
        for _ in range(100):
            if self.rfile.readline(65_537) in (b"\r\n", b"\n", b""):
                return bytes(body)
        raise _Bad(400)

    def _drain(self, size: int) -> None:
        left = min(size, _DRAINED_BYTES)
        with contextlib.suppress(OSError):
            while left > 0 and (part := self.rfile.read(min(left, 1 << 16))):
                left -= len(part)

    def _write(self, answer: Response) -> None:
        bare = answer.status in (204, 304)
        body = b"" if bare else answer.body
        lines = [
            f"HTTP/1.1 {answer.status} {_phrase(answer.status)}",
            f"Date: {formatdate(_now(), usegmt=True)}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        if not bare:
            lines.append(f"Content-Length: {len(body)}")
        lines.append(f"Connection: {'close' if self.close_connection else 'keep-alive'}")
        head = "\r\n".join([*lines, "", ""]).encode()
        with contextlib.suppress(OSError):  # the client has gone
            self.wfile.write(head if self.command == "HEAD" else head + body)

    def send_error(
        self, code: int, message_: str | None = None, explain: str | None = None
    ) -> None:
        """What Python's server refuses by itself (a line that is none), in API Gateway's form."""
        log.debug("refused: %s %s", code, message_ or explain)
        self.close_connection = True
        if not hasattr(self, "command"):
            self.command = ""
        self._write(message(int(code), HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


class _Bad(Exception):
    """A request that never becomes one: answered with the status, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, api_id: str) -> None:
        super().__init__((HOST, 0), _Handler)
        self.gateway = Gateway(api_id, f"{HOST}:{self.server_port}", self.server_port)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        # The base class asks the resolver for the machine's name, which may take seconds.
        socket_address = self.server_address
        self.socket.bind(socket_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def ended(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def hang_up(self) -> None:
        """End connections that clients keep open."""
        with self._lock:
            connections, self._open = tuple(self._open), set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.debug("a connection from %s failed", client_address, exc_info=True)


_listeners: dict[str, _Server] = {}
_lock = threading.Lock()


def listen(api_id: str) -> str:
    """Open the API's listener; returns its address, "http://127.0.0.1:PORT"."""
    server = _Server(api_id)
    with _lock:
        _listeners[api_id] = server
    threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name=f"http-api-{api_id}", daemon=True
    ).start()
    return f"http://{HOST}:{server.server_port}"


def hush(api_id: str) -> None:
    """Close an API's listener, if it has one."""
    with _lock:
        server = _listeners.pop(api_id, None)
    if server is not None:
        server.shutdown()
        server.server_close()
        server.hang_up()


def close() -> None:
    """Close every listener: no request comes in while the cloud stops."""
    for api_id in tuple(_listeners):
        hush(api_id)


def _now() -> float:
    try:
        return runtime.current().clock.now().timestamp()
    except RuntimeError:
        return time.time()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _text(value: str) -> str:
    """Python hands header bytes over as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
