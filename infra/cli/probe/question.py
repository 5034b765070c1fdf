"""What a question is, and what an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from infra.cli.probe.budget import Cost

if TYPE_CHECKING:
    from infra.cli.probe.probing import Probe


class Verdict(StrEnum):
    """What AWS said to one of our lines."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNTOLD = "could not tell"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Answer:
    """A verdict, the sentence that explains it, and what was seen."""

    verdict: Verdict
    said: str
    seen: Mapping[str, Any] = field(default_factory=dict)


def confirmed(said: str, **seen: Any) -> Answer:
    return Answer(Verdict.CONFIRMED, said, seen)


def contradicted(said: str, **seen: Any) -> Answer:
    return Answer(Verdict.CONTRADICTED, said, seen)


def untold(said: str, **seen: Any) -> Answer:
    return Answer(Verdict.UNTOLD, said, seen)


@dataclass(frozen=True)
class Allowance:
    """Actions that the owner's credentials need, on what. `{account}` and `{region}` stand for
    themselves in a resource; "*" where IAM knows no narrower one."""

    actions: tuple[str, ...]
    resource: str = "*"


@dataclass(frozen=True)
class Question:
    """One question to AWS.

    Attributes:
        item: the number of its line in docs/fidelity.md, "What only AWS can confirm".
        asks: what is asked, as a sentence that is true if AWS confirms it.
        how: what is done to find out.
        ask: does it, and reads the answer.
        makes: kinds of things made beside the shared ones; see `removal.KINDS`.
        uses: shared things that it stands on; see `shared.SHARED`.
        costs: the most that it can cost beside the shared things, with nothing going as planned.
        needs: permissions beside those that making and removing those kinds takes.
        minutes: how long it takes on AWS, roughly.
        image: whether it needs an image of the account (`--image`).
    """

    id: str
    item: int
    asks: str
    how: str
    ask: Callable[[Probe], Answer]
    makes: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    costs: tuple[Cost, ...] = ()
    needs: tuple[Allowance, ...] = ()
    minutes: int = 1
    image: bool = False


@dataclass(frozen=True)
class ByHand:
    """What cannot be asked cheaply or by a program: what to look at, and what would confirm it."""

    item: int
    what: str
    how: str
