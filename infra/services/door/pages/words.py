"""Money, moments and spans as the door says them: filters of its templates.

Plain text, which the template escapes: unlike `competition.wording`, whose words are HTML.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from infra.services.competition.wording import MONTHS
from infra.services.guard import money


def dollars(micro_usd: int, up: bool = False) -> str:
    """
    >>> dollars(3_209_999), dollars(3_200_001, up=True)
    ('$3.20', '$3.21')
    """
    return money.dollars(micro_usd, up=up)


def cost(micro_usd: int) -> str:
    """What something cost, where a fraction of a cent is not nothing.

    >>> cost(0), cost(4_300), cost(12_340_000)
    ('$0.00', 'under $0.01', '$12.34')
    """
    return "under $0.01" if 0 < micro_usd < 10_000 else money.dollars(micro_usd)


def at(moment: dt.datetime) -> str:
    """
    >>> at(dt.datetime(2026, 12, 3, 14, 5, tzinfo=dt.UTC))
    '3 Dec, 14:05 UTC'
    """
    moment = moment.astimezone(dt.UTC)
    return f"{moment.day} {MONTHS[moment.month - 1]}, {moment:%H:%M} UTC"


def day(date: dt.date) -> str:
    """
    >>> day(dt.date(2026, 12, 3))
    '3 Dec 2026'
    """
    return f"{date.day} {MONTHS[date.month - 1]} {date.year}"


def iso(moment: dt.datetime) -> str:
    """
    >>> iso(dt.datetime(2026, 12, 3, 14, 5, tzinfo=dt.UTC))
    '2026-12-03T14:05:00Z'
    """
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """How long something took or will take, in its two largest units.

    >>> [span(each) for each in (0, 59, 60, 3_599, 3_600, 9_000, 200_000)]
    ['0 s', '59 s', '1 min', '59 min', '1 h', '2 h 30 min', '2 d 7 h']
    """
    left = max(0, int(seconds))
    if left < 60:
        return f"{left} s"
    minutes, hours, days = left // 60 % 60, left // 3600 % 24, left // 86_400
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def many(count: int, noun: str) -> str:
    """
    >>> many(1, "job"), many(2, "job")
    ('1 job', '2 jobs')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


#: By the name that templates know them by: `{{ 5_000_000 | dollars }}`.
FILTERS: dict[str, Callable[..., Any]] = {
    "dollars": dollars,
    "cost": cost,
    "at": at,
    "day": day,
    "iso": iso,
    "span": span,
    "many": many,
}
