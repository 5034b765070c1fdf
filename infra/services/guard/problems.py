"""What can go wrong in the guard, as exceptions; a `Refusal` is what a learner gets to read."""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "budget",
    "dates",
    "instance",
    "hours",
    "count",
    "frozen",
    "input",
    "busy",
    "not_found",
    "unavailable",
]


class Refusal(Exception):
    """A request that is not granted: a code, a sentence in the learner's words, and its figures."""

    def __init__(self, code: Code, message: str, **figures: int) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.figures = figures

    def document(self) -> dict[str, object]:
        """The `error` member of the broker's answer."""
        return {"code": self.code, "message": self.message, **self.figures}


class Misconfigured(Exception):
    """The deployment, not the learner, is at fault; the message says where."""
