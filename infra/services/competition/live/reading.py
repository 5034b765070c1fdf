"""Reads a live forecast, hostile until checked: a CSV of series, month and what is forecast.

The months are exactly the next ones after the month in which S3 received the file, so that a
forecast of a month can only ever come before it begins. The canonical form has the rows sorted and
each number written in the shortest way; it is what is sealed.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.services.competition.checking import forecast_rows
from infra.services.competition.checking.canonical import Content
from infra.services.competition.checking.forecast_rows import Forecast, Point
from infra.services.competition.live import months
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.submission import show

#: What a live forecast's name ends with.
ENDING = ".live.csv"
KEYS = ["series", "month"]


@dataclass(frozen=True)
class _Task:
    """What the published task says of what is asked."""

    id: str
    series: tuple[str, ...]
    horizon: int
    opened: dt.datetime
    stopped: dt.datetime | None

    @classmethod
    def read(cls, task: bytes) -> _Task:
        try:
            document: Any = json.loads(task)
            stopped = document["stopped"]
            found = cls(
                id=str(document["round"]),
                series=tuple(str(each["id"]) for each in document["series"]),
                horizon=int(document["horizon"]),
                opened=dt.datetime.fromisoformat(document["opened"]),
                stopped=None if stopped is None else dt.datetime.fromisoformat(stopped),
            )
            if not found.series or found.horizon < 1 or found.opened.tzinfo is None:
                raise ValueError(f"{len(found.series)} series, a horizon of {found.horizon}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(f"the live round's task: {error!r:.300}") from None
        return found


def check(content: bytes, task: bytes | None, received: dt.datetime) -> Content:
    """The forecast in canonical form.

    Args:
        task: The round's published task; None if the project has no round.
        received: When S3 had the file.

    Raises:
        Fault: at the first thing that is wrong, with its row; rows count from 1.
        Misconfigured: if the task cannot be used.
    """
    if task is None:
        raise Fault("There is no live round. academy.submit without live=True goes to the board.")
    asked = _Task.read(task)
    if received < asked.opened:
        raise Fault(f"The live round {asked.id} opened at {_said(asked.opened)}, after this.")
    if asked.stopped is not None and received >= asked.stopped:
        raise Fault(f"The live round {asked.id} takes no forecasts since {_said(asked.stopped)}.")
    first = months.of(received) + 1
    wanted = range(first, first + asked.horizon)
    found = forecasts(content, asked.series, wanted, received)
    wide = any(each.quantiles for each in found.values())
    body = canonical(found)
    digest = hashlib.sha256(b"live forecast\n" + body).hexdigest()
    members = {
        "round": asked.id,
        "first": months.name(wanted[0]),
        "last": months.name(wanted[-1]),
        "quantiles": wide,
    }
    return Content(digest, members, body)


def canonical(found: Mapping[Point, Forecast]) -> bytes:
    """The one way to write a forecast."""
    cells = {point: ([point[0], months.name(point[1])], each) for point, each in found.items()}
    return forecast_rows.written(cells, KEYS)


def forecasts(
    content: bytes, series: tuple[str, ...], wanted: range, received: dt.datetime
) -> dict[Point, Forecast]:
    """The forecast of each month of each series that is asked for.

    Raises:
        Fault: as `check`.
    """
    found: dict[Point, Forecast] = {}
    for number, cells, forecast in forecast_rows.rows(content, KEYS):
        point = _point(number, cells, series, wanted, received)
        if point in found:
            raise Fault(
                f"row {number}: series {point[0]}, month {months.name(point[1])} stands twice."
            )
        found[point] = forecast
    missing = [(s, month) for s in series for month in wanted if (s, month) not in found]
    if missing:
        name, month = missing[0]
        raise Fault(
            f"{len(missing)} of {len(series) * len(wanted)} rows are missing; the first is series "
            f"{name}, month {months.name(month)}. {_asked(wanted, received)}"
        )
    return found


def _point(
    number: int, cells: list[str], series: tuple[str, ...], wanted: range, received: dt.datetime
) -> Point:
    name, text = cells
    if name not in series:
        known = ", ".join(series[:8]) + (" and so on" if len(series) > 8 else "")
        raise Fault(f"row {number}: series {show(name)} is unknown; expected one of {known}.")
    try:
        month = months.index(text)
    except ValueError:
        raise Fault(f"row {number}: {show(text)} is no month such as 2026-12.") from None
    if month not in wanted:
        why = " It has begun: nobody may forecast it any more." if month < wanted[0] else ""
        raise Fault(
            f"row {number}: {months.name(month)} is not asked for.{why} {_asked(wanted, received)}"
        )
    return name, month


def _asked(wanted: range, received: dt.datetime) -> str:
    return (
        f"A forecast that came at {_said(received)} is of {months.span(wanted[0], wanted[-1])}, "
        "each month of each series."
    )


def _said(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def read(body: bytes) -> dict[Point, Forecast]:
    """The forecasts in a canonical body.

    Raises:
        Misconfigured: if it is none, to the byte.
    """
    try:
        found = {
            (series, months.index(month)): forecast
            for (series, month), forecast in forecast_rows.canonical_rows(body, KEYS)
        }
    except (ValueError, csv.Error) as error:
        raise Misconfigured(f"a sealed forecast: {error!r:.200}") from None
    if canonical(found) != body:
        raise Misconfigured("a sealed forecast is not in canonical form")
    return found
