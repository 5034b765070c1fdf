"""Reads what simple rivals forecast of the sealed series: `cohort publish` leaves it in the vault.

A document of this form, in JSON::

    {"version": 1, "answers": SHA-256 of answers.csv, "history": SHA-256 of history.csv,
     "rivals": {name: {"made_by": versions, "forecasts": {series: {"first": the first step,
                       "value": [a number for each step], "quantiles": [19 for each step]}}}}}

The scorer scores these forecasts like a team's, so they are held against the same rules.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from infra.services.competition.checking.forecast_rows import LEVELS, Forecast, Point
from infra.services.competition.problems import Misconfigured, Wrong, without_values

NAME = "rivals.json"
VERSION = 1


def read(
    content: bytes, answers_csv: bytes, points: Collection[Point]
) -> dict[str, dict[Point, Forecast]]:
    """Each rival's forecasts of all `points`, by its name, in the order that they were left in.

    None at all if they were made for other answers than `answers_csv`.

    Raises:
        Misconfigured: if they cannot be used, with the place.
    """
    where = NAME
    try:
        document: Any = json.loads(content)
        if document["version"] != VERSION:
            raise Wrong(f"version {document['version']!r:.20}, this code reads {VERSION}")
        if document["answers"] != hashlib.sha256(answers_csv).hexdigest():
            return {}
        found = {}
        for name, given in document["rivals"].items():
            where = f"{NAME}, {name!r:.60}"
            found[str(name)] = forecasts(given["forecasts"])
            if found[name].keys() != set(points):
                raise Wrong("other series or steps than are held out")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Misconfigured(
            f"the rivals' forecasts, {where}: {without_values(error)}; run: cohort publish"
        ) from None
    return found


def forecasts(given: Mapping[str, Any]) -> dict[Point, Forecast]:
    """A rival's forecasts, from what stands in the document under that name.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if they are no forecasts.
    """
    found = {}
    for series, of_series in given.items():
        first = int(of_series["first"])
        rows = zip(of_series["value"], of_series["quantiles"], strict=True)
        for step, (value, quantiles) in enumerate(rows, start=first):
            each = Forecast(float(value), tuple(map(float, quantiles)))
            if not all(map(math.isfinite, (each.value, *each.quantiles))):
                raise Wrong(f"{series} {step}: a value is no number")
            if len(each.quantiles) != len(LEVELS):
                raise Wrong(f"{series} {step}: {len(each.quantiles)} quantiles")
            if any(low > high for low, high in itertools.pairwise(each.quantiles)):
                raise Wrong(f"{series} {step}: its quantiles cross")
            found[series, step] = each
    return found
