"""The leaderboard's page, and the page that leads to the boards.

A page is one file without scripts or outside resources. Names and notes come from teams and are
escaped: they are shown, never run. A board from an earlier version lacks members; what they would
tell is left out.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from infra.services.competition.board import DIGITS, order
from infra.services.competition.plots import (
    Axis,
    Mark,
    Progress,
    Step,
    bars,
    mark,
    scale,
    whisker,
)
from infra.services.competition.projects.project import Better
from infra.services.competition.style import STYLE

#: So many of the teams that one is tied with are named; the rest are counted.
NAMED = 2

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Entry = dict[str, Any]

_EMPTY_CELL = '<td role="cell"></td>'


def page(board: dict[str, Any], cohort: str) -> str:
    """The board as a page of HTML."""
    return _Page(board, cohort).text()


def index(projects: Iterable[str], cohort: str) -> str:
    """The page that leads to the boards."""
    items = "\n".join(
        f'<li><a class="panel" href="{html.escape(name)}.html">{html.escape(name)}</a></li>'
        for name in projects
    )
    return _frame(
        f"Leaderboards · {html.escape(cohort)}",
        f'<p class="over">{html.escape(cohort)}</p>\n<h1>Leaderboards</h1>\n'
        f'<ul class="boards">\n{items}\n</ul>',
    )


class _Page:
    def __init__(self, board: dict[str, Any], cohort: str) -> None:
        self._board, self._cohort = board, cohort
        self._better: Better = board["better"]
        self._entries: list[Entry] = board["entries"]
        self._lines: list[dict[str, Any]] = board["lines"]
        self._marks = [Mark(line["score"], _kind(line)) for line in self._lines]
        self._axis = Axis.over(
            [entry["score"] for entry in self._entries],
            self._marks,
            self._better,
            [end for entry in self._entries for end in _interval(entry) or ()],
        )
        self._classes = self._class_names()
        self._with_gap = any(entry.get("gap_closed") for entry in self._entries)
        self._with_intervals = any(_interval(entry) for entry in self._entries)

    def _class_names(self) -> list[str]:
        """The classes that the board has columns for: none if no entry tells its F1 of any."""
        found = {name for entry in self._entries for name in entry.get("classes") or ()}
        if not found:
            return []
        return [str(name) for name in self._board.get("classes") or sorted(found)]

    def _units(self) -> tuple[int, str]:
        """How many units the public part has, 0 if nobody said, and what they are called."""
        units = self._board.get("units") or {}
        return int(units.get("count") or 0), str(units.get("name") or self._board["scored_on"])

    def text(self) -> str:
        project = html.escape(self._board["project"])
        parts = [
            '<p class="up"><a href="index.html">All boards</a></p>',
            f'<p class="over">{html.escape(self._cohort)} · leaderboard</p>',
            f"<h1>{project}</h1>",
            self._news(),
            self._lead(),
            self._facts(),
            self._caution(),
            self._table(),
            self._key(),
            self._progress(),
            self._how_to_read(),
        ]
        return _frame(
            f"{project} · {html.escape(self._cohort)}", "\n".join(part for part in parts if part)
        )

    # --- above the table --------------------------------------------------------------------------

    def _news(self) -> str:
        """The board in a sentence."""
        if not self._entries:
            return ""
        leader = self._entries[0]
        tied = len(leader.get("tied_with") or ())
        others = {0: "", 1: ", and one other team is tied with it"}.get(
            tied, f", and {tied} other teams are tied with it"
        )
        return (
            f'<p class="news"><strong><bdi>{html.escape(leader["team"])}</bdi></strong> leads with '
            f"{_score(leader['score'])}{others}.</p>"
        )

    def _lead(self) -> str:
        board = self._board
        return f"""<p class="lead">The score is the {html.escape(_lower_first(board["metric"]))};
{self._better} is better, {html.escape(board["hint"])}. Scores are on the public part of the
held-out {html.escape(board["scored_on"])}.</p>"""

    def _facts(self) -> str:
        count, name = self._units()
        limit = self._board.get("limit_per_day")
        facts = [("Teams", f"{len(self._entries)}")]
        if count:
            facts.append(("Public part", f"{count} {html.escape(name)}"))
        if limit:
            facts.append(("Submissions", f"{int(limit)} a day for each team"))
        facts.append(("Updated (UTC)", _moment(self._board["updated"])))
        items = "\n".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts)
        return f'<dl class="facts">\n{items}\n</dl>'

    def _caution(self) -> str:
        if not self._board.get("narrow"):
            return ""
        count, name = self._units()
        few = f"Only {count}" if count else "Few"
        return (
            f'<p class="caution" role="note"><strong>{few} {html.escape(name)} are held out in the '
            "public part.</strong> With fewer than 24 the intervals are too narrow: take more "
            "teams for tied than the board says.</p>"
        )

    # --- the table --------------------------------------------------------------------------------

    def _table(self) -> str:
        empty = ""
        project = html.escape(self._board["project"])
        if not self._entries:
            empty = f"""<div class="empty panel">
<p>No team has submitted yet.</p>
<p>The first one leads: <code>academy.submit("{project}", predictions)</code></p>
</div>
"""
            if not self._lines:
                return empty
        rows = [
            (order(entry["score"], self._better), 0, self._entry_row(entry))
            for entry in self._entries
        ]
        # A line stands below the teams that reach it exactly.
        rows += [
            (order(line["score"], self._better), 1, self._line_row(line)) for line in self._lines
        ]
        body = "\n".join(row for _, _, row in sorted(rows, key=lambda row: row[:2]))
        toward = "better &rarr;" if self._better == "higher" else "&larr; better"
        interval = "With 95 % interval" if self._with_intervals else "Against the lines"
        # Roles are said, too: as cards, on a phone, the elements lose them.
        head = [
            '<th role="columnheader" scope="col">Rank</th>',
            '<th role="columnheader" scope="col" class="team">Team</th>',
            '<th role="columnheader" scope="col" class="number">Score</th>',
            f'<th role="columnheader" scope="col" class="plot">{interval}, {toward}'
            f"{scale(self._axis)}</th>",
        ]
        if self._classes:
            head.append('<th role="columnheader" scope="col" class="classes">F1 by class</th>')
        if self._with_gap:
            head.append('<th role="columnheader" scope="col" class="gap number">Gap closed</th>')
        head.append('<th role="columnheader" scope="col" class="when number">Best sent (UTC)</th>')
        return f"""{empty}<div class="scroll panel" role="region" tabindex="0"
 aria-label="Leaderboard of {project}">
<table class="board" role="table">
<caption>Leaderboard of {project}, best first, with fixed lines between the teams</caption>
<thead role="rowgroup"><tr role="row">{"".join(head)}</tr></thead>
<tbody role="rowgroup">
{body}
</tbody>
</table>
</div>"""

    def _entry_row(self, entry: Entry) -> str:
        low, high = _ranks(entry)
        interval = _interval(entry)
        places = f"{low}" if low == high else f"{low}&ndash;{high}"
        said = "" if low == high else f'<span class="unseen">{low} to {high}</span>'
        rank = f'<span aria-hidden="true">{places}</span>{said}' if said else places
        cells = [
            f'<td role="cell" class="rank">{rank}</td>',
            f'<th role="rowheader" scope="row" class="team">{_team(entry)}</th>',
            f'<td role="cell" class="number score">{_score(entry["score"])}'
            f"{self._interval_said(interval)}</td>",
            f'<td role="cell" class="plot">'
            f"{whisker(self._axis, self._marks, entry['score'], *(interval or (None, None)))}"
            f'<span class="unseen">{self._between(entry["score"])}</span></td>',
        ]
        if self._classes:
            cells.append(self._bars_cell(entry))
        if self._with_gap:
            cells.append(_gap_cell(entry.get("gap_closed")))
        count = int(entry["submissions"])
        cells.append(
            f'<td role="cell" class="when number" data-name="Best sent (UTC)">'
            f"{_day(entry['submitted'])}"
            f"<small>{count} submission{'s' * (count != 1)}</small></td>"
        )
        first = ' class="first"' if low == 1 else ""
        return f'<tr role="row"{first}>{"".join(cells)}</tr>'

    def _interval_said(self, interval: tuple[float, float] | None) -> str:
        if interval:
            return f"<small>{_short(interval[0])} to {_short(interval[1])}</small>"
        return "<small>no interval</small>" if self._with_intervals else ""

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
        classes = entry.get("classes") or {}
        if not classes:
            return '<td role="cell" class="classes"></td>'
        values = [(name, _number(classes.get(name))) for name in self._classes]
        words = ", ".join(
            f"{html.escape(name)} {'none' if value is None else format(value, '.2f')}"
            for name, value in values
        )
        return (
            f'<td role="cell" class="classes" data-name="F1 by class">{bars(values)}'
            f'<span class="unseen">{words}</span></td>'
        )

    def _line_row(self, line: dict[str, Any]) -> str:
        kind = " expert" if _kind(line) == "expert" else ""
        rest = 1 + bool(self._classes) + self._with_gap
        return (
            f'<tr role="row" class="line{kind}">{_EMPTY_CELL}'
            f'<th role="rowheader" scope="row" class="team">{html.escape(line["name"])}</th>'
            f'<td role="cell" class="number score">{_score(line["score"])}</td>'
            f'<td role="cell" class="plot">'
            f"{mark(self._axis, self._marks, Mark(line['score'], _kind(line)))}</td>"
            f"{_EMPTY_CELL * rest}</tr>"
        )

    # --- below the table --------------------------------------------------------------------------

    def _key(self) -> str:
        if not self._classes:
            return ""
        names = ", ".join(html.escape(name) for name in self._classes)
        head = "".join(
            f'<th scope="col" class="number">{html.escape(n)}</th>' for n in self._classes
        )
        rows = "\n".join(
            f'<tr><th scope="row"><bdi>{html.escape(entry["team"])}</bdi></th>'
            + "".join(
                f'<td class="number">{"&ndash;" if value is None else format(value, ".2f")}</td>'
                for name in self._classes
                for value in [_number((entry.get("classes") or {}).get(name))]
            )
            + "</tr>"
            for entry in self._entries
        )
        return f"""<p class="key">F1 by class, from left to right: {names}. A full bar is 1.</p>
<details><summary>F1 by class in numbers</summary>
<div class="scroll panel" role="region" aria-label="F1 by class" tabindex="0"><table>
<caption>F1 by class of each team's best entry</caption>
<thead><tr><th scope="col">Team</th>{head}</tr></thead>
<tbody>
{rows}
</tbody></table></div></details>"""

    def _progress(self) -> str:
        """A plot for each team whose shown score has a history, and the same as a table."""
        moves = [
            (str(move["team"]), str(move["at"]), Step(at, float(move["score"])))
            for move in self._board.get("history") or ()
            for at in [_seconds(str(move["at"]))]
            if at is not None
        ]
        steps: dict[str, list[Step]] = {}
        for team, _, step in sorted(moves, key=lambda each: each[2].at):
            steps.setdefault(team, []).append(step)
        teams = [entry["team"] for entry in self._entries if entry["team"] in steps]
        if not teams:
            return ""
        shown = [mark for mark in self._marks if mark.kind in ("baseline", "expert")]
        progress = Progress(
            steps,
            _seconds(self._board["updated"]) or 0.0,
            Axis.over(
                [step.score for each in steps.values() for step in each],
                shown,
                self._better,
            ),
            shown,
            self._better,
        )
        plots = "\n".join(
            f'<li class="panel"><span class="name"><bdi>{html.escape(team)}</bdi></span>'
            f"<small>{_course(steps[team])}</small>{progress.of(team)}</li>"
            for team in teams
        )
        rows = "\n".join(
            f'<tr><td class="when">{_moment(at)}</td>'
            f'<th scope="row"><bdi>{html.escape(team)}</bdi></th>'
            f'<td class="number">{_score(step.score)}</td></tr>'
            for team, at, step in moves
        )
        named = " and ".join(
            f"{word} for the {kind}"
            for kind, word in (("baseline", "dotted"), ("expert", "solid"))
            if any(each.kind == kind for each in shown)
        )
        lines = f" The lines across: {named}." if named else ""
        return f"""<h2>Progress</h2>
<p class="lead">The score that the board shows of each team, over time; higher up is better. In
grey, the other teams.{lines}</p>
{progress.shared()}
<ul class="plots">
{plots}
</ul>
<details><summary>Progress in numbers</summary>
<div class="scroll panel" role="region" aria-label="Progress in numbers" tabindex="0"><table>
<caption>Each change of a team's shown score, the earliest first</caption>
<thead><tr><th scope="col">When (UTC)</th><th scope="col">Team</th>
<th scope="col" class="number">Score</th></tr></thead>
<tbody>
{rows}
</tbody></table></div></details>"""

    def _how_to_read(self) -> str:
        if not self._entries:
            return ""
        _, name = self._units()
        items = []
        if self._with_intervals:
            times = int(self._board.get("replicates") or 1000)
            items = [
                (
                    "Rank",
                    "The places that chance cannot rule out: 2&ndash;4 is second to fourth. The "
                    f"held-out {html.escape(name)} are drawn anew {times:,} times, the same for "
                    "all teams; one team is placed before another only if it is better by more "
                    "than such draws explain, with 95 % confidence over all pairs at once. The "
                    "teams with a mark at the left edge may each be the first.",
                ),
                (
                    "Tied",
                    "The ranks of tied teams overlap. Two teams may both be tied with a third and "
                    "not with each other.",
                ),
                (
                    "Score",
                    "The bar is the 95 % interval of the score over such draws, the dot the score. "
                    "A team's score moves only when a new entry is better by more than chance. An "
                    "entry without an interval was scored before intervals were kept.",
                ),
            ]
        else:
            items = [("Rank", "Equal scores share a rank; who came first stands first.")]
        if self._with_gap:
            items.append(
                (
                    "Gap closed",
                    "How far a team has come from the baseline to the expert: 0 % is the one, "
                    "100 % the other; below it, the 95 % interval.",
                )
            )
        if any(entry.get("near_expert") for entry in self._entries):
            items.append(
                (
                    "Near or equal to the expert",
                    "With 95 % confidence the team is less than 2 points (0.02) below the expert.",
                )
            )
        rows = "\n".join(f"<div><dt>{name}</dt><dd>{said}</dd></div>" for name, said in items)
        return f'<h2>How to read this board</h2>\n<dl class="read">\n{rows}\n</dl>'


# --- parts of a row -------------------------------------------------------------------------------


def _team(entry: Entry) -> str:
    """Its name, its note, whom it is tied with, and where the entry comes from."""
    parts = [f'<bdi class="name">{html.escape(entry["team"])}</bdi>']
    if entry.get("near_expert"):
        parts.append('<span class="badge">near or equal to the expert</span>')
    if entry.get("note"):
        parts.append(f'<span class="note"><bdi>{html.escape(entry["note"])}</bdi></span>')
    if entry.get("tied_with"):
        parts.append(f'<small class="tied">tied with {_names(entry["tied_with"])}</small>')
    image = str(entry.get("image") or "")
    if image:
        job = html.escape(str(entry.get("job") or ""))
        title = f' title="{job}"' if job else ""
        said = f'<span class="unseen">, by the job <bdi>{job}</bdi></span>' if job else ""
        parts.append(
            f'<small class="image"{title}>on <bdi>{html.escape(image)}</bdi>{said}</small>'
        )
    return "".join(parts)


def _names(teams: Sequence[str]) -> str:
    """
    >>> _names(["owl"]), _names(["owl", "jay"])
    ('<bdi>owl</bdi>', '<bdi>owl</bdi> and <bdi>jay</bdi>')
    >>> _names(["owl", "jay", "kite", "a", "b"])
    '<bdi>owl</bdi>, <bdi>jay</bdi> and 3 more'
    """
    names = [f"<bdi>{html.escape(team)}</bdi>" for team in teams]
    if len(names) > NAMED + 1:
        names[NAMED:] = [f"{len(names) - NAMED} more"]
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _gap_cell(gap: dict[str, Any] | None) -> str:
    value = _number((gap or {}).get("value"))
    if gap is None or value is None:
        return '<td role="cell" class="gap number"></td>'
    low, high = _number(gap.get("low")), _number(gap.get("high"))
    interval = "" if low is None or high is None else f"<small>{_percent(low)} to {_percent(high)}"
    interval += "</small>" if interval else ""
    return (
        f'<td role="cell" class="gap number" data-name="Gap closed">{_percent(value)}'
        f"{interval}</td>"
    )


def _course(steps: Sequence[Step]) -> str:
    """A team's progress in words."""
    first, last = _score(steps[0].score), _score(steps[-1].score)
    if len(steps) == 1:
        return f"{first} so far"
    return f"{first} &rarr; {last}, {len(steps) - 1} step{'s' * (len(steps) > 2)}"


def _ranks(entry: Entry) -> tuple[int, int]:
    """The best and the worst place that an entry may have."""
    rank = entry["rank"]
    return int(entry.get("rank_low") or rank), int(entry.get("rank_high") or rank)


def _interval(entry: Entry) -> tuple[float, float] | None:
    low, high = _number(entry.get("score_low")), _number(entry.get("score_high"))
    return None if low is None or high is None else (low, high)


def _kind(line: dict[str, Any]) -> str:
    return str(line.get("kind") or line["name"].partition(":")[0])


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def _score(value: float) -> str:
    """Wild ones are shown short: no column grows with what a team sends.

    >>> _score(0.5), _score(-123456.7)
    ('0.500', '-1.23e+05')
    """
    return f"{value:.{DIGITS}f}" if abs(value) < 1000 else f"{value:.3g}"


def _short(value: float) -> str:
    """An end of an interval: more digits would pretend to know it better."""
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def _percent(value: float) -> str:
    """
    >>> _percent(0.634), _percent(-0.001), _percent(-123.4)
    ('63&nbsp;%', '0&nbsp;%', '-1e+04&nbsp;%')
    """
    percent = round(100 * value)
    return f"{percent if abs(percent) < 10_000 else format(float(percent), '.0e')}&nbsp;%"


def _seconds(instant: str) -> float | None:
    try:
        return dt.datetime.fromisoformat(instant).timestamp()
    except (ValueError, OverflowError):
        return None


def _moment(instant: str) -> str:
    return html.escape(f"{instant[:10]} {instant[11:16]}")


def _day(instant: str) -> str:
    """As short as a column asks; a cohort is shorter than a year.

    >>> _day("2026-12-01T09:05:07Z"), _day("<soon>")
    ('1 Dec 09:05', '&lt;soon&gt; ')
    """
    try:
        day, month = int(instant[8:10]), MONTHS[int(instant[5:7]) - 1]
    except (ValueError, IndexError):
        return _moment(instant)
    return html.escape(f"{day} {month} {instant[11:16]}")


def _lower_first(text: str) -> str:
    """Leaves an acronym as it is: MASE stays MASE."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _frame(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
