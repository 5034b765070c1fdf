"""The ledger's rules: what reserving, renewing, settling and releasing do to an account.

Each rule is a function from what was read to one `Change`, which a `Ledger` carries out whole or
not at all. A change names the version of the reservation it was made from and fails if that has
moved on: that, and nothing else, is why a settlement happens exactly once.

An account's cap is the cohort file's, unless an admin has set one for this learner. What an admin
does to an account is an `Act`: it says who, why, what stood before and what stands after, and is
written together with what it changes.

Of every account it is true at all times that `available = cap - spent - reserved`. A reservation
is made only while `available` covers it, so `spent + reserved <= cap`. Two things outside the
broker's hands can take `available` below zero, and then nothing new is reserved until it is back:
an admin lowers the cap below what is already committed, or AWS bills more than was reserved; the
entry then says `overrun`.
"""

from __future__ import annotations

import datetime as dt
import uuid
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
    """A learner's money, in micro-dollars. `individual`: the cap is not the cohort file's."""

    learner: str
    cap: int
    spent: int = 0
    reserved: int = 0
    available: int = 0
    frozen: bool = False
    individual: bool = False

    @classmethod
    def new(cls, learner: str, cap: int) -> Account:
        return cls(learner, cap=cap, available=cap)

    @property
    def standing(self) -> Standing:
        return Standing(self.cap, self.individual, self.frozen)


@dataclass(frozen=True)
class Standing:
    """What an admin may change of an account."""

    cap: int
    individual: bool
    frozen: bool


@dataclass(frozen=True)
class Act:
    """What an admin did to an account: `who` is the caller's ARN as STS tells it."""

    learner: str
    id: str
    at: dt.datetime
    what: str
    who: str
    why: str
    before: Standing
    after: Standing


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
        disk_gb, disk_price: the disk of each instance that is billed beside it, and micro-dollars
            for its GB and month.
        upload_seconds: how long the upload of results may take that `amount` covers.
        outlived: it was seen running after it should have been stopped: its end is not known.
        project: whose image the space was asked for; empty on AWS's own, and for a job.
        image: the ARN of the image version that the space starts on, or empty likewise.
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
    disk_gb: int = 0
    disk_price: int = 0
    upload_seconds: int = 0
    outlived: bool = False
    project: str = ""
    image: str = ""

    def cost(self, seconds: int) -> int:
        """What running for `seconds` is billed, in micro-dollars."""
        return money.cost(
            self.price, self.count, seconds, disk_gb=self.disk_gb, disk_price=self.disk_price
        )

    def worst_case(self, seconds: int) -> int:
        """What must be held for running `seconds` at most, in micro-dollars."""
        return money.worst_case(
            self.price,
            self.count,
            seconds,
            disk_gb=self.disk_gb,
            disk_price=self.disk_price,
            upload_seconds=self.upload_seconds,
        )

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def stop_name(self) -> str:
        """What tells this opening's schedule from that of the next."""
        return self.token[:8]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: what a job or an opening of a space came to.

    `name` and `id` are those of the job, or of the space and its opening; it ran for `seconds` from
    `began_at`, which is None for what never started. `at` is when it was settled. `image` is what
    it ran on: a job's TrainingImage as SageMaker has it, a space's image version; empty where that
    is not known, or for a space on AWS's own.
    """

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
    began_at: dt.datetime | None = None
    image: str = ""


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
        """The learner's account, made on first sight. `cap` is the cohort file's: one that differs
        is taken over, except where the account has a cap of its own."""

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

    def record(self, act: Act) -> Account:
        """Write `act` and what it changes, together. Returns the account as it now stands.

        Raises:
            Changed: if the account is not as `act.before` says; nothing was written.
        """

    def acts(self, learner: str, limit: int) -> list[Act]:
        """What admins did to the learner's account, newest first."""


def set_cap(account: Account, cap: int, *, at: dt.datetime, who: str, why: str) -> Act:
    """Give the account a cap of its own, which the cohort file's does not override."""
    after = replace(account.standing, cap=cap, individual=True)
    return _act(account, "set cap", after, at=at, who=who, why=why)


def reset_cap(account: Account, cap: int, *, at: dt.datetime, who: str, why: str) -> Act:
    """Let the cohort file's `cap` hold for the account again."""
    after = replace(account.standing, cap=cap, individual=False)
    return _act(account, "reset cap", after, at=at, who=who, why=why)


def freeze(account: Account, *, at: dt.datetime, who: str, why: str) -> Act:
    """Let the account start and prolong nothing; what runs is not stopped by this."""
    return _act(account, "freeze", replace(account.standing, frozen=True), at=at, who=who, why=why)


def unfreeze(account: Account, *, at: dt.datetime, who: str, why: str) -> Act:
    """Lift a freeze."""
    after = replace(account.standing, frozen=False)
    return _act(account, "unfreeze", after, at=at, who=who, why=why)


def _act(
    account: Account, what: str, after: Standing, *, at: dt.datetime, who: str, why: str
) -> Act:
    if not who.strip() or not why.strip():
        raise ValueError("an act on an account says who did it and why")
    if after.cap < 0:
        raise ValueError(f"a cap of {after.cap} micro-dollars is less than nothing")
    return Act(
        learner=account.learner,
        id=uuid.uuid4().hex[:8],
        at=at,
        what=what,
        who=who,
        why=why[:NOTE],
        before=account.standing,
        after=after,
    )


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


def outlived(held: Reservation) -> Change:
    """Note that what `held` pays for still ran after its end: it is billed until it is gone."""
    return _moved(held, outlived=True)


def renew(held: Reservation, ends_at: dt.datetime) -> Change:
    """Hold what it takes for `held` to run until `ends_at`."""
    start = held.started_at or held.created_at
    seconds = max(held.seconds, _whole_seconds(ends_at - start))
    amount = max(held.amount, held.worst_case(seconds))
    after = replace(held, ends_at=ends_at, seconds=seconds, amount=amount, version=held.version + 1)
    return Change(before=held.version, after=after, reserved=amount - held.amount)


def settle(
    held: Reservation,
    *,
    at: dt.datetime,
    seconds: int,
    note: str = "",
    began_at: dt.datetime | None = None,
    image: str = "",
) -> Change:
    """Turn what is held into what was billed for `seconds`.

    A released reservation can be settled too: if AWS ran something after all, it is paid for.
    """
    if held.status == "settled":
        raise ValueError(f"{held.id} of {held.learner} is settled already")
    billed = held.cost(max(0, seconds))
    amount = held.amount if held.is_open else 0
    return Change(
        before=held.version,
        after=replace(
            held, status="settled", billed=billed, note=note[:NOTE], version=held.version + 1
        ),
        reserved=-amount,
        spent=billed,
        entry=replace(
            _entry(held, at, max(0, seconds), amount, billed, note),
            began_at=began_at or held.started_at or held.created_at,
            image=image or held.image,
        ),
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


def _moved(held: Reservation, **members: dt.datetime | bool) -> Change:
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
