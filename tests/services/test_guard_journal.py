"""What the sweep keeps: in memory and on the table alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from infra.services.guard.journal import (
    Cursor,
    Disk,
    Heartbeat,
    Journal,
    MemoryJournal,
    Notice,
    Objects,
)
from infra.services.guard.store import TableJournal
from tests.services.test_guard_ledger import NOW, make_table


@pytest.fixture(params=["memory", "table"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1")
        make_table(client)
        yield TableJournal("earth-ledger", client)


def notice(key: str, learner: str = "ana", text: str = "first") -> Notice:
    return Notice(learner, key, "ends", NOW, "soon", text)


def test_before_the_first_sweep_there_is_nothing(journal: Journal) -> None:
    assert journal.cursor() is None
    assert journal.heartbeat() is None
    assert journal.measured_on() is None
    assert journal.notices("ana", 5) == journal.disks() == journal.objects() == []


def test_the_cursor_is_kept_and_taken_away(journal: Journal) -> None:
    place = Cursor("objects", '{"at": 1}', NOW)
    journal.keep(place)
    assert journal.cursor() == place
    journal.keep(None)
    assert journal.cursor() is None


def test_the_heart_beats(journal: Journal) -> None:
    for beat in (Heartbeat(NOW, None, {}), Heartbeat(NOW, NOW, {"open": 3, "failed": 0})):
        journal.beat(beat)
        assert journal.heartbeat() == beat


def test_a_notice_is_kept_once(journal: Journal) -> None:
    first = notice("2026-12-01T10:00:00Z#ends#a")
    assert journal.note(first) == first
    again = journal.note(notice(first.key, text="second"))
    assert again == first
    assert not again.sent
    journal.sent(again)
    assert journal.note(first).sent


def test_notices_are_told_newest_first_and_to_whom_they_concern(journal: Journal) -> None:
    for hour in (11, 10, 12):
        journal.note(notice(f"2026-12-01T{hour}:00:00Z#ends#a"))
    journal.note(notice("2026-12-01T09:00:00Z#orphan#x", learner=""))
    assert [n.key[11:13] for n in journal.notices("ana", 2)] == ["12", "11"]
    assert [n.learner for n in journal.notices("", 5)] == [""]
    assert journal.notices("an", 5) == []


def test_storage_is_read_as_it_was_written(journal: Journal) -> None:
    journal.measured(NOW.date())
    for learner in ("ben", "ana"):
        journal.put_disk(Disk(learner, 10, NOW - dt.timedelta(days=1)))
        journal.put_disk(Disk(learner, 20, NOW))
    journal.put_objects(Objects("falcon", 10**13, 7, 3, NOW))
    assert journal.measured_on() == NOW.date()
    assert journal.disks() == [Disk("ana", 20, NOW), Disk("ben", 20, NOW)]
    assert journal.objects() == [Objects("falcon", 10**13, 7, 3, NOW)]
