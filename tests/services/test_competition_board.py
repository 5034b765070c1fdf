"""The board as data: the course of the competition, who is out, what an entry took."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from infra.services.competition import board
from infra.services.competition.board import Course
from infra.services.competition.entry import TeamLine
from infra.services.competition.projects.climate_series import ClimateSeries, record
from infra.services.competition.projects.project import Line

AT = dt.datetime(2026, 12, 1, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
RULES = board.Rules(
    "MASE", "lower", "1 is naive", "months", (Line("floor: naive", 1.0, private=1.1),), 5
)


def line(team: str, best: float, **more: Any) -> TeamLine:
    return TeamLine(team, best, AT, "", 3, 3, digest=f"{team}-digest", **more)


def document(*lines: TeamLine, **more: Any) -> Any:
    found = board.document("climate-series", RULES, lines, AT, **more)
    assert json.loads(json.dumps(found)) == found, "it is plain JSON"
    return found


def test_a_board_says_where_the_competition_stands() -> None:
    course = Course(
        phase="frozen",
        opens=dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
        closes=dt.datetime(2027, 3, 16, tzinfo=dt.UTC),
        reason="the metric is wrong",
    )
    found = document(course=course)
    members = {name: found[name] for name in ("phase", "opens", "closes", "reason", "out")}
    assert members == {
        "phase": "frozen",
        "opens": "2026-11-30T00:00:00Z",
        "closes": "2027-03-16T00:00:00Z",
        "reason": "the metric is wrong",
        "out": [],
    }
    # The day is UTC's.
    assert (found["day"], found["updated"]) == ("2026-12-02", "2026-12-02T04:30:00Z")
    assert "final" not in found


@pytest.mark.parametrize(("used", "left"), [({}, 5), ({"owl": 2}, 3), ({"owl": 9, "jay": 1}, 0)])
def test_an_entry_says_what_is_left_today(used: dict[str, int], left: int) -> None:
    [entry] = document(line("owl", 0.5), course=Course(used=used))["entries"]
    assert entry["left_today"] == left


def test_an_entry_says_what_it_took_and_what_else_was_measured() -> None:
    also = {"WQL": 0.123456, "coverage of the 80 % interval": 0.8}
    took = {"instance": "ml.g5.xlarge", "cost": 1_408_000, "gpu_hours": 1.0}
    one, two, none = document(
        line("owl", 0.5, instances=1, also=also, **took),
        line("jay", 0.6, instances=2, **took),
        line("kite", 0.7),
    )["entries"]
    assert (one["instance"], one["cost_micro_usd"], one["gpu_hours"]) == (
        "ml.g5.xlarge",
        1_408_000,
        1.0,
    )
    assert one["also"] == {"WQL": 0.123, "coverage of the 80 % interval": 0.8}
    assert two["instance"] == "2 x ml.g5.xlarge"
    unknown = [none[name] for name in ("instance", "cost_micro_usd", "gpu_hours", "also")]
    assert unknown == ["", None, None, {}]


def test_who_is_out_is_named_with_the_reason_and_stands_nowhere() -> None:
    lines = [line(team, score) for team, score in (("owl", 0.4), ("jay", 0.5), ("kite", 0.6))]
    out = {"owl": "shared <b>answers</b>", "jay/jay-digest": "copied", "kite/other": "copied"}
    found = document(*lines, course=Course(out=out))
    assert found["out"] == [{"team": "owl", "reason": "shared <b>answers</b>"}]
    assert [(e["rank"], e["team"]) for e in found["entries"]] == [(1, "kite")]
    assert {move["team"] for move in found["history"]} == {"kite"}


def test_who_is_out_changes_no_interval_of_the_others() -> None:
    rules = replace(RULES, evidence=ClimateSeries())

    def sure(team: str, of: float) -> TeamLine:
        logs = {f"s{at}": of + at % 3 / 10 for at in range(8)}
        kept = record({"public": logs, "private": logs})
        return replace(line(team, 2.7**of), record=kept)

    lines = [sure("owl", -0.5), sure("jay", -0.5), sure("kite", 0.0)]
    without = board.document("x", rules, lines[1:], AT)
    out = Course(out={"owl": "x"})
    assert board.document("x", rules, lines, AT, out)["entries"] == without["entries"]
    assert board.document("x", rules, lines, AT)["entries"][0]["tied_with"] == ["owl"]


def test_the_public_board_shows_no_private_score() -> None:
    found = document(line("owl", 0.5))
    assert found["lines"] == [{"name": "floor: naive", "score": 1.0, "kind": "floor"}]
    assert "1.1" not in json.dumps(found)


def test_the_final_is_in_the_document_as_it_was_given() -> None:
    final = {"entries": [], "explained": ["x"]}
    assert document(course=Course(phase="closed"), final=final)["final"] == final


def test_marks_of_the_private_part_are_those_that_are_known_of_it() -> None:
    lines = [Line("expert: a", 0.5, private=0.0), Line("ceiling: b", 0.4), *RULES.lines]
    assert board.marks(lines, "private") == [
        {"name": "expert: a", "score": 0.0, "kind": "expert"},
        {"name": "floor: naive", "score": 1.1, "kind": "floor"},
    ]
    assert len(board.marks(lines, "public")) == 3


def test_what_else_is_known_of_a_line_is_told_of_the_public_part_alone() -> None:
    also = {"WQL": 0.123456, "coverage of the 80 % interval": 0.8}
    lines = [Line("rival: x", 0.5, private=0.7, also=also)]
    [public] = board.marks(lines, "public")
    assert public["also"] == {"WQL": 0.123, "coverage of the 80 % interval": 0.8}
    assert board.marks(lines, "private") == [{"name": "rival: x", "score": 0.7, "kind": "other"}]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("expert", "expert"),
        ("Expert : forest", "expert"),
        ("baseline: U-Net: 12 bands", "baseline"),
        ("ceiling", "ceiling"),
        ("experts", "other"),
        ("", "other"),
    ],
)
def test_a_line_is_of_the_kind_that_its_name_begins_with(name: str, kind: str) -> None:
    assert board.kind(name) == kind
