"""`cohort competition open … log`: each act changes the table, is recorded, renews the board."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.services.competition.state import State
from infra.services.competition.store import BoardTable, Changed
from tests.cli.competition_world import NOW, PROJECT, TODAY, World, one_line, world_of

CALLER = "arn:aws:sts::123456789012:user/moto"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_of(tmp_path, monkeypatch) as found:
        yield found


def phase(world: World) -> str:
    return str(world.table.state(PROJECT).phase(world.settings, dt.datetime.now(dt.UTC)))


def test_a_freeze_is_recorded_with_who_and_why_and_stands_on_the_board(world: World) -> None:
    world.enter("falcon", 0.9)
    done = world.verb("freeze", PROJECT, why="the answers are wrong")
    assert done.exit_code == 0, done.output
    assert "frozen: the answers are wrong" in done.output
    assert phase(world) == "frozen"
    [act] = world.table.acts(PROJECT, 10)
    assert (act.why, act.who) == ("the answers are wrong", CALLER)
    assert abs(act.at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert world.board()["phase"] == "frozen"
    assert world.board()["reason"] == "the answers are wrong"
    again = world.verb("freeze", PROJECT)
    assert again.exit_code == 1
    assert "frozen" in again.output
    assert len(world.acts()) == 1


def test_without_a_reason_nothing_is_done(world: World) -> None:
    done = world.run("competition", "close", PROJECT)
    assert done.exit_code == 2
    assert "--why" in done.output
    assert phase(world) == "open"
    assert world.acts() == []


def test_after_a_freeze_it_goes_on_and_what_was_kept_is_scored(world: World) -> None:
    released: list[Any] = []
    world.functions.run["steward"] = released.append
    world.verb("freeze", PROJECT)
    world.table.hold(PROJECT, f"submissions/{PROJECT}/falcon/x.csv", "v1", NOW)
    done = world.verb("reopen", PROJECT, why="mended")
    assert done.exit_code == 0, done.output
    assert "1 submission that came meanwhile" in done.output
    assert released == [{}]
    assert phase(world) == "open"
    assert [why for _, why in world.acts()] == ["mended", "the reason"]


def test_without_a_steward_it_is_said_when_what_was_kept_is_scored(world: World) -> None:
    world.verb("freeze", PROJECT)
    world.table.hold(PROJECT, f"submissions/{PROJECT}/falcon/x.csv", "v1", NOW)
    done = world.verb("reopen", PROJECT)
    assert done.exit_code == 0, done.output
    assert "within the hour" in done.output


def test_it_is_closed_now_and_opened_again_until_a_day(world: World) -> None:
    world.enter("falcon", 0.9)
    done = world.verb("close", PROJECT)
    assert done.exit_code == 0, done.output
    assert "closed since" in done.output
    assert world.board()["phase"] == "closed"
    assert world.board()["final"]["entries"][0]["team"] == "falcon"
    bare = world.verb("reopen", PROJECT)
    assert bare.exit_code == 1
    assert phase(world) == "closed"
    until = TODAY + dt.timedelta(days=20)
    done = world.verb("reopen", PROJECT, "--until", str(until))
    assert done.exit_code == 0, done.output
    assert f"its last day is {until}" in done.output
    assert phase(world) == "open"


def test_it_is_extended_to_the_end_of_a_day(world: World) -> None:
    until = TODAY + dt.timedelta(days=20)
    done = world.verb("extend", PROJECT, str(until))
    assert done.exit_code == 0, done.output
    end = dt.datetime.combine(until + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)
    assert world.table.state(PROJECT).closes(world.settings) == end
    assert f"its last day is {until}" in done.output
    assert "no learner can send" not in done.output
    late = world.verb("extend", PROJECT, str(TODAY + dt.timedelta(days=60)))
    assert "after that day no learner can send" in one_line(late.output)


@pytest.mark.parametrize("day", ["soon", "2020-01-01", "2027-02-30"])
def test_a_day_that_is_none_or_past_changes_nothing(world: World, day: str) -> None:
    done = world.verb("extend", PROJECT, day)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert world.acts() == []


def test_it_is_opened_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world_of(tmp_path, monkeypatch, starts=3) as world:
        assert phase(world) == "before"
        done = world.verb("open", PROJECT)
        assert done.exit_code == 0, done.output
        assert phase(world) == "open"


def test_a_team_is_taken_off_the_board_and_put_back(world: World) -> None:
    world.enter("falcon", 0.9)
    world.enter("heron", 0.8)
    done = world.verb("disqualify", PROJECT, "heron", why="shared its code")
    assert done.exit_code == 0, done.output
    assert [each["team"] for each in world.board()["entries"]] == ["falcon"]
    assert world.board()["out"] == [{"team": "heron", "reason": "shared its code"}]
    done = world.verb("reinstate", PROJECT, "heron", why="it was a mistake")
    assert done.exit_code == 0, done.output
    assert [each["team"] for each in world.board()["entries"]] == ["heron", "falcon"]
    assert world.board()["out"] == []


def test_one_entry_is_taken_off_and_the_one_before_stands_again(world: World) -> None:
    world.enter("falcon", 0.9, days=2)
    better = world.enter("falcon", 0.5, days=1)
    world.publish()
    assert world.board()["entries"][0]["score"] == 0.5
    done = world.verb("disqualify", PROJECT, "falcon", "--entry", better.digest[:12])
    assert done.exit_code == 0, done.output
    assert world.board()["entries"][0]["score"] == 0.9
    done = world.verb("reinstate", PROJECT, "falcon", "--entry", better.digest[:12])
    assert done.exit_code == 0, done.output
    assert world.board()["entries"][0]["score"] == 0.5


def test_a_team_and_an_entry_that_there_are_not_are_refused_by_name(world: World) -> None:
    done = world.verb("disqualify", PROJECT, "owl")
    assert done.exit_code == 1
    assert "'owl' is no team of" in done.output
    done = world.verb("disqualify", PROJECT, "falcon", "--entry", "abc")
    assert "falcon has no entry in" in one_line(done.output)
    kept = world.enter("falcon", 0.9)
    done = world.verb("disqualify", PROJECT, "falcon", "--entry", "zz")
    assert kept.digest[:12] in done.output
    assert world.acts() == []


def test_what_the_board_shows_is_made_anew_from_the_entries(world: World) -> None:
    world.enter("falcon", 0.9, days=2)
    world.enter("falcon", 0.5, days=1)
    before = world.table.lines(PROJECT)
    world.table._client.update_item(
        TableName=world.names.board_table,
        Key={"pk": {"S": f"project#{PROJECT}"}, "sk": {"S": "team#falcon"}},
        UpdateExpression="SET best = :wrong",
        ExpressionAttributeValues={":wrong": {"N": "0.1"}},
    )
    assert world.table.lines(PROJECT)[0].best == 0.1
    done = world.verb("recompute", PROJECT)
    assert done.exit_code == 0, done.output
    [line], [was] = world.table.lines(PROJECT), before
    assert (line.best, line.best_at, line.digest) == (was.best, was.best_at, was.digest)
    assert world.acts() == [("recompute", "the reason")]


def test_an_act_holds_though_the_board_cannot_be_renewed(world: World) -> None:
    def fails(_event: dict[str, Any]) -> None:
        raise RuntimeError("\x1b[2Jno answers")

    world.functions.run["scorer"] = fails
    done = world.verb("freeze", PROJECT)
    assert done.exit_code == 0, done.output
    assert "It is recorded, and holds" in done.output
    assert "no answers" in done.output
    assert "\x1b" not in done.output
    assert phase(world) == "frozen"


def test_two_admins_at_once_lose_no_act(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    act, others = BoardTable.act, [("heron", "first")]

    def slow(self: BoardTable, project: str, before: State, *rest: Any) -> None:
        if others:
            team, why = others.pop()
            assert world.verb("disqualify", PROJECT, team, why=why).exit_code == 0
        act(self, project, before, *rest)

    monkeypatch.setattr(BoardTable, "act", slow)
    done = world.verb("disqualify", PROJECT, "falcon", why="second")
    assert done.exit_code == 0, done.output
    assert set(world.table.state(PROJECT).out) == {"falcon", "heron"}
    assert [why for _, why in world.acts()] == ["second", "first"]


def test_who_never_gets_a_turn_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: Any) -> None:
        raise Changed

    monkeypatch.setattr(BoardTable, "act", changed)
    done = world.verb("freeze", PROJECT)
    assert done.exit_code == 1
    assert "keeps being changed; try again" in one_line(done.output)


def test_the_time_is_awss_own_and_not_the_admins(world: World) -> None:
    class Identities:
        def get_caller_identity(self) -> dict[str, Any]:
            headers = {"date": "Fri, 01 Jan 2027 00:00:07 GMT"}
            answer = {"Arn": CALLER, "Account": "123456789012"}
            return answer | {"ResponseMetadata": {"HTTPHeaders": headers}}

    world.stands_in["sts"] = Identities()
    world.verb("recompute", PROJECT, why="first")
    world.verb("recompute", PROJECT, why="second")
    second, first = world.table.acts(PROJECT, 10)
    assert first.at == dt.datetime(2027, 1, 1, 0, 0, 7, tzinfo=dt.UTC)
    assert second.at - first.at == dt.timedelta(microseconds=1)
    assert (first.why, second.why) == ("first", "second"), "within one second, too"


def test_the_log_says_what_was_done_by_whom_and_why(world: World) -> None:
    assert "Nothing was done to it." in world.run("competition", "log", PROJECT).output
    world.verb("freeze", PROJECT, why="[red]wrong[/red] answers")
    world.verb("recompute", PROJECT, why="to see")
    done = world.run("competition", "log", PROJECT)
    assert done.exit_code == 0, done.output
    first, second = (line for line in done.output.splitlines() if CALLER in line)
    assert "recompute" in first
    assert "to see" in first
    assert "frozen: no -> yes" in second
    assert "[red]wrong[/red] answers" in second


def test_another_project_and_a_cohort_that_is_not_deployed_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = world.verb("freeze", "land-cover")
    assert done.exit_code == 1
    assert "'land-cover' is no project of" in done.output
    world.site.client("ssm").delete_parameter(Name=world.names.settings_parameter)
    done = world.verb("freeze", PROJECT)
    assert done.exit_code == 1
    assert "is earth-2026-fall deployed in this account" in one_line(done.output)


def test_entries_are_listed_with_the_ids_that_others_ask_for(world: World) -> None:
    first, second = world.enter("falcon", 0.9, days=3), world.enter("falcon", 0.8, days=2)
    other = world.enter("heron", 0.7, late=True)
    world.verb("disqualify", PROJECT, "falcon", "--entry", first.digest[:12])
    done = world.run("competition", "entries", PROJECT)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines() if line.strip()]
    assert [row[0] for row in rows[1:]] == [e.digest[:12] for e in (other, second, first)]
    assert ("late" in rows[1], "disqualified" in rows[3]) == (True, True)
    assert "private" not in rows[0], "it is open"
    own = world.run("competition", "entries", PROJECT, "heron").output
    assert other.digest[:12] in own
    assert second.digest[:12] not in own
    world.verb("close", PROJECT)
    closed = world.run("competition", "entries", PROJECT).output
    assert "private" in closed
    assert f"{second.private_score:.3f}" in closed


def test_a_disqualified_entry_stands_on_the_board_with_its_reason(world: World) -> None:
    entry = world.enter("falcon", 0.9)
    world.verb("disqualify", PROJECT, "falcon", "--entry", entry.digest[:12], why="not their own")
    out = {"team": "falcon", "entry": entry.digest[:12], "reason": "not their own"}
    assert world.board()["out_entries"] == [out]
    assert f"entry {entry.digest[:12]}" in world.get("site", f"{PROJECT}.html").decode()
