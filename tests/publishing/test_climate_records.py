"""The public records: the real ones, with unit, source and licence, nothing filled in, small."""

from __future__ import annotations

import json
from pathlib import Path

import iris_sample_data
import numpy as np
import pytest
import xarray
from academy.datasets import Dataset
from academy.errors import DatasetError
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.reading import position, read_csv
from academy.forecasting.naive import fit_climatology

from infra.publishing import climate_records as public
from infra.publishing import climate_series as sealing

DATA = "datasets/climate-series/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The project's data as a learner has them."""
    target = tmp_path_factory.mktemp("climate-series")
    for name, content in sealing.build(bytes(32), public_fraction=0.3).data.items():
        file = target / name.removeprefix(DATA)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return target


# --- the monthly records -------------------------------------------------------------------------
def test_the_records_that_are_sealed_are_the_real_ones():
    carbon, ocean = public.records()
    assert (carbon.months[0], carbon.months[-1]) == ("1958-03", "2001-12")
    assert carbon.values[0] == pytest.approx(316.1)
    assert (ocean.months[0], ocean.months[-1], len(ocean.values)) == ("1950-01", "2010-12", 732)
    assert ocean.values[:2].tolist() == [23.11, 24.20]


def test_a_month_without_a_measurement_is_absent_and_nothing_is_filled_in():
    carbon, _ = public.records()
    assert not {"1958-06", "1958-10", "1964-02", "1964-03", "1964-04"} & set(carbon.months)
    months, values = carbon.longest_run()
    assert (months[0], months[-1], len(months)) == ("1964-05", "2001-12", 452)
    assert len(values) == 452


def test_the_southern_oscillation_is_as_the_file_has_it():
    darwin = public.darwin()
    assert (darwin.months[0], darwin.months[-1], len(darwin.values)) == ("1866-01", "2012-12", 1764)
    path = Path(iris_sample_data.path) / "SOI_Darwin.nc"
    with xarray.open_dataset(path, engine="h5netcdf") as plain:
        whole = plain["SOI_Darwin"].values
    assert darwin.values.tolist() == whole[:1764].astype(float).tolist()
    assert np.isnan(whole[1764:]).all()


def test_the_southern_oscillation_is_low_where_the_ocean_is_warm():
    """As its title says; the figure stands in the module's docstring."""
    panel = public.monthly_panel().select(["ocean", "darwin"]).between("1950-01", "2010-12")
    ocean, darwin = (values - fit_climatology(values, 0, 12, degree=0) for values in panel.values())
    assert np.corrcoef(ocean, darwin)[0, 1] == pytest.approx(-0.53, abs=0.01)


def test_the_monthly_panel_is_each_records_longest_run():
    panel = public.monthly_panel()
    assert list(panel) == ["carbon", "ocean", "darwin"]
    assert (panel.frequency, panel.season) == ("month", 12)
    for record in public.practice_records():
        months, values = record.longest_run()
        assert panel.times(record.name) == list(months)
        assert panel[record.name].tolist() == values.tolist()


# --- the grid ------------------------------------------------------------------------------------
def test_the_grid_is_the_climate_models():
    grid = public.grid_panel()
    assert (len(grid), grid.frequency, set(grid.lengths.tolist())) == (1813, "year", {240})
    places = np.array([position(name) for name in grid])
    assert (places.min(0).tolist(), places.max(0).tolist()) == ([15, -135], [60, -45])
    assert 255 < grid.flat.min() < grid.flat.max() < 310
    north, south = (
        np.mean([grid[name] for name in grid if name.startswith(at)]) for at in ("60N", "15N")
    )
    assert north < south - 15


def test_the_other_scenario_would_be_a_look_up():
    """Why E1 is not published: until 1999 it is the same run, bit for bit."""
    files = (Path(iris_sample_data.path) / f"{name}_north_america.nc" for name in ("A1B", "E1"))
    one, two = (
        xarray.open_dataset(file, engine="h5netcdf")["air_temperature"].values for file in files
    )
    same = (one == two).all(axis=(1, 2))
    assert same.tolist() == [True] * 140 + [False] * 100


# --- what is said of them ------------------------------------------------------------------------
def test_every_series_says_its_unit_source_and_licence():
    for panel in (public.monthly_panel(), public.grid_panel()):
        for name in panel:
            about = panel.about(name)
            assert all((about.unit, about.source, about.licence, about.title)), name
            assert "GPL" not in about.licence
    assert public.monthly_panel().about("darwin").licence == public.OPEN_GOVERNMENT
    assert "British Crown copyright 2018" in public.OPEN_GOVERNMENT
    assert public.monthly_panel().about("ocean").licence == public.PUBLIC_DOMAIN


def test_the_practice_folder_says_the_same(folder):
    text = (folder / "practice/README.txt").read_text()
    for record in public.practice_records():
        [line] = [line for line in text.splitlines() if line.startswith(f"{record.name}.csv: ")]
        for said in (record.unit, record.source, record.licence, record.months[0], "month"):
            assert said in line
    [line] = [line for line in text.splitlines() if line.startswith("panel/grid: ")]
    about = public.grid_panel().about("15N 135W")
    for said in ("1860 to 2099", "1813 cells", "year", about.unit, about.source, about.licence):
        assert said in line


# --- as published --------------------------------------------------------------------------------
def test_a_learner_finds_both_panels(folder):
    panel = Dataset(folder).panel
    assert list(panel) == ["grid", "monthly"]
    assert panel["monthly"] == public.monthly_panel()
    # float32 holds the model's values exactly: its file is float32, too.
    assert panel["grid"] == public.grid_panel()
    assert (panel["grid"].flat.dtype, panel["monthly"].flat.dtype) == (np.float32, np.float64)


def test_panels_take_less_than_three_megabytes(folder):
    sizes = [file.stat().st_size for file in (folder / "panel").rglob("*") if file.is_file()]
    assert sum(sizes) < 3e6


def test_a_practice_record_is_read_by_the_learners_own_reader(folder):
    for record in public.practice_records():
        file = folder / f"practice/{record.name}.csv"
        panel = read_csv(file, "month", "value", "series", gaps="longest")
        months, values = record.longest_run()
        assert panel.times(record.name) == list(months)
        assert panel[record.name] == pytest.approx(values, abs=5.1e-4)  # three decimals


def test_the_same_files_every_time():
    public.panel_files.cache_clear()
    public.grid_panel.cache_clear()
    first = dict(public.panel_files())
    public.panel_files.cache_clear()
    public.grid_panel.cache_clear()
    assert public.panel_files() == first
    assert set(first) == {
        f"panel/{name}/{file}"
        for name in ("monthly", "grid")
        for file in ("values.npy", "panel.json")
    }
    for name, content in first.items():
        if name.endswith(".json"):
            assert json.loads(content)["format"] == 1


def test_a_dataset_from_before_there_were_panels_says_so(folder, tmp_path):
    (tmp_path / "task.json").write_bytes((folder / "task.json").read_bytes())
    with pytest.raises(DatasetError, match=r"no panel in .*publish the project's data again"):
        _ = Dataset(tmp_path).panel


def test_a_panel_can_be_opened_by_its_folder_alone(folder):
    assert Panel.open(folder / "panel/monthly").start("darwin") == "1866-01"
