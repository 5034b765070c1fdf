"""`cohort competition rescore`: every entry is checked and scored again, after a metric was mended.

While it runs the competition is frozen, so that no submission falls between two metrics. The old
board is kept. Nothing depends on the command's memory: which entries have the new score stands with
each entry, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.markup import escape
from rich.table import Table

from infra.cli.competition.acts import ENTRY_DIGITS, project_argument, release
from infra.cli.competition.arena import Arena, counted, plain, say, why_option
from infra.cli.competition.waiting import progress, until_none
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, usd, without_traceback
from infra.services.competition import state as rules
from infra.services.competition.state import Act, State
from infra.services.competition.store import Entry

#: Entries are handed over by so many at once: Lambda answers each within some milliseconds.
SENDERS = 8
#: After so long without any new score something is wrong: Lambda tries an event again after one
#: minute and after two ("Error handling for asynchronous invocation", Lambda developer guide).
PATIENCE_SECONDS = 8 * 60.0

#: At most so much per entry: checker (60 s, 1769 MB) and scorer (120 s, 1769 MB) at the limits of
#: their time, at $0.0000166667 a GB-second (Lambda pricing, x86, us-east-1). A usual one takes a
#: hundredth of it.
MOST_MICRO_USD = 5_200

BEGUN, DONE = "rescore begins", "rescore done"
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True)
class Run:
    """One rescore: its id, and how the competition is marked while it runs."""

    id: str

    @property
    def reason(self) -> str:
        return f"The scores are being made anew ({self.id})."

    def archive(self, project: str) -> str:
        return f"archive/{project}/{self.id}/"


@click.command()
@project_argument
@cohort_file
@why_option
@click.option("--id", "given", metavar="ID", help="Go on with a rescore that broke off.")
@click.option("--new", is_flag=True, help="Begin anew, though one broke off.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@without_traceback
def rescore(project: str, file: Path, why: str, given: str | None, new: bool, yes: bool) -> None:
    """Check and score every entry of PROJECT again, with the metric and the answers as they are.

    Deploy the mended metric first (or publish the mended answers). The competition is frozen
    meanwhile, the old board is kept in the site's bucket, and old and new stand side by side at the
    end. Interrupted, it goes on with the same --id.
    """
    arena = Arena.of(file, project)
    run = _run_of(arena, given, new)
    entries = everything(arena)
    ahead = [each for each in entries if each.rescored != run.id]
    say(
        f"{counted(len(entries), 'entry', 'entries')} of {project}, {len(ahead)} to be scored "
        f"again: at most {usd(max(len(ahead), 1) * MOST_MICRO_USD)} of Lambda's time."
    )
    if not yes:
        click.confirm(f"{project} is frozen until that is done. Continue?", abort=True)
    try:
        old = _begin(arena, run, why)
        _score(arena, run)
        with console.status(f"replaying the entries of {project}"):
            arena.table.rebuild(project, arena.ladder)
        _end(arena, run, why)
    except (KeyboardInterrupt, Exception):
        say(
            f"Broken off: {project} stays frozen, and its scores are old and new ones until it is "
            "done. It goes on by: "
            f"cohort competition rescore {project} --id {run.id} --why …"
        )
        raise
    faults = [each for each in everything(arena) if each.fault]
    new_board = arena.publish()
    if new_board is not None:
        console.print(compared(project, old, new_board))
    for each in faults:
        say(
            f"{each.team} {each.digest[:ENTRY_DIGITS]} is not accepted any more: "
            f"{plain(each.fault)}"
        )
    say(f"The old board is kept: s3://{arena.site.bucket('site')}/{run.archive(project)}")


def everything(arena: Arena) -> list[Entry]:
    """All entries, the marks included."""
    entries = arena.table.entries(arena.project, records=False)
    found = {(each.team, each.digest): each for each in entries}
    for mark in arena.table.marks(arena.project).values():
        found.setdefault((mark.team, mark.digest), mark)
    return list(found.values())


def _run_of(arena: Arena, given: str | None, new: bool) -> Run:
    """The rescore that is asked for: a given one, or a new one if none broke off."""
    if given and new:
        raise Refused("--id goes on with a rescore and --new begins one: give one of them")
    begun = _unfinished(arena.table.acts(arena.project, 200))
    if given:
        if not _ID.fullmatch(given) or given not in {*begun, *_finished(arena)}:
            known = f": one that broke off is {begun[0]}" if begun else "; none broke off"
            raise Refused(f"{given!r} is no rescore of {arena.project}{known}")
        return Run(given)
    if begun and not new:
        raise Refused(
            f"the rescore {begun[0]} of {arena.project} broke off: go on with it by --id "
            f"{begun[0]}, or begin anew by --new"
        )
    return Run(f"{arena.now():%Y%m%dT%H%M%SZ}")


def _unfinished(acts: Iterable[Act]) -> list[str]:
    """Ids of the rescores that began after the last one that was done, newest first."""
    found: list[str] = []
    for act in acts:
        if act.what.startswith(DONE):
            break
        if act.what.startswith(BEGUN):
            found.append(act.what.removeprefix(BEGUN).strip())
    return list(dict.fromkeys(found))


def _finished(arena: Arena) -> list[str]:
    acts = arena.table.acts(arena.project, 200)
    return [a.what.removeprefix(DONE).strip() for a in acts if a.what.startswith(DONE)]


def _begin(arena: Arena, run: Run, why: str) -> dict[str, Any]:
    """Record, freeze, keep the old board; gives it."""
    if run.id not in _unfinished(arena.table.acts(arena.project, 200)):
        arena.note(f"{BEGUN} {run.id}", why)
    phase = arena.table.state(arena.project).phase(arena.settings, arena.now())
    if phase == "open":
        arena.act(
            lambda state, at, who: rules.freeze(
                state, arena.settings, at=at, who=who, why=run.reason
            )
        )
    return _keep(arena, run)


def _keep(arena: Arena, run: Run) -> dict[str, Any]:
    """Copy the board as it stood before the first new score, once; gives it as data."""
    bucket, prefix = arena.site.bucket("site"), run.archive(arena.project)
    board = f"{arena.project}.json"
    # The data last: where they are, the rest is, and none of it is copied again.
    if not _there(arena, f"{prefix}{board}"):
        for key in (
            f"{arena.project}.html",
            f"boards/{arena.project}.public.json",
            f"boards/{board}",
        ):
            if _there(arena, key):
                arena.s3.copy_object(
                    Bucket=bucket,
                    Key=prefix + key.rpartition("/")[2],
                    CopySource={"Bucket": bucket, "Key": key},
                )
    if not _there(arena, f"{prefix}{board}"):
        return {}
    document = json.loads(arena.s3.get_object(Bucket=bucket, Key=prefix + board)["Body"].read())
    return document if isinstance(document, dict) else {}


def _there(arena: Arena, key: str) -> bool:
    try:
        arena.s3.head_object(Bucket=arena.site.bucket("site"), Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True


def _score(arena: Arena, run: Run) -> None:
    """Hand every entry that has no new score to the checker, and wait until all have one.

    Raises:
        Refused: if some do not get one.
    """

    def ahead() -> list[Entry]:
        return [each for each in everything(arena) if each.rescored != run.id]

    waiting = ahead()
    with progress() as shown:
        sending = shown.add_task("handed to the checker", total=len(waiting))
        with ThreadPoolExecutor(SENDERS) as pool:
            for _ in pool.map(partial(_hand_over, arena, run), waiting):
                shown.advance(sending)
        total = len(waiting)
        scoring = shown.add_task("scored again", total=total)

        def tell(left: int) -> None:
            shown.update(scoring, completed=total - left)

        until_none(lambda: len(ahead()), tell, patience=PATIENCE_SECONDS)
    left = ahead()
    if left:
        names = ", ".join(each.key for each in left[:5])
        raise Refused(
            f"{counted(len(left), 'entry', 'entries')} of {len(waiting)} got no new score in "
            f"{PATIENCE_SECONDS / 60:.0f} minutes, such as {names}. The checker's and the scorer's "
            f"logs say why (cohort alarms: {arena.site.cohort.name}-checker-errors, "
            f"{arena.site.cohort.name}-scorer-errors)"
        )
    say(f"{counted(len(waiting), 'entry', 'entries')} scored again.")


def _hand_over(arena: Arena, run: Run, entry: Entry) -> None:
    submission = {"key": entry.key, "version": entry.version_id or None}
    arena.send("checker", {"submission": submission, "rescore": run.id})


def _end(arena: Arena, run: Run, why: str) -> None:
    """Record that it is done, and let the competition go on if this froze it."""
    state = arena.table.state(arena.project)
    if state.frozen and state.reason == run.reason:

        def thaw(state: State, at: dt.datetime, who: str) -> tuple[State, Act]:
            # Its close may have passed meanwhile; then it is closed, as it would have been.
            over = state.closes(arena.settings) <= at
            go_on = rules.close if over else rules.reopen
            return go_on(state, arena.settings, at=at, who=who, why=f"{DONE} {run.id}")

        arena.act(thaw)
        release(arena)
    elif state.frozen:
        say(f"{arena.project} stays frozen, as it was before: cohort competition reopen")
    arena.note(f"{DONE} {run.id}", why)


def compared(project: str, old: dict[str, Any], new: dict[str, Any]) -> Table:
    """Old and new score and rank of each team and line, side by side, as the new board has them."""
    before = {each.get("team"): each for each in old.get("entries", ())}
    table = Table(title=escape(f"{project}: {plain(new.get('metric', ''))}, old and new"))
    for name in ("team", "old rank", "new rank", "old score", "new score", "difference"):
        table.add_column(name, justify="left" if name == "team" else "right")
    for entry in new.get("entries", ()):
        was = before.pop(entry["team"], {})
        table.add_row(
            escape(plain(entry["team"])),
            _text(was.get("rank"), "{}"),
            _text(entry.get("rank"), "{}"),
            *_scores(was.get("score"), entry.get("score")),
            style="" if was.get("rank") == entry.get("rank") else "yellow",
        )
    for team, was in before.items():
        table.add_row(
            escape(plain(team)), _text(was.get("rank"), "{}"), "-", *_scores(was.get("score"), None)
        )
    lines = {each.get("name"): each.get("score") for each in old.get("lines", ())}
    for line in new.get("lines", ()):
        table.add_row(
            escape(plain(line["name"])),
            "",
            "",
            *_scores(lines.get(line["name"]), line["score"]),
            style="dim",
        )
    return table


def _scores(old: float | None, new: float | None) -> tuple[str, str, str]:
    moved = "" if old is None or new is None else f"{new - old:+.3f}"
    return _text(old, "{:.3f}"), _text(new, "{:.3f}"), moved


def _text(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)
