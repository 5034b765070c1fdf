"""The leaderboard as data: who stands where, how sure that is, and by what rules."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from infra.services.competition import ranking
from infra.services.competition.entry import TeamLine as TeamLine
from infra.services.competition.ladder import DIGITS as DIGITS
from infra.services.competition.projects.project import Better, Evidence, Line, Part, Units
from infra.services.competition.provenance import short
from infra.services.competition.state import Phase

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
class Course:
    """Where the competition stands: its phase and dates, `reason` of a freeze, who is `out` (as in
    `State.out`), and how many entries of today each team has `used`."""

    phase: Phase = "open"
    opens: dt.datetime | None = None
    closes: dt.datetime | None = None
    reason: str = ""
    out: Mapping[str, str] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What a team stands with on a part: the score, since when, and what it rests on."""

    team: str
    score: float
    at: dt.datetime
    digest: str
    record: bytes


@dataclass(frozen=True)
class Standings:
    """The teams of a part, best first, each with its rank and how sure that is; and of how many
    units that is known."""

    entries: tuple[dict[str, Any], ...]
    units: dict[str, Any]
    narrow: bool
    replicates: int


def order(score: float, better: Better) -> float:
    """What scores are sorted by, ascending, so that the best stands first."""
    return -score if better == "higher" else score


def document(
    project: str,
    rules: Rules,
    lines: Iterable[TeamLine],
    updated: dt.datetime,
    course: Course | None = None,
    final: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The board as data: best first, equal scores share a rank, who came first stands first.

    A team whose entry has no record, or one of other held-out data, has no intervals. Teams and
    entries that are out are not among them. `final` is what `final.final` says, after the close.
    """
    course = course or Course()
    by_team = {
        line.team: line
        for line in lines
        if line.team not in course.out and f"{line.team}/{line.digest}" not in course.out
    }
    rows = [
        Row(line.team, line.best, line.best_at, line.digest, line.record)
        for line in by_team.values()
    ]
    found = standings(rules, rows, "public")
    entries = [{**entry, **_told(by_team[entry["team"]], rules, course)} for entry in found.entries]
    return {
        "project": project,
        "metric": rules.metric,
        "better": rules.better,
        "hint": rules.hint,
        "scored_on": rules.scored_on,
        "updated": _instant(updated),
        "day": updated.astimezone(dt.UTC).date().isoformat(),
        "phase": course.phase,
        "opens": _instant(course.opens) if course.opens else "",
        "closes": _instant(course.closes) if course.closes else "",
        "reason": course.reason,
        "units": found.units,
        "narrow": found.narrow,
        "replicates": found.replicates,
        "limit_per_day": rules.limit_per_day,
        "classes": list(rules.evidence.classes) if rules.evidence else [],
        "lines": marks(rules.lines, "public"),
        "entries": entries,
        "out": [
            {"team": team, "reason": reason}
            for team, reason in sorted(course.out.items())
            if "/" not in team
        ],
        "out_entries": [
            {"team": place.partition("/")[0], "entry": place.partition("/")[2][:12], "reason": why}
            for place, why in sorted(course.out.items())
            if "/" in place
        ],
        "history": _history(by_team[entry["team"]] for entry in entries),
        **({} if final is None else {"final": dict(final)}),
    }


def _told(line: TeamLine, rules: Rules, course: Course) -> dict[str, Any]:
    """What is told of a team's entry beside where it stands."""
    several = line.instances > 1 and line.instance
    return {
        "submissions": line.submissions,
        "submitted": _instant(line.best_at),
        "note": line.note,
        "job": line.job,
        "image": short(line.image),
        "left_today": max(0, rules.limit_per_day - course.used.get(line.team, 0)),
        "cost_micro_usd": line.cost,
        "gpu_hours": line.gpu_hours,
        "instance": f"{line.instances} x {line.instance}" if several else line.instance,
        "also": _also(line.also),
    }


def _also(also: Mapping[str, float]) -> dict[str, float]:
    return {name: shown(value) for name, value in also.items()}


def marks(lines: Iterable[Line], part: Part) -> list[dict[str, Any]]:
    """The fixed marks of a part; those that it does not know are left out."""
    scores = ((line, line.score if part == "public" else line.private) for line in lines)
    return [
        {
            "name": line.name,
            "score": shown(score),
            "kind": kind(line.name),
            # Of the private part no more is told than the score.
            **({"also": _also(line.also)} if line.also and part == "public" else {}),
        }
        for line, score in scores
        if score is not None
    ]


def standings(rules: Rules, rows: Iterable[Row], part: Part) -> Standings:
    """Where teams stand on `part`; of equal scores who came first stands first."""
    ordered = sorted(
        rows, key=lambda row: (order(shown(row.score), rules.better), row.at, row.team)
    )
    evidence = _evidence(rules.evidence, ordered, part)
    found = _ranking(rules, ordered, evidence, part)
    entries: list[dict[str, Any]] = []
    for place, row in enumerate(ordered, start=1):
        score = shown(row.score)
        tied = bool(entries) and entries[-1]["score"] == score
        rank = entries[-1]["rank"] if tied else place
        entries.append(
            {
                "rank": rank,
                "team": row.team,
                "score": score,
                **_standing(row, rank, ordered, found, rules),
                "classes": _classes(rules.evidence, evidence.get(row.team)),
            }
        )
    name = rules.evidence.unit if rules.evidence else ""
    return Standings(
        entries=tuple(entries),
        units={"count": found.units, "name": name},
        narrow=found.units > 0 and found.narrow,
        replicates=found.replicates,
    )


def _standing(
    row: Row, rank: int, rows: Sequence[Row], found: ranking.Ranking, rules: Rules
) -> dict[str, Any]:
    """What is known of a team's rank beside the rank itself."""
    standing = found.teams.get(row.team)
    score = order(shown(row.score), rules.better)
    others = {
        other.team: order(shown(other.score), rules.better)
        for other in rows
        if other.team not in found.teams or standing is None
    }
    equal = {team for team, its in others.items() if team != row.team and its == score}
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
        "score_low": shown(max(least, standing.score.low)),
        "score_high": shown(min(most, standing.score.high)),
        # Teams without intervals stand where their score puts them.
        "rank_low": standing.rank_low + sum(its < score for its in others.values()),
        "rank_high": standing.rank_high + sum(its <= score for its in others.values()),
        "tied_with": sorted({*standing.tied_with, *equal}),
        "gap_closed": gap
        and {"value": shown(gap.value), "low": shown(gap.low), "high": shown(gap.high)},
        "near_expert": standing.near_expert,
    }


def _evidence(evidence: Evidence | None, rows: Sequence[Row], part: Part) -> dict[str, Units]:
    """What each team's score rests on, where all rest on the same units: those of the entry that
    came last. An older one may be of held-out data that were replaced since."""
    if evidence is None:
        return {}
    newest_first = sorted(rows, key=lambda row: (row.at, row.team), reverse=True)
    found: dict[str, Units] = {}
    reference: set[str] = set()
    for row in newest_first:
        units = evidence.units(row.record, part)
        reference = reference or set(units)
        if len(units) >= 2 and set(units) == reference:
            found[row.team] = units
    return found


def _ranking(
    rules: Rules, rows: Sequence[Row], evidence: Mapping[str, Units], part: Part
) -> ranking.Ranking:
    if rules.evidence is None or not evidence:
        return ranking.Ranking({}, 0, ranking.REPLICATES)
    units = set(next(iter(evidence.values())))

    def mark(which: str) -> Frozen | None:
        of_kind = (line for line in rules.lines if kind(line.name) == which)
        known = (line.units if part == "public" else line.private_units for line in of_kind)
        found = next((each for each in known if set(each) == units), None)
        return None if found is None else _frozen(found)

    digests = sorted(row.digest for row in rows if row.team in evidence)
    seed = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return _ranked(
        rules.evidence,
        rules.better,
        part,
        seed,
        tuple((row.team, row.record) for row in rows if row.team in evidence),
        mark("baseline"),
        mark("expert"),
    )


Frozen = tuple[tuple[str, tuple[float, ...]], ...]


def _frozen(units: Units) -> Frozen:
    return tuple((name, tuple(units[name])) for name in sorted(units))


@lru_cache(maxsize=8)
def _ranked(
    evidence: Evidence,
    better: Better,
    part: Part,
    seed: str,
    records: tuple[tuple[str, bytes], ...],
    baseline: Frozen | None,
    expert: Frozen | None,
) -> ranking.Ranking:
    """Remembered: most entries change no shown score, and at a deadline one scorer has many."""
    return ranking.rank(
        {team: evidence.units(record, part) for team, record in records},
        evidence.score_of,
        better,
        seed=seed,
        baseline=None if baseline is None else dict(baseline),
        expert=None if expert is None else dict(expert),
        digits=DIGITS,
        scale=evidence.scale,
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
        {"team": team, "at": _instant(at), "score": shown(score)}
        for at, team, score in sorted(moves)[-HISTORY:]
    ]


def kind(name: str) -> str:
    """What a line is, by the first word of its name: "expert: a forest of trees"."""
    prefix = name.partition(":")[0].strip().lower()
    return prefix if prefix in _KINDS else "other"


def shown(score: float) -> float:
    """As it is shown."""
    return round(score, DIGITS)


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
