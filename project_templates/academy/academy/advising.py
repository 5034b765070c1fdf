"""The advisor's side: how every team is, and what lies in a team's folder, read and never run."""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from academy import showing, submissions
from academy.cloud import Cloud, Denied, Missing, StoredObject
from academy.errors import CloudError, JobFailed, Refused, SourceError
from academy.jobs import ENDED, CloudJob
from academy.receipts import Entries, stamped
from academy.showing import Page
from academy.tables import html_table, plain, text_table, untypeset
from academy.workspace import Workspace

#: Below the home: a page a file, and nothing else. Nothing that Python or Jupyter looks for has
#: such a name, whatever the learners' file is called.
PAGES = "teams"
#: Of how many jobs AWS is asked, the newest: it answers some ten a second.
MAX_JOBS = 300
SHOWN = 100
_READERS = 8


def advisors_only(workspace: Workspace) -> None:
    """Refuses a learner what only advisors may see."""
    if not workspace.advises:
        raise Refused(
            "input", "Only advisors see every team's work. academy.leaderboard() shows all teams."
        )


def learners_only(workspace: Workspace, what: str) -> None:
    """Refuses an advisor what only a team can do."""
    if workspace.advises:
        raise Refused(
            "input",
            f"You advise and are in no team, so you cannot {what}. academy.teams() shows how the "
            "teams are.",
        )


@dataclass(frozen=True)
class JobLine:
    """One job of a team. `hours`: billed, of all its instances; None while that is not known."""

    name: str
    learner: str
    status: str
    instance: str
    began: str
    hours: float | None
    gpu_hours: float | None


@dataclass(frozen=True)
class Teams(Sequence[Mapping[str, Any]]):
    """How every team is, in the cohort file's order.

    Each has team, learners, jobs, gpu_hours (None where no job's is known), and by project last
    (the last submission, ISO 8601, UTC) and score (the best public score that the board shows).
    """

    projects: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, at: Any) -> Any:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def _columns(self) -> list[str]:
        by_project = [
            name for each in self.projects for name in (f"{each}: last (UTC)", f"{each}: score")
        ]
        return ["team", "learners", *by_project, "jobs", "GPU hours"]

    def _rows(self) -> list[dict[str, str]]:
        found = []
        for row in self.rows:
            cells = {
                "team": plain(row["team"]),
                "learners": ", ".join(map(plain, row["learners"])),
                "jobs": str(row["jobs"]),
                "GPU hours": "" if row["gpu_hours"] is None else f"{row['gpu_hours']:.1f}",
            }
            for project in self.projects:
                score = row["score"].get(project)
                last = row["last"].get(project, "")
                cells[f"{project}: last (UTC)"] = last[:16].replace("T", " ")
                cells[f"{project}: score"] = "" if score is None else f"{score:.3f}"
            found.append(cells)
        return found

    def __repr__(self) -> str:
        return "\n".join([text_table(self._columns(), self._rows()), *self.notes])

    @untypeset
    def _repr_html_(self) -> str:
        notes = "".join(
            f"<div style='opacity:.75'>{html.escape(note)}</div>" for note in self.notes
        )
        return html_table(self._columns(), self._rows(), wrapped=("learners",)) + notes


@dataclass(frozen=True)
class Look:
    """What one team has: its jobs and entries, and the files in its folder, the newest first."""

    team: str
    files: tuple[StoredObject, ...]
    jobs: tuple[JobLine, ...]
    entries: tuple[Entries, ...]
    notes: tuple[str, ...] = ()

    def _tables(self) -> list[tuple[str, list[str], list[dict[str, str]]]]:
        files = [
            {
                "file": plain(each.key),
                "bytes": f"{each.size:,}",
                "written (UTC)": each.changed[:16].replace("T", " "),
            }
            for each in self.files[:SHOWN]
        ]
        jobs = [
            {
                "job": plain(each.name),
                "learner": plain(each.learner),
                "status": plain(each.status),
                "machine": plain(each.instance),
                "began (UTC)": each.began[:16].replace("T", " "),
                "hours": "" if each.hours is None else f"{each.hours:.2f}",
            }
            for each in self.jobs[:SHOWN]
        ]
        return [
            *((f"{e.project}: {e.total} sent", e._columns(), e._rows()) for e in self.entries),
            ("jobs", ["job", "learner", "status", "machine", "began (UTC)", "hours"], jobs),
            ("files", ["file", "bytes", "written (UTC)"], files),
        ]

    def _feet(self) -> list[str]:
        return [
            *self.notes,
            f"academy.read({self.team!r}, file) shows a file without running it; "
            "academy.attach(job).log is what a job said.",
        ]

    def __repr__(self) -> str:
        out = [f"team {self.team}"]
        for title, columns, rows in self._tables():
            out += ["", title, text_table(columns, rows) if rows else "  nothing yet"]
        return "\n".join([*out, "", *self._feet()])

    @untypeset
    def _repr_html_(self) -> str:
        out = [f"<div><b>team {html.escape(self.team)}</b></div>"]
        for title, columns, rows in self._tables():
            out.append(f"<div style='margin-top:.6em'>{html.escape(title)}</div>")
            out.append(html_table(columns, rows) if rows else "<div>nothing yet</div>")
        out += [f"<div style='opacity:.75'>{html.escape(foot)}</div>" for foot in self._feet()]
        return "".join(out)


class Advising:
    """What an advisor may look at."""

    def __init__(self, cloud: Cloud, workspace: Workspace) -> None:
        self._cloud, self._workspace = cloud, workspace
        self._work = workspace.buckets["work"]
        #: What does not change any more.
        self._ended: dict[str, JobLine] = {}

    # --- how the teams are ------------------------------------------------------------------------
    def roster(self) -> dict[str, list[str]]:
        """Team -> learners, in the cohort file's order."""
        found: dict[str, list[str]] = {}
        for name in self._workspace.roster:
            try:
                found |= json.loads(self._cloud.parameter(name))
            except (ValueError, TypeError):
                raise CloudError(f"The roster {name} cannot be read. Ask your admin.") from None
        return found

    def teams(self) -> Teams:
        """See `academy.teams`."""
        roster = self.roster()
        jobs, notes = self._jobs(f"{self._workspace.cohort}--")
        last = {project: self._last(project) for project in self._workspace.projects}
        scores = {project: self._scores(project) for project in self._workspace.projects}
        rows = []
        for team, learners in roster.items():
            mine = [job for job in jobs if job.name.split("--")[1:2] == [team]]
            gpu = [job.gpu_hours for job in mine if job.gpu_hours is not None]
            rows.append(
                {
                    "team": team,
                    "learners": list(learners),
                    "jobs": len(mine),
                    "gpu_hours": sum(gpu) if gpu else None,
                    "last": {p: found[team] for p, found in last.items() if team in found},
                    "score": {p: found[team] for p, found in scores.items() if team in found},
                }
            )
        return Teams(self._workspace.projects, tuple(rows), tuple(notes))

    def _last(self, project: str) -> dict[str, str]:
        """Team -> when it last submitted."""
        prefix = f"submissions/{project}/"
        found: dict[str, str] = {}
        for each in self._cloud.objects(self._work, prefix):
            team, _, name = each.key.removeprefix(prefix).partition("/")
            found[team] = max(found.get(team, ""), stamped(name))
        return found

    def _scores(self, project: str) -> dict[str, float]:
        """Team -> the score that the board shows of it."""
        key = f"{self._workspace.prefixes['boards']}{project}.json"
        try:
            board = json.loads(self._cloud.read(self._workspace.buckets["site"], key))
            return {str(e["team"]): float(e["score"]) for e in board.get("entries") or ()}
        except (Missing, Denied):
            # There is no board yet.
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise CloudError(f"The board of {project} cannot be read. Ask your admin.") from None

    def _jobs(self, prefix: str) -> tuple[list[JobLine], list[str]]:
        """The jobs whose names begin with `prefix`, the newest first; and what to say of them."""
        named = sorted(self._cloud.jobs(prefix), key=lambda job: job[1], reverse=True)
        with ThreadPoolExecutor(_READERS) as several:
            known = list(several.map(lambda job: self._line(job[0]), named[:MAX_JOBS]))
        rest = [JobLine(name, *_who(name), "", "", "", None, None) for name, _ in named[MAX_JOBS:]]
        notes = []
        if rest:
            notes.append(f"Hours are those of the newest {MAX_JOBS} of {len(named)} jobs.")
        return [*known, *rest], notes

    def _line(self, name: str) -> JobLine:
        if name in self._ended:
            return self._ended[name]
        try:
            found = self._cloud.training_job(name)
        except Missing:
            return JobLine(name, *_who(name), "", "", "", None, None)
        line = _described(name, found, self._workspace.gpus)
        if line.status in ENDED:
            self._ended[name] = line
        return line

    # --- one team ---------------------------------------------------------------------------------
    def look(self, team: str) -> Look:
        """See `academy.look`."""
        theirs = self._of(team)
        jobs, notes = self._jobs(f"{self._workspace.cohort}--{team}--")
        prefix = theirs.prefixes["team"]
        files = [
            replace(each, key=each.key.removeprefix(prefix))
            for each in self._cloud.objects(self._work, prefix)
        ]
        files.sort(key=lambda each: (each.changed, each.key), reverse=True)
        if len(files) > SHOWN:
            notes.append(f"The newest {SHOWN} of {len(files)} files are shown.")
        entries = tuple(
            submissions.entries(self._cloud, theirs, project, 10)
            for project in self._workspace.projects
        )
        return Look(team, tuple(files), tuple(jobs), entries, tuple(notes))

    def read(self, team: str, path: str, *, home: Path | None = None) -> Page:
        """See `academy.read`."""
        theirs = self._of(team)
        outer, inner = _parts(path)
        key = f"{theirs.prefixes['team']}{outer}"
        archive = outer.lower().endswith(showing.ARCHIVES)
        content = self._content(key, outer, archive=archive)
        title = f"{team}: {path}"
        if archive and not inner:
            names = [(each.name, each.size) for each, _ in showing.members(content)]
            made = showing.listing(title, names)
        elif archive:
            made = showing.page(title, inner, showing.member(content, inner))
        else:
            made = showing.page(title, outer, content)
        kept = _keep(home or Path.home(), team, path, made.html)
        return replace(made, file=kept)

    def job(self, name: str) -> TeamsJob:
        """See `academy.attach`: a job of whatever team, to look at."""
        return TeamsJob(name, self._cloud, self._workspace)

    def _of(self, team: str) -> Workspace:
        roster = self.roster()
        if team not in roster:
            raise SourceError(f"There is no team {plain(team)!r}: {', '.join(roster)}.")
        return self._workspace.of_team(team)

    def _content(self, key: str, name: str, *, archive: bool) -> bytes:
        most = showing.MAX_ARCHIVE_BYTES if archive else showing.MAX_FILE_BYTES
        found = [each for each in self._cloud.objects(self._work, key) if each.key == key]
        if not found:
            raise SourceError(f"There is no file {plain(name)} in the team's folder.")
        if found[0].size > most:
            raise showing.too_large(name, found[0].size, most)
        return self._cloud.read(self._work, key)


class TeamsJob(CloudJob):
    """A job of a team's, as an advisor sees it: status and log, and nothing to do about it."""

    def _refresh(self) -> tuple[str, str]:
        if self._last.get("TrainingJobStatus") not in ENDED:
            self._last = self._cloud.training_job(self.name)
            self.failure = self._last.get("FailureReason")
        status = str(self._last.get("TrainingJobStatus", "InProgress"))
        return status, str(self._last.get("SecondaryStatus") or status)

    @property
    def cost_micro_usd(self) -> int | None:
        """Not known to advisors: the ledger is the team's and the admin's."""
        return None

    def stop(self) -> None:
        raise Refused("input", f"{self.name} is a team's own: advisors stop no job.")

    def _archive(self, kind: str) -> Path | None:
        # Unpacked, it would be files of theirs, under names of theirs, on this machine.
        team = self.name.split("--")[1:2]
        raise JobFailed(
            f"What a team's job left is not unpacked here. academy.read({''.join(team)!r}, "
            f"'jobs/{self.name}/output/{kind}.tar.gz') lists it, and shows a file of it with the "
            "file's path behind."
        )


def _who(name: str) -> tuple[str]:
    parts = name.split("--")
    return (parts[2] if len(parts) == 4 else "",)


def _described(name: str, found: Mapping[str, Any], gpus: Mapping[str, int]) -> JobLine:
    machines = found.get("ResourceConfig") or {}
    instance = str(machines.get("InstanceType") or "")
    seconds = found.get("BillableTimeInSeconds")
    hours = gpu_hours = None
    if seconds is not None and instance:
        hours = int(machines.get("InstanceCount") or 1) * int(seconds) / 3600
        if instance in gpus:
            gpu_hours = gpus[instance] * hours
        elif instance.removeprefix("ml.")[:1] not in ("g", "p"):
            # Types of the families g and p have GPUs; how many of one is not guessed at.
            gpu_hours = 0.0
    began = found.get("CreationTime")
    return JobLine(
        name=name,
        learner=_who(name)[0],
        status=str(found.get("TrainingJobStatus") or ""),
        instance=instance,
        began=f"{began.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if began else "",
        hours=hours,
        gpu_hours=gpu_hours,
    )


# --- files ----------------------------------------------------------------------------------------
_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


def _parts(path: str) -> tuple[str, str]:
    """A path in a team's folder, and the rest of it if that lies in an archive.

    >>> _parts("code/ab/source.tar.gz/train.py")
    ('code/ab/source.tar.gz', 'train.py')

    Raises
    ------
    SourceError
        It leads out of the folder, or is no path.
    """
    parts = path.split("/")
    if len(path) > 900 or any(
        part in ("", ".", "..") or not _PART.fullmatch(part) for part in parts
    ):
        raise SourceError(f"{plain(path)[:200]!r} is no path in a team's folder.")
    for at, part in enumerate(parts, start=1):
        if part.lower().endswith(showing.ARCHIVES):
            return "/".join(parts[:at]), "/".join(parts[at:])
    return path, ""


def _keep(home: Path, team: str, path: str, page: str) -> str:
    """Writes the page below `home` under a name of our own making; gives its path from there.

    Never through a link, and never as anything but .html: what a learner calls a file decides
    nothing here.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-")[-80:]
    name = f"{readable}-{hashlib.sha256(path.encode()).hexdigest()[:8]}.html"
    folder = home
    for part in (PAGES, team):
        folder = folder / part
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise SourceError(f"{folder} is no folder: move it away, pages go there.") from None
    scratch = folder / f".{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(scratch, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(page)
    os.replace(scratch, folder / name)
    return f"{PAGES}/{team}/{name}"
