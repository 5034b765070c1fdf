"""The learner's own tables: read without guessing, or refused in words that say the row."""

from __future__ import annotations

import csv
import doctest
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
    panel = read(file, frequency="month", duplicates="mean", gaps="longest")
    expected = pd.Series(values, pd.PeriodIndex(days, freq="M")).groupby(level=0).mean()
    found = pd.Series(panel["v"], pd.PeriodIndex(panel.times("v"), freq="M"))
    assert found.to_numpy() == pytest.approx(expected[found.index].to_numpy())


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
