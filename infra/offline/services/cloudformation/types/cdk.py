"""AWS::CDK::Metadata: the CDK's note of its own version. It makes nothing, on AWS either."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from typing import ClassVar

from infra.offline.services.cloudformation.resource import Made, Properties, ResourceType, Scope


class Metadata(ResourceType):
    """A marker without a service behind it."""

    type: ClassVar[str] = "AWS::CDK::Metadata"
    properties: ClassVar[tuple[str, ...]] = ("Analytics", "Modules")

    def create(self, wanted: Properties, scope: Scope) -> Made:
        return Made(scope.generated_name(64))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        pass


TYPES: tuple[ResourceType, ...] = (Metadata(),)
