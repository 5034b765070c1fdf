"""Reads hostile run lengths, the form that maps have on Kaggle: a CSV of row_id and rle.

A row is a scene and a class, ``<scene>_<class>``; its runs are "start length start length …" over
cells numbered from 1 by rows, ascending, "-" for none. A row may have millions of runs: rows are
found where they lie in the file and read by pieces, and one scene's map is in memory at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from infra.services.competition.problems import Fault
from infra.services.competition.submission import show

HEADER = b"row_id,rle"
EMPTY = (b"", b"-")

_MARK = b"\xef\xbb\xbf"
_NONE = 255
#: So much of a row is read at once.
_PIECE = 1 << 16
_RUNS = re.compile(rb"[1-9][0-9]{0,9}(?: [1-9][0-9]{0,9})*")

#: Where a row's runs are in the file.
Span = tuple[int, int]


def begins(content: bytes) -> bool:
    """Whether the file is meant to be run lengths."""
    start = content[:64].removeprefix(_MARK).replace(b'"', b"")
    return start.startswith(b"row_id")


def blocks(
    content: bytes, cells: Mapping[str, int], classes: int, size: int = 1 << 20
) -> Iterator[tuple[str, bytes]]:
    """The map of each scene of `cells`, which says how many it has, by blocks of `size` bytes.

    Raises:
        Fault: at the first thing that is wrong, with its row.
    """
    rows = _rows(content, cells, classes)
    for scene, count in cells.items():
        found = bytearray([_NONE]) * count
        for number in range(classes):
            row = f"{scene}_{number}"
            _fill(found, content, rows[row], number, row)
        bare = found.count(_NONE)
        if bare:
            raise Fault(
                f"Scene {scene}: {bare:,} of {count:,} cells have no class, the first is cell "
                f"{found.index(_NONE) + 1}. Every cell has one class."
            )
        for at in range(0, count, size):
            yield scene, bytes(found[at : at + size])


def _rows(content: bytes, cells: Mapping[str, int], classes: int) -> dict[str, Span]:
    """Where each row's runs are, if all rows are there."""
    wanted = {f"{scene}_{number}" for scene in cells for number in range(classes)}
    found: dict[str, Span] = {}
    start = len(_MARK) if content.startswith(_MARK) else 0
    number = 0
    while start < len(content):
        end = content.find(b"\n", start)
        after = len(content) if end < 0 else end + 1
        end = len(content) if end < 0 else end
        if content[end - 1 : end] == b"\r" and end > start:
            end -= 1
        if number == 0:
            if content[start : min(end, start + 64)].replace(b'"', b"") != HEADER:
                raise Fault(
                    f"The first line is {_show(content, start, end)}; expected exactly "
                    f"{HEADER.decode()}."
                )
        else:
            name, span = _row(content, start, end, number)
            if name not in wanted:
                raise Fault(
                    f"row {number}: {show(name)} is no row that is asked for; expected "
                    f"<scene>_<class>, {next(iter(cells))}_0 and so on."
                )
            if name in found:
                raise Fault(f"Row {name} is there twice.")
            found[name] = span
        start = after
        number += 1
    missing = [f"{s}_{n}" for s in cells for n in range(classes) if f"{s}_{n}" not in found]
    if missing:
        raise Fault(
            f"{len(missing)} of {len(wanted)} rows are missing; the first is {missing[0]}. Each "
            f"scene has {classes} rows, one a class."
        )
    return found


def _row(content: bytes, start: int, end: int, number: int) -> tuple[str, Span]:
    """A line's row id, and where its runs are."""
    comma = content.find(b",", start, min(end, start + 200))
    if comma < 0:
        raise Fault(
            f"row {number}: {_show(content, start, end)} has no comma; expected row_id,rle."
        )
    first, last = _unquoted(content, start, comma)
    name = content[first:last].decode("ascii", "replace")
    return name, _unquoted(content, comma + 1, end)


def _unquoted(content: bytes, start: int, end: int) -> Span:
    """The span without the quotes around it: there is nothing in a row that needs any."""
    if end - start >= 2 and content[start] == content[end - 1] == ord('"'):
        return start + 1, end - 1
    return start, end


def _fill(into: bytearray, content: bytes, span: Span, number: int, row: str) -> None:
    """Give the cells of a row's runs its class."""
    if content[span[0] : min(span[1], span[0] + 2)] in EMPTY and span[1] - span[0] < 2:
        return
    cells, value, before = len(into), bytes([number]), 0
    for start, length in _runs(content, span, row):
        end = start - 1 + length
        if end > cells:
            raise Fault(
                f"Row {row}: the run {start} {length} ends at cell {end}; the scene has {cells} "
                "cells."
            )
        if start <= before:
            raise Fault(
                f"Row {row}: the run {start} {length} begins before the one before it ends. Runs "
                "are in ascending order and do not overlap."
            )
        if into.count(_NONE, start - 1, end) != length:
            taken = next(at for at in range(start - 1, end) if into[at] != _NONE)
            raise Fault(
                f"Row {row}: cell {taken + 1} has class {into[taken]} already. Every cell has one "
                "class."
            )
        into[start - 1 : end] = value * length
        before = end


def _runs(content: bytes, span: Span, row: str) -> Iterator[tuple[int, int]]:
    """Start and length of each run, read by pieces."""
    at, stop = span
    carried: list[int] = []
    while at < stop:
        end = min(at + _PIECE, stop)
        if end < stop:
            # A piece ends before a space, so that no number is cut.
            end = content.rfind(b" ", at, end)
        if end <= at or not _RUNS.fullmatch(content, at, end) or end + 1 == stop:
            raise Fault(
                f"Row {row}: {_show(content, at, stop)} are no runs. Expected start and length of "
                f"each, whole numbers from 1 with one space between, or - for none."
            )
        numbers = carried + [int(text) for text in content[at:end].split(b" ")]
        whole = len(numbers) // 2 * 2
        yield from zip(numbers[:whole:2], numbers[1:whole:2], strict=True)
        carried = numbers[whole:]
        at = end + 1
    if carried:
        raise Fault(f"Row {row}: the last run has a start but no length.")


def _show(content: bytes, start: int, end: int) -> str:
    return show(content[start : min(end, start + 60)].decode("utf-8", "replace"))
