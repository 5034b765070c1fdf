"""`cohort check`: says everything that is wrong with a cohort file, or what it describes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from infra.cli.terminal import console, without_traceback
from infra.cohort.checks import warnings
from infra.cohort.loading import load


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@without_traceback
def check(file: Path) -> None:
    """Read a cohort FILE and print every problem, each with its place and its remedy.

    Exit status 0 if the file is good, 1 if it is not. Needs no AWS account.
    """
    cohort = load(file)
    learners = len(cohort.learners)
    console.print(f"[green]{file} is good[/green]: {cohort.name}, {cohort.region}")
    console.print(
        f"{_count(len(cohort.teams), 'team')}, {_count(learners, 'learner')}, "
        f"{_count(len(cohort.advisors), 'advisor')}; "
        f"{cohort.starts} to {cohort.ends}; projects: {', '.join(cohort.projects)}"
    )
    cap = cohort.budget.per_learner_usd
    for warning in warnings(cohort, today=dt.datetime.now(dt.UTC).date()):
        console.print(f"[yellow]but {warning}[/yellow]", soft_wrap=True)
    everyone = sum(cohort.cap_usd(person.id) for person in cohort.people)
    advisor = f", ${cohort.budget.per_advisor_usd} for an advisor"
    console.print(
        f"At most ${cap} for a learner{advisor if cohort.advisors_with_spaces else ''}, "
        f"${everyone} for the cohort."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
