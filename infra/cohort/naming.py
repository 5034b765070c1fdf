"""Every name of a cohort's resources, derived from the cohort file and from nothing else.

Stacks, services, the command line and the learners' library find each other by these names, never
by CloudFormation exports. Ids are lower-case letters, digits and single hyphens, so the separator
`--` cannot occur inside one: `earth--falcon--*` never matches a team called `falcon-2`.

Standard library only: this module travels into Lambda.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SEPARATOR = "--"

#: Ids of the cohort file: letters, digits, single hyphens, starting with a letter. The leading
#: letter keeps Lambda aliases from being bare numbers, which AWS forbids.
ID_PATTERN = r"^[a-z](?:-?[a-z0-9])*$"

COHORT_MAX = 24
COHORT_MIN = 3
ID_MAX = 16
#: Hexadecimal digits of a job's token that its name carries: job names have 63 characters.
TOKEN_LENGTH = 8
#: Hexadecimal digits of an address's hash in the name of who signs in by it.
ADDRESS_LENGTH = 8

#: Team ids that no cohort file may use: lines on a board that admins submit are entries of these.
MARK_TEAMS = ("baseline", "expert")
#: The learner id that no cohort file may use: in a job's name it says that admins ran a team's job
#: again. Nobody's reservation pays for it.
RERUN = "rerun"

#: The team id that no cohort file may use: the domain that a whole cohort shares is named by it.
EVERYONE = "everyone"

#: The functions of a cohort, each with a role and a log, and what calls it: an alias, a rule, or
#: the door's API.
SERVICES = ("broker", "settler", "sweep", "checker", "scorer", "steward", "door")
#: Those of them that a rule calls, which has the function's purpose for a name.
RULED = ("settler", "sweep", "checker", "scorer", "steward")
#: Those that a cohort has only where its file asks for them.
OPTIONAL = ("door",)


@dataclass(frozen=True)
class NameRule:
    """What AWS accepts as the name of one kind of resource."""

    kind: str
    pattern: str
    max_length: int
    source: str


#: Source: the API reference page of the named operation, as botocore's service models carry it.
RULES: dict[str, NameRule] = {
    rule.kind: rule
    for rule in (
        NameRule("stack", r"^[A-Za-z][A-Za-z0-9-]*$", 128, "cloudformation CreateStack"),
        NameRule("bucket", r"^[a-z0-9](?:-?[a-z0-9])*$", 63, "s3 bucket naming rules"),
        NameRule("table", r"^[A-Za-z0-9_.-]{3,}$", 255, "dynamodb CreateTable"),
        NameRule("function", r"^[A-Za-z0-9-_]+$", 64, "lambda CreateFunction"),
        NameRule("alias", r"^(?!^[0-9]+$)[A-Za-z0-9-_]+$", 128, "lambda CreateAlias"),
        NameRule("role", r"^[\w+=,.@-]+$", 64, "iam CreateRole"),
        NameRule("policy", r"^[\w+=,.@-]+$", 128, "iam CreatePolicy"),
        NameRule("domain", r"^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$", 63, "sagemaker CreateDomain"),
        NameRule("profile", r"^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$", 63, "sagemaker CreateUserProfile"),
        NameRule("space", r"^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$", 63, "sagemaker CreateSpace"),
        NameRule(
            "lifecycle config",
            r"^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$",
            63,
            "sagemaker CreateStudioLifecycleConfig",
        ),
        NameRule("job", r"^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$", 63, "sagemaker CreateTrainingJob"),
        NameRule("rule", r"^[.\-_A-Za-z0-9]+$", 64, "events PutRule"),
        NameRule("schedule", r"^[0-9a-zA-Z\-_.]+$", 64, "scheduler CreateSchedule"),
        NameRule("schedule group", r"^[0-9a-zA-Z\-_.]+$", 64, "scheduler CreateScheduleGroup"),
        NameRule("parameter", r"^(?:/[a-zA-Z0-9_.-]+)+$", 1011, "ssm PutParameter"),
        NameRule("key alias", r"^alias/[a-zA-Z0-9/_-]+$", 256, "kms CreateAlias"),
        NameRule("log group", r"^[.\-_/#A-Za-z0-9]+$", 512, "logs CreateLogGroup"),
        NameRule("topic", r"^[a-zA-Z0-9_-]+$", 256, "sns CreateTopic"),
        NameRule(
            "chat configuration",
            r"^[A-Za-z0-9-_]+$",
            128,
            "AWS::Chatbot::MicrosoftTeamsChannelConfiguration, ConfigurationName",
        ),
        NameRule("queue", r"^[a-zA-Z0-9_-]+$", 80, "sqs CreateQueue"),
        NameRule("alarm", r"^[^\s]+$", 255, "cloudwatch PutMetricAlarm"),
        NameRule("budget", r"^[^:\\]+$", 100, "budgets CreateBudget"),
        NameRule("user pool", r"^[\w\s+=,.@-]+$", 128, "cognito-idp CreateUserPool"),
        NameRule(
            "domain prefix",
            r"^[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?$",
            63,
            "cognito-idp CreateUserPoolDomain",
        ),
        NameRule("user", r"^[\w.@+-]+$", 128, "cognito-idp AdminCreateUser"),
        NameRule("api", r"^.+$", 128, "apigateway v2 CreateApi"),
    )
}


def illegal(kind: str, name: str) -> str | None:
    """Why AWS would reject `name` as a `kind`, or None if it is legal."""
    rule = RULES[kind]
    if len(name) > rule.max_length:
        return (
            f"{kind} name {name!r} has {len(name)} characters; AWS allows {rule.max_length} "
            f"({rule.source})"
        )
    if not re.fullmatch(rule.pattern, name):
        return f"{kind} name {name!r} does not match {rule.pattern} ({rule.source})"
    return None


#: What each alarm of a cohort watches. Each costs ten cents a month, so what two would tell, one
#: does: what settler and sweep fail on to the end waits among the dead letters.
ALARMS = (
    "dead-letters",
    "sweep-silent",
    "broker-errors",
    "checker-errors",
    "scorer-errors",
    "steward-errors",
    "door-errors",
)


@dataclass(frozen=True)
class Names:
    """The names of one cohort. Names that must be unique beyond it take account and region."""

    cohort: str

    # --- stacks -------------------------------------------------------------------------------
    @property
    def foundation_stack(self) -> str:
        return f"{self.cohort}-Foundation"

    @property
    def guard_stack(self) -> str:
        return f"{self.cohort}-Guard"

    @property
    def studio_stack(self) -> str:
        """Holds the domain that the whole cohort shares, where it does."""
        return f"{self.cohort}-Studio"

    @property
    def competition_stack(self) -> str:
        return f"{self.cohort}-Competition"

    @property
    def door_stack(self) -> str:
        """Holds the learners' web page, where the cohort file asks for one."""
        return f"{self.cohort}-Door"

    def team_stack(self, team: str) -> str:
        return f"{self.cohort}-Team-{team}"

    @property
    def advisors_stack(self) -> str:
        return f"{self.cohort}-Advisors"

    # --- foundation ---------------------------------------------------------------------------
    def bucket(self, purpose: str, *, account: str, region: str) -> str:
        """The bucket for `purpose`: data, vault, work or site. Bucket names are global."""
        return f"{self.cohort}-{account}-{region}-{purpose}"

    @property
    def ledger_table(self) -> str:
        return f"{self.cohort}-ledger"

    @property
    def boundary_policy(self) -> str:
        """The permissions boundary of every role that a learner's code runs under."""
        return f"{self.cohort}--boundary"

    @property
    def chat_policy(self) -> str:
        """The guardrail of the channel that hears of news: it denies everything."""
        return f"{self.cohort}--chat"

    def key_alias(self, purpose: str) -> str:
        return f"alias/academy/{self.cohort}/{purpose}"

    def lifecycle_config(self, content_hash: str) -> str:
        """Create-only in CloudFormation, so its name carries the hash of its content."""
        return f"{self.cohort}--start-{content_hash[:8]}"

    # --- functions and their roles ------------------------------------------------------------
    def function(self, service: str) -> str:
        """A Lambda function: one of SERVICES."""
        return f"{self.cohort}-{service}"

    def log_group(self, service: str) -> str:
        return f"/aws/lambda/{self.function(service)}"

    def rule(self, purpose: str) -> str:
        return f"{self.cohort}-{purpose}"

    @property
    def board_table(self) -> str:
        return f"{self.cohort}-board"

    @property
    def schedule_group(self) -> str:
        """Holds the one-time schedules that end spaces' apps."""
        return f"{self.cohort}--stops"

    def stop_schedule(self, learner: str) -> str:
        return f"{learner}--stop-app"

    # --- the door: who may sign in, and where ---------------------------------------------------
    @property
    def user_pool(self) -> str:
        """The people who may sign in."""
        return f"{self.cohort}-door"

    @staticmethod
    def user(person: str, email: str) -> str:
        """Who signs in as the person of this id, by this address.

        CloudFormation gives a changed address to a new user alone, which it makes before the old
        one goes: so each address has a user of its own. `person_of_user` takes it apart.
        """
        return user_of(person, address_hash(email))

    @property
    def provider_pool(self) -> str:
        """The people whom the organisation's own provider vouches for: nobody by itself."""
        return f"{self.cohort}-door-provider"

    def provider_domain(self, *, account: str, region: str) -> str:
        """The first part of the host by which the provider answers: unique in a region."""
        here = f"{account}/{region}/{self.cohort}"
        return f"{self.cohort}-{hashlib.sha256(here.encode()).hexdigest()[:ADDRESS_LENGTH]}"

    @property
    def api(self) -> str:
        return f"{self.cohort}-door"

    @property
    def access_log_group(self) -> str:
        """Who asked the door for what. Groups of this prefix need no policy that grows by each.

        Source: "Log groups" in "Enabling logging from AWS services", CloudWatch Logs user guide.
        """
        return f"/aws/vendedlogs/{self.cohort}-door"

    # --- what the admin is told, and what is behind it ------------------------------------------
    def topic(self, purpose: str) -> str:
        """An SNS topic; `purpose`: notices (for admins) or news (for learners)."""
        return f"{self.cohort}-{purpose}"

    @property
    def dead_letters(self) -> str:
        """The queue of events that no function could deal with."""
        return f"{self.cohort}-dead-letters"

    def alarm(self, purpose: str) -> str:
        """An alarm; `purpose`: one of ALARMS."""
        return f"{self.cohort}-{purpose}"

    @property
    def news_channel(self) -> str:
        """The configuration that takes news to a channel of Microsoft Teams."""
        return f"{self.cohort}-news"

    def backstop_budget(self, alerts_hash: str) -> str:
        """The AWS Budget that stands behind the ledger.

        Its notifications are create-only in CloudFormation, so its name carries their hash.
        """
        return f"{self.cohort}-back-stop-{alerts_hash[:8]}"

    # --- roles: `path` keeps policies short at any number of learners ---------------------------
    def role_path(self, kind: str) -> str:
        """`kind`: learner, training, advisor, domain or service."""
        return f"/academy/{self.cohort}/{kind}/"

    def role(self, kind: str, name: str) -> str:
        return f"{self.cohort}{SEPARATOR}{kind}{SEPARATOR}{name}"

    def role_arn(self, kind: str, name: str, *, account: str) -> str:
        return f"arn:aws:iam::{account}:role{self.role_path(kind)}{self.role(kind, name)}"

    # --- parameters: how stacks and services find what AWS generates -----------------------------
    @property
    def settings_parameter(self) -> str:
        """The SSM parameter with the settings that the services read."""
        return f"/academy/{self.cohort}/settings"

    def network_parameter(self, part: str) -> str:
        """The SSM parameter with generated ids of the network.

        `part`: vpc or subnets; security-group, of a private one.
        """
        return f"/academy/{self.cohort}/network/{part}"

    @property
    def domain_parameter(self) -> str:
        """The SSM parameter with the generated id of the domain that the whole cohort shares."""
        return f"/academy/{self.cohort}/studio/domain"

    def roster_parameter(self, page: int | str) -> str:
        """The SSM parameter with a page of the teams and their learners, for advisors."""
        return f"/academy/{self.cohort}/roster/{page}"

    @property
    def user_pool_parameter(self) -> str:
        """The SSM parameter with the generated id of the pool of who may sign in."""
        return f"/academy/{self.cohort}/door/user-pool"

    @property
    def door_url_parameter(self) -> str:
        """The SSM parameter with the address that people keep as a bookmark."""
        return f"/academy/{self.cohort}/door/url"

    def people_parameter(self, page: int | str) -> str:
        """The SSM parameter with a page of who may sign in: teams, learners, advisors."""
        return f"/academy/{self.cohort}/door/people/{page}"

    # --- learners, and advisors with spaces -----------------------------------------------------
    def shared_domain(self, of: str) -> str:
        """A Studio domain that several people share; `of`: a team's id, or EVERYONE."""
        return f"{self.cohort}{SEPARATOR}domain{SEPARATOR}{of}"

    def workspace(self, learner: str) -> str:
        """One name for a learner's user profile and space, and for a domain of their own."""
        return f"{self.cohort}{SEPARATOR}{learner}"

    def workspace_parameter(self, learner: str) -> str:
        """The SSM parameter with the learner's workspace config."""
        return parameter_of_workspace(self.workspace(learner))

    def alias(self, learner: str) -> str:
        """The broker's alias that only this learner may invoke: it is the learner's identity."""
        return learner

    def job_prefix(self, team: str) -> str:
        return f"{self.cohort}{SEPARATOR}{team}{SEPARATOR}"

    def job(self, team: str, learner: str, token: str) -> str:
        return f"{self.job_prefix(team)}{learner}{SEPARATOR}{token[:TOKEN_LENGTH]}"

    # --- keys in buckets ----------------------------------------------------------------------
    @staticmethod
    def team_prefix(team: str) -> str:
        return f"teams/{team}/"

    @staticmethod
    def submission_prefix(project: str, team: str) -> str:
        return f"submissions/{project}/{team}/"

    @staticmethod
    def checked_prefix(project: str, team: str) -> str:
        """Submissions that the checker has read, in the form that the scorer reads."""
        return f"checked/{project}/{team}/"

    @staticmethod
    def receipt_prefix(project: str, team: str) -> str:
        return f"receipts/{project}/{team}/"

    @staticmethod
    def notes_prefix(team: str) -> str:
        """What advisors wrote to the team."""
        return f"notes/{team}/"

    def every(
        self,
        teams: Iterable[tuple[str, Iterable[str]]],
        *,
        advisors: Iterable[str] = (),
        isolation: str = "learner",
        network: str = "public",
        door: bool = False,
        provider: bool = False,
        account: str = "123456789012",
        region: str = "ap-southeast-1",
    ) -> Iterator[tuple[str, str]]:
        """Each (kind, name) of a cohort with these (team, learners), with `advisors` who have
        spaces, with a `door` and its `provider`: what `cohort check` reads."""
        yield "stack", self.foundation_stack
        yield "stack", self.guard_stack
        yield "stack", self.competition_stack
        for purpose in ("data", "vault", "work", "site"):
            yield "bucket", self.bucket(purpose, account=account, region=region)
        yield "table", self.ledger_table
        yield "table", self.board_table
        yield "policy", self.boundary_policy
        yield "policy", self.chat_policy
        yield "key alias", self.key_alias("records")
        yield "key alias", self.key_alias("vault")
        yield "lifecycle config", self.lifecycle_config("0" * 64)
        yield "schedule group", self.schedule_group
        yield "topic", self.topic("notices")
        yield "topic", self.topic("news")
        yield "chat configuration", self.news_channel
        yield "queue", self.dead_letters
        yield "budget", self.backstop_budget("0" * 64)
        for purpose in ALARMS:
            if door or purpose != "door-errors":
                yield "alarm", self.alarm(purpose)
        yield "parameter", self.settings_parameter
        for part in ("vpc", "subnets", *(["security-group"] if network == "private" else [])):
            yield "parameter", self.network_parameter(part)
        for service in SERVICES:
            if service not in OPTIONAL or door:
                yield "function", self.function(service)
                yield "log group", self.log_group(service)
                yield "role", self.role("service", service)
        for service in RULED:
            yield "rule", self.rule(service)
        yield "role", self.role("service", "stopper")
        yield "role", self.role("service", "chat")
        if isolation == "cohort":
            yield "stack", self.studio_stack
            yield "parameter", self.domain_parameter
            yield from self._shared(EVERYONE)
        if door:
            yield "stack", self.door_stack
            yield "user pool", self.user_pool
            yield "api", self.api
            yield "log group", self.access_log_group
            yield "parameter", self.user_pool_parameter
            yield "parameter", self.door_url_parameter
            yield "parameter", self.people_parameter(1)
        if provider:
            yield "user pool", self.provider_pool
            yield "domain prefix", self.provider_domain(account=account, region=region)
        for team, learners in teams:
            yield "stack", self.team_stack(team)
            yield "role", self.role("training", team)
            if isolation == "team":
                yield from self._shared(team)
            for learner in learners:
                yield from self._person("learner", learner, domain=isolation == "learner")
                yield "job", self.job(team, learner, "0" * TOKEN_LENGTH)
        for advisor in advisors:
            yield "stack", self.advisors_stack
            yield "parameter", self.roster_parameter(1)
            yield from self._person("advisor", advisor, domain=isolation != "cohort")

    def _person(self, kind: str, person: str, *, domain: bool) -> Iterator[tuple[str, str]]:
        workspace = self.workspace(person)
        if domain:
            yield "domain", workspace
        yield "profile", workspace
        yield "space", workspace
        yield "role", self.role(kind, person)
        yield "alias", self.alias(person)
        yield "schedule", self.stop_schedule(person)
        yield "parameter", self.workspace_parameter(person)

    def _shared(self, of: str) -> Iterator[tuple[str, str]]:
        yield "domain", self.shared_domain(of)
        yield "role", self.role("domain", of)


def address_hash(email: str) -> str:
    """What stands for an address: in a user's name its first digits, in the door's list all."""
    return hashlib.sha256(email.lower().encode()).hexdigest()


def user_of(person: str, address: str) -> str:
    """Who signs in as the person of this id, by the address with this hash: `Names.user`."""
    return f"{person}{SEPARATOR}{address[:ADDRESS_LENGTH]}"


def person_of_user(user: str) -> str | None:
    """The id of the person who signs in as `user`, or None if no deploy has made that."""
    person, _, address = user.partition(SEPARATOR)
    if not re.fullmatch(ID_PATTERN, person) or len(person) > ID_MAX:
        return None
    if not re.fullmatch(rf"[0-9a-f]{{{ADDRESS_LENGTH}}}", address):
        return None
    return person


def parameter_of_workspace(workspace: str) -> str:
    """The SSM parameter that describes `workspace`, which is also its Studio space's name."""
    return f"/academy/workspaces/{workspace}"


@dataclass(frozen=True)
class JobName:
    """A training job's name, taken apart."""

    cohort: str
    team: str
    learner: str
    token: str

    @classmethod
    def parse(cls, name: str) -> JobName | None:
        """The parts of `name`, or None if the academy did not make it."""
        parts = name.split(SEPARATOR)
        if len(parts) != 4 or not all(re.fullmatch(ID_PATTERN, part) for part in parts[:3]):
            return None
        if not re.fullmatch(rf"^[0-9a-f]{{{TOKEN_LENGTH}}}$", parts[3]):
            return None
        return cls(*parts)
