"""Forecasting: how good is a forecast, windows over series, and simple forecasts to beat.

The torch baseline is in `academy.forecasting.baseline`, apart, so that measuring needs no torch.
"""

from academy.forecasting.metrics import (
    evaluate,
    geometric_mean,
    mae,
    mase,
    mase_scale,
    relative_mase,
)
from academy.forecasting.naive import (
    climatology,
    damped_anomaly,
    seasonal_naive,
    seasonal_naive_drift,
)
from academy.forecasting.windows import holdout, windows

__all__ = [
    "climatology",
    "damped_anomaly",
    "evaluate",
    "geometric_mean",
    "holdout",
    "mae",
    "mase",
    "mase_scale",
    "relative_mase",
    "seasonal_naive",
    "seasonal_naive_drift",
    "windows",
]
