"""A panel on disk: ``values.npy`` and ``panel.json``, written whole and read with suspicion."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.series import SeriesError, shown

VALUES, TABLE = "values.npy", "panel.json"
FORMAT = 1
#: What a description of a million series stays below; more is no panel of ours.
MOST_TABLE_BYTES = 128 * 2**20
MOST_NAME = 200
_ABOUT = ("unit", "source", "licence", "title")
MOST_TEXT = 5_000
_CHUNK = 2**20

Flat = npt.NDArray[np.floating[Any]]
Width = Literal["float32", "float64"]


@dataclass(frozen=True)
class Description:
    """What ``panel.json`` says. `about_of` is each series' place in `about`."""

    frequency: str | None
    season: int
    names: list[str]
    lengths: list[int]
    starts: list[str | None]
    about_of: list[int]
    about: list[dict[str, str]]


def checked_name(name: object) -> str:
    """`name`, if a series may be called that: one line of text that is not empty."""
    if not isinstance(name, str):
        raise SeriesError(f"A series is called {shown(name)}; a name must be text.")
    if not name.strip() or len(name) > MOST_NAME or not name.isprintable():
        raise SeriesError(
            f"A series is called {shown(name)}; a name must be one line of 1 to {MOST_NAME} "
            "characters."
        )
    return name


def clipped(text: object, most: int = MOST_TEXT) -> str:
    """`text` on one line, of at most `most` characters: what a stranger's file says of itself."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _checked_dtype(flat: Flat, dtype: Width | None) -> np.dtype[Any]:
    chosen = np.dtype(flat.dtype if dtype is None else dtype)
    if chosen not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise SeriesError(f"dtype is {chosen}; it must be float32 or float64.")
    return chosen


def _document(found: Description) -> bytes:
    rows = zip(found.names, found.lengths, found.starts, found.about_of, strict=True)
    # One series a line: a person can read it, and a difference between two versions is short.
    series = ",\n".join(
        "  " + json.dumps([name, length, start, about], ensure_ascii=False)
        for name, length, start, about in rows
    )
    head = {"format": FORMAT, "frequency": found.frequency, "season": found.season}
    top = json.dumps(head)[1:-1]
    about = json.dumps(found.about, indent=1, ensure_ascii=False)
    return (
        f'{{{top},\n"columns": ["name", "steps", "start", "about"],\n'
        f'"about": {about},\n"series": [\n{series}\n]}}\n'
    ).encode()


def as_bytes(found: Description, flat: Flat, dtype: Width | None = None) -> dict[str, bytes]:
    """Both files' content."""
    content = io.BytesIO()
    np.save(content, np.asarray(flat, dtype=_checked_dtype(flat, dtype)), allow_pickle=False)
    return {VALUES: content.getvalue(), TABLE: _document(found)}


def write(folder: Path, found: Description, flat: Flat, dtype: Width | None = None) -> None:
    """Both files, each in one go: who opens one meanwhile sees the old or the new."""
    chosen = _checked_dtype(flat, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    values = np.asarray(flat, dtype=chosen)
    _replace(folder / VALUES, lambda file: np.save(file, values, allow_pickle=False))
    document = _document(found)
    _replace(folder / TABLE, lambda file: file.write(document))


def _replace(target: Path, fill: Callable[[IO[bytes]], object]) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
        os.chmod(name, 0o644)  # mkstemp's own is for the writer alone
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(folder: Path) -> tuple[Flat, Description]:
    """Both files of `folder`, checked; the values as a read-only memory map."""
    for name in (VALUES, TABLE):
        if not (folder / name).is_file():
            raise SeriesError(f"There is no panel in {folder}: {name} is not there.")
    found = _description(folder / TABLE)
    values = _values(folder / VALUES)
    if sum(found.lengths) != values.size:
        raise SeriesError(
            f"{folder}: {TABLE} speaks of {sum(found.lengths)} values, {VALUES} holds "
            f"{values.size}. One of them is of another version: fetch both again."
        )
    return values, found


def _values(file: Path) -> Flat:
    try:
        # No pickle, ever: a pickle runs code. A map of a file that is too short is refused, too.
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as problem:  # numpy's header parser lets many kinds through
        raise SeriesError(f"{file} is no array of numbers ({problem}).") from None
    if not isinstance(values, np.ndarray):  # an .npz archive under another name
        raise SeriesError(f"{file} is no array of numbers, but an archive of several.")
    if values.ndim != 1 or values.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise SeriesError(
            f"{file} holds {values.dtype} of shape {values.shape}; a panel is one row of float32 "
            "or float64."
        )
    for start in range(0, values.size, _CHUNK):
        part = np.isfinite(values[start : start + _CHUNK])
        if not part.all():
            place = start + int(np.flatnonzero(~part)[0])
            raise SeriesError(f"{file}[{place}] is {values[place]}; every value must be finite.")
    return values


def _description(file: Path) -> Description:
    if file.stat().st_size > MOST_TABLE_BYTES:
        raise SeriesError(f"{file} is larger than {MOST_TABLE_BYTES // 2**20} MB.")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as problem:
        raise SeriesError(f"{file} cannot be read as JSON ({problem}).") from None
    try:
        return _parsed(document)
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise SeriesError(f"{file} does not describe a panel ({problem}).") from None


def _parsed(document: Any) -> Description:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"it must be of format {FORMAT}")
    about = [_about(entry) for entry in document["about"]]
    rows = document["series"]
    if not isinstance(rows, list) or not rows:
        raise ValueError("it has no series")
    found = Description(
        frequency=document["frequency"],
        season=_whole(document["season"], "season", 1, 10**6),
        names=[],
        lengths=[],
        starts=[],
        about_of=[],
        about=about,
    )
    for row in rows:
        name, length, start, kind = row
        found.names.append(checked_name(name))
        found.lengths.append(_whole(length, f"steps of {name}", 1, 10**12))
        if start is not None and not isinstance(start, str):
            raise ValueError(f"the start of {name} is {shown(start)}")
        found.starts.append(start)
        found.about_of.append(_whole(kind, f"about of {name}", 0, len(about) - 1))
    if len(set(found.names)) < len(rows):
        raise ValueError("a name is there twice")
    if found.frequency is not None and not isinstance(found.frequency, str):
        raise ValueError(f"frequency is {shown(found.frequency)}")
    return found


def _about(entry: Mapping[str, Any]) -> dict[str, str]:
    found = {name: entry[name] for name in _ABOUT}
    for name, text in found.items():
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise ValueError(f"{name} is {shown(text)}")
    return found


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {shown(value)}")
    return value
