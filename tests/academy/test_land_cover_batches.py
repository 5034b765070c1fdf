"""Batches of a training step: labels stay with their pixels, and cells are pooled rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from academy.data.simulator import simulate
from academy.land_cover.augmentation import NONE, Augmentation
from academy.land_cover.batches import (
    CellCrops,
    PixelCrops,
    collate,
    pool_cells,
    sure_labels,
    training_batches,
)
from academy.land_cover.dataset import Normalisation
from academy.land_cover.sampling import GridCrops, RandomCrops
from academy.land_cover.scene import SceneError

torch.set_num_threads(1)
TURNS = Augmentation(speckle_looks=None)


@pytest.fixture(scope="module")
def scene():
    made = simulate(101, height=72, width=80)
    made.gamma0[:, :20, 30:60] = np.nan
    return made


def crops(kind, scene, augmentation=NONE, size=32):
    sampler = RandomCrops([scene], size, seed=3)
    return kind([scene], sampler, Normalisation.fit([scene]), augmentation, seed=4)


def by_pixel(item) -> np.ndarray:
    """A cell item's labels, copied to pixels."""
    labels = np.append(item["label"], 255)
    return labels[item["cell"]]


@pytest.mark.parametrize("augmentation", [NONE, TURNS])
def test_both_levels_have_the_same_images_and_labels(scene, augmentation):
    pixels, cells = crops(PixelCrops, scene, augmentation), crops(CellCrops, scene, augmentation)
    left_out = 0
    for number in range(30):
        one, other = pixels[number], cells[number]
        np.testing.assert_array_equal(one["image"], other["image"])
        copied = by_pixel(other)
        kept = copied != 255
        np.testing.assert_array_equal(copied[kept], one["label"][kept])
        left_out += int((~kept & (one["label"] != 255)).sum())
    assert 0 < left_out < 0.2 * 30 * 32 * 32  # cells cut by the crop's border


def test_labels_turn_with_their_pixels(scene):
    """Where there are data is the same in the image, which is 0 elsewhere, and in the cells."""
    cells = crops(CellCrops, scene, TURNS)
    partly = 0
    for number in range(30):
        item = cells[number]
        empty = (item["image"] == 0).all(axis=0)
        np.testing.assert_array_equal(item["cell"] == -1, empty)
        partly += 0 < empty.mean() < 1
    assert partly > 3


def test_a_cell_of_which_less_than_half_is_there_is_ignored(scene):
    sampler = GridCrops([scene], 32)
    grid = CellCrops([scene], sampler, Normalisation.fit([scene]))
    ignored = 0
    for number in range(len(sampler)):
        item = grid[number]
        pixels = np.bincount(item["cell"][item["cell"] >= 0], minlength=item["label"].size)
        few = 2 * pixels < pixels.max()
        assert (item["label"][few] == 255).all()
        ignored += int(few.sum())
    assert ignored > 0


def test_a_crop_without_data_has_no_cell(scene):
    empty = replace(scene, gamma0=np.full_like(scene.gamma0, np.nan), metadata={})
    sampler = RandomCrops([empty], 32)
    item = CellCrops([empty], sampler, Normalisation.fit([scene]))[0]
    assert (item["cell"] == -1).all()
    assert item["label"].size == 0
    whole = crops(CellCrops, scene)[0]
    batch = collate([item, whole])
    assert (batch["label"][0] == 255).all()
    assert batch["label"].shape == (2, whole["label"].size)


def test_held_out_scenes_are_not_learnt_from(scene):
    sealed = scene.sealed("h")
    held_out = CellCrops([sealed], RandomCrops([sealed], 32), Normalisation.fit([scene]))
    with pytest.raises(SceneError, match="nothing to learn from"):
        held_out[0]


def test_pooling_is_the_mean_probability_of_a_cells_pixels():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64) * 3
    cell = torch.randint(-1, 4, (2, 6, 7), generator=generator)
    cell[cell == 2] = 0  # no pixel in cell 2
    pooled = pool_cells(logits, cell, 4).softmax(dim=1)
    shares = logits.softmax(dim=1)
    for image in range(2):
        for number in (0, 1, 3):
            mean = shares[image][:, cell[image] == number].mean(dim=1)
            torch.testing.assert_close(pooled[image, :, number], mean)
        torch.testing.assert_close(pooled[image, :, 2], torch.full((3,), 1 / 3).double())


def test_the_gradient_of_pooling_is_the_numerical_one():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(1, 3, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    cell = torch.tensor([[[0, 0, 1, 1], [0, 1, 1, -1], [2, 2, 2, -1]]])
    assert torch.autograd.gradcheck(lambda value: pool_cells(value, cell, 3), logits)


def test_pooling_stays_finite_where_the_model_is_sure_and_wrong():
    logits = torch.zeros(1, 2, 1, 2)
    logits[:, 0] = 200
    logits.requires_grad_()
    pooled = pool_cells(logits, torch.zeros(1, 1, 2, dtype=torch.long), 1)
    pooled[0, 1].sum().backward()
    assert torch.isfinite(pooled).all()
    assert torch.isfinite(logits.grad).all()


def test_unsure_labels_are_ignored_and_the_scene_itself_is_not_changed(scene):
    probability = np.full(scene.label_shape, 80, np.uint8)
    probability[0] = 40
    probability[1] = 255  # not known: kept
    given = replace(scene, probability=probability, metadata=dict(scene.metadata))
    before = given.labels.copy()
    (kept,) = sure_labels([given], 60)
    assert (kept.labels[0] == 255).all()
    np.testing.assert_array_equal(kept.labels[1:], before[1:])
    np.testing.assert_array_equal(given.labels, before)
    assert sure_labels([given], 0)[0] is given


@pytest.mark.parametrize("level", ["pixel", "cell"])
def test_processes_share_a_batch_between_them(scene, level):
    def take(numbers, batch):
        return list(
            training_batches(
                [scene],
                RandomCrops([scene], 32),
                Normalisation.fit([scene]),
                TURNS,
                level=level,
                seed=1,
                numbers=numbers,
                batch=batch,
            )
        )

    whole = take(range(12), 4)
    parts = [take(range(rank, 12, 2), 2) for rank in range(2)]
    assert len(whole) == len(parts[0]) == 3
    for step in range(3):
        images = torch.stack([part[step]["image"] for part in parts], dim=1).flatten(0, 1)
        assert torch.equal(images, whole[step]["image"])
