"""What one actor may do with one action: the cases that a search at random seldom meets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.requests import one_action
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.deciding import (
    Actor,
    Decided,
    Stranger,
    decide_action,
    decide_every,
    meets,
    strangers,
    unknown_actions,
    within,
)
from infra.assurance.isolation.world import World
from tests.assurance.isolation.by_hand import (
    ACCOUNT,
    BOXES,
    REGION,
    allow,
    box_catalogue,
    deny,
    guarded,
    role,
    world,
)

BOX = box_catalogue()
AWS = Catalogue.published()
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"


def decided(
    all_: World, action: str, *asks: Ask, actor: Actor | None = None, catalogue: Catalogue = BOX
) -> Decided:
    return decide_action(all_, actor or all_.roles[0], action, asks=asks, catalogue=catalogue)


def resources(found: Decided) -> set[str]:
    return {each.request.resource for each in found.allowed}


# --- resources ------------------------------------------------------------------------------------
def test_a_neighbour_with_a_longer_name_is_a_class_of_its_own() -> None:
    ana = role(allow("s3:GetObject", "arn:aws:s3:::work/teams/ana*"))
    theirs = Ask(("s3:*",), Region(("arn:aws:s3:::work/*",), ("arn:aws:s3:::work/teams/ana/*",)))
    found = decided(world(ana), "s3:GetObject", theirs, catalogue=AWS)
    [breach] = {each.request.resource for each in found.meeting(0)}
    assert breach.startswith("arn:aws:s3:::work/teams/ana")
    assert not breach.startswith("arn:aws:s3:::work/teams/ana/")


def test_only_what_the_action_can_be_about_is_examined() -> None:
    """ListBucket is about buckets: a grant on a bucket's objects says nothing for it."""
    ana = role(allow("s3:*", "arn:aws:s3:::work/*"))
    assert not decided(world(ana), "s3:CreateBucket", catalogue=AWS).allowed
    assert decided(world(ana), "s3:GetObject", catalogue=AWS).allowed


def test_an_arn_that_the_reference_does_not_list_is_examined_as_it_stands() -> None:
    ana = role(allow("sns:Publish", "arn:aws:sns:us-east-1:123456789012:endpoint/x"))
    assert decided(world(ana), "sns:Publish", catalogue=AWS).allowed
    odd = role(allow("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:shelf/*"))
    found = decided(world(odd), "dynamodb:GetItem", catalogue=AWS)
    assert resources(found) == {f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:shelf/other"}
    wide = role(allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:shelf/*"))
    assert decided(world(wide), "dynamodb:GetItem", catalogue=AWS).allowed


def test_an_arn_of_another_service_in_the_same_statement_is_not_examined() -> None:
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"
    ana = role(allow(["s3:GetObject", "sqs:SendMessage"], ["arn:aws:s3:::work/*", queue]))
    assert resources(decided(world(ana), "s3:GetObject", catalogue=AWS)) == {
        "arn:aws:s3:::work/other"
    }
    assert resources(decided(world(ana), "sqs:SendMessage", catalogue=AWS)) == {queue}


def test_other_regions_and_accounts_are_examined() -> None:
    ana = role(allow("sagemaker:StopTrainingJob", "arn:aws:sagemaker:*:*:training-job/x"))
    jobs = f"{REGION}:{ACCOUNT}:training-job/*"
    away = [
        Region((f"arn:aws:sagemaker:*:{ACCOUNT}:*",), (f"arn:aws:sagemaker:{jobs}",)),
        Region((f"arn:aws:sagemaker:{REGION}:*:*",), (f"arn:aws:sagemaker:{jobs}",)),
        Region(("arn:aws:sagemaker:eu-central-1:444455556666:*",)),
    ]
    found = decided(
        world(ana),
        "sagemaker:StopTrainingJob",
        *(Ask(("*",), region) for region in away),
        catalogue=AWS,
    )
    assert all(found.meeting(index) for index in range(len(away)))


def test_a_part_of_an_account_number_is_matched_as_text() -> None:
    """All accounts that come to mind begin with a 1: that others do not is still seen."""
    jobs = "training-job/x"
    ana = role(
        allow("sagemaker:StopTrainingJob", f"arn:aws:sagemaker:*:*:{jobs}"),
        deny("sagemaker:StopTrainingJob", f"arn:aws:sagemaker:*:1*:{jobs}"),
    )
    found = resources(decided(world(ana), "sagemaker:StopTrainingJob", catalogue=AWS))
    [account] = {each.split(":")[4] for each in found}
    assert len(account) == 12
    assert not account.startswith("1")


def test_an_action_without_a_resource_is_asked_of_everything() -> None:
    found = decided(world(role(allow("box:List"))), "box:List")
    assert resources(found) == {"*"}


def test_the_witness_is_in_the_region_and_reads_like_a_name() -> None:
    ana = role(
        allow("sagemaker:CreateApp", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:app/*/earth--*/*/*")
    )
    found = decided(world(ana), "sagemaker:CreateApp", catalogue=AWS)
    assert resources(found) == {
        f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:app/other/earth--/other/other"
    }


def test_two_policies_on_one_resource_are_an_error() -> None:
    both = [
        guarded(f"{BOXES}a", allow("box:Open", Principal="*"), covers=(f"{BOXES}*",)),
        guarded(f"{BOXES}b", allow("box:Open", Principal="*")),
    ]
    with pytest.raises(iam.UnmodelledPolicy, match="guarded by the policies of"):
        decided(world(role(), guarded=both), "box:Open")


# --- keys -----------------------------------------------------------------------------------------
def test_an_empty_list_of_types_does_not_pass_for_a_listed_one() -> None:
    """ForAllValues is true of a missing key: that is found, unless Null asks for it."""
    types = {"ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.t3.medium"]}}
    jobs = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/*"
    other = Ask(("*",), when={"Null": {"sagemaker:InstanceTypes": "true"}})
    start = "sagemaker:CreateTrainingJob"
    loose = world(role(allow(start, jobs, Condition=types)))
    assert decided(loose, start, other, catalogue=AWS).meeting(0)
    tight = {**types, "Null": {"sagemaker:InstanceTypes": "false"}}
    assert not decided(
        world(role(allow(start, jobs, Condition=tight))), start, other, catalogue=AWS
    ).meeting(0)


def test_one_of_several_types_is_enough_for_any_value() -> None:
    some = {"ForAnyValue:StringEquals": {"sagemaker:InstanceTypes": "ml.t3.medium"}}
    start, jobs = (
        "sagemaker:CreateTrainingJob",
        f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/*",
    )
    big = Ask(
        ("*",), when={"ForAnyValue:StringLike": {"sagemaker:InstanceTypes": "ml.p5.48xlarge"}}
    )
    found = decided(world(role(allow(start, jobs, Condition=some))), start, big, catalogue=AWS)
    [breach] = found.meeting(0)
    assert set(breach.request.context["sagemaker:instancetypes"]) == {
        "ml.t3.medium",
        "ml.p5.48xlarge",
    }


def test_a_second_more_than_the_limit_is_examined() -> None:
    limit = {"NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "14400"}}
    start = "sagemaker:CreateTrainingJob"
    longer = Ask(("*",), when={"NumericGreaterThan": {"sagemaker:MaxRuntimeInSeconds": "14399"}})
    found = decided(
        world(role(allow(start, Condition=limit))), start, longer, catalogue=AWS
    ).meeting(0)
    assert {each.request.context["sagemaker:maxruntimeinseconds"] for each in found} == {"14400"}


def test_a_key_of_another_service_is_absent() -> None:
    ana = role(allow("box:Open", Condition={"StringEquals": {"crate:label": "a"}}))
    assert not decided(world(ana), "box:Open").allowed
    negated = role(allow("box:Open", Condition={"StringNotEquals": {"crate:label": "a"}}))
    assert decided(world(negated), "box:Open").allowed


@pytest.mark.parametrize("key", ["box:lable", "crate:lable", "aws:CurrentTim", "shelf:label"])
def test_a_key_that_nobody_lists_is_an_error_that_names_it(key: str) -> None:
    ana = role(allow("box:Open", Condition={"StringEquals": {key: "a"}}))
    with pytest.raises(iam.UnmodelledPolicy, match=f"learner ana: box:Open on .*{key}"):
        decided(world(ana), "box:Open")


def test_a_key_that_is_listed_for_another_action_of_the_service_varies() -> None:
    """The reference may lack an entry; a request too many is examined rather than one too few."""
    ana = role(allow("s3:DeleteObject", Condition={"StringEquals": {"s3:prefix": "a"}}))
    assert decided(world(ana), "s3:DeleteObject", catalogue=AWS).allowed


def test_a_variable_that_the_caller_does_not_settle_is_an_error_that_names_it() -> None:
    ana = role(allow("box:Open", f"{BOXES}${{box:label}}"))
    with pytest.raises(iam.UnmodelledPolicy, match=r"policy variable box:label in statement 1"):
        decided(world(ana), "box:Open")


def test_a_variable_that_the_caller_settles_has_its_value() -> None:
    ana = role(allow("box:Open", f"{BOXES}${{aws:PrincipalAccount}}"))
    assert resources(decided(world(ana), "box:Open")) == {f"{BOXES}{ACCOUNT}"}
    nobody = role(allow("box:Open", f"{BOXES}${{aws:username}}"))
    assert not decided(world(nobody), "box:Open").allowed


def test_two_clocks_are_an_error() -> None:
    ana = role(
        allow(
            "box:Open",
            Condition={
                "DateLessThan": {"aws:CurrentTime": "2027-01-01", "aws:EpochTime": "1798761600"}
            },
        )
    )
    with pytest.raises(iam.UnmodelledPolicy, match="EpochTime"):
        decided(world(ana), "box:Open")


def test_too_many_combinations_are_an_error_that_names_action_and_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_action, "MOST_COMBINATIONS", 5)
    both = {"StringLike": {"box:label": "a"}, "NumericLessThan": {"box:size": "3"}}
    ana = role(allow("box:Open", Condition=both), deny("box:Open", Condition={
        "Bool": {"box:sealed": "true"}}))  # fmt: skip
    with pytest.raises(
        iam.UnmodelledPolicy, match=r"learner ana: box:Open .*box:label \(2\), box:size \(2\)"
    ):
        decided(world(ana), "box:Open")


def test_an_empty_value_under_null_stops_the_proof() -> None:
    ana = role(allow("box:Open", Condition={"Null": {"box:label": "false"}}))
    with pytest.raises(iam.UnmodelledPolicy, match="gives empty"):
        decided(world(ana), "box:Open")


def test_the_accounts_of_a_bucket_are_ours_and_anothers() -> None:
    foreign = {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}
    ana = role(allow("s3:PutObject", "arn:aws:s3:::*", Condition=foreign))
    found = decided(world(ana), "s3:PutObject", catalogue=AWS)
    assert {each.request.context["aws:resourceaccount"] for each in found.allowed} == {
        "111122223333"
    }
    ours = role(
        allow(
            "s3:PutObject",
            "arn:aws:s3:::*",
            Condition={"StringEquals": {"aws:ResourceAccount": ACCOUNT}},
        )
    )
    assert decided(world(ours), "s3:PutObject", catalogue=AWS).allowed


@pytest.mark.parametrize(
    ("operator", "account"), [("StringEquals", ACCOUNT), ("StringNotEquals", "111122223333")]
)
def test_where_nothing_tells_arns_apart_it_still_counts_whose_they_are(
    operator: str, account: str
) -> None:
    whose = {operator: {"aws:ResourceAccount": ACCOUNT}}
    ana = role(allow("sagemaker:StopTrainingJob", Condition=whose))
    [found] = decided(world(ana), "sagemaker:StopTrainingJob", catalogue=AWS).allowed
    assert found.request.resource.split(":")[4] == account


def test_what_a_resource_settles_is_its_own() -> None:
    labelled = guarded(f"{BOXES}a", facts={"box:label": "red"})
    ana = role(allow("box:Open", Condition={"StringEquals": {"box:label": "red"}}))
    blue = role(allow("box:Open", Condition={"StringEquals": {"box:label": "blue"}}), name="ben")
    all_ = world(ana, blue, guarded=[labelled])
    assert resources(decided(all_, "box:Open")) == {f"{BOXES}a", f"{BOXES}other"}
    assert resources(decided(all_, "box:Open", actor=blue)) == {f"{BOXES}other"}


# --- KMS ------------------------------------------------------------------------------------------
def _key_world(facts: dict[str, Any], *statements: dict[str, Any]) -> World:
    root = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    return world(role(*statements), guarded=[guarded(KEY, root, decides=True, facts=facts)])


def test_an_alias_is_one_keys() -> None:
    """A grant by alias reaches the key that has it, and no other of the account and region."""
    by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/records"}}
    keys = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"
    all_ = _key_world(
        {"kms:ResourceAliases": ("alias/records",)}, allow("kms:Decrypt", keys, Condition=by_alias)
    )
    assert resources(decided(all_, "kms:Decrypt", catalogue=AWS)) == {KEY}
    elsewhere = _key_world(
        {"kms:ResourceAliases": ("alias/records",)},
        allow("kms:Decrypt", f"arn:aws:kms:*:{ACCOUNT}:key/*", Condition=by_alias),
    )
    others = resources(decided(elsewhere, "kms:Decrypt", catalogue=AWS)) - {KEY}
    assert {each.split(":")[3] for each in others} == {"us-west-2"}


def test_a_key_that_hands_on_to_nobody_grants_nothing() -> None:
    service = allow("kms:Decrypt", Principal={"Service": "events.amazonaws.com"})
    alone = world(role(allow("kms:*")), guarded=[guarded(KEY, service, decides=True)])
    itself = Ask(("kms:*",), Region((KEY,)))
    assert not decided(alone, "kms:Decrypt", itself, catalogue=AWS).meeting(0)
    handed_on = _key_world({}, allow("kms:*"))
    assert decided(handed_on, "kms:Decrypt", itself, catalogue=AWS).meeting(0)


# --- callers --------------------------------------------------------------------------------------
def test_a_role_is_assumed_by_whom_its_trust_names() -> None:
    ana = role(allow("sts:AssumeRole"), name="ana")
    trust = {"Effect": "Allow", "Principal": {"AWS": ana.arn}, "Action": "sts:AssumeRole"}
    scorer = role(name="scorer", path="/academy/earth/service/", trust=[trust])
    found = decided(world(ana, scorer), "sts:AssumeRole")
    assert scorer.arn in resources(found)
    assert ana.arn not in resources(found)  # it trusts SageMaker alone


def test_trust_policies_guard_no_other_service() -> None:
    ana = role(allow("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/*"))
    itself = Ask(("iam:PassRole",), Region((ana.arn,)))
    assert decided(world(ana), "iam:PassRole", itself, catalogue=AWS).meeting(0)


def test_who_assumes_a_role_chooses_the_sessions_name() -> None:
    """A resource's policy that names a session is past the boundary."""
    named = f"arn:aws:sts::{ACCOUNT}:assumed-role/ana/admin"
    open_to_it = guarded(f"{BOXES}a", allow("box:Open", Principal={"AWS": named}))
    all_ = world(role(boundary=[allow("box:List")]), guarded=[open_to_it])
    [found] = decided(all_, "box:Open").allowed
    assert found.request.principal.arn == named
    assert found.decision.layer == iam.RESOURCE


def _grants(principal: Any, **more: Any) -> World:
    one = guarded(f"{BOXES}a", allow("box:Open", Principal=principal, **more))
    return world(role(), guarded=[one])


def test_everyone_is_anonymous_and_other_accounts_too() -> None:
    all_ = _grants("*")
    granted = {
        (each.kind, each.name)
        for each in strangers(all_)
        if decided(all_, "box:Open", actor=each).allowed
    }
    assert granted == {(each.kind, each.name) for each in strangers(all_)}


@pytest.mark.parametrize(
    ("principal", "who"),
    [
        ({"AWS": "111122223333"}, {"outside"}),
        ({"AWS": "arn:aws:iam::111122223333:role/x/guest"}, {"outside"}),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/Admin"}, {"inside"}),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/root-ish"}, {"inside"}),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/x"}, {"inside"}),
        ({"AWS": ACCOUNT}, set()),
        ({"Service": "events.amazonaws.com"}, {"service"}),
    ],
)
def test_strangers_that_a_resources_policy_names(principal: Any, who: set[str]) -> None:
    all_ = _grants(principal)
    granted = {
        each.kind for each in strangers(all_) if decided(all_, "box:Open", actor=each).allowed
    }
    assert granted == who


def test_a_stranger_whom_a_condition_names_is_found() -> None:
    """Everyone, but by aws:PrincipalArn: of the account's roles one class is let in."""
    some = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ops-*"}}
    all_ = _grants("*", Condition=some)
    found = decided(all_, "box:Open", actor=Stranger("inside"))
    assert {each.request.principal.role_arn for each in found.allowed} == {
        f"arn:aws:iam::{ACCOUNT}:role/ops-other"
    }
    assert not decided(all_, "box:Open", actor=Stranger("outside")).allowed
    assert not decided(all_, "box:Open", actor=Stranger("anonymous")).allowed


def test_the_academys_roles_are_no_strangers() -> None:
    ours = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/academy/*"}}
    all_ = _grants("*", Condition=ours)
    assert not decided(all_, "box:Open", actor=Stranger("inside")).allowed
    assert decided(all_, "box:Open").allowed


def test_a_service_acts_for_whom_it_says() -> None:
    mine = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    foreign = Ask(("*",), when={"StringNotEquals": {"aws:SourceAccount": ACCOUNT}})
    events = {"Service": "events.amazonaws.com"}
    actor = Stranger("service", "events.amazonaws.com")
    assert not decided(_grants(events, Condition=mine), "box:Open", foreign, actor=actor).meeting(0)
    assert decided(_grants(events), "box:Open", foreign, actor=actor).meeting(0)
    # A role brings no such key: what asks for it is not for roles.
    assert not decided(_grants("*", Condition=mine), "box:Open").allowed


def test_a_role_is_no_service_of_aws() -> None:
    all_ = _grants("*", Condition={"Bool": {"aws:PrincipalIsAWSService": "true"}})
    assert not decided(all_, "box:Open").allowed
    granted = {
        each.kind for each in strangers(all_) if decided(all_, "box:Open", actor=each).allowed
    }
    assert granted == {"service"}


def test_the_decision_on_one_world_is_not_anothers() -> None:
    """Mutants have the same names; only identity tells worlds apart."""
    ana = role(allow("box:Open", f"{BOXES}a"))
    assert decided(world(ana), "box:Open").allowed
    changed = replace(ana, identity=role(deny("box:Open")).identity)
    assert changed == ana
    assert not decided(world(changed), "box:Open").allowed
    both = world(ana)
    assert decided(both, "box:Open").allowed
    assert not decided(both, "box:Open", actor=changed).allowed


# --- asks -----------------------------------------------------------------------------------------
def test_an_ask_on_a_key_that_no_policy_mentions_can_be_met_and_missed() -> None:
    insecure = Ask(("box:*",), when={"Bool": {"aws:SecureTransport": "false"}})
    found = decided(world(role(allow("box:Open"))), "box:Open", insecure)
    assert found.meeting(0)
    assert found.unasked


def test_asks_on_different_keys_are_varied_apart() -> None:
    keys = ("box:label", "box:size", "box:sealed", "aws:SourceVpc", "aws:UserAgent", "aws:userid")
    asks = [Ask(("*",), when={"Null": {key: "false"}}) for key in keys[1:4]]
    asks += [Ask(("*",), when={"StringLike": {key: f"{n}*"}}) for n, key in enumerate(keys[3:])]
    found = decided(world(role(allow("box:Open"))), "box:Open", *asks)
    assert {index for each in found.allowed for index in each.asks} == set(range(len(asks)))
    assert found.unasked
    assert len(found.allowed) <= 2 + len(asks)


def test_meets_and_within_speak_as_policies_do() -> None:
    region = Region(("arn:aws:s3:::work/*",), ("arn:aws:s3:::work/public/*",))
    assert within(region, "arn:aws:s3:::work/a")
    assert not within(region, "arn:aws:s3:::work/public/a")
    assert not within(region, "arn:aws:s3:::work")
    assert within(Region(("*",)), "*")
    assert not within(Region(("arn:aws:s3:::*",)), "*")
    ask = Ask(("s3:Get*",), region, {"Bool": {"aws:SecureTransport": "true"}}, ("s3:GetObjectAcl",))
    who = role().session

    def request(action: str, **context: str) -> iam.Request:
        keys = {f"aws:{key}": value for key, value in context.items()}
        return iam.Request(who, action, "arn:aws:s3:::work/a", keys)

    assert meets(ask, request("s3:GetObject", SecureTransport="true"))
    assert not meets(ask, request("s3:GetObject", SecureTransport="false"))
    assert not meets(ask, request("s3:GetObject"))
    assert not meets(ask, request("s3:GetObjectAcl", SecureTransport="true"))
    assert not meets(ask, request("s3:PutObject", SecureTransport="true"))


def test_an_asks_variables_have_the_callers_value() -> None:
    own = Ask(("*",), when={"StringEquals": {"box:label": "${aws:PrincipalType}"}})
    found = decided(world(role(allow("box:Open"))), "box:Open", own)
    [mine] = found.meeting(0)
    assert mine.request.context["box:label"] == "AssumedRole"
    assert meets(own, mine.request)
    unsettled = Ask(("*",), when={"StringEquals": {"box:label": "${aws:userid}"}})
    with pytest.raises(iam.UnmodelledPolicy, match="policy variable aws:userid in Ask"):
        decided(world(role(allow("box:Open"))), "box:Open", unsettled)


def test_an_ask_that_iam_would_not_take_is_an_error() -> None:
    with pytest.raises(iam.UnmodelledPolicy):
        decided(world(role(allow("box:Open"))), "box:Open", Ask(("box:*",), when={"Like": {}}))


# --- actions --------------------------------------------------------------------------------------
def test_actions_that_no_allow_names_are_one_class_each() -> None:
    all_ = world(role(allow("box:Open")))
    found = {each.action: each for each in decide_every(all_, all_.roles[0], catalogue=BOX)}
    assert set(found) == {each.name for each in BOX}
    assert found["box:Open"].allowed
    assert found["box:Close"].allowed == ()
    assert found["box:Close"].examined == 1


@pytest.mark.parametrize(
    ("actions", "new"),
    [
        (["s3:GetObject", "s3:PutObject"], set()),
        (["s3:GetObject", "s3:GetObjekt"], {"s3:getobjekt"}),
        (["s3:Get*"], {"s3:get"}),
        (["s3:GetObjec?"], {"s3:getobjecx"}),
        (["*"], {"another-service:x"}),
    ],
)
def test_a_wildcard_allows_what_is_not_in_the_catalogue(actions: list[str], new: set[str]) -> None:
    ana = role(allow(actions), deny("s3:DeleteObject"))
    found = unknown_actions(world(ana), ana, catalogue=AWS)
    allowed = {each.action for each in found if each.allowed}
    assert all(not each.known and each.action not in AWS for each in found)
    assert allowed == new


def test_not_action_allows_what_is_not_in_the_catalogue() -> None:
    statement = {"Effect": "Allow", "NotAction": ["s3:*", "iam:*"], "Resource": "*"}
    ana = role(statement)
    allowed = {e.action for e in unknown_actions(world(ana), ana, catalogue=AWS) if e.allowed}
    assert {name.split(":")[0] for name in allowed} == {"another-service"}


def test_an_ask_splits_the_names_that_are_not_in_the_catalogue() -> None:
    ana = role(allow("sagemaker:*"))
    create = Ask(("sagemaker:Create*",))
    found = unknown_actions(world(ana), ana, asks=[create], catalogue=AWS)
    assert {bool(each.meeting(0)) for each in found if each.allowed} == {True, False}


def test_an_action_that_is_new_in_a_catalogue_is_denied_where_no_allow_covers_it() -> None:
    """Fails closed: with a catalogue that lacks it, a wildcard that covers it still shows."""
    name = "sagemaker:CreateTrainingJob"
    older = Catalogue(
        "older", {k: v for k, v in AWS.entries.items() if k != name.lower()}, AWS.services
    )
    exact = role(allow("sagemaker:DescribeTrainingJob"))
    assert unknown_actions(world(exact), exact, catalogue=older) == ()
    wide = role(allow("sagemaker:Create*"))
    shown = unknown_actions(world(wide), wide, asks=[Ask((name,))], catalogue=older)
    assert any(each.meeting(0) for each in shown)


# --- a second catalogue ---------------------------------------------------------------------------
IAM_DATA = Path(__file__).resolve().parents[3] / "node_modules" / "@cloud-copilot" / "iam-data"


@pytest.mark.skipif(not IAM_DATA.exists(), reason="make install puts it there")
def test_two_catalogues_of_different_people_agree_on_what_a_role_may() -> None:
    other = Catalogue.from_iam_data(IAM_DATA)
    ana = role(
        allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::work/teams/falcon/*"),
        allow(
            "s3:ListBucket",
            "arn:aws:s3:::work",
            Condition={"StringLike": {"s3:prefix": "teams/falcon/*"}},
        ),
        allow("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:broker:ana"),
        deny("*", Condition={"DateLessThan": {"aws:CurrentTime": "2027-01-01"}}),
    )
    all_ = world(ana)
    ours, theirs = (
        {e.action.lower() for e in decide_every(all_, ana, catalogue=each) if e.allowed}
        for each in (AWS, other)
    )
    assert ours == theirs
    assert len(ours) == 4
    # What one lists and the other does not is what `unknown_actions` is for.
    assert len(set(other.entries) - set(AWS.entries)) > 0


def test_the_published_catalogue_is_whole() -> None:
    assert len(AWS) > 20_000
    put = AWS.action("S3:putobject")
    assert put is not None
    assert put.name == "s3:PutObject"
    assert "arn:${Partition}:s3:::${BucketName}/${ObjectName}" in put.arns
    assert put.type_of("s3:if-none-match") == "String"
    assert put.type_of("s3:requestobjecttag/colour") == "String"
    assert put.type_of("s3:prefix") is None
    assert AWS.actions("sts:Assume*", "iam:PassRole")[0] == "iam:PassRole"
    assert all(each.arns or each.without_resource for each in AWS)
