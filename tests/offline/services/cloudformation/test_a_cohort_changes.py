"""What an admin changes in the cohort file while a cohort runs can be deployed."""

from __future__ import annotations

import pytest

from infra.offline import inside
from infra.offline.server import Cloud
from tests.offline.services.cloudformation.academy_stacks import REGION, Deployer, templates

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("before", "after"), [("example", "changed"), ("example", "teams")])
def test_every_stack_takes_the_change(tmp_path, before, after):
    first, then = templates(before), templates(after)
    with Cloud(state=tmp_path):
        deployer = Deployer()
        deployer.ready(*first.values(), *then.values())
        for name, template in first.items():
            assert deployer.deploy(name, template).status == "CREATE_COMPLETE"
        for name in reversed([name for name in first if name not in then]):
            deployer.delete(name)  # a learner who changed teams keeps the domain's name
        changed = [name for name in then if then[name] != first.get(name)]
        ended = {name: deployer.deploy(name, then[name]) for name in changed}
    assert changed
    assert {
        name: (stack.status, stack.reason)
        for name, stack in ended.items()
        if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    } == {}


def test_every_isolation_can_become_every_other(tmp_path):
    """The way `cdk deploy` takes, then `cohort reconcile`: what is gone from the file goes last,
    since SageMaker deletes no domain that somebody has a profile in."""
    way = ["learner", "team", "cohort", "learner", "cohort", "team", "learner"]
    with Cloud(state=tmp_path):
        deployer = Deployer()
        deployer.ready(*(each for isolation in way for each in templates(isolation).values()))
        before: dict = {}
        for isolation in way:
            then = templates(isolation)
            for name, template in then.items():
                stack = deployer.deploy(name, template) if template != before.get(name) else None
                assert stack is None or stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), (
                    isolation,
                    stack.reason,
                )
            for name in (name for name in before if name not in then):
                assert deployer.delete(name).status == "DELETE_COMPLETE", (isolation, name)
            sagemaker = inside.client("sagemaker", REGION)
            domains = {each["DomainId"] for each in sagemaker.list_domains()["Domains"]}
            assert len(domains) == {"learner": 4, "team": 2, "cohort": 1}[isolation]
            for listed, members in (
                ("list_user_profiles", "UserProfiles"),
                ("list_spaces", "Spaces"),
            ):
                found = getattr(sagemaker, listed)()[members]
                assert len(found) == 4, "nobody has two"
                assert {each["DomainId"] for each in found} == domains
            before = then
