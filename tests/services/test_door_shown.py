"""What others wrote, as the door shows it: their text, their Markdown, their notebooks."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.door.others import markdown, notebook, shown
from tests.academy import hostile
from tests.browser import boards
from tests.services import door_teams

#: All that the renderers may make, and the attributes of each.
TAGS = {
    **dict.fromkeys(("p", "ul", "ol", "li", "strong", "em", "code", "blockquote", "bdi"), ()),
    **dict.fromkeys(("h2", "h3", "h4", "h5", "h6", "thead", "tbody", "tr", "td", "hr"), ()),
    "div": ("class",),
    "table": ("class",),
    "th": ("scope",),
    "section": ("class",),
    "pre": ("class", "tabindex"),
    "p.": ("class", "aria-label", "role"),
    "img": ("src", "alt", "width", "height"),
}


class Seen(HTMLParser):
    """The tags of a piece of HTML; fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "hr"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def only_ours(text: str) -> Seen:
    seen = Seen(text)
    for tag, attributes in seen.tags:
        allowed = {*TAGS[tag], *(TAGS["p."] if tag == "p" else ())}
        assert set(attributes) <= allowed, (tag, attributes)
        assert str(attributes.get("src", "data:image/png;base64,")).startswith(
            "data:image/png;base64,"
        )
    return seen


def a_notebook(*cells: Any) -> bytes:
    return json.dumps({"cells": list(cells)}).encode()


def code(*outputs: Any, source: str = "x") -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def bundle(**data: Any) -> dict[str, Any]:
    named = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": named}


# --- text -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [*boards.HOSTILE, *hostile.MARKUP])
def test_a_name_is_one_line_that_turns_nothing_around(text: str) -> None:
    said = shown.line(text)
    assert "\n" not in said
    assert not set(said) & set("\u202e\u2066\u2067\x00\x1b\x0b")
    assert len(said) <= 200


def test_letters_of_every_script_stay() -> None:
    for word in ("café", "مرحبا", "你好", "שלום", "क्‍ष", "🧪"):
        assert shown.line(word) == word


def test_a_log_shows_the_last_state_of_a_line_and_moves_no_cursor() -> None:
    assert shown.lines("a\x1b[2J\x1b]0;owned\x07b\n 1 %\r 9 %\rdone\r\nend") == "ab\ndone\nend"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert shown.line("x" * 10**6, 10) == "x" * 9 + "…"
    assert shown.lines("x" * 100, 10) == "x" * 10 + "\n…"


# --- Markdown -------------------------------------------------------------------------------------
def test_what_notebooks_are_written_in_is_rendered() -> None:
    text = markdown.rendered(
        "# One\n\nA *word*, a **strong** one and `code <b>`.\n\n- a\n- b\n  1. c\n\n"
        "| x | y |\n|---|:-:|\n| 1 | **2** |\n\n> said\n\n```\na < b\n```\n\n---\n"
    )
    assert text == (
        "<h2>One</h2><p>A <em>word</em>, a <strong>strong</strong> one and "
        "<code>code &lt;b&gt;</code>.</p><ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"
        '<div class="scroll"><table class="plain"><thead><tr><th scope="col">x</th>'
        '<th scope="col">y</th></tr></thead><tbody><tr><td>1</td><td><strong>2</strong></td></tr>'
        "</tbody></table></div><blockquote><p>said</p></blockquote>"
        "<pre><code>a &lt; b</code></pre><hr>"
    )


def test_links_lead_nowhere_and_pictures_are_not_fetched() -> None:
    text = markdown.rendered("[a](https://x.org/y 'title') ![b](http://evil/p.png) <http://z>")
    assert "href" not in text
    assert "<img" not in text
    assert "a (<bdi>https://x.org/y</bdi>) [picture: b] &lt;http://z&gt;" in text


@pytest.mark.parametrize("text", [*hostile.MARKUP, *boards.HOSTILE])
def test_hostile_markdown_becomes_no_tag_but_ours(text: str) -> None:
    for form in (text, f"# {text}", f"- {text}", f"> {text}", f"**{text}**", f"[{text}]({text})"):
        only_ours(markdown.rendered(form))


@given(st.text(alphabet=st.sampled_from("ab<>&\"'`*_[]()!#->|$~\\ \n\t1.\u202e\x00"), max_size=300))
def test_no_text_whatever_becomes_a_tag_that_is_not_ours(text: str) -> None:
    only_ours(markdown.rendered(text))


@pytest.mark.parametrize(
    "text",
    [
        *(
            sign * 100_000
            for sign in ("`", "*", "[(", "_a", "$a", "> ", "- ", "|", "#", "\\", "![](")
        ),
        "# " + "#" * 100_000 + " x",
        "a|b\n" + "-|-" * 50_000 + "x",
        "\n".join(f"{'  ' * depth}- x" for depth in range(2_000)),
        "\x1b]" * 100_000,
        "\n".join(["[a](b *c* `d"] * 20_000),
        # Two runs of signs side by side are tried in every division of them.
        *("a|b\n" + begins + " " * 100_000 + "x" for begins in ("-", "|", "-|")),
        "\n\n".join(["[a](" + "x" * 19_000] * 10),
    ],
    ids=lambda text: repr(text[:6]),
)
def test_no_text_holds_the_door_up(text: str) -> None:
    """With a pattern that backtracks, the second of these takes hours."""
    only_ours(markdown.rendered(text))


# --- notebooks ------------------------------------------------------------------------------------
def test_a_notebook_shows_words_code_outputs_and_pictures() -> None:
    sheet = notebook.sheet("walk.ipynb", door_teams.notebook())
    seen = only_ours(sheet.body)
    assert (sheet.cells, sheet.errors) == (7, 1)
    assert "<h2>A first map</h2>" in sheet.body
    assert "academy.connect()" in seen.text
    assert "wetland  0.214     1022" in seen.text
    assert "never shown" not in seen.text, "a table's text is shown, not its HTML"
    assert "torch.OutOfMemoryError" in seen.text
    assert "\x1b" not in seen.text
    [picture] = [attributes for tag, attributes in seen.tags if tag == "img"]
    assert (picture["width"], picture["height"]) == ("320", "180")
    assert picture["alt"] == "Picture that cell 5 drew"


def test_html_is_shown_as_the_text_that_it_is() -> None:
    sheet = notebook.sheet("x.ipynb", a_notebook(code(bundle(text_html="<b>hello</b>"))))
    assert "HTML, shown as text:" in sheet.body
    assert "&lt;b&gt;hello&lt;/b&gt;" in sheet.body


def test_a_notebook_that_tries_everything_becomes_no_tag_but_ours() -> None:
    sheet = notebook.sheet("evil.ipynb", hostile.notebook())
    seen = only_ours(sheet.body)
    assert [tag for tag, _ in seen.tags].count("img") == 1, "the one that is a picture"
    assert "the work itself" in seen.text
    for each in ("application/javascript", "image/svg+xml", "widget-view"):
        assert each in seen.text, "what is left out is named"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"cells": 7}', b"[" * 100_000, b"1" * 10_000, b"\xff\xfe"],
    ids=repr,
)
def test_what_is_no_notebook_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(notebook.Unreadable, match="no notebook"):
        notebook.sheet("x.ipynb", content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.just("code"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["cell_type", "source", "outputs", "output_type", "data", "text", "image/png"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=30,
    )
)
def test_no_shape_of_a_notebook_breaks_the_page(cells: Any) -> None:
    try:
        sheet = notebook.sheet("x.ipynb", json.dumps({"cells": cells}).encode())
    except notebook.Unreadable:
        return
    only_ours(sheet.body)


def test_only_a_picture_by_its_bytes_is_a_picture() -> None:
    good = door_teams.png(3, 2)
    wide = bytearray(good)
    wide[16:24] = b"\x7f\xff\xff\xff\x7f\xff\xff\xff"
    for content, shows in (
        (good, True),
        (bytes(wide), False),
        (good[:20], False),
        (b"GIF89a" + good, False),
        (hostile.SVG.encode(), False),
    ):
        encoded = base64.b64encode(content).decode()
        sheet = notebook.sheet("x.ipynb", a_notebook(code(bundle(image_png=encoded))))
        assert ("<img" in sheet.body) is shows
        assert ("Not shown: image/png" in sheet.body) is not shows


def test_small_pictures_that_unpack_to_gigabytes_are_not_all_shown() -> None:
    # By its head a PNG of 4000 x 4000; nothing else of it is looked at here.
    head = base64.b64decode(base64.b64encode(door_teams.png(4000, 4000))[:64])
    large = base64.b64encode(head).decode()
    small = base64.b64encode(door_teams.png(8, 8)).decode()
    cells = [code(bundle(image_png=large)) for _ in range(20)]
    body = notebook.sheet("x.ipynb", a_notebook(code(bundle(image_png=small)), *cells)).body
    assert body.count("<img") == 7
    assert body.count("more pictures than a page has room for") == 14


def test_a_page_ends_before_lambda_does() -> None:
    picture = base64.b64encode(door_teams.png(900, 500)).decode()
    words = {"cell_type": "markdown", "source": "你好 " * 20_000}
    for cell in (code(bundle(image_png=picture), source="plot()"), words):
        sheet = notebook.sheet("x.ipynb", a_notebook(*[cell] * 300))
        answer = json.dumps({"body": str(sheet.body)})
        assert len(answer) < 5_500_000, "Lambda answers with 6 MB at most"
        assert re.search(r"the last \d+ cells are not shown", sheet.body)


def test_text_and_pictures_are_shown_and_models_are_not() -> None:
    assert "&lt;script&gt;" in notebook.sheet("a.py", b"<script>").body
    assert "<h2>One</h2>" in notebook.sheet("a.md", b"# One").body
    assert "<img" in notebook.sheet("a.png", door_teams.png(3, 2)).body
    for name, content in (
        ("model.pt", b"\x80\x04"),
        ("a.py", b"\xff\xfe\x00"),
        ("a.html", b"<p>"),
        ("a.svg", hostile.SVG.encode()),
    ):
        with pytest.raises(notebook.Unreadable, match="Only notebooks, text and PNG"):
            notebook.sheet(name, content)
