"""The leaderboard: ranks, and the page that shows them.

The page is one file without scripts or outside resources. Names and notes come from teams and are
escaped: they are shown, never run.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infra.services.competition.projects.project import Better, Line
from infra.services.competition.provenance import short

#: Digits that a public score is shown with; equal when rounded is equal in rank.
DIGITS = 4


@dataclass(frozen=True)
class Rules:
    """What the project's score is, how to read it, and the board's fixed marks."""

    metric: str
    better: Better
    hint: str
    scored_on: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class TeamLine:
    """A team's best public score in a project, and where that entry comes from. `version` grows
    with every change."""

    team: str
    best: float
    best_at: dt.datetime
    note: str
    submissions: int
    version: int
    job: str = ""
    image: str = ""


def order(score: float, better: Better) -> float:
    """What scores are sorted by, ascending, so that the best stands first."""
    return -score if better == "higher" else score


def document(
    project: str, rules: Rules, lines: Iterable[TeamLine], updated: dt.datetime
) -> dict[str, Any]:
    """The board as data: best first, equal scores share a rank, who came first stands first."""
    ordered = sorted(
        lines, key=lambda line: (order(_shown(line.best), rules.better), line.best_at, line.team)
    )
    entries: list[dict[str, Any]] = []
    for place, line in enumerate(ordered, start=1):
        score = _shown(line.best)
        tied = bool(entries) and entries[-1]["score"] == score
        entries.append(
            {
                "rank": entries[-1]["rank"] if tied else place,
                "team": line.team,
                "score": score,
                "submissions": line.submissions,
                "submitted": _instant(line.best_at),
                "note": line.note,
                "job": line.job,
                "image": short(line.image),
            }
        )
    return {
        "project": project,
        "metric": rules.metric,
        "better": rules.better,
        "hint": rules.hint,
        "scored_on": rules.scored_on,
        "updated": _instant(updated),
        "lines": [{"name": line.name, "score": _shown(line.score)} for line in rules.lines],
        "entries": entries,
    }


def _shown(score: float) -> float:
    return round(score, DIGITS)


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(board: dict[str, Any], cohort: str) -> str:
    """The board as a page of HTML."""
    better: Better = board["better"]
    rows = [(order(entry["score"], better), 0, _entry_row(entry)) for entry in board["entries"]]
    # A line stands below the teams that reach it exactly.
    rows += [(order(line["score"], better), 1, _line_row(line)) for line in board["lines"]]
    body = "\n".join(row for _, _, row in sorted(rows, key=lambda row: row[:2]))
    project = html.escape(board["project"])
    count = len(board["entries"])
    teams = "No team has submitted yet." if not count else f"{count} team{'s' * (count > 1)}."
    return _frame(
        f"{project} · {html.escape(cohort)}",
        f"""<p class="up"><a href="index.html">All boards</a></p>
<h1>{project}</h1>
<p class="lead">{teams} The score is the {html.escape(_lower_first(board["metric"]))};
{better} is better, {html.escape(board["hint"])}. Scores are on the public part of the held-out
{html.escape(board["scored_on"])}.</p>
<div class="scroll" role="region" aria-label="Leaderboard of {project}" tabindex="0">
<table>
<caption>Leaderboard</caption>
<thead><tr><th scope="col" class="number">Rank</th><th scope="col">Team</th>
<th scope="col" class="number">Score</th><th scope="col" class="number">Submissions</th>
<th scope="col">Best one sent (UTC)</th><th scope="col">Trained on</th>
<th scope="col">Note</th></tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
<p class="foot">Updated {_moment(board["updated"])} UTC. Equal scores share a rank.</p>""",
    )


def index(projects: Iterable[str], cohort: str) -> str:
    """The page that leads to the boards."""
    items = "\n".join(
        f'<li><a href="{html.escape(name)}.html">{html.escape(name)}</a></li>' for name in projects
    )
    return _frame(
        f"Leaderboards · {html.escape(cohort)}",
        f'<h1>Leaderboards</h1>\n<p class="lead">{html.escape(cohort)}</p>\n'
        f'<ul class="boards">\n{items}\n</ul>',
    )


def _lower_first(text: str) -> str:
    """Leaves an acronym as it is: MASE stays MASE."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _entry_row(entry: dict[str, Any]) -> str:
    note = html.escape(entry["note"]) or "&ndash;"
    image = html.escape(entry["image"]) or "&ndash;"
    job = f' title="{html.escape(entry["job"])}"' if entry["job"] else ""
    leader = ' class="leader"' if entry["rank"] == 1 else ""
    return (
        f'<tr{leader}><td class="number">{int(entry["rank"])}</td>'
        f'<th scope="row"><bdi>{html.escape(entry["team"])}</bdi></th>'
        f'<td class="number score">{entry["score"]:.{DIGITS}f}</td>'
        f'<td class="number">{int(entry["submissions"])}</td>'
        f'<td class="when">{_moment(entry["submitted"])}</td>'
        f'<td class="image"{job}><bdi>{image}</bdi></td>'
        f'<td class="note"><bdi>{note}</bdi></td></tr>'
    )


def _line_row(line: dict[str, Any]) -> str:
    return (
        f'<tr class="line"><td></td><th scope="row">{html.escape(line["name"])}</th>'
        f'<td class="number score">{line["score"]:.{DIGITS}f}</td>{"<td></td>" * 4}</tr>'
    )


def _moment(instant: str) -> str:
    return html.escape(f"{instant[:10]} {instant[11:16]}")


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
{_STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


#: Text on ground has a contrast of at least 4.5 to 1 in both schemes (WCAG 2.1, 1.4.3).
_STYLE = """:root { color-scheme: light dark; --ground: #f7f8f8; --card: #fff; --text: #14212b;
 --soft: #52616d; --rule: #dde3e7; --accent: #0b6b5d; --mark: #e3f2ef; }
@media (prefers-color-scheme: dark) {
 :root { --ground: #0f161b; --card: #172127; --text: #e9eff2; --soft: #a3b2bc; --rule: #2b3941;
  --accent: #5fd0bb; --mark: #15332f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
 font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 3rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
a { color: var(--accent); }
a:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.up { margin: 0 0 1rem; font-size: .9rem; }
.lead { color: var(--soft); margin: 0 0 1.5rem; max-width: 46rem; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule);
 border-radius: .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: left; padding: .65rem .9rem; border-bottom: 1px solid var(--rule);
 vertical-align: baseline; }
thead th { color: var(--soft); font-size: .8rem; font-weight: 600; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 600; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.score { font-weight: 600; }
.when { white-space: nowrap; font-variant-numeric: tabular-nums; }
.image { color: var(--soft); min-width: 11rem; font-size: .85rem; overflow-wrap: anywhere; }
.note { color: var(--soft); min-width: 12rem; overflow-wrap: anywhere; }
.leader { background: var(--mark); }
.leader .score { color: var(--accent); }
.line > * { color: var(--soft); font-weight: 400; font-style: italic; border-top: 2px dashed
 var(--rule); }
.foot { color: var(--soft); font-size: .85rem; margin: 1rem 0 0; }
.boards { padding-left: 1.2rem; font-size: 1.1rem; }
@media (max-width: 40rem) {
 main { padding: 1.25rem .75rem 2rem; }
 th, td { padding: .55rem .6rem; }
 h1 { font-size: 1.4rem; } }
"""
