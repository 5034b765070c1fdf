r"""The project climate-series: reads forecasts, hostile until checked, and scores them.

A submission is a CSV file with the columns series, step, value. The score is MASE relative to the
seasonal naive, the geometric mean over the series.

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
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects.project import Answers as VaultAnswers
from infra.services.competition.projects.project import Better, Line, Part, Result, Units
from infra.services.competition.submission import show

METRIC = "MASE relative to the seasonal naive, geometric mean over series"
Point = tuple[str, int]
PARTS = ("public", "private")

#: A submission of more is refused.
MAX_BYTES = 1_000_000
COLUMNS = ["series", "step", "value"]
#: No forecast of anything measured is larger; what is would only overflow.
MAX_MAGNITUDE = 1e9

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_STEP = re.compile(r"[0-9]{1,9}")

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
        logs[name] = math.log(max(LEAST_RATIO, mase / scale.naive_mase[part]))
    return logs


def forecasts(content: bytes, answers: Answers) -> dict[Point, float]:
    """The forecast of each point that `answers` asks for.

    Raises:
        Fault: at the first thing that is wrong, with its row; rows count from 1, the header is row
            0.
    """
    if not content:
        raise Fault("The file is empty.")
    if len(content) > MAX_BYTES:
        raise Fault(f"The file is larger than {MAX_BYTES:,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Fault(f"The file is not UTF-8 text (byte {error.start}).") from None
    if "\0" in text:
        raise Fault("The file holds a NUL character; it is not a CSV file.")
    found: dict[Point, float] = {}
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True)):
            if number == 0:
                _header(row)
            else:
                point, value = _row(number, row, answers)
                if point in found:
                    raise Fault(f"row {number}: series {point[0]}, step {point[1]} stands twice.")
                found[point] = value
    except csv.Error as error:
        raise Fault(f"row {number + 1}: not CSV ({error}).") from None
    _complete(found, answers)
    return found


def _header(row: list[str]) -> None:
    if row != COLUMNS:
        raise Fault(
            f"The first line is {show(','.join(row))}; expected exactly {','.join(COLUMNS)}."
        )


def _row(number: int, row: list[str], answers: Answers) -> tuple[Point, float]:
    if len(row) != len(COLUMNS):
        raise Fault(f"row {number}: {len(row)} values; expected {', '.join(COLUMNS)}.")
    series, step, text = row
    if series not in answers.scales:
        known = ", ".join(sorted(answers.scales))
        raise Fault(f"row {number}: series {show(series)} is unknown; expected one of {known}.")
    if not _STEP.fullmatch(step):
        raise Fault(f"row {number}: step {show(step)} is not a whole number.")
    point = (series, int(step))
    if point not in answers.points:
        steps = [s for name, s in answers.points if name == series]
        raise Fault(
            f"row {number}: step {int(step)} of {series} is not asked for; expected steps "
            f"{min(steps)} to {max(steps)}."
        )
    if len(text) > 60 or not _NUMBER.fullmatch(text):
        raise Fault(f"row {number}: value {show(text)} is not a number.")
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise Fault(f"row {number}: value {show(text)} is beyond {MAX_MAGNITUDE:g}.")
    return point, value


def _complete(found: dict[Point, float], answers: Answers) -> None:
    missing = sorted(answers.points.keys() - found.keys())
    if missing:
        series, step = missing[0]
        raise Fault(
            f"{len(missing)} of {len(answers.points)} rows are missing; the first is series "
            f"{series}, step {step}. The rows are those of sample_submission.csv."
        )


class ClimateSeries:
    """The project as the scorer sees it."""

    metric = METRIC
    better: Better = "lower"
    max_bytes = MAX_BYTES
    hint = "1 is the seasonal naive"
    scored_on = "months"
    unit = "series"
    classes: tuple[str, ...] = ()
    bounds = (LEAST_RATIO, math.inf)

    def score(self, content: bytes, answers: VaultAnswers) -> Result:
        held_out = Answers.read(
            answers("answers.csv").decode("utf-8"), answers("scales.json").decode("utf-8")
        )
        found = forecasts(content, held_out)
        logs = {part: log_ratios(found, held_out, part) for part in PARTS}
        public, private = (
            mean_ratio((math.fsum(logs[part].values()), len(logs[part]))) for part in PARTS
        )
        return Result(public, private, record=record(logs))

    def units(self, record: bytes, part: Part) -> Units:
        if not record:
            return {}
        logs: dict[str, float] = json.loads(zlib.decompress(record))["log_ratios"][part]
        return {name: (value, 1.0) for name, value in logs.items()}

    def score_of(self, sums: Sequence[float]) -> float:
        return mean_ratio(sums)

    def classes_of(self, sums: Sequence[float]) -> Mapping[str, float]:  # noqa: ARG002
        return {}

    def lines(self, answers: VaultAnswers) -> list[Line]:  # noqa: ARG002
        return [Line("floor: seasonal naive", 1.0)]


def record(logs: Mapping[str, Mapping[str, float]]) -> bytes:
    """Each part's logarithms of the series' ratios, packed; unpacked they are what they were."""
    return zlib.compress(json.dumps({"log_ratios": logs}, separators=(",", ":")).encode(), 9)
