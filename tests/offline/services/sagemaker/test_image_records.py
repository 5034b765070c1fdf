"""SageMaker images, versions and app image configurations, as boto3 sees them over the wire."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.environment import client_environment
from tests.offline import sample_image
from tests.offline.sample_image import REGISTRY
from tests.offline.services.sagemaker.studio_cloud import domain_request, make, until
from tests.offline.small_cloud import REGION, SmallCloud
from tests.offline.whole_cloud import PULL

REPOSITORY = "academy/segmentation-cpu"
PREFIX = "arn:aws:sagemaker:us-east-1:123456789012"


class Images:
    """Images in one cloud, with a container image in its ECR."""

    def __init__(self, cloud: SmallCloud, folder: Path) -> None:
        self.cloud = cloud
        self.api = cloud.client("sagemaker")
        self.ecr = cloud.client("ecr")
        self.ecr.create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
        self.digests = sample_image.pushed(
            sample_image.context(folder / "context"),
            REPOSITORY,
            "build-1",
            engine=folder / "engine",
            variables=client_environment(cloud.here.endpoint, REGION),
        )
        self.role = self.puller("puller")

    def puller(self, name: str) -> str:
        """A role that SageMaker may assume and that may pull."""
        made = self.cloud.role(name, "sagemaker.amazonaws.com")
        statements = [
            {"Effect": "Allow", "Action": actions, "Resource": resource}
            for actions, resource in PULL
        ]
        self.cloud.client("iam").put_role_policy(
            RoleName=name,
            PolicyName="pull",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        )
        return made

    @property
    def base(self) -> str:
        return f"{REGISTRY}/{REPOSITORY}@{self.digests['workspace']}"

    def image(self, **changed: Any) -> str:
        """A new image, once it has been made; returns its name."""
        name = f"academy-{uuid.uuid4().hex[:8]}"
        made = self.api.create_image(**{"ImageName": name, "RoleArn": self.role, **changed})
        assert made["ImageArn"] == f"{PREFIX}:image/{name}"
        until(lambda: self.api.describe_image(ImageName=name)["ImageStatus"] != "CREATING")
        return name

    def version(self, name: str, base: str | None = None) -> dict[str, Any]:
        """A new version of an image, once it has been made (or not)."""
        arn = self.api.create_image_version(
            ImageName=name, BaseImage=base or self.base, ClientToken=str(uuid.uuid4())
        )["ImageVersionArn"]
        number = int(arn.rsplit("/", 1)[1])

        def over() -> Any:
            described = self.api.describe_image_version(ImageName=name, Version=number)
            return described if described["ImageVersionStatus"] != "CREATING" else None

        found: dict[str, Any] = until(over)
        return found

    def config(self, **lab: Any) -> str:
        name = f"config-{uuid.uuid4().hex[:8]}"
        self.api.create_app_image_config(
            AppImageConfigName=name, JupyterLabAppImageConfig={"ContainerConfig": lab}
        )
        return name


@pytest.fixture(scope="module")
def images(cloud: SmallCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    return Images(cloud, tmp_path_factory.mktemp("images"))


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_an_image_is_created_by_itself(images: Images) -> None:
    name = images.image(Description="of maps", Tags=[{"Key": "academy", "Value": "images"}])
    described = images.api.describe_image(ImageName=name)
    assert (described["ImageStatus"], described["DisplayName"]) == ("CREATED", name)
    assert (described["Description"], described["RoleArn"]) == ("of maps", images.role)
    tags = images.api.list_tags(ResourceArn=described["ImageArn"])["Tags"]
    assert tags == [{"Key": "academy", "Value": "images"}]
    assert name in [each["ImageName"] for each in _listed(images)]


def _listed(images: Images) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = images.api.list_images(NameContains="academy-", MaxResults=100)[
        "Images"
    ]
    return found


def test_a_role_that_sagemaker_cannot_assume_fails_the_image(images: Images) -> None:
    stranger = images.cloud.role("stranger", "lambda.amazonaws.com")
    name = images.image(RoleArn=stranger)
    described = images.api.describe_image(ImageName=name)
    assert described["ImageStatus"] == "CREATE_FAILED"
    assert "Could not assume role" in described["FailureReason"]
    with pytest.raises(ClientError, match="is in an invalid state") as error:
        images.version(name)
    assert code(error) == "ValidationException"
    images.api.update_image(ImageName=name, RoleArn=images.role)
    until(lambda: images.api.describe_image(ImageName=name)["ImageStatus"] == "CREATED")


def test_a_name_is_given_once(images: Images) -> None:
    name = images.image()
    with pytest.raises(ClientError, match="Please use a different ImageName") as error:
        images.api.create_image(ImageName=name, RoleArn=images.role)
    assert code(error) == "ResourceInUse"


def test_versions_count_up_and_are_never_used_again(images: Images) -> None:
    name = images.image()
    first, second = images.version(name), images.version(name)
    assert [first["Version"], second["Version"]] == [1, 2]
    assert second["ImageVersionArn"] == f"{PREFIX}:image-version/{name}/2"
    images.api.delete_image_version(ImageName=name, Version=2)
    assert images.api.describe_image_version(ImageName=name)["Version"] == 1
    assert images.version(name)["Version"] == 3
    listed = images.api.list_image_versions(ImageName=name)["ImageVersions"]
    assert [each["Version"] for each in listed] == [3, 1]


def test_one_token_makes_one_version(images: Images) -> None:
    name = images.image()
    arns = {
        images.api.create_image_version(
            ImageName=name, BaseImage=images.base, ClientToken="the-same"
        )["ImageVersionArn"]
        for _ in range(2)
    }
    assert arns == {f"{PREFIX}:image-version/{name}/1"}


def test_a_version_by_tag_is_pinned_to_the_digest(images: Images) -> None:
    version = images.version(images.image(), f"{REGISTRY}/{REPOSITORY}:build-1-workspace")
    assert version["ImageVersionStatus"] == "CREATED"
    assert version["ContainerImage"] == images.base


@pytest.mark.parametrize(
    ("base", "says"),
    [
        (f"{REGISTRY}/{REPOSITORY}:nothing", "does not exist in ECR"),
        (f"{REGISTRY}/nowhere:latest", "does not exist in ECR"),
        (f"{REGISTRY}/{REPOSITORY}@sha256:{'0' * 64}", "does not exist in ECR"),
        ("public.ecr.aws/sagemaker/sagemaker-distribution:4.4.1-cpu", "this account's ECR only"),
    ],
)
def test_a_base_image_that_is_not_there_fails_the_version(
    images: Images, base: str, says: str
) -> None:
    version = images.version(images.image(), base)
    assert version["ImageVersionStatus"] == "CREATE_FAILED"
    assert says in version["FailureReason"]


def test_a_role_that_may_not_pull_fails_the_version(images: Images) -> None:
    poor = images.cloud.role("poor", "sagemaker.amazonaws.com")
    version = images.version(images.image(RoleArn=poor))
    assert version["ImageVersionStatus"] == "CREATE_FAILED"
    assert "ecr:GetAuthorizationToken" in version["FailureReason"]


def test_an_image_goes_with_all_its_versions(images: Images) -> None:
    name = images.image()
    images.version(name)
    images.api.delete_image(ImageName=name)
    for call in (images.api.describe_image, images.api.list_image_versions):
        with pytest.raises(ClientError) as error:
            call(ImageName=name)
        assert code(error) == "ResourceNotFound"
    # The container image is not the version's: it stays.
    assert images.ecr.describe_images(
        repositoryName=REPOSITORY, imageIds=[{"imageDigest": images.digests["workspace"]}]
    )


def test_a_configuration_is_replaced_whole(images: Images) -> None:
    name = images.config(ContainerEnvironmentVariables={"A": "1", "B": "2"})
    images.api.update_app_image_config(
        AppImageConfigName=name,
        JupyterLabAppImageConfig={"ContainerConfig": {"ContainerArguments": ["--quiet"]}},
    )
    described = images.api.describe_app_image_config(AppImageConfigName=name)
    assert described["AppImageConfigArn"] == f"{PREFIX}:app-image-config/{name}"
    assert described["JupyterLabAppImageConfig"] == {
        "ContainerConfig": {"ContainerArguments": ["--quiet"]}
    }
    listed = images.api.list_app_image_configs(NameContains=name)["AppImageConfigs"]
    assert [each["AppImageConfigName"] for each in listed] == [name]
    images.api.delete_app_image_config(AppImageConfigName=name)
    with pytest.raises(ClientError) as error:
        images.api.describe_app_image_config(AppImageConfigName=name)
    assert code(error) == "ResourceNotFound"


def test_what_a_domain_names_is_in_use(images: Images, cloud: SmallCloud) -> None:
    name, config = images.image(), images.config()
    images.version(name)
    images.version(name)
    attached = [{"ImageName": name, "ImageVersionNumber": 1, "AppImageConfigName": config}]
    request = domain_request(cloud, f"d-{name}", images.puller(f"user-{name}"))
    request["DefaultUserSettings"]["JupyterLabAppSettings"]["CustomImages"] = attached
    domain = make(images.api, request)
    for call in (
        lambda: images.api.delete_image(ImageName=name),
        lambda: images.api.delete_image_version(ImageName=name, Version=1),
    ):
        with pytest.raises(ClientError, match=f"{domain} uses it") as error:
            call()
        assert code(error) == "ResourceInUse"
    images.api.delete_image_version(ImageName=name, Version=2)
    images.api.update_domain(
        DomainId=domain,
        DefaultUserSettings={"JupyterLabAppSettings": {"CustomImages": []}},
    )
    images.api.delete_app_image_config(AppImageConfigName=config)
    images.api.delete_image(ImageName=name)


@pytest.mark.parametrize(
    ("custom", "says"),
    [
        ({"ImageName": "nothing"}, "Image [nothing] does not exist"),
        ({"ImageVersionNumber": 9}, "/9] does not exist"),
        ({"AppImageConfigName": "nothing"}, "AppImageConfig [nothing] does not exist"),
    ],
)
def test_a_domain_attaches_what_exists(
    images: Images, cloud: SmallCloud, custom: dict[str, Any], says: str
) -> None:
    name, config = images.image(), images.config()
    images.version(name)
    request = domain_request(cloud, f"e-{name}", images.role)
    request["DefaultUserSettings"]["JupyterLabAppSettings"]["CustomImages"] = [
        {"ImageName": name, "ImageVersionNumber": 1, "AppImageConfigName": config, **custom}
    ]
    with pytest.raises(ClientError) as error:
        images.api.create_domain(**request)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("call", "request_", "says"),
    [
        ("create_image", {"ImageName": "two_words", "RoleArn": "ROLE"}, "regular expression"),
        (
            "create_image_version",
            {"ImageName": "x", "BaseImage": "y", "ClientToken": "t", "Aliases": ["a"]},
            "Aliases of CreateImageVersion",
        ),
        (
            "create_app_image_config",
            {
                "AppImageConfigName": "x",
                "KernelGatewayImageConfig": {"KernelSpecs": [{"Name": "p"}]},
            },
            "KernelGatewayImageConfig of CreateAppImageConfig",
        ),
        (
            "create_app_image_config",
            {
                "AppImageConfigName": "x",
                "JupyterLabAppImageConfig": {"FileSystemConfig": {"DefaultUid": 1000}},
            },
            "JupyterLabAppImageConfig.FileSystemConfig",
        ),
        (
            "create_app_image_config",
            {
                "AppImageConfigName": "x",
                "JupyterLabAppImageConfig": {
                    "ContainerConfig": {"ContainerEntrypoint": ["a", "b"]}
                },
            },
            "length less than or equal to 1",
        ),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(
    images: Images, call: str, request_: dict[str, Any], says: str
) -> None:
    given = {name: images.role if value == "ROLE" else value for name, value in request_.items()}
    with pytest.raises(ClientError) as error:
        getattr(images.api, call)(**given)
    assert code(error) == "ValidationException"
    assert says in error.value.response["Error"]["Message"]
