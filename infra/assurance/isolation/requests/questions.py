"""Whether a request is one that an `Ask` is about, by the evaluator's own patterns and conditions.

An Ask is read as a statement is: `iam.Policy.parse` takes it apart, `iam.Statement` matches it.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask, Region

ResourcePattern = iam.Pattern | iam.ArnPattern


@dataclass(frozen=True, eq=False)
class Question:
    """An Ask, taken apart: what its words match."""

    meant: iam.Statement
    not_meant: iam.Statement | None
    any_of: tuple[ResourcePattern, ...]
    but_not: tuple[ResourcePattern, ...]

    @classmethod
    def of(cls, ask: Ask) -> Question:
        """Raises:
        UnmodelledPolicy: for a condition or a pattern that IAM does not have.
        """
        text = json.dumps([ask.actions, ask.on.any_of, ask.on.but_not, ask.when, ask.but_not])
        return _read(text)

    def concerns_action(self, action: str) -> bool:
        request = _of_action(action)
        if not self.meant.covers(request):
            return False
        return self.not_meant is None or not self.not_meant.covers(request)

    def concerns_resource(self, resource: str) -> bool:
        return _in_region(self.any_of, self.but_not, resource)

    def holds(self, request: iam.Request) -> bool:
        """Whether action, resource and all conditions are those that are asked about."""
        return (
            self.concerns_action(request.action)
            and self.concerns_resource(request.resource)
            and self.meant.concerns(request)
        )


def meets(ask: Ask, request: iam.Request) -> bool:
    """Whether `request` is one that `ask` is about.

    Raises:
        UnmodelledPolicy: for a condition on whose meaning the guide is silent.
    """
    return Question.of(ask).holds(request)


def within(region: Region, arn: str) -> bool:
    """Whether `arn` (or `*`, for an action without a resource) lies in `region`."""
    return _in_region(_patterns(region.any_of), _patterns(region.but_not), arn)


@functools.lru_cache(maxsize=4096)
def _read(text: str) -> Question:
    actions, any_of, but_not, when, not_actions = json.loads(text)
    return Question(
        meant=_statement(actions, when),
        not_meant=_statement(not_actions, {}) if not_actions else None,
        any_of=_patterns(tuple(any_of)),
        but_not=_patterns(tuple(but_not)),
    )


def _statement(actions: list[str], when: dict[str, dict[str, object]]) -> iam.Statement:
    statement = {
        "Sid": "Ask",
        "Effect": "Allow",
        "Action": actions,
        "Resource": "*",
        "Condition": when,
    }
    document = {"Version": "2012-10-17", "Statement": statement}
    return iam.Policy.parse(document).statements[0]


@functools.lru_cache(maxsize=4096)
def _patterns(texts: tuple[str, ...]) -> tuple[ResourcePattern, ...]:
    """As a policy's Resource: `*` is anything, anything else an ARN, component by component."""
    return tuple(
        iam.Pattern.of(text, variables=False)
        if text == "*"
        else iam.ArnPattern.of(text, variables=False)
        for text in texts
    )


def _in_region(
    any_of: tuple[ResourcePattern, ...], but_not: tuple[ResourcePattern, ...], arn: str
) -> bool:
    request = _of_action("none:None")
    if not any(pattern.matches(arn, request) for pattern in any_of):
        return False
    return not any(pattern.matches(arn, request) for pattern in but_not)


_NOBODY = iam.Principal("service", "nobody", "")


@functools.lru_cache(maxsize=65536)
def _of_action(action: str) -> iam.Request:
    """A request that is only looked at for its action; patterns without variables need none."""
    return iam.Request(_NOBODY, action, "*")
