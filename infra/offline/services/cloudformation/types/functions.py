"""Lambda functions, the aliases by which learners are known to them, and who may invoke."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import io
import zipfile
from typing import Any, ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    tag_changes,
)

_GONE = "ResourceNotFoundException"
#: Nothing here would stand behind DeadLetterConfig, EphemeralStorage and TracingConfig.
_CONFIGURATION = (
    "Description",
    "Environment",
    "Handler",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
)
#: What a setting goes back to when the template no longer has it.
_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "Environment": {"Variables": {}},
    "MemorySize": 128,
    "Timeout": 3,
}


def _code(wanted: Properties) -> dict[str, Any]:
    code = wanted["Code"]
    if "ZipFile" not in code:
        return dict(code)
    if len(code) > 1:
        raise ResourceError("Please do not provide other FunctionCode parameters beside ZipFile")
    # CloudFormation puts inline code into a file that the handler `index.…` finds.
    suffix = "js" if str(wanted.get("Runtime", "")).startswith("nodejs") else "py"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"index.{suffix}", (1980, 1, 1, 0, 0, 0)), code["ZipFile"])
    return {"ZipFile": packed.getvalue()}


class Function(ResourceType):
    """A function from a zip file."""

    type: ClassVar[str] = "AWS::Lambda::Function"
    properties: ClassVar[tuple[str, ...]] = (
        "Architectures",
        "Code",
        *_CONFIGURATION,
        "FunctionName",
        "LoggingConfig",
        "ReservedConcurrentExecutions",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("Code", "Handler", "Role", "Runtime")
    replaced_by: ClassVar[tuple[str, ...]] = ("FunctionName",)
    attributes: ClassVar[tuple[str, ...]] = ("Arn",)
    named_by: ClassVar[str | None] = "FunctionName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted.get("FunctionName") or scope.generated_name(64)
        self._check_log(name, wanted)
        scope.call(
            "lambda",
            "CreateFunction",
            FunctionName=name,
            Code=_code(wanted),
            Architectures=wanted.get("Architectures"),
            Tags={tag["Key"]: tag["Value"] for tag in wanted.get("Tags", ())} or None,
            **{member: wanted[member] for member in _CONFIGURATION if member in wanted},
        )
        scope.exists(name)
        self._set_concurrency(name, {}, wanted, scope)
        return self._made(name, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._check_log(made, wanted)
        changed = {
            member: wanted.get(member, _DEFAULTS.get(member))
            for member in _CONFIGURATION
            if before.get(member) != wanted.get(member)
        }
        if changed:
            scope.call("lambda", "UpdateFunctionConfiguration", FunctionName=made, **changed)
        if any(before.get(name) != wanted.get(name) for name in ("Code", "Architectures")):
            scope.call(
                "lambda",
                "UpdateFunctionCode",
                FunctionName=made,
                Architectures=wanted.get("Architectures"),
                **_code(wanted),
            )
        self._set_concurrency(made, before, wanted, scope)
        set_tags, removed = tag_changes(before, wanted)
        arn = self._made(made, scope).attributes["Arn"]
        if removed:
            scope.call("lambda", "UntagResource", Resource=arn, TagKeys=removed)
        if set_tags:
            tags = {tag["Key"]: tag["Value"] for tag in set_tags}
            scope.call("lambda", "TagResource", Resource=arn, Tags=tags)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt("lambda", "DeleteFunction", unless=(_GONE,), FunctionName=made)

    @staticmethod
    def _check_log(name: str, wanted: Properties) -> None:
        """A function logs to the group of its name here; the CDK names that one, too."""
        own = f"/aws/lambda/{name}"
        group = wanted.get("LoggingConfig", {}).get("LogGroup", own)
        if group != own:
            raise ResourceError(
                f"LoggingConfig/LogGroup {group} of {name} is not modelled by the embedded cloud "
                f"(modelled: {own})."
            )

    @staticmethod
    def _set_concurrency(made: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        name = "ReservedConcurrentExecutions"
        if name in wanted and before.get(name) != wanted[name]:
            scope.call(
                "lambda",
                "PutFunctionConcurrency",
                FunctionName=made,
                ReservedConcurrentExecutions=wanted[name],
            )
        elif name in before and name not in wanted:
            scope.call("lambda", "DeleteFunctionConcurrency", FunctionName=made)

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        return Made(made, {"Arn": scope.arn("lambda", f"function:{made}")})


class Alias(ResourceType):
    """A name for a version of a function. `Ref` gives its ARN."""

    type: ClassVar[str] = "AWS::Lambda::Alias"
    properties: ClassVar[tuple[str, ...]] = (
        "Description",
        "FunctionName",
        "FunctionVersion",
        "Name",
    )
    required: ClassVar[tuple[str, ...]] = ("FunctionName", "FunctionVersion", "Name")
    replaced_by: ClassVar[tuple[str, ...]] = ("FunctionName", "Name")
    attributes: ClassVar[tuple[str, ...]] = ("AliasArn",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        arn = scope.call(
            "lambda",
            "CreateAlias",
            FunctionName=wanted["FunctionName"],
            Name=wanted["Name"],
            FunctionVersion=wanted["FunctionVersion"],
            Description=wanted.get("Description"),
        )["AliasArn"]
        return Made(arn, {"AliasArn": arn})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        scope.call(
            "lambda",
            "UpdateAlias",
            FunctionName=wanted["FunctionName"],
            Name=wanted["Name"],
            FunctionVersion=wanted["FunctionVersion"],
            Description=wanted.get("Description", ""),
        )
        return Made(made, {"AliasArn": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "lambda",
            "DeleteAlias",
            unless=(_GONE,),
            FunctionName=properties["FunctionName"],
            Name=properties["Name"],
        )


class Permission(ResourceType):
    """A statement in a function's own policy."""

    type: ClassVar[str] = "AWS::Lambda::Permission"
    properties: ClassVar[tuple[str, ...]] = (
        "Action",
        "FunctionName",
        "Principal",
        "SourceAccount",
        "SourceArn",
    )
    required: ClassVar[tuple[str, ...]] = ("Action", "FunctionName", "Principal")
    replaced_by: ClassVar[tuple[str, ...]] = properties
    attributes: ClassVar[tuple[str, ...]] = ("Id",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        statement = scope.generated_name(100)
        function, qualifier = _qualified(wanted["FunctionName"])
        scope.call(
            "lambda",
            "AddPermission",
            FunctionName=function,
            Qualifier=qualifier,
            StatementId=statement,
            Action=wanted["Action"],
            Principal=wanted["Principal"],
            SourceAccount=wanted.get("SourceAccount"),
            SourceArn=wanted.get("SourceArn"),
        )
        return Made(statement, {"Id": statement})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        raise ResourceError(f"Every change of {self.type} makes a new one.")

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        function, qualifier = _qualified(properties["FunctionName"])
        scope.attempt(
            "lambda",
            "RemovePermission",
            unless=(_GONE,),
            FunctionName=function,
            Qualifier=qualifier,
            StatementId=made,
        )


def _qualified(name: str) -> tuple[str, str | None]:
    """A function's name or ARN without its version or alias, and that."""
    parts = name.split(":")
    unqualified = 7 if name.startswith("arn:") else 1
    if len(parts) > unqualified:
        return ":".join(parts[:unqualified]), parts[unqualified]
    return name, None


TYPES: tuple[ResourceType, ...] = (Function(), Alias(), Permission())
