"""The leaderboard as data: who stands where, how sure that is, and by what rules."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from infra.services.competition import ranking
from infra.services.competition.ladder import DIGITS as DIGITS
from infra.services.competition.projects.project import Better, Evidence, Line, Units
from infra.services.competition.provenance import short

#: Moves of shown scores that a board tells of; the newest are kept.
HISTORY = 200
_KINDS = ("floor", "baseline", "expert", "ceiling")
_CLASS_DIGITS = 2


@dataclass(frozen=True)
class Rules:
    """What the project's score is, how to read it, and the board's fixed marks.

    Without `evidence` a board has scores and ranks, and no intervals.
    """

    metric: str
    better: Better
    hint: str
    scored_on: str
    lines: tuple[Line, ...]
    limit_per_day: int = 0
    evidence: Evidence | None = None


@dataclass(frozen=True)
class TeamLine:
    """A team's shown entry in a project: its public score, where it comes from and, in `record`,
    what the score rests on.

    `version` grows with every change; `moves` are the shown scores so far, with their time.
    """

    team: str
    best: float
    best_at: dt.datetime
    note: str
    submissions: int
    version: int
    job: str = ""
    image: str = ""
    digest: str = ""
    record: bytes = b""
    moves: tuple[tuple[dt.datetime, float], ...] = ()


def order(score: float, better: Better) -> float:
    """What scores are sorted by, ascending, so that the best stands first."""
    return -score if better == "higher" else score


def document(
    project: str, rules: Rules, lines: Iterable[TeamLine], updated: dt.datetime
) -> dict[str, Any]:
    """The board as data: best first, equal scores share a rank, who came first stands first.

    A team whose entry has no record, or one of other held-out data, has no intervals.
    """
    ordered = sorted(
        lines, key=lambda line: (order(_shown(line.best), rules.better), line.best_at, line.team)
    )
    evidence = _evidence(rules.evidence, ordered)
    found = _ranking(rules, ordered, evidence)
    entries: list[dict[str, Any]] = []
    for place, line in enumerate(ordered, start=1):
        score = _shown(line.best)
        tied = bool(entries) and entries[-1]["score"] == score
        rank = entries[-1]["rank"] if tied else place
        entries.append(
            {
                "rank": rank,
                "team": line.team,
                "score": score,
                "submissions": line.submissions,
                "submitted": _instant(line.best_at),
                "note": line.note,
                "job": line.job,
                "image": short(line.image),
                **_standing(line, rank, ordered, found, rules),
                "classes": _classes(rules.evidence, evidence.get(line.team)),
            }
        )
    return {
        "project": project,
        "metric": rules.metric,
        "better": rules.better,
        "hint": rules.hint,
        "scored_on": rules.scored_on,
        "updated": _instant(updated),
        "units": {"count": found.units, "name": rules.evidence.unit if rules.evidence else ""},
        "narrow": found.units > 0 and found.narrow,
        "replicates": found.replicates,
        "limit_per_day": rules.limit_per_day,
        "classes": list(rules.evidence.classes) if rules.evidence else [],
        "lines": [
            {"name": line.name, "score": _shown(line.score), "kind": _kind(line.name)}
            for line in rules.lines
        ],
        "entries": entries,
        "history": _history(ordered),
    }


def _standing(
    line: TeamLine, rank: int, lines: Sequence[TeamLine], found: ranking.Ranking, rules: Rules
) -> dict[str, Any]:
    """What is known of a team's rank beside the rank itself."""
    standing = found.teams.get(line.team)
    score = order(_shown(line.best), rules.better)
    others = {
        other.team: order(_shown(other.best), rules.better)
        for other in lines
        if other.team not in found.teams or standing is None
    }
    equal = {team for team, shown in others.items() if team != line.team and shown == score}
    if standing is None:
        return {
            "score_low": None,
            "score_high": None,
            "rank_low": rank,
            "rank_high": rank,
            "tied_with": sorted(equal),
            "gap_closed": None,
            "near_expert": False,
        }
    gap = standing.gap_closed
    least, most = rules.evidence.bounds if rules.evidence else (-math.inf, math.inf)
    return {
        "score_low": _shown(max(least, standing.score.low)),
        "score_high": _shown(min(most, standing.score.high)),
        # Teams without intervals stand where their score puts them.
        "rank_low": standing.rank_low + sum(shown < score for shown in others.values()),
        "rank_high": standing.rank_high + sum(shown <= score for shown in others.values()),
        "tied_with": sorted({*standing.tied_with, *equal}),
        "gap_closed": gap
        and {"value": _shown(gap.value), "low": _shown(gap.low), "high": _shown(gap.high)},
        "near_expert": standing.near_expert,
    }


def _evidence(evidence: Evidence | None, lines: Sequence[TeamLine]) -> dict[str, Units]:
    """What each team's score rests on, where all rest on the same units: those of the entry that
    came last. An older one may be of held-out data that were replaced since."""
    if evidence is None:
        return {}
    newest_first = sorted(lines, key=lambda line: (line.best_at, line.team), reverse=True)
    found: dict[str, Units] = {}
    reference: set[str] = set()
    for line in newest_first:
        units = evidence.units(line.record, "public")
        reference = reference or set(units)
        if len(units) >= 2 and set(units) == reference:
            found[line.team] = units
    return found


def _ranking(
    rules: Rules, lines: Sequence[TeamLine], evidence: Mapping[str, Units]
) -> ranking.Ranking:
    if rules.evidence is None or not evidence:
        return ranking.Ranking({}, 0, ranking.REPLICATES)
    units = set(next(iter(evidence.values())))
    marks = {
        kind: next(
            (x.units for x in rules.lines if _kind(x.name) == kind and set(x.units) == units), None
        )
        for kind in ("baseline", "expert")
    }
    digests = sorted(line.digest for line in lines if line.team in evidence)
    seed = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return _ranked(
        rules.evidence,
        rules.better,
        seed,
        tuple((line.team, line.record) for line in lines if line.team in evidence),
        *(None if mark is None else _frozen(mark) for mark in marks.values()),
    )


Frozen = tuple[tuple[str, tuple[float, ...]], ...]


def _frozen(units: Units) -> Frozen:
    return tuple((name, tuple(units[name])) for name in sorted(units))


@lru_cache(maxsize=4)
def _ranked(
    evidence: Evidence,
    better: Better,
    seed: str,
    records: tuple[tuple[str, bytes], ...],
    baseline: Frozen | None,
    expert: Frozen | None,
) -> ranking.Ranking:
    """Remembered: most entries change no shown score, and at a deadline one scorer has many."""
    return ranking.rank(
        {team: evidence.units(record, "public") for team, record in records},
        evidence.score_of,
        better,
        seed=seed,
        baseline=None if baseline is None else dict(baseline),
        expert=None if expert is None else dict(expert),
        digits=DIGITS,
    )


def _classes(evidence: Evidence | None, units: Units | None) -> dict[str, float]:
    if evidence is None or units is None:
        return {}
    of_classes = evidence.classes_of(ranking.summed(list(units.values())))
    return {name: round(score, _CLASS_DIGITS) for name, score in of_classes.items()}


def _history(lines: Iterable[TeamLine]) -> list[dict[str, Any]]:
    moves = [
        (at, line.team, score)
        for line in lines
        # Of a team from before moves were kept, the shown one is known.
        for at, score in line.moves or ((line.best_at, line.best),)
    ]
    return [
        {"team": team, "at": _instant(at), "score": _shown(score)}
        for at, team, score in sorted(moves)[-HISTORY:]
    ]


def _kind(name: str) -> str:
    prefix = name.partition(":")[0].strip().lower()
    return prefix if prefix in _KINDS else "other"


def _shown(score: float) -> float:
    return round(score, DIGITS)


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
