"""`cohort spend`: what every learner and advisor has spent, holds and has left, and what runs.

Read from the ledger as it stands, with the admin's own credentials; nothing is written, no learner
is asked. Team and cohort totals are sums of the learners' lines: the ledger keeps none.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from rich.markup import escape
from rich.table import Table

from infra.cli.account import Site
from infra.cli.terminal import Refused, console, usd, without_traceback
from infra.cohort.model import Cohort
from infra.cohort.prices import MICRO_DOLLARS, UnknownPrice
from infra.services.guard.journal import Disk, Heartbeat, Objects
from infra.services.guard.ledger import Account, Entry, Reservation
from infra.services.guard.storage_prices import StoragePrices, storage_prices
from infra.services.guard.store import TableJournal, TableLedger

#: The pace that the projection takes, and what the chart shows.
PACE_DAYS = 7
CHART_DAYS = 14
BAR = 20
READERS = 8
#: Of the JSON document. A member is never removed or changed in meaning within a version.
SCHEMA_VERSION = 1
GB = 10**9


@dataclass(frozen=True)
class Line:
    """One learner's money. Amounts in micro-dollars; `storage` is what a month of it costs.

    An advisor who has a space has such a line too, with an empty `team`.
    """

    learner: str
    team: str
    account: Account
    running: tuple[Reservation, ...]
    entries: tuple[Entry, ...]
    storage: int | None

    def pace(self, now: dt.datetime, begin: dt.datetime) -> int:
        """Micro-dollars a day over the last PACE_DAYS, or since the cohort began if that is
        later."""
        since = max(now - dt.timedelta(days=PACE_DAYS), begin)
        spent = sum(entry.billed for entry in self.entries if entry.at >= since)
        seconds = max(86_400, (now - since) // dt.timedelta(seconds=1))
        return spent * 86_400 // seconds

    def lasts_until(self, now: dt.datetime, begin: dt.datetime) -> dt.date | None:
        """The day on which nothing is left, if the pace stays; None if nothing is being spent."""
        pace = self.pace(now, begin)
        if self.account.available <= 0:
            return now.date()
        if not pace:
            return None
        days = self.account.available // pace
        # Beyond any cohort's end; and dates have an end too.
        return now.date() + dt.timedelta(days=min(days, 3650))


@dataclass(frozen=True)
class Spending:
    """The whole cohort at one moment."""

    cohort: Cohort
    now: dt.datetime
    lines: tuple[Line, ...]
    objects: Mapping[str, Objects]
    heartbeat: Heartbeat | None

    @property
    def begin(self) -> dt.datetime:
        return dt.datetime.combine(self.cohort.starts, dt.time(), tzinfo=dt.UTC)

    def daily(self) -> list[int]:
        """Micro-dollars settled on each of the last CHART_DAYS days, oldest first."""
        days = [0] * CHART_DAYS
        for line in self.lines:
            for entry in line.entries:
                back = (self.now.date() - entry.at.date()).days
                if 0 <= back < CHART_DAYS:
                    days[-1 - back] += entry.billed
        return days


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@without_traceback
def spend(file: Path, as_json: bool) -> None:
    """Say what every learner of the cohort in FILE has spent, holds and has left.

    A job or a space holds the most that it can cost until it ends; then what is left comes back.
    Figures are the ledger's: what AWS bills in the end follows within a day or two.
    """
    spending = read(Site.of(file), dt.datetime.now(dt.UTC))
    if as_json:
        click.echo(json.dumps(to_document(spending), indent=2))
    else:
        show(spending)


def ledger_of(site: Site) -> TableLedger:
    """The cohort's ledger, with the environment's credentials.

    Raises:
        Refused: if there is none.
    """
    client = _dynamodb(site)
    name = site.cohort.names.ledger_table
    try:
        client.describe_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        raise Refused(
            f"there is no table {name} in {site.cohort.region}: is {site.cohort.name} deployed in "
            "this account?"
        ) from None
    return TableLedger(name, client)


def _dynamodb(site: Site) -> Any:
    return boto3.client(
        "dynamodb",
        region_name=site.cohort.region,
        config=Config(max_pool_connections=READERS, retries={"mode": "adaptive"}),
    )


def read(site: Site, now: dt.datetime) -> Spending:
    """The cohort's ledger as it stands at `now`."""
    cohort = site.cohort
    ledger = ledger_of(site)
    journal = TableJournal(cohort.names.ledger_table, _dynamodb(site))
    disks = {disk.learner: disk for disk in journal.disks()}
    objects = {each.team: each for each in journal.objects()}
    try:
        prices = storage_prices(cohort.region)
    except UnknownPrice as error:
        raise Refused(str(error)) from None
    since = now - dt.timedelta(days=CHART_DAYS)

    def line(team: str, learner: str, members: int) -> Line:
        cap = int(cohort.cap_usd(learner) * MICRO_DOLLARS)
        account = ledger.seen(learner) or Account.new(learner, cap)
        return Line(
            learner=learner,
            team=team,
            account=account,
            running=tuple(ledger.open_of(learner)),
            entries=tuple(ledger.entries_since(learner, since)),
            storage=_storage(disks.get(learner), objects.get(team), members, prices),
        )

    everyone = [
        *((team.id, learner.id, len(team.learners)) for team, learner in cohort.learners),
        *(("", advisor.id, 1) for advisor in cohort.advisors_with_spaces),
    ]
    with ThreadPoolExecutor(READERS) as pool:
        lines = tuple(pool.map(lambda each: line(*each), everyone))
    return Spending(cohort, now, lines, objects, journal.heartbeat())


def _storage(
    disk: Disk | None, objects: Objects | None, members: int, prices: StoragePrices
) -> int | None:
    """What a learner's disk and share of the team's objects cost a month; None if not measured."""
    if disk is None and objects is None:
        return None
    month = disk.gb * prices.space_disk if disk else 0
    return month + (objects.size * prices.objects // GB // members if objects else 0)


def show(spending: Spending) -> None:
    """Tables for a person."""
    cohort, now = spending.cohort, spending.now
    table = Table(title=f"{cohort.name} · {now:%Y-%m-%d %H:%M} UTC", title_justify="left")
    for name in ("learner", "team"):
        table.add_column(name)
    for name in ("cap", "spent", "reserved", "left"):
        table.add_column(name, justify="right")
    for name in ("", "runs now (until, UTC)", "stored a month", "lasts until"):
        table.add_column(name)
    for line in spending.lines:
        account = line.account
        notes = " [red]frozen[/red]" if account.frozen else ""
        table.add_row(
            escape(line.learner) + notes,
            escape(line.team) or "[dim]advisor[/dim]",
            usd(account.cap) + ("*" if account.individual else ""),
            usd(account.spent),
            usd(account.reserved),
            f"[red]{usd(account.available)}[/red]"
            if account.available < 0
            else usd(account.available),
            bar(account),
            "\n".join(_runs(held) for held in line.running),
            _stored(line),
            _lasts(spending, line),
        )
    for name, total in totals(spending.lines).items():
        table.add_section() if name == cohort.teams[0].id else None
        table.add_row(f"[dim]team {escape(name)}[/dim]", "", *_sums(total))
    table.add_section()
    table.add_row("[bold]all[/bold]", "", *_sums(total_of(spending.lines)))
    console.print(table)
    if any(line.account.individual for line in spending.lines):
        console.print("* a cap of this learner's own (cohort budget)")
    daily = spending.daily()
    console.print(
        f"settled on each of the last {CHART_DAYS} days  {spark(daily)}  {usd(sum(daily))}"
    )
    for each in spending.objects.values():
        console.print(
            f"[dim]team {escape(each.team)} keeps {each.size / GB:.2f} GB in {each.versions} "
            f"versions, {each.old_size / GB:.2f} GB of them replaced or deleted "
            f"({each.at:%Y-%m-%d})[/dim]"
        )
    console.print(f"[dim]Stored gigabytes bill beside the cap. {_pulse(spending)}[/dim]")


def _pulse(spending: Spending) -> str:
    beat = spending.heartbeat
    if beat is None or beat.whole_at is None:
        return "The sweep has never run through."
    minutes = (spending.now - beat.whole_at) // dt.timedelta(minutes=1)
    return f"The sweep last ran through {max(0, minutes)} min ago."


def _runs(held: Reservation) -> str:
    return escape(f"{held.kind} {held.instance} ({held.ends_at:%m-%d %H:%M}), {usd(held.amount)}")


def _stored(line: Line) -> str:
    if line.storage is None:
        return "[dim]not measured[/dim]"
    share = 100 * line.storage // max(1, line.account.cap)
    return f"{usd(line.storage)} ({share} % of the cap)"


def _lasts(spending: Spending, line: Line) -> str:
    until = line.lasts_until(spending.now, spending.begin)
    if until is None or until > spending.cohort.ends:
        return "[green]the end[/green]"
    if line.account.available <= 0:
        return "[red]used up[/red]"
    return f"[yellow]{until}[/yellow]"


def bar(account: Account, width: int = BAR) -> str:
    """Spent, reserved and left of the cap, as a bar of `width` characters."""
    cap = max(1, account.cap)
    spent = min(width, -(-account.spent * width // cap))
    held = min(width - spent, -(-account.reserved * width // cap))
    return "█" * spent + "▒" * held + "·" * (width - spent - held)


def spark(values: Iterable[int]) -> str:
    """A line of little columns, the highest for the largest value."""
    values = list(values)
    top = max(values, default=0)
    if top <= 0:
        return "·" * len(values)
    return "".join("▁▂▃▄▅▆▇█"[min(7, 8 * value // top)] if value else "·" for value in values)


@dataclass(frozen=True)
class Total:
    """Sums over some learners, in micro-dollars."""

    cap: int
    spent: int
    reserved: int
    available: int


def total_of(lines: Iterable[Line]) -> Total:
    """What `lines` come to together."""
    accounts = [line.account for line in lines]
    return Total(
        cap=sum(a.cap for a in accounts),
        spent=sum(a.spent for a in accounts),
        reserved=sum(a.reserved for a in accounts),
        available=sum(a.available for a in accounts),
    )


def totals(lines: Iterable[Line]) -> dict[str, Total]:
    """What each team comes to; advisors are in none."""
    teams: dict[str, list[Line]] = {}
    for line in lines:
        if line.team:
            teams.setdefault(line.team, []).append(line)
    return {team: total_of(mine) for team, mine in teams.items()}


def _sums(total: Total) -> list[str]:
    return [usd(total.cap), usd(total.spent), usd(total.reserved), usd(total.available)]


def to_document(spending: Spending) -> dict[str, Any]:
    """The JSON document; amounts in micro-dollars, instants in UTC."""

    def amounts(of: Account | Total) -> dict[str, int]:
        return {
            f"{name}_micro_usd": getattr(of, name)
            for name in ("cap", "spent", "reserved", "available")
        }

    def person(line: Line) -> dict[str, Any]:
        until = line.lasts_until(spending.now, spending.begin)
        return {
            "learner" if line.team else "advisor": line.learner,
            **({"team": line.team} if line.team else {}),
            **amounts(line.account),
            "individual_cap": line.account.individual,
            "frozen": line.account.frozen,
            "running": [
                {
                    "kind": held.kind,
                    "name": held.name,
                    "instance": held.instance,
                    "count": held.count,
                    "reserved_micro_usd": held.amount,
                    "ends_at": _instant(held.ends_at),
                }
                for held in line.running
            ],
            "storage_micro_usd_per_month": line.storage,
            "micro_usd_per_day": line.pace(spending.now, spending.begin),
            "lasts_until": str(until) if until else None,
        }

    beat = spending.heartbeat
    return {
        "version": SCHEMA_VERSION,
        "cohort": spending.cohort.name,
        "at": _instant(spending.now),
        "learners": [person(line) for line in spending.lines if line.team],
        "advisors": [person(line) for line in spending.lines if not line.team],
        "teams": {name: amounts(total) for name, total in totals(spending.lines).items()},
        "all": amounts(total_of(spending.lines)),
        "storage": [
            {
                "team": each.team,
                "bytes": each.size,
                "versions": each.versions,
                "old_bytes": each.old_size,
                "at": _instant(each.at),
            }
            for each in spending.objects.values()
        ],
        "settled_micro_usd_by_day": spending.daily(),
        "swept_at": _instant(beat.whole_at) if beat and beat.whole_at else None,
    }


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
