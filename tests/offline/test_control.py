"""The control routes answer this machine, and no web page that is open on it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.offline import control, runtime
from infra.offline.clock import Clock
from infra.offline.processes import Processes, minimal_environment

START = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[runtime.Runtime]:
    made = runtime.Runtime(
        clock=Clock(real=lambda: START),
        processes=Processes(),
        state=tmp_path,
        endpoint="http://127.0.0.1:5000",
        account="123456789012",
        region="us-east-1",
    )
    runtime.activate(made)
    yield made
    made.processes.stop_all(grace_seconds=0)
    runtime.deactivate()


def ask(method: str, path: str, body: Any = None, **environ: str) -> tuple[int, Any]:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    answered: list[str] = []
    chunks = control.handle(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:5000",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            **environ,
        },
        lambda status, _headers: answered.append(status),
    )
    return int(answered[0].split()[0]), json.loads(b"".join(chunks))


def test_health_tells_where_and_when(here: runtime.Runtime) -> None:
    status, answer = ask("GET", "/_academy/health")
    assert status == 200
    assert answer == {
        "ready": True,
        "now": START.isoformat(),
        "endpoint": "http://127.0.0.1:5000",
        "account": "123456789012",
        "region": "us-east-1",
    }


def test_the_clock_moves_by_seconds_and_to_a_moment(here: runtime.Runtime) -> None:
    ran: list[datetime] = []
    here.clock.call_at(START + timedelta(minutes=30), lambda: ran.append(START), name="bell")
    assert ask("GET", "/_academy/clock")[1]["alarms"] == [
        {"name": "bell", "at": "2026-11-30T09:30:00+00:00"}
    ]
    status, answer = ask("POST", "/_academy/clock", {"by_seconds": 3600})
    assert (status, answer["now"]) == (200, "2026-11-30T10:00:00+00:00")
    assert answer["ahead_seconds"] == 3600
    assert answer["alarms"] == []
    assert ran == [START]
    status, answer = ask("POST", "/_academy/clock", {"to": "2026-12-24T18:00:00Z"})
    assert (status, answer["now"]) == (200, "2026-12-24T18:00:00+00:00")


@pytest.mark.parametrize(
    "body",
    [
        {"by_seconds": -1},
        {"by_seconds": "soon"},
        {"by_seconds": 1, "to": "2027-01-01"},
        {"to": "2020-01-01T00:00:00Z"},
        {"to": "tomorrow"},
        {},
        [],
        b"{",
        b"",
    ],
)
def test_a_wrong_move_is_refused_and_time_stands(here: runtime.Runtime, body: Any) -> None:
    status, answer = ask("POST", "/_academy/clock", body)
    assert status == 400
    assert answer["error"]
    assert here.clock.now() == START


def test_processes_are_listed(here: runtime.Runtime, tmp_path: Path) -> None:
    child = here.processes.start(
        "sleeper",
        ["sleep", "60"],
        env=minimal_environment(tmp_path),
        cwd=tmp_path,
        log=tmp_path / "log",
    )
    listed = ask("GET", "/_academy/processes")[1]
    assert listed == {"processes": [{"name": "sleeper", "pid": child.pid, "running": True}]}
    child.kill()
    assert ask("GET", "/_academy/processes")[1] == {"processes": []}


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REMOTE_ADDR": "192.0.2.7"}, 403),
        ({"REMOTE_ADDR": ""}, 403),
        ({"HTTP_HOST": "rebound.example.com:5000"}, 403),
        ({"HTTP_HOST": ""}, 403),
        ({"CONTENT_TYPE": "text/plain"}, 415),  # what a foreign page may send unasked
        ({"CONTENT_TYPE": ""}, 415),
        ({"CONTENT_LENGTH": "1000000"}, 400),
    ],
)
def test_only_this_machine_moves_the_clock(
    here: runtime.Runtime, environ: dict[str, str], status: int
) -> None:
    assert ask("POST", "/_academy/clock", {"by_seconds": 60}, **environ)[0] == status
    assert here.clock.now() == START


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:5000"])
def test_every_name_of_this_machine_will_do(here: runtime.Runtime, host: str) -> None:
    assert ask("GET", "/_academy/health", HTTP_HOST=host)[0] == 200


def test_unknown_routes_and_methods_name_what_there_is(here: runtime.Runtime) -> None:
    status, answer = ask("GET", "/_academy/nothing")
    assert status == 404
    assert "/_academy/clock" in answer["error"]
    status, answer = ask("POST", "/_academy/health", {})
    assert status == 405
    assert "GET" in answer["error"]


def test_control_serves_its_own_routes_only() -> None:
    assert control.serves("/_academy/clock")
    assert control.serves("/_academy/clock/")
    assert not control.serves("/_academy/studio/auth")
    assert not control.serves("/bucket/_academy/clock")


def test_a_move_over_http_waits_for_what_falls_due(here: runtime.Runtime) -> None:
    done = threading.Event()
    here.clock.call_at(START + timedelta(seconds=5), lambda: done.wait(0.2) or done.set(), name="x")
    ask("POST", "/_academy/clock", {"by_seconds": 10})
    assert done.is_set()
