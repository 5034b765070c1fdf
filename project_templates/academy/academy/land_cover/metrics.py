"""How good is a map: confusion counts of each scene, and from them macro-F1 over fixed classes.

Counts, not scores, are what adds up: over chunks, scenes, ranks and machines. Macro-F1 here is that
of the counts of all scenes together (pooled); a mean of each scene's own macro-F1 can be 16 points
off. The list of classes is fixed beforehand: a class that a map never shows still counts, as 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

IGNORE = 255
"""The label of what is not scored."""

#: Pixels counted at a time: their joint index, widened to eight bytes each, stays in the cache.
CHUNK = 1 << 17


def confusion(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, classes: int, *, ignore: int | None = IGNORE
) -> Counts:
    """How often each true class was given each class; memory does not grow with the image.

    Parameters
    ----------
    truth, prediction
        Integers of equal shape: 0 to classes - 1; `truth` may also hold `ignore`. uint8 is
        fastest, and memory-mapped arrays are read a chunk at a time.
    classes
        How many classes are scored, 1 to 4096.
    ignore
        The label in `truth` that is not scored, whatever is predicted there; None for no such.

    Returns
    -------
    Counts, shape (classes, classes), int64: row = true class, column = predicted class.

    Raises
    ------
    ValueError
        Shapes differ, or a value is not a class: a scored pixel without a prediction is an error,
        not a free pass.
    TypeError
        Not integers.

    Examples
    --------
    >>> confusion([0, 0, 1, 255], [0, 1, 1, 0], classes=2)
    array([[1, 1],
           [0, 1]])
    """
    truth, prediction = np.asanyarray(truth), np.asanyarray(prediction)
    if truth.shape != prediction.shape:
        raise ValueError(
            f"truth has the shape {truth.shape} and prediction {prediction.shape}; "
            "they must be of one grid"
        )
    if not 1 <= classes <= 4096:
        raise ValueError(f"classes is {classes}; it must be 1 to 4096")
    for name, array in (("truth", truth), ("prediction", prediction)):
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"{name} is {array.dtype}; class numbers are integers")
    total = np.zeros((classes, classes), np.int64)
    bytes_only = truth.dtype == prediction.dtype == np.uint8 and classes <= 15
    count = _count_bytes if bytes_only else _count_any
    for part, guess in _chunks(truth, prediction):
        total += count(part, guess, classes, ignore)
    return total


def _chunks(*arrays: npt.NDArray[Any]) -> Iterator[list[npt.NDArray[Any]]]:
    """Flat pieces of at most about CHUNK values, of the same places in each array."""
    if all(array.flags.c_contiguous for array in arrays):
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, flat[0].size, CHUNK):
            yield [array[start : start + CHUNK] for array in flat]
    elif arrays[0].size <= CHUNK:
        yield [array.ravel() for array in arrays]
    elif arrays[0].ndim == 1:
        for start in range(0, arrays[0].size, CHUNK):
            yield [array[start : start + CHUNK] for array in arrays]
    else:
        step = max(1, CHUNK * len(arrays[0]) // arrays[0].size)
        for start in range(0, len(arrays[0]), step):
            parts = [array[start : start + step] for array in arrays]
            if parts[0].size > 2 * CHUNK and len(parts[0]) == 1:
                yield from _chunks(*(part[0] for part in parts))
            else:
                yield [part.ravel() for part in parts]


def _count_bytes(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], classes: int, ignore: int | None
) -> Counts:
    """Both classes in one byte, four bits each; 15 stands for what is not scored."""
    if truth.max(initial=0) >= classes:
        outside = truth >= classes
        if ignore is None or not classes <= ignore <= 255:
            _complain("truth", truth[outside], classes, ignore)
        elif (bad := outside & (truth != ignore)).any():
            _complain("truth", truth[bad], classes, ignore)
    if ignore is not None and 0 <= ignore < classes:
        return _count_any(truth, prediction, classes, ignore)
    # Shifted by four bits, a label of 255 becomes row 15; any other ignored label is sent there.
    rows = truth if ignore is None or ignore & 15 == 15 else np.where(truth == ignore, 15, truth)
    joint = np.left_shift(rows, 4, dtype=np.uint8)
    if prediction.max(initial=0) >= classes:
        wrong = (prediction >= classes) & (rows < 15)
        if wrong.any():
            _complain("prediction", prediction[wrong], classes, None)
        joint |= np.minimum(prediction, 15)
    else:
        joint |= prediction
    table = np.bincount(joint, minlength=256).reshape(16, 16)
    return table[:classes, :classes]


def _count_any(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], classes: int, ignore: int | None
) -> Counts:
    if ignore is not None:
        scored = truth != ignore
        truth, prediction = truth[scored], prediction[scored]
    for name, values in (("truth", truth), ("prediction", prediction)):
        outside = (values < 0) | (values >= classes)
        if outside.any():
            _complain(name, values[outside], classes, ignore if name == "truth" else None)
    joint = truth.astype(np.int32) * classes + prediction
    return np.bincount(joint, minlength=classes**2).reshape(classes, classes)


def _complain(name: str, values: npt.NDArray[Any], classes: int, ignore: int | None) -> None:
    found, times = np.unique(values, return_counts=True)
    shown = ", ".join(str(value) for value in found[:5]) + (", …" if len(found) > 5 else "")
    allowed = f"0 to {classes - 1}" + ("" if ignore is None else f", or {ignore} (not scored)")
    raise ValueError(f"{name} has {shown} at {times.sum()} pixels; classes are {allowed}")


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each class, each of shape (classes,), 0 to 1.

    What is 0 / 0 is 0, as scikit-learn's `zero_division=0`: nothing found of nothing is no skill.
    `support` tells how many pixels or cells of each class there were.
    """

    classes: tuple[str, ...]
    precision: Scores
    recall: Scores
    f1: Scores
    support: Counts
    accuracy: float
    """The share that is right, over all classes: what macro-F1 is there to look behind."""

    @property
    def macro_f1(self) -> float:
        """The mean F1 of all classes of the list."""
        return float(self.f1.mean())

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.classes, "macro-F1"))
        lines = [f"{'':{width}}  precision  recall     F1      support"]
        for row in zip(
            self.classes, self.precision, self.recall, self.f1, self.support, strict=True
        ):
            lines.append("{:{w}}  {:9.3f} {:7.3f} {:6.3f} {:12,d}".format(*row, w=width))
        lines.append(f"{'macro-F1':{width}}  {'':17} {self.macro_f1:6.3f}")
        lines.append(f"{'accuracy':{width}}  {'':17} {self.accuracy:6.3f}")
        return "\n".join(lines)


def scores(counts: npt.ArrayLike, classes: Sequence[str] | None = None) -> ClassScores:
    """Scores from a confusion matrix, shape (classes, classes), rows = truth.

    F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of precision TP / (TP + FP) and recall
    TP / (TP + FN).

    Raises
    ------
    ValueError
        The matrix is not square, or the names are not as many.

    Examples
    --------
    >>> scores([[8, 2], [1, 9]]).f1.round(3)
    array([0.842, 0.857])
    """
    matrix = np.asarray(counts, np.int64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the counts have the shape {matrix.shape}; they must be square")
    names = tuple(classes) if classes is not None else tuple(map(str, range(len(matrix))))
    if len(names) != len(matrix):
        raise ValueError(f"{len(names)} names for {len(matrix)} classes")
    right = matrix.diagonal()
    given, support = matrix.sum(axis=0), matrix.sum(axis=1)
    total = int(matrix.sum())
    return ClassScores(
        classes=names,
        precision=_ratio(right, given),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, given + support),
        support=support,
        accuracy=int(right.sum()) / total if total else 0.0,
    )


def _ratio(part: Counts, whole: Counts) -> Scores:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def macro_f1(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, classes: int, *, ignore: int | None = IGNORE
) -> float:
    """The mean F1 of all `classes`; arguments and errors as `confusion`.

    Examples
    --------
    >>> macro_f1([0, 0, 0, 1], [0, 0, 0, 0], classes=2)    # three quarters right
    0.42857142857142855
    """
    return scores(confusion(truth, prediction, classes, ignore=ignore)).macro_f1


class SceneConfusions:
    """A confusion matrix for each scene, to be pooled, resampled by scene, stored and merged.

    Parameters
    ----------
    classes
        The names of the scored classes, in the order of their numbers.
    ignore
        The label that is not scored.

    Examples
    --------
    >>> held_out = SceneConfusions(["forest", "water"])
    >>> held_out.add("a", [0, 0, 1], [0, 0, 0])
    >>> held_out.add("b", [1, 1, 255], [1, 1, 0])
    >>> round(held_out.scores().macro_f1, 2)
    0.8
    """

    def __init__(self, classes: Sequence[str], *, ignore: int | None = IGNORE) -> None:
        if not classes or len(set(classes)) != len(classes):
            raise ValueError(f"classes is {list(classes)}; it must name each class once")
        self.classes = tuple(classes)
        self.ignore = ignore
        self._counts: dict[str, Counts] = {}

    def add(self, scene: str, truth: npt.ArrayLike, prediction: npt.ArrayLike) -> None:
        """Counts a scene or a part of one: what is added under one name is summed."""
        counts = confusion(truth, prediction, len(self.classes), ignore=self.ignore)
        self._add(scene, counts)

    def merge(self, other: SceneConfusions) -> None:
        """Adds what another process counted.

        Raises
        ------
        ValueError
            Its classes are others.
        """
        if other.classes != self.classes:
            raise ValueError(f"classes differ: {self.classes} here, {other.classes} there")
        for scene in other.scenes:
            self._add(scene, other.of(scene))

    def _add(self, scene: str, counts: Counts) -> None:
        known = self._counts.get(scene)
        self._counts[scene] = counts.copy() if known is None else known + counts

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._counts)

    def of(self, scene: str) -> Counts:
        """The counts of one scene, shape (classes, classes), rows = truth.

        Raises
        ------
        KeyError
            Nothing was added for this scene.
        """
        return self._counts[scene]

    def pooled(self, scenes: Iterable[str] | None = None) -> Counts:
        """The sum over scenes, all by default; a scene named twice counts twice (bootstrap)."""
        total = np.zeros((len(self.classes),) * 2, np.int64)
        for scene in self._counts if scenes is None else scenes:
            total += self.of(scene)
        return total

    def scores(self, scenes: Iterable[str] | None = None) -> ClassScores:
        """Precision, recall and F1 of the pooled counts."""
        return scores(self.pooled(scenes), self.classes)

    def to_json(self) -> str:
        """All of it as JSON; `from_json` reads it."""
        counts = {scene: matrix.tolist() for scene, matrix in self._counts.items()}
        return json.dumps({"classes": self.classes, "ignore": self.ignore, "scenes": counts})

    @classmethod
    def from_json(cls, text: str) -> SceneConfusions:
        """What `to_json` wrote.

        Raises
        ------
        ValueError
            It is something else.
        """
        data = json.loads(text)
        if not isinstance(data, Mapping) or not {"classes", "ignore", "scenes"} <= set(data):
            raise ValueError("this is no record of confusions: it needs classes, ignore, scenes")
        result = cls(data["classes"], ignore=data["ignore"])
        size = (len(result.classes),) * 2
        for scene, matrix in data["scenes"].items():
            counts = np.asarray(matrix, np.int64)
            if counts.shape != size:
                raise ValueError(f"scene {scene} has counts of shape {counts.shape}, not {size}")
            result._add(scene, counts)
        return result
