"""What the scorer asks of a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Better = Literal["higher", "lower"]

#: Gives the content of a file of the project's answers in the vault, by its name.
Answers = Callable[[str], bytes]


@dataclass(frozen=True)
class Line:
    """A fixed mark on the board, such as the floor; its score is on the public part."""

    name: str
    score: float


@dataclass(frozen=True)
class Result:
    """What a submission scored on the two parts.

    `classes` is for the team's receipt: F1 of each class on the public part. `record` stays in
    the table, for what is computed at the close; it tells of the private part, too.
    """

    public: float
    private: float
    classes: Mapping[str, float] = field(default_factory=dict)
    record: bytes = b""


class Project(Protocol):
    """A project of the competition. Its methods are pure but for the answers that they ask for."""

    @property
    def metric(self) -> str:
        """What the score is, in words."""
        ...

    @property
    def better(self) -> Better: ...

    @property
    def max_bytes(self) -> int:
        """A submission of more is refused without being read whole."""
        ...

    @property
    def hint(self) -> str:
        """How to read a score, beside it: "1 is the seasonal naive"."""
        ...

    @property
    def scored_on(self) -> str:
        """What the public part is: "months that are held out"."""
        ...

    def score(self, content: bytes, answers: Answers) -> Result:
        """The score of a submission's content.

        Raises:
            Fault: at the first thing that is wrong with the submission, with its place.
            Misconfigured: if the answers cannot be used.
        """
        ...

    def lines(self, answers: Answers) -> Sequence[Line]:
        """The board's fixed marks."""
        ...
