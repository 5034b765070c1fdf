"""The `cohort` command and its verbs."""

from __future__ import annotations

import click

from infra.cli.budget import budget, freeze, unfreeze
from infra.cli.check import check
from infra.cli.close import close
from infra.cli.competition import competition
from infra.cli.demo.command import demo
from infra.cli.diff import diff
from infra.cli.door import door
from infra.cli.images import images
from infra.cli.leaderboard import leaderboard
from infra.cli.offline import offline
from infra.cli.plan import plan
from infra.cli.prices import prices
from infra.cli.probe.command import probe
from infra.cli.prove import prove_command
from infra.cli.publish import publish
from infra.cli.reconcile import reconcile
from infra.cli.spaces import open_space
from infra.cli.spend import spend


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cohort() -> None:
    """Runs an academy's cohort: from its file to a running academy, and back to nothing.

    \b
    The life of a cohort:
      cohort check cohorts/fall.yaml                     is the file right?
      cohort plan cohorts/fall.yaml                      what will it be, need and cost?
      cohort prove cohorts/fall.yaml                     what can nobody of it do?
      cohort diff cohorts/fall.yaml                      what would a deploy take from people?
      npx cdk deploy --all -c cohort=cohorts/fall.yaml   provision it
      cohort publish cohorts/fall.yaml                   library, templates, data
      cohort door cohorts/fall.yaml                      the address for people to sign in at
      cohort open ana --file cohorts/fall.yaml           a learner's workspace
      cohort spend cohorts/fall.yaml                     spent, reserved, left; until when
      cohort budget ana --usd 200 --why "…"           a cap of her own; freeze, unfreeze
      cohort leaderboard land-cover                      who stands where, how sure that is
      cohort competition freeze land-cover --why "…"     and open, close, extend, rescore, …
      cohort reconcile cohorts/fall.yaml                 remove teams that left the file
      cohort close cohorts/fall.yaml                     stop and empty
      npx cdk destroy --all -c cohort=cohorts/fall.yaml  remove it

    A project's competition on Kaggle, too: `cohort competition export kaggle`.
    The images that spaces and jobs run in, for all cohorts of an account: `cohort images`.
    The same against the embedded cloud, without an AWS account: `cohort offline up`.
    What only AWS can confirm, asked of it for at most $2: `cohort probe`.
    """


for command in (
    *(check, plan, prove_command, publish, door, open_space, close),
    *(diff, reconcile),
    *(spend, budget, freeze, unfreeze),
    *(leaderboard, competition, images, prices, offline, demo, probe),
):
    cohort.add_command(command)


if __name__ == "__main__":
    cohort()
