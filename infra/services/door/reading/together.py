"""Reads many small things at once: each takes AWS some milliseconds, a page many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

#: boto3 keeps ten connections to a service open.
READERS = 8


def each(read: Callable[[S], T], of: Iterable[S]) -> list[T]:
    """What `read` gives of each, in order.

    The first is read before the others: what is made when it is first used, such as a client of
    boto3, is not safe to be made by two.

    >>> each(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    items = list(of)
    found = [read(item) for item in items[:1]]
    if len(items) > 1:
        with ThreadPoolExecutor(min(READERS, len(items) - 1)) as several:
            found += several.map(read, items[1:])
    return found
