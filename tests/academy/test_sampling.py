"""Crops: where they are cut and how often, what a batch holds, and that a seed repeats it."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from academy.data.simulator import simulate
from academy.land_cover.augmentation import NONE, Augmentation
from academy.land_cover.classes import IGNORE
from academy.land_cover.dataset import Crops, Normalisation, loader
from academy.land_cover.sampling import (
    BiasedCrops,
    ClassIndex,
    Crop,
    GridCrops,
    RandomCrops,
    class_shares,
)
from academy.land_cover.scene import Scene, SceneError, label_grid
from hypothesis import given, settings
from hypothesis import strategies as st


def made(height: int, width: int, seed: int, classes: int = 9, name: str = "made") -> Scene:
    rng = np.random.default_rng(seed)
    gamma0 = rng.gamma(4, 0.02, (2, height, width)).astype(np.float32)
    gamma0[:, rng.random((height, width)) < 0.05] = np.nan
    cells, shape = label_grid(height, width, 2.3, (0.4, 1.1))
    labels = rng.integers(0, classes, shape).astype(np.uint8)
    labels[rng.random(shape) < 0.1] = IGNORE
    return Scene(name, gamma0, cells, labels)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("scenes")
    written = [
        simulate(seed, "realistic", height=160, width=192).write(folder / str(seed))
        for seed in (1, 2, 3)
    ]
    return [Scene.read(path) for path in written]


# The index


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 9), st.integers(0, 10**6))
def test_the_index_knows_every_labelled_pixel_once(
    height: int, width: int, classes: int, seed: int
) -> None:
    scenes = [made(height, width, seed, classes), made(width, height, seed + 1, classes)]
    index = ClassIndex(scenes)
    for number in range(9):
        expected = {
            (at, row, column)
            for at, scene in enumerate(scenes)
            for row, column in np.argwhere(scene.pixel_labels() == number).tolist()
        }
        count = index.runs[number].pixels
        assert count == len(expected) == index.pixels[number]
        if count:
            places = index.place(index.runs[number].pixel(np.arange(count)))
            assert set(zip(*(each.tolist() for each in places), strict=True)) == expected


def test_the_index_takes_a_few_bytes_a_cell(scenes: list[Scene]) -> None:
    index = ClassIndex(scenes)
    size = sum(runs.start.nbytes + runs.end.nbytes for runs in index.runs)
    assert size < 3 * sum(scene.cells.size for scene in scenes)


# Shares


def test_shares_go_from_frequency_to_balance(scenes: list[Scene]) -> None:
    index = ClassIndex(scenes)
    pixels = index.pixels
    np.testing.assert_allclose(class_shares(index, 0.0), pixels / pixels.sum())
    present = pixels > 0
    np.testing.assert_allclose(class_shares(index, "balanced")[present], 1 / present.sum())
    half = class_shares(index, 0.5)
    assert half[pixels.argmax()] < class_shares(index, 0.0).max()
    asked = class_shares(index, {"water": 3, 4: 1})
    assert asked[7] == 0.75
    assert asked[4] == 0.25


@pytest.mark.parametrize(
    ("bias", "says"),
    [
        (1.5, "from 0 to 1"),
        ("even", "'balanced'"),
        ({"sea": 1}, "no class 'sea'"),
        ({9: 1}, "no class 9"),
        ({"water": -1}, "must not be negative"),
        ({"crops": 0}, "0 times"),
        ({"wetland": 1}, "no pixel of these scenes is wetland"),
    ],
)
def test_shares_that_cannot_be_are_refused(bias: object, says: str) -> None:
    index = ClassIndex([made(20, 20, 1, classes=8)])
    with pytest.raises(ValueError, match=says):
        class_shares(index, bias)  # type: ignore[arg-type]


# Biased crops


def test_a_biased_crop_has_its_class_in_it(scenes: list[Scene]) -> None:
    sampler = BiasedCrops(scenes, 16, seed=4)
    for number in range(2000):
        crop = sampler.crop(number)
        _, labels = scenes[crop.scene].window(crop.row, crop.column, 16, 16)
        assert labels.shape == (16, 16)
        assert (labels == crop.aimed).any()


def test_rare_classes_come_as_often_as_asked(scenes: list[Scene]) -> None:
    sampler = BiasedCrops(scenes, 24, seed=7, bias={"urban": 0.3, "closed forest": 0.7})
    count = 20_000
    urban = sum(sampler.crop(number).aimed == 5 for number in range(count))
    # Four standard errors of a binomial count.
    assert abs(urban - 0.3 * count) < 4 * (0.3 * 0.7 * count) ** 0.5


def places(scenes: list[Scene], size: int) -> list[Crop]:
    return [
        Crop(at, row, column)
        for at, scene in enumerate(scenes)
        for row in range(scene.shape[0] - size + 1)
        for column in range(scene.shape[1] - size + 1)
    ]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(4, 14),
    st.integers(4, 14),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 10**6),
)
def test_the_probabilities_of_all_places_sum_to_one(
    height: int, width: int, size: int, bias: float, seed: int
) -> None:
    scenes = [made(height, width, seed), made(width, height, seed + 1)]
    for sampler in (BiasedCrops(scenes, size, bias=bias), RandomCrops(scenes, size)):
        total = sum(
            sampler.probability(
                crop, scenes[crop.scene].window(crop.row, crop.column, size, size)[1]
            )
            for crop in places(scenes, size)
        )
        assert total == pytest.approx(1)


@pytest.mark.parametrize("kind", [BiasedCrops, RandomCrops])
def test_crops_fall_as_often_as_their_probability_says(
    kind: type[BiasedCrops] | type[RandomCrops],
) -> None:
    scenes = [made(9, 8, 11, name="a"), made(6, 7, 12, name="b")]
    sampler = kind(scenes, 4, seed=3)
    count = 60_000
    drawn = Counter(sampler.crop(number)[:3] for number in range(count))
    everywhere = places(scenes, 4)
    assert set(drawn) <= {crop[:3] for crop in everywhere}
    expected = np.array(
        [
            count
            * sampler.probability(crop, scenes[crop.scene].window(crop.row, crop.column, 4, 4)[1])
            for crop in everywhere
        ]
    )
    got = np.array([drawn[crop[:3]] for crop in everywhere])
    used = expected > 5
    chi2 = float(((got[used] - expected[used]) ** 2 / expected[used]).sum())
    # A chi-square of n degrees has mean n and variance 2n.
    degrees = int(used.sum()) - 1
    assert chi2 < degrees + 4 * (2 * degrees) ** 0.5


def test_weighting_back_gives_the_unbiased_mean() -> None:
    scenes = [made(30, 34, 2, classes=4)]
    sampler = BiasedCrops(scenes, 6, seed=1, bias={0: 0.7, 1: 0.1, 2: 0.1, 3: 0.1})
    values, weights = [], []
    for number in range(30_000):
        crop = sampler.crop(number)
        _, labels = scenes[0].window(crop.row, crop.column, 6, 6)
        values.append((labels == 0).mean())
        weights.append(1 / sampler.probability(crop, labels))
    truth = np.mean(
        [(scenes[0].window(c.row, c.column, 6, 6)[1] == 0).mean() for c in places(scenes, 6)]
    )
    assert abs(np.mean(values) - truth) > 0.02
    assert np.average(values, weights=weights) == pytest.approx(truth, abs=0.006)


# Random and grid crops


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(1, 25), st.data())
def test_the_grid_covers_every_pixel(
    height: int, width: int, size: int, data: st.DataObject
) -> None:
    scene = made(height, width, 0)
    if size > min(height, width):
        with pytest.raises(ValueError, match="do not fit"):
            GridCrops([scene], size)
        return
    step = data.draw(st.integers(1, size))
    grid = GridCrops([scene], size, step)
    seen = np.zeros((height, width), int)
    for number in range(len(grid)):
        crop = grid.crop(number)
        part = seen[crop.row : crop.row + size, crop.column : crop.column + size]
        assert part.shape == (size, size)
        part += 1
    assert (seen > 0).all()
    with pytest.raises(IndexError):
        grid.crop(len(grid))


def test_samplers_refuse_what_cannot_be(scenes: list[Scene]) -> None:
    with pytest.raises(ValueError, match="no scenes"):
        RandomCrops([], 8)
    with pytest.raises(ValueError, match="at least one pixel"):
        RandomCrops(scenes, 0)
    with pytest.raises(IndexError, match="from 0"):
        RandomCrops(scenes, 8).crop(-1)
    with pytest.raises(ValueError, match="step is 0"):
        GridCrops(scenes, 8, 0)
    with pytest.raises(ValueError, match="seed is -1"):
        RandomCrops(scenes, 8, seed=-1)
    empty = made(10, 10, 1)
    assert empty.labels is not None
    empty.labels[:] = IGNORE
    with pytest.raises(ValueError, match="nothing to aim at"):
        BiasedCrops([empty], 4)


def test_a_crop_hangs_on_its_number_alone(scenes: list[Scene]) -> None:
    forward = BiasedCrops(scenes, 32, seed=9)
    backward = pickle.loads(pickle.dumps(BiasedCrops(scenes, 32, seed=9)))  # noqa: S301
    numbers = [0, 4095, 4096, 50_000, 17]
    assert [forward.crop(n) for n in numbers] == [backward.crop(n) for n in numbers[::-1]][::-1]
    other = BiasedCrops(scenes, 32, seed=10)
    assert [forward.crop(n) for n in range(20)] != [other.crop(n) for n in range(20)]


# Normalisation


def test_normalised_training_pixels_have_mean_0_and_deviation_1(scenes: list[Scene]) -> None:
    normalise = Normalisation.fit(scenes)
    values = [normalise(scene.gamma0)[:, np.isfinite(scene.gamma0[0])] for scene in scenes]
    together = np.concatenate(values, axis=1)
    np.testing.assert_allclose(together.mean(axis=1), 0, atol=2e-3)
    np.testing.assert_allclose(together.std(axis=1), 1, atol=2e-3)


def test_normalisation_is_decibels_and_makes_nodata_the_mean() -> None:
    normalise = Normalisation((-10.0, -17.0), (2.0, 4.0))
    power = np.array([[[0.1, np.nan, 0.0]], [[0.01, np.nan, 1.0]]], np.float32)
    given_power = power.copy()
    image = normalise(power)
    np.testing.assert_array_equal(power, given_power)
    np.testing.assert_allclose(image[:, 0, 0], [0.0, -0.75], atol=1e-5)
    np.testing.assert_allclose(image[:, 0, 1], 0.0)
    np.testing.assert_allclose(image[0, 0, 2], (-50 + 10) / 2, atol=1e-4)
    assert Normalisation(**{k: tuple(v) for k, v in normalise.as_json().items()}) == normalise


def test_normalisation_refuses_held_out_scenes(scenes: list[Scene]) -> None:
    with pytest.raises(SceneError, match="training scenes only"):
        Normalisation.fit([*scenes, scenes[0].sealed("held-out-01")])
    with pytest.raises(SceneError, match="no training scene"):
        Normalisation.fit([])
    with pytest.raises(ValueError, match="cannot normalise"):
        Normalisation((0.0, 0.0), (1.0, 0.0))


# Augmentation


def test_pixels_and_labels_are_turned_together() -> None:
    labels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    image = np.stack([labels, labels]).astype(np.float32)
    seen = set()
    for seed in range(200):
        turned, with_it = Augmentation(speckle_looks=None)(
            image, labels, np.random.default_rng(seed)
        )
        np.testing.assert_array_equal(turned[0], with_it)
        np.testing.assert_array_equal(turned[1], with_it)
        assert sorted(with_it.ravel().tolist()) == list(range(64))
        seen.add(with_it.tobytes())
    # The square's eight symmetries, and no other.
    assert len(seen) == 8


def test_added_speckle_is_multiplicative_with_mean_one() -> None:
    augment = Augmentation(flips=False, turns=False, speckle_looks=16)
    image = np.full((2, 300, 300), 0.05, np.float32)
    image[1] = 0.002
    changed, _ = augment(image, np.zeros((300, 300), np.uint8), np.random.default_rng(0))
    ratio = changed / image
    assert ratio.mean() == pytest.approx(1, abs=0.003)
    assert 1 / ratio.var(axis=(1, 2)) == pytest.approx([16, 16], rel=0.03)
    assert (image[1] == np.float32(0.002)).all()
    with pytest.raises(ValueError, match=r"speckle_looks is 0\.2"):
        Augmentation(speckle_looks=0.2)


# Batches


def batches(scenes: list[Scene], workers: int, numbers: range = range(48)) -> list[dict]:
    index = ClassIndex(scenes)
    crops = Crops(
        scenes, BiasedCrops(index, 32, seed=3), Normalisation.fit(scenes), Augmentation(), seed=8
    )
    return list(loader(crops, numbers, batch_size=12, workers=workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_are_the_same_with_any_number_of_workers(scenes: list[Scene], workers: int) -> None:
    alone, helped = batches(scenes, 0), batches(scenes, workers)
    assert len(alone) == len(helped) == 4
    for one, other in zip(alone, helped, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert torch.equal(one[key], other[key]), key


def test_the_next_epoch_has_other_crops_and_a_resumed_one_the_same(scenes: list[Scene]) -> None:
    first, second = batches(scenes, 0), batches(scenes, 0, range(48, 96))
    assert not torch.equal(first[0]["image"], second[0]["image"])
    resumed = batches(scenes, 0, range(60, 96))
    assert torch.equal(resumed[0]["image"], second[1]["image"])


def test_a_batch_holds_what_it_says(scenes: list[Scene]) -> None:
    batch = batches(scenes, 0)[0]
    assert batch["image"].dtype == torch.float32
    assert batch["image"].shape == (12, 2, 32, 32)
    assert batch["label"].dtype == torch.int64
    assert set(batch["label"].unique().tolist()) <= {*range(9), IGNORE}
    assert torch.isfinite(batch["image"]).all()
    assert ((batch["probability"] > 0) & (batch["probability"] < 1)).all()
    for at in range(12):
        assert (batch["label"][at] == batch["aimed"][at]).any()


def test_without_augmentation_a_crop_is_its_window(scenes: list[Scene]) -> None:
    normalise = Normalisation.fit(scenes)
    crops = Crops(scenes, GridCrops(scenes, 64), normalise, NONE)
    item = crops[2]
    gamma0, labels = scenes[item["scene"]].window(item["row"], item["column"], 64, 64)
    np.testing.assert_array_equal(item["image"].numpy(), normalise(gamma0))
    np.testing.assert_array_equal(item["label"].numpy(), labels)
    assert item["probability"] == 1


def test_a_crop_at_the_border_with_nodata_is_finite(tmp_path: Path) -> None:
    scene = simulate(2, height=96, width=96, nodata=1.0)
    crops = Crops([scene], GridCrops([scene], 32), Normalisation.fit([scene]), Augmentation())
    items = [crops[number] for number in range(9)]
    assert all(torch.isfinite(item["image"]).all() for item in items)
    missing = torch.from_numpy(np.isnan(scene.gamma0[0]))
    ignored = sum(int((item["label"] == IGNORE).sum()) for item in items)
    assert ignored >= int(missing.sum())
