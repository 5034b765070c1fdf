"""How the pages of competition, team and advisors look, beside what every page has.

Tables become cards on a phone, as the board's do: each cell says its column's name.
"""

from __future__ import annotations

STYLE = """.door:has(.board, .glance) :is(main, .top) { max-width: 80rem; }
.door main > .up a { display: inline-block; padding: .35rem 0; }
h1.file { overflow-wrap: anywhere; }
.members { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1rem 0 0; padding: 0;
 list-style: none; }
.members b { font-size: 1.0625rem; }
.pill.scored, .pill.noted, .pill.sealed, .pill.running { background: var(--accent);
 color: var(--on-accent); }
.pill.refused, .pill.failed { background: var(--alarm-wash); color: var(--alarm);
 border-color: var(--alarm); }
.pill.waiting, .pill.quiet, .pill.starting, .pill.stopping, .pill.ended { background: var(--card);
 color: var(--text); border-color: var(--faint); }
.pill.starting, .pill.stopping { border-style: dashed; }
.pill { white-space: nowrap; }
.strip { position: relative; display: block; height: 1.4rem; margin: .35rem .5rem .25rem; }
.strip svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.contests { grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); }
.contest { display: flex; flex-direction: column; }
.contest :is(h2, h3) { margin: 0 0 .35rem; font-size: 1.2rem; overflow-wrap: anywhere; }
.contest .phase { margin-bottom: .75rem; font-size: .9375rem; }
.standing { margin: 0; }
.standing strong { font-size: 1.75rem; letter-spacing: -.02em; font-weight: 650; }
.standing span { color: var(--soft); display: block; font-size: .9375rem; }
.standing.none { color: var(--soft); }
.contest .lines { margin: .5rem 0 .75rem; }
.lines { padding: 0; list-style: none; font-size: .875rem; color: var(--soft); }
.lines li { display: flex; gap: .75rem; padding: .1rem 0; }
.lines b { color: var(--text); font-weight: 600; font-variant-numeric: tabular-nums;
 flex: 0 0 3.2rem; }
.lines .expert, .lines .expert b { color: var(--accent); }
.contest .hint { margin-top: auto; padding-top: .35rem; }
.contest .hint + .hint { margin-top: 0; }
.door .empty p { margin-left: auto; margin-right: auto; }
.door main ol:is(.receipts, .notes) { max-width: none; }
.door ol:is(.receipts, .notes) > li { margin: 0; }
.receipts { margin: 1rem 0 0; padding: 0; list-style: none; }
.receipts > li { padding: .9rem 1.25rem; border-bottom: 1px solid var(--rule); }
.receipts > li:last-child { border-bottom: 0; }
.receipts p { margin: 0; }
.receipts .head { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
.receipts .head b { font-size: 1.0625rem; font-variant-numeric: tabular-nums; }
.receipts time { color: var(--soft); font-size: .875rem; }
.receipts details { margin: .1rem 0 0; }
.receipts summary { font-size: .875rem; padding: .4rem 0; }
.receipts .facts { gap: .6rem 1.75rem; margin: .4rem 0 .25rem; }
.receipts .facts dd { font-weight: 500; font-size: .9375rem; }
.sent h3 { margin: 2rem 0 .35rem; font-size: 1.0625rem; }
.files { margin: 1rem 0 0; padding: 0; list-style: none; }
.files li { display: grid; grid-template-columns: minmax(0, 1fr) 5rem 9.5rem; gap: .1rem 1rem;
 align-items: baseline; padding: .35rem 1.25rem; border-bottom: 1px solid var(--rule); }
.files li:last-child { border-bottom: 0; }
.files .name a { display: inline-block; padding: .35rem 0; }
.files .name { padding: .1rem 0; }
.files small { text-align: right; }
table.jobs td, table.jobs th { padding-top: .75rem; padding-bottom: .75rem; }
.jobs .job a { display: inline-block; }
.jobs .why { max-width: 24rem; color: var(--alarm); overflow-wrap: anywhere; }
.jobs .job code, .jobs :is(.when, .machine) { white-space: nowrap; }
/* A log is read from its end: it is scrolled there without a script. */
.log.tail { display: flex; flex-direction: column-reverse; }
.door :is(.log, .sheet pre):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.door h1 code { background: none; padding: 0; }
.log.failed { border-left: 4px solid var(--alarm); }
.glance .team { min-width: 9rem; }
.glance .team a { font-weight: 650; font-size: 1.0625rem; }
.door .news + .panel { margin-top: 1.25rem; }
.glance .money { width: 20%; min-width: 10.5rem; font-variant-numeric: tabular-nums; }
.glance .meter { height: .55rem; margin: .4rem 0 0; }
.glance td.score { min-width: 11rem; }
.glance td.score b { font-size: 1.0625rem; font-variant-numeric: tabular-nums; }
.glance .active { white-space: nowrap; }
.glance thead small { font-weight: 400; }
.jump { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: 1.25rem 0 0; }
.jump a { padding: .5rem 0; }
.pages ul { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
.pages a { display: block; padding: .6rem .9rem; border: 1px solid var(--rule);
 border-radius: .6rem; text-decoration: none; background: var(--card); }
.pages a[aria-current] { border-color: var(--accent); font-weight: 600; }
.note { margin-top: 1rem; }
.note .field { margin-top: 0; }
.note + .card { margin-top: 1rem; }
.sheet { max-width: 52rem; margin: 1.5rem 0 0; }
.sheet .cell { margin: 0 0 1.25rem; min-width: 0; }
.sheet .words :is(h2, h3, h4, h5, h6) { margin: 1.75rem 0 .5rem; line-height: 1.3; }
.sheet .words h2 { font-size: 1.5rem; }
.sheet .words h3 { font-size: 1.2rem; }
.sheet .words :is(h4, h5, h6) { font-size: 1.0625rem; }
.sheet .words p { margin: .6rem 0; white-space: pre-line; }
.sheet .words :is(ul, ol) { margin: .6rem 0; padding-left: 1.5rem; }
.sheet .words li { white-space: pre-line; }
.sheet blockquote { margin: .75rem 0; padding: .1rem 1rem; border-left: 3px solid var(--rule);
 color: var(--soft); }
.sheet hr { border: 0; border-top: 1px solid var(--rule); margin: 1.5rem 0; }
.sheet pre { margin: 0; padding: .8rem 1rem; font: .8125rem/1.55 ui-monospace, "SF Mono",
 Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.sheet pre code { background: none; padding: 0; font: inherit; }
.sheet .words pre, .sheet .ran > pre:first-of-type { background: var(--card);
 border: 1px solid var(--rule); border-radius: .6rem; }
.sheet .ran > pre.output:first-of-type { border: 0; background: none; }
.sheet .ran { position: relative; }
.sheet .count { float: right; margin: .55rem .8rem 0 1rem; color: var(--soft); font-size: .75rem;
 font-variant-numeric: tabular-nums; }
.sheet pre.output { white-space: pre; overflow-x: auto; overflow-wrap: normal; color: var(--text);
 padding: .6rem 1rem; margin-top: .25rem; max-height: 40rem; overflow-y: auto; }
.sheet pre.failed { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--alarm-wash);
 border-left: 4px solid var(--alarm); border-radius: .3rem; }
.sheet .left { margin: .4rem 1rem 0; color: var(--soft); font-size: .8125rem; }
.sheet img { display: block; max-width: 100%; height: auto; margin: .6rem 0; background: #fff;
 border: 1px solid var(--rule); border-radius: .5rem; }
.sheet table { width: auto; font-size: .9375rem; }
@media (max-width: 48rem) {
 .files li { grid-template-columns: auto minmax(0, 1fr); padding: .5rem 1rem; }
 .files .name { grid-column: 1 / -1; }
 .files small { text-align: left; }
 .receipts > li { padding: .9rem 1rem; }
 :is(table.jobs, .glance), :is(table.jobs, .glance) tbody { display: block; }
 :is(table.jobs, .glance) thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
 :is(table.jobs, .glance) tbody tr { display: grid; grid-template-columns: minmax(0, 1fr) auto;
  gap: .35rem .75rem; padding: .9rem 1rem; border-bottom: 1px solid var(--rule); }
 :is(table.jobs, .glance) tbody tr:last-child { border-bottom: 0; }
 table.plain:is(.jobs, .glance) :is(tbody th, tbody td) { display: block; padding: 0; border: 0;
  min-width: 0; text-align: left; }
 :is(table.jobs, .glance) [data-name]::before { content: attr(data-name); display: block;
  color: var(--soft); font-size: .8125rem; line-height: 1.45; }
 table.plain.jobs tbody .doing { display: contents; }
 .jobs .doing .pill { grid-column: 2; grid-row: 1; align-self: start; justify-self: end;
  margin: 0; }
 .jobs .doing .why { grid-column: 1 / -1; max-width: none; }
 table.plain.jobs tbody td:empty { display: none; }
 table.jobs td[data-name] { grid-column: 1 / -1; font-size: .875rem; }
 table.jobs td[data-name]::before { display: inline; content: attr(data-name) " "; }
 table.jobs td[data-name] small { display: inline; margin-left: .3rem; }
 .glance tbody .team { grid-column: 1 / -1; }
 .glance tbody .score, .glance tbody .money { grid-column: 1 / -1; width: auto; }
 .glance tbody .active { white-space: normal; }
 .glance tbody .number { grid-row: 2; grid-column: 2; } }
"""
