"""Constructs the one kind of CreateTrainingJob request that the academy makes.

Every member is written here; nothing of what a learner sent is passed on but values that
`requests.py` has checked. No warm pool, no spot, no profiler or debugger with instances of their
own, no path outside the team's.
"""

from __future__ import annotations

from typing import Any

from infra.cohort.naming import Names
from infra.services.guard.cloud import Workspace
from infra.services.guard.requests import Train, TrainingJob
from infra.services.guard.settings import Settings, accelerator

#: AWS's deep-learning containers for PyTorch 2.8, CUDA 12.9 on GPU (aws/deep-learning-containers).
#: The same PyTorch as in the spaces' SageMaker Distribution image. For cohorts without images of
#: the academy's own.
REGISTRY = "763104351884.dkr.ecr.{region}.amazonaws.com"
CPU_IMAGE = "pytorch-training:2.8.0-cpu-py312-ubuntu22.04-sagemaker"
GPU_IMAGE = "pytorch-training:2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker"

#: The academy's images bring the library.
START = "exec python -m academy.job"
INSTALL = (
    "python -m pip install --no-index --no-deps --quiet /opt/ml/input/data/software/academy-*.whl"
)

#: How SageMaker's own SDK starts a script: it sends drivers along, in a channel of their own, and
#: these run what lies in the channel `code`. Source: sagemaker.train.constants, sagemaker 3.27.0.
CODE, DRIVERS = "code", "sm_drivers"
ENTRYPOINT = ["/bin/bash"]
RUN_DRIVERS = [
    "-c",
    "chmod +x /opt/ml/input/data/sm_drivers/sm_train.sh "
    "&& /opt/ml/input/data/sm_drivers/sm_train.sh",
]
#: The variable that holds the whole token of a job whose code lies where the SDK has put it.
MARK = "ACADEMY_TOKEN"

#: Families whose instances bring disks of their own: SageMaker puts the job on those and bills no
#: volume ("Instance store volumes" and VolumeSizeInGB, ResourceConfig in the API reference).
OWN_DISKS = frozenset({"g4dn", "g5", "g6", "p4d", "p5"})


def billed_disk_gb(instance: str, volume_gb: int) -> int:
    """The gigabytes of disk that are billed beside each instance of a job."""
    return 0 if instance.split(".")[1] in OWN_DISKS else volume_gb


def image(region: str, instance: str) -> str:
    """AWS's own container for an instance type."""
    name = GPU_IMAGE if accelerator(instance) == "gpu" else CPU_IMAGE
    return f"{REGISTRY.format(region=region)}/{name}"


def code_root(team: str) -> str:
    """Where in `work` the learner's library puts the code of a team's jobs."""
    return f"{Names.team_prefix(team)}code/"


def code_prefix(team: str, token: str) -> str:
    """Where in `work` the learner's library put the code of the job with this token."""
    return f"{code_root(team)}{token}/"


def code_uri(settings: Settings, team: str, token: str) -> str:
    return f"s3://{settings.work_bucket}/{code_prefix(team, token)}"


def image_of(settings: Settings, project: str, instance: str) -> str:
    """The container of a job: the academy's own, the same as the space's, if the cohort has one;
    else AWS's."""
    ours = settings.image(project, instance)
    return ours.job if ours else image(settings.region, instance)


def training_request(
    asked: Train, workspace: Workspace, settings: Settings, names: Names
) -> dict[str, Any]:
    """CreateTrainingJob's members for what was asked.

    On the academy's image, or on AWS's own, where the library is installed from the published
    wheel.
    """
    team = workspace.team
    ours = settings.image(asked.project, asked.instance)
    return _request(
        asked,
        workspace,
        settings,
        names,
        command=(["/bin/bash", "-c"], [START if ours else f"{INSTALL} && {START}"]),
        hyperparameters={**asked.hyperparameters, "academy_script": asked.script},
        channels=[
            _channel("code", code_uri(settings, team, asked.token)),
            *([] if ours else [_channel("software", f"s3://{settings.data_bucket}/software/")]),
            _channel("data", f"s3://{settings.data_bucket}/datasets/{asked.project}/"),
        ],
        environment={},
    )


def sdk_training_request(
    asked: TrainingJob, workspace: Workspace, settings: Settings, names: Names
) -> dict[str, Any]:
    """CreateTrainingJob's members for what SageMaker's SDK asked: the SDK's drivers run it, with
    what the learner's session put in the team's folder."""
    return _request(
        asked,
        workspace,
        settings,
        names,
        command=(ENTRYPOINT, RUN_DRIVERS),
        hyperparameters=asked.hyperparameters,
        channels=[
            _channel(channel.name, channel.uri, channel.content_type) for channel in asked.channels
        ],
        environment={**asked.environment, MARK: asked.token},
    )


def _request(
    asked: Train | TrainingJob,
    workspace: Workspace,
    settings: Settings,
    names: Names,
    *,
    command: tuple[list[str], list[str]],
    hyperparameters: dict[str, str],
    channels: list[dict[str, Any]],
    environment: dict[str, str],
) -> dict[str, Any]:
    """What every job has in common: whose it is, where its results go and what bounds its bill."""
    team = workspace.team
    return {
        "TrainingJobName": names.job(team, workspace.learner, asked.token),
        "RoleArn": workspace.training_role,
        "AlgorithmSpecification": {
            "TrainingImage": image_of(settings, asked.project, asked.instance),
            "TrainingInputMode": "File",
            "ContainerEntrypoint": list(command[0]),
            "ContainerArguments": list(command[1]),
        },
        "HyperParameters": dict(hyperparameters),
        "InputDataConfig": channels,
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{settings.work_bucket}/{Names.team_prefix(team)}jobs/"
        },
        "ResourceConfig": {
            "InstanceType": asked.instance,
            "InstanceCount": asked.count,
            "VolumeSizeInGB": asked.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": asked.seconds},
        **_vpc(settings),
        "EnableManagedSpotTraining": False,
        # Without it Python holds back a job's log until a buffer is full.
        "Environment": {**environment, "PYTHONUNBUFFERED": "1"},
        "Tags": workspace.tags,
    }


def _vpc(settings: Settings) -> dict[str, Any]:
    """A job stands where its cohort's network is; IAM turns down one that stands elsewhere."""
    if settings.network is None:
        return {}
    return {
        "VpcConfig": {
            "Subnets": list(settings.network.subnets),
            "SecurityGroupIds": list(settings.network.security_groups),
        }
    }


def _channel(name: str, uri: str, content_type: str = "") -> dict[str, Any]:
    return {
        "ChannelName": name,
        "InputMode": "File",
        **({"ContentType": content_type} if content_type else {}),
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }
