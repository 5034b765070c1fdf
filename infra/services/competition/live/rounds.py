"""A live round: which series are forecast how far, and what was known of them when it began.

What is public of it are two files among the project's data: the task, which the checker and the
learners' library read, and the history. The table keeps both as one document.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from infra.cohort.naming import ID_MAX, ID_PATTERN
from infra.services.competition.live import months
from infra.services.competition.problems import Misconfigured

VERSION = 1
SEASON = 12
MAX_SERIES = 20
MAX_HORIZON = 24
#: A month's climatology takes 30 years; with less than three the scale itself is a guess.
LEAST_HISTORY = 3 * SEASON
MAX_HISTORY = 300 * SEASON
MAX_TEXT = 300
COLUMNS = ["series", "month", "value"]

_SOURCE = re.compile(r"https?://[^\s<>\"']{1,480}")


@dataclass(frozen=True)
class Series:
    """A monthly series: `values` are known from the month `first` on, without a gap.

    What is observed later is plausible between `low` and `high`, and no further than `step` from
    the month before.
    """

    id: str
    title: str
    unit: str
    source: str
    url: str
    first: int
    values: tuple[float, ...]
    low: float
    high: float
    step: float

    @property
    def last(self) -> int:
        """The last month that was known when the round began."""
        return self.first + len(self.values) - 1

    @cached_property
    def scale(self) -> float:
        """The mean absolute error of the seasonal naive within the history: what errors are
        divided by, as in MASE (Hyndman and Koehler 2006)."""
        pairs = zip(self.values[SEASON:], self.values, strict=False)
        return math.fsum(abs(late - early) for late, early in pairs) / (len(self.values) - SEASON)


@dataclass(frozen=True)
class Round:
    """A round: forecasts received from `opened` on, and before `stopped`, take part."""

    id: str
    project: str
    title: str
    horizon: int
    opened: dt.datetime
    series: tuple[Series, ...]
    stopped: dt.datetime | None = None
    note: str = ""

    def __getitem__(self, name: str) -> Series:
        for each in self.series:
            if each.id == name:
                return each
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.id for each in self.series)

    def takes(self, received: dt.datetime) -> bool:
        """Whether a forecast that came then takes part."""
        return self.opened <= received and (self.stopped is None or received < self.stopped)

    def asked(self, received: dt.datetime) -> range:
        """The months that a forecast must have: the next ones after the month it came in."""
        first = months.of(received) + 1
        return range(first, first + self.horizon)

    # --- as files -------------------------------------------------------------------------------
    def task(self) -> dict[str, Any]:
        """What is asked, as everybody may read it."""
        return {
            "version": VERSION,
            "round": self.id,
            "project": self.project,
            "title": self.title,
            "note": self.note,
            "horizon": self.horizon,
            "season": SEASON,
            "opened": _instant(self.opened),
            "stopped": _instant(self.stopped) if self.stopped else None,
            "series": [
                {
                    "id": each.id,
                    "title": each.title,
                    "unit": each.unit,
                    "source": each.source,
                    "url": each.url,
                    "history": [months.name(each.first), months.name(each.last)],
                    "scale": each.scale,
                    "plausible": [each.low, each.high],
                    "plausible_step": each.step,
                }
                for each in self.series
            ],
        }

    def history(self) -> str:
        """A CSV of series, month and value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for each in self.series:
            for at, value in enumerate(each.values):
                writer.writerow([each.id, months.name(each.first + at), repr(value)])
        return text.getvalue()

    @classmethod
    def read(cls, task: bytes | str, history: bytes | str) -> Round:
        """The round in its two files.

        Raises:
            Misconfigured: if they are none.
        """
        try:
            document: Any = json.loads(task)
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']}, this code reads {VERSION}")
            known = histories(history if isinstance(history, str) else history.decode())
            stopped = document["stopped"]
            return cls(
                id=str(document["round"]),
                project=str(document["project"]),
                title=str(document["title"]),
                note=str(document["note"]),
                horizon=int(document["horizon"]),
                opened=_time(document["opened"]),
                stopped=None if stopped is None else _time(stopped),
                series=tuple(_read_series(given, known) for given in document["series"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(f"the live round's files: {error!r:.300}") from None


def stop(given: Round, at: dt.datetime) -> Round:
    """The round without further forecasts; its months are observed to the last.

    Raises:
        ValueError: if it is stopped already.
    """
    if given.stopped is not None:
        raise ValueError(f"The round {given.id} was stopped at {_said(given.stopped)}.")
    return replace(given, stopped=max(at, given.opened))


def started(
    document: Mapping[str, Any],
    known: Mapping[str, tuple[int, Sequence[float]]],
    *,
    project: str,
    at: dt.datetime,
) -> Round:
    """The round that an admin describes, begun at `at`.

    Args:
        document: id, title, horizon, note and series, each with id, title, unit, source, url and,
            if they are not to follow from its history, plausible: [low, high] and plausible_step.
        known: for each series its first month and its values, as `histories` reads them.

    Raises:
        ValueError: in a sentence, at the first thing that is wrong.
    """
    _members(document, "The round", {"id", "title", "horizon", "series"}, {"note"})
    horizon = document["horizon"]
    if not isinstance(horizon, int) or isinstance(horizon, bool) or not 1 <= horizon <= MAX_HORIZON:
        raise ValueError(f"horizon is {horizon!r}; expected 1 to {MAX_HORIZON} months.")
    listed = document["series"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_SERIES:
        raise ValueError(f"series must be a list of 1 to {MAX_SERIES}.")
    series = []
    for given in listed:
        if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
            raise ValueError("Each series is a mapping with an id.")
        where = f"The series {given['id']!r:.40}"
        needed = {"id", "title", "unit", "source", "url"}
        _members(given, where, needed, {"plausible", "plausible_step", "history"})
        if given["id"] not in known:
            raise ValueError(f"{where} has no history.")
        series.append(_new_series(given, where, *known[given["id"]], at=at))
    if len({each.id for each in series}) != len(series):
        raise ValueError("A series is there twice.")
    return Round(
        id=_id(document["id"], "The round"),
        project=project,
        title=_line(document["title"], "The round's title"),
        note=_line(document.get("note") or "", "The round's note", empty=True),
        horizon=horizon,
        opened=at,
        series=tuple(series),
    )


def _new_series(
    given: Mapping[str, Any], where: str, first: int, values: Sequence[float], *, at: dt.datetime
) -> Series:
    if not LEAST_HISTORY <= len(values) <= MAX_HISTORY:
        raise ValueError(
            f"{where} has a history of {len(values)} months; expected {LEAST_HISTORY} to "
            f"{MAX_HISTORY}."
        )
    last = first + len(values) - 1
    if months.begins(last + 1) > at:
        raise ValueError(f"{where} has a value of {months.name(last)}, which is not over yet.")
    least, most = min(values), max(values)
    low, high = least - (most - least) / 4, most + (most - least) / 4
    step = 1.5 * max(abs(late - early) for early, late in itertools.pairwise(values))
    if "plausible" in given:
        limits = given["plausible"]
        if not isinstance(limits, list) or len(limits) != 2 or not all(map(_is_number, limits)):
            raise ValueError(f"{where}: plausible is no [low, high].")
        low, high = map(float, limits)
        if not low <= least <= most <= high:
            raise ValueError(f"{where}: its history lies outside plausible, {low:g} to {high:g}.")
    if "plausible_step" in given:
        if not _is_number(given["plausible_step"]) or given["plausible_step"] <= 0:
            raise ValueError(f"{where}: plausible_step is no number above 0.")
        step = float(given["plausible_step"])
    if not _SOURCE.fullmatch(str(given["url"])):
        raise ValueError(f"{where}: url is no address such as https://….")
    made = Series(
        id=_id(given["id"], "A series"),
        title=_line(given["title"], f"{where}: title"),
        unit=_line(given["unit"], f"{where}: unit"),
        source=_line(given["source"], f"{where}: source"),
        url=str(given["url"]),
        first=first,
        values=tuple(values),
        low=low,
        high=high,
        step=step,
    )
    if made.scale <= 0:
        raise ValueError(f"{where} repeats itself every year: errors cannot be scaled by that.")
    return made


def histories(text: str) -> dict[str, tuple[int, tuple[float, ...]]]:
    """Series by name from a CSV of series, month and value: the first month, and the values.

    >>> histories("series,month,value\\nco2,2026-01,420\\nco2,2026-02,421.5\\n")
    {'co2': (24312, (420.0, 421.5))}

    Raises:
        ValueError: with the row, if a month is missing, out of order or twice, or a value is none.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        raise ValueError(f"The history is no CSV ({error}).") from None
    if not rows or rows[0] != COLUMNS:
        raise ValueError(f"The history must begin with the line {','.join(COLUMNS)}.")
    found: dict[str, tuple[int, list[float]]] = {}
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(COLUMNS):
            raise ValueError(f"History row {number}: {len(row)} values, expected {len(COLUMNS)}.")
        month, value = months.index(row[1]), float(row[2])
        first, values = found.setdefault(row[0], (month, []))
        if month != first + len(values):
            raise ValueError(
                f"History row {number}: {row[0][:40]} has {row[1]} where "
                f"{months.name(first + len(values))} was expected: no gaps, oldest first."
            )
        if not math.isfinite(value):
            raise ValueError(f"History row {number}: {row[2][:20]!r} is no number.")
        values.append(value)
    return {name: (first, tuple(values)) for name, (first, values) in found.items()}


def _read_series(
    given: Mapping[str, Any], known: Mapping[str, tuple[int, tuple[float, ...]]]
) -> Series:
    first, values = known[given["id"]]
    if [months.name(first), months.name(first + len(values) - 1)] != given["history"]:
        raise ValueError(f"the history of {given['id']} is another than the task says")
    low, high = map(float, given["plausible"])
    texts = {name: str(given[name]) for name in ("id", "title", "unit", "source", "url")}
    step = float(given["plausible_step"])
    return Series(**texts, first=first, values=values, low=low, high=high, step=step)


def _members(given: Mapping[str, Any], where: str, needed: set[str], more: set[str]) -> None:
    missing, unknown = needed - set(given), set(given) - needed - more
    if missing or unknown:
        words = [f"lacks {', '.join(sorted(missing))}"] if missing else []
        words += [f"has {', '.join(sorted(map(str, unknown)))}, which is none"] if unknown else []
        raise ValueError(f"{where} {' and '.join(words)}.")


def _id(text: Any, where: str) -> str:
    if not isinstance(text, str) or len(text) > ID_MAX or not re.fullmatch(ID_PATTERN, text):
        raise ValueError(f"{where} is called {text!r:.40}; expected lower case letters and digits.")
    return text


def _line(text: Any, where: str, *, empty: bool = False) -> str:
    if not isinstance(text, str) or not (text.strip() or empty):
        raise ValueError(f"{where} is no text.")
    if len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError(f"{where} is one line of at most {MAX_TEXT} characters.")
    return text.strip()


def is_source(text: str) -> bool:
    """Whether `text` is an address where something can be looked up."""
    return _SOURCE.fullmatch(text) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat()


def _time(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found


def _said(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
