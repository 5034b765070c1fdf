"""A stack policy: which resources of a stack an update may change, replace or delete.

Source: "Prevent updates to stack resources" in the CloudFormation user guide. A statement of one
effect and its opposite for the same resource: the guide says that Deny wins, reports from practice
that the later statement does; where those two differ the update is refused here.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.offline.services.cloudformation.errors import NotModelled, StackValidationError

ACTIONS = ("Update:Modify", "Update:Replace", "Update:Delete", "Update:*")
MEMBERS = ("Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition")
OPERATORS = ("StringEquals", "StringLike")

#: The prefix of a resource in a statement.
LOGICAL = "LogicalResourceId/"
#: Of StackPolicyBody, in botocore's model of cloudformation.
MAX_CHARACTERS = 16_384


@dataclass(frozen=True)
class StackPolicy:
    """A policy that was read; without statements it says nothing, and every update is allowed."""

    text: str
    statements: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, text: str) -> StackPolicy:
        """The policy in `text`.

        Raises:
            StackValidationError: it is none.
            NotModelled: it has a condition that is not modelled.
        """
        try:
            document = json.loads(text)
        except ValueError:
            raise StackValidationError(
                "Error validating stack policy: Invalid stack policy"
            ) from None
        if not isinstance(document, dict) or len(text) > MAX_CHARACTERS:
            raise StackValidationError("Error validating stack policy: Invalid stack policy")
        statements = document.get("Statement", [])
        for statement in statements:
            _check(statement)
        return cls(text, tuple(statements))

    def refuses(self, action: str, logical_id: str, kind: str) -> str | None:
        """Why `action` on a resource of the type `kind` is refused; None if it is allowed."""
        allowed = False
        for place, statement in enumerate(self.statements):
            if not _concerns(statement, action, logical_id, kind):
                continue
            if statement["Effect"] == "Deny":
                return (
                    f"Action denied by stack policy: Statement [#{place}] does not allow "
                    f"[{action}] for resource [{LOGICAL}{logical_id}]"
                )
            allowed = True
        if allowed or not self.statements:
            return None
        return (
            f"Action not allowed by stack policy: [{action}] for resource [{LOGICAL}{logical_id}]"
        )


def _check(statement: Any) -> None:
    def wrong(why: str) -> StackValidationError:
        return StackValidationError(f"Error validating stack policy: {why}")

    if not isinstance(statement, dict):
        raise wrong("Invalid stack policy")
    if unknown := [name for name in statement if name not in MEMBERS]:
        raise wrong(f"Unknown field {unknown[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise wrong("Effect must be Allow or Deny")
    if statement.get("Principal") != "*":
        raise wrong("Principal must be *")
    actions = _listed(statement.get("Action", statement.get("NotAction")))
    if not actions or any(action not in ACTIONS for action in actions):
        raise wrong(f"Action must be of {', '.join(ACTIONS)}")
    if not ("Resource" in statement or "NotResource" in statement):
        raise wrong("Resource is missing")
    for operator, keys in statement.get("Condition", {}).items():
        if operator not in OPERATORS or list(keys) != ["ResourceType"]:
            raise NotModelled(
                f"The condition {operator} on {', '.join(keys)} of a stack policy is not modelled "
                "by the embedded cloud."
            )


def _concerns(statement: Mapping[str, Any], action: str, logical_id: str, kind: str) -> bool:
    def of(pattern: str) -> bool:
        return pattern == "*" or fnmatch.fnmatchcase(f"{LOGICAL}{logical_id}", pattern)

    acts = any(
        each in (action, "Update:*")
        for each in _listed(statement.get("Action", statement.get("NotAction")))
    )
    on = any(of(each) for each in _listed(statement.get("Resource", statement.get("NotResource"))))
    if ("Action" in statement) != acts or ("Resource" in statement) != on:
        return False
    return all(
        any(
            kind == value if operator == "StringEquals" else fnmatch.fnmatchcase(kind, value)
            for value in _listed(keys["ResourceType"])
        )
        for operator, keys in statement.get("Condition", {}).items()
    )


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [str(value)]
