"""Builds the learners' library as a wheel: without a network, the same bytes from the same source.

The build runs in a copy of the source, so that no build folder is left in the repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infra.publishing import LIBRARY

#: What a build needs; caches and leftovers of an editable install are not copied.
_PARTS = ("pyproject.toml", "README.md", "academy")
#: 1980-01-01, the earliest time that a zip file can hold.
_EPOCH = "315532800"


class BuildError(RuntimeError):
    """The wheel could not be built; the message has the end of what the build said."""


@dataclass(frozen=True)
class Wheel:
    """A built wheel."""

    name: str
    content: bytes

    @property
    def key(self) -> str:
        """Its object in the data bucket."""
        return f"software/{self.name}"


def build(library: Path = LIBRARY) -> Wheel:
    """The wheel of the library in the folder `library`.

    Raises
    ------
    BuildError
        The source is not complete, or setuptools could not build it.
    """
    with tempfile.TemporaryDirectory(prefix="academy-wheel-") as scratch:
        source, target = Path(scratch) / "source", Path(scratch) / "wheel"
        source.mkdir()
        target.mkdir()
        for part in _PARTS:
            _copy(library / part, source / part)
        command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
        command += ["--no-index", "--disable-pip-version-check", "--no-cache-dir"]
        run = subprocess.run(
            [*command, "--quiet", "--wheel-dir", str(target), str(source)],
            cwd=scratch,
            env={**_quiet_environment(), "SOURCE_DATE_EPOCH": _EPOCH},
            # What the build itself writes goes into the wheel with its mode, too.
            umask=0o022,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        built = sorted(target.glob("academy-*.whl"))
        if run.returncode != 0 or len(built) != 1:
            raise BuildError(
                f"The library's wheel could not be built:\n{(run.stdout + run.stderr)[-2000:]}"
            )
        return Wheel(built[0].name, built[0].read_bytes())


def _quiet_environment() -> dict[str, str]:
    """The environment without what would point pip or Python elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "DISTUTILS", "SETUPTOOLS"))
    }


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for entry in sorted(source.iterdir()):
            if entry.name != "__pycache__" and entry.suffix != ".pyc":
                _copy(entry, target / entry.name)
    elif source.is_file():
        shutil.copyfile(source, target)
        # Modes travel into the wheel; a checkout's umask must not.
        target.chmod(0o644)
    else:
        raise BuildError(f"{source} is missing")
