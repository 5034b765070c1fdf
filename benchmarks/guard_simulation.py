"""Holds the guard's real logic, and other guards, against the same simulated learner-days.

    python -m benchmarks.guard_simulation --learner-days 100000 --seed 1

Ours is the code that runs in Lambda (broker, settler, sweep) over the ledger in memory and a
simulated AWS, in which every call may break, hang or lose its answer. After every write and every
event the invariants are checked; one violation makes this command fail. What it does not simulate
stands at the end of its report and in docs/measurements.md.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import Counter
from dataclasses import fields
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.simulation.demand import CAPS
from benchmarks.simulation.faults import HOW, Faults
from benchmarks.simulation.shard import ALTERNATIVES, DAYS, LEARNERS, Result, live

NAMES = {
    "ours": "ours",
    "sweep": "sweep every 5 min",
    "budgets": "AWS Budgets, 8-12 h",
    "daily": "daily billing data",
    "none": "no guard",
    "broken_word": "ours, stops late (*)",
}

NOT_SIMULATED = """\
Not simulated: prices that rise between two refreshes (what is settled is settled at the \
snapshot's prices: a rise of 3 % is 3 % too much), storage that outlives a space, data transfer, \
jobs that take longer to fetch and save than their reservation allows (30 s per GB of disk), \
restores of the table, an admin who changes caps or freezes meanwhile \
(tests/services/test_guard_ledger.py does), and two invocations that interleave in any other way \
than one within a call of the other."""


@click.command()
@click.option("--learner-days", default=100_000, show_default=True, help="at least so many")
@click.option("--seed", default=1, show_default=True, help="the first shard's; the rest follow")
@click.option("--processes", default=os.cpu_count() or 1, show_default=True)
@click.option("--calm", is_flag=True, help="no faults: what reservations cost on good days")
@click.option("--json", "as_json", is_flag=True, help="the figures as one JSON document")
def main(learner_days: int, seed: int, processes: int, calm: bool, as_json: bool) -> None:
    """Simulate learner-days under the guard and under its alternatives."""
    shards = max(1, -(-learner_days // (LEARNERS * DAYS)))
    faults = Faults.none() if calm else Faults()
    console = Console(stderr=as_json)
    begun = time.monotonic()
    results: list[Result] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        multiprocessing.get_context("spawn").Pool(processes) as pool,
        Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress,
    ):
        task = progress.add_task("learner-days", total=shards * LEARNERS * DAYS)
        seeds = range(seed, seed + shards)
        for result in pool.imap_unordered(partial(live, faults=faults), seeds, chunksize=2):
            results.append(result)
            progress.advance(task, LEARNERS * DAYS)
    document = figures(results)
    document["seconds"] = round(time.monotonic() - begun, 1)
    document["processes"] = processes
    document["seeds"] = [seed, seed + shards - 1]
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        show(console, document)
    sys.exit(1 if document["violations"] else 0)


def figures(results: list[Result]) -> dict[str, Any]:
    """What the shards come to together. Money in dollars, spans in seconds, overspend in percent of
    the cap: over all learners, and over those who went beyond it."""
    results = sorted(results, key=lambda result: result.ours.seed)
    ours = [r.ours for r in results]
    caps = [cap for o in ours for cap in o.caps]
    guards: dict[str, Any] = {
        "ours": _overspend(caps, [b for o in ours for b in o.bills], []),
    }
    for guard in ALTERNATIVES:
        verdicts = [v for r in results for v in r.others[guard]]
        to_stop = [t for _, t in verdicts if t is not None]
        guards[guard] = _overspend(caps, [bill for bill, _ in verdicts], to_stop)
    broken = [r.broken_word for r in results if r.broken_word is not None]
    if broken:
        guards["broken_word"] = _overspend(
            [cap for o in broken for cap in o.caps], [b for o in broken for b in o.bills], []
        )
    work = {
        str(cap): _work([r for r in results if r.ours.caps[0] == cap * 1_000_000])
        for cap in sorted(set(CAPS))
        if any(r.ours.caps[0] == cap * 1_000_000 for r in results)
    }
    broken_calls: Counter[tuple[str, str, str]] = sum((o.broken for o in ours), Counter())
    settled = [s for o in ours for s in o.settled_after]
    overtime = [s for o in ours for s in o.space_overtime]
    return {
        "learner_days": sum(o.learner_days for o in ours),
        "learners": len(caps),
        "events": sum(o.events for o in ours),
        "calls": sum(o.calls for o in ours),
        "broken_calls": broken_calls.total(),
        "ways_broken": len([way for way in broken_calls if way[2] in HOW]),
        "ways_to_break": len(HOW) * len(set().union(*(o.made for o in ours))),
        "while_another_hung": sum(o.nested for o in ours),
        "checks": sum(o.checks for o in ours),
        "violations": [v for o in ours for v in o.violations],
        "guards": guards,
        "space_stop_after_its_time_s": _spread(overtime),
        "settled_after_the_end_s": _spread(settled),
        "ledger_short_of_the_bill_usd": max(o.unpaid for o in ours) / 1e6,
        "charged_beyond_the_bill_percent": 100
        * (sum(sum(o.spent) for o in ours) / max(1, sum(sum(o.bills) for o in ours)) - 1),
        "requests": {
            name: sum(getattr(o, name) for o in ours)
            for name in (f.name for f in fields(ours[0]))
            if name
            in ("requests", "granted", "refused_for_budget", "oracle_grants", "refused_otherwise")
        },
        "work_by_cap_usd": {**work, "all": _work(results)},
    }


def _overspend(caps: list[int], bills: list[int], to_stop: list[int]) -> dict[str, Any]:
    over = [100 * (bill - cap) / cap for cap, bill in zip(caps, bills, strict=True) if bill > cap]
    return {
        "learners_over": len(over),
        "max_percent": max(over, default=0.0),
        "mean_percent": sum(over) / len(caps),
        "mean_percent_of_those_over": statistics.fmean(over) if over else 0.0,
        "to_stop_s": _spread(to_stop) if to_stop else None,
    }


def _spread(values: list[int]) -> dict[str, float]:
    if not values:
        return {"mean": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(values)
    return {
        "mean": statistics.fmean(ordered),
        "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "max": ordered[-1],
    }


def _work(results: list[Result]) -> dict[str, float]:
    caps = sum(sum(r.ours.caps) for r in results)
    done = sum(sum(r.ours.bills) for r in results)
    best = sum(sum(r.oracle) for r in results)
    refused = sum(r.ours.refused_for_budget for r in results)
    return {
        "learners": sum(len(r.ours.caps) for r in results),
        "ours_percent_of_caps": 100 * done / caps,
        "oracle_percent_of_caps": 100 * best / caps,
        "refused_percent_of_requests": 100 * refused / sum(r.ours.requests for r in results),
        "oracle_would_grant_percent_of_refused": 100
        * sum(r.ours.oracle_grants for r in results)
        / max(1, refused),
    }


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the report for people."""
    d = document
    console.print(
        f"{d['learner_days']:,} learner-days ({d['learners']:,} learners, {DAYS} days each), "
        f"seeds {d['seeds'][0]}-{d['seeds'][1]}, {d['seconds']:.0f} s on {d['processes']} "
        "processes"
    )
    console.print(
        f"{d['events']:,} invocations with {d['calls']:,} calls, of which {d['broken_calls']:,} "
        f"were broken, in {d['ways_broken']} of {d['ways_to_break']} ways (each call of each "
        f"operation in {len(HOW)}); {d['while_another_hung']:,} times something else happened "
        "within a call"
    )
    table = Table(title="Overspend on the same wishes, in percent of the cap")
    table.add_column("guard", no_wrap=True)
    for name in ("over", "max", "mean", "if over", "to stop", "max"):
        table.add_column(name, justify="right")
    for guard, g in d["guards"].items():
        stop = g["to_stop_s"]
        table.add_row(
            NAMES[guard],
            f"{g['learners_over']:,}",
            f"{g['max_percent']:.1f}",
            f"{g['mean_percent']:.2f}",
            f"{g['mean_percent_of_those_over']:.1f}",
            span(stop["mean"]) if stop else "-",
            span(stop["max"]) if stop else "-",
        )
    console.print(table)
    console.print(
        "over: learners above their cap. if over: their mean. to stop: from passing the cap to the "
        "end of all billing. (*) what if 1 % of EventBridge Scheduler's stops came 30 min late, on "
        "a tenth of the days; not a promise that AWS makes."
    )
    table = Table(title="What reservations cost: work done, in percent of the caps")
    for name in ("cap, USD", "learners", "ours", "oracle", "refused", "of which oracle grants"):
        table.add_column(name, justify="right")
    for cap, w in d["work_by_cap_usd"].items():
        table.add_row(
            cap,
            f"{w['learners']:,}",
            f"{w['ours_percent_of_caps']:.1f}",
            f"{w['oracle_percent_of_caps']:.1f}",
            f"{w['refused_percent_of_requests']:.1f} %",
            f"{w['oracle_would_grant_percent_of_refused']:.1f} %",
        )
    console.print(table)
    late, settled = d["space_stop_after_its_time_s"], d["settled_after_the_end_s"]
    console.print(
        f"A space that nobody closed stopped billing {span(late['mean'])} after its reservation's "
        f"end (max {span(late['max'])}). What ended was settled after {span(settled['mean'])} "
        f"(max {span(settled['max'])}). Learners were charged "
        f"{d['charged_beyond_the_bill_percent']:.2f} % more than AWS billed; no ledger was short "
        f"by more than ${d['ledger_short_of_the_bill_usd']:.6f}."
    )
    console.print(
        f"{d['checks']:,} checks of the invariants, {len(d['violations'])} violations", style="bold"
    )
    for violation in d["violations"][:10]:
        console.print(violation, markup=False)
    console.print(NOT_SIMULATED, style="dim", markup=False)


def span(seconds: float) -> str:
    """`seconds` as a person reads it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
