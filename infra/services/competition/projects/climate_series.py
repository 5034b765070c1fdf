r"""The project climate-series: scores forecasts that were checked.

The score is MASE relative to the seasonal naive, the geometric mean over the series.

For one series, with held-out values :math:`y_t` and forecasts :math:`\hat y_t` over a part of the
horizon,

    MASE = mean |y_t - yhat_t| / q,    q = mean |x_i - x_{i-m}| over the history x,

the in-sample error of the seasonal naive with season m as the scale: R. J. Hyndman and
A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
22 (2006) 679-688, https://doi.org/10.1016/j.ijforecast.2006.03.001. The score is the geometric mean
over the series of MASE / (MASE of the seasonal naive on the same part): 1 is the naive forecast,
lower is better. The geometric mean treats halving and doubling alike, as in GIFT-Eval.

Beside the score stands what quantiles are worth, the weighted quantile loss over the 19 levels,

    WQL = mean over series of  2 sum_q sum_t rho_q(y_t - z_qt) / (19 sum_t |y_t|),

with rho_q(u) = u (q - [u < 0]): Y. Park et al., "Learning Quantile Functions without Quantile
Crossing for Distribution-free Time Series Forecasting", AISTATS 2022,
https://arxiv.org/abs/2111.06581. A forecast without quantiles has them all at its value. With
quantiles, the coverage of the interval from 0.1 to 0.9 is told, too: 0.8 is right. Neither of the
two decides a rank.

The board's lines are the forecasts of simple rivals, which `cohort publish` had made of the same
history and left with the answers: they are scored as a team's are.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.services.competition.checking import climate_series as checking
from infra.services.competition.checking.canonical import Body
from infra.services.competition.checking.forecast_rows import LEVELS, Forecast, Point
from infra.services.competition.problems import Misconfigured, Wrong, without_values
from infra.services.competition.projects import climate_series_rivals as rivals
from infra.services.competition.projects.project import Answers as VaultAnswers
from infra.services.competition.projects.project import Better, Line, Part, Result, Scale, Units

METRIC = "MASE relative to the seasonal naive, geometric mean over series"
PARTS = ("public", "private")
#: The rival that every error is divided by, and its line.
NAIVE = "seasonal naive"
FLOOR = f"floor: {NAIVE}"
WQL = "WQL"
COVERAGE = "coverage of the 80 % interval"
_LOW, _HIGH = LEVELS.index(0.1), LEVELS.index(0.9)

#: One series that is forecast without error must not make the whole score 0 whatever the others
#: are: each ratio counts as at least this.
LEAST_RATIO = 1e-3
#: And at most this. A score without an end carries as many digits as its sender likes: forecasts of
#: a thousand million make of each answer an exact equation in the held-out values.
MOST_RATIO = 2.0
#: The same for a series' weighted quantile loss.
MOST_LOSS = 2.0


@dataclass(frozen=True)
class ErrorScale:
    """What a series' errors are divided by."""

    mase_scale: float
    naive_mase: Mapping[str, float]


@dataclass(frozen=True)
class Answers:
    """The held-out values: for each point its value and its part; for each series its scale."""

    points: Mapping[Point, tuple[float, str]]
    scales: Mapping[str, ErrorScale]

    @classmethod
    def read(cls, answers_csv: str, scales_json: str) -> Answers:
        """The answers as `cohort publish` sealed them.

        Raises:
            Misconfigured: if they cannot be used, with the place.
        """
        points: dict[Point, tuple[float, str]] = {}
        where = "answers.csv"
        # Of what is wrong only the place is told: logs are no place for held-out values.
        try:
            for number, row in enumerate(csv.DictReader(io.StringIO(answers_csv)), start=1):
                where = f"answers.csv row {number}"
                point = (row["series"], int(row["step"]))
                value, part = float(row["value"]), row["part"]
                if point in points or part not in PARTS or not math.isfinite(value):
                    raise Wrong("it is there twice, is of no part, or is no number")
                points[point] = (value, part)
            where, scales = "scales.json", {}
            for name, given in json.loads(scales_json).items():
                where = f"scales.json, {name}"
                scales[name] = _scale(given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(f"the held-out answers, {where}: {without_values(error)}") from None
        for name in scales:
            parts = {part for (series, _), (_, part) in points.items() if series == name}
            if parts != set(PARTS):
                raise Misconfigured(f"the held-out answers: {name} lacks a part, has {parts}")
        if {series for series, _ in points} != set(scales) or not points:
            raise Misconfigured("the held-out answers and their scales name different series")
        return cls(points, scales)


def _scale(given: Mapping[str, Any]) -> ErrorScale:
    """A scale of 0 cannot divide: such a series is for the sealing to leave out."""
    scale = ErrorScale(
        mase_scale=float(given["mase_scale"]),
        naive_mase={part: float(given[f"naive_mase_{part}"]) for part in PARTS},
    )
    for value in (scale.mase_scale, *scale.naive_mase.values()):
        if not math.isfinite(value) or value <= 0:
            raise Wrong("a scale is not above 0")
    return scale


def score(forecasts: Mapping[Point, float], answers: Answers, part: str) -> float:
    """The score of complete `forecasts` on `part`; 1 is the seasonal naive, lower is better."""
    logs = log_ratios(forecasts, answers, part)
    return mean_ratio((math.fsum(logs.values()), len(logs)))


def mean_ratio(sums: Sequence[float]) -> float:
    """The geometric mean, from the sum of the ratios' logarithms and their number."""
    logs, count = sums
    return math.exp(logs / count)


def log_ratios(forecasts: Mapping[Point, float], answers: Answers, part: str) -> dict[str, float]:
    """The logarithm of each series' error relative to the seasonal naive's.

    Sums are exactly rounded (`math.fsum`), so that the order of the rows does not matter.
    """
    logs = {}
    for name in sorted(answers.scales):
        errors = [
            abs(value - forecasts[point])
            for point, (value, of_part) in answers.points.items()
            if point[0] == name and of_part == part
        ]
        scale = answers.scales[name]
        mase = math.fsum(errors) / len(errors) / scale.mase_scale
        ratio = mase / scale.naive_mase[part]
        logs[name] = math.log(min(MOST_RATIO, max(LEAST_RATIO, ratio)))
    return logs


def wql(found: Mapping[Point, Forecast], answers: Answers, part: str) -> float | None:
    """The weighted quantile loss on `part`, mean over series; lower is better.

    A series that is 0 throughout has none; None if no series has one.
    """
    losses: dict[str, list[float]] = {}
    sizes: dict[str, list[float]] = {}
    for point, (value, of_part) in answers.points.items():
        if of_part != part:
            continue
        forecast = found[point]
        quantiles = forecast.quantiles or (forecast.value,) * len(LEVELS)
        sizes.setdefault(point[0], []).append(abs(value))
        losses.setdefault(point[0], []).extend(
            (value - each) * (level - (value < each))
            for level, each in zip(LEVELS, quantiles, strict=True)
        )
    ratios = [
        min(MOST_LOSS, 2 * math.fsum(losses[name]) / (len(LEVELS) * math.fsum(sizes[name])))
        for name in sorted(losses)
        if any(sizes[name])
    ]
    return math.fsum(ratios) / len(ratios) if ratios else None


def coverage(found: Mapping[Point, Forecast], answers: Answers, part: str) -> float | None:
    """The share of held-out values of `part` between the quantiles 0.1 and 0.9; None without."""
    inside = [
        found[point].quantiles[_LOW] <= value <= found[point].quantiles[_HIGH]
        for point, (value, of_part) in answers.points.items()
        if of_part == part and found[point].quantiles
    ]
    return sum(inside) / len(inside) if inside else None


class ClimateSeries:
    """The project as the scorer sees it."""

    metric = METRIC
    better: Better = "lower"
    hint = "1 is the seasonal naive"
    scored_on = "months"
    unit = "series"
    classes: tuple[str, ...] = ()
    bounds = (LEAST_RATIO, MOST_RATIO)
    scale: Scale = "ratio"

    def score(
        self,
        members: Mapping[str, Any],  # noqa: ARG002 (the body says it all)
        body: Body,
        answers: VaultAnswers,
    ) -> Result:
        held_out = Answers.read(
            answers("answers.csv").decode("utf-8"), answers("scales.json").decode("utf-8")
        )
        found = checking.read(body)
        if found.keys() != held_out.points.keys():
            raise Misconfigured(
                "the published task asks for other rows than are held out; run: cohort publish"
            )
        logs = _logs(found, held_out)
        public, private = (_mean(logs[part]) for part in PARTS)
        return Result(public, private, record=record(logs), also=measures(found, held_out))

    def units(self, record: bytes, part: Part) -> Units:
        if not record:
            return {}
        logs: dict[str, float] = json.loads(zlib.decompress(record))["log_ratios"][part]
        return _units(logs)

    def score_of(self, sums: Sequence[float]) -> float:
        return mean_ratio(sums)

    def classes_of(self, sums: Sequence[float]) -> Mapping[str, float]:  # noqa: ARG002
        return {}

    def lines(self, answers: VaultAnswers) -> list[Line]:
        """The floor and the rivals; the floor alone where `cohort publish` left no forecasts of
        rivals, or left them of other answers than there are now.

        Raises:
            Misconfigured: if what it left cannot be used.
        """
        try:
            content = answers(rivals.NAME)
        except Misconfigured:
            return [Line(FLOOR, 1.0, private=1.0)]
        sealed = answers("answers.csv")
        held_out = Answers.read(sealed.decode("utf-8"), answers("scales.json").decode("utf-8"))
        found = rivals.read(content, sealed, held_out.points.keys())
        marks = [_mark(name, of_rival, held_out) for name, of_rival in found.items()]
        if NAIVE not in found:
            marks.insert(0, Line(FLOOR, 1.0, private=1.0))
        return marks


def measures(found: Mapping[Point, Forecast], answers: Answers) -> dict[str, float]:
    """What is told of the public part beside the score."""
    told = {WQL: wql(found, answers, "public"), COVERAGE: coverage(found, answers, "public")}
    return {name: value for name, value in told.items() if value is not None}


def _mark(name: str, found: Mapping[Point, Forecast], answers: Answers) -> Line:
    logs = _logs(found, answers)
    if name == NAIVE:
        # What every error is divided by: 1 by definition, whatever the divisions' rounding.
        logs = {part: dict.fromkeys(logs[part], 0.0) for part in PARTS}
    return Line(
        FLOOR if name == NAIVE else f"rival: {name}",
        score=_mean(logs["public"]),
        units=_units(logs["public"]),
        private=_mean(logs["private"]),
        private_units=_units(logs["private"]),
        also=measures(found, answers),
    )


def _logs(found: Mapping[Point, Forecast], answers: Answers) -> dict[str, dict[str, float]]:
    values = {point: forecast.value for point, forecast in found.items()}
    return {part: log_ratios(values, answers, part) for part in PARTS}


def _mean(logs: Mapping[str, float]) -> float:
    return mean_ratio((math.fsum(logs.values()), len(logs)))


def _units(logs: Mapping[str, float]) -> Units:
    return {name: (value, 1.0) for name, value in logs.items()}


def record(logs: Mapping[str, Mapping[str, float]]) -> bytes:
    """Each part's logarithms of the series' ratios, packed; unpacked they are what they were."""
    return zlib.compress(json.dumps({"log_ratios": logs}, separators=(",", ":")).encode(), 9)
