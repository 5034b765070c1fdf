"""What is lost, put before an admin: refused until each thing is named with --erase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from rich.markup import escape

from infra.assurance.losses import Loss
from infra.cli.terminal import console

erase_option: Callable[..., Any] = click.option(
    "--erase",
    "named",
    multiple=True,
    metavar="NAME",
    help="Accept the loss of NAME, as the refusal writes it (home:ana). May be given often.",
)


@dataclass(frozen=True)
class Gate:
    """Losses and what an admin accepts of them.

    Attributes:
        lost: what is gone afterwards.
        kept: what leaves its stack and stays in the account, by `protect`.
        measured: by a loss's name what the account says of its size and last use.
        named: what was accepted.
    """

    lost: tuple[Loss, ...]
    kept: tuple[Loss, ...]
    measured: Mapping[str, str]
    named: tuple[str, ...]

    @classmethod
    def of(cls, losses: Iterable[Loss], measured: Mapping[str, str], named: Iterable[str]) -> Gate:
        found = list(losses)
        return cls(
            lost=tuple(each for each in found if not each.kept),
            kept=tuple(each for each in found if each.kept),
            measured=measured,
            named=tuple(named),
        )

    @property
    def refused(self) -> list[str]:
        """What would be lost and was not named."""
        return [each.name for each in self.lost if each.name not in self.named]

    @property
    def idle(self) -> list[str]:
        """What was named and would not be lost."""
        names = [each.name for each in (*self.lost, *self.kept)]
        return [name for name in self.named if name not in names]

    @property
    def accepted(self) -> list[Loss]:
        """What was named of what leaves its stack, lost or kept."""
        return [each for each in (*self.lost, *self.kept) if each.name in self.named]

    def sentence(self, loss: Loss) -> str:
        return loss.sentence(self.measured.get(loss.name, ""))


def show(gate: Gate, *, command: str) -> None:
    """Print the losses; `command` is what accepts them, up to the first --erase."""
    for loss in gate.lost:
        accepted = loss.name in gate.named
        colour = "yellow" if accepted else "red"
        mark = "named" if accepted else "refused"
        console.print(
            f"  [{colour}]{loss.name}[/{colour}] ({mark}): {escape(gate.sentence(loss))}",
            soft_wrap=True,
        )
    for loss in gate.kept:
        told = loss.stays(gate.measured.get(loss.name, ""))
        console.print(
            f"  [green]{loss.name}[/green] stays in the account, in no stack (protect: true): "
            f"{escape(told)}"
            + ("" if loss.name in gate.named else f". Where it is locked, --erase {loss.name}"),
            soft_wrap=True,
        )
    for name in gate.idle:
        console.print(f"  {escape(name)} was named, and would not be lost", soft_wrap=True)
    if gate.refused:
        names = " ".join(f"--erase {name}" for name in [*gate.named, *gate.refused])
        count = len(gate.refused)
        console.print(
            f"[red]Refused: {count} thing{'s' if count > 1 else ''} would be lost.[/red] If that "
            "is meant, name what may go:"
        )
        console.print(f"  {command} {names}", soft_wrap=True)


def to_document(gate: Gate) -> dict[str, Any]:
    """The JSON document's part on losses."""
    return {
        "lost": [
            {**_loss(gate, each), "sentence": gate.sentence(each), "named": each.name in gate.named}
            for each in gate.lost
        ],
        "kept": [_loss(gate, each) for each in gate.kept],
        "refused": gate.refused,
    }


def _loss(gate: Gate, loss: Loss) -> dict[str, Any]:
    return {
        "name": loss.name,
        "what": loss.what,
        "size": gate.measured.get(loss.name, loss.size),
        "certain": loss.certain,
        "replaced": loss.replaced,
        "because": loss.because,
        "resources": [str(change.resource) for change in loss.changes],
    }
