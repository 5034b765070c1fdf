"""Carries a growing log file into CloudWatch Logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moto.logs.models import logs_backends

from infra.offline.clock import Clock

#: CloudWatch Logs' largest event, in bytes, less its overhead of 26.
LARGEST_EVENT = 256 * 1024 - 26


class Shipper:
    """One log file and the stream that it goes to. One thread at a time may `pump`."""

    def __init__(
        self, file: Path, *, account: str, region: str, group: str, stream: str, clock: Clock
    ) -> None:
        self._file = file
        self._logs: Any = logs_backends[account][region]
        self._group = group
        self._stream = stream
        self._clock = clock
        self._position = 0
        self._rest = b""

    def open(self) -> None:
        """Make the group and the stream, as far as they are not there."""
        self._logs.ensure_log_group(self._group)
        self._logs.ensure_log_stream(self._group, self._stream)

    def pump(self, *, final: bool = False) -> None:
        """Deliver the lines that are complete; at the `final` call, the last one as well."""
        if self._file.is_file():
            with self._file.open("rb") as file:
                file.seek(self._position)
                fresh = file.read()
            self._position += len(fresh)
            self._rest += fresh
        *lines, self._rest = self._rest.split(b"\n")
        if final and self._rest:
            lines.append(self._rest)
            self._rest = b""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        events = [
            {"timestamp": milliseconds, "message": part.decode("utf-8", "replace").rstrip("\r")}
            for line in lines
            for part in _parts(line)
        ]
        if not events:
            return
        self.open()
        # Not through the backend, which compares an event's time with the machine's clock.
        self._logs.groups[self._group].put_log_events(self._stream, events)


def _parts(line: bytes) -> list[bytes]:
    return [line[start : start + LARGEST_EVENT] for start in range(0, len(line), LARGEST_EVENT)]
