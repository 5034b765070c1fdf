"""Scores, and intervals of their differences by resampling scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from academy.land_cover.metrics import SceneConfusions

Counts = npt.NDArray[np.int64]
ROUNDS = 4000


def macro_f1(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Macro-F1 of confusion matrices (..., classes, classes); 0 / 0 is 0."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    whole = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.asarray((2 * right / np.maximum(whole, 1)).mean(axis=-1))


def stacked(counts: SceneConfusions) -> Counts:
    """(scenes, classes, classes)."""
    return np.stack([counts.of(scene) for scene in counts.scenes])


@dataclass(frozen=True)
class Difference:
    """In points of macro-F1: the mean over seeds, its 95 % interval, and the seeds' own."""

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]

    def __str__(self) -> str:
        seeds = " ".join(f"{each:+.1f}" for each in self.by_seed)
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}] ({seeds})"


def difference(
    one: Sequence[SceneConfusions], other: Sequence[SceneConfusions], rounds: int = ROUNDS
) -> Difference:
    """How much better `one` is than `other`, both given by seed, on the same scenes.

    Pairs are kept: a scene that is drawn counts for both. Scenes are drawn within each seed, and
    the mean over seeds is taken; so the interval is that of other scenes for these trained models.
    What another training would give shows in the seeds' own differences.

    Raises
    ------
    ValueError
        The scenes differ.
    """
    drawn = np.zeros(rounds)
    points = []
    for number, (mine, yours) in enumerate(zip(one, other, strict=True)):
        if mine.scenes != yours.scenes:
            raise ValueError("the two were scored on different scenes; nothing can be paired")
        a, b = stacked(mine), stacked(yours)
        points.append(100 * float(macro_f1(a.sum(axis=0)) - macro_f1(b.sum(axis=0))))
        rng = np.random.default_rng(number)
        times = rng.multinomial(len(a), np.full(len(a), 1 / len(a)), rounds)
        for each, sign in ((a, 100), (b, -100)):
            pooled = (times @ each.reshape(len(a), -1)).reshape(rounds, *a.shape[1:])
            drawn += sign * macro_f1(pooled)
    drawn /= len(points)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Difference(float(np.mean(points)), float(low), float(high), tuple(points))


def lost_classes(counts: Sequence[SceneConfusions], below: float) -> tuple[int, ...]:
    """How many classes have an F1 below this, by seed."""
    return tuple(int((each.scores().f1 < below).sum()) for each in counts)


def means(results: Mapping[str, Sequence[SceneConfusions]]) -> dict[str, float]:
    """Mean macro-F1 over seeds, points, of each method."""
    return {
        name: float(np.mean([100 * each.scores().macro_f1 for each in counts]))
        for name, counts in results.items()
    }
