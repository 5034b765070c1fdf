"""The baseline in torch: small networks, shared by all series, that correct a climatology.

A series' level, trend and season are easy; what a network can add is how a departure from them
goes on. So everything is learnt on departures:

1. fit a straight line and a mean season to all that is known at a moment (`climatology`);
2. divide what is left by its own standard deviation: no series is louder than another;
3. a network reads the last `memory` departures and gives the departures to come;
4. undo 2 and 1. Five networks with different starts are averaged.

Every month of the past is such a moment: the fit of step 1 never sees what comes after it. A warm
spell fades like a cold one, so each example is also shown with its sign turned. The networks' last
layer starts at zero: an untrained baseline *is* the climatology.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from academy import devices
from academy.forecasting.naive import as_series, fit_climatology

Array = npt.NDArray[np.float64]

_WEIGHTS, _SETTINGS = "weights.pt", "settings.json"


@dataclass(frozen=True)
class Settings:
    """What can be turned. Lengths are in steps of the series."""

    horizon: int = 24
    season: int = 12
    first: int = 96
    """The shortest past that is learnt from or forecast from."""
    memory: int = 24
    width: int = 64
    networks: int = 5
    epochs: int = 12
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    dropout: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("horizon", "season", "memory", "width", "networks", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.epochs < 0:
            raise ValueError(f"epochs is {self.epochs}; it must not be negative")
        if self.first < max(3 * self.season, self.memory):
            raise ValueError(
                f"first is {self.first}; it must cover three seasons ({3 * self.season}) "
                f"and the memory ({self.memory})"
            )


class Networks(nn.Module):
    """`networks` small networks side by side, each with weights of its own.

    From the last departures, shape (networks, batch, memory), to those to come,
    (networks, batch, horizon). One matrix product for all: small ones are mostly overhead.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        count, memory, width = settings.networks, settings.memory, settings.width
        bound = memory**-0.5
        self.weight = nn.Parameter(torch.empty(count, memory, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, 1, width).uniform_(-bound, bound))
        self.head_weight = nn.Parameter(torch.zeros(count, width, settings.horizon))
        self.head_bias = nn.Parameter(torch.zeros(count, 1, settings.horizon))
        self.forget_inputs = nn.Dropout(settings.dropout / 2)
        self.forget_hidden = nn.Dropout(settings.dropout)

    def forward(self, departures: torch.Tensor) -> torch.Tensor:
        hidden = torch.baddbmm(self.bias, self.forget_inputs(departures), self.weight)
        hidden = self.forget_hidden(nn.functional.gelu(hidden))
        return torch.baddbmm(self.head_bias, hidden, self.head_weight)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are faster on one core than on many that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Baseline:
    """A global forecaster: one model for all series of a project.

    Parameters
    ----------
    settings
        `Settings`; the defaults train in seconds on two cores.

    Examples
    --------
    >>> import numpy as np
    >>> history = {"a": 10 + np.sin(np.arange(200) * np.pi / 6)}
    >>> model = Baseline(Settings(epochs=1, networks=1)).fit(history)
    >>> model.predict(history)["a"].shape
    (24,)
    """

    def __init__(self, settings: Settings | None = None, device: str | None = None) -> None:
        self.settings = settings or Settings()
        self.device = devices.best() if device is None else torch.device(device)
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            self.networks = Networks(self.settings).to(self.device)
        #: Mean absolute error of the scaled departures, after each epoch.
        self.losses: list[float] = []

    def fit(
        self,
        history: Mapping[str, npt.ArrayLike],
        *,
        report: Callable[[int, float], None] | None = None,
    ) -> Baseline:
        """Trains on every month of every series that has `first` months before it.

        Parameters
        ----------
        history
            Series by name, each of shape (n,), n >= first + horizon.
        report
            Called after each epoch with its number, from 1, and its loss: the mean absolute
            error of the scaled departures.

        Raises
        ------
        ValueError
            No series, a series that is too short, or one with values that are not finite.
        """
        settings = self.settings
        before, after = [], []
        for name, series in history.items():
            values = as_series(series, name)
            if values.size < settings.first + settings.horizon:
                raise ValueError(
                    f"{name} has {values.size} values; a past of {settings.first} and a horizon "
                    f"of {settings.horizon} need {settings.first + settings.horizon}"
                )
            for now in range(settings.first, values.size - settings.horizon + 1):
                departures, usual, spread = self._reduce(values[:now])
                before.append(departures)
                after.append((values[now : now + settings.horizon] - usual) / spread)
        if not before:
            raise ValueError("no series to learn from")
        inputs, target = self._tensor(np.stack(before)), self._tensor(np.stack(after))
        inputs, target = torch.cat([inputs, -inputs]), torch.cat([target, -target])

        with torch.random.fork_rng(), _one_thread():
            torch.manual_seed(settings.seed + 1)
            self._train(inputs, target, report)
        return self

    def _train(
        self,
        inputs: torch.Tensor,
        target: torch.Tensor,
        report: Callable[[int, float], None] | None,
    ) -> None:
        settings, count = self.settings, len(inputs)
        optimizer = torch.optim.AdamW(
            self.networks.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        batches = -(-count // settings.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=max(1, settings.epochs * batches)
        )
        self.networks.train()
        for epoch in range(1, settings.epochs + 1):
            total = 0.0
            # Each network sees its own order; one backward pass trains all of them.
            orders = torch.stack([torch.randperm(count) for _ in range(settings.networks)])
            orders = orders.to(self.device)
            for start in range(0, count, settings.batch):
                chosen = orders[:, start : start + settings.batch]
                error = (self.networks(inputs[chosen]) - target[chosen]).abs()
                optimizer.zero_grad()
                # The sum over networks of each one's mean.
                (error.mean() * settings.networks).backward()
                optimizer.step()
                schedule.step()
                total += error.mean().item() * chosen.shape[1]
            self.losses.append(total / count)
            if report:
                report(epoch, self.losses[-1])

    def predict(self, history: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """The next `horizon` values of each series, shape (horizon,), in the series' own unit.

        Raises
        ------
        ValueError
            A series is shorter than `first`, or has values that are not finite.
        """
        first = self.settings.first
        reduced = []
        for name, series in history.items():
            values = as_series(series, name)
            if values.size < first:
                raise ValueError(f"{name} has {values.size} values; the model needs {first}")
            reduced.append(self._reduce(values))
        if not reduced:
            return {}
        self.networks.eval()
        with torch.no_grad():
            inputs = self._tensor(np.stack([departures for departures, _, _ in reduced]))
            outputs = self.networks(inputs.expand(self.settings.networks, -1, -1)).mean(dim=0)
        scaled = outputs.cpu().numpy().astype(np.float64)
        return {
            name: usual + spread * row
            for name, (_, usual, spread), row in zip(history, reduced, scaled, strict=True)
        }

    def save(self, folder: str | Path) -> None:
        """Writes weights and settings into `folder`, which is made if need be."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.cpu() for name, tensor in self.networks.state_dict().items()}
        torch.save(weights, target / _WEIGHTS)
        (target / _SETTINGS).write_text(json.dumps(asdict(self.settings), indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path, device: str | None = None) -> Baseline:
        """The model that `save` wrote into `folder`.

        Raises
        ------
        FileNotFoundError
            The folder has no saved baseline.
        """
        source = Path(folder)
        if not (source / _SETTINGS).is_file():
            raise FileNotFoundError(f"{source} has no {_SETTINGS}: no baseline was saved there")
        known = set(Settings.__dataclass_fields__)
        settings: dict[str, Any] = json.loads((source / _SETTINGS).read_text())
        model = cls(Settings(**{k: v for k, v in settings.items() if k in known}), device)
        weights = torch.load(source / _WEIGHTS, map_location=model.device, weights_only=True)
        model.networks.load_state_dict(weights)
        return model

    def _reduce(self, past: Array) -> tuple[Array, Array, float]:
        """Last scaled departures (memory,), the climatology to come (horizon,), and the spread."""
        settings = self.settings
        usual = fit_climatology(past, settings.horizon, settings.season, 1)
        departures = past - usual[: past.size]
        # A series without any departure would divide by zero; its forecast is its climatology.
        spread = max(float(departures.std()), float(np.abs(past).max()) * 1e-9, 1e-30)
        return departures[-settings.memory :] / spread, usual[past.size :], spread

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)
