"""Trains the baseline's networks: on a CPU, on a GPU, or in several processes, with one curve.

An update depends on the settings, the data and the number of the step, and on nothing else: the
order of the examples and what dropout drops are drawn from the seed and that number. So a run that
goes on from a checkpoint, and one that is divided over processes, go the way of a run in one go.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from academy.errors import AcademyError
from academy.forecasting.data.series import Array
from academy.forecasting.models.quantiles import pinball
from academy.forecasting.models.settings import Settings
from academy.training.checkpoints import (
    Bell,
    CheckpointError,
    Interrupted,
    listening,
    load_checkpoint,
    save_checkpoint,
)
from academy.training.ranks import Ranks, join

__all__ = ["CheckpointError", "Examples", "Interrupted", "TrainingError", "train"]

#: Settings that may change when a run goes on: the curve does not hang on them.
_FREE = ("checkpoint_seconds",)
_RISE = 0.3


class TrainingError(AcademyError):
    """Training cannot go on."""


@dataclass(frozen=True)
class Examples:
    """What to learn from: pasts without a unit, and what came after them."""

    inputs: Array
    """(n, k)"""
    targets: Array
    """(n, horizon)"""

    def digest(self) -> str:
        """Changes if a number does."""
        found = hashlib.sha256(repr((self.inputs.shape, self.targets.shape)).encode())
        for part in (self.inputs, self.targets):
            found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()[:16]


def train(
    networks: nn.Module,
    examples: Examples,
    settings: Settings,
    *,
    out: str | Path | None = None,
    report: Callable[[int, float], None] | None = None,
    resume: bool = True,
    device: torch.device | str | None = None,
) -> list[float]:
    """Trains `networks` in place; they are on `device` afterwards.

    Parameters
    ----------
    networks
        Takes inputs (networks, batch, k) and what dropout keeps, or None; gives quantiles
        (networks, batch, horizon, 19). Its `dropout_masks` draws what is kept.
    out
        Folder for a checkpoint, made if need be; without it there is none.
    report
        Called after each epoch with its number, from 1, and its loss; under torchrun only in the
        first process.
    resume
        Go on from the checkpoint in `out`, if there is one. A finished run is only read.

    Returns
    -------
    The loss of each epoch: the mean over examples, leads and levels of twice the pinball loss.

    Raises
    ------
    CheckpointError
        `out` has a checkpoint of another run.
    Interrupted
        SIGTERM came. The same call goes on from the checkpoint.
    TrainingError
        The loss is not a number.
    """
    processes = join(device)
    with listening() as bell, few_threads(processes.device):
        run = _Run(networks, examples, settings, processes, None if out is None else Path(out))
        if resume:
            run.resume()
        run.go(report, bell)
    return run.losses


@contextmanager
def few_threads(device: torch.device) -> Iterator[None]:
    """On a CPU networks this small are faster on one core than on many that wait."""
    if device.type != "cpu":
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def learning_rate(settings: Settings, step: int, steps: int) -> float:
    """The learning rate of step `step` of `steps`, from 0: up linearly, then down as a cosine."""
    rise = max(1, round(_RISE * steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    share = (step - rise) / max(1, steps - rise)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def generator(*numbers: int) -> torch.Generator:
    """Random numbers of their own for these numbers; PyTorch's global ones are left alone."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed) >> 1)


class _Run:
    def __init__(
        self,
        networks: nn.Module,
        examples: Examples,
        settings: Settings,
        processes: Ranks,
        folder: Path | None,
    ) -> None:
        self.settings, self.processes, self.folder = settings, processes, folder
        kept = {k: v for k, v in settings.as_json().items() if k not in _FREE}
        self.identity = {"settings": kept, "data": examples.digest()}
        device = processes.device
        self.networks = networks.to(device).train()
        self.inputs = torch.as_tensor(examples.inputs, dtype=torch.float32, device=device)
        self.targets = torch.as_tensor(examples.targets, dtype=torch.float32, device=device)
        self.optimiser = torch.optim.AdamW(
            networks.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.losses: list[float] = []
        self.saved = time.monotonic()

    def go(self, report: Callable[[int, float], None] | None, bell: Bell) -> None:
        settings = self.settings
        while len(self.losses) < settings.epochs:
            self._epoch(len(self.losses))
            epoch = len(self.losses)
            if report is not None and self.processes.first:
                report(epoch, self.losses[-1])
            last = epoch == settings.epochs
            if not last and self.processes.any(bell.rang):
                self._stop()
            if last or time.monotonic() - self.saved > settings.checkpoint_seconds:
                self._save()
        self.networks.eval()
        self.processes.wait()

    def _epoch(self, epoch: int) -> None:
        settings, processes, count = self.settings, self.processes, len(self.inputs)
        # Each network sees its own order; one backward pass trains all of them.
        draw = generator(settings.seed, 1, epoch)
        orders = torch.stack(
            [torch.randperm(count, generator=draw) for _ in range(settings.networks)]
        )
        batches = -(-count // settings.batch)
        total = torch.zeros((), device=processes.device)
        for number in range(batches):
            step = epoch * batches + number
            chosen = orders[:, number * settings.batch : (number + 1) * settings.batch]
            total += self._update(step, batches * settings.epochs, chosen) * chosen.shape[1]
        loss = float(total.item()) / count
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after epoch {epoch + 1}; training cannot go on. "
                "Try a lower learning_rate"
            )
        self.losses.append(loss)

    def _update(self, step: int, steps: int, chosen: Tensor) -> Tensor:
        settings, processes = self.settings, self.processes
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(settings, step, steps)
        size = chosen.shape[1]
        masks = self.networks.dropout_masks(size, generator(settings.seed, 2, step))  # type: ignore[operator]
        mine = slice(processes.rank, None, processes.count)
        rows = chosen[:, mine].to(processes.device)
        kept = [mask[:, mine].to(processes.device) for mask in masks]
        losses = pinball(self.networks(self.inputs[rows], kept), self.targets[rows])
        # The sum over networks of each one's mean over the whole batch, of which a part is here.
        value = losses.sum() / (size * losses.shape[2] * losses.shape[3])
        self.optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        loss = self._summed(value.detach())
        self.optimiser.step()
        return loss / settings.networks

    def _summed(self, loss: Tensor) -> Tensor:
        """Adds up gradients and loss over the processes, in one message."""
        if self.processes.count == 1:
            return loss
        learnt = [each for each in self.networks.parameters() if each.grad is not None]
        grads = [each.grad for each in learnt if each.grad is not None]
        message = torch.cat([*(grad.flatten() for grad in grads), loss.reshape(1)])
        message = self.processes.sum(message)
        start = 0
        for grad in grads:
            grad.copy_(message[start : start + grad.numel()].view_as(grad))
            start += grad.numel()
        return message[-1]

    # -- checkpoints ------------------------------------------------------------------------------

    def _save(self) -> None:
        self.saved = time.monotonic()
        if self.folder is None or not self.processes.first:
            return
        save_checkpoint(
            self.folder,
            {
                "identity": self.identity,
                "networks": self.networks.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "losses": self.losses,
            },
        )

    def resume(self) -> None:
        state = None if self.folder is None else load_checkpoint(self.folder)
        if state is None:
            return
        if differs := _differences(state.get("identity"), self.identity):
            raise CheckpointError(
                f"{self.folder} has a checkpoint of another run ({differs}); "
                "give another folder, or delete it to start over"
            )
        self.networks.load_state_dict(state["networks"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.losses = [float(loss) for loss in state["losses"]]

    def _stop(self) -> None:
        self._save()
        self.processes.wait()
        where = (
            f"the same call goes on from the checkpoint in {self.folder}"
            if self.folder is not None
            else "no folder for checkpoints was given, so it must start over"
        )
        raise Interrupted(
            f"training was stopped (SIGTERM) after {len(self.losses)} of {self.settings.epochs} "
            f"epochs; {where}"
        )


def _differences(stored: Any, now: Mapping[str, Any]) -> str:
    """In words what is another; empty if nothing is."""
    if not isinstance(stored, dict):
        return "it does not say of which"
    then = stored.get("settings") or {}
    found = [
        f"{name} was {then.get(name)!r} and is {value!r}"
        for name, value in now["settings"].items()
        if then.get(name) != value
    ]
    if stored.get("data") != now["data"]:
        found.append("other series")
    return "; ".join(found)
