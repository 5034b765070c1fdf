"""`cohort prove`: what nobody of a cohort can do, decided from its templates before a deploy."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from infra.assurance.iam import UnmodelledPolicy
from infra.assurance.isolation.account import examining as account
from infra.assurance.isolation.chains.following import Unfollowed
from infra.assurance.isolation.promises.places import NoSuchKey, Places
from infra.assurance.isolation.promises.promised import promises
from infra.assurance.isolation.proof import (
    Breach,
    Proof,
    UnknownPromise,
    choose,
    prove,
    to_document,
)
from infra.assurance.isolation.reading.reader import Unreadable, read
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.world import World
from infra.assurance.templates import AssemblyError, Templates
from infra.cli.account import Site
from infra.cli.plan import NO_ACCOUNT, synthesized
from infra.cli.terminal import Refused, console, errors, without_traceback
from infra.cohort.images import ImageVersion, load_record
from infra.cohort.loading import load
from infra.cohort.model import Cohort

#: What is neither proven nor broken: something could not be read or decided.
UNDECIDED = 2

#: Of one promise's breaches, how many are told; --json has all of them.
TOLD = 3


@click.command("prove")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.option(
    "--assembly",
    type=click.Path(path_type=Path),
    help="Prove this output of cdk synth (cdk.out) instead of synthesizing anew.",
)
@click.option(
    "--account",
    "ask",
    is_flag=True,
    help="Also ask the credentials' account who else can cross the fence.",
)
@click.option("--promise", "ids", multiple=True, metavar="ID", help="Only this one; repeatable.")
@click.option("--list", "listing", is_flag=True, help="Say what is promised, and decide nothing.")
@without_traceback
def prove_command(
    files: tuple[Path, ...],
    as_json: bool,
    assembly: Path | None,
    ask: bool,
    ids: tuple[str, ...],
    listing: bool,
) -> None:
    """Prove that nobody of the cohorts in FILES can do what they must not.

    Reads the templates that a deploy would take, and decides every class of requests that their
    policies can tell apart. Several FILES are cohorts of one account, proven against each other.
    Deploys nothing and needs no AWS account; with --account it lists users, roles and keys of one,
    and changes nothing. Exit status 1 if a promise is broken or somebody can cross the fence, 2 if
    something could not be decided.
    """
    cohorts = [load(file) for file in files]
    _check_together(cohorts)
    try:
        stated = _stated(cohorts, assembly, ask=ask)
        if listing:
            show_promises(stated, ids)
            return
        proof = _prove(stated, ids, quiet=as_json)
        found = _examined(stated) if ask else None
    except (AssemblyError, UnknownPromise) as error:
        raise Refused(str(error)) from None
    except (Unreadable, UnmodelledPolicy, Unfollowed, NoSuchKey) as error:
        errors.print(f"[red]not decided[/red]: {escape(str(error))}", soft_wrap=True)
        sys.exit(UNDECIDED)
    if as_json:
        beside = {"account_examined": None if found is None else account.to_document(found)}
        click.echo(json.dumps({**to_document(proof), **beside}, indent=2))
    else:
        show(proof)
        if found is not None:
            show_account(found)
    if not proof.holds or (found is not None and not found.in_order):
        sys.exit(1)


@dataclass(frozen=True)
class Stated:
    """What is proven: the cohorts, and what their templates make."""

    cohorts: list[Cohort]
    images: ImageVersion | None
    world: World


def _check_together(cohorts: list[Cohort]) -> None:
    """One account and region, and each cohort once."""
    regions = sorted({cohort.region for cohort in cohorts})
    if len(regions) > 1:
        raise Refused(
            f"these cohorts are in {' and '.join(regions)}: prove those of one region together"
        )
    names = [cohort.name for cohort in cohorts]
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"{name} is named twice: give each cohort's file once")


def _stated(cohorts: list[Cohort], assembly: Path | None, *, ask: bool) -> Stated:
    region = cohorts[0].region
    of = Site(cohorts[0]).account if ask else NO_ACCOUNT
    if assembly is not None:
        templates, of = _assembled(cohorts, assembly)
    images = load_record().current(of, region)
    if assembly is None:
        templates = _synthesized(cohorts, of, images)
    return Stated(cohorts, images, read(templates, account=of, region=region))


def _assembled(cohorts: list[Cohort], folder: Path) -> tuple[Templates, str]:
    """The templates in `folder`, and the account that they are made for."""
    templates = Templates.from_assembly(folder)
    for cohort in cohorts:
        if cohort.names.foundation_stack not in templates.stacks:
            raise Refused(
                f"{folder} holds no stacks of {cohort.name}. Synthesize it again "
                "(npx cdk synth -c cohort=FILE), or leave --assembly out"
            )
    return templates, _account_of(folder, cohorts[0].names.foundation_stack)


def _account_of(folder: Path, stack: str) -> str:
    """The account that an assembly's stack is made for."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    environment = str(manifest["artifacts"][stack].get("environment", ""))
    found = re.fullmatch(r"aws://([0-9]{12})/.+", environment)
    if found is None:
        raise AssemblyError(f"{folder}/manifest.json names no account for {stack}")
    return found.group(1)


def _synthesized(cohorts: list[Cohort], of: str, images: ImageVersion | None) -> Templates:
    made = [synthesized(cohort, account=of) for cohort in cohorts]
    if images is not None:
        made.append(synthesized_images(of, cohorts[0].region))
    return Templates({name: body for each in made for name, body in each.stacks.items()})


def synthesized_images(of: str, region: str) -> Templates:
    """The stacks of the account's images, but for what the images are built from."""
    from aws_cdk import App  # Imported here: it starts Node.

    from infra.stacks.images import add_image_stacks

    def nothing(folder: Path) -> str:
        folder.mkdir()
        return "0" * 64

    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder)
        add_image_stacks(app, load_record(), account=of, region=region, context=nothing)
        app.synth(validate_on_synthesis=False)
        return Templates.from_assembly(Path(folder))


def _prove(stated: Stated, ids: tuple[str, ...], *, quiet: bool) -> Proof:
    catalogue = Catalogue.published()
    # Not in a log, and not in the middle of a JSON document.
    with Progress(console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task("deciding", total=None)

        def told(done: int, of: int, who: str) -> None:
            bar.update(task, completed=done, total=of, description=escape(who))

        return prove(
            stated.world,
            stated.cohorts,
            catalogue,
            images=stated.images,
            only=ids,
            progress=told,
        )


def _examined(stated: Stated) -> account.Found:
    """Who of the credentials' account can cross the fence."""
    try:
        return account.examine(Site(stated.cohorts[0]).client, stated.world, Catalogue.published())
    except ValueError as error:
        raise Refused(str(error)) from None


# --- for people -----------------------------------------------------------------------------------


def show_promises(stated: Stated, ids: tuple[str, ...]) -> None:
    """Print what is promised, in words."""
    places = [Places(cohort, stated.world, stated.images) for cohort in stated.cohorts]
    chosen = choose(promises(places), ids)
    for promise in {each.id: each for each in chosen}.values():
        console.print(f"[bold]{promise.id}[/bold]: {escape(promise.says)}")


def show(proof: Proof) -> None:
    """Print the proof as a table, and what breaks it."""
    several = len(proof.world.cohorts) > 1
    table = Table(title="What is promised", title_justify="left", title_style="bold")
    table.add_column("promise", no_wrap=True)
    if several:
        table.add_column("of")
    table.add_column("")
    for column in ("about", "decided for", "requests"):
        table.add_column(column, justify="right")
    for finding in proof.findings:
        promise = finding.promise
        row = [promise.id, *([promise.cohort or "the account"] if several else [])]
        row.append("[green]holds[/green]" if finding.holds else "[red]broken[/red]")
        if promise.check is None:
            # Of nobody, everything holds: there is no such role in these templates.
            row.append(str(finding.about) if finding.about else "[dim]nobody[/dim]")
            row += [str(finding.shapes), f"{finding.examined:,}"]
        table.add_row(*row)
    console.print(table)
    console.print(
        f"{proof.examined:,} classes of requests decided in {proof.seconds:.1f} s, of those of "
        f"{proof.actions:,} actions ({proof.catalogue}) and of any that AWS may add. What no "
        "statement allows is refused without asking."
    )
    for finding in proof.broken:
        console.print(f"\n[red]broken[/red] [bold]{finding.promise.id}[/bold]: ", end="")
        console.print(escape(finding.promise.says))
        for breach in finding.told(TOLD):
            _show_breach(breach)
        if (left := len(finding.breaches) - TOLD) > 0:
            console.print(f"  and {left} more (--json has all)")


def show_account(found: account.Found) -> None:
    """Print who else of the account can cross the fence."""
    console.print("\n[bold]Who else is in the account[/bold]")
    for sentence in account.words(found):
        console.print(f"  {escape(sentence)}", soft_wrap=True)


def _show_breach(breach: Breach) -> None:
    # An ARN is to be copied: no line of it is broken in two.
    console.print(f"  {escape(breach.words)}", soft_wrap=True)
    if breach.also:
        console.print(f"    and so may {escape(', '.join(breach.also))}", soft_wrap=True)
    if breach.more:
        console.print(f"    and {breach.more} more kinds of request for the same action")
    if breach.request is None and breach.source is not None:
        console.print(f"    at {breach.source.stack}/{breach.source.logical_id}", soft_wrap=True)
