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
# # Appendix: several processes train one model
#
# `train.py` runs on one processor, on one graphics card, and on several. Nothing in it changes.
# `torchrun` starts the same script several times; each process gets its number (RANK) and how many
# there are (WORLD_SIZE) as environment variables, and `academy.land_cover.training.fit` does the
# rest:
#
# 1. each process takes its share of the batch, other crops than the others;
# 2. each computes its own gradients, on its own device;
# 3. gradients are averaged over all of them, and all take the same step.
#
# So there is **one** model, and its curve should be that of one process with the whole batch. It is
# a claim that can be tested, and here it is: two processes on this machine's CPU, over *gloo*. (On
# graphics cards it would be *nccl*, and worth the while. On one CPU nothing becomes faster.)

# %%
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from academy import figures as style
from academy.data.simulator import simulate
from academy.exercises import Exercise
from academy.land_cover.classes import NAMES

FULL = os.environ.get("ACADEMY_SIZE", "full") != "smoke"
STEPS, SIDE = (60, 256) if FULL else (6, 128)
style.use_style()

# %% [markdown]
# A few practice scenes, in a folder like the project's:

# %%
folder = Path(tempfile.mkdtemp())
scenes = [simulate(seed, height=SIDE, width=SIDE, name=f"scene-{seed}") for seed in (101, 102, 103)]
for scene in scenes:
    scene.write(folder / "train" / scene.name)
task = {
    "project": "land-cover",
    "metric": "macro-F1",
    "better": "higher",
    "classes": list(NAMES),
    "train": [scene.name for scene in scenes],
    "held_out": {},
}
(folder / "task.json").write_text(json.dumps(task))
script = next(path for path in (Path("../train.py"), Path("train.py")) if path.is_file())
OPTIONS = [
    *("--validation", "1", "--steps", str(STEPS), "--evaluate-every", str(STEPS)),
    *("--batch", "8", "--weights", "inverse", "--precision", "float32"),
]


def train(processes):
    """Runs train.py in so many processes; gives its metrics.json."""
    out = folder / f"out-{processes}"
    out.mkdir()
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    places = {"SM_CHANNEL_DATA": folder, "SM_MODEL_DIR": out, "SM_OUTPUT_DATA_DIR": out}
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}}
    # Two processes that each take all processors are in each other's way.
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, *(launch if processes > 1 else []), str(script), *OPTIONS]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{run.stderr[-2000:]}")
    return json.loads((out / "metrics.json").read_text())


# %% [markdown]
# The loss has class weights. A weighted mean is a sum over pixels of weight times loss, divided by
# the sum of the weights. **Predict**: if each of two processes takes its own weighted mean and the
# two are averaged, is that the weighted mean of all?

# %%
mean = Exercise(
    "a mean of means",
    "Is the mean of two weighted means the weighted mean of all?",
    choices=("always", "only if both have the same sum of weights", "never"),
    hints=(
        "Try it: one process has a single town pixel, the other none.",
        "What is divided by what, and what differs between the two processes?",
        "Write both down as fractions. When do they have the same denominator?",
    ),
)
mean.predict(...)

# %%
NEVER, SOMETIMES, ALWAYS = mean.choices[2], mean.choices[1], mean.choices[0]


def differs(*parts):
    """By how much the mean of means differs from the mean of all; parts are (losses, weights)."""
    apart = np.mean([np.average(losses, weights=weights) for losses, weights in parts])
    losses, weights = (np.concatenate(each) for each in zip(*parts, strict=True))
    return abs(apart - np.average(losses, weights=weights))


one_town = ([2.0, 0.1], [9.0, 1.0])  # a town's pixel and one of forest
as_heavy = ([0.7, 0.3], [5.0, 5.0])
no_town = ([0.1, 0.1], [1.0, 1.0])
unequal, equal = differs(one_town, no_town), differs(one_town, as_heavy)
print(f"sums of weights 10 and 2: off by {unequal:.3f}; sums of 10 and 10: off by {equal:.3f}")
mean.reveal(NEVER if equal > 1e-9 else SOMETIMES if unequal > 1e-9 else ALWAYS)

# %% [markdown]
# That is why the library's losses come in two steps, `sums` and `finish`: numerators and
# denominators are summed over all processes first, and divided once. It is also why the U-Net has
# GroupNorm: BatchNorm would take statistics of a process's own part of the batch.
#
# Now both runs. Do the curves agree?

# %%
one, two = train(1), train(2)
losses = {name: np.array(run["history"]["loss"]) for name, run in (("one", one), ("two", two))}
apart = np.abs(losses["one"] - losses["two"]).max()
print(f"{STEPS} steps; the largest difference of the two losses is {apart:.1e}")

fig, axis = plt.subplots(figsize=(6.6, 3.2))
steps = range(1, len(losses["one"]) + 1)
axis.plot(steps, losses["one"], color=style.NAIVE, linewidth=5, alpha=0.5, label="one process")
axis.plot(steps, losses["two"], color=style.PAST, label="two processes")
axis.set(xlabel="step", ylabel="loss")
axis.legend()
plt.show()

# %% [markdown]
# What is left between them is the order in which numbers are added.
#
# From a terminal it is one line, here or on a machine with several cards:
#
# ```
# torchrun --standalone --nproc-per-node 2 train.py
# ```
#
# As an academy job you need not even that: `train.py` starts itself under torchrun if its machine
# has more than one card. Before you ask for such a machine, compare prices in `academy.budget()`:
# two cards are seldom twice as fast as one, and always twice as dear.
