"""Confusion counts and macro-F1: against plain loops, known values, and by properties."""

from __future__ import annotations

import doctest
import tracemalloc

import numpy as np
import pytest
from academy.land_cover import metrics
from academy.land_cover.metrics import SceneConfusions, confusion, macro_f1, scores
from hypothesis import given
from hypothesis import strategies as st


def plain_confusion(truth, prediction, classes, ignore):
    counts = [[0] * classes for _ in range(classes)]
    for t, p in zip(np.ravel(truth).tolist(), np.ravel(prediction).tolist(), strict=True):
        if t != ignore:
            counts[t][p] += 1
    return counts


def plain_f1(truth, prediction, classes, ignore):
    values = []
    pairs = [(t, p) for t, p in zip(truth, prediction, strict=True) if t != ignore]
    for number in range(classes):
        hit = sum(t == p == number for t, p in pairs)
        given_, there = sum(p == number for _, p in pairs), sum(t == number for t, _ in pairs)
        precision = hit / given_ if given_ else 0.0
        recall = hit / there if there else 0.0
        both = precision + recall
        values.append((precision, recall, 2 * precision * recall / both if both else 0.0))
    return values


@st.composite
def maps(draw):
    classes = draw(st.integers(1, 20))
    ignore = draw(st.sampled_from([255, 0, classes, 31, 200]))
    size = draw(st.integers(0, 60))
    known = st.integers(0, classes - 1)
    truth = draw(st.lists(known | st.just(ignore), min_size=size, max_size=size))
    prediction = draw(st.lists(known, min_size=size, max_size=size))
    return truth, prediction, classes, ignore


def test_the_examples_in_the_docstrings_of_the_metrics_run():
    result = doctest.testmod(metrics)
    assert result.attempted >= 6
    assert result.failed == 0


@given(maps(), st.sampled_from([np.uint8, np.int64, np.uint16]), st.integers(1, 30))
def test_counts_are_those_of_a_plain_loop_at_any_chunk(case, kind, chunk):
    truth, prediction, classes, ignore = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "CHUNK", chunk)
        found = confusion(np.array(truth, kind), np.array(prediction, kind), classes, ignore=ignore)
    assert found.tolist() == plain_confusion(truth, prediction, classes, ignore)


@given(maps())
def test_scores_are_those_of_their_definitions(case):
    truth, prediction, classes, ignore = case
    counts = confusion(np.array(truth, int), np.array(prediction, int), classes, ignore=ignore)
    found = scores(counts)
    expected = plain_f1(truth, prediction, classes, ignore)
    together = np.stack([found.precision, found.recall, found.f1], axis=1)
    np.testing.assert_allclose(together, expected, rtol=1e-12)
    assert found.macro_f1 == pytest.approx(np.mean([f for _, _, f in expected]))


def test_scikit_learns_example_has_scikit_learns_values():
    """From its user guide: f1_score([0,1,2,0,1,2], [0,2,1,0,0,1], average="macro") = 0.2666…"""
    truth, prediction = [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]
    assert macro_f1(truth, prediction, 3) == pytest.approx(4 / 15)
    assert scores(confusion(truth, prediction, 3)).precision.tolist() == [2 / 3, 0, 0]


def test_a_class_that_is_nowhere_counts_as_nought_in_a_fixed_list():
    assert macro_f1([0, 1], [0, 1], 2) == 1
    assert macro_f1([0, 1], [0, 1], 4) == 0.5


def test_forest_everywhere_is_accurate_and_worthless():
    truth = np.repeat(np.arange(9), [920, *[10] * 8])
    found = scores(confusion(truth, np.zeros(1000, int), 9))
    assert found.accuracy == pytest.approx(0.92)
    assert found.macro_f1 < 0.11
    assert found.support.tolist() == [920, *[10] * 8]


def test_pooled_scores_are_not_the_mean_of_scenes():
    held_out = SceneConfusions(["forest", "water"])
    held_out.add("a", [0] * 9 + [1], [0] * 10)
    held_out.add("b", [1] * 10, [1] * 10)
    pooled = held_out.scores().macro_f1
    mean = np.mean([held_out.scores([scene]).macro_f1 for scene in held_out.scenes])
    assert pooled == pytest.approx((18 / 19 + 20 / 21) / 2)
    assert pooled - mean > 0.4


def test_parts_scenes_and_processes_add_up():
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 3, (2, 4, 50, 50))
    whole, left, right = (SceneConfusions("abc") for _ in range(3))
    for number in range(4):
        scene = f"scene {number % 2}"
        whole.add(scene, truth[number], guess[number])
        (left if number < 2 else right).add(scene, truth[number], guess[number])
    left.merge(right)
    assert left.scenes == ("scene 0", "scene 1")
    again = SceneConfusions.from_json(left.to_json())
    for scene in whole.scenes:
        assert (again.of(scene) == whole.of(scene)).all()
    assert (whole.pooled() == confusion(truth, guess, 3)).all()
    twice = whole.pooled(["scene 0", "scene 0"])
    assert (twice == 2 * whole.of("scene 0")).all()


def test_a_merged_scene_is_no_second_name_for_the_others_counts():
    one, other = SceneConfusions("ab"), SceneConfusions("ab")
    other.add("x", [0], [0])
    one.merge(other)
    one.add("x", [1], [1])
    assert other.of("x").sum() == 1


def test_views_and_maps_on_disk_are_counted_without_a_copy(tmp_path):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 9, (2000, 3000), np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    guess = rng.integers(0, 9, truth.shape, np.uint8)
    expected = np.bincount(
        truth[truth < 9].astype(int) * 9 + guess[truth < 9], minlength=81
    ).reshape(9, 9)
    np.save(tmp_path / "truth.npy", truth)
    mapped = np.load(tmp_path / "truth.npy", mmap_mode="r")
    cases = [(mapped, guess), (truth.T, guess.T), (truth[::-1], guess[::-1])]
    for one, other in cases:
        tracemalloc.start()
        found = confusion(one, other, 9)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (found == expected).all()
        assert peak < 8 << 20


def test_what_is_no_class_is_refused_by_value_and_place():
    with pytest.raises(ValueError, match=r"truth has 7, 9 at 3 pixels.*0 to 4, or 255"):
        confusion(np.array([7, 9, 9], np.uint8), np.zeros(3, np.uint8), 5)
    with pytest.raises(ValueError, match="prediction has 5 at 1"):
        confusion(np.zeros(2, np.uint8), np.array([0, 5], np.uint8), 5)
    with pytest.raises(ValueError, match="prediction has 255 at 1"):
        confusion(np.zeros(2, np.uint8), np.array([0, 255], np.uint8), 5)
    with pytest.raises(ValueError, match="prediction has 20 at 1"):
        confusion(np.full(1, 14, np.uint8), np.full(1, 20, np.uint8), 15)
    with pytest.raises(ValueError, match="prediction has -1 at 1"):
        confusion([0, 1], [0, -1], 5)
    with pytest.raises(ValueError, match="truth has 255"):
        confusion(np.array([255], np.uint8), np.zeros(1, np.uint8), 5, ignore=None)
    with pytest.raises(ValueError, match="one grid"):
        confusion([0, 1], [0], 5)
    with pytest.raises(TypeError, match="prediction is float64"):
        confusion([0], [0.0], 5)
    with pytest.raises(ValueError, match="classes is 0"):
        confusion([0], [0], 0)


def test_what_is_predicted_where_nothing_is_scored_does_not_matter():
    truth = np.array([255, 0, 255], np.uint8)
    assert confusion(truth, np.array([255, 0, 77], np.uint8), 3).sum() == 1
    assert confusion(truth.astype(int), [255, 0, -4], 3).sum() == 1


def test_records_that_do_not_fit_are_refused():
    one, other = SceneConfusions("ab"), SceneConfusions("ba")
    with pytest.raises(ValueError, match="classes differ"):
        one.merge(other)
    with pytest.raises(ValueError, match="no record"):
        SceneConfusions.from_json("[]")
    with pytest.raises(ValueError, match="scene x has counts"):
        SceneConfusions.from_json('{"classes": ["a"], "ignore": 255, "scenes": {"x": [[1, 2]]}}')
    with pytest.raises(ValueError, match="each class once"):
        SceneConfusions(["a", "a"])
    with pytest.raises(ValueError, match="square"):
        scores(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="3 names for 2"):
        scores(np.zeros((2, 2)), "abc")


def test_the_table_names_every_class():
    table = str(scores([[8, 2], [1, 9]], ["forest", "open water"]))
    assert "open water" in table
    assert "0.850" in table.splitlines()[-1]
