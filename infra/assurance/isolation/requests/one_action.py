"""One caller and one action: resources and context keys in classes, and each combination decided.

`deciding` says why what is left out may be.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.assurance import iam
from infra.assurance.isolation.requests import arns, classes, context
from infra.assurance.isolation.requests.actors import ALIASES, Caller, Held
from infra.assurance.isolation.requests.catalogue import Action, Catalogue
from infra.assurance.isolation.requests.patterns import Language, split
from infra.assurance.isolation.requests.questions import Question

#: More combinations of one action on one resource are refused by name, not cut.
MOST_COMBINATIONS = 100_000


@dataclass(frozen=True)
class Allowed:
    """A class of requests that is allowed, by one request of it.

    Attributes:
        asks: indexes of the asks that the request meets, ascending.
    """

    request: iam.Request
    decision: iam.Decision
    asks: tuple[int, ...] = ()


Statements = tuple[iam.Statement, ...]


@dataclass(frozen=True, eq=False)
class Rules:
    """The statements that can concern a request: of the caller's own policies, and of resources'.

    `boundary` None: there is none. `by_resource` holds, beside those that name the caller, the
    resources that decide by themselves or whose facts are known.
    """

    identity: Statements
    boundary: Statements | None
    by_resource: tuple[tuple[Held, Statements], ...]

    @property
    def statements(self) -> Iterator[iam.Statement]:
        yield from self.identity
        yield from self.boundary or ()
        for _, listed in self.by_resource:
            yield from listed

    def granting(self, caller: Caller) -> list[iam.Statement]:
        """The Allows of which there must be one."""
        found = [each for _, listed in self.by_resource for each in listed]
        if not caller.resource_decides:
            found += self.identity
        return [each for each in found if each.allow]

    def granting_directly(self, principal: iam.Principal) -> list[iam.Statement]:
        """The Allows that no boundary limits."""
        return [
            each
            for _, listed in self.by_resource
            for each in listed
            if each.allow and each.names(principal) == "directly"
        ]

    def may_allow(self, caller: Caller) -> bool:
        """Whether some request could be allowed: `Target.may_be_allowed` says when none can."""
        if self.boundary is None or any(each.allow for each in self.boundary):
            return bool(self.granting(caller))
        return bool(self.granting_directly(caller.principal))


@dataclass(frozen=True, eq=False)
class Target:
    """One resource that stands for its class, and the statements that match it."""

    resource: str
    identity: Statements
    boundary: Statements | None
    on_it: Statements
    held: Held | None
    decides: bool
    questions: tuple[tuple[int, Question], ...]

    @functools.cached_property
    def statements(self) -> Statements:
        return (*self.identity, *(self.boundary or ()), *self.on_it)

    @functools.cached_property
    def variables(self) -> frozenset[str]:
        """The keys that the policy variables of statements and questions name."""
        asked = (question.meant for _, question in self.questions)
        return frozenset().union(*(_variables(each) for each in (*self.statements, *asked)))

    def mentioned(self) -> set[str]:
        """The context keys that a statement or a question asks for."""
        found = {c.key for statement in self.statements for c in statement.conditions}
        return found.union(c.key for _, q in self.questions for c in q.meant.conditions)

    def may_be_allowed(self, principal: iam.Principal) -> bool:
        """Whether some context could allow it. If not, `iam.decide` refuses whatever the context:
        by a Deny that has no condition, or for want of an Allow in a layer that needs one."""
        if any(not each.allow and not each.conditions for each in self.statements):
            return False
        named = {each.names(principal) for each in self.on_it if each.allow}
        if "directly" in named:
            return True
        if principal.kind == "service" or (self.decides and not named):
            return False
        if self.boundary is not None and not any(each.allow for each in self.boundary):
            return False
        return "as role" in named or any(each.allow for each in self.identity)


class Deciding:
    """One caller and one action, the rules that cover it, and the questions about it."""

    def __init__(
        self,
        caller: Caller,
        rules: Rules,
        action: str,
        *,
        questions: Sequence[tuple[int, Question]],
        catalogue: Catalogue,
        place: arns.Place,
    ) -> None:
        self.caller, self.rules, self.action, self.questions = caller, rules, action, questions
        self.catalogue, self.place = catalogue, place
        self.entry: Action | None = catalogue.action(action)
        self.allowed: list[Allowed] = []
        self.examined = 0

    def run(self) -> None:
        try:
            self._check_variables()
            targets = list(self._targets())
        except iam.UnmodelledPolicy as error:
            raise iam.UnmodelledPolicy(f"{self.action}: {error}") from error
        for target in targets:
            if not target.may_be_allowed(self.caller.principal):
                self.examined += 1
                continue
            try:
                self._decide(target)
            except iam.UnmodelledPolicy as error:
                on = "" if target.resource == "*" else f" on {target.resource}"
                raise iam.UnmodelledPolicy(f"{self.action}{on}: {error}") from error

    def _check_variables(self) -> None:
        asked = (question.meant for _, question in self.questions)
        for statement in (*self.rules.statements, *asked):
            for key, written in _variables(statement).items():
                if key not in self.caller.settled:
                    raise iam.UnmodelledPolicy(
                        f"policy variable {written} in {statement.label}: "
                        "the caller does not settle it"
                    )

    # --- resources --------------------------------------------------------------------------------
    def _targets(self) -> Iterator[Target]:
        seen = set()
        for resource in self._resources():
            target = self._target(resource)
            mentioned = target.mentioned()
            # What the evaluator or an ask could tell two resources apart by.
            kind = (
                tuple(map(id, target.statements)),
                target.held and target.held.arn,
                tuple(index for index, _ in target.questions),
                self._owners(target) if mentioned & _OWNER_KEYS else (),
                self._taken(target) if ALIASES in mentioned else (),
            )
            if kind not in seen:
                seen.add(kind)
                yield target

    def _resources(self) -> list[str]:
        patterns = tuple(dict.fromkeys(self._patterns()))
        if self.entry is None:
            found = [arn for _, arn in split(patterns, within=(arns.ANYTHING,))]
            return [*found, "*"]
        formats = self.entry.arns
        near = tuple(each for each in patterns if arns.about(formats, each))
        found = list(arns.resources(formats, near, self.place))
        if not near:
            # Nothing but whose they are tells them apart.
            found = list({arn.split(":", 5)[4]: arn for arn in reversed(found)}.values())
        for language in self._unlisted(found):
            found += [arn for _, arn in split(patterns, within=(language,))]
        if self.entry.without_resource:
            found.append("*")
        return list(dict.fromkeys(found))

    def _patterns(self) -> Iterator[Language]:
        of = self.caller.languages
        for statement in self.rules.statements:
            yield from of(statement.resources or ())
            yield from of(statement.not_resources or ())
        for _, question in self.questions:
            yield from of(question.any_of)
            yield from of(question.but_not)
        for each, _ in self.rules.by_resource:
            yield from of(each.covers)
            yield from of(each.siblings)

    def _unlisted(self, found: Sequence[str]) -> tuple[Language, ...]:
        """Patterns of an Allow that match none of the ARNs which the reference lists.

        Where the whole service has no such ARN, or where the statement names the very action and
        matches nothing else, the reference may lack it: such a pattern is examined as it stands.
        """
        patterns: list[Language] = []
        formats = self.entry.arns if self.entry is not None else ()
        for statement in self.rules.statements:
            if not statement.allow or statement.resources is None:
                continue
            missed = [
                pattern
                for pattern in statement.resources
                if isinstance(pattern, iam.ArnPattern)
                and not any(pattern.matches(arn, self.caller.fixed) for arn in found)
            ]
            if not missed:
                continue
            languages = list(self.caller.languages(missed))
            own = self.action.split(":", 1)[0].lower()
            named = any(glob.runs == (self.action.lower(),) for glob in statement.actions)
            if named and len(missed) == len(statement.resources):
                patterns += languages
            else:
                near = [each for each in languages if arns.about((*formats, f"::{own}"), each)]
                patterns += arns.unlisted(near, self.entry, self.catalogue, self.place)
        return tuple(dict.fromkeys(patterns))

    def _target(self, resource: str) -> Target:
        request = iam.Request(
            self.caller.principal, self.action, resource, self.caller.fixed.context
        )

        def those(listed: Statements) -> Statements:
            return tuple(each for each in listed if each.covers_resource(request))

        found = [
            (each, listed)
            for each, listed in self.rules.by_resource
            if any(cover.matches(resource, request) for cover in each.covers)
        ]
        if len(found) > 1:
            both = " and ".join(each.arn for each, _ in found)
            raise iam.UnmodelledPolicy(f"{resource} is guarded by the policies of {both}")
        one, on_it = found[0] if found else (None, ())
        return Target(
            resource,
            those(self.rules.identity),
            None if self.rules.boundary is None else those(self.rules.boundary),
            those(on_it),
            one,
            self.caller.resource_decides or (one is not None and one.decides),
            tuple(each for each in self.questions if each[1].concerns_resource(resource)),
        )

    # --- context keys -----------------------------------------------------------------------------
    def _owners(self, target: Target) -> tuple[str, ...]:
        """The accounts that the resource may belong to."""
        parts = target.resource.split(":", 5)
        own = self.place.account
        if len(parts) == 6 and re.fullmatch(r"\d{12}", parts[4]):
            return (parts[4],)
        if target.held is not None or len(parts) != 6:
            return (own,)
        return (own, next(each for each in arns.ACCOUNTS if each != own))

    def _taken(self, target: Target) -> frozenset[str]:
        """Aliases that the key cannot have: within an account and a region one alias is one key's
        (AWS KMS developer guide, "Aliases")."""
        if target.held is not None:
            return frozenset()
        return frozenset(
            alias
            for each, _ in self.rules.by_resource
            if any(p.matches(target.resource, self.caller.fixed) for p in each.siblings)
            for alias in each.aliases
        )

    def _values(
        self, name: str, target: Target, conditions: Sequence[iam.Condition]
    ) -> tuple[iam.Value | None, ...]:
        """One value for each class of the key that `conditions` tell apart; None: absent."""
        if name in self.caller.settled:
            return (self.caller.settled[name],)
        if target.held is not None and name in target.held.facts:
            return (target.held.facts[name],)
        if name in _OWNER_KEYS:
            return self._owners(target)
        key = self._key(name, conditions)
        if key is None:
            return (None,)
        never = self._taken(target) if name == ALIASES else frozenset()
        on_it = tuple(dict.fromkeys(each for each in conditions if each.key == name))
        return classes.values(key, on_it, self.caller.fixed, never=never)

    def _key(self, name: str, conditions: Sequence[iam.Condition]) -> context.Key | None:
        """How the key varies; None: no request for the action has it."""
        key = context.global_key(name)
        if key is not None:
            return key
        catalogue = self.catalogue
        listed = None if self.entry is None else self.entry.type_of(name)
        prefix, own = name.split(":", 1)[0], self.action.split(":", 1)[0].lower()
        service = catalogue.service(own)
        if listed is None and prefix == own and service is not None:
            listed = service.type_of(name)
        if listed is not None:
            return context.Key(name, listed)
        written = next((c.written for c in conditions if c.key == name), name)
        if prefix == own or not catalogue.knows(name):
            raise iam.UnmodelledPolicy(
                f"condition key {written}: {catalogue.source} does not list it "
                "(it is misspelt, or newer)"
            )
        return None

    # --- decisions --------------------------------------------------------------------------------
    def _decide(self, target: Target) -> None:
        conditions = [c for statement in target.statements for c in statement.conditions]
        asked = [c for _, question in target.questions for c in question.meant.conditions]
        names = dict.fromkeys(condition.key for condition in conditions)
        if set(names) | {c.key for c in asked} >= context.CLOCKS:
            raise iam.UnmodelledPolicy("conditions on aws:CurrentTime and on aws:EpochTime")
        choices = {name: self._values(name, target, [*conditions, *asked]) for name in names}
        self._within_limit(choices)
        policies, whole = self._policies(target), self._whole(target)
        for combination in itertools.product(*choices.values()):
            found = dict(zip(choices, combination, strict=True))
            request = self._request(target, found)
            self.examined += 1
            decision = iam.decide(request, policies)
            if decision.allowed:
                self._agree(request, decision, whole)
                self._add(target, found, decision)

    def _within_limit(self, choices: Mapping[str, Sequence[object]]) -> None:
        if math.prod(len(values) for values in choices.values()) > MOST_COMBINATIONS:
            sizes = ", ".join(f"{name} ({len(values)})" for name, values in choices.items())
            raise iam.UnmodelledPolicy(f"more than {MOST_COMBINATIONS} combinations of {sizes}")

    def _request(self, target: Target, found: Mapping[str, iam.Value | None]) -> iam.Request:
        there = {name: value for name, value in found.items() if value is not None}
        for name in target.variables:
            value = self.caller.settled[name]
            if value is not None:
                there[name] = value
        return iam.Request(self.caller.principal, self.action, target.resource, there)

    def _policies(self, target: Target) -> iam.Policies:
        """What is left of the policies: the statements that cover action and resource."""
        boundary, on_it = target.boundary, target.on_it
        return iam.Policies(
            (iam.Policy("identity", target.identity),),
            None if boundary is None else iam.Policy("identity", boundary),
            (),
            iam.Policy("resource", on_it) if on_it else None,
            target.decides,
            self._across(target),
        )

    def _whole(self, target: Target) -> iam.Policies:
        return iam.Policies(
            self.caller.identity,
            self.caller.boundary,
            (),
            None if target.held is None else target.held.policy,
            target.decides,
            self._across(target),
        )

    def _across(self, target: Target) -> bool:
        """Another account's resource: its own policy is not ours to read, so that what the
        caller's side allows counts as allowed."""
        return self._owners(target) != (self.caller.principal.account,)

    def _agree(self, request: iam.Request, decision: iam.Decision, whole: iam.Policies) -> None:
        again = iam.decide(request, whole)
        if again != decision:
            raise AssertionError(f"{request}: {decision} of what is left, {again} of all policies")

    def _add(
        self, target: Target, found: Mapping[str, iam.Value | None], decision: iam.Decision
    ) -> None:
        for extra, met in self._asked(target, found):
            request = self._request(target, {**found, **extra})
            self.allowed.append(Allowed(request, decision, met))

    # --- asks -------------------------------------------------------------------------------------
    def _asked(
        self, target: Target, found: Mapping[str, iam.Value | None]
    ) -> Iterator[tuple[dict[str, iam.Value | None], tuple[int, ...]]]:
        """Values for the keys that asks alone mention, with the asks that are then met.

        Asks are in one group if they share such a key, directly or through others. Groups do not
        touch each other's keys: which asks of a group can be met does not depend on the others. So
        each group is varied while the others meet as few as they can. An ask that can be met is
        met in one of the results, and if all can be missed at once, one of them misses all.
        """
        groups = [self._outcomes(target, found, group) for group in _groups(target, found)]
        fewest = [min(outcomes, key=len) for outcomes in groups]
        varied = [tuple(fewest)]
        for number, outcomes in enumerate(groups):
            for met in outcomes:
                if met != fewest[number]:
                    varied.append((*fewest[:number], met, *fewest[number + 1 :]))
        for choice in varied:
            extra: dict[str, iam.Value | None] = {}
            for outcomes, met in zip(groups, choice, strict=True):
                extra |= outcomes[met]
            yield extra, tuple(sorted(index for met in choice for index in met))

    def _outcomes(
        self,
        target: Target,
        found: Mapping[str, iam.Value | None],
        group: Sequence[tuple[int, Question]],
    ) -> dict[tuple[int, ...], dict[str, iam.Value | None]]:
        """Each set of the group's asks that a request can meet, with the values that meet it."""
        conditions = [c for _, question in group for c in question.meant.conditions]
        names = dict.fromkeys(c.key for c in conditions if c.key not in found)
        choices = {name: self._values(name, target, conditions) for name in names}
        self._within_limit(choices)
        made: dict[tuple[int, ...], dict[str, iam.Value | None]] = {}
        for combination in itertools.product(*choices.values()):
            extra = dict(zip(choices, combination, strict=True))
            request = self._request(target, {**found, **extra})
            met = tuple(i for i, question in group if question.meant.concerns(request))
            made.setdefault(met, extra)
        return made


def _groups(target: Target, found: Mapping[str, object]) -> list[list[tuple[int, Question]]]:
    groups: list[tuple[set[str], list[tuple[int, Question]]]] = []
    for each in target.questions:
        keys = {c.key for c in each[1].meant.conditions} - set(found)
        shared = [group for group in groups if group[0] & keys]
        groups = [group for group in groups if not group[0] & keys]
        members = [member for group in shared for member in group[1]]
        groups.append((keys.union(*(group[0] for group in shared)), [*members, each]))
    return [members for _, members in groups]


# --- parts ----------------------------------------------------------------------------------------
_OWNER_KEYS = frozenset({"aws:resourceaccount", "s3:resourceaccount"})


def _variables(statement: iam.Statement) -> dict[str, str]:
    patterns = [*(statement.resources or ()), *(statement.not_resources or ())]
    patterns += [v for c in statement.conditions for v in c.values if hasattr(v, "variables")]
    return {v.key: v.written for pattern in patterns for v in pattern.variables}
