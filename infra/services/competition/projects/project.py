"""What the scorer asks of a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from infra.services.competition.checking.canonical import Body

Better = Literal["higher", "lower"]

#: Gives the content of a file of the project's answers in the vault, by its name.
Answers = Callable[[str], bytes]


#: What was counted on each unit of a part: vectors of one length, which add up over units.
Units = Mapping[str, Sequence[float]]
Part = Literal["public", "private"]
#: How two scores are compared: by their difference, or by their ratio.
Scale = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Line:
    """A fixed mark on the board, such as the floor: its score on the public part and, if it is
    known, on the private one, with the `units` of each if they are known; and what else is told of
    the public part, by its name, as of a `Result`."""

    name: str
    score: float
    units: Units = field(default_factory=dict)
    private: float | None = None
    private_units: Units = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a submission scored on the two parts.

    `classes` is for the team's receipt: F1 of each class on the public part. `also` is what else
    is told of the public part, by its name. `record` stays in the table, for what is computed at
    the close; it tells of the private part, too.
    """

    public: float
    private: float
    classes: Mapping[str, float] = field(default_factory=dict)
    record: bytes = b""
    also: Mapping[str, float] = field(default_factory=dict)


class Evidence(Protocol):
    """What a score rests on, unit by unit."""

    def __hash__(self) -> int: ...

    @property
    def unit(self) -> str:
        """What a part is made of, in the plural: "scenes"."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes that are scored, in order; empty if there are none."""
        ...

    @property
    def scale(self) -> Scale:
        """How two scores are compared."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most that a score can be."""
        ...

    def units(self, record: bytes, part: Part) -> Units:
        """What a result's `record` says of each unit of `part`; empty for a record that does not
        say it, such as one from before."""
        ...

    def score_of(self, sums: Sequence[float]) -> float:
        """The score, from the sum over units."""
        ...

    def classes_of(self, sums: Sequence[float]) -> Mapping[str, float]:
        """The score of each class, from the sum over units."""
        ...


class Project(Evidence, Protocol):
    """A project of the competition. Its methods are pure but for the answers that they ask for."""

    @property
    def metric(self) -> str:
        """What the score is, in words."""
        ...

    @property
    def better(self) -> Better: ...

    @property
    def hint(self) -> str:
        """How to read a score, beside it: "1 is the seasonal naive"."""
        ...

    @property
    def scored_on(self) -> str:
        """What the public part is: "months that are held out"."""
        ...

    def score(self, members: Mapping[str, Any], body: Body, answers: Answers) -> Result:
        """The score of a submission in canonical form: its header's members and its body.

        Raises:
            Misconfigured: if the answers cannot be used, or are not of what was checked.
        """
        ...

    def lines(self, answers: Answers) -> Sequence[Line]:
        """The board's fixed marks."""
        ...
