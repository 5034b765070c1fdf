"""`cohort budget`, `freeze` and `unfreeze`: an admin's acts on one learner's or advisor's account,
each recorded in the ledger with who did it and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
from rich.markup import escape

from infra.cli.account import Site
from infra.cli.options import cohort_file
from infra.cli.spend import ledger_of
from infra.cli.terminal import Refused, console, usd, without_traceback
from infra.cohort.prices import MICRO_DOLLARS
from infra.services.guard import ledger as rules
from infra.services.guard.ledger import Account, Act, Changed

ATTEMPTS = 5
ACTS_SHOWN = 20
#: A slip of the keyboard, not a cap; `budget.per_learner_usd` has the same digits.
MOST_USD = Decimal(10**9)

why_option = click.option("--why", required=True, help="The reason; it is recorded with your name.")


@click.command()
@click.argument("learner")
@cohort_file
@click.option("--usd", "amount", help="A cap of the learner's own, over the file's.")
@click.option("--reset", is_flag=True, help="Let the cohort file's cap hold again.")
@click.option("--why", help="The reason; it is recorded with your name.")
@without_traceback
def budget(learner: str, file: Path, amount: str | None, reset: bool, why: str | None) -> None:
    """Show LEARNER's account and what was done to it; with --usd or --reset, change the cap.

    A cap below what is spent and reserved stops nothing that runs; nothing new starts until enough
    has come back.
    """
    site = Site.of(file)
    if amount is not None and reset:
        raise Refused("--usd sets a cap and --reset takes it away: give one of them")
    if amount is not None or reset:
        if not why:
            raise Refused("a change of a cap is recorded with a reason: add --why")
        if reset:
            site.known(learner)
            cap = _file_cap(site, learner)
            account, act = _act(
                site,
                learner,
                lambda account, at, who: rules.reset_cap(account, cap, at=at, who=who, why=why),
            )
        else:
            cap = _micro_usd(str(amount))
            account, act = _act(
                site,
                learner,
                lambda account, at, who: rules.set_cap(account, cap, at=at, who=who, why=why),
            )
        console.print(f"{learner}: cap {usd(act.before.cap)} -> {usd(act.after.cap)}")
        _warn_if_short(account)
        return
    if why:
        raise Refused("--why goes with --usd or --reset")
    _show(site, learner)


@click.command()
@click.argument("learner")
@cohort_file
@why_option
@click.option("--stop", is_flag=True, help="Also end what runs now: space and jobs.")
@without_traceback
def freeze(learner: str, file: Path, why: str, stop: bool) -> None:
    """Let LEARNER start and prolong nothing, until `cohort unfreeze`.

    What runs goes on to the end of its reservation; --stop ends it now.
    """
    site = Site.of(file)
    account, _ = _act(
        site, learner, lambda account, at, who: rules.freeze(account, at=at, who=who, why=why)
    )
    console.print(f"{learner} is frozen: nothing new starts")
    running = ledger_of(site).open_of(learner)
    for held in running if stop else ():
        if held.kind == "space":
            site.broker(learner, {"op": "close_space"})
        else:
            site.broker(learner, {"op": "stop_job", "job": held.name})
        console.print(f"{held.kind} {escape(held.name)} is ending")
    if running and not stop:
        console.print(f"{usd(account.reserved)} is held for what still runs; --stop ends it:")
        for held in running:
            console.print(f"  {held.kind} {escape(held.name)} until {held.ends_at:%m-%d %H:%M} UTC")


@click.command()
@click.argument("learner")
@cohort_file
@why_option
@without_traceback
def unfreeze(learner: str, file: Path, why: str) -> None:
    """Lift LEARNER's freeze."""
    _act(
        Site.of(file),
        learner,
        lambda account, at, who: rules.unfreeze(account, at=at, who=who, why=why),
    )
    console.print(f"{learner} may start things again")


def _act(
    site: Site, learner: str, make: Callable[[Account, dt.datetime, str], Act]
) -> tuple[Account, Act]:
    """Carry out the act on the account as it stands, whoever else writes meanwhile."""
    site.known(learner)
    ledger = ledger_of(site)
    who = str(site.client("sts").get_caller_identity()["Arn"])
    for _ in range(ATTEMPTS):
        account = ledger.account(learner, _file_cap(site, learner))
        try:
            act = make(account, dt.datetime.now(dt.UTC), who)
        except ValueError as error:
            raise Refused(str(error)) from None
        try:
            return ledger.record(act), act
        except Changed:
            continue
    raise Refused(f"{learner}'s account keeps changing; try again")


def _file_cap(site: Site, person: str) -> int:
    return int(site.cohort.cap_usd(person) * MICRO_DOLLARS)


def _micro_usd(text: str) -> int:
    """A cap as an admin writes it, in micro-dollars."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise Refused(f"--usd is {text!r}; expected an amount such as 200 or 12.50") from None
    if not amount.is_finite() or not 0 <= amount <= MOST_USD or amount != round(amount, 2):
        raise Refused(f"--usd is {text}; expected dollars and whole cents, from 0 to {MOST_USD}")
    return int(amount * MICRO_DOLLARS)


def _warn_if_short(account: Account) -> None:
    console.print(
        f"spent {usd(account.spent)}, reserved {usd(account.reserved)}, left "
        f"{usd(account.available)}"
    )
    if account.available < 0:
        console.print(
            "[yellow]The cap is below what is spent and reserved: nothing new starts until enough "
            "has come back. What runs is not stopped.[/yellow]"
        )


def _show(site: Site, learner: str) -> None:
    site.known(learner)
    ledger = ledger_of(site)
    account = ledger.seen(learner) or Account.new(learner, _file_cap(site, learner))
    kind = "of the learner's own" if account.individual else "the cohort file's"
    frozen = "; frozen" if account.frozen else ""
    console.print(f"{learner}: cap {usd(account.cap)}, {kind}{frozen}")
    _warn_if_short(account)
    for act in ledger.acts(learner, ACTS_SHOWN):
        change = ""
        if act.before.cap != act.after.cap:
            change = f" {usd(act.before.cap)} -> {usd(act.after.cap)}"
        console.print(
            f"  {act.at:%Y-%m-%d %H:%M} {act.what}{change}, by {escape(act.who)}: "
            f"{escape(act.why)}",
            soft_wrap=True,
        )
