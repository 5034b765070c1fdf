"""A session for SageMaker's own Python SDK, whose training jobs are the academy's.

The SDK makes its request as it always does; instead of to SageMaker it goes to the broker, which
reserves what the job can cost and starts it. Only here is the package `sagemaker` imported, which
is optional and large.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from academy.cloud import Cloud
from academy.errors import NO_INDEX, NO_PACKAGES, AcademyError
from academy.workspace import Workspace

#: The SDK that the broker knows the requests of.
REQUIREMENT = "sagemaker>=3.27,<4"
#: Below the team's folder; the broker takes the SDK's files from there.
FOLDER = "sagemaker/"


def session(cloud: Cloud, workspace: Workspace, project: str) -> Any:
    """See `academy.sagemaker_session`."""
    session_class = _session_class()
    import boto3

    boto_session = boto3.session.Session(region_name=workspace.region)
    Door(cloud, workspace, project).stand_in(boto_session.events)
    found = session_class(
        boto_session=boto_session,
        default_bucket=workspace.buckets["work"],
        # Each learner's own: the SDK's names for two jobs of the same second are the same.
        default_bucket_prefix=f"{workspace.prefixes['team']}{FOLDER}{workspace.learner}",
        sagemaker_config={
            "SchemaVersion": "1.0",
            "SageMaker": {
                # What learners do is nobody's to count.
                "PythonSDK": {"Modules": {"TelemetryOptOut": True}},
                "TrainingJob": {"RoleArn": workspace.training_role},
            },
        },
    )
    found.academy_training_image = f"academy/{project}"
    found.academy_role = workspace.training_role
    found.academy_data = data_of(workspace, project)
    return found


def data_of(workspace: Workspace, project: str) -> str:
    """Where the cohort's data for `project` lie: a place that the broker lets a job read."""
    return f"s3://{workspace.buckets['data']}/{workspace.prefixes['datasets']}{project}/"


def _session_class() -> Any:
    try:
        from sagemaker.core.helper.session_helper import Session
    except ImportError as problem:
        private = f" {NO_PACKAGES}" if os.environ.get(NO_INDEX) else ""
        raise AcademyError(
            "SageMaker's Python SDK is not installed here, or not its version 3 "
            f"({problem}). Install it once, in an environment of your own: "
            "python -m venv ~/sdk --system-site-packages; "
            f"~/sdk/bin/pip install '{REQUIREMENT}'; and run your script with ~/sdk/bin/python. "
            f"academy.train() needs none of it.{private}"
        ) from None
    return Session


class Door:
    """Between the SDK and SageMaker: what starts or stops a job goes to the broker instead.

    Through botocore's events, which are its public way to answer a request without sending it.
    """

    def __init__(self, cloud: Cloud, workspace: Workspace, project: str) -> None:
        self._cloud = cloud
        self._workspace = workspace
        self._project = project
        #: The academy's names of jobs, by the names that the SDK gave.
        self._names: dict[str, str] = {}

    def stand_in(self, events: Any) -> None:
        """Register for the requests of every client that is made afterwards."""
        events.register("before-send.sagemaker.CreateTrainingJob", self._create)
        events.register("before-send.sagemaker.StopTrainingJob", self._stop)
        for operation in ("DescribeTrainingJob", "StopTrainingJob"):
            events.register(f"provide-client-params.sagemaker.{operation}", self._renamed)

    def _create(self, request: Any, **_: Any) -> Any:
        asked = json.loads(request.body)
        name = str(asked["TrainingJobName"])
        answer = self._cloud.ask(
            self._workspace.broker,
            {
                "op": "training_job",
                # The same for a request that is sent again.
                "token": hashlib.sha256(name.encode()).hexdigest()[:32],
                "project": self._project,
                "request": asked,
            },
        )
        job = self._names[name] = str(answer["job"])
        # arn:aws:lambda:<region>:<account>:function:…
        broker = self._workspace.broker.split(":")
        partition, region, account = broker[1], broker[3], broker[4]
        arn = f"arn:{partition}:sagemaker:{region}:{account}:training-job/{job}"
        return _answered(request, {"TrainingJobArn": arn})

    def _stop(self, request: Any, **_: Any) -> Any:
        job = json.loads(request.body)["TrainingJobName"]
        self._cloud.ask(self._workspace.broker, {"op": "stop_job", "job": job})
        return _answered(request, {})

    def _renamed(self, params: Mapping[str, Any], **_: Any) -> dict[str, Any] | None:
        """The request with the academy's name of the job for the SDK's."""
        name = params.get("TrainingJobName")
        if name not in self._names:
            return None
        return {**params, "TrainingJobName": self._names[name]}


class _Body(io.BytesIO):
    """An answer's bytes, as botocore reads them."""

    def stream(self, amt: int = 1024, **_: Any) -> Iterator[bytes]:
        while piece := self.read(amt):
            yield piece


def _answered(request: Any, document: Mapping[str, Any]) -> Any:
    from botocore.awsrequest import AWSResponse

    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "Content-Length": str(len(body))}
    return AWSResponse(request.url, 200, headers, _Body(body))
