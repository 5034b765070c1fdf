"""Intervals of paired forecasts: how often they hold the truth, ours beside the usual ones.

    python -m benchmarks.forecast_intervals [--rounds 1000] [--origins 60 120 240] [--seed 2]
    python -m benchmarks.forecast_intervals --choose --rounds 1500 --seed 1

Series are simulated, two forecasters forecast them from origins one step apart, and the ratio of
their losses gets an interval for 95 %. What the ratio is in the long run is known from a simulation
of more than a million origins. Two tables for each number of origins and each horizon:

- coverage: the mean over the worlds, and in brackets the worst of them. .95 is right.
- width: by how much the interval's upper end exceeds the ratio; median over the rounds, geometric
  mean over the worlds. What does not cover has no claim to be narrow.

`--worlds` tells ours world by world, too, and how often it says "better" or "worse" where that is
wrong. Three worlds are only there: two forecasters that differ in level alone, in a series that
stays for long on one side of its mean. They were made to be missed, and are the worst that we know.

`--choose` is how the constants of `academy.forecasting.evaluation.comparing` were found, on the
worlds of the first table: of 175 combinations the one whose intervals are narrowest and held at
least .90 in each of 108 cases, nine worlds by horizons by numbers of origins. The *fresh* worlds
had no part in it.
numpy, scipy and rich are needed.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import signal, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project_templates" / "academy"))

from academy.forecasting.evaluation import comparing

Values = np.ndarray[Any, np.dtype[np.float64]]
#: From now's value, steps ahead, and the value a whole number of years before: a forecast.
Forecast = Callable[[Values, int, Values], Values]

HORIZONS = (1, 6, 12, 24)
YEAR = 12
BURN_IN = 400
LEVEL = 0.95
RESAMPLES = 400
#: Constants that are tried: COSINES, PERSISTENCE, MOST_SPAN.
CHOICES = tuple(
    itertools.product((3, 4, 5, 6, 7, 8, 10), (6, 12, 18, 24, 30), (0.3, 0.35, 0.4, 0.45, 0.5))
)
NORMAL = 1.959964


# --- worlds ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class World:
    """Departures from a season: how they are drawn, (rounds, series, steps); two forecasters."""

    name: str
    fresh: bool
    draw: Callable[[np.random.Generator, int, int], Values]
    first: Forecast
    second: Forecast
    hard: bool = False
    """Made to be missed: it stands apart in the tables."""


def noise(rng: np.random.Generator, rounds: int, series: int, steps: int) -> Values:
    """Half of each series' variance is common to all."""
    own = rng.normal(size=(rounds, series, steps))
    if series == 1:
        return own
    return math.sqrt(0.5) * own + math.sqrt(0.5) * rng.normal(size=(rounds, 1, steps))


def autoregression(values: Values, *weights: float) -> Values:
    """Without its first `BURN_IN` steps."""
    return signal.lfilter([1.0], [1.0, *(-w for w in weights)], values, axis=-1)[..., BURN_IN:]


def simple(weight: float, series: int = 1) -> Callable[[np.random.Generator, int, int], Values]:
    def draw(rng: np.random.Generator, rounds: int, steps: int) -> Values:
        return autoregression(noise(rng, rounds, series, steps + BURN_IN), weight)

    return draw


def heavy(rng: np.random.Generator, rounds: int, steps: int) -> Values:
    values = rng.standard_t(4, size=(rounds, 1, steps + BURN_IN))
    return autoregression(values, 0.9)


def calm_and_storm(rng: np.random.Generator, rounds: int, steps: int) -> Values:
    """Noise whose own spread comes and goes over years."""
    size = signal.lfilter([0.2], [1.0, -0.95], rng.normal(size=(rounds, 1, steps + BURN_IN)))
    return autoregression(np.exp(size) * rng.normal(size=size.shape), 0.8)


def skewed(rng: np.random.Generator, rounds: int, steps: int) -> Values:
    values = rng.exponential(size=(rounds, 1, steps + BURN_IN)) - 1
    return autoregression(values, 0.9)


def four_years(rng: np.random.Generator, rounds: int, steps: int) -> Values:
    """Swings to and fro in about four years, as El Niño does, under noise."""
    turn = 2 * 0.94 * math.cos(2 * math.pi / 48)
    swing = autoregression(noise(rng, rounds, 1, steps + BURN_IN), turn, -(0.94**2))
    return swing / 6 + 0.5 * rng.normal(size=swing.shape)


def slow_and_fast(rng: np.random.Generator, rounds: int, steps: int) -> Values:
    slow = autoregression(noise(rng, rounds, 1, steps + BURN_IN), 0.97) / 4
    return slow + autoregression(noise(rng, rounds, 1, steps + BURN_IN), 0.5)


def three_of_a_kind(rng: np.random.Generator, rounds: int, steps: int) -> Values:
    common = noise(rng, rounds, 3, steps + BURN_IN)
    parts = [autoregression(common[:, at : at + 1], w) for at, w in enumerate((0.95, 0.8, 0.5))]
    return np.concatenate(parts, axis=1)


def damped(rate: float, bias: float = 0.0) -> Forecast:
    return lambda now, ahead, _: rate**ahead * now + bias


def climatology(now: Values, _: int, __: Values) -> Values:
    return np.zeros_like(now)


def level(bias: float) -> Forecast:
    return lambda now, _, __: np.full_like(now, bias)


def seasonal_naive(_: Values, __: int, year_before: Values) -> Values:
    return year_before


WORLDS = (
    World("damped .7 / climatology", False, simple(0.7), damped(0.7), climatology),
    World("damped .9 / climatology", False, simple(0.9), damped(0.9), climatology),
    World("damped .95 / climatology", False, simple(0.95), damped(0.95), climatology),
    World("damped .9 / damped .8", False, simple(0.9), damped(0.9), damped(0.8)),
    World("climatology / seasonal naive", False, simple(0.9), climatology, seasonal_naive),
    World("heavy tails", False, heavy, damped(0.9), climatology),
    World("calm and storm", False, calm_and_storm, damped(0.8), climatology),
    World("eight series", False, simple(0.9, 8), damped(0.9), climatology),
    World("eight series, one biased", False, simple(0.9, 8), damped(0.7, 0.5), damped(0.9)),
    World(
        "equally good: biased up / down", True, simple(0.85), damped(0.85, 0.4), damped(0.85, -0.4)
    ),
    World("skewed", True, skewed, damped(0.9), climatology),
    World("four-year swing", True, four_years, damped(0.85), climatology),
    World("slow and fast", True, slow_and_fast, damped(0.9), damped(0.5)),
    World("three series, climatology / naive", True, three_of_a_kind, climatology, seasonal_naive),
    # Forecasters that differ in level alone, half a spread too high and as much too low: whole
    # years favour the one, and the next ones the other.
    *(
        World(
            f"levels apart, persistence {weight}",
            True,
            simple(weight),
            level(0.5 / math.sqrt(1 - weight**2)),
            level(-0.5 / math.sqrt(1 - weight**2)),
            hard=True,
        )
        for weight in (0.8, 0.9, 0.95)
    ),
)


def losses(values: Values, horizon: int, origins: int, forecast: Forecast) -> Values:
    """Mean absolute error over the horizon at each origin: (rounds, series, origins)."""
    first = 2 * YEAR
    total = np.zeros((*values.shape[:2], origins))
    for ahead in range(1, horizon + 1):
        back = first + ahead - YEAR * -(-ahead // YEAR)
        said = forecast(
            values[..., first : first + origins], ahead, values[..., back : back + origins]
        )
        total += np.abs(values[..., first + ahead :][..., :origins] - said)
    return total / horizon


def in_the_long_run(world: World, horizon: int, rng: np.random.Generator) -> float:
    """The logarithm of the ratio, from 60 x 20,000 origins."""
    values = world.draw(rng, 60, 20_000 + horizon + 2 * YEAR)
    first, second = (
        losses(values, horizon, 20_000, each).mean(axis=(0, 2))
        for each in (world.first, world.second)
    )
    return float(np.log(first / second).mean())


# --- methods --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Pair:
    """Losses of the two, (rounds, series, origins), and what most methods need of them."""

    first: Values
    second: Values
    horizon: int

    @property
    def log_ratio(self) -> Values:
        return np.log(self.first.mean(-1) / self.second.mean(-1)).mean(1)

    @property
    def psi(self) -> Values:
        """As `comparing` has it: (rounds, origins)."""
        a, b = (each / each.mean(-1, keepdims=True) for each in (self.first, self.second))
        return (a - b).mean(1)


Interval = tuple[Values, Values]


def around(pair: Pair, half: Values) -> Interval:
    return pair.log_ratio - half, pair.log_ratio + half


def autocovariances(psi: Values, lags: int) -> Values:
    """(lags, rounds), divided by the number of origins."""
    count = psi.shape[1]
    return np.stack([(psi[:, lag:] * psi[:, : count - lag]).sum(1) / count for lag in range(lags)])


def bartlett(psi: Values, width: float) -> Values:
    found = autocovariances(psi, min(math.ceil(width), psi.shape[1]))
    weights = np.maximum(0, 1 - np.arange(len(found)) / width)
    return np.maximum(found[0] + 2 * (weights[1:, None] * found[1:]).sum(0), 1e-300)


def independent(pair: Pair) -> Interval:
    psi, count = pair.psi, pair.psi.shape[1]
    return around(pair, stats.t.ppf(0.975, count - 1) * psi.std(1, ddof=1) / math.sqrt(count))


def newey_west(pair: Pair) -> Interval:
    """Bartlett weights up to the horizon, and the normal distribution."""
    psi = pair.psi
    return around(pair, NORMAL * np.sqrt(bartlett(psi, pair.horizon + 1) / psi.shape[1]))


def harvey_leybourne_newbold(pair: Pair) -> Interval:
    """Diebold and Mariano, corrected for small samples; Bartlett if the variance is negative."""
    psi, ahead = pair.psi, pair.horizon
    count = psi.shape[1]
    found = autocovariances(psi, ahead)
    variance = found[0] + 2 * found[1:].sum(0)
    variance = np.where(variance > 0, variance, bartlett(psi, ahead))
    correction = (count + 1 - 2 * ahead + ahead * (ahead - 1) / count) / count
    return around(pair, stats.t.ppf(0.975, count - 1) * np.sqrt(variance / count / correction))


def fixed_b(pair: Pair) -> Interval:
    """Kiefer and Vogelsang (2005): Bartlett over a quarter of the origins, or two horizons."""
    psi = pair.psi
    count = psi.shape[1]
    share = min(1.0, max(0.25, 2 * pair.horizon / count))
    critical = 1.96 + 2.9694 * share + 0.416 * share**2 - 0.5324 * share**3
    return around(pair, critical * np.sqrt(bartlett(psi, share * count) / count))


def cosines(pair: Pair) -> Interval:
    """Equal-weighted cosines as Lazarus et al. (2018) recommend, .4 n^(2/3) of them."""
    psi = pair.psi
    count = psi.shape[1]
    number = int(0.4 * count ** (2 / 3))
    steps = (np.arange(count) + 0.5) / count
    waves = np.sqrt(2 / count) * np.cos(np.pi * np.outer(np.arange(1, number + 1), steps))
    long_run = np.square(psi @ waves.T).mean(1)
    return around(pair, stats.t.ppf(0.975, number) * np.sqrt(long_run / count))


def ours(pair: Pair) -> Interval:
    span = pair.horizon + comparing.PERSISTENCE
    return around(pair, np.array([comparing.half_width(row, span, LEVEL)[0] for row in pair.psi]))


def settled(pair: Pair) -> Values:
    """Whether `comparing.compare` says more than "not settled" of an interval on one side of 1."""
    span = pair.horizon + comparing.PERSISTENCE
    if pair.psi.shape[1] < comparing.LEAST_SPANS * span:
        return np.zeros(len(pair.psi), dtype=bool)
    worth = np.array([comparing.half_width(row, span, LEVEL)[1] for row in pair.psi])
    return worth >= comparing.LEAST_WORTH


def blocks(kind: str, count: int, length: int, rng: np.random.Generator) -> Values:
    """How often each origin stands in each resample: (resamples, origins)."""
    rows = []
    for _ in range(RESAMPLES):
        if kind == "stationary":
            begins = rng.random(count) < 1 / length
            begins[0] = True
            starts = rng.integers(0, count, count)[np.cumsum(begins) - 1]
            ages = np.arange(count) - np.maximum.accumulate(np.where(begins, np.arange(count), 0))
            chosen = (starts + ages) % count
        else:
            room = count if kind == "circular" else count - length + 1
            starts = rng.integers(0, room, -(-count // length))
            chosen = ((starts[:, None] + np.arange(length)).ravel() % count)[:count]
        rows.append(np.bincount(chosen, minlength=count))
    return np.array(rows, dtype=np.float64)


def bootstrap(kind: str) -> Callable[[Pair], Interval]:
    def found(pair: Pair) -> Interval:
        count = pair.first.shape[-1]
        length = min(count // 2, max(pair.horizon, round(count ** (1 / 3))))
        # The same resamples for every round: rounds are independent all the same.
        weights = blocks(kind, count, length, np.random.default_rng(count + length)).T
        ratios = np.log((pair.first @ weights) / (pair.second @ weights)).mean(1)
        low, high = np.quantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=-1)
        return low, high

    return found


METHODS: dict[str, Callable[[Pair], Interval]] = {
    "as if independent": independent,
    "moving blocks": bootstrap("moving"),
    "circular blocks": bootstrap("circular"),
    "stationary bootstrap": bootstrap("stationary"),
    "Newey-West": newey_west,
    "Harvey-Leybourne-Newbold": harvey_leybourne_newbold,
    "fixed-b (Kiefer-Vogelsang)": fixed_b,
    "cosines (Lazarus et al.)": cosines,
    "academy.comparing": ours,
}


# --- measured -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Found:
    method: str
    world: World
    origins: int
    horizon: int
    coverage: float
    half_width: float
    verdict: float
    """How often `academy.comparing` says better or worse."""
    false: float
    """How often it says the wrong one, or either where the two are equally good."""


def measure(origins: Sequence[int], rounds: int, seed: int) -> Iterator[Found]:
    for number, world in enumerate(WORLDS):
        for horizon in HORIZONS:
            rng = np.random.default_rng([seed, number, horizon])
            truth = in_the_long_run(world, horizon, rng)
            for count in origins:
                values = world.draw(rng, rounds, count + horizon + 2 * YEAR)
                pair = Pair(
                    losses(values, horizon, count, world.first),
                    losses(values, horizon, count, world.second),
                    horizon,
                )
                spoken = settled(pair)
                for name, method in METHODS.items():
                    low, high = method(pair)
                    held = float(np.mean((low <= truth) & (truth <= high)))
                    width = float(np.median(high - low)) / 2
                    said = spoken * (np.sign(low) == np.sign(high)) * np.sign(low)
                    # The long run of two that are equally good is not 0 to the last digit.
                    right = 0.0 if abs(truth) < 0.01 else np.sign(truth)
                    false = float(np.mean((said != 0) & (said != right)))
                    given = float(np.mean(said != 0))
                    yield Found(name, world, count, horizon, held, width, given, false)


def choose(origins: Sequence[int], rounds: int, seed: int) -> Table:
    """The combinations of constants that held in every case, narrowest first; `CHOICES` are tried.

    As `comparing.half_width`, for many rounds at once.
    """
    held: dict[tuple[int, int, float], list[float]] = {each: [] for each in CHOICES}
    widths: dict[tuple[int, int, float], list[float]] = {each: [] for each in CHOICES}
    for number, world in enumerate(WORLDS):
        if world.fresh or world.hard:
            continue
        for horizon in HORIZONS:
            rng = np.random.default_rng([seed, number, horizon])
            truth = in_the_long_run(world, horizon, rng)
            for count in origins:
                values = world.draw(rng, rounds, count + horizon + 2 * YEAR)
                first, second = (
                    losses(values, horizon, count, each) for each in (world.first, world.second)
                )
                pair = Pair(first, second, horizon)
                rest = pair.psi - pair.psi.mean(1, keepdims=True)
                off = np.abs(pair.log_ratio - truth)
                times = (np.arange(count) + 0.5) / count
                waves = np.cos(np.pi * np.outer(np.arange(1, 11), times)) * math.sqrt(2 / count)
                squares = np.square(rest @ waves.T)
                for choice in CHOICES:
                    cosines, persistence, most = choice
                    number_used = min(cosines, max(2, count // 10))
                    long_run = squares[:, :number_used].mean(1)
                    long_run /= (1 - min((horizon + persistence) / count, most)) ** 2
                    long_run = np.maximum(long_run, np.square(rest).mean(1))
                    half = stats.t.ppf(0.975, number_used) * np.sqrt(long_run / count)
                    held[choice].append(float((off <= half).mean()))
                    widths[choice].append(float(np.median(half)))
    table = Table(title="held at least .90 in every case, narrowest first", title_justify="left")
    for column in ("cosines", "persistence", "most span", "mean coverage", "worst", "width"):
        table.add_column(column, justify="right")
    width = {each: math.exp(float(np.mean(np.log(widths[each])))) for each in CHOICES}
    for choice in sorted(
        (each for each in CHOICES if min(held[each]) >= 0.9), key=width.__getitem__
    ):
        mean, worst = float(np.mean(held[choice])), min(held[choice])
        table.add_row(
            *map(str, choice), f"{mean:.3f}", f"{worst:.3f}", f"±{math.expm1(width[choice]):.1%}"
        )
    return table


def shown(found: Sequence[Found], origins: int, fresh: bool) -> Table:
    of = "fresh worlds" if fresh else "worlds that the constants were chosen on"
    table = Table(
        title=f"{origins} origins, {of}: mean coverage (worst), width", title_justify="left"
    )
    table.add_column("method")
    for horizon in HORIZONS:
        table.add_column(f"horizon {horizon}", justify="right")
    for name in METHODS:
        cells = []
        for horizon in HORIZONS:
            these = [
                each
                for each in found
                if (each.method, each.origins, each.horizon, each.world.fresh)
                == (name, origins, horizon, fresh)
                and not each.world.hard
            ]
            held = [each.coverage for each in these]
            width = math.exp(float(np.mean(np.log([each.half_width for each in these]))))
            cells.append(f"{float(np.mean(held)):.3f} ({min(held):.3f}) ±{math.expm1(width):.0%}")
        table.add_row(name, *cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--origins", type=int, nargs="+", default=[60, 120, 240])
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--worlds", action="store_true", help="our coverage world by world, too")
    parser.add_argument("--choose", action="store_true", help="look for our constants instead")
    chosen = parser.parse_args()
    console = Console(width=130)
    began = time.perf_counter()
    if chosen.choose:
        console.print(choose(chosen.origins, chosen.rounds, chosen.seed))
        console.print(f"{chosen.rounds} rounds, {time.perf_counter() - began:.0f} s")
        return
    found = list(measure(chosen.origins, chosen.rounds, chosen.seed))
    for origins in chosen.origins:
        for fresh in (False, True):
            console.print(shown(found, origins, fresh))
    if chosen.worlds:
        title = "academy.comparing, world by world: coverage; better or worse said (and wrongly)"
        table = Table(title=title, title_justify="left")
        for column in ("world", "origins", *(f"horizon {each}" for each in HORIZONS)):
            table.add_column(column)
        for world in WORLDS:
            for origins in chosen.origins:
                mine = [
                    f"{each.coverage:.3f}; {each.verdict:.2f} ({each.false:.3f})"
                    for each in found
                    if (each.method, each.world, each.origins)
                    == ("academy.comparing", world, origins)
                ]
                table.add_row(world.name, str(origins), *mine)
        console.print(table)
    console.print(f"{chosen.rounds} rounds, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
