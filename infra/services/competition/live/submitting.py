"""Seals a live forecast that was checked, and says so on a receipt.

Everything may happen twice, and in any order: the seal is written once, by the file's name, and
keeps the salt that it got first. Every file gets one: which of them is the team's last word is seen
from when they came, and not from when this code learns of them.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from infra.services.competition.checking.canonical import Body, Header
from infra.services.competition.live import months
from infra.services.competition.live.publishing import publish
from infra.services.competition.live.reading import read
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import SALT_DIGITS, SHORT, Seal, hash_of, next_to
from infra.services.competition.live.store import LiveTable
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import DayFull

#: The same forecast again costs none of the day's; more than this nobody needs.
REPEATS_A_DAY = 20
#: What the table takes of one; the checker lets less pass.
MAX_BODY = 5_000_000

Receipt = dict[str, Any]


class Files(Protocol):
    """Where receipts and pages go."""

    def put_receipt(self, key: str, receipt: Receipt) -> None: ...

    def put_page(self, key: str, text: str) -> None: ...


def new_salt() -> str:
    """Nobody can guess it."""
    return secrets.token_hex(SALT_DIGITS // 2)


def seal_checked(
    header: Header,
    body: Body,
    receipt_key: str,
    settings: CompetitionSettings,
    files: Files,
    table: LiveTable,
    now: Callable[[], dt.datetime],
    *,
    salt: Callable[[], str] = new_salt,
) -> Receipt:
    """The receipt of a live forecast, which is also written; a sealed one is on the live board.

    Neither the competition's dates nor a freeze of the practice board hold it up: a month begins
    when it begins.

    Raises:
        Misconfigured: if what was checked cannot be of this round.
    """
    try:
        receipt = _sealed(header, body, settings, table, salt)
    except Fault as fault:
        receipt = _receipt(header, "refused", str(fault))
    if receipt["status"] == "sealed":
        publish(header.project, settings, files, table, now, always=False)
    # Who waits for the receipt finds the hash on the board.
    files.put_receipt(receipt_key, receipt)
    return receipt


def _sealed(
    header: Header,
    body: Body,
    settings: CompetitionSettings,
    table: LiveTable,
    salt: Callable[[], str],
) -> Receipt:
    if header.project not in settings.projects:
        raise Fault(f"There is no competition {header.project} in {settings.cohort}.")
    if (reason := table.state(header.project).removed(header.team)) is not None:
        raise Fault(f"Your team is disqualified: {reason}")
    given = table.round(header.project)
    if given is None or header.members.get("round") != given.id:
        raise Fault("That live round is no longer open.")
    if not given.takes(header.received):
        raise Fault(f"The live round {given.id} takes no forecasts any more.")
    content = _content(header, body, given)
    known = table.sealed(given, header.team, header.name)
    if known is None:
        known = _keep(header, given, content, settings, table, salt())
    return _told(header, known, settings, table)


def _content(header: Header, body: Body, given: Round) -> bytes:
    """The canonical forecast, held against the months that it may be of."""
    content = b""
    while more := body.read(1 << 16):
        content += more
        if len(content) > MAX_BODY:
            raise Misconfigured("a checked live forecast is too long")
    asked = given.asked(header.received)
    if read(content).keys() != {(name, month) for name in given.names for month in asked}:
        raise Misconfigured(
            "the published task of the live round asks for other rows than the table's round"
        )
    return content


def _keep(
    header: Header,
    given: Round,
    content: bytes,
    settings: CompetitionSettings,
    table: LiveTable,
    salt: str,
) -> Seal:
    asked = given.asked(header.received)
    around = next_to(table.seals(given, header.team), (header.received, header.name))
    seal = Seal(
        team=header.team,
        name=header.name,
        received=header.received,
        first=asked[0],
        last=asked[-1],
        hash=hash_of(given.project, given.id, header.team, salt, content),
        salt=salt,
        digest=header.digest,
        again=any(each.digest == header.digest for each in around),
    )
    limit = REPEATS_A_DAY if seal.again else settings.submissions_per_day
    try:
        return table.seal(given, seal, content, limit)
    except DayFull:
        day = header.received.astimezone(dt.UTC).date()
        if seal.again:
            raise Fault(
                f"Your team has sent the same forecast again {limit} times on {day} (UTC). It is "
                "sealed already."
            ) from None
        raise Fault(
            f"Your team has used its {settings.submissions_per_day} live forecasts of {day} (UTC). "
            "The next day begins at 00:00 UTC; of each month your last forecast counts."
        ) from None


def _told(header: Header, seal: Seal, settings: CompetitionSettings, table: LiveTable) -> Receipt:
    span = months.span(seal.first, seal.last)
    message = (
        f"Sealed {seal.hash[:SHORT]}, counts for {span}. Of each month your team's last forecast "
        "from before it begins counts."
    )
    if seal.again:
        message += " The same forecast as your team's one next to it: none of the day's."
    day = header.received.astimezone(dt.UTC).date()
    used = table.live_used(header.project, day).get(header.team, 0)
    return _receipt(
        header,
        "sealed",
        message,
        counted=not seal.again,
        hash=seal.hash,
        salt=seal.salt,
        months=[months.name(seal.first), months.name(seal.last)],
        round=str(header.members["round"]),
        left_today=max(0, settings.submissions_per_day - used),
    )


def _receipt(header: Header, status: str, message: str, **more: Any) -> Receipt:
    return {
        "submission": header.key,
        "status": status,
        "message": message,
        "public_score": None,
        "received": header.received.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "counted": False,
        "entry": "",
        "late": False,
        "left_today": None,
        "also": {},
        "private_score": None,
        **more,
    }
