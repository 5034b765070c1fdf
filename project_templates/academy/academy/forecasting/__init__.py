"""Forecasting: panels of series, rivals to beat, and what a forecast is worth.

What needs torch stands apart, so that measuring does not: `academy.forecasting.models.baseline`,
`academy.forecasting.models.quantiles`.
"""

from academy.forecasting.data import calendar_features
from academy.forecasting.data.panel import About, Panel
from academy.forecasting.data.reading import read_csv, read_grid
from academy.forecasting.data.series import SeriesError
from academy.forecasting.data.windows import Windows, holdout, windows
from academy.forecasting.evaluation import leakage
from academy.forecasting.evaluation.backtesting import Backtest, backtest, one_by_one
from academy.forecasting.evaluation.comparing import Paired, compare, compare_by_lead
from academy.forecasting.evaluation.metrics import (
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
from academy.forecasting.evaluation.scores import Scoreboard
from academy.forecasting.naive import (
    climatology,
    damped_anomaly,
    seasonal_naive,
    seasonal_naive_drift,
)
from academy.forecasting.rivals import RIVALS

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
