"""The guard's calls to SageMaker, EventBridge Scheduler and Systems Manager, and what their answers
mean: the only file of the guard that speaks to them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.services.guard.cloud import (
    THROTTLES,
    App,
    CloudError,
    InUse,
    Job,
    LiveApp,
    TurnedDown,
    Unclear,
    Versions,
    Workspace,
)
from infra.services.guard.problems import Misconfigured
from infra.services.guard.settings import image_of_version
from infra.services.guard.training import MARK

T = TypeVar("T")

#: The target of the one-time schedules (EventBridge Scheduler, universal targets).
DELETE_APP = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp"
URL_SECONDS = 300
#: The most that the listings give at once.
PAGE = 100

_LOOK = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
)
# A start is never repeated behind our back: a second attempt that is turned down would hide that
# the first one was accepted.
_START = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})


class AwsCloud:
    """A `Cloud` and a `Survey` that is AWS."""

    def __init__(self) -> None:
        self._sagemaker = boto3.client("sagemaker", config=_LOOK)
        self._starter = boto3.client("sagemaker", config=_START)
        self._scheduler = boto3.client("scheduler", config=_LOOK)
        self._parameters = boto3.client("ssm", config=_LOOK)
        # Made when first used: the broker needs neither.
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, config=_LOOK)
        return self._clients[service]

    # --- parameters -----------------------------------------------------------------------------
    def parameter(self, name: str) -> str | None:
        """The value of an SSM parameter, or None if there is none."""
        try:
            answer = self._parameters.get_parameter(Name=name)
        except ClientError as error:
            if _code(error) == "ParameterNotFound":
                return None
            raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error
        return str(answer["Parameter"]["Value"])

    def workspace(self, parameter: str) -> dict[str, Any] | None:
        text = self.parameter(parameter)
        if text is None:
            return None
        try:
            document = json.loads(text)
        except ValueError as error:
            raise Misconfigured(f"parameter {parameter} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise Misconfigured(f"parameter {parameter} is not a JSON object")
        return document

    # --- spaces -----------------------------------------------------------------------------------
    def app(self, domain: str, space: str) -> App | None:
        try:
            found = self._sagemaker.describe_app(**_app(domain, space))
        except ClientError as error:
            if _missing(error):
                return None
            raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error
        return App(
            status=str(found["Status"]),
            created_at=_utc(found["CreationTime"]),
            instance=str(found.get("ResourceSpec", {}).get("InstanceType", "")),
            failure=str(found.get("FailureReason", "")),
        )

    def create_app(self, workspace: Workspace, instance: str, image: str = "") -> None:
        resources = {"InstanceType": instance}
        if image:
            # SageMaker goes by the version alone; IAM holds the request to both.
            resources["SageMakerImageArn"] = image_of_version(image)
            resources["SageMakerImageVersionArn"] = image
        if workspace.lifecycle_config:
            resources["LifecycleConfigArn"] = workspace.lifecycle_config
        _call(
            lambda: self._starter.create_app(
                **_app(workspace.domain, workspace.space),
                ResourceSpec=resources,
                Tags=workspace.tags,
            )
        )

    def delete_app(self, domain: str, space: str) -> None:
        try:
            self._sagemaker.delete_app(**_app(domain, space))
        except ClientError as error:
            # ResourceInUse: it is being deleted already. ValidationException: it has been.
            if not _missing(error) and _code(error) not in ("ResourceInUse", "ValidationException"):
                raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error

    def presigned_url(self, workspace: Workspace) -> str:
        answer = _call(
            lambda: self._sagemaker.create_presigned_domain_url(
                DomainId=workspace.domain,
                UserProfileName=workspace.profile,
                SpaceName=workspace.space,
                ExpiresInSeconds=URL_SECONDS,
            )
        )
        return str(answer["AuthorizedUrl"])

    # --- stops ------------------------------------------------------------------------------------
    def put_stop(
        self, group: str, name: str, role: str, at: dt.datetime, domain: str, space: str
    ) -> None:
        schedule = {
            "GroupName": group,
            "Name": name,
            "ScheduleExpression": f"at({at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": DELETE_APP,
                "RoleArn": role,
                "Input": json.dumps(_app(domain, space)),
            },
        }
        try:
            self._scheduler.create_schedule(**schedule)
        except ClientError as error:
            if _code(error) != "ConflictException":
                raise _meaning(error) from error
            _call(lambda: self._scheduler.update_schedule(**schedule))
        except BotoCoreError as error:
            raise Unclear(str(error)) from error

    def delete_stop(self, group: str, name: str) -> None:
        try:
            self._scheduler.delete_schedule(GroupName=group, Name=name)
        except ClientError as error:
            if not _missing(error):
                raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error

    # --- jobs -------------------------------------------------------------------------------------
    def job(self, name: str) -> Job | None:
        try:
            found = self._sagemaker.describe_training_job(TrainingJobName=name)
        except ClientError as error:
            if _missing(error):
                return None
            raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error
        code = [c for c in found.get("InputDataConfig", []) if c["ChannelName"] == "code"]
        return Job(
            name=name,
            status=str(found["TrainingJobStatus"]),
            secondary_status=str(found.get("SecondaryStatus", "")),
            code=str(code[0]["DataSource"]["S3DataSource"]["S3Uri"]) if code else "",
            created_at=_utc(found["CreationTime"]),
            started_at=_utc(found["TrainingStartTime"]) if "TrainingStartTime" in found else None,
            ended_at=_utc(found["TrainingEndTime"]) if "TrainingEndTime" in found else None,
            billable_seconds=int(found["BillableTimeInSeconds"])
            if "BillableTimeInSeconds" in found
            else None,
            failure=str(found.get("FailureReason", "")),
            image=str(found.get("AlgorithmSpecification", {}).get("TrainingImage", "")),
            token=str(found.get("Environment", {}).get(MARK, "")),
        )

    def create_job(self, request: dict[str, Any]) -> None:
        _call(lambda: self._starter.create_training_job(**request))

    def stop_job(self, name: str) -> None:
        try:
            self._sagemaker.stop_training_job(TrainingJobName=name)
        except ClientError as error:
            # It ended between the look and the stop: what was asked for is so.
            if _code(error) != "ValidationException":
                raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error

    # --- what the sweep looks through -------------------------------------------------------------
    def domains(self, token: str) -> tuple[list[tuple[str, str]], str]:
        page = _call(lambda: self._sagemaker.list_domains(MaxResults=PAGE, **_from(token)))
        found = [(str(d["DomainId"]), str(d["DomainName"])) for d in page["Domains"]]
        return found, str(page.get("NextToken") or "")

    def live_apps(self, token: str) -> tuple[list[LiveApp], str]:
        page = _call(lambda: self._sagemaker.list_apps(MaxResults=PAGE, **_from(token)))
        found = [
            LiveApp(
                domain=str(app["DomainId"]),
                space=str(app.get("SpaceName") or ""),
                profile=str(app.get("UserProfileName") or ""),
                type=str(app["AppType"]),
                name=str(app["AppName"]),
                created_at=_utc(app["CreationTime"]),
            )
            for app in page["Apps"]
            if app["Status"] in ("Pending", "InService")
        ]
        return found, str(page.get("NextToken") or "")

    def end_app(self, app: LiveApp) -> None:
        owner = {"SpaceName": app.space} if app.space else {"UserProfileName": app.profile}
        try:
            self._sagemaker.delete_app(
                DomainId=app.domain, AppType=app.type, AppName=app.name, **owner
            )
        except ClientError as error:
            if not _missing(error) and _code(error) not in ("ResourceInUse", "ValidationException"):
                raise _meaning(error) from error
        except BotoCoreError as error:
            raise Unclear(str(error)) from error

    def live_jobs(self, prefix: str, token: str) -> tuple[list[str], str]:
        page = _call(
            lambda: self._sagemaker.list_training_jobs(
                NameContains=prefix, StatusEquals="InProgress", MaxResults=PAGE, **_from(token)
            )
        )
        names = [str(job["TrainingJobName"]) for job in page["TrainingJobSummaries"]]
        return names, str(page.get("NextToken") or "")

    def disks(self, token: str) -> tuple[list[tuple[str, str, int]], str]:
        page = _call(lambda: self._sagemaker.list_spaces(MaxResults=PAGE, **_from(token)))
        found = []
        for space in page["Spaces"]:
            storage = space.get("SpaceSettingsSummary", {}).get("SpaceStorageSettings", {})
            size = storage.get("EbsStorageSettings", {}).get("EbsVolumeSizeInGb")
            if size is not None:
                found.append((str(space["DomainId"]), str(space["SpaceName"]), int(size)))
        return found, str(page.get("NextToken") or "")

    def versions(self, bucket: str, prefix: str, key: str, version: str) -> Versions:
        start = {"KeyMarker": key, "VersionIdMarker": version} if key else {}
        page = _call(
            lambda: self._client("s3").list_object_versions(Bucket=bucket, Prefix=prefix, **start)
        )
        rows = [
            (str(row["Key"]), int(row.get("Size", 0)), bool(row["IsLatest"]))
            for row in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        ]
        if not page.get("IsTruncated"):
            return Versions(tuple(rows))
        return Versions(tuple(rows), str(page["NextKeyMarker"]), str(page["NextVersionIdMarker"]))

    def publish(self, topic: str, title: str, text: str, attributes: dict[str, str]) -> None:
        _call(
            lambda: self._client("sns").publish(
                TopicArn=topic,
                Subject=title,
                Message=text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )
        )


def _from(token: str) -> dict[str, str]:
    return {"NextToken": token} if token else {}


def _app(domain: str, space: str) -> dict[str, str]:
    return {"DomainId": domain, "SpaceName": space, "AppType": "JupyterLab", "AppName": "default"}


def _utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC)


def _call(call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        raise _meaning(error) from error
    except BotoCoreError as error:
        raise Unclear(str(error)) from error


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _missing(error: ClientError) -> bool:
    """Whether the thing that was named is not there.

    DescribeTrainingJob says so by a ValidationException, "Requested resource not found.".
    """
    message = str(error.response["Error"].get("Message", "")).lower()
    return _code(error) in ("ResourceNotFound", "ResourceNotFoundException") or (
        _code(error) in ("ValidationException", "ValidationError")
        and ("not found" in message or "could not find" in message)
    )


def _meaning(error: ClientError) -> CloudError:
    code, message = _code(error), str(error.response["Error"].get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code in ("ResourceInUse", "ConflictException"):
        return InUse(code, message)
    # S3 says SlowDown with a status of 503: it is a refusal all the same.
    if 400 <= status < 500 or code in THROTTLES:
        return TurnedDown(code, message)
    return Unclear(f"{code}: {message}")
