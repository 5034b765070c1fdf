"""The leaderboard's page, and the page that leads to the boards.

A page is one file without scripts or outside resources. Names, notes and reasons come from people
and are escaped: they are shown, never run. A board from an earlier version lacks members; what they
would tell is left out.

While a competition goes on the page shows its public board. Once it is closed the final standings
come first, with what moved and why; the last public board is folded in below them.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Sequence
from typing import Any

from infra.services.competition import wording
from infra.services.competition.plots import Axis, Progress, Slope, Step, slopes
from infra.services.competition.projects.project import Better
from infra.services.competition.standings import Entry, Standings, beyond
from infra.services.competition.style import STYLE


def page(board: dict[str, Any], cohort: str) -> str:
    """The board as a page of HTML."""
    return frame(
        f"{html.escape(board['project'])} · {html.escape(cohort)}",
        f'<p class="up"><a href="index.html">All boards</a></p>\n{body(board, cohort)}',
    )


def body(
    board: dict[str, Any],
    cohort: str,
    *,
    reader: str = "",
    below: str = "",
    now: dt.datetime | None = None,
) -> str:
    """What stands on the page, for a frame of another's.

    Args:
        reader: the team whose row is said to be the reader's own.
        below: HTML that stands under the table.
        now: when it is looked at; without it, the time that is left is said as of the writing.
    """
    return _Page(board, cohort, reader, below, now).text()


def index(projects: Iterable[str], cohort: str) -> str:
    """The page that leads to the boards."""
    items = "\n".join(
        f'<li><a class="panel" href="{html.escape(name)}.html">{html.escape(name)}</a></li>'
        for name in projects
    )
    return frame(
        f"Leaderboards · {html.escape(cohort)}",
        f'<p class="over">{html.escape(cohort)}</p>\n<h1>Leaderboards</h1>\n'
        f'<ul class="boards">\n{items}\n</ul>',
    )


class _Page:
    def __init__(
        self,
        board: dict[str, Any],
        cohort: str,
        reader: str,
        below: str,
        now: dt.datetime | None,
    ) -> None:
        self._board, self._cohort, self._below = board, cohort, below
        self._now = now or wording.instant(board["updated"])
        self._better: Better = board["better"]
        self._phase = str(board.get("phase") or "")
        self._entries: list[Entry] = board["entries"]
        classes = [str(name) for name in board.get("classes") or ()]
        self._public = Standings(
            self._entries,
            board["lines"],
            self._better,
            classes,
            left=self._phase not in ("before", "closed"),
            reader=reader,
        )
        final = board.get("final") if self._phase == "closed" else None
        self._end: dict[str, Any] = final or {}
        self._final: Standings | None = None
        if final:
            self._final = Standings(
                final.get("entries") or [],
                final.get("lines") or [],
                self._better,
                classes,
                part="final",
                reader=reader,
            )

    def _finalists(self) -> list[Entry]:
        return list(self._end.get("entries") or ())

    def _units(self, of: dict[str, Any]) -> tuple[int, str]:
        """How many units a part has, 0 if nobody said, and what they are called."""
        units = of.get("units") or {}
        return int(units.get("count") or 0), str(units.get("name") or self._board["scored_on"])

    def text(self) -> str:
        project = html.escape(self._board["project"])
        parts = [
            f'<p class="over">{html.escape(self._cohort)} · leaderboard</p>',
            f"<h1>{project}</h1>",
            self._state(),
            self._news(),
            self._lead(),
            self._facts(),
        ]
        if self._final is None:
            parts += [
                self._caution(self._board, "public"),
                self._table(),
                self._public.numbers(),
                self._below,
            ]
        else:
            parts += [
                self._caution(self._end, "private"),
                self._table(),
                self._final.numbers(),
                self._below,
                self._shake_up(),
                self._last_public(),
            ]
        parts += [self._progress(), self._out(), self._how_to_read()]
        return "\n".join(part for part in parts if part)

    # --- above the table --------------------------------------------------------------------------

    def _state(self) -> str:
        """Whether the competition goes on, and until when."""
        board = self._board
        opens, closes = wording.instant(board.get("opens")), wording.instant(board.get("closes"))
        now = self._now

        def left(until: dt.datetime) -> str:
            return "" if now is None or until <= now else wording.span(until - now)

        if self._phase == "before":
            pill, said = "Not open yet", ""
            if opens is not None:
                wait = left(opens)
                said = f"Opens {wording.at(opens)}{f', in {wait}' if wait else ''}."
        elif self._phase == "open":
            pill, said = "Open", ""
            if closes is not None:
                wait = left(closes)
                said = f"Until {wording.until(closes)}{f'; {wait} left' if wait else ''}."
        elif self._phase == "frozen":
            pill = "Frozen"
            said = (
                "This board stands still. Submissions are kept, and scored when the competition "
                "goes on."
            )
        elif self._phase == "closed":
            pill = "Closed"
            said = f"Since {wording.until(closes)}." if closes is not None else ""
            if self._final is None and self._entries:
                said += " Scores are still those on the public part."
        else:
            return ""
        text = f'<p class="phase {self._phase}"><span class="pill">{pill}</span> {said}</p>'
        reason = str(board.get("reason") or "").strip()
        if self._phase == "frozen" and reason:
            text += (
                f'\n<p class="caution" role="note"><strong>Why:</strong> {wording.name(reason)}</p>'
            )
        return text

    def _news(self) -> str:
        """The board in a sentence."""
        entries = self._entries if self._final is None else self._finalists()
        if not entries:
            return ""
        leader = entries[0]
        tied = len(leader.get("tied_with") or ())
        others = {0: "", 1: ", and one other team is tied with it"}.get(
            tied, f", and {tied} other teams are tied with it"
        )
        verb, part = ("leads with", "")
        if self._final is not None:
            verb, part = ("stands first with" if tied else "wins with"), " on the private part"
        elif self._phase == "closed":
            verb = "led with"
        return (
            f'<p class="news"><strong>{wording.name(leader["team"])}</strong> {verb} '
            f"{wording.score(leader['score'])}{part}{others}.</p>"
        )

    def _lead(self) -> str:
        board = self._board
        part = "public" if self._final is None else "private"
        metric = html.escape(wording.lower_first(board["metric"]))
        return f"""<p class="lead">The score is the {metric};
{self._better} is better, {html.escape(board["hint"])}. Scores are on the {part} part of the
held-out {html.escape(board["scored_on"])}.</p>"""

    def _facts(self) -> str:
        limit = self._board.get("limit_per_day")
        teams = self._entries if self._final is None else self._finalists()
        facts = [("Teams", f"{len(teams)}")]
        parts = [("Public part", self._board)]
        if self._final is not None:
            parts.insert(0, ("Private part", self._end))
        for title, of in parts:
            count, name = self._units(of)
            if count:
                facts.append((title, f"{count} {html.escape(name)}"))
        if limit and self._phase != "closed":
            facts.append(("Submissions", f"{int(limit)} a day for each team"))
        facts.append(("Updated (UTC)", wording.moment(self._board["updated"])))
        items = "\n".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts)
        return f'<dl class="facts">\n{items}\n</dl>'

    def _caution(self, of: dict[str, Any], part: str) -> str:
        if not of.get("narrow"):
            return ""
        count, name = self._units(of)
        few = f"Only {count}" if count else "Few"
        return (
            f'<p class="caution" role="note"><strong>{few} {html.escape(name)} are held out in the '
            f"{part} part.</strong> With fewer than 24 the intervals are too narrow: take more "
            "teams for tied than the board says.</p>"
        )

    # --- the table --------------------------------------------------------------------------------

    def _table(self) -> str:
        project = html.escape(self._board["project"])
        if self._final is not None and self._finalists():
            return self._final.table(f"Final leaderboard of {project}")
        if self._final is None and self._entries:
            return self._public.table(f"Leaderboard of {project}")
        if self._entries:
            said = "No team has a final entry."
        elif self._phase == "closed":
            said = "No team submitted."
        else:
            said = "No team has submitted yet."
        first = ""
        if self._phase in ("", "open"):
            code = f'<code>academy.submit("{project}", predictions)</code>'
            first = f"\n<p>The first one leads: {code}</p>"
        empty = f'<div class="empty panel">\n<p>{said}</p>{first}\n</div>\n'
        lines = self._board["lines"] and self._final is None
        return empty + self._public.table(f"Leaderboard of {project}") if lines else empty

    # --- at the end -------------------------------------------------------------------------------

    def _shake_up(self) -> str:
        """What moved between the public and the final board, in words and drawn."""
        explained = [str(each) for each in self._end.get("explained") or ()]
        pairs = [
            Slope(
                str(entry["team"]),
                public,
                int(entry["rank"]),
                strong=beyond(entry),
            )
            for entry in self._finalists()
            for public in [wording.whole(entry.get("public_rank"))]
            if public is not None
        ]
        drawn = slopes(pairs) if len(pairs) > 1 else ""
        if not explained and not drawn:
            return ""
        items = "\n".join(f"<li>{wording.name(each)}</li>" for each in explained)
        words = f'<ul class="explained">\n{items}\n</ul>' if items else ""
        if drawn:
            strong = any(pair.strong for pair in pairs)
            key = " A strong line is a move beyond what chance explains." if strong else ""
            drawn = f"""<figure class="slopes panel">
<figcaption>The public ranks, left, and the final ranks, right.{key}</figcaption>
{drawn}
</figure>"""
        return f"""<h2>From the public board to the final one</h2>
<div class="shake">
{words}
{drawn}
</div>"""

    def _last_public(self) -> str:
        if not self._entries:
            return ""
        project = html.escape(self._board["project"])
        return f"""<details class="last"><summary>The last public board</summary>
{self._caution(self._board, "public")}
{self._public.table(f"Last public leaderboard of {project}")}
{self._public.numbers()}
</details>"""

    def _out(self) -> str:
        """Who was disqualified, and why."""
        rows = "\n".join(
            f"<div><dt>{wording.name(each.get('team') or '')}{_entry_of(each)}</dt>"
            f"<dd>{wording.name(each.get('reason') or 'no reason is recorded')}</dd></div>"
            for each in (*(self._board.get("out") or ()), *(self._board.get("out_entries") or ()))
        )
        if not rows:
            return ""
        return f"""<h2>Disqualified</h2>
<p class="lead">By the admins, who can reinstate them.</p>
<dl class="out panel">
{rows}
</dl>"""

    # --- below the table --------------------------------------------------------------------------

    def _progress(self) -> str:
        """A plot for each team whose shown score has a history, and the same as a table."""
        moves = [
            (str(move["team"]), str(move["at"]), Step(at, float(move["score"])))
            for move in self._board.get("history") or ()
            for at in [wording.seconds(move["at"])]
            if at is not None
        ]
        steps: dict[str, list[Step]] = {}
        for team, _, step in sorted(moves, key=lambda each: each[2].at):
            steps.setdefault(team, []).append(step)
        teams = [entry["team"] for entry in self._entries if entry["team"] in steps]
        if not teams:
            return ""
        shown = [mark for mark in self._public.marks if mark.kind in ("baseline", "expert")]
        progress = Progress(
            steps,
            wording.seconds(self._board["updated"]) or 0.0,
            Axis.over(
                [step.score for each in steps.values() for step in each],
                shown,
                self._better,
            ),
            shown,
            self._better,
        )
        plots = "\n".join(
            f'<li class="panel"><span class="name">{wording.name(team)}</span>'
            f"<small>{_course(steps[team])}</small>{progress.of(team)}</li>"
            for team in teams
        )
        rows = "\n".join(
            f'<tr><td class="when">{wording.moment(at)}</td>'
            f'<th scope="row">{wording.name(team)}</th>'
            f'<td class="number">{wording.score(step.score)}</td></tr>'
            for team, at, step in moves
        )
        named = " and ".join(
            f"{word} for the {kind}"
            for kind, word in (("baseline", "dotted"), ("expert", "solid"))
            if any(each.kind == kind for each in shown)
        )
        lines = f" The lines across: {named}." if named else ""
        public = "public " if self._final is not None else ""
        return f"""<h2>Progress</h2>
<p class="lead">The {public}score that the board shows of each team, over time; higher up is
better. In grey, the other teams.{lines}</p>
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
        shown = self._public if self._final is None else self._final
        entries = self._entries if self._final is None else self._finalists()
        if not entries:
            return ""
        items = self._of_ranks(shown)
        if self._final is not None:
            items += [
                (
                    "Private score",
                    "The better of a team's two final entries: those it chose, filled up by its "
                    "best on the public part. Late and disqualified entries never count. Nobody "
                    "saw these scores before the close.",
                ),
                (
                    "Public rank",
                    "Where the team stood on the last public board, how many places it has moved "
                    "since, and its public score. A move is within chance if the public and the "
                    "final rank interval overlap.",
                ),
            ]
        if shown.with_gap:
            items.append(
                (
                    "Gap closed",
                    "How far a team has come from the baseline to the expert: 0 % is the one, "
                    "100 % the other; below it, the 95 % interval.",
                )
            )
        if any(entry.get("near_expert") for entry in entries):
            items.append(
                (
                    "Near or equal to the expert",
                    "With 95 % confidence the team is less than 2 points (0.02) below the expert; "
                    "where the score is a ratio, less than 2 % behind it.",
                )
            )
        if shown.with_also:
            items.append(
                ("Other measures", "They are shown beside the score and do not count for the rank.")
            )
        if shown.with_effort:
            items.append(
                (
                    "Cost",
                    "What the training job of the shown entry is billed, and the hours that its "
                    "GPUs ran. It does not count for the rank; predictions that no job made have "
                    "no cost.",
                )
            )
        if shown.with_left:
            items.append(("Left today", self._today()))
        rows = "\n".join(f"<div><dt>{name}</dt><dd>{said}</dd></div>" for name, said in items)
        return f'<h2>How to read this board</h2>\n<dl class="read">\n{rows}\n</dl>'

    def _of_ranks(self, shown: Standings) -> list[tuple[str, str]]:
        if not shown.with_intervals:
            return [("Rank", "Equal scores share a rank; who came first stands first.")]
        of = self._board if self._final is None else self._end
        _, name = self._units(of)
        times = int(self._board.get("replicates") or 1000)
        moves = "A team's score moves only when a new entry is better by more than chance. "
        return [
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
                f"{moves if self._final is None else ''}An "
                "entry without an interval was scored before intervals were kept.",
            ),
        ]

    def _today(self) -> str:
        """The day that "today" is: a page may be older than that."""
        found = wording.instant(self._board.get("day"))
        day = f"{found.day} {wording.MONTHS[found.month - 1]} (UTC)" if found else "its day (UTC)"
        return (
            f"The submissions that a team had left on {day}, when this board was written. The "
            "next day begins at 00:00 UTC, and with it all are back."
        )


def _course(steps: Sequence[Step]) -> str:
    """A team's progress in words."""
    first, last = wording.score(steps[0].score), wording.score(steps[-1].score)
    if len(steps) == 1:
        return f"{first} so far"
    return f"{first} &rarr; {last}, {len(steps) - 1} step{'s' * (len(steps) > 2)}"


def frame(title: str, body: str) -> str:
    """The page around `body`: no scripts, nothing from outside."""
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


def _entry_of(out: dict[str, Any]) -> str:
    """Which entry of the team is out, if not all of it is."""
    return f", entry {html.escape(str(out['entry'])[:12])}" if out.get("entry") else ""
