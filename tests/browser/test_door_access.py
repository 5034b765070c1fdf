"""Whether everybody can use the door: every page in a real Chromium, looked at by axe-core (a
program of Deque's under MPL-2.0, for tests alone), by the keyboard, without a script, and weighed.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.cli.demo.browser import Tab, browser, tab
from infra.services.door.entrance import security
from infra.services.door.look import assets
from tests.services.door_html import problems
from tests.services.door_whole import LOOKS, Look, whole
from tests.services.door_world import CODE, Seen, World, served

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
pytestmark = pytest.mark.skipif(
    browser() is None, reason="no Chromium here: apt-get install chromium"
)

#: Of a page with all that it fetches, as it is sent where a browser takes no compressed answer.
MOST_BYTES = 100_000
READY = "document.readyState === 'complete'"
#: WCAG 2.2 at AA, and what axe holds for good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """
axe.run(document, {runOnly: %s, resultTypes: ["violations", "incomplete"]}).then((found) =>
  found.violations.map((each) => [each.id, each.nodes.map((node) => node.html).slice(0, 3)]))
"""
#: Things that Tab reaches, and how many of a page are walked through.
USABLE = """
(() => {
  const all = [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex='0']")];
  window.usable = all.filter((each) => !each.disabled && each.type !== "hidden"
    && each.checkVisibility({visibilityProperty: true})
    && !(each.type === "radio" && !each.checked && document.querySelector(
      `input[type=radio][name="${each.name}"]:checked`)));
  return window.usable.length;
})()
"""
FOCUSED = """
(() => {
  const each = document.activeElement, box = each.getBoundingClientRect();
  const style = getComputedStyle(each);
  const around = each.closest("label") ?? each;
  const drawn = (of) => { const it = getComputedStyle(of);
    return it.outlineStyle !== "none" && parseFloat(it.outlineWidth) >= 2; };
  return {place: window.usable.indexOf(each), html: each.outerHTML.slice(0, 120),
    marked: drawn(each) || drawn(around) || style.boxShadow !== "none",
    inside: box.bottom > 0 && box.top < innerHeight && box.width > 0};
})()
"""
WALKED = 60
MOVING = "document.getAnimations().filter((each) => each.playState === 'running').length"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def tabs() -> Iterator[Callable[[], Tab]]:
    with tab(TZ="Europe/Berlin") as opened:
        yield opened


def shown(look: Look, world: World) -> Seen:
    """A page of the world as its browser gets it."""
    made = world.browser(look.who)
    if look.before:
        look.before(world)
    seen = made.get(look.path)
    if look.form:
        action, fields = look.form
        seen = made.send(action, **fields)
    return seen


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: shown(look, whole()).text for name, look in LOOKS.items()}


@pytest.fixture(scope="module")
def still(pages: dict[str, str]) -> Iterator[str]:
    """An address that serves the pages as they were, each by its number, with what they fetch."""
    served_as: dict[str, tuple[str, str]] = {
        f"/{number}": (text, "text/html; charset=utf-8")
        for number, text in enumerate(pages.values())
    }
    served_as |= {f"/assets/{each.name}": (each.text, each.kind) for each in assets.ALL.values()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text, kind = served_as.get(self.path, ("", ""))
            self.send_response(200 if text else 404)
            headers = {"Content-Type": kind, "Content-Length": str(len(text.encode()))}
            for name, value in {**security.headers(), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


# --- what a parser says ---------------------------------------------------------------------------
@pytest.mark.parametrize("name", LOOKS)
def test_a_page_consists_of_our_own_tags_and_each_id_stands_once(
    pages: dict[str, str], name: str
) -> None:
    page = pages[name]
    assert problems(page) == []
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert sorted(ids) == sorted(set(ids))
    for pointed in re.findall(r'(?:for|aria-describedby|aria-labelledby|headers)="([^"]*)"', page):
        assert set(pointed.split()) <= set(ids), pointed
    assert len(re.findall(r"<h1\b", page)) == 1
    assert page.count("<main") == 1
    levels = [int(each) for each in re.findall(r"<h([1-6])\b", page)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", LOOKS)
def test_a_page_with_all_that_it_fetches_is_small(pages: dict[str, str], name: str) -> None:
    # What a team drew weighs what it weighs; the page around it is ours.
    ours = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", pages[name])
    assert compressed(ours) < MOST_BYTES / 4
    assert sum(weights(ours).values()) < MOST_BYTES


def weights(page: str) -> dict[str, int]:
    """Bytes of a page and of what it fetches, not compressed."""
    found = {"page": len(page.encode())}
    for asset in assets.ALL.values():
        if asset.name in page:
            found[asset.name.partition("-")[2][-3:]] = len(asset.text.encode())
    return found


def compressed(page: str) -> int:
    """The same, as a browser that takes gzip gets it."""
    texts = [page, *(each.text for each in assets.ALL.values() if each.name in page)]
    return sum(len(gzip.compress(text.encode(), 9)) for text in texts)


# --- what a browser shows -------------------------------------------------------------------------
def seen_as(opened: Tab, address: str, *, width: int, scheme: str) -> None:
    """Look at `address` in a window so wide, as who wants it light or dark."""
    opened.call(
        "Emulation.setEmulatedMedia",
        features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ],
    )
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    opened.call("Emulation.setDeviceMetricsOverride", **size)
    opened.go(address)
    opened.wait(f"location.href === '{address}' && {READY}")


def at_hand(tabs: Callable[[], Tab]) -> Tab:
    """A tab that takes keys, whatever other tabs are open."""
    opened = tabs()
    opened.call("Page.bringToFront")
    opened.call("Emulation.setFocusEmulationEnabled", enabled=True)
    return opened


def asked(opened: Tab, script: str) -> Any:
    """What a promise comes to."""
    got = opened.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
    assert "exceptionDetails" not in got, got
    return got["result"].get("value")


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_no_page_keeps_somebody_out(
    tabs: Callable[[], Tab], still: str, width: int, scheme: str
) -> None:
    """Axe finds nothing, nothing has to be scrolled sideways, nothing moves for whoever wants
    nothing to move."""
    opened = tabs()
    found: dict[str, Any] = {}
    for number, name in enumerate(LOOKS):
        seen_as(opened, f"{still}/{number}", width=width, scheme=scheme)
        opened.run("for (const each of document.querySelectorAll('details')) each.open = true")
        wide, moving = opened.run(OVERFLOW), opened.run(MOVING)
        asked(opened, f"{AXE.read_text(encoding='utf-8')}; 0")
        wrong = asked(opened, RUN % json.dumps(RULES))
        if wrong or wide or moving:
            found[name] = (wrong, wide, moving)
    assert found == {}


def test_everything_that_can_be_used_shows_where_the_keyboard_is(
    tabs: Callable[[], Tab], still: str
) -> None:
    """By Tab through each page: nothing is left out, in the order of the page, and each thing is
    marked and in sight while it has the focus."""
    opened = at_hand(tabs)
    wrong = {}
    for number, name in enumerate(LOOKS):
        seen_as(opened, f"{still}/{number}", width=1280, scheme="light")
        wanted = opened.run(USABLE)
        opened.run("usable[0]?.focus({focusVisible: true})")
        walked = [opened.run(FOCUSED)]
        for _ in range(min(wanted, WALKED) - 1):
            opened.press("Tab", 9)
            walked.append(opened.run(FOCUSED))
        places = [each["place"] for each in walked]
        unseen = [each["html"] for each in walked if not (each["marked"] and each["inside"])]
        if places != list(range(len(places))) or unseen:
            wrong[name] = (places, unseen)
    assert wrong == {}


# --- the way in -----------------------------------------------------------------------------------
def test_the_keyboard_alone_leads_from_the_sign_in_into_the_workspace(
    tabs: Callable[[], Tab],
) -> None:
    world = World()
    with served(world) as address:
        opened = at_hand(tabs)
        by_keyboard(opened, address)
        world.move(minutes=3)
        opened.wait("location.pathname === '/lab'")


def test_without_a_script_the_same_way_leads_in(tabs: Callable[[], Tab]) -> None:
    world = World()
    with served(world) as address:
        opened = at_hand(tabs)
        opened.call("Emulation.setScriptExecutionDisabled", value=True)
        by_keyboard(opened, address)
        world.move(minutes=3)
        # The page asks again by itself.
        opened.wait(f"document.title.startsWith('Home') && {READY}")
        to_button(opened, "Enter")
        opened.press("Enter", 13)
        opened.wait("location.pathname === '/lab'")


def by_keyboard(opened: Tab, address: str) -> None:
    """From the sign-in to a workspace that starts, without a mouse."""
    opened.go(address)
    opened.wait(f"document.activeElement?.id === 'email' && {READY}")
    opened.call("Input.insertText", text="ana@example.org")
    opened.press("Enter", 13)
    opened.wait(f"document.activeElement?.id === 'code' && {READY}")
    opened.call("Input.insertText", text=CODE)
    opened.press("Enter", 13)
    opened.wait(f"document.title.startsWith('Home') && {READY}")
    to_button(opened, "Open my workspace")
    opened.press("Enter", 13)
    opened.wait(f"document.title.startsWith('Starting') && {READY}")


def to_button(opened: Tab, words: str) -> None:
    """Press Tab until the button that says so has the focus."""
    for _ in range(40):
        if opened.run("document.activeElement?.innerText") == words:
            return
        opened.press("Tab", 9)
    raise AssertionError(f"Tab leads to no button {words}")
