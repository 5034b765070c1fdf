"""One look for all figures; needs matplotlib, which spaces have."""

from __future__ import annotations

from typing import Any

INK = "#22333b"
PAST = "#33658a"
TRUTH = "#22333b"
NAIVE = "#c8843c"
MODEL = "#1a7f5a"
MUTED = "#9aa5ab"


def use_style() -> None:
    """Quiet axes, readable text, the academy's colours."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e5e8ea",
            "grid.linewidth": 0.8,
            "lines.linewidth": 1.6,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "axes.prop_cycle": cycler(color=[PAST, NAIVE, MODEL, "#8c4a6b", MUTED]),
        }
    )


def forecasts(ax: Any, history: Any, lines: Any, *, months: int = 72, truth: Any = None) -> None:
    """Draws a past and forecasts that follow it.

    Parameters
    ----------
    ax
        A matplotlib axes.
    history
        Shape (n,); the last `months` are shown.
    lines
        Forecasts by name: pairs of (values of shape (horizon,), colour).
    truth
        Shape (horizon,): what came, if it is known.
    """
    count = len(history)
    first = max(0, count - months)
    ax.plot(range(first, count), history[first:], color=PAST, label="history")
    ax.axvline(count - 0.5, color=MUTED, linewidth=1, linestyle=":")
    drawn = dict(lines)
    if truth is not None:
        drawn = {"what came": (truth, TRUTH), **drawn}
    for name, (values, color) in drawn.items():
        # From the last known value on, so that no gap looks like missing months.
        joined = [history[-1], *values]
        ax.plot(range(count - 1, count + len(values)), joined, color=color, label=name)
