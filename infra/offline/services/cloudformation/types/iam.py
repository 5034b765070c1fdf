"""Roles and policies: what the authorization later reads to decide."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from typing import Any, ClassVar

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy

from infra.offline import patching
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    Refused,
    ResourceType,
    Scope,
    tag_changes,
)

_GONE = "NoSuchEntity"
#: AWS keeps at most so many versions of a managed policy.
_VERSIONS_MAX = 5


@patching.replaces(
    "moto.iam.models:IAMBackend._init_aws_policies",
    because="`cdk bootstrap` attaches AWS managed policies; moto leaves them out, or loads them "
    "for each of six partitions",
)
def _managed_policies(_original: Any, backend: Any) -> list[Any]:
    if backend.partition != "aws":
        return []
    return [
        AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, policy)
        for name, policy in json.loads(aws_managed_policies_data).items()
    ]


def _document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _ignoring_gone(scope: Scope, operation: str, **parameters: Any) -> None:
    scope.attempt("iam", operation, unless=(_GONE,), **parameters)


class Role(ResourceType):
    """A role with its inline and attached policies."""

    type: ClassVar[str] = "AWS::IAM::Role"
    properties: ClassVar[tuple[str, ...]] = (
        "AssumeRolePolicyDocument",
        "Description",
        "ManagedPolicyArns",
        "MaxSessionDuration",
        "Path",
        "PermissionsBoundary",
        "Policies",
        "RoleName",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("AssumeRolePolicyDocument",)
    replaced_by: ClassVar[tuple[str, ...]] = ("Path", "RoleName")
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "RoleId")
    named_by: ClassVar[str | None] = "RoleName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        try:
            role = scope.call("iam", "GetRole", RoleName=wanted["RoleName"])["Role"]
        except Refused as error:
            if error.code == _GONE:
                return None
            raise
        return Made(role["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("RoleName") or scope.generated_name(64)
        role = scope.call(
            "iam",
            "CreateRole",
            RoleName=name,
            Path=wanted.get("Path"),
            AssumeRolePolicyDocument=_document(wanted["AssumeRolePolicyDocument"]),
            Description=wanted.get("Description"),
            MaxSessionDuration=wanted.get("MaxSessionDuration"),
            PermissionsBoundary=wanted.get("PermissionsBoundary"),
            Tags=list(wanted.get("Tags", ())) or None,
        )["Role"]
        scope.exists(name)
        self._set_policies(name, {}, wanted, scope)
        return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        if before["AssumeRolePolicyDocument"] != wanted["AssumeRolePolicyDocument"]:
            scope.call(
                "iam",
                "UpdateAssumeRolePolicy",
                RoleName=made,
                PolicyDocument=_document(wanted["AssumeRolePolicyDocument"]),
            )
        described = ("Description", "MaxSessionDuration")
        if any(before.get(name) != wanted.get(name) for name in described):
            scope.call(
                "iam",
                "UpdateRole",
                RoleName=made,
                Description=wanted.get("Description", ""),
                MaxSessionDuration=wanted.get("MaxSessionDuration", 3600),
            )
        boundary = wanted.get("PermissionsBoundary")
        if boundary != before.get("PermissionsBoundary"):
            if boundary is None:
                scope.call("iam", "DeleteRolePermissionsBoundary", RoleName=made)
            else:
                scope.call(
                    "iam",
                    "PutRolePermissionsBoundary",
                    RoleName=made,
                    PermissionsBoundary=boundary,
                )
        self._set_policies(made, before, wanted, scope)
        set_tags, removed = tag_changes(before, wanted)
        if removed:
            scope.call("iam", "UntagRole", RoleName=made, TagKeys=removed)
        if set_tags:
            scope.call("iam", "TagRole", RoleName=made, Tags=set_tags)
        role = scope.call("iam", "GetRole", RoleName=made)["Role"]
        return Made(made, {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        # Its own inline and attached policies go with it; those of other resources are in the way,
        # as on AWS.
        for policy in properties.get("Policies", ()):
            _ignoring_gone(
                scope, "DeleteRolePolicy", RoleName=made, PolicyName=policy["PolicyName"]
            )
        for arn in properties.get("ManagedPolicyArns", ()):
            _ignoring_gone(scope, "DetachRolePolicy", RoleName=made, PolicyArn=arn)
        _ignoring_gone(scope, "DeleteRole", RoleName=made)

    @staticmethod
    def _set_policies(name: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        old, new = (
            {each["PolicyName"]: each["PolicyDocument"] for each in properties.get("Policies", ())}
            for properties in (before, wanted)
        )
        for policy_name in old:
            if policy_name not in new:
                _ignoring_gone(scope, "DeleteRolePolicy", RoleName=name, PolicyName=policy_name)
        for policy_name, document in new.items():
            if old.get(policy_name) != document:
                scope.call(
                    "iam",
                    "PutRolePolicy",
                    RoleName=name,
                    PolicyName=policy_name,
                    PolicyDocument=_document(document),
                )
        attached, attach = (
            list(properties.get("ManagedPolicyArns", ())) for properties in (before, wanted)
        )
        for arn in attached:
            if arn not in attach:
                _ignoring_gone(scope, "DetachRolePolicy", RoleName=name, PolicyArn=arn)
        for arn in attach:
            if arn not in attached:
                scope.call("iam", "AttachRolePolicy", RoleName=name, PolicyArn=arn)


class Policy(ResourceType):
    """An inline policy, put into each of its roles."""

    type: ClassVar[str] = "AWS::IAM::Policy"
    properties: ClassVar[tuple[str, ...]] = ("PolicyDocument", "PolicyName", "Roles")
    required: ClassVar[tuple[str, ...]] = ("PolicyDocument", "PolicyName", "Roles")
    attributes: ClassVar[tuple[str, ...]] = ("Id",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.exists(scope.generated_name(64))
        self._put(wanted, scope)
        return Made(made, {"Id": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        renamed = before["PolicyName"] != wanted["PolicyName"]
        for role in before["Roles"]:
            if renamed or role not in wanted["Roles"]:
                _ignoring_gone(
                    scope, "DeleteRolePolicy", RoleName=role, PolicyName=before["PolicyName"]
                )
        self._put(wanted, scope)
        return Made(made, {"Id": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        for role in properties["Roles"]:
            _ignoring_gone(
                scope, "DeleteRolePolicy", RoleName=role, PolicyName=properties["PolicyName"]
            )

    @staticmethod
    def _put(wanted: Properties, scope: Scope) -> None:
        for role in wanted["Roles"]:
            scope.call(
                "iam",
                "PutRolePolicy",
                RoleName=role,
                PolicyName=wanted["PolicyName"],
                PolicyDocument=_document(wanted["PolicyDocument"]),
            )


class ManagedPolicy(ResourceType):
    """A customer-managed policy: a permissions boundary, or one attached to its roles."""

    type: ClassVar[str] = "AWS::IAM::ManagedPolicy"
    properties: ClassVar[tuple[str, ...]] = (
        "Description",
        "ManagedPolicyName",
        "Path",
        "PolicyDocument",
        "Roles",
    )
    required: ClassVar[tuple[str, ...]] = ("PolicyDocument",)
    replaced_by: ClassVar[tuple[str, ...]] = ("Description", "ManagedPolicyName", "Path")
    attributes: ClassVar[tuple[str, ...]] = (
        "AttachmentCount",
        "CreateDate",
        "DefaultVersionId",
        "IsAttachable",
        "PermissionsBoundaryUsageCount",
        "PolicyArn",
        "PolicyId",
        "UpdateDate",
    )
    named_by: ClassVar[str | None] = "ManagedPolicyName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        policy = scope.call(
            "iam",
            "CreatePolicy",
            PolicyName=wanted.get("ManagedPolicyName") or scope.generated_name(128),
            Path=wanted.get("Path"),
            Description=wanted.get("Description"),
            PolicyDocument=_document(wanted["PolicyDocument"]),
        )["Policy"]
        made = scope.exists(policy["Arn"])
        for role in wanted.get("Roles", ()):
            scope.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=made)
        return self._made(made, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        if before["PolicyDocument"] != wanted["PolicyDocument"]:
            self._make_room(made, scope)
            scope.call(
                "iam",
                "CreatePolicyVersion",
                PolicyArn=made,
                PolicyDocument=_document(wanted["PolicyDocument"]),
                SetAsDefault=True,
            )
        for role in before.get("Roles", ()):
            if role not in wanted.get("Roles", ()):
                _ignoring_gone(scope, "DetachRolePolicy", RoleName=role, PolicyArn=made)
        for role in wanted.get("Roles", ()):
            if role not in before.get("Roles", ()):
                scope.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=made)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        for role in properties.get("Roles", ()):
            _ignoring_gone(scope, "DetachRolePolicy", RoleName=role, PolicyArn=made)
        try:
            bound = scope.call(
                "iam",
                "ListEntitiesForPolicy",
                PolicyArn=made,
                PolicyUsageFilter="PermissionsBoundary",
            )
            if users := [role["RoleName"] for role in bound.get("PolicyRoles", ())]:
                raise ResourceError(
                    f"Cannot delete a policy attached to entities: it is the permissions boundary "
                    f"of {', '.join(users)}."
                )
            for version in scope.call("iam", "ListPolicyVersions", PolicyArn=made)["Versions"]:
                if not version["IsDefaultVersion"]:
                    self._delete_version(made, version["VersionId"], scope)
        except Refused as error:
            if error.code == _GONE:
                return
            raise
        _ignoring_gone(scope, "DeletePolicy", PolicyArn=made)

    @classmethod
    def _make_room(cls, made: str, scope: Scope) -> None:
        versions = scope.call("iam", "ListPolicyVersions", PolicyArn=made)["Versions"]
        spare = [version for version in versions if not version["IsDefaultVersion"]]
        if len(versions) >= _VERSIONS_MAX:
            oldest = min(spare, key=lambda version: int(version["VersionId"].lstrip("v")))
            cls._delete_version(made, oldest["VersionId"], scope)

    @staticmethod
    def _delete_version(made: str, version: str, scope: Scope) -> None:
        scope.call("iam", "DeletePolicyVersion", PolicyArn=made, VersionId=version)

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        policy = scope.call("iam", "GetPolicy", PolicyArn=made)["Policy"]
        return Made(
            made,
            {
                "AttachmentCount": policy["AttachmentCount"],
                "CreateDate": policy["CreateDate"].isoformat(),
                "DefaultVersionId": policy["DefaultVersionId"],
                "IsAttachable": policy["IsAttachable"],
                "PermissionsBoundaryUsageCount": policy.get("PermissionsBoundaryUsageCount", 0),
                "PolicyArn": made,
                "PolicyId": policy["PolicyId"],
                "UpdateDate": policy["UpdateDate"].isoformat(),
            },
        )


TYPES: tuple[ResourceType, ...] = (Role(), Policy(), ManagedPolicy())
