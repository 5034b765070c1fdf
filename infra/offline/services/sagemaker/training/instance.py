"""The instance that does a training job's work: its folder, its process, its traffic with S3."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shlex
import shutil
import tarfile
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions

from infra.offline import as_role, faults
from infra.offline.services.sagemaker import containers, environments
from infra.offline.services.sagemaker.logs import Shipper
from infra.offline.services.sagemaker.training.job import (
    CAPACITY_SECONDS,
    Abandoned,
    JobFailed,
    TrainingJob,
)

log = logging.getLogger(__name__)

#: Where a container finds everything; stands for the job's own folder here.
ML = "/opt/ml"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
#: The channel in which SageMaker's Python SDK sends its drivers (sagemaker.train.constants).
DRIVERS = "sm_drivers"

#: AWS: SIGTERM, then SIGKILL after 120 seconds.
GRACE_SECONDS = 120
#: Real seconds of grace once the cloud's clock has passed those 120: time to save, at least.
GRACE_AFTER_MOVE_SECONDS = 10
PUMP_SECONDS = 0.2
CHECKPOINT_SECONDS = 5
INSTALL_SECONDS = 120


def run(job: TrainingJob) -> None:
    """The life of a job, in a thread of its own."""
    try:
        try:
            job.limit_wait()
            while not _on_an_instance(job):
                job.depart()
                job.wait_for_capacity(CAPACITY_SECONDS)
        except JobFailed as failure:
            job.enter("Failed", status="Failed", failure=str(failure)[:1024])
        except Abandoned:
            raise
        except Exception as error:
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            job.enter("Failed", status="Failed", failure=reason[:1024])
            log.exception("training job %s", job.name)
    except Abandoned:
        log.debug("training job %s was abandoned", job.name)
    finally:
        job.disarm()
        job.done.set()


def _on_an_instance(job: TrainingJob) -> bool:
    """What a job does on one instance. False: that went, and the job wants another."""
    folder = job.runtime.state / "jobs" / job.name
    shutil.rmtree(folder, ignore_errors=True)
    work = Work(job, folder)
    try:
        job.enter("Starting")
        _get_capacity(job)
        exit_code: int | None = None
        if not job.stop:
            work.prepare()
            job.arrive()
            job.enter("Downloading")
            work.download()
        if not job.stop:
            job.enter("Training")
            exit_code = work.train()
        if job.interrupted and not job.stop:
            return False
        if exit_code not in (0, None) and not job.stop:
            raise JobFailed(work.failure(exit_code))
        if job.started is not None:
            job.enter("Uploading")
            work.upload()
        if job.stop:
            job.enter(job.stop, status="Stopped")
        else:
            job.enter("Completed", status="Completed")
        return True
    finally:
        work.remove()


def _get_capacity(job: TrainingJob) -> None:
    """An instance; injected faults keep it away. A Spot job waits for one, another fails."""
    while not job.stop:
        fault = faults.on_job(job.name, "no-capacity", "failed-to-start")
        if fault is None:
            return
        if fault.kind == "failed-to-start":
            raise JobFailed(
                "InternalServerError: We encountered an internal error. Please try again."
            )
        if not job.spot:
            raise JobFailed(
                "CapacityError: Unable to provision requested ML compute capacity. Please retry "
                "using a different ML instance type."
            )
        job.wait_for_capacity(fault.seconds or CAPACITY_SECONDS)


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
            if channel["ChannelName"] == DRIVERS:
                self._place_drivers(target)
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
                self._meet_interruption()
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

    def _meet_interruption(self) -> None:
        job = self._job
        if job.spot and not job.told_to_end:
            trained = job.in_state_for().total_seconds()
            if faults.on_job(job.name, "interruption", trained=trained):
                job.interrupt()

    def _grace_is_over(self) -> bool:
        stopped = self._job.told_to_end
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

    def _place_drivers(self, folder: Path) -> None:
        """Let the drivers of SageMaker's SDK find the job's own folder where they name ML.

        They are scripts with absolute paths in them, which no process here could be given.
        """
        wanted = ML.encode()
        for file in _files(folder):
            content = file.read_bytes()
            if wanted in content and b"\0" not in content:
                file.write_bytes(content.replace(wanted, str(self._ml).encode()))

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
        return as_role.client("s3", self._role, session_name="SageMaker")

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
