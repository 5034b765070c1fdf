"""What the tests of spaces and jobs share: a cloud, a learner's workspace in it, and waiting."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.offline.small_cloud import SmallCloud

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312-sagemaker"


def until(condition: Callable[[], Any], *, seconds: float = 60) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.03)
    raise AssertionError(f"did not become true within {seconds} seconds")


@dataclass
class Workspace:
    """A learner's domain, profile and private space, all of one name."""

    cloud: SmallCloud
    sagemaker: Any
    name: str
    domain_id: str
    role: str

    @property
    def app(self) -> dict[str, str]:
        return {
            "DomainId": self.domain_id,
            "SpaceName": self.name,
            "AppType": "JupyterLab",
            "AppName": "default",
        }

    def status(self) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_app(**self.app)
        return described

    def ended(self, *statuses: str) -> dict[str, Any]:
        """Wait for one of the statuses; returns the app's description."""

        def reached() -> Any:
            described = self.status()
            return described if described["Status"] in statuses else None

        found: dict[str, Any] = until(reached)
        return found

    @property
    def home(self) -> Any:
        return self.cloud.here.state / "spaces" / self.domain_id / self.name / "home"


def network(cloud: SmallCloud) -> dict[str, Any]:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    return {"VpcId": vpc, "SubnetIds": [subnet]}


def domain_request(cloud: SmallCloud, name: str, role: str, **lab: Any) -> dict[str, Any]:
    return {
        "DomainName": name,
        "AuthMode": "IAM",
        "HomeEfsFileSystemCreation": "Disabled",
        "DefaultUserSettings": {
            "ExecutionRole": role,
            "AutoMountHomeEFS": "Disabled",
            "JupyterLabAppSettings": {
                "AppLifecycleManagement": {
                    "IdleSettings": {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60}
                },
                **lab,
            },
            "SpaceStorageSettings": {
                "DefaultEbsStorageSettings": {
                    "DefaultEbsVolumeSizeInGb": 5,
                    "MaximumEbsVolumeSizeInGb": 20,
                }
            },
        },
        **network(cloud),
    }


def space_request(domain_id: str, name: str) -> dict[str, Any]:
    return {
        "DomainId": domain_id,
        "SpaceName": name,
        "OwnershipSettings": {"OwnerUserProfileName": name},
        "SpaceSharingSettings": {"SharingType": "Private"},
        "SpaceSettings": {
            "AppType": "JupyterLab",
            "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}},
            "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 10}},
        },
    }


def in_service(api: Any, domain_id: str, **name: str) -> dict[str, Any]:
    """Wait until the domain, or its UserProfileName or SpaceName, is InService; describes it."""
    describe = {
        (): api.describe_domain,
        ("UserProfileName",): api.describe_user_profile,
        ("SpaceName",): api.describe_space,
    }[tuple(name)]

    def settled() -> Any:
        described = describe(DomainId=domain_id, **name)
        assert not described["Status"].endswith("Failed"), described
        return described if described["Status"] == "InService" else None

    found: dict[str, Any] = until(settled)
    return found


def gone(describe: Callable[..., Any], **identity: str) -> None:
    """Wait until there is no such thing any more."""

    def found() -> str:
        try:
            return str(describe(**identity)["Status"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    until(lambda: found() == "ResourceNotFound")


def make(api: Any, request: dict[str, Any], *people: str) -> str:
    """A domain with a profile and a private space for each of `people`; returns its id."""
    domain_id = str(api.create_domain(**request)["DomainId"])
    in_service(api, domain_id)
    for name in people:
        settle_in(api, domain_id, name)
    return domain_id


def settle_in(api: Any, domain_id: str, name: str) -> None:
    """A profile and its private space, both of one name, ready."""
    api.create_user_profile(DomainId=domain_id, UserProfileName=name)
    in_service(api, domain_id, UserProfileName=name)
    api.create_space(**space_request(domain_id, name))
    in_service(api, domain_id, SpaceName=name)


def workspace(cloud: SmallCloud, script: str | None = None) -> Workspace:
    """A fresh workspace whose built-in lifecycle script is `script`."""
    sagemaker = cloud.client("sagemaker")
    name = f"ana-{uuid.uuid4().hex[:8]}"
    role = cloud.role(name, "sagemaker.amazonaws.com")
    lab = {}
    if script is not None:
        made = sagemaker.create_studio_lifecycle_config(
            StudioLifecycleConfigName=f"{name}-start",
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=base64.b64encode(script.encode()).decode(),
        )
        lab["BuiltInLifecycleConfigArn"] = made["StudioLifecycleConfigArn"]
    request = domain_request(cloud, name, role, **lab)
    domain_id = make(sagemaker, request, name)
    return Workspace(cloud, sagemaker, name, domain_id, role)
