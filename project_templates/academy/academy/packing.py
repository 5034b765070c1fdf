"""Packs a folder with a script for a job, and unpacks archives that are not to be trusted.

Standard library only, from Python 3.11.4 on: this runs in training containers before anything else.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from academy.errors import SourceError

if not hasattr(tarfile, "data_filter"):
    # Python before 3.11.4, as Debian 12 has it, extracts without a filter (PEP 706).
    from backports import tarfile  # type: ignore[no-redef,import-not-found,unused-ignore]

#: One file above this is data or a model, not source: it stays behind.
MAX_FILE_BYTES = 10 * 2**20
#: All files together.
MAX_TOTAL_BYTES = 50 * 2**20
MAX_FILES = 2000
#: What unpacking may write to the disk: 20 GB, far below a job's volume.
MAX_UNPACKED_BYTES = 20 * 2**30
MAX_MEMBERS = 100_000

SKIPPED_FOLDERS = frozenset(
    {
        ".git",
        ".hg",
        ".ipynb_checkpoints",
        "__pycache__",
        ".venv",
        "venv",
        ".cache",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "node_modules",
    }
)
SKIPPED_ENDINGS = (".ipynb", ".pyc", ".new")


@dataclass(frozen=True)
class Packed:
    """A source archive and what stayed behind, with the reason for each."""

    content: bytes
    files: tuple[str, ...]
    left_behind: tuple[str, ...]


def pack(folder: Path, script: str) -> Packed:
    """The folder as tar.gz. The same files give the same bytes.

    Notebooks, caches, version control, links and files above 10 MB stay behind.

    Parameters
    ----------
    folder
        The source folder.
    script
        Path of the script, relative to the folder, with ``/``.

    Raises
    ------
    SourceError
        The script is not in the folder, or there is too much in it.
    """
    if not (folder / script).is_file():
        raise SourceError(f"There is no {script} in {folder}.")
    left_behind: list[str] = []
    chosen: list[Path] = []
    total = 0
    for file in _files(folder, left_behind):
        name = file.relative_to(folder).as_posix()
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            if name == script:
                raise SourceError(f"{script} has {_mb(size)}: a script has at most 10 MB.")
            left_behind.append(f"{name} ({_mb(size)}; files above 10 MB stay behind)")
            continue
        chosen.append(file)
        total += size
        if total > MAX_TOTAL_BYTES or len(chosen) > MAX_FILES:
            raise SourceError(
                f"{folder} is too much to send with a job: at most {_mb(MAX_TOTAL_BYTES)} and "
                f"{MAX_FILES} files. Put your script into a folder of its own, with only the "
                "files that it needs."
            )
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in chosen:
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())
            content = file.read_bytes()
            member.size = len(content)
            member.mode = 0o755 if os.access(file, os.X_OK) else 0o644
            archive.addfile(member, io.BytesIO(content))
    names = tuple(file.relative_to(folder).as_posix() for file in chosen)
    if script not in names:
        raise SourceError(f"{script} is among the files that are never sent: {left_behind}.")
    return Packed(packed.getvalue(), names, tuple(left_behind))


def _files(folder: Path, left_behind: list[str]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
        for name in list(folders):
            if (Path(parent) / name).is_symlink():
                folders.remove(name)
                left_behind.append(f"{(Path(parent) / name).relative_to(folder)} (a link)")
        for name in sorted(names):
            file = Path(parent) / name
            if name.endswith(SKIPPED_ENDINGS):
                continue
            if file.is_symlink() or not file.is_file():
                left_behind.append(f"{file.relative_to(folder)} (a link, or no plain file)")
                continue
            yield file


def unpack(archive: Path, folder: Path, limit: int = MAX_UNPACKED_BYTES) -> None:
    """Unpacks a tar.gz into `folder`, which must not exist: all of it, or nothing.

    Absolute names, names that climb out, links out of the folder and devices are refused (the
    ``data`` filter of tarfile), and so is an archive that unpacks to more than `limit` bytes.

    Raises
    ------
    SourceError
        The archive is damaged, or holds something of the above.
    """
    if folder.exists():
        raise SourceError(f"{folder} exists already.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        target = Path(scratch) / "content"
        target.mkdir()
        try:
            with tarfile.open(archive, "r:gz") as content:
                total = 0
                for count, member in enumerate(content, start=1):
                    total += member.size
                    if total > limit or count > MAX_MEMBERS:
                        raise SourceError(f"{archive.name} unpacks to too much; it is not used.")
                    content.extract(member, target, filter="data")
        except tarfile.FilterError as problem:
            raise SourceError(f"{archive.name} is not safe to unpack: {problem}.") from None
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, OSError, ValueError) as problem:
            raise SourceError(f"{archive.name} cannot be unpacked: {problem}.") from None
        target.rename(folder)


def _mb(size: int) -> str:
    return f"{size / 2**20:.0f} MB"
