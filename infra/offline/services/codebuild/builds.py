"""Builds: real processes, phase by phase, as the project's service role.

Phases and what follows what: "Build phase transitions", CodeBuild user guide. A failed install or
pre_build ends the build; after a failed build phase post_build runs all the same.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import stat
import sys
import threading
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import botocore.exceptions

from infra.offline import as_role, runtime
from infra.offline.authorization import credentials
from infra.offline.clock import Alarm
from infra.offline.environment import client_environment
from infra.offline.processes import Process, minimal_environment
from infra.offline.runtime import Runtime
from infra.offline.services.codebuild import buildspec, projects
from infra.offline.services.codebuild.buildspec import BuildSpec, BuildSpecError
from infra.offline.services.codebuild.operations import (
    Project,
    Request,
    Response,
    arn,
    invalid,
    not_found,
    operation,
    state,
)
from infra.offline.services.sagemaker.environments import CLIENT
from infra.offline.services.sagemaker.logs import Shipper
from infra.offline.services.sagemaker.validation import Only

log = logging.getLogger(__name__)

TOOLS = Path(__file__).parent / "tools"
#: How long an idempotency token holds: "The token is included in the StartBuild request and is
#: valid for 5 minutes".
TOKEN_LIVES = timedelta(minutes=5)
#: What a source may unpack to.
LARGEST_SOURCE_BYTES = 4 * 1024**3
PUMP_SECONDS = 0.2
STOP_SECONDS = 5

#: The name that a phase of a buildspec has in a build.
_SHOWN = {name: name.upper() for name in buildspec.PHASES}
#: How a build ends for a phase that ended so.
_RESULTS = {"FAILED": "FAILED", "TIMED_OUT": "TIMED_OUT", "STOPPED": "STOPPED", "FAULT": "FAULT"}

#: Runs one command as CodeBuild's one shell would: folder and environment go on to the next.
_RUN = """
if [ -f "$1/environment" ]; then . "$1/environment" 2>/dev/null; cd "$(cat "$1/folder")"; fi
export CODEBUILD_BUILD_SUCCEEDING="$3"
trap 'code=$?; declare -px >"$1/environment"; pwd >"$1/folder"; exit $code' EXIT
eval "$(cat "$2")"
"""


class PhaseFailed(Exception):
    """A phase did not succeed."""

    def __init__(self, code: str, message: str, status: str = "FAILED") -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Abandoned(Exception):
    """The record of the build is gone; nothing more is done or told."""


@dataclass
class Build:
    """One build. `lock` guards its state; `request` is the project's, with the overrides."""

    id: str
    arn: str
    number: int
    project: Project
    request: Request
    token: str | None
    overrides: Request
    started: datetime
    runtime: Runtime
    status: str = "IN_PROGRESS"
    phases: list[Response] = field(default_factory=list)
    ended: datetime | None = None
    #: Why it is being ended from outside: STOPPED or TIMED_OUT.
    stop: str = ""
    abandoned: bool = False
    process: Process | None = field(default=None, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    done: threading.Event = field(default_factory=threading.Event, repr=False)
    _alarm: Alarm | None = field(default=None, repr=False)

    @property
    def role(self) -> str:
        return str(self.request["serviceRole"])

    @property
    def folder(self) -> Path:
        return self.runtime.state / "builds" / self.id.replace(":", "-")

    @property
    def log_group(self) -> str:
        config = self.request.get("logsConfig", {}).get("cloudWatchLogs", {})
        return str(config.get("groupName") or f"/aws/codebuild/{self.project.name}")

    @property
    def log_stream(self) -> str:
        config = self.request.get("logsConfig", {}).get("cloudWatchLogs", {})
        prefix = config.get("streamName")
        own = self.id.rsplit(":", 1)[1]
        return f"{prefix}/{own}" if prefix else own

    def describe(self) -> Response:
        with self.lock:
            project = projects.shown(self.project)
            here = self.runtime
            group = f"arn:aws:logs:{here.region}:{here.account}:log-group:{self.log_group}"
            shown: Response = {
                "id": self.id,
                "arn": self.arn,
                "buildNumber": self.number,
                "startTime": self.started,
                "currentPhase": self.phases[-1]["phaseType"] if self.phases else "SUBMITTED",
                "buildStatus": self.status,
                "projectName": self.project.name,
                "phases": [dict(phase) for phase in self.phases],
                "source": self.request["source"],
                "artifacts": {"location": ""},
                "cache": {"type": "NO_CACHE"},
                "environment": {
                    **self.request["environment"],
                    "environmentVariables": [
                        {"type": "PLAINTEXT", **each} for each in self.variables()
                    ],
                },
                "serviceRole": self.role,
                "logs": {
                    "groupName": self.log_group,
                    "streamName": self.log_stream,
                    "cloudWatchLogsArn": f"{group}:log-stream:{self.log_stream}",
                    "cloudWatchLogs": {"status": "ENABLED", "groupName": self.log_group},
                },
                "timeoutInMinutes": self.timeout_minutes,
                "queuedTimeoutInMinutes": project["queuedTimeoutInMinutes"],
                "buildComplete": self.ended is not None,
                "initiator": "academy",
            }
            if "encryptionKey" in self.request:
                shown["encryptionKey"] = self.request["encryptionKey"]
            if self.ended is not None:
                shown["endTime"] = self.ended
            return shown

    @property
    def timeout_minutes(self) -> int:
        return int(self.request.get("timeoutInMinutes", projects.DEFAULT_TIMEOUT_MINUTES))

    def variables(self) -> list[dict[str, str]]:
        """The environment variables of the project, and over them those of the request."""
        merged = {
            each["name"]: each["value"]
            for each in (
                *self.request["environment"].get("environmentVariables", ()),
                *self.overrides.get("environmentVariablesOverride", ()),
            )
        }
        return [{"name": name, "value": value} for name, value in merged.items()]

    # --- from outside ---------------------------------------------------------------------------
    def request_stop(self, reason: str) -> bool:
        """Begin to end it, for `reason`. False: it has ended."""
        with self.lock:
            if self.ended is not None:
                return False
            self.stop = self.stop or reason
            process = self.process
        if process is not None:
            process.terminate(STOP_SECONDS)
        return True

    def abandon(self) -> None:
        """End its process because the record of it goes."""
        with self.lock:
            self.abandoned = True
            process = self.process
        if process is not None:
            process.kill()

    # --- its life, in a thread of its own -------------------------------------------------------
    def run(self) -> None:
        work = Work(self)
        try:
            work.run()
        except Abandoned:
            log.debug("build %s was abandoned", self.id)
        except Exception as error:
            log.exception("build %s", self.id)
            work.say(f"The embedded cloud failed: {type(error).__name__}: {error}")
            self.end("FAULT")
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            work.remove()
            self.done.set()

    def arm(self) -> None:
        """Have it end when its time is up on the cloud's clock."""
        self._alarm = self.runtime.clock.call_at(
            self.started + timedelta(minutes=self.timeout_minutes),
            self._time_is_up,
            name=f"timeout of build {self.id}",
        )

    def _time_is_up(self) -> None:
        if self.request_stop("TIMED_OUT"):
            self.done.wait(STOP_SECONDS + 5)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A phase of the build, with how it ended and how long it took."""
        with self.lock:
            if self.abandoned:
                raise Abandoned
            if self.stop:
                raise PhaseFailed(f"BUILD_{self.stop}", f"the build was {self.stop}", self.stop)
            entered = self.runtime.clock.now()
            record: Response = {"phaseType": name, "startTime": entered}
            self.phases.append(record)
        status, contexts = "SUCCEEDED", [{"statusCode": "", "message": ""}]
        try:
            yield
        except PhaseFailed as failure:
            status = self.stop or failure.status
            contexts = [{"statusCode": failure.code, "message": str(failure)[:2000]}]
            raise
        finally:
            with self.lock:
                ended = self.runtime.clock.now()
                record.update(
                    phaseStatus=status,
                    endTime=ended,
                    durationInSeconds=int((ended - entered).total_seconds()),
                    contexts=contexts,
                )

    def end(self, status: str) -> None:
        with self.lock:
            if self.abandoned or self.ended is not None:
                return
            self.ended = self.runtime.clock.now()
            self.status = status
            self.phases.append({"phaseType": "COMPLETED", "startTime": self.ended})


class Work:
    """The build's folder, its commands and its log."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._folder = build.folder
        self._source = self._folder / "src"
        self._shell = self._folder / "shell"
        self._output = self._folder / "build.log"
        self._shipper: Shipper | None = None
        self._pumping = threading.Lock()

    def run(self) -> None:
        """Every phase, from the source to the end."""
        build = self._build
        build.arm()
        failure: PhaseFailed | None = None
        for name, act in (
            ("SUBMITTED", _nothing),
            ("QUEUED", _nothing),
            ("PROVISIONING", self._provision),
            ("DOWNLOAD_SOURCE", self._download),
        ):
            failure = failure or self._attempt(name, act)
        if failure is None:
            failure = self._phases()
            # "The UPLOAD_ARTIFACTS phase is always attempted"; there are none.
            failure = failure or self._attempt("UPLOAD_ARTIFACTS", _nothing)
            failure = failure or self._attempt("FINALIZING", _nothing)
        self._pump(final=True)
        build.end("SUCCEEDED" if failure is None else build.stop or _RESULTS[failure.status])

    def _attempt(self, name: str, act: Any) -> PhaseFailed | None:
        try:
            with self._build.phase(name):
                act()
        except PhaseFailed as failure:
            self.say(f"Phase complete: {name} State: {self._build.stop or failure.status}")
            self.say(f"Phase context status code: {failure.code} Message: {failure}")
            return failure
        self.say(f"Phase complete: {name} State: SUCCEEDED")
        return None

    def _phases(self) -> PhaseFailed | None:
        """The phases of the buildspec; returns the first failure."""
        try:
            spec = self._spec()
        except BuildSpecError as error:
            failed = PhaseFailed("YAML_FILE_ERROR", str(error))

            def refuse() -> None:
                raise failed

            return self._attempt("INSTALL", refuse)
        self._shell.mkdir()
        variables = self._variables(spec)
        failure: PhaseFailed | None = None
        for name in buildspec.PHASES:
            if failure is not None and (name != "post_build" or not self._built(failure)):
                continue
            phase = spec.phases.get(name, buildspec.Phase())
            self.say(f"Entering phase {_SHOWN[name]}")
            variables["CODEBUILD_BUILD_SUCCEEDING"] = "1" if failure is None else "0"
            found = self._attempt(
                _SHOWN[name], lambda phase=phase: self._commands(phase, variables)
            )
            failure = failure or found
        return failure

    def _built(self, failure: PhaseFailed) -> bool:
        """Whether it was the build phase that failed: post_build follows it alone."""
        build = self._build
        return not build.stop and build.phases[-1]["phaseType"] == "BUILD" and bool(failure)

    # --- the phases before the buildspec's -------------------------------------------------------
    def _provision(self) -> None:
        """Make the folder, and the log with the role's own permissions, as CodeBuild does."""
        build, logs = self._build, self._client("logs")
        self._folder.mkdir(parents=True)
        try:
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(logGroupName=build.log_group, logStreamName=build.log_stream)
        except logs.exceptions.ResourceNotFoundException:
            self._make_group(logs)
        except botocore.exceptions.ClientError as error:
            raise self._no_log(error) from error
        self._shipper = Shipper(
            self._output,
            account=build.runtime.account,
            region=build.runtime.region,
            group=build.log_group,
            stream=build.log_stream,
            clock=build.runtime.clock,
        )
        self.say("Waiting for agent ping")

    def _make_group(self, logs: Any) -> None:
        build = self._build
        try:
            logs.create_log_group(logGroupName=build.log_group)
            logs.create_log_stream(logGroupName=build.log_group, logStreamName=build.log_stream)
        except botocore.exceptions.ClientError as error:
            raise self._no_log(error) from error

    def _no_log(self, error: botocore.exceptions.ClientError) -> PhaseFailed:
        build = self._build
        return PhaseFailed(
            "ACCESS_DENIED",
            f"Service role {build.role} does not allow AWS CodeBuild to create Amazon CloudWatch "
            f"Logs log streams for build {build.arn}. Error message: {_words(error)}",
        )

    def _download(self) -> None:
        bucket, key = projects.source_of(self._build.request)
        archive = self._folder / "source.zip"
        version = self._build.request.get("sourceVersion")
        try:
            self._client("s3").download_file(
                bucket, key, str(archive), ExtraArgs={"VersionId": version} if version else None
            )
        except botocore.exceptions.ClientError as error:
            raise PhaseFailed(
                "CLIENT_ERROR", f"{_words(error)} for primary source and source {bucket}/{key}"
            ) from error
        try:
            unpack(archive, self._source)
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise PhaseFailed(
                "CLIENT_ERROR", f"source {bucket}/{key} cannot be unpacked: {error}"
            ) from error
        archive.unlink()

    # --- commands -------------------------------------------------------------------------------
    def _spec(self) -> BuildSpec:
        given = self._build.request["source"].get("buildspec")
        if given and buildspec.is_inline(given):
            return buildspec.parse(given)
        name = given or "buildspec.yml"
        file = self._source / name
        if ".." in PurePosixPath(name).parts or name.startswith("/") or not file.is_file():
            raise BuildSpecError(f"YAML_FILE_ERROR: stat {name}: no such file or directory")
        return buildspec.parse(file.read_text(encoding="utf-8"))

    def _commands(self, phase: buildspec.Phase, variables: dict[str, str]) -> None:
        try:
            for command in phase.commands:
                self._command(command, variables)
        finally:
            for command in phase.last:
                self._command(command, variables)

    def _command(self, command: str, variables: dict[str, str]) -> None:
        build = self._build
        self.say(f"Running command {command}")
        script, text = self._shell / "run.sh", self._shell / "command"
        succeeding = variables["CODEBUILD_BUILD_SUCCEEDING"]
        script.write_text(_RUN)
        text.write_text(command)
        with build.lock:
            if build.abandoned:
                raise Abandoned
            if build.stop:
                raise PhaseFailed(f"BUILD_{build.stop}", f"the build was {build.stop}", build.stop)
            process = build.process = build.runtime.processes.start(
                f"build {build.id}",
                ["bash", str(script), str(self._shell), str(text), succeeding],
                env=variables,
                cwd=self._source,
                log=self._output,
            )
        while (status := process.wait(PUMP_SECONDS)) is None:
            self._pump()
        with build.lock:
            build.process = None
            if build.abandoned:
                raise Abandoned
        if status != 0:
            # A shell reports a signal as 128 and its number.
            shown = status if status > 0 else 128 - status
            self.say(f"Command did not exit successfully {command} exit status {shown}")
            raise PhaseFailed(
                "COMMAND_EXECUTION_ERROR",
                f"Error while executing command: {command}. Reason: exit status {shown}",
            )

    def _variables(self, spec: BuildSpec) -> dict[str, str]:
        """The whole environment of the commands.

        Source: "Environment variables in build environments", CodeBuild user guide. Of names that
        several places define, StartBuild's win over the project's, and those over the buildspec's;
        CodeBuild's own and the credentials win over all.
        """
        build, here = self._build, self._build.runtime
        home, programs = self._folder / "home", self._folder / "bin"
        home.mkdir()
        self._stand_ins(programs)
        client = client_environment(here.endpoint, here.region)
        base = minimal_environment(home)
        milliseconds = int(build.started.timestamp() * 1000)
        return {
            **spec.variables,
            **{each["name"]: each["value"] for each in build.variables()},
            **base,
            **{name: client[name] for name in CLIENT if name in client},
            **credentials.for_role(build.role, session_name=_session_name(build)),
            "PATH": f"{programs}:{base['PATH']}",
            "CI": "true",
            "CODEBUILD_CI": "true",
            "CODEBUILD_BUILD_ARN": build.arn,
            "CODEBUILD_BUILD_ID": build.id,
            "CODEBUILD_BUILD_IMAGE": str(build.request["environment"]["image"]),
            "CODEBUILD_BUILD_NUMBER": str(build.number),
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_INITIATOR": "academy",
            "CODEBUILD_LOG_PATH": build.log_stream,
            "CODEBUILD_PROJECT_ARN": build.project.arn,
            "CODEBUILD_SOURCE_REPO_URL": str(build.request["source"]["location"]),
            "CODEBUILD_SRC_DIR": str(self._source),
            "CODEBUILD_START_TIME": str(milliseconds),
        }

    def _stand_ins(self, programs: Path) -> None:
        """The programs that stand in for the AWS CLI and for Docker, as commands."""
        programs.mkdir()
        privileged = "1" if self._build.request["environment"].get("privilegedMode") else ""
        for name in ("aws", "docker"):
            command = programs / name
            command.write_text(
                f"#!/bin/sh\nACADEMY_ENGINE={_quoted(self._folder / 'engine')} "
                f"ACADEMY_PRIVILEGED={privileged} "
                f'exec {_quoted(sys.executable)} -I {_quoted(TOOLS / f"{name}.py")} "$@"\n'
            )
            command.chmod(0o755)

    # --- the log --------------------------------------------------------------------------------
    def say(self, text: str) -> None:
        """A line of CodeBuild's own in the build's log."""
        if not self._folder.is_dir():
            return
        moment = self._build.runtime.clock.now().strftime("%Y/%m/%d %H:%M:%S")
        with self._output.open("a", encoding="utf-8") as file:
            file.write(f"[Container] {moment} {text}\n")
        self._pump()

    def _pump(self, *, final: bool = False) -> None:
        if self._shipper is not None and not self._build.abandoned:
            with self._pumping:
                self._shipper.pump(final=final)

    def remove(self) -> None:
        """Leave nothing, as a container that is given back."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _client(self, service: str) -> Any:
        """A client as the service role, on the wire, so that IAM has its say."""
        return as_role.client(service, self._build.role, session_name=_session_name(self._build))


def _nothing() -> None:
    """A phase in which nothing is to be done here."""


def _session_name(build: Build) -> str:
    """CodeBuild's sessions are called AWSCodeBuild- and the build's own id."""
    return f"AWSCodeBuild-{build.id.rsplit(':', 1)[1]}"


def _words(error: botocore.exceptions.ClientError) -> str:
    details = error.response["Error"]
    return f"{details.get('Code', 'Error')}: {details.get('Message', '')}"


def _quoted(path: Path | str) -> str:
    text = str(path).replace("'", "'\"'\"'")
    return f"'{text}'"


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file of files and folders, with their permission to be executed.

    Raises:
        ValueError: a name leads out of the folder, is there twice, or is a link; or it is too much.
    """
    folder.mkdir()
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        if sum(member.file_size for member in members) > LARGEST_SOURCE_BYTES:
            raise ValueError(f"it unpacks to more than {LARGEST_SOURCE_BYTES} bytes")
        for member in members:
            name = member.filename
            parts = PurePosixPath(name).parts
            if name.startswith("/") or "\\" in name or not parts or ".." in name.split("/"):
                raise ValueError(f"the name {name!r} leads out of the source folder")
            mode = member.external_attr >> 16
            target = folder.joinpath(*parts)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise ValueError(f"{name!r} is no plain file")
            target.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(member) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file)
            target.chmod(0o755 if mode & 0o111 else 0o644)


# --- operations ---------------------------------------------------------------------------------
_BUILD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,149}:[0-9a-f-]{36}")


@operation(
    "StartBuild",
    {
        "projectName": None,
        "sourceVersion": None,
        "environmentVariablesOverride": {
            "name": None,
            "value": None,
            "type": Only(("PLAINTEXT",), "neither parameters nor secrets are fetched"),
        },
        "timeoutInMinutesOverride": None,
        "idempotencyToken": None,
    },
)
def start_build(backend: Any, request: Request) -> Response:
    kept = state(backend)
    current = runtime.current()
    with kept.lock:
        project = projects.of_name(kept, request["projectName"], backend)
        moment = current.clock.now()
        token = request.get("idempotencyToken")
        for earlier in kept.builds.values():
            if token and earlier.token == token and moment - earlier.started < TOKEN_LIVES:
                if earlier.overrides != request:
                    raise invalid(
                        f"The idempotencyToken {token} was given with other parameters before."
                    )
                return {"build": earlier.describe()}
        projects.require_assumable(project.request["serviceRole"], project.arn)
        project.count += 1
        build_id = f"{project.name}:{uuid.uuid4()}"
        taken = dict(project.request)
        if "timeoutInMinutesOverride" in request:
            taken["timeoutInMinutes"] = request["timeoutInMinutesOverride"]
        if "sourceVersion" in request:
            taken["sourceVersion"] = request["sourceVersion"]
        build = Build(
            id=build_id,
            arn=arn(backend, f"build/{build_id}"),
            number=project.count,
            project=project,
            request=taken,
            token=token,
            overrides=request,
            started=moment,
            runtime=current,
        )
        kept.builds[build_id] = build
    shown = build.describe()
    threading.Thread(target=build.run, name=f"build-{build_id}", daemon=True).start()
    return {"build": shown}


@operation("BatchGetBuilds", {"ids": None})
def batch_get_builds(backend: Any, request: Request) -> Response:
    kept = state(backend)
    for given in request["ids"]:
        if not _BUILD_ID.fullmatch(given):
            raise invalid(f"Invalid build ID provided: {given}")
    with kept.lock:
        found = [kept.builds[given] for given in request["ids"] if given in kept.builds]
        missing = [given for given in request["ids"] if given not in kept.builds]
    return {"builds": [build.describe() for build in found], "buildsNotFound": missing}


@operation("StopBuild", {"id": None})
def stop_build(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        build = kept.builds.get(request["id"])
    if build is None:
        raise not_found(f"Build {request['id']} does not exist")
    # Ending takes its time; the answer shows the build as it is.
    threading.Thread(target=build.request_stop, args=("STOPPED",), daemon=True).start()
    return {"build": build.describe()}


@operation("ListBuilds", {"sortOrder": None})
def list_builds(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return {"ids": _ordered(list(kept.builds), request)}


@operation("ListBuildsForProject", {"projectName": None, "sortOrder": None})
def list_builds_for_project(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        project = projects.of_name(kept, request["projectName"], backend)
        ids = [build.id for build in kept.builds.values() if build.project.name == project.name]
        return {"ids": _ordered(ids, request)}


def _ordered(ids: list[str], request: Request) -> list[str]:
    """Newest first unless asked otherwise: "DESCENDING" is CodeBuild's default."""
    return ids if request.get("sortOrder") == "ASCENDING" else ids[::-1]
