"""Features for forests: equal to plain loops, right at borders and gaps, constant on even land."""

from __future__ import annotations

import numpy as np
import pytest
from academy.data.simulator import simulate
from academy.land_cover.floors import cell_features, pixel_features
from academy.land_cover.scene import Scene, label_grid


def even(level: float = 0.1, gap: bool = False) -> Scene:
    gamma0 = np.full((2, 40, 30), level, np.float32)
    gamma0[1] /= 4
    if gap:
        gamma0[:, :12, :7] = np.nan
    cells, shape = label_grid(40, 30, 4.96, (1.3, 2.2))
    return Scene("even", gamma0, cells, np.zeros(shape, np.uint8))


def test_even_land_has_its_own_level_at_every_scale_and_place() -> None:
    found = cell_features(even(), (1, 5, 15))
    assert found.shape == (even().labels.size, 6)
    np.testing.assert_allclose(found[:, 0::2], -10, atol=1e-4)
    np.testing.assert_allclose(found[:, 1::2], -16.0206, atol=1e-4)


def test_gaps_do_not_darken_their_neighbours() -> None:
    found = cell_features(even(gap=True), (1, 15))
    there = np.isfinite(found[:, 0])
    assert 0 < (~there).sum() < there.sum()
    np.testing.assert_allclose(found[there][:, 0::2], -10, atol=1e-4)
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), there)


def test_cell_features_equal_plain_loops() -> None:
    scene = simulate(106, height=60, width=50, nodata=1.0)
    gamma0 = np.asarray(scene.gamma0, float)
    assert np.isnan(gamma0).any()
    found = cell_features(scene, (5,)).reshape(*scene.label_shape, 2)
    for row, column in ((0, 0), (3, 4), (6, 8), (10, 9)):
        inside = np.argwhere(scene.cells == row * scene.label_shape[1] + column)
        inside = [at for at in inside if np.isfinite(gamma0[0][tuple(at)])]
        for band in range(2):
            means = []
            for down, right in inside:
                box = gamma0[band, max(down - 2, 0) : down + 3, max(right - 2, 0) : right + 3]
                means.append(np.nanmean(box))
            expected = 10 * np.log10(np.mean(means)) if means else np.nan
            np.testing.assert_allclose(found[row, column, band], expected, atol=1e-3)


def test_windows_must_have_a_middle() -> None:
    with pytest.raises(ValueError, match="a window is 4 wide"):
        cell_features(even(), (4,))


def test_pixel_features_are_filtered_decibels_and_their_ratio() -> None:
    scene = simulate(3, "clean", height=64, width=64, nodata=1.0)
    found = pixel_features(scene)
    raw = 10 * np.log10(np.asarray(scene.gamma0)).reshape(2, -1).T
    assert found.shape == (64 * 64, 3)
    np.testing.assert_allclose(found[:, 2], found[:, 0] - found[:, 1], atol=1e-5)
    np.testing.assert_array_equal(np.isnan(found[:, 0]), np.isnan(raw[:, 0]))
    valid = np.isfinite(raw[:, 0])
    # Less spread than the speckle it was made from, around about the same level.
    assert found[valid, 0].std() < raw[valid, 0].std()
    assert abs(found[valid, 0].mean() - raw[valid, 0].mean()) < 1.0
