"""A live round as plain files, with which it goes on without the cloud.

The folder holds all that the table held: the round, every sealed forecast with its salt, every
observation with what it was before. The board is made from it by the code that the scorer runs.

What was sealed cannot be another: a forecast that does not give its hash is refused, and so is a
folder whose seals are not those of its own board, whose months are not those that were asked for
when the forecast came, whose scales are not those of its history, or whose observations are not in
its log. Whoever rewrites all of these at once makes another archive, with another digest: `verify`
tells it, and it is the one that `export` told.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.cli.competition import archive_files as files
from infra.cli.terminal import Refused
from infra.services.competition.checking.forecast_rows import Forecast, Point
from infra.services.competition.live import board, months, reading
from infra.services.competition.live.observing import Observation, Observed
from infra.services.competition.live.page import page
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import Seal, all_observed, hash_of
from infra.services.competition.problems import Misconfigured
from infra.services.competition.state import Act

VERSION = 1
TASK, HISTORY, SEALS = "round.json", "history.csv", "seals.json"
OBSERVED, LOG, FORECASTS = "observations.json", "log.json", "forecasts"
BOARD, PAGE, README, SHOWN = "board.json", "board.html", "README.md", "shown"
_HASH = re.compile(r"[0-9a-f]{64}")

#: What reading a damaged folder may raise.
_DAMAGED = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    Misconfigured,
)

_ABOUT = """# A live round: {title}

All of the round `{round}` of {project}, as plain files. It goes on with them alone:

    cohort competition observe --archive FOLDER SERIES MONTH VALUE --source URL --why …
    cohort competition live verify --archive FOLDER

`round.json` and `history.csv` say what is forecast and what was known; `seals.json` lists each
sealed forecast, `forecasts/<hash>.csv` is its content; `observations.json` has the published
values; `log.json` who did what, when and why; `board.json` and `board.html` are the board;
`shown/<hash>.json` is a forecast of which all months are observed, with its salt.

The hash of a forecast is SHA-256 over these lines, each with its line end, and then the file:

    academy live forecast
    <project>
    <round>
    <team>
    <salt>

**Until all months of a forecast are observed, nobody but the admins should read it**: `forecasts/`
and the salts in `seals.json` are what the hashes keep sealed. `board.json`, `board.html` and
`shown/` may be shown to everybody at any time.
"""


@dataclass(frozen=True)
class Archive:
    """What a folder holds of a round."""

    cohort: str
    live: board.Live
    bodies: Mapping[str, bytes]
    log: tuple[Mapping[str, str], ...]

    @property
    def round(self) -> Round:
        return self.live.round

    # --- as files -------------------------------------------------------------------------------
    @classmethod
    def read(cls, folder: Path) -> Archive:
        """The round in `folder`, each forecast held against its hash.

        Raises:
            Refused: if a file is missing or damaged, or anything is not what was sealed.
        """
        try:
            task: Any = json.loads(files.content(folder / TASK))
            if task["version"] != VERSION:
                raise ValueError(f"its version is {task['version']!r:.20}; expected {VERSION}")
            given = Round.read(json.dumps(task["task"]), files.content(folder / HISTORY))
            seals = [_seal(each) for each in json.loads(files.content(folder / SEALS))]
            made = [
                Observation.from_document(o) for o in json.loads(files.content(folder / OBSERVED))
            ]
            log = tuple(dict(each) for each in json.loads(files.content(folder / LOG)))
            cohort, out = str(task["cohort"]), {str(t): str(w) for t, w in task["out"].items()}
            if given.task() != task["task"]:
                raise ValueError(f"{TASK} and {HISTORY} are not of one round")
            public = json.loads(files.content(folder / BOARD))["seals"]
        except _DAMAGED as error:
            raise Refused(f"{folder} is no archive of a live round: {error!r:.300}") from None
        bodies = {
            seal.hash: files.content(folder / FORECASTS / f"{seal.hash}.csv") for seal in seals
        }
        live = board.Live(given, seals, {each.point: each for each in made}, out)
        found = cls(cohort, live, bodies, log)
        found.check_seals()
        found.check_log()
        found.check_public(public)
        return found

    def write(self, folder: Path) -> None:
        """All of it; what changes is replaced at once, file by file."""
        files.folder(folder)
        files.folder(folder / FORECASTS)
        for seal in self.live.seals:
            file = folder / FORECASTS / f"{seal.hash}.csv"
            if not file.exists():
                files.put(file, self.bodies[seal.hash])
        head = {
            "version": VERSION,
            "cohort": self.cohort,
            "task": self.round.task(),
            "out": dict(self.live.out),
        }
        files.put_json(folder / TASK, head)
        files.put(folder / HISTORY, self.round.history().encode())
        files.put_json(folder / SEALS, [_seal_document(seal) for seal in self.live.seals])
        about = {"title": self.round.title, "round": self.round.id, "project": self.round.project}
        files.put(folder / README, _ABOUT.format(**about).encode())
        self._write_observed(folder)

    def _write_observed(self, folder: Path) -> None:
        observed = [self.live.observed[point].to_document() for point in sorted(self.live.observed)]
        files.put_json(folder / LOG, list(self.log))
        # Last: what is there is in the log.
        files.put_json(folder / OBSERVED, observed)

    # --- what it says ---------------------------------------------------------------------------
    def check_seals(self) -> int:
        """Hold every forecast against its hash; how many there are.

        Raises:
            Refused: naming the first that is not what was sealed.
        """
        if len({seal.hash for seal in self.live.seals}) != len(self.live.seals):
            raise Refused("a hash is there twice")
        for seal in self.live.seals:
            try:
                found = hash_of(
                    self.round.project, self.round.id, seal.team, seal.salt, self.bodies[seal.hash]
                )
                read = reading.read(self.bodies[seal.hash])
            except (ValueError, Misconfigured) as error:
                raise Refused(
                    f"the forecast {seal.hash[:12]} of {seal.team} is not what was sealed: {error}"
                ) from None
            asked = self.round.asked(seal.received)
            points = {(name, month) for name in self.round.names for month in asked}
            within = (seal.first, seal.last) == (asked[0], asked[-1])
            if found != seal.hash or read.keys() != points or not within:
                raise Refused(
                    f"the forecast {seal.hash[:12]} of {seal.team} is not what was sealed: it "
                    f"gives {found[:12]}. Take the folder as it was exported."
                )
        return len(self.live.seals)

    def check_log(self) -> None:
        """
        Raises:
            Refused: if an observation is not what the log says was observed last.
        """
        told = {(each["what"], each["at"], each["who"], each["why"]) for each in self.log}
        for made in self.live.observed.values():
            kind = "correct" if made.before else "observe"
            what = f"{kind} {made.series} {months.name(made.month)} = {made.value!r}"
            at = made.at.astimezone(dt.UTC).isoformat()
            if (what, at, made.who, made.why) not in told:
                raise Refused(f"{LOG} does not say who and why of this: {what}")

    def check_public(self, public: Iterable[Mapping[str, Any]]) -> None:
        """Hold the seals against those of the board that was shown.

        Raises:
            Refused: if it shows others.
        """
        shown = sorted(_identity(each) for each in public)
        if shown != sorted(_identity(board.seal_document(seal)) for seal in self.live.seals):
            raise Refused(f"{SEALS} and {BOARD} have not the same seals")

    @property
    def digest(self) -> str:
        """Of all that stays as it is: the round, its history, and what was sealed, 64 digits."""
        seals = sorted((_seal_document(seal) for seal in self.live.seals), key=lambda s: s["hash"])
        kept = {
            "cohort": self.cohort,
            "out": dict(self.live.out),
            "task": self.round.task(),
            "seals": seals,
        }
        text = json.dumps(kept, sort_keys=True, ensure_ascii=False) + self.round.history()
        return hashlib.sha256(text.encode()).hexdigest()

    def document(self, at: dt.datetime) -> dict[str, Any]:
        """The board as data."""
        live = replace(self.live, seals=self._seals())

        def read(seal: Seal) -> Mapping[Point, Forecast]:
            return reading.read(self.bodies[seal.hash])

        return board.document(live, read, at)

    def _seals(self) -> list[Seal]:
        """With those revealed of which nothing is left to hide."""
        return [
            replace(seal, revealed=all_observed(seal, self.round.names, self.live.observed))
            for seal in self.live.seals
        ]

    def render(self, folder: Path, at: dt.datetime) -> dict[str, Any]:
        """Write the board and its page, and what it says is shown.

        Raises:
            Refused: if what is in the folder makes no board.
        """
        try:
            found = self.document(at)
            text = page(found, self.cohort)
        except _DAMAGED as error:
            raise Refused(f"{folder} makes no board: {error!r:.300}") from None
        (folder / SHOWN).mkdir(exist_ok=True)
        for seal in self._seals():
            if seal.revealed:
                shown = board.revealed(self.live, seal, self.bodies[seal.hash])
                files.put_json(folder / SHOWN / f"{seal.hash}.json", shown, public=True)
        files.put_json(folder / BOARD, found, public=True)
        files.put(folder / PAGE, text.encode(), public=True)
        return found

    def observe(self, folder: Path, made: Observation, act: Act | None) -> Archive:
        """With the observation, which is also written."""
        observed: Observed = {**self.live.observed, made.point: made}
        log = self.log if act is None else (*self.log, logged(act))
        after = replace(self, live=replace(self.live, observed=observed), log=log)
        after._write_observed(folder)
        return after


def logged(act: Act) -> dict[str, str]:
    """An act as the log of an archive has it."""
    texts = {name: str(getattr(act, name)) for name in ("id", "what", "who", "why")}
    states = {name: str(getattr(act, name)) for name in ("before", "after")}
    return {"at": act.at.astimezone(dt.UTC).isoformat(), **texts, **states}


def observed_csv(observed: Iterable[Observation]) -> bytes:
    """Observed values as learners read them: a CSV of series, month and value."""
    rows = sorted((each.series, months.name(each.month), each.value) for each in observed)
    lines = ["series,month,value", *(f"{name},{month},{value!r}" for name, month, value in rows)]
    return ("\n".join(lines) + "\n").encode()


# --- files ----------------------------------------------------------------------------------------
def _seal_document(seal: Seal) -> dict[str, Any]:
    texts = {name: str(getattr(seal, name)) for name in ("hash", "salt", "team", "name", "digest")}
    return {
        **texts,
        "received": seal.received.astimezone(dt.UTC).isoformat(),
        "first": months.name(seal.first),
        "last": months.name(seal.last),
    }


def _identity(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """A seal as the board shows it, but for whether its content is shown."""
    return tuple(str(shown.get(name)) for name in ("hash", "team", "received", "first", "last"))


def _seal(document: Mapping[str, Any]) -> Seal:
    texts = {name: str(document[name]) for name in ("hash", "salt", "team", "name", "digest")}
    received = dt.datetime.fromisoformat(document["received"])
    # The hash names a file.
    if not _HASH.fullmatch(texts["hash"]) or received.tzinfo is None:
        raise ValueError(f"the seal {texts['hash'][:70]!r} of {received}")
    first, last = months.index(document["first"]), months.index(document["last"])
    return Seal(
        team=texts["team"],
        name=texts["name"],
        received=received,
        first=first,
        last=last,
        hash=texts["hash"],
        salt=texts["salt"],
        digest=texts["digest"],
    )
