"""Reads what a learner asks of the broker: every member checked, anything unknown refused by name.

The payload is hostile until it has passed here. Who is asking never comes from it: Lambda tells the
broker which of its aliases was invoked, and IAM lets each learner invoke one.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.cohort.naming import ID_MAX, ID_PATTERN, JobName, Names
from infra.services.guard.problems import Refusal
from infra.services.guard.settings import Settings

MAX_PAYLOAD_BYTES = 64 * 1024
#: SageMaker allows 100 hyperparameters (CreateTrainingJob); ours is one more.
MAX_HYPERPARAMETERS = 90
MAX_VALUE = 2500
MIN_SECONDS = 60
DEFAULT_VOLUME_GB = 10
MAX_VOLUME_GB = 50

_SCRIPT = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){0,8}[A-Za-z0-9_][A-Za-z0-9_.-]*\.py")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_TOKEN = re.compile(r"[0-9a-f]{32}")
_ALIAS_ARN = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:(?P<function>[A-Za-z0-9_-]+):(?P<alias>.+)"
)


def learner_of(invoked_function_arn: str, cohort: str) -> str:
    """The learner whose alias of the broker was invoked.

    Raises:
        Refusal: for an unqualified call, `$LATEST`, a version's number, or another function.
    """
    found = _ALIAS_ARN.fullmatch(invoked_function_arn)
    alias = found["alias"] if found else ""
    if (
        found is None
        or found["function"] != Names(cohort).function("broker")
        or len(alias) > ID_MAX
        or not re.fullmatch(ID_PATTERN, alias)
    ):
        raise Refusal(
            "input", "The broker answers to a learner's own alias only; ask through the library."
        )
    return alias


@dataclass(frozen=True)
class OpenSpace:
    """`project`: whose image is wanted; None: whichever it is open on, or the cohort's first."""

    instance: str
    seconds: int | None
    project: str | None = None


@dataclass(frozen=True)
class Space:
    link: bool


@dataclass(frozen=True)
class Stay:
    seconds: int


@dataclass(frozen=True)
class CloseSpace:
    pass


@dataclass(frozen=True)
class Train:
    token: str
    project: str
    instance: str
    count: int
    seconds: int
    script: str
    hyperparameters: dict[str, str]
    volume_gb: int

    #: What is said where the token is that of another job.
    taken = "This token stands for another job of yours. Use a new one for a new job."

    @property
    def digest(self) -> str:
        """The same for the same request, so that a token cannot stand for two."""
        text = json.dumps(vars(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class JobStatus:
    job: str


@dataclass(frozen=True)
class StopJob:
    job: str


@dataclass(frozen=True)
class BudgetOf:
    pass


@dataclass(frozen=True)
class SdkJob:
    """A job that SageMaker's own SDK asks for. `request` is its CreateTrainingJob, hostile still:
    `sdk_request` reads it, which needs to know the learner's team."""

    token: str
    project: str
    request: dict[str, Any]


@dataclass(frozen=True)
class Channel:
    """An input of the job: a name, and the S3 prefix behind it."""

    name: str
    uri: str
    content_type: str = ""


@dataclass(frozen=True)
class TrainingJob:
    """What such a request asks for, checked."""

    token: str
    project: str
    instance: str
    count: int
    seconds: int
    volume_gb: int
    hyperparameters: dict[str, str]
    environment: dict[str, str]
    channels: tuple[Channel, ...]

    #: The library makes the token of the name that the SDK gives.
    taken = "You have another job of this TrainingJobName. Give this one a name of its own."

    @property
    def digest(self) -> str:
        """The same for the same request, so that a token cannot stand for two."""
        members = {**vars(self), "channels": [vars(channel) for channel in self.channels]}
        return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()


Request = OpenSpace | Space | Stay | CloseSpace | Train | SdkJob | JobStatus | StopJob | BudgetOf


def parse(payload: Any, settings: Settings) -> Request:
    """The request in `payload`, a decoded JSON document.

    Raises:
        Refusal: naming the member, what it holds and what would be right.
    """
    if not isinstance(payload, dict):
        raise Refusal("input", 'A request is a JSON object, such as {"op": "budget"}.')
    _small(payload)
    operation = payload.get("op")
    readers: dict[str, Callable[[_Members, Settings], Request]] = {
        "open_space": _open_space,
        "space": lambda m, _: Space(link=m.flag("link")),
        "stay": lambda m, s: Stay(m.seconds("hours", s.studio_max_hours)),
        "close_space": lambda _m, _s: CloseSpace(),
        "train": _train,
        "training_job": lambda m, s: SdkJob(
            token=m.token(), project=m.project(s.projects), request=m.mapping("request")
        ),
        "job": lambda m, s: JobStatus(m.job(s.cohort)),
        "stop_job": lambda m, s: StopJob(m.job(s.cohort)),
        "budget": lambda _m, _s: BudgetOf(),
    }
    if not isinstance(operation, str) or operation not in readers:
        raise Refusal("input", f"op is {show(operation)}; expected one of {', '.join(readers)}.")
    members = _Members(operation, {k: v for k, v in payload.items() if k != "op"})
    request = readers[operation](members, settings)
    members.nothing_left()
    return request


def _small(payload: dict[Any, Any]) -> None:
    try:
        size = len(json.dumps(payload))
    except (ValueError, TypeError, RecursionError):
        raise Refusal("input", "The request is not plain JSON, or nested too deeply.") from None
    if size > MAX_PAYLOAD_BYTES:
        raise Refusal(
            "input", f"The request has {size} bytes; at most {MAX_PAYLOAD_BYTES} are read."
        )


def _open_space(members: _Members, settings: Settings) -> OpenSpace:
    allowed = settings.studio_instances
    return OpenSpace(
        instance=members.instance(allowed) if members.has("instance") else allowed[0],
        seconds=members.seconds("hours", settings.studio_max_hours)
        if members.has("hours")
        else None,
        project=members.project(settings.projects) if members.has("project") else None,
    )


def _train(members: _Members, settings: Settings) -> Train:
    token = members.token()
    project = members.project(settings.projects)
    script = members.text("script", "the path of a .py file, such as train.py")
    if len(script) > 200 or not _SCRIPT.fullmatch(script) or ".." in script:
        raise members.wrong("script", script, "the path of a .py file, such as train.py")
    return Train(
        token=token,
        project=project,
        script=script,
        instance=members.instance(settings.training_instances),
        count=members.whole("count", 1, settings.training_max_instances, "count"),
        seconds=members.seconds("hours", settings.training_max_hours),
        hyperparameters=members.hyperparameters(),
        volume_gb=members.whole("volume_gb", 1, MAX_VOLUME_GB, "input")
        if members.has("volume_gb")
        else DEFAULT_VOLUME_GB,
    )


class _Members:
    """The members of one request, each taken once."""

    def __init__(self, operation: str, members: dict[Any, Any]) -> None:
        self._operation = operation
        self._left = members

    def has(self, name: str) -> bool:
        return self._left.get(name) is not None

    def _take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def wrong(self, name: str, value: Any, expected: str, code: Any = "input") -> Refusal:
        return Refusal(code, f"{name} is {show(value)}; expected {expected}.")

    def nothing_left(self) -> None:
        unknown = [name for name, value in self._left.items() if value is not None]
        if unknown:
            shown = ", ".join(show(name) for name in unknown[:5])
            raise Refusal("input", f"{self._operation} does not know {shown}.")

    def text(self, name: str, expected: str) -> str:
        value = self._take(name)
        if not isinstance(value, str):
            raise self.wrong(name, value, expected)
        return value

    def token(self) -> str:
        expected = "32 hexadecimal digits, such as uuid.uuid4().hex"
        value = self.text("token", expected)
        if not _TOKEN.fullmatch(value):
            raise self.wrong("token", value, expected)
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._take(name)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.wrong(name, value, "a JSON object")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def whole(self, name: str, least: int, most: int, code: Any) -> int:
        value = self._take(name)
        expected = (
            f"{least}" if least == most else f"a whole number between {least} and {most}"
        ) + " in this cohort"
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(name, value, expected, code)
        return value

    def seconds(self, name: str, max_hours: int) -> int:
        """Hours, whole or decimal, as seconds, rounded up."""
        value = self._take(name)
        expected = f"more than 0 and at most {max_hours} in this cohort"
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value <= max_hours
            or not math.isfinite(value)
        ):
            raise self.wrong(name, value, expected, "hours")
        return max(MIN_SECONDS, math.ceil(Decimal(str(value)) * 3600))

    def instance(self, allowed: tuple[str, ...]) -> str:
        value = self._take("instance")
        if not isinstance(value, str) or value not in allowed:
            raise self.wrong("instance", value, f"one of {', '.join(allowed)}", "instance")
        return value

    def project(self, projects: tuple[str, ...]) -> str:
        expected = f"one of {', '.join(projects)}"
        value = self.text("project", expected)
        if value not in projects:
            raise self.wrong("project", value, expected)
        return value

    def job(self, cohort: str) -> str:
        value = self.text("job", "a job's name, as train() returned it")
        # Longer than any name there is: not worth a pattern match.
        parsed = JobName.parse(value) if len(value) <= 63 else None
        if parsed is None or parsed.cohort != cohort or "\n" in value:
            raise self.wrong("job", value, "a job's name, as train() returned it")
        return value

    def hyperparameters(self) -> dict[str, str]:
        given = self._take("hyperparameters")
        if given is None:
            return {}
        if not isinstance(given, dict) or len(given) > MAX_HYPERPARAMETERS:
            raise self.wrong(
                "hyperparameters", given, f"at most {MAX_HYPERPARAMETERS} names with values"
            )
        for name, value in given.items():
            problem = hyperparameter_problem(name, value)
            if problem:
                raise Refusal("input", f"hyperparameter {problem}")
        return dict(given)


def hyperparameter_problem(name: Any, value: Any) -> str:
    """What is wrong with one hyperparameter, naming it; "" if nothing is."""
    if (
        not isinstance(name, str)
        or not _NAME.fullmatch(name)
        or name.lower().startswith(("academy_", "sagemaker_"))
    ):
        return (
            f"{show(name)}: a name has letters, digits, - and _, and does not start with academy_ "
            "or sagemaker_."
        )
    if not isinstance(value, str) or len(value) > MAX_VALUE or not printable(value):
        return (
            f"{name} is {show(value)}; expected printable text of at most {MAX_VALUE} characters."
        )
    return ""


def printable(value: str) -> bool:
    return all(character.isprintable() for character in value)


def show(value: object) -> str:
    """`value` as it may stand in a message: short, on one line, in ASCII."""
    if value is None:
        return "missing"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**15:
        return "a very large number"
    try:
        text = ascii(value[:60]) if isinstance(value, str) else ascii(value)
    except (RecursionError, ValueError):
        return "something beyond telling"
    return text if len(text) <= 60 else text[:57] + "..."
