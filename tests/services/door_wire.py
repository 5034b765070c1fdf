"""A door behind the embedded cloud's own HTTP API: its listener reads the bytes, its routes and its
events are what the function gets. Only what lies behind the function is `door_world`'s."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import threading
from collections.abc import Iterator
from typing import Any

from infra.offline.services.http_api import routes
from infra.offline.services.http_api.events import Place, Request, Response, event, response
from infra.offline.services.http_api.listener import HOST, _Server
from infra.services.door import handler
from tests.services.door_world import World

#: The API's routes, as its stack has them (tests/stacks/test_door_stack.py).
ROUTES = ("$default", *(f"{method} {path}" for method, path in handler.THROTTLED))


class Wire:
    """What the listener asks for an answer: the way through an API, and the function at its end."""

    def __init__(self, world: World, port: int) -> None:
        self.world, self.domain, self.port = world, f"{HOST}:{port}", port
        self._one_at_a_time = threading.Lock()

    def answer(self, request: Request) -> Response:
        chosen = routes.chosen(ROUTES, request.method, request.path)
        assert chosen is not None
        place = Place("123456789012", "a1b2c3", self.domain, self.port, "$default", chosen[0].text)
        given = event(
            request, place, request_id="id", trace_id="Root=1", now=dt.datetime.now(dt.UTC)
        )
        with self._one_at_a_time:
            made = self.world.answer(json.loads(json.dumps(given)))
        return response(json.dumps(made).encode())


@contextlib.contextmanager
def listening(world: World) -> Iterator[str]:
    """The door's address on loopback."""
    server: Any = _Server("a1b2c3")
    server.gateway = Wire(world, server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        server.hang_up()
        thread.join()
