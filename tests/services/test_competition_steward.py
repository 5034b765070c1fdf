"""The steward: nothing that was sent is lost, whatever fails, and everyone is told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from infra.services.competition import stewarding
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.steward_aws import AwsWorld
from infra.services.competition.stewarding import (
    HAND_OVERS,
    MOST_AT_ONCE,
    MOST_GIVEN_UP,
    MOST_NAMED,
    Steward,
    Stored,
)
from infra.services.guard.settings import settings_document

START = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def settings(*projects: str) -> CompetitionSettings:
    return CompetitionSettings.from_json(
        settings_document(
            cohort="earth",
            region="us-east-1",
            starts=dt.date(2026, 11, 16),
            ends=dt.date(2027, 3, 31),
            cap_micro_usd=25_000_000,
            studio_instances=["ml.t3.medium"],
            studio_max_hours=4,
            training_instances=["ml.m5.large"],
            training_max_hours=4,
            training_max_instances=1,
            projects=list(projects),
            data_bucket="data",
            work_bucket="work",
            schedule_group="stops",
            stopper_role_arn="arn:aws:iam::123456789012:role/stopper",
            submissions_per_day=5,
            closes=dt.date(2027, 3, 15),
            images={},
        )
    )


@dataclass(frozen=True)
class Held:
    key: str
    version: str | None
    received: dt.datetime


@dataclass
class Phase:
    phase_now: str
    version: int = 0

    def phase(self, _settings: Any, _now: dt.datetime) -> str:
        return self.phase_now


@dataclass
class Arena:
    """A bucket, a table and a checker that may be out of order."""

    projects: tuple[str, ...] = ("land-cover", "climate-series")
    works: bool = True
    frozen: bool = False
    now: dt.datetime = START
    files: dict[str, dt.datetime] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    keeps: dict[str, Held] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    checked: list[tuple[str, str | None]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    time_left: int = 1_000_000

    def __setattr__(self, name: str, value: Any) -> None:
        """Whoever freezes it, or lets it go on, changes the version of its state."""
        if name == "frozen":
            self.__dict__["version"] = self.__dict__.get("version", 0) + 1
        super().__setattr__(name, value)

    # --- the world --------------------------------------------------------------------------------
    def settings(self) -> CompetitionSettings:
        return settings(*self.projects)

    def teams(self, project: str) -> list[str]:
        parts = [key.split("/") for key in self.files]
        return sorted({each[2] for each in parts if len(each) > 3 and each[1] == project})

    def stored(self, prefix: str) -> Iterator[Stored]:
        self._may("list")
        receipts = dict.fromkeys(self.receipts, self.now)
        for key, modified in sorted({**self.files, **receipts}.items()):
            if key.startswith(prefix):
                yield Stored(key, modified)

    def receipt(self, key: str) -> dict[str, Any] | None:
        return self.receipts.get(key)

    def put_receipt(self, key: str, receipt: dict[str, Any], *, over_waiting: bool = False) -> bool:
        self._may("receipt")
        there = self.receipts.get(key)
        if there is not None and not (over_waiting and there["status"] == "waiting"):
            return False
        self.receipts[key] = receipt
        return True

    def check(self, key: str, version: str | None) -> None:
        self._may("check")
        self.checked.append((key, version))
        if not self.works:
            return
        if self.frozen:
            self.keeps[key] = Held(key, version, self.files[key])
            self.receipts[receipt_of(key)] = {"status": "waiting"}
        else:
            self.receipts[receipt_of(key)] = {"status": "scored"}

    def publish(self, project: str) -> None:
        self._may("publish")
        self.published.append(project)

    def notify(self, subject: str, text: str) -> None:
        self._may("notify")
        self.notices.append((subject, text))

    # --- the table --------------------------------------------------------------------------------
    def state(self, _project: str) -> Phase:
        return Phase("frozen" if self.frozen else "open", self.__dict__["version"])

    def held(self, project: str) -> list[Held]:
        return [each for each in self.keeps.values() if each.key.split("/")[1] == project]

    def release(self, _project: str, key: str) -> None:
        del self.keeps[key]

    def tried(self, _project: str, key: str) -> int:
        self.tries[key] = self.tries.get(key, 0) + 1
        return self.tries[key]

    # --- what the tests do ------------------------------------------------------------------------
    def _may(self, what: str) -> None:
        if what in self.broken:
            raise RuntimeError(f"{what} is out of order")

    def send(self, team: str, name: str = "1.npz", project: str = "land-cover") -> str:
        key = f"submissions/{project}/{team}/{name}"
        self.files[key] = self.now
        return key

    def spend(self) -> bool:
        self.time_left -= 1
        return self.time_left >= 0

    def hour(self) -> dict[str, int]:
        self.now += HOUR
        steward = Steward(
            world=self,
            table=self,
            checker="earth-checker",
            now=lambda: self.now,
            more_time=self.spend,
        )
        return steward.run()


def receipt_of(key: str) -> str:
    return f"receipts/{key.removeprefix('submissions/')}.json"


@pytest.fixture
def arena() -> Arena:
    return Arena()


def test_every_board_is_written_anew_each_hour(arena: Arena) -> None:
    assert arena.hour()["published"] == 2
    assert arena.published == ["land-cover", "climate-series"]


def test_what_has_a_receipt_is_left_alone(arena: Arena) -> None:
    key = arena.send("falcon")
    arena.receipts[receipt_of(key)] = {"status": "refused"}
    assert arena.hour()["handed"] == 0
    assert arena.checked == []


def test_a_lost_submission_is_handed_over_and_then_has_its_receipt(arena: Arena) -> None:
    key = arena.send("falcon")
    assert arena.hour()["handed"] == 1
    assert arena.checked == [(key, None)]
    assert arena.hour()["handed"] == 0


def test_one_that_is_on_its_way_is_not_taken_for_lost(arena: Arena) -> None:
    arena.now += HOUR - dt.timedelta(minutes=14)
    arena.send("falcon")
    arena.now -= HOUR - dt.timedelta(minutes=14)
    assert arena.hour()["handed"] == 0
    assert arena.hour()["handed"] == 1


def test_names_that_begin_alike_do_not_cover_for_each_other(arena: Arena) -> None:
    """`a` has a receipt called a.json; a submission may be called a.json too."""
    first, second = arena.send("falcon", "a"), arena.send("falcon", "a.json")
    arena.receipts[receipt_of(first)] = {"status": "scored"}
    arena.hour()
    assert [key for key, _ in arena.checked] == [second]


def test_after_three_hand_overs_it_is_given_up_kept_and_told(arena: Arena) -> None:
    arena.works = False
    key = arena.send("falcon")
    for _ in range(HAND_OVERS):
        assert arena.hour()["handed"] == 1
    assert arena.hour()["given_up"] == 1
    receipt = arena.receipts[receipt_of(key)]
    assert receipt["status"] == "failed"
    assert receipt["received"] == "2026-12-01T12:00:00Z"
    assert not receipt["counted"]
    assert "advisors" in receipt["message"]
    assert key in arena.files
    [(subject, text)] = arena.notices
    assert subject == "earth: 1 submission given up"
    assert key in text
    assert "aws lambda invoke --function-name earth-checker" in text
    assert arena.hour() | {"published": 0} == dict.fromkeys(arena.hour(), 0)
    assert len(arena.notices) == 1


def test_the_command_in_the_notice_hands_that_submission_over(arena: Arena) -> None:
    arena.works = False
    key = arena.send("falcon")
    for _ in range(HAND_OVERS + 1):
        arena.hour()
    command = next(line for line in arena.notices[0][1].splitlines() if "invoke" in line)
    payload = command.split("--payload '")[1].split("'")[0]
    assert json.loads(payload) == {"submission": {"key": key, "version": None}}


def test_without_a_notice_there_is_no_receipt_and_the_next_hour_does_both(arena: Arena) -> None:
    arena.works = False
    key = arena.send("falcon")
    for _ in range(HAND_OVERS):
        arena.hour()
    arena.broken = {"notify"}
    with pytest.raises(RuntimeError, match="1 of its duties"):
        arena.hour()
    assert receipt_of(key) not in arena.receipts
    arena.broken = set()
    assert arena.hour()["given_up"] == 1
    assert len(arena.notices) == 1


def test_one_notice_tells_of_all_that_an_hour_gave_up(arena: Arena) -> None:
    arena.works = False
    for index in range(MOST_NAMED + 5):
        arena.send("falcon", f"{index:03d}.npz")
    for _ in range(HAND_OVERS + 1):
        arena.hour()
    [(subject, text)] = arena.notices
    assert subject == f"earth: {MOST_NAMED + 5} submissions given up"
    assert "and 5 more" in text


def test_a_teams_flood_does_not_keep_anothers_waiting(arena: Arena) -> None:
    arena.works = False
    for index in range(MOST_AT_ONCE + 100):
        arena.send("eagle", f"{index:04d}.npz")
    arena.now += dt.timedelta(minutes=1)
    mine = arena.send("falcon")
    counts = arena.hour()
    assert counts["handed"] == MOST_AT_ONCE
    assert counts["left"] == 101
    assert [key for key, _ in arena.checked].index(mine) == 1


def test_what_there_is_no_time_for_is_left_for_the_next_hour(arena: Arena) -> None:
    for team in ("eagle", "falcon", "heron"):
        arena.send(team)
    arena.time_left = 11
    counts = arena.hour()
    assert counts["handed"] + counts["left"] == 3
    assert counts["left"] > 0
    arena.time_left = 1_000
    assert arena.hour()["handed"] == counts["left"]
    assert len({key for key, _ in arena.checked}) == 3


@pytest.mark.parametrize(
    "key",
    [
        "submissions/land-cover/falcon/../eagle/1.npz",
        "submissions/land-cover/falcon/a b.npz",
        "submissions/land-cover/Falcon/1.npz",
        "submissions/land-cover/1.npz",
        "submissions/land-cover/falcon/" + "x" * 101,
        "submissions/land-cover/falcon/..",
    ],
)
def test_a_key_that_the_library_does_not_make_is_passed_over(arena: Arena, key: str) -> None:
    arena.files[key] = arena.now
    mine = arena.send("falcon")
    arena.hour()
    assert [each for each, _ in arena.checked] == [mine]


def test_a_project_that_fails_does_not_touch_the_others(arena: Arena) -> None:
    arena.send("falcon")
    mine = arena.send("falcon", project="climate-series")
    stored = arena.stored

    def listing(prefix: str) -> Iterator[Stored]:
        if "land-cover" in prefix:
            raise RuntimeError("S3 does not answer")
        return stored(prefix)

    arena.stored = listing  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="1 of its duties"):
        arena.hour()
    assert [key for key, _ in arena.checked] == [mine]
    assert arena.published == ["land-cover", "climate-series"]


def test_a_receipt_that_came_meanwhile_stays(arena: Arena) -> None:
    arena.works = False
    key = arena.send("falcon")
    for _ in range(HAND_OVERS):
        arena.hour()
    arena.notify = lambda *_: arena.receipts.update(  # type: ignore[method-assign]
        {receipt_of(key): {"status": "scored"}}
    )
    assert arena.hour()["given_up"] == 0
    assert arena.receipts[receipt_of(key)] == {"status": "scored"}


def test_what_a_team_has_beyond_measure_is_passed_over_and_told_once(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stewarding, "MOST_OF_A_TEAM", 30)
    monkeypatch.setattr(stewarding, "PAGE", 10)
    for index in range(40):
        arena.send("eagle", f"{index:02d}.npz")
    mine = arena.send("falcon")
    assert arena.hour()["handed"] == 31
    assert mine in [key for key, _ in arena.checked]
    [(subject, text)] = arena.notices
    assert subject == "earth: more than 30 files of one team"
    assert "  submissions/land-cover/eagle/" in text
    assert "falcon" not in text
    assert arena.hour()["handed"] == 0
    assert len(arena.notices) == 1


def test_one_run_gives_up_no_more_than_it_has_time_to_write(arena: Arena) -> None:
    arena.works = False
    for index in range(MOST_GIVEN_UP + 5):
        arena.send("falcon", f"{index:03d}.npz")
    for _ in range(HAND_OVERS):
        arena.hour()
    counts = arena.hour()
    assert (counts["given_up"], counts["left"]) == (MOST_GIVEN_UP, 5)
    assert arena.hour()["given_up"] == 5


# --- freezes --------------------------------------------------------------------------------------
@pytest.mark.parametrize("time_left", [100, 1_000_000])
def test_a_flood_that_waited_keeps_no_team_and_no_project_waiting(
    arena: Arena, time_left: int
) -> None:
    arena.frozen = True
    for index in range(3000):
        arena.check(arena.send("eagle", f"{index:04d}.npz"), None)
    arena.now += dt.timedelta(minutes=1)
    mine = arena.send("falcon")
    arena.check(mine, None)
    other = arena.send("falcon", project="climate-series")
    arena.check(other, None)
    lost = arena.send("falcon", "lost.npz", project="climate-series")
    arena.checked.clear()
    arena.frozen, arena.time_left = False, time_left
    counts = arena.hour()
    assert {mine, other, lost} <= {key for key, _ in arena.checked}
    assert counts["handed"] <= MOST_AT_ONCE + 2
    assert counts["handed"] + counts["left"] == 3003


def test_tries_of_one_freeze_do_not_count_after_the_next(arena: Arena) -> None:
    key = arena.send("falcon")
    arena.frozen = True
    arena.check(key, None)
    arena.works = False
    for _ in range(HAND_OVERS + 1):
        arena.frozen = False
        assert arena.hour()["handed"] == 1
        arena.frozen = True
    assert arena.receipts[receipt_of(key)] == {"status": "waiting"}
    assert arena.notices == []


def test_what_waits_is_left_while_it_is_frozen_and_scored_when_it_goes_on(arena: Arena) -> None:
    key = arena.send("falcon")
    arena.frozen = True
    arena.check(key, "v1")
    arena.checked.clear()
    assert arena.hour()["held"] == 1
    assert arena.checked == []
    arena.frozen = False
    assert arena.hour()["handed"] == 1
    assert arena.checked == [(key, "v1")]
    assert arena.hour()["released"] == 1
    assert arena.keeps == {}
    assert arena.receipts[receipt_of(key)]["status"] == "scored"


def test_it_is_not_released_before_it_is_scored(arena: Arena) -> None:
    key = arena.send("falcon")
    arena.frozen = True
    arena.check(key, None)
    arena.frozen, arena.works = False, False
    for _ in range(HAND_OVERS):
        assert arena.hour()["released"] == 0
    assert key in arena.keeps
    assert arena.hour()["given_up"] == 1
    assert arena.receipts[receipt_of(key)]["status"] == "failed"
    assert len(arena.notices) == 1
    assert arena.hour()["released"] == 1


def test_the_tries_of_a_lost_one_do_not_count_against_it_when_it_waited(arena: Arena) -> None:
    key = arena.send("falcon")
    arena.works = False
    for _ in range(HAND_OVERS - 1):
        arena.hour()
    arena.works, arena.frozen = True, True
    arena.hour()
    assert key in arena.keeps
    arena.frozen = False
    assert arena.hour()["handed"] == 1
    assert arena.notices == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "break", "mend", "freeze", "thaw", "pass"]),
            st.sampled_from(["falcon", "eagle", "heron"]),
        ),
        max_size=30,
    )
)
def test_whatever_happens_nothing_is_lost_in_the_end(steps: list[tuple[str, str]]) -> None:
    """Each file ends with a receipt that is final, and the admin knows of each that failed."""
    arena = Arena(works=True)
    sent = []
    for index, (what, team) in enumerate(steps):
        if what == "send":
            # Its own event was lost: the worst case.
            sent.append(arena.send(team, f"{index}.npz"))
        elif what in ("break", "mend"):
            arena.works = what == "mend"
        elif what in ("freeze", "thaw"):
            arena.frozen = what == "freeze"
        arena.hour()
    arena.works, arena.frozen = True, False
    for _ in range(3):
        arena.hour()
    told = "\n".join(text for _, text in arena.notices)
    for key in sent:
        status = arena.receipts[receipt_of(key)]["status"]
        assert status in ("scored", "failed")
        assert (status == "failed") == (key in told)
    assert arena.keeps == {}
    assert set(arena.files) == set(sent)


# --- the bucket -----------------------------------------------------------------------------------
RECEIPT = "receipts/land-cover/falcon/1.npz.json"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsWorld]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="work")
        yield AwsWorld(
            cohort="earth", settings="s", work="work", checker="c", scorer="s", notices="n"
        )


def test_the_teams_of_a_project_are_its_folders(bucket: AwsWorld) -> None:
    for key in ("land-cover/eagle/1", "land-cover/eagle/2", "land-cover/falcon/1", "sst/heron/1"):
        boto3.client("s3").put_object(Bucket="work", Key=f"submissions/{key}")
    assert list(bucket.teams("land-cover")) == ["eagle", "falcon"]
    assert len(list(bucket.stored("submissions/land-cover/eagle/"))) == 2


@pytest.mark.parametrize("status", ["scored", "refused", "waiting"])
def test_a_receipt_is_written_where_there_is_none(bucket: AwsWorld, status: str) -> None:
    assert bucket.put_receipt(RECEIPT, {"status": status})
    assert not bucket.put_receipt(RECEIPT, {"status": "failed"})
    assert bucket.receipt(RECEIPT) == {"status": status}
    over = bucket.put_receipt(RECEIPT, {"status": "failed"}, over_waiting=True)
    assert over == (status == "waiting")
    assert bucket.receipt(RECEIPT) == {"status": "failed" if over else status}
