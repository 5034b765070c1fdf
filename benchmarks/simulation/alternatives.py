"""What other guards make of the same wishes: they look at the bill, late, and then stop.

They are given every benefit of the doubt. Jobs carry the same MaxRuntime as under our guard, and an
idle space is ended by Studio. What they look at is the exact bill of that moment, not an estimate;
their stop reaches everything that runs, and nothing starts after it. They have one weakness each:
when they look. A guard of code does not look while it is dead, as ours does not act then.

Without a reservation nothing is refused until then, so the whole trace can be laid out first and
cut where the guard cuts it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.simulation.academy import job_seconds
from benchmarks.simulation.aws import HOURLY, REGION, UNIT, job_rate
from benchmarks.simulation.demand import DAY, HOUR, IDLE_SECONDS, JobWish, Trace, Visit
from benchmarks.simulation.faults import Faults, Weather
from infra.cohort.prices import PriceList
from infra.services.guard.requests import DEFAULT_VOLUME_GB


@dataclass(frozen=True)
class Span:
    """Something that bills from `begin` to `end` (seconds) at `rate` (units a second)."""

    begin: int
    end: int
    rate: int

    def cost(self, until: int) -> int:
        return self.rate * max(0, min(self.end, until) - self.begin)


@dataclass(frozen=True)
class Verdict:
    """One learner under one guard: the bill in micro-dollars, and from the moment at which it
    passed the cap to the end of all billing, in seconds (None if it never did)."""

    bill: int
    to_stop: int | None


def spans_of(trace: Trace, learner: int, horizon: int, prices: PriceList) -> list[Span]:
    """What would bill if nobody ever refused or stopped anything."""
    spans: list[Span] = []
    running: Span | None = None
    place = 0
    for wish in trace.wishes:
        if wish.learner != learner:
            continue
        if isinstance(wish, JobWish):
            spans.append(_job(wish, prices))
            continue
        rate = HOURLY * prices.micro_usd_per_hour(REGION, "studio", wish.instance)
        end = min(horizon, _left_at(wish, horizon))
        if running is not None and wish.at < running.end:
            # The space is still open: the learner goes on in it, and ends it as this visit ends.
            running = Span(running.begin, max(end, wish.at), running.rate)
            spans[place] = running
        else:
            running = Span(wish.at, end, rate)
            place = len(spans)
            spans.append(running)
    return sorted(spans, key=lambda span: span.begin)


def _left_at(visit: Visit, horizon: int) -> int:
    if visit.leaving == "kernel":
        return horizon
    return visit.at + visit.work + (IDLE_SECONDS if visit.leaving == "idle" else 0)


def _job(wish: JobWish, prices: PriceList) -> Span:
    begin = wish.at + wish.waits
    rate = job_rate(prices, wish.instance, wish.count, DEFAULT_VOLUME_GB)
    return Span(begin, begin + job_seconds(wish), rate)


def looks(
    guard: str, seed: int, learner: int, horizon: int, weather: Weather
) -> Iterator[tuple[int, int]]:
    """(when a guard looks, up to when the bill is that it sees), in seconds."""
    rng = random.Random(f"{guard} {seed} {learner}")  # noqa: S311
    if guard == "sweep":
        for at in range(rng.randrange(300), horizon, 300):
            if not weather.is_dead(at):
                yield at, at
    elif guard == "budgets":
        at = rng.randrange(12 * HOUR)
        while at < horizon:
            yield at, at
            at += rng.randrange(8 * HOUR, 12 * HOUR)
    elif guard == "daily":
        # One day's bill is read in the course of the next.
        hour = rng.randrange(24) * HOUR
        for midnight in range(DAY, horizon, DAY):
            yield midnight + hour, midnight


def judge(
    guard: str, trace: Trace, learner: int, prices: PriceList, faults: Faults, weather: Weather
) -> Verdict:
    """The learner's bill under `guard`: sweep, budgets, daily, or none."""
    horizon = (trace.days + 1) * DAY
    spans = spans_of(trace, learner, horizon, prices)
    cap = trace.cap * UNIT
    crossed = _crossing(spans, cap)
    end = max((span.end for span in spans), default=0)
    if crossed is None:
        return Verdict(-(-sum(s.cost(horizon) for s in spans) // UNIT), None)
    stop = horizon
    for at, known in looks(guard, trace.seed, learner, horizon, weather):
        if known >= crossed:
            # A stop takes what it takes under our guard too.
            rng = random.Random(f"stop {trace.seed} {learner}")  # noqa: S311
            stop = min(horizon, at + rng.randrange(5, faults.app_ends_in + 1))
            break
    bill = sum(span.cost(stop) for span in spans)
    return Verdict(-(-bill // UNIT), max(0, min(stop, end) - crossed))


def oracle(costs: list[int], cap: int) -> int:
    """The work done by one who knows each cost beforehand and grants, in order, all that fits."""
    done = 0
    for cost in costs:
        if done + cost <= cap:
            done += cost
    return done


def _crossing(spans: list[Span], cap: int) -> int | None:
    """When the bill passes `cap`, to the second."""
    changes = sorted([(s.begin, s.rate) for s in spans] + [(s.end, -s.rate) for s in spans])
    bill = rate = at = 0
    for when, change in changes:
        if rate and bill + rate * (when - at) > cap:
            return at + (cap - bill) // rate + 1
        bill += rate * (when - at)
        at, rate = when, rate + change
    return None
