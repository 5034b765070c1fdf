"""The scene format: what is written is read, mapped, checked, sealed; and the classes' codes."""

from __future__ import annotations

import json
import math
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from academy.errors import DatasetError
from academy.land_cover import classes, cog
from academy.land_cover.scene import Scene, SceneError, label_grid, read_scenes
from hypothesis import given, settings
from hypothesis import strategies as st


def small_scene(name: str = "small", **changes: object) -> Scene:
    rng = np.random.default_rng(3)
    gamma0 = rng.gamma(4, 0.02, (2, 40, 50)).astype(np.float32)
    gamma0[:, :5] = np.nan
    cells, shape = label_grid(40, 50, 4.96, (1.2, 3.4))
    labels = rng.integers(0, 9, shape).astype(np.uint8)
    labels[-1, -1] = classes.IGNORE
    arrays = {"gamma0": gamma0, "cells": cells, "labels": labels, **changes}
    metadata = {"crs": "EPSG:32733", "dates": ["2019-01-03"], "looks": 7.8}
    return Scene(name, **arrays, metadata=metadata)  # type: ignore[arg-type]


def test_what_is_written_is_read_mapped(tmp_path: Path) -> None:
    scene = small_scene()
    back = Scene.read(scene.write(tmp_path / "small"))
    for name in ("gamma0", "cells", "labels"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scene, name))
        assert isinstance(getattr(back, name), np.memmap)
    assert back.name == "small"
    assert back.metadata["looks"] == 7.8
    assert back.truth is None
    back.check()


def test_rewriting_leaves_nothing_of_the_scene_before(tmp_path: Path) -> None:
    small_scene().write(tmp_path / "s")
    small_scene().sealed("x").write(tmp_path / "s")
    assert Scene.read(tmp_path / "s").labels is None
    assert not (tmp_path / "s" / "labels.npy").exists()


def test_an_unfinished_folder_is_no_scene(tmp_path: Path) -> None:
    folder = small_scene().write(tmp_path / "s")
    (folder / "metadata.json").unlink()
    with pytest.raises(SceneError, match=r"no metadata\.json"):
        Scene.read(folder)
    with pytest.raises(SceneError, match="has no scenes"):
        read_scenes(tmp_path)


def test_a_broken_or_newer_scene_says_so(tmp_path: Path) -> None:
    folder = small_scene().write(tmp_path / "s")
    (folder / "cells.npy").unlink()
    with pytest.raises(SceneError, match=r"has no cells\.npy"):
        Scene.read(folder)
    (folder / "metadata.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(SceneError, match="format 1"):
        Scene.read(folder)
    (folder / "metadata.json").write_text("{")
    with pytest.raises(SceneError, match="is not JSON"):
        Scene.read(folder)


def test_pickled_numbers_are_refused(tmp_path: Path) -> None:
    folder = small_scene().write(tmp_path / "s")
    np.save(folder / "labels.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SceneError, match="cannot be read"):
        Scene.read(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gamma0": np.zeros((3, 40, 50), np.float32)}, r"\(2, H, W\)"),
        ({"gamma0": np.zeros((2, 40, 50))}, "float64; it must be float32"),
        ({"cells": np.zeros((40, 51), np.int32)}, r"has shape \(40, 51\)"),
        ({"truth": np.zeros((4, 5), np.uint8)}, "truth has shape"),
        ({"probability": np.zeros((1, 2), np.uint8)}, "probability has shape"),
        ({"labels": np.zeros(9, np.uint8)}, r"rows, columns"),
    ],
)
def test_wrong_arrays_are_refused(changes: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(SceneError, match=says):
        small_scene(**changes)


def test_check_finds_wrong_values() -> None:
    in_db = small_scene(gamma0=np.full((2, 40, 50), -8, np.float32))
    with pytest.raises(SceneError, match="is it in dB"):
        in_db.check()
    with pytest.raises(SceneError, match="have the class 12"):
        small_scene(labels=np.full((9, 11), 12, np.uint8)).check()
    with pytest.raises(SceneError, match="label grid has"):
        small_scene(cells=np.full((40, 50), 4000, np.int32)).check()
    lopsided = small_scene()
    lopsided.gamma0[1, 30, 30] = np.nan
    with pytest.raises(SceneError, match="one band only"):
        lopsided.check()


def test_pixel_labels_are_those_of_the_cell_and_ignore_nodata() -> None:
    scene = small_scene()
    assert scene.labels is not None
    labels = scene.pixel_labels()
    assert (labels[:5] == classes.IGNORE).all()
    row, column = divmod(int(scene.cells[20, 17]), scene.label_shape[1])
    assert labels[20, 17] == scene.labels[row, column]
    gamma0, part = scene.window(18, 10, 8, 12)
    np.testing.assert_array_equal(part, labels[18:26, 10:22])
    np.testing.assert_array_equal(gamma0, scene.gamma0[:, 18:26, 10:22])


def test_a_pixel_outside_the_label_grid_has_no_label() -> None:
    scene = small_scene()
    scene.cells[30, 30] = -1
    assert scene.pixel_labels()[30, 30] == classes.IGNORE


def test_a_sealed_scene_tells_neither_place_nor_date_nor_label(tmp_path: Path) -> None:
    folder = small_scene(truth=np.zeros((40, 50), np.uint8)).sealed("held-out-01").write(tmp_path)
    text = (folder / "metadata.json").read_text()
    for secret in ("crs", "EPSG", "2019", "dates"):
        assert secret not in text
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells.npy",
        "gamma0.npy",
        "metadata.json",
    ]
    sealed = Scene.read(folder)
    assert sealed.label_shape == (9, 11)
    with pytest.raises(SceneError, match="held out"):
        sealed.pixel_labels()


def test_a_worker_gets_the_folder_not_the_pixels(tmp_path: Path) -> None:
    scene = Scene.read(small_scene().write(tmp_path / "s"))
    scene.pixel_labels()
    data = pickle.dumps(scene)
    assert len(data) < 1000
    np.testing.assert_array_equal(pickle.loads(data).gamma0, scene.gamma0)  # noqa: S301
    unwritten = small_scene()
    copy = pickle.loads(pickle.dumps(unwritten))  # noqa: S301
    np.testing.assert_array_equal(copy.pixel_labels(), unwritten.pixel_labels())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(1, 12),
    st.floats(0, 0.999),
    st.floats(0, 0.999),
)
def test_a_label_grid_covers_every_pixel_once(
    height: int, width: int, cell: float, down: float, right: float
) -> None:
    cells, (rows, columns) = label_grid(height, width, cell, (down * cell, right * cell))
    assert cells.shape == (height, width)
    assert cells.min() == 0
    assert cells.max() == rows * columns - 1
    # Rows of the grid are where the pixel's centre is, to within the first cell's offset.
    row = cells[:, 0] // columns
    expected = np.floor((np.arange(height) + 0.5 + down * cell) / cell)
    np.testing.assert_array_equal(row, expected - expected[0])


def test_the_two_grids_drift_a_pixel_every_126() -> None:
    cells, (_, columns) = label_grid(1, 5000, 4.96, (0, 0))
    widths = np.bincount(cells[0])[:columns]
    narrow = np.flatnonzero(widths == 4)
    assert set(widths[:-1]) == {4, 5}
    assert np.diff(narrow).min() >= 24
    assert abs(np.diff(narrow).mean() * 4.96 - 124) < 2


def test_cgls_codes_become_classes() -> None:
    given_codes = [111, 126, 20, 30, 100, 40, 50, 60, 70, 80, 90, 0, 200, 255]
    expected = [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 255, 255, 255]
    assert classes.from_cgls(given_codes).tolist() == expected
    joined = [code for each in classes.CLASSES for code in each.cgls]
    assert len(joined) == len(set(joined)) == 21
    with pytest.raises(ValueError, match=r"\[17\] are not codes"):
        classes.from_cgls([111, 17])
    with pytest.raises(ValueError, match="not codes"):
        classes.from_cgls([-1])


def test_every_class_has_a_colour_of_its_own() -> None:
    colours = classes.colour_map(np.arange(9))
    assert len({tuple(colour) for colour in colours.tolist()}) == 9
    assert classes.colour_map(255).tolist() == [255, 255, 255]
    with pytest.raises(ValueError, match="label 9"):
        classes.colour_map([9])
    assert classes.index("wetland") == 8
    with pytest.raises(ValueError, match="sea"):
        classes.index("sea")


def test_geotiff_without_rasterio_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)  # as if it were not installed
    with pytest.raises(DatasetError, match="pip install rasterio"):
        cog.write_cogs(small_scene(), tmp_path)
    with pytest.raises(DatasetError, match="pip install rasterio"):
        cog.read_bands(tmp_path / "gamma0.tif")


@pytest.mark.filterwarnings("error")
def test_geotiff_of_a_scene_without_a_place_keeps_the_pixels(tmp_path: Path) -> None:
    scene = small_scene()
    del scene.metadata["crs"]
    image, labels = cog.write_cogs(scene, tmp_path)
    np.testing.assert_array_equal(cog.read_bands(image), scene.gamma0)
    np.testing.assert_array_equal(cog.read_bands(labels)[0], scene.labels)


@pytest.mark.filterwarnings("error")
def test_geotiff_keeps_place_names_and_colours(tmp_path: Path) -> None:
    scene = small_scene()
    scene.metadata |= {
        "transform": [20.0, 0.0, 244060.0, 0.0, -20.0, 9848460.0],
        "label_crs": "EPSG:4326",
        "label_transform": [1 / 1008, 0.0, 14.7, 0.0, -1 / 1008, -1.4],
    }
    image, labels = cog.write_cogs(scene, tmp_path)
    with rasterio.open(image) as file:
        assert file.crs.to_epsg() == 32733
        assert list(file.transform)[:6] == scene.metadata["transform"]
        assert file.descriptions == ("VV", "VH")
        assert math.isnan(file.nodata)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(file.read(), scene.gamma0)
    with rasterio.open(labels) as file:
        assert file.crs.to_epsg() == 4326
        assert list(file.transform)[:6] == scene.metadata["label_transform"]
        assert file.nodata == classes.IGNORE
        colours = file.colormap(1)
        shown = [colours[number][:3] for number in range(9)]
        assert shown == [tuple(rgb) for rgb in classes.colour_map(np.arange(9)).tolist()]


def test_overviews_of_labels_have_no_class_that_is_not_there(tmp_path: Path) -> None:
    # A mean of closed forest (0) and water (7) would be urban.
    stripes = np.where(np.arange(1200) % 3 == 0, 7, 0).astype(np.uint8)
    colours = {number: (number, 0, 0) for number in range(9)}
    path = cog.write_cog(
        tmp_path / "x.tif", np.tile(stripes, (1, 1200, 1)), 255, None, None, ("class",),
        colours=colours,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, overview_level=0) as file:
            assert file.shape == (600, 600)
            assert set(np.unique(file.read(1))) == {0, 7}


def test_a_broken_geotiff_says_what_to_do(tmp_path: Path) -> None:
    image, _ = cog.write_cogs(small_scene(), tmp_path)
    image.write_bytes(image.read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"gamma0\.tif cannot be read .* copy it again"):
        cog.read_bands(image)
