"""Settings of a training run as one frozen dataclass: checked, as JSON, as command-line options."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from academy.errors import AcademyError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


class SettingsError(AcademyError, ValueError):
    """A setting cannot be what it was set to."""


def setting(default: Any, text: str) -> Any:
    """A field with its default, and what it does in a few words."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class CommonSettings:
    """What the settings of all projects can do; their fields are whole numbers, numbers, words
    or truth values, made by `setting`.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Few(CommonSettings):
    ...     steps: int = setting(100, "updates of the weights")
    >>> Few.from_json({"steps": 5})
    Few(steps=5)
    >>> print(Few.describe())
    steps                           100  updates of the weights
    >>> Few(steps="many")
    Traceback (most recent call last):
    academy.training.settings.SettingsError: steps is 'many'; it must be a whole number
    """

    def __post_init__(self) -> None:
        kinds = typing.get_type_hints(type(self))
        for each in dataclasses.fields(self):
            self._check_type(each.name, kinds[each.name])

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
    def from_json(cls, values: Mapping[str, Any]) -> Self:
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
    def from_options(cls, options: argparse.Namespace) -> Self:
        """From what a parser with `add_options` read; other options are left alone."""
        return cls(**{each.name: getattr(options, each.name) for each in dataclasses.fields(cls)})


def _truth(text: str) -> bool:
    """A job's hyperparameters are words."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]
