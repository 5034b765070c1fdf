"""When values were: dates of some calendar, and the lengths of time between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Kind = Literal["year", "month", "day"]

#: Days of a year that have passed when a month begins: in a year of 365 days, and of 366.
_PASSED = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_PASSED_LEAP = _PASSED + (np.arange(12) > 1)


@dataclass(frozen=True)
class Moments:
    """When each row was, as dates of some calendar; arrays of shape (n,)."""

    year: Integers
    month: Integers
    day: Integers
    kind: Kind
    """What the file says: years, months or whole dates. What it leaves out is 1."""
    calendar: str = "standard"

    @classmethod
    def of(cls, dates: Iterable[Sequence[int]], kind: Kind, calendar: str = "standard") -> Moments:
        """From (year, month, day) each."""
        table = np.array(list(dates), dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2], kind, calendar)

    def __len__(self) -> int:
        return len(self.year)

    def __getitem__(self, which: Any) -> Moments:
        return Moments(
            self.year[which], self.month[which], self.day[which], self.kind, self.calendar
        )

    def text(self, place: int) -> str:
        """The moment as the file might have it."""
        parts = [f"{self.year[place]:04}", f"{self.month[place]:02}", f"{self.day[place]:02}"]
        return "-".join(parts[: {"year": 1, "month": 2, "day": 3}[self.kind]])

    @property
    def months(self) -> Integers:
        """Months since some month."""
        return self.year * 12 + self.month - 1

    @property
    def days(self) -> Integers:
        """Days since some day, so that differences are lengths of time."""
        if self.calendar == "360_day":
            return self.months * 30 + self.day - 1
        if self.calendar in ("noleap", "365_day"):
            return np.asarray(self.year * 365 + _PASSED[self.month - 1] + self.day - 1)
        if self.calendar in ("all_leap", "366_day"):
            return np.asarray(self.year * 366 + _PASSED_LEAP[self.month - 1] + self.day - 1)
        if self.calendar == "julian":
            passed = np.where(
                self.year % 4 == 0, _PASSED_LEAP[self.month - 1], _PASSED[self.month - 1]
            )
            return np.asarray(self.year * 365 + (self.year - 1) // 4 + passed + self.day - 1)
        first = (
            (self.months - 1970 * 12)
            .astype("datetime64[M]")
            .astype("datetime64[D]")
            .astype(np.int64)
        )
        return np.asarray(first + self.day - 1, dtype=np.int64)
