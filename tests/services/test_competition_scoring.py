"""Hostile files, the metric, and the board as data."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import board, provenance, ranking
from infra.services.competition.board import TeamLine
from infra.services.competition.checking import climate_series as checks
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects.climate_series import (
    LEAST_RATIO,
    MOST_RATIO,
    Answers,
    ClimateSeries,
    record,
    score,
)
from infra.services.competition.projects.project import Line, Result
from infra.services.competition.submission import Sender, Upload, sender_of

AT = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
ANSWERS_CSV = """series,step,value,part
co2,10,1.0,public
co2,11,2.0,public
co2,12,3.0,private
sst,20,-1.0,public
sst,21,0.5,private
sst,22,0.25,private
"""
SCALES: dict[str, Any] = {
    "co2": {"mase_scale": 2.0, "naive_mase_public": 0.5, "naive_mase_private": 1.0},
    "sst": {"mase_scale": 0.5, "naive_mase_public": 2.0, "naive_mase_private": 1.0},
}
ANSWERS = Answers.read(ANSWERS_CSV, json.dumps(SCALES))
TASK = b'{"horizon": 3, "series": ["co2", "sst"], "first_step": {"co2": 10, "sst": 20}}'
STEPS = checks.steps_of(TASK)
RIGHT = "series,step,value\nco2,10,2\nco2,11,3\nco2,12,4\nsst,20,0\nsst,21,0.5\nsst,22,0.25\n"


def forecasts(content: bytes) -> dict[tuple[str, int], float]:
    return {point: each.value for point, each in checks.forecasts(content, STEPS).items()}


def scored(content: bytes) -> Result:
    sealed = {"answers.csv": ANSWERS_CSV.encode(), "scales.json": json.dumps(SCALES).encode()}
    checked = checks.check(content, TASK)
    return SERIES.score(checked.members, checked.stream(), sealed.__getitem__)


def rows(text: str = RIGHT, **changes: str) -> bytes:
    """A right file with some lines, by their number, changed."""
    lines = text.split("\n")
    for number, line in changes.items():
        lines[int(number[1:])] = line
    return "\n".join(lines).encode()


# --- the file -------------------------------------------------------------------------------------


def test_a_right_file_is_read_in_any_order_and_with_any_line_ends() -> None:
    expected = forecasts(RIGHT.encode())
    assert expected["sst", 22] == 0.25
    head, *body = RIGHT.strip().split("\n")
    random.Random(1).shuffle(body)  # noqa: S311
    assert forecasts("\r\n".join([head, *body]).encode()) == expected
    assert forecasts(b"\xef\xbb\xbf" + RIGHT.encode()) == expected
    assert forecasts(RIGHT.replace("co2,10,2", '"co2","10","2e0"').encode()) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x80\x04\x95pickle", "not UTF-8"),
        (b"PK\x03\x04" + bytes(100), "NUL"),
        (RIGHT.encode("utf-16"), "not UTF-8"),
        (b"x" * 1_000_001, "larger than 1,000,000 bytes"),
        (b"value,step,series\n", "expected exactly series,step,value"),
        (b"series;step;value\n", "expected exactly series,step,value"),
        (rows(l3="co2,12,four"), "row 3: value 'four' is not a number."),
        (rows(l3="co2,12,nan"), "row 3: value 'nan' is not a number."),
        (rows(l3="co2,12,-inf"), "row 3: value '-inf' is not a number."),
        (rows(l3="co2,12,"), "row 3: value '' is not a number."),
        (rows(l3="co2,12, 4"), "row 3: value ' 4' is not a number."),
        (rows(l3="co2,12,1_000"), "is not a number"),
        (rows(l3="co2,12,0x10"), "is not a number"),
        (rows(l3="co2,12,٣"), "is not a number"),
        (rows(l3="co2,12,1e999"), "row 3: value '1e999' is beyond 1e+09."),
        (rows(l3="co2,12,-1e10"), "is beyond"),
        (rows(l3="co2,12,1e9999999999"), "is not a number"),
        (rows(l3="co2,12," + "9" * 100_000), "is not a number"),
        (rows(l3="co2,12,=cmd|' /C calc'!A0"), "is not a number"),
        (rows(l3="co2,12,4,5"), "row 3: 4 values; expected 3: series, step, value."),
        (rows(l3="co2,12"), "row 3: 2 values"),
        (rows(l3=""), "row 3: 0 values"),
        (rows(l3='co2,12,"4'), "row 3: not CSV"),
        (rows(l3='co2,12,"4"x'), "row 3: not CSV"),
        (rows(l3="CO2,12,4"), "row 3: series 'CO2' is unknown; expected one of co2, sst."),
        (rows(l3="<script>,12,4"), "row 3: series '<script>' is unknown"),
        (rows(l3="co2,13,4"), "row 3: step 13 of co2 is not asked for; expected steps 10 to 12."),
        (rows(l3="co2,1e1,4"), "row 3: step '1e1' is not a whole number."),
        (rows(l3="co2,-1,4"), "is not a whole number"),
        (rows(l3="co2," + "1" * 5000 + ",4"), "is not a whole number"),
        (rows(l3="co2,11,4"), "row 3: series co2, step 11 stands twice."),
        (RIGHT.encode() + b"co2,10,2\n", "row 7: series co2, step 10 stands twice."),
        (RIGHT[:-14].encode(), "1 of 6 rows are missing; the first is series sst, step 22."),
        (b"series,step,value\n", "6 of 6 rows are missing; the first is series co2, step 10."),
        (b"series,step,value\n" + b"\n" * 100_000, "row 1: 0 values"),
        (b"series,step,value\n" + b"," * 900_000, "row 1: 900001 values"),
        (b'series,step,value\n"' + b"a" * 900_000, "row 1: not CSV"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(content: bytes, words: str) -> None:
    with pytest.raises(Fault) as fault:
        forecasts(content)
    assert words in str(fault.value)
    assert len(str(fault.value)) < 300
    assert str(fault.value).isascii()


@given(st.binary(max_size=300) | st.text(alphabet='",\nco2sst10.e-', max_size=200).map(str.encode))
def test_no_file_takes_the_scorer_down(content: bytes) -> None:
    with pytest.raises(Fault):
        forecasts(b"series,step,value\n" + content)


def test_the_sender_is_in_the_key() -> None:
    sender = sender_of("submissions/climate-series/falcon/20261201T090000Z-0123456789ab.csv")
    assert sender == Sender("climate-series", "falcon", "20261201T090000Z-0123456789ab.csv")
    assert sender.receipt == (
        "receipts/climate-series/falcon/20261201T090000Z-0123456789ab.csv.json"
    )


@pytest.mark.parametrize(
    "key",
    [
        "submissions/climate-series/falcon/",
        "submissions/climate-series/falcon/a/b.csv",
        "submissions/climate-series/../x.csv",
        "submissions/climate-series/falcon/..",
        "submissions/climate-series/Falcon/x.csv",
        "submissions/climate-series/falcon\n/x.csv",
        "submissions//falcon/x.csv",
        "receipts/climate-series/falcon/x.csv",
        f"submissions/climate-series/falcon/{'x' * 200}",
        "submissions/climate-series/falcon/<b>.csv",
        "",
    ],
)
def test_other_keys_are_nobodys(key: str) -> None:
    assert sender_of(key) is None


def test_what_the_sender_says_is_cut_to_what_can_be_shown() -> None:
    upload = Upload(
        "k",
        b"",
        AT,
        {
            "note": "%3Cb%3E two%0D%0Alines \u202e" + "x" * 500,
            "learner": "../ana",
            "job": "earth--falcon--ana--aaaaaaaa",
        },
    )
    assert upload.note.startswith("<b> two lines x")
    assert len(upload.note) == 200
    assert upload.learner == ""
    assert upload.job == "earth--falcon--ana--aaaaaaaa"
    assert Upload("k", b"", AT, {"job": "x" * 100, "learner": "ana"}).job == ""


# --- the metric -----------------------------------------------------------------------------------


def test_the_score_is_the_geometric_mean_of_relative_mase() -> None:
    found = forecasts(RIGHT.encode())
    # co2: mean error 1, MASE 1/2, relative 1. sst: error 1, MASE 2, relative 1.
    assert score(found, ANSWERS, "public") == pytest.approx(1.0)
    # co2: error 1, MASE 1/2, relative 1/2. sst: without error, which counts as LEAST_RATIO.
    assert score(found, ANSWERS, "private") == pytest.approx(math.sqrt(0.5 * LEAST_RATIO))


@pytest.mark.parametrize("part", ["public", "private"])
def test_the_series_of_a_part_add_up_to_its_score(part: Any) -> None:
    result = scored(RIGHT.encode())
    units = SERIES.units(result.record, part)
    assert set(units) == {"co2", "sst"}
    sums = [math.fsum(column) for column in zip(*units.values(), strict=True)]
    assert SERIES.score_of(sums) == getattr(result, part)
    assert SERIES.units(b"", part) == {}


def test_one_series_without_error_does_not_make_the_whole_score_zero() -> None:
    exact = {point: value for point, (value, _) in ANSWERS.points.items()}
    assert score(exact, ANSWERS, "public") == pytest.approx(LEAST_RATIO)


def test_the_score_does_not_depend_on_the_order_of_the_rows() -> None:
    generator = random.Random(7)  # noqa: S311
    points = {("a", step): (generator.gauss(0, 1), "public") for step in range(500)}
    points |= {("a", step): (0.0, "private") for step in range(500, 502)}
    scale = {"a": {"mase_scale": 0.7, "naive_mase_public": 1.1, "naive_mase_private": 1.0}}
    csv_text = "series,step,value,part\n" + "".join(
        f"{s},{t},{v!r},{part}\n" for (s, t), (v, part) in points.items()
    )
    answers = Answers.read(csv_text, json.dumps(scale))
    found = {point: generator.gauss(0, 1) for point in points}
    mixed = list(answers.points.items())
    generator.shuffle(mixed)
    assert score(found, answers, "public") == score(
        found, Answers(dict(mixed), answers.scales), "public"
    )


@pytest.mark.parametrize(
    ("answers", "scales", "words"),
    [
        (ANSWERS_CSV, {"co2": SCALES["co2"]}, "different series"),
        (ANSWERS_CSV.replace("co2,12,3.0,private", "co2,12,3.0,public"), SCALES, "lacks a part"),
        (ANSWERS_CSV.replace("3.0", "nan"), SCALES, "row 3"),
        (ANSWERS_CSV.replace("private", "secret"), SCALES, "row 3"),
        (ANSWERS_CSV.replace("12,3.0", "11,3.0"), SCALES, "row 3"),
        ("series,step\nco2,1\n", SCALES, "value"),
        (ANSWERS_CSV, {**SCALES, "co2": {**SCALES["co2"], "mase_scale": 0}}, "not above 0"),
        (
            ANSWERS_CSV,
            {**SCALES, "co2": {**SCALES["co2"], "naive_mase_public": 0.0}},
            "not above 0",
        ),
        (ANSWERS_CSV, {**SCALES, "co2": {"mase_scale": 1}}, "naive_mase_public"),
        (ANSWERS_CSV, [], "held-out"),
    ],
)
def test_answers_that_cannot_score_are_a_fault_of_the_deployment(
    answers: str, scales: Any, words: str
) -> None:
    with pytest.raises(Misconfigured, match=words):
        Answers.read(answers, json.dumps(scales))


# --- the board ------------------------------------------------------------------------------------


SERIES = ClimateSeries()
RULES = board.Rules(
    SERIES.metric,
    SERIES.better,
    SERIES.hint,
    SERIES.scored_on,
    (Line("floor: seasonal naive", 1.0),),
)


def line(team: str, best: float, minutes: int = 0, note: str = "") -> TeamLine:
    return TeamLine(team, best, AT + dt.timedelta(minutes=minutes), note, 3, 3)


def test_the_best_stands_first_and_equals_share_a_rank() -> None:
    found = board.document(
        "climate-series",
        RULES,
        [line("owl", 0.91), line("kite", 0.80004, 9), line("falcon", 0.80001, 3), line("jay", 1.5)],
        AT,
    )
    places = [(e["rank"], e["team"], e["score"]) for e in found["entries"]]
    assert places == [(1, "falcon", 0.8), (1, "kite", 0.8), (3, "owl", 0.91), (4, "jay", 1.5)]
    assert found["lines"] == [{"name": "floor: seasonal naive", "score": 1.0, "kind": "floor"}]
    assert found["better"] == "lower"
    assert found["updated"] == "2026-12-01T09:00:00Z"


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ("", ""),
        ("unknown", "unknown"),
        (f"1.dkr.ecr.eu-west-1.amazonaws.com/a/b@sha256:{'f' * 64}", "a/b@ffffffffffff"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/a:1.2-x", "a:1.2-x"),
        (f"1.dkr.ecr.eu-west-1.amazonaws.com/a@sha256:{'f' * 63}", "unknown"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/a", "unknown"),
        ("a:1", "unknown"),
        ("registry/<script>:1", "unknown"),
        ("registry/a:1\n", "unknown"),
        ("registry/a:1 onclick=x", "unknown"),
        ("\u202eregistry/a:1", "unknown"),
        ("registry/" + "a" * 5000 + ":1", "unknown"),
    ],
)
def test_an_image_is_shown_by_repository_and_digest_or_tag(image: str, shown: str) -> None:
    assert provenance.short(image) == shown


def test_the_board_shows_where_the_best_came_from() -> None:
    image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/academy/x-cpu@sha256:{'a' * 64}"
    mine = replace(line("falcon", 0.8), job="earth--falcon--ana--aaaaaaaa", image=image)
    found = board.document("climate-series", RULES, [mine, line("owl", 0.9)], AT)
    assert [(e["job"], e["image"]) for e in found["entries"]] == [
        ("earth--falcon--ana--aaaaaaaa", "academy/x-cpu@aaaaaaaaaaaa"),
        ("", ""),
    ]


# --- how sure the board is ------------------------------------------------------------------------
SURE = replace(RULES, limit_per_day=5, evidence=SERIES)


def sure(team: str, *ratios: float, minutes: int = 0) -> TeamLine:
    """A team with these errors relative to the naive, a series each."""
    logs = {f"s{at}": math.log(ratio) for at, ratio in enumerate(ratios)}
    best = math.exp(math.fsum(logs.values()) / len(logs))
    parts = record({"public": logs, "private": logs})
    return replace(line(team, best, minutes), digest=team, record=parts)


def standings(lines: list[TeamLine], rules: board.Rules = SURE) -> dict[str, dict[str, Any]]:
    found = board.document("climate-series", rules, lines, AT)
    return {entry["team"]: entry for entry in found["entries"]}


def test_teams_that_the_held_out_data_tell_apart_have_ranks_of_their_own() -> None:
    rng = random.Random(1)  # noqa: S311
    hard = [rng.uniform(0.5, 1.5) for _ in range(24)]
    lines = [
        sure(team, *(ratio * factor * rng.uniform(0.9, 1.1) for ratio in hard))
        for team, factor in (("owl", 0.5), ("kite", 0.5), ("jay", 1.0))
    ]
    found = standings(lines)
    assert (found["jay"]["rank_low"], found["jay"]["rank_high"]) == (3, 3)
    assert (found["owl"]["rank_low"], found["owl"]["rank_high"]) == (1, 2)
    assert (found["owl"]["tied_with"], found["jay"]["tied_with"]) == (["kite"], [])
    for entry in found.values():
        assert entry["score_low"] < entry["score"] < entry["score_high"]
        assert entry["rank_low"] <= entry["rank"] <= entry["rank_high"]
        assert (entry["classes"], entry["gap_closed"], entry["near_expert"]) == ({}, None, False)


def test_the_board_is_the_same_again() -> None:
    lines = [sure("owl", 0.5, 0.6, 0.9), sure("jay", 0.4, 0.8, 0.7)]
    first = board.document("climate-series", SURE, lines, AT)
    board._ranked.cache_clear()
    assert board.document("climate-series", SURE, lines[::-1], AT) == first


def test_a_board_that_shows_the_same_entries_is_not_resampled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [sure("owl", 0.5, 0.6, 0.9), sure("jay", 0.4, 0.8, 0.7)]
    first = standings(lines)
    monkeypatch.setattr(ranking, "rank", None)
    again = standings([replace(each, submissions=9) for each in lines])
    assert again["owl"] == first["owl"] | {"submissions": 9}
    with pytest.raises(TypeError):
        standings([*lines, sure("kite", 0.1, 0.1, 0.2)])


def test_a_team_without_a_record_stands_where_its_score_puts_it() -> None:
    lines = [
        sure("owl", 0.5, 0.5, 0.8),
        sure("jay", 0.7, 0.4, 0.6),
        line("old", 0.5),
        line("older", 0.9),
        line("equal", round(sure("owl", 0.5, 0.5, 0.8).best, 3)),
    ]
    found = standings(lines)
    old, older = found["old"], found["older"]
    assert (old["score_low"], old["score_high"], old["tied_with"]) == (None, None, [])
    assert (old["rank"], old["rank_low"], old["rank_high"]) == (1, 1, 1)
    assert (older["rank"], older["rank_low"], older["rank_high"]) == (5, 5, 5)
    assert (found["owl"]["rank_low"], found["owl"]["rank_high"]) == (2, 4)
    assert found["owl"]["tied_with"] == ["equal", "jay"]
    assert found["equal"]["tied_with"] == ["owl"]


def test_an_entry_on_held_out_data_that_were_replaced_has_no_interval() -> None:
    before = sure("owl", 0.5, 0.5, minutes=1)
    found = standings([before, sure("jay", 0.7, 0.4, 0.6, minutes=2)])
    assert found["owl"]["score_low"] is None
    assert found["jay"]["score_low"] is not None


def test_an_interval_does_not_leave_what_a_score_can_be() -> None:
    [entry] = standings([sure("owl", 0.002, 0.9)]).values()
    assert entry["score_low"] == LEAST_RATIO < entry["score"] < 1 < entry["score_high"]


def test_one_series_is_no_evidence() -> None:
    found = board.document("climate-series", SURE, [sure("owl", 0.5)], AT)
    assert found["entries"][0]["score_low"] is None
    assert (found["units"]["count"], found["narrow"]) == (0, False)


@pytest.mark.parametrize(("count", "narrow"), [(23, True), (24, False)])
def test_the_board_says_how_many_units_there_are_and_whether_they_are_few(
    count: int, narrow: bool
) -> None:
    found = board.document("climate-series", SURE, [sure("owl", *[0.5] * count)], AT)
    assert found["units"] == {"count": count, "name": "series"}
    assert (found["narrow"], found["replicates"]) == (narrow, 1000)
    assert (found["limit_per_day"], found["classes"]) == (5, [])


def test_lines_have_a_kind_and_with_units_the_gap_between_them_is_told() -> None:
    names = [
        "floor: seasonal naive",
        "Baseline: climatology",
        "expert: the lecturer",
        "ceiling",
        "a cat",
    ]
    units = {"Baseline: climatology": 1.0, "expert: the lecturer": 0.5}
    lines = tuple(
        Line(
            name,
            units.get(name, 1.0),
            {f"s{at}": (math.log(units[name] * (1 + at / 100)), 1.0) for at in range(8)}
            if name in units
            else {},
        )
        for name in names
    )
    rules = replace(SURE, lines=lines)
    team = sure("owl", *(0.75 * (1 + at / 90) for at in range(8)))
    found = board.document("climate-series", rules, [team], AT)
    kinds = [each["kind"] for each in found["lines"]]
    assert kinds == ["floor", "baseline", "expert", "ceiling", "other"]
    [entry] = found["entries"]
    assert entry["gap_closed"]["low"] <= entry["gap_closed"]["value"] <= entry["gap_closed"]["high"]
    # The score is a ratio, and 0.75 is less than half of the way from 1 to 0.5.
    assert entry["gap_closed"]["value"] == pytest.approx(math.log(0.75) / math.log(0.5), abs=0.03)
    assert entry["near_expert"] is False
    expert = sure("jay", *(0.5 * (1 + at / 100) for at in range(8)))
    assert standings([expert], rules)["jay"]["near_expert"] is True
    without = replace(rules, lines=(replace(lines[1], units={"s0": (0.0, 1.0)}), lines[2]))
    assert standings([team], without)["owl"]["gap_closed"] is None


def test_history_is_in_the_order_of_time_and_only_the_newest_are_told() -> None:
    def moved(team: str, count: int, start: int) -> TeamLine:
        moves = tuple(
            (AT + dt.timedelta(minutes=2 * n + start), 1 - n / 1000) for n in range(count)
        )
        return replace(line(team, moves[-1][1]), moves=moves)

    found = board.document(
        "climate-series", RULES, [moved("owl", 150, 0), moved("jay", 150, 1), line("old", 0.5)], AT
    )["history"]
    assert len(found) == 200
    assert [each["at"] for each in found] == sorted(each["at"] for each in found)
    assert found[-1] == {"team": "jay", "at": "2026-12-01T13:59:00Z", "score": 0.851}
    whole = board.document("climate-series", RULES, [line("old", 0.5, 7)], AT)["history"]
    assert whole == [{"team": "old", "at": "2026-12-01T09:07:00Z", "score": 0.5}]


def test_each_ratio_counts_as_in_the_learners_own_metric() -> None:
    from academy.forecasting.evaluation import metrics

    history = {"a": [1.0, 2.0, 3.0, 5.0], "b": [1.0, 2.0, 3.0, 5.0]}
    actual = {"a": [5.0, 7.0], "b": [5.0, 7.0]}
    found = metrics.evaluate(actual, {"a": actual["a"], "b": [1e9, 1e9]}, history, season=2)
    assert found["score"] == pytest.approx(math.sqrt(LEAST_RATIO * MOST_RATIO))
