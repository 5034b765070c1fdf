"""What the guard needs of AWS, in its own words: the port that `aws.py` fills.

A call that starts something can end in three ways, and the difference is money: it was accepted, it
was turned down for certain (`TurnedDown`, `InUse`), or nobody can tell (`Unclear`), for instance
because the answer was lost. What may have started is never released without looking.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Protocol

THROTTLES = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


class CloudError(Exception):
    """A call to AWS that did not do what was asked."""


class TurnedDown(CloudError):
    """AWS refused for certain; nothing was started."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def throttled(self) -> bool:
        """Whether there were too many requests: the same one is worth repeating later."""
        return self.code in THROTTLES


class InUse(TurnedDown):
    """Something of that name is there already; this call started nothing."""


class Unclear(CloudError):
    """Nobody can tell whether the call took effect."""


@dataclass(frozen=True)
class Workspace:
    """What the guard takes from a workspace parameter, which only the admin writes.

    `learner` is whoever has it; an advisor's has an empty `team`, and no `training_role`.
    """

    cohort: str
    learner: str
    team: str
    account: str
    domain: str
    profile: str
    space: str
    training_role: str
    lifecycle_config: str

    @property
    def tags(self) -> list[dict[str, str]]:
        """What a job and an app carry, so that AWS's bill can be told apart by them."""
        whose = {"academy:team": self.team, "academy:learner": self.learner}
        if not self.team:
            whose = {"academy:advisor": self.learner}
        return [
            {"Key": key, "Value": value}
            for key, value in {"academy:cohort": self.cohort, **whose}.items()
        ]


@dataclass(frozen=True)
class App:
    """The JupyterLab app of a space, as DescribeApp gives it."""

    status: str
    created_at: dt.datetime
    instance: str = ""
    failure: str = ""

    @property
    def gone(self) -> bool:
        return self.status == "Deleted"


TERMINAL = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Job:
    """A training job, as DescribeTrainingJob gives it. `code` is the URI of its code channel,
    `image` that of its container; `token` the whole token if a variable of it holds one."""

    name: str
    status: str
    secondary_status: str
    code: str
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    billable_seconds: int | None = None
    failure: str = ""
    image: str = ""
    token: str = ""

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


class Cloud(Protocol):
    """The calls. Each may raise `CloudError`; those that look return None for what is not there."""

    def workspace(self, parameter: str) -> dict[str, Any] | None: ...

    def app(self, domain: str, space: str) -> App | None: ...

    def create_app(self, workspace: Workspace, instance: str, image: str = "") -> None:
        """Start the space's app on the image version `image`, an ARN; "" is AWS's own."""

    def delete_app(self, domain: str, space: str) -> None:
        """Ask for the end of the app; nothing to do if it is gone or going."""

    def presigned_url(self, workspace: Workspace) -> str: ...

    def put_stop(
        self, group: str, name: str, role: str, at: dt.datetime, domain: str, space: str
    ) -> None:
        """Write, or move, the one-time schedule that deletes the app at `at`."""

    def delete_stop(self, group: str, name: str) -> None: ...

    def job(self, name: str) -> Job | None: ...

    def create_job(self, request: dict[str, Any]) -> None: ...

    def stop_job(self, name: str) -> None: ...


@dataclass(frozen=True)
class LiveApp:
    """An app that ListApps shows as running or starting. `space` or `profile` owns it."""

    domain: str
    space: str
    profile: str
    type: str
    name: str
    created_at: dt.datetime

    @property
    def owner(self) -> str:
        return self.space or self.profile


@dataclass(frozen=True)
class Versions:
    """A page of a bucket's versions: (key, bytes, whether it is the latest), and where the next
    page begins (key and version; empty after the last)."""

    rows: tuple[tuple[str, int, bool], ...]
    next_key: str = ""
    next_version: str = ""


class Survey(Protocol):
    """What the sweep looks through, a page at a time: each listing takes the token of the page
    that the one before it gave, "" for the first, and gives "" after the last."""

    def domains(self, token: str) -> tuple[list[tuple[str, str]], str]:
        """(id, name) of Studio domains, of whatever cohort."""

    def live_apps(self, token: str) -> tuple[list[LiveApp], str]:
        """Apps that run or start, of whatever domain."""

    def end_app(self, app: LiveApp) -> None: ...

    def live_jobs(self, prefix: str, token: str) -> tuple[list[str], str]:
        """Names of training jobs in progress that hold `prefix`."""

    def disks(self, token: str) -> tuple[list[tuple[str, str, int]], str]:
        """(domain, space, GB of its disk), of whatever domain."""

    def versions(self, bucket: str, prefix: str, key: str, version: str) -> Versions: ...

    def publish(self, topic: str, title: str, text: str, attributes: dict[str, str]) -> None: ...
