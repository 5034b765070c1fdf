"""Every policy of the example cohort, as CloudFormation would make it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.assurance.iam import PolicyKind
from infra.assurance.isolation import world
from infra.assurance.isolation.reading.reader import read
from infra.cli.plan import synthesized
from infra.cohort.loading import load

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass(frozen=True)
class Document:
    """One policy. `holder` is what it is attached to: a role's or a resource's ARN."""

    id: str
    kind: PolicyKind
    holder: str
    body: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Role:
    name: str
    arn: str
    identity: tuple[Document, ...]
    boundary: Document | None
    trust: Document

    @property
    def session(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/agreement"


@dataclass(frozen=True)
class Corpus:
    """The roles, and the policies that resources have of their own."""

    roles: tuple[Role, ...]
    resources: tuple[Document, ...]

    def documents(self) -> Iterator[Document]:
        seen = set()
        for role in self.roles:
            boundary = () if role.boundary is None else (role.boundary,)
            for document in (*role.identity, *boundary, role.trust):
                if document.id not in seen:
                    seen.add(document.id)
                    yield document
        yield from self.resources


def corpus() -> Corpus:
    """The policies of cohorts/example.yaml, synthesized, and read as the isolation proof does."""
    cohort = load(ROOT / "cohorts" / "example.yaml")
    made = read(synthesized(cohort, account=ACCOUNT), account=ACCOUNT, region=REGION)
    resources = tuple(
        Document(f"resource:{each.arn}", "resource", each.arn, each.document.body)
        for each in made.guarded
        if each.document is not None
    )
    return Corpus(tuple(_role(each) for each in made.roles), resources)


def _role(role: world.Role) -> Role:
    boundary = role.boundary
    return Role(
        role.name,
        role.arn,
        tuple(Document(each.id, "identity", role.arn, each.body) for each in role.identity),
        None
        if boundary is None
        else Document(
            f"boundary:{boundary.id}",
            "identity",
            f"arn:aws:iam::{ACCOUNT}:policy/{boundary.id}",
            boundary.body,
        ),
        Document(f"trust:{role.name}", "trust", role.arn, role.trust.body),
    )


def as_text(body: Mapping[str, Any]) -> str:
    return json.dumps(body)
