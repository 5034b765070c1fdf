"""The promises hold for our cohorts, and each kind of mistake breaks the promise about it."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infra.assurance.isolation import words
from infra.assurance.isolation.asking import Ask
from infra.assurance.isolation.promises.places import NoSuchKey, Places
from infra.assurance.isolation.promises.promised import Promise, promises
from infra.assurance.isolation.proof import (
    NOBODYS,
    Finding,
    Proof,
    UnknownPromise,
    asks_of,
    prove,
    to_document,
)
from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.templates import Templates
from infra.cohort.images import FLAVOURS, Built, ImageVersion, Record
from infra.cohort.model import Cohort
from tests.assurance.isolation.made import ACCOUNT, REGION, ROOT, example, synthesize

CATALOGUE = Catalogue.published()
NAME = "earth-2026-fall"
FOUNDATION, GUARD, COMPETITION = (
    f"{NAME}-{each}" for each in ("Foundation", "Guard", "Competition")
)
FALCON = f"{NAME}-Team-falcon"
TEAMS = {
    "tenant": "01234567-89ab-cdef-0123-456789abcdef",
    "team": "11234567-89ab-cdef-0123-456789abcdef",
    "channel": "19%3Aabc%40thread.tacv2",
}
VERSION = ImageVersion(
    number=1,
    built=dt.datetime(2026, 11, 28, tzinfo=dt.UTC),
    source="0" * 64,
    images={
        flavour: Built(workspace=f"sha256:{'a' * 64}", training=f"sha256:{'b' * 64}", bytes=1)
        for flavour in FLAVOURS
    },
)


class Made(NamedTuple):
    """Cohorts, and their templates."""

    cohorts: tuple[Cohort, ...]
    templates: Templates
    images: ImageVersion | None

    def prove(self, *only: str, templates: Templates | None = None) -> Proof:
        world = read(templates or self.templates, account=ACCOUNT, region=REGION)
        return prove(world, self.cohorts, CATALOGUE, images=self.images, only=only)


def full() -> Cohort:
    """With advisors who have spaces, and a chat channel."""
    return example(
        budget={"per_learner_usd": 25, "per_advisor_usd": 5},
        notify={"email": "a@example.org", "teams": TEAMS},
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A cohort on the academy's images, and the account's stacks that make these."""
    cohort = full()
    record = Record().with_version(ACCOUNT, REGION, VERSION)
    folder = tmp_path_factory.mktemp("one")
    return Made((cohort,), synthesize(folder, cohort, images=VERSION, record=record), VERSION)


# --- they hold ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def proof(one: Made) -> Proof:
    return one.prove()


def told(proof: Proof) -> list[str]:
    return [
        f"{finding.promise.id}: {breach.words}"
        for finding in proof.broken
        for breach in finding.breaches
    ]


def test_all_promises_hold(proof: Proof) -> None:
    assert told(proof) == []
    assert proof.holds


@pytest.mark.slow
def test_they_hold_for_two_cohorts_of_an_account_together(tmp_path: Path) -> None:
    """The name of one begins as the other's; a learner there is called as a team here is, and a
    team as a learner."""
    cohort = full()
    [team, *_] = cohort.model_dump()["teams"]
    other = example(
        name=f"{NAME}-2",
        teams=[{"id": "ana", "learners": [{**team["learners"][0], "id": "falcon"}]}],
        advisors=[],
    )
    record = Record().with_version(ACCOUNT, REGION, VERSION)
    made = synthesize(tmp_path, cohort, other, images=VERSION, record=record)
    both = Made((cohort, other), made, VERSION)
    assert told(both.prove()) == []

    def neighbours_board(resources: Json) -> None:
        replace(statement(resources, "steward", "KeepBoard"), NAME, f"{NAME}-2")

    crossing = both.prove(templates=changed(both, COMPETITION, neighbours_board))
    assert {(each.promise.cohort, each.promise.id) for each in crossing.broken} >= {
        (NAME, "cohorts-apart"),
        (f"{NAME}-2", "cohort-shut"),
    }


@pytest.mark.slow
def test_they_hold_by_another_catalogue_of_aws_actions(one: Made) -> None:
    """Other people's reading of the same reference, with actions that the first does not have."""
    catalogue = Catalogue.from_iam_data(ROOT / "node_modules" / "@cloud-copilot" / "iam-data")
    assert set(catalogue.entries) - set(CATALOGUE.entries)
    world = read(one.templates, account=ACCOUNT, region=REGION)
    assert told(prove(world, one.cohorts, catalogue, images=VERSION)) == []


def test_no_promise_is_about_nobody(proof: Proof) -> None:
    """Of nobody, everything holds: with advisors, a chat channel and images there is someone for
    each. Only an isolation with shared domains has their role."""
    about: dict[str, int] = {}
    for finding in proof.findings:
        if finding.promise.check is None:
            about[finding.promise.id] = about.get(finding.promise.id, 0) + finding.about
    assert [promise for promise, count in about.items() if not count] == ["domain-only"]


def test_learners_alike_are_decided_once(one: Made) -> None:
    [learners] = one.prove("learner-only").findings
    assert (learners.about, learners.shapes) == (4, 1)


def test_each_promise_has_an_id_of_its_own(one: Made) -> None:
    world = read(one.templates, account=ACCOUNT, region=REGION)
    ids = [promise.id for promise in promises([Places(one.cohorts[0], world, VERSION)])]
    assert len(set(ids)) == len(ids)


def test_an_unknown_promise_is_refused_with_those_there_are(one: Made) -> None:
    with pytest.raises(UnknownPromise, match=r"vault-seald: vault-sealed, "):
        one.prove("vault-seald")


# --- and each mistake breaks the one that is about it ---------------------------------------------
Json = dict[str, Any]


def changed(made: Made, stack: str, change: Callable[[Json], None]) -> Templates:
    """The templates with a change made to the resources of a stack."""
    template = copy.deepcopy(dict(made.templates.stacks[stack]))
    change(template["Resources"])
    return Templates({**made.templates.stacks, stack: template})


def role(resources: Json, name: str) -> Json:
    [found] = [
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::IAM::Role" and each["Properties"]["RoleName"].endswith(name)
    ]
    return found


def statements(resources: Json, name: str) -> list[Json]:
    [policy] = role(resources, name)["Policies"]
    return policy["PolicyDocument"]["Statement"]


def statement(resources: Json, name: str, sid: str) -> Json:
    [found] = [each for each in statements(resources, name) if each["Sid"] == sid]
    return found


def boundary(resources: Json) -> list[Json]:
    [found] = [r for r in resources.values() if r["Type"] == "AWS::IAM::ManagedPolicy"]
    return found["Properties"]["PolicyDocument"]["Statement"]


def without(listed: list[Json], sid: str) -> None:
    [found] = [each for each in listed if each.get("Sid") == sid]
    listed.remove(found)


def of_type(resources: Json, type_: str, part: str = "") -> Json:
    [found] = [
        each["Properties"]
        for logical_id, each in resources.items()
        if each["Type"] == type_ and logical_id.startswith(part)
    ]
    return found


def allow(sid: str, action: str, resource: str, **more: Any) -> Json:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource, **more}


def replace(statement: Json, old: str, new: str) -> None:
    """In each of a statement's resources, `new` for `old`."""
    listed = statement["Resource"]
    resources = [listed] if isinstance(listed, str) else listed
    statement["Resource"] = [each.replace(old, new) for each in resources]
    assert statement["Resource"] != resources


def open_folder(resources: Json) -> None:
    """teams/falcon* is teams/falcon-2/ too."""
    replace(statement(resources, "learner--ana", "TeamFolder"), "falcon/*", "falcon*")


def overwrite(resources: Json) -> None:
    del statement(resources, "learner--ana", "Submit")["Condition"]["Null"]["s3:if-none-match"]


def any_alias(resources: Json) -> None:
    replace(statement(resources, "learner--ana", "AskTheBroker"), "broker:ana", "broker*")


def any_type(resources: Json) -> None:
    """ForAllValues is true of a job without a type."""
    del statement(resources, "broker", "StartJobs")["Condition"]["Null"]["sagemaker:InstanceTypes"]


def endless(resources: Json) -> None:
    start = statement(resources, "broker", "StartJobs")["Condition"]
    start["NumericLessThanEqualsIfExists"] = start.pop("NumericLessThanEquals")


def any_service(resources: Json) -> None:
    del statement(resources, "broker", "PassTrainingRoles")["Condition"]


def no_end(resources: Json) -> None:
    without(boundary(resources), "NotAfterTheEnd")


def wide_boundary(resources: Json) -> None:
    boundary(resources).append(allow("More", "sagemaker:Create*", "*"))


def no_boundary(resources: Json) -> None:
    del role(resources, "learner--ana")["PermissionsBoundary"]


def open_vault(resources: Json) -> None:
    policy = of_type(resources, "AWS::S3::BucketPolicy", "Vault")["PolicyDocument"]
    without(policy["Statement"], "OnlyTheScorer")


def two_scorers(resources: Json) -> None:
    """The vault's own policy and its key's are told of one more, in another's role."""
    policy = of_type(resources, "AWS::S3::BucketPolicy", "Vault")["PolicyDocument"]
    [only] = [each for each in policy["Statement"] if each.get("Sid") == "OnlyTheScorer"]
    scorer = only["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    only["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] = [
        scorer,
        scorer.replace("scorer", "steward"),
    ]


def shared_key(resources: Json) -> None:
    vault = of_type(resources, "AWS::S3::Bucket", "Vault")["BucketEncryption"]
    [rule] = vault["ServerSideEncryptionConfiguration"]
    [records] = [each for each in resources if each.startswith("RecordsKey3")]
    rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] = {"Fn::GetAtt": [records, "Arn"]}


def grants(resources: Json) -> None:
    policy = of_type(resources, "AWS::KMS::Key", "Records")["KeyPolicy"]
    [budgets] = [s for s in policy["Statement"] if s.get("Sid") == "BudgetsPublishesEncrypted"]
    budgets["Action"] = [*budgets["Action"], "kms:CreateGrant"]


def trusted(resources: Json) -> None:
    trust = role(resources, "learner--ana")["AssumeRolePolicyDocument"]
    trust["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "sts:AssumeRole",
        }
    )


def called_by_events(resources: Json) -> None:
    resources["Called"] = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": f"{NAME}-broker",
            "Principal": "events.amazonaws.com",
        },
    }


def writes_submissions(resources: Json) -> None:
    puts = statement(resources, "checker", "HandOverAndRefuse")
    puts["Resource"] = [*puts["Resource"], puts["Resource"][0].replace("checked/", "submissions/")]


def reads_logs(resources: Json) -> None:
    replace(statement(resources, "sweep", "WriteOwnLog"), f"{NAME}-sweep", "*")


def neighbours_rules(resources: Json) -> None:
    """`earth-*` are the rules of a cohort earth-2, too."""
    policy = of_type(resources, "AWS::SQS::QueuePolicy")["PolicyDocument"]
    [writes] = [each for each in policy["Statement"] if each.get("Sid") == "RulesWrite"]
    writes["Condition"]["ArnLike"]["aws:SourceArn"] = (
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{NAME}-*"
    )


def tags(resources: Json) -> None:
    own = statement(resources, "learner--ana", "ReadWorkspaceConfig")
    own["Condition"] = {"StringEquals": {"aws:ResourceTag/team": "falcon"}}


def another_role(resources: Json) -> None:
    resources["Door"] = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            **copy.deepcopy(role(resources, "steward")),
            "RoleName": f"{NAME}--service--porter",
        },
    }


def nobodys_role(resources: Json) -> None:
    another_role(resources)
    resources["Door"]["Properties"].update(RoleName="door", Path="/")


def lost_role(resources: Json) -> None:
    for logical_id in [each for each in resources if each.startswith("Learnerana")]:
        del resources[logical_id]


def any_ending(statement: Json) -> None:
    """DescribeTrainingJob* is what AWS may call something else tomorrow."""
    [action] = statement["Action"]
    statement["Action"] = f"{action}*"


def tomorrow(resources: Json) -> None:
    any_ending(statement(resources, "learner--ana", "SeeTeamsJobs"))


def tomorrow_within(resources: Json) -> None:
    [sees] = [each for each in boundary(resources) if each["Sid"] == "SeeJobs"]
    any_ending(sees)


class Planted(NamedTuple):
    """A mistake in a stack, the promise that it breaks, and what the witness says."""

    stack: str
    change: Callable[[Json], None]
    promise: str
    says: tuple[str, ...]


#: A few of each kind; `operators` makes many more.
PLANTED = [
    Planted(FALCON, open_folder, "teams-apart", ("ana (learner, team falcon) may s3:", "teams/")),
    Planted(FALCON, overwrite, "submissions-stand", ("s3:PutObject", "without s3:if-none-match")),
    Planted(FALCON, any_alias, "own-alias", ("lambda:InvokeFunction on ", f"{NAME}-broker")),
    Planted(GUARD, any_type, "broker-limits", ("CreateTrainingJob", "without sagemaker:inst")),
    Planted(GUARD, endless, "broker-limits", ("CreateTrainingJob",)),
    Planted(GUARD, any_service, "broker-passes", ("iam:PassRole on ", "role/academy/")),
    Planted(FOUNDATION, no_end, "dates", (" at 2027-04-01T00:00:00Z",)),
    Planted(FOUNDATION, no_end, "boundary-keeps-dates", ("were everything allowed, may",)),
    Planted(FOUNDATION, wide_boundary, "boundary-holds", ("sagemaker:Create", "boundary")),
    Planted(FALCON, no_boundary, "boundary-is-there", ("learner ana has the boundary none",)),
    Planted(FALCON, no_boundary, "dates", ("ana (learner, team falcon) may",)),
    Planted(FOUNDATION, open_vault, "vault-refuses", ("were everything allowed, may s3:", "vault")),
    Planted(FOUNDATION, two_scorers, "vault-refuses", ("the service steward, were", "s3:GetObj")),
    Planted(FOUNDATION, shared_key, "vault-has-its-key", ("is not encrypted with the key",)),
    Planted(FOUNDATION, grants, "keys-are-used", ("budgets.amazonaws.com may kms:CreateGrant",)),
    Planted(FALCON, trusted, "strangers", ("anyone of another account may sts:AssumeRole on ",)),
    Planted(GUARD, called_by_events, "own-alias", ("events.amazonaws.com may lambda:Invoke",)),
    Planted(
        COMPETITION, writes_submissions, "submissions-are-read", ("service checker may s3:Put",)
    ),
    Planted(
        GUARD, reads_logs, "cohorts-apart", ("service sweep may logs:", "log-group:/aws/lambda/")
    ),
    Planted(FOUNDATION, neighbours_rules, "events-of-aws-only", ("sqs:SendMessage on",)),
    Planted(FALCON, tags, "no-tag-decides", ("ReadWorkspaceConfig", "aws:ResourceTag/team")),
    Planted(COMPETITION, another_role, "roles-are-known", ("nothing is promised of the role",)),
    Planted(COMPETITION, nobodys_role, "no-other-role-of-the-account", ("role/door",)),
    Planted(FALCON, lost_role, "roles-are-known", ("has no learner role of ana",)),
]


#: Those that show how a whole kind of promise breaks.
OFTEN = (open_folder, overwrite, any_alias, any_type, no_end, trusted, called_by_events, lost_role)


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(
            each,
            id=f"{each.change.__name__}: {each.promise}",
            marks=() if each.change in OFTEN else pytest.mark.slow,
        )
        for each in PLANTED
    ],
)
def test_a_mistake_breaks_the_promise_about_it(one: Made, planted: Planted) -> None:
    proof = one.prove(planted.promise, templates=changed(one, planted.stack, planted.change))
    sentences = [breach.words for each in proof.broken for breach in each.breaches]
    assert any(all(part in each for part in planted.says) for each in sentences), sentences


def test_what_aws_may_add_tomorrow_is_a_breach_today(one: Made) -> None:
    """A wildcard that matches one action of the catalogue grants those that it does not have."""
    wide = Made(one.cohorts, changed(one, FALCON, tomorrow), VERSION)
    proof = wide.prove("learner-only", templates=changed(wide, FOUNDATION, tomorrow_within))
    [finding] = proof.findings
    [first, *_] = [breach.request for breach in finding.breaches if breach.request]
    assert first.action.lower().startswith("sagemaker:describetrainingjob")
    assert first.action not in CATALOGUE


def test_a_new_action_of_a_new_catalogue_fails_closed(one: Made) -> None:
    """The same when AWS has published it: nobody has to remember to forbid it."""
    seen = CATALOGUE.action("sagemaker:DescribeTrainingJob")
    assert seen is not None
    new = dataclasses.replace(seen, name="sagemaker:DescribeTrainingJobSecrets")
    entries = {**CATALOGUE.entries, new.name.lower(): new}
    catalogue = Catalogue("a newer one", entries, CATALOGUE.services)
    wide = Made(one.cohorts, changed(one, FALCON, tomorrow), VERSION)
    templates = changed(wide, FOUNDATION, tomorrow_within)
    proof = prove(
        read(templates, account=ACCOUNT, region=REGION),
        one.cohorts,
        catalogue,
        images=VERSION,
        only=["nothing-bills"],
    )
    [finding] = proof.findings
    assert new.name in {breach.request.action for breach in finding.breaches if breach.request}


# --- how it is said -------------------------------------------------------------------------------
def found(proof: Proof, promise: str) -> Finding:
    [finding] = [each for each in proof.findings if each.promise.id == promise]
    return finding


def test_a_breach_is_a_sentence_that_names_the_statements(one: Made) -> None:
    def reads_all(resources: Json) -> None:
        folder = statement(resources, "learner--ana", "TeamFolder")
        folder["Action"] = "s3:GetObject"
        replace(folder, "falcon/*", "heron/*")

    proof = one.prove("teams-apart", templates=changed(one, FALCON, reads_all))
    [breach] = found(proof, "teams-apart").breaches
    world = proof.world
    own, limit = (next(r for r in world.roles if r.owner == "ana"), f"{NAME}--boundary")
    assert own.source is not None
    assert own.boundary is not None
    assert own.boundary.source is not None
    assert breach.words == (
        "ana (learner, team falcon) may s3:GetObject on "
        f"{breach.request and breach.request.resource} at 2026-11-16T00:00:00Z, because statement "
        f"TeamFolder of policy learner in {FALCON}/{own.source.logical_id} allows it; statement "
        f"Work of the boundary {limit} in {FOUNDATION}/{own.boundary.source.logical_id} lets it "
        "through"
    )
    assert breach.request is not None
    assert breach.request.resource.startswith(
        f"arn:aws:s3:::{NAME}-{ACCOUNT}-{REGION}-work/teams/heron/"
    )
    assert breach.source == own.source


def test_who_else_may_the_same_is_named(one: Made) -> None:
    def wide(resources: Json) -> None:
        boundary(resources)[:] = [
            each for each in boundary(resources) if each["Sid"] != "NotBeforeTheStart"
        ]

    proof = one.prove("dates", templates=changed(one, FOUNDATION, wide))
    also = {breach.also for breach in found(proof, "dates").breaches}
    assert (
        "ben (learner, team falcon)",
        "chi (learner, team heron)",
        "dov (learner, team heron)",
    ) in also


def test_the_document_says_the_same(one: Made) -> None:
    broken = changed(one, FALCON, overwrite)
    proof = one.prove("submissions-stand", "vault-has-its-key", templates=broken)
    document = to_document(proof)
    assert json.loads(json.dumps(document)) == document
    assert (document["version"], document["holds"], document["account"]) == (1, False, ACCOUNT)
    assert document["cohorts"] == [NAME]
    assert document["catalogue"]["actions"] > 20_000
    [sealed, stands] = sorted(document["promises"], key=lambda each: bool(each["breaches"]))
    assert (sealed["id"], sealed["holds"], sealed["breaches"]) == ("vault-has-its-key", True, [])
    assert stands["id"] == "submissions-stand"
    [breach, *_] = stands["breaches"]
    assert breach["request"]["action"] == "s3:PutObject"
    assert breach["who"].endswith(f"role/academy/{NAME}/learner/{NAME}--learner--ana")
    assert {grant["layer"] for grant in breach["through"]} == {"identity", "boundary"}
    assert breach["stack"] == FALCON


# --- what is asked --------------------------------------------------------------------------------
def test_a_service_is_nobody_though_a_learner_may_have_its_name(one: Made) -> None:
    """{owner} is a person: the hole for a learner called steward is none for the service."""
    world = read(one.templates, account=ACCOUNT, region=REGION)
    own = next(each for each in promises([Places(one.cohorts[0], world)]) if each.id == "own-alias")

    def hole(kind: str, owner: str) -> str:
        [of] = [role for role in world.roles if (role.kind, role.owner) == (kind, owner)]
        [ask] = asks_of(own, of)
        return ask.on.but_not[0].rpartition(":")[2]

    assert hole("service", "steward") == NOBODYS
    assert hole("training", "falcon") == NOBODYS
    assert hole("learner", "ana") == "ana"
    assert hole("advisor", "shelley") == "shelley"


def test_every_mark_is_filled(one: Made) -> None:
    """A mark that stayed would be a region that nothing lies in: a promise that cannot break."""
    world = read(one.templates, account=ACCOUNT, region=REGION)

    def texts(promise: Promise) -> list[str]:
        asks: list[Ask] = [ask for actor in promise.about(world) for ask in asks_of(promise, actor)]
        return [text for ask in asks for text in (*ask.on.any_of, *ask.on.but_not, str(ask.when))]

    left = {
        text
        for promise in promises([Places(one.cohorts[0], world, VERSION)])
        for text in texts(promise)
        if "{owner}" in text or "{team}" in text
    }
    assert left == set()


def test_without_the_key_there_is_no_promise_about_it(one: Made) -> None:
    def gone(resources: Json) -> None:
        del resources[next(each for each in resources if each.startswith("VaultKeyAlias"))]

    world = read(changed(one, FOUNDATION, gone), account=ACCOUNT, region=REGION)
    with pytest.raises(NoSuchKey, match="0 keys with the alias alias/academy/"):
        Places(one.cohorts[0], world).key("vault")


def test_strangers_have_names_that_people_understand() -> None:
    from infra.assurance.isolation.requests.deciding import Stranger

    assert words.who(Stranger("anonymous")) == "anyone, without credentials,"
    assert words.who(Stranger("service", "events.amazonaws.com")) == "events.amazonaws.com"
