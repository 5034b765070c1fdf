"""The guard over simulated days: its promises hold under faults, the simulation sees it when they
do not, and the ledger in memory is the table's equal on what the days did to it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from benchmarks.simulation import shard
from benchmarks.simulation.academy import Academy, Outcome
from benchmarks.simulation.alternatives import Span, _crossing, oracle
from benchmarks.simulation.aws import SECOND, SimulatedAws, instant
from benchmarks.simulation.demand import draw
from benchmarks.simulation.faults import Faults
from infra.services.guard import broker, ledger, money, reconcile
from infra.services.guard.cloud import App
from infra.services.guard.ledger import Change, Insufficient, Reservation
from tests.services import guard_cloud
from tests.services.test_guard_ledger import make_table


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)


def lived(seed: int, **faults: Any) -> Outcome:
    logging.disable(logging.CRITICAL)
    return Academy(draw(seed, learners=10, days=10), replace(Faults(), **faults)).run()


@pytest.mark.parametrize("seed", range(2))
def test_every_invariant_holds_over_simulated_days_and_no_cap_is_passed(seed: int) -> None:
    result = shard.live(seed, Faults())
    ours = result.ours
    assert ours.violations == []
    assert all(bill <= cap for bill, cap in zip(ours.bills, ours.caps, strict=True))
    # The days are worth living: things ran, were refused and were broken.
    assert ours.granted > 100
    assert ours.broken.total() > 50
    assert ours.nested > 10
    if result.broken_word is not None:
        assert len(result.broken_word.bills) == len(ours.bills)


def test_on_days_without_faults_learners_are_charged_what_aws_bills() -> None:
    calm = Academy(draw(3, learners=4, days=5), Faults.none()).run()
    assert calm.violations == []
    # What a space is charged too much: until the sweep sees that it is gone.
    assert sum(calm.bills) <= sum(calm.spent) <= 1.05 * sum(calm.bills)


def test_the_same_seed_is_the_same_days() -> None:
    assert lived(5) == lived(5)


def test_other_guards_stop_after_the_cap_and_the_later_they_look_the_more_it_costs() -> None:
    results = [shard.live(seed, Faults()) for seed in (11, 12)]

    def beyond(guard: str) -> int:
        return sum(
            max(0, bill - cap)
            for r in results
            for (bill, _), cap in zip(r.others[guard], r.ours.caps, strict=True)
        )

    assert 0 < beyond("sweep") < beyond("budgets") < beyond("daily") < beyond("none")


def test_the_moment_at_which_a_bill_passes_the_cap_is_found_to_the_second() -> None:
    spans = [Span(0, 100, 2), Span(50, 60, 10)]
    assert _crossing(spans, 100) == 51
    assert sum(s.cost(50) for s in spans) == 100
    assert _crossing(spans, 299) == 100
    assert _crossing(spans, 300) is None


def test_an_oracle_grants_in_order_what_fits() -> None:
    assert oracle([4, 7, 6, 1], cap=10) == 10


# --- what it found --------------------------------------------------------------------------------


def test_a_space_is_known_by_a_clock_that_is_ahead_of_sagemakers() -> None:
    """The first find: it was settled after two minutes, its stop removed, and it ran on."""
    world = guard_cloud.Academy()
    ahead = world.cloud.now + dt.timedelta(seconds=3)
    call = broker.Call("ana", ahead, ahead + guard_cloud.LEASE, "0" * 32)
    assert broker.answer(world.guard, call, {"op": "open_space", "hours": 2})["ok"]
    world.cloud.move(dt.timedelta(minutes=5))
    assert world.sweep()["open"] == 1
    assert len(world.cloud.stops) == 1
    world.cloud.move(dt.timedelta(hours=2))
    world.sweep()
    assert world.money().spent >= world.true_cost("ana") > 2 * 50_000


def test_the_sweep_does_not_end_a_paid_space_because_the_clocks_differ() -> None:
    """The second: a space that was opened by such a clock was taken for an orphan."""
    run = Academy(draw(1, learners=2, days=1), replace(Faults.none(), skew=1.0))
    aws = run.aws
    aws.clock = lambda: instant(aws.now + 3 * SECOND)  # type: ignore[method-assign]
    run.run()
    assert run.out.granted > 0
    assert run.out.orphans == 0
    assert run.out.violations == []


# --- the simulation sees what is wrong: each of these breaks the guard ----------------------------


def said(outcome: Outcome, words: str) -> bool:
    return any(words in violation for violation in outcome.violations)


def test_a_clock_ahead_of_sagemaker_once_let_a_space_run_unpaid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_time_alone(held: Reservation, app: App | None) -> App | None:
        return app if app is not None and app.created_at >= held.created_at else None

    for module in (reconcile, broker):
        monkeypatch.setattr(module, "app_of", by_time_alone)
    assert said(lived(1), "runs without a reservation")


def test_reserving_without_looking_at_the_funds_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Change, "needs_funds", property(lambda _: False))
    assert said(lived(1), "above the cap")


def test_a_start_without_its_stop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedAws, "put_stop", lambda *_: None)
    outcome = lived(1)
    assert said(outcome, "runs without a stop")


def test_a_reservation_that_forgets_grace_and_upload_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bare(price: int, count: int, seconds: int, **_: int) -> int:
        return money.cost(price, count, seconds)

    monkeypatch.setattr(broker.money, "worst_case", bare)
    assert said(lived(1), "more was billed than reserved")


def test_releasing_too_soon_what_may_have_started_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "NEVER_STARTED_AFTER", -dt.timedelta(hours=1))
    monkeypatch.setattr(SimulatedAws, "_unseen", lambda self: self.uniform(600, 1200))
    assert said(lived(1), "runs without a reservation")


def test_a_settlement_that_charges_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(held: Reservation, **how: Any) -> Change:
        change = settle(held, **how)
        return replace(change, spent=2 * change.spent)

    settle = ledger.settle
    monkeypatch.setattr(reconcile.ledger, "settle", twice)
    assert said(lived(1), "do not add up")


# --- the same operations on the table -------------------------------------------------------------


def test_the_table_answers_as_the_ledger_in_memory_did_over_simulated_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    logging.disable(logging.CRITICAL)
    trace = replace(draw(9, learners=3, days=3), cap=4_000_000)
    record: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = []
    run = Academy(trace, replace(Faults(), broken_calls=0.03, slow_calls=0.2), record)
    run.run()
    seen = {(name, type(outcome).__name__) for name, _, _, outcome in record}
    assert ("apply", "Insufficient") in seen
    assert ("apply", "Changed") in seen
    with mock_aws():
        table = make_table(boto3.client("dynamodb", "us-east-1"))
        for place, (name, arguments, named, expected) in enumerate(record):
            try:
                given: Any = getattr(table, name)(*arguments, **named)
            except Exception as error:
                given = error
            assert comparable(given) == comparable(expected), f"step {place}: {name} {arguments}"
        for name, account in run.books.accounts.items():
            assert table.account(name, trace.cap) == account
            assert table.entries(name, 1000) == run.books.entries(name, 1000)
        for learner, place_of in run.books.reservations:
            assert table.find(learner, place_of) == run.books.find(learner, place_of)
        assert list(table.all_open()) == list(run.books.all_open()) == []


def comparable(outcome: Any) -> Any:
    if isinstance(outcome, Insufficient):
        return "Insufficient", outcome.account
    if isinstance(outcome, Exception):
        return type(outcome), str(outcome)
    if hasattr(outcome, "__next__") or isinstance(outcome, list):
        return sorted(map(repr, outcome))
    return outcome
