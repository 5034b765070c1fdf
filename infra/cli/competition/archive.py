"""A live round as plain files, with which it goes on without the cloud.

The folder holds all that the table held: the round, every sealed forecast with its salt, every
observation with what it was before. The board is made from it by the code that the scorer runs. A
forecast that does not give its hash is refused, and so is a folder that lacks one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.cli.terminal import Refused, size
from infra.services.competition.live import board, months, reading
from infra.services.competition.live.observing import Observation, Observed
from infra.services.competition.live.page import page
from infra.services.competition.live.reading import Forecast, Point
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import Seal, all_observed, hash_of
from infra.services.competition.problems import Misconfigured
from infra.services.competition.state import Act

VERSION = 1
TASK, HISTORY, SEALS = "round.json", "history.csv", "seals.json"
OBSERVED, LOG, FORECASTS = "observations.json", "log.json", "forecasts"
BOARD, PAGE, README = "board.json", "board.html", "README.md"
#: No file of a round comes near to it.
MAX_BYTES = 50_000_000

_HASH = re.compile(r"[0-9a-f]{64}")

_ABOUT = """# A live round: {title}

All of the round `{round}` of {project}, as plain files. It goes on with them alone:

    cohort competition observe --archive FOLDER SERIES MONTH VALUE --source URL --why …
    cohort competition live verify --archive FOLDER

`round.json` and `history.csv` say what is forecast and what was known; `seals.json` lists each
sealed forecast, `forecasts/<hash>.csv` is its content; `observations.json` has the published
values; `log.json` who did what, when and why; `board.json` and `board.html` are the board.

The hash of a forecast is SHA-256 over these lines, each with its line end, and then the file:

    academy live forecast
    <project>
    <round>
    <team>
    <salt>

**Until all months of a forecast are observed, nobody but the admins should read it**: `forecasts/`
and the salts in `seals.json` are what the hashes keep sealed. `board.json` and `board.html` may be
shown to everybody at any time.
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
            Refused: if a file is missing or damaged, or a forecast is not what was sealed.
        """
        try:
            task: Any = json.loads(_content(folder / TASK))
            given = Round.read(json.dumps(task["task"]), _content(folder / HISTORY))
            seals = [_seal(each) for each in json.loads(_content(folder / SEALS))]
            made = [Observation.from_document(o) for o in json.loads(_content(folder / OBSERVED))]
            log = tuple(dict(each) for each in json.loads(_content(folder / LOG)))
            cohort, out = str(task["cohort"]), {str(t): str(w) for t, w in task["out"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, Misconfigured) as error:
            raise Refused(f"{folder} is no archive of a live round: {error}") from None
        bodies = {seal.hash: _content(folder / FORECASTS / f"{seal.hash}.csv") for seal in seals}
        live = board.Live(given, seals, {each.point: each for each in made}, out)
        found = cls(cohort, live, bodies, log)
        found.check_seals()
        return found

    def write(self, folder: Path) -> None:
        """All of it; what changes is replaced at once, file by file."""
        (folder / FORECASTS).mkdir(parents=True, exist_ok=True)
        for seal in self.live.seals:
            file = folder / FORECASTS / f"{seal.hash}.csv"
            if not file.exists():
                _put(file, self.bodies[seal.hash])
        head = {
            "version": VERSION,
            "cohort": self.cohort,
            "task": self.round.task(),
            "out": dict(self.live.out),
        }
        _put_json(folder / TASK, head)
        _put(folder / HISTORY, self.round.history().encode())
        _put_json(folder / SEALS, [_seal_document(seal) for seal in self.live.seals])
        about = {"title": self.round.title, "round": self.round.id, "project": self.round.project}
        _put(folder / README, _ABOUT.format(**about).encode())
        self._write_observed(folder)

    def _write_observed(self, folder: Path) -> None:
        observed = [self.live.observed[point].to_document() for point in sorted(self.live.observed)]
        _put_json(folder / LOG, list(self.log))
        # Last: what is there is in the log.
        _put_json(folder / OBSERVED, observed)

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
            if found != seal.hash or read.keys() != points:
                raise Refused(
                    f"the forecast {seal.hash[:12]} of {seal.team} is not what was sealed: it "
                    f"gives {found[:12]}. Take the folder as it was exported."
                )
        return len(self.live.seals)

    def document(self, at: dt.datetime) -> dict[str, Any]:
        """The board as data."""
        seals = [
            replace(seal, revealed=all_observed(seal, self.round.names, self.live.observed))
            for seal in self.live.seals
        ]
        live = replace(self.live, seals=seals)

        def read(seal: Seal) -> Mapping[Point, Forecast]:
            return reading.read(self.bodies[seal.hash])

        return board.document(live, read, at)

    def render(self, folder: Path, at: dt.datetime) -> dict[str, Any]:
        """Write the board and its page."""
        found = self.document(at)
        _put_json(folder / BOARD, found)
        _put(folder / PAGE, page(found, self.cohort).encode())
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


def _content(file: Path) -> bytes:
    try:
        if file.is_symlink() or file.stat().st_size > MAX_BYTES:
            raise Refused(f"{file} is a link, or has more than {size(MAX_BYTES)}")
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None


def _put_json(file: Path, document: Any) -> None:
    _put(file, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())


def _put(file: Path, content: bytes) -> None:
    """Whole or not at all."""
    scratch = file.with_name(f".{file.name}.new")
    scratch.write_bytes(content)
    os.replace(scratch, file)
