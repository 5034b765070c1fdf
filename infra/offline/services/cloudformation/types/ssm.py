"""Parameters: the workspaces' config, settings, the CDK's bootstrap version."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
)


class Parameter(ResourceType):
    """A plain parameter. CloudFormation makes no SecureString, on AWS either."""

    type: ClassVar[str] = "AWS::SSM::Parameter"
    properties: ClassVar[tuple[str, ...]] = (
        "AllowedPattern",
        "DataType",
        "Description",
        "Name",
        "Tags",
        "Tier",
        "Type",
        "Value",
    )
    required: ClassVar[tuple[str, ...]] = ("Type", "Value")
    replaced_by: ClassVar[tuple[str, ...]] = ("Name",)
    attributes: ClassVar[tuple[str, ...]] = ("Type", "Value")
    named_by: ClassVar[str | None] = "Name"

    def with_tags(self, declared: Properties, of_stack: Mapping[str, str]) -> dict[str, Any]:
        """Tags are a mapping here, unlike in other types."""
        tags = {**of_stack, **declared.get("Tags", {})}
        return {**declared, "Tags": tags} if tags else dict(declared)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("Name") or f"CFN-{scope.generated_name(64)}"
        tags = [{"Key": key, "Value": value} for key, value in wanted.get("Tags", {}).items()]
        self._put(name, wanted, scope, overwrite=False)
        scope.exists(name)
        if tags:
            scope.call(
                "ssm",
                "AddTagsToResource",
                ResourceType="Parameter",
                ResourceId=name,
                Tags=tags,
            )
        return self._made(name, wanted)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        # What is left out stays as it was: what the template no longer says is said as empty.
        emptied = {name: "" for name in ("AllowedPattern", "Description") if name in before}
        self._put(made, {**emptied, **wanted}, scope, overwrite=True)
        old, new = before.get("Tags", {}), wanted.get("Tags", {})
        if removed := [key for key in old if key not in new]:
            scope.call(
                "ssm",
                "RemoveTagsFromResource",
                ResourceType="Parameter",
                ResourceId=made,
                TagKeys=removed,
            )
        changed = [
            {"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value
        ]
        if changed:
            scope.call(
                "ssm",
                "AddTagsToResource",
                ResourceType="Parameter",
                ResourceId=made,
                Tags=changed,
            )
        return self._made(made, wanted)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("ssm", "DeleteParameter", unless=("ParameterNotFound",), Name=made)

    @staticmethod
    def _put(name: str, wanted: Properties, scope: Scope, *, overwrite: bool) -> None:
        if wanted["Type"] not in ("String", "StringList"):
            raise ResourceError(
                f"Type {wanted['Type']} is not one that CloudFormation makes (String, StringList)."
            )
        scope.call(
            "ssm",
            "PutParameter",
            Name=name,
            Type=wanted["Type"],
            Value=wanted["Value"],
            Description=wanted.get("Description"),
            AllowedPattern=wanted.get("AllowedPattern"),
            DataType=wanted.get("DataType"),
            Tier=wanted.get("Tier"),
            Overwrite=overwrite,
        )

    @staticmethod
    def _made(name: str, wanted: Properties) -> Made:
        return Made(name, {"Type": wanted["Type"], "Value": wanted["Value"]})


TYPES: tuple[ResourceType, ...] = (Parameter(),)
