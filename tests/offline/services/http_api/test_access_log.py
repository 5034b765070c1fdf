"""Lines of access logs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.offline.services.http_api import access_log

FORM = (
    '{"id":"$context.requestId","agent":"$context.identity.userAgent","status":"$context.status"}'
)


def test_variables_are_filled_in_and_what_has_no_value_is_a_dash() -> None:
    line = access_log.line(
        "$context.requestId $context.status $context.error.message.",
        {
            "requestId": "a=",
            "status": 200,
        },
    )
    assert line == "a= 200 -."


def test_the_longer_of_two_names_is_meant() -> None:
    values = {"integration.status": 200, "integrationStatus": 429, "status": 503}
    form = "$context.integration.status $context.integrationStatus $context.status"
    assert access_log.line(form, values) == "200 429 503"


@given(st.text())
def test_nothing_that_a_client_sends_becomes_a_member_or_a_line(agent: str) -> None:
    line = access_log.line(FORM, {"requestId": "a", "identity.userAgent": agent, "status": 200})
    assert "\n" not in line
    assert json.loads(line) == {"id": "a", "agent": agent or "-", "status": "200"}


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("$context.status", "must include at least"),
        ("$context.requestId\n", "single line"),
        ("$context.requestId $context.colour", "colour is no variable"),
        ("$context.requestId " + "x" * 3072, "larger than 3072"),
    ],
)
def test_a_format_that_says_too_little_or_what_there_is_not_is_refused(form: str, why: str) -> None:
    assert why in access_log.problem(form)


def test_a_format_with_what_never_has_a_value_here_is_taken() -> None:
    assert access_log.problem("$context.requestId $context.authorizer.claims.sub") == ""
    assert access_log.problem(FORM) == ""
