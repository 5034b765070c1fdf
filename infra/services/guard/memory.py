"""The ledger in memory, by the same contract as the table: for simulations and tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.services.guard.ledger import (
    Account,
    Act,
    Change,
    Changed,
    Entry,
    Frozen,
    Insufficient,
    Reservation,
)


class MemoryLedger:
    """A `Ledger` of dictionaries. One thread only."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.reservations: dict[tuple[str, str], Reservation] = {}
        self.lines: list[Entry] = []
        self.recorded: list[Act] = []

    def account(self, learner: str, cap: int) -> Account:
        account = self.accounts.get(learner) or Account.new(learner, cap)
        if account.cap != cap and not account.individual:
            account = replace(account, cap=cap, available=account.available + cap - account.cap)
        self.accounts[learner] = account
        return account

    def find(self, learner: str, reservation: str) -> Reservation | None:
        return self.reservations.get((learner, reservation))

    def apply(self, change: Change) -> Reservation:
        after = change.after
        place = (after.learner, after.id)
        standing = self.reservations.get(place)
        if (standing.version if standing else None) != change.before:
            raise Changed
        account = self.accounts[after.learner]
        held = change.reserved + change.spent
        if change.needs_funds and account.frozen:
            raise Frozen
        if change.needs_funds and account.available < held:
            raise Insufficient(account)
        self.accounts[after.learner] = replace(
            account,
            reserved=account.reserved + change.reserved,
            spent=account.spent + change.spent,
            available=account.available - held,
        )
        self.reservations[place] = after
        if change.entry:
            self.lines.append(change.entry)
        return after

    def open_of(self, learner: str) -> list[Reservation]:
        mine = [r for r in self.reservations.values() if r.learner == learner and r.is_open]
        return sorted(mine, key=lambda r: (r.created_at, r.id))

    def all_open(self) -> Iterator[Reservation]:
        return iter([r for r in self.reservations.values() if r.is_open])

    def entries(self, learner: str, limit: int) -> list[Entry]:
        mine = [line for line in self.lines if line.learner == learner]
        return sorted(mine, key=lambda line: (line.at, line.id), reverse=True)[:limit]

    def record(self, act: Act) -> Account:
        account = self.accounts.get(act.learner)
        if account is None or account.standing != act.before:
            raise Changed
        account = replace(
            account,
            cap=act.after.cap,
            individual=act.after.individual,
            frozen=act.after.frozen,
            available=account.available + act.after.cap - act.before.cap,
        )
        self.accounts[act.learner] = account
        self.recorded.append(act)
        return account

    def acts(self, learner: str, limit: int) -> list[Act]:
        mine = [act for act in self.recorded if act.learner == learner]
        return sorted(mine, key=lambda act: (act.at, act.id), reverse=True)[:limit]
