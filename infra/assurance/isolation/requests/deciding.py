"""One actor, one action: every class of requests, decided by `iam.decide`.

A request is a principal, an action, a resource and context keys. For an actor and an action:

1. Only statements that cover the action can concern a request for it, and of a resource's policy
   only those that name the caller; the others are left out. If no Allow is left, nothing is
   allowed, whatever the rest: that is one class.
2. Resources fall into classes by what those statements, the asks and the resources' own policies
   match (`arns`). Of each class one resource is looked at; the statements that do not match it are
   left out again. If a Deny without conditions is left, or no Allow on which all layers agree,
   nothing is allowed: one class.
3. Only keys that a statement which is left, or an ask, mentions can change anything. Each falls
   into classes (`classes`), and every combination of them is put to `iam.decide`.
4. A key that asks alone mentions cannot change the decision; so it is varied only for requests
   that are allowed, and asks that share no such key are varied apart (`_asked`).

What is left out is thus left out because the evaluator would not read it. To make sure, each
allowed request is decided again under the whole policies.

What the catalogue says of condition keys is used so: a key that it lists for the action varies; one
that it lists for another service only is absent; one that it lists for the service but not for the
action varies all the same, and may be absent, since a reference may lack an entry and examining a
request too many is safe; one that it lists nowhere is an error that names it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask
from infra.assurance.isolation.requests import action_names, arns
from infra.assurance.isolation.requests.actors import (
    Actor,
    Caller,
    Stranger,
    callers,
    held,
    strangers,
)
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.one_action import Allowed, Deciding, Rules, Statements
from infra.assurance.isolation.requests.questions import Question, meets, within
from infra.assurance.isolation.world import World

__all__ = [
    "Actor",
    "Allowed",
    "Decided",
    "Stranger",
    "covered_actions",
    "decide_action",
    "decide_every",
    "meets",
    "strangers",
    "unknown_actions",
    "within",
]


@dataclass(frozen=True)
class Decided:
    """What one actor may do with one action.

    Attributes:
        action: as the catalogue spells it; of an unknown action, one that stands for its class.
        allowed: one request for each class that is allowed; empty: nothing is.
        examined: how many classes of requests were decided.
        known: whether the catalogue has the action.
    """

    actor: Actor = field(repr=False)
    action: str
    allowed: tuple[Allowed, ...]
    examined: int
    known: bool = True

    def meeting(self, index: int) -> tuple[Allowed, ...]:
        """The allowed classes that meet the ask with this index."""
        return tuple(each for each in self.allowed if index in each.asks)

    @property
    def unasked(self) -> tuple[Allowed, ...]:
        """The allowed classes that meet no ask."""
        return tuple(each for each in self.allowed if not each.asks)


def decide_action(
    world: World, actor: Actor, action: str, *, asks: Sequence[Ask] = (), catalogue: Catalogue
) -> Decided:
    """Every class of requests for `action` that the policies or `asks` can tell apart, decided.

    An ask is met by some request in `allowed` exactly if it is met by some request that is allowed;
    and some request in `allowed` meets none exactly if some allowed request does. Asks that are not
    about the action are never met; give all at once rather than one by one.

    Raises:
        UnmodelledPolicy: if a class cannot be decided; it names actor, action and resource.
    """
    return _case(world, actor, catalogue).decide(action, asks)


def decide_every(
    world: World, actor: Actor, *, asks: Sequence[Ask] = (), catalogue: Catalogue
) -> Iterator[Decided]:
    """`decide_action` over every action of the catalogue, in order; of most, nothing is allowed."""
    case = _case(world, actor, catalogue)
    covered = case.covered()
    for name, action in catalogue.entries.items():
        if name in covered:
            yield case.decide(action.name, asks)
        else:
            yield Decided(actor, action.name, (), len(case.callers))


def covered_actions(world: World, actor: Actor, catalogue: Catalogue) -> frozenset[str]:
    """The catalogue's actions, lower-case, that some Allow names: nothing else can be allowed."""
    return _case(world, actor, catalogue).covered()


def unknown_actions(
    world: World, actor: Actor, *, asks: Sequence[Ask] = (), catalogue: Catalogue
) -> tuple[Decided, ...]:
    """The same for actions that the catalogue does not have: one for each class of their names.

    A wildcard in an Allow grants what AWS will name tomorrow; here it shows.
    """
    case = _case(world, actor, catalogue)
    return tuple(case.decide(name, asks) for name in case.unknown(asks))


# --- one actor ------------------------------------------------------------------------------------
#: By identity: a world with another policy under the same names is another world.
_CASES: OrderedDict[tuple[int, object, int], _Case] = OrderedDict()
_MOST_CASES = 8


def _case(world: World, actor: Actor, catalogue: Catalogue) -> _Case:
    who = actor if isinstance(actor, Stranger) else id(actor)
    key = (id(world), who, id(catalogue))
    case = _CASES.pop(key, None) or _Case(world, actor, catalogue)
    _CASES[key] = case
    if len(_CASES) > _MOST_CASES:
        _CASES.popitem(last=False)
    return case


class _Case:
    """An actor in a world, by a catalogue."""

    def __init__(self, world: World, actor: Actor, catalogue: Catalogue) -> None:
        self.world, self.actor, self.catalogue = world, actor, catalogue
        self.place = arns.Place(world.region, world.account)
        self.held = held(world)
        self.callers = callers(world, actor)
        self._all = {id(caller): self._rules(caller) for caller in self.callers}
        self._covered: dict[int, frozenset[str]] = {}
        self._asked: list[tuple[Ask, Question]] = []

    def _rules(self, caller: Caller) -> Rules:
        """All statements of the caller's policies, and those of resources' that name the caller."""
        by_resource = []
        for each in self.held:
            listed = each.policy.statements if each.policy else ()
            named = tuple(s for s in listed if s.names(caller.principal) is not None)
            if named or each.decides or each.facts:
                by_resource.append((each, named))
        return Rules(
            tuple(s for policy in caller.identity for s in policy.statements),
            None if caller.boundary is None else caller.boundary.statements,
            tuple(by_resource),
        )

    # --- which actions ----------------------------------------------------------------------------
    def decide(self, name: str, asks: Sequence[Ask]) -> Decided:
        entry = self.catalogue.action(name)
        spelt = name if entry is None else entry.name
        allowed: list[Allowed] = []
        examined = 0
        for caller in self.callers:
            rules = self._concerning(caller, spelt)
            if rules is None:
                examined += 1
                continue
            deciding = Deciding(
                caller,
                rules,
                spelt,
                questions=self._questions(asks, spelt),
                catalogue=self.catalogue,
                place=self.place,
            )
            try:
                deciding.run()
            except iam.UnmodelledPolicy as error:
                raise iam.UnmodelledPolicy(f"{self.actor}: {error}") from error
            allowed += deciding.allowed
            examined += deciding.examined
        return Decided(self.actor, spelt, tuple(allowed), examined, entry is not None)

    def _questions(self, asks: Sequence[Ask], action: str) -> list[tuple[int, Question]]:
        """Those that are about the action. The last asks are remembered: of each action anew the
        same are asked."""
        if len(asks) != len(self._asked) or any(
            ask is not known for ask, (known, _) in zip(asks, self._asked, strict=True)
        ):
            self._asked = [(ask, Question.of(ask)) for ask in asks]
        return [
            (index, question)
            for index, question in enumerate(question for _, question in self._asked)
            if self._names(question.meant, action)
            and not (question.not_meant and self._names(question.not_meant, action))
        ]

    def _names(self, statement: iam.Statement, action: str) -> bool:
        """Whether the statement covers the action. Looked up, for there are many actions."""
        lowered = action.lower()
        if lowered not in self.catalogue.entries:
            return statement.covers_action(action)
        return lowered in self.catalogue.covered(statement)

    def _concerning(self, caller: Caller, action: str) -> Rules | None:
        """The rules that cover the action; None if none of them can allow it."""
        rules = self._all[id(caller)]
        if not self._is_covered(caller, action):
            return None
        entry = self.catalogue.action(action)
        services = None if entry is None else arns.services(entry.arns)
        service = action.split(":", 1)[0].lower()

        def those(listed: Statements) -> Statements:
            return tuple(each for each in listed if self._names(each, action))

        by_resource = []
        for each, listed in rules.by_resource:
            if each.only in (None, service):
                covering = those(listed)
                # Of another service's resource, no request for the action can be about it.
                near = services is None or each.service in services
                if covering or (near and (each.decides or each.facts)):
                    by_resource.append((each, covering))
        boundary = None if rules.boundary is None else those(rules.boundary)
        made = Rules(those(rules.identity), boundary, tuple(by_resource))
        return made if made.may_allow(caller) else None

    def _is_covered(self, caller: Caller, action: str) -> bool:
        """Whether the Allows that are needed name the action. Of all actions at once: `Rules.
        may_allow` on sets of names, since there are many."""
        return action not in self.catalogue or action.lower() in self._covers(caller)

    def _covers(self, caller: Caller) -> frozenset[str]:
        found = self._covered.get(id(caller))
        if found is None:
            rules, principal = self._all[id(caller)], caller.principal
            found = self._named_by(rules.granting(caller))
            if rules.boundary is not None:
                found &= self._named_by(each for each in rules.boundary if each.allow)
                found |= self._named_by(rules.granting_directly(principal))
            self._covered[id(caller)] = found
        return found

    def _named_by(self, statements: Iterable[iam.Statement]) -> frozenset[str]:
        return frozenset().union(*(self.catalogue.covered(each) for each in statements))

    def covered(self) -> frozenset[str]:
        """The actions, lower-case, that could be allowed to any of the callers."""
        return frozenset().union(*(self._covers(caller) for caller in self.callers))

    def unknown(self, asks: Sequence[Ask]) -> tuple[str, ...]:
        """One name, lower-case, for each class of names that some Allow covers and the catalogue
        does not have."""
        statements = [s for rules in self._all.values() for s in rules.statements]
        for ask in asks:
            question = Question.of(ask)
            statements += [question.meant, *(q for q in (question.not_meant,) if q is not None)]
        granting = [s for each in self.callers for s in self._all[id(each)].granting(each)]
        return tuple(action_names.unknown(statements, granting, self.catalogue))
