"""The live board, as a table that a notebook and a terminal can show."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from academy.tables import html_table, plain, text_table, untypeset


@dataclass(frozen=True)
class LiveBoard:
    """The live board: who stands where on the months that are observed, and what is sealed.

    Attributes
    ----------
    project, title, updated : str
        `updated` is empty while there is no round.
    entries : tuple of dict
        rank, rank_low, rank_high, team, score, score_low, score_high, tied_with, months, few, also,
        sealed; best first.
    lines : tuple of dict
        name, score and kind of fixed lines, such as the seasonal naive.
    months : tuple of str
        The months that are scored.
    observations : tuple of dict
        series, month, value, source, before.
    seals : tuple of dict
        hash, team, received, first, last, revealed; the newest first.
    least_months : int
        With fewer, all teams are tied.
    team : str
        Whose board is shown.
    link : str
        The page, for whoever has the address, for one hour.
    """

    project: str
    title: str
    updated: str
    entries: tuple[Mapping[str, Any], ...] = ()
    lines: tuple[Mapping[str, Any], ...] = ()
    months: tuple[str, ...] = ()
    observations: tuple[Mapping[str, Any], ...] = ()
    seals: tuple[Mapping[str, Any], ...] = ()
    few: bool = False
    least_months: int = 0
    team: str = ""
    note: str = ""
    link: str = field(default="", repr=False)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], team: str, *, link: str = "") -> LiveBoard:
        """From the board's JSON."""
        given = document.get("round") or {}
        return cls(
            project=str(document.get("project", "")),
            title=str(given.get("title", "")),
            updated=str(document.get("updated") or ""),
            entries=tuple(document.get("entries") or ()),
            lines=tuple(document.get("lines") or ()),
            months=tuple(document.get("months") or ()),
            observations=tuple(document.get("observations") or ()),
            seals=tuple(document.get("seals") or ()),
            few=bool(document.get("few")),
            least_months=int(document.get("least_months") or 0),
            team=team,
            note=str(given.get("note") or ""),
            link=link,
        )

    def _also(self) -> list[str]:
        named = [n for each in (*self.entries, *self.lines) for n in each.get("also") or {}]
        return list(dict.fromkeys(named))

    def _columns(self) -> list[str]:
        tied = any(entry.get("tied_with") for entry in self.entries)
        return [
            *("rank", "team", "score", "95 % interval"),
            *(["tied with"] if tied else []),
            "months",
            *map(plain, self._also()),
            "sealed",
        ]

    def _rows(self) -> list[dict[str, str]]:
        rows: list[tuple[tuple[bool, float, bool], dict[str, str]]] = []
        for entry in self.entries:
            low, high = entry["rank_low"], entry["rank_high"]
            ends = (entry.get("score_low"), entry.get("score_high"))
            cells = {
                "rank": f"{low}" if low == high else f"{low}–{high}",
                "team": plain(entry["team"]) + (" (you)" if entry["team"] == self.team else ""),
                "score": f"{entry['score']:.3f}",
                "95 % interval": "" if None in ends else f"{ends[0]:.3f}–{ends[1]:.3f}",
                "tied with": _names(entry.get("tied_with") or ()),
                "months": str(entry["months"]),
                "sealed": str(entry["sealed"]),
                **self._measures(entry),
            }
            rows.append(((bool(entry.get("few")), float(entry["score"]), False), cells))
        for line in self.lines:
            cells = {
                "team": plain(line["name"]),
                "score": f"{line['score']:.3f}",
                "months": str(line.get("months", "")),
                **self._measures(line),
            }
            rows.append(((False, float(line["score"]), True), cells))
        return [cells for _, cells in sorted(rows, key=lambda row: row[0])]

    def _measures(self, row: Mapping[str, Any]) -> dict[str, str]:
        also = row.get("also") or {}
        return {plain(name): f"{also[name]:.3f}" for name in self._also() if name in also}

    def _head(self) -> str:
        if not self.updated:
            return f"{self.project} · no live round"
        months = len(self.months)
        scored = f"{months} month{'s' * (months != 1)} scored" if months else "no month scored yet"
        return f"{plain(self.title)} · live round of {self.project} · {scored}"

    def _feet(self) -> list[str]:
        if not self.updated:
            return ["Your advisor opens one: then academy.submit(…, live=True) takes part."]
        feet = [plain(self.note)] if self.note else []
        if self.few:
            feet.append(
                f"With fewer than {self.least_months} months a score is mostly luck: all teams are "
                "tied."
            )
        feet.append("Lower is better; 1 is the seasonal naive on the same months.")
        own = [seal for seal in self.seals if seal.get("team") == self.team]
        if own:
            latest = own[0]
            feet.append(
                f"Your team's latest: {str(latest['hash'])[:12]}, of {latest['first']} to "
                f"{latest['last']}, received {str(latest['received'])[:16].replace('T', ' ')} UTC."
            )
        return feet

    def __repr__(self) -> str:
        table = [text_table(self._columns(), self._rows())] if self.entries or self.lines else []
        return "\n".join([self._head(), *table, *self._feet()])

    @untypeset
    def _repr_html_(self) -> str:
        rows = self._rows()
        out = [f"<div>{html.escape(self._head())}</div>"]
        if rows:
            styles = [
                ("" if row.get("rank") else "opacity:.7;font-style:italic;")
                + ("font-weight:bold" if " (you)" in row["team"] else "")
                for row in rows
            ]
            out.append(html_table(self._columns(), rows, styles=styles))
        out += [f"<div style='opacity:.75'>{html.escape(foot)}</div>" for foot in self._feet()]
        if self.link.startswith(("https://", "http://")):
            out.append(
                f"<div><a href='{html.escape(self.link)}' target='_blank' "
                "rel='noopener noreferrer'>Open the live board's page</a> (the link works for one "
                "hour, for whoever has it)</div>"
            )
        return "".join(out)


def _names(teams: Sequence[str]) -> str:
    shown = [plain(team) for team in (teams if len(teams) <= 3 else teams[:2])]
    rest = len(teams) - len(shown)
    return ", ".join(shown) + (f" + {rest}" if rest else "")
