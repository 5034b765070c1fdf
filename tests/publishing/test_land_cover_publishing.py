"""The sealed scenes: what is published, what is not, and which real ones the key may choose."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from academy.data.simulator import Settings, sealing, simulate
from academy.land_cover import submission
from academy.land_cover.classes import COUNT, NAMES
from academy.land_cover.metrics import SceneConfusions
from academy.land_cover.project import LandCover
from academy.land_cover.scene import Scene
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.publishing import land_cover
from infra.publishing.kaggle.checking import our_score
from infra.publishing.keys import SealingError
from infra.publishing.land_cover import Plan, choose, public_scenes
from infra.services.competition.projects import land_cover as scorer

KEY = bytes(range(16))
SMALL = Plan(size=192, train=3)


def laid_out(staged: land_cover.Staged, folder: Path) -> Path:
    """The published files as a learner's download has them."""
    for key, path in staged.files.items():
        file = folder / key.removeprefix("datasets/land-cover/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> land_cover.Staged:
    scratch = tmp_path_factory.mktemp("simulated")
    return land_cover.simulated(KEY, scratch, fraction=Decimal("0.3"), plan=SMALL)


@pytest.fixture(scope="module")
def data(staged: land_cover.Staged, tmp_path_factory: pytest.TempPathFactory) -> LandCover:
    return LandCover(laid_out(staged, tmp_path_factory.mktemp("data")))


# --- simulated ------------------------------------------------------------------------------------
def test_learners_get_scenes_task_and_no_truth(staged, data):
    assert [scene.name for scene in data.train] == ["train-01", "train-02", "train-03"]
    assert len(data.held_out) == 24
    assert all(scene.truth is None for scene in (*data.train, *data.held_out))
    files = {Path(key).name for key in staged.files}
    assert files == {
        *("gamma0.npy", "cells.npy", "labels.npy", "probability.npy", "metadata.json", "task.json")
    }
    held_out = {Path(key).name for key in staged.files if "/held_out/" in key}
    assert held_out == {"gamma0.npy", "cells.npy", "metadata.json"}
    assert list(staged.files)[-1] == "datasets/land-cover/task.json"


def test_nothing_that_is_published_tells_the_key_the_seeds_or_the_parts(staged):
    answers = json.loads(staged.answers)
    text = "".join(path.read_text() for path in staged.files.values() if path.suffix == ".json")
    held_out = "".join(
        path.read_text()
        for key, path in staged.files.items()
        if "held_out" in key
        if path.suffix == ".json"
    )
    assert KEY.hex() not in text + staged.answers.decode()
    assert '"seed"' not in held_out
    assert not any(word in text for word in ("public", "private"))
    assert {scene["part"] for scene in answers["scenes"].values()} == {"public", "private"}


def test_the_scorer_reads_the_labels_that_the_key_draws(staged, data):
    answers = scorer.Answers.read(staged.answers)
    assert {n: s.shape for n, s in answers.scenes.items()} == data.task.held_out
    seed = int.from_bytes(KEY, "big")
    schedule = sealing.draw_schedule(seed, 24, 10, range(COUNT))
    assert [scene.part for scene in answers.scenes.values()] == [part for part, _ in schedule]
    for at in (0, 23):
        scene = sealing.draw_scene(seed, at, Settings(height=192, width=192), schedule[at][1])
        assert answers.scenes[scene.name].labels == scene.labels.tobytes()


def test_the_ceiling_is_what_a_perfect_map_scores(staged):
    scene = simulate(3, height=128, width=128)
    made = land_cover.Made("a", "public", scene.labels, land_cover._perfect(scene))
    # Each cell's commonest class, counted one by one.
    expected = np.zeros(scene.label_shape, np.uint8)
    for cell in range(expected.size):
        inside = scene.truth[(scene.cells == cell) & np.isfinite(scene.gamma0[0])]
        if inside.size:
            expected.flat[cell] = np.bincount(inside).argmax()
    assert (made.perfect == expected)[scene.labels != 255].all()
    counts = SceneConfusions(NAMES)
    counts.add("a", scene.labels, expected)
    ceiling = land_cover._ceiling([made])
    assert ceiling["public"] == pytest.approx(counts.scores().macro_f1, rel=1e-12)
    for line in json.loads(staged.answers)["lines"][1:]:
        assert 0.5 < line["public"] < 0.95
        assert 0.5 < line["private"] < 0.95


def test_the_floor_is_the_training_scenes_commonest_class_everywhere(staged, data):
    commonest = int(np.argmax(sum(scene.cell_counts() for scene in data.train)))
    maps = {name: np.full(shape, commonest) for name, shape in data.task.held_out.items()}
    packed, task = submission.packed(maps, data.task), (data.folder / "task.json").read_bytes()
    result = our_score("land-cover", packed, task, lambda _: staged.answers)
    floor = scorer.Answers.read(staged.answers).lines[0]
    assert floor.name == f"floor: {NAMES[commonest]} everywhere"
    assert result.public == pytest.approx(floor.score, rel=1e-12)
    assert result.private == pytest.approx(floor.private, rel=1e-12)


def test_every_class_is_in_ten_scenes_of_each_part(staged):
    answers = scorer.Answers.read(staged.answers)
    for part in ("public", "private"):
        counts = [
            np.bincount(np.frombuffer(scene.labels, np.uint8), minlength=256)[:COUNT]
            for scene in answers.scenes.values()
            if scene.part == part
        ]
        assert ((np.array(counts) >= 10).sum(axis=0) >= 10).all()


def test_another_key_is_other_scenes_and_the_same_scenes_to_learn_from(staged, tmp_path):
    def drawn(seed: int) -> np.ndarray:
        folder = tmp_path / str(seed)
        wanted = land_cover._HeldOut(SMALL, seed, 0, "public", frozenset([1]), str(folder))
        return np.load(folder / "held_out" / wanted.make().name / "gamma0.npy")

    assert not np.array_equal(drawn(1), drawn(2), equal_nan=True)
    np.testing.assert_array_equal(drawn(1), drawn(1))
    # In this process or another: the same bytes.
    land_cover._Train(SMALL, 1, str(tmp_path)).make()
    there = staged.files["datasets/land-cover/train/train-01/gamma0.npy"]
    assert (tmp_path / "train/train-01/gamma0.npy").read_bytes() == there.read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_goes_to_the_end_and_scenes_come_in_order(tmp_path, workers):
    told: list[tuple[int, int]] = []
    wanted = [land_cover._Train(Plan(size=64), number, str(tmp_path)) for number in (2, 1, 3)]
    made = land_cover._in_processes(wanted, lambda *step: told.append(step), workers)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [each.name for each in made] == ["train-02", "train-01", "train-03"]


@pytest.mark.parametrize(
    ("fraction", "count", "public"), [(0.3, 24, 10), (0.5, 24, 12), (0.9, 24, 14), (0.3, 40, 12)]
)
def test_the_public_part_is_as_near_to_the_fraction_as_classes_allow(fraction, count, public):
    assert public_scenes(fraction, count) == public


def test_a_rounded_fraction_is_told(staged):
    [remark] = staged.remarks
    assert remark.startswith("10 of 24 held-out scenes are public, not the 7 of public_fraction")
    assert land_cover._parts_remark(0.5, 24, 12) == "12 of 24 held-out scenes are public"


def test_a_recipe_changes_with_all_that_the_data_follow_from():
    def recipe(key=KEY, plan=SMALL, fraction=0.3):
        return json.dumps(land_cover.simulated_recipe(key, plan, fraction).document())

    others = [recipe(key=bytes(16)), recipe(plan=Plan()), recipe(fraction=0.5)]
    assert len({recipe(), *others}) == 4
    assert recipe() == recipe()
    assert KEY.hex() not in recipe()


@pytest.mark.parametrize(
    ("key", "plan", "message"),
    [
        (b"short", SMALL, "the key has 5 bytes; it must have 16"),
        (KEY, Plan(size=192, train=1, held_out=12), "hold out at least 24"),
        (KEY, Plan(size=33, train=1), "make scenes larger"),
    ],
)
def test_what_cannot_be_sealed_is_refused(tmp_path, key, plan, message):
    with pytest.raises(SealingError, match=message):
        land_cover.simulated(key, tmp_path, fraction=0.5, plan=plan, workers=1)


# --- real -----------------------------------------------------------------------------------------
PLACE = {
    "crs": "EPSG:32736",
    "transform": [20.0, 0, 500000, 0, -20, 9000000],
    "dates": ["2019-01-01"],
    "items": ["s1-secret-item"],
    "orbit": "descending",
    "something_new": "35.123 S",
}


def real_scene(folder: Path, number: int, *, without: int | None = None) -> Scene:
    """A scene as a loader leaves it: every class in it but one, maybe; and other files beside."""
    rng = np.random.default_rng(number)
    labels = rng.permutation(np.resize(np.arange(COUNT, dtype=np.uint8), 144)).reshape(12, 12)
    if without is not None:
        labels[labels == without] = 255
    cells = np.arange(144, dtype=np.int32).reshape(12, 12).repeat(2, 0).repeat(2, 1)
    gamma0 = rng.gamma(4, 0.02, (2, 24, 24)).astype(np.float32)
    metadata = {**PLACE, "looks": 30.5, "pixel_m": 20.0, "source": "s1_rtc of 35.123 S"}
    scene = Scene(f"delta-{number:02d}", gamma0, cells, labels, None, None, metadata)
    target = scene.write(folder / scene.name)
    (target / "gamma0.tif").write_bytes(b"a picture with a place")
    return Scene.read(target)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    for number in range(32):
        real_scene(folder, number, without=number % COUNT if number % 3 == 0 else None)
    return folder


@pytest.fixture
def sealed(real: Path, tmp_path: Path) -> land_cover.Staged:
    return land_cover.from_scenes(KEY, real, tmp_path / "scratch", fraction=Decimal("0.3"))


def test_real_scenes_are_held_out_by_the_key_and_the_rest_is_to_learn_from(real, sealed, tmp_path):
    data = LandCover(laid_out(sealed, tmp_path / "data"))
    answers = json.loads(sealed.answers)
    origins = {scene["origin"] for scene in answers["scenes"].values()}
    assert len(data.held_out) == len(origins) == 24
    assert origins | set(data.task.train) == {path.name for path in real.iterdir()}
    assert not origins & set(data.task.train)
    read = scorer.Answers.read(sealed.answers)
    for scene in data.held_out:
        source = Scene.read(real / answers["scenes"][scene.name]["origin"])
        np.testing.assert_array_equal(scene.gamma0, source.gamma0)
        assert read.scenes[scene.name].labels == source.labels.tobytes()
    for part in ("public", "private"):
        scenes = [s for s in read.scenes.values() if s.part == part]
        for number in range(COUNT):
            assert sum(scene.labels.count(number) >= 10 for scene in scenes) >= 10
    assert [line.name.split(":")[0] for line in read.lines] == ["floor"]


def test_a_held_out_real_scene_tells_nothing_of_place_or_time(sealed):
    for key, path in sealed.files.items():
        assert Path(key).suffix in (".npy", ".json")
        if "/held_out/" in key and path.suffix == ".json":
            told = json.loads(path.read_text())
            assert set(told) == {
                *("format", "name", "bands", "quantity", "nodata"),
                *("pixel_m", "looks", "label_shape", "held_out"),
            }
            assert told["name"].startswith("held-out-")


def test_the_admin_is_told_that_real_scenes_can_be_found_again(sealed):
    assert "10 of 24" in sealed.remarks[0]
    assert "can be found again" in sealed.remarks[1]
    assert (Path(__file__).parents[2] / sealed.remarks[1].split("(")[1].rstrip(")")).is_file()


def test_the_same_key_chooses_the_same_and_another_others(real, sealed, tmp_path):
    again = land_cover.from_scenes(KEY, real, tmp_path / "again", fraction=Decimal("0.3"))
    other = land_cover.from_scenes(bytes(16), real, tmp_path / "other", fraction=Decimal("0.3"))
    assert again.answers == sealed.answers
    assert other.answers != sealed.answers


def test_real_scenes_are_published_from_where_they_lie(real, sealed):
    pixels = [path for key, path in sealed.files.items() if key.endswith("gamma0.npy")]
    assert len(pixels) == 32
    assert all(path.is_relative_to(real) for path in pixels)


def test_a_recipe_of_scenes_changes_when_a_file_does(real, tmp_path):
    import os
    import shutil

    copy = Path(shutil.copytree(real, tmp_path / "copy"))
    before = land_cover.scenes_recipe(KEY, copy, 0.3)
    assert land_cover.scenes_recipe(KEY, copy, 0.3) == before
    os.utime(copy / "delta-03" / "labels.npy", (1, 1))
    assert land_cover.scenes_recipe(KEY, copy, 0.3) != before


def broken(folder: Path, what: str) -> None:
    scene = real_scene(folder, 40)
    target = folder / scene.name
    if what == "labels":
        (target / "labels.npy").unlink()
        text = (target / "metadata.json").read_text()
        assert "label_shape" in text
    elif what == "values":
        np.save(target / "gamma0.npy", np.full((2, 24, 24), -12.0, np.float32))
    elif what == "name":
        target.rename(folder / "other")
    elif what == "taken":
        real_scene(folder, 41).write(folder / "held-out-77")
        described = json.loads((folder / "held-out-77/metadata.json").read_text())
        described["name"] = "held-out-77"
        (folder / "held-out-77/metadata.json").write_text(json.dumps(described))
    elif what == "illegal":
        target.rename(folder / "Ünsafe name")
        described = json.loads((folder / "Ünsafe name/metadata.json").read_text())
        described["name"] = "Ünsafe name"
        (folder / "Ünsafe name/metadata.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("labels", "delta-40 has no labels"),
        ("values", "delta-40: .*is it in dB"),
        ("name", "the two must be the same"),
        ("taken", "begin with held-out- are taken"),
        ("illegal", "a scene's name has a-z"),
    ],
)
def test_a_scene_that_cannot_be_used_is_named(real, tmp_path, what, message):
    import shutil

    folder = Path(shutil.copytree(real, tmp_path / "copy"))
    broken(folder, what)
    with pytest.raises(SealingError, match=message):
        land_cover.from_scenes(KEY, folder, tmp_path / "scratch", fraction=0.5)


def test_a_folder_without_scenes_is_told_how_to_get_some(tmp_path):
    with pytest.raises(SealingError, match=r"has no scenes.*academy\.data\.deafrica --help"):
        land_cover.from_scenes(KEY, tmp_path, tmp_path / "scratch", fraction=0.5)


# --- the choice -----------------------------------------------------------------------------------
def names(count: int) -> list[str]:
    return [f"s{number:03d}" for number in range(count)]


@settings(max_examples=12, deadline=None)
@given(
    st.integers(30, 60),
    st.floats(0.75, 1.0),
    st.sampled_from([0.1, 0.3, 0.5, 0.7]),
    st.integers(0, 2**32 - 1),
)
def test_every_choice_keeps_the_rules(count, share, fraction, seed):
    rng = np.random.default_rng(seed)
    occurs = rng.random((count, COUNT)) < share
    try:
        chosen = choose(KEY, names(count), occurs, fraction)
    except SealingError:
        return
    parts = {part: [at for at, its in chosen.items() if its == part] for part in scorer.PARTS}
    left = [at for at in range(count) if at not in chosen]
    assert len(chosen) >= 24
    assert len(left) >= 4
    assert all((occurs[at].sum(axis=0) >= 10).all() for at in parts.values())
    assert (occurs[left].sum(axis=0) >= 2).all()


def test_a_choice_does_not_hang_on_the_order_of_the_scenes():
    occurs = np.random.default_rng(2).random((40, COUNT)) < 0.9
    chosen = choose(KEY, names(40), occurs, 0.3)
    order = np.random.default_rng(3).permutation(40)
    mixed = choose(KEY, [names(40)[at] for at in order], occurs[order], 0.3)
    assert {int(order[at]): part for at, part in mixed.items()} == chosen


def test_classes_that_lack_scenes_are_named_with_what_to_do():
    occurs = np.ones((40, COUNT), bool)
    occurs[21:, 5] = False
    occurs[3:, 8] = False
    with pytest.raises(SealingError, match=r"urban \(21\), wetland \(3\).*22 scenes\. Load scenes"):
        choose(KEY, names(40), occurs, 0.3)


def test_too_few_scenes_are_told():
    with pytest.raises(SealingError, match="27 scenes; at least 24 are held out and 4 are left"):
        choose(KEY, names(27), np.ones((27, COUNT), bool), 0.3)


def test_scenes_of_which_no_choice_will_do_are_told_with_counts(monkeypatch):
    # Of 28 scenes 4 are left. Each of three classes is in 22, so that two of those left must lack
    # it; and no scene lacks two.
    occurs = np.ones((28, COUNT), bool)
    for number in range(3):
        occurs[6 * number : 6 * number + 6, number] = False
    monkeypatch.setattr(land_cover, "_CHOICES", 50)
    with pytest.raises(SealingError, match=r"closed forest in 22, .*Load more scenes"):
        choose(KEY, names(28), occurs, 0.5)


def test_confusions_of_the_fixed_marks_are_the_librarys(staged):
    """The floor by hand, from the answers alone."""
    answers = scorer.Answers.read(staged.answers)
    floor = answers.lines[0]
    number = NAMES.index(floor.name.removeprefix("floor: ").removesuffix(" everywhere"))
    counts = SceneConfusions(NAMES)
    for name, scene in answers.scenes.items():
        labels = np.frombuffer(scene.labels, np.uint8)
        counts.add(name, labels, np.full_like(labels, number))
    public = [name for name, scene in answers.scenes.items() if scene.part == "public"]
    assert counts.scores(public).macro_f1 == pytest.approx(floor.score, rel=1e-12)
