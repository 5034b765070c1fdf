r"""Scores forecasts: MASE relative to the seasonal naive, the geometric mean over the series.

For one series, with held-out values :math:`y_t` and forecasts :math:`\hat y_t` over a part of the
horizon,

    MASE = mean |y_t - yhat_t| / q,    q = mean |x_i - x_{i-m}| over the history x,

the in-sample error of the seasonal naive with season m as the scale: R. J. Hyndman and
A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
22 (2006) 679-688, https://doi.org/10.1016/j.ijforecast.2006.03.001. The score is the geometric mean
over the series of MASE / (MASE of the seasonal naive on the same part): 1 is the naive forecast,
lower is better. The geometric mean treats halving and doubling alike, as in GIFT-Eval.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.services.competition.problems import Misconfigured

METRIC = "MASE relative to the seasonal naive, geometric mean over series"
Point = tuple[str, int]
PARTS = ("public", "private")

#: One series that is forecast without error must not make the whole score 0 whatever the others
#: are: each ratio counts as at least this.
LEAST_RATIO = 1e-3


@dataclass(frozen=True)
class Scale:
    """What a series' errors are divided by."""

    mase_scale: float
    naive_mase: Mapping[str, float]


@dataclass(frozen=True)
class Answers:
    """The held-out values: for each point its value and its part; for each series its scale."""

    points: Mapping[Point, tuple[float, str]]
    scales: Mapping[str, Scale]

    @classmethod
    def read(cls, answers_csv: str, scales_json: str) -> Answers:
        """The answers as `cohort publish` sealed them.

        Raises:
            Misconfigured: if they cannot be used, with the place.
        """
        points: dict[Point, tuple[float, str]] = {}
        try:
            for number, row in enumerate(csv.DictReader(io.StringIO(answers_csv)), start=1):
                where = f"answers.csv row {number}"
                point = (row["series"], int(row["step"]))
                value, part = float(row["value"]), row["part"]
                if point in points or part not in PARTS or not math.isfinite(value):
                    raise ValueError(f"{where}: {row}")
                points[point] = (value, part)
            scales = {name: _scale(name, given) for name, given in json.loads(scales_json).items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(f"the held-out answers: {error!r}") from None
        for name in scales:
            parts = {part for (series, _), (_, part) in points.items() if series == name}
            if parts != set(PARTS):
                raise Misconfigured(f"the held-out answers: {name} lacks a part, has {parts}")
        if {series for series, _ in points} != set(scales) or not points:
            raise Misconfigured("the held-out answers and their scales name different series")
        return cls(points, scales)


def _scale(name: str, given: Mapping[str, Any]) -> Scale:
    """A scale of 0 cannot divide: such a series is for the sealing to leave out."""
    scale = Scale(
        mase_scale=float(given["mase_scale"]),
        naive_mase={part: float(given[f"naive_mase_{part}"]) for part in PARTS},
    )
    for value in (scale.mase_scale, *scale.naive_mase.values()):
        if not math.isfinite(value) or value <= 0:
            raise ValueError(f"scales.json: {name} has {value}, which is not above 0")
    return scale


def score(forecasts: Mapping[Point, float], answers: Answers, part: str) -> float:
    """The score of complete `forecasts` on `part`; 1 is the seasonal naive, lower is better.

    Sums are exactly rounded (`math.fsum`), so that the order of the rows does not matter.
    """
    logs = []
    for name in sorted(answers.scales):
        errors = [
            abs(value - forecasts[point])
            for point, (value, of_part) in answers.points.items()
            if point[0] == name and of_part == part
        ]
        scale = answers.scales[name]
        mase = math.fsum(errors) / len(errors) / scale.mase_scale
        logs.append(math.log(max(LEAST_RATIO, mase / scale.naive_mase[part])))
    return math.exp(math.fsum(logs) / len(logs))
