"""The leaderboard and the budget, as tables that a notebook and a terminal can show."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from academy.money import dollars
from academy.tables import html_table, plain, text_table, untypeset

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
        gap_closed, with value, low and high, 0 at the baseline and 1 at the expert; near_expert;
        also, further metrics by name; left_today, submissions; and what the shown entry took to
        train: cost_micro_usd, gpu_hours, instance.
    lines : tuple of dict
        name, score and kind of fixed marks, such as the floor; and also, as of entries.
    team : str
        Whose board is shown: its entry is marked.
    better : str
        ``higher`` or ``lower``.
    caution : str
        What to keep in mind of the intervals; empty if nothing.
    limit_per_day : int or None
        How many submissions a team has each day (UTC).
    phase : str
        ``before``, ``open``, ``frozen`` or ``closed``; empty if the board does not say.
    opens, closes : str
        ISO instants, UTC.
    reason : str
        Why it is frozen.
    final : dict
        The result, once it is closed: units, narrow, lines, explained, and entries with rank,
        rank_low, rank_high, tied_with, team, score on the private part, public_rank, change (places
        gained), within_noise, chosen.
    out : tuple of dict
        team and reason of those that were disqualified.
    link : str
        The board's page, for whoever has the address, for one hour. Empty if there is none.
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
    phase: str = ""
    opens: str = ""
    closes: str = ""
    reason: str = ""
    final: Mapping[str, Any] = field(default_factory=dict)
    out: tuple[Mapping[str, Any], ...] = ()
    link: str = field(default="", repr=False)

    @classmethod
    def from_document(
        cls, document: Mapping[str, Any], team: str, *, today: str = "", link: str = ""
    ) -> Leaderboard:
        """From the board's JSON. On `today` (YYYY-MM-DD, UTC) nothing of an earlier day is used."""
        limit = document.get("limit_per_day")
        phase = str(document.get("phase") or "")
        entries = tuple(document.get("entries") or ())
        if today and str(document.get("day") or today) != today:
            entries = tuple(
                {**entry, "left_today": limit or None} if "left_today" in entry else entry
                for entry in entries
            )
        return cls(
            project=str(document.get("project", "")),
            metric=str(document.get("metric", "")),
            updated=str(document.get("updated") or ""),
            entries=entries,
            lines=tuple(document.get("lines") or ()),
            team=team,
            better="higher" if document.get("better") == "higher" else "lower",
            caution=_caution(document),
            limit_per_day=int(limit) if limit else None,
            phase=phase,
            opens=str(document.get("opens") or ""),
            closes=str(document.get("closes") or ""),
            reason=str(document.get("reason") or ""),
            # Nothing of the private part is shown before the close, whoever wrote it.
            final=dict(document.get("final") or {}) if phase == "closed" else {},
            out=tuple(document.get("out") or ()),
            link=link,
        )

    def _also(self) -> list[str]:
        """The further metrics that there are, in order."""
        told = (*self.entries, *self.lines)
        return sorted({name for each in told for name in each.get("also") or {}})

    def _columns(self) -> list[str]:
        """Those that something stands in; an older board has less."""
        extra = {
            "95 % interval": any(_interval(entry) for entry in self.entries),
            "tied with": any(entry.get("tied_with") for entry in self.entries),
            "gap closed": any(entry.get("gap_closed") for entry in self.entries),
        }
        shown = [name for name, there in extra.items() if there]
        took = {
            "left today": self.phase in ("open", "frozen") and self._has("left_today"),
            "cost": self._has("cost_micro_usd"),
            "GPU hours": self._has("gpu_hours"),
        }
        later = [name for name, there in took.items() if there]
        return [
            *("rank", "team", "score"),
            *shown,
            *map(plain, self._also()),
            "submissions",
            *later,
            "last (UTC)",
            "note",
        ]

    def _has(self, member: str) -> bool:
        return any(entry.get(member) is not None for entry in self.entries)

    def _rows(self) -> list[dict[str, str]]:
        """Entries and lines, best first: what stands in each column."""
        rows: list[tuple[float, int, dict[str, str]]] = []
        for entry in self.entries:
            score = float(entry["score"])
            cells = {
                **_measures(entry),
                "rank": _places(entry),
                "team": self._name(entry) + (" ≈ expert" if entry.get("near_expert") else ""),
                "score": _score(score),
                "95 % interval": _interval(entry),
                "tied with": _names(entry.get("tied_with") or ()),
                "gap closed": _percent((entry.get("gap_closed") or {}).get("value")),
                "submissions": str(entry.get("submissions", "")),
                "left today": _text(entry.get("left_today")),
                "cost": _cost(entry.get("cost_micro_usd")),
                "GPU hours": _hours(entry.get("gpu_hours")),
                "last (UTC)": str(entry.get("submitted") or "")[:16].replace("T", " "),
                "note": plain(entry.get("note") or "")[:60],
            }
            rows.append((self._order(score), 0, cells))
        return self._with_lines(rows, self.lines)

    def _name(self, entry: Mapping[str, Any]) -> str:
        return plain(entry["team"]) + (" (you)" if entry["team"] == self.team else "")

    def _order(self, score: float) -> float:
        return -score if self.better == "higher" else score

    def _with_lines(
        self, rows: list[tuple[float, int, dict[str, str]]], lines: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, str]]:
        marks = [
            (
                self._order(float(line["score"])),
                1,
                {
                    **_measures(line),
                    "team": plain(line["name"]),
                    "score": _score(float(line["score"])),
                },
            )
            for line in lines
        ]
        return [cells for _, _, cells in sorted([*rows, *marks], key=lambda row: row[:2])]

    def _final_columns(self) -> list[str]:
        tied = any(entry.get("tied_with") for entry in self._finals())
        return [
            *("rank", "team", "score", "95 % interval"),
            *(["tied with"] if tied else []),
            *("public rank", "moved", "chosen by", "note"),
        ]

    def _finals(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.final.get("entries") or ())

    def _final_rows(self) -> list[dict[str, str]]:
        """The result, best first, among the lines on the private part."""
        rows: list[tuple[float, int, dict[str, str]]] = []
        for entry in self._finals():
            score = float(entry["score"])
            cells = {
                "rank": _places(entry),
                "team": self._name(entry),
                "score": _score(score),
                "95 % interval": _interval(entry),
                "tied with": _names(entry.get("tied_with") or ()),
                "public rank": _text(entry.get("public_rank")),
                "moved": _move(entry),
                "chosen by": _CHOSEN.get(str(entry.get("chosen")), ""),
                "note": plain(entry.get("note") or "")[:60],
            }
            rows.append((self._order(score), 0, cells))
        return self._with_lines(rows, tuple(self.final.get("lines") or ()))

    def _final_feet(self) -> list[str]:
        feet = [plain(each) for each in self.final.get("explained") or ()]
        if any(entry.get("within_noise") for entry in self._finals()):
            feet.append("≈: the move is within what chance alone does.")
        feet += [
            f"{plain(entry['team'])} had a better entry on the private part, {_score(missed)}, "
            "that was not chosen."
            for entry in self._finals()
            if entry["team"] == self.team and (missed := entry.get("missed")) is not None
        ]
        return feet

    def _state(self) -> str:
        """Whether it is open, and until when."""
        closes = _end(self.closes)
        reason = f": {plain(self.reason)}" if self.reason else ""
        return {
            "before": f"Opens {_minute(plain(self.opens))} UTC.",
            "open": f"Open until {closes}.",
            "frozen": f"Paused{reason}. Submissions are kept and scored when it goes on.",
            "closed": f"Closed since {closes}.",
        }.get(self.phase, "")

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
        if any(entry.get("cost_micro_usd") is not None for entry in self.entries):
            feet.append("Cost and GPU hours are those of the training job that the entry names.")
        for each in self.out:
            reason = plain(each.get("reason") or "")
            why = f" ({reason})" if reason else ""
            feet.append(f"Disqualified: {plain(each.get('team'))}{why}.")
        if self.limit_per_day and self.phase != "closed":
            feet.append(f"Each team has {self.limit_per_day} submissions a day (UTC).")
        return feet

    def __repr__(self) -> str:
        head = [self._head(), *filter(None, [self._state()])]
        if self.final:
            head += [
                "The result, on the private part:",
                text_table(self._final_columns(), self._final_rows()),
                *self._final_feet(),
                "",
                "The public board at the close:",
            ]
        if not self.entries:
            head.append("Nobody has submitted yet.")
        return "\n".join([*head, text_table(self._columns(), self._rows()), *self._feet()])

    @untypeset
    def _repr_html_(self) -> str:
        out = [f"<div>{html.escape(self._head())}</div>"]
        if self._state():
            out.append(f"<div>{html.escape(self._state())}</div>")
        if self.final:
            rows = self._final_rows()
            out.append("<div><b>The result, on the private part</b></div>")
            out.append(html_table(self._final_columns(), rows, styles=_styles(rows)))
            out += _small(self._final_feet())
            out.append("<div><b>The public board at the close</b></div>")
        if not self.entries:
            out.append("<div>Nobody has submitted yet.</div>")
        rows = self._rows()
        out.append(html_table(self._columns(), rows, styles=_styles(rows)))
        out += _small(self._feet())
        if self.link.startswith(("https://", "http://")):
            out.append(
                f"<div><a href='{html.escape(self.link)}' target='_blank' "
                "rel='noopener noreferrer'>Open the board's page</a> (the link works for one hour, "
                "for whoever has it)</div>"
            )
        return "".join(out)


_CHOSEN = {"team": "the team", "auto": "public score", "mixed": "both"}


def _styles(rows: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        ("" if row.get("rank") else "opacity:.7;font-style:italic;")
        + ("font-weight:bold" if " (you)" in row["team"] else "")
        for row in rows
    ]


def _small(lines: Sequence[str]) -> list[str]:
    return [f"<div style='opacity:.75'>{html.escape(line)}</div>" for line in lines]


def _move(entry: Mapping[str, Any]) -> str:
    """
    >>> _move({"change": 3}), _move({"change": -1, "within_noise": True}), _move({"change": 0})
    ('+3', '−1 ≈', '=')
    """
    change = entry.get("change")
    if change is None:
        return ""
    if not change:
        return "="
    places = f"+{change}" if change > 0 else f"−{-change}"
    return f"{places} ≈" if entry.get("within_noise") else places


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _cost(micro_usd: int | None) -> str:
    return "" if micro_usd is None else dollars(int(micro_usd))


def _hours(hours: float | None) -> str:
    """
    >>> _hours(0.0), _hours(0.04), _hours(12.34)
    ('0', '<0.1', '12.3')
    """
    if hours is None:
        return ""
    return "0" if hours == 0 else "<0.1" if hours < 0.05 else f"{hours:.1f}"


def _caution(document: Mapping[str, Any]) -> str:
    if not document.get("narrow"):
        return ""
    units = document.get("units") or {}
    few = f"Only {units['count']}" if units.get("count") else "Few"
    return (
        f"{few} {plain(units.get('name') or 'units')} are held out in the public part; with fewer "
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
    shown = [_isolated(plain(team)) for team in (teams if len(teams) <= 3 else teams[:2])]
    rest = len(teams) - len(shown)
    return ", ".join(shown) + (f" + {rest}" if rest else "")


def _isolated(name: str) -> str:
    """So that a name that is written from right to left leaves the names around it in order."""
    return name if name.isascii() else f"\u2068{name}\u2069"


def _score(score: float) -> str:
    return f"{score:.3f}" if abs(score) < 1000 else f"{score:.3g}"


def _measures(of: Mapping[str, Any]) -> dict[str, str]:
    """The further metrics of an entry or a line, each for its column."""
    return {plain(name): _score(float(value)) for name, value in (of.get("also") or {}).items()}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


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

    @untypeset
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


def _end(instant: str) -> str:
    """An end as people say it: midnight is the end of a day.

    >>> _end("2027-03-16T00:00:00Z"), _end("2027-03-15T12:30:00Z")
    ('2027-03-15 24:00 UTC', '2027-03-15 12:30 UTC')
    """
    if instant[10:16] != "T00:00":
        return f"{_minute(plain(instant))} UTC"
    try:
        day = dt.date.fromisoformat(instant[:10]) - dt.timedelta(days=1)
    except ValueError:
        return f"{_minute(plain(instant))} UTC"
    return f"{day} 24:00 UTC"


def _minute(instant: object) -> str:
    return str(instant)[:16].replace("T", " ")
