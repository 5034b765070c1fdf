"""Sees to it that no submission is lost, and that boards keep up with the date.

The bucket is the queue. A submission that lies there without a receipt was lost on its way,
whatever failed: it is handed to the checker again. What is not read after three hand-overs is given
up with a receipt that says so, and its file is kept. Submissions that were held while a competition
was frozen are handed over when it goes on, until their receipts say more than that they wait.

Everything may happen twice: the checker and the scorer take a submission that they know for what
they know it as. Knows no AWS; time is passed in.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.submission import Sender, sender_of

log = logging.getLogger(__name__)

#: Younger ones are on their way: Lambda tries an event again for minutes by itself.
PATIENCE = dt.timedelta(minutes=15)
HAND_OVERS = 3
#: Of a project in one run. The next run goes on, with every team's oldest first.
MOST_AT_ONCE = 500
#: Submissions that a notice names.
MOST_NAMED = 20

GIVEN_UP = (
    "This file could not be read, though it was tried several times. It is kept, and the advisors "
    "are told: ask them. It has cost none of your team's submissions. To try another way, write "
    "the file anew with academy.submit."
)
GIVEN_UP_HELD = (
    "This file waited while the competition was frozen and could not be scored since, though it "
    "was tried several times. It is kept, and the advisors are told: ask them."
)


@dataclass(frozen=True)
class Stored:
    """An object of the bucket `work`."""

    key: str
    modified: dt.datetime


class Kept(Protocol):
    """A submission that was held while its competition was frozen."""

    @property
    def key(self) -> str: ...

    @property
    def version(self) -> str | None: ...

    @property
    def received(self) -> dt.datetime: ...


class Phased(Protocol):
    """What admins have decided on a competition."""

    def phase(self, settings: Any, now: dt.datetime) -> str: ...


class Table(Protocol):
    """The part of the board's table that the steward uses."""

    def state(self, project: str) -> Phased: ...

    def held(self, project: str) -> Sequence[Kept]: ...

    def release(self, project: str, key: str) -> None: ...

    def tried(self, project: str, key: str) -> int:
        """Counts one more hand-over of `key`; returns how many that makes."""


class World(Protocol):
    """What the steward asks of AWS besides the table."""

    def settings(self) -> CompetitionSettings: ...

    def stored(self, prefix: str) -> Iterable[Stored]:
        """Every object of `work` below `prefix`."""

    def receipt(self, key: str) -> dict[str, Any] | None: ...

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None: ...

    def check(self, key: str, version: str | None) -> None:
        """Have the checker read a submission; returns before it does."""

    def publish(self, project: str) -> None:
        """Have the scorer write a project's board anew; returns before it does."""

    def notify(self, subject: str, text: str) -> None: ...


@dataclass
class Steward:
    """One run. `more_time` says whether there is time for another step."""

    world: World
    table: Table
    #: The function that a person may call by hand for what was given up.
    checker: str
    now: Callable[[], dt.datetime]
    more_time: Callable[[], bool] = lambda: True
    counts: Counter[str] = field(default_factory=Counter)
    _given_up: list[tuple[Sender, Stored, str]] = field(default_factory=list)

    def run(self) -> dict[str, int]:
        """Look after every project. What goes wrong with one does not touch the others.

        Returns what was done: published, handed, held, released, given_up, left (no time, or too
        many at once), failed.

        Raises:
            RuntimeError: at the end, if anything failed, so that the failure is seen.
        """
        for each in ("published", "handed", "held", "released", "given_up", "left", "failed"):
            self.counts[each] += 0
        settings = self.world.settings()
        for project in settings.projects:
            self._try(f"the board of {project}", partial(self._publish, project))
        for project in settings.projects:
            self._try(f"what {project} held back", partial(self._go_on, project, settings))
            self._try(f"lost submissions of {project}", partial(self._find, project))
        self._try("submissions that are given up", partial(self._give_up, settings))
        if self.counts["failed"]:
            raise RuntimeError(
                f"the steward could not do {self.counts['failed']} of its duties; the log says why"
            )
        return dict(self.counts)

    def _try(self, what: str, duty: Callable[[], None]) -> None:
        try:
            duty()
        except Exception:
            log.exception("%s", what)
            self.counts["failed"] += 1

    def _publish(self, project: str) -> None:
        self.world.publish(project)
        self.counts["published"] += 1

    # --- what was lost ----------------------------------------------------------------------------
    def _find(self, project: str) -> None:
        """Hand over what lies in the bucket without a receipt."""
        before = self.now() - PATIENCE
        waiting: dict[str, tuple[Sender, Stored]] = {}
        for found in self.world.stored(f"submissions/{project}/"):
            sender = sender_of(found.key)
            # Of a key that the library does not make, a receipt could not even be written.
            if sender is not None and sender.project == project and found.modified <= before:
                waiting[sender.receipt] = (sender, found)
        # Afterwards: what was read meanwhile has its receipt.
        if waiting:
            for receipt in self.world.stored(f"receipts/{project}/"):
                waiting.pop(receipt.key, None)
        for sender, found in self._by_turns(list(waiting.values())):
            if self.table.tried(project, found.key) > HAND_OVERS:
                self._given_up.append((sender, found, GIVEN_UP))
                continue
            log.warning("%s has no receipt: handed to the checker again", found.key)
            self.world.check(found.key, None)
            self.counts["handed"] += 1

    def _by_turns(self, waiting: list[tuple[Sender, Stored]]) -> Iterable[tuple[Sender, Stored]]:
        """The oldest of each team, then the next of each: nobody's files keep others' waiting."""
        places: Counter[str] = Counter()
        turns = []
        for sender, found in sorted(waiting, key=lambda each: (each[1].modified, each[1].key)):
            turns.append((places[sender.team], found.modified, found.key, sender, found))
            places[sender.team] += 1
        turns.sort(key=lambda turn: turn[:3])
        for done, (*_, sender, found) in enumerate(turns):
            if done >= MOST_AT_ONCE or not self.more_time():
                self.counts["left"] += len(turns) - done
                return
            yield sender, found

    # --- what was held back -----------------------------------------------------------------------
    def _go_on(self, project: str, settings: CompetitionSettings) -> None:
        """Hand over what waited while the competition was frozen, if it goes on."""
        held = list(self.table.held(project))
        if not held or self.table.state(project).phase(settings, self.now()) == "frozen":
            self.counts["held"] += len(held)
            return
        for done, kept in enumerate(sorted(held, key=lambda each: each.received)):
            if not self.more_time():
                self.counts["left"] += len(held) - done
                return
            self._go_on_with(project, kept)

    def _go_on_with(self, project: str, kept: Kept) -> None:
        sender = sender_of(kept.key)
        receipt = self.world.receipt(sender.receipt) if sender else None
        if sender is None or (receipt is not None and receipt.get("status") != "waiting"):
            # Scored, refused or given up since.
            self.table.release(project, kept.key)
            self.counts["released"] += 1
        # No name of a file has the mark: these tries are counted for themselves.
        elif self.table.tried(project, f"{kept.key}#held") > HAND_OVERS:
            self._given_up.append((sender, Stored(kept.key, kept.received), GIVEN_UP_HELD))
        else:
            self.world.check(kept.key, kept.version)
            self.counts["handed"] += 1

    # --- what is given up -------------------------------------------------------------------------
    def _give_up(self, settings: CompetitionSettings) -> None:
        """Tell the admin, once for all, and then the teams by their receipts.

        In this order: if the notice fails there is no receipt, and the next run does both.
        """
        if not self._given_up:
            return
        self.world.notify(*self._notice(settings))
        for sender, found, message in self._given_up:
            self.world.put_receipt(sender.receipt, _receipt(found, message))
            self.counts["given_up"] += 1

    def _notice(self, settings: CompetitionSettings) -> tuple[str, str]:
        count = len(self._given_up)
        named = [
            f"  {found.key} (received {_instant(found.modified)})"
            for _, found, _ in self._given_up[:MOST_NAMED]
        ]
        if count > MOST_NAMED:
            named.append(f"  and {count - MOST_NAMED} more")
        lines = (
            f"Deep Learning Academy {settings.cohort}: these submissions could not be read or "
            f"scored, though each was handed over {HAND_OVERS} times. The files are kept in the "
            "bucket work; their teams are told to ask you.",
            "",
            *named,
            "",
            f"The logs of {self.checker} and of the scorer say why. When that is mended, hand one "
            "over by hand; it is then scored as received when it was:",
            "",
            f"  aws lambda invoke --function-name {self.checker} --invocation-type Event "
            "--cli-binary-format raw-in-base64-out --payload "
            f'\'{{"submission": {{"key": "{self._given_up[0][1].key}", "version": null}}}}\' '
            "/dev/stdout",
        )
        plural = "s" if count > 1 else ""
        return f"{settings.cohort}: {count} submission{plural} given up", "\n".join(lines)


def _receipt(found: Stored, message: str) -> dict[str, Any]:
    """A receipt as the checker writes it, of a submission of which nothing is known."""
    return {
        "submission": found.key,
        "status": "failed",
        "message": message,
        "public_score": None,
        "private_score": None,
        "received": _instant(found.modified),
        "counted": False,
        "entry": "",
        "late": False,
        "left_today": None,
        "also": {},
    }


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
