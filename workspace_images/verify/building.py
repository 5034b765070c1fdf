"""Builds the real Dockerfile without a Docker engine: buildah, on a base of Debian's packages.

Everything lies in one folder, so that `make clean` takes it all: the base's packages, wheels by
lock, and buildah's own storage. After the first run nothing comes from the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.publishing import image_context

WORKSPACE_IMAGES = Path(__file__).resolve().parents[1]
LOCKS = WORKSPACE_IMAGES / "locks"
STAND_IN = WORKSPACE_IMAGES / "stand_in"

#: Debian's packages for the base: Python 3.11, a shell, what a training job's driver asks for.
DEBIAN = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "git", "curl")
TOOLS = ("buildah", "bwrap", "mmdebstrap")

STAGES = ("workspace", "training")


class Refused(Exception):
    """It cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Image:
    """A built image: its name in buildah's storage, and what was measured."""

    name: str
    digest: str
    layers: tuple[str, ...]
    bytes: int
    seconds: float


class Workshop:
    """The folder in which images are built."""

    def __init__(self, folder: Path, driver: str = "") -> None:
        """`driver` is buildah's for its storage, if not the best that works here."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._storage = ("--root", str(folder / "storage"), "--runroot", str(folder / "run"))
        if driver:
            self.driver = driver

    # --- what it needs ----------------------------------------------------------------------------
    def require_tools(self) -> None:
        """Raises: Refused, with the one command that installs what is missing."""
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing or os.geteuid() != 0:
            raise Refused(
                "make image needs root on a Debian or Ubuntu machine, and "
                f"{', '.join(TOOLS)}: apt-get install buildah mmdebstrap bubblewrap "
                f"(missing: {', '.join(missing) or 'root'})"
            )

    def wheelhouse(self, *locks: str) -> Path:
        """A folder with every package of these locks, each checked against its hash."""
        texts = [(LOCKS / f"{lock}.txt").read_bytes() for lock in locks]
        name = hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
        target = self.folder / "wheelhouses" / f"{locks[-1]}-{name}"
        if target.is_dir():
            return target
        part = target.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        for lock in locks:
            _run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--require-hashes", "--disable-pip-version-check", "--dest", str(part)),
                *("--requirement", str(LOCKS / f"{lock}.txt")),
            )
        for older in target.parent.glob(f"{locks[-1]}-*"):
            if older != part:
                shutil.rmtree(older)
        part.rename(target)
        return target

    # --- the base ---------------------------------------------------------------------------------
    def base(self) -> Image:
        """What stands in for SageMaker Distribution."""
        rootfs = self.folder / f"{DEBIAN}.tar"
        if not rootfs.exists():
            part = rootfs.with_suffix(".part.tar")
            _run(
                *("mmdebstrap", "--mode=root", "--variant=minbase"),
                *(f"--include={','.join(PACKAGES)}", DEBIAN, str(part)),
            )
            part.rename(rootfs)
        context = self.folder / "base-context"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(STAND_IN, context)
        _link(rootfs, context / "rootfs.tar")
        (context / "locks").mkdir()
        for lock in ("tools", "server"):
            shutil.copyfile(LOCKS / f"{lock}.txt", context / "locks" / f"{lock}.txt")
        _link_tree(self.wheelhouse("tools", "server"), context / "wheelhouse")
        return self.build(context, "localhost/academy-stand-in:cpu")

    # --- images -----------------------------------------------------------------------------------
    def context(self, project: str) -> tuple[Path, str]:
        """The build context as CodeBuild gets it, with a wheelhouse in it; and its digest."""
        context = self.folder / f"context-{project}"
        shutil.rmtree(context, ignore_errors=True)
        source = image_context.stage(context)
        shutil.rmtree(context / "wheelhouse")
        _link_tree(self.wheelhouse("tools", "torch-cpu", project), context / "wheelhouse")
        return context, source

    def image(self, context: Path, project: str, stage: str, base: Image, source: str) -> Image:
        """One stage of a project's image; `workspace` before `training`."""
        name = f"localhost/academy/{project}-cpu"
        target = ("--target", stage)
        if not self.layered and stage == "training":
            # Built anew it would be another: it starts from the stage that is there.
            target = ("--file", str(self._second_stage(context, f"{name}:workspace")))
        return self.build(
            context,
            f"{name}:{stage}",
            *target,
            *("--build-arg", f"BASE_IMAGE={base.name}"),
            *("--build-arg", f"PROJECT={project}"),
            *("--build-arg", "ACCELERATOR=cpu"),
            *("--build-arg", f"SOURCE={source}"),
        )

    def _second_stage(self, context: Path, first: str) -> Path:
        """The Dockerfile's stage `training` alone, on the image `first`."""
        text = (context / "Dockerfile").read_text(encoding="utf-8")
        file = context.with_suffix(".training")
        file.write_text(f"FROM {first}\n{text.split('FROM workspace AS training', 1)[1]}")
        return file

    def build(self, context: Path, name: str, *arguments: str) -> Image:
        started = time.monotonic()
        self._buildah(
            *("build", "--isolation", "chroot", "--format", "docker", "--pull-never"),
            *(f"--layers={str(self.layered).lower()}", "--tag", name, *arguments, str(context)),
        )
        seconds = time.monotonic() - started
        # What the name stood for before, with what was built on the way to it.
        self._buildah("rmi", "--prune")
        found = json.loads(self._buildah("inspect", "--type", "image", name))
        layers = found["Docker"]["rootfs"]["diff_ids"]
        size = json.loads(self._buildah("images", "--json", name))[0]["size"]
        return Image(name, found["FromImageDigest"], tuple(layers), _bytes(size), seconds)

    @property
    def layered(self) -> bool:
        """Whether each step is kept: on vfs each would be a copy of everything below it."""
        return self.driver == "overlay"

    def config(self, name: str) -> dict[str, Any]:
        """An image's configuration: Env, User, Entrypoint, Cmd, WorkingDir."""
        found = json.loads(self._buildah("inspect", "--type", "image", name))
        config: dict[str, Any] = found["Docker"]["config"]
        return config

    @cached_property
    def driver(self) -> str:
        """overlay where the file system lets buildah have it, else vfs."""
        probe = ("buildah", *self._storage, "--storage-driver", "overlay", "images")
        works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
        return "overlay" if works else "vfs"

    def mounted(self, name: str) -> tuple[str, Path]:
        """A working container of an image, and where its files are; writes go to it alone."""
        container = self._buildah("from", "--pull-never", name).strip().splitlines()[-1]
        return container, Path(self._buildah("mount", container).strip())

    def remove(self, container: str) -> None:
        self._buildah("umount", container)
        self._buildah("rm", container)

    def _buildah(self, *arguments: str) -> str:
        return _run("buildah", *self._storage, "--storage-driver", self.driver, *arguments)


def _bytes(size: str | int) -> int:
    """Bytes of what `buildah images` tells: "2.1 GB"."""
    if isinstance(size, int):
        return size
    number, unit = size.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _link_tree(source: Path, target: Path) -> None:
    target.mkdir()
    for file in sorted(source.iterdir()):
        _link(file, target / file.name)


def _run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = f"{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}".strip()
        raise Refused(f"{' '.join(command[:12])} … ended with {ended.returncode}:\n{said}")
    return ended.stdout
