"""How the leaderboard's pages look: one style sheet, one accent colour, light and dark.

Text on its ground has a contrast of at least 4.5 to 1 in both schemes, what is drawn at least 3 to
1 (WCAG 2.1, 1.4.3 and 1.4.11). Below 48rem a table's rows become cards; the page itself never
scrolls sideways.
"""

from __future__ import annotations

STYLE = """:root { color-scheme: light dark;
 --ground: #f6f7f6; --card: #fff; --text: #16211f; --soft: #56635f; --rule: #e2e7e5;
 --accent: #0b6b5d; --wash: #eaf4f1; --bar: #588b81; --track: #edf1ef; --faint: #7b8a86; }
@media (prefers-color-scheme: dark) { :root {
 --ground: #0f1514; --card: #161e1c; --text: #e8efed; --soft: #a2b1ac; --rule: #293431;
 --accent: #63d2bd; --wash: #17302b; --bar: #4d8f83; --track: #212b29; --faint: #74857f; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--text);
 font: 16px/1.5 -apple-system, "Segoe UI", Inter, Roboto, system-ui, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 3rem 2rem 4rem;
 overflow-wrap: anywhere; }
a { color: var(--accent); text-underline-offset: .2em; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent);
 outline-offset: 3px; border-radius: .3rem; }
h1 { font-size: 2.5rem; line-height: 1.15; letter-spacing: -.025em; font-weight: 650;
 margin: 0 0 .75rem; }
h2 { font-size: 1.35rem; letter-spacing: -.015em; font-weight: 650; margin: 3.5rem 0 .5rem; }
.up { margin: 0 0 2rem; font-size: .9rem; }
.over { color: var(--accent); font-size: .875rem; font-weight: 600; margin: 0 0 .35rem; }
.news { font-size: 1.25rem; line-height: 1.45; margin: 0 0 .5rem; max-width: 56rem;
 text-wrap: pretty; }
.news strong { font-weight: 650; }
.phase { margin: 0 0 1.1rem; color: var(--soft); }
.pill { display: inline-block; margin-right: .35rem; padding: .1rem .7rem; border-radius: 1rem;
 background: var(--wash); color: var(--accent); font-size: .875rem; font-weight: 650;
 border: 1px solid transparent; }
.open .pill { background: var(--accent); color: var(--card); }
.closed .pill, .before .pill { background: var(--card); color: var(--text);
 border-color: var(--rule); }
.frozen .pill { background: var(--text); color: var(--ground); }
.lead { color: var(--soft); margin: 0; max-width: 44rem; }
.facts { display: flex; flex-wrap: wrap; gap: 1rem 3rem; margin: 1.75rem 0 2rem; }
.facts > div { min-width: 0; }
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.caution { margin: 0 0 1.5rem; padding: .85rem 1.1rem; max-width: 60rem; background: var(--card);
 border: 1px solid var(--rule); border-left: 4px solid var(--accent); border-radius: .5rem; }
.panel { background: var(--card); border: 1px solid var(--rule); border-radius: .9rem; }
.scroll { position: relative; overflow-x: auto; }
/* A shadow at the edge that hides more: the covers move with the table, the shadows do not. */
.scroll.panel { background: linear-gradient(90deg, var(--card) 40%, transparent) 0 0 / 3rem 100%,
 linear-gradient(270deg, var(--card) 40%, transparent) 100% 0 / 3rem 100%,
 linear-gradient(90deg, var(--rule), transparent) 0 0 / 1.1rem 100%,
 linear-gradient(270deg, var(--rule), transparent) 100% 0 / 1.1rem 100%, var(--card);
 background-repeat: no-repeat; background-attachment: local, local, scroll, scroll; }
table { border-collapse: collapse; width: 100%; }
caption, .unseen { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden;
 clip-path: inset(50%); white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: 1.05rem .7rem; font-weight: 400;
 border-bottom: 1px solid var(--rule); }
tr > :first-child { padding-left: 1.5rem; }
tr > :last-child { padding-right: 1.5rem; }
thead th { color: var(--soft); font-size: .8125rem; padding-top: .9rem; padding-bottom: .7rem;
 white-space: nowrap; vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 0; }
small { display: block; font-size: .8125rem; line-height: 1.45; color: var(--soft); }
.number { text-align: right; }
.number, .when, small { font-variant-numeric: tabular-nums; }
.board .rank { font-size: 1.2rem; line-height: 1.3; font-weight: 600; letter-spacing: -.01em;
 white-space: nowrap; }
.board .team { width: 28%; min-width: 18.25rem; }
.board .name { margin-right: .5rem; font-weight: 650; font-size: 1.0625rem; }
.board .note { display: block; font-size: .9rem; margin: .05rem 0 .15rem; overflow: clip; }
.board .image { font-size: .75rem; letter-spacing: -.01em; }
.board .score { font-size: 1.2rem; line-height: 1.3; font-weight: 600; white-space: nowrap; }
.board .score small { font-weight: 400; line-height: 1.6; }
.board .plot { position: relative; width: 26%; min-width: 11.5rem; }
.board .plot svg { position: absolute; inset: 0 1.25rem; width: calc(100% - 2.5rem); height: 100%;
 overflow: visible; }
.board .plot .place { top: 1.05rem; height: 1.6rem; }
.board .line .place { top: .5rem; height: 1.4rem; }
.board thead .plot svg { inset: auto 1.25rem 0; height: 18px; }
.board thead .plot { padding: .9rem 1.25rem 1.6rem; }
.board thead .also { white-space: normal; min-width: 4rem; max-width: 7rem;
 overflow-wrap: normal; }
.board td:is(.gap, .when, .cost, .move, .also) { white-space: nowrap; font-size: .9375rem;
 line-height: 1.65; }
.board .cost bdi { display: inline-block; max-width: 7.5rem; overflow: hidden;
 text-overflow: ellipsis; vertical-align: bottom; }
.way { color: var(--soft); font-size: .875rem; }
.way.beyond { color: var(--accent); font-weight: 650; }
.missed { font-style: italic; }
.first > :first-child { box-shadow: inset 4px 0 var(--accent); }
.first .rank, .first .score { color: var(--accent); }
.first .score small { color: var(--soft); }
.badge { display: inline-block; padding: .05rem .55rem; border-radius: 1rem;
 background: var(--wash); color: var(--accent); font-size: .75rem; font-weight: 600;
 vertical-align: .1em; }
.line > * { padding-top: .5rem; padding-bottom: .5rem; background: var(--ground); }
.board .line .team, .board .line .score { color: var(--soft); font-size: .9rem; line-height: 1.5;
 font-weight: 400; }
.board .line.expert .team, .board .line.expert .score { color: var(--accent); font-weight: 600; }
svg text { fill: var(--soft); font-size: 11px; }
svg .rule { stroke: var(--faint); stroke-width: 1; stroke-dasharray: 2 3; fill: none; }
svg .rule.expert { stroke: var(--accent); stroke-dasharray: none; }
svg .span { stroke: var(--bar); stroke-width: 7; stroke-linecap: round; }
svg .dot { fill: var(--text); stroke: var(--card); stroke-width: 1.5; }
.first svg .dot { fill: var(--accent); }
svg .ring { fill: var(--ground); stroke: var(--faint); stroke-width: 1.5; }
svg .ring.expert { fill: var(--accent); stroke: var(--accent); }
svg .off { fill: var(--soft); dominant-baseline: central; }
svg .track { fill: var(--track); }
svg .bar { fill: var(--bar); }
.bars { display: block; margin-top: .15rem; }
.key { color: var(--soft); font-size: .875rem; margin: 1rem 0 0; max-width: 60rem; }
.shared { position: absolute; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem;
 margin: 1.5rem 0 1rem; padding: 0; list-style: none; }
.plots li { padding: .9rem 1rem 1rem; overflow: hidden; }
.plots .name { display: block; font-weight: 600; white-space: nowrap; overflow: hidden;
 text-overflow: ellipsis; }
.plots svg { display: block; width: 100%; height: auto; margin-top: .5rem; }
#everyone path { fill: none; stroke: var(--faint); stroke-width: 1; opacity: .4; }
#everyone .rule { stroke: var(--faint); stroke-dasharray: 2 3; opacity: 1; }
#everyone .rule.expert { stroke: var(--accent); stroke-dasharray: none; }
.own path { fill: none; stroke: var(--accent); stroke-width: 2; }
.own circle { fill: var(--accent); }
.shake { display: grid; grid-template-columns: minmax(0, 22rem) minmax(0, 46rem); gap: 2rem 3rem;
 align-items: start; margin: 1.25rem 0 0; }
.explained { margin: 0; padding: 0; list-style: none; }
.explained li { padding: 0 0 .9rem; }
.slopes { margin: 0; padding: 1.1rem 1.25rem 1.25rem; }
.slopes figcaption { color: var(--soft); font-size: .875rem; margin: 0 0 .9rem; }
.drawn { display: grid; grid-template-columns: minmax(0, 1fr) minmax(4rem, 1fr) minmax(0, 1fr);
 gap: .9rem; --row: 1.75rem; font-size: .9375rem; line-height: var(--row); }
.drawn.dense { --row: 1.2rem; font-size: .8125rem; }
.drawn .row { display: flex; gap: .6rem; height: var(--row); overflow: hidden;
 color: var(--soft); }
.drawn .row.strong { color: var(--text); font-weight: 650; }
.drawn .from .row { flex-direction: row-reverse; }
.drawn b { min-width: 1.6em; font-weight: 600; font-variant-numeric: tabular-nums; }
.drawn .from b { text-align: right; }
.drawn bdi { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.drawn svg { display: block; width: 100%; height: 0; min-height: 100%; overflow: visible; }
.drawn line { stroke: var(--faint); stroke-width: 1.25; }
.drawn circle { fill: var(--faint); }
.drawn .strong line { stroke: var(--accent); stroke-width: 3; }
.drawn .strong circle { fill: var(--accent); }
.out { margin: 1rem 0 0; max-width: 60rem; }
.out > div { padding: .8rem 1.25rem; border-bottom: 1px solid var(--rule); }
.out > div:last-child { border-bottom: 0; }
.out dt { font-weight: 650; }
.out dd { margin: 0; color: var(--soft); }
.last { margin-top: 2rem; }
details { margin: .75rem 0 0; }
summary { cursor: pointer; color: var(--accent); width: fit-content; padding: .3rem 0; }
details .panel { margin-top: .75rem; }
details table:not(.board) :is(th, td) { padding: .5rem .9rem; }
details table:not(.board) thead th { white-space: normal; vertical-align: bottom;
 overflow-wrap: normal; }
details table:not(.board) :is(td.number, .when) { white-space: nowrap; }
.read { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr));
 gap: 1.5rem 3rem; margin: 1.25rem 0 0; }
.read dt { font-weight: 600; }
.read dd { margin: .15rem 0 0; color: var(--soft); font-size: .9375rem; }
.empty { padding: 2.5rem 2rem; margin: 0 0 1.5rem; text-align: center; }
.empty p { margin: 0 0 .5rem; font-size: 1.25rem; font-weight: 600; }
.empty p + p { margin: 0; font-size: 1rem; font-weight: 400; color: var(--soft); }
code { font: .9em ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace;
 background: var(--wash); color: var(--text); padding: .15em .4em; border-radius: .3rem; }
.boards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr));
 gap: 1rem; margin: 2rem 0 0; padding: 0; list-style: none; }
.boards a { display: block; padding: 1.5rem; font-size: 1.25rem; font-weight: 600;
 text-decoration: none; }
.boards a:hover { border-color: var(--accent); }
.boards a::after { content: " \\2192"; content: " \\2192" / ""; }
@media (max-width: 76rem) {
 main { padding-left: 1.25rem; padding-right: 1.25rem; }
 th, td { padding-left: .5rem; padding-right: .5rem; }
 tr > :first-child { padding-left: 1.1rem; }
 tr > :last-child { padding-right: 1.1rem; }
 .board .team { min-width: 12rem; }
 .board .plot { min-width: 9.25rem; }
 .board .plot svg, .board thead .plot svg { left: .5rem; right: .5rem; width: calc(100% - 1rem); }
 .board thead .plot { white-space: normal; padding-left: .5rem; padding-right: .5rem; }
 .scale text:nth-child(even) { display: none; } }
@media (max-width: 64rem) {
 .shake { grid-template-columns: minmax(0, 1fr); gap: 1rem; } }
@media (max-width: 48rem) {
 main { padding: 1.5rem 1rem 2.5rem; }
 .up { margin-bottom: 1.25rem; }
 h1 { font-size: 1.875rem; }
 h2 { margin-top: 2.5rem; }
 .news { font-size: 1.125rem; }
 .facts { gap: .75rem 2rem; margin: 1.25rem 0 1.5rem; }
 .board, .board tbody { display: block; }
 .board thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
 .board tbody tr { display: grid; grid-template-columns: minmax(0, 1fr) auto;
  gap: .6rem .75rem; padding: 1.1rem 1rem; border-bottom: 1px solid var(--rule); }
 .board tbody tr:last-child { border-bottom: 0; }
 .board tbody tr > * { display: block; padding: 0; border: 0; background: none; }
 .board tbody tr > .team, .board tbody tr > .plot { width: auto; min-width: 0; }
 .board tbody td:empty { display: none; }
 .board tbody .team { grid-column: 1 / -1; grid-row: 2; }
 .board tbody .score { display: flex; flex-direction: row-reverse; align-items: baseline;
  gap: .6rem; }
 .board tbody .plot { grid-column: 1 / -1; height: 1.75rem; }
 .board tbody .plot > svg.rules, .board tbody .plot > svg.place { inset: 0 .5rem;
  width: calc(100% - 1rem); height: 100%; }
 .board tbody .classes { grid-column: 1; }
 .board tbody .gap { grid-column: 2; }
 .board tbody :is(.cost, .also, .move, .when) { grid-column: 1 / -1; text-align: left;
  white-space: normal; font-size: .8125rem; line-height: 1.45; color: var(--soft); }
 .board tbody :is(.cost, .also, .move) { color: var(--text); }
 .board [data-name]::before { content: attr(data-name); color: var(--soft); font-size: .8125rem;
  line-height: 1.45; display: block; }
 .board :is(.cost, .also, .move, .when)[data-name]::before { display: inline;
  content: attr(data-name) " "; }
 .board :is(.cost, .move, .when) small { display: inline; margin-left: .3rem; }
 .board :is(.cost, .move, .when) small::before { content: "· "; }
 .board .when small + small { display: block; margin: 0; }
 .board .when small + small::before { content: none; }
 .drawn { font-size: .875rem; gap: .6rem; grid-template-columns: minmax(0, 1fr) minmax(3rem, .7fr)
  minmax(0, 1fr); }
 .slopes { padding: 1rem; }
 .first { box-shadow: inset 4px 0 var(--accent); }
 .first > :first-child { box-shadow: none; }
 .board tbody .line { padding: .6rem 1rem; background: var(--ground); row-gap: .1rem; }
 .board .line .team { grid-column: 1; grid-row: 1; }
 .board .line .plot { height: 1.1rem; } }
@media (forced-colors: active) {
 svg .span, svg .rule, .own path, .drawn line { stroke: CanvasText; }
 svg .dot, svg .bar, .own circle, .drawn circle { fill: CanvasText; }
 .pill { border-color: CanvasText; } }
@media print { .scroll { overflow: visible; } .panel, tr { break-inside: avoid; } }
"""
