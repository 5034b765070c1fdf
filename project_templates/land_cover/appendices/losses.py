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
# # Appendix: more losses
#
# A loss is what a network is asked for. This page shows what each of the library's losses asks, on
# problems so small that the right answer is known: how hard a pixel pulls, and what the
# probabilities mean afterwards.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from academy import figures as style
from academy.exercises import Exercise
from academy.land_cover.losses import (
    CrossEntropy,
    Dice,
    Focal,
    LogitAdjusted,
    LovaszSoftmax,
    class_weights,
)

style.use_style()
COLOURS = {
    "cross-entropy": style.INK,
    "inverse weights": "#8c4a6b",
    "focal": style.NAIVE,
    "dice": style.MODEL,
    "Lovász": style.PAST,
    "logit-adjusted": "#c2567a",
}

# %% [markdown]
# ## How hard does one pixel pull?
#
# One pixel, two classes. The network gives its true class the probability p. The pull is the
# gradient on the logit of the true class: how much this pixel wants to change the network.


# %%
def pull(loss, p):
    """|gradient| on the true class's logit, for each probability it has now."""
    found = []
    for each in p:
        logits = torch.tensor([[[0.0], [np.log(each / (1 - each))]]], requires_grad=True)
        loss(logits, torch.ones(1, 1, dtype=torch.long)).backward()
        found.append(abs(logits.grad[0, 1, 0].item()))
    return found


p = np.linspace(0.005, 0.995, 100)
fig, axis = plt.subplots(figsize=(6.6, 3.6))
axis.plot(p, pull(CrossEntropy(), p), color=COLOURS["cross-entropy"], label="cross-entropy: 1 - p")
for gamma, alpha in ((0.5, 0.45), (1.0, 0.7), (2.0, 1.0)):
    axis.plot(
        p, pull(Focal(gamma), p), color=COLOURS["focal"], alpha=alpha, label=f"focal, γ = {gamma:g}"
    )
axis.set(xlabel="probability of the true class", ylabel="pull", xlim=(0, 1), ylim=(0, None))
axis.legend()
plt.show()

# %% [markdown]
# Focal loss lets go of what is right already. That is meant for easy pixels of frequent classes, of
# which there are too many. It also lets go a little later than it should: at small p a pixel pulls
# *harder* than under cross-entropy, and the pixels with the smallest p are often those whose label
# is wrong.
#
# ## How hard does a class pull?
#
# A hundred pixels, five of a rare class, all undecided (p = 0.5). Which part of the whole pull
# comes from the five?

# %%
prior = np.array([95, 5])
labels = torch.tensor([[0] * 95 + [1] * 5])
losses = {
    "cross-entropy": CrossEntropy(),
    "inverse weights": CrossEntropy(class_weights(prior, "inverse")),
    "focal": Focal(2.0),
    "dice": Dice(),
    "Lovász": LovaszSoftmax(),
    "logit-adjusted": LogitAdjusted(prior),
}

share = Exercise(
    "the rare pull",
    "Which part of the pull comes from the five rare pixels under dice, in per cent?",
    unit="%",
    hints=(
        "Under cross-entropy all undecided pixels pull alike: that would be 5 %.",
        "Dice makes a score of each class and takes the mean, so the rare one has half the say. "
        "But who can change the rare one's score?",
        "Not only its own five pixels: the 95 others give it half of their probability, and it "
        "suffers. More than 5 %, far from 50 %.",
    ),
)
share.predict(...)


# %%
def pulls(loss):
    """The pull of each pixel, both classes' logits together."""
    logits = torch.zeros(1, 2, 100, requires_grad=True)
    loss(logits, labels).backward()
    return logits.grad.abs().sum(dim=(0, 1)).numpy()


parts = {name: pulls(loss)[95:].sum() / pulls(loss).sum() for name, loss in losses.items()}
share.reveal(round(100 * float(parts["dice"])))
fig, axis = plt.subplots(figsize=(6.6, 2.8))
bars = axis.barh(
    list(parts), [100 * each for each in parts.values()], color=[COLOURS[n] for n in parts]
)
axis.bar_label(bars, fmt="%.0f %%", padding=4)
axis.axvline(5, color=style.MUTED, linestyle=":")
axis.set(xlabel="of the pull comes from the 5 % rare pixels", xlim=(0, 105))
axis.invert_yaxis()
axis.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# Weights and logit adjustment give half of the pull to the rare class. Dice does less than its name
# promises, for the frequent pixels spoil the rare class's score and are pulled for it; and Lovász,
# here, cares least. But nobody knows anything yet: under these two the pull on a pixel hangs on all
# the others, and the shares change while the network learns.
#
# ## What does a probability mean afterwards?
#
# One feature x. The frequent class is a bell around 0, the rare one, 5 %, a bell around 2. So the
# true probability of the rare class at each x is known. A small network learns with each loss, with
# as much data as it likes. What does it say?
#
# **Predict**: whose probabilities can be taken at their word?

# %%
word = Exercise(
    "at its word",
    "Under which loss is the network's probability the true one?",
    choices=tuple(losses),
    hints=(
        "Which loss is smallest, on average, for the true probability and nothing else?",
        "A loss that counts a class more makes it seem more frequent than it is.",
        "Losses made for scores like to be certain: the best score has no doubt in it.",
    ),
)
word.predict(...)

# %%
rng = np.random.default_rng(0)
count = 4000
rare = rng.random(count) < 0.05
x = np.where(rare, rng.normal(2, 1, count), rng.normal(0, 1, count))
inputs = torch.tensor(x[:, None], dtype=torch.float32)
targets = torch.tensor(rare[None].astype(np.int64))
prior = np.bincount(rare.astype(int))
losses |= {
    "inverse weights": CrossEntropy(class_weights(prior, "inverse")),
    "logit-adjusted": LogitAdjusted(prior),
}
grid = torch.linspace(-3, 5, 200)[:, None]


def learnt(loss, steps=250):
    """P(rare | x) on the grid, of a small network trained with this loss."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    optimiser = torch.optim.Adam(model.parameters(), 3e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(model(inputs).T[None], targets).backward()
        optimiser.step()
    with torch.no_grad():
        return model(grid).softmax(1)[:, 1].numpy()


curves = {name: learnt(loss) for name, loss in losses.items()}


def bell(at):
    """The true probability of the rare class, if this part of all is rare."""
    rare_here, frequent = (
        np.exp(-((grid[:, 0].numpy() - 2) ** 2) / 2),
        np.exp(-(grid[:, 0].numpy() ** 2) / 2),
    )
    return at * rare_here / (at * rare_here + (1 - at) * frequent)


true, balanced = bell(0.05), bell(0.5)
error = {name: float(np.abs(curve - true).mean()) for name, curve in curves.items()}
word.reveal(min(error, key=error.get))

fig, axes = plt.subplots(2, 3, figsize=(10.5, 5.6), sharex=True, sharey=True)
for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
    axis.plot(grid, true, color=style.MUTED, linewidth=5, alpha=0.5, label="true, 5 % are rare")
    axis.plot(grid, balanced, color=style.MUTED, linestyle=":", label="if half of all were rare")
    axis.plot(grid, curve, color=COLOURS[name], linewidth=2, label="learnt")
    axis.axhline(0.5, color=style.MUTED, linewidth=0.6)
    axis.set_title(name)
for axis in axes[1]:
    axis.set_xlabel("x")
for axis in axes[:, 0]:
    axis.set_ylabel("P(rare)")
handles, names = axes[0, 0].get_legend_handles_labels()
fig.legend(handles, names, loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# Read the curves where they cross one half: there the map changes class.
#
# - **Cross-entropy** gives the true curve. Nothing is wrong with it but the question: it crosses
#   one half where rare really is more likely.
# - **Inverse weights** and **logit adjustment** give the dotted curve: the land as if both classes
#   were alike frequent. They are two roads to one place. Taken together one corrects twice.
# - **Focal** is less certain on both sides, and crosses where cross-entropy does.
# - **Dice** and **Lovász** go for a score, and look for the line that is best for it. What they say
#   away from the line is no probability.
#
# Then a shift after training is no trick: it moves the line of the first curve to wherever the
# score is best, and keeps a probability that means something.
