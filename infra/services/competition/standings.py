"""The table of a leaderboard's page: teams with their entries, and the fixed lines between them.

One table shows the public board, another the final one; they differ in their last columns.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Literal

from infra.services.competition import wording
from infra.services.competition.board import order
from infra.services.competition.plots import Axis, Mark, bars, mark, scale, whisker
from infra.services.competition.projects.project import Better

Entry = dict[str, Any]
Part = Literal["public", "final"]

#: So many other measures have a column of their own, where no bars take the room.
MEASURES = 2

_EMPTY_CELL = '<td role="cell"></td>'
_CHOSEN = {
    "team": "entries chosen by the team",
    "auto": "none chosen: its best public entries",
    "mixed": "one entry chosen, one by its public score",
}


class Standings:
    """A table of `entries`, best first, with `lines` between them."""

    def __init__(
        self,
        entries: Sequence[Entry],
        lines: Sequence[dict[str, Any]],
        better: Better,
        classes: Sequence[str],
        part: Part = "public",
        left: bool = False,
        reader: str = "",
    ) -> None:
        """`left`: whether what teams have left today is told; `reader`: whose row is the reader's
        own."""
        self._entries, self._lines, self._better, self._part = entries, lines, better, part
        self._left, self._reader = left, reader
        self.marks = [Mark(line["score"], kind(line)) for line in lines]
        self._axis = Axis.over(
            [entry["score"] for entry in entries],
            self.marks,
            better,
            [end for entry in entries for end in interval(entry) or ()],
        )
        found = {name for entry in entries for name in entry.get("classes") or ()}
        self.classes = [str(name) for name in classes or sorted(found)] if found else []
        measures = [name for told in (*entries, *lines) for name in told.get("also") or ()]
        self._also = list(dict.fromkeys(measures))
        self._columns = self._also if len(self._also) <= MEASURES and not self.classes else []
        self.with_gap = any(entry.get("gap_closed") for entry in entries)
        self.with_intervals = any(interval(entry) for entry in entries)
        self.with_effort = part == "public" and any(map(_effort, entries))
        self.with_left = left and any(
            wording.whole(entry.get("left_today")) is not None for entry in entries
        )
        self.with_also = bool(self._also)

    def table(self, name: str) -> str:
        rows = [
            (order(entry["score"], self._better), 0, self._entry_row(entry))
            for entry in self._entries
        ]
        # A line stands below the teams that reach it exactly.
        rows += [
            (order(line["score"], self._better), 1, self._line_row(line)) for line in self._lines
        ]
        body = "\n".join(row for _, _, row in sorted(rows, key=lambda row: row[:2]))
        return f"""<div class="scroll panel" role="region" tabindex="0"
 aria-label="{name}">
<table class="board" role="table">
<caption>{name}, best first, with fixed lines between the teams</caption>
<thead role="rowgroup"><tr role="row">{self._head()}</tr></thead>
<tbody role="rowgroup">
{body}
</tbody>
</table>
</div>"""

    def _head(self) -> str:
        toward = "better &rarr;" if self._better == "higher" else "&larr; better"
        plot = "With 95 % interval" if self.with_intervals else "Against the lines"
        cells = [("", "Rank"), ("team", "Team")]
        cells.append(("number", "Private score" if self._part == "final" else "Score"))
        cells.append(("plot", f"{plot}, {toward}{scale(self._axis)}"))
        cells += [("also number", html.escape(wording.title(name))) for name in self._columns]
        if self.classes:
            cells.append(("classes", "F1 by class"))
        if self.with_gap:
            cells.append(("gap number", "Gap closed"))
        if self.with_effort:
            cells.append(("cost number", "Cost"))
        if self._part == "final":
            cells.append(("move number", "Public rank"))
        else:
            cells.append(("when number", "Best sent (UTC)"))
        # Roles are said, too: as cards, on a phone, the elements lose them.
        return "".join(
            f'<th role="columnheader" scope="col"{_classed(style)}>{said}</th>'
            for style, said in cells
        )

    def _entry_row(self, entry: Entry) -> str:
        low, high = ranks(entry)
        span = interval(entry)
        places = f"{low}" if low == high else f"{low}&ndash;{high}"
        said = "" if low == high else f'<span class="unseen">{low} to {high}</span>'
        rank = f'<span aria-hidden="true">{places}</span>{said}' if said else places
        cells = [
            f'<td role="cell" class="rank">{rank}</td>',
            f'<th role="rowheader" scope="row" class="team">{self._team(entry)}</th>',
            f'<td role="cell" class="number score">{wording.score(entry["score"])}'
            f"{self._interval_said(span)}</td>",
            f'<td role="cell" class="plot">'
            f"{whisker(self._axis, self.marks, entry['score'], *(span or (None, None)))}"
            f'<span class="unseen">{self._between(entry["score"])}</span></td>',
        ]
        cells += [_also_cell(name, entry) for name in self._columns]
        if self.classes:
            cells.append(self._bars_cell(entry))
        if self.with_gap:
            cells.append(_gap_cell(entry.get("gap_closed")))
        if self.with_effort:
            cells.append(_effort_cell(entry))
        cells.append(_move_cell(entry) if self._part == "final" else self._sent_cell(entry))
        first = ' class="first"' if low == 1 else ""
        return f'<tr role="row"{first}>{"".join(cells)}</tr>'

    def _team(self, entry: Entry) -> str:
        return _team(entry, self._part, own=bool(self._reader) and entry["team"] == self._reader)

    def _interval_said(self, span: tuple[float, float] | None) -> str:
        if span:
            return f"<small>{wording.score(span[0])} to {wording.score(span[1])}</small>"
        return "<small>no interval</small>" if self.with_intervals else ""

    def _between(self, score: float) -> str:
        """Where a score stands among the lines, for who does not see the plot."""
        ahead: list[tuple[float, str]] = []
        behind: list[tuple[float, str]] = []
        for line in self._lines:
            distance = order(line["score"], self._better) - order(score, self._better)
            (ahead if distance < 0 else behind).append((abs(distance), line["name"]))
        words = []
        if behind:
            words.append(f"as good as or better than {html.escape(min(behind)[1])}")
        if ahead:
            words.append(f"worse than {html.escape(min(ahead)[1])}")
        return ", ".join(words)

    def _bars_cell(self, entry: Entry) -> str:
        of_classes = entry.get("classes") or {}
        if not of_classes:
            return '<td role="cell" class="classes"></td>'
        values = [(name, wording.number(of_classes.get(name))) for name in self.classes]
        words = ", ".join(
            f"{html.escape(name)} {'none' if value is None else format(value, '.2f')}"
            for name, value in values
        )
        return (
            f'<td role="cell" class="classes" data-name="F1 by class">{bars(values)}'
            f'<span class="unseen">{words}</span></td>'
        )

    def _sent_cell(self, entry: Entry) -> str:
        left = wording.whole(entry.get("left_today")) if self._left else None
        said = "" if left is None else f"<small>{left} left today</small>"
        return (
            f'<td role="cell" class="when number" data-name="Best sent (UTC)">'
            f"{wording.day(entry['submitted'])}"
            f"<small>{wording.many(int(entry['submissions']), 'submission')}</small>{said}</td>"
        )

    def _line_row(self, line: dict[str, Any]) -> str:
        style = " expert" if kind(line) == "expert" else ""
        measures = "".join(_also_cell(name, line) for name in self._columns)
        rest = 1 + bool(self.classes) + self.with_gap + self.with_effort
        return (
            f'<tr role="row" class="line{style}">{_EMPTY_CELL}'
            f'<th role="rowheader" scope="row" class="team">{wording.name(line["name"])}</th>'
            f'<td role="cell" class="number score">{wording.score(line["score"])}</td>'
            f'<td role="cell" class="plot">'
            f"{mark(self._axis, self.marks, Mark(line['score'], kind(line)))}</td>"
            f"{measures}{_EMPTY_CELL * rest}</tr>"
        )

    # --- below the table --------------------------------------------------------------------------

    def numbers(self) -> str:
        """What the bars mean, and in numbers what the table has no room for."""
        parts = []
        if self.classes:
            said = ", ".join(html.escape(name) for name in self.classes)
            parts.append(
                f'<p class="key">F1 by class, from left to right: {said}. A full bar is 1.</p>'
            )
            parts.append(
                self._details("F1 by class", self.classes, "classes", lambda value: f"{value:.2f}")
            )
        if self._also and not self._columns:
            parts.append(self._details("Other measures", self._also, "also", wording.measure))
        return "\n".join(parts)

    def _details(self, title: str, columns: Sequence[str], member: str, said: Any) -> str:
        head = "".join(f'<th scope="col" class="number">{html.escape(n)}</th>' for n in columns)
        rows = "\n".join(
            f'<tr><th scope="row">{wording.name(entry["team"])}</th>'
            + "".join(
                f'<td class="number">{"&ndash;" if value is None else said(value)}</td>'
                for name in columns
                for value in [wording.number((entry.get(member) or {}).get(name))]
            )
            + "</tr>"
            for entry in self._entries
        )
        return f"""<details><summary>{title} in numbers</summary>
<div class="scroll panel" role="region" aria-label="{title}" tabindex="0"><table>
<caption>{title} of each team's best entry</caption>
<thead><tr><th scope="col">Team</th>{head}</tr></thead>
<tbody>
{rows}
</tbody></table></div></details>"""


# --- what an entry tells --------------------------------------------------------------------------


def ranks(entry: Entry) -> tuple[int, int]:
    """The best and the worst place that an entry may have."""
    rank = entry["rank"]
    return int(entry.get("rank_low") or rank), int(entry.get("rank_high") or rank)


def interval(entry: Entry) -> tuple[float, float] | None:
    low, high = wording.number(entry.get("score_low")), wording.number(entry.get("score_high"))
    return None if low is None or high is None else (low, high)


def judged(entry: Entry) -> bool:
    """Whether the board could hold a final entry's move against chance."""
    return isinstance(entry.get("within_noise"), bool) and entry.get("judged") is not False


def beyond(entry: Entry) -> bool:
    """Whether a final entry moved by more than chance explains."""
    return judged(entry) and not entry["within_noise"]


def kind(line: dict[str, Any]) -> str:
    return str(line.get("kind") or line["name"].partition(":")[0])


def _effort(entry: Entry) -> bool:
    """Whether anything is known of what the entry took."""
    known = (wording.number(entry.get(name)) for name in ("cost_micro_usd", "gpu_hours"))
    return any(value is not None for value in known)


# --- cells ----------------------------------------------------------------------------------------


def _classed(style: str) -> str:
    return f' class="{style}"' if style else ""


def _team(entry: Entry, part: Part, *, own: bool) -> str:
    """Its name, its note, whom it is tied with, and where the entry comes from."""
    parts = [f'<bdi class="name">{html.escape(entry["team"])}</bdi>']
    if own:
        parts.append('<span class="badge">your team</span>')
    if entry.get("near_expert"):
        parts.append('<span class="badge">near or equal to the expert</span>')
    if entry.get("note"):
        parts.append(f'<span class="note">{wording.name(entry["note"])}</span>')
    if entry.get("tied_with"):
        parts.append(f'<small class="tied">tied with {wording.names(entry["tied_with"])}</small>')
    if part == "final":
        parts += _choice(entry)
    image = str(entry.get("image") or "")
    if image:
        job = html.escape(str(entry.get("job") or ""))
        title = f' title="{job}"' if job else ""
        by = f'<span class="unseen">, by the job <bdi>{job}</bdi></span>' if job else ""
        parts.append(f'<small class="image"{title}>on {wording.name(image)}{by}</small>')
    return "".join(parts)


def _choice(entry: Entry) -> list[str]:
    """Which entries counted, and what a better one would have had."""
    parts = []
    chosen = _CHOSEN.get(str(entry.get("chosen")))
    if chosen:
        parts.append(f"<small>{chosen}</small>")
    missed = wording.number(entry.get("missed"))
    if missed is not None:
        parts.append(
            f'<small class="missed">another entry, not chosen, has {wording.score(missed)}</small>'
        )
    return parts


def _gap_cell(gap: dict[str, Any] | None) -> str:
    value = wording.number((gap or {}).get("value"))
    if gap is None or value is None:
        return '<td role="cell" class="gap number"></td>'
    low, high = wording.number(gap.get("low")), wording.number(gap.get("high"))
    span = ""
    if low is not None and high is not None:
        span = f"<small>{wording.percent(low)} to {wording.percent(high)}</small>"
    return (
        f'<td role="cell" class="gap number" data-name="Gap closed">{wording.percent(value)}'
        f"{span}</td>"
    )


def _also_cell(name: str, entry: Entry) -> str:
    value = wording.number((entry.get("also") or {}).get(name))
    if value is None:
        return '<td role="cell" class="also number"></td>'
    return (
        f'<td role="cell" class="also number" data-name="{html.escape(wording.title(name))}">'
        f"{wording.measure(value)}</td>"
    )


def _effort_cell(entry: Entry) -> str:
    cost = wording.number(entry.get("cost_micro_usd"))
    hours = wording.number(entry.get("gpu_hours"))
    parts = [] if cost is None else [wording.dollars(cost)]
    if hours is not None:
        parts.append(f"<small>{wording.gpu_hours(hours)}</small>")
    if parts and entry.get("instance"):
        parts.append(f"<small>{wording.name(entry['instance'])}</small>")
    named = ' data-name="Cost"' if parts else ""
    return f'<td role="cell" class="cost number"{named}>{"".join(parts)}</td>'


def _move_cell(entry: Entry) -> str:
    """Where the team stood on the public board, and how far it moved from there."""
    rank, score = wording.whole(entry.get("public_rank")), wording.number(entry.get("public_score"))
    if rank is None:
        return '<td role="cell" class="move number"></td>'
    change = wording.whole(entry.get("change")) or 0
    parts = [f"{rank}"]
    if change:
        way, arrow = ("up", "&#9650;") if change > 0 else ("down", "&#9660;")
        strong = " beyond" if beyond(entry) else ""
        parts.append(
            f' <span class="way {way}{strong}"><span aria-hidden="true">{arrow}</span>'
            f'<span class="unseen">, {way} </span>{abs(change)}</span>'
        )
    if score is not None:
        parts.append(f"<small>{wording.score(score)}</small>")
    if change and judged(entry):
        parts.append(f"<small>{'beyond' if beyond(entry) else 'within'} chance</small>")
    return f'<td role="cell" class="move number" data-name="Public rank">{"".join(parts)}</td>'
