"""The learner's own tables: read without guessing, or refused in words that say the row."""

from __future__ import annotations

import csv
import doctest
import math
import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from academy.errors import AcademyError
from academy.forecasting.data import reading_table
from academy.forecasting.data.panel import About
from academy.forecasting.data.reading import read_csv
from academy.forecasting.data.series import SeriesError, times
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file = folder / "own.csv"
    file.write_text("\n".join(lines) + "\n", encoding=encoding)
    return file


def rows(folder: Path, *pairs: object, header: str = "t,v") -> Path:
    return write(folder, header, *(str(pair) for pair in pairs))


def read(file: Path, **options):
    return read_csv(file, time="t", value="v", **options)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(reading_table)
    assert result.attempted >= 4
    assert result.failed == 0


# --- what can be read ----------------------------------------------------------------------------
@given(
    st.sampled_from(["month", "year", "week", "day"]),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=40),
)
@FOLDER
def test_a_table_that_was_written_comes_back(tmp_path, frequency, day, values):
    start = {"month": f"{day:%Y-%m}", "year": f"{day:%Y}"}.get(frequency, day.isoformat())
    labels = times(start, len(values), frequency)
    file = rows(tmp_path, *(f"{t},{v!r}" for t, v in zip(labels, values, strict=True)))
    panel = read(file, about=About(unit="K"), missing=[])
    assert panel.frequency == frequency
    assert panel.times("v") == labels
    assert panel["v"].tolist() == values
    assert panel.about("v").unit == "K"


@given(st.data())
@FOLDER
def test_series_one_below_the_other_are_those_side_by_side(tmp_path, data):
    count = data.draw(st.integers(2, 15))
    labels = times("2001-11", count, "month")
    table = {name: data.draw(st.lists(st.integers(-99, 99), min_size=count, max_size=count))
             for name in ("ocean", "air, at 2 m", 'the "third"')}  # fmt: skip
    wide, long = tmp_path / "wide.csv", tmp_path / "long.csv"
    with wide.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["t", *table])
        writer.writerows(zip(labels, *table.values(), strict=True))
    with long.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["name", "t", "v"])
        writer.writerows(
            [n, t, v] for n, vs in table.items() for t, v in zip(labels, vs, strict=True)
        )
    by_column = read_csv(wide, "t", list(table), missing=[])
    assert by_column == read_csv(long, "t", "v", "name", missing=[])


@pytest.mark.parametrize(
    ("written", "options", "expected"),
    [
        pytest.param(["1997", "1998", "1999"], {}, ["1997", "1998", "1999"], id="years"),
        pytest.param(["1997-1", "1997-2"], {}, ["1997-01", "1997-02"], id="one-digit"),
        pytest.param(["1997/01/31", "1997/02/28"], {}, ["1997-01", "1997-02"], id="month-ends"),
        pytest.param(["1997-01-16", "1997-02-15", "1997-03-16"], {},
                     ["1997-01", "1997-02", "1997-03"], id="mid-months"),
        pytest.param(["1996-06-30", "1997-06-30"], {}, ["1996", "1997"], id="mid-years"),
        pytest.param(["2024-02-26", "2024-03-04"], {}, ["2024-02-26", "2024-03-04"], id="weeks"),
        pytest.param(["2024-02-28", "2024-02-29", "2024-03-01"], {},
                     ["2024-02-28", "2024-02-29", "2024-03-01"], id="leap-day"),
        pytest.param(["2024-02-28T12:00", "2024-02-29T12:00"], {}, ["2024-02-28", "2024-02-29"],
                     id="noons"),
        pytest.param(["2024-02-28 23:30:00+00:00", "2024-02-29 23:30:00+00:00"], {},
                     ["2024-02-28", "2024-02-29"], id="one-offset-as-written"),
        pytest.param(["2024-02-28T23:30:00Z", "2024-02-29T23:30:00Z"],
                     {"timezone": "Africa/Nairobi"}, ["2024-02-29", "2024-03-01"],
                     id="another-zones-day"),
        pytest.param(["2024-03-30T00:00+01:00", "2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"],
                     {"timezone": "Europe/Berlin"}, ["2024-03-30", "2024-03-31", "2024-04-01"],
                     id="summer-time"),
        pytest.param(["31.01.1997", "28.02.1997"], {"format": "%d.%m.%Y"}, ["1997-01", "1997-02"],
                     id="day-first"),
        pytest.param(["199711", "199712"], {"format": "%Y%m"}, ["1997-11", "1997-12"],
                     id="compact"),
        pytest.param(["Nov 1997", "Dec 1997"], {"format": "%b %Y"}, ["1997-11", "1997-12"],
                     id="names"),
        pytest.param(["1997-12", "1997-11"], {"order": "sort"}, ["1997-11", "1997-12"],
                     id="newest-first"),
        pytest.param(["2021-02-01", "2021-03-01"], {}, ["2021-02", "2021-03"], id="february"),
        pytest.param(["2021-03-05"], {"frequency": "month"}, ["2021-03"], id="a-single-month"),
    ],
)  # fmt: skip
def test_times_are_read_as_they_are_written(tmp_path, written, options, expected):
    panel = read(
        rows(tmp_path, *(f"{text},{place}" for place, text in enumerate(written))), **options
    )
    assert panel.times("v") == expected
    places = range(len(written))
    turned = options.get("order") == "sort"
    assert panel["v"].tolist() == [*(reversed(places) if turned else places)]


def test_a_year_and_a_month_in_two_columns_make_a_month(tmp_path):
    file = write(tmp_path, "YEAR,MON,SST", "1950,1,23.5", "1950,2,24")
    assert read_csv(file, time=["YEAR", "MON"], value="SST").times("SST") == ["1950-01", "1950-02"]


def test_a_spreadsheets_marks_are_read(tmp_path):
    file = write(tmp_path, "t;v", "1997-11;1,5", "1997-12;-2,25e1", "", encoding="utf-8-sig")
    panel = read(file, delimiter=";", decimal=",")
    assert panel["v"].tolist() == [1.5, -22.5]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30), st.integers(1, 28))
@FOLDER
def test_a_months_mean_is_that_of_pandas(tmp_path, gaps, seed):
    days = [date(1990, 1, 1) + timedelta(days=int(d)) for d in np.cumsum([7 * g + 1 for g in gaps])]
    values = np.random.default_rng(seed).normal(size=len(days))
    file = rows(tmp_path, *(f"{d},{v!r}" for d, v in zip(days, values.tolist(), strict=True)))
    try:
        panel = read(file, frequency="month", duplicates="mean", gaps="longest")
    except SeriesError as problem:
        assume("No month is whole" not in str(problem))
        raise
    expected = pd.Series(values, pd.PeriodIndex(days, freq="M")).groupby(level=0).mean()
    found = pd.Series(panel["v"], pd.PeriodIndex(panel.times("v"), freq="M"))
    assert found.to_numpy() == pytest.approx(expected[found.index].to_numpy())


# --- means of steps that lack rows ---------------------------------------------------------------
@given(
    st.sampled_from(["D M month", "D Y year", "M Y year", "Q Y year"]),
    st.integers(0, 400),
    st.sets(st.integers(0, 1200), max_size=4),
)
@settings(FOLDER, deadline=None)
def test_a_mean_is_one_of_all_rows_of_a_step_or_a_gap(tmp_path, frequencies, begin, absent):
    """Against the whole calendar, somewhere in which the source begins."""
    source, target, frequency = frequencies.split()
    calendar = pd.period_range("1999", "2002-12-31", freq=source)
    values = pd.Series(np.arange(len(calendar)) ** 1.1, calendar)
    values.iloc[: begin % (len(calendar) // 3)] = np.nan
    values.iloc[[place % len(calendar) for place in absent]] = np.nan
    there = values[values.first_valid_index() :]
    ends = there.index.end_time.date
    file = rows(tmp_path, *(f"{day},{v!r}" for day, v in zip(ends, there.tolist(), strict=True)))
    groups = values.groupby(calendar.asfreq(target))
    whole = groups.mean()[groups.count() == groups.size()]
    assume(len(whole))
    panel = read(file, gaps="split", frequency=frequency, duplicates="mean")
    assert [t for name in panel for t in panel.times(name)] == [str(step) for step in whole.index]
    assert panel.flat == pytest.approx(whole.to_numpy())


def days(begin, end, without=(), step=1):
    count = (date.fromisoformat(end) - date.fromisoformat(begin)).days
    found = [date.fromisoformat(begin) + timedelta(days=n) for n in range(0, count + 1, step)]
    return [day for day in found if day.isoformat() not in without]


WORKING = [day for day in days("2001-01-01", "2001-06-30") if day.weekday() < 5]
HOURS = [f"2001-01-{n // 24 + 1:02}T{n % 24:02}:00" for n in range(24 * 20)]


@pytest.mark.parametrize(
    ("written", "frequency", "message"),
    [
        pytest.param(times("1999-03", 22, "month"), "year",
                     r"1999 has 10 of 12 \(1 of 2 years\).*gaps='longest'", id="cut-at-the-start"),
        pytest.param(times("1999-01", 20, "month"), "year", "2000 has 8 of 12", id="at-the-end"),
        pytest.param(["2000-12", "2001-01"], "year", "2000 has 1 of 12.*No year is whole",
                     id="one-row-each"),
        pytest.param(days("2001-01-01", "2001-03-31", ["2001-02-07"]), "month",
                     r"2001-02 has 27 of 28 \(1 of 3 months\)", id="a-day"),
        pytest.param(days("2001-01-01", "2001-04-30", ["2001-02-12"], 7), "month",
                     "2001-02 has 3 of 4", id="a-week"),
        pytest.param(days("2001-01-01", "2002-12-31", ["2001-01-01"], 7), "year",
                     "2001 has 52 of 53", id="the-first-week"),
        pytest.param(WORKING[:-18], "month", "2001-06 has 3 of 21", id="working-days"),
        pytest.param([*HOURS[:50], *HOURS[52:]], "day", "2001-01-03 has 22 of 24", id="hours"),
        pytest.param([*HOURS[:50], *HOURS[52:]], "day", r"\(1 of 20 days\)", id="hours-count"),
        pytest.param(HOURS[:-23], "day", "2001-01-20 has 1 of 24", id="hours-at-the-end"),
        pytest.param([f"{y}-{m:02}" for y in range(1990, 1996) for m in (6, 7, 8)][:-1], "year",
                     "1995 has 2 of 3", id="summers"),
        pytest.param([f"{y}-{m:02}" for y in range(1990, 1996) for m in range(3, 7)][2:], "year",
                     r"1990 has 2 of 4 \(1 of 6", id="springs"),
    ],
)  # fmt: skip
def test_a_mean_over_a_part_of_a_step_is_refused_or_a_gap(tmp_path, written, frequency, message):
    file = rows(tmp_path, *(f"{text},{place}" for place, text in enumerate(written)))
    options = {"frequency": frequency, "duplicates": "mean"}
    with pytest.raises(SeriesError, match=message) as caught:
        read(file, **options)
    if "is whole" in str(caught.value):
        with pytest.raises(SeriesError, match="is whole"):
            read(file, gaps="longest", **options)
        return
    label = re.search(r"years?: (\S+)|some \w+: (\S+)", str(caught.value))
    split = read(file, gaps="split", **options)
    assert next(filter(None, label.groups())) not in [
        t for name in split for t in split.times(name)
    ]


@pytest.mark.parametrize(
    ("written", "frequency", "count"),
    [
        pytest.param(times("1999-01", 24, "month"), "year", 2, id="months"),
        pytest.param(days("2000-01-01", "2003-12-31"), "year", 4, id="days"),
        pytest.param(days("2000-01-03", "2001-12-31", step=7), "month", 24, id="weeks"),
        pytest.param(days("2000-01-01", "2001-12-31", step=8), "month", 24, id="eight-days"),
        pytest.param(WORKING, "month", 6, id="working-days"),
        pytest.param(HOURS, "day", 20, id="hours"),
        pytest.param([*HOURS[:50], *HOURS[51:]], "day", 20, id="summer-time"),
        pytest.param(["1999-03", "1999-06", "1999-09", "1999-12"], "year", 1, id="quarters"),
        pytest.param([f"{y}-{m:02}" for y in range(1990, 1996) for m in (6, 7, 8)], "year", 6,
                     id="summers"),
        pytest.param(["2000-07-01", "2001-06-30", "2002-07-01"], "year", 3, id="no-finer"),
        pytest.param(["2000-01-31", "2000-02-29", "2000-03-31"], "month", 3, id="nor-than-months"),
        pytest.param(["2000-01-01", "2000-01-02", "2000-01-04", "2000-01-09"], "day", 4,
                     id="nor-than-days"),
    ],
)  # fmt: skip
def test_whole_steps_have_a_mean(tmp_path, written, frequency, count):
    file = rows(tmp_path, *(f"{text},{place}" for place, text in enumerate(written)))
    split = read(file, frequency=frequency, duplicates="mean", gaps="split")
    assert split.lengths.sum() == count


# --- gaps ----------------------------------------------------------------------------------------
@given(st.lists(st.booleans(), min_size=3, max_size=40), st.booleans())
@FOLDER
def test_nothing_is_filled_in_whatever_becomes_of_gaps(tmp_path, present, as_missing):
    assume(sum(present) >= 1)
    labels = times("1999-11", len(present), "month")
    lines = [
        f"{label},{place}" if there else f"{label},NA"
        for place, (label, there) in enumerate(zip(labels, present, strict=True))
        if there or as_missing
    ]
    file = rows(tmp_path, *lines)
    runs, run = [], []
    for place, there in enumerate([*present, False]):
        if there:
            run.append(float(place))
        elif run:
            runs.append(run)
            run = []
    split = read(file, frequency="month", gaps="split")
    assert [values.tolist() for values in split.values()] == runs
    assert [split.times(name) for name in split] == [[labels[int(v)] for v in r] for r in runs]
    longest = read(file, frequency="month", gaps="longest")
    assert longest["v"].tolist() == max(runs, key=len)
    if len(runs) == 1:
        assert read(file, frequency="month") == longest == split
    else:
        with pytest.raises(SeriesError, match=r"v has a gap: nothing from .*gaps='longest'"):
            read(file, frequency="month")


def test_a_gap_is_told_with_its_place_and_what_longest_would_keep(tmp_path):
    file = rows(tmp_path, "1999-11,1", "1999-12,2", "2000-02,3", "2000-05,4")
    with pytest.raises(SeriesError) as caught:
        read(file)
    text = str(caught.value)
    assert "v has a gap: nothing from 2000-01 to 2000-01 (3 months are absent in all)" in text
    assert "(2 of 4 values)" in text
    assert "Nothing is ever filled in" in text


def test_parts_are_called_by_where_they_begin_and_keep_what_was_said_of_the_series(tmp_path):
    file = rows(tmp_path, "1999,1", "2001,2")
    panel = read(file, gaps="split", about={"v": About(unit="K")})
    assert list(panel) == ["v from 1999", "v from 2001"]
    assert panel.about("v from 2001") == About(unit="K")


def test_two_parts_of_one_name_are_told(tmp_path):
    file = write(tmp_path, "t,n,v", "1999,v,1", "2001,v,2", "2001,v from 2001,3")
    with pytest.raises(SeriesError, match="would be called 'v from 2001'"):
        read_csv(file, "t", "v", "n", gaps="split")


# --- what is refused -----------------------------------------------------------------------------
REFUSED = {
    "irregular": (["2020-01-01,1", "2020-01-05,2", "2020-01-12,3", "2020-03-02,4"], {},
                  "v is irregular: 4 days from 2020-01-01 to 2020-01-05"),
    "a-week-off": (["2024-01-01,1", "2024-01-08,2", "2024-01-16,3"], {"frequency": "week"},
                   "2024-01-16 is no whole number of weeks after 2024-01-01"),
    "days-asked-of-weeks": (["2024-01-01,1", "2024-01-08,2"], {"frequency": "day"}, "gap"),
    "unordered": (["1997-11,1", "1998-01,2", "1997-12,3"], {},
                  r"wrong order: row 4 \(1997-12\) comes after 1998-01.*format="),
    "newest-first": (["1998-01,1", "1997-12,2", "1997-11,3"], {},
                     "wrong order: row 3 .*newest come first: order='sort'"),
    "twice": (["1997-11,1", "1997-12,2", "1997-12,3"], {},
              "v has 1997-12 twice: row 3 and row 4.*series="),
    "finer": (["1997-11-01,1", "1997-11-08,2", "1997-12-01,3"], {"frequency": "month"},
              "several values in the month 1997-11: row 2 and row 3.*duplicates='mean'"),
    "coarser": (["1997,1", "1998,2"], {"frequency": "month"}, "1997 is a year; a month is written"),
    "months-asked-for-days": (["1997-11,1", "1997-12,2"], {"frequency": "day"},
                              "is a month; a day"),
    "one-step": (["1997-11-30,1"], {}, "say frequency="),
    "two-kinds": (["1997-11,1", "1997-12-01,2"], {},
                  "row 3 says '1997-12-01', row 2 said '1997-11'"),
    "naive-and-aware": (["2024-01-01T00:00,1", "2024-01-02T00:00Z,2"], {},
                        "one names its zone, the other does not"),
    "naive-and-aware-in-a-zone": (["2024-01-01T00:00Z,1", "2024-01-02T00:00,2"],
                                  {"timezone": "UTC"}, "one names its zone, the other does not"),
    "mixed-offsets": (["2024-03-30T00:00+01:00,1", "2024-03-31T00:00+02:00,2"], {},
                      "different offsets from UTC.*timezone='UTC'"),
    "dates-and-clocks": (["2024-01-01,1", "2024-01-02T00:00,2"], {}, "written in one way"),
    "no-zone": (["2024-01-01T00:00Z,1"], {"timezone": "Mars/Olympus"}, "no time zone 'Mars"),
    "zone-as-path": (["2024-01-01T00:00Z,1"], {"timezone": "../../etc/passwd"}, "no time zone"),
    "day-first": (["30/11/1997,1"], {}, "row 2: '30/11/1997' is no time.*format="),
    "no-day": (["1997-02-30,1"], {}, "'1997-02-30' is no time"),
    "decimal-year": (["1958.2027,1"], {}, "A year with decimals is no date"),
    "words": (["last week,1"], {}, "'last week' is no time"),
    "no-time": ([",1"], {}, "'' is no time"),
    "other-digits": (["١٩٩٧,1"], {}, "is no time"),
    "not-that-format": (["1997-11,1"], {"format": "%d.%m.%Y"}, "no time written as '%d.%m.%Y'"),
    "text": (["1997-11,high"], {}, "row 2, v: 'high' is no number"),
    "underscore": (["1997-11,1_000"], {}, "'1_000' is no number"),
    "foreign-digit": (["1997-11,٣"], {}, "is no number"),
    "hexadecimal": (["1997-11,0x10"], {}, "'0x10' is no number"),
    "decimal-comma": (['1997-11,"1,5"'], {}, "decimal=','"),
    "point-among-commas": (["1997-11,1.5"], {"decimal": ","}, "'1.5' is no number"),
    "infinite": (["1997-11,1", "1997-12,-inf"], {}, "v: row 3 is -inf; every value must be finite"),
    "overflow": (["1997-11,1", "1997-12,1e999"], {}, "row 3 is inf"),
    "all-missing": (["1997-11,NA", "1997-12,"], {}, "v: all of its 2 values are missing"),
    "filler": (["1997-11,20", "1997-12,-999", "1998-01,21"], {},
               r"row 3 says -999.*missing=\['-999'\]"),
    "too-many-cells": (["1997-11,1,2"], {}, "row 2 has 3 cells, the header has 2"),
    "too-few-cells": (["1997-11"], {}, "row 2 has 1 cells"),
    "no-rows": ([], {}, "a header and no rows"),
    "quote-without-end": (['1997-11,"1'], {}, "cannot be read as CSV"),
    "two-digit-year": (["30.11.58,1"], {"format": "%d.%m.%y"}, "format has %y.*1958 or 2058.*%Y"),
    "local-date": (["11/30/58,1"], {"format": "%x"}, "format has %x, a year of two digits"),
    "gaps-misspelt": (["1997-11,1"], {"gaps": "interpolate"}, "gaps is 'interpolate'; it must be"),
    "duplicates-misspelt": (["1997-11,1"], {"duplicates": "last"}, "duplicates is 'last'"),
    "order-misspelt": (["1997-11,1"], {"order": "desc"}, "order is 'desc'"),
    "hours": (["1997-11,1"], {"frequency": "hour"}, "frequency is 'hour'"),
    "delimiter": (["1997-11,1"], {"delimiter": "::"}, "must be one character"),
    "decimal": (["1997-11,1"], {"decimal": "'"}, "a point or a comma"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_would_be_a_guess_is_refused_in_words(tmp_path, name):
    lines, options, message = REFUSED[name]
    with pytest.raises(SeriesError, match=message) as caught:
        read(rows(tmp_path, *lines), **options)
    assert isinstance(caught.value, AcademyError)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        pytest.param("t,w", {}, "no column 'v'; it has 't', 'w'", id="no-such-column"),
        pytest.param("t,v,v", {}, "two columns 'v'", id="twice"),
        pytest.param("t;v", {}, r"one column, 't;v'.*delimiter=';'", id="semicolons"),
        pytest.param("t\tv", {}, r"delimiter='\\t'", id="tabs"),
        pytest.param("t,v", {"series": "name"}, "no column 'name'", id="no-series-column"),
        pytest.param("", {}, "no column 't'; it has no header", id="empty"),
    ],
)
def test_a_column_that_is_not_there_is_told(tmp_path, header, options, message):
    with pytest.raises(SeriesError, match=message):
        read(write(tmp_path, header), **options)


def test_two_ways_of_holding_series_at_once_are_refused(tmp_path):
    file = write(tmp_path, "t,n,v,w", "1999,a,1,2")
    with pytest.raises(SeriesError, match="one below the other"):
        read_csv(file, "t", ["v", "w"], "n")
    with pytest.raises(SeriesError, match="which column has the times"):
        read_csv(file, "t", [])
    with pytest.raises(SeriesError, match="named twice: v, v"):
        read_csv(file, "t", ["v", "v"])


def test_series_of_two_frequencies_are_refused_by_name(tmp_path):
    lines = ["a,2001-01-01,1", "a,2002-01-01,2", "b,2001-01-01,1", "b,2001-02-01,2"]
    file = write(tmp_path, "n,t,v", *lines)
    with pytest.raises(SeriesError, match="a has one value a year, b one a month"):
        read_csv(file, "t", "v", "n")


def test_a_filler_is_missing_or_measured_as_is_said(tmp_path):
    file = rows(tmp_path, "1999,20", "2000,-999.0", "2001,21", "2002,22")
    assert read(file, missing=["-999"], gaps="longest")["v"].tolist() == [21.0, 22.0]
    assert read(file, missing=[])["v"].tolist() == [20.0, -999.0, 21.0, 22.0]
    near = rows(tmp_path, "1999,-1200", "2000,-999", "2001,-900")
    assert read(near)["v"].tolist() == [-1200.0, -999.0, -900.0]


#: A station's months: from -6 to 29 degrees.
STATION = [round(12 + 15 * math.sin(n * math.pi / 6) + n % 7 / 2 - 1, 1) for n in range(60)]
#: Days without rain, mostly.
RAIN = [[0.0, 0.0, 0.0, 0.0, 12.5, 0.0, 0.0, 0.4][n * n % 8] for n in range(60)]


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        pytest.param(STATION, ["-99.9"], id="a-wide-series"),
        pytest.param(STATION, ["-9999", "-999"], id="two-codes"),
        pytest.param(STATION, ["-99999"], id="five-nines"),
        pytest.param(STATION, ["-999.99"], id="two-decimals"),
        pytest.param(STATION, ["1e+20"], id="large"),
        pytest.param([*STATION[:-1], -777.0], ["-9999"], id="beside-one-that-is-not-listed"),
        pytest.param(RAIN, ["-99.9"], id="mostly-zero"),
        pytest.param([4.0] * 60, ["-99"], id="constant"),
        pytest.param([-999.0] * 60, ["-999"], id="nothing-else"),
    ],
)  # fmt: skip
def test_codes_for_a_missing_value_are_asked_about(tmp_path, values, codes):
    table = [*values]
    for place, code in enumerate(codes):
        table[20 + 9 * place] = float(code)
    labels = times("1958-03", 60, "month")
    file = rows(tmp_path, *(f"{t},{v}" for t, v in zip(labels, table, strict=True)))
    with pytest.raises(SeriesError) as caught:
        read(file)
    listed = ", ".join(f"'{code}'" for code in codes)
    assert f"say missing=[{listed}]" in str(caught.value)
    assert read(file, missing=[])["v"].tolist() == table
    if -999.0 not in values:
        whole = [v for part in read(file, missing=codes, gaps="split").values() for v in part]
        assert whole == [v for v in table if v not in [float(code) for code in codes]]
    if len(codes) > 1:
        with pytest.raises(SeriesError, match=r"missing=\['-999', '-9999'\]"):
            read(file, missing=["-999"])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([1009.0, 1012.0, 1011.0, 1010.5, 1004.0, 999.9, 1001.0], id="pressure"),
        pytest.param([9000.0, 9999.0, 12000.0, 300.0, 420.0, 800.0, 5000.0], id="a-rivers-flood"),
        pytest.param([-1200.0, -999.0, -900.0], id="below-zero"),
        pytest.param([-130.0, -99.0, -60.0, 10.0, 25.0], id="within"),
        pytest.param([0.0, 0.0, 0.0, 40.0], id="no-code"),
    ],
)  # fmt: skip
def test_a_number_that_is_no_outlier_is_a_measurement(tmp_path, values):
    labels = times("1958-03", len(values), "month")
    file = rows(tmp_path, *(f"{t},{v}" for t, v in zip(labels, values, strict=True)))
    assert read(file)["v"].tolist() == values


def test_the_first_of_two_is_kept_if_that_is_said(tmp_path):
    file = rows(tmp_path, "1999,1", "1999,3", "2000,5")
    assert read(file, duplicates="first")["v"].tolist() == [1.0, 5.0]
    assert read(file, duplicates="mean")["v"].tolist() == [2.0, 5.0]


def test_a_missing_row_beside_a_measured_one_is_no_duplicate(tmp_path):
    assert read(rows(tmp_path, "1999,NA", "1999,3", "2000,5"))["v"].tolist() == [3.0, 5.0]


# --- hostile files -------------------------------------------------------------------------------
def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "own.csv"
    with file.open("wb") as content:
        content.truncate(reading_table.MOST_BYTES + 1)  # sparse: it takes no room
    with pytest.raises(SeriesError, match="has 256 MB; at most 256 MB are read"):
        read(file)


def test_more_rows_than_memory_should_hold_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading_table, "MOST_ROWS", 3)
    assert read(rows(tmp_path, "1998,1", "1999,1"))["v"].size == 2
    with pytest.raises(SeriesError, match="more than 3 rows"):
        read(rows(tmp_path, "1998,1", "1999,1", "2000,1"))


def test_more_series_than_can_be_meant_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading_table, "MOST_SERIES", 3)
    file = write(tmp_path, "n,t,v", *(f"s{number},1999,1" for number in range(5)))
    with pytest.raises(SeriesError, match="more than 3 series"):
        read_csv(file, "t", "v", "n", frequency="year")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x00" * 1000, id="zeros"),
        pytest.param(b"t,v\n1999,\xff\xfe\n", id="no-utf8"),
        pytest.param("t,v\n1999,1\n".encode("utf-16"), id="utf16"),
        pytest.param(b"t,v\n1999," + b"9" * 200_000, id="a-long-cell"),
        pytest.param(b"t,v\n" + b"1" * 200_000 + b",1", id="a-long-time"),
        pytest.param(b"t,v\n1999,1e" + b"9" * 4000, id="a-large-exponent"),
        pytest.param(b"t,v\n" + b"," * 100_000, id="many-cells"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="a-spreadsheet"),
        pytest.param(b"t,v\n=cmd|'/C calc'!A0,1\n", id="a-formula"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path, content):
    file = tmp_path / "own.csv"
    file.write_bytes(content)
    with pytest.raises(SeriesError) as caught:
        read(file)
    assert len(str(caught.value)) < 1000


@given(st.binary(max_size=200))
@FOLDER
def test_any_bytes_give_a_panel_or_words(tmp_path, content):
    file = tmp_path / "own.csv"
    file.write_bytes(b"t,v\n" + content)
    try:
        panel = read(file, frequency="year")
    except SeriesError:
        return
    assert all(np.isfinite(values).all() for values in panel.values())


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=4))
@FOLDER
def test_any_cells_give_a_panel_or_words(tmp_path, cells):
    file = tmp_path / "own.csv"
    with file.open("w", newline="", encoding="utf-8", errors="surrogatepass") as text:
        csv.writer(text).writerows([("t", "v"), *cells])
    try:
        panel = read(file, frequency="year")
    except SeriesError:
        return
    assert all(np.isfinite(values).all() for values in panel.values())


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_file_that_is_none_is_told(tmp_path, name):
    with pytest.raises(SeriesError, match="There is no file"):
        read(tmp_path / name)


def test_a_pipe_or_a_device_is_not_waited_for():
    with pytest.raises(SeriesError, match="There is no file"):
        read(Path("/dev/zero"))
