"""Throttling of a stage's routes: a bucket of tokens each, a token a request.

Source: "Throttle requests to your HTTP APIs", API Gateway developer guide. AWS calls its own a
best effort; this one counts exactly, by the time that it is given.
"""

from __future__ import annotations

import threading

#: What an account gets where neither stage nor route says less. Source: "Amazon API Gateway
#: quotas", developer guide.
ACCOUNT_RATE = 10_000.0
ACCOUNT_BURST = 5_000


class Bucket:
    """Up to `burst` tokens, filled at `rate` a second; full at first."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self.rate, self.burst = rate, burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token at `now` (seconds); False if there is none."""
        self._tokens = min(self.burst, self._tokens + self.rate * max(0.0, now - self._at))
        self._at = max(self._at, now)
        if self._tokens < 1 or self.rate <= 0:
            return False
        self._tokens -= 1
        return True


class Throttle:
    """The buckets of one API. New settings make a new, full bucket."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def admits(
        self, stage: str, route_key: str, rate: float | None, burst: int | None, now: float
    ) -> bool:
        """Whether a request may pass; None stands for the account's own."""
        wanted = (
            ACCOUNT_RATE if rate is None else rate,
            ACCOUNT_BURST if burst is None else burst,
        )
        with self._lock:
            bucket = self._buckets.get((stage, route_key))
            if bucket is None or (bucket.rate, bucket.burst) != wanted:
                bucket = self._buckets[stage, route_key] = Bucket(*wanted, now)
            return bucket.take(now)
