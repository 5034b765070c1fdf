"""SageMaker: Studio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.assurance.iam import Value
from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    TAG_KEYS,
    Question,
    Unmodelled,
    keys_of,
    mapping_at,
    maps,
    name_of,
    need,
    pass_role,
    some,
    tags_of,
)
from infra.offline.authorization.requests.training import sagemaker_arn, tagging_on_creation
from infra.offline.authorization.wire import Call, WireError

_APP_KEYS = TAG_KEYS | keys_of(
    "sagemaker",
    "ImageArns",
    "ImageVersionArns",
    "InstanceTypes",
    "OwnerUserProfileArn",
    "SpaceSharingType",
    "StudioLifecycleConfigArns",
)
_STUDIO_NAME = r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}"
_IMAGE_NAME = r"[a-zA-Z0-9](?:[-.]?[a-zA-Z0-9]){0,62}"


@maps("sagemaker", "CreateApp", "DescribeApp", "DeleteApp")
def _app(call: Call, account: str) -> Iterator[Question]:
    domain = name_of(call, "DomainId", r"d-(?:-*[a-z0-9]){1,61}")
    if ("SpaceName" in call.params) == ("UserProfileName" in call.params):
        raise WireError("ValidationException", "give either SpaceName or UserProfileName")
    member = "SpaceName" if "SpaceName" in call.params else "UserProfileName"
    owner = name_of(call, member, _STUDIO_NAME)
    kind = name_of(call, "AppType", r"[A-Za-z]+").lower()
    name = name_of(call, "AppName", _STUDIO_NAME)
    arn = sagemaker_arn(call, account, f"app/{domain}/{owner}/{kind}/{name}")
    context: dict[str, Value] = {}
    if call.operation != "DescribeApp":
        context = _ownership(call, account, domain, owner if member == "SpaceName" else None)
        if member == "UserProfileName":
            profile = sagemaker_arn(call, account, f"user-profile/{domain}/{owner}")
            context["sagemaker:OwnerUserProfileArn"] = profile
    tags: dict[str, Value] = {}
    if call.operation == "CreateApp":
        spec = call.params.get("ResourceSpec") or {}
        tags = tags_of(call.params.get("Tags"))
        context |= tags
        context |= some(
            sagemaker__InstanceTypes=_list(spec.get("InstanceType")),
            sagemaker__ImageArns=[t for t in (spec.get("SageMakerImageArn"),) if t],
            sagemaker__ImageVersionArns=[t for t in (spec.get("SageMakerImageVersionArn"),) if t],
            sagemaker__StudioLifecycleConfigArns=[
                t for t in (spec.get("LifecycleConfigArn"),) if t
            ],
        )
    yield Question(f"sagemaker:{call.operation}", arn, context, _APP_KEYS)
    yield from tagging_on_creation(call, arn, tags)


def _list(value: Any) -> list[Any]:
    return [value] if value else []


def _ownership(call: Call, account: str, domain: str, space: str | None) -> dict[str, Value]:
    found = None if space is None else state.space(account, call.region, domain, space)
    if found is None:
        return {}
    return some(
        sagemaker__OwnerUserProfileArn=sagemaker_arn(
            call, account, f"user-profile/{domain}/{found.owner}"
        ),
        sagemaker__SpaceSharingType=mapping_at(found.settings, "SpaceSharingSettings").get(
            "SharingType"
        ),
    )


@maps("sagemaker", "CreatePresignedDomainUrl")
def _presigned_url(call: Call, account: str) -> Iterator[Question]:
    domain = name_of(call, "DomainId", r"d-(?:-*[a-z0-9]){1,61}")
    profile = name_of(call, "UserProfileName", _STUDIO_NAME)
    arn = sagemaker_arn(call, account, f"user-profile/{domain}/{profile}")
    yield Question("sagemaker:CreatePresignedDomainUrl", arn)


@maps("sagemaker", "CreateImage", "UpdateImage", "DescribeImage", "DeleteImage")
def _image(call: Call, account: str) -> Iterator[Question]:
    arn = sagemaker_arn(call, account, f"image/{name_of(call, 'ImageName', _IMAGE_NAME)}")
    tags = tags_of(call.params.get("Tags"))
    yield Question(f"sagemaker:{call.operation}", arn, tags, TAG_KEYS)
    yield from tagging_on_creation(call, arn, tags)
    if call.operation == "CreateImage":
        need(call, "RoleArn")
    yield from pass_role(call.params.get("RoleArn"), "sagemaker.amazonaws.com")


@maps("sagemaker", "CreateImageVersion", "ListImageVersions")
def _versions_of_image(call: Call, account: str) -> Iterator[Question]:
    arn = sagemaker_arn(call, account, f"image/{name_of(call, 'ImageName', _IMAGE_NAME)}")
    yield Question(f"sagemaker:{call.operation}", arn)


@maps("sagemaker", "DescribeImageVersion", "UpdateImageVersion", "DeleteImageVersion")
def _image_version(call: Call, account: str) -> Iterator[Question]:
    if "Alias" in call.params:
        raise Unmodelled(f"{call.operation} by Alias is not modelled for roles; give Version")
    name, number = name_of(call, "ImageName", _IMAGE_NAME), call.params.get("Version")
    if number is None:
        number = state.latest_image_version(account, call.region, name)
    elif isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise WireError("ValidationException", f"Version {number!r} is no version's number")
    arn = sagemaker_arn(call, account, f"image-version/{name}/{number}")
    yield Question(f"sagemaker:{call.operation}", arn)


@maps(
    "sagemaker",
    "CreateAppImageConfig",
    "UpdateAppImageConfig",
    "DescribeAppImageConfig",
    "DeleteAppImageConfig",
)
def _app_image_config(call: Call, account: str) -> Iterator[Question]:
    name = name_of(call, "AppImageConfigName", _STUDIO_NAME)
    arn = sagemaker_arn(call, account, f"app-image-config/{name}")
    tags = tags_of(call.params.get("Tags"))
    yield Question(f"sagemaker:{call.operation}", arn, tags, TAG_KEYS)
    yield from tagging_on_creation(call, arn, tags)


_STUDIO = {
    "DescribeDomain": ("domain", ("DomainId",)),
    "DescribeUserProfile": ("user-profile", ("DomainId", "UserProfileName")),
    "DescribeSpace": ("space", ("DomainId", "SpaceName")),
    "DescribeStudioLifecycleConfig": (
        "studio-lifecycle-config",
        ("StudioLifecycleConfigName",),
    ),
}


@maps("sagemaker", *_STUDIO)
def _studio(call: Call, account: str) -> Iterator[Question]:
    kind, members = _STUDIO[call.operation]
    names = "/".join(name_of(call, member, r"[A-Za-z0-9\-]+") for member in members)
    yield Question(f"sagemaker:{call.operation}", sagemaker_arn(call, account, f"{kind}/{names}"))
