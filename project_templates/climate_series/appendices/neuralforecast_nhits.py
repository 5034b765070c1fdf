# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Appendix: N-HiTS, a deep model from a library
#
# *neuralforecast* has three dozen deep forecasters, ready to train. **N-HiTS** (Challu and others,
# AAAI 2023) is among the best of them on long horizons: blocks of layers read the past at several
# resolutions, each after a pooling of its own, and each adds its part of the forecast, coarse parts
# at few points with straight lines in between. It forecasts all steps at once, and the library
# trains it by the quantile loss.
#
# How does it do on three climate records? You give it to `backtest` like any other model, and judge
# it by the same numbers.

# %%
import logging
import os
import warnings

import academy
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from academy import figures as style
from academy.exercises import Exercise
from academy.forecasting import LEVELS, RIVALS, Scoreboard, backtest, compare, figures
from academy.forecasting.evaluation.metrics import MEDIAN
from academy.forecasting.models.baseline import Baseline, Settings
from academy.forecasting.naive import fit_climatology

try:
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import NHITS
except ImportError:
    NeuralForecast = None
    print(
        "neuralforecast is not installed here; the forecasting image has it. "
        "This page goes on without N-HiTS."
    )

FULL = os.environ.get("ACADEMY_SIZE", "full") != "smoke"
HORIZON, CONTEXT, ORIGINS = 24, 96, 12
STEP = 10 if FULL else 1
SHORT, LONG = (200, 1000) if FULL else (3, 5)
torch.set_num_threads(1)  # networks this small are slower on more
for noisy in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
    logging.getLogger(noisy).setLevel(logging.ERROR)
style.use_style()
academy.connect()
panel = academy.dataset("climate-series").panel["monthly"]

# %% [markdown]
# ## A model of theirs in a backtest of ours
#
# `backtest` takes any object with `fit(history)` and `predict_quantiles(history)`. So all that is
# needed is a translation: series to their long table, their columns to an array (24, 19). `inputs`
# is a seam for later: what the network sees of a series, and how to get back from there.


# %%
class Nhits:
    """N-HiTS as a model for `backtest`; it learns from the series as they are."""

    def __init__(self, steps=SHORT, **options):
        self.steps, self.options = steps, options

    def inputs(self, values):
        """What the network sees, and level and scale of what it is to forecast."""
        return values, 0.0, 1.0

    def table(self, history):
        """Their long table, of what the network sees."""
        return pd.concat(
            [
                pd.DataFrame({"unique_id": name, "ds": np.arange(seen.size), "y": seen})
                for name, (seen, _, _) in ((n, self.inputs(v)) for n, v in history.items())
            ],
            ignore_index=True,
        )

    def fit(self, history):
        network = NHITS(
            h=HORIZON,
            input_size=CONTEXT,
            loss=MQLoss(quantiles=list(LEVELS)),
            max_steps=self.steps,
            # Small: the library's own size, 512 numbers a layer, is for thousands of series.
            **{"mlp_units": [[64, 64]] * 3, "windows_batch_size": 256, **self.options},
            random_seed=1,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        self.forecaster = NeuralForecast([network], freq=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.forecaster.fit(self.table(history))
        return self

    def predict_quantiles(self, history):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = self.forecaster.predict(self.table(history)).set_index("unique_id")
        columns = [name for name in said.columns if name.startswith("NHITS")]
        found = {}
        for name, values in history.items():
            _, level, scale = self.inputs(values)
            # Their quantiles may cross.
            quantiles = np.sort(said.loc[name, columns].to_numpy(dtype=float), axis=1)
            found[name] = np.reshape(level, (-1, 1)) + scale * quantiles
        return found

    def predict(self, history):
        return {name: each[:, MEDIAN] for name, each in self.predict_quantiles(history).items()}


results = {}


def test(name, model):
    """A model that learns once, before the first origin; or a rival by its name."""
    results[name] = backtest(
        model, panel, HORIZON, origins=ORIGINS, step=STEP, refit_every=ORIGINS, name=name
    )


def rival(name):
    return lambda history, horizon: RIVALS[name](history, horizon, quantiles=True)


# %%
for name in ("climatology", "damped anomaly"):
    test(name, rival(name))
test("baseline", Baseline(Settings(horizon=HORIZON, epochs=12 if FULL else 1), "cpu"))

# %% [markdown]
# N-HiTS as it comes, each window scaled by its own median and spread (`scaler_type="robust"`),
# which is the library's advice. It has 8 years to look back.
#
# Then the same network, trained for five times as long. **Predict**: how often does what came lie
# in its 80 % interval then?

# %%
longer = Exercise(
    "five times as long",
    "How often does what came lie in the 80 % interval of N-HiTS trained for five times as long?",
    unit="%",
    hints=(
        "How many windows are there to learn from, and how many of them are independent? "
        "(Part 5 of the walk.)",
        "What does a quantile loss ask of a network that knows the answers by heart?",
        "Of what it knows by heart it is sure. Far below 80 %.",
    ),
)
longer.predict(...)

# %%
if NeuralForecast:
    test("N-HiTS", Nhits(scaler_type="robust"))
    test("N-HiTS, long", Nhits(LONG, scaler_type="robust"))
    covered = {
        name: results[name].scores().summary["coverage of 80 %"]
        for name in ("N-HiTS", "N-HiTS, long")
    }
    print(", ".join(f"{name}: {share:.0%}" for name, share in covered.items()))
    longer.reveal(round(100 * covered["N-HiTS, long"]))

# %% [markdown]
# ## Tell it what is known
#
# The walk's recovery, for a network of somebody else's: take line and season away, divide by the
# spread of what is left, and let it learn the rest. `inputs` is the seam. Climatology is fitted to
# what is known at the moment, never to what comes after.
#
# (There is a leak left, and it is a small one. In training, the departures of all windows are those
# from *one* line, which was fitted to the years after them, too. It makes training errors a little
# smaller than they should be; the test is clean. The baseline fits a line at each moment.)


# %%
class NhitsOfDepartures(Nhits):
    """N-HiTS that learns departures from each series' climatology."""

    def inputs(self, values):
        usual = fit_climatology(np.array(values), HORIZON, 12, 1)
        departures = values - usual[: values.size]
        scale = departures.std()
        return departures / scale, usual[values.size :], scale


if NeuralForecast:
    test("N-HiTS, departures", NhitsOfDepartures(scaler_type="identity"))

rows = Scoreboard.of(each.scores() for each in results.values())
figures.ratios(rows.rows)
plt.show()

# %%
rows

# %%
best = results["baseline"]
figures.forest([compare(best, each) for name, each in results.items() if name != best.name])
plt.show()

# %% [markdown]
# Three series are not what such a network was made for: it has tens of thousands of weights, and
# the records have a few dozen independent years. It is no bad model; it is the wrong end to start
# from. Where it earns its keep is a panel of thousands: try `data.panel["grid"]`, with steps of a
# year, `h=10`, `input_size=40`, and a job, for it takes its time. The rivals there are drift and
# the baseline.
