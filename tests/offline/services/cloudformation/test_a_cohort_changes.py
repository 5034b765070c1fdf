"""What an admin changes in the cohort file while a cohort runs can be deployed."""

from __future__ import annotations

import pytest

from infra.offline.server import Cloud
from tests.offline.services.cloudformation.academy_stacks import Deployer, templates

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
