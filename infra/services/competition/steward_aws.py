"""The steward's way to AWS: the only file of it that speaks to S3, Lambda, SNS and the settings."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.services.competition.problems import Misconfigured
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.stewarding import Steward, Stored
from infra.services.competition.store import BoardTable

_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)


def from_environment(
    environ: Mapping[str, str],
    *,
    now: Callable[[], dt.datetime],
    more_time: Callable[[], bool],
) -> Steward:
    """The steward of the cohort that a function's environment names."""
    return Steward(
        world=AwsWorld(
            cohort=environ["COHORT"],
            settings=environ["SETTINGS_PARAMETER"],
            work=environ["WORK_BUCKET"],
            checker=environ["CHECKER"],
            scorer=environ["SCORER"],
            notices=environ["NOTICES_TOPIC"],
        ),
        table=BoardTable(environ["BOARD_TABLE"]),
        checker=environ["CHECKER"],
        now=now,
        more_time=more_time,
    )


class AwsWorld:
    """Buckets, functions and topic of one cohort."""

    def __init__(
        self, *, cohort: str, settings: str, work: str, checker: str, scorer: str, notices: str
    ) -> None:
        self._s3 = boto3.client("s3", config=_CONFIG)
        self._functions = boto3.client("lambda", config=_CONFIG)
        self._topics = boto3.client("sns", config=_CONFIG)
        self._parameters = boto3.client("ssm", config=_CONFIG)
        self._cohort, self._settings, self._work = cohort, settings, work
        self._checker, self._scorer, self._notices = checker, scorer, notices

    def settings(self) -> CompetitionSettings:
        found = self._parameters.get_parameter(Name=self._settings)["Parameter"]["Value"]
        made = CompetitionSettings.from_json(str(found))
        if made.cohort != self._cohort:
            raise Misconfigured(f"the settings are of cohort {made.cohort}, not {self._cohort}")
        return made

    def teams(self, project: str) -> Iterator[str]:
        folder = f"submissions/{project}/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._work, Prefix=folder, Delimiter="/"
        )
        for page in pages:
            for each in page.get("CommonPrefixes", ()):
                yield str(each["Prefix"]).removeprefix(folder).removesuffix("/")

    def stored(self, prefix: str) -> Iterator[Stored]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._work, Prefix=prefix)
        for page in pages:
            for each in page.get("Contents", ()):
                yield Stored(str(each["Key"]), each["LastModified"])

    def receipt(self, key: str) -> dict[str, Any] | None:
        return self._receipt(key)[0]

    def put_receipt(self, key: str, receipt: dict[str, Any], *, over_waiting: bool = False) -> bool:
        if self._put(key, receipt, IfNoneMatch="*"):
            return True
        there, tag = self._receipt(key) if over_waiting else (None, "")
        if there is None or there.get("status") != "waiting":
            return False
        try:
            return self._put(key, receipt, IfMatch=tag)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NotImplemented":
                raise
        # A store that knows no such condition: as short a time as can be between look and write.
        if self._receipt(key) != (there, tag):
            return False
        return self._put(key, receipt)

    def _receipt(self, key: str) -> tuple[dict[str, Any] | None, str]:
        """A receipt and the tag of its content; None if there is none."""
        try:
            found = self._s3.get_object(Bucket=self._work, Key=key)
        except ClientError as error:
            # Who may list by prefix alone is told 403 of what is not there.
            if error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied", "404", "403"):
                return None, ""
            raise
        with found["Body"] as body:
            document = json.loads(body.read())
        return (document if isinstance(document, dict) else None), str(found["ETag"])

    def _put(self, key: str, receipt: dict[str, Any], **condition: str) -> bool:
        """Whether it was written: not if what is there is not as `condition` says."""
        try:
            self._s3.put_object(
                Bucket=self._work,
                Key=key,
                Body=json.dumps(receipt, indent=1).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            # The second: somebody writes it at this moment. The third: it was removed.
            if error.response["Error"]["Code"] in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
                "NoSuchKey",
            ):
                return False
            raise
        return True

    def check(self, key: str, version: str | None) -> None:
        self._call(self._checker, {"submission": {"key": key, "version": version}})

    def publish(self, project: str) -> None:
        self._call(self._scorer, {"publish": project})

    def notify(self, subject: str, text: str) -> None:
        self._topics.publish(
            TopicArn=self._notices,
            Subject=subject[:100],
            Message=text,
            MessageAttributes={
                "kind": {"DataType": "String", "StringValue": "given-up"},
                "cohort": {"DataType": "String", "StringValue": self._cohort},
            },
        )

    def _call(self, function: str, event: dict[str, Any]) -> None:
        self._functions.invoke(
            FunctionName=function,
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )
