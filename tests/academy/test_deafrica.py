"""The loader of real scenes, end to end on an archive whose every pixel is known."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import distributed
import numpy as np
import pystac
import pytest
import rasterio
import rasterio.warp
from academy.data.deafrica import (
    BrokenAsset,
    LoadingError,
    NoLabels,
    NoScenes,
    TooFewDates,
    YearError,
    load,
    reading,
)
from academy.land_cover import classes, cog
from academy.land_cover.scene import Scene, read_scenes
from academy.land_cover.speckle import lee
from affine import Affine

from tests.academy import deafrica_archive as archives
from tests.academy.deafrica_archive import AREA, DAWN, DUSK, STEP, Archive

# Whole loads. The warnings are of odc-geo's own calls of affine and shapely, in Dask's threads.
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:odc"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:odc"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:shapely"),
]

EDGE, LEAST = 10, 8


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return archives.make(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as local,
        distributed.Client(local, set_as_default=False) as made,
    ):
        yield made


Load = Callable[..., list[Scene]]


@pytest.fixture(scope="module")
def load_here(archive: Archive, client: distributed.Client) -> Load:
    def run(out: Path, area: Any = AREA, **changes: Any) -> list[Scene]:
        given = {"catalogue": archive.catalogue, "dask": client, "progress": False, **changes}
        return load(area, out=out, **given)

    return run


@pytest.fixture(scope="module")
def scene(load_here: Load, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    (loaded,) = load_here(tmp_path_factory.mktemp("out"))
    return loaded


# --- what the mean should be, by plain loops over the archive's arrays -------------------------


def valid_of(vv: np.ndarray, vh: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The rule, pixel by pixel: valid by itself, and not within EDGE of a gap of 5 x 5."""
    nothing = ~(np.isfinite(vv) & np.isfinite(vh)) | (mask == 0) | (vv == 0) | (vh == 0)
    valid = ~nothing & (mask == 1) & (vv > 0) & (vh > 0)
    rows, columns = vv.shape
    for row in range(rows - 4):
        for column in range(columns - 4):
            if nothing[row, column] and nothing[row : row + 5, column : column + 5].all():
                top, left = max(0, row - EDGE), max(0, column - EDGE)
                valid[top : row + 5 + EDGE, left : column + 5 + EDGE] = False
    return valid


@pytest.fixture(scope="module")
def expected(archive: Archive) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the descending orbit 21 over the archive, and how many dates it is of."""
    total, dates = np.zeros((2, archives.ROWS, archives.COLUMNS)), 0
    for moment, (vv, vh, mask) in archive.images.items():
        if moment.hour == DAWN.first.hour and (moment - DAWN.first).days % 12 == 0:
            valid = valid_of(vv, vh, mask) if not (mask == 1).all() else np.ones(vv.shape, bool)
            total += np.where(valid, (vv, vh), 0)
            dates = dates + valid.astype(int)
    return np.where(dates >= LEAST, total / dates, np.nan), dates


def warped(native: np.ndarray, scene: Scene) -> np.ndarray:
    """Onto the scene's grid, as GDAL averages."""
    target = np.full((len(native), *scene.shape), np.nan, np.float32)
    rasterio.warp.reproject(
        native.astype(np.float32),
        target,
        src_transform=Affine(STEP, 0, archives.WEST, 0, -STEP, archives.NORTH),
        src_crs="EPSG:4326",
        dst_transform=Affine(*scene.metadata["transform"]),
        dst_crs=scene.metadata["crs"],
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=rasterio.warp.Resampling.average,
    )
    return target


def lonlat(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel's centre, by GDAL; the loader uses pyproj."""
    rows, columns = np.indices(scene.shape) + 0.5
    place = Affine(*scene.metadata["transform"])
    x, y = place.a * columns + place.c, place.e * rows + place.f
    lon, lat = rasterio.warp.transform(scene.metadata["crs"], "EPSG:4326", x.ravel(), y.ravel())
    return np.reshape(lon, scene.shape), np.reshape(lat, scene.shape)


# --- radar ------------------------------------------------------------------------------------


def test_gamma0_is_the_mean_in_linear_power_of_what_is_valid(
    scene: Scene, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    np.testing.assert_allclose(scene.gamma0, warped(expected[0], scene), rtol=1e-5)
    assert np.isfinite(scene.gamma0).all()
    scene.check()


def test_each_pixel_is_the_mean_of_the_native_pixels_under_it(
    scene: Scene, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    # Without GDAL's warper: 16 x 16 points in a pixel, each looked up on the archive's grid.
    rng = np.random.default_rng(1)
    place = Affine(*scene.metadata["transform"])
    for row, column in rng.integers(5, 160, (40, 2)):
        at = (np.arange(16) + 0.5) / 16
        x, y = np.meshgrid(place.c + 20 * (column + at), place.f - 20 * (row + at))
        lon, lat = rasterio.warp.transform("EPSG:32737", "EPSG:4326", x.ravel(), y.ravel())
        across = ((np.array(lon) - archives.WEST) / STEP).astype(int)
        down = ((archives.NORTH - np.array(lat)) / STEP).astype(int)
        mean = expected[0][:, down, across].mean(axis=1)
        np.testing.assert_allclose(scene.gamma0[:, row, column], mean, rtol=0.03)


def test_dawn_and_dusk_of_one_day_are_not_mixed(scene: Scene, archive: Archive) -> None:
    told = scene.metadata
    assert (told["orbit_state"], told["relative_orbit"]) == ("descending", 21)
    assert told["dates_averaged"] == len(told["dates"]) == DAWN.dates
    assert len(told["items"]) == 2 * DAWN.dates
    assert not any("T155030" in name for name in told["items"])
    # Dusk is ten times as bright: one such date of ten would nearly double the mean.
    land = warped(archives.ground(), scene)
    assert abs(np.nanmean(scene.gamma0 / land) - 1) < 0.02


def test_the_other_orbit_can_be_asked_for(load_here: Load, tmp_path: Path) -> None:
    (dusk,) = load_here(tmp_path, orbit="ascending", min_dates=5)
    assert dusk.metadata["relative_orbit"] == DUSK.relative
    assert dusk.metadata["dates_averaged"] == 5
    assert abs(np.nanmean(dusk.gamma0 / warped(archives.ground(), dusk)) - 10) < 0.2


def test_the_count_of_dates_is_kept_and_no_edge_is_cut_where_tiles_meet(
    scene: Scene, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    assert scene.folder is not None
    dates = cog.read_bands(scene.folder / "dates.tif")[0]
    lon, lat = lonlat(scene)
    across = ((lon - archives.WEST) / STEP).astype(int)
    down = ((archives.NORTH - lat) / STEP).astype(int)
    same = dates == expected[1][down, across]
    assert same.mean() > 0.999  # but for centres on the line between two native pixels
    seam = np.abs(across - archives.SEAM) < EDGE
    right = across > 212  # beyond the swath's border of the third date
    assert (dates[seam & (down > 240)] >= 9).all()
    assert set(np.unique(dates[right & ~np.isin(down, range(199, 221))])) == {10}
    assert scene.metadata["dates_per_pixel"] == {
        "least": int(dates.min()),
        "median": float(np.median(dates)),
        "most": 10,
    }


def test_a_scene_that_ends_beside_another_tile_has_no_edge_there(
    load_here: Load, tmp_path: Path
) -> None:
    seam = archives.WEST + archives.SEAM * STEP
    (beside,) = load_here(tmp_path, (36.70, -1.385, seam - 3 * STEP, -1.37))
    assert beside.metadata["bounds"][2] < seam
    assert np.isfinite(beside.gamma0).all()
    assert beside.folder is not None
    assert (cog.read_bands(beside.folder / "dates.tif") >= DAWN.dates - 1).all()


def test_the_looks_are_those_of_so_many_dates(scene: Scene) -> None:
    # 10 dates of 4.4; a part of the scene has 9.
    assert abs(scene.metadata["native_looks"] / (9.6 * archives.LOOKS) - 1) < 0.12
    # A pixel of 20 m touches up to four of 22 m: their mean varies about half as much.
    assert 1.5 < scene.metadata["looks"] / scene.metadata["native_looks"] < 2.5


def test_blocks_change_nothing(
    scene: Scene, load_here: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 70)
    (again,) = load_here(tmp_path)
    np.testing.assert_array_equal(again.gamma0, scene.gamma0)


def test_speckle_is_filtered_on_the_archives_grid(
    load_here: Load, tmp_path: Path, scene: Scene, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    (filtered,) = load_here(tmp_path, speckle="lee")
    assert filtered.metadata["speckle_filter"] == "lee"
    by_hand = warped(lee(expected[0], scene.metadata["native_looks"]), filtered)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(filtered.gamma0[inner], by_hand[inner], rtol=1e-4)
    assert filtered.metadata["looks"] > 2 * scene.metadata["looks"]


def test_pixels_with_too_few_dates_are_nodata_in_both_bands(
    load_here: Load, tmp_path: Path, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    (strict,) = load_here(tmp_path, min_dates=10)
    missing = np.isnan(strict.gamma0)
    np.testing.assert_array_equal(missing[0], missing[1])
    native = np.where(expected[1] >= 10, expected[0], np.nan)
    np.testing.assert_array_equal(missing, np.isnan(warped(native, strict)))
    assert 0.2 < missing.mean() < 0.8


# --- labels -----------------------------------------------------------------------------------


def test_each_pixel_knows_the_label_cell_its_centre_lies_in(scene: Scene) -> None:
    lon, lat = lonlat(scene)
    place = scene.metadata["label_transform"]
    row = np.floor((lat - place[5]) / place[4]).astype(int)
    column = np.floor((lon - place[2]) / place[0]).astype(int)
    same = scene.cells == row * scene.label_shape[1] + column
    assert same.mean() > 0.9999  # two libraries, centres within nanometres of a border
    # Cells are 5.5 pixels wide here, and drift: some are 5 wide, some 6.
    widths = np.bincount(scene.cells[80] % scene.label_shape[1])[2:-2]
    assert set(widths) == {5, 6}


def test_labels_are_the_maps_own_codes(scene: Scene, archive: Archive) -> None:
    assert scene.labels is not None
    lon, lat = lonlat(scene)
    place = archive.file("CGLS_2019_classification.tif")
    with rasterio.open(place) as file:
        codes = np.array(list(file.sample(zip(lon.ravel(), lat.ravel(), strict=True))))
    expected = classes.from_cgls(codes[:, 0].reshape(scene.shape))
    found = scene.pixel_labels()
    whole = np.bincount(scene.cells.ravel(), minlength=scene.labels.size) > 24
    inside = whole[scene.cells]
    np.testing.assert_array_equal(found[inside], expected[inside])
    assert inside.mean() > 0.8


def test_the_sea_and_cells_that_are_hardly_seen_are_ignored(scene: Scene, archive: Archive) -> None:
    assert scene.labels is not None
    west, north = scene.metadata["label_transform"][2], scene.metadata["label_transform"][5]
    left = round((west - archives.LABEL_WEST) / archives.LABEL_STEP)
    top = round((archives.LABEL_NORTH - north) / archives.LABEL_STEP)
    rows, columns = scene.labels.shape
    codes = archive.codes[top : top + rows, left : left + columns]
    assert (codes == 200).any()
    assert (scene.labels[codes == 200] == classes.IGNORE).all()
    pixels = np.bincount(scene.cells.ravel(), minlength=scene.labels.size).reshape(rows, columns)
    assert (scene.labels[pixels < 14] == classes.IGNORE).all()
    assert (scene.labels[(pixels > 17) & (codes != 200)] != classes.IGNORE).all()
    kept = archive.probability[top : top + rows, left : left + columns]
    np.testing.assert_array_equal(scene.probability, kept)


def test_labels_of_another_year_are_refused(
    load_here: Load, archive: Archive, tmp_path: Path
) -> None:
    other = archives.make(tmp_path / "archive", (DAWN,), label_years=(2018,))
    with pytest.raises(YearError, match=r"no labels of 2019.*has 2018 here"):
        load_here(tmp_path / "out", catalogue=other.catalogue)


def test_a_map_of_another_legend_is_refused(load_here: Load, tmp_path: Path) -> None:
    other = archives.make(tmp_path / "archive", (DAWN,), code=17)
    with pytest.raises(LoadingError, match=r"CGLS_2019: \[17\] are not codes"):
        load_here(tmp_path / "out", catalogue=other.catalogue)


def test_open_sea_is_no_scene_and_its_images_are_not_read(load_here: Load, tmp_path: Path) -> None:
    other = archives.make(tmp_path / "archive", (DAWN,), code=200)
    for path in other.folder.rglob("*_vv.tif"):
        path.unlink()
    with pytest.raises(NoLabels, match="open sea"):
        load_here(tmp_path / "out", catalogue=other.catalogue)
    assert "open sea" in (tmp_path / "out" / "plan.json").read_text()


# --- files ------------------------------------------------------------------------------------


def test_geotiffs_keep_place_values_and_names(scene: Scene) -> None:
    assert scene.folder is not None
    with rasterio.open(scene.folder / "gamma0.tif") as file:
        assert file.crs == rasterio.CRS.from_string(scene.metadata["crs"])
        assert tuple(file.transform)[:6] == tuple(scene.metadata["transform"])
        assert file.descriptions == ("VV", "VH")
        assert math.isnan(file.nodata)
        np.testing.assert_array_equal(file.read(), scene.gamma0)
        # Within a pixel of what was asked for.
        bounds = rasterio.warp.transform_bounds(file.crs, "EPSG:4326", *file.bounds)
        np.testing.assert_allclose(bounds, AREA, atol=4e-4)
    with rasterio.open(scene.folder / "labels.tif") as file:
        assert file.crs == rasterio.CRS.from_epsg(4326)
        assert tuple(file.transform)[:6] == tuple(scene.metadata["label_transform"])
        np.testing.assert_array_equal(file.read(1), scene.labels)


def test_a_sealed_scene_tells_neither_where_nor_when(scene: Scene, tmp_path: Path) -> None:
    folder = scene.sealed("held-out-01").write(tmp_path / "held-out-01")
    told = json.loads((folder / "metadata.json").read_text())
    assert set(told) == {
        *("format", "name", "bands", "quantity", "nodata", "source", "attribution", "pixel_m"),
        *("label_m", "classes", "label_shape", "dates_averaged", "dates_per_pixel"),
        *("edge_pixels", "speckle_filter", "looks", "native_looks", "held_out"),
    }
    text = json.dumps({key: told[key] for key in told if key not in ("classes", "label_shape")})
    for secret in ("2019", "2018", "EPSG", "327", "36.", "-1.", "descending", "S1_", str(tmp_path)):
        assert secret not in text, secret
    assert not re.search(r"\d{4}-\d\d", text)
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells.npy",
        "gamma0.npy",
        "metadata.json",
    ]


# --- several scenes, and going on -------------------------------------------------------------

WIDE = (36.70, -1.40, 36.75, -1.37)


def test_a_large_area_becomes_scenes_whose_names_tell_nothing(
    load_here: Load, tmp_path: Path
) -> None:
    scenes = load_here(tmp_path, WIDE, scene_size=150)
    assert len(scenes) == 4  # 167 x 280 pixels: two rows of two
    assert all(max(each.shape) <= 150 for each in scenes)
    assert [each.name for each in read_scenes(tmp_path)] == sorted(each.name for each in scenes)
    assert all(re.fullmatch(r"scene-[0-9a-f]{8}", each.name) for each in scenes)
    # They meet: no pixel is in two, none between.
    tops = {each.metadata["transform"][5] for each in scenes}
    lefts = {each.metadata["transform"][2] for each in scenes}
    assert len(tops) == len(lefts) == 2
    assert sum(each.shape[0] * each.shape[1] for each in scenes) == 167 * 280
    # Nor is a label cell in two, and labels of their borders are in one nearly always.
    corners = [each.metadata["label_transform"] for each in scenes]
    owned: list[tuple[int, int]] = []
    for each, corner in zip(scenes, corners, strict=True):
        assert each.labels is not None
        for row, column in np.argwhere(each.labels != classes.IGNORE):
            lon, lat = corner[2] + column * corner[0], corner[5] + row * corner[4]
            owned.append((round(lon / corner[0]), round(lat / corner[4])))
    assert len(owned) == len(set(owned))


def test_it_goes_on_where_it_stopped(
    load_here: Load, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (36.70, -1.40, 36.715, -1.385), (36.72, -1.40, 36.735, -1.385)
    (first,) = load_here(tmp_path, one)
    assert first.folder is not None
    kept = (first.folder / "gamma0.npy").stat().st_mtime_ns

    # The second stops midway, as power cuts do: arrays written, metadata not.
    def stop(scene: Scene, folder: Path) -> None:
        np.save(folder / "gamma0.npy", scene.gamma0[:, :4])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Scene, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            load_here(tmp_path, [one, two])
    assert len(list(tmp_path.glob("scene-*"))) == 2
    assert len(read_scenes(tmp_path)) == 1

    scenes = load_here(tmp_path, [one, two])
    assert scenes[0].name == first.name
    assert (first.folder / "gamma0.npy").stat().st_mtime_ns == kept
    assert len(list(tmp_path.glob("scene-*"))) == 2
    scenes[1].check()
    assert scenes[1].gamma0.shape[1] > 4

    # All there: neither catalogue nor cluster are opened.
    again = load_here(tmp_path, [one, two], dask="tcp://127.0.0.1:1", catalogue=archive.catalogue)
    assert [each.name for each in again] == [each.name for each in scenes]


def test_scenes_of_one_folder_are_made_alike(load_here: Load, tmp_path: Path) -> None:
    small = (36.70, -1.40, 36.715, -1.385)
    load_here(tmp_path, small)
    with pytest.raises(LoadingError, match="begun with min_dates = 8, and now it is 9"):
        load_here(tmp_path, small, min_dates=9)
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(LoadingError, match=r"plan\.json cannot be read"):
        load_here(tmp_path, small)


def test_a_scene_without_data_among_others_is_left_out_and_noted(
    load_here: Load, tmp_path: Path
) -> None:
    nowhere = (10.0, 5.0, 10.02, 5.02)
    scenes = load_here(tmp_path, [(36.70, -1.40, 36.715, -1.385), nowhere])
    assert len(scenes) == 1
    told = json.loads((tmp_path / "plan.json").read_text())["scenes"]
    assert [each["skipped"][:9] for each in told] == ["", "NoScenes:"]


# --- what is missing or broken ----------------------------------------------------------------


def test_no_images_says_what_was_searched(load_here: Load, tmp_path: Path) -> None:
    with pytest.raises(
        NoScenes,
        match=r"no radar images: searched collection s1_rtc of .* from 2019-01-01 to 2019-02-01 "
        r"in west, south, east, north 36\.700.*longer season",
    ):
        load_here(tmp_path, season=("01-01", "02-01"))


def test_an_orbit_that_is_not_there_tells_which_are(load_here: Load, tmp_path: Path) -> None:
    with pytest.raises(
        NoScenes,
        match=r"any orbit state, relative orbit 100.*descending, relative orbit 21: 10\.0 passes; "
        r"ascending, relative orbit 58: 5\.0 passes; descending, relative orbit 94: 3\.0 passes",
    ):
        load_here(tmp_path, relative_orbit=100)


def test_too_few_dates_says_how_many_and_what_to_change(load_here: Load, tmp_path: Path) -> None:
    with pytest.raises(
        TooFewDates, match=r"3 dates of descending, relative orbit 94, .*needs 8.*longer season"
    ):
        load_here(tmp_path, relative_orbit=94)


def damage(archive: Archive, name: str, keep: float) -> None:
    path = archive.file(name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


@pytest.mark.parametrize(("keep", "band"), [(0.0, "vh"), (0.6, "vv"), (0.01, "mask")])
def test_a_broken_file_is_named(
    archive: Archive, load_here: Load, tmp_path: Path, keep: float, band: str
) -> None:
    other = archive.copy(tmp_path / "archive")
    name = archives.item_name(1, DAWN.first.replace(month=8, day=2))
    damage(other, f"{name}_{band}.tif", keep)
    with pytest.raises(BrokenAsset, match=rf"item {name}, asset {band} .*--skip-broken") as caught:
        load_here(tmp_path / "out", catalogue=other.catalogue)
    assert (caught.value.item, caught.value.asset) == (name, band)


def test_broken_items_can_be_left_out(archive: Archive, load_here: Load, tmp_path: Path) -> None:
    other = archive.copy(tmp_path / "archive")
    names = [archives.item_name(1, DAWN.first), archives.item_name(0, DAWN.first)]
    damage(other, f"{names[0]}_vv.tif", 0.5)
    other.file(f"{names[1]}_mask.tif").unlink()
    given = {"catalogue": other.catalogue, "skip_broken": True}
    (loaded,) = load_here(tmp_path / "out", **given)
    assert sorted(loaded.metadata["items_left_out"]) == sorted(names)
    assert loaded.metadata["dates_averaged"] == DAWN.dates - 1
    with pytest.raises(TooFewDates, match="broken items were left out"):
        load_here(tmp_path / "strict", min_dates=10, **given)


def test_an_item_of_one_polarisation_is_named(
    archive: Archive, load_here: Load, tmp_path: Path
) -> None:
    other = archive.copy(tmp_path / "archive")
    name = archives.item_name(0, DAWN.first)
    path = other.file(f"{name}.json")
    item = pystac.Item.from_file(str(path))
    del item.assets["vh"]
    item.save_object(dest_href=str(path))
    with pytest.raises(BrokenAsset, match=rf"item {name}, asset vh .*does not have it"):
        load_here(tmp_path / "out", catalogue=other.catalogue)


def test_a_broken_map_is_named(archive: Archive, load_here: Load, tmp_path: Path) -> None:
    other = archive.copy(tmp_path / "archive")
    damage(other, "CGLS_2019_classification_probability.tif", 0.3)
    with pytest.raises(BrokenAsset, match="item CGLS_2019, asset classification_probability"):
        load_here(tmp_path / "out", catalogue=other.catalogue)


# --- Dask -------------------------------------------------------------------------------------


def test_a_cluster_is_found_by_its_address(
    load_here: Load, client: distributed.Client, tmp_path: Path, scene: Scene
) -> None:
    (same,) = load_here(tmp_path, dask=client.scheduler_info()["address"])
    np.testing.assert_array_equal(same.gamma0, scene.gamma0)


def test_a_cluster_that_is_not_there_is_an_error(
    load_here: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CONNECT_S", 1)
    with pytest.raises(LoadingError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        load_here(tmp_path, dask="tcp://127.0.0.1:1")


def test_without_a_cluster_threads_of_this_process_do_it(
    archive: Archive, tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    (same,) = load(AREA, out=tmp_path, catalogue=archive.catalogue)
    np.testing.assert_array_equal(same.gamma0, scene.gamma0)
    shown = capsys.readouterr().out
    assert "scene 1 of 1" in shown
    assert shown.rstrip().splitlines()[-1].startswith("Digital Earth Africa · Completed")


def test_processes_of_this_machine_do_it(load_here: Load, tmp_path: Path, scene: Scene) -> None:
    (same,) = load_here(tmp_path, dask=(2, 1))
    np.testing.assert_array_equal(same.gamma0, scene.gamma0)


def test_workers_need_not_have_the_library(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_bytes(cloudpickle.dumps(reading._tasks()))
    script = (
        "import pickle, sys, numpy as np\n"
        "see, add, finish = pickle.load(open('tasks', 'rb'))\n"
        "one = [np.ones((1, 9, 9), np.float32)]\n"
        "mean, dates = finish(add(None, see(one, one, one, 1, 5)), 2, 1)\n"
        "print(mean.shape, dates.min(), 'academy' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "(2, 5, 5) 1 False"
