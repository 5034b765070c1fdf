"""Promises about how things are made, and not about requests: what breaks them is a flaw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.assurance.isolation.promises import allowed
from infra.assurance.isolation.promises.places import Places
from infra.assurance.isolation.promises.whom import roles
from infra.assurance.isolation.world import Document, World
from infra.assurance.templates import Resource
from infra.cohort import images
from infra.cohort.naming import SERVICES

#: Kinds of roles that learners' or advisors' code may run under.
BOUND = ("learner", "training", "advisor", "domain")


@dataclass(frozen=True)
class Flaw:
    """What is made otherwise than promised."""

    words: str
    source: Resource | None = None


def own_key(p: Places, world: World) -> Iterator[Flaw]:
    """The vault's key: it encrypts the vault, no other alias names it, nothing else mentions it."""
    [key] = p.key("vault").any_of
    [vault] = p.bucket("vault").any_of
    alias = p.names.key_alias("vault")
    encrypted = False
    for each in world.guarded:
        # Who may use the key, the promises about requests say.
        if each.source is None or each.type.startswith("AWS::IAM::"):
            continue
        mentions = [text for text in _texts(each.source.properties) if text in (key, alias)]
        if each.arn == vault:
            encrypted = bool(mentions)
        elif each.arn == key:
            more = sorted(set(each.facts.get("kms:ResourceAliases", ())) - {alias})
            if more:
                yield Flaw(f"the vault's key is also called {', '.join(more)}", each.source)
        elif mentions and each.type != "AWS::KMS::Alias":
            yield Flaw(f"{each.arn} uses the vault's key", each.source)
    if not encrypted:
        yield Flaw(f"{vault} is not encrypted with the key {alias}")


def _texts(value: object) -> Iterator[str]:
    """Every text in a resource's properties."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def unbound(p: Places, world: World) -> Iterator[Flaw]:
    expected = p.names.boundary_policy
    for role in roles(p, *BOUND)(world):
        found = role.boundary.id if role.boundary else "none"
        if found != expected:
            yield Flaw(f"{role} has the boundary {found}, and not {expected}", role.source)


#: Keys that read tags which someone may have written. aws:RequestTag is the request's own.
_TAGS = ("aws:resourcetag/", "aws:principaltag/", "existingobjecttag/", "sagemaker:resourcetag/")


def reading_tags(world: World) -> Iterator[Flaw]:
    for document in documents(world):
        for statement in document.policy.statements:
            for key in statement.context_keys():
                if any(tag in key.lower() for tag in _TAGS):
                    yield Flaw(
                        f"statement {statement.label} of {document.id} asks for {key}",
                        document.source,
                    )


def documents(world: World) -> Iterator[Document]:
    """Every policy of the templates, each once."""
    found: dict[int, Document] = {}
    for role in world.roles:
        boundary = () if role.boundary is None else (role.boundary,)
        for document in (*role.identity, *boundary, role.trust):
            found.setdefault(id(document), document)
    for each in world.guarded:
        if each.document is not None:
            found.setdefault(id(each.document), each.document)
    yield from found.values()


def unknown_roles(p: Places, world: World) -> Iterator[Flaw]:
    """Roles that nothing is promised of, and those that promises would be about and are not there:
    of nobody, everything holds."""
    found = {(role.kind, role.owner): role for role in roles(p)(world)}
    for (kind, owner), role in found.items():
        known = owner in allowed.SERVICES if kind == "service" else kind in BOUND
        if not known:
            yield Flaw(f"nothing is promised of the role {role.arn}", role.source)
    for kind, owner in _expected(p):
        if (kind, owner) not in found:
            yield Flaw(f"{p.cohort.name} has no {kind} role of {owner}")


def _expected(p: Places) -> Iterator[tuple[str, str]]:
    for team in p.cohort.teams:
        yield "training", team.id
        for learner in team.learners:
            yield "learner", learner.id
    for advisor in p.cohort.advisors_with_spaces:
        yield "advisor", advisor.id
    for service in (*SERVICES, "stopper"):
        if service != "door" or p.cohort.door:
            yield "service", service


def roles_of_nobody(places: Sequence[Places], world: World) -> Iterator[Flaw]:
    cohorts = {p.cohort.name for p in places}
    for role in world.roles:
        known = not role.cohort and role.name in (images.BUILD_ROLE, images.STUDIO_ROLE)
        if role.cohort not in cohorts and not known:
            yield Flaw(f"nothing is promised of the role {role.arn}", role.source)
