"""The page Help: first steps, and what to do when."""

from __future__ import annotations

from infra.services.door.context import Page, PageContext
from infra.services.door.pages import fill
from infra.services.door.reading.workspaces import USUAL

_TEMPLATE = """\
<h1>Help</h1>
<h2>First steps</h2>
<ol>
<li>Go <a href="/">Home</a>, choose a machine and press <b>Open my workspace</b>. The first one in
the list is right for a start.</li>
<li>Wait a few minutes. The page takes you into JupyterLab by itself when it is there.</li>
<li>Open <code>welcome.ipynb</code> and press <kbd>Shift</kbd> + <kbd>Enter</kbd> in its first cell.
There is one thing to import: <code>import academy</code>.</li>
<li>Open a project's folder and run its notebook from top to bottom. It trains a first model and
puts your team on the board.</li>
<li>When you stop for the day, press <b>Close</b>. Your files stay, and it costs nothing.</li>
</ol>

<h2>What to do when</h2>
<div class="questions">
<details><summary>The workspace takes very long to start</summary>
<p>{{ usual | capitalize }} is as it should be. After that, close it and open it again; on a type
with a GPU there may be none free in this region, so try another type, or later. What did not start
costs nothing.</p></details>
<details><summary>It says that my budget does not reach</summary>
<p>Before anything starts, the most that it could cost is held, and what is not used comes back. Ask
for fewer hours or a smaller machine, or end what runs: see <a href="/budget">Budget</a>. If it is
all spent, ask your admin.</p></details>
<details><summary>My workspace ends soon, and I am not done</summary>
<p>Press <b>Stay longer</b> on <a href="/">Home</a>. It ends at the time that is shown there even if
you are at work: save before. Your files stay in any case; what runs in a notebook does not. What
should run for long is a training job: <code>academy.train</code> goes on when you leave.</p>
</details>
<details><summary>A training job failed</summary>
<p>Its last lines say why: <a href="/team">Team</a> shows them. What it ran for is paid; the rest
that was held for it comes back.</p></details>
<details><summary>I closed the tab, or my laptop</summary>
<p>Nothing stops. Come back by your bookmark and press <b>Enter</b>.</p></details>
<details><summary>The code does not come, or is not taken</summary>
<p>It comes within a minute or two; look among the spam. It counts for a few minutes, in the
browser in which you asked for it. Ask for a new one, and take the latest. If none comes, ask your
admin which address you are known by.</p></details>
<details><summary>My submission is not on the board</summary>
<p>It takes a minute. Your receipts stand on <a href="/competition">Competition</a>: they say what
was wrong with a file that was not taken.</p></details>
<details><summary>I need something that is not here</summary>
<p>Ask your advisor for all that is about the projects, and your admin for all that is about access
and budget.</p></details>
</div>

<h2>What others see</h2>
<p>Your team sees your jobs and your shared folder. Advisors see every team's work and spending.
Other teams see the board, and nothing else.</p>
"""


def help_page(_ctx: PageContext) -> Page:
    return Page("Help", fill(_TEMPLATE, usual=USUAL), here="/help")
