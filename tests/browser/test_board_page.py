"""The leaderboard's page in a real Chromium: how it fits, what it runs, what can be read."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cli.demo.browser import browser
from infra.services.competition.page import index, page
from tests.browser import boards
from tests.browser.chromium import Scheme, measured, measured_each

pytestmark = pytest.mark.skipif(
    browser() is None, reason="no Chromium here: apt-get install chromium"
)

BOARDS = {
    "lively": boards.lively,
    "forecast": boards.forecast,
    "closed": boards.closed,
    "crowded": boards.crowded,
    "frozen": boards.frozen,
    "soon": boards.soon,
    "hostile": boards.hostile,
    "hostile end": boards.hostile_end,
    "empty": boards.empty,
    "narrow": boards.narrow,
    "of old": boards.of_old,
}
PHONE, TABLET, DESKTOP = 375, 820, 1280
WIDTHS = (320, PHONE, TABLET, DESKTOP, 1920)

#: How far the page, and each part that is seen, reach beyond the window's edge; folded parts open.
OVERFLOW = """
 for (const part of document.querySelectorAll("details")) part.open = true;
 const edge = document.documentElement.clientWidth;
 const beyond = [];
 for (const part of document.body.querySelectorAll("*")) {
  const box = part.getBoundingClientRect();
  // What scrolls in its own region, and names that are cut short, may be longer.
  if (part.closest(".unseen, caption, svg")) continue;
  if (part.parentElement.closest(".scroll, .plots .name, .drawn .row")) continue;
  if (box.right > edge + 0.5 || box.left < -0.5) beyond.push(part.outerHTML.slice(0, 80));
 }
 const tables = [...document.querySelectorAll(".scroll:has(.board)")]
  .map(table => table.scrollWidth - table.clientWidth);
 return {page: document.documentElement.scrollWidth - edge, beyond,
         table: Math.max(0, ...tables)};
"""


def test_the_page_never_scrolls_sideways() -> None:
    full = ("lively", "forecast", "closed", "hostile", "hostile end")
    looks = [(name, width) for name in full for width in WIDTHS]
    looks += [(name, PHONE) for name in ("crowded", "frozen", "soon", "empty", "narrow", "of old")]
    found = measured_each(
        [(page(BOARDS[name](), "earth"), width) for name, width in looks], OVERFLOW
    )
    for look, each in zip(looks, found, strict=True):
        assert (look, each["page"], each["beyond"]) == (look, 0, [])
        if look[1] != TABLET:
            # Cards on a phone; on a desktop all columns at once.
            assert (look, each["table"]) == (look, 0)


def test_a_small_laptop_shows_all_columns_of_a_running_board() -> None:
    found = measured(page(boards.lively(), "earth"), OVERFLOW, 1024)
    assert (found["page"], found["table"]) == (0, 0)


def test_what_is_too_wide_is_found() -> None:
    """The measure itself: a page that does scroll."""
    wide = page(boards.lively(), "earth").replace("<h1>", '<h1 style="width: 2000px">')
    found = measured(wide, OVERFLOW, DESKTOP)
    assert found["page"] > 700
    assert any("2000px" in part for part in found["beyond"])


# --- hostile words --------------------------------------------------------------------------------

INERT = """
 const names = [...document.querySelectorAll(".board .name")].map(part => part.textContent);
 const tags = [...document.querySelectorAll("*")].map(part => part.localName);
 const handlers = [...document.querySelectorAll("*")].flatMap(part => [...part.attributes])
  .map(each => each.name).filter(name => name.startsWith("on"));
 const links = [...document.querySelectorAll("[href], [src]")]
  .map(part => part.getAttribute("href") ?? part.getAttribute("src"));
 return {ran: window.pwned ?? null, outer: window.parent.pwned ?? null, title: document.title,
         names, tags: [...new Set(tags)].sort(), handlers, links: [...new Set(links)].sort(),
         shown: getComputedStyle(document.querySelector("h1")).display};
"""


def test_hostile_words_are_shown_and_not_run() -> None:
    looks = []
    for board in (boards.hostile(), boards.hostile_end()):
        served = page(board, boards.HOSTILE[0])
        # Escaping must suffice alone: the policy is for the day it fails.
        assert "Content-Security-Policy" in served
        free = served.replace("Content-Security-Policy", "x-nothing")
        looks += [(served, DESKTOP), (free, DESKTOP)]
    for found in measured_each(looks, INERT):
        assert (found["ran"], found["outer"], found["handlers"]) == (None, None, [])
        assert found["title"] == f"{boards.HOSTILE[0]} · {boards.HOSTILE[0]}"
        assert found["links"] == ["#everyone", "index.html"]
        assert found["shown"] == "block"
        assert not {"script", "img", "iframe", "base", "object"} & set(found["tags"])
        # HTML knows no NUL: a browser drops it.
        assert sorted(set(found["names"])) == sorted(
            text.replace("\0", "") for text in boards.HOSTILE
        )


def test_what_would_run_is_stopped_by_the_pages_policy() -> None:
    """The second line of defence, and that the test above would see a script that ran."""
    broken = page(boards.lively(), "earth").replace("<h1>", "<h1><script>window.pwned=1</script>")
    free = broken.replace("Content-Security-Policy", "x-nothing")
    stopped, ran = measured_each([(broken, DESKTOP), (free, DESKTOP)], INERT)
    assert (stopped["ran"], ran["ran"]) == (None, 1)


# --- what can be read -----------------------------------------------------------------------------

#: The colours of each text that is seen, and of the ground under it.
COLOURS = """
 for (const part of document.querySelectorAll("details")) part.open = true;
 const found = {};
 const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
 while (walk.nextNode()) {
  const text = walk.currentNode, part = text.parentElement;
  if (!text.textContent.trim() || part.closest(".unseen, caption, title")) continue;
  const style = getComputedStyle(part);
  let ground = part;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)")
   ground = ground.parentElement;
  const colour = part.closest("svg") ? style.fill : style.color;
  const key = `${colour} on ${getComputedStyle(ground).backgroundColor}`;
  found[key] = text.textContent.trim().slice(0, 40);
 }
 return found;
"""
#: The colours of what is drawn and says something, on the ground of a row.
DRAWN = """
 const ground = getComputedStyle(document.querySelector(".panel")).backgroundColor;
 const found = {};
 for (const [name, paint] of [[".span", "stroke"], [".dot", "fill"], [".bar", "fill"],
                              [".rule.expert", "stroke"], [".rule.other", "stroke"],
                              [".ring.other", "stroke"], [".own path", "stroke"],
                              [".drawn svg line", "stroke"], [".drawn svg circle", "fill"],
                              [".drawn svg .strong line", "stroke"]]) {
  const part = document.querySelector(name.includes("svg") ? name : `svg ${name}`);
  found[`${getComputedStyle(part)[paint]} on ${ground}`] = name;
 }
 return found;
"""


def contrast(pair: str) -> float:
    """The contrast of two colours, "rgb(…) on rgb(…)", by WCAG 2.1's relative luminance.

    >>> round(contrast("rgb(0, 0, 0) on rgb(255, 255, 255)"), 1)
    21.0
    """

    def luminance(colour: str) -> float:
        assert colour.startswith("rgb("), f"{colour} is not opaque"
        shares = [int(part) / 255 for part in colour[4:-1].split(",")]
        red, green, blue = (
            share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
            for share in shares
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lights = sorted(luminance(colour) for colour in pair.split(" on "))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: Scheme) -> None:
    makers = (boards.narrow, boards.empty, boards.of_old, boards.closed, boards.frozen)
    texts = [page(make(), "earth") for make in (*makers, boards.soon, boards.forecast)]
    texts.append(index(["land-cover"], "earth"))
    looks = [(text, width) for text in texts for width in (PHONE, DESKTOP)]
    seen: dict[str, str] = {}
    for found in measured_each(looks, COLOURS, scheme):
        assert found
        seen |= found
    assert len(seen) >= 5
    assert {pair: text for pair, text in seen.items() if contrast(pair) < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_drawn_has_enough_contrast(scheme: Scheme) -> None:
    seen = measured(page(boards.closed(), "earth"), DRAWN, DESKTOP, scheme)
    assert {pair: name for pair, name in seen.items() if contrast(pair) < 3} == {}


def test_the_schemes_differ() -> None:
    """The tests above look at two pages, not twice at one."""
    script = "return getComputedStyle(document.body).backgroundColor"
    light, dark = (measured(page(boards.empty(), "x"), script, 800, s) for s in ("light", "dark"))
    assert contrast(f"{light} on {dark}") > 10


# --- keyboard and structure -----------------------------------------------------------------------

STRUCTURE = """
 for (const part of document.querySelectorAll("details")) part.open = true;
 const stops = [...document.querySelectorAll("a[href], summary, [tabindex]")]
  .filter(part => part.tabIndex === 0);
 const rings = stops.map(part => {
  part.focus();
  return document.activeElement === part && getComputedStyle(part).outlineStyle !== "none";
 });
 const board = document.querySelector(".board");
 const at = name => board.querySelector(`tbody .first ${name}`).getBoundingClientRect().toJSON();
 return {stops: stops.map(part => part.localName + "." + part.className), rings,
         headings: [...document.querySelectorAll("h1, h2, h3")].map(part => part.localName),
         scopes: [...board.querySelectorAll("th")].map(part => part.scope),
         cells: [...new Set([...board.rows].map(row => row.cells.length))],
         display: getComputedStyle(board.rows[1]).display,
         role: board.role,
         roles: [...new Set([...board.querySelectorAll("[role]")].map(part => part.role))].sort(),
         rank: at(".rank"), score: at(".score"), team: at(".team")};
"""


def test_all_that_acts_is_reached_by_the_keyboard_and_shows_it() -> None:
    texts = [(page(make(), "earth"), PHONE) for make in (boards.lively, boards.closed)]
    running, ended = measured_each(texts, STRUCTURE)
    assert running["stops"][:3] == ["a.", "div.scroll panel", "summary."]
    # The final table, its numbers, the last public board with a table and numbers of its own.
    table = ["div.scroll panel", "summary.", "div.scroll panel"]
    assert ended["stops"][:8] == ["a.", *table, "summary.", *table]
    assert all(running["rings"])
    assert all(ended["rings"])


def test_on_a_phone_the_rows_are_cards_and_still_a_table_to_a_screen_reader() -> None:
    text = page(boards.lively(), "earth")
    phone, desktop = measured_each([(text, PHONE), (text, DESKTOP)], STRUCTURE)
    assert (phone["display"], desktop["display"]) == ("grid", "table-row")
    assert phone["team"]["top"] >= phone["score"]["bottom"], "the name stands below the score"
    assert desktop["team"]["top"] == desktop["score"]["top"]
    for found in (phone, desktop):
        assert found["role"] == "table"
        assert found["roles"] == ["cell", "columnheader", "row", "rowgroup", "rowheader"]
        assert found["headings"] == ["h1", "h2", "h2"]
        assert found["scopes"] == ["col"] * 8 + ["row"] * 16
        assert found["cells"] == [8]


PLACES = """
 const rows = [...document.querySelectorAll(".board tbody tr")];
 return rows.map(row => {
  const plot = row.querySelector(".place").getBoundingClientRect();
  const dot = row.querySelector(".dot, .ring, .off").getBoundingClientRect();
  const rule = row.querySelector(".rule.expert").getBoundingClientRect();
  const cell = row.querySelector(".plot").getBoundingClientRect();
  return {name: (row.querySelector(".name") ?? row.querySelector(".team")).textContent,
          dot: dot.x + dot.width / 2, rule: rule.x + rule.width / 2,
          inside: dot.x >= cell.x && dot.right <= cell.right && dot.y >= cell.y - 1
                  && dot.bottom <= cell.bottom + 1};
 });
"""


def test_each_dot_stands_at_its_score_beside_the_experts_line() -> None:
    board: dict[str, Any] = boards.lively()
    text = page(board, "earth")
    for rows in measured_each([(text, PHONE), (text, DESKTOP)], PLACES):
        places = {row["name"]: row for row in rows}
        assert all(row["inside"] for row in rows)
        expert = places["expert: U-Net with a logit shift"]
        assert expert["dot"] == pytest.approx(expert["rule"], abs=0.6)
        assert places["kestrel"]["dot"] > expert["rule"] > places["ibis"]["dot"]
        dots = [places[entry["team"]]["dot"] for entry in board["entries"]]
        assert dots == sorted(dots, reverse=True)
        assert len({row["rule"] for row in rows}) == 1, "one line through all rows"


def test_the_index_fits_a_phone() -> None:
    text = index(["climate-series", "land-cover", "a" * 200], "earth-2026-fall")
    found = measured(text, OVERFLOW, PHONE)
    assert (found["page"], found["beyond"]) == (0, [])


PROGRESS = """
 const plot = document.querySelector(".plots svg");
 return {width: plot.getBoundingClientRect().width,
         drawn: plot.querySelector("use").getBBox().width};
"""


def test_each_plot_of_progress_has_the_others_behind() -> None:
    found = measured(page(boards.lively(), "earth"), PROGRESS, DESKTOP)
    assert found["width"] > 200
    assert found["drawn"] > 200, "what is drawn once is seen in each"


# --- the end of a competition ---------------------------------------------------------------------

SLOPES = """
 const names = side => [...document.querySelectorAll(`.drawn .${side} .row`)].map(row => {
  const box = row.getBoundingClientRect(), name = row.querySelector("bdi").getBoundingClientRect();
  const number = row.querySelector("b").getBoundingClientRect();
  return {team: row.querySelector("bdi").textContent, rank: row.querySelector("b").textContent,
          middle: box.y + box.height / 2, apart: name.right <= number.x || number.right <= name.x,
          within: box.height >= name.height - 1};
 });
 const dots = [...document.querySelectorAll(".drawn svg g")].map(each => {
  const found = [...each.querySelectorAll("circle")].map(dot => {
   const box = dot.getBoundingClientRect();
   return box.y + box.height / 2;
  });
  return {from: found[0], to: found[1], strong: each.classList.contains("strong")};
 });
 const svg = document.querySelector(".drawn svg").getBoundingClientRect();
 return {from: names("from"), to: names("to"), dots, width: svg.width};
"""


def test_each_slope_leads_from_a_teams_public_row_to_its_final_row() -> None:
    board = boards.closed()
    text = page(board, "earth")
    for width, found in zip(
        (PHONE, DESKTOP), measured_each([(text, PHONE), (text, DESKTOP)], SLOPES), strict=True
    ):
        assert found["width"] > (60 if width == PHONE else 180)
        start = {row["team"]: row for row in found["from"]}
        end = {row["team"]: row for row in found["to"]}
        assert all(row["apart"] for row in (*found["from"], *found["to"]))
        dots = {(round(dot["from"]), round(dot["to"])): dot["strong"] for dot in found["dots"]}
        for entry in board["final"]["entries"]:
            team = entry["team"]
            assert start[team]["rank"] == str(entry["public_rank"])
            assert end[team]["rank"] == str(entry["rank"])
            place = (round(start[team]["middle"]), round(end[team]["middle"]))
            assert dots[place] is (not entry["within_noise"])


def test_a_long_name_is_cut_short_beside_its_slope() -> None:
    for found in measured_each(
        [
            (page(make(), "earth"), width)
            for make in (boards.hostile_end, boards.crowded)
            for width in (320, DESKTOP)
        ],
        SLOPES,
    ):
        assert found["width"] > 40
        assert all(row["apart"] for row in (*found["from"], *found["to"]))


FOLDED = """
 const last = document.querySelector("details.last");
 const seen = () => [...document.querySelectorAll(".board")]
  .filter(part => part.checkVisibility()).map(part => part.caption.textContent);
 const before = seen();
 last.querySelector("summary").click();
 return {before, after: seen(), headings: [...document.querySelectorAll("h1, h2, h3")]
         .map(part => part.textContent)};
"""


def test_the_last_public_board_unfolds_below_the_final_one() -> None:
    found = measured(page(boards.closed(), "earth"), FOLDED, DESKTOP)
    assert len(found["before"]) == 1
    assert found["before"][0].startswith("Final leaderboard of land-cover")
    assert len(found["after"]) == 2
    assert found["after"][1].startswith("Last public leaderboard of land-cover")
    assert found["headings"] == [
        "land-cover",
        "From the public board to the final one",
        "Progress",
        "Disqualified",
        "How to read this board",
    ]
