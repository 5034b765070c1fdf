"""The door's calls to S3, Lambda, SageMaker, DynamoDB, CloudWatch Logs and Systems Manager: with
`identity` the only file of the door that speaks to AWS."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast, get_args

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.cohort.naming import JobName
from infra.services.door.context import Answer, Listed, Stored, TrainingJob, Unavailable
from infra.services.guard.ledger import Account, Entry, Reservation
from infra.services.guard.problems import Code, Refusal
from infra.services.guard.store import TableLedger

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Where SageMaker writes what a training job prints, a stream for each instance.
JOB_LOGS = "/aws/sagemaker/TrainingJobs"
#: Bytes of a file that are read where a page does not say how many.
READ = 1_000_000
LISTED = 200
LINES = 100

_LOOK = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
# Shorter than the function may take, so that it can still say so; and asking twice behind the
# learner's back would ask twice.
_BROKER = Config(connect_timeout=3, read_timeout=18, retries={"total_max_attempts": 1})


class AwsCloud:
    """A `Cloud` that is AWS, the way to the broker, and the door's parameters."""

    def __init__(self, *, cohort: str, broker: str, work: str, site: str) -> None:
        self._cohort, self._broker, self._work, self._site = cohort, broker, work, site
        self._lambda = boto3.client("lambda", config=_BROKER)
        # Several threads read files at once, and boto3 must not make a client in two of them.
        self._clients: dict[str, Any] = {"s3": boto3.client("s3", config=_LOOK)}

    def _client(self, service: str) -> Any:
        # The others are made when they are first used: most pages need few of them.
        if service not in self._clients:
            self._clients[service] = boto3.client(service, config=_LOOK)
        return self._clients[service]

    def parameter(self, name: str) -> str:
        """The value of an SSM parameter."""
        found = _call(lambda: self._client("ssm").get_parameter(Name=name))
        return str(found["Parameter"]["Value"])

    # --- the broker -------------------------------------------------------------------------------
    def ask(self, person: str, request: dict[str, Any]) -> Answer:
        """The broker's answer to `request` of `person`, who is known to it by the alias.

        Raises:
            Refusal: as the broker said it.
            Unavailable: if it did not answer, or the person has no alias.
        """
        answer = _call(
            lambda: self._lambda.invoke(
                FunctionName=self._broker, Qualifier=person, Payload=json.dumps(request).encode()
            )
        )
        with answer["Payload"] as stream:
            text = stream.read()
        if answer.get("FunctionError"):
            raise Unavailable(f"the broker failed: {answer['FunctionError']}")
        return understood(text)

    # --- files ------------------------------------------------------------------------------------
    def site(self, key: str, limit: int = READ) -> Stored | None:
        return self._read(self._site, key, limit)

    def work(self, key: str, limit: int = READ) -> Stored | None:
        return self._read(self._work, key, limit)

    def _read(self, bucket: str, key: str, limit: int) -> Stored | None:
        try:
            found = self._client("s3").get_object(Bucket=bucket, Key=key)
            with found["Body"] as body:
                content = bytes(body.read(limit + 1))
        except ClientError as error:
            # The second: what is not there is denied to who may not list; the third: archived, or
            # under a key of its owner's own. None of them can be shown.
            if _code(error) in (
                "NoSuchKey",
                "AccessDenied",
                "InvalidObjectState",
                "InvalidRequest",
            ):
                return None
            raise Unavailable(f"GetObject {key}: {_code(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"GetObject {key}: {error}") from error
        modified = found["LastModified"].astimezone(dt.UTC)
        return Stored(content[:limit], modified, whole=len(content) <= limit)

    def listing(self, prefix: str, limit: int = LISTED) -> list[Listed]:
        found: list[Listed] = []
        start: dict[str, Any] = {}
        while len(found) < limit:
            asked = {"Bucket": self._work, "Prefix": prefix, "MaxKeys": min(1000, limit), **start}
            page = _call(partial(self._client("s3").list_objects_v2, **asked))
            found += [
                Listed(str(row["Key"]), int(row["Size"]), row["LastModified"].astimezone(dt.UTC))
                for row in page.get("Contents", [])
            ]
            if not page.get("IsTruncated"):
                break
            start = {"ContinuationToken": page["NextContinuationToken"]}
        return found[:limit]

    def put_note(self, key: str, content: bytes) -> None:
        # Only where there is none: the role has no other right.
        note = {"Key": key, "Body": content, "ContentType": "application/json"}
        try:
            self._client("s3").put_object(Bucket=self._work, IfNoneMatch="*", **note)
        except ClientError as error:
            # The same words by the same person in the same second.
            if _code(error) != "PreconditionFailed":
                raise Unavailable(f"PutObject {key}: {_code(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"PutObject {key}: {error}") from error

    # --- jobs -------------------------------------------------------------------------------------
    def job(self, name: str) -> TrainingJob | None:
        if not self._ours(name):
            return None
        try:
            found = self._client("sagemaker").describe_training_job(TrainingJobName=name)
        except ClientError as error:
            # There is none: a ValidationException, "Requested resource not found.".
            message = str(error.response["Error"].get("Message", "")).lower()
            if "not found" in message or "could not find" in message:
                return None
            raise Unavailable(f"DescribeTrainingJob: {_code(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"DescribeTrainingJob: {error}") from error
        resources = found.get("ResourceConfig", {})
        billable = found.get("BillableTimeInSeconds")
        return TrainingJob(
            name=name,
            status=str(found["TrainingJobStatus"]),
            secondary_status=str(found.get("SecondaryStatus", "")),
            created_at=found["CreationTime"].astimezone(dt.UTC),
            started_at=_moment(found.get("TrainingStartTime")),
            ended_at=_moment(found.get("TrainingEndTime")),
            billable_seconds=None if billable is None else int(billable),
            instance=str(resources.get("InstanceType", "")),
            count=int(resources.get("InstanceCount", 1)),
            failure=str(found.get("FailureReason", "")),
        )

    def log_tail(self, job: str, lines: int = LINES) -> list[str]:
        if not self._ours(job):
            return []
        logs = self._client("logs")
        try:
            streams = logs.describe_log_streams(
                logGroupName=JOB_LOGS, logStreamNamePrefix=f"{job}/", limit=1
            )["logStreams"]
            if not streams:
                return []
            events = logs.get_log_events(
                logGroupName=JOB_LOGS,
                logStreamName=streams[0]["logStreamName"],
                limit=lines,
                startFromHead=False,
            )["events"]
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return []
            raise Unavailable(f"the log of {job}: {_code(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"the log of {job}: {error}") from error
        return [str(event["message"]) for event in events][-lines:]

    def _ours(self, job: str) -> bool:
        parsed = JobName.parse(job) if len(job) <= 63 else None
        return parsed is not None and parsed.cohort == self._cohort and "\n" not in job


class AwsLedger:
    """What the door reads of the ledger, which the broker keeps; `context.Ledger` says what.

    Raises:
        Unavailable: if DynamoDB does not answer, or says no.
    """

    def __init__(self, table: str) -> None:
        self._table = TableLedger(table)

    def seen(self, learner: str) -> Account | None:
        return _call(lambda: self._table.seen(learner))

    def find(self, learner: str, reservation: str) -> Reservation | None:
        return _call(lambda: self._table.find(learner, reservation))

    def open_of(self, learner: str) -> list[Reservation]:
        return _call(lambda: self._table.open_of(learner))

    def entries(self, learner: str, limit: int) -> list[Entry]:
        return _call(lambda: self._table.entries(learner, limit))

    def entries_since(self, learner: str, since: dt.datetime) -> list[Entry]:
        return _call(lambda: self._table.entries_since(learner, since))


def understood(text: bytes) -> Answer:
    """What the broker's answer says.

    Raises:
        Refusal: if it says no.
        Unavailable: if it is no answer of the broker's.
    """
    try:
        answer = json.loads(text)
        if answer["ok"] is True:
            return {name: value for name, value in answer.items() if name != "ok"}
        code, message = answer["error"]["code"], str(answer["error"]["message"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the broker's answer: {error!r}") from None
    known = code if code in get_args(Code) else "unavailable"
    raise Refusal(cast(Code, known), message)


def _moment(value: Any) -> dt.datetime | None:
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else None


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _call(call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        raise Unavailable(f"{error.operation_name}: {_code(error)}") from error
    except BotoCoreError as error:
        raise Unavailable(str(error)) from error
