"""Which two entries of each team decide, and the final standings.

A team is judged by the better private score of two entries: those that it selected before the
close, filled up by its best ones on the public part. Their public score is the true one, not what
the board showed. Late, disqualified and faulty entries never count.

Pure: what it needs of the table is passed in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from infra.services.competition.board import Row, Rules, marks, order, shown, standings
from infra.services.competition.entry import Entry
from infra.services.competition.projects.project import Better
from infra.services.competition.provenance import short

#: So many entries of a team decide.
CHOSEN = 2
#: So many teams that moved far are named.
NAMED = 5

How = Literal["team", "auto", "mixed"]


@dataclass(frozen=True)
class Selection:
    """The entries, by digest, that a team wants to be judged by."""

    entries: tuple[str, ...]
    received: dt.datetime
    learner: str


@dataclass(frozen=True)
class Finalist:
    """A team at the close: the entry that counts, who chose the two that it is the better of, and
    a better private score that was not chosen, if there is one."""

    entry: Entry
    chosen: How
    missed: float | None = None


def chosen(
    entries: Iterable[Entry],
    selection: Selection | None,
    better: Better,
    out: Collection[str] = (),
) -> tuple[Entry, ...]:
    """The two entries of a team that decide; fewer if it has fewer that count.

    Args:
        entries: the team's.
        out: the keys of `State.out`.
    """
    best_first = _counting(entries, better, out)
    selected = _selected(best_first, selection)
    rest = [entry for entry in best_first if entry not in selected]
    return (*selected, *rest)[:CHOSEN]


def finalists(
    entries: Iterable[Entry],
    selections: Mapping[str, Selection],
    better: Better,
    out: Collection[str] = (),
) -> dict[str, Finalist]:
    """Each team that has an entry that counts, with the one that it is judged by."""
    by_team: dict[str, list[Entry]] = {}
    for entry in entries:
        by_team.setdefault(entry.team, []).append(entry)
    found = {}
    for team, own in sorted(by_team.items()):
        counting = _counting(own, better, out)
        if not counting:
            continue
        selection = selections.get(team)
        two = chosen(own, selection, better, out)

        def place(entry: Entry) -> tuple[float, dt.datetime, str]:
            return order(entry.private_score, better), entry.received, entry.key

        counted, best = min(two, key=place), min(counting, key=place)
        missed = order(shown(best.private_score), better) < order(
            shown(counted.private_score), better
        )
        selected = len(_selected(counting, selection))
        how: How = "auto" if not selected else "team" if selected == len(two) else "mixed"
        found[team] = Finalist(counted, how, best.private_score if missed else None)
    return found


def final(
    rules: Rules, teams: Mapping[str, Finalist], public: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The final standings, for the board's document.

    Args:
        teams: the finalists; their entries have their records.
        public: the public board's entries. A team that is not among them is left out.
    """
    before = {str(entry["team"]): entry for entry in public}
    rows = [
        Row(
            team,
            finalist.entry.private_score,
            finalist.entry.received,
            finalist.entry.digest,
            finalist.entry.record,
        )
        for team, finalist in teams.items()
        if team in before
    ]
    found = standings(rules, rows, "private")
    entries = [
        {
            **entry,
            **_moved(entry, before[entry["team"]]),
            **_told(teams[entry["team"]]),
        }
        for entry in found.entries
    ]
    return {
        "units": found.units,
        "narrow": found.narrow,
        "lines": marks(rules.lines, "private"),
        "entries": entries,
        "explained": explained(entries),
    }


def explained(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What happened between the public board and the final, in sentences."""
    if not entries:
        return ["No team has an entry that counts."]
    return [_lead(entries), *_shake_up(entries), *_missed(entries)]


def _lead(entries: Sequence[Mapping[str, Any]]) -> str:
    first = [str(entry["team"]) for entry in entries if entry["rank"] == 1]
    beside = {name for entry in entries if entry["rank"] == 1 for name in entry["tied_with"]}
    others = sorted(beside - set(first))
    lead = f"{_and(first)} {'lead' if len(first) > 1 else 'leads'} on the private part"
    if not others:
        return f"{lead}."
    count = len(others)
    named = _and(others) if count <= NAMED else f"{count} other teams"
    return f"{lead}, and cannot be told apart from {named} by what is held out."


def _shake_up(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    moved = [entry for entry in entries if entry["change"]]
    if len(entries) == 1:
        return []
    if not moved:
        return ["No team changed its place between the public board and the final."]
    found = [
        f"{len(moved)} of {len(entries)} teams changed place between the public board and the "
        f"final."
    ]
    if not any(entry["judged"] for entry in moved):
        return [*found, "How much of that is chance is not known: there are no intervals."]
    far = [entry for entry in moved if not entry["within_noise"]]
    near = len(moved) - len(far)
    because = "on the two parts the intervals of the rank overlap"
    if not far:
        found.append(f"Chance alone explains {_all(near)}: {because}.")
    elif near:
        found.append(f"Chance alone explains {near} of these moves: {because}.")
    far.sort(key=lambda entry: (-abs(entry["change"]), entry["rank"]))
    found += [
        f"{entry['team']} went {'up' if entry['change'] > 0 else 'down'} from rank "
        f"{entry['public_rank']} to {entry['rank']}, further than chance explains."
        for entry in far[:NAMED]
    ]
    if len(far) > NAMED:
        found.append(f"So did {len(far) - NAMED} more: their moves are marked in the table.")
    return found


def _missed(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    count = sum(entry["missed"] is not None for entry in entries)
    if not count:
        return []
    return [
        f"{count} {'team' if count == 1 else 'teams'} had an entry with a better private score "
        f"than the two that decided. Nobody could know: the private part was sealed."
    ]


def _moved(entry: Mapping[str, Any], public: Mapping[str, Any]) -> dict[str, Any]:
    judged = entry["score_low"] is not None and public["score_low"] is not None
    overlap = entry["rank_low"] <= public["rank_high"] and public["rank_low"] <= entry["rank_high"]
    return {
        "public_rank": public["rank"],
        "public_score": public["score"],
        "change": public["rank"] - entry["rank"],
        # Without intervals nothing can be held against chance.
        "within_noise": overlap or not judged,
        "judged": judged,
    }


def _told(finalist: Finalist) -> dict[str, Any]:
    entry = finalist.entry
    return {
        "chosen": finalist.chosen,
        "entry": entry.digest[:12],
        "note": entry.note,
        "job": entry.job,
        "image": short(entry.image),
        "missed": None if finalist.missed is None else shown(finalist.missed),
    }


def _counting(entries: Iterable[Entry], better: Better, out: Collection[str]) -> list[Entry]:
    """Those that may count, the best on the public part first."""
    return sorted(
        (
            entry
            for entry in entries
            if not entry.late
            and not entry.fault
            and entry.team not in out
            and f"{entry.team}/{entry.digest}" not in out
        ),
        key=lambda entry: (order(entry.public_score, better), entry.received, entry.key),
    )


def _selected(entries: Sequence[Entry], selection: Selection | None) -> list[Entry]:
    by_digest = {entry.digest: entry for entry in entries}
    wanted = dict.fromkeys(selection.entries if selection else ())
    return [by_digest[digest] for digest in wanted if digest in by_digest][:CHOSEN]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _all(count: int) -> str:
    return "this move" if count == 1 else "all of these moves"
