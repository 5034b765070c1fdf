"""The project's data as learners get them, and what they send: checked before it leaves."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from academy import downloads, submissions
from academy.board import Leaderboard
from academy.connection import Connection
from academy.data.simulator import simulate
from academy.datasets import Dataset
from academy.errors import CloudError, DatasetError, SourceError, SubmissionError
from academy.jobs import project_of
from academy.land_cover import submission
from academy.land_cover.classes import NAMES
from academy.land_cover.project import LandCover, Task

from tests.academy import fake_academy

PROJECT = "land-cover"
HELD_OUT = {"held-out-01": (9, 8), "held-out-02": (8, 9)}
TASK = {
    "project": PROJECT,
    "metric": "macro-F1",
    "better": "higher",
    "classes": NAMES,
    "ignore": 255,
    "train": [f"train-{number:02d}" for number in range(1, 7)],
    "held_out": HELD_OUT,
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data folder: six scenes with labels, two without."""
    folder = tmp_path_factory.mktemp("land-cover")
    task = json.loads(json.dumps(TASK))
    for number, name in enumerate(TASK["train"]):
        simulate(500 + number, name=name, height=64, width=64).write(folder / "train" / name)
    for number, name in enumerate(HELD_OUT):
        scene = simulate(600 + number, height=48, width=40 + number).sealed(name)
        task["held_out"][name] = scene.label_shape
        scene.write(folder / "held_out" / name)
    (folder / "task.json").write_text(json.dumps(task))
    return folder


@pytest.fixture
def own(published: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(published, tmp_path / "own"))


@pytest.fixture
def both(fake, published) -> Connection:
    """A connection of a cohort with two projects."""
    workspace = {**fake_academy.WORKSPACE, "projects": [PROJECT, "climate-series"]}
    fake.ssm.put_parameter(
        Name=fake_academy.PARAMETER, Value=json.dumps(workspace), Type="String", Overwrite=True
    )
    fake.publish(
        {
            f"datasets/{PROJECT}/{file.relative_to(published).as_posix()}": file.read_bytes()
            for file in published.rglob("*")
            if file.is_file()
        }
    )
    return Connection.open(
        environ={"ACADEMY_WORKSPACE": fake_academy.PARAMETER}, clients=fake.clients
    )


# --- the folder -----------------------------------------------------------------------------------
def test_a_folder_is_scenes_to_learn_from_and_scenes_to_predict(published):
    data = LandCover(published)
    assert [scene.name for scene in data.train] == TASK["train"]
    assert all(scene.labels is not None for scene in data.train)
    assert [scene.name for scene in data.held_out] == list(HELD_OUT)
    assert all(scene.labels is None for scene in data.held_out)
    assert {s.name: s.label_shape for s in data.held_out} == data.task.held_out
    assert repr(data).startswith("land-cover: 6 scenes to learn from, 2 to predict")
    assert str(published) == data.__fspath__()


def test_a_split_is_whole_scenes_the_same_for_the_same_seed(published):
    data = LandCover(published)
    training, validation = data.split(2, seed=3)
    names = [[scene.name for scene in part] for part in (training, validation)]
    assert sorted([*names[0], *names[1]]) == TASK["train"]
    assert len(validation) == 2
    again = LandCover(published).split(2, seed=3)
    assert [[scene.name for scene in part] for part in again] == names
    drawn = {tuple(s.name for s in data.split(2, seed=seed)[1]) for seed in range(12)}
    assert len(drawn) > 1


def test_a_split_has_each_class_on_both_sides_where_it_can(own):
    data = LandCover(own)
    rare = 6
    for number, scene in enumerate(data.train):
        labels = np.zeros_like(scene.labels)
        if number in (1, 4):
            labels[:3, :5] = rare
        np.save(own / "train" / scene.name / "labels.npy", labels)
    for seed in range(8):
        for part in LandCover(own).split(1, seed=seed):
            assert any((scene.labels == rare).sum() >= 10 for scene in part)


@pytest.mark.parametrize("validation", [0, 6, -1])
def test_a_split_leaves_scenes_to_learn_from(published, validation):
    with pytest.raises(ValueError, match="1 to 5 can validate"):
        LandCover(published).split(validation)


def test_what_is_not_the_data_says_so(own, tmp_path):
    with pytest.raises(DatasetError, match="is no folder"):
        LandCover(tmp_path / "none")
    shutil.rmtree(own / "train" / "train-02")
    with pytest.raises(DatasetError, match=r"train-02 is no scene"):
        _ = LandCover(own).train
    (own / "held_out" / "held-out-01").rename(own / "held_out" / "x")
    (own / "held_out" / "held-out-02").rename(own / "held_out" / "held-out-01")
    with pytest.raises(DatasetError, match="holds the scene held-out-02"):
        _ = LandCover(own).held_out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"project": "poetry"}, "is of poetry"),
        ({"classes": ["forest"]}, "Restart your space"),
        ({"train": ["../../etc"]}, "'../../etc', which is no scene's name"),
        ({"held_out": {"a/b": [1, 1]}}, "which is no scene's name"),
        ({"held_out": {"a": [0, 1]}}, "cannot be read as the task"),
        ({"held_out": ["a"]}, "cannot be read as the task"),
        ({"metric": None, "held_out": None}, "cannot be read as the task"),
    ],
)
def test_a_task_that_cannot_be_trusted_is_refused(tmp_path, change, message):
    file = tmp_path / "task.json"
    file.write_text(json.dumps({**TASK, **change}))
    with pytest.raises(DatasetError, match=message):
        Task.read(file)


def test_a_grid_that_is_not_the_tasks_is_told(own):
    task = json.loads((own / "task.json").read_text())
    task["held_out"]["held-out-02"] = [3, 3]
    (own / "task.json").write_text(json.dumps(task))
    with pytest.raises(DatasetError, match=r"held-out-02 has a label grid of .* the task says"):
        _ = LandCover(own).held_out


# --- downloading ----------------------------------------------------------------------------------
def test_each_project_has_its_own_kind_of_data(both):
    data = both.dataset(PROJECT)
    assert isinstance(data, LandCover)
    assert data.held_out[0].name == "held-out-01"
    assert isinstance(both.dataset("climate-series"), Dataset)


def test_in_a_projects_folder_its_name_may_be_left_out(both, tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="Name one of land-cover, climate-series"):
        both.dataset()
    for name, project in (("land_cover", PROJECT), ("climate_series", "climate-series")):
        folder = tmp_path / name / "deeper"
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        assert both.dataset().task.project == project
        assert project_of(both.workspace, None) == project


def test_only_what_changed_is_downloaded_again(both, fake, monkeypatch):
    both.dataset(PROJECT)
    asked = []
    download = downloads._download
    monkeypatch.setattr(
        downloads,
        "_download",
        lambda cloud, bucket, entry, file: (
            asked.append(file.name) or download(cloud, bucket, entry, file)
        ),
    )
    both.dataset(PROJECT)
    assert asked == []
    key = f"datasets/{PROJECT}/train/train-01/labels.npy"
    changed = np.zeros(both.dataset(PROJECT).train[0].label_shape, np.uint8)
    file = io.BytesIO()
    np.save(file, changed)
    fake.publish({key: file.getvalue()})
    fake.s3.delete_object(Bucket="earth-data", Key=f"datasets/{PROJECT}/train/train-06/truth.npy")
    data = both.dataset(PROJECT)
    assert asked == ["labels.npy"]
    assert not data.train[0].labels.any()
    assert not (data.folder / "train/train-06/truth.npy").exists()


def test_a_download_that_broke_off_goes_on_where_it_was(both, monkeypatch):
    download = downloads._download
    done = []

    def breaks(cloud, bucket, entry, file):
        if len(done) == 7:
            raise CloudError("The line is dead.")
        done.append(entry.key)
        return download(cloud, bucket, entry, file)

    monkeypatch.setattr(downloads, "AT_ONCE", 1)
    monkeypatch.setattr(downloads, "_download", breaks)
    with pytest.raises(CloudError, match="The line is dead"):
        both.dataset(PROJECT)
    first, done[:] = list(done), ["x"] * 100
    assert both.dataset(PROJECT).train
    assert len(first) == 7
    assert not set(first) & set(done[100:])


def test_files_come_several_at_a_time(both, monkeypatch):
    download = downloads._download
    inside, most = [0], [0]
    lock = threading.Lock()

    def slowly(*arguments):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        try:
            return download(*arguments)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(downloads, "_download", slowly)
    both.dataset(PROJECT)
    assert 2 <= most[0] <= downloads.AT_ONCE


def test_a_long_download_says_how_far_it_is(both, monkeypatch, capsys):
    monkeypatch.setattr(downloads, "SHOWN_BYTES", 1000)
    both.dataset(PROJECT)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Data of land-cover · Downloading")
    assert "Completed" in said[-1]
    assert "files" in said[-1]
    both.dataset(PROJECT)
    assert capsys.readouterr().out == ""


def test_a_disk_that_is_too_small_is_told_beforehand(both, monkeypatch):
    monkeypatch.setattr(downloads, "SHOWN_BYTES", 1000)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 5))
    with pytest.raises(DatasetError, match=r"0 MB left\. Delete what you no longer need"):
        both.dataset(PROJECT)


# --- submitting -----------------------------------------------------------------------------------
def task() -> Task:
    return Task(PROJECT, "macro-F1", "higher", NAMES, (), HELD_OUT)


def right(**changes):
    maps = {name: np.full(shape, 3, np.uint8) for name, shape in HELD_OUT.items()}
    return maps | {name.replace("_", "-"): value for name, value in changes.items()}


def unpacked(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_dictionary_and_a_file_are_sent_as_the_same_bytes(tmp_path):
    content = submission.packed(right(), task())
    found = unpacked(content)
    assert list(found) == list(HELD_OUT)
    assert all(array.dtype == np.uint8 for array in found.values())
    file = tmp_path / "predictions.npz"
    for save in (np.savez, np.savez_compressed):
        save(file, **dict(reversed(right().items())))
        assert submission.packed(file, task()) == content
        assert submission.packed(str(file), task()) == content


@pytest.mark.parametrize("kind", [np.int64, ">u2", np.int8])
def test_whole_numbers_of_any_kind_are_taken(kind):
    maps = {name: array.astype(kind) for name, array in right().items()}
    assert submission.packed(maps, task()) == submission.packed(right(), task())


def test_arrays_stored_by_columns_are_sent_by_rows():
    rng = np.random.default_rng(1)
    maps = {n: rng.integers(0, 9, s, dtype=np.uint8) for n, s in HELD_OUT.items()}
    columns = {name: np.asfortranarray(array) for name, array in maps.items()}
    assert submission.packed(columns, task()) == submission.packed(maps, task())


def unfilled():
    array = np.zeros((9, 8), np.uint8)
    array[2, 5:] = 255
    return array


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({}, "2 of 2 scenes are missing, the first is held-out-01"),
        ({"held-out-01": right()["held-out-01"]}, "the first is held-out-02. Predict every scene"),
        (right(train_01=0), "No held-out scene is called train-01; they are held-out-01 to"),
        (right(held_out_01=np.zeros((8, 9), np.uint8)), "rows first. Is it transposed"),
        (right(held_out_01=np.zeros((48, 40), np.uint8)), "looks like a map of pixels: pool()"),
        (right(held_out_01=np.zeros((9, 9, 8), np.float32)), ".argmax(axis=0) gives the likeliest"),
        (right(held_out_01=np.zeros((9, 48, 40), np.float32)), "inference.pool brings them"),
        (right(held_out_01=np.zeros((9, 7), np.uint8)), "shape (9, 7); expected (9, 8): the label"),
        (right(held_out_01=np.zeros((9, 8))), "is float64; expected whole class numbers, uint8"),
        (right(held_out_01=np.zeros((9, 8), bool)), "is bool; expected class numbers"),
        (right(held_out_01=[["a"] * 8] * 9), "is <U1; expected class numbers"),
        (right(held_out_01=[[1], [1, 2]]), "is no array (list)"),
        (right(held_out_01=unfilled()), "has 255 at row 2, column 5 (and in 2 more cells)"),
        (right(held_out_01=unfilled()), "255 stands for a cell without a label"),
        (right(held_out_01=np.full((9, 8), 9)), "classes are 0 (closed forest) to 8 (wetland)"),
        (right(held_out_01=np.full((9, 8), -1)), "has -1 at row 0, column 0"),
        (3, "3 are no predictions. Give a dictionary scene -> array"),
        ("nowhere.npz", "There is no file"),
    ],
)
def test_predictions_that_cannot_be_scored_are_told_with_what_to_do(predictions, message):
    with pytest.raises(SubmissionError) as caught:
        submission.packed(predictions, task())
    assert message in str(caught.value)


def test_a_file_that_is_no_npz_is_told(tmp_path):
    file = tmp_path / "x.npz"
    for content in (b"", b"hello", submission.packed(right(), task())[:-30]):
        file.write_bytes(content)
        with pytest.raises(SubmissionError, match=r"cannot be read as \.npz .*savez_compressed"):
            submission.packed(file, task())
    np.savez(file, **{"held-out-01": np.empty(3, object)})
    with pytest.raises(SubmissionError, match="cannot be read as"):
        submission.packed(file, task())
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("held-out-01.npy", bytes(submission._MAX_READ + 1))
    with pytest.raises(SubmissionError, match="far more than a class a label cell"):
        submission.packed(file, task())


def test_a_submission_is_sent_and_its_receipt_shows_each_class(both, fake):
    maps = {n: np.zeros(s, np.uint8) for n, s in both.dataset(PROJECT).task.held_out.items()}
    waiting = both.submit(PROJECT, maps, "first", wait_seconds=0)
    assert waiting.status == "waiting"
    [key] = fake.submissions()
    assert key.startswith(f"submissions/{PROJECT}/falcon/")
    assert key.endswith(".npz")
    content = fake.s3.get_object(Bucket="earth-work", Key=key)["Body"].read()
    assert {n: a.shape for n, a in unpacked(content).items()} == {
        name: array.shape for name, array in maps.items()
    }
    receipt = submissions.read_receipt(
        "x.npz",
        json.dumps(
            {
                "status": "scored",
                "message": "Scored 0.4200",
                "public_score": 0.42,
                "received": "2026-12-01T10:00:00Z",
                "counted": True,
                "classes": {"closed forest": 0.91, "<b>": 0.25},
            }
        ).encode(),
    )
    assert repr(receipt).splitlines()[1:] == ["  closed forest 0.910", "  <b>           0.250"]
    page = receipt._repr_html_()
    assert "width:91%" in page
    assert "&lt;b&gt;" in page
    assert "<b><" not in page


def test_nothing_is_sent_that_would_be_refused(both, fake):
    with pytest.raises(SubmissionError, match="scenes are missing"):
        both.submit(PROJECT, {})
    assert fake.submissions() == []


# --- the board ------------------------------------------------------------------------------------
def test_a_board_where_more_is_better_has_the_highest_first():
    entry = {"submissions": 1, "submitted": "", "note": ""}
    board = Leaderboard.from_document(
        {
            "project": PROJECT,
            "metric": "macro-F1",
            "better": "higher",
            "updated": "2026-12-01T10:00:00Z",
            "lines": [{"name": "floor", "score": 0.06}, {"name": "ceiling", "score": 0.79}],
            "entries": [
                {"rank": 1, "team": "falcon", "score": 0.5, **entry},
                {"rank": 2, "team": "heron", "score": 0.05, **entry},
            ],
        },
        "heron",
    )
    lines = repr(board).splitlines()
    assert lines[0] == "land-cover · macro-F1 · higher is better"
    assert [line.split()[0] for line in lines[3:]] == ["ceiling", "1", "floor", "2"]
