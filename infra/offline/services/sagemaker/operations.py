"""How an operation gets into moto: one function becomes the backend's method and the API's answer.

Also what operations share: the state of one account and region, pages of a listing, and the errors
in SageMaker's words.
"""

from __future__ import annotations

import copy
import json
import logging
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import (
    AWSValidationException,
    ResourceInUseException,
    ResourceNotFound,
    SagemakerClientError,
)
from moto.sagemaker.models import sagemaker_backends

from infra.offline import patching, runtime
from infra.offline.authorization import enforcement
from infra.offline.services.sagemaker import validation

if TYPE_CHECKING:
    from infra.offline.services.sagemaker.apps import App, Presigned
    from infra.offline.services.sagemaker.images import AppImageConfig, Image
    from infra.offline.services.sagemaker.studio import Domain, LifecycleConfig, Space, UserProfile
    from infra.offline.services.sagemaker.training import TrainingJob

log = logging.getLogger(__name__)

Request = dict[str, Any]
Response = dict[str, Any]
Handler = Callable[[Any, Request], Response]

_BACKEND = "moto.sagemaker.models:SageMakerModelBackend"
_API = "moto.sagemaker.responses:SageMakerResponse"
_STATE = "academy"

#: Operations that moto has; all others of ours are additions.
_IN_MOTO = frozenset(
    {
        "create_domain",
        "describe_domain",
        "list_domains",
        "delete_domain",
        "create_training_job",
        "describe_training_job",
        "list_training_jobs",
    }
)

#: Kinds of resources that moto knows nothing of, as their ARNs name them.
_OURS = frozenset(
    {
        "app",
        "app-image-config",
        "domain",
        "image",
        "image-version",
        "space",
        "studio-lifecycle-config",
        "user-profile",
    }
)

#: Real seconds for which a domain, a profile or a space stays Pending, Updating or Deleting. AWS
#: takes seconds to minutes; here only who looks at once sees it. Tests stretch it.
SETTLING_SECONDS = 0.002

#: How long closing waits for one app or job, in real seconds.
CLOSE_SECONDS = 10

#: AWS's page where a listing is not told how many results to give.
DEFAULT_PAGE = 10


@dataclass(frozen=True)
class Settling:
    """A change of state under way; `finish` completes it, from `due` (time.monotonic) on."""

    due: float
    finish: Callable[[], object]


@dataclass
class State:
    """What one account has in one region. `lock` guards all of it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    domains: dict[str, Domain] = field(default_factory=dict)
    profiles: dict[tuple[str, str], UserProfile] = field(default_factory=dict)
    spaces: dict[tuple[str, str], Space] = field(default_factory=dict)
    configs: dict[str, LifecycleConfig] = field(default_factory=dict)
    #: The latest app of a space is the last; those before it have ended.
    apps: dict[tuple[str, str], list[App]] = field(default_factory=dict)
    presigned: dict[str, Presigned] = field(default_factory=dict)
    jobs: dict[str, TrainingJob] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    #: The version that a CreateImageVersion made, by image and ClientToken.
    version_tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    image_configs: dict[str, AppImageConfig] = field(default_factory=dict)
    #: Whether the clock's moves wait for apps that are being deleted.
    waits_for_apps: bool = False
    #: In the order in which they fall due.
    settling: list[Settling] = field(default_factory=list)

    def soon(self, finish: Callable[[], object]) -> None:
        """Complete a change of state once its time has passed: who looks then finds it done."""
        with self.lock:
            self.settling.append(Settling(time.monotonic() + SETTLING_SECONDS, finish))

    def settle(self) -> None:
        """Complete what is due. Nothing runs meanwhile that could see the difference."""
        if not self.settling:
            return
        moment = time.monotonic()
        with self.lock:
            due = [change for change in self.settling if change.due <= moment]
            self.settling = [change for change in self.settling if change.due > moment]
            for change in due:
                change.finish()

    def resources(self) -> Iterable[Any]:
        """Everything here that has an `arn` and `tags`, with its `kind`."""
        with self.lock:
            apps = [app for of_space in self.apps.values() for app in of_space[-1:]]
            return [
                *self.domains.values(),
                *self.profiles.values(),
                *self.spaces.values(),
                *self.configs.values(),
                *apps,
                *self.jobs.values(),
                *self.images.values(),
                *self.image_configs.values(),
            ]


def state(backend: Any) -> State:
    """The state of `backend`. It lives in the backend's `__dict__`, so moto's reset wipes it."""
    found: State = vars(backend).setdefault(_STATE, State())
    found.settle()
    return found


def operation(name: str, support: validation.Support) -> Callable[[Handler], Handler]:
    """Declare the function that performs the operation `name`, as far as `support` goes.

    The function receives a copy of the checked request, without members that are None.
    """
    method = xform_name(name)

    def declare(function: Handler) -> Handler:
        because = "moto has none, or keeps a record of what ours does for real"

        def on_backend(backend: Any, request: Request) -> Response:
            present = _without_none(copy.deepcopy(request))
            validation.check(name, present, support)
            return function(backend, present)

        def on_api(api: Any) -> ActionResult:
            request = json.loads(api.body or "{}")
            return ActionResult(getattr(api.sagemaker_backend, method)(request))

        for owner, replacement in ((_BACKEND, on_backend), (_API, on_api)):
            target = f"{owner}.{method}"
            if method in _IN_MOTO:
                patching.replaces(target, because=because)(_ignoring_original(replacement))
            else:
                patching.adds(target, because=because)(replacement)
        return function

    return declare


def _ignoring_original(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _original, *args: function(*args)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def now() -> datetime:
    """The cloud's time."""
    return runtime.current().clock.now()


def arn(backend: Any, kind: str, *names: str) -> str:
    """The ARN of a SageMaker resource: `kind`, then its names from the outermost."""
    path = "/".join((kind, *names))
    return f"arn:{backend.partition}:sagemaker:{backend.region_name}:{backend.account_id}:{path}"


def new_id(length: int = 12) -> str:
    """A random id of small letters and digits, as domains have."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def listing(
    request: Request,
    items: Iterable[Any],
    key: str,
    *,
    summary: Callable[[Any], Response],
    order: Callable[[Any], Any],
    newest_first: bool = False,
) -> Response:
    """One page of `items`, ordered, in the form {key: [...], "NextToken": ...}."""
    descending = request.get("SortOrder", "Descending" if newest_first else "Ascending")
    ordered: Sequence[Any] = sorted(items, key=order, reverse=descending == "Descending")
    token = request.get("NextToken", "0")
    if not token.isdecimal() or int(token) > len(ordered):
        raise AWSValidationException(f"Invalid pagination token: {token}")
    start, size = int(token), request.get("MaxResults", DEFAULT_PAGE)
    page: Response = {key: [summary(item) for item in ordered[start : start + size]]}
    if start + size < len(ordered):
        page["NextToken"] = str(start + size)
    return page


def wrong_state(verb: str, resource: Any, because_of: Any) -> AWSValidationException:
    """An operation that must wait. AWS's words of an app and its space: "Troubleshooting issues
    with Canvas", SageMaker AI developer guide. That the code is ValidationException was seen for
    DeleteSpace of a Pending space."""
    kind = type(because_of).__name__
    shown = kind.lower() if verb == "create app" else kind
    return invalid(
        f"Unable to {verb} {resource} because {shown} [{because_of.arn}] is not in InService state "
        f"(it is {because_of.status})."
    )


def not_found(what: str, name: str) -> ResourceNotFound:
    return ResourceNotFound(message=f"{what} [{name}] does not exist.")


def in_use(message: str) -> ResourceInUseException:
    return ResourceInUseException(message=message)


def invalid(message: str) -> AWSValidationException:
    return AWSValidationException(message)


def require_assumable(role_arn: str, *, source_arn: str) -> None:
    """Raise AWS's ValidationException unless SageMaker can assume the role for `source_arn`."""
    if not enforcement.service_may_assume(
        role_arn, "sagemaker.amazonaws.com", source_arn=source_arn
    ):
        raise invalid(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role."
        )


# --- tags and the rest of moto ------------------------------------------------------------------
@patching.replaces(
    f"{_BACKEND}._get_resource_from_arn",
    because="moto finds resources by two-part ARNs in its own dictionaries only",
)
def _resource_of(original: Any, backend: Any, resource_arn: str) -> Any:
    for resource in state(backend).resources():
        if resource.arn == resource_arn:
            return resource
    kind = resource_arn.split(":")[-1].split("/")[0]
    if kind in _OURS:
        raise not_found(kind, resource_arn)
    found = original(backend, resource_arn)
    if found is None:
        raise not_found(kind, resource_arn)
    return found


@patching.replaces(
    f"{_BACKEND}.add_tags", because="moto keeps two tags of one key where AWS overwrites"
)
def _add_tags(_original: Any, backend: Any, arn: str, tags: list[dict[str, str]]) -> Any:
    resource = backend._get_resource_from_arn(arn)
    merged = {tag["Key"]: tag["Value"] for tag in [*(resource.tags or ()), *tags]}
    resource.tags = [{"Key": key, "Value": value} for key, value in merged.items()]
    return resource.tags


@patching.replaces(
    f"{_BACKEND}.search", because="moto would search its own training jobs, of which there are none"
)
def _search(original: Any, backend: Any, *args: Any, **kwargs: Any) -> Any:
    resource = kwargs.get("resource", args[0] if args else None)
    if resource == "TrainingJob":
        raise invalid("The embedded cloud does not search training jobs; use ListTrainingJobs.")
    try:
        return original(backend, *args, **kwargs)
    except SagemakerClientError:
        raise invalid(f"The embedded cloud does not search {resource}s.") from None


@patching.replaces(f"{_BACKEND}.reset", because="what runs would outlive the record of it")
def _reset(original: Any, backend: Any) -> None:
    _abandon(backend)
    original(backend)


def close() -> None:
    """End every app and job of the cloud, and wait until nothing of theirs runs.

    The first step of stopping the cloud, while its endpoint and clock are still there.
    """
    current = runtime.current()
    _abandon(sagemaker_backends[current.account][current.region])


def _abandon(backend: Any) -> None:
    kept: State | None = vars(backend).get(_STATE)
    if kept is None:
        return
    with kept.lock:
        jobs = list(kept.jobs.values())
        apps = [app for of_space in kept.apps.values() for app in of_space if app.active]
    everything: list[TrainingJob | App] = [*jobs, *apps]
    for running in everything:
        running.abandon()
    for running in everything:
        if not running.done.wait(CLOSE_SECONDS):
            log.warning("%s does not end", running.arn)
