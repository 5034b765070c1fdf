"""The team's page: who is at work, what advisors wrote, the shared folder, and every job."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from markupsafe import Markup

from infra.services.door.context import Here, NotFound, Page, PageContext, Unavailable
from infra.services.door.others import shown
from infra.services.door.pages import fill
from infra.services.door.reading import files, jobs, notes
from infra.services.door.reading.files import Folder, Opened
from infra.services.door.reading.jobs import Job
from infra.services.door.reading.notes import Note
from infra.services.guard.ledger import SPACE

log = logging.getLogger(__name__)

NOTES = 5
LINES = 100
#: Characters of a line of a log: a progress bar may be one line of a megabyte.
LINE = 400
#: A page of a job that runs is asked for again so often where there is no script.
AGAIN = 30

TEMPLATE = """\
{% import "parts" as parts %}
<p class="over">Your team</p>
<h1><bdi>{{ team }}</bdi></h1>
<ul class="members">
{% for each in members %}
<li><b><bdi>{{ each.id }}</bdi></b>{% if each.you %} <span class="badge">you</span>{% endif %}

<small>{% if each.until %}works on {{ each.instance }}, until {{ parts.moment(each.until) }}
{% else %}workspace closed{% endif %}</small></li>
{% endfor %}
</ul>
{% if notes %}
<h2>From your advisors</h2>
{{ notes }}
{% endif %}
<h2>Shared folder</h2>
{{ folder }}
<h2 id="jobs">Jobs</h2>
{{ jobs }}
"""

NOTE_LIST = """\
{% import "parts" as parts %}
<div class="card"><ol class="notes">
{% for each in notes %}
<li><p>{{ each.text }}</p><small><bdi>{{ each.author }}</bdi>, {{ parts.moment(each.at) }}</small>
</li>
{% endfor %}
</ol></div>
"""

FILES = """\
{% import "parts" as parts %}
{% if folder.told %}
{{ parts.problem(folder.told) }}
{% elif folder.files %}
<ul class="files panel">
{% for each in folder.files %}
<li><span class="name">{% if each.opens %}<a href="{{ base }}{{ each.name | urlencode }}">
<bdi>{{ each.name }}</bdi></a>{% else %}<bdi>{{ each.name }}</bdi>{% endif %}</span>
<small>{{ each.size }}</small> <small>{{ parts.moment(each.modified) }}</small></li>
{% endfor %}
</ul>
{% if folder.total > folder.files | length %}
<p class="key">The newest {{ folder.files | length }} of {{ folder.total }}.</p>
{% endif %}
{% else %}
{{ parts.empty("Nothing is shared yet.", hint) }}
{% endif %}
{% if folder.files and hint %}<p class="key">{{ hint }}</p>{% endif %}
"""

JOBS = """\
{% import "parts" as parts %}
{% if told %}
{{ parts.problem(told) }}
{% elif jobs %}
<div class="panel scroll" role="region" tabindex="0" aria-label="Jobs">
<table class="plain jobs" role="table">
<caption>Training jobs, the newest first</caption>
<thead role="rowgroup"><tr role="row">
{% for style, name in heads %}
<th role="columnheader" scope="col"{% if style %} class="{{ style }}"{% endif %}>{{ name }}</th>
{% endfor %}
</tr></thead>
<tbody role="rowgroup">
{% for each in jobs %}
<tr role="row" class="{{ each.state }}">
<th role="rowheader" scope="row" class="job"><a href="/team/jobs/{{ each.name | urlencode }}">
<code>{{ each.short }}</code></a><small><bdi>{{ each.learner }}</bdi></small></th>
<td role="cell" class="doing"><span class="pill {{ each.state }}">{{ each.doing }}</span>
{% if each.why %}<small class="why">{{ each.first_words }}</small>{% endif %}</td>
<td role="cell" class="machine" data-name="Machine">{{ each.machine }}</td>
<td role="cell" class="when" data-name="Began">{{ parts.moment(each.began) }}</td>
<td role="cell" class="number" data-name="Ran">
{%- if each.seconds is not none and not each.live %}{{ each.seconds | span }}
{%- elif each.state == "running" %}{{ (now - each.began).total_seconds() | span }} so far
{%- endif %}</td>
<td role="cell" class="number" data-name="Cost">
{%- if each.live %}{{ each.cost | dollars(up=true) }}<small>held</small>
{%- else %}{{ each.cost | cost }}{% endif %}</td>
</tr>
{% endfor %}
</tbody></table></div>
{% if jobs | length >= most %}<p class="key">The newest {{ most }} are shown.</p>{% endif %}
{% else %}
{{ parts.empty("No job yet.", hint) }}
{% endif %}
"""

JOB = """\
{% import "parts" as parts %}
<p class="up"><a href="{{ up }}">{{ up_name }}</a></p>
<p class="over">Training job</p>
<h1><code>{{ job.short }}</code></h1>
<p class="state"><span class="pill {{ job.state }}">{{ job.doing }}</span>
{% if job.live %}<a href="">Look again</a>{% endif %}</p>
<dl class="facts">
{{ parts.fact("Started by", job.learner) }}
{{ parts.fact("Machine", job.machine) }}
<div><dt>Began</dt><dd>{{ parts.moment(job.began) }}</dd></div>
{% if job.seconds is not none and not job.live %}
{{ parts.fact("Ran", job.seconds | span) }}
{% elif job.state == "running" %}
{{ parts.fact("Has run", (now - job.began).total_seconds() | span) }}
{% endif %}
{% if job.live %}
{{ parts.fact("Held for it", job.cost | dollars(up=true)) }}
{% elif job.cost %}
{{ parts.fact("Cost", job.cost | cost) }}
{% endif %}
</dl>
{% if job.why %}
<h2>Why it {{ "never started" if job.doing == "never started" else "failed" }}</h2>
<pre class="log failed">{{ job.why }}</pre>
{% endif %}
<h2>The end of its log</h2>
{% if told %}
{{ parts.problem(told) }}
{% elif lines %}
<div class="log tail" role="region" tabindex="0" aria-label="Log"><div>{{ lines }}</div></div>
{% elif job.live %}
{{ parts.empty("It has said nothing yet.", "A machine takes some minutes to come.") }}
{% else %}
{{ parts.empty("It wrote no log.") }}
{% endif %}
<p class="key">In full, in your workspace:
<code>academy.attach("{{ job.name }}").log</code></p>
"""

FILE = """\
{% import "parts" as parts %}
<p class="up"><a href="{{ up }}">{{ up_name }}</a></p>
<p class="over"><bdi>{{ team }}</bdi> · shared folder</p>
<h1 class="file"><bdi>{{ name }}</bdi></h1>
<p class="lead">Shared {{ parts.moment(opened.modified) }}.
{% if opened.sheet and opened.sheet.cells %}
{{ opened.sheet.cells | many("cell") }}
{%- if opened.sheet.errors %}, {{ opened.sheet.errors }} of them ended with an error{% endif %}.
{% endif %}
To be read: nothing in it runs here.</p>
{% if opened.sheet %}
<article class="sheet">
{{ opened.sheet.body }}
</article>
{% else %}
{{ parts.problem(opened.told) }}
{% endif %}
"""

_HEADS = (
    ("", "Job"),
    ("", "State"),
    ("", "Machine"),
    ("", "Began"),
    ("number", "Ran"),
    ("number", "Cost"),
)


@dataclass(frozen=True)
class Member:
    """A learner of the team, and until when the workspace is open."""

    id: str
    you: bool
    instance: str = ""
    until: dt.datetime | None = None


# --- the team -------------------------------------------------------------------------------------
def team(ctx: PageContext) -> Page:
    """The own team's page.

    Raises:
        NotFound: for an advisor, who has none.
    """
    own = ctx.may_see(ctx.person.team)
    body = fill(
        TEMPLATE,
        team=own,
        members=members(ctx, own),
        notes=note_list(_notes(ctx, own)),
        folder=folder(
            files.of_team(ctx, own),
            "/team/notebooks/",
            "academy.share(…) puts a file "
            "of yours here: your partner and your advisors can read it.",
        ),
        jobs=job_list(ctx, own, "academy.train(…) starts one."),
    )
    return Page(f"Team {own}", body, here="/team")


def members(ctx: PageContext, of: str) -> list[Member]:
    """Who is in the team, and who is at work; the reader stands first."""
    found = []
    for learner in ctx.people.teams[ctx.may_see(of)]:
        held = ctx.ledger.find(learner, SPACE)
        you = learner == ctx.person.id
        if held is not None and held.is_open and held.ends_at > ctx.now:
            found.append(Member(learner, you, held.instance, held.ends_at))
        else:
            found.append(Member(learner, you))
    return sorted(found, key=lambda member: not member.you)


def _notes(ctx: PageContext, of: str) -> list[Note]:
    try:
        return notes.latest(ctx, of, NOTES)
    except Unavailable:
        log.exception("the notes to %s cannot be read", of)
        return []


def note_list(found: list[Note]) -> Markup:
    """Notes as a list; empty where there are none."""
    return fill(NOTE_LIST, notes=found) if found else Markup("")


def folder(found: Folder, base: str, hint: str = "") -> Markup:
    """The shared folder; files are opened below `base`."""
    return fill(FILES, folder=found, base=base, hint=hint)


def job_list(ctx: PageContext, of: str, hint: str = "") -> Markup:
    """A team's jobs as a table. What SageMaker and the ledger do not tell is said to be so."""
    found: list[Job] = jobs.of_team(ctx, of)
    return fill(JOBS, jobs=found, now=ctx.now, told="", heads=_HEADS, hint=hint, most=jobs.SHOWN)


# --- one job --------------------------------------------------------------------------------------
def job(ctx: PageContext, name: str) -> Page:
    """A job of a team that the person may see, with the end of its log.

    Raises:
        NotFound: if there is none.
    """
    found = jobs.find(ctx, name)
    if found is None:
        raise NotFound
    lines, told = "", ""
    try:
        lines = tail(ctx.cloud.log_tail(name, LINES))
    except Unavailable:
        log.exception("the log of %s cannot be read", name)
        told = "The log cannot be read just now."
    up, up_name, here = _above(ctx, found.name)
    body = fill(
        JOB,
        job=found,
        lines=lines,
        told=told,
        now=ctx.now,
        up=up,
        up_name=up_name,
    )
    refresh = AGAIN if found.live else None
    return Page(f"Job {found.short}", body, here=here, refresh=refresh)


def tail(lines: list[str]) -> str:
    """Lines of a log as they are shown: none moves the cursor, none is endless."""
    said = (each[:LINE] for line in lines for each in shown.lines(line, 20_000).split("\n"))
    return "\n".join(list(said)[-LINES:]).rstrip()


def _above(ctx: PageContext, job: str) -> tuple[str, str, Here]:
    """The page that leads to a job: its team's, which an advisor finds elsewhere."""
    if not ctx.person.advises:
        return "/team#jobs", "Your team", "/team"
    of = job.split("--")[1]
    return f"/advisors/{of}#jobs", f"Team {of}", "/advisors"


# --- one file -------------------------------------------------------------------------------------
def notebook(ctx: PageContext, name: str) -> Page:
    """A file that the own team has shared, to be read.

    Raises:
        NotFound: if there is none, or for an advisor, who has no team.
    """
    opened = files.open_(ctx, ctx.person.team, name)
    return file_page(ctx.person.team, name, opened, ("/team", "Your team"), "/team")


def file_page(of: str, name: str, opened: Opened, up: tuple[str, str], here: Here) -> Page:
    """The page of a file that lies in a team's shared folder."""
    body = fill(FILE, team=of, name=name, opened=opened, up=up[0], up_name=up[1])
    return Page(name, body, here=here)
