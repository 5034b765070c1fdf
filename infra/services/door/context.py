"""What a page of the door is made from, and what it gives back.

A page is a function of a `PageContext`: `(ctx) -> Page`, one that a path names something to
`(ctx, name) -> Page`, one that a form is sent to `(ctx, form) -> Page | Redirect`. It raises
`NotFound` for what is not there or not this person's to see, in the same words, and lets a
`Refusal` through: its sentence is shown. Who asks, whose forms count and which headers go out is
settled before and after it, elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from markupsafe import Markup

from infra.cohort.naming import Names, address_hash
from infra.cohort.prices import PriceList
from infra.services.competition.settings import CompetitionSettings
from infra.services.guard.ledger import Account, Entry, Reservation
from infra.services.guard.problems import Refusal as Refusal
from infra.services.guard.settings import Settings

Kind = Literal["learner", "advisor"]
#: The path of the page in the menu that a page belongs to.
Here = Literal["", "/", "/budget", "/competition", "/team", "/help", "/advisors"]
Form = Mapping[str, str]
Answer = dict[str, Any]


class NotFound(Exception):
    """There is no such page, or not for this person."""


@dataclass(frozen=True)
class Person:
    """Who is signed in: the id in the cohort file. An advisor has no team."""

    id: str
    kind: Kind
    team: str = ""

    @property
    def advises(self) -> bool:
        return self.kind == "advisor"


@dataclass(frozen=True)
class People:
    """Who is in the cohort: teams with their learners, and advisors.

    Attributes:
        addresses: the hash of everyone's address by their id, where a provider vouches for them.
    """

    teams: Mapping[str, tuple[str, ...]]
    advisors: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)

    def by_address(self, address: object) -> Person | None:
        """Whose address it is, small and capital letters aside; None if nobody's.

        Nothing else is put right. An address that is not in ASCII is nobody's: of two that look the
        same, or become so in small letters, one may be a stranger's.
        """
        if not isinstance(address, str) or not address.isascii():
            return None
        wanted = address_hash(address)
        found = [id for id, hash in self.addresses.items() if hash == wanted]
        return self.person(found[0]) if len(found) == 1 else None

    def person(self, id: str) -> Person | None:
        """The learner or advisor of that id; None if there is none."""
        if id in self.advisors:
            return Person(id, "advisor")
        for team, learners in self.teams.items():
            if id in learners:
                return Person(id, "learner", team)
        return None


@dataclass(frozen=True)
class Stored:
    """A file as it was read: `whole` is False where it has more bytes than were asked for."""

    content: bytes
    modified: dt.datetime
    whole: bool = True


@dataclass(frozen=True)
class Listed:
    """A file in a listing."""

    key: str
    size: int
    modified: dt.datetime


@dataclass(frozen=True)
class TrainingJob:
    """A job as SageMaker has it."""

    name: str
    status: str
    secondary_status: str
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    billable_seconds: int | None = None
    instance: str = ""
    count: int = 1
    failure: str = ""


class Ledger(Protocol):
    """What the door reads of the ledger, all of it at once consistent; `guard.store` has it."""

    def seen(self, learner: str) -> Account | None: ...

    def find(self, learner: str, reservation: str) -> Reservation | None: ...

    def open_of(self, learner: str) -> list[Reservation]: ...

    def entries(self, learner: str, limit: int) -> list[Entry]:
        """The latest entries, newest first."""

    def entries_since(self, learner: str, since: dt.datetime) -> list[Entry]:
        """Those settled at `since` or later, oldest first."""


class Cloud(Protocol):
    """What the door reads of AWS, and the notes that it writes.

    None of it asks who may see what: a page does, by `PageContext.may_see`.

    Raises:
        Unavailable: if AWS does not answer, or says no.
    """

    def site(self, key: str, limit: int = ...) -> Stored | None:
        """A file of the bucket `site`, such as boards/land-cover.json; None if there is none."""

    def work(self, key: str, limit: int = ...) -> Stored | None:
        """A file of the bucket `work`: receipts/, teams/, notes/."""

    def listing(self, prefix: str, limit: int = ...) -> list[Listed]:
        """What `work` has below a prefix, by name, at most `limit` files."""

    def job(self, name: str) -> TrainingJob | None:
        """A training job of this cohort; None if there is none."""

    def log_tail(self, job: str, lines: int = ...) -> list[str]:
        """The end of the job's log, oldest line first; empty if it has none yet."""

    def put_note(self, key: str, content: bytes) -> None:
        """Write a file below notes/ of `work`; what is there already stays as it is."""


class Unavailable(Exception):
    """AWS did not answer; the details are for the admin's log."""


@dataclass(frozen=True)
class PageContext:
    """Who asks, when, and what there is to read.

    Attributes:
        ask: asks the broker as this person, and as nobody else: `ask({"op": "space"})` gives its
            answer without "ok", and raises the `Refusal` that it answers.
        csrf: the hidden field `csrf` of every form that is sent (`parts.csrf` writes it).
        query: what stands behind the path's question mark, hostile; each name's last value.
    """

    person: Person
    now: dt.datetime
    settings: Settings
    competition: CompetitionSettings
    names: Names
    people: People
    prices: PriceList
    ledger: Ledger
    cloud: Cloud
    ask: Callable[[dict[str, Any]], Answer]
    csrf: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def may_see(self, team: str) -> str:
        """`team`, if it is the person's own, or any there is for an advisor.

        Raises:
            NotFound: otherwise, whether there is such a team or not.
        """
        own = team == self.person.team if not self.person.advises else team in self.people.teams
        if not team or not own:
            raise NotFound
        return team

    @property
    def has_space(self) -> bool:
        """Whether the person has a workspace: learners do, advisors where the cohort pays."""
        return not self.person.advises or self.person.id in self.settings.advisors


@dataclass(frozen=True)
class Page:
    """A page inside the door's frame.

    Attributes:
        body: what stands below the menu, begun by an h1. `pages.fill` makes it.
        here: the menu's entry that it belongs to.
        refresh: seconds after which a browser without JavaScript asks again.
        enters: it has the form that leads into Studio, which its policy must let through.
    """

    title: str
    body: Markup
    here: Here = ""
    status: int = 200
    script: bool = False
    refresh: int | None = None
    enters: bool = False


@dataclass(frozen=True)
class Redirect:
    """What a form that was accepted answers: look there. `to` is a path of the door."""

    to: str
