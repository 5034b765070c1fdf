"""What two runs of one job left behind, and whether it is the same.

A job's output is its team's own: the archive is unpacked as what nobody vouches for, and only a
`metrics.json` and predictions in the forms that learners submit are looked at.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from infra.cli.competition.arena import Arena, plain
from infra.cli.competition.packing import Packer
from infra.cli.terminal import Refused, size
from infra.services.competition.store import Entry

METRICS = "metrics.json"
MAX_ARCHIVE_BYTES = 2 * 10**9
MAX_UNPACKED_BYTES = 8 * 10**9
MAX_METRICS_BYTES = 10_000_000
MAX_VALUES = 20_000
MAX_PREDICTIONS = 10
#: As the checker takes at most.
MAX_PREDICTION_BYTES = 64_000_000
_ENDINGS = (".npz", ".csv")

#: Last parts of names that say how a job ran and not what it found.
ASIDE = frozenset(
    {
        "seconds",
        "duration",
        "elapsed",
        "time",
        "timestamp",
        "started",
        "ended",
        "device",
        "host",
        "hostname",
        "seconds_per_step",
        "images_per_second",
        "samples_per_second",
    }
)


@dataclass(frozen=True)
class Results:
    """A job's metrics (None if it wrote none that can be read), the predictions among its files by
    name, and what is to be said of it."""

    metrics: Any = None
    predictions: Mapping[str, bytes] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One value of both; `aside` says that it tells how the job ran and not what it found."""

    name: str
    first: str
    second: str
    by: str
    same: bool
    aside: bool


def read_results(s3: Any, bucket: str, key: str) -> Results:
    """What lies in the output archive at `key`, the version that was written first.

    The team may write where its jobs do; so what came after the job's own upload is not read.
    """
    versions = _versions(s3, bucket, key)
    if not versions:
        return Results(remarks=("it left no output (SM_OUTPUT_DATA_DIR was empty).",))
    remarks = []
    if len(versions) > 1:
        remarks.append(f"its output was written {len(versions)} times; the first is compared.")
    if versions[0]["Size"] > MAX_ARCHIVE_BYTES:
        return Results(
            remarks=(*remarks, f"its output has more than {size(MAX_ARCHIVE_BYTES)}; not read.")
        )
    # Imported here: the learners' library is not needed to show a command's help.
    from academy.errors import SourceError
    from academy.packing import unpack

    with tempfile.TemporaryDirectory(prefix="academy-rerun-") as scratch:
        archive, folder = Path(scratch) / "output.tar.gz", Path(scratch) / "output"
        extra = {"VersionId": v} if (v := versions[0].get("VersionId", "null")) != "null" else {}
        s3.download_file(bucket, key, str(archive), ExtraArgs=extra)
        try:
            unpack(archive, folder, MAX_UNPACKED_BYTES)
        except SourceError as error:
            return Results(remarks=(*remarks, plain(error)))
        return _read(folder, remarks)


def _versions(s3: Any, bucket: str, key: str) -> list[dict[str, Any]]:
    """The versions of one object, the earliest first."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
    found = [v for page in pages for v in page.get("Versions", ()) if v["Key"] == key]
    # S3 lists the latest first; of two in the same second the order stays.
    found.reverse()
    return sorted(found, key=lambda version: version["LastModified"])


def _read(folder: Path, remarks: list[str]) -> Results:
    metrics = None
    file = folder / METRICS
    if not file.is_file() or file.is_symlink():
        remarks.append(f"it wrote no {METRICS}.")
    elif file.stat().st_size > MAX_METRICS_BYTES:
        remarks.append(f"its {METRICS} has more than {size(MAX_METRICS_BYTES)}; not read.")
    else:
        try:
            metrics = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            remarks.append(f"its {METRICS} is not JSON ({plain(error)[:80]}).")
    return Results(metrics, _predictions(folder), tuple(remarks))


def _predictions(folder: Path) -> dict[str, bytes]:
    """The files that may be predictions, by their place in the output."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix not in _ENDINGS or file.is_symlink() or not file.is_file():
            continue
        if file.stat().st_size <= MAX_PREDICTION_BYTES and len(found) < MAX_PREDICTIONS:
            found[file.relative_to(folder).as_posix()] = file.read_bytes()
    return found


def compared(first: Any, second: Any, tolerance: float) -> list[Difference] | None:
    """The values of two metrics, one after the other; None where one is missing."""
    if first is None or second is None:
        return None
    before, after = dict(_values(first)), dict(_values(second))
    names = [*before, *(name for name in after if name not in before)]
    return [_difference(name, before, after, tolerance) for name in names[:MAX_VALUES]]


def _difference(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float
) -> Difference:
    aside = name.rpartition(".")[2] in ASIDE
    if name not in before or name not in after:
        one, two = (_shown(of[name]) if name in of else "-" for of in (before, after))
        return Difference(name, one, two, "", same=False, aside=aside)
    first, second = before[name], after[name]
    if _number(first) and _number(second):
        # As numbers of Python compare them: a whole number may have any number of digits.
        by, same = "", first == second or (first != first and second != second)
        try:
            gap = abs(first - second)
            most = max(abs(first), abs(second))
            same = same or (math.isfinite(gap) and gap <= tolerance * most)
            by = f"{gap:.3g}" if gap else ""
        except OverflowError:
            pass
        return Difference(name, _shown(first), _shown(second), by, same=same, aside=aside)
    # True is no 1 here, though Python says so.
    same = type(first) is type(second) and first == second
    return Difference(name, _shown(first), _shown(second), "", same=same, aside=aside)


def _values(document: Any) -> Iterator[tuple[str, Any]]:
    """Every leaf with its name, `a.b.3`; no deeper than Python read it, no more than MAX_VALUES."""
    ahead: list[tuple[str, Any]] = [("", document)]
    count = 0
    while ahead and count < MAX_VALUES:
        name, value = ahead.pop()
        if isinstance(value, Mapping) and value:
            inside = [(f"{name}.{key}" if name else str(key), each) for key, each in value.items()]
            ahead += reversed(inside)
        elif isinstance(value, list) and value:
            inside = [(f"{name}.{n}" if name else str(n), each) for n, each in enumerate(value)]
            ahead += reversed(inside)
        else:
            count += 1
            yield name, value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**15:
        return "a very large number"
    return plain(value)[:40]


def same_entry(arena: Arena, entry: Entry, before: Results, after: Results) -> str:
    """Whether predictions that the jobs wrote are the entry; empty where they wrote none."""
    if not after.predictions:
        return ""
    with Packer.of(arena) as packer:
        first = _which(packer, entry, before)
        second = _which(packer, entry, after)
    if second:
        return f"{plain(second)[:80]} of the second run is the entry, value for value"
    if first:
        return f"{plain(first)[:80]} of the first run is the entry; nothing of the second run is"
    return "no file of either run is the entry itself"


def _which(packer: Packer, entry: Entry, results: Results) -> str:
    """The name of the file that is the entry, as the checker reads it; empty if none is."""
    for name, content in results.predictions.items():
        file = packer.folder / f"predictions{PurePosixPath(name).suffix}"
        file.write_bytes(content)
        try:
            if packer.pack(file).digest == entry.digest:
                return name
        except Refused:
            # Another table of the job's: most files are no submission.
            continue
    return ""
