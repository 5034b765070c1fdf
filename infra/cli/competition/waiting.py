"""Waits for what the cloud does, and shows on a terminal how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from infra.cli.terminal import console

PAUSE_SECONDS = 2.0


def progress() -> Progress:
    """A bar with what is done of how many, and since when; nothing where no terminal shows it."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def until_none(
    left: Callable[[], int],
    done: Callable[[int], None],
    *,
    patience: float,
    pause: float = PAUSE_SECONDS,
) -> int:
    """Look until nothing is left, or until it has not become less for `patience` seconds.

    `left` counts what is left, `done` is told of it; the last count is returned. Between two looks
    is a pause of at least as long as a look took, so that a large table is not read all the time.
    """
    best, since = None, time.monotonic()
    while True:
        began = time.monotonic()
        count = left()
        done(count)
        now = time.monotonic()
        if best is None or count < best:
            best, since = count, now
        if not count or now - since >= patience:
            return count
        time.sleep(max(pause, now - began))
