"""Names: legal for AWS, and no team's or learner's name is a prefix that matches another's."""

from __future__ import annotations

import fnmatch
import re

from hypothesis import given
from hypothesis import strategies as st

from infra.cohort import naming
from infra.cohort.naming import JobName, Names

ids = st.from_regex(r"[a-z](-?[a-z0-9]){1,15}", fullmatch=True).filter(
    lambda s: len(s) <= naming.ID_MAX
)
cohorts = st.from_regex(r"[a-z](-?[a-z0-9]){2,23}", fullmatch=True).filter(
    lambda s: len(s) <= naming.COHORT_MAX
)
tokens = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(cohorts, ids, ids)
def test_a_name_within_the_lengths_is_legal_except_a_job_too_long(
    cohort: str, team: str, learner: str
) -> None:
    wrong = [
        (kind, name)
        for kind, name in Names(cohort).every([(team, [learner])], door=True)
        if naming.illegal(kind, name)
    ]
    too_long = len(Names(cohort).job(team, learner, "0" * 8)) > 63
    assert {kind for kind, _ in wrong} == ({"job"} if too_long else set())


@given(cohorts, ids, ids, tokens)
def test_a_job_name_gives_back_its_parts(cohort: str, team: str, learner: str, token: str) -> None:
    name = Names(cohort).job(team, learner, token)
    assert JobName.parse(name) == JobName(cohort, team, learner, token[:8])


@given(cohorts, ids, ids, ids, tokens)
def test_a_teams_job_prefix_matches_no_other_teams_jobs(
    cohort: str, team: str, other: str, learner: str, token: str
) -> None:
    names = Names(cohort)
    matches = fnmatch.fnmatchcase(names.job(other, learner, token), names.job_prefix(team) + "*")
    assert matches == (team == other)


@given(ids, ids)
def test_a_teams_folder_contains_no_other_teams_folder(team: str, other: str) -> None:
    inside = Names.team_prefix(other).startswith(Names.team_prefix(team))
    assert inside == (team == other)


@given(st.text(max_size=80))
def test_any_text_is_parsed_as_a_job_name_or_not_at_all(text: str) -> None:
    parsed = JobName.parse(text)
    if parsed is not None:
        rebuilt = Names(parsed.cohort).job(parsed.team, parsed.learner, parsed.token)
        assert rebuilt == text


def test_what_the_academy_calls_by_itself_is_a_legal_id_that_no_file_may_use() -> None:
    for own in (*naming.MARK_TEAMS, naming.RERUN):
        assert len(own) <= naming.ID_MAX
        assert re.fullmatch(naming.ID_PATTERN, own)
    again = Names("earth").job("falcon", naming.RERUN, "0123abcd")
    assert JobName.parse(again) == JobName("earth", "falcon", naming.RERUN, "0123abcd")


def test_a_trailing_newline_is_not_part_of_a_legal_name() -> None:
    assert JobName.parse("earth--falcon--ana--0123abcd\n") is None
    assert naming.illegal("role", "name\n")
