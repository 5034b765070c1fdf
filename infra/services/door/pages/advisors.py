"""The advisors' pages: how every team is, one team in full, and notes to it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from infra.services.door.context import (
    Form,
    NotFound,
    Page,
    PageContext,
    Redirect,
    Refusal,
    Unavailable,
)
from infra.services.door.look.charts import meter
from infra.services.door.pages import competition, fill
from infra.services.door.pages import team as team_page
from infra.services.door.pages.words import dollars
from infra.services.door.reading import boards, files, notes, together
from infra.services.door.reading.boards import Board, Place
from infra.services.guard.ledger import SPACE, Entry

log = logging.getLogger(__name__)

#: Teams of a page: each learner of them is three questions to the ledger.
TEAMS = 30
#: Entries of a learner that are looked through for failed jobs of the last days.
ENTRIES = 60
FAILED_WITHIN = dt.timedelta(days=7)
#: Who has done nothing for so long may be stuck.
QUIET_AFTER = dt.timedelta(days=7)
NOTES = 50

_TOWARD = {"higher": "better to the right", "lower": "better to the left"}

OVERVIEW = """\
{% import "parts" as parts %}
<p class="over">{{ cohort }} · advisors</p>
<h1>Teams</h1>
<p class="news">{{ total | many("team") }}
{%- if working %}, <strong>{{ working }}</strong> at work now{% endif %}
{%- if quiet %}, <strong>{{ quiet }}</strong> quiet for a week{% endif %}
{%- if failed %}, <strong>{{ failed | many("job") }}</strong> failed within a week{% endif %}.
{%- if pages | length > 1 %} The numbers are of the {{ teams | length }} teams below.{% endif %}</p>
{% if teams %}
<div class="scroll panel" role="region" tabindex="0" aria-label="Teams">
<table class="plain glance" role="table">
<caption>Every team: activity, spending, scores and failed jobs</caption>
<thead role="rowgroup"><tr role="row">
<th role="columnheader" scope="col">Team</th>
<th role="columnheader" scope="col">Last active</th>
<th role="columnheader" scope="col">Spent and held</th>
{% for each in projects %}
<th role="columnheader" scope="col" class="score">{{ each.project }}
{% if each.toward %}<small>{{ each.toward }}</small>{% endif %}</th>
{% endfor %}
<th role="columnheader" scope="col" class="number">Failed jobs</th>
</tr></thead>
<tbody role="rowgroup">
{% for each in teams %}
<tr role="row">
<th role="rowheader" scope="row" class="team"><a href="/advisors/{{ each.team | urlencode }}">
<bdi>{{ each.team }}</bdi></a>
<small>{% for learner in each.learners %}<bdi>{{ learner }}</bdi>
{%- if not loop.last %}, {% endif %}{% endfor %}</small></th>
<td role="cell" class="active" data-name="Last active">
{% if each.working or each.running %}<span class="pill running">now</span>
<small>{{ each.now }}</small>
{% elif each.last %}{{ each.ago }} ago{% if each.quiet %} <span class="pill quiet">quiet</span>
{% endif %}<small>{{ parts.moment(each.last) }}</small>
{% else %}<span class="pill quiet">never</span>{% endif %}</td>
<td role="cell" class="money" data-name="Spent and held"><b>{{ each.spent | cost }}</b>
of {{ each.cap | dollars }}{% if each.frozen %} <span class="pill failed">frozen</span>{% endif %}

{{ each.meter }}</td>
{% for at in each.standings %}
<td role="cell" class="score" data-name="{{ at.project }}">
{% if at.place %}
<b>{{ at.place.score }}</b>
<small>{% if at.place.gap %}{{ at.place.gap }} of the gap{% else %}
{{ at.place.among }}{% endif %}</small>
<span class="strip" aria-hidden="true">{{ at.place.drawn }}</span>
{% else %}<small>nothing yet</small>{% endif %}</td>
{% endfor %}
<td role="cell" class="number" data-name="Failed jobs">
{% if each.failed %}<a href="/advisors/{{ each.team | urlencode }}#jobs">{{ each.failed }}</a>
{% else %}0{% endif %}</td>
</tr>
{% endfor %}
</tbody></table></div>
{% if lines %}
<p class="key">On each strip the dot is the score and the bar its 95 % interval; the solid line is
the expert, the dotted ones are the others. The gap is the way from the baseline, 0 %, to the
expert, 100 %. {{ lines }}</p>
{% endif %}
{% else %}
{{ parts.empty("There is no team yet.") }}
{% endif %}
{% if pages | length > 1 %}
<nav class="pages" aria-label="More teams"><ul>
{% for each in pages %}
<li><a href="/advisors?from={{ each.start }}"{% if each.here %} aria-current="page"{% endif %}>
<bdi>{{ each.first }}</bdi> to <bdi>{{ each.last }}</bdi></a></li>
{% endfor %}
</ul></nav>
{% endif %}
"""

TEAM = """\
{% import "parts" as parts %}
<p class="up"><a href="/advisors">All teams</a></p>
<p class="over">Team</p>
<h1><bdi>{{ team }}</bdi></h1>
<ul class="members">
{% for each in members %}
<li><b><bdi>{{ each.id }}</bdi></b>
<small>{% if each.until %}works on {{ each.instance }}, until {{ parts.moment(each.until) }}
{% else %}workspace closed{% endif %}</small>
<small>{{ each.spent | cost }} of {{ each.cap | dollars }}
{%- if each.frozen %}, frozen{% endif %}</small></li>
{% endfor %}
</ul>
<nav class="jump" aria-label="On this page"><a href="#notes">Notes</a> <a href="#scores">Scores</a>
<a href="#files">Shared files</a> <a href="#jobs">Jobs</a></nav>

<h2 id="notes">Notes</h2>
{{ parts.problem(problem) }}
<form class="card note" method="post" action="/advisors/{{ team | urlencode }}/notes">
{{ parts.csrf(csrf) }}
<p class="field"><label for="text">A note to the team</label>
<span class="hint" id="about">They see it on their Home and Team pages, with your name. It cannot
be changed later.</span>
<textarea id="text" name="text" rows="4" maxlength="{{ most }}" required
 aria-describedby="about">{{ written }}</textarea></p>
<button>Leave the note</button>
</form>
{{ notes }}

<h2 id="scores">Scores</h2>
<ul class="cards contests">
{% for each in standings %}
<li class="card contest">
<h3><a href="/competition/{{ each.project | urlencode }}">{{ each.project }}</a></h3>
{% if each.place %}
<p class="standing"><strong>{{ each.place.rank }}</strong> of {{ each.teams }}
<span>with {{ each.place.score }}{% if each.place.among %}, {{ each.place.among }}{% endif %}
</span></p>
<p class="strip" aria-hidden="true">{{ each.place.drawn }}</p>
{% else %}
<p class="standing none">No score yet.</p>
{% endif %}
{% if each.lines %}<ul class="lines">
{% for line in each.lines %}<li class="{{ line.kind }}"><b>{{ line.score }}</b>
<bdi>{{ line.name }}</bdi></li>{% endfor %}
</ul>{% endif %}
</li>
{% endfor %}
</ul>
{% for each in sent %}{{ each }}{% endfor %}

<h2 id="files">Shared files</h2>
{{ folder }}
<h2 id="jobs">Jobs</h2>
{{ jobs }}
"""


@dataclass(frozen=True)
class Standing:
    """A team's place on the board of a project."""

    project: str
    place: Place | None = None
    teams: int = 0
    lines: tuple[boards.Line, ...] = ()


@dataclass(frozen=True)
class Glance:
    """A team as its line says it; money in micro-dollars."""

    team: str
    learners: tuple[str, ...]
    last: dt.datetime | None = None
    ago: str = ""
    working: int = 0
    running: int = 0
    quiet: bool = False
    spent: int = 0
    cap: int = 0
    frozen: bool = False
    failed: int = 0
    meter: Markup = field(default_factory=Markup)
    standings: tuple[Standing, ...] = ()

    @property
    def now(self) -> str:
        """What is on just now."""
        said = []
        if self.working:
            said.append(f"{self.working} in the workspace")
        if self.running:
            said.append(f"{self.running} job{'s' * (self.running != 1)}")
        return ", ".join(said)


@dataclass(frozen=True)
class _Learner:
    """What the ledger says of a learner."""

    spent: int
    held: int
    cap: int
    frozen: bool
    working: int
    running: int
    failed: int
    last: dt.datetime | None


@dataclass(frozen=True)
class Member:
    """A learner of a team: at work until when, and what is spent and held."""

    id: str
    instance: str
    until: dt.datetime | None
    spent: int
    cap: int
    frozen: bool


@dataclass(frozen=True)
class _Part:
    """A page of teams."""

    start: int
    first: str
    last: str
    here: bool


@dataclass(frozen=True)
class _Column:
    project: str
    toward: str


# --- every team -----------------------------------------------------------------------------------
def overview(ctx: PageContext) -> Page:
    """All teams at a glance, in the cohort file's order.

    Raises:
        NotFound: for whoever does not advise.
    """
    _advisors_only(ctx)
    everyone = list(ctx.people.teams)
    start = _start(ctx.query.get("from", ""), len(everyone))
    shown = everyone[start : start + TEAMS]
    on_board = _boards(ctx)
    learners = [each for team in shown for each in ctx.people.teams[team]]
    known = dict(
        zip(learners, together.each(lambda each: _learner(ctx, each), learners), strict=True)
    )
    teams = [
        _glance(ctx, team, [known[each] for each in ctx.people.teams[team]], on_board)
        for team in shown
    ]
    body = fill(
        OVERVIEW,
        cohort=ctx.names.cohort,
        total=len(everyone),
        working=sum(bool(each.working or each.running) for each in teams),
        quiet=sum(each.quiet for each in teams),
        failed=sum(each.failed for each in teams),
        teams=teams,
        projects=[
            _Column(name, _TOWARD[board.better] if board else "")
            for name, board in on_board.items()
        ],
        lines=_lines_said(on_board),
        pages=[
            _Part(at, everyone[at], everyone[min(at + TEAMS, len(everyone)) - 1], at == start)
            for at in range(0, len(everyone), TEAMS)
        ],
    )
    return Page("Teams", body, here="/advisors")


def _advisors_only(ctx: PageContext) -> None:
    if not ctx.person.advises:
        raise NotFound


def _start(given: str, total: int) -> int:
    """The place of the first team of a page that was asked for, whatever was."""
    at = int(given) if given.isascii() and given.isdigit() and len(given) < 7 else 0
    return at // TEAMS * TEAMS if at < total else 0


def _boards(ctx: PageContext) -> dict[str, Board | None]:
    projects = ctx.competition.projects
    return dict(zip(projects, together.each(lambda p: boards.read(ctx, p), projects), strict=True))


def _standings(team: str, on_board: Mapping[str, Board | None]) -> tuple[Standing, ...]:
    found = []
    for project, board in on_board.items():
        try:
            found.append(
                Standing(project, board.place(team), len(board.entries), tuple(board.lines))
                if board
                else Standing(project)
            )
        except boards.BROKEN:
            log.exception("the board of %s cannot be told", project)
            found.append(Standing(project))
    return tuple(found)


def _lines_said(on_board: Mapping[str, Board | None]) -> str:
    said = []
    for project, board in on_board.items():
        lines = [
            f"{line.kind} {line.score}"
            for line in (board.lines if board else [])
            if line.kind in ("baseline", "expert")
        ]
        if lines:
            said.append(f"{project}: {', '.join(lines)}.")
    return " ".join(said)


def _learner(ctx: PageContext, learner: str) -> _Learner:
    account = ctx.ledger.seen(learner)
    held = [one for one in ctx.ledger.open_of(learner) if one.ends_at > ctx.now]
    entries = ctx.ledger.entries(learner, ENTRIES)
    return _Learner(
        spent=account.spent if account else 0,
        held=account.reserved if account else 0,
        cap=account.cap if account else ctx.settings.cap_of(learner),
        frozen=account.frozen if account else False,
        working=sum(one.kind == "space" for one in held),
        running=sum(one.kind == "job" for one in held),
        failed=sum(_failed(entry) and ctx.now - entry.at < FAILED_WITHIN for entry in entries),
        last=entries[0].at if entries else None,
    )


def _failed(entry: Entry) -> bool:
    return entry.kind == "job" and bool(entry.note)


def _glance(
    ctx: PageContext, team: str, learners: list[_Learner], on_board: Mapping[str, Board | None]
) -> Glance:
    last = max((each.last for each in learners if each.last), default=None)
    spent, cap = (sum(getattr(each, name) for each in learners) for name in ("spent", "cap"))
    held = sum(each.held for each in learners)
    working = sum(each.working for each in learners)
    running = sum(each.running for each in learners)
    # Nobody is quiet before there was anything to do.
    since = max(last or ctx.settings.opens_at, ctx.settings.opens_at)
    words = f"{dollars(spent)} spent, {dollars(held)} held, of {dollars(cap)}"
    return Glance(
        team=team,
        learners=tuple(ctx.people.teams[team]),
        last=last,
        ago=_ago(ctx.now - last) if last else "",
        working=working,
        running=running,
        quiet=not (working or running) and ctx.now - since > QUIET_AFTER,
        spent=spent,
        cap=cap,
        frozen=any(each.frozen for each in learners),
        failed=sum(each.failed for each in learners),
        meter=meter(spent, held, cap, words),
        standings=_standings(team, on_board),
    )


def _ago(length: dt.timedelta) -> str:
    """In one unit: whoever looks for the quiet ones needs no minutes.

    >>> _ago(dt.timedelta(days=3, hours=5)), _ago(dt.timedelta(minutes=61))
    ('3 days', '1 hour')
    """
    seconds = max(0, int(length.total_seconds()))
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if count := seconds // unit:
            return f"{count} {name}{'s' * (count != 1)}"
    return "a moment"


# --- one team -------------------------------------------------------------------------------------
def team(ctx: PageContext, team: str, problem: str = "", written: str = "") -> Page:
    """A team in full. `problem` is what was wrong with a note, `written` the note.

    Raises:
        NotFound: for whoever does not advise, and of a team that there is not.
    """
    _advisors_only(ctx)
    team = ctx.may_see(team)
    try:
        left = notes.latest(ctx, team, NOTES)
    except Unavailable:
        log.exception("the notes to %s cannot be read", team)
        left = []
    body = fill(
        TEAM,
        team=team,
        members=[_member(ctx, learner) for learner in ctx.people.teams[team]],
        csrf=ctx.csrf,
        problem=problem,
        written=written,
        most=notes.MAX_NOTE,
        notes=team_page.note_list(left),
        standings=_standings(team, _boards(ctx)),
        sent=[
            competition.sent_by(ctx, project, team, f"Sent to {project}", under=True)
            for project in ctx.competition.projects
        ],
        folder=team_page.folder(files.of_team(ctx, team), f"/advisors/{team}/notebooks/"),
        jobs=team_page.job_list(ctx, team),
    )
    return Page(f"Team {team}", body, here="/advisors", status=400 if problem else 200)


def _member(ctx: PageContext, learner: str) -> Member:
    account = ctx.ledger.seen(learner)
    held = ctx.ledger.find(learner, SPACE)
    works = held is not None and held.is_open and held.ends_at > ctx.now
    return Member(
        id=learner,
        instance=held.instance if held and works else "",
        until=held.ends_at if held and works else None,
        spent=account.spent if account else 0,
        cap=account.cap if account else ctx.settings.cap_of(learner),
        frozen=account.frozen if account else False,
    )


def notebook(ctx: PageContext, team: str, name: str) -> Page:
    """A file that a team has shared, to be read; nothing of it runs.

    Raises:
        NotFound: if there is none, or for whoever does not advise.
    """
    _advisors_only(ctx)
    opened = files.open_(ctx, team, name)
    up = (f"/advisors/{team}#files", f"Team {team}")
    return team_page.file_page(team, name, opened, up, "/advisors")


def note(ctx: PageContext, team: str, form: Form) -> Redirect | Page:
    """Leave a note; what is wrong with it is said above it, and it is still there.

    Raises:
        NotFound: for whoever does not advise, and of a team that there is not.
    """
    _advisors_only(ctx)
    written = form.get("text", "")
    try:
        notes.leave(ctx, team, written)
    except Refusal as refusal:
        return _again(ctx, team, refusal.message, written)
    return Redirect(f"/advisors/{ctx.may_see(team)}#notes")


def _again(ctx: PageContext, of: str, problem: str, written: str) -> Page:
    """The team's page with a note that was not taken."""
    return team(ctx, of, problem, written[: 4 * notes.MAX_NOTE])
