"""Which entries decide, who wins, and how the move from the public board is told."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import board
from infra.services.competition.entry import Entry, TeamLine
from infra.services.competition.final import (
    Finalist,
    Selection,
    chosen,
    explained,
    final,
    finalists,
)
from infra.services.competition.projects.climate_series import ClimateSeries, record
from infra.services.competition.projects.project import Line

AT = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
SERIES = ClimateSeries()
RULES = board.Rules("m", "lower", "h", "months", (), evidence=SERIES)


def entry(
    name: str, public: float, private: float, minutes: int = 0, team: str = "owl", **more: Any
) -> Entry:
    at = AT + dt.timedelta(minutes=minutes)
    key = f"submissions/climate-series/{team}/{name}.csv"
    digest = name.ljust(64, "0")
    return Entry(
        "climate-series", team, digest, key, at, public, private, f"note {name}", "ana", "", **more
    )


def selected(*names: str) -> Selection:
    return Selection(tuple(name.ljust(64, "0") for name in names), AT, "ana")


A = entry("a", 0.9, 0.5)
B = entry("b", 0.8, 0.6, 1)
C = entry("c", 0.7, 0.7, 2)
D = entry("d", 0.6, 0.8, 3)
ALL = [A, B, C, D]


# --- which two ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("selection", "better", "expected"),
    [
        (None, "lower", (D, C)),
        (None, "higher", (A, B)),
        (selected(), "lower", (D, C)),
        (selected("a"), "lower", (A, D)),
        (selected("d"), "lower", (D, C)),
        (selected("a", "b"), "lower", (A, B)),
        (selected("a", "a"), "lower", (A, D)),
        (selected("f"), "lower", (D, C)),
        (selected("a", "b", "c"), "lower", (A, B)),
    ],
)
def test_the_selected_decide_filled_up_by_the_best_public(
    selection: Selection | None, better: Any, expected: tuple[Entry, ...]
) -> None:
    assert chosen(ALL, selection, better) == expected
    assert chosen(ALL[::-1], selection, better) == expected


def test_a_team_with_one_entry_is_judged_by_it() -> None:
    assert chosen([A], selected("a"), "lower") == (A,)
    assert chosen([], selected("a"), "lower") == ()


def test_of_equal_public_scores_the_earlier_decides() -> None:
    same = [entry(name, 0.5, 0.5, minutes) for name, minutes in (("x", 9), ("y", 3), ("z", 6))]
    assert chosen(same, None, "lower") == (same[1], same[2])


def test_what_does_not_count_is_never_chosen_selected_or_not() -> None:
    late, faulty = entry("e", 0.1, 0.1, late=True), entry("f", 0.1, 0.1, fault="wrong")
    out = {f"owl/{D.digest}": "copied"}
    everything = [*ALL, late, faulty]
    assert chosen(everything, None, "lower", out) == (C, B)
    assert chosen(everything, selected("e", "f"), "lower", out) == (C, B)
    assert chosen(everything, selected("d", "a"), "lower", out) == (A, C)
    assert chosen(everything, selected("a"), "lower", {"owl": "x"}) == ()
    assert chosen(everything, None, "lower", {"owl-2": "x"}) == (D, C)


_ENTRIES = st.lists(
    st.builds(
        entry,
        st.text("abcdef", min_size=4, max_size=4),
        st.floats(0, 2),
        st.floats(0, 2),
        st.integers(0, 9),
        late=st.booleans(),
        fault=st.sampled_from(["", "x"]),
    ),
    max_size=8,
    unique_by=lambda each: each.digest,
)


@given(_ENTRIES, st.data())
def test_at_most_two_count_and_the_better_private_of_them_wins(entries: Any, data: Any) -> None:
    wanted = data.draw(st.lists(st.sampled_from([e.digest for e in entries] or ["x"]), max_size=2))
    two = chosen(entries, Selection(tuple(wanted), AT, "ana"), "higher")
    counting = [e for e in entries if not e.late and not e.fault]
    assert len(two) == len({e.digest for e in two}) == min(2, len(counting))
    assert all(e in counting for e in two)
    assert all(e in two for e in counting if e.digest in wanted)
    found = finalists(entries, {"owl": Selection(tuple(wanted), AT, "ana")}, "higher")
    if counting:
        [finalist] = found.values()
        assert finalist.entry in two
        assert finalist.entry.private_score == max(e.private_score for e in two)
    else:
        assert found == {}


# --- finalists ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("selection", "counted", "how", "missed"),
    [
        (None, C, "auto", 0.5),
        (selected("b"), B, "mixed", 0.5),
        (selected("b", "c"), B, "team", 0.5),
        (selected("a"), A, "mixed", None),
        (selected("a", "d"), A, "team", None),
        (selected("z"), C, "auto", 0.5),
    ],
)
def test_a_finalist_is_the_better_private_of_two_and_says_who_chose(
    selection: Selection | None, counted: Entry, how: Any, missed: float | None
) -> None:
    selections = {} if selection is None else {"owl": selection}
    assert finalists(ALL, selections, "lower") == {"owl": Finalist(counted, how, missed)}


def test_a_selected_single_entry_is_the_teams_choice() -> None:
    assert finalists([A], {"owl": selected("a")}, "lower")["owl"].chosen == "team"


def test_a_better_entry_by_less_than_is_shown_was_not_missed() -> None:
    entries = [entry("a", 0.5, 0.5004), entry("b", 0.5, 0.5003, 1), entry("c", 0.9, 0.5001, 2)]
    found = finalists(entries, {}, "lower")["owl"]
    assert (found.entry, found.missed) == (entries[1], None)


def test_each_team_is_judged_by_its_own() -> None:
    other = entry("x", 0.3, 0.2, team="jay")
    late = entry("y", 0.3, 0.2, team="kite", late=True)
    found = finalists([*ALL, other, late], {"jay": selected("a")}, "lower", {"heron": "x"})
    assert {team: each.entry for team, each in found.items()} == {"owl": C, "jay": other}
    assert found["jay"].chosen == "auto", "another team's entry cannot be selected"


# --- the standings --------------------------------------------------------------------------------
def logs(of: float, series: int = 12) -> dict[str, float]:
    """Logarithms of ratios about `of`, which differ from series to series as all models' do."""
    return {f"s{at:02}": of + (at % 5) / 10 + (at * 7 % 3) / 500 for at in range(series)}


def team(name: str, public: float, private: float, **more: Any) -> tuple[TeamLine, Entry]:
    """A team whose one entry has these logarithmic ratios."""
    kept = record({"public": logs(public), "private": logs(private)})

    def score(part: Any) -> float:
        units = SERIES.units(kept, part).values()
        return SERIES.score_of([sum(column) for column in zip(*units, strict=True)])

    one = entry(f"{name}1", score("public"), score("private"), team=name, record=kept, **more)
    line = TeamLine(name, one.public_score, AT, "", 1, 1, digest=one.digest, record=kept)
    return line, one


def close(*teams: tuple[TeamLine, Entry], rules: board.Rules = RULES, **more: Any) -> Any:
    public = board.document("climate-series", rules, [line for line, _ in teams], AT, **more)
    found = finalists([e for _, e in teams], {}, "lower")
    return final(rules, found, public["entries"])


def test_the_private_part_ranks_and_says_where_each_came_from() -> None:
    found = close(team("owl", -0.5, -0.1), team("jay", -0.3, -0.9), team("kite", 0.0, 0.0))
    rows = [(e["rank"], e["team"], e["public_rank"], e["change"]) for e in found["entries"]]
    assert rows == [(1, "jay", 2, 1), (2, "owl", 1, -1), (3, "kite", 3, 0)]
    first = found["entries"][0]
    assert first["score_low"] <= first["score"] <= first["score_high"]
    assert (first["rank_low"], first["rank_high"], first["tied_with"]) == (1, 1, [])
    assert (first["entry"], first["note"]) == ("jay100000000", "note jay1")
    assert found["units"] == {"count": 12, "name": "series"}
    assert found["narrow"] is True


def test_a_move_beyond_both_intervals_is_not_chance_and_is_told() -> None:
    found = close(team("owl", -0.5, -0.1), team("jay", -0.3, -0.9), team("kite", 0.0, 0.0))
    assert [e["within_noise"] for e in found["entries"]] == [False, False, True]
    assert found["explained"] == [
        "jay leads on the private part.",
        "2 of 3 teams changed place between the public board and the final.",
        "jay went up from rank 2 to 1, further than chance explains.",
        "owl went down from rank 1 to 2, further than chance explains.",
    ]


def test_moves_of_teams_that_cannot_be_told_apart_are_chance() -> None:
    def wobbling(name: str, public: list[float], private: list[float]) -> Any:
        """Ratios that scatter far more than these two teams differ on either part."""
        means = {"public": public, "private": private}
        parts = {
            part: {
                series: value + scatter[at % 2]
                for at, (series, value) in enumerate(logs(0).items())
            }
            for part, scatter in means.items()
        }
        kept = record(parts)
        scores = [SERIES.score_of([sum(values.values()), len(values)]) for values in parts.values()]
        one = entry(name, *scores, team=name, record=kept)
        return TeamLine(name, scores[0], AT, "", 1, 1, digest=one.digest, record=kept), one

    found = close(
        wobbling("owl", [-0.31, 0.3], [-0.3, 0.31]),
        wobbling("jay", [0.3, -0.3], [0.3, -0.3]),
        team("far", 2.0, 2.0),
    )
    rows = [(e["team"], e["change"], e["rank_low"], e["rank_high"]) for e in found["entries"]]
    assert rows == [("jay", 1, 1, 2), ("owl", -1, 1, 2), ("far", 0, 3, 3)]
    assert [e["within_noise"] for e in found["entries"]] == [True, True, True]
    assert found["explained"] == [
        "jay leads on the private part, and cannot be told apart from owl by what is held out.",
        "2 of 3 teams changed place between the public board and the final.",
        "Chance alone explains all of these moves: on the two parts the intervals of the rank "
        "overlap.",
    ]


def test_without_intervals_no_move_is_held_against_a_team() -> None:
    rules = board.Rules("m", "lower", "h", "months", ())
    found = close(team("owl", -0.5, -0.1), team("jay", -0.3, -0.9), rules=rules)
    assert [e["within_noise"] for e in found["entries"]] == [True, True]
    assert found["explained"][1:] == [
        "2 of 2 teams changed place between the public board and the final.",
        "How much of that is chance is not known: there are no intervals.",
    ]
    assert found["units"] == {"count": 0, "name": ""}


def test_lines_stand_where_the_private_part_puts_them() -> None:
    def mark(name: str, public: float, private: float | None) -> Line:
        units = {n: (v, 1.0) for n, v in logs(-1.0 if name == "expert" else 0.5).items()}
        return Line(name, public, units, private, units if private is not None else {})

    rules = board.Rules(
        "m",
        "lower",
        "h",
        "months",
        (mark("baseline", 1.9, 1.8), mark("expert", 0.4, 0.3), mark("floor: x", 1.0, None)),
        evidence=SERIES,
    )
    found = close(team("owl", -0.5, -0.25), rules=rules)
    assert found["lines"] == [
        {"name": "baseline", "score": 1.8, "kind": "baseline"},
        {"name": "expert", "score": 0.3, "kind": "expert"},
    ]
    gap = found["entries"][0]["gap_closed"]
    # A ratio: by its logarithm half of the way from baseline to expert.
    assert gap["value"] == pytest.approx(0.5)
    bare = close(team("owl", -0.5, -0.25))
    assert (bare["lines"], bare["entries"][0]["gap_closed"]) == ([], None)


def test_equal_scores_share_a_rank_and_a_team_off_the_public_board_is_left_out() -> None:
    twins = [team("owl", -0.5, -0.4), team("jay", -0.6, -0.4)]
    found = close(*twins, team("kite", 0.0, 0.0))
    assert [e["rank"] for e in found["entries"]] == [1, 1, 3]
    assert (
        found["explained"][0] == "owl and jay lead on the private part."
        or found["explained"][0] == "jay and owl lead on the private part."
    )
    out = board.Course(out={"kite": "copied"})
    fewer = close(*twins, team("kite", -2.0, -2.0), course=out)
    assert [e["team"] for e in fewer["entries"]] == [e["team"] for e in found["entries"][:2]]
    assert close()["entries"] == []
    assert close()["explained"] == ["No team has an entry that counts."]


def test_a_lone_team_has_nobody_to_change_places_with() -> None:
    assert close(team("owl", 0.0, 0.0))["explained"] == ["owl leads on the private part."]


# --- in words -------------------------------------------------------------------------------------
def told(at: int, change: int = 0, *, near: bool = True, missed: float | None = None) -> Any:
    return {
        "rank": at,
        "team": f"team-{at}",
        "tied_with": [],
        "public_rank": at + change,
        "change": change,
        "within_noise": near,
        "judged": True,
        "missed": missed,
    }


@pytest.mark.parametrize(
    ("entries", "sentences"),
    [
        (
            [told(1), told(2)],
            ["No team changed its place between the public board and the final."],
        ),
        (
            [told(1, 1), told(2, -1), told(3)],
            [
                "2 of 3 teams changed place between the public board and the final.",
                "Chance alone explains all of these moves: on the two parts the intervals of the "
                "rank overlap.",
            ],
        ),
        (
            [told(1, 1), told(2, 3, near=False), told(3)],
            [
                "2 of 3 teams changed place between the public board and the final.",
                "Chance alone explains 1 of these moves: on the two parts the intervals of the "
                "rank overlap.",
                "team-2 went up from rank 5 to 2, further than chance explains.",
            ],
        ),
        (
            [told(1, missed=0.3), told(2, missed=0.2), told(3)],
            [
                "No team changed its place between the public board and the final.",
                "2 teams had an entry with a better private score than the two that decided. "
                "Nobody could know: the private part was sealed.",
            ],
        ),
    ],
)
def test_the_shake_up_in_words(entries: Any, sentences: list[str]) -> None:
    assert explained(entries) == ["team-1 leads on the private part.", *sentences]


def test_of_many_that_moved_far_the_farthest_are_named() -> None:
    found = explained([told(at, 10 + at, near=False) for at in range(1, 9)])
    assert [text.split()[0] for text in found[2:7]] == [f"team-{at}" for at in (8, 7, 6, 5, 4)]
    assert found[7] == "So did 3 more: their moves are marked in the table."


def test_of_many_that_the_first_is_tied_with_the_number_is_told() -> None:
    entries = [told(1) | {"tied_with": [f"team-{at}" for at in range(2, 12)]}, told(2)]
    assert explained(entries)[0] == (
        "team-1 leads on the private part, and cannot be told apart from 10 other teams by what "
        "is held out."
    )
