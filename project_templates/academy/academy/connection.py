"""A learner's connection to the academy: everything `academy` offers, for one workspace."""

from __future__ import annotations

import datetime as dt
import html
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from academy import datasets, downloads, jobs, sharing, submissions
from academy.advising import Advising, Look, Teams, advisors_only, learners_only
from academy.board import Budget, Leaderboard
from academy.cloud import Cloud, Denied, Missing
from academy.datasets import Dataset
from academy.errors import NO_INDEX, AcademyError, CloudError, SourceError, SubmissionError
from academy.jobs import CloudJob, Job
from academy.land_cover.project import LandCover
from academy.live import LiveRound, read_round
from academy.live_board import LiveBoard
from academy.receipts import Entries, Receipt
from academy.showing import Page
from academy.tables import untypeset
from academy.workspace import Workspace, read

#: A link to a board's page lasts so long, or as long as the space's own credentials if these end
#: before.
LINK_SECONDS = 3600


class Connection:
    """Who you are, and what you may use. `academy.connect` makes one.

    Attributes
    ----------
    workspace : Workspace
        Cohort, team, projects, limits.
    """

    def __init__(self, workspace: Workspace, cloud: Cloud) -> None:
        self.workspace = workspace
        self._cloud = cloud
        self._advising = Advising(cloud, workspace)

    @classmethod
    def open(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        clients: Callable[[str, str | None], Any] | None = None,
    ) -> Connection:
        """Finds the workspace of this process.

        Raises
        ------
        NotInAWorkspace
            There is none, or it cannot be read.
        """
        workspace = read(lambda name, region: Cloud(region, clients).parameter(name), environ)
        return cls(workspace, Cloud(workspace.region, clients))

    # --- data -----------------------------------------------------------------------------------
    def dataset(self, project: str | None = None) -> Dataset | LandCover:
        """See `academy.dataset`."""
        name = jobs.project_of(self.workspace, project)
        return datasets.opened(name, downloads.fetch(self._cloud, self.workspace, name))

    # --- jobs -----------------------------------------------------------------------------------
    def train(
        self,
        script: str | Path,
        *,
        project: str | None = None,
        instance: str | None = None,
        hours: float = 1,
        hyperparameters: Mapping[str, Any] | None = None,
        source: str | Path | None = None,
        where: str = "cloud",
        wait: bool = True,
    ) -> Job:
        """See `academy.train`."""
        if where != "here":
            learners_only(self.workspace, "start a team's jobs; where='here' trains in your space")
        return jobs.train(
            self._cloud,
            self.workspace,
            self.dataset,
            script,
            project=project,
            instance=instance,
            hours=hours,
            hyperparameters=hyperparameters,
            source=source,
            where=where,
            wait=wait,
        )

    def attach(self, job: str) -> Job:
        """See `academy.attach`."""
        if not re.fullmatch(r"[A-Za-z0-9-]{1,63}", job):
            raise SourceError(f"{job!r} is no job's name.")
        if self.workspace.advises:
            found: CloudJob = self._advising.job(job)
        else:
            found = CloudJob(job, self._cloud, self.workspace)
        _ = found.status
        return found

    def sagemaker_session(self, project: str | None = None) -> Any:
        """See `academy.sagemaker_session`."""
        from academy import sagemaker_sdk

        learners_only(self.workspace, "start jobs")
        name = jobs.project_of(self.workspace, project)
        return sagemaker_sdk.session(self._cloud, self.workspace, name)

    # --- competition ----------------------------------------------------------------------------
    def submit(
        self,
        project: str,
        predictions: Any,
        note: str = "",
        *,
        job: Job | str | None = None,
        wait_seconds: float = 120,
        to: str = "academy",
        live: bool = False,
    ) -> Receipt:
        """See `academy.submit`."""
        if to == "academy":
            learners_only(self.workspace, "submit")
        if live:
            return self._submit_live(project, predictions, note, job, wait_seconds, to)
        return submissions.send(
            self._cloud,
            self.workspace,
            self.dataset(project),
            predictions,
            project=project,
            note=note,
            job=job.name if isinstance(job, Job) else (job or ""),
            now=dt.datetime.now(dt.UTC),
            wait_seconds=wait_seconds,
            to=to,
        )

    def _submit_live(
        self,
        project: str,
        forecast: Any,
        note: str,
        job: Job | str | None,
        wait_seconds: float,
        to: str,
    ) -> Receipt:
        if to != "academy":
            raise SubmissionError("A live forecast is sealed here: leave `to` out.")
        given = self.live_round(project)
        if given is None or not given.open:
            raise SubmissionError(
                f"{project} has no live round that takes forecasts. academy.live_round() shows it "
                "when it has; without live=True a forecast goes to the practice board."
            )
        return submissions.send_live(
            self._cloud,
            self.workspace,
            given,
            forecast,
            note=note,
            job=job.name if isinstance(job, Job) else (job or ""),
            now=dt.datetime.now(dt.UTC),
            wait_seconds=wait_seconds,
        )

    def live_round(self, project: str | None = None) -> LiveRound | None:
        """See `academy.live_round`."""
        name = jobs.project_of(self.workspace, project)
        return read_round(downloads.fetch(self._cloud, self.workspace, name))

    def select(self, project: str, *entries: Receipt | str, wait_seconds: float = 60) -> Receipt:
        """See `academy.select`."""
        learners_only(self.workspace, "choose a team's entries")
        return submissions.select(
            self._cloud,
            self.workspace,
            entries,
            project=jobs.project_of(self.workspace, project),
            now=dt.datetime.now(dt.UTC),
            wait_seconds=wait_seconds,
        )

    def entries(self, project: str | None = None, *, limit: int = 50) -> Entries:
        """See `academy.entries`."""
        learners_only(self.workspace, "have entries; academy.look(team) shows a team's")
        name = jobs.project_of(self.workspace, project)
        return submissions.entries(self._cloud, self.workspace, name, limit)

    def live_board(self, project: str | None = None) -> LiveBoard:
        """See `academy.leaderboard` with ``live=True``."""
        name = jobs.project_of(self.workspace, project)
        bucket = self.workspace.buckets["site"]
        try:
            content = self._cloud.read(
                bucket, f"{self.workspace.prefixes['boards']}{name}.live.json"
            )
        except (Missing, Denied):
            return LiveBoard(name, "", "", team=self.workspace.team)
        link = self._cloud.link(bucket, f"{name}.live.html", LINK_SECONDS)
        try:
            return LiveBoard.from_document(json.loads(content), self.workspace.team, link=link)
        except (ValueError, TypeError, AttributeError):
            raise CloudError(
                f"The live board of {name} cannot be read. Ask your advisor."
            ) from None

    def leaderboard(self, project: str | None = None) -> Leaderboard:
        """See `academy.leaderboard`."""
        name = jobs.project_of(self.workspace, project)
        key = f"{self.workspace.prefixes['boards']}{name}.json"
        try:
            content = self._cloud.read(self.workspace.buckets["site"], key)
        except (Missing, Denied):
            # S3 calls an object that is not there denied, to those who may not list the bucket.
            return Leaderboard(name, "no board yet", "", (), (), self.workspace.team)
        link = self._cloud.link(self.workspace.buckets["site"], f"{name}.html", LINK_SECONDS)
        try:
            return Leaderboard.from_document(
                json.loads(content),
                self.workspace.team,
                today=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
                link=link,
            )
        except (ValueError, TypeError, AttributeError):
            raise CloudError(f"The board of {name} cannot be read. Ask your advisor.") from None

    # --- what teams show, and advisors see ------------------------------------------------------
    def share(self, file: str | Path) -> str:
        """See `academy.share`."""
        learners_only(self.workspace, "share a file with one")
        return sharing.share(self._cloud, self.workspace, Path(file))

    def teams(self) -> Teams:
        """See `academy.teams`."""
        advisors_only(self.workspace)
        return self._advising.teams()

    def look(self, team: str) -> Look:
        """See `academy.look`."""
        advisors_only(self.workspace)
        return self._advising.look(team)

    def read(self, team: str, path: str) -> Page:
        """See `academy.read`."""
        advisors_only(self.workspace)
        return self._advising.read(team, path)

    # --- money and space ------------------------------------------------------------------------
    def budget(self) -> Budget:
        """See `academy.budget`."""
        answer = self._cloud.ask(self.workspace.broker, {"op": "budget"})
        try:
            return Budget.from_document(answer)
        except (KeyError, TypeError, ValueError):
            raise CloudError("The broker's figures cannot be read. Ask your advisor.") from None

    def stay(self, hours: float) -> str:
        """See `academy.stay`."""
        answer = self._cloud.ask(self.workspace.broker, {"op": "stay", "hours": hours})
        ends_at = str(answer["ends_at"])
        print(f"Your space stays open until {ends_at[:16].replace('T', ' ')} UTC.")
        return ends_at

    # --- shown ----------------------------------------------------------------------------------
    def _facts(self) -> list[tuple[str, str]]:
        where = self.workspace
        if where.advises:
            return [
                ("advisor of", where.cohort),
                ("projects", ", ".join(where.projects)),
                ("teams", "academy.teams() shows how they are, academy.look(team) what one has"),
                ("files", "academy.read(team, file) shows one and runs nothing in it"),
            ]
        facts = [
            ("learner", where.learner),
            (
                "team",
                where.team + (f" (with {', '.join(where.teammates)})" if where.teammates else ""),
            ),
            ("cohort", where.cohort),
            ("projects", ", ".join(where.projects)),
            ("jobs", f"{', '.join(where.training_instances)}; up to {where.max_hours:g} h"),
        ]
        if where.submissions_per_day:
            closes = f"; closes {where.closes}" if where.closes else ""
            facts.append(("submissions", f"{where.submissions_per_day} a day{closes}"))
        if where.private:
            facts.append(("network", "private: no internet, and no packages for pip"))
        return facts

    def __repr__(self) -> str:
        lines = [f"Hello {self.workspace.learner}!"]
        lines += [f"  {name:<12} {value}" for name, value in self._facts()]
        try:
            lines.append("  " + "budget".ljust(13) + repr(self.budget()).replace("\n", "\n  "))
        except AcademyError as problem:
            lines.append(f"  budget       {problem}")
        return "\n".join(lines)

    @untypeset
    def _repr_html_(self) -> str:
        try:
            money = self.budget()._repr_html_()
        except AcademyError as problem:
            money = html.escape(str(problem))
        rows = "".join(
            f"<tr><td style='text-align:left;opacity:.65'>{html.escape(name)}</td>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._facts()
        )
        return (
            f"<div><b>Hello {html.escape(self.workspace.learner)}!</b></div>"
            f"<table>{rows}</table>{money}"
        )


_default: tuple[tuple[str | None, ...], Connection] | None = None


def connect() -> Connection:
    """See `academy.connect`."""
    global _default
    # A changed environment, such as another workspace in tests, is another connection.
    where = tuple(
        os.environ.get(name)
        for name in ("ACADEMY_WORKSPACE", "ACADEMY_RESOURCE_METADATA", "AWS_ENDPOINT_URL")
    )
    if _default is None or _default[0] != where:
        _default = (where, Connection.open())
        if _default[1].workspace.private:
            # For pip as a notebook starts it: else it tries for minutes before it says so.
            os.environ.setdefault(NO_INDEX, "1")
    return _default[1]


__all__ = ["Connection", "connect"]
