"""One number a class that makes the most of a model: a shift of its log-probability.

A model that learnt from frequent classes says the frequent one when in doubt, which is right most
often and bad for macro-F1. Adding a number to each class's log-probability moves the line of doubt.
The best numbers are found on validation scenes: not on the training scenes, which the model has
learnt by heart, nor on those that score it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.land_cover.classes import COUNT, IGNORE
from academy.land_cover.inference import OVERLAP, fill_empty, predict_cells
from academy.land_cover.metrics import macro_f1
from academy.land_cover.scene import Scene, SceneError
from academy.land_cover.trained import Trained

Shift = npt.NDArray[np.float64]

#: Shifts are looked for within this: a class that needs e^8 times its probability is not known.
LIMIT = 8.0
_LEAST = 1e-30


def tune_shift(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, rounds: int = 20, gain: float = 1e-5
) -> Shift:
    """The shifts of log-probabilities with the largest macro-F1 on these cells.

    One class after the other: all its shifts are tried at once, exactly, since the decision for a
    cell changes at one shift only. Rounds go on until none gains; from no shift and from half
    of what makes all classes alike frequent, the better end is taken. A shift is put in the middle
    of its best interval.

    Parameters
    ----------
    probabilities
        (classes, cells), or (classes, R, C).
    labels
        (cells,) or (R, C); 255 does not count, nor does a cell with NaN.
    rounds
        At most so many times through all classes.
    gain
        A round that gains less macro-F1 is the last.

    Returns
    -------
    float64 (classes,), mean 0; for `predict(..., shift=...)`.

    Raises
    ------
    ValueError
        Shapes differ, or no cell has a label.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.8, 0.6, 0.7], [0.1, 0.2, 0.4, 0.3]])
    >>> from academy.land_cover.inference import decide
    >>> decide(probabilities.astype(np.float32), tune_shift(probabilities, [0, 0, 1, 1]))
    array([0, 0, 1, 1], dtype=uint8)
    """
    log, truth = _prepared(probabilities, labels)
    prior = np.log(np.maximum(np.exp(log).mean(axis=1), _LEAST))
    balanced = np.clip(0.5 * (prior.max() - prior), 0, LIMIT / 2)
    found = [_ascend(log, truth, start, rounds, gain) for start in (np.zeros(len(log)), balanced)]
    best = max(found, key=lambda each: each[0])[1]
    return np.asarray(best - best.mean())


def tune_prior(probabilities: npt.ArrayLike, labels: npt.ArrayLike, prior: npt.ArrayLike) -> Shift:
    """The shifts - tau log prior with the largest macro-F1 on these cells: one number is tuned.

    Nine numbers, tuned on a few scenes, are learnt by heart where a rare class is in one of them.
    One number is not. A. K. Menon and others, "Long-tail learning via logit adjustment", ICLR 2021,
    equation 9, with tau from 0 to 1.5 in steps of .05.

    Parameters
    ----------
    probabilities, labels
        As for `tune_shift`.
    prior
        How frequent each class is among the training labels, (classes,); counts will do.

    Returns
    -------
    float64 (classes,), mean 0.

    Raises
    ------
    ValueError
        As `tune_shift`, or the prior is negative, all zero or of another length.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.8, 0.6, 0.7], [0.1, 0.2, 0.4, 0.3]])
    >>> shift = tune_prior(probabilities, [0, 0, 1, 1], [80, 20])
    >>> shift.round(3)
    array([-0.451,  0.451])
    """
    log, truth = _prepared(probabilities, labels)
    cells = np.asarray(prior, np.float64)
    if cells.shape != (len(log),) or not (cells >= 0).all() or not cells.sum() > 0:
        raise ValueError(f"prior is {prior!r}; it must be {len(log)} frequencies, 0 or more")
    # A class that was never seen: as if it had half a cell in the smallest of the others.
    frequency = np.log(np.where(cells > 0, cells, cells[cells > 0].min() / 2))
    best, found = -1.0, 0.0
    for tau in np.arange(31) / 20:
        score = macro_f1(truth, np.argmax(log - tau * frequency[:, None], axis=0), len(log))
        if score > best + 1e-12:
            best, found = score, float(tau)
    return np.asarray(found * (frequency.mean() - frequency))


def _prepared(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[Shift, npt.NDArray[np.int64]]:
    """Log-probabilities (classes, cells) and labels (cells,), of cells that have both."""
    shares: npt.NDArray[Any] = np.asarray(probabilities, np.float64)
    truth: npt.NDArray[Any] = np.asarray(labels).reshape(-1)
    shares = shares.reshape(len(shares), -1)
    if shares.shape[1] != truth.size:
        raise ValueError(f"{shares.shape[1]} cells have probabilities and {truth.size} labels")
    kept = (truth != IGNORE) & np.isfinite(shares.sum(axis=0))
    if not kept.any():
        raise ValueError("no cell has both a label and a prediction: nothing to tune on")
    log = np.log(np.maximum(shares[:, kept], _LEAST))
    truth = truth[kept].astype(np.int64)
    if truth.min() < 0 or truth.max() >= len(log):
        raise ValueError(f"labels are {truth.min()} to {truth.max()} for {len(log)} classes")
    return log, truth


def _ascend(
    log: Shift, truth: npt.NDArray[np.int64], start: Shift, rounds: int, gain: float
) -> tuple[float, Shift]:
    shift = start.copy()
    best = macro_f1(truth, np.argmax(log + shift[:, None], axis=0), len(log))
    for _ in range(rounds):
        before = best
        for number in range(len(log)):
            value, at = _best_shift(log, truth, shift, number)
            if value > best + 1e-12:
                best, shift[number] = value, at
        if best - before < gain:
            break
    return best, shift


def _best_shift(
    log: Shift, truth: npt.NDArray[np.int64], shift: Shift, number: int
) -> tuple[float, float]:
    """(macro-F1, shift) of the best shift of one class, the others' being as they are."""
    classes = len(log)
    shifted = log + shift[:, None]
    shifted[number] = -np.inf
    rival = np.argmax(shifted, axis=0)
    # From this shift on, a cell is given to the class.
    turns = shifted[rival, np.arange(log.shape[1])] - log[number]
    order = np.argsort(turns, kind="stable")
    turns, rival, truth = turns[order], rival[order], truth[order]
    each = np.arange(classes)
    # Of no cell given to the class, and after each cell more: what is right, and what is given.
    right = np.zeros((len(turns) + 1, classes), np.int32)
    given = np.zeros_like(right)
    right[0] = np.bincount(rival[rival == truth], minlength=classes)
    given[0] = np.bincount(rival, minlength=classes)
    right[1:] -= (rival == truth)[:, None] & (rival[:, None] == each)
    right[1:, number] += truth == number
    given[1:] -= rival[:, None] == each
    given[1:, number] += 1
    np.cumsum(right, axis=0, out=right)
    np.cumsum(given, axis=0, out=given)
    whole = given + np.bincount(truth, minlength=classes)
    value = np.divide(2 * right, whole, out=np.zeros(whole.shape), where=whole > 0).mean(axis=1)
    edges = np.concatenate([[-LIMIT], np.clip(turns, -LIMIT, LIMIT), [LIMIT]])
    # Equal turns change together: between them is no shift.
    value[np.diff(edges) <= 1e-9] = -1
    top = value.max()
    among = np.flatnonzero(value >= top - 1e-12)
    at = int(among[np.argmax(np.diff(edges)[among])])
    return float(top), float((edges[at] + edges[at + 1]) / 2)


def tuned(
    trained: Trained,
    scenes: Iterable[Scene],
    *,
    window: int | None = None,
    overlap: float = OVERLAP,
    batch: int = 16,
    views: int = 1,
    prior: npt.ArrayLike | None = None,
) -> Shift:
    """The shift with the largest macro-F1 on the label cells of these scenes, float64 (9,).

    They must be validation scenes. By `tune_shift`; with a `prior`, by `tune_prior`. Other
    parameters are as for `predict`, which takes the result.

    Raises
    ------
    SceneError
        A scene has no labels, or there is none.
    """
    shares, labels = [], []
    for scene in scenes:
        if scene.labels is None:
            raise SceneError(f"scene {scene.name} is held out: its labels are not here")
        found = fill_empty(
            predict_cells(trained, scene, window=window, overlap=overlap, batch=batch, views=views)
        )
        shares.append(found.reshape(COUNT, -1))
        labels.append(np.ravel(scene.labels))
    if not shares:
        raise SceneError("there are no scenes to tune on")
    together, truth = np.concatenate(shares, axis=1), np.concatenate(labels)
    return tune_shift(together, truth) if prior is None else tune_prior(together, truth, prior)
