"""What admins have decided of a competition: its dates, who is out of it, and whether it rests.

The cohort file says when a competition opens and closes. What differs from that is its `State`. An
admin's verb is a function from one state to the next and the `Act` that says what, who and why; the
table writes both together or neither. Acts are never changed and never removed.

Pure: time is passed in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from infra.cohort.naming import ID_MAX, ID_PATTERN
from infra.services.competition.settings import CompetitionSettings

Phase = Literal["before", "open", "frozen", "closed"]

#: Characters of a reason: it stands on the board.
MAX_REASON = 500
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class State:
    """What is decided of a competition beside the cohort file.

    `opens_at` and `closes_at` take the place of the cohort's dates. `reason` is why it is frozen.
    `out` says who does not take part and why: a team by its id, one entry by "<team>/<digest>".
    `shut` are the spans between a close and its reopening: what came then stays late.
    `version` grows with every change.
    """

    opens_at: dt.datetime | None = None
    closes_at: dt.datetime | None = None
    frozen: bool = False
    reason: str = ""
    out: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    shut: tuple[tuple[dt.datetime, dt.datetime], ...] = ()

    def opens(self, settings: CompetitionSettings) -> dt.datetime:
        return self.opens_at or settings.opens_at

    def closes(self, settings: CompetitionSettings) -> dt.datetime:
        """The first instant at which an entry is late."""
        return self.closes_at or settings.closes_at

    def late(self, settings: CompetitionSettings, received: dt.datetime) -> bool:
        """Whether what was received then came after a close, whenever it is asked."""
        return received >= self.closes(settings) or any(
            begin <= received < end for begin, end in self.shut
        )

    def phase(self, settings: CompetitionSettings, now: dt.datetime) -> Phase:
        """Where the competition stands. One that is frozen does not close by itself: what was
        wrong with it would be its result."""
        if now < self.opens(settings):
            return "before"
        if self.frozen:
            return "frozen"
        return "closed" if now >= self.closes(settings) else "open"

    def removed(self, team: str, digest: str = "") -> str | None:
        """Why the team, or the entry of it with this digest, is out; None if it takes part."""
        if team in self.out:
            return self.out[team]
        return self.out.get(f"{team}/{digest}") if digest else None

    def to_json(self) -> str:
        """The members without the version, always in the same order."""
        members = {
            "opens_at": _instant(self.opens_at),
            "closes_at": _instant(self.closes_at),
            "frozen": self.frozen,
            "reason": self.reason,
            "out": dict(sorted(self.out.items())),
            **({"shut": [list(map(_instant, span)) for span in self.shut]} if self.shut else {}),
        }
        return json.dumps(members, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, version: int) -> State:
        members: Any = json.loads(text)
        return cls(
            opens_at=_time(members["opens_at"]),
            closes_at=_time(members["closes_at"]),
            frozen=bool(members["frozen"]),
            reason=str(members["reason"]),
            out={str(key): str(why) for key, why in members["out"].items()},
            shut=tuple(
                (dt.datetime.fromisoformat(begin), dt.datetime.fromisoformat(end))
                for begin, end in members.get("shut", ())
            ),
            version=version,
        )


@dataclass(frozen=True)
class Act:
    """Something that an admin did: what, when, who and why, and the state before and after, as
    JSON."""

    id: str
    at: dt.datetime
    what: str
    who: str
    why: str
    before: str
    after: str


Step = tuple[State, Act]


def open_(
    state: State, settings: CompetitionSettings, *, at: dt.datetime, who: str, why: str
) -> Step:
    """Opens it now, before the cohort starts.

    Raises:
        ValueError: if it is open or over; so says every verb what makes no sense, in a sentence.
    """
    phase = state.phase(settings, at)
    if phase == "closed":
        raise ValueError(f"It closed at {_said(state.closes(settings))}. To go on, reopen it.")
    if phase != "before":
        raise ValueError(f"It is open since {_said(state.opens(settings))}.")
    return _step(state, replace(state, opens_at=at), "open", at, who, why)


def freeze(
    state: State,
    settings: CompetitionSettings,  # noqa: ARG001
    *,
    at: dt.datetime,
    who: str,
    why: str,
) -> Step:
    """From now on submissions are kept and not scored, and the board stands still; `why` stands
    on it."""
    if state.frozen:
        raise ValueError(f"It is frozen already: {state.reason}")
    return _step(state, replace(state, frozen=True, reason=why.strip()), "freeze", at, who, why)


def reopen(
    state: State,
    settings: CompetitionSettings,
    *,
    at: dt.datetime,
    who: str,
    why: str,
    until: dt.date | None = None,
) -> Step:
    """Goes on after a freeze or a close; after a close `until` says the last day, in full.

    So does one that was frozen while its close passed: else private scores would be shown by
    surprise. Entries that came between a close and its reopening stay late; those that came while
    it was frozen do not.
    """
    closes_at = state.closes_at
    if until is not None:
        closes_at = _end_of(until)
        if closes_at <= at:
            raise ValueError(f"{until} is over. Name a last day from {at.date()} on.")
        if closes_at <= state.opens(settings):
            raise ValueError(f"{until} is before it opens, at {_said(state.opens(settings))}.")
    phase = state.phase(settings, at)
    if not state.frozen and phase == "before":
        raise ValueError(f"It opens at {_said(state.opens(settings))}. To open it now: open.")
    if not state.frozen and phase == "open":
        raise ValueError(
            f"It is open until {_said(state.closes(settings))}. For a later close: extend."
        )
    if state.frozen and until is None and state.closes(settings) <= at:
        raise ValueError(
            f"Its close, {_said(state.closes(settings))}, has passed. Say until which day it goes "
            "on, or close it: then private scores are shown."
        )
    if phase == "closed" and until is None:
        raise ValueError(
            f"It closed at {_said(state.closes(settings))}. Say until which day it goes on."
        )
    shut = state.shut
    if phase == "closed":
        shut = (*shut, (state.closes(settings), at))
    after = replace(state, closes_at=closes_at, frozen=False, reason="", shut=shut)
    return _step(state, after, "reopen", at, who, why)


def close(
    state: State, settings: CompetitionSettings, *, at: dt.datetime, who: str, why: str
) -> Step:
    """Closes it now, or ends a freeze that went on beyond the close."""
    phase = state.phase(settings, at)
    if phase == "before":
        raise ValueError(f"It opens only at {_said(state.opens(settings))}.")
    if phase == "closed":
        raise ValueError(f"It closed at {_said(state.closes(settings))}.")
    closes_at = min(at, state.closes(settings))
    after = replace(state, closes_at=closes_at, frozen=False, reason="")
    return _step(state, after, "close", at, who, why)


def extend(
    state: State,
    settings: CompetitionSettings,
    *,
    at: dt.datetime,
    who: str,
    why: str,
    until: dt.date,
) -> Step:
    """Closes after the day `until` instead, which counts in full.

    A slip of the keyboard can be taken back, as far as the cohort file's own last day: nobody was
    promised less.
    """
    closes = state.closes(settings)
    if closes <= at:
        raise ValueError(f"It closed at {_said(closes)}. To go on, reopen it.")
    later = _end_of(until)
    if later == closes or later < max(at, settings.closes_at):
        raise ValueError(
            f"It closes at {_said(closes)}; {until} is no other last day from "
            f"{settings.closes} on. "
            f"To end it sooner, close it on that day."
        )
    return _step(state, replace(state, closes_at=later), "extend", at, who, why)


def disqualify(
    state: State,
    settings: CompetitionSettings,  # noqa: ARG001
    *,
    at: dt.datetime,
    who: str,
    why: str,
    team: str,
    digest: str = "",
) -> Step:
    """Takes the team out of the competition, or one entry by its whole digest.

    Of an entry, `BoardTable.rebuild` then finds what the team is shown with instead.
    """
    key = _member(team, digest)
    if (reason := state.removed(team, digest)) is not None:
        raise ValueError(f"{_what(team, digest)} is disqualified already: {reason}")
    after = replace(state, out={**state.out, key: why.strip()})
    return _step(state, after, f"disqualify {_what(team, digest)}", at, who, why)


def reinstate(
    state: State,
    settings: CompetitionSettings,  # noqa: ARG001
    *,
    at: dt.datetime,
    who: str,
    why: str,
    team: str,
    digest: str = "",
) -> Step:
    """Takes a disqualification back; of an entry, `BoardTable.rebuild` follows here, too."""
    key = _member(team, digest)
    if key not in state.out:
        raise ValueError(f"{_what(team, digest)} is not disqualified.")
    out = {name: reason for name, reason in state.out.items() if name != key}
    return _step(state, replace(state, out=out), f"reinstate {_what(team, digest)}", at, who, why)


def note(state: State, what: str, *, at: dt.datetime, who: str, why: str) -> Act:
    """An act that changes no state, such as "recompute"."""
    return _act(state, state, what, at, who, why)


def _step(before: State, after: State, what: str, at: dt.datetime, who: str, why: str) -> Step:
    after = replace(after, version=before.version + 1)
    return after, _act(before, after, what, at, who, why)


def _act(before: State, after: State, what: str, at: dt.datetime, who: str, why: str) -> Act:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    why = why.strip()
    if not why:
        raise ValueError("Say why: it stands in the log.")
    if len(why) > MAX_REASON or not why.isprintable():
        raise ValueError(f"The reason is one line of at most {MAX_REASON} characters.")
    if not who.strip() or not what.strip():
        raise ValueError("An act names who did what.")
    texts = [before.to_json(), after.to_json()]
    parts = json.dumps([before.version, at.isoformat(), what, who, why, *texts])
    name = hashlib.sha256(parts.encode()).hexdigest()[:12]
    return Act(name, at.astimezone(dt.UTC), what, who, why, *texts)


def _member(team: str, digest: str) -> str:
    if len(team) > ID_MAX or not re.fullmatch(ID_PATTERN, team):
        raise ValueError(f"{team[:40]!r} is no team.")
    if not digest:
        return team
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is no entry; its digest has 64 hexadecimal digits.")
    return f"{team}/{digest}"


def _what(team: str, digest: str) -> str:
    return f"{team}/{digest[:12]}" if digest else team


def _end_of(day: dt.date) -> dt.datetime:
    if day.year >= dt.MAXYEAR:
        raise ValueError(f"{day} is no last day of a competition.")
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)


def _said(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _instant(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat()


def _time(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
