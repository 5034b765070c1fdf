"""Who asks: a role of the world, or someone whom no template makes, as the evaluator sees them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from infra.assurance import iam
from infra.assurance.isolation.requests import context
from infra.assurance.isolation.requests.arns import ACCOUNTS
from infra.assurance.isolation.requests.patterns import Language, split
from infra.assurance.isolation.world import Guarded, Role, World

#: A service that no policy names.
ANOTHER_SERVICE = "another-service.amazonaws.com"


@dataclass(frozen=True)
class Stranger:
    """Someone whom no template makes: what do resource and trust policies grant them?

    Attributes:
        kind: `inside`: roles and users of the account, outside /academy/, without any policy of
            their own. `outside`: those of another account, to whom their account grants
            everything. `anonymous`: a request without credentials. `service`: an AWS service.
        name: of a service: `events.amazonaws.com`.
    """

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return self.name or f"{self.kind} stranger"


Actor = Role | Stranger


@dataclass(frozen=True, eq=False)
class Caller:
    """One principal that stands for its class, with the policies that are its own.

    Attributes:
        resource_decides: whether nothing is allowed that a resource's policy does not grant or
            hand on, whatever the resource.
        settled: the context keys that the principal settles; None: absent.
        fixed: a request that has them, for the policies' variables.
    """

    principal: iam.Principal
    identity: tuple[iam.Policy, ...] = ()
    boundary: iam.Policy | None = None
    resource_decides: bool = False
    settled: dict[str, iam.Value | None] = field(init=False)
    fixed: iam.Request = field(init=False)
    _languages: dict[int, tuple[iam.ArnPattern, Language | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settled = dict(context.settled(self.principal))
        there = {key: value for key, value in settled.items() if value is not None}
        object.__setattr__(self, "settled", settled)
        object.__setattr__(self, "fixed", iam.Request(self.principal, "none:None", "*", there))

    def languages(self, patterns: Iterable[iam.Pattern | iam.ArnPattern]) -> Iterator[Language]:
        """The strings that the ARN patterns among `patterns` match, with the caller's values for
        their variables. Remembered: every action asks again."""
        for pattern in patterns:
            if isinstance(pattern, iam.ArnPattern):
                known = self._languages.get(id(pattern))
                if known is None:
                    known = (pattern, Language.of(pattern, self.fixed))
                    self._languages[id(pattern)] = known
                if known[1] is not None:
                    yield known[1]


ALIASES = "kms:resourcealiases"


@dataclass(frozen=True, eq=False)
class Held:
    """A resource whose own policy, or whose facts, count; `only` for actions of one service.

    Attributes:
        aliases: of a key whose aliases are known: no other key of its account and region has them.
        siblings: those other keys.
    """

    arn: str
    covers: tuple[iam.ArnPattern, ...]
    policy: iam.Policy | None
    decides: bool
    facts: dict[str, iam.Value]
    only: str | None = None
    aliases: tuple[str, ...] = ()
    siblings: tuple[iam.ArnPattern, ...] = ()

    def __post_init__(self) -> None:
        known = self.facts.get(ALIASES)
        if known is not None:
            head = ":".join(self.arn.split(":", 5)[:5])
            aliases = (known,) if isinstance(known, str) else known
            siblings = (iam.ArnPattern.of(f"{head}:key/*", variables=False),)
            object.__setattr__(self, "aliases", aliases)
            object.__setattr__(self, "siblings", siblings)

    @property
    def service(self) -> str:
        return self.arn.split(":")[2]


#: The last worlds, by identity: one with another policy under the same names is another world.
_HELD: deque[tuple[World, tuple[Held, ...]]] = deque(maxlen=4)


def held(world: World) -> tuple[Held, ...]:
    """Resources with policies of their own; roles among them, whose trust policies guard what STS
    does with them."""
    for known, found in _HELD:
        if known is world:
            return found
    made = _held(world)
    _HELD.append((world, made))
    return made


def _held(world: World) -> tuple[Held, ...]:
    made = {each.arn: _guarded(each) for each in world.guarded}
    for role in world.roles:
        # `reading` lists a role among the resources, without its trust policy.
        if role.arn not in made or made[role.arn].policy is None:
            covers = (iam.ArnPattern.of(role.arn, variables=False),)
            made[role.arn] = Held(role.arn, covers, role.trust.policy, True, {}, "sts")
    return tuple(made.values())


def _guarded(each: Guarded) -> Held:
    policy = None if each.document is None else each.document.policy
    return Held(
        each.arn,
        tuple(iam.ArnPattern.of(cover, variables=False) for cover in each.covers),
        policy,
        each.decides,
        {key.lower(): value for key, value in each.facts.items()},
        _only(each, policy),
    )


def _only(each: Guarded, policy: iam.Policy | None) -> str | None:
    """The one service that asks this policy. KMS asks a key's policy, whoever uses the key through
    another service (KMS developer guide, "Key policies in AWS KMS")."""
    if policy is not None and policy.kind == "trust":
        return "sts"
    return "kms" if each.type == "AWS::KMS::Key" else None


def strangers(world: World) -> tuple[Stranger, ...]:
    """Inside, outside, anonymous, each AWS service that a policy of the world names, and one that
    none names."""
    services = {
        name
        for policy in _policies(world)
        for statement in policy.statements
        if statement.principals is not None
        for name in statement.principals.services
    }
    return (
        Stranger("inside"),
        Stranger("outside"),
        Stranger("anonymous"),
        *(Stranger("service", name) for name in sorted(services | {ANOTHER_SERVICE})),
    )


def callers(world: World, actor: Actor) -> tuple[Caller, ...]:
    """The principals of `actor`: one for each class that the world's policies tell apart."""
    if isinstance(actor, Role):
        return tuple(_role(world, actor))
    if actor.kind == "inside":
        return tuple(_inside(world))
    if actor.kind == "outside":
        return tuple(_outside(world))
    if actor.kind == "anonymous":
        return (Caller(context.ANONYMOUS),)
    if actor.kind == "service":
        return (Caller(iam.Principal.service(actor.name, account=world.account)),)
    raise ValueError(f"no stranger of kind {actor.kind!r}")


def _role(world: World, role: Role) -> Iterator[Caller]:
    """A session; and each session that a resource's policy names, for who assumes a role chooses
    its name."""
    identity = tuple(document.policy for document in role.identity)
    boundary = None if role.boundary is None else role.boundary.policy
    yield Caller(role.session, identity, boundary)
    for arn in sorted(_named(world)):
        if arn.startswith(f"arn:aws:sts::{role.account}:assumed-role/{role.name}/"):
            session = iam.Principal.session(arn, role_arn=role.arn)
            yield Caller(session, identity, boundary)


def _inside(world: World) -> Iterator[Caller]:
    ours = {role.name for role in world.roles}
    for principal in _strangers(world, world.account):
        if principal.kind != "session" or principal.arn.split("/")[1] not in ours:
            yield Caller(principal)


_EVERYTHING = iam.Policy.parse(
    json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
)


def _outside(world: World) -> Iterator[Caller]:
    """Across accounts, both must allow: the stranger's own account is taken to allow everything,
    so that the resource's policy decides."""
    accounts = {arn.split(":")[4] for arn in _named(world)} | {
        account
        for policy in _policies(world)
        for statement in policy.statements
        if statement.principals is not None
        for account in statement.principals.accounts
    }
    nobody = next(each for each in ACCOUNTS if each not in accounts and each != world.account)
    for account in sorted((accounts | {nobody}) - {world.account}):
        for principal in _strangers(world, account):
            yield Caller(principal, (_EVERYTHING,), resource_decides=True)


def _strangers(world: World, account: str) -> Iterator[iam.Principal]:
    """Roles and users of `account`, one for each class of ARNs that policies tell apart; without
    the academy's own. A role's name is the last part of its ARN."""
    languages = tuple(dict.fromkeys(_principal_patterns(world)))
    academy: tuple[Language, ...] = ()
    if account == world.account:
        academy = (Language.arn(f"arn:aws:iam::{account}:role/academy/*"),)
    roles = (Language.arn(f"arn:aws:iam::{account}:role/?*"),)
    for _, arn in split(languages, within=roles, but_not=academy):
        name = arn.rstrip("/").rsplit("/", 1)[-1]
        session = f"arn:aws:sts::{account}:assumed-role/{name}/session"
        yield iam.Principal.session(session, role_arn=arn)
    for _, arn in split(languages, within=(Language.arn(f"arn:aws:iam::{account}:user/?*"),)):
        yield iam.Principal.user(arn)
    for arn in sorted(_named(world)):
        if arn.startswith(f"arn:aws:sts::{account}:assumed-role/"):
            name = arn.split("/")[1]
            yield iam.Principal.session(arn, role_arn=f"arn:aws:iam::{account}:role/{name}")


def _principal_patterns(world: World) -> Iterator[Language]:
    for arn in sorted(_named(world)):
        yield Language(((arn,),))
    nobody = iam.Request(context.ANONYMOUS, "none:None", "*")
    for policy in _policies(world):
        for statement in policy.statements:
            for condition in statement.conditions:
                if condition.key == "aws:principalarn" and condition.operator.name != "Null":
                    for value in condition.values:
                        if value.variables:
                            raise iam.UnmodelledPolicy(
                                f"variable in {condition.written} of {statement.label}"
                            )
                        without_case = "IgnoreCase" in condition.operator.name
                        language = Language.of(value, nobody, ignoring_case=without_case)
                        if language is not None:
                            yield language


def _named(world: World) -> set[str]:
    """ARNs that a Principal element names."""
    return {
        arn
        for policy in _policies(world)
        for statement in policy.statements
        if statement.principals is not None
        for arn in statement.principals.arns
    }


def _policies(world: World) -> Iterable[iam.Policy]:
    return [each.policy for each in held(world) if each.policy is not None]
