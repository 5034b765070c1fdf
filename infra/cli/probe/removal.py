"""How each kind of thing is removed: by its name or its id, whether or not it is there.

A removal must do when the thing was never made, when it is half gone, and when it is asked for
again; so "there is no such thing" is success. What AWS takes a while to remove is waited for, since
what was made before it cannot go first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.pace import Pace
from infra.cli.probe.question import Allowance

#: How long a removal is waited for. An app takes minutes, a domain too.
WAIT_SECONDS = 1200
LOOK_SECONDS = 10

Clients = Callable[[str], Any]

_MISSING_CODES = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidSubnetID.NotFound",
        "InvalidVpcID.NotFound",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "RepositoryNotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "StackNotFoundException",
    }
)


def missing(error: ClientError) -> bool:
    """Whether the thing that was named is not there."""
    details = error.response.get("Error", {})
    text = str(details.get("Message", "")).lower()
    return details.get("Code") in _MISSING_CODES or (
        details.get("Code") in ("ValidationException", "ValidationError")
        and ("not found" in text or "does not exist" in text or "could not find" in text)
    )


class StillThere(Exception):
    """A thing that did not go in time."""


@dataclass(frozen=True)
class Kind:
    """A kind of thing: what makes it is allowed by `makes`, what removes it by `removes`, on
    `resource`, in which {prefix}, {account} and {region} stand for themselves."""

    remove: Callable[[Clients, dict[str, str], Pace], None]
    resource: str
    makes: tuple[str, ...]
    removes: tuple[str, ...]
    #: What only knows the wildcard.
    anywhere: tuple[str, ...] = ()

    def allowances(self) -> tuple[Allowance, ...]:
        found = [Allowance((*self.makes, *self.removes), self.resource)]
        if self.anywhere:
            found.append(Allowance(self.anywhere))
        return tuple(found)


def remove(clients: Clients, kind: str, at: dict[str, str], pace: Pace) -> None:
    """Remove a thing of `kind`, whose name and ids are `at`.

    Raises:
        ClientError: if AWS refuses for another reason than that it is not there.
        StillThere: if it does not go.
    """
    with contextlib.suppress(_Gone), _gone_if_missing():
        KINDS[kind].remove(clients, at, pace)


class _Gone(Exception):
    """It is not there."""


@contextlib.contextmanager
def _gone_if_missing() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if missing(error):
            raise _Gone from error
        raise


def _until_gone(look: Callable[[], Any], pace: Pace, what: str) -> None:
    """Wait until `look` finds nothing (None, or an error that says so)."""
    for _ in range(WAIT_SECONDS // LOOK_SECONDS):
        try:
            found = look()
        except ClientError as error:
            if missing(error):
                return
            raise
        if found is None:
            return
        pace.look(LOOK_SECONDS)
    raise StillThere(f"{what} is still there after {WAIT_SECONDS // 60} minutes")


# --- IAM, Lambda, logs ----------------------------------------------------------------------------
def _role(clients: Clients, at: dict[str, str], _: Pace) -> None:
    iam = clients("iam")
    for policy in iam.list_role_policies(RoleName=at["name"])["PolicyNames"]:
        iam.delete_role_policy(RoleName=at["name"], PolicyName=policy)
    iam.delete_role(RoleName=at["name"])


def _policy(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("iam").delete_policy(PolicyArn=at["arn"])


def _function(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("lambda").delete_function(FunctionName=at["name"])


def _log_group(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("logs").delete_log_group(logGroupName=at["name"])


def _log_streams(clients: Clients, at: dict[str, str], _: Pace) -> None:
    logs = clients("logs")
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=at["name"], logStreamNamePrefix=at["prefix"]
    )
    for page in pages:
        for stream in page["logStreams"]:
            logs.delete_log_stream(logGroupName=at["name"], logStreamName=stream["logStreamName"])


# --- storage, messages ----------------------------------------------------------------------------
def _bucket(clients: Clients, at: dict[str, str], _: Pace) -> None:
    s3 = clients("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=at["name"]):
        for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            s3.delete_object(Bucket=at["name"], Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=at["name"])


def _queue(clients: Clients, at: dict[str, str], _: Pace) -> None:
    sqs = clients("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=at["name"])["QueueUrl"])


def _topic(clients: Clients, at: dict[str, str], _: Pace) -> None:
    sns = clients("sns")
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=at["arn"]):
        for each in page["Subscriptions"]:
            if each["SubscriptionArn"].startswith("arn:"):
                sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    sns.delete_topic(TopicArn=at["arn"])


def _key(clients: Clients, at: dict[str, str], _: Pace) -> None:
    kms = clients("kms")
    key = at.get("id") or _key_tagged(kms, at["name"])
    if key is None or kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return
    # The shortest wait that KMS takes; a key that waits for its deletion bills nothing.
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def _key_tagged(kms: Any, name: str) -> str | None:
    for page in kms.get_paginator("list_keys").paginate():
        for each in page["Keys"]:
            try:
                tags = kms.list_resource_tags(KeyId=each["KeyId"])["Tags"]
            except ClientError:
                continue  # AWS's own keys, and those that another policy closes
            if {"TagKey": "Name", "TagValue": name} in tags:
                return str(each["KeyId"])
    return None


# --- events, schedules, alarms, budgets -----------------------------------------------------------
def _rule(clients: Clients, at: dict[str, str], _: Pace) -> None:
    events = clients("events")
    targets = events.list_targets_by_rule(Rule=at["name"])["Targets"]
    if targets:
        events.remove_targets(Rule=at["name"], Ids=[each["Id"] for each in targets])
    events.delete_rule(Name=at["name"])


def _schedule(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("scheduler").delete_schedule(GroupName=at["within"], Name=at["name"])


def _schedule_group(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("scheduler").delete_schedule_group(Name=at["name"])


def _alarm(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("cloudwatch").delete_alarms(AlarmNames=[at["name"]])


def _budget(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("budgets").delete_budget(AccountId=at["account"], BudgetName=at["name"])


# --- network --------------------------------------------------------------------------------------
def _by_name(ec2: Any, operation: str, member: str, identifier: str, name: str) -> str | None:
    found = getattr(ec2, operation)(Filters=[{"Name": "tag:Name", "Values": [name]}])[member]
    return str(found[0][identifier]) if found else None


def _vpc(clients: Clients, at: dict[str, str], _: Pace) -> None:
    ec2 = clients("ec2")
    vpc = at.get("id") or _by_name(ec2, "describe_vpcs", "Vpcs", "VpcId", at["name"])
    if vpc is not None:
        ec2.delete_vpc(VpcId=vpc)


def _subnet(clients: Clients, at: dict[str, str], _: Pace) -> None:
    ec2 = clients("ec2")
    subnet = at.get("id") or _by_name(ec2, "describe_subnets", "Subnets", "SubnetId", at["name"])
    if subnet is not None:
        ec2.delete_subnet(SubnetId=subnet)


# --- SageMaker ------------------------------------------------------------------------------------
def _domain_id(sagemaker: Any, name: str) -> str | None:
    for page in sagemaker.get_paginator("list_domains").paginate():
        for each in page["Domains"]:
            if each["DomainName"] == name:
                return str(each["DomainId"])
    return None


def _domain(clients: Clients, at: dict[str, str], pace: Pace) -> None:
    sagemaker = clients("sagemaker")
    # The id is the end of its ARN.
    domain = at.get("id", "").rsplit("/", 1)[-1] or _domain_id(sagemaker, at["name"])
    if domain is None:
        return
    _until_steady(lambda: sagemaker.describe_domain(DomainId=domain)["Status"], pace)
    sagemaker.delete_domain(DomainId=domain, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    _until_gone(lambda: sagemaker.describe_domain(DomainId=domain), pace, f"domain {domain}")


def _until_steady(status: Callable[[], str], pace: Pace) -> None:
    """Wait while something is being made: AWS refuses to remove it before."""
    for _ in range(WAIT_SECONDS // LOOK_SECONDS):
        if status() not in ("Pending", "Updating"):
            return
        pace.look(LOOK_SECONDS)


def _profile(clients: Clients, at: dict[str, str], pace: Pace) -> None:
    sagemaker = clients("sagemaker")
    given = {"DomainId": at["domain"], "UserProfileName": at["name"]}
    _until_steady(lambda: sagemaker.describe_user_profile(**given)["Status"], pace)
    sagemaker.delete_user_profile(**given)
    _until_gone(lambda: sagemaker.describe_user_profile(**given), pace, f"profile {at['name']}")


def _space(clients: Clients, at: dict[str, str], pace: Pace) -> None:
    sagemaker = clients("sagemaker")
    given = {"DomainId": at["domain"], "SpaceName": at["name"]}
    _until_steady(lambda: sagemaker.describe_space(**given)["Status"], pace)
    sagemaker.delete_space(**given)
    _until_gone(lambda: sagemaker.describe_space(**given), pace, f"space {at['name']}")


def _app(clients: Clients, at: dict[str, str], pace: Pace) -> None:
    sagemaker = clients("sagemaker")
    given = {
        "DomainId": at["domain"],
        "SpaceName": at["space"],
        "AppType": "JupyterLab",
        "AppName": "default",
    }

    def live() -> str | None:
        status = str(sagemaker.describe_app(**given)["Status"])
        return None if status in ("Deleted", "Failed") else status

    for _ in range(WAIT_SECONDS // LOOK_SECONDS):
        status = live()
        if status is None:
            return
        if status != "Deleting":
            try:
                sagemaker.delete_app(**given)
            except ClientError as error:
                # ResourceInUse: it goes already, or cannot yet; the next look tells.
                if error.response["Error"]["Code"] != "ResourceInUse":
                    raise
        pace.look(LOOK_SECONDS)
    raise StillThere(f"the app of space {at['space']} is still there")


def _job(clients: Clients, at: dict[str, str], pace: Pace) -> None:
    sagemaker = clients("sagemaker")
    named = {"TrainingJobName": at["name"]}
    for attempt in range(WAIT_SECONDS // LOOK_SECONDS):
        status = sagemaker.describe_training_job(**named)["TrainingJobStatus"]
        if status in ("Completed", "Failed", "Stopped"):
            break
        if attempt == 0 and status == "InProgress":
            with contextlib.suppress(ClientError):  # it ended between the look and the stop
                sagemaker.stop_training_job(**named)
        pace.look(LOOK_SECONDS)
    else:
        raise StillThere(f"training job {at['name']} does not stop")
    # The record of it stays if this is refused; it runs nothing and costs nothing.
    with contextlib.suppress(ClientError):
        sagemaker.delete_training_job(**named)


def _app_image_config(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("sagemaker").delete_app_image_config(AppImageConfigName=at["name"])


# --- registries, stacks ---------------------------------------------------------------------------
def _repository(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("ecr").delete_repository(repositoryName=at["name"], force=True)


def _stack(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("cloudformation").delete_stack(StackName=at["name"])


def _of(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{{region}}:{{account}}:{resource}"


KINDS: dict[str, Kind] = {
    "alarm": Kind(
        _alarm,
        _of("cloudwatch", "alarm:{prefix}*"),
        ("cloudwatch:PutMetricAlarm",),
        ("cloudwatch:DeleteAlarms",),
    ),
    "app": Kind(
        _app,
        _of("sagemaker", "app/*/{prefix}*/*/*"),
        ("sagemaker:CreateApp", "sagemaker:AddTags"),
        ("sagemaker:DescribeApp", "sagemaker:DeleteApp"),
    ),
    "app-image-config": Kind(
        _app_image_config,
        _of("sagemaker", "app-image-config/{prefix}*"),
        ("sagemaker:CreateAppImageConfig", "sagemaker:AddTags"),
        ("sagemaker:DeleteAppImageConfig",),
    ),
    "bucket": Kind(
        _bucket,
        "arn:aws:s3:::{prefix}*",
        (
            "s3:CreateBucket",
            "s3:PutBucketTagging",
            "s3:PutBucketNotification",
            "s3:PutObject",
            "s3:GetObject",
        ),
        ("s3:ListBucketVersions", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:DeleteBucket"),
    ),
    "budget": Kind(
        _budget,
        "arn:aws:budgets::{account}:budget/{prefix}*",
        ("budgets:ModifyBudget", "budgets:ViewBudget", "budgets:TagResource"),
        (),
    ),
    "domain": Kind(
        _domain,
        _of("sagemaker", "domain/*"),
        ("sagemaker:CreateDomain", "sagemaker:AddTags"),
        ("sagemaker:DescribeDomain", "sagemaker:DeleteDomain"),
        anywhere=("sagemaker:ListDomains",),
    ),
    "function": Kind(
        _function,
        _of("lambda", "function:{prefix}*"),
        (
            "lambda:CreateFunction",
            "lambda:CreateAlias",
            "lambda:GetFunction",
            "lambda:AddPermission",
            "lambda:InvokeFunction",
            "lambda:TagResource",
        ),
        ("lambda:DeleteFunction",),
    ),
    "key": Kind(
        _key,
        _of("kms", "key/*"),
        ("kms:TagResource", "kms:PutKeyPolicy"),
        ("kms:DescribeKey", "kms:ScheduleKeyDeletion", "kms:ListResourceTags"),
        anywhere=("kms:CreateKey", "kms:ListKeys"),
    ),
    "log-group": Kind(
        _log_group,
        _of("logs", "log-group:/aws/lambda/{prefix}*"),
        (),
        ("logs:DeleteLogGroup",),
    ),
    "log-streams": Kind(
        _log_streams,
        _of("logs", "log-group:/aws/sagemaker/*"),
        (),
        ("logs:DescribeLogStreams", "logs:DeleteLogStream"),
    ),
    "policy": Kind(
        _policy,
        "arn:aws:iam::{account}:policy/{prefix}*",
        ("iam:CreatePolicy", "iam:TagPolicy"),
        ("iam:DeletePolicy",),
    ),
    "profile": Kind(
        _profile,
        _of("sagemaker", "user-profile/*/{prefix}*"),
        ("sagemaker:CreateUserProfile", "sagemaker:AddTags"),
        ("sagemaker:DescribeUserProfile", "sagemaker:DeleteUserProfile"),
    ),
    "queue": Kind(
        _queue,
        _of("sqs", "{prefix}*"),
        ("sqs:CreateQueue", "sqs:TagQueue", "sqs:ReceiveMessage"),
        ("sqs:GetQueueUrl", "sqs:DeleteQueue"),
    ),
    "repository": Kind(
        _repository,
        _of("ecr", "repository/{prefix}*"),
        ("ecr:CreateRepository", "ecr:TagResource"),
        ("ecr:DeleteRepository",),
    ),
    "role": Kind(
        _role,
        "arn:aws:iam::{account}:role/{prefix}*",
        (
            "iam:CreateRole",
            "iam:TagRole",
            "iam:PutRolePolicy",
            "iam:GetRole",
            "iam:PassRole",
            "sts:AssumeRole",
        ),
        ("iam:ListRolePolicies", "iam:DeleteRolePolicy", "iam:DeleteRole"),
    ),
    "rule": Kind(
        _rule,
        _of("events", "rule/{prefix}*"),
        ("events:PutRule", "events:PutTargets", "events:TagResource"),
        ("events:ListTargetsByRule", "events:RemoveTargets", "events:DeleteRule"),
    ),
    "schedule": Kind(
        _schedule,
        _of("scheduler", "schedule/{prefix}*/*"),
        ("scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:GetSchedule"),
        ("scheduler:DeleteSchedule",),
    ),
    "schedule-group": Kind(
        _schedule_group,
        _of("scheduler", "schedule-group/{prefix}*"),
        ("scheduler:CreateScheduleGroup", "scheduler:TagResource"),
        ("scheduler:DeleteScheduleGroup",),
    ),
    "space": Kind(
        _space,
        _of("sagemaker", "space/*/{prefix}*"),
        ("sagemaker:CreateSpace", "sagemaker:AddTags"),
        ("sagemaker:DescribeSpace", "sagemaker:DeleteSpace"),
    ),
    "stack": Kind(
        _stack,
        _of("cloudformation", "stack/{prefix}*/*"),
        ("cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet"),
        ("cloudformation:DeleteStack",),
    ),
    "subnet": Kind(
        _subnet,
        "*",
        ("ec2:CreateSubnet", "ec2:CreateTags"),
        ("ec2:DescribeSubnets", "ec2:DeleteSubnet"),
    ),
    "topic": Kind(
        _topic,
        _of("sns", "{prefix}*"),
        ("sns:CreateTopic", "sns:TagResource", "sns:SetTopicAttributes", "sns:Subscribe"),
        ("sns:ListSubscriptionsByTopic", "sns:DeleteTopic"),
        anywhere=("sns:Unsubscribe",),
    ),
    "training-job": Kind(
        _job,
        _of("sagemaker", "training-job/{prefix}*"),
        ("sagemaker:CreateTrainingJob", "sagemaker:AddTags"),
        (
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
            "sagemaker:DeleteTrainingJob",
        ),
    ),
    "vpc": Kind(
        _vpc,
        "*",
        ("ec2:CreateVpc", "ec2:CreateTags"),
        ("ec2:DescribeVpcs", "ec2:DeleteVpc"),
    ),
}
