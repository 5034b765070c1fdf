"""The ledger's rules: what reserving, renewing, settling and releasing do to an account.

Each rule is a function from what was read to one `Change`, which a `Ledger` carries out whole or
not at all. A change names the version of the reservation it was made from and fails if that has
moved on: that, and nothing else, is why a settlement happens exactly once.

Of every account it is true at all times that `available = cap - spent - reserved`. A reservation
is made only while `available` covers it, so `spent + reserved <= cap`. Two things outside the
broker's hands can take `available` below zero, and then nothing new is reserved until it is back:
an admin lowers the cap below what is already committed, or AWS bills more than was reserved; the
entry then says `overrun`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from infra.services.guard import money

Kind = Literal["job", "space"]
Status = Literal["open", "settled", "released"]

#: A learner has one space, so its reservation has one place: two cannot be open at once.
SPACE = "space"
#: Characters of a note: the end of a failed start's log fits.
NOTE = 1000


@dataclass(frozen=True)
class Account:
    """A learner's money, in micro-dollars."""

    learner: str
    cap: int
    spent: int = 0
    reserved: int = 0
    available: int = 0
    frozen: bool = False

    @classmethod
    def new(cls, learner: str, cap: int) -> Account:
        return cls(learner, cap=cap, available=cap)


@dataclass(frozen=True)
class Reservation:
    """Money held for one job or one opening of a space, before it starts.

    Attributes:
        id: `SPACE`, or the digits of the job's token that its name carries.
        token: the job's whole token, or what tells this opening of the space from others.
        request: digest of what was asked, so that a token cannot stand for two requests.
        name: of the training job, or of the space.
        domain: the Studio domain of the space; empty for a job.
        price, count, amount: micro-dollars an hour and instance; instances; micro-dollars held.
        seconds: the longest run that `amount` covers, before grace and margin.
        created_at, ends_at: when it was reserved, and when what it pays for must be stopped.
        lease_until: until then the invocation that reserved may still be starting it, and nobody
            else may start or release it.
        started_at: when it is known to have started.
        version: grows with every change.
        note: why it failed to start or was released.
    """

    learner: str
    id: str
    kind: Kind
    token: str
    request: str
    name: str
    domain: str
    team: str
    instance: str
    count: int
    price: int
    seconds: int
    amount: int
    created_at: dt.datetime
    ends_at: dt.datetime
    lease_until: dt.datetime
    started_at: dt.datetime | None = None
    status: Status = "open"
    version: int = 0
    billed: int | None = None
    note: str = ""

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def stop_name(self) -> str:
        """What tells this opening's schedule from that of the next."""
        return self.token[:8]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: what a job or an opening of a space came to."""

    learner: str
    id: str
    kind: Kind
    name: str
    instance: str
    count: int
    at: dt.datetime
    seconds: int
    reserved: int
    billed: int
    #: Billed beyond what was reserved; or ran although its reservation had been released.
    overrun: bool
    note: str


@dataclass(frozen=True)
class Change:
    """One step of the ledger, carried out whole or not at all.

    `before` is the version of the reservation that this was made from, None where there was none.
    `reserved` and `spent` are what is added to the account; `available` falls by their sum.
    """

    before: int | None
    after: Reservation
    reserved: int = 0
    spent: int = 0
    entry: Entry | None = None

    @property
    def needs_funds(self) -> bool:
        """Only what holds more money is conditional on there being some, and on no freeze."""
        return self.reserved > 0


class Changed(Exception):
    """The reservation is no longer as it was read: read it again."""


class Insufficient(Exception):
    """The account does not cover the change; nothing was written."""

    def __init__(self, account: Account) -> None:
        super().__init__(f"{account.learner} has {account.available} micro-dollars")
        self.account = account


class Frozen(Exception):
    """The account is frozen; nothing was written."""


class Ledger(Protocol):
    """Where accounts, reservations and entries are kept. Reads see every earlier write."""

    def account(self, learner: str, cap: int) -> Account:
        """The learner's account, made on first sight; a cap that differs is taken over."""

    def find(self, learner: str, reservation: str) -> Reservation | None:
        """The latest reservation in that place, open or not."""

    def apply(self, change: Change) -> Reservation:
        """Carry out `change`. Returns the reservation as it now stands.

        Raises:
            Changed, Insufficient, Frozen: and then nothing was written.
        """

    def open_of(self, learner: str) -> list[Reservation]:
        """The learner's open reservations, oldest first."""

    def all_open(self) -> Iterator[Reservation]:
        """Every open reservation; may miss those of the last second."""

    def entries(self, learner: str, limit: int) -> list[Entry]:
        """The learner's latest entries, newest first."""

    def freeze(self, learner: str, cap: int, frozen: bool) -> None:
        """Set or lift the freeze of an account."""


def reserve(new: Reservation, previous: Reservation | None) -> Change:
    """Hold the money for `new`, in the place that `previous` (ended, or None) had."""
    if previous is not None and previous.is_open:
        raise ValueError(f"{previous.id} of {previous.learner} is still open")
    version = previous.version if previous else 0
    return Change(
        before=previous.version if previous else None,
        after=replace(new, status="open", version=version + 1),
        reserved=new.amount,
    )


def claim(held: Reservation, lease_until: dt.datetime) -> Change:
    """Take over the starting of `held` from an invocation whose lease ran out."""
    return _moved(held, lease_until=lease_until)


def started(held: Reservation, at: dt.datetime) -> Change:
    """Note that what `held` pays for has started."""
    return _moved(held, started_at=at)


def renew(held: Reservation, ends_at: dt.datetime) -> Change:
    """Hold what it takes for `held` to run until `ends_at`."""
    start = held.started_at or held.created_at
    seconds = max(held.seconds, _whole_seconds(ends_at - start))
    amount = max(held.amount, money.worst_case(held.price, held.count, seconds))
    after = replace(held, ends_at=ends_at, seconds=seconds, amount=amount, version=held.version + 1)
    return Change(before=held.version, after=after, reserved=amount - held.amount)


def settle(held: Reservation, *, at: dt.datetime, seconds: int, note: str = "") -> Change:
    """Turn what is held into what was billed for `seconds`.

    A released reservation can be settled too: if AWS ran something after all, it is paid for.
    """
    if held.status == "settled":
        raise ValueError(f"{held.id} of {held.learner} is settled already")
    billed = money.cost(held.price, held.count, max(0, seconds))
    amount = held.amount if held.is_open else 0
    return Change(
        before=held.version,
        after=replace(
            held, status="settled", billed=billed, note=note[:NOTE], version=held.version + 1
        ),
        reserved=-amount,
        spent=billed,
        entry=_entry(held, at, max(0, seconds), amount, billed, note),
    )


def release(held: Reservation, *, at: dt.datetime, note: str) -> Change:
    """Give back what is held for something that never started."""
    if not held.is_open:
        raise ValueError(f"{held.id} of {held.learner} is {held.status} already")
    return Change(
        before=held.version,
        after=replace(held, status="released", note=note[:NOTE], version=held.version + 1),
        reserved=-held.amount,
        entry=_entry(held, at, 0, held.amount, 0, note),
    )


def _moved(held: Reservation, **members: dt.datetime) -> Change:
    if not held.is_open:
        raise ValueError(f"{held.id} of {held.learner} is {held.status} already")
    after = replace(held, version=held.version + 1)
    after = replace(after, **members)  # type: ignore[arg-type]
    return Change(before=held.version, after=after)


def _entry(
    held: Reservation, at: dt.datetime, seconds: int, amount: int, billed: int, note: str
) -> Entry:
    return Entry(
        learner=held.learner,
        id=held.token,
        kind=held.kind,
        name=held.name,
        instance=held.instance,
        count=held.count,
        at=at,
        seconds=seconds,
        reserved=amount,
        billed=billed,
        overrun=billed > amount,
        note=note[:NOTE],
    )


def _whole_seconds(span: dt.timedelta) -> int:
    return -(-span // dt.timedelta(seconds=1))
