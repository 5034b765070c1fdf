"""A breach in words: who may do what, on what, when, and which statements let them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask
from infra.assurance.isolation.promises.whom import EVERYTHING
from infra.assurance.isolation.requests.deciding import Actor, Stranger
from infra.assurance.isolation.world import Document, Role, World
from infra.assurance.templates import Resource

STRANGERS = {
    "inside": "anyone of this account outside the academy, without rights of their own,",
    "outside": "anyone of another account",
    "anonymous": "anyone, without credentials,",
}

#: What every request carries and nobody chooses; a sentence need not say it.
_SETTLED = frozenset(
    {
        "aws:currenttime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:resourceaccount",
        "aws:userid",
    }
)


@dataclass(frozen=True)
class Grant:
    """One statement that a request needs, and where it stands."""

    statement: str
    policy: str
    layer: str
    source: Resource | None

    def __str__(self) -> str:
        at = f" in {self.source.stack}/{self.source.logical_id}" if self.source else ""
        return f"statement {self.statement} of {self.policy}{at}"


def who(actor: Actor) -> str:
    """`ana (learner, team falcon)`, `the service broker`, `anyone, without credentials,`."""
    if isinstance(actor, Stranger):
        return STRANGERS.get(actor.kind, actor.name)
    if actor.kind == "service":
        name = f"the service {actor.owner}"
    elif not actor.cohort:
        name = f"the role {actor.name}"
    else:
        team = f", team {actor.team}" if actor.team and actor.kind != "training" else ""
        name = f"{actor.owner} ({actor.kind}{team})"
    if any(document.id == EVERYTHING.id for document in actor.identity):
        return f"{name}, were everything allowed,"
    return name


def grants(world: World, actor: Actor, request: iam.Request) -> tuple[Grant, ...]:
    """The statements by which `actor` may make `request`: who grants it, and what lets it through.

    Several may grant the same; the first of each layer is named.
    """
    found: list[Grant] = []
    if isinstance(actor, Role):
        found += _first("identity", actor.identity, request)
    found += _of_the_resource(world, request)
    if found and isinstance(actor, Role) and actor.boundary is not None:
        found += _first("boundary", (actor.boundary,), request)
    return tuple(found)


def sentence(
    actor: Actor, request: iam.Request, through: Sequence[Grant], asks: Iterable[Ask] = ()
) -> str:
    """The request as a sentence, with the statements that it goes through.

    `asks`: what was asked; where the request lacks a key that they ask for, the sentence says so.
    """
    on = f" on {request.resource}" if request.resource != "*" else ""
    circumstances = "".join(_circumstances(request, asks))
    said = f"{who(actor)} may {request.action}{on}{circumstances}"
    because = [
        f"{grant} {'lets it through' if grant.layer == 'boundary' else 'allows it'}"
        for grant in through
    ]
    return f"{said}, because {'; '.join(because)}" if because else said


def _circumstances(request: iam.Request, asks: Iterable[Ask]) -> Iterator[str]:
    time = request.context.get("aws:currenttime")
    if time is not None:
        yield f" at {time}"
    given = [
        f"{key}={value if isinstance(value, str) else '[' + ', '.join(value) + ']'}"
        for key, value in sorted(request.context.items())
        if key not in _SETTLED and (key, value) != ("aws:securetransport", "true")
    ]
    if given:
        yield f" with {', '.join(given)}"
    asked = {key.lower() for ask in asks for keys in ask.when.values() for key in keys}
    absent = sorted(asked - set(request.context))
    if absent:
        yield f" without {', '.join(absent)}"


def _first(layer: str, documents: Iterable[Document], request: iam.Request) -> Iterator[Grant]:
    for document in documents:
        for statement in document.policy.statements:
            if statement.allow and _concerns(statement, request):
                yield Grant(statement.label, _policy(layer, document), layer, document.source)
                return


def _of_the_resource(world: World, request: iam.Request) -> Iterator[Grant]:
    for document in _policies_of(world, request):
        for statement in document.policy.statements:
            named = statement.names(request.principal)
            # What is handed on to the account grants nothing by itself.
            if not statement.allow or named is None or named == "as account":
                continue
            if _concerns(statement, request):
                name = _policy("resource", document)
                yield Grant(statement.label, name, "resource", document.source)
                return


def _policies_of(world: World, request: iam.Request) -> Iterator[Document]:
    for role in world.roles:
        if role.arn == request.resource:
            yield role.trust
    for each in world.guarded:
        if each.document and any(
            iam.ArnPattern.of(pattern, variables=False).matches(request.resource, request)
            for pattern in each.covers
        ):
            yield each.document


def _concerns(statement: iam.Statement, request: iam.Request) -> bool:
    try:
        return statement.concerns(request)
    except iam.UnmodelledPolicy:
        return False


def _policy(layer: str, document: Document) -> str:
    if layer == "boundary":
        return f"the boundary {document.id}"
    if layer == "resource":
        return f"the {document.id}" if document.id.startswith("policy of") else document.id
    return f"policy {document.id.rpartition('/')[2]}"
