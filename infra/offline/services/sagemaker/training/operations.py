"""SageMaker's API for training jobs: create, describe, stop, list."""

from __future__ import annotations

import threading
from pathlib import PurePosixPath
from typing import Any

from infra.offline import runtime
from infra.offline.services import ecr, quotas
from infra.offline.services.ecr import Stored
from infra.offline.services.sagemaker import containers, networks
from infra.offline.services.sagemaker.operations import (
    Request,
    Response,
    State,
    arn,
    in_use,
    invalid,
    listing,
    operation,
    require_assumable,
    state,
)
from infra.offline.services.sagemaker.studio import within
from infra.offline.services.sagemaker.training import instance
from infra.offline.services.sagemaker.training.instance import ML
from infra.offline.services.sagemaker.training.job import TrainingJob
from infra.offline.services.sagemaker.validation import Only

LONGEST_RUN_SECONDS = 28 * 24 * 3600
DEFAULT_RUN_SECONDS = 24 * 3600
_FILE = Only(("File",), "channels are copied before the start")
_NEVER = Only((False,), "it is always off here")


@operation(
    "CreateTrainingJob",
    {
        "TrainingJobName": None,
        "HyperParameters": None,
        "AlgorithmSpecification": {
            "TrainingImage": None,
            "TrainingInputMode": _FILE,
            "ContainerEntrypoint": None,
            "ContainerArguments": None,
            "EnableSageMakerMetricsTimeSeries": _NEVER,
        },
        "RoleArn": None,
        "InputDataConfig": {
            "ChannelName": None,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": Only(("S3Prefix",), "manifests are not read"),
                    "S3Uri": None,
                    "S3DataDistributionType": Only(("FullyReplicated",), "there is one instance"),
                }
            },
            "ContentType": None,
            "CompressionType": Only(("None",), "objects are copied as they are"),
            "RecordWrapperType": Only(("None",), "objects are copied as they are"),
            "InputMode": _FILE,
        },
        "OutputDataConfig": {
            "S3OutputPath": None,
            "KmsKeyId": None,
            "CompressionType": Only(("GZIP",), "results are written as .tar.gz"),
        },
        "ResourceConfig": {
            "InstanceType": None,
            "InstanceCount": Only((1,), "a job runs on this machine alone"),
            "VolumeSizeInGB": None,
            "VolumeKmsKeyId": None,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": None, "MaxWaitTimeInSeconds": None},
        "CheckpointConfig": {"S3Uri": None, "LocalPath": None},
        "Environment": None,
        "VpcConfig": {"SecurityGroupIds": None, "Subnets": None},
        "EnableNetworkIsolation": _NEVER,
        "EnableInterContainerTrafficEncryption": _NEVER,
        "EnableManagedSpotTraining": None,
        "RemoteDebugConfig": {"EnableRemoteDebug": _NEVER},
        "ProfilerConfig": {"DisableProfiler": Only((True,), "there is no profiler here")},
        "Tags": None,
    },
)
def create_training_job(backend: Any, request: Request) -> Response:
    _check(request)
    current = runtime.current()
    kept = state(backend)
    name = request["TrainingJobName"]
    job_arn = arn(backend, "training-job", name)
    require_assumable(request["RoleArn"], source_arn=job_arn)
    if "VpcConfig" in request:
        networks.require_job_network(backend, request["RoleArn"], request["VpcConfig"])
    stored = _own_image(request)
    request["StoppingCondition"].setdefault("MaxRuntimeInSeconds", DEFAULT_RUN_SECONDS)
    with kept.lock:
        if name in kept.jobs:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a training job with "
                f"this name already exists ({job_arn})"
            )
        _check_quotas(kept, request["ResourceConfig"])
        job = TrainingJob(
            arn=job_arn,
            request=request,
            tags=request.get("Tags", []),
            created=current.clock.now(),
            runtime=current,
            stored=stored,
        )
        kept.jobs[name] = job
    threading.Thread(target=instance.run, args=(job,), name=f"job-{name}", daemon=True).start()
    return {"TrainingJobArn": job_arn}


def _check_quotas(kept: State, wanted: dict[str, Any]) -> None:
    """A job's instances count from its creation to its end."""
    running = [
        job.request["ResourceConfig"]
        for job in kept.jobs.values()
        if job.status in ("InProgress", "Stopping")
    ]
    kind, more = wanted["InstanceType"], wanted["InstanceCount"]
    for quota, counted in (
        (quotas.TRAINING_INSTANCES, running),
        (
            quotas.training_on(kind),
            [each for each in running if each["InstanceType"] == kind],
        ),
    ):
        in_use = sum(each["InstanceCount"] for each in counted)
        quotas.require(quota, in_use=in_use, unit="Instances", more=more)


def _own_image(request: Request) -> Stored | None:
    """The job's image if it is one of this account's ECR; it must be there and the role may pull.

    AWS refuses the call for both, in these words: aws/amazon-sagemaker-examples, issue 1476, and
    aws/sagemaker-spark, issue 158.
    """
    uri = request["AlgorithmSpecification"]["TrainingImage"]
    reference = containers.own(uri)
    if reference is None:
        if uri.startswith(f"{runtime.current().account}.dkr.ecr."):
            raise invalid(
                f"Cannot find the requested image: {uri}. It is not of this region's ECR."
            )
        return None
    stored = ecr.find(reference)
    if stored is None:
        raise invalid(f"Cannot find the requested image: {uri}.")
    denied = containers.refusal(request["RoleArn"], reference)
    if denied is not None:
        raise invalid(
            f"Access denied for repository: {reference.repository} in registry ID: "
            f"{reference.account}. {denied}"
        )
    try:
        containers.check(stored)
    except containers.NotOfTheAcademy as error:
        raise invalid(f"Image {uri}: {error}") from error
    return stored


def _check(request: Request) -> None:
    """What AWS requires although its model does not say so, and what the emulation needs."""
    for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if member not in request:
            raise invalid(f"{member} is required.")
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    if "TrainingImage" not in algorithm:
        raise invalid("AlgorithmSpecification.TrainingImage is required.")
    if "ContainerEntrypoint" not in algorithm:
        raise invalid(
            "AlgorithmSpecification.ContainerEntrypoint is required: the embedded cloud pulls no "
            "image, so it does not know the image's own entrypoint."
        )
    for member in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        if member not in resources:
            raise invalid(f"ResourceConfig.{member} is required.")
    if resources["VolumeSizeInGB"] < 1:
        raise invalid("ResourceConfig.VolumeSizeInGB must be at least 1.")
    limit = request["StoppingCondition"].get("MaxRuntimeInSeconds", 0)
    if limit > LONGEST_RUN_SECONDS:
        raise invalid(
            f"StoppingCondition.MaxRuntimeInSeconds must not exceed {LONGEST_RUN_SECONDS}."
        )
    _check_spot(request)
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"InputDataConfig: ChannelName {name} occurs more than once.")
        if set(name) <= {"."}:
            raise invalid(f"InputDataConfig: ChannelName {name} does not name a folder.")
    uris = {"OutputDataConfig.S3OutputPath": request["OutputDataConfig"]["S3OutputPath"]}
    for channel in request.get("InputDataConfig", ()):
        if "S3DataSource" not in channel["DataSource"]:
            raise invalid(f"InputDataConfig: channel {channel['ChannelName']} has no S3DataSource.")
        uris[f"channel {channel['ChannelName']}"] = channel["DataSource"]["S3DataSource"]["S3Uri"]
    checkpoints = request.get("CheckpointConfig")
    if checkpoints is not None:
        uris["CheckpointConfig.S3Uri"] = checkpoints["S3Uri"]
        local = PurePosixPath(checkpoints.get("LocalPath", f"{ML}/checkpoints"))
        if not local.is_relative_to(ML) or ".." in local.parts:
            raise invalid(f"CheckpointConfig.LocalPath must lie below {ML} in the embedded cloud.")
    for where, uri in uris.items():
        if not uri.startswith("s3://"):
            raise invalid(f"{where}: {uri} is not an s3:// URI.")


def _check_spot(request: Request) -> None:
    """Source: AWS's refusals, Kenza-AI/sagify, issue 111, and "Managed Spot Training in Amazon
    SageMaker AI", SageMaker developer guide."""
    limits = request["StoppingCondition"]
    wait = limits.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining "
                "is set to true"
            )
        return
    if wait is None or wait < limits.get("MaxRuntimeInSeconds", DEFAULT_RUN_SECONDS):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )


@operation("DescribeTrainingJob", {"TrainingJobName": None})
def describe_training_job(backend: Any, request: Request) -> Response:
    return _job(backend, request).describe()


def _job(backend: Any, request: Request) -> TrainingJob:
    kept = state(backend)
    with kept.lock:
        if request["TrainingJobName"] not in kept.jobs:
            # AWS's model knows ResourceNotFound; this is what it answers.
            raise invalid("Requested resource not found.")
        return kept.jobs[request["TrainingJobName"]]


@operation("StopTrainingJob", {"TrainingJobName": None})
def stop_training_job(backend: Any, request: Request) -> Response:
    job = _job(backend, request)
    if not job.request_stop("Stopped"):
        raise invalid(
            f"The request was rejected because the training job is in status {job.status}."
        )
    return {}


@operation(
    "ListTrainingJobs",
    {
        "NextToken": None,
        "MaxResults": None,
        "CreationTimeAfter": None,
        "CreationTimeBefore": None,
        "LastModifiedTimeAfter": None,
        "LastModifiedTimeBefore": None,
        "NameContains": None,
        "StatusEquals": None,
        "SortBy": None,
        "SortOrder": None,
    },
)
def list_training_jobs(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        jobs = list(kept.jobs.values())
    found = [
        job
        for job in jobs
        if request.get("NameContains", "") in job.name
        and request.get("StatusEquals") in (None, job.status)
        and within(job.created, request, "CreationTime")
        and within(job.modified or job.created, request, "LastModifiedTime")
    ]
    orders: dict[str, Any] = {
        "Name": lambda job: job.name,
        "Status": lambda job: (job.status, job.name),
        "CreationTime": lambda job: (job.created, job.name),
    }
    return listing(
        request,
        found,
        "TrainingJobSummaries",
        summary=TrainingJob.summary,
        order=orders[request.get("SortBy", "CreationTime")],
    )
