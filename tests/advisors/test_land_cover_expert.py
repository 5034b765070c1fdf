"""The advisors' expert at a tiny size: its picture of a scene, and what it hands in."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from academy.data.simulator import simulate
from academy.land_cover.classes import COUNT, NAMES
from academy.land_cover.metrics import macro_f1
from academy.land_cover.scene import Scene, SceneError

from advisors.land_cover import expert
from advisors.land_cover.network import CHANNELS, CellNet, Scale, cell_picture

TINY = expert.Recipe(steps=3, batch=2, crop=12, width=8, depth=2)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [simulate(seed, height=80, width=80, name=f"s{seed}") for seed in (101, 102, 103)]


def test_a_cells_numbers_are_those_of_its_pixels(scenes: list[Scene]) -> None:
    scene = scenes[0]
    picture, there = cell_picture(scene)
    valid = np.isfinite(scene.gamma0[0])
    number = int(scene.cells[valid][len(scene.cells[valid]) // 2])
    vv, vh = (band[(scene.cells == number) & valid].astype(float) for band in scene.gamma0)
    row, column = divmod(number, scene.label_shape[1])
    in_db = 10 * np.log10(vv)
    expected = {
        "VV, dB": 10 * np.log10(vv.mean()),
        "VV over VH, dB": 10 * np.log10(vv.mean() / vh.mean()),
        "VV: deviation, dB": in_db.std(),
        "covariance of VV and VH, dB²/10": np.cov(in_db, 10 * np.log10(vh), bias=True)[0, 1] / 10,
    }
    assert there[row, column]
    for name, value in expected.items():
        assert picture[CHANNELS.index(name), row, column] == pytest.approx(value, abs=1e-3), name


def test_cells_without_data_are_zero_and_said_to_be(scenes: list[Scene]) -> None:
    gamma0 = np.array(scenes[0].gamma0)
    gamma0[:, :20] = np.nan
    scene = dataclasses.replace(scenes[0], gamma0=gamma0)
    picture, there = cell_picture(scene)
    assert not there[:3].any()
    assert there[5:].all()
    scaled = Scale.fit([(picture, there)])(picture, there)
    assert (scaled[:, :3] == 0).all()
    assert np.isfinite(scaled).all()
    assert np.abs(scaled[:-1, there].mean(axis=1)).max() < 1e-3


def test_views_undo_each_other(scenes: list[Scene]) -> None:
    """Mean of all views: what is turned before must come out turned."""
    torch.manual_seed(0)
    network = CellNet(len(CHANNELS) + 1, width=8, depth=2).eval()
    picture, there = cell_picture(scenes[0])
    square = Scale.fit([(picture, there)])(picture, there)[:, :16, :16]
    turned = np.rot90(square, axes=(1, 2))
    expected = np.rot90(expert._predict(network, np.ascontiguousarray(square)), axes=(1, 2))
    found = expert._predict(network, np.ascontiguousarray(turned))
    # bfloat16 has 8 bits.
    assert np.abs(found - expected).max() < 0.02


def test_it_learns_and_repeats_itself(scenes: list[Scene]) -> None:
    made = expert.fit(scenes[:2], scenes[2:], TINY)
    map_ = made.predict(scenes[0].sealed("held-out-01"))
    assert map_.dtype == np.uint8
    assert map_.shape == scenes[0].label_shape
    assert map_.max() < COUNT
    again = expert.fit(scenes[:2], scenes[2:], TINY)
    assert np.array_equal(again.predict(scenes[0]), map_)
    longer = expert.fit(scenes[:2], scenes[2:], dataclasses.replace(TINY, steps=40))
    labels = np.asarray(scenes[0].labels)

    def found(one: expert.Expert) -> float:
        return float((one.probabilities(scenes[0]).argmax(axis=0) == labels).mean())

    assert found(longer) > found(made) + 0.05


def test_the_shift_is_tuned_on_the_validation_scenes(scenes: list[Scene]) -> None:
    made = expert.fit(scenes[:2], scenes[2:], TINY)
    truth = np.asarray(scenes[2].labels)
    shares = made.probabilities(scenes[2])
    tuned = macro_f1(truth, made.predict(scenes[2]), COUNT)
    assert tuned >= macro_f1(truth, shares.argmax(axis=0).astype(np.uint8), COUNT)


def test_held_out_scenes_teach_nothing(scenes: list[Scene]) -> None:
    with pytest.raises(SceneError, match="held out"):
        expert.fit([scenes[0], scenes[1].sealed("held-out-01")], scenes[2:], TINY)
    with pytest.raises(SceneError, match="others to tune on"):
        expert.fit(scenes, [], TINY)


def test_an_advisor_makes_a_submission_of_the_published_folder(
    scenes: list[Scene], tmp_path: Path
) -> None:
    for number in range(1, 6):
        scene = simulate(100 + number, height=80, width=80, name=f"train-{number:02d}")
        scene.write(tmp_path / "train" / scene.name)
    scenes[2].sealed("held-out-01").write(tmp_path / "held_out" / "held-out-01")
    task = {
        "project": "land-cover",
        "metric": "macro-F1",
        "better": "higher",
        "classes": list(NAMES),
        "train": [f"train-{number:02d}" for number in range(1, 6)],
        "held_out": {"held-out-01": list(scenes[2].label_shape)},
    }
    (tmp_path / "task.json").write_text(json.dumps(task))
    command = [sys.executable, "-m", "advisors.land_cover.expert", "--steps", "2"]
    root = Path(__file__).parents[2]
    subprocess.run(
        [*command, str(tmp_path), str(tmp_path / "x.npz")],
        check=True,
        cwd=root,
        env={"PYTHONPATH": f"{root}/project_templates/academy", "OMP_NUM_THREADS": "1"},
    )
    with np.load(tmp_path / "x.npz", allow_pickle=False) as submission:
        assert list(submission) == ["held-out-01"]
        assert submission["held-out-01"].dtype == np.uint8
        assert submission["held-out-01"].shape == scenes[2].label_shape
