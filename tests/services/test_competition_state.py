"""What admins may decide of a competition, and what is recorded of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import state as verbs
from infra.services.competition.problems import Misconfigured
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.state import Act, State

SETTINGS = CompetitionSettings(
    cohort="earth",
    projects=("land-cover",),
    starts=dt.date(2026, 11, 30),
    closes=dt.date(2027, 3, 15),
    submissions_per_day=5,
    region="us-east-1",
)
OPENS = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
CLOSES = dt.datetime(2027, 3, 16, tzinfo=dt.UTC)
EARLY, MIDDLE, LATE = (
    dt.datetime(*day, 12, tzinfo=dt.UTC) for day in ((2026, 11, 1), (2027, 1, 9), (2027, 4, 1))
)
WHO = "arn:aws:iam::123456789012:user/shelley"
DIGEST = "ab" * 32


def do(verb: Callable[..., Any], state: State, at: dt.datetime, **more: Any) -> State:
    after, act = verb(state, SETTINGS, at=at, who=WHO, why="because", **more)
    assert (act.before, act.after) == (state.to_json(), after.to_json())
    assert after.version == state.version + 1
    return after


FROZEN = do(verbs.freeze, State(), MIDDLE)
CLOSED = do(verbs.close, State(), MIDDLE)


# --- settings -------------------------------------------------------------------------------------
def test_the_settings_say_the_region_whose_prices_count() -> None:
    members = {
        "version": 1,
        "cohort": "earth",
        "region": "eu-central-1",
        "projects": ["land-cover"],
        "starts": "2026-11-30",
        "competition": {"closes": "2027-03-15", "submissions_per_day": 5},
    }
    found = CompetitionSettings.from_json(json.dumps(members))
    assert (found.region, found.opens_at, found.closes_at) == ("eu-central-1", OPENS, CLOSES)
    del members["region"]
    with pytest.raises(Misconfigured, match="region"):
        CompetitionSettings.from_json(json.dumps(members))


# --- phases ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "now", "phase"),
    [
        (State(), OPENS - dt.timedelta(microseconds=1), "before"),
        (State(), OPENS, "open"),
        (State(), CLOSES - dt.timedelta(microseconds=1), "open"),
        (State(), CLOSES, "closed"),
        (State(opens_at=EARLY), EARLY, "open"),
        (State(closes_at=MIDDLE), MIDDLE, "closed"),
        (State(closes_at=LATE), CLOSES, "open"),
        (FROZEN, EARLY, "before"),
        (FROZEN, MIDDLE, "frozen"),
        # What was wrong with it would be its result.
        (FROZEN, LATE, "frozen"),
    ],
)
def test_where_a_competition_stands(state: State, now: dt.datetime, phase: str) -> None:
    assert state.phase(SETTINGS, now) == phase


def test_dates_are_the_cohorts_until_an_admin_says_otherwise() -> None:
    assert (State().opens(SETTINGS), State().closes(SETTINGS)) == (OPENS, CLOSES)
    other = State(opens_at=EARLY, closes_at=LATE)
    assert (other.opens(SETTINGS), other.closes(SETTINGS)) == (EARLY, LATE)


# --- verbs ----------------------------------------------------------------------------------------
def test_it_can_open_before_the_cohort_starts() -> None:
    after = do(verbs.open_, State(), EARLY)
    assert (after.phase(SETTINGS, EARLY), after.closes(SETTINGS)) == ("open", CLOSES)


def test_a_freeze_says_why_and_ends() -> None:
    assert (FROZEN.frozen, FROZEN.reason) == (True, "because")
    after = do(verbs.reopen, FROZEN, MIDDLE)
    assert (after.frozen, after.reason, after.phase(SETTINGS, MIDDLE)) == (False, "", "open")
    assert after.closes(SETTINGS) == CLOSES


def test_a_freeze_beyond_the_close_ends_closed_or_with_a_new_last_day() -> None:
    with pytest.raises(ValueError, match="private scores are shown"):
        do(verbs.reopen, FROZEN, LATE)
    closed = do(verbs.close, FROZEN, LATE)
    # Nobody who came in time is late by it, and nobody late is in time.
    assert (closed.phase(SETTINGS, LATE), closed.closes(SETTINGS)) == ("closed", CLOSES)
    longer = do(verbs.reopen, FROZEN, LATE, until=dt.date(2027, 4, 2))
    assert longer.phase(SETTINGS, LATE) == "open"


def test_a_result_can_be_frozen_while_it_is_computed_anew() -> None:
    frozen = do(verbs.freeze, CLOSED, LATE)
    assert frozen.phase(SETTINGS, LATE) == "frozen"
    again = do(verbs.close, frozen, LATE)
    assert (again.phase(SETTINGS, LATE), again.closes(SETTINGS)) == ("closed", MIDDLE)


def test_what_came_between_a_close_and_its_reopening_stays_late() -> None:
    hour = dt.timedelta(hours=1)
    again = do(verbs.reopen, CLOSED, MIDDLE + hour, until=MIDDLE.date())
    closed = CLOSED.closes(SETTINGS)
    for received, late in (
        (closed - hour, False),
        (closed, True),
        (MIDDLE + hour / 2, True),
        (MIDDLE + hour, False),
        (again.closes(SETTINGS), True),
    ):
        assert again.late(SETTINGS, received) == late, received
    assert State.from_json(again.to_json(), again.version) == again


def test_an_extension_is_taken_back_as_far_as_the_files_own_day() -> None:
    slip = do(verbs.extend, State(), MIDDLE, until=dt.date(2037, 3, 20))
    mended = do(verbs.extend, slip, MIDDLE, until=dt.date(2027, 3, 20))
    assert mended.closes(SETTINGS) == dt.datetime(2027, 3, 21, tzinfo=dt.UTC)
    assert do(verbs.extend, mended, MIDDLE, until=SETTINGS.closes).closes(SETTINGS) == CLOSES
    with pytest.raises(ValueError, match="no other last day"):
        do(verbs.extend, mended, MIDDLE, until=SETTINGS.closes - dt.timedelta(days=1))


def test_a_day_that_no_calendar_goes_beyond_is_refused() -> None:
    with pytest.raises(ValueError, match="no last day"):
        do(verbs.extend, State(), MIDDLE, until=dt.date.max)


def test_a_close_is_at_once_and_a_reopening_counts_its_last_day_in_full() -> None:
    assert CLOSED.phase(SETTINGS, MIDDLE) == "closed"
    again = do(verbs.reopen, CLOSED, MIDDLE, until=MIDDLE.date())
    midnight = dt.datetime(2027, 1, 10, tzinfo=dt.UTC)
    assert again.closes(SETTINGS) == midnight
    assert again.phase(SETTINGS, midnight - dt.timedelta(seconds=1)) == "open"


def test_an_extension_counts_its_last_day_in_full() -> None:
    after = do(verbs.extend, State(), MIDDLE, until=dt.date(2027, 3, 20))
    assert after.closes(SETTINGS) == dt.datetime(2027, 3, 21, tzinfo=dt.UTC)
    assert do(verbs.extend, State(), EARLY, until=dt.date(2027, 3, 16)).closes_at is not None


def test_a_team_or_one_entry_is_out_until_it_is_reinstated() -> None:
    team = do(verbs.disqualify, State(), MIDDLE, team="falcon")
    assert team.removed("falcon") == team.removed("falcon", DIGEST) == "because"
    assert team.removed("falcon-2") is None
    entry = do(verbs.disqualify, State(), MIDDLE, team="falcon", digest=DIGEST)
    assert entry.removed("falcon", DIGEST) == "because"
    assert entry.removed("falcon") is None
    assert entry.removed("falcon", "cd" * 32) is None
    both = do(verbs.disqualify, entry, MIDDLE, team="falcon")
    assert set(both.out) == {"falcon", f"falcon/{DIGEST}"}
    assert set(do(verbs.reinstate, both, MIDDLE, team="falcon").out) == {f"falcon/{DIGEST}"}
    assert do(verbs.reinstate, team, MIDDLE, team="falcon").out == {}


@pytest.mark.parametrize(
    ("verb", "state", "at", "more", "words"),
    [
        (verbs.open_, State(), MIDDLE, {}, "open since 2026-11-30 00:00 UTC"),
        (verbs.open_, State(), LATE, {}, "closed at 2027-03-16 00:00 UTC"),
        (verbs.freeze, FROZEN, MIDDLE, {}, "frozen already: because"),
        (verbs.reopen, State(), EARLY, {}, "It opens at"),
        (verbs.reopen, State(), MIDDLE, {}, "It is open until"),
        (verbs.reopen, State(), MIDDLE, {"until": dt.date(2027, 5, 1)}, "extend"),
        (verbs.reopen, CLOSED, MIDDLE, {}, "until which day"),
        (verbs.reopen, CLOSED, MIDDLE, {"until": dt.date(2027, 1, 8)}, "2027-01-08 is over"),
        (verbs.reopen, FROZEN, MIDDLE, {"until": dt.date(2026, 1, 8)}, "2026-01-08 is over"),
        (
            verbs.reopen,
            do(verbs.freeze, State(), EARLY),
            EARLY,
            {"until": dt.date(2026, 11, 20)},
            "before it opens",
        ),
        (verbs.close, State(), EARLY, {}, "opens only at"),
        (verbs.close, CLOSED, LATE, {}, "closed at 2027-01-09 12:00 UTC"),
        (verbs.extend, State(), LATE, {"until": dt.date(2027, 5, 1)}, "reopen it"),
        (verbs.extend, State(), MIDDLE, {"until": dt.date(2027, 3, 15)}, "no other last day"),
        (verbs.extend, State(), MIDDLE, {"until": dt.date(2020, 1, 1)}, "no other last day"),
        (verbs.disqualify, State(), MIDDLE, {"team": "Falcon/.."}, "is no team"),
        (verbs.disqualify, State(), MIDDLE, {"team": "a" * 17}, "is no team"),
        (verbs.disqualify, State(), MIDDLE, {"team": "owl", "digest": "abc"}, "is no entry"),
        (verbs.disqualify, State(out={"owl": "x"}), MIDDLE, {"team": "owl"}, "already: x"),
        (
            verbs.disqualify,
            State(out={"owl": "x"}),
            MIDDLE,
            {"team": "owl", "digest": DIGEST},
            "already: x",
        ),
        (verbs.reinstate, State(out={"owl": "x"}), MIDDLE, {"team": "jay"}, "not disqualified"),
        (
            verbs.reinstate,
            State(out={"owl": "x"}),
            MIDDLE,
            {"team": "owl", "digest": DIGEST},
            "not disqualified",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    verb: Any, state: State, at: dt.datetime, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        verb(state, SETTINGS, at=at, who=WHO, why="because", **more)


# --- acts -----------------------------------------------------------------------------------------
def test_an_act_says_what_when_who_and_why_and_both_states() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    state, act = verbs.freeze(
        State(), SETTINGS, at=MIDDLE.astimezone(zone), who=WHO, why="  the metric is wrong "
    )
    assert (act.what, act.who, act.why) == ("freeze", WHO, "the metric is wrong")
    assert (act.at, act.at.utcoffset()) == (MIDDLE, dt.timedelta(0))
    assert json.loads(act.before)["frozen"] is False
    assert json.loads(act.after) == {
        "opens_at": None,
        "closes_at": None,
        "frozen": True,
        "reason": "the metric is wrong",
        "out": {},
    }
    assert state.reason == "the metric is wrong"


def test_acts_are_told_apart_by_their_ids() -> None:
    def act(why: str = "x", at: dt.datetime = MIDDLE) -> Act:
        return verbs.note(State(), "recompute", at=at, who=WHO, why=why)

    assert act() == act()
    assert len({act().id, act("y").id, act(at=LATE).id}) == 3


def test_a_note_leaves_the_state_as_it_is() -> None:
    act = verbs.note(FROZEN, "rescore", at=MIDDLE, who=WHO, why="x")
    assert (act.what, act.before, act.after) == ("rescore", FROZEN.to_json(), FROZEN.to_json())


@pytest.mark.parametrize(
    ("who", "why", "at", "words"),
    [
        (WHO, "  ", MIDDLE, "Say why"),
        (WHO, "x" * 501, MIDDLE, "at most 500"),
        (WHO, "two\nlines", MIDDLE, "one line"),
        ("", "x", MIDDLE, "who did what"),
        (WHO, "x", MIDDLE.replace(tzinfo=None), "time zone"),
    ],
)
def test_an_act_without_its_words_is_refused(
    who: str, why: str, at: dt.datetime, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        verbs.note(State(), "recompute", at=at, who=who, why=why)


_INSTANTS = st.none() | st.datetimes(
    dt.datetime(2020, 1, 1), dt.datetime(2040, 1, 1), timezones=st.just(dt.UTC)
)


@given(
    opens=_INSTANTS,
    closes=_INSTANTS,
    frozen=st.booleans(),
    reason=st.text(),
    out=st.dictionaries(st.text(), st.text()),
    version=st.integers(0),
)
def test_a_state_is_read_as_it_was_written(
    opens: Any, closes: Any, frozen: bool, reason: str, out: Any, version: int
) -> None:
    state = State(opens, closes, frozen, reason, out, version)
    assert State.from_json(state.to_json(), version) == state
