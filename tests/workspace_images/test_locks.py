"""The images' locks: whole, hashed, one PyTorch for all, a reason and a check for each library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.cohort.images import IMAGES
from workspace_images.locks import lock

LOCKS = Path(lock.__file__).parent
CHECK = LOCKS.parent / "academy" / "check"
LOCKED = sorted(file.stem for file in LOCKS.glob("*.txt"))

#: Asked for by the library or the locks, and no library that a learner would import.
UNCHECKED = {"backports.tarfile"}


def asked(name: str) -> dict[str, str]:
    """Library -> reason, of an input file and those that it includes."""
    found = {}
    for line in (LOCKS / f"{name}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= asked(line[3:].removesuffix(".in"))
        elif line and not line.startswith("#"):
            requirement, _, reason = line.partition("#")
            found[Requirement(requirement.strip()).name] = reason.strip()
    return found


def entries(name: str) -> dict[str, str]:
    return lock.parse((LOCKS / f"{name}.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LOCKED)
def test_every_package_is_held_to_hashes(name: str) -> None:
    found = entries(name)
    assert found
    for package, text in found.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", text), package


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_asked_for_is_locked(image: str) -> None:
    locked = {canonicalize_name(n) for n in (*entries(image), *entries("torch-gpu"))}
    assert {canonicalize_name(name) for name in asked(image)} <= locked


@pytest.mark.parametrize("name", [*IMAGES, "torch", "tools", "server"])
def test_each_library_has_its_reason(name: str) -> None:
    reasons = asked(name)
    assert reasons
    # `tools` says at the top what all of them are for.
    assert name == "tools" or all(len(reason.split()) > 1 for reason in reasons.values()), reasons


@pytest.mark.parametrize("image", IMAGES)
def test_each_library_is_imported_and_used_by_a_check(image: str) -> None:
    said = subprocess.run(
        [sys.executable, str(CHECK), "--list", image], capture_output=True, text=True, check=True
    )
    assert set(asked(image)) - UNCHECKED <= set(said.stdout.split())


def test_pytorch_stands_in_its_own_locks_alone() -> None:
    assert "torch" in entries("torch-gpu")
    assert set(entries("torch-cpu")) == {"torch", "torchvision"}
    for image in IMAGES:
        assert not [name for name in entries(image) if lock.TORCH.fullmatch(name)]


def test_both_builds_of_pytorch_are_of_one_version() -> None:
    gpu, cpu = (entries(f"torch-{kind}")["torch"] for kind in ("gpu", "cpu"))
    assert lock.requirement(cpu) == f"{lock.requirement(gpu)}+cpu"


def test_the_images_python_is_the_tests() -> None:
    """What the tests pass on is what learners get."""
    assert ".".join(map(str, sys.version_info[:2])) == lock.PYTHON


def test_a_lock_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(lock.LockError, match="not understood"):
        lock.parse("torch==2.13.0 \\\n    --hash=sha256:aa\ngit+https://example.org/x\n")


def test_no_lock_names_an_index() -> None:
    for file in LOCKS.iterdir():
        if file.is_file():
            assert "://" not in file.read_text(encoding="utf-8"), file.name
