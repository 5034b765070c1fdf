"""`cohort open`: starts a space, a learner's or an advisor's, and prints the link to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from infra.cli.account import Site
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, errors, usd, without_traceback

#: Starting an app takes minutes on AWS: an instance is provisioned and an image is pulled.
START_MINUTES = 15


@click.command("open")
@click.argument("learner")
@cohort_file
@click.option("--instance", help="An instance type that the cohort file lists; default: its first.")
@click.option(
    "--hours", type=float, help="How long to reserve; the space ends then unless its learner stays."
)
@click.option(
    "--project", help="The project whose image the space starts on; default: the cohort's first."
)
@without_traceback
def open_space(
    learner: str, file: Path, instance: str | None, hours: float | None, project: str | None
) -> None:
    """Start LEARNER's space, within the budget, and print a link that opens JupyterLab.

    The link lives five minutes and opens the space for whoever holds it. Run the command again for
    a new one: an open space is not started twice.
    """

    def told(sentence: str) -> None:
        errors.print(sentence, soft_wrap=True)

    url = open_and_wait(
        Site.of(file), learner, instance=instance, hours=hours, project=project, told=told
    )
    # The link alone on standard output, so that it can be piped.
    click.echo(url)


def open_and_wait(
    site: Site,
    learner: str,
    *,
    instance: str | None = None,
    hours: float | None = None,
    project: str | None = None,
    told: Callable[[str], None],
) -> str:
    """Open the learner's space, wait until JupyterLab runs, and return a presigned link to it.

    `told` hears until when it is open: a space that was open already keeps its end.

    Raises:
        Refused: by the broker, or because the app failed or took too long.
    """
    request: dict[str, object] = {"op": "open_space"}
    if instance is not None:
        request["instance"] = instance
    if hours is not None:
        request["hours"] = hours
    if project is not None:
        request["project"] = project
    opened = site.broker(learner, request)
    note = f"open until {opened['ends_at']}, {usd(opened['reserved_micro_usd'])} reserved"
    # Said only where images are attached: AWS's own is that of every project.
    of_project = f" for {opened['project']}" if "project" in opened else ""
    told(f"{learner}'s space{of_project}: {opened['instance']}, {note}")
    with console.status(f"{learner}'s space is starting ({note})"):
        deadline = time.monotonic() + START_MINUTES * 60
        wait = 0.25
        while time.monotonic() < deadline:
            space = site.broker(learner, {"op": "space", "link": True})
            if space["status"] == "InService":
                return str(space["url"])
            if space["status"] == "Failed":
                raise Refused(f"{learner}'s space did not start: {space.get('failure')}")
            time.sleep(wait)
            wait = min(wait * 1.5, 10)
    raise Refused(f"{learner}'s space did not start within {START_MINUTES} minutes; try again")
