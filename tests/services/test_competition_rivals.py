"""The board's lines of climate-series: forecasts of rivals, scored as a team's are."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import board
from infra.services.competition.checking import climate_series as checks
from infra.services.competition.checking.forecast_rows import LEVELS, QUANTILES
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects.climate_series import ClimateSeries
from infra.services.competition.projects.project import Line
from infra.services.competition.store import BoardTable
from tests.services import test_competition_publishing as pages
from tests.services.test_competition_scoring import ANSWERS, ANSWERS_CSV, SCALES, STEPS, TASK
from tests.services.test_competition_store import client, table

__all__ = ["client", "table"]

SERIES = ClimateSeries()
FLOOR = Line("floor: seasonal naive", 1.0, private=1.0)


def fan(value: float) -> list[float]:
    return [value + (level - 0.5) * 4 for level in LEVELS]


def forecasts(**values: list[float]) -> dict[str, Any]:
    return {
        name: {"first": STEPS[name][0], "value": of, "quantiles": [fan(each) for each in of]}
        for name, of in values.items()
    }


def document(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "answers": hashlib.sha256(ANSWERS_CSV.encode()).hexdigest(),
        "history": "0" * 64,
        "levels": list(LEVELS),
        "rivals": {
            "seasonal naive": {
                "made_by": "numpy 2",
                "forecasts": forecasts(co2=[0.0, 1.0, 1.0], sst=[0.0, 1.0, 0.75]),
            },
            "AutoARIMA": {
                "made_by": "statsforecast 2",
                "forecasts": forecasts(co2=[1.0, 1.5, 2.0], sst=[0.0, 0.75, 0.25]),
            },
        },
    } | changes


def vault(content: bytes | None) -> Any:
    there = {"answers.csv": ANSWERS_CSV.encode(), "scales.json": json.dumps(SCALES).encode()}
    if content is not None:
        there["rivals.json"] = content

    def answers(name: str) -> bytes:
        if name not in there:
            raise Misconfigured(f"vault has no {name}; run: cohort publish")
        return there[name]

    return answers


def lines(**changes: Any) -> list[Line]:
    return SERIES.lines(vault(json.dumps(document(**changes)).encode()))


# --- scored as a team's are -----------------------------------------------------------------------
def test_a_line_has_what_a_teams_entry_of_the_same_forecast_has() -> None:
    floor, arima = lines()
    assert (floor.name, arima.name) == ("floor: seasonal naive", "rival: AutoARIMA")
    given_ = document()["rivals"]["AutoARIMA"]["forecasts"]
    text = ",".join([*checks.KEYS, "value", *QUANTILES]) + "\n"
    for name, of in given_.items():
        for step, value, quantiles in zip(STEPS[name], of["value"], of["quantiles"], strict=True):
            text += ",".join(map(str, (name, step, value, *quantiles))) + "\n"
    checked = checks.check(text.encode(), TASK)
    entry = SERIES.score(checked.members, checked.stream(), vault(None))
    assert (arima.score, arima.private, arima.also) == (entry.public, entry.private, entry.also)
    assert arima.units == SERIES.units(entry.record, "public")
    assert arima.private_units == SERIES.units(entry.record, "private")
    assert set(arima.also) == {"WQL", "coverage of the 80 % interval"}


def test_the_floor_is_one_by_definition_and_has_its_own_measures() -> None:
    floor, _ = lines()
    assert (floor.score, floor.private) == (1.0, 1.0)
    assert set(floor.units) == set(SCALES)
    assert set(floor.also) == {"WQL", "coverage of the 80 % interval"}


def test_without_the_naive_among_them_the_floor_stands_all_the_same() -> None:
    only = {"AutoARIMA": document()["rivals"]["AutoARIMA"]}
    assert [line.name for line in lines(rivals=only)] == [FLOOR.name, "rival: AutoARIMA"]
    assert lines(rivals=only)[0] == FLOOR


def test_a_cohort_of_before_has_the_floor_alone() -> None:
    assert SERIES.lines(vault(None)) == [FLOOR]


def test_forecasts_of_other_answers_are_no_lines() -> None:
    assert lines(answers="0" * 64) == [FLOOR]


def test_a_mark_that_an_admin_sets_stands_beside_the_rivals() -> None:
    """A mark takes the place of a line of its own kind; rivals have none."""
    assert {board.kind(line.name) for line in lines()} == {"floor", "other"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(version=2), "rivals.json: Wrong('version 2, this code reads 1"),
        (lambda d: d.pop("answers"), "rivals.json: KeyError"),
        (lambda d: d.update(rivals=[1.2345]), "rivals.json: AttributeError"),
        (lambda d: d["rivals"]["AutoARIMA"].pop("forecasts"), "'AutoARIMA': KeyError"),
        (
            lambda d: d["rivals"]["AutoARIMA"]["forecasts"].pop("sst"),
            "'AutoARIMA': Wrong('other series or steps than are held out",
        ),
        (
            lambda d: d["rivals"]["AutoARIMA"]["forecasts"]["co2"].update(first=11),
            "'AutoARIMA': Wrong('other series or steps than are held out",
        ),
        (
            lambda d: d["rivals"]["AutoARIMA"]["forecasts"]["co2"]["value"].pop(),
            "'AutoARIMA': ValueError",
        ),
        (
            lambda d: d["rivals"]["AutoARIMA"]["forecasts"]["co2"]["quantiles"][1].pop(),
            "'AutoARIMA': Wrong('co2 11: 18 quantiles",
        ),
        (
            lambda d: d["rivals"]["AutoARIMA"]["forecasts"]["co2"]["quantiles"][1].reverse(),
            "'AutoARIMA': Wrong('co2 11: its quantiles cross",
        ),
        (
            lambda d: d["rivals"]["AutoARIMA"]["forecasts"]["co2"]["value"].__setitem__(
                2, float("nan")
            ),
            "'AutoARIMA': Wrong('co2 12: a value is no number",
        ),
    ],
    ids=[
        *("version", "answers", "rivals", "forecasts", "series", "steps", "values", "levels"),
        *("crossing", "not-finite"),
    ],
)
def test_forecasts_that_cannot_score_are_a_fault_of_the_deployment(change: Any, words: str) -> None:
    broken = document()
    change(broken)
    with pytest.raises(Misconfigured) as error:
        SERIES.lines(vault(json.dumps(broken).encode()))
    assert words in str(error.value)
    assert str(error.value).endswith("run: cohort publish")
    assert "1.2345" not in str(error.value)


# --- on the board ---------------------------------------------------------------------------------
def test_the_board_the_page_and_the_final_show_the_rivals(table: BoardTable) -> None:
    site = pages.Site()
    site.answers = lambda _, name: vault(json.dumps(document()).encode())(name)  # type: ignore[method-assign]
    table.record(pages.entry("owl", -0.5, -0.25), 5, pages.LADDER)
    pages.renew(table, site)
    found = {line["name"]: line for line in site.board()["lines"]}
    assert set(found) == {"floor: seasonal naive", "rival: AutoARIMA"}
    arima = found["rival: AutoARIMA"]
    assert set(arima["also"]) == {"WQL", "coverage of the 80 % interval"}
    text = site.pages[f"{pages.PROJECT}.html"]
    assert "rival: AutoARIMA" in text
    assert f">{arima['also']['WQL']:.3f}</td>" in text
    private = f"{lines()[1].private:.3f}"
    assert private not in json.dumps(found)


# --- quantiles of a team --------------------------------------------------------------------------
@given(st.lists(st.floats(-1e9, 1e9), min_size=19, max_size=19))
def test_quantiles_are_taken_exactly_where_they_ascend(quantiles: list[float]) -> None:
    for row in (quantiles, sorted(quantiles)):
        text = ",".join([*checks.KEYS, *QUANTILES]) + "\n"
        for name, step in ANSWERS.points:
            text += ",".join([name, str(step), *(f"{value:.6f}" for value in row)]) + "\n"
        rounded = [float(f"{value:.6f}") for value in row]
        if rounded == sorted(rounded):
            found = checks.forecasts(text.encode(), STEPS)
            assert {each.quantiles for each in found.values()} == {tuple(rounded)}
            assert {each.value for each in found.values()} == {rounded[9]}
        else:
            with pytest.raises(Fault, match="Quantiles must not cross"):
                checks.forecasts(text.encode(), STEPS)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("co2,12,", "co2,13,", "step 13 of co2 is not asked for; expected steps 10 to 12"),
        ("co2,12,", "co2,11,", "row 3: series co2, step 11 stands twice"),
        ("sst,22,", "wind,22,", "series 'wind' is unknown"),
    ],
    ids=["beyond", "twice", "unknown"],
)
def test_quantiles_of_other_steps_are_refused(old: str, new: str, words: str) -> None:
    text = ",".join([*checks.KEYS, *QUANTILES]) + "\n"
    for name, step in ANSWERS.points:
        text += ",".join([name, str(step), *map(str, fan(2.0))]) + "\n"
    assert len(checks.forecasts(text.encode(), STEPS)) == 6
    with pytest.raises(Fault, match=words):
        checks.forecasts(text.replace(old, new).encode(), STEPS)
    with pytest.raises(Fault, match="1 of 6 rows are missing; the first is series sst, step 22"):
        checks.forecasts(text[: text.index("sst,22")].encode(), STEPS)


def test_the_measures_are_of_the_public_part_alone() -> None:
    """Quantiles of private months change nothing that is told."""
    public = {point for point, (_, part) in ANSWERS.points.items() if part == "public"}

    def told(of_private: float) -> Any:
        text = ",".join([*checks.KEYS, *QUANTILES]) + "\n"
        for name, step in ANSWERS.points:
            row = fan(1.0 if (name, step) in public else of_private)
            text += ",".join([name, str(step), *map(str, row)]) + "\n"
        checked = checks.check(text.encode(), TASK)
        return SERIES.score(checked.members, checked.stream(), vault(None))

    assert told(0.0).also == told(7.0).also
    assert told(0.0).public == told(7.0).public
    assert told(0.0).private != told(7.0).private
