"""What can go wrong, in the learner's words; every error of the library is an `AcademyError`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

#: pip's own variable: it asks no package index. `academy.connect` sets it in a private network.
NO_INDEX = "PIP_NO_INDEX"


#: Said in a private network.
NO_PACKAGES = (
    "Your cohort's network is private: there is no internet, and pip finds no packages by itself. "
    "Ask your advisor for them; an admin can put their wheels beside the academy's own."
)


def install(command: str) -> str:
    """What to do about a package that is missing, as the start of a sentence.

    >>> install("%pip install kaggle")
    'Run %pip install kaggle here'
    """
    if os.environ.get(NO_INDEX):
        return f"{NO_PACKAGES} Once they lie in this folder, run {command} --find-links ."
    return f"Run {command} here"


class AcademyError(Exception):
    """Something did not work; the message says what, and what to do about it."""

    def _render_traceback_(self) -> list[str]:
        """Notebooks show this in place of a traceback: where in the library does not matter."""
        return [f"{type(self).__name__}: {self}"]


class NotInAWorkspace(AcademyError):
    """The library does not know who is asking: no workspace was found or it could not be read."""


class Refused(AcademyError):
    """The broker said no: over the budget, outside the dates, a type that is not on the list.

    Attributes
    ----------
    code : str
        budget, dates, instance, hours, count, frozen, input, busy, not_found or unavailable.
    figures : dict
        What the message's figures are, in micro-dollars.
    """

    def __init__(self, code: str, message: str, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.figures = dict(figures or {})


class CloudError(AcademyError):
    """The academy's services could not be reached, or did not answer as expected."""


class DatasetError(AcademyError):
    """A project's data are not there, or are not what they should be."""


class SourceError(AcademyError):
    """The folder with the training script cannot be sent."""


class JobFailed(AcademyError):
    """A training job did not end well; the message has the end of what it said."""


class SubmissionError(AcademyError):
    """A forecast cannot be submitted as it is; nothing was sent."""
