"""The door's pages in a real browser, at several widths: nothing scrolls sideways, what can be
pressed can be hit."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.cli.demo.browser import browser
from infra.services.door.look import assets
from tests.browser.chromium import measured_each
from tests.services.door_world import lively

pytestmark = pytest.mark.skipif(
    browser() is None, reason="no Chromium here: apt-get install chromium"
)

WIDTHS = (320, 390, 768, 1280)

MEASURE = """
const wide = document.documentElement.scrollWidth - window.innerWidth;
const small = [...document.querySelectorAll("button, .button, nav a, select, input")]
  .filter((each) => each.type !== "hidden" && each.type !== "radio" && each.offsetParent)
  .map((each) => each.getBoundingClientRect())
  .filter((box) => box.height < 40 || box.width < 24).length;
const shown = document.querySelector("h1").getBoundingClientRect().height;
return {wide, small, shown, colour: getComputedStyle(document.body).backgroundColor};
"""


def _whole(page: str) -> str:
    """The page with its style sheet in it, as a file can be looked at."""
    page = re.sub(r"<script src.*?</script>", "", page)
    return re.sub(
        r'<link rel="stylesheet"[^>]*>', lambda _: f"<style>{assets.STYLE_SHEET.text}</style>", page
    )


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    world = lively()
    ana = world.browser("ana")
    found = {path: ana.get(path).text for path in ("/", "/budget", "/help", "/team", "/nothing")}
    found["refused"] = ana.get("/") and ana.send("/open", instance="x" * 200).text
    out = world.browser()
    found["sign in"] = out.get("/").text
    found["code"] = out.send("/sign-in", email="ana@example.org").text
    world.academy.ask("ana", op="open_space", project="climate-series")
    found["starting"] = ana.get("/").text
    world.move(minutes=5)
    found["open"] = ana.get("/").text
    return {name: _whole(page) for name, page in found.items()}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_its_window_and_can_be_used_by_thumb(pages: dict[str, str], width: int) -> None:
    found: list[Any] = measured_each([(page, width) for page in pages.values()], MEASURE)
    for name, each in zip(pages, found, strict=True):
        assert each["shown"] > 0, name
        assert each["wide"] <= 0, (name, each)
        assert each["small"] == 0, (name, each)


def test_a_page_is_dark_where_the_reader_wants_it_dark(pages: dict[str, str]) -> None:
    light, dark = (
        measured_each([(pages["/"], 390)], MEASURE, scheme)[0]["colour"]
        for scheme in ("light", "dark")  # type: ignore[arg-type]
    )
    assert light != dark
