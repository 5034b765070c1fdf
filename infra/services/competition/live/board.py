"""The live board as data: who stands where on the months that are observed, and what is sealed.

A team's last forecast of a month from before it began counts. Teams have different months: who came
late is compared with each of the others on the months that both have.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.cohort.naming import MARK_TEAMS
from infra.services.competition import board as practice
from infra.services.competition import ranking
from infra.services.competition.checking.forecast_rows import Forecast, Point
from infra.services.competition.live import months, scoring
from infra.services.competition.live.observing import Observed
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.scoring import (
    LEAST_MONTHS,
    LEAST_RATIO,
    MOST_RATIO,
    Truth,
)
from infra.services.competition.live.sealing import Seal, counting

KIND = "live"
HINT = "1 is the seasonal naive on the same months"

#: Gives the canonical forecast that a seal seals.
ReadForecast = Callable[[Seal], Mapping[Point, Forecast]]


@dataclass(frozen=True)
class _Team:
    """What a team forecast of the months that are observed, and which months these are."""

    name: str
    forecasts: Mapping[Point, Forecast]
    months: tuple[int, ...]
    vectors: scoring.Vectors
    last: dt.datetime
    sealed: int


@dataclass(frozen=True)
class Live:
    """All that a round's board is made of. `out` says who does not take part, and why."""

    round: Round
    seals: Sequence[Seal]
    observed: Observed
    out: Mapping[str, str] = field(default_factory=dict)


def document(live: Live, read: ReadForecast, updated: dt.datetime) -> dict[str, Any]:
    """The live board as data. `read` is asked only for forecasts that count for a month that is
    observed: the content of no other appears in what is made."""
    truth = Truth(live.round, live.observed)
    teams = _teams(live, truth, read)
    marks = [team for team in teams if team.name in MARK_TEAMS]
    lines = [
        *((name, forecasts, truth.months) for name, forecasts in truth.lines().items()),
        *((team.name, team.forecasts, team.months) for team in marks),
    ]
    entries, units, narrow = _entries([t for t in teams if t.name not in MARK_TEAMS], truth)
    return {
        "kind": KIND,
        "project": live.round.project,
        "round": live.round.task(),
        "metric": scoring.METRIC,
        "better": scoring.BETTER,
        "hint": HINT,
        "updated": _instant(updated),
        "phase": "closed" if live.round.stopped else "open",
        "months": [months.name(month) for month in truth.months],
        "units": {"count": units, "name": scoring.UNIT},
        "few": bool(entries) and units == 0,
        "least_months": LEAST_MONTHS,
        "narrow": narrow,
        "lines": [
            {
                "name": name,
                "score": practice.shown(truth.score(forecasts, of)),
                "kind": practice.kind(name),
                "months": len(of),
                "also": _shown(truth.also(forecasts, of)),
            }
            for name, forecasts, of in lines
            if of
        ],
        "entries": entries,
        "observations": [
            _observation(live.observed[point])
            for point in sorted(live.observed, key=lambda point: (point[1], point[0]))
        ],
        "seals": [
            seal_document(seal) for seal in sorted(live.seals, key=lambda s: s.place, reverse=True)
        ],
        "out": [
            {"team": team, "reason": why}
            for team, why in sorted(live.out.items())
            if "/" not in team
        ],
    }


# --- who has which months -------------------------------------------------------------------------
def _teams(live: Live, truth: Truth, read: ReadForecast) -> list[_Team]:
    seals = [seal for seal in live.seals if seal.team not in live.out]
    counted = {month: counting(seals, month) for month in truth.months}
    of_month = {
        month: [name for name, at in truth.observed if at == month] for month in truth.months
    }
    known: dict[str, Mapping[Point, Forecast]] = {}
    found = []
    for team in sorted({seal.team for seal in seals}):
        own = [seal for seal in seals if seal.team == team]
        forecasts: dict[Point, Forecast] = {}
        has: list[int] = []
        for month in truth.months:
            seal = counted[month].get(team)
            if seal is None:
                continue
            if seal.hash not in known:
                known[seal.hash] = read(seal)
            has.append(month)
            forecasts |= {(n, month): known[seal.hash][n, month] for n in of_month[month]}
        last = max(seal.received for seal in own)
        vectors = truth.vectors(forecasts, has)
        found.append(_Team(team, forecasts, tuple(has), vectors, last, len(own)))
    return found


# --- who stands where -----------------------------------------------------------------------------
def _entries(teams: Sequence[_Team], truth: Truth) -> tuple[list[dict[str, Any]], int, bool]:
    """The teams that have a month, best first; the most blocks that any of them is judged on, and
    whether there are so few that intervals are too narrow."""
    scored = [team for team in teams if team.months]
    groups = _groups(scored)
    before = set(_pairs(scored, groups))
    entries = []
    for team in scored:
        ahead = {other.name for other in scored if (other.name, team.name) in before}
        behind = {other.name for other in scored if (team.name, other.name) in before}
        group = groups.get(team.months)
        interval = group.teams[team.name].score if group else None
        entries.append(
            {
                "team": team.name,
                "score": practice.shown(scoring.score_of(scoring.summed(team.vectors.values()))),
                "score_low": practice.shown(max(LEAST_RATIO, interval.low)) if interval else None,
                "score_high": practice.shown(min(MOST_RATIO, interval.high)) if interval else None,
                "rank_low": 1 + len(ahead),
                "rank_high": len(scored) - len(behind),
                # Not by their ranks: one team with few months would tie all the others.
                "tied_with": sorted(
                    {other.name for other in scored} - {team.name, *ahead, *behind}
                ),
                "months": len(team.months),
                "few": len(team.months) < LEAST_MONTHS,
                "also": _shown(truth.also(team.forecasts, team.months)),
                "sealed": team.sealed,
                "submitted": _instant(team.last),
            }
        )
    # Of few months a score is mostly luck: it stands below those of many.
    entries.sort(key=lambda entry: (entry["few"], entry["score"], entry["team"]))
    for place, entry in enumerate(entries):
        above = entries[place - 1] if place else None
        same = above and all(above[name] == entry[name] for name in ("few", "score"))
        entry["rank"] = above["rank"] if above and same else place + 1
    units = max((group.units for group in groups.values()), default=0)
    return entries, units, any(group.narrow for group in groups.values())


def _groups(scored: Sequence[_Team]) -> dict[tuple[int, ...], ranking.Ranking]:
    """The ranking of the teams that have the same months, by these; none of too few months."""
    found = {}
    for wanted in {team.months for team in scored if len(team.months) >= LEAST_MONTHS}:
        evidence = {
            team.name: scoring.blocks(team.vectors, wanted)
            for team in scored
            if team.months == wanted
        }
        said = json.dumps(evidence, sort_keys=True).encode()
        found[wanted] = ranking.rank(
            evidence,
            scoring.score_of,
            scoring.BETTER,
            seed=hashlib.sha256(said).hexdigest(),
            digits=practice.DIGITS,
            scale=scoring.SCALE,
        )
    return found


def _pairs(
    scored: Sequence[_Team], groups: Mapping[tuple[int, ...], ranking.Ranking]
) -> Iterator[tuple[str, str]]:
    """Each two teams of which the first is surely the better one. Teams with the same months are
    judged together, others two by two on the months that both have."""
    pairs = len(scored) * (len(scored) - 1) // 2
    for one, other in itertools.combinations(scored, 2):
        orders = ((one, other), (other, one))
        if one.months == other.months:
            group = groups.get(one.months)
            for first, second in orders:
                if group and second.name in group.teams[first.name].better_than:
                    yield first.name, second.name
            continue
        both = set(one.months) & set(other.months)
        if len(both) < LEAST_MONTHS:
            continue
        evidence = {each.name: scoring.blocks(each.vectors, both) for each in (one, other)}
        for first, second in orders:
            if ranking.surely_better(
                evidence[first.name],
                evidence[second.name],
                scoring.score_of,
                scoring.BETTER,
                pairs=pairs,
                scale=scoring.SCALE,
            ):
                yield first.name, second.name


# --- what is told ---------------------------------------------------------------------------------
def seal_document(seal: Seal) -> dict[str, Any]:
    """A seal as everybody sees it."""
    return {
        "hash": seal.hash,
        "team": seal.team,
        "received": _instant(seal.received),
        "first": months.name(seal.first),
        "last": months.name(seal.last),
        "revealed": seal.revealed,
    }


def _observation(made: Any) -> dict[str, Any]:
    return {
        "series": made.series,
        "month": months.name(made.month),
        "value": made.value,
        "source": made.source,
        "at": _instant(made.at),
        # What it was before it was corrected, the latest first; who did it stands in the log.
        "before": [
            {name: each[name] for name in ("value", "source", "at")} for each in made.before
        ],
    }


def revealed(live: Live, seal: Seal, body: bytes) -> dict[str, Any]:
    """A forecast as everybody may read it, with what its hash is computed from."""
    return {
        "kind": "live forecast",
        "project": live.round.project,
        "round": live.round.id,
        "team": seal.team,
        "received": _instant(seal.received),
        "hash": seal.hash,
        "salt": seal.salt,
        "forecast": body.decode(),
    }


def _shown(also: Mapping[str, float]) -> dict[str, float]:
    return {name: practice.shown(value) for name, value in also.items()}


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
