"""What a role sets off: each kind of step is followed, to the deputies; an unlisted one shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.assurance import iam
from infra.assurance.isolation.chains import deputies
from infra.assurance.isolation.chains.doors import ACTIONS, HARMLESS, RUNS, STARTS
from infra.assurance.isolation.chains.following import Chains, Step, Unfollowed, unlisted
from infra.assurance.isolation.chains.overlapping import Overlaps, overlap
from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.world import Call, Document, Function, Role, World
from infra.cohort.images import Record
from tests.assurance.isolation.made import ACCOUNT, REGION, example, synthesize
from tests.assurance.isolation.test_reading import VERSION

CATALOGUE = Catalogue.published()
COHORT = "earth-2026-fall"
BUCKET = f"arn:aws:s3:::{COHORT}-{ACCOUNT}-{REGION}"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{COHORT}"


@pytest.fixture(scope="module")
def earth(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The example's cohort, with advisors who have spaces and a channel of Teams."""
    cohort = example(
        budget={"per_learner_usd": 25, "per_advisor_usd": 5},
        notify={
            "email": "a@example.org",
            "teams": {
                "tenant": "01234567-89ab-cdef-0123-456789abcdef",
                "team": "11234567-89ab-cdef-0123-456789abcdef",
                "channel": "19%3Aabc%40thread.tacv2",
            },
        },
    )
    made = synthesize(tmp_path_factory.mktemp("earth"), cohort)
    return read(made, account=ACCOUNT, region=REGION)


def who(world: World, kind: str, owner: str) -> Role:
    return next(role for role in world.roles if (role.kind, role.owner) == (kind, owner))


def document(
    id_: str, *statements: Mapping[str, Any], kind: iam.PolicyKind = "identity"
) -> Document:
    body = {"Version": "2012-10-17", "Statement": list(statements)}
    return Document(id_, body, iam.Policy.parse(json.dumps(body), kind=kind))


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(**principal: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def put(world: World, *roles: Role) -> World:
    """The world with these roles in place of those of the same ARN, or beside the others."""
    new = {role.arn: role for role in roles}
    kept = tuple(new.pop(role.arn, role) for role in world.roles)
    return replace(world, roles=(*kept, *new.values()))


def having(world: World, role: Role, *statements: Mapping[str, Any]) -> World:
    """The world where `role` may do this besides, whatever its boundary said."""
    more = document("planted", *statements)
    return put(world, replace(role, identity=(*role.identity, more), boundary=None))


def reached(steps: Iterable[Step]) -> set[str]:
    return {str(step.to) for step in steps}


# --- the academy's own ----------------------------------------------------------------------------
def test_every_step_of_every_role_is_listed_in_a_contract(earth: World) -> None:
    assert list(map(str, Chains(earth, CATALOGUE).breaches())) == []
    assert list(unlisted(earth)) == []


@pytest.mark.slow
@pytest.mark.parametrize("network", ["public", "private"])
@pytest.mark.parametrize("isolation", ["learner", "team", "cohort"])
def test_so_it_is_in_every_isolation_and_network_with_images(
    tmp_path: Path, isolation: str, network: str
) -> None:
    cohort = example(
        isolation=isolation,
        network=network,
        budget={"per_learner_usd": 25, "per_advisor_usd": 5},
    )
    record = Record().with_version(ACCOUNT, REGION, VERSION)
    made = synthesize(tmp_path, cohort, images=VERSION, record=record)
    assert list(unlisted(read(made, account=ACCOUNT, region=REGION))) == []


def test_a_learner_reaches_the_own_team_and_some_deputies(earth: World) -> None:
    found = Chains(earth, CATALOGUE).closure(who(earth, "learner", "ana"))
    assert {str(role) for role in found.roles} == {
        "training falcon",
        "learner ana",
        "learner ben",
        "advisor shelley",
        "service broker",
        "service checker",
        "service settler",
        # Which shows what the team shares.
        "service door",
    }
    assert found.breaches == ()


def test_the_way_to_the_settler_is_through_a_job_of_the_team(earth: World) -> None:
    found = Chains(earth, CATALOGUE).closure(who(earth, "learner", "ana"))
    one, two = found.path(who(earth, "service", "settler"))
    assert (str(one.to), one.action) == ("training falcon", "s3:PutObject")
    assert (str(two.by), two.action) == ("training falcon", deputies.END_OF_JOB)
    assert two.over[0].endswith(f"rule/{COHORT}-settler")


def test_nobody_comes_to_the_scorer_but_the_checker_and_the_steward(earth: World) -> None:
    chains = Chains(earth, CATALOGUE)
    by = {str(s.by) for role in earth.roles for s in chains.steps(role) if s.to.owner == "scorer"}
    assert by == {"service checker", "service steward"}


def test_what_one_role_of_a_shape_may_set_off_is_what_each_may(earth: World) -> None:
    """Decided for one of a shape or for each role by itself, it is the same."""
    together, alone = Chains(earth, CATALOGUE), Chains(earth, CATALOGUE)
    together.breaches()
    for role in earth.roles:
        assert list(map(str, together.steps(role))) == list(map(str, alone.steps(role)))


# --- each kind of step, planted -------------------------------------------------------------------
SCORER = f"arn:aws:iam::{ACCOUNT}:role/academy/{COHORT}/service/{COHORT}--service--scorer"
TRAINING = f"arn:aws:iam::{ACCOUNT}:role/academy/{COHORT}/training/{COHORT}--training--heron"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{COHORT}"

#: What ana may besides -> who is reached by it in a way that is not listed.
PLANTED: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "another's alias": (
        [allow("lambda:InvokeFunction", f"{LAMBDA}-broker:ben")],
        {"service broker"},
    ),
    "every alias": ([allow("lambda:InvokeFunction", f"{LAMBDA}-broker:*")], {"service broker"}),
    "the broker without an alias": (
        [allow("lambda:InvokeFunction", f"{LAMBDA}-broker")],
        {"service broker"},
    ),
    "the scorer itself": (
        [allow("lambda:InvokeFunction", f"{LAMBDA}-scorer")],
        # What it fails on goes to a queue under its own role, too.
        {"service scorer"},
    ),
    "the scorer's code": (
        [allow("lambda:UpdateFunctionCode", f"{LAMBDA}-scorer")],
        {"service scorer"},
    ),
    "the scorer's settings": (
        [allow("lambda:UpdateFunctionConfiguration", f"{LAMBDA}-scorer")],
        {"service scorer"},
    ),
    "checked submissions": (
        [allow("s3:PutObject", f"{BUCKET}-work/checked/*")],
        {"service scorer"},
    ),
    "one checked submission": (
        [allow("s3:PutObject", f"{BUCKET}-work/checked/land-cover/falcon/x")],
        {"service scorer"},
    ),
    "receipts": (
        [allow("s3:PutObject", f"{BUCKET}-work/receipts/land-cover/falcon/*")],
        {"service steward", "service door", "learner ben", "advisor shelley"},
    ),
    "another team's folder": (
        [allow("s3:PutObject", f"{BUCKET}-work/teams/heron/*")],
        {"training heron", "learner chi", "learner dov", "advisor shelley", "service door"},
    ),
    "a folder that a slash keeps apart": (
        [allow("s3:PutObject", f"{BUCKET}-work/teams/falcon*")],
        # Nobody reads teams/falconer/, but advisors, and for them the door.
        {"advisor shelley", "service door"},
    ),
    "what all execute": (
        [allow("s3:PutObject", f"{BUCKET}-data/software/*")],
        {
            "learner ben",
            "learner chi",
            "learner dov",
            "training falcon",
            "training heron",
            "advisor shelley",
        },
    ),
    "the published task": (
        [allow("s3:PutObject", f"{BUCKET}-data/datasets/land-cover/task.json")],
        {
            "service checker",
            "learner ben",
            "learner chi",
            "learner dov",
            "training falcon",
            "training heron",
            "advisor shelley",
        },
    ),
    # The vault's own policy denies it.
    "the answers": ([allow("s3:PutObject", f"{BUCKET}-vault/answers/*")], set()),
    "the settings": (
        [
            allow(
                "ssm:PutParameter",
                f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/academy/{COHORT}/settings",
            )
        ],
        {
            f"service {name}"
            for name in ("broker", "settler", "sweep", "checker", "scorer", "steward", "door")
        },
    ),
    "a workspace's parameter": (
        [
            allow(
                "ssm:PutParameter",
                f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/academy/workspaces/{COHORT}--ben",
            )
        ],
        {"service broker", "learner ben"},
    ),
    "the ledger": (
        [allow("dynamodb:PutItem", f"{TABLE}-ledger")],
        {"service broker", "service settler", "service sweep", "service door"},
    ),
    "the list of people": (
        [
            allow(
                "ssm:PutParameter",
                f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/academy/{COHORT}/door/people/1",
            )
        ],
        {"service door"},
    ),
    "a note": (
        [allow("s3:PutObject", f"{BUCKET}-work/notes/falcon/x.json")],
        {"service door"},
    ),
    "the door itself": (
        [allow("lambda:InvokeFunction", f"{LAMBDA}-door")],
        {"service door"},
    ),
    "the board, in a batch": (
        [allow("dynamodb:BatchWriteItem", f"{TABLE}-board")],
        {"service scorer", "service steward"},
    ),
    "a passed role and a job": (
        [allow("iam:PassRole", TRAINING), allow("sagemaker:CreateTrainingJob")],
        {"training heron", "service settler"},
    ),
    "a passed role and a schedule": (
        [
            allow(
                "iam:PassRole",
                f"arn:aws:iam::{ACCOUNT}:role/academy/*",
                Condition={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
            ),
            allow("scheduler:CreateSchedule"),
        ],
        {"service stopper"},
    ),
    "the scorer's role and a new function": (
        [allow("iam:PassRole", SCORER), allow("lambda:CreateFunction")],
        {"service scorer"},
    ),
    "a link into any space": (
        [allow("sagemaker:CreatePresignedDomainUrl")],
        {
            "learner ben",
            "learner chi",
            "learner dov",
            "training falcon",
            "training heron",
            "advisor shelley",
        },
    ),
    "the end of any job": (
        [allow("sagemaker:StopTrainingJob")],
        {"service settler"},
    ),
    "the rule of the scorer": (
        [allow("events:PutRule", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{COHORT}-scorer")],
        {"service scorer"},
    ),
    "news": (
        [allow("sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:{COHORT}-news")],
        {"service chat"},
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_right_shows_as_a_step_to_whom_it_reaches(earth: World, what: str) -> None:
    statements, whom = PLANTED[what]
    world = having(earth, who(earth, "learner", "ana"), *statements)
    ana = who(world, "learner", "ana")
    chains = Chains(world, CATALOGUE)
    found = [step for step in chains.steps(ana) if step.way is None]
    assert reached(found) == whom
    for step in found:
        assert step.request is not None
        assert step.action in {a for each in statements for a in (each["Action"],)} or (
            step.action == "sagemaker:CreateTrainingJob"
        )
        assert str(step).startswith("learner ana: ")
    assert chains.closure(ana).breaches == tuple(found)


def test_of_all_roles_too_a_planted_right_shows_for_whom_it_was_planted(earth: World) -> None:
    """Shapes are not shared with who has more."""
    statements, whom = PLANTED["the ledger"]
    world = having(earth, who(earth, "learner", "dov"), *statements)
    flaws = [flaw.words for flaw in unlisted(world)]
    assert len(flaws) == len(whom)
    assert all("learner dov: dynamodb:PutItem" in each for each in flaws)


#: Rights with which one could do about anything; what they set off nobody lists.
BEYOND = (
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
    "kms:CreateGrant",
    "s3:PutBucketPolicy",
    "ssm:CreateDocument",
    "sagemaker:CreateHubContentReference",
    "bedrock:CreateAgent",
)


@pytest.mark.parametrize("action", BEYOND)
def test_a_right_of_which_nothing_is_known_is_refused_by_name(earth: World, action: str) -> None:
    world = having(earth, who(earth, "learner", "ana"), allow(action))
    if action in ACTIONS:
        pytest.fail("it is known; choose another")
    with pytest.raises(Unfollowed, match=f"learner ana may {action}"):
        Chains(world, CATALOGUE).steps(who(world, "learner", "ana"))


def test_to_pass_a_role_to_what_is_not_known_is_refused_by_name(earth: World) -> None:
    more = (allow("iam:PassRole"), allow("mwaa-serverless:*"), allow("braket:CreateJob"))
    world = having(earth, who(earth, "service", "broker"), *more[:1], more[2])
    assert CATALOGUE.action("braket:CreateJob") is not None
    with pytest.raises(Unfollowed, match=r"service broker may .*braket:CreateJob"):
        Chains(world, CATALOGUE).steps(who(world, "service", "broker"))


def test_a_boundary_that_forbids_it_takes_a_step_away(earth: World) -> None:
    ana = who(earth, "learner", "ana")
    statements, _ = PLANTED["checked submissions"]
    bound = put(earth, replace(ana, identity=(*ana.identity, document("planted", *statements))))
    assert Chains(bound, CATALOGUE).breaches() == ()


# --- roles taken ----------------------------------------------------------------------------------
def test_a_role_is_taken_where_trust_and_rights_agree(earth: World) -> None:
    ana, scorer = who(earth, "learner", "ana"), who(earth, "service", "scorer")
    may = having(earth, ana, allow("sts:AssumeRole", SCORER))
    assert Chains(may, CATALOGUE).breaches() == ()
    of_account = document("t", trust(AWS=f"arn:aws:iam::{ACCOUNT}:root"), kind="trust")
    trusted = put(earth, replace(scorer, trust=of_account))
    assert Chains(trusted, CATALOGUE).breaches() == ()
    both = put(may, replace(scorer, trust=of_account))
    [step] = Chains(both, CATALOGUE).breaches()
    assert (str(step.by), step.action, str(step.to)) == (
        "learner ana",
        "sts:AssumeRole",
        "service scorer",
    )


def test_a_trust_policy_that_names_the_role_is_enough(earth: World) -> None:
    ana, scorer = who(earth, "learner", "ana"), who(earth, "service", "scorer")
    named = document("t", trust(AWS=ana.arn), kind="trust")
    world = put(earth, replace(scorer, trust=named), replace(ana, boundary=None))
    assert [str(step.to) for step in Chains(world, CATALOGUE).breaches()] == ["service scorer"]


def test_a_chain_of_roles_is_followed_to_its_end(earth: World) -> None:
    """ana takes a role that nobody listed, which takes another, which writes what is checked."""

    def made(name: str, by: str, *statements: dict[str, Any]) -> Role:
        return Role(
            arn=f"arn:aws:iam::{ACCOUNT}:role/academy/{COHORT}/other/{name}",
            name=name,
            cohort=COHORT,
            kind="other",
            owner=name,
            team=None,
            identity=(document(name, *statements),),
            boundary=None,
            trust=document(f"{name}/trust", trust(AWS=by), kind="trust"),
        )

    ana = replace(who(earth, "learner", "ana"), boundary=None)
    one = made("one", ana.arn, allow("s3:ListAllMyBuckets"))
    two = made("two", one.arn, allow("s3:PutObject", f"{BUCKET}-work/checked/*"))
    world = put(earth, ana, one, two)
    found = Chains(world, CATALOGUE).closure(ana)
    path = [str(step.to) for step in found.path(who(world, "service", "scorer"))]
    assert path == ["other one", "other two", "service scorer"]
    assert {str(step.by) for step in found.breaches} == {"learner ana", "other one", "other two"}


def test_a_service_with_the_name_of_a_kind_has_no_contract_by_it(earth: World) -> None:
    scorer = who(earth, "service", "scorer")
    for name in ("advisor", "learner", "training"):
        role = replace(scorer, owner=name)
        assert deputies.contract_of(role) is None, name


# --- what calls what ------------------------------------------------------------------------------
def small(*calls: Call, statements: Iterable[dict[str, Any]] = ()) -> World:
    """Two roles, and a function of the second's that is called."""

    def role(name: str, service: str, *own: dict[str, Any]) -> Role:
        return Role(
            arn=f"arn:aws:iam::{ACCOUNT}:role/academy/earth/other/{name}",
            name=name,
            cohort="earth",
            kind="other",
            owner=name,
            team=None,
            identity=(document(name, *own),) if own else (),
            boundary=None,
            trust=document(f"{name}/trust", trust(Service=service), kind="trust"),
        )

    two = role("two", "lambda.amazonaws.com")
    return World(
        ACCOUNT,
        REGION,
        ("earth",),
        (role("one", "sagemaker.amazonaws.com", *statements), two),
        functions=(Function(FUNCTION, two.arn),),
        calls=calls,
    )


FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
STREAM = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/x/stream/2026"


def objects(*keys: Any, kind: str = "Object Created") -> dict[str, Any]:
    detail = {"bucket": {"name": ["b"]}, "object": {"key": list(keys)}}
    return {"source": ["aws.s3"], "detail-type": [kind], "detail": detail}


CALLED: dict[str, tuple[list[Call], dict[str, Any], bool]] = {
    "an object under the prefix": (
        [Call(RULE, objects({"prefix": "in/"}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/x"),
        True,
    ),
    "an object beside the prefix": (
        [Call(RULE, objects({"prefix": "in/"}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/inner/x"),
        False,
    ),
    "an object of another bucket": (
        [Call(RULE, objects({"prefix": "in/"}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::bb/in/x"),
        False,
    ),
    "the very object": (
        [Call(RULE, objects("in/x"), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/*"),
        True,
    ),
    "another than the very object": (
        [Call(RULE, objects("in/x"), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/y"),
        False,
    ),
    "a suffix": (
        [Call(RULE, objects({"suffix": ".csv"}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/*"),
        True,
    ),
    "a wildcard": (
        [Call(RULE, objects({"wildcard": "in/*/x"}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/deep/er/x"),
        True,
    ),
    "anything but what it may write": (
        [Call(RULE, objects({"anything-but": {"prefix": "in/"}}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/*"),
        False,
    ),
    "anything but something else": (
        [Call(RULE, objects({"anything-but": ["in/x", "in/y"]}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/*"),
        True,
    ),
    "any of two matchers": (
        [Call(RULE, objects("a", {"prefix": "in/"}), FUNCTION)],
        allow("s3:PutObject", "arn:aws:s3:::b/in/x"),
        True,
    ),
    "a deletion does not create": (
        [Call(RULE, objects({"prefix": "in/"}), FUNCTION)],
        allow("s3:DeleteObject", "arn:aws:s3:::b/in/x"),
        False,
    ),
    "a deletion": (
        [Call(RULE, objects({"prefix": "in/"}, kind="Object Deleted"), FUNCTION)],
        allow("s3:DeleteObject", "arn:aws:s3:::b/in/x"),
        True,
    ),
    "an event of one's own": (
        [Call(RULE, {"source": ["ours"]}, FUNCTION)],
        allow("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"),
        True,
    ),
    "an event in AWS's name": (
        [Call(RULE, objects({"prefix": "in/"}), FUNCTION)],
        allow("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"),
        False,
    ),
    "the clock": ([Call(RULE, None, FUNCTION)], allow("s3:PutObject"), False),
    "the clock's rule, changed": (
        [Call(RULE, None, FUNCTION)],
        allow("events:PutRule", RULE),
        True,
    ),
    "a topic": ([Call(TOPIC, {}, FUNCTION)], allow("sns:Publish", TOPIC), True),
    "a queue": ([Call(QUEUE, {}, FUNCTION)], allow("sqs:SendMessage", QUEUE), True),
    "a topic, a queue, a function": (
        [Call(TOPIC, {}, QUEUE), Call(QUEUE, {}, f"{FUNCTION}:live")],
        allow("sns:Publish", TOPIC),
        True,
    ),
    "a topic in a circle": (
        [Call(TOPIC, {}, QUEUE), Call(QUEUE, {}, TOPIC)],
        allow("sns:Publish", TOPIC),
        False,
    ),
    "a stream of a table": (
        [Call(STREAM, {}, FUNCTION)],
        allow("dynamodb:UpdateItem", STREAM.partition("/stream")[0]),
        True,
    ),
    "an alarm": (
        [Call(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a", {}, FUNCTION)],
        allow("cloudwatch:PutMetricData"),
        True,
    ),
    "a build": (
        [
            Call(
                f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/p",
                {},
                f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/p",
                f"arn:aws:iam::{ACCOUNT}:role/academy/earth/other/two",
            )
        ],
        allow("codebuild:StartBuild", f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/p"),
        True,
    ),
    "a mapping to any function": ([], allow("lambda:CreateEventSourceMapping"), True),
}


@pytest.mark.parametrize("how", CALLED)
def test_what_calls_a_function_is_followed(how: str) -> None:
    calls, statement, reaches = CALLED[how]
    world = small(*calls, statements=[statement])
    found = Chains(world, CATALOGUE).steps(world.roles[0])
    assert ([str(step.to) for step in found] != []) == reaches
    assert all(step.to == world.roles[1] for step in found)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (objects({"equals-ignore-case": "IN/"}), "equals-ignore-case"),
        (objects({"prefix": {"equals-ignore-case": "IN/"}}), "equals-ignore-case"),
        (objects({"anything-but": {"wildcard": ["in/\\*"]}}), "anything-but"),
        (objects({"numeric": [">", 0]}), "numeric"),
        (objects({"exists": True}), "exists"),
        (objects("in/*"), "wildcard"),
        (objects(7), "7"),
        ({"source": [{"prefix": "aws."}]}, "source"),
        ({"detail-type": ["Object Created"]}, "source"),
        ({"source": ["aws.s3"]}, "detail-type"),
        ({"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change"]}, "aws.ec2"),
        (objects("x", kind="Object Restore Completed"), "Object Restore Completed"),
    ],
)
def test_a_pattern_that_is_not_understood_is_refused_by_name(
    pattern: dict[str, Any], words: str
) -> None:
    with pytest.raises(Unfollowed, match=words):
        Chains(small(Call(RULE, pattern, FUNCTION)), CATALOGUE)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call("arn:aws:ses:us-east-1:1:receipt-rule/x", {}, FUNCTION), "ses"),
        (Call(TOPIC, {}, "https://example.org/hook"), "https://example.org/hook"),
        (Call(RULE, objects("x"), "arn:aws:states:us-east-1:1:stateMachine:m"), "stateMachine"),
    ],
)
def test_a_call_that_is_not_understood_is_refused_by_name(call: Call, words: str) -> None:
    with pytest.raises(Unfollowed, match=words):
        Chains(small(call), CATALOGUE)


# --- the tables -----------------------------------------------------------------------------------
def test_every_action_in_the_tables_is_one_of_awss() -> None:
    """A misspelt one would never be found allowed."""
    assert [action for action in sorted(ACTIONS) if action not in CATALOGUE] == []


def test_every_start_in_sagemaker_lambda_and_scheduler_is_known() -> None:
    """Those whose dependence on iam:PassRole the reference tells, of the services that the
    academy's roles trust."""
    ours = ("lambda", "scheduler", "events", "codebuild")
    missing = [
        entry.name
        for entry in CATALOGUE
        if entry.passes_role and entry.service in ours and entry.name not in STARTS
    ]
    assert missing == ["lambda:CreateCapacityProvider"]


def test_no_action_is_harmless_and_a_door_at_once() -> None:
    both = {action for actions in RUNS.values() for action in actions} | set(STARTS)
    assert both & set(HARMLESS) == set()


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("arn:aws:s3:::b/teams/*", "arn:aws:s3:::b/teams/ana/*", True),
        ("arn:aws:s3:::b/teams/ana*", "arn:aws:s3:::b/teams/anabel/x", True),
        ("arn:aws:s3:::b/teams/ana/*", "arn:aws:s3:::b/teams/anabel/*", False),
        ("arn:aws:s3:::b/*/x", "arn:aws:s3:::b/y/*", True),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/xy", False),
        ("arn:aws:s3:::b/??", "arn:aws:s3:::b/x*", True),
        ("arn:aws:s3:::b/*a", "arn:aws:s3:::b/*b", False),
        ("arn:aws:s3:::b/a*", "arn:aws:s3:::b/*b", True),
        ("*", "arn:aws:s3:::b/x", True),
        ("arn:aws:sqs:us-east-1:1:*", "arn:aws:sqs:*:2:q", False),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/x/y", True),
    ],
)
def test_patterns_overlap_where_some_arn_matches_both(one: str, other: str, common: bool) -> None:
    assert overlap(one, other) is common
    assert overlap(other, one) is common
    for mine, theirs in ((one, other), (other, one)):
        listed: Overlaps[str] = Overlaps()
        listed.add(mine, "here")
        listed.add("arn:aws:s3:::elsewhere", "there")
        assert ("here" in listed.with_any_of(theirs)) is common
