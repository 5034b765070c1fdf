"""How often one learner may ask the broker: a flood of one leaves the others their share.

Lambda's concurrency is shared by all learners, and reserved concurrency holds for a function, not
for an alias: it cannot tell learners apart. So the limit stands in the ledger, an item a learner,
by the generic cell rate algorithm (ATM Forum TM 4.0, "virtual scheduling"): one instant, the
theoretical arrival time, moves on with each granted request. A refusal takes a few milliseconds
instead of the second that calls to SageMaker take; the function that refused remembers until when,
and refuses further ones without asking the table.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

#: In the long run a learner gets a request every half second: the library asks once a second for a
#: job that it follows.
INTERVAL = dt.timedelta(milliseconds=500)
#: So many at once, after a pause.
BURST = 120


class Turns(Protocol):
    """Where the instants are kept."""

    def take(self, learner: str, now: dt.datetime) -> dt.timedelta:
        """Take a turn of the learner's. Returns nothing (zero) if it is granted, otherwise how
        long until the next one is."""


def grant(arrival: dt.datetime | None, now: dt.datetime) -> tuple[dt.timedelta, dt.datetime | None]:
    """The wait for a turn at `now`, zero if granted, and the arrival time after it.

    >>> at = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    >>> wait, arrival = grant(None, at)
    >>> (wait, arrival - at) == (dt.timedelta(0), INTERVAL)
    True
    """
    latest = now + (BURST - 1) * INTERVAL
    if arrival is not None and arrival > latest:
        return arrival - latest, arrival
    return dt.timedelta(0), max(arrival or now, now) + INTERVAL


class MemoryTurns:
    """`Turns` of a dictionary. One thread only."""

    def __init__(self) -> None:
        self.arrivals: dict[str, dt.datetime] = {}

    def take(self, learner: str, now: dt.datetime) -> dt.timedelta:
        wait, arrival = grant(self.arrivals.get(learner), now)
        if arrival is not None:
            self.arrivals[learner] = arrival
        return wait
