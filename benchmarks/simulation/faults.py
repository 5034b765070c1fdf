"""What goes wrong in a simulation, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from benchmarks.simulation.demand import DAY, HOUR

#: How one call can break. The process dies before or after the call takes effect; the answer is
#: lost before or after it does; the call is turned down.
HOW = ("before", "after", "lost_before", "lost_after", "down")


@dataclass(frozen=True)
class Faults:
    """Frequencies. The defaults are far worse than AWS: a fault should meet every line often."""

    #: Share of calls that break in one of the ways of `HOW`.
    broken_calls: float = 0.01
    #: Share of calls that hang for up to 25 s, while everything else goes on.
    slow_calls: float = 0.01
    #: Expected spells a day in which half of all calls are throttled, for up to an hour.
    throttled_spells: float = 0.1
    #: Expected spells a day in which nothing of the guard runs, for 1 to 12 hours.
    dead_spells: float = 0.05
    #: Standard deviation of a function's clock, seconds; three times that at most.
    skew: float = 1.0
    #: Of the events of a job's end: lost, sent twice, late by up to 12 hours.
    lost_events: float = 0.1
    double_events: float = 0.2
    late_events: float = 0.1
    #: Share of new apps and jobs that cannot be seen at once, for up to 45 s.
    unseen: float = 0.05
    #: Share of apps that fail to start, and of Deleted ones that are soon not listed any more.
    failing_apps: float = 0.02
    forgotten_apps: float = 0.2
    #: Seconds by which a one-time schedule may fire late, and an app's end may take: together
    #: within what a reservation holds as grace. Beyond that is another question (`late_stops`).
    schedule_late: int = 60
    app_ends_in: int = 45
    #: What if AWS itself broke its word: the share of schedules that fire `late_by` seconds late.
    late_stops: float = 0.0
    late_by: int = 30 * 60

    @classmethod
    def none(cls) -> Faults:
        """A day on which everything works."""
        return cls(
            broken_calls=0,
            slow_calls=0,
            throttled_spells=0,
            dead_spells=0,
            skew=0,
            lost_events=0,
            double_events=0,
            late_events=0,
            unseen=0,
            failing_apps=0,
            forgotten_apps=0,
        )


@dataclass(frozen=True)
class Weather:
    """When which spell is on: the same for every guard."""

    dead: list[tuple[int, int]] = field(default_factory=list)
    throttled: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def draw(cls, seed: int, days: int, faults: Faults) -> Weather:
        """The spells of `days` days, at most one of a kind beginning on each."""
        rng = random.Random(f"weather {seed}")  # noqa: S311
        dead, throttled = [], []
        for day in range(days):
            if rng.random() < faults.dead_spells:
                begin = day * DAY + rng.randrange(DAY)
                dead.append((begin, begin + rng.randrange(HOUR, 12 * HOUR)))
            if rng.random() < faults.throttled_spells:
                begin = day * DAY + rng.randrange(DAY)
                throttled.append((begin, begin + rng.randrange(HOUR // 6, HOUR)))
        return cls(dead, throttled)

    def is_dead(self, at: float) -> bool:
        return any(begin <= at < end for begin, end in self.dead)

    def is_throttled(self, at: float) -> bool:
        return any(begin <= at < end for begin, end in self.throttled)
