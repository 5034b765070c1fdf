"""`cohort close`: stops what runs and empties what is full, so that `cdk destroy` can remove it.

CloudFormation deletes neither a space with a running app nor a bucket with objects in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from infra.cli.account import Site
from infra.cli.terminal import Refused, console, without_traceback

#: SageMaker may take this long to delete an app, and to stop a job: SIGTERM, 120 s, upload.
PATIENCE_SECONDS = 30 * 60

BUCKETS = ("data", "vault", "work", "site")
#: What `protect: true` keeps: people's work, and what it was scored against.
PROTECTED = ("vault", "work")

JOB_LOGS = "/aws/sagemaker/TrainingJobs"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@without_traceback
def close(file: Path, yes: bool) -> None:
    """Stop every app and job of the cohort in FILE and empty its buckets.

    Afterwards `npx cdk destroy --all -c cohort=FILE` leaves nothing but keys that pend deletion.
    With `protect: true` in the file, `work` and `vault` keep what they hold.
    """
    site = Site.of(file)
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
    """Do it, a sentence for each part done. May be run again after it was interrupted."""
    if _rest(site):
        yield "the steward rests: its rule is switched off, and goes with cdk destroy"
    # Apps first, and waited for: their schedules are the stops that hold if this breaks off.
    apps = _stop_apps(site)
    yield f"{apps} app{_s(apps)} ended"
    jobs = _stop_jobs(site)
    yield f"{jobs} job{_s(jobs)} stopped"
    schedules = _delete_schedules(site)
    yield f"{schedules} schedule{_s(schedules)} removed"
    if _settle(site):
        yield "the ledger is settled"
    scripts = _delete_old_scripts(site)
    if scripts:
        yield f"{scripts} earlier start script{_s(scripts)} removed"
    streams = _delete_job_logs(site)
    yield f"{streams} job log{_s(streams)} removed"
    kept = PROTECTED if site.cohort.protect else ()
    for purpose in BUCKETS:
        if purpose in kept:
            yield f"{purpose}: kept, because the cohort file says protect: true"
        else:
            yield f"{purpose}: {_empty(site, purpose)} object versions erased"


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


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _wait(what: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    wait = 0.2
    while not done():
        if time.monotonic() > deadline:
            raise Refused(f"{what} did not end in {PATIENCE_SECONDS // 60} minutes; run it again")
        time.sleep(wait)
        wait = min(wait * 1.5, 15)


def _stop_apps(site: Site) -> int:
    # Found by their spaces' names and not through the workspace configs: a destroy that was tried
    # first has deleted those, and a learner who has left the file has none.
    sagemaker = site.client("sagemaker")
    prefix = site.cohort.names.workspace("")

    def live() -> list[dict[str, Any]]:
        pages = sagemaker.get_paginator("list_apps").paginate()
        return [
            app
            for page in pages
            for app in page["Apps"]
            if app["Status"] not in ("Deleted", "Failed")
            and (app.get("SpaceName") or app.get("UserProfileName", "")).startswith(prefix)
        ]

    found = live()
    for app in found:
        if app["Status"] != "Deleting":
            owner = {k: app[k] for k in ("SpaceName", "UserProfileName") if app.get(k)}
            sagemaker.delete_app(
                DomainId=app["DomainId"], AppType=app["AppType"], AppName=app["AppName"], **owner
            )
    _wait("the apps", lambda: not live())
    return len(found)


def _stop_jobs(site: Site) -> int:
    sagemaker = site.client("sagemaker")
    prefix = f"{site.cohort.name}--"

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
    _wait("the training jobs", lambda: not running())
    return len(names)


def _delete_schedules(site: Site) -> int:
    scheduler = site.client("scheduler")
    group = site.cohort.names.schedule_group
    count = 0
    try:
        for page in scheduler.get_paginator("list_schedules").paginate(GroupName=group):
            for schedule in page["Schedules"]:
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


def _delete_old_scripts(site: Site) -> int:
    """Remove the start scripts that a later deploy replaced: SageMaker kept them while in use."""
    sagemaker = site.client("sagemaker")
    current = {
        workspace["lifecycle_config"]
        for _, learner in site.cohort.learners
        if (workspace := site.workspace(learner.id))
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
