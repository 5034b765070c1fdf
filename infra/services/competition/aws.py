"""The scorer's files in S3, its settings in Systems Manager and what SageMaker says of a job: the
only file of the competition that speaks to them."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.services.competition.problems import Misconfigured
from infra.services.competition.provenance import UNKNOWN
from infra.services.competition.submission import Upload

log = logging.getLogger(__name__)

_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
# Nobody's score waits long for where it came from.
_BRIEFLY = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}
)


class AwsFiles:
    """Submissions, receipts, answers and pages, and the images of jobs."""

    def __init__(self, *, work: str, vault: str, site: str) -> None:
        self._s3 = boto3.client("s3", config=_CONFIG)
        self._parameters = boto3.client("ssm", config=_CONFIG)
        self._jobs = boto3.client("sagemaker", config=_BRIEFLY)
        self._work, self._vault, self._site = work, vault, site

    def parameter(self, name: str) -> str:
        try:
            return str(self._parameters.get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                raise Misconfigured(f"there is no parameter {name}; deploy the Guard stack") from (
                    error
                )
            raise

    def upload(
        self, key: str, version: str | None, received: dt.datetime, limit: int
    ) -> Upload | None:
        """The submission as it was uploaded, not what replaced it since; None if it is gone.

        Of a file of more than `limit` bytes no more than shows it is read.
        """
        which = {"VersionId": version} if version and version != "null" else {}
        try:
            found = self._s3.get_object(Bucket=self._work, Key=key, **which)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "404"):
                return None
            raise
        with found["Body"] as body:
            content: bytes = body.read(limit + 1)
        return Upload(key, content, received, found.get("Metadata", {}))

    def answers(self, project: str, name: str) -> bytes:
        """A file of the project's held-out answers."""
        key = f"answers/{project}/{name}"
        try:
            found = self._s3.get_object(Bucket=self._vault, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise Misconfigured(f"vault has no {key}; run: cohort publish") from error
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

    def image_of_job(self, job: str) -> str | None:
        """The image that the training job ran on, `UNKNOWN` if SageMaker does not say just now, or
        None if there is no such job. Never fails."""
        try:
            found = self._jobs.describe_training_job(TrainingJobName=job)
        except ClientError as error:
            if _missing(error):
                return None
            log.warning("the image of %s is not known: %s", job, error)
            return UNKNOWN
        except BotoCoreError as error:
            log.warning("the image of %s is not known: %s", job, error)
            return UNKNOWN
        return str(found.get("AlgorithmSpecification", {}).get("TrainingImage") or UNKNOWN)


def _missing(error: ClientError) -> bool:
    """Whether there is no such job.

    DescribeTrainingJob says so by a ValidationException, "Requested resource not found.".
    """
    code = str(error.response["Error"]["Code"])
    message = str(error.response["Error"].get("Message", "")).lower()
    return code in ("ResourceNotFound", "ResourceNotFoundException") or (
        code == "ValidationException" and ("not found" in message or "could not find" in message)
    )
