"""One learner's flood: refused cheaply, counted alone, and the others do not notice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from infra.services.guard import handler
from infra.services.guard.store import TableTurns
from infra.services.guard.turns import BURST, INTERVAL, MemoryTurns, Turns
from tests.services.guard_cloud import Academy
from tests.services.test_guard_handler import ARN, Context
from tests.services.test_guard_ledger import make_table

NOW = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
NOTHING = dt.timedelta(0)


@pytest.fixture(params=["memory", "table"])
def turns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    if request.param == "memory":
        yield MemoryTurns()
        return
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1")
        make_table(client)
        yield TableTurns("earth-ledger", client)


def test_a_burst_is_granted_and_then_one_turn_an_interval(turns: Turns) -> None:
    assert all(turns.take("ana", NOW) == NOTHING for _ in range(BURST))
    assert turns.take("ana", NOW) == INTERVAL
    assert turns.take("ana", NOW + INTERVAL / 2) == INTERVAL / 2
    assert turns.take("ana", NOW + INTERVAL) == NOTHING
    assert turns.take("ana", NOW + INTERVAL) == INTERVAL


def test_a_pause_gives_the_burst_back_and_no_more(turns: Turns) -> None:
    for _ in range(BURST):
        turns.take("ana", NOW)
    later = NOW + dt.timedelta(hours=1)
    granted = sum(turns.take("ana", later) == NOTHING for _ in range(BURST + 5))
    assert granted == BURST


def test_one_learners_flood_is_not_counted_to_another(turns: Turns) -> None:
    for _ in range(BURST + 5):
        turns.take("ana", NOW)
    assert turns.take("ana", NOW) > NOTHING
    assert turns.take("ben", NOW) == NOTHING


@given(st.lists(st.integers(0, 3_000), max_size=300))
def test_no_span_of_time_sees_more_than_its_share(gaps: list[int]) -> None:
    turns, now, granted = MemoryTurns(), NOW, []
    for gap in gaps:
        now += dt.timedelta(milliseconds=gap)
        if turns.take("ana", now) == NOTHING:
            granted.append(now)
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            assert last - first + 1 <= BURST + (granted[last] - granted[first]) / INTERVAL


def test_a_flood_costs_the_broker_no_look_at_aws_and_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    academy = Academy(starts=dt.date(2000, 1, 1), ends=dt.date(2999, 12, 31))
    academy.cloud.now = dt.datetime.now(dt.UTC)
    turns = MemoryTurns()
    asked: list[str] = []

    class Counted:
        def take(self, learner: str, now: dt.datetime) -> dt.timedelta:
            asked.append(learner)
            # The clock of a flood hardly moves.
            return turns.take(learner, NOW)

    monkeypatch.setenv("COHORT", "earth")
    monkeypatch.setattr(handler, "_guard", lambda: academy.guard)
    monkeypatch.setattr(handler, "_turns", Counted)
    monkeypatch.setattr(handler, "_refused_until", {})
    monkeypatch.setattr(handler.time, "monotonic", lambda: 100.0)
    answers = [handler.broker({"op": "budget"}, Context(f"{ARN}:ana")) for _ in range(1_000)]
    assert sum(answer["ok"] for answer in answers) == BURST
    assert {a["error"]["code"] for a in answers if not a["ok"]} == {"busy"}
    assert 0 < answers[-1]["error"]["retry_after_milliseconds"] <= 500
    # Those behind the first refusal did not even ask the table.
    assert len(asked) == BURST + 1
    before = len(academy.cloud.trouble.calls)
    assert handler.broker({"op": "budget"}, Context(f"{ARN}:ben"))["ok"]
    assert len(academy.cloud.trouble.calls) > before
