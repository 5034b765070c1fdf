"""The programs of an image, run for real beside stand-ins for what only the image has."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "workspace_images"
HOOK = IMAGES / "academy" / "python" / "academy_torchvision.py"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# --- torchvision beside PyTorch's CPU build
def imported(folder: Path, *, cuda: str | None, code: str) -> str:
    """What `code` prints where torch has this CUDA and torchvision is as on the package index."""
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(
        "declared = []\n"
        "class library:\n"
        "    define = staticmethod(lambda name, schema: declared.append(name))\n"
        f"class version:\n    cuda = {cuda!r}\n"
    )
    (folder / "torchvision.py").write_text(
        "import torch\n"
        "if torch.version.cuda is None and 'torchvision::nms' not in torch.declared:\n"
        "    raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    shutil.copy(HOOK, folder)
    # As the environment's .pth file does when Python starts.
    return subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


SHOW = "import torch; print(torch.declared)"


def test_without_the_hook_torchvision_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        imported(tmp_path, cuda=None, code="import torchvision")
    assert "torchvision::nms does not exist" in failed.value.stderr


def test_with_it_the_two_operators_are_declared_just_before_the_import(tmp_path: Path) -> None:
    code = f"import academy_torchvision, torch; {SHOW}; import torchvision; {SHOW}"
    before, after = imported(tmp_path, cuda=None, code=code).splitlines()
    assert (before, after) == ("[]", "['torchvision::nms', 'torchvision::qnms']")


def test_they_are_declared_once(tmp_path: Path) -> None:
    code = (
        "import academy_torchvision, torchvision, importlib; importlib.reload(torchvision); " + SHOW
    )
    assert imported(tmp_path, cuda=None, code=code).count("::nms") == 1


def test_beside_a_cuda_build_nothing_is_declared(tmp_path: Path) -> None:
    code = f"import academy_torchvision, torchvision; {SHOW}"
    assert imported(tmp_path, cuda="13.0", code=code).strip() == "[]"


def test_starting_python_imports_no_torch(tmp_path: Path) -> None:
    code = "import academy_torchvision, sys; print('torch' in sys.modules)"
    assert imported(tmp_path, cuda=None, code=code).strip() == "False"


# --- the entrypoint of a space
def start(root: Path, *, sync: str) -> subprocess.CompletedProcess[str]:
    program(root / "venv/bin/python", sync)
    bin_folder = root / "path"
    program(
        bin_folder / "entrypoint-jupyter-server",
        'echo "jupyter $* as $SAGEMAKER_APP_TYPE"',
    )
    return subprocess.run(
        ["bash", str(IMAGES / "academy/bin/start"), "--option"],
        env={"ACADEMY_ROOT": str(root), "PATH": f"{bin_folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_space_brings_the_templates_and_then_starts_jupyterlab(tmp_path: Path) -> None:
    ended = start(tmp_path, sync='echo "python $*"')
    sync, jupyter = ended.stdout.splitlines()
    assert sync == f"python -I -m academy.home {tmp_path}/templates"
    assert jupyter == "jupyter --option as JupyterLab"


def test_jupyterlab_starts_even_if_the_templates_cannot_be_brought(tmp_path: Path) -> None:
    ended = start(tmp_path, sync="echo no space left >&2; exit 1")
    assert ended.returncode == 0
    assert "jupyter" in ended.stdout
    assert "the templates were not brought" in ended.stderr


# --- the build
def build(folder: Path, *, docker: str = "true", **variables: str) -> tuple[int, list[str], str]:
    """Exit code, docker's calls and what was said of build.sh with these variables."""
    calls = folder / "calls"
    program(folder / "path/docker", f'echo "$*" >>{calls}; {docker}')
    shutil.copy(IMAGES / "build.sh", folder)
    ended = subprocess.run(
        ["bash", str(folder / "build.sh")],
        env={"PATH": f"{folder / 'path'}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    found = calls.read_text().splitlines() if calls.exists() else []
    return ended.returncode, found, ended.stderr


WHOLE = {
    "PROJECT": "segmentation",
    "ACCELERATOR": "gpu",
    "REPOSITORY": "123456789012.dkr.ecr.us-east-1.amazonaws.com/academy/segmentation-gpu",
    "TAG": "build-0123456789abcdef",
    "SOURCE": "0123456789abcdef",
}


def test_both_stages_are_built_checked_and_pushed_in_this_order(tmp_path: Path) -> None:
    code, calls, _ = build(tmp_path, **WHOLE)
    assert code == 0
    assert [call.split()[0] for call in calls] == ["build", "build", "run", "push", "push"]
    name = f"{WHOLE['REPOSITORY']}:{WHOLE['TAG']}"
    for call, stage in zip(calls[:2], ("workspace", "training"), strict=True):
        assert f"--target {stage} --tag {name}-{stage}" in call
        assert "sagemaker-distribution:4.4.1-gpu" in call
        assert "PROJECT=segmentation" in call
    assert calls[2].endswith(f"{name}-training /opt/academy/check")
    assert calls[3:] == [f"push {name}-workspace", f"push {name}-training"]


def test_both_stages_are_built_from_the_same(tmp_path: Path) -> None:
    _, calls, _ = build(tmp_path, **WHOLE)
    workspace, training = (call.split() for call in calls[:2])
    different = [pair for pair in zip(workspace, training, strict=True) if pair[0] != pair[1]]
    assert len(different) == 2  # the target and the tag


def test_an_image_whose_check_fails_is_not_pushed(tmp_path: Path) -> None:
    code, calls, _ = build(tmp_path, docker='[[ "$1" != run ]]', **WHOLE)
    assert code != 0
    assert not [call for call in calls if call.startswith("push")]


@pytest.mark.parametrize("missing", ["PROJECT", "ACCELERATOR", "REPOSITORY", "TAG"])
def test_a_build_without_a_variable_says_which(tmp_path: Path, missing: str) -> None:
    some = {name: value for name, value in WHOLE.items() if name != missing}
    code, calls, said = build(tmp_path, **some)
    assert (code, calls) == (2, [])
    assert f"set {missing}" in said


@pytest.mark.parametrize("arguments", [("detection", "cpu"), ("segmentation", "tpu")])
def test_an_image_that_is_none_of_ours_is_not_installed(arguments: tuple[str, str]) -> None:
    ended = subprocess.run(
        ["bash", str(IMAGES / "locks/install.sh"), *arguments, "/nonexistent"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert " ".join(arguments[:1]) in ended.stderr


# --- the check of the libraries
def check(folder: Path, common: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(IMAGES / "academy/check/__main__.py", folder)
    (folder / "common.py").write_text(common)
    (folder / "forecasting.py").write_text("CHECKS = {'xarray': lambda: 'fine'}")
    root = folder / "root"
    root.mkdir()
    (root / "image.json").write_text(json.dumps({"project": "forecasting"}))
    return subprocess.run(
        [sys.executable, str(folder), "--json", str(folder / "found.json")],
        env={**os.environ, "ACADEMY_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_check_knows_which_image_it_is_in(tmp_path: Path) -> None:
    ended = check(tmp_path, "CHECKS = {}")
    assert (ended.returncode, "1 of 1" in ended.stdout) == (0, True)
    assert json.loads((tmp_path / "found.json").read_text())["project"] == "forecasting"


@pytest.mark.parametrize(
    "broken",
    [
        "def torch(): raise ImportError('libcudart')",
        "def torch(): assert 1 == 2, 'libcudart'",
        "def torch(): raise SystemExit('libcudart')",
    ],
)
def test_a_library_that_does_not_work_fails_the_check_and_the_others_are_still_tried(
    tmp_path: Path, broken: str
) -> None:
    ended = check(tmp_path, f"{broken}\nCHECKS = {{'torch': torch}}")
    assert ended.returncode == 1
    assert "these do not: torch" in ended.stderr
    found = json.loads((tmp_path / "found.json").read_text())["checks"]
    assert [(c["library"], c["failed"]) for c in found] == [("torch", True), ("xarray", False)]
    assert "libcudart" in found[0]["saw"]
