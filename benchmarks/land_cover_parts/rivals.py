"""Everything that makes a map here: floors, networks, the expert, and the ceiling.

A rival learns from `Scenes.train`, may tune on `Scenes.validation`, and maps `Scenes.held_out`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from academy.data.simulator.label_noise import cell_majority
from academy.land_cover.calibration import tune_shift
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.floors import pixel_features
from academy.land_cover.inference import decide, fill_empty, pool, predict_cells
from academy.land_cover.losses import count_cells
from academy.land_cover.metrics import SceneConfusions
from academy.land_cover.scene import Scene
from academy.land_cover.settings import Settings
from academy.land_cover.speckle.windows import box_sum
from academy.land_cover.training import fit, silent

from advisors.land_cover import expert
from benchmarks.land_cover_parts.worlds import Scenes

Shares = npt.NDArray[np.float32]

#: Factors of the logit shift that are tried on the validation scenes.
TAUS = np.round(np.arange(0, 2.01, 0.05), 2)
#: Windows of the multi-window forest, pixels: .06 to 1.3 km.
WINDOWS = (3, 7, 15, 31, 63)
#: The plain U-Net is what one writes first: pixels with a copy of their label, random crops.
#: Steps and batches are such that it takes the seconds that the baseline takes, or so.
PLAIN = {
    "level": "pixel",
    "sampler": "random",
    "loss": "ce",
    "weights": "none",
    "multilook": 1,
    "crop": 64,
    "batch": 8,
    "steps": 2400,
    "learning_rate": 4e-3,
    "speckle_looks": 32.0,
}


@dataclass(frozen=True)
class Effort:
    """How much the rivals may do; a test wants less.

    `steps` are the U-Nets', the plain one's and the baseline's; 0 is the library's default.
    """

    steps: int = 0
    expert_steps: int = 0
    trees: int = 60
    jobs: int = 1
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """Maps by method, and what they took: seconds of processor time, and notes on what was chosen.

    `maps` has for each method one uint8 (R, C) for each held-out scene, in their order.
    """

    maps: dict[str, list[Labels]]
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)


def confusions(scenes: Sequence[Scene], maps: Iterable[Labels]) -> SceneConfusions:
    """Counts of each scene."""
    counts = SceneConfusions(NAMES)
    for scene, found in zip(scenes, maps, strict=True):
        counts.add(scene.name, np.asarray(scene.labels), found)
    return counts


class _Clock:
    """Processor seconds since the last reading, over all threads."""

    def __init__(self) -> None:
        self._at = time.process_time()

    def __call__(self) -> float:
        before, self._at = self._at, time.process_time()
        return self._at - before


# --- floor and ceiling ----------------------------------------------------------------------------
def majority(scenes: Scenes, _: Effort) -> Outcome:
    """The commonest class everywhere."""
    cells = np.sum([scene.cell_counts() for scene in scenes.train], axis=0)
    commonest = np.uint8(cells.argmax())
    return Outcome(
        {"majority": [np.full(each.label_shape, commonest) for each in scenes.held_out]},
        notes={"class": NAMES[commonest]},
    )


def ceiling(scenes: Scenes, _: Effort) -> Outcome:
    """The truth, as the majority of each cell: what a perfect map scores against noisy labels."""
    maps = []
    for scene in scenes.held_out:
        valid = np.isfinite(scene.gamma0[0])
        assert scene.truth is not None
        perfect = cell_majority(scene.truth, scene.cells, scene.label_shape, valid)[0]
        # Cells mostly without data have no label either.
        maps.append(np.where(perfect == IGNORE, 0, perfect).astype(np.uint8))
    return Outcome({"ceiling": maps})


# --- forests --------------------------------------------------------------------------------------
def pixel_forest(scenes: Scenes, effort: Effort) -> Outcome:
    """Filtered VV, VH and VV over VH of a pixel; a cell's map is the mean over its pixels.

    Of each 2 x 2 pixels one is looked at: after a filter of 7 x 7 they tell nearly the same.
    """
    clock = _Clock()
    rng = np.random.default_rng(0)

    def features(scene: Scene) -> tuple[Shares, npt.NDArray[np.bool_]]:
        grid = pixel_features(scene).reshape(*scene.shape, -1)[::2, ::2]
        return grid, np.isfinite(grid).all(axis=2)

    rows, labels = [], []
    for scene in scenes.train:
        grid, valid = features(scene)
        at_pixels = scene.pixel_labels()[::2, ::2]
        chosen = np.argwhere(valid & (at_pixels != IGNORE))
        chosen = chosen[rng.choice(len(chosen), min(6000, len(chosen)), replace=False)]
        rows.append(grid[chosen[:, 0], chosen[:, 1]])
        labels.append(at_pixels[chosen[:, 0], chosen[:, 1]])
    forest = _forest(effort, leaf=20, samples=0.3)
    forest.fit(np.concatenate(rows), np.concatenate(labels))
    spent = clock()
    maps = []
    for scene in scenes.held_out:
        grid, valid = features(scene)
        shares = np.full((COUNT, *valid.shape), np.nan, np.float32)
        shares[:, valid] = _forest_shares(forest, grid[valid])
        cells = np.ascontiguousarray(np.asarray(scene.cells)[::2, ::2])
        maps.append(decide(fill_empty(pool(shares, cells, scene.label_shape))))
    return Outcome({"pixel forest": maps}, spent, clock())


def window_features(scene: Scene) -> Shares:
    """Mean and scatter around each label cell at several scales, float32 (R * C, 25).

    Of each window: VV and VH in dB, their coefficients of variation, VV over VH; each the mean over
    the cell's pixels.
    """
    gamma0 = np.asarray(scene.gamma0)
    valid = np.isfinite(gamma0[0] + gamma0[1])
    planes = []
    for window in WINDOWS:
        pixels = np.maximum(_around(valid.astype(np.float64), window), 1)
        level = []
        for band in gamma0:
            power = np.where(valid, band, 0).astype(np.float64)
            mean = _around(power, window) / pixels
            square = _around(power**2, window) / pixels
            mean = np.maximum(mean, 1e-5)
            level.append(10 * np.log10(mean))
            planes.append(np.sqrt(np.maximum(square - mean**2, 0)) / mean)
        planes += [*level, level[0] - level[1]]
    stacked = np.stack(planes).astype(np.float32)
    stacked[:, ~valid] = np.nan
    pooled = pool(stacked, scene.cells, scene.label_shape)
    return np.ascontiguousarray(fill_empty(pooled).reshape(len(planes), -1).T)


def _around(image: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    return np.asarray(box_sum(np.pad(image, window // 2), window, window))


def window_forest(scenes: Scenes, effort: Effort) -> Outcome:
    """The strong floor: a balanced forest over windows, tuned on the validation scenes.

    Tuned are the leaves' size, and a shift by the prior, which balancing in turn may overdo.
    """
    clock = _Clock()
    given = np.concatenate([window_features(scene) for scene in scenes.train])
    labels = np.concatenate([np.ravel(scene.labels) for scene in scenes.train])
    known = labels != IGNORE
    prior = _prior(scenes.train)
    tune = [window_features(scene) for scene in scenes.validation]
    best: tuple[float, int, float, Any] | None = None
    for leaf in (3, 10, 30):
        forest = _forest(effort, leaf, samples=0.3)
        forest.fit(given[known], labels[known])
        shares = [_forest_shares(forest, each) for each in tune]
        score, tau = _tune_tau(shares, scenes.validation, prior)
        if best is None or score > best[0]:
            best = (score, leaf, tau, forest)
    assert best is not None
    _, leaf, tau, forest = best
    spent = clock()
    maps = []
    for scene in scenes.held_out:
        shares = _forest_shares(forest, window_features(scene))
        maps.append(decide(shares, -tau * prior).reshape(scene.label_shape))
    return Outcome({"multi-window forest": maps}, spent, clock(), {"leaf": leaf, "tau": tau})


def _forest(effort: Effort, leaf: int, samples: float) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        effort.trees,
        min_samples_leaf=leaf,
        max_samples=samples,
        class_weight="balanced_subsample",
        n_jobs=effort.jobs,
        random_state=0,
    )


def _forest_shares(forest: Any, features: Shares) -> Shares:
    """Probabilities of all nine classes, (9, n): a forest knows those that it saw."""
    shares = np.zeros((COUNT, len(features)), np.float32)
    shares[forest.classes_] = forest.predict_proba(features).T
    return shares


# --- networks -------------------------------------------------------------------------------------
def plain(scenes: Scenes, effort: Effort) -> Outcome:
    """A U-Net without weights, and the same with its logits shifted, in two ways.

    By tau log prior, with tau tuned; and by a number a class, tuned for macro-F1.
    """
    clock = _Clock()
    trained = fit(
        scenes.train, scenes.validation, _settings(effort, **PLAIN, calibrate=False), report=silent
    )
    spent = clock()
    tune = [fill_empty(predict_cells(trained, scene)) for scene in scenes.validation]
    prior = _prior(scenes.train)
    _, tau = _tune_tau(tune, scenes.validation, prior)
    by_class = _tune_classes(tune, scenes.validation)
    tuning = clock()
    shares = [fill_empty(predict_cells(trained, scene)) for scene in scenes.held_out]
    return Outcome(
        {
            "U-Net, unweighted": [decide(each) for each in shares],
            "the same, logit shift": [decide(each, -tau * prior) for each in shares],
            "the same, shift a class": [decide(each, by_class) for each in shares],
        },
        spent,
        clock(),
        {"tau": tau, "shift": np.round(by_class, 2).tolist(), "tuning seconds": tuning},
    )


def baseline(scenes: Scenes, effort: Effort) -> Outcome:
    """The library as it comes."""
    clock = _Clock()
    trained = fit(scenes.train, scenes.validation, _settings(effort), report=silent)
    spent = clock()
    shares = [fill_empty(predict_cells(trained, scene)) for scene in scenes.held_out]
    return Outcome(
        {"baseline": [decide(each, trained.shift) for each in shares]},
        spent,
        clock(),
        {"settings": trained.settings.as_json()},
    )


def by_expert(scenes: Scenes, effort: Effort) -> Outcome:
    """The advisors' own."""
    clock = _Clock()
    recipe = expert.Recipe()
    if effort.expert_steps:
        recipe = replace(recipe, steps=effort.expert_steps)
    made = expert.fit(scenes.train, scenes.validation, recipe)
    spent = clock()
    maps = [made.predict(scene) for scene in scenes.held_out]
    return Outcome({"expert": maps}, spent, clock(), {"shift": np.round(made.shift, 2).tolist()})


def _settings(effort: Effort, **changes: Any) -> Settings:
    if effort.steps:
        changes |= {"steps": effort.steps, "evaluate_every": effort.steps}
    return replace(Settings(), **{**changes, **effort.more})


def _prior(scenes: Sequence[Scene]) -> npt.NDArray[np.float64]:
    """Log frequency of each class among label cells, with one cell added to each."""
    labels = np.concatenate([np.ravel(scene.labels) for scene in scenes])
    cells = count_cells(labels, COUNT) + 1.0
    return np.asarray(np.log(cells / cells.sum()))


def _tune_tau(
    shares: Sequence[Shares], scenes: Sequence[Scene], prior: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """The best macro-F1 on these scenes, and the tau that gives it."""
    best = (-1.0, 0.0)
    for tau in TAUS:
        maps = [
            decide(found, -tau * prior).reshape(scene.label_shape)
            for found, scene in zip(shares, scenes, strict=True)
        ]
        best = max(best, (confusions(scenes, maps).scores().macro_f1, float(tau)))
    return best


def _tune_classes(shares: Sequence[Shares], scenes: Sequence[Scene]) -> npt.NDArray[np.float64]:
    truth = np.concatenate([np.ravel(scene.labels) for scene in scenes])
    return tune_shift(np.concatenate([each.reshape(COUNT, -1) for each in shares], axis=1), truth)


#: In the order in which they run; each gives one or more methods.
RIVALS: dict[str, Callable[[Scenes, Effort], Outcome]] = {
    "majority": majority,
    "ceiling": ceiling,
    "pixel forest": pixel_forest,
    "multi-window forest": window_forest,
    "U-Net": plain,
    "baseline": baseline,
    "expert": by_expert,
}
#: In the order of the table.
METHODS = (
    "majority",
    "pixel forest",
    "multi-window forest",
    "U-Net, unweighted",
    "the same, logit shift",
    "the same, shift a class",
    "baseline",
    "expert",
    "ceiling",
)
