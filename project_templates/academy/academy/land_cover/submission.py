"""Predictions as they are sent: a class for each label cell of each held-out scene, in one .npz.

The file is a zip of one ``<scene>.npy`` a scene: uint8 of the label grid's shape, C order, never
pickled. What is refused here the checker would refuse, too; here nothing has been sent yet.

Runs of cells, as Kaggle has them, are read as maps: a table of row_id, which is a scene and a
class, and rle, which is start and length of each run, cells numbered from 1 by rows.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from academy.errors import SubmissionError
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.project import Task

#: The checker reads no more. `cohort publish` sees to it that every complete submission is smaller.
MAX_BYTES = 64_000_000
#: What a learner's own file may take when it is read, or the widest whole numbers of all cells:
#: more is told of, not guessed at.
_MAX_READ = 100_000_000
#: The columns of a table of runs, and what stands for no run.
RUNS = ("row_id", "rle")
EMPTY = "-"

_RUN = re.compile(r"[1-9][0-9]{0,9} [1-9][0-9]{0,9}(?: [1-9][0-9]{0,9} [1-9][0-9]{0,9})*")
_ADVICE = "academy.land_cover.inference.predict(trained, scene) gives the right array"


def packed(predictions: Any, task: Task) -> bytes:
    """The file that is sent.

    Parameters
    ----------
    predictions
        Scene name to uint8 (R, C) of classes 0 to 8, for every scene of ``task.held_out``; or the
        path of a file that ``np.savez_compressed(path, **predictions)`` wrote; or runs of cells
        with the columns row_id and rle, as the path of a CSV file or as a table.

    Returns
    -------
    bytes
        The same for the same predictions.

    Raises
    ------
    SubmissionError
        Scenes are missing or unknown, or an array has another type, shape or class.
    """
    if isinstance(predictions, str | Path):
        predictions = _read(Path(predictions).expanduser(), task)
    elif all(hasattr(predictions, name) for name in ("columns", "itertuples")):
        predictions = _maps(_rows_of_table(predictions), task)
    if not isinstance(predictions, Mapping):
        raise SubmissionError(
            f"{predictions!r:.60} are no predictions. Give a dictionary scene -> array of classes, "
            "or the path of an .npz file or of a CSV file of runs."
        )
    return _pack(checked(predictions, task))


def checked(predictions: Mapping[Any, Any], task: Task) -> dict[str, Labels]:
    """The predictions in the task's order, if they are exactly what is asked for.

    Raises
    ------
    SubmissionError
        As `packed`.
    """
    unknown = [str(name) for name in predictions if name not in task.held_out]
    if unknown:
        known = list(task.held_out)
        raise SubmissionError(
            f"No held-out scene is called {', '.join(unknown[:3])}; they are {known[0]} to "
            f"{known[-1]}: the names of data.held_out."
        )
    missing = [name for name in task.held_out if name not in predictions]
    if missing:
        raise SubmissionError(
            f"{len(missing)} of {len(task.held_out)} scenes are missing, the first is "
            f"{missing[0]}. Predict every scene of data.held_out."
        )
    return {name: _map(name, predictions[name], shape) for name, shape in task.held_out.items()}


def _map(name: str, given: Any, shape: tuple[int, int]) -> Labels:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        raise SubmissionError(
            f"The prediction of {name} is no array ({type(given).__name__})."
        ) from None
    _check_shape(name, array, shape)
    if array.dtype.kind == "f":
        raise SubmissionError(
            f"The prediction of {name} is {array.dtype}; expected whole class numbers, uint8. "
            "Probabilities become classes by .argmax(axis=0)."
        )
    if array.dtype.kind not in "iu":
        raise SubmissionError(
            f"The prediction of {name} is {array.dtype}; expected class numbers, uint8."
        )
    wrong = (array < 0) | (array >= COUNT)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        value = int(array[row, column])
        unfilled = (
            f" {IGNORE} stands for a cell without a label; a prediction has a class in every cell."
            if value == IGNORE
            else ""
        )
        raise SubmissionError(
            f"The prediction of {name} has {value} at row {row}, column {column} (and in "
            f"{int(wrong.sum()) - 1} more cells); classes are 0 ({NAMES[0]}) to {COUNT - 1} "
            f"({NAMES[-1]}).{unfilled}"
        )
    return np.ascontiguousarray(array, np.uint8)


def _check_shape(name: str, array: Any, shape: tuple[int, int]) -> None:
    if array.shape == shape:
        return
    what = f"The prediction of {name} has shape {array.shape}; expected {shape}"
    if array.ndim == 3 and array.shape[0] == COUNT:
        if array.shape[1:] == shape:
            raise SubmissionError(
                f"{what}: one class a cell. These look like probabilities; .argmax(axis=0) gives "
                "the likeliest class."
            )
        raise SubmissionError(
            f"{what}. These look like probabilities of pixels; academy.land_cover.inference.pool "
            "brings them to label cells, .argmax(axis=0) to classes."
        )
    if array.ndim == 2 and array.size > 4 * shape[0] * shape[1]:
        raise SubmissionError(
            f"{what}, the label grid. This looks like a map of pixels: pool() the pixels' "
            f"probabilities to label cells; {_ADVICE}."
        )
    if array.shape == shape[::-1]:
        raise SubmissionError(f"{what}: rows first. Is it transposed?")
    raise SubmissionError(f"{what}: the label grid, scene.label_shape. {_ADVICE}.")


def _read(file: Path, task: Task) -> dict[str, Any]:
    if not file.is_file():
        raise SubmissionError(f"There is no file {file.absolute()}.")
    try:
        with file.open("rb") as opened:
            start = opened.read(20)
        # Not by its name: an .npz that was called .csv is still one.
        if start.lstrip(b'\xef\xbb\xbf"').startswith(RUNS[0].encode()):
            return _maps(_rows_of_file(file), task)
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        cells = sum(map(math.prod, task.held_out.values()))
        if size > max(_MAX_READ, 9 * cells):
            raise SubmissionError(
                f"{file} holds {size:,} bytes, far more than a class a label cell takes. {_ADVICE}."
            )
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as problem:
        if file.suffix.lower() == ".csv":
            raise SubmissionError(
                f"{file} must begin with the line {','.join(RUNS)}, and hold the runs of each "
                "scene and class."
            ) from None
        raise SubmissionError(
            f"{file} cannot be read as .npz ({problem}). Write it with "
            "np.savez_compressed(path, **predictions), where predictions is a dictionary scene -> "
            "uint8 array."
        ) from None


# --- runs -----------------------------------------------------------------------------------------
def _rows_of_file(file: Path) -> Iterator[tuple[str, str]]:
    """Rows as they stand. Runs have no commas; the csv module's cells would be too short."""
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines):
            cells = [cell.strip().strip('"') for cell in line.rstrip("\r\n").split(",")]
            if cells == [""]:
                continue
            if number == 0 and tuple(cells) != RUNS:
                raise SubmissionError(
                    f"{file} must begin with the line {','.join(RUNS)}; it begins with "
                    f"{','.join(cells)[:80]}."
                )
            if len(cells) != len(RUNS):
                raise SubmissionError(f"{file}: line {number + 1} has {len(cells)} cells, not 2.")
            if number:
                yield cells[0], cells[1]


def _rows_of_table(table: Any) -> Iterator[tuple[str, Any]]:
    missing = [name for name in RUNS if name not in list(table.columns)]
    if missing:
        raise SubmissionError(
            f"The table has no column {', '.join(missing)}. A table of runs has the columns "
            f"{' and '.join(RUNS)}; a dictionary scene -> array needs none."
        )
    for name, runs in zip(table[RUNS[0]], table[RUNS[1]], strict=True):
        # An empty cell is read as a missing value, of which pandas has several kinds.
        missing_value = not isinstance(runs, str) and str(runs) in ("nan", "<NA>", "None")
        yield str(name), "" if missing_value else runs


def _maps(rows: Iterable[tuple[str, Any]], task: Task) -> dict[str, Any]:
    """The maps that the runs paint: each cell has one class."""
    wanted = {
        f"{scene}_{number}": (scene, number) for scene in task.held_out for number in range(COUNT)
    }
    maps = {
        scene: np.full(math.prod(shape), IGNORE, np.uint8) for scene, shape in task.held_out.items()
    }
    done: set[str] = set()
    for name, runs in rows:
        if name not in wanted:
            first = next(iter(wanted), "")
            raise SubmissionError(
                f"Row {name[:60]!r} is not asked for. Rows are called <scene>_<class>, such as "
                f"{first}, for the scenes of data.held_out and classes 0 to {COUNT - 1}."
            )
        if name in done:
            raise SubmissionError(f"Row {name} is there twice.")
        done.add(name)
        scene, number = wanted[name]
        _paint(maps[scene], number, name, runs)
    missing = [name for name in wanted if name not in done]
    if missing:
        raise SubmissionError(
            f"{len(missing)} of {len(wanted)} rows are missing, the first is {missing[0]}. A class "
            f"without cells has a row, too, with {EMPTY} for its runs."
        )
    for scene, cells in maps.items():
        bare = np.flatnonzero(cells == IGNORE)
        if len(bare):
            raise SubmissionError(
                f"{len(bare)} of {len(cells)} cells of {scene} have no class, the first is cell "
                f"{bare[0] + 1}. A prediction has a class in every cell."
            )
    return {scene: cells.reshape(task.held_out[scene]) for scene, cells in maps.items()}


def _paint(cells: Any, number: int, name: str, runs: Any) -> None:
    if runs in ("", EMPTY):
        return
    if not isinstance(runs, str) or not _RUN.fullmatch(runs):
        raise SubmissionError(
            f"Row {name}: {str(runs)[:40]!r} are no runs. Expected start and length of each, whole "
            f"numbers from 1 with one space between, or {EMPTY} for none."
        )
    numbers = np.array(runs.split(" "), dtype=np.int64)
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    ends = starts + lengths
    if ends.max() > len(cells):
        at = int(np.argmax(ends > len(cells)))
        raise SubmissionError(
            f"Row {name}: the run {starts[at] + 1} {lengths[at]} ends at cell {ends[at]}; the "
            f"scene has {len(cells)} cells."
        )
    early = np.flatnonzero(starts[1:] < ends[:-1])
    if len(early):
        at = int(early[0]) + 1
        raise SubmissionError(
            f"Row {name}: the run {starts[at] + 1} {lengths[at]} begins before the one before it "
            "ends. Runs are in ascending order and do not overlap."
        )
    edges = np.zeros(len(cells) + 1, np.int8)
    edges[starts] += 1
    edges[ends] -= 1
    inside = np.cumsum(edges[:-1], dtype=np.int8).astype(bool)
    twice = np.flatnonzero(inside & (cells != IGNORE))
    if len(twice):
        raise SubmissionError(
            f"Row {name}: cell {twice[0] + 1} has class {cells[twice[0]]} already. Every cell has "
            "one class."
        )
    cells[inside] = number


def _pack(maps: Mapping[str, Labels]) -> bytes:
    packed = io.BytesIO()
    # As np.savez_compressed, but with a date that does not change and the smallest of files.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in maps.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    content = packed.getvalue()
    if len(content) > MAX_BYTES:
        raise SubmissionError(
            f"The predictions have {len(content):,} bytes, packed; at most {MAX_BYTES:,} are read."
            " Tell your advisor: the held-out scenes are too large for the competition."
        )
    return content
