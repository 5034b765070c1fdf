"""How the door looks: the leaderboard's colours and type, and what a page with forms needs beside.

Its variables, panels, tables and pills are those of `competition.style`, to which this is added: a
board looks the same behind the sign-in as in a browser of its own. Everything can be done by
keyboard; what can be pressed is at least 44 px high (WCAG 2.2, 2.5.8 asks for 24).
"""

from __future__ import annotations

from infra.services.competition.style import STYLE as BOARD
from infra.services.door.look.looks import STYLE as LOOKS

DOOR = """:root { --alarm: #b3261e; --alarm-wash: #fbeceb; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --alarm: #ff9a90; --alarm-wash: #34201f;
 --on-accent: #0d1a17; } }
.door { display: flex; flex-direction: column; min-height: 100vh; }
.door main { width: 100%; max-width: 68rem; padding-top: 2.25rem; flex: 1; }
.door h1 { font-size: 2rem; margin-bottom: .5rem; }
.door h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
.door p { max-width: 44rem; }
.door .over { margin-bottom: .15rem; }
.door h1 + :is(.card, .cards, .problem, .caution) { margin-top: 1.25rem; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: .6rem 1rem; background: var(--card);
 border: 1px solid var(--rule); border-radius: .5rem; z-index: 2; }
.skip:focus { top: .5rem; }
.top { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; width: 100%;
 max-width: 68rem; margin: 0 auto; padding: .6rem 2rem; }
.top p { margin: 0; }
.brand a { color: var(--text); font-weight: 650; text-decoration: none; display: inline-block;
 padding: .6rem 0; }
.top nav { flex: 1; min-width: 0; }
.top ul { display: flex; flex-wrap: wrap; gap: .15rem; margin: 0; padding: 0; list-style: none; }
.top nav a { display: block; padding: .6rem .8rem; border-radius: .6rem; color: var(--soft);
 text-decoration: none; font-size: .9375rem; }
.top nav a:hover { color: var(--text); background: var(--wash); }
.top nav a[aria-current] { color: var(--accent); font-weight: 600; background: var(--wash); }
.who { display: flex; align-items: center; gap: .35rem; color: var(--soft); font-size: .9375rem; }
button, .button { display: inline-block; min-height: 2.75rem; padding: .6rem 1.25rem; border: 0;
 border-radius: .6rem; background: var(--accent); color: var(--on-accent); font: inherit;
 font-weight: 600; line-height: 1.5; text-decoration: none; cursor: pointer; }
button:hover, .button:hover { filter: brightness(1.08); }
button.second { background: var(--card); color: var(--text); box-shadow: inset 0 0 0 1px
 var(--faint); }
button.quiet { background: none; color: var(--accent); padding: .6rem .7rem; font-weight: 500; }
button.quiet:hover { background: var(--wash); filter: none; }
button[aria-disabled] { opacity: .6; cursor: progress; }
.door :is(button, .button, input, select, textarea, a, summary):focus-visible { outline: 3px solid
 var(--accent); outline-offset: 2px; }
input:not([type=radio]), select, textarea { min-height: 2.75rem; padding: .55rem .75rem;
 border: 1px solid var(--faint); border-radius: .6rem; background: var(--card);
 color: var(--text); font: inherit; max-width: 100%; }
textarea { width: 100%; max-width: 44rem; min-height: 7rem; display: block; }
label { font-weight: 600; }
.field { display: grid; gap: .35rem; margin: 0 0 1rem; }
.hint { color: var(--soft); font-size: .9rem; font-weight: 400; margin: .75rem 0; }
.hint:empty { display: none; }
.field .hint { margin: 0; }
.card { padding: 1.5rem; background: var(--card); border: 1px solid var(--rule);
 border-radius: .9rem; margin: 0 0 1rem; }
.card > :first-child { margin-top: 0; }
.card > :last-child { margin-bottom: 0; }
.door .card h2 { margin-top: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(14.5rem, 100%), 1fr));
 gap: 1rem; margin: 1rem 0; padding: 0; list-style: none; }
.tiles .card { padding: 1.25rem; }
.tiles > :only-child { max-width: 22rem; }
.tiles p { margin: .5rem 0; }
.door .tiles h2 { font-size: 1rem; margin: 0 0 .5rem; }
.cards > * { margin: 0; }
.problem, .good { padding: .85rem 1.1rem; margin: 0 0 1.25rem; border-radius: .6rem;
 border: 1px solid; }
.problem { background: var(--alarm-wash); border-color: var(--alarm); }
.good { background: var(--wash); border-color: var(--accent); }
.gate { max-width: 27rem; margin: 10vh auto 0; }
.gate .over { margin-bottom: .25rem; }
.gate .card { padding: 2rem; }
.door .gate h1 { font-size: 1.75rem; margin-bottom: 1.1rem; }
.gate input, .gate .field + button { width: 100%; }
.gate .button { display: block; text-align: center; }
.gate .or { text-align: center; color: var(--soft); }
.code { font-size: 1.5rem; letter-spacing: .3em; font-variant-numeric: tabular-nums; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; }
.row form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; }
.row .field { margin: 0; }
.state { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; }
.door .state h2 { margin: 0; font-size: 1.35rem; }
.state + .lead { margin: .35rem 0 1.25rem; }
.choices { border: 0; margin: 0 0 1.25rem; padding: 0; display: grid; gap: .6rem; }
.choices legend { padding: 0; margin-bottom: .5rem; font-weight: 600; }
.choice { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: .1rem .9rem;
 align-items: center; padding: .85rem 1rem; border: 1px solid var(--rule); border-radius: .7rem;
 font-weight: 400; cursor: pointer; }
.choice:has(:checked) { border-color: var(--accent); background: var(--wash); }
.choice:has(:disabled) { opacity: .65; cursor: not-allowed; }
.choice input { width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--accent);
 grid-row: span 2; }
.choice b { font-weight: 600; overflow-wrap: anywhere; }
.choice .price { text-align: right; font-weight: 600; font-variant-numeric: tabular-nums;
 white-space: nowrap; }
.choice small { grid-column: 2 / -1; margin-top: .1rem; }
.steps { margin: 1.25rem 0; padding: 0; list-style: none; }
.steps li { position: relative; padding: 0 0 1rem 2.1rem; color: var(--soft); }
.steps li::before { content: ""; position: absolute; left: .3rem; top: .35rem; width: .8rem;
 height: .8rem; border-radius: 50%; border: 2px solid var(--faint); background: var(--card); }
.steps li:not(:last-child)::after { content: ""; position: absolute; left: .72rem; top: 1.4rem;
 bottom: -.2rem; width: 2px; background: var(--rule); }
.steps .done { color: var(--text); }
.steps .done::before { background: var(--accent); border-color: var(--accent); }
.steps .now { color: var(--text); font-weight: 600; }
.steps .now::before { border-color: var(--accent); }
.steps .now small { font-weight: 400; }
.busy { margin: 0 0 1rem; height: .4rem; border-radius: .2rem; overflow: hidden;
 background: var(--track); }
.busy::before { content: ""; display: block; height: 100%; width: 30%; border-radius: .2rem;
 background: var(--accent); animation: busy 1.8s ease-in-out infinite alternate; }
@keyframes busy { to { transform: translateX(233%); } }
@media (prefers-reduced-motion: reduce) { .busy::before { animation: none; width: 100%;
 opacity: .5; } }
.meter { display: block; width: 100%; height: .9rem; border-radius: .45rem; margin: .75rem 0;
 background: var(--track); }
.meter .spent, .chart .space, .swatch.spent { fill: var(--accent); background: var(--accent); }
.meter .held, .chart .job, .swatch.held { fill: var(--bar); background: var(--bar); }
.swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem;
 margin-right: .4rem; vertical-align: -.05em; background: var(--track);
 box-shadow: inset 0 0 0 1px var(--rule); }
.swatch.space { background: var(--accent); }
.swatch.job { background: var(--bar); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: 0; padding: 0;
 list-style: none; font-size: .9375rem; color: var(--soft); }
.legend b { color: var(--text); font-variant-numeric: tabular-nums; }
.chart { display: block; width: 100%; height: 14rem; margin: 1rem 0 .75rem; overflow: visible; }
.door main ol:not(.steps) { max-width: 44rem; }
.door ol:not(.steps) li { margin: .35rem 0; }
kbd { padding: .1em .4em; border: 1px solid var(--faint); border-radius: .3rem;
 font: .85em ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; }
.chart .job { stroke: var(--ground); stroke-width: 1; }
.chart .line { stroke: var(--rule); stroke-width: 1; }
.chart .axis { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
table.plain :is(th, td) { padding: .65rem .9rem; }
table.plain .number { white-space: nowrap; }
table.plain tfoot :is(th, td) { font-weight: 600; border-top: 1px solid var(--rule);
 border-bottom: 0; }
.log { margin: 1rem 0; padding: 1rem; max-height: 32rem; overflow: auto; background: var(--card);
 border: 1px solid var(--rule); border-radius: .7rem; font: .8125rem/1.5 ui-monospace, "SF Mono",
 Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.pairs { margin: 0; }
.pairs > div { padding: .3rem 0; }
.pairs dt { font-weight: 600; }
.pairs dd { margin: 0; color: var(--soft); font-size: .9375rem; }
.notes { margin: 0; padding: 0; list-style: none; }
.notes li { padding: .9rem 0; border-top: 1px solid var(--rule); }
.notes li:first-child { border-top: 0; padding-top: 0; }
.notes li:last-child { padding-bottom: 0; }
.notes p { margin: 0; white-space: pre-wrap; }
.door .facts { margin: 1rem 0; }
.door .panel.empty { padding: 1.5rem; }
.questions details { border-top: 1px solid var(--rule); margin: 0; padding: .35rem 0; }
.questions summary { color: var(--text); font-weight: 600; width: auto; padding: .6rem 0; }
.questions p { margin: 0 0 .9rem; }
@media (max-width: 64rem) {
 .tiles { grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); } }
@media (max-width: 48rem) {
 .top { padding: .35rem 1rem; gap: 0 1rem; }
 .top nav { order: 3; flex-basis: 100%; margin: 0 -.5rem; }
 .top nav a { padding: .6rem .65rem; white-space: nowrap; }
 .brand { flex: 1; }
 .door main { padding-top: 1.25rem; }
 .door h1 { font-size: 1.6rem; }
 .card, .gate .card { padding: 1.15rem; }
 .gate { margin-top: 3vh; }
 table.cards-below, .cards-below tbody, .cards-below tfoot { display: block; }
 .cards-below thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
 .cards-below tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .75rem;
  padding: .8rem 1rem; border-bottom: 1px solid var(--rule); }
 .cards-below tr:last-child { border-bottom: 0; }
 table.plain.cards-below :is(th, td) { display: block; padding: 0; border: 0; }
 .cards-below th { grid-column: 1; font-weight: 600; }
 .cards-below td { grid-column: 1 / -1; color: var(--soft); font-size: .9rem; text-align: left; }
 table.plain.cards-below td:last-child { grid-column: 2; grid-row: 1; color: var(--text);
  font-size: 1rem; font-weight: 600; text-align: right; }
 .cards-below [data-name]::before { content: attr(data-name) " "; }
 .cards-below td:empty { display: none; } }
@media (forced-colors: active) { button, .button, .card, .choice { border: 1px solid; }
 .meter .spent, .chart .space { fill: CanvasText; } .meter .held, .chart .job { fill: GrayText; } }
"""

STYLE = BOARD + DOOR + LOOKS
