"""Ends what runs: of the whole cohort before it is destroyed, or of a team that left it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from infra.cli.account import Site
from infra.cli.terminal import Refused

#: SageMaker may take this long to delete an app, and to stop a job: SIGTERM, 120 s, upload.
PATIENCE_SECONDS = 30 * 60


@dataclass(frozen=True)
class Whose:
    """Whose apps, jobs and schedules are meant.

    Attributes:
        workspaces: the names of spaces and profiles; None for all that begin with `prefix`.
        prefix: what the names of workspaces begin with.
        jobs: what the names of training jobs begin with.
        schedules: the names of schedules in the cohort's group; None for all.
    """

    prefix: str
    jobs: tuple[str, ...]
    workspaces: Collection[str] | None = None
    schedules: Collection[str] | None = None

    def has(self, workspace: str) -> bool:
        if self.workspaces is None:
            return workspace.startswith(self.prefix)
        return workspace in self.workspaces


def everybody(site: Site) -> Whose:
    """Everybody of the cohort."""
    # Found by their names and not through the workspace configs: a destroy that was tried first
    # has deleted those, and a learner who has left the file has none.
    return Whose(prefix=site.cohort.names.workspace(""), jobs=(f"{site.cohort.name}--",))


def some(site: Site, people: Collection[str], teams: Collection[str]) -> Whose:
    """These people, and the jobs of these teams."""
    names = site.cohort.names
    return Whose(
        prefix=names.workspace(""),
        jobs=tuple(names.job_prefix(team) for team in teams),
        workspaces={names.workspace(person) for person in people},
        schedules={names.stop_schedule(person) for person in people},
    )


def stop(site: Site, whose: Whose) -> Iterator[str]:
    """End it, and settle the ledger; a sentence for each part done. May be run again."""
    # Apps first, and waited for: their schedules are the stops that hold if this breaks off.
    apps = _stop_apps(site, whose)
    yield f"{apps} app{s(apps)} ended"
    jobs = sum(_stop_jobs(site, prefix) for prefix in whose.jobs)
    yield f"{jobs} job{s(jobs)} stopped"
    schedules = _delete_schedules(site, whose.schedules)
    yield f"{schedules} schedule{s(schedules)} removed"
    if _settle(site):
        yield "the ledger is settled"


def s(count: int) -> str:
    """The letter that a plural has."""
    return "" if count == 1 else "s"


def wait(what: str, done: Callable[[], bool]) -> None:
    """Wait until `done`.

    Raises:
        Refused: if that takes too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = 0.2
    while not done():
        if time.monotonic() > deadline:
            raise Refused(f"{what} did not end in {PATIENCE_SECONDS // 60} minutes; run it again")
        time.sleep(pause)
        pause = min(pause * 1.5, 15)


def _stop_apps(site: Site, whose: Whose) -> int:
    sagemaker = site.client("sagemaker")

    def live() -> list[dict[str, Any]]:
        pages = sagemaker.get_paginator("list_apps").paginate()
        return [
            app
            for page in pages
            for app in page["Apps"]
            if app["Status"] not in ("Deleted", "Failed")
            and whose.has(app.get("SpaceName") or app.get("UserProfileName", ""))
        ]

    found = live()
    for app in found:
        if app["Status"] != "Deleting":
            owner = {k: app[k] for k in ("SpaceName", "UserProfileName") if app.get(k)}
            sagemaker.delete_app(
                DomainId=app["DomainId"], AppType=app["AppType"], AppName=app["AppName"], **owner
            )
    wait("the apps", lambda: not live())
    return len(found)


def _stop_jobs(site: Site, prefix: str) -> int:
    sagemaker = site.client("sagemaker")

    def running() -> list[str]:
        names = []
        for status in ("InProgress", "Stopping"):
            pages = sagemaker.get_paginator("list_training_jobs").paginate(
                NameContains=prefix, StatusEquals=status
            )
            for page in pages:
                names += [job["TrainingJobName"] for job in page["TrainingJobSummaries"]]
        return [name for name in names if name.startswith(prefix)]

    names = running()
    for name in names:
        try:
            sagemaker.stop_training_job(TrainingJobName=name)
        except sagemaker.exceptions.ClientError as error:
            # It ended between the listing and the stop: that is what was wanted.
            if error.response["Error"]["Code"] != "ValidationException":
                raise
    wait("the training jobs", lambda: not running())
    return len(names)


def _delete_schedules(site: Site, only: Collection[str] | None) -> int:
    scheduler = site.client("scheduler")
    group = site.cohort.names.schedule_group
    count = 0
    try:
        for page in scheduler.get_paginator("list_schedules").paginate(GroupName=group):
            for schedule in page["Schedules"]:
                if only is None or schedule["Name"] in only:
                    scheduler.delete_schedule(Name=schedule["Name"], GroupName=group)
                    count += 1
    except scheduler.exceptions.ResourceNotFoundException:
        pass
    return count


def _settle(site: Site) -> bool:
    """Let the sweep settle what just ended, so that the ledger's last word is the truth."""
    client = site.client("lambda")
    try:
        answer = client.invoke(FunctionName=site.cohort.names.function("sweep"), Payload=b"{}")
    except client.exceptions.ResourceNotFoundException:
        return False
    return "FunctionError" not in answer
