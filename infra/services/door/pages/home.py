"""The page Home: the workspace first, and what there is to know at a glance."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.services.door.context import (
    Form,
    Page,
    PageContext,
    Redirect,
    Refusal,
    Unavailable,
)
from infra.services.door.entrance.security import leads_into_studio
from infra.services.door.pages import competition, fill
from infra.services.door.pages.budget import account_of, meter_of, so_far
from infra.services.door.reading import notes
from infra.services.door.reading.workspaces import Workspace, choices, look, preset_hours, stays

#: Notes of advisors that Home shows; Team shows them all.
NOTES = 3
#: Seconds after which a browser without JavaScript asks again how a start goes.
REFRESH = 10

_TEMPLATE = """\
{% import "parts" as parts %}
<p class="over">{% if ctx.person.team %}Team <bdi>{{ ctx.person.team }}</bdi>{% else %}Advisor
{% endif %}</p>
<h1>{% if space %}Your workspace{% else %}Hello, <bdi>{{ ctx.person.id }}</bdi>{% endif %}</h1>
{{ parts.problem(problem) }}
{% if before %}
<p class="caution" role="note">The academy opens on {{ ctx.settings.starts | day }}. Until then
nothing can be started.</p>
{% elif after %}
<p class="caution" role="note">The academy ended on {{ ctx.settings.ends | day }}. Nothing can be
started any more.</p>
{% elif account.frozen and space %}
<p class="caution" role="note">Your account is frozen: nothing new starts. Ask your admin why.</p>
{% endif %}

{% if space %}
<section class="card" aria-labelledby="state"{% if space.moves %} data-live="{{ space.status }}"
{% endif %}>
<div class="state"><h2 id="state">{{ title }}</h2>
{% if space.is_open %}<span class="pill">{{ space.instance }}</span>{% endif %}
{% if space.project %}<span class="pill">{{ space.project }}</span>{% endif %}
</div>
<p class="lead" data-words{% if space.moves %} role="status"{% endif %}>{{ space.words }}</p>

{% if space.status == "Pending" %}
<ol class="steps">
<li class="done">{% if space.held %}{{ space.held | cost }} of your budget is held for it. What is
not used comes back.{% else %}Your budget is held for it.{% endif %}</li>
<li class="now" aria-current="step">A machine starts, with your disk and JupyterLab on it
<small data-elapsed>{{ space.elapsed }}</small></li>
<li>You go in. With JavaScript this page takes you there by itself.</li>
</ol>
<div class="busy"></div>
<p class="hint" data-trouble role="status"></p>
<p class="hint">You may close this page and come back: it goes on. It ends at
{{ parts.moment(space.ends_at) }} at the latest.</p>
{% elif space.status == "Deleting" %}
<div class="busy"></div>
<p class="hint" data-trouble role="status"></p>
{% elif space.status == "InService" %}
<p>It ends {{ parts.moment(space.ends_at) }}. Save before then: your files stay, what runs does
not. It has cost {{ spent_on_it | cost }} so far, and costs {{ space.held | cost }} at most.</p>
{% endif %}

{% if space.status == "InService" %}
<div class="row">
<form method="post" action="/enter" data-enters>{{ parts.csrf(ctx.csrf) }}
<button>Enter</button></form>
{% if stays %}
<form method="post" action="/stay">{{ parts.csrf(ctx.csrf) }}
<label class="unseen" for="hours">Stay until</label>
<select id="hours" name="hours">
{% for hours, at in stays %}
<option value="{{ hours }}"{% if loop.last %} selected{% endif %}>{{ hours | many("hour") }}
from now</option>
{% endfor %}
</select>
<button class="second">Stay longer</button></form>
{% endif %}
<form method="post" action="/close">{{ parts.csrf(ctx.csrf) }}
<button class="quiet">Close</button></form>
</div>
{% elif space.status == "Pending" %}
<form method="post" action="/close">{{ parts.csrf(ctx.csrf) }}
<button class="second">Close it again</button></form>
{% elif space.status in ("Closed", "Failed") and not before and not after %}
<form method="post" action="/open" data-opens>{{ parts.csrf(ctx.csrf) }}
<fieldset class="choices"><legend>On which machine?</legend>
{% for choice in choices %}
<label class="choice"><input type="radio" name="instance" value="{{ choice.instance }}"
{% if choice.chosen %} checked{% endif %}{% if not choice.affordable %} disabled{% endif %}>
<b>{{ choice.instance }}</b>
<span class="price">{% if choice.price is not none %}{{ choice.price | dollars(up=True) }} an hour
{% endif %}</span>
<small>{{ choice.what }}.
{% if not choice.affordable %}An hour of it is more than you have left.
{% elif choice.holds is none %}
{% elif choice.holds > account.available %}{{ most_hours }} h would hold
{{ choice.holds | dollars(up=True) }}, and you have {{ account.available | dollars }}: choose fewer
hours.
{% else %}{{ most_hours }} h hold {{ choice.holds | dollars(up=True) }} of your
{{ account.available | dollars }}; what you do not use comes back.{% endif %}
</small></label>
{% endfor %}
</fieldset>
<div class="row">
{% if projects | length > 1 %}
<div class="field"><label for="project">Set up for</label>
<select id="project" name="project">
{% for project in projects %}<option>{{ project }}</option>{% endfor %}
</select></div>
{% endif %}
<div class="field"><label for="for">For at most</label>
<select id="for" name="hours">
{% for hours in range(1, most_hours + 1) %}
<option value="{{ hours }}"{% if hours == preset %} selected{% endif %}>
{{- hours | many("hour") }}</option>
{% endfor %}
</select></div>
<button>Open my workspace</button>
</div>
</form>
{% elif space.status == "Unknown" %}
<p><a href="/">Look again</a></p>
{% endif %}
</section>
{% endif %}

{% if ctx.person.advises %}
<p><a class="button" href="/advisors">See the teams</a></p>
{% endif %}

<div class="cards tiles">
{% if space %}
<section class="card"><h2>Budget</h2>
<p><strong>{{ [account.available, 0] | max | dollars }}</strong> of {{ account.cap | dollars }}
left</p>
{{ meter }}
<p class="hint">{{ account.spent | cost }} spent, {{ account.reserved | cost }} held.
<a href="/budget">What it went to</a></p></section>
{% endif %}
{% if ctx.person.team %}
<section class="card"><h2>Running now</h2>
{% if running %}
<ul class="notes">
{% for each in running %}
<li><a href="/team/jobs/{{ each.name }}">Job of <bdi>{{ each.learner }}</bdi></a>
<small>{{ each.instance }}, until {{ parts.moment(each.ends_at) }} at the latest</small></li>
{% endfor %}
</ul>
{% else %}
<p>No training job of your team.</p>
{% endif %}
<p class="hint">With you in <bdi>{{ ctx.person.team }}</bdi>:
{% for each in partners %}<bdi>{{ each }}</bdi>{{ ", " if not loop.last }}{% else %}nobody yet
{% endfor %}. <a href="/team">Your team</a></p></section>
<section class="card"><h2>Competition</h2>
{% if boards %}
<dl class="pairs">
{% for board in boards %}
<div><dt><a href="/competition/{{ board.project }}">{{ board.project }}</a></dt>
<dd>{% if board.place %}Place {{ board.place }} of {{ board.teams }}, with {{ board.score }}
{% else %}Your team is not on it yet{% endif %}</dd></div>
{% endfor %}
</dl>
{% else %}
<p>There is no board yet: it comes with the first submission.</p>
{% endif %}
<p class="hint"><a href="/competition">All boards, and what you sent</a></p></section>
{% endif %}
<section class="card"><h2>Dates</h2>
<dl class="pairs">
<div><dt>Submissions close</dt><dd>{{ ctx.competition.closes | day }}</dd></div>
<div><dt>The academy ends</dt><dd>{{ ctx.settings.ends | day }}</dd></div>
</dl>
<p class="hint">Each day counts to its end, in UTC.</p></section>
</div>

{% if notes %}
<h2>From your advisors</h2>
<div class="card"><ul class="notes">
{% for note in notes %}
<li><p><bdi>{{ note.text }}</bdi></p>
<small><bdi>{{ note.author }}</bdi>, {{ parts.moment(note.at) }}</small></li>
{% endfor %}
</ul></div>
{% endif %}
"""

_TITLES = {
    "Closed": "Closed",
    "Pending": "Starting",
    "InService": "Open",
    "Deleting": "Closing",
    "Failed": "It did not start",
    "Unknown": "Not known just now",
}


def home(ctx: PageContext, problem: str = "", status: int = 200) -> Page:
    """Home, with what went wrong with the last thing that was asked for."""
    team = ctx.person.team
    with ThreadPoolExecutor(2) as beside:
        # While the broker asks SageMaker, which takes longest; the ledger is read after it, because
        # it settles what it finds ended.
        boards = beside.submit(lambda: competition.glance(ctx, team) if team else [])
        noted = beside.submit(_notes, ctx)
        space = look(ctx) if ctx.has_space else None
    account = account_of(ctx)
    learners = ctx.people.teams.get(team, ())
    hours = ctx.settings.studio_max_hours
    offered = choices(ctx, account, hours) if space else []
    open_of = {each: ctx.ledger.open_of(each) for each in learners}
    mine = next((r for r in open_of.get(ctx.person.id, ()) if r.kind == "space"), None)
    body = fill(
        _TEMPLATE,
        ctx=ctx,
        problem=problem,
        space=space,
        title=_TITLES[space.status] if space else "",
        account=account,
        before=ctx.now < ctx.settings.opens_at,
        after=ctx.now >= ctx.settings.closes_at,
        choices=offered,
        preset=preset_hours(next((c for c in offered if c.chosen), None), account, hours),
        most_hours=hours,
        projects=ctx.settings.projects if ctx.settings.images else (),
        stays=_stays(ctx, space),
        spent_on_it=so_far(mine, ctx.now) if mine else 0,
        meter=meter_of(account),
        running=[r for each in open_of.values() for r in each if r.kind == "job"],
        partners=[each for each in learners if each != ctx.person.id],
        boards=boards.result(),
        notes=noted.result(),
    )
    moves = space is not None and space.moves
    return Page(
        _TITLES[space.status] if moves and space else "Home",
        body,
        here="/",
        status=status,
        script=True,
        refresh=REFRESH if moves else None,
        enters=space is not None and space.can_enter,
    )


def _stays(ctx: PageContext, space: Workspace | None) -> list[tuple[int, dt.datetime]]:
    return stays(space, ctx.now, ctx.settings.studio_max_hours) if space else []


def _notes(ctx: PageContext) -> list[notes.Note]:
    if not ctx.person.team:
        return []
    try:
        return notes.latest(ctx, ctx.person.team, NOTES)
    except Unavailable:
        return []  # Home can do without them.


# --- what its forms ask for ----------------------------------------------------------------------


def open_space(ctx: PageContext, form: Form) -> Page | Redirect:
    """Open the workspace on the machine that was chosen."""
    request: dict[str, Any] = {"op": "open_space"}
    for name in ("instance", "project"):
        if form.get(name):
            request[name] = form[name]
    return _asked(ctx, request, form)


def stay(ctx: PageContext, form: Form) -> Page | Redirect:
    """Keep the workspace open for some hours from now."""
    return _asked(ctx, {"op": "stay", "hours": None}, form)


def close(ctx: PageContext, _form: Form) -> Page | Redirect:
    """Close the workspace."""
    return _asked(ctx, {"op": "close_space"}, {})


def _asked(ctx: PageContext, request: dict[str, Any], form: Form) -> Page | Redirect:
    """Ask the broker, which checks all of it; what it refuses stands on Home, in its words."""
    hours = form.get("hours", "")
    if hours:
        # What is no small number goes on as it is: the broker says what would be right.
        request["hours"] = (
            int(hours) if hours.isascii() and hours.isdigit() and len(hours) < 4 else hours[:40]
        )
    try:
        ctx.ask(request)
    except Refusal as refusal:
        return home(ctx, refusal.message, 503 if refusal.code == "unavailable" else 409)
    return Redirect("/")


def into_studio(ctx: PageContext, *, offline: bool) -> str | None:
    """The address that leads into the open workspace, good for minutes; None while it is not open.

    It is for the browser's next step alone: it goes into no page and no log.
    """
    url = ctx.ask({"op": "space", "link": True}).get("url")
    if url is None:
        return None
    if not isinstance(url, str) or not leads_into_studio(url, offline=offline):
        raise Unavailable("the broker's link leads elsewhere than into Studio")
    return url
