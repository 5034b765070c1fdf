"""A project's data on this machine: downloaded once, checked, and given as numpy arrays."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.cloud import Cloud, Missing, StoredObject
from academy.errors import DatasetError
from academy.workspace import Workspace

Array = npt.NDArray[np.float64]

CACHE_VARIABLE = "ACADEMY_CACHE"
MAX_BYTES = 50 * 10**9


def cache_folder() -> Path:
    """Where downloads are kept: ACADEMY_CACHE, or ``~/.cache/academy``."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "academy"


@dataclass(frozen=True)
class Task:
    """What is asked: `horizon` values of each of `series`, the first at `first_step`."""

    project: str
    horizon: int
    season: int
    metric: str
    series: tuple[str, ...]
    first_step: Mapping[str, int]

    @classmethod
    def read(cls, file: Path) -> Task:
        """From ``task.json``."""
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            return cls(
                project=document["project"],
                horizon=int(document["horizon"]),
                season=int(document["season"]),
                metric=document["metric"],
                series=tuple(document["series"]),
                first_step={name: int(document["first_step"][name]) for name in document["series"]},
            )
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DatasetError(f"{file} cannot be read as a task ({problem}).") from None


@dataclass(frozen=True)
class Dataset:
    """A project's folder of data, and what is in it.

    A training script gets one from ``Dataset(os.environ["SM_CHANNEL_DATA"])``, a notebook from
    `academy.dataset`: both see the same.
    """

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        object.__setattr__(self, "folder", Path(folder))
        if not self.folder.is_dir():
            raise DatasetError(f"{self.folder} is no folder.")

    @functools.cached_property
    def task(self) -> Task:
        """What is asked."""
        return Task.read(self.folder / "task.json")

    @functools.cached_property
    def history(self) -> dict[str, Array]:
        """Each series' known past, shape (n,), oldest first."""
        return read_series(self.folder / "history.csv")

    @functools.cached_property
    def sample_submission(self) -> list[tuple[str, int, float]]:
        """A complete forecast, the seasonal naive: rows of (series, step, value)."""
        return read_rows(self.folder / "sample_submission.csv")

    @functools.cached_property
    def practice(self) -> dict[str, tuple[list[str], Array]]:
        """Public records to practise on: (months ``YYYY-MM``, values) by name. Gaps are absent."""
        found: dict[str, tuple[list[str], Array]] = {}
        for file in sorted((self.folder / "practice").glob("*.csv")):
            months: list[str] = []
            values: list[float] = []
            for row in _table(file, ("series", "month", "value")):
                months.append(row[1])
                values.append(_number(file, row[2]))
            found[file.stem] = (months, np.array(values))
        return found

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        if not (self.folder / "task.json").is_file():
            return f"Dataset in {self.folder}"
        lengths = {len(series) for series in self.history.values()}
        months = f"{min(lengths)}" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
        return (
            f"{self.task.project}: {len(self.history)} series of {months} steps, "
            f"forecast the next {self.task.horizon}. In {_short(self.folder)}"
        )


def _short(folder: Path) -> str:
    """The folder as a shell would show it."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def read_series(file: Path) -> dict[str, Array]:
    """Series by name from columns series, step, value; steps must be 0, 1, 2, …"""
    values: dict[str, list[float]] = {}
    for name, step, value in read_rows(file):
        series = values.setdefault(name, [])
        if step != len(series):
            raise DatasetError(f"{file}: {name} has step {step} where {len(series)} was expected.")
        series.append(value)
    return {name: np.array(series) for name, series in values.items()}


def read_rows(file: Path) -> list[tuple[str, int, float]]:
    """Rows of columns series, step, value."""
    rows = []
    for name, step, value in _table(file, ("series", "step", "value")):
        try:
            rows.append((name, int(step), float(value)))
        except ValueError:
            raise DatasetError(
                f"{file}: the row {name},{step},{value} has a step that is no whole number or a "
                "value that is no number."
            ) from None
    return rows


def _number(file: Path, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DatasetError(f"{file}: {text!r} is no number.") from None


def _table(file: Path, columns: Sequence[str]) -> list[list[str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text) if row]
    except FileNotFoundError:
        raise DatasetError(f"There is no {file.name} in {file.parent}.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DatasetError(f"{file} cannot be read as CSV ({problem}).") from None
    if not rows or [cell.strip() for cell in rows[0]] != list(columns):
        raise DatasetError(
            f"{file} must begin with the line {','.join(columns)}"
            + (f"; it begins with {','.join(rows[0])[:80]}" if rows else "; it is empty")
            + "."
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns):
            raise DatasetError(f"{file}: row {number} has {len(row)} cells, not {len(columns)}.")
    return rows[1:]


# --- download -------------------------------------------------------------------------------------
def fetch(cloud: Cloud, workspace: Workspace, project: str) -> Dataset:
    """The project's data in the cache; only what changed is downloaded.

    Raises
    ------
    DatasetError
        The cohort has no such project, nothing is published for it, or a name is not safe.
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
    marks_file = folder.with_name(f".{project}.json")
    marks = _marks(marks_file)
    wanted: dict[str, StoredObject] = {}
    for entry in objects:
        wanted[_safe(entry.key.removeprefix(prefix))] = entry
    for name, entry in wanted.items():
        file = folder / name
        if not _current(file, marks.get(name), entry):
            marks[name] = _download(cloud, bucket, entry, file)
            _write(marks_file, json.dumps(marks).encode())
    # What is no longer published must not be taken for current data.
    for name in set(marks) - set(wanted):
        (folder / _safe(name)).unlink(missing_ok=True)
        del marks[name]
        _write(marks_file, json.dumps(marks).encode())
    return Dataset(folder)


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


def _download(cloud: Cloud, bucket: str, entry: StoredObject, file: Path) -> dict[str, Any]:
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


def _marks(file: Path) -> dict[str, dict[str, Any]]:
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
