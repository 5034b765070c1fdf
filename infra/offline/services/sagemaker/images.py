"""SageMaker images: an image, its numbered versions of container images in ECR, and how an app runs
one.

A version is made from an image in the account's ECR and pinned to its digest. Images and versions
are records here, but as on AWS they become CREATED (or CREATE_FAILED) by themselves: describe them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from moto.sagemaker.exceptions import ResourceNotFound

from infra.offline.authorization import enforcement
from infra.offline.fidelity import Part
from infra.offline.services import ecr
from infra.offline.services.sagemaker import containers
from infra.offline.services.sagemaker.operations import (
    Request,
    Response,
    State,
    arn,
    in_use,
    invalid,
    listing,
    new_id,
    not_found,
    now,
    operation,
    state,
)
from infra.offline.services.sagemaker.studio import Resource, settings_of, update, within
from infra.offline.services.sagemaker.validation import Support

FIDELITY = Part(
    title="SageMaker images",
    emulated=(
        "images, versions (numbers never come again, digests are pinned), AppImageConfigs, what "
        "is in use"
    ),
    checked="by model; by client: the CDK CLI",
    differences=(
        "an image's role must be able to pull, or the version fails; an image must exist before "
        "a domain names it; aliases are refused"
    ),
)

SERVICE = "sagemaker.amazonaws.com"

#: What a version says of itself, without effect here.
_DESCRIBED: Support = {
    "VendorGuidance": None,
    "JobType": None,
    "MLFramework": None,
    "ProgrammingLang": None,
    "Processor": None,
    "Horovod": None,
    "ReleaseNotes": None,
}


@dataclass
class Image(Resource):
    """A set of versions under one name."""

    kind: ClassVar[str] = "image"
    name: str
    status: str = "CREATING"
    failure: str = ""
    #: Versions that are there, by number.
    versions: dict[int, Version] = field(default_factory=dict)
    #: The highest number ever given: a deleted version's is not given again.
    last_version: int = 0

    @property
    def role(self) -> str:
        return str(self.settings["RoleArn"])

    def summary(self) -> Response:
        shown: Response = {
            **{
                name: self.settings[name]
                for name in ("Description", "DisplayName")
                if name in self.settings
            },
            "ImageArn": self.arn,
            "ImageName": self.name,
            "ImageStatus": self.status,
            **self.times(),
        }
        if self.failure:
            shown["FailureReason"] = self.failure
        return shown

    def describe(self) -> Response:
        return {**self.settings, **self.summary()}


@dataclass
class Version(Resource):
    """One version of an image; once CREATED, `stored` is what it is."""

    kind: ClassVar[str] = "image-version"
    image: Image
    number: int
    status: str = "CREATING"
    failure: str = ""
    stored: ecr.Stored | None = None

    def summary(self) -> Response:
        shown: Response = {
            "ImageArn": self.image.arn,
            "ImageVersionArn": self.arn,
            "ImageVersionStatus": self.status,
            "Version": self.number,
            **self.times(),
        }
        if self.failure:
            shown["FailureReason"] = self.failure
        return shown

    def describe(self) -> Response:
        shown = {**self.settings, **self.summary()}
        if self.stored is not None:
            shown["ContainerImage"] = self.stored.uri
        return shown


@dataclass
class AppImageConfig(Resource):
    """How an app runs an image: its entrypoint, arguments and environment."""

    kind: ClassVar[str] = "app-image-config"
    name: str

    def summary(self) -> Response:
        return {
            "AppImageConfigArn": self.arn,
            "AppImageConfigName": self.name,
            **self.settings,
            **self.times(),
        }

    def container(self) -> Mapping[str, Any]:
        lab = self.settings.get("JupyterLabAppImageConfig", {})
        found: Mapping[str, Any] = lab.get("ContainerConfig", {})
        return found


# --- what is there --------------------------------------------------------------------------------
def image_of(kept: State, name: str) -> Image:
    if name not in kept.images:
        raise not_found("Image", name)
    return kept.images[name]


def config_of(kept: State, name: str) -> AppImageConfig:
    if name not in kept.image_configs:
        raise not_found("AppImageConfig", name)
    return kept.image_configs[name]


def version_of(kept: State, name: str, number: int | None) -> Version:
    """The version `number` of an image, or its latest."""
    image = image_of(kept, name)
    if number is None:
        if not image.versions:
            raise not_found("ImageVersion", f"{name} (latest)")
        number = max(image.versions)
    if number not in image.versions:
        raise not_found("ImageVersion", f"{name}/{number}")
    return image.versions[number]


def attached(settings: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The custom images that a domain's or profile's settings attach to JupyterLab."""
    lab = (settings or {}).get("JupyterLabAppSettings", {})
    found: list[dict[str, Any]] = lab.get("CustomImages", [])
    return found


def _users(kept: State) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every attachment, with the domain or profile that has it."""
    for domain in kept.domains.values():
        for custom in attached(domain.settings.get("DefaultUserSettings")):
            yield domain.arn, custom
    for profile in kept.profiles.values():
        for custom in attached(profile.settings.get("UserSettings")):
            yield profile.arn, custom


def _running(kept: State) -> Iterable[tuple[str, Version]]:
    for apps in kept.apps.values():
        for app in apps:
            if app.active and app.version is not None:
                yield app.arn, app.version


# --- images ---------------------------------------------------------------------------------------
@operation(
    "CreateImage",
    {"ImageName": None, "RoleArn": None, "Description": None, "DisplayName": None, "Tags": None},
)
def create_image(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["ImageName"]
    with kept.lock:
        if name in kept.images:
            raise in_use(
                f"The Image with ImageName {name} already exists. Please use a different ImageName."
            )
        moment = now()
        image = Image(
            arn=arn(backend, "image", name),
            settings={"DisplayName": name, **settings_of(request, without=("ImageName",))},
            tags=request.get("Tags", []),
            created=moment,
            modified=moment,
            name=name,
        )
        kept.images[name] = image
    _soon(kept, lambda: _finish_image(image))
    return {"ImageArn": image.arn}


def _finish_image(image: Image) -> None:
    """A role that SageMaker cannot assume fails the image, not the call: seen in the tests of
    Terraform's AWS provider, pull request 16082."""
    if enforcement.service_may_assume(image.role, SERVICE, source_arn=image.arn):
        image.status, image.failure = "CREATED", ""
        return
    image.status = "CREATE_FAILED"
    image.failure = (
        f"Could not assume role {image.role}. Please ensure that the role exists and allows "
        f"principal '{SERVICE}' to assume the role."
    )


@operation("DescribeImage", {"ImageName": None})
def describe_image(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return image_of(kept, request["ImageName"]).describe()


_TIMES: Support = {
    "CreationTimeAfter": None,
    "CreationTimeBefore": None,
    "LastModifiedTimeAfter": None,
    "LastModifiedTimeBefore": None,
}
_PAGES: Support = {"MaxResults": None, "NextToken": None, "SortBy": None, "SortOrder": None}


@operation("ListImages", {**_TIMES, **_PAGES, "NameContains": None})
def list_images(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        found = [
            image
            for image in kept.images.values()
            if request.get("NameContains", "") in image.name and _in_time(image, request)
        ]
        return _page(request, found, "Images", {"IMAGE_NAME": lambda image: image.name})


def _in_time(resource: Resource, request: Request) -> bool:
    return within(resource.created, request, "CreationTime") and within(
        resource.modified, request, "LastModifiedTime"
    )


def _page(request: Request, found: list[Any], key: str, orders: dict[str, Any]) -> Response:
    """A page of a listing whose words for its order are written large."""
    order = {
        "CREATION_TIME": lambda each: (each.created, each.arn),
        "LAST_MODIFIED_TIME": lambda each: (each.modified, each.arn),
        **orders,
    }[request.get("SortBy", "CREATION_TIME")]
    small = {**request, "SortOrder": request.get("SortOrder", "DESCENDING").capitalize()}
    return listing(small, found, key, summary=lambda each: each.summary(), order=order)


@operation(
    "UpdateImage",
    {
        "ImageName": None,
        "RoleArn": None,
        "Description": None,
        "DisplayName": None,
        "DeleteProperties": None,
    },
)
def update_image(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        image = image_of(kept, request["ImageName"])
        if image.status not in ("CREATED", "CREATE_FAILED", "UPDATE_FAILED"):
            raise in_use(f"Image {image.name} is in an invalid state.")
        gone = request.pop("DeleteProperties", [])
        update(image, request, keys=("ImageName",))
        for name in gone:
            image.settings.pop(name, None)
        image.status = "UPDATING"
    _soon(kept, lambda: _finish_image(image))
    return {"ImageArn": image.arn}


@operation("DeleteImage", {"ImageName": None})
def delete_image(backend: Any, request: Request) -> Response:
    """AWS: "Deletes a SageMaker AI image and all versions of the image." """
    kept = state(backend)
    name = request["ImageName"]
    with kept.lock:
        image = image_of(kept, name)
        for user, custom in _users(kept):
            if custom["ImageName"] == name:
                raise in_use(f"Unable to delete Image [{name}] because {user} uses it. Detach it.")
        for app, version in _running(kept):
            if version.image is image:
                raise in_use(f"Unable to delete Image [{name}] because {app} runs it.")
        del kept.images[name]
    return {}


# --- versions -------------------------------------------------------------------------------------
@operation(
    "CreateImageVersion",
    {"BaseImage": None, "ClientToken": None, "ImageName": None, **_DESCRIBED},
)
def create_image_version(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name, token = request["ImageName"], request["ClientToken"]
    with kept.lock:
        image = image_of(kept, name)
        if (name, token) in kept.version_tokens:
            return {"ImageVersionArn": kept.version_tokens[name, token]}
        if image.status != "CREATED":
            raise invalid(f"Image {name} is in an invalid state.")
        image.last_version += 1
        number = image.last_version
        moment = now()
        version = Version(
            arn=arn(backend, "image-version", name, str(number)),
            settings=settings_of(request, without=("ImageName", "ClientToken")),
            tags=[],
            created=moment,
            modified=moment,
            image=image,
            number=number,
        )
        image.versions[number] = version
        kept.version_tokens[name, token] = version.arn
    _soon(kept, lambda: _finish_version(version))
    return {"ImageVersionArn": version.arn}


def _finish_version(version: Version) -> None:
    base = version.settings["BaseImage"]
    reference = containers.own(base)
    if reference is None:
        version.failure = (
            f"The embedded cloud takes images from this account's ECR only, not {base}."
        )
    elif (stored := ecr.find(reference)) is None:
        version.failure = f"The base image {base} does not exist in ECR."
    elif denied := containers.refusal(version.image.role, reference):
        version.failure = f"The image's role may not pull {base}: {denied}"
    else:
        version.stored = stored
    version.status = "CREATED" if version.stored else "CREATE_FAILED"


@operation("DescribeImageVersion", {"ImageName": None, "Version": None})
def describe_image_version(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return version_of(kept, request["ImageName"], request.get("Version")).describe()


@operation("ListImageVersions", {**_TIMES, **_PAGES, "ImageName": None})
def list_image_versions(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        versions = image_of(kept, request["ImageName"]).versions.values()
        found = [version for version in versions if _in_time(version, request)]
        return _page(request, found, "ImageVersions", {"VERSION": lambda each: each.number})


@operation("UpdateImageVersion", {"ImageName": None, "Version": None, **_DESCRIBED})
def update_image_version(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        version = version_of(kept, request["ImageName"], request.get("Version"))
        update(version, request, keys=("ImageName", "Version"))
        return {"ImageVersionArn": version.arn}


@operation("DeleteImageVersion", {"ImageName": None, "Version": None})
def delete_image_version(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["ImageName"]
    if "Version" not in request:
        raise invalid("Version is required: the embedded cloud has no aliases of versions.")
    with kept.lock:
        version = version_of(kept, name, request["Version"])
        for user, custom in _users(kept):
            if (custom["ImageName"], custom.get("ImageVersionNumber")) == (name, version.number):
                raise in_use(
                    f"Unable to delete ImageVersion [{name}/{version.number}] because {user} uses "
                    "it. Detach it."
                )
        for app, running in _running(kept):
            if running is version:
                raise in_use(
                    f"Unable to delete ImageVersion [{name}/{version.number}] because {app} runs "
                    "it."
                )
        del version.image.versions[version.number]
    return {}


# --- how an app runs an image ---------------------------------------------------------------------
#: FileSystemConfig is not here: "The FileSystemConfig object is not supported" for JupyterLab.
_CONFIG: Support = {
    "JupyterLabAppImageConfig": {
        "ContainerConfig": {
            "ContainerArguments": None,
            "ContainerEntrypoint": None,
            "ContainerEnvironmentVariables": None,
        }
    }
}


@operation("CreateAppImageConfig", {"AppImageConfigName": None, **_CONFIG, "Tags": None})
def create_app_image_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["AppImageConfigName"]
    with kept.lock:
        if name in kept.image_configs:
            raise in_use("The ID or Name specified is already in use.")
        moment = now()
        config = AppImageConfig(
            arn=arn(backend, "app-image-config", name),
            settings=settings_of(request, without=("AppImageConfigName",)),
            tags=request.get("Tags", []),
            created=moment,
            modified=moment,
            name=name,
        )
        kept.image_configs[name] = config
    return {"AppImageConfigArn": config.arn}


@operation("DescribeAppImageConfig", {"AppImageConfigName": None})
def describe_app_image_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return config_of(kept, request["AppImageConfigName"]).summary()


@operation("UpdateAppImageConfig", {"AppImageConfigName": None, **_CONFIG})
def update_app_image_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        config = config_of(kept, request.pop("AppImageConfigName"))
        # A configuration is replaced whole: a variable that is gone from it is gone.
        config.settings.update(request)
        config.modified = now()
        return {"AppImageConfigArn": config.arn}


@operation("DeleteAppImageConfig", {"AppImageConfigName": None})
def delete_app_image_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["AppImageConfigName"]
    with kept.lock:
        config_of(kept, name)
        # Its reference in the API knows no ResourceInUse: a domain may name what is gone.
        del kept.image_configs[name]
    return {}


@operation(
    "ListAppImageConfigs",
    {
        **_PAGES,
        "NameContains": None,
        "CreationTimeAfter": None,
        "CreationTimeBefore": None,
        "ModifiedTimeAfter": None,
        "ModifiedTimeBefore": None,
    },
)
def list_app_image_configs(backend: Any, request: Request) -> Response:
    kept = state(backend)
    orders: dict[str, Any] = {
        "Name": lambda each: each.name,
        "CreationTime": lambda each: (each.created, each.name),
        "LastModifiedTime": lambda each: (each.modified, each.name),
    }
    with kept.lock:
        found = [
            config
            for config in kept.image_configs.values()
            if request.get("NameContains", "") in config.name
            and within(config.created, request, "CreationTime")
            and within(config.modified, request, "ModifiedTime")
        ]
        return listing(
            request,
            found,
            "AppImageConfigs",
            summary=lambda each: each.summary(),
            order=orders[request.get("SortBy", "CreationTime")],
            newest_first=True,
        )


# --- which image an app runs ----------------------------------------------------------------------
@dataclass(frozen=True)
class Choice:
    """What an app is to run: a version of an image, as a configuration says."""

    version: Version
    config: AppImageConfig
    stored: ecr.Stored


def choose(
    kept: State, app_arn: str, spec: Mapping[str, Any], custom_images: list[dict[str, Any]]
) -> Choice:
    """The image of a ResourceSpec that names one, among those that are attached.

    SageMakerImageVersionArn takes precedence over SageMakerImageArn, as the API reference of
    ResourceSpec says; that the two name one image is asked here.
    """
    if "SageMakerImageVersionAlias" in spec:
        raise invalid(
            "The embedded cloud has no aliases of versions: give SageMakerImageVersionArn."
        )
    name, number = _named(kept, spec)
    custom = next((each for each in custom_images if each["ImageName"] == name), None)
    if custom is None:
        raise not_attached(app_arn, name)
    pinned = custom.get("ImageVersionNumber")
    if number is not None and pinned is not None and number != pinned:
        raise invalid(
            f"Unable to launch App [{app_arn}] with version {number} of Image [{name}]: the list "
            f"of custom images in AppSettings has version {pinned}."
        )
    version = version_of(kept, name, pinned if number is None else number)
    if version.status != "CREATED" or version.stored is None:
        raise invalid(
            f"ImageVersion [{name}/{version.number}] is {version.status}, not CREATED."
            f" {version.failure}".rstrip()
        )
    config = config_of(kept, custom["AppImageConfigName"])
    # The container image is not part of the version: it may be gone from ECR meanwhile.
    reference = ecr.Reference.parse(version.stored.uri)
    stored = None if reference is None else ecr.find(reference)
    if stored is None:
        raise invalid(f"The container image {version.stored.uri} does not exist in ECR any more.")
    wanted, present = config.container().get("ContainerEntrypoint"), containers.entrypoint(stored)
    if wanted and list(wanted) != present:
        raise invalid(
            f"The embedded cloud does not run the ContainerEntrypoint {wanted} of AppImageConfig "
            f"[{config.name}]: it stands for the image's own, {present}. Leave it out."
        )
    try:
        containers.check(stored)
    except containers.NotOfTheAcademy as error:
        raise invalid(f"{str(error)[:1].upper()}{str(error)[1:]}") from error
    return Choice(version, config, stored)


def _named(kept: State, spec: Mapping[str, Any]) -> tuple[str, int | None]:
    """Image name and version number that a ResourceSpec names."""
    image_arn, version_arn = spec.get("SageMakerImageArn"), spec.get("SageMakerImageVersionArn")
    if version_arn in (None, "None"):
        for image in kept.images.values():
            if image.arn == image_arn:
                return image.name, None
        raise not_found("Image", str(image_arn))
    for image in kept.images.values():
        for version in image.versions.values():
            if version.arn == version_arn:
                if image_arn not in (None, image.arn):
                    raise invalid(f"{version_arn} is no version of {image_arn}.")
                return image.name, version.number
    raise not_found("ImageVersion", str(version_arn))


def not_attached(app_arn: str, name: str) -> ResourceNotFound:
    """As Studio words it: aws/amazon-sagemaker-feedback, issue 110."""
    return ResourceNotFound(
        message=f"Unable to launch App [{app_arn}] with Image [{name}] because it is not present "
        f"in list of custom images in AppSettings. Please update AppSettings to add Image [{name}] "
        "in list of custom images."
    )


def _soon(kept: State, finish: Any) -> None:
    """Let what was created become so after the call has returned, as on AWS."""

    def later() -> None:
        with kept.lock:
            finish()

    threading.Thread(target=later, name=f"image-{new_id(4)}", daemon=True).start()
