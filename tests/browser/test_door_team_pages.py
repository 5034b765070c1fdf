"""The door's pages of competition, team and advisors in a real Chromium: how they fit, what they
run, what can be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.cli.demo.browser import browser
from infra.services.door.context import Page, PageContext
from infra.services.door.look.style import STYLE
from infra.services.door.pages import advisors, competition, framed, team
from tests.browser.chromium import Scheme, measured_each
from tests.browser.test_board_page import COLOURS, contrast
from tests.services import door_teams
from tests.services.door_teams import World, job_name

pytestmark = pytest.mark.skipif(
    browser() is None, reason="no Chromium here: apt-get install chromium"
)

WIDTHS = (320, 390, 820, 1280)
Look = tuple[str, Callable[[PageContext], Page]]

LOOKS: dict[str, Look] = {
    "competition": ("ana", competition.overview),
    "board": ("ana", lambda ctx: competition.project(ctx, "land-cover")),
    "team": ("ana", team.team),
    "job": ("ana", lambda ctx: team.job(ctx, job_name("falcon", "ana", 17))),
    "failed job": ("ana", lambda ctx: team.job(ctx, job_name("falcon", "ana", 16))),
    "notebook": ("ana", lambda ctx: team.notebook(ctx, "01-first-map.ipynb")),
    "teams": ("shelley", advisors.overview),
    "a team": ("shelley", lambda ctx: advisors.team(ctx, "falcon")),
}
HOSTILE: dict[str, Look] = {
    **LOOKS,
    "evil": ("shelley", lambda ctx: advisors.notebook(ctx, "falcon", "evil.ipynb")),
    "failed job": ("ana", lambda ctx: team.job(ctx, job_name("falcon", "ana", 66))),
}
MENU = [("/", "Home"), ("/competition", "Competition"), ("/team", "Team"), ("/advisors", "Teams")]


def whole(world: World, look: Look) -> str:
    """The page in its frame, with the style sheet in it: a file of one's own disk has no others."""
    person, make = look
    page = make(world.context(person))
    text = framed(
        title=page.title,
        cohort="earth",
        style="STYLE",
        script="",
        refresh=None,
        person=person,
        menu=MENU,
        here=page.here,
        csrf="x",
        body=page.body,
    )
    return text.replace('<link rel="stylesheet" href="/assets/STYLE">', f"<style>{STYLE}</style>")


#: How far the page, and each part that is seen, reach beyond the window's edge.
OVERFLOW = """
 for (const part of document.querySelectorAll("details")) part.open = true;
 const edge = document.documentElement.clientWidth;
 const beyond = [];
 for (const part of document.body.querySelectorAll("main *")) {
  const box = part.getBoundingClientRect();
  if (part.closest(".unseen, caption, svg, thead")) continue;
  // What scrolls in a region of its own may be longer.
  if (part.parentElement.closest(".scroll, pre, .plots .name, .drawn .row")) continue;
  if (box.right > edge + 0.5 || box.left < -0.5) beyond.push(part.outerHTML.slice(0, 90));
 }
 const cards = document.querySelector("table.jobs, table.glance");
 return {page: document.documentElement.scrollWidth - edge, beyond,
         table: cards ? cards.parentElement.scrollWidth - cards.parentElement.clientWidth : 0};
"""
#: Whether anything of theirs ran, and what there is that could.
INERT = """
 const all = [...document.querySelectorAll("body *")];
 return {ran: window.ran ?? window.pwned ?? null,
         outer: window.parent.ran ?? window.parent.pwned ?? null,
         title: document.title,
         tags: all.map(part => part.localName).filter(name =>
          ["script", "iframe", "object", "embed", "base", "meta", "link", "style"].includes(name)),
         handlers: all.flatMap(part => [...part.attributes]).map(each => each.name)
          .filter(name => name.startsWith("on") || name === "style"),
         links: all.map(part => part.getAttribute("href") ?? part.getAttribute("src") ?? "/")
          .filter(at => !/^(\\/|#|$|data:image\\/png;base64,)/.test(at)),
         shown: getComputedStyle(document.querySelector("h1")).display};
"""


@pytest.mark.parametrize(
    "world", [door_teams.lively, door_teams.hostile], ids=["lively", "hostile"]
)
def test_no_page_scrolls_sideways(world: Callable[[], World]) -> None:
    made = world()
    looks = LOOKS if world is door_teams.lively else HOSTILE
    texts = {name: whole(made, look) for name, look in looks.items()}
    wanted = [(name, width) for name in texts for width in WIDTHS]
    found = measured_each([(texts[name], width) for name, width in wanted], OVERFLOW)
    for look, each in zip(wanted, found, strict=True):
        assert (look, each["page"], each["beyond"]) == (look, 0, [])
        if look[1] != 820:
            # Cards on a phone, all columns at once on a desktop.
            assert (look, each["table"]) == (look, 0)


def test_hostile_work_is_shown_and_not_run_even_without_the_doors_policy() -> None:
    """A page is a file here, without the headers that the door sends: escaping alone must do."""
    world = door_teams.hostile()
    texts = [(whole(world, look), 1280) for look in HOSTILE.values()]
    for found in measured_each(texts, INERT):
        assert (found["ran"], found["outer"]) == (None, None)
        assert (found["tags"], found["handlers"], found["links"]) == ([], [], [])
        assert found["title"].endswith(" · earth")
        assert found["shown"] == "block"


def test_what_runs_is_seen() -> None:
    """The measure itself: a page with a script in it."""
    page = whole(door_teams.lively(), LOOKS["team"])
    broken = page.replace("<h1>", '<h1><script>window.ran = true</script><img src="x" onerror="1">')
    [found] = measured_each([(broken, 1280)], INERT)
    assert (found["ran"], found["tags"], found["handlers"]) == (True, ["script"], ["onerror"])
    assert found["links"] == ["x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: Scheme) -> None:
    world = door_teams.lively()
    looks = [(whole(world, look), width) for look in LOOKS.values() for width in (390, 1280)]
    seen: dict[str, str] = {}
    for found in measured_each(looks, COLOURS, scheme):
        assert found
        seen |= found
    assert {pair: text for pair, text in seen.items() if contrast(pair) < 4.5} == {}
