"""Hostile files, the metric, the board and its page."""

from __future__ import annotations

import datetime as dt
import html.parser
import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import board, provenance
from infra.services.competition.board import TeamLine
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects.climate_series import (
    LEAST_RATIO,
    Answers,
    ClimateSeries,
    forecasts,
    score,
)
from infra.services.competition.projects.project import Line
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
RIGHT = "series,step,value\nco2,10,2\nco2,11,3\nco2,12,4\nsst,20,0\nsst,21,0.5\nsst,22,0.25\n"


def rows(text: str = RIGHT, **changes: str) -> bytes:
    """A right file with some lines, by their number, changed."""
    lines = text.split("\n")
    for number, line in changes.items():
        lines[int(number[1:])] = line
    return "\n".join(lines).encode()


# --- the file -------------------------------------------------------------------------------------


def test_a_right_file_is_read_in_any_order_and_with_any_line_ends() -> None:
    expected = forecasts(RIGHT.encode(), ANSWERS)
    assert expected["sst", 22] == 0.25
    head, *body = RIGHT.strip().split("\n")
    random.Random(1).shuffle(body)  # noqa: S311
    assert forecasts("\r\n".join([head, *body]).encode(), ANSWERS) == expected
    assert forecasts(b"\xef\xbb\xbf" + RIGHT.encode(), ANSWERS) == expected
    assert forecasts(RIGHT.replace("co2,10,2", '"co2","10","2e0"').encode(), ANSWERS) == expected


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
        (rows(l3="co2,12,4,5"), "row 3: 4 values"),
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
        forecasts(content, ANSWERS)
    assert words in str(fault.value)
    assert len(str(fault.value)) < 300
    assert str(fault.value).isascii()


@given(st.binary(max_size=300) | st.text(alphabet='",\nco2sst10.e-', max_size=200).map(str.encode))
def test_no_file_takes_the_scorer_down(content: bytes) -> None:
    with pytest.raises(Fault):
        forecasts(b"series,step,value\n" + content, ANSWERS)


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
    found = forecasts(RIGHT.encode(), ANSWERS)
    # co2: mean error 1, MASE 1/2, relative 1. sst: error 1, MASE 2, relative 1.
    assert score(found, ANSWERS, "public") == pytest.approx(1.0)
    # co2: error 1, MASE 1/2, relative 1/2. sst: without error, which counts as LEAST_RATIO.
    assert score(found, ANSWERS, "private") == pytest.approx(math.sqrt(0.5 * LEAST_RATIO))


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
    assert found["lines"] == [{"name": "floor: seasonal naive", "score": 1.0}]
    assert found["better"] == "lower"
    assert found["updated"] == "2026-12-01T09:00:00Z"


class Page(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


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
    page = Page(board.page(found, "earth"))
    assert "academy/x-cpu@aaaaaaaaaaaa" in page.texts
    assert ("td", {"class": "image", "title": "earth--falcon--ana--aaaaaaaa"}) in page.tags


def test_hostile_notes_are_shown_not_run() -> None:
    mine = replace(line("falcon", 0.8, note=HOSTILE), job=HOSTILE, image=HOSTILE)
    found = board.document("climate-series", RULES, [mine], AT)
    page = Page(board.page(found, "earth"))
    assert HOSTILE in page.texts
    assert found["entries"][0]["image"] == "unknown"
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_the_page_needs_nothing_from_elsewhere_and_is_a_real_table() -> None:
    found = board.document("climate-series", RULES, [line("falcon", 0.8), line("jay", 1.5)], AT)
    text = board.page(found, "earth")
    page = Page(text)
    links = [v for _, attrs in page.tags for n, v in attrs.items() if n in ("href", "src")]
    assert links == ["index.html"]
    assert "url(" not in text
    assert "@import" not in text
    assert len(text) < 10_000
    scopes = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert scopes.count("col") == 7
    assert scopes.count("row") == 3
    assert {"caption", "main", "h1"} <= {tag for tag, _ in page.tags}
    assert page.texts.index("falcon") < page.texts.index("floor: seasonal naive")
    assert page.texts.index("floor: seasonal naive") < page.texts.index("jay")


def test_an_empty_board_says_so() -> None:
    found = board.document("climate-series", RULES, [], AT)
    assert "No team has submitted yet." in board.page(found, "earth")


def test_the_index_leads_to_every_board() -> None:
    page = Page(board.index(["climate-series", "land-cover"], "earth"))
    assert [a["href"] for tag, a in page.tags if tag == "a"] == [
        "climate-series.html",
        "land-cover.html",
    ]
