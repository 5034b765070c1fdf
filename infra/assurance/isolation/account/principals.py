"""Users and roles of an account, with all policies that speak of them, as `world` has its roles.

Source: iam:GetAccountAuthorizationDetails, which gives users, groups, roles and every policy that
is attached, AWS's own included, each with its document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.world import Document, Role

#: The path of roles that only an AWS service may take and only AWS may change.
#: Source: "Service-linked roles" in the IAM user guide.
OF_AWS = "/aws-service-role/"

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@dataclass(frozen=True)
class User(Role):
    """A user of IAM: a role without a trust policy, who asks under their own ARN."""

    @property
    def session(self) -> iam.Principal:
        return iam.Principal.user(self.arn)

    def __str__(self) -> str:
        return f"user {self.name}"


@dataclass(frozen=True)
class Principal:
    """One user or role of the account.

    Attributes:
        role: its policies, as far as they could be read.
        path: of its ARN, with both slashes.
        attached: ARNs of the managed policies that it has, by a group too.
        unread: what could not be read of its policies: statements outside the model.
        unread_trust: the same of a role's trust policy.
        outside: who beyond the account may take it: other accounts, identity providers.
    """

    role: Role
    path: str
    attached: tuple[str, ...]
    unread: tuple[Unread, ...]
    unread_trust: tuple[Unread, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return self.role.arn

    @property
    def is_user(self) -> bool:
        return isinstance(self.role, User)

    @property
    def of_aws(self) -> bool:
        return self.path.startswith(OF_AWS)


@dataclass(frozen=True)
class Unread:
    """A statement that the model of IAM does not decide."""

    document: str
    why: str
    statement: Mapping[str, Any] = field(hash=False, compare=False)

    def may_concern(self, action: str) -> bool:
        """Whether the statement could speak of `action` (false only if that is certain)."""
        listed = self.statement.get("Action")
        texts = [listed] if isinstance(listed, str) else listed
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            return True
        globs = (
            iam.Glob.of(iam.tokens(each.lower(), wildcards=True, variables=False)) for each in texts
        )
        return any(glob.matches(action.lower()) for glob in globs)


def principals(client: Any) -> list[Principal]:
    """Every user and role of the account that the client's credentials belong to."""
    found: dict[str, list[dict[str, Any]]] = {
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": [],
        "Policies": [],
    }
    for page in client.get_paginator("get_account_authorization_details").paginate():
        for member, listed in found.items():
            listed.extend(page.get(member, ()))
    return _Reader(found).read()


class _Reader:
    def __init__(self, details: Mapping[str, list[dict[str, Any]]]) -> None:
        self.details = details
        self.managed = {
            each["Arn"]: next(
                version["Document"]
                for version in each["PolicyVersionList"]
                if version["IsDefaultVersion"]
            )
            for each in details["Policies"]
        }
        self.groups = {each["GroupName"]: each for each in details["GroupDetailList"]}

    def read(self) -> list[Principal]:
        users = [self._user(each) for each in self.details["UserDetailList"]]
        return [*users, *(self._role(each) for each in self.details["RoleDetailList"])]

    def _user(self, given: Mapping[str, Any]) -> Principal:
        documents = list(self._inline(given, "UserPolicyList", given["Arn"]))
        attached = [each["PolicyArn"] for each in given.get("AttachedManagedPolicies", ())]
        for name in given.get("GroupList", ()):
            group = self.groups[name]
            documents += self._inline(group, "GroupPolicyList", group["Arn"])
            attached += [each["PolicyArn"] for each in group.get("AttachedManagedPolicies", ())]
        return self._principal(User, given, given["UserName"], documents, attached, None)

    def _role(self, given: Mapping[str, Any]) -> Principal:
        documents = list(self._inline(given, "RolePolicyList", given["Arn"]))
        attached = [each["PolicyArn"] for each in given.get("AttachedManagedPolicies", ())]
        trust = given["AssumeRolePolicyDocument"]
        return self._principal(Role, given, given["RoleName"], documents, attached, trust)

    def _inline(
        self, given: Mapping[str, Any], member: str, arn: str
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for policy in given.get(member, ()):
            yield f"{_short(arn)}/{policy['PolicyName']}", policy["PolicyDocument"]

    def _principal(
        self,
        kind: type[Role],
        given: Mapping[str, Any],
        name: str,
        inline: Iterable[tuple[str, Mapping[str, Any]]],
        attached: Iterable[str],
        trust: Mapping[str, Any] | None,
    ) -> Principal:
        unread: list[Unread] = []
        attached = tuple(dict.fromkeys(attached))
        listed = [*inline, *((arn, self._managed(arn)) for arn in attached)]
        identity = tuple(
            made for id_, body in listed if (made := _document(id_, body, "identity", unread))
        )
        boundary = None
        limit = given.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        if limit is not None:
            # A boundary of which nothing can be read allows nothing.
            body = self._managed(limit)
            boundary = _document(limit, body, "identity", unread) or _nothing(limit)
        trusted = None
        unread_trust: list[Unread] = []
        outside: tuple[str, ...] = ()
        if trust is not None:
            outside = tuple(_outside(trust, given["Arn"].split(":")[4]))
            trusted = _document(f"{_short(given['Arn'])}/trust", trust, "trust", unread_trust)
        role = kind(
            arn=given["Arn"],
            name=name,
            cohort="",
            kind="",
            owner="",
            team=None,
            identity=identity,
            boundary=boundary,
            trust=trusted or _nothing(f"{_short(given['Arn'])}/trust", "trust"),
        )
        return Principal(role, given["Path"], attached, tuple(unread), tuple(unread_trust), outside)

    def _managed(self, arn: str) -> Mapping[str, Any]:
        """The policy's document; in place of one that is missing, a statement that nobody reads."""
        missing = {"Statement": [{"Missing": arn, "Action": "*"}]}
        body: Mapping[str, Any] = self.managed.get(arn, missing)
        return body


def _short(arn: str) -> str:
    return arn.split(":", 5)[5]


def _document(
    id_: str, body: Mapping[str, Any], kind: iam.PolicyKind, unread: list[Unread]
) -> Document | None:
    """The statements of `body` that the model decides; the others go to `unread`."""
    kept = []
    for statement in _statements(body):
        for part in _for_accounts(statement) if kind == "trust" else [statement]:
            try:
                iam.Policy.parse({**body, "Statement": [part]}, kind=kind)
            except iam.UnmodelledPolicy as error:
                unread.append(Unread(id_, str(error), statement))
            else:
                kept.append(part)
    if not kept:
        return None
    made = {**body, "Statement": kept}
    return Document(id_, made, iam.Policy.parse(made, kind=kind))


#: A principal who was deleted stands in a trust policy by an id of theirs, and matches nobody.
#: Source: "AWS JSON policy elements: Principal" (IAM user guide), IAM role and user principals.
_DELETED = re.compile(r"^A[A-Z0-9]{15,127}$")


def _for_accounts(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A trust policy's statement without identity providers, and without who was deleted: neither
    is a user or role of the account. Nothing is left of one that names nobody else."""
    named = statement.get("Principal")
    if not isinstance(named, Mapping):
        yield statement
        return
    left = {
        kind: [each for each in _listed(value) if not _DELETED.match(each)]
        for kind, value in named.items()
        if kind != "Federated"
    }
    left = {kind: value for kind, value in left.items() if value}
    if left:
        yield {**statement, "Principal": left}


def _outside(trust: Mapping[str, Any], account: str) -> Iterator[str]:
    """Who beyond the account a trust policy names: accounts and their people, providers, all."""
    for statement in _statements(trust):
        if statement.get("Effect") != "Allow":
            continue
        named = statement.get("Principal", {})
        named = {"AWS": named} if isinstance(named, str) else named
        yield from _listed(named.get("Federated", ()))
        for each in _listed(named.get("AWS", ())):
            if each == "*":
                yield "everybody"
            elif account not in (each, *each.split(":")) and not _DELETED.match(each):
                yield each


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _statements(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = body.get("Statement", [])
    return [listed] if isinstance(listed, Mapping) else listed


def _nothing(id_: str, kind: iam.PolicyKind = "identity") -> Document:
    """A policy that allows nothing."""
    statement: dict[str, Any] = {"Effect": "Deny"}
    if kind == "trust":
        statement |= {"Principal": {"AWS": "*"}, "Action": "sts:*"}
    else:
        statement |= {"Action": "*", "Resource": "*"}
    body = {"Version": "2012-10-17", "Statement": [statement]}
    return Document(id_, body, iam.Policy.parse(body, kind=kind))
