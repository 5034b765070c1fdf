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
# # Climate series: from a naive forecast to a trained one
#
# Eight monthly records of twenty years. You forecast the next two.
#
# On the way you will meet forecasts without any learning that are hard to beat, measure what
# "hard to beat" means, train a network here and on a machine of its own, and submit.

# %%
import academy
import matplotlib.pyplot as plt
import numpy as np
from academy import figures
from academy.forecasting import (
    climatology,
    damped_anomaly,
    evaluate,
    holdout,
    mase,
    seasonal_naive,
    seasonal_naive_drift,
)

figures.use_style()
academy.connect()

# %% [markdown]
# ## 1. Look
#
# Never model what you have not looked at.

# %%
data = academy.dataset("climate-series")
history, task = data.history, data.task
data

# %%
fig, axes = plt.subplots(4, 2, figsize=(10.5, 7.5), sharex=True)
for ax, name in zip(axes.T.flat, history, strict=True):
    ax.plot(history[name], color=figures.PAST, linewidth=1.1)
    ax.set_title(name)
for ax in axes[-1]:
    ax.set_xlabel("months since a secret start")
plt.show()

# %% [markdown]
# Two kinds. The **carbon** series are CO2 in the air over Mauna Loa: a line that climbs, and a
# plant world that breathes in every summer. The **ocean** series are sea surface temperatures off
# Peru: a strong season, no trend to speak of, and El Niño whenever it likes.
#
# (They are sealed: the README says what that means. Units are secret, so the axes have none.)
#
# What is left when line and season are gone?

# %%
fig, axes = plt.subplots(2, 2, figsize=(10.5, 5))
for row, name in zip(axes, ("carbon-1", "ocean-1"), strict=True):
    series = history[name]
    month = np.arange(series.size) % 12
    time = np.arange(series.size)
    detrended = series - np.polyval(np.polyfit(time, series, 1), time)
    season = np.array([detrended[month == m].mean() for m in range(12)])
    departure = detrended - season[month]
    row[0].plot(season, color=figures.MODEL, marker="o", markersize=4)
    row[0].set_title(f"{name}: the season")
    row[0].set_xlabel("month of the secret year")
    row[1].plot(departure, color=figures.PAST, linewidth=1.1)
    row[1].axhline(0, color=figures.MUTED, linewidth=1)
    row[1].set_title(f"{name}: departures from line and season")
    row[1].set_xlabel("months since a secret start")
    row[1].set_ylim(-1.1 * np.abs(departure).max(), 1.1 * np.abs(departure).max())
    memory = np.corrcoef(departure[1:], departure[:-1])[0, 1]
    print(
        f"{name}: the season is {np.ptp(season) / departure.std():.0f} times as wide as the "
        f"departures; correlation from month to month {memory:.2f}"
    )
plt.show()

# %% [markdown]
# Line and season are easy. Everything that can be *learned* is in the right-hand panels: how a
# departure goes on. It has a memory of months, not of years.
#
# ## 2. The floor
#
# The **seasonal naive**: next January is like last January. No learning, no parameters.
#
# We hide the last two years of each history and forecast them.

# %%
known, held_out = holdout(history, task.horizon)
floor = {name: seasonal_naive(series, task.horizon) for name, series in known.items()}

fig, axes = plt.subplots(1, 2, figsize=(10.5, 3.2))
for ax, name in zip(axes, ("carbon-1", "ocean-1"), strict=True):
    lines = {"seasonal naive": (floor[name], figures.NAIVE)}
    figures.forecasts(ax, known[name], lines, truth=held_out[name])
    error = mase(held_out[name], floor[name], known[name])
    ax.set_title(f"{name}: MASE {error:.2f}")
    ax.set_xlabel("months since a secret start")
axes[0].legend()
plt.show()

# %% [markdown]
# **MASE**, the mean absolute scaled error (Hyndman and Koehler 2006), is the error divided by the
# error that the seasonal naive makes inside the history. It has no unit, so series can be compared.
#
# ## 3. A bet
#
# Four forecasts, none of which learns more than a line and twelve means:
#
# - **drift**: the seasonal naive, plus the mean change of a year;
# - **climatology**: a straight line and each month's mean over *all* years;
# - **damped anomaly**: climatology, plus today's departure, which fades as departures used to fade.
#
# Which one wins on carbon, which on ocean, and by how much? Write your bet down before you run the
# next cell.

# %%
my_bet = {"carbon": "drift", "ocean": "drift"}  # change me

rivals = {
    "seasonal naive": seasonal_naive,
    "drift": seasonal_naive_drift,
    "climatology": climatology,
    "damped anomaly": damped_anomaly,
}
kinds = {"carbon": [], "ocean": []}
for name in history:
    kinds[name.split("-")[0]].append(name)


def backtest(forecaster, ends=24, step=2):
    """Mean relative error by kind over many origins: forecasts made at `ends` different months."""
    found = {kind: [] for kind in kinds}
    for back in range(0, ends * step, step):
        past = {name: s[: len(s) - back] for name, s in history.items()}
        before, after = holdout(past, task.horizon)
        guess = {name: forecaster(series, task.horizon) for name, series in before.items()}
        scores = evaluate(after, guess, before)
        for kind, names in kinds.items():
            found[kind].append(np.mean([np.log(scores[name]) for name in names]))
    return {kind: float(np.exp(np.mean(logs))) for kind, logs in found.items()}


results = {name: backtest(forecaster) for name, forecaster in rivals.items()}
for kind in kinds:
    best = min(rivals, key=lambda name: results[name][kind])
    print(f"{kind}: you bet on {my_bet[kind]}, best is {best} ({results[best][kind]:.2f})")

fig, axes = plt.subplots(1, 2, figsize=(10.5, 2.8), sharey=True)
for ax, kind in zip(axes, kinds, strict=True):
    scores = [results[name][kind] for name in rivals]
    bars = ax.barh(list(rivals), scores, color=[figures.NAIVE] + [figures.PAST] * 3, height=0.6)
    ax.bar_label(bars, fmt="%.2f", padding=4)
    ax.axvline(1, color=figures.INK, linewidth=1, linestyle=":")
    ax.set_title(kind)
    ax.set_xlabel("error relative to the seasonal naive")
    ax.set_xlim(0, max(scores) * 1.15)
    ax.grid(axis="y", visible=False)
axes[0].invert_yaxis()
plt.show()

# %% [markdown]
# Why **relative**, and why a **geometric** mean? A ratio of 0.5 on one series and of 2 on another
# should cancel, and no series should count more because it is harder. So each error is divided by
# the floor's error on the same months, and the ratios are multiplied. 1 is the floor; 0.8 is a
# fifth less error. This is the board's score.
#
# And why many origins? Two years are two years. With one origin El Niño decides who wins.
#
# ## 4. Learn
#
# The baseline (`academy.forecasting.baseline`) takes line and season away, shows the last 24
# departures to a small network, and asks for the next 24. One model for all series. `train.py`
# trains it; have a look at it, it is short.
#
# First here, for a moment, to see that it runs:

# %%
trial = academy.train("train.py", where="here", hyperparameters={"epochs": 2, "networks": 1})
print(f"backtest score {trial.metrics['backtest']['score']:.3f}")

# %% [markdown]
# ## 5. The same as a training job
#
# A machine of its own, paid from your budget. What a job could cost at most is *reserved* when it
# starts; what it did not use comes back when it ends.

# %%
job = academy.train("train.py", project="climate-series", hours=0.25)
academy.budget()

# %%
score = job.metrics["backtest"]["score"]
print(f"backtest score {score:.3f} in {job.metrics['seconds']} s on {job.metrics['device']}")

fig, ax = plt.subplots(figsize=(5.2, 2.8))
losses = job.metrics["losses"]
ax.plot(range(1, len(losses) + 1), losses, color=figures.MODEL)
ax.set_title("training loss, without the last two years")
ax.set_xlabel("epoch")
plt.show()

# %% [markdown]
# ## 6. Forecast
#
# The job left its model in a folder; `Baseline.load` makes it a forecaster again. Now the real
# question: the two years that nobody has.

# %%
from academy.forecasting.baseline import Baseline

model = Baseline.load(job.model())
forecast = model.predict(history)

fig, axes = plt.subplots(4, 2, figsize=(10.5, 8))
for ax, name in zip(axes.T.flat, history, strict=True):
    naive = seasonal_naive(history[name], task.horizon)
    lines = {
        "seasonal naive": (naive, figures.NAIVE),
        "baseline": (forecast[name], figures.MODEL),
    }
    figures.forecasts(ax, history[name], lines, months=60)
    ax.set_title(name)
handles, labels = axes[0, 0].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside upper center", ncols=3)
for ax in axes[-1]:
    ax.set_xlabel("months since a secret start")
plt.show()

# %% [markdown]
# ## 7. Submit
#
# What do you expect? The backtest said what it said on *one* pair of years.

# %%
academy.submit("climate-series", forecast, note="baseline as it comes", job=job)

# %%
academy.leaderboard("climate-series")

# %% [markdown]
# ## What next
#
# 1. **Is it learning?** Compare the baseline with the damped anomaly over many origins, as in
#    part 3. Is the difference larger than what changes from origin to origin? If it is not, say
#    so: that is a result.
# 2. **How far can one see?** Plot the error by lead, month 1 to 24. Where does the model stop
#    knowing more than climatology?
# 3. **A leak.** Fit line and season on the *whole* history and then backtest as in part 3. How much
#    better does it look, and why is that worth nothing?
# 4. **More data.** `data.practice` has the real records. Pre-train on them, then fine-tune.
# 5. **Two kinds, one model?** Train one for carbon and one for ocean. When does sharing help?
#
# Change `train.py`, try it with `where="here"`, and start a job when it is worth the money.

# %%
academy.budget()
