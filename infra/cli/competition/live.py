"""`cohort competition live`: a round in which months that nobody knows yet are forecast.

Its public files are written by the admin, its table by conditional writes, its board by the scorer.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from rich.table import Table

from infra.cli.account import Site
from infra.cli.competition.acts import project_argument
from infra.cli.competition.archive import Archive, logged, observed_csv
from infra.cli.competition.arena import ATTEMPTS, Arena, counted, minute, plain, say, why_option
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, without_traceback
from infra.services.competition.ladder import DIGITS
from infra.services.competition.live import months, observing, rounds
from infra.services.competition.live.board import Live, revealed, seal_document
from infra.services.competition.live.publishing import gathered, revealed_key
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import SHORT, all_observed, hash_of, unobserved
from infra.services.competition.live.store import LiveTable
from infra.services.competition.problems import Misconfigured
from infra.services.competition.publishing import live_board
from infra.services.competition.store import Changed

#: The projects that forecast series by months.
PROJECTS = ("climate-series",)
MAX_FILE_BYTES = 2_000_000
ACTS = 100_000


@click.group()
def live() -> None:
    """A round of real forecasts: sealed before a month begins, scored when it is published.

    \b
      start PROJECT --round FILE.yaml   begin one: what is forecast, and what is known
      stop PROJECT                      no new forecasts; what is sealed is still scored
      verify PROJECT                    hold what was shown against its hashes
      export PROJECT FOLDER             all of it as plain files, to go on without AWS
    A month's value: cohort competition observe.
    """


@live.command()
@project_argument
@click.option(
    "--round",
    "description",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What is forecast: a YAML file. docs/admins.md shows one.",
)
@cohort_file
@click.option(
    "--abandon",
    is_flag=True,
    help="Give up what is sealed in the round before and not observed yet: no board ever shows it.",
)
@why_option
@without_traceback
def start(project: str, description: Path, file: Path, abandon: bool, why: str) -> None:
    """Begin PROJECT's live round: learners may send forecasts from now on.

    Series, their history and the horizon stay as they are to the end of the round. A project has
    one round at a time: the one before must be stopped, and all that is sealed in it observed.
    """
    arena = _arena(file, project)
    table = LiveTable.of(arena.table)
    document = _yaml(description)
    before = table.round(project)
    who, at = arena.acting()
    if before is not None and before.id == document.get("id") and before.stopped is None:
        say(f"The round {before.id} of {project} is open since {minute(before.opened)}.")
        _publish_files(arena, before, table)
        renew(arena)
        return
    if before is not None and before.stopped is None:
        raise Refused(f"{project} has an open round, {before.id}: stop it first")
    waiting = "" if before is None else unfinished(before, table)
    if before is not None and waiting and not abandon:
        raise Refused(
            f"the round {before.id} of {project} is stopped, and has {waiting}. A new round takes "
            "its place: these would never be scored or shown. Observe the months first (cohort "
            "competition observe). If you cannot wait, live export the round to a folder, where "
            "it goes on without this account, and say --abandon"
        )
    try:
        known = _histories(document, description.parent)
        made = rounds.started(document, known, project=project, at=at)
        act = observing.act(
            f"start live round {made.id}",
            at=at,
            who=who,
            why=why,
            before={},
            after={
                "horizon": made.horizon,
                "series": ", ".join(made.names),
                **({"abandoned": f"{before.id}: {waiting}"} if before and waiting else {}),
            },
        )
        table.start(made, before, act)
    except ValueError as error:
        raise Refused(f"{description}: {error}") from None
    except Changed:
        raise Refused(
            f"{project} has had a round {document.get('id')}, or another was begun at this moment: "
            "give the round another id"
        ) from None
    _publish_files(arena, made, table)
    asked = made.asked(at)
    say(
        f"The round {made.id} of {project} is open: {counted(len(made.series), 'series', 'series')}"
        f", {counted(made.horizon, 'month')} ahead. Now forecast: "
        f"{months.span(asked[0], asked[-1])}."
    )
    renew(arena)


@live.command()
@project_argument
@cohort_file
@why_option
@without_traceback
def stop(project: str, file: Path, why: str) -> None:
    """Take no new forecasts in PROJECT's live round.

    What is sealed counts: observe its months, and the board goes on. The next round can begin when
    all of them are observed.
    """
    arena = _arena(file, project)
    table = LiveTable.of(arena.table)
    given = round_of(table, project)
    who, at = arena.acting()
    try:
        after = rounds.stop(given, at)
        stopped = {"stopped": at.isoformat()}
        act = observing.act(
            f"stop live round {given.id}", at=at, who=who, why=why, before={}, after=stopped
        )
        table.stop(after, act)
    except ValueError as error:
        raise Refused(f"{project}: {error}") from None
    except Changed:
        raise Refused(f"the round {given.id} was stopped by somebody else at this moment") from None
    _publish_files(arena, after, table)
    seals = table.seals(after)
    last = max((seal.last for seal in seals), default=None)
    say(f"The round {given.id} takes no new forecasts.")
    if last is not None:
        say(f"{counted(len(seals), 'forecast')} are sealed, to {months.name(last)}.")
    if waiting := unfinished(after, table):
        say(f"The next round can begin when all is observed. Left: {waiting}.")
    renew(arena)


@live.command()
@click.argument("project", required=False)
@cohort_file
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder that `live export` wrote, in the place of PROJECT.",
)
@without_traceback
def verify(project: str | None, file: Path, archive: Path | None) -> None:
    """Compute the hash of every forecast of PROJECT's live round anew.

    Those that are shown are read where everybody reads them, the others from the table; both are
    held against the hashes on the public board.
    """
    if (project is None) == (archive is None):
        raise Refused("give PROJECT, or --archive FOLDER")
    if archive is not None:
        found = Archive.read(archive)
        say(
            f"{counted(len(found.live.seals), 'forecast')} in {archive}: each gives the hash that "
            f"it was sealed by. The archive's digest is {found.digest}"
        )
        return
    arena = _arena(file, str(project))
    table = LiveTable.of(arena.table)
    given = round_of(table, arena.project)
    listed = _public(arena, f"boards/{live_board(arena.project)}.json")
    if listed.get("round", {}).get("round") != given.id:
        raise Refused(f"the live board is not of the round {given.id}: observe, or wait for it")
    try:
        public = {str(each["hash"]): each for each in listed["seals"]}
    except (KeyError, TypeError) as error:
        raise Refused(f"the live board is damaged: {error!r}") from None
    shown = 0
    for seal in table.seals(given):
        told = f"the seal {seal.hash[:SHORT]} of {seal.team}"
        each = public.pop(seal.hash, None)
        if each is None or each.get("team") != seal.team:
            raise Refused(f"the public board lacks {told}")
        # When it came and what it is of say which forecast counts.
        if each | {"revealed": True} != seal_document(seal) | {"revealed": True}:
            raise Refused(f"the public board shows {told} with another time or other months")
        salt, body = seal.salt, table.body(given, seal)
        if seal.revealed:
            document = _public(arena, revealed_key(arena.project, seal.hash))
            if document != revealed(Live(given, (), {}), seal, body):
                raise Refused(f"what is shown of {told} is not what was sealed")
            shown += 1
        if hash_of(given.project, given.id, seal.team, salt, body) != seal.hash:
            raise Refused(f"the forecast of {told} is not what was sealed")
    if public:
        raise Refused(f"the public board has a seal that the table lacks: {min(public)[:SHORT]}")
    count = len(listed["seals"])
    say(
        f"{counted(count, 'forecast')} of the round {given.id}, {shown} of them shown to "
        "everybody: each gives the hash on the public board"
    )


@live.command()
@project_argument
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@cohort_file
@without_traceback
def export(project: str, folder: Path, file: Path) -> None:
    """Write all of PROJECT's live round to FOLDER as plain files.

    The round goes on with them, without AWS: cohort competition observe --archive FOLDER. Sealed
    forecasts lie open in them: keep the folder to yourself while months are to come.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty: an export never writes over another")
    arena = _arena(file, project)
    table = LiveTable.of(arena.table)
    found = gathered(round_of(table, project), table)
    log = [
        logged(act)
        for act in reversed(arena.table.acts(project, ACTS))
        if _of_live(act.what) and act.at >= found.round.opened
    ]
    made = Archive(
        arena.site.cohort.name,
        found,
        {seal.hash: table.body(found.round, seal) for seal in found.seals},
        tuple(log),
    )
    made.check_seals()
    made.write(folder)
    made.render(folder, arena.now())
    say(
        f"{counted(len(found.seals), 'forecast')} and "
        f"{counted(len(found.observed), 'observation')} of the round {found.round.id} are in "
        f"{folder}. Sealed forecasts lie open in it: keep it to yourself. Its digest, which others "
        f"may know, is {made.digest}"
    )


# --- shared ---------------------------------------------------------------------------------------
def round_of(table: LiveTable, project: str) -> Round:
    """The project's round.

    Raises:
        Refused: if it has none.
    """
    try:
        found = table.round(project)
    except Misconfigured as error:
        raise Refused(str(error)) from None
    if found is None:
        raise Refused(f"{project} has no live round: cohort competition live start {project} …")
    return found


def unfinished(given: Round, table: LiveTable) -> str:
    """What of the round is sealed and not observed yet, in words; empty if all is."""
    seals, observed = table.seals(given), table.observed(given)
    left = unobserved(seals, given.names, observed)
    if not left:
        return ""
    waiting = [seal for seal in seals if not all_observed(seal, given.names, observed)]
    return (
        f"{counted(len(waiting), 'sealed forecast')} of which not every month is observed: "
        f"{months.spans(left)}"
    )


def sealed_rounds(site: Site) -> dict[str, str]:
    """By project, the live round with sealed forecasts that the cohort's table holds, in words."""
    client = site.client("dynamodb")
    table = LiveTable(site.cohort.names.board_table, client)
    found = {}
    for project in site.cohort.projects:
        if project not in PROJECTS:
            continue
        try:
            given = table.round(project)
            seals = [] if given is None else table.seals(given)
            if given is not None and seals:
                what = unfinished(given, table) or (
                    f"{counted(len(seals), 'sealed forecast')}, all of them observed"
                )
                found[project] = f"the live round {given.id} of {project}: {what}"
        except Misconfigured as error:
            found[project] = f"a live round of {project} that cannot be read: {error}"
        except client.exceptions.ResourceNotFoundException:
            break
    return found


def publish_observed(arena: Arena, project: str, table: LiveTable) -> None:
    """Give learners what is known by now of the project's round.

    Who observes at the same moment may write what is older over what is newer: whoever writes looks
    again, so that the last one writes what the table has.
    """
    content = _observed(project, table)
    for _ in range(ATTEMPTS):
        _put(arena, "observed.csv", content)
        latest = _observed(project, table)
        if latest == content:
            return
        content = latest


def _observed(project: str, table: LiveTable) -> bytes:
    return observed_csv(table.observed(round_of(table, project)).values())


def show(document: Mapping[str, Any]) -> None:
    """The live board in the terminal."""
    entries: Sequence[Mapping[str, Any]] = document["entries"]
    table = Table("rank", "team", "score", "95 %", "months", box=None, padding=(0, 2, 0, 0))
    for each in entries:
        low, high = each["rank_low"], each["rank_high"]
        span = (each["score_low"], each["score_high"])
        table.add_row(
            f"{low}" if low == high else f"{low}-{high}",
            plain(each["team"]),
            f"{each['score']:.{DIGITS}f}",
            "" if None in span else f"{span[0]:.{DIGITS}f} to {span[1]:.{DIGITS}f}",
            str(each["months"]),
        )
    for line in document["lines"]:
        score = f"{line['score']:.{DIGITS}f}"
        table.add_row("", plain(line["name"]), score, "", str(line["months"]))
    if entries or document["lines"]:
        console.print(table)
    if document.get("few"):
        least = document["least_months"]
        say(f"With fewer than {least} months nobody is told apart: all are tied.")


def renew(arena: Arena) -> dict[str, Any] | None:
    """Have the live pages written anew; what is recorded holds if that fails."""
    try:
        with console.status(f"renewing the live board of {arena.project}"):
            document = arena.ask("scorer", {"live": arena.project})
    except Refused as error:
        say(
            f"It is recorded, and holds. The live board could not be renewed: {error}. Mend that, "
            "and give the same command again."
        )
        return None
    say(f"The live board of {arena.project} is renewed.")
    return document if isinstance(document, dict) and document else None


def _arena(file: Path, project: str) -> Arena:
    if project not in PROJECTS:
        raise Refused(f"{project} forecasts no months; a live round is of {', '.join(PROJECTS)}")
    return Arena.of(file, project)


def _of_live(what: str) -> bool:
    return what.startswith(("start live round", "stop live round", "observe ", "correct "))


def _publish_files(arena: Arena, given: Round, table: LiveTable) -> None:
    """The round as learners and the checker read it: the task last, for it says that all is there.

    A round that another has followed is left alone.
    """
    for _ in range(ATTEMPTS):
        _put(arena, "history.csv", given.history().encode())
        publish_observed(arena, given.project, table)
        _put(arena, "task.json", json.dumps(given.task(), indent=1, ensure_ascii=False).encode())
        latest = table.round(given.project)
        if latest is None or latest == given:
            return
        given = latest


def _put(arena: Arena, name: str, content: bytes) -> None:
    key = f"datasets/{arena.project}/live/{name}"
    arena.s3.put_object(Bucket=arena.site.bucket("data"), Key=key, Body=content)


def _public(arena: Arena, key: str) -> dict[str, Any]:
    """A JSON document of the site."""
    try:
        found = arena.s3.get_object(Bucket=arena.site.bucket("site"), Key=key)["Body"].read()
        document = json.loads(found)
    except arena.s3.exceptions.NoSuchKey:
        raise Refused(f"there is no {key} on the site") from None
    except ValueError:
        raise Refused(f"{key} on the site is no JSON") from None
    if not isinstance(document, dict):
        raise Refused(f"{key} on the site is no document")
    return document


def _yaml(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise Refused(f"{file} has more than {MAX_FILE_BYTES:,} bytes")
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"{file} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise Refused(f"{file} is no mapping of id, title, horizon and series")
    return document


def _histories(
    document: Mapping[str, Any], folder: Path
) -> dict[str, tuple[int, tuple[float, ...]]]:
    """Each series' history, from the CSV of month and value that the description names.

    Raises:
        ValueError: naming the file and the row.
    """
    found: dict[str, tuple[int, tuple[float, ...]]] = {}
    series = document.get("series")
    for given in series if isinstance(series, list) else ():
        if not isinstance(given, dict) or not isinstance(given.get("id"), str):
            continue
        if not isinstance(given.get("history"), str):
            raise ValueError(f"The series {given['id']} names no history, a CSV of month,value.")
        found[given["id"]] = _history(folder / given["history"])
    return found


def _history(file: Path) -> tuple[int, tuple[float, ...]]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"{file} has more than {MAX_FILE_BYTES:,} bytes.")
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig")), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} cannot be read: {error}.") from None
    if not rows or [cell.strip() for cell in rows[0]] != ["month", "value"]:
        raise ValueError(f"{file} must begin with the line month,value.")
    first: int | None = None
    values: list[float] = []
    for number, row in enumerate(rows[1:], start=1):
        try:
            month, value = months.index(row[0].strip()), float(row[1])
            if len(row) != 2 or not math.isfinite(value):
                raise ValueError(f"{','.join(row)[:40]!r} is no month and value")
        except (ValueError, IndexError) as error:
            raise ValueError(f"{file}, row {number}: {error}.") from None
        first = month if first is None else first
        if month != first + len(values):
            raise ValueError(
                f"{file}, row {number}: {months.name(month)} where "
                f"{months.name(first + len(values))} was expected: no gaps, oldest first."
            )
        values.append(value)
    if first is None:
        raise ValueError(f"{file} has no values.")
    return first, tuple(values)
