"""Gathers what an image is built from: workspace_images/, the library's wheel, the templates.

The same checkout gives the same bytes, and so the same `source` digest: a changed line of the
library, a lock or a notebook makes another image, an unchanged checkout makes none.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from infra.cohort.images import IMAGE_OF_PROJECT, IMAGES
from infra.publishing import templates, wheel

IMAGES_FOLDER = Path(__file__).resolve().parents[2] / "workspace_images"

#: Of workspace_images/, what an image is made of; the rest is for those who build and check it.
_FILES = ("Dockerfile", "build.sh", "buildspec.yml")
_FOLDERS = ("academy", "locks")
#: Of locks/, what is used to make the locks, not to read them; and another base's.
_NOT_READ = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.in", "lock.py", "server.txt")


def stage(folder: Path) -> str:
    """Write the build context into `folder`, which must not exist; returns its `source` digest.

    Raises
    ------
    infra.publishing.wheel.BuildError, infra.publishing.templates.TemplateError
        The library or a template is not complete.
    """
    folder.mkdir(parents=True)
    for name in _FILES:
        shutil.copyfile(IMAGES_FOLDER / name, folder / name)
    for name in _FOLDERS:
        shutil.copytree(IMAGES_FOLDER / name, folder / name, ignore=_NOT_READ)
    library = wheel.build()
    _write(folder / "academy" / "wheels" / library.name, library.content)
    for image in IMAGES:
        projects = [project for project, of in IMAGE_OF_PROJECT.items() if of == image]
        for name, content in templates.home_files(projects).items():
            _write(folder / "academy" / "templates" / image / name, content)
    # An empty wheelhouse: packages come from the index.
    _write(folder / "wheelhouse" / "README", b"Packages, when there is no network. See build.sh.\n")
    for path in folder.rglob("*"):
        # Modes travel into the image; a checkout's umask must not.
        executable = path.is_dir() or path.suffix == ".sh" or path.parent.name == "bin"
        path.chmod(0o755 if executable else 0o644)
    return digest(folder)


def digest(folder: Path) -> str:
    """SHA-256, in hexadecimal, over the paths and contents of the files in `folder`."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
