"""Reads the CreateTrainingJob request that SageMaker's own Python SDK makes for a learner.

The request is hostile: the learner's process wrote it. What a job needs is read from it, member by
member; a member that is not named here, or that asks for what the cohort does not grant, is refused
with its path, what it holds and what would be right, all of them at once. From what was read
`training.sdk_training_request` then writes the broker's own request.

Members and limits: CreateTrainingJob in the SageMaker API reference. What the SDK puts where: its
ModelTrainer, sagemaker 3.27.0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from infra.cohort.naming import Names
from infra.services.guard.cloud import Workspace
from infra.services.guard.problems import Code, Refusal
from infra.services.guard.requests import (
    MAX_HYPERPARAMETERS,
    MAX_VOLUME_GB,
    MIN_SECONDS,
    Channel,
    SdkJob,
    TrainingJob,
    hyperparameter_problem,
    printable,
    show,
)
from infra.services.guard.settings import Settings
from infra.services.guard.training import CODE, DRIVERS, ENTRYPOINT, RUN_DRIVERS, image_of

#: The folder of the team that the SDK uploads to; the library's session says so to the SDK.
FOLDER = "sagemaker/"
#: Names the cohort's image for a project, whatever it is: `academy/land-cover`.
IMAGE = "academy/{project}"

MAX_CHANNELS = 20
MAX_VARIABLES = 40
MAX_VARIABLE = 512
#: Problems that one answer names; a request with more is no honest one.
SHOWN = 20

_CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JOB_NAME = re.compile(r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}")
#: "Safe characters" of "Naming Amazon S3 objects" (S3 user guide), without the asterisk.
_KEY = re.compile(r"[A-Za-z0-9/!_.'()-]{1,900}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
#: What the platform, the container and the broker read. Any other variable gives a job nothing that
#: its own code could not do.
_RESERVED = ("ACADEMY_", "AWS_", "SAGEMAKER_", "SM_", "TRAINING_JOB_")

#: Why some members are refused whatever they hold.
_WHY = {
    "CheckpointConfig": "the academy's jobs are not spot jobs, and results go to the team's folder",
    "DebugHookConfig": "debuggers run on instances of their own",
    "DebugRuleConfigurations": "debuggers run on instances of their own",
    "EnableManagedSpotTraining": "the budget counts the price on demand",
    "EnableInterContainerTrafficEncryption": "the academy's jobs run without it",
    "EnableNetworkIsolation": "the academy's jobs run without it",
    "InstanceGroups": "a job has one kind of instance: InstanceType and InstanceCount",
    "KeepAlivePeriodInSeconds": "a warm pool bills on after the job",
    "KmsKeyId": "the bucket has its own encryption",
    "MaxPendingTimeInSeconds": "jobs start as capacity comes",
    "MaxWaitTimeInSeconds": "the academy's jobs are not spot jobs",
    "MetricDefinitions": "print figures, or write metrics.json to SM_OUTPUT_DATA_DIR",
    "ProfilerConfig": "the academy's jobs run without a profiler",
    "ProfilerRuleConfigurations": "profilers run on instances of their own",
    "RemoteDebugConfig": "nobody logs in to a job",
    "RetryStrategy": "a second run is a second job, with a reservation of its own",
    "Tags": "tags tell the bill apart; the broker writes them",
    "VolumeKmsKeyId": "the disk has its own encryption",
    "VpcConfig": "the cohort's network is the broker's to name",
}


def read(asked: SdkJob, workspace: Workspace, settings: Settings) -> TrainingJob:
    """What `asked.request` asks for.

    Raises:
        Refusal: naming every member that the cohort does not grant.
    """
    problems = _Problems()
    whole = _Part(problems, "", asked.request)
    # The broker names the job itself; the SDK's name is checked so that what is logged is a name.
    whole.matching("TrainingJobName", _JOB_NAME, "letters, digits and single hyphens, at most 63")
    whole.one_of("RoleArn", (workspace.training_role,))
    instance, count, volume_gb = _resources(whole, settings)
    _algorithm(whole, asked.project, instance, settings)
    _output(whole, workspace.team, settings)
    seconds = _stopping(whole, settings)
    hyperparameters = _hyperparameters(whole)
    environment = _environment(whole)
    channels = _channels(whole, workspace.team, settings)
    for switch in (
        "EnableManagedSpotTraining",
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
    ):
        whole.off(switch)
    whole.nothing_left()
    problems.refuse()
    return TrainingJob(
        token=asked.token,
        project=asked.project,
        instance=instance,
        count=count,
        seconds=max(MIN_SECONDS, seconds),
        volume_gb=volume_gb,
        hyperparameters=hyperparameters,
        environment=environment,
        channels=channels,
    )


def _resources(whole: _Part, settings: Settings) -> tuple[str, int, int]:
    part = whole.part("ResourceConfig")
    instance = part.one_of("InstanceType", settings.training_instances, "instance")
    count = part.whole("InstanceCount", 1, settings.training_max_instances, "count")
    volume_gb = part.whole("VolumeSizeInGB", 1, MAX_VOLUME_GB)
    # Zero is how a request says that there is none.
    part.off("KeepAlivePeriodInSeconds")
    part.nothing_left()
    return instance, count, volume_gb


def _algorithm(whole: _Part, project: str, instance: str, settings: Settings) -> None:
    part = whole.part("AlgorithmSpecification")
    images = [IMAGE.format(project=project)]
    if instance:
        images.append(image_of(settings, project, instance))
    part.one_of("TrainingImage", images)
    part.one_of("TrainingInputMode", ("File",))
    # The SDK's own: it runs the drivers that it sends along, and these the learner's script. What
    # is asked for instead would be ignored, so it is refused.
    script = "the SDK's own command: give a source_code with an entry_script, or a command in it"
    part.equal("ContainerEntrypoint", ENTRYPOINT, script)
    part.equal("ContainerArguments", RUN_DRIVERS, script)
    part.off("EnableSageMakerMetricsTimeSeries")
    part.nothing_left()


def _output(whole: _Part, team: str, settings: Settings) -> None:
    """Results go where every job of the team has them; the SDK's own choice is let be."""
    part = whole.part("OutputDataConfig")
    folder = Names.team_prefix(team)
    part.location(
        "S3OutputPath",
        [(settings.work_bucket, f"{folder}{FOLDER}")],
        [(settings.work_bucket, f"{folder}jobs/")],
        expected=f"none: results go to s3://{settings.work_bucket}/{folder}jobs/",
    )
    part.optional_one_of("CompressionType", ("GZIP",))
    part.off("KmsKeyId")
    part.nothing_left()


def _stopping(whole: _Part, settings: Settings) -> int:
    part = whole.part("StoppingCondition")
    seconds = part.whole("MaxRuntimeInSeconds", 1, settings.training_max_hours * 3600, "hours")
    part.nothing_left()
    return seconds


def _hyperparameters(whole: _Part) -> dict[str, str]:
    given = whole.mapping("HyperParameters", MAX_HYPERPARAMETERS)
    found = {}
    for name, value in given.items():
        problem = hyperparameter_problem(name, value)
        if problem:
            whole.problem("HyperParameters", problem.rstrip("."), between=".")
        else:
            found[name] = value
    return found


def _environment(whole: _Part) -> dict[str, str]:
    given = whole.mapping("Environment", MAX_VARIABLES)
    found = {}
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name) or name.upper().startswith(_RESERVED):
            whole.problem(
                "Environment",
                f"{show(name)}: a name has letters, digits and _, and does not start with "
                f"{', '.join(_RESERVED)}",
                between=".",
            )
        elif not isinstance(value, str) or len(value) > MAX_VARIABLE or not printable(value):
            whole.problem(
                "Environment",
                f"{name} is {show(value)}; expected printable text of at most {MAX_VARIABLE} "
                "characters",
                between=".",
            )
        else:
            found[name] = value
    return found


def _channels(whole: _Part, team: str, settings: Settings) -> tuple[Channel, ...]:
    given = whole.take("InputDataConfig")
    expected = f"a list of 1 to {MAX_CHANNELS} channels, {DRIVERS} among them"
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_CHANNELS:
        whole.wrong("InputDataConfig", given, expected)
        return ()
    found: list[Channel] = []
    for number, value in enumerate(given):
        channel = _channel(
            _Part(whole.problems, f"InputDataConfig[{number}]", value), team, settings
        )
        if channel is None:
            continue
        if channel.name in [other.name for other in found]:
            whole.problem(
                f"InputDataConfig[{number}].ChannelName",
                f"is {channel.name} again; expected a name of its own",
            )
        found.append(channel)
    if not any(channel.name == DRIVERS for channel in found) and not whole.problems:
        whole.problem(
            "InputDataConfig",
            f"has no channel {DRIVERS}; expected the SDK's own, which a source_code brings",
        )
    return tuple(found)


def _channel(part: _Part, team: str, settings: Settings) -> Channel | None:
    name = part.matching("ChannelName", _CHANNEL, "1 to 64 letters, digits, - and _")
    source = part.part("DataSource")
    objects = source.part("S3DataSource")
    source.nothing_left()
    folder = (settings.work_bucket, Names.team_prefix(team))
    # Code comes from the team itself, data also from the admin.
    data = [(settings.data_bucket, f"datasets/{project}/") for project in settings.projects]
    uri = objects.location("S3Uri", [folder], () if name in (CODE, DRIVERS) else data)
    objects.one_of("S3DataType", ("S3Prefix",))
    objects.optional_one_of("S3DataDistributionType", ("FullyReplicated",))
    objects.nothing_left()
    part.optional_one_of("InputMode", ("File",))
    part.optional_one_of("CompressionType", ("None",))
    part.optional_one_of("RecordWrapperType", ("None",))
    content_type = part.optional_text("ContentType", 256)
    part.nothing_left()
    return Channel(name, uri, content_type) if name and uri else None


class _Problems(list[tuple[Code, str]]):
    """What is wrong with the request, in the order in which it was read."""

    def refuse(self) -> None:
        """
        Raises:
            Refusal: if anything is.
        """
        if not self:
            return
        codes = {code for code, _ in self}
        lines = [f"- {text}" for _, text in self[:SHOWN]]
        if len(self) > SHOWN:
            lines.append(f"- and {len(self) - SHOWN} more.")
        raise Refusal(
            codes.pop() if len(codes) == 1 else "input",
            "\n".join(["CreateTrainingJob asks for what this cohort does not grant:", *lines]),
        )


class _Part:
    """One JSON object of the request. Each member is taken once; what is left over is refused."""

    def __init__(self, problems: _Problems, path: str, value: Any) -> None:
        self.problems = problems
        self._path = path
        self._left: dict[str, Any] = {}
        if isinstance(value, dict):
            self._left = dict(value)
        else:
            self._say("input", f"{path or 'request'} is {show(value)}; expected a JSON object.")

    # --- what is said ---------------------------------------------------------------------------
    def _say(self, code: Code, text: str) -> None:
        self.problems.append((code, text))

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def problem(self, name: str, text: str, between: str = " ") -> None:
        self._say("input", f"{self._at(name)}{between}{text}.")

    def wrong(self, name: str, value: object, expected: str, code: Code = "input") -> None:
        self._say(code, f"{self._at(name)} is {show(value)}; expected {expected}.")

    def _unwanted(self, name: str, value: object) -> None:
        shown = name if name.isascii() and name.isidentifier() and len(name) <= 60 else show(name)
        why = f": {_WHY[name]}" if name in _WHY else ""
        self._say("input", f"{self._at(shown)} is {show(value)}; leave it out{why}.")

    # --- what is taken --------------------------------------------------------------------------
    def take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def part(self, name: str) -> _Part:
        return _Part(self.problems, self._at(name), self.take(name))

    def nothing_left(self) -> None:
        for name, value in self._left.items():
            if value is not None:
                self._unwanted(str(name), value)

    def off(self, name: str) -> None:
        """A member that may stand there only to say that something is not wanted."""
        value = self.take(name)
        nothing = value is None or value == "" or (isinstance(value, int) and not value)
        if not nothing:
            self._unwanted(name, value)

    def equal(self, name: str, wanted: list[str], expected: str) -> None:
        value = self.take(name)
        if value != wanted:
            self.wrong(name, value, expected)

    def one_of(self, name: str, allowed: Collection[str], code: Code = "input") -> str:
        value = self.take(name)
        if not isinstance(value, str) or value not in allowed:
            few = "" if len(allowed) == 1 else "one of "
            self.wrong(name, value, few + ", ".join(allowed), code)
            return ""
        return value

    def optional_one_of(self, name: str, allowed: Collection[str]) -> None:
        if self._left.get(name) is not None:
            self.one_of(name, allowed)

    def optional_text(self, name: str, longest: int) -> str:
        value = self.take(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > longest or not printable(value):
            self.wrong(name, value, f"printable text of at most {longest} characters")
            return ""
        return value

    def matching(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.wrong(name, value, expected)
            return ""
        return value

    def whole(self, name: str, least: int, most: int, code: Code = "input") -> int:
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            expected = str(least) if least == most else f"a whole number between {least} and {most}"
            self.wrong(name, value, f"{expected} in this cohort", code)
            return least
        return value

    def mapping(self, name: str, most: int) -> dict[str, Any]:
        value = self.take(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or len(value) > most:
            self.wrong(name, value, f"at most {most} names with values")
            return {}
        return value

    def location(
        self,
        name: str,
        below: Sequence[tuple[str, str]],
        whole: Sequence[tuple[str, str]] = (),
        *,
        expected: str = "",
    ) -> str:
        """An S3 URI below one of these places (bucket, prefix with a slash at its end), or one of
        `whole` itself, which then ends with its slash; "" if it is neither."""
        value = self.take(name)
        if isinstance(value, str):
            folder = f"{value.removesuffix('/')}/"
            if any(folder == _uri(*place) for place in whole):
                return folder
            if any(_below(value, *place) for place in (*below, *whole)):
                return value
        places = " or ".join(_uri(*place) for place in (*below, *whole))
        self.wrong(name, value, expected or f"a place below {places}, in plain letters")
        return ""


def _uri(bucket: str, prefix: str) -> str:
    return f"s3://{bucket}/{prefix}"


def _below(uri: str, bucket: str, prefix: str) -> bool:
    """Whether every key with this prefix lies below the place, whoever reads the URI."""
    scheme, _, key = uri.partition(f"s3://{bucket}/")
    if scheme or not key.startswith(prefix) or not _KEY.fullmatch(key):
        return False
    inner = key[len(prefix) :].removesuffix("/")
    return bool(inner) and not any(part in ("", ".", "..") for part in inner.split("/"))
