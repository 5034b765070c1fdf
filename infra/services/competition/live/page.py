"""The live board's page: one file without scripts or outside resources.

It is written by the scorer and, from an archive, by an admin's own machine: from the board's
document alone. Names come from people and are escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from infra.services.competition import wording
from infra.services.competition.live.sealing import SHORT
from infra.services.competition.page import frame
from infra.services.competition.plots import Axis, Mark, mark, scale, whisker

#: The newest seals and months that the page lists; the board's document has all.
MOST_SEALS = 200
MOST_MONTHS = 36

Entry = dict[str, Any]


def page(board: dict[str, Any], cohort: str) -> str:
    """The live board as a page of HTML."""
    project = html.escape(str(board["project"]))
    up = (
        '<p class="up"><a href="index.html">All boards</a> · '
        f'<a href="{project}.html">The practice board</a></p>'
    )
    title = f"Live round of {project} · {html.escape(cohort)}"
    return frame(title, f"{up}\n{body(board, cohort)}")


def body(board: dict[str, Any], cohort: str, *, reader: str = "", below: str = "") -> str:
    """What stands on the page, for a frame of another's; as `competition.page.body`."""
    parts = [
        f'<p class="over">{html.escape(cohort)} · live round</p>',
        f"<h1>{wording.name(board['round']['title'])}</h1>",
        _state(board),
        _news(board),
        _lead(board),
        _facts(board),
        _caution(board),
        _Table(board, reader).text(),
        below,
        _series(board),
        _observations(board),
        _seals(board),
        _how_to_read(board),
    ]
    return "\n".join(part for part in parts if part)


# --- above the table ------------------------------------------------------------------------------
def _state(board: dict[str, Any]) -> str:
    stopped = wording.instant(board["round"].get("stopped"))
    if stopped is None:
        pill, said, phase = "Open", "A forecast of a month counts if it came before.", "open"
    else:
        pill, phase = "No new forecasts", "closed"
        said = f"Since {wording.at(stopped)}; what is sealed is still observed and scored."
    text = f'<p class="phase {phase}"><span class="pill">{pill}</span> {said}</p>'
    note = str(board["round"].get("note") or "").strip()
    return f'{text}\n<p class="caution" role="note">{wording.name(note)}</p>' if note else text


def _news(board: dict[str, Any]) -> str:
    entries = board["entries"]
    if not entries:
        return ""
    leader = entries[0]
    tied = len(leader["tied_with"])
    others = {0: "", 1: "; one other team is tied with it"}.get(
        tied, f"; {tied} other teams are tied with it"
    )
    return (
        f'<p class="news"><strong>{wording.name(leader["team"])}</strong> stands first with '
        f"{wording.score(leader['score'])} on {wording.many(leader['months'], 'month')}"
        f"{others}.</p>"
    )


def _lead(board: dict[str, Any]) -> str:
    metric = html.escape(wording.lower_first(board["metric"]))
    horizon = wording.many(int(board["round"]["horizon"]), "month")
    return f"""<p class="lead">Forecasts of the next {horizon}, which nobody knows yet. Each is
sealed by a hash when it arrives; when a month is over and its value published, it is scored. The
score is the {metric}; {board["better"]} is better, {html.escape(board["hint"])}.</p>"""


def _facts(board: dict[str, Any]) -> str:
    months = board["months"]
    facts = [
        ("Teams", f"{len(board['entries'])}"),
        ("Sealed forecasts", f"{len(board['seals'])}"),
        ("Months scored", f"{len(months)}" + (f", to {html.escape(months[-1])}" if months else "")),
        ("Updated (UTC)", wording.moment(board["updated"])),
    ]
    items = "\n".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts)
    return f'<dl class="facts">\n{items}\n</dl>'


def _caution(board: dict[str, Any]) -> str:
    if board["few"]:
        return (
            '<p class="caution" role="note"><strong>Too few months are known.</strong> With fewer '
            f"than {int(board['least_months'])} a score is mostly luck: all teams are tied.</p>"
        )
    if board["narrow"]:
        count = int(board["units"]["count"])
        return (
            '<p class="caution" role="note"><strong>Ranks rest on '
            f"{wording.many(count, 'block')} of months.</strong> That is few; a lead of a season "
            "may be gone in the next.</p>"
        )
    return ""


# --- the table ------------------------------------------------------------------------------------
class _Table:
    """Teams, best first, with the fixed lines between them."""

    def __init__(self, board: dict[str, Any], reader: str) -> None:
        self._reader = reader
        self._entries: Sequence[Entry] = board["entries"]
        self._lines: Sequence[Entry] = board["lines"]
        self._marks = [Mark(line["score"], line["kind"]) for line in self._lines]
        ends = [e[end] for e in self._entries for end in ("score_low", "score_high")]
        self._axis = Axis.over(
            [entry["score"] for entry in self._entries],
            self._marks,
            "lower",
            [end for end in ends if end is not None],
        )
        named = [name for row in (*self._entries, *self._lines) for name in row.get("also") or {}]
        self._also = list(dict.fromkeys(named))
        self._title = f"Live board of {html.escape(str(board['project']))}"

    def text(self) -> str:
        if not self._entries:
            said = "No month of a sealed forecast is observed yet."
            empty = f'<div class="empty panel">\n<p>{said}</p>\n</div>\n'
            return empty + (self._table([]) if self._lines else "")
        # Of few months a score stands below the others, whatever it is.
        solid = [entry for entry in self._entries if not entry["few"]]
        return self._table(solid or self._entries, self._entries[len(solid) :] if solid else ())

    def _table(self, ranked: Sequence[Entry], few: Sequence[Entry] = ()) -> str:
        rows = [(entry["score"], 0, self._row(entry)) for entry in ranked]
        rows += [(line["score"], 1, self._line(line)) for line in self._lines]
        ordered = [row for _, _, row in sorted(rows, key=lambda row: row[:2])]
        body = "\n".join([*ordered, *map(self._row, few)])
        heads = [("", "Rank"), ("team", "Team"), ("number", "Score")]
        plot = f"With 95 % interval, &larr; better{scale(self._axis)}"
        heads += [("plot", plot), ("also number", "Months")]
        heads += [("also number", html.escape(wording.title(name))) for name in self._also]
        heads.append(("when number", "Last sealed (UTC)"))
        head = "".join(
            f'<th role="columnheader" scope="col" class="{style}">{said}</th>'
            for style, said in heads
        )
        return f"""<div class="scroll panel" role="region" tabindex="0" aria-label="{self._title}">
<table class="board" role="table">
<caption>{self._title}, best first, with fixed lines between the teams</caption>
<thead role="rowgroup"><tr role="row">{head}</tr></thead>
<tbody role="rowgroup">
{body}
</tbody>
</table>
</div>"""

    def _row(self, entry: Entry) -> str:
        low, high = int(entry["rank_low"]), int(entry["rank_high"])
        places = f"{low}" if low == high else f"{low}&ndash;{high}"
        span = [entry["score_low"], entry["score_high"]]
        interval = (
            f"<small>{wording.score(span[0])} to {wording.score(span[1])}</small>"
            if None not in span
            else "<small>no interval</small>"
        )
        tied = (
            f'<small class="tied">tied with {wording.names(entry["tied_with"])}</small>'
            if entry["tied_with"]
            else ""
        )
        own = '<span class="badge">your team</span>' if entry["team"] == self._reader else ""
        first = ' class="first"' if low == 1 and not entry["few"] else ""
        sent = wording.day(entry["submitted"])
        cells = [
            f'<td role="cell" class="rank">{places}</td>',
            '<th role="rowheader" scope="row" class="team"><bdi class="name">'
            f"{html.escape(entry['team'])}</bdi>{own}{tied}</th>",
            f'<td role="cell" class="number score">{wording.score(entry["score"])}{interval}</td>',
            '<td role="cell" class="plot">'
            f"{whisker(self._axis, self._marks, entry['score'], *span)}</td>",
            f'<td role="cell" class="also number" data-name="Months">{int(entry["months"])}</td>',
            *self._measures(entry),
            f'<td role="cell" class="when number" data-name="Last sealed (UTC)">{sent}'
            f"<small>{int(entry['sealed'])} sealed</small></td>",
        ]
        return f'<tr role="row"{first}>{"".join(cells)}</tr>'

    def _line(self, line: Entry) -> str:
        style = " expert" if line["kind"] == "expert" else ""
        return (
            f'<tr role="row" class="line{style}"><td role="cell"></td>'
            f'<th role="rowheader" scope="row" class="team">{wording.name(line["name"])}</th>'
            f'<td role="cell" class="number score">{wording.score(line["score"])}</td>'
            f'<td role="cell" class="plot">'
            f"{mark(self._axis, self._marks, Mark(line['score'], line['kind']))}</td>"
            f'<td role="cell" class="also number">{int(line["months"])}</td>'
            f'{"".join(self._measures(line))}<td role="cell"></td></tr>'
        )

    def _measures(self, row: Entry) -> list[str]:
        return [
            f'<td role="cell" class="also number" data-name="{html.escape(wording.title(name))}">'
            f"{'' if value is None else wording.measure(value)}</td>"
            for name in self._also
            for value in [wording.number((row.get("also") or {}).get(name))]
        ]


# --- below the table ------------------------------------------------------------------------------
def _series(board: dict[str, Any]) -> str:
    items = "\n".join(
        f"<div><dt>{wording.name(each['title'])}, {wording.name(each['unit'])}</dt>"
        f"<dd><code>{html.escape(each['id'])}</code>: {wording.name(each['source'])}, "
        f"{wording.name(each['url'])}. Known from {html.escape(each['history'][0])} to "
        f"{html.escape(each['history'][1])} when the round began.</dd></div>"
        for each in board["round"]["series"]
    )
    return f'<h2>What is forecast</h2>\n<dl class="read">\n{items}\n</dl>'


def _observations(board: dict[str, Any]) -> str:
    made = board["observations"]
    if not made:
        return ""
    rows = "\n".join(
        f'<tr><td class="when">{html.escape(each["month"])}</td>'
        f'<th scope="row">{html.escape(each["series"])}</th>'
        f'<td class="number">{each["value"]:.6g}</td>'
        f"<td>{wording.name(each['source'])}{_before(each)}</td></tr>"
        for each in reversed(made[-MOST_MONTHS * max(1, len(board["round"]["series"])) :])
    )
    return f"""<h2>What was observed</h2>
<p class="lead">As the source published it, once the month was over.</p>
<details open><summary>Months and values</summary>
<div class="scroll panel" role="region" aria-label="Observed" tabindex="0"><table>
<caption>Observed values, the newest month first</caption>
<thead><tr><th scope="col">Month</th><th scope="col">Series</th>
<th scope="col" class="number">Value</th><th scope="col">Source</th></tr></thead>
<tbody>
{rows}
</tbody></table></div></details>"""


def _before(made: Entry) -> str:
    if not made["before"]:
        return ""
    values = ", ".join(
        f"{each['value']:.6g}"
        + (f" by {wording.name(each['source'])}" if each["source"] != made["source"] else "")
        for each in made["before"]
    )
    return f"<small>corrected; before: {values}</small>"


def _seals(board: dict[str, Any]) -> str:
    seals = board["seals"]
    if not seals:
        return ""
    rows = "\n".join(
        f'<tr><td class="when">{wording.moment(each["received"])}</td>'
        f'<th scope="row">{wording.name(each["team"])}</th>'
        f"<td>{html.escape(each['first'])} to {html.escape(each['last'])}</td>"
        f'<td><code title="{html.escape(each["hash"])}">{html.escape(each["hash"])}</code></td>'
        f"<td>{'shown' if each['revealed'] else 'sealed'}</td></tr>"
        for each in seals[:MOST_SEALS]
    )
    more = len(seals) - MOST_SEALS
    rest = f" The newest {MOST_SEALS} of {len(seals)} are listed." if more > 0 else ""
    return f"""<h2>What is sealed</h2>
<p class="lead">Each forecast's hash, from the moment it came. When all its months are observed it
is shown with its salt, and anybody can compute the hash anew.{rest}</p>
<details><summary>Hashes</summary>
<div class="scroll panel" role="region" aria-label="Sealed" tabindex="0"><table>
<caption>Sealed forecasts, the newest first</caption>
<thead><tr><th scope="col">Received (UTC)</th><th scope="col">Team</th><th scope="col">Months</th>
<th scope="col">SHA-256</th><th scope="col">Content</th></tr></thead>
<tbody>
{rows}
</tbody></table></div></details>"""


def _how_to_read(board: dict[str, Any]) -> str:
    least = int(board["least_months"])
    items = [
        (
            "What counts",
            "Of each month a team's last forecast that came before the month began, by S3's "
            f"clock. A hash is named by its first {SHORT} digits on the team's receipt.",
        ),
        (
            "Rank",
            "The places that chance cannot rule out. Errors of neighbouring months resemble each "
            "other, so whole blocks of months are drawn anew, not single ones. With fewer than "
            f"{least} months a team is tied with all. Tied teams are not told apart.",
        ),
        (
            "Months",
            "Those of which a team has a forecast from before. Two teams are compared on the "
            "months that both have, so that who came late loses nothing by it.",
        ),
        (
            "Other measures",
            "WQL is the weighted quantile loss over 19 levels, coverage the share of values "
            "between the quantiles 0.1 and 0.9: 0.8 is right. They decide no rank.",
        ),
    ]
    rows = "\n".join(f"<div><dt>{name}</dt><dd>{said}</dd></div>" for name, said in items)
    return f'<h2>How to read this board</h2>\n<dl class="read">\n{rows}\n</dl>'
