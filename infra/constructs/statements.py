"""IAM statements as data: each wildcard stands beside the reason that excuses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Condition = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Raises:
        ValueError: if it allows a wildcard without saying `why`.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    when: Condition = field(default_factory=dict)
    effect: Literal["Allow", "Deny"] = "Allow"
    #: Why a wildcard in it is right: the review rules (AwsSolutions-IAM5) ask for each.
    why: str | None = None

    def __post_init__(self) -> None:
        if self.effect == "Allow" and self.wildcards() and not self.why:
            raise ValueError(f"statement {self.sid} has a wildcard and no reason for it")

    def wildcards(self) -> list[str]:
        """The wildcards, each as cdk-nag names the finding."""
        actions = [f"Action::{action}" for action in self.actions if "*" in action]
        return actions + [f"Resource::{name}" for name in self.resources if "*" in name]

    def to_json(self) -> dict[str, Any]:
        statement: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": self.effect,
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.when:
            statement["Condition"] = {key: dict(value) for key, value in self.when.items()}
        return statement


def document(statements: Iterable[Statement]) -> dict[str, Any]:
    """The policy document of `statements`."""
    return {"Version": "2012-10-17", "Statement": [each.to_json() for each in statements]}


def trust(service: str, when: Condition | None = None) -> dict[str, Any]:
    """The trust policy by which the AWS service at `service` may take a role."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if when:
        statement["Condition"] = {key: dict(value) for key, value in when.items()}
    return {"Version": "2012-10-17", "Statement": [statement]}


def reasons(statements: Iterable[Statement]) -> dict[str, str]:
    """What to acknowledge for `statements`: cdk-nag's finding id -> reason."""
    found: dict[str, str] = {}
    for statement in statements:
        if statement.effect == "Deny":
            continue
        for wildcard in statement.wildcards():
            reason = f"{statement.sid}: {statement.why}"
            known = found.get(f"AwsSolutions-IAM5[{wildcard}]")
            found[f"AwsSolutions-IAM5[{wildcard}]"] = f"{known} {reason}" if known else reason
    return found
