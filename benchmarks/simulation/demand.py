"""What learners want to do, drawn once: every guard is held against the same wishes.

A learner's day has up to three visits to the space and up to four jobs, and now and then a burst of
jobs within seconds. Habits differ: some learners use small machines, some use the largest they may
for as long as they may, some forget their space. All times are whole seconds from the first
midnight; all money is whole micro-dollars.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

DAY = 86_400
HOUR = 3_600
#: Studio ends an app after this long without a running kernel (`studio.idle_minutes`).
IDLE_SECONDS = 60 * 60

STUDIO = {"small": "ml.t3.medium", "large": "ml.g4dn.xlarge"}
TRAINING = {"small": "ml.m5.large", "large": "ml.g5.xlarge"}
MAX_HOURS = 4
#: Dollars for 20 days: around the example's cap, 25, and up to that of a generous cohort.
CAPS = (10, 25, 25, 60, 150)
MAX_INSTANCES = 2

#: How a visit ends: the learner closes the space; leaves it with no kernel running, so that Studio
#: ends it when idle; or leaves a kernel running, which is never idle.
Leaving = Literal["closes", "idle", "kernel"]


@dataclass(frozen=True)
class Visit:
    """One wish to work in the space."""

    learner: int
    at: int
    instance: str
    #: Asked of the guard.
    hours: int
    #: How long the learner means to work.
    work: int
    leaving: Leaving
    #: Whether the learner asks for more time before the space is ended.
    stays: bool


@dataclass(frozen=True)
class JobWish:
    """One wish to train."""

    learner: int
    at: int
    token: str
    instance: str
    count: int
    hours: float
    #: What the script takes if nothing stops it; more than was asked for is an overrun.
    runs: int
    fails: bool
    #: Waiting for machines, not billed; fetching the data and saving the result, billed.
    waits: int
    fetches: int
    saves: int
    #: The learner stops it so long after asking for it.
    stopped_after: int | None
    #: The library sends the request twice.
    twice: bool


Wish = Visit | JobWish


@dataclass(frozen=True)
class Trace:
    """The wishes of one cohort's learners, by time, and their cap."""

    seed: int
    learners: int
    days: int
    cap: int
    wishes: list[Wish] = field(repr=False)


def draw(seed: int, *, learners: int = 10, days: int = 20) -> Trace:
    """The trace of `seed`: the same for the same arguments, in any process."""
    rng = random.Random(f"demand {seed}")  # noqa: S311
    cap = rng.choice(CAPS) * 1_000_000
    wishes: list[Wish] = []
    for learner in range(learners):
        habits = _Habits(rng)
        for day in range(days):
            # A working week, and some weekends.
            if rng.random() < (0.9 if day % 7 < 5 else 0.3):
                wishes.extend(_day(rng, habits, learner, day * DAY))
    wishes.sort(key=lambda wish: (wish.at, wish.learner))
    return Trace(seed, learners, days, cap, wishes)


class _Habits:
    def __init__(self, rng: random.Random) -> None:
        self.large = rng.choice([0.2, 0.6, 0.9])
        self.forgets = rng.choice([0.1, 0.3, 0.8])
        self.jobs = rng.choice([0.5, 1.5, 3.0, 4.0])
        self.bursts = rng.choice([0.0, 0.03, 0.15])


def _day(rng: random.Random, habits: _Habits, learner: int, midnight: int) -> list[Wish]:
    wishes: list[Wish] = []
    at = midnight + rng.randrange(7 * HOUR, 12 * HOUR)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])):
        work = int(rng.lognormvariate(8.6, 0.8))  # median 1.5 h
        forgets = rng.random() < habits.forgets
        leaving: Leaving = rng.choice(["idle", "kernel"]) if forgets else "closes"
        wishes.append(
            Visit(
                learner=learner,
                at=at,
                instance=STUDIO["large" if rng.random() < habits.large else "small"],
                hours=rng.randint(1, MAX_HOURS),
                work=min(work, 12 * HOUR),
                leaving=leaving,
                stays=rng.random() < 0.8,
            )
        )
        at += work + rng.randrange(HOUR // 2, 5 * HOUR)
    for _ in range(_poisson(rng, habits.jobs)):
        wishes.append(_job(rng, habits, learner, midnight + rng.randrange(8 * HOUR, 23 * HOUR)))
    if rng.random() < habits.bursts:
        # Everything at once: they race for the last dollar.
        moment = midnight + rng.randrange(8 * HOUR, 23 * HOUR)
        for _ in range(rng.randint(5, 20)):
            wishes.append(_job(rng, habits, learner, moment + rng.randrange(3)))
    return wishes


def _job(rng: random.Random, habits: _Habits, learner: int, at: int) -> JobWish:
    hours = rng.choice([0.1, 0.25, 0.5, 1, 1, 2, 4, 4])
    asked = int(hours * HOUR)
    kind = rng.random()
    if kind < 0.70:  # finishes, mostly well before its time: people ask for plenty
        runs = int(asked * rng.betavariate(2, 3))
    elif kind < 0.85:  # fails early
        runs = min(asked, int(rng.expovariate(1 / 200)))
    else:  # overruns, or hangs
        runs = asked + rng.randrange(1, 3 * DAY)
    return JobWish(
        learner=learner,
        at=at,
        token=f"{rng.getrandbits(128):032x}",
        instance=TRAINING["large" if rng.random() < habits.large else "small"],
        count=rng.choice([1, 1, 1, MAX_INSTANCES]),
        hours=hours,
        runs=max(1, runs),
        fails=0.70 <= kind < 0.85,
        waits=int(rng.lognormvariate(4.5, 1)) if rng.random() < 0.97 else rng.randrange(6 * HOUR),
        fetches=rng.randrange(5, 90),
        saves=rng.randrange(1, 60) if rng.random() < 0.9 else rng.randrange(60, 200),
        stopped_after=rng.randrange(60, 2 * HOUR) if rng.random() < 0.1 else None,
        twice=rng.random() < 0.1,
    )


def _poisson(rng: random.Random, mean: float) -> int:
    count, time = 0, rng.expovariate(1.0)
    while time < mean and count < 8:
        count, time = count + 1, time + rng.expovariate(1.0)
    return count
