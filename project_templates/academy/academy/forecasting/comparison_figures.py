"""Figures that compare methods: ratios, single origins, skill by lead, intervals.

They are called through `academy.forecasting.figures`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from academy.figures import INK, MODEL, MUTED, NAIVE, PAST
from academy.forecasting.evaluation.comparing import TIE, Paired, compare_by_lead
from academy.forecasting.evaluation.results import Backtest
from academy.forecasting.evaluation.scores import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What every figure draws a method in. They can be told apart with any colour vision.
COLOURS = {
    "seasonal naive": NAIVE,
    "drift": "#e0b878",
    "climatology": PAST,
    "climatology 30 years": "#7fa6c4",
    "damped anomaly": "#8c4a6b",
    "AutoETS": "#6d6f8f",
    "AutoTheta": "#8f8f6d",
    "AutoARIMA": "#5c7f86",
    "LSTM": "#c0392b",
    "baseline": MODEL,
}
_VERDICTS = {"better": MODEL, "worse": "#c0392b", "tie": PAST, "not settled": MUTED}
_SPARE = ("#c0392b", INK, "#b8860b", "#5f7a61")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")


def colour(name: str, others: Sequence[str] = ()) -> str:
    """A method's colour: by its name, or by how its name begins, as ``LSTM, one scale``.

    Examples
    --------
    >>> colour("baseline") == colour("baseline, wider")
    True
    """
    for known in sorted(COLOURS, key=len, reverse=True):
        if name == known or name.startswith((f"{known},", f"{known}:")):
            return COLOURS[known]
    place = list(others).index(name) if name in others else 0
    return _SPARE[place % len(_SPARE)]


def ratios(
    scores: Iterable[Scores], *, reference: str = "seasonal naive", title: str = ""
) -> Figure:
    """Error relative to the seasonal naive: a row for each method, a panel for each series.

    The axis is logarithmic, since half and double are equally far from one. The last panel is the
    geometric mean over the series.
    """
    import matplotlib.pyplot as plt

    rows = list(scores)
    columns = [*rows[0].series, "all series"] if len(rows[0].series) > 1 else list(rows[0].series)
    named = [each.name for each in rows]
    values = np.array(
        [
            [each.relative_mase if c == "all series" else each[c]["relative MASE"] for c in columns]
            for each in rows
        ]
    )
    # The numbers beside the points need a fifth of the axis at either end.
    ends = np.log([min(float(values.min()), 0.8), max(float(values.max()), 1.25)])
    room = 0.42 * (ends[1] - ends[0])
    low, high = float(np.exp(ends[0] - room)), float(np.exp(ends[1] + room))
    figure: Figure = plt.figure(
        figsize=(max(5.5, 2.5 * len(columns) + 1.2), 0.36 * len(rows) + 1.2), layout="constrained"
    )
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    ticks = [t for t in (0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20, 50) if low < t < high]
    if len(ticks) > 6:
        ticks = [t for t in ticks if t in (0.2, 0.5, 1, 2, 5, 20)]
    for at, (axis, column) in enumerate(zip(axes, columns, strict=True)):
        axis.axvline(1, color=INK, linewidth=1, linestyle=":")
        for place, name in enumerate(named):
            value = float(values[place, at])
            shade = colour(name, named)
            axis.plot([1, value], [place, place], color=shade, linewidth=1.4, alpha=0.5)
            axis.plot(value, place, "o", color=shade, markersize=6.5)
            axis.annotate(
                f"{value:.2f}" if value < 9.95 else f"{value:.0f}",
                (value, place),
                xytext=(6 if value >= 1 else -6, 0),
                textcoords="offset points",
                ha="left" if value >= 1 else "right",
                va="center",
                fontsize=8.5,
            )
        axis.set(xscale="log", xlim=(low, high))
        axis.set_title(column, fontweight="bold" if column == "all series" else "normal")
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axis.minorticks_off()
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(named)), named)
    axes[0].set_ylim(len(named) - 0.4, -0.6)
    figure.supxlabel(f"error relative to the {reference}; left is better", fontsize=10)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def by_origin(
    backtests: Iterable[Backtest], name: str, *, times: npt.ArrayLike | None = None
) -> Axes:
    """The MASE of each single origin of a series: who wins depends on when one asks."""
    import matplotlib.pyplot as plt

    axis: Axes = plt.figure(figsize=(10.5, 2.9), layout="constrained").add_subplot()
    shown = list(backtests)
    for each in shown:
        place = each.names.index(name)
        error = np.abs(each.truth[place] - each.point[place]).mean(axis=1) / each.scale[place]
        where = each.origins[place] if times is None else np.asarray(times)[each.origins[place]]
        shade = colour(each.name, [other.name for other in shown])
        axis.plot(where, error, color=shade, label=f"{each.name}, mean {error.mean():.2f}")
    axis.set(ylabel="MASE of one origin", ylim=(0, None))
    axis.set_xlabel("when the forecast was made")
    axis.margins(x=0.01)
    axis.legend(ncols=len(shown), loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return axis


def skill_by_lead(
    backtests: Iterable[Backtest],
    reference: Backtest,
    *,
    name: str | None = None,
    axis: Axes | None = None,
    interval: str = "",
    title: str = "",
    lowest: float = -0.6,
) -> Axes:
    """How much less error than the reference, for each step ahead.

    Parameters
    ----------
    backtests
        On the same series and origins as `reference`.
    name
        Of one series; without it the geometric mean over all is drawn.
    interval
        The name of the one whose 95 % intervals are drawn as a band; each holds for its own lead.
    lowest
        Where the axis ends below.
    """
    import matplotlib.pyplot as plt

    if axis is None:
        axis = plt.figure(figsize=(7.2, 3.4), layout="constrained").add_subplot()
    if name is not None:
        backtests = [each.only(name) for each in backtests]
        reference = reference.only(name)
    leads = np.arange(1, reference.horizon + 1)
    axis.axhline(0, color=colour(reference.name), linewidth=1.6, label=reference.name)
    shown = list(backtests)
    tops = [0.3]
    for each, marker in zip(shown, MARKERS * 3, strict=False):
        shade = colour(each.name, [other.name for other in shown])
        skill = each.by_lead(reference)
        tops.append(float(skill.max()))
        if each.name == interval:
            pairs = compare_by_lead(each, reference)
            low, high = (np.array([1 - getattr(p, end) for p in pairs]) for end in ("high", "low"))
            axis.fill_between(leads, low, high, color=shade, alpha=0.15, linewidth=0)
            tops.append(float(high.max()))
        axis.plot(leads, skill, color=shade, marker=marker, markersize=3.2, label=each.name)
    axis.set(xlabel="months ahead", ylabel="skill", xlim=(0.5, leads[-1] + 0.5))
    axis.set_ylim(lowest, min(1.0, max(tops) + 0.05))
    axis.set_xticks([1, *range(6, reference.horizon + 1, 6)] if leads[-1] >= 6 else leads)
    if title:
        axis.set_title(title)
    axis.legend(fontsize=9)
    return axis


def forest(pairs: Sequence[Paired], *, naive: Sequence[float] = (), title: str = "") -> Figure:
    """Paired ratios with their intervals, one below the other, and what each one settles.

    Parameters
    ----------
    naive
        Half widths, in the ratio's logarithm, of intervals that take origins for independent; they
        are drawn thin above the honest ones, for comparison.
    """
    import matplotlib.pyplot as plt

    figure: Figure = plt.figure(figsize=(9.2, 0.46 * len(pairs) + 1.1), layout="constrained")
    axis = figure.add_subplot()
    axis.axvspan(1 - TIE, 1 + TIE, color=PAST, alpha=0.12, linewidth=0)
    axis.axvline(1, color=INK, linewidth=1, linestyle=":")
    low = min(0.8, *(pair.low for pair in pairs))
    high = max(1.25, *(pair.high for pair in pairs))
    for place, pair in enumerate(pairs):
        shade = _VERDICTS[pair.verdict]
        axis.plot([pair.low, pair.high], [place, place], color=shade, linewidth=2.6, alpha=0.75)
        axis.plot(pair.ratio, place, "o", color=shade, markersize=7)
        if naive:
            ends = [pair.ratio * math.exp(sign * naive[place]) for sign in (-1, 1)]
            axis.plot(ends, [place - 0.27] * 2, color=INK, linewidth=1.1, marker="|", markersize=5)
        axis.annotate(
            f"{pair.verdict}  (worth about {pair.effective:.0f} of {pair.origins} origins)",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=shade if pair.verdict != "not settled" else INK,
        )
    axis.set(xscale="log", xlim=(low / 1.06, high * 1.06), ylim=(len(pairs) - 0.4, -0.7))
    axis.set_yticks(range(len(pairs)), [f"{pair.name} / {pair.other}" for pair in pairs])
    ticks = [t for t in (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.6, 2, 3) if low <= t <= high]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("ratio of their errors, 95 % interval; the band is ±5 %")
    if title:
        axis.set_title(title)
    return figure
