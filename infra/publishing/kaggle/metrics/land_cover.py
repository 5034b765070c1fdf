"""Macro-F1 over nine land-cover classes, pooled over scenes, on label cells.

The mean over the classes of F1 = 2 TP / (2 TP + FP + FN), where TP, FP and FN are counted over the
cells of all scenes together. A class of which there is nothing, and that is shown nowhere, has 0.
Cells without a label do not count. Larger is better.

For the host. The solution has a row for each scene and class, called <scene>_<class>, with the
columns rle (the runs of cells of that class) and cells (how many the scene has); cells that no
class covers have no label. All nine rows of a scene have the same Usage. Rows of the submission
that the solution does not have are of the other part, and are passed over.
"""

import math
import re
from typing import Any

import numpy as np
import pandas as pd

CLASSES = 9
NONE = 255
EMPTY = "-"

_RUNS = re.compile(r"[1-9][0-9]{0,9}(?: [1-9][0-9]{0,9})*")


class ParticipantVisibleError(Exception):
    """What a participant is told; of any other error only the host sees the message."""


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    """Macro-F1 of complete maps.

    >>> ids = [f"lake_{number}" for number in range(9)]
    >>> truth = ["1 2", "3 2"] + ["-"] * 7
    >>> solution = pd.DataFrame({"row_id": ids, "rle": truth, "cells": 4})
    >>> round(score(solution, solution[["row_id", "rle"]], "row_id"), 6)
    0.222222
    >>> submission = pd.DataFrame({"row_id": ids, "rle": ["1 4"] + ["-"] * 8})
    >>> round(score(solution, submission, "row_id"), 6)
    0.074074
    """
    wanted = [str(name) for name in solution[row_id_column_name]]
    given = _texts(submission, row_id_column_name, wanted)
    truth = dict(zip(wanted, solution["rle"], strict=True))
    cells: dict[str, int] = {}
    for name, count in zip(wanted, solution["cells"], strict=True):
        cells[name.rsplit("_", 1)[0]] = int(count)
    if len(wanted) != len(cells) * CLASSES or len(truth) != len(wanted):
        raise ValueError("the solution needs nine rows, one a class, for each scene")
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    for scene, count in cells.items():
        try:
            labels = _map(scene, count, truth, False)
        except ParticipantVisibleError as error:
            raise ValueError(f"the solution: {error}") from None
        prediction = _map(scene, count, given, True)
        scored = labels != NONE
        pairs = labels[scored].astype(np.int64) * CLASSES + prediction[scored]
        counts += np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    found = []
    for number in range(CLASSES):
        whole = int(counts[number].sum() + counts[:, number].sum())
        found.append(2 * int(counts[number, number]) / whole if whole else 0.0)
    return math.fsum(found) / CLASSES


def _texts(submission: pd.DataFrame, row_id_column_name: str, wanted: list[str]) -> dict[str, Any]:
    """The runs of each row that is scored."""
    for column in (row_id_column_name, "rle"):
        if column not in submission.columns:
            raise ParticipantVisibleError(
                f"The column {column} is missing; the columns are {row_id_column_name},rle as in "
                "sample_submission.csv."
            )
    asked = set(wanted)
    found: dict[str, Any] = {}
    for name, text in zip(submission[row_id_column_name], submission["rle"], strict=True):
        name = str(name)
        if name not in asked:
            continue
        if name in found:
            raise ParticipantVisibleError(f"Row {name} is there twice.")
        found[name] = text
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ParticipantVisibleError(
            f"{len(missing)} rows are missing, {missing[0]} among them. The rows are those of "
            "sample_submission.csv."
        )
    return found


def _map(scene: str, cells: int, texts: dict[str, Any], complete: bool) -> np.ndarray:
    """The class of each cell, by rows; NONE where no class covers it."""
    found = np.full(cells, NONE, np.uint8)
    for number in range(CLASSES):
        row = f"{scene}_{number}"
        inside = _cells(row, texts[row], cells)
        twice = np.flatnonzero(inside & (found != NONE))
        if len(twice):
            raise ParticipantVisibleError(
                f"Row {row}: cell {twice[0] + 1} has class {found[twice[0]]} already. Every cell "
                "has one class."
            )
        found[inside] = number
    if complete:
        bare = np.flatnonzero(found == NONE)
        if len(bare):
            raise ParticipantVisibleError(
                f"Scene {scene}: {len(bare)} of {cells} cells have no class, the first is cell "
                f"{bare[0] + 1}. Every cell has one class."
            )
    return found


def _cells(row: str, text: Any, cells: int) -> np.ndarray:
    """Which of `cells` cells the runs of `text` cover."""
    if not isinstance(text, str):
        if pd.isna(text):
            return np.zeros(cells, bool)
        raise ParticipantVisibleError(f"Row {row}: {_show(text)} has no runs")
    if text in (EMPTY, ""):
        return np.zeros(cells, bool)
    # So long are runs of one cell each: more cannot be right, and is not looked at.
    if len(text) > 2 * cells * (len(str(cells)) + 1):
        raise ParticipantVisibleError(
            f"Row {row}: the runs have {len(text)} characters, more than {cells} cells can need."
        )
    if not _RUNS.fullmatch(text):
        raise ParticipantVisibleError(
            f"Row {row}: {_show(text)} are no runs. Expected start and length of each, whole "
            f"numbers from 1 with one space between, or {EMPTY} for none."
        )
    numbers = np.array(text.split(" "), dtype=np.int64)
    if len(numbers) % 2:
        raise ParticipantVisibleError(f"Row {row}: the last run has a start but no length.")
    starts, ends = numbers[::2] - 1, numbers[::2] - 1 + numbers[1::2]
    if ends.max() > cells:
        at = int(np.argmax(ends > cells))
        raise ParticipantVisibleError(
            f"Row {row}: the run {numbers[2 * at]} {numbers[2 * at + 1]} ends at cell {ends[at]}; "
            f"the scene has {cells} cells."
        )
    early = np.flatnonzero(starts[1:] < ends[:-1])
    if len(early):
        at = int(early[0]) + 1
        raise ParticipantVisibleError(
            f"Row {row}: the run {numbers[2 * at]} {numbers[2 * at + 1]} begins before the one "
            "before it ends. Runs are in ascending order and do not overlap."
        )
    steps = np.zeros(cells + 1, np.int8)
    steps[starts] += 1
    steps[ends] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _show(value: Any) -> str:
    """A participant's text as it may stand in a message."""
    text = ascii(value if isinstance(value, str) else str(value)[:40])
    return text if len(text) <= 40 else text[:40] + "..."
