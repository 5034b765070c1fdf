"""A cohort's door over its time: somebody's address changes, somebody leaves, the door is shut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cohort.naming import Names
from infra.offline import inside
from infra.offline.server import Cloud
from tests.offline.services.cloudformation import academy_stacks
from tests.offline.services.cloudformation.academy_stacks import REGION, Deployer, Template

NAMES = Names("earth-2026-fall")


def variant(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> dict[str, Template]:
    """The example's templates with other members in its file."""
    monkeypatch.setitem(academy_stacks.VARIANTS, name, members)
    return academy_stacks.templates(name)


def a_team(name: str, **people: str) -> dict[str, object]:
    return {"id": name, "learners": [{"id": id, "email": email} for id, email in people.items()]}


HERON = a_team("heron", chi="chi@example.org", dov="dov@example.org")


@pytest.fixture
def deployer(tmp_path: Path) -> Iterator[Deployer]:
    """The example, deployed."""
    with Cloud(state=tmp_path):
        made = Deployer()
        first = academy_stacks.templates("example")
        made.ready(*first.values())
        put(made, first)
        yield made


def put(
    deployer: Deployer, templates: dict[str, Template], over: dict[str, Template] | None = None
) -> None:
    """Deploy what is not yet so; what is deployed, is as `over`."""
    deployer.assets(*templates.values())
    for name, template in templates.items():
        if template == (over or {}).get(name):
            continue
        stack = deployer.deploy(name, template)
        assert stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), (name, stack.status)


def addresses() -> dict[str, str]:
    """Who may sign in by which address, as the pool has it."""
    cognito = inside.client("cognito-idp", REGION)
    ssm = inside.client("ssm", REGION)
    pool = ssm.get_parameter(Name=NAMES.user_pool_parameter)["Parameter"]["Value"]
    return {
        user["Username"].partition("--")[0]: {
            each["Name"]: each["Value"] for each in user["Attributes"]
        }["email"]
        for user in cognito.list_users(UserPoolId=pool)["Users"]
    }


EVERYBODY = {each: f"{each}@example.org" for each in ("ana", "ben", "chi", "dov", "shelley")}


def test_a_changed_address_is_another_user_and_the_old_one_goes(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert addresses() == EVERYBODY
    falcon = a_team("falcon", ana="ana@elsewhere.org", ben="ben@example.org")
    first = academy_stacks.templates("example")
    put(deployer, variant(monkeypatch, "moved", teams=[falcon, HERON]), over=first)
    assert addresses() == {**EVERYBODY, "ana": "ana@elsewhere.org"}


def test_who_takes_anothers_address_gets_it_in_one_deploy_after_they_left(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = a_team("falcon", ben="ben@example.org")
    left = variant(monkeypatch, "left", teams=[without, HERON])
    put(deployer, left, over=academy_stacks.templates("example"))
    assert "ana" not in addresses()
    again = a_team("falcon", eve="ana@example.org", ben="ben@example.org")
    put(deployer, variant(monkeypatch, "again", teams=[again, HERON]), over=left)
    assert addresses()["eve"] == "ana@example.org"


def test_a_team_that_is_removed_takes_its_users_with_it(deployer: Deployer) -> None:
    assert deployer.delete(NAMES.team_stack("falcon")).status == "DELETE_COMPLETE"
    assert addresses() == {each: EVERYBODY[each] for each in ("chi", "dov", "shelley")}


def test_a_door_is_shut_once_the_teams_have_no_users_in_it(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = variant(monkeypatch, "shut", door=None)
    assert NAMES.door_stack not in shut
    put(deployer, shut, over=academy_stacks.templates("example"))
    assert set(addresses()) == {"shelley"}
    assert deployer.delete(NAMES.door_stack).status == "DELETE_COMPLETE"
    assert inside.client("cognito-idp", REGION).list_user_pools(MaxResults=10)["UserPools"] == []
    assert inside.client("apigatewayv2", REGION).get_apis()["Items"] == []
