"""`cohort close`: stops what runs and empties what is full, so that `cdk destroy` can remove it.

CloudFormation deletes neither a space with a running app nor a bucket with objects in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from infra.assurance.changes import STAYS
from infra.assurance.templates import Resource
from infra.cli import deployed, stopping
from infra.cli.account import Site
from infra.cli.competition.live import sealed_rounds
from infra.cli.deployed import Deployed
from infra.cli.gate import erase_option
from infra.cli.reconcile import left
from infra.cli.terminal import Refused, console, without_traceback

BUCKETS = ("data", "vault", "work", "site")
#: What `protect: true` keeps: people's work, and what it was scored against. Of the tables it keeps
#: all; nobody empties these here.
PROTECTED = ("vault", "work")

JOB_LOGS = "/aws/sagemaker/TrainingJobs"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask; then --erase names what may be lost.")
@erase_option
@without_traceback
def close(file: Path, yes: bool, named: tuple[str, ...]) -> None:
    """Stop every app and job of the cohort in FILE and empty its buckets.

    Afterwards `npx cdk destroy --all -c cohort=FILE` leaves nothing but keys that pend deletion.
    With `protect: true` in the file, `work`, `vault` and the tables keep what they hold, and
    CloudFormation deletes no stack before this has run; a next deploy protects them again. Without
    it a live round goes with its table: export it first. One with sealed forecasts is named here,
    and with --yes refused unless it is named too: --erase live:climate-series.
    """
    site = Site.of(file)
    _check_protection(site)
    lost = {} if site.cohort.protect else _live_rounds(site)
    for name, what in lost.items():
        console.print(
            f"{name}: without protect: true, cdk destroy erases {what}",
            markup=False,
            soft_wrap=True,
        )
    if yes and (refused := [name for name in lost if name not in named]):
        raise Refused(
            f"{', '.join(refused)}: a live round goes on from plain files (cohort competition live "
            "export PROJECT FOLDER). If you have them, or it may be lost, name it: "
            + " ".join(f"--erase {name}" for name in refused)
        )
    kept = PROTECTED if site.cohort.protect else ()
    erased = [purpose for purpose in BUCKETS if purpose not in kept]
    if not yes:
        click.confirm(
            f"This ends every space and job of {site.cohort.name} in account {site.account} and "
            f"erases the buckets {', '.join(erased)}. Continue?",
            abort=True,
        )
    for line in close_cohort(site):
        console.print(line)


def close_cohort(site: Site) -> Iterator[str]:
    """Do it, a sentence for each part done. May be run again after it was interrupted.

    Raises:
        Refused: if the cohort file and what is deployed disagree about `protect`.
    """
    _check_protection(site)
    if _rest(site):
        yield "the steward rests: its rule is switched off, and goes with cdk destroy"
    yield from stopping.stop(site, stopping.everybody(site))
    scripts = _delete_old_scripts(site)
    if scripts:
        yield f"{scripts} earlier start script{stopping.s(scripts)} removed"
    streams = _delete_job_logs(site)
    yield f"{streams} job log{stopping.s(streams)} removed"
    kept = PROTECTED if site.cohort.protect else ()
    for purpose in BUCKETS:
        if purpose in kept:
            yield f"{purpose}: kept, because the cohort file says protect: true"
        else:
            yield f"{purpose}: {_empty(site, purpose)} object versions erased"
    if others := left(site, deployed.read(site, waiting=True)):
        yield (
            f"{', '.join(stack.name for stack in others)}: not in the cohort file any more, so cdk "
            "destroy does not know of it: run cohort reconcile first"
        )
    freed = _unprotect(site)
    if freed:
        yield (
            f"{freed} stack{stopping.s(freed)} may be deleted now; what protect: true keeps stays: "
            "cohort diff lists it afterwards, with the commands that remove it for good"
        )


def _check_protection(site: Site) -> None:
    """What is kept is decided twice, here by the file and at the destroy by what is deployed: where
    the two differ, work would be erased that somebody believes to be protected."""
    stacks = deployed.read(site, waiting=True)
    buckets = list(stacks.templates.resources("AWS::S3::Bucket"))
    tables = list(stacks.templates.resources("AWS::DynamoDB::Table"))
    if not buckets:
        return
    stay = any(_stays(stacks, each) for each in buckets)
    # A board that was deployed when protect did not keep it yet would go.
    whole = stay and all(_stays(stacks, each) for each in tables)
    if whole if site.cohort.protect else not stay:
        return
    says, has = ("true", "unprotected") if site.cohort.protect else ("false", "protected")
    raise Refused(
        f"the cohort file says protect: {says}, and what is deployed of {site.cohort.name} is "
        f"{has}: a close and a destroy would disagree about what stays. Deploy the file first "
        "(cohort diff FILE says what that changes), then close"
    )


def _stays(stacks: Deployed, resource: Resource) -> bool:
    written = stacks.stacks[resource.stack].template["Resources"][resource.logical_id]
    return written.get("DeletionPolicy") in STAYS


def _live_rounds(site: Site) -> dict[str, str]:
    """Live rounds with sealed forecasts, by the name that --erase takes: what is lost with each.

    Whether one was exported since is known to whoever did it alone.
    """
    return {f"live:{project}": what for project, what in sealed_rounds(site).items()}


def _unprotect(site: Site) -> int:
    """Let CloudFormation delete the stacks: whoever closes a cohort means to destroy it."""
    client = site.client("cloudformation")
    protected = [
        each
        for each in deployed.described(site, empty=True)
        if each.get("EnableTerminationProtection")
    ]
    for stack in protected:
        client.update_termination_protection(
            StackName=stack["StackName"], EnableTerminationProtection=False
        )
    return len(protected)


def _rest(site: Site) -> bool:
    """Have the steward write no board into a bucket that is being emptied, until it is destroyed.

    Whether there was a rule to switch off.
    """
    events = site.client("events")
    try:
        events.disable_rule(Name=site.cohort.names.rule("steward"))
    except events.exceptions.ResourceNotFoundException:
        return False
    return True


def _delete_old_scripts(site: Site) -> int:
    """Remove the start scripts that a later deploy replaced: SageMaker kept them while in use."""
    sagemaker = site.client("sagemaker")
    current = {
        workspace["lifecycle_config"]
        for person in site.cohort.people
        if (workspace := site.workspace(person.id))
    }
    prefix = site.cohort.names.lifecycle_config("")
    pages = sagemaker.get_paginator("list_studio_lifecycle_configs").paginate(
        NameContains=prefix.rstrip("-")
    )
    old = [
        config["StudioLifecycleConfigName"]
        for page in pages
        for config in page["StudioLifecycleConfigs"]
        if config["StudioLifecycleConfigName"].startswith(prefix)
        and current
        and config["StudioLifecycleConfigArn"] not in current
    ]
    for name in old:
        sagemaker.delete_studio_lifecycle_config(StudioLifecycleConfigName=name)
    return len(old)


def _delete_job_logs(site: Site) -> int:
    logs = site.client("logs")
    prefix = f"{site.cohort.name}--"
    names: list[str] = []
    try:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=JOB_LOGS, logStreamNamePrefix=prefix
        )
        names = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        return 0
    for name in names:
        logs.delete_log_stream(logGroupName=JOB_LOGS, logStreamName=name)
    return len(names)


def _empty(site: Site, purpose: str) -> int:
    """Erase every version, delete marker and unfinished upload; returns how many versions."""
    s3 = site.client("s3")
    bucket = site.bucket(purpose)
    count = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [
                {"Key": item["Key"], "VersionId": item["VersionId"]}
                for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ]
            if found:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
                if answer.get("Errors"):
                    first = answer["Errors"][0]
                    raise Refused(f"{bucket}: {first['Key']}: {first['Code']} {first['Message']}")
                count += len(found)
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for upload in page.get("Uploads", []):
                s3.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
    except s3.exceptions.NoSuchBucket:
        return 0
    return count
