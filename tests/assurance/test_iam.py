"""The IAM decision: what AWS documents, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.assurance.iam import (
    Decision,
    Policies,
    Policy,
    Principal,
    Request,
    UnmodelledPolicy,
    decide,
)

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/earth--learner--ana"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/earth--learner--ana/SageMaker"
ANA = Principal.session(SESSION, role_arn=ROLE)
BUCKET = "arn:aws:s3:::earth-work"


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    made = {"Effect": effect, "Action": "*", "Resource": "*", **elements}
    if "NotAction" in elements:
        del made["Action"]
    if "NotResource" in elements:
        del made["Resource"]
    return made


def policy(*statements: dict[str, Any], kind: Any = "identity") -> Policy:
    return Policy.parse(document(*statements), kind=kind)


def request(
    action: str = "s3:GetObject",
    resource: str = f"{BUCKET}/teams/falcon/a.csv",
    principal: Principal = ANA,
    keys: frozenset[str] | None = None,
    **context: Any,
) -> Request:
    return Request(
        principal, action, resource, {k.replace("__", ":"): v for k, v in context.items()}, keys
    )


def allowed(asked: Request, *statements: dict[str, Any], **others: Any) -> bool:
    return decide(asked, Policies(identity=(policy(*statements),), **others)).allowed


ALL = policy(statement())


# --- actions and resources ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObjectVersion", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:GetObject", "s3:GetObjectVersion", False),
        ("s3:*", "s3express:GetObject", False),
        ("*", "anything:AtAll", True),
        ("s3:G*t*t", "s3:GetObject", True),
        ("s3:?", "s3:GetObject", False),
    ],
)
def test_actions_match_without_case_and_with_wildcards(
    pattern: str, action: str, matches: bool
) -> None:
    assert allowed(request(action), statement(Action=pattern)) is matches
    assert allowed(request(action), statement(NotAction=pattern)) is not matches


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        (f"{BUCKET}/teams/falcon/*", f"{BUCKET}/teams/falcon/a/b", True),
        (f"{BUCKET}/teams/falcon/*", f"{BUCKET}/teams/falcon-2/a", False),
        (f"{BUCKET}/teams/ana*", f"{BUCKET}/teams/anabel/x", True),
        (f"{BUCKET}/teams/ana/*", f"{BUCKET}/teams/anabel/x", False),
        (f"{BUCKET}/*", BUCKET, False),
        (f"{BUCKET}/?", f"{BUCKET}/ab", False),
        (f"{BUCKET}/teams/Falcon/a", f"{BUCKET}/teams/falcon/a", False),
        ("*", "*", True),
        (f"{BUCKET}/*", "*", False),
        (f"{BUCKET}/a${{*}}b", f"{BUCKET}/a*b", True),
        (f"{BUCKET}/a${{*}}b", f"{BUCKET}/axb", False),
        (f"{BUCKET}/${{?}}${{$}}", f"{BUCKET}/?$", True),
        (f"{BUCKET}/a*\n", f"{BUCKET}/ab\n", True),
        (f"{BUCKET}/a*c", f"{BUCKET}/a\nc", True),
        # The six components match one by one; the last takes what colons are left.
        ("arn:aws:sqs:*:*:q", "arn:aws:sqs:us-east-1:1:q", True),
        ("arn:aws:sqs:*:q:*", "arn:aws:sqs:us-east-1:1:q:x", False),
        ("arn:aws:s3:*:*:*", "arn:aws:s3:::b/a:b", True),
        ("arn:aws:sqs:us-east-1:1*:q", "arn:aws:sqs:us-east-1:1:x:q", False),
        # A star at the end of a segment goes past the colon: one of Lambda's qualified functions.
        (
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:earth-*",
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:earth-broker:ana",
            True,
        ),
        (
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:earth-broker",
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:earth-broker:ana",
            False,
        ),
    ],
)
def test_resources_match_with_case_and_whole(pattern: str, resource: str, matches: bool) -> None:
    assert allowed(request(resource=resource), statement(Resource=pattern)) is matches
    assert allowed(request(resource=resource), statement(NotResource=pattern)) is not matches


# --- conditions -----------------------------------------------------------------------------------
ARN = f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/ana"
CONDITIONS: list[tuple[str, Any, Any, bool]] = [
    # (operator, policy values, request value or None, holds)
    ("StringEquals", "ana", "ana", True),
    ("StringEquals", ["ben", "ana"], "ana", True),
    ("StringEquals", "ana", "Ana", False),
    ("StringEquals", "an*", "ana", False),
    ("StringEquals", "${*}", "*", True),
    ("StringEquals", "ana", None, False),
    ("StringEqualsIfExists", "ana", None, True),
    ("StringEqualsIfExists", "ana", "ben", False),
    ("StringNotEquals", "ana", "ben", True),
    ("StringNotEquals", ["ana", "ben"], "ben", False),
    ("StringNotEquals", "ana", None, True),
    ("StringNotEqualsIfExists", "ana", None, True),
    ("StringEqualsIgnoreCase", "ANA", "aNa", True),
    ("StringEqualsIgnoreCase", "ANA", "ben", False),
    ("StringNotEqualsIgnoreCase", "ANA", "aNa", False),
    ("StringNotEqualsIgnoreCase", "ANA", None, True),
    ("StringLike", "teams/*", "teams/falcon/x", True),
    ("StringLike", "t?am", "team", True),
    ("StringLike", "teams/*", "Teams/x", False),
    ("StringLike", "teams/*", None, False),
    ("StringLike", "", "", True),
    ("StringNotLike", "teams/*", "other", True),
    ("StringNotLike", ["teams/*", "o*"], "other", False),
    ("StringNotLike", "teams/*", None, True),
    ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/academy/*", ARN, True),
    ("ArnEquals", f"arn:aws:iam::{ACCOUNT}:role/academy/*", ARN, True),
    ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/*", "arn:aws:iam::111122223333:role/x", False),
    ("ArnLike", "arn:aws:iam::*:role/x", "arn:aws:iam::1:y:role/x", False),
    ("ArnLike", "arn:aws:sns:*:*:t", "arn:aws:sns:us-east-1:1:t", True),
    ("ArnLike", "arn:*:*:*:*:*", "arn:aws:sns:us-east-1:1:t:u", True),
    ("StringLike", "arn:aws:iam::*:role/x", "arn:aws:iam::1:y:role/x", True),
    ("ArnLike", ARN, "not an arn", False),
    ("ArnNotLike", ARN, "not an arn", True),
    ("ArnNotEquals", f"arn:aws:iam::{ACCOUNT}:role/academy/*", ARN, False),
    ("ArnNotEquals", ARN, None, True),
    ("NumericEquals", "5", "5.0", True),
    ("NumericEquals", 5, "6", False),
    ("NumericNotEquals", 5, "6", True),
    ("NumericNotEquals", 5, None, True),
    ("NumericLessThan", 5, "4.9", True),
    ("NumericLessThan", 5, "5", False),
    ("NumericLessThanEquals", 14400, "14400", True),
    ("NumericLessThanEquals", 14400, "14401", False),
    ("NumericLessThanEquals", 14400, None, False),
    ("NumericLessThanEqualsIfExists", 14400, None, True),
    ("NumericGreaterThan", "-1.5", "0", True),
    ("NumericGreaterThanEquals", 3, "2", False),
    ("DateLessThan", "2026-11-30T00:00:00Z", "2026-11-29T23:59:59Z", True),
    ("DateLessThan", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", False),
    ("DateLessThanEquals", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", True),
    ("DateGreaterThan", "2026-11-30", "2026-11-30T00:00:01Z", True),
    ("DateGreaterThanEquals", "2027-04-01T00:00:00Z", "2027-03-31T23:59:59Z", False),
    ("DateEquals", "2026-11-30T01:00:00+01:00", "2026-11-30T00:00:00Z", True),
    ("DateNotEquals", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", False),
    ("DateGreaterThan", "1795996800", "2026-11-30T00:00:01Z", True),
    ("DateGreaterThan", "2026-11-30T00:00:00Z", None, False),
    ("Bool", "false", "false", True),
    ("Bool", False, "true", False),
    ("Bool", "true", "TRUE", True),
    ("Bool", "true", None, False),
    ("BoolIfExists", "true", None, True),
    ("Null", "true", None, True),
    ("Null", "true", "x", False),
    ("Null", "false", "x", True),
    ("Null", "false", None, False),
    ("Null", True, None, True),
    ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
    ("IpAddress", ["10.0.0.0/8", "127.0.0.1"], "127.0.0.1", True),
    ("IpAddress", "10.0.0.0/8", "::1", False),
    ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ("IpAddress", "10.0.0.0/8", None, False),
    ("NotIpAddress", "10.0.0.0/8", "11.0.0.1", True),
    ("NotIpAddress", "10.0.0.0/8", "10.0.0.1", False),
    ("NotIpAddress", "10.0.0.0/8", None, True),
    # Multi-valued keys: every / some of the request's values.
    ("ForAllValues:StringEquals", ["a", "b"], ("a",), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
    ("ForAllValues:StringEquals", ["a", "b"], None, True),
    ("ForAllValues:StringEquals", ["a", "b"], "a", True),
    ("ForAllValues:StringLike", "ml.t3.*", ("ml.t3.medium", "system"), False),
    ("ForAllValues:StringNotEquals", ["a", "b"], ("c", "d"), True),
    ("ForAllValues:StringNotEquals", ["a", "b"], ("c", "a"), False),
    ("ForAllValues:StringNotEquals", "a", None, True),
    ("ForAllValues:StringEquals", "a", "", True),
    # A set with something in it is no null data set, though an empty value be among it.
    ("ForAllValues:StringEquals", "a", ("", ""), True),
    ("ForAllValues:StringEquals", "a", ("a", ""), False),
    ("ForAllValues:StringEquals", ["a", ""], ("a", ""), True),
    ("ForAnyValue:StringEquals", "", ("a", ""), True),
    ("ForAnyValue:StringEquals", "", ("", ""), False),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c", "b"), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c",), False),
    ("ForAnyValue:StringEquals", ["a", "b"], None, False),
    ("ForAnyValue:StringEqualsIfExists", ["a", "b"], None, True),
    ("ForAnyValue:StringNotEquals", "a", ("a", "b"), True),
    ("ForAnyValue:StringNotEquals", "a", ("a",), False),
    ("ForAnyValue:StringNotEquals", "a", None, False),
    ("ForAnyValue:ArnLike", f"arn:aws:iam::{ACCOUNT}:role/*", (ARN, "x"), True),
    ("ForAllValues:NumericLessThan", 5, ("1", "4"), True),
    ("foranyvalue:stringequalsifexists", "a", ("a",), True),
]


@pytest.mark.parametrize(("operator", "wanted", "given", "holds"), CONDITIONS)
def test_a_condition_holds_as_documented(
    operator: str, wanted: Any, given: Any, holds: bool
) -> None:
    asked = request(**({} if given is None else {"x__Key": given}))
    only_if = statement(Condition={operator: {"X:kEY": wanted}})
    assert allowed(asked, only_if) is holds
    # The same condition on a Deny denies exactly when it holds.
    denied = statement("Deny", Condition={operator: {"x:key": wanted}})
    assert allowed(asked, statement(), denied) is not holds


def test_all_conditions_of_a_statement_must_hold() -> None:
    both = statement(Condition={"StringEquals": {"x:a": "1", "x:b": "2"}, "Bool": {"x:c": "true"}})
    assert allowed(request(x__a="1", x__b="2", x__c="true"), both)
    for missing in ("x__a", "x__b", "x__c"):
        given = {"x__a": "1", "x__b": "2", "x__c": "true"}
        del given[missing]
        assert not allowed(request(**given), both)


# --- policy variables -----------------------------------------------------------------------------
def test_a_variable_is_the_requests_value() -> None:
    own = statement(Resource=f"{BUCKET}/teams/${{aws:PrincipalTag/team}}/*")
    assert allowed(request(**{"aws__PrincipalTag/team": "falcon"}), own)
    assert not allowed(request(**{"aws__PrincipalTag/team": "eagle"}), own)


def test_a_star_in_a_variables_value_is_no_wildcard() -> None:
    own = statement(Resource=f"{BUCKET}/teams/${{aws:PrincipalTag/team}}/*")
    assert not allowed(request(**{"aws__PrincipalTag/team": "*"}), own)
    assert not allowed(request(**{"aws__PrincipalTag/team": "fal?on"}), own)


def test_a_variable_without_a_value_matches_nothing() -> None:
    own = statement(Resource=f"{BUCKET}/teams/${{aws:PrincipalTag/team}}/*")
    assert not allowed(request(), own)
    equal = statement(Condition={"StringEquals": {"x:k": "${aws:userid}"}})
    assert not allowed(request(x__k="v"), equal)
    unequal = statement(Condition={"StringNotEquals": {"x:k": "${aws:userid}"}})
    assert allowed(request(x__k="v"), unequal)


def test_a_variable_without_a_value_leaves_a_not_resource_with_everything() -> None:
    but_one = statement(NotResource=f"{BUCKET}/teams/${{aws:PrincipalTag/team}}/*")
    assert allowed(request(), but_one)
    assert not allowed(request(**{"aws__PrincipalTag/team": "falcon"}), but_one)


def test_a_variable_is_compared_without_case_where_the_operator_says_so() -> None:
    own = statement(Condition={"StringEqualsIgnoreCase": {"x:k": "Team-${aws:userid}"}})
    assert allowed(request(aws__userid="AnA", x__k="tEAM-aNa"), own)
    assert not allowed(request(aws__userid="AnA", x__k="team-ben"), own)
    assert not allowed(request(x__k="team-"), own)
    other = statement(Condition={"StringNotEqualsIgnoreCase": {"x:k": "Team-${aws:userid}"}})
    assert not allowed(request(aws__userid="AnA", x__k="tEAM-aNa"), other)
    assert allowed(request(x__k="team-"), other)


def test_a_variable_may_have_a_default() -> None:
    own = statement(Resource=f"{BUCKET}/teams/${{aws:PrincipalTag/team, 'falcon'}}/*")
    assert allowed(request(), own)
    assert not allowed(request(**{"aws__PrincipalTag/team": "eagle"}), own)


def test_variables_are_text_in_the_old_policy_version() -> None:
    text = f"{BUCKET}/${{aws:userid}}"
    old = Policy.parse(document(statement(Resource=text), version="2008-10-17"))
    policies = Policies(identity=(old,))
    assert decide(request(resource=text, aws__userid="x"), policies).allowed
    assert not decide(request(resource=f"{BUCKET}/x", aws__userid="x"), policies).allowed


def test_a_variable_works_in_an_arn_condition_without_breaking_its_parts() -> None:
    own = statement(
        Condition={"ArnLike": {"x:owner": f"arn:aws:iam::{ACCOUNT}:role/${{aws:userid}}"}}
    )
    assert allowed(request(aws__userid="a:b", x__owner=f"arn:aws:iam::{ACCOUNT}:role/a:b"), own)
    assert not allowed(request(aws__userid="c", x__owner=f"arn:aws:iam::{ACCOUNT}:role/a"), own)


# --- layers ---------------------------------------------------------------------------------------
def test_nothing_is_allowed_without_a_statement_that_allows_it() -> None:
    decision = decide(request(), Policies())
    assert decision == Decision(
        False,
        f"User: {SESSION} is not authorized to perform: s3:GetObject on resource: "
        f'"{BUCKET}/teams/falcon/a.csv" because no identity-based policy allows the '
        "s3:GetObject action",
        None,
        "identity-based policy",
    )


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("identity", "with an explicit deny in an identity-based policy"),
        ("boundary", "with an explicit deny in a permissions boundary"),
        ("session", "with an explicit deny in a session policy"),
        ("resource", "with an explicit deny in a resource-based policy"),
    ],
)
def test_an_explicit_deny_anywhere_denies(layer: str, words: str) -> None:
    no = statement("Deny", Sid="No")
    yes = statement()
    principal = {"Principal": "*"}
    policies = Policies(
        identity=(policy(yes, *([no] if layer == "identity" else [])),),
        boundary=policy(yes, *([no] if layer == "boundary" else [])),
        session=(policy(yes, *([no] if layer == "session" else [])),),
        resource=policy(
            {**yes, **principal},
            *([{**no, **principal}] if layer == "resource" else []),
            kind="resource",
        ),
    )
    decision = decide(request(), policies)
    assert not decision.allowed
    assert decision.statement == "No"
    assert decision.reason.endswith(words)


def test_a_boundary_limits_and_grants_nothing() -> None:
    s3 = policy(statement(Action="s3:*"))
    assert decide(request(), Policies(identity=(ALL,), boundary=s3)).allowed
    assert not decide(request(), Policies(boundary=s3)).allowed
    decision = decide(request("sqs:SendMessage", "*"), Policies(identity=(ALL,), boundary=s3))
    assert decision.reason == (
        f"User: {SESSION} is not authorized to perform: sqs:SendMessage because no permissions "
        "boundary allows the sqs:SendMessage action"
    )


def test_a_session_policy_limits_and_grants_nothing() -> None:
    s3 = policy(statement(Action="s3:*"))
    assert decide(request(), Policies(identity=(ALL,), session=(s3,))).allowed
    assert not decide(request(), Policies(session=(s3,))).allowed
    assert not decide(request("sqs:X"), Policies(identity=(ALL,), session=(s3,))).allowed


def resource_policy(principal: Any, **elements: Any) -> Policy:
    return policy(statement(Principal=principal, **elements), kind="resource")


#: (principal, allows by itself, allows past a boundary that does not)
GRANTS = [
    ("*", True, True),
    ({"AWS": "*"}, True, True),
    ({"AWS": ROLE}, True, False),
    ({"AWS": SESSION}, True, True),
    ({"AWS": ACCOUNT}, False, False),
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False, False),
    ({"AWS": f"{ROLE}-2"}, False, False),
    ({"AWS": "111122223333"}, False, False),
    ({"Service": "events.amazonaws.com"}, False, False),
]


@pytest.mark.parametrize(("principal", "alone", "past_boundary"), GRANTS)
def test_a_resource_policy_grants_by_whom_it_names(
    principal: Any, alone: bool, past_boundary: bool
) -> None:
    bucket = resource_policy(principal)
    nothing = policy(statement(Action="sqs:*"))
    assert decide(request(), Policies(resource=bucket)).allowed is alone
    held = Policies(resource=bucket, boundary=nothing)
    assert decide(request(), held).allowed is past_boundary
    in_session = Policies(resource=bucket, session=(nothing,))
    assert decide(request(), in_session).allowed is past_boundary


@pytest.mark.parametrize(
    ("principal", "denied"),
    [("*", True), ({"AWS": ROLE}, True), ({"AWS": ACCOUNT}, True), ({"AWS": f"{ROLE}-2"}, False)],
)
def test_a_resource_policys_deny_reaches_whom_it_names(principal: Any, denied: bool) -> None:
    bucket = resource_policy(principal, Effect="Deny")
    assert decide(request(), Policies(identity=(ALL,), resource=bucket)).allowed is not denied


@pytest.mark.parametrize(
    ("principal", "identity", "allowed_"),
    [
        ({"AWS": ACCOUNT}, True, True),
        ({"AWS": ACCOUNT}, False, False),
        ({"AWS": ROLE}, False, True),
        ({"AWS": f"{ROLE}-2"}, True, False),
        ({"Service": "sagemaker.amazonaws.com"}, True, False),
    ],
)
def test_a_keys_own_policy_must_grant_or_hand_on(
    principal: Any, identity: bool, allowed_: bool
) -> None:
    policies = Policies(
        identity=(ALL,) if identity else (),
        resource=resource_policy(principal),
        resource_decides=True,
    )
    asked = request("kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k")
    assert decide(asked, policies).allowed is allowed_
    assert not decide(asked, Policies(identity=(ALL,), resource_decides=True)).allowed


def test_a_trust_policy_decides_for_services_and_for_the_account() -> None:
    trust = Policy.parse(
        document(
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            }
        ),
        kind="trust",
    )
    policies = Policies(resource=trust, resource_decides=True)

    def by(principal: Principal, **context: Any) -> bool:
        return decide(request("sts:AssumeRole", ROLE, principal, **context), policies).allowed

    sagemaker = Principal.service("sagemaker.amazonaws.com", account=ACCOUNT)
    assert by(sagemaker, aws__SourceAccount=ACCOUNT)
    assert not by(sagemaker)
    assert not by(Principal.service("lambda.amazonaws.com", account=ACCOUNT))
    assert not by(Principal.root(ACCOUNT))
    assert not by(ANA, aws__SourceAccount=ACCOUNT)


def test_another_accounts_resource_is_denied() -> None:
    asked = request(aws__ResourceAccount="111122223333")
    decision = decide(asked, Policies(identity=(ALL,), resource=resource_policy("*")))
    assert not decision.allowed
    assert "111122223333" in decision.reason
    # A deny is a deny all the same, and says so.
    denied = decide(asked, Policies(identity=(ALL, policy(statement("Deny", Sid="No")))))
    assert (denied.allowed, denied.statement) == (False, "No")


def test_the_deciding_statement_is_named() -> None:
    decision = decide(request(), Policies(identity=(policy(statement(Sid="TeamFolder")),)))
    assert decision.statement == "TeamFolder"
    assert decide(request(), Policies(identity=(ALL,))).statement == "statement 1"


# --- what is not modelled is refused --------------------------------------------------------------
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("identity", {"Principal": "*"}, "Principal"),
    ("identity", {"NotPrincipal": "*"}, "NotPrincipal"),
    ("resource", {"NotPrincipal": {"AWS": ROLE}}, "NotPrincipal"),
    ("identity", {"Effect": "allow"}, "allow"),
    ("identity", {"Actions": "s3:*"}, "Actions"),
    ("identity", {"Action": "s3"}, "s3"),
    ("identity", {"Action": "s*:GetObject"}, "s*"),
    ("identity", {"Action": []}, "Action"),
    ("identity", {"Resource": "my-bucket"}, "my-bucket"),
    ("identity", {"Resource": f"{BUCKET}/${{team}}"}, "team"),
    ("identity", {"Resource": "arn:aws:sqs:us-east-1:${aws:userid}:q"}, "fifth colon"),
    ("identity", {"Resource": "arn:aws:s*:::b"}, "service"),
    ("identity", {"Resource": "arn:aws:s3:*"}, "not an ARN"),
    ("identity", {"Condition": {"StringEqual": {"aws:userid": "x"}}}, "StringEqual"),
    ("identity", {"Condition": {"BinaryEquals": {"x:k": "eA=="}}}, "BinaryEquals"),
    ("identity", {"Condition": {"NullIfExists": {"x:k": "true"}}}, "NullIfExists"),
    ("identity", {"Condition": {"ForSomeValues:StringLike": {"x:k": "a"}}}, "ForSomeValues"),
    ("identity", {"Condition": {"StringEquals": {"userid": "x"}}}, "userid"),
    ("identity", {"Condition": {"NumericLessThan": {"x:k": "many"}}}, "many"),
    ("identity", {"Condition": {"NumericLessThan": {"x:k": "1_000"}}}, "1_000"),
    ("identity", {"Condition": {"NumericLessThan": {"x:k": "NaN"}}}, "NaN"),
    ("identity", {"Condition": {"NumericLessThan": {"x:k": " 5"}}}, "5"),
    ("identity", {"Condition": {"NumericLessThan": {"x:k": "${aws:userid}"}}}, "userid"),
    ("identity", {"Condition": {"DateLessThan": {"x:k": "tomorrow"}}}, "tomorrow"),
    ("identity", {"Condition": {"DateLessThan": {"x:k": "2026-13-01"}}}, "2026-13-01"),
    ("identity", {"Condition": {"Bool": {"x:k": "yes"}}}, "yes"),
    ("identity", {"Condition": {"IpAddress": {"x:k": "home"}}}, "home"),
    ("identity", {"Condition": {"ArnLike": {"x:k": "arn:aws:iam"}}}, "arn:aws:iam"),
    ("identity", {"Condition": {"StringEquals": {"x:k": None}}}, "None"),
    ("resource", {"Principal": {"AWS": "arn:aws:iam::123456789012:role/*"}}, "role/*"),
    ("resource", {"Principal": {"CanonicalUser": "abc"}}, "CanonicalUser"),
    ("resource", {"Principal": {"Federated": "accounts.google.com"}}, "Federated"),
    ("resource", {"Principal": {"AWS": "AIDAEXAMPLE"}}, "AIDAEXAMPLE"),
]


@pytest.mark.parametrize(("kind", "elements", "named"), BAD)
def test_what_is_not_modelled_is_refused_by_name(
    kind: Any, elements: dict[str, Any], named: str
) -> None:
    given = statement(**elements)
    if kind == "resource" and "NotPrincipal" not in elements:
        given.setdefault("Principal", "*")
    with pytest.raises(UnmodelledPolicy) as caught:
        Policy.parse(json.dumps(document(given)), kind=kind)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"Version": "2012-10-17"}',
        '{"Version": "2020-01-01", "Statement": []}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Effect": "Deny"}]}',
        '{"Version": "2012-10-17", "Extra": 1, "Statement": []}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*"}]}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", '
        '"NotAction": "s3:*", "Resource": "*"}]}',
    ],
)
def test_a_malformed_policy_is_refused(text: str) -> None:
    with pytest.raises(UnmodelledPolicy):
        Policy.parse(text)


def test_a_key_that_the_request_does_not_vouch_for_is_unmodelled() -> None:
    known = frozenset({"s3:prefix", "aws:principaltag/*"})
    maybe = statement(Condition={"Null": {"s3:prefx": "true"}})
    with pytest.raises(UnmodelledPolicy, match="s3:prefx"):
        allowed(request(keys=known), maybe)
    assert allowed(request(keys=known), statement(Condition={"Null": {"s3:prefix": "true"}}))
    tagged = statement(Condition={"Null": {"aws:PrincipalTag/team": "true"}})
    assert allowed(request(keys=known), tagged)
    # Only a statement that concerns the request is asked.
    assert not allowed(request(keys=known), {**maybe, "Action": "sqs:*"})


def test_an_unmodelled_statement_matters_only_if_the_answer_hangs_on_it() -> None:
    keys = frozenset({"x:k"})
    murky = statement(Condition={"StringEquals": {"y:unknown": "1"}})
    asked = request(keys=keys)
    assert allowed(asked, murky, statement())
    assert allowed(asked, statement(), murky)
    for order in ([murky, statement()], [statement(), murky]):
        with pytest.raises(UnmodelledPolicy):
            allowed(asked, *({**s, "Effect": "Deny"} if s is murky else s for s in order))
    assert not allowed(asked, statement("Deny"), {**murky, "Effect": "Deny"})
    assert not allowed(asked, {**murky, "Effect": "Deny"}, statement("Deny"))


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "named"),
    [
        ("NumericLessThan", 5, "many", "many"),
        ("NumericNotEquals", 5, "", "''"),
        ("DateGreaterThan", "2026-11-30T00:00:00Z", "soon", "soon"),
        ("Bool", "true", "maybe", "maybe"),
        ("IpAddress", "10.0.0.0/8", "home", "home"),
        ("NotIpAddress", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"),
        ("Null", "true", "", "x:k"),
        ("Null", "false", ("",), "x:k"),
    ],
)
def test_a_request_value_that_the_operator_is_not_for_is_refused_by_name(
    operator: str, wanted: Any, given: Any, named: str
) -> None:
    only_if = statement(Condition={operator: {"x:k": wanted}})
    with pytest.raises(UnmodelledPolicy, match=named):
        allowed(request(x__k=given), only_if)


def test_the_keys_that_a_statement_reads_are_told_as_it_spells_them() -> None:
    own = policy(
        statement(
            Resource=f"{BUCKET}/${{aws:UserId}}/*",
            Condition={
                "StringLike": {"s3:Prefix": ["${aws:PrincipalTag/Team}/*", "${aws:userid}"]},
                "Null": {"aws:TagKeys": "true"},
            },
        )
    )
    assert own.statements[0].context_keys() == (
        "s3:Prefix",
        "aws:TagKeys",
        "aws:UserId",
        "aws:PrincipalTag/Team",
    )


def test_a_user_is_named_directly_by_its_arn() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/ben"
    asked = request(principal=Principal.user(arn))
    nothing = policy(statement(Action="sqs:*"))
    assert decide(asked, Policies(resource=resource_policy({"AWS": arn}), boundary=nothing)).allowed
    assert not decide(asked, Policies(resource=resource_policy({"AWS": ROLE}))).allowed
    assert decide(asked, Policies(identity=(ALL,))).allowed


def test_a_multi_valued_key_needs_a_set_operator() -> None:
    plain = statement(Condition={"StringEquals": {"sagemaker:InstanceTypes": "ml.t3.medium"}})
    with pytest.raises(UnmodelledPolicy, match="ForAllValues"):
        allowed(request(sagemaker__InstanceTypes=("ml.t3.medium",)), plain)
