"""Predictions as they are sent: a class for each label cell of each held-out scene, in one .npz.

The file is a zip of one ``<scene>.npy`` a scene: uint8 of the label grid's shape, C order, never
pickled. What is refused here the scorer would refuse, too; here nothing has been sent yet.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from academy.errors import SubmissionError
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.project import Task

#: The scorer reads no more. `cohort publish` sees to it that every complete submission is smaller.
MAX_BYTES = 10_000_000
#: What a learner's own file may take when it is read: wider types are told of, not guessed at.
_MAX_READ = 20 * MAX_BYTES

_ADVICE = "academy.land_cover.inference.predict(trained, scene) gives the right array"


def packed(predictions: Any, task: Task) -> bytes:
    """The file that is sent.

    Parameters
    ----------
    predictions
        Scene name to uint8 (R, C) of classes 0 to 8, for every scene of ``task.held_out``; or the
        path of a file that ``np.savez_compressed(path, **predictions)`` wrote.

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
        predictions = _read(Path(predictions).expanduser())
    if not isinstance(predictions, Mapping):
        raise SubmissionError(
            f"{predictions!r:.60} are no predictions. Give a dictionary scene -> array of classes, "
            "or the path of an .npz file."
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


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise SubmissionError(f"There is no file {file.absolute()}.")
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_READ:
            raise SubmissionError(
                f"{file} holds {size:,} bytes, far more than a class a label cell takes. {_ADVICE}."
            )
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as problem:
        raise SubmissionError(
            f"{file} cannot be read as .npz ({problem}). Write it with "
            "np.savez_compressed(path, **predictions), where predictions is a dictionary scene -> "
            "uint8 array."
        ) from None


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
