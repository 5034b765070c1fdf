"""The one file that speaks boto3; every failure of a call becomes an `AcademyError`.

Credentials are the space's own role; nothing here asks for or stores any.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.errors import CloudError, NotInAWorkspace, Refused

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

_MISSING = {"NoSuchKey", "404", "NotFound", "ResourceNotFoundException"}
_DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}


class Missing(CloudError):
    """The object is not there."""


class Denied(CloudError):
    """The learner's role may not do this."""


class AlreadyThere(CloudError):
    """The object exists, and was not to be replaced."""


@contextmanager
def plainly(doing: str) -> Iterator[None]:
    """Turns boto3's errors into sentences that begin with what was being done."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as problem:
        raise _translated(doing, problem.response.get("Error", {})) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise CloudError(
            f"{doing} did not work: this machine has no credentials of the academy. "
            "Use the library in your space."
        ) from None
    except (exceptions.NoRegionError, exceptions.InvalidRegionError):
        raise CloudError(f"{doing} did not work: no AWS region is set (AWS_REGION).") from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as problem:
        raise CloudError(
            f"{doing} did not work: no connection to the academy ({type(problem).__name__}). "
            "Try again in a minute; if it stays so, tell your advisor."
        ) from None
    except exceptions.BotoCoreError as problem:
        raise CloudError(f"{doing} did not work: {problem}") from None


def _translated(doing: str, error: Any) -> CloudError:
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in _MISSING:
        return Missing(f"{doing} did not work: it is not there.")
    if code in {"PreconditionFailed", "ConditionalRequestConflict", "412"}:
        return AlreadyThere(f"{doing} did not work: it is there already.")
    if code in _DENIED:
        return Denied(
            f"{doing} did not work: your role may not do this. Outside the cohort's dates nothing "
            "is allowed; otherwise ask your advisor."
        )
    if code in _EXPIRED:
        return CloudError(f"{doing} did not work: your session has expired. Restart your space.")
    if code in _UNKNOWN:
        return CloudError(f"{doing} did not work: your credentials are not valid here.")
    if code in {"Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"}:
        return CloudError(f"{doing} did not work: too many requests. Wait a minute, then go on.")
    return CloudError(f"{doing} did not work: {code or 'error'}: {message}")


@dataclass(frozen=True)
class StoredObject:
    """An object in a bucket."""

    key: str
    size: int
    etag: str
    #: When it was last written, UTC, ISO 8601 to the second.
    changed: str = ""


class Cloud:
    """The academy's services as the library uses them.

    Parameters
    ----------
    region
        Of the cohort.
    clients
        Makes a client, called with a service's name and the region; boto3's by default.
    """

    def __init__(
        self,
        region: str | None = None,
        clients: Callable[[str, str | None], Any] | None = None,
    ) -> None:
        self.region = region
        self._make = clients or _boto3_client
        self._made: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._made:
            with plainly("Connecting to the academy"):
                self._made[service] = self._make(service, self.region)
        return self._made[service]

    # --- parameters ---------------------------------------------------------------------------
    def parameter(self, name: str) -> str:
        """The value of an SSM parameter."""
        from botocore import exceptions

        client = self._client("ssm")
        with plainly("Reading your workspace"):
            try:
                return str(client.get_parameter(Name=name)["Parameter"]["Value"])
            except exceptions.ClientError as problem:
                if problem.response.get("Error", {}).get("Code") == "ParameterNotFound":
                    raise NotInAWorkspace(
                        f"No workspace is known as {name}. Open your own space, or tell your "
                        "advisor that its parameter is missing."
                    ) from None
                raise

    # --- objects ------------------------------------------------------------------------------
    def objects(self, bucket: str, prefix: str) -> list[StoredObject]:
        """Every object under `prefix`, by key."""
        client = self._client("s3")
        found: list[StoredObject] = []
        with plainly(f"Listing {prefix}"):
            for page in client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix
            ):
                found += [
                    StoredObject(
                        entry["Key"],
                        int(entry["Size"]),
                        entry["ETag"].strip('"'),
                        f"{entry['LastModified'].astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
                    )
                    for entry in page.get("Contents", [])
                ]
        return sorted(found, key=lambda entry: entry.key)

    def read(self, bucket: str, key: str) -> bytes:
        """An object's bytes; `Missing` if there is none."""
        client = self._client("s3")
        with plainly(f"Reading {key}"):
            return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def download(self, bucket: str, key: str, to: Path) -> None:
        """An object into the file `to`, in pieces; `Missing` if there is none."""
        client = self._client("s3")
        with plainly(f"Reading {key}"), to.open("wb") as file:
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            for piece in body.iter_chunks(1 << 20):
                file.write(piece)

    def create(
        self,
        bucket: str,
        key: str,
        content: bytes,
        metadata: dict[str, str] | None = None,
        sent: Callable[[int], None] | None = None,
    ) -> None:
        """Writes a new object; `AlreadyThere` if there is one.

        `sent` is called with the number of bytes that have been read, while it goes on.
        """
        client = self._client("s3")
        # In one piece, though it is large: an upload in parts could replace what is there.
        body = content if sent is None else _Watched(content, sent)
        with plainly(f"Writing {key}"):
            client.put_object(
                Bucket=bucket, Key=key, Body=body, Metadata=metadata or {}, IfNoneMatch="*"
            )

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Writes an object, in place of one that is there."""
        client = self._client("s3")
        with plainly(f"Writing {key}"):
            client.put_object(Bucket=bucket, Key=key, Body=content)

    def link(self, bucket: str, key: str, seconds: int) -> str:
        """An address that shows the object to whoever has it, as long as `seconds` and the space's
        own credentials last; nothing is asked, so it may lead nowhere."""
        client = self._client("s3")
        with plainly(f"Making a link to {key}"):
            return str(
                client.generate_presigned_url(
                    "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds
                )
            )

    # --- broker -------------------------------------------------------------------------------
    def ask(self, broker: str, request: dict[str, Any]) -> dict[str, Any]:
        """The broker's answer to `request`, without its ``ok``; `Refused` if it said no."""
        client = self._client("lambda")
        with plainly("Asking the broker"):
            response = client.invoke(FunctionName=broker, Payload=json.dumps(request).encode())
            payload = response["Payload"].read()
        unavailable = CloudError(
            "The broker did not answer as it should. Nothing of yours is lost. Try again in a "
            "minute; if it stays so, tell your advisor."
        )
        if response.get("FunctionError"):
            raise unavailable
        try:
            answer = json.loads(payload)
        except ValueError:
            raise unavailable from None
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise unavailable
        if answer.pop("ok"):
            return answer
        error = dict(answer.get("error") or {})
        code = str(error.pop("code", "unavailable"))
        raise Refused(code, str(error.pop("message", "The broker said no.")), error)

    # --- jobs ---------------------------------------------------------------------------------
    def jobs(self, prefix: str) -> list[tuple[str, int]]:
        """Names of the training jobs that begin with `prefix` and have a log, each with the instant
        at which the log began, in milliseconds; in no order."""
        client = self._client("logs")
        found: dict[str, int] = {}
        try:
            with plainly("Finding the jobs"):
                pages = client.get_paginator("describe_log_streams").paginate(
                    logGroupName=LOG_GROUP, logStreamNamePrefix=prefix
                )
                for page in pages:
                    for stream in page["logStreams"]:
                        name = str(stream["logStreamName"]).split("/")[0]
                        found.setdefault(name, int(stream.get("creationTime", 0)))
        except Missing:
            return []
        return list(found.items())

    def training_job(self, name: str) -> dict[str, Any]:
        """A training job as SageMaker describes it; `Missing` if it knows none of the name."""
        from botocore import exceptions

        client = self._client("sagemaker")
        with plainly(f"Looking at {name}"):
            try:
                return dict(client.describe_training_job(TrainingJobName=name))
            except exceptions.ClientError as problem:
                error = problem.response.get("Error", {})
                # SageMaker's way to say so: "Requested resource not found."
                if "not found" in str(error.get("Message", "")).lower():
                    raise Missing(f"There is no job {name}.") from None
                raise

    # --- logs ---------------------------------------------------------------------------------
    def log(self, job: str, seen: str | None = None) -> tuple[list[str], str | None]:
        """New lines of a training job's log since the mark `seen`, and the next mark.

        A job that has said nothing yet has no lines and no mark.
        """
        client = self._client("logs")
        lines: list[str] = []
        try:
            with plainly("Reading the log"):
                stream, token = (seen or "\n").split("\n", 1)
                if not stream:
                    streams = client.describe_log_streams(
                        logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/", limit=1
                    )["logStreams"]
                    if not streams:
                        return [], None
                    stream = streams[0]["logStreamName"]
                while True:
                    page = client.get_log_events(
                        logGroupName=LOG_GROUP,
                        logStreamName=stream,
                        startFromHead=True,
                        **({"nextToken": token} if token else {}),
                    )
                    lines += [event["message"].rstrip("\n") for event in page["events"]]
                    last, token = token, page["nextForwardToken"]
                    if token == last or not page["events"]:
                        return lines, f"{stream}\n{token}"
        except Missing:
            return lines, seen


class _Watched(io.BytesIO):
    """Bytes that tell how far they have been read."""

    def __init__(self, content: bytes, told: Callable[[int], None]) -> None:
        super().__init__(content)
        self._told = told

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._told(self.tell())
        return piece


def _boto3_client(service: str, region: str | None) -> Any:
    from botocore.config import Config

    config = Config(
        # Links to what a KMS key encrypts need it; boto3 makes older ones where it may.
        **({"signature_version": "s3v4"} if service == "s3" else {}),
        connect_timeout=10,
        read_timeout=90,
        retries={"max_attempts": 4, "mode": "standard"},
        user_agent_extra="academy",
    )
    return _session().client(service, region_name=region, config=config)


@functools.cache
def _session() -> Any:
    import boto3

    return boto3.session.Session()
