"""The page Budget: what is spent, held and left, by day and by what it was spent on."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import replace

from infra.cohort.naming import JobName
from infra.services.door.context import NotFound, Page, PageContext
from infra.services.door.look.charts import by_day, last_days, meter
from infra.services.door.others import shown
from infra.services.door.pages import fill
from infra.services.door.pages.words import cost, day
from infra.services.guard.ledger import Account, Entry, Reservation
from infra.services.guard.money import dollars

#: Days that the chart has at most, and lines that the table has.
DAYS, LINES = 42, 100

_TEMPLATE = """\
{% import "parts" as parts %}
<h1>Budget</h1>
{% if account.frozen %}
{{ parts.problem("Your account is frozen: nothing new starts. Ask your admin why.") }}
{% endif %}
<p class="news"><strong>{{ [account.available, 0] | max | dollars }}</strong> of
{{ account.cap | dollars }} is left.</p>
{{ meter }}
<ul class="legend">
<li><span class="swatch spent"></span>Spent <b>{{ account.spent | cost }}</b></li>
<li><span class="swatch held"></span>Held for what runs <b>{{ account.reserved | cost }}</b></li>
<li><span class="swatch"></span>Left <b>{{ [account.available, 0] | max | dollars }}</b></li>
</ul>
<p class="key">Before anything starts, the most that it can cost is held. When it ends, what it did
cost is taken from that, and the rest comes back. So you cannot spend more than you have.</p>

{% if running %}
<h2>Running now</h2>
<div class="panel scroll"><table class="plain cards-below">
<caption>What runs now, and what it has cost so far</caption>
<thead><tr><th scope="col">What</th><th scope="col">On</th><th scope="col">Until</th>
<th scope="col" class="number">Held</th><th scope="col" class="number">So far</th></tr></thead>
<tbody>
{% for each in running %}
<tr><th scope="row">{{ each.what }}<small>{{ each.name }}</small></th>
<td data-name="on">{{ each.on }}</td>
<td data-name="until">{{ parts.moment(each.ends_at) }}</td>
<td class="number" data-name="holds">{{ each.amount | cost }}</td>
<td class="number">{{ each.so_far | cost }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}

<h2>By day</h2>
{% if spent_any %}
{{ chart }}
<ul class="legend"><li><span class="swatch space"></span>Workspace</li>
<li><span class="swatch job"></span>Training jobs</li></ul>
<p class="key">By the day, in UTC, on which it ended; what runs now counts as today's.</p>
{% else %}
{{ parts.empty("Nothing has cost anything yet.", "An hour in your workspace is a few cents.") }}
{% endif %}

{% if lines %}
<h2>Line by line</h2>
<div class="panel scroll" tabindex="0" role="region" aria-label="Line by line">
<table class="plain cards-below">
<caption>What each opening of your workspace and each job cost, the latest first</caption>
<thead><tr><th scope="col">What</th><th scope="col">Ended</th><th scope="col">On</th>
<th scope="col" class="number">For</th><th scope="col" class="number">Cost</th></tr></thead>
<tbody>
{% for line in lines %}
<tr><th scope="row">{% if line.job %}<a href="/team/jobs/{{ line.job }}">{{ line.what }}</a>
{% else %}{{ line.what }}{% endif %}
{% if line.note %}<small><bdi>{{ line.note }}</bdi></small>{% endif %}</th>
<td data-name="ended">{{ parts.moment(line.at) }}</td><td data-name="on">{{ line.on }}</td>
<td class="number" data-name="for">{{ line.seconds | span }}</td>
<td class="number">{{ line.billed | cost }}{% if line.overrun %}<small>more than was
held</small>{% endif %}</td></tr>
{% endfor %}
</tbody>
<tfoot><tr><th scope="row" colspan="4">All {{ count | many("line") }}</th>
<td class="number">{{ total | cost }}</td></tr></tfoot>
</table></div>
{% if count > lines | length %}
<p class="key">The latest {{ lines | length }} are shown.</p>
{% endif %}
{% endif %}
"""


def account_of(ctx: PageContext) -> Account:
    """The person's account; by the cohort's cap where the ledger has none, or an older one."""
    cap = ctx.settings.cap_of(ctx.person.id)
    account = ctx.ledger.seen(ctx.person.id) or Account.new(ctx.person.id, cap)
    if account.individual or account.cap == cap:
        return account
    return replace(account, cap=cap, available=account.available + cap - account.cap)


def meter_of(account: Account) -> str:
    """The bar of an account."""
    words = (
        f"{dollars(account.spent)} spent and {dollars(account.reserved)} held of "
        f"{dollars(account.cap)}"
    )
    return meter(account.spent, account.reserved, account.cap, words)


def so_far(held: Reservation, now: dt.datetime) -> int:
    """What an open reservation has come to, in micro-dollars: at most what it holds."""
    if held.started_at is None:
        return 0
    seconds = max(0, (now - held.started_at) // dt.timedelta(seconds=1))
    return min(held.cost(seconds), held.amount)


def budget(ctx: PageContext) -> Page:
    """The page, for who has something to spend."""
    if not ctx.has_space:
        raise NotFound
    account = account_of(ctx)
    entries = ctx.ledger.entries_since(ctx.person.id, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    running = ctx.ledger.open_of(ctx.person.id)
    amounts: dict[tuple[dt.date, str], int] = defaultdict(int)
    for entry in entries:
        amounts[entry.at.date(), entry.kind] += entry.billed
    for held in running:
        amounts[ctx.now.date(), held.kind] += so_far(held, ctx.now)
    days = last_days({k: v for k, v in amounts.items() if v}, ctx.now.date(), DAYS)
    words = "; ".join(f"{day(each.date)}: {cost(each.total)}" for each in days if each.total)
    body = fill(
        _TEMPLATE,
        account=account,
        meter=meter_of(account),
        running=[_running(held, ctx.now) for held in running],
        spent_any=any(amounts.values()),
        chart=by_day(days, f"Spent by day. {words}."),
        lines=[_line(entry) for entry in reversed(entries[-LINES:])],
        count=len(entries),
        total=sum(entry.billed for entry in entries),
    )
    return Page("Budget", body, here="/budget")


def _running(held: Reservation, now: dt.datetime) -> dict[str, object]:
    return {
        "what": "Workspace" if held.kind == "space" else "Training job",
        "name": held.name,
        "on": _on(held.instance, held.count),
        "ends_at": held.ends_at,
        "so_far": so_far(held, now),
        "amount": held.amount,
    }


def _line(entry: Entry) -> dict[str, object]:
    job = entry.name if entry.kind == "job" and JobName.parse(entry.name) else ""
    return {
        "what": f"Job {JobName(*entry.name.split('--')).token}" if job else _what(entry),
        "job": job,
        "at": entry.at,
        "on": _on(entry.instance, entry.count),
        "seconds": entry.seconds,
        "billed": entry.billed,
        "overrun": entry.overrun,
        "note": shown.line(entry.note, 300),
    }


def _what(entry: Entry) -> str:
    return "Workspace" if entry.kind == "space" else "Training job"


def _on(instance: str, count: int) -> str:
    return f"{count} × {instance}" if count > 1 else instance
