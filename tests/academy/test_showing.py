"""Files of others as pages: all of it text, pictures by their bytes, nothing that could run."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import io
import json
import pickle
import tarfile
from html.parser import HTMLParser
from typing import Any

import pytest
from academy import showing
from academy.errors import SourceError
from hypothesis import given
from hypothesis import strategies as st

from tests.academy import hostile

#: All that a page may consist of, with the attributes that are ours.
OURS = {
    "html": {"lang"},
    "head": set(),
    "meta": {"charset", "http-equiv", "content"},
    "title": set(),
    "style": set(),
    "body": set(),
    "h1": set(),
    "pre": {"class"},
    "p": {"class"},
    "img": {"alt", "src"},
}


class Tags(HTMLParser):
    """Every tag of a page with its attributes, as a browser tokenises it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def harmless(page: str) -> None:
    """Nothing in the page is markup but what is ours."""
    for tag, attributes in Tags(page).found:
        assert set(attributes) <= OURS[tag], (tag, attributes)
        if tag == "img":
            kind, _, encoded = str(attributes["src"]).partition(";base64,")
            assert kind in {"data:image/png", "data:image/jpeg", "data:image/gif"}
            assert base64.b64decode(encoded, validate=True)
    policy = [a["content"] for t, a in Tags(page).found if a.get("http-equiv")]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert page.index("Content-Security-Policy") < page.index("<title>"), "before all of theirs"


# --- notebooks ------------------------------------------------------------------------------------
def test_a_hostile_notebook_is_text_and_pictures() -> None:
    page = showing.page("falcon: x.ipynb", "x.ipynb", hostile.notebook())
    harmless(page.html)
    assert "print(&#x27;the work itself&#x27;)" in page.html
    assert page.html.count("<img ") == 1, "the one that is a picture"


def test_what_is_not_shown_is_named() -> None:
    page = showing.page("t", "x.ipynb", hostile.notebook())
    for name in ("application/javascript", "text/html", "image/svg+xml", "widget-view"):
        assert name in page.html


@pytest.mark.parametrize("markup", hostile.MARKUP, ids=range(len(hostile.MARKUP)))
def test_markup_is_shown_as_it_was_written(markup: str) -> None:
    cells = [{"cell_type": "markdown", "source": markup}]
    page = showing.page("t", "x.ipynb", json.dumps({"cells": cells}).encode())
    harmless(page.html)
    assert html.escape(markup.replace("\x00", "")) in page.html


def test_a_table_is_shown_by_its_text_and_a_figure_by_its_picture() -> None:
    table = {"text/html": "<table>", "text/plain": "   a  b\n0  1  2"}
    figure = {"image/png": [base64.b64encode(hostile.PIXEL).decode(), "\n"], "text/plain": "<Fig>"}
    cells = [
        {
            "cell_type": "code",
            "source": ["import pandas\n", "df"],
            "outputs": [
                {"output_type": "execute_result", "data": table},
                {"output_type": "display_data", "data": figure},
            ],
        }
    ]
    page = showing.page("t", "x.ipynb", json.dumps({"cells": cells}).encode())
    assert "   a  b\n0  1  2" in page.html
    assert "data:image/png;base64," in page.html
    assert "&lt;Fig&gt;" not in page.html, "the picture says it"
    assert page.text == "import pandas\ndf"


def test_the_frame_in_a_notebook_may_run_nothing_and_is_one_attribute() -> None:
    shown = showing.page("t: <b>.ipynb", "b.ipynb", hostile.notebook())._repr_html_()
    frames = [a for t, a in Tags(shown).found if t == "iframe"]
    assert [t for t, _ in Tags(shown).found] == ["div", "div", "b", "iframe"]
    assert frames[0]["sandbox"] == ""
    harmless(str(frames[0]["srcdoc"]))


def test_what_is_too_large_for_a_notebook_is_opened_from_its_file() -> None:
    page = showing.page("t", "a.txt", b"a" * (showing.MAX_INLINE - 10))
    assert "<iframe" in showing.page("t", "a.txt", b"a")._repr_html_()
    big = showing.Page("t", "", "x" * (showing.MAX_INLINE + 1), "teams/falcon/a.html")
    assert "<iframe" not in big._repr_html_()
    assert "teams/falcon/a.html" in big._repr_html_()
    assert len(page.text) <= showing.MAX_CHARACTERS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        b"[]",
        b'"text"',
        b'{"cells": 7}',
        b'{"worksheets": []}',
        b"[" * 100_000,
        b'{"cells": ' + b"[" * 100_000,
    ],
    ids=range(8),
)
def test_what_is_no_notebook_says_so(content: bytes) -> None:
    with pytest.raises(SourceError, match="is no notebook"):
        showing.page("t", "x.ipynb", content)


def test_a_notebook_of_very_many_cells_is_cut_and_says_so() -> None:
    cells = [{"cell_type": "code", "source": f"x{n}"} for n in range(showing.MAX_CELLS + 3)]
    page = showing.page("t", "x.ipynb", json.dumps({"cells": cells}).encode())
    assert "3 more cells are not shown" in page.html


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(hostile.MARKUP),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "output_type", "text", "traceback", "text/plain", "image/png"])
            | st.sampled_from(hostile.MARKUP),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(anything, anything, anything)
def test_whatever_a_notebook_is_its_page_is_harmless(
    cell: Any, outputs: Any, metadata: Any
) -> None:
    code = {"cell_type": "code", "source": cell, "outputs": [outputs, *hostile.BUNDLES]}
    document = {"cells": [cell, code, {"source": outputs}], "metadata": metadata}
    harmless(showing.page("t", "x.ipynb", json.dumps(document).encode()).html)


# --- other files ----------------------------------------------------------------------------------
def test_a_script_is_shown_and_a_page_is_shown_as_its_source() -> None:
    page = showing.page("t", "page.html", hostile.MARKUP[0].encode())
    harmless(page.html)
    assert html.escape(hostile.MARKUP[0]) in page.html


def test_a_terminal_is_not_steered_and_no_line_is_turned_around() -> None:
    page = showing.page("t", "x.py", "a\x1b[2J\x1b]0;owned\x07b\u202ec\td\r\ne\u00a0f".encode())
    assert page.text == "a]0;ownedbc    d\ne f"
    assert "\x1b" not in repr(page)


def test_a_picture_is_shown_by_its_bytes_whatever_its_name() -> None:
    page = showing.page("t", "x.pkl", hostile.PIXEL)
    harmless(page.html)
    assert "data:image/png;base64," in page.html


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"weights": [1.0]}),
        b"PK\x03\x04" + b"\x80" * 40,
        b"\x7fELF\x02\x01\x01\x00",
        b"\x93NUMPY\x01\x00v\x00",
        b"text\x00text",
    ],
    ids=["a pickle", "a torch archive", "a program", "an array", "a zero byte"],
)
def test_what_is_no_text_is_not_opened(content: bytes) -> None:
    with pytest.raises(SourceError, match=r"x\.py is neither .* not opened"):
        showing.page("t", "x.py", content)


def test_an_svg_is_text() -> None:
    page = showing.page("t", "x.svg", hostile.SVG.encode())
    harmless(page.html)
    assert "<img" not in page.html


# --- archives -------------------------------------------------------------------------------------
def test_an_archive_lists_plain_files_and_gives_one() -> None:
    content = hostile.tar(("train.py", b"import this"), ("./lib/a.py", b"1"))
    assert [each.name for each, _ in showing.members(content)] == ["train.py", "./lib/a.py"]
    assert showing.member(content, "train.py") == b"import this"
    assert showing.member(content, "lib/a.py") == b"1"


@pytest.mark.parametrize(
    "evil",
    [
        hostile.link("x", "/etc/passwd"),
        hostile.link("x", "../../home"),
        hostile.link("x", "train.py", tarfile.LNKTYPE),
        hostile.link("x", "", tarfile.CHRTYPE),
        hostile.link("x", "", tarfile.FIFOTYPE),
        hostile.link("x", "", tarfile.DIRTYPE),
    ],
    ids=["a link", "a link out", "a hard link", "a device", "a pipe", "a folder"],
)
def test_links_and_devices_are_passed_over(evil: tarfile.TarInfo) -> None:
    content = hostile.tar(("train.py", b"1"), (evil, b""))
    assert [each.name for each, _ in showing.members(content)] == ["train.py"]
    with pytest.raises(SourceError, match="no plain file x"):
        showing.member(content, "x")


def test_a_small_archive_that_unpacks_to_very_much_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(showing, "MAX_UNPACKED_BYTES", 10**6)
    content = hostile.tar(("zeros", bytes(5 * 10**6)), ("train.py", b"1"))
    assert len(content) < 10**5
    with pytest.raises(SourceError, match="unpacks to too much"):
        list(showing.members(content))
    with pytest.raises(SourceError, match="unpacks to too much"):
        showing.member(content, "train.py")


def test_a_header_that_claims_very_much_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of two gigabytes, which no byte stands behind."""
    monkeypatch.setattr(showing, "MAX_UNPACKED_BYTES", 10**6)
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2 * 10**9
    content = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(3 * 10**6))
    with pytest.raises(SourceError):
        list(showing.members(content))


def test_too_many_members_and_too_large_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "MAX_MEMBERS", 3)
    monkeypatch.setattr(showing, "MAX_FILE_BYTES", 10)
    with pytest.raises(SourceError, match="more than 3 files"):
        list(showing.members(hostile.tar(*[(f"{n}", b"") for n in range(4)])))
    with pytest.raises(SourceError, match="not opened"):
        showing.member(hostile.tar(("big", b"a" * 11)), "big")


@given(st.binary(max_size=600))
def test_any_bytes_are_an_archive_or_a_sentence(content: bytes) -> None:
    for given_bytes in (content, gzip.compress(content)):
        with contextlib.suppress(SourceError):
            list(showing.members(given_bytes))


@given(st.data())
def test_a_damaged_archive_is_a_sentence(data: st.DataObject) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(hostile.link("ä" * 120, "x"))
        member = tarfile.TarInfo("train.py")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    raw = bytearray(packed.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SourceError):
        list(showing.members(gzip.compress(bytes(raw))))
