"""The IAM policy that a run needs, from what its questions make, use and ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.cli.probe.probing import PREFIX
from infra.cli.probe.question import Allowance, Question
from infra.cli.probe.removal import KINDS
from infra.cli.probe.shared import SHARED


def allowances(questions: Iterable[Question]) -> list[Allowance]:
    """All that the owner's credentials need for these questions, with repetitions."""
    found = []
    for question in questions:
        shared = [SHARED[name] for name in question.uses]
        makes = [*question.makes, *(kind for each in shared for kind in each.makes)]
        found += [each for kind in makes for each in KINDS[kind].allowances()]
        found += [*question.needs, *(need for each in shared for need in each.needs)]
    return found


def policy(questions: Iterable[Question], *, account: str, region: str) -> dict[str, Any]:
    """A policy document that suffices. Names are held to the probe's prefix wherever AWS lets
    names be known beforehand."""
    by_resource: dict[str, set[str]] = {"*": {"sts:GetCallerIdentity"}}
    for each in allowances(questions):
        resource = each.resource.format(account=account, region=region, prefix=PREFIX)
        by_resource.setdefault(resource, set()).update(each.actions)
    statements = [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": resource}
        # A bucket's name ends in a wildcard, which takes in the objects.
        for resource, actions in sorted(by_resource.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements}
