"""A team's shared folder: what `academy.share` puts where partner and advisors can read it."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from infra.services.door.context import NotFound, PageContext, Unavailable
from infra.services.door.others import notebook, shown

FOLDER = "shared/"
#: The names that `academy.share` gives (academy.sharing); others are listed and not opened.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,199}")
LISTED = 1_000
SHOWN = 40


@dataclass(frozen=True)
class File:
    """A file of the folder. `opens`: it can be looked at here."""

    name: str
    size: str
    modified: dt.datetime
    opens: bool


@dataclass(frozen=True)
class Folder:
    """The newest files, the newest first, and how many there are; `told` says what went wrong."""

    files: tuple[File, ...] = ()
    total: int = 0
    told: str = ""


@dataclass(frozen=True)
class Opened:
    """A file as it is shown; `told` says why nothing of it is."""

    sheet: notebook.Sheet | None
    modified: dt.datetime
    told: str = ""


def of_team(ctx: PageContext, team: str) -> Folder:
    """What lies in the team's shared folder.

    Raises:
        NotFound: if the person may not see the team.
    """
    prefix = f"{ctx.names.team_prefix(ctx.may_see(team))}{FOLDER}"
    try:
        listed = ctx.cloud.listing(prefix, LISTED)
    except Unavailable:
        return Folder(told="The folder cannot be listed just now.")
    found = []
    for each in sorted(listed, key=lambda one: (one.modified, one.key), reverse=True):
        name = each.key.removeprefix(prefix)
        # The folder itself may have a file of no bytes, as S3's console makes it.
        if name:
            opens = bool(_NAME.fullmatch(name)) and notebook.can_show(name)
            said = name if opens else shown.line(name)
            found.append(File(said, size(each.size), each.modified, opens))
    return Folder(tuple(found[:SHOWN]), len(found))


def open_(ctx: PageContext, team: str, name: str) -> Opened:
    """A file of the folder, as HTML that runs nothing.

    Raises:
        NotFound: if there is none, or the person may not see the team.
    """
    team = ctx.may_see(team)
    if not _NAME.fullmatch(name):
        raise NotFound
    stored = ctx.cloud.work(f"{ctx.names.team_prefix(team)}{FOLDER}{name}", notebook.MAX_FILE)
    if stored is None:
        raise NotFound
    if not stored.whole:
        told = (
            f"It has more than {size(notebook.MAX_FILE)}, and what is larger is not opened here. A "
            "notebook becomes small by Edit, Clear Outputs of All Cells."
        )
        return Opened(None, stored.modified, told)
    try:
        return Opened(notebook.sheet(name, stored.content), stored.modified)
    except notebook.Unreadable as problem:
        return Opened(None, stored.modified, str(problem))


def size(count: int) -> str:
    """
    >>> size(0), size(900), size(8_388_608), size(83_000)
    ('0 KB', '1 KB', '8.4 MB', '83 KB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{-(-count // 1000)} KB"
