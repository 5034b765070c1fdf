"""Every promise held against every request that the templates allow.

All promises about one role are decided together: each action's requests are split into classes as
fine as the role's policies and all that is asked of it, and each class is decided once. Roles that
are equal but for their own ids (`shapes`) share one decision, on one of them.
"""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation import words
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.promises.places import OWNER, TEAM, Places
from infra.assurance.isolation.promises.promised import Promise, promises
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.deciding import (
    Actor,
    Allowed,
    Decided,
    covered_actions,
    decide_action,
    unknown_actions,
)
from infra.assurance.isolation.requests.questions import Question
from infra.assurance.isolation.shapes import shapes
from infra.assurance.isolation.words import Grant
from infra.assurance.isolation.world import Role, World
from infra.assurance.templates import Resource
from infra.cohort.images import ImageVersion
from infra.cohort.model import Cohort

#: Of the JSON document. A member is never removed or changed in meaning within a version.
SCHEMA_VERSION = 1

#: Told after each actor: how many are done, of how many, and who.
Progress = Callable[[int, int, str], None]


class UnknownPromise(ValueError):
    """A promise was asked for that there is none of; the message names those there are."""


@dataclass(frozen=True)
class Breach:
    """A request that is allowed and should not be, or what is made otherwise than promised.

    Attributes:
        who: whose request; None for what is no request.
        also: who else may do the same, with their own ids in place of `who`'s.
        through: the statements that allow it.
        more: how many further classes of requests for the same action break the promise too.
        source: the resource where to mend it.
    """

    words: str
    who: Actor | None = None
    also: tuple[str, ...] = ()
    request: iam.Request | None = None
    through: tuple[Grant, ...] = ()
    more: int = 0
    source: Resource | None = None


@dataclass(frozen=True)
class Finding:
    """One promise, and whether it holds.

    Attributes:
        about: how many roles and strangers it is about.
        shapes: how many of these had to be decided; the others are like one of them.
        examined: how many classes of requests were decided for it.
    """

    promise: Promise
    breaches: tuple[Breach, ...]
    about: int
    shapes: int
    examined: int

    @property
    def holds(self) -> bool:
        return not self.breaches

    def told(self, most: int) -> tuple[Breach, ...]:
        """As many of the breaches: of each who breaks it the first, before anybody's second."""
        of: Counter[Actor | None] = Counter()
        turns: list[tuple[int, Breach]] = []
        for breach in self.breaches:
            turns.append((of[breach.who], breach))
            of[breach.who] += 1
        turns.sort(key=lambda turn: turn[0])
        return tuple(breach for _, breach in turns[:most])


@dataclass(frozen=True)
class Proof:
    """The answer.

    Attributes:
        examined: how many classes of requests were decided in all; promises share them.
        actions: how many actions the catalogue has.
    """

    world: World
    findings: tuple[Finding, ...]
    examined: int
    seconds: float
    catalogue: str
    actions: int

    @property
    def holds(self) -> bool:
        return all(finding.holds for finding in self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.holds)


def prove(
    world: World,
    cohorts: Sequence[Cohort],
    catalogue: Catalogue,
    *,
    images: ImageVersion | None = None,
    only: Iterable[str] = (),
    progress: Progress = lambda _done, _of, _who: None,
) -> Proof:
    """Hold the promises of `cohorts`, which are all of `world`, against what its policies allow.

    Args:
        images: the version of the academy's images that they are on; None for AWS's own.
        only: ids of the promises to hold; none: all.

    Raises:
        UnmodelledPolicy, Unreadable, NoSuchKey: if something cannot be decided: it is named.
        UnknownPromise: if `only` names none.
    """
    started = time.perf_counter()
    places = [Places(cohort, world, images) for cohort in cohorts]
    chosen = choose(promises(places), only)
    held = [_Held(promise, frozenset(promise.about(world))) for promise in chosen]
    examined = _decide(world, held, catalogue, progress)
    findings = tuple(each.finding(world) for each in held)
    return Proof(
        world=world,
        findings=findings,
        examined=examined,
        seconds=time.perf_counter() - started,
        catalogue=catalogue.source,
        actions=len(catalogue),
    )


def choose(known: Sequence[Promise], ids: Iterable[str]) -> tuple[Promise, ...]:
    """The promises with these ids; without ids, all.

    Raises:
        UnknownPromise: for an id of none.
    """
    wanted = set(ids)
    unknown = wanted - {promise.id for promise in known}
    if unknown:
        there_are = ", ".join(dict.fromkeys(promise.id for promise in known))
        raise UnknownPromise(f"no promise is called {', '.join(sorted(unknown))}: {there_are}")
    return tuple(promise for promise in known if not wanted or promise.id in wanted)


def asks_of(promise: Promise, actor: Actor) -> tuple[Ask, ...]:
    """What `promise` asks about `actor`: owner and team in place of the marks for them."""
    listed = (*promise.never, *(promise.only or ()))
    owner, team = NOBODYS, NOBODYS
    if isinstance(actor, Role):
        # A service has the name of a service, a job's role that of a team: neither is a person,
        # and there may be a person of that name.
        owner = actor.owner if actor.kind in PEOPLE else NOBODYS
        team = actor.team or NOBODYS
    return tuple(_filled(ask, owner, team) for ask in listed)


#: Kinds of roles whose owner is a person.
PEOPLE = ("learner", "advisor")
#: In place of the owner or team of who has none. No id of ours may be that.
NOBODYS = "-nobody-"


def _filled(ask: Ask, owner: str, team: str) -> Ask:
    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(OWNER, owner).replace(TEAM, team)
        if isinstance(value, list | tuple):
            return [fill(each) for each in value]
        return {fill(key): fill(each) for key, each in value.items()}

    on = Region(tuple(fill(ask.on.any_of)), tuple(fill(ask.on.but_not)))
    return replace(ask, on=on, when=fill(ask.when))


# --- deciding -------------------------------------------------------------------------------------
@dataclass
class _Held:
    """A promise while it is held against what actors may do."""

    promise: Promise
    about: frozenset[Actor]
    deciders: set[Actor] = field(default_factory=set)
    breaches: list[Breach] = field(default_factory=list)
    examined: int = 0

    def finding(self, world: World) -> Finding:
        breaches = list(self.breaches)
        if self.promise.check is not None:
            breaches += [
                Breach(flaw.words, source=flaw.source) for flaw in self.promise.check(world)
            ]
        return Finding(
            promise=self.promise,
            breaches=tuple(breaches),
            about=len(self.about),
            shapes=len(self.deciders),
            examined=self.examined,
        )


def _decide(world: World, held: Sequence[_Held], catalogue: Catalogue, progress: Progress) -> int:
    """Decide each shape of actors once, for all promises about it. Returns how many classes."""
    alike = _alike(world, held, catalogue)
    examined = 0
    for done, (actor, members) in enumerate(alike.items(), start=1):
        about = [each for each in held if actor in each.about]
        also = sorted(words.who(each) for each in members if each != actor)
        examined += _decide_one(world, actor, also, about, catalogue)
        progress(done, len(alike), words.who(actor))
    return examined


def _alike(
    world: World, held: Sequence[_Held], catalogue: Catalogue
) -> dict[Actor, tuple[Actor, ...]]:
    """Each actor that is decided, with all whose decision it is."""
    of_actor: dict[Actor, list[_Held]] = {}
    for each in held:
        for actor in each.about:
            of_actor.setdefault(actor, []).append(each)

    def asks(role: Role) -> list[Ask]:
        return [ask for each in of_actor[role] for ask in asks_of(each.promise, role)]

    made = set(world.roles)
    found: dict[Actor, tuple[Actor, ...]] = {
        # Strangers and roles that are imagined.
        actor: (actor,)
        for actor in of_actor
        if actor not in made
    }
    wanted = [role for role in world.roles if role in of_actor]
    for shape in shapes(world, asks=asks, catalogue=catalogue, roles=wanted):
        found[shape.representative] = shape.roles
    return found


@dataclass(frozen=True)
class _Span:
    """What one promise asks of one actor, among all that is asked of it.

    Attributes:
        at: the indexes of its asks.
        actions: the catalogue's actions that it speaks about, lower-case; None: all.
    """

    held: _Held
    at: range
    asks: tuple[Ask, ...]
    actions: frozenset[str] | None

    @classmethod
    def of(cls, held: _Held, actor: Actor, start: int, catalogue: Catalogue) -> _Span:
        asks = asks_of(held.promise, actor)
        actions = None
        if held.promise.only is None:
            named = (_named(catalogue, ask.actions, ask.but_not) for ask in asks)
            actions = frozenset().union(*named)
        return cls(held, range(start, start + len(asks)), asks, actions)

    def speaks_about(self, decided: Decided) -> bool:
        if self.actions is None:
            return True
        if decided.known:
            return decided.action.lower() in self.actions
        return any(Question.of(ask).concerns_action(decided.action) for ask in self.asks)


def _decide_one(
    world: World,
    actor: Actor,
    also: Sequence[str],
    held: Sequence[_Held],
    catalogue: Catalogue,
) -> int:
    asks: list[Ask] = []
    spans: list[_Span] = []
    for each in held:
        span = _Span.of(each, actor, len(asks), catalogue)
        spans.append(span)
        asks += span.asks
        each.deciders.add(actor)
    counts: Counter[str] = Counter()
    for decided in _every(world, actor, spans, asks, catalogue):
        counts[decided.action.lower()] += decided.examined
        for span in spans:
            if span.speaks_about(decided):
                _hold(world, span, decided, tuple(also))
    for span in spans:
        actions = counts if span.actions is None else span.actions
        span.held.examined += sum(counts[action] for action in actions)
    return counts.total()


@functools.lru_cache(maxsize=1024)
def _named(
    catalogue: Catalogue, actions: tuple[str, ...], but_not: tuple[str, ...]
) -> frozenset[str]:
    """The catalogue's actions, lower-case, that patterns match; but for some."""
    found = set(catalogue.actions(*actions)) - set(catalogue.actions(*but_not))
    return frozenset(name.lower() for name in found)


def _every(
    world: World,
    actor: Actor,
    spans: Sequence[_Span],
    asks: Sequence[Ask],
    catalogue: Catalogue,
) -> Iterator[Decided]:
    """Every action that a promise speaks about, known or not, of which anything can be allowed."""
    covered = covered_actions(world, actor, catalogue)
    spoken_of = [span.actions for span in spans]
    if None not in spoken_of:
        covered &= frozenset().union(*(each or () for each in spoken_of))
    for action in sorted(covered):
        yield decide_action(world, actor, action, asks=asks, catalogue=catalogue)
    yield from unknown_actions(world, actor, asks=asks, catalogue=catalogue)


def _hold(world: World, span: _Span, decided: Decided, also: tuple[str, ...]) -> None:
    """Add to the promise what of a decision breaks it."""
    broken = [each for each in decided.allowed if _breaks(span.held.promise, each, span.at)]
    if not broken:
        return
    # The plainest of them: whose circumstances are soonest told.
    worst = min(broken, key=lambda each: (len(each.request.context), len(each.request.resource)))
    through = words.grants(world, decided.actor, worst.request)
    met = [span.asks[at - span.at.start] for at in worst.asks if at in span.at]
    about = [ask for ask in span.asks if Question.of(ask).concerns_action(decided.action)]
    span.held.breaches.append(
        Breach(
            words=words.sentence(decided.actor, worst.request, through, met or about),
            who=decided.actor,
            also=also,
            request=worst.request,
            through=through,
            more=len(broken) - 1,
            source=next((grant.source for grant in through if grant.source), None),
        )
    )


def _breaks(promise: Promise, allowed: Allowed, span: range) -> bool:
    asked = [at for at in allowed.asks if at in span]
    never = len(promise.never)
    if any(at - span.start < never for at in asked):
        return True
    return promise.only is not None and not any(at - span.start >= never for at in asked)


# --- as JSON --------------------------------------------------------------------------------------
def to_document(proof: Proof) -> dict[str, Any]:
    """The proof as a JSON document. Version 1 of it never loses a member."""
    return {
        "version": SCHEMA_VERSION,
        "holds": proof.holds,
        "account": proof.world.account,
        "region": proof.world.region,
        "cohorts": list(proof.world.cohorts),
        "catalogue": {"source": proof.catalogue, "actions": proof.actions},
        "requests_examined": proof.examined,
        "seconds": round(proof.seconds, 2),
        "promises": [_finding(finding) for finding in proof.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.promise.id,
        "cohort": finding.promise.cohort or None,
        "says": finding.promise.says,
        "holds": finding.holds,
        "about": finding.about,
        "decided": finding.shapes,
        "requests_examined": finding.examined,
        "breaches": [_breach(breach) for breach in finding.breaches],
    }


def _breach(breach: Breach) -> dict[str, Any]:
    request = breach.request
    return {
        "words": breach.words,
        "who": breach.who.arn if isinstance(breach.who, Role) else breach.who and str(breach.who),
        "also": list(breach.also),
        "request": request
        and {
            "action": request.action,
            "resource": request.resource,
            "context": json.loads(json.dumps(dict(sorted(request.context.items())))),
        },
        "through": [
            {
                "layer": grant.layer,
                "statement": grant.statement,
                "policy": grant.policy,
                **_at(grant.source),
            }
            for grant in breach.through
        ],
        "more": breach.more,
        **_at(breach.source),
    }


def _at(source: Resource | None) -> dict[str, str | None]:
    return {
        "stack": source.stack if source else None,
        "logical_id": source.logical_id if source else None,
    }
