"""A question about requests, in IAM's own words: which actions, on what, under which conditions.

The same patterns and conditions as a policy's, so that one evaluator reads both, and the classes
that a proof splits requests into are as fine as what it asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Condition = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Region:
    """A set of resources: what matches one of `any_of` and none of `but_not`, as ARN patterns."""

    any_of: tuple[str, ...]
    but_not: tuple[str, ...] = ()

    def __or__(self, other: Region) -> tuple[Region, ...]:
        return (self, other)


@dataclass(frozen=True)
class Ask:
    """Requests for `actions` (patterns, as in a policy) on `on`, where all of `when` hold.

    `but_not` are actions that are not meant.
    """

    actions: tuple[str, ...]
    on: Region = Region(("*",))
    when: Condition = field(default_factory=dict, hash=False)
    but_not: tuple[str, ...] = ()
