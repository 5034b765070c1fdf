"""Items made ahead of time are the same items, and the thread that makes them ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from academy.land_cover.ahead import ahead


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "ahead"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(ahead(range(1000), count=3)) == list(range(1000))
    assert threads() == []


def test_items_are_made_before_they_are_asked_for_and_not_more_than_that() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = ahead(source(), count=4)
    assert made == [], "nothing is made for an iterator that nobody uses"
    assert next(items) == 0
    deadline = time.monotonic() + 5
    # Four in the queue, and one that waits for room.
    while len(made) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == list(range(6))
    items.close()  # type: ignore[attr-defined]
    assert threads() == []


def test_the_sources_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("no such crop")

    items = ahead(source())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="no such crop"):
        next(items)
    assert threads() == []


def test_a_loop_that_is_left_early_leaves_no_thread() -> None:
    for item in ahead(range(1000)):
        if item == 10:
            break
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() == []


def test_none_ahead_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="count is 0"):
        ahead(range(3), count=0)
