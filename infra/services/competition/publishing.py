"""Writes a project's board and pages from the table.

At a deadline fifty scorers want the board renewed at once. They take turns, and one writes for all
who recorded their entry before it read the table: the others find theirs on the board and go.

After the close the board has the final standings, and the last public board is kept beside it.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from infra.services.competition import board, projects
from infra.services.competition.entry import Entry
from infra.services.competition.final import Finalist, final, finalists
from infra.services.competition.ladder import Ladder
from infra.services.competition.page import index, page
from infra.services.competition.projects.project import Line, Project
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.state import State
from infra.services.competition.store import BoardTable

#: A scorer that died with the turn holds the others up for so long. Longer than writing takes.
TURN_SECONDS = 30.0
#: Waits for a turn, of up to half a second each: together longer than a turn.
TRIES = 200
#: So long after a close entries that came in time may still be scored.
SETTLING = dt.timedelta(days=1)


class Pages(Protocol):
    """What publishing reads and writes besides the table."""

    def answers(self, project: str, name: str) -> bytes: ...

    def put_page(self, key: str, text: str) -> None: ...


def publish(
    project: str,
    settings: CompetitionSettings,
    files: Pages,
    table: BoardTable,
    now: Callable[[], dt.datetime],
    *,
    always: bool = True,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Write the project's board and pages from the table.

    Args:
        always: write even if the pages show all that the table holds now: it may be another day, or
            another phase.

    Returns:
        The board's document; None if another has written all that this one would.

    Raises:
        RuntimeError: if the turn to write did not come.
    """
    return by_turns(
        project,
        table,
        now,
        lambda: _write(project, settings, files, table, now()),
        always=always,
        pause=pause,
    )


def by_turns(
    board: str,
    table: BoardTable,
    now: Callable[[], dt.datetime],
    write: Callable[[], dict[str, Any]],
    *,
    always: bool = True,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """What `write` makes of the board that the table calls so, when its turn has come; as
    `publish`."""
    wanted = table.generation(board)
    for _ in range(TRIES):
        if not always and table.published(board) >= wanted:
            return None
        turn = table.take_turn(board, now(), TURN_SECONDS)
        if turn is None:
            pause(random.uniform(0.05, 0.5))  # noqa: S311
            continue
        generation = None
        try:
            read = table.generation(board)
            found = write()
            generation = read
        finally:
            mine = table.end_turn(board, turn, generation)
        # Who was so slow that the turn was over may have written over what is newer.
        if mine:
            return found
        always = True
    raise RuntimeError(f"the turn to write the board of {board} did not come")


def _write(
    project: str,
    settings: CompetitionSettings,
    files: Pages,
    table: BoardTable,
    at: dt.datetime,
) -> dict[str, Any]:
    about = projects.of(project)
    fixed = tuple(about.lines(lambda name: files.answers(project, name)))
    state = table.state(project)
    found = _document(project, about, fixed, settings, state, table, at)
    files.put_page(f"boards/{project}.json", json.dumps(found, indent=1))
    files.put_page(f"{project}.html", page(found, settings.cohort))
    files.put_page("index.html", index(_boards(settings, table), settings.cohort))
    if found["phase"] == "closed":
        _keep_public(project, found, state.closes(settings), files, table, at)
    return found


def _boards(settings: CompetitionSettings, table: BoardTable) -> list[str]:
    """Every project's board, and its live one where it has a round."""
    found = []
    for project in settings.projects:
        live = live_board(project)
        found += [project, live] if table.generation(live) else [project]
    return found


def live_board(project: str) -> str:
    """What table and site call the board of the project's live round: no project is called so.

    >>> live_board("climate-series")
    'climate-series.live'
    """
    return f"{project}.live"


def _document(
    project: str,
    about: Project,
    fixed: Sequence[Line],
    settings: CompetitionSettings,
    state: State,
    table: BoardTable,
    at: dt.datetime,
) -> dict[str, Any]:
    lines = table.lines(project)
    if any(f"{line.team}/{line.digest}" in state.out for line in lines):
        # Disqualified, and the admin's command did not get as far as this.
        table.rebuild(project, Ladder(about.better, about))
        lines = table.lines(project)
    rules = board.Rules(
        metric=about.metric,
        better=about.better,
        hint=about.hint,
        scored_on=about.scored_on,
        lines=with_marks(about, fixed, table.marks(project), state),
        limit_per_day=settings.submissions_per_day,
        evidence=about,
    )
    course = board.Course(
        phase=state.phase(settings, at),
        opens=state.opens(settings),
        closes=state.closes(settings),
        reason=state.reason,
        out=state.out,
        used=table.used(project, at.astimezone(dt.UTC).date()),
    )
    found = board.document(project, rules, lines, at, course)
    # What waits has come in time, perhaps, and may be the best.
    if course.phase != "closed" or table.held(project):
        return found
    teams = {
        team: _whole(finalist, table)
        for team, finalist in finalists(
            # The records of all entries are most of the table.
            [
                entry
                for entry in table.entries(project, records=False)
                # One that was in before an admin closed as of a moment ago is late all the same.
                if not state.late(settings, entry.received)
            ],
            table.selections(project),
            about.better,
            state.out,
        ).items()
    }
    return {**found, "final": final(rules, teams, found["entries"])}


def with_marks(
    about: Project, fixed: Sequence[Line], marks: Mapping[str, Entry], state: State
) -> tuple[Line, ...]:
    """The board's lines: a mark takes the place of a fixed line of its kind."""
    holding = {
        team: mark
        for team, mark in sorted(marks.items())
        if not mark.fault and state.removed(team, mark.digest) is None
    }
    return (
        *(line for line in fixed if board.kind(line.name) not in holding),
        *(
            Line(
                name=f"{team}: {mark.note}" if mark.note else team,
                score=mark.public_score,
                units=about.units(mark.record, "public"),
                private=mark.private_score,
                private_units=about.units(mark.record, "private"),
                also=mark.also,
            )
            for team, mark in holding.items()
        ),
    )


def _whole(finalist: Finalist, table: BoardTable) -> Finalist:
    entry = finalist.entry
    return replace(finalist, entry=table.find(entry.project, entry.team, entry.digest) or entry)


def _keep_public(
    project: str,
    found: Mapping[str, Any],
    closes: dt.datetime,
    files: Pages,
    table: BoardTable,
    at: dt.datetime,
) -> None:
    """Keep the last public board: written while entries that came in time may still be scored,
    then never again."""
    if at >= closes + SETTLING and table.kept(project, closes):
        return
    public = {name: value for name, value in found.items() if name != "final"}
    files.put_page(f"boards/{project}.public.json", json.dumps(public, indent=1))
    table.keep(project, closes)
