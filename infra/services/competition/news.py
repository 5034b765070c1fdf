"""Tells what is new of a competition: to a chat channel and by mail, at most a handful a day.

`happened` is pure: from a board and from what was told before it makes what to tell, and what is
told then. `tell` keeps that in the table and sends.

Nothing is told twice: what is to be sent is written into the table first, by whoever is first, and
each message is claimed there for good before it is sent. So one that fails on its way is not sent
again: for people, a message that comes twice is worse than one that does not come, because the
board says it all. One whose sender died before the claim is sent with the next board.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from infra.services.competition.news_rules import CLOSING_DAYS, DIGEST_HOUR, RULES, Rule

log = logging.getLogger(__name__)

#: Of Amazon SNS, "less than 100": https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
MAX_SUBJECT = 99
#: Ours, so that a message is read. The members are those of
#: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
MAX_TITLE = 120
MAX_TEXT = 1500
MAX_SUMMARY = 200
_MAX_NAME = 40
_MAX_NOTE = 120
_NAMES = 4
_ROUNDS = 5
_DAY = dt.timedelta(days=1)

Board = Mapping[str, Any]


class Sender(Protocol):
    """What sends."""

    def send_news(
        self, subject: str, chat: str, plain: str, attributes: dict[str, str]
    ) -> None: ...


class Kept(Protocol):
    """What the table keeps of news."""

    def told(self, project: str) -> tuple[dict[str, Any], int]: ...

    def tell(self, project: str, document: dict[str, Any], before: int) -> bool: ...

    def claim_news(self, project: str, key: str, day: dt.date, limit: int) -> bool: ...


class Cohort(Protocol):
    """What is asked of the cohort's settings."""

    @property
    def cohort(self) -> str: ...


@dataclass(frozen=True)
class Message:
    """A piece of news in words. `key` is its own for ever, `event` a name in `RULES`."""

    event: str
    key: str
    title: str
    lines: tuple[str, ...]
    steps: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        return RULES[self.event]

    @property
    def text(self) -> str:
        return _cut("\n\n".join(self.lines), MAX_TEXT)

    def chat(self, project: str, cohort: str) -> str:
        """As Amazon Q Developer in chat applications takes it; a project is one thread."""
        kind = self.rule.kind
        return json.dumps(
            {
                "version": "1.0",
                "source": "custom",
                "id": self.key,
                "content": {
                    "textType": "client-markdown",
                    "title": self.title,
                    "description": self.text,
                    **({"nextSteps": list(self.steps)} if self.steps else {}),
                    "keywords": [project, kind],
                },
                "metadata": {
                    "threadId": f"{cohort}--{project}",
                    "summary": _cut(self.title, MAX_SUMMARY),
                    "eventType": kind,
                    "relatedResources": [f"competition {project} of {cohort}"],
                },
            },
            ensure_ascii=False,
        )

    def plain(self, project: str, cohort: str) -> str:
        """As a mail's text."""
        steps = [f"- {step}." for step in self.steps]
        return "\n".join(
            [self.title, "", self.text, "", *steps, "", f"The competition {project} of {cohort}."]
        )

    def subject(self, cohort: str) -> str:
        """As a mail's subject, which is ASCII."""
        plain = unicodedata.normalize("NFKD", f"{cohort}: {self.title}")
        return plain.encode("ascii", "ignore").decode()[:MAX_SUBJECT]


@dataclass(frozen=True)
class Told:
    """What is known to have been told of a project.

    Attributes:
        seen: of each team its submissions and its shown score at the last digest.
        counts: how many of each kind on `day`.
        final: the teams on the first three places that were told as the result, and `final_of` the
            close that it was of.
        pending: what was made and perhaps not sent.
        updated: when the board was made that was told of last.
    """

    phase: str = ""
    closes: str = ""
    updated: str = ""
    leader: str = ""
    baseline: tuple[str, ...] = ()
    expert: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()
    final: tuple[str, ...] = ()
    final_of: str = ""
    digest_day: str = ""
    seen: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    day: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    pending: tuple[Message, ...] = ()

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Told:
        """From the table; members that are missing are as at first."""

        def text(name: str) -> str:
            return str(document.get(name, ""))

        def several(name: str) -> tuple[str, ...]:
            return tuple(map(str, document.get(name, ())))

        return cls(
            phase=text("phase"),
            closes=text("closes"),
            updated=text("updated"),
            leader=text("leader"),
            baseline=several("baseline"),
            expert=several("expert"),
            closings=several("closings"),
            final=several("final"),
            final_of=text("final_of"),
            digest_day=text("digest_day"),
            day=text("day"),
            seen={team: (int(n), float(s)) for team, (n, s) in document.get("seen", {}).items()},
            counts={kind: int(count) for kind, count in document.get("counts", {}).items()},
            pending=tuple(
                Message(
                    each["event"],
                    each["key"],
                    each["title"],
                    tuple(each["lines"]),
                    tuple(each["steps"]),
                )
                for each in document.get("pending", ())
                if each["event"] in RULES
            ),
        )

    def document(self) -> dict[str, Any]:
        """As it is kept: plain JSON."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


def tell(
    project: str,
    document: Board,
    settings: Cohort,
    files: Sender,
    table: Kept,
    now: Callable[[], dt.datetime],
) -> tuple[Message, ...]:
    """Send what is new on the board `document`; what was sent is returned."""
    for _ in range(_ROUNDS):
        kept, version = table.told(project)
        told = Told.read(kept)
        after, messages = happened(document, told, now(), serial=version)
        due = (*told.pending, *messages)
        after = replace(after, pending=due)
        # Most boards have nothing to tell: they cost a reading.
        new = replace(after, updated=told.updated) != told
        if new and not table.tell(project, after.document(), version):
            continue
        return _sent(project, due, settings, files, table, now()) if due else ()
    log.warning("the news of %s change faster than they can be told", project)
    return ()


def _sent(
    project: str,
    due: Sequence[Message],
    settings: Cohort,
    files: Sender,
    table: Kept,
    now: dt.datetime,
) -> tuple[Message, ...]:
    sent = []
    for message in sorted(due, key=lambda each: each.rule.priority):
        if not table.claim_news(project, message.key, now.date(), message.rule.up_to):
            log.info("not told: %s of %s, told before or the day is full", message.event, project)
            continue
        files.send_news(
            message.subject(settings.cohort),
            message.chat(project, settings.cohort),
            message.plain(project, settings.cohort),
            {"cohort": settings.cohort, "project": project, "kind": message.rule.kind},
        )
        sent.append(message)
    kept, version = table.told(project)
    told = Told.read(kept)
    gone = {message.key for message in due}
    # If someone else is faster, what is claimed stays claimed, and leaves the list next time.
    left = tuple(message for message in told.pending if message.key not in gone)
    table.tell(project, replace(told, pending=left).document(), version)
    return tuple(sent)


# --- what happened --------------------------------------------------------------------------------
def happened(
    board: Board, told: Told, now: dt.datetime, *, serial: int = 0
) -> tuple[Told, tuple[Message, ...]]:
    """What is new on `board` since `told`, the most important first, and what is told then.

    Args:
        serial: grows with each telling; tells two of the same kind apart.
    """
    # A slower scorer may come with an older board than the one that was told.
    if _instant(board.get("updated")) < _instant(told.updated):
        return told, ()
    seen = _Reader(board, told, now, serial)
    after = replace(
        told,
        phase=seen.phase,
        closes=str(board.get("closes") or ""),
        updated=str(board.get("updated") or ""),
    )
    found: list[Message] = []
    for look in (
        seen.course,
        seen.closing,
        seen.final,
        seen.near_expert,
        seen.baseline,
        seen.leader,
        seen.digest,
    ):
        after, messages = look(after)
        found += messages
    return _limited(told, after, sorted(found, key=lambda each: each.rule.priority), now)


#: What of `Told` a kind of news is known by: where the day has no room, that stays as it was, and
#: the next day's board tells it, if it is still so. The others are of their day.
_KNOWN_BY: dict[str, tuple[str, ...]] = {
    "opened": ("phase",),
    "frozen": ("phase",),
    "extended": ("closes",),
    "final": ("final", "final_of"),
    "near-expert": ("expert",),
    "baseline": ("baseline",),
    "leader": ("leader",),
}


def _limited(
    before: Told, after: Told, messages: Iterable[Message], now: dt.datetime
) -> tuple[Told, tuple[Message, ...]]:
    """Those that the day and their kind still have room for."""
    day = now.date().isoformat()
    counts = dict(after.counts) if after.day == day else {}
    kept = []
    for message in messages:
        rule = message.rule
        if counts.get(rule.kind, 0) < rule.a_day and sum(counts.values()) < rule.up_to:
            counts[rule.kind] = counts.get(rule.kind, 0) + 1
            kept.append(message)
        else:
            known_by = _KNOWN_BY.get(rule.kind, ())
            after = replace(after, **{name: getattr(before, name) for name in known_by})
    return (replace(after, day=day, counts=counts) if kept else after), tuple(kept)


Found = tuple[Told, list[Message]]


class _Reader:
    """One look at a board: each method finds one kind of news."""

    def __init__(self, board: Board, told: Told, now: dt.datetime, serial: int) -> None:
        self.board, self.told, self.now, self.serial = board, told, now, serial
        self.project = inert(board.get("project", ""))
        self.phase = str(board.get("phase") or "open")
        self.closes = _instant(board.get("closes"))
        self.entries: list[Mapping[str, Any]] = [
            entry for entry in board.get("entries") or () if _number(entry.get("score")) is not None
        ]
        self.sign = 1 if board.get("better") == "higher" else -1

    def course(self, after: Told) -> Found:
        """Opened, paused, goes on, closes at another time."""
        before, phase = self.told.phase, self.phase
        event = {
            ("", "open"): "opened",
            ("before", "open"): "opened",
            ("frozen", "open"): "resumed",
            ("closed", "open"): "reopened",
            ("", "frozen"): "frozen",
            ("before", "frozen"): "frozen",
            ("open", "frozen"): "frozen",
        }.get((before, phase))
        if event is not None:
            reason = inert(self.board.get("reason") or "", _MAX_NOTE)
            return after, [self._say(event, self.serial, reason=reason and f"Why: {reason}.")]
        was = _instant(self.told.closes)
        moved = before and self.told.closes and was != self.closes
        if phase in ("open", "frozen") and moved and _NEVER not in (was, self.closes):
            event = "extended" if self.closes > was else "shortened"
            return after, [self._say(event, self.serial, before=_date(was))]
        return after, []

    def closing(self, after: Told) -> Found:
        """The close comes near. What is frozen does not close by itself."""
        left = self.closes - self.now
        if self.phase != "open" or self.closes == _NEVER or left <= dt.timedelta():
            return after, []
        due = [f"{days}/{after.closes}" for days in CLOSING_DAYS if left <= days * _DAY]
        new = [key for key in due if key not in self.told.closings]
        # Those of another close are of no use any more.
        after = replace(after, closings=tuple(due))
        # News that it opened, or that the close moved, say themselves when it is.
        said = self.told.phase not in ("open", "frozen") or self.told.closes != after.closes
        if not new or said:
            return after, []
        return after, [self._say("closing", new[-1])]

    def final(self, after: Told) -> Found:
        """The result, once there is one; and once more if another team is on one of the first
        three places."""
        result = self.board.get("final")
        if self.phase != "closed" or not isinstance(result, Mapping):
            return after, []
        entries = [
            entry
            for entry in result.get("entries") or ()
            if _number(entry.get("score")) is not None
        ]
        first = tuple(str(entry.get("team")) for entry in entries[:3])
        same_close = self.told.final_of == after.closes
        if same_close and first == self.told.final:
            return after, []
        after = replace(after, final=first, final_of=after.closes)
        if not entries:
            return after, [self._say("final-empty", after.closes)]
        winner = entries[0]
        others = [
            f"{_places(entry)}: {inert(entry.get('team'))} ({_score(entry.get('score'))})"
            for entry in entries[1:3]
        ]
        explained = [inert(each, 300) for each in (result.get("explained") or ())[:3]]
        tied = winner.get("tied_with") or ()
        event = "final-changed" if same_close else "final"
        return after, [
            self._say(
                event,
                f"{after.closes}/{self.serial}" if same_close else after.closes,
                winner=f"{inert(winner.get('team'))} {'is first' if tied else 'wins'}",
                score=_score(winner.get("score")),
                tied=_tied(tied),
                others=f"Then {', '.join(others)}." if others else "",
                explained=" ".join(explained),
            )
        ]

    def near_expert(self, after: Told) -> Found:
        """Teams that came near the expert."""
        if self.phase == "closed":
            return after, []
        teams = [str(entry["team"]) for entry in self.entries if entry.get("near_expert")]
        new = [team for team in teams if team not in self.told.expert]
        line = self._line("expert")
        if not new or line is None:
            return after, []
        # Who is near the expert is past the baseline, which need not be said as well.
        after = replace(
            after,
            expert=(*self.told.expert, *new),
            baseline=(*after.baseline, *(team for team in new if team not in after.baseline)),
        )
        return after, [
            self._say("near-expert", sorted(new), teams=_names(new), expert=self._mark(line))
        ]

    def baseline(self, after: Told) -> Found:
        """Teams that passed the baseline: with their whole interval where they have one."""
        line = self._line("baseline")
        if self.phase == "closed" or line is None:
            return after, []
        new = [
            str(entry["team"])
            for entry in self.entries
            if str(entry["team"]) not in after.baseline and self._passes(entry, line)
        ]
        if not new:
            return after, []
        after = replace(after, baseline=(*after.baseline, *new))
        return after, [
            self._say("baseline", sorted(new), teams=_names(new), baseline=self._mark(line))
        ]

    def _passes(self, entry: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
        worse_end = _number(entry.get("score_low" if self.sign > 0 else "score_high"))
        least = worse_end if worse_end is not None else float(entry["score"])
        return self.sign * least > self.sign * float(line["score"])

    def leader(self, after: Told) -> Found:
        """Another team stands first."""
        if not self.entries or self.phase == "closed":
            return after, []
        first = self.entries[0]
        team = str(first["team"])
        if team == self.told.leader:
            return after, []
        after = replace(after, leader=team)
        note = inert(first.get("note") or "", _MAX_NOTE)
        before = {str(entry["team"]) for entry in self.entries}
        return after, [
            self._say(
                "leader" if self.told.leader else "first",
                [team, first.get("submitted"), first.get("score")],
                team=inert(team),
                score=_score(first["score"]),
                tied=_tied(first.get("tied_with") or ()),
                after=f", before {inert(self.told.leader)}" if self.told.leader in before else "",
                note=note and f"How: {note}.",
            )
        ]

    def digest(self, after: Told) -> Found:
        """Once a day what happened since; nothing of a day on which nothing did."""
        # The digest's day begins at its hour.
        day = (self.now - dt.timedelta(hours=DIGEST_HOUR)).date()
        if after.digest_day == day.isoformat() or self.phase == "closed":
            return after, []
        since, seen = self.told.digest_day, self.told.seen
        after = replace(after, digest_day=day.isoformat())
        if not since:
            return after, []
        shown = {
            str(entry["team"]): (_count(entry.get("submissions")), float(entry["score"]))
            for entry in self.entries
        }
        new = {team: count - seen.get(team, (0, 0.0))[0] for team, (count, _) in shown.items()}
        sent = sum(count for count in new.values() if count > 0)
        if not sent:
            return after, []
        after = replace(after, seen=shown)
        moved = [
            f"{inert(team)} {_score(seen[team][1])} → {_score(score)}"
            for team, (_, score) in shown.items()
            if team in seen and seen[team][1] != score
        ]
        more = f" and {len(moved) - _NAMES} more" if len(moved) > _NAMES else ""
        began = dt.datetime.fromisoformat(since).date()
        return after, [
            self._say(
                "digest",
                day.isoformat(),
                since=f"{began.day} {began:%B}",
                entries=_counted(sent, "new submission"),
                teams=_counted(sum(count > 0 for count in new.values()), "team"),
                moved=f"Moved: {'; '.join(moved[:_NAMES])}{more}." if moved else "",
                course=self._course(),
            )
        ]

    def _course(self) -> str:
        if self.phase == "frozen":
            return "It is paused: what is sent is kept, and scored when it goes on."
        return f"It closes in {_left(self.closes - self.now)}, on {_date(self.closes)}."

    def _line(self, kind: str) -> Mapping[str, Any] | None:
        """The best of the board's lines of that kind."""
        lines = [
            line
            for line in self.board.get("lines") or ()
            if line.get("kind") == kind and _number(line.get("score")) is not None
        ]
        return max(lines, key=lambda line: self.sign * float(line["score"]), default=None)

    def _mark(self, line: Mapping[str, Any]) -> str:
        name = str(line.get("name") or "").partition(":")[2].strip()
        return f"{inert(name)}, {_score(line['score'])}" if name else _score(line["score"])

    def _standing(self) -> str:
        if not self.entries:
            return ""
        first = self.entries[0]
        tied = _tied(first.get("tied_with") or ())
        return f"{inert(first['team'])} is first with {_score(first['score'])}{tied}."

    def _say(self, event: str, key: object, **words: str) -> Message:
        rule = RULES[event]
        known = {
            "project": self.project,
            "closes": _date(self.closes),
            "left": _left(self.closes - self.now) if self.closes != _NEVER else "time",
            "limit": str(_count(self.board.get("limit_per_day"))),
            "standing": self._standing(),
            **words,
        }
        lines = (line.format(**known).strip() for line in rule.lines)
        own = hashlib.sha256(json.dumps([event, key], default=str).encode()).hexdigest()[:16]
        return Message(
            event,
            f"{event}/{own}",
            _cut(rule.title.format(**known), MAX_TITLE),
            tuple(line for line in lines if line),
            tuple(step.format(**known) for step in rule.steps),
        )


# --- words ----------------------------------------------------------------------------------------
#: What a chat would make bold, a link, a mention, an emoji or a quotation, as what looks like it.
_INERT = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "[": "(",
        "]": ")",
        "*": "∗",
        "_": "ˍ",
        "~": "∼",
        "`": "'",
        "|": "¦",
        "#": "＃",
        "@": "＠",
        "&": "＆",
        "\\": "＼",
        ":": "∶",
    }
)
#: "www.example.org" becomes a link by itself.
_DOTS = re.compile(r"\.(?=\w*[^\W\d])")


def inert(text: object, most: int = _MAX_NAME) -> str:
    """`text` as it may stand in a message: on one line, short, and nothing but text.

    >>> inert("*falcon* <@here> www.example.org 0.5")
    '∗falcon∗ ‹＠here› www․example․org 0.5'
    """
    shown = "".join(c if c.isprintable() else " " for c in str(text)[: 20 * most])
    # Combining marks can pile up over the lines above.
    flat = "".join(c for c in shown if not unicodedata.combining(c)) or shown[:most]
    return _cut(_DOTS.sub("․", " ".join(flat.split()).translate(_INERT)), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _names(teams: Sequence[object]) -> str:
    """
    >>> _names(["owl"]), _names(["owl", "jay"]), _names(list("abcdef"))
    ('owl', 'owl and jay', 'a, b, c, d and 2 more')
    """
    shown = [inert(team) for team in teams]
    if len(shown) > _NAMES:
        return f"{', '.join(shown[:_NAMES])} and {len(shown) - _NAMES} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _tied(teams: Sequence[object]) -> str:
    return f", tied with {_names(teams)}" if teams else ""


def _places(entry: Mapping[str, Any]) -> str:
    low, high = (_count(entry.get(end) or entry.get("rank")) for end in ("rank_low", "rank_high"))
    return f"{low}" if low == high else f"{low}–{high}"


def _score(score: object) -> str:
    number = _number(score)
    if number is None:
        return "?"
    return f"{number:.3f}" if abs(number) < 1000 else f"{number:.3g}"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def _instant(text: object) -> dt.datetime:
    """An ISO instant; what is none is before all others."""
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _date(at: dt.datetime) -> str:
    """
    >>> _date(dt.datetime(2027, 3, 16, tzinfo=dt.UTC))
    'Monday 15 March 2027, 24:00 UTC'
    """
    if at == _NEVER:
        return "a day that is not set"
    shown = at
    clock = f"{at:%H:%M}"
    if clock == "00:00":
        # Midnight is taken for the wrong end of the day.
        shown, clock = at - dt.timedelta(seconds=1), "24:00"
    return f"{shown:%A} {shown.day} {shown:%B %Y}, {clock} UTC"


def _left(span: dt.timedelta) -> str:
    """
    >>> _left(dt.timedelta(days=6, hours=23)), _left(dt.timedelta(hours=23, minutes=20))
    ('7 days', '23 hours')
    """
    hours = max(1, round(span / dt.timedelta(hours=1)))
    if hours > 48:
        return f"{round(hours / 24)} days"
    return _counted(hours, "hour")
