"""The wall as a dial: eight ways to make a map, measured in seconds in a world that you set.

Scenes are simulated and small; all that learns works on the label grid, from means of windows
around each cell (`floors.cell_features`). So a network is trained in two seconds, and still meets
everything that the large one meets: speckle, texture, wrong labels, rare classes. What comes first
here need not come first on large scenes: compare within the dial, not with the leaderboard.

>>> outcome = measure(Dials(label_noise=0.1, texture=0.5, imbalance=0.5), SMOKE)
>>> list(outcome.scores) == list(METHODS)
True
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from academy.data.simulator import Settings, simulate
from academy.data.simulator.label_noise import cell_majority
from academy.land_cover.calibration import tune_shift
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.floors import cell_features, pixel_features
from academy.land_cover.losses import class_weights
from academy.land_cover.metrics import ClassScores, SceneConfusions
from academy.land_cover.sampling import BiasedCrops, RandomCrops, Sampler
from academy.land_cover.scene import Scene

MAJORITY = "majority"
BY_PIXEL = "per-pixel forest"
BY_WINDOW = "multi-window forest"
PLAIN = "U-Net"
SHIFTED = "U-Net + logit shift"
WEIGHTED = "U-Net + class weights"
BIASED = "U-Net + biased crops"
CEILING = "perfect map"
#: In the order in which they are measured.
METHODS = (CEILING, MAJORITY, BY_PIXEL, BY_WINDOW, PLAIN, SHIFTED, WEIGHTED, BIASED)

#: A crop of the label grid, cells: 1.6 km.
CROP = 16
_PIXELS_LEARNT = 2000
_STRIDE = 5
#: Scenes are drawn side by side on so many processors. Networks are not: it was tried, and one
#: after the other they take as long.
_WORKERS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class Dials:
    """Where the three dials stand; ranges as for the simulator's `Settings`."""

    label_noise: float = 0.17
    texture: float = 1.0
    imbalance: float = 0.7

    def __str__(self) -> str:
        return (
            f"label noise {100 * self.label_noise:.0f} %, texture {self.texture:g}, "
            f"imbalance {self.imbalance:g}"
        )


@dataclass(frozen=True)
class Size:
    """How much is simulated and trained: pixels a side, scenes of each part, steps, trees."""

    side: int = 256
    train: int = 10
    tuning: int = 3
    checks: int = 8
    steps: int = 300
    trees: int = 50


FULL = Size()
SMOKE = Size(side=160, train=2, tuning=1, checks=2, steps=6, trees=6)


class Stopped(Exception):
    """The measurement was told to stop."""


@dataclass
class Place:
    """A scene of the dial's world, on the label grid.

    `features` float32 (k, R, C), dB; `labels` and `truth` uint8 (R, C), `IGNORE` without data.
    """

    scene: Scene
    features: npt.NDArray[np.float32]
    labels: Labels
    truth: Labels

    @classmethod
    def draw(cls, seed: int, settings: Settings, required: Sequence[int]) -> Place:
        """Simulates one."""
        scene = simulate(seed, settings, required=required)
        assert scene.labels is not None
        assert scene.truth is not None
        shape = scene.label_shape
        valid = np.isfinite(scene.gamma0[0])
        truth = cell_majority(scene.truth, scene.cells, shape, valid)[0]
        means = np.nan_to_num(cell_features(scene), nan=-20.0)
        features = means.T.reshape(-1, *shape)
        # VV over VH at every scale, too: a forest cannot subtract.
        ratio = features[0::2] - features[1::2]
        return cls(scene, np.concatenate([features, ratio]), scene.labels, truth)

    def on_grid(self) -> Scene:
        """A scene whose pixels are the label cells: what the samplers of crops need."""
        shape = self.labels.shape
        cells = np.arange(self.labels.size, dtype=np.int32).reshape(shape)
        return Scene(self.scene.name, np.ones((2, *shape), np.float32), cells, self.labels)


@dataclass
class Outcome:
    """What was found at one position of the dials.

    `scores` against the noisy labels of scenes that were never seen, `real` against their truth,
    both by method; `maps` by method uint8 (R, C), of the scene `shown`.
    """

    dials: Dials
    shown: Place
    scores: dict[str, ClassScores] = field(default_factory=dict)
    real: dict[str, ClassScores] = field(default_factory=dict)
    maps: dict[str, Labels] = field(default_factory=dict)

    def ranking(self) -> list[str]:
        """Methods that could be submitted, best first by macro-F1."""
        rivals = [name for name in self.scores if name != CEILING]
        return sorted(rivals, key=lambda name: -self.scores[name].macro_f1)


#: Gets the share that is done, 0 to 1, and what comes next.
Report = Callable[[float, str], None]


def measure(
    dials: Dials,
    size: Size = FULL,
    *,
    seed: int = 0,
    report: Report | None = None,
    stop: threading.Event | None = None,
    so_far: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Simulates a world, trains each method in it, and scores them on scenes they never saw.

    Parameters
    ----------
    seed
        Of the land, the first weights and the crops. The same seed at another position gives the
        same land, as far as the imbalance is the same.
    report
        Is told how far it is.
    stop
        Set from another thread, it ends the measurement within a fraction of a second.
    so_far
        Is given the outcome after each method.

    Raises
    ------
    Stopped
        `stop` was set.
    ValueError
        A dial is out of its range.
    ImportError
        scikit-learn is not installed.
    """
    steps = _Steps(size, report, stop)
    with _one_thread_each():
        world = _World(dials, size, seed, steps)
        outcome = Outcome(dials, world.checks[0])
        for name, maps in _methods(world, size, seed, steps):
            outcome.scores[name], outcome.real[name] = world.score(maps)
            outcome.maps[name] = maps[0]
            if so_far is not None:
                so_far(outcome)
    steps.done()
    return outcome


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Convolutions this small gain nothing from torch's own threads, and on a busy machine these
    wait for each other: minutes in place of seconds.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Steps:
    """Counts what is done in parts of the whole, and looks whether to stop."""

    def __init__(self, size: Size, report: Report | None, stop: threading.Event | None) -> None:
        scenes = size.train + size.tuning + size.checks
        # About as long as one simulated scene: two dozen steps; a forest: eight scenes.
        self._total = scenes + 16 + 3 * size.steps / 24
        self._at = 0.0
        self._report, self._stop = report, stop
        self._lock = threading.Lock()

    def __call__(self, what: str, parts: float) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped
        with self._lock:
            self._at += parts
            if self._report is not None:
                self._report(min(self._at / self._total, 0.99), what)

    def done(self) -> None:
        if self._report is not None:
            self._report(1.0, "done")


class _World:
    """Scenes to learn from, to tune on and to check on; every class is in some of each."""

    def __init__(self, dials: Dials, size: Size, seed: int, steps: _Steps) -> None:
        settings = Settings(
            texture=dials.texture,
            label_noise=dials.label_noise,
            imbalance=dials.imbalance,
            height=size.side,
            width=size.side,
            nodata=0.0,
        )

        def draw(which: tuple[int, int]) -> Place:
            first, number = which
            required = sorted({(3 * number + each) % COUNT for each in range(3)})
            steps("simulating scenes", 1)
            return Place.draw(1_000_000 + 1000 * seed + first + number, settings, required)

        parts = ((0, size.train), (100, size.tuning), (200, size.checks))
        with ThreadPoolExecutor(_WORKERS) as pool:
            self.train, self.tuning, self.checks = (
                list(pool.map(draw, [(first, number) for number in range(count)]))
                for first, count in parts
            )
        self.cells = sum(
            (place.scene.cell_counts() for place in self.train), np.zeros(COUNT, np.int64)
        )

    def score(self, maps: Sequence[Labels]) -> tuple[ClassScores, ClassScores]:
        """Against the labels, and against the truth."""
        seen, real = SceneConfusions(NAMES), SceneConfusions(NAMES)
        for place, found in zip(self.checks, maps, strict=True):
            seen.add(place.scene.name, place.labels, found)
            real.add(place.scene.name, place.truth, found)
        return seen.scores(), real.scores()


def _methods(
    world: _World, size: Size, seed: int, steps: _Steps
) -> Iterator[tuple[str, list[Labels]]]:
    """Each method's maps of the check scenes."""
    # Cells without data are never scored; some class must stand there.
    yield CEILING, [np.where(p.truth == IGNORE, 0, p.truth).astype(np.uint8) for p in world.checks]
    commonest = np.uint8(world.cells.argmax())
    yield MAJORITY, [np.full(place.labels.shape, commonest) for place in world.checks]
    steps("a forest of single pixels", 0)
    yield BY_PIXEL, _by_pixel(world, size, seed)
    steps("a forest of windows", 8)
    yield BY_WINDOW, _by_window(world, size, seed)
    steps("networks", 8)

    grids = [place.on_grid() for place in world.train]
    inverse = class_weights(world.cells, "inverse")
    # All networks begin alike, and nobody else's random numbers change.
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = GridUNet(len(world.train[0].features))

    def train(sampler: Sampler, weight: Tensor | None, name: str) -> Network:
        return _train(copy.deepcopy(model), world, sampler, weight, size, seed, steps, name)

    plain = train(RandomCrops(grids, CROP, seed), None, PLAIN)
    shares = [plain(place) for place in world.checks]
    yield PLAIN, [_decide(each) for each in shares]
    tuning = np.concatenate([plain(place).reshape(COUNT, -1) for place in world.tuning], axis=1)
    known = np.concatenate([place.labels.ravel() for place in world.tuning])
    shift = tune_shift(tuning, known)
    yield SHIFTED, [_decide(np.log(np.maximum(p, 1e-9)) + shift[:, None, None]) for p in shares]

    weighted = train(RandomCrops(grids, CROP, seed), inverse, WEIGHTED)
    yield WEIGHTED, [_decide(weighted(place)) for place in world.checks]
    biased = train(BiasedCrops(grids, CROP, seed), None, BIASED)
    yield BIASED, [_decide(biased(place)) for place in world.checks]


def _decide(shares: npt.NDArray[Any]) -> Labels:
    chosen: Labels = np.argmax(shares, axis=0).astype(np.uint8)
    return chosen


# --- forests --------------------------------------------------------------------------------------
def _forest(trees: int, seed: int, leaf: int) -> Any:
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise ImportError(
            "the dial's forests need scikit-learn: run `pip install scikit-learn`"
        ) from error
    return RandomForestClassifier(
        trees,
        min_samples_leaf=leaf,
        class_weight="balanced_subsample",
        random_state=seed,
        n_jobs=_WORKERS,
    )


def _by_pixel(world: _World, size: Size, seed: int) -> list[Labels]:
    rng = np.random.default_rng([seed, 1])
    rows, labels = [], []
    for place in world.train:
        known = place.scene.pixel_labels().ravel()
        chosen = rng.choice(np.flatnonzero(known != IGNORE), _PIXELS_LEARNT)
        rows.append(pixel_features(place.scene)[chosen])
        labels.append(known[chosen])
    forest = _forest(size.trees // 2, seed, 20)
    forest.fit(np.concatenate(rows), np.concatenate(labels))
    maps = []
    for place in world.checks:
        # A cell's pixels vote; every fifth is enough for that.
        cells = place.scene.cells.ravel()[::_STRIDE]
        shares = forest.predict_proba(np.nan_to_num(pixel_features(place.scene)[::_STRIDE]))
        votes = np.zeros((COUNT, place.labels.size))
        for number, share in zip(forest.classes_, shares.T, strict=True):
            votes[number] = np.bincount(
                cells[cells >= 0], share[cells >= 0], minlength=place.labels.size
            )
        maps.append(_decide(votes.reshape(COUNT, *place.labels.shape)))
    return maps


def _by_window(world: _World, size: Size, seed: int) -> list[Labels]:
    def rows(place: Place) -> npt.NDArray[np.float32]:
        return place.features.reshape(len(place.features), -1).T

    labels = np.concatenate([place.labels.ravel() for place in world.train])
    features = np.concatenate([rows(place) for place in world.train])
    known = labels != IGNORE
    forest = _forest(size.trees, seed, 3).fit(features[known][::2], labels[known][::2])
    return [
        forest.predict(rows(place)).astype(np.uint8).reshape(place.labels.shape)
        for place in world.checks
    ]


# --- the network ----------------------------------------------------------------------------------
class GridUNet(nn.Module):
    """A U-Net of two levels on the label grid: (batch, channels, R, C) to (batch, 9, R, C).

    Unlike `models.UNet` its finest level is the grid itself, and its norm is BatchNorm, which
    learns in fewer steps; it is never trained on several machines.
    """

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.first = _block(channels, width)
        self.below = _block(width, 2 * width)
        self.last = _block(3 * width, width)
        self.head = nn.Conv2d(width, COUNT, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        fine = self.first(image)
        coarse = self.below(functional.avg_pool2d(fine, 2, ceil_mode=True))
        coarse = functional.interpolate(coarse, size=fine.shape[2:], mode="nearest")
        logits: Tensor = self.head(self.last(torch.cat([fine, coarse], dim=1)))
        return logits


def _block(given: int, made: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
        nn.Conv2d(made, made, 3, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
    )


#: Gives each cell's probabilities, float32 (9, R, C).
Network = Callable[[Place], npt.NDArray[np.float32]]


def _train(
    model: GridUNet,
    world: _World,
    sampler: Sampler,
    weight: Tensor | None,
    size: Size,
    seed: int,
    steps: _Steps,
    name: str,
    batch: int = 12,
) -> Network:
    """The model trained on the world's scenes."""
    everything = np.concatenate([p.features.reshape(len(p.features), -1) for p in world.train], 1)
    mean = everything.mean(axis=1)[:, None, None]
    deviation = everything.std(axis=1)[:, None, None] + 1e-6

    def image(place: Place) -> Tensor:
        return torch.from_numpy(((place.features - mean) / deviation).astype(np.float32))

    images = [image(place) for place in world.train]
    labels = [torch.from_numpy(place.labels.astype(np.int64)) for place in world.train]
    rng = np.random.default_rng([seed, 2])
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=size.steps)
    for step in range(size.steps):
        crops = [sampler.crop(number) for number in range(step * batch, (step + 1) * batch)]
        turned = []
        for crop in crops:
            window = np.s_[..., crop.row : crop.row + CROP, crop.column : crop.column + CROP]
            pair = images[crop.scene][window], labels[crop.scene][window]
            turned.append(_turned(*pair, int(rng.integers(8))))
        x = torch.stack([pair[0] for pair in turned]).contiguous(memory_format=torch.channels_last)
        y = torch.stack([pair[1] for pair in turned])
        loss = functional.cross_entropy(model(x), y, weight, ignore_index=IGNORE)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        steps(f"training: {name}", 1 / 24)
    model.eval()

    def predict(place: Place) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            shares: npt.NDArray[np.float32] = model(image(place)[None]).softmax(1)[0].numpy()
        return shares

    return predict


def _turned(image: Tensor, labels: Tensor, which: int) -> tuple[Tensor, Tensor]:
    """One of the eight flips and quarter turns."""
    if which & 1:
        image, labels = image.flip(-1), labels.flip(-1)
    if which & 2:
        image, labels = image.flip(-2), labels.flip(-2)
    if which & 4:
        image, labels = image.transpose(-1, -2), labels.T
    return image, labels
