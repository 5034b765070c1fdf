"""How a workspace is, and what may be done with it: what the broker says, as the door says it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from infra.cohort.prices import UnknownPrice
from infra.services.door.context import PageContext, Refusal, Unavailable
from infra.services.door.others import shown
from infra.services.door.pages.words import span
from infra.services.guard import money
from infra.services.guard.ledger import SPACE, Account, Reservation
from infra.services.guard.settings import accelerator

Status = Literal["Closed", "Pending", "InService", "Deleting", "Failed", "Unknown"]
_KNOWN: tuple[Status, ...] = ("Closed", "Pending", "InService", "Deleting", "Failed")

#: So long a start takes on AWS as a rule, and after so long it is later than it should be.
USUAL = "two to five minutes, and on a GPU up to ten"
LATE = 12 * 60


@dataclass(frozen=True)
class Workspace:
    """A workspace at this moment.

    Attributes:
        words: what is so, in a sentence.
        elapsed: for how long it has been starting; empty otherwise.
        held: micro-dollars that are held for it.
    """

    status: Status
    words: str
    instance: str = ""
    project: str = ""
    ends_at: dt.datetime | None = None
    elapsed: str = ""
    held: int = 0
    late: bool = False

    @property
    def can_enter(self) -> bool:
        return self.status == "InService"

    @property
    def is_open(self) -> bool:
        return self.status in ("Pending", "InService")

    @property
    def moves(self) -> bool:
        """Whether it will be otherwise soon, without anybody doing a thing."""
        return self.status in ("Pending", "Deleting")

    def document(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "status": self.status,
            "words": self.words,
            "elapsed": self.elapsed,
            "ends_at": self.ends_at.strftime("%Y-%m-%dT%H:%M:%SZ") if self.ends_at else None,
            "can_enter": self.can_enter,
        }


@dataclass(frozen=True)
class Choice:
    """An instance type that a workspace may be opened on; money in micro-dollars, None where no
    price is known."""

    instance: str
    what: str
    price: int | None
    holds: int | None
    affordable: bool
    chosen: bool


def look(ctx: PageContext) -> Workspace:
    """How the person's workspace is now. Never fails: what is not known is said."""
    try:
        answer = ctx.ask({"op": "space"})
    except (Refusal, Unavailable) as error:
        words = (
            error.message
            if isinstance(error, Refusal)
            else (
                "How your workspace is cannot be told just now. Nothing is lost; look again in a "
                "minute."
            )
        )
        return Workspace("Unknown", words)
    given = str(answer.get("status"))
    status: Status = next((known for known in _KNOWN if known == given), "Unknown")
    held = ctx.ledger.find(ctx.person.id, SPACE) if status == "Pending" else None
    seconds = _since(held, ctx.now)
    late = seconds is not None and seconds > LATE
    return Workspace(
        status,
        _words(status, str(answer.get("failure") or ""), late=late),
        instance=str(answer.get("instance") or ""),
        project=str(answer.get("project") or ""),
        ends_at=_moment(answer.get("ends_at")),
        elapsed=f"{span(seconds)} so far" if seconds is not None else "",
        held=int(answer.get("reserved_micro_usd") or 0),
        late=late,
    )


def choices(ctx: PageContext, account: Account, hours: int) -> list[Choice]:
    """What the workspace may be opened on, with what `hours` would hold of the budget."""
    found: list[Choice] = []
    for instance in ctx.settings.studio_instances:
        try:
            price = ctx.prices.micro_usd_per_hour(ctx.settings.region, "studio", instance)
        except UnknownPrice:
            found.append(Choice(instance, _what(instance), None, None, True, not found))
            continue
        least = money.worst_case(price, 1, 3600)
        affordable = least <= account.available
        chosen = affordable and not any(each.chosen for each in found)
        holds = money.worst_case(price, 1, hours * 3600)
        found.append(Choice(instance, _what(instance), price, holds, affordable, chosen))
    return found


def preset_hours(chosen: Choice | None, account: Account, most: int) -> int:
    """For how many hours the workspace is opened where nobody says: as many as the budget reaches
    for, of what is allowed."""
    price = chosen.price if chosen is not None else None
    if price is None:
        return most
    reached = [
        h for h in range(1, most + 1) if money.worst_case(price, 1, h * 3600) <= account.available
    ]
    return max(reached, default=1)


def stays(workspace: Workspace, now: dt.datetime, max_hours: int) -> list[tuple[int, dt.datetime]]:
    """Hours from now until which it can be kept open, with when that is: those that are later than
    it ends anyway."""
    if workspace.ends_at is None:
        return []
    each = [(hours, now + dt.timedelta(hours=hours)) for hours in range(1, max_hours + 1)]
    return [(hours, at) for hours, at in each if at > workspace.ends_at + dt.timedelta(minutes=5)]


def _words(status: Status, failure: str, *, late: bool) -> str:
    if status == "Pending" and late:
        return (
            "This takes longer than it should. Nothing is lost: if it does not open, it is "
            "cleared by itself. You may also close it and open it again."
        )
    failed = shown.line(failure, 600)
    failed = failed[:1].upper() + failed[1:]
    return {
        "Closed": failed or "It costs nothing while it is closed, and your files stay.",
        "Pending": f"A machine is being started for you. That takes {USUAL}.",
        "InService": "JupyterLab is running, with your files as you left them.",
        "Deleting": "It is closing. Your files stay. That takes a minute or two.",
        "Failed": failed or "It did not start. Nothing was charged for it.",
        "Unknown": "How your workspace is cannot be told just now; look again in a minute.",
    }[status]


def _since(held: Reservation | None, now: dt.datetime) -> float | None:
    return None if held is None else max(0.0, (now - held.created_at).total_seconds())


def _what(instance: str) -> str:
    if accelerator(instance) == "gpu":
        return "With a GPU: to train a network here and now"
    return "To write, to look at data, and for small runs"


def _moment(text: Any) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
