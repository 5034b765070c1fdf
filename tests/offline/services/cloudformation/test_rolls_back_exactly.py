"""A deployment that fails anywhere leaves the cloud exactly as it was, object by object.

The academy's real stacks, each on a cloud with those it stands on: a fault at every resource of
their creation, and of an update that changes, replaces, adds and removes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.offline.server import Cloud
from tests.offline.services.cloudformation import academy_stacks, failing, mutations, snapshot

pytestmark = pytest.mark.slow

#: With the chat's channel, which the other options lack.
COHORT = "teams"
FOUNDATION, GUARD, COMPETITION, DOOR, TEAM = (
    f"earth-2026-fall-{name}"
    for name in ("Foundation", "Guard", "Competition", "Door", "Team-falcon")
)
STACKS = (FOUNDATION, GUARD, COMPETITION, DOOR, TEAM, "Academy-Images-Build")
#: A team's is tried in each change of the code, the others by `make test-exhaustive`.
TRIED = [
    pytest.param(name, marks=() if name == TEAM else pytest.mark.exhaustive) for name in STACKS
]
#: The stacks without a start script, whose tags make another one of it under the same name.
TAGS = {name: {"stack": "mutated"} for name in STACKS if name != FOUNDATION}

Template = dict[str, Any]


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    images = academy_stacks.image_templates(1, 2)
    return {
        **academy_stacks.templates(COHORT),
        "Academy-Images-Build": images["Academy-Images-Build"],
    }


@pytest.fixture
def ground(request, templates, tmp_path) -> Iterator[academy_stacks.Deployer]:
    """A cloud with the stacks that come before the one that is tried."""
    logging.disable(logging.CRITICAL)  # thousands of failures are wanted here
    with Cloud(state=tmp_path):
        deployer = academy_stacks.Deployer()
        deployer.ready(*templates.values())
        order = list(templates)
        tried = request.getfixturevalue("tried")
        before = order[: order.index(tried)] if tried.startswith("earth") else []
        for name in before:
            assert deployer.deploy(name, templates[name]).status == "CREATE_COMPLETE"
        yield deployer
    logging.disable(logging.NOTSET)


def fail_everywhere(
    deploy: Callable[[], Any], ends: str, *, clear: Callable[[], Any] = lambda: None
) -> tuple[int, dict[str, Any]]:
    """How many steps a deployment has, and what differs after a failure at each: step -> what.

    Every step fails after its work, every fourth one before it too.
    """
    before = snapshot.snapshot()
    assert len(before) > 5
    wrong: dict[str, Any] = {}
    place = 0
    while True:
        for after in (True, False) if place % 4 == 0 else (True,):
            with failing.failing(failing.Fault(place, after)) as fault:
                stack = deploy()
            if not fault.fired:
                assert stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack.reason
                return place, wrong
            step = f"{place} {'after' if after else 'before'} {fault.steps[-1]}"
            if stack.status != ends:
                wrong[f"{step} status"] = (stack.status, stack.reason)
            clear()
            if found := snapshot.differences(before, snapshot.snapshot()):
                wrong[step] = found
                before = snapshot.snapshot()
        place += 1


@pytest.mark.parametrize("tried", TRIED)
def test_a_creation_that_fails_anywhere_leaves_nothing(tried, ground, templates):
    template = without_retention(templates[tried])
    steps, wrong = fail_everywhere(
        lambda: ground.deploy(tried, template),
        "ROLLBACK_COMPLETE",
        clear=lambda: ground.delete(tried),
    )
    assert wrong == {}
    assert steps == len(template["Resources"])


@pytest.mark.parametrize("replaced", [False, True], ids=["changed", "replaced"])
@pytest.mark.parametrize("tried", TRIED)
def test_an_update_that_fails_anywhere_leaves_what_was(tried, replaced, ground, templates):
    template = without_retention(templates[tried])
    assert ground.deploy(tried, template).status == "CREATE_COMPLETE"
    mutated = mutations.changed(template, replace=replaced)
    touched: set[str] = set()

    def deploy() -> Any:
        stack = ground.deploy(tried, mutated, tags=TAGS.get(tried, {}))
        touched.update(
            event.logical_id for event in stack.events if event.status == "UPDATE_COMPLETE"
        )
        return stack

    steps, wrong = fail_everywhere(deploy, "UPDATE_ROLLBACK_COMPLETE")
    assert wrong == {}
    assert steps > len(template["Resources"]) // 2
    assert len(touched) > len(template["Resources"]) // 2


def without_retention(template: Template) -> Template:
    """`template` with everything free to go: what Retain keeps, a roll-back keeps by intent."""
    return {
        **template,
        "Resources": {
            logical_id: {
                name: value
                for name, value in resource.items()
                if name not in ("DeletionPolicy", "UpdateReplacePolicy")
            }
            for logical_id, resource in template["Resources"].items()
        },
    }
