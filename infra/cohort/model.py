"""The cohort file as pydantic models: what an admin may write, field by field.

What is wrong *between* fields is in `checks`.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)
from pydantic_core import PydanticCustomError

from infra.cohort import naming
from infra.cohort.prices import PriceList

PROJECTS = ("land-cover", "climate-series")


def problem(message: str, remedy: str) -> PydanticCustomError:
    """An error whose remedy `cohort check` prints."""
    return PydanticCustomError("cohort", "{message}", {"message": message, "remedy": remedy})


def _id(value: str) -> str:
    if not re.fullmatch(naming.ID_PATTERN, value):
        raise problem(
            "not a legal id",
            "lower-case letters, digits and single hyphens, starting with a letter: falcon-2",
        )
    return value


Id = Annotated[str, StringConstraints(min_length=2, max_length=naming.ID_MAX), AfterValidator(_id)]
CohortName = Annotated[
    str,
    StringConstraints(min_length=naming.COHORT_MIN, max_length=naming.COHORT_MAX),
    AfterValidator(_id),
]


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+\.[^@\s,<>]+", value):
        raise problem("not an e-mail address", "an address like ana@example.org")
    return value


def _date(value: object) -> object:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            raise ValueError("not written as a date")
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise problem(f"not a date: {error}", "a date like 2026-11-30") from None


Email = Annotated[str, AfterValidator(_email)]
Date = Annotated[dt.date, BeforeValidator(_date)]
Usd = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]


class Strict(BaseModel):
    """An unknown key is an error: a misspelt limit must not vanish."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class Person(Strict):
    id: Id
    email: Email


class Team(Strict):
    id: Id
    learners: Annotated[list[Person], Field(min_length=1, max_length=4)]


class Studio(Strict):
    instances: Annotated[list[str], Field(min_length=1)] = ["ml.t3.medium"]
    #: AWS allows 60 to 525,600 (SageMaker IdleSettings).
    idle_minutes: Annotated[int, Field(ge=60, le=525_600)] = 60
    #: AWS allows 5 to 16,384 GB (SageMaker EbsStorageSettings).
    storage_gb: Annotated[int, Field(ge=5, le=16_384)] = 20
    #: Longest reservation of a space; working on renews it.
    max_hours: Annotated[int, Field(ge=1, le=12)] = 4


class Training(Strict):
    instances: Annotated[list[str], Field(min_length=1)] = ["ml.m5.large"]
    #: Spans what SageMaker allows a training job: 28 days (MaxRuntimeInSeconds).
    max_hours: Annotated[int, Field(ge=1, le=672)] = 4
    max_instances: Annotated[int, Field(ge=1)] = 1
    spot: bool = False

    @field_validator("max_instances")
    @classmethod
    def _one(cls, value: int) -> int:
        if value > 1:
            raise problem("jobs on several instances are not built yet", "max_instances: 1")
        return value

    @field_validator("spot")
    @classmethod
    def _spot(cls, value: bool) -> bool:
        if value:
            raise problem("spot training is not built yet", "spot: false")
        return value


class Budget(Strict):
    per_learner_usd: Usd
    #: Of each advisor's space. None: no space is made for advisors.
    per_advisor_usd: Usd | None = None
    #: Whether the tag academy:cohort is active for cost allocation in the account's Billing
    #: console, which no deploy can do. The back-stop budget then watches this cohort alone.
    cost_allocation_tags: bool = False
    #: AWS allows a budget five notifications (budgets CreateBudget).
    alert_percent: Annotated[
        list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1, max_length=5)
    ] = [50, 80, 100]


class Competition(Strict):
    submissions_per_day: Annotated[int, Field(ge=1, le=100)] = 5
    closes: Date
    public_fraction: Annotated[Decimal, Field(ge=Decimal("0.1"), le=Decimal("0.9"))] = Decimal(
        "0.3"
    )


def _teams_id(value: str) -> str:
    if not re.fullmatch(TEAMS_ID_PATTERN, value):
        raise problem(
            "not an id of Microsoft Teams",
            "the id as the channel's link in Teams has it (tenantId=…, groupId=…): "
            "11111111-2222-3333-4444-555555555555",
        )
    return value


def _teams_channel(value: str) -> str:
    if len(value) > 256 or not re.fullmatch(TEAMS_CHANNEL_PATTERN, value):
        raise problem(
            "not a channel id of Microsoft Teams",
            "the part of the channel's link between /channel/ and the next slash, percent signs "
            "and all: 19%3a…%40thread.tacv2",
        )
    return value


#: Source of both: AWS::Chatbot::MicrosoftTeamsChannelConfiguration, TeamId and TeamsChannelId.
TEAMS_ID_PATTERN = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
TEAMS_CHANNEL_PATTERN = r"[a-zA-Z0-9\-_=+/.,]*%3[aA][a-zA-Z0-9\-_=+/.,]*%40[a-zA-Z0-9\-_=+/.,]*"

TeamsId = Annotated[str, AfterValidator(_teams_id)]


class TeamsChannel(Strict):
    """A channel of Microsoft Teams that is told the news of the competition."""

    tenant: TeamsId
    team: TeamsId
    channel: Annotated[str, AfterValidator(_teams_channel)]


class Notify(Strict):
    """Who is told what: `email` of money and faults, `news` and `teams` of the competition."""

    email: Email | None = None
    news: Annotated[list[Email], Field(max_length=10)] = []
    teams: TeamsChannel | None = None

    @field_validator("news")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise problem("an address is listed twice", "each address once")
        return value


def _provider_name(value: str) -> str:
    if not re.fullmatch(PROVIDER_NAME_PATTERN, value) or value.lower() in RESERVED_PROVIDERS:
        raise problem(
            "not a name of a provider",
            "3 to 32 letters, digits, dots and hyphens, beginning with a letter, and none of "
            f"{', '.join(RESERVED_PROVIDERS)}: Agency",
        )
    return value


def _issuer(value: str) -> str:
    try:
        parts = urlsplit(value)
        here = parts.hostname in ("127.0.0.1", "localhost")
        right = parts.scheme == "https" or (parts.scheme == "http" and here)
        bare = not (parts.query or parts.fragment or parts.username is not None or "?" in value)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = bare = known = False
    if not (right and bare and known and re.fullmatch(r"[\x21-\x7e]{1,512}", value)):
        raise problem(
            "not an issuer",
            "the provider's address as its /.well-known/openid-configuration says it, by https and "
            "without a query: https://login.example.org",
        )
    return value


def _plain(what: str, pattern: str, remedy: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise problem(f"not {what}", remedy)
        return value

    return AfterValidator(check)


#: Part of what CreateIdentityProvider takes (ProviderName): it stands before an underscore in the
#: names of the people whom it vouches for, and on a button.
PROVIDER_NAME_PATTERN = r"[A-Za-z][A-Za-z0-9.-]{2,31}"
#: Source: ProviderName and ProviderType in the same reference.
RESERVED_PROVIDERS = ("cognito", "facebook", "google", "loginwithamazon", "signinwithapple")
#: Source: Name in CreateSecret (Secrets Manager API reference), or the ARN.
OF_SECRETS_MANAGER = (
    r"[A-Za-z0-9/_+=.@-]{1,512}"
    r"|arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}"
)


class Provider(Strict):
    """The organisation's own sign-in: a provider of OpenID Connect.

    Whom it vouches for is somebody of the cohort by the address that the provider has checked.
    """

    #: What the button says.
    name: Annotated[str, AfterValidator(_provider_name)]
    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: Annotated[
        str,
        _plain(
            "a client id",
            r"[\x21-\x7a|~]{1,256}",
            "the id that the provider gave the client, without spaces",
        ),
    ]
    #: The secret of Secrets Manager, by name or ARN, whose whole text is the client's secret.
    secret: Annotated[
        str,
        _plain(
            "a secret of Secrets Manager",
            OF_SECRETS_MANAGER,
            "its name or ARN, and not what it holds: academy/agency",
        ),
    ]
    #: The claim by which the provider says that it has checked the address.
    verified: Annotated[
        str,
        _plain("a claim", r"[A-Za-z0-9_.:/-]{1,128}", "a claim of the ID token: email_verified"),
    ] = "email_verified"


class Door(Strict):
    """The learners' web page: whoever is in the file signs in by a code sent to their address."""

    #: Whom the codes come from. Amazon SES in the cohort's region must be allowed to send from it.
    sender: Annotated[Email, Field(alias="from")]
    #: What SES has verified, if that is not the address itself: its domain.
    identity: str | None = None
    #: None: by a code alone. Else by this, too.
    provider: Provider | None = None


class Cohort(Strict):
    """One cohort: who learns, when, on what, for how much."""

    name: CohortName
    region: str
    starts: Date
    ends: Date
    #: Who shares a Studio domain: nobody, each team, or all learners. Space, role and budget are
    #: everyone's own in any case.
    isolation: Literal["learner", "team", "cohort"] = "learner"
    #: public: spaces and jobs reach the internet, and nothing bills by standing there. private:
    #: they reach the cohort's buckets and what it asks of AWS, through endpoints that bill by the
    #: hour.
    network: Literal["public", "private"] = "public"
    advisors: list[Person] = []
    teams: Annotated[list[Team], Field(min_length=1)]
    projects: Annotated[list[str], Field(min_length=1)]
    studio: Studio = Studio()
    training: Training = Training()
    budget: Budget
    competition: Competition
    notify: Notify = Notify()
    #: None: the cohort has no web page; people are handed links by an admin.
    door: Door | None = None
    protect: bool = False

    @field_validator("region")
    @classmethod
    def _region(cls, value: str) -> str:
        regions = PriceList.snapshot().regions()
        if value not in regions:
            raise problem("no prices are known for this region", f"one of {', '.join(regions)}")
        return value

    @field_validator("projects")
    @classmethod
    def _projects(cls, value: list[str]) -> list[str]:
        for project in value:
            if project not in PROJECTS:
                raise problem(f"unknown project {project!r}", f"one of {', '.join(PROJECTS)}")
        if len(set(value)) != len(value):
            raise problem("a project is listed twice", "each project once")
        return value

    @property
    def names(self) -> naming.Names:
        return naming.Names(self.name)

    @property
    def learners(self) -> list[tuple[Team, Person]]:
        """Each learner with the team, in the file's order."""
        return [(team, learner) for team in self.teams for learner in team.learners]

    @property
    def advisors_with_spaces(self) -> list[Person]:
        """The advisors, where the budget pays for a space of theirs."""
        return self.advisors if self.budget.per_advisor_usd is not None else []

    @property
    def people(self) -> list[Person]:
        """Everyone who has a workspace: learners, then advisors."""
        return [*(learner for _, learner in self.learners), *self.advisors_with_spaces]

    def cap_usd(self, person: str) -> Decimal:
        """What the file lets the person of this id spend, who has a workspace."""
        advises = any(advisor.id == person for advisor in self.advisors_with_spaces)
        cap = self.budget.per_advisor_usd if advises else self.budget.per_learner_usd
        assert cap is not None, "an advisor with a space has a cap"
        return cap
