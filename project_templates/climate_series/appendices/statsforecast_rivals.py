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
# # Appendix: statsforecast, and the rivals that learn a little
#
# Exponential smoothing, the Theta method and ARIMA are decades old, have few numbers to learn, and
# are what a deep model has to beat. The library *statsforecast* fits them fast. This page brings
# our series to it and its forecasts back, tests both tools against each other, and reads its
# defaults.

# %%
import os

import academy
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from academy import figures as style
from academy.exercises import Exercise
from academy.forecasting import RIVALS, Scoreboard, backtest, compare, figures, one_by_one
from academy.forecasting.rivals import QUICK, SLOW, prepare

try:
    from statsforecast import StatsForecast, models
except ImportError:
    StatsForecast = None
    print(
        "statsforecast is not installed here; the forecasting image has it. "
        "This page goes on with the rivals that need nothing."
    )

FULL = os.environ.get("ACADEMY_SIZE", "full") != "smoke"
# The last thirty years: ARIMA takes time, and an old climate tells it little.
MONTHS, STEP = (360, 10) if FULL else (144, 1)
HORIZON, ORIGINS = 24, 12
style.use_style()
academy.connect()
panel = academy.dataset("climate-series").panel["monthly"]
recent = {name: panel[name][-MONTHS:] for name in (panel if FULL else ["ocean"])}

# %% [markdown]
# ## The table that it wants
#
# The libraries of this family take one long table: `unique_id` says whose a value is, `ds` when it
# was, `y` what it was. Our steps have no gaps, so that the number of a step will do as its time.


# %%
def table(series):
    """Series by name as one long table."""
    return pd.concat(
        [
            pd.DataFrame({"unique_id": name, "ds": np.arange(values.size), "y": values})
            for name, values in series.items()
        ],
        ignore_index=True,
    )


table(recent).groupby("unique_id").tail(2)

# %% [markdown]
# ## Do two tools agree?
#
# `cross_validation` is its backtest, `backtest` is ours. A method with nothing to fit must give the
# same numbers in both, to the last digit. If it does not, one of the two cuts elsewhere than you
# think, and every later comparison is of different things.

# %%
ours = backtest(
    RIVALS["seasonal naive"], recent, HORIZON, origins=ORIGINS, step=STEP, name="seasonal naive"
)
if StatsForecast:
    found = StatsForecast([models.SeasonalNaive(12)], freq=1).cross_validation(
        df=table(recent), h=HORIZON, n_windows=ORIGINS, step_size=STEP
    )
    for number, name in enumerate(ours.names):
        rows = found[found["unique_id"] == name].sort_values(["cutoff", "ds"])
        theirs = rows["SeasonalNaive"].to_numpy().reshape(ORIGINS, HORIZON)
        print(f"{name}: the largest difference is {np.abs(theirs - ours.point[number]).max():.1e}")

# %% [markdown]
# ## All rivals
#
# `RIVALS` has them set up, with quantiles; the slow three are statsforecast's. `prepare` computes
# what a backtest will ask them for, on all cores, and keeps it: the second time costs nothing.
#
# AutoARIMA chooses among hundreds of models by itself. The damped anomaly is a line, twelve means
# and one number for how fast a departure fades. **Predict**: whose error is the smallest, all
# series together?

# %%
best = Exercise(
    "the best rival",
    "Which rival has the smallest error, as the geometric mean of ratios to the seasonal naive?",
    choices=tuple(RIVALS if StatsForecast else QUICK),
    hints=(
        "What is there to know two years ahead? See the autocorrelations of the walk's first part.",
        "A season that changes from year to year is learnt by ETS from few years, and a mean over "
        "all years has less noise.",
        "On carbon it matters where one starts from, on the others what one returns to.",
    ),
)
best.predict(...)

# %%
if StatsForecast:
    prepare(recent, HORIZON, origins=ORIGINS, step=STEP)


def tested(name):
    """A rival's quantiles at each origin."""

    def forecaster(history, horizon):
        return RIVALS[name](history, horizon, quantiles=True)

    return backtest(forecaster, recent, HORIZON, origins=ORIGINS, step=STEP, name=name)


results = {name: tested(name) for name in (RIVALS if StatsForecast else QUICK)}
scores = Scoreboard.of(each.scores() for each in results.values())
best.reveal(scores.rows[0].name)
figures.ratios(scores.rows)
plt.show()

# %%
scores

# %% [markdown]
# Look at the coverage of the 80 % interval, too, series by series: a model that chooses among many
# by how well they *fit* is sure of its choice afterwards. Its interval knows of the noise, and not
# that another model might have been the right one.

# %%
for name in (*SLOW, "damped anomaly") if StatsForecast else ("climatology", "damped anomaly"):
    series = results[name].scores().series
    print(
        f"{name:15s}",
        ", ".join(f"{each} {row['coverage of 80 %']:.0%}" for each, row in series.items()),
    )

# %% [markdown]
# Is the first one better than the others, or lucky? Twelve origins are few:

# %%
first = results[scores.rows[0].name]
others = [each for name, each in results.items() if name != first.name]
figures.forest([compare(first, each) for each in others])
plt.show()

# %% [markdown]
# Between those at the top nothing is settled: two years overlap with the next two, and a dozen
# origins are worth a handful. The walk has 120, and more months. What the figure does show: there
# is no sign that choosing among hundreds of models by AICc helps here.
#
# ## Where is zero?
#
# AutoTheta takes the season away before it looks at the rest. By default it *divides* by it: before
# a feast, sales are half as high again. `RIVALS` subtract: in May the air has 3 ppm more CO2,
# whatever the level. On carbon as it is, both come to the same, for its season is one per cent of
# its level. Now count CO2 from 300 ppm on, the air of about 1910. It is the same air.
#
# **Predict**: by how many per cent does the default's error grow?

# %%
zero = Exercise(
    "where zero is",
    "AutoTheta divides by carbon's season. By how many per cent does its error grow, if CO2 is "
    "counted from 300 ppm on?",
    unit="%",
    hints=(
        "The season stays 6 ppm wide. Of what is left of the level, how much is that at the "
        "beginning of the thirty years, and how much at the end?",
        "A quarter of 25 ppm, a twelfth of 70 ppm. One set of twelve *factors* has to do for both.",
        "The factors are a mean of the two, and too strong for today's level: forecasts swing too "
        "much, by about as much as the whole error was.",
    ),
)
zero.predict(...)

# %%
if StatsForecast:
    name, above = ("carbon", 300.0) if FULL else ("ocean", 15.0)

    def theta(kind):
        """AutoTheta that takes the season away in this way."""

        def forecaster(past, horizon, season):
            model = models.AutoTheta(season_length=season, decomposition_type=kind)
            return model.forecast(np.array(past), horizon)["mean"]

        return one_by_one(forecaster)

    errors = {
        (kind, level): backtest(
            theta(kind), {name: recent[name] - level}, HORIZON, origins=ORIGINS, step=STEP
        )
        .scores()
        .relative_mase
        for kind in ("multiplicative", "additive")
        for level in (0.0, above)
    }
    for (kind, level), error in errors.items():
        print(f"{kind:15s} from {level:3.0f} on: {error:.3f} of the seasonal naive's error")
    growth = errors["multiplicative", above] / errors["multiplicative", 0.0] - 1
    zero.reveal(round(100 * growth))

# %% [markdown]
# (The two lines that subtract differ a little, too: the search for the level begins at half of the
# first value.)
#
# A default is somebody's guess of what you have; here it is monthly sales, which have a zero. A
# temperature in degrees Celsius, an index, a sealed series with a secret level have none that
# means anything, and a method that multiplies sees one all the same. (If a value lies below zero
# it adds instead, and does not say so: then the error hangs on a single value.) It costs a line to
# try the other way, on origins that you do not report.
