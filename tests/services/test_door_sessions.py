"""Who is signed in by a token, and how often a code may be asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.constructs.open_api import CODES_BURST, CODES_RATE
from infra.services.door import handler, people, visits
from infra.services.door.context import People, Person, Unavailable
from infra.services.door.entrance.sessions import (
    KEYS,
    Client,
    Pace,
    SignedOut,
    TooOften,
    Waiting,
    no_session,
    person_of,
)
from infra.services.guard.problems import Misconfigured
from tests.services.door_world import CLIENT, PEOPLE, FakeIdentity, User, World, token

ANA = "ana--0a1b2c3d"
NOW = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)


def who(identity: FakeIdentity, given: str | None, client: Client = CLIENT) -> Person:
    return person_of(given, identity, PEOPLE, client)


def test_a_token_of_the_pools_is_its_owners() -> None:
    identity = World().identity
    assert who(identity, identity.token(ANA)) == Person("ana", "learner", "falcon")


def test_an_advisors_token_is_an_advisors() -> None:
    identity = World().identity
    assert who(identity, identity.token("shelley--0a1b2c3d")) == Person("shelley", "advisor")


@pytest.mark.parametrize("given", [None, "", "a.b", "a.b.c", "a b.c.d", "é.b.c", "a.b.c.d"])
def test_what_cognito_does_not_know_is_nobodys(given: str | None) -> None:
    with pytest.raises(SignedOut):
        who(World().identity, given)


def test_claims_are_nothing_until_cognito_has_taken_the_token() -> None:
    identity = World().identity
    genuine = identity.token(ANA)
    forged = token({"username": ANA, "client_id": CLIENT.id, "token_use": "access",
                    "cognito:groups": ["learners"], "iss": f"x/{CLIENT.pool}"})  # fmt: skip
    with pytest.raises(SignedOut):
        who(identity, forged)
    assert who(identity, genuine).id == "ana"


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": "a client of a stranger's pool"},
        {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Stranger"},
        {"token_use": "id"},
        {"username": "ben--0a1b2c3d"},
        {"cognito:groups": ["advisors"]},
        {"cognito:groups": []},
        {"cognito:groups": "learners"},
        {"cognito:groups": None},
    ],
)
def test_a_token_that_cognito_takes_but_was_not_made_for_this_door_is_nobodys(
    claims: dict[str, Any],
) -> None:
    # GetUser is regional: it takes the token of a user called `ana` of anybody's pool.
    identity = World().identity
    with pytest.raises(SignedOut):
        who(identity, identity.token(ANA, **claims))


def test_a_user_that_no_deploy_has_made_is_nobody() -> None:
    for name in ("ana", "ana--nothex", "eve--0a1b2c3d", "Ana--0a1b2c3d"):
        identity = FakeIdentity([User(name, "x@example.org", ("learners",))])
        with pytest.raises(SignedOut):
            who(identity, identity.token(name))


def test_who_left_the_cohort_is_out_though_cognito_knows_them_still() -> None:
    identity = World().identity
    given = identity.token(ANA)
    with pytest.raises(SignedOut):
        person_of(given, identity, People({"falcon": ("ben",)}), CLIENT)


def test_a_learner_who_became_an_advisor_signs_in_anew() -> None:
    identity = World().identity
    given = identity.token(ANA)
    with pytest.raises(SignedOut):
        person_of(given, identity, People({}, frozenset({"ana"})), CLIENT)


def test_while_cognito_does_not_answer_nobody_is_let_in() -> None:
    identity = World().identity
    given = identity.token(ANA)
    identity.down = True
    with pytest.raises(Unavailable):
        who(identity, given)


def test_a_sign_in_that_waits_is_read_back_as_it_was() -> None:
    waiting = Waiting("ana@example.org", no_session())
    assert Waiting.read(waiting.text()) == waiting


@given(st.text(max_size=200))
def test_what_was_not_written_so_is_no_sign_in(text: str) -> None:
    assert Waiting.read(text) is None


def test_a_waiting_sign_in_fits_into_a_cookie_with_the_longest_session() -> None:
    text = Waiting("a" * 64 + "@" + "b" * 189, "s" * 2048).text()
    assert len("__Host-code=" + text) <= 4096


def test_so_many_are_granted_and_then_none_until_time_has_passed() -> None:
    pace = Pace(3, dt.timedelta(minutes=15))
    for _ in range(3):
        pace.take("ana", NOW)
    with pytest.raises(TooOften):
        pace.take("ana", NOW + dt.timedelta(minutes=14))
    pace.take("ben", NOW)
    pace.take("ana", NOW + dt.timedelta(minutes=15))


def test_what_is_counted_takes_no_more_room_than_it_may() -> None:
    pace = Pace(1, dt.timedelta(minutes=15), keys=10)
    for number in range(1000):
        pace.take(str(number), NOW)
    assert len(pace._asked) <= 10


def test_more_is_remembered_than_the_throttled_routes_let_through() -> None:
    # Else a flood of other addresses would make it forget the one that is meant.
    within = CODES_BURST + CODES_RATE * visits.WINDOW.total_seconds()
    assert len(handler.THROTTLED) * within <= KEYS


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"{text}=",
        lambda text: text.replace("-", "+").replace("_", "/"),
        lambda text: f"{text[:30]}.{text[30:]}",
        lambda text: text[:-1] + ("B" if text[-1] != "B" else "C"),
    ],
)
def test_a_session_that_is_written_otherwise_has_no_tries_of_its_own(
    change: Callable[[str], str],
) -> None:
    session = f"{no_session()}-_A"
    assert Waiting("ana", change(session)).counted == Waiting("ana", session).counted
    assert Waiting("ana", session).counted != Waiting("ana", no_session()).counted


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "\x00", "a\u2028"])
def test_a_cookie_with_a_name_that_nobody_can_have_is_none(name: str) -> None:
    # Cognito answers half a character as no JSON, which would look as if it did not answer.
    assert Waiting.read(Waiting(name, no_session()).text()) is None


HASH = "0" * 64
PAGE = '{"schema_version": 1, "teams": {"falcon": ["ana"]}, "advisors": ["shelley"]}'


def test_people_are_those_of_all_pages() -> None:
    other = '{"schema_version": 1, "teams": {"falcon": ["ben"], "heron": []}, "advisors": []}'
    found = people.read([PAGE, other])
    assert found.teams == {"falcon": ("ana", "ben"), "heron": ()}
    assert found.advisors == {"shelley"}


@pytest.mark.parametrize(
    "page",
    [
        "",
        "[]",
        "{}",
        '{"schema_version": 2, "teams": {}, "advisors": []}',
        '{"schema_version": 1, "teams": {"falcon": ["ana", "ana"]}, "advisors": []}',
        '{"schema_version": 1, "teams": {"falcon": ["ana"]}, "advisors": ["ana"]}',
        '{"schema_version": 1, "teams": {"fal/con": ["ana"]}, "advisors": []}',
        '{"schema_version": 1, "teams": {"falcon": "ana"}, "advisors": 1}',
        '{"schema_version": 1, "teams": {"f": ["ana"]}, "advisors": [], "addresses": {"ana": "x"}}',
        '{"schema_version": 1, "teams": {"f": ["ana"]}, "advisors": [], "addresses": ["ana"]}',
        f'{{"schema_version": 1, "teams": {{}}, "advisors": [], "addresses": {{"ana": "{HASH}"}}}}',
        f'{{"schema_version": 1, "teams": {{"falcon": ["ana", "ben"]}}, "advisors": [], '
        f'"addresses": {{"ana": "{HASH}"}}}}',
        f'{{"schema_version": 1, "teams": {{"falcon": ["ana", "ben"]}}, "advisors": [], '
        f'"addresses": {{"ana": "{HASH}", "ben": "{HASH}"}}}}',
        '{"schema_version": 1, "teams": {"falcon": ["<b>"]}, "advisors": []}',
    ],
)
def test_a_list_of_people_that_is_not_the_stacks_lets_nobody_in(page: str) -> None:
    with pytest.raises(Misconfigured):
        people.read([page])
