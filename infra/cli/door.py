"""`cohort door`: the address to send to people; and who is to be shut out, or let in again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from infra.cli.account import Site
from infra.cli.terminal import Refused, console, without_traceback


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--shut-out", metavar="PERSON", help="End their session, and let them in no more.")
@click.option("--let-in", metavar="PERSON", help="Take that back.")
@click.option(
    "--redirect-uri", is_flag=True, help="Print what to register with the file's provider."
)
@without_traceback
def door(file: Path, shut_out: str | None, let_in: str | None, redirect_uri: bool) -> None:
    """Print the address of the door of the cohort in FILE.

    Whoever is shut out is out with their next click, whatever they hold. What they run goes on:
    cohort freeze ends that. For good, take them out of the file and deploy. Both count however
    they come in: by a code, or by the organisation's own provider.

    The redirect URI is known before the first deploy: the provider's admin is asked for it.

    \b
      cohort door cohorts/fall.yaml
      cohort door cohorts/fall.yaml --shut-out ana
    """
    site = Site.of(file)
    if sum(map(bool, (shut_out, let_in, redirect_uri))) > 1:
        raise Refused("one at a time: --shut-out, --let-in or --redirect-uri")
    if redirect_uri:
        click.echo(_redirect_uri(site))
    elif shut_out:
        client, user = _user(site, shut_out)
        client.admin_disable_user(**user)
        client.admin_user_global_sign_out(**user)
        console.print(f"{shut_out} is out, and let in no more")
    elif let_in:
        client, user = _user(site, let_in)
        client.admin_enable_user(**user)
        console.print(f"{let_in} may sign in again")
    else:
        # Alone on its line, whatever the terminal's width: it is to be copied.
        click.echo(_told(site, site.cohort.names.door_url_parameter))


def _redirect_uri(site: Site) -> str:
    """Where the provider leads people back to: Cognito's host for the cohort."""
    if not (site.cohort.door and site.cohort.door.provider):
        raise Refused(f"the file of {site.cohort.name} names no provider: see cohorts/example.yaml")
    region = site.cohort.region
    prefix = site.cohort.names.provider_domain(account=site.account, region=region)
    # The embedded cloud has one address for all of AWS's.
    here = os.environ.get("AWS_ENDPOINT_URL")
    host = f"{here}/_academy/auth/{prefix}" if here else f"https://{prefix}.auth.{region}.{_DOMAIN}"
    return f"{host}/oauth2/idpresponse"


_DOMAIN = "amazoncognito.com"


def _user(site: Site, person: str) -> tuple[Any, dict[str, str]]:
    """The client of Cognito, and how it is told who is meant."""
    people = {
        each.id: each
        for each in (*(learner for _, learner in site.cohort.learners), *site.cohort.advisors)
    }
    if person not in people:
        raise Refused(f"{person!r} is nobody of {site.cohort.name}: {', '.join(people)}")
    pool = _told(site, site.cohort.names.user_pool_parameter)
    username = site.cohort.names.user(person, people[person].email)
    client = site.client("cognito-idp")
    try:
        client.admin_get_user(UserPoolId=pool, Username=username)
    except client.exceptions.UserNotFoundException:
        raise Refused(
            f"{person} has no user by {people[person].email}: deploy the file first"
        ) from None
    return client, {"UserPoolId": pool, "Username": username}


def _told(site: Site, parameter: str) -> str:
    """What the door's stack wrote down."""
    if not site.cohort.door:
        raise Refused(f"the file of {site.cohort.name} has no door: see cohorts/example.yaml")
    ssm = site.client("ssm")
    try:
        return str(ssm.get_parameter(Name=parameter)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        raise Refused(
            f"{site.cohort.name} has no door in account {site.account}, {site.cohort.region}: is "
            "it deployed?"
        ) from None
