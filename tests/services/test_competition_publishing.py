"""Boards and pages from the table: marks as lines, races, and what the close brings."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.services.competition import publishing
from infra.services.competition import state as verbs
from infra.services.competition.entry import Entry
from infra.services.competition.final import Selection
from infra.services.competition.ladder import Ladder
from infra.services.competition.problems import Misconfigured
from infra.services.competition.projects.climate_series import ClimateSeries, record
from infra.services.competition.projects.project import Line
from infra.services.competition.publishing import TURN_SECONDS, publish, with_marks
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.state import State
from infra.services.competition.store import BoardTable
from tests.services.test_competition_store import OneAtATime, client, table

__all__ = ["client", "table"]

PROJECT = "climate-series"
SERIES = ClimateSeries()
LADDER = Ladder("lower", SERIES)
WHO = "arn:aws:iam::123456789012:user/shelley"
SETTINGS = CompetitionSettings(
    "earth", (PROJECT,), dt.date(2026, 11, 30), dt.date(2027, 3, 15), 5, "us-east-1"
)
AT = dt.datetime(2027, 1, 9, 9, 0, tzinfo=dt.UTC)
CLOSES = SETTINGS.closes_at
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


class Site:
    """Pages in memory; `meanwhile` is done once the first is written."""

    def __init__(self, meanwhile: Callable[[], object] | None = None) -> None:
        self.pages: dict[str, str] = {}
        self.written: list[str] = []
        self.meanwhile = meanwhile

    def answers(self, project: str, name: str) -> bytes:
        # As of a project that was published before its board had rivals.
        raise Misconfigured(f"vault has no answers/{project}/{name}; run: cohort publish")

    def put_page(self, key: str, text: str) -> None:
        self.pages[key] = text
        self.written.append(key)
        if self.meanwhile:
            self.meanwhile()

    def board(self, name: str = PROJECT) -> Any:
        return json.loads(self.pages[f"boards/{name}.json"])


def entry(team: str, public: float, private: float, at: dt.datetime = AT, **more: Any) -> Entry:
    """An entry with these logarithmic ratios on all series alike."""
    parts = {
        part: {f"s{n:02}": of + n % 5 / 10 + n % 3 / 500 for n in range(12)}
        for part, of in (("public", public), ("private", private))
    }
    scores = [SERIES.score_of([sum(logs.values()), len(logs)]) for logs in parts.values()]
    name = hashlib.sha256(f"{team} {public} {private}".encode()).hexdigest()[:16]
    key = f"submissions/{PROJECT}/{team}/{name}.csv"
    given = {"note": "n", "learner": "ana", "job": "", "record": record(parts)} | more
    return Entry(PROJECT, team, name.ljust(64, "0"), key, at, *scores, **given)


def renew(table: BoardTable, site: Site | None = None, at: dt.datetime = AT) -> Site:
    site = site or Site()
    found = publish(PROJECT, SETTINGS, site, table, lambda: at)
    assert site.board() == json.loads(json.dumps(found))
    return site


def do(table: BoardTable, verb: Any, at: dt.datetime = AT, **more: Any) -> None:
    before = table.state(PROJECT)
    after, act = verb(before, SETTINGS, at=at, who=WHO, why="because", **more)
    table.act(PROJECT, before, after, act)


@pytest.fixture
def three(table: BoardTable) -> list[Entry]:
    """owl leads on the public part, and jay on the private one."""
    entries = [entry("owl", -0.6, -0.1), entry("jay", -0.3, -0.9), entry("kite", 0.0, 0.0)]
    return [table.record(each, 5, LADDER) for each in entries]


def teams(board: Any) -> list[str]:
    return [each["team"] for each in board["entries"]]


# --- while it goes on -----------------------------------------------------------------------------
def test_a_board_and_its_pages_are_written_from_the_table(
    table: BoardTable, three: list[Entry]
) -> None:
    site = renew(table)
    assert site.written == [f"boards/{PROJECT}.json", f"{PROJECT}.html", "index.html"]
    found = site.board()
    assert (found["phase"], found["opens"], found["closes"]) == (
        "open",
        "2026-11-30T00:00:00Z",
        "2027-03-16T00:00:00Z",
    )
    assert teams(found) == ["owl", "jay", "kite"]
    assert [e["left_today"] for e in found["entries"]] == [4, 4, 4]
    assert "owl" in site.pages[f"{PROJECT}.html"]
    tomorrow = renew(table, at=AT + DAY).board()
    assert [e["left_today"] for e in tomorrow["entries"]] == [5, 5, 5]


def test_nothing_of_the_private_part_is_written_before_the_close(
    table: BoardTable, three: list[Entry]
) -> None:
    table.record_mark(entry("expert", -1.0, -1.2345))
    site = renew(table, at=CLOSES - dt.timedelta(seconds=1))
    text = "".join(site.pages.values())
    for kept in (*three, *table.marks(PROJECT).values()):
        if f"{kept.private_score:.3f}" != f"{kept.public_score:.3f}":
            assert f"{kept.private_score:.3f}" not in text
    assert "final" not in site.board()


def test_a_freeze_stands_on_the_board_with_its_reason(
    table: BoardTable, three: list[Entry]
) -> None:
    before = renew(table).board()
    do(table, verbs.freeze)
    found = renew(table).board()
    assert (found["phase"], found["reason"]) == ("frozen", "because")
    assert found["entries"] == before["entries"]
    assert renew(table, at=CLOSES + DAY).board()["phase"] == "frozen"
    assert "final" not in renew(table, at=CLOSES + DAY).board()


# --- many at once ---------------------------------------------------------------------------------
def after_recording(
    table: BoardTable, site: Site, now: dt.datetime = AT, pause: Callable[[float], object] = id
) -> Any:
    """What a scorer does whose entry is in the table."""
    return publish(
        PROJECT, SETTINGS, site, table, lambda: now, always=False, pause=lambda s: void(pause(s))
    )


def void(_: object) -> None:
    return None


def test_who_finds_its_entry_on_the_board_writes_nothing(
    table: BoardTable, three: list[Entry]
) -> None:
    site = renew(table)
    site.written.clear()
    assert after_recording(table, site) is None
    assert site.written == []
    table.record(entry("heron", -2.0, -2.0), 5, LADDER)
    assert "heron" in teams(after_recording(table, site))


def test_an_entry_that_comes_while_another_writes_is_not_taken_for_written(
    table: BoardTable, three: list[Entry]
) -> None:
    late = [entry("heron", -2.0, -2.0)]
    site = Site(lambda: late and table.record(late.pop(), 5, LADDER))
    renew(table, site)
    assert "heron" not in teams(site.board())
    assert after_recording(table, site) is not None
    assert "heron" in teams(site.board())


def test_one_writes_at_a_time_and_for_all_who_wait(client: Any) -> None:
    """Twenty scorers at once, each with an entry: none goes before its entry is on the board, and
    far fewer boards than entries are written."""
    table = BoardTable("board", OneAtATime(client))
    site, lock, writing, most = Site(), threading.Lock(), [0], [0]
    missed: list[str] = []
    start = threading.Barrier(20, timeout=30)

    def slowly() -> None:
        with lock:
            writing[0] += 1
            most[0] = max(most[0], writing[0])
        time.sleep(0.02)
        with lock:
            writing[0] -= 1

    site.meanwhile = slowly

    def scorer(number: int) -> None:
        team = f"team-{number:02}"
        start.wait()
        table.record(entry(team, -number / 100, 0.0), 5, LADDER)
        after_recording(table, site, pause=lambda seconds: time.sleep(seconds / 20))
        if team not in teams(site.board()):
            missed.append(team)

    threads = [threading.Thread(target=scorer, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert most == [1]
    assert 1 <= site.written.count("index.html") <= 5


def test_the_turn_of_one_that_died_is_over_after_a_while(
    table: BoardTable, three: list[Entry]
) -> None:
    assert table.take_turn(PROJECT, AT, TURN_SECONDS)
    clock = [AT]

    def wait(seconds: float) -> None:
        clock[0] += dt.timedelta(seconds=seconds)

    site = Site()
    found = publish(PROJECT, SETTINGS, site, table, lambda: clock[0], always=False, pause=wait)
    assert found is not None
    assert clock[0] - AT >= dt.timedelta(seconds=TURN_SECONDS)


def test_who_fails_gives_the_turn_back_and_claims_nothing(
    table: BoardTable, three: list[Entry]
) -> None:
    def fail() -> None:
        raise OSError("the bucket is gone")

    with pytest.raises(OSError, match="bucket"):
        renew(table, Site(fail))
    assert table.published(PROJECT) == 0
    assert after_recording(table, Site()) is not None


def test_who_was_so_slow_that_the_turn_was_over_writes_again(
    table: BoardTable, three: list[Entry]
) -> None:
    """Its older page may have replaced a newer one."""
    clock, slept = [AT], [False]
    other = Site()

    def sleep() -> None:
        if slept[0]:
            return
        slept[0] = True
        clock[0] += dt.timedelta(seconds=2 * TURN_SECONDS)
        table.record(entry("heron", -2.0, -2.0), 5, LADDER)
        after_recording(table, other, now=clock[0])

    site = Site(sleep)
    publish(PROJECT, SETTINGS, site, table, lambda: clock[0])
    assert "heron" in teams(other.board())
    assert "heron" in teams(site.board())
    assert site.written.count("index.html") == 2


def test_a_turn_that_never_comes_is_an_error(table: BoardTable, three: list[Entry]) -> None:
    table.take_turn(PROJECT, AT, TURN_SECONDS)
    with pytest.raises(RuntimeError, match="turn"):
        after_recording(table, Site())


# --- who is out -----------------------------------------------------------------------------------
def test_a_disqualified_team_is_named_and_comes_back(table: BoardTable, three: list[Entry]) -> None:
    before = renew(table).board()
    do(table, verbs.disqualify, team="owl")
    found = renew(table).board()
    assert (teams(found), found["out"]) == (
        ["jay", "kite"],
        [{"team": "owl", "reason": "because"}],
    )
    do(table, verbs.reinstate, team="owl")
    assert renew(table).board()["entries"] == before["entries"]


def test_a_team_whose_shown_entry_is_disqualified_is_shown_with_its_next(
    table: BoardTable, three: list[Entry]
) -> None:
    best = table.record(entry("owl", -1.2, -1.2, AT + HOUR), 5, LADDER)
    assert best.moved
    do(table, verbs.disqualify, team="owl", digest=best.digest)
    found = renew(table).board()
    assert found["out"] == []
    [owl] = [e for e in found["entries"] if e["team"] == "owl"]
    assert owl["score"] == round(three[0].public_score, 3)
    assert owl["submissions"] == 2


# --- marks ----------------------------------------------------------------------------------------
FIXED = (Line("floor: naive", 1.0), Line("expert: of the vault", 0.7), Line("ceiling", 0.1))


def test_a_mark_takes_the_place_of_the_line_of_its_kind() -> None:
    expert, baseline = entry("expert", -1.0, -1.1, note="a forest"), entry("baseline", 0.1, 0.2)
    found = with_marks(SERIES, FIXED, {"expert": expert, "baseline": baseline}, State())
    assert [line.name for line in found] == [
        "floor: naive",
        "ceiling",
        "baseline: n",
        "expert: a forest",
    ]
    line = found[-1]
    assert (line.score, line.private) == (expert.public_score, expert.private_score)
    assert line.units == SERIES.units(expert.record, "public")
    assert line.private_units == SERIES.units(expert.record, "private")
    assert len(line.units) == 12
    bare = with_marks(SERIES, FIXED, {"expert": entry("expert", 0, 0, note="")}, State())
    assert bare[-1].name == "expert"


@pytest.mark.parametrize(
    ("state", "more"),
    [
        (State(out={"expert": "x"}), {}),
        (State(out={f"expert/{entry('expert', -1.0, -1.1).digest}": "x"}), {}),
        (State(), {"fault": "A class is 9."}),
    ],
)
def test_a_mark_that_does_not_count_leaves_the_line_that_was(
    state: State, more: dict[str, str]
) -> None:
    expert = entry("expert", -1.0, -1.1, **more)
    assert with_marks(SERIES, FIXED, {"expert": expert}, state) == FIXED


def test_with_both_marks_a_board_says_how_much_of_the_gap_is_closed(
    table: BoardTable, three: list[Entry]
) -> None:
    assert all(e["gap_closed"] is None for e in renew(table).board()["entries"])
    table.record_mark(entry("baseline", 0.2, 0.3))
    table.record_mark(entry("expert", -0.6, -1.0))
    found = renew(table).board()
    by_team = {e["team"]: e for e in found["entries"]}
    assert by_team["owl"]["gap_closed"]["value"] == 1.0
    assert by_team["owl"]["near_expert"] is True
    assert 0 < by_team["kite"]["gap_closed"]["value"] < 0.5
    assert teams(found) == ["owl", "jay", "kite"], "marks are no teams"
    final = {
        e["team"]: e["gap_closed"] for e in renew(table, at=CLOSES).board()["final"]["entries"]
    }
    assert 0.8 < final["jay"]["value"] < 1.0


# --- the close ------------------------------------------------------------------------------------
def test_the_close_brings_the_final_standings(table: BoardTable, three: list[Entry]) -> None:
    found = renew(table, at=CLOSES).board()
    assert found["phase"] == "closed"
    assert teams(found) == ["owl", "jay", "kite"], "the public board stays as it was"
    assert teams(found["final"]) == ["jay", "owl", "kite"]
    jay = found["final"]["entries"][0]
    assert (jay["score"], jay["chosen"]) == (round(three[1].private_score, 3), "auto")
    assert jay["score_low"] is not None, "the record of the entry that counts was read"
    assert found["final"]["explained"]


def test_selected_entries_decide_and_late_ones_do_not(
    table: BoardTable, three: list[Entry]
) -> None:
    for number, public in enumerate((-0.7, -0.8)):
        table.record(entry("owl", public, 0.5, AT + number * HOUR), 5, LADDER)
    late = entry("owl", -3.0, -3.0, CLOSES + HOUR, late=True)
    table.record(late, 5, LADDER)
    auto = renew(table, at=CLOSES + HOUR).board()["final"]
    assert teams(auto) == ["jay", "kite", "owl"]
    assert auto["entries"][2]["missed"] == round(three[0].private_score, 3)
    table.select(PROJECT, "owl", Selection((three[0].digest,), AT, "ana"))
    chosen = renew(table, at=CLOSES + HOUR).board()["final"]
    assert teams(chosen) == ["jay", "owl", "kite"]
    owl = chosen["entries"][1]
    assert (owl["chosen"], owl["missed"], owl["entry"]) == ("mixed", None, three[0].digest[:12])


def test_who_is_out_is_not_in_the_final(table: BoardTable, three: list[Entry]) -> None:
    do(table, verbs.disqualify, team="jay")
    do(table, verbs.disqualify, team="kite", digest=three[2].digest)
    found = renew(table, at=CLOSES).board()
    assert (teams(found), teams(found["final"])) == (["owl"], ["owl"])


def public_board(site: Site) -> Any:
    return site.board(f"{PROJECT}.public")


def test_the_last_public_board_is_kept_as_it_was(table: BoardTable, three: list[Entry]) -> None:
    site = renew(table, at=CLOSES)
    kept = public_board(site)
    assert "final" not in kept
    assert teams(kept) == ["owl", "jay", "kite"]
    # What came in time may be scored a little later.
    table.record(entry("heron", -0.5, -0.5, CLOSES - HOUR), 5, LADDER)
    assert "heron" in teams(public_board(renew(table, site, CLOSES + HOUR)))
    kept = public_board(site)
    do(table, verbs.disqualify, CLOSES + 3 * DAY, team="owl")
    renew(table, site, CLOSES + 3 * DAY)
    assert teams(site.board()) == ["heron", "jay", "kite"]
    assert public_board(site) == kept


def test_the_last_public_board_is_kept_however_late_the_first_writing_is(
    table: BoardTable, three: list[Entry]
) -> None:
    assert f"boards/{PROJECT}.public.json" not in renew(table, at=CLOSES - HOUR).pages
    assert public_board(renew(table, at=CLOSES + 30 * DAY))["phase"] == "closed"
    assert f"boards/{PROJECT}.public.json" not in renew(table, at=CLOSES + 31 * DAY).pages


def test_a_competition_that_went_on_keeps_the_public_board_of_its_last_close(
    table: BoardTable, three: list[Entry]
) -> None:
    site = renew(table, at=CLOSES + 2 * DAY)
    do(table, verbs.reopen, CLOSES + 2 * DAY, until=CLOSES.date() + 5 * DAY)
    assert "final" not in renew(table, site, CLOSES + 3 * DAY).board()
    table.record(entry("heron", -2.0, -2.0, CLOSES + 3 * DAY), 5, LADDER)
    assert teams(public_board(site)) == ["owl", "jay", "kite"]
    renew(table, site, CLOSES + 30 * DAY)
    assert teams(public_board(site))[0] == "heron"


def test_a_crash_before_it_is_noted_writes_the_public_board_again(
    table: BoardTable, three: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(BoardTable, "keep", crash)
        with pytest.raises(ConnectionError):
            renew(table, at=CLOSES + 2 * publishing.SETTLING)
    again = renew(table, at=CLOSES + 3 * publishing.SETTLING)
    assert teams(public_board(again)) == ["owl", "jay", "kite"]
