"""Makes what comes next while the model is busy, in a thread of this process.

Where there are two cores, the model has both while it computes and none while it waits for crops:
cutting them in between leaves it idle for a tenth of the time. numpy and torch let go of Python's
lock while they compute, so a thread will do: no process to start, no shared memory to run out of.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

#: How long the thread waits for room before it looks whether it is still wanted, seconds.
_PATIENCE = 0.1


@dataclass(frozen=True)
class _End:
    """After the last item; what broke the source off, if anything."""

    error: BaseException | None = None


def ahead(items: Iterable[Item], count: int = 3) -> Iterator[Item]:
    """The same items in the same order, up to `count` of them made ahead of time.

    The thread ends with the items, or when the iterator is closed or forgotten. An error of the
    source is raised here, after the items that came before it.

    Parameters
    ----------
    items
        Used by the thread alone from now on.
    count
        At least 1.

    Raises
    ------
    ValueError
        `count` is less than 1.

    Examples
    --------
    >>> list(ahead(range(4)))
    [0, 1, 2, 3]
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    return _taken(items, count)


def _taken(items: Iterable[Item], count: int) -> Iterator[Item]:
    made: queue.Queue[Item | _End] = queue.Queue(count)
    unwanted = threading.Event()

    def put(item: Item | _End) -> bool:
        while not unwanted.is_set():
            try:
                made.put(item, timeout=_PATIENCE)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            # Whatever it is, it belongs to whoever takes the items.
            put(_End(error))
        else:
            put(_End())

    maker = threading.Thread(target=make, name="ahead", daemon=True)
    maker.start()
    try:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        maker.join()
