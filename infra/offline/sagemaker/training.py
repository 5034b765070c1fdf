"""Training jobs: real processes over a folder shaped like /opt/ml, by the container contract.

A job's thread prepares the folder (configuration, input channels), runs entrypoint and arguments,
and carries results back to S3, everything with the training role's credentials. Its limits hang on
the cloud's clock; what it does takes real time.

A job whose TrainingImage is of this account's ECR finds what that image brings: its library and its
folder (ACADEMY_ROOT). Any other image is taken for one of AWS's deep-learning containers, for which
the packages of the machine stand.

Contract: AWS, "How Amazon SageMaker AI Runs Your Training Image", as read for botocore's version of
the API.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import shlex
import shutil
import signal
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
from botocore.config import Config

from infra.offline import ecr, events, runtime
from infra.offline.authorization import credentials
from infra.offline.clock import Alarm
from infra.offline.ecr import Stored
from infra.offline.processes import Process
from infra.offline.runtime import Runtime
from infra.offline.sagemaker import containers, environments
from infra.offline.sagemaker.logs import Shipper
from infra.offline.sagemaker.operations import (
    Request,
    Response,
    arn,
    in_use,
    invalid,
    listing,
    operation,
    require_assumable,
    state,
)
from infra.offline.sagemaker.studio import within
from infra.offline.sagemaker.validation import Only

log = logging.getLogger(__name__)

#: Where a container finds everything; stands for the job's own folder here.
ML = "/opt/ml"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"

#: AWS: SIGTERM, then SIGKILL after 120 seconds.
GRACE_SECONDS = 120
#: Real seconds of grace once the cloud's clock has passed those 120: time to save, at least.
GRACE_AFTER_MOVE_SECONDS = 10
#: A move of the clock past MaxRuntime waits for the job's end as long as this.
MOVE_WAITS_SECONDS = 15
PUMP_SECONDS = 0.2
CHECKPOINT_SECONDS = 5
INSTALL_SECONDS = 120
LONGEST_RUN_SECONDS = 28 * 24 * 3600

_TERMINAL = ("Completed", "Failed", "Stopped")
#: What a job does not enter any more once its stop was asked for.
_BEFORE_STOP = ("Starting", "Downloading", "Training")

#: As DescribeTrainingJob words its SecondaryStatusTransitions.
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


class Abandoned(Exception):
    """The record of the job is gone; nothing more is done or told."""


class JobFailed(Exception):
    """The job ends as Failed; the message is its FailureReason."""


@dataclass
class TrainingJob:
    """One job. `lock` guards its states; `request` is what CreateTrainingJob got."""

    kind: ClassVar[str] = "training-job"
    arn: str
    request: Request
    tags: list[dict[str, str]]
    created: datetime
    runtime: Runtime
    #: Its image, if that is one of this account's ECR.
    stored: Stored | None = None
    status: str = "InProgress"
    secondary: str = "Starting"
    transitions: list[Response] = field(default_factory=list)
    modified: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    failure: str = ""
    #: Why it is being stopped: Stopped or MaxRuntimeExceeded.
    stop: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    done: threading.Event = field(default_factory=threading.Event, repr=False)
    process: Process | None = field(default=None, repr=False)
    abandoned: bool = False
    _stopped: tuple[datetime, float] | None = field(default=None, repr=False)
    _alarm: Alarm | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return str(self.request["TrainingJobName"])

    @property
    def output(self) -> str:
        """The S3 prefix of its results, without a slash at its end."""
        base = str(self.request["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
        return f"{base}/{self.name}/output"

    def now(self) -> datetime:
        """The cloud's time, but after a stop counted in real seconds from it.

        So a clock that was moved far past MaxRuntime does not add its leap to the bill.
        """
        if self._stopped is None:
            return self.runtime.clock.now()
        moment, monotonic = self._stopped
        return moment + timedelta(seconds=time.monotonic() - monotonic)

    # --- what is shown ------------------------------------------------------------------------
    def describe(self) -> Response:
        with self.lock:
            shown: Response = {
                **{name: value for name, value in self.request.items() if name != "Tags"},
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified or self.created,
                # Where a model goes; AWS tells it from the start, and of jobs without a model too.
                "ModelArtifacts": {"S3ModelArtifacts": f"{self.output}/model.tar.gz"},
                "SecondaryStatusTransitions": [dict(one) for one in self.transitions],
                "EnableNetworkIsolation": False,
                "EnableInterContainerTrafficEncryption": False,
                "EnableManagedSpotTraining": False,
            }
            if self.failure:
                shown["FailureReason"] = self.failure
            if self.started is not None:
                shown["TrainingStartTime"] = self.started
            if self.ended is not None:
                shown["TrainingEndTime"] = self.ended
                if self.started is not None:
                    seconds = max(1, math.ceil((self.ended - self.started).total_seconds()))
                    shown["TrainingTimeInSeconds"] = seconds
                    shown["BillableTimeInSeconds"] = seconds
            return shown

    def summary(self) -> Response:
        shown = self.describe()
        names = (
            *("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime"),
            *("LastModifiedTime", "TrainingJobStatus", "SecondaryStatus"),
        )
        return {name: shown[name] for name in names if name in shown}

    # --- states -------------------------------------------------------------------------------
    def enter(self, secondary: str, *, status: str | None = None, failure: str = "") -> None:
        """Go to a state, record it and tell EventBridge. An ended job stays as it is."""
        with self.lock:
            if self.abandoned:
                raise Abandoned
            if self.status in _TERMINAL or (self.stop and secondary in _BEFORE_STOP):
                return
            moment = self.now()
            if self.transitions:
                self.transitions[-1]["EndTime"] = moment
            self.transitions.append(
                {
                    "Status": secondary,
                    "StartTime": moment,
                    "StatusMessage": failure or _MESSAGES[secondary],
                }
            )
            self.secondary = secondary
            self.status = status or self.status
            self.modified = moment
            self.failure = failure
            if self.status in _TERMINAL:
                self.ended = moment
                self.transitions[-1]["EndTime"] = moment
            detail = _event_detail({**self.describe(), "Tags": _tag_map(self.tags)})
        events.emit(
            "aws.sagemaker",
            "SageMaker Training Job State Change",
            detail,
            [self.arn],
            time=moment,
        )

    def request_stop(self, reason: str) -> bool:
        """Begin to stop it, for `reason` (Stopped or MaxRuntimeExceeded). False: it has ended."""
        with self.lock:
            if self.status in _TERMINAL:
                return False
            if self.stop:
                return True
            self.stop = reason
            self._stopped = (self.runtime.clock.now(), time.monotonic())
            process = self.process
        self.enter("Stopping", status="Stopping")
        if process is not None:
            process.signal(signal.SIGTERM)
        return True

    def abandon(self) -> None:
        """End its process because the record of it goes; nobody hears of it again."""
        with self.lock:
            self.abandoned = True
            process = self.process
        if process is not None:
            process.kill()

    # --- its life, in a thread of its own ---------------------------------------------------------
    def run(self) -> None:
        folder = self.runtime.state / "jobs" / self.name
        shutil.rmtree(folder, ignore_errors=True)
        work = Work(self, folder)
        try:
            try:
                self._run(work)
            except JobFailed as failure:
                self.enter("Failed", status="Failed", failure=str(failure)[:1024])
            except Abandoned:
                raise
            except Exception as error:
                reason = f"InternalServerError: {type(error).__name__}: {error}"
                self.enter("Failed", status="Failed", failure=reason[:1024])
                log.exception("training job %s", self.name)
        except Abandoned:
            log.debug("training job %s was abandoned", self.name)
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            work.remove()
            self.done.set()

    def _run(self, work: Work) -> None:
        self.enter("Starting")
        work.prepare()
        with self.lock:
            self.started = self.now()
        self._arm()
        self.enter("Downloading")
        work.download()
        exit_code: int | None = None
        if not self.stop:
            self.enter("Training")
            exit_code = work.train()
        if exit_code not in (0, None) and not self.stop:
            raise JobFailed(work.failure(exit_code))
        self.enter("Uploading")
        work.upload()
        if self.stop:
            self.enter(self.stop, status="Stopped")
        else:
            self.enter("Completed", status="Completed")

    def _arm(self) -> None:
        limit = self.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        self._alarm = self.runtime.clock.call_at(
            self.now() + timedelta(seconds=limit),
            self._time_is_up,
            name=f"MaxRuntime of training job {self.name}",
        )

    def _time_is_up(self) -> None:
        if self.request_stop("MaxRuntimeExceeded"):
            # Who moves the clock past the limit finds the job ended, unless it clings to life.
            self.done.wait(MOVE_WAITS_SECONDS)


class Work:
    """The job's folder, its process and its traffic with S3."""

    def __init__(self, job: TrainingJob, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self._short: Path | None = None
        self._root: Path | None = None
        self._output = folder / "algo-1.log"
        self._environment = folder / "environment"
        self._ml = folder / "ml"
        self._sent_checkpoints: dict[Path, tuple[int, int]] = {}

    # --- before -------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Lay out the folder as a container finds it."""
        self._folder.mkdir(parents=True)
        # Arguments go through a shell; a folder whose name a shell would split gets another one.
        if _shell_changes(str(self._folder)):
            digest = hashlib.sha256(str(self._folder).encode()).hexdigest()[:12]
            self._short = Path(tempfile.gettempdir(), f"academy-job-{digest}")
            self._short.unlink(missing_ok=True)
            self._short.symlink_to(self._folder, target_is_directory=True)
            self._ml = self._short / "ml"
        for name in ("input/config", "input/data", "model", "output/data", "code"):
            (self._ml / name).mkdir(parents=True)
        for name in ("home", "work"):
            (self._folder / name).mkdir()
        request = self._job.request
        resources = request["ResourceConfig"]
        self._write("hyperparameters", request.get("HyperParameters", {}))
        self._write(
            "inputdataconfig",
            {
                channel["ChannelName"]: {
                    "TrainingInputMode": "File",
                    "S3DistributionType": "FullyReplicated",
                    "RecordWrapperType": "None",
                    **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
                }
                for channel in request.get("InputDataConfig", ())
            },
        )
        self._write(
            "resourceconfig",
            {
                "current_host": "algo-1",
                "current_instance_type": resources["InstanceType"],
                "current_group_name": "homogeneousCluster",
                "hosts": ["algo-1"],
                "instance_groups": [
                    {
                        "instance_group_name": "homogeneousCluster",
                        "instance_type": resources["InstanceType"],
                        "hosts": ["algo-1"],
                    }
                ],
                "network_interface_name": "lo",
            },
        )
        self._prepare_image(environments.build(self._environment))

    def _prepare_image(self, python: Path) -> None:
        """Unpack the account's own image and install its library."""
        stored = self._job.stored
        if stored is None:
            return

        def run(arguments: list[str]) -> tuple[int, str]:
            output = self._folder / "image.log"
            variables = self._base()
            with self._job.lock:
                if self._job.abandoned:
                    raise Abandoned
                process = self._job.process = self._job.runtime.processes.start(
                    f"job {self._job.name}",
                    arguments,
                    env=variables,
                    cwd=self._folder / "work",
                    log=output,
                )
            status = process.wait(INSTALL_SECONDS)
            return process.kill() if status is None else status, environments.tail(output)

        try:
            self._root = containers.unpack(stored, self._folder / "image")
            containers.install(self._root, python, run)
        except containers.NotOfTheAcademy as error:
            if not self._job.stop:
                raise JobFailed(f"ClientError: Cannot pull algorithm container. {error}") from error

    def _base(self) -> dict[str, str]:
        """The environment of the job's processes, but for what the request and SageMaker add."""
        return {
            **environments.variables(
                self._folder / "home",
                self._environment,
                role_arn=self._job.request["RoleArn"],
                session="SageMaker",
            ),
            **({"ACADEMY_ROOT": str(self._root)} if self._root is not None else {}),
        }

    def download(self) -> None:
        """Bring every channel, and earlier checkpoints, from S3."""
        s3 = self._s3()
        for channel in self._job.request.get("InputDataConfig", ()):
            if self._job.stop:
                return
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            target = self._ml / "input" / "data" / channel["ChannelName"]
            if not self._fetch(s3, uri, target):
                raise JobFailed(
                    f'ClientError: No S3 objects found under S3 URL "{uri}" given in channel '
                    f"{channel['ChannelName']}. Please ensure that the bucket exists, that objects "
                    f"exist under that prefix, and that the role {self._role} may list them."
                )
        checkpoints = self._checkpoints()
        if checkpoints is not None:
            uri, target = checkpoints
            self._fetch(s3, uri, target)
            for file in _files(target):
                self._sent_checkpoints[file] = _version(file)

    def _fetch(self, s3: Any, uri: str, target: Path) -> int:
        """Copy what lies under `uri` to `target`; returns how many objects."""
        bucket, prefix = _split(uri)
        target.mkdir(parents=True, exist_ok=True)
        count = 0
        try:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    relative = relative_key(item["Key"], prefix)
                    if relative is None:
                        continue
                    file = _inside(target, relative, item["Key"])
                    file.parent.mkdir(parents=True, exist_ok=True)
                    s3.download_file(bucket, item["Key"], str(file))
                    count += 1
        except botocore.exceptions.ClientError as error:
            raise JobFailed(
                f"ClientError: Data download failed: {_explained(error)}. Please ensure that the "
                f"role {self._role} may list and read {uri}."
            ) from error
        except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
            raise JobFailed(
                f"ClientError: Data download failed: under {uri} one key is the folder of another "
                f"({error.filename})."
            ) from error
        return count

    # --- during -------------------------------------------------------------------------------
    def train(self) -> int | None:
        """Run entrypoint and arguments to their end; returns the exit code."""
        job, request = self._job, self._job.request
        algorithm = request["AlgorithmSpecification"]
        arguments = [
            self._placed(text)
            for text in (
                *algorithm["ContainerEntrypoint"],
                *algorithm.get("ContainerArguments", ()),
            )
        ]
        base = self._base()
        # The request's variables first: they must not redirect PATH, home or credentials.
        variables = {
            **{name: self._placed(text) for name, text in request.get("Environment", {}).items()},
            **base,
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            "ML_ROOT": str(self._ml),
            "PYTHONUNBUFFERED": "1",
        }
        shipper = self._shipper()
        shipper.open()
        with job.lock:
            if job.stop or job.abandoned:
                return None
            try:
                job.process = job.runtime.processes.start(
                    f"job {job.name}",
                    arguments,
                    env=variables,
                    cwd=self._folder / "work",
                    log=self._output,
                )
            except FileNotFoundError as error:
                raise JobFailed(f"AlgorithmError: {error}") from error
        synced = time.monotonic()
        try:
            while (exit_code := job.process.wait(PUMP_SECONDS)) is None:
                shipper.pump()
                if self._grace_is_over():
                    job.process.kill()
                if time.monotonic() - synced > CHECKPOINT_SECONDS:
                    self._send_checkpoints()
                    synced = time.monotonic()
            # Also of a job that failed: the next one goes on from here.
            self._send_checkpoints()
            return exit_code
        finally:
            # Nothing outlives a failure of what surrounds it.
            job.process.kill()
            shipper.pump(final=True)

    def _grace_is_over(self) -> bool:
        stopped = self._job._stopped
        if stopped is None:
            return False
        real = time.monotonic() - stopped[1]
        moved = (self._job.runtime.clock.now() - stopped[0]).total_seconds()
        return real >= GRACE_SECONDS or (
            moved >= GRACE_SECONDS and real >= GRACE_AFTER_MOVE_SECONDS
        )

    def failure(self, exit_code: int) -> str:
        """The FailureReason of a job whose process failed."""
        file = self._ml / "output" / "failure"
        text = ""
        if file.is_file():
            with file.open(encoding="utf-8", errors="replace") as written:
                text = written.read(1024).strip()
        if not text:
            text = f"See job logs for more information. {environments.tail(self._output, 400)}"
        # A container reports a signal as 128 and its number.
        shown = exit_code if exit_code >= 0 else 128 - exit_code
        ending = f", exit code: {shown}"
        return f"AlgorithmError: {text}"[: 1024 - len(ending)] + ending

    # --- after --------------------------------------------------------------------------------
    def upload(self) -> None:
        """Carry model and output data to S3."""
        for folder, name in ((self._ml / "model", "model"), (self._ml / "output/data", "output")):
            if not folder.is_dir() or not any(folder.iterdir()):
                continue
            archive = self._folder / f"{name}.tar.gz"
            with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
                for entry in sorted(folder.iterdir()):
                    tar.add(entry, arcname=entry.name)
            self._put(self._s3(), archive, f"{self._job.output}/{name}.tar.gz")

    def remove(self) -> None:
        """Leave nothing, as an instance that is given back."""
        if self._short is not None:
            self._short.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _put(self, s3: Any, file: Path, uri: str) -> None:
        bucket, key = _split(uri)
        extra: dict[str, str] = {}
        if encryption := self._job.request["OutputDataConfig"].get("KmsKeyId"):
            extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption}
        try:
            s3.upload_file(str(file), bucket, key, ExtraArgs=extra)
        except (
            botocore.exceptions.ClientError,
            boto3.exceptions.S3UploadFailedError,
        ) as error:
            raise JobFailed(
                f"ClientError: Artifact upload failed: {_explained(error)}. Please ensure that the "
                f"role {self._role} may write {uri}."
            ) from error

    def _send_checkpoints(self) -> None:
        checkpoints = self._checkpoints()
        if checkpoints is None:
            return
        uri, folder = checkpoints
        s3 = None
        for file in _files(folder):
            with contextlib.suppress(FileNotFoundError):
                version = _version(file)
                if self._sent_checkpoints.get(file) != version:
                    s3 = s3 or self._s3()
                    relative = file.relative_to(folder).as_posix()
                    self._put(s3, file, f"{uri.rstrip('/')}/{relative}")
                    self._sent_checkpoints[file] = version

    # --- within -------------------------------------------------------------------------------
    @property
    def _role(self) -> str:
        return str(self._job.request["RoleArn"])

    def _placed(self, text: str) -> str:
        return text.replace(ML, str(self._ml))

    def _checkpoints(self) -> tuple[str, Path] | None:
        config = self._job.request.get("CheckpointConfig")
        if config is None:
            return None
        return config["S3Uri"], Path(self._placed(config.get("LocalPath", f"{ML}/checkpoints")))

    def _write(self, name: str, document: Any) -> None:
        text = json.dumps(document, indent=1)
        (self._ml / "input" / "config" / f"{name}.json").write_text(text)

    def _s3(self) -> Any:
        """A client as the training role, on the wire, so that IAM has its say."""
        keys = credentials.for_role(self._role, session_name="SageMaker")
        current = self._job.runtime
        session = boto3.Session(
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
            region_name=current.region,
        )
        return session.client(
            "s3",
            endpoint_url=current.endpoint,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, proxies={}),
        )

    def _shipper(self) -> Shipper:
        current = self._job.runtime
        epoch = int(current.clock.now().timestamp())
        return Shipper(
            self._output,
            account=current.account,
            region=current.region,
            group=LOG_GROUP,
            stream=f"{self._job.name}/algo-1-{epoch}",
            clock=current.clock,
        )


def relative_key(key: str, prefix: str) -> str | None:
    """Where an object under a channel's prefix lies in the channel's folder.

    None for the empty objects that stand for folders.
    """
    if key.endswith("/"):
        return None
    if key == prefix:
        return key.rsplit("/", 1)[-1]
    if prefix.endswith("/") or not prefix:
        return key[len(prefix) :]
    if key.startswith(f"{prefix}/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def _inside(folder: Path, relative: str, key: str) -> Path:
    """The file for a key; a key that would lead out of the folder fails the job."""
    parts = PurePosixPath(relative).parts
    if relative.startswith("/") or ".." in relative.split("/") or "\0" in relative or not parts:
        raise JobFailed(
            f"ClientError: Data download failed: the key {key!r} does not name a file below "
            "its channel."
        )
    return folder.joinpath(*parts)


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return parts.netloc, path.removeprefix("/")


def _explained(error: Exception) -> str:
    if isinstance(error, botocore.exceptions.ClientError):
        details = error.response["Error"]
        return f"{details.get('Code', 'Error')}: {details.get('Message', '')}".strip(". ")
    return str(error).strip(". ")


def _shell_changes(text: str) -> bool:
    """Whether a shell would split or change `text` where it stands unquoted."""
    return shlex.quote(text) != text


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _version(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size


def _tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _event_detail(value: Any) -> Any:
    """A description as events carry it: times in milliseconds since 1970."""
    if isinstance(value, dict):
        return {name: _event_detail(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_event_detail(item) for item in value]
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    return value


# --- operations ---------------------------------------------------------------------------------
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
        "StoppingCondition": {"MaxRuntimeInSeconds": None},
        "CheckpointConfig": {"S3Uri": None, "LocalPath": None},
        "Environment": None,
        "EnableNetworkIsolation": _NEVER,
        "EnableInterContainerTrafficEncryption": _NEVER,
        "EnableManagedSpotTraining": _NEVER,
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
    stored = _own_image(request)
    request["StoppingCondition"].setdefault("MaxRuntimeInSeconds", 24 * 3600)
    with kept.lock:
        if name in kept.jobs:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a training job with "
                f"this name already exists ({job_arn})"
            )
        job = TrainingJob(
            arn=job_arn,
            request=request,
            tags=request.get("Tags", []),
            created=current.clock.now(),
            runtime=current,
            stored=stored,
        )
        kept.jobs[name] = job
    threading.Thread(target=job.run, name=f"job-{name}", daemon=True).start()
    return {"TrainingJobArn": job_arn}


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
