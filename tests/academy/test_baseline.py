"""The torch baseline: it starts as climatology, learns, and can be saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from academy.forecasting import climatology, evaluate, holdout
from academy.forecasting.baseline import Baseline, Settings


def persistent(seed: int, months: int = 240) -> np.ndarray:
    """Trend, season, and departures with the memory of a damped oscillation: learnable."""
    draw, time = np.random.default_rng(seed), np.arange(months)
    noise = np.zeros(months)
    for step in range(2, months):
        noise[step] = 1.6 * noise[step - 1] - 0.8 * noise[step - 2] + draw.normal()
    return 0.05 * time + 10 * np.sin(time * np.pi / 6) + noise


HISTORY = {f"s{seed}": persistent(seed) for seed in range(4)}
SMALL = Settings(horizon=6, epochs=8, networks=2)


def test_an_untrained_baseline_is_the_climatology():
    forecast = Baseline(Settings(epochs=0)).predict(HISTORY)
    for name, series in HISTORY.items():
        assert forecast[name] == pytest.approx(climatology(series, 24))


def test_it_beats_climatology_where_departures_have_a_memory():
    """On forty series that it has not learnt from: one of six months would say nothing."""
    model = Baseline(SMALL).fit(HISTORY)
    known, held_out = holdout({f"n{seed}": persistent(seed) for seed in range(100, 140)}, 6)
    usual = {name: climatology(series, 6) for name, series in known.items()}
    learned = evaluate(held_out, model.predict(known), known)["score"]
    assert learned < 0.9 * evaluate(held_out, usual, known)["score"]
    assert model.losses[-1] < model.losses[0]


def test_unit_and_level_do_not_matter():
    model = Baseline(SMALL).fit(HISTORY)
    plain = model.predict(HISTORY)
    turned = model.predict({name: 5 * series - 300 for name, series in HISTORY.items()})
    for name in HISTORY:
        assert turned[name] == pytest.approx(5 * plain[name] - 300, rel=1e-4)


def test_what_is_saved_forecasts_the_same(tmp_path):
    model = Baseline(SMALL).fit(HISTORY)
    model.save(tmp_path / "model")
    again = Baseline.load(tmp_path / "model")
    assert again.settings == SMALL
    for name, values in model.predict(HISTORY).items():
        assert np.array_equal(again.predict(HISTORY)[name], values)


def test_the_same_seed_gives_the_same_model_and_leaves_torchs_seed_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = Baseline(SMALL).fit(HISTORY).predict(HISTORY)
    assert torch.equal(torch.rand(3), expected)
    two = Baseline(SMALL).fit(HISTORY).predict(HISTORY)
    assert all(np.array_equal(one[name], two[name]) for name in HISTORY)


def test_a_series_without_departures_is_forecast_finite():
    flat = {"flat": np.full(200, 4.0), "line": np.arange(200.0)}
    forecast = Baseline(SMALL).fit(HISTORY).predict(flat)
    assert forecast["flat"] == pytest.approx(np.full(6, 4.0))
    assert forecast["line"] == pytest.approx(np.arange(200.0, 206.0), rel=1e-4)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({}, "no series"),
        ({"a": np.arange(50.0)}, "a has 50 values"),
        ({"a": np.r_[np.arange(199.0), np.nan]}, r"a\[199\] is nan"),
    ],
)
def test_a_bad_series_is_named(history, message):
    with pytest.raises(ValueError, match=message):
        Baseline(SMALL).fit(history)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="first is 20; it must cover"):
        Settings(first=20)
    with pytest.raises(ValueError, match="networks is 0"):
        Settings(networks=0)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no baseline was saved there"):
        Baseline.load(tmp_path)


def test_training_does_not_see_beyond_an_origin():
    model, series = Baseline(SMALL), HISTORY["s0"]
    seen: list[int] = []
    model._reduce = lambda past: seen.append(past.size) or Baseline._reduce(model, past)  # type: ignore[method-assign]
    model.fit({"a": series})
    assert max(seen) == series.size - SMALL.horizon
