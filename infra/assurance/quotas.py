"""The quotas that a cohort needs, what an account has of them, and the request that closes a gap.

Names are as Service Quotas lists them, read in public listings of accounts and unconfirmed here;
codes are taken from the account itself. Clients are passed in: nothing here knows credentials.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.assurance.templates import Templates
from infra.cohort.model import Cohort

#: IAM is global; Service Quotas keeps its quotas here.
GLOBAL_REGION = "us-east-1"
#: Lambda leaves at least this many executions to functions that reserve none.
UNRESERVED_EXECUTIONS = 100

#: client(service, region) -> a boto3 client.
Clients = Callable[[str, str], Any]


@dataclass(frozen=True)
class Need:
    """One quota: `least` makes the cohort work at all, `full` lets all learners work at once."""

    service: str
    name: str
    region: str
    least: int
    full: int
    why: str
    #: Reads how much of it the account uses for other things, or None where that passes by itself.
    others: Callable[[Any, Cohort], int] | None = None
    #: The service whose client `others` takes.
    read_with: str = ""


@dataclass(frozen=True)
class Quota:
    """A quota as an account has it. None: could not be read, or is not counted."""

    code: str | None
    has: int | None
    in_use: int | None


@dataclass(frozen=True)
class Finding:
    """One need, held against what an account has (None: no account was asked)."""

    need: Need
    quota: Quota | None

    @property
    def free(self) -> int | None:
        """What is left for the cohort."""
        if self.quota is None or self.quota.has is None:
            return None
        return max(0, self.quota.has - (self.quota.in_use or 0))

    @property
    def verdict(self) -> str:
        """unknown, enough, short (not for all at once) or blocked (the cohort cannot work)."""
        if self.free is None:
            return "unknown"
        if self.free < self.need.least:
            return "blocked"
        return "enough" if self.free >= self.need.full else "short"

    @property
    def request(self) -> str | None:
        """The command that asks AWS for what is missing, if something is and its code is known."""
        if self.verdict not in ("blocked", "short") or not self.quota or not self.quota.code:
            return None
        wanted = self.need.full + (self.quota.in_use or 0)
        return shlex.join(
            [
                *("aws", "service-quotas", "request-service-quota-increase"),
                *("--service-code", self.need.service, "--quota-code", self.quota.code),
                *("--desired-value", str(wanted), "--region", self.need.region),
            ]
        )


@dataclass(frozen=True)
class Quotas:
    """All needs of a cohort; `account` is None where none was asked."""

    account: str | None
    findings: tuple[Finding, ...]
    #: What could not be read, as sentences.
    unread: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        return any(finding.verdict == "blocked" for finding in self.findings)


def needs(cohort: Cohort, templates: Templates) -> list[Need]:
    """The quotas that `cohort` needs for what is in `templates` and for its learners' work."""
    region = cohort.region
    counts = templates.counts()
    learners = len(cohort.learners)
    found = []

    def stands(
        service: str,
        name: str,
        kind: str,
        others: Callable[[Any, Cohort], int],
        *,
        read_with: str = "",
        region: str = region,
    ) -> None:
        """A quota on what exists: it must all fit beside what the account has already."""
        count = counts[kind]
        if count:
            why = f"{count} {'stand' if count > 1 else 'stands'} in the cohort's stacks"
            found.append(
                Need(service, name, region, count, count, why, others, read_with or service)
            )

    stands("sagemaker", "Total domains", "AWS::SageMaker::Domain", _other_domains)
    stands(
        "sagemaker",
        "Maximum number of Studio user profiles allowed per account",
        "AWS::SageMaker::UserProfile",
        _other_profiles,
    )
    stands(
        "sagemaker",
        "Maximum number of Studio spaces allowed per account",
        "AWS::SageMaker::Space",
        _other_spaces,
    )
    people = len(cohort.people)
    advisors = f" and {people - learners} advisors" if people > learners else ""
    everyone = f"one for each of {learners} learners{advisors}, all at once"
    found.append(
        Need(
            "sagemaker",
            "Maximum number of running Studio apps allowed per account",
            region,
            1,
            people,
            everyone,
        )
    )
    for instance in cohort.studio.instances:
        name = f"Studio JupyterLab Apps running on {instance} instances"
        found.append(Need("sagemaker", name, region, 1, people, everyone))
    count = cohort.training.max_instances
    jobs = f"one job of {count} for each of {learners} learners, all at once"
    for instance in cohort.training.instances:
        name = f"{instance} for training job usage"
        found.append(Need("sagemaker", name, region, count, count * learners, jobs))
    found.append(
        Need(
            "sagemaker",
            "Number of instances across all training jobs",
            region,
            count,
            count * learners,
            jobs,
        )
    )
    stands("vpc", "VPCs per Region", "AWS::EC2::VPC", _other_vpcs, read_with="ec2")
    stands("iam", "Roles per account", "AWS::IAM::Role", _other_roles, region=GLOBAL_REGION)
    reserved = sum(
        int(function.properties.get("ReservedConcurrentExecutions", 0))
        for function in templates.resources("AWS::Lambda::Function")
    )
    if reserved:
        least = reserved + UNRESERVED_EXECUTIONS
        why = f"{reserved} are reserved, and {UNRESERVED_EXECUTIONS} must stay unreserved"
        found.append(Need("lambda", "Concurrent executions", region, least, least, why))
    return found


def without_account(needed: Iterable[Need]) -> Quotas:
    """The needs, held against nothing."""
    return Quotas(None, tuple(Finding(need, None) for need in needed))


def in_account(needed: Iterable[Need], cohort: Cohort, clients: Clients, *, account: str) -> Quotas:
    """The needs, held against what `account` has.

    What the credentials may not read is said in `unread`; it stops nothing else.
    """
    listings: dict[tuple[str, str], dict[str, Any]] = {}
    unread: list[str] = []
    findings = []
    for need in needed:
        place = (need.service, need.region)
        if place not in listings:
            try:
                listings[place] = _listing(clients("service-quotas", need.region), need.service)
            except (ClientError, BotoCoreError) as error:
                listings[place] = {}
                unread.append(f"the quotas of {need.service} in {need.region}: {_said(error)}")
        listed = listings[place].get(_key(need.name))
        if listed is None and listings[place]:
            unread.append(f"{need.name!r}: Service Quotas lists no such quota of {need.service}")
        in_use = None
        if need.others:
            try:
                in_use = need.others(clients(need.read_with, need.region), cohort)
            except (ClientError, BotoCoreError) as error:
                unread.append(f"how much of {need.name!r} is in use: {_said(error)}")
        quota = Quota(
            code=listed["QuotaCode"] if listed else None,
            has=math.floor(listed["Value"]) if listed else None,
            in_use=in_use,
        )
        findings.append(Finding(need, quota))
    return Quotas(account, tuple(findings), tuple(unread))


def _listing(client: Any, service: str) -> dict[str, Any]:
    """Name -> quota. The applied values, and AWS's default where none was ever applied."""
    found: dict[str, Any] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode=service):
            found |= {_key(quota["QuotaName"]): quota for quota in page["Quotas"]}
    return found


def _key(name: str) -> str:
    """AWS writes some quotas `... instance` and some `... instances`, `Apps` and `apps`."""
    return name.lower().removesuffix("s")


def _said(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return (
            f"AWS refused {error.operation_name}: {details.get('Code')}: {details.get('Message')}"
        )
    return str(error)


# --- what else the account has: a cohort that is deployed already must not count against itself ---


def _pages(client: Any, operation: str, member: str, **request: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**request):
        yield from page[member]


def _not_ours(names: Iterable[str], cohort: Cohort) -> int:
    ours = {cohort.names.workspace(person.id) for person in cohort.people}
    return sum(name not in ours for name in names)


def _other_domains(client: Any, cohort: Cohort) -> int:
    """Those of the cohort itself under another `isolation` count: while it changes, both stand."""
    teams = [(team.id, [learner.id for learner in team.learners]) for team in cohort.teams]
    advisors = [advisor.id for advisor in cohort.advisors_with_spaces]
    names = cohort.names.every(teams, advisors=advisors, isolation=cohort.isolation)
    ours = {name for kind, name in names if kind == "domain"}
    found = _pages(client, "list_domains", "Domains")
    return sum(each["DomainName"] not in ours for each in found)


def _other_profiles(client: Any, cohort: Cohort) -> int:
    found = _pages(client, "list_user_profiles", "UserProfiles")
    return _not_ours((each["UserProfileName"] for each in found), cohort)


def _other_spaces(client: Any, cohort: Cohort) -> int:
    found = _pages(client, "list_spaces", "Spaces")
    return _not_ours((each["SpaceName"] for each in found), cohort)


def _other_vpcs(client: Any, cohort: Cohort) -> int:
    ours = {"Key": "academy:cohort", "Value": cohort.name}
    return sum(ours not in vpc.get("Tags", []) for vpc in _pages(client, "describe_vpcs", "Vpcs"))


def _other_roles(client: Any, cohort: Cohort) -> int:
    total = int(client.get_account_summary()["SummaryMap"]["Roles"])
    path = f"/academy/{cohort.name}/"
    return total - sum(1 for _ in _pages(client, "list_roles", "Roles", PathPrefix=path))
