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
        image, empty if its team named no job. Best first. Where the scorer could tell: rank_low
        and rank_high, the places that chance cannot rule out; tied_with, the teams that share one
        of them; score_low and score_high, the score's 95 % interval; classes, F1 by class;
        gap_closed, with value, low and high, 0 at the baseline and 1 at the expert; near_expert.
    lines : tuple of dict
        name, score and kind of fixed marks, such as the floor.
    team : str
        Whose board is shown: its entry is marked.
    better : str
        ``higher`` or ``lower``.
    caution : str
        What to keep in mind of the intervals; empty if nothing.
    limit_per_day : int or None
        How many submissions a team has each day (UTC).
    """

    project: str
    metric: str
    updated: str
    entries: tuple[Mapping[str, Any], ...]
    lines: tuple[Mapping[str, Any], ...]
    team: str = ""
    better: str = "lower"
    caution: str = ""
    limit_per_day: int | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any], team: str) -> Leaderboard:
        """From the board's JSON."""
        limit = document.get("limit_per_day")
        return cls(
            project=str(document.get("project", "")),
            metric=str(document.get("metric", "")),
            updated=str(document.get("updated") or ""),
            entries=tuple(document.get("entries") or ()),
            lines=tuple(document.get("lines") or ()),
            team=team,
            better="higher" if document.get("better") == "higher" else "lower",
            caution=_caution(document),
            limit_per_day=int(limit) if limit else None,
        )

    def _columns(self) -> list[str]:
        """Those that something stands in; an older board has less."""
        extra = {
            "95 % interval": any(_interval(entry) for entry in self.entries),
            "tied with": any(entry.get("tied_with") for entry in self.entries),
            "gap closed": any(entry.get("gap_closed") for entry in self.entries),
        }
        shown = [name for name, there in extra.items() if there]
        return ["rank", "team", "score", *shown, "submissions", "last (UTC)", "note"]

    def _rows(self) -> list[dict[str, str]]:
        """Entries and lines, best first: what stands in each column."""
        sign = -1 if self.better == "higher" else 1
        rows: list[tuple[float, int, dict[str, str]]] = []
        for entry in self.entries:
            score = float(entry["score"])
            name = _plain(entry["team"]) + (" (you)" if entry["team"] == self.team else "")
            cells = {
                "rank": _places(entry),
                "team": name + (" ≈ expert" if entry.get("near_expert") else ""),
                "score": _score(score),
                "95 % interval": _interval(entry),
                "tied with": _names(entry.get("tied_with") or ()),
                "gap closed": _percent((entry.get("gap_closed") or {}).get("value")),
                "submissions": str(entry.get("submissions", "")),
                "last (UTC)": str(entry.get("submitted") or "")[:16].replace("T", " "),
                "note": _plain(entry.get("note") or "")[:60],
            }
            rows.append((sign * score, 0, cells))
        for line in self.lines:
            score = float(line["score"])
            rows.append((sign * score, 1, {"team": _plain(line["name"]), "score": _score(score)}))
        return [cells for _, _, cells in sorted(rows, key=lambda row: row[:2])]

    def _head(self) -> str:
        # Without a board there is no metric, and nothing to be better at.
        better = f" · {self.better} is better" if self.updated else ""
        return f"{self.project} · {self.metric}{better}"

    def _feet(self) -> list[str]:
        """What helps to read the table, below it."""
        feet = []
        if any("–" in _places(entry) for entry in self.entries):
            feet.append(
                "A rank such as 2–4 names the places that chance cannot rule out; teams whose "
                "places overlap are tied."
            )
        if any(entry.get("near_expert") for entry in self.entries):
            feet.append("≈ expert: near or equal to the expert.")
        if self.caution:
            feet.append(self.caution)
        if self.limit_per_day:
            feet.append(f"Each team has {self.limit_per_day} submissions a day (UTC).")
        return feet

    def __repr__(self) -> str:
        head = self._head()
        if not self.entries:
            head += "\nNobody has submitted yet."
        columns = self._columns()
        rows = [[row.get(column, "") for column in columns] for row in self._rows()]
        return "\n".join([head, _text_table([columns, *rows]), *self._feet()])

    def _repr_html_(self) -> str:
        out = [f"<div>{html.escape(self._head())}</div>"]
        if not self.entries:
            out.append("<div>Nobody has submitted yet.</div>")
        columns = self._columns()
        cell = "text-align:left;vertical-align:top;white-space:{}"
        space = {column: "normal" if column == "note" else "nowrap" for column in columns}
        head = "".join(
            f"<th scope='col' style='{cell.format(space[column])}'>{column}</th>"
            for column in columns
        )
        out.append(
            "<table style='font-variant-numeric:tabular-nums'>"
            f"<thead><tr>{head}</tr></thead><tbody>"
        )
        for row in self._rows():
            style = "" if row.get("rank") else "opacity:.7;font-style:italic;"
            style += "font-weight:bold" if " (you)" in row["team"] else ""
            cells = "".join(
                f"<td style='{cell.format(space[column])}'>"
                f"<bdi>{html.escape(row.get(column, ''))}</bdi></td>"
                for column in columns
            )
            out.append(f"<tr style='{style}'>{cells}</tr>")
        out.append("</tbody></table>")
        out += [f"<div style='opacity:.75'>{html.escape(foot)}</div>" for foot in self._feet()]
        return "".join(out)


def _caution(document: Mapping[str, Any]) -> str:
    if not document.get("narrow"):
        return ""
    units = document.get("units") or {}
    few = f"Only {units['count']}" if units.get("count") else "Few"
    return (
        f"{few} {_plain(units.get('name') or 'units')} are held out in the public part; with fewer "
        "than 24 the intervals are too narrow."
    )


def _places(entry: Mapping[str, Any]) -> str:
    """
    >>> _places({"rank": 2, "rank_low": 1, "rank_high": 4}), _places({"rank": 2})
    ('1–4', '2')
    """
    low, high = (entry.get(end) or entry["rank"] for end in ("rank_low", "rank_high"))
    return f"{low}" if low == high else f"{low}–{high}"


def _interval(entry: Mapping[str, Any]) -> str:
    """
    >>> _interval({"score_low": 0.5814, "score_high": 0.64}), _interval({"score_low": None})
    ('0.581–0.640', '')
    """
    low, high = entry.get("score_low"), entry.get("score_high")
    return "" if low is None or high is None else f"{_score(low)}–{_score(high)}"


def _names(teams: Sequence[str]) -> str:
    """
    >>> _names(["owl", "jay", "kite"]), _names(["owl", "jay", "kite", "tern"])
    ('owl, jay, kite', 'owl, jay + 2')
    """
    shown = [_isolated(_plain(team)) for team in (teams if len(teams) <= 3 else teams[:2])]
    rest = len(teams) - len(shown)
    return ", ".join(shown) + (f" + {rest}" if rest else "")


def _isolated(name: str) -> str:
    """So that a name that is written from right to left leaves the names around it in order."""
    return name if name.isascii() else f"\u2068{name}\u2069"


def _score(score: float) -> str:
    return f"{score:.3f}" if abs(score) < 1000 else f"{score:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _plain(text: object) -> str:
    """Without what moves a terminal's cursor or turns a line around.

    >>> _plain("a\x1b[31mb\u202ec")
    'a[31mbc'
    """
    return "".join(letter for letter in str(text) if letter.isprintable())


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
