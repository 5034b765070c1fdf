"""`cohort competition observe`: what a source has published of a month, for the live round.

It is recorded with who, when and why; the board is scored anew. The same again changes nothing; a
correction keeps what it corrects.
"""

from __future__ import annotations

import datetime as dt
import getpass
from pathlib import Path
from typing import Any

import click

from infra.cli.competition.archive import Archive
from infra.cli.competition.archive_files import alone
from infra.cli.competition.arena import Arena, plain, say, why_option
from infra.cli.competition.live import publish_observed, renew, round_of, show
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, without_traceback
from infra.services.competition.live import months, observing
from infra.services.competition.live.observing import Observation
from infra.services.competition.live.store import LiveTable
from infra.services.competition.store import Changed


# Below zero are values, no options.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[PROJECT] SERIES MONTH VALUE")
@cohort_file
@click.option("--source", required=True, metavar="URL", help="Where the value can be looked up.")
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder that `live export` wrote: the round goes on with it, without AWS.",
)
@click.option("--surely", is_flag=True, help="The value is right, however odd it looks.")
@why_option
@without_traceback
def observe(
    words: tuple[str, ...],
    file: Path,
    source: str,
    archive: Path | None,
    surely: bool,
    why: str,
) -> None:
    """Add what is published of a MONTH (such as 2026-12) of SERIES to PROJECT's live round.

    The month must be over, by AWS's clock, and the one before it known. The board is scored anew,
    and forecasts of which nothing is left to hide are shown. Another value for a month that is
    known is a correction, and so is another source of the same value: both stay in the log.
    """
    wanted = 3 if archive is not None else 4
    if len(words) != wanted:
        expected = "SERIES MONTH VALUE" if archive is not None else "PROJECT SERIES MONTH VALUE"
        raise Refused(f"{len(words)} words are given; expected {expected}")
    series, month, value = words[-3], _month(words[-2]), _number(words[-1])
    if archive is not None:
        _in_archive(archive, series, month, value, source, why, surely=surely)
    else:
        _in_cloud(file, words[0], series, month, value, source, why, surely=surely)


def _in_cloud(
    file: Path,
    project: str,
    series: str,
    month: int,
    value: float,
    source: str,
    why: str,
    *,
    surely: bool,
) -> None:
    arena = Arena.of(file, project)
    table = LiveTable.of(arena.table)
    given = round_of(table, project)
    who, at = arena.acting()
    try:
        made, act = observing.observe(
            given,
            table.observed(given),
            series,
            month,
            value,
            source,
            at=at,
            who=who,
            why=why,
            surely=surely,
        )
    except ValueError as error:
        raise Refused(f"{project}: {error}") from None
    if act is not None:
        try:
            table.observe(given, made, act)
        except Changed:
            made, act = _meanwhile(table.observed(given)[made.point], made), None
    _told(made, new=act is not None)
    publish_observed(arena, project, table)
    document = renew(arena)
    if document is not None:
        show(document)


def _meanwhile(other: Observation, mine: Observation) -> Observation:
    """What somebody else recorded at this moment, if it is the same.

    Raises:
        Refused: if not. Whether theirs is to be corrected is decided by who has seen it.
    """
    if (other.value, other.source) == (mine.value, mine.source):
        return other
    raise Refused(
        f"{plain(other.who)} recorded {other.series} {months.name(other.month)} = {other.value!r} "
        f"from {plain(other.source)} at this moment, and yours is not recorded. To correct that, "
        "give the command again"
    )


def _in_archive(
    folder: Path,
    series: str,
    month: int,
    value: float,
    source: str,
    why: str,
    *,
    surely: bool,
) -> None:
    with alone(folder):
        found = Archive.read(folder)
        at = dt.datetime.now(dt.UTC)
        try:
            made, act = observing.observe(
                found.round,
                found.live.observed,
                series,
                month,
                value,
                source,
                at=at,
                who=getpass.getuser(),
                why=why,
                surely=surely,
            )
        except ValueError as error:
            raise Refused(str(error)) from None
        document: dict[str, Any] = found.observe(folder, made, act).render(folder, at)
    _told(made, new=act is not None)
    show(document)
    say(f"The board is {folder / 'board.html'}.")


def _told(made: Observation, *, new: bool) -> None:
    what = f"{made.series} {months.name(made.month)} = {made.value!r}"
    if not new:
        say(f"{what} is recorded already, by {plain(made.who)} at {made.at:%Y-%m-%d %H:%M} UTC.")
    elif made.before:
        value, source = made.before[0]["value"], made.before[0]["source"]
        old = repr(value) if value != made.value else f"the source {plain(source)}"
        say(f"{what} is recorded, and corrects {old}, which stays in the log.")
    else:
        say(f"{what} is recorded.")


def _month(text: str) -> int:
    try:
        return months.index(text)
    except ValueError as error:
        raise Refused(f"MONTH: {error}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refused(f"VALUE is {text!r}; expected a number such as 24.51") from None
