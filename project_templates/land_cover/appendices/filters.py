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
# # Appendix: speckle filters
#
# What a filter has to do: take the speckle away, leave the mean, leave the edges. Three numbers say
# how well it does that, and here they are measured on land where the answer is known:
#
# - **bias**: the mean of the filtered power over the true power; 1 is right;
# - **ENL**, the equivalent number of looks over even ground: mean² / variance; more is smoother;
# - **error**: root mean square difference to the land without speckle, in dB, edges included.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from academy import figures as style
from academy.data.simulator import simulate
from academy.data.simulator.backscatter import draw_speckle, from_db
from academy.exercises import Exercise
from academy.land_cover import figures
from academy.land_cover.speckle import (
    estimate_looks,
    gamma_map,
    kuan,
    lee,
    refined_lee,
    temporal_mean,
)
from academy.land_cover.speckle.windows import box_sum
from IPython.display import Markdown

style.use_style()
LOOKS = 4.4

# %% [markdown]
# ## The land
#
# Two levels, 6 dB apart, and a road between them, one pixel wide. Over it comes speckle of 4.4
# looks, for now without any correlation between neighbours.

# %%
rng = np.random.default_rng(4)
land = np.full((256, 256), float(from_db(-14.0)), np.float32)
rows, columns = np.indices(land.shape)
land[columns > 128 + 24 * np.sin(rows / 22)] = from_db(-8.0)
land[np.abs(rows - 0.4 * columns - 60) < 0.55] = from_db(-17.0)
noisy = land * draw_speckle(rng, land.shape, LOOKS, correlation=0.0)
even = (slice(150, 250), slice(4, 90))  # no edge and no road comes near


def box(power, looks, window=7):
    """The plain mean of a window: no filter is simpler, and every filter must beat it somewhere."""
    padded = np.pad(power, window // 2, mode="reflect").astype(np.float64)
    return (box_sum(padded, window, window) / window**2).astype(np.float32)


filters = {
    "box 7 x 7": box,
    "Lee": lee,
    "Kuan": kuan,
    "Gamma-MAP": gamma_map,
    "refined Lee": refined_lee,
}

# %% [markdown]
# All of them are a mean with a second thought. With the window's mean m, its variation
# Ci = σ / m, and that of speckle alone, Cu = 1 / √looks:
#
# | filter | what it gives for a pixel z |
# |---|---|
# | box | m |
# | Lee | m + w (z - m), w = 1 - Cu² / Ci² |
# | Kuan | the same with w = (1 - Cu² / Ci²) / (1 + Cu²), often sold as Lee |
# | Gamma-MAP | the most probable power, if land and speckle follow gamma laws |
# | refined Lee | Lee, with statistics of the half window on the pixel's side of an edge |
#
# **Predict** before you look: which is smoothest over even ground?

# %%
smoothest = Exercise(
    "the smoothest",
    "Which filter has the most looks over even ground?",
    choices=tuple(filters),
    hints=(
        "Who gives the mean, and nothing but the mean?",
        "By chance a window of pure speckle varies more than Cu. What does Lee do there?",
        "Every second thought costs smoothness where there is nothing to think about.",
    ),
)
smoothest.predict(...)


# %%
def measured(power, truth, where=even):
    """Bias, ENL and error in dB."""
    part = power[where]
    enl = part.mean() ** 2 / part.var()
    error = np.sqrt(np.mean((figures.decibels(power) - figures.decibels(truth)) ** 2))
    return part.mean() / truth[where].mean(), enl, float(error)


results, lines = (
    {"raw": noisy},
    ["| raw | {:.3f} | {:.1f} | {:.2f} | |".format(*measured(noisy, land))],
)
for name, each in filters.items():
    started = time.perf_counter()
    results[name] = each(noisy, LOOKS)
    took = 1000 * (time.perf_counter() - started)
    lines.append(
        "| {} | {:.3f} | {:.0f} | {:.2f} | {:.0f} ms |".format(
            name, *measured(results[name], land), took
        )
    )
smoothest.reveal(max(filters, key=lambda name: measured(results[name], land)[1]))
Markdown("| filter | bias | ENL | error, dB | time |\n|---|---|---|---|---|\n" + "\n".join(lines))

# %%
fig, axes = plt.subplots(2, 3, figsize=(10.5, 7.2))
for axis, (name, power) in zip(axes.flat, results.items(), strict=True):
    figures.show(axis, figures.grey(power[40:170, 60:190]), title=name, bar=False)
plt.show()

# %% [markdown]
# Look at the road, and at what happens beside the edge: smoothness is paid for there. Gamma-MAP
# takes what varies too much (Ci² above 2 Cu²) for a target and leaves it as it is, speckle and all.
#
# ## Speckle has neighbours
#
# On a processed image neighbouring pixels share speckle. A mean of n pixels that agree with each
# other is not a mean of n pixels. The same filters, the same looks, neighbours correlated:

# %%
fig, axis = plt.subplots(figsize=(6.6, 3.4))
correlations = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
for name, each in filters.items():
    enls = []
    for correlation in correlations:
        speckle = draw_speckle(np.random.default_rng(7), (160, 160), LOOKS, correlation)
        enls.append(measured(each(speckle, LOOKS), np.ones_like(speckle), np.s_[8:-8, 8:-8])[1])
    axis.plot(correlations, enls, marker="o", label=name)
axis.set(xlabel="correlation of neighbouring pixels", ylabel="ENL after the filter", ylim=(0, None))
axis.legend()
plt.show()

# %% [markdown]
# So a filter's table is one of *its* speckle. Filter on the radar's own grid, before the image is
# brought to the map's, and estimate looks instead of believing the product's sheet:

# %%
scene = simulate(1016, "clean", height=256, width=256, nodata=0)
found = estimate_looks(scene.gamma0[0])
print(f"estimated {found.looks:.1f} looks; neighbours correlate by {found.correlation_rows[0]:.2f}")
print(f"a 7 x 7 box is worth {found.independent(7, 7):.0f} independent pixels, not 49")

# %% [markdown]
# ## Time instead of space
#
# A satellite comes back every 6 or 12 days. The mean over dates takes no edge away. What it takes
# away is time: crops that grow, fields that are flooded.

# %%
dates = np.stack([land * draw_speckle(rng, land.shape, LOOKS, 0.0) for _ in range(16)])
dates[3, 30:60, 30:60] = np.nan  # a date may have gaps
fig, axis = plt.subplots(figsize=(6.6, 3.2))
counts = (1, 2, 4, 8, 16)
means = [temporal_mean(dates[:count]).power for count in counts]
axis.plot(counts, [measured(power, land)[2] for power in means], marker="o", label="mean of dates")
one_date = measured(results["Lee"], land)[2]
axis.axhline(one_date, linestyle=":", color=style.NAIVE, label="Lee, one date")
axis.set_xscale("log", base=2)
axis.set_xticks(counts, counts)
axis.set(xlabel="dates", ylabel="error, dB", ylim=(0, None))
axis.legend()
plt.show()

# %% [markdown]
# ## A filter of your own
#
# Write one: linear power in, linear power out. It is tried on speckle over even ground, on an edge,
# and on an image with a gap. A box mean passes some of the checks. Which one not?

# %%
own = Exercise(
    "your filter",
    "Write a filter for linear power (H, W) with `looks` looks.",
    hints=(
        "Start from the box mean, and look at which check it fails.",
        "Over an edge a window varies more than speckle can make it vary. You know Cu.",
        "Go back to the pixel, by a weight between 0 and 1, where Ci is larger than Cu; and let "
        "gaps be neither in the sum nor in the count.",
    ),
)
trial = np.random.default_rng(11)
flat = draw_speckle(trial, (128, 128), LOOKS, 0.0)
edge = np.where(np.arange(128) < 64, np.float32(1), np.float32(10)) * flat
gap = flat.copy()
gap[40:50, 60:80] = np.nan


@own.property("as many pixels come out as go in")
def _(function):
    found = np.asarray(function(flat, LOOKS))
    return found.shape == flat.shape, f"{flat.shape} became {found.shape}"


@own.property("it keeps the mean within 2 %")
def _(function):
    change = float(np.mean(function(flat, LOOKS)) / flat.mean() - 1)
    return abs(change) < 0.02, f"the mean changed by {100 * change:+.1f} %"


@own.property("it raises the equivalent number of looks at least fivefold")
def _(function):
    part = np.asarray(function(flat, LOOKS))[8:-8, 8:-8]
    times = part.mean() ** 2 / part.var() / (flat.mean() ** 2 / flat.var())
    return times >= 5, f"{times:.1f} times as many"


@own.property("an edge of 10 dB is still there after it, beside the edge too")
def _(function):
    power = np.asarray(function(edge, LOOKS))[8:-8]
    dark = float(10 * np.log10(power[:, 61:63].mean()))
    return dark < 3, f"two pixels on the dark side of it the land is {dark:.1f} dB too bright"


@own.property("nodata stays nodata, and does not spread")
def _(function):
    found = np.isfinite(np.asarray(function(gap, LOOKS)))
    return (found == np.isfinite(gap)).all(), f"{(~found).sum()} pixels without data, not 200"


def my_filter(power, looks):
    """Linear power (H, W) with less speckle."""
    return ...


own.check(my_filter)
