"""What an expert makes of the land-cover project: for advisors, as the board's line to look up to.

    python -m advisors.land_cover.expert DATASET submission.npz

DATASET is the published folder with ``train/`` and ``held_out/``. Nothing here reads truth or
held-out labels. It costs what the library's baseline costs (see `benchmarks/land_cover.py`).

Five ideas, each of which a learner can find:

- **The labels' grid.** A label is known for a cell of 25 pixels, so the network works on a picture
  with one element a cell (`network.cell_picture`). That is 25 times less to compute, spent on
  residual blocks, context and many passes over all labels.
- **What a forest is given.** The elements tell how a cell's pixels scatter, not their mean alone,
  and means of wide windows, so that few steps are lost on learning to average.
- **The ratio of VV to VH, drawn out.** A season moves both bands of a class alike; their ratio
  stays, within the width of half a decibel.
- **Biased crops, half way**, without weights: to do both is to correct twice.
- **Averages and the score's own decision.** Weights are averaged over the last steps, predictions
  over the eight flips and turns; then as much of the prior is taken out as is best for macro-F1 on
  the validation scenes. One number for all classes: nine, tuned on four scenes, are learnt by
  heart where rare classes are in one of the four.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.inference import decide
from academy.land_cover.metrics import SceneConfusions
from academy.land_cover.project import LandCover
from academy.land_cover.scene import Scene, SceneError
from academy.land_cover.trained import placed
from torch.nn import functional

from advisors.land_cover.network import CHANNELS, CellNet, Picture, Scale, cell_picture

#: A channel that says where there are data comes with the others.
_INPUTS = len(CHANNELS) + 1
_VIEWS = 8
#: Parts of the prior that are tried.
_TAUS = np.arange(0, 1.51, 0.05).tolist()


@dataclass(frozen=True)
class Recipe:
    """What can be turned; the defaults are what was settled on development scenes.

    `crop` is in label cells; `average` is the decay, a step, of the averaged weights.
    """

    steps: int = 800
    batch: int = 8
    crop: int = 48
    width: int = 32
    depth: int = 4
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    bias: float = 0.5
    average: float = 0.98
    networks: int = 1
    seed: int = 0


@dataclass
class _Example:
    """A scene as the network takes it."""

    picture: Picture
    labels: npt.NDArray[np.int64]


@dataclass
class Expert:
    """Trained networks, and the shift of each class's log-probability."""

    scale: Scale
    networks: list[CellNet]
    shift: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(COUNT))

    def probabilities(self, scene: Scene) -> npt.NDArray[np.float32]:
        """Of each label cell, float32 (9, R, C): the mean of all networks and views."""
        picture = self.scale(*cell_picture(scene))
        shares = np.stack([_predict(each, picture) for each in self.networks])
        return np.asarray(shares.mean(axis=0))

    def predict(self, scene: Scene) -> Labels:
        """A class for each cell of the label grid, uint8 (R, C)."""
        return decide(self.probabilities(scene), self.shift)


def fit(
    train: Sequence[Scene], validation: Sequence[Scene], recipe: Recipe | None = None
) -> Expert:
    """The expert: networks from `train`, and the shift of their decision from `validation`.

    Raises
    ------
    SceneError
        There is no scene in one of the lists, or one is held out.
    """
    recipe = recipe or Recipe()
    if not train or not validation:
        raise SceneError("the expert needs scenes to learn from, and others to tune on")
    for scene in (*train, *validation):
        if scene.labels is None:
            raise SceneError(f"scene {scene.name} is held out: its labels are not here")
    pictures = [cell_picture(scene) for scene in train]
    scale = Scale.fit(pictures)
    examples = [
        _Example(scale(picture, there), np.where(there, scene.labels, IGNORE).astype(np.int64))  # type: ignore[arg-type]
        for scene, (picture, there) in zip(train, pictures, strict=True)
    ]
    made = Expert(scale, [_train(examples, recipe, each) for each in range(recipe.networks)])
    cells = np.sum([scene.cell_counts() for scene in train], axis=0) + 1.0
    prior = np.log(cells / cells.sum())
    shares = [made.probabilities(scene) for scene in validation]

    def score(tau: float) -> float:
        counts = SceneConfusions(NAMES)
        for scene, found in zip(validation, shares, strict=True):
            counts.add(scene.name, np.asarray(scene.labels), decide(found, -tau * prior))
        return counts.scores().macro_f1

    made.shift = -max(_TAUS, key=score) * prior
    return made


def _train(examples: Sequence[_Example], recipe: Recipe, number: int) -> CellNet:
    rng = np.random.default_rng([recipe.seed, 1, number])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed * 1000 + number)
        network = CellNet(_INPUTS, recipe.width, recipe.depth)
    placed(network, torch.device("cpu"))
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=recipe.warmup
    )
    average = {key: value.clone() for key, value in network.state_dict().items()}
    crops = _Crops(examples, recipe, rng)
    network.train()
    for step in range(recipe.steps):
        pictures, labels = crops.batch()
        with _half_precision():
            logits = network(pictures)
        loss = functional.cross_entropy(logits, labels, ignore_index=IGNORE)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rate.step()
        # Early weights are forgotten sooner: of few steps, a long memory would be of the start.
        memory = min(recipe.average, (step + 1) / (step + 10))
        for key, value in network.state_dict().items():
            average[key].lerp_(value, 1 - memory)
    network.load_state_dict(average)
    network.eval()
    return network


class _Crops:
    """Crops of the pictures: aimed at classes, flipped and turned."""

    def __init__(
        self, examples: Sequence[_Example], recipe: Recipe, rng: np.random.Generator
    ) -> None:
        self._examples, self._recipe, self._rng = examples, recipe, rng
        shortest = min(min(each.labels.shape) for each in examples)
        self._side = min(recipe.crop, shortest)
        self._places = [
            np.concatenate(
                [
                    np.insert(np.argwhere(each.labels == number), 0, at, axis=1)
                    for at, each in enumerate(examples)
                ]
            )
            for number in range(COUNT)
        ]
        cells = np.array([len(places) for places in self._places], float)
        part = np.where(cells > 0, np.maximum(cells, 1) ** (1 - recipe.bias), 0)
        self._shares = part / part.sum()

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        pictures, labels = zip(*(self._crop() for _ in range(self._recipe.batch)), strict=True)
        images = torch.from_numpy(np.stack(pictures))
        return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(
            np.stack(labels)
        )

    def _crop(self) -> tuple[Picture, npt.NDArray[np.int64]]:
        rng, side = self._rng, self._side
        places = self._places[rng.choice(COUNT, p=self._shares)]
        at, row, column = places[rng.integers(len(places))]
        example = self._examples[at]
        rows, columns = example.labels.shape
        top = int(np.clip(row - rng.integers(side), 0, rows - side))
        left = int(np.clip(column - rng.integers(side), 0, columns - side))
        picture = example.picture[:, top : top + side, left : left + side]
        labels = example.labels[top : top + side, left : left + side]
        view = int(rng.integers(_VIEWS))
        return (
            np.ascontiguousarray(_seen(picture, view)),
            np.ascontiguousarray(_seen(labels, view)),
        )


def _seen(values: npt.NDArray[np.generic], view: int) -> npt.NDArray[np.generic]:
    """One of the eight ways to flip and turn the last two axes."""
    turned = np.rot90(values, view % 4, axes=(-2, -1))
    return turned[..., ::-1] if view >= 4 else turned


def _half_precision() -> torch.autocast:
    """bfloat16 where the processor computes in it, as some do several times faster."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported())


@torch.inference_mode()
def _predict(network: CellNet, picture: Picture) -> npt.NDArray[np.float32]:
    """Mean probabilities of the eight views, float32 (9, R, C)."""
    total = np.zeros((COUNT, *picture.shape[1:]), np.float32)
    for view in range(_VIEWS):
        image = torch.from_numpy(np.ascontiguousarray(_seen(picture, view)))[None]
        with _half_precision():
            logits = network(image.contiguous(memory_format=torch.channels_last))
        shares = logits.softmax(1)[0].numpy()
        if view >= 4:
            shares = shares[..., ::-1]
        total += np.rot90(shares, -(view % 4), axes=(-2, -1))
    return np.asarray(total / np.float32(_VIEWS))


def main() -> None:
    """Trains on a published dataset and writes a submission."""
    parser = argparse.ArgumentParser(description="Makes the expert's submission.")
    parser.add_argument("dataset", type=Path, help="folder with task.json, train/ and held_out/")
    parser.add_argument("submission", type=Path, help="the .npz file to write")
    parser.add_argument("--steps", type=int, default=Recipe.steps, help="of training")
    arguments = parser.parse_args()
    data = LandCover(arguments.dataset)
    expert = fit(*data.split(), Recipe(steps=arguments.steps))
    predictions: dict[str, Any] = {scene.name: expert.predict(scene) for scene in data.held_out}
    np.savez_compressed(arguments.submission, **predictions)
    print(f"{len(predictions)} scenes in {arguments.submission}")


if __name__ == "__main__":
    main()
