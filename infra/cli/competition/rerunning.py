"""`cohort competition rerun`: trains a team's entry once more, and says whether the same comes out.

The job is described as SageMaker has it, and started again as it was: image, code, data, settings,
machine, role. Only its name and where it writes are others. What both left behind is then compared:
`metrics.json` value by value, and predictions, if the job wrote any, with the entry itself.

It is the admin's own job: it bills beside the team's budgets.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.markup import escape
from rich.table import Table

from infra.cli.competition.acts import ENTRY_DIGITS, entry_of, project_argument
from infra.cli.competition.arena import Arena, counted, minute, plain, say, why_option
from infra.cli.competition.results import (
    Difference,
    Results,
    compared,
    read_results,
    same_entry,
)
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, usd, without_traceback
from infra.cohort.naming import RERUN, TOKEN_LENGTH, JobName, Names
from infra.cohort.prices import PriceList, UnknownPrice
from infra.services.competition import provenance
from infra.services.competition.final import finalists
from infra.services.competition.store import Entry
from infra.services.guard.money import GRACE_SECONDS, cost

POLL_SECONDS = 5.0
ENDED = ("Completed", "Failed", "Stopped")
TOLERANCE = 1e-6
ROWS_SHOWN = 40

#: What DescribeTrainingJob and CreateTrainingJob have in common, and the academy's jobs have.
#: Source: both operations in the SageMaker API reference, and infra.services.guard.training.
_SAME = (
    "RoleArn",
    "HyperParameters",
    "InputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "VpcConfig",
    "Environment",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
)
_ALGORITHM = (
    "TrainingImage",
    "TrainingInputMode",
    "ContainerEntrypoint",
    "ContainerArguments",
    "TrainingImageConfig",
)


@dataclass(frozen=True)
class Origin:
    """The entry that is looked into, and the job that is said to have made it."""

    entry: Entry
    job: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.job["TrainingJobName"])

    @property
    def image(self) -> str:
        return str(self.job["AlgorithmSpecification"].get("TrainingImage", ""))

    @property
    def instance(self) -> str:
        return str(self.job["ResourceConfig"].get("InstanceType", ""))

    @property
    def count(self) -> int:
        return int(self.job["ResourceConfig"].get("InstanceCount", 1))

    @property
    def seconds(self) -> int:
        return int(self.job["StoppingCondition"].get("MaxRuntimeInSeconds", 24 * 3600))


@click.command()
@project_argument
@click.argument("team")
@cohort_file
@why_option
@click.option("--entry", metavar="ID", help="This entry; else the team's best on the board.")
@click.option("--any-image", is_flag=True, help="Also a job whose image is not named by digest.")
@click.option("--attach", metavar="JOB", help="Wait for a re-run that was started before.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=TOLERANCE,
    show_default=True,
    help="Numbers that differ by no more than this share of the larger one are the same.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@without_traceback
def rerun(
    project: str,
    team: str,
    file: Path,
    why: str,
    entry: str | None,
    any_image: bool,
    attach: str | None,
    tolerance: float,
    yes: bool,
) -> None:
    """Run the job of TEAM's entry to PROJECT again, and compare what comes out.

    With the same image (by its digest), code, data, settings and machine. It bills to the account,
    not to the team's budget. Training on a GPU, or on another number of threads, is rarely the same
    to the last digit: look at the differences before you judge.
    """
    arena = Arena.of(file, project)
    origin = _origin(arena, arena.team(team), entry)
    digest = origin.entry.digest[:ENTRY_DIGITS]
    say(
        f"{team}'s entry {digest} of {minute(origin.entry.received)}: {plain(origin.name)}",
        f"  on {plain(origin.image)}",
    )
    if attach is None:
        _check(arena, origin, any_image)
        _say_cost(arena, origin)
        if not yes:
            click.confirm("Start it?", abort=True)
        name = arena.site.cohort.names.job(team, RERUN, secrets.token_hex(TOKEN_LENGTH // 2))
        arena.note(f"rerun of {team} {digest}: {name}", why)
        _start(arena, origin, name)
        say(f"{name} is started.")
    else:
        name = _attached(arena, team, attach)
    job = _wait(arena, name, f"cohort competition rerun {project} {team} --attach {name} --why …")
    _say_end(arena, job)
    before, after = _results(arena, origin.job), _results(arena, job)
    same = _judge(arena, origin, before, after, tolerance)
    if job["TrainingJobStatus"] != "Completed":
        same = f"{job['TrainingJobStatus']}; {same}"
    arena.note(f"rerun of {team} {digest}: {name}: {same}", why)


def _standing(arena: Arena, team: str) -> Entry:
    """The entry that the team is judged by once it is closed; before, the one that is shown."""
    state, table = arena.table.state(arena.project), arena.table
    if state.phase(arena.settings, arena.now()) == "closed":
        found = finalists(
            [
                entry
                for entry in table.entries(arena.project, team, records=False)
                if not state.late(arena.settings, entry.received)
            ],
            table.selections(arena.project),
            arena.ladder.better,
            state.out,
        )
        if team in found:
            return found[team].entry
    lines = {line.team: line for line in table.lines(arena.project)}
    if team not in lines:
        raise Refused(f"{team} has no entry on the board of {arena.project}")
    return entry_of(arena, team, lines[team].digest)


# --- the job as it was ------------------------------------------------------------------------
def _origin(arena: Arena, team: str, wanted: str | None) -> Origin:
    entry = _standing(arena, team) if wanted is None else entry_of(arena, team, wanted)
    if not entry.job:
        raise Refused(
            f"the entry {entry.digest[:ENTRY_DIGITS]} names no job of {team}'s, so nothing tells "
            "how it was made: ask the team, or choose another by --entry (cohort competition "
            f"entries {arena.project} {team} shows which name one)"
        )
    if not provenance.of_team(entry.job, arena.site.cohort.name, team):
        raise Refused(f"{plain(entry.job)} is no job of {team}'s in {arena.site.cohort.name}")
    return Origin(entry, _describe(arena, entry.job))


def _describe(arena: Arena, name: str) -> dict[str, Any]:
    try:
        found = arena.site.client("sagemaker").describe_training_job(TrainingJobName=name)
    except ClientError as error:
        said = str(error.response["Error"].get("Message", "")).lower()
        code = error.response["Error"]["Code"]
        # "Requested resource not found." is how DescribeTrainingJob says it.
        if code == "ResourceNotFound" or ("not found" in said or "could not find" in said):
            raise Refused(f"SageMaker has no job {name}") from None
        raise
    return dict(found)


def _check(arena: Arena, origin: Origin, any_image: bool) -> None:
    """That the job can be run again, and that its inputs are what they were.

    Raises:
        Refused: if it cannot.
    """
    cohort, job = arena.site.cohort, origin.job
    if job["TrainingJobStatus"] not in ENDED:
        raise Refused(f"{origin.name} still runs: wait for its end")
    role = cohort.names.role_arn("training", origin.entry.team, account=arena.site.account)
    if job["RoleArn"] != role:
        raise Refused(f"{origin.name} ran as {plain(job['RoleArn'])}, which is not {role}")
    if not cohort.starts <= arena.now().date() <= cohort.ends:
        raise Refused(
            f"{cohort.name} is from {cohort.starts} to {cohort.ends}: outside of it its roles may "
            "read nothing (the permissions boundary). Prolong it first: `ends`, and deploy."
        )
    if "@sha256:" not in origin.image and not any_image:
        raise Refused(
            f"{origin.name} ran on {plain(origin.image)}, a tag, which may have moved since: run "
            "it again on that with --any-image, and judge differences accordingly"
        )
    changed = list(_changed(arena, job))
    if changed:
        say(
            f"{counted(len(changed), 'input')} written since the job began, such as "
            f"{plain(changed[0])}: if it is not what it was, the result differs for that alone."
        )


def _changed(arena: Arena, job: Mapping[str, Any]) -> Iterator[str]:
    """The job's inputs that were written after it began."""
    began = job.get("TrainingStartTime") or job["CreationTime"]
    for channel in job.get("InputDataConfig", ()):
        where = channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "")
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        if not bucket:
            continue
        pages = arena.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for item in (item for page in pages for item in page.get("Contents", ())):
            if item["LastModified"] > began:
                yield f"s3://{bucket}/{item['Key']}"


def _say_cost(arena: Arena, origin: Origin) -> None:
    """What it takes at most, and what the first one took."""
    what = f"{counted(origin.count, 'instance')} of {origin.instance}"
    try:
        price = PriceList.snapshot().micro_usd_per_hour(
            arena.site.cohort.region, "training", origin.instance
        )
    except UnknownPrice as error:
        raise Refused(f"{error}: cohort prices refresh --region …") from None
    most = cost(price, origin.count, origin.seconds + GRACE_SECONDS)
    billed = int(origin.job.get("BillableTimeInSeconds") or 0)
    say(
        f"  {what}, {dt.timedelta(seconds=origin.seconds)} at most: up to {usd(most)}; the first "
        f"took {dt.timedelta(seconds=billed)}, {usd(cost(price, origin.count, billed))}. It bills "
        "to the account, beside all budgets."
    )


# --- the job again ------------------------------------------------------------------------------
def request_of(origin: Origin, name: str, output: str) -> dict[str, Any]:
    """CreateTrainingJob's members: the same job, under another name, writing elsewhere."""
    job = origin.job
    parts = JobName.parse(name)
    assert parts is not None
    algorithm = job["AlgorithmSpecification"]
    kept = {member: job[member] for member in _SAME if job.get(member)}
    key = job["OutputDataConfig"].get("KmsKeyId")
    return {
        **kept,
        "TrainingJobName": name,
        "AlgorithmSpecification": {m: algorithm[m] for m in _ALGORITHM if algorithm.get(m)},
        "OutputDataConfig": {"S3OutputPath": output, **({"KmsKeyId": key} if key else {})},
        "EnableManagedSpotTraining": False,
        "Tags": [
            {"Key": "academy:cohort", "Value": parts.cohort},
            {"Key": "academy:team", "Value": parts.team},
            {"Key": "academy:learner", "Value": RERUN},
        ],
    }


def _start(arena: Arena, origin: Origin, name: str) -> None:
    folder = f"{Names.team_prefix(origin.entry.team)}reruns/"
    output = f"s3://{arena.site.bucket('work')}/{folder}"
    arena.site.client("sagemaker").create_training_job(**request_of(origin, name, output))


def _attached(arena: Arena, team: str, name: str) -> str:
    parts = JobName.parse(name) if len(name) <= 63 else None
    wanted = (arena.site.cohort.name, team, RERUN)
    if parts is None or (parts.cohort, parts.team, parts.learner) != wanted:
        raise Refused(f"{name!r} is no re-run of {team}'s: {'--'.join(wanted)}--…")
    return name


def _wait(arena: Arena, name: str, again: str) -> dict[str, Any]:
    """The job when it has ended."""
    began, shown = time.monotonic(), ""
    try:
        with console.status(name) as status:
            while True:
                job = _describe(arena, name)
                if job["TrainingJobStatus"] in ENDED:
                    return job
                doing = plain(job.get("SecondaryStatus") or job["TrainingJobStatus"])
                waited = dt.timedelta(seconds=int(time.monotonic() - began))
                status.update(f"{name}: {escape(doing)}, {waited}")
                if not console.is_terminal and doing != shown:
                    say(f"{name}: {doing}")
                shown = doing
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say(f"{name} goes on in SageMaker. To wait for it again: {again}")
        raise


def _say_end(arena: Arena, job: Mapping[str, Any]) -> None:
    billed = int(job.get("BillableTimeInSeconds") or 0)
    resources = job["ResourceConfig"]
    try:
        price = PriceList.snapshot().micro_usd_per_hour(
            arena.site.cohort.region, "training", resources["InstanceType"]
        )
        paid = f", {usd(cost(price, int(resources.get('InstanceCount', 1)), billed))}"
    except UnknownPrice:
        paid = ""
    say(
        f"{job['TrainingJobName']}: {job['TrainingJobStatus']} in "
        f"{dt.timedelta(seconds=billed)}{paid}"
    )
    if job["TrainingJobStatus"] != "Completed":
        say(f"  {plain(job.get('FailureReason') or 'it gave no reason')}")


# --- what came out ------------------------------------------------------------------------------
def _results(arena: Arena, job: Mapping[str, Any]) -> Results:
    """What a job wrote to SM_OUTPUT_DATA_DIR."""
    path = str(job["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    key = f"{prefix}/{job['TrainingJobName']}/output/output.tar.gz"
    return read_results(arena.s3, bucket, key)


def _judge(arena: Arena, origin: Origin, before: Results, after: Results, tolerance: float) -> str:
    """Print what was compared; gives the outcome in a few words, for the record."""
    for which, results in (("first", before), ("second", after)):
        for sentence in results.remarks:
            say(f"The {which} job: {sentence}")
    verdicts = []
    differences = compared(before.metrics, after.metrics, tolerance)
    if differences is None:
        say("No metrics.json in both outputs: there are no numbers to compare.")
    else:
        verdicts.append(_print(differences, tolerance))
    entry = same_entry(arena, origin.entry, before, after)
    if entry:
        say(entry)
        verdicts.append(entry)
    return "; ".join(verdicts) or "nothing to compare"


def _print(differences: list[Difference], tolerance: float) -> str:
    table = Table(title=f"metrics.json; the same within {tolerance:g} of the larger value")
    for name in ("value", "first", "second", "difference", ""):
        table.add_column(name, justify="left" if name in ("value", "") else "right")
    # What differs first: of a long history only the start is shown.
    ordered = sorted(differences, key=lambda each: (each.same, each.aside))
    for each in ordered[:ROWS_SHOWN]:
        style = "dim" if each.same or each.aside else "yellow"
        note = "how it ran" if each.aside else ("the same" if each.same else "differs")
        table.add_row(escape(plain(each.name)), each.first, each.second, each.by, note, style=style)
    console.print(table)
    if len(ordered) > ROWS_SHOWN:
        say(f"(and {len(ordered) - ROWS_SHOWN} more values)")
    judged = [each for each in differences if not each.aside]
    off = sum(not each.same for each in judged)
    verdict = (
        f"{len(judged)} values of metrics.json are the same"
        if not off
        else f"{off} of {len(judged)} values of metrics.json differ"
    )
    say(f"{verdict}.")
    return verdict
