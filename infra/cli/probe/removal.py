"""How each kind of thing is removed: by its name or its id, whether or not it is there.

A removal must do when the thing was never made, when it is half gone, and when it is asked for
again; so "there is no such thing" is success. What AWS takes a while to remove is waited for, since
what was made before it cannot go first.

A record is a file, and may be another's or forged: nothing is removed whose name, or whose tag or
name on AWS where the record has an id alone, is not of the run that the record is about.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.pace import Pace
from infra.cli.probe.question import Allowance

#: How long a removal is waited for. An app takes minutes, a domain too.
WAIT_SECONDS = 1200
LOOK_SECONDS = 10

Clients = Callable[[str], Any]
Unrecorded = Callable[[], contextlib.AbstractContextManager[None]]

_RUN_PREFIX = re.compile(r"academy-probe-[0-9a-f]{8}")
#: Groups of AWS's own, in which others have streams, too.
_LOG_GROUPS = frozenset({"/aws/sagemaker/studio", "/aws/sagemaker/TrainingJobs"})
#: How KMS says that a key's tags are not to be seen: AWS's own, and what another policy closes.
_CLOSED_KEY = frozenset({"AccessDeniedException", "NotFoundException"})

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


class NotOurs(Exception):
    """A record names what is not of its run: it is not touched."""


@dataclass(frozen=True)
class Kind:
    """A kind of thing: what makes it is allowed by `makes`, what removes it by `removes`, on
    `resource`, in which {prefix}, {account} and {region} stand for themselves.

    `find`, of what goes by an id: the ids of all that carry the name on AWS. `remove` is called
    with each of them, never with an id that is merely on record.
    """

    remove: Callable[[Clients, dict[str, str], Pace], None]
    resource: str
    makes: tuple[str, ...]
    removes: tuple[str, ...]
    #: What only knows the wildcard.
    anywhere: tuple[str, ...] = ()
    find: Callable[[Clients, dict[str, str]], list[str]] | None = None

    def allowances(self) -> tuple[Allowance, ...]:
        found = [Allowance((*self.makes, *self.removes), self.resource)]
        if self.anywhere:
            found.append(Allowance(self.anywhere))
        return tuple(found)


def remove(
    clients: Clients,
    kind: str,
    at: dict[str, str],
    pace: Pace,
    *,
    prefix: str,
    unrecorded: Unrecorded = contextlib.nullcontext,
) -> None:
    """Remove a thing of `kind`, whose name and ids are `at`.

    Args:
        prefix: what every name of the run begins with.
        unrecorded: looking for a thing meets those of others; nothing is recorded within.

    Raises:
        NotOurs: if it is not of this run; nothing was touched.
        ClientError: if AWS refuses for another reason than that it is not there.
        StillThere: if it does not go.
    """
    require_ours(kind, at, prefix)
    find = KINDS[kind].find
    at = {**at, "run": prefix}
    if find is None:
        targets = [at]
    else:
        with unrecorded():
            targets = [{**at, "id": each} for each in find(clients, at)]
    for target in targets:
        with contextlib.suppress(_Gone), _gone_if_missing():
            KINDS[kind].remove(clients, target, pace)


def require_ours(kind: str, at: dict[str, str], prefix: str) -> None:
    """Hold every name in `at` to the names that the run gives.

    Raises:
        NotOurs: naming what is not one of them.
    """
    if not _RUN_PREFIX.fullmatch(prefix):
        raise NotOurs(f"refused: {prefix} is the prefix of no run")
    names = {member: at[member] for member in ("name", "within", "space", "arn") if member in at}
    if kind == "log-streams":
        group = names.pop("name", "")
        if group not in _LOG_GROUPS or not at.get("prefix"):
            raise NotOurs(f"refused: streams of {group} below {at.get('prefix')!r}")
    for member, value in names.items():
        own = re.split("[:/]", value)[-1] if member == "arn" else value
        if kind == "log-group":
            own = own.removeprefix("/aws/lambda/")
        if own != prefix and not own.startswith(f"{prefix}-"):
            raise NotOurs(f"refused: {value} is not of this run, whose names begin {prefix}")


def _with_known(
    at: dict[str, str], carrying: Iterable[str], name_of: Callable[[str], str | None]
) -> list[str]:
    """The ids of all things `carrying` the name in `at`, and the one on record, if it has it, too.

    Args:
        name_of: the name on AWS of the thing with an id.

    Raises:
        NotOurs: if the id on record is that of something else.
    """
    found = list(carrying)
    # The id of a domain is the end of its ARN.
    known = at.get("id", "").rsplit("/", 1)[-1]
    if known and known not in found:
        try:
            name = name_of(known)
        except ClientError as error:
            if not missing(error):
                raise
        else:
            if name != at["name"]:
                raise NotOurs(f"refused: {known} is named {name or 'nothing'} on AWS")
            found.append(known)
    return found


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
            name = stream["logStreamName"]
            # A stream carries its space's or its job's name, beside the domain's id.
            if at["run"] in name:
                logs.delete_log_stream(logGroupName=at["name"], logStreamName=name)


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
    if kms.describe_key(KeyId=at["id"])["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return
    # The shortest wait that KMS takes; a key that waits for its deletion bills nothing.
    kms.schedule_key_deletion(KeyId=at["id"], PendingWindowInDays=7)


def _keys(clients: Clients, at: dict[str, str]) -> list[str]:
    kms = clients("kms")

    def name_of(key: str) -> str | None:
        tags = kms.list_resource_tags(KeyId=key)["Tags"]
        return next((str(each["TagValue"]) for each in tags if each["TagKey"] == "Name"), None)

    def carrying() -> Iterator[str]:
        for page in kms.get_paginator("list_keys").paginate():
            for each in page["Keys"]:
                try:
                    name = name_of(each["KeyId"])
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _CLOSED_KEY:
                        raise
                    continue
                if name == at["name"]:
                    yield str(each["KeyId"])

    return _with_known(at, carrying(), name_of)


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
def _vpc(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("ec2").delete_vpc(VpcId=at["id"])


def _vpcs(clients: Clients, at: dict[str, str]) -> list[str]:
    return _by_tag(at, lambda **given: clients("ec2").describe_vpcs(**given)["Vpcs"], "VpcId")


def _subnet(clients: Clients, at: dict[str, str], _: Pace) -> None:
    clients("ec2").delete_subnet(SubnetId=at["id"])


def _subnets(clients: Clients, at: dict[str, str]) -> list[str]:
    return _by_tag(
        at, lambda **given: clients("ec2").describe_subnets(**given)["Subnets"], "SubnetId"
    )


def _by_tag(at: dict[str, str], describe: Callable[..., Any], identifier: str) -> list[str]:
    """The ids of what carries the tag Name; `identifier` is the member, and with an s the
    parameter, that has an id."""

    def name_of(known: str) -> str | None:
        [found] = describe(**{f"{identifier}s": [known]})
        tags = {each["Key"]: str(each["Value"]) for each in found.get("Tags", ())}
        return tags.get("Name")

    carrying = describe(Filters=[{"Name": "tag:Name", "Values": [at["name"]]}])
    return _with_known(at, (str(each[identifier]) for each in carrying), name_of)


# --- SageMaker ------------------------------------------------------------------------------------
def _domains(clients: Clients, at: dict[str, str]) -> list[str]:
    sagemaker = clients("sagemaker")
    pages = sagemaker.get_paginator("list_domains").paginate()
    carrying = [
        str(each["DomainId"])
        for page in pages
        for each in page["Domains"]
        if each["DomainName"] == at["name"]
    ]
    return _with_known(
        at, carrying, lambda known: str(sagemaker.describe_domain(DomainId=known)["DomainName"])
    )


def _domain(clients: Clients, at: dict[str, str], pace: Pace) -> None:
    sagemaker, domain = clients("sagemaker"), at["id"]
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
    for _ in range(WAIT_SECONDS // LOOK_SECONDS):
        status = sagemaker.describe_training_job(**named)["TrainingJobStatus"]
        if status in ("Completed", "Failed", "Stopped"):
            break
        if status == "InProgress":
            # It ended between the look and the stop, or AWS is busy: the next look tells.
            with contextlib.suppress(ClientError):
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
        find=_domains,
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
        find=_keys,
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
        find=_subnets,
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
        find=_vpcs,
    ),
}
