"""Renews the images' locks from their inputs: every package by version and hash.

    make lock

The PyTorch stack (torch, torchvision and what CUDA needs) is kept apart, because it comes in two
builds. `torch-gpu.txt` holds the builds with CUDA that the package index serves; `torch-cpu.txt`
holds the CPU build of torch, which another index serves: what `pip download` finds with this
machine's pip settings, or at TORCH_INDEX. torchvision is the index's in both; its own operators
need a CUDA build of torch, and `academy/torchvision_operators.py` says what becomes of that.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

LOCKS = Path(__file__).resolve().parent
PYTHON = "3.11"
#: What SageMaker Distribution and AWS's GPU instances run.
PLATFORM = "x86_64-manylinux_2_28"
IMAGES = ("segmentation", "forecasting")

#: Packages of the PyTorch stack.
TORCH = re.compile(r"torch|torchvision|triton|nvidia-.+|cuda-.+")

_START = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")


class LockError(RuntimeError):
    """A lock could not be made; the message has the end of what the tool said."""


def main() -> None:
    first, *others = IMAGES
    entries = compiled(first)
    stack = {name: text for name, text in entries.items() if TORCH.fullmatch(name)}
    write("torch-gpu", "torch.in, the builds with CUDA", stack.values())
    write("torch-cpu", "torch.in, the CPU build of torch", cpu(stack))
    write(first, f"{first}.in, without PyTorch", _rest(entries))
    for image in others:
        # One PyTorch for all images: the others take what the first one got.
        entries = compiled(image, pinned=stack)
        write(image, f"{image}.in, without PyTorch", _rest(entries))
    for name in ("tools", "server"):
        write(name, f"{name}.in", compiled(name).values())


def _rest(entries: dict[str, str]) -> list[str]:
    return [text for name, text in entries.items() if not TORCH.fullmatch(name)]


def compiled(name: str, *, pinned: dict[str, str] | None = None) -> dict[str, str]:
    """Package -> its lines of a lock (requirement and hashes), sorted by name."""
    with tempfile.TemporaryDirectory() as scratch:
        out, pins = Path(scratch, "lock.txt"), Path(scratch, "pins.txt")
        pins.write_text("".join(f"{requirement(text)}\n" for text in (pinned or {}).values()))
        _run(
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", f"{name}.in"),
            *("--python-version", PYTHON, "--python-platform", PLATFORM),
            *("--generate-hashes", "--no-header", "--constraint", str(pins)),
            *("--output-file", str(out)),
        )
        return parse(out.read_text(encoding="utf-8"))


def parse(lock: str) -> dict[str, str]:
    """A lock's entries by package; comments that say who asked for it stay with their entry."""
    entries: dict[str, str] = {}
    current = ""
    for line in lock.splitlines(keepends=True):
        if found := _START.match(line):
            current = found["name"].lower()
            entries[current] = line
        elif line.startswith(" ") and current:
            # Where uv was told to look is of no interest here.
            if "pins.txt" not in line and line.strip() != "#   via":
                entries[current] += line
        elif line.strip() and not line.startswith("#"):
            raise LockError(f"a line of a lock was not understood: {line!r}")
    return entries


def requirement(entry: str) -> str:
    """`name==version` of an entry."""
    found = _START.match(entry)
    assert found is not None
    return found[0]


def cpu(stack: dict[str, str]) -> list[str]:
    """The stack's CPU entries: torch by the hash of its CPU build, torchvision as it is."""
    wanted = requirement(stack["torch"])
    with tempfile.TemporaryDirectory() as scratch:
        index = os.environ.get("TORCH_INDEX")
        _run(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch),
            *("--python-version", PYTHON, "--only-binary", ":all:"),
            *(("--index-url", index) if index else ()),
            wanted,
        )
        (wheel,) = Path(scratch).glob("torch-*.whl")
        if "+cpu" not in wheel.name:
            raise LockError(
                f"pip found {wheel.name}, which is no CPU build. Set TORCH_INDEX to the address of "
                "PyTorch's index of CPU builds, as its installation page gives it."
            )
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return [f"{wanted}+cpu \\\n    --hash=sha256:{digest}\n", stack["torchvision"]]


def write(name: str, source: str, entries: Iterable[str]) -> None:
    text = f"# Made by `make lock` from {source}.\n" + "".join(entries)
    file = LOCKS / f"{name}.txt"
    file.write_text(text, encoding="utf-8")
    print(f"{file.name}: {text.count('==')} packages")


def _run(*command: str) -> None:
    ended = subprocess.run(command, cwd=LOCKS, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise LockError(f"{' '.join(command[:6])} … failed:\n{ended.stderr[-2000:]}")


if __name__ == "__main__":
    try:
        main()
    except LockError as error:
        sys.exit(str(error))
