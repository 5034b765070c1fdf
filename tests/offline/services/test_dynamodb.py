"""Transactions of the embedded DynamoDB under concurrent requests: the ledger rests on them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.offline.server import Cloud
from infra.services.guard import ledger
from infra.services.guard.ledger import Insufficient
from infra.services.guard.store import TableLedger
from tests.services.test_guard_ledger import NOW, held, make_table


@pytest.fixture
def books(tmp_path: Path) -> Iterator[TableLedger]:
    with Cloud(state=tmp_path) as cloud:
        environment = cloud.client_environment()
        yield make_table(
            boto3.client(
                "dynamodb",
                endpoint_url=cloud.endpoint,
                region_name="us-east-1",
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            )
        )


def together(calls: list[Any]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_race_for_the_last_dollar_has_as_many_winners_as_it_pays_for(books: TableLedger) -> None:
    cap = 5 * held().amount + 1
    books.account("ana", cap)
    books.account("ben", 10 * cap)
    outcomes: Counter[str] = Counter()

    def ask(learner: str, number: int) -> None:
        new = held(learner=learner, id=f"{number:08x}", token=f"{number:032x}")
        try:
            mine = books.apply(ledger.reserve(new, None))
        except Insufficient:
            outcomes[f"{learner} refused"] += 1
            return
        outcomes[f"{learner} granted"] += 1
        if learner == "ben":
            # Writes to the same table while other transactions fail: none may be lost.
            books.apply(ledger.settle(mine, at=NOW + timedelta(seconds=number), seconds=3600))

    together([lambda n=n, who=who: ask(who, n) for n in range(10) for who in ("ana", "ben")])
    assert outcomes == {"ana granted": 5, "ana refused": 5, "ben granted": 10}
    ana, ben = books.account("ana", cap), books.account("ben", 10 * cap)
    assert (ana.available, ana.reserved) == (1, 5 * held().amount)
    assert (ben.spent, ben.reserved) == (10 * 1_000_000, 0)
    assert len(books.entries("ben", 100)) == 10
    assert len(list(books.all_open())) == 5
