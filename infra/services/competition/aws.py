"""The competition's files in S3, its settings in Systems Manager, its news, and what SageMaker says
of a job: the only file of the competition that speaks to them."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.services.competition.checking import canonical
from infra.services.competition.problems import Misconfigured
from infra.services.competition.provenance import UNKNOWN, Trained
from infra.services.competition.submission import Upload

log = logging.getLogger(__name__)

#: What S3 answers to who reads an object that is archived, or under a key of its sender's own.
#: Sources: "GetObject" and "Error responses" in the S3 API reference.
_UNREADABLE = ("InvalidObjectState", "InvalidRequest")
_STORED = "The file is stored in a way that cannot be read; send it again with academy.submit."

_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
# Nobody's score waits long for where it came from.
_BRIEFLY = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}
)


class AwsFiles:
    """Submissions, their canonical forms and receipts, answers and pages, news, and jobs.

    Each function names the buckets that it may use: the checker has no vault and no site.
    """

    def __init__(
        self, *, work: str, data: str = "", vault: str = "", site: str = "", news: str = ""
    ) -> None:
        self._s3 = boto3.client("s3", config=_CONFIG)
        self._parameters = boto3.client("ssm", config=_CONFIG)
        self._jobs = boto3.client("sagemaker", config=_BRIEFLY)
        self._topics = boto3.client("sns", config=_BRIEFLY) if news else None
        self._work, self._data, self._vault, self._site = work, data, vault, site
        self._news = news

    def parameter(self, name: str) -> str:
        try:
            return str(self._parameters.get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                raise Misconfigured(f"there is no parameter {name}; deploy the Guard stack") from (
                    error
                )
            raise

    def upload(self, key: str, version: str | None, limit: int) -> Upload | None:
        """The submission as it was uploaded, not what replaced it since; None if it is gone.

        Of a file of more than `limit` bytes no more than shows it is read. One that S3 does not
        give out has a fault in place of its content.
        """
        try:
            found = self._opened(key, version)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _UNREADABLE:
                raise
            # Nor does S3 say then when it came.
            now = dt.datetime.now(dt.UTC)
            return Upload(key, b"", now, {}, version or "", fault=_STORED)
        if found is None:
            return None
        with found["Body"] as body:
            content: bytes = body.read(limit + 1)
        return Upload(
            key,
            content,
            found["LastModified"].astimezone(dt.UTC),
            found.get("Metadata", {}),
            str(found.get("VersionId") or ""),
            # "Checking object integrity" in the S3 user guide: of parts, how many follows a dash.
            in_parts="-" in str(found.get("ETag") or ""),
        )

    def checked(
        self, key: str, version: str | None
    ) -> tuple[canonical.Header, canonical.Body] | None:
        """What the checker wrote, its body not yet read; None if it is gone."""
        found = self._opened(key, version)
        return None if found is None else canonical.read(found["Body"])

    def _opened(self, key: str, version: str | None) -> Any:
        which = {"VersionId": version} if version and version != "null" else {}
        try:
            return self._s3.get_object(Bucket=self._work, Key=key, **which)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "404"):
                return None
            raise

    def put_checked(self, key: str, header: canonical.Header, body: bytes) -> None:
        line = header.line()
        # One buffer: body and header side by side would be in memory twice.
        content = io.BytesIO()
        content.write(line)
        content.write(body)
        content.seek(0)
        self._s3.put_object(
            Bucket=self._work, Key=key, Body=content, ContentType="application/octet-stream"
        )

    def task(self, project: str) -> bytes:
        """The project's published task, which says what a submission must have."""
        return self._read(self._data, f"datasets/{project}/task.json", "data")

    def live_task(self, project: str) -> bytes | None:
        """The published task of the project's live round; None if it never had one."""
        key = f"datasets/{project}/live/task.json"
        try:
            return self._read(self._data, key, "data")
        except Misconfigured as error:
            log.info("no live round: %s", error)
            return None

    def answers(self, project: str, name: str) -> bytes:
        """A file of the project's held-out answers."""
        return self._read(self._vault, f"answers/{project}/{name}", "vault")

    def _read(self, bucket: str, key: str, what: str) -> bytes:
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            # The second: what is not there is denied to those who may not list the bucket.
            if error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied"):
                raise Misconfigured(f"{what} has no {key}; run: cohort publish") from error
            raise
        with found["Body"] as body:
            return bytes(body.read())

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None:
        self._s3.put_object(
            Bucket=self._work,
            Key=key,
            Body=json.dumps(receipt, indent=1).encode(),
            ContentType="application/json",
        )

    def put_page(self, key: str, text: str) -> None:
        kind = "application/json" if key.endswith(".json") else "text/html; charset=utf-8"
        self._s3.put_object(
            Bucket=self._site,
            Key=key,
            Body=text.encode(),
            ContentType=kind,
            # A board changes at any minute; nobody should look at yesterday's.
            CacheControl="no-cache",
        )

    def send_news(self, subject: str, chat: str, plain: str, attributes: dict[str, str]) -> None:
        """Tell the channel and whoever subscribes by mail; nobody where there is no topic.

        `chat` is for Amazon Q Developer in chat applications, which is subscribed by https; `plain`
        for mail.
        """
        if self._topics is None:
            return
        message = {"default": chat, "https": chat, "email": plain}
        self._topics.publish(
            TopicArn=self._news,
            # SNS takes ASCII without line ends, less than 100 characters of it.
            Subject="".join(c if c.isascii() and c.isprintable() else "?" for c in subject)[:99],
            Message=json.dumps(message),
            MessageStructure="json",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )

    def trained(self, job: str) -> Trained | None:
        """What the training job ran on, its image `UNKNOWN` if SageMaker does not say now; None if
        there is no such job. Never fails."""
        try:
            found = self._jobs.describe_training_job(TrainingJobName=job)
        except ClientError as error:
            if _missing(error):
                return None
            log.warning("nothing is known of %s: %s", job, error)
            return Trained()
        except BotoCoreError as error:
            log.warning("nothing is known of %s: %s", job, error)
            return Trained()
        resources = found.get("ResourceConfig", {})
        return Trained(
            str(found.get("AlgorithmSpecification", {}).get("TrainingImage") or UNKNOWN),
            str(resources.get("InstanceType") or ""),
            int(resources.get("InstanceCount") or 0),
            int(found.get("BillableTimeInSeconds") or 0),
        )


def _missing(error: ClientError) -> bool:
    """Whether there is no such job.

    DescribeTrainingJob says so by a ValidationException, "Requested resource not found.".
    """
    code = str(error.response["Error"]["Code"])
    message = str(error.response["Error"].get("Message", "")).lower()
    return code in ("ResourceNotFound", "ResourceNotFoundException") or (
        code == "ValidationException" and ("not found" in message or "could not find" in message)
    )
