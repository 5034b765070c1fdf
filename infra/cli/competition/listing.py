"""`cohort competition entries`: what was entered, with the ids that other commands ask for."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from infra.cli.competition.acts import ENTRY_DIGITS, project_argument
from infra.cli.competition.arena import Arena, minute, plain, say
from infra.cli.options import cohort_file
from infra.cli.terminal import console, without_traceback
from infra.services.competition.entry import Entry
from infra.services.competition.ladder import DIGITS
from infra.services.competition.state import State


@click.command()
@project_argument
@click.argument("team", required=False)
@cohort_file
@without_traceback
def entries(project: str, team: str | None, file: Path) -> None:
    """List PROJECT's entries, or TEAM's, newest first, with the id that --entry asks for.

    Public scores are the true ones, not those that the board shows. Private ones are listed once
    the competition is closed.
    """
    arena = Arena.of(file, project)
    own = None if team is None else arena.team(team)
    found = sorted(
        arena.table.entries(project, own, records=False), key=lambda e: e.received, reverse=True
    )
    if not found:
        say(f"{team or project} has no entry yet.")
        return
    state = arena.table.state(project)
    closed = state.phase(arena.settings, arena.now()) == "closed"
    table = Table(box=None, padding=(0, 2, 0, 0))
    names = (
        "entry",
        "team",
        "received, UTC",
        "public",
        *(["private"] if closed else ()),
        "",
        "job",
    )
    for name in names:
        table.add_column(name, justify="right" if name in ("public", "private") else "left")
    for entry in found:
        scores = [entry.public_score, *([entry.private_score] if closed else ())]
        table.add_row(
            entry.digest[:ENTRY_DIGITS],
            entry.team,
            minute(entry.received).removesuffix(" UTC"),
            *(f"{score:.{DIGITS}f}" for score in scores),
            _standing(entry, state),
            plain(entry.job) or "none named",
        )
    console.print(table)


def _standing(entry: Entry, state: State) -> str:
    if state.removed(entry.team, entry.digest) is not None:
        return "disqualified"
    if entry.fault:
        return "counts no more"
    return "late" if entry.late else ""
