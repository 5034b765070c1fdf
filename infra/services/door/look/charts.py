"""The door's drawings: what was spent a day, and what is left, as inline SVG.

Positions are numbers that come from here, across in per cent, so that letters keep their size
at any width. A drawing has a text that says the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from infra.services.competition.plots import Axis
from infra.services.competition.wording import MONTHS
from infra.services.guard.money import MICRO_DOLLARS

#: A chart is so many pixels high, which its style says too, and as wide as there is room.
HEIGHT = 224
#: Left of the columns, in per cent; above and below them, in pixels.
_LEFT, _TOP, _BOTTOM = 9, 10, 26


@dataclass(frozen=True)
class Day:
    """What the workspace and jobs of a day came to, in micro-dollars."""

    date: dt.date
    space: int = 0
    job: int = 0

    @property
    def total(self) -> int:
        return self.space + self.job


def meter(spent: int, held: int, cap: int, words: str) -> Markup:
    """A bar of what is spent and held, of the cap."""
    whole = max(cap, spent + held, 1)
    first, second = 100 * spent / whole, 100 * held / whole
    return Markup(  # noqa: S704
        f'<svg class="meter" role="img" aria-label="{escape(words)}">'
        f'<rect class="spent" width="{first:.2f}%" height="100%"/>'
        f'<rect class="held" x="{first:.2f}%" width="{second:.2f}%" height="100%"/></svg>'
    )


def by_day(days: Sequence[Day], words: str) -> Markup:
    """A column for each of the days, which follow one another."""
    most = max((day.total for day in days), default=0)
    axis = Axis(0.0, max(most / MICRO_DOLLARS * 1.05, 0.01))
    wide = (100 - _LEFT) / max(len(days), 1)
    floor = float(HEIGHT - _BOTTOM)

    def height(value: float) -> float:
        return axis.at(value) / 100 * (floor - _TOP)

    parts = []
    for value, label in axis.ticks(4):
        y = floor - height(value)
        parts.append(
            f'<line class="line" x1="{_LEFT}%" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="0" y="{y + 4:.1f}">${label}</text>'
        )
    for number, day in enumerate(days):
        x, base = _LEFT + (number + 0.15) * wide, floor
        for kind, amount in (("space", day.space), ("job", day.job)):
            if amount:
                tall = max(height(amount / MICRO_DOLLARS), 1.0)
                base -= tall
                parts.append(
                    f'<rect class="{kind}" x="{x:.2f}%" y="{base:.1f}" width="{0.7 * wide:.2f}%" '
                    f'height="{tall:.1f}"/>'
                )
    for number in _labelled(len(days)):
        at, date = _LEFT + (number + 0.5) * wide, days[number].date
        # The last one's words end with the drawing.
        at, anchor = (100.0, "end") if number == len(days) - 1 else (at, "middle")
        parts.append(
            f'<text class="axis" x="{at:.2f}%" y="{HEIGHT - 4}" text-anchor="{anchor}">{date.day} '
            f"{MONTHS[date.month - 1]}</text>"
        )
    return Markup(  # noqa: S704
        f'<svg class="chart" role="img" aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def _labelled(days: int) -> list[int]:
    """Which days are named below, at most seven of them, from the last one back.

    >>> _labelled(3), _labelled(14)
    ([2, 1, 0], [13, 11, 9, 7, 5, 3, 1])
    """
    step = max(1, -(-days // 7))
    return list(range(days - 1, -1, -step))


def last_days(amounts: Mapping[tuple[dt.date, str], int], today: dt.date, most: int) -> list[Day]:
    """The days from the first that has an amount until today, at least 7 and at most `most`."""
    first = min((date for date, _ in amounts), default=today)
    count = min(max((today - first).days + 1, 7), most)
    dates = [today - dt.timedelta(days=back) for back in range(count - 1, -1, -1)]
    return [
        Day(date, amounts.get((date, "space"), 0), amounts.get((date, "job"), 0)) for date in dates
    ]
