"""The lock on what people would lose: a stack policy, which holds for whoever runs a deploy.

`cdk deploy` asks nobody whether a domain may be replaced, and `cohort diff` is only as good as the
habit to run it. A stack policy stands in the account: CloudFormation itself refuses an update that
replaces or deletes a resource with people's work. `cohort publish` locks; `cohort diff --erase`
opens the lock for what was named, until the next `cohort publish`.

A policy speaks of updates alone. Against the deletion of a whole stack there is termination
protection, which a cohort with `protect: true` has (stacks/base.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra.assurance.losses import WORK
from infra.cli.account import Site
from infra.cli.deployed import Deployed, DeployedStack, read


def policy(opened: Iterable[str] = ()) -> str:
    """The stack policy that lets everything be updated, and nothing of people's be replaced or
    deleted but the resources with the logical ids `opened`.

    The Deny is narrowed rather than followed by an Allow: of two statements that contradict each
    other, documentation and practice disagree which one counts.
    """
    names = sorted(opened)
    where: dict[str, Any] = {"Resource": "*"}
    if names:
        where = {"NotResource": [f"LogicalResourceId/{name}" for name in names]}
    document = {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["Update:Replace", "Update:Delete"],
                "Principal": "*",
                **where,
                "Condition": {"StringEquals": {"ResourceType": list(WORK)}},
            },
        ]
    }
    return json.dumps(document, separators=(",", ":"))


def holds_work(stack: DeployedStack) -> bool:
    """Whether there is anything in the stack to lock."""
    return any(each["Type"] in WORK for each in stack.template.get("Resources", {}).values())


def open_stacks(deployed: Deployed) -> list[str]:
    """The stacks with people's work that are not locked, or not wholly."""
    return [
        name
        for name, stack in deployed.stacks.items()
        if holds_work(stack) and stack.policy != policy()
    ]


def lock(site: Site) -> int:
    """Lock every deployed stack of the cohort; returns how many hold people's work."""
    deployed = read(site, waiting=True)
    client = site.client("cloudformation")
    for name in open_stacks(deployed):
        client.set_stack_policy(StackName=name, StackPolicyBody=policy())
    return sum(map(holds_work, deployed.stacks.values()))


def unlock(site: Site, opened: Mapping[str, Iterable[str]]) -> None:
    """Open the lock for the logical ids in `opened`, stack by stack; the rest stays locked."""
    client = site.client("cloudformation")
    for stack, names in opened.items():
        client.set_stack_policy(StackName=stack, StackPolicyBody=policy(names))
