"""Spaces and jobs in the whole embedded cloud: IAM decides over them, and its end is theirs."""

from __future__ import annotations

import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline import runtime
from infra.offline.authorization import credentials
from infra.offline.server import Cloud
from tests.offline.services.sagemaker.studio_cloud import IMAGE, domain_request, make, until
from tests.offline.small_cloud import SmallCloud
from tests.offline.whole_cloud import client, role

pytestmark = pytest.mark.end_to_end

REGION = "us-east-1"
SCRIPT = "python -c 'print(open(\"/opt/ml/input/data/data/co2.csv\").read())' > /opt/ml/model/copy"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as cloud:
        client(cloud, "s3").create_bucket(Bucket="work")
        client(cloud, "s3").put_object(Bucket="work", Key="teams/falcon/co2.csv", Body=b"co2")
        yield cloud


def train(cloud: Cloud, name: str, role_arn: str) -> dict[str, Any]:
    """Run a job that copies its input to its model; returns its last description."""
    api = client(cloud, "sagemaker")
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://work/teams/falcon/",
        "S3DataDistributionType": "FullyReplicated",
    }
    api.create_training_job(
        TrainingJobName=name,
        RoleArn=role_arn,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": [SCRIPT],
        },
        InputDataConfig=[{"ChannelName": "data", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": "s3://work/teams/falcon/jobs/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )

    def over() -> Any:
        job = api.describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] in ("Completed", "Failed") else None

    found: dict[str, Any] = until(over)
    return found


def test_a_job_reads_and_writes_what_its_role_may(whole: Cloud) -> None:
    may = role(
        whole,
        "trainer",
        "sagemaker",
        (["s3:ListBucket"], "arn:aws:s3:::work"),
        (["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::work/teams/falcon/*"),
    )
    job = train(whole, "may", may)
    assert job["TrainingJobStatus"] == "Completed", job


def test_a_job_fails_on_input_that_its_role_may_not_read(whole: Cloud) -> None:
    blind = role(whole, "blind", "sagemaker")
    job = train(whole, "blind", blind)
    assert job["TrainingJobStatus"] == "Failed"
    assert "ClientError: Data download failed: AccessDenied" in job["FailureReason"]
    assert blind in job["FailureReason"]


def test_a_job_fails_on_results_that_its_role_may_not_write(whole: Cloud) -> None:
    reader = role(
        whole,
        "reader",
        "sagemaker",
        (["s3:ListBucket"], "arn:aws:s3:::work"),
        (["s3:GetObject"], "arn:aws:s3:::work/*"),
    )
    job = train(whole, "reader", reader)
    assert "ClientError: Artifact upload failed" in job["FailureReason"]
    assert "AccessDenied" in job["FailureReason"]


def test_a_learner_may_not_start_what_the_role_does_not_allow(whole: Cloud) -> None:
    role_arn = role(whole, "learner", "sagemaker")
    keys = credentials.for_role(role_arn, session_name="SageMaker")
    api = client(whole, "sagemaker", keys)
    with pytest.raises(ClientError) as error:
        api.create_app(DomainId="d-0", SpaceName="ana", AppType="JupyterLab", AppName="default")
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_space_opens_by_its_link_and_ends_with_the_cloud(tmp_path: Path, whole: Cloud) -> None:
    whole.stop()
    with Cloud(state=tmp_path / "second") as cloud:
        api = client(cloud, "sagemaker")
        name = "ana"
        execution_role = role(cloud, name, "sagemaker")
        request = domain_request(SmallCloud(runtime.current()), name, execution_role)
        domain = make(api, request, name)
        app = {
            "DomainId": domain,
            "SpaceName": name,
            "AppType": "JupyterLab",
            "AppName": "default",
        }
        api.create_app(**app)
        until(lambda: api.describe_app(**app)["Status"] == "InService")
        link = api.create_presigned_domain_url(
            DomainId=domain, UserProfileName=name, SpaceName=name
        )["AuthorizedUrl"]
        with urllib.request.urlopen(link, timeout=30) as page:  # noqa: S310 (loopback)
            assert page.status == 200
            lab = urllib.parse.urlsplit(page.url)
        assert lab.path == "/jupyterlab/default/lab"
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(link[:-1], timeout=30)  # noqa: S310 (loopback)
        assert error.value.code == 403
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", lab.port or 0), timeout=5)
