"""How a run waits: on AWS by waiting; on the embedded cloud by moving its clock."""

from __future__ import annotations

import datetime as dt
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol


class Pace(Protocol):
    """`look` is the pause between two looks at something that is on its way; `pass_seconds` lets
    time pass that has to pass, such as until a schedule falls due."""

    def look(self, seconds: float) -> None: ...

    def pass_seconds(self, seconds: float) -> None: ...

    def now(self) -> dt.datetime: ...


class RealPace:
    """Time as it is."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def look(self, seconds: float) -> None:
        self._sleep(seconds)

    def pass_seconds(self, seconds: float) -> None:
        self._sleep(seconds)

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)


class MovedPace:
    """The embedded cloud's clock, moved by its control route; what is on its way is quick there."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")

    def look(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.2))

    def pass_seconds(self, seconds: float) -> None:
        self._clock({"by_seconds": seconds})

    def now(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self._clock()["now"])

    def health(self) -> dict[str, Any] | None:
        """What the cloud says of itself, or None if there is no embedded cloud."""
        try:
            return self._asked("health")
        except (OSError, ValueError):
            return None

    def _clock(self, move: dict[str, float] | None = None) -> dict[str, Any]:
        return self._asked("clock", move)

    def _asked(self, route: str, body: dict[str, float] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 (the command takes loopback addresses alone)
            f"{self._endpoint}/_academy/{route}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            found = json.load(answer)
        if not isinstance(found, dict):
            raise ValueError(f"{route} is no JSON object")
        return found
