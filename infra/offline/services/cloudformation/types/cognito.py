"""User pools, their clients and groups, and the people of a cohort."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.evaluation import SECRET
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    is_set,
)

SERVICE = "cognito-idp"
_GONE = ("ResourceNotFoundException", "UserNotFoundException")


class UserPool(ResourceType):
    """A pool. The message that brings a code is a setting of its own, as on AWS."""

    type: ClassVar[str] = "AWS::Cognito::UserPool"
    properties: ClassVar[tuple[str, ...]] = (
        "AccountRecoverySetting",
        "AdminCreateUserConfig",
        "AliasAttributes",
        "DeletionProtection",
        "EmailAuthenticationMessage",
        "EmailAuthenticationSubject",
        "EmailConfiguration",
        "MfaConfiguration",
        "Policies",
        "UserPoolName",
        "UserPoolTags",
        "UserPoolTier",
        "UsernameConfiguration",
    )
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "ProviderName", "ProviderURL", "UserPoolId")

    #: What UpdateUserPool does not take, and what it comes to.
    _FOR_GOOD: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "AliasAttributes": lambda given: sorted(given or ()),
        "UsernameConfiguration": lambda given: is_set((given or {}).get("CaseSensitive", True)),
    }
    _MESSAGE: ClassVar[Mapping[str, str]] = {
        "EmailAuthenticationMessage": "Message",
        "EmailAuthenticationSubject": "Subject",
    }

    def with_tags(self, declared: Properties, of_stack: Mapping[str, str]) -> dict[str, Any]:
        """Tags are a mapping here, and called otherwise."""
        tags = {**of_stack, **declared.get("UserPoolTags", {})}
        return {**declared, "UserPoolTags": tags} if tags else dict(declared)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("UserPoolName") or scope.generated_name(128)
        pool = scope.call(SERVICE, "CreateUserPool", PoolName=name, **self._settings(wanted))
        made = scope.exists(pool["UserPool"]["Id"])
        self._say(made, {}, wanted, scope)
        return self._made(made, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        # Against the pool itself: when such an update is rolled back, nothing of it was done.
        pool = scope.call(SERVICE, "DescribeUserPool", UserPoolId=made)["UserPool"]
        for name, read in self._FOR_GOOD.items():
            if read(pool.get(name)) != read(wanted.get(name)):
                # As quoted in aws-amplify/amplify-cli issue 4227.
                raise ResourceError(f"Updates are not allowed for property - {name}.")
        settings = {
            name: value
            for name, value in self._settings(wanted).items()
            if name not in self._FOR_GOOD
        }
        named = wanted.get("UserPoolName")
        scope.call(SERVICE, "UpdateUserPool", UserPoolId=made, PoolName=named, **settings)
        self._say(made, before, wanted, scope)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(SERVICE, "DeleteUserPool", unless=_GONE, UserPoolId=made)

    def _settings(self, wanted: Properties) -> dict[str, Any]:
        apart = ("UserPoolName", *self._MESSAGE)
        return {name: value for name, value in wanted.items() if name not in apart}

    def _say(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        message = {member: wanted[name] for name, member in self._MESSAGE.items() if name in wanted}
        if any(before.get(name) != wanted.get(name) for name in self._MESSAGE):
            scope.call(
                SERVICE,
                "SetUserPoolMfaConfig",
                UserPoolId=made,
                MfaConfiguration="OFF",
                EmailMfaConfiguration=message,
            )

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        provider = f"cognito-idp.{scope.region}.amazonaws.com/{made}"
        return Made(
            made,
            {
                "Arn": scope.arn(SERVICE, f"userpool/{made}"),
                "ProviderName": provider,
                "ProviderURL": f"https://{provider}",
                "UserPoolId": made,
            },
        )


class UserPoolClient(ResourceType):
    """What an application is to a pool. This one keeps no secret."""

    type: ClassVar[str] = "AWS::Cognito::UserPoolClient"
    properties: ClassVar[tuple[str, ...]] = (
        "AccessTokenValidity",
        "AllowedOAuthFlows",
        "AllowedOAuthFlowsUserPoolClient",
        "AllowedOAuthScopes",
        "AuthSessionValidity",
        "CallbackURLs",
        "ClientName",
        "EnableTokenRevocation",
        "ExplicitAuthFlows",
        "GenerateSecret",
        "IdTokenValidity",
        "PreventUserExistenceErrors",
        "ReadAttributes",
        "RefreshTokenValidity",
        "SupportedIdentityProviders",
        "TokenValidityUnits",
        "UserPoolId",
        "WriteAttributes",
    )
    required: ClassVar[tuple[str, ...]] = ("UserPoolId",)
    replaced_by: ClassVar[tuple[str, ...]] = ("GenerateSecret", "UserPoolId")
    attributes: ClassVar[tuple[str, ...]] = ("ClientId", "Name")

    def create(self, wanted: Properties, scope: Scope) -> Made:
        named = {"ClientName": scope.generated_name(128), **wanted}
        client = scope.call(SERVICE, "CreateUserPoolClient", **named)["UserPoolClient"]
        scope.exists(client["ClientId"])
        return self._made(client)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        settings = {name: value for name, value in wanted.items() if name != "GenerateSecret"}
        answer = scope.call(SERVICE, "UpdateUserPoolClient", ClientId=made, **settings)
        return self._made(answer["UserPoolClient"])

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        pool = properties["UserPoolId"]
        scope.attempt(SERVICE, "DeleteUserPoolClient", unless=_GONE, UserPoolId=pool, ClientId=made)

    @staticmethod
    def _made(client: Mapping[str, Any]) -> Made:
        named = {"ClientId": client["ClientId"], "Name": client["ClientName"]}
        return Made(client["ClientId"], named)


class UserPoolGroup(ResourceType):
    """A group of people."""

    type: ClassVar[str] = "AWS::Cognito::UserPoolGroup"
    properties: ClassVar[tuple[str, ...]] = ("Description", "GroupName", "UserPoolId")
    required: ClassVar[tuple[str, ...]] = ("UserPoolId",)
    replaced_by: ClassVar[tuple[str, ...]] = ("GroupName", "UserPoolId")
    named_by: ClassVar[str | None] = "GroupName"
    named_in: ClassVar[tuple[str, ...]] = ("UserPoolId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("GroupName") or scope.generated_name(128)
        scope.call(SERVICE, "CreateGroup", **{**wanted, "GroupName": name})
        return Made(scope.exists(name))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        # What the template no longer says is said as empty: what is left out stays as it was.
        described = {"Description": "", **wanted, "GroupName": made}
        scope.call(SERVICE, "UpdateGroup", **described)
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        pool = properties["UserPoolId"]
        scope.attempt(SERVICE, "DeleteGroup", unless=_GONE, UserPoolId=pool, GroupName=made)


class UserPoolUser(ResourceType):
    """Somebody. Nothing of them can be changed: another e-mail address is another person, and the
    name is not free until the first is gone. Source: the type's createOnlyProperties."""

    type: ClassVar[str] = "AWS::Cognito::UserPoolUser"
    properties: ClassVar[tuple[str, ...]] = (
        "MessageAction",
        "UserAttributes",
        "UserPoolId",
        "Username",
    )
    required: ClassVar[tuple[str, ...]] = ("UserPoolId",)
    replaced_by: ClassVar[tuple[str, ...]] = (
        "MessageAction",
        "UserAttributes",
        "UserPoolId",
        "Username",
    )
    named_by: ClassVar[str | None] = "Username"
    named_in: ClassVar[tuple[str, ...]] = ("UserPoolId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("Username") or scope.generated_name(128)
        scope.call(SERVICE, "AdminCreateUser", **{**wanted, "Username": name})
        return Made(scope.exists(name))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        pool = properties["UserPoolId"]
        scope.attempt(SERVICE, "AdminDeleteUser", unless=_GONE, UserPoolId=pool, Username=made)


class UserPoolUserToGroupAttachment(ResourceType):
    """Somebody's place in a group."""

    type: ClassVar[str] = "AWS::Cognito::UserPoolUserToGroupAttachment"
    properties: ClassVar[tuple[str, ...]] = ("GroupName", "UserPoolId", "Username")
    required: ClassVar[tuple[str, ...]] = ("GroupName", "UserPoolId", "Username")
    replaced_by: ClassVar[tuple[str, ...]] = ("GroupName", "UserPoolId", "Username")

    def create(self, wanted: Properties, scope: Scope) -> Made:
        scope.call(SERVICE, "AdminAddUserToGroup", **wanted)
        # Made up by CloudFormation: "UserToGroupAttachment-YejJvzrEXAMPLE".
        return Made(scope.exists(scope.generated_name(128)))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(SERVICE, "AdminRemoveUserFromGroup", unless=_GONE, **properties)


class UserPoolIdentityProvider(ResourceType):
    """A provider that a pool believes. Its secret is read from Secrets Manager when it is set."""

    type: ClassVar[str] = "AWS::Cognito::UserPoolIdentityProvider"
    properties: ClassVar[tuple[str, ...]] = (
        "AttributeMapping",
        "ProviderDetails",
        "ProviderName",
        "ProviderType",
        "UserPoolId",
    )
    required: ClassVar[tuple[str, ...]] = (
        "ProviderDetails",
        "ProviderName",
        "ProviderType",
        "UserPoolId",
    )
    replaced_by: ClassVar[tuple[str, ...]] = ("ProviderName", "ProviderType", "UserPoolId")
    named_by: ClassVar[str | None] = "ProviderName"
    named_in: ClassVar[tuple[str, ...]] = ("UserPoolId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        scope.call(SERVICE, "CreateIdentityProvider", **self._resolved(wanted, scope))
        return Made(scope.exists(wanted["ProviderName"]))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        settings = self._resolved(wanted, scope)
        settings.pop("ProviderType")
        scope.call(SERVICE, "UpdateIdentityProvider", **settings)
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        pool = properties["UserPoolId"]
        scope.attempt(
            SERVICE, "DeleteIdentityProvider", unless=_GONE, UserPoolId=pool, ProviderName=made
        )

    @staticmethod
    def _resolved(wanted: Properties, scope: Scope) -> dict[str, Any]:
        details = dict(wanted["ProviderDetails"])
        reference = SECRET.fullmatch(str(details.get("client_secret")))
        if reference is not None:
            found = scope.call("secretsmanager", "GetSecretValue", SecretId=reference["id"])
            if "SecretString" not in found:
                raise ResourceError(f"The secret {reference['id']} holds no text.")
            details["client_secret"] = found["SecretString"]
        return {**wanted, "ProviderDetails": details}


class UserPoolDomain(ResourceType):
    """Where a pool's own endpoints answer: a prefix of Cognito's domain."""

    type: ClassVar[str] = "AWS::Cognito::UserPoolDomain"
    properties: ClassVar[tuple[str, ...]] = ("Domain", "ManagedLoginVersion", "UserPoolId")
    required: ClassVar[tuple[str, ...]] = ("Domain", "UserPoolId")
    replaced_by: ClassVar[tuple[str, ...]] = ("Domain", "UserPoolId")
    named_by: ClassVar[str | None] = "Domain"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        scope.call(SERVICE, "CreateUserPoolDomain", **wanted)
        return Made(scope.exists(wanted["Domain"]))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        pool = properties["UserPoolId"]
        scope.attempt(SERVICE, "DeleteUserPoolDomain", unless=_GONE, UserPoolId=pool, Domain=made)


TYPES: tuple[ResourceType, ...] = (
    UserPool(),
    UserPoolClient(),
    UserPoolDomain(),
    UserPoolGroup(),
    UserPoolIdentityProvider(),
    UserPoolUser(),
    UserPoolUserToGroupAttachment(),
)
