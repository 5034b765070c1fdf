"""Which of many ARN patterns can match an ARN that a given one matches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Generic, TypeVar

from infra.assurance import iam

T = TypeVar("T")


class Overlaps(Generic[T]):
    """Things by ARN patterns, found by a pattern that has an ARN in common with theirs.

    Two patterns have one only if what is literal at the beginning of the one begins like what is
    literal at the beginning of the other; that leaves few of many to look at.
    """

    def __init__(self) -> None:
        self._by_head: dict[str, dict[str, list[T]]] = defaultdict(lambda: defaultdict(list))
        #: Every beginning of a head -> the heads that begin so, by lengths of pieces.
        self._below: dict[str, set[str]] = defaultdict(set)

    def add(self, pattern: str, thing: T) -> None:
        head = _head(pattern)
        if head not in self._by_head:
            for length in range(len(head) + 1):
                self._below[head[:length]].add(head)
        self._by_head[head][pattern].append(thing)

    def with_any_of(self, pattern: str) -> Iterator[T]:
        """The things, in the order in which they were added for each pattern, whose pattern matches
        some ARN that `pattern` matches."""
        head = _head(pattern)
        heads = {head[:length] for length in range(len(head) + 1)} & self._by_head.keys()
        for each in sorted(heads | self._below.get(head, set())):
            for other, things in self._by_head[each].items():
                if overlap(pattern, other):
                    yield from things


def _head(pattern: str) -> str:
    """What is literal at the pattern's beginning."""
    for at, letter in enumerate(pattern):
        if letter in "*?$":
            return pattern[:at]
    return pattern


def overlap(one: str, other: str) -> bool:
    """Whether some ARN matches both patterns. A policy variable counts as a wildcard."""
    if one == other or "*" in (one, other):
        return True
    mine, theirs = (iam.ArnPattern.of(each).parts for each in (one, other))
    return all(
        _common(tuple(_letters(a)), tuple(_letters(b))) for a, b in zip(mine, theirs, strict=True)
    )


def _letters(part: tuple[iam.Token, ...]) -> Iterator[str]:
    """Letters and wildcards of a component: `*` is any text, `?` any letter."""
    for token in part:
        if isinstance(token, iam.Variable):
            yield "*"
        elif isinstance(token, iam.Wild):
            yield token.value
        else:
            # A letter that only looks like a wildcard counts as one: that is wider.
            yield from token


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two patterns have a text in common: `row[j]` says it of what of `one` is read so far
    and of the first j of `other`."""
    row = [True] + [False] * len(other)
    for at, letter in enumerate(other, start=1):
        row[at] = row[at - 1] and letter == "*"
    for mine in one:
        following = [row[0] and mine == "*"]
        for at, theirs in enumerate(other, start=1):
            if "*" in (mine, theirs):
                reached = following[at - 1] or row[at]
            else:
                reached = row[at - 1] and (mine == theirs or "?" in (mine, theirs))
            following.append(reached)
        row = following
    return row[-1]
