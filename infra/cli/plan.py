"""`cohort plan`: what a cohort will be, need and cost, before anything is deployed."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from rich.markup import escape
from rich.table import Table

from infra.assurance.plan import (
    ISOLATION,
    LEFT_OUT,
    NETWORK,
    Plan,
    amount,
    make_plan,
    number,
    to_document,
)
from infra.assurance.quotas import Finding, Quotas, in_account, needs, without_account
from infra.assurance.standing_cost import Bill, Unpriced
from infra.assurance.templates import AssemblyError, Templates
from infra.cli.account import Site
from infra.cli.terminal import Refused, console, without_traceback
from infra.cohort.images import load_record
from infra.cohort.model import Cohort
from infra.cohort.prices import PriceList, UnknownPrice

#: Stands in templates that are made without an account (AWS's own documentation uses it).
NO_ACCOUNT = "123456789012"

#: What the CDK CLI reads, and hands to app.py: flags that change templates.
CDK = Path(__file__).resolve().parents[2] / "cdk.json"

#: A listing of SageMaker's quotas has more than twenty pages, and AWS throttles it.
PATIENT = Config(retries={"mode": "adaptive", "max_attempts": 10})

VERDICTS = {
    "unknown": "",
    "enough": "[green]enough[/green]",
    "short": "[yellow]not for all at once[/yellow]",
    "blocked": "[red]too little[/red]",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.option(
    "--account", "ask", is_flag=True, help="Hold the quotas against the credentials' account."
)
@click.option(
    "--assembly",
    type=click.Path(path_type=Path),
    help="Count from this output of cdk synth (cdk.out) instead of synthesizing anew.",
)
@without_traceback
def plan(file: Path, as_json: bool, ask: bool, assembly: Path | None) -> None:
    """Say what the cohort in FILE will be, which quotas it needs, and what it costs.

    Deploys nothing. Needs no AWS account; with --account it reads quotas, and nothing else. Exit
    status 1 if the account has too little of a quota for the cohort to work at all.
    """
    site = Site.of(file)
    try:
        made = _plan(site, ask=ask, assembly=assembly)
    except (AssemblyError, Unpriced, UnknownPrice) as error:
        raise Refused(str(error.args[0])) from None
    if as_json:
        click.echo(json.dumps(to_document(made), indent=2))
    else:
        show(made)
    if made.quotas.blocked:
        sys.exit(1)


def _plan(site: Site, *, ask: bool, assembly: Path | None) -> Plan:
    account = site.account if ask else None
    if assembly:
        templates = Templates.from_assembly(assembly)
        _check_stacks(site.cohort, templates, assembly)
    else:
        templates = synthesized(site.cohort, account=account or NO_ACCOUNT)
    needed = needs(site.cohort, templates)
    quotas = without_account(needed)
    if account:
        quotas = in_account(needed, site.cohort, _client, account=account)
    return make_plan(site.cohort, templates, quotas, prices=PriceList.snapshot())


def _client(service: str, region: str) -> Any:
    return boto3.client(service, region_name=region, config=PATIENT)


def synthesized(cohort: Cohort, *, account: str) -> Templates:
    """The templates that `cdk deploy` would take from `cohort`.

    Raises:
        Refused: if the images in use lack one that the cohort needs.
    """
    # The CDK's own validation is most of a synth, and deploys run it. Node reads it when it starts.
    os.environ.setdefault("CDK_VALIDATION", "false")
    # Imported here: it starts Node.
    from infra.stacks.academy import add_stacks  # isort: skip

    from aws_cdk import App

    from infra.constructs.attached_images import MissingFlavours

    images = load_record().current(account, cohort.region)
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder, context=json.loads(CDK.read_text(encoding="utf-8"))["context"])
        try:
            stacks = add_stacks(app, cohort, account=account, images=images)
        except MissingFlavours as error:
            raise Refused(str(error)) from None
        assembly = app.synth(validate_on_synthesis=False)
        return Templates(
            {
                stack.stack_name: assembly.get_stack_by_name(stack.stack_name).template
                for stack in stacks
            }
        )


def _check_stacks(cohort: Cohort, templates: Templates, folder: Path) -> None:
    """An assembly of another cohort, or of this one before its file changed, is no plan of it."""
    names = cohort.names
    expected = {names.foundation_stack, names.guard_stack, names.competition_stack}
    if cohort.door:
        expected.add(names.door_stack)
    expected |= {names.team_stack(team.id) for team in cohort.teams}
    if cohort.advisors_with_spaces:
        expected.add(names.advisors_stack)
    if cohort.isolation == "cohort":
        expected.add(names.studio_stack)
    found = set(templates.stacks)
    wrong = [f"{name} is missing" for name in sorted(expected - found)]
    wrong += [f"{name} is not of this cohort" for name in sorted(found - expected)]
    if wrong:
        raise Refused(
            f"{folder} does not hold the stacks of {cohort.name}: {', '.join(wrong)}. Synthesize "
            "it again (npx cdk synth -c cohort=FILE), or leave --assembly out"
        )


# --- for people ----------------------------------------------------------------------------------


def show(made: Plan) -> None:
    """Print the plan as tables."""
    cohort = made.cohort
    spaced = len(cohort.advisors_with_spaces)
    advisors = f", {spaced} advisor{'s' if spaced > 1 else ''} with a space" if spaced else ""
    console.print(
        f"[bold]{cohort.name}[/bold] in {cohort.region}: {len(cohort.teams)} teams, "
        f"{len(cohort.learners)} learners{advisors}, {cohort.starts} to {cohort.ends} "
        f"({made.months:.1f} months)"
    )
    console.print(f"isolation: {cohort.isolation}: {ISOLATION[cohort.isolation]}")
    console.print(f"network: {cohort.network}: {NETWORK[cohort.network]}")
    _show_stacks(made)
    _show_quotas(made.quotas)
    _show_bill("A month with nobody working", made.standing.services)
    _show_bill("Stored gigabytes, a month", made.standing.stored)
    if made.standing.backstop.lines:
        _show_bill("Back-stop budgets, a month", made.standing.backstop)
        console.print(f"The back-stop budget watches {made.backstop_watches}.")
        if not made.cohort.budget.cost_allocation_tags:
            console.print(
                "Other work in the account counts against it. To watch this cohort alone: activate "
                "the tag academy:cohort in the Billing console, then "
                "budget: {cost_allocation_tags: true}."
            )
    _show_bill("Worst case, the whole cohort: every cap spent", made.worst)
    _show_bill("Likely case, the whole cohort: as assumed", made.likely)
    console.print("The sums leave out:")
    for sentence in LEFT_OUT:
        console.print(f"  {sentence}")
    for sentence in made.unverified():
        console.print(f"[yellow]Unverified prices[/yellow]: {sentence}")


def _table(title: str, *columns: str, right: int = 0) -> Table:
    """A table whose last `right` columns hold numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numeric = index >= len(columns) - right
        table.add_column(column, justify="right" if numeric else "left")
    return table


def _show_stacks(made: Plan) -> None:
    table = _table("What will exist", "stack", "resources", right=1)
    names = made.cohort.names
    teams = {names.team_stack(team.id) for team in made.cohort.teams}
    in_teams = 0
    for stack in made.stacks:
        count = sum(stack.resources.values())
        if stack.name in teams:
            in_teams += count
        else:
            table.add_row(stack.name, str(count))
    table.add_row(f"{len(teams)} stacks {names.team_stack('*')}", str(in_teams))
    console.print(table)
    shown = ", ".join(
        f"{count} {kind.removeprefix('AWS::')}" for kind, count in made.resources().items()
    )
    console.print(f"Of these: {shown}")


def _show_quotas(quotas: Quotas) -> None:
    if quotas.account is None:
        table = _table("Quotas it needs", "service", "quota", "at least", "for all", right=2)
        for finding in quotas.findings:
            need = finding.need
            table.add_row(need.service, need.name, str(need.least), str(need.full))
        console.print(table)
        console.print(
            "No account was asked for its quotas. With credentials, --account shows what it has "
            "and the requests to make."
        )
        return
    title = f"Quotas it needs, and account {quotas.account} has"
    columns = ("service", "quota", "", "at least", "for all", "has", "used by others")
    table = _table(title, *columns, right=4)
    for finding in quotas.findings:
        table.add_row(*_quota_row(finding))
    console.print(table)
    for sentence in quotas.unread:
        console.print(f"[yellow]Not read[/yellow]: {escape(sentence)}")
    requests = [finding.request for finding in quotas.findings if finding.request]
    if requests:
        console.print("Requests to make (AWS takes hours to days):")
    for request in requests:
        # Whole, to be copied.
        console.print(f"  {request}", soft_wrap=True)


def _quota_row(finding: Finding) -> list[str]:
    need, quota = finding.need, finding.quota
    has = in_use = "?"
    if quota:
        has = "?" if quota.has is None else str(quota.has)
        in_use = "" if quota.in_use is None else str(quota.in_use)
    return [
        need.service,
        need.name,
        VERDICTS[finding.verdict],
        str(need.least),
        str(need.full),
        has,
        in_use,
    ]


def _show_bill(title: str, bill: Bill) -> None:
    table = _table(title, "", "how it comes about", "quantity", "each", "US dollars", right=3)
    for line in bill.lines:
        quantity = f"{line.quantity.quantize(Decimal('0.01')):,}".removesuffix(".00")
        table.add_row(line.what, line.basis, quantity, _each(line.price.usd), _dollars(line.usd))
    table.add_section()
    table.add_row("[bold]sum[/bold]", "", "", "", f"[bold]{_dollars(bill.usd)}[/bold]")
    console.print(table)


def _each(usd: Decimal) -> str:
    """At least cents; for the price of a request, every digit that it has."""
    digits = Decimal("0.0001") if abs(usd) >= Decimal("0.01") else Decimal("0.0000000001")
    whole, _, part = number(abs(usd).quantize(digits)).partition(".")
    return f"{'-' if usd < 0 else ''}${int(whole):,}.{part.ljust(2, '0')}"


def _dollars(usd: Decimal) -> str:
    """Cents, rounded up; a fraction of one is not shown as nothing."""
    if 0 < usd < Decimal("0.01"):
        return amount(usd)
    return f"{usd.quantize(Decimal('0.01'), rounding=ROUND_CEILING):,}"
