"""What a leakage guard found, and the error for who wants one."""

from __future__ import annotations

from dataclasses import dataclass

from academy.errors import AcademyError


class LeakError(AcademyError):
    """The future was seen."""


@dataclass(frozen=True)
class LeakReport:
    """What a guard found.

    Attributes
    ----------
    what : str
        Which thing was looked at.
    leaks : bool
        Whether the future was seen.
    blind : bool
        Whether nothing was found, but not all could be looked at. It is no "no leak".
    message : str
        Where, in words.
    step : int or None
        The first step, counted from 0, whose output knew what came later.
    ahead : int or None
        How many steps later the furthest value is that it knew.
    series : str
        In which series, if there are several.
    places : int
        At how many places was looked.
    """

    what: str
    leaks: bool
    message: str
    step: int | None = None
    ahead: int | None = None
    series: str = ""
    places: int = 0
    blind: bool = False

    def must_hold(self) -> LeakReport:
        """Itself if there is no leak.

        Raises
        ------
        LeakError
            There is one, or it could not be looked.
        """
        if self.leaks or self.blind:
            raise LeakError(str(self))
        return self

    def __repr__(self) -> str:
        head = "LEAK" if self.leaks else "Not looked at" if self.blind else "No leak found"
        return f"{head}: {self.what}. {self.message}"

    __str__ = __repr__
