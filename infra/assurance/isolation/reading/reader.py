"""From synthesized templates to a `World`: every role, resource, policy and call, resolved.

    resource_types  how AWS names what the templates make
    resolving       references, functions and parameters, across stacks
    attaching       where policies stand, and what looks like one and is not read
    calling         what calls what

What is not understood raises `Unreadable` and names stack, resource and member: an answer about a
world that was half read would be worth nothing.

Left out, because it can only take away from what is read: public access blocks of buckets, and the
policies of VPC endpoints, which say what may pass through a network and grant nothing (they must be
of a kind that we can read; their text is in `Guarded.source`). Tags are left out, too: a policy
that asks for one meets every value that it could have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.reading.attaching import Attached, check_members
from infra.assurance.isolation.reading.calling import calls_of
from infra.assurance.isolation.reading.resolving import (
    Opaque,
    Resolver,
    Unreadable,
    qualified,
    reading,
)
from infra.assurance.isolation.reading.resource_types import TYPES
from infra.assurance.isolation.world import Call, Document, Function, Guarded, Role, World
from infra.assurance.templates import Resource, Templates
from infra.cohort import images
from infra.cohort.naming import SEPARATOR, Names

__all__ = ["Opaque", "Unreadable", "read"]

#: Of the path /academy/COHORT/KIND/ of a cohort's roles.
_ROOT = "academy"


def read(templates: Templates, *, account: str, region: str) -> World:
    """What `templates`, deployed to `account` and `region`, would make.

    Raises:
        Unreadable: if they hold what the proof does not understand.
    """
    return _Reader(Resolver(templates, account=account, region=region)).world()


class _Reader:
    """Reads one world."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.attached = Attached(resolver)
        #: Policies by their text: the same one is parsed once.
        self._parsed: dict[tuple[str, iam.PolicyKind], iam.Policy] = {}

    def world(self) -> World:
        for resource in self.resolver.resources():
            check_members(resource)
        roles = tuple(self.roles())
        guarded = tuple(self.guarded())
        self.attached.check_all_taken()
        made = World(
            account=self.resolver.account,
            region=self.resolver.region,
            cohorts=tuple(sorted({role.cohort for role in roles if role.cohort})),
            roles=roles,
            guarded=guarded,
            functions=tuple(self.functions()),
            calls=tuple(self.calls()),
        )
        _check_distinct("ARN", ((each.arn, each.source) for each in guarded))
        _check_distinct("policy", _documents(made))
        return made

    # --- roles ------------------------------------------------------------------------------------
    def roles(self) -> Iterator[Role]:
        managed = {
            self.arn(each): self.document(
                str(each.properties["ManagedPolicyName"]), "identity", each, "PolicyDocument"
            )
            for each in self.resolver.resources("AWS::IAM::ManagedPolicy")
        }
        beside = self.beside_roles(managed)
        for resource in self.resolver.resources("AWS::IAM::Role"):
            with reading(resource):
                yield self.role(resource, managed, beside.pop(self.name(resource), []))
        for name, listed in beside.items():
            raise Unreadable(f"{listed[0].source} adds to the role {name}, which no template makes")

    def beside_roles(self, managed: Mapping[str, Document]) -> dict[str, list[Document]]:
        """By role name: policies that other resources attach to it."""
        found: dict[str, list[Document]] = {}
        for resource in self.resolver.resources("AWS::IAM::Policy", "AWS::IAM::RolePolicy"):
            given = resource.properties
            with reading(resource):
                for name in [given["RoleName"]] if "RoleName" in given else given["Roles"]:
                    id_ = f"{name}/{given['PolicyName']}"
                    document = self.document(id_, "identity", resource, "PolicyDocument")
                    found.setdefault(name, []).append(document)
        for resource in self.resolver.resources("AWS::IAM::ManagedPolicy"):
            for name in resource.properties.get("Roles", ()):
                found.setdefault(name, []).append(managed[self.arn(resource)])
        return found

    def role(
        self, resource: Resource, managed: Mapping[str, Document], beside: Iterable[Document]
    ) -> Role:
        given, name, arn = resource.properties, self.name(resource), self.arn(resource)
        identity = [
            self.document(f"{name}/{policy['PolicyName']}", "identity", resource, policy)
            for policy in given.get("Policies", ())
        ]
        identity += beside
        identity += [
            self.managed(resource, written, managed)
            for written in given.get("ManagedPolicyArns", ())
        ]
        boundary = given.get("PermissionsBoundary")
        cohort, kind, owner = _whose(resource, str(given.get("Path", "/")), name)
        return Role(
            arn=arn,
            name=name,
            cohort=cohort,
            kind=kind,
            owner=owner,
            team=_team(resource, cohort, kind, owner),
            identity=tuple(identity),
            boundary=None if boundary is None else self.managed(resource, boundary, managed),
            trust=self.document(f"{name}: trust", "trust", resource, "AssumeRolePolicyDocument"),
            source=resource,
        )

    def managed(self, resource: Resource, arn: str, managed: Mapping[str, Document]) -> Document:
        """A managed policy: one of the templates' own. AWS's change without us."""
        if arn not in managed:
            raise Unreadable(f"{resource} has the policy {arn}, which no template makes")
        return managed[arn]

    # --- resources --------------------------------------------------------------------------------
    def guarded(self) -> Iterator[Guarded]:
        aliases = self.key_aliases()
        for resource in self.resolver.resources():
            type_ = TYPES.get(resource.type)
            # A function's aliases and versions belong to it, and its policy speaks about them.
            if type_ is None or resource.type in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
                continue
            made = self.resolver.physical(resource.stack, resource.logical_id)
            is_key = resource.type == "AWS::KMS::Key"
            facts = {"kms:ResourceAliases": tuple(aliases.pop(made.arn, ()))} if is_key else {}
            yield Guarded(
                arn=made.arn,
                type=resource.type,
                covers=made.covers,
                document=self.resource_policy(resource, made.arn),
                decides=is_key,
                facts=facts,
                source=resource,
            )
        for arn, names in aliases.items():
            raise Unreadable(f"{names[0]} is an alias of the key {arn}, which no template makes")

    def resource_policy(self, resource: Resource, arn: str) -> Document | None:
        if resource.type == "AWS::EC2::VPCEndpoint":
            self.check_endpoint(resource)
            return None
        found = self.attached.of(resource, arn)
        if found is None:
            return None
        source, body = found
        return self.document(f"policy of {arn}", "resource", source, body)

    def check_endpoint(self, resource: Resource) -> None:
        """An endpoint's policy can only take away ("Control access to VPC endpoints using endpoint
        policies" in the AWS PrivateLink guide), so nothing promised may lean on it: it is read, and
        not evaluated."""
        if "PolicyDocument" in resource.properties:
            self.document(f"{resource.logical_id}", "resource", resource, "PolicyDocument")

    def key_aliases(self) -> dict[str, list[str]]:
        """By key ARN: its aliases."""
        found: dict[str, list[str]] = {}
        for resource in self.resolver.resources("AWS::KMS::Alias"):
            with reading(resource):
                key = resource.properties["TargetKeyId"]
            region, account = self.resolver.region, self.resolver.account
            arn = key if key.startswith("arn:") else f"arn:aws:kms:{region}:{account}:key/{key}"
            found.setdefault(arn, []).append(self.name(resource))
        return found

    # --- functions and calls ----------------------------------------------------------------------
    def functions(self) -> Iterator[Function]:
        aliases: dict[str, list[str]] = {}
        for resource in self.resolver.resources("AWS::Lambda::Alias"):
            with reading(resource):
                name, _ = qualified(resource.properties["FunctionName"])
                aliases.setdefault(name, []).append(resource.properties["Name"])
        for resource in self.resolver.resources("AWS::Lambda::Function"):
            own = tuple(aliases.pop(self.name(resource), ()))
            with reading(resource):
                role = resource.properties["Role"]
            yield Function(self.arn(resource), role, own, resource)
        for name in aliases:
            raise Unreadable(f"{name} has an alias, and no template makes the function")

    def calls(self) -> Iterator[Call]:
        for resource in self.resolver.resources():
            yield from calls_of(resource, self.resolver)

    # --- parts ------------------------------------------------------------------------------------
    def arn(self, resource: Resource) -> str:
        return self.resolver.physical(resource.stack, resource.logical_id).arn

    def name(self, resource: Resource) -> str:
        return self.resolver.physical(resource.stack, resource.logical_id).facts["name"]

    def document(
        self,
        id_: str,
        kind: iam.PolicyKind,
        source: Resource,
        held: str | Mapping[str, Any],
    ) -> Document:
        """A policy: the body itself, the member of `source` that holds it, or an inline policy."""
        with reading(source):
            body = source.properties[held] if isinstance(held, str) else held
            body = body.get("PolicyDocument", body)
        text = json.dumps(body, sort_keys=True)
        if (text, kind) not in self._parsed:
            try:
                self._parsed[text, kind] = iam.Policy.parse(body, kind=kind)
            except iam.UnmodelledPolicy as error:
                raise Unreadable(f"{source}: {id_}: {error}") from error
        return Document(id_, body, self._parsed[text, kind], source)


def _whose(resource: Resource, path: str, name: str) -> tuple[str, str, str]:
    """Cohort, kind and owner of a role, by its path and name."""
    parts = path.strip("/").split("/")
    if path == images.ROLE_PATH:
        return "", parts[2], name.rpartition(SEPARATOR)[2]
    if parts[0] != _ROOT:
        return "", "", name
    if len(parts) != 3:
        raise Unreadable(f"{resource} has the path {path}, which is not /academy/COHORT/KIND/")
    _, cohort, kind = parts
    prefix = Names(cohort).role(kind, "")
    if not name.startswith(prefix) or path != Names(cohort).role_path(kind):
        raise Unreadable(f"{resource} is called {name}: under {path} it must be {prefix}OWNER")
    return cohort, kind, name.removeprefix(prefix)


def _team(resource: Resource, cohort: str, kind: str, owner: str) -> str | None:
    """A learner's team is the one whose stack they stand in."""
    if kind == "training":
        return owner
    if kind != "learner":
        return None
    prefix = Names(cohort).team_stack("")
    if not resource.stack.startswith(prefix):
        raise Unreadable(f"{resource} is a learner's role, outside the stacks {prefix}TEAM")
    return resource.stack.removeprefix(prefix)


def _documents(world: World) -> Iterator[tuple[str, Resource | None]]:
    """Each policy's id with its resource; a managed policy that several hold, once."""
    seen: set[int] = set()
    for role in world.roles:
        shared = () if role.boundary is None else (role.boundary,)
        for document in (*role.identity, *shared, role.trust):
            if id(document) not in seen:
                seen.add(id(document))
                yield document.id, document.source
    for each in world.guarded:
        if each.document is not None:
            yield each.document.id, each.document.source


def _check_distinct(what: str, named: Iterable[tuple[str, Resource | None]]) -> None:
    seen: dict[str, Resource | None] = {}
    for name, source in named:
        if name in seen:
            raise Unreadable(f"{seen[name]} and {source} have the same {what}: {name}")
        seen[name] = source
