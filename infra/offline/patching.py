"""The one place where moto is changed: each change names its target and its reason.

A module of the embedded cloud declares its changes with `replaces` and `adds` when it is imported;
`apply` puts them into moto, once. `changes` lists them, for the tests that hold each one against
the pinned moto and for the documentation.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: Names a file that hears what the embedded cloud did in a run: here, the first call of each change
#: in a process. The tests use it to show that each change is tried.
LOG_VARIABLE = "ACADEMY_CLOUD_LOG"

#: The moto release whose internals the changes were written against.
MOTO_VERSION = "5.2.5"


@dataclass(frozen=True)
class Change:
    """One change to moto. `target` is "package.module:Class.attribute" or "package.module:name"."""

    kind: Literal["replaces", "adds"]
    target: str
    because: str
    function: Callable[..., Any]


_changes: list[Change] = []
_applied: set[str] = set()


def replaces(target: str, *, because: str) -> Callable[[F], F]:
    """Declare a function that stands in for `target`; it receives the original first.

    Calls become `function(original, *args)`; for a method, `function(original, self, *args)`.
    """

    def declare(function: F) -> F:
        _declare(Change("replaces", target, because, function))
        return function

    return declare


def adds(target: str, *, because: str) -> Callable[[F], F]:
    """Declare a function that moto lacks at `target`; `apply` fails if moto has grown it."""

    def declare(function: F) -> F:
        _declare(Change("adds", target, because, function))
        return function

    return declare


def _declare(change: Change) -> None:
    if any(known.target == change.target for known in _changes):
        raise ValueError(f"two changes to {change.target}")
    _changes.append(change)


def changes() -> tuple[Change, ...]:
    """Every declared change, in order of declaration."""
    return tuple(_changes)


def apply() -> None:
    """Put every declared change into moto. A second call applies only what came since.

    Raises:
        RuntimeError: if the installed moto is not the pinned one, or a target is not as declared.
    """
    from moto import __version__ as installed

    if installed != MOTO_VERSION:
        raise RuntimeError(
            f"moto {installed} is installed; the embedded cloud extends {MOTO_VERSION} exactly. "
            f"Run: pip install moto=={MOTO_VERSION}"
        )
    for change in _changes:
        if change.target not in _applied:
            _put(change)
            _applied.add(change.target)


def _put(change: Change) -> None:
    module_name, _, path = change.target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    # Look in the class itself, so that an inherited attribute is not mistaken for its own.
    own = vars(owner).get(name)
    if change.kind == "adds":
        if own is not None:
            raise RuntimeError(f"moto has {change.target} now; remove ours ({change.because})")
        setattr(owner, name, _noted(change.target, change.function))
        return
    original = own if own is not None else getattr(owner, name, None)
    if original is None:
        raise RuntimeError(f"moto has no {change.target} to replace ({change.because})")
    setattr(owner, name, _replacement(original, _noted(change.target, change.function)))


def _noted(target: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose first call is noted in the file that the environment names, if it does."""
    file = os.environ.get(LOG_VARIABLE)
    if file is None:
        return function
    noted: list[None] = []

    @functools.wraps(function)
    def call(*args: Any, **kw: Any) -> Any:
        if not noted:
            noted.append(None)
            with Path(file).open("a", encoding="utf-8") as log:
                log.write(f"{json.dumps({'change': target})}\n")
        return function(*args, **kw)

    return call


def _replacement(original: Any, function: Callable[..., Any]) -> Any:
    """`function` in the shape of `original`: a plain function, a static or class method, or a
    property."""
    if isinstance(original, property):
        getter = original.fget
        return property(lambda self: function(getter, self))
    if isinstance(original, staticmethod):
        return staticmethod(functools.partial(function, original.__func__))
    if isinstance(original, classmethod):
        inner = original.__func__
        return classmethod(lambda cls, *args, **kw: function(inner, cls, *args, **kw))

    @functools.wraps(original)
    def call(*args: Any, **kw: Any) -> Any:
        return function(original, *args, **kw)

    return call
