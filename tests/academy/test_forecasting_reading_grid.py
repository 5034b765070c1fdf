"""Grids as panels: the same place whichever way round it is written, and areas that add up."""

from __future__ import annotations

import doctest
import json
import os
import pickle
import sys
from pathlib import Path

import cftime
import iris_sample_data
import numpy as np
import pandas as pd
import pytest
import xarray
from academy.errors import AcademyError
from academy.forecasting.data import grid_axes, reading_grid
from academy.forecasting.data.panel import About
from academy.forecasting.data.reading import position, read_grid
from academy.forecasting.data.series import SeriesError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

IRIS = Path(iris_sample_data.path)
MODEL = IRIS / "A1B_north_america.nc"
FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
GLOBE = {"south": -90, "west": -180, "north": 90, "east": 180}


def grid(latitude, longitude, values=None, times=3, name="t"):
    """A monthly record on these centres; by default each cell and month has a value of its own."""
    shape = (times, len(latitude), len(longitude))
    if values is None:
        values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return xarray.DataArray(
        np.broadcast_to(values, shape).copy(),
        {
            "time": pd.date_range("1999-11-01", periods=times, freq="MS"),
            "lat": ("lat", np.array(latitude, float), {"units": "degrees_north"}),
            "lon": ("lon", np.array(longitude, float), {"units": "degrees_east"}),
        },
        ("time", "lat", "lon"),
        name=name,
        attrs={"units": "K", "long_name": "temperature"},
    )


WORLD = grid(np.arange(-80, 81, 20), np.arange(0, 360, 30))


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(reading_grid)
    assert result.attempted >= 4
    assert result.failed == 0


# --- the same place, whichever way round ---------------------------------------------------------
def ways(data):
    """The same record as other archives would write it."""
    west = data.assign_coords(lon=(data.lon + 180) % 360 - 180)
    return {
        "as-it-is": data,
        "north-first": data.isel(lat=slice(None, None, -1)),
        "from-180-west": west.sortby("lon"),
        "east-first": data.isel(lon=slice(None, None, -1)),
        "time-last": data.transpose("lat", "lon", "time"),
        "named-otherwise": data.rename(lat="latitude", lon="longitude"),
        "nameless-axes": data.rename(lat="j", lon="i"),
        "as-a-dataset": data.to_dataset(),
        "with-a-level-of-one": data.expand_dims(level=[850.0]),
    }


@pytest.mark.parametrize("way", list(ways(WORLD)))
def test_every_way_of_writing_a_grid_gives_the_same_series(way):
    turned = ways(WORLD)[way]
    cells, expected = read_grid(turned, cells=True), read_grid(WORLD, cells=True)
    assert {name: values.tolist() for name, values in cells.items()} == {
        name: values.tolist() for name, values in expected.items()
    }
    assert cells.times(cells.names[0]) == ["1999-11", "1999-12", "2000-01"]
    for east in (-100, 260):
        assert read_grid(turned, point=(33, east))["t"].tolist() == expected["40N 90W"].tolist()
    for region in ((-25, 100, 35, -100), (-25, 100, 35, 260), (-25, -260, 35, -100)):
        found = read_grid(turned, region=region)["t"]
        assert found == pytest.approx(read_grid(WORLD, region=(-25, 100, 35, 260))["t"])


@given(st.floats(-90, 90), st.floats(-180, 360))
def test_a_point_is_the_cell_it_lies_in(north, east):
    found = read_grid(WORLD, point=(north, east)).about("t").title
    latitude, longitude = position(found.removeprefix("temperature at "))
    assert abs(latitude - north) <= 10
    assert abs((longitude - east + 180) % 360 - 180) <= 15
    assert {latitude} <= set(WORLD.lat.values)


@given(st.integers(-900_000, 900_000), st.integers(-1_800_000, 1_799_999))
def test_a_cells_name_is_its_position(north, east):
    latitude, longitude = north / 10_000, east / 10_000
    name = reading_grid._cell_name(latitude, longitude)
    assert position(name) == pytest.approx((latitude, longitude), abs=1e-9)
    assert reading_grid._cell_name(latitude, longitude + 360) == name


@pytest.mark.parametrize(
    "name", ["ocean", "45N", "45X 30E", "45N 30E ", "--45N 30E", "", "1.2.3N 4E"]
)
def test_what_is_not_called_like_a_cell_is_told(name):
    with pytest.raises(SeriesError, match="not called like a cell"):
        position(name)


# --- areas ---------------------------------------------------------------------------------------
latitudes = st.lists(st.integers(-89, 89), min_size=2, max_size=6, unique=True).map(sorted)
longitudes = st.lists(st.integers(0, 340), min_size=2, max_size=6, unique=True).map(sorted)


def inside(data, draw):
    """Some region within the grid's cells."""
    (south, north), (west, east) = (grid_axes.outer(data[axis].values) for axis in ("lat", "lon"))
    south, north = max(south, -90), min(north, 90)
    assume(east - west < 360)
    low, high = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    left, right = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    assume(high - low > 0.02 and right - left > 0.02)
    return (
        south + low * (north - south),
        west + left * (east - west),
        south + high * (north - south),
        west + right * (east - west),
    )


@given(latitudes, longitudes, st.data())
def test_the_mean_of_a_constant_is_the_constant(lat, lon, data):
    field = grid(lat, lon, 288.15)
    region = inside(field, data.draw)
    assume(max(map(abs, region)) <= 360)
    assert read_grid(field, region=region)["t"] == pytest.approx(288.15)


@given(latitudes, longitudes, st.data())
@settings(max_examples=25, deadline=None)
def test_a_regions_mean_is_the_integral_over_the_sphere(lat, lon, data):
    """Against a sum over many small squares, each with the value of the cell that it lies in."""
    field = grid(lat, lon)
    region = inside(field, data.draw)
    assume(max(map(abs, region)) <= 360)
    south, west, north, east = region
    fine_lat = south + (np.arange(400) + 0.5) / 400 * (north - south)
    fine_lon = west + (np.arange(400) + 0.5) / 400 * (east - west)
    rows = np.abs(np.array(lat)[:, None] - fine_lat).argmin(0)
    columns = np.abs(np.array(lon)[:, None] - fine_lon).argmin(0)
    weights = np.cos(np.deg2rad(fine_lat))
    slow = (field.values[0][np.ix_(rows, columns)].mean(1) * weights).sum() / weights.sum()
    spread = field.values[0].max() - field.values[0].min()
    assert read_grid(field, region=region)["t"][0] == pytest.approx(slow, abs=0.02 * spread)


@given(st.floats(-85, 85), st.floats(-180, 180))
def test_the_means_of_two_halves_weighted_by_area_are_the_whole_ones(cut, west):
    def mean(south, north):
        return read_grid(
            WORLD, region=(south, west, north, west + 90 if west <= 90 else west - 270)
        )

    area = (np.sin(np.deg2rad(cut)) + 1) / 2
    both = area * mean(-90, cut)["t"] + (1 - area) * mean(cut, 90)["t"]
    assert both == pytest.approx(mean(-90, 90)["t"])


def test_the_globes_mean_is_that_of_its_bands():
    bands = np.sin(np.deg2rad([-90, -70, -50, -30, -10, 10, 30, 50, 70, 90]))
    expected = (WORLD.values.mean(2) * np.diff(bands)).sum(1) / 2
    for region in ((-90, -180, 90, 180), (-90, 0, 90, 360)):
        assert read_grid(WORLD, region=region)["t"] == pytest.approx(expected)


def test_a_region_within_one_cell_is_that_cell_and_one_that_cuts_two_is_in_between():
    assert read_grid(WORLD, region=(35, -95, 36, -94))["t"].tolist() == (
        read_grid(WORLD, point=(40, -90))["t"].tolist()
    )
    half = read_grid(WORLD, region=(35, 90, 36, 120))["t"]
    east, west = (read_grid(WORLD, point=(35, lon))["t"] for lon in (90, 120))
    assert half == pytest.approx((east + west) / 2)


# --- outside -------------------------------------------------------------------------------------
SMALL = grid([15, 20, 25], [225, 230, 235])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"point": (0, -130)}, "0 north, -130 east lies outside", id="south-of-it"),
        pytest.param(
            {"point": (20, 100)}, "lies outside the grid.*222.5 to 237.5", id="east-of-it"
        ),
        pytest.param({"point": (27.6, 230)}, "lies outside", id="just-north"),
        pytest.param({"point": (95, 0)}, "95 is no latitude.*Latitude comes first", id="swapped"),
        pytest.param({"point": (20, 400)}, "400 is no longitude", id="round-and-round"),
        pytest.param({"point": (20,)}, r"point is \(20,\); it must be", id="one-number"),
        pytest.param({"point": (20, np.nan)}, "point is", id="not-a-number"),
        pytest.param({"point": "ab"}, "point is 'ab'", id="text"),
        pytest.param({"point": 5}, "point is 5", id="a-number"),
        pytest.param({"region": (-30, -130, -20, -125)}, "lies outside", id="elsewhere"),
        pytest.param({"region": (16, -130, 40, -125)}, "lies partly outside", id="half"),
        pytest.param({"region": (16, 0, 20, 100)}, "outside", id="other-side-of-the-globe"),
        pytest.param({"region": (20, -130, 16, -125)}, "is not south of", id="upside-down"),
        pytest.param({"region": (16, -130, 20, -130)}, "has no width", id="no-width"),
        pytest.param({"region": (16, -130, 20)}, "region is", id="three-numbers"),
        pytest.param({"region": (-95, -130, 20, -125)}, "-95 is no latitude", id="beyond-the-pole"),
        pytest.param({}, r"is a grid \(12.5 to 27.5 north.*say point=", id="nothing-said"),
        pytest.param({"cells": True, "point": (20, 230)}, "not several", id="two-said"),
        pytest.param({"cells": True, "gaps": "fill"}, "gaps is 'fill'", id="gaps"),
        pytest.param({"cells": True, "frequency": "hour"}, "'hour'", id="frequency"),
        pytest.param({"cells": True, "variable": "u"}, "not 'u'", id="another-variable"),
    ],
)
def test_what_lies_outside_or_is_not_said_is_told(options, message):
    with pytest.raises(SeriesError, match=message):
        read_grid(SMALL, **options)


def test_a_single_cell_can_be_a_point_and_no_region():
    lone = SMALL.isel(lat=[0], lon=[0])
    assert read_grid(lone, point=(15.2, -135))["t"].size == 3
    assert read_grid(lone, cells=True).names == ("15N 135W",)
    for options in ({"point": (16, -135)}, {"region": (14, -136, 16, -134)}):
        with pytest.raises(SeriesError, match=r"outside|single row"):
            read_grid(lone, **options)


# --- missing values ------------------------------------------------------------------------------
def with_missing(*places):
    data = SMALL.copy(deep=True)
    for place in places:
        data.values[place] = np.nan
    return data


LAND, ICE = (slice(None), 0, 0), (1, 1, 1)


def test_cells_without_any_value_are_left_out_and_the_others_kept():
    panel = read_grid(with_missing(LAND), cells=True)
    assert len(panel) == 8
    assert "15N 135W" not in panel
    with pytest.raises(SeriesError, match="all of its 3 values are missing"):
        read_grid(with_missing(LAND), point=(15, 225))
    with pytest.raises(SeriesError, match="all of its 3 values are missing"):
        read_grid(SMALL * np.nan, cells=True)


def test_a_cell_with_a_gap_is_refused_by_name_or_cut():
    with pytest.raises(SeriesError, match=r"20N 130W has a gap: nothing from 1999-12"):
        read_grid(with_missing(ICE), cells=True)
    cut = read_grid(with_missing(ICE), cells=True, gaps="longest")
    assert sorted(cut.lengths.tolist()) == [1] + [3] * 8


def test_a_regions_mean_is_over_the_cells_that_always_have_values():
    sea = read_grid(with_missing(LAND), region=(12.5, 222.5, 27.5, 237.5))["t"]
    weights = np.diff(np.sin(np.deg2rad([12.5, 17.5, 22.5, 27.5])))[:, None] * np.ones(3)
    weights[0, 0] = 0
    expected = (np.nan_to_num(SMALL.values) * weights).sum((1, 2)) / weights.sum()
    assert sea == pytest.approx(expected)
    with pytest.raises(SeriesError, match=r"t has a gap"):
        read_grid(with_missing(LAND, ICE), region=(12.5, 222.5, 27.5, 237.5))
    with pytest.raises(SeriesError, match="no cell of the region has a value"):
        read_grid(with_missing(LAND), region=(13, 223, 16, 226))


def test_an_infinite_value_is_told_with_its_cell_and_time():
    data = SMALL.copy(deep=True)
    data.values[2, 0, 1] = np.inf
    with pytest.raises(SeriesError, match=r"15N 130W: time 2 \(2000-01-01\) is inf"):
        read_grid(data, cells=True)


@pytest.mark.parametrize("code", [-999.0, -99999.0, 1e20, np.float32(-999.99), -32767])
def test_a_code_for_a_missing_value_is_asked_about(code):
    data = SMALL.copy(deep=True)
    data.values[ICE] = code
    with pytest.raises(SeriesError, match=r"20N 130W: time 1 \(1999-12-01\) says .*missing=\["):
        read_grid(data, cells=True)
    with pytest.raises(SeriesError, match="t, 20N 130W: time 1"):
        read_grid(data, region=(12.5, 222.5, 27.5, 237.5))
    assert read_grid(data, point=(20, 230), missing=[])["t"][1] == code
    gone = read_grid(data, cells=True, gaps="split", missing=[f"{float(code)!r}"])
    assert gone == read_grid(with_missing(ICE), cells=True, gaps="split")


def test_land_that_is_a_code_is_asked_about_and_left_out():
    data = with_missing(LAND).fillna(-999.0)
    with pytest.raises(SeriesError, match=r"15N 135W: time 0 .* says -999, and there is no other"):
        read_grid(data, cells=True)
    assert read_grid(data, cells=True, missing=[-999]) == read_grid(with_missing(LAND), cells=True)
    with pytest.raises(SeriesError, match="missing is 'none'; it must be numbers"):
        read_grid(data, cells=True, missing="none")


def test_one_code_that_was_said_does_not_hide_another():
    data = SMALL.copy(deep=True)
    data.values[ICE], data.values[0, 1, 1] = -999, -9999
    with pytest.raises(SeriesError, match=r"missing=\['-999', '-9999'\]"):
        read_grid(data, cells=True, missing=[-999])


LIMITS = {
    "range": {"valid_range": [-1.0, 25.0]},
    "both": {"valid_min": -1.0, "valid_max": np.float32(25)},
    "highest": {"valid_max": 25},
}


@pytest.mark.parametrize("limits", list(LIMITS))
def test_what_lies_outside_the_valid_range_is_missing(limits):
    beyond = SMALL.assign_attrs(LIMITS[limits])
    expected = read_grid(SMALL.where(SMALL <= 25), cells=True, gaps="longest")
    assert read_grid(beyond, cells=True, gaps="longest") == expected


def test_a_valid_range_in_another_unit_is_refused():
    with pytest.raises(SeriesError, match=r"values from 0 to 26, .* only 273 to 300 are valid"):
        read_grid(SMALL.assign_attrs(valid_min=273, valid_max=300.0), cells=True)
    said = {"valid_min": "low", "valid_range": [1.0], "valid_max": np.nan}
    assert read_grid(SMALL.assign_attrs(said), cells=True) == read_grid(SMALL, cells=True)


@pytest.mark.parametrize("scale", [0.5, -0.5])
@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_the_valid_range_of_packed_values_is_packed_too(tmp_path, scale, engine):
    packed = {"dtype": "int16", "scale_factor": scale, "add_offset": 10.0, "_FillValue": -999}
    limits = sorted([round((0 - 10) / scale), round((25 - 10) / scale)])
    data = SMALL.assign_attrs(valid_range=np.array(limits, "int16")).to_dataset()
    data.to_netcdf(tmp_path / "own.nc", engine=engine, encoding={"t": packed})
    found = read_grid(tmp_path / "own.nc", cells=True, gaps="longest")
    assert found == read_grid(SMALL.where(SMALL <= 25), cells=True, gaps="longest")


def test_the_valid_range_of_unsigned_bytes_is_unsigned(tmp_path):
    raw = (SMALL + 200).astype("uint8").values.view("int8")
    data = SMALL.copy(data=raw).assign_attrs(
        _Unsigned="true", valid_range=np.array([0, -31], "int8"), scale_factor=2.0
    )
    data.to_dataset().to_netcdf(tmp_path / "own.nc", engine="scipy")
    found = read_grid(tmp_path / "own.nc", cells=True, gaps="longest")
    expected = (SMALL.where(SMALL <= 25) + 200) * 2
    assert found.flat.tolist() == read_grid(expected, cells=True, gaps="longest").flat.tolist()


@pytest.mark.parametrize(
    ("dtype", "fill", "scale"),
    [
        ("float32", 9.969209968386869e36, None),
        ("float64", 9.969209968386869e36, None),
        ("int16", -32767, None),
        ("int32", -2147483647, None),
        ("int16", -32767, 0.01),
    ],
)
def test_what_was_never_written_to_a_file_is_missing(tmp_path, dtype, fill, scale):
    raw = SMALL.values.astype(dtype)
    raw[ICE] = fill
    data = SMALL.copy(data=raw)
    if scale:
        data.attrs |= {"scale_factor": scale, "add_offset": 5.0}
    encoding = {"t": {"_FillValue": None}}
    data.to_dataset().to_netcdf(tmp_path / "own.nc", engine="scipy", encoding=encoding)
    found = read_grid(tmp_path / "own.nc", cells=True, gaps="split")
    expected = read_grid(with_missing(ICE), cells=True, gaps="split")
    assert found.names == expected.names
    assert found.flat == pytest.approx(expected.flat * (scale or 1) + (5 if scale else 0))


def test_the_default_fill_is_a_value_where_the_file_names_another(tmp_path):
    raw = SMALL.astype("int16")
    raw[ICE] = -32767
    raw.attrs["_FillValue"] = np.int16(-1)
    raw.to_dataset().to_netcdf(tmp_path / "own.nc", engine="scipy")
    assert read_grid(tmp_path / "own.nc", cells=True, missing=[])["20N 130W"][1] == -32767


@pytest.mark.parametrize("name", ["scale_factor", "add_offset", "_FillValue", "missing_value"])
def test_packed_integers_are_refused(tmp_path, name):
    packed = SMALL.astype("int16").assign_attrs({name: np.int16(3)})
    with pytest.raises(SeriesError, match=f"integers, with {name} in its attributes"):
        read_grid(packed, cells=True)
    assert len(read_grid(xarray.decode_cf(packed.to_dataset()), cells=True, gaps="split")) >= 9


def test_a_fill_value_that_was_left_in_decimals_is_missing():
    for name in ("_FillValue", "missing_value"):
        data = with_missing(LAND).fillna(-5.0).assign_attrs({name: -5.0})
        assert read_grid(data, cells=True) == read_grid(with_missing(LAND), cells=True)


# --- time ----------------------------------------------------------------------------------------
def timed(times, calendar=None):
    data = SMALL.isel(time=[0] * len(times))
    if calendar:
        times = [cftime.datetime(*time, calendar=calendar) for time in times]
    return data.assign_coords(time=("time", times))


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "all_leap", "julian", "standard"])
@pytest.mark.parametrize("day", [1, 16])
def test_months_and_years_of_every_calendar_are_read(calendar, day):
    months = timed([(2000 + m // 12, m % 12 + 1, day) for m in range(30)], calendar)
    assert read_grid(months, point=(15, 225)).times("t")[-1] == "2002-06"
    years = timed([(2000 + y, 6, day) for y in range(4)], calendar)
    assert read_grid(years, point=(15, 225)).times("t") == ["2000", "2001", "2002", "2003"]


def test_a_day_that_our_calendar_lacks_is_refused():
    days = timed([(2000, 2, 29), (2000, 2, 30), (2000, 3, 1)], "360_day")
    with pytest.raises(SeriesError, match=r"calendar 360_day.*resample"):
        read_grid(days, point=(15, 225))
    usual = timed([(2000, 2, 28), (2000, 2, 29), (2000, 3, 1)], "standard")
    assert read_grid(usual, point=(15, 225)).times("t") == [
        "2000-02-28",
        "2000-02-29",
        "2000-03-01",
    ]


def dates(*texts):
    return timed(np.array(texts, "datetime64[ns]"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(dates("2000-01", "2000-02", "2000-04"), "gap: nothing from 2000-03", id="gap"),
        pytest.param(dates("2000-03", "2000-02", "2000-01"), "newest come first", id="backwards"),
        pytest.param(dates("2000-01", "2000-03", "2000-02"), "wrong order: time 2", id="unordered"),
        pytest.param(dates("2000-01", "2000-02", "2000-02"), "has 2000-02 twice", id="twice"),
        pytest.param(dates("2000-01", "NaT", "2000-02"), r"time\[1\] is missing", id="no-time"),
        pytest.param(
            dates("2000-01-01", "2000-01-05", "2000-02-11"), "t is irregular", id="irregular"
        ),
        pytest.param(timed([0.5, 1.5]), "The times are not dates, but float64", id="numbers"),
        pytest.param(timed(["2000-01", "2000-02"]), "The times are not dates", id="text"),
        pytest.param(dates("2000-01"), "say frequency=", id="one"),
        pytest.param(dates(), "There are no times", id="none"),
        pytest.param(SMALL.drop_vars("time"), "it has no times", id="no-coordinate"),
        pytest.param(SMALL.isel(time=0), "no dimension of time", id="no-dimension"),
    ],
)
def test_times_that_are_not_equal_steps_are_refused(data, message):
    with pytest.raises(SeriesError, match=message):
        read_grid(data, point=(15, 225))


def test_whole_years_may_be_numbers():
    assert read_grid(timed([1999, 2000]), point=(15, 225)).times("t") == ["1999", "2000"]
    early = timed([1, 2, 3]).rename(time="year")
    assert read_grid(early, point=(15, 225)).times("t") == ["0001", "0002", "0003"]
    in_years = timed([1999, 2000])
    in_years["time"].attrs["units"] = "years"
    assert read_grid(in_years.to_dataset(), point=(15, 225)).times("t") == ["1999", "2000"]


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        pytest.param([1, 2, 3], None, "from 1 to 3. If they are years.*rename", id="records"),
        pytest.param([1, 2, 3], "years", r"rename\(time='year'\)", id="years-since-what"),
        pytest.param([120, 121], "months since 1960-01-01", "months since.*no fixed.*periods=2",
                     id="months"),
        pytest.param([1500, 1501], "days since 2000-01-01", "days since 2000-01-01'.*decode_cf",
                     id="days"),
        pytest.param([1999, 3000], None, "from 1999 to 3000", id="beyond"),
        pytest.param([0, 1], None, "from 0 to 1", id="from-zero"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_dataset", [False, True])
def test_numbers_that_may_be_no_years_are_refused(times, units, message, as_dataset):
    data = timed(times)
    if units:
        data["time"].attrs["units"] = units
    with pytest.raises(SeriesError, match=message):
        read_grid(data.to_dataset() if as_dataset else data, point=(15, 225))


# --- bounds of times -----------------------------------------------------------------------------
def bounded(edges, stamp, calendar=None):
    """A record of means from each of `edges` to the next, stamped at the first, middle or last."""
    edges = xarray.date_range(*edges, calendar=calendar or "standard", use_cftime=bool(calendar))
    edges = np.asarray(edges)
    low, high = edges[:-1], edges[1:]
    stamps = {"first": low, "last": high, "middle": low + (high - low) / 2}[stamp]
    data = timed(stamps).to_dataset()
    data["time_bnds"] = (("time", "nv"), np.stack([low, high], axis=1))
    data["time"].attrs["bounds"] = "time_bnds"
    return data


@pytest.mark.parametrize("calendar", [None, "noleap", "360_day"])
@pytest.mark.parametrize("stamp", ["first", "middle", "last"])
@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        pytest.param(("2000-01-01", "2000-05-01", None, "MS"),
                     ["2000-01", "2000-02", "2000-03", "2000-04"], id="months"),
        pytest.param(("2000-01-01", "2003-01-01", None, "YS"), ["2000", "2001", "2002"],
                     id="years"),
    ],
)  # fmt: skip
def test_a_mean_belongs_to_the_middle_of_its_bounds(edges, expected, stamp, calendar):
    data = bounded(edges, stamp, calendar)
    assert read_grid(data, point=(15, 225)).times("t") == expected


@pytest.mark.parametrize("stamp", ["first", "middle", "last"])
@pytest.mark.parametrize("days", [1, 7])
def test_days_and_weeks_are_those_of_their_bounds(days, stamp):
    edges = ("2000-01-03", "2000-01-24", None, f"{days}D")
    found = read_grid(bounded(edges, stamp), point=(15, 225)).times("t")
    assert found[:2] == ["2000-01-03", "2000-01-04" if days == 1 else "2000-01-10"]
    assert len(found) == 21 / days


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
@pytest.mark.filterwarnings("ignore:Variable time has datetime type")
def test_a_climate_models_file_is_stamped_at_the_end_and_read_at_the_middle(tmp_path, engine):
    data = bounded(("2000-01-01", "2000-05-01", None, "MS"), "last", "noleap")
    data.to_netcdf(tmp_path / "own.nc", engine=engine)
    assert read_grid(tmp_path / "own.nc", point=(15, 225)).start("t") == "2000-01"
    with xarray.open_dataset(tmp_path / "own.nc", engine=engine, decode_coords="all") as opened:
        assert read_grid(opened, point=(15, 225)).start("t") == "2000-01"


MONTHS = ("2000-01-01", "2000-05-01", None, "MS")


@pytest.mark.parametrize("stamp", ["first", "last"])
@pytest.mark.parametrize("lost", ["array", "dropped", "numbers", "elsewhere"])
def test_a_stamp_that_may_be_an_end_is_refused_without_its_bounds(stamp, lost):
    data = bounded(MONTHS, stamp)
    if lost == "array":
        data = data["t"]
    elif lost == "dropped":
        data = data.drop_vars("time_bnds")
    elif lost == "numbers":
        data["time_bnds"] = (("time", "nv"), np.zeros((4, 2)))
    else:
        data["time_bnds"] = data["time_bnds"] + np.timedelta64(400, "D")
    with pytest.raises(SeriesError, match=r"first or the last moment of a month.*'time_bnds'"):
        read_grid(data, point=(15, 225))
    data["time"].attrs.pop("bounds")
    expected = "2000-01" if stamp == "first" else "2000-02"
    assert read_grid(data, "t", point=(15, 225)).start("t") == expected


def test_a_stamp_within_its_step_needs_no_bounds():
    data = bounded(MONTHS, "middle")["t"]
    assert read_grid(data, point=(15, 225)).start("t") == "2000-01"
    years = bounded(("2000-06-01", "2003-06-01", None, "12MS"), "first")["t"]
    assert read_grid(years, point=(15, 225)).start("t") == "2000"
    noons = bounded(("2000-06-01T12", "2000-06-05T12", None, "D"), "first")["t"]
    assert read_grid(noons, point=(15, 225)).start("t") == "2000-06-01"


@pytest.mark.parametrize(
    ("calendar", "length"),
    [("noleap", 28), ("360_day", 30), ("all_leap", 29), ("julian", 29), ("standard", 28)],
)
def test_the_month_of_a_calendar_is_the_mean_of_all_its_days(calendar, length):
    days = xarray.date_range(
        "1899-12-01", "1901-03-30", freq="D", calendar=calendar, use_cftime=True
    )
    data = xarray.DataArray(np.arange(float(len(days))), {"time": days}, ("time",), name="t")
    options = {"frequency": "month", "duplicates": "mean", "gaps": "longest"}
    panel = read_grid(data, **options)
    assert panel.start("t") == "1899-12"
    assert panel.lengths.tolist() == [16 if calendar == "360_day" else 15]
    assert panel["t"][0] == (14.5 if calendar == "360_day" else 15.0)
    with pytest.raises(SeriesError, match=f"1900-02 has {length - 1} of {length}"):
        read_grid(data.isel(time=np.arange(len(days)) != 70), **options | {"gaps": "refuse"})


# --- variables and axes --------------------------------------------------------------------------
def test_with_several_variables_one_must_be_named():
    both = xarray.Dataset({"t": WORLD, "rain": WORLD.rename("rain"), "height": WORLD.isel(time=0)})
    with pytest.raises(SeriesError, match=r"2 variables: say which \(variable='t'\)"):
        read_grid(both, cells=True)
    assert read_grid(both, "rain", point=(0, 0)).names == ("rain",)
    with pytest.raises(SeriesError, match="no variable 'snow'; there is t, rain"):
        read_grid(both, "snow", cells=True)
    with pytest.raises(SeriesError, match="height does not change in time"):
        read_grid(both, "height", cells=True)
    with pytest.raises(SeriesError, match="No variable changes in time; there is height"):
        read_grid(both[["height"]], cells=True)


def test_bounds_are_no_variable():
    data = WORLD.to_dataset()
    month = np.timedelta64(28, "D")
    data["time_bnds"] = (("time", "bnds"), np.stack([data.time, data.time + month], axis=1))
    data["time"].attrs["bounds"] = "time_bnds"
    assert len(read_grid(data, cells=True)) == WORLD.lat.size * WORLD.lon.size


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            WORLD.expand_dims(level=[1, 2]), r"dimension level of 2.*isel\(level", id="level"
        ),
        pytest.param(WORLD.isel(lon=0), "lat and no second axis", id="no-longitude"),
        pytest.param(
            WORLD.assign_coords(lat=("lat", np.arange(9), {"units": "m"}), lon=np.arange(12)),
            "t is on a grid that is not regular in latitude and longitude",
            id="metres",
        ),
        pytest.param(
            WORLD.assign_coords(lon=("lon", np.r_[0:330:30, 360], {"units": "degrees_east"})),
            "0 and 360: the same place twice",
            id="twice-round",
        ),
        pytest.param(
            WORLD.assign_coords(lon=("lon", [0, 30, 60, 50, *range(120, 360, 30)])),
            "must ascend or descend",
            id="zigzag",
        ),
        pytest.param(
            WORLD.assign_coords(lat=("lat", [*np.arange(-80, 61, 20), np.nan])),
            "lat must be finite",
            id="missing-latitude",
        ),
        pytest.param(
            WORLD.assign_coords(lat=("lat", np.arange(9) * 100.0)), "is no degree", id="no-degrees"
        ),
        pytest.param(WORLD.astype(str), "holds <U", id="text"),
        pytest.param(WORLD.isel(lat=slice(0, 0)), "lat must be finite numbers", id="no-cells"),
    ],
)
def test_axes_that_are_not_understood_are_told(data, message):
    with pytest.raises(SeriesError, match=message):
        read_grid(data, point=(0, 0))


def test_real_grids_that_are_not_of_latitude_and_longitude_are_refused_in_words():
    curved = IRIS / "NEMO" / "nemo_1m_20150101-20150201_grid-T.nc"
    with pytest.raises(
        SeriesError, match=r"tos is on a grid that is not regular.*\(dimensions y, x"
    ):
        read_grid(curved, "tos", point=(50, 0))
    with xarray.open_dataset(IRIS / "rotated_pole.nc", engine="h5netcdf") as opened:
        rotated = opened["air_pressure_at_sea_level"].expand_dims(
            time=pd.date_range("2000-01-01", periods=1)
        )
        with pytest.raises(SeriesError, match=r"not regular.*grid_latitude, grid_longitude"):
            read_grid(rotated, point=(50, 0))


def test_a_record_of_one_place_needs_no_place():
    lone = WORLD.isel(lat=0, lon=0, drop=True)
    assert read_grid(lone)["t"].size == 3
    assert read_grid(lone, name="ocean").names == ("ocean",)
    with pytest.raises(SeriesError, match="leave point, region and cells out"):
        read_grid(lone, point=(0, 0))


def test_a_panel_says_what_the_file_says_of_itself():
    data = WORLD.to_dataset().assign_attrs(source="a model", license="CC0\x00\x1b[31m" + "x" * 9000)
    about = read_grid(data, point=(33, -100)).about("t")
    assert (about.unit, about.source) == ("K", "a model")
    assert about.title == "temperature at 40N 90W"
    assert about.licence.isprintable()
    assert len(about.licence) == 5000
    region = read_grid(data, region=(-10, 20, 10, 40), about=About(title="mine"))
    assert region.about("t") == About(title="mine")


# --- files ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["h5netcdf", "scipy", "zarr-2", "zarr-3"])
def test_every_kind_of_file_gives_what_xarray_has_open(tmp_path, kind):
    data = WORLD.to_dataset()
    if kind.startswith("zarr"):
        path = tmp_path / "own.zarr"
        data.to_zarr(path, zarr_format=int(kind[-1]), consolidated=False)
    else:
        path = tmp_path / "own.nc"
        data.to_netcdf(path, engine=kind)
    assert read_grid(path, cells=True) == read_grid(data, cells=True)
    assert read_grid(str(path), region=(-30, 10, 20, 50)).names == ("t",)


def test_fill_values_scale_and_offset_are_undone(tmp_path):
    data = with_missing(LAND).to_dataset()
    packed = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -999}
    data.to_netcdf(tmp_path / "own.nc", engine="h5netcdf", encoding={"t": packed})
    assert read_grid(tmp_path / "own.nc", cells=True) == read_grid(data, cells=True)


def test_the_climate_models_file_is_read():
    cells = read_grid(MODEL, cells=True)
    assert (len(cells), cells.frequency, cells.start("15N 135W")) == (1813, "year", "1860")
    assert cells.times("15N 135W")[-1] == "2099"
    with xarray.open_dataset(MODEL, engine="h5netcdf") as plain:
        truth = plain["air_temperature"].values.astype(float)
    assert cells.flat.reshape(37, 49, 240).transpose(2, 0, 1).tolist() == truth.tolist()
    # A region of whole cells: 19 bands of latitude (26.25 to 48.75), 29 of longitude.
    region = read_grid(MODEL, region=(25.625, 235.3125, 49.375, 289.6875))["air_temperature"]
    bands = np.diff(np.sin(np.deg2rad(25.625 + 1.25 * np.arange(20))))
    expected = (truth[:, 9:28, 6:35].mean(2) * bands).sum(1) / bands.sum()
    assert region == pytest.approx(expected, abs=1e-9)


def test_the_southern_oscillation_is_read_without_its_last_missing_year():
    panel = read_grid(IRIS / "SOI_Darwin.nc")
    assert panel.times("SOI_Darwin")[-1] == "2012-12"
    assert len(panel["SOI_Darwin"]) == 1764


class Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "codec", ['{"id": "pickle"}', '{"id": "\\u0070ickle"}', '{"id": "Pickle", "protocol": 4}']
)
def test_a_store_of_pickles_is_never_opened(tmp_path, codec):
    store, bomb = tmp_path / "own.zarr", Bomb(tmp_path / "gone off")
    for name in ("t", "time"):
        (store / name).mkdir(parents=True)
        array = {"zarr_format": 2, "shape": [3], "chunks": [3], "dtype": "|O", "order": "C"}
        array |= {"compressor": None, "fill_value": None, "filters": ["CODEC"]}
        (store / name / ".zarray").write_text(json.dumps(array).replace('"CODEC"', codec))
        (store / name / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["time"]}')
        (store / name / "0").write_bytes(pickle.dumps(bomb))
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(SeriesError, match="speaks of pickles"):
        read_grid(store)
    assert not bomb.target.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "neither NetCDF nor Zarr", id="empty"),
        pytest.param(b"t,v\n1999,1\n", "neither NetCDF nor Zarr", id="a-table"),
        pytest.param(b"GRIB" + bytes(50), "Is it GRIB or PP", id="grib"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(500), "cannot be read", id="hdf-cut-off"),
        pytest.param(b"CDF\x01" + b"\xff" * 100, "cannot be read", id="netcdf3-cut-off"),
    ],
)
def test_a_file_that_is_broken_is_refused_in_words(tmp_path, content, message):
    file = tmp_path / "own.nc"
    file.write_bytes(content)
    with pytest.raises(SeriesError, match=message) as caught:
        read_grid(file)
    assert len(str(caught.value)) < 500


@pytest.mark.filterwarnings("ignore::xarray.SerializationWarning")
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=60))
@FOLDER
def test_bytes_thrown_into_a_file_give_a_panel_or_words(tmp_path, place, noise):
    file = tmp_path / "own.nc"
    whole = tmp_path / "whole.nc"
    if not whole.exists():
        SMALL.to_dataset().to_netcdf(whole, engine="scipy")
    content = bytearray(whole.read_bytes())
    content[place : place + len(noise)] = noise
    file.write_bytes(content)
    try:
        panel = read_grid(file, cells=True)
    except SeriesError:
        return
    assert all(np.isfinite(values).all() for values in panel.values())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("nowhere.nc", "There is no file", id="no-file"),
        pytest.param(".", "is a folder, and no Zarr store", id="a-folder"),
        pytest.param("https://example.org/a.nc", "is an address", id="an-address"),
        pytest.param(5, "source is 5; it must be", id="a-number"),
        pytest.param("/dev/zero", "There is no file", id="a-device"),
    ],
)
def test_what_cannot_be_opened_is_told(source, message):
    with pytest.raises(SeriesError, match=message):
        read_grid(source)


def test_a_small_file_that_claims_to_hold_too_much_is_not_read(tmp_path, monkeypatch):
    WORLD.to_dataset().to_netcdf(tmp_path / "own.nc", engine="h5netcdf")
    monkeypatch.setattr(reading_grid, "MOST_VALUES", 100)
    with pytest.raises(SeriesError, match="324 values; at most 100 are read"):
        read_grid(tmp_path / "own.nc", cells=True)
    assert read_grid(tmp_path / "own.nc", point=(0, 0))["t"].size == 3


@pytest.mark.parametrize("missing", ["xarray", "h5netcdf"])
def test_a_package_that_is_missing_is_told_with_what_installs_it(tmp_path, monkeypatch, missing):
    WORLD.to_dataset().to_netcdf(tmp_path / "own.nc", engine="h5netcdf")
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "h5netcdf":

        def no_engine(*_: object, **__: object) -> None:
            raise ImportError("h5netcdf is not installed")

        monkeypatch.setattr(xarray, "open_dataset", no_engine)
    with pytest.raises(AcademyError, match=rf"%pip install .*{missing}"):
        read_grid(tmp_path / "own.nc", cells=True)
