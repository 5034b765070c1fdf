"""What a cohort's templates make, resolved: who there is, what there is, and what calls what.

The proof knows nothing else of a cohort. `reading` makes it from templates; a test may build one
by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.assurance import iam
from infra.assurance.templates import Resource


@dataclass(frozen=True)
class Document:
    """One policy: as the template has it once its references are resolved, and parsed.

    Attributes:
        id: unique and readable: `earth--learner--ana/learner`, `earth--boundary`.
        source: the resource of the template that brings it; None in a world made by hand.
    """

    id: str
    body: Mapping[str, Any] = field(hash=False, compare=False)
    policy: iam.Policy = field(hash=False, compare=False)
    source: Resource | None = field(default=None, hash=False, compare=False)


@dataclass(frozen=True)
class Role:
    """A role and all that limits it.

    Attributes:
        cohort: of the path /academy/COHORT/KIND/; empty for a role of the account (images).
        kind: learner, training, advisor, service, …; the path's third part.
        owner: whose: a learner's, team's, advisor's id or a service's name.
        team: the team of a learner or training role; None for others.
    """

    arn: str
    name: str
    cohort: str
    kind: str
    owner: str
    team: str | None
    identity: tuple[Document, ...]
    boundary: Document | None
    trust: Document
    source: Resource | None = field(default=None, hash=False, compare=False)

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def session(self) -> iam.Principal:
        """A session of the role, as AWS writes its ARN: without the path."""
        arn = f"arn:aws:sts::{self.account}:assumed-role/{self.name}/session"
        return iam.Principal.session(arn, role_arn=self.arn)

    def __str__(self) -> str:
        return f"{self.kind} {self.owner}" if self.kind else self.name


@dataclass(frozen=True)
class Guarded:
    """A resource that has, or may have, a policy of its own.

    Attributes:
        arn: its ARN; generated ids are opaque atoms, distinct for each resource.
        type: its CloudFormation type.
        covers: ARN patterns of what its policy speaks about: a bucket and its objects.
        document: its policy, or None.
        decides: whether nothing is allowed that its policy does not grant or hand on (KMS keys).
        facts: context keys whose value the resource itself settles: kms:ResourceAliases of a key.
    """

    arn: str
    type: str
    covers: tuple[str, ...]
    document: Document | None
    decides: bool = False
    facts: Mapping[str, iam.Value] = field(default_factory=dict, hash=False)
    source: Resource | None = field(default=None, hash=False, compare=False)


@dataclass(frozen=True)
class Function:
    """A Lambda function: who runs it, and under which names it can be called."""

    arn: str
    role: str
    aliases: tuple[str, ...] = ()
    source: Resource | None = field(default=None, hash=False, compare=False)


@dataclass(frozen=True)
class Call:
    """Something that calls something without asking the first caller's rights: a rule, a schedule.

    Attributes:
        by: the rule's or schedule's ARN.
        on: what sets it off: an EventBridge pattern (resolved), or None for the clock.
        target: the ARN of what is called.
        role: the ARN of the role it is called under, or None if the target's policy admits it.
    """

    by: str
    on: Mapping[str, Any] | None = field(hash=False)
    target: str
    role: str | None = None
    source: Resource | None = field(default=None, hash=False, compare=False)


@dataclass(frozen=True)
class World:
    """Everything of one or more cohorts in one account and region."""

    account: str
    region: str
    cohorts: tuple[str, ...]
    roles: tuple[Role, ...]
    guarded: tuple[Guarded, ...] = ()
    functions: tuple[Function, ...] = ()
    calls: tuple[Call, ...] = ()

    def role(self, arn: str) -> Role:
        """The role with this ARN.

        Raises:
            KeyError: if the templates make none.
        """
        for role in self.roles:
            if role.arn == arn:
                return role
        raise KeyError(arn)

    def of_kind(self, *kinds: str) -> Iterator[Role]:
        return (role for role in self.roles if role.kind in kinds)
