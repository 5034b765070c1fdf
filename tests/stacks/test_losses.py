"""What people would lose by a deploy, told from the cohort's own templates before and after."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_cdk import Stack

from infra.assurance.changes import REPLACING, changes
from infra.assurance.intentions import Intention, intentions, obstacles
from infra.assurance.losses import MADE_AGAIN, WORK, Loss, deploying, removing, thing_of
from infra.assurance.templates import Templates
from infra.cohort.model import Cohort
from tests.stacks.conftest import Academy

HOMES = ["home:ana", "home:ben", "home:chi", "home:dov"]


@pytest.fixture(scope="module")
def now(academy: Academy) -> Templates:
    return Templates(academy.templates)


@pytest.fixture
def then(now: Templates) -> Templates:
    """The same, to be changed by a test."""
    return Templates(copy.deepcopy(dict(now.stacks)))


@pytest.fixture(scope="module")
def kept(protected: Academy) -> Templates:
    return Templates(protected.templates)


@pytest.fixture(scope="session")
def remade(
    cohort: Cohort, synthesis: Callable[..., Academy], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Templates]:
    """The cohort's templates after changes of its file."""

    def synthesize(**changed: Any) -> Templates:
        document = cohort.model_copy(update=changed)
        return Templates(synthesis(document, tmp_path_factory.mktemp("changed")).templates)

    return synthesize


def lost(before: Templates, after: Templates, academy: Academy) -> dict[str, Loss]:
    found = deploying(before, after, academy.names)
    return {each.name: each for each in found if not each.kept}


def meant(before: Templates, after: Templates, academy: Academy) -> dict[str, Intention]:
    return {each.kind: each for each in intentions(before, after, academy.names)}


def refused(before: Templates, after: Templates, academy: Academy) -> list[str]:
    found = changes(before, after)
    return [each.says for each in obstacles(found, before, after, academy.names)]


def resources(templates: Templates, kind: str) -> Iterator[tuple[dict[str, Any], str]]:
    """(the resources of its stack, logical id) of each of a type."""
    for resource in list(templates.resources(kind)):
        yield templates.stacks[resource.stack]["Resources"], resource.logical_id


def test_a_deploy_of_the_same_file_takes_nothing(now: Templates, academy: Academy) -> None:
    assert deploying(now, now, academy.names) == []
    assert intentions(now, now, academy.names) == []
    assert refused(now, now, academy) == []


def test_every_type_of_the_cohort_is_either_work_or_made_again(now: Templates) -> None:
    assert {each.type for each in now.resources()} <= MADE_AGAIN | set(WORK)
    assert not MADE_AGAIN & set(WORK)
    assert set(WORK) <= set(REPLACING), "of what holds work it is known what replaces it"


def test_everything_with_work_has_a_name_of_its_own(now: Templates, academy: Academy) -> None:
    names = {}
    for resource in now.resources(*WORK):
        name, what, _ = thing_of(resource, now, academy.names)
        assert not name.startswith("other:"), resource
        names[name] = what
    assert sorted(names) == sorted(
        [
            *HOMES,
            *("bucket:data", "bucket:site", "bucket:vault", "bucket:work"),
            *("key:records", "key:vault", "table:board", "table:ledger"),
            *(f"log:{s}" for s in ("broker", "checker", "scorer", "settler", "steward", "sweep")),
            *("log:door", "log:access"),
        ]
    )


@pytest.mark.parametrize("kind", WORK)
def test_each_type_with_work_is_a_loss_when_deleted(
    kind: str, now: Templates, then: Templates, academy: Academy
) -> None:
    gone = {thing_of(each, now, academy.names)[0] for each in now.resources(kind)}
    for where, logical_id in resources(then, kind):
        del where[logical_id]
    found = lost(now, then, academy)
    assert gone <= set(found)
    assert all(each.certain for each in found.values() if each.name in gone)


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("AWS::SageMaker::Domain", "AuthMode", "home:ana"),
        ("AWS::SageMaker::UserProfile", "UserProfileName", "home:ana"),
        ("AWS::SageMaker::Space", "SpaceName", "home:ana"),
        ("AWS::S3::Bucket", "BucketName", "bucket:work"),
        ("AWS::DynamoDB::Table", "TableName", "table:ledger"),
        ("AWS::Logs::LogGroup", "LogGroupName", "log:broker"),
    ],
)
def test_each_type_with_work_is_a_loss_when_replaced(
    kind: str, path: str, name: str, now: Templates, then: Templates, academy: Academy
) -> None:
    for where, logical_id in resources(then, kind):
        properties = where[logical_id]["Properties"]
        properties[path] = f"{properties[path]}-2"
    found = lost(now, then, academy)
    assert found[name].replaced
    assert path in found[name].because
    assert "an empty one takes its place" in found[name].sentence()


def test_a_type_that_is_not_known_counts_as_work(
    now: Templates, then: Templates, academy: Academy
) -> None:
    stack = academy.names.guard_stack
    before = Templates(
        {**then.stacks, stack: {"Resources": {"New": {"Type": "AWS::RDS::DBInstance"}}}}
    )
    after = Templates({**then.stacks, stack: {"Resources": {}}})
    [found] = lost(before, after, academy).values()
    assert found.name == f"other:{stack}/New"
    assert "AWS::RDS::DBInstance" in found.sentence()


def test_the_words_are_peoples(now: Templates, then: Templates, academy: Academy) -> None:
    for stack in list(then.stacks):
        then.stacks[stack]["Resources"].clear()  # type: ignore[attr-defined]
    found = lost(now, then, academy)
    assert found["home:ana"].sentence() == "this erases ana's home (20 GB volume)"
    assert found["home:ana"].sentence("14 GB").startswith("this erases ana's home (14 GB)")
    ledger = found["table:ledger"].sentence("about 1,204 items, 1.1 MB")
    assert ledger.startswith(
        "this erases the ledger: what everybody has spent and holds (about 1,204 items, 1.1 MB). "
    )
    assert "every team's folder" in found["bucket:work"].sentence()
    key = found["key:vault"].sentence()
    assert key.startswith("this makes unreadable what the key vault encrypts: the held-out answers")


# --- what protect keeps --------------------------------------------------------------------------


def test_what_is_protected_is_kept_and_told(kept: Templates, academy: Academy) -> None:
    team = academy.names.team_stack("falcon")
    found = removing(kept, [team], academy.names)
    assert [(each.name, each.kept) for each in found] == [("home:ana", True), ("home:ben", True)]


def test_a_protected_cohort_is_destroyed_only_after_a_close(
    protected: Academy, academy: Academy
) -> None:
    for cohort, held in ((protected, True), (academy, False)):
        stacks = [each for each in cohort.app.node.children if Stack.is_stack(each)]
        assert stacks
        assert {bool(stack.termination_protection) for stack in stacks} == {held}


def test_what_stays_can_be_found_by_a_next_deploy(kept: Templates) -> None:
    """CloudFormation imports by a name that stands in the template, and no reference."""
    for policy in kept.resources("AWS::S3::BucketPolicy"):
        written = kept.stacks[policy.stack]["Resources"][policy.logical_id]
        stays = written["DeletionPolicy"] == "RetainExceptOnCreate"
        assert isinstance(policy.properties["Bucket"], str) is stays


def test_to_end_the_protection_must_be_named(
    kept: Templates, now: Templates, academy: Academy
) -> None:
    [ends] = lost(kept, now, academy).values()
    assert ends.name == "protection"
    assert "home:ana" in ends.sentence()
    assert "table:board, table:ledger" in ends.sentence()
    assert lost(now, kept, academy) == {}, "to begin it need not"


def test_a_protected_domain_keeps_its_name_from_the_next(kept: Templates, academy: Academy) -> None:
    after = Templates(copy.deepcopy(dict(kept.stacks)))
    falcon, heron = (academy.names.team_stack(team) for team in ("falcon", "heron"))
    for logical_id in [name for name in after.stacks[falcon]["Resources"] if "ana" in name]:
        moved = after.stacks[falcon]["Resources"].pop(logical_id)
        after.stacks[heron]["Resources"][logical_id] = moved
    assert any(
        "Domain earth-2026-fall--ana" in says and "would be kept" in says
        for says in refused(kept, after, academy)
    )


# --- what an admin meant -------------------------------------------------------------------------


def test_a_learner_who_moves(
    now: Templates, cohort: Cohort, remade: Callable[..., Templates], academy: Academy
) -> None:
    falcon, heron = cohort.teams
    ana, ben = falcon.learners
    after = remade(
        teams=[
            falcon.model_copy(update={"learners": [ben]}),
            heron.model_copy(update={"learners": [*heron.learners, ana]}),
        ]
    )
    assert list(lost(now, after, academy)) == ["home:ana"]
    moved = meant(now, after, academy)["moved"]
    assert moved.who == ("ana",)
    assert "moves from falcon to heron" in moved.says
    work = academy.arns.bucket_name("work")
    assert any(f"s3://{work}/teams/falcon/ana/" in step for step in moved.do)
    assert any(academy.names.team_stack("falcon") in step for step in moved.do)
    [order] = refused(now, after, academy)
    assert "Role earth-2026-fall--learner--ana, which earth-2026-fall-Team-falcon" in order


def test_a_team_that_left_is_left_to_reconcile(
    now: Templates, then: Templates, academy: Academy
) -> None:
    falcon = academy.names.team_stack("falcon")
    after = Templates({name: each for name, each in then.stacks.items() if name != falcon})
    assert lost(now, after, academy) == {}, "a deploy does not touch its stack"
    left = meant(now, after, academy)
    assert set(left) == {"team-left"}
    assert any("cohort reconcile" in step for step in left["team-left"].do)
    found = removing(now, [falcon], academy.names)
    assert [each.name for each in found] == ["home:ana", "home:ben"]


def without(templates: Templates, stack: str, learner: str) -> None:
    found = templates.stacks[stack]["Resources"]
    for name in [each for each in found if each.startswith(f"Learner{learner}")]:
        del found[name]


def test_a_learner_who_left(now: Templates, then: Templates, academy: Academy) -> None:
    without(then, academy.names.team_stack("heron"), "chi")
    assert list(lost(now, then, academy)) == ["home:chi"]
    assert meant(now, then, academy)["left"].who == ("chi",)


def test_a_learner_with_a_new_id_is_told_as_a_loss(
    now: Templates, then: Templates, academy: Academy
) -> None:
    stack = academy.names.team_stack("falcon")
    found = then.stacks[stack]["Resources"]
    renamed = {
        name.replace("Learnerana", "Learnereve"): each
        for name, each in found.items()
        if name.startswith("Learnerana")
    }
    text = copy.deepcopy(renamed)
    for each in text.values():
        for member in ("SpaceName", "UserProfileName", "DomainName"):
            if member in each["Properties"]:
                each["Properties"][member] = academy.names.workspace("eve")
    without(then, stack, "ana")
    found.update(text)
    assert "home:ana" in lost(now, then, academy)
    assert meant(now, then, academy)["renamed"].who == ("ana", "eve")


def test_homes_grow_and_cannot_shrink(now: Templates, then: Templates, academy: Academy) -> None:
    for where, logical_id in resources(then, "AWS::SageMaker::Space"):
        settings = where[logical_id]["Properties"]["SpaceSettings"]["SpaceStorageSettings"]
        settings["EbsStorageSettings"]["EbsVolumeSizeInGb"] = 10
    assert lost(now, then, academy) == {}
    assert "shrink from 20 to 10 GB" in meant(now, then, academy)["storage"].says
    [says] = refused(now, then, academy)
    assert "cannot shrink" in says
    assert "grow from 10 to 20 GB" in meant(then, now, academy)["storage"].says
    assert refused(then, now, academy) == []


def test_a_name_that_cannot_be_there_twice(
    now: Templates, then: Templates, academy: Academy
) -> None:
    for where, logical_id in resources(then, "AWS::DynamoDB::Table"):
        where[logical_id]["Properties"]["KeySchema"].pop()
    found = lost(now, then, academy)
    assert "may erase the ledger" in found["table:ledger"].sentence()
    says = refused(now, then, academy)
    assert any("would replace Table earth-2026-fall-ledger" in each for each in says)


def test_a_construct_that_was_renamed(now: Templates, then: Templates, academy: Academy) -> None:
    found = then.stacks[academy.names.foundation_stack]["Resources"]
    ledger = next(name for name in found if found[name]["Type"] == "AWS::DynamoDB::Table")
    found["Purse"] = found.pop(ledger)
    assert "table:ledger" in lost(now, then, academy)
    assert any("under another logical id" in says for says in refused(now, then, academy))


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["team", "cohort"])
def test_another_isolation_takes_every_home(
    isolation: str, now: Templates, remade: Callable[..., Templates], academy: Academy
) -> None:
    after = remade(isolation=isolation)
    assert list(lost(now, after, academy)) == HOMES
    assert f"from learner to {isolation}" in meant(now, after, academy)["isolation"].says
    assert list(lost(after, now, academy)) == HOMES, "nor does a home come back"
    assert f"from {isolation} to learner" in meant(after, now, academy)["isolation"].says


@pytest.mark.slow
def test_another_network_takes_none(
    now: Templates, remade: Callable[..., Templates], academy: Academy
) -> None:
    after = remade(network="private")
    assert lost(now, after, academy) == {}
    assert "only while no app" in meant(now, after, academy)["network"].says


@pytest.mark.slow
def test_the_stacks_cover_no_unknown_type_in_any_combination(
    cohort: Cohort, remade: Callable[..., Templates]
) -> None:
    found = remade(isolation="cohort", network="private")
    assert {each.type for each in found.resources()} <= MADE_AGAIN | set(WORK)
