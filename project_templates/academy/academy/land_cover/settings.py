"""All that can be turned in a training run, checked, as JSON and as command-line options."""

from __future__ import annotations

from dataclasses import dataclass

from academy.land_cover.models import GROUPS
from academy.training.settings import PRECISIONS, CommonSettings, SettingsError, setting

#: Losses by name, see `academy.land_cover.losses`; `ce+dice` is their sum.
LOSSES = ("ce", "focal", "dice", "lovasz", "ce+dice", "logit-adjusted")
#: Weights of the classes in `ce`, `focal` and `ce+dice`, from label cells.
WEIGHTS = ("none", "inverse", "root", "effective")
SAMPLERS = ("random", "biased")
LEVELS = ("pixel", "cell")


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What can be turned. `help(Settings)` is short; `Settings.describe()` tells each one.

    Examples
    --------
    >>> Settings(loss="dice", sampler="biased").loss
    'dice'
    >>> Settings(width=20)
    Traceback (most recent call last):
    academy.training.settings.SettingsError: width is 20; it must be a multiple of 8
    """

    steps: int = setting(1600, "updates of the weights")
    batch: int = setting(8, "crops an update, over all processes together")
    crop: int = setting(128, "a crop's side, pixels")
    learning_rate: float = setting(4e-3, "of AdamW at its highest: up linearly, down as a cosine")
    warmup: float = setting(0.05, "share of the steps in which the learning rate goes up")
    weight_decay: float = setting(1e-2, "of AdamW, on weights of convolutions")
    clip: float = setting(1.0, "largest norm of a gradient; 0 for no limit")
    ema: float = setting(0.99, "decay, a step, of the averaged weights that are kept; 0 for none")

    width: int = setting(16, "channels of the U-Net's finest level, a multiple of 8")
    depth: int = setting(4, "levels of the U-Net; the finest is half the image's size")

    multilook: int = setting(
        2, "sides of the squares of pixels that are averaged before the network looks; 1: none"
    )

    loss: str = setting("ce+dice", "ce, focal, dice, lovasz, ce+dice or logit-adjusted")
    weights: str = setting("none", "of classes in ce and focal: none, inverse, root or effective")
    dice: float = setting(1.0, "how much of dice is in ce+dice")
    gamma: float = setting(2.0, "of focal: how little weighs what is right already")
    tau: float = setting(1.0, "of logit-adjusted: how much of the prior is taken out")
    level: str = setting(
        "cell",
        "where the loss compares: pixel, each with a copy of its cell's label; cell, the mean "
        "probability over a label cell's pixels",
    )
    least_probability: int = setting(
        0, "labels that their source is less sure of than this, percent, are not learnt from"
    )

    sampler: str = setting("biased", "random crops, or biased to rare classes")
    bias: float = setting(
        0.5, "of biased crops: from 0, classes as often as they are, to 1, all alike"
    )
    flips: bool = setting(True, "mirror crops")
    turns: bool = setting(True, "turn crops by quarters")
    speckle_looks: float = setting(
        0.0, "looks of the speckle that crops are multiplied by; 0: none"
    )

    evaluate_every: int = setting(400, "steps between looks at the validation scenes")
    patience: int = setting(0, "looks without a better one after which training stops; 0: never")
    calibrate: bool = setting(
        True, "at the end, tune on the validation scenes how much of the prior is taken out"
    )

    seed: int = setting(0, "of first weights, crops and augmentation")
    precision: str = setting("auto", "auto (mixed on a GPU), float32, bfloat16 or float16")
    workers: int = setting(0, "processes that cut crops; 0 cuts them in between")
    checkpoint_seconds: float = setting(60.0, "between checkpoints, where there is room for them")

    def __post_init__(self) -> None:
        super().__post_init__()
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
