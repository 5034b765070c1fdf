"""Who in an account, outside the templates, can cross a cohort's fence: `cohort prove --account`.

The proof speaks of what the templates make. An account has more: users, roles of other projects,
what somebody clicked. Each is decided by the same evaluator, on the same classes of requests, under
the policies that the account says it has; what it may do by a role that it can take counts as its
own. What cannot be decided is said to be undecided, never to be in order.

Outside the model, and only ever narrower: service control policies, and policies of a session.
Resource policies are those of the templates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.account.fences import Fence, fences
from infra.assurance.isolation.account.principals import ADMINISTRATOR, Principal, principals
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.deciding import decide_action
from infra.assurance.isolation.world import Document, Guarded, World

#: Roles that `cdk bootstrap` makes, by the parts of their names: they deploy, so they can do what a
#: deploy can. Source: "Customize the AWS CDK bootstrap template" in the CDK developer guide.
_BOOTSTRAP = ("deploy-role", "cfn-exec-role", "file-publishing-role", "image-publishing-role")


@dataclass(frozen=True)
class Crossing:
    """Attributes:
    by: the way of roles that are taken first; empty: by its own rights.
    """

    who: str
    fence: Fence
    request: iam.Request
    reason: str
    by: tuple[str, ...] = ()

    def __str__(self) -> str:
        taken = f", as {' and then '.join(self.by)}" if self.by else ""
        return (
            f"{self.who} {self.fence.says}: {self.request.action} on {self.request.resource} is "
            f"{self.reason}{taken}"
        )


@dataclass(frozen=True)
class Undecided:
    who: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"not decided: whether {self.who} {self.what}: {self.why}"


@dataclass(frozen=True)
class Changed:
    """A role of the templates that is not as they say."""

    role: str
    what: str

    def __str__(self) -> str:
        return f"{self.role}: {self.what} in the account, other than in the templates"


@dataclass(frozen=True)
class Found:
    """What there is outside the templates.

    Attributes:
        examined: how many users and roles there are that no template makes.
        administrators: those who may do everything, by design.
        bootstrap: the roles of `cdk bootstrap`, which deploy.
        of_aws: roles that only an AWS service may take.
        outside: crossing role -> who beyond the account may take it.
    """

    account: str
    examined: int
    administrators: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    of_aws: tuple[str, ...] = ()
    crossing: tuple[Crossing, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    changed: tuple[Changed, ...] = ()
    missing: tuple[str, ...] = ()
    outside: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def in_order(self) -> bool:
        """Whether nobody but administrators can cross, and all of it is decided."""
        return not (self.crossing or self.undecided or self.changed)


def examine(client: Callable[[str], Any], world: World, catalogue: Catalogue) -> Found:
    """Hold every user and role of the account against the fence of the world's cohorts.

    Args:
        client: gives the client of a service, by name: of `iam`, for
            iam:GetAccountAuthorizationDetails, and of `kms`, for kms:ListAliases.

    Raises:
        ValueError: if the account is another than the world's.
    """
    everybody = principals(client("iam"))
    accounts = {each.role.account for each in everybody} - {world.account}
    if accounts:
        raise ValueError(f"the credentials are of account {accounts.pop()}, not {world.account}")
    return _Examination(with_real_keys(world, client("kms")), catalogue, everybody).found()


def with_real_keys(world: World, kms: Any) -> World:
    """`world` with the ids of its KMS keys as they are in the account, where they are there: a
    policy of the account may name one."""
    real = {
        alias["AliasName"]: f"{alias['AliasArn'].rpartition(':')[0]}:key/{alias['TargetKeyId']}"
        for page in kms.get_paginator("list_aliases").paginate()
        for alias in page["Aliases"]
        if "TargetKeyId" in alias
    }

    def renamed(guarded: Guarded) -> Guarded:
        aliases = guarded.facts.get("kms:ResourceAliases", ())
        found = [real[each] for each in aliases if each in real]
        if not found:
            return guarded
        covers = tuple(found[0] if each == guarded.arn else each for each in guarded.covers)
        return replace(guarded, arn=found[0], covers=covers)

    return replace(world, guarded=tuple(renamed(each) for each in world.guarded))


def words(found: Found) -> list[str]:
    """What was found, a sentence a line: what is not in order first."""
    told = [str(each) for each in (*found.changed, *found.crossing, *found.undecided)]
    told += [
        f"{arn} can be taken from outside the account, by {', '.join(whom)}"
        for arn, whom in found.outside.items()
    ]
    told += [f"not deployed: {arn}" for arn in found.missing]
    for what, listed in (
        ("administrators by design", found.administrators),
        ("roles of cdk bootstrap, which deploy", found.bootstrap),
        ("roles that only an AWS service may take", found.of_aws),
    ):
        if listed:
            told.append(f"{what}: {', '.join(listed)}")
    others = len(found.administrators) + len(found.bootstrap) + len(found.of_aws)
    told.append(
        f"{found.examined} users and roles of account {found.account} outside the templates; "
        f"{others} of them by design, and the account's root user besides"
    )
    return told


def to_document(found: Found) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "account": found.account,
        "in_order": found.in_order,
        "examined": found.examined,
        "crossing": [
            {
                "who": each.who,
                "fence": each.fence.id,
                "says": each.fence.says,
                "action": each.request.action,
                "resource": each.request.resource,
                "context": {key: each.request.context[key] for key in sorted(each.request.context)},
                "reason": each.reason,
                "by": list(each.by),
            }
            for each in found.crossing
        ],
        "undecided": [vars(each) for each in found.undecided],
        "changed": [vars(each) for each in found.changed],
        "outside": {arn: list(whom) for arn, whom in found.outside.items()},
        "missing": list(found.missing),
        "administrators": list(found.administrators),
        "bootstrap": list(found.bootstrap),
        "of_aws": list(found.of_aws),
    }


class _Examination:
    def __init__(self, world: World, catalogue: Catalogue, everybody: Sequence[Principal]) -> None:
        made = {role.arn for role in world.roles}
        self.catalogue = catalogue
        self.templates = world
        self.in_account = {each.arn: each for each in everybody}
        self.others = [each for each in everybody if each.arn not in made]
        # Roles that may be taken are decided by their trust policies, so they are of the world.
        roles = [each.role for each in self.others if not each.is_user]
        self.world = replace(world, roles=(*world.roles, *roles))
        self.fences = fences(world)
        self.crossing: dict[str, list[Crossing]] = {}
        self.undecided: list[Undecided] = []
        self._taken: dict[str, list[tuple[str, iam.Request, str]]] = {}

    def found(self) -> Found:
        groups = {each.arn: _group(each) for each in self.others}
        by_design = [arn for arn, group in groups.items() if group]
        ordinary = [each for each in self.others if not groups[each.arn]]
        for each in ordinary:
            self.crossing[each.arn] = list(self._own(each))
        for each in ordinary:
            self.crossing[each.arn] += self._by_taking(each, by_design)
        crossing = [each for listed in self.crossing.values() for each in _first(listed)]
        return Found(
            account=self.world.account,
            examined=len(self.others),
            administrators=_of(groups, "administrator"),
            bootstrap=_of(groups, "bootstrap"),
            of_aws=_of(groups, "aws"),
            crossing=tuple(crossing),
            undecided=tuple(dict.fromkeys(self.undecided)),
            changed=tuple(self._changed()),
            missing=tuple(
                role.arn for role in self.templates.roles if role.arn not in self.in_account
            ),
            outside={
                each.arn: each.outside
                for each in self.others
                if each.outside and (self.crossing.get(each.arn) or groups[each.arn])
            },
        )

    # --- what one may by one's own rights ---------------------------------------------------------
    def _own(self, principal: Principal) -> Iterator[Crossing]:
        for fence in self.fences:
            for action in fence.actions:
                yield from self._across(principal, fence, action)

    def _across(self, principal: Principal, fence: Fence, action: str) -> Iterator[Crossing]:
        for unread in principal.unread:
            if unread.may_concern(action):
                self._open(principal, fence.says, f"{unread.document}: {unread.why}")
        try:
            decided = decide_action(
                self.world,
                principal.role,
                action,
                asks=(Ask((action,), fence.on),),
                catalogue=self.catalogue,
            )
        except iam.UnmodelledPolicy as error:
            self._open(principal, fence.says, str(error))
            return
        for each in decided.meeting(0):
            yield Crossing(principal.arn, fence, each.request, each.decision.reason)
            return

    def _open(self, principal: Principal, what: str, why: str) -> None:
        self.undecided.append(Undecided(principal.arn, what, why))

    # --- what one may by a role that one can take -------------------------------------------------
    def _by_taking(self, principal: Principal, by_design: Iterable[str]) -> Iterator[Crossing]:
        """What the roles may that `principal` can take, and those that these can, and so on."""
        design = set(by_design)
        ways: dict[str, tuple[str, ...]] = {principal.arn: ()}
        waiting = [principal]
        while waiting:
            taker = waiting.pop(0)
            for role, request, reason in self._takes(taker):
                if role in ways:
                    continue
                ways[role] = (*ways[taker.arn], role)
                if role in design:
                    yield Crossing(principal.arn, ADMINISTERS, request, reason, ways[role][:-1])
                    continue
                yield from (
                    replace(each, who=principal.arn, by=(*ways[role], *each.by))
                    for each in self.crossing.get(role, ())
                    if not each.by
                )
                waiting.append(self.in_account[role])

    def _takes(self, taker: Principal) -> list[tuple[str, iam.Request, str]]:
        """The roles of the account, outside the templates, that `taker` can take."""
        if taker.arn not in self._taken:
            self._taken[taker.arn] = list(self._taken_by(taker))
        return self._taken[taker.arn]

    def _taken_by(self, taker: Principal) -> Iterator[tuple[str, iam.Request, str]]:
        action = "sts:AssumeRole"
        roles = [each for each in self.others if not each.is_user and each.arn != taker.arn]
        for role in roles:
            for unread in role.unread_trust:
                self._open(taker, f"can take {role.arn}", f"{unread.document}: {unread.why}")
        try:
            if not decide_action(self.world, taker.role, action, catalogue=self.catalogue).allowed:
                return
            asks = [Ask((action,), Region((role.arn,))) for role in roles]
            decided = decide_action(
                self.world, taker.role, action, asks=asks, catalogue=self.catalogue
            )
        except iam.UnmodelledPolicy as error:
            self._open(taker, "can take a role of the account", str(error))
            return
        for index, role in enumerate(roles):
            for each in decided.meeting(index)[:1]:
                yield role.arn, each.request, each.decision.reason

    # --- what the templates say, and the account does not -----------------------------------------
    def _changed(self) -> Iterator[Changed]:
        """Roles of the templates that somebody has changed by hand: then the proof is of others."""
        for role in self.templates.roles:
            there = self.in_account.get(role.arn)
            if there is None:
                continue
            for attached in there.attached:
                if attached not in {document.id for document in role.identity}:
                    yield Changed(role.arn, f"the policy {attached} is attached")
            for what, made, found in (
                ("its policies are", role.identity, there.role.identity),
                ("its boundary is", _some(role.boundary), _some(there.role.boundary)),
                ("who may take it is", (role.trust,), (there.role.trust,)),
            ):
                if there.unread or there.unread_trust or _said(made) != _said(found):
                    yield Changed(role.arn, what)


def _some(document: Document | None) -> tuple[Document, ...]:
    return () if document is None else (document,)


def _said(documents: Iterable[Document]) -> list[str]:
    """What policies say, however they write it: lists of one, the order of keys, of statements."""
    return sorted(
        json.dumps(_plain(statement), sort_keys=True)
        for document in documents
        for statement in _listed(document.body["Statement"])
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    texts = [json.dumps(each, sort_keys=True) for each in map(_plain_one, _listed(value))]
    return texts[0] if len(texts) == 1 else sorted(texts)


def _plain_one(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _plain(value) if isinstance(value, Mapping) else str(value)


def _group(principal: Principal) -> str:
    """Why somebody is over the fence by design, or ""."""
    if principal.of_aws:
        return "aws"
    if principal.role.boundary is not None:
        return ""
    everything = any(
        _everything(each) for d in principal.role.identity for each in d.policy.statements
    )
    denied = any(not each.allow for d in principal.role.identity for each in d.policy.statements)
    if ADMINISTRATOR in principal.attached or (everything and not denied):
        # The role that CloudFormation deploys under is an administrator too; say what it is.
        return "bootstrap" if _of_bootstrap(principal) else "administrator"
    return "bootstrap" if _of_bootstrap(principal) else ""


def _everything(statement: iam.Statement) -> bool:
    """Whether a statement allows every action on everything, without a condition."""
    return (
        statement.allow
        and not statement.conditions
        and any(glob.runs == ("", "") for glob in statement.actions)
        and any(pattern.text == "*" for pattern in statement.resources or ())
    )


def _of_bootstrap(principal: Principal) -> bool:
    name = principal.role.name
    return name.startswith("cdk-") and any(f"-{part}-" in name for part in _BOOTSTRAP)


def _of(groups: Mapping[str, str], group: str) -> tuple[str, ...]:
    return tuple(arn for arn, found in groups.items() if found == group)


def _first(listed: Iterable[Crossing]) -> Iterator[Crossing]:
    """One for each fence: the shortest way over it."""
    shortest: dict[str, Crossing] = {}
    for each in listed:
        known = shortest.get(each.fence.id)
        if known is None or len(each.by) < len(known.by):
            shortest[each.fence.id] = each
    yield from shortest.values()


#: The fence of those who can take a role that may do everything.
ADMINISTERS = Fence(
    "administers", "can take a role that administers the account", (), Region(("*",))
)
