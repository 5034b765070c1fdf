r"""Scores live forecasts on the months that are observed.

For one series, with observed values :math:`y_t`, forecasts :math:`\hat y_t` and the scale q, the
mean absolute error of the seasonal naive within the history at the round's start (as in MASE:
R. J. Hyndman and A. B. Koehler, International Journal of Forecasting 22 (2006) 679-688),

    ratio = sum |y_t - yhat_t| / q  :  sum |y_t - y_(t-12)| / q    over the same months t,

and the score is the geometric mean of the ratios over the series: 1 is the seasonal naive, lower is
better. Quantiles are told of beside it and decide no rank: the weighted quantile loss over 19
levels (Y. Park et al., AISTATS 2022) and the coverage of the interval from 0.1 to 0.9.

Errors of neighbouring months resemble each other: taken for independent, two forecasters who are
equally good are told apart in a third of all rounds. So what is resampled for ranks are blocks of
neighbouring months, at least `BLOCK` of them and the square root of their number if that is more.
`python -m benchmarks.live_round` measures what that is worth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from infra.services.competition.checking.forecast_rows import LEVELS, Forecast, Point
from infra.services.competition.live.observing import Observed
from infra.services.competition.live.rounds import SEASON, Round
from infra.services.competition.projects.project import Better, Scale

METRIC = "MASE relative to the seasonal naive, geometric mean over series"
WQL = "WQL"
COVERAGE = "coverage of the 80 % interval"
MASE = "MASE"
NAIVE = "floor: seasonal naive"
CLIMATOLOGY = "climatology: 30 years"
YEARS = 30

BETTER: Better = "lower"
SCALE: Scale = "ratio"
UNIT = "blocks of months"

#: Months of a block, at least.
BLOCK = 3
#: With fewer blocks nobody is told apart from anybody.
LEAST_BLOCKS = 3
LEAST_MONTHS = BLOCK * LEAST_BLOCKS

#: A ratio counts as at least this and at most this: one series must not decide everything.
LEAST_RATIO = 1e-3
MOST_RATIO = 1e3

_LOW, _HIGH = LEVELS.index(0.1), LEVELS.index(0.9)

#: What a team forecast of each point that is observed.
Forecasts = Mapping[Point, Forecast]
#: By month, what adds up over months.
Vectors = Mapping[int, tuple[float, ...]]


class Truth:
    """What is known of the round's series: their history, and what was observed since."""

    def __init__(self, given: Round, observed: Observed) -> None:
        self.round = given
        self.observed = {
            point: each.value for point, each in observed.items() if point[0] in given.names
        }

    @property
    def months(self) -> tuple[int, ...]:
        """The months that some series is observed in."""
        return tuple(sorted({month for _, month in self.observed}))

    def value(self, name: str, month: int) -> float | None:
        about = self.round[name]
        at = month - about.first
        if 0 <= at < len(about.values):
            return about.values[at]
        return self.observed.get((name, month))

    def naive(self, name: str, month: int) -> float:
        """The value of the same month a year before. Months come without gaps, so it is known."""
        value = self.value(name, month - SEASON)
        if value is None:
            raise ValueError(f"nothing is known of {name} a year before")
        return value

    def climatology(self, name: str, month: int) -> Forecast:
        """The mean of the same month over the 30 years before, and the quantiles of these years,
        by linear interpolation; of fewer years where fewer are known."""
        found = (self.value(name, month - SEASON * year) for year in range(1, YEARS + 1))
        years = sorted(value for value in found if value is not None)
        if not years:
            raise ValueError(f"nothing is known of {name} in that month")
        return Forecast(
            math.fsum(years) / len(years), tuple(_quantile(years, level) for level in LEVELS)
        )

    def lines(self) -> dict[str, dict[Point, Forecast]]:
        """The fixed lines' forecasts of all that is observed."""
        return {
            NAIVE: {point: Forecast(self.naive(*point)) for point in self.observed},
            CLIMATOLOGY: {point: self.climatology(*point) for point in self.observed},
        }

    # --- scores ---------------------------------------------------------------------------------
    @cached_property
    def _naive_errors(self) -> dict[Point, float]:
        """The scaled error of the seasonal naive of all that is observed."""
        return {
            (name, month): abs(value - self.naive(name, month)) / self.round[name].scale
            for (name, month), value in self.observed.items()
        }

    def vectors(self, forecasts: Forecasts, months: Iterable[int]) -> Vectors:
        """Of each of `months` what adds up over them: for each series the scaled errors of the
        forecast and of the seasonal naive; nothing where the series is not observed."""
        scales = [(each.id, each.scale) for each in self.round.series]
        found = {}
        for month in months:
            numbers: list[float] = []
            for name, scale in scales:
                value = self.observed.get((name, month))
                if value is None:
                    numbers += [0.0, 0.0]
                    continue
                numbers.append(abs(value - forecasts[name, month].value) / scale)
                numbers.append(self._naive_errors[name, month])
            found[month] = tuple(numbers)
        return found

    def score(self, forecasts: Forecasts, months: Iterable[int]) -> float:
        """The score of `forecasts` over `months`, which all are observed."""
        return score_of(summed(self.vectors(forecasts, months).values()))

    def also(self, forecasts: Forecasts, months: Iterable[int]) -> dict[str, float]:
        """What else is told: MASE, WQL, and coverage where there are quantiles."""
        wanted = set(months)
        points = [point for point in sorted(self.observed) if point[1] in wanted]
        told = {
            MASE: self._mase(forecasts, points),
            WQL: self._wql(forecasts, points),
            COVERAGE: self._coverage(forecasts, points),
        }
        return {name: value for name, value in told.items() if value is not None}

    def _by_series(self, points: Sequence[Point]) -> list[list[Point]]:
        found = ([point for point in points if point[0] == name] for name in self.round.names)
        return [each for each in found if each]

    def _mase(self, forecasts: Forecasts, points: Sequence[Point]) -> float | None:
        means = []
        for own in self._by_series(points):
            errors = [abs(self.observed[point] - forecasts[point].value) for point in own]
            means.append(math.fsum(errors) / len(errors) / self.round[own[0][0]].scale)
        return math.fsum(means) / len(means) if means else None

    def _wql(self, forecasts: Forecasts, points: Sequence[Point]) -> float | None:
        """Mean over the series that are not 0 throughout; a forecast without quantiles has them
        all at its value."""
        ratios = []
        for own in self._by_series(points):
            losses = []
            for point in own:
                value, forecast = self.observed[point], forecasts[point]
                quantiles = forecast.quantiles or (forecast.value,) * len(LEVELS)
                losses += [
                    (value - quantile) * (level - (value < quantile))
                    for level, quantile in zip(LEVELS, quantiles, strict=True)
                ]
            size = math.fsum(abs(self.observed[point]) for point in own)
            if size > 0:
                ratios.append(2 * math.fsum(losses) / len(LEVELS) / size)
        return math.fsum(ratios) / len(ratios) if ratios else None

    def _coverage(self, forecasts: Forecasts, points: Sequence[Point]) -> float | None:
        inside = [
            forecasts[point].quantiles[_LOW] <= value <= forecasts[point].quantiles[_HIGH]
            for point in points
            for value in [self.observed[point]]
            if forecasts[point].quantiles
        ]
        return sum(inside) / len(inside) if inside else None


def summed(vectors: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """The sum of `vectors`, exactly rounded."""
    return tuple(map(math.fsum, zip(*vectors, strict=True)))


def blocks(vectors: Vectors, months: Iterable[int]) -> dict[str, tuple[float, ...]]:
    """The vectors of `months`, added up over blocks of neighbours."""
    return {
        f"{block[0]:06d}": summed([vectors[month] for month in block])
        for block in blocks_of(sorted(months))
    }


def blocks_of(months: Sequence[int]) -> list[Sequence[int]]:
    """`months` in blocks of neighbours, the last one longer where they do not come out even.

    >>> [len(block) for block in blocks_of(range(10))]
    [3, 3, 4]
    >>> [len(block) for block in blocks_of(range(36))]
    [6, 6, 6, 6, 6, 6]
    """
    length = max(BLOCK, math.isqrt(len(months)))
    count = max(1, len(months) // length)
    ends = [*(length * at for at in range(count)), len(months)]
    return [months[start:end] for start, end in itertools.pairwise(ends)]


def score_of(sums: Sequence[float]) -> float:
    """The geometric mean of the ratios, from the sums over months; 1 where nothing is observed."""
    logs = []
    for error, naive in zip(sums[::2], sums[1::2], strict=True):
        if error or naive:
            ratio = error / naive if naive else MOST_RATIO
            logs.append(math.log(min(MOST_RATIO, max(LEAST_RATIO, ratio))))
    return math.exp(math.fsum(logs) / len(logs)) if logs else 1.0


def _quantile(ordered: Sequence[float], level: float) -> float:
    place = level * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
