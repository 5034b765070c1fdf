"""`cohort reconcile`: removes the stacks of teams, of advisors and of a door that left the file.

A deploy leaves them alone: the CDK knows only what the file makes now.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from infra.assurance.losses import person_of, removing
from infra.cli import gate, stopping
from infra.cli.account import Site
from infra.cli.deployed import Deployed, DeployedStack, read
from infra.cli.diff import show_kept
from infra.cli.gate import Gate, erase_option
from infra.cli.kept import kept
from infra.cli.measuring import measure
from infra.cli.terminal import Refused, console, without_traceback
from infra.services.guard.store import TableJournal

#: CloudFormation takes minutes for a space, a profile and a domain each.
PATIENCE_SECONDS = 60 * 60


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask; then --erase names what may be lost.")
@erase_option
@without_traceback
def reconcile(file: Path, yes: bool, named: tuple[str, ...]) -> None:
    """Remove the stacks of teams and advisors, and of a door, that are in FILE no more.

    Says what is lost with them, and asks. Then it ends their spaces and jobs, settles the ledger,
    and deletes their stacks; teams in the file are not touched. What they spent stays in the
    ledger, what they made in the bucket `work`. With `protect: true` their homes stay too, in no
    stack: the command lists them, with the commands that remove them for good.

    It may be run again after it was interrupted.

    \b
      cohort reconcile cohorts/fall.yaml
      cohort reconcile cohorts/fall.yaml --yes --erase home:ana --erase home:ben
    """
    site = Site.of(file)
    deployed = read(site, waiting=True)
    stacks = left(site, deployed)
    if not stacks:
        console.print(f"Every team of {site.cohort.name} that is deployed is in {file}.")
        return
    _not_at_work(stacks)
    losses = removing(deployed.templates, [stack.name for stack in stacks], site.cohort.names)
    asked = Gate.of(losses, measure(site, losses), named)
    console.print(f"In {file} no more: {', '.join(stack.name for stack in stacks)}")
    gate.show(asked, command=f"cohort reconcile {file} --yes") if yes else _show(asked)
    for line in _stays(site, stacks):
        console.print(line, soft_wrap=True)
    if yes and asked.refused:
        raise click.exceptions.Exit(1)
    if not yes:
        click.confirm(f"Remove these from account {site.account}?", abort=True)
    for line in remove(site, stacks):
        console.print(line, soft_wrap=True)
    if rest := kept(site, read(site, waiting=True)):
        console.print("Kept, in no stack:")
        show_kept(tuple(rest))


def left(site: Site, deployed: Deployed) -> list[DeployedStack]:
    """Deployed stacks of teams and advisors that the cohort file has no more; then the shared
    domain, because SageMaker deletes none that somebody has a profile in, and the door, in whose
    pool teams have their users."""
    cohort, names = site.cohort, site.cohort.names
    teams = {names.team_stack(team.id) for team in cohort.teams}
    gone = [
        stack
        for name, stack in deployed.stacks.items()
        if name.startswith(names.team_stack("")) and name not in teams
    ]
    advisors = deployed.stacks.get(names.advisors_stack)
    if advisors and not cohort.advisors_with_spaces:
        gone.append(advisors)
    studio = deployed.stacks.get(names.studio_stack)
    if (
        studio
        and cohort.isolation != "cohort"
        and not _used(names.domain_parameter, deployed, gone)
    ):
        gone.append(studio)
    door = deployed.stacks.get(names.door_stack)
    if door and not cohort.door and not _used(names.user_pool_parameter, deployed, gone):
        gone.append(door)
    return gone


def _used(parameter: str, deployed: Deployed, gone: list[DeployedStack]) -> bool:
    """Whether a stack that stays reads an id from this parameter: of the domain that all shared, of
    the pool that all sign in by."""
    going = {stack.name for stack in gone}
    return any(
        declared.get("Default") == parameter
        for name, stack in deployed.stacks.items()
        if name not in going
        for declared in stack.template.get("Parameters", {}).values()
    )


def remove(site: Site, stacks: list[DeployedStack]) -> Iterator[str]:
    """Do it, a sentence for each part done. May be run again after it was interrupted."""
    people = {person for stack in stacks for person in people_of(site, stack)}
    teams = [team for stack in stacks if (team := _team(site, stack))]
    yield from stopping.stop(site, stopping.some(site, people, teams))
    client = site.client("cloudformation")
    for stack in stacks:
        if stack.protected:
            client.update_termination_protection(
                StackName=stack.name, EnableTerminationProtection=False
            )
        _delete(client, stack)
        yield f"{stack.name} is removed"


def people_of(site: Site, stack: DeployedStack) -> list[str]:
    """Who has a space in the stack."""
    names = site.cohort.names
    templates = Deployed({stack.name: stack}).templates
    spaces = templates.resources("AWS::SageMaker::Space")
    return [person for space in spaces if (person := person_of(space, names))]


def _team(site: Site, stack: DeployedStack) -> str | None:
    start = site.cohort.names.team_stack("")
    return stack.name.removeprefix(start) if stack.name.startswith(start) else None


def _delete(client: Any, stack: DeployedStack) -> None:
    """Delete the stack and wait, with what is left of it on a terminal.

    Raises:
        Refused: if something would not go; it says what, and why.
    """
    described = client.describe_stacks(StackName=stack.name)["Stacks"][0]
    # By its id: a deleted stack has no name any more.
    stack_id = described["StackId"]
    if described["StackStatus"] != "DELETE_IN_PROGRESS":
        client.delete_stack(StackName=stack_id)
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = 0.2
    with console.status(f"{stack.name} is being deleted") as status:
        while time.monotonic() < deadline:
            now = client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            if now == "DELETE_COMPLETE":
                return
            if now == "DELETE_FAILED":
                raise Refused(f"{stack.name} could not be deleted: {_why(client, stack_id)}")
            status.update(f"{stack.name} is being deleted: {_rest(client, stack_id)} left")
            time.sleep(pause)
            pause = min(pause * 1.5, 10)
    raise Refused(f"{stack.name} was not deleted in {PATIENCE_SECONDS // 60} minutes; run it again")


def _why(client: Any, stack_id: str) -> str:
    events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
    said = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"] == "DELETE_FAILED" and event["PhysicalResourceId"] != stack_id
    ]
    return "; ".join(dict.fromkeys(said)) + ". Mend that, and run it again"


def _rest(client: Any, stack_id: str) -> int:
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    found = [each for page in pages for each in page["StackResourceSummaries"]]
    return sum(
        each["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED") for each in found
    )


def _not_at_work(stacks: list[DeployedStack]) -> None:
    """One that is being deleted is waited for; one that is being updated is another's work."""
    busy = [each.name for each in stacks if each.busy and each.status != "DELETE_IN_PROGRESS"]
    if busy:
        raise Refused(f"CloudFormation is at work on {', '.join(busy)}: wait until that is over")


def _show(asked: Gate) -> None:
    for loss in asked.lost:
        console.print(f"  [yellow]{loss.name}[/yellow]: {asked.sentence(loss)}", soft_wrap=True)
    for loss in asked.kept:
        told = loss.stays(asked.measured.get(loss.name, ""))
        console.print(f"  [green]{loss.name}[/green] stays in the account: {told}", soft_wrap=True)


def _stays(site: Site, stacks: list[DeployedStack]) -> Iterator[str]:
    """What of a team does not go with its stack."""
    weighed = {}
    try:
        journal = TableJournal(site.cohort.names.ledger_table, site.client("dynamodb"))
        weighed = {each.team: each for each in journal.objects()}
    except site.client("dynamodb").exceptions.ResourceNotFoundException:
        pass
    for stack in stacks:
        team = _team(site, stack)
        if team:
            found = weighed.get(team)
            much = f" ({found.versions:,} objects)" if found else ""
            yield (
                f"  What {team} made stays: s3://{site.bucket('work')}/"
                f"{site.cohort.names.team_prefix(team)}{much}, its submissions, and its entries on "
                "the boards"
            )
