"""What several questions stand on: made when the first of them comes, removed at the end.

- `bucket`: a versioned bucket that tells EventBridge of its objects.
- `catcher`: a function that puts every event that it is called with into a queue. Rules deliver to
  it as they deliver to the academy's own functions.
- `workspace`: a network, a Studio domain without EFS, a profile and a private space, with the
  academy's own settings, and the schedule group and role that end its apps.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.cli.probe.budget import Cost, units
from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Allowance

#: As the academy's own functions.
RUNTIME = "python3.11"
#: The smallest that a space's disk can be.
DISK_GB = 5
#: An idle app ends by itself then: AWS's own, should everything else fail.
IDLE_MINUTES = 60
LEARNER = "ana"
INSTANCE = "ml.t3.medium"

CATCHER = """\
import json, os
import boto3

def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


class NotMade(Exception):
    """A shared thing that could not be made."""


@dataclass(frozen=True)
class Shared:
    """A thing that questions share; as a question it has a price and needs permissions."""

    make: Callable[[Probe], dict[str, str]]
    makes: tuple[str, ...]
    costs: tuple[Cost, ...] = ()
    needs: tuple[Allowance, ...] = ()
    minutes: int = 1


def zipped(code: str) -> bytes:
    """A bundle whose only module is `app`; the same code, the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), code)
    return made.getvalue()


def function(probe: Probe, what: str, code: str, role_arn: str, **settings: Any) -> str:
    """A function of the academy's kind; returns its ARN when it is ready."""
    name = probe.name(what)
    client = probe.client("lambda")
    # Lambda makes its log group when it first runs.
    probe.note("log-group", f"/aws/lambda/{name}")
    made = probe.make(
        "function",
        name,
        lambda: probe.in_force(
            lambda: client.create_function(
                FunctionName=name,
                Runtime=RUNTIME,
                Handler="app.handler",
                Role=role_arn,
                Code={"ZipFile": zipped(code)},
                Timeout=30,
                Tags=probe.tag_map,
                **settings,
            )
        ),
    )
    probe.until(
        f"function {name}",
        lambda: client.get_function(FunctionName=name)["Configuration"].get("State", "Active"),
        lambda state: state == "Active",
        seconds=120,
    )
    return str(made["FunctionArn"])


# --- bucket ---------------------------------------------------------------------------------------
def _bucket(probe: Probe) -> dict[str, str]:
    s3, name = probe.client("s3"), f"{probe.prefix}-{probe.account}"
    where = (
        {}
        if probe.region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": probe.region}}
    )
    probe.make("bucket", name, lambda: s3.create_bucket(Bucket=name, **where))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": probe.tags})
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    return {"name": name}


# --- catcher --------------------------------------------------------------------------------------
def _catcher(probe: Probe) -> dict[str, str]:
    sqs, queue = probe.client("sqs"), probe.name("caught")
    made = probe.make(
        "queue",
        queue,
        lambda: sqs.create_queue(
            QueueName=queue,
            # A message that was read once is not seen again before the queue is gone.
            Attributes={"VisibilityTimeout": "43200"},
            tags=probe.tag_map,
        ),
    )
    statements = [
        {
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": probe.arn("sqs", queue),
        }
    ]
    role = probe.role("catcher", "lambda.amazonaws.com", statements)
    arn = function(
        probe,
        "catcher",
        CATCHER,
        role,
        Environment={"Variables": {"QUEUE": made["QueueUrl"]}},
    )
    probe.client("lambda").add_permission(
        FunctionName=probe.name("catcher"),
        StatementId="rules",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=probe.arn("events", f"rule/{probe.prefix}*"),
    )
    return {"queue": str(made["QueueUrl"]), "function": arn}


def rule(probe: Probe, what: str, pattern: dict[str, Any]) -> None:
    """A rule that delivers matching events to the catcher."""
    name, events = probe.name(what), probe.client("events")
    probe.make(
        "rule",
        name,
        lambda: events.put_rule(Name=name, EventPattern=json.dumps(pattern), Tags=probe.tags),
    )
    target = {"Id": "catcher", "Arn": probe.made["catcher"]["function"]}
    failed = events.put_targets(Rule=name, Targets=[target])["FailedEntries"]
    if failed:
        raise RuntimeError(f"rule {name} could not be told its target: {failed}")


def caught(
    probe: Probe, wanted: Callable[[dict[str, Any]], bool], *, count: int, seconds: int
) -> list[dict[str, Any]]:
    """Events that came to the catcher and are `wanted`: at least `count`, or what there were."""
    sqs, queue = probe.client("sqs"), probe.made["catcher"]["queue"]
    found: list[dict[str, Any]] = []
    wait = 5 if probe.source == "aws" else 0
    for _ in range(seconds // 5):
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        events = [json.loads(each["Body"]) for each in answer.get("Messages", ())]
        found += filter(wanted, events)
        if len(found) >= count:
            break
        if not events:
            probe.pace.look(1)
    return found


# --- workspace ------------------------------------------------------------------------------------
def _workspace(probe: Probe) -> dict[str, str]:
    probe.say("making a Studio domain, which takes minutes")
    network = _network(probe)
    role = probe.role("space", "sagemaker.amazonaws.com")
    # The academy's own role for stops: its policy, its trust, its schedule group's name.
    stopper = probe.role(
        "stopper",
        "scheduler.amazonaws.com",
        [{"Effect": "Allow", "Action": "sagemaker:DeleteApp", "Resource": probe.arns.apps}],
        when={
            "StringEquals": {"aws:SourceAccount": probe.account},
            "ArnEquals": {"aws:SourceArn": probe.arns.schedule_group},
        },
    )
    group = probe.names.schedule_group
    scheduler = probe.client("scheduler")
    probe.make(
        "schedule-group",
        group,
        lambda: scheduler.create_schedule_group(Name=group, Tags=probe.tags),
    )
    domain = _domain(probe, network, role)
    name = probe.names.workspace(LEARNER)
    _profile(probe, domain, name, role)
    space(probe, domain, name, owner=name)
    return {
        "domain": domain,
        "space": name,
        "profile": name,
        "vpc": network["vpc"],
        "stopper": stopper,
        "group": group,
        "role": role,
    }


def _network(probe: Probe) -> dict[str, str]:
    ec2 = probe.client("ec2")

    def tagged(kind: str, name: str) -> list[dict[str, Any]]:
        tags = [*probe.tags, {"Key": "Name", "Value": name}]
        return [{"ResourceType": kind, "Tags": tags}]

    name = probe.name("net")
    vpc = probe.make(
        "vpc",
        name,
        lambda: ec2.create_vpc(CidrBlock="10.87.0.0/24", TagSpecifications=tagged("vpc", name)),
        learn="Vpc.VpcId",
    )["Vpc"]["VpcId"]
    subnet = probe.make(
        "subnet",
        name,
        lambda: ec2.create_subnet(
            VpcId=vpc, CidrBlock="10.87.0.0/26", TagSpecifications=tagged("subnet", name)
        ),
        learn="Subnet.SubnetId",
    )["Subnet"]["SubnetId"]
    return {"vpc": str(vpc), "subnet": str(subnet)}


def _domain(probe: Probe, network: dict[str, str], role: str) -> str:
    sagemaker, name = probe.client("sagemaker"), probe.names.workspace(LEARNER)
    idle = {
        "LifecycleManagement": "ENABLED",
        "IdleTimeoutInMinutes": IDLE_MINUTES,
        "MinIdleTimeoutInMinutes": IDLE_MINUTES,
        "MaxIdleTimeoutInMinutes": IDLE_MINUTES,
    }
    disk = {"DefaultEbsVolumeSizeInGb": DISK_GB, "MaximumEbsVolumeSizeInGb": DISK_GB}
    made = probe.make(
        "domain",
        name,
        lambda: probe.in_force(
            lambda: sagemaker.create_domain(
                DomainName=name,
                AuthMode="IAM",
                AppNetworkAccessType="PublicInternetOnly",
                HomeEfsFileSystemCreation="Disabled",
                VpcId=network["vpc"],
                SubnetIds=[network["subnet"]],
                DefaultUserSettings={
                    "ExecutionRole": role,
                    "AutoMountHomeEFS": "Disabled",
                    "StudioWebPortal": "ENABLED",
                    "DefaultLandingUri": "studio::",
                    "JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": idle}},
                    "SpaceStorageSettings": {"DefaultEbsStorageSettings": disk},
                },
                Tags=probe.tags,
            )
        ),
        learn="DomainArn",
    )
    domain = str(made["DomainArn"]).rsplit("/", 1)[-1]
    probe.note("log-streams", "/aws/sagemaker/studio", prefix=f"{domain}/")
    _in_service(probe, "domain", lambda: sagemaker.describe_domain(DomainId=domain), seconds=1200)
    return domain


def _profile(probe: Probe, domain: str, name: str, role: str) -> None:
    sagemaker = probe.client("sagemaker")
    given = {"DomainId": domain, "UserProfileName": name}
    probe.make(
        "profile",
        name,
        lambda: sagemaker.create_user_profile(
            **given, UserSettings={"ExecutionRole": role}, Tags=probe.tags
        ),
        domain=domain,
    )
    _in_service(probe, "profile", lambda: sagemaker.describe_user_profile(**given), seconds=600)


def space(probe: Probe, domain: str, name: str, *, owner: str) -> None:
    """A private space, as the academy's, with the smallest disk."""
    sagemaker = probe.client("sagemaker")
    given = {"DomainId": domain, "SpaceName": name}
    probe.make(
        "space",
        name,
        lambda: sagemaker.create_space(
            **given,
            OwnershipSettings={"OwnerUserProfileName": owner},
            SpaceSharingSettings={"SharingType": "Private"},
            SpaceSettings={
                "AppType": "JupyterLab",
                "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": INSTANCE}},
                "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": DISK_GB}},
            },
            Tags=probe.tags,
        ),
        domain=domain,
    )
    _in_service(probe, "space", lambda: sagemaker.describe_space(**given), seconds=600)


def _in_service(
    probe: Probe, what: str, look: Callable[[], dict[str, Any]], *, seconds: int
) -> None:
    found = probe.until(
        f"the {what}",
        look,
        lambda seen: seen["Status"] not in ("Pending", "Updating"),
        seconds=seconds,
        every=10,
    )
    if found["Status"] != "InService":
        raise RuntimeError(f"the {what} is {found['Status']}: {found.get('FailureReason', '')}")


SHARED: dict[str, Shared] = {
    "bucket": Shared(
        _bucket,
        ("bucket",),
        (
            units("s3_write_or_list", 200, "puts, listings and removals of tiny objects"),
            units("s3_read", 200, "reads of them"),
            units("s3_stored", "0.001", "a megabyte for a month, should it stay"),
        ),
    ),
    "catcher": Shared(
        _catcher,
        ("queue", "role", "function", "log-group"),
        (
            units("lambda_request", 1000, "an event a call, tried three times"),
            units("lambda_compute", 1000, "each a second of a quarter of a GB, rounded up"),
            units("sqs_request", 2000, "messages and looks at them"),
            units("log_ingested", "0.001", "a megabyte of log lines"),
        ),
    ),
    "workspace": Shared(
        _workspace,
        (
            *("vpc", "subnet", "role", "schedule-group", "domain", "log-streams"),
            *("profile", "space"),
        ),
        (
            units("space_disk", 5, "the space's disk, a month of it should it stay"),
            units("log_ingested", "0.01", "the apps' logs"),
        ),
        minutes=10,
    ),
}


def require(probe: Probe, name: str) -> None:
    """Make a shared thing if it is not there; its calls are recorded with the other shared ones.

    Raises:
        NotMade: if it could not be made, now or before.
    """
    if name in probe.made:
        return
    if name in probe.failed:
        raise NotMade(f"the {name} could not be made: {probe.failed[name]}")
    group, probe.group = probe.group, name
    about = probe.recorder.about("shared")
    try:
        probe.made[name] = SHARED[name].make(probe)
    except Exception as error:
        probe.failed[name] = str(error)
        raise NotMade(f"the {name} could not be made: {error}") from error
    finally:
        probe.group = group
        probe.recorder.about(about)
