"""What the scorer reads of the cohort's settings (the parameter that `guard.settings` writes)."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from infra.services.competition.problems import Misconfigured

VERSION = 1


@dataclass(frozen=True)
class CompetitionSettings:
    """The dates and limits of a cohort's competitions; the last day counts in full, in UTC."""

    cohort: str
    projects: tuple[str, ...]
    starts: dt.date
    closes: dt.date
    submissions_per_day: int
    region: str = ""

    @classmethod
    def from_json(cls, text: str) -> CompetitionSettings:
        """The settings in the parameter's value.

        Raises:
            Misconfigured: naming what is missing or malformed.
        """
        try:
            document: Any = json.loads(text)
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']}, this code reads {VERSION}")
            return cls(
                cohort=str(document["cohort"]),
                projects=tuple(document["projects"]),
                starts=dt.date.fromisoformat(document["starts"]),
                closes=dt.date.fromisoformat(document["competition"]["closes"]),
                submissions_per_day=int(document["competition"]["submissions_per_day"]),
                region=str(document["region"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise Misconfigured(f"the cohort's settings: {error!r}") from None

    @property
    def opens_at(self) -> dt.datetime:
        return dt.datetime.combine(self.starts, dt.time(), tzinfo=dt.UTC)

    @property
    def closes_at(self) -> dt.datetime:
        """The first instant after the day `closes`."""
        return dt.datetime.combine(self.closes + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)
