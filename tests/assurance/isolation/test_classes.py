"""Every answer that conditions can give about a key is given for one of the values."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.assurance import iam
from infra.assurance.isolation.requests.classes import answers, values
from infra.assurance.isolation.requests.context import Key

NOBODY = iam.Request(iam.Principal("service", "nobody", ""), "none:None", "*")
LABEL, TAGS = Key("box:label", "String"), Key("box:tags", "ArrayOfString")
WORDS = ["", *("".join(w) for n in range(1, 5) for w in itertools.product("abB", repeat=n))]


def conditions(blocks: list[dict[str, Any]]) -> tuple[iam.Condition, ...]:
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": each} for each in blocks
    ]
    policy = iam.Policy.parse(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return tuple(c for statement in policy.statements for c in statement.conditions)


def all_answers(
    key: Key, found: tuple[iam.Condition, ...], candidates: list[Any]
) -> set[tuple[object, ...]]:
    return {answers(key.name, value, found, NOBODY) for value in candidates}


def assert_complete(key: Key, found: tuple[iam.Condition, ...], candidates: list[Any]) -> None:
    made = values(key, found)
    given_by = [answers(key.name, value, found, NOBODY) for value in made]
    assert all_answers(key, found, candidates) <= set(given_by)
    assert len(given_by) == len(set(given_by)), "two values for one class"


_texts = st.text("ab*?", min_size=1, max_size=3)
_string_blocks = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "StringNotLike",
                "StringEqualsIgnoreCase",
                "StringLikeIfExists",
            ]
        ),
        st.lists(_texts, min_size=1, max_size=2),
    ).map(lambda drawn: {drawn[0]: {"box:label": drawn[1]}}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=50, deadline=None)
@given(_string_blocks)
def test_texts(blocks: list[dict[str, Any]]) -> None:
    assert_complete(LABEL, conditions(blocks), [None, *WORDS])


_set_blocks = st.lists(
    st.tuples(
        st.sampled_from(["ForAllValues:", "ForAnyValue:"]),
        st.sampled_from(["StringEquals", "StringNotEquals", "StringLike", "StringLikeIfExists"]),
        st.lists(_texts, min_size=1, max_size=2),
    ).map(lambda drawn: {drawn[0] + drawn[1]: {"box:tags": drawn[2]}}),
    min_size=1,
    max_size=3,
)
SETS: list[Any] = [
    None,
    *(
        each
        for size in (1, 2, 3)
        for each in itertools.combinations(["", "a", "b", "ab", "aab", "B"], size)
    ),
]


@settings(max_examples=40, deadline=None)
@given(_set_blocks)
def test_sets_of_texts(blocks: list[dict[str, Any]]) -> None:
    assert_complete(TAGS, conditions(blocks), SETS)


def test_presence_is_told_apart() -> None:
    size = Key("box:size", "Numeric")
    assert values(size, conditions([{"Null": {"box:size": "true"}}])) == (None, "0")


_numbers = st.sampled_from(["-2", "0", "1", "1.5", "2", "3"])
_number_blocks = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "NumericEquals",
                "NumericNotEquals",
                "NumericLessThan",
                "NumericLessThanEquals",
                "NumericGreaterThan",
                "NumericGreaterThanEqualsIfExists",
            ]
        ),
        st.lists(_numbers, min_size=1, max_size=2),
    ).map(lambda drawn: {drawn[0]: {"box:size": drawn[1]}}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=50, deadline=None)
@given(_number_blocks)
def test_numbers(blocks: list[dict[str, Any]]) -> None:
    tried = [None, *(f"{half / 4:.2f}" for half in range(-16, 20))]
    assert_complete(Key("box:size", "Numeric"), conditions(blocks), tried)


_days = st.sampled_from(["2027-01-01", "2027-01-01T00:00:01Z", "2027-01-02T12:00:00+01:00"])
_date_blocks = st.lists(
    st.tuples(
        st.sampled_from(["DateEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan"]),
        st.lists(_days, min_size=1, max_size=2),
    ).map(lambda drawn: {drawn[0]: {"box:packed": drawn[1]}}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=30, deadline=None)
@given(_date_blocks)
def test_dates(blocks: list[dict[str, Any]]) -> None:
    tried = [
        None,
        *(f"2027-01-{day:02}T{hour:02}:00:{second:02}Z" for day in (1, 2, 3) for hour in (0, 11)
          for second in range(4)),
        "2026-12-31T23:59:59Z",
        "2027-01-01T00:00:00.5Z",
    ]  # fmt: skip
    assert_complete(Key("box:packed", "Date"), conditions(blocks), tried)


_networks = st.sampled_from(
    [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3",
        "10.0.0.0/16",
        "0.0.0.0/0",
        "255.255.255.0/24",
        "2001:db8::/32",
    ]
)
_network_blocks = st.lists(
    st.tuples(
        st.sampled_from(["IpAddress", "NotIpAddress"]),
        st.lists(_networks, min_size=1, max_size=3),
    ).map(lambda drawn: {drawn[0]: {"box:from": drawn[1]}}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(_network_blocks)
def test_networks(blocks: list[dict[str, Any]]) -> None:
    tried = [
        None,
        *("10.0.0.0", "10.1.0.0", "10.1.2.2", "10.1.2.3", "10.1.2.4", "10.2.0.0", "9.9.9.9"),
        *("11.0.0.0", "255.255.255.255", "0.0.0.1", "2001:db8::5", "2001:db9::", "::1"),
    ]
    assert_complete(Key("box:from", "IPAddress"), conditions(blocks), tried)


def test_what_is_always_there_is_never_absent() -> None:
    secure = Key("aws:securetransport", "Bool", optional=False)
    made = values(secure, conditions([{"Bool": {"aws:SecureTransport": "false"}}]))
    assert made == ("true", "false")


def test_what_lies_behind_a_network_is_examined() -> None:
    """Both networks begin at the same address: only behind the smaller one they differ."""
    blocks = [{"IpAddress": {"box:from": each}} for each in ("10.0.0.0/16", "10.0.0.0/8")]
    assert "10.1.0.0" in values(Key("box:from", "IPAddress"), conditions(blocks))


def test_the_other_case_is_a_class_of_its_own() -> None:
    both = {"StringEquals": {"box:label": "a"}, "StringEqualsIgnoreCase": {"box:label": "a"}}
    assert "A" in values(LABEL, conditions([both]))


def test_an_arn_is_one() -> None:
    owner = Key("box:owner", "ARN")
    like = {"ArnLike": {"box:owner": "arn:aws:iam::123456789012:role/academy/*"}}
    assert values(owner, conditions([like, {"Null": {"box:owner": "true"}}])) == (
        None,
        "arn:aws:other:::other",
        "arn:aws:iam::123456789012:role/academy/other",
    )


def test_an_empty_value_under_null_is_a_class_that_cannot_be_decided() -> None:
    """The guide calls such a value null and present, so that a decision on it is refused."""
    found = conditions([{"Null": {"box:label": "true"}}])
    assert "" in values(LABEL, found)
    with pytest.raises(iam.UnmodelledPolicy):
        found[0].holds(iam.Request(NOBODY.principal, "a:B", "*", {"box:label": ""}))


def test_two_types_for_one_key_are_refused() -> None:
    found = conditions([{"NumericEquals": {"box:size": "1"}, "StringLike": {"box:size": "1*"}}])
    with pytest.raises(iam.UnmodelledPolicy, match="as number and as text"):
        values(Key("box:size", "Numeric"), found)


def test_a_text_that_is_compared_as_a_number_may_be_none() -> None:
    """The reference types it as text: the evaluator refuses what is no number, by name."""
    found = conditions([{"NumericLessThan": {"box:label": "5"}}])
    assert "other" in values(LABEL, found)


def test_too_many_sets_are_refused_by_name() -> None:
    blocks = [{"ForAnyValue:StringEquals": {"box:tags": f"tag{n}"}} for n in range(13)]
    with pytest.raises(iam.UnmodelledPolicy, match=r"box:tags has 1\d classes"):
        values(TAGS, conditions(blocks))


def test_a_list_of_types_is_two_classes_however_long() -> None:
    types = [f"ml.g{n}.xlarge" for n in range(40)]
    key = Key("sagemaker:instancetypes", "ArrayOfString")
    block = {"ForAllValues:StringEquals": {"sagemaker:InstanceTypes": types}}
    made = values(key, conditions([block]))
    assert made == (None, ("ml.p5.48xlarge",))  # absence holds, and so does a listed type


def test_variables_have_the_callers_value() -> None:
    block = {"StringLike": {"box:label": "${aws:PrincipalAccount}-*"}}
    fixed = iam.Request(NOBODY.principal, "a:B", "*", {"aws:PrincipalAccount": "123456789012"})
    assert values(LABEL, conditions([block]), fixed) == (None, "123456789012-other")


def test_texts_that_cannot_be_there_are_left_out() -> None:
    found = conditions([{"ForAnyValue:StringEquals": {"box:tags": ["a", "b"]}}])
    assert values(TAGS, found, never=frozenset({"a"})) == (None, ("b",))
    assert values(TAGS, found, never=frozenset({"a", "b"})) == (None,)
