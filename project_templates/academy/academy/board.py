"""The leaderboard and the budget, as tables that a notebook and a terminal can show."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from academy.money import dollars

_BAR = 30


@dataclass(frozen=True)
class Leaderboard:
    """A project's public board.

    Attributes
    ----------
    project, metric, updated : str
        `updated` is empty while nobody has submitted.
    entries : tuple of dict
        rank, team, score, submissions, submitted, note, and where the best one comes from: job and
        image, empty if its team named no job. Best first.
    lines : tuple of dict
        name and score of fixed marks, such as the floor.
    team : str
        Whose board is shown: its entry is marked.
    better : str
        ``higher`` or ``lower``.
    """

    project: str
    metric: str
    updated: str
    entries: tuple[Mapping[str, Any], ...]
    lines: tuple[Mapping[str, Any], ...]
    team: str = ""
    better: str = "lower"

    @classmethod
    def from_document(cls, document: Mapping[str, Any], team: str) -> Leaderboard:
        """From the board's JSON."""
        return cls(
            project=str(document.get("project", "")),
            metric=str(document.get("metric", "")),
            updated=str(document.get("updated") or ""),
            entries=tuple(document.get("entries") or ()),
            lines=tuple(document.get("lines") or ()),
            team=team,
            better="higher" if document.get("better") == "higher" else "lower",
        )

    def _rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """Entries and lines, best first: rank, name, score, submissions, submitted, note."""
        sign = -1 if self.better == "higher" else 1
        rows: list[tuple[float, int, tuple[str, str, str, str, str, str]]] = []
        for entry in self.entries:
            score = float(entry["score"])
            name = str(entry["team"]) + (" (you)" if entry["team"] == self.team else "")
            submitted = str(entry.get("submitted") or "")[:16].replace("T", " ")
            cells = (
                str(entry["rank"]),
                name,
                f"{score:.4f}",
                str(entry.get("submissions", "")),
                submitted,
                str(entry.get("note") or "")[:60],
            )
            rows.append((sign * score, 0, cells))
        for line in self.lines:
            score = float(line["score"])
            rows.append((sign * score, 1, ("", str(line["name"]), f"{score:.4f}", "", "", "")))
        return [cells for _, _, cells in sorted(rows, key=lambda row: row[:2])]

    def _head(self) -> str:
        # Without a board there is no metric, and nothing to be better at.
        better = f" · {self.better} is better" if self.updated else ""
        return f"{self.project} · {self.metric}{better}"

    _HEADER = ("rank", "team", "score", "submissions", "last (UTC)", "note")

    def __repr__(self) -> str:
        head = self._head()
        if not self.entries:
            head += "\nNobody has submitted yet."
        return head + "\n" + _text_table([self._HEADER, *self._rows()])

    def _repr_html_(self) -> str:
        out = [f"<div>{html.escape(self._head())}</div>"]
        if not self.entries:
            out.append("<div>Nobody has submitted yet.</div>")
        head = "".join(f"<th style='text-align:left'>{cell}</th>" for cell in self._HEADER)
        out.append(f"<table><thead><tr>{head}</tr></thead><tbody>")
        for row in self._rows():
            style = "opacity:.65;font-style:italic" if not row[0] else ""
            style += ";font-weight:bold" if row[1].endswith(" (you)") else ""
            cells = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row)
            out.append(f"<tr style='{style}'>{cells}</tr>")
        out.append("</tbody></table>")
        return "".join(out)


@dataclass(frozen=True)
class Budget:
    """What a learner may still spend; all figures are integer micro-dollars.

    Attributes
    ----------
    cap_micro_usd, spent_micro_usd, reserved_micro_usd, available_micro_usd : int
        spent + reserved + available = cap. Reserved is the most that what is open can cost; the
        rest comes back when it ends.
    open : tuple of dict
        kind (job, space), name, instance, reserved_micro_usd, so_far_micro_usd,
        may_still_cost_micro_usd, ends_at.
    frozen : bool
        Nothing new starts until the admin lifts it.
    now : str
        When this was so: an ISO instant, UTC. Empty if the broker did not say.
    """

    cap_micro_usd: int
    spent_micro_usd: int
    reserved_micro_usd: int
    available_micro_usd: int
    open: tuple[Mapping[str, Any], ...]
    frozen: bool = False
    now: str = ""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Budget:
        """From the broker's answer."""
        return cls(
            cap_micro_usd=int(document["cap_micro_usd"]),
            spent_micro_usd=int(document["spent_micro_usd"]),
            reserved_micro_usd=int(document["reserved_micro_usd"]),
            available_micro_usd=int(document["available_micro_usd"]),
            open=tuple(document.get("open") or ()),
            frozen=bool(document.get("frozen", False)),
            now=str(document.get("now") or ""),
        )

    def _summary(self) -> str:
        return (
            f"{dollars(self.available_micro_usd)} left of {dollars(self.cap_micro_usd)} · "
            f"spent {dollars(self.spent_micro_usd)} · reserved {dollars(self.reserved_micro_usd)}"
        )

    def _lines(self) -> list[str]:
        lines = [self._line(entry) for entry in self.open]
        if any(entry["kind"] == "space" for entry in self.open):
            lines.append("academy.stay(hours=2) keeps your space open until two hours from now")
        if self.frozen:
            lines.append("your account is frozen: nothing new starts. Ask your admin why")
        return lines

    def _line(self, entry: Mapping[str, Any]) -> str:
        """What runs, what it may still cost, and when it ends."""
        line = f"{entry['kind']} {entry['name']}"
        if entry.get("instance"):
            line += f" on {entry['instance']}"
        if "may_still_cost_micro_usd" in entry:
            so_far, still = (
                dollars(int(entry[part]))
                for part in ("so_far_micro_usd", "may_still_cost_micro_usd")
            )
            line += f": {so_far} so far, up to {still} more"
        else:
            line += f": up to {dollars(int(entry['reserved_micro_usd']))}"
        if not entry.get("ends_at"):
            return line
        line += f", ends {_minute(entry['ends_at'])} UTC at the latest"
        left = _minutes_between(self.now, str(entry["ends_at"]))
        return line if left is None else f"{line}, {_in(left)}"

    def _shares(self) -> tuple[float, float]:
        cap = max(self.cap_micro_usd, 1)
        spent = min(max(self.spent_micro_usd / cap, 0.0), 1.0)
        return spent, min(max(self.reserved_micro_usd / cap, 0.0), 1.0 - spent)

    def __repr__(self) -> str:
        spent, reserved = (round(share * _BAR) for share in self._shares())
        bar = "#" * spent + "+" * reserved + "." * (_BAR - spent - reserved)
        return "\n".join([f"[{bar}] {self._summary()}", *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        spent, reserved = (100 * share for share in self._shares())
        part = '<div style="width:{:.1f}%;background:{};height:100%"></div>'
        bar = (
            '<div style="display:flex;height:12px;max-width:420px;background:#8882;'
            'border-radius:6px;overflow:hidden">'
            f"{part.format(spent, '#33658a')}{part.format(reserved, '#f6ae2d')}</div>"
        )
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        return (
            f"{bar}<div>{html.escape(self._summary())}</div>{f'<ul>{lines}</ul>' if lines else ''}"
        )


def _minutes_between(now: str, then: str) -> int | None:
    """Whole minutes from one ISO instant to another; None if either is none."""
    try:
        span = dt.datetime.fromisoformat(then) - dt.datetime.fromisoformat(now)
        return span // dt.timedelta(minutes=1)
    except (ValueError, TypeError):
        return None


def _in(minutes: int) -> str:
    """
    >>> _in(95), _in(12), _in(-3)
    ('in 1 h 35 min', 'in 12 min', 'about now')
    """
    if minutes <= 0:
        return "about now"
    hours, rest = divmod(minutes, 60)
    return f"in {hours} h {rest} min" if hours else f"in {rest} min"


def _minute(instant: object) -> str:
    return str(instant)[:16].replace("T", " ")


def _text_table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
