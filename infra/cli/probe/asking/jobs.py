"""Training: the container that the broker names, and what EventBridge tells of a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.probing import Probe, denied
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cli.probe.shared import caught, rule
from infra.constructs.arns import DEEP_LEARNING_CONTAINERS_ACCOUNT
from infra.services.guard.training import CPU_IMAGE, MARK, image

INSTANCE = "ml.m5.large"
MAX_SECONDS = 300
DISK_GB = 10

#: What the settler's rule and the settler itself read of an event.
FIELDS = ("TrainingJobName", "TrainingJobStatus")

#: As the broker starts a job: a shell, in it the first `python` on the path; with no other package
#: index than what is in the image.
CHECK = (
    "set -eu; command -v python; "
    "python -c 'import sys, torch; print(sys.version, torch.__version__)'; "
    "python -m pip --version"
)


#: What stands where the broker puts its token into a job of the SDK.
TOKEN = "of-the-probe"  # noqa: S105 (nothing hangs on it)


def job_name(probe: Probe) -> str:
    return f"{probe.prefix}--team--ana--check"


def ask_there(probe: Probe) -> Answer:
    name, tag = CPU_IMAGE.split(":")
    try:
        answer = probe.client("ecr").batch_get_image(
            registryId=DEEP_LEARNING_CONTAINERS_ACCOUNT,
            repositoryName=name,
            imageIds=[{"imageTag": tag}],
        )
    except ClientError as error:
        if denied(error):
            raise
        return read_there([], [str(error)])
    reasons = [str(each.get("failureReason")) for each in answer.get("failures", ())]
    return read_there(answer["images"], reasons)


def read_there(images: list[Any], failures: list[str]) -> Answer:
    if images:
        digest = images[0].get("imageId", {}).get("imageDigest", "")
        return confirmed(f"{CPU_IMAGE} is there, {digest}", digest=digest)
    return contradicted(f"{CPU_IMAGE} is not there: {'; '.join(failures) or 'nothing found'}")


def ask_shell(probe: Probe) -> Answer:
    """One job of a minute. Its events are caught for the question on events."""
    name = job_name(probe)
    rule(
        probe,
        "jobs",
        {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Training Job State Change"],
            "detail": {"TrainingJobName": [{"prefix": f"{probe.prefix}--"}]},
        },
    )
    bucket = probe.made["bucket"]["name"]
    registry = f"arn:aws:ecr:{probe.region}:{DEEP_LEARNING_CONTAINERS_ACCOUNT}:repository/*"
    logs = probe.arn("logs", "log-group:/aws/sagemaker/TrainingJobs*")
    role = probe.role(
        "training",
        "sagemaker.amazonaws.com",
        [
            _allow(("s3:PutObject",), f"arn:aws:s3:::{bucket}/*"),
            _allow(("ecr:GetAuthorizationToken",), "*"),
            _allow(
                (
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ),
                registry,
            ),
            _allow(
                (
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                ),
                logs,
            ),
        ],
    )
    sagemaker = probe.client("sagemaker")
    probe.note("log-streams", "/aws/sagemaker/TrainingJobs", prefix=f"{name}/")
    probe.make(
        "training-job",
        name,
        lambda: probe.in_force(
            lambda: sagemaker.create_training_job(
                TrainingJobName=name,
                RoleArn=role,
                AlgorithmSpecification={
                    "TrainingImage": image(probe.region, INSTANCE),
                    "TrainingInputMode": "File",
                    "ContainerEntrypoint": ["/bin/bash", "-c"],
                    "ContainerArguments": [CHECK],
                },
                OutputDataConfig={"S3OutputPath": f"s3://{bucket}/jobs/"},
                ResourceConfig={
                    "InstanceType": INSTANCE,
                    "InstanceCount": 1,
                    "VolumeSizeInGB": DISK_GB,
                },
                StoppingCondition={"MaxRuntimeInSeconds": MAX_SECONDS},
                Environment={MARK: TOKEN},
                Tags=probe.tags,
            )
        ),
    )
    known = probe.made["job"] = {"name": name}

    def look() -> dict[str, Any]:
        found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        if found["TrainingJobStatus"] == "InProgress":
            known["environment"] = json.dumps(found.get("Environment", {}))
        return found

    seen = probe.until(
        "the training job",
        look,
        lambda each: each["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"),
        seconds=1200,
        every=10,
    )
    return read_shell(seen)


def read_shell(seen: Mapping[str, Any]) -> Answer:
    status, reason = str(seen["TrainingJobStatus"]), str(seen.get("FailureReason", ""))
    billed = seen.get("BillableTimeInSeconds")
    if status == "Completed":
        return confirmed(
            f"the container runs /bin/bash -c, with its Python first on the path ({billed} s)",
            billed_seconds=billed,
        )
    quota = "ResourceLimitExceeded" in reason or "Capacity" in reason
    if status == "Stopped" or quota:
        return untold(f"the job is {status}: {reason}")
    return contradicted(f"the job is {status}: {reason}", reason=reason)


def _allow(actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def ask_events(probe: Probe) -> Answer:
    if "job" not in probe.made:
        return untold("no training job ran in this run: ask container-shell with it")
    events = caught(
        probe,
        lambda event: (
            event.get("detail-type") == "SageMaker Training Job State Change"
            and event["detail"].get("TrainingJobStatus") in ("Completed", "Failed", "Stopped")
        ),
        count=1,
        seconds=120,
    )
    return read_events(events, probe.made["job"]["name"])


def read_events(events: list[dict[str, Any]], name: str) -> Answer:
    """Of the last state: what the settler's rule matches, and what the settler takes from it."""
    if not events:
        return contradicted("no event of the job's end came to a rule like the settler's")
    detail = events[-1].get("detail", {})
    absent = [member for member in FIELDS if member not in detail]
    if absent:
        return contradicted(f"the event's detail lacks {', '.join(absent)}", detail=detail)
    if detail["TrainingJobName"] != name:
        return contradicted(f"the event names {detail['TrainingJobName']}", detail=detail)
    return confirmed(
        f"the event's detail has {', '.join(FIELDS)}, among {len(detail)} members",
        members=sorted(detail),
    )


def ask_environment(probe: Probe) -> Answer:
    """Of what DescribeTrainingJob said while the job of container-shell was going."""
    if "job" not in probe.made:
        return untold("no training job ran in this run: ask container-shell with it")
    held = probe.made["job"].get("environment")
    return read_environment(None if held is None else json.loads(held))


def read_environment(held: Mapping[str, str] | None) -> Answer:
    """`held`: the Environment while the job was InProgress; None if it was never seen so."""
    if held is None:
        return untold("the job was never seen InProgress")
    seen = {"environment": dict(held)}
    if held.get(MARK) != TOKEN:
        return contradicted(f"while a job runs its Environment is {dict(held)}", **seen)
    return confirmed("DescribeTrainingJob returns Environment while the job is InProgress", **seen)
