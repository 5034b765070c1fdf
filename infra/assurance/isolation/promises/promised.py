"""What we promise of a cohort, to be read from top to bottom by whoever answers for its security.

A promise says whom it is about and what these may never do, or all that they may do. Each is held
against every request that the templates' policies allow; one that is allowed and should not be is a
breach. `{owner}` and `{team}` stand for whoever is asked about: "the folders of teams but one's
own" is the region teams/* without teams/{team}/.

`allowed` has the complete lists of what each role is for, `places` says where things are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from infra.assurance.isolation.asking import Ask, Condition, Region
from infra.assurance.isolation.chains.following import unlisted
from infra.assurance.isolation.promises import allowed
from infra.assurance.isolation.promises.allowed import Asks, begins, is_over
from infra.assurance.isolation.promises.flaws import (
    BOUND,
    Flaw,
    own_key,
    reading_tags,
    roles_of_nobody,
    unbound,
    unknown_roles,
)
from infra.assurance.isolation.promises.places import OWNER, TEAM, Places, all_of, but
from infra.assurance.isolation.promises.whom import (
    AWS_SERVICE,
    About,
    aws_service,
    everyone_but,
    imagined,
    named,
    of_another_cohort,
    one_of_each,
    roles,
    with_everything,
)
from infra.assurance.isolation.promises.wiring import (
    addresses,
    code,
    expiring,
    outside_network,
    spaces,
    users,
)
from infra.assurance.isolation.requests.deciding import strangers
from infra.assurance.isolation.world import World
from infra.cohort import images, naming


@dataclass(frozen=True)
class Promise:
    """One sentence, and what would break it.

    Attributes:
        cohort: whose; empty for what is promised of the whole account.
        says: the sentence.
        never: requests that nobody of `about` may make.
        only: all the requests that they may make; None where the promise is not of this kind.
        check: finds flaws in how things are made.
    """

    id: str
    says: str
    about: About = lambda _: ()
    never: Asks = ()
    only: Asks | None = None
    check: Callable[[World], Iterable[Flaw]] | None = None
    cohort: str = ""


def promises(places: Sequence[Places]) -> tuple[Promise, ...]:
    """All promises of the cohorts at `places`, which share one account and region."""
    found: list[Promise] = []
    for p in places:
        of_cohort = (
            *_the_vault(p),
            *_work_of_others(p),
            *_the_competition(p),
            *_money(p),
            *_the_door(p),
            *_rights(p),
            *_all_that_each_may(p),
            *_apart(p),
        )
        found += [dataclasses.replace(each, cohort=p.cohort.name) for each in of_cohort]
    return (*found, *_of_the_account(places))


# --- the held-out answers -------------------------------------------------------------------------
def _the_vault(p: Places) -> Iterator[Promise]:
    vault = (
        Ask(("s3:*",), p.whole("vault")),
        Ask(("kms:*",), all_of(p.key("vault"), p.alias_of_key("vault"))),
    )
    scorer = p.names.role_arn("service", "scorer", account=p.account)
    yield Promise(
        "vault-sealed",
        "Nobody but the scorer reads, lists or changes the held-out answers, or uses their key: no "
        "learner, no training job, no advisor, no other service, no role of another cohort.",
        about=everyone_but(scorer),
        never=vault,
    )
    yield Promise(
        "vault-refuses",
        "The vault and its key refuse every role of the academy but the scorer by themselves, even "
        "one that were allowed everything by mistake.",
        about=lambda world: (
            imagined(p.role("learner", "somebody")),
            imagined(p.role("training", "somebody")),
            # A scorer, but of another cohort.
            imagined(of_another_cohort(p, "service", "scorer")),
            *(
                imagined(Region((role.arn,)))
                for role in roles(p, "service", but_not=("scorer",))(world)
            ),
        ),
        # The alias has no policy of its own; to move it takes the key's leave, too.
        never=(Ask(("s3:*",), p.whole("vault")), Ask(("kms:*",), p.key("vault"))),
    )
    yield Promise(
        "vault-has-its-key",
        "The held-out answers are encrypted with a key of their own, which encrypts nothing else.",
        check=lambda world: own_key(p, world),
    )


# --- what learners have of their own --------------------------------------------------------------
def _work_of_others(p: Places) -> Iterator[Promise]:
    learners_and_jobs = roles(p, "learner", "training")
    own_prefixes = [
        f"{prefix}*"
        for prefix in (
            f"teams/{TEAM}/",
            *p.per_project("submissions", TEAM),
            *p.per_project("receipts", TEAM),
        )
    ]
    yield Promise(
        "teams-apart",
        "A team's folder is its own: no learner and no job of another team reads, writes, deletes "
        "or lists anything in it.",
        about=learners_and_jobs,
        never=(
            Ask(("s3:*",), but(p.objects("work", "teams/"), p.objects("work", f"teams/{TEAM}/"))),
            Ask(
                ("s3:List*",),
                p.bucket("work"),
                # Also true of a listing without a prefix, which is one of everything.
                when={"StringNotLike": {"s3:prefix": own_prefixes}},
            ),
        ),
    )
    yield Promise(
        "jobs-apart",
        "A team's training jobs and their logs are its own.",
        about=learners_and_jobs,
        never=(
            Ask(("sagemaker:*",), but(p.all_jobs, p.jobs(TEAM))),
            Ask(("logs:*",), but(p.log_streams_of_jobs, p.job_log(TEAM)), but_not=OF_GROUPS),
        ),
    )
    yield Promise(
        "spaces-apart",
        "What belongs to one person's space is closed to everybody else: its configuration, its "
        "log, its door to the broker.",
        about=roles(p, "learner", "training", "advisor"),
        never=(
            Ask(("ssm:*",), but(p.any_parameter, p.workspace_config(OWNER), p.roster)),
            Ask(("logs:*",), but(p.log_streams_of_spaces, p.space_log(OWNER)), but_not=OF_GROUPS),
            Ask(("lambda:*",), but(p.any_function, p.broker_for(OWNER))),
        ),
    )
    yield Promise(
        "advisors-read",
        "Advisors read every team's work and change none of it.",
        about=roles(p, "advisor"),
        never=(Ask(("s3:*",), Region(("*",)), but_not=("s3:GetObject", "s3:ListBucket")),),
    )
    yield Promise(
        "data-read-only",
        "The admin's data, software and templates are read by the cohort and changed by admins "
        "alone: nobody installs what another of the cohort has put there.",
        about=roles(p),
        never=(Ask(("s3:*",), p.whole("data"), but_not=("s3:GetObject", "s3:ListBucket")),),
    )
    yield Promise(
        "code-is-the-admins",
        "What others execute or believe is written by admins alone: the functions' code, what a "
        "deploy uploads, the images, the script that a space starts with, settings and rosters.",
        about=roles(p),
        never=(
            Ask(("s3:*",), p.deployed_code),
            Ask(("lambda:*",), but_not=("lambda:InvokeFunction",)),
            Ask(("ssm:*",), but_not=("ssm:GetParameter",)),
            Ask(("ecr:*",), but_not=(*allowed.PULL, "ecr:GetAuthorizationToken")),
            Ask(("sagemaker:*LifecycleConfig*", "sagemaker:*Image*")),
        ),
    )
    yield Promise(
        "encrypted-on-the-way",
        "Nobody, and no service of AWS, reaches a bucket, topic or queue of the cohort but over "
        "TLS.",
        about=lambda world: (*world.roles, *strangers(world)),
        never=(
            Ask(
                ("s3:*", "sns:*", "sqs:*"),
                all_of(
                    *(p.whole(purpose) for purpose in ("data", "vault", "work", "site")),
                    p.topic("notices", "news"),
                    p.dead_letters,
                ),
                when={"Bool": {"aws:SecureTransport": "false"}},
            ),
        ),
    )


#: Of a log group, not of what is in it: IAM has the making of it, and the listing of its streams'
#: names, no finer than for the whole group.
OF_GROUPS = ("logs:CreateLogGroup", "logs:DescribeLogStreams")


# --- the competition ------------------------------------------------------------------------------
def _the_competition(p: Places) -> Iterator[Promise]:
    learners = roles(p, "learner")
    own = p.objects("work", *p.per_project("submissions", TEAM))
    yield Promise(
        "submissions-stand",
        "A submission is added under one's own team, and from then on stands: nobody overwrites, "
        "changes or deletes it, and only the own team, advisors and the checker read it.",
        about=roles(p, "learner", "training", "domain"),
        never=(
            Ask(("s3:*",), but(p.objects("work", "submissions/"), own)),
            Ask(("s3:*",), own, but_not=("s3:PutObject", "s3:GetObject")),
            Ask(("s3:PutObject",), own, when={"Null": {"s3:if-none-match": "true"}}),
        ),
    )
    yield Promise(
        "nothing-passes-away",
        "No rule of S3's removes what people made: only what the checker handed on passes by "
        "itself.",
        check=lambda world: expiring(p, world),
    )
    yield Promise(
        "submissions-are-read",
        "No service and no advisor writes, changes or deletes a submission.",
        about=roles(p, "service", "advisor"),
        never=(
            Ask(
                ("s3:*",),
                p.objects("work", "submissions/"),
                but_not=("s3:GetObject", "s3:GetObjectVersion"),
            ),
        ),
    )
    yield Promise(
        "checked-is-the-checkers",
        "What the scorer believes, the checker alone has written; nobody but these two can see it.",
        about=roles(p, but_not=("checker", "scorer")),
        never=(Ask(("s3:*",), p.objects("work", "checked/")),),
    )
    yield Promise(
        "receipts-are-ours",
        "Receipts are written by the competition's services alone, and read by the own team and by "
        "advisors.",
        about=learners,
        never=(
            Ask(("s3:*",), p.objects("work", "receipts/"), but_not=("s3:GetObject",)),
            Ask(
                ("s3:*",),
                but(
                    p.objects("work", "receipts/"),
                    p.objects("work", *p.per_project("receipts", TEAM)),
                ),
            ),
        ),
    )
    yield Promise(
        "scores-sealed",
        "Nobody of the cohort reads private scores before the close: not in the table, not in a "
        "service's log, not on the way of an event. What the site and receipts show is the "
        "scorer's to say.",
        about=roles(p, "learner", "training", "advisor", "domain"),
        never=(
            Ask(("dynamodb:*",)),
            Ask(("logs:*",), p.service_logs),
            Ask(("sns:*",)),
            Ask(("sqs:*",)),
            Ask(("events:*",)),
        ),
    )
    yield Promise(
        "board-is-the-scorers",
        "The site's pages are written by the scorer alone.",
        about=roles(p, but_not=("scorer",)),
        never=(Ask(("s3:*",), p.whole("site"), but_not=("s3:GetObject", "s3:ListBucket")),),
    )


# --- money ----------------------------------------------------------------------------------------
def _money(p: Places) -> Iterator[Promise]:
    people = roles(p, "learner", "training", "advisor", "domain")
    yield Promise(
        "nothing-bills",
        "Nobody of the cohort starts anything that bills. Of SageMaker they may look at training "
        "jobs, and at nothing else: an action that AWS adds tomorrow is refused as well.",
        about=people,
        never=(
            Ask(("sagemaker:*",), but_not=("sagemaker:DescribeTrainingJob",)),
            *(Ask((f"{service}:*",), but_not=INTERFACES) for service in BILLING),
        ),
    )
    yield Promise(
        "dates",
        "Before the first and after the last day of the cohort, whatever learners' or advisors' "
        "code runs may do nothing at all.",
        about=people,
        never=_outside_dates(p, "*"),
    )
    yield Promise(
        "broker-keeps-dates",
        "Before the first and after the last day of the cohort, nothing that bills is started.",
        about=roles(p, "service"),
        never=_outside_dates(
            p, "sagemaker:Create*", but_not=("sagemaker:CreatePresignedDomainUrl",)
        ),
    )
    types = {
        "sagemaker:CreateTrainingJob": p.cohort.training.instances,
        "sagemaker:CreateApp": [*p.cohort.studio.instances, "system"],
    }
    longest = p.cohort.training.max_hours * 3600
    yield Promise(
        "broker-limits",
        "The broker starts jobs and spaces on the types that the cohort file lists, and jobs that "
        "end by themselves: no warm pool, no remote debugging, no change of one that runs.",
        about=roles(p, "service"),
        never=(
            *(
                Ask((action,), when=condition)
                for action, listed in types.items()
                for condition in (
                    {"ForAnyValue:StringNotEquals": {"sagemaker:InstanceTypes": listed}},
                    {"Null": {"sagemaker:InstanceTypes": "true"}},
                )
            ),
            _job(Null={"sagemaker:MaxRuntimeInSeconds": "true"}),
            _job(NumericGreaterThan={"sagemaker:MaxRuntimeInSeconds": str(longest)}),
            _job(Null={"sagemaker:KeepAlivePeriod": "false"}),
            _job(Bool={"sagemaker:EnableRemoteDebug": "true"}),
            Ask(("sagemaker:Update*", "sagemaker:Start*")),
        ),
    )
    if p.is_private:
        inside = {
            "sagemaker:VpcSubnets": p.subnet_ids,
            "sagemaker:VpcSecurityGroupIds": p.group_ids,
        }
        yield Promise(
            "jobs-stay-inside",
            "No job runs outside the cohort's private network.",
            about=roles(p, "service"),
            never=tuple(
                _job(**when)
                for key, listed in inside.items()
                for when in (
                    {"ForAnyValue:StringNotEquals": {key: listed}},
                    {"Null": {key: "true"}},
                )
            ),
        )
        yield Promise(
            "spaces-stay-inside",
            "No space runs outside the cohort's private network.",
            check=lambda world: outside_network(p, world),
        )
        yield Promise(
            "interfaces-stay-inside",
            "Jobs make and remove network interfaces in the cohort's own subnets alone.",
            about=roles(p),
            never=(
                Ask(
                    ("ec2:*",),
                    p.interfaces,
                    when={"ArnNotEquals": {"ec2:Subnet": list(p.subnets.any_of)}},
                    # This one names the subnet as a resource of its own.
                    but_not=("ec2:CreateNetworkInterface",),
                ),
            ),
        )
    yield Promise(
        "broker-starts",
        "Nothing but the broker starts anything that bills; other services look, and end.",
        about=roles(p, "service", but_not=("broker",)),
        never=(
            Ask(("sagemaker:Create*", "sagemaker:Start*", "sagemaker:Update*", "sagemaker:Run*")),
            *(Ask((f"{service}:*",)) for service in BILLING),
        ),
    )
    yield Promise(
        "own-alias",
        "A person asks the broker under their own alias, which is their identity; nobody asks it "
        "under its bare name or under a version, where it could not tell who asks. (The door asks "
        "for others: see below.)",
        about=everyone_but(p.names.role_arn("service", "door", account=p.account)),
        never=(Ask(("lambda:Invoke*",), but(p.function_whole("broker"), p.broker_for(OWNER))),),
    )
    yield Promise(
        "links",
        "Nobody but the broker makes a link into anything of SageMaker, and it into spaces of the "
        "cohort alone.",
        about=roles(p, but_not=("broker",)),
        never=(Ask(("sagemaker:*Presigned*",)),),
    )
    yield Promise(
        "stops-hold",
        "What ends a space when its money is used up is written by the broker, and taken away by "
        "the broker and the sweep alone.",
        about=roles(p, but_not=("broker", "sweep")),
        never=(Ask(("scheduler:*",)),),
    )
    yield Promise(
        "ledger-is-kept",
        "The ledger is written by its keepers alone, and none of them deletes an entry.",
        about=roles(p),
        never=(
            Ask(
                ("dynamodb:*",),
                p.ledger_whole,
                but_not=(
                    "dynamodb:ConditionCheckItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:UpdateItem",
                ),
            ),
        ),
    )


# --- the door -------------------------------------------------------------------------------------
def _the_door(p: Places) -> Iterator[Promise]:
    yield Promise(
        "door-as-somebody",
        "The door asks the broker under the alias of a person, and calls nothing else; whose alias "
        "that is, its contract says: of who is signed in.",
        about=roles(p, "service", owners=("door",)),
        never=(
            Ask(("lambda:*",), but(p.any_function, p.broker_for("*"))),
            Ask(("lambda:*",), p.broker_for_nobody),
        ),
    )
    yield Promise(
        "users-are-the-files",
        "Who may sign in is who stands in the cohort file, by a code to the address that stands "
        "there: nobody signs up, writes an address or is let in by another provider.",
        check=lambda world: users(p, world),
    )
    yield Promise(
        "notes-are-the-doors",
        "What advisors write to teams, the door alone writes and reads.",
        about=roles(p, but_not=("door",)),
        never=(Ask(("s3:*",), p.objects("work", "notes/")),),
    )


#: Services of AWS that start what bills, beside SageMaker. That nobody uses *any* service outside
#: the lists in `allowed` is promised below; these stand here to be read.
BILLING = ("ec2", "ecs", "eks", "batch", "bedrock", "elasticmapreduce", "glue", "rds", "states")


#: What a job needs of EC2 to stand in a private network: interfaces, which cost nothing.
INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


def _job(**when: dict[str, object]) -> Ask:
    return Ask(("sagemaker:CreateTrainingJob",), when=when)


def _outside_dates(p: Places, action: str, but_not: tuple[str, ...] = ()) -> Asks:
    before: Condition = {"DateLessThan": {"aws:CurrentTime": begins(p)}}
    after: Condition = {"DateGreaterThanEquals": {"aws:CurrentTime": is_over(p)}}
    return tuple(Ask((action,), when=when, but_not=but_not) for when in (before, after))


# --- rights ---------------------------------------------------------------------------------------
def _rights(p: Places) -> Iterator[Promise]:
    yield Promise(
        "no-role-is-passed",
        "Nobody but the broker hands a role to a service of AWS; and nobody takes a role.",
        about=roles(p, but_not=("broker",)),
        never=(Ask(("iam:PassRole", "sts:*")),),
    )
    yield Promise(
        "broker-passes",
        "The broker hands the teams' training roles to SageMaker, the stopper to the scheduler, "
        "and no other role to anything.",
        about=roles(p, "service", owners=("broker",)),
        never=(
            Ask(("sts:*",)),
            Ask(
                ("iam:PassRole",),
                but(Region(("*",)), p.roles("training"), p.role("service", "stopper")),
            ),
            Ask(
                ("iam:PassRole",),
                p.roles("training"),
                when=_not_passed_to("sagemaker.amazonaws.com"),
            ),
            Ask(
                ("iam:PassRole",),
                p.role("service", "stopper"),
                when=_not_passed_to("scheduler.amazonaws.com"),
            ),
        ),
    )
    looks = ("cognito-idp:AdminGetUser",) if p.believes_a_provider else ()
    used = (*USED, *looks, *(INTERFACES if p.is_private else ()))
    yield Promise(
        "rights-stand",
        f"The cohort's roles use {len(used)} actions of AWS between them, and not one of these "
        "changes a policy, a role, a boundary, a key, an alias, a function, a rule, a parameter, "
        "an image or a tag. Nobody widens anybody's rights.",
        about=roles(p),
        never=(Ask(("*",), but_not=used),),
    )
    yield Promise(
        "tags-are-given-once",
        "Tags are put on what the broker makes while it makes it, and never changed.",
        about=roles(p),
        never=(
            Ask(
                ("sagemaker:AddTags",),
                when={
                    "StringNotEquals": {
                        "sagemaker:TaggingAction": ["CreateApp", "CreateTrainingJob"]
                    }
                },
            ),
        ),
    )
    yield Promise(
        "keys-are-used",
        "Nobody of the cohort grants anybody the use of a key; and no key's policy lets a service "
        "of AWS do so but for a resource of AWS.",
        about=lambda world: (*roles(p)(world), *strangers(world)),
        never=(
            Ask(
                ("kms:CreateGrant",),
                when={"BoolIfExists": {"kms:GrantIsForAWSResource": "false"}},
            ),
            Ask(("kms:RetireGrant", "kms:RevokeGrant", "kms:PutKeyPolicy")),
        ),
    )
    yield Promise(
        "boundary-holds",
        "Whatever a role of learners' code were allowed by mistake, the boundary around it leaves "
        "it what learners and their jobs are for: no vault, no role, no key, nothing that bills, "
        "no other cohort.",
        about=lambda world: (
            with_everything(role) for role in one_of_each(roles(p, *BOUND)(world))
        ),
        only=allowed.within_the_boundary(p),
    )
    yield Promise(
        "boundary-keeps-dates",
        "Whatever a role of learners' code were allowed by mistake, outside the cohort's dates the "
        "boundary leaves it nothing at all.",
        about=lambda world: (
            with_everything(role) for role in one_of_each(roles(p, *BOUND)(world))
        ),
        never=_outside_dates(p, "*"),
    )
    yield Promise(
        "boundary-is-there",
        "Every role of learners', advisors' and their jobs' code has the cohort's boundary.",
        check=lambda world: unbound(p, world),
    )
    yield Promise(
        "no-tag-decides",
        "No policy asks for a tag: whoever could write one would widen rights.",
        check=reading_tags,
    )


#: Every action of AWS that any role of a cohort uses.
USED = (
    *("cloudwatch:PutMetricData",),
    *("dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem"),
    *("dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"),
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"),
    *("ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"),
    *("iam:PassRole",),
    *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
    *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    *("lambda:InvokeFunction",),
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams"),
    *("logs:GetLogEvents", "logs:PutLogEvents"),
    *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion"),
    *("s3:ListBucket", "s3:ListBucketVersions", "s3:PutObject"),
    *("sagemaker:AddTags", "sagemaker:CreateApp", "sagemaker:CreatePresignedDomainUrl"),
    *("sagemaker:CreateTrainingJob", "sagemaker:DeleteApp", "sagemaker:DescribeApp"),
    *("sagemaker:DescribeTrainingJob", "sagemaker:ListApps", "sagemaker:ListDomains"),
    *("sagemaker:ListSpaces", "sagemaker:ListTrainingJobs", "sagemaker:StopTrainingJob"),
    *("scheduler:CreateSchedule", "scheduler:DeleteSchedule"),
    *("scheduler:GetSchedule", "scheduler:UpdateSchedule"),
    *("sns:Publish", "sqs:SendMessage", "ssm:GetParameter"),
)


def _not_passed_to(service: str) -> Condition:
    return {"StringNotEquals": {"iam:PassedToService": service}}


# --- all that each may ----------------------------------------------------------------------------
def _all_that_each_may(p: Places) -> Iterator[Promise]:
    people = (
        ("learner", "A learner reads the course, works in the team's folder, hands in, looks at "
         "boards and at the team's jobs, and asks the broker; and may do nothing else in AWS.",
         allowed.learner(p)),
        ("training", "A training job reads the course, works in its team's folder and says how it "
         "is doing; and may do nothing else in AWS.", allowed.training(p)),
        ("advisor", "An advisor reads every team's work, jobs and scores and asks the broker for "
         "her own space; and may do nothing else in AWS.", allowed.advisor(p)),
        ("domain", "The role of a domain that several people share may do nothing.", ()),
    )  # fmt: skip
    for kind, says, only in people:
        yield Promise(f"{kind}-only", says, about=roles(p, kind), only=only)
    for service, asks in allowed.SERVICES.items():
        yield Promise(
            f"{service}-only",
            f"The service {service} may do what it is for, and nothing else in AWS.",
            about=roles(p, "service", owners=(service,)),
            only=asks(p),
        )
    yield Promise(
        "roles-are-known",
        "The templates make the roles that the cohort file asks for, and no other.",
        check=lambda world: unknown_roles(p, world),
    )


# --- cohorts, strangers ---------------------------------------------------------------------------
def _apart(p: Places) -> Iterator[Promise]:
    anything = Region(("arn:*:*:*:*:*",))
    yield Promise(
        "cohorts-apart",
        "No role of this cohort touches anything that is not this cohort's, but for what the whole "
        "account shares: AWS's and the academy's images, and the groups that SageMaker's logs go "
        "to, where each stream is one cohort's.",
        about=roles(p),
        never=(
            Ask(
                ("*",),
                but(anything, p.any_key, p.of_the_cohort, p.of_the_account),
                # Metrics are the account's; `training-only` says in which namespace.
                but_not=("cloudwatch:PutMetricData",),
            ),
            Ask(
                ("logs:*",),
                but(p.shared_streams, p.job_log("*"), p.space_log("*")),
                but_not=OF_GROUPS,
            ),
            Ask(
                ("kms:*",),
                but(p.any_key, p.key("records"), p.key("vault")),
                when={
                    "ForAllValues:StringNotEquals": {
                        "kms:ResourceAliases": [
                            p.names.key_alias(purpose) for purpose in ("records", "vault")
                        ]
                    }
                },
            ),
        ),
    )
    yield Promise(
        "cohort-shut",
        "Nobody of another cohort, and nobody without a role of the cohort, touches anything of "
        "it by what its policies say.",
        about=lambda world: (
            *(role for role in world.roles if role.cohort != p.cohort.name),
            *(each for each in strangers(world) if each.kind != "service"),
        ),
        never=(
            Ask(("*",), but(p.of_the_cohort, p.nobodys), but_not=OF_GROUPS),
            Ask(OF_GROUPS, p.service_log_groups),
        ),
    )


def _of_the_account(places: Sequence[Places]) -> Iterator[Promise]:
    yield Promise(
        "strangers",
        "No policy of ours gives anything to people of other accounts, to requests without "
        "credentials, or to roles of this account outside the academy. (Admins have what their own "
        "policies give them.)",
        about=lambda world: (each for each in strangers(world) if each.kind != "service"),
        only=(),
    )
    known = {name: asks for p in places for name, asks in _services_of_aws(p).items()}
    for service in known:
        yield Promise(
            f"{service}-of-aws-only",
            f"{service}.amazonaws.com does for us what it is there for: of our roles it takes "
            "those that are made for it, it calls what our rules call, and tells what our alarms "
            "tell.",
            about=aws_service(service),
            only=tuple(ask for p in places for ask in _services_of_aws(p)[service]),
        )
    yield Promise(
        "no-other-service-of-aws",
        "No other service of AWS is given anything.",
        about=lambda world: (
            each
            for each in strangers(world)
            if each.kind == "service" and each.name.removesuffix(AWS_SERVICE) not in known
        ),
        only=(),
    )
    builder = allowed.images_builder(places[0])
    reader = allowed.images_reader(places[0])
    for name, only in ((images.BUILD_ROLE, builder), (images.STUDIO_ROLE, reader)):
        yield Promise(
            f"{name.removeprefix('academy--')}-only",
            f"The account's role {name} handles images, and may do nothing else in AWS.",
            about=named(name),
            only=only,
        )
    yield Promise(
        "spaces-are-ones-own",
        "A space is one person's, is not shared, and runs under that person's role; and what the "
        "broker is told of a person is theirs.",
        check=spaces,
    )
    yield Promise(
        "open-to-all",
        "What answers whoever asks, without credentials of AWS, is the door of a cohort, and "
        "nothing else.",
        check=addresses,
    )
    yield Promise(
        "code-is-deployed",
        "Functions, builds, images and start scripts are what a deploy has brought, and each "
        "function runs under the role that is made for it.",
        check=code,
    )
    yield Promise(
        "chains-end-at-deputies",
        "Whatever a role sets off (a role that it takes or passes, a function, an event, what "
        "others execute or believe) ends in the own team, or at a trusted deputy in a way that the "
        "deputy's contract lists.",
        check=unlisted,
    )
    yield Promise(
        "no-other-role-of-the-account",
        "Outside the cohorts, the templates make no role but the two that handle images.",
        check=lambda world: roles_of_nobody(places, world),
    )


def _services_of_aws(p: Places) -> dict[str, Asks]:
    """What each service of AWS is given: by trust policies (sts:AssumeRole) and resources' own."""
    source = {"aws:SourceAccount": p.account}
    ours: Condition = {"StringEquals": source}
    rules = {service: p.rule(service) for service in naming.RULED}
    # Which key is a generated id; only the one that encrypts notices has such a statement.
    notices = Ask(("kms:Decrypt", "kms:GenerateDataKey*"), p.any_key, when=ours)
    build, studio = (
        Region((f"arn:aws:iam::{p.account}:role{images.ROLE_PATH}{name}",))
        for name in (images.BUILD_ROLE, images.STUDIO_ROLE)
    )
    group = {"aws:SourceAccount": p.account, "aws:SourceArn": p.stops_group}
    return {
        "lambda": (_taken(*(p.role("service", service) for service in naming.SERVICES)),),
        "sagemaker": (
            _taken(*(p.roles(kind) for kind in BOUND)),
            _taken(studio, when=ours),
        ),
        "scheduler": (_taken(p.role("service", "stopper"), when={"StringEquals": group}),),
        "chatbot": (_taken(p.role("service", "chat"), when=ours),),
        "codebuild": (_taken(build, when=ours),),
        "events": (
            *(
                Ask(
                    ("lambda:InvokeFunction",),
                    p.function(service),
                    when={"StringEquals": {"aws:SourceArn": rule}},
                )
                for service, rule in rules.items()
            ),
            Ask(
                ("sqs:SendMessage",),
                p.dead_letters,
                when={"StringEquals": {**source, "aws:SourceArn": list(rules.values())}},
            ),
        ),
        "apigateway": (
            Ask(
                ("lambda:InvokeFunction",),
                p.function("door"),
                when={"ArnLike": {"aws:SourceArn": p.addresses}},
            ),
        )
        if p.addresses
        else (),
        "cloudwatch": (
            Ask(
                ("sns:Publish",),
                p.topic("notices"),
                when={"StringEquals": {**source, "aws:SourceArn": list(p.alarms)}},
            ),
            notices,
        ),
        "budgets": (
            Ask(
                ("sns:Publish",),
                p.topic("notices"),
                when={**ours, "ArnLike": {"aws:SourceArn": f"arn:aws:budgets::{p.account}:*"}},
            ),
            notices,
        ),
    }


def _taken(*roles: Region, when: Condition | None = None) -> Ask:
    return Ask(("sts:AssumeRole",), all_of(*roles), when=when or {})
