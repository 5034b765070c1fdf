"""Maps from a model: no seams, right borders, missing data, pooling to label cells."""

from __future__ import annotations

import doctest
import tracemalloc

import numpy as np
import pytest
import torch
from academy.data.simulator import simulate
from academy.land_cover import inference
from academy.land_cover.dataset import Normalisation
from academy.land_cover.inference import (
    decide,
    evaluate,
    fill_empty,
    pool,
    predict,
    predict_cells,
    predict_pixels,
)
from academy.land_cover.metrics import confusion
from academy.land_cover.scene import Scene, SceneError, label_grid
from academy.land_cover.settings import Settings
from academy.land_cover.trained import Trained
from torch import nn

torch.set_num_threads(1)
NORMALISATION = Normalisation((-10.0, -17.0), (4.0, 5.0))


def trained(model: nn.Module, crop: int = 16) -> Trained:
    return Trained(model.eval(), NORMALISATION, Settings(crop=crop))


def pixelwise() -> nn.Module:
    """A model of each pixel alone: where windows lie cannot matter."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 16, 1), nn.Tanh(), nn.Conv2d(16, 9, 1))


class LeftRight(nn.Module):
    """Says class 0 left of its window's middle and class 1 right of it."""

    def forward(self, image):
        logits = torch.zeros(image.shape[0], 9, *image.shape[2:])
        half = image.shape[3] // 2
        logits[:, 0, :, :half] = 9
        logits[:, 1, :, half:] = 9
        return logits


def scene_of(height: int = 50, width: int = 43, holes: bool = True) -> Scene:
    rng = np.random.default_rng(3)
    gamma0 = rng.gamma(4, 0.02, (2, height, width)).astype(np.float32)
    if holes:
        gamma0[:, :6, :9] = np.nan
        gamma0[:, 30:, 40:] = np.nan
    cells, shape = label_grid(height, width, 4.96, (1.3, 2.2))
    labels = rng.integers(0, 9, shape).astype(np.uint8)
    return Scene("s", gamma0, cells, labels)


def whole(model: nn.Module, scene: Scene) -> np.ndarray:
    image = torch.from_numpy(NORMALISATION(np.asarray(scene.gamma0)))[None]
    with torch.inference_mode():
        shares = model(image).softmax(1)[0].numpy()
    shares[:, np.isnan(scene.gamma0[0])] = np.nan
    return shares


def test_examples_in_the_documentation_are_right():
    assert doctest.testmod(inference).failed == 0


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("window", [7, 16, 64])
def test_windows_leave_no_seam_and_no_border(window, overlap):
    model, scene = pixelwise(), scene_of()
    found = predict_pixels(trained(model), scene, window=window, overlap=overlap, batch=3)
    np.testing.assert_allclose(found, whole(model, scene), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("views", [2, 4, 8])
def test_views_of_a_window_are_turned_back(views):
    model, scene = pixelwise(), scene_of()
    found = predict_pixels(trained(model), scene, views=views)
    np.testing.assert_allclose(found, whole(model, scene), rtol=1e-4, atol=1e-6)


def test_eight_views_are_the_average_of_all_flips_and_turns():
    torch.manual_seed(1)
    model = nn.Conv2d(2, 9, 3, padding=1)
    scene = scene_of(16, 16, holes=False)
    found = predict_pixels(trained(model), scene, views=8)
    turned = Scene(
        "t", np.ascontiguousarray(np.rot90(scene.gamma0, axes=(1, 2))), scene.cells, scene.labels
    )
    other = predict_pixels(trained(model), turned, views=8)
    np.testing.assert_allclose(np.rot90(found, axes=(1, 2)), other, rtol=1e-4, atol=1e-6)


def test_a_windows_middle_counts_more_than_its_edge():
    """At column 8 the window at 0 is right of its middle, at its centre; the next one begins."""
    scene = scene_of(16, 32, holes=False)
    found = predict_pixels(trained(LeftRight()), scene)[:2, 8]
    assert (found[0, :7] > 0.99).all()
    assert found[1, 8] > 0.95
    # Between the centres of two windows one fades into the other: no step.
    assert np.abs(np.diff(found[1, 8:16])).max() < 0.25


def test_missing_data_are_nan_and_nothing_else_is():
    scene = scene_of()
    found = predict_pixels(trained(pixelwise()), scene)
    assert np.array_equal(np.isnan(found).all(axis=0), np.isnan(scene.gamma0[0]))
    assert np.array_equal(np.isnan(found).any(axis=0), np.isnan(scene.gamma0[0]))
    there = ~np.isnan(scene.gamma0[0])
    np.testing.assert_allclose(found.sum(axis=0)[there], 1, rtol=1e-5)


def test_cells_without_all_pixels_in_memory_are_the_pooled_pixels():
    model, scene = trained(pixelwise()), scene_of()
    pooled = pool(predict_pixels(model, scene), scene.cells, scene.label_shape)
    np.testing.assert_allclose(predict_cells(model, scene), pooled, rtol=1e-5)


def test_pooling_is_the_mean_over_valid_pixels_of_a_cell():
    scene = scene_of()
    values = predict_pixels(trained(pixelwise()), scene)
    pooled = pool(values, scene.cells, scene.label_shape).reshape(9, -1)
    for cell in range(pooled.shape[1]):
        inside = values[:, scene.cells == cell]
        inside = inside[:, np.isfinite(inside[0])]
        if inside.shape[1] == 0:
            assert np.isnan(pooled[:, cell]).all()
        else:
            np.testing.assert_allclose(pooled[:, cell], inside.mean(axis=1), rtol=1e-5)


def test_pixels_outside_the_label_grid_are_in_no_cell():
    values = np.ones((9, 2, 2), np.float32)
    values[:, 0, 0] = 5
    cells = np.array([[-1, 0], [0, 0]], np.int32)
    assert (pool(values, cells, (1, 2))[:, 0, 0] == 1).all()
    assert np.isnan(pool(values, cells, (1, 2))[:, 0, 1]).all()


@pytest.mark.parametrize(
    ("shares", "cells", "said"),
    [
        (np.zeros((9, 2, 3)), np.zeros((2, 2), np.int32), r"\(9, 2, 3\)"),
        (np.zeros((9, 2, 2)), np.full((2, 2), 4, np.int32), "ends at 3"),
    ],
)
def test_pooling_refuses_what_does_not_fit(shares, cells, said):
    with pytest.raises(ValueError, match=said):
        pool(shares, cells, (2, 2))


def test_every_cell_gets_a_class_even_without_data():
    scene = scene_of()
    scene.gamma0[:, 20:45, :30] = np.nan
    found = predict(trained(pixelwise()), scene)
    assert found.dtype == np.uint8
    assert found.shape == scene.label_shape
    assert found.max() < 9


def test_empty_cells_take_the_mean_of_the_smallest_block_around_them():
    values = np.full((1, 3, 5), np.nan, np.float32)
    values[0, 0, 0], values[0, 0, 1], values[0, 2, 4] = 1, 3, 7
    filled = fill_empty(values)[0]
    assert filled[1, 0] == 2
    assert filled[2, 4] == 7
    assert filled[0, 0] == 1
    assert filled[0, 2] == 2  # nothing in its block of two, so from its block of four
    assert filled[2, 0] == filled[2, 3]  # from the whole


def test_a_scene_without_any_data_is_refused():
    scene = scene_of()
    scene.gamma0[:] = np.nan
    with pytest.raises(SceneError, match="s has no valid pixel"):
        predict(trained(pixelwise()), scene)


def test_a_shift_moves_the_line_of_doubt():
    shares = np.array([[0.6, 0.9, np.nan], [0.4, 0.1, np.nan]], np.float32)
    assert decide(shares).tolist() == [0, 0, 255]
    assert decide(shares, [0.0, 1.0]).tolist() == [1, 0, 255]
    assert decide(shares, [500.0, 501.0]).tolist() == [1, 0, 255]
    with pytest.raises(ValueError, match="2 finite numbers"):
        decide(shares, [0.0])


def test_the_models_own_shift_is_used_unless_another_is_given():
    scene, model = scene_of(), trained(pixelwise())
    model.shift = (0.0,) * 8 + (50.0,)
    assert (predict(model, scene) == 8).all()
    assert not (predict(model, scene, shift=np.zeros(9)) == 8).all()


def test_evaluation_counts_label_cells_of_each_scene():
    model, scene = trained(pixelwise()), scene_of()
    counts = evaluate(model, [scene])
    expected = confusion(scene.labels, predict(model, scene), 9)
    assert (counts.of("s") == expected).all()
    with pytest.raises(SceneError, match="its labels are not here"):
        evaluate(model, [scene.sealed("h")])


def test_features_are_made_before_the_network_sees_an_image():
    scene, plain = scene_of(), trained(nn.Conv2d(2, 9, 1))
    double = Trained(nn.Conv2d(4, 9, 1), NORMALISATION, Settings(crop=16))
    double.features = lambda image: torch.cat([image, image], dim=1)
    with torch.no_grad():
        double.model.weight.copy_(torch.cat([plain.model.weight, plain.model.weight], 1) / 2)
        double.model.bias.copy_(plain.model.bias)
    np.testing.assert_allclose(
        predict_pixels(double, scene), predict_pixels(plain, scene), rtol=1e-4, atol=1e-6
    )


def test_predicting_leaves_the_model_in_its_mode():
    model = trained(pixelwise())
    model.model.train()
    predict(model, scene_of())
    assert model.model.training


def test_memory_grows_with_a_strip_and_not_with_the_scene(tmp_path):
    """numpy's allocations for a scene of twice the height are about the same."""

    def peak(height: int) -> int:
        simulated = scene_of(height, 64, holes=False)
        scene = Scene.read(simulated.write(tmp_path / str(height)))
        tracemalloc.start()
        predict_cells(trained(pixelwise()), scene)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(64)
    cells = 9 * 8 * (128 // 5 + 1) * (64 // 5 + 1)
    assert peak(768) - peak(384) < 12 * cells


def test_pixels_can_go_to_an_array_on_disk(tmp_path):
    model, scene = trained(pixelwise()), scene_of()
    out = np.lib.format.open_memmap(
        tmp_path / "p.npy", mode="w+", dtype=np.float32, shape=(9, *scene.shape)
    )
    assert predict_pixels(model, scene, out=out) is out
    np.testing.assert_array_equal(out, predict_pixels(model, scene))
    with pytest.raises(ValueError, match="float32"):
        predict_pixels(model, scene, out=np.empty((9, 1, 1), np.float32))


@pytest.mark.parametrize(
    "wrong", [{"window": 0}, {"overlap": 1.0}, {"overlap": -0.1}, {"batch": 0}, {"views": 9}]
)
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        predict_pixels(trained(pixelwise()), scene_of(), **wrong)


def test_a_scene_smaller_than_a_window_is_one_window():
    scene = simulate(101, height=48, width=40)
    found = predict_pixels(trained(pixelwise(), crop=64), scene)
    np.testing.assert_allclose(found, whole(pixelwise(), scene), rtol=1e-4, atol=1e-6)
