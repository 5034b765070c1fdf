"""Whether the proof sees a mistake: what it says of a mutant, and whether that changes anything.

    python -m tests.assurance.isolation.mutants [--each N] [--shard I/N] [--only WORDS]

judges every mutant (or N of each operator) and prints those that the proof does not see. A mutant
is `caught` if a promise is broken or the templates are refused by name. If neither, `gained` looks
for a request that it allows and our templates do not: by the same classes, without any promise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from infra.assurance import iam
from infra.assurance.isolation import proof as proof_module
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.proof import prove
from infra.assurance.isolation.reading.reader import Unreadable, read
from infra.assurance.isolation.requests.actors import Actor, callers, held, strangers
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.deciding import (
    covered_actions,
    decide_action,
    unknown_actions,
)
from infra.assurance.isolation.world import Document, Role, World
from infra.assurance.templates import Templates
from infra.cli.plan import synthesized
from infra.cohort.loading import load
from infra.cohort.model import Cohort
from tests.assurance.isolation.operators import Mutant, mutants

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        broken: the promises that it breaks; "refused" where the templates cannot be read.
        gained: a request that it allows and ours does not, where no promise is broken.
    """

    mutant: Mutant
    broken: tuple[str, ...]
    words: str
    gained: str | None = None
    request: iam.Request | None = None
    who: Actor | None = None

    @property
    def caught(self) -> bool:
        return bool(self.broken)


class Bench:
    """The templates of one cohort, to make mistakes in."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.templates = synthesized(cohort, account=ACCOUNT)
        self.world = self.read(self.templates)

    @classmethod
    def of_the_example(cls) -> Bench:
        return cls(load(ROOT / "cohorts" / "example.yaml"))

    def read(self, templates: Templates) -> World:
        return read(templates, account=ACCOUNT, region=self.cohort.region)

    def mutants(self) -> Iterator[Mutant]:
        """Every mutant, but of roles and aliases that are like the first learner's or team's."""
        first = self.cohort.teams[0]
        others = [each.id for each in first.learners[1:]]
        stacks = {self.cohort.names.team_stack(team.id) for team in self.cohort.teams[1:]}

        def concerns(stack: str, logical_id: str) -> bool:
            return stack not in stacks and not any(
                logical_id.startswith(f"Learner{other}") for other in others
            )

        return mutants(self.templates, concerns)

    def judge(self, mutant: Mutant) -> Verdict:
        try:
            world = self.read(mutant.applied(self.templates))
            with _of_others_it_is_known(self.world, world):
                proof = prove(world, [self.cohort], catalogue())
        except (Unreadable, iam.UnmodelledPolicy) as error:
            return Verdict(mutant, ("refused",), str(error))
        if not proof.holds:
            broken = tuple(finding.promise.id for finding in proof.broken)
            breach = proof.broken[0].breaches[0]
            return Verdict(mutant, broken, breach.words, request=breach.request, who=breach.who)
        more = gained(self.world, world)
        return Verdict(mutant, (), "", None if more is None else f"{more.principal}: {more}")


@contextlib.contextmanager
def _of_others_it_is_known(before: World, after: World) -> Iterator[None]:
    """Decide nobody again whose policies are what they were: of them the promises hold.

    Where a resource's policy, what it settles, or who may take a role has changed, everybody is
    decided.
    """
    everybody = _statements(_of_resources(before)) != _statements(_of_resources(after)) or [
        (each.arn, each.facts) for each in before.guarded
    ] != [(each.arn, each.facts) for each in after.guarded]
    known = {role.arn: _own(role) for role in before.roles}
    boundaries = {_text(role.boundary) for role in before.roles}
    alike = proof_module._alike

    def changed(actor: Actor) -> bool:
        if everybody:
            return True
        if not isinstance(actor, Role):
            return False
        if actor in after.roles:
            return known.get(actor.arn) != _own(actor)
        return _text(actor.boundary) not in boundaries  # one that is imagined

    def those(*given: Any) -> Any:
        return {actor: members for actor, members in alike(*given).items() if changed(actor)}

    with mock.patch.object(proof_module, "_alike", those):
        yield


def _own(role: Role) -> tuple[str, ...]:
    return (*(_text(each) for each in role.identity), _text(role.boundary))


def _text(document: Document | None) -> str:
    return "" if document is None else json.dumps(document.body, sort_keys=True)


@functools.cache
def catalogue() -> Catalogue:
    return Catalogue.published()


# --- what a mutant changes ------------------------------------------------------------------------
def gained(before: World, after: World) -> iam.Request | None:
    """A request that `after` allows and `before` does not.

    It must be one that a statement of `after` alone allows, or one that a statement of `before`
    alone denied. So the actions of these statements are decided, in classes that are also as fine
    as the statements of `before` alone are; one request of each class is asked of `before`.
    """
    for actor, ours, theirs in _changed(before, after):
        asks = [_ask(statement) for statement in ours]
        patterns = [
            pattern
            for statement in (*(s for s in theirs if s["Effect"] == "Allow"), *ours)
            for pattern in _listed(statement["Action"])
        ]
        # Of the others, no Allow names any: they are many where a pattern is a star.
        covered = covered_actions(after, actor, catalogue())
        found = [
            decide_action(after, actor, action, asks=asks, catalogue=catalogue())
            for action in catalogue().actions(*patterns)
            if action.lower() in covered
        ]
        found += unknown_actions(after, actor, asks=asks, catalogue=catalogue())
        for decided in found:
            for each in decided.allowed:
                if not allows(before, actor, each.request):
                    return each.request
    return None


def allows(world: World, actor: Actor, request: iam.Request) -> bool:
    """Whether `world` allows `actor` this one request."""
    same = [c for c in callers(world, actor) if c.principal == request.principal]
    caller = (same or list(callers(world, actor)))[0]
    service = request.action.split(":")[0].lower()
    on = [
        each
        for each in held(world)
        if each.only in (None, service)
        and any(cover.matches(request.resource, request) for cover in each.covers)
    ]
    one = on[0] if on else None
    policies = iam.Policies(
        caller.identity,
        caller.boundary,
        (),
        None if one is None else one.policy,
        caller.resource_decides or (one is not None and one.decides),
    )
    return iam.decide(request, policies).allowed


Json = dict[str, Any]


def _changed(before: World, after: World) -> Iterator[tuple[Actor, list[Json], list[Json]]]:
    """Each actor that a changed document is about, with the statements that only one has."""
    for role in after.roles:
        old = {r.name: r for r in before.roles}.get(role.name)
        ours = _statements(old.identity if old else ())
        theirs = _statements(role.identity)
        if _differ(old, role):
            ours += _statements((old.boundary,) if old and old.boundary else ())
            theirs += _statements((role.boundary,) if role.boundary else ())
        only_ours = [each for each in ours if each not in theirs]
        only_theirs = [each for each in theirs if each not in ours]
        if only_ours or only_theirs:
            yield role, only_ours, only_theirs
    ours, theirs = _statements(_of_resources(before)), _statements(_of_resources(after))
    only_ours = [each for each in ours if each not in theirs]
    only_theirs = [each for each in theirs if each not in ours]
    if only_ours or only_theirs:
        for actor in (*after.roles, *strangers(after)):
            yield actor, only_ours, only_theirs


def _differ(old: Role | None, new: Role) -> bool:
    """Whether the boundaries differ, or there is none."""
    if old is None or old.boundary is None or new.boundary is None:
        return True
    return dict(old.boundary.body) != dict(new.boundary.body)


def _of_resources(world: World) -> list[Document]:
    """The policies of resources, and of trust."""
    found = [each.document for each in world.guarded if each.document is not None]
    return [*found, *(role.trust for role in world.roles)]


def _statements(documents: Sequence[Document]) -> list[Json]:
    """Each statement with the id of its document, so that the same one elsewhere is another."""
    return [
        {**statement, "Resource": statement.get("Resource", "*"), "_of": document.id}
        for document in documents
        for statement in _listed(document.body["Statement"])
    ]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _ask(statement: Json) -> Ask:
    return Ask(
        tuple(_listed(statement["Action"])),
        Region(tuple(_listed(statement["Resource"]))),
        when=statement.get("Condition", {}),
    )


def sample(every: Sequence[Mutant], each: int) -> list[Mutant]:
    """At most `each` of every operator, spread evenly over the templates."""
    by_operator: dict[str, list[Mutant]] = {}
    for mutant in every:
        by_operator.setdefault(mutant.operator, []).append(mutant)
    chosen = []
    for listed in by_operator.values():
        count = min(each, len(listed))
        chosen += [listed[number * len(listed) // count] for number in range(count)]
    return chosen


# --- all of them ----------------------------------------------------------------------------------
def main(arguments: Sequence[str]) -> int:
    """Judge all mutants; 1 if one that gains something is not seen."""
    shard, shards = 0, 1
    only = ""
    if "--shard" in arguments:
        shard, shards = map(int, arguments[arguments.index("--shard") + 1].split("/"))
    if "--only" in arguments:
        only = arguments[arguments.index("--only") + 1]
    bench = Bench.of_the_example()
    chosen = [each for each in bench.mutants() if only in each.id]
    if "--each" in arguments:
        chosen = sample(chosen, int(arguments[arguments.index("--each") + 1]))
    chosen = chosen[shard::shards]
    caught = unseen = 0
    started = time.monotonic()
    for mutant in chosen:
        begun = time.monotonic()
        verdict = bench.judge(mutant)
        print(f"{time.monotonic() - begun:.1f} {mutant.id[:120]} {verdict.broken}", file=sys.stderr)
        caught += verdict.caught
        if not verdict.caught:
            unseen += verdict.gained is not None
            kind = "UNSEEN" if verdict.gained else "nothing new"
            print(json.dumps([kind, mutant.id, verdict.gained]), flush=True)
    seconds = time.monotonic() - started
    print(f"{len(chosen)} mutants, {caught} caught, {unseen} unseen, {seconds:.0f} s", flush=True)
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
