"""Reads forecasts of series, hostile until checked: a CSV of series, step and what is forecast.

The canonical form is a CSV with the rows sorted and each number written in the shortest way, so
that order and layout of what was sent do not matter.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from infra.services.competition.checking import forecast_rows
from infra.services.competition.checking.canonical import Body, Content
from infra.services.competition.checking.forecast_rows import MAX_BYTES, Forecast, Point
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.submission import show

TASK = "task.json"
KEYS = ["series", "step"]

_STEP = re.compile(r"[0-9]{1,9}")


def steps_of(task: bytes) -> dict[str, range]:
    """The steps that the published task asks for, by series.

    Raises:
        Misconfigured: if it cannot be used.
    """
    try:
        document: Any = json.loads(task)
        horizon = int(document["horizon"])
        first = {str(name): int(document["first_step"][name]) for name in document["series"]}
        if horizon < 1 or not first:
            raise ValueError(f"{len(first)} series, a horizon of {horizon}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Misconfigured(f"the published task of climate-series: {error!r}") from None
    return {name: range(start, start + horizon) for name, start in first.items()}


def check(content: bytes, task: bytes) -> Content:
    """The forecasts in canonical form.

    Raises:
        Fault: at the first thing that is wrong, with its row; rows count from 1, the header is row
            0.
        Misconfigured: if the task cannot be used.
    """
    found = forecasts(content, steps_of(task))
    wide = any(each.quantiles for each in found.values())
    cells = {point: ([point[0], str(point[1])], each) for point, each in found.items()}
    body = forecast_rows.written(cells, KEYS)
    digest = hashlib.sha256(b"climate-series\n" + body).hexdigest()
    return Content(digest, {"quantiles": wide}, body)


def forecasts(content: bytes, steps: Mapping[str, range]) -> dict[Point, Forecast]:
    """The forecast of each step of each series that is asked for.

    Raises:
        Fault: as `check`.
    """
    found: dict[Point, Forecast] = {}
    for number, cells, forecast in forecast_rows.rows(content, KEYS):
        point = _point(number, cells, steps)
        if point in found:
            raise Fault(f"row {number}: series {point[0]}, step {point[1]} stands twice.")
        found[point] = forecast
    _complete(found, steps)
    return found


def _point(number: int, cells: list[str], steps: Mapping[str, range]) -> Point:
    series, step = cells
    if series not in steps:
        known = sorted(steps)
        several = ", ".join(known[:8]) + (" and so on" if len(known) > 8 else "")
        raise Fault(f"row {number}: series {show(series)} is unknown; expected one of {several}.")
    if not _STEP.fullmatch(step):
        raise Fault(f"row {number}: step {show(step)} is not a whole number.")
    asked = steps[series]
    if int(step) not in asked:
        raise Fault(
            f"row {number}: step {int(step)} of {series} is not asked for; expected steps "
            f"{asked[0]} to {asked[-1]}."
        )
    return series, int(step)


def _complete(found: Mapping[Point, Forecast], steps: Mapping[str, range]) -> None:
    missing = [(s, step) for s in sorted(steps) for step in steps[s] if (s, step) not in found]
    if missing:
        series, step = missing[0]
        raise Fault(
            f"{len(missing)} of {sum(map(len, steps.values()))} rows are missing; the first is "
            f"series {series}, step {step}. The rows are those of sample_submission.csv."
        )


def read(body: Body) -> dict[Point, Forecast]:
    """The forecasts in a canonical body.

    Raises:
        Misconfigured: if it is none.
    """
    content = b""
    while more := body.read(1 << 16):
        content += more
        # Shortest numbers can be longer than what was sent ("1e9"), by no more than this.
        if len(content) > 25 * MAX_BYTES:
            raise Misconfigured("a checked forecast is too long")
    try:
        return {
            (series, int(step)): forecast
            for (series, step), forecast in forecast_rows.canonical_rows(content, KEYS)
        }
    except (ValueError, csv.Error) as error:
        raise Misconfigured(f"a checked forecast: {error!r:.200}") from None
