"""`cohort competition export kaggle` and `import kaggle`: the same competition elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from infra.cli.account import Site
from infra.cli.competition.arena import site_of
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, without_traceback
from infra.publishing.kaggle import KaggleError


@click.group("export")
def export_to() -> None:
    """Write the competition for another platform."""


@click.group("import")
def import_from() -> None:
    """Show what another platform says beside the academy's own board."""


@export_to.command("kaggle")
@click.argument("project")
@cohort_file
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder that is new or empty. The held-out answers will lie in it.",
)
@without_traceback
def export_kaggle(project: str, file: Path, out: Path) -> None:
    """Write what a community competition on Kaggle needs of PROJECT, and check it.

    Data, solution, sample submission, metric, pages, and a README.md with the commands. The metric
    is run on the sample and on a second submission, and must give the academy's own public and
    private scores.
    """
    # Imported here: they bring pandas and the learners' library.
    from infra.publishing.kaggle.checking import TOLERANCE
    from infra.publishing.kaggle.export import export
    from infra.publishing.kaggle.pages import Competition

    site = site_of(file, project)
    rules = site.cohort.competition
    wanted = Competition(
        cohort=site.cohort.name,
        project=project,
        closes=rules.closes,
        submissions_per_day=rules.submissions_per_day,
        team_size=max(len(team.learners) for team in site.cohort.teams),
    )
    try:
        with console.status(f"data and answers of {project}"):
            made = export(
                wanted,
                out,
                lambda folder: _download(site, project, folder),
                lambda name: _answers(site, project, name),
            )
    except KaggleError as error:
        raise Refused(_sentence(error)) from None
    table = Table(title=f"metric.py beside the academy's scorer, equal to {TOLERANCE:.0e}")
    for name in ("submission", "part", "the academy", "Kaggle's metric", "difference"):
        table.add_column(name, justify="left" if name in ("submission", "part") else "right")
    for one in made.compared:
        table.add_row(
            one.submission,
            one.part,
            f"{one.ours:.9f}",
            f"{one.kaggle:.9f}",
            f"{one.difference:.1e}",
        )
    console.print(table)
    for sentence in (
        f"The competition is in {made.folder}; its README.md has the commands, one after the "
        "other.",
        f"{made.solution} holds the held-out answers. It must never be shown to learners, nor lie "
        "where they can read: you alone can read it (mode 0600). Delete it when Kaggle has it.",
    ):
        console.print(sentence, markup=False, soft_wrap=True)


@import_from.command("kaggle")
@click.argument("project")
@click.argument("leaderboard", type=click.Path(path_type=Path))
@cohort_file
@without_traceback
def import_kaggle(project: str, leaderboard: Path, file: Path) -> None:
    """Print PROJECT's board with the teams of LEADERBOARD, a .csv from Kaggle, among its own.

    `kaggle competitions leaderboard COMPETITION --download` brings it, in a zip. Nothing is
    uploaded: learners' board stays as it is.
    """
    from infra.publishing.kaggle import leaderboard as kaggle

    site = site_of(file, project)
    try:
        with leaderboard.open("rb") as opened:
            content = opened.read(kaggle.MAX_BYTES + 1)
    except OSError as error:
        raise Refused(f"{leaderboard} cannot be read: {error.strerror}") from None
    try:
        rows = kaggle.read(content)
        board = _board(site, project)
        standings = kaggle.beside(board, rows)
    except KaggleError as error:
        raise Refused(f"{leaderboard}: {error}") from None
    table = Table(title=escape(f"{project}: {board.get('metric', '')}"))
    for name in ("where", "rank there", "team", "score", "submissions", "submitted, UTC"):
        left = name in ("where", "team", "submitted, UTC")
        table.add_column(name, justify="left" if left else "right")
    for one in standings:
        table.add_row(
            one.place,
            one.rank,
            escape(one.team),
            f"{one.score:.4f}",
            "" if one.submissions is None else str(one.submissions),
            escape(one.submitted),
            style="" if one.place else "dim",
        )
    console.print(table)
    console.print(
        f"Teams: {len(rows)} on Kaggle, {len(board['entries'])} here; {board['better']} is better. "
        "Scores compare only if Kaggle's competition was exported from what is sealed now.",
        markup=False,
        soft_wrap=True,
    )


def _sentence(error: KaggleError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _answers(site: Site, project: str, name: str) -> bytes:
    """A file of the project's answers, as they were sealed."""
    s3 = site.client("s3")
    try:
        found = s3.get_object(Bucket=site.bucket("vault"), Key=f"answers/{project}/{name}")
    except s3.exceptions.NoSuchKey:
        raise KaggleError(f"nothing is sealed for {project}: run cohort publish") from None
    return bytes(found["Body"].read())


def _download(site: Site, project: str, folder: Path) -> None:
    """The project's published data, as they lie."""
    s3, bucket, prefix = site.client("s3"), site.bucket("data"), f"datasets/{project}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for item in [item for page in pages for item in page.get("Contents", [])]:
        relative = PurePosixPath(item["Key"].removeprefix(prefix))
        if not relative.parts or relative.is_absolute() or ".." in relative.parts:
            raise KaggleError(f"the data bucket has an object {item['Key']!r}: remove it")
        place = folder / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as opened:
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]
            shutil.copyfileobj(body, opened, 2**20)


def _board(site: Site, project: str) -> dict[str, Any]:
    """The academy's own board; one without teams if nobody has submitted yet."""
    # Imported here: the scorer's projects are not needed to show the command's help.
    from infra.services.competition import projects

    s3 = site.client("s3")
    try:
        found = s3.get_object(Bucket=site.bucket("site"), Key=f"boards/{project}.json")
    except s3.exceptions.NoSuchKey:
        rules = projects.of(project)
        return {"metric": rules.metric, "better": rules.better, "entries": [], "lines": []}
    try:
        document = json.loads(found["Body"].read())
    except ValueError:
        raise KaggleError("the academy's board is not JSON") from None
    if not isinstance(document, dict):
        raise KaggleError("the academy's board is not as the scorer writes it")
    return document
