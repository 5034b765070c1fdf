"""SageMaker's Python SDK, unmodified, in a learner's hands: its jobs go through the broker.

A cohort is deployed by the CDK CLI; a script as the learner (tests/sdk/learner/session.py) then
trains by ModelTrainer in `academy.sagemaker_session()`. The script runs once, and each test reads
what came of one of its tries.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from infra.cli.account import Site
from infra.offline.authorization import credentials
from infra.offline.server import Cloud

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
PYTHON = ROOT / ".venv-sdk" / "bin" / "python"
LEARNER = Path(__file__).parent / "learner"
pytestmark = pytest.mark.sdk


@dataclass
class Class:
    """The deployed cohort, and what the learner's script told."""

    site: Site
    told: dict[str, dict[str, Any]]
    output: str

    def model(self, uri: str) -> dict[str, Any]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body = self.site.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            file = tar.extractfile("model.json")
            assert file is not None
            found: dict[str, Any] = json.loads(file.read())
            return found


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    folder = tmp_path_factory.mktemp("sdk")
    with pytest.MonkeyPatch.context() as patch, Cloud(state=folder / "cloud") as cloud:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in cloud.client_environment().items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        site = deployed(folder)
        s3 = site.client("s3")
        data = f"datasets/{site.cohort.projects[0]}/"
        s3.put_object(Bucket=site.bucket("data"), Key=f"{data}co2.csv", Body=b"step,value\n0,1\n")
        s3.put_object(Bucket=site.bucket("work"), Key="teams/heron/secret/notes.csv", Body=b"x")
        output = as_learner(cloud, site, folder)
        yield Class(site, json.loads((folder / "home" / "found.json").read_text()), output)


def deployed(folder: Path) -> Site:
    today = dt.datetime.now(dt.UTC).date()
    document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
    document |= {
        "name": "earth",
        "starts": today - dt.timedelta(days=7),
        "ends": today + dt.timedelta(days=120),
        "projects": ["climate-series"],
        "teams": [
            {"id": "falcon", "learners": [{"id": "ana", "email": "ana@example.org"}]},
            {"id": "heron", "learners": [{"id": "chi", "email": "chi@example.org"}]},
        ],
    }
    document["competition"]["closes"] = today + dt.timedelta(days=100)
    document["budget"]["per_learner_usd"] = 2
    file = folder / "cohort.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    everything = ("--all", "-c", f"cohort={file}", "--output", str(folder / "cdk.out"))
    cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "")
    cdk("deploy", *everything, "--require-approval", "never")
    return Site.of(file)


def cdk(*arguments: str) -> None:
    answer = subprocess.run(
        [str(CDK), *arguments],
        cwd=ROOT,
        env=dict(os.environ) | {"CDK_VALIDATION": "false"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, (answer.stdout + answer.stderr)[-3000:]


def as_learner(cloud: Cloud, site: Site, folder: Path) -> str:
    """Run the script with what a space gives a learner, and nothing of the administrator's."""
    home = folder / "home"
    home.mkdir()
    source = folder / "source"
    source.mkdir()
    for file in (LEARNER / "source").iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    wheel(source)
    names = site.cohort.names
    role = names.role_arn("learner", "ana", account=site.account)
    run = subprocess.run(
        [str(PYTHON), str(LEARNER / "session.py"), str(source)],
        cwd=home,
        env={
            **cloud.client_environment(),
            **credentials.for_role(role, session_name="SageMaker"),
            "PATH": os.defpath,
            "HOME": str(home),
            "PYTHONPATH": str(ROOT / "project_templates" / "academy"),
            "ACADEMY_WORKSPACE": names.workspace_parameter("ana"),
        },
        capture_output=True,
        text=True,
        timeout=400,
    )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output[-6000:]
    return output


def wheel(folder: Path) -> None:
    """A package that nothing else brings: it is there only if requirements are installed."""
    info = "greeting-1.0.dist-info"
    files = {
        "greeting.py": "WORDS = 'hello from a requirement'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "greeting-1.0-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


# --- what is granted ------------------------------------------------------------------------------
def test_a_job_of_the_sdk_completes_under_the_academys_name(session: Class) -> None:
    job = session.told["trained"]
    assert job["status"] == "Completed", job
    assert job["name"].startswith("earth--falcon--ana--")
    assert "saved the model" in session.output, "the SDK streams the job's log"


def test_its_script_had_hyperparameters_sources_requirements_data_and_environment(
    session: Class,
) -> None:
    model = session.model(session.told["trained"]["model"])
    assert model == {
        "said": "hello from a requirement",
        "rates": [0.5, 0.25, 0.125],
        "hyperparameters": {"epochs": 3, "rate": 0.5},
        "files": ["co2.csv"],
        "season": "autumn",
        "entry": "train.py",
    }


def test_its_model_lies_where_every_job_of_the_team_has_it(session: Class) -> None:
    job = session.told["trained"]
    work = session.site.bucket("work")
    assert job["model"] == f"s3://{work}/teams/falcon/jobs/{job['name']}/output/model.tar.gz"


def test_the_academys_own_library_takes_the_model(session: Class) -> None:
    assert session.told["attached"]["files"] == ["model.json"]


def test_the_broker_wrote_image_and_role(session: Class) -> None:
    job = session.told["trained"]
    training_role = session.site.cohort.names.role_arn(
        "training", "falcon", account=session.site.account
    )
    assert job["role"] == training_role
    assert "/pytorch-training:2.8.0-cpu" in job["image"], "not the name that stands for it"


def test_a_folder_of_the_learners_becomes_a_channel(session: Class) -> None:
    job = session.told["local data"]
    assert job["status"] == "Completed", job
    assert session.model(job["model"])["files"] == ["local.csv"]


def test_what_the_sdk_uploads_stays_with_the_team(session: Class) -> None:
    s3 = session.site.client("s3")
    listed = s3.list_objects_v2(Bucket=session.site.bucket("work"))["Contents"]
    keys = [item["Key"] for item in listed]
    sent = [key for key in keys if key.endswith("sm_train.sh")]
    assert sent
    assert all(key.startswith("teams/falcon/sagemaker/ana/") for key in sent)


def test_a_script_that_fails_says_why(session: Class) -> None:
    failed = session.told["failed"]
    assert failed["type"] == "FailedStatusError"
    assert "AlgorithmError" in failed["message"]
    assert "ValueError: the loss is not a number" in session.output


def test_a_job_can_be_stopped_by_the_sdk(session: Class) -> None:
    assert session.told["stopped"]["status"] == "Stopped"


def test_all_is_settled_and_within_the_cap(session: Class) -> None:
    """Each job was reserved for at its longest run; what is spent is what they ran."""
    budget = session.told["budget"]
    assert budget["reserved"] == 0
    entries = session.site.broker("ana", {"op": "budget"})["entries"]
    assert len(entries) == 4, "as many as were started, and none of those refused"
    assert sum(entry["billed_micro_usd"] for entry in entries) == budget["spent"] > 0
    assert all(0 < entry["billed_micro_usd"] < entry["reserved_micro_usd"] for entry in entries)


# --- what is refused ------------------------------------------------------------------------------
def test_a_job_beyond_the_cap_is_refused_in_the_brokers_words(session: Class) -> None:
    refused = session.told["too dear"]
    assert (refused["type"], refused["code"]) == ("Refused", "budget")
    words = r"Your budget has \$1\.\d\d left; this job could cost up to \$\d\.\d\d \(1 x ml\.g5"
    assert re.match(words, refused["message"])


def test_every_member_that_is_not_granted_is_named_at_once(session: Class) -> None:
    refused = session.told["refused members"]
    assert refused["type"] == "Refused"
    for words in (
        "ResourceConfig.InstanceType is 'ml.p5.48xlarge'; expected one of ml.m5.large, ml.g5.xl",
        "ResourceConfig.InstanceCount is 8; expected 1 in this cohort",
        "ResourceConfig.KeepAlivePeriodInSeconds is 3600; leave it out",
        "EnableManagedSpotTraining is True; leave it out",
        "EnableNetworkIsolation is True; leave it out",
        "StoppingCondition.MaxWaitTimeInSeconds is 1200; leave it out",
        "VpcConfig is {'SecurityGroupIds': ['sg-0a1b2c3d'], ",
        "Tags is [{'Key': 'academy:team', 'Value': 'heron'}]; leave it out",
        "Environment.'AWS_ENDPOINT_URL': a name",
    ):
        assert words in refused["message"]


def test_another_teams_folder_is_refused_for_reading_and_for_results(session: Class) -> None:
    refused = session.told["another team's"]
    work = session.site.bucket("work")
    assert refused["type"] == "Refused"
    for words in (
        "InputDataConfig[0].DataSource.S3DataSource.S3Uri is 's3://",
        "InputDataConfig[1].DataSource.S3DataSource.S3Uri is 's3://",
        f"expected a place below s3://{work}/teams/falcon/",
        f"expected none: results go to s3://{work}/teams/falcon/jobs/",
    ):
        assert words in refused["message"]


def test_another_image_and_another_role_are_refused_by_name(session: Class) -> None:
    refused = session.told["foreign"]
    assert "AlgorithmSpecification.TrainingImage is '111122223333.dkr." in refused["message"]
    assert "expected one of academy/climate-series, " in refused["message"]
    assert "RoleArn is 'arn:aws:iam::123456789012:role/admin'; expected arn" in refused["message"]


def test_a_container_without_the_sdks_drivers_is_refused(session: Class) -> None:
    refused = session.told["no sources"]
    assert "AlgorithmSpecification.ContainerEntrypoint is missing" in refused["message"]


# --- around it ------------------------------------------------------------------------------------
def test_sagemaker_itself_takes_no_job_from_a_learner(session: Class) -> None:
    """The session is the way because there is no other: IAM lets a learner create none."""
    names = session.site.cohort.names
    role = names.role_arn("learner", "ana", account=session.site.account)
    keys = credentials.for_role(role, session_name="SageMaker")
    api = boto3.client(
        "sagemaker",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
    )
    described = session.site.client("sagemaker").describe_training_job(
        TrainingJobName=session.told["trained"]["name"]
    )
    asked = (
        *("RoleArn", "AlgorithmSpecification", "OutputDataConfig", "ResourceConfig"),
        *("StoppingCondition",),
    )
    with pytest.raises(api.exceptions.ClientError, match="AccessDeniedException"):
        api.create_training_job(
            TrainingJobName="mine", **{member: described[member] for member in asked}
        )
