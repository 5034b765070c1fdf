"""The IAM decision: what must hold of every policy and request."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.assurance.iam import (
    ArnPattern,
    Glob,
    Pattern,
    Policies,
    Policy,
    Principal,
    Request,
    UnmodelledPolicy,
    decide,
    tokens,
)

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ana"
ANA = Principal.session(f"arn:aws:sts::{ACCOUNT}:assumed-role/ana/s", role_arn=ROLE)

globs = st.text(alphabet="ab/*?.", max_size=12)
texts = st.text(alphabet="ab/.*?", max_size=16)

actions = st.sampled_from(["s3:Get*", "s3:*", "s3:GetObject", "s3:PutObject", "*", "sqs:*"])
resources = st.sampled_from(
    ["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/teams/a*", "arn:aws:s3:::b/${aws:userid}/*"]
)
operators = st.sampled_from(
    ["StringEquals", "StringNotEquals", "StringLike", "ForAllValues:StringEquals",
     "ForAnyValue:StringLike", "StringEqualsIfExists"]
)  # fmt: skip
conditions = st.one_of(
    st.just({}),
    st.builds(
        lambda operator, key, values: {operator: {key: values}},
        operators,
        st.sampled_from(["x:k", "x:l"]),
        st.lists(st.sampled_from(["a", "b", "a*"]), min_size=1, max_size=2),
    ),
    st.just({"Null": {"x:k": "true"}}),
)
effects = st.sampled_from(["Allow", "Allow", "Deny"])


@st.composite
def statements(draw: Any, effect: Any = effects) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(effect), "Condition": draw(conditions)}
    made[draw(st.sampled_from(["Action", "NotAction"]))] = draw(actions)
    made[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(resources)
    return made


def policies_of(*lists: list[dict[str, Any]]) -> tuple[Policy, ...]:
    return tuple(
        Policy.parse({"Version": "2012-10-17", "Statement": listed}) for listed in lists if listed
    )


requests = st.builds(
    lambda action, resource, context: Request(ANA, action, resource, context),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]),
    st.sampled_from(["arn:aws:s3:::b/teams/ana", "arn:aws:s3:::b/u/x", "arn:aws:s3:::c/x"]),
    st.fixed_dictionaries(
        {},
        optional={
            "x:k": st.sampled_from(["a", "b", "c"]),
            "x:l": st.sampled_from(["a", "ab"]),
            "aws:userid": st.sampled_from(["u", "teams"]),
        },
    ),
)
documents = st.lists(statements(), min_size=1, max_size=4)


@given(documents, statements(st.just("Deny")), requests, st.booleans())
def test_one_more_deny_never_allows_more(
    listed: list[dict[str, Any]], no: dict[str, Any], asked: Request, in_boundary: bool
) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    before = decide(asked, Policies(identity=policies_of(listed)))
    if in_boundary:
        after = decide(
            asked,
            Policies(identity=policies_of(listed), boundary=policies_of([everything, no])[0]),
        )
    else:
        after = decide(asked, Policies(identity=policies_of([*listed, no])))
    assert before.allowed or not after.allowed


@given(documents, statements(st.just("Allow")), requests)
def test_one_more_allow_never_denies_more(
    listed: list[dict[str, Any]], yes: dict[str, Any], asked: Request
) -> None:
    before = decide(asked, Policies(identity=policies_of(listed)))
    after = decide(asked, Policies(identity=policies_of([*listed, yes])))
    assert after.allowed or not before.allowed


@given(documents, documents, requests)
def test_a_boundary_never_allows_more(
    listed: list[dict[str, Any]], limits: list[dict[str, Any]], asked: Request
) -> None:
    free = decide(asked, Policies(identity=policies_of(listed)))
    bound = decide(asked, Policies(identity=policies_of(listed), boundary=policies_of(limits)[0]))
    assert free.allowed or not bound.allowed


@given(documents, requests, st.randoms(use_true_random=False))
def test_neither_the_order_of_statements_nor_their_documents_matters(
    listed: list[dict[str, Any]], asked: Request, random: Any
) -> None:
    together = decide(asked, Policies(identity=policies_of(listed))).allowed
    shuffled = list(listed)
    random.shuffle(shuffled)
    assert decide(asked, Policies(identity=policies_of(shuffled))).allowed is together
    apart = policies_of(*([one] for one in shuffled))
    assert decide(asked, Policies(identity=apart)).allowed is together


@given(documents, requests)
def test_a_statement_and_its_negated_action_cover_every_request(
    listed: list[dict[str, Any]], asked: Request
) -> None:
    one = {k: v for k, v in listed[0].items() if k != "Condition"} | {"Effect": "Allow"}
    swapped = {("NotAction" if k == "Action" else "Action" if k == "NotAction" else k): v
               for k, v in one.items()}  # fmt: skip
    first = decide(asked, Policies(identity=policies_of([one]))).allowed
    second = decide(asked, Policies(identity=policies_of([swapped]))).allowed
    rest = {k: v for k, v in one.items() if k not in ("Action", "NotAction")}
    on_all = decide(asked, Policies(identity=policies_of([{**rest, "Action": "*"}]))).allowed
    assert (first or second) is on_all
    assert not (first and second)


@settings(max_examples=500)
@given(globs, texts)
def test_globs_match_as_the_reference_does(pattern: str, text: str) -> None:
    expected = re.fullmatch(
        "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern),
        text,
        re.DOTALL,
    )
    made = Glob.of(tokens(pattern, wildcards=True, variables=False))
    assert made.matches(text) is (expected is not None)
    assert made.matches(text) is fnmatch.fnmatchcase(text, pattern)


@given(texts)
def test_an_escaped_text_matches_itself_alone(text: str) -> None:
    escaped = "".join(f"${{{c}}}" if c in "*?$" else c for c in text)
    pattern = Pattern.of(escaped)
    assert pattern.matches(text, Request(ANA, "x:y", "*"))
    assert not pattern.matches(text + "x", Request(ANA, "x:y", "*"))


@given(st.text(alphabet="ab:*?$", max_size=6), st.text(alphabet="ab:*?$", max_size=6))
def test_a_variables_value_stands_for_itself(value: str, other: str) -> None:
    pattern = Pattern.of("${aws:userid}")
    asked = Request(ANA, "x:y", "*", {"aws:userid": value})
    assert pattern.matches(other, asked) is (value == other)


@given(
    st.lists(st.text(alphabet="ab*", max_size=3), min_size=6, max_size=6),
    st.lists(st.text(alphabet="ab", max_size=3), min_size=6, max_size=6),
)
def test_arns_match_component_by_component(pattern: list[str], value: list[str]) -> None:
    expected = all(fnmatch.fnmatchcase(v, p) for v, p in zip(value, pattern, strict=True))
    asked = Request(ANA, "x:y", "*")
    assert ArnPattern.of(":".join(pattern)).matches(":".join(value), asked) is expected


everyone = st.sampled_from(
    ["*", {"AWS": ROLE}, {"AWS": ANA.arn}, {"AWS": ACCOUNT}, {"Service": "sqs.amazonaws.com"}]
)


def on_the_resource(listed: list[dict[str, Any]], principal: Any) -> Policy:
    statements = [{**each, "Principal": principal} for each in listed]
    return Policy.parse({"Version": "2012-10-17", "Statement": statements}, kind="resource")


@settings(max_examples=60)
@given(documents, documents, documents, statements(st.just("Allow")), requests)
def test_no_allow_of_the_role_gets_past_the_boundary_or_the_session(
    own: list[dict[str, Any]],
    limits: list[dict[str, Any]],
    session: list[dict[str, Any]],
    yes: dict[str, Any],
    asked: Request,
) -> None:
    (boundary,) = policies_of(limits)
    within = policies_of(session)
    for limit in (Policies(identity=(boundary,)), Policies(identity=within)):
        if not decide(asked, limit).allowed:
            more = Policies(identity=policies_of([*own, yes]), boundary=boundary, session=within)
            assert not decide(asked, more).allowed


@settings(max_examples=60)
@given(documents, documents, everyone, requests, st.booleans())
def test_a_limit_never_allows_more_whatever_the_resource_says(
    own: list[dict[str, Any]],
    resource: list[dict[str, Any]],
    principal: Any,
    asked: Request,
    decides: bool,
) -> None:
    policies = Policies(
        identity=policies_of(own),
        resource=on_the_resource(resource, principal),
        resource_decides=decides,
    )
    nothing = policies_of([{"Effect": "Allow", "Action": "x:y", "Resource": "*"}])
    held = dataclasses.replace(policies, boundary=nothing[0], session=nothing)
    assert decide(asked, policies).allowed or not decide(asked, held).allowed


@settings(max_examples=60)
@given(documents, documents, everyone, statements(st.just("Deny")), requests)
def test_one_more_deny_on_the_resource_never_allows_more(
    own: list[dict[str, Any]],
    resource: list[dict[str, Any]],
    principal: Any,
    no: dict[str, Any],
    asked: Request,
) -> None:
    before = Policies(identity=policies_of(own), resource=on_the_resource(resource, principal))
    after = dataclasses.replace(before, resource=on_the_resource([*resource, no], principal))
    assert decide(asked, before).allowed or not decide(asked, after).allowed


@settings(max_examples=60)
@given(documents, requests, st.sampled_from(["teams/", "teams/ana", "u/x"]))
def test_a_narrower_resource_never_allows_more(
    listed: list[dict[str, Any]], asked: Request, tail: str
) -> None:
    def within(pattern: str) -> Policies:
        allowed = [
            {k: v for k, v in each.items() if k != "NotResource"} | {"Resource": pattern}
            for each in listed
            if each["Effect"] == "Allow"
        ]
        return Policies(identity=policies_of(allowed))

    wide, narrow = within("arn:aws:s3:::b/*"), within(f"arn:aws:s3:::b/{tail}*")
    assert decide(asked, wide).allowed or not decide(asked, narrow).allowed


@settings(max_examples=60)
@given(documents, requests, st.sampled_from(["StringEquals", "StringNotEquals", "StringLike"]))
def test_one_more_condition_never_allows_more(
    listed: list[dict[str, Any]], asked: Request, operator: str
) -> None:
    only_allows = [each for each in listed if each["Effect"] == "Allow"]
    held = [
        {**each, "Condition": {**each["Condition"], operator: {"x:m": "a"}}}
        for each in only_allows
        if operator not in each["Condition"]
    ]
    before = decide(asked, Policies(identity=policies_of(only_allows)))
    after = decide(asked, Policies(identity=policies_of(held)))
    assert before.allowed or not after.allowed


@settings(max_examples=60)
@given(documents, requests)
def test_the_case_of_actions_and_keys_is_nothing(
    listed: list[dict[str, Any]], asked: Request
) -> None:
    def turned(each: dict[str, Any]) -> dict[str, Any]:
        made = {k: v.upper() if k in ("Action", "NotAction") else v for k, v in each.items()}
        made["Condition"] = {
            operator: {key.upper(): value for key, value in keys.items()}
            for operator, keys in each["Condition"].items()
        }
        return made

    before = decide(asked, Policies(identity=policies_of(listed)))
    after = decide(asked, Policies(identity=policies_of([turned(each) for each in listed])))
    assert before.allowed is after.allowed


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.none(), max_size=4))
def test_a_document_of_anything_is_read_or_refused_by_name(junk: dict[str, Any]) -> None:
    with contextlib.suppress(UnmodelledPolicy):
        Policy.parse({"Version": "2012-10-17", "Statement": [junk]})
