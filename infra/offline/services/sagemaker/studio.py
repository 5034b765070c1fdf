"""Studio's standing resources: domains, user profiles, spaces, lifecycle configurations.

They are records: nothing of them runs or bills. As on AWS a domain, a profile and a space are
Pending, then InService (or Failed, and say why); Updating, then InService; Deleting, then gone.
What must wait for such a change is refused. What acts on these records is an app (`apps`).
"""

from __future__ import annotations

import base64
import binascii
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from moto.ec2.models import ec2_backends
from moto.kms.models import kms_backends
from moto.sagemaker.exceptions import ResourceInUseException

from infra.offline import runtime
from infra.offline.fidelity import Part
from infra.offline.services import quotas
from infra.offline.services.sagemaker import networks, validation
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
    require_assumable,
    state,
    wrong_state,
)
from infra.offline.services.sagemaker.validation import Only, Support

FIDELITY = Part(
    title="SageMaker Studio",
    emulated=(
        "domains, profiles, private spaces, start scripts, apps; Pending, InService, Updating, "
        "Deleting; an app is a real JupyterLab in an environment of its own"
    ),
    checked="by client: AWS CLI; by model; refusals operation by operation",
    differences=(
        "states pass in milliseconds; the network of a VpcOnly domain is checked, and its spaces "
        "reach what this machine reaches; idle shutdown is recorded, never triggered; AWS's own "
        "image is this machine's Python; shared spaces, EFS and images that are not the "
        "academy's are refused; credentials are in the environment and do not expire; profiles "
        "and spaces never fail; `sagemaker:InstanceTypes` never has `system`; the app type in an "
        "ARN is compared in lower case"
    ),
)

APP_TYPE = "JupyterLab"
#: States of an app in which its domain's network cannot be changed.
_LIVE = ("InService", "Pending", "Deleting")

_RESOURCE_SPEC: Support = {
    "InstanceType": None,
    "LifecycleConfigArn": None,
    "SageMakerImageArn": None,
    "SageMakerImageVersionAlias": None,
    "SageMakerImageVersionArn": None,
}
_JUPYTER_LAB: Support = {
    "DefaultResourceSpec": _RESOURCE_SPEC,
    "LifecycleConfigArns": None,
    "BuiltInLifecycleConfigArn": None,
    "CustomImages": {"ImageName": None, "ImageVersionNumber": None, "AppImageConfigName": None},
    # Recorded: the embedded cloud never finds a space idle.
    "AppLifecycleManagement": None,
}
_STORAGE: Support = {"DefaultEbsStorageSettings": None}
_USER_SETTINGS: Support = {
    "ExecutionRole": None,
    "SecurityGroups": None,
    "SharingSettings": {
        "NotebookOutputOption": Only(("Disabled",), "notebooks are not shared through S3")
    },
    "JupyterLabAppSettings": _JUPYTER_LAB,
    "SpaceStorageSettings": _STORAGE,
    "DefaultLandingUri": None,
    "StudioWebPortal": None,
    "StudioWebPortalSettings": {
        "HiddenMlTools": None,
        "HiddenAppTypes": None,
        "HiddenInstanceTypes": None,
    },
    "AutoMountHomeEFS": Only(("Disabled", "DefaultAsDomain"), "there is no EFS here"),
}
_SPACE_DEFAULTS: Support = {
    "ExecutionRole": None,
    "SecurityGroups": None,
    "JupyterLabAppSettings": _JUPYTER_LAB,
    "SpaceStorageSettings": _STORAGE,
}
_DISABLED = Only(("DISABLED",), "it is always off here")
_DOMAIN_SETTINGS: Support = {
    "SecurityGroupIds": None,
    "ExecutionRoleIdentityConfig": _DISABLED,
    "DockerSettings": {"EnableDockerAccess": _DISABLED, "RootlessDocker": _DISABLED},
    "AmazonQSettings": {"Status": _DISABLED},
    "TrustedIdentityPropagationSettings": {"Status": _DISABLED},
    "IpAddressType": Only(("ipv4",), "networks have one kind of address here"),
}
_NO_EFS = Only(("Disabled",), "there is no EFS here; set it to Disabled")
_SPACE_SETTINGS: Support = {
    "AppType": Only((APP_TYPE,), "spaces run JupyterLab"),
    "JupyterLabAppSettings": {
        "DefaultResourceSpec": _RESOURCE_SPEC,
        "AppLifecycleManagement": None,
    },
    "SpaceStorageSettings": {"EbsStorageSettings": None},
    "SpaceManagedResources": _DISABLED,
    "RemoteAccess": _DISABLED,
}


@dataclass
class Resource:
    """What all of them have. `settings` is the part of the request that Describe gives back."""

    kind: ClassVar[str]
    arn: str
    settings: dict[str, Any]
    tags: list[dict[str, str]]
    created: datetime
    modified: datetime

    def times(self) -> Response:
        return {"CreationTime": self.created, "LastModifiedTime": self.modified}


@dataclass
class Standing(Resource):
    """A resource that comes, changes and goes by itself once it was told to."""

    status: str = field(default="Pending", init=False)
    failure: str = field(default="", init=False)

    @property
    def ready(self) -> bool:
        """Whether others may be made in it."""
        return self.status in ("InService", "Updating")

    def condition(self) -> Response:
        shown: Response = {"Status": self.status, **self.times()}
        return {**shown, "FailureReason": self.failure} if self.failure else shown

    def become_ready(self, kept: State, problem: Callable[[], str] = str) -> None:
        """InService soon; Failed if there is a `problem` then."""

        def finish() -> None:
            if self.status in ("Pending", "Updating"):
                self.failure = problem()
                self.status = "Failed" if self.failure else "InService"

        kept.soon(finish)

    def change(self, kept: State, request: Request, *, keys: tuple[str, ...]) -> None:
        """Overwrite what the request names, and be Updating for a while."""
        update(self, request, keys=keys)
        self.status = "Updating"
        self.become_ready(kept)

    def require_in_service(self, verb: str) -> None:
        if self.status != "InService":
            raise wrong_state(verb, f"{type(self).__name__} [{self.arn}]", self)

    def leave(self, kept: State, finish: Callable[[], object]) -> None:
        """Deleting for a while, then gone. What failed may be deleted, too."""
        if self.status in ("Pending", "Updating", "Deleting"):
            raise wrong_state("delete", f"{type(self).__name__} [{self.arn}]", self)
        self.status = "Deleting"
        kept.soon(finish)


@dataclass
class Domain(Standing):
    kind: ClassVar[str] = "domain"
    id: str
    name: str

    @property
    def url(self) -> str:
        return f"https://{self.id}.studio.{self.arn.split(':')[3]}.sagemaker.aws"

    def summary(self) -> Response:
        return {
            "DomainArn": self.arn,
            "DomainId": self.id,
            "DomainName": self.name,
            "Status": self.status,
            "Url": self.url,
            **self.times(),
        }

    def describe(self) -> Response:
        return {**self.settings, **self.summary(), **self.condition()}


@dataclass
class UserProfile(Standing):
    kind: ClassVar[str] = "user-profile"
    domain_id: str
    name: str

    def summary(self) -> Response:
        return {
            "DomainId": self.domain_id,
            "UserProfileName": self.name,
            "Status": self.status,
            **self.times(),
        }

    def describe(self) -> Response:
        return {
            **self.settings,
            "UserProfileArn": self.arn,
            **self.summary(),
            **self.condition(),
        }


@dataclass
class Space(Standing):
    kind: ClassVar[str] = "space"
    domain_id: str
    name: str

    @property
    def owner(self) -> str:
        return str(self.settings["OwnershipSettings"]["OwnerUserProfileName"])

    @property
    def folder(self) -> Path:
        """Holds the space's home and its apps' environments. Names are safe as AWS patterns."""
        return runtime.current().state / "spaces" / self.domain_id / self.name

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def summary(self) -> Response:
        settings = self.settings.get("SpaceSettings", {})
        shown: Response = {
            "DomainId": self.domain_id,
            "SpaceName": self.name,
            "Status": self.status,
            **self.times(),
            "SpaceSettingsSummary": {
                "AppType": settings.get("AppType", APP_TYPE),
                **{
                    name: settings[name]
                    for name in ("SpaceStorageSettings", "RemoteAccess")
                    if name in settings
                },
            },
            "SpaceSharingSettingsSummary": self.settings["SpaceSharingSettings"],
            "OwnershipSettingsSummary": self.settings["OwnershipSettings"],
        }
        if "SpaceDisplayName" in self.settings:
            shown["SpaceDisplayName"] = self.settings["SpaceDisplayName"]
        return shown

    def describe(self) -> Response:
        region = self.arn.split(":")[3]
        return {
            **self.settings,
            "DomainId": self.domain_id,
            "SpaceArn": self.arn,
            "SpaceName": self.name,
            "Url": f"https://{self.domain_id}.studio.{region}.sagemaker.aws/jupyterlab/default",
            **self.condition(),
        }


@dataclass
class LifecycleConfig(Resource):
    kind: ClassVar[str] = "studio-lifecycle-config"
    name: str
    script: bytes = field(repr=False)

    def summary(self) -> Response:
        return {
            "StudioLifecycleConfigArn": self.arn,
            "StudioLifecycleConfigName": self.name,
            "StudioLifecycleConfigAppType": self.settings["StudioLifecycleConfigAppType"],
            **self.times(),
        }

    def describe(self) -> Response:
        return {**self.settings, **self.summary()}


# --- what is there ------------------------------------------------------------------------------
def domain_of(kept: State, domain_id: str) -> Domain:
    if domain_id not in kept.domains:
        raise not_found("Domain", domain_id)
    return kept.domains[domain_id]


def profile_of(kept: State, domain_id: str, name: str) -> UserProfile:
    domain_of(kept, domain_id)
    if (domain_id, name) not in kept.profiles:
        raise not_found("UserProfile", name)
    return kept.profiles[domain_id, name]


def space_of(kept: State, domain_id: str, name: str) -> Space:
    domain_of(kept, domain_id)
    if (domain_id, name) not in kept.spaces:
        raise not_found("Space", name)
    return kept.spaces[domain_id, name]


def user_settings(kept: State, domain_id: str, profile: str, *path: str) -> Any:
    """A setting at `path` as it holds for `profile`: its own, or else the domain's."""
    own = profile_of(kept, domain_id, profile).settings.get("UserSettings", {})
    default = domain_of(kept, domain_id).settings["DefaultUserSettings"]
    for settings in (own, default):
        found = _at(settings, *path)
        if found is not None:
            return found
    return None


def _at(settings: Mapping[str, Any], *path: str) -> Any:
    found: Any = settings
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


# --- checks that need other resources -----------------------------------------------------------
def _check_settings(kept: State, settings: Mapping[str, Any] | None, *, source_arn: str) -> None:
    """The roles and lifecycle configurations that user or space defaults name must exist."""
    if not settings:
        return
    if "ExecutionRole" in settings:
        require_assumable(settings["ExecutionRole"], source_arn=source_arn)
    storage = _at(settings, "SpaceStorageSettings", "DefaultEbsStorageSettings")
    if storage and storage["DefaultEbsVolumeSizeInGb"] > storage["MaximumEbsVolumeSizeInGb"]:
        raise invalid("DefaultEbsVolumeSizeInGb must not exceed MaximumEbsVolumeSizeInGb.")
    lab = settings.get("JupyterLabAppSettings", {})
    attached = lab.get("LifecycleConfigArns", [])
    default = _at(lab, "DefaultResourceSpec", "LifecycleConfigArn")
    if default not in (None, "None") and default not in attached:
        raise invalid(
            f"DefaultResourceSpec.LifecycleConfigArn {default} must be one of LifecycleConfigArns."
        )
    for config_arn in [*attached, lab.get("BuiltInLifecycleConfigArn", "None")]:
        if config_arn != "None":
            config_of_arn(kept, config_arn)
    for custom in lab.get("CustomImages", ()):
        _check_custom_image(kept, custom)


def _check_custom_image(kept: State, custom: Mapping[str, Any]) -> None:
    """What is attached must exist."""
    name, number = custom["ImageName"], custom.get("ImageVersionNumber")
    if name not in kept.images:
        raise not_found("Image", name)
    if number is not None and number not in kept.images[name].versions:
        raise not_found("ImageVersion", f"{name}/{number}")
    if custom["AppImageConfigName"] not in kept.image_configs:
        raise not_found("AppImageConfig", custom["AppImageConfigName"])


def config_of_arn(kept: State, config_arn: str) -> LifecycleConfig:
    """The lifecycle configuration for JupyterLab with this ARN."""
    for config in kept.configs.values():
        if config.arn == config_arn:
            app_type = config.settings["StudioLifecycleConfigAppType"]
            if app_type != APP_TYPE:
                raise invalid(f"{config_arn} is a lifecycle configuration for {app_type} apps.")
            return config
    raise not_found("StudioLifecycleConfig", config_arn)


def _check_network(backend: Any, request: Request) -> None:
    subnets = request.get("SubnetIds", [])
    if not subnets or "VpcId" not in request:
        raise invalid("VpcId and SubnetIds are required: a domain's apps run in a VPC.")
    network: Any = ec2_backends[backend.account_id][backend.region_name]
    if request["VpcId"] not in network.vpcs:
        return  # found out later: the domain fails
    known = networks.subnets(backend)
    for subnet in subnets:
        if known.get(subnet) != request["VpcId"]:
            raise invalid(f"Subnet {subnet} does not exist in VPC {request['VpcId']}.")


def _check_groups(backend: Any, vpc: str, request: Request) -> None:
    """The security groups that a request names must stand in the domain's VPC."""
    for path in (
        ("DefaultUserSettings", "SecurityGroups"),
        ("DefaultSpaceSettings", "SecurityGroups"),
        ("DomainSettings", "SecurityGroupIds"),
        ("DomainSettingsForUpdate", "SecurityGroupIds"),
        ("UserSettings", "SecurityGroups"),
    ):
        networks.require_groups(backend, _at(request, *path) or (), vpc)


def _require_a_group(domain: Domain, settings: Mapping[str, Any]) -> None:
    """Source: SecurityGroups of UserSettings in the API reference, required with VpcOnly unless the
    domain's defaults name some."""
    default = _at(domain.settings, "DefaultUserSettings", "SecurityGroups")
    if (
        domain.settings["AppNetworkAccessType"] == "VpcOnly"
        and not default
        and not settings.get("SecurityGroups")
    ):
        raise invalid(
            "UserSettings.SecurityGroups is required: the domain is VpcOnly, and its "
            "DefaultUserSettings name none."
        )


def _check_access(kept: State, domain: Domain, request: Request) -> None:
    """A change of AppNetworkAccessType. Source: UpdateDomain in the API reference; AWS's words of
    what must be named: hashicorp/terraform-provider-aws issue 45528."""
    wanted = request.get("AppNetworkAccessType")
    if wanted == "VpcOnly" and not ("VpcId" in request and "SubnetIds" in request):
        raise invalid("VpcId and Subnet IDs are required for updating domains to VpcOnly mode.")
    if wanted is None or wanted == domain.settings["AppNetworkAccessType"]:
        return
    live = [
        space
        for (domain_id, space), apps in kept.apps.items()
        if domain_id == domain.id and any(app.status in _LIVE for app in apps)
    ]
    if live:
        raise invalid(
            f"AppNetworkAccessType of domain {domain.id} cannot be changed while there are apps "
            f"that are InService, Pending or Deleting: {', '.join(sorted(live)[:5])}."
        )


def _domain_problem(backend: Any, domain: Domain) -> str:
    """Why a domain does not come up. AWS looks for network and key after the call has returned:
    hashicorp/terraform-provider-aws issue 29078 has its words of a VPC."""
    network: Any = ec2_backends[backend.account_id][backend.region_name]
    vpc = domain.settings.get("VpcId")
    if vpc not in network.vpcs:
        return (
            f"ResourceNotFoundError: The VPC ID '{vpc}' could not be found. Verify that the VPC ID "
            "is valid and that it's in the same AWS Region as the requested domain."
        )
    key = domain.settings.get("KmsKeyId")
    if key is not None and not _key_exists(backend, key):
        return f"ConfigurationError: KMS key '{key}' does not exist"
    return ""


def _key_exists(backend: Any, named: str) -> bool:
    keys: Any = kms_backends[backend.account_id][backend.region_name]
    bare = named.rsplit(":", 1)[-1]
    if bare.startswith("alias/"):
        return any(bare in key.aliases for key in list(keys.keys.values()))
    return bare.removeprefix("key/") in keys.keys


def settings_of(request: Request, *, without: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in (*without, "Tags")}


def update(resource: Resource, request: Request, *, keys: tuple[str, ...]) -> None:
    """Overwrite what the request names; within a structure, the members that it names."""
    for name, value in request.items():
        if name in keys:
            continue
        before = resource.settings.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            value = {**before, **value}
        resource.settings[name] = value
    resource.modified = now()


# --- domains ------------------------------------------------------------------------------------
@operation(
    "CreateDomain",
    {
        "DomainName": None,
        "AuthMode": Only(("IAM",), "there is no Identity Center here"),
        "DefaultUserSettings": _USER_SETTINGS,
        "DefaultSpaceSettings": _SPACE_DEFAULTS,
        "DomainSettings": _DOMAIN_SETTINGS,
        "SubnetIds": None,
        "VpcId": None,
        "AppNetworkAccessType": None,
        "KmsKeyId": None,
        "HomeEfsFileSystemCreation": _NO_EFS,
        "TagPropagation": _DISABLED,
        "Tags": None,
    },
)
def create_domain(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["DomainName"]
    if request.get("HomeEfsFileSystemCreation") != "Disabled":
        raise invalid(
            "The embedded cloud has no EFS: set the domain's HomeEfsFileSystemCreation to Disabled."
        )
    if "ExecutionRole" not in request["DefaultUserSettings"]:
        raise invalid("DefaultUserSettings.ExecutionRole is required.")
    _check_network(backend, request)
    _check_groups(backend, request["VpcId"], request)
    with kept.lock:
        if any(domain.name == name for domain in kept.domains.values()):
            raise in_use(f"Domain with name {name} already exists. Choose a different name.")
        # A domain that failed counts until it is deleted: aws/amazon-sagemaker-examples issue 1564.
        quotas.require(quotas.DOMAINS, in_use=len(kept.domains), unit="Domains")
        domain_id = f"d-{new_id()}"
        domain_arn = arn(backend, "domain", domain_id)
        for settings in ("DefaultUserSettings", "DefaultSpaceSettings"):
            _check_settings(kept, request.get(settings), source_arn=domain_arn)
        moment = now()
        domain = Domain(
            arn=domain_arn,
            settings={
                "AppNetworkAccessType": "PublicInternetOnly",
                "TagPropagation": "DISABLED",
                **settings_of(request, without=("DomainName",)),
            },
            tags=request.get("Tags", []),
            created=moment,
            modified=moment,
            id=domain_id,
            name=name,
        )
        kept.domains[domain_id] = domain
        domain.become_ready(kept, lambda: _domain_problem(backend, domain))
    return {"DomainArn": domain.arn, "DomainId": domain.id, "Url": domain.url}


@operation("DescribeDomain", {"DomainId": None})
def describe_domain(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return domain_of(kept, request["DomainId"]).describe()


@operation("ListDomains", {"NextToken": None, "MaxResults": None})
def list_domains(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return listing(
            request,
            kept.domains.values(),
            "Domains",
            summary=Domain.summary,
            order=lambda domain: (domain.created, domain.id),
        )


@operation(
    "UpdateDomain",
    {
        "DomainId": None,
        "DefaultUserSettings": _USER_SETTINGS,
        "DefaultSpaceSettings": _SPACE_DEFAULTS,
        "DomainSettingsForUpdate": _DOMAIN_SETTINGS,
        "AppNetworkAccessType": None,
        "HomeEfsFileSystemCreation": _NO_EFS,
        "TagPropagation": _DISABLED,
        "SubnetIds": None,
        "VpcId": None,
    },
)
def update_domain(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        domain = domain_of(kept, request["DomainId"])
        domain.require_in_service("update")
        _check_access(kept, domain, request)
        _check_groups(backend, domain.settings["VpcId"], request)
        if "SubnetIds" in request or "VpcId" in request:
            _check_network(backend, {**domain.settings, **request})
        for settings in ("DefaultUserSettings", "DefaultSpaceSettings"):
            _check_settings(kept, request.get(settings), source_arn=domain.arn)
        if "DomainSettingsForUpdate" in request:
            request["DomainSettings"] = request.pop("DomainSettingsForUpdate")
        domain.change(kept, request, keys=("DomainId",))
        return {"DomainArn": domain.arn}


@operation("DeleteDomain", {"DomainId": None, "RetentionPolicy": {"HomeEfsFileSystem": None}})
def delete_domain(backend: Any, request: Request) -> Response:
    kept = state(backend)
    domain_id = request["DomainId"]
    with kept.lock:
        domain = domain_of(kept, domain_id)
        for what, there in (("UserProfile", kept.profiles), ("Space", kept.spaces)):
            names = sorted(name for of, name in there if of == domain_id)
            if names:
                raise associated(domain, what, names)
        domain.leave(kept, lambda: kept.domains.pop(domain_id))
    folder = runtime.current().state / "spaces" / domain_id
    shutil.rmtree(folder, ignore_errors=True)
    return {}


def associated(resource: Standing, what: str, names: list[str]) -> ResourceInUseException:
    """As AWS words it: aws/amazon-sagemaker-feedback issue 113."""
    return in_use(
        f"Unable to delete {type(resource).__name__} [{resource.arn}] because {what}(s) are "
        f"associated with it: {', '.join(names[:5])}. Delete them first."
    )


# --- user profiles ------------------------------------------------------------------------------
@operation(
    "CreateUserProfile",
    {"DomainId": None, "UserProfileName": None, "UserSettings": _USER_SETTINGS, "Tags": None},
)
def create_user_profile(backend: Any, request: Request) -> Response:
    kept = state(backend)
    domain_id, name = request["DomainId"], request["UserProfileName"]
    with kept.lock:
        domain = domain_of(kept, domain_id)
        if (domain_id, name) in kept.profiles:
            raise in_use(f"UserProfile [{name}] already exists in Domain [{domain_id}].")
        if not domain.ready:
            raise wrong_state("create", f"UserProfile [{name}]", domain)
        quotas.require(quotas.PROFILES, in_use=len(kept.profiles), unit="UserProfiles")
        profile_arn = arn(backend, "user-profile", domain_id, name)
        _check_groups(backend, domain.settings["VpcId"], request)
        _require_a_group(domain, request.get("UserSettings", {}))
        _check_settings(kept, request.get("UserSettings"), source_arn=profile_arn)
        moment = now()
        profile = UserProfile(
            arn=profile_arn,
            settings=settings_of(request, without=("DomainId", "UserProfileName")),
            tags=request.get("Tags", []),
            created=moment,
            modified=moment,
            domain_id=domain_id,
            name=name,
        )
        kept.profiles[domain_id, name] = profile
        profile.become_ready(kept)
    return {"UserProfileArn": profile.arn}


@operation("DescribeUserProfile", {"DomainId": None, "UserProfileName": None})
def describe_user_profile(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return profile_of(kept, request["DomainId"], request["UserProfileName"]).describe()


@operation(
    "ListUserProfiles",
    {
        "NextToken": None,
        "MaxResults": None,
        "SortOrder": None,
        "SortBy": None,
        "DomainIdEquals": None,
        "UserProfileNameContains": None,
    },
)
def list_user_profiles(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        found = _in_domain(
            request, kept.profiles.values(), contains=request.get("UserProfileNameContains", "")
        )
        return listing(
            request, found, "UserProfiles", summary=UserProfile.summary, order=_order(request)
        )


@operation(
    "UpdateUserProfile",
    {"DomainId": None, "UserProfileName": None, "UserSettings": _USER_SETTINGS},
)
def update_user_profile(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        profile = profile_of(kept, request["DomainId"], request["UserProfileName"])
        profile.require_in_service("update")
        domain = domain_of(kept, request["DomainId"])
        _check_groups(backend, domain.settings["VpcId"], request)
        _check_settings(kept, request.get("UserSettings"), source_arn=profile.arn)
        profile.change(kept, request, keys=("DomainId", "UserProfileName"))
        return {"UserProfileArn": profile.arn}


@operation("DeleteUserProfile", {"DomainId": None, "UserProfileName": None})
def delete_user_profile(backend: Any, request: Request) -> Response:
    kept = state(backend)
    domain_id, name = request["DomainId"], request["UserProfileName"]
    with kept.lock:
        profile = profile_of(kept, domain_id, name)
        owned = sorted(
            space.name
            for space in kept.spaces.values()
            if space.domain_id == domain_id and space.owner == name
        )
        if owned:
            raise associated(profile, "Space", owned)
        profile.leave(kept, lambda: kept.profiles.pop((domain_id, name)))
    return {}


# --- spaces -------------------------------------------------------------------------------------
@operation(
    "CreateSpace",
    {
        "DomainId": None,
        "SpaceName": None,
        "SpaceDisplayName": None,
        "SpaceSettings": _SPACE_SETTINGS,
        "OwnershipSettings": {"OwnerUserProfileName": None},
        "SpaceSharingSettings": {
            "SharingType": Only(("Private",), "a shared space has several people in one JupyterLab")
        },
        "Tags": None,
    },
)
def create_space(backend: Any, request: Request) -> Response:
    kept = state(backend)
    domain_id, name = request["DomainId"], request["SpaceName"]
    if "OwnershipSettings" not in request or "SpaceSharingSettings" not in request:
        raise invalid(
            "OwnershipSettings and SpaceSharingSettings are required: the embedded cloud has "
            "private spaces only."
        )
    if request.get("SpaceSettings", {}).get("AppType") != APP_TYPE:
        raise invalid(f"SpaceSettings.AppType must be {APP_TYPE} for a private space here.")
    with kept.lock:
        domain = domain_of(kept, domain_id)
        if (domain_id, name) in kept.spaces:
            raise in_use(f"Space [{name}] already exists in Domain [{domain_id}].")
        owner = request["OwnershipSettings"]["OwnerUserProfileName"]
        for needed in (domain, profile_of(kept, domain_id, owner)):
            if not needed.ready:
                raise wrong_state("create", f"Space [{name}]", needed)
        quotas.require(quotas.SPACES, in_use=len(kept.spaces), unit="Spaces")
        _check_storage(kept, domain_id, owner, request["SpaceSettings"])
        moment = now()
        space = Space(
            arn=arn(backend, "space", domain_id, name),
            settings=settings_of(request, without=("DomainId", "SpaceName")),
            tags=request.get("Tags", []),
            created=moment,
            modified=moment,
            domain_id=domain_id,
            name=name,
        )
        kept.spaces[domain_id, name] = space
        space.become_ready(kept)
    return {"SpaceArn": space.arn}


def _check_storage(kept: State, domain_id: str, owner: str, settings: Mapping[str, Any]) -> None:
    wanted = _at(settings, "SpaceStorageSettings", "EbsStorageSettings", "EbsVolumeSizeInGb")
    limit = user_settings(
        kept,
        domain_id,
        owner,
        "SpaceStorageSettings",
        "DefaultEbsStorageSettings",
        "MaximumEbsVolumeSizeInGb",
    )
    if wanted is not None and limit is not None and wanted > limit:
        raise invalid(f"EbsVolumeSizeInGb {wanted} exceeds the domain's maximum of {limit}.")


@operation("DescribeSpace", {"DomainId": None, "SpaceName": None})
def describe_space(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return space_of(kept, request["DomainId"], request["SpaceName"]).describe()


@operation(
    "ListSpaces",
    {
        "NextToken": None,
        "MaxResults": None,
        "SortOrder": None,
        "SortBy": None,
        "DomainIdEquals": None,
        "SpaceNameContains": None,
    },
)
def list_spaces(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        found = _in_domain(
            request, kept.spaces.values(), contains=request.get("SpaceNameContains", "")
        )
        return listing(request, found, "Spaces", summary=Space.summary, order=_order(request))


@operation(
    "UpdateSpace",
    {
        "DomainId": None,
        "SpaceName": None,
        "SpaceDisplayName": None,
        "SpaceSettings": _SPACE_SETTINGS,
    },
)
def update_space(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        space = space_of(kept, request["DomainId"], request["SpaceName"])
        space.require_in_service("update")
        _check_storage(kept, space.domain_id, space.owner, request.get("SpaceSettings", {}))
        space.change(kept, request, keys=("DomainId", "SpaceName"))
        return {"SpaceArn": space.arn}


@operation("DeleteSpace", {"DomainId": None, "SpaceName": None})
def delete_space(backend: Any, request: Request) -> Response:
    kept = state(backend)
    key = request["DomainId"], request["SpaceName"]
    with kept.lock:
        space = space_of(kept, *key)
        if any(app.active for app in kept.apps.get(key, ())):
            raise associated(space, "App", ["default"])

        def gone() -> None:
            del kept.spaces[key]
            kept.apps.pop(key, None)

        space.leave(kept, gone)
    shutil.rmtree(space.folder, ignore_errors=True)
    return {}


# --- lifecycle configurations -------------------------------------------------------------------
@operation(
    "CreateStudioLifecycleConfig",
    {
        "StudioLifecycleConfigName": None,
        "StudioLifecycleConfigContent": None,
        "StudioLifecycleConfigAppType": None,
        "Tags": None,
    },
)
def create_studio_lifecycle_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["StudioLifecycleConfigName"]
    try:
        script = base64.b64decode(request["StudioLifecycleConfigContent"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"StudioLifecycleConfigContent must be base64-encoded: {error}.") from error
    with kept.lock:
        if name in kept.configs:
            raise in_use(f"StudioLifecycleConfig [{name}] already exists.")
        moment = now()
        config = LifecycleConfig(
            arn=arn(backend, "studio-lifecycle-config", name),
            settings=settings_of(request, without=()),
            tags=request.get("Tags", []),
            created=moment,
            modified=moment,
            name=name,
            script=script,
        )
        kept.configs[name] = config
    return {"StudioLifecycleConfigArn": config.arn}


@operation("DescribeStudioLifecycleConfig", {"StudioLifecycleConfigName": None})
def describe_studio_lifecycle_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["StudioLifecycleConfigName"]
    with kept.lock:
        if name not in kept.configs:
            raise not_found("StudioLifecycleConfig", name)
        return kept.configs[name].describe()


@operation(
    "ListStudioLifecycleConfigs",
    {
        "MaxResults": None,
        "NextToken": None,
        "NameContains": None,
        "AppTypeEquals": None,
        "SortBy": None,
        "SortOrder": None,
        "CreationTimeBefore": None,
        "CreationTimeAfter": None,
    },
)
def list_studio_lifecycle_configs(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        found = [
            config
            for config in kept.configs.values()
            if request.get("NameContains", "") in config.name
            and request.get("AppTypeEquals")
            in (None, config.settings["StudioLifecycleConfigAppType"])
            and within(config.created, request, "CreationTime")
        ]
        return listing(
            request,
            found,
            "StudioLifecycleConfigs",
            summary=LifecycleConfig.summary,
            order=_order(request),
            newest_first=True,
        )


@operation("DeleteStudioLifecycleConfig", {"StudioLifecycleConfigName": None})
def delete_studio_lifecycle_config(backend: Any, request: Request) -> Response:
    kept = state(backend)
    name = request["StudioLifecycleConfigName"]
    with kept.lock:
        if name not in kept.configs:
            raise not_found("StudioLifecycleConfig", name)
        config_arn = kept.configs[name].arn
        for resource in (*kept.domains.values(), *kept.profiles.values(), *kept.spaces.values()):
            if config_arn in _strings(resource.settings):
                raise in_use(
                    f"Unable to delete StudioLifecycleConfig [{name}] because {resource.arn} uses "
                    "it. Detach it first."
                )
        # Source: DeleteStudioLifecycleConfig, API reference: no running app may use it.
        for apps in kept.apps.values():
            for app in apps:
                if app.active and kept.configs[name] in (app.built_in, *app.scripts):
                    raise in_use(
                        f"Unable to delete StudioLifecycleConfig [{name}] because {app.arn} uses "
                        "it. Delete the app first."
                    )
        del kept.configs[name]
    return {}


# --- listings -----------------------------------------------------------------------------------
def _in_domain(request: Request, items: Any, *, contains: str) -> list[Any]:
    domain_id = request.get("DomainIdEquals")
    return [
        item
        for item in items
        if domain_id in (None, item.domain_id) and contains.lower() in item.name.lower()
    ]


def _order(request: Request) -> Any:
    by = request.get("SortBy", "CreationTime")
    if by == "Name":
        return lambda item: item.name
    if by == "LastModifiedTime":
        return lambda item: (item.modified, item.name)
    return lambda item: (item.created, item.name)


def within(moment: datetime, request: Request, prefix: str) -> bool:
    """Whether `moment` lies between the request's `prefix`After and `prefix`Before."""
    after, before = request.get(f"{prefix}After"), request.get(f"{prefix}Before")
    return (after is None or moment > validation.moment(after)) and (
        before is None or moment < validation.moment(before)
    )


def _strings(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {text for item in value.values() for text in _strings(item)}
    if isinstance(value, list):
        return {text for item in value for text in _strings(item)}
    return {value} if isinstance(value, str) else set()
