"""A trained model with all that is needed to use it again: normalisation, settings, history."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from academy.land_cover.classes import COUNT, NAMES
from academy.land_cover.dataset import Normalisation
from academy.land_cover.models import UNet
from academy.land_cover.settings import Settings
from academy.training.settings import SettingsError
from academy.training.weights import ModelError, read_weights

FORMAT = 1
_WEIGHTS, _DESCRIPTION, _HISTORY = "weights.pt", "model.json", "history.json"

#: Makes a network of the settings; it takes images (batch, 2, H, W), and gives logits of 9 classes.
ModelMaker = Callable[[Settings], nn.Module]
#: Normalised images (batch, 2, H, W) to what the network takes, (batch, channels, H, W).
Features = Callable[[Tensor], Tensor]


@dataclass
class History:
    """How a training run went; every list can be plotted as it is.

    ``loss`` and ``learning_rate`` have an entry a step; the others an entry each time the
    validation scenes were looked at, after the steps in ``evaluated``.
    """

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    """Mean -log probability of the validation scenes' label cells."""
    macro_f1: list[float] = field(default_factory=list)
    """Of all validation scenes' label cells together, 0 to 1."""
    accuracy: list[float] = field(default_factory=list)
    f1: list[list[float]] = field(default_factory=list)
    """Of each class, in the order of `academy.land_cover.classes.NAMES`."""
    seconds: list[float] = field(default_factory=list)
    """Since the start, without what an interruption took."""
    best_step: int = 0
    """After how many steps the model was what was kept."""

    def as_json(self) -> dict[str, Any]:
        """A dictionary of JSON's types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> History:
        """What `as_json` gave; unknown names are left out.

        Raises
        ------
        ValueError
            An entry is not a list of numbers.
        """
        found: dict[str, Any] = {}
        for each in dataclasses.fields(cls):
            value = values.get(each.name, [])
            if each.name == "best_step":
                value = int(values.get("best_step", 0))
            elif not _numbers(value, lists=each.name == "f1"):
                raise ValueError(f"{each.name} is not a list of numbers")
            found[each.name] = value
        return cls(**found)


def _numbers(value: Any, lists: bool) -> bool:
    """Whether it is a list of numbers, or of lists of them."""
    if not isinstance(value, list):
        return False
    if lists:
        return all(_numbers(each, lists=False) for each in value)
    return all(isinstance(each, (int, float)) for each in value)


@dataclass
class Trained:
    """A model that can predict, as `academy.land_cover.training.fit` gives it.

    Attributes
    ----------
    model
        The network, on the device it was trained on; `to` moves it.
    normalisation, settings, history
        Of its training.
    shift
        What is added to each class's log-probability before the largest is taken; None for
        nothing. See `academy.land_cover.calibration`.
    features
        What is made of an image before the network sees it; None for nothing.
    """

    model: nn.Module
    normalisation: Normalisation
    settings: Settings = field(default_factory=Settings)
    history: History = field(default_factory=History)
    shift: tuple[float, ...] | None = None
    features: Features | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        first = next(self.model.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    def to(self, device: torch.device | str) -> Trained:
        """Moves the model to a device, such as "cpu" or "cuda"; gives itself."""
        self.model.to(device)
        return self

    def save(self, folder: str | Path) -> Path:
        """Writes weights.pt, model.json and history.json into `folder`, made if need be."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu() for name, value in self.model.state_dict().items()}
        torch.save(weights, target / _WEIGHTS)
        described = {
            "format": FORMAT,
            "network": type(self.model).__name__,
            "classes": list(NAMES),
            "settings": self.settings.as_json(),
            "normalisation": self.normalisation.as_json(),
            "shift": None if self.shift is None else list(self.shift),
        }
        for name, value in ((_HISTORY, self.history.as_json()), (_DESCRIPTION, described)):
            (target / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        return target

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        model: ModelMaker | None = None,
        features: Features | None = None,
        device: torch.device | str = "cpu",
    ) -> Trained:
        """Reads what `save` wrote. No code in the files is run: weights are read as numbers alone.

        Parameters
        ----------
        model, features
            As they were given to `fit`, if they were: they are code, which is not saved.
        device
            Where to put it.

        Raises
        ------
        ModelError
            A file is missing, damaged, of another network, or holds anything but numbers.
        """
        source = Path(folder)
        described = _document(source / _DESCRIPTION)
        if described.get("format") != FORMAT:
            raise ModelError(
                f"{source / _DESCRIPTION} is of format {described.get('format')!r}; this library "
                f"reads {FORMAT}: update the library, or train again"
            )
        if described.get("classes") != list(NAMES):
            raise ModelError(
                f"{source / _DESCRIPTION} is of a model for the classes "
                f"{described.get('classes')}; this project's are {list(NAMES)}"
            )
        try:
            settings = Settings.from_json(described.get("settings", {}))
            normalisation = Normalisation(
                **{
                    key: tuple(map(float, value))
                    for key, value in described["normalisation"].items()
                }
            )
            shift = described.get("shift")
            shift = None if shift is None else tuple(map(float, shift))
        except (SettingsError, AttributeError, KeyError, TypeError, ValueError) as problem:
            raise ModelError(f"{source / _DESCRIPTION} cannot be used: {problem}") from None
        if shift is not None and (len(shift) != COUNT or not all(map(math.isfinite, shift))):
            raise ModelError(
                f"{source / _DESCRIPTION} has the shift {shift}; it must be {COUNT} finite numbers"
            )
        network = described.get("network")
        if model is None and network != UNet.__name__:
            raise ModelError(
                f"{source} holds a network {network!r} that the library does not know; "
                "give the function that makes it: Trained.load(folder, model=...)"
            )
        weights = read_weights(source / _WEIGHTS)
        _check_weights(weights, source / _WEIGHTS)
        made: nn.Module = _empty(settings, weights) if model is None else model(settings)
        try:
            made.load_state_dict(weights, assign=model is None)
        except RuntimeError as problem:
            text = " ".join(str(problem).split())[:400]
            raise ModelError(
                f"{source / _WEIGHTS} does not fit the network of {_DESCRIPTION}: {text}"
            ) from None
        history = History()
        if (source / _HISTORY).is_file():
            try:
                history = History.from_json(_document(source / _HISTORY))
            except (TypeError, ValueError) as problem:
                raise ModelError(f"{source / _HISTORY} cannot be used: {problem}") from None
        return cls(placed(made, device).eval(), normalisation, settings, history, shift, features)


def placed(model: nn.Module, device: torch.device | str) -> nn.Module:
    """The model on its device, with weights in the order that convolutions are quickest in."""
    moved: Any = model  # torch's types do not know that a module takes a memory format
    moved.to(device=torch.device(device), memory_format=torch.channels_last)
    return model


def build(settings: Settings, channels: int = 2) -> UNet:
    """The U-Net of these settings."""
    return UNet(channels, width=settings.width, depth=settings.depth, multilook=settings.multilook)


def _empty(settings: Settings, weights: Mapping[str, Tensor]) -> UNet:
    """The U-Net without memory for its weights: files do not make it larger than they are."""
    stem = weights.get("stem.0.weight")
    channels = int(stem.shape[1]) if stem is not None and stem.ndim == 4 else 2
    if settings.multilook > 1:  # the stem takes means and variances
        channels = max(1, channels // 2)
    with torch.device("meta"):
        return build(settings, channels)


def _check_weights(weights: Mapping[Any, Any], file: Path) -> None:
    """That there are finite numbers under names, and no more of them than the file is long."""
    size = 0
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(f"{file} holds something else than weights")
        if value.layout != torch.strided or value.dtype not in (torch.float32, torch.int64):
            raise ModelError(f"{file}: {name} is {value.dtype}, {value.layout}; not float32")
        # A view can pretend to be larger than its numbers.
        size += value.numel() * value.element_size()
        if size > file.stat().st_size:
            raise ModelError(f"{file} claims to hold more numbers than it does")
        if not value.isfinite().all():
            raise ModelError(f"{file}: {name} has values that are not finite; train again")


def _document(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{file.parent} holds no model: it has no {file.name}") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise ModelError(f"{file} cannot be read as JSON: {problem}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{file} must be a JSON object")
    return value
