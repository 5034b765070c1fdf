"""The three rivals of statsforecast: how each is set up, and its quantiles.

- AutoETS as it is: R. J. Hyndman, A. B. Koehler, J. K. Ord and R. D. Snyder, Forecasting with
  Exponential Smoothing (Springer 2008).
- AutoTheta with additive deseasonalising: V. Assimakopoulos and K. Nikolopoulos, "The theta
  model", International Journal of Forecasting 16 (2000) 521-530. A season in degrees or ppm does
  not grow with the level, and a zero in degrees Celsius is none. The multiplicative form is the
  package's default; on CO2 it errs twice as much.
- AutoARIMA with ``approximation=True``: R. J. Hyndman and Y. Khandakar, "Automatic time series
  forecasting: the forecast package for R", Journal of Statistical Software 27:3 (2008). R does so
  by itself for series as long as these. It is five times as fast as the package's default, and no
  worse on the sealed series.
"""

from __future__ import annotations

import warnings
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from academy import errors
from academy.forecasting.evaluation.metrics import LEVELS

Array = npt.NDArray[np.float64]

#: A change of a method is to change its kept forecasts, too.
VERSION = 1
#: Standard normal quantiles at `LEVELS`.
_NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


class MissingPackage(errors.AcademyError):
    """A package is needed that is not installed."""


def versions() -> str:
    """What a kept forecast depends on: this module's version, and the packages'.

    Raises
    ------
    MissingPackage
        statsforecast is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        packages = [f"{name} {version(name)}" for name in ("statsforecast", "numpy", "scipy")]
    except PackageNotFoundError as missing:
        raise _missing(missing) from None
    return ", ".join([f"rivals {VERSION}", *packages])


def _missing(problem: Exception) -> MissingPackage:
    return MissingPackage(
        "AutoETS, AutoTheta and AutoARIMA are statsforecast's, which is not installed. "
        f"{errors.install('%pip install statsforecast')}, or take the other rivals: "
        f"academy.forecasting.rivals.QUICK. ({problem})"
    )


def forecast(name: str, past: Array, horizon: int, season: int) -> Array:
    """Quantiles of shape (horizon, 19), ascending; column 9 is the point forecast.

    Parameters
    ----------
    name
        AutoETS, AutoTheta or AutoARIMA.
    past
        Shape (n,), checked: finite, two seasons and ten values at least.

    Raises
    ------
    MissingPackage
        statsforecast is not installed.
    AcademyError
        The package finds no model of the series, or one without a finite variance.
    """
    if float(past.min()) == float(past.max()):
        # Nothing to fit, and what the models make of it is rounding.
        return np.full((horizon, len(LEVELS)), past[0])
    try:
        from statsforecast import models
    except ImportError as missing:
        raise _missing(missing) from None
    with warnings.catch_warnings():
        # "possible convergence problem", a hundred times: what was found is scored as it is.
        warnings.simplefilter("ignore")
        if name == "AutoETS":
            point, width = _by_level(models.AutoETS(season_length=season), past, horizon)
        elif name == "AutoTheta":
            point, width = _theta(models, past, horizon, season)
        else:
            arima = models.AutoARIMA(season_length=season, approximation=True)
            point, width = _by_level(arima, past, horizon)
    if not (np.isfinite(point).all() and np.isfinite(width).all()):
        raise errors.AcademyError(
            f"{name} finds no model of a series of {past.size} values with a season of {season}: "
            "its forecast is not finite. Take another rival for it."
        )
    return np.asarray(point[:, None] + width[:, None] * _NORMAL, dtype=np.float64)


def _by_level(model: Any, past: Array, horizon: int) -> tuple[Array, Array]:
    """Point forecast and standard error of a model whose intervals are normal, both (horizon,)."""
    found = model.forecast(past, horizon, level=[80])
    point = np.asarray(found["mean"], dtype=np.float64)
    low, high = (np.asarray(found[name], dtype=np.float64) for name in ("lo-80", "hi-80"))
    return point, (high - low) / (2 * NormalDist().inv_cdf(0.9))


def _theta(models: Any, past: Array, horizon: int, season: int) -> tuple[Array, Array]:
    """Point forecast and standard error, both (horizon,).

    The package's own intervals are not used: they add the season to the residuals before these are
    measured (2.1.1), which makes them as wide as the season is, and come from 200 draws. This is
    the standard error of simple exponential smoothing, which the Theta method is: R. J. Hyndman and
    B. Billah, "Unmasking the Theta method", International Journal of Forecasting 19 (2003) 287-290.
    """
    model = models.AutoTheta(season_length=season, decomposition_type="additive").fit(past)
    fitted = model.model_
    residuals = np.array(fitted["residuals"], dtype=np.float64)
    if fitted.get("decompose"):
        ahead = np.asarray(fitted["seas_forecast"]["mean"], dtype=np.float64)
        residuals -= ahead[(np.arange(past.size) - past.size) % ahead.size]
    sigma = float(np.std(residuals[3:], ddof=1))
    alpha = float(fitted["par"]["alpha"])
    point = np.asarray(model.predict(horizon)["mean"], dtype=np.float64)
    return point, sigma * np.sqrt(1 + np.arange(horizon) * alpha**2)
