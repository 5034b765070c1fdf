"""What became of what a team sent: each submission with its receipt, the newest first."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.services.competition import wording
from infra.services.door.context import PageContext
from infra.services.door.others import shown
from infra.services.door.reading import together

#: So many of a team's files are looked through, and so many of the newest shown.
LISTED = 5_000
SHOWN = 12
_READ = 50_000
#: Scoring takes a minute; what waits for so long may wait for a person.
LATE = dt.timedelta(minutes=30)

#: How the name of a live forecast ends (academy.live): it seals, and is no entry of the board's.
LIVE = ".live.csv"


@dataclass(frozen=True)
class Receipt:
    """One submission, and what its receipt says.

    `status` is what the scorer wrote, or "waiting" where it has written nothing yet; `score` is the
    team's score on the public part once this one was in; `facts` are the other words and numbers.
    """

    name: str
    status: str
    message: str
    at: dt.datetime | None = None
    score: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A team's newest submissions of a project, and how many there are."""

    receipts: tuple[Receipt, ...] = ()
    total: int = 0
    last: dt.datetime | None = None


def of_team(
    ctx: PageContext, project: str, team: str, limit: int = SHOWN, *, live: bool | None = None
) -> Sent:
    """The newest submissions of `team`: all of them, live forecasts alone, or all but these.

    Raises:
        NotFound: if the person may not see the team.
    """
    team = ctx.may_see(team)
    sent = ctx.names.submission_prefix(project, team)
    answered = ctx.names.receipt_prefix(project, team)
    here = {each.key.removeprefix(sent): each.modified for each in ctx.cloud.listing(sent, LISTED)}
    told = {
        each.key.removeprefix(answered).removesuffix(".json"): each.modified
        for each in ctx.cloud.listing(answered, LISTED)
    }
    when = {**told, **here}
    asked = [name for name in when if live is None or name.endswith(LIVE) is live]
    names = sorted(asked, key=lambda name: (when[name], name), reverse=True)

    def read(name: str) -> Receipt:
        stored = ctx.cloud.work(f"{answered}{name}.json", _READ) if name in told else None
        if stored is None:
            return _waiting(name, when[name], ctx.now)
        return _receipt(name, stored.content, when[name])

    found = together.each(read, names[:limit])
    return Sent(tuple(found), len(names), when[names[0]] if names else None)


def _waiting(name: str, sent: dt.datetime, now: dt.datetime) -> Receipt:
    said = "It has arrived, and is scored within a minute or two. Load this page again."
    if now - sent > LATE:
        said = (
            "It has arrived and has no score yet, which is long. If that stays so, tell the admin."
        )
    return Receipt(shown.line(name), "waiting", said, sent)


def _receipt(name: str, content: bytes, at: dt.datetime) -> Receipt:
    """What the scorer wrote; whatever it lacks is left out."""
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Receipt(shown.line(name), "failed", "Its receipt cannot be read.", at)
    score = wording.number(document.get("public_score"))
    return Receipt(
        name=shown.line(name),
        status=shown.line(document.get("status") or "waiting", 20),
        message=shown.line(document.get("message") or "", 600),
        at=wording.instant(document.get("received")) or at,
        score="" if score is None else wording.score(score),
        facts=_facts(document),
    )


def _facts(document: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in ("also", "classes"):
        named = document.get(group)
        for name, value in (named if isinstance(named, dict) else {}).items():
            if (number := wording.number(value)) is not None:
                found[wording.title(shown.line(name, 60))] = wording.measure(number)
    private = wording.number(document.get("private_score"))
    if private is not None:
        found["Private score"] = wording.score(private)
    for title, name, most in (("Entry", "entry", 12), ("Sealed by", "hash", 64)):
        if document.get(name):
            found[title] = shown.line(document[name], most)
    for title, name in (("Job", "job"), ("Image", "image")):
        if document.get(name):
            found[title] = shown.line(document[name], 120)
    left = wording.whole(document.get("left_today"))
    if left is not None:
        found["Left that day"] = str(left)
    return found
