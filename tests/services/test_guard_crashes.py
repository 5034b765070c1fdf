"""The broker breaks at every call, in every way: no money is stuck, nothing runs unpaid."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator

import pytest

from infra.services.guard.cloud import CloudError
from tests.services.guard_cloud import TRAIN, Academy, Crash, Trouble

MINUTE = dt.timedelta(minutes=1)
HOW = ("before", "after", "lost_before", "lost_after", "down")

Steps = list[dict[str, object]]
STORIES: dict[str, Steps] = {
    "train": [{"op": "train", "token": "a" * 32}],
    "space": [{"op": "open_space", "hours": 1}, {"op": "stay", "hours": 2}, {"op": "close_space"}],
    "forgotten space": [{"op": "open_space", "hours": 1}],
}


def calls_of(story: Steps) -> int:
    academy = Academy()
    play(academy, story)
    return len(academy.cloud.trouble.calls)


def play(academy: Academy, story: Steps) -> None:
    """What a learner does, a minute apart. A crash ends one invocation, not the learner."""
    for step in story:
        with contextlib.suppress(Crash):
            academy.ask("ana", **({**TRAIN, **step} if step["op"] == "train" else step))
        academy.check()
        assert_covered(academy)
        academy.cloud.move(MINUTE)


def assert_covered(academy: Academy) -> None:
    """Whatever runs has money held for it, and whatever is a space has a stop."""
    held = {r.name for r in academy.ledger.all_open()}
    for (_, space), apps in academy.cloud.apps.items():
        if apps and apps[-1].status(academy.cloud.now) in ("Pending", "InService"):
            assert space in held
            assert any(stop[2] == space for stop in academy.cloud.stops.values())
    for name, job in academy.cloud.jobs.items():
        if academy.cloud.now < job.ends:
            assert name in held


def let_time_pass(academy: Academy, minutes: int = 240) -> None:
    for _ in range(minutes // 15):
        academy.cloud.move(15 * MINUTE)
        # A sweep that AWS does not answer says so; the next one goes on.
        with contextlib.suppress(Crash, RuntimeError, CloudError):
            academy.sweep()
        academy.check()
        assert_covered(academy)


def breaks() -> Iterator[tuple[str, int, str]]:
    for name, story in STORIES.items():
        # Some further calls, so that the sweep breaks too.
        yield from itertools.product([name], range(calls_of(story) + 6), HOW)


@pytest.mark.parametrize(("name", "at", "how"), list(breaks()))
def test_books_and_bills_agree_whatever_breaks(name: str, at: int, how: str) -> None:
    academy = Academy(Trouble(at, how))
    play(academy, STORIES[name])
    let_time_pass(academy)
    money = academy.money()
    assert money.reserved == 0, "money is stuck"
    true = academy.true_cost("ana")
    assert money.spent >= true, "something ran unpaid"
    # An opening of a space is billed until it is seen gone: by the next sweep, or by the one after
    # if it was the sweep that broke.
    slack = 0 if name == "train" else 50_000 * (2 * 15 + 2) // 60
    assert money.spent <= true + slack
    assert money.spent <= money.cap


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("at", range(10))
def test_asking_again_after_a_break_is_still_one_job(at: int, how: str) -> None:
    academy = Academy(Trouble(at, how))
    play(academy, STORIES["train"] * 2)
    academy.cloud.move(5 * MINUTE)
    answer = academy.train()
    assert answer["ok"], answer
    assert len(academy.cloud.jobs) == 1
    let_time_pass(academy)
    assert academy.money().spent == academy.true_cost("ana") > 0
    assert academy.money().reserved == 0


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("at", range(10))
def test_opening_again_after_a_break_opens_one_space(at: int, how: str) -> None:
    academy = Academy(Trouble(at, how))
    play(academy, [{"op": "open_space", "hours": 1}] * 2)
    academy.cloud.move(5 * MINUTE)
    answer = academy.ask("ana", op="open_space", hours=1)
    assert answer["ok"], answer
    assert len(academy.cloud.apps["d-ana", "earth--ana"]) == 1
    academy.check()
    assert_covered(academy)
    let_time_pass(academy)
    assert academy.money().reserved == 0
    assert academy.money().spent >= academy.true_cost("ana") > 0


def test_a_second_invocation_waits_for_the_first_one_that_is_starting() -> None:
    academy = Academy()
    begun: list[dict[str, object]] = []
    create = academy.cloud.create_job

    def meanwhile(request: dict[str, object]) -> None:
        # While the first is between reservation and start, the learner's library asks again.
        begun.append(academy.train()["error"])
        create(request)

    academy.cloud.create_job = meanwhile  # type: ignore[method-assign]
    assert academy.train()["ok"]
    assert [error["code"] for error in begun] == ["busy"]
    assert len(academy.cloud.jobs) == 1


def test_a_second_opening_waits_for_the_first_one_that_is_starting() -> None:
    academy = Academy()
    seen: list[object] = []
    create = academy.cloud.create_app

    def meanwhile(workspace: object, instance: str, image: str) -> None:
        seen.append(academy.ask("ana", op="open_space")["status"])
        seen.append(academy.ask("ana", op="space")["status"])
        seen.append(academy.ask("ana", op="close_space")["error"]["code"])
        create(workspace, instance, image)  # type: ignore[arg-type]

    academy.cloud.create_app = meanwhile  # type: ignore[method-assign,assignment]
    assert academy.ask("ana", op="open_space")["ok"]
    assert seen == ["Pending", "Pending", "busy"]
    assert len(academy.ledger.lines) == 0


def test_the_sweep_goes_on_when_aws_does_not_answer_for_one() -> None:
    academy = Academy()
    for token in "abc":
        academy.train(token=token * 32)
    academy.cloud.move(dt.timedelta(hours=1))
    academy.cloud.trouble.at = len(academy.cloud.trouble.calls)
    academy.cloud.trouble.how = "lost_before"
    counts = academy.sweep()
    assert (counts["failed"], counts["settled"]) == (1, 2)
    assert academy.sweep()["settled"] == 1


def test_a_sweep_without_time_leaves_the_rest_to_the_next() -> None:
    from infra.services.guard.settling import sweep

    academy = Academy()
    for token in "abc":
        academy.train(token=token * 32)
    academy.cloud.move(dt.timedelta(hours=1))
    answers = iter([True, False, False])
    counts = sweep(academy.guard, now=lambda: academy.cloud.now, more_time=lambda: next(answers))
    assert (counts["settled"], counts["left"]) == (1, 2)


def test_a_sweep_that_can_see_nothing_fails_aloud() -> None:
    academy = Academy()
    academy.train()
    academy.cloud.trouble.at = len(academy.cloud.trouble.calls)
    academy.cloud.trouble.how = "lost_before"
    with pytest.raises(RuntimeError, match="none of 1"):
        academy.sweep()


def test_events_that_come_twice_late_or_early_settle_once() -> None:
    from infra.cohort.naming import JobName
    from infra.services.guard.settling import settle_job

    academy = Academy()
    name = JobName.parse(academy.train()["job"])
    assert name is not None
    assert settle_job(academy.guard, name, academy.cloud.now) == "open", "too early: still running"
    academy.cloud.move(dt.timedelta(hours=1))
    for _ in range(3):
        assert settle_job(academy.guard, name, academy.cloud.now) == "settled"
    assert len(academy.ledger.lines) == 1
    foreign = JobName("earth", "falcon", "ana", "ffffffff")
    assert settle_job(academy.guard, foreign, academy.cloud.now) == "unknown"


def place_of(academy: Academy, call: str) -> int:
    """Which call of `train` or `open_space` that is."""
    return academy.cloud.trouble.calls.index(call)


@pytest.mark.parametrize(
    ("step", "call"), [({"op": "train"}, "create_job"), ({"op": "open_space"}, "create_app")]
)
def test_a_start_that_took_effect_is_told_so_although_its_answer_was_lost(
    step: dict[str, object], call: str
) -> None:
    asked = {**TRAIN, "token": "a" * 32, **step} if step["op"] == "train" else step
    rehearsal = Academy()
    rehearsal.ask("ana", **asked)
    academy = Academy(Trouble(place_of(rehearsal, call), "lost_after"))
    assert academy.ask("ana", **asked)["ok"]
    [held] = academy.ledger.all_open()
    assert held.started_at is not None


def test_a_space_that_is_not_yet_visible_is_not_taken_for_closed() -> None:
    academy = Academy()
    academy.ask("ana", op="open_space")
    hidden = academy.cloud.apps.pop(("d-ana", "earth--ana"))
    assert academy.ask("ana", op="space")["status"] == "Pending"
    assert academy.sweep()["open"] == 1
    academy.cloud.apps["d-ana", "earth--ana"] = hidden
    academy.cloud.move(MINUTE)
    assert academy.ask("ana", op="space")["status"] == "InService"


def test_a_job_of_the_same_name_but_another_token_is_not_mine() -> None:
    academy = Academy()
    academy.train(token="a" * 8 + "1" * 24)
    # Its reservation is lost, as if by a restored table: the name is taken all the same.
    academy.ledger.reservations.clear()
    academy.ledger.accounts.clear()
    error = academy.train(token="a" * 8 + "2" * 24)["error"]
    assert error["code"] == "input"
    assert "another job" in error["message"]
    assert academy.money().reserved == 0
    name = "earth--falcon--ana--aaaaaaaa"
    academy.cloud.move(dt.timedelta(hours=1))
    assert "cost_micro_usd" not in academy.ask("ana", op="job", job=name)
    assert academy.money().spent == 0


def test_a_space_that_is_turned_down_leaves_no_schedule_behind() -> None:
    rehearsal = Academy()
    rehearsal.ask("ana", op="open_space")
    academy = Academy(Trouble(place_of(rehearsal, "create_app"), "down"))
    assert academy.ask("ana", op="open_space")["error"]["code"] == "busy"
    assert academy.cloud.stops == {}
    assert academy.money().reserved == 0
