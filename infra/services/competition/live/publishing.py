"""Writes the live board and its page, and shows the forecasts of which nothing is left to hide."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from infra.services.competition.checking.forecast_rows import Forecast, Point
from infra.services.competition.live import board, reading
from infra.services.competition.live.page import page
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import Seal, all_observed
from infra.services.competition.live.store import LiveTable
from infra.services.competition.publishing import by_turns, live_board
from infra.services.competition.settings import CompetitionSettings


class Pages(Protocol):
    """Where pages go."""

    def put_page(self, key: str, text: str) -> None: ...


def publish(
    project: str,
    settings: CompetitionSettings,
    files: Pages,
    table: LiveTable,
    now: Callable[[], dt.datetime],
    *,
    always: bool = True,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Write the project's live board from the table.

    Returns:
        The board's document; None if the project has no round, or another has written all that
        this one would.
    """
    given = table.round(project)
    if given is None:
        return None
    return by_turns(
        live_board(project),
        table,
        now,
        lambda: _write(given, settings, files, table, now()),
        always=always,
        pause=pause,
    )


def revealed_key(project: str, seal_hash: str) -> str:
    """Where the forecast of a seal lies when everybody may read it."""
    return f"boards/{live_board(project)}/{seal_hash}.json"


def gathered(given: Round, table: LiveTable) -> board.Live:
    """What the table holds of the round. A disqualified team is out here, too; one of its entries
    is of the practice board alone."""
    out = {team: why for team, why in table.state(given.project).out.items() if "/" not in team}
    return board.Live(given, table.seals(given), table.observed(given), out)


def _write(
    given: Round,
    settings: CompetitionSettings,
    files: Pages,
    table: LiveTable,
    at: dt.datetime,
) -> dict[str, Any]:
    live = gathered(table.round(given.project) or given, table)
    live = _reveal(live, files, table)

    def read(seal: Seal) -> Mapping[Point, Forecast]:
        return reading.read(table.body(live.round, seal))

    found = board.document(live, read, at)
    name = live_board(given.project)
    files.put_page(f"boards/{name}.json", json.dumps(found, indent=1))
    files.put_page(f"{name}.html", page(found, settings.cohort))
    return found


def _reveal(live: board.Live, files: Pages, table: LiveTable) -> board.Live:
    """Show each forecast whose months are all observed. The page first: what says that it is shown
    can be read."""
    seals = []
    for seal in live.seals:
        if not seal.revealed and all_observed(seal, live.round.names, live.observed):
            content = board.revealed(live, seal, table.body(live.round, seal))
            files.put_page(
                revealed_key(live.round.project, seal.hash), json.dumps(content, indent=1)
            )
            seal = table.note_revealed(live.round, seal)
        seals.append(seal)
    return board.Live(live.round, seals, live.observed, live.out)
