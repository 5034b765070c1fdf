"""Calendar features: functions of the date alone, so known in the future and free of leaks."""

from __future__ import annotations

import doctest
from datetime import date

import numpy as np
import pytest
from academy.forecasting.data import calendar_features as module
from academy.forecasting.data.calendar_features import features, features_of, month_of_year
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError, times
from hypothesis import given
from hypothesis import strategies as st

STARTS = {"month": "1999-11", "year": "1871", "week": "2023-12-25", "day": "2024-02-27"}


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0


@given(st.integers(1, 9000), st.integers(1, 12), st.integers(0, 40))
def test_months_count_on_over_the_turn_of_the_year(year, month, count):
    start = f"{year:04}-{month:02}"
    expected = [int(label[5:]) - 1 for label in times(start, count, "month")]
    assert month_of_year(start, count).tolist() == expected
    assert month_of_year(times(start, count, "month")).tolist() == expected


@pytest.mark.parametrize("frequency", list(STARTS))
@given(known=st.integers(1, 80), more=st.integers(0, 80))
def test_features_of_the_past_do_not_change_when_the_future_is_asked_for(frequency, known, more):
    alone = features(STARTS[frequency], known, frequency)
    together = features(STARTS[frequency], known + more, frequency)
    assert np.array_equal(together.values[:known], alone.values)
    assert together.names == alone.names
    assert together.values.shape == (known + more, len(together.names))


@pytest.mark.parametrize(
    ("frequency", "season"), [("month", 12), ("week", 365.2425 / 7), ("day", 365.2425)]
)
def test_a_year_later_the_season_is_where_it_was(frequency, season):
    values, names = features(STARTS[frequency], 500, frequency, harmonics=1, trend=False)
    year = round(season)
    column = names.index("sin 1/year")
    # A week or a leap day off at most.
    assert np.abs(values[year:, column] - values[:-year, column]).max() < 2 * np.pi * 7 / 365


def test_the_columns_tell_all_months_apart_and_six_waves_explain_any_season():
    values, _ = features("2001-01", 12, "month", harmonics=6, trend=False)
    assert np.linalg.matrix_rank(np.column_stack([np.ones(12), values])) == 12


def test_a_weekday_has_the_same_place_in_every_week():
    values, names = features("2024-02-27", 60, "day")
    week = values[:, [names.index("sin 1/week"), names.index("cos 1/week")]]
    assert np.allclose(week[7:], week[:-7])
    assert not np.allclose(week[1:], week[:-1])
    assert date.fromisoformat("2024-02-27").weekday() == 1
    assert week[0] == pytest.approx([np.sin(2 * np.pi / 7), np.cos(2 * np.pi / 7)])


def test_the_trend_grows_by_one_in_a_decade_and_does_not_know_the_window():
    months, names = features("1990-01", 121, "month")
    assert months[120, names.index("trend")] - months[0, names.index("trend")] == pytest.approx(1)
    later, _ = features("1995-01", 61, "month")
    assert later[0] == pytest.approx(months[60])
    assert features("1990", 3, "year").names == ("trend",)


def test_a_panels_features_go_on_into_the_future():
    panel = Panel.of({"a": np.arange(5.0)}, frequency="month", starts="2020-06")
    found = features_of(panel, "a", horizon=7)
    assert np.array_equal(found.values, features("2020-06", 12, "month").values)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: features("2020-13", 3, "month"), "no month"),
        (lambda: features("2020-01", 3, "hour"), "must be one of month, year, week, day"),
        (lambda: features("2020-01", 3, None), "have no dates"),
        (lambda: features("2020-01", -1, "month"), "must not be negative"),
        (lambda: features("2020-01", 3, "month", harmonics=7), "from 0 to 6"),
        (lambda: features("2020", 3, "year", trend=False), "No feature is left"),
        (lambda: month_of_year("2020-01"), "say how many months"),
        (lambda: month_of_year(["2020-01"], 3), "leave count out"),
        (lambda: month_of_year(["1. May"]), "no month"),
        (lambda: features_of(Panel.of({"a": [1.0]}), "a"), "a has no dates"),
    ],
    ids=[
        "no such month",
        "no such frequency",
        "no frequency",
        "negative count",
        "too many waves",
        "nothing left",
        "no count",
        "list and count",
        "no label",
        "panel without dates",
    ],
)
def test_what_cannot_be_is_said(call, said):
    with pytest.raises(SeriesError, match=said):
        call()
