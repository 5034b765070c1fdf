"""What a cohort will be and cost, before it is deployed: stacks, quotas, and money in four ways.

Standing (nobody works), stored (gigabytes), worst (everyone spends the cap), likely (assumptions
below, printed with the sum). Money is Decimal throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from infra.assurance.quotas import Finding, Quotas
from infra.assurance.standing_cost import (
    DAYS_PER_MONTH,
    HOURS_PER_MONTH,
    Bill,
    Line,
    Price,
    PriceTable,
    StandingCost,
    standing_cost,
)
from infra.assurance.templates import Templates
from infra.cohort.model import Cohort
from infra.cohort.prices import MICRO_DOLLARS, Component, PriceList

#: Of the JSON document. A member is never removed or changed in meaning within a version.
SCHEMA_VERSION = 1

#: What the sums leave out, because no one can bound it beforehand.
LEFT_OUT = (
    "objects in S3 beyond the assumed gigabytes: no AWS limit holds a bucket's size",
    "data transfer out to the internet from spaces and jobs; in a private network, what goes "
    "through its endpoints, but S3's, which is free",
    "requests that working learners cause: S3, Lambda, DynamoDB, schedules, logs, pages of the "
    "door and the codes that it sends",
    "taxes, support plans and AWS's free tier",
)


#: What `isolation` and `network` of the cohort file mean.
ISOLATION = {
    "learner": "each learner has a Studio domain of their own",
    "team": "each team shares a Studio domain; space, role and budget are each learner's own",
    "cohort": "all learners share a Studio domain; space, role and budget are each learner's own",
}
NETWORK = {
    "public": "spaces and jobs reach the internet",
    "private": "spaces and jobs reach the cohort's buckets and what they ask of AWS, by endpoints "
    "that bill by the hour, and nothing else: no package index, no Git",
}


@dataclass(frozen=True)
class Assumptions:
    """The likely case: what one learner does in one week. The admin's to doubt."""

    #: In the space, on the cheapest type that the cohort file lists for spaces.
    space_hours_on_cheapest: Decimal = Decimal(5)
    #: In the space, on the dearest.
    space_hours_on_dearest: Decimal = Decimal(1)
    #: Training jobs on the cheapest type that the cohort file lists for training.
    jobs_on_cheapest: Decimal = Decimal(2)
    #: Training jobs on the dearest.
    jobs_on_dearest: Decimal = Decimal(1)
    #: How long each job runs, on one instance.
    job_hours: Decimal = Decimal(1)
    #: A job's disk.
    job_disk_gb: Decimal = Decimal(10)


@dataclass(frozen=True)
class Stack:
    """One stack, with how many resources of each type it will have."""

    name: str
    resources: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """Everything that `cohort plan` says."""

    cohort: Cohort
    stacks: tuple[Stack, ...]
    quotas: Quotas
    standing: StandingCost
    worst: Bill
    likely: Bill
    assumptions: Assumptions
    #: Days from the cohort's first to its last, both included.
    days: int
    prices: PriceList

    @property
    def months(self) -> Decimal:
        return Decimal(self.days) / DAYS_PER_MONTH

    def resources(self) -> dict[str, int]:
        """How many resources of each type there will be, most first."""
        total: dict[str, int] = {}
        for stack in self.stacks:
            for kind, count in stack.resources.items():
                total[kind] = total.get(kind, 0) + count
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    @property
    def backstop_watches(self) -> str:
        """What the back-stop budget adds up, which depends on a switch in the Billing console."""
        if self.cohort.budget.cost_allocation_tags:
            return f"what carries the tag academy:cohort={self.cohort.name}"
        return "the whole account"

    def unverified(self) -> list[str]:
        """What stands behind the prices that were not read from AWS's own price list."""
        found = []
        reading = self.prices.reading(self.cohort.region)
        if not reading.verified:
            found.append(f"instances: {reading.source} (read {reading.read})")
        bills = (self.standing.services, self.standing.stored, self.standing.backstop)
        others = [line.price for bill in bills for line in bill.lines if not line.price.verified]
        if others:
            dates = sorted({price.read for price in others})
            found.append(f"everything else: AWS's price pages (read {', '.join(dates)})")
        return found


def make_plan(
    cohort: Cohort,
    templates: Templates,
    quotas: Quotas,
    *,
    prices: PriceList,
    assumptions: Assumptions | None = None,
) -> Plan:
    """The plan of `cohort`, whose stacks are in `templates`.

    Raises:
        Unpriced: if something in the templates has no price.
        UnknownPrice: if an instance type has none.
    """
    assumptions = assumptions or Assumptions()
    days = (cohort.ends - cohort.starts).days + 1
    learners = len(cohort.learners)
    standing = standing_cost(
        templates,
        learners=learners,
        days=days,
        region=cohort.region,
        projects=len(cohort.projects),
    )
    months = Decimal(days) / DAYS_PER_MONTH
    over_time = [*_over_time(standing, months), *_signing_in(cohort, months)]
    stacks = tuple(
        Stack(name, dict(sorted(Templates({name: template}).counts().items())))
        for name, template in templates.stacks.items()
    )
    return Plan(
        cohort=cohort,
        stacks=stacks,
        quotas=quotas,
        standing=standing,
        worst=Bill((*_caps(cohort), *over_time)),
        likely=Bill((*_work(cohort, assumptions, prices, Decimal(days) / 7), *over_time)),
        assumptions=assumptions,
        days=days,
        prices=prices,
    )


def _caps(cohort: Cohort) -> list[Line]:
    budget = cohort.budget
    kinds = [("learner", budget.per_learner_usd, len(cohort.learners))]
    if budget.per_advisor_usd is not None and cohort.advisors:
        kinds.append(("advisor", budget.per_advisor_usd, len(cohort.advisors)))
    return [
        Line(
            f"every {kind}'s cap",
            Decimal(count),
            Price(cap, kind, f"budget.per_{kind}_usd", "", verified=True),
            "the broker starts nothing beyond",
        )
        for kind, cap, count in kinds
    ]


def _over_time(standing: StandingCost, months: Decimal) -> list[Line]:
    """What runs on over the cohort's whole time, whoever works."""
    lines = []
    for what, bill in (
        ("standing cost", standing.services),
        ("stored gigabytes", standing.stored),
        ("back-stop budgets", standing.backstop),
    ):
        if bill.lines:
            price = Price(bill.usd, "month", "the lines above", "", verified=False)
            lines.append(
                Line(
                    what, months, price, "from the first day to the last; goes on until cdk destroy"
                )
            )
    return lines


def _signing_in(cohort: Cohort, months: Decimal) -> list[Line]:
    """Everybody of the cohort, who signs in at the door at least once in each month."""
    if not cohort.door:
        return []
    people = len(cohort.learners) + len(cohort.advisors)
    price = PriceTable.of(cohort.region).prices["person_signs_in"]
    basis = f"{people} people each month, though an account's first 10,000 are free"
    lines = [Line("people who sign in", people * months, price, basis)]
    if cohort.door.provider:
        # They count here and among the others: the door looks at their users there.
        basis = f"{people} people each month, though an account's first 50 are free"
        lines.append(Line("people who sign in by the provider", people * months, price, basis))
    return lines


def _work(
    cohort: Cohort, assumptions: Assumptions, prices: PriceList, weeks: Decimal
) -> list[Line]:
    """The learners' spaces and jobs as assumed, held back by the cap where they would pass it."""
    reading = prices.reading(cohort.region)
    learners = len(cohort.learners)
    all_weeks = learners * weeks
    hours = min(assumptions.job_hours, Decimal(cohort.training.max_hours))
    jobs = assumptions.jobs_on_cheapest + assumptions.jobs_on_dearest

    def line(
        component: Component,
        what: str,
        instance: str,
        weekly: Decimal,
        people: int = learners,
        each: str = "learner",
    ) -> Line:
        usd = Decimal(prices.micro_usd_per_hour(cohort.region, component, instance))
        price = Price(
            usd / MICRO_DOLLARS, "hour", reading.source, reading.read, verified=reading.verified
        )
        basis = f"{weekly:f} h for each {each} and week"
        return Line(f"{what} on {instance}", weekly * people * weeks, price, basis)

    def listed(component: Component, names: Iterable[str]) -> tuple[str, str]:
        """The cheapest and the dearest."""

        def hourly(name: str) -> int:
            return prices.micro_usd_per_hour(cohort.region, component, name)

        ordered = sorted(names, key=hourly)
        return ordered[0], ordered[-1]

    cheap, dear = listed("studio", cohort.studio.instances)
    cheap_job, dear_job = listed("training", cohort.training.instances)
    disk = PriceTable.of(cohort.region).prices["training_disk"]
    lines = [
        line("studio", "spaces", cheap, assumptions.space_hours_on_cheapest),
        line("studio", "spaces", dear, assumptions.space_hours_on_dearest),
        line("training", "jobs", cheap_job, assumptions.jobs_on_cheapest * hours),
        line("training", "jobs", dear_job, assumptions.jobs_on_dearest * hours),
        Line(
            "jobs' disks",
            jobs * hours * all_weeks * assumptions.job_disk_gb / HOURS_PER_MONTH,
            disk,
            f"{assumptions.job_disk_gb:f} GB while a job runs",
        ),
    ]
    if advisors := len(cohort.advisors_with_spaces):
        weekly = assumptions.space_hours_on_cheapest
        lines.append(line("studio", "advisors' spaces", cheap, weekly, advisors, "advisor"))
    total = Bill(tuple(lines)).usd
    cap = sum((cohort.cap_usd(person.id) for person in cohort.people), Decimal(0))
    if total > cap:
        price = Price(cap - total, "cohort", "the caps", "", verified=True)
        lines.append(
            Line("beyond the caps", Decimal(1), price, "refused: work as assumed costs more")
        )
    return lines


# --- the document of `cohort plan --json` ---------------------------------------------------------


def to_document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-ready data; amounts are decimal numbers in strings, in US dollars."""
    cohort = plan.cohort
    reading = plan.prices.reading(cohort.region)
    return {
        "version": SCHEMA_VERSION,
        "cohort": cohort.name,
        "region": cohort.region,
        "learners": len(cohort.learners),
        "advisors_with_spaces": len(cohort.advisors_with_spaces),
        "teams": len(cohort.teams),
        "isolation": cohort.isolation,
        "network": cohort.network,
        "starts": cohort.starts.isoformat(),
        "ends": cohort.ends.isoformat(),
        "months": number(plan.months),
        "stacks": [
            {"name": stack.name, "resources": dict(stack.resources)} for stack in plan.stacks
        ],
        "resources": plan.resources(),
        "quotas": {
            "account": plan.quotas.account,
            "blocked": plan.quotas.blocked,
            "needed": [_finding(finding) for finding in plan.quotas.findings],
            "unread": list(plan.quotas.unread),
        },
        "standing": _bill(plan.standing.services),
        "stored": _bill(plan.standing.stored),
        "backstop": {**_bill(plan.standing.backstop), "watches": plan.backstop_watches},
        "worst": {**_bill(plan.worst), "left_out": list(LEFT_OUT)},
        "likely": {
            **_bill(plan.likely),
            "assumptions_per_learner_and_week": {
                name: number(value) for name, value in asdict(plan.assumptions).items()
            },
        },
        "instance_prices": asdict(reading),
        "unverified": plan.unverified(),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    need, quota = finding.need, finding.quota
    return {
        "service": need.service,
        "region": need.region,
        "name": need.name,
        "least": need.least,
        "full": need.full,
        "why": need.why,
        "code": quota.code if quota else None,
        "has": quota.has if quota else None,
        "in_use_by_others": quota.in_use if quota else None,
        "verdict": finding.verdict,
        "request": finding.request,
    }


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "usd": amount(bill.usd),
        "lines": [
            {
                "what": line.what,
                "quantity": number(line.quantity),
                "unit": line.price.unit,
                "usd_per_unit": number(line.price.usd),
                "usd": amount(line.usd),
                "basis": line.basis,
                "source": line.price.source,
                "read": line.price.read,
                "verified": line.price.verified,
            }
            for line in bill.lines
        ],
    }


def number(value: Decimal) -> str:
    """A decimal number without an exponent and without needless zeros.

    >>> number(Decimal("2E-7")), number(Decimal("20.00")), number(Decimal(730))
    ('0.0000002', '20', '730')
    """
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(usd: Decimal) -> str:
    """An amount of money to a hundredth of a cent, rounded up.

    >>> amount(Decimal("2.10546")), amount(Decimal(3))
    ('2.1055', '3.0000')
    """
    return f"{usd.quantize(Decimal('0.0001'), rounding=ROUND_CEILING):f}"
