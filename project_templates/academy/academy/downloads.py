"""Downloads a project's data: once, several files at a time, and then only what changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath
from typing import Any

from academy.cloud import Cloud, Missing, StoredObject
from academy.errors import DatasetError
from academy.progress import Progress
from academy.workspace import Workspace

CACHE_VARIABLE = "ACADEMY_CACHE"
MAX_BYTES = 50 * 10**9
#: Files at a time: S3 gives each connection less than a space's network.
AT_ONCE = 8
#: Less is there before anyone has read about its progress.
SHOWN_BYTES = 5 * 10**6
#: What is left for the learner's own files.
SPARE_BYTES = 200 * 10**6

Mark = dict[str, Any]


def cache_folder() -> Path:
    """Where downloads are kept: ACADEMY_CACHE, or ``~/.cache/academy``."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "academy"


def fetch(cloud: Cloud, workspace: Workspace, project: str) -> Path:
    """The folder of the project's data in the cache; only what changed is downloaded.

    Raises
    ------
    DatasetError
        The cohort has no such project, nothing is published for it, a name is not safe, or the
        disk is too small.
    """
    if project not in workspace.projects:
        raise DatasetError(
            f"There is no project {project!r} in this cohort. Projects: "
            f"{', '.join(workspace.projects)}."
        )
    bucket, prefix = workspace.buckets["data"], f"{workspace.prefixes['datasets']}{project}/"
    objects = [entry for entry in cloud.objects(bucket, prefix) if not entry.key.endswith("/")]
    if not objects:
        raise DatasetError(f"No data of {project} are published yet. Ask your advisor.")
    if sum(entry.size for entry in objects) > MAX_BYTES:
        raise DatasetError(
            f"{project} has more than {MAX_BYTES // 10**9} GB: too much for a space."
        )
    folder = cache_folder() / bucket / project
    marks = _Marks(folder.with_name(f".{project}.json"))
    wanted = {_safe(entry.key.removeprefix(prefix)): entry for entry in objects}
    needed = {
        name: entry
        for name, entry in wanted.items()
        if not _current(folder / name, marks.get(name), entry)
    }
    try:
        if needed:
            _room(folder, needed)
            for name, mark in _downloads(cloud, bucket, folder, needed, f"Data of {project}"):
                marks.set(name, mark)
        # What is no longer published must not be taken for current data.
        for name in marks.names - set(wanted):
            (folder / _safe(name)).unlink(missing_ok=True)
            marks.set(name, None)
    finally:
        marks.write()
    return folder


class _Marks:
    """What was downloaded, by name, in a file beside the folder.

    It is written every few seconds: a download that is interrupted goes on where it was.
    """

    PAUSE = 2.0

    def __init__(self, file: Path) -> None:
        self._file = file
        self._marks = _read_marks(file)
        self._changed = False
        self._written = time.monotonic()

    @property
    def names(self) -> set[str]:
        return set(self._marks)

    def get(self, name: str) -> Mark | None:
        return self._marks.get(name)

    def set(self, name: str, mark: Mark | None) -> None:
        if mark is None:
            self._marks.pop(name, None)
        else:
            self._marks[name] = mark
        self._changed = True
        if time.monotonic() - self._written > self.PAUSE:
            self.write()

    def write(self) -> None:
        if self._changed:
            _write(self._file, json.dumps(self._marks).encode())
            self._changed, self._written = False, time.monotonic()


def _room(folder: Path, needed: Mapping[str, StoredObject]) -> None:
    """What is downloaded anew takes the place of what it replaces only afterwards."""
    size = sum(entry.size for entry in needed.values())
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > SHOWN_BYTES and size + SPARE_BYTES > free:
        raise DatasetError(
            f"The data need {_size(size)} and {folder} has {_size(free)} left. Delete what you no "
            f"longer need, or set {CACHE_VARIABLE} to a folder on a larger disk."
        )


def _downloads(
    cloud: Cloud, bucket: str, folder: Path, needed: Mapping[str, StoredObject], title: str
) -> Iterator[tuple[str, Mark]]:
    """Each file's name and mark when it has come; the first that fails ends them all."""
    total = sum(entry.size for entry in needed.values())
    progress = Progress(title) if total > SHOWN_BYTES else None
    stopping = threading.Event()

    def one(name: str, entry: StoredObject) -> tuple[str, Mark] | None:
        # Cancelling reaches only what has not begun, and a thread begins the next at once.
        return None if stopping.is_set() else (name, _download(cloud, bucket, entry, folder / name))

    done = count = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download") as pool:
        try:
            for future in as_completed([pool.submit(one, *item) for item in needed.items()]):
                result = future.result()
                if result is None:
                    continue
                yield result
                done, count = done + needed[result[0]].size, count + 1
                if progress:
                    state = "Downloading" if count < len(needed) else "Completed"
                    files = f"{count} of {len(needed)} files"
                    progress.update(state, [], f"{files}, {_size(done)} of {_size(total)}")
        finally:
            stopping.set()


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _safe(name: str) -> str:
    path = PurePosixPath(name)
    if (
        not name
        or path.is_absolute()
        or "\\" in name
        or "\0" in name
        or ".." in path.parts
        or str(path) != name
    ):
        raise DatasetError(f"The published data have a file named {name!r}, which is not safe.")
    return name


def _current(file: Path, mark: Mapping[str, Any] | None, entry: StoredObject) -> bool:
    """Whether the file is as downloaded, and what was downloaded is still what is published."""
    if not mark or mark.get("etag") != entry.etag:
        return False
    try:
        stat = file.stat()
    except OSError:
        return False
    if (stat.st_size, stat.st_mtime_ns) == (mark.get("size"), mark.get("mtime")):
        return True
    return stat.st_size == mark.get("size") and _sha256(file) == mark.get("sha256")


def _download(cloud: Cloud, bucket: str, entry: StoredObject, file: Path) -> Mark:
    """Writes the file in one move, so that a broken download never looks like data."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".downloading-")
    os.close(handle)
    scratch = Path(name)
    try:
        try:
            cloud.download(bucket, entry.key, scratch)
        except Missing:
            raise DatasetError(
                f"{entry.key} was withdrawn while it was downloaded. Try again."
            ) from None
        size = scratch.stat().st_size
        if size != entry.size:
            raise DatasetError(f"{entry.key} arrived with {size} of {entry.size} bytes. Try again.")
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
    stat = file.stat()
    return {
        "etag": entry.etag,
        "size": stat.st_size,
        "mtime": stat.st_mtime_ns,
        "sha256": _sha256(file),
    }


def _read_marks(file: Path) -> dict[str, Mark]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f"{file.name}.{os.getpid()}.part")
    scratch.write_bytes(content)
    os.replace(scratch, file)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
