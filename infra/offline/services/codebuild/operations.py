"""How an operation gets into moto's CodeBuild, and the state that operations share."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.codebuild.exceptions import InvalidInputException, ResourceNotFoundException
from moto.codebuild.models import codebuild_backends
from moto.core.responses import ActionResult

from infra.offline import patching, runtime
from infra.offline.services.sagemaker.validation import Support, problem

if TYPE_CHECKING:
    from infra.offline.services.codebuild.builds import Build

log = logging.getLogger(__name__)

Request = dict[str, Any]
Response = dict[str, Any]
Handler = Callable[[Any, Request], Response]

_BACKEND = "moto.codebuild.models:CodeBuildBackend"
_API = "moto.codebuild.responses:CodeBuildResponse"
_STATE = "academy"
#: Operations that moto lacks; all others of ours replace moto's.
_ABSENT = frozenset({"update_project"})
#: How long closing waits for one build, in real seconds.
CLOSE_SECONDS = 10


@dataclass
class Project:
    """A project as CreateProject got it."""

    arn: str
    request: Request
    created: datetime
    modified: datetime
    #: How many builds it has had.
    count: int = 0

    @property
    def name(self) -> str:
        return str(self.request["name"])


@dataclass
class State:
    """What one account has in one region. `lock` guards all of it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    projects: dict[str, Project] = field(default_factory=dict)
    #: By id, oldest first. A build outlives its project, as on AWS.
    builds: dict[str, Build] = field(default_factory=dict)


def state(backend: Any) -> State:
    """The state of `backend`. It lives in the backend's `__dict__`, so moto's reset wipes it."""
    found: State = vars(backend).setdefault(_STATE, State())
    return found


def operation(name: str, support: Support) -> Callable[[Handler], Handler]:
    """Declare the function that performs the operation `name`, as far as `support` goes."""
    method = xform_name(name)
    target = f"{_API}.{method}"
    because = "moto has none, or keeps a record of what ours does for real"

    def declare(function: Handler) -> Handler:
        def on_api(api: Any) -> ActionResult:
            request = json.loads(api.body or "{}")
            wrong = problem("codebuild", name, request, support)
            if wrong is not None:
                raise invalid(wrong)
            return ActionResult(function(api.codebuild_backend, request))

        if method in _ABSENT:
            patching.adds(target, because=because)(on_api)
        else:
            patching.replaces(target, because=because)(lambda _original, api: on_api(api))
        return function

    return declare


def invalid(message: str) -> Exception:
    error: Exception = InvalidInputException(message)
    return error


def not_found(message: str) -> Exception:
    error: Exception = ResourceNotFoundException(message)
    return error


def now() -> datetime:
    """The cloud's time."""
    return runtime.current().clock.now()


def arn(backend: Any, resource: str) -> str:
    return f"arn:aws:codebuild:{backend.region_name}:{backend.account_id}:{resource}"


def tags_of(request: Mapping[str, Any]) -> list[dict[str, str]]:
    return [dict(tag) for tag in request.get("tags", ())]


@patching.adds(f"{_BACKEND}.reset", because="a build would outlive the record of it")
def _reset(backend: Any) -> None:
    _abandon(backend)
    super(type(backend), backend).reset()


def close() -> None:
    """End every build of the cloud, and wait until nothing of theirs runs."""
    here = runtime.current()
    _abandon(codebuild_backends[here.account][here.region])


def _abandon(backend: Any) -> None:
    kept: State | None = vars(backend).get(_STATE)
    if kept is None:
        return
    with kept.lock:
        builds = [build for build in kept.builds.values() if not build.done.is_set()]
    for build in builds:
        build.abandon()
    for build in builds:
        if not build.done.wait(CLOSE_SECONDS):
            log.warning("%s does not end", build.id)
