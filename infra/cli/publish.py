"""`cohort publish`: stages what learners run and read, and seals what they are scored against."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import locks
from infra.cli.account import Site
from infra.cli.staging import Shelf
from infra.cli.terminal import Refused, console, size, without_traceback
from infra.cohort.images import load_record
from infra.publishing.keys import KeyKind, SealingError, fingerprint

if TYPE_CHECKING:
    from infra.publishing.land_cover import Plan, Recipe, Staged


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--scenes",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Real scenes for land-cover, a folder each, as python -m academy.data.deafrica loads "
    "them. The vault's key chooses at least 24 of them to be held out.",
)
@click.option(
    "--simulated",
    is_flag=True,
    help="Take simulated scenes for land-cover again, after real ones were published.",
)
@without_traceback
def publish(file: Path, scenes: Path | None, simulated: bool) -> None:
    """Upload library, templates and datasets for the cohort in FILE, and seal the competitions.

    May be run again after any change: spaces take the new library and templates at their next
    start, a competition keeps the key that it was sealed with first, and data that are there
    already are neither made nor sent again. Land-cover scenes are simulated, unless --scenes
    names real ones; these stay until --simulated.
    """
    if scenes and simulated:
        raise Refused("--scenes and --simulated exclude each other: give one of them")
    site = Site.of(file)
    if (scenes or simulated) and "land-cover" not in site.cohort.projects:
        raise Refused(
            f"{file} has no project land-cover, whose scenes --scenes and --simulated are"
        )
    for line in publish_cohort(site, scenes=scenes, simulated=simulated, live=True):
        console.print(line, markup=False, soft_wrap=True)


def publish_cohort(
    site: Site,
    *,
    scenes: Path | None = None,
    simulated: bool = False,
    plan: Plan | None = None,
    slow_rivals: bool = True,
    live: bool = False,
    told: Callable[[str], None] | None = None,
) -> Iterator[str]:
    """Do it, a sentence for each part done.

    `scenes` and `simulated` are the command's; `plan` is what is simulated, if not the default;
    `slow_rivals` says whether the board of climate-series has the lines that take longest, too;
    `live` shows on a terminal how far the long parts are; `told` is called with it.

    Raises:
        Refused: if a template or the library is not complete, the vault's key is damaged, or the
            scenes cannot be sealed.
    """
    # Imported here: they bring pandas, statsmodels and jupytext.
    from infra.publishing import templates, wheel

    try:
        library = wheel.build()
        _upload(site, "data", {library.key: library.content}, only="software/")
        yield f"library: {library.name}, {size(len(library.content))}"

        welcome = templates.welcome_files()
        _upload(site, "data", welcome, only=f"templates/{templates.WELCOME}/")
        for project in site.cohort.projects:
            files = templates.files(project)
            _upload(site, "data", files, only=f"templates/{project}/")
            yield f"templates of {project}: {len(files)} files"
        if used := load_record().current(site.account, site.cohort.region):
            yield (
                f"(spaces and jobs on version {used.number} of the images take library and "
                "templates from it, not from here: after a change, cohort images build)"
            )

        if "climate-series" in site.cohort.projects:
            yield from _climate_series(site, slow_rivals, partial(_Line, live, told))
        if "land-cover" in site.cohort.projects:
            yield from _land_cover(site, scenes, simulated, plan, partial(_Line, live, told))
    except (wheel.BuildError, templates.TemplateError, SealingError) as error:
        raise Refused(str(error)) from None
    if locked := locks.lock(site):
        yield (
            f"locked: CloudFormation replaces and deletes nothing of people's in {locked} stacks; "
            "cohort diff --erase opens that for what it names"
        )


def _climate_series(
    site: Site, slow_rivals: bool, progress: Callable[[str], _Line]
) -> Iterator[str]:
    from infra.publishing import climate_series, rivals

    project = climate_series.PROJECT
    key = _key(site, climate_series.KEY)
    sealed = climate_series.build(key, public_fraction=site.cohort.competition.public_fraction)
    before = Shelf(site, project).vault(rivals.KEY)
    with progress(f"rivals of {project}") as line:
        lines = rivals.build(sealed, before, slow=slow_rivals, report=line.count)
    # A live round is begun and ended by an admin's own command.
    live_round = f"datasets/{project}/live/"
    _upload(site, "data", sealed.data, only=f"datasets/{project}/", spared=live_round)
    vault = {**sealed.vault, rivals.KEY: lines.content}
    _upload(site, "vault", vault, only=f"answers/{project}/")
    total = sum(len(content) for content in sealed.data.values())
    yield f"data of {project}: {size(total)}, sealed with key {fingerprint(key)}"
    computed = f"{len(lines.computed)} computed" if lines.computed else "unchanged"
    yield f"rivals of {project}: {len(lines.rivals)} lines on the board, {computed}"
    for remark in lines.remarks:
        yield f"  {remark}"


def _land_cover(
    site: Site,
    scenes: Path | None,
    simulated: bool,
    plan: Plan | None,
    progress: Callable[[str], _Line],
) -> Iterator[str]:
    # Imported here: it brings the simulator.
    from infra.publishing import land_cover

    shelf = Shelf(site, land_cover.PROJECT)
    title = f"data of {land_cover.PROJECT}"
    before = shelf.vault(land_cover.ANSWERS)
    key = _key(site, land_cover.KEY)
    sealed = f"sealed with key {fingerprint(key)}"
    fraction = site.cohort.competition.public_fraction
    if scenes is None and not simulated and before and _source(before) == "observed":
        if not shelf.complete():
            raise Refused(
                "The real scenes of land-cover are not all there any more: publish with --scenes "
                "FOLDER once again, or with --simulated to go back to simulated ones"
            )
        yield f"{title}: the real scenes published before, {size(shelf.size())}, {sealed}"
        return

    recipe: Recipe
    if scenes is not None:
        recipe = land_cover.scenes_recipe(key, scenes, fraction)
    else:
        recipe = land_cover.simulated_recipe(key, plan or land_cover.Plan(), fraction)
    if before and shelf.recipe == recipe.document() and shelf.complete():
        yield f"{title}: {size(shelf.size())}, unchanged, {sealed}"
        return

    with tempfile.TemporaryDirectory(prefix="academy-land-cover-") as scratch:
        staged: Staged
        with progress("scenes of land-cover") as line:
            if scenes is not None:
                staged = land_cover.from_scenes(
                    key, scenes, Path(scratch), fraction=fraction, report=line.count
                )
            else:
                staged = land_cover.simulated(
                    key, Path(scratch), fraction=fraction, plan=plan, report=line.count
                )
        with progress(f"{title}, uploaded") as line:
            uploaded = shelf.put(staged.files, line.bytes)
        shelf.put_vault(land_cover.ANSWERS, staged.answers)
        shelf.finish(recipe.document())
    sent = f"{uploaded.sent} files sent, {uploaded.kept} there already"
    yield f"{title}: {size(uploaded.size)}, {sent}, {sealed}"
    for remark in staged.remarks:
        yield f"  {remark}"
    if before and _held_out(before) != _held_out(staged.answers):
        yield (
            "  the held-out scenes are others than before: what was scored until now was scored "
            "on those, and stands on the board beside what is scored from now on"
        )


def _source(answers: bytes) -> str:
    return str(json.loads(answers).get("source"))


def _held_out(answers: bytes) -> Any:
    """What makes two sets of answers score alike."""
    scenes = json.loads(answers)["scenes"]
    return {name: (given["part"], given["labels"]) for name, given in scenes.items()}


class _Line:
    """A line on a terminal that says how far something is; elsewhere nothing."""

    def __init__(self, live: bool, told: Callable[[str], None] | None, title: str) -> None:
        self._title = title
        self._told = told
        self._status = console.status(title) if live and console.is_terminal else None

    def __enter__(self) -> _Line:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def count(self, done: int, total: int) -> None:
        self._say(f"{done} of {total}")

    def bytes(self, done: int, total: int) -> None:
        self._say(f"{size(done)} of {size(total)}")

    def _say(self, what: str) -> None:
        if self._told:
            self._told(f"{self._title}: {what}")
        if self._status:
            self._status.update(f"{self._title}: {what}")


def _upload(
    site: Site, purpose: str, files: Mapping[str, bytes], *, only: str, spared: str | None = None
) -> None:
    """Put `files`, and remove what else lies under `only`, except below `spared`: an older wheel
    must not stay."""
    s3 = site.client("s3")
    bucket = site.bucket(purpose)
    for key, content in files.items():
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=only)
    for item in [item for page in pages for item in page.get("Contents", [])]:
        if item["Key"] not in files and not (spared and item["Key"].startswith(spared)):
            s3.delete_object(Bucket=bucket, Key=item["Key"])


def _key(site: Site, kind: KeyKind) -> bytes:
    """The key that a project is sealed with, from the vault; drawn on the first publication."""
    s3: Any = site.client("s3")
    where = {"Bucket": site.bucket("vault"), "Key": kind.name}
    try:
        return kind.parse(s3.get_object(**where)["Body"].read())
    except s3.exceptions.NoSuchKey:
        pass
    content = kind.format(kind.new())
    try:
        # If another admin publishes at the same moment, one key wins and both must use it.
        s3.put_object(**where, Body=content, IfNoneMatch="*")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        content = s3.get_object(**where)["Body"].read()
    return kind.parse(content)
