"""Figures of series, forecasts and scores: one look, one colour for each method, honest bands.

Each function makes a figure or draws into axes that it is given, and gives it back. The style is
`academy.figures`'s. Needs matplotlib, which spaces have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from academy.figures import MODEL, MUTED, NAIVE, PAST, TRUTH
from academy.forecasting.comparison_figures import (
    COLOURS,
    MARKERS,
    by_origin,
    colour,
    forest,
    ratios,
    skill_by_lead,
)
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import Array, SeriesError, as_series
from academy.forecasting.evaluation import metrics
from academy.forecasting.evaluation.comparing import Share, reliability_intervals
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.evaluation.results import Backtest
from academy.forecasting.naive import fit_climatology

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "acf",
    "autocorrelation",
    "by_origin",
    "colour",
    "dates",
    "decomposition",
    "fan",
    "forest",
    "label",
    "ratios",
    "reliability",
    "series",
    "skill_by_lead",
]

#: Above and below what is usual.
WARM, COLD = "#c8643c", PAST


def dates(panel: Mapping[str, Array], name: str) -> Array:
    """Where each step of a series stands on a time axis: years, or step numbers without dates.

    Examples
    --------
    >>> dates(Panel.of({"a": [1, 2]}, frequency="month", starts="1999-12"), "a").round(2)
    array([1999.92, 2000.  ])
    """
    count = len(panel[name])
    start = panel.start(name) if isinstance(panel, Panel) else None
    if start is None or not isinstance(panel, Panel):
        return np.arange(count, dtype=np.float64)
    first = int(start[:4])
    if panel.frequency == "month":
        return first + (int(start[5:7]) - 1 + np.arange(count)) / 12
    if panel.frequency == "year":
        return first + np.arange(count, dtype=np.float64)
    from datetime import date

    day = date.fromisoformat(start).timetuple().tm_yday - 1
    return first + (day + np.arange(count) * (7 if panel.frequency == "week" else 1)) / 365.25


def label(panel: Mapping[str, Array], name: str) -> str:
    """The unit of a series for an axis; empty if it has none."""
    unit = panel.about(name).unit if isinstance(panel, Panel) else ""
    return {"degree Celsius": "°C", "1": "index", "K": "K"}.get(unit, unit)


# --- looking at series ----------------------------------------------------------------------------
def series(panel: Mapping[str, Array], names: Iterable[str] | None = None) -> Figure:
    """The series one below the other, on one time axis if they have dates."""
    import matplotlib.pyplot as plt

    shown = list(panel if names is None else names)
    figure: Figure = plt.figure(figsize=(10.5, 1.75 * len(shown) + 0.3), layout="constrained")
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, shown, strict=True):
        axis.plot(dates(panel, name), panel[name], color=PAST, linewidth=0.9)
        title = panel.about(name).title if isinstance(panel, Panel) else ""
        axis.set_title(f"{name}: {title}" if title and title != name else name)
        axis.set_ylabel(label(panel, name))
        axis.margins(x=0.01)
    return figure


def decomposition(
    values: npt.ArrayLike,
    season: int = 12,
    *,
    times: npt.ArrayLike | None = None,
    title: str = "",
    unit: str = "",
) -> Figure:
    """A series as straight line, mean season, and the departures that are left of it.

    All of it is fitted to all of `values`: a picture to look at, and nothing to forecast with.

    Parameters
    ----------
    values
        Shape (n,), at least two seasons.
    times
        Where its steps stand on the time axis, shape (n,), such as `dates` gives.
    """
    import matplotlib.pyplot as plt

    known = as_series(values, title or "series", least=2 * season)
    where = np.arange(known.size) if times is None else np.asarray(times, dtype=np.float64)
    usual = fit_climatology(known, 0, season, 1)[: known.size]
    # A season's mean of the fit is the line alone.
    line = np.polyval(np.polyfit(where, usual, 1), where)
    month = np.arange(known.size) % season
    typical = np.array([(usual - line)[month == at].mean() for at in range(season)])
    departure = known - usual

    figure: Figure = plt.figure(figsize=(10.5, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(2.6, 1))
    top, side = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    below = figure.add_subplot(grid[1, :])
    top.plot(where, known, color=PAST, linewidth=0.9)
    top.plot(where, line, color=NAIVE, linewidth=1.8)
    top.set(title=f"{title}: the series, and its line" if title else "the series, and its line")
    top.set_ylabel(unit)
    spread = np.array([departure[month == at].std() for at in range(season)])
    steps = np.arange(1, season + 1)
    calendar = season == 12 and known.size > 1 and np.allclose(np.diff(where), 1 / 12)
    if calendar:  # January first, whenever the series begins
        first = round(12 * float(where[0])) % 12
        typical, spread = np.roll(typical, first), np.roll(spread, first)
    side.fill_between(
        steps, typical - spread, typical + spread, color=MUTED, alpha=0.3, linewidth=0
    )
    side.plot(steps, typical, color=MODEL, marker="o", markersize=4)
    side.set_xticks(sorted({1, *range(3, season + 1, 3)}) if season <= 12 else [1, season])
    side.set_title("its season, ± departures")
    side.set_xlabel("month of the year" if calendar else "step of the season")
    below.fill_between(
        where, departure, 0, where=(departure >= 0).tolist(), color=WARM, linewidth=0
    )
    below.fill_between(where, departure, 0, where=(departure < 0).tolist(), color=COLD, linewidth=0)
    below.axhline(0, color=MUTED, linewidth=1)
    below.set_title("what is left: departures from line and season")
    below.set_ylabel(unit)
    for axis in (top, below):
        axis.margins(x=0.01)
    return figure


def autocorrelation(values: npt.ArrayLike, lags: int = 36) -> Array:
    """Correlation of a series with itself 0, 1, … `lags` steps later, shape (lags + 1,).

    The usual estimate, which divides by n throughout (Brockwell and Davis 1991, section 7.2).

    Raises
    ------
    SeriesError
        The series is constant, or has no more than `lags` values.
    """
    known = as_series(values, least=lags + 1)
    rest = known - known.mean()
    power = float(rest @ rest)
    if power <= 1e-20 * known.size * max(1.0, float(np.abs(known).max())) ** 2:
        raise SeriesError("the series is constant: it has no correlation with itself")
    found = [float(rest[lag:] @ rest[: rest.size - lag]) for lag in range(lags + 1)]
    return np.array(found) / power


def acf(
    departures: Mapping[str, npt.ArrayLike], lags: int = 36, *, axis: Axes | None = None
) -> Axes:
    """How long departures remember: autocorrelation by lag, a line for each series.

    The grey band is where 95 % of the lags of a series without any memory would lie; it is drawn
    for the shortest of them.
    """
    import matplotlib.pyplot as plt

    if axis is None:
        axis = plt.figure(figsize=(7.2, 3.2), layout="constrained").add_subplot()
    sizes = [len(np.asarray(values)) for values in departures.values()]
    noise = 1.96 / math.sqrt(min(sizes))
    axis.axhspan(-noise, noise, color=MUTED, alpha=0.22, linewidth=0, label="no memory")
    axis.axhline(0, color=MUTED, linewidth=1)
    for (name, values), marker in zip(departures.items(), MARKERS * 3, strict=False):
        axis.plot(autocorrelation(values, lags), marker=marker, markersize=3, label=name)
    axis.set(xlabel="months later", ylabel="correlation", xlim=(0, lags), ylim=(-0.45, 1.02))
    axis.set_xticks(range(0, lags + 1, 6))
    axis.legend(ncols=2, fontsize=9)
    return axis


# --- how sure -------------------------------------------------------------------------------------
def fan(
    axis: Axes,
    past: npt.ArrayLike,
    quantiles: npt.ArrayLike,
    *,
    truth: npt.ArrayLike | None = None,
    times: npt.ArrayLike | None = None,
    shown: int = 60,
    shade: str = MODEL,
    labels: bool = True,
) -> Axes:
    """A past and the fan that follows it: median, and the central 50 %, 80 % and 90 %.

    Parameters
    ----------
    past
        Shape (n,); its last `shown` values are drawn.
    quantiles
        Shape (horizon, 19), at `academy.forecasting.evaluation.metrics.LEVELS`.
    truth
        Shape (horizon,): what came, if it is known.
    times
        Where past and future stand on the time axis, shape (n + horizon,) or more; without it the
        steps are counted.
    """
    known, bands = as_series(past, "past"), np.asarray(quantiles, dtype=np.float64)
    if bands.ndim != 2 or bands.shape[1] != len(LEVELS):
        raise SeriesError(
            f"quantiles have the shape {bands.shape}; expected (horizon, {len(LEVELS)})"
        )
    count, horizon = known.size, bands.shape[0]
    where = np.arange(count + horizon) if times is None else np.asarray(times, dtype=np.float64)
    first = max(0, count - shown)
    # From the last known value on, so that no gap looks like missing steps.
    bands = np.vstack([np.full(bands.shape[1], known[-1]), bands])
    ahead = where[count - 1 : count + horizon]
    for share, alpha in ((0.9, 0.16), (0.8, 0.22), (0.5, 0.32)):
        low, high = metrics.interval(share)
        axis.fill_between(
            ahead,
            bands[:, low],
            bands[:, high],
            color=shade,
            alpha=alpha,
            linewidth=0,
            label=f"{share:.0%}" if labels else None,
        )
    axis.plot(where[first:count], known[first:], color=PAST, linewidth=1.2)
    axis.plot(ahead, bands[:, MEDIAN], color=shade, label="median" if labels else None)
    if truth is not None:
        came = np.concatenate([[known[-1]], as_series(truth, "truth")])
        axis.plot(ahead, came, color=TRUTH, linewidth=1.3, label="what came" if labels else None)
    axis.axvline(where[count - 1], color=MUTED, linewidth=1, linestyle=":")
    axis.margins(x=0.01)
    return axis


def reliability(backtests: Iterable[Backtest], *, axis: Axes | None = None) -> Axes:
    """How often what came lay below each quantile, beside how often it should have.

    On the diagonal a forecast means what it says. Bars are 95 % intervals that know how few
    independent tries there were; each holds for its own level.
    """
    import matplotlib.pyplot as plt

    if axis is None:
        axis = plt.figure(figsize=(4.9, 4.4), layout="constrained").add_subplot()
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2)
    shown = list(backtests)
    for place, (each, marker) in enumerate(zip(shown, MARKERS * 3, strict=False)):
        found: list[Share] = reliability_intervals(each)
        shade = colour(each.name, [other.name for other in shown])
        observed = np.array([share.share for share in found])
        away = np.array([[s.share - s.low for s in found], [s.high - s.share for s in found]])
        axis.errorbar(
            np.array(LEVELS) + 0.006 * (place - (len(shown) - 1) / 2),
            observed,
            np.maximum(away, 0),
            color=shade,
            ecolor=shade,
            elinewidth=0.9,
            marker=marker,
            markersize=4,
            linewidth=1.3,
            label=each.name,
        )
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axis.set(xlabel="the quantile's level", ylabel="what came lay below it")
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axis.set_xticks(ticks, [f"{t:.0%}" for t in ticks])
    axis.set_yticks(ticks, [f"{t:.0%}" for t in ticks])
    axis.legend(fontsize=9, loc="upper left")
    return axis
