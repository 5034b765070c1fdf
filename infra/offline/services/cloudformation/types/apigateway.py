"""HTTP APIs: the API, its integration, routes and stage."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from infra.offline.services import http_api
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    is_set,
)

_GONE = ("NotFoundException",)
#: What an update says of a setting that the template no longer has.
_EMPTY: dict[str, Any] = {"Description": "", "DisableExecuteApiEndpoint": False, "Version": ""}


def _changed(before: Properties, wanted: Properties, *names: str) -> dict[str, Any]:
    """The properties that differ; those that are gone as they are by default.

    Raises:
        ResourceError: if one is gone that has no default here.
    """
    made: dict[str, Any] = {}
    for name in names:
        if before.get(name) == wanted.get(name):
            continue
        if name not in wanted and name not in _EMPTY:
            raise ResourceError(f"Property {name} cannot be taken away from what has it.")
        made[name] = wanted.get(name, _EMPTY.get(name))
    return made


class _Tagged(ResourceType):
    """A type whose tags are a mapping."""

    def with_tags(self, declared: Properties, of_stack: Mapping[str, str]) -> dict[str, Any]:
        tags = {**of_stack, **declared.get("Tags", {})}
        return {**declared, "Tags": tags} if tags else dict(declared)


class Api(_Tagged):
    """An HTTP API. Its endpoint is a listener on loopback."""

    type: ClassVar[str] = "AWS::ApiGatewayV2::Api"
    properties: ClassVar[tuple[str, ...]] = (
        "Description",
        "DisableExecuteApiEndpoint",
        "Name",
        "ProtocolType",
        "Tags",
        "Version",
    )
    required: ClassVar[tuple[str, ...]] = ()
    replaced_by: ClassVar[tuple[str, ...]] = ("ProtocolType",)
    attributes: ClassVar[tuple[str, ...]] = ("ApiEndpoint", "ApiId")

    def create(self, wanted: Properties, scope: Scope) -> Made:
        for name in ("Name", "ProtocolType"):
            if name not in wanted:
                raise ResourceError(f"Property {name} of {self.type} is required.")
        made = scope.call("apigatewayv2", "CreateApi", **wanted)
        return self._made(scope.exists(made["ApiId"]), scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        changed = _changed(
            before, wanted, "Description", "DisableExecuteApiEndpoint", "Name", "Version"
        )
        if changed:
            scope.call("apigatewayv2", "UpdateApi", ApiId=made, **changed)
        old, new = before.get("Tags", {}), wanted.get("Tags", {})
        arn = f"arn:aws:apigateway:{scope.region}::/apis/{made}"
        if removed := [key for key in old if key not in new]:
            scope.call("apigatewayv2", "UntagResource", ResourceArn=arn, TagKeys=removed)
        if put := {key: value for key, value in new.items() if old.get(key) != value}:
            scope.call("apigatewayv2", "TagResource", ResourceArn=arn, Tags=put)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("apigatewayv2", "DeleteApi", unless=_GONE, ApiId=made)

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        found = scope.call("apigatewayv2", "GetApi", ApiId=made)
        return Made(made, {"ApiEndpoint": found["ApiEndpoint"], "ApiId": made})


class Integration(ResourceType):
    """A function behind an API."""

    type: ClassVar[str] = "AWS::ApiGatewayV2::Integration"
    properties: ClassVar[tuple[str, ...]] = (
        "ApiId",
        "ConnectionType",
        "Description",
        "IntegrationMethod",
        "IntegrationType",
        "IntegrationUri",
        "PayloadFormatVersion",
        "TimeoutInMillis",
    )
    required: ClassVar[tuple[str, ...]] = ("ApiId", "IntegrationType")
    replaced_by: ClassVar[tuple[str, ...]] = ("ApiId",)
    attributes: ClassVar[tuple[str, ...]] = ("IntegrationId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.call("apigatewayv2", "CreateIntegration", **wanted)["IntegrationId"]
        return Made(scope.exists(made), {"IntegrationId": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        names = [name for name in self.properties if name != "ApiId"]
        if "TimeoutInMillis" not in wanted:
            wanted = {**wanted, "TimeoutInMillis": 30_000}
        changed = _changed(before, wanted, *names)
        scope.call(
            "apigatewayv2",
            "UpdateIntegration",
            ApiId=wanted["ApiId"],
            IntegrationId=made,
            **changed,
        )
        return Made(made, {"IntegrationId": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "apigatewayv2",
            "DeleteIntegration",
            unless=_GONE,
            ApiId=properties["ApiId"],
            IntegrationId=made,
        )


class Route(ResourceType):
    """A route to an integration."""

    type: ClassVar[str] = "AWS::ApiGatewayV2::Route"
    properties: ClassVar[tuple[str, ...]] = (
        "ApiId",
        "ApiKeyRequired",
        "AuthorizationType",
        "OperationName",
        "RouteKey",
        "Target",
    )
    required: ClassVar[tuple[str, ...]] = ("ApiId", "RouteKey")
    replaced_by: ClassVar[tuple[str, ...]] = ("ApiId",)
    attributes: ClassVar[tuple[str, ...]] = ("RouteId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.call("apigatewayv2", "CreateRoute", **wanted)["RouteId"]
        return Made(scope.exists(made), {"RouteId": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        plain = {"ApiKeyRequired": False, "AuthorizationType": "NONE", "OperationName": ""}
        names = [name for name in self.properties if name != "ApiId"]
        changed = _changed(before, {**plain, **wanted}, *names)
        scope.call("apigatewayv2", "UpdateRoute", ApiId=wanted["ApiId"], RouteId=made, **changed)
        return Made(made, {"RouteId": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "apigatewayv2",
            "DeleteRoute",
            unless=_GONE,
            ApiId=properties["ApiId"],
            RouteId=made,
        )


class Stage(_Tagged):
    """The stage $default. What the template says of it is all that it is."""

    type: ClassVar[str] = "AWS::ApiGatewayV2::Stage"
    properties: ClassVar[tuple[str, ...]] = (
        "AccessLogSettings",
        "ApiId",
        "AutoDeploy",
        "DefaultRouteSettings",
        "Description",
        "RouteSettings",
        "StageName",
        "StageVariables",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("ApiId", "StageName")
    replaced_by: ClassVar[tuple[str, ...]] = ("ApiId", "StageName")
    named_by: ClassVar[str | None] = "StageName"
    named_in: ClassVar[tuple[str, ...]] = ("ApiId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        scope.call("apigatewayv2", "CreateStage", **wanted)
        return Made(scope.exists(wanted["StageName"]))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        if not is_set(wanted.get("AutoDeploy", False)):
            raise ResourceError("AutoDeploy false is not modelled by the embedded cloud.")
        emptied: dict[str, Any] = {
            "AccessLogSettings": {},
            "DefaultRouteSettings": {},
            "Description": "",
            "RouteSettings": {},
            "StageVariables": {},
        }
        given = {name: value for name, value in wanted.items() if name != "Tags"}
        scope.call("apigatewayv2", "UpdateStage", **{**emptied, **given})
        # No operation of moto's reaches a stage's tags.
        http_api.control.tag_stage(wanted["ApiId"], made, wanted.get("Tags", {}))
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "apigatewayv2",
            "DeleteStage",
            unless=_GONE,
            ApiId=properties["ApiId"],
            StageName=made,
        )


TYPES: tuple[ResourceType, ...] = (Api(), Integration(), Route(), Stage())
