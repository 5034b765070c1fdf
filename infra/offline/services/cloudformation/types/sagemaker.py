"""Studio's standing resources and its images. SageMaker's own words for what is wrong with one come
through."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    Refused,
    ResourceType,
    Scope,
    only,
    tag_changes,
)

_GONE = ("ResourceNotFound", "ResourceNotFoundException")
#: Domains and profiles come and go within milliseconds here; AWS takes minutes.
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_FIRST_POLL_SECONDS = 0.002


def _pauses() -> Iterator[float]:
    """How long to wait before each look: short at first, for the many that settle at once."""
    pause = _FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, _POLL_SECONDS)


def _await(scope: Scope, operation: str, **identity: str) -> dict[str, Any]:
    """The description once the resource is InService."""
    until = time.monotonic() + _WAIT_SECONDS
    for pause in _pauses():
        described = scope.call("sagemaker", operation, **identity)
        status = described.get("Status", "InService")
        if status == "InService":
            return described
        if status.endswith("Failed") or time.monotonic() > until:
            raise ResourceError(f"It is {status}: {described.get('FailureReason', '')}")
        time.sleep(pause)
    raise AssertionError("the pauses do not end")


def _await_gone(scope: Scope, operation: str, **identity: str) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    for pause in _pauses():
        try:
            status = scope.call("sagemaker", operation, **identity).get("Status", "Deleting")
        except Refused as error:
            if error.code in _GONE:
                return
            raise
        if status.endswith("Failed") or time.monotonic() > until:
            raise ResourceError(f"It is {status}.")
        time.sleep(pause)


def _delete(scope: Scope, operation: str, **identity: Any) -> bool:
    """Whether there was something to delete."""
    return scope.attempt("sagemaker", operation, unless=_GONE, **identity)


def _retag(arn: str, before: Properties, wanted: Properties, scope: Scope) -> None:
    set_tags, removed = tag_changes(before, wanted)
    if removed:
        scope.call("sagemaker", "DeleteTags", ResourceArn=arn, TagKeys=removed)
    if set_tags:
        scope.call("sagemaker", "AddTags", ResourceArn=arn, Tags=set_tags)


def _changed(
    before: Properties, wanted: Properties, names: tuple[str, ...], there: Properties
) -> dict[str, Any]:
    """The members of `names` that differ. One that is gone cannot be unset by an update.

    Nor can a member of one: SageMaker's updates leave what they do not name. That much shows the
    guide's own example, which attaches an image by an UpdateDomain that names nothing else.

    Args:
        there: what SageMaker says of the resource. What it does not have need not be unset, as
            after an update that it refused.
    """
    for name in names:
        if name in before and name not in wanted and name in there:
            raise ResourceError(f"Removing {name} is not modelled by the embedded cloud.")
        for member in _gone_members(before.get(name), wanted.get(name), there.get(name)):
            raise ResourceError(
                f"Removing {name}/{member} is not modelled by the embedded cloud: an update of "
                "SageMaker leaves what it does not name. Give it a value."
            )
    return {
        name: wanted[name] for name in names if name in wanted and before.get(name) != wanted[name]
    }


def _gone_members(before: Any, wanted: Any, there: Any) -> list[str]:
    if not all(isinstance(each, dict) for each in (before, wanted, there)):
        return []
    return [member for member in before if member not in wanted and member in there]


class Domain(ResourceType):
    """A Studio domain. `Ref` gives its id."""

    type: ClassVar[str] = "AWS::SageMaker::Domain"
    properties: ClassVar[tuple[str, ...]] = (
        "AppNetworkAccessType",
        "AuthMode",
        "DefaultSpaceSettings",
        "DefaultUserSettings",
        "DomainName",
        "DomainSettings",
        "HomeEfsFileSystemCreation",
        "KmsKeyId",
        "SubnetIds",
        "TagPropagation",
        "Tags",
        "VpcId",
    )
    required: ClassVar[tuple[str, ...]] = ("AuthMode", "DefaultUserSettings", "DomainName")
    replaced_by: ClassVar[tuple[str, ...]] = ("AuthMode", "DomainName", "KmsKeyId", "VpcId")
    attributes: ClassVar[tuple[str, ...]] = (
        "DomainArn",
        "DomainId",
        "HomeEfsFileSystemId",
        "SecurityGroupIdForDomainBoundary",
        "SingleSignOnApplicationArn",
        "SingleSignOnManagedApplicationInstanceId",
        "Url",
    )
    named_by: ClassVar[str | None] = "DomainName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        answer = scope.call("sagemaker", "CreateDomain", **wanted)
        made = answer.get("DomainId") or answer["DomainArn"].rsplit("/", 1)[1]
        return self._made(scope.exists(made), scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        if before.get("HomeEfsFileSystemCreation") != wanted.get("HomeEfsFileSystemCreation"):
            raise ResourceError("HomeEfsFileSystemCreation of a domain cannot be changed.")
        changes = _changed(
            before,
            wanted,
            (
                "AppNetworkAccessType",
                "DefaultSpaceSettings",
                "DefaultUserSettings",
                "DomainSettings",
                "SubnetIds",
                "TagPropagation",
            ),
            scope.call("sagemaker", "DescribeDomain", DomainId=made),
        )
        if "DomainSettings" in changes:
            changes["DomainSettingsForUpdate"] = changes.pop("DomainSettings")
        if changes.get("AppNetworkAccessType") == "VpcOnly":
            # UpdateDomain asks for both: hashicorp/terraform-provider-aws issue 45528.
            changes |= {name: wanted[name] for name in ("SubnetIds", "VpcId") if name in wanted}
        if changes:
            scope.call("sagemaker", "UpdateDomain", DomainId=made, **changes)
        updated = self._made(made, scope)
        _retag(updated.attributes["DomainArn"], before, wanted, scope)
        return updated

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        if _delete(scope, "DeleteDomain", DomainId=made):
            _await_gone(scope, "DescribeDomain", DomainId=made)

    def _made(self, made: str, scope: Scope) -> Made:
        described = _await(scope, "DescribeDomain", DomainId=made)
        attributes = {name: described[name] for name in self.attributes if name in described}
        return Made(made, {**attributes, "DomainId": made})


class UserProfile(ResourceType):
    """A person's profile in a domain."""

    type: ClassVar[str] = "AWS::SageMaker::UserProfile"
    properties: ClassVar[tuple[str, ...]] = (
        "DomainId",
        "Tags",
        "UserProfileName",
        "UserSettings",
    )
    required: ClassVar[tuple[str, ...]] = ("DomainId", "UserProfileName")
    replaced_by: ClassVar[tuple[str, ...]] = ("DomainId", "UserProfileName")
    attributes: ClassVar[tuple[str, ...]] = ("UserProfileArn",)
    named_by: ClassVar[str | None] = "UserProfileName"
    named_in: ClassVar[tuple[str, ...]] = ("DomainId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        scope.call("sagemaker", "CreateUserProfile", **wanted)
        scope.exists(self._id(wanted))
        return self._made(wanted, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        there = scope.call("sagemaker", "DescribeUserProfile", **self._identity(wanted))
        changes = _changed(before, wanted, ("UserSettings",), there)
        if changes:
            scope.call("sagemaker", "UpdateUserProfile", **self._identity(wanted), **changes)
        updated = self._made(wanted, scope)
        _retag(updated.attributes["UserProfileArn"], before, wanted, scope)
        return updated

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        identity = self._identity(properties)
        if _delete(scope, "DeleteUserProfile", **identity):
            _await_gone(scope, "DescribeUserProfile", **identity)

    @staticmethod
    def _identity(properties: Properties) -> dict[str, str]:
        return {name: properties[name] for name in ("DomainId", "UserProfileName")}

    @staticmethod
    def _id(properties: Properties) -> str:
        # The type's primary identifier, in the order of its schema.
        return f"{properties['UserProfileName']}|{properties['DomainId']}"

    def _made(self, wanted: Properties, scope: Scope) -> Made:
        described = _await(scope, "DescribeUserProfile", **self._identity(wanted))
        return Made(self._id(wanted), {"UserProfileArn": described["UserProfileArn"]})


class Space(ResourceType):
    """A place where an app runs; its home lives as long as it does."""

    type: ClassVar[str] = "AWS::SageMaker::Space"
    properties: ClassVar[tuple[str, ...]] = (
        "DomainId",
        "OwnershipSettings",
        "SpaceDisplayName",
        "SpaceName",
        "SpaceSettings",
        "SpaceSharingSettings",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("DomainId", "SpaceName")
    replaced_by: ClassVar[tuple[str, ...]] = (
        "DomainId",
        "OwnershipSettings",
        "SpaceName",
        "SpaceSharingSettings",
    )
    attributes: ClassVar[tuple[str, ...]] = ("SpaceArn", "Url")
    named_by: ClassVar[str | None] = "SpaceName"
    named_in: ClassVar[tuple[str, ...]] = ("DomainId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        scope.call("sagemaker", "CreateSpace", **wanted)
        scope.exists(self._id(wanted))
        return self._made(wanted, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        there = scope.call("sagemaker", "DescribeSpace", **self._identity(wanted))
        changes = _changed(before, wanted, ("SpaceDisplayName", "SpaceSettings"), there)
        if changes:
            scope.call("sagemaker", "UpdateSpace", **self._identity(wanted), **changes)
        updated = self._made(wanted, scope)
        _retag(updated.attributes["SpaceArn"], before, wanted, scope)
        return updated

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        identity = self._identity(properties)
        if _delete(scope, "DeleteSpace", **identity):
            _await_gone(scope, "DescribeSpace", **identity)

    @staticmethod
    def _identity(properties: Properties) -> dict[str, str]:
        return {name: properties[name] for name in ("DomainId", "SpaceName")}

    @staticmethod
    def _id(properties: Properties) -> str:
        # The type's primary identifier, in the order of its schema.
        return f"{properties['DomainId']}|{properties['SpaceName']}"

    def _made(self, wanted: Properties, scope: Scope) -> Made:
        described = _await(scope, "DescribeSpace", **self._identity(wanted))
        attributes = {name: described[name] for name in self.attributes if name in described}
        return Made(self._id(wanted), attributes)


class StudioLifecycleConfig(ResourceType):
    """A start script. Every change makes a new one, under a new name."""

    type: ClassVar[str] = "AWS::SageMaker::StudioLifecycleConfig"
    properties: ClassVar[tuple[str, ...]] = (
        "StudioLifecycleConfigAppType",
        "StudioLifecycleConfigContent",
        "StudioLifecycleConfigName",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = properties[:3]
    replaced_by: ClassVar[tuple[str, ...]] = properties
    attributes: ClassVar[tuple[str, ...]] = ("StudioLifecycleConfigArn",)
    named_by: ClassVar[str | None] = "StudioLifecycleConfigName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        name = wanted["StudioLifecycleConfigName"]
        try:
            found = scope.call(
                "sagemaker", "DescribeStudioLifecycleConfig", StudioLifecycleConfigName=name
            )
        except Refused as error:
            if error.code in _GONE:
                return None
            raise
        return Made(name, {"StudioLifecycleConfigArn": found["StudioLifecycleConfigArn"]})

    def create(self, wanted: Properties, scope: Scope) -> Made:
        arn = scope.call("sagemaker", "CreateStudioLifecycleConfig", **wanted)[
            "StudioLifecycleConfigArn"
        ]
        return Made(wanted["StudioLifecycleConfigName"], {"StudioLifecycleConfigArn": arn})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        raise ResourceError(f"Every change of {self.type} makes a new one.")

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteStudioLifecycleConfig", StudioLifecycleConfigName=made)


#: What a template calls a property of an image -> what SageMaker calls it.
_IMAGE_MEMBERS = {
    "ImageDescription": "Description",
    "ImageDisplayName": "DisplayName",
    "ImageRoleArn": "RoleArn",
}


class Image(ResourceType):
    """A set of image versions. `Ref` gives its ARN."""

    type: ClassVar[str] = "AWS::SageMaker::Image"
    properties: ClassVar[tuple[str, ...]] = (
        "ImageDescription",
        "ImageDisplayName",
        "ImageName",
        "ImageRoleArn",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("ImageName", "ImageRoleArn")
    replaced_by: ClassVar[tuple[str, ...]] = ("ImageName",)
    attributes: ClassVar[tuple[str, ...]] = ("ImageArn",)
    named_by: ClassVar[str | None] = "ImageName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.call(
            "sagemaker",
            "CreateImage",
            ImageName=wanted["ImageName"],
            Tags=list(wanted.get("Tags", ())) or None,
            **self._members(wanted),
        )["ImageArn"]
        scope.exists(made)
        return self._made(made, wanted, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        old, new = self._members(before), self._members(wanted)
        changed = {name: value for name, value in new.items() if old.get(name) != value}
        gone = [name for name in old if name not in new]
        if changed or gone:
            scope.call(
                "sagemaker",
                "UpdateImage",
                ImageName=wanted["ImageName"],
                DeleteProperties=gone or None,
                **changed,
            )
        updated = self._made(made, wanted, scope)
        _retag(made, before, wanted, scope)
        return updated

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteImage", ImageName=properties["ImageName"])

    @staticmethod
    def _members(properties: Properties) -> dict[str, Any]:
        return {
            member: properties[name]
            for name, member in _IMAGE_MEMBERS.items()
            if name in properties
        }

    @staticmethod
    def _made(made: str, wanted: Properties, scope: Scope) -> Made:
        _await_created(scope, "DescribeImage", "ImageStatus", ImageName=wanted["ImageName"])
        return Made(made, {"ImageArn": made})


class ImageVersion(ResourceType):
    """A version of an image: a container image by digest. `Ref` gives its ARN."""

    type: ClassVar[str] = "AWS::SageMaker::ImageVersion"
    properties: ClassVar[tuple[str, ...]] = (
        "BaseImage",
        "Horovod",
        "ImageName",
        "JobType",
        "MLFramework",
        "Processor",
        "ProgrammingLang",
        "ReleaseNotes",
        "VendorGuidance",
    )
    required: ClassVar[tuple[str, ...]] = ("BaseImage", "ImageName")
    replaced_by: ClassVar[tuple[str, ...]] = ("BaseImage", "ImageName")
    attributes: ClassVar[tuple[str, ...]] = (
        "ContainerImage",
        "ImageArn",
        "ImageVersionArn",
        "Version",
    )

    def create(self, wanted: Properties, scope: Scope) -> Made:
        # A name of its own, so that a roll-back's second attempt makes a second version.
        token = str(uuid.uuid4())
        made = scope.call("sagemaker", "CreateImageVersion", ClientToken=token, **wanted)[
            "ImageVersionArn"
        ]
        return self._made(scope.exists(made), scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        changes = _changed(
            before,
            wanted,
            tuple(name for name in self.properties if name not in self.replaced_by),
            scope.call("sagemaker", "DescribeImageVersion", **_version(made)),
        )
        if changes:
            scope.call("sagemaker", "UpdateImageVersion", **_version(made), **changes)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteImageVersion", **_version(made))

    def _made(self, made: str, scope: Scope) -> Made:
        described = _await_created(
            scope, "DescribeImageVersion", "ImageVersionStatus", **_version(made)
        )
        return Made(made, {name: described[name] for name in self.attributes})


def _version(arn: str) -> dict[str, Any]:
    """Image and number of a version, as its ARN has them."""
    _, name, number = arn.rsplit("/", 2)
    return {"ImageName": name, "Version": int(number)}


class AppImageConfig(ResourceType):
    """How JupyterLab runs an image."""

    type: ClassVar[str] = "AWS::SageMaker::AppImageConfig"
    properties: ClassVar[tuple[str, ...]] = (
        "AppImageConfigName",
        "JupyterLabAppImageConfig",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("AppImageConfigName",)
    replaced_by: ClassVar[tuple[str, ...]] = ("AppImageConfigName",)
    attributes: ClassVar[tuple[str, ...]] = ("AppImageConfigArn",)
    named_by: ClassVar[str | None] = "AppImageConfigName"

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted["AppImageConfigName"]
        arn = scope.call(
            "sagemaker",
            "CreateAppImageConfig",
            AppImageConfigName=name,
            JupyterLabAppImageConfig=self._lab(wanted),
            Tags=list(wanted.get("Tags", ())) or None,
        )["AppImageConfigArn"]
        return Made(scope.exists(name), {"AppImageConfigArn": arn})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        there = scope.call("sagemaker", "DescribeAppImageConfig", AppImageConfigName=made)
        changes = _changed(before, wanted, ("JupyterLabAppImageConfig",), there)
        arn = scope.call(
            "sagemaker",
            "UpdateAppImageConfig",
            AppImageConfigName=made,
            JupyterLabAppImageConfig=self._lab(wanted) if changes else None,
        )["AppImageConfigArn"]
        _retag(arn, before, wanted, scope)
        return Made(made, {"AppImageConfigArn": arn})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteAppImageConfig", AppImageConfigName=made)

    @staticmethod
    def _lab(wanted: Properties) -> dict[str, Any] | None:
        """CloudFormation lists the variables that SageMaker has as a map."""
        given = wanted.get("JupyterLabAppImageConfig")
        if given is None:
            return None
        lab = dict(only(given, ("ContainerConfig",), "JupyterLabAppImageConfig"))
        if "ContainerConfig" in lab:
            members = (
                "ContainerArguments",
                "ContainerEntrypoint",
                "ContainerEnvironmentVariables",
            )
            path = "JupyterLabAppImageConfig/ContainerConfig"
            lab["ContainerConfig"] = config = dict(only(lab["ContainerConfig"], members, path))
            if members[2] in config:
                config[members[2]] = {each["Key"]: each["Value"] for each in config[members[2]]}
        return lab


def _await_created(scope: Scope, operation: str, member: str, **identity: Any) -> dict[str, Any]:
    """The description of an image or version once it is CREATED."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        described = scope.call("sagemaker", operation, **identity)
        status = described[member]
        if status == "CREATED":
            return described
        if status.endswith("FAILED") or time.monotonic() > until:
            raise ResourceError(f"It is {status}: {described.get('FailureReason', '')}")
        time.sleep(_POLL_SECONDS)


TYPES: tuple[ResourceType, ...] = (
    Domain(),
    UserProfile(),
    Space(),
    StudioLifecycleConfig(),
    Image(),
    ImageVersion(),
    AppImageConfig(),
)
