"""What a deployed cohort costs a month with nobody working, line by line.

Counted from the templates. A type of resource, or a way of billing, that has no price in
standing_prices.json is an error: what is not modelled must not pass as free. AWS's free tier is
not counted on, because other work in the account may use it up.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from infra.assurance.templates import Resource, Templates

PRICES = Path(__file__).with_name("standing_prices.json")

#: As AWS's own price pages count.
HOURS_PER_MONTH = 730
DAYS_PER_MONTH = Decimal("30.4375")

#: One run of a scheduled function while nobody works: it asks after each learner, and finds
#: nothing. Assumed, on the high side, until measured on AWS.
RUN_SECONDS = Decimal("2")
RUN_SECONDS_PER_LEARNER = Decimal("0.1")
RUN_READS = 10
RUN_READS_PER_LEARNER = 2
#: DynamoDB asks KMS for a table's key once in five minutes of use, for each caller.
RUN_KEY_REQUESTS = 4
#: Lambda's START, END and REPORT, and a few lines of ours.
RUN_LOG_BYTES = 2_000

#: One board that is written anew because a clock says so (the steward calls the scorer), with all
#: learners' entries there: ranks are resampled. Assumed, on the high side, until measured on AWS.
BOARD_SECONDS = Decimal("2")
BOARD_SECONDS_PER_LEARNER = Decimal("0.02")
BOARD_READS = 20
BOARD_READS_PER_LEARNER = 10
#: The board, two pages, and looking again.
BOARD_WRITES = 6
#: The answers.
BOARD_GETS = 4
#: Submissions of a learner to a project by the end, each with a receipt. Assumed.
SUBMISSIONS_PER_LEARNER = 100
LISTED_AT_ONCE = 1_000

#: Stored gigabytes with all learners at work for weeks. Assumed.
S3_GB_SHARED = Decimal("1")
S3_GB_PER_LEARNER = Decimal("2")
LEDGER_GB_PER_LEARNER = Decimal("0.002")
LOG_GB_PER_LEARNER = Decimal("0.02")

GB = Decimal(1_000_000_000)


class Unpriced(LookupError):
    """Something would bill, or could, and its price is not known; the message says what to add."""


@dataclass(frozen=True)
class Price:
    """A price for one unit, where it was read and when."""

    usd: Decimal
    unit: str
    source: str
    read: str
    verified: bool


@dataclass(frozen=True)
class Line:
    """One line of a bill: `quantity` units at `price` each, and how the quantity comes about."""

    what: str
    quantity: Decimal
    price: Price
    basis: str

    @property
    def usd(self) -> Decimal:
        return self.quantity * self.price.usd


@dataclass(frozen=True)
class Bill:
    """Lines and their sum."""

    lines: tuple[Line, ...]

    @property
    def usd(self) -> Decimal:
        return sum((line.usd for line in self.lines), Decimal(0))


@dataclass(frozen=True)
class StandingCost:
    """A month with nobody working. The target is on `services` alone."""

    services: Bill
    stored: Bill
    backstop: Bill


@dataclass(frozen=True)
class PriceTable:
    """The prices of one region, and what is known to be free."""

    region: str
    prices: Mapping[str, Price]
    #: type of resource -> the line of one such resource
    free: Mapping[str, Line]

    @classmethod
    def of(cls, region: str) -> PriceTable:
        """The table for `region`.

        Raises:
            Unpriced: if there is none.
        """
        document = _document()
        if region not in document["regions"]:
            known = ", ".join(sorted(document["regions"]))
            raise Unpriced(
                f"no standing prices for region {region!r}: there are some for {known}; add the "
                f"region to infra/assurance/{PRICES.name}, each price with its source"
            )
        prices = {
            name: Price(
                Decimal(entry["usd"]),
                entry["unit"],
                entry["source"],
                entry["read"],
                bool(entry["verified"]),
            )
            for name, entry in document["regions"][region].items()
        }
        free: dict[str, Line] = {}
        for entry in document["free"]:
            price = Price(
                Decimal(0), "month", entry["source"], entry["read"], bool(entry["verified"])
            )
            line = Line(entry["what"], Decimal(1), price, entry["why"])
            free |= dict.fromkeys(entry["types"], line)
        return cls(region, prices, free)

    def line(self, what: str, price: str, quantity: Decimal | int, basis: str) -> Line:
        return Line(what, Decimal(quantity), self.prices[price], basis)


@cache
def _document() -> dict[str, Any]:
    document = json.loads(PRICES.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def standing_cost(
    templates: Templates, *, learners: int, days: int, region: str, projects: int = 1
) -> StandingCost:
    """The monthly cost of what is in `templates`, for a cohort of `learners` that lasts `days`.

    Args:
        projects: competitions, whose boards are written anew by the hour.

    Raises:
        Unpriced: naming the first resource whose price is not known.
    """
    table = PriceTable.of(region)
    services: list[Line] = []
    free: list[Line] = []
    backstop: list[Line] = []
    for resource in templates.resources():
        rule = _RULES.get(resource.type)
        lines = list(rule(resource, table, days)) if rule else []
        if not lines and resource.type in table.free:
            (backstop if _is_backstop(resource) else free).append(table.free[resource.type])
        elif not lines and rule is None:
            raise Unpriced(
                f"no standing price is known for {resource}: add {resource.type} to "
                f"infra/assurance/{PRICES.name}, or a rule to standing_cost.py"
            )
        (backstop if _is_backstop(resource) else services).extend(lines)
    services += _custom_metrics(templates, table)
    services += _runs(templates, table, learners)
    services += _boards(templates, table, learners, projects)
    dearest = sorted(_merged(services), key=lambda line: (-line.usd, line.what))
    return StandingCost(
        services=Bill((*dearest, *_merged(free))),
        stored=_stored(templates, table, learners),
        backstop=Bill(tuple(_merged(backstop))),
    )


def _is_backstop(resource: Resource) -> bool:
    return resource.type.startswith("AWS::Budgets::")


# --- resources that bill by existing, or by how they are set up ---------------------------------


def _key(resource: Resource, table: PriceTable, days: int) -> Iterator[Line]:
    if resource.properties.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        raise Unpriced(f"{resource} is no symmetric key: only those have a price here")
    yield table.line("customer-managed keys", "kms_key", 1, "from the deploy until deleted")
    rotations = min(2, days // 365) if resource.properties.get("EnableKeyRotation") else 0
    if rotations:
        yield table.line(
            "rotated key versions", "kms_key", rotations, "one a year; the first two bill"
        )


def _alarm(resource: Resource, table: PriceTable, _: int) -> Iterator[Line]:
    metrics = [each for each in resource.properties.get("Metrics", []) if "MetricStat" in each]
    periods = [each["MetricStat"].get("Period", 60) for each in metrics]
    periods = periods or [resource.properties.get("Period", 60)]
    fast = any(int(period) < 60 for period in periods)
    price = "alarm_high_resolution" if fast else "alarm"
    yield table.line("alarms", price, len(periods), "each metric that an alarm watches")


def _composite(_: Resource, table: PriceTable, __: int) -> Iterator[Line]:
    yield table.line("composite alarms", "composite_alarm", 1, "each")


def _dashboard(_: Resource, table: PriceTable, __: int) -> Iterator[Line]:
    yield table.line("dashboards", "dashboard", 1, "each")


def _table(resource: Resource, _: PriceTable, __: int) -> Iterator[Line]:
    """Free while nobody reads or writes."""
    if resource.properties.get("BillingMode") != "PAY_PER_REQUEST":
        raise Unpriced(f"{resource} is not on demand: it bills by the hour, and has no price here")
    return iter(())


def _parameter(resource: Resource, table: PriceTable, _: int) -> Iterator[Line]:
    """Standard ones are free."""
    if resource.properties.get("Tier", "Standard") != "Standard":
        yield table.line("advanced parameters", "advanced_parameter", 1, "larger than 4 kB")


def _endpoint(resource: Resource, table: PriceTable, _: int) -> Iterator[Line]:
    """Gateway endpoints are free."""
    kind = resource.properties.get("VpcEndpointType", "Gateway")
    if kind == "Gateway":
        return
    if kind != "Interface":
        raise Unpriced(f"{resource} is an endpoint of type {kind}, which has no price here")
    zones = len(resource.properties.get("SubnetIds", []))
    yield table.line(
        "interface endpoints",
        "interface_endpoint",
        zones * HOURS_PER_MONTH,
        f"every hour in each zone, {HOURS_PER_MONTH} a month",
    )


def _filter(_: Resource, __: PriceTable, ___: int) -> Iterator[Line]:
    """A metric filter bills by the metric it makes: _custom_metrics counts that."""
    return iter(())


def _domain(resource: Resource, _: PriceTable, __: int) -> Iterator[Line]:
    """Free, but for a home directory that nobody asked for."""
    if resource.properties.get("HomeEfsFileSystemCreation") != "Disabled":
        raise Unpriced(f"{resource} makes an EFS volume, whose bytes have no price here")
    return iter(())


def _schedule(_: Resource, __: PriceTable, ___: int) -> Iterator[Line]:
    """_runs counts its firings."""
    return iter(())


def _action(_: Resource, table: PriceTable, __: int) -> Iterator[Line]:
    yield table.line(
        "budget actions", "budget_action", DAYS_PER_MONTH, "a day each; the first 62 are free"
    )


#: What bills by how it is set up. A rule without a line leaves its resource to the free ones.
_RULES: dict[str, Callable[[Resource, PriceTable, int], Iterator[Line]]] = {
    "AWS::KMS::Key": _key,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::Table": _table,
    "AWS::SSM::Parameter": _parameter,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::Logs::MetricFilter": _filter,
    "AWS::SageMaker::Domain": _domain,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Budgets::BudgetsAction": _action,
}


def _custom_metrics(templates: Templates, table: PriceTable) -> Iterator[Line]:
    """Metrics of our own: those that filters make and alarms watch, each counted once."""
    found: set[tuple[str, str, str]] = set()
    for resource in templates.resources("AWS::Logs::MetricFilter"):
        for each in resource.properties.get("MetricTransformations", []):
            found.add((each["MetricNamespace"], each["MetricName"], ""))
    for resource in templates.resources("AWS::CloudWatch::Alarm"):
        watched: Iterable[Mapping[str, Any]] = [
            each["MetricStat"]["Metric"]
            for each in resource.properties.get("Metrics", [])
            if "MetricStat" in each
        ] or [resource.properties]
        for metric in watched:
            namespace = str(metric.get("Namespace", ""))
            if namespace and not namespace.startswith("AWS/"):
                dimensions = metric.get("Dimensions", [])
                text = json.dumps(dimensions, sort_keys=True) if dimensions else ""
                found.add((namespace, str(metric["MetricName"]), text))
    if found:
        yield table.line("metrics of our own", "custom_metric", len(found), "each that is watched")


# --- what runs though nobody works ---------------------------------------------------------------


def _runs(templates: Templates, table: PriceTable, learners: int) -> Iterator[Line]:
    """Functions that a clock starts: the sweep."""
    for resource in templates.resources("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
        expression = resource.properties.get("ScheduleExpression")
        if expression is None or resource.properties.get("State") == "DISABLED":
            continue
        runs = runs_per_month(str(expression), str(resource))
        scheduler = resource.type == "AWS::Scheduler::Schedule"
        targets = (
            [resource.properties.get("Target", {})]
            if scheduler
            else resource.properties.get("Targets", [])
        )
        for target in targets:
            function = templates.referred(resource, target.get("Arn"))
            if function is None or function.type != "AWS::Lambda::Function":
                raise Unpriced(f"{resource} starts something that is no function of its stack")
            memory = Decimal(function.properties.get("MemorySize", 128)) / 1024
            seconds = RUN_SECONDS + RUN_SECONDS_PER_LEARNER * learners
            reads = RUN_READS + RUN_READS_PER_LEARNER * learners
            name = str(function.properties.get("FunctionName", function.logical_id))
            each = f"{runs:,} runs of {name}, {expression}"
            if scheduler:
                yield table.line("schedules' firings", "scheduler_firing", runs, each)
            yield table.line("scheduled functions: requests", "lambda_request", runs, each)
            yield table.line(
                "scheduled functions: compute",
                "lambda_compute",
                runs * seconds * memory,
                f"{each}, {seconds.normalize():f} s each",
            )
            yield table.line(
                "scheduled functions: table reads", "dynamodb_read", runs * reads, f"{reads} a run"
            )
            yield table.line(
                "scheduled functions: requests to keys",
                "kms_request",
                runs * RUN_KEY_REQUESTS,
                f"{RUN_KEY_REQUESTS} a run",
            )
            yield table.line(
                "scheduled functions: logs",
                "log_ingested",
                runs * RUN_LOG_BYTES / GB,
                f"{RUN_LOG_BYTES} bytes a run",
            )


def _boards(
    templates: Templates, table: PriceTable, learners: int, projects: int
) -> Iterator[Line]:
    """What a scheduled function has another do, which its environment calls SCORER: write each
    project's board; and the listings by which it finds lost submissions."""
    by_name = {
        str(each.properties.get("FunctionName", "")): each
        for each in templates.resources("AWS::Lambda::Function")
    }
    for rule in templates.resources("AWS::Events::Rule"):
        expression = rule.properties.get("ScheduleExpression")
        if expression is None or rule.properties.get("State") == "DISABLED":
            continue
        for target in rule.properties.get("Targets", []):
            caller = templates.referred(rule, target.get("Arn"))
            if caller is None:
                continue
            variables = caller.properties.get("Environment", {}).get("Variables", {})
            scorer = variables.get("SCORER")
            if scorer is None:
                continue
            if scorer not in by_name:
                raise Unpriced(f"{rule} has {scorer} called, which is no function of the stacks")
            runs = runs_per_month(str(expression), str(rule)) * projects
            memory = Decimal(by_name[scorer].properties.get("MemorySize", 128)) / 1024
            seconds = BOARD_SECONDS + BOARD_SECONDS_PER_LEARNER * learners
            reads = BOARD_READS + BOARD_READS_PER_LEARNER * learners
            pages = 2 * math.ceil(SUBMISSIONS_PER_LEARNER * learners / LISTED_AT_ONCE)
            each = f"{runs:,} boards by {scorer}, {expression} for each project"
            yield table.line("boards: requests", "lambda_request", runs, each)
            yield table.line(
                "boards: compute",
                "lambda_compute",
                runs * seconds * memory,
                f"{each}, {seconds.normalize():f} s each",
            )
            yield table.line("boards: table reads", "dynamodb_read", runs * reads, f"{reads} each")
            yield table.line(
                "boards: requests to keys", "kms_request", runs * RUN_KEY_REQUESTS, each
            )
            yield table.line(
                "boards: logs", "log_ingested", runs * RUN_LOG_BYTES / GB, f"{RUN_LOG_BYTES} bytes"
            )
            yield table.line(
                "boards: pages written, submissions and receipts listed",
                "s3_write_or_list",
                runs * (BOARD_WRITES + pages),
                f"{BOARD_WRITES} and {pages} each",
            )
            yield table.line("boards: answers read", "s3_read", runs * BOARD_GETS, "each")


def runs_per_month(expression: str, where: str) -> int:
    """How often a schedule fires in a month, rounded up.

    >>> runs_per_month("rate(15 minutes)", ""), runs_per_month("cron(0 6 * * ? *)", "")
    (2920, 31)
    """
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if rate:
        minutes = int(rate[1]) * {"minute": 1, "hour": 60, "day": 24 * 60}[rate[2]]
        if minutes:
            return math.ceil(HOURS_PER_MONTH * 60 / minutes)
    cron = re.fullmatch(r"cron\((\S+) (\S+) \S+ \S+ \S+ \S+\)", expression)
    if cron:
        # Days and months are not looked at: every day of the longest month is the most it can be.
        return _ticks(cron[1], 60, where) * _ticks(cron[2], 24, where) * 31
    raise Unpriced(f"{where}: how often does {expression!r} fire? Only rate() and cron() are known")


def _ticks(field: str, span: int, where: str) -> int:
    """How many of `span` values a field of a cron expression names, at most."""
    total = 0
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?", part)
        if not match:
            raise Unpriced(f"{where}: the cron field {field!r} is not understood")
        first, last, step = match.groups()
        start = 0 if first == "*" else int(first)
        end = int(last) if last else span - 1 if first == "*" or step else start
        total += len(range(start, end + 1, int(step or 1)))
    return min(total, span)


# --- bytes ---------------------------------------------------------------------------------------


def _stored(templates: Templates, table: PriceTable, learners: int) -> Bill:
    disks = sum(_disk(space) for space in templates.resources("AWS::SageMaker::Space"))
    ledger = LEDGER_GB_PER_LEARNER * learners
    return Bill(
        (
            table.line(
                "spaces' disks", "space_disk", disks, "from a space's first start until it goes"
            ),
            table.line(
                "objects in the buckets",
                "s3_stored",
                S3_GB_SHARED + S3_GB_PER_LEARNER * learners,
                f"assumed: {S3_GB_SHARED} GB shared, {S3_GB_PER_LEARNER} GB a learner with old "
                "versions",
            ),
            table.line(
                "ledger and board",
                "dynamodb_stored",
                ledger,
                f"assumed: {LEDGER_GB_PER_LEARNER} GB a learner",
            ),
            table.line(
                "their point-in-time backups", "dynamodb_backup", ledger, "as large as the tables"
            ),
            table.line(
                "logs",
                "log_stored",
                LOG_GB_PER_LEARNER * learners,
                f"assumed: {LOG_GB_PER_LEARNER} GB a learner",
            ),
        )
    )


def _disk(space: Resource) -> int:
    settings = space.properties.get("SpaceSettings", {}).get("SpaceStorageSettings", {})
    size = settings.get("EbsStorageSettings", {}).get("EbsVolumeSizeInGb")
    if size is None:
        raise Unpriced(f"{space} names no disk size, so SageMaker chooses one")
    return int(size)


def _merged(lines: Iterable[Line]) -> list[Line]:
    """One line for all of the same thing at the same price."""
    found: dict[tuple[str, Price, str], Line] = {}
    for line in lines:
        key = (line.what, line.price, line.basis)
        known = found.get(key)
        quantity = line.quantity + (known.quantity if known else 0)
        found[key] = Line(line.what, quantity, line.price, line.basis)
    return list(found.values())
