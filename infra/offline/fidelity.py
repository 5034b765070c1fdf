"""What each part of the embedded cloud says of itself, and the parts together.

A module that stands for something of AWS declares `FIDELITY`: how it is emulated, how that was
checked, what is known to differ. docs/fidelity.md is made of these, so that the words stand where
the code is that they are about.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Something of AWS that is emulated. All members are sentences in Markdown.

    Attributes:
        title: what it is, in AWS's words.
        emulated: by what.
        checked: against what.
        differences: what is known to differ from AWS, and what is refused.
    """

    title: str
    emulated: str
    checked: str
    differences: str


def parts() -> dict[str, Part]:
    """Every declared part, by the module that declares it, in the order of titles."""
    found = dict(_declared())
    return dict(sorted(found.items(), key=lambda item: item[1].title.lower()))


def _declared() -> Iterator[tuple[str, Part]]:
    package = importlib.import_module("infra.offline")
    for info in pkgutil.walk_packages(package.__path__, prefix="infra.offline."):
        module = importlib.import_module(info.name)
        part = vars(module).get("FIDELITY")
        if isinstance(part, Part):
            yield info.name, part
        elif part is not None:
            for each in part:
                yield f"{info.name}:{each.title}", each
