"""CodeBuild's projects. What CodeBuild says of a project that it cannot have comes through."""

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
    only,
)

#: Properties and what CodeBuild calls them; below, the members of each structure.
_MEMBERS = {
    "Artifacts": "artifacts",
    "BadgeEnabled": "badgeEnabled",
    "Cache": "cache",
    "Description": "description",
    "EncryptionKey": "encryptionKey",
    "Environment": "environment",
    "LogsConfig": "logsConfig",
    "Name": "name",
    "QueuedTimeoutInMinutes": "queuedTimeoutInMinutes",
    "ServiceRole": "serviceRole",
    "Source": "source",
    "SourceVersion": "sourceVersion",
    "Tags": "tags",
    "TimeoutInMinutes": "timeoutInMinutes",
}
_STRUCTURES: dict[str, dict[str, Any]] = {
    "Artifacts": {"Type": "type"},
    "Cache": {"Type": "type"},
    "Environment": {
        "ComputeType": "computeType",
        "EnvironmentVariables": "environmentVariables",
        "Image": "image",
        "ImagePullCredentialsType": "imagePullCredentialsType",
        "PrivilegedMode": "privilegedMode",
        "Type": "type",
    },
    "EnvironmentVariables": {"Name": "name", "Type": "type", "Value": "value"},
    "LogsConfig": {"CloudWatchLogs": "cloudWatchLogs", "S3Logs": "s3Logs"},
    "CloudWatchLogs": {"GroupName": "groupName", "Status": "status", "StreamName": "streamName"},
    "S3Logs": {"Status": "status"},
    "Source": {"BuildSpec": "buildspec", "Location": "location", "Type": "type"},
    "Tags": {"Key": "key", "Value": "value"},
}


class Project(ResourceType):
    """A project whose source is a zip file in S3. `Ref` gives its name."""

    type: ClassVar[str] = "AWS::CodeBuild::Project"
    properties: ClassVar[tuple[str, ...]] = tuple(_MEMBERS)
    required: ClassVar[tuple[str, ...]] = ("Artifacts", "Environment", "ServiceRole", "Source")
    replaced_by: ClassVar[tuple[str, ...]] = ("Name",)
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "Id")
    named_by: ClassVar[str | None] = "Name"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        given = _request(wanted, "")
        given["name"] = wanted.get("Name") or scope.generated_name(150)
        made = scope.call("codebuild", "CreateProject", **given)["project"]
        return self._made(scope.exists(given["name"]), made)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        for name in before:
            if name not in wanted and name != "Tags":
                raise ResourceError(f"Removing {name} is not modelled by the embedded cloud.")
        given = {"tags": [], **_request(wanted, ""), "name": made}
        return self._made(made, scope.call("codebuild", "UpdateProject", **given)["project"])

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        # Of a project that is gone DeleteProject says nothing.
        scope.call("codebuild", "DeleteProject", name=made)

    @staticmethod
    def _made(name: str, project: Mapping[str, Any]) -> Made:
        # Ref gives the name; so does the attribute Id, the type's primary identifier.
        return Made(name, {"Arn": project["arn"], "Id": name})


def _request(given: Any, path: str) -> Any:
    """`given` as CodeBuild calls its members; one that is not modelled is refused by its path."""
    name = path.rsplit("/", 1)[-1]
    if isinstance(given, list):
        return [_request(item, path) for item in given]
    if not isinstance(given, Mapping):
        return given
    members = _STRUCTURES.get(name, {}) if path else _MEMBERS
    only(given, members, path)
    return {
        members[key]: _request(value, f"{path}/{key}" if path else key)
        for key, value in given.items()
    }


TYPES: tuple[ResourceType, ...] = (Project(),)
