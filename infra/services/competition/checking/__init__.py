"""The first of two steps: reads what a team sent, which is hostile until it is checked.

What passes is written in canonical form, and only that is scored. Nothing here reads held-out
answers: what is asked for is known from the published task. So the function that opens a hostile
file needs no right to anything that is secret.
"""

from __future__ import annotations

import datetime as dt

from infra.services.competition.checking import (
    climate_series,
    forecast_rows,
    land_cover,
    selection,
)
from infra.services.competition.checking.canonical import Content
from infra.services.competition.live import reading
from infra.services.competition.problems import Misconfigured

#: What a submission's name ends with if it selects entries instead of being one.
SELECTION = ".selection.json"

_CHECKS = {
    "climate-series": (climate_series.check, forecast_rows.MAX_BYTES),
    "land-cover": (land_cover.check, land_cover.MAX_BYTES),
}


def is_selection(name: str) -> bool:
    """Whether the submission of that name says which entries count at the close."""
    return name.endswith(SELECTION)


def is_live(name: str) -> bool:
    """Whether the submission of that name is a forecast of the project's live round."""
    return name.endswith(reading.ENDING)


def max_bytes(project: str, name: str) -> int:
    """How much of a submission is read; little of one to no project."""
    if project not in _CHECKS:
        return 1_000
    if is_live(name):
        return forecast_rows.MAX_BYTES
    return selection.MAX_BYTES if is_selection(name) else _CHECKS[project][1]


def check(project: str, name: str, content: bytes, task: bytes) -> Content:
    """The submission of that name in canonical form.

    Args:
        project: One of the competition's.
        name: The submission's file name.
        content: What was sent, one byte more than `max_bytes` at most.
        task: The project's published task.json.

    Raises:
        Fault: at the first thing that is wrong with the submission, with its place.
        Misconfigured: if the task cannot be used.
    """
    if project not in _CHECKS:
        raise Misconfigured(f"the checker knows no project {project[:40]!r}; deploy the cohort")
    if is_selection(name):
        return selection.check(content)
    return _CHECKS[project][0](content, task)


def check_live(content: bytes, task: bytes | None, received: dt.datetime) -> Content:
    """A live forecast in canonical form; as `check`.

    Args:
        task: The task of the project's live round; None if it has none.
        received: When S3 had it: it says which months may still be forecast.
    """
    return reading.check(content, task, received)
