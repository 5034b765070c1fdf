"""All that can be turned in a training run, checked, as JSON and as command-line options."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.errors import AcademyError
from academy.land_cover.models import GROUPS

#: Losses by name, see `academy.land_cover.losses`; `ce+dice` is their sum.
LOSSES = ("ce", "focal", "dice", "lovasz", "ce+dice", "logit-adjusted")
#: Weights of the classes in `ce`, `focal` and `ce+dice`, from label cells.
WEIGHTS = ("none", "inverse", "root", "effective")
SAMPLERS = ("random", "biased")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LEVELS = ("pixel", "cell")


class SettingsError(AcademyError, ValueError):
    """A setting cannot be what it was set to."""


def _field(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """What can be turned. `help(Settings)` is short; `Settings.describe()` tells each one.

    Examples
    --------
    >>> Settings(loss="dice", sampler="biased").loss
    'dice'
    >>> Settings(width=20)
    Traceback (most recent call last):
    academy.land_cover.settings.SettingsError: width is 20; it must be a multiple of 8
    """

    steps: int = _field(1600, "updates of the weights")
    batch: int = _field(8, "crops an update, over all processes together")
    crop: int = _field(128, "a crop's side, pixels")
    learning_rate: float = _field(4e-3, "of AdamW at its highest: up linearly, down as a cosine")
    warmup: float = _field(0.05, "share of the steps in which the learning rate goes up")
    weight_decay: float = _field(1e-2, "of AdamW, on weights of convolutions")
    clip: float = _field(1.0, "largest norm of a gradient; 0 for no limit")
    ema: float = _field(0.99, "decay, a step, of the averaged weights that are kept; 0 for none")

    width: int = _field(16, "channels of the U-Net's finest level, a multiple of 8")
    depth: int = _field(4, "levels of the U-Net; the finest is half the image's size")

    multilook: int = _field(
        2, "sides of the squares of pixels that are averaged before the network looks; 1: none"
    )

    loss: str = _field("ce+dice", "ce, focal, dice, lovasz, ce+dice or logit-adjusted")
    weights: str = _field("none", "of classes in ce and focal: none, inverse, root or effective")
    dice: float = _field(1.0, "how much of dice is in ce+dice")
    gamma: float = _field(2.0, "of focal: how little weighs what is right already")
    tau: float = _field(1.0, "of logit-adjusted: how much of the prior is taken out")
    level: str = _field(
        "cell",
        "where the loss compares: pixel, each with a copy of its cell's label; cell, the mean "
        "probability over a label cell's pixels",
    )
    least_probability: int = _field(
        0, "labels that their source is less sure of than this, percent, are not learnt from"
    )

    sampler: str = _field("biased", "random crops, or biased to rare classes")
    bias: float = _field(
        0.5, "of biased crops: from 0, classes as often as they are, to 1, all alike"
    )
    flips: bool = _field(True, "mirror crops")
    turns: bool = _field(True, "turn crops by quarters")
    speckle_looks: float = _field(0.0, "looks of the speckle that crops are multiplied by; 0: none")

    evaluate_every: int = _field(400, "steps between looks at the validation scenes")
    patience: int = _field(0, "looks without a better one after which training stops; 0: never")
    calibrate: bool = _field(
        True, "at the end, tune on the validation scenes how much of the prior is taken out"
    )

    seed: int = _field(0, "of first weights, crops and augmentation")
    precision: str = _field("auto", "auto (mixed on a GPU), float32, bfloat16 or float16")
    workers: int = _field(0, "processes that cut crops; 0 cuts them in between")
    checkpoint_seconds: float = _field(60.0, "between checkpoints, where there is room for them")

    def __post_init__(self) -> None:
        kinds = typing.get_type_hints(type(self))
        for each in dataclasses.fields(self):
            self._check_type(each.name, kinds[each.name])
        whole = ("steps", "batch", "crop", "evaluate_every", "depth", "multilook")
        self._least(1, *whole)
        self._least(
            0, "patience", "seed", "workers", "weight_decay", "clip", "dice", "gamma", "tau"
        )
        self._least(0, "speckle_looks", "checkpoint_seconds", "least_probability")
        self._choice("loss", LOSSES)
        self._choice("weights", WEIGHTS)
        self._choice("level", LEVELS)
        self._choice("sampler", SAMPLERS)
        self._choice("precision", PRECISIONS)
        if self.width < GROUPS or self.width % GROUPS:
            raise self._error("width", f"it must be a multiple of {GROUPS}")
        if self.width > 1024 or self.depth > 8:
            raise SettingsError(
                f"width {self.width} and depth {self.depth} make a model that no machine holds; "
                "width is at most 1024 and depth at most 8"
            )
        if self.multilook > 16:
            raise self._error("multilook", "it must be at most 16")
        if self.crop < 8:
            raise self._error("crop", "it must be at least 8 pixels")
        if not 0 < self.learning_rate < 10:
            raise self._error("learning_rate", "it must be above 0 and below 10; try 0.003")
        if not 0 <= self.warmup < 1:
            raise self._error("warmup", "it is a share of the steps: at least 0 and below 1")
        if not 0 <= self.ema < 1:
            raise self._error("ema", "it must be at least 0 and below 1; try 0.99")
        if not 0 <= self.bias <= 1:
            raise self._error("bias", "it goes from 0 to 1")
        if self.least_probability > 100:
            raise self._error("least_probability", "it is a percentage, 0 to 100")
        if 0 < self.speckle_looks < 1:
            raise self._error("speckle_looks", "it must be at least 1, or 0 for no speckle")
        if self.weights != "none" and self.loss in ("dice", "lovasz", "logit-adjusted"):
            raise SettingsError(
                f"weights is {self.weights!r}, and the loss {self.loss} takes none; "
                "set weights to 'none', or the loss to ce, focal or ce+dice"
            )

    def _check_type(self, name: str, kind: type) -> None:
        value = getattr(self, name)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(self, name, value := float(value))
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            what = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
            raise self._error(name, f"it must be {what[kind]}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(name, "it must be finite")

    def _least(self, least: int, *names: str) -> None:
        for name in names:
            if getattr(self, name) < least:
                raise self._error(name, f"it must be at least {least}")

    def _choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise self._error(name, f"it must be one of {', '.join(choices)}")

    def _error(self, name: str, rule: str) -> SettingsError:
        return SettingsError(f"{name} is {getattr(self, name)!r}; {rule}")

    def as_json(self) -> dict[str, Any]:
        """A dictionary of JSON's types; `from_json` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """What `as_json` gave; a setting that is not named keeps its default.

        Raises
        ------
        SettingsError
            A name is no setting, or a value is out of range.
        """
        if not isinstance(values, Mapping):
            raise SettingsError(f"settings are {type(values).__name__}; they must be a JSON object")
        known = {each.name for each in dataclasses.fields(cls)}
        unknown = sorted(map(str, set(values) - known))
        if unknown:
            raise SettingsError(
                f"there is no setting {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
        return cls(**values)

    @classmethod
    def describe(cls) -> str:
        """Each setting, its default and what it does, a line each."""
        return "\n".join(
            f"{each.name:18} {json.dumps(each.default):>16}  {each.metadata['help']}"
            for each in dataclasses.fields(cls)
        )

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """An option for each setting, such as ``--learning-rate`` (or ``--learning_rate``)."""
        kinds = typing.get_type_hints(cls)
        for each in dataclasses.fields(cls):
            kind = kinds[each.name]
            names = dict.fromkeys([f"--{each.name.replace('_', '-')}", f"--{each.name}"])
            parser.add_argument(
                *names,
                dest=each.name,
                type=_truth if kind is bool else kind,
                default=each.default,
                metavar={bool: "true|false", str: "WORD"}.get(kind, "N"),
                help=f"{each.metadata['help']} (%(default)s)",
            )

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Settings:
        """From what a parser with `add_options` read; other options are left alone."""
        return cls(**{each.name: getattr(options, each.name) for each in dataclasses.fields(cls)})


def _truth(text: str) -> bool:
    """A job's hyperparameters are words."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]
