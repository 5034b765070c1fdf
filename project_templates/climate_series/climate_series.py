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
# # Climate series: the network that loses to a mean
#
# Every month somebody measures the Pacific: how warm it is off Peru, how the air presses on Darwin,
# how much CO2 the wind brings over Mauna Loa. You know the past. What do the next two years look
# like?
#
# You will train a network, and a mean will beat it. That is not the end of the story but its
# beginning: you find out why, cause by cause, and recover. On the way you learn what most
# forecasting papers lack, an evaluation that one can believe.
#
# | | |
# |---|---|
# | 1 | look: line, season, and what is left |
# | 2 | a fair test, and forecasts that learn nothing |
# | 3 | a bet |
# | 4 | your network loses to a mean |
# | 5 | why: scale, horizon, a split that leaks, too little to learn from |
# | 6 | recover |
# | 7 | a leak hunt |
# | 8 | how far can one see? |
# | 9 | how sure? |
# | 10 | better, or lucky? |
# | 11 | a series of your own |
# | 12 | the project: a job, a forecast, a submission |

# %%
import os

import academy
import matplotlib.pyplot as plt
import numpy as np
import torch
from academy import figures as style
from academy.exercises import Exercise, journal
from academy.forecasting import RIVALS, Scoreboard, backtest, figures, one_by_one
from IPython.display import Markdown
from torch import nn

# "smoke" only checks that everything runs; what the text says holds for "full".
FULL = os.environ.get("ACADEMY_SIZE", "full") != "smoke"
HORIZON = 24
ORIGINS, EPOCHS = (120, 20) if FULL else (12, 2)
torch.set_num_threads(1)  # networks this small are slower on more
style.use_style()
academy.connect()

# %% [markdown]
# ## 1. Look
#
# Never model what you have not looked at. Three real records, each month one value, no month
# missing and none made up:

# %%
data = academy.dataset("climate-series")
panel = data.panel["monthly"]
panel

# %%
figures.series(panel)
plt.show()

# %% [markdown]
# - **carbon**: CO2 in the air over Mauna Loa. A line that climbs, and a plant world that breathes
#   in every summer.
# - **ocean**: the sea surface off Peru (the region Niño 1+2). A strong season, and El Niño whenever
#   it likes.
# - **darwin**: the Southern Oscillation Index from the air pressure at Darwin, the other end of the
#   same seesaw. It is low in an El Niño.
#
# A series is a line, a season, and the rest. Take the first two away and look at what is left:

# %%
for name in ("ocean", "carbon"):
    figures.decomposition(
        panel[name],
        times=figures.dates(panel, name),
        title=name,
        unit=figures.label(panel, name),
    )
    plt.show()

# %% [markdown]
# Line and season are easy: twelve means and a ruler. All that can be *learned* is in the lower
# panels: how a departure goes on. You see the great El Niños of 1982 and 1997 in the ocean. In
# carbon you see something else: the line is no line. CO2 climbs faster and faster, and a straight
# ruler does not know.
#
# How long does a departure last? The **autocorrelation** at lag *k* is the correlation of the
# departures with themselves *k* months later. Its figure comes next.

# %%
memory = Exercise(
    "memory",
    "After how many months does the correlation of ocean's departures fall below one half?",
    unit="months",
    hints=(
        "In the lower panel of ocean: how wide are the red and blue spells?",
        "An El Niño lasts about a year from end to end. Half of it is gone well before that.",
        "More than a season of the year, less than half a year.",
    ),
)
memory.predict(...)

# %%
from academy.forecasting.naive import fit_climatology


def departures(values):
    """What is left of a series without its line and its mean season."""
    return values - fit_climatology(values, 0, 12, 1)[: values.size]


left = {name: departures(values) for name, values in panel.items()}
remembered = figures.autocorrelation(left["ocean"])
memory.reveal(int(np.argmax(remembered < 0.5)))
figures.acf(left)
plt.show()

# %% [markdown]
# **ocean** and **darwin** forget within a year. Whoever wants to forecast them two years ahead
# *from themselves* has next to nothing to go by, however clever the network. **carbon** remembers
# for years, but look at its departures again: that is the bent line, and no memory of the air.
#
# Keep this figure in mind. It decides most of what follows.

# %% [markdown]
# ## 2. A fair test
#
# Four forecasts that learn next to nothing. They are the rivals on the leaderboard, too:
#
# - **seasonal naive**: next January is like last January;
# - **drift**: the same, plus the mean change of a year;
# - **climatology**: a straight line, and each month's mean over *all* years;
# - **damped anomaly**: climatology, plus today's departure, which fades as departures used to fade.
#
# The error is measured as **MASE**, the mean absolute scaled error (Hyndman and Koehler 2006): the
# mean absolute error, divided by the mean change from one year to the next in the history. It has
# no unit, so series can be compared.
#
# The usual test: hide the last two years, forecast them, measure. On ocean, over ten years of such
# tests, climatology makes a fifth less error than the seasonal naive. But if you test just once?

# %%
luck = Exercise(
    "one test",
    "Of all single tests on ocean, in how many per cent does the seasonal naive beat climatology?",
    unit="%",
    hints=(
        "Climatology is better on average. Does that make it better each time?",
        "The seasonal naive repeats last year. When is last year a good guide?",
        "More than one time in five, less than one in two.",
    ),
)
luck.predict(...)

# %%
tested = {}


def measure(name, forecaster, on=panel):
    """Forecasts made in many different months, each with what was known then."""
    tested[name] = backtest(forecaster, on, HORIZON, origins=ORIGINS, name=name)
    return tested[name]


def simple(name):
    """A rival, with quantiles."""
    return lambda history, horizon: RIVALS[name](history, horizon, quantiles=True)


for name in ("seasonal naive", "drift", "climatology", "damped anomaly"):
    measure(name, simple(name))


def errors(tested, name):
    """MASE of each single origin, shape (origins,)."""
    at = tested.names.index(name)
    return np.abs(tested.truth[at] - tested.point[at]).mean(axis=1) / tested.scale[at]


naive, usual = tested["seasonal naive"], tested["climatology"]
luck.reveal(round(100 * np.mean(errors(naive, "ocean") < errors(usual, "ocean"))))
figures.by_origin([naive, usual], "ocean", times=figures.dates(panel, "ocean"))
plt.show()

# %% [markdown]
# One test is one month in which one happened to ask. So we ask in 120 months, one after the other,
# and each time the forecaster gets the series up to there and nothing else. That is a **backtest**
# with rolling origins. (How much 120 origins are worth, when neighbours share 23 of their 24
# months, is a question for part 10. It is less than you think.)
#
# Errors are then divided by the seasonal naive's on the same months: 1 is the floor, 0.8 is a fifth
# less error. Ratios of several series are *multiplied*, a **geometric mean**, so that a half and a
# double cancel. This is the score of this project.

# %%
figures.ratios([each.scores() for each in tested.values()])
plt.show()

# %% [markdown]
# Read the panels one by one. On carbon, drift and the damped anomaly know that it goes on from
# where it stands; climatology insists on its ruler. On ocean and darwin a mean over all years
# leaves little to be desired. No method wins everywhere.
#
# Now one of your own. A forecast is a function of a history, and a good one has *properties*: you
# can check them without knowing the future. The last one keeps out the seasonal naive.

# %%
own = Exercise(
    "a forecast of your own",
    "Write a function that forecasts the next `horizon` values from `history`, shape (n,).",
    hints=(
        "What do all Januaries of the history have in common?",
        "The first value to come is in month `len(history) % season`, if the first one was in 0.",
        "`history[m::season].mean()` is the mean of month m; a line under it is a bonus.",
    ),
)
_season = np.tile([0.0, 1.0, 4.0, 2.0], 10)


@own.property("it gives `horizon` finite numbers")
def _(function):
    found = np.asarray(function(_season, 7, 4), float)
    return found.shape == (7,) and np.isfinite(found).all(), f"its shape is {found.shape}"


@own.property("a pure season goes on")
def _(function):
    found = np.asarray(function(_season[:-1], 5, 4), float)
    return np.allclose(found, [2, 0, 1, 4, 2]), f"0, 1, 4, 2, …, 0, 1, 4 became {found.round(2)}"


@own.property("it moves with the level, and stretches with the scale")
def _(function):
    noisy = _season + np.random.default_rng(0).normal(size=_season.size)
    found = np.asarray(function(noisy, 4, 4), float)
    return np.allclose(function(3 * noisy + 100, 4, 4), 3 * found + 100)


@own.property("it forgives one freak month")
def _(function):
    freak = _season.copy()
    freak[-3] += 10
    moved = np.abs(np.subtract(function(freak, 4, 4), function(_season, 4, 4))).max()
    return moved < 5, f"one month that was 10 too high moved it by {moved:.1f}"


def my_forecast(history, horizon, season=12):
    """Yours."""
    return ...


own.check(my_forecast)

# %%
if own.passed:
    measure("mine", one_by_one(my_forecast))
Scoreboard.of(each.scores() for each in tested.values())

# %% [markdown]
# ## 3. A bet
#
# An **LSTM** is a recurrent network: it reads a series month by month and keeps a memory. We give
# it all three series, three years at a time, and train it the way most tutorials do.
#
# How does it do on **ocean**, two years ahead, beside the four that learn nothing?

# %%
bet = Exercise(
    "the bet",
    "Rank them on ocean, best first.",
    choices=("seasonal naive", "drift", "climatology", "damped anomaly", "LSTM"),
    hints=(
        "You have seen the four. Where does the network come in between?",
        "What does the autocorrelation say about what there is to know?",
        "It is trained the way most tutorials do. The title of this notebook is no accident.",
    ),
)
bet.predict([..., ..., ..., ..., ...])

# %% [markdown]
# ## 4. Your network loses to a mean
#
# The recipe: standardise all values; cut windows of 36 months; learn to give the month that
# follows; to forecast two years, feed the network its own output, 24 times.

# %%
from academy.forecasting import windows

PAST = 36


class Lstm(nn.Module):
    """From the last months, shape (batch, past), to the next, (batch, ahead)."""

    def __init__(self, ahead, width=32):
        super().__init__()
        self.cells = nn.LSTM(1, width, batch_first=True)
        self.head = nn.Linear(width, ahead)

    def forward(self, past):
        return self.head(self.cells(past[..., None])[0][:, -1])


class Network:
    """An LSTM as a forecaster: `fit` on histories, then `predict` what follows.

    own_scale: each window has its own mean and spread; else all series share one.
    ahead: months given at once; if they are fewer than the horizon, it goes on from its own output.
    """

    def __init__(self, own_scale=False, ahead=1, epochs=EPOCHS, seed=0):
        self.own_scale, self.ahead, self.epochs, self.seed = own_scale, ahead, epochs, seed

    def unit(self, past):
        if self.own_scale:
            return past.mean(axis=1, keepdims=True), past.std(axis=1, keepdims=True)
        return self.mean, self.spread

    def windows(self, history):
        """All windows of all series in the network's units, past and future."""
        cut = [windows(series, PAST, self.ahead) for series in history.values()]
        past, future = (np.concatenate(each) for each in zip(*cut, strict=True))
        mean, spread = self.unit(past)
        return tensor((past - mean) / spread), tensor((future - mean) / spread)

    def fit(self, history):
        torch.manual_seed(self.seed)
        everything = np.concatenate(list(history.values()))
        self.mean, self.spread = everything.mean(), everything.std()
        self.net, self.losses = Lstm(self.ahead), []
        past, future = self.windows(history)
        for loss in learn(self.net, past, future, self.epochs):
            self.losses.append(loss)
        return self

    def predict(self, history):
        past = np.stack([series[-PAST:] for series in history.values()])
        mean, spread = self.unit(past)
        seen = tensor((past - mean) / spread)
        with torch.no_grad():
            while seen.shape[1] < PAST + HORIZON:
                seen = torch.cat([seen, self.net(seen[:, -PAST:])], dim=1)
        ahead = seen[:, PAST : PAST + HORIZON].numpy() * spread + mean
        return dict(zip(history, ahead, strict=True))


def tensor(values):
    return torch.as_tensor(values, dtype=torch.float32)


def learn(net, past, future, epochs):
    """Trains by mean squared error; gives the loss of each epoch."""
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(past)).split(64):
            loss = (net(past[chosen]) - future[chosen]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        yield total / len(past)


# %%
known = panel.until(HORIZON + ORIGINS - 1)  # each series up to its first origin
lstm = Network().fit(known)

fig, ax = plt.subplots(figsize=(5.2, 2.6))
ax.semilogy(range(1, EPOCHS + 1), lstm.losses, color=figures.colour("LSTM"), marker="o", ms=4)
ax.set_xticks([1, *range(5, EPOCHS + 1, 5)])
ax.set(title="the LSTM learns", xlabel="epoch", ylabel="training loss")
plt.show()

# %% [markdown]
# A textbook curve: the loss falls, and falls, and flattens out. Ship it?


# %%
def trained(network):
    """A network that is fitted already, as a forecaster."""
    return lambda history, _: network.predict(history)


measure("LSTM", trained(lstm))
shown = [tested[name].scores() for name in bet.choices]
order = sorted(shown, key=lambda scores: scores["ocean"]["relative MASE"])
bet.reveal([scores.name for scores in order])
figures.ratios(shown, title="Two years ahead, 120 origins" if FULL else "")
plt.show()

# %%
lost = tested["LSTM"].scores()["ocean"]["MASE"] / usual.scores()["ocean"]["MASE"]
Markdown(
    f"On ocean, a network with {sum(p.numel() for p in lstm.net.parameters()):,} weights makes "
    f"**{lost:.1f} times** the error of a line and twelve means. And its training loss was "
    f"{lstm.losses[-1]:.4f}."
)

# %% [markdown]
# Before you try more layers: *look*. This is one forecast of each series, and what came.


# %%
def look(names, title, origin=-60 if FULL else -6):
    """Forecasts of methods from one of the origins, beside what came."""
    fig, axes = plt.subplots(1, 3, figsize=(10.5, 2.7))
    for at, (ax, series) in enumerate(zip(axes, panel, strict=True)):
        now = int(usual.origins[at, origin])
        when = figures.dates(panel, series)
        ax.plot(when[now - 48 : now], panel[series][now - 48 : now], color=style.PAST)
        ax.plot(when[now : now + HORIZON], usual.truth[at, origin], color=style.TRUTH)
        for place, name in enumerate(names):
            line = "--" if place else "-"
            guess = tested[name].point[at, origin]
            ax.plot(when[now : now + HORIZON], guess, line, color=figures.colour(name), label=name)
        ax.axvline(when[now], color=style.MUTED, linewidth=1, linestyle=":")
        ax.set_title(series)
    axes[-1].legend(fontsize=8)
    fig.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    plt.show()


look(["LSTM"], "what came (dark), and what the LSTM said")

# %% [markdown]
# ## 5. Why?
#
# Four causes, one at a time. Each is common, each is silent, and none is a bug.
#
# ### Scale
#
# The recipe standardises: minus the mean, divided by the standard deviation. *Of all values of all
# series.* CO2 is counted in hundreds, the ocean in twenties, the index around nought.

# %%
scale = Exercise(
    "scale",
    "The recipe divides everything by one spread. How large is ocean's own spread, in per cent of "
    "it?",
    unit="%",
    hints=(
        "What does the spread of all values consist of, when one series is near 340 and another "
        "near 0?",
        "Ocean goes from 19 to 29 degrees; its standard deviation is about 2.",
        "The pooled standard deviation is near 130.",
    ),
)
scale.predict(...)

# %%
scale.reveal(round(100 * known["ocean"].std() / lstm.spread, 1))

fig, axes = plt.subplots(1, 2, figsize=(10.5, 2.9), sharex=True)
axes[0].set_title("what the network sees: one scale for all")
axes[1].set_title("each window in its own mean and spread")
for name, shade in zip(known, (style.NAIVE, style.PAST, "#8c4a6b"), strict=True):
    shown = known[name][-120:]
    axes[0].plot((shown - lstm.mean) / lstm.spread, color=shade, label=name)
    axes[1].plot((shown - shown.mean()) / shown.std(), color=shade, linewidth=1.1)
axes[0].set_ylabel("network's units")
axes[0].legend(ncols=3, fontsize=9, loc="center")
for ax in axes:
    ax.set_xlabel("month")
plt.show()

# %% [markdown]
# To this network ocean and darwin are nearly constant. It can miss all of El Niño and still have a
# loss that is next to nothing: the loss is small because the *scale* is large. A loss means nothing
# until you compare it with the loss of something simple.
#
# So give each window its own mean and its own spread, computed from its past alone:

# %%
measure("LSTM, own scale", trained(Network(own_scale=True).fit(known)))
look(["LSTM", "LSTM, own scale"], "each window on its own scale")

# %% [markdown]
# ### Horizon
#
# It has learnt to see *one* month ahead, and it is asked for 24. So it reads its own output, errors
# and all, and each step adds to the last. Besides, one month ahead the best thing to say is nearly
# "as now", and that is what it learns.
#
# Or ask for all 24 months **at once**: the loss then asks what you ask. **Predict** what that
# brings:

# %%
direct = Exercise(
    "at once",
    "Geometric mean over the three series: the error of 24 months at once, in per cent of the "
    "error of 24 times one month?",
    unit="%",
    hints=(
        "Below 100, then. On which of the three series does a small error build up the most?",
        "Carbon climbs: month for month a little too little becomes much too little.",
        "Between a half and nine tenths.",
    ),
)
direct.predict(...)

# %%
network = Network(own_scale=True, ahead=HORIZON).fit(known)
measure("LSTM, at once", trained(network))
one, all_at_once = (tested[n].scores().relative_mase for n in ("LSTM, own scale", "LSTM, at once"))
direct.reveal(round(100 * all_at_once / one))

fig, axes = plt.subplots(1, 3, figsize=(10.5, 2.9), sharex=True)
for ax, series in zip(axes, panel, strict=True):
    at = list(panel).index(series)
    for name, line in (("LSTM, own scale", "-"), ("LSTM, at once", "--"), ("climatology", "-")):
        lead = np.abs(tested[name].truth[at] - tested[name].point[at]).mean(axis=0)
        label = name.replace("own scale", "month by month")
        ax.plot(range(1, HORIZON + 1), lead, line, color=figures.colour(name), label=label)
    ax.set(title=series, xlabel="months ahead", ylim=(0, None))
    ax.set_ylabel(f"mean error, {figures.label(panel, series)}")
axes[0].legend(fontsize=8.5)
plt.show()

# %%
figures.ratios(
    [tested[name].scores() for name in ("climatology", "damped anomaly", *list(tested)[-3:])],
    title="Two causes gone",
)
plt.show()

# %% [markdown]
# On carbon the network is now ahead of climatology, and that with two changes of one line each. On
# ocean and darwin it still loses to the mean. More training?
#
# ### A split that leaks
#
# How long to train is decided on data that were held out. Most tutorials hold out a fifth of the
# windows *at random*. But two windows one month apart share 59 of their 60 months: whatever is held
# out has twins among what was learnt.
#
# We train on darwin and watch three errors: on what is learnt, on windows held out at random, and
# on *later* years that share no month with either.

# %%
split = Exercise(
    "the split",
    "From epoch 5 to the last, the error on windows held out at random falls by about a fifth. By "
    "how many per cent does the error on later months change? (-25 is a fall, 25 a rise.)",
    unit="%",
    hints=(
        "What does a network learn in epoch 40 that it did not know in epoch 5?",
        "Windows at random have twins that were learnt by heart. Later months have none.",
        "Its sign is not that of the other curve.",
    ),
)
split.predict(...)

# %%
LATER = 240


def watch(series, epochs, seed=0):
    """A network, what it learnt from, and its errors after each epoch: learnt, random, later."""
    torch.manual_seed(seed)
    watched = Network(own_scale=True, ahead=HORIZON)
    past, future = watched.windows({"": series})
    place = np.arange(len(past))
    later = place >= len(past) - LATER
    # Windows that reach into the later ones belong to nobody.
    early = place < len(past) - LATER - PAST - HORIZON
    random = early & (np.random.default_rng(seed).random(len(past)) < 0.2)
    watched.net, learnt, found = Lstm(HORIZON), early & ~random, []
    for _ in learn(watched.net, past[learnt], future[learnt], epochs):
        with torch.no_grad():
            off = (watched.net(past) - future).abs().mean(dim=1).numpy()
        found.append([off[kind].mean() for kind in (learnt, random, later)])
    return watched, learnt, np.array(found)


by_heart, learnt, curves = watch(known["darwin"], 60 if FULL else 8)
first = min(4, len(curves) - 2)
split.reveal(round(100 * (curves[-1, 2] / curves[first, 2] - 1)))

fig, ax = plt.subplots(figsize=(7.2, 3.2))
kinds = ("learnt", "held out at random", "later months")
for curve, kind, shade in zip(curves.T, kinds, (style.MUTED, style.NAIVE, style.INK), strict=True):
    ax.plot(range(1, len(curves) + 1), curve, color=shade, label=kind)
    best = int(np.argmin(curve))
    if kind != "learnt":
        ax.plot(best + 1, curve[best], "o", color=shade, markersize=7)
ax.set(xlabel="epoch", ylabel="mean error", title="dots: the epoch that each split would choose")
ax.legend()
plt.show()

# %% [markdown]
# The random split says: go on, it gets better and better. The later months say: stop at once. Both
# are the *same* network at the same moment. What the random split rewards is learning by heart,
# because that is what it tests.
#
# Time has one direction, and so has a split: learn from what came before, leave a gap as long as a
# window, test on what came after.
#
# ### Too little to learn from
#
# Ocean has 60 years. That is a lot of looking out of the window; how much is it to learn from? Its
# departures have a memory, so neighbouring months say nearly the same. For a mean, `n` months with
# a correlation `r` from month to month are worth about `n (1 - r) / (1 + r)` independent ones.

# %%
worth = Exercise(
    "worth",
    "The months of ocean that the network learnt from: how many independent ones are they worth?",
    unit="months",
    hints=(
        "The correlation from month to month is the first point of the autocorrelation: about 0.9.",
        "(1 - 0.9) / (1 + 0.9) is about a twentieth.",
        "There were about 590 months.",
    ),
)
worth.predict(...)

# %%
r = figures.autocorrelation(departures(known["ocean"]))[1]
worth.reveal(round(known["ocean"].size * (1 - r) / (1 + r)))

# %% [markdown]
# And the network has more than five thousand weights to set. Now let both learn from less: the
# network from the last 10, 20, … years of ocean alone, and climatology's plain mean from as many.

# %%
enough = Exercise(
    "enough",
    "How many years of ocean does the *mean* need to be better than the network ever is?",
    choices=(10, 20, 35, 49, "never"),
    hints=(
        "What does a mean over ten Januaries leave to be improved by forty more?",
        "An error of a mean of n falls as 1 / √n, and it is a small part of the whole error here.",
        "Less than you would think fair.",
    ),
)
enough.predict(...)

# %%
ocean = panel.select("ocean")
years = (10, 20, 35, 49)


def plain_mean(history, horizon, season, years):
    """Each month's mean over the last `years` years."""
    return np.resize(history[-12 * years :].reshape(-1, 12).mean(axis=0), horizon)


curve = {"mean": [], "network": []}
for few in years:
    mean = backtest(one_by_one(plain_mean, years=few), ocean, HORIZON, origins=ORIGINS)
    curve["mean"].append([mean.scores().relative_mase])
    part = {"ocean": known["ocean"][-12 * few :]}
    curve["network"].append([])
    for seed in range(2 if FULL else 1):
        small = Network(own_scale=True, ahead=HORIZON, epochs=2 * EPOCHS, seed=seed).fit(part)
        found = backtest(trained(small), ocean, HORIZON, origins=ORIGINS, name="small")
        curve["network"][-1].append(found.scores().relative_mase)

ever = np.mean(curve["network"], axis=1).min()
better = [few for few, [error] in zip(years, curve["mean"], strict=True) if error < ever]
enough.reveal(better[0] if better else "never")

fig, ax = plt.subplots(figsize=(6.4, 3.2))
ax.axhline(1, color=style.NAIVE, linewidth=1.2, linestyle=":")
ax.annotate("seasonal naive", (years[-1], 1), (0, 3), textcoords="offset points", ha="right")
ax.plot(years, np.mean(curve["mean"], axis=1), "s-", color=style.PAST, label="mean of the month")
middle = np.mean(curve["network"], axis=1)
ax.plot(years, middle, "o-", color=figures.colour("LSTM"), label="LSTM, mean of its seeds")
for at, few in enumerate(years):
    seeds = curve["network"][at]
    ax.plot([few] * len(seeds), seeds, ".", color=figures.colour("LSTM"), alpha=0.5)
ax.set(xlabel="years of ocean to learn from", ylabel="error, relative to the seasonal naive")
ax.set_xticks(years)
ax.legend()
plt.show()

# %% [markdown]
# The network has to find out from data that there is a season, that it has twelve months, that
# departures fade. The mean was *told*. With little data, what you build in beats what can be
# learnt; a network that starts from nothing spends its data on what everybody knew.
#
# That is the way out, too.

# %% [markdown]
# ## 6. Recover
#
# The baseline of this project (`academy.forecasting.models.baseline`) is a network that is told all
# that:
#
# | cause | what it does about it |
# |---|---|
# | scale | it sees departures, in units of their own spread |
# | horizon | it gives 24 months at once, each in units of how wrong one usually is so far ahead |
# | the split | what it is tested on comes later than all that it learnt from |
# | too little to learn from | line, season and fading are taken away first; it learns the *rest* |
#
# Untrained, it *is* the damped anomaly. All that training can do is to improve on it, or not.

# %%
from academy.forecasting.models.baseline import Baseline, Settings

short = {} if FULL else {"epochs": EPOCHS, "networks": 1}
model = Baseline(Settings(horizon=HORIZON, **short)).fit(known)
measure("baseline", lambda history, _: model.predict_quantiles(history))

names = ("seasonal naive", "climatology", "damped anomaly")
steps = ("LSTM", "LSTM, own scale", "LSTM, at once", "baseline")
figures.ratios([tested[name].scores() for name in (*names, *steps)], title="The way back")
plt.show()

# %%
Scoreboard.of(each.scores() for each in tested.values())

# %% [markdown]
# By the geometric mean the baseline is ahead of everything so far. Look closer before you
# celebrate: most of it is carbon, and there most of it is the damped anomaly that it started from.
# On ocean and darwin, two years ahead, it does no better than a mean; and from the autocorrelation
# you know that nobody could do much better from these series alone.
#
# The honest summary is not "deep learning wins" or "deep learning fails". It is: *told what is
# known, a network is as good as the best simple rule on each series at once.* Where it is better,
# and whether that is more than luck, is what parts 8 to 10 are about.

# %% [markdown]
# ## 7. A leak hunt
#
# A colleague sends you a model of ocean. It is a plain regression on seven features of the last
# month, and it sees half a year ahead better than anything you have. Here are her features; each is
# a function of the series, and gives a row for each month.


# %%
def season_waves(values):
    """Where in the year a month is: sine and cosine."""
    angle = 2 * np.pi * np.arange(values.size) / 12
    return np.column_stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)])


def standardised(values):
    """In units of its spread, from its mean."""
    return (values - values.mean()) / values.std()


def change(values):
    """Since the month before."""
    return np.diff(values, prepend=values[0])


def last_year(values):
    """The same month, a year ago."""
    return np.concatenate([values[:12], values[:-12]])


def anomaly(values):
    """Without line and season."""
    return departures(values)


def smoothed(values):
    """The mean of 13 months around each month: no noise, no season."""
    return np.convolve(np.pad(values, 6, mode="edge"), np.ones(13) / 13, mode="valid")


def warm_spell(values):
    """For how many months it has been warmer than a year ago."""
    count = np.zeros(values.size)
    for month in range(12, values.size):
        count[month] = count[month - 1] + 1 if values[month] > values[month - 12] else 0
    return count


features = [season_waves, standardised, change, last_year, anomaly, smoothed, warm_spell]

# %%
hunt = Exercise(
    "the hunt",
    "How many of the seven features know something of the future?",
    hints=(
        "For each: could you compute January's row on the last day of January?",
        "A mean over *everything* has seen everything.",
        "There are loud ones and quiet ones; count both.",
    ),
)
hunt.predict(...)

# %%
from academy.forecasting import leakage

reports = [leakage.check_transform(each, panel["ocean"]) for each in features]
hunt.reveal(sum(report.leaks for report in reports))
for report in reports:
    print(report)

# %% [markdown]
# `check_transform` knows no statistics. It changes the future and looks whether the past moves. If
# a row of January depends on July, it is a leak, however well it is meant.
#
# Not all leaks are worth the same. Here is her model twice: with features of the whole series, as
# in her notebook, and with features of what was known at the time. (One line differs.)


# %%
def regression(data, features, *, prepared_first, horizon=6):
    """A ridge regression of each of the months to come on `features` of the last one."""
    learnt = ORIGINS + HORIZON - 1
    rows = {name: table(values, features) for name, values in data.items()}
    weights = {}
    for name, values in data.items():
        past = values[: values.size - learnt]
        given = rows[name][: past.size] if prepared_first else table(past, features)
        weights[name] = [ridge(given[: -1 - lead], past[1 + lead :]) for lead in range(horizon)]

    def forecaster(history, horizon):
        ahead = {}
        for name, values in history.items():
            now = rows[name][values.size - 1] if prepared_first else table(values, features)[-1]
            ahead[name] = np.array([now @ each for each in weights[name][:horizon]])
        return ahead

    return forecaster


def table(values, features):
    return np.column_stack([np.ones(values.size), *(each(values) for each in features)])


def ridge(given, target):
    return np.linalg.solve(given.T @ given + np.eye(given.shape[1]), given.T @ target)


def half_year(name, forecaster):
    # The same origins as everywhere: the last 18 months are left out.
    return backtest(forecaster, ocean.until(HORIZON - 6), 6, origins=ORIGINS, name=name)


reference = half_year("climatology", simple("climatology"))
claimed = half_year("claimed", regression(ocean, features, prepared_first=True))
lived = half_year("lived", regression(ocean, features, prepared_first=False))
honest = [each for each, report in zip(features, reports, strict=True) if not report.leaks]
mended = half_year("mended", regression(ocean, honest, prepared_first=False))
fading = half_year("damped anomaly", simple("damped anomaly"))

fig, ax = plt.subplots(figsize=(7.6, 3.4))
lines = {  # what she measured, and what would have come of it
    "in her notebook": (claimed, "#c0392b", "-o"),
    "the same features, of what was known": (lived, "#c0392b", "--o"),
    "without the leaky features": (mended, style.MODEL, "-s"),
    "damped anomaly": (fading, figures.colour("damped anomaly"), "-D"),
}
ax.axhline(0, color=style.PAST)
ax.annotate("climatology", (6, 0), (0, 3), textcoords="offset points", ha="right", color=style.PAST)
for name, (found, shade, line) in lines.items():
    ax.plot(range(1, 7), found.by_lead(reference), line, color=shade, ms=4, label=name)
ax.set(xlabel="months ahead", ylabel="skill: 1 - error / climatology's", title="ocean")
ax.set_ylim(-1.4, 1)
fig.legend(*ax.get_legend_handles_labels(), fontsize=9, ncols=2, loc="outside lower center")
plt.show()

# %%
print(leakage.check_pipeline(lambda d: regression(d, features, prepared_first=True), ocean, 6))

# %% [markdown]
# The solid red line is the claim. The dashed one is what her model would have done in life: worse
# than climatology in every month. It had learnt to lean on `smoothed`, which knew the next half
# year; at the end of what is known there is no next half year, and it falls over.
#
# That is the pattern of leaks: they do not only flatter. A model that was trained on a leak is
# *worse* than one that was not.
#
# And filling gaps? `interpolate()` draws a line to the next known value: one more look into the
# future, and the reason why the data of this project have no filled gap.

# %%
gappy = panel["ocean"].copy()
gappy[np.random.default_rng(0).choice(gappy.size, 60, replace=False)] = np.nan


def filled(values):
    """Gaps filled along straight lines."""
    there = np.isfinite(values)
    return np.interp(np.arange(values.size), np.flatnonzero(there), values[there])


print(leakage.check_transform(filled, gappy))

# %% [markdown]
# Now mend her best feature yourself: a smooth line that never looks ahead.

# %%
smooth = Exercise(
    "smooth",
    "Write a function that smooths a series and uses, for each month, only that month and earlier "
    "ones.",
    hints=(
        "Which 13 months are known at the end of a month?",
        "At the beginning there are fewer than 13; use those there are.",
        "`np.cumsum` gives sums of everything so far; subtract the one from 13 months before.",
    ),
)


@smooth.property("a value for each month")
def _(function):
    found = np.asarray(function(panel["ocean"]), float)
    return found.shape == panel["ocean"].shape and np.isfinite(found).all(), str(found.shape)


@smooth.property("a constant stays what it is")
def _(function):
    return np.allclose(function(np.full(50, 3.0)), 3)


@smooth.property("half the jumps at most")
def _(function):
    before, after = (np.abs(np.diff(each)).mean() for each in (_jumps, function(_jumps)))
    return after < before / 2, f"from {before:.2f} to {after:.2f}"


@smooth.property("it never looks ahead")
def _(function):
    report = leakage.check_transform(function, panel["ocean"], name="my_smooth")
    return not report.leaks, report.message


_jumps = np.random.default_rng(1).normal(size=200)


def my_smooth(values):
    """Yours."""
    return ...


smooth.check(my_smooth)

# %% [markdown]
# ## 8. How far can one see?
#
# One number for two years hides where they differ. **Skill** is 1 - error / climatology's error,
# for each month ahead by itself: 1 is perfect, 0 is no better than the mean.

# %%
sight = Exercise(
    "sight",
    "On ocean: how many months ahead does the baseline have at least 5 % skill over climatology?",
    unit="months",
    hints=(
        "The autocorrelation says how much of a departure is left after k months.",
        "A correlation of r explains r² of the variance, and the error falls by 1 - √(1 - r²).",
        "Spring is a barrier: what the ocean does in winter says little about summer.",
    ),
)
sight.predict(...)

# %%
seen = tested["baseline"].only("ocean").by_lead(tested["climatology"].only("ocean"))
sight.reveal(int(np.argmax(np.append(seen, -1) < 0.05)))

fig, axes = plt.subplots(1, 3, figsize=(10.8, 3.3), sharey=True)
shown = [tested[name] for name in ("damped anomaly", "LSTM, at once", "baseline")]
for ax, name in zip(axes, panel, strict=True):
    figures.skill_by_lead(
        shown, tested["climatology"], name=name, axis=ax, interval="baseline", title=name
    )
    ax.get_legend().remove()
    ax.set_ylabel("")
axes[0].set(ylabel="skill over climatology", ylim=(-0.75, 1))
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# The green band is the baseline's 95 % interval. On ocean a forecast is worth a lot for one month,
# something for two, and from then on the mean is as good as anything here. Nobody who shows one
# number for two years tells you that.
#
# On carbon the baseline stays ahead to the end, since climatology never learns that the line bends.
# But look at the band: beyond a year these records cannot rule out that this was luck.

# %% [markdown]
# ## 9. How sure?
#
# Who plans with a forecast wants to know how far off it may be. So forecast **quantiles**: 19 of
# them, from the 5 % to the 95 % quantile. Between the 10 % and the 90 % quantile lie 80 % of what
# comes, *if* the forecast is honest.
#
# Where does one get them? A common shortcut: take the errors of a network on what it learnt from,
# and their standard deviation at each month ahead. The median is the forecast, the rest a bell
# curve. We do so with the network that you watched in part 5, as it was after its last epoch.

# %%
sure = Exercise(
    "sure",
    "Its 80 % band from its training errors: what per cent of darwin's months to come lie in it?",
    unit="%",
    hints=(
        "What does a network do to the errors on what it learns from?",
        "You have seen three curves in part 5. Which of them does this band know?",
        "Between a half and three quarters.",
    ),
)
sure.predict(...)

# %%
from academy.forecasting import LEVELS
from academy.forecasting.evaluation.comparing import coverage_interval
from scipy.stats import norm

darwin = panel.select("darwin")
past, _ = windows(known["darwin"], PAST, HORIZON)
before, after = by_heart.windows({"darwin": known["darwin"]})
with torch.no_grad():
    off = (after - by_heart.net(before)).numpy() * past.std(axis=1, keepdims=True)
band = off[learnt].std(axis=0)[:, None] * norm.ppf(LEVELS)


def with_band(history, _):
    """The network's forecast, and the same bell curve around it each time."""
    return {name: point[:, None] + band for name, point in by_heart.predict(history).items()}


shortcut = measure("LSTM, training errors", with_band, on=darwin)
ours = tested["baseline"].only("darwin")
sure.reveal(round(100 * coverage_interval(shortcut).share))

# %%
now = int(ours.origins[0, -100 if FULL else -8])
at = ours.origins[0].tolist().index(now)
when = figures.dates(panel, "darwin")[: now + HORIZON]
fig, axes = plt.subplots(1, 2, figsize=(10.5, 3.1), sharey=True)
for ax, found in zip(axes, (shortcut, ours), strict=True):
    figures.fan(
        ax,
        panel["darwin"][:now],
        found.quantiles[0, at],
        truth=found.truth[0, at],
        times=when,
        shade=figures.colour(found.name),
    )
    ax.set_title(found.name)
axes[0].set_ylabel("index")
fig.legend(*axes[1].get_legend_handles_labels(), fontsize=9, ncols=5, loc="outside lower center")
plt.show()

# %% [markdown]
# One fan is an anecdote. **Calibration** counts: how often did what came lie below the 10 %
# quantile, the 20 %, …? On the diagonal a forecast means what it says. The bars are 95 % intervals.

# %%
figures.reliability([shortcut, ours])
plt.show()
for found in (shortcut, ours):
    print(f"{found.name:22s} 80 % band: {coverage_interval(found)}")

# %% [markdown]
# The red curve is too flat: too much of what came lies outside, on both sides. The network is too
# sure of itself, because it was asked about what it knew by heart. The baseline has learnt its
# quantiles, by the **pinball loss**, which costs 0.9 for what lies above the 90 % quantile and 0.1
# for what lies below.
#
# There is a way without learning, too, and it works for any forecaster: count how wrong it *was*,
# on months that it had not learnt from. Yours:

# %%
fan = Exercise(
    "a fan of your own",
    "Write a function that makes quantiles, (horizon, 19), of a point forecast, (horizon,), and of "
    "past errors, truth minus forecast, (n, horizon).",
    hints=(
        "Each month ahead has its own errors, and so its own spread.",
        "If a tenth of the errors was below -2, the 10 % quantile is 2 below the forecast.",
        "`np.quantile(errors, levels, axis=0)` has the shape (19, horizon).",
    ),
)
_draw = np.random.default_rng(3)
_errors = _draw.normal(size=(400, 6)) * np.arange(1, 7)


@fan.property("six months, 19 quantiles each, in order")
def _(function):
    found = np.asarray(function(np.zeros(6), _errors), float)
    return found.shape == (6, 19) and (np.diff(found) >= 0).all(), f"its shape is {found.shape}"


@fan.property("it goes along with the forecast")
def _(function):
    return np.allclose(function(np.full(6, 7.0), _errors), 7 + function(np.zeros(6), _errors))


@fan.property("where errors were twice as large it is twice as wide")
def _(function):
    one, two = (np.asarray(function(np.zeros(6), k * _errors), float) for k in (1, 2))
    return np.allclose(two, 2 * one)


@fan.property("80 % of the errors lie in its 80 % band, at each month")
def _(function):
    low, high = np.asarray(function(np.zeros(6), _errors), float)[:, [1, 17]].T
    inside = ((_errors >= low) & (_errors <= high)).mean(axis=0)
    return (np.abs(inside - 0.8) < 0.02).all(), f"it holds {inside.min():.0%} to {inside.max():.0%}"


def my_fan(point, errors):
    """Yours; `LEVELS` are the 19 levels."""
    return ...


fan.check(my_fan)

# %% [markdown]
# If it passes, it makes a fan for the same network, from its errors in earlier months. (Earlier:
# the last of them came before the first forecast that gets the fan. Else this would be a leak,
# too.)

# %%
if fan.passed:
    count = ORIGINS // 3
    earlier = backtest(
        trained(by_heart), darwin.until(HORIZON + count - 1), HORIZON, origins=ORIGINS // 2
    )
    gone_wrong = (earlier.truth - earlier.point)[0]

    def with_my_fan(history, _):
        ahead = by_heart.predict(history)
        return {name: my_fan(point, gone_wrong) for name, point in ahead.items()}

    for name, forecaster in (("your fan", with_my_fan), ("the bell curve", with_band)):
        found = backtest(forecaster, darwin, HORIZON, origins=count, name=name)
        print(f"{name:16s} 80 % band: {coverage_interval(found)}")

# %% [markdown]
# ## 10. Better, or lucky?
#
# The baseline's score is a bit lower than the damped anomaly's. Is it *better*, or would ten other
# years have turned it round?
#
# Take the ratio of the errors, origin by origin, and put an interval around it. If the 120 origins
# were independent, that would be one line of code. They are not: forecasts made a month apart are
# judged by the same months, and a warm spell spoils a year of them together.

# %%
tries = Exercise(
    "tries",
    "Baseline against climatology, 24 months, 120 origins: how many independent tries are they "
    "worth, about?",
    unit="tries",
    hints=(
        "How often do 24 months fit into 143 without an overlap?",
        "And if an El Niño that spoils one also spoils the next?",
        "You can count them on one hand.",
    ),
)
tries.predict(...)

# %%
from academy.forecasting import compare


def too_sure(one, other, leads):
    """Half width of a 95 % interval that takes origins for independent."""
    parts = []
    for each in (one, other):
        off = np.abs(each.truth - each.point)[:, :, leads].mean(axis=2)
        parts.append(off / off.mean(axis=1, keepdims=True))
    apart = (parts[0] - parts[1]).mean(axis=0)
    return 1.96 * apart.std() / np.sqrt(apart.size)


best = tested["baseline"]
whole = [compare(best, tested[name]) for name in names] + [compare(best, tested["LSTM, at once"])]
tries.reveal(round(next(pair for pair in whole if pair.other == "climatology").effective))
plain = [too_sure(best, tested[pair.other], slice(None)) for pair in whole]
figures.forest(whole, naive=plain, title="Two years ahead (thin: as if origins were independent)")
plt.show()

# %% [markdown]
# `tie` means that the whole interval lies within ±5 %; `not settled`, that these origins cannot
# tell. The thin bars settle nearly everything, and they are wrong: on simulated series, where the
# truth is known, bars like these miss it far more often than the 5 times in 100 that they promise.
#
# "Not settled" is a result. It says how much data a claim would need. And nearer months, which
# overlap less, can be settled sooner:

# %%
blocks = {"month 1": slice(0, 1), "2 to 3": slice(1, 3), "4 to 12": slice(3, 12)}
blocks |= {"13 to 24": slice(12, 24)}
pairs, plain, labels = [], [], []
for words, leads in blocks.items():
    for name in ("climatology", "damped anomaly"):
        pairs.append(compare(best, tested[name], leads=leads))
        plain.append(too_sure(best, tested[name], leads))
        labels.append(f"{words}: baseline / {name}")
fig = figures.forest(pairs, naive=plain, title="By months ahead")
fig.axes[0].set_yticks(range(len(pairs)), labels)
plt.show()

# %% [markdown]
# What may you write in a report? Read it off: for the first month the baseline is far better than
# climatology, and tied with the damped anomaly. Two years ahead it has the lower error, and these
# records are too short to prove it.

# %% [markdown]
# ## 11. A series of your own
#
# Any table with a time and a value will do: `read_csv`. It is strict. Gaps, double rows, mixed time
# zones, a year that jumps: it says where, and asks what you want, since each of them can be filled
# in with a lie. The weekly CO2 record, as monthly means, has real gaps:

# %%
from academy.errors import AcademyError
from academy.forecasting import read_csv

file = data.folder / "practice" / "carbon.csv"  # put your own file here
try:
    read_csv(file, time="month", value="value", series="series")
except AcademyError as problem:
    print(problem)

# %%
yours = read_csv(file, time="month", value="value", series="series", gaps="longest")
yours

# %%
# One network instead of five: this is a look, and no entry.
quick = Baseline(Settings(horizon=HORIZON, **(short | {"networks": 1}))).fit(panel)
ahead = quick.predict_quantiles(yours)

fig, ax = plt.subplots(figsize=(7.2, 3))
name = next(iter(yours))
start = figures.dates(yours, name)
when = start[0] + np.arange(start.size + HORIZON) / 12
figures.fan(ax, yours[name], ahead[name], times=when, shown=96)
ax.set(title=f"{name}, and the two years that follow", ylabel="its unit", xlabel="year")
ax.legend(fontsize=8.5, loc="upper left")
plt.show()

# %% [markdown]
# A grid, such as a NetCDF file of a climate model, is read by `read_grid`: a point, or the mean
# over a region with each cell weighted by its area. `data.panel["grid"]` is one, cell by cell: 240
# years of North America's temperature in a simulation.

# %% [markdown]
# ## 12. The project
#
# Now the real thing. The project's eight series are **sealed**: windows of records like these, with
# a secret beginning, a secret level and a secret scale, and most of each month's departure drawn
# anew. They behave like the real ones, and the answers can be looked up nowhere.

# %%
history, task = data.history, data.task
data

# %%
fig, axes = plt.subplots(4, 2, figsize=(10.5, 7), sharex=True)
for ax, name in zip(axes.T.flat, history, strict=True):
    ax.plot(history[name], color=style.PAST, linewidth=1)
    ax.set_title(name)
for ax in axes[-1]:
    ax.set_xlabel("months since a secret start")
plt.show()

# %% [markdown]
# `train.py` trains the baseline on them. As a job it runs on a machine of its own, paid from your
# budget: what it could cost at most is *reserved* when it starts, what it did not use comes back.
# `where="here"` runs the same script on this machine, at no extra cost.

# %%
job = academy.train("train.py", project="climate-series", hours=0.25, hyperparameters=short)
academy.budget()

# %%
model = Baseline.load(job.model())
forecast = model.predict_quantiles(history)

fig, axes = plt.subplots(4, 2, figsize=(10.5, 8))
for ax, name in zip(axes.T.flat, history, strict=True):
    figures.fan(ax, history[name], forecast[name])
    naive = RIVALS["seasonal naive"].of(history[name], task.horizon)
    steps = np.arange(len(history[name]), len(history[name]) + task.horizon)
    ax.plot(steps, naive, color=style.NAIVE, linewidth=1, label="seasonal naive")
    ax.set_title(name)
handles, labels = axes[0, 0].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside upper center", ncols=6)
for ax in axes[-1]:
    ax.set_xlabel("months since a secret start")
plt.show()

# %% [markdown]
# The score is the error relative to the seasonal naive, the geometric mean over the eight series.
# The median is your point forecast; from the quantiles the board also computes the **WQL**, the
# weighted quantile loss, and the coverage. A part of the months makes the public board, the rest
# decides at the end. What do you expect?

# %%
expected = Exercise(
    "the board",
    "What will the board show for the baseline, in per cent of the seasonal naive's error?",
    unit="%",
    hints=(
        "The job has tested itself at 60 origins, with what was known there: see job.metrics.",
        "The board asks at one origin only. You know from part 2 what one origin is worth.",
        "In `job.metrics`, `score` of `backtest` is the same measure, on months that are known.",
    ),
)
expected.predict(...)

# %%
receipt = academy.submit("climate-series", forecast, note="baseline, with quantiles", job=job)
if receipt.public_score is not None:
    expected.reveal(round(100 * receipt.public_score))
receipt

# %%
academy.leaderboard("climate-series")

# %% [markdown]
# Teams within noise share a rank. You know now why.
#
# ### The live round
#
# The only forecast that nobody can look up is one of a month that has not been. If your cohort has
# a **live round**, you send forecasts of the coming months; they are sealed by a hash when they
# arrive, and scored when the months are published, maybe after the course is over.

# %%
live = academy.live_round("climate-series")
if live is None or not live.open:
    print("No live round is open.")
else:
    at_sea = Baseline(Settings(horizon=max(map(live.steps_ahead, live.names)), **short)).fit(panel)
    ahead = at_sea.predict_quantiles(live.known)
    # From the last value that is known on; what is sent are the last `horizon` of them.
    last = {name: live.steps_ahead(name) for name in live.names}
    sealed = {name: ahead[name][last[name] - live.horizon : last[name]] for name in live.names}
    print(academy.submit("climate-series", sealed, note="baseline", live=True))

# %% [markdown]
# ## What next
#
# The baseline is a start, and the lines on the board say how far one can go.
#
# 1. **Ocean from darwin.** The two are ends of one seesaw. Does last month's darwin help to
#    forecast ocean? Test it with `backtest`, and show the interval.
# 2. **The slow rivals.** `RIVALS` has AutoETS, AutoTheta and AutoARIMA, too. Fill their cache with
#    `academy.forecasting.rivals.prepare` and put them into `ratios`.
# 3. **A thousand series.** `data.panel["grid"]` has 1,813 cells of 240 years. A network that had
#    too little to learn from: what does it do with these? (Neighbours are alike. How many are they
#    worth?)
# 4. **The tail.** Which fan is better where it matters, in an El Niño? Look at the 95 % quantile
#    alone.
# 5. **Appendices**: `appendices/` shows the same backtest with statsforecast and neuralforecast.
#
# And the bets? Here is all that you predicted.

# %%
journal()

# %%
academy.budget()
