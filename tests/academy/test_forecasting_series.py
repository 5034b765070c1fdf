"""One row of finite numbers, or words that say which series, which place and what to do."""

from __future__ import annotations

import doctest
import pickle
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from academy.errors import AcademyError
from academy.forecasting import naive
from academy.forecasting.data import series
from academy.forecasting.data.series import (
    LABELS,
    SEASONS,
    SeriesError,
    as_frequency,
    as_series,
    not_constant,
    step_label,
    step_number,
    stride,
    times,
)
from hypothesis import given
from hypothesis import strategies as st

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(series, optionflags=doctest.ELLIPSIS)
    assert result.attempted >= 6
    assert result.failed == 0


class Tensor:
    """Numbers as torch and others hand them to numpy."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.array([1.0, 2.0, 3.0], np.float32)


# --- values --------------------------------------------------------------------------------------
@given(st.lists(finite, min_size=1))
def test_finite_numbers_come_back_as_they_are(values):
    array = np.array(values)
    assert as_series(array) is array
    assert as_series(values).tolist() == values
    assert as_series(tuple(values), missing=True).tolist() == values


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([1, 2, 3], id="integers"),
        pytest.param(np.array([1, 2, 3], np.float32), id="float32"),
        pytest.param(np.array([1, 2, 3], ">i2"), id="big-endian"),
        pytest.param(np.array([1, 2, 3], object), id="objects"),
        pytest.param(pd.Series([1, 2, 3], index=[5, 6, 7]), id="pandas"),
        pytest.param(pd.Series([1, 2, 3], dtype="Int64"), id="pandas-nullable"),
        pytest.param(Tensor(), id="tensor"),
        pytest.param(np.ma.array([1.0, 2.0, 3.0], mask=False), id="masked"),
    ],
)
def test_numbers_of_every_kind_become_float64(values):
    found = as_series(values)
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 2.0, 3.0]


@given(st.lists(st.one_of(finite, st.just(np.nan)), min_size=1))
def test_missing_values_pass_only_where_they_may_and_never_all_of_them(values):
    array = np.array(values)
    lacking = np.isnan(array)
    if not lacking.any():
        assert as_series(array).size == array.size
        return
    with pytest.raises(SeriesError, match=r"missing"):
        as_series(array)
    if lacking.all():
        with pytest.raises(SeriesError, match=r"all of its \d+ values? are missing"):
            as_series(array, missing=True)
    else:
        assert np.array_equal(as_series(array, missing=True), array, equal_nan=True)


@given(st.lists(finite, min_size=1, max_size=20), st.data())
def test_the_first_infinity_is_named_by_its_place(values, data):
    place = data.draw(st.integers(0, len(values) - 1))
    values = [*values]
    values[place] = data.draw(st.sampled_from([np.inf, -np.inf]))
    for missing in (True, False):
        with pytest.raises(SeriesError, match=rf"tide\[{place}\] is -?inf; every value must be"):
            as_series(values, "tide", missing=missing)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([], "tide is empty", id="empty"),
        pytest.param(5.0, r"one row of numbers; its shape is \(\)", id="a-number"),
        pytest.param([[1.0, 2.0]], r"its shape is \(1, 2\)", id="a-table"),
        pytest.param([[1.0], [1.0, 2.0]], "tide must be one row of numbers", id="ragged"),
        pytest.param([1.0, 2.0], "tide has 2 values; at least 3 needed", id="too-short"),
        pytest.param(["1.5", "2"], r"holds text, not numbers \(the first is '1.5'\)", id="text"),
        pytest.param([1j, 2j], "holds complex", id="complex"),
        pytest.param(np.array(["2020-01"], "datetime64[M]"), "holds dates", id="dates"),
        pytest.param(np.array([5], "timedelta64[D]"), "holds lengths of time", id="durations"),
        pytest.param([1.0, None, "x"], r"tide\[2\] is 'x', which is no number", id="mixed"),
        pytest.param([1.0, date(2020, 1, 1)], r"tide\[1\] is datetime.date", id="date-object"),
        pytest.param([1.0, timedelta(1)], r"tide\[1\] is datetime.timedelta", id="duration-object"),
        pytest.param([10**400, None], r"tide\[0\] is 1000", id="beyond-float"),
        pytest.param([None, None, None], "all of its 3 values are missing", id="all-missing"),
        pytest.param([1.0, np.nan, 2.0], r"tide\[1\] is nan.*gaps='longest'", id="one-missing"),
        pytest.param(np.array([b"1"]), "holds bytes", id="bytes"),
        pytest.param({"a": 1}, "tide", id="a-dictionary"),
    ],
)
def test_what_is_no_series_is_told_in_words_that_name_it(values, message):
    with pytest.raises(SeriesError, match=message) as caught:
        as_series(values, "tide", least=3)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AcademyError)
    assert caught.value._render_traceback_() == [f"SeriesError: {caught.value}"]


def test_what_a_mask_hides_is_missing_and_not_its_filler():
    masked = np.ma.array([1.0, -999.0, 3.0], mask=[False, True, False])
    with pytest.raises(SeriesError, match=r"\[1\] is nan"):
        as_series(masked)
    assert np.isnan(as_series(masked, missing=True)).tolist() == [False, True, False]


def test_pandas_missing_value_is_missing():
    values = pd.Series([1, None, 3], dtype="Int64")
    assert np.isnan(as_series(values, missing=True)).tolist() == [False, True, False]


def test_an_error_can_be_sent_to_another_process():
    sent = pickle.dumps(SeriesError("tide is empty"))
    assert str(pickle.loads(sent)) == "tide is empty"  # noqa: S301 (our own)


@pytest.mark.parametrize("value", [0.0, -3.25, 1e300])
def test_a_constant_series_is_told_where_it_matters(value):
    with pytest.raises(SeriesError, match=r"tide is constant: all 4 values are"):
        not_constant(np.full(4, value), "tide")
    assert not_constant(np.array([value, np.nextafter(value, np.inf)])).size == 2


def test_the_naive_forecasts_read_series_with_it():
    assert naive.as_series is as_series
    with pytest.raises(SeriesError, match=r"history\[1\] is inf"):
        naive.seasonal_naive([1.0, np.inf], 1, season=1)


# --- labels --------------------------------------------------------------------------------------
frequencies = st.sampled_from(list(SEASONS))


@given(frequencies, st.dates())
def test_a_label_is_read_as_it_was_written(frequency, day):
    number = {
        "month": day.year * 12 + day.month - 1,
        "year": day.year,
    }.get(frequency, day.toordinal())
    label = step_label(number, frequency)
    assert len(label) == len(LABELS[frequency])
    assert step_number(label, frequency) == number


@given(frequencies, st.dates(max_value=date(9000, 1, 1)), st.integers(0, 60))
def test_labels_of_steps_agree_with_pandas(frequency, day, count):
    first = {"month": f"{day:%Y-%m}", "year": f"{day:%Y}"}.get(frequency, day.isoformat())
    first = first.zfill(len(LABELS[frequency]))
    period = {"month": "M", "year": "Y", "week": None, "day": "D"}[frequency]
    if period is None:
        expected = [(day + timedelta(days=7 * step)).isoformat() for step in range(count)]
    else:
        expected = [str(pd.Period(first, period) + step) for step in range(count)]
    assert times(first, count, frequency) == [label.zfill(len(first)) for label in expected]
    assert stride(frequency) == (7 if frequency == "week" else 1)


@pytest.mark.parametrize(
    ("label", "frequency"),
    [
        pytest.param("1997", "month", id="a-year-for-a-month"),
        pytest.param("1997-13", "month", id="thirteenth-month"),
        pytest.param("1997-1", "month", id="one-digit"),
        pytest.param("1997-02-29", "day", id="no-leap-year"),
        pytest.param("1997-11", "week", id="a-month-for-a-week"),
        pytest.param("0000", "year", id="year-zero"),
        pytest.param("١٩٩٧", "year", id="other-digits"),
        pytest.param("1997-11\n", "month", id="line-feed"),
        pytest.param("x" * 10_000, "year", id="very-long"),
        pytest.param(None, "year", id="nothing"),
    ],
)
def test_a_label_that_is_none_is_told_with_an_example(label, frequency):
    with pytest.raises(SeriesError, match=rf"is no {frequency}; write it as") as caught:
        step_number(label, frequency)
    assert len(str(caught.value)) < 200


def test_a_step_after_the_year_9999_is_told():
    with pytest.raises(SeriesError, match="outside the years"):
        times("9999-12", 2, "month")


def test_a_frequency_that_is_none_is_told_with_those_there_are():
    assert as_frequency(None) is None
    assert as_frequency("week") == "week"
    with pytest.raises(SeriesError, match="'hour'; it must be one of month, year, week, day"):
        as_frequency("hour")
