r"""Comparing two forecasters: a ratio, and an interval that knows how few tries there really were.

Two backtests on the same origins are compared pair by pair: what is hard for both cancels out. But
the pairs are not independent. Origins one step apart share all but one of the months that they are
judged by, and a warm spell lasts; sixty origins with a horizon of two years are hardly three tries.
An interval that takes them for sixty is far too narrow: `benchmarks/forecast_intervals.py` measures
how much, for this method and for others.

How the interval is made. Be :math:`a_{st}` and :math:`b_{st}` the losses of the two on series s at
origin t. The ratio is the geometric mean over the series of
:math:`\bar a_s / \bar b_s`. To first order its logarithm is the mean over the origins of

    psi_t = mean over s of  (a_st / mean a_s - b_st / mean b_s).

All series of an origin stay together, so that what they have in common is counted once. The
long-run variance of psi is the mean square of its first nu cosine transforms, and the interval uses
Student's t with nu degrees of freedom [1]_ [2]_: few frequencies, wide but honest tails. Since psi
is measured from its own mean, that variance comes out too small by about (1 - w/n)^2, for n origins
and errors that hang together over w of them: the correction that [3]_ make for overlapping
horizons. w is the overlap and `PERSISTENCE` more.

How often it holds, measured by `benchmarks/forecast_intervals.py` on simulated series that had no
part in choosing the constants, means over five worlds, 60 to 240 origins, horizons 1 to 24: 93 % to
98 % of these intervals for 95 % held the true ratio, in the worst single case 87 % (slow and fast
noise together, 60 origins, 24 steps). As if origins were independent it was 39 % to 74 %, a
moving-block bootstrap 58 % to 85 %, Kiefer and Vogelsang's fixed-b 82 % to 93 %, cosines without
the correction 80 % to 92 %. Honesty is wide: the upper end lay 33 % to 69 % above the ratio with 60
origins, 15 % to 23 % with 240.

Where it holds too rarely: forecasters that differ in level alone, in a series that stays for long
on one side of its mean; then whole years favour the one, and the next ones the other. Of an
autoregression with .9, one forecaster half a spread too high and one as much too low, which are
equally good, the intervals held 77 % to 94 %, with .95 66 % to 88 %, the least with 60 origins and
24 steps. What such origins have not seen no interval knows. So there is no verdict on fewer origins
than `LEAST_SPANS` times those that errors hang together over (60 do for 6 steps, 120 for 24), and
none on origins that are worth fewer than `LEAST_WORTH`. That leaves "better" or "worse" said of
equally good ones in 1 % to 17 % of cases with .9 and, in the worst, with .95, 60 origins, 1 step,
26 %; without the rule it would be up to 24 % and 34 %. With .8 it is 7 % at most.

What it speaks of: how the two would compare over many more years like these, for these series. Not
other series; and not the best of ten models picked afterwards, which looks better than it is.
Series that end at different dates are laid side by side by the number of the origin.

.. [1] Lazarus, E., Lewis, D. J., Stock, J. H. and Watson, M. W. (2018). HAR inference:
   recommendations for practice. Journal of Business & Economic Statistics 36, 541-559.
.. [2] Müller, U. K. (2014). HAC corrections for strongly autocorrelated time series. Journal of
   Business & Economic Statistics 32, 311-322.
.. [3] Harvey, D., Leybourne, S. and Newbold, P. (1997). Testing the equality of prediction mean
   squared errors. International Journal of Forecasting 13, 281-291.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from academy.forecasting.data.series import Array, SeriesError
from academy.forecasting.evaluation import metrics
from academy.forecasting.evaluation.results import Backtest

Verdict = Literal["better", "worse", "tie", "not settled"]
Measure = Literal["mae", "wql"]

#: Two forecasters are tied if the whole interval is no further than this from 1.
TIE = 0.05
#: Fewer origins than this say nothing about how much they vary.
LEAST_ORIGINS = 8
# The next three were chosen together, of 175 combinations: the narrowest intervals that held at
# least .90 in each of 108 simulated cases (`benchmarks/forecast_intervals.py --choose`).
#: Steps over which errors are taken to hang together beyond what their horizons share: a year and a
#: half of months.
PERSISTENCE = 18
#: Cosine transforms that the long-run variance is taken from; fewer of fewer than 50 origins.
COSINES = 5
#: More of the origins than this share is never taken to hang together.
MOST_SPAN = 0.4
#: No verdict on fewer origins than so many spans, nor on fewer that are worth than `LEAST_WORTH`:
#: chosen on forecasters that differ in level (`benchmarks/forecast_intervals.py`).
LEAST_SPANS = 2.5
LEAST_WORTH = 4.0
#: Months, or steps, that are taken for one try at least where hits are counted: a spell of weather.
SPELL = 4


@dataclass(frozen=True)
class Paired:
    """How one forecaster compares with another.

    Attributes
    ----------
    name, other : str
        Whose loss over whose.
    ratio : float
        Geometric mean over the series of their losses' ratio; below 1 the first is better.
    low, high : float
        Ends of the interval for it.
    level : float
        How sure: 0.95.
    verdict : str
        "tie" if the interval lies inside 1 ± 5 %; else "better" or "worse" if it lies on one side
        of 1; else "not settled": these origins cannot tell. Also "not settled", whatever the
        interval, if there are fewer origins than `needed`, or worth fewer than `LEAST_WORTH`.
    origins : int
        How many there were.
    effective : float
        As how many independent ones they count: with so many the interval's standard error would be
        the same. An estimate from few numbers; good for its order of magnitude.
    needed : int
        Fewer origins, this far apart, get no verdict: two and a half times as many as errors hang
        together over.
    """

    name: str
    other: str
    ratio: float
    low: float
    high: float
    level: float
    verdict: Verdict
    origins: int
    effective: float
    needed: int = 0

    def __repr__(self) -> str:
        few = f"; a verdict needs {self.needed}" if self.origins < self.needed else ""
        return (
            f"{self.name} / {self.other}: {self.ratio:.3f}, {self.level:.0%} interval "
            f"{self.low:.3f} to {self.high:.3f}: {self.verdict} "
            f"({self.origins} origins, worth about {self.effective:.0f}{few})"
        )


@dataclass(frozen=True)
class Share:
    """How much of the truth was inside (or below), with an interval for it.

    Attributes
    ----------
    share, low, high : float
        From 0 to 1.
    nominal : float
        What it should be.
    origins : int
        How many there were.
    effective : float
        As how many independent values, each inside or not, they count; never more than one for each
        `SPELL`, unless several series go their own ways.
    """

    share: float
    low: float
    high: float
    nominal: float
    origins: int
    effective: float

    @property
    def calibrated(self) -> bool:
        """Whether what it should be lies in the interval. Few origins forgive much."""
        return self.low <= self.nominal <= self.high

    def __repr__(self) -> str:
        return (
            f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%}), {self.nominal:.0%} is right "
            f"({self.origins} origins; hits worth about {self.effective:.0f} independent ones)"
        )


def compare(
    a: Backtest,
    b: Backtest,
    *,
    leads: slice | None = None,
    measure: Measure = "mae",
    level: float = 0.95,
) -> Paired:
    """The ratio of the losses of `a` to those of `b`, with an interval.

    Parameters
    ----------
    a, b
        Backtests of the same series at the same origins.
    leads
        Steps ahead that count, from 0: ``slice(0, 3)`` are the first three. All, if left out.
    measure
        "mae", or "wql": the pinball loss over the 19 levels; points count as quantiles that are all
        equal.
    level
        Of the interval.

    Raises
    ------
    SeriesError
        The two were tested on something else, on fewer than `LEAST_ORIGINS` origins, or one of them
        makes no error at all in a series.

    Examples
    --------
    >>> from academy.forecasting import climatology, seasonal_naive
    >>> from academy.forecasting.evaluation.backtesting import backtest, one_by_one
    >>> noise = np.random.default_rng(1).normal(size=400)
    >>> mine = backtest(one_by_one(climatology), {"a": noise}, horizon=3, origins=120)
    >>> theirs = backtest(one_by_one(seasonal_naive), {"a": noise}, horizon=3, origins=120)
    >>> compare(mine, theirs).verdict
    'better'
    """
    a.must_match(b)
    losses = [_loss(each, leads, measure) for each in (a, b)]
    means = [each.mean(axis=1) for each in losses]
    for number, name in enumerate(a.names):
        for backtest, mean in zip((a, b), means, strict=True):
            if mean[number] == 0:
                raise SeriesError(
                    f"{name}: {backtest.name} makes no error at all; a ratio is not defined"
                )
    ratio = math.exp(float(np.mean(np.log(means[0] / means[1]))))
    first, second = (loss / mean[:, None] for loss, mean in zip(losses, means, strict=True))
    span, origins = _span(a, leads), losses[0].shape[1]
    half, effective = half_width((first - second).mean(axis=0), span, level)
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    needed = math.ceil(LEAST_SPANS * span)
    # Of two that make the same errors everywhere nothing is unsure.
    enough = half == 0 or (origins >= needed and effective >= LEAST_WORTH)
    verdict: Verdict = _verdict(low, high) if enough else "not settled"
    return Paired(a.name, b.name, ratio, low, high, level, verdict, origins, effective, needed)


def compare_by_lead(
    a: Backtest, b: Backtest, *, measure: Measure = "mae", level: float = 0.95
) -> list[Paired]:
    """`compare` for each step ahead by itself.

    Each interval holds for its own lead; that all of them hold at once is less sure.
    """
    return [
        compare(a, b, leads=slice(lead, lead + 1), measure=measure, level=level)
        for lead in range(a.horizon)
    ]


def coverage_interval(
    backtest: Backtest, share: float = 0.8, *, leads: slice | None = None, level: float = 0.95
) -> Share:
    """How much of the truth lay in the central interval for `share`, with an interval for that.

    It is Wilson's [1]_ for as many tries as the hits are worth, with Student's t as in `compare`,
    and has a width also where all or none was inside. How often it calls a right forecaster wrong,
    measured on autoregressions with .8 and .9, 60 and 120 origins, horizons 6 and 24: 0.3 %, in the
    worst case 2 %; of eight series that have half of their noise in common 1 %, at worst 3 %. Of
    single levels, in `reliability_intervals`, 1 % and at worst 8 %; of eight series 4 % and at
    worst 14 %, each time with .9, 60 origins and horizon 24.

    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association 22, 209-212.

    Raises
    ------
    SeriesError
        No quantiles, too few origins, or no such interval among the levels.
    """
    at = _leads(backtest, leads)
    quantiles = _quantiles(backtest)[:, :, at]
    low, high = (quantiles[..., end] for end in metrics.interval(share))
    truth = backtest.truth[:, :, at]
    return _share((low <= truth) & (truth <= high), backtest, leads, share, level)


def reliability_intervals(
    backtest: Backtest, *, leads: slice | None = None, level: float = 0.95
) -> list[Share]:
    """For each of the 19 levels how much of the truth lay at or below its quantile.

    Each interval holds for its own level; that all of them hold at once is less sure.
    """
    at = _leads(backtest, leads)
    below = backtest.truth[:, :, at, None] <= _quantiles(backtest)[:, :, at]
    return [
        _share(below[..., number], backtest, leads, nominal, level)
        for number, nominal in enumerate(metrics.LEVELS)
    ]


def half_width(values: Array, span: float, level: float = 0.95) -> tuple[float, float]:
    """Half the width of the interval for the mean of `values`, and how many independent ones it is.

    Parameters
    ----------
    values
        Shape (n,), in the order of time.
    span
        Over how many neighbours values hang together: w above.

    Raises
    ------
    SeriesError
        Fewer than `LEAST_ORIGINS` values.
    """
    count = values.size
    variance, long_run, cosines = _long_run(values, span)
    if variance == 0:
        return 0.0, float(count)
    quantile = student_quantile((1 + level) / 2, cosines)
    return quantile * math.sqrt(long_run / count), count * variance / long_run


def _long_run(values: Array, span: float) -> tuple[float, float, int]:
    """The variance of `values`, their long-run variance, and how many cosines that is from.

    Values that are all the same, but for rounding, have none.
    """
    count = values.size
    if count < LEAST_ORIGINS:
        raise SeriesError(
            f"{count} origins say nothing about how much they vary; at least {LEAST_ORIGINS} are "
            "needed, and 60 or more are usual"
        )
    cosines = min(COSINES, max(2, count // 10))
    rest = values - values.mean()
    variance = float(np.mean(np.square(rest)))
    if variance <= (1e-12 * max(1.0, float(np.abs(values).max()))) ** 2:
        return 0.0, 0.0, cosines
    time = (np.arange(count) + 0.5) / count
    waves = math.sqrt(2 / count) * np.cos(np.pi * np.outer(np.arange(1, cosines + 1), time))
    long_run = float(np.mean(np.square(waves @ rest)))
    # Also what varies slowly, more slowly than can be seen in so short a time, is part of it.
    long_run /= (1 - min(span / count, MOST_SPAN)) ** 2
    # Neighbours that pull apart are no reason to believe in more tries than there were.
    return variance, max(long_run, variance), cosines


def student_quantile(probability: float, dof: int) -> float:
    """Student's t distribution: where `probability`, above one half, lies below.

    The distribution function for whole degrees of freedom is a finite sum (Abramowitz and Stegun
    26.7.3 and 26.7.4); this halves the interval in which it must be.

    Examples
    --------
    >>> round(student_quantile(0.975, 4), 4)
    2.7764
    """
    if not 0.5 < probability < 1:
        raise ValueError(f"probability is {probability}; it must lie between 0.5 and 1")

    def below(angle: float) -> float:
        sine, square = math.sin(angle), math.cos(angle) ** 2
        odd = dof % 2
        term = total = math.cos(angle) if odd else 1.0
        for number in range(2 + odd, dof - 1, 2):
            term *= square * (number - 1) / number
            total += term
        if not odd:
            return (1 + sine * total) / 2
        return 0.5 + (angle + (sine * total if dof > 1 else 0.0)) / math.pi

    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < probability else (low, middle)
    return math.sqrt(dof) * math.tan(low)


def _verdict(low: float, high: float) -> Verdict:
    if low >= 1 - TIE and high <= 1 + TIE:
        return "tie"
    if high < 1:
        return "better"
    return "worse" if low > 1 else "not settled"


def _leads(backtest: Backtest, leads: slice | None) -> slice:
    chosen = slice(None) if leads is None else leads
    if not len(range(backtest.horizon)[chosen]):
        raise SeriesError(f"no lead is left: the horizon is {backtest.horizon}, leads are {leads}")
    return chosen


def _span(backtest: Backtest, leads: slice | None) -> float:
    """Over how many origins errors hang together: what horizons share, and `PERSISTENCE`."""
    furthest = max(range(backtest.horizon)[_leads(backtest, leads)]) + 1
    return (furthest + PERSISTENCE) / _step(backtest)


def _step(backtest: Backtest) -> int:
    """How far apart the origins are."""
    places = backtest.origins[0]
    return max(1, int(places[1] - places[0])) if places.size > 1 else 1


def _loss(backtest: Backtest, leads: slice | None, measure: Measure) -> Array:
    """Mean loss over the leads, in units of the MASE's scale: shape (series, origins)."""
    at = _leads(backtest, leads)
    truth = backtest.truth[:, :, at]
    if measure == "mae" or backtest.quantiles is None:
        loss = np.abs(truth - backtest.point[:, :, at])
    elif measure == "wql":
        loss = 2 * metrics.pinball(truth, backtest.quantiles[:, :, at]).mean(axis=-1)
    if measure not in ("mae", "wql"):
        raise SeriesError(f"measure is {measure!r}; it must be 'mae' or 'wql'")
    return np.asarray(loss.mean(axis=-1) / backtest.scale, dtype=np.float64)


def _quantiles(backtest: Backtest) -> Array:
    if backtest.quantiles is None:
        raise SeriesError(f"{backtest.name} gave no quantiles; coverage needs them")
    return backtest.quantiles


def _share(
    inside: np.ndarray, backtest: Backtest, leads: slice | None, nominal: float, level: float
) -> Share:
    by_origin = inside.mean(axis=(0, 2))
    _, long_run, cosines = _long_run(by_origin, _span(backtest, leads))
    count, share = by_origin.size, float(by_origin.mean())
    # Of one try, hit or miss.
    variance = share * (1 - share)
    # A month that several series share is one try, unless they go their own ways.
    together = min(1.0, float(inside.mean(axis=0).var()) / variance) if variance else 1.0
    step = _step(backtest)
    spells = step / SPELL if step < SPELL else max(1.0, min(step, inside.shape[2]) / SPELL)
    effective = count * spells / max(together, 1 / len(inside))
    if long_run:
        effective = min(effective, count * variance / long_run)
    low, high = _wilson(share, effective, student_quantile((1 + level) / 2, cosines))
    return Share(share, low, high, nominal, count, effective)


def _wilson(share: float, count: float, quantile: float) -> tuple[float, float]:
    """All shares from which `share` is no more than `quantile` standard errors away.

    >>> [round(each, 3) for each in _wilson(1.0, 10, 1.96)]
    [0.722, 1.0]
    """
    wide = quantile**2 / count
    middle = (share + wide / 2) / (1 + wide)
    half = math.sqrt(wide * share * (1 - share) + wide**2 / 4) / (1 + wide)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
