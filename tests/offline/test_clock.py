"""The embedded cloud's clock: work runs in order of time, whoever makes time pass."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.offline.clock import OCCURRENCES_PER_MOVE, Clock

START = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


def still_clock() -> Clock:
    """A clock over a real time that stands still, so that only moves make time pass."""
    return Clock(real=lambda: START)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_the_time_is_real_time_plus_what_was_moved() -> None:
    clock = still_clock()
    assert clock.now() == START
    assert clock.move(by=timedelta(days=2)) == START + timedelta(days=2)
    assert clock.offset == timedelta(days=2)


def test_a_move_to_a_moment_in_another_zone_ends_in_utc() -> None:
    clock = still_clock()
    evening = datetime(2026, 11, 30, 20, 0, tzinfo=timezone(timedelta(hours=2)))
    assert clock.move(to=evening) == datetime(2026, 11, 30, 18, 0, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def test_the_clock_does_not_follow_a_real_clock_that_is_set_back() -> None:
    times = iter([START, START - timedelta(hours=1), START + seconds(1)])
    clock = Clock(real=lambda: next(times))
    assert [clock.now(), clock.now(), clock.now()] == [START, START, START + seconds(1)]


@pytest.mark.parametrize(
    "move",
    [
        {"by": seconds(-1)},
        {"to": START - seconds(1)},
        {},
        {"by": seconds(1), "to": START + seconds(1)},
        {"to": datetime(2027, 1, 1)},
    ],
)
def test_a_move_back_or_without_one_goal_is_refused(move: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        still_clock().move(**move)  # type: ignore[arg-type]


@given(
    st.lists(st.integers(0, 100), max_size=30),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_alarms_run_once_in_order_and_at_their_time(delays: list[int], moves: list[int]) -> None:
    clock = still_clock()
    ran: list[tuple[int, int]] = []
    for number, delay in enumerate(delays):

        def act(number: int = number, delay: int = delay) -> None:
            assert clock.now() == START + seconds(delay)
            ran.append((delay, number))

        clock.call_at(START + seconds(delay), act, name=str(number))
    passed = 0
    for move in moves:
        clock.move(by=seconds(move))
        passed += move
        due = sorted((delay, n) for n, delay in enumerate(delays) if delay <= passed)
        assert ran == (due if moves else [])
    assert len(clock.alarms()) == len(delays) - len(ran)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), max_size=8), st.integers(0, 60))
def test_work_that_work_brings_about_runs_within_the_same_move(
    chains: list[tuple[int, int]], length: int
) -> None:
    clock = still_clock()
    ran: list[int] = []

    def chain(first: int, then: int) -> None:
        def second() -> None:
            ran.append(first + then)

        def start() -> None:
            ran.append(first)
            clock.call_at(clock.now() + seconds(then), second, name="second")

        clock.call_at(START + seconds(first), start, name="first")

    for first, then in chains:
        chain(first, then)
    clock.move(by=seconds(length))
    expected = [t for first, then in chains for t in (first, first + then) if t <= length]
    assert ran == sorted(expected)


@given(st.integers(1, 50), st.integers(0, 600))
def test_a_periodic_alarm_runs_each_period_and_at_most_a_day_of_hours_in_one_move(
    period: int, length: int
) -> None:
    clock = still_clock()
    ran: list[datetime] = []
    clock.call_every(seconds(period), lambda: ran.append(clock.now()), name="tick")
    clock.move(by=seconds(length))
    due = [START + seconds(t) for t in range(period, length + 1, period)]
    assert ran == due[-OCCURRENCES_PER_MOVE:]


def test_a_cancelled_alarm_never_runs() -> None:
    clock = still_clock()
    ran: list[str] = []
    alarm = clock.call_at(START + seconds(1), lambda: ran.append("once"), name="once")
    ticking = clock.call_every(seconds(1), lambda: ran.append("tick"), name="tick")
    alarm.cancel()
    clock.move(by=seconds(1))
    ticking.cancel()
    clock.move(by=seconds(5))
    assert ran == ["tick"]
    assert clock.alarms() == ()


def test_an_alarm_that_another_cancels_at_the_same_moment_does_not_run() -> None:
    clock = still_clock()
    ran: list[str] = []
    clock.call_at(START + seconds(1), lambda: second.cancel(), name="first")
    second = clock.call_at(START + seconds(1), lambda: ran.append("second"), name="second")
    clock.move(by=seconds(2))
    assert ran == []


def test_a_periodic_alarm_may_cancel_itself() -> None:
    clock = still_clock()
    ran: list[int] = []

    def tick() -> None:
        ran.append(1)
        alarm.cancel()

    alarm = clock.call_every(seconds(1), tick, name="tick")
    clock.move(by=seconds(10))
    assert ran == [1]


def test_an_alarm_that_fails_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = still_clock()
    ran: list[str] = []

    def fail() -> None:
        raise LookupError("gone")

    clock.call_at(START + seconds(1), fail, name="failing")
    clock.call_at(START + seconds(2), lambda: ran.append("after"), name="after")
    with caplog.at_level(logging.ERROR):
        clock.move(by=seconds(3))
    assert ran == ["after"]
    assert "the alarm 'failing' failed" in caplog.text


def test_an_action_may_not_move_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    clock = still_clock()
    clock.call_at(START, lambda: clock.move(by=seconds(1)) and None, name="mover")
    clock.move(by=seconds(1))
    assert "may not move the clock" in caplog.text


def test_time_waits_for_the_consequences_of_each_moment() -> None:
    clock = still_clock()
    story: list[str] = []
    clock.after_each_step(lambda: story.append(f"settled {(clock.now() - START).seconds}"))
    for delay in (1, 2):
        clock.call_at(START + seconds(delay), lambda d=delay: story.append(f"ran {d}"), name="x")
    clock.move(by=seconds(3))
    assert story == ["settled 0", "ran 1", "settled 1", "ran 2", "settled 2", "settled 3"]


def test_a_started_clock_runs_alarms_as_real_time_passes() -> None:
    clock = Clock()
    clock.start()
    try:
        ran = threading.Event()
        clock.call_at(clock.now() + seconds(60), ran.set, name="later")
        soon = threading.Event()
        clock.call_at(clock.now() + seconds(0.05), soon.set, name="soon")
        assert soon.wait(5)
        assert not ran.is_set()
    finally:
        clock.stop()


def test_a_stopped_clock_runs_nothing_by_itself() -> None:
    clock = Clock()
    clock.start()
    clock.stop()
    ran = threading.Event()
    clock.call_at(clock.now(), ran.set, name="now")
    assert not ran.wait(0.1)
    clock.move(by=seconds(0))
    assert ran.is_set()


def test_moves_from_many_threads_add_up() -> None:
    clock = still_clock()
    ran: list[int] = []
    for second in range(1, 41):
        clock.call_at(START + seconds(second), lambda s=second: ran.append(s), name="x")
    threads = [threading.Thread(target=clock.move, kwargs={"by": seconds(5)}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == START + seconds(40)
    assert ran == list(range(1, 41))
