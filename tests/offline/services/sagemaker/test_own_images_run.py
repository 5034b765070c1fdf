"""Spaces and jobs of the account's own images, in the whole cloud: IAM decides who may pull."""

from __future__ import annotations

import base64
import json
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline import runtime
from infra.offline.server import Cloud
from infra.offline.services.codebuild.tools import docker
from tests.offline import sample_image
from tests.offline.sample_image import REGISTRY
from tests.offline.services.sagemaker.studio_cloud import domain_request, make, settle_in, until
from tests.offline.small_cloud import SmallCloud
from tests.offline.whole_cloud import PULL, client, role

pytestmark = pytest.mark.end_to_end

REPOSITORY = "academy/segmentation-cpu"
IMAGE = "academy-segmentation-cpu"
PREFIX = "arn:aws:sagemaker:us-east-1:123456789012"
#: As the academy's: it leaves everything to an image that brings it.
START = """
test -r "${ACADEMY_ROOT:-/opt/academy}/image.json" && echo "the image brings everything" > ~/start
"""


@dataclass
class Academy:
    """A cloud with an image of two versions, and ana's space."""

    cloud: Cloud
    api: Any
    digests: dict[str, str]
    domain: str

    @property
    def app(self) -> dict[str, str]:
        return {
            "DomainId": self.domain,
            "SpaceName": "ana",
            "AppType": "JupyterLab",
            "AppName": "default",
        }

    @property
    def home(self) -> Path:
        return self.cloud.runtime.state / "spaces" / self.domain / "ana" / "home"

    def start(self, version: int | str, **changed: Any) -> None:
        spec = {
            "InstanceType": "ml.t3.medium",
            "SageMakerImageArn": f"{PREFIX}:image/{IMAGE}",
            "SageMakerImageVersionArn": f"{PREFIX}:image-version/{IMAGE}/{version}",
            **changed,
        }
        given = {name: value for name, value in spec.items() if value is not None}
        self.api.create_app(**self.app, ResourceSpec=given)

    def ended(self, *statuses: str) -> dict[str, Any]:
        def reached() -> Any:
            described = self.api.describe_app(**self.app)
            return described if described["Status"] in statuses else None

        found: dict[str, Any] = until(reached)
        return found

    def stop(self) -> None:
        self.api.delete_app(**self.app)
        self.ended("Deleted")

    def training(self, image: str, role_arn: str, script: str) -> dict[str, Any]:
        """The request of a job that runs `script`."""
        return {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:8]}",
            "RoleArn": role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/bash", "-c"],
                "ContainerArguments": [script],
            },
            "OutputDataConfig": {"S3OutputPath": "s3://work/jobs/"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }

    def trained(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Run a job; returns its last description and its log."""
        self.api.create_training_job(**request)
        name = request["TrainingJobName"]

        def over() -> Any:
            job = self.api.describe_training_job(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in ("Completed", "Failed") else None

        job = until(over)
        logs = client(self.cloud, "logs")
        group = "/aws/sagemaker/TrainingJobs"
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)
        told = logs.get_log_events(
            logGroupName=group, logStreamName=streams["logStreams"][0]["logStreamName"]
        )
        return job, [event["message"] for event in told["events"]]


@pytest.fixture(scope="module")
def academy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Academy]:
    folder = tmp_path_factory.mktemp("images")
    with Cloud(state=tmp_path_factory.mktemp("a cloud's state")) as cloud:
        api = client(cloud, "sagemaker")
        client(cloud, "s3").create_bucket(Bucket="work")
        client(cloud, "ecr").create_repository(repositoryName=REPOSITORY)
        digests = sample_image.pushed(
            sample_image.context(folder / "context"),
            REPOSITORY,
            "build-1",
            engine=folder / "engine",
            variables=cloud.client_environment(),
        )
        api.create_image(ImageName=IMAGE, RoleArn=role(cloud, "puller", "sagemaker", *PULL))
        until(lambda: api.describe_image(ImageName=IMAGE)["ImageStatus"] == "CREATED")
        for base in (*[digests["workspace"]] * 2, f"sha256:{'0' * 64}"):
            api.create_image_version(
                ImageName=IMAGE,
                BaseImage=f"{REGISTRY}/{REPOSITORY}@{base}",
                ClientToken=str(uuid.uuid4()),
            )
        until(lambda: _statuses(api) == ["CREATED", "CREATED", "CREATE_FAILED"])
        api.create_app_image_config(
            AppImageConfigName=IMAGE,
            JupyterLabAppImageConfig={
                "ContainerConfig": {
                    "ContainerEntrypoint": ["/opt/academy/bin/start"],
                    "ContainerEnvironmentVariables": {"COLOUR": "green", "HOME": "/root"},
                }
            },
        )
        yield Academy(cloud, api, digests, _workspace(cloud, api))


def _statuses(api: Any) -> list[str]:
    listed = api.list_image_versions(ImageName=IMAGE, SortBy="VERSION", SortOrder="ASCENDING")
    return [each["ImageVersionStatus"] for each in listed["ImageVersions"]]


def _workspace(cloud: Cloud, api: Any) -> str:
    """Ana's domain, profile and space; the domain attaches version 2 of the image."""
    script = api.create_studio_lifecycle_config(
        StudioLifecycleConfigName="start",
        StudioLifecycleConfigAppType="JupyterLab",
        StudioLifecycleConfigContent=base64.b64encode(START.encode()).decode(),
    )["StudioLifecycleConfigArn"]
    request = domain_request(
        SmallCloud(runtime.current()),
        "ana",
        role(cloud, "ana", "sagemaker"),
        BuiltInLifecycleConfigArn=script,
        CustomImages=[{"ImageName": IMAGE, "ImageVersionNumber": 2, "AppImageConfigName": IMAGE}],
    )
    return make(api, request, "ana")


@pytest.fixture(scope="module")
def running(academy: Academy) -> Iterator[dict[str, Any]]:
    academy.start(2)
    described = academy.ended("InService", "Failed")
    assert described["Status"] == "InService", described
    yield described
    academy.stop()


def test_a_space_starts_on_the_image_that_was_asked_for(
    academy: Academy, running: dict[str, Any]
) -> None:
    assert running["ResourceSpec"] == {
        "InstanceType": "ml.t3.medium",
        "SageMakerImageArn": f"{PREFIX}:image/{IMAGE}",
        "SageMakerImageVersionArn": f"{PREFIX}:image-version/{IMAGE}/2",
    }


def test_the_image_brings_templates_and_library(academy: Academy, running: dict[str, Any]) -> None:
    assert (academy.home / "welcome.ipynb").read_text() == "welcome"
    assert (academy.home / "land_cover" / "land_cover.ipynb").read_text() == "maps"
    python = academy.home.parent / "app-1" / "environment" / "bin" / "python"
    process = academy.cloud.runtime.processes.start(
        "probe",
        [str(python), "-I", "-c", "import academy; print(academy.WORDS, academy.__file__)"],
        env={"PATH": "/usr/bin:/bin"},
        cwd=academy.home.parent,
        log=academy.home.parent / "probe.log",
    )
    assert process.wait(30) == 0
    told = (academy.home.parent / "probe.log").read_text()
    assert told.startswith(f"of the image {python.parent.parent}/")


def test_the_lifecycle_script_finds_the_image_before_the_templates_come(
    academy: Academy, running: dict[str, Any]
) -> None:
    assert (academy.home / "start").read_text() == "the image brings everything\n"
    logs = client(academy.cloud, "logs")
    stream = f"{academy.domain}/ana/JupyterLab/default"

    def told() -> list[str]:
        found = logs.get_log_events(logGroupName="/aws/sagemaker/studio", logStreamName=stream)
        return [event["message"] for event in found["events"]]

    assert any(line.startswith("brought the templates of") for line in told())


def test_jupyterlab_has_the_images_settings(academy: Academy, running: dict[str, Any]) -> None:
    link = academy.api.create_presigned_domain_url(
        DomainId=academy.domain, UserProfileName="ana", SpaceName="ana"
    )["AuthorizedUrl"]
    with urllib.request.urlopen(link, timeout=30) as page:  # noqa: S310 (loopback)
        lab = urllib.parse.urlsplit(page.url)
    plain = f"http://{lab.netloc}/jupyterlab/default/?{lab.query}"
    with urllib.request.urlopen(plain, timeout=30) as page:
        assert urllib.parse.urlsplit(page.url).path == "/jupyterlab/default/lab/tree/welcome.ipynb"


def test_a_version_that_a_space_runs_is_in_use(academy: Academy, running: Any) -> None:
    with pytest.raises(ClientError) as error:
        academy.api.delete_image_version(ImageName=IMAGE, Version=2)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"


@pytest.fixture(scope="module")
def ben(academy: Academy) -> dict[str, str]:
    """Ben's app, and another image that is there but not attached."""
    puller = academy.api.describe_image(ImageName=IMAGE)["RoleArn"]
    academy.api.create_image(ImageName="other", RoleArn=puller)
    settle_in(academy.api, academy.domain, "ben")
    return {**academy.app, "SpaceName": "ben"}


@pytest.mark.parametrize(
    ("spec", "code", "says"),
    [
        (
            {"SageMakerImageVersionArn": f"{PREFIX}:image-version/{IMAGE}/1"},
            "ValidationException",
            "the list of custom images in AppSettings has version 2",
        ),
        (
            {"SageMakerImageVersionArn": f"{PREFIX}:image-version/{IMAGE}/9"},
            "ResourceNotFound",
            "image-version/academy-segmentation-cpu/9] does not exist",
        ),
        (
            {"SageMakerImageVersionArn": f"{PREFIX}:image-version/other/1"},
            "ResourceNotFound",
            "image-version/other/1] does not exist",
        ),
        (
            {"SageMakerImageArn": f"{PREFIX}:image/other"},
            "ValidationException",
            "is no version of",
        ),
        (
            {"SageMakerImageArn": f"{PREFIX}:image/other", "SageMakerImageVersionArn": None},
            "ResourceNotFound",
            "with Image [other] because it is not present in list of custom images",
        ),
        (
            {
                "SageMakerImageArn": "arn:aws:sagemaker:us-east-1:111122223333:image/theirs",
                "SageMakerImageVersionArn": None,
            },
            "ValidationException",
            "The embedded cloud does not run",
        ),
        (
            {"SageMakerImageVersionAlias": "1.0"},
            "ValidationException",
            "no aliases of versions",
        ),
    ],
)
def test_an_image_that_studio_would_refuse_is_refused(
    academy: Academy, ben: dict[str, str], spec: dict[str, Any], code: str, says: str
) -> None:
    given = {
        "InstanceType": "ml.t3.medium",
        "SageMakerImageArn": f"{PREFIX}:image/{IMAGE}",
        "SageMakerImageVersionArn": f"{PREFIX}:image-version/{IMAGE}/2",
        **spec,
    }
    with pytest.raises(ClientError) as error:
        academy.api.create_app(
            **ben,
            ResourceSpec={key: value for key, value in given.items() if value is not None},
        )
    assert error.value.response["Error"]["Code"] == code
    assert says in error.value.response["Error"]["Message"]


# --- jobs -----------------------------------------------------------------------------------------
RESULTS = (["s3:PutObject"], "arn:aws:s3:::work/*")


@pytest.fixture(scope="module")
def trainer(academy: Academy) -> str:
    return role(academy.cloud, "trainer", "sagemaker", RESULTS, *PULL)


@pytest.fixture(scope="module")
def own(academy: Academy) -> str:
    return f"{REGISTRY}/{REPOSITORY}@{academy.digests['training']}"


def test_a_job_runs_the_images_library(academy: Academy, trainer: str, own: str) -> None:
    request = academy.training(own, trainer, "exec python -m academy.job")
    job, log = academy.trained(request)
    assert job["TrainingJobStatus"] == "Completed", job
    assert log == ["of the image segmentation cpu True"]
    assert job["AlgorithmSpecification"]["TrainingImage"] == own


def test_a_job_by_tag_runs_the_same(academy: Academy, trainer: str) -> None:
    image = f"{REGISTRY}/{REPOSITORY}:build-1-training"
    _, log = academy.trained(academy.training(image, trainer, "python -m academy.job"))
    assert log == ["of the image segmentation cpu True"]


def test_a_job_of_awss_own_container_finds_nothing_of_the_image(
    academy: Academy, trainer: str
) -> None:
    container = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu"
    _, log = academy.trained(academy.training(container, trainer, "echo ${ACADEMY_ROOT:-nothing}"))
    assert log == ["nothing"]


@pytest.mark.parametrize("lacking", range(4))
def test_a_role_that_may_not_pull_starts_no_job(academy: Academy, own: str, lacking: int) -> None:
    actions = [*PULL[1][0]]
    token = [PULL[0]]
    if lacking < len(actions):
        missing = actions.pop(lacking)
    else:
        missing, token = "ecr:GetAuthorizationToken", []
    poor = role(
        academy.cloud, f"poor-{lacking}", "sagemaker", RESULTS, *token, (actions, PULL[1][1])
    )
    with pytest.raises(ClientError, match="Access denied for repository: academy/") as error:
        academy.api.create_training_job(**academy.training(own, poor, "true"))
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert missing in error.value.response["Error"]["Message"]


def test_an_image_that_is_not_there_starts_no_job(academy: Academy, trainer: str) -> None:
    for image in (f"{REGISTRY}/{REPOSITORY}:nothing", f"{REGISTRY}/academy/nowhere:latest"):
        with pytest.raises(ClientError, match="Cannot find the requested image"):
            academy.api.create_training_job(**academy.training(image, trainer, "true"))


def test_a_policy_of_the_repository_lets_a_role_pull(academy: Academy, own: str) -> None:
    guest = role(academy.cloud, "guest", "sagemaker", RESULTS, (["ecr:GetAuthorizationToken"], "*"))
    statement = {
        "Sid": "Guest",
        "Effect": "Allow",
        "Principal": {"AWS": guest},
        "Action": PULL[1][0],
    }
    ecr = client(academy.cloud, "ecr")
    document = {"Version": "2012-10-17", "Statement": [statement]}
    ecr.set_repository_policy(repositoryName=REPOSITORY, policyText=json.dumps(document))
    try:
        job, _ = academy.trained(academy.training(own, guest, "echo pulled"))
    finally:
        ecr.delete_repository_policy(repositoryName=REPOSITORY)
    assert job["TrainingJobStatus"] == "Completed", job


def test_an_image_of_another_layout_is_refused(academy: Academy, trainer: str) -> None:
    ecr = client(academy.cloud, "ecr")
    ecr.create_repository(repositoryName="academy/foreign")
    parts = []
    for content in (b"no archive", b"{}"):
        upload = ecr.initiate_layer_upload(repositoryName="academy/foreign")["uploadId"]
        ecr.upload_layer_part(
            repositoryName="academy/foreign",
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(content) - 1,
            layerPartBlob=content,
        )
        digest = docker.digest_of(content)
        ecr.complete_layer_upload(
            repositoryName="academy/foreign", uploadId=upload, layerDigests=[digest]
        )
        parts.append({"digest": digest, "size": len(content), "mediaType": docker.LAYER})
    manifest = {"mediaType": docker.MANIFEST, "layers": parts[:1], "config": parts[1]}
    ecr.put_image(
        repositoryName="academy/foreign", imageManifest=json.dumps(manifest), imageTag="latest"
    )
    foreign = f"{REGISTRY}/academy/foreign:latest"
    with pytest.raises(ClientError, match="cannot be read"):
        academy.api.create_training_job(**academy.training(foreign, trainer, "true"))
