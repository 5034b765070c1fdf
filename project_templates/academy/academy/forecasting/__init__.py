"""Forecasting: panels of series, rivals to beat, and what a forecast is worth.

What needs torch stands apart, so that measuring does not: `academy.forecasting.baseline`,
`academy.forecasting.quantiles`.
"""

from academy.forecasting import calendar_features, leakage
from academy.forecasting.backtesting import Backtest, backtest, one_by_one
from academy.forecasting.comparing import Paired, compare, compare_by_lead
from academy.forecasting.metrics import (
    LEVELS,
    coverage,
    evaluate,
    geometric_mean,
    mae,
    mase,
    mase_scale,
    pinball,
    relative_mase,
    rmse,
    smape,
    wql,
)
from academy.forecasting.naive import (
    climatology,
    damped_anomaly,
    seasonal_naive,
    seasonal_naive_drift,
)
from academy.forecasting.panel import About, Panel
from academy.forecasting.reading import read_csv, read_grid
from academy.forecasting.rivals import RIVALS
from academy.forecasting.scores import Scoreboard
from academy.forecasting.series import SeriesError
from academy.forecasting.windows import Windows, holdout, windows

__all__ = [
    "LEVELS",
    "RIVALS",
    "About",
    "Backtest",
    "Paired",
    "Panel",
    "Scoreboard",
    "SeriesError",
    "Windows",
    "backtest",
    "calendar_features",
    "climatology",
    "compare",
    "compare_by_lead",
    "coverage",
    "damped_anomaly",
    "evaluate",
    "geometric_mean",
    "holdout",
    "leakage",
    "mae",
    "mase",
    "mase_scale",
    "one_by_one",
    "pinball",
    "read_csv",
    "read_grid",
    "relative_mase",
    "rmse",
    "seasonal_naive",
    "seasonal_naive_drift",
    "smape",
    "windows",
    "wql",
]
