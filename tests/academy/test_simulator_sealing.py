"""Held-out scenes: every class in enough scenes of each part, and nothing that tells the seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from academy.data.simulator import Settings, simulate
from academy.data.simulator.sealing import (
    HeldOut,
    draw_held_out,
    draw_schedule,
    new_seed,
    occurring,
    publish,
)
from academy.land_cover.scene import read_scenes
from hypothesis import given, settings
from hypothesis import strategies as st

SMALL = Settings(label_noise=0.17, imbalance=0.7, height=192, width=192)
SECRET = 0x0123456789ABCDEF0123456789ABCDEF


@pytest.fixture(scope="module")
def held_out() -> list[HeldOut]:
    return list(draw_held_out(SECRET, SMALL))


def test_every_class_occurs_in_ten_scenes_of_each_part(held_out: list[HeldOut]) -> None:
    for part in ("public", "private"):
        scenes = [each.scene for each in held_out if each.part == part]
        assert len(scenes) == 12
        assert (sum(occurring(scene).astype(int) for scene in scenes) >= 10).all()


def test_occurring_counts_cells_that_are_rightly_labelled() -> None:
    scene = simulate(3, height=200, width=200, label_noise=0)
    assert scene.labels is not None
    number = int(np.flatnonzero(occurring(scene))[0])
    right = np.flatnonzero(scene.labels == number)
    scene.labels.ravel()[right[9:]] = (number + 1) % 9
    assert not occurring(scene)[number]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(24, 60), st.data())
def test_the_schedule_asks_for_each_class_ten_times_in_each_part(
    seed: int, count: int, data: st.DataObject
) -> None:
    public = data.draw(st.integers(10, count - 10))
    schedule = draw_schedule(seed, count, public, range(9))
    assert [part for part, _ in schedule].count("public") == public
    for part in ("public", "private"):
        for number in range(9):
            assert sum(number in needed for its, needed in schedule if its == part) == 10


def test_the_schedule_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="at least 24"):
        draw_schedule(1, 20, 10, range(9))
    with pytest.raises(ValueError, match="the public part would have 8 scenes"):
        draw_schedule(1, 24, 8, range(9))


def test_scenes_too_small_for_the_classes_say_so() -> None:
    tiny = Settings(height=40, width=40)
    with pytest.raises(ValueError, match="make scenes larger"):
        list(draw_held_out(1, tiny))


def test_drawing_again_with_the_seed_gives_the_same_and_with_another_not(
    held_out: list[HeldOut],
) -> None:
    again = next(draw_held_out(SECRET, SMALL))
    np.testing.assert_array_equal(again.scene.gamma0, held_out[0].scene.gamma0)
    np.testing.assert_array_equal(again.scene.labels, held_out[0].scene.labels)
    other = next(draw_held_out(SECRET ^ 1, SMALL))
    assert not np.array_equal(other.scene.truth, held_out[0].scene.truth)


def test_parts_are_mixed_over_the_names(held_out: list[HeldOut]) -> None:
    parts = [each.part for each in held_out]
    assert len(set(parts[:12])) == 2


def test_what_is_published_has_no_answers(held_out: list[HeldOut], tmp_path: Path) -> None:
    some = held_out[:3]
    parts = publish(some, tmp_path / "public", tmp_path / "vault")
    names = {path.name for path in (tmp_path / "public").rglob("*") if path.is_file()}
    assert names == {"gamma0.npy", "cells.npy", "metadata.json"}
    for each, scene in zip(some, read_scenes(tmp_path / "public"), strict=True):
        text = json.dumps(scene.metadata)
        assert '"seed"' not in text
        assert str(each.scene.metadata["seed"]) not in text
        assert f"{SECRET:032x}" not in text
        assert "public" not in text
        assert "private" not in text
        kept = np.load(tmp_path / "vault" / scene.name / "labels.npy")
        np.testing.assert_array_equal(kept, each.scene.labels)
    assert json.loads((tmp_path / "vault" / "parts.json").read_text()) == parts


def test_a_scene_does_not_follow_from_small_seeds(held_out: list[HeldOut]) -> None:
    own = [int(each.scene.metadata["seed"], 16) for each in held_out]
    assert len(set(own)) == len(own)
    assert min(own).bit_length() > 100


def test_new_seeds_have_128_bits() -> None:
    drawn = [new_seed() for _ in range(200)]
    assert max(drawn) < 2**128
    # Each bit is set in about half of them.
    for bit in range(128):
        assert 50 < sum(seed >> bit & 1 for seed in drawn) < 150
