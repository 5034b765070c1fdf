"""What others write, in every place where the door shows it, whatever it is: text on a page, which
a parser that reads as browsers do finds to be made of our own tags alone."""

from __future__ import annotations

import base64
import copy
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.services.door.others import markdown, notebook, shown
from tests.browser import boards
from tests.services import door_teams
from tests.services.door_html import problems
from tests.services.door_whole import OURS, whole
from tests.services.door_world import World

HIDDEN = set("\u202e\u2066\u2067\u200b\u2028\x00\x1b\x07\x85\ufeff")
#: Pieces that mean something to a parser, a terminal or an eye.
PIECES = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "</pre></section>",
    "<style>*{display:none}</style>",
    "<!--",
    "-->",
    "<![CDATA[",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "\" onmouseover='alert(1)",
    "[a](javascript:alert(1))",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](//evil.example)",
    "<a href=//evil.example>",
    "\x1b[2J\x1b]0;x\x07",
    "\u202e",
    "\u2066",
    "\u2028",
    "\ud800",
    "\x00",
    "\x85",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "𝕏",
    "`",
    "**",
    "\n- ",
    "\n> ",
    "\n|a|b|\n|-|-|\n|",
    "\n```\n",
    "$$",
    "| ",
    "__proto__",
)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8).map("".join)
leaves = (
    texts
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.just([])
    | st.just({})
    | texts.map(lambda text: {text: text})
    | texts.map(lambda text: [text])
)
CALM = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


#: Of a receipt.
MEMBERS = ("status", "message", "public_score", "private_score", "received", "entry", "hash")
MEMBERS += ("job", "image", "left_today", "also", "classes")


def few(examples: int) -> settings:
    return settings(CALM, max_examples=examples)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def whole_page(world: World, who: str, path: str, *, hidden: bool = False) -> None:
    """The page is there, and made of our own; nothing is `hidden` in it."""
    seen = world.browser(who).ask("GET", path, headers={"accept-encoding": "gzip"})
    assert seen.status == 200, path
    assert problems(seen.text) == [], path
    assert hidden or not HIDDEN & set(seen.text), path


# --- Markdown and notebooks -----------------------------------------------------------------------
@CALM
@given(texts)
def test_markdown_becomes_our_own_tags_and_leads_nowhere(text: str) -> None:
    made = markdown.rendered(text)
    assert problems(made, part=True) == []
    assert not re.search(r"<(a|img|form|input|svg|link|meta|script|style)\b", made)
    made.encode()


KINDS = ("text/html", "text/plain", "image/svg+xml", "image/png", "image/jpeg", "text/markdown")
KINDS += ("application/javascript", "application/vnd.jupyter.widget-view+json", "text/latex")
PNG = base64.b64encode(door_teams.png(8, 8)).decode()
outputs = st.fixed_dictionaries(
    {"output_type": st.sampled_from(("stream", "error", "display_data", "execute_result"))},
    optional={
        "text": leaves,
        "ename": leaves,
        "evalue": leaves,
        "traceback": st.lists(leaves, max_size=3) | leaves,
        "data": st.dictionaries(
            st.sampled_from(KINDS) | texts,
            leaves | st.just(PNG) | texts.map(lambda text: PNG[:40] + text),
            max_size=4,
        )
        | leaves,
        "metadata": leaves,
    },
)
cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(("code", "markdown", "raw")) | leaves},
    optional={
        "source": leaves | st.lists(texts, max_size=4),
        "outputs": st.lists(outputs | leaves, max_size=3) | leaves,
        "execution_count": leaves,
        "attachments": leaves,
    },
)


@CALM
@given(st.lists(cells | leaves, max_size=4))
def test_a_notebook_becomes_our_own_tags_and_shows_no_picture_but_png(made: list[Any]) -> None:
    body = str(notebook.sheet("x.ipynb", dumped({"cells": made})).body)
    assert problems(body, part=True) == []
    assert not HIDDEN & set(body)
    body.encode()


@CALM
@given(texts, st.binary(max_size=200))
def test_a_picture_is_one_by_its_bytes_whatever_it_says_it_is(text: str, tail: bytes) -> None:
    for content in (
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>' + tail,
        b"GIF89a" + tail,
        b"\xff\xd8\xff" + tail,
        b"<html>" + text.encode(errors="replace") + tail,
    ):
        for name in ("x.png", "x.svg", "x.md", "x.txt", "x.ipynb"):
            try:
                body = str(notebook.sheet(name, content).body)
            except notebook.Unreadable:
                continue
            assert "<img" not in body
            assert problems(body, part=True) == []


# --- names, logs ----------------------------------------------------------------------------------
@CALM
@given(texts)
def test_a_line_is_one_and_hides_and_turns_nothing(text: str) -> None:
    said = shown.line(text)
    assert not (HIDDEN | set("\n\r")) & set(said)
    assert not HIDDEN & set(shown.lines(text))
    said.encode()
    shown.lines(text).encode()


# --- whole pages ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def world() -> World:
    return whole()


def _places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a document has values."""
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in list(pairs)[:40]:
            yield (*at, key)
            yield from _places(value, (*at, key))


def _changed(document: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    made = copy.deepcopy(document)
    for place, value in changes:
        inner = made
        try:
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # another change took it away
    return made


BOARDS = {"land-cover": boards.lively(), "climate-series": boards.forecast()}
CHANGES = {
    project: st.lists(
        st.tuples(st.sampled_from(list(_places(document))), leaves), min_size=1, max_size=4
    )
    for project, document in BOARDS.items()
}


@pytest.mark.parametrize("project", BOARDS)
def test_a_board_whatever_stands_in_it_takes_no_page_down(world: World, project: str) -> None:
    @few(40)
    @given(CHANGES[project])
    def one(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
        world.files.put_site(
            f"boards/{project}.json", json.dumps(_changed(BOARDS[project], changes))
        )
        for who, path in (
            ("ana", f"/competition/{project}"),
            ("ana", "/competition"),
            ("ana", "/"),
            ("shelley", "/advisors"),
        ):
            # A board is the scorer's: what is learners' of it passed the checker, which see.
            whole_page(world, who, path, hidden=True)

    one()
    world.files.put_site(f"boards/{project}.json", json.dumps(BOARDS[project]))


@few(30)
@given(
    st.dictionaries(
        st.sampled_from(MEMBERS),
        leaves,
    )
    | leaves
)
def test_a_receipt_whatever_stands_in_it_is_text(document: Any) -> None:
    there = _shared()
    key = "receipts/land-cover/falcon/20261201T090000Z-a.npz.json"
    there.files.works[key] = _stored(there, dumped(document))
    whole_page(there, "ana", "/competition/land-cover")
    whole_page(there, "shelley", "/advisors/falcon")


@few(30)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("author", "at", "text", "schema_version"), leaves)
    )
    | st.fixed_dictionaries(
        {"author": texts, "at": st.just("2026-12-01T09:00:00+00:00"), "text": texts}
    )
)
def test_a_note_whatever_stands_in_it_is_text(document: Any) -> None:
    there = _shared()
    key = "notes/falcon/20261201T090000Z-0123456789ab.json"
    there.files.works[key] = _stored(there, dumped(document))
    for who, path in (("ana", "/"), ("ana", "/team"), ("shelley", "/advisors/falcon")):
        whole_page(there, who, path)


@few(30)
@given(st.lists(texts, max_size=4), texts)
def test_a_log_and_a_name_of_a_file_are_text(lines: list[str], name: str) -> None:
    there = _shared()
    there.files.logs[OURS] = lines
    # S3 has names in UTF-8.
    named = name.encode(errors="replace").decode()
    there.files.works = {
        key: stored for key, stored in there.files.works.items() if not key.endswith(".odd.py")
    }
    there.files.put(f"teams/falcon/shared/{named}.odd.py", "x")
    there.files.put(f"submissions/land-cover/falcon/{named}.odd.py", "x")
    for who, path in (
        ("ana", f"/team/jobs/{OURS}"),
        ("ana", "/team"),
        ("ana", "/competition/land-cover"),
        ("shelley", "/advisors/falcon"),
    ):
        whole_page(there, who, path)


@functools.cache
def _shared() -> World:
    return whole()


def _stored(world: World, content: bytes) -> Any:
    world.files.put("x", content)
    return world.files.works.pop("x")


@few(30)
@given(texts)
def test_why_something_failed_is_text(why: str) -> None:
    there = _shared()
    # SageMaker tells what a job wrote to /opt/ml/output/failure.
    there.ledger.lines[:] = [
        replace(line, note=why) if line.kind == "job" else line for line in there.ledger.lines
    ]
    there.studio.app_fails = why
    there.academy.ask("ana", op="open_space")
    there.move(minutes=1)
    for who, path in (
        ("ana", "/budget"),
        ("ana", "/"),
        ("ana", "/team"),
        ("shelley", "/advisors/falcon"),
    ):
        whole_page(there, who, path)
