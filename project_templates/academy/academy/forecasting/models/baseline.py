"""The baseline in torch: small networks, shared by all series, that correct a damped anomaly.

A series' level, trend and season are easy, and so is most of how a departure from them fades; what
a network can add is the rest. So it learns in a frame in which all that is done
(`academy.forecasting.models.departures`):

1. fit a straight line and a mean season to all that is known at a moment, and let today's
   departure from them fade as departures used to fade;
2. divide what is left by the spread of such a forecast's errors, lead by lead: no series is louder
   than another, and no lead;
3. a network reads the last departures, and how fast they fade, and gives 19 quantiles of what is
   to come, which never cross;
4. undo 2 and 1. Five networks with different starts are averaged; the median is the point forecast.

Every step of the past is such a moment: the fit of step 1 never sees what comes after it. A warm
spell fades like a cold one, so each example is also shown with its sign turned. The networks' last
layer starts at zero: an untrained baseline *is* the damped anomaly, with the fan of an
autoregression of first order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from academy import devices
from academy.forecasting.data.series import Array, SeriesError, as_series, not_constant
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.models.departures import MEANS, TRAITS, Moments, moments
from academy.forecasting.models.quantiles import ascending, normal_start
from academy.forecasting.models.settings import SEASON, Settings
from academy.forecasting.models.training import Examples, few_threads, generator, train
from academy.training.settings import SettingsError
from academy.training.weights import ModelError, read_weights

__all__ = ["Baseline", "Networks", "Settings", "SettingsError"]

FORMAT = 2
_WEIGHTS, _SETTINGS = "weights.pt", "settings.json"


class Networks(nn.Module):
    """`networks` small networks side by side, each with weights of its own.

    From what is known, shape (networks, batch, memory + 6), to quantiles of what is to come,
    (networks, batch, horizon, 19). One matrix product for all: small ones are mostly overhead.

    The median of each lead is free. The distances between quantiles are those of the normal
    distribution, changed by a factor of each level, one of each lead, and two that depend on the
    input, below and above the median: far fewer numbers than `QuantileHead` learns, for series too
    short to learn more from.
    """

    middle: Tensor
    spread: Tensor
    start: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        count, width, horizon = settings.networks, settings.width, settings.horizon
        self.wide = settings.memory + MEANS + TRAITS
        self.dropout = settings.dropout
        draw, bound = generator(settings.seed, 0), self.wide**-0.5

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=draw))

        self.weight, self.bias = drawn(count, self.wide, width), drawn(count, 1, width)
        self.median_weight = nn.Parameter(torch.zeros(count, width, horizon))
        self.median_bias = nn.Parameter(torch.zeros(count, 1, horizon))
        self.side_weight = nn.Parameter(torch.zeros(count, width, 2))
        self.level_bias = nn.Parameter(torch.zeros(count, 1, 1, len(LEVELS)))
        self.lead_bias = nn.Parameter(torch.zeros(count, 1, horizon, 1))
        # Mean and spread of the traits in what was learnt from.
        self.register_buffer("middle", torch.zeros(TRAITS))
        self.register_buffer("spread", torch.ones(TRAITS))
        self.register_buffer("start", normal_start())

    def forward(self, known: Tensor, kept: Sequence[Tensor] | None = None) -> Tensor:
        traits = (known[..., -TRAITS:] - self.middle) / self.spread
        seen = torch.cat([known[..., :-TRAITS], traits], dim=-1)
        if kept is not None:
            seen = seen * kept[0]
        hidden = nn.functional.gelu(torch.baddbmm(self.bias, seen, self.weight))
        if kept is not None:
            hidden = hidden * kept[1]
        median = torch.baddbmm(self.median_bias, hidden, self.median_weight).unsqueeze(-1)
        sides = torch.bmm(hidden, self.side_weight).unsqueeze(-2)
        below, above = sides[..., :1], sides[..., 1:]
        gaps = self.start + self.level_bias + self.lead_bias
        fan = [gaps[..., :MEDIAN] + below, median, gaps[..., MEDIAN + 1 :] + above]
        return ascending(torch.cat(fan, dim=-1))

    def dropout_masks(self, batch: int, draw: torch.Generator) -> list[Tensor]:
        """What dropout keeps of inputs and hidden numbers, scaled up for what it drops."""
        count, _, width = self.weight.shape
        masks = []
        for size, share in ((self.wide, self.dropout / 2), (width, self.dropout)):
            noise = torch.rand(count, batch, size, generator=draw)
            masks.append((noise >= share).float() / (1 - share))
        return masks

    def standardise(self, traits: Array) -> None:
        """Takes the mean and the spread of the traits, (n, 3), from what is learnt from."""
        self.middle.copy_(torch.as_tensor(traits.mean(axis=0)))
        self.spread.copy_(torch.as_tensor(traits.std(axis=0) + 1e-3))


class Baseline:
    """A global forecaster: one model for all series of a panel.

    Parameters
    ----------
    settings
        `Settings`; the defaults train in seconds on two cores.
    device
        Such as "cpu" or "cuda"; a GPU by default, if there is one.

    Attributes
    ----------
    losses : list of float
        After each epoch, the mean over examples, leads and levels of twice the pinball loss.
    left_out : dict of str
        Series that `fit` learnt nothing from, and why.

    Examples
    --------
    >>> import numpy as np
    >>> history = {"a": 10 + np.sin(np.arange(200) * np.pi / 6) + np.cos(np.arange(200.0))}
    >>> model = Baseline(Settings(epochs=1, networks=1)).fit(history)
    >>> model.predict(history)["a"].shape
    (24,)
    >>> model.predict_quantiles(history)["a"].shape
    (24, 19)
    """

    name = "baseline"

    def __init__(self, settings: Settings | None = None, device: str | None = None) -> None:
        self.settings = settings or Settings()
        self.device = devices.best() if device is None else torch.device(device)
        self.season = self.settings.season
        self.networks = Networks(self.settings).to(self.device).eval()
        self.losses: list[float] = []
        self.left_out: dict[str, str] = {}

    def fit(
        self,
        history: Mapping[str, npt.ArrayLike],
        *,
        report: Callable[[int, float], None] | None = None,
        out: str | Path | None = None,
        resume: bool = True,
    ) -> Baseline:
        """Trains anew on every step of every series that has enough past and future.

        Parameters
        ----------
        history
            A `Panel`, or series by name, each of shape (n,). They need not be equally long; those
            that are too short, or constant, are listed in `left_out`.
        report
            Called after each epoch with its number, from 1, and its loss.
        out
            Folder for a checkpoint: the same call goes on from there.
        resume
            Whether it does.

        Raises
        ------
        SeriesError
            No series is left to learn from, or one has values that are not finite.
        CheckpointError, Interrupted, TrainingError
            See `academy.forecasting.models.training.train`.
        """
        settings = self.settings
        self.season = settings.season or int(getattr(history, "season", SEASON))
        self.left_out = {}
        first = settings.past(self.season)
        usable = self._usable(history, first)
        counts = [values.size - settings.horizon - first + 1 for values in usable.values()]
        step = max(1, -(-sum(counts) // settings.windows))
        inputs, targets, traits = [], [], []
        for values in usable.values():
            # Backwards from the newest, so that a step leaves out none of it.
            ends = np.arange(values.size - settings.horizon, first - 1, -step)[::-1]
            now = self._moments(values, ends)
            futures = np.lib.stride_tricks.sliding_window_view(values, settings.horizon)[ends]
            target = now.targets(futures)
            inputs.append(_inputs(now))
            targets.append(target)
            traits.append(now.traits)
            if settings.mirror:
                inputs.append(_inputs(now, turned=True))
                targets.append(-target)
        self.networks = Networks(settings)
        self.networks.standardise(np.concatenate(traits))
        examples = Examples(np.concatenate(inputs), np.concatenate(targets))
        self.losses = train(
            self.networks,
            examples,
            settings,
            out=out,
            report=report,
            resume=resume,
            device=self.device,
        )
        return self

    def predict(self, history: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """The next `horizon` values of each series, shape (horizon,), in the series' own unit.

        They are the medians of `predict_quantiles`. Of a history that says which of its series are
        asked for (``history.wanted``, as in a backtest), only those are forecast.

        Raises
        ------
        SeriesError
            A series is shorter than eight seasons (`Settings.first`), or has values that are not
            finite.
        """
        return {
            name: np.ascontiguousarray(quantiles[:, MEDIAN])
            for name, quantiles in self.predict_quantiles(history).items()
        }

    def predict_quantiles(self, history: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """Quantiles of the next values of each series: shape (horizon, 19), ascending, at
        `academy.forecasting.evaluation.metrics.LEVELS`.

        Raises
        ------
        SeriesError
            As `predict`.
        """
        # A backtest of series that end at different dates says whose forecasts count at this one.
        names = tuple(getattr(history, "wanted", history))
        if not names:
            return {}
        first = self.settings.past(self._season(history))
        found = []
        for name in names:
            values = as_series(history[name], name)
            if values.size < first:
                raise SeriesError(
                    f"{name} has {values.size} values; the model needs {first}. "
                    "Give a longer history, or leave the series out."
                )
            found.append(self._moments(values, np.array([values.size]), history))
        known = torch.as_tensor(
            np.concatenate([_inputs(now) for now in found]), dtype=torch.float32, device=self.device
        )
        self.networks.to(self.device).eval()
        with torch.no_grad(), few_threads(self.device):
            learnt = self.networks(known.expand(self.settings.networks, -1, -1)).mean(dim=0)
        rows = learnt.cpu().numpy().astype(np.float64)
        return {
            # Rounding in a mean must not turn two neighbours round.
            name: np.maximum.accumulate(now.undone(row[None])[0], axis=-1)
            for name, now, row in zip(names, found, rows, strict=True)
        }

    def save(self, folder: str | Path) -> None:
        """Writes weights and settings into `folder`, which is made if need be."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.cpu() for name, tensor in self.networks.state_dict().items()}
        torch.save(weights, target / _WEIGHTS)
        document = {"format": FORMAT, "season": self.season, "settings": self.settings.as_json()}
        (target / _SETTINGS).write_text(json.dumps(document, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path, device: str | None = None) -> Baseline:
        """The model that `save` wrote into `folder`; nothing in the files is run.

        Raises
        ------
        FileNotFoundError
            The folder has no saved baseline.
        ModelError
            The files are damaged, or of another version of the library.
        """
        source = Path(folder)
        if not (source / _SETTINGS).is_file():
            raise FileNotFoundError(f"{source} has no {_SETTINGS}: no baseline was saved there")
        settings, season = _described(source / _SETTINGS)
        model = cls(settings, device)
        model.season = season
        weights = read_weights(source / _WEIGHTS)
        try:
            model.networks.load_state_dict(weights)
        except (RuntimeError, AttributeError, TypeError) as problem:
            reason = " ".join(str(problem).split())[:300]
            raise ModelError(f"{source / _WEIGHTS} does not fit {_SETTINGS}: {reason}") from None
        if not all(bool(each.isfinite().all()) for each in model.networks.state_dict().values()):
            raise ModelError(f"{source / _WEIGHTS} has values that are not finite; train again")
        return model

    def _season(self, history: Mapping[str, Any]) -> int:
        """As it was learnt; a model that has learnt nothing takes what it is given."""
        return self.season or int(getattr(history, "season", SEASON))

    def _usable(self, history: Mapping[str, npt.ArrayLike], first: int) -> dict[str, Array]:
        """The series that something can be learnt from; the others go into `left_out`."""
        if not history:
            raise SeriesError("There are no series to learn from.")
        horizon, usable = self.settings.horizon, {}
        for name, series in history.items():
            values = as_series(series, name)
            try:
                if values.size < first + horizon:
                    raise SeriesError(
                        f"{name} has {values.size} values; a past of {first} and a horizon of "
                        f"{horizon} need {first + horizon}."
                    )
                usable[name] = not_constant(values, name)
            except SeriesError as problem:
                self.left_out[name] = str(problem)
        if not usable:
            raise SeriesError(
                f"There is no series to learn from: {next(iter(self.left_out.values()))}"
            )
        return usable

    def _moments(
        self,
        values: Array,
        ends: npt.NDArray[np.int64],
        history: Mapping[str, Any] | None = None,
    ) -> Moments:
        season = self.season if history is None else self._season(history)
        settings = self.settings
        return moments(values, ends, settings.horizon, season, settings.memory)


def _inputs(now: Moments, *, turned: bool = False) -> Array:
    """What a network sees, (o, memory + 6); `turned` as if every departure had the other sign."""
    return np.concatenate([-now.signed if turned else now.signed, now.traits], axis=1)


def _described(file: Path) -> tuple[Settings, int]:
    """Settings and season of a saved model."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise ModelError(f"{file} cannot be read as JSON: {problem}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelError(f"{file} was written by another version of the library; train again")
    try:
        season = document["season"]
        if not isinstance(season, int) or not 0 <= season <= 100_000:
            raise ValueError(f"season is {season!r}")
        return Settings.from_json(document["settings"]), season
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelError(f"{file} cannot be used: {problem}") from None
