"""Roles that are equal but for their own ids: one decides for all of its shape.

A cohort of 200 learners has 200 learners' roles, whose policies differ in ids alone. What is proven
of one of them holds for another if there is a renaming p, a permutation of ids (`renaming`), with:

1. p(policies of the one) = policies of the other: identity, boundary and trust; and p(the one) is
   the other's ARN.
2. The policies of resources, taken together, are what they were: p only permutes them, and the
   statements within each. So are the facts that resources settle, and the trust policies of all
   roles, each by its role's ARN.
3. Every pattern and condition in those policies keeps its meaning under p: it matches a text
   exactly if the renamed one matches the renamed text (`Renaming.keeps`, with the argument).
4. The same for what is asked of the one: renamed, it is what is asked of the other.
5. p renames no word of the requests themselves: none that stands in the formats of the catalogue's
   ARNs (and those keep their meaning, too), in the account, the region or a session's ARN; and no
   value of a key that is read as a number, a date, a truth or an address.

Then `iam.decide` says of a request by the one what it says of the renamed request by the other:
by 3 each statement concerns the one exactly if its image concerns the other, by 1 and 2 the images
are the other's statements, and what `decide` makes of them does not depend on their order. Renaming
is a bijection of requests, by 5 those that can be made go to those that can be made, and by 4 those
that meet an ask go to those that meet its image. So no request of the other breaks a promise
unless its pre-image, a request of the one, breaks it.

All five are checked here, for each member against its representative. Whoever fails a check stands
alone, and is decided on their own: a team called `teams`, a learner called like a region, whose
policy differs from others' by a character, or who is named where others are not.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask
from infra.assurance.isolation.renaming import (
    Fragment,
    Renaming,
    fragments,
    tokens,
    typed_keys,
)
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.world import Document, Guarded, Role, World

#: What is asked of a role.
Asks = Callable[[Role], Sequence[Ask]]

#: Words of requests, beside those of the catalogue's ARNs: of a session's ARN, and truths.
_WORDS = frozenset({"arn", "assumed-role", "aws", "aws-cn", "aws-us-gov", "false", "root", "true"})


@dataclass(frozen=True)
class Member:
    """A role, and what makes it of its shape's representative."""

    role: Role
    renaming: Renaming


@dataclass(frozen=True)
class Shape:
    """Roles that one decision holds for.

    Attributes:
        representative: the one that is decided; the first of `members`.
        members: all of them, in the world's order.
    """

    representative: Role
    members: tuple[Member, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(member.role for member in self.members)

    def __len__(self) -> int:
        return len(self.members)


def shapes(
    world: World,
    *,
    asks: Asks | None = None,
    catalogue: Catalogue | None = None,
    roles: Iterable[Role] | None = None,
) -> tuple[Shape, ...]:
    """The world's roles by shape, each role in one.

    Args:
        asks: what will be asked of a role. Roles share a shape only if it is the same but for the
            renaming.
        catalogue: whose ARNs say which words stand in requests; None: only for decisions that do
            not restrict requests to a catalogue's ARNs.
        roles: those that are wanted; None: all.
    """
    comparison = _Comparison(world, asks, _Words(world, catalogue))
    groups: dict[str, list[Shape]] = {}
    for role in world.roles if roles is None else tuple(roles):
        alike = groups.setdefault(comparison.form(role), [])
        for index, shape in enumerate(alike):
            renaming = comparison.renaming(shape.representative, role)
            if renaming is not None:
                members = (*shape.members, Member(role, renaming))
                alike[index] = Shape(shape.representative, members)
                break
        else:
            alike.append(Shape(role, (Member(role, Renaming({})),)))
    return tuple(shape for alike in groups.values() for shape in alike)


class _Comparison:
    """Compares roles of one world."""

    def __init__(self, world: World, asks: Asks | None, words: _Words) -> None:
        self.asks = asks
        self.words = words
        self.teams: dict[tuple[str, str | None], list[str]] = {}
        for role in world.roles:
            if role.kind == "learner":
                self.teams.setdefault((role.cohort, role.team), []).append(role.owner)
        self.guarded = tuple(each for each in world.guarded if each.document is not None)
        #: What stands in resources' policies and in what they cover.
        self.of_resources = _vocabulary(
            (each.arn, each.covers, each.facts, each.document and each.document.body)
            for each in self.guarded
        )
        self.roles = {role.arn: role for role in world.roles}
        #: Roles by the tokens of their ARNs and trust policies: whom a renaming could touch.
        self.touched: dict[str, set[str]] = {}
        for role in world.roles:
            for token in _vocabulary((role.arn, role.trust.body)):
                self.touched.setdefault(token, set()).add(role.arn)
        self._asked: dict[str, tuple[Ask, ...]] = {}
        self.typed = typed_keys(
            statement for document in _documents(world) for statement in _statements(document)
        )

    def own(self, role: Role) -> tuple[str, ...]:
        """The ids that are a role's own: its owner's and its team's. A service has none."""
        if role.kind not in ("learner", "training", "advisor", "domain"):
            return ()
        return tuple(dict.fromkeys((role.owner, role.team or role.owner)))

    def teammates(self, role: Role) -> tuple[str, ...]:
        mates = self.teams.get((role.cohort, role.team), ()) if role.kind == "learner" else ()
        return tuple(each for each in mates if each != role.owner)

    def form(self, role: Role) -> str:
        """What roles of one shape have in common: their policies with all their ids left out.

        It only says whom to compare; `renaming` decides.
        """
        own = self.own(role)
        if not own:
            return role.arn
        blanks = Renaming(
            {id_: f"\0{number}" for number, id_ in enumerate((*own, *self.teammates(role)))}
        )
        bodies = [_bodies(each, blanks) for each in (role.identity, (role.trust,))]
        boundary = None if role.boundary is None else role.boundary.id
        return json.dumps([role.cohort, role.kind, len(own), bodies, boundary])

    def renaming(self, one: Role, other: Role) -> Renaming | None:
        """What takes `one` to `other`, if it meets every condition of the module's docstring.

        First with their own ids alone; teammates are renamed where that is not enough.
        """
        mine, theirs = self.own(one), self.own(other)
        for more in ((), tuple(zip(self.teammates(one), self.teammates(other), strict=False))):
            if not mine or len(mine) != len(theirs):
                return None
            renaming = Renaming.of((*zip(mine, theirs, strict=True), *more))
            if renaming is not None and self._is_right(one, other, renaming):
                return renaming
        return None

    def asked(self, role: Role) -> tuple[Ask, ...]:
        if self.asks is None:
            return ()
        if role.arn not in self._asked:
            self._asked[role.arn] = tuple(self.asks(role))
        return self._asked[role.arn]

    def _is_right(self, one: Role, other: Role, renaming: Renaming) -> bool:
        asked = self.asked(one)
        typed = self.typed | typed_keys({"Condition": each.when} for each in asked)
        return (
            self.words.stay(renaming, one)
            and renaming.text(one.arn) == other.arn
            and renaming.text(one.session.arn) == other.session.arn
            and self._same_policies(one, other, renaming, typed)
            and self._same_resources(renaming, typed)
            and self._same_trust(renaming, typed)
            and self._same_asks(asked, self.asked(other), renaming, typed)
        )

    def _same_policies(
        self, one: Role, other: Role, renaming: Renaming, typed: frozenset[str]
    ) -> bool:
        """1 and 3, of the roles' own policies."""
        return all(
            _bodies(mine, renaming) == _bodies(theirs, Renaming({}))
            and all(_keeps(each, renaming, typed) for each in mine)
            for mine, theirs in zip(_layers(one), _layers(other), strict=True)
        )

    def _same_resources(self, renaming: Renaming, typed: frozenset[str]) -> bool:
        """2 and 3, of resources."""
        for each in self.guarded:
            if each.document is not None and not _keeps(each.document, renaming, typed):
                return False
            if not all(renaming.keeps(pattern, arn=True) for pattern in each.covers):
                return False
        if not renaming.ids.keys() & self.of_resources:
            return True
        still = sorted(json.dumps(_guarded(each), sort_keys=True) for each in self.guarded)
        moved = sorted(
            json.dumps(_guarded(each, renaming), sort_keys=True) for each in self.guarded
        )
        return still == moved

    def _same_trust(self, renaming: Renaming, typed: frozenset[str]) -> bool:
        """2 and 3, of trust policies: those that the renaming touches go to one another."""
        touched = {arn for id_ in renaming.ids for arn in self.touched.get(id_, ())}
        for role in (self.roles[arn] for arn in touched):
            image = self.roles.get(renaming.text(role.arn))
            if image is None or not _keeps(role.trust, renaming, typed):
                return False
            if _bodies((role.trust,), renaming) != _bodies((image.trust,), Renaming({})):
                return False
        return True

    def _same_asks(
        self,
        mine: Sequence[Ask],
        theirs: Sequence[Ask],
        renaming: Renaming,
        typed: frozenset[str],
    ) -> bool:
        """4."""
        return [_asked(renaming.ask(each)) for each in mine] == [
            _asked(each) for each in theirs
        ] and all(
            renaming.keeps_ask(each) and _keeps_typed(each.when, renaming, typed) for each in mine
        )


def _keeps(document: Document, renaming: Renaming, typed: frozenset[str]) -> bool:
    """3, of one document."""
    return all(
        renaming.keeps_statement(statement)
        and _keeps_typed(statement.get("Condition", {}), renaming, typed)
        for statement in _statements(document)
    )


def _keeps_typed(
    condition: Mapping[str, Mapping[str, Any]], renaming: Renaming, typed: frozenset[str]
) -> bool:
    """5: a key that is read as a number anywhere is not renamed in requests, so that where it is
    read as a text, that text must stay."""
    return not any(
        key.lower() in typed and renaming.value(value) != _plain(value)
        for keys in condition.values()
        for key, value in keys.items()
    )


def _layers(role: Role) -> tuple[tuple[Document, ...], ...]:
    """A role's policies by what they do: grant, limit, admit."""
    return role.identity, () if role.boundary is None else (role.boundary,), (role.trust,)


_FILLED_IN = re.compile(r"\$\{[^}]*\}|<[^>]*>")


class _Words:
    """The words that requests are made of; who is called like one stands alone.

    Requests for a service that no policy allows anything of are denied, whatever their words: of
    the catalogue's formats only those of the other services count.
    """

    def __init__(self, world: World, catalogue: Catalogue | None) -> None:
        self._always = {*_WORDS, world.region, world.account}
        self._formats: dict[str, set[str]] = {}
        for action in catalogue or ():
            service = action.service.lower()
            formats = self._formats.setdefault(service, set())
            formats.update(_FILLED_IN.sub("*", arn) for arn in action.arns)
        for service, listed in catalogue.services.items() if catalogue else ():
            formats = self._formats.setdefault(service.lower(), set())
            formats.update(_FILLED_IN.sub("*", arn) for arn in listed.arns)
        self._of: dict[frozenset[str], tuple[frozenset[str], frozenset[Fragment]]] = {}
        self._everyones = _services_allowed(
            each.document for each in world.guarded if each.document is not None
        )

    def stay(self, renaming: Renaming, role: Role) -> bool:
        """5, of the words: none is renamed, and every format means the same."""
        services = self._everyones | _services_allowed(role.identity)
        if services not in self._of:
            self._of[services] = self._made(services)
        whole, parts = self._of[services]
        return not renaming.ids.keys() & whole and renaming.keeps_fragments(parts)

    def _made(self, services: frozenset[str]) -> tuple[frozenset[str], frozenset[Fragment]]:
        globs = [
            iam.Glob.of(iam.tokens(each, wildcards=True, variables=False)) for each in services
        ]
        formats: set[str] = set()
        for service, listed in self._formats.items():
            if any(glob.matches(service) for glob in globs):
                formats |= listed
        return (
            frozenset(self._always.union(*map(tokens, formats))),
            frozenset[Fragment]().union(*(fragments(each, arn=True) for each in formats)),
        )


def _services_allowed(documents: Iterable[Document]) -> frozenset[str]:
    """The services, as patterns, of which a document may allow something."""
    found: set[str] = set()
    for document in documents:
        for statement in _statements(document):
            if statement.get("Effect") == "Allow":
                actions = statement.get("Action", "*")
                listed = [actions] if isinstance(actions, str) else actions
                found.update(action.partition(":")[0].lower() for action in listed)
    return frozenset(found)


def _vocabulary(values: Iterable[Any]) -> frozenset[str]:
    """Every token of every text in `values`."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            for each in value.values():
                yield from texts(each)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from texts(each)

    return frozenset(token for value in values for text in texts(value) for token in tokens(text))


def _documents(world: World) -> Iterator[Document]:
    """Every document, one that several roles hold once."""
    found: dict[str, Document] = {}
    for role in world.roles:
        for document in itertools.chain(*_layers(role)):
            found[document.id] = document
    for each in world.guarded:
        if each.document is not None:
            found[each.document.id] = each.document
    yield from found.values()


def _statements(document: Document) -> Sequence[Mapping[str, Any]]:
    listed = document.body["Statement"]
    return [listed] if isinstance(listed, Mapping) else list(listed)


def _bodies(documents: Collection[Document], renaming: Renaming) -> list[Any]:
    """Their versions and statements, renamed; what else a policy holds decides nothing."""
    return [
        [
            document.body.get("Version"),
            [renaming.statement(each) for each in _statements(document)],
        ]
        for document in documents
    ]


def _guarded(each: Guarded, renaming: Renaming | None = None) -> Any:
    """What decides about a resource, renamed: its statements in no order."""
    renaming = renaming or Renaming({})
    statements = [
        json.dumps(renaming.statement(statement), sort_keys=True)
        for statement in (_statements(each.document) if each.document else ())
    ]
    return {
        "arn": renaming.text(each.arn),
        "covers": [renaming.text(pattern) for pattern in each.covers],
        "statements": sorted(statements),
        "decides": each.decides,
        "facts": {key: renaming.value(value) for key, value in each.facts.items()},
    }


def _asked(ask: Ask) -> Any:
    """What an ask asks: places in no order, for those are sets."""
    return [
        list(ask.actions),
        list(ask.but_not),
        sorted(ask.on.any_of),
        sorted(ask.on.but_not),
        json.dumps(_plain(ask.when), sort_keys=True),
    ]


def _plain(value: Any) -> Any:
    """Tuples as lists, so that what was renamed compares with what was not."""
    return Renaming({}).value(value)
