"""The speckle filters: against plain loops, theory, Orfeo ToolBox, and at borders and gaps."""

from __future__ import annotations

import doctest
import importlib
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from academy.land_cover.speckle import (
    estimate_looks,
    gamma_map,
    kuan,
    lee,
    refined_lee,
    temporal_mean,
    windows,
)

LOOKS = 4.4
FILTERS = [lee, kuan, gamma_map, refined_lee]


def speckle(seed: int, shape: tuple[int, ...], looks: float = LOOKS) -> np.ndarray:
    return np.random.default_rng(seed).gamma(looks, 1 / looks, shape)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Steps, a bright point, a dark lake, gaps inside and at a border; 0.01 to 300 in power."""
    ground = np.ones((41, 53))
    ground[:, 20:] = 6
    ground[25:, :] *= 0.1
    ground[np.add.outer(np.arange(41), np.arange(53)) > 70] *= 8
    image = ground * speckle(3, ground.shape)
    image[10, 30] = 300
    image[5:9, 5:9] = 0
    image[15:18, 14:22] = np.nan
    image[30, 40] = np.nan
    image[0:3, 45:] = np.inf
    image[33:, 0:2] = np.nan
    return image


# ---- the definitions, as plain loops ---------------------------------------------------------


def pixels_around(image, row, column, keep):
    """Finite pixels of the window of seven for which keep(rows down, columns right) holds."""
    values = []
    for down in range(-3, 4):
        for right in range(-3, 4):
            i, j = row + down, column + right
            if not (0 <= i < image.shape[0] and 0 <= j < image.shape[1] and keep(down, right)):
                continue
            if math.isfinite(image[i, j]):
                values.append(float(image[i, j]))
    return values


def moments(values):
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)


def everywhere(down, right):
    return True


def plain_lee(image, row, column):
    mean, variance = moments(pixels_around(image, row, column, everywhere))
    if variance == 0:
        return mean
    weight = max(0.0, 1 - (1 / LOOKS) / (variance / mean**2))
    return mean + weight * (image[row, column] - mean)


def plain_kuan(image, row, column, keep=everywhere):
    mean, variance = moments(pixels_around(image, row, column, keep))
    if variance == 0:
        return mean
    weight = max(0.0, (1 - (1 / LOOKS) / (variance / mean**2)) / (1 + 1 / LOOKS))
    return mean + weight * (image[row, column] - mean)


def plain_gamma_map(image, row, column):
    mean, variance = moments(pixels_around(image, row, column, everywhere))
    cu, ci = math.sqrt(1 / LOOKS), math.sqrt(variance) / mean if mean else 0
    if ci <= cu:
        return mean
    if ci >= math.sqrt(2) * cu:
        return image[row, column]
    alpha = (1 + cu**2) / (ci**2 - cu**2)
    b = alpha - LOOKS - 1
    root = math.sqrt(mean**2 * b**2 + 4 * alpha * LOOKS * mean * image[row, column])
    return (b * mean + root) / (2 * alpha)


def plain_refined_lee(image, row, column):
    def three(down, right):
        near = pixels_around(
            image, row, column, lambda i, j: abs(i - down) <= 1 and abs(j - right) <= 1
        )
        return moments(near)[0] if near else None

    middle = three(0, 0)
    m = {(i, j): three(2 * i, 2 * j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    m = {place: middle if mean is None else mean for place, mean in m.items()}
    sides = {  # direction: (places of one side, places of the other, the two outer means)
        "columns": ([(-1, -1), (0, -1), (1, -1)], [(-1, 1), (0, 1), (1, 1)], (0, -1), (0, 1)),
        "rows": ([(-1, -1), (-1, 0), (-1, 1)], [(1, -1), (1, 0), (1, 1)], (-1, 0), (1, 0)),
        "falling": ([(-1, -1), (-1, 0), (0, -1)], [(1, 1), (1, 0), (0, 1)], (-1, -1), (1, 1)),
        "rising": ([(-1, 1), (-1, 0), (0, 1)], [(1, -1), (1, 0), (0, -1)], (-1, 1), (1, -1)),
    }
    masks = {
        "columns": (lambda _, j: j <= 0, lambda _, j: j >= 0),
        "rows": (lambda i, _: i <= 0, lambda i, _: i >= 0),
        "falling": (lambda i, j: i + j <= 0, lambda i, j: i + j >= 0),
        "rising": (lambda i, j: j >= i, lambda i, j: j <= i),
    }
    steepest, best = -1.0, ""
    for name, (one, other, _, _) in sides.items():
        gradient = abs(sum(m[place] for place in one) - sum(m[place] for place in other))
        if gradient > steepest * (1 + 1e-12) + 1e-12:
            steepest, best = gradient, name
    first, second = (m[place] for place in sides[best][2:])
    side = abs(second - middle) < abs(first - middle) - 1e-12
    return plain_kuan(image, row, column, masks[best][side])


PLAIN = {
    lee: plain_lee,
    kuan: plain_kuan,
    gamma_map: plain_gamma_map,
    refined_lee: plain_refined_lee,
}


def by_loop(image, function):
    result = np.full(image.shape, np.nan)
    for row, column in np.argwhere(np.isfinite(image)):
        result[row, column] = function(image, row, column)
    return result


@pytest.fixture(scope="module")
def plain(scene):
    return {function: by_loop(scene, loop) for function, loop in PLAIN.items()}


def run_once(function, image):
    return function(image, LOOKS)


def assert_same(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("name", ["filters", "looks", "temporal"])
def test_the_examples_in_the_docstrings_of_speckle_run(name):
    result = doctest.testmod(importlib.import_module(f"academy.land_cover.speckle.{name}"))
    assert result.attempted >= 2
    assert result.failed == 0


@pytest.mark.parametrize("function", FILTERS)
def test_equals_a_plain_loop_at_borders_gaps_and_points(function, scene, plain):
    assert_same(run_once(function, scene), plain[function], rtol=1e-9)


@pytest.mark.parametrize("function", FILTERS)
def test_tiles_leave_no_seam(function, scene, plain, monkeypatch):
    monkeypatch.setattr(windows, "TILE", (5, 7))
    assert_same(run_once(function, scene), plain[function], rtol=1e-9)


@pytest.mark.parametrize("function", FILTERS)
def test_single_precision_is_enough_for_an_image(function, scene, plain):
    found = run_once(function, scene.astype(np.float32))
    assert found.dtype == np.float32
    assert_same(found, plain[function])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", FILTERS)
def test_torch_equals_the_plain_loop_in_a_batch(function, kind, scene, plain):
    turned = scene[::-1].copy()
    batch = torch.tensor(np.stack([[scene], [turned]]), dtype=kind)
    found = run_once(function, batch)
    assert found.dtype == kind
    assert found.shape == batch.shape
    assert_same(found[0, 0].numpy(), plain[function])
    assert_same(found[1, 0].numpy(), by_loop(turned, PLAIN[function]))


@pytest.mark.parametrize("function", FILTERS)
def test_numpy_takes_leading_axes(function, scene):
    stack = np.stack([[scene, scene * 2]])
    found = run_once(function, stack)
    assert_same(found[0, 0], run_once(function, scene), rtol=1e-12)
    assert_same(found[0, 1], 2 * run_once(function, scene), rtol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 3), (6, 40), (7, 7)])
@pytest.mark.parametrize("function", FILTERS)
def test_an_image_smaller_than_the_window_is_filtered_too(function, shape):
    image = speckle(1, shape)
    assert_same(run_once(function, image), by_loop(image, PLAIN[function]), rtol=1e-9)
    found = run_once(function, torch.tensor(image)).numpy()
    assert_same(found, by_loop(image, PLAIN[function]), rtol=1e-9)


def test_of_equal_gradients_the_first_counts():
    half = np.random.default_rng(5).integers(1, 9, (24, 24)).astype(float)
    image = half + half.T  # on the diagonal, rows and columns change alike
    inside = (slice(3, -3), slice(3, -3))  # where sums are of whole numbers: equal is equal
    expected = by_loop(image, plain_refined_lee)[inside]
    assert_same(refined_lee(image, LOOKS)[inside], expected, rtol=1e-9)
    assert_same(refined_lee(torch.tensor(image), LOOKS).numpy()[inside], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("function", FILTERS)
def test_half_precision_is_computed_in_single(function, kind):
    image = torch.tensor(speckle(4, (30, 30))).to(kind)
    found = run_once(function, image)
    assert found.dtype == kind
    torch.testing.assert_close(found, run_once(function, image.float()).to(kind))


@pytest.mark.parametrize("function", FILTERS)
def test_what_is_even_stays_as_it_is(function):
    image = np.full((30, 30), 0.037, np.float32)
    assert_same(run_once(function, image), image, rtol=1e-6)
    assert_same(run_once(function, np.zeros((30, 30))), np.zeros((30, 30)))


@pytest.mark.parametrize("function", FILTERS)
def test_a_bright_target_does_not_reach_past_its_windows(function):
    image = speckle(7, (60, 300))
    lit = image.copy()
    lit[30, 20] = 1e12
    apart = np.ones_like(image, bool)
    apart[25:36, 13:28] = False
    assert_same(run_once(function, lit)[apart], run_once(function, image)[apart], rtol=1e-12)


@pytest.mark.parametrize("function", FILTERS)
def test_nodata_stays_nodata_and_spreads_nowhere(function, scene):
    found = run_once(function, scene)
    assert (np.isfinite(found) == np.isfinite(scene)).all()


# ---- theory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [lee, kuan, gamma_map])
def test_bias_and_looks_on_even_ground_are_those_of_the_definition(function):
    """The definition, on 60 000 separate windows of independent pixels, is the theory."""
    separate = speckle(11, (60_000, 49))
    middle, mean = separate[:, 24], separate.mean(axis=1)
    ci2, cu2 = separate.var(axis=1) / mean**2, 1 / LOOKS
    share = np.maximum(0, 1 - cu2 / ci2)
    if function is lee:
        expected = mean + share * (middle - mean)
    elif function is kuan:
        expected = mean + share / (1 + cu2) * (middle - mean)
    else:
        alpha = (1 + cu2) / np.maximum(ci2 - cu2, 1e-12)
        b = alpha - LOOKS - 1
        root = np.sqrt(mean**2 * b**2 + 4 * alpha * LOOKS * mean * middle)
        expected = np.where(ci2 <= cu2, mean, (b * mean + root) / (2 * alpha))
        expected = np.where(ci2 >= 2 * cu2, middle, expected)
    found = run_once(function, speckle(12, (500, 500)))[3:-3, 3:-3]
    assert found.mean() == pytest.approx(expected.mean(), abs=0.003)
    assert 1 / found.var() == pytest.approx(
        expected.mean() ** 2 / expected.var() / found.mean() ** 2, rel=0.05
    )


@pytest.mark.parametrize(
    ("function", "bias", "looks"),
    [(lee, 0.005, (110, 126)), (kuan, 0.005, (130, 148)), (refined_lee, 0.01, (60, 80))],
)
def test_even_ground_keeps_its_mean_and_gains_looks(function, bias, looks):
    found = run_once(function, speckle(13, (600, 600)))
    assert found.mean() == pytest.approx(1, abs=bias)
    low, high = looks
    assert low < 1 / found.var() < high


def test_gamma_map_is_biased_low_by_nature():
    assert 0.97 < gamma_map(speckle(14, (600, 600)), LOOKS).mean() < 0.995


def test_with_a_low_looks_number_a_filter_is_the_mean_of_its_window():
    """Cu² above every Ci²: n times the looks, n = 49, is all that a window can give."""
    image = speckle(15, (600, 600))
    found = lee(image, looks=0.5)
    assert 1 / found[3:-3, 3:-3].var() == pytest.approx(49 * LOOKS, rel=0.08)


def test_kuan_is_the_best_linear_estimate_of_a_textured_ground():
    rng = np.random.default_rng(16)
    ground = rng.gamma(2, 1 / 2, (100, 100)).repeat(3, 0).repeat(3, 1)
    observed = ground * speckle(17, ground.shape)
    errors = {
        "raw": ((observed - ground) ** 2).mean(),
        "mean": ((lee(observed, 1e-6) - ground) ** 2).mean(),
        "kuan": ((kuan(observed, LOOKS) - ground) ** 2).mean(),
        "lee": ((lee(observed, LOOKS) - ground) ** 2).mean(),
    }
    assert min(errors, key=lambda name: errors[name]) == "kuan"


def test_refined_lee_keeps_an_edge_that_lee_blurs():
    ground = np.ones((200, 200))
    ground[:, 100:] = 10
    image = ground * speckle(18, ground.shape)
    beside = (slice(None), slice(101, 103))

    def error(found):
        return np.abs(10 * np.log10(found[beside] / 10)).mean()

    assert error(refined_lee(image, LOOKS)) < 0.7 * error(lee(image, LOOKS))


def test_dates_add_their_looks_and_leave_the_mean():
    mean = temporal_mean(speckle(19, (9, 300, 300)))
    assert mean.power.mean() == pytest.approx(1, abs=0.003)
    assert 1 / mean.power.var() == pytest.approx(9 * LOOKS, rel=0.02)
    assert (mean.dates == 9).all()


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
def test_the_mean_of_dates_passes_over_gaps(convert):
    stack = np.array([[[1, 2, np.nan]], [[3, np.inf, np.nan]], [[5, np.nan, 7]]], np.float32)
    mean = temporal_mean(convert(stack))
    np.testing.assert_array_equal(mean.power, [[3, 2, 7]])
    np.testing.assert_array_equal(mean.dates, [[3, 1, 1]])
    assert np.asarray(mean.power).dtype == np.float32
    picky = temporal_mean(convert(stack), at_least=2)
    np.testing.assert_array_equal(picky.power, [[3, np.nan, np.nan]])


# ---- looks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [1, 4.4, 20, 150])
def test_looks_are_found_on_even_ground(looks):
    assert estimate_looks(speckle(20, (500, 500), looks)).looks == pytest.approx(looks, rel=0.05)


def correlated(seed: int, looks: int) -> np.ndarray:
    """Intensity of smoothed complex fields: its looks are exact, its neighbours alike."""
    rng = np.random.default_rng(seed)
    kernel = np.array([0.25, 0.5, 0.25])
    total = np.zeros((600, 600))
    for _ in range(2 * looks):
        field = rng.normal(size=(602, 602))
        field = sum(k * field[i : i + 600] for i, k in enumerate(kernel))
        field = sum(k * field[:, i : i + 600] for i, k in enumerate(kernel))
        total += field**2
    return total / total.mean()


@pytest.mark.parametrize("looks", [1, 4])
def test_looks_of_correlated_speckle_are_those_of_one_pixel(looks):
    found = estimate_looks(correlated(21, looks))
    assert found.looks == pytest.approx(looks, rel=0.1)
    # The fields' own correlation is 2/3 and 1/6; that of intensity its square.
    np.testing.assert_allclose(found.correlation_rows[:2], [4 / 9, 1 / 36], atol=0.06)
    np.testing.assert_allclose(found.correlation_columns[:2], [4 / 9, 1 / 36], atol=0.06)
    mean = lee(correlated(22, looks), 1e-6)[3:-3, 3:-3]
    assert found.independent(7, 7) * looks == pytest.approx(1 / mean.var(), rel=0.15)


def test_small_windows_of_correlated_speckle_are_corrected():
    """A window of seven hides a seventh of the variance here: uncorrected it says 4.9 looks."""
    found = [estimate_looks(correlated(seed, 4), window=7) for seed in range(40, 44)]
    assert np.mean([scene.looks for scene in found]) == pytest.approx(4, rel=0.08)


def test_edges_gaps_and_textured_ground_do_not_lower_the_looks():
    rng = np.random.default_rng(23)
    fields = np.kron(rng.gamma(3, 1, (12, 12)), np.ones((50, 50)))
    textured = np.kron(rng.random((12, 12)) < 0.3, np.ones((50, 50)))
    image = fields * speckle(24, fields.shape)
    image *= np.where(textured, rng.gamma(5, 1 / 5, image.shape), 1)
    image[100:120, 200:400] = np.nan
    found = estimate_looks(torch.tensor(image))
    assert found.looks == pytest.approx(LOOKS, rel=0.05)
    assert found.windows > 200


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
@pytest.mark.parametrize("function", FILTERS)
def test_decibels_and_integers_are_refused(function, convert):
    with pytest.raises(ValueError, match="decibels"):
        function(convert(10 * np.log10(speckle(1, (20, 20)) * 0.1)), LOOKS)
    with pytest.raises(TypeError, match="floating"):
        function(convert(np.ones((20, 20), np.int32)), LOOKS)
    with pytest.raises(ValueError, match="looks is 0"):
        function(convert(np.ones((20, 20))), 0)


def test_wrong_windows_and_shapes_are_refused():
    image = np.ones((20, 20))
    with pytest.raises(ValueError, match="window is 4"):
        lee(image, LOOKS, window=4)
    with pytest.raises(ValueError, match="rows, columns"):
        kuan(np.ones(5), LOOKS)
    with pytest.raises(ValueError, match="not \\(dates"):
        temporal_mean(image)
    with pytest.raises(ValueError, match="at_least is 0"):
        temporal_mean(image[None], at_least=0)
    with pytest.raises(ValueError, match="1 windows"):
        estimate_looks(image)
    with pytest.raises(ValueError, match="does not vary"):
        estimate_looks(np.ones((200, 200)))
    with pytest.raises(ValueError, match="window is 3"):
        estimate_looks(image, window=3)


# ---- Orfeo ToolBox ---------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("otbcli_Despeckle"), reason="needs Orfeo ToolBox (otb-bin)")
@pytest.mark.parametrize("function", [lee, kuan])
def test_equals_orfeo_toolbox_inside_the_image(function, tmp_path: Path):
    images = pytest.importorskip("PIL.Image")
    image = speckle(30, (60, 80)).astype(np.float32)
    image[:, 40:] *= 5
    images.fromarray(image).save(tmp_path / "in.tif")
    name = function.__name__
    command = ["otbcli_Despeckle", "-in", "in.tif", "-out", "out.tif", "float", "-filter", name]
    command += [f"-filter.{name}.rad", "3", f"-filter.{name}.nblooks", str(LOOKS)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    expected = np.asarray(images.open(tmp_path / "out.tif"))
    # OTB divides a variance by n - 1: as if there were n / (n - 1) times the looks in Ci² >= Cu².
    looks = LOOKS * 49 / 48
    found = function(image, looks)
    if function is kuan:  # whose other factor, 1 / (1 + Cu²), has the looks as they are
        mean = lee(image, 1e-9)
        found = mean + (found - mean) * (1 + 1 / looks) / (1 + 1 / LOOKS)
    inside = (slice(3, -3), slice(3, -3))  # beyond its border OTB repeats the last pixel
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-4)
