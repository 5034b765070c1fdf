"""The folder for Kaggle: complete, checked, and with the answers in one file alone."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from academy.kaggle import run_lengths
from academy.land_cover.project import LandCover

from infra.publishing import climate_series, land_cover
from infra.publishing.kaggle import KaggleError, export, pages
from infra.publishing.kaggle.checking import kaggle_scores, metric_of
from infra.services.competition import projects
from infra.services.competition.projects.land_cover import Answers

FILES = {
    *(".gitignore", "README.md", "competition-metadata.json", "data", "description.md"),
    *("metric.py", "rules.md", "sample_submission.csv", "settings.json", "solution.csv"),
}
Vault = Callable[[str], bytes]
Source = tuple[str, export.Fetch, Vault]


def competition(project: str) -> pages.Competition:
    return pages.Competition("earth-2026", project, dt.date(2027, 3, 15), 5, 2)


@pytest.fixture(scope="module")
def series() -> Source:
    sealed = climate_series.build(bytes(range(32)), public_fraction=0.3)

    def fetch(folder: Path) -> None:
        for key, content in sealed.data.items():
            place = folder / key.removeprefix("datasets/climate-series/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    return "climate-series", fetch, lambda name: sealed.vault[f"answers/climate-series/{name}"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Source:
    scratch = tmp_path_factory.mktemp("scenes")
    plan = land_cover.Plan(size=160, train=2)
    staged = land_cover.simulated(bytes(16), scratch, fraction=0.3, plan=plan)

    def fetch(folder: Path) -> None:
        for key, path in staged.files.items():
            place = folder / key.removeprefix("datasets/land-cover/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)

    return "land-cover", fetch, lambda _: staged.answers


@pytest.fixture(params=["series", "scenes"])
def source(request: pytest.FixtureRequest) -> Source:
    found: Source = request.getfixturevalue(request.param)
    return found


def made(source: Source, folder: Path) -> export.Exported:
    project, fetch, vault = source
    return export.export(competition(project), folder, fetch, vault)


def test_everything_that_kaggle_needs_is_there_and_agrees_with_our_scorer(
    source: Source, tmp_path: Path
) -> None:
    found = made(source, tmp_path / "out")
    assert {file.name for file in found.folder.iterdir()} == FILES
    assert os.listdir(tmp_path) == ["out"]
    assert [(one.part, one.difference <= 1e-9) for one in found.compared] == [
        *(("Public", True), ("Private", True)) * 2
    ]
    # A metric that said the same of everything would agree with nothing.
    assert len({round(one.ours, 9) for one in found.compared if one.part == "Private"}) == 2
    solution = pd.read_csv(found.solution)
    sample = pd.read_csv(found.folder / "sample_submission.csv")
    assert list(solution["row_id"]) == list(sample["row_id"])
    assert set(solution["Usage"]) == {"Public", "Private"}
    assert (found.folder / "data" / "sample_submission.csv").read_bytes() == (
        found.folder / "sample_submission.csv"
    ).read_bytes()


def test_the_answers_are_readable_by_their_owner_alone(source: Source, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        found = made(source, tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE(found.solution.stat().st_mode) == 0o600
    assert stat.S_IMODE(found.folder.stat().st_mode) == 0o700
    # git passes over all of it.
    assert (found.folder / ".gitignore").read_text() == "*\n"


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "solution.csv":
            yield file, file.read_bytes().decode("latin-1")


def test_no_held_out_value_is_in_another_file(series: Source, tmp_path: Path) -> None:
    found = made(series, tmp_path / "out")
    solution = pd.read_csv(found.solution, dtype=str)
    rows = [
        f"{row},{value}" for row, value in zip(solution["row_id"], solution["value"], strict=True)
    ]
    rows += [row.replace("_", ",") for row in rows]
    for file, text in texts(found.folder):
        assert not [row for row in rows if f"{row}\n" in text], file


def test_no_held_out_label_is_in_another_file(scenes: Source, tmp_path: Path) -> None:
    found = made(scenes, tmp_path / "out")
    solution = pd.read_csv(found.solution, dtype=str)
    held_out = Answers.read(scenes[2]("answers.json"))
    names = {file.name for file in (found.folder / "data" / "held_out").rglob("*.*")}
    assert names == {"gamma0.npy", "cells.npy", "metadata.json"}
    rows = [runs for runs in solution["rle"] if len(runs) > 40]
    assert len(rows) > 50
    for file, text in texts(found.folder):
        assert not [runs for runs in rows if runs in text], file
        assert not [n for n, s in held_out.scenes.items() if s.labels.decode("latin-1") in text]


def test_the_answers_themselves_score_1(scenes: Source, tmp_path: Path) -> None:
    """The answers themselves, filled where there are none, have no error on either part."""
    found = made(scenes, tmp_path / "out")
    held_out = Answers.read(scenes[2]("answers.json"))
    solution = pd.read_csv(found.solution)
    runs = solution[["row_id", "rle"]].copy()
    for name, scene in held_out.scenes.items():
        labels = np.frombuffer(scene.labels, np.uint8)
        # Cells without a label may have any class.
        runs.loc[runs["row_id"] == f"{name}_0", "rle"] = run_lengths(
            (labels == 255) | (labels == 0)
        )
    metric = metric_of(found.folder / "metric.py")
    for part in ("Public", "Private"):
        assert kaggle_scores(metric, solution, runs, part) == 1


def test_a_folder_with_something_in_it_is_left_as_it_is(series: Source, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("x")
    link, file = tmp_path / "link", tmp_path / "file"
    (tmp_path / "empty").mkdir()
    link.symlink_to(tmp_path / "empty")
    file.write_text("x")
    before = sorted(os.listdir(tmp_path))
    for place in (taken, link, file, link / ".." / "taken"):
        with pytest.raises(KaggleError, match="name a folder that is new or empty"):
            made(series, place)
    assert sorted(os.listdir(tmp_path)) == before
    assert os.listdir(tmp_path / "empty") == []
    assert made(series, tmp_path / "empty").folder == tmp_path / "empty"


def test_nothing_is_left_behind_where_metric_and_scorer_disagree(
    series: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "metrics"
    wrong.mkdir()
    right = (export.METRICS / "climate_series.py").read_text()
    (wrong / "climate_series.py").write_text(right.replace("LEAST_RATIO = 1e-3", "LEAST_RATIO = 2"))
    monkeypatch.setattr(export, "METRICS", wrong)
    with pytest.raises(KaggleError, match=r"metric.py gives .* our scorer gives 1\.0"):
        made(series, tmp_path / "out")
    assert os.listdir(tmp_path) == ["metrics"]


def test_data_and_answers_of_two_publications_are_refused(
    series: Source, scenes: Source, tmp_path: Path
) -> None:
    project, fetch, vault = series
    less = vault("answers.csv").decode().splitlines(keepends=True)

    def cut(name: str) -> bytes:
        return "".join(less[:-1]).encode() if name == "answers.csv" else vault(name)

    with pytest.raises(KaggleError, match="run cohort publish again"):
        export.export(competition(project), tmp_path / "out", fetch, cut)

    project, fetch, vault = scenes
    document = json.loads(vault(""))
    document["scenes"].pop(next(iter(document["scenes"])))
    with pytest.raises(KaggleError, match="the held-out scenes that are published are not those"):
        export.export(
            competition(project), tmp_path / "out", fetch, lambda _: json.dumps(document).encode()
        )
    assert os.listdir(tmp_path) == []


def test_published_labels_of_held_out_scenes_are_found(scenes: Source, tmp_path: Path) -> None:
    project, fetch, vault = scenes

    def spoilt(folder: Path) -> None:
        fetch(folder)
        scene = LandCover(folder).held_out[0]
        np.save(scene.folder / "labels.npy", np.zeros(scene.label_shape, np.uint8))

    with pytest.raises(KaggleError, match="has labels, and is held out"):
        export.export(competition(project), tmp_path / "out", spoilt, vault)
    assert os.listdir(tmp_path) == []


def test_what_is_not_published_or_damaged_is_told(series: Source, tmp_path: Path) -> None:
    project, fetch, vault = series
    with pytest.raises(KaggleError, match="nothing is published for climate-series"):
        export.export(competition(project), tmp_path / "out", lambda _: None, vault)
    with pytest.raises(KaggleError, match="the held-out answers"):
        export.export(competition(project), tmp_path / "out", fetch, lambda _: b"{}")
    assert os.listdir(tmp_path) == []


def test_the_pages_say_what_the_cohort_file_says(source: Source, tmp_path: Path) -> None:
    found = made(source, tmp_path / "out")
    metadata = json.loads((found.folder / "competition-metadata.json").read_text())
    slug = f"earth-2026-{source[0]}"
    assert metadata["slug"] == slug
    assert metadata["privacy"] == "PRIVATE"
    # The last day counts in full.
    assert json.loads((found.folder / "settings.json").read_text())["deadline"] == (
        "2027-03-16T00:00:00Z"
    )
    rules = (found.folder / "rules.md").read_text()
    assert "5 submissions a day" in rules
    assert "2027-03-15" in rules
    readme = (found.folder / "README.md").read_text()
    assert "Never show it to learners" in readme
    # The folder with the answers is never what is uploaded as data.
    assert re.findall(r"data update \S+ -p (\S+)", readme) == ["data"]
    assert f"kaggle competitions solution create {slug} -p solution.csv" in readme
    for name in ("description.md", "rules.md", "README.md"):
        assert not re.search(
            r"[{}]\w|\w[{}](?!length|start)",
            (found.folder / name).read_text().replace('f"{start} {length}"', ""),
        )
    description = (found.folder / "description.md").read_text()
    assert projects.of(source[0]).metric in description


def test_the_description_writes_the_runs_that_the_library_writes(
    scenes: Source, tmp_path: Path
) -> None:
    found = made(scenes, tmp_path / "out")
    lines = (found.folder / "description.md").read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("    def runs"))
    code = "\n".join(line[4:] for line in lines[start : start + 4])
    space: dict[str, object] = {"np": np}
    exec(code, space)  # noqa: S102
    runs = space["runs"]
    assert callable(runs)
    rng = np.random.default_rng(2)
    for density in (0, 0.1, 0.5, 1):
        mask = rng.random((9, 13)) < density
        assert runs(mask) == run_lengths(mask)
