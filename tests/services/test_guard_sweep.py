"""The whole sweep: finds what runs unpaid, warns, measures, resumes, and waits when AWS asks to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from infra.cohort.naming import JobName
from infra.services.guard.cloud import LiveApp
from infra.services.guard.journal import Cursor, Objects
from infra.services.guard.ledger import SPACE
from infra.services.guard.settling import settle_job
from infra.services.guard.sweeping import INTERVAL, WARN_BEFORE
from tests.services.guard_cloud import START, Academy, RunningApp, Trouble

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
PLACE = ("d-ana", "earth--ana")


@pytest.fixture
def academy() -> Academy:
    return Academy()


def times(count: int) -> Callable[[], bool]:
    """There is time for so many looks at the clock."""
    left = [count]

    def more_time() -> bool:
        left[0] -= 1
        return left[0] >= 0

    return more_time


def start_behind_the_guard(academy: Academy, learner: str = "ana") -> None:
    place = (f"d-{learner}", f"earth--{learner}")
    academy.cloud.apps[place] = [RunningApp("ml.g4dn.xlarge", academy.cloud.now)]


# --- what runs without a reservation --------------------------------------------------------------


def test_what_is_paid_for_is_left_alone(academy: Academy) -> None:
    academy.train()
    academy.train("ben", token="b" * 32)
    for learner in ("ana", "ben", "chi"):
        academy.ask(learner, op="open_space")
    counts = academy.full_sweep()
    assert (counts["apps"], counts["jobs"], counts["orphans"], counts["open"]) == (3, 2, 0, 5)
    assert counts["whole"] == 1
    assert academy.cloud.published == []


def test_an_app_without_a_reservation_is_ended_and_told_once(academy: Academy) -> None:
    start_behind_the_guard(academy)
    assert academy.full_sweep()["orphans"] == 1
    assert academy.cloud.apps[PLACE][0].deleted == START
    [(topic, title, text, attributes)] = academy.cloud.published
    assert topic.endswith("earth-notices")
    assert "without a reservation" in title
    assert "earth--ana" in text
    assert attributes == {"kind": "orphan", "cohort": "earth", "learner": "ana"}
    academy.cloud.move(INTERVAL)
    assert academy.full_sweep()["orphans"] == 0
    assert academy.money().spent == 0, "a learner does not pay for what a learner cannot start"


def test_apps_of_other_kinds_and_owners_are_ended_too(academy: Academy) -> None:
    def stray(domain: str, space: str, profile: str, kind: str) -> LiveApp:
        return LiveApp(domain, space, profile, kind, "default", START)

    foreign = stray("d-mars", "mars--eve", "", "JupyterLab")
    academy.cloud.strays += [
        stray("d-ana", "", "earth--ana", "KernelGateway"),
        stray("d-ana", "earth--ana", "", "CodeEditor"),
        stray("d-ana", "by-hand", "", "CodeEditor"),
        foreign,
    ]
    academy.ask("ana", op="open_space")
    assert academy.full_sweep()["orphans"] == 3
    assert foreign not in academy.cloud.ended, "another cohort's is not ours to end"
    assert academy.cloud.apps[PLACE][0].deleted is None


def test_a_job_without_a_reservation_is_stopped(academy: Academy) -> None:
    name = academy.train()["job"]
    academy.ledger.reservations.clear()
    academy.cloud.jobs["mars--falcon--ana--aaaaaaaa"] = replace(academy.cloud.jobs[name])
    academy.cloud.jobs["earth--by-hand"] = replace(academy.cloud.jobs[name])
    academy.cloud.jobs["my-earth--job"] = replace(academy.cloud.jobs[name])
    assert academy.full_sweep()["orphans"] == 2
    stopped = {name for name, job in academy.cloud.jobs.items() if job.stopped}
    assert stopped == {name, "earth--by-hand"}


def test_a_job_that_admins_run_again_is_no_orphan_and_has_nothing_to_settle(
    academy: Academy,
) -> None:
    name = academy.train()["job"]
    again = "earth--falcon--rerun--0123abcd"
    academy.cloud.jobs[again] = replace(academy.cloud.jobs[name])
    counts = academy.full_sweep()
    assert counts["orphans"] == 0
    assert not academy.cloud.jobs[again].stopped
    assert academy.cloud.published == []
    parsed = JobName.parse(again)
    assert parsed is not None
    before = academy.money()
    assert settle_job(academy.guard, parsed, academy.cloud.now) == "rerun"
    assert academy.money() == before


@pytest.mark.parametrize(
    "like", ["earth--rerun--ana--0123abcd", "earth--falcon--rerun", "earth--falcon--rerun--x"]
)
def test_a_job_that_only_looks_like_one_run_again_is_stopped(academy: Academy, like: str) -> None:
    academy.cloud.jobs[like] = replace(academy.cloud.jobs[academy.train()["job"]])
    assert academy.full_sweep()["orphans"] == 1
    assert academy.cloud.jobs[like].stopped


def test_an_app_whose_reservation_was_released_is_ended_and_charged(academy: Academy) -> None:
    # CreateApp was accepted, its answer lost, and the app was not visible for long.
    academy.ask("ana", op="open_space", hours=4)
    apps = academy.cloud.apps.pop(PLACE)
    held = academy.ledger.find("ana", SPACE)
    assert held is not None
    academy.ledger.reservations["ana", SPACE] = replace(held, started_at=None)
    academy.cloud.move(20 * MINUTE)
    assert academy.full_sweep()["released"] == 1
    academy.cloud.apps[PLACE] = apps
    academy.cloud.move(10 * MINUTE)
    assert academy.full_sweep()["orphans"] == 1
    assert academy.money().spent >= academy.true_cost("ana") > 0
    assert academy.ledger.lines[-1].overrun
    academy.check()


def test_an_app_that_started_since_the_listing_is_not_taken_for_the_listed_one(
    academy: Academy,
) -> None:
    start_behind_the_guard(academy)
    listing = academy.cloud.live_apps

    def then_it_changes(token: str) -> tuple[list[LiveApp], str]:
        page = listing(token)
        if academy.cloud.apps[PLACE][0].deleted is None:
            academy.cloud.apps[PLACE][0].deleted = START - MINUTE
            academy.cloud.move(MINUTE)
            academy.ask("ana", op="open_space")
        return page

    academy.cloud.live_apps = then_it_changes  # type: ignore[method-assign]
    academy.full_sweep()
    assert academy.cloud.apps[PLACE][-1].deleted is None


def test_an_app_that_cannot_be_ended_is_told_to_be_ended_by_hand(academy: Academy) -> None:
    from infra.services.guard.cloud import TurnedDown

    def denied(_app: LiveApp) -> None:
        raise TurnedDown("AccessDeniedException", "no")

    start_behind_the_guard(academy)
    academy.cloud.end_app = denied  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="none of 1"):
        academy.full_sweep()
    assert "by hand" in academy.cloud.published[0][2]


# --- warnings -------------------------------------------------------------------------------------


def test_a_space_that_closes_soon_is_told_once_for_each_end(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=2)
    academy.train("ben", hours=1)
    assert academy.full_sweep()["warned"] == 0
    academy.cloud.move(2 * HOUR - WARN_BEFORE - INTERVAL)
    assert academy.full_sweep()["warned"] == 1
    assert academy.full_sweep()["warned"] == 0
    assert "academy.stay(hours=2)" in academy.cloud.published[0][2]
    academy.ask("ana", op="stay", hours=2)
    assert academy.full_sweep()["warned"] == 0
    academy.cloud.move(2 * HOUR - WARN_BEFORE)
    assert academy.full_sweep()["warned"] == 1
    [latest, earlier] = academy.journal.notices("ana", 10)
    assert latest.key > earlier.key
    assert latest.sent


def test_every_space_is_told_a_quarter_of_an_hour_before_its_end(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1.9)
    end = academy.cloud.now + dt.timedelta(hours=1.9)
    while academy.cloud.now < end:
        academy.cloud.move(INTERVAL)
        if academy.full_sweep()["warned"]:
            break
    assert end - academy.cloud.now >= WARN_BEFORE


def test_a_notice_that_could_not_be_sent_is_sent_by_the_next_sweep(academy: Academy) -> None:
    from infra.services.guard.cloud import Unclear

    publish = academy.cloud.publish

    def lost(*_: object) -> None:
        raise Unclear("no answer")

    academy.ask("ana", op="open_space", hours=0.25)
    academy.cloud.publish = lost  # type: ignore[method-assign]
    assert academy.full_sweep()["untold"] == 1
    academy.cloud.publish = publish  # type: ignore[method-assign]
    assert academy.full_sweep()["warned"] == 1
    assert academy.full_sweep()["warned"] == 0
    assert len(academy.cloud.published) == 1


# --- storage --------------------------------------------------------------------------------------


def test_storage_is_measured_once_a_day(academy: Academy) -> None:
    academy.cloud.objects = [
        ("teams/falcon/a", 100, True),
        ("teams/falcon/a", 70, False),
        ("teams/heron/b", 5, True),
        ("submissions/climate-series/falcon/s.csv", 11, True),
        ("submissions/stray", 999, True),
    ]
    counts = academy.full_sweep()
    assert counts["measured"] == 5
    assert academy.journal.objects() == [
        Objects("falcon", 181, 3, 70, START),
        Objects("heron", 5, 1, 0, START),
    ]
    assert [(disk.learner, disk.gb) for disk in academy.journal.disks()] == [
        ("ana", 20),
        ("ben", 20),
        ("chi", 20),
    ]
    assert academy.full_sweep()["measured"] == 0
    academy.cloud.move(24 * HOUR)
    assert academy.full_sweep()["measured"] == 5


# --- time, throttling, failures -------------------------------------------------------------------


@pytest.mark.parametrize("looks", range(1, 12))
def test_whenever_time_runs_out_the_next_sweeps_go_through_everything(looks: int) -> None:
    academy = Academy()
    academy.cloud.page = 1
    for token in "abc":
        academy.train(token=token * 32)
    for learner in ("ana", "ben", "chi"):
        academy.ask(learner, op="open_space", hours=0.25)
    start_behind_the_guard(academy, "chi")
    academy.ledger.reservations.pop(("chi", SPACE))
    academy.cloud.objects = [(f"teams/falcon/{n}", 1, True) for n in range(4)]
    # More than the rest of it takes: each must get somewhere. Domains are listed anew each time.
    runs = 0
    while not academy.full_sweep(times(looks + 6)).get("whole"):
        runs += 1
        assert runs < 60, "it does not get anywhere"
    assert academy.journal.cursor() is None
    assert academy.cloud.apps["d-chi", "earth--chi"][0].deleted is not None
    assert academy.journal.objects() == [Objects("falcon", 4, 4, 0, START)]
    warned = {a["learner"] for *_, a in academy.cloud.published if a["kind"] == "ends"}
    assert warned == {"ana", "ben"}


def test_a_sweep_goes_on_behind_the_last_reservation_it_looked_after(academy: Academy) -> None:
    for token in "abc":
        academy.train(token=token * 32)
        academy.cloud.move(MINUTE)
    counts = academy.full_sweep(times(2))
    assert (counts["open"], counts["left"], counts["whole"]) == (2, 1, 0)
    academy.cloud.trouble.calls.clear()
    assert academy.full_sweep()["open"] == 1


def test_a_round_that_was_broken_off_long_ago_is_begun_anew(academy: Academy) -> None:
    academy.train()
    academy.journal.keep(Cursor("objects", "{}", START - 7 * HOUR))
    assert academy.full_sweep()["open"] == 1


def test_it_waits_and_repeats_when_aws_asks_for_fewer_requests(academy: Academy) -> None:
    academy.train()
    academy.cloud.move(HOUR)
    academy.cloud.trouble = Trouble(0, "down")
    academy.guard.ledger.trouble = academy.cloud.trouble  # type: ignore[attr-defined]
    assert academy.full_sweep()["settled"] == 1
    assert len(academy.pauses) == 1


def test_a_throttle_that_stays_ends_the_phase_and_not_the_sweep(academy: Academy) -> None:
    from infra.services.guard.cloud import TurnedDown

    def throttled(_token: str) -> object:
        raise TurnedDown("ThrottlingException", "Rate exceeded")

    academy.ask("ana", op="open_space", hours=0.25)
    academy.cloud.live_apps = throttled  # type: ignore[method-assign,assignment]
    with pytest.raises(RuntimeError, match="could not go through: apps"):
        academy.full_sweep()
    assert len(academy.pauses) == 5
    assert max(academy.pauses) <= 20
    assert len(academy.cloud.published) == 1, "the warning went out all the same"
    beat = academy.journal.heartbeat()
    assert beat is not None
    assert beat.whole_at is None


def test_one_reservation_that_nothing_can_be_made_of_does_not_shield_the_others(
    academy: Academy,
) -> None:
    academy.train(token="a" * 32)
    academy.train(token="b" * 32)
    look = academy.cloud.job

    def broken(name: str) -> object:
        if name.endswith("aaaaaaaa"):
            raise KeyError("TrainingJobStatus")
        return look(name)

    academy.cloud.job = broken  # type: ignore[method-assign,assignment]
    academy.cloud.move(HOUR)
    counts = academy.full_sweep()
    assert (counts["failed"], counts["settled"]) == (1, 1)


def test_the_heart_beats(academy: Academy) -> None:
    academy.train()
    academy.full_sweep()
    beat = academy.journal.heartbeat()
    assert beat is not None
    assert (beat.at, beat.whole_at, beat.counts["open"]) == (START, START, 1)
    academy.cloud.move(INTERVAL)
    academy.full_sweep(times(0))
    beat = academy.journal.heartbeat()
    assert beat is not None
    assert (beat.at, beat.whole_at) == (START + INTERVAL, START)


# --- what outlives its reservation ----------------------------------------------------------------


def test_an_app_that_outlived_its_reservation_is_billed_until_it_is_gone(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1)
    academy.cloud.stops.clear()
    academy.cloud.move(3 * HOUR)
    academy.full_sweep()
    academy.cloud.move(INTERVAL)
    academy.full_sweep()
    assert academy.money().spent >= academy.true_cost("ana") > 3 * 50_000 - 1
    assert academy.ledger.lines[-1].overrun
    academy.check()
