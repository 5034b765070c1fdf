"""Every page of the door: small, whole, readable, and nothing from elsewhere."""

from __future__ import annotations

import base64
import gzip
import re
from html.parser import HTMLParser

import pytest

from infra.services.door.look import assets
from tests.services.door_world import Seen, World, event, lively

PATHS = ("/", "/budget", "/help", "/competition", "/team", "/nothing")
VOID = {"meta", "link", "input", "br", "hr", "img", "col", "wbr"}


class Outline(HTMLParser):
    """The elements of a page, and whether each that was begun was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def outline(page: Seen) -> Outline:
    found = Outline()
    found.feed(page.text)
    return found


@pytest.fixture(scope="module")
def pages() -> dict[str, Seen]:
    world = lively()
    found = {path: world.browser("ana").get(path) for path in PATHS}
    found["advisor"] = world.browser("shelley").get("/")
    out = world.browser()
    found["sign in"] = out.get("/")
    found["code"] = out.send("/sign-in", email="ana@example.org")
    world.academy.ask("ana", op="open_space")
    found["starting"] = world.browser("ana").get("/")
    world.move(minutes=5)
    found["open"] = world.browser("ana").get("/")
    return found


def test_every_element_that_is_begun_is_ended(pages: dict[str, Seen]) -> None:
    for name, page in pages.items():
        found = outline(page)
        assert (found.wrong, found.open) == ([], []), name


def test_a_page_has_less_than_100_kb_with_all_that_it_loads(pages: dict[str, Seen]) -> None:
    extra = len(assets.STYLE_SHEET.text) + len(assets.SCRIPT_FILE.text)
    for name, page in pages.items():
        assert len(page.text.encode()) + extra < 100_000, name


def test_nothing_comes_from_elsewhere_and_no_style_or_script_stands_in_a_page(
    pages: dict[str, Seen],
) -> None:
    for name, page in pages.items():
        for tag, attributes in outline(page).found:
            assert "style" not in attributes, name
            assert not any(key.startswith("on") for key in attributes), name
            for key in ("src", "href", "action"):
                value = attributes.get(key) or "/"
                assert value.startswith(("/", "#", "data:,")), (name, value)
            if tag == "script":
                assert attributes["src"] == f"/assets/{assets.SCRIPT_FILE.name}"


def test_every_page_has_a_language_a_title_one_heading_and_a_main_part(
    pages: dict[str, Seen],
) -> None:
    for name, page in pages.items():
        tags = [tag for tag, _ in outline(page).found]
        assert (tags.count("h1"), tags.count("main"), tags.count("title")) == (1, 1, 1), name
        assert '<html lang="en">' in page.text


def test_what_can_be_filled_in_has_a_label(pages: dict[str, Seen]) -> None:
    for name, page in pages.items():
        found = outline(page).found
        labelled = {attributes.get("for") for tag, attributes in found if tag == "label"}
        for tag, attributes in found:
            kind = attributes.get("type")
            if tag in ("input", "select", "textarea") and kind not in ("hidden", "radio"):
                assert attributes.get("id") in labelled, (name, attributes)


def test_every_id_is_there_once(pages: dict[str, Seen]) -> None:
    for name, page in pages.items():
        ids = [attributes["id"] for _, attributes in outline(page).found if "id" in attributes]
        assert len(ids) == len(set(ids)), name


def test_the_menu_says_where_one_is(pages: dict[str, Seen]) -> None:
    for path in ("/", "/budget", "/help", "/competition", "/team"):
        assert f'<a href="{path}" aria-current="page">' in pages[path].text


def test_style_and_script_are_kept_for_a_year_under_a_name_of_their_content() -> None:
    browser = World().browser()
    for asset in assets.ALL.values():
        seen = browser.ask("GET", f"/assets/{asset.name}")
        assert seen.status == 200
        assert seen.headers["Content-Type"] == asset.kind
        assert "immutable" in seen.headers["Cache-Control"]
        assert seen.text == asset.text


def test_a_browser_that_asks_for_it_gets_a_page_compressed() -> None:
    world = World()
    path = f"/assets/{assets.STYLE_SHEET.name}"
    answer = world.answer(event("GET", path, headers={"accept-encoding": "gzip, br"}))
    assert answer["headers"]["Content-Encoding"] == "gzip"
    assert answer["isBase64Encoded"] is True
    assert gzip.decompress(base64.b64decode(answer["body"])).decode() == assets.STYLE_SHEET.text
    assert world.answer(event("GET", path))["body"] == assets.STYLE_SHEET.text


def test_who_asks_for_the_head_alone_gets_no_body() -> None:
    answer = World().answer(event("HEAD", "/"))
    assert (answer["statusCode"], answer["body"]) == (200, "")


def _hex(text: str) -> tuple[float, float, float]:
    if len(text) == 4:
        text = "#" + "".join(2 * c for c in text[1:])
    return tuple(int(text[k : k + 2], 16) / 255 for k in (1, 3, 5))  # type: ignore[return-value]


def _luminance(text: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in _hex(text)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_what_is_written_and_drawn_stands_out_in_both_schemes(scheme: int) -> None:
    text = assets.STYLE_SHEET.text
    blocks = re.findall(r":root \{(.*?)\}", text, re.S)
    colours: dict[str, str] = {}
    for block in blocks[scheme::2]:
        colours |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
    written = [
        ("text", "ground"), ("text", "card"), ("soft", "ground"), ("soft", "card"),
        ("accent", "ground"), ("accent", "card"), ("accent", "wash"), ("text", "wash"),
        ("soft", "wash"), ("on-accent", "accent"), ("text", "alarm-wash"),
    ]  # fmt: skip
    drawn = [("faint", "card"), ("accent", "track"), ("bar", "track"), ("bar", "ground"),
             ("alarm", "ground")]  # fmt: skip
    for one, other in written:
        assert contrast(colours[one], colours[other]) >= 4.5, (one, other)
    for one, other in drawn:
        assert contrast(colours[one], colours[other]) >= 3, (one, other)
