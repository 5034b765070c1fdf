"""The AWS CLI and SageMaker: a domain from its making to its end, a space's app, training jobs."""

from __future__ import annotations

import base64
import json
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest

from infra.offline.server import Cloud
from tests.offline.clients.aws_cli import SERVICE_REFUSED, WAITER_FAILED, AwsCli
from tests.offline.services.sagemaker.studio_cloud import IMAGE, space_request, until
from tests.offline.whole_cloud import client, role

pytestmark = pytest.mark.clients


@dataclass(frozen=True)
class Studio:
    """A domain with one profile and one private space of one name."""

    aws: AwsCli
    domain: str
    name: str
    role: str

    @property
    def space(self) -> tuple[str, str]:
        return f"--domain-id={self.domain}", f"--space-name={self.name}"

    @property
    def app(self) -> tuple[str, ...]:
        return (*self.space, "--app-type=JupyterLab", "--app-name=default")

    def app_status(self) -> str:
        return str(self.aws("sagemaker", "describe-app", *self.app)["Status"])


def settings(role_arn: str) -> dict[str, Any]:
    return {
        "ExecutionRole": role_arn,
        "AutoMountHomeEFS": "Disabled",
        "SpaceStorageSettings": {
            "DefaultEbsStorageSettings": {
                "DefaultEbsVolumeSizeInGb": 5,
                "MaximumEbsVolumeSizeInGb": 20,
            }
        },
    }


@pytest.fixture(scope="module")
def studio(aws: AwsCli, cloud: Cloud) -> Studio:
    execution = role(cloud, "ana", "sagemaker")
    vpc = aws("ec2", "create-vpc", "--cidr-block=10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = aws("ec2", "create-subnet", f"--vpc-id={vpc}", "--cidr-block=10.0.0.0/24")
    made = aws(
        "sagemaker",
        "create-domain",
        "--domain-name=academy",
        "--auth-mode=IAM",
        "--home-efs-file-system-creation=Disabled",
        f"--vpc-id={vpc}",
        f"--subnet-ids={subnet['Subnet']['SubnetId']}",
        f"--default-user-settings={json.dumps(settings(execution))}",
        "--tags=Key=academy:cohort,Value=earth",
    )
    domain = made["DomainArn"].rsplit("/", 1)[-1]
    until(
        lambda: (
            aws("sagemaker", "describe-domain", f"--domain-id={domain}")["Status"] == "InService"
        )
    )
    aws("sagemaker", "create-user-profile", f"--domain-id={domain}", "--user-profile-name=ana")
    request = aws.file("space.json", space_request(domain, "ana"))
    aws("sagemaker", "create-space", "--cli-input-json", request)
    return Studio(aws, domain, "ana", execution)


def test_a_domain_is_described_and_listed(aws: AwsCli, studio: Studio) -> None:
    described = aws("sagemaker", "describe-domain", f"--domain-id={studio.domain}")
    assert described["DefaultUserSettings"]["ExecutionRole"] == studio.role
    assert described["HomeEfsFileSystemCreation"] == "Disabled"
    ids = aws("sagemaker", "list-domains", "--query=Domains[].DomainId")
    assert ids == [studio.domain]
    named = f"--resource-arn={described['DomainArn']}"
    tags = aws("sagemaker", "list-tags", named)["Tags"]
    assert tags == [{"Key": "academy:cohort", "Value": "earth"}]
    aws("sagemaker", "add-tags", named, "--tags=Key=academy:cohort,Value=sea")
    tags = aws("sagemaker", "list-tags", named)["Tags"]
    assert tags == [{"Key": "academy:cohort", "Value": "sea"}]


def test_profiles_and_spaces_are_described_and_listed(aws: AwsCli, studio: Studio) -> None:
    here = f"--domain-id={studio.domain}"
    profile = aws("sagemaker", "describe-user-profile", here, "--user-profile-name=ana")
    assert profile["Status"] == "InService"
    space = aws("sagemaker", "describe-space", *studio.space)
    assert space["OwnershipSettings"] == {"OwnerUserProfileName": "ana"}
    assert space["SpaceSharingSettings"] == {"SharingType": "Private"}
    aws(
        "sagemaker",
        "update-space",
        *studio.space,
        '--space-settings={"JupyterLabAppSettings": {"DefaultResourceSpec": '
        '{"InstanceType": "ml.t3.large"}}}',
    )
    chosen = aws("sagemaker", "describe-space", *studio.space)["SpaceSettings"]
    resources = chosen["JupyterLabAppSettings"]["DefaultResourceSpec"]
    assert resources["InstanceType"] == "ml.t3.large"
    where = f"--domain-id-equals={studio.domain}"
    for listing, path in (
        ("list-user-profiles", "UserProfiles[].UserProfileName"),
        ("list-spaces", "Spaces[].SpaceName"),
    ):
        assert aws("sagemaker", listing, where, f"--query={path}") == ["ana"]


def test_an_app_from_its_start_to_its_link_to_its_end(aws: AwsCli, studio: Studio) -> None:
    arn = aws("sagemaker", "create-app", *studio.app, "--resource-spec=InstanceType=ml.t3.medium")[
        "AppArn"
    ]
    again = aws.refused("sagemaker", "create-app", *studio.app)
    assert (again.status, again.code) == (SERVICE_REFUSED, "ResourceInUse")
    busy = aws.refused("sagemaker", "delete-space", *studio.space)
    assert (busy.status, busy.code) == (SERVICE_REFUSED, "ResourceInUse")
    until(lambda: studio.app_status() == "InService")
    [listed] = aws("sagemaker", "list-apps", f"--domain-id-equals={studio.domain}")["Apps"]
    assert (listed["AppType"], listed["SpaceName"], listed["Status"]) == (
        "JupyterLab",
        "ana",
        "InService",
    )
    link = aws(
        "sagemaker", "create-presigned-domain-url", *studio.space, "--user-profile-name=ana"
    )["AuthorizedUrl"]
    with urllib.request.urlopen(link, timeout=60) as page:  # noqa: S310 (loopback)
        assert page.status == 200
        assert "/lab" in page.url
        assert b"JupyterLab" in page.read()
    aws("sagemaker", "delete-app", *studio.app)
    until(lambda: studio.app_status() == "Deleted")
    assert arn.lower().endswith(f":app/{studio.domain}/ana/jupyterlab/default")


def test_what_is_missing_is_said(aws: AwsCli, studio: Studio) -> None:
    here = f"--domain-id={studio.domain}"
    app = ("--app-type=JupyterLab", "--app-name=default")
    for words in (
        ("describe-domain", "--domain-id=d-abcdefabcdef"),
        ("describe-user-profile", here, "--user-profile-name=ben"),
        ("describe-space", here, "--space-name=ben"),
        ("describe-app", here, "--space-name=ben", *app),
        ("delete-space", here, "--space-name=ben"),
    ):
        refusal = aws.refused("sagemaker", *words)
        assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "ResourceNotFound"), words
        assert refusal.message


def test_what_is_still_used_is_not_deleted(aws: AwsCli, studio: Studio) -> None:
    for words in (
        ("delete-domain", f"--domain-id={studio.domain}"),
        ("delete-user-profile", f"--domain-id={studio.domain}", "--user-profile-name=ana"),
    ):
        refusal = aws.refused("sagemaker", *words)
        assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "ResourceInUse"), words


def test_what_is_wrong_or_not_allowed_is_said(aws: AwsCli, cloud: Cloud, studio: Studio) -> None:
    wrong = aws.refused(
        "sagemaker",
        "create-user-profile",
        f"--domain-id={studio.domain}",
        "--user-profile-name=not_a_name",
    )
    assert (wrong.status, wrong.code) == (SERVICE_REFUSED, "ValidationException")
    assert "not_a_name" in wrong.message
    nobody = aws.as_role(role(cloud, "nobody", "sagemaker"))
    denied = nobody.refused("sagemaker", "create-app", *studio.app)
    assert (denied.status, denied.code) == (SERVICE_REFUSED, "AccessDeniedException")
    assert "sagemaker:CreateApp" in denied.message


# --- training jobs --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def trainer(cloud: Cloud) -> str:
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="work")
    s3.put_object(Bucket="work", Key="data/series.csv", Body=b"co2")
    return role(
        cloud,
        "trainer",
        "sagemaker",
        (["s3:ListBucket"], "arn:aws:s3:::work"),
        (["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::work/*"),
    )


def job(name: str, role_arn: str, script: str) -> tuple[str, ...]:
    """The command that creates a job."""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://work/data/"}
    channels = [{"ChannelName": "data", "DataSource": {"S3DataSource": source}}]
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash", "-c"],
        "ContainerArguments": [script],
    }
    return (
        "sagemaker",
        "create-training-job",
        f"--training-job-name={name}",
        f"--role-arn={role_arn}",
        f"--algorithm-specification={json.dumps(algorithm)}",
        f"--input-data-config={json.dumps(channels)}",
        "--output-data-config=S3OutputPath=s3://work/jobs/",
        "--resource-config=InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=5",
        "--stopping-condition=MaxRuntimeInSeconds=600",
        "--hyper-parameters=epochs=3",
    )


def wait(name: str) -> tuple[str, ...]:
    return (
        "sagemaker",
        "wait",
        "training-job-completed-or-stopped",
        f"--training-job-name={name}",
    )


def test_a_job_is_waited_for_to_its_result(aws: AwsCli, trainer: str) -> None:
    script = 'cp "$ML_ROOT/input/data/data/series.csv" "$ML_ROOT/model/"'
    named = "--training-job-name=completes"
    aws(*job("completes", trainer, script))
    again = aws.refused(*job("completes", trainer, script))
    assert (again.status, again.code) == (SERVICE_REFUSED, "ResourceInUse")
    aws(*wait("completes"))
    ended = aws("sagemaker", "describe-training-job", named)
    assert ended["TrainingJobStatus"] == "Completed"
    assert ended["HyperParameters"] == {"epochs": "3"}
    assert [each["Status"] for each in ended["SecondaryStatusTransitions"]][-1] == "Completed"
    artifact = ended["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == "s3://work/jobs/completes/output/model.tar.gz"
    assert aws.text("s3", "ls", artifact)
    listed = aws(
        "sagemaker",
        "list-training-jobs",
        "--status-equals=Completed",
        "--query=TrainingJobSummaries[].TrainingJobName",
    )
    assert listed == ["completes"]


def test_a_job_is_stopped(aws: AwsCli, trainer: str) -> None:
    named = "--training-job-name=stops"
    aws(*job("stops", trainer, "sleep 600"))
    aws("sagemaker", "stop-training-job", named)
    aws(*wait("stops"))
    ended = aws("sagemaker", "describe-training-job", named)
    assert ended["TrainingJobStatus"] == "Stopped"
    late = aws.refused("sagemaker", "stop-training-job", named)
    assert (late.status, late.code) == (SERVICE_REFUSED, "ValidationException")


def test_a_job_that_fails_fails_its_waiter(aws: AwsCli, trainer: str) -> None:
    named = "--training-job-name=fails"
    aws(*job("fails", trainer, "echo no data; exit 3"))
    waited = aws.run(*wait("fails"))
    assert waited.status == WAITER_FAILED
    assert "Waiter TrainingJobCompletedOrStopped failed" in waited.errors
    ended = aws("sagemaker", "describe-training-job", named)
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"].endswith("no data, exit code: 3")
    told = aws(
        "logs",
        "filter-log-events",
        "--log-group-name=/aws/sagemaker/TrainingJobs",
        "--log-stream-name-prefix=fails/",
        "--query=events[].message",
    )
    assert "no data" in told


def test_a_job_that_is_not_there(aws: AwsCli) -> None:
    for operation in ("describe-training-job", "stop-training-job"):
        refusal = aws.refused("sagemaker", operation, "--training-job-name=never")
        assert refusal.status == SERVICE_REFUSED
        assert refusal.code in ("ValidationException", "ResourceNotFound")
        assert "never" in refusal.message or "not found" in refusal.message
    ended = aws.run(*wait("never"))
    assert ended.status == WAITER_FAILED


# --- what spaces start with -----------------------------------------------------------------------
def test_start_scripts_images_and_their_configurations(
    aws: AwsCli, studio: Studio, trainer: str
) -> None:
    script = base64.b64encode(b"true").decode()
    named = "--studio-lifecycle-config-name=start"
    words = (f"--studio-lifecycle-config-content={script}", TYPE)
    arn = aws("sagemaker", "create-studio-lifecycle-config", named, *words)
    listed = aws("sagemaker", "list-studio-lifecycle-configs")["StudioLifecycleConfigs"]
    assert [each["StudioLifecycleConfigArn"] for each in listed] == list(arn.values())
    aws("sagemaker", "delete-studio-lifecycle-config", named)
    missing = aws.refused("sagemaker", "describe-studio-lifecycle-config", named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ResourceNotFound")

    aws("sagemaker", "create-image", "--image-name=cpu", f"--role-arn={trainer}")
    aws("sagemaker", "wait", "image-created", "--image-name=cpu")
    assert aws("sagemaker", "list-images", "--query=Images[].ImageName") == ["cpu"]
    aws("sagemaker", "delete-image", "--image-name=cpu")
    # This version's own waiter waits for an older name of the error; boto3's is tried beside.
    until(lambda: aws("sagemaker", "list-images")["Images"] == [])

    named = "--app-image-config-name=cpu"
    start = {"ContainerConfig": {"ContainerEntrypoint": ["/opt/academy/bin/start"]}}
    words = (f"--jupyter-lab-app-image-config={json.dumps(start)}",)
    aws("sagemaker", "create-app-image-config", named, *words)
    got = aws("sagemaker", "describe-app-image-config", named)
    assert got["JupyterLabAppImageConfig"] == start
    aws("sagemaker", "delete-app-image-config", named)


TYPE = "--studio-lifecycle-config-app-type=JupyterLab"


def test_a_domain_is_changed(aws: AwsCli, studio: Studio) -> None:
    idle = {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 90}
    changed = {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": idle}}}
    here = f"--domain-id={studio.domain}"
    aws("sagemaker", "update-domain", here, f"--default-user-settings={json.dumps(changed)}")
    until(lambda: aws("sagemaker", "describe-domain", here)["Status"] == "InService")
    kept = aws("sagemaker", "describe-domain", here)["DefaultUserSettings"]
    assert kept["JupyterLabAppSettings"]["AppLifecycleManagement"]["IdleSettings"] == idle
    assert kept["ExecutionRole"] == studio.role


# --- the end --------------------------------------------------------------------------------------
def test_everything_is_deleted_from_the_inside_out(aws: AwsCli, studio: Studio) -> None:
    aws("sagemaker", "delete-space", *studio.space)
    here = f"--domain-id={studio.domain}"
    until(lambda: aws("sagemaker", "list-spaces", f"--domain-id-equals={studio.domain}") == NONE)
    aws("sagemaker", "delete-user-profile", here, "--user-profile-name=ana")
    until(
        lambda: (
            not aws("sagemaker", "list-user-profiles", f"--domain-id-equals={studio.domain}")[
                "UserProfiles"
            ]
        )
    )
    aws("sagemaker", "delete-domain", here, "--retention-policy=HomeEfsFileSystem=Delete")
    until(lambda: not aws("sagemaker", "list-domains")["Domains"])


NONE: dict[str, list[Any]] = {"Spaces": []}
