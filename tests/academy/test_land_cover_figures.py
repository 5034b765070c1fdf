"""Figures say what they should: colours, places, lengths, numbers; not how they look."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from academy.data.simulator import simulate
from academy.land_cover import figures
from academy.land_cover.classes import CLASSES, COUNT, IGNORE, NAMES, WATER
from academy.land_cover.metrics import confusion, scores
from academy.land_cover.scene import Scene
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A scene with a nodata border."""
    return simulate(106, height=120, width=100)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def some_scores(right: float = 0.6):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, COUNT - 1, 4000)
    guess = np.where(rng.random(4000) < right, truth, rng.integers(0, COUNT - 1, 4000))
    counts = confusion(truth, guess, COUNT)
    return scores(counts, NAMES), counts


def picture_of(axis) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


# --- pixels ---------------------------------------------------------------------------------------
def test_decibels_are_ten_log_ten_and_back() -> None:
    power = np.array([1.0, 0.1, 0.01, np.nan])
    np.testing.assert_allclose(figures.decibels(power), [0, -10, -20, np.nan], atol=1e-5)
    np.testing.assert_allclose(figures.from_decibels([0, -10]), [1, 0.1], rtol=1e-6)


def test_zero_power_is_dark_not_an_error() -> None:
    picture = figures.composite(np.zeros((2, 3, 3), np.float32))
    assert (picture[..., :2] == 0).all()
    assert (picture[..., 3] == 255).all()


def test_a_composite_has_vv_in_red_vh_in_green_and_their_ratio_in_blue() -> None:
    middle = [sum(ends) / 2 for ends in figures.STRETCH_DB]
    gamma0 = figures.from_decibels(
        np.array([[[middle[0], 20.0]], [[middle[1], -60.0]]], np.float32)
    )
    first, brightest = figures.composite(gamma0)[0]
    assert abs(int(first[0]) - 127.5) <= 1
    assert abs(int(first[1]) - 127.5) <= 1
    assert brightest.tolist() == [255, 0, 255, 255]


def test_nodata_is_transparent(scene: Scene) -> None:
    picture = figures.composite(scene.gamma0)
    missing = np.isnan(scene.gamma0[0])
    assert missing.any()
    np.testing.assert_array_equal(picture[..., 3] == 0, missing)


def test_a_composite_needs_two_bands() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 4\).*\(2, H, W\)"):
        figures.composite(np.ones((1, 4, 4), np.float32))


def test_labels_lie_over_the_pixels_of_their_cells(scene: Scene) -> None:
    placed = figures.on_pixels(scene, scene.labels)
    valid = np.isfinite(scene.gamma0[0])
    np.testing.assert_array_equal(placed[valid], scene.pixel_labels()[valid])


def test_pixels_outside_the_label_grid_are_not_scored(scene: Scene) -> None:
    cells = np.array(scene.cells)
    cells[:, :10] = -1
    cut = Scene("cut", scene.gamma0, cells, scene.labels, metadata=dict(scene.metadata))
    assert (figures.on_pixels(cut, scene.labels)[:, :10] == IGNORE).all()
    floats = figures.on_pixels(cut, np.ones(scene.label_shape, np.float32))
    assert np.isnan(floats[:, :10]).all()


def test_values_of_another_grid_are_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="label grid"):
        figures.on_pixels(scene, np.zeros((3, 3), np.uint8))


# --- maps -----------------------------------------------------------------------------------------
def test_all_panels_have_one_extent_in_kilometres(scene: Scene) -> None:
    figure = figures.maps(
        scene, {"radar": scene.gamma0, "labels": scene.labels, "truth": scene.truth}
    )
    axes = figure.axes
    assert [axis.get_title(loc="left") for axis in axes] == ["radar", "labels", "truth"]
    height, width = (length * scene.metadata["pixel_m"] / 1000 for length in scene.shape)
    for axis in axes:
        assert list(axis.images[0].get_extent()) == [0, width, height, 0]
        assert axis.get_xlim() == (0, width)
        assert axis.get_ylim() == (height, 0)


def test_a_map_shows_each_class_in_its_colour(scene: Scene) -> None:
    figure = figures.maps(scene, {"truth": scene.truth})
    picture = picture_of(figure.axes[0])
    for number in np.unique(scene.truth):
        shown = picture[scene.truth == number][0, :3]
        assert to_hex(shown / 255) == CLASSES[number].colour


def test_the_legend_names_the_classes_that_occur_in_their_order(scene: Scene) -> None:
    figure = figures.maps(scene, {"radar": scene.gamma0, "labels": scene.labels})
    legend = figure.legends[0]
    occur = sorted(set(np.unique(scene.labels)) - {IGNORE})
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [NAMES[number] for number in occur] + ["no data, not scored"]
    for number, patch in zip(occur, legend.get_patches(), strict=False):
        assert to_rgb(patch.get_facecolor()) == to_rgb(CLASSES[number].colour)


def test_a_radar_image_alone_needs_no_legend(scene: Scene) -> None:
    assert not figures.maps(scene, {"radar": scene.gamma0}).legends


def test_a_window_is_cut_from_every_panel(scene: Scene) -> None:
    figure = figures.maps(
        scene, {"radar": scene.gamma0, "truth": scene.truth}, window=(10, 20, 30, 40)
    )
    for axis in figure.axes:
        assert picture_of(axis).shape == (30, 40, 4)
    np.testing.assert_array_equal(
        picture_of(figure.axes[0]), figures.composite(scene.gamma0)[10:40, 20:60]
    )


def test_a_map_of_cells_says_nothing_where_there_are_no_data(scene: Scene) -> None:
    everywhere = np.full(scene.label_shape, WATER, np.uint8)
    picture = picture_of(figures.maps(scene, {"a map": everywhere}).axes[0])
    np.testing.assert_array_equal(picture[..., 3] == 0, np.isnan(scene.gamma0[0]))


def test_the_legend_of_a_window_names_what_is_in_it(scene: Scene) -> None:
    truth = np.full(scene.shape, WATER, np.uint8)
    truth[:50] = 0
    figure = figures.maps(scene, {"truth": truth}, window=(60, 0, 20, 20))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["water"]


def test_rows_wrap_and_empty_places_are_removed(scene: Scene) -> None:
    panels = {str(number): scene.truth for number in range(4)}
    assert len(figures.maps(scene, panels, columns=3).axes) == 4


@pytest.mark.parametrize("shape", [(7, 7), (4, 5, 6), (3,)])
def test_a_panel_of_another_place_is_refused(scene: Scene, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        figures.maps(scene, {"wrong": np.zeros(shape, np.uint8)})


def test_a_class_that_does_not_exist_is_refused(scene: Scene) -> None:
    wrong = np.full(scene.label_shape, COUNT, np.uint8)
    with pytest.raises(ValueError, match="no class"):
        figures.maps(scene, {"wrong": wrong})


@pytest.mark.parametrize("size", [(60, 60), (480, 480), (2000, 300)])
def test_a_scale_bar_is_round_and_at_most_a_third(size: tuple[int, int]) -> None:
    _, axis = plt.subplots()
    width = size[1] * 0.02
    axis.set(xlim=(0, width), ylim=(size[0] * 0.02, 0))
    length = figures.scale_bar(axis)
    assert length <= width / 3
    assert length >= width / 8
    first = f"{length:.0e}"[0]
    assert first in "125"
    line = axis.lines[0].get_xdata()
    assert line[1] - line[0] == pytest.approx(length)
    text = axis.texts[0].get_text()
    assert text == (f"{length:g} km" if length >= 1 else f"{1000 * length:g} m")


def test_without_a_pixel_size_the_scale_is_in_pixels(scene: Scene) -> None:
    metadata = {k: v for k, v in scene.metadata.items() if k != "pixel_m"}
    bare = Scene("bare", scene.gamma0, scene.cells, scene.labels, metadata=metadata)
    axis = figures.maps(bare, {"radar": bare.gamma0}).axes[0]
    assert axis.get_xlim() == (0, scene.shape[1])
    assert axis.texts[0].get_text().endswith("px")


def test_nodata_shows_a_hatched_ground(scene: Scene) -> None:
    axis = figures.maps(scene, {"radar": scene.gamma0}).axes[0]
    ground = next(patch for patch in axis.patches if isinstance(patch, Rectangle))
    assert ground.get_hatch()
    assert ground.get_zorder() < axis.images[0].get_zorder()


def test_agreement_tells_who_is_right(scene: Scene) -> None:
    truth = np.full(scene.label_shape, WATER, np.uint8)
    labels, guess = truth.copy(), truth.copy()
    labels[0, :2], guess[0, 1:3] = 0, 1  # label wrong; both wrong; map wrong
    truth[0, 4] = IGNORE
    known = Scene("known", scene.gamma0, scene.cells, labels, metadata=dict(scene.metadata))
    picture = figures.agreement(known, guess, truth)
    colours = dict(figures.AGREEMENT)
    expected = [
        "label wrong, map right",
        "both wrong",
        "label right, map wrong",
        "both right",
    ]
    for column, name in enumerate(expected):
        inside = np.argwhere(scene.cells == column)[0]
        assert to_hex(picture[*inside, :3] / 255) == colours[name]
    assert picture[*np.argwhere(scene.cells == 4)[0], 3] == 0


def test_a_split_shows_three_kinds_and_three_scores(scene: Scene) -> None:
    parts = np.zeros(scene.label_shape, np.uint8)
    parts[3:6, 3:6] = 1
    told = {"random cells": 0.5, "blocks": 0.4, "other scenes": 0.3}
    figure = figures.split(scene, parts, told)
    bars = figure.axes[1].containers[0]
    assert [bar.get_width() for bar in bars] == list(told.values())
    inside = np.argwhere(scene.cells == 3 * scene.label_shape[1] + 3)[0]
    shown = picture_of(figure.axes[0])[*inside, :3]
    assert to_hex(shown / 255) == figures.SPLIT[1][1]


# --- speckle --------------------------------------------------------------------------------------
def test_the_gamma_law_beside_the_pixels_has_area_one() -> None:
    _, axis = plt.subplots()
    power = np.random.default_rng(1).gamma(4, 1 / 4, 50_000)
    figures.power_histogram(axis, 3.0 * power, looks=4)
    x, y = axis.lines[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(1, abs=0.01)
    heights = np.array([patch.get_height() for patch in axis.patches])
    middles = np.array([patch.get_x() + patch.get_width() / 2 for patch in axis.patches])
    assert np.abs(heights - np.interp(middles, x, y)).max() < 0.06


# --- scores ---------------------------------------------------------------------------------------
def test_class_bars_are_as_long_as_f1_and_in_the_classes_colours() -> None:
    result, _ = some_scores()
    axis = figures.class_bars(result, title="a map")
    bars = axis.containers[0]
    np.testing.assert_allclose([bar.get_width() for bar in bars], result.f1)
    for bar, each in zip(bars, CLASSES, strict=True):
        assert to_rgb(bar.get_facecolor()) == to_rgb(each.colour)
    told = " ".join(text.get_text() for text in axis.texts)
    assert f"macro-F1 {result.macro_f1:.2f}" in told
    assert f"accuracy {result.accuracy:.2f}" in told


def test_a_class_without_cells_is_told_so() -> None:
    result, _ = some_scores()
    assert result.support[-1] == 0
    texts = [text.get_text() for text in figures.class_bars(result).texts]
    assert texts.count("none here") == 1


def test_compare_has_a_mark_for_each_method_and_macro_f1_last() -> None:
    one, two = some_scores(0.5)[0], some_scores(0.9)[0]
    axis = figures.compare({"one": one, "two": two})
    lines = axis.lines
    for line, result in zip(lines, (one, two), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [*result.f1, result.macro_f1])
    assert axis.get_yticklabels()[-1].get_text() == "macro-F1"
    assert len({line.get_marker() for line in lines}) == 2


def test_compare_tells_when_there_are_too_many() -> None:
    result, _ = some_scores()
    with pytest.raises(ValueError, match="7 methods"):
        figures.compare({str(number): result for number in range(7)})


def test_a_ladder_shows_scores_and_the_ceiling() -> None:
    axis = figures.ladder({"floor": 0.2, "model": 0.4}, ceiling=0.7, mark="model")
    bars = axis.containers[0]
    assert [bar.get_width() for bar in bars] == [0.2, 0.4]
    assert bars[0].get_facecolor() != bars[1].get_facecolor()
    assert axis.get_xlim()[1] >= 0.7
    assert any("ceiling 0.70" in text.get_text() for text in axis.texts)


def test_a_confusion_matrix_is_normalised_by_row_and_tells_counts() -> None:
    _, counts = some_scores()
    axis = figures.confusion(counts, title="a map")
    shares = picture_of(axis)
    rows = shares.sum(axis=1)
    np.testing.assert_allclose(rows[:-1], 1)
    assert rows[-1] == 0  # a class without cells
    texts = [text.get_text() for text in axis.texts]
    assert str(counts[0, 1]) in texts
    assert f"{100 * shares[2, 2]:.0f}" in texts


def test_a_confusion_matrix_of_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        figures.confusion(np.eye(3, dtype=int))


# --- training -------------------------------------------------------------------------------------
def a_history(steps: int = 40) -> dict[str, object]:
    at = list(range(10, steps + 1, 10))
    return {
        "loss": np.exp(-np.linspace(0, 2, steps)).tolist(),
        "learning_rate": [1e-3] * steps,
        "evaluated": at,
        "validation_loss": np.linspace(1, 0.4, len(at)).tolist(),
        "macro_f1": np.linspace(0.1, 0.5, len(at)).tolist(),
        "accuracy": np.linspace(0.5, 0.8, len(at)).tolist(),
        "f1": [[0.1 * number for number in range(COUNT)]] * len(at),
        "best_step": at[-1] if at else 0,
    }


def test_learning_curves_have_a_log_loss_and_every_class() -> None:
    left, right = figures.learning_curves({"model": a_history()}).axes
    assert left.get_yscale() == "log"
    colours = {to_hex(line.get_color()) for line in right.lines}
    assert {each.colour for each in CLASSES} <= colours
    labels = [line.get_label() for line in right.lines]
    assert "macro-F1" in labels
    assert "accuracy" in labels


def test_several_runs_share_the_panels() -> None:
    runs = {"one": a_history(), "two": a_history(20)}
    left, right = figures.learning_curves(runs).axes
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        "one (0.50)",
        "two (0.50)",
    ]
    assert len({to_hex(line.get_color()) for line in left.lines}) == 2


def test_a_history_is_drawn_like_its_dictionary() -> None:
    from academy.land_cover.trained import History

    history = History.from_json(a_history())
    one, other = (
        figures.learning_curves({"m": each}).axes[1].lines for each in (history, a_history())
    )
    for line, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), same.get_ydata())


def test_a_run_of_a_single_step_is_drawn() -> None:
    figures.learning_curves({"short": a_history(1)}).canvas.draw()
