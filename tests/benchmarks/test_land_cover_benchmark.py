"""The land-cover benchmark at a tiny size: it resumes, pairs scenes, and says what it missed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from academy.land_cover.classes import COUNT, NAMES
from academy.land_cover.metrics import SceneConfusions, scores
from rich.console import Console

from benchmarks import land_cover
from benchmarks.land_cover_parts import rivals
from benchmarks.land_cover_parts.counting import difference, macro_f1
from benchmarks.land_cover_parts.worlds import World, scenes_of

TINY = World("realistic", 101, size=96, train=4, validation=1, held_out=3)
EFFORT = rivals.Effort(steps=3, expert_steps=2, trees=4, more={"width": 8, "batch": 2, "crop": 32})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    scenes_of(TINY, folder)
    return folder


def test_scenes_are_the_same_again_and_no_two_lists_share_one(data: Path, tmp_path: Path) -> None:
    one, other = scenes_of(TINY, data), scenes_of(TINY, tmp_path)
    assert [len(one.train), len(one.validation), len(one.held_out)] == [3, 1, 3]
    lists = [*one.train, *one.validation, *one.held_out]
    again = [*other.train, *other.validation, *other.held_out]
    for scene, same in zip(lists, again, strict=True):
        assert np.array_equal(scene.gamma0, same.gamma0, equal_nan=True)
    assert len({float(np.nansum(scene.gamma0)) for scene in lists}) == len(lists)


def test_every_rival_maps_every_held_out_scene(data: Path) -> None:
    scenes = scenes_of(TINY, data)
    methods = []
    for rival in rivals.RIVALS.values():
        outcome = rival(scenes, EFFORT)
        for method, maps in outcome.maps.items():
            methods.append(method)
            counts = rivals.confusions(scenes.held_out, maps)
            for scene in scenes.held_out:
                labelled = int((np.asarray(scene.labels) < COUNT).sum())
                assert counts.of(scene.name).sum() == labelled, method
        json.dumps(outcome.notes)
    assert sorted(methods) == sorted(rivals.METHODS)


def test_the_ceiling_is_the_part_of_labels_that_are_right(data: Path) -> None:
    scenes = scenes_of(TINY, data)
    found = rivals.ceiling(scenes, EFFORT).maps["ceiling"]
    accuracy = rivals.confusions(scenes.held_out, found).scores().accuracy
    assert 0.75 < accuracy < 0.92  # the preset's labels are wrong in 17 % of the cells


def test_a_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    asked: list[str] = []

    class Here:
        def Pool(self, _: int) -> Here:  # noqa: N802
            return self

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None: ...

        def apply(self, work: Any, arguments: tuple[Any, ...]) -> Any:
            asked.append(arguments[0])
            if arguments[0] == "ceiling" and len(asked) == 2:
                raise KeyboardInterrupt
            return work(*arguments)

    monkeypatch.setattr(land_cover.multiprocessing, "get_context", lambda _: Here())
    with pytest.raises(KeyboardInterrupt):
        land_cover.run_world(TINY, data, tmp_path, EFFORT, ["majority", "ceiling"])
    land_cover.run_world(TINY, data, tmp_path, EFFORT, ["majority", "ceiling"])
    assert asked == ["majority", "ceiling", "ceiling"]
    done = json.loads((tmp_path / f"{TINY}.json").read_text())
    assert set(done) == {"majority", "ceiling"}


def _counts(right: float, seed: int, scenes: int = 24) -> SceneConfusions:
    """Labels of which a part is found, the rest taken for another class."""
    rng = np.random.default_rng(seed)
    counts = SceneConfusions(NAMES)
    for scene in range(scenes):
        truth = rng.integers(0, COUNT, 400)
        wrong = np.random.default_rng([seed, scene]).random(400) > right
        found = np.where(wrong, (truth + 1) % COUNT, truth)
        counts.add(str(scene), truth.astype(np.uint8), found.astype(np.uint8))
    return counts


def test_macro_f1_is_the_librarys() -> None:
    counts = np.random.default_rng(0).integers(0, 50, (6, COUNT, COUNT))
    counts[2, :, 4] = counts[2, 4] = 0
    assert macro_f1(counts) == pytest.approx([scores(each).macro_f1 for each in counts])


def test_differences_are_paired_by_scene() -> None:
    good, poor = _counts(0.8, 1), _counts(0.7, 1)
    found = difference([good, good], [poor, poor])
    assert 8 < found.mean < 12
    assert found.low < found.mean < found.high
    # The same scenes for both: much narrower than two scores' own intervals.
    assert found.high - found.low < 3
    same = difference([good], [good])
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_other_scenes_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="different scenes"):
        difference([_counts(0.8, 1)], [_counts(0.8, 1, scenes=12)])


def test_verdict_says_what_was_missed_and_by_how_much(tmp_path: Path) -> None:
    right = {"majority": 0.1, "pixel forest": 0.3, "multi-window forest": 0.5, "U-Net": 0.4}
    right |= {"baseline": 0.52, "expert": 0.6, "ceiling": 0.7}
    methods = {"U-Net": rivals.METHODS[3:6]}
    costs = {"fit seconds": 1.0, "predict seconds": 1.0, "wall seconds": 2.0, "extra MiB": 3}
    done = {
        name: {
            "counts": {
                method: json.loads(_counts(part, 5).to_json())
                for method in methods.get(name, (name,))
            },
            "notes": {},
            **costs,
        }
        for name, part in right.items()
    }
    (tmp_path / "hard-1.json").write_text(json.dumps(done))
    (tmp_path / "hard-2.json").write_text(json.dumps({"majority": done["majority"]}))
    console = Console(record=True, width=220, file=io.StringIO())
    land_cover.tell(["hard"], [1, 2], tmp_path, console)
    text = console.export_text()
    assert "mean of 1 seeds" in text  # the second is not complete
    assert "baseline - multi-window forest" in text
    told = [line.strip() for line in text.splitlines() if line[:5] == "hard:"]
    lines = {line.split(":")[1].strip(): line for line in told}
    assert "MISSED by" in lines["baseline - multi-window forest"]
    assert lines["expert - baseline"].endswith("met")
    wall = [line for line in told if "the wall" in line]
    assert len(wall) == 2
    assert wall[0].endswith("(0,): MISSED by 2.0")  # no class is lost
    assert "MISSED by" in wall[1]  # and the forest is more accurate
