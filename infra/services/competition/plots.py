"""The small drawings of a leaderboard's page, as inline SVG.

Positions are numbers that come from here; a word that comes from elsewhere is escaped. A drawing is
hidden from screen readers, because the page says the same in words beside it, or has a text of its
own.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.services.competition.projects.project import Better

#: A plot of progress over time, in its own units.
WIDTH, HEIGHT = 240, 84
_EDGE = 6

_BAR, _GAP, _TALL = 9, 4, 30

#: More slopes than these stand closer.
DENSE = 30


@dataclass(frozen=True)
class Mark:
    """A fixed line that the whole plot shows: a score and its kind."""

    score: float
    kind: str


@dataclass(frozen=True)
class Axis:
    """A range of scores, drawn from left to right."""

    low: float
    high: float

    @classmethod
    def over(
        cls,
        scores: Iterable[float],
        marks: Iterable[Mark],
        better: Better,
        ends: Iterable[float] = (),
    ) -> Axis:
        """The range that `marks` and `scores` need, and `ends` of intervals not far from them.

        Marks and the better half of the scores are always within. What is worse than all of them by
        more than they span is left outside: one wild entry must not press the others into a line.
        Nor must a floor far below: among scores and other marks it counts as a wild entry may.
        """
        marks = list(marks)
        sign = 1.0 if better == "higher" else -1.0
        given = sorted(scores, key=lambda score: -sign * score)
        fixed = [each.score for each in marks if each.kind != "floor"]
        floors = [each.score for each in marks if each.kind == "floor"]
        if not given or not fixed:
            fixed, floors = fixed + floors, []
        core = fixed + given[: (len(given) + 1) // 2]
        if not core:
            return cls(0.0, 1.0)
        span = max(core) - min(core) or max(abs(core[0]) * 0.1, 0.01)
        reach = min(sign * value for value in core) - span
        kept = core + [value for value in given + floors if sign * value >= reach]
        low, high = min(kept), max(kept)
        near = [end for end in ends if low - (high - low) <= end <= high + (high - low)]
        low, high = min([low, *near]), max([high, *near])
        margin = 0.05 * (high - low) or max(abs(high) * 0.1, 0.01)
        return cls(low - margin, high + margin)

    def at(self, score: float) -> float:
        """Where `score` stands, 0 to 100; one outside stands at the edge."""
        share = (score - self.low) / (self.high - self.low)
        return 100.0 * min(max(share, 0.0), 1.0)

    def beyond(self, score: float) -> bool:
        return not self.low <= score <= self.high

    def ticks(self, most: int = 7) -> list[tuple[float, str]]:
        """Round scores within, with their labels.

        >>> [label for _, label in Axis(0.02, 0.83).ticks()]
        ['0.2', '0.4', '0.6', '0.8']
        """
        raw = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * (1 - 1e-9))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        numbers = range(first, min(last, first + 2 * most) + 1)
        # Adding 0 makes no "-0" of a zero.
        return [(n * step + 0.0, f"{n * step + 0.0:.{digits}f}") for n in numbers]


def scale(axis: Axis) -> str:
    """The axis' numbers, for the head of the column."""
    labels = "".join(
        f'<text x="{axis.at(score):.1f}%" y="12" text-anchor="middle">{label}</text>'
        for score, label in axis.ticks()
        if 1 <= axis.at(score) <= 99
    )
    return f'<svg class="scale" aria-hidden="true">{labels}</svg>'


def whisker(
    axis: Axis, marks: Sequence[Mark], score: float, low: float | None, high: float | None
) -> str:
    """A score with its interval, before the marks' lines."""
    span = ""
    if low is not None and high is not None:
        span = (
            f'<line class="span" x1="{axis.at(low):.1f}%" x2="{axis.at(high):.1f}%" '
            'y1="50%" y2="50%"/>'
        )
    return _rules(axis, marks) + _place(axis, score, "dot", span)


def mark(axis: Axis, marks: Sequence[Mark], own: Mark) -> str:
    """The row of a mark itself: its place among the others."""
    return _rules(axis, marks) + _place(axis, own.score, f"ring {_kind(own)}")


def _place(axis: Axis, score: float, style: str, under: str = "") -> str:
    """A dot, or an arrow at the edge that the score is beyond."""
    at = f"{axis.at(score):.1f}%"
    if score < axis.low:
        dot = f'<text class="off" x="{at}" y="50%">&#9664;</text>'
    elif score > axis.high:
        dot = f'<text class="off" x="{at}" y="50%" text-anchor="end">&#9654;</text>'
    else:
        dot = f'<circle class="{style}" cx="{at}" cy="50%" r="4.5"/>'
    return f'<svg class="place" aria-hidden="true">{under}{dot}</svg>'


def _rules(axis: Axis, marks: Sequence[Mark]) -> str:
    rules = "".join(
        f'<line class="rule {_kind(each)}" x1="{at}%" x2="{at}%" y1="0" y2="100%"/>'
        for each in marks
        if not axis.beyond(each.score)
        for at in [f"{axis.at(each.score):.1f}"]
    )
    return f'<svg class="rules" aria-hidden="true">{rules}</svg>'


def _kind(of: Mark) -> str:
    return "expert" if of.kind == "expert" else "other"


def bars(values: Sequence[tuple[str, float | None]]) -> str:
    """A bar for each named value of 0 to 1; its name and value appear under a pointer."""
    width = len(values) * (_BAR + _GAP) - _GAP
    parts = []
    for number, (name, value) in enumerate(values):
        x = number * (_BAR + _GAP)
        tall = max(1.0, _TALL * min(max(value or 0.0, 0.0), 1.0))
        label = html.escape(f"{name}: {'none' if value is None else format(value, '.2f')}")
        parts.append(
            f'<g><title>{label}</title><rect class="track" x="{x}" y="0" width="{_BAR}" '
            f'height="{_TALL}"/><rect class="bar" x="{x}" y="{_TALL - tall:.1f}" '
            f'width="{_BAR}" height="{tall:.1f}"/></g>'
        )
    return (
        f'<svg class="bars" aria-hidden="true" width="{width}" height="{_TALL}" '
        f'viewBox="0 0 {width} {_TALL}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class Step:
    """A shown score that moved: when, in seconds, and to what."""

    at: float
    score: float


class Progress:
    """Shown scores over time, the better the higher: a plot for each team, with the others' lines
    behind it."""

    def __init__(
        self,
        steps: Mapping[str, Sequence[Step]],
        until: float,
        axis: Axis,
        marks: Sequence[Mark],
        better: Better,
    ) -> None:
        moments = [step.at for each in steps.values() for step in each]
        self._steps, self._axis, self._marks = steps, axis, marks
        self._better = better
        self._first = min(moments, default=until)
        self._last = max([until, *moments, self._first + 1])

    def shared(self) -> str:
        """What every plot shows, once."""
        rules = "".join(
            f'<path class="rule {_kind(each)}" d="M0 {y}H{WIDTH}"/>'
            for each in self._marks
            if not self._axis.beyond(each.score)
            for y in [self._y(each.score)]
        )
        lines = "".join(f'<path d="{self._path(steps)}"/>' for steps in self._steps.values())
        return (
            '<svg class="shared" aria-hidden="true" width="0" height="0"><defs><g id="everyone">'
            f"{rules}{lines}</g></defs></svg>"
        )

    def of(self, team: str) -> str:
        """The plot of `team`."""
        steps = self._steps[team]
        dots = "".join(
            f'<circle cx="{self._x(step.at)}" cy="{self._y(step.score)}" r="2.5"/>'
            for step in steps
        )
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true"><use href="#everyone"/>'
            f'<g class="own"><path d="{self._path(steps)}"/>{dots}</g></svg>'
        )

    def _x(self, at: float) -> str:
        share = (at - self._first) / (self._last - self._first)
        return f"{_EDGE + share * (WIDTH - 2 * _EDGE):.1f}"

    def _y(self, score: float) -> str:
        share = self._axis.at(score) / 100
        down = 1 - share if self._better == "higher" else share
        return f"{_EDGE + down * (HEIGHT - 2 * _EDGE):.1f}"

    def _path(self, steps: Sequence[Step]) -> str:
        first, *later = steps
        path = f"M{self._x(first.at)} {self._y(first.score)}"
        path += "".join(f"H{self._x(step.at)}V{self._y(step.score)}" for step in later)
        return f"{path}H{WIDTH - _EDGE}"


@dataclass(frozen=True)
class Slope:
    """A team's way from its public rank to its final one; `strong`: more than chance explains."""

    team: str
    public: int
    final: int
    strong: bool = False


def slopes(pairs: Sequence[Slope]) -> str:
    """A line for each team from its public place, left, to its final one, right.

    Names stand beside the drawing, a row each, so that a long one is cut short and not the lines.
    """
    left = sorted(range(len(pairs)), key=lambda k: (pairs[k].public, pairs[k].final, k))
    right = sorted(range(len(pairs)), key=lambda k: (pairs[k].final, pairs[k].public, k))
    start = {k: place for place, k in enumerate(left)}
    end = {k: place for place, k in enumerate(right)}

    def height(place: int) -> str:
        return f"{100 * (place + 0.5) / len(pairs):.2f}%"

    def line(k: int) -> str:
        y1, y2 = height(start[k]), height(end[k])
        style = ' class="strong"' if pairs[k].strong else ""
        return (
            f'<g{style}><line x1="0" y1="{y1}" x2="100%" y2="{y2}"/>'
            f'<circle cx="0" cy="{y1}" r="3.5"/><circle cx="100%" cy="{y2}" r="3.5"/></g>'
        )

    def names(order: Sequence[int], side: str) -> str:
        rows = "".join(
            f'<span class="row{" strong" * pairs[k].strong}">'
            f"<b>{pairs[k].public if side == 'from' else pairs[k].final}</b>"
            f"<bdi>{html.escape(pairs[k].team)}</bdi></span>"
            for k in order
        )
        return f'<span class="{side}">{rows}</span>'

    # What is strong is drawn last, over the others.
    lines = "".join(line(k) for k in sorted(range(len(pairs)), key=lambda k: pairs[k].strong))
    words = "; ".join(f"{pairs[k].team} {pairs[k].public} to {pairs[k].final}" for k in right)
    return (
        f'<div class="drawn{" dense" * (len(pairs) > DENSE)}" role="img" '
        f'aria-label="{html.escape(f"From public to final rank: {words}.")}">'
        f'{names(left, "from")}<svg aria-hidden="true">{lines}</svg>{names(right, "to")}</div>'
    )
