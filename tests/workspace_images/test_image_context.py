"""What an image is built from, and what the Dockerfile promises about its stages."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from infra.cohort.images import IMAGES
from infra.publishing import image_context

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("context") / "one"
    return folder, image_context.stage(folder)


def test_the_same_checkout_gives_the_same_context(
    context: tuple[Path, str], tmp_path: Path
) -> None:
    folder, source = context
    assert image_context.stage(tmp_path / "two") == source
    one, two = (
        {p.relative_to(f).as_posix(): p.stat().st_mode for p in f.rglob("*")}
        for f in (folder, tmp_path / "two")
    )
    assert one == two


def test_any_change_is_another_source(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    seen = {image_context.digest(tmp_path)}
    (tmp_path / "a").write_text("2")
    seen.add(image_context.digest(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    seen.add(image_context.digest(tmp_path))
    (tmp_path / "c").write_text("")
    seen.add(image_context.digest(tmp_path))
    assert len(seen) == 4


def test_a_file_cannot_pass_for_two(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "a").write_bytes(b"xb\x001\x00y")
    (two / "a").write_bytes(b"x")
    (two / "b").write_bytes(b"y")
    assert image_context.digest(one) != image_context.digest(two)


def test_it_has_what_the_dockerfile_copies(context: tuple[Path, str]) -> None:
    folder, _ = context
    assert len(list((folder / "academy/wheels").glob("academy-*.whl"))) == 1
    for image in IMAGES:
        assert (folder / "locks" / f"{image}.txt").is_file()
        assert (folder / "academy/templates" / image / "welcome.ipynb").is_file()
    assert (folder / "academy/templates/segmentation/land_cover/land_cover.ipynb").is_file()
    assert (folder / "academy/templates/forecasting/climate_series/climate_series.ipynb").is_file()
    assert not (folder / "academy/templates/segmentation/climate_series").exists()


def test_it_has_nothing_that_an_image_is_not_made_of(context: tuple[Path, str]) -> None:
    folder, _ = context
    names = {path.name for path in folder.rglob("*")}
    assert not [n for n in names if n.endswith((".in", ".pyc")) or n == "__pycache__"]
    # Neither the record, which a build changes, nor how the images are checked.
    assert not {"versions.json", "verify", "stand_in", "lock.py", "server.txt"} & names


def test_programs_can_be_run_and_nothing_is_writable_by_others(context: tuple[Path, str]) -> None:
    folder, _ = context
    assert (folder / "academy/bin/start").stat().st_mode & stat.S_IXOTH
    assert not [path for path in folder.rglob("*") if path.stat().st_mode & stat.S_IWOTH]


def test_jupyterlabs_settings_are_json(context: tuple[Path, str]) -> None:
    folder, _ = context
    files = list((folder / "academy").rglob("*.json"))
    assert len(files) >= 4
    for file in files:
        json.loads(file.read_text(encoding="utf-8"))


# --- the Dockerfile -----------------------------------------------------------------------------
def stages() -> dict[str, list[str]]:
    """Stage -> its instructions, without comments and with continued lines joined."""
    text = (ROOT / "workspace_images/Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if match := re.fullmatch(r"FROM (\S+) AS (\w+)", line):
            name = match[2]
            found[name] = [line]
        elif name:
            found[name].append(line)
    return found


def test_the_training_stage_is_the_workspaces_files() -> None:
    """What works in the notebook works in the job: no instruction of it makes a layer."""
    training = stages()["training"]
    assert training[0] == "FROM workspace AS training"
    kinds = {line.split()[0] for line in training[1:]}
    assert kinds <= {"USER", "ENV", "WORKDIR", "ENTRYPOINT", "CMD", "LABEL"}
    # A folder that is not there yet would be made, and with it a layer.
    assert [line for line in training if line.startswith("WORKDIR")] == ["WORKDIR /"]


def test_a_space_runs_as_user_1000_and_a_job_as_root() -> None:
    def last(stage: str, kind: str) -> str:
        return [line for line in stages()[stage] if line.startswith(kind)][-1]

    assert last("workspace", "USER") == "USER 1000:100"
    assert last("training", "USER") == "USER 0"
    assert "/opt/academy/bin/start" in last("workspace", "ENTRYPOINT")
    assert "academy.job" in last("training", "ENTRYPOINT")


def test_nothing_lies_where_the_volume_or_sagemaker_hide_it() -> None:
    """The home is hidden by the space's volume; /opt/ml and .sagemakerinternal are SageMaker's."""
    for line in stages()["workspace"]:
        if line.startswith(("COPY", "ADD")):
            assert line.split()[-1].startswith("/opt/academy"), line
