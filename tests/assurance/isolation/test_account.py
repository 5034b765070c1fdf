"""Who in an account can cross a cohort's fence: planted users, groups and roles, on the wire."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto.iam.models import iam_backends

from infra.assurance import iam
from infra.assurance.isolation.account.examining import Found, examine, to_document, words
from infra.assurance.isolation.account.fences import fences
from infra.assurance.isolation.account.principals import principals
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.world import Document, Guarded, Role, World
from infra.offline.server import Cloud
from tests.offline import whole_cloud

ACCOUNT, REGION = "123456789012", "us-east-1"
CATALOGUE = Catalogue.published()
ACADEMY = f"arn:aws:iam::{ACCOUNT}:role/academy/earth"
VAULT = f"arn:aws:s3:::earth-{ACCOUNT}-{REGION}-vault"
WORK = f"arn:aws:s3:::earth-{ACCOUNT}-{REGION}-work"
BROKER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:earth-broker"
AWS = "arn:aws:iam::aws:policy"


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(**principal: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


OF_SAGEMAKER = trust(Service="sagemaker.amazonaws.com")
ROOT = trust(AWS=f"arn:aws:iam::{ACCOUNT}:root")
OWN = allow("s3:GetObject", f"{WORK}/teams/falcon/*")


def document(id_: str, body: Mapping[str, Any], kind: iam.PolicyKind = "identity") -> Document:
    return Document(id_, body, iam.Policy.parse(json.dumps(body), kind=kind))


def learner(name: str) -> Role:
    return Role(
        arn=f"{ACADEMY}/learner/earth--learner--{name}",
        name=f"earth--learner--{name}",
        cohort="earth",
        kind="learner",
        owner=name,
        team="falcon",
        identity=(document("own", policy(OWN)),),
        boundary=None,
        trust=document("trust", policy(OF_SAGEMAKER), "trust"),
    )


def made() -> World:
    """What templates would make: two learners, a vault that academy roles cannot read, a key."""
    sealed = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [VAULT, f"{VAULT}/*"],
        "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/academy/*"}},
    }
    whole = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/opaque"
    return World(
        ACCOUNT,
        REGION,
        ("earth",),
        (learner("ana"), learner("ben")),
        guarded=(
            Guarded(
                VAULT,
                "AWS::S3::Bucket",
                (VAULT, f"{VAULT}/*"),
                document("vault", policy(sealed), "resource"),
            ),
            Guarded(
                key,
                "AWS::KMS::Key",
                (key,),
                document("key", policy(whole), "resource"),
                decides=True,
                facts={"kms:ResourceAliases": ("alias/academy/earth/vault",)},
            ),
        ),
    )


class Account:
    """The embedded cloud's account. Users and groups, who cannot sign in there, are put beside."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.iam = whole_cloud.client(cloud, "iam")
        self.backend = iam_backends[ACCOUNT]["aws"]

    def role(
        self, name: str, by: Any, *statements: dict[str, Any], path: str = "/", **more: Any
    ) -> str:
        created = self.iam.create_role(
            RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(policy(by)), **more
        )
        if statements:
            self.iam.put_role_policy(
                RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy(*statements))
            )
        return str(created["Role"]["Arn"])

    def user(self, name: str, *statements: dict[str, Any], attached: str = "") -> str:
        self.backend.create_user(REGION, name, "/", None)
        if statements:
            self.backend.put_user_policy(name, "p", json.dumps(policy(*statements)))
        if attached:
            self.backend.attach_user_policy(attached, name)
        return f"arn:aws:iam::{ACCOUNT}:user/{name}"

    def group(self, name: str, user: str, *statements: dict[str, Any], attached: str = "") -> None:
        self.backend.create_group(name)
        if statements:
            self.backend.put_group_policy(name, "p", json.dumps(policy(*statements)))
        if attached:
            self.backend.attach_group_policy(attached, name)
        self.backend.add_user_to_group(name, user)

    def find(self, world: World | None = None) -> Found:
        return examine(
            lambda service: whole_cloud.client(self.cloud, service), world or made(), CATALOGUE
        )


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account with the learners' roles, and nobody else."""
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as cloud:
        yield Account(cloud)


@pytest.fixture
def clean(account: Account) -> Account:
    backend = account.backend
    for kept in (backend.users, backend.groups, backend.roles):
        kept.clear()
    for name in ("ana", "ben"):
        account.role(f"earth--learner--{name}", OF_SAGEMAKER, OWN, path="/academy/earth/learner/")
    return account


def crossed(found: Found) -> dict[str, set[str]]:
    """Who -> the fences that they cross, without the cohort's name."""
    told: dict[str, set[str]] = {}
    for each in found.crossing:
        told.setdefault(each.who.split("/")[-1], set()).add(each.fence.id.split("/")[-1])
    return told


# --- in order -------------------------------------------------------------------------------------
def test_an_account_with_the_cohort_alone_is_in_order(clean: Account) -> None:
    found = clean.find()
    assert found.in_order
    assert (found.examined, found.missing) == (0, ())


def test_who_can_do_nothing_here_is_examined_and_not_told_of(clean: Account) -> None:
    clean.user("guest", allow("s3:GetObject", "arn:aws:s3:::another/*"))
    clean.role("plain", ROOT)
    found = clean.find()
    assert found.in_order
    assert found.examined == 2


def test_administrators_are_told_apart_from_who_crosses(clean: Account) -> None:
    clean.user("boss", attached=f"{AWS}/AdministratorAccess")
    clean.user("all", allow("*"))
    clean.role("cdk-hnb659fds-deploy-role-123456789012-us-east-1", ROOT, allow("iam:PassRole"))
    path = "/aws-service-role/x.amazonaws.com/"
    clean.role("AWSServiceRoleForX", trust(Service="x.amazonaws.com"), allow("s3:*"), path=path)
    found = clean.find()
    assert found.in_order
    assert {arn.split("/")[-1] for arn in found.administrators} == {"boss", "all"}
    assert [arn.split("/")[-1] for arn in found.of_aws] == ["AWSServiceRoleForX"]
    assert len(found.bootstrap) == 1


def test_an_administrator_under_a_boundary_or_a_deny_is_held_like_others(clean: Account) -> None:
    limit = clean.iam.create_policy(
        PolicyName="limit", PolicyDocument=json.dumps(policy(allow("s3:GetObject", f"{WORK}/*")))
    )["Policy"]["Arn"]
    clean.role("bound", ROOT, allow("*"), PermissionsBoundary=limit)
    clean.user("all-but", allow("*"), {**allow("iam:*"), "Effect": "Deny"})
    found = clean.find()
    assert found.administrators == ()
    assert crossed(found)["bound"] == {"work-read"}
    assert "rights" not in crossed(found)["all-but"]
    assert "answers-read" in crossed(found)["all-but"]


# --- crossing -------------------------------------------------------------------------------------
CROSSING: dict[str, tuple[dict[str, Any], set[str]]] = {
    "every object": (
        allow("s3:GetObject"),
        {"answers-read", "work-read"},
    ),
    "the vault by its name": (allow("s3:Get*", f"{VAULT}/*"), {"answers-read"}),
    "one team's folder": (allow("s3:PutObject", f"{WORK}/teams/falcon/*"), {"work-written"}),
    "wheels": (
        allow("s3:PutObject", f"arn:aws:s3:::earth-{ACCOUNT}-{REGION}-data/software/*"),
        {"executed"},
    ),
    "an alias": (allow("lambda:InvokeFunction", f"{BROKER}:ana"), {"learners-spoken-for"}),
    "a function's code": (allow("lambda:UpdateFunctionCode", BROKER), {"functions-changed"}),
    "a link": (
        allow(
            "sagemaker:CreatePresignedDomainUrl",
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/d-abc/earth--ana",
        ),
        {"spaces-opened"},
    ),
    "a cohort's role, passed": (allow("iam:PassRole", f"{ACADEMY}/*"), {"roles-passed"}),
    "a cohort's role, changed": (
        allow("iam:PutRolePolicy", f"{ACADEMY}/service/*"),
        {"roles-changed", "rights"},
    ),
    "the boundary": (
        allow("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/earth--boundary"),
        {"policies-changed", "rights"},
    ),
    "settings": (
        allow(
            "ssm:PutParameter",
            f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/academy/workspaces/earth--ana",
        ),
        {"settings"},
    ),
    "private scores": (
        allow("dynamodb:Query", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/earth-board"),
        {"scores-read"},
    ),
    "an access key for an administrator": (
        allow("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/boss"),
        {"rights"},
    ),
    "another cohort's": (allow("s3:GetObject", VAULT.replace("earth", "mars") + "/*"), set()),
    "an action that is no crossing": (allow("s3:ListBucket"), set()),
    "only if the moon is full": (
        allow("s3:GetObject", Condition={"StringEquals": {"aws:PrincipalTag/moon": "full"}}),
        {"answers-read", "work-read"},
    ),
    "only for who is called otherwise": (
        allow(
            "s3:GetObject",
            Condition={"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/other"}},
        ),
        set(),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CROSSING)
def test_a_user_crosses_the_fence_that_their_policy_opens(clean: Account, what: str) -> None:
    statement, over = CROSSING[what]
    arn = clean.user("bo", statement)
    found = clean.find()
    assert crossed(found).get("bo", set()) == over
    assert found.undecided == ()
    for each in found.crossing:
        assert str(each).startswith(f"{arn} {each.fence.says}: ")
        assert each.request.principal.arn == arn


def test_a_managed_policy_of_awss_and_a_groups_policies_count(clean: Account) -> None:
    clean.user("one", attached=f"{AWS}/AmazonS3ReadOnlyAccess")
    clean.user("two")
    clean.group("readers", "two", attached=f"{AWS}/AmazonS3ReadOnlyAccess")
    clean.user("three")
    clean.group("writers", "three", allow("s3:PutObject", f"{VAULT}/*"))
    clean.user("four")
    told = crossed(clean.find())
    assert told["one"] == told["two"] == {"answers-read", "work-read"}
    assert told["three"] == {"answers-written"}
    assert "four" not in told


def test_a_role_under_the_academys_path_that_no_template_makes_is_held_like_others(
    clean: Account,
) -> None:
    """The vault denies itself to it; what is no vault it reads."""
    clean.role("stray", ROOT, allow("s3:GetObject"), path="/academy/earth/learner/")
    assert crossed(clean.find()) == {"stray": {"work-read"}}


# --- by a role that is taken ----------------------------------------------------------------------
def test_what_a_role_may_counts_for_whoever_can_take_it(clean: Account) -> None:
    reader = clean.role("reader", ROOT, allow("s3:GetObject", f"{VAULT}/*"))
    clean.user("bo", allow("sts:AssumeRole"))
    clean.user("cy", allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/another"))
    found = clean.find()
    assert crossed(found) == {"reader": {"answers-read"}, "bo": {"answers-read"}}
    [by] = [each for each in found.crossing if each.who.endswith("/bo")]
    assert by.by == (reader,)
    assert str(by).endswith(f", as {reader}")


def test_roles_are_taken_one_after_the_other_and_in_a_circle(clean: Account) -> None:
    reader = clean.role(
        "reader",
        trust(AWS=f"arn:aws:iam::{ACCOUNT}:role/middle"),
        allow("s3:GetObject", f"{VAULT}/*"),
    )
    middle = clean.role(
        "middle", ROOT, allow("sts:AssumeRole", [reader, f"arn:aws:iam::{ACCOUNT}:role/middle"])
    )
    clean.user("bo", allow("sts:AssumeRole", middle))
    found = clean.find()
    [by] = [each for each in found.crossing if each.who.endswith("/bo")]
    assert by.by == (middle, reader)


def test_who_a_trust_policy_names_needs_no_right_of_their_own(clean: Account) -> None:
    bo = clean.user("bo")
    clean.user("cy")
    clean.role("reader", trust(AWS=bo), allow("s3:GetObject", f"{VAULT}/*"))
    assert set(crossed(clean.find())) == {"reader", "bo"}


def test_a_role_that_a_service_takes_is_told_of_itself_alone(clean: Account) -> None:
    clean.user("bo", allow("sts:AssumeRole"))
    clean.role("worker", trust(Service="lambda.amazonaws.com"), allow("s3:GetObject"))
    assert set(crossed(clean.find())) == {"worker"}


def test_who_can_take_an_administrators_role_is_told(clean: Account) -> None:
    admin = clean.role("admin", ROOT, allow("*"))
    clean.user("bo", allow("sts:AssumeRole", admin))
    found = clean.find()
    assert found.administrators == (admin,)
    assert crossed(found) == {"bo": {"administers"}}


def test_who_comes_from_outside_is_told_with_the_role(clean: Account) -> None:
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    federated = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    ci = clean.role("ci", federated, allow("s3:GetObject", f"{VAULT}/*"))
    friend = clean.role(
        "friend", trust(AWS="arn:aws:iam::111122223333:root"), allow("s3:GetObject", f"{VAULT}/*")
    )
    clean.role("elsewhere", trust(AWS="arn:aws:iam::111122223333:root"))
    found = clean.find()
    assert found.outside == {ci: (provider,), friend: ("arn:aws:iam::111122223333:root",)}
    assert found.undecided == ()


# --- not decided ----------------------------------------------------------------------------------
def test_what_the_model_does_not_decide_is_never_in_order(clean: Account) -> None:
    clean.user(
        "bo",
        allow("s3:GetObject", Condition={"BinaryEquals": {"aws:PrincipalTag/x": "AAAA"}}),
    )
    found = clean.find()
    assert not found.in_order
    assert found.crossing == ()
    told = {str(each) for each in found.undecided}
    assert any("can read the held-out answers of earth" in each for each in told)
    assert all(each.startswith("not decided: whether ") for each in told)
    assert all("BinaryEquals" in each for each in told)
    assert not any("boards" in each for each in told), "it says nothing of other actions"


def test_a_statement_about_other_actions_may_be_beyond_the_model(clean: Account) -> None:
    clean.user(
        "bo",
        allow("ec2:*", Condition={"BinaryEquals": {"aws:PrincipalTag/x": "AAAA"}}),
        allow("s3:GetObject", f"{VAULT}/*"),
    )
    found = clean.find()
    assert found.undecided == ()
    assert crossed(found) == {"bo": {"answers-read"}}


def test_a_statement_without_plain_actions_may_concern_all(clean: Account) -> None:
    clean.user(
        "bo",
        {
            "Effect": "Allow",
            "NotAction": "iam:*",
            "Resource": "*",
            "Condition": {"BinaryEquals": {"aws:PrincipalTag/x": "AAAA"}},
        },
    )
    found = clean.find()
    assert len(found.undecided) >= len(fences(made()))


# --- the templates' own ---------------------------------------------------------------------------
def test_a_role_of_the_templates_that_was_changed_by_hand_is_told(clean: Account) -> None:
    clean.iam.put_role_policy(
        RoleName="earth--learner--ana", PolicyName="more", PolicyDocument=json.dumps(policy(OWN))
    )
    [changed] = clean.find().changed
    assert changed.role.endswith("earth--learner--ana")
    assert "its policies are" in str(changed)
    clean.iam.delete_role_policy(RoleName="earth--learner--ana", PolicyName="more")
    assert clean.find().in_order
    clean.iam.attach_role_policy(
        RoleName="earth--learner--ben", PolicyArn=f"{AWS}/AdministratorAccess"
    )
    told = [str(each) for each in clean.find().changed]
    assert any("AdministratorAccess is attached" in each for each in told)
    assert all("earth--learner--ben" in each for each in told)


def test_a_changed_trust_policy_or_boundary_is_told(clean: Account) -> None:
    clean.iam.update_assume_role_policy(
        RoleName="earth--learner--ana", PolicyDocument=json.dumps(policy(ROOT))
    )
    limit = clean.iam.create_policy(
        PolicyName="limit2", PolicyDocument=json.dumps(policy(allow("s3:GetObject")))
    )["Policy"]["Arn"]
    clean.iam.put_role_permissions_boundary(
        RoleName="earth--learner--ben", PermissionsBoundary=limit
    )
    told = {(each.role[-3:], each.what) for each in clean.find().changed}
    assert told == {("ana", "who may take it is"), ("ben", "its boundary is")}


def test_another_way_to_write_the_same_policy_is_no_change(clean: Account) -> None:
    other = {"Effect": "Allow", "Resource": [OWN["Resource"]], "Action": ["s3:GetObject"]}
    clean.iam.put_role_policy(
        RoleName="earth--learner--ana",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": other}),
    )
    assert clean.find().in_order


def test_a_role_that_is_not_deployed_yet_is_said_to_be_missing(clean: Account) -> None:
    clean.backend.roles.pop(
        next(id_ for id_, role in clean.backend.roles.items() if role.name.endswith("ben"))
    )
    found = clean.find()
    assert found.missing == (f"{ACADEMY}/learner/earth--learner--ben",)
    assert found.in_order


def test_keys_are_known_by_their_ids_in_the_account(clean: Account) -> None:
    """A policy of the account names a key by an id that no template knows."""
    kms = whole_cloud.client(clean.cloud, "kms")
    key, other = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    kms.create_alias(AliasName="alias/academy/earth/vault", TargetKeyId=key)
    try:
        clean.user("bo", allow("kms:PutKeyPolicy", key))
        clean.user("cy", allow("kms:PutKeyPolicy", other))
        assert crossed(clean.find()) == {"bo": {"keys"}}
    finally:
        kms.delete_alias(AliasName="alias/academy/earth/vault")


def test_the_credentials_of_another_account_are_refused(clean: Account) -> None:
    world = made()
    elsewhere = World("111122223333", world.region, world.cohorts, ())
    with pytest.raises(ValueError, match="credentials are of account 123456789012"):
        clean.find(elsewhere)


# --- told -----------------------------------------------------------------------------------------
def test_what_is_found_is_told_in_sentences_and_as_json(clean: Account) -> None:
    admin = clean.role("admin", trust(AWS="arn:aws:iam::111122223333:root"), allow("*"))
    bo = clean.user("bo", allow("s3:GetObject", f"{VAULT}/*"))
    cy = clean.user(
        "cy", allow("s3:PutObject", Condition={"BinaryEquals": {"aws:PrincipalTag/x": "AAAA"}})
    )
    found = clean.find()
    told = words(found)
    assert told[0].startswith(
        f"{bo} can read the held-out answers of earth: s3:GetObject on {VAULT}/"
    )
    assert any(each.startswith(f"not decided: whether {cy} can ") for each in told)
    assert (
        f"{admin} can be taken from outside the account, by arn:aws:iam::111122223333:root" in told
    )
    assert f"administrators by design: {admin}" in told
    assert told[-1] == (
        f"3 users and roles of account {ACCOUNT} outside the templates; 1 of them by design, and "
        "the account's root user besides"
    )
    document = json.loads(json.dumps(to_document(found)))
    assert document["in_order"] is False
    assert [(each["who"], each["fence"]) for each in document["crossing"]] == [
        (bo, "earth/answers-read")
    ]
    assert {each["who"] for each in document["undecided"]} == {cy}


# --- how the account is read ----------------------------------------------------------------------
class Paged:
    """A client that gives what it was told in pages."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = pages

    def get_paginator(self, _operation: str) -> Paged:
        return self

    def paginate(self) -> tuple[dict[str, Any], ...]:
        return self.pages


def detail(name: str, by: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "RoleName": name,
        "Path": "/",
        "AssumeRolePolicyDocument": policy(by),
        **more,
    }


def test_policies_may_come_on_a_later_page_than_who_has_them() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/x"
    version = {"Document": policy(allow("s3:GetObject")), "IsDefaultVersion": True}
    old = {"Document": policy(allow("*")), "IsDefaultVersion": False}
    attached = [{"PolicyName": "x", "PolicyArn": arn}]
    [found] = principals(
        Paged(
            {"RoleDetailList": [detail("one", ROOT, AttachedManagedPolicies=attached)]},
            {"Policies": [{"Arn": arn, "PolicyVersionList": [old, version]}]},
        )
    )
    assert [each.body for each in found.role.identity] == [policy(allow("s3:GetObject"))]


def test_an_attached_policy_whose_document_is_missing_may_say_anything() -> None:
    attached = [{"PolicyName": "x", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/x"}]
    [found] = principals(
        Paged({"RoleDetailList": [detail("one", ROOT, AttachedManagedPolicies=attached)]})
    )
    [unread] = found.unread
    assert unread.may_concern("s3:GetObject")


def test_a_trust_policy_that_names_who_was_deleted_names_nobody() -> None:
    deleted = trust(AWS=["AIDACKCEVSQ6C2EXAMPLE", f"arn:aws:iam::{ACCOUNT}:user/bo"])
    [found] = principals(Paged({"RoleDetailList": [detail("one", deleted)]}))
    assert found.unread_trust == ()
    assert found.outside == ()
    [statement] = found.role.trust.policy.statements
    assert statement.principals is not None
    assert statement.principals.arns == {f"arn:aws:iam::{ACCOUNT}:user/bo"}


def with_a_door() -> World:
    name = "earth--service--door"
    role = dataclasses.replace(
        learner("x"),
        arn=f"{ACADEMY}/service/{name}",
        name=name,
        kind="service",
        owner="door",
        team=None,
    )
    return dataclasses.replace(made(), roles=(*made().roles, role))


def test_a_door_has_a_fence_of_its_own_where_there_is_one() -> None:
    more = {each.id for each in fences(with_a_door())} - {each.id for each in fences(made())}
    assert more == {"earth/signed-in-for", "earth/address"}


def test_every_action_of_a_fence_is_one_of_awss() -> None:
    """A misspelt one would never be found allowed."""
    listed = {action for fence in fences(with_a_door()) for action in fence.actions}
    assert [action for action in sorted(listed) if action not in CATALOGUE] == []
