"""The board's table over moto: what is written together, what races, what is counted."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.services.competition import state as verbs
from infra.services.competition.entry import Entry
from infra.services.competition.final import Selection
from infra.services.competition.ladder import Ladder
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.state import State
from infra.services.competition.store import BoardTable, Changed, DayFull, Duplicate, Held

AT = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
PROJECT = "land-cover"
#: Any gain that is seen moves.
HIGHER = Ladder("higher")
WHO = "arn:aws:iam::123456789012:user/shelley"
SETTINGS = CompetitionSettings(
    "earth", (PROJECT,), dt.date(2026, 11, 30), dt.date(2027, 3, 15), 5, "us-east-1"
)


class OneAtATime:
    """moto loses what others write during a transaction; see infra.offline.services.dynamodb."""

    def __init__(self, client: Any) -> None:
        self._client, self._lock = client, threading.Lock()

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            with self._lock:
                return getattr(self._client, operation)(**request)

        return call


class Interfering:
    """A client before whose first transaction something else happens."""

    def __init__(self, client: Any, meanwhile: Callable[[], object]) -> None:
        self._client, self._meanwhile = client, [meanwhile]

    def __getattr__(self, operation: str) -> Any:
        if operation == "transact_write_items" and self._meanwhile:
            self._meanwhile.pop()()
        return getattr(self._client, operation)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="board",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        yield client


@pytest.fixture
def table(client: Any) -> BoardTable:
    return BoardTable("board", client, pause=lambda _: None)


def entry(team: str, score: float, name: str = "a", at: dt.datetime = AT, **more: Any) -> Entry:
    given: dict[str, Any] = {
        "digest": name.ljust(64, "0"),
        "key": f"submissions/{PROJECT}/{team}/{name}.npz",
        "private_score": score / 2,
        "note": "a note",
        "learner": "ana",
        "job": "",
    }
    return Entry(PROJECT, team, received=at, public_score=score, **(given | more))


FULL: dict[str, Any] = {
    "record": b"\x00\xff",
    "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:" + "0" * 64,
    "job": "earth--owl--ana--aaaaaaaa",
    "version_id": "v1",
    "also": {"WQL": 0.1234567890123, "coverage of the 80 % interval": 0.0},
    "instance": "ml.g5.xlarge",
    "instances": 2,
    "seconds": 3601,
    "cost": 2_816_000,
    "gpu_hours": 2.0005,
}


def everything(client: Any) -> dict[str, Any]:
    return {item["sk"]["S"]: item for item in client.scan(TableName="board")["Items"]}


# --- entries --------------------------------------------------------------------------------------
def test_an_entry_is_read_as_it_was_written(table: BoardTable) -> None:
    written = table.record(entry("owl", 0.5, **FULL), 5, HIGHER)
    assert written == replace(entry("owl", 0.5, **FULL), shown_score=0.5, moved=True)
    assert table.find(PROJECT, "owl", written.digest) == written
    assert table.entries(PROJECT) == [written]
    assert table.entry_of_key(PROJECT, "owl", written.key) == written
    assert table.entries(PROJECT, records=False) == [replace(written, record=b"")]
    [line] = table.lines(PROJECT)
    effort = (line.instance, line.instances, line.cost, line.gpu_hours, line.also)
    assert effort == ("ml.g5.xlarge", 2, 2_816_000, 2.0005, FULL["also"])
    assert (line.best, line.submissions, line.record, line.digest) == (
        0.5,
        1,
        b"\x00\xff",
        written.digest,
    )


def test_what_is_not_known_of_an_entry_stays_unknown(table: BoardTable) -> None:
    written = table.record(entry("owl", 0.5), 5, HIGHER)
    assert table.find(PROJECT, "owl", written.digest) == written
    assert (written.cost, written.gpu_hours, written.also) == (None, None, {})
    free = table.record(entry("owl", 0.6, "b", cost=0, gpu_hours=0.0), 5, HIGHER)
    assert (free.cost, free.gpu_hours) == (0, 0.0)
    assert table.find(PROJECT, "owl", free.digest) == free


def test_entries_are_of_the_team_that_is_asked_for(table: BoardTable) -> None:
    for team in ("owl", "owl-2", "jay"):
        table.record(entry(team, 0.5), 5, HIGHER)
    assert [e.team for e in table.entries(PROJECT, "owl")] == ["owl"]
    assert {e.team for e in table.entries(PROJECT)} == {"owl", "owl-2", "jay"}
    assert table.entries("climate-series") == []
    assert table.entry_of_key(PROJECT, "owl", f"submissions/{PROJECT}/jay/a.npz") is None
    assert table.entry_of_key(PROJECT, "owl", "submissions/x/owl/none.npz") is None


def test_many_entries_come_in_pages_and_none_is_left_out(table: BoardTable) -> None:
    """DynamoDB answers a megabyte at a time."""
    for number in range(12):
        table.record(entry("owl", 0.5, f"{number:x}", record=bytes(150_000)), 99, HIGHER)
    assert len({e.digest for e in table.entries(PROJECT)}) == 12
    assert all(len(e.record) == 150_000 for e in table.entries(PROJECT, "owl"))


def test_a_late_entry_is_kept_and_counted_and_moves_nothing(table: BoardTable) -> None:
    table.record(entry("owl", 0.5), 2, HIGHER)
    [before] = table.lines(PROJECT)
    generation = table.generation(PROJECT)
    late = table.record(entry("owl", 0.9, "b", late=True), 2, HIGHER)
    assert (late.late, late.shown, late.moved) == (True, 0.9, True)
    assert table.find(PROJECT, "owl", late.digest) == late
    assert table.lines(PROJECT) == [before]
    assert table.generation(PROJECT) > generation, "the board says what is left today"
    assert table.used(PROJECT, AT.date()) == {"owl": 2}
    with pytest.raises(DayFull):
        table.record(entry("owl", 0.9, "c", late=True), 2, HIGHER)
    with pytest.raises(Duplicate):
        table.record(entry("owl", 0.9, "b", late=True), 9, HIGHER)
    table.record(entry("jay", 0.9, late=True), 2, HIGHER)
    assert [line.team for line in table.lines(PROJECT)] == ["owl"]


def test_who_came_in_time_takes_the_place_of_the_same_content_that_was_late(
    table: BoardTable, client: Any
) -> None:
    next_day = AT + dt.timedelta(days=1)
    again = {"key": f"submissions/{PROJECT}/owl/again.npz"}
    late = table.record(entry("owl", 0.9, at=next_day, late=True, **again), 1, HIGHER)
    in_time = table.record(entry("owl", 0.9), 1, HIGHER, instead=late)
    assert table.find(PROJECT, "owl", late.digest) == in_time
    assert (in_time.late, in_time.key.endswith("a.npz")) == (False, True)
    assert [line.team for line in table.lines(PROJECT)] == ["owl"]
    assert table.used(PROJECT, AT.date()) == {"owl": 1}
    assert table.used(PROJECT, next_day.date()).get("owl", 0) == 0
    before = everything(client)
    with pytest.raises(Duplicate):
        table.record(entry("owl", 0.9), 9, HIGHER, instead=late)
    assert everything(client) == before, "it happens once"


def test_it_does_not_where_its_own_day_is_full(table: BoardTable, client: Any) -> None:
    next_day = AT + dt.timedelta(days=1)
    table.record(entry("owl", 0.5, "b"), 1, HIGHER)
    late = table.record(entry("owl", 0.9, at=next_day, late=True), 1, HIGHER)
    before = everything(client)
    with pytest.raises(DayFull):
        table.record(entry("owl", 0.9), 1, HIGHER, instead=late)
    assert everything(client) == before


def test_within_one_day_its_place_costs_nothing_more(table: BoardTable) -> None:
    late = table.record(entry("owl", 0.9, at=AT + dt.timedelta(hours=1), late=True), 1, HIGHER)
    assert not table.record(entry("owl", 0.9), 1, HIGHER, instead=late).late
    assert table.used(PROJECT, AT.date()) == {"owl": 1}


def test_days_are_counted_in_utc_and_for_each_team(table: BoardTable) -> None:
    zone = dt.timezone(dt.timedelta(hours=-5))
    table.record(entry("owl", 0.5, "a", dt.datetime(2026, 12, 1, 23, 0, tzinfo=zone)), 5, HIGHER)
    table.record(entry("owl", 0.5, "b", AT), 5, HIGHER)
    table.record(entry("owl-2", 0.5, "c", AT), 5, HIGHER)
    table.record(entry("owl-2", 0.5, "d", AT), 5, HIGHER)
    assert table.used(PROJECT, dt.date(2026, 12, 1)) == {"owl": 1, "owl-2": 2}
    assert table.used(PROJECT, dt.date(2026, 12, 2)) == {"owl": 1}
    assert table.used(PROJECT, dt.date(2026, 12, 3)) == {}


def test_what_is_refused_leaves_nothing_behind(table: BoardTable, client: Any) -> None:
    table.record(entry("owl", 0.5), 1, HIGHER)
    before = everything(client)
    with pytest.raises(DayFull):
        table.record(entry("owl", 0.9, "b"), 1, HIGHER)
    with pytest.raises(Duplicate):
        table.record(entry("owl", 0.9, "a", key="submissions/x/owl/again.npz"), 9, HIGHER)
    assert everything(client) == before


# --- races ----------------------------------------------------------------------------------------
def test_racing_entries_late_ones_and_acts_are_all_kept_and_limits_exact(client: Any) -> None:
    table = BoardTable("board", OneAtATime(client))
    outcomes: list[str] = []

    def submit(team: str, number: int) -> None:
        try:
            late = number % 4 == 0
            table.record(entry(team, number / 100, f"{number:x}", late=late), 6, HIGHER)
            outcomes.append("kept")
        except DayFull:
            outcomes.append("full")

    def disqualify(number: int) -> None:
        while True:
            before = table.state(PROJECT)
            after, act = verbs.disqualify(
                before, SETTINGS, at=AT, who=WHO, why="x", team=f"team-{number}"
            )
            try:
                return table.act(PROJECT, before, after, act)
            except Changed:
                continue

    threads = [
        *(
            threading.Thread(target=submit, args=(team, n))
            for n in range(1, 9)
            for team in ("owl", "jay")
        ),
        *(threading.Thread(target=disqualify, args=(n,)) for n in range(4)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["full"] * 4 + ["kept"] * 12
    assert table.used(PROJECT, AT.date()) == {"owl": 6, "jay": 6}
    kept = table.entries(PROJECT)
    in_time = {team: sum(e.team == team and not e.late for e in kept) for team in ("owl", "jay")}
    lines = {line.team: line for line in table.lines(PROJECT)}
    assert {team: line.submissions for team, line in lines.items()} == in_time
    for team, line in lines.items():
        assert line.best == max(e.public_score for e in kept if e.team == team and not e.late)
    assert len(table.acts(PROJECT)) == len(table.state(PROJECT).out) == 4
    assert table.generation(PROJECT) == 12 + 4


def test_a_table_that_is_always_busy_is_given_up_with_its_name(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    table = BoardTable("board", client, pause=pauses.append)
    answer: dict[str, Any] = {
        "Error": {"Code": "TransactionCanceledException", "Message": "no"},
        "CancellationReasons": [{"Code": "TransactionConflict"}] * 5,
    }

    def busy(**_: Any) -> Any:
        raise ClientError(answer, "TransactWriteItems")

    monkeypatch.setattr(client, "transact_write_items", busy)
    with pytest.raises(RuntimeError, match="the board of land-cover is too busy"):
        table.record(entry("owl", 0.5), 5, HIGHER)
    assert len(pauses) == 12
    assert max(pauses) <= 2
    answer["CancellationReasons"] = [{"Code": "ValidationError"}] * 5
    with pytest.raises(ClientError):
        table.record(entry("owl", 0.5), 5, HIGHER)


# --- marks and selections -------------------------------------------------------------------------
def test_the_latest_mark_holds_in_whatever_order_they_come(table: BoardTable) -> None:
    old, new = entry("expert", 0.8, "a", AT, **FULL), entry("expert", 0.7, "b", AT + HOUR, **FULL)
    assert table.record_mark(new) == replace(new, shown_score=0.7)
    generation = table.generation(PROJECT)
    assert table.record_mark(old) == table.marks(PROJECT)["expert"]
    assert table.marks(PROJECT) == {"expert": replace(new, shown_score=0.7)}
    assert table.generation(PROJECT) == generation, "nothing changed"
    table.record_mark(entry("baseline", 0.5, "c"))
    assert set(table.marks(PROJECT)) == {"baseline", "expert"}
    assert table.entry_of_key(PROJECT, "expert", new.key) == table.marks(PROJECT)["expert"]
    assert table.entry_of_key(PROJECT, "expert", old.key) is None


def test_a_mark_is_no_team_and_has_no_daily_limit(table: BoardTable) -> None:
    for number in range(7):
        table.record_mark(entry("expert", 0.5, f"{number}", AT + number * HOUR))
    assert (table.lines(PROJECT), table.entries(PROJECT)) == ([], [])
    assert table.used(PROJECT, AT.date()) == {}
    assert table.generation(PROJECT) == 7
    with pytest.raises(ValueError, match="no reserved team"):
        table.record_mark(entry("owl", 0.5))


def test_the_latest_selection_holds_in_whatever_order_they_come(table: BoardTable) -> None:
    one = Selection(("a" * 64,), AT, "ana")
    two = Selection(("b" * 64, "c" * 64), AT + HOUR, "ben")
    assert table.select(PROJECT, "owl", two) == two
    assert table.select(PROJECT, "owl", one) == two
    table.select(PROJECT, "jay", one)
    assert table.selections(PROJECT) == {"owl": two, "jay": one}
    none = Selection((), AT + 2 * HOUR, "ben")
    assert table.select(PROJECT, "owl", none) == none


def test_of_two_selections_in_one_second_always_the_same_holds(table: BoardTable) -> None:
    one, two = (Selection((letter * 64,), AT, "ana") for letter in "ab")
    table.select(PROJECT, "owl", one)
    table.select(PROJECT, "owl", two)
    table.select(PROJECT, "jay", two)
    table.select(PROJECT, "jay", one)
    assert table.selections(PROJECT) == {"owl": two, "jay": two}
    # Told of again it is what it was.
    assert table.select(PROJECT, "owl", two) == two


# --- acts -----------------------------------------------------------------------------------------
def freeze(table: BoardTable, before: State, at: dt.datetime = AT) -> State:
    after, act = verbs.freeze(before, SETTINGS, at=at, who=WHO, why="wrong metric")
    table.act(PROJECT, before, after, act)
    return after


def test_an_act_and_its_state_are_written_together(table: BoardTable) -> None:
    assert table.state(PROJECT) == State()
    after = freeze(table, State())
    assert table.state(PROJECT) == after
    [act] = table.acts(PROJECT)
    assert (act.what, act.who, act.why, act.at) == ("freeze", WHO, "wrong metric", AT)
    assert (act.before, act.after) == (State().to_json(), after.to_json())
    assert table.generation(PROJECT) == 1
    assert table.state("climate-series") == State()


def test_an_act_upon_what_has_changed_writes_nothing(table: BoardTable, client: Any) -> None:
    after = freeze(table, State())
    kept = everything(client)
    with pytest.raises(Changed):
        freeze(table, State(), AT + HOUR)
    with pytest.raises(Changed):
        freeze(table, State(version=7), AT + HOUR)
    assert everything(client) == kept
    again, act = verbs.reopen(after, SETTINGS, at=AT + HOUR, who=WHO, why="mended")
    table.act(PROJECT, after, again, act)
    assert table.state(PROJECT) == again
    assert [each.what for each in table.acts(PROJECT)] == ["reopen", "freeze"]


def test_a_note_is_written_whatever_the_state_is_by_then(table: BoardTable) -> None:
    after = freeze(table, State())
    act = verbs.note(State(), "recompute", at=AT + HOUR, who=WHO, why="x")
    table.act(PROJECT, State(), State(), act)
    assert table.state(PROJECT) == after
    assert table.acts(PROJECT, 1) == [act]
    assert table.generation(PROJECT) == 2


def test_acts_come_newest_first_and_no_more_than_asked_for(table: BoardTable) -> None:
    for hour in range(60):
        act = verbs.note(State(), f"act {hour}", at=AT + hour * HOUR, who=WHO, why="x")
        table.act(PROJECT, State(), State(), act)
    assert [act.what for act in table.acts(PROJECT, 3)] == ["act 59", "act 58", "act 57"]
    assert len(table.acts(PROJECT)) == 50
    assert table.acts(PROJECT, 0) == []


# --- waiting and lost submissions -----------------------------------------------------------------
def test_what_waits_is_listed_in_its_order_until_it_is_released(table: BoardTable) -> None:
    table.hold(PROJECT, "submissions/land-cover/owl/b", None, AT)
    table.hold(PROJECT, "submissions/land-cover/jay/a", "v1", AT + HOUR)
    table.hold(PROJECT, "submissions/land-cover/owl/b", None, AT)
    waiting = [
        Held("submissions/land-cover/owl/b", None, AT),
        Held("submissions/land-cover/jay/a", "v1", AT + HOUR),
    ]
    assert table.held(PROJECT) == waiting
    table.release(PROJECT, waiting[0].key)
    table.release(PROJECT, "never held")
    assert table.held(PROJECT) == waiting[1:]
    assert table.held("climate-series") == []


def test_hand_overs_are_counted_for_each_submission(table: BoardTable) -> None:
    assert [table.tried(PROJECT, "a") for _ in range(3)] == [1, 2, 3]
    assert table.tried(PROJECT, "b") == 1


# --- scoring again --------------------------------------------------------------------------------
def three(table: BoardTable) -> list[Entry]:
    """0.5, then 0.7, then 0.6."""
    scores = ((0.5, "a"), (0.7, "b"), (0.6, "c"))
    return [
        table.record(entry("owl", score, name, AT + at * HOUR, **FULL), 5, HIGHER)
        for at, (score, name) in enumerate(scores)
    ]


def test_rescoring_overwrites_scores_and_nothing_else(table: BoardTable, client: Any) -> None:
    old = three(table)[1]
    lines = table.lines(PROJECT)
    new = table.rescore(old, 0.4, 0.3, b"new", {"WQL": 2.0}, rescored="r1")
    scores = {"public_score": 0.4, "private_score": 0.3, "record": b"new", "also": {"WQL": 2.0}}
    assert new == replace(old, **scores, rescored="r1")
    assert table.find(PROJECT, "owl", old.digest) == new
    assert table.lines(PROJECT) == lines, "boards stand still until the rebuilding"
    bare = table.rescore(new, 0.4, 0.3, b"", {}, rescored="r2")
    assert table.find(PROJECT, "owl", old.digest) == bare
    assert (bare.record, bare.also) == (b"", {})
    with pytest.raises(LookupError, match="owl/zzzz"):
        table.rescore(replace(old, digest="z" * 64), 0.4, 0.3, b"", {}, rescored="r3")
    assert f"entry#owl#{'z' * 64}" not in everything(client)


def test_marks_and_late_entries_show_their_new_score_at_once(table: BoardTable) -> None:
    mark = table.record_mark(entry("expert", 0.8))
    late = table.record(entry("owl", 0.5, late=True), 5, HIGHER)
    assert table.rescore(mark, 0.6, 0.5, b"", {}, rescored="r").shown == 0.6
    assert table.marks(PROJECT)["expert"].shown == 0.6
    assert table.rescore(late, 0.4, 0.3, b"", {}, rescored="r").shown == 0.4
    newer = table.record_mark(entry("expert", 0.9, "b", AT + HOUR))
    table.rescore(mark, 0.1, 0.1, b"", {}, rescored="r")
    assert table.marks(PROJECT)["expert"] == newer, "another took its place"


def test_rebuilding_changes_nothing_where_nothing_was_changed(table: BoardTable) -> None:
    entries, [line] = three(table), table.lines(PROJECT)
    generation = table.generation(PROJECT)
    table.rebuild(PROJECT, HIGHER)
    [again] = table.lines(PROJECT)
    assert again == replace(line, version=again.version)
    assert table.entries(PROJECT) == entries
    assert table.generation(PROJECT) > generation
    table.rebuild("climate-series", HIGHER)


def test_rebuilding_replays_what_was_rescored(table: BoardTable) -> None:
    first, second, third = three(table)
    assert [e.moved for e in (first, second, third)] == [True, True, False]
    table.rescore(second, 0.4, 0.3, b"new", {}, rescored="r")
    table.rebuild(PROJECT, HIGHER)
    [line] = table.lines(PROJECT)
    assert (line.best, line.digest, line.submissions) == (0.6, third.digest, 3)
    assert [score for _, score in line.moves] == [0.5, 0.6]
    found = {e.digest: (e.shown, e.moved) for e in table.entries(PROJECT)}
    assert found == {
        first.digest: (0.5, True),
        second.digest: (0.5, False),
        third.digest: (0.6, True),
    }


def test_late_faulty_and_disqualified_entries_are_not_replayed(table: BoardTable) -> None:
    first, second, third = three(table)
    table.record(entry("owl", 0.95, "d", AT + 9 * HOUR, late=True), 5, HIGHER)
    table.rescore(second, 0.7, 0.3, b"", {}, rescored="r", fault="A class is 9.")
    after, act = verbs.disqualify(
        State(), SETTINGS, at=AT, who=WHO, why="x", team="owl", digest=third.digest
    )
    table.act(PROJECT, State(), after, act)
    table.rebuild(PROJECT, HIGHER)
    [line] = table.lines(PROJECT)
    assert (line.best, line.digest, line.submissions) == (0.5, first.digest, 3)
    assert table.find(PROJECT, "owl", second.digest).fault == "A class is 9."  # type: ignore[union-attr]
    back, act = verbs.reinstate(
        after, SETTINGS, at=AT + HOUR, who=WHO, why="y", team="owl", digest=third.digest
    )
    table.act(PROJECT, after, back, act)
    table.rebuild(PROJECT, HIGHER)
    assert table.lines(PROJECT)[0].digest == third.digest


def test_a_team_of_which_nothing_is_left_is_not_shown_and_begins_anew(table: BoardTable) -> None:
    only = table.record(entry("owl", 0.5), 5, HIGHER)
    table.rescore(only, 0.5, 0.5, b"", {}, rescored="r", fault="wrong")
    table.rebuild(PROJECT, HIGHER)
    assert table.lines(PROJECT) == []
    table.rebuild(PROJECT, HIGHER)
    again = table.record(entry("owl", 0.3, "b", AT + HOUR), 5, HIGHER)
    assert (again.moved, again.shown) == (True, 0.3)
    [line] = table.lines(PROJECT)
    assert (line.best, line.submissions) == (0.3, 2)
    assert line.version > 2


def test_an_entry_that_comes_during_a_rebuilding_is_not_lost(
    client: Any, table: BoardTable
) -> None:
    table.record(entry("owl", 0.5), 5, HIGHER)
    best = entry("owl", 0.9, "b", AT + HOUR)
    racing = Interfering(client, lambda: table.record(best, 5, HIGHER))
    BoardTable("board", racing, pause=lambda _: None).rebuild(PROJECT, HIGHER)
    [line] = table.lines(PROJECT)
    assert (line.best, line.submissions) == (0.9, 2)


# --- news -----------------------------------------------------------------------------------------
def test_of_two_who_tell_one_is_faster(table: BoardTable) -> None:
    assert table.told(PROJECT) == ({}, 0)
    assert table.tell(PROJECT, {"leader": "owl"}, 0)
    assert not table.tell(PROJECT, {"leader": "jay"}, 0)
    assert table.told(PROJECT) == ({"leader": "owl"}, 1)
    assert table.tell(PROJECT, {"leader": "jay"}, 1)
    assert not table.tell(PROJECT, {"leader": "kite"}, 1)
    assert table.told(PROJECT) == ({"leader": "jay"}, 2)
    assert table.told("climate-series") == ({}, 0)


def test_news_are_claimed_once_and_no_more_than_the_limit_a_day(table: BoardTable) -> None:
    day = AT.date()
    assert table.claim_news(PROJECT, "leader#owl", day, 2)
    assert not table.claim_news(PROJECT, "leader#owl", day, 2)
    assert not table.claim_news(PROJECT, "leader#owl", day + DAY, 2), "for ever"
    assert table.claim_news(PROJECT, "leader#jay", day, 2)
    assert not table.claim_news(PROJECT, "leader#kite", day, 2)
    assert table.claim_news(PROJECT, "final", day, 3), "a higher limit is a reserve"
    assert table.claim_news(PROJECT, "leader#kite", day + DAY, 2), "it was not told"
    assert table.claim_news("climate-series", "leader#owl", day, 2)
    assert not table.claim_news(PROJECT, "x", day + 2 * DAY, 0)


def test_racing_claims_of_one_message_are_one(client: Any) -> None:
    table = BoardTable("board", OneAtATime(client))
    won: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda n=n: won.append(table.claim_news(PROJECT, f"k{n % 4}", AT.date(), 3))
        )
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 3


# --- the last public board ------------------------------------------------------------------------
def test_a_kept_public_board_is_of_one_close(table: BoardTable) -> None:
    assert not table.kept(PROJECT, AT)
    table.keep(PROJECT, AT)
    assert table.kept(PROJECT, AT)
    assert not table.kept(PROJECT, AT + DAY)
    assert not table.kept("climate-series", AT)


# --- from before ----------------------------------------------------------------------------------
def test_items_from_before_these_members_are_read(table: BoardTable, client: Any) -> None:
    table.record(entry("owl", 0.5, **FULL), 5, HIGHER)
    old = ("pk", "sk", "key", "received", "public_score", "private_score", "note", "learner", "job")
    line = ("pk", "sk", "team", "best", "best_at", "note", "submissions", "version")
    for sort, item in everything(client).items():
        kept = {"entry": old, "team": line}.get(sort.partition("#")[0])
        if kept:
            client.put_item(TableName="board", Item={name: item[name] for name in kept})
    [found] = table.entries(PROJECT)
    assert (found.team, found.digest, found.late) == ("owl", "a".ljust(64, "0"), False)
    assert (found.cost, found.also, found.moved, found.shown) == (None, {}, True, 0.5)
    assert table.lines(PROJECT)[0].cost is None
    assert not table.record(entry("owl", 0.4, "b", AT + HOUR), 5, HIGHER).moved
    table.rescore(found, 0.3, 0.3, b"", {}, rescored="r")
    table.rebuild(PROJECT, HIGHER)
    assert table.lines(PROJECT)[0].best == 0.4
