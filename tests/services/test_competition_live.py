"""The live round without AWS: what may be sent, sealed and observed, and what it scores."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.services.competition.checking.forecast_rows import LEVELS, QUANTILES, Forecast
from infra.services.competition.live import months, observing, reading, rounds, scoring
from infra.services.competition.live.page import page
from infra.services.competition.live.rounds import Round, Series
from infra.services.competition.live.sealing import all_observed, counting, hash_of
from infra.services.competition.problems import Fault, Misconfigured
from tests.services.live_world import (
    AT,
    DOCUMENT,
    FIRST,
    HISTORY,
    PROJECT,
    SOURCE,
    START,
    TRUTH,
    Course,
    a_round,
    known,
    right,
    truth,
)

DAY = dt.timedelta(days=1)
TASK = json.dumps(a_round().task()).encode()


def csv_of(received: dt.datetime = AT, wide: bool = False) -> str:
    return reading.canonical(right(received, wide=wide)).decode()


# --- months ---------------------------------------------------------------------------------------
@given(st.dates(dt.date(1, 1, 1), dt.date(9998, 12, 31)))
def test_a_month_begins_where_it_is_said_to(day: dt.date) -> None:
    noon = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    month = months.of(noon)
    assert months.index(months.name(month)) == month
    assert months.begins(month) <= noon < months.begins(month + 1)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "26-01", "2026-1", "2026-01-01", "", "０"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no month"):
        months.index(text)


def test_a_month_is_that_of_utc() -> None:
    late = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.timezone(-dt.timedelta(hours=5)))
    assert months.name(months.of(late)) == "2026-12"


# --- a round --------------------------------------------------------------------------------------
def test_a_round_is_in_its_files_what_it_was() -> None:
    made = a_round(note="A replay.")
    assert Round.read(json.dumps(made.task()), made.history()) == made
    stopped = rounds.stop(made, AT + DAY)
    assert Round.read(json.dumps(stopped.task()), stopped.history()) == stopped
    assert made.takes(AT)
    assert not made.takes(AT - DAY)
    assert not stopped.takes(AT + DAY)
    with pytest.raises(ValueError, match="was stopped at"):
        rounds.stop(stopped, AT + DAY)


def test_the_scale_is_the_seasonal_naives_error_in_the_history() -> None:
    values = np.array(TRUTH["nino12"][:HISTORY])
    assert a_round()["nino12"].scale == pytest.approx(np.abs(values[12:] - values[:-12]).mean())


def described(change: dict[str, Any], of_series: bool = False) -> dict[str, Any]:
    if not of_series:
        return {**DOCUMENT, **change}
    first, second = DOCUMENT["series"]
    return {**DOCUMENT, "series": [{**first, **change}, second]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(described({"horizon": 0}), "horizon is 0", id="horizon"),
        pytest.param(described({"horizon": True}), "horizon is True", id="yes"),
        pytest.param(described({"id": "Winter 1"}), "is called", id="id"),
        pytest.param(described({"title": "a\nb"}), "one line", id="lines"),
        pytest.param(described({"series": []}), "1 to 20", id="none"),
        pytest.param(described({"colour": 1}), "has colour, which is none", id="member"),
        pytest.param(described({"url": "file:///etc"}, True), "no address", id="url"),
        pytest.param(described({"id": "soi"}, True), "has no history", id="history"),
        pytest.param(described({"unit": ""}, True), "unit is no text", id="unit"),
        pytest.param(described({"plausible": [1, "x"]}, True), "no .low, high", id="limits"),
        pytest.param(described({"plausible": [1, 2]}, True), "lies outside", id="outside"),
        pytest.param(described({"plausible_step": 0}, True), "no number above 0", id="step"),
        pytest.param(
            {**DOCUMENT, "series": [DOCUMENT["series"][0]] * 2}, "there twice", id="twice"
        ),
    ],
)
def test_a_description_that_is_none_is_refused_in_words(document: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rounds.started(document, known(), project=PROJECT, at=AT)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        pytest.param((FIRST, [1.0, 2.0] * 10), "history of 20 months", id="short"),
        pytest.param((FIRST + 1, TRUTH["nino12"][:HISTORY]), "not over yet", id="future"),
        pytest.param((FIRST, [1.0] * 60), "repeats itself", id="constant"),
        pytest.param((FIRST, [float(at % 12) for at in range(60)]), "repeats itself", id="season"),
    ],
)
def test_a_history_that_cannot_be_scored_by_is_refused(history: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rounds.started(DOCUMENT, {**known(), "nino12": history}, project=PROJECT, at=AT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a,b\n", "must begin", id="head"),
        pytest.param("series,month,value\na,2026-01,1\na,2026-03,1\n", "no gaps", id="gap"),
        pytest.param("series,month,value\na,2026-02,1\na,2026-01,1\n", "oldest first", id="order"),
        pytest.param("series,month,value\na,2026-02,1\na,2026-02,1\n", "oldest first", id="twice"),
        pytest.param("series,month,value\na,2026-02,inf\n", "is no number", id="infinite"),
        pytest.param("series,month,value\na,2026-02\n", "2 values", id="cells"),
    ],
)
def test_a_history_with_a_fault_says_where(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rounds.histories(text)


# --- what may be sent -----------------------------------------------------------------------------
def test_exactly_the_next_months_after_the_one_it_came_in() -> None:
    found = reading.check(csv_of().encode(), TASK, AT)
    assert (found.members["first"], found.members["last"]) == ("2027-01", "2027-06")
    # A second before the month ends it is still these; at its end they are over.
    last = months.begins(START + 1) - dt.timedelta(microseconds=1)
    assert reading.check(csv_of().encode(), TASK, last).digest == found.digest
    with pytest.raises(Fault, match=r"2027-01 is not asked for\. It has begun"):
        reading.check(csv_of().encode(), TASK, months.begins(START + 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda _: "", "is empty", id="empty"),
        pytest.param(lambda t: t.replace("month", "step"), "The first line is", id="header"),
        pytest.param(lambda t: t.replace("co2,2027-01", "co3,2027-01"), "unknown", id="series"),
        pytest.param(lambda t: t.replace("co2,2027-01", "co2,2027-1"), "is no month", id="month"),
        pytest.param(lambda t: t.replace("co2,2027-06", "co2,2027-07"), "not asked", id="far"),
        pytest.param(lambda t: t.replace("co2,2027-06", "co2,2026-12"), "has begun", id="past"),
        pytest.param(lambda t: t + t.splitlines()[1] + "\n", "stands twice", id="twice"),
        pytest.param(lambda t: t.rsplit("\n", 2)[0] + "\n", "1 of 12 rows", id="missing"),
        pytest.param(lambda t: t.rsplit(",", 1)[0] + ",nan\n", "not a number", id="nan"),
        pytest.param(lambda t: t.rsplit(",", 1)[0] + ",inf\n", "not a number", id="inf"),
        pytest.param(lambda t: t.rsplit(",", 1)[0] + ",1e10\n", "is beyond", id="large"),
        pytest.param(lambda t: t.rsplit(",", 1)[0] + ",1_0\n", "not a number", id="underscore"),
        pytest.param(lambda t: t.rsplit(",", 1)[0] + ',"1\n', "not CSV", id="quote"),
        pytest.param(lambda t: t + "\0", "NUL", id="nul"),
        pytest.param(lambda t: t + "x" * 1_000_000, "larger than", id="size"),
        pytest.param(lambda t: t.replace("co2,2027-01", "=cmd(),2027-01"), "unknown", id="formula"),
    ],
)
def test_a_fault_of_form_is_told_with_its_place(change: Any, said: str) -> None:
    with pytest.raises(Fault, match=said):
        reading.check(change(csv_of()).encode(), TASK, AT)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Fault, match="not UTF-8"):
        reading.check(b"\xff\xfe\x00", TASK, AT)


def test_quantiles_that_cross_are_refused_and_a_missing_value_is_the_median() -> None:
    text = csv_of(wide=True)
    head, *rows = text.splitlines()
    found = reading.read(reading.check(text.encode(), TASK, AT).body)
    narrow = [
        ",".join(c for at, c in enumerate(row.split(",")) if at != 2) for row in [head, *rows]
    ]
    without = reading.check("\n".join(narrow).encode(), TASK, AT)
    assert reading.read(without.body) == found
    cells = rows[0].split(",")
    cells[3], cells[4] = cells[4], cells[3]
    with pytest.raises(Fault, match="Quantiles must not cross"):
        reading.check("\n".join([head, ",".join(cells), *rows[1:]]).encode(), TASK, AT)


def test_without_a_round_a_live_file_is_refused_in_words() -> None:
    with pytest.raises(Fault, match="There is no live round"):
        reading.check(csv_of().encode(), None, AT)
    stopped = json.dumps(rounds.stop(a_round(), AT + DAY).task()).encode()
    assert reading.check(csv_of().encode(), stopped, AT)
    with pytest.raises(Fault, match="takes no forecasts since"):
        reading.check(csv_of().encode(), stopped, AT + DAY)
    with pytest.raises(Fault, match="opened at"):
        reading.check(csv_of().encode(), TASK, AT - DAY)
    for broken in (b"{}", b"[]", b"x", TASK.replace(b'"horizon": 6', b'"horizon": 0')):
        with pytest.raises(Misconfigured):
            reading.check(csv_of().encode(), broken, AT)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    with pytest.raises(Fault):
        reading.check(content, TASK, AT)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_neither_order_nor_layout_change_what_is_sealed(draw: Any, wide: bool) -> None:
    text = csv_of(wide=wide)
    head, *rows = text.splitlines()
    draw.shuffle(rows)
    other = "\ufeff" + "\r\n".join(
        [
            head,
            *(
                row.replace(",", ',"', 1).replace(",", '",', 2).replace('",', ",", 1)
                for row in rows
            ),
        ]
    )
    assert reading.check(other.encode(), TASK, AT) == reading.check(text.encode(), TASK, AT)


# --- seals ----------------------------------------------------------------------------------------
def test_a_hash_is_over_all_that_must_not_change() -> None:
    body, salt = reading.canonical(right(AT)), "0123456789abcdef" * 2
    plain = f"academy live forecast\nclimate-series\nwinter\nfalcon\n{salt}\n".encode() + body
    sealed = hash_of("climate-series", "winter", "falcon", salt, body)
    assert sealed == hashlib.sha256(plain).hexdigest()
    others = [
        hash_of("land-cover", "winter", "falcon", salt, body),
        hash_of("climate-series", "spring", "falcon", salt, body),
        hash_of("climate-series", "winter", "heron", salt, body),
        hash_of("climate-series", "winter", "falcon", "0" * 32, body),
        hash_of("climate-series", "winter", "falcon", salt, body.replace(b"2027-01", b"2027-02")),
    ]
    assert len({sealed, *others}) == 6
    for wrong in ("", "0" * 31, "Z" * 32, "0" * 32 + "\n"):
        with pytest.raises(ValueError, match="a salt has"):
            hash_of("climate-series", "winter", "falcon", wrong, body)


def test_of_a_month_the_last_forecast_from_before_it_began_counts() -> None:
    course = Course()
    first = course.send("falcon", AT)
    second = course.send("falcon", months.begins(START + 1) - dt.timedelta(seconds=1))
    third = course.send("falcon", months.begins(START + 1))
    other = course.send("heron", AT + DAY)
    assert counting(course.seals, START + 1) == {"falcon": second, "heron": other}
    assert counting(reversed(course.seals), START + 2) == {"falcon": third, "heron": other}
    assert counting(course.seals, START) == {}
    assert counting(course.seals, START + 7) == {"falcon": third}
    assert first.last == second.last == START + 6


def test_a_forecast_that_came_when_the_month_had_begun_never_counts() -> None:
    # Whatever the seal says: the checker would not have let it pass.
    late = replace(Course().send("falcon", AT), first=START)
    assert counting([late], START) == {}


# --- observing ------------------------------------------------------------------------------------
def test_months_are_observed_in_order_and_once_they_are_over() -> None:
    course = Course()
    end = months.begins(START + 1)
    with pytest.raises(ValueError, match="is not over"):
        course.observe("nino12", START, truth("nino12", START), at=end - dt.timedelta(seconds=1))
    made = course.observe("nino12", START, truth("nino12", START), at=end)
    assert (made.month, made.version, made.before) == (START, 1, ())
    with pytest.raises(ValueError, match="would leave a gap: 2027-01"):
        course.observe("nino12", START + 2, 24.0)
    with pytest.raises(ValueError, match="part of the history"):
        course.observe("nino12", START - 1, 24.0)
    with pytest.raises(ValueError, match="no series 'soi'"):
        course.observe("soi", START, 24.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e12])
def test_no_value_that_was_not_measured_even_surely(value: float) -> None:
    with pytest.raises(ValueError, match="is no value that was measured"):
        Course().observe("nino12", START, value, surely=True)


@pytest.mark.parametrize("factor", [10, 0.1, -1])
def test_a_slip_of_the_keyboard_is_asked_about(factor: float) -> None:
    course = Course()
    slip = truth("nino12", START) * factor
    with pytest.raises(ValueError, match="say --surely"):
        course.observe("nino12", START, slip)
    assert course.observe("nino12", START, slip, surely=True).value == slip


def test_a_jump_within_what_is_plausible_is_asked_about_too() -> None:
    course = Course()
    about = course.round["nino12"]
    jump = about.values[-1] + 1.01 * about.step
    assert about.low < jump < about.high
    with pytest.raises(ValueError, match="from the month before"):
        course.observe("nino12", START, jump)


@pytest.mark.parametrize(
    "source", ["", "NOAA", "ftp://x", "https://", "https://a b", "javascript:1"]
)
def test_a_source_is_an_address(source: str) -> None:
    course = Course()
    with pytest.raises(ValueError, match="an address such as https"):
        observing.observe(
            course.round,
            {},
            "nino12",
            START,
            truth("nino12", START),
            source,
            at=AT + 60 * DAY,
            who="a",
            why="b",
        )


def test_the_same_again_is_no_act_and_another_value_is_a_correction() -> None:
    course = Course()
    value = truth("nino12", START)
    first = course.observe("nino12", START, value)

    def again(value: float, why: str = "revised", source: str = SOURCE) -> Any:
        return observing.observe(
            course.round,
            course.observed,
            "nino12",
            START,
            value,
            source,
            at=AT + 60 * DAY,
            who="other",
            why=why,
        )

    assert again(value) == (first, None)
    # Where it is from is a part of it.
    right, act = again(value, source="https://example.org/right")
    assert (right.value, right.source, right.version) == (value, "https://example.org/right", 2)
    assert act is not None
    assert json.loads(act.before)["source"] == SOURCE
    made, act = again(value + 0.1)
    assert made.version == 2
    assert made.before[0]["value"] == value
    assert made.before[0]["who"] == "admin"
    assert act is not None
    assert act.what == f"correct nino12 2026-12 = {value + 0.1!r}"
    assert json.loads(act.before) == {"value": value, "source": SOURCE}
    assert observing.Observation.from_document(made.to_document()) == made
    for why in ("", "  ", "a\nb", "x" * 501):
        with pytest.raises(ValueError, match=r"Say why|one line"):
            again(value + 0.2, why)


def test_a_source_is_corrected_without_a_word_on_its_odd_value() -> None:
    course = Course()
    course.observe("nino12", START, truth("nino12", START) * 10, surely=True)
    made, _ = observing.observe(
        course.round,
        course.observed,
        "nino12",
        START,
        truth("nino12", START) * 10,
        "https://example.org/right",
        at=AT + 60 * DAY,
        who="a",
        why="b",
    )
    course.observed[made.point] = made
    assert f"before: {truth('nino12', START) * 10:.6g} by <bdi>{SOURCE}" in page(
        course.board(), "earth"
    )


# --- scores ---------------------------------------------------------------------------------------
def test_scores_are_those_of_numpy() -> None:
    course = Course()
    course.send("falcon", AT, right(AT, off=0.5, wide=True))
    course.pass_months(7)
    [entry] = course.board()["entries"]
    ratios, losses, mases, inside = [], [], [], []
    for name in TRUTH:
        values = np.array(TRUTH[name])
        asked = np.arange(START + 1, START + 7) - FIRST
        real, naive = values[asked], values[asked - 12]
        ratios.append(np.abs(real + 0.5 - real).sum() / np.abs(real - naive).sum())
        scale = np.abs(values[12:HISTORY] - values[: HISTORY - 12]).mean()
        mases.append(0.5 / scale)
        quantiles = real[:, None] + 0.5 + np.array(LEVELS) - 0.5
        under = real[:, None] - quantiles
        pinball = np.maximum(np.array(LEVELS) * under, (np.array(LEVELS) - 1) * under)
        losses.append(2 * pinball.sum() / 19 / np.abs(real).sum())
        inside.append((quantiles[:, 1] <= real) & (real <= quantiles[:, 17]))
    assert entry["score"] == pytest.approx(np.exp(np.mean(np.log(ratios))), abs=6e-4)
    assert entry["also"] == {
        "MASE": pytest.approx(np.mean(mases), abs=6e-4),
        "WQL": pytest.approx(np.mean(losses), abs=6e-4),
        "coverage of the 80 % interval": np.mean(inside),
    }


def test_the_lines_know_nothing_of_the_month_that_they_forecast() -> None:
    course = Course()
    course.pass_months(14)
    whole = scoring.Truth(course.round, course.observed)
    for month in whole.months:
        earlier = {p: o for p, o in course.observed.items() if p[1] < month}
        for name in TRUTH:
            told = {**earlier, (name, month): replace(course.observed[name, month], value=-1e6)}
            blind = scoring.Truth(course.round, told)
            for line, forecasts in whole.lines().items():
                assert blind.lines()[line][name, month] == forecasts[name, month], line
    years = np.array(TRUTH["nino12"])[START - FIRST - 12 * np.arange(1, 31)]
    found = whole.climatology("nino12", START)
    assert found.value == pytest.approx(years.mean())
    assert found.quantiles == pytest.approx(np.quantile(years, LEVELS))
    assert whole.naive("nino12", START + 13) == truth("nino12", START + 1)


def test_the_seasonal_naive_scores_one_and_forecasts_that_are_right_the_least() -> None:
    course = Course()
    asked = course.round.asked(AT)
    naive = {(n, m): Forecast(truth(n, m - 12)) for n in TRUTH for m in asked}
    course.send("heron", AT, naive)
    course.send("falcon", AT)
    course.pass_months(7)
    found = course.board()
    assert [(each["team"], each["score"]) for each in found["entries"]] == [
        ("falcon", scoring.LEAST_RATIO),
        ("heron", 1.0),
    ]
    assert found["lines"][0]["name"] == scoring.NAIVE
    assert found["lines"][0]["score"] == 1.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=12, max_size=12), st.floats(0.1, 10))
def test_units_of_a_series_do_not_matter(errors: list[float], factor: float) -> None:
    """In another unit, and from another zero, the score is the same."""
    course = Course()
    course.pass_months(7)
    forecast = {
        point: Forecast(each.value + error)
        for (point, each), error in zip(sorted(right(AT).items()), errors, strict=True)
    }
    wanted = range(START + 1, START + 7)
    plain = scoring.Truth(course.round, course.observed)

    def turned(value: float) -> float:
        return factor * value + 273

    other = replace(
        course.round,
        series=tuple(replace(s, values=tuple(map(turned, s.values))) for s in course.round.series),
    )
    observed = {p: replace(o, value=turned(o.value)) for p, o in course.observed.items()}
    changed = scoring.Truth(other, observed)
    again = {point: Forecast(turned(each.value)) for point, each in forecast.items()}
    assert changed.score(again, wanted) == pytest.approx(plain.score(forecast, wanted), rel=1e-6)


@given(st.integers(1, 400))
def test_blocks_have_every_month_once_and_are_long_enough(count: int) -> None:
    blocks = scoring.blocks_of(range(count))
    assert [month for block in blocks for month in block] == list(range(count))
    if count >= scoring.LEAST_MONTHS:
        assert len(blocks) >= scoring.LEAST_BLOCKS
        assert min(map(len, blocks)) >= max(scoring.BLOCK, math.isqrt(count))


# --- the board ------------------------------------------------------------------------------------
def test_with_few_months_all_are_tied_and_it_is_said() -> None:
    course = Course()
    course.send("falcon", AT)
    course.send("heron", AT, right(AT, off=3.0))
    course.pass_months(4)
    found = course.board()
    assert found["few"]
    for entry in found["entries"]:
        assert (entry["rank_low"], entry["rank_high"]) == (1, 2)
        assert entry["score_low"] is None
    assert [each["tied_with"] for each in found["entries"]] == [["heron"], ["falcon"]]
    assert "all teams are tied" in page(found, "earth")


def monthly(course: Course, team: str, off: float, first: int = 0, last: int = 24) -> None:
    for month in range(first, last):
        received = months.begins(START + month) + 3 * DAY
        wave = right(received)
        forecast = {
            (name, m): Forecast(each.value + off * (1 + 0.2 * math.sin(3.0 * m)))
            for (name, m), each in wave.items()
        }
        course.send(team, received, forecast)


def test_with_many_months_who_is_surely_better_stands_first() -> None:
    course = Course()
    monthly(course, "falcon", 0.1)
    monthly(course, "heron", 0.1001)
    monthly(course, "kite", 0.9)
    course.pass_months(25)
    found = course.board()
    places = {e["team"]: (e["rank_low"], e["rank_high"], e["months"]) for e in found["entries"]}
    assert places["kite"] == (3, 3, 24)
    assert places["falcon"][2] == 24
    assert found["entries"][-1]["tied_with"] == []
    assert not found["few"]
    for entry in found["entries"]:
        assert entry["score_low"] <= entry["score"] <= entry["score_high"]


def test_who_came_late_is_compared_on_the_months_that_both_have() -> None:
    course = Course()
    monthly(course, "falcon", 0.1, last=36)
    monthly(course, "kite", 0.9, last=36)
    # As good as falcon, in the last months alone.
    monthly(course, "owl", 0.1, first=10, last=36)
    monthly(course, "late", 0.1, first=34, last=36)
    course.pass_months(37)
    entries = {each["team"]: each for each in course.board()["entries"]}
    assert entries["owl"]["months"] == 26
    assert not entries["owl"]["few"]
    assert "kite" not in entries["owl"]["tied_with"]
    assert "falcon" in entries["owl"]["tied_with"]
    # Too few months for any word: it may be the best and the last.
    assert (entries["late"]["rank_low"], entries["late"]["rank_high"]) == (1, 4)
    assert entries["late"]["few"]
    assert course.board()["entries"][-1]["team"] == "late"


def test_the_content_of_no_forecast_is_asked_for_before_its_month_is_observed() -> None:
    course = Course()
    course.send("falcon", AT)
    course.send("falcon", AT + DAY)
    course.pass_months(1)
    course.board()
    assert course.asked == []
    course.pass_months(1)
    course.board()
    assert course.asked == [course.seals[1].hash]


def test_before_its_months_are_over_the_board_tells_of_a_forecast_the_hash_alone() -> None:
    course = Course()
    seal = course.send("falcon", AT, right(AT, off=0.123))
    told = json.dumps(course.board()) + page(course.board(), "earth")
    assert seal.hash in told
    assert seal.salt not in told
    for each in right(AT, off=0.123).values():
        assert repr(each.value) not in told
    assert not all_observed(seal, course.round.names, course.observed)
    course.pass_months(6)
    assert not all_observed(seal, course.round.names, course.observed)
    course.pass_months(1)
    assert all_observed(seal, course.round.names, course.observed)


def test_each_scale_and_each_vector_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board of 40 teams is written while they wait for their receipts."""
    scales, vectors = [0], [0]
    real_scale, real_vectors = Series.scale.func, scoring.Truth.vectors

    def scale(self: Series) -> float:
        scales[0] += 1
        return float(real_scale(self))

    def counted(self: scoring.Truth, forecasts: Any, wanted: Any) -> Any:
        found = real_vectors(self, forecasts, wanted)
        vectors[0] += len(found)
        return found

    once = cached_property(scale)
    once.__set_name__(Series, "scale")
    monkeypatch.setattr(Series, "scale", once)
    monkeypatch.setattr(scoring.Truth, "vectors", counted)
    course = Course()
    for team in range(4):
        monthly(course, f"t{team}", 0.1 * (1 + team), first=2 * team, last=30)
    course.pass_months(31)
    scales[0] = 0
    course.board()
    assert scales[0] <= len(TRUTH)
    # Of each team's months, and of the two lines'; not of each pair of teams.
    assert vectors[0] == sum(30 - 2 * team for team in range(4)) + 2 * 31


def test_a_month_of_which_one_series_is_published_counts_by_that() -> None:
    course = Course()
    course.send("falcon", AT, right(AT, off=0.5))
    course.pass_months(7, names=("nino12",))
    found = course.board()
    assert found["entries"][0]["months"] == 6
    assert found["months"][-1] == "2027-06"


def test_a_correction_changes_the_score() -> None:
    course = Course()
    course.send("falcon", AT, right(AT, off=0.5))
    course.pass_months(2)
    before = course.board()["entries"][0]["score"]
    course.observe("nino12", START + 1, truth("nino12", START + 1) + 0.5)
    found = course.board()
    assert found["entries"][0]["score"] < before
    [corrected] = [each for each in found["observations"] if each["before"]]
    assert corrected["before"][0]["value"] == truth("nino12", START + 1)
    assert "who" not in corrected["before"][0]
    assert "corrected; before" in page(found, "earth")


def test_a_disqualified_team_is_out_and_an_advisors_mark_is_a_line() -> None:
    course = Course()
    for team in ("falcon", "heron", "expert"):
        course.send(team, AT, right(AT, off=0.5))
    course.pass_months(3)
    found = course.board(out={"heron": "shared its code", "falcon/abc": "another board's"})
    assert [each["team"] for each in found["entries"]] == ["falcon"]
    assert found["out"] == [{"team": "heron", "reason": "shared its code"}]
    assert {each["kind"] for each in found["lines"]} == {"floor", "other", "expert"}
    assert len(found["seals"]) == 3


def test_the_page_runs_nothing_that_people_wrote() -> None:
    course = Course(round=a_round(title="<script>alert(1)</script>", note="a<b>&"))
    course.send("falcon", AT)
    course.pass_months(2)
    text = page(course.board(), "<i>earth</i>")
    assert "<script" not in text
    assert "<i>" not in text
    assert "a&lt;b&gt;&amp;" in text
    assert len(QUANTILES) == 19
