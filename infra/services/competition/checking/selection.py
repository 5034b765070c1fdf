"""Reads a selection: which of the team's entries count at the close, at most two.

``{"entries": ["<id>", …]}``, each id the first 12 or more hexadecimal digits of an entry, as its
receipt tells them. Whether there are such entries is for the scorer, which has the table.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from infra.services.competition.checking.canonical import SHORT, Content
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.submission import show

MAX_BYTES = 10_000
MOST = 2

_ID = re.compile(rf"[0-9a-f]{{{SHORT},64}}")


def check(content: bytes) -> Content:
    """The selection in canonical form: the ids, in order.

    Raises:
        Fault: if it is none, with what is wrong.
    """
    if len(content) > MAX_BYTES:
        raise Fault(f"The selection is larger than {MAX_BYTES:,} bytes.")
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise Fault('The selection is no JSON; expected {"entries": ["<id>", "<id>"]}.') from None
    given = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(given, list) or list(document) != ["entries"]:
        raise Fault('The selection must have exactly the member entries: {"entries": ["<id>"]}.')
    if not 1 <= len(given) <= MOST:
        raise Fault(f"The selection names {len(given)} entries; expected 1 to {MOST}.")
    for entry in given:
        if not isinstance(entry, str) or not _ID.fullmatch(entry):
            raise Fault(
                f"The selection names {show(str(entry))}; expected an entry's id, the {SHORT} "
                "digits on its receipt (0-9, a-f)."
            )
    if len(given) == 2 and (given[0].startswith(given[1]) or given[1].startswith(given[0])):
        raise Fault(f"The selection names the entry {given[0][:SHORT]} twice.")
    chosen = sorted(given)
    digest = hashlib.sha256(json.dumps(chosen).encode()).hexdigest()
    return Content(digest, {"entries": chosen})


def entries(members: Any) -> tuple[str, ...]:
    """The ids in a checked selection.

    Raises:
        Misconfigured: if there are none.
    """
    given = members.get("entries")
    if not isinstance(given, list) or not all(
        isinstance(entry, str) and _ID.fullmatch(entry) for entry in given
    ):
        raise Misconfigured("a checked selection has no entries")
    return tuple(given)
