"""Has the rivals forecast the sealed series, for the lines of the board: once for each history.

The forecasts need the history alone, which is public; they lie with the answers in the vault so
that the scorer, which may read nothing else, can score them as it scores a team's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from academy.errors import AcademyError
from academy.forecasting.evaluation.metrics import MEDIAN
from academy.forecasting.rivals import roster, statsforecast_models

from infra.publishing.climate_series import DECIMALS, HORIZON, PROJECT, SEASON, Sealed
from infra.services.competition.checking.forecast_rows import LEVELS
from infra.services.competition.projects.climate_series_rivals import NAME, VERSION, forecasts

Values = npt.NDArray[np.float64]
#: How many forecasts are done, and of how many.
Report = Callable[[int, int], None]

#: Where the forecasts lie in the vault.
KEY = f"answers/{PROJECT}/{NAME}"
_ANSWERS = f"answers/{PROJECT}/answers.csv"
_HISTORY = f"datasets/{PROJECT}/history.csv"


@dataclass(frozen=True)
class Lines:
    """The document for the vault, and what is to be told of it."""

    content: bytes
    rivals: tuple[str, ...]
    """Those that have forecasts, in the board's order."""
    computed: tuple[str, ...]
    """Those of them that were computed now, and not taken over."""
    remarks: tuple[str, ...] = field(default=())
    """Sentences on what is left out."""


def build(
    sealed: Sealed,
    before: bytes | None = None,
    *,
    slow: bool = True,
    processes: int | None = None,
    report: Report | None = None,
) -> Lines:
    """The rivals' forecasts of all that is held out, points and quantiles.

    Parameters
    ----------
    sealed
        The project's files, as `infra.publishing.climate_series.build` made them.
    before
        The document that is in the vault. What it has of the same history, by the same versions, is
        taken over; so is what cannot be computed here.
    slow
        Whether the three of statsforecast are computed, too, of which AutoARIMA takes a second or
        two a series.
    processes
        How many at a time; by default one for each core.
    report
        Told how many of their forecasts are done.
    """
    history = read_history(sealed.data[_HISTORY])
    digest = hashlib.sha256(sealed.data[_HISTORY]).hexdigest()
    kept = _kept(before, digest, history)
    found: dict[str, dict[str, Any]] = {}
    computed, remarks = [], []
    wanted = [name for name in roster.RIVALS if slow or name in roster.QUICK]
    try:
        made_by = {name: _versions(name) for name in wanted}
    except statsforecast_models.MissingPackage:
        missing = [name for name in roster.SLOW if name not in kept]
        if missing:
            remarks.append(
                f"{_listed(missing)}: no lines on the board. They need statsforecast, which is not "
                "installed here. Install it and publish again"
            )
        made_by = {name: _versions(name) for name in wanted if name in roster.QUICK}
    for name in roster.RIVALS:
        if name in kept and kept[name]["made_by"] == made_by.get(name, kept[name]["made_by"]):
            found[name] = kept[name]
        elif name in made_by:
            computed.append(name)
    slow_ones = [name for name in computed if name in roster.SLOW]
    for problem, failed in _prepare(history, slow_ones, processes, report).items():
        # A line less is no reason to publish nothing, and one of before is better than none.
        computed = [name for name in computed if name not in failed]
        old = [name for name in failed if name in kept]
        found |= {name: kept[name] for name in old}
        if old:
            remarks.append(f"{_listed(old)}: as computed before, by other versions. {problem}")
        if gone := [name for name in failed if name not in old]:
            remarks.append(f"{_listed(gone)}: no lines on the board. {problem}")
    for name in computed:
        made = roster.RIVALS[name](history, HORIZON, season=SEASON, quantiles=True)
        found[name] = {
            "made_by": made_by[name],
            "forecasts": {
                series: _told(quantiles, history[series].size) for series, quantiles in made.items()
            },
        }
    names = tuple(name for name in roster.RIVALS if name in found)
    document = {
        "version": VERSION,
        "answers": hashlib.sha256(sealed.vault[_ANSWERS]).hexdigest(),
        "history": digest,
        "levels": list(LEVELS),
        "rivals": {name: found[name] for name in names},
    }
    content = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    return Lines(content, names, tuple(computed), tuple(remarks))


def read_history(content: bytes) -> dict[str, Values]:
    """The series of history.csv, by name, in its order."""
    found: dict[str, list[float]] = {}
    for row in content.decode().splitlines()[1:]:
        name, _, value = row.split(",")
        found.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in found.items()}


def _prepare(
    history: Mapping[str, Values],
    names: Iterable[str],
    processes: int | None,
    report: Report | None,
) -> dict[str, list[str]]:
    """Computes what takes long, on all cores, into the library's cache.

    Gives the problems there were, and the rivals of each. One rival's is no other's: if all of them
    together fail, they are tried one by one; what was computed until then is not computed again.
    """

    def prepare(*some: str) -> None:
        roster.prepare(
            history,
            HORIZON,
            origins=0,
            season=SEASON,
            names=some,
            processes=processes,
            report=report,
        )

    slow, problems = tuple(names), dict[str, list[str]]()
    try:
        if slow:
            prepare(*slow)
    except AcademyError:
        for name in slow:
            try:
                prepare(name)
            except AcademyError as problem:
                problems.setdefault(str(problem), []).append(name)
    return problems


def _told(quantiles: Values, first: int) -> dict[str, Any]:
    # One digit more than the series have: the rest is not worth its bytes.
    rounded = np.round(quantiles, DECIMALS + 1)
    return {
        "first": first,
        "value": rounded[:, MEDIAN].tolist(),
        "quantiles": rounded.tolist(),
    }


def _versions(name: str) -> str:
    if name in roster.SLOW:
        return statsforecast_models.versions()
    return f"rivals {statsforecast_models.VERSION}, numpy {version('numpy')}"


def _kept(
    before: bytes | None, digest: str, history: Mapping[str, Values]
) -> dict[str, dict[str, Any]]:
    """What was computed of this history before, as far as the scorer can use it."""
    try:
        document = json.loads(before or b"{}")
        if document.get("version") != VERSION or document.get("history") != digest:
            return {}
        found = dict(document["rivals"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: given for name, given in found.items() if _usable(given, history)}


def _usable(given: Any, history: Mapping[str, Values]) -> bool:
    asked = {(name, past.size + step) for name, past in history.items() for step in range(HORIZON)}
    try:
        return isinstance(given["made_by"], str) and forecasts(given["forecasts"]).keys() == asked
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
