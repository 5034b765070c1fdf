"""What advisors write to a team: a file each in the bucket `work`, below notes/<team>/.

The team sees them on Home and on its own page. Nobody changes or removes one here: what an advisor
said stays said.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from infra.services.door.context import NotFound, PageContext, Refusal
from infra.services.door.others import shown
from infra.services.door.reading import together

MAX_NOTE = 2_000
#: A form that was sent twice, or a page that was loaded again, leaves one note.
ONCE = dt.timedelta(minutes=10)
#: So many of a team are looked through for the newest; nobody writes as many.
LISTED = 1_000
_READ = 20_000
VERSION = 1


@dataclass(frozen=True)
class Note:
    """What an advisor wrote: plain text with its lines."""

    author: str
    at: dt.datetime
    text: str


def latest(ctx: PageContext, team: str, limit: int) -> list[Note]:
    """The newest notes to `team`, the newest first.

    Raises:
        NotFound: if the person may not see the team.
    """
    prefix = ctx.names.notes_prefix(ctx.may_see(team))
    names = sorted((each.key for each in ctx.cloud.listing(prefix, LISTED)), reverse=True)
    stored = together.each(lambda key: ctx.cloud.work(key, _READ), names[:limit])
    notes = [_note(each.content) for each in stored if each is not None and each.whole]
    return sorted((note for note in notes if note), key=lambda note: note.at, reverse=True)


def leave(ctx: PageContext, team: str, text: str) -> None:
    """Write a note of this person's to `team`.

    Raises:
        NotFound: for whoever does not advise, and of a team that there is not.
        Refusal: if there is nothing in it, or too much.
    """
    prefix = ctx.names.notes_prefix(ctx.may_see(team))
    if not ctx.person.advises:
        raise NotFound
    said = cleaned(text)
    if not said:
        raise Refusal("input", "The note is empty. Write what the team should read.")
    if len(said) > MAX_NOTE:
        raise Refusal("input", f"The note has {len(said):,} characters; at most {MAX_NOTE:,}.")
    if any(
        (note.author, note.text) == (ctx.person.id, said) and ctx.now - note.at < ONCE
        for note in latest(ctx, team, 1)
    ):
        return
    at = ctx.now.astimezone(dt.UTC).replace(microsecond=0)
    digest = hashlib.sha256(f"{ctx.person.id}\n{said}".encode()).hexdigest()[:12]
    document = {
        "schema_version": VERSION,
        "author": ctx.person.id,
        "at": at.isoformat(),
        "text": said,
    }
    ctx.cloud.put_note(
        f"{prefix}{at:%Y%m%dT%H%M%SZ}-{digest}.json",
        json.dumps(document, ensure_ascii=False, indent=1).encode(),
    )


def cleaned(text: str) -> str:
    """The note as it is kept: its lines, without what cannot be seen.

    >>> cleaned(" Well done. \\r\\n\\r\\n\\r\\n\\r\\nNext: the \\u202eborders.\\0 ")
    'Well done.\\n\\nNext: the borders.'
    """
    lines = [line.rstrip() for line in shown.lines(text).split("\n")]
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept).strip()


def _note(content: bytes) -> Note | None:
    """The note in a file; None where it is none: the page of a team does not depend on it."""
    try:
        document: Any = json.loads(content)
        at = dt.datetime.fromisoformat(document["at"]).astimezone(dt.UTC)
        author = shown.line(document["author"], 60)
        return Note(author, at, cleaned(str(document["text"])[:MAX_NOTE]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
