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
# # The wall as a dial
#
# In `land_cover.ipynb` you met the wall: a network that is right almost everywhere and does not
# know the rare classes. And tools against it: class weights, biased crops, a logit shift. Which one
# is best? That is the wrong question. It depends on the world, and here you can turn the world.
#
# | dial | what it turns |
# |---|---|
# | **label noise** | the part of the labels that is wrong, most of it where land is mixed |
# | **texture** | how far a class departs from one brightness: texture, fields, seasons |
# | **imbalance** | from all classes alike to one that has 75 to 95 % of a scene |
#
# At each position a small world is simulated: scenes to learn from, scenes to tune on, and scenes
# that nobody has seen. Seven methods learn in it and are scored there, within seconds. To be that
# quick the networks are tiny and see means of windows around each label cell, the same that the
# multi-window forest sees. So compare methods here, and leave the leaderboard out of it: a network
# with more scenes and more time is another network.

# %%
import os

from academy import figures as style
from academy.exercises import Exercise
from academy.land_cover.dial import CEILING, METHODS, PLAIN, SHIFTED, WEIGHTED, Dials, measure
from academy.land_cover.dial_panel import POSITIONS, Panel, draw, follow, ranks, size_of

# "smoke" only checks that everything runs; what the text says holds for "full".
SIZE = size_of(os.environ.get("ACADEMY_SIZE"))
style.use_style()

# %% [markdown]
# ## 1. A clean world
#
# No wrong labels, no texture, classes nearly alike: what textbooks are about. Seven methods:
#
# - **majority**, the commonest class everywhere;
# - **per-pixel forest** and **multi-window forest**, with balanced classes;
# - **U-Net**, trained the plain way;
# - the same with a **logit shift** tuned on the tuning scenes;
# - a U-Net with inverse **class weights**, and one with **biased crops**.
#
# Who wins? Write your bet, best first; leave out whom you like.

# %%
rivals = [name for name in METHODS if name != CEILING]
clean_bet = Exercise(
    "the clean world",
    f"Rank them from the best: {', '.join(rivals)}.",
    choices=rivals,
    hints=(
        "Without texture, one class is one brightness. What is left to learn from neighbours?",
        "Speckle is left. Who averages it away, and over how much land?",
        "With classes nearly alike, how much is there to correct?",
    ),
)
clean_bet.predict([..., ...])

# %%
found = {}
found["clean"] = measure(POSITIONS["clean"], SIZE, report=follow("the clean world"))
clean_bet.reveal(found["clean"].ranking())
draw(found["clean"], title="clean")

# %% [markdown]
# Bars are macro-F1 against the labels, best on top. The diamond is the same map against the
# **truth**, which only a simulator knows; here the two are one, for no label is wrong. The dashed
# line is the perfect map.
#
# ## 2. One dial: rare classes
#
# Labels stay right, texture stays away. Only **imbalance** goes up to the end: one class, mostly
# closed forest, has 75 to 95 % of a scene. **Predict** what that does to the plain U-Net.

# %%
place_bet = Exercise(
    "rare classes",
    "At which place, 1 to 7, does the plain U-Net come out when only the imbalance is turned up?",
    choices=range(1, 8),
    hints=(
        "Its loss asks to be right as often as possible. How often is the rarest class asked for?",
        "Both forests here count each class alike. Does the plain U-Net?",
        "Where do those end up that nobody told about the rare classes?",
    ),
)
place_bet.predict(...)

# %%
STEEP = Dials(label_noise=0.0, texture=0.0, imbalance=1.0)
found["rare classes"] = measure(STEEP, SIZE, report=follow("rare classes"))
place_bet.reveal(found["rare classes"].ranking().index(PLAIN) + 1)
draw(found["rare classes"], before=found["clean"].ranking(), title="rare classes")

# %% [markdown]
# That is the wall, and imbalance alone has built it: no label is wrong, no pixel is harder. Arrows
# tell who has risen and who has fallen since the clean world.
#
# In each of the five lands that were drawn before this was written (seeds 0 to 4), the plain U-Net
# was ahead of both forests in the clean world and behind both in this one. Class weights, which had
# brought nothing there (a point less on average), brought 7 to 20 points here.
#
# So weights are the answer?
#
# ## 3. A realistic world
#
# Now one label in six is wrong, land has texture and seasons, and rare classes are less rare.
# **Predict** what the perfect map scores, against these labels.

# %%
ceiling_bet = Exercise(
    "the perfect map",
    "What is the macro-F1 of a map without a mistake, against labels of which 17 % are wrong?",
    unit="%",
    hints=(
        "Every wrong label counts against a map that is right.",
        "If it were accuracy, it would be 83 %.",
        "Strays from large classes land among the small ones. Whose precision suffers most?",
    ),
)
ceiling_bet.predict(...)

# %%
found["realistic"] = measure(POSITIONS["realistic"], SIZE, report=follow("the realistic world"))
ceiling_bet.reveal(round(100 * found["realistic"].scores[CEILING].macro_f1))
draw(found["realistic"], before=found["rare classes"].ranking(), title="realistic")

# %% [markdown]
# Look at the diamonds: most maps are better than their scores say. The labels they learn from are
# wrong, and so are those that judge them.
#
# And look at the corrections. Weights multiply what a rare label says, right or wrong. With right
# labels they were ahead of biased crops in five lands of five; in the realistic world crops were
# ahead in four of five.
#
# ## 4. A hard world

# %%
found["hard"] = measure(POSITIONS["hard"], SIZE, report=follow("the hard world"))
draw(found["hard"], before=found["realistic"].ranking(), title="hard")

# %% [markdown]
# Four worlds beside each other: the numbers are macro-F1 in per cent, the lines places.

# %%
ranks(found)

# %% [markdown]
# ## 5. Turn it yourself
#
# Turn one dial at a time and watch the bars change places. A new position takes some seconds; one
# you have been to is shown at once. `map of` chooses whose map is drawn.

# %%
panel = Panel(POSITIONS["realistic"], SIZE, known=found.values())
panel

# %% [markdown]
# Some questions, each for a hand on one dial:
#
# - Turn **label noise** up. What becomes of the distance between bars and diamonds?
# - Turn **texture** to nothing. Who gains?
# - At imbalance 1, turn **label noise** from 0 up. What becomes of what weights gain?
#
# ## 6. Two worlds
#
# The last one is a task. Class weights make a rare cell pull harder. Find a world in which that
# helps, and one in which it hurts.

# %%
worlds = Exercise(
    "two worlds",
    "Give two positions: one where class weights beat the plain U-Net, one where they lose to it.",
    hints=(
        "Weights make up for something. Where is there much of it, and where next to nothing?",
        "They also multiply what a wrong label says.",
        "Leave texture alone. Turn imbalance to either end, and then see what label noise adds.",
    ),
)


def gain(dials):
    """How much macro-F1 class weights bring at a position, in points."""
    if not isinstance(dials, Dials):
        raise TypeError("this is no position yet; write Dials(label_noise=..., texture=..., ...)")
    scores = panel.at(dials).scores
    return 100 * (scores[WEIGHTED].macro_f1 - scores[PLAIN].macro_f1)


@worlds.property("both are positions, and they differ")
def _(helps, hurts):
    return isinstance(helps, Dials) and isinstance(hurts, Dials) and helps != hurts


@worlds.property("weights gain at least a point in the first")
def _(helps, _hurts):
    return gain(helps) >= 1, f"they change macro-F1 by {gain(helps):+.1f} points"


@worlds.property("weights lose at least a point in the second")
def _(_helps, hurts):
    return gain(hurts) <= -1, f"they change macro-F1 by {gain(hurts):+.1f} points"


helps = ...  # such as Dials(label_noise=0.1, texture=0.5, imbalance=0.9)
hurts = ...

worlds.check(helps, hurts)

# %% [markdown]
# ## 7. One land is one land
#
# A position is a kind of world, and you saw one draw of it. `measure(dials, seed=1)` draws another
# land of the same kind, with other first weights and other crops. Two methods that change places
# between seeds are not apart, whatever the bars say.

# %%
again = measure(POSITIONS["realistic"], SIZE, seed=1, report=follow("the same world, another land"))
ranks({"one land": found["realistic"], "another land": again})

# %% [markdown]
# What to take along:
#
# - A method is good *in a world*. Before you copy a recipe, ask which world it is from.
# - The plainest rival, a shift of a few numbers after training, belongs in every comparison.
# - A score against noisy labels has a ceiling, and the ceiling is not 100.
# - A difference that another seed turns round is no difference.

# %%
gained = {
    name: each.scores[SHIFTED].macro_f1 - each.scores[PLAIN].macro_f1
    for name, each in found.items()
}
for name, points in gained.items():
    print(f"{name:12s} the logit shift changes the plain U-Net by {100 * points:+.1f} points")
