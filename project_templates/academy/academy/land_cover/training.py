"""Trains a network on scenes: on a CPU, on a GPU, or in several processes, with one curve.

>>> from academy.data.simulator import simulate
>>> scenes = [simulate(seed, height=96, width=96) for seed in (101, 102, 103)]
>>> short = Settings(steps=4, batch=4, crop=32, width=8, evaluate_every=4)
>>> trained = fit(scenes[:2], scenes[2:], short, report=silent)
>>> len(trained.history.loss)
4
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from academy.errors import AcademyError
from academy.land_cover.augmentation import Augmentation
from academy.land_cover.batches import pool_cells, sure_labels, training_batches
from academy.land_cover.calibration import tuned
from academy.land_cover.classes import COUNT, IGNORE, NAMES
from academy.land_cover.dataset import Normalisation
from academy.land_cover.inference import decide, fill_empty, predict_cells
from academy.land_cover.losses import (
    Combined,
    CrossEntropy,
    Dice,
    Focal,
    LogitAdjusted,
    LovaszSoftmax,
    SegmentationLoss,
    across_ranks,
    class_weights,
)
from academy.land_cover.metrics import confusion, scores
from academy.land_cover.reporting import Display, Moment, silent
from academy.land_cover.sampling import BiasedCrops, RandomCrops, Sampler
from academy.land_cover.scene import Scene, SceneError
from academy.land_cover.settings import Settings
from academy.land_cover.trained import (
    Features,
    History,
    ModelMaker,
    Trained,
    build,
    placed,
)
from academy.training.checkpoints import (
    Bell,
    CheckpointError,
    Interrupted,
    checkpoint_folder,
    listening,
    load_checkpoint,
    save_checkpoint,
)
from academy.training.precision import autocast, number_type
from academy.training.ranks import Ranks, join
from academy.training.settings import SettingsError
from academy.training.weights import ModelError

__all__ = [
    "CheckpointError",
    "History",
    "Interrupted",
    "ModelError",
    "Moment",
    "Settings",
    "SettingsError",
    "Trained",
    "TrainingError",
    "fit",
    "make_loss",
    "silent",
]

#: Steps between readings of the loss, which a GPU has to be waited for.
_READ_EVERY = 10
#: Validation windows overlap by less than a map's: it is looked at often.
_OVERLAP = 0.25
#: Settings that may change when a run goes on: the curve does not hang on them.
_FREE = ("workers", "checkpoint_seconds")


class TrainingError(AcademyError):
    """Training cannot go on."""


def make_loss(settings: Settings, cells: Sequence[int] | np.ndarray[Any, Any]) -> SegmentationLoss:
    """The loss that the settings name.

    Parameters
    ----------
    cells
        Label cells of each class in the training scenes, (9,): what weights and priors are from.
    """
    weight = None if settings.weights == "none" else class_weights(cells, settings.weights)
    if settings.loss == "focal":
        return Focal(settings.gamma, weight)
    if settings.loss == "dice":
        return Dice()
    if settings.loss == "lovasz":
        return LovaszSoftmax()
    if settings.loss == "logit-adjusted":
        return LogitAdjusted(cells, settings.tau)
    if settings.loss == "ce+dice":
        return Combined((1.0, CrossEntropy(weight)), (settings.dice, Dice()))
    return CrossEntropy(weight)


def fit(
    train: Sequence[Scene],
    validation: Sequence[Scene],
    settings: Settings | None = None,
    *,
    out: str | Path | None = None,
    report: Callable[[Moment], None] | None = None,
    resume: bool = True,
    model: ModelMaker | None = None,
    loss: SegmentationLoss | None = None,
    features: Features | None = None,
    device: torch.device | str | None = None,
) -> Trained:
    """A trained model: the best by macro-F1 on the validation scenes.

    The same scenes and settings give the same model on the same machine. Under ``torchrun`` the
    batch is divided over the processes, and the losses are those of one process.

    Parameters
    ----------
    train
        Scenes to learn from, with labels.
    validation
        Other scenes with labels; without any, the last model is kept.
    settings
        See `Settings`.
    out
        Folder for checkpoints, made if need be. By default a training job's own, if it has one;
        else there are none.
    report
        Called with a `Moment` every few steps; by default progress is shown. `silent` for nothing.
    resume
        Go on from the checkpoint in `out`, if there is one. A finished run is only read.
    model
        Makes another network of the settings; the U-Net by default.
    loss
        Instead of the one that the settings name.
    features
        Is applied to normalised images (batch, 2, H, W) before the network, here and in
        predictions; the default network takes as many channels as come out.
    device
        Such as "cpu" or "cuda"; a GPU by default, if there is one.

    Raises
    ------
    SettingsError
        The settings do not suit the scenes, the device or the processes.
    SceneError
        There are no scenes to train on, or one has no labels, or one is in both lists.
    CheckpointError
        `out` has a checkpoint of another run.
    Interrupted
        SIGTERM came. The same call goes on from the checkpoint.
    TrainingError
        The loss is not a number.
    """
    settings = settings or Settings()
    _check_scenes(train, validation)
    folder = checkpoint_folder() if out is None else Path(out)
    processes = join(device)
    with listening() as bell:
        parts = _Parts(model or _default_model(features), loss, features)
        run = _Run(train, validation, settings, parts, processes, folder, bell)
        if resume:
            run.resume()
        if report is None:
            report = (
                Display(settings.steps, 0 if run.finished else run.step)
                if processes.first
                else silent
            )
        return run.run(report)


def _check_scenes(train: Sequence[Scene], validation: Sequence[Scene]) -> None:
    if not train:
        raise SceneError("there are no scenes to train on")
    for scene in (*train, *validation):
        if scene.labels is None:
            raise SceneError(f"scene {scene.name} is held out: its labels are not here")
    both = {scene.name for scene in train} & {scene.name for scene in validation}
    if both:
        raise SceneError(
            f"scene {min(both)} is among the training and the validation scenes: "
            "its score would be of what the model has learnt by heart"
        )


def _default_model(features: Features | None) -> ModelMaker:
    def make(settings: Settings) -> nn.Module:
        channels = 2
        if features is not None:
            channels = features(torch.zeros(1, 2, settings.crop, settings.crop)).shape[1]
        return build(settings, channels)

    return make


@dataclass
class _Parts:
    """What may be replaced."""

    model: ModelMaker
    loss: SegmentationLoss | None
    features: Features | None


class _Run:
    """One training run: its state, and how it goes on by a step."""

    def __init__(
        self,
        train: Sequence[Scene],
        validation: Sequence[Scene],
        settings: Settings,
        parts: _Parts,
        processes: Ranks,
        folder: Path | None,
        bell: Bell,
    ) -> None:
        if settings.batch % processes.count:
            raise SettingsError(
                f"batch is {settings.batch}, which {processes.count} processes cannot share; "
                "make it a multiple"
            )
        self.settings, self.processes, self.folder, self.bell = settings, processes, folder, bell
        self.validation = list(validation)
        self.identity = {
            "settings": {k: v for k, v in settings.as_json().items() if k not in _FREE},
            "train": [scene.name for scene in train],
            "validation": [scene.name for scene in validation],
        }
        self.normalisation = Normalisation.fit(train)
        self.train = sure_labels(train, settings.least_probability)
        cells = np.sum([scene.cell_counts() for scene in self.train], axis=0)
        if not cells.sum():
            raise SceneError(
                "no label cell is left to learn from; least_probability is "
                f"{settings.least_probability}"
            )
        self.cells = cells
        self.loss = (parts.loss or make_loss(settings, cells)).to(processes.device)
        self.features = parts.features

        device = processes.device
        self.kind = number_type(settings.precision, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            model = parts.model(settings)
        self.model = placed(model, device)
        self.average = None
        if settings.ema:
            self.average = AveragedModel(self.model, multi_avg_fn=_ema(settings.ema))
        self.network: nn.Module = self.model
        if processes.count > 1:
            ids = [device.index] if device.type == "cuda" else None
            self.network = DistributedDataParallel(self.model, device_ids=ids)
        self.optimiser = torch.optim.AdamW(
            _groups(self.model, settings.weight_decay), lr=settings.learning_rate, fused=True
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.kind == torch.float16)
        self.step = 0
        self.finished = False
        self.waited = 0
        self.best: dict[str, Tensor] | None = None
        self.best_score = -1.0
        self.history = History()
        self.before = 0.0
        self.started = time.monotonic()
        self.saved = time.monotonic()
        self.unread: list[Tensor] = []

    # -- checkpoints ------------------------------------------------------------------------------

    def resume(self) -> None:
        state = load_checkpoint(self.folder) if self.folder is not None else None
        if state is None:
            return
        differs = _differences(state.get("identity"), self.identity)
        if differs:
            raise CheckpointError(
                f"{self.folder} holds a checkpoint of another run ({differs}); use another "
                "folder, or resume=False to write over it"
            )
        try:
            self._restore(state)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as problem:
            reason = " ".join(str(problem).split())[:200]
            raise CheckpointError(
                f"the checkpoint in {self.folder} does not fit this run ({reason}); "
                "resume=False starts over"
            ) from None

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.best_score = float(state["best_score"])
        self.step, self.waited = int(state["step"]), int(state["waited"])
        self.finished = bool(state["finished"])
        self.history = History.from_json(state["history"])
        self.before = float(state["seconds"])

    def save(self) -> None:
        """Rank 0 writes; all ranks are in the same state."""
        self.saved = time.monotonic()
        if self.folder is None or not self.processes.first:
            return
        save_checkpoint(
            self.folder,
            {
                "identity": self.identity,
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "best": self.best,
                "best_score": self.best_score,
                "step": self.step,
                "waited": self.waited,
                "finished": self.finished,
                "history": self.history.as_json(),
                "seconds": self.seconds,
            },
        )

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    # -- training ---------------------------------------------------------------------------------

    def run(self, report: Callable[[Moment], None]) -> Trained:
        if not self.finished:
            self._loop(report)
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.model.load_state_dict(self.average.module.state_dict())
        trained = self._trained(self.model.eval())
        if self.settings.calibrate and self.validation:
            trained.shift = tuple(tuned(trained, self.validation, prior=self.cells).tolist())
        return trained

    def _trained(self, model: nn.Module) -> Trained:
        return Trained(
            model, self.normalisation, self.settings, self.history, features=self.features
        )

    def _loop(self, report: Callable[[Moment], None]) -> None:
        self.network.train()
        with closing(self._batches()) as batches:
            self._steps(batches, report)
        self.processes.wait()

    def _steps(
        self, batches: Iterator[dict[str, Tensor]], report: Callable[[Moment], None]
    ) -> None:
        settings = self.settings
        while not self.finished:
            self._update(next(batches))
            self.step += 1
            last = self.step == settings.steps
            look = bool(self.validation) and (last or self.step % settings.evaluate_every == 0)
            if look or last or self.step % _READ_EVERY == 0:
                self._read()
            if look:
                self._evaluate()
            self.finished = last or 0 < settings.patience <= self.waited
            if look or self.finished or self.step % _READ_EVERY == 0:
                report(self._moment(look))
            # All processes hear of it at the same step, or some would wait for the others.
            asked = self.processes.count == 1 or self.step % _READ_EVERY == 0
            if asked and not self.finished and self.processes.any(self.bell.rang):
                self._stop()
            if self.finished or time.monotonic() - self.saved > settings.checkpoint_seconds:
                self._read()
                self.save()

    def _stop(self) -> None:
        self._read()
        self.save()
        self.processes.wait()
        where = (
            f"the same call goes on from the checkpoint in {self.folder}"
            if self.folder is not None
            else "no folder for checkpoints was given, so it must start over"
        )
        raise Interrupted(
            f"training was stopped (SIGTERM) after {self.step} of {self.settings.steps} steps; "
            + where
        )

    def _batches(self) -> Generator[dict[str, Tensor]]:
        settings, processes = self.settings, self.processes
        sampler: Sampler
        if settings.sampler == "biased":
            sampler = BiasedCrops(self.train, settings.crop, settings.seed, settings.bias)
        else:
            sampler = RandomCrops(self.train, settings.crop, settings.seed)
        augmentation = Augmentation(settings.flips, settings.turns, settings.speckle_looks or None)
        first, end = self.step * settings.batch, settings.steps * settings.batch
        return training_batches(
            self.train,
            sampler,
            self.normalisation,
            augmentation,
            level=settings.level,
            seed=settings.seed,
            numbers=range(first + processes.rank, end, processes.count),
            batch=settings.batch // processes.count,
            workers=settings.workers,
            pin=processes.device.type == "cuda",
        )

    def _update(self, batch: dict[str, Tensor]) -> None:
        settings, device = self.settings, self.processes.device
        rate = learning_rate(settings, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        here = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        images = here["image"].contiguous(memory_format=torch.channels_last)
        with autocast(settings.precision, device):
            logits = self.network(images if self.features is None else self.features(images))
        if "cell" in here:
            logits = pool_cells(logits, here["cell"], here["label"].shape[1])
        value = across_ranks(self.loss, logits, here["label"])
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        if settings.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.unread.append(value.detach())
        self.history.learning_rate.append(rate)

    def _read(self) -> None:
        """Takes the losses since the last time from the device."""
        if not self.unread:
            return
        values = torch.stack(self.unread).float().tolist()
        self.unread.clear()
        for value in values:
            self.history.loss.append(value)
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss is {value} at step {len(self.history.loss)}; training cannot go on. "
                    "Try a lower learning_rate, a longer warmup or precision='float32'"
                )

    def _evaluate(self) -> None:
        """Each process takes some of the scenes; the counts of all are summed."""
        kept = self.model if self.average is None else self.average.module
        trained = self._trained(kept)
        counts = np.zeros((COUNT, COUNT), np.int64)
        surprise = np.zeros(2)
        for scene in self.validation[self.processes.rank :: self.processes.count]:
            shares = fill_empty(predict_cells(trained, scene, overlap=_OVERLAP))
            labels = np.asarray(scene.labels)
            counts += confusion(labels, decide(shares), COUNT)
            known = labels != IGNORE
            picked = np.take_along_axis(
                shares[:, known], labels[known].astype(np.int64)[None], axis=0
            )
            surprise += -np.log(np.maximum(picked, 1e-12)).sum(dtype=np.float64), known.sum()
        counts = self.processes.sum(torch.from_numpy(counts)).numpy()
        surprise = self.processes.sum(torch.from_numpy(surprise)).numpy()
        result = scores(counts, NAMES)
        history = self.history
        history.evaluated.append(self.step)
        history.validation_loss.append(float(surprise[0] / max(surprise[1], 1)))
        history.macro_f1.append(result.macro_f1)
        history.accuracy.append(result.accuracy)
        history.f1.append(result.f1.tolist())
        history.seconds.append(round(self.seconds, 2))
        if result.macro_f1 > self.best_score:
            self.best_score, self.waited = result.macro_f1, 0
            self.best = copy.deepcopy(kept.state_dict())
            history.best_step = self.step
        else:
            self.waited += 1
        self.network.train()

    def _moment(self, looked: bool) -> Moment:
        history = self.history
        recent = history.loss[-_READ_EVERY:]
        return Moment(
            step=self.step,
            steps=self.settings.steps,
            loss=sum(recent) / max(1, len(recent)),
            learning_rate=history.learning_rate[-1],
            seconds=self.seconds,
            macro_f1=history.macro_f1[-1] if looked else None,
            f1=tuple(history.f1[-1]) if looked else None,
            best=looked and history.best_step == self.step,
            finished=self.finished,
        )


def learning_rate(settings: Settings, step: int) -> float:
    """The learning rate of step `step`, from 0: up linearly, then down to 0 as a cosine."""
    rise = max(1, round(settings.warmup * settings.steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    share = (step - rise) / max(1, settings.steps - rise)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Norms and biases, which have one dimension, do not decay."""
    learnt = [each for each in model.parameters() if each.requires_grad]
    return [
        {"params": [each for each in learnt if each.ndim > 1], "weight_decay": decay},
        {"params": [each for each in learnt if each.ndim <= 1], "weight_decay": 0.0},
    ]


def _ema(decay: float) -> Any:
    """Averages over about 1 / (1 - decay) steps, over fewer at the start."""

    @torch.no_grad()
    def update(averages: Any, now: Any, count: Tensor) -> None:
        number = int(count)
        kept = min(decay, (1 + number) / (10 + number))
        for average, value in zip(averages, now, strict=True):
            average.lerp_(value, 1 - kept)

    return update


def _differences(stored: Any, now: dict[str, Any]) -> str:
    """In words what is another; empty if nothing is."""
    if not isinstance(stored, dict):
        return "it does not say of which"
    found = []
    then = stored.get("settings") or {}
    for name, value in now["settings"].items():
        if then.get(name) != value:
            found.append(f"{name} was {then.get(name)!r} and is {value!r}")
    for part in ("train", "validation"):
        if stored.get(part) != now[part]:
            found.append(
                f"other {part}ing scenes" if part == "train" else "other validation scenes"
            )
    return "; ".join(found)
