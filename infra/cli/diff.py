"""`cohort diff`: what a deploy would change, and what people would lose by it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from infra.assurance.changes import Change, changes, leaving
from infra.assurance.intentions import Intention, Obstacle, intentions, obstacles
from infra.assurance.losses import deploying
from infra.assurance.templates import AssemblyError, Templates
from infra.cli import gate, locks
from infra.cli.account import Site
from infra.cli.deployed import Deployed, elsewhere, failed, read
from infra.cli.gate import Gate, erase_option
from infra.cli.kept import Kept, kept
from infra.cli.measuring import measure
from infra.cli.plan import synthesized
from infra.cli.terminal import Refused, console, without_traceback

#: Of the JSON document. A member is never removed or changed in meaning within a version.
SCHEMA_VERSION = 1

ACTIONS = ("create", "update", "replace", "delete")


@dataclass(frozen=True)
class Difference:
    """Everything that `cohort diff` says.

    Attributes:
        leaving: stacks that are deployed and not in the file.
        open: stacks with people's work that CloudFormation does not hold locked.
        kept: what a destroy kept before, outside the stacks.
        elsewhere: regions in which a cohort of this name is deployed, where here is nothing.
    """

    cohort: str
    deployed: Deployed
    changes: tuple[Change, ...]
    leaving: tuple[str, ...]
    gate: Gate
    intentions: tuple[Intention, ...]
    obstacles: tuple[Obstacle, ...]
    open: tuple[str, ...]
    kept: tuple[Kept, ...]
    elsewhere: tuple[str, ...]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.option(
    "--assembly",
    type=click.Path(path_type=Path),
    help="Compare with this output of cdk synth (cdk.out) instead of synthesizing anew.",
)
@erase_option
@without_traceback
def diff(file: Path, as_json: bool, assembly: Path | None, named: tuple[str, ...]) -> None:
    """Say what a deploy of FILE would change, and what people would lose by it.

    Compares the stacks that are deployed with those that the file makes now, and deploys nothing.
    Run it before each `npx cdk deploy`. Exit status 1 if something with people's work would be
    erased or replaced and was not named:

    \b
      cohort diff cohorts/fall.yaml
        home:ana (refused): this erases ana's home (20 GB volume, last used 2026-12-01)
      cohort diff cohorts/fall.yaml --erase home:ana
      npx cdk deploy --all -c cohort=cohorts/fall.yaml

    After `cohort publish` CloudFormation refuses such a deploy itself (by a stack policy), whoever
    runs it. --erase opens that lock for what is named and for nothing else, once all that would be
    lost is named; the next `cohort publish` closes it. Without --erase nothing is written.

    Teams that left the file are not touched by a deploy: `cohort reconcile` removes them.
    """
    site = Site.of(file)
    found = difference(site, assembly=assembly, named=named)
    opened = _open(site, found) if named and not found.gate.refused else {}
    if as_json:
        click.echo(json.dumps(to_document(found), indent=2))
    else:
        show(found, file)
        for stack, ids in opened.items():
            console.print(
                f"{stack}: CloudFormation now lets go of {', '.join(ids)}; cohort publish locks it "
                "again",
                soft_wrap=True,
            )
    if found.gate.refused:
        sys.exit(1)


def difference(
    site: Site, *, assembly: Path | None = None, named: tuple[str, ...] = ()
) -> Difference:
    """What lies between the account and the cohort file.

    Raises:
        Refused: if one of the two cannot be read.
    """
    names = site.cohort.names
    deployed = read(site)
    before = deployed.templates
    after = _wanted(site, assembly)
    found = changes(before, after)
    losses = deploying(before, after, names)
    return Difference(
        cohort=site.cohort.name,
        deployed=deployed,
        changes=tuple(found),
        leaving=tuple(leaving(before, after)),
        gate=Gate.of(losses, measure(site, losses), named),
        intentions=tuple(intentions(before, after, names)),
        obstacles=(*obstacles(found, before, after, names), *_failed(site)),
        open=tuple(locks.open_stacks(deployed)),
        kept=tuple(kept(site, deployed)),
        elsewhere=() if deployed.stacks else tuple(elsewhere(site)),
    )


def _wanted(site: Site, assembly: Path | None) -> Templates:
    if assembly is None:
        return synthesized(site.cohort, account=site.account)
    try:
        templates = Templates.from_assembly(assembly)
    except AssemblyError as error:
        raise Refused(str(error)) from None
    # Images of the account may stand in the same assembly: they are no cohort's.
    start = f"{site.cohort.name}-"
    mine = {name: each for name, each in templates.stacks.items() if name.startswith(start)}
    if site.cohort.names.foundation_stack not in mine:
        raise Refused(
            f"{assembly} does not hold the stacks of {site.cohort.name}: synthesize it again (npx "
            "cdk synth -c cohort=FILE), or leave --assembly out"
        )
    return Templates(mine)


def _failed(site: Site) -> list[Obstacle]:
    region = site.cohort.region
    return [
        Obstacle(
            f"the first deploy of {stack} failed, and the CDK cannot delete it to try again: "
            "protect: true holds it",
            (
                "It holds nothing: aws cloudformation update-termination-protection "
                f"--no-enable-termination-protection --stack-name {stack} --region {region}",
            ),
        )
        for stack in failed(site)
    ]


def _open(site: Site, found: Difference) -> dict[str, list[str]]:
    """Open the locks for what was named and for what stays anyway; returns the logical ids.

    Stacks that were never locked are left as they are: nothing holds them.
    """
    opened: dict[str, list[str]] = {}
    for loss in found.gate.accepted:
        for change in loss.changes:
            stack = found.deployed.stacks.get(change.resource.stack)
            if change.gone and stack and stack.policy:
                opened.setdefault(stack.name, []).append(change.resource.logical_id)
    locks.unlock(site, opened)
    return opened


# --- for people ----------------------------------------------------------------------------------


def show(found: Difference, file: Path) -> None:
    """Print it as a table and sentences."""
    if not found.deployed.stacks:
        console.print(f"Nothing of {found.cohort} is deployed here: everything would be new.")
    for region in found.elsewhere:
        console.print(
            f"[yellow]In {region} a cohort of this name is deployed.[/yellow] A deploy of this "
            "file makes another one here: that one stays, with its homes and its bills"
        )
    _show_table(found)
    for intention in found.intentions:
        console.print(f"[bold]{escape(intention.says)}.[/bold]", soft_wrap=True)
        _show_steps(intention.do, file)
    if found.gate.lost or found.gate.kept or found.gate.named:
        console.print("What people would lose:")
        gate.show(found.gate, command=f"cohort diff {file}")
    elif found.deployed.stacks:
        console.print("[green]Nobody would lose anything by this deploy.[/green]")
    for obstacle in found.obstacles:
        console.print(f"[yellow]It would fail[/yellow]: {escape(obstacle.says)}.", soft_wrap=True)
        _show_steps(obstacle.do, file)
    if found.kept:
        console.print("Kept from before, and in no stack:")
        show_kept(found.kept)
        if how := adopting(found.kept, file):
            console.print(how, soft_wrap=True)
    if found.open:
        console.print(
            f"[yellow]Not locked[/yellow]: {', '.join(found.open)}. A deploy without cohort diff "
            f"could erase what is in there: cohort publish {file} locks it",
            soft_wrap=True,
        )


def _show_steps(steps: tuple[str, ...], file: Path) -> None:
    for step in steps:
        console.print(f"  - {escape(step.replace('FILE', str(file)))}", soft_wrap=True)


def _show_table(found: Difference) -> None:
    table = Table(title=found.cohort, title_justify="left", title_style="bold")
    table.add_column("stack")
    for name in ("new", "changed", "replaced", "removed"):
        table.add_column(name, justify="right")
    counts: dict[str, Counter[str]] = {}
    for change in found.changes:
        counts.setdefault(change.resource.stack, Counter())[change.action] += 1
    for stack, count in counts.items():
        table.add_row(stack, *(str(count[action] or "") for action in ACTIONS))
    for stack in found.leaving:
        table.add_row(stack, "not in the file: cohort reconcile removes it", "", "", "")
    if table.row_count:
        console.print(table)
    else:
        console.print("No stack would change.")


def show_kept(found: tuple[Kept, ...]) -> None:
    """Print what is outside every stack, and how to remove it."""
    for each in found:
        more = "; to remove it for good:" if each.remove else ""
        console.print(f"  {escape(each.what)}{more}", soft_wrap=True)
        for command in each.remove:
            console.print(f"    {escape(command)}", soft_wrap=True)


def adopting(found: tuple[Kept, ...], file: Path) -> str:
    """How a deploy comes to terms with what there is."""
    said = []
    if any(each.adopted and each.remove for each in found):
        said.append(
            "A deploy without more fails on these names. To take buckets, tables and keys over "
            "with what is in them, leave protect: true in the file and run npx cdk deploy --all "
            f"-c cohort={file} --import-existing-resources"
        )
    if any(each.what.startswith("the domain") for each in found):
        said.append(
            "CloudFormation cannot take a domain over by its name: remove it before the deploy, "
            "or leave the learner's id out of the file, under another id"
        )
    return ". ".join(said)


# --- for programs --------------------------------------------------------------------------------


def to_document(found: Difference) -> dict[str, Any]:
    """The JSON document."""
    return {
        "version": SCHEMA_VERSION,
        "cohort": found.cohort,
        "deployed": {name: stack.status for name, stack in found.deployed.stacks.items()},
        "changes": [
            {
                "stack": change.resource.stack,
                "logical_id": change.resource.logical_id,
                "type": change.resource.type,
                "action": change.action,
                "because": list(change.because),
                "certain": change.certain,
                "stays": change.stays,
            }
            for change in found.changes
        ],
        "leaving": list(found.leaving),
        **gate.to_document(found.gate),
        "intentions": [
            {"kind": each.kind, "who": list(each.who), "says": each.says, "do": list(each.do)}
            for each in found.intentions
        ],
        "obstacles": [{"says": each.says, "do": list(each.do)} for each in found.obstacles],
        "not_locked": list(found.open),
        "outside_stacks": [
            {"what": each.what, "adopted": each.adopted, "remove": list(each.remove)}
            for each in found.kept
        ],
        "elsewhere": list(found.elsewhere),
    }
