"""Observing a month: what an admin may add to a round, and how it is corrected.

An observation is what a source has published of a month that is over. It comes in order, month by
month, and must be plausible or be said to be sure. A correction is an act of its own: the old value
stays with it. Pure: time is passed in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.services.competition.checking.forecast_rows import MAX_MAGNITUDE, Point
from infra.services.competition.live import months
from infra.services.competition.live.rounds import Round, is_source
from infra.services.competition.state import MAX_REASON, Act


@dataclass(frozen=True)
class Observation:
    """A month's value as a source published it, and who added it, when and why.

    `before` are the values that it corrects, the latest first, each as `to_document` gives it.
    """

    series: str
    month: int
    value: float
    source: str
    at: dt.datetime
    who: str
    why: str
    before: tuple[Mapping[str, Any], ...] = ()

    @property
    def point(self) -> Point:
        return (self.series, self.month)

    @property
    def version(self) -> int:
        """1, and one more for each correction."""
        return 1 + len(self.before)

    def to_document(self) -> dict[str, Any]:
        return {
            "series": self.series,
            "month": months.name(self.month),
            **_own(self),
            "before": [dict(each) for each in self.before],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Observation:
        """
        Raises:
            ValueError, KeyError, TypeError: if it is none.
        """
        value = float(document["value"])
        if not math.isfinite(value):
            raise ValueError("an observed value is no number")
        return cls(
            series=str(document["series"]),
            month=months.index(document["month"]),
            value=value,
            source=str(document["source"]),
            at=dt.datetime.fromisoformat(document["at"]),
            who=str(document["who"]),
            why=str(document["why"]),
            before=tuple(dict(each) for each in document["before"]),
        )


Observed = Mapping[Point, Observation]


def observe(
    given: Round,
    observed: Observed,
    series: str,
    month: int,
    value: float,
    source: str,
    *,
    at: dt.datetime,
    who: str,
    why: str,
    surely: bool = False,
) -> tuple[Observation, Act | None]:
    """The observation, and the act that records it; no act if the very value of the very source is
    there already.

    Raises:
        ValueError: in a sentence, if it may not be added.
    """
    if series not in given.names:
        raise ValueError(
            f"The round {given.id} has no series {series!r:.40}: {', '.join(given.names)}."
        )
    about = given[series]
    name = months.name(month)
    if months.begins(month + 1) > at:
        raise ValueError(
            f"{name} is not over: it ends with the month, UTC, and it is "
            f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}."
        )
    if month <= about.last:
        raise ValueError(
            f"{name} is part of the history of {series}, which is what errors are scaled by; it "
            "stays as it was when the round began."
        )
    following = next_month(given, observed, series)
    if month > following:
        raise ValueError(
            f"{name} would leave a gap: {months.name(following)} of {series} is observed first."
        )
    if not is_source(source):
        raise ValueError(f"The source is {source!r:.60}; expected an address such as https://….")
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise ValueError(f"{value!r} is no value that was measured.")
    known = observed.get((series, month))
    same = known is not None and known.value == value
    if known is not None and same and known.source == source:
        return known, None
    # Of a value that is there already nobody is in doubt: it is its source that is corrected.
    if not (surely or same) and (doubt := doubtful(given, observed, series, month, value)):
        raise ValueError(f"{doubt} If it is right all the same, say --surely.")
    before = () if known is None else (_own(known), *known.before)
    made = Observation(series, month, value, source, at, who, why.strip(), before)
    return made, _act(known, made)


def next_month(given: Round, observed: Observed, series: str) -> int:
    """The first month of `series` that is not observed."""
    month = given[series].last + 1
    while (series, month) in observed:
        month += 1
    return month


def doubtful(given: Round, observed: Observed, series: str, month: int, value: float) -> str:
    """Why the value may be a slip of the keyboard; empty if it looks right."""
    about = given[series]
    if not about.low <= value <= about.high:
        return (
            f"{value:g} {about.unit} is beyond what is plausible of {series}, {about.low:g} to "
            f"{about.high:g}."
        )
    earlier = observed.get((series, month - 1))
    last = about.values[-1] if earlier is None else earlier.value
    if abs(value - last) > about.step:
        return (
            f"{value:g} {about.unit} is {abs(value - last):.3g} from the month before, {last:g}; "
            f"{series} moves by {about.step:.3g} at most."
        )
    return ""


def _own(made: Observation) -> dict[str, Any]:
    """The members that a correction replaces."""
    return {
        "value": made.value,
        "source": made.source,
        "at": made.at.astimezone(dt.UTC).isoformat(),
        "who": made.who,
        "why": made.why,
    }


def _act(known: Observation | None, made: Observation) -> Act:
    what = f"{'observe' if known is None else 'correct'} {made.series} {months.name(made.month)}"
    return act(
        f"{what} = {made.value!r}",
        at=made.at,
        who=made.who,
        why=made.why,
        before={} if known is None else {"value": known.value, "source": known.source},
        after={"value": made.value, "source": made.source},
    )


def act(
    what: str,
    *,
    at: dt.datetime,
    who: str,
    why: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Act:
    """What an admin did to a live round, as the competition's log keeps it.

    Raises:
        ValueError: without a reason, or with one that is no line.
    """
    why = why.strip()
    if not why:
        raise ValueError("Say why: it stands in the log.")
    if len(why) > MAX_REASON or not why.isprintable():
        raise ValueError(f"The reason is one line of at most {MAX_REASON} characters.")
    texts = [json.dumps(state, separators=(",", ":")) for state in (before, after)]
    parts = json.dumps([at.isoformat(), what, who, why, *texts])
    name = hashlib.sha256(parts.encode()).hexdigest()[:12]
    return Act(name, at.astimezone(dt.UTC), what, who, why, *texts)
