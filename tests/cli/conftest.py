"""A terminal wide enough that no cell of a table is broken over two lines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.cli import terminal


@pytest.fixture(autouse=True)
def wide_terminal() -> Iterator[None]:
    # The consoles take their width when they are made, which may be before a test sets COLUMNS.
    before = terminal.console.width, terminal.errors.width
    terminal.console.width = terminal.errors.width = 220
    yield
    terminal.console.width, terminal.errors.width = before
