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
# # Welcome to the Deep Learning Academy
#
# Good that you are here. This page shows you around in five minutes. Between its texts stand cells
# of code, on grey: click into the first one and press **Shift+Enter** to run it.

# %%
import academy

academy.connect()

# %% [markdown]
# That is you, whom you work with, and what you may still spend. The line of your space says until
# when this machine runs. `academy.stay(hours=2)` keeps it until two hours from now. If it closes,
# your files stay, and the next time you go on where you were.
#
# ## Your projects
#
# You need not read this code, only run it.

# %%
from pathlib import Path

from IPython.display import Markdown

QUESTIONS = {
    "land-cover": "Which of nine kinds of land does a radar in space see, pixel by pixel?",
    "climate-series": "What do the next two years of eight monthly records look like?",
}
lines = []
for project in academy.connect().workspace.projects:
    folder = project.replace("-", "_")
    notebook = f"{folder}/{folder}.ipynb"
    if Path(notebook).exists():
        lines.append(f"- [**{project}**]({notebook}) {QUESTIONS[project]}")
    else:
        lines.append(f"- **{project}** is not in this space yet: ask your advisors to open it.")
Markdown("\n".join(lines))

# %% [markdown]
# Click on a project: its notebook opens in a tab of its own. Run it from the top, cell by cell. It
# brings the data by itself and ends with your team's first line on the board.
#
# ## Train on a bigger machine
#
# In a project's notebook, these lines send its folder to a machine of its own, follow the training
# there, and bring back what it learnt:
#
# ```python
# job = academy.train("train.py", hours=1)
# job.metrics
# job.model()
# ```
#
# Your budget holds the most that it can cost, and gets back what was not used. To try the script
# on this machine first, at no extra cost: `academy.train("train.py", where="here")`.
#
# ## Submit
#
# ```python
# receipt = academy.submit("the-project", predictions, note="what is new in it")
# receipt
# academy.leaderboard("the-project")
# ```
#
# What `predictions` are, each project's notebook shows. A file with a formal fault costs you
# nothing, and the answer says what to mend.
#
# ## The board
#
# Each team's best score, between marks that do not move. Run this whenever you like:

# %%
from IPython.display import display

for project in academy.connect().workspace.projects:
    display(academy.leaderboard(project))

# %% [markdown]
# ## When you are stuck
#
# Everybody is, it is how this works. In this order:
#
# 1. Read the last line of the error: it says what to do.
# 2. Restart: *Kernel → Restart Kernel and Run up to Selected Cell*. Half of all riddles end there.
# 3. `help(academy.train)` explains a function, and `.hint()` says more about an exercise.
# 4. Ask your teammate, then your advisors. Send them the error and what you expected: no question
#    is too small, and an hour alone with a broken cell is an hour too long. Save your notebook:
#    `academy.share("land_cover/land_cover.ipynb")` shows it to them, and to no other team.
#
# ## When the notebooks change
#
# New versions arrive when your space starts. What you changed is never overwritten. The new
# version then lies beside it: `welcome.new.ipynb` beside `welcome.ipynb`. Look at it, copy what you
# like, and delete it. If you want all of it, delete your own file and rename the new one.
#
# ## For advisors
#
# In an advisor's space `academy.teams()` shows how every team is, `academy.look("falcon")` what one
# has, and `academy.read("falcon", "shared/land_cover.ipynb")` a file of theirs, as a page in which
# nothing runs. Do not copy a learner's notebook into your home to look at it: opened there, it may
# run what its author, or somebody else, put into it.
