"""All that each role is for: the complete list of what it may ask of AWS. The rest is a breach.

Written by what people and services need, and not from the policies that grant it: where a policy
grants more, or a new action of AWS slips into a wildcard, `cohort prove` says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from infra.assurance.isolation.asking import Ask, Condition, Region
from infra.assurance.isolation.promises.places import (
    JOBS_LOG,
    OWNER,
    SPACES_LOG,
    TEAM,
    Places,
    all_of,
    but,
)
from infra.cohort import images

Asks = tuple[Ask, ...]

#: What everyone may read of the admin's data.
LESSONS, LESSONS_OF_JOBS = ("datasets/", "software/", "templates/"), ("datasets/", "software/")

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
READ_AND_WRITE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
WRITE_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")

#: What IAM grants on no resource: names of things, a token that opens nothing by itself, metrics.
ANYWHERE = Region(("*",))


def may(*actions: str, on: Region, when: Condition | None = None) -> Ask:
    return Ask(actions, on, when or {})


# --- people ---------------------------------------------------------------------------------------
def learner(p: Places) -> Asks:
    """Read the course, work in the team's folder, hand in, look, and ask the broker."""
    submissions = p.objects("work", *p.per_project("submissions", TEAM))
    receipts = p.objects("work", *p.per_project("receipts", TEAM))
    listed = (
        f"teams/{TEAM}/",
        *p.per_project("submissions", TEAM),
        *p.per_project("receipts", TEAM),
    )
    return (
        *_read_lessons(p, LESSONS),
        _list(p, "work", *listed),
        may(*READ_AND_WRITE, on=p.objects("work", f"teams/{TEAM}/")),
        may("s3:PutObject", on=submissions, when=NEW_AND_READABLE),
        may("s3:GetObject", on=all_of(submissions, receipts)),
        may("sagemaker:DescribeTrainingJob", on=p.jobs(TEAM)),
        may("logs:GetLogEvents", on=p.job_log(TEAM)),
        *_own_space(p),
    )


def training(p: Places) -> Asks:
    """A team's job: read the course, work in the team's folder, say what it does."""
    return (
        *_read_lessons(p, LESSONS_OF_JOBS),
        _list(p, "work", f"teams/{TEAM}/"),
        may(*READ_AND_WRITE, on=p.objects("work", f"teams/{TEAM}/")),
        *_job_says(p, TEAM),
        *_pull(p, p.job_flavours),
        *_stand_inside(p),
    )


def advisor(p: Places) -> Asks:
    """Read every team's work, jobs and scores; write nothing but the own space's log."""
    everyones = ("teams/", "submissions/", "receipts/")
    return (
        *_read_lessons(p, LESSONS),
        _list(p, "work", *everyones),
        may("s3:GetObject", on=p.objects("work", *everyones)),
        may("ssm:GetParameter", on=p.roster),
        may("sagemaker:DescribeTrainingJob", on=p.jobs()),
        may("logs:GetLogEvents", on=p.job_log("*")),
        *_own_space(p),
    )


def within_the_boundary(p: Places) -> Asks:
    """What the boundary leaves of everything: for all teams, what one of them may for itself."""
    everyones = ("teams/", "submissions/", "receipts/")
    return (
        *_read_lessons(p, LESSONS),
        _list(p, "work", *everyones),
        may(*READ_AND_WRITE, on=p.objects("work", *everyones)),
        *_boards(p),
        may("ssm:GetParameter", on=all_of(p.workspace_config("*"), p.roster)),
        may("lambda:InvokeFunction", on=p.broker_for("*")),
        may("sagemaker:DescribeTrainingJob", on=p.jobs()),
        may("logs:GetLogEvents", on=p.job_log("*")),
        may(*WRITE_LOG, on=p.space_log("*")),
        may("logs:CreateLogGroup", on=p.log_group(SPACES_LOG)),
        *_job_says(p, "*"),
        *_pull(p, (*p.space_flavours, *p.job_flavours)),
        *_stand_inside(p),
    )


#: A submission is added and never overwritten: S3 itself refuses the second of a name. And it can
#: be read by who checks it: neither archived nor under a key of the learner's own.
NEW_AND_READABLE: Condition = {
    "Null": {
        "s3:if-none-match": "false",
        "s3:x-amz-server-side-encryption-customer-algorithm": "true",
    },
    "StringEqualsIfExists": {"s3:x-amz-storage-class": "STANDARD"},
}


# --- services -------------------------------------------------------------------------------------
def broker(p: Places) -> Asks:
    """Start what the cohort file lists, within its dates, with a stop; and no more."""
    return (
        *_service(p, "broker"),
        may("ssm:GetParameter", on=p.workspace_config("*")),
        *_keep_ledger(p),
        may("sagemaker:CreateApp", on=p.apps, when=_space(p)),
        may("sagemaker:AddTags", on=p.apps, when=_tags_of("CreateApp")),
        may("sagemaker:DescribeApp", "sagemaker:DeleteApp", on=p.apps),
        may("sagemaker:CreatePresignedDomainUrl", on=p.profiles),
        may("sagemaker:CreateTrainingJob", on=p.jobs(), when=_job(p)),
        may("sagemaker:AddTags", on=p.jobs(), when=_tags_of("CreateTrainingJob")),
        may("sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob", on=p.jobs()),
        may(
            "scheduler:CreateSchedule",
            "scheduler:UpdateSchedule",
            "scheduler:DeleteSchedule",
            "scheduler:GetSchedule",
            on=p.stops,
        ),
        may("iam:PassRole", on=p.role("service", "stopper"), when=_passed_to("scheduler")),
        may("iam:PassRole", on=p.roles("training"), when=_passed_to("sagemaker")),
    )


def settler(p: Places) -> Asks:
    """Read what was billed, and write the ledger."""
    return (
        *_service(p, "settler"),
        _lost_events(p),
        *_keep_ledger(p),
        may("sagemaker:DescribeTrainingJob", on=p.jobs()),
    )


def sweep(p: Places) -> Asks:
    """Find what events missed, end what nobody pays for, warn, and weigh what is stored."""
    return (
        *_service(p, "sweep"),
        _lost_events(p),
        *_keep_ledger(p),
        may("dynamodb:Query", on=p.open_reservations),
        may("sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob", on=p.jobs()),
        may("sagemaker:DescribeApp", "sagemaker:DeleteApp", on=p.apps),
        may(
            "sagemaker:ListApps",
            "sagemaker:ListDomains",
            "sagemaker:ListSpaces",
            "sagemaker:ListTrainingJobs",
            on=ANYWHERE,
        ),
        may(
            "s3:ListBucketVersions",
            on=p.bucket("work"),
            when={"StringLike": {"s3:prefix": ["teams/*", "submissions/*"]}},
        ),
        *_tell(p, "notices"),
        may("scheduler:DeleteSchedule", "scheduler:GetSchedule", on=p.stops),
    )


def stopper(p: Places) -> Asks:
    """What a schedule does when a space's reservation ends."""
    return (may("sagemaker:DeleteApp", on=p.apps),)


def checker(p: Places) -> Asks:
    """Read what learners sent, as they sent it, and hand over what is in order."""
    return (
        *_service(p, "checker"),
        _lost_events(p),
        may("s3:GetObject", "s3:GetObjectVersion", on=p.objects("work", "submissions/")),
        may("s3:GetObject", on=p.objects("data", "datasets/")),
        may("s3:PutObject", on=p.objects("work", "checked/", "receipts/")),
    )


def scorer(p: Places) -> Asks:
    """Read the held-out answers and what the checker made of submissions; write scores."""
    return (
        *_service(p, "scorer"),
        _lost_events(p),
        may("s3:GetObject", "s3:GetObjectVersion", on=p.objects("work", "checked/")),
        may("s3:GetObject", on=p.objects("vault", "answers/")),
        _use_key(p, "vault", "s3", "kms:Decrypt"),
        may("sagemaker:DescribeTrainingJob", on=p.jobs()),
        may("s3:PutObject", on=all_of(p.objects("work", "receipts/"), p.objects("site"))),
        *_keep_board(p),
        *_tell(p, "news"),
    )


def steward(p: Places) -> Asks:
    """Find lost submissions and hand them over again; write boards anew. It reads no submission."""
    return (
        *_service(p, "steward"),
        _lost_events(p),
        _list(p, "work", "submissions/", "receipts/"),
        may("s3:GetObject", "s3:PutObject", on=p.objects("work", "receipts/")),
        *_keep_board(p),
        may("lambda:InvokeFunction", on=p.function("checker", "scorer")),
        *_tell(p, "notices"),
    )


def door(p: Places) -> Asks:
    """Ask the broker as whoever is signed in, show what people of the cohort see, keep notes."""
    seen = ("teams/*/shared/", "receipts/", "notes/")
    return (
        *_service(p, "door"),
        may("ssm:GetParameter", on=p.people),
        may("lambda:InvokeFunction", on=but(p.broker_for("*"), p.broker_for_nobody)),
        may("dynamodb:GetItem", "dynamodb:Query", on=p.ledger),
        _use_key(p, "records", "dynamodb", "kms:Decrypt", "kms:DescribeKey"),
        *_boards(p),
        _list(p, "work", "submissions/", *seen),
        may("s3:GetObject", on=p.objects("work", *seen)),
        may(
            "s3:PutObject",
            on=p.objects("work", "notes/"),
            when={"Null": {"s3:if-none-match": "false"}},
        ),
        may("sagemaker:DescribeTrainingJob", on=p.jobs()),
        may("logs:GetLogEvents", on=p.job_log("*")),
        may("logs:DescribeLogStreams", on=p.log_group(JOBS_LOG)),
        # Whom the provider vouches for has a user of their own, who may be shut out.
        *((may("cognito-idp:AdminGetUser", on=p.pools),) if p.believes_a_provider else ()),
    )


def chat(_: Places) -> Asks:
    """Hear of news, and do nothing."""
    return ()


#: What each service may do, by its name.
SERVICES: dict[str, Callable[[Places], Asks]] = {
    "broker": broker,
    "settler": settler,
    "sweep": sweep,
    "stopper": stopper,
    "checker": checker,
    "scorer": scorer,
    "steward": steward,
    "door": door,
    "chat": chat,
}


# --- the account's images -------------------------------------------------------------------------
def images_builder(p: Places) -> Asks:
    """Build the images from what a deploy uploaded, and push them."""
    account = {"logs": f"arn:aws:logs:{p.region}:{p.account}:log-group:{images.BUILD_LOGS}"}
    return (
        may(
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:GetBucketAcl",
            "s3:GetBucketLocation",
            on=p.deployed_code,
        ),
        may("ecr:GetAuthorizationToken", on=ANYWHERE),
        may(
            *PULL,
            "ecr:CompleteLayerUpload",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
            on=p.repositories(images.FLAVOURS),
        ),
        may(*WRITE_LOG, on=Region((f"{account['logs']}:log-stream:*",))),
    )


def images_reader(p: Places) -> Asks:
    """Hand the images to Studio."""
    return (
        may("ecr:GetAuthorizationToken", on=ANYWHERE),
        may(*PULL, "ecr:DescribeImages", on=p.repositories(images.FLAVOURS)),
    )


# --- parts ----------------------------------------------------------------------------------------
def begins(p: Places) -> str:
    """The first instant of the cohort's first day."""
    return f"{p.cohort.starts}T00:00:00Z"


def is_over(p: Places) -> str:
    """The first instant after the cohort's last day."""
    return f"{p.cohort.ends + dt.timedelta(days=1)}T00:00:00Z"


def within_dates(p: Places) -> Condition:
    return {
        "DateGreaterThanEquals": {"aws:CurrentTime": begins(p)},
        "DateLessThan": {"aws:CurrentTime": is_over(p)},
    }


def _job(p: Places) -> Condition:
    """On listed types, for so long and no longer, inside a private network if there is one."""
    exactly = {"sagemaker:InstanceTypes": list(p.cohort.training.instances)}
    if p.is_private:
        exactly["sagemaker:VpcSubnets"] = p.subnet_ids
        exactly["sagemaker:VpcSecurityGroupIds"] = p.group_ids
    return {
        **within_dates(p),
        "ForAllValues:StringEquals": exactly,
        "NumericLessThanEquals": {
            "sagemaker:MaxRuntimeInSeconds": str(p.cohort.training.max_hours * 3600),
        },
        "Null": {**dict.fromkeys(exactly, "false"), "sagemaker:KeepAlivePeriod": "true"},
        "BoolIfExists": {"sagemaker:EnableRemoteDebug": "false"},
    }


def _space(p: Places) -> Condition:
    """On listed types ("system": SageMaker's own apps), and on the attached images if there are."""
    exactly = {"sagemaker:InstanceTypes": [*p.cohort.studio.instances, "system"]}
    alike: dict[str, list[str]] = {}
    if p.images is not None:
        exactly["sagemaker:ImageArns"] = p.studio_images(p.space_flavours)
        alike["sagemaker:ImageVersionArns"] = p.studio_image_versions(p.space_flavours)
    made: dict[str, dict[str, object]] = {
        **{operator: dict(keys) for operator, keys in within_dates(p).items()},
        "ForAllValues:StringEquals": dict(exactly),
        "Null": dict.fromkeys((*exactly, *alike), "false"),
    }
    if alike:
        made["ForAllValues:StringLike"] = dict(alike)
    return made


def _tags_of(creating: str) -> Condition:
    """Tags that come with what is made, and no other."""
    return {"StringEquals": {"sagemaker:TaggingAction": creating}}


def _passed_to(service: str) -> Condition:
    return {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}


def _list(p: Places, purpose: str, *prefixes: str) -> Ask:
    """See the names below prefixes, each with its slash."""
    under = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}
    return may("s3:ListBucket", on=p.bucket(purpose), when=under)


def _read_lessons(p: Places, prefixes: tuple[str, ...]) -> Asks:
    return (_list(p, "data", *prefixes), may("s3:GetObject", on=p.objects("data", *prefixes)))


def _boards(p: Places) -> Asks:
    return (_list(p, "site", "boards/"), may("s3:GetObject", on=p.objects("site")))


def _own_space(p: Places) -> Asks:
    """What everyone with a space needs for it."""
    return (
        *_boards(p),
        may("ssm:GetParameter", on=p.workspace_config(OWNER)),
        may("lambda:InvokeFunction", on=p.broker_for(OWNER)),
        may(*WRITE_LOG, on=p.space_log(OWNER)),
        may("logs:CreateLogGroup", on=p.log_group(SPACES_LOG)),
        may("logs:DescribeLogStreams", on=p.log_group(JOBS_LOG)),
        *(_pull(p, p.space_flavours, aws=False) if p.images else ()),
    )


def _job_says(p: Places, team: str) -> Asks:
    """SageMaker writes a job's log and metrics under the job's role."""
    return (
        may(*WRITE_LOG, on=p.job_log(team)),
        may("logs:CreateLogGroup", "logs:DescribeLogStreams", on=p.log_group(JOBS_LOG)),
        may(
            "cloudwatch:PutMetricData",
            on=ANYWHERE,
            when={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        ),
    )


def _stand_inside(p: Places) -> Asks:
    """SageMaker stands a job in a private network under the job's role.

    Source: "CreateTrainingJob API: Execution Role Permissions" in the SageMaker developer guide.
    """
    if not p.is_private:
        return ()
    return (
        may("ec2:CreateNetworkInterface", on=all_of(p.interfaces, p.network)),
        may(
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
            on=p.interfaces,
            when={"ArnEquals": {"ec2:Subnet": list(p.subnets.any_of)}},
        ),
        may(
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            on=ANYWHERE,
        ),
    )


def _pull(p: Places, flavours: tuple[str, ...], *, aws: bool = True) -> Asks:
    repositories = (p.repositories(flavours), *((p.aws_containers,) if aws else ()))
    return (may(*PULL, on=all_of(*repositories)), may("ecr:GetAuthorizationToken", on=ANYWHERE))


def _service(p: Places, service: str) -> Asks:
    """What every function does: read the settings, write its own log."""
    return (
        may("ssm:GetParameter", on=p.settings),
        may(*WRITE_LOG, on=p.service_log(service)),
    )


def _lost_events(p: Places) -> Ask:
    return may("sqs:SendMessage", on=p.dead_letters)


def _use_key(p: Places, purpose: str, service: str, *actions: str) -> Ask:
    """Use one key through one service of AWS. A key's id is generated: its alias says which."""
    return may(
        *actions,
        on=p.any_key,
        when={
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": p.names.key_alias(purpose)},
            "StringEquals": {"kms:ViaService": f"{service}.{p.region}.amazonaws.com"},
        },
    )


def _table_key(p: Places) -> Ask:
    # Source: "Using encrypted tables: authorizing use of a customer managed key" (DynamoDB guide).
    return _use_key(
        p,
        "records",
        "dynamodb",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    )


def _keep_ledger(p: Places) -> Asks:
    """Entries are written and read, and never deleted."""
    items = ("ConditionCheckItem", "GetItem", "PutItem", "Query", "UpdateItem")
    return (may(*(f"dynamodb:{each}" for each in items), on=p.ledger), _table_key(p))


def _keep_board(p: Places) -> Asks:
    items = ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")
    return (may(*(f"dynamodb:{each}" for each in items), on=p.board), _table_key(p))


def _tell(p: Places, purpose: str) -> Asks:
    """Publish to a topic, which is encrypted."""
    key = _use_key(p, "records", "sns", "kms:Decrypt", "kms:GenerateDataKey")
    return (may("sns:Publish", on=p.topic(purpose)), key)
