"""`decide_action` against a search through everything, in a world small enough for one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.requests.deciding import decide_action, meets
from infra.assurance.isolation.world import Role, World
from tests.assurance.isolation.by_hand import (
    ACCOUNT,
    BOXES,
    box_catalogue,
    guarded,
    role,
    world,
)

CATALOGUE = box_catalogue()
GUARDED = f"{BOXES}a"

# --- random policies ------------------------------------------------------------------------------
_names = st.text("ab*?", min_size=1, max_size=3)
_resources = st.one_of(
    st.just("*"),
    _names.map(lambda name: f"{BOXES}{name}"),
    _names.map(lambda name: f"arn:aws:box:*:{ACCOUNT}:{name}"),
)
_actions = st.sampled_from(["box:Open", "box:*", "*", "box:O?en", "box:Close"])
_blocks: list[dict[str, Any]] = [
    {"StringEquals": {"box:label": "a"}},
    {"StringNotEquals": {"box:label": ["a", "b"]}},
    {"StringLike": {"box:label": "a*"}},
    {"StringNotLikeIfExists": {"box:label": "?b"}},
    {"StringEqualsIgnoreCaseIfExists": {"box:label": "AB"}},
    {"NumericLessThanEquals": {"box:size": "1"}},
    {"NumericGreaterThanIfExists": {"box:size": "1"}},
    {"Null": {"box:size": "true"}},
    {"Null": {"box:size": "false"}},
    {"ForAllValues:StringEquals": {"box:tags": ["a", "b"]}},
    {"ForAnyValue:StringLike": {"box:tags": "a*"}},
    {"ForAllValues:StringNotEquals": {"box:tags": "b"}},
    {"Bool": {"box:sealed": "true"}},
    {"BoolIfExists": {"box:sealed": "false"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/academy/*"}},
    {"StringLike": {"box:label": "${aws:PrincipalType}"}},
    {"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}},
]


def _conditions(pool: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most two blocks of a few: what a search has to try grows with each key."""
    return st.lists(st.sampled_from(pool), max_size=2).map(
        lambda drawn: {operator: keys for block in drawn for operator, keys in block.items()}
    )


def _listed(drawn: Any) -> Any:
    return st.lists(drawn, min_size=1, max_size=2)


@st.composite
def statements(
    draw: st.DrawFn, pool: list[dict[str, Any]], kind: iam.PolicyKind = "identity"
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(_listed(_actions)),
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(_listed(_resources)),
        "Condition": draw(_conditions(pool)),
    }
    if kind == "resource":
        made["Principal"] = draw(st.sampled_from(_PRINCIPALS))
    return made


_PRINCIPALS = [
    "*",
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/ana"},
    {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/ana/named"},
    {"Service": "events.amazonaws.com"},
]


@st.composite
def cases(draw: st.DrawFn) -> tuple[World, list[Ask]]:
    pool = draw(st.lists(st.sampled_from(_blocks), min_size=1, max_size=3))
    some = st.lists(statements(pool), min_size=1, max_size=3)
    ana = role(*draw(some), boundary=draw(st.one_of(st.none(), some)))
    own = draw(st.lists(statements(pool, "resource"), max_size=2))
    all_ = world(ana, guarded=[guarded(GUARDED, *own, decides=draw(st.booleans()))])
    return all_, draw(st.lists(questions(pool), max_size=2))


@st.composite
def questions(draw: st.DrawFn, pool: list[dict[str, Any]]) -> Ask:
    return Ask(
        tuple(draw(_listed(_actions))),
        Region(tuple(draw(_listed(_resources))), tuple(draw(st.lists(_resources, max_size=1)))),
        draw(_conditions(pool)),
        tuple(draw(st.lists(st.just("box:O*"), max_size=1))),
    )


# --- everything -----------------------------------------------------------------------------------
_NAMES = ["a", "b", "x", "aa", "ab", "ba", "bb", "xb", "aab", "abb", "bxa", "xxx"]
_UNIVERSE: dict[str, list[Any]] = {
    "box:label": [None, "", "a", "b", "ab", "bb", "aa", "AB", "x", "AssumedRole"],
    "box:size": [None, "0", "1", "2"],
    "box:tags": [None, ("a",), ("b",), ("c",), ("aa",), ("a", "b"), ("a", "c"), ("b", "aa"), ("",)],
    "box:sealed": [None, "true", "false"],
    "aws:currenttime": ["2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"],
}


def _resources_of_everything() -> list[str]:
    own = [f"{BOXES}{name}" for name in _NAMES]
    return [*own, *(f"arn:aws:box:eu-west-1:{ACCOUNT}:{name}" for name in ("a", "x", "ab"))]


def _principals(ana: Role) -> list[iam.Principal]:
    named = f"arn:aws:sts::{ACCOUNT}:assumed-role/ana/named"
    return [ana.session, iam.Principal.session(named, role_arn=ana.arn)]


def _keys(all_: World, asks: list[Ask]) -> list[str]:
    """The keys of the universe that anything mentions; the others change nothing."""
    text = repr(
        [
            *(d.body for d in all_.roles[0].identity),
            all_.roles[0].boundary and all_.roles[0].boundary.body,
            *(g.document and g.document.body for g in all_.guarded),
            *(ask.when for ask in asks),
        ]
    ).lower()
    return [key for key in _UNIVERSE if key in text]


def everything(all_: World, asks: list[Ask]) -> Iterator[tuple[iam.Request, iam.Policies]]:
    [ana], [one] = all_.roles, all_.guarded
    keys = _keys(all_, asks)
    for principal in _principals(ana):
        settled = {"aws:PrincipalArn": ana.arn, "aws:PrincipalType": "AssumedRole"}
        for resource in _resources_of_everything():
            on_it = resource == one.arn
            policies = iam.Policies(
                tuple(document.policy for document in ana.identity),
                ana.boundary and ana.boundary.policy,
                (),
                one.document.policy if on_it and one.document else None,
                on_it and one.decides,
            )
            for combination in itertools.product(*(_UNIVERSE[key] for key in keys)):
                there = {k: v for k, v in zip(keys, combination, strict=True) if v is not None}
                yield iam.Request(principal, "box:Open", resource, {**settled, **there}), policies


def assert_same_as_everything(all_: World, asks: list[Ask]) -> None:
    decided = decide_action(all_, all_.roles[0], "box:Open", asks=asks, catalogue=CATALOGUE)
    met: set[int] = set()
    missed = allowed = False
    for request, policies in everything(all_, asks):
        if iam.decide(request, policies).allowed:
            allowed = True
            meeting = {index for index, ask in enumerate(asks) if meets(ask, request)}
            met |= meeting
            missed |= not meeting
    # Whatever a search finds, is found.
    assert allowed <= bool(decided.allowed)
    assert met <= {index for each in decided.allowed for index in each.asks}
    assert missed <= bool(decided.unasked)
    # Whatever is found, is so: by the whole policies and by the asks themselves.
    [ana], [one] = all_.roles, all_.guarded
    for each in decided.allowed:
        settled = {"aws:PrincipalArn": ana.arn, "aws:PrincipalType": "AssumedRole"}
        request = iam.Request(
            each.request.principal,
            each.request.action,
            each.request.resource,
            {**settled, **each.request.context},
        )
        on_it = request.resource == one.arn
        policies = iam.Policies(
            tuple(document.policy for document in ana.identity),
            ana.boundary and ana.boundary.policy,
            (),
            one.document.policy if on_it and one.document else None,
            on_it and one.decides,
        )
        assert iam.decide(request, policies).allowed
        assert each.asks == tuple(i for i, ask in enumerate(asks) if meets(ask, request))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_a_search_through_everything_finds_no_more_and_no_less(
    case: tuple[World, list[Ask]],
) -> None:
    assert_same_as_everything(*case)


@pytest.mark.exhaustive
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_a_long_search_through_everything_finds_no_more_and_no_less(
    case: tuple[World, list[Ask]],
) -> None:
    assert_same_as_everything(*case)
