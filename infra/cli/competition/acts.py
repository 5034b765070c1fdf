"""What an admin does to a competition: open, freeze, close, re-open, extend, disqualify, reinstate,
recompute; and the log of it. Each act is recorded in the board's table with who and why."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import click
from rich.markup import escape

from infra.cli.competition.arena import Arena, counted, minute, plain, say, why_option
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, without_traceback
from infra.services.competition import state as rules
from infra.services.competition.state import Act, State
from infra.services.competition.store import Entry

ACTS_SHOWN = 50
#: Hexadecimal digits of an entry's digest that its receipt tells: enough to name it.
ENTRY_DIGITS = 12

project_argument = click.argument("project")

Rule = Callable[[State, dt.datetime, str], tuple[State, Act]]


@click.command("open")
@project_argument
@cohort_file
@why_option
@without_traceback
def open_now(project: str, file: Path, why: str) -> None:
    """Open PROJECT's competition now, before the cohort's start."""
    arena = Arena.of(file, project)
    after, _ = arena.act(
        lambda state, at, who: rules.open_(state, arena.settings, at=at, who=who, why=why)
    )
    _say_phase(arena, after)
    arena.publish()


@click.command()
@project_argument
@cohort_file
@why_option
@without_traceback
def freeze(project: str, file: Path, why: str) -> None:
    """Let PROJECT's board stand still, until `cohort competition reopen`.

    Submissions are received and kept, not scored. WHY stands on the board.
    """
    arena = Arena.of(file, project)
    after, _ = arena.act(
        lambda state, at, who: rules.freeze(state, arena.settings, at=at, who=who, why=why)
    )
    _say_phase(arena, after)
    say("Submissions are kept, and scored when it goes on: cohort competition reopen")
    arena.publish()


@click.command("close")
@project_argument
@cohort_file
@why_option
@without_traceback
def close_now(project: str, file: Path, why: str) -> None:
    """Close PROJECT's competition now: private scores and the final ranks are shown."""
    arena = Arena.of(file, project)
    after, _ = arena.act(
        lambda state, at, who: rules.close(state, arena.settings, at=at, who=who, why=why)
    )
    _say_phase(arena, after)
    release(arena)
    arena.publish()


@click.command()
@project_argument
@cohort_file
@click.option("--until", metavar="DATE", help="After a close: the new last day (UTC).")
@why_option
@without_traceback
def reopen(project: str, file: Path, until: str | None, why: str) -> None:
    """Let PROJECT's competition go on after a freeze, or after a close.

    What was received while it was frozen is scored then. Once its close has passed, --until is
    needed. After a close the private scores were seen: think before.
    """
    arena = Arena.of(file, project)
    last = None if until is None else _date("--until", until)
    after, _ = arena.act(
        lambda state, at, who: rules.reopen(
            state, arena.settings, at=at, who=who, why=why, until=last
        )
    )
    _say_phase(arena, after)
    release(arena)
    arena.publish()


@click.command()
@project_argument
@click.argument("until")
@cohort_file
@why_option
@without_traceback
def extend(project: str, until: str, file: Path, why: str) -> None:
    """Let PROJECT's competition go on to the end of the day UNTIL (such as 2027-03-22, UTC).

    A slip can be taken back by a day that is earlier, but not before the cohort file's own.
    """
    arena = Arena.of(file, project)
    last = _date("UNTIL", until)
    after, _ = arena.act(
        lambda state, at, who: rules.extend(
            state, arena.settings, at=at, who=who, why=why, until=last
        )
    )
    _say_phase(arena, after)
    if last > arena.site.cohort.ends:
        say(
            f"The cohort ends on {arena.site.cohort.ends}: after that day no learner can send "
            "anything. To prolong it, change `ends` in the cohort file and deploy."
        )
    arena.publish()


@click.command()
@project_argument
@click.argument("team")
@cohort_file
@click.option("--entry", metavar="ID", help="This entry alone; else all of the team's.")
@why_option
@without_traceback
def disqualify(project: str, team: str, file: Path, entry: str | None, why: str) -> None:
    """Take TEAM, or one of its entries, off PROJECT's board. WHY stands on the board.

    Nothing is deleted; `cohort competition reinstate` puts it back.
    """
    arena = Arena.of(file, project)
    digest = "" if entry is None else entry_of(arena, arena.team(team), entry).digest
    arena.team(team)
    arena.act(
        lambda state, at, who: rules.disqualify(
            state, arena.settings, at=at, who=who, why=why, team=team, digest=digest
        )
    )
    what = f"the entry {digest[:ENTRY_DIGITS]} of {team}" if digest else team
    say(f"{what} is off the board of {project}.")
    _renew(arena)


@click.command()
@project_argument
@click.argument("team")
@cohort_file
@click.option("--entry", metavar="ID", help="This entry alone; else the team.")
@why_option
@without_traceback
def reinstate(project: str, team: str, file: Path, entry: str | None, why: str) -> None:
    """Put TEAM, or one of its entries, on PROJECT's board again."""
    arena = Arena.of(file, project)
    digest = "" if entry is None else entry_of(arena, arena.team(team), entry).digest
    arena.team(team)
    arena.act(
        lambda state, at, who: rules.reinstate(
            state, arena.settings, at=at, who=who, why=why, team=team, digest=digest
        )
    )
    what = f"the entry {digest[:ENTRY_DIGITS]} of {team}" if digest else team
    say(f"{what} is on the board of {project} again.")
    _renew(arena)


@click.command()
@project_argument
@cohort_file
@why_option
@without_traceback
def recompute(project: str, file: Path, why: str) -> None:
    """Make what PROJECT's board shows anew from the entries, in the order they came.

    Scores stay as they are; `cohort competition rescore` makes those anew.
    """
    arena = Arena.of(file, project)
    arena.note("recompute", why)
    _renew(arena)


@click.command()
@project_argument
@cohort_file
@without_traceback
def log(project: str, file: Path) -> None:
    """Say what was done to PROJECT's competition, when, by whom and why, newest first."""
    arena = Arena.of(file, project)
    _say_phase(arena, arena.table.state(project))
    print_acts(arena)


def print_acts(arena: Arena) -> None:
    """What was done, newest first."""
    acts = arena.table.acts(arena.project, ACTS_SHOWN)
    if not acts:
        say("Nothing was done to it.")
    for act in acts:
        console.print(
            f"  {minute(act.at)} [bold]{escape(plain(act.what))}[/bold]"
            f"{escape(change(act))}, by {escape(plain(act.who))}: {escape(plain(act.why))}",
            soft_wrap=True,
        )


def change(act: Act) -> str:
    """What an act changed, member by member; empty where it changed nothing.

    >>> from types import SimpleNamespace as Named
    >>> change(Named(before='{"frozen": false, "version": 1}', after='{"frozen": true}'))
    ' (frozen: no -> yes)'
    """
    try:
        before, after = json.loads(act.before or "{}"), json.loads(act.after or "{}")
        names = [name for name in {**before, **after} if name != "version"]
        changed = [
            f"{name}: {_member(before.get(name))} -> {_member(after.get(name))}"
            for name in names
            if before.get(name) != after.get(name)
        ]
    except (ValueError, TypeError, AttributeError):
        return plain(f" ({act.before[:200]} -> {act.after[:200]})")
    return plain(f" ({'; '.join(changed)})") if changed else ""


def _member(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, "", {}):
        return "-"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def entry_of(arena: Arena, team: str, name: str) -> Entry:
    """The team's entry whose id starts with `name`.

    Raises:
        Refused: if it is none or several.
    """
    wanted = name.strip().lower()
    entries = arena.table.entries(arena.project, team, records=False)
    found = [each for each in entries if wanted and each.digest.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"{len(found)} entries of {team} start with {name!r}: give more digits")
    newest = sorted(entries, key=lambda each: each.received, reverse=True)[:10]
    known = ", ".join(f"{e.digest[:ENTRY_DIGITS]} ({minute(e.received)})" for e in newest)
    raise Refused(
        f"{team} has no entry {name!r} in {arena.project}; its newest are {known}"
        if known
        else f"{team} has no entry in {arena.project}"
    )


def release(arena: Arena) -> None:
    """Have what was received during a freeze scored now, where the steward's hour is long."""
    held = arena.table.held(arena.project)
    if not held:
        return
    what = counted(len(held), "submission")
    try:
        arena.send("steward", {})
    except Refused as error:
        say(f"{what} that came meanwhile will be scored within the hour ({error}).")
        return
    say(f"{what} that came meanwhile: the steward has them scored now.")


def _renew(arena: Arena) -> None:
    """The teams' lines anew from the entries, and then the pages."""
    with console.status(f"replaying the entries of {arena.project}"):
        arena.table.rebuild(arena.project, arena.ladder)
    arena.publish()


def _say_phase(arena: Arena, state: State) -> None:
    settings = arena.settings
    phase = state.phase(settings, arena.now())
    last = state.closes(settings) - dt.timedelta(microseconds=1)
    words = {
        "before": f"opens {minute(state.opens(settings))}",
        "open": f"open; its last day is {last:%Y-%m-%d} (UTC)"
        if state.closes(settings).time() == dt.time()
        else f"open until {minute(state.closes(settings))}",
        "frozen": f"frozen: {plain(state.reason)}",
        "closed": f"closed since {minute(state.closes(settings))}",
    }
    say(f"{arena.project}: {words[phase]}")


def _date(where: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{where} is {text!r}; expected a day such as 2027-03-22") from None
