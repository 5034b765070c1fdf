"""The pages of the competition: every board, one board in full, and what the own team has sent."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from markupsafe import Markup

from infra.services.competition import page as practice
from infra.services.competition.live import page as live
from infra.services.door.context import NotFound, Page, PageContext, Unavailable
from infra.services.door.pages import fill, words
from infra.services.door.reading import boards, receipts, together
from infra.services.door.reading.boards import Board, Place
from infra.services.door.reading.receipts import Sent

log = logging.getLogger(__name__)

OVERVIEW = """\
{% import "parts" as parts %}
<p class="over">{{ cohort }}</p>
<h1>Competition</h1>
<p class="lead">Each project has a board. Predictions are sent from your workspace, by
<code>academy.submit(…)</code>; their scores are here a minute later.</p>
<ul class="cards contests">
{% for each in contests %}
<li class="card contest">
<h2><a href="/competition/{{ each.project | urlencode }}">{{ each.project }}</a></h2>
<p class="phase {{ each.phase }}"><span class="pill">{{ each.pill }}</span> {{ each.until }}</p>
{% if each.place %}
<p class="standing"><strong>{{ each.place.rank }}</strong> of {{ each.teams }}
<span>with {{ each.place.score }}{% if each.place.among %}, {{ each.place.among }}{% endif %}
</span></p>
<p class="strip" aria-hidden="true">{{ each.place.drawn }}</p>
{% elif team %}
<p class="standing none">Your team has no score here yet.</p>
{% else %}
<p class="standing none">{{ each.teams | many("team") }}</p>
{% endif %}
{% if each.lines %}
<ul class="lines">
{% for line in each.lines %}<li class="{{ line.kind }}"><b>{{ line.score }}</b>
<bdi>{{ line.name }}</bdi></li>{% endfor %}
</ul>
{% endif %}
{% if each.left is not none and team %}
<p class="hint">{{ each.left | many("submission") }} left today (UTC).</p>
{% endif %}
{% if each.live %}<p class="hint"><a href="/competition/{{ each.live | urlencode }}">The live round
of {{ each.project }}</a>: forecasts of months that nobody knows yet.</p>{% endif %}
</li>
{% endfor %}
</ul>
"""

PROJECT = """\
{% import "parts" as parts %}
<p class="up"><a href="/competition">All boards</a>
{% if practice %} · <a href="/competition/{{ practice | urlencode }}">The practice board</a>
{% endif %}
{% if live %} · <a href="/competition/{{ live | urlencode }}">The live round</a>{% endif %}
{% if team %}
 · <a href="#sent">Your {{ "forecasts" if practice else "submissions" }}</a>{% endif %}</p>
{% if board %}
{{ board }}
{% else %}
<p class="over">{{ cohort }} · leaderboard</p>
<h1>{{ title }}</h1>
{{ parts.empty(why, hint) }}
{{ sent }}
{% endif %}
"""

SENT = """\
{% import "parts" as parts %}
<section id="{{ anchor }}" class="sent">
<{{ level }}>{{ title }}</{{ level }}>
{% if sent.receipts %}
<p class="lead">{% if sent.total > sent.receipts | length %}The newest
{{ sent.receipts | length }} of {{ sent.total }}. {% endif %}{{ lead }}</p>
<ol class="receipts panel">
{% for each in sent.receipts %}
<li>
<p class="head"><span class="pill {{ each.status }}">{{ each.status }}</span>
{% if each.score %}<b>{{ each.score }}</b>{% endif %}
{% if each.at %}{{ parts.moment(each.at) }}{% endif %}</p>
<p>{{ each.message }}</p>
<details><summary>Receipt</summary>
<dl class="facts"><div><dt>File</dt><dd><bdi>{{ each.name }}</bdi></dd></div>
{% for name, value in each.facts.items() %}{{ parts.fact(name, value) }}{% endfor %}</dl>
</details>
</li>
{% endfor %}
</ol>
{% else %}
{{ parts.empty(nothing, hint) }}
{% endif %}
</section>
"""


@dataclass(frozen=True)
class _Contest:
    """A project as a card shows it."""

    project: str
    phase: str
    pill: str
    until: str
    teams: int = 0
    place: Place | None = None
    lines: tuple[boards.Line, ...] = ()
    left: int | None = None
    live: str = ""


@dataclass(frozen=True)
class Glance:
    """A board in a line: the team's place and score on it, both empty where it has none."""

    project: str
    place: str
    score: str
    teams: int


# --- every board ----------------------------------------------------------------------------------
def overview(ctx: PageContext) -> Page:
    """All boards, and where the own team stands on each."""
    projects = ctx.competition.projects
    wanted = [*projects, *(f"{project}{boards.LIVE}" for project in projects)]
    found = dict(
        zip(wanted, together.each(lambda name: boards.read(ctx, name), wanted), strict=True)
    )
    contests = [
        _contest(ctx, project, found[project], bool(found[f"{project}{boards.LIVE}"]))
        for project in projects
    ]
    body = fill(OVERVIEW, cohort=ctx.names.cohort, contests=contests, team=ctx.person.team)
    return Page("Competition", body, here="/competition")


def glance(ctx: PageContext, team: str) -> list[Glance]:
    """Where `team` stands on each board that there is; none where they cannot be read just now."""
    try:
        found = together.each(lambda name: (name, boards.read(ctx, name)), ctx.competition.projects)
    except Unavailable:
        log.exception("the boards cannot be read")
        return []
    lines = []
    for project, board in found:
        place = _place(board, team) if board else None
        if board:
            rank, score = (place.rank, place.score) if place else ("", "")
            lines.append(Glance(project, rank, score, len(board.entries)))
    return lines


def _place(board: Board, team: str) -> Place | None:
    try:
        return board.place(team)
    except boards.BROKEN:
        log.exception("a board cannot be told")
        return None


def _contest(ctx: PageContext, project: str, board: Board | None, has_live: bool) -> _Contest:
    alive = f"{project}{boards.LIVE}" if has_live else ""
    opens, closes = ctx.competition.opens_at, ctx.competition.closes_at
    if board is None:
        begun = ctx.now >= opens
        phase = ("open" if ctx.now < closes else "closed") if begun else "before"
        return _Contest(project, phase, _pill(phase), _until(phase, opens, closes), live=alive)
    phase = board.phase
    until = _until(phase, board.opens or opens, board.closes or closes)
    try:
        return _Contest(
            project=project,
            phase=phase,
            pill=_pill(phase),
            until=until,
            teams=len(board.entries),
            place=board.place(ctx.person.team) if ctx.person.team else None,
            lines=tuple(board.lines),
            left=board.left_today(ctx.person.team, ctx.competition.submissions_per_day),
            live=alive,
        )
    except boards.BROKEN:
        log.exception("the board of %s cannot be told", project)
        return _Contest(project, phase, _pill(phase), until, live=alive)


def _pill(phase: str) -> str:
    return {"before": "Not open yet", "frozen": "Frozen", "closed": "Closed"}.get(phase, "Open")


def _until(phase: str, opens: dt.datetime, closes: dt.datetime) -> str:
    if phase == "before":
        return f"Opens {words.day(opens.date())} (UTC)."
    if phase == "frozen":
        return "It stands still; submissions are kept."
    # Midnight ends the day before it.
    last = (closes - dt.timedelta(microseconds=1)).date()
    return f"{'Since the end of' if phase == 'closed' else 'Until the end of'} {words.day(last)}."


# --- one board ------------------------------------------------------------------------------------
def project(ctx: PageContext, project: str) -> Page:
    """A board in full, and below its table what the own team has sent.

    Raises:
        NotFound: if the cohort has no such project, or it has no live round.
    """
    found = boards.project_of(ctx, project)
    if found is None:
        raise NotFound
    name, is_live = found
    board = boards.read(ctx, project)
    if is_live and board is None:
        raise NotFound
    sent = _sent(ctx, name, is_live)
    body = _board(ctx, board, is_live, sent) if board else Markup("")
    title = f"Live round of {name}" if is_live else name
    if is_live:
        alive = ""
    else:
        other = f"{name}{boards.LIVE}"
        alive = other if ctx.cloud.site(f"boards/{other}.json", 1) else ""
    return Page(
        title,
        fill(
            PROJECT,
            cohort=ctx.names.cohort,
            title=title,
            board=body,
            sent=sent,
            team=ctx.person.team,
            practice=name if is_live else "",
            live=alive,
            why="The board cannot be shown just now." if board else "There is no board yet.",
            hint="Load this page again in a minute." if board else "The first submission makes it.",
        ),
        here="/competition",
    )


def _board(ctx: PageContext, board: Board, is_live: bool, sent: Markup) -> Markup:
    """The board as its own page shows it; empty where it cannot be told."""
    cohort, team, document = ctx.names.cohort, ctx.person.team, board.document
    if not is_live and document.get("phase") != board.phase and document.get("phase"):
        # Written before the competition opened, or closed: it says so as of now.
        document = {**document, "phase": board.phase}
    try:
        if is_live:
            text = live.body(document, cohort, reader=team, below=sent)
        else:
            text = practice.body(document, cohort, reader=team, below=sent, now=ctx.now)
    except boards.BROKEN:
        log.exception("the board of %s cannot be shown", document.get("project"))
        return Markup("")
    # Made by escaping, as the public page is.
    return Markup(text)  # noqa: S704


def _sent(ctx: PageContext, project: str, live: bool) -> Markup:
    """The own team's submissions; nothing for an advisor, who finds them with the team."""
    if not ctx.person.team:
        return Markup("")
    title = "Your forecasts" if live else "Your submissions"
    return sent_by(ctx, project, ctx.person.team, title, live=live)


def sent_by(
    ctx: PageContext,
    project: str,
    team: str,
    title: str,
    *,
    under: bool = False,
    live: bool | None = None,
) -> Markup:
    """A section with what a team has sent, `under` another one; `live` as in `receipts.of_team`.

    What AWS does not tell just now is said to be so.
    """
    try:
        sent = receipts.of_team(ctx, project, team, live=live)
        nothing = "Nothing has been sent yet."
    except Unavailable:
        log.exception("the submissions of %s cannot be listed", team)
        sent, nothing = Sent(), "The submissions cannot be listed just now."
    call = f'academy.submit("{project}", {"forecast, live=True" if live else "predictions"})'
    return fill(
        SENT,
        anchor=f"sent-{project}" if under else "sent",
        level="h3" if under else "h2",
        title=title,
        sent=sent,
        nothing=nothing,
        lead="The newest stands first; times are UTC.",
        hint=call if team == ctx.person.team else "",
    )
