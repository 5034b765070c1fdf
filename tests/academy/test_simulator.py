"""The simulator's statistics: speckle, texture, land, labels; each against what theory says."""

from __future__ import annotations

import numpy as np
import pytest
from academy.data.simulator import PRESETS, backscatter, simulate
from academy.data.simulator.fields import blur, fractal, stream
from academy.data.simulator.label_noise import cell_majority, draw_labels
from academy.data.simulator.mosaic import Mosaic, draw_mosaic, draw_shares
from academy.land_cover import classes
from academy.land_cover.gamma_law import gamma_from_normal
from academy.land_cover.scene import label_grid
from hypothesis import given, settings
from hypothesis import strategies as st


def correlation(values: np.ndarray, axis: int) -> float:
    one = np.take(values, range(values.shape[axis] - 1), axis).ravel()
    next_ = np.take(values, range(1, values.shape[axis]), axis).ravel()
    return float(np.corrcoef(one, next_)[0, 1])


def plain_land(number: int, shape: tuple[int, int]) -> Mosaic:
    return Mosaic(
        np.full(shape, number, np.uint8), np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    )


# Random streams


def test_streams_differ_by_seed_and_by_name() -> None:
    first = {
        stream(seed, *path).random()
        for seed in (0, 1, 2**128 - 1)
        for path in (("land",), ("speckle",), ("speckle", 1), ("speckle", "1"))
    }
    assert len(first) == 12
    with pytest.raises(ValueError, match="128"):
        stream(2**128, "land")
    with pytest.raises(ValueError, match="128"):
        stream(-1, "land")


# Surfaces


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_a_fractal_has_the_spectrum_that_was_asked_for(exponent: float) -> None:
    power = np.zeros((128, 65))
    window = np.hanning(128)[:, None] * np.hanning(128)[None, :]
    for seed in range(12):
        surface = fractal(np.random.default_rng(seed), (128, 128), exponent)
        power += np.abs(np.fft.rfft2((surface - surface.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(128)[:, None] * 128, np.arange(65)[None, :])
    used = (frequency > 6) & (frequency < 40)
    slope = np.polyfit(np.log(frequency[used]), np.log(power[used]), 1)[0]
    assert -slope == pytest.approx(exponent, abs=0.25)


def test_gamma_by_copula_has_the_moments_and_keeps_the_order() -> None:
    normal = np.random.default_rng(1).standard_normal(400_000).astype(np.float32)
    for shape in (1.5, 5.0, 25.0):
        values = gamma_from_normal(normal, shape)
        assert values.mean() == pytest.approx(1, abs=0.01)
        assert values.var() == pytest.approx(1 / shape, rel=0.03)
        # Third moment of a gamma law: skewness 2 / sqrt(shape).
        skew = float((((values - 1) / values.std()) ** 3).mean())
        assert skew == pytest.approx(2 / shape**0.5, rel=0.08)
        assert (np.diff(values[np.argsort(normal)]) >= 0).all()


def test_blur_keeps_the_mean_of_an_even_surface() -> None:
    np.testing.assert_allclose(blur(np.full((20, 30), 3.0), 2.5), 3.0, rtol=1e-5)


# Speckle and texture


@pytest.mark.parametrize("looks", [1.0, 4.4, 9.5])
def test_speckle_has_mean_one_and_the_looks_that_were_asked_for(looks: float) -> None:
    speckle = backscatter.draw_speckle(np.random.default_rng(2), (500, 500), looks)
    assert speckle.min() >= 0
    # Neighbours are correlated, so 250,000 pixels count as about 80,000.
    assert speckle.mean() == pytest.approx(1, abs=4 / (80_000 * looks) ** 0.5)
    assert 1 / speckle.var() == pytest.approx(looks, rel=0.03)


@pytest.mark.parametrize("asked", [0.0, 0.25, 0.45])
def test_speckle_is_correlated_as_asked(asked: float) -> None:
    speckle = backscatter.draw_speckle(np.random.default_rng(3), (500, 500), 4.4, asked)
    for axis in (0, 1):
        assert correlation(speckle, axis) == pytest.approx(asked, abs=0.015)


def test_single_look_speckle_is_exponential() -> None:
    speckle = backscatter.draw_speckle(np.random.default_rng(4), (600, 600), 1.0, 0.0)
    for level in (0.1, 0.5, 1.0, 3.0):
        assert (speckle > level).mean() == pytest.approx(np.exp(-level), abs=0.004)


def test_impossible_speckle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"looks is 0\.5"):
        backscatter.draw_speckle(np.random.default_rng(0), (8, 8), 0.5)
    with pytest.raises(ValueError, match=r"correlation is 0\.9"):
        backscatter.draw_speckle(np.random.default_rng(0), (8, 8), 4, 0.9)


@pytest.mark.parametrize("number", [classes.URBAN, classes.SHRUB, classes.WATER])
def test_texture_times_speckle_is_k_distributed(number: int) -> None:
    land = plain_land(number, (600, 600))
    shape = backscatter.SIGNATURES[number].shape
    rng = np.random.default_rng(5)
    texture = backscatter.draw_texture(rng, land, 1.0)
    assert texture.mean() == pytest.approx(1, abs=0.02)
    assert correlation(texture[0], 0) > 0.3
    bands = np.corrcoef(texture[0].ravel(), texture[1].ravel())[0, 1]
    assert bands == pytest.approx(backscatter.TEXTURE_CORRELATION, abs=0.06)
    intensity = texture[0] * backscatter.draw_speckle(rng, (600, 600), 4.4)
    # Normalised second and third moments of a K law: (1 + 1/L)(1 + 1/v) and so on.
    looks = 4.4
    second = (1 + 1 / looks) * (1 + 1 / shape)
    third = second * (1 + 2 / looks) * (1 + 2 / shape)
    assert (intensity**2).mean() / intensity.mean() ** 2 == pytest.approx(second, rel=0.03)
    assert (intensity**3).mean() / intensity.mean() ** 3 == pytest.approx(third, rel=0.12)


def test_the_texture_dial_scales_the_variance() -> None:
    land = plain_land(classes.SHRUB, (500, 500))
    variance = [
        backscatter.draw_texture(np.random.default_rng(6), land, dial)[0].var()
        for dial in (0.0, 1.0, 1.5)
    ]
    assert variance[0] == 0
    assert variance[2] / variance[1] == pytest.approx(1.5, rel=0.06)


def test_resampling_correlates_speckle_as_in_processed_scenes() -> None:
    scene = simulate(11, "clean", height=300, width=300, nodata=0)
    geometry = backscatter.draw_geometry(np.random.default_rng(1), (400, 400), 20.0)
    native = backscatter.draw_speckle(np.random.default_rng(2), geometry.native, 4.4)
    resampled = backscatter.to_map(native[None], geometry)[0]
    assert correlation(resampled, 0) == pytest.approx(0.5, abs=0.1)
    # The local number of looks changes with where a pixel falls between native ones.
    local = blur(resampled**2, 8) - blur(resampled, 8) ** 2
    looks = 1 / local[20:-20, 20:-20]
    spread = np.quantile(looks, 0.95) / np.quantile(looks, 0.05)
    # A window of this size alone spreads its estimate by about 1.15; the lattice does the rest.
    assert spread > 1.3
    assert looks.min() > 4
    assert scene.metadata["looks"] == pytest.approx(1 / resampled.var(), rel=0.05)


def test_native_and_map_grids_lie_on_each_other() -> None:
    row, column = np.mgrid[:200, :260].astype(np.float32)
    ramp = np.stack([row, column])
    for seed in range(4):
        geometry = backscatter.draw_geometry(np.random.default_rng(seed), (200, 260), 20.0)
        back = backscatter.to_map(backscatter.to_native(ramp, geometry), geometry)
        inside = np.s_[:, 5:-5, 5:-5]
        error = np.abs(back - ramp)[inside]
        assert error.max() < 1.0
        assert np.abs((back - ramp)[inside].mean()) < 0.05


# What a class looks like


def test_without_texture_each_class_has_its_gamma0_plus_noise() -> None:
    incidence = np.full((64, 64), backscatter.REFERENCE_INCIDENCE, np.float32)
    for number, signature in enumerate(backscatter.SIGNATURES):
        land = plain_land(number, (64, 64))
        power = backscatter.mean_gamma0(np.random.default_rng(0), land, incidence, 0.0)
        np.testing.assert_allclose(backscatter.to_db(power[0]), signature.vv_db, atol=1e-3)
        np.testing.assert_allclose(backscatter.to_db(power[1]), signature.vh_db, atol=1e-3)


def test_gamma0_falls_with_incidence_over_water_and_hardly_over_forest() -> None:
    def change(number: int) -> float:
        land = plain_land(number, (32, 32))
        near, far = (
            backscatter.mean_gamma0(
                np.random.default_rng(0), land, np.full((32, 32), angle, np.float32), 0.0
            )
            for angle in (32.0, 44.0)
        )
        return float((backscatter.to_db(far[0]) - backscatter.to_db(near[0])).mean())

    assert change(classes.WATER) == pytest.approx(-4.2, abs=0.01)
    assert change(classes.CLOSED_FOREST) == pytest.approx(-0.36, abs=0.01)


def test_no_scene_is_darker_than_the_noise_floor() -> None:
    scene = simulate(3, "clean", height=200, width=200, looks=200, nodata=0)
    darkest = float(backscatter.to_db(np.quantile(scene.gamma0[1], 0.001)))
    assert darkest > backscatter.NOISE_FLOOR_DB - 0.6
    assert darkest < backscatter.NOISE_FLOOR_DB + 3


def test_scenes_shift_as_a_whole_with_bands_together() -> None:
    incidence = np.full((48, 48), 38.0, np.float32)
    land = plain_land(classes.CLOSED_FOREST, (48, 48))
    levels = np.array(
        [
            backscatter.to_db(
                backscatter.mean_gamma0(np.random.default_rng(seed), land, incidence, 1.0)
            ).mean(axis=(1, 2))
            for seed in range(300)
        ]
    )
    expected = np.hypot(backscatter.SCENE_SHIFT_DB, 0.5)
    assert levels.std(axis=0) == pytest.approx(expected, rel=0.2)
    assert np.corrcoef(levels.T)[0, 1] > 0.8


def test_fields_differ_and_are_even_inside() -> None:
    rng = np.random.default_rng(9)
    shares = np.zeros(9)
    shares[classes.CROPS], shares[classes.SHRUB] = 0.9, 0.1
    land = draw_mosaic(rng, (200, 200), shares)
    incidence = np.full((200, 200), 38.0, np.float32)
    level = backscatter.to_db(backscatter.mean_gamma0(rng, land, incidence, 1.0)[0])
    crops = (land.truth == classes.CROPS) & (land.road == 0)
    _, at = np.unique(land.parcel[crops], return_inverse=True)
    counts = np.bincount(at)
    means = np.bincount(at, level[crops]) / counts
    within = np.bincount(at, (level[crops] - means[at]) ** 2) / counts
    large = counts > 30
    assert large.sum() > 20
    assert means[large].std() > 1.2
    assert np.sqrt(within[large].mean()) < 0.5


# Land


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_land_has_the_shares_that_were_drawn(seed: int, imbalance: float) -> None:
    rng = np.random.default_rng(seed)
    shares = draw_shares(rng, imbalance, required=[classes.URBAN])
    assert shares.sum() == pytest.approx(1)
    assert shares[classes.URBAN] >= 0.0035
    land = draw_mosaic(rng, (192, 192), shares)
    got = np.bincount(land.truth.ravel(), minlength=9) / land.truth.size
    # Fields are sown whole and rivers cross what they cross: not exact.
    # Of 180 lands the median difference is .026 and the largest .1.
    assert np.abs(got - shares).max() < 0.12
    assert got[classes.URBAN] > 0
    assert (got[shares == 0] == 0).all()


def test_the_imbalance_dial() -> None:
    largest = {
        dial: np.mean([draw_shares(np.random.default_rng(seed), dial).max() for seed in range(200)])
        for dial in (0.0, 0.5, 1.0)
    }
    assert largest[0.0] < 0.25 < largest[0.5] < 0.6 < largest[1.0] < 0.95
    most = max(draw_shares(np.random.default_rng(seed), 1.0).max() for seed in range(200))
    assert most > 0.93


def test_rivers_are_water_and_go_through() -> None:
    shares = np.full(9, 1 / 9)
    land = draw_mosaic(np.random.default_rng(12), (256, 256), shares)
    water = land.truth == classes.WATER
    assert water.mean() == pytest.approx(1 / 9, abs=0.03)
    # A river reaches the border at one end at least.
    border = np.concatenate([water[0], water[-1], water[:, 0], water[:, -1]])
    assert border.any()
    assert 0 < land.road.mean() < 0.05
    assert 0.4 <= land.road.max() <= 0.9


# Labels


def noisy(noise: float, size: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    land = draw_mosaic(np.random.default_rng(4), (size, size), np.full(9, 1 / 9))
    cells, shape = label_grid(size, size, 4.96, (2.0, 0.7))
    valid = np.ones((size, size), bool)
    made = draw_labels(np.random.default_rng(5), land.truth, cells, shape, valid, noise)
    _, purity = cell_majority(land.truth, cells, shape, valid)
    return made.labels, made.majority, purity


def test_labels_without_noise_are_the_commonest_class_of_each_cell() -> None:
    truth = np.random.default_rng(1).integers(0, 9, (60, 73)).astype(np.uint8)
    cells, shape = label_grid(60, 73, 4.96, (0.3, 4.1))
    valid = np.ones(truth.shape, bool)
    valid[:11] = False
    made = draw_labels(np.random.default_rng(2), truth, cells, shape, valid, 0.0)
    for number in range(shape[0] * shape[1]):
        inside = (cells == number) & valid
        label = made.labels.ravel()[number]
        if inside.sum() < 12.5:
            assert label == classes.IGNORE
        else:
            counts = np.bincount(truth[inside], minlength=9)
            assert counts[label] == counts.max()


def test_noise_has_the_rate_and_is_at_edges() -> None:
    labels, majority, purity = noisy(0.17)
    scored = majority != classes.IGNORE
    wrong = labels != majority
    assert not wrong[~scored].any()
    assert wrong[scored].mean() == pytest.approx(0.17, abs=0.02)
    inside, mixed = scored & (purity == 1), scored & (purity < 0.8)
    assert wrong[mixed].mean() > 2.5 * wrong[inside].mean()
    assert wrong[inside].mean() > 0.03


def test_noise_comes_in_groups() -> None:
    labels, majority, _ = noisy(0.17)
    wrong = labels != majority
    beside = wrong[:, 1:] & wrong[:, :-1]
    assert beside.mean() > 1.8 * wrong.mean() ** 2


@pytest.mark.parametrize("noise", [-0.1, 0.6])
def test_impossible_noise_is_refused(noise: float) -> None:
    with pytest.raises(ValueError, match="noise is"):
        noisy(noise, 64)


def test_the_stated_probability_tells_something_of_the_noise() -> None:
    scene = simulate(21, height=400, width=400)
    assert scene.labels is not None
    assert scene.truth is not None
    assert scene.probability is not None
    majority, _ = cell_majority(
        scene.truth, scene.cells, scene.label_shape, np.isfinite(scene.gamma0[0])
    )
    scored = majority != classes.IGNORE
    wrong = scene.labels != majority
    assert scene.probability[wrong & scored].mean() < scene.probability[~wrong & scored].mean() - 5
    assert (scene.probability[~scored] == 255).all()


# Whole scenes


def test_the_same_seed_makes_the_same_scene_and_another_another() -> None:
    one, same, other = (simulate(seed, height=96, width=80) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.gamma0, same.gamma0)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert not np.array_equal(one.truth, other.truth)


def test_the_same_land_is_seen_at_any_number_of_looks() -> None:
    few, many = (simulate(8, "clean", height=128, width=128, looks=n, nodata=0) for n in (1, 60))
    np.testing.assert_array_equal(few.truth, many.truth)
    ratio = many.metadata["looks"] / few.metadata["looks"]
    assert ratio == pytest.approx(60, rel=0.15)
    averaged = simulate(8, "clean", height=128, width=128, dates=8, nodata=0)
    assert averaged.metadata["looks"] > 7 * 4.4


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_make_valid_scenes(preset: str) -> None:
    for seed in (31, 32, 33):
        scene = simulate(seed, preset, height=160, width=192)
        scene.check()
        assert scene.metadata["label_shape"] == list(scene.label_shape)
        assert 30 < scene.metadata["incidence_deg"][0] < 46


def test_presets_turn_the_three_dials_and_nothing_else() -> None:
    dials = {"texture", "label_noise", "imbalance"}
    for name, preset in PRESETS.items():
        changed = {
            key for key, value in vars(preset).items() if value != vars(PRESETS["realistic"])[key]
        }
        assert changed == (set() if name == "realistic" else dials)
    clean, realistic, hard = (PRESETS[name] for name in ("clean", "realistic", "hard"))
    for dial in dials:
        assert getattr(clean, dial) < getattr(realistic, dial) < getattr(hard, dial)


def test_noise_rates_of_realistic_scenes_lie_between_15_and_20_percent() -> None:
    wrong = total = 0
    for seed in range(6):
        scene = simulate(seed + 50, "realistic", height=300, width=300)
        assert scene.labels is not None
        assert scene.truth is not None
        majority, _ = cell_majority(
            scene.truth, scene.cells, scene.label_shape, np.isfinite(scene.gamma0[0])
        )
        scored = majority != classes.IGNORE
        wrong += int((scene.labels != majority)[scored].sum())
        total += int(scored.sum())
    assert 0.15 < wrong / total < 0.20


def test_nodata_is_a_border_in_both_bands_without_labels() -> None:
    for seed in range(3):
        scene = simulate(seed, height=128, width=128, nodata=1.0)
        missing = np.isnan(scene.gamma0)
        np.testing.assert_array_equal(missing[0], missing[1])
        assert 0.01 < missing[0].mean() < 0.2
        # One slanted border: what is missing touches the scene's edge.
        edge = np.concatenate([missing[0][0], missing[0][-1], missing[0][:, 0], missing[0][:, -1]])
        assert edge.any()
        assert scene.labels is not None
        empty = np.setdiff1d(scene.cells[missing[0]], scene.cells[~missing[0]])
        assert (scene.labels.ravel()[empty] == classes.IGNORE).all()


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="there are clean, realistic, hard"):
        simulate(1, "easy")
    with pytest.raises(ValueError, match="imbalance is 2"):
        simulate(1, imbalance=2)
    with pytest.raises(ValueError, match="classes go from 0"):
        simulate(1, required=[9])
