"""A Studio space and its app: who may start one, on what, what ends it, what it leaves behind."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.probing import Probe, TookTooLong, code, denied, message
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cli.probe.shared import INSTANCE

#: An app ends by its schedule after this, should the run die; the guard's own way.
END_SECONDS = 15 * 60
DELETE_APP = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp"

_ARN = re.compile(r"on resource: (\S+)")


def app_of(probe: Probe, space: str = "") -> dict[str, str]:
    workspace = probe.made["workspace"]
    return {
        "DomainId": workspace["domain"],
        "SpaceName": space or workspace["space"],
        "AppType": "JupyterLab",
        "AppName": "default",
    }


def app_arn(probe: Probe, space: str = "") -> str:
    """The app's ARN as the service authorization reference shapes it."""
    app = app_of(probe, space)
    return probe.arn(
        "sagemaker", f"app/{app['DomainId']}/{app['SpaceName']}/{app['AppType']}/{app['AppName']}"
    )


def starting(resource: str, types: list[str] | None = None) -> list[dict[str, Any]]:
    """The broker's statements for starting an app on `resource`, held to instance types or not."""
    when = {
        "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": types},
        "Null": {"sagemaker:InstanceTypes": "false"},
    }
    start: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sagemaker:CreateApp",
        "Resource": resource,
    }
    tag = {
        "Effect": "Allow",
        "Action": "sagemaker:AddTags",
        "Resource": resource,
        "Condition": {"StringEquals": {"sagemaker:TaggingAction": "CreateApp"}},
    }
    return [{**start, "Condition": when} if types else start, tag]


# --- schedules ------------------------------------------------------------------------------------
def at(moment: dt.datetime) -> str:
    return f"at({moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S})"


def stop(probe: Probe, moment: dt.datetime, space: str = "") -> dict[str, Any]:
    """The members of the schedule that ends the app at `moment`, as the guard writes them."""
    workspace = probe.made["workspace"]
    return {
        "GroupName": workspace["group"],
        "Name": f"{space or workspace['space']}",
        "ScheduleExpression": at(moment),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": DELETE_APP,
            "RoleArn": workspace["stopper"],
            "Input": json.dumps(app_of(probe, space)),
        },
    }


def write_stop(probe: Probe, space: str = "") -> dict[str, Any]:
    """Write the stop of an app that is about to be started: the stop precedes the start."""
    scheduler = probe.client("scheduler")
    members = stop(probe, probe.now() + dt.timedelta(seconds=END_SECONDS), space)

    def write() -> None:
        try:
            scheduler.create_schedule(**members)
        except ClientError as error:
            if code(error) != "ConflictException":
                raise
            # The stop of the app before, should that still run, is never taken away.
            scheduler.update_schedule(**members)

    probe.make(
        "schedule",
        members["Name"],
        lambda: probe.in_force(write),
        within=members["GroupName"],
    )
    return members


# --- apps -----------------------------------------------------------------------------------------
def start(
    probe: Probe, role: str | None = None, spec: dict[str, str] | None = None, space: str = ""
) -> None:
    """CreateApp, with its stop written before it. Raises what AWS refuses with."""
    write_stop(probe, space)
    client = probe.client("sagemaker", role)
    app = app_of(probe, space)
    probe.make(
        "app",
        app["SpaceName"],
        lambda: client.create_app(
            **app, ResourceSpec=spec or {"InstanceType": INSTANCE}, Tags=probe.tags
        ),
        domain=app["DomainId"],
        space=app["SpaceName"],
    )


def end(probe: Probe, space: str = "") -> None:
    """End the app, and wait until it is gone."""
    app = app_of(probe, space)
    probe.remove_thing(
        "app", {"domain": app["DomainId"], "space": app["SpaceName"], "name": app["SpaceName"]}
    )


def running(probe: Probe, space: str = "") -> dict[str, Any]:
    """The app once it runs, or has failed to."""
    client, app = probe.client("sagemaker"), app_of(probe, space)
    return probe.until(
        "the start of the app",
        lambda: client.describe_app(**app),
        lambda seen: seen["Status"] in ("InService", "Failed", "Deleted"),
        seconds=END_SECONDS - 60,
        every=10,
    )


def refusal(probe: Probe, role: str, spec: dict[str, str] | None = None) -> ClientError | None:
    """How CreateApp is refused to `role`; None if it is not, and then the app is ended."""
    try:
        start(probe, role, spec)
    except ClientError as error:
        if not denied(error):
            raise
        return error
    end(probe)
    return None


# --- the questions --------------------------------------------------------------------------------
def ask_arn(probe: Probe) -> Answer:
    """Under a role that may start apps of another space, then under one that may as ours may."""
    elsewhere = probe.arns.apps.replace(f"{probe.prefix}--", f"{probe.prefix}--other--")
    wrong = probe.acting_role("wrong", starting(elsewhere))
    refused = refusal(probe, wrong)
    if refused is None:
        return read_arn(None, None, expected=app_arn(probe))
    right = probe.acting_role("right", starting(probe.arns.apps))
    try:
        start(probe, right)
    except ClientError as error:
        if not denied(error):
            raise
        return read_arn(message(refused), message(error), expected=app_arn(probe))
    end(probe)
    return read_arn(message(refused), None, expected=app_arn(probe))


def read_arn(refused: str | None, ours_refused: str | None, *, expected: str) -> Answer:
    """`refused`: what was said to the role for other spaces; None: it was let through."""
    if refused is None:
        return contradicted("a role for another space's apps was allowed to start this one")
    found = _ARN.search(refused)
    named = found[1] if found else ""
    if ours_refused is not None:
        return contradicted(
            f"our pattern does not match: the app's ARN is {named or 'not told'}",
            arn=named,
            refused=ours_refused,
        )
    if not named:
        return confirmed("our pattern matches; AWS did not say the ARN", arn="")
    exact = "as we wrote it" if named == expected else f"which we would have written {expected}"
    return confirmed(f"our pattern matches; the ARN is {named}, {exact}", arn=named)


def ask_system(probe: Probe) -> Answer:
    without = probe.acting_role("no-system", starting(probe.arns.apps, [INSTANCE]))
    refused = refusal(probe, without)
    if refused is None:
        return read_system(without_refused=False, with_refused=False)
    admitting = probe.acting_role("system", starting(probe.arns.apps, [INSTANCE, "system"]))
    again = refusal(probe, admitting)
    return read_system(without_refused=True, with_refused=again is not None)


def read_system(*, without_refused: bool, with_refused: bool) -> Answer:
    if with_refused:
        return contradicted("an allow-list with `system` is refused, too: CreateApp sends more")
    if without_refused:
        return confirmed("an allow-list without `system` is refused, one with it is not")
    return contradicted(
        "an allow-list without `system` is allowed: admitting it is harmless, and not needed"
    )


def ask_pending(probe: Probe) -> Answer:
    client, app = probe.client("sagemaker"), app_of(probe)
    start(probe)
    status = str(client.describe_app(**app)["Status"])
    try:
        client.delete_app(**app)
    except ClientError as error:
        answer = read_pending(status, f"{code(error)}: {message(error)}")
    else:
        answer = read_pending(status, None)
    end(probe)
    return answer


def read_pending(status: str, refused: str | None) -> Answer:
    if status != "Pending":
        return untold(f"the app was {status} already when it was deleted", status=status)
    if refused:
        return contradicted(f"DeleteApp of a pending app is refused: {refused}", refused=refused)
    return confirmed("DeleteApp is accepted while the app is pending")


def ask_image(probe: Probe) -> Answer:
    start(probe)
    try:
        seen = running(probe)
    finally:
        end(probe)
    return read_image(seen)


def read_image(seen: Mapping[str, Any]) -> Answer:
    spec = seen.get("ResourceSpec", {})
    if seen["Status"] != "InService":
        return contradicted(
            f"an app that names no image is {seen['Status']}: {seen.get('FailureReason', '')}"
        )
    image = spec.get("SageMakerImageArn", "")
    what = f" on {image} {spec.get('SageMakerImageVersionArn', '')}".rstrip() if image else ""
    return confirmed(f"an app that names no image starts{what}", spec=dict(spec))


def ask_unborn(probe: Probe) -> Answer:
    try:
        write_stop(probe, space=f"{probe.made['workspace']['space']}--later")
    except ClientError as error:
        return read_unborn(f"{code(error)}: {message(error)}")
    return read_unborn(None)


def read_unborn(refused: str | None) -> Answer:
    if refused:
        return contradicted(f"a schedule for an app that is not there is refused: {refused}")
    return confirmed("a schedule may name an app that does not exist yet")


def ask_stop(probe: Probe) -> Answer:
    """Start an app with its stop written, bring the stop forward, and look whether it comes."""
    start(probe)
    try:
        seen = running(probe)
        if seen["Status"] != "InService":
            return untold(f"the app did not start: {seen.get('FailureReason', seen['Status'])}")
        due = probe.now() + dt.timedelta(seconds=90)
        probe.client("scheduler").update_schedule(**stop(probe, due))
        probe.pass_seconds(120)
        client, app = probe.client("sagemaker"), app_of(probe)
        try:
            status = probe.until(
                "the schedule",
                lambda: str(client.describe_app(**app)["Status"]),
                lambda each: each in ("Deleting", "Deleted"),
                seconds=180,
            )
        except TookTooLong:
            status = "InService"
        return read_stop(status)
    finally:
        end(probe)


def read_stop(status: str) -> Answer:
    if status in ("Deleting", "Deleted"):
        return confirmed(f"the schedule's deleteApp ended the app: it is {status}", status=status)
    return contradicted(
        "the schedule fell due and the app runs on: look at the role's events in CloudTrail",
        status=status,
    )


def ask_past(probe: Probe) -> Answer:
    scheduler = probe.client("scheduler")
    space = f"{probe.made['workspace']['space']}--past"
    members = stop(probe, probe.now() - dt.timedelta(hours=1), space)
    try:
        probe.make(
            "schedule",
            members["Name"],
            lambda: scheduler.create_schedule(**members),
            within=members["GroupName"],
        )
    except ClientError as error:
        return read_past(code(error), message(error))
    return read_past(None, "")


def read_past(refused: str | None, said: str) -> Answer:
    if refused is None:
        return contradicted("a schedule in the past is accepted: it may fire at once")
    if refused == "ValidationException":
        return confirmed(f"a time in the past is refused: {said}", code=refused)
    return untold(f"refused for another reason: {refused}: {said}", code=refused)


def ask_leftovers(probe: Probe) -> Answer:
    """Remove the workspace but its network, and look what is left in the network."""
    workspace = probe.made["workspace"]
    described = probe.client("sagemaker").describe_domain(DomainId=workspace["domain"])
    failures = probe.remove(kinds=("app", "schedule", "space", "profile", "domain"))
    # From here on there is no workspace for anybody.
    probe.failed["workspace"] = "it was removed to see what it leaves behind"
    del probe.made["workspace"]
    ec2 = probe.client("ec2")
    ours = [{"Name": "vpc-id", "Values": [workspace["vpc"]]}]
    groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
    interfaces = ec2.describe_network_interfaces(Filters=ours)["NetworkInterfaces"]
    return read_leftovers(
        file_system=described.get("HomeEfsFileSystemId"),
        groups=[each["GroupName"] for each in groups],
        interfaces=[each["NetworkInterfaceId"] for each in interfaces],
        failures=failures,
    )


def read_leftovers(
    *, file_system: str | None, groups: list[str], interfaces: list[str], failures: list[str]
) -> Answer:
    extra = [name for name in groups if name != "default"]
    seen = {"groups": groups, "interfaces": interfaces, "failures": failures}
    if file_system:
        return contradicted(f"the domain made a file system, {file_system}", **seen)
    if failures:
        return contradicted(f"not all of it could be deleted: {'; '.join(failures)}", **seen)
    if extra or interfaces:
        left = ", ".join([*extra, *interfaces])
        return contradicted(f"deleted, the domain leaves behind: {left}", **seen)
    return confirmed(
        "without EFS a domain, its profile and its space start and go without leftovers", **seen
    )
