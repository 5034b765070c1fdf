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
# # Land cover from radar: the map that is right almost everywhere
#
# A satellite looks down through cloud and night with a radar. From two numbers a pixel you make a
# map: forest, shrub, crops, town, water. You know what the land looks like. This notebook is about
# what a network makes of it, and about how a map can be right almost everywhere and useless.
#
# You will bet, be wrong, and find out why. Then you get tools, and a leaderboard.
#
# | | |
# |---|---|
# | 1 | a bet |
# | 2 | speckle: what a radar pixel is worth |
# | 3 | labels on another grid, and a score that leaks |
# | 4 | floors: what works without a network |
# | 5 | a first network, and the wall |
# | 6 | tools to get over it, and how two of them cancel |
# | 7 | what no map can reach: the noise in the labels |
# | 8 | the project: a training job, a map, a submission |

# %%
import os

import academy
import matplotlib.pyplot as plt
import numpy as np
from academy import figures as style
from academy.data.simulator import simulate
from academy.exercises import Exercise, journal
from academy.land_cover import figures
from academy.land_cover.classes import IGNORE, NAMES
from academy.land_cover.floors import cell_features, pixel_features
from academy.land_cover.metrics import SceneConfusions, confusion, scores
from IPython.display import Markdown
from scipy.ndimage import binary_erosion
from sklearn.ensemble import RandomForestClassifier

# "smoke" only checks that everything runs; what the text says holds for "full".
FULL = os.environ.get("ACADEMY_SIZE", "full") != "smoke"
SIDE, SCENES, TREES, STEPS = (480, 12, 40, 400) if FULL else (240, 4, 10, 40)
style.use_style()
academy.connect()

# %% [markdown]
# ## 1. A bet
#
# Below are ten kilometres of rain forest: what the radar sees, what a careful label map says, and
# the map of a model. The radar is shown in colours: red is how much comes back in the polarisation
# VV, green in VH, blue is the one over the other. Forest is bright in both and comes out
# yellow-green; calm water sends the pulse away and is black, and violet where wind roughens it.
#
# The model is a random forest. It has learnt from four other scenes of the same kind of land.

# %%
land = {"imbalance": 1.0, "label_noise": 0.0, "nodata": 0.0, "height": 480, "width": 480}
others = [simulate(seed, **land) for seed in (200, 203, 206, 209)]
scene = simulate(311, **land, required=range(9))


def forest(features, labels, trees=30, **options):
    """A random forest of all rows that have features and a label."""
    known = (labels != IGNORE) & np.isfinite(features).all(axis=1)
    model = RandomForestClassifier(trees, n_jobs=-1, random_state=0, **options)
    return model.fit(features[known], labels[known])


features = np.concatenate([cell_features(each)[::3] for each in others])
labels = np.concatenate([each.labels.ravel()[::3] for each in others])
model = forest(features, labels, min_samples_leaf=3)
guess = model.predict(cell_features(scene)).astype(np.uint8).reshape(scene.label_shape)
first = scores(confusion(scene.labels, guess, len(NAMES)), NAMES)

figures.maps(
    scene, {"what the radar sees": scene.gamma0, "the labels": scene.labels, "the map": guess}
)
plt.show()
Markdown(f"**{first.accuracy:.0%} of this map is right. Would you publish it?**")

# %% [markdown]
# Before you answer: there are nine classes. For each, **precision** is the part of what the map
# calls by that name that really is so; **recall** is the part of what is so that the map found;
# **F1** is their harmonic mean, which is only high if both are. What is the mean F1 of the nine?
#
# Put a number in place of the three dots. It is not marked. But a prediction written down is how
# one finds out what one believes.

# %%
bet = Exercise(
    "the bet",
    "What is the mean F1 of the nine classes on this map, in per cent?",
    unit="%",
    hints=(
        "How many of the nine would you find again on this map?",
        "A class that the map never shows has an F1 of 0, and counts as much as forest.",
        "One class near 100, two or three halfway, the rest almost nothing: what is the mean?",
    ),
)
bet.predict(...)

# %%
bet.reveal(round(100 * first.macro_f1), note="The bars below tell which classes it is made of.")
figures.class_bars(first, title=f"A map that is {first.accuracy:.0%} right")
plt.show()

# %% [markdown]
# Accuracy asks: how often is the map right? Where one class is nearly everything, it asks whether
# the map knows that class. **Macro-F1**, the mean over the classes, asks whether the map knows the
# land: a town counts as much as the forest around it. It is the score of this project, over a
# *fixed* list of nine classes, so that leaving one out is no way to gain.
#
# Nobody asks a satellite where the forest is in the middle of the forest. They ask where it ends.

# %% [markdown]
# ## 2. What a radar pixel is worth
#
# A pixel holds thousands of leaves, stones and walls, and each sends a wave back. The waves add up
# or cancel, by chance. So the power of a pixel is random even where the land is not: **speckle**.
# It is not an error of the instrument, and it multiplies: bright land has more of it.
#
# A **look** is one independent measurement of the same ground. Below is one and the same land with
# 1, 4 and 60 looks (it is simulated; a real scene has one past only). Power over mean power should
# follow a gamma law with as many looks.

# %%
plain = {"preset": "clean", "height": 256, "width": 256, "nodata": 0.0}
views = {looks: simulate(1016, looks=looks, **plain) for looks in (1, 4, 60)}
patch = (50, 50, 150, 150)
pictures = {
    f"{looks} look{'s' * (looks > 1)}": figures.grey(view.gamma0[0])
    for looks, view in views.items()
}
figures.maps(views[1], pictures, window=patch)

# Pixels well inside the commonest class: no edges.
inside = binary_erosion(views[1].truth == np.bincount(views[1].truth.ravel()).argmax(), None, 6)
fig, axes = plt.subplots(1, 3, figsize=(10.5, 2.4))
for axis, (title, view) in zip(axes, zip(pictures, views.values(), strict=True), strict=True):
    figures.power_histogram(axis, view.gamma0[0][inside], view.metadata["looks"])
    axis.set_title(f"{title}, even ground")
    axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# The legend's looks are more than the title's: bringing the image onto the map's grid has averaged
# neighbours. That is why looks are *estimated* for each scene, and why filters belong before
# reprojection.
#
# The spread of speckle is 1 / √looks of the mean. A network that works on single pixels must tell
# shrub from grass, 1 to 2 dB apart, through a spread of 2 dB. It cannot. One way out is to average
# over time, another over space, by filters that try to stop at edges.
#
# **Predict:** four classical filters. Which comes closest to the land without speckle, in dB?

# %%
from academy.land_cover.speckle import estimate_looks, gamma_map, kuan, lee, refined_lee

filters = {"Lee": lee, "Kuan": kuan, "refined Lee": refined_lee, "Gamma-MAP": gamma_map}
closest = Exercise(
    "filters",
    "Rank the four filters from the closest to the truth to the farthest.",
    choices=tuple(filters),
    hints=(
        "Two errors fight: speckle that is left, and edges that are washed out.",
        "Most of this land is patches larger than the 7 x 7 window. Which error weighs more?",
        "Refined Lee averages over half a window only, along the edge it believes to see.",
    ),
)
closest.predict([..., ..., ..., ...])

# %%
noisy = simulate(1016, **plain)
# With 60 looks the same land has little speckle left: that is our truth.
quiet = figures.decibels(views[60].gamma0)
looks = estimate_looks(noisy.gamma0[0]).looks

results = {"raw": np.asarray(noisy.gamma0)}
results |= {name: each(noisy.gamma0, looks) for name, each in filters.items()}
errors = {}
for name, power in results.items():
    errors[name] = float(np.sqrt(np.mean((figures.decibels(power) - quiet) ** 2)))
order = sorted(filters, key=errors.get)
closest.reveal(order)

titles = {f"{name}: {errors[name]:.2f} dB off": power for name, power in results.items()}
titles["60 looks"] = views[60].gamma0
figures.maps(noisy, titles, window=patch, legend=False)
plt.show()

# %% [markdown]
# Filters were made for eyes and for rules that look at single pixels. A network looks at
# neighbourhoods anyway, and may learn a filter that fits its task. Whether filtering first still
# helps is a question you can now test. (The appendix on filters goes further.)

# %% [markdown]
# ## 3. Labels on another grid, and a score that leaks
#
# The labels are those of a global land-cover map (Copernicus CGLS-LC100, made from PROBA-V at
# 100 m). Radar pixels are 20 m. So one label covers about 25 pixels, and the two grids drift
# against each other: a label cell is 4.96 pixels wide, not 5.
#
# From here on we work on **practice scenes**: simulated, of the kind the project's data are, but
# with a truth at 20 m that nobody has for real land.


# %%
def practice(seeds, side=SIDE):
    return [simulate(seed, "realistic", height=side, width=side) for seed in seeds]


[town] = practice([106], 480)
layers = {
    "the radar, 20 m": town.gamma0,
    "the labels, 100 m": town.labels,
    "the truth, 20 m (practice only)": town.truth,
}
figures.maps(town, layers)
figures.maps(town, layers, window=(215, 255, 60, 60))
plt.show()

# %% [markdown]
# **Scores are counted on label cells**, not on pixels. A cell is one statement of the labels;
# copied to its pixels it would count 25 times, and 25 copies of a mistake look like certainty.
# Your predictions have the shape of the label grid, too.
#
# Now a question that decides what every later number is worth: *which* cells do you hold out? A
# forest learns from four scenes. We hold out cells at random, whole blocks of 16 x 16 cells (1.6
# km), and six scenes it never saw. **One** model, three scores.

# %%
leak = Exercise(
    "the leak",
    "A model scores S on cells held out at random. What does it score on other scenes, in per "
    "cent of S?",
    unit="%",
    hints=(
        "What does a held-out cell share with the learnt cell next to it?",
        "The model sees 35 pixels around each cell: seven cells. And errors of labels come in "
        "groups.",
        "A scene has its own season, its own incidence, its own shifts; random cells are from "
        "the same scene.",
    ),
)
leak.predict(...)

# %%
scenes, checks = practice(range(1000, 1000 + SCENES)), practice(range(2000, 2006))
rng = np.random.default_rng(0)
LEARNT, RANDOM, BLOCKS = range(3)


def parts(scene, side=16):
    """Which cells are learnt from, held out at random, and held out as blocks."""
    rows, columns = np.indices(scene.label_shape)
    held = np.where(rng.random(scene.label_shape) < 0.25, RANDOM, LEARNT)
    return np.where((rows // side + columns // side) % 4 == 0, BLOCKS, held)


split = [parts(each) for each in scenes[:4]]
part = np.concatenate([each.ravel() for each in split])
features = np.concatenate([cell_features(each) for each in scenes[:4]])
labels = np.concatenate([each.labels.ravel() for each in scenes[:4]])
windows = forest(features[part == LEARNT], labels[part == LEARNT], 2 * TREES, max_samples=0.5)


def score(model, features, labels):
    """Scores of a forest on label cells; cells without data have no features."""
    found = model.predict(np.nan_to_num(features)).astype(np.uint8)
    return scores(confusion(labels, found, len(NAMES)), NAMES)


three = {
    "random cells": score(windows, features[part == RANDOM], labels[part == RANDOM]),
    "blocks of the same scenes": score(windows, features[part == BLOCKS], labels[part == BLOCKS]),
    "other scenes": score(
        windows,
        np.concatenate([cell_features(each) for each in checks]),
        np.concatenate([each.labels.ravel() for each in checks]),
    ),
}
told = {name: each.macro_f1 for name, each in three.items()}
leak.reveal(round(100 * told["other scenes"] / told["random cells"]))
figures.split(scenes[0], split[0], told)
plt.show()

# %% [markdown]
# The model is the same in all three. What changed is how much of the answer it had already seen.
# A map is made for land without labels, so **other scenes** is the only honest question, and it is
# the one the leaderboard asks. Every score below is on scenes that the model never met.
#
# ## 4. Floors
#
# A number means nothing alone. Three things that need no network:
#
# - **majority**: the commonest class, everywhere;
# - **per-pixel forest**: a random forest on each pixel's filtered VV, VH and their ratio;
# - **multi-window forest**: the one from above, which sees 1 to 35 pixels around a cell.

# %%
from academy.land_cover.inference import decide, pool

cells = sum(each.cell_counts() for each in scenes)
table = "".join(
    f"| {n} | {c:,} | {c / cells.sum():.1%} |\n" for n, c in zip(NAMES, cells, strict=True)
)
Markdown(f"What there is to learn from:\n\n| class | label cells | part |\n|---|---|---|\n{table}")

# %%
pixels = np.concatenate([pixel_features(each)[::20] for each in scenes])
labels = np.concatenate([each.pixel_labels().ravel()[::20] for each in scenes])
by_pixel = forest(pixels, labels, TREES // 2, min_samples_leaf=20, class_weight="balanced")

features = np.concatenate([cell_features(each)[::2] for each in scenes])
labels = np.concatenate([each.labels.ravel()[::2] for each in scenes])
by_window = forest(
    features, labels, 2 * TREES, min_samples_leaf=3, class_weight="balanced_subsample"
)


def pixel_map(scene):
    """The per-pixel forest's map: each cell's mean probability over its pixels."""
    shares = np.zeros((len(NAMES), *scene.shape), np.float32)
    found = by_pixel.predict_proba(np.nan_to_num(pixel_features(scene)))
    shares[by_pixel.classes_] = found.T.reshape(-1, *scene.shape)
    return decide(pool(shares, scene.cells, scene.label_shape))


floors = {
    "majority": lambda scene: np.full(scene.label_shape, cells.argmax(), np.uint8),
    "per-pixel forest": pixel_map,
    "multi-window forest": lambda scene: (
        by_window.predict(np.nan_to_num(cell_features(scene)))
        .astype(np.uint8)
        .reshape(scene.label_shape)
    ),
}


def check(make_map):
    """Counts of the check scenes, for a function that makes a scene's map."""
    counts = SceneConfusions(NAMES)
    for scene in checks:
        counts.add(scene.name, scene.labels, make_map(scene))
    return counts


board = {name: check(make_map).scores() for name, make_map in floors.items()}
figures.compare(board, title="F1 of each class on scenes that were never seen")
plt.show()

# %% [markdown]
# ## 5. A first network, and the wall
#
# A **U-Net** looks at a crop of 64 x 64 pixels (1.3 km), at several scales, and gives each pixel
# nine probabilities; the mean over a label cell's pixels is compared with the cell's label. It is
# small: a quarter of a million numbers. We train it the plain way: crops from anywhere, every cell
# counts alike. Four more scenes tell when it is best; the check scenes stay out of it.

# %%
from academy.land_cover.inference import evaluate, predict
from academy.land_cover.training import Settings, fit

tuning = practice(range(1100, 1104))
look = STEPS // (5 if FULL else 2)
# The plain way. What `Settings()` has by default is the baseline, and not plain.
plainly = {"sampler": "random", "loss": "ce", "calibrate": False, "bias": 1.0}
plainly |= {"steps": STEPS, "evaluate_every": look, "batch": 16, "learning_rate": 3e-3}
plainly |= {"crop": 64, "multilook": 1, "speckle_looks": 32.0}
naive = fit(scenes, tuning, Settings(**plainly))

# %%
figures.learning_curves({"naive": naive.history})
plt.show()

# %% [markdown]
# The training loss falls as it should. Now the curves on the right: accuracy, macro-F1, and each
# class in its colour. Which classes rise, and which stay on the floor?

# %%
wall = Exercise(
    "the wall",
    "How many of the nine classes have an F1 below 0.15 on the check scenes?",
    hints=(
        "The table in part 4 says what there is to learn from.",
        "Every cell pulls alike on the loss. Who outvotes whom?",
        "Look at the curves: which colours lie on the floor?",
    ),
)
wall.predict(...)

# %%
counts = evaluate(naive, checks)
board["naive U-Net"] = counts.scores()
wall.reveal(int((board["naive U-Net"].f1 < 0.15).sum()))

worst = max(checks, key=lambda each: each.cell_counts()[np.argsort(cells)[:4]].sum())
figures.maps(
    worst,
    {
        "the radar": worst.gamma0,
        "the truth": worst.truth,
        "the naive U-Net": predict(naive, worst),
    },
)
plt.show()

# %%
figures.confusion(counts.pooled(), title="The naive U-Net: where each class goes, in per cent")
plt.show()

# %%
floor = board["multi-window forest"]
Markdown(
    f"The naive U-Net is right on **{board['naive U-Net'].accuracy:.0%}** of the cells, the "
    f"multi-window forest on {floor.accuracy:.0%}. Its macro-F1 is "
    f"**{board['naive U-Net'].macro_f1:.2f}**, the forest's {floor.macro_f1:.2f}."
)

# %% [markdown]
# This is the **wall**: by loss and by accuracy nothing is wrong, and the rare classes are not
# there. Read the rows of the matrix: rare classes are not confused with each other, they are
# swallowed by the frequent ones.
#
# No bug did this. The loss asks to be right as often as possible, and the network does what it is
# asked.
#
# ## 6. Tools to get over it
#
# There is not one answer. There are tools, and each changes a different part of the machine:
#
# | tool | what it changes | in `Settings` |
# |---|---|---|
# | class weights | how hard a mistake pulls | `weights="inverse"`, `"root"`, `"effective"` |
# | biased crops | how often a class is seen | `sampler="biased"`, `bias=0.5` |
# | focal loss | easy cells pull less | `loss="focal"` |
# | dice, Lovász | the loss is nearer to F1 | `loss="dice"`, `"lovasz"`, `"ce+dice"` |
# | logit adjustment | the prior is taken out in training | `loss="logit-adjusted"` |
# | logit shift | the prior is taken out afterwards | `calibrate=True`, or `tuned(...)` below |
#
# `print(Settings.describe())` lists all that can be turned. First, make one yourself.

# %%
weights = Exercise(
    "your weights",
    "Write a function that gives each class a weight, from how many label cells it has.",
    hints=(
        "The loss multiplies each cell by the weight of its class.",
        "If every class should pull alike in sum, cells times weight is the same for all.",
        "Divide one by the counts, or by their root, and think of a class that has no cells.",
    ),
)


@weights.property("one number a class, all positive and finite")
def _(function):
    found = np.asarray(function(cells), float)
    return found.shape == cells.shape and np.isfinite(found).all() and (found > 0).all()


@weights.property("a rarer class never weighs less")
def _(function):
    found = np.asarray(function(cells), float)[np.argsort(cells)]
    return bool((np.diff(found) <= 1e-12).all())


@weights.property("with twice the data the ratios stay")
def _(function):
    one, two = (np.asarray(function(times * cells), float) for times in (1, 2))
    return np.allclose(one / one.sum(), two / two.sum())


@weights.property("a class without cells breaks nothing")
def _(function):
    found = np.asarray(function(np.array([100, 10, 0])), float)
    return np.isfinite(found).all(), f"it gave {found}"


def my_weights(cells):
    """Your weights, from the label cells of each class, shape (9,)."""
    return ...


weights.check(my_weights)

# %% [markdown]
# With it, `fit(..., loss=CrossEntropy(torch.tensor(...)))` trains on your weights; `Settings` has
# the usual ones ready. Now three corrections of the same imbalance. Weights make a rare cell pull
# harder; biased crops show it more often. And both together?
#
# **Predict** the order of macro-F1, best first.

# %%
twice = Exercise(
    "twice",
    "Rank by macro-F1, best first: nothing, weights, crops, both.",
    choices=("nothing", "weights", "crops", "both"),
    hints=(
        "What does the network believe the land to be like, in each of the four?",
        "A class that is seen ten times as often and pulls ten times as hard counts how often?",
        "A rare class that is called everywhere has a high recall. And its precision?",
    ),
)
twice.predict([..., ..., ..., ...])

# %%
recipes = {
    "weights": {"weights": "inverse"},
    "crops": {"sampler": "biased"},
    "both": {"weights": "inverse", "sampler": "biased"},
}
models, tried = {"nothing": naive}, {"nothing": board["naive U-Net"]}
for name, options in recipes.items():
    models[name] = fit(scenes, tuning, Settings(**{**plainly, **options}))
    tried[name] = evaluate(models[name], checks).scores()
twice.reveal(sorted(tried, key=lambda name: -tried[name].macro_f1))

# %%
figures.compare(tried, title="Corrected once, and twice")
plt.show()

# %%
figures.maps(
    worst,
    {"the truth": worst.truth, **{name: predict(model, worst) for name, model in models.items()}},
)
plt.show()

# %%
rare = np.argsort(cells)[:3]
lines = [
    f"| {name} | {each.macro_f1:.3f} | {each.accuracy:.0%} | {each.recall[rare].mean():.2f} | "
    f"{each.precision[rare].mean():.2f} |"
    for name, each in tried.items()
]
Markdown(
    "| corrected by | macro-F1 | accuracy | recall, three rarest | precision, three rarest |\n"
    "|---|---|---|---|---|\n" + "\n".join(lines)
)

# %% [markdown]
# Recall is cheap: call everything rare. Precision pays for it. Two corrections that are right
# alone multiply to one that is wrong, and the map fills with towns and wetlands that are not there.
#
# Sometimes the cheapest tool is the best rival. A **logit shift** does not train at all: it adds a
# number to each class's log-probability and takes the numbers that are best on the *tuning*
# scenes. (On the check scenes it would be a leak. Why?)

# %%
from academy.land_cover.calibration import tuned

board["naive, shifted"] = evaluate(naive, checks, shift=tuned(naive, tuning)).scores()
best = max(recipes, key=lambda name: tried[name].macro_f1)
board[f"U-Net, {best}"] = tried[best]
figures.compare(board, title="So far")
plt.show()

# %% [markdown]
# ## 7. What no map can reach
#
# The labels come from another satellite and another model. About four in five are right, and the
# wrong ones crowd where land is mixed. On real land nobody knows which. On practice scenes we do.
#
# So take the **perfect map**: the truth, the commonest class of each cell. How does it score
# against the labels?

# %%
from academy.data.simulator.label_noise import cell_majority

ceiling_bet = Exercise(
    "the ceiling",
    "What macro-F1 does the perfect map get against the noisy labels, in per cent?",
    unit="%",
    hints=(
        "Every wrong label counts against a map that is right.",
        "A fifth of the labels is wrong, so accuracy is about 80 %. Is macro-F1 higher or lower?",
        "Of a rare class's labels many are strays from its large neighbours. What is precision?",
    ),
)
ceiling_bet.predict(...)


# %%
def perfect(scene):
    """The truth on the label grid: each cell's commonest class; 255 where there is no data."""
    return cell_majority(scene.truth, scene.cells, scene.label_shape, np.isfinite(scene.gamma0[0]))[
        0
    ]


def against(maps, of=lambda scene: scene.labels):
    """Scores of maps by scene name, against the labels or against something else."""
    counts = SceneConfusions(NAMES)
    for scene in checks:
        known = np.where(perfect(scene) == IGNORE, IGNORE, of(scene)).astype(np.uint8)
        counts.add(scene.name, known, np.where(known == IGNORE, 0, maps[scene.name]))
    return counts.scores()


truths = {scene.name: perfect(scene) for scene in checks}
ceiling = against(truths)
ceiling_bet.reveal(
    round(100 * ceiling.macro_f1), note="A leaderboard with such labels ends there, not at 100."
)
figures.class_bars(ceiling, title="The perfect map, against the labels")
plt.show()

# %% [markdown]
# That is the ceiling: a map that scores more has learnt the labels' mistakes, too. Now the other
# side: the best map so far, against the labels and against the truth.

# %%
found = {scene.name: predict(models[best], scene) for scene in checks}
seen, real = against(found), against(found, perfect)
figures.ladder(
    {"against the labels": seen.macro_f1, "against the truth": real.macro_f1},
    ceiling=ceiling.macro_f1,
    title=f"The same map ({best}), two judges",
)
plt.show()

# %%
fig = figures.maps(
    worst,
    {
        "the labels": worst.labels,
        "the map": found[worst.name],
        "who is right?": figures.agreement(worst, found[worst.name], perfect(worst)),
    },
)
figures.agreement_legend(fig)
plt.show()

wrong = sum(int((s.labels != perfect(s))[perfect(s) != IGNORE].sum()) for s in checks)
mended = sum(
    int(((s.labels != perfect(s)) & (found[s.name] == perfect(s)) & (perfect(s) != IGNORE)).sum())
    for s in checks
)
Markdown(
    f"Of {wrong:,} wrong labels the map gets **{mended:,}** right ({mended / wrong:.0%}), although "
    "it learnt from labels like these."
)

# %% [markdown]
# A network that sees thousands of cells learns what they have in common, and mistakes have little
# in common. In those cells the map is better than its teacher, and the score marks them as errors.
# Keep that in mind when you compare two models that are a point apart.

# %% [markdown]
# ## 8. The project
#
# Now the real thing. The project's scenes come with labels to learn from, and 24 more without:
# those you map. Where and when they were taken is sealed.

# %%
from academy.land_cover.training import Trained

data = academy.dataset("land-cover")
data

# %%
example = data.train[0]
figures.maps(example, {"the radar": example.gamma0, "the labels": example.labels})
plt.show()

# %% [markdown]
# `train.py` trains the baseline: the same function `fit`, with its settings as options. As a job it
# runs on a machine of its own, paid from your budget. What it could cost at most is *reserved*
# when it starts; what it did not use comes back when it ends. `where="here"` runs the same script
# on this machine, at no extra cost.

# %%
short = {} if FULL else {"steps": STEPS, "evaluate_every": look}
job = academy.train("train.py", project="land-cover", hours=0.5, hyperparameters=short)
academy.budget()

# %%
figures.learning_curves({"baseline": job.metrics["history"]})
plt.show()

# %% [markdown]
# The job left its model in a folder; `Trained.load` makes it a model that predicts. Four of the
# training scenes were kept out of the training, whole scenes, for the reason of part 3. How good is
# the baseline on them, and where?

# %%
model = Trained.load(job.model())
_, kept_out = data.split()
counts = evaluate(model, kept_out)
figures.class_bars(counts.scores(), title="The baseline, on scenes it did not learn from")
figures.confusion(counts.pooled(), title="The baseline: where each class goes, in per cent")
plt.show()

# %% [markdown]
# And beside everything from before? The practice scenes' check scenes have not been touched by it
# either. (If your cohort's scenes were observed and not simulated, the practice scenes are another
# world to it, and you may expect less.)

# %%
board["baseline"] = evaluate(model, checks).scores()
figures.ladder(
    {name: each.macro_f1 for name, each in board.items()},
    ceiling=ceiling.macro_f1,
    mark="baseline",
    title="Macro-F1 on the check scenes",
)
plt.show()

# %% [markdown]
# Now the scenes that nobody has labels for. A whole scene is cut into windows that overlap and fade
# into each other, so the map has no seams; each label cell gets the class with the largest mean
# probability over its pixels.

# %%
maps = {scene.name: predict(model, scene) for scene in data.held_out}

chosen = sorted(data.held_out, key=lambda scene: -len(np.unique(maps[scene.name])))[:2]
for scene in chosen:
    figures.maps(
        scene, {f"{scene.name}: the radar": scene.gamma0, "the baseline's map": maps[scene.name]}
    )
plt.show()

# %% [markdown]
# The score is macro-F1 over all label cells of the scored scenes together. A part of the scenes
# makes the public board, the others decide at the end. What do you expect, from what you have seen?

# %%
expected = Exercise(
    "the board",
    "What macro-F1 will the board show for the baseline, in per cent?",
    unit="%",
    hints=(
        "You have a score on scenes that the model did not learn from.",
        "They chose the moment at which training was best. Are they still quite honest?",
        "Other scenes, other seasons: a few points to either side.",
    ),
)
expected.predict(...)

# %%
receipt = academy.submit("land-cover", maps, note="baseline as it comes", job=job)
if receipt.classes:  # the board moved: what it shows is this map's score
    expected.reveal(round(100 * receipt.public_score))
receipt

# %%
academy.leaderboard("land-cover")

# %% [markdown]
# ## What next
#
# The baseline is a start, and the lines on the board say how far one can go.
#
# 1. **Your recipe.** Change one thing in `Settings`, predict what it does, and look. Two changes at
#    once teach nothing. Try it short and `where="here"` before you pay for a job.
# 2. **Is it better?** Compare two models scene by scene, not by one number: with `counts.of(name)`
#    for each scene, how often is one ahead? A point of macro-F1 on four scenes is noise.
# 3. **Filter or not?** `fit(..., features=...)` puts your own step before the network.
# 4. **Doubtful labels.** Each label comes with the probability that its maker gave it:
#    `least_probability=60` learns only from those above. Which classes does that cost?
# 5. **The dial.** `wall_as_a_dial.ipynb` turns label noise, texture and imbalance, and shows which
#    method wins where. No method wins everywhere.
#
# And the bet of part 1? Here is all that you predicted.

# %%
journal()

# %%
academy.budget()
