"""One cohort's share of a simulation: the same wishes under every guard."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace

from benchmarks.simulation.academy import Academy, Outcome, job_seconds, visit_seconds
from benchmarks.simulation.alternatives import judge, oracle
from benchmarks.simulation.aws import HOURLY, REGION, UNIT, job_rate
from benchmarks.simulation.demand import JobWish, Trace, draw
from benchmarks.simulation.faults import Faults, Weather
from infra.cohort.prices import PriceList
from infra.services.guard.requests import DEFAULT_VOLUME_GB

LEARNERS = 10
DAYS = 20
#: Every so many shards are lived through again with AWS breaking its word about stops.
BROKEN_WORD_EVERY = 10
ALTERNATIVES = ("sweep", "budgets", "daily", "none")


@dataclass
class Result:
    """What one shard came to. Of each learner and guard: the bill, and the seconds from passing the
    cap to the end of all billing, None where it was not passed."""

    ours: Outcome
    others: dict[str, list[tuple[int, int | None]]] = field(default_factory=dict)
    oracle: list[int] = field(default_factory=list)
    broken_word: Outcome | None = None


def live(seed: int, faults: Faults, learners: int = LEARNERS, days: int = DAYS) -> Result:
    """The shard of `seed`."""
    logging.disable(logging.CRITICAL)  # The guard reports every fault; there are millions.
    trace = draw(seed, learners=learners, days=days)
    result = Result(Academy(trace, faults).run())
    prices, weather = PriceList.snapshot(), Weather.draw(seed, days, faults)
    for guard in ALTERNATIVES:
        verdicts = [
            judge(guard, trace, learner, prices, faults, weather) for learner in range(learners)
        ]
        result.others[guard] = [(v.bill, v.to_stop) for v in verdicts]
    result.oracle = [
        oracle(costs_of(trace, learner, prices), trace.cap) for learner in range(learners)
    ]
    if seed % BROKEN_WORD_EVERY == 0:
        late = replace(faults, late_stops=0.01)
        result.broken_word = Academy(trace, late).run()
        # Its books may go beyond the cap: AWS bills more than it had promised.
        result.broken_word.violations.clear()
        result.broken_word.broken = Counter()
    return result


def costs_of(trace: Trace, learner: int, prices: PriceList) -> list[int]:
    """What each wish of the learner's costs if it is granted, in micro-dollars, by time."""
    costs = []
    for wish in trace.wishes:
        if wish.learner != learner:
            continue
        if isinstance(wish, JobWish):
            rate = job_rate(prices, wish.instance, wish.count, DEFAULT_VOLUME_GB)
            costs.append(rate * job_seconds(wish) // UNIT)
        else:
            rate = HOURLY * prices.micro_usd_per_hour(REGION, "studio", wish.instance)
            costs.append(rate * visit_seconds(wish, wish.work) // UNIT)
    return costs
