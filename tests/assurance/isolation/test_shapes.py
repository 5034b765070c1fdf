"""Roles of one shape: that what is decided for one holds for all, and who stands alone."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.renaming import Renaming, typed_keys
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.shapes import Shape, shapes
from infra.assurance.isolation.world import Document, Role, World
from infra.assurance.templates import Templates
from infra.cohort.model import Cohort
from infra.constructs import policies
from infra.constructs.arns import Arns
from infra.constructs.statements import document, trust
from tests.assurance.isolation.made import ACCOUNT, REGION, allow, example, policy, role, template

CATALOGUE = Catalogue.published()


# --- renaming -------------------------------------------------------------------------------------
IDS = ("a", "b", "ab", "a-b", "ba", "b-a-b")
PIECES = st.sampled_from((*IDS, "-", "--", "/", ":", "c"))
TEXTS = st.lists(PIECES, max_size=7).map("".join)
PATTERNS = st.lists(st.one_of(PIECES, st.just("*"), st.just("*")), max_size=7).map("".join)
RENAMINGS = st.permutations(IDS).map(lambda to: Renaming.of(zip(IDS, to, strict=True)))
#: Of few ids, so that patterns often keep their meaning.
SMALL = st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).map(
    lambda pair: Renaming.of([pair, pair[::-1]] if pair[0] != pair[1] else [])
)


@given(TEXTS, RENAMINGS)
def test_a_renaming_can_be_undone(text: str, renaming: Renaming) -> None:
    assert renaming.inverse.text(renaming.text(text)) == text


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.one_of(RENAMINGS, SMALL), st.data())
def test_a_pattern_that_keeps_its_meaning_matches_what_it_matched(
    pattern: str, renaming: Renaming, data: st.DataObject
) -> None:
    if not renaming.keeps(pattern):
        return
    # Texts of the pattern itself, its wildcards filled in, are those that could match.
    filled = "".join(data.draw(TEXTS) if character == "*" else character for character in pattern)
    for text in (filled, data.draw(TEXTS)):
        request = iam.Request(iam.Principal.root(ACCOUNT), "s3:X", "*")
        before = iam.Pattern.of(pattern).matches(text, request)
        after = iam.Pattern.of(renaming.text(pattern)).matches(renaming.text(text), request)
        assert before == after, (pattern, text, renaming.ids)


@pytest.mark.parametrize(
    ("pattern", "keeps"),
    [
        ("teams/ana/*", True),
        ("x--ana--*", True),
        ("*--ana", True),
        ("teams/*", True),
        ("*", True),
        # Also that of anabel.
        ("teams/ana*", False),
        ("teams/an*/x", False),
        ("*na/x", False),
        ("*n*", False),
        # The text may go on with a hyphen, and the id before it is whole then.
        ("ana-*", False),
        ("*-ana/x", False),
        ("*-an*", False),
        ("*a-*", False),
        ("???", False),
        ("teams/${aws:PrincipalTag/team}/*", False),
        # No id of ours.
        ("earth-*", True),
    ],
)
def test_a_pattern_keeps_its_meaning_where_ids_stand_whole(pattern: str, keeps: bool) -> None:
    renaming = Renaming.of([("ana", "chiara"), ("falcon", "heron")])
    assert renaming is not None
    assert renaming.keeps(pattern) is keeps


def test_a_renaming_takes_each_id_to_one() -> None:
    assert Renaming.of([("a", "b"), ("a", "c")]) is None
    assert Renaming.of([("a", "c"), ("b", "c")]) is None
    swapped = Renaming.of([("a", "b")])
    assert swapped is not None
    assert swapped.text("a/b") == "b/a"
    # Of however many hyphens a separator is.
    assert swapped.text("x---a/a-/-a/a--b") == "x---b/a-/-a/b--a"


@pytest.mark.parametrize(
    ("condition", "keeps"),
    [
        ({"StringEquals": {"s3:prefix": "ana/"}}, True),
        ({"StringEquals": {"s3:prefix": ["an*", "?"]}}, True),
        ({"StringEquals": {"s3:prefix": "${aws:username}"}}, False),
        ({"ForAnyValue:StringLikeIfExists": {"s3:prefix": ["ana/*", "an*"]}}, False),
        ({"StringNotEqualsIgnoreCase": {"s3:prefix": "Ana/x"}}, False),
        ({"StringEqualsIgnoreCase": {"s3:prefix": "Anabel/x"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::an*"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::ana/*"}}, True),
        # No request has an id where it has a number.
        ({"NumericEquals": {"s3:max-keys": "5"}}, True),
        ({"Bool": {"aws:SecureTransport": "ana"}}, False),
    ],
)
def test_a_condition_keeps_its_meaning_by_how_it_compares(
    condition: dict[str, Any], keeps: bool
) -> None:
    renaming = Renaming.of([("ana", "chiara")])
    assert renaming is not None
    assert renaming.keeps_condition(condition) is keeps


def test_a_session_is_called_like_no_learner(stacks: dict[str, dict[str, Any]]) -> None:
    world = world_of(templates_of(cohort_of([*TEAMS, ("owls", ["session", "eve"])])))
    assert ("learner", "session") in owners(shapes(world))


# --- cohorts --------------------------------------------------------------------------------------
def cohort_of(teams: Sequence[tuple[str, Sequence[str]]]) -> Cohort:
    return example(
        advisors=[],
        teams=[
            {
                "id": team,
                "learners": [{"id": each, "email": "a@example.org"} for each in learners],
            }
            for team, learners in teams
        ],
    )


def templates_of(cohort: Cohort) -> dict[str, dict[str, Any]]:
    """The roles of a cohort and its work bucket, without a synth."""
    arns = Arns(cohort.names, ACCOUNT, REGION)
    names = cohort.names

    def of_kind(kind: str, name: str, statements: Iterable[Any]) -> dict[str, Any]:
        return {
            "Type": "AWS::IAM::Role",
            "RoleName": names.role(kind, name),
            "Path": names.role_path(kind),
            "AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com"),
            "PermissionsBoundary": arns.boundary,
            "Policies": [{"PolicyName": kind, "PolicyDocument": document(statements)}],
        }

    bucket = arns.bucket("work")
    over_tls = {"Bool": {"aws:SecureTransport": "false"}}
    deny = {**allow("s3:*", [bucket, f"{bucket}/*"], Principal="*", Condition=over_tls)}
    stacks = {
        names.foundation_stack: template(
            {
                "Boundary": {
                    "Type": "AWS::IAM::ManagedPolicy",
                    "ManagedPolicyName": names.boundary_policy,
                    "PolicyDocument": document(policies.boundary(arns, cohort)),
                },
                "Work": {"Type": "AWS::S3::Bucket", "BucketName": arns.bucket_name("work")},
                "WorkPolicy": {
                    "Type": "AWS::S3::BucketPolicy",
                    "Bucket": {"Ref": "Work"},
                    "PolicyDocument": policy({**deny, "Effect": "Deny"}),
                },
            }
        )
    }
    for team in cohort.teams:
        roles = {"Training": of_kind("training", team.id, policies.training(arns, team))}
        for number, each in enumerate(team.learners):
            statements = policies.learner(arns, cohort, team, each.id)
            roles[f"Learner{number}"] = of_kind("learner", each.id, statements)
        stacks[names.team_stack(team.id)] = template(roles)
    return stacks


def world_of(stacks: dict[str, dict[str, Any]]) -> World:
    return read(Templates(stacks), account=ACCOUNT, region=REGION)


def owners(found: Iterable[Shape]) -> set[tuple[str, ...]]:
    """Each shape as kind and owners."""
    return {
        (shape.representative.kind, *sorted(role.owner for role in shape.roles)) for shape in found
    }


TEAMS = [("falcon", ["ana", "ben"]), ("heron", ["chi", "dov"])]


@pytest.fixture(scope="module")
def stacks() -> dict[str, dict[str, Any]]:
    return templates_of(cohort_of(TEAMS))


@pytest.fixture
def changed(stacks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return copy.deepcopy(stacks)


def test_a_cohort_has_a_shape_for_each_kind_of_role(stacks: dict[str, dict[str, Any]]) -> None:
    found = shapes(world_of(stacks), catalogue=CATALOGUE)
    assert owners(found) == {
        ("learner", "ana", "ben", "chi", "dov"),
        ("training", "falcon", "heron"),
    }


def test_the_number_of_shapes_does_not_grow_with_the_cohort() -> None:
    teams = [(f"t-{n}", [f"a-{n}", f"b{n}", f"c{n}"][: 2 + n % 2]) for n in range(20)]
    found = shapes(world_of(templates_of(cohort_of(teams))), catalogue=CATALOGUE)
    assert sorted(len(shape) for shape in found) == [20, 50]


def test_the_renaming_makes_the_member_of_the_representative(
    stacks: dict[str, dict[str, Any]],
) -> None:
    [learners] = [
        each for each in shapes(world_of(stacks)) if each.representative.kind == "learner"
    ]
    told = {member.role.owner: dict(member.renaming.ids) for member in learners.members}
    assert told["ana"] == {}
    assert told["ben"] == {"ana": "ben", "ben": "ana"}
    assert told["dov"] == {"ana": "dov", "dov": "ana", "falcon": "heron", "heron": "falcon"}


ALIKE = ("learner", "ana", "ben", "chi", "dov")


@pytest.mark.parametrize(
    ("more", "apart"),
    [
        # Words of the policies themselves. Two of one such team are alike: it stays what it is.
        (("teams", ["eve", "fay"]), {("learner", "eve", "fay"), ("training", "teams")}),
        (("receipts", ["eve", "fay"]), {("learner", "eve", "fay"), ("training", "receipts")}),
        (("land-cover", ["eve", "fay"]), {("learner", "eve", "fay"), ("training", "land-cover")}),
        (("owls", ["datasets", "boards"]), {("learner", "datasets"), ("learner", "boards")}),
        # Of an ARN: its region, what it is of, a format of the catalogue that no policy names.
        (("owls", ["us-east-1", "role"]), {("learner", "us-east-1"), ("learner", "role")}),
        (("owls", ["s3", "pipeline"]), {("learner", "s3"), ("learner", "pipeline")}),
        # Of the role's own name, and of a session's.
        (("owls", ["learner", "session"]), {("learner", "learner"), ("learner", "session")}),
        # A truth, which a condition compares.
        (("owls", ["true", "false"]), {("learner", "true"), ("learner", "false")}),
    ],
)
def test_who_is_called_like_a_word_is_not_taken_for_another(
    more: tuple[str, list[str]], apart: set[tuple[str, ...]]
) -> None:
    world = world_of(templates_of(cohort_of([*TEAMS, more])))
    found = owners(shapes(world, catalogue=CATALOGUE))
    teams = {"falcon", "heron", more[0]} - {each[1] for each in apart}
    assert found == {ALIKE, ("training", *sorted(teams)), *apart}


def test_ids_that_begin_alike_share_a_shape_for_none_is_cut_short() -> None:
    teams = [("fal", ["ana", "anabel"]), ("falcon", ["ana-2", "an"])]
    found = shapes(world_of(templates_of(cohort_of(teams))), catalogue=CATALOGUE)
    assert owners(found) == {
        ("learner", "an", "ana", "ana-2", "anabel"),
        ("training", "fal", "falcon"),
    }


def test_a_person_called_like_a_team_is_alike_where_that_is_consistent() -> None:
    """Heron of falcon and falcon of heron change places; neither does with ana, whom no team is
    called like."""
    teams = [("falcon", ["heron", "ana"]), ("heron", ["falcon", "chi"])]
    world = world_of(templates_of(cohort_of(teams)))
    found = shapes(world, catalogue=CATALOGUE)
    assert owners(found) == {
        ("learner", "falcon", "heron"),
        ("learner", "ana", "chi"),
        ("training", "falcon", "heron"),
    }
    check_by_requests(world, found, 1, 200)


# --- who is not alike -----------------------------------------------------------------------------
def role_in(stacks: dict[str, dict[str, Any]], owner: str) -> dict[str, Any]:
    for stack in stacks.values():
        for resource in stack["Resources"].values():
            given = resource["Properties"]
            if resource["Type"] == "AWS::IAM::Role" and given["RoleName"].endswith(f"--{owner}"):
                assert isinstance(given, dict)
                return given
    raise KeyError(owner)


def mutants(statements: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every way to drop a statement or a condition, or to change one of its texts a little."""
    for index, statement in enumerate(statements):
        label = statement["Sid"]

        def having(new: dict[str, Any] | None, at: int = index) -> list[dict[str, Any]]:
            return [*statements[:at], *([] if new is None else [new]), *statements[at + 1 :]]

        yield f"drop {label}", having(None)
        yield f"deny {label}", having({**statement, "Effect": "Deny"})
        yield (
            f"add an action to {label}",
            having({**statement, "Action": [*statement["Action"], "s3:PutObjectAcl"]}),
        )
        if "Condition" in statement:
            without = {key: each for key, each in statement.items() if key != "Condition"}
            yield f"unconditional {label}", having(without)
        for number, resource in enumerate(statement["Resource"]):
            for change in ("*", resource.replace("/*", "*"), resource + "x", resource[:-2] + "*"):
                if change != resource and (change == "*" or change.count(":") >= 5):
                    listed = list(statement["Resource"])
                    listed[number] = change
                    yield f"{resource} to {change}", having({**statement, "Resource": listed})


@pytest.mark.parametrize("owner", ["dov", "falcon"])
def test_whose_policy_differs_in_anything_stands_alone(
    stacks: dict[str, dict[str, Any]], owner: str
) -> None:
    world = world_of(stacks)
    [role] = [each for each in world.roles if each.owner == owner]
    before = owners(shapes(world))
    count = 0
    for _name, statements in mutants(list(role.identity[0].body["Statement"])):
        if not statements:
            continue
        body = policy(*statements)
        changed = dataclasses.replace(
            role, identity=(Document("changed", body, iam.Policy.parse(body)),)
        )
        roles = tuple(changed if each is role else each for each in world.roles)
        found = owners(shapes(dataclasses.replace(world, roles=roles)))
        assert (role.kind, owner) in found, _name
        assert len(found) == len(before) + 1
        count += 1
    assert count > 40


def test_whose_trust_or_boundary_differs_stands_alone(changed: dict[str, dict[str, Any]]) -> None:
    role_in(changed, "ana")["AssumeRolePolicyDocument"] = trust("lambda.amazonaws.com")
    del role_in(changed, "dov")["PermissionsBoundary"]
    found = owners(shapes(world_of(changed)))
    assert {("learner", "ana"), ("learner", "dov"), ("learner", "ben", "chi")} <= found


def statements_of_work(stacks: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    foundation = stacks["earth-2026-fall-Foundation"]["Resources"]
    listed = foundation["WorkPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert isinstance(listed, list)
    return listed


def test_whom_a_resources_policy_names_stands_alone(changed: dict[str, dict[str, Any]]) -> None:
    arn = (
        f"arn:aws:iam::{ACCOUNT}:role/academy/earth-2026-fall/learner/earth-2026-fall--learner--ana"
    )
    statements_of_work(changed).append(allow("s3:*", "arn:aws:s3:::x", Principal={"AWS": arn}))
    found = owners(shapes(world_of(changed)))
    assert {("learner", "ana"), ("learner", "ben", "chi", "dov")} <= found


def test_whom_another_roles_trust_names_stands_alone(changed: dict[str, dict[str, Any]]) -> None:
    """Who may become the other is more than a matter of one's own policies."""
    arn = (
        f"arn:aws:iam::{ACCOUNT}:role/academy/earth-2026-fall/learner/earth-2026-fall--learner--ana"
    )
    admitted = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    changed["earth-2026-fall-Foundation"]["Resources"]["Other"] = template(
        {"Other": role("other", AssumeRolePolicyDocument=policy(admitted))}
    )["Resources"]["Other"]
    found = owners(shapes(world_of(changed)))
    assert {("learner", "ana"), ("learner", "ben", "chi", "dov")} <= found


def test_a_resources_policy_that_names_all_alike_parts_nobody(
    changed: dict[str, dict[str, Any]],
) -> None:
    for team in ("heron", "falcon"):
        resource = f"arn:aws:s3:::earth-2026-fall-{ACCOUNT}-{REGION}-work/teams/{team}/*"
        statements_of_work(changed).append(
            {**allow("s3:DeleteObject", resource, Principal="*"), "Effect": "Deny"}
        )
    found = shapes(world_of(changed), catalogue=CATALOGUE)
    assert ("learner", "ana", "ben", "chi", "dov") in owners(found)


def test_a_pattern_that_cuts_ids_short_parts_those_that_it_tells_apart(
    changed: dict[str, dict[str, Any]],
) -> None:
    """In a bucket's policy: teams/fal* is about falcon, and not about heron."""
    resource = f"arn:aws:s3:::earth-2026-fall-{ACCOUNT}-{REGION}-work/teams/fal*"
    statements_of_work(changed).append(allow("s3:*", resource, Principal="*"))
    found = owners(shapes(world_of(changed)))
    assert {("learner", "ana", "ben"), ("learner", "chi", "dov")} <= found


def test_a_condition_read_as_a_number_is_not_renamed(changed: dict[str, dict[str, Any]]) -> None:
    """The key has the value `ana` for the one and must have it for the other."""
    for owner in ("ana", "ben", "chi", "dov"):
        statement = allow("s3:*", Condition={"StringEquals": {"s3:max-keys": owner}})
        role_in(changed, owner)["Policies"][0]["PolicyDocument"]["Statement"].append(statement)
    assert ("learner", "ana", "ben", "chi", "dov") in owners(shapes(world_of(changed)))
    statements_of_work(changed).append(
        {
            **allow("s3:*", Principal="*", Condition={"NumericLessThan": {"s3:max-keys": "5"}}),
            "Effect": "Deny",
        }
    )
    singles = {each for each in owners(shapes(world_of(changed))) if each[0] == "learner"}
    assert singles == {("learner", each) for each in ("ana", "ben", "chi", "dov")}


def test_a_condition_asked_about_as_a_number_is_not_renamed(
    changed: dict[str, dict[str, Any]],
) -> None:
    for owner in ("ana", "ben", "chi", "dov"):
        statement = allow("s3:*", Condition={"StringEquals": {"s3:max-keys": owner}})
        role_in(changed, owner)["Policies"][0]["PolicyDocument"]["Statement"].append(statement)
    few = Ask(("s3:*",), when={"NumericLessThan": {"s3:max-keys": "5"}})
    found = owners(shapes(world_of(changed), asks=lambda _: [few]))
    assert {each for each in found if each[0] == "learner"} == {
        ("learner", each) for each in ("ana", "ben", "chi", "dov")
    }


def test_of_whom_something_else_is_asked_stands_alone(stacks: dict[str, dict[str, Any]]) -> None:
    def alike(role: Role) -> list[Ask]:
        own = f"arn:aws:s3:::b/teams/{role.team}/*"
        return [Ask(("s3:*",), Region(("arn:aws:s3:::b/teams/*",), (own,)))]

    def particular(role: Role) -> list[Ask]:
        return alike(role) if role.owner != "chi" else [*alike(role), Ask(("sns:*",))]

    def cut_short(_role: Role) -> list[Ask]:
        return [Ask(("s3:*",), Region(("arn:aws:s3:::b/teams/fal*",)))]

    world = world_of(stacks)
    assert ("learner", "ana", "ben", "chi", "dov") in owners(shapes(world, asks=alike))
    assert {("learner", "chi"), ("learner", "ana", "ben", "dov")} <= owners(
        shapes(world, asks=particular)
    )
    assert {("learner", "ana", "ben"), ("learner", "chi", "dov")} <= owners(
        shapes(world, asks=cut_short)
    )


def test_what_is_asked_about_all_others_is_the_same_question(
    stacks: dict[str, dict[str, Any]],
) -> None:
    world = world_of(stacks)
    learners = [each.owner for each in world.of_kind("learner")]

    def others(role: Role) -> list[Ask]:
        listed = [f"arn:aws:lambda:::function:f:{each}" for each in learners if each != role.owner]
        return [Ask(("lambda:*",), Region(tuple(listed or ["*"])))]

    assert ("learner", "ana", "ben", "chi", "dov") in owners(shapes(world, asks=others))


def test_what_is_asked_about_teammates_is_the_same_question(
    stacks: dict[str, dict[str, Any]],
) -> None:
    mates = {"ana": "ben", "ben": "ana", "chi": "dov", "dov": "chi"}

    def of_mates(role: Role) -> list[Ask]:
        return [Ask(("s3:*",), Region((f"arn:aws:s3:::b/{mates.get(role.owner, 'x')}/*",)))]

    found = owners(shapes(world_of(stacks), asks=of_mates))
    assert ("learner", "ana", "ben", "chi", "dov") in found


# --- by brute force -------------------------------------------------------------------------------
def decide(world: World, role: Role, request: iam.Request) -> bool:
    resource = None
    for each in world.guarded:
        if each.document and any(
            iam.ArnPattern.of(pattern).matches(request.resource, request) for pattern in each.covers
        ):
            resource = each.document.policy
    return iam.decide(
        request,
        iam.Policies(
            identity=tuple(each.policy for each in role.identity),
            boundary=role.boundary.policy if role.boundary else None,
            resource=resource,
        ),
    ).allowed


def requests(world: World, role: Role, rng: random.Random, count: int) -> Iterator[iam.Request]:
    """Requests near what the role's policies speak of, with ids of all the cohort in them."""
    ids = sorted({each.owner for each in world.roles} | {each.team or "x" for each in world.roles})
    statements = [
        statement
        for held in (*role.identity, *([role.boundary] if role.boundary else []))
        for statement in held.body["Statement"]
    ]
    typed = ("2026-12-24T00:00:00Z", "2020-01-01T00:00:00Z")
    for _ in range(count):
        statement = rng.choice(statements)
        pattern = rng.choice(statement["Resource"])
        fill = rng.choice([*ids, f"{rng.choice(ids)}/x", f"x--{rng.choice(ids)}", "", "-"])
        resource = pattern.replace("*", fill) if pattern != "*" else "*"
        if rng.random() < 0.5:
            own = rng.choice([role.owner, role.team or role.owner])
            resource = resource.replace(own, rng.choice(ids))
        context: dict[str, iam.Value] = {
            "aws:CurrentTime": rng.choice(typed),
            "aws:SecureTransport": rng.choice(["true", "false"]),
            "aws:PrincipalArn": role.arn,
            "s3:prefix": f"{rng.choice(['teams', 'submissions/land-cover'])}/{rng.choice(ids)}/",
        }
        if rng.random() < 0.5:
            context["s3:if-none-match"] = "*"
        action = rng.choice(statement["Action"]).replace("*", "GetObject")
        yield iam.Request(role.session, action, resource, context)


def check_by_requests(
    world: World, found: Iterable[Shape], seed: int, count: int
) -> tuple[int, int]:
    """Decide requests of representatives, and what they are for a member; how many were allowed."""
    rng = random.Random(seed)  # noqa: S311
    typed = typed_keys(
        statement
        for each in world.roles
        for held in (*each.identity, *([each.boundary] if each.boundary else []))
        for statement in held.body["Statement"]
    )
    allowed = decided = 0
    for shape in found:
        for member in shape.members[1:]:
            for request in requests(world, shape.representative, rng, count):
                answer = decide(world, shape.representative, request)
                renamed = member.renaming.request(
                    request, by=member.role, typed=frozenset({*typed, "aws:securetransport"})
                )
                assert renamed.context["aws:principalarn"] == member.role.arn
                assert decide(world, member.role, renamed) == answer, (request, renamed)
                allowed, decided = allowed + answer, decided + 1
    return allowed, decided


NASTY = st.sampled_from(
    (
        *("ana", "anabel", "an", "na", "ana-2", "a-na", "teams", "submissions", "receipts", "land"),
        *(
            "land-cover",
            "earth",
            "learner",
            "training",
            "falcon",
            "fal",
            "us-east-1",
            "role",
            "true",
        ),
        *("s3", "work", "data", "job", "session", "broker", "eve", "fay"),
    )
)


@st.composite
def nasty_teams(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    teams = draw(st.lists(NASTY, min_size=2, max_size=4, unique=True))
    learners = draw(st.lists(NASTY, min_size=2 * len(teams), max_size=2 * len(teams), unique=True))
    pairs = zip(learners[::2], learners[1::2], strict=True)
    return [(team, list(pair)) for team, pair in zip(teams, pairs, strict=True)]


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(nasty_teams(), st.integers(0, 2**32))
def test_members_get_the_answers_of_their_representative(
    teams: list[tuple[str, list[str]]], seed: int
) -> None:
    world = world_of(templates_of(cohort_of(teams)))
    found = shapes(world, catalogue=CATALOGUE)
    assert sorted(role.arn for shape in found for role in shape.roles) == sorted(
        role.arn for role in world.roles
    )
    check_by_requests(world, found, seed, 40)


def test_the_requests_of_that_check_are_some_allowed_and_some_denied(
    stacks: dict[str, dict[str, Any]],
) -> None:
    world = world_of(stacks)
    allowed, decided = check_by_requests(world, shapes(world), 7, 150)
    assert decided == 4 * 150
    assert 0.05 < allowed / decided < 0.95
