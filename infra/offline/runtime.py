"""The one embedded cloud of this process: its clock, processes, folder and address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.offline.clock import Clock
from infra.offline.processes import Processes


@dataclass(frozen=True)
class Runtime:
    """What the services of the embedded cloud share.

    Attributes:
        clock: the cloud's time; everything that ends, expires or repeats hangs on it.
        processes: every child process of the cloud.
        state: folder for homes, jobs, functions and logs; it belongs to this cloud alone.
        endpoint: the address of the API, "http://127.0.0.1:PORT".
        account: twelve digits.
        region: the one region that the cloud serves.
    """

    clock: Clock
    processes: Processes
    state: Path
    endpoint: str
    account: str
    region: str


_current: Runtime | None = None


def current() -> Runtime:
    """The running cloud.

    Raises:
        RuntimeError: if no cloud runs in this process.
    """
    if _current is None:
        raise RuntimeError(
            "no embedded cloud runs in this process; start one with infra.offline.server.Cloud"
        )
    return _current


def activate(runtime: Runtime) -> None:
    """Make `runtime` the cloud of this process.

    Raises:
        RuntimeError: if another one is active: moto's backends are one per process.
    """
    global _current
    if _current is not None and _current is not runtime:
        raise RuntimeError(
            f"a cloud is already active at {_current.endpoint}; moto keeps one state per process"
        )
    _current = runtime


def deactivate() -> None:
    """Forget the cloud of this process. Does nothing if there is none."""
    global _current
    _current = None
