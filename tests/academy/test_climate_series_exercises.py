"""The climate-series notebook's exercises: good answers pass, and the usual mistakes do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from academy.exercises import Exercise
from academy.forecasting.evaluation import leakage
from academy.forecasting.evaluation.metrics import LEVELS

NOTEBOOK = Path(__file__).parents[2] / "project_templates/climate_series/climate_series.py"


def exercise(name: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> Exercise:
    """The exercise as the notebook's cell makes it."""
    monkeypatch.setenv("HOME", str(home))
    cells = NOTEBOOK.read_text(encoding="utf-8").split("\n# %%")
    [cell] = [each for each in cells if f"\n{name} = Exercise(" in each]
    ocean = 23 + 3 * np.sin(np.arange(732) / 2) + np.random.default_rng(5).normal(size=732)
    space: dict[str, Any] = {
        "np": np,
        "Exercise": Exercise,
        "LEVELS": LEVELS,
        "leakage": leakage,
        "panel": {"ocean": ocean},
    }
    exec(cell, space)  # noqa: S102 - the repository's own notebook
    found = space[name]
    assert isinstance(found, Exercise)
    assert not found.passed, "the three dots are no answer"
    return found


# --- a forecast -----------------------------------------------------------------------------------
def means(history, horizon, season):
    typical = np.array([history[month::season].mean() for month in range(season)])
    return typical[(len(history) + np.arange(horizon)) % season]


def medians(history, horizon, season):
    typical = np.array([np.median(history[month::season]) for month in range(season)])
    return typical[(len(history) + np.arange(horizon)) % season]


def seasonal_naive(history, horizon, season):
    return np.resize(history[-season:], horizon)


def one_mean(history, horizon, _):
    return np.full(horizon, history.mean())


def wrong_month(history, horizon, season):
    return np.resize([history[month::season].mean() for month in range(season)], horizon)


def too_short(history, horizon, season):
    return means(history, horizon, season)[:-1]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (means, True),
        (medians, True),
        (seasonal_naive, False),
        (one_mean, False),
        (wrong_month, False),
        (too_short, False),
    ],
)
def test_a_forecast_of_ones_own(answer, right, monkeypatch, tmp_path) -> None:
    own = exercise("own", monkeypatch, tmp_path)
    own.check(answer)
    assert own.passed == right


# --- a smooth line --------------------------------------------------------------------------------
def trailing(values):
    return np.array([values[max(0, at - 12) : at + 1].mean() for at in range(len(values))])


def fading(values):
    found = np.array(values, dtype=float)
    for at in range(1, len(found)):
        found[at] = 0.8 * found[at - 1] + 0.2 * values[at]
    return found


def centred(values):
    return np.convolve(np.pad(values, 6, mode="edge"), np.ones(13) / 13, mode="valid")


def untouched(values):
    return values


def shorter(values):
    return np.convolve(values, np.ones(13) / 13, mode="valid")


def from_nought(values):
    return np.convolve(np.pad(values, (12, 0)), np.ones(13) / 13, mode="valid")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (trailing, True),
        (fading, True),
        (centred, False),
        (untouched, False),
        (shorter, False),
        (from_nought, False),
    ],
)
def test_a_smooth_line_that_never_looks_ahead(answer, right, monkeypatch, tmp_path) -> None:
    smooth = exercise("smooth", monkeypatch, tmp_path)
    smooth.check(answer)
    assert smooth.passed == right


# --- a fan ----------------------------------------------------------------------------------------
def by_lead(point, errors):
    return np.asarray(point)[:, None] + np.quantile(errors, LEVELS, axis=0).T


def one_width(point, errors):
    return np.asarray(point)[:, None] + np.quantile(errors, LEVELS)


def upside_down(point, errors):
    return by_lead(point, errors)[:, ::-1]


def without_the_forecast(point, errors):
    return by_lead(np.zeros(len(point)), errors)


def transposed(point, errors):
    return by_lead(point, errors).T


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (by_lead, True),
        (one_width, False),
        (upside_down, False),
        (without_the_forecast, False),
        (transposed, False),
    ],
)
def test_a_fan_of_ones_own(answer, right, monkeypatch, tmp_path) -> None:
    fan = exercise("fan", monkeypatch, tmp_path)
    fan.check(answer)
    assert fan.passed == right
