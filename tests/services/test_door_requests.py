"""Hostile requests: what of them is read, and what is turned away."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.services.door import requests
from infra.services.door.requests import BadRequest
from tests.services.door_world import World, event

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_a_form_is_read_as_it_was_sent() -> None:
    read = requests.read(
        event("POST", "/open", headers=FORM, body="instance=ml.t3.medium&csrf=a%3D")
    )
    assert read.form == {"instance": "ml.t3.medium", "csrf": "a="}


def test_a_form_is_read_where_api_gateway_encoded_it() -> None:
    body = base64.b64encode(b"code=314").decode()
    read = requests.read(event("POST", "/code", headers=FORM, body=body, encoded=True))
    assert read.form == {"code": "314"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"body": "a=1", "headers": {"content-type": "application/json"}}, 415),
        ({"body": "a=1", "headers": {"content-type": "text/plain"}}, 415),
        ({"body": "a=1", "headers": {}}, 415),
        ({"body": "a=1&a=2", "headers": FORM}, 400),
        ({"body": "a=%ff", "headers": FORM}, 400),
        ({"body": "a=%00", "headers": FORM}, 400),
        ({"body": "&".join(f"f{n}=1" for n in range(50)), "headers": FORM}, 400),
        ({"body": "a=" + "x" * 70_000, "headers": FORM}, 413),
        ({"body": "x" * 200_000, "headers": FORM}, 413),
        ({"body": "not base64!", "headers": FORM, "encoded": True}, 400),
        ({"body": base64.b64encode(b"\xff\xfe").decode(), "headers": FORM, "encoded": True}, 400),
    ],
)
def test_what_no_form_of_the_door_sends_is_turned_away(sent: dict[str, Any], status: int) -> None:
    with pytest.raises(BadRequest) as error:
        requests.read(event("POST", "/open", **sent))
    assert error.value.status == status


def test_an_address_that_is_too_long_is_turned_away() -> None:
    with pytest.raises(BadRequest):
        requests.read(event("GET", "/" + "a" * 400))
    with pytest.raises(BadRequest):
        requests.read(event("GET", "/?" + "a" * 2000))


def test_a_cookie_that_came_twice_counts_as_none() -> None:
    twice = ["__Host-session=a.b.c", "__Host-session=d.e.f"]
    assert requests.read(event("GET", "/", cookies=twice)).cookies == {}


@pytest.mark.parametrize(
    "line",
    ["__Host-session=a b", "__Host-session=", "__Host-session=" + "a" * 5000, "other=a.b.c", "="],
)
def test_a_cookie_that_the_door_never_set_counts_as_none(line: str) -> None:
    assert requests.read(event("GET", "/", cookies=[line])).cookies == {}


@pytest.mark.parametrize("typed", ["3141 5926", " 31415926 ", "3141-5926"])
def test_a_code_is_taken_as_people_type_it(typed: str) -> None:
    assert requests.code({"code": typed}) == "31415926"


@pytest.mark.parametrize("typed", ["", "abc", "1", "1" * 30, "３１４１５９２６", "1;2345678"])
def test_what_can_be_no_code_is_none(typed: str) -> None:
    assert requests.code({"code": typed}) is None


def test_an_address_is_taken_in_any_case() -> None:
    assert requests.address({"email": " Ana@Example.ORG "}) == "ana@example.org"


@pytest.mark.parametrize("typed", ["", "ana", "ana@", "@x", "a b@x.org", "ana@x.org\nx", "a" * 300])
def test_what_can_be_no_address_is_none(typed: str) -> None:
    assert requests.address({"email": typed}) is None


WORLD = World()
TEXTS = st.text(max_size=60)


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    path=st.one_of(
        st.sampled_from(
            ["/", "/code", "/sign-in", "/open", "/enter", "/space.json", "/budget", "/advisors/x"]
        ),
        st.from_regex(r"/[a-z%0-9./<>'\"\\]{0,40}", fullmatch=True),
    ),
    headers=st.dictionaries(
        st.sampled_from(["host", "origin", "sec-fetch-site", "content-type", "cookie", "x"]), TEXTS
    ),
    cookies=st.lists(st.builds("{}={}".format, st.sampled_from(["__Host-session", "a"]), TEXTS)),
    query=TEXTS,
    body=st.one_of(st.none(), TEXTS),
    encoded=st.booleans(),
    signed_in=st.booleans(),
)
def test_no_request_breaks_the_door(
    method: str,
    path: str,
    headers: dict[str, str],
    cookies: list[str],
    query: str,
    body: str | None,
    encoded: bool,
    signed_in: bool,
) -> None:
    if signed_in:
        cookies = [f"__Host-session={WORLD.identity.token('ana--0a1b2c3d')}"]
    asked = event(
        method,
        f"{path}?{query}",
        headers=headers,
        cookies=cookies,
        body=body,
        encoded=encoded,
    )
    answer = WORLD.answer(asked)
    assert answer["statusCode"] in {200, 303, 400, 401, 403, 404, 405, 409, 413, 414, 415}
    assert "default-src 'none'" in answer["headers"]["Content-Security-Policy"]
