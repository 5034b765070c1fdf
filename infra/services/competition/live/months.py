"""Months as whole numbers: the calendar's own, in UTC."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def index(text: str) -> int:
    """The month's number: one more for each month.

    >>> index("2026-12") - index("2026-01")
    11

    Raises:
        ValueError: if `text` is no month such as 2026-12.
    """
    found = _MONTH.fullmatch(text)
    if not found or found[1] == "0000":
        raise ValueError(f"{text[:20]!r} is no month; expected one such as 2026-12")
    return int(found[1]) * 12 + int(found[2]) - 1


def name(month: int) -> str:
    """
    >>> name(index("2026-12") + 1)
    '2027-01'
    """
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def of(instant: dt.datetime) -> int:
    """The month in which `instant` lies, UTC."""
    utc = instant.astimezone(dt.UTC)
    return utc.year * 12 + utc.month - 1


def begins(month: int) -> dt.datetime:
    """The month's first instant.

    >>> begins(index("2026-12")).isoformat()
    '2026-12-01T00:00:00+00:00'
    """
    return dt.datetime(month // 12, month % 12 + 1, 1, tzinfo=dt.UTC)


def spans(found: Sequence[int]) -> str:
    """Months in order, neighbours together.

    >>> spans([index(each) for each in ("2026-12", "2027-01", "2027-02", "2027-06")])
    '2026-12 to 2027-02, 2027-06'
    """
    parts: list[list[int]] = []
    for month in found:
        if parts and month == parts[-1][-1] + 1:
            parts[-1].append(month)
        else:
            parts.append([month])
    return ", ".join(span(part[0], part[-1]) for part in parts)


def span(first: int, last: int) -> str:
    """
    >>> span(index("2026-12"), index("2027-05"))
    '2026-12 to 2027-05'
    """
    return name(first) if first == last else f"{name(first)} to {name(last)}"
