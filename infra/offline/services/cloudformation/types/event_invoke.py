"""What becomes of the asynchronous calls of a function: tries, age, and where lost events go."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from typing import ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
)


class EventInvokeConfig(ResourceType):
    """The configuration of a function's unqualified name."""

    type: ClassVar[str] = "AWS::Lambda::EventInvokeConfig"
    properties: ClassVar[tuple[str, ...]] = (
        "DestinationConfig",
        "FunctionName",
        "MaximumEventAgeInSeconds",
        "MaximumRetryAttempts",
        "Qualifier",
    )
    required: ClassVar[tuple[str, ...]] = ("FunctionName", "Qualifier")
    replaced_by: ClassVar[tuple[str, ...]] = ("FunctionName", "Qualifier")

    def create(self, wanted: Properties, scope: Scope) -> Made:
        return self._put(wanted, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return self._put(wanted, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "lambda",
            "DeleteFunctionEventInvokeConfig",
            unless=("ResourceNotFoundException",),
            FunctionName=properties["FunctionName"],
        )

    @staticmethod
    def _put(wanted: Properties, scope: Scope) -> Made:
        if wanted["Qualifier"] != "$LATEST":
            raise ResourceError(
                f"Qualifier {wanted['Qualifier']} of {EventInvokeConfig.type} is not modelled by "
                "the embedded cloud (modelled: $LATEST)."
            )
        scope.call(
            "lambda",
            "PutFunctionEventInvokeConfig",
            FunctionName=wanted["FunctionName"],
            DestinationConfig=wanted.get("DestinationConfig") or None,
            MaximumEventAgeInSeconds=wanted.get("MaximumEventAgeInSeconds"),
            MaximumRetryAttempts=wanted.get("MaximumRetryAttempts"),
        )
        return Made(scope.exists(f"{wanted['FunctionName']}|{wanted['Qualifier']}"))


TYPES: tuple[ResourceType, ...] = (EventInvokeConfig(),)
