"""Sees to it that no submission is lost, and that boards keep up with the date.

The bucket is the queue. A submission that lies there without a receipt was lost on its way,
whatever failed: it is handed to the checker again. What is not read after three hand-overs is given
up with a receipt that says so, and its file is kept. Submissions that were held while a competition
was frozen are handed over when it goes on, until their receipts say more than that they wait.

Every duty goes on by a step at a time, a page of a listing or one submission, in turn with the
others: no project and no team keeps another's waiting, and memory holds one team's listing.

Everything may happen twice: the checker and the scorer take a submission that they know for what
they know it as. Knows no AWS; time is passed in.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Protocol

from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.submission import Sender, sender_of

log = logging.getLogger(__name__)

#: Younger ones are on their way: Lambda tries an event again for minutes by itself.
PATIENCE = dt.timedelta(minutes=15)
HAND_OVERS = 3
#: Lost ones of a project in one run, and as many held ones. The next run goes on, with every team's
#: oldest first.
MOST_AT_ONCE = 500
#: Receipts that one run writes: they fit into the seconds that are left when its time is over.
MOST_GIVEN_UP = 200
#: Objects of a team that are looked at, first by name. A team sends a few a day.
MOST_OF_A_TEAM = 20_000
#: Objects that S3 lists at once.
PAGE = 1000
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
    """What admins have decided on a competition; `version` grows with every decision."""

    @property
    def version(self) -> int: ...

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

    def teams(self, project: str) -> Iterable[str]:
        """Every team that has sent something."""

    def stored(self, prefix: str) -> Iterable[Stored]:
        """Every object of `work` below `prefix`, by key, read page by page."""

    def receipt(self, key: str) -> dict[str, Any] | None: ...

    def put_receipt(self, key: str, receipt: dict[str, Any], *, over_waiting: bool = False) -> bool:
        """Write a receipt where there is none, or over one that says `waiting`, if told so.

        False if there is another one: it stays.
        """

    def check(self, key: str, version: str | None) -> None:
        """Have the checker read a submission; returns before it does."""

    def publish(self, project: str) -> None:
        """Have the scorer write a project's board anew; returns before it does."""

    def notify(self, subject: str, text: str) -> None: ...


@dataclass(frozen=True)
class _Waiting:
    """A submission that is to be handed over."""

    sender: Sender
    received: dt.datetime
    #: What its hand-overs are counted by.
    counter: str
    version: str | None = None
    held: bool = False

    @property
    def key(self) -> str:
        return self.sender.submission

    @property
    def age(self) -> tuple[dt.datetime, str]:
        return self.received, self.key


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
    _given_up: list[_Waiting] = field(default_factory=list)
    _too_many: list[str] = field(default_factory=list)

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
            with self._duty(f"the board of {project}"):
                self._publish(project)
        duties: deque[tuple[str, Iterator[None]]] = deque()
        for project in settings.projects:
            duties.append((f"what {project} held back", self._go_on(project, settings)))
            duties.append((f"lost submissions of {project}", self._find(project)))
        self._take_turns(duties)
        with self._duty("submissions that are given up"):
            self._give_up(settings)
        with self._duty("teams that have sent too many"):
            self._tell_of_too_many(settings)
        if self.counts["failed"]:
            raise RuntimeError(
                f"the steward could not do {self.counts['failed']} of its duties; the log says why"
            )
        return dict(self.counts)

    @contextmanager
    def _duty(self, what: str) -> Iterator[None]:
        """What fails is logged and counted, and the run goes on."""
        try:
            yield
        except Exception:
            log.exception("%s", what)
            self.counts["failed"] += 1

    def _take_turns(self, duties: deque[tuple[str, Iterator[None]]]) -> None:
        """A step of each duty, then the next of each, while there is time."""
        while duties and self.more_time():
            what, steps = duties.popleft()
            with self._duty(what):
                for _ in steps:
                    duties.append((what, steps))
                    break
        for what, _ in duties:
            log.warning("no time was left for the rest of: %s", what)

    def _publish(self, project: str) -> None:
        self.world.publish(project)
        self.counts["published"] += 1

    # --- what was lost ----------------------------------------------------------------------------
    def _find(self, project: str) -> Iterator[None]:
        """Hand over what lies in the bucket without a receipt."""
        before = self.now() - PATIENCE
        found: list[_Waiting] = []
        for team in self.world.teams(project):
            yield
            lost = yield from self._lost(project, team, before)
            found += nsmallest(MOST_AT_ONCE, lost, key=lambda each: each.age)
            self.counts["left"] += max(len(lost) - MOST_AT_ONCE, 0)
        yield from self._hand_over(project, found)

    def _lost(
        self, project: str, team: str, before: dt.datetime
    ) -> Generator[None, None, list[_Waiting]]:
        waiting: dict[str, _Waiting] = {}
        folder = f"submissions/{project}/{team}/"
        for count, found in enumerate(self.world.stored(folder), 1):
            if count > MOST_OF_A_TEAM:
                log.warning("%s has more than %d objects: not all seen", folder, MOST_OF_A_TEAM)
                self._too_many.append(folder)
                break
            sender = sender_of(found.key)
            # Of a key that the library does not make, a receipt could not even be written.
            if sender is not None and found.modified <= before:
                waiting[sender.receipt] = _Waiting(sender, found.modified, found.key)
            if count % PAGE == 0:
                yield
        if not waiting:
            return []
        # Afterwards: what was read meanwhile has its receipt.
        yield
        last = max(waiting)
        for count, receipt in enumerate(self.world.stored(f"receipts/{project}/{team}/"), 1):
            if receipt.key > last:
                break
            waiting.pop(receipt.key, None)
            if count % PAGE == 0:
                yield
        return list(waiting.values())

    # --- what was held back -----------------------------------------------------------------------
    def _go_on(self, project: str, settings: CompetitionSettings) -> Iterator[None]:
        """Hand over what waited while the competition was frozen, if it goes on."""
        held = self.table.held(project)
        state = self.table.state(project)
        if not held or state.phase(settings, self.now()) == "frozen":
            self.counts["held"] += len(held)
            return
        waiting = []
        for kept in held:
            sender = sender_of(kept.key)
            if sender is None:
                yield
                self._release(project, kept.key)
                continue
            # No name of a file has the mark: these tries are counted for themselves, and anew
            # after every freeze.
            counter = f"{kept.key}#held#{state.version}"
            waiting.append(_Waiting(sender, kept.received, counter, kept.version, held=True))
        yield from self._hand_over(project, waiting)

    def _release(self, project: str, key: str) -> None:
        self.table.release(project, key)
        self.counts["released"] += 1

    def _is_told(self, waiting: _Waiting) -> bool:
        """Whether one that was held was scored, refused or given up since."""
        receipt = self.world.receipt(waiting.sender.receipt)
        return receipt is not None and receipt.get("status") != "waiting"

    # --- one after the other ----------------------------------------------------------------------
    def _hand_over(self, project: str, waiting: list[_Waiting]) -> Iterator[None]:
        turns = by_turns(waiting)
        self.counts["left"] += len(turns)
        places = MOST_AT_ONCE
        for each in turns:
            if not places:
                return
            yield
            if each.held and self._is_told(each):
                self._release(project, each.key)
            else:
                places -= 1
                if self.table.tried(project, each.counter) <= HAND_OVERS:
                    log.warning("%s is handed to the checker again", each.key)
                    self.world.check(each.key, each.version)
                    self.counts["handed"] += 1
                elif len(self._given_up) < MOST_GIVEN_UP:
                    self._given_up.append(each)
                else:
                    continue
            self.counts["left"] -= 1

    # --- what is given up -------------------------------------------------------------------------
    def _give_up(self, settings: CompetitionSettings) -> None:
        """Tell the admin, once for all, and then the teams by their receipts.

        In this order: if the notice fails there is no receipt, and the next run does both.
        """
        if not self._given_up:
            return
        self.world.notify(*self._notice(settings))
        for each in self._given_up:
            if self.world.put_receipt(each.sender.receipt, _receipt(each), over_waiting=each.held):
                self.counts["given_up"] += 1
            else:
                log.info("%s has got a receipt meanwhile, which stays", each.key)

    def _tell_of_too_many(self, settings: CompetitionSettings) -> None:
        """Tell the admin of what is passed over: of each team once."""
        news = [
            folder
            for folder in self._too_many
            if self.table.tried(folder.split("/")[1], f"{folder}#too-many") == 1
        ]
        if not news:
            return
        self.world.notify(
            f"{settings.cohort}: more than {MOST_OF_A_TEAM} files of one team",
            "\n".join(
                (
                    f"Deep Learning Academy {settings.cohort}: these folders of the bucket work "
                    f"have more than {MOST_OF_A_TEAM} objects each. The steward looks at the first "
                    "of them by name; what comes after is scored as it arrives, but is not found "
                    "if it gets lost. Ask the team what it sends, and remove what nobody needs:",
                    "",
                    *(f"  {folder}" for folder in news),
                )
            ),
        )

    def _notice(self, settings: CompetitionSettings) -> tuple[str, str]:
        count = len(self._given_up)
        named = [
            f"  {each.key} (received {_instant(each.received)})"
            for each in self._given_up[:MOST_NAMED]
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
            f'\'{{"submission": {{"key": "{self._given_up[0].key}", "version": null}}}}\' '
            "/dev/stdout",
        )
        plural = "s" if count > 1 else ""
        return f"{settings.cohort}: {count} submission{plural} given up", "\n".join(lines)


def by_turns(waiting: Iterable[_Waiting]) -> list[_Waiting]:
    """The oldest of each team, then the next of each: nobody's files keep others' waiting."""
    places: Counter[str] = Counter()
    turns = []
    for each in sorted(waiting, key=lambda each: each.age):
        turns.append((places[each.sender.team], each))
        places[each.sender.team] += 1
    turns.sort(key=lambda turn: turn[0])
    return [each for _, each in turns]


def _receipt(waiting: _Waiting) -> dict[str, Any]:
    """A receipt as the checker writes it, of a submission of which nothing is known."""
    return {
        "submission": waiting.key,
        "status": "failed",
        "message": GIVEN_UP_HELD if waiting.held else GIVEN_UP,
        "public_score": None,
        "private_score": None,
        "received": _instant(waiting.received),
        "counted": False,
        "entry": "",
        "late": False,
        "left_today": None,
        "also": {},
    }


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
