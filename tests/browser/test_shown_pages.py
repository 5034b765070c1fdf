"""A learner's notebook as an advisor sees it, in a real Chromium: none of it runs."""

from __future__ import annotations

import json

import pytest
from academy import showing

from infra.cli.demo.browser import browser
from tests.academy import hostile
from tests.browser.chromium import measured_each

pytestmark = pytest.mark.skipif(
    browser() is None, reason="no Chromium here: apt-get install chromium"
)

#: What ran leaves a mark on its window, and on the one around it.
LOOK = """
 return {ran: window.ran === true || document.title === "ran",
         pictures: document.images.length,
         text: document.body.innerText.length};
"""
#: What certainly runs where scripts run.
SCRIPT = f"<script>{hostile.RUNS}</script>"
#: Those that a browser takes for markup, given as they are.
TAKEN = [each for each in hostile.MARKUP if "&#60;" not in each and not each.startswith("[")]


def one_cell(source: str) -> str:
    cells = [
        {"cell_type": "markdown", "source": source},
        {
            "cell_type": "code",
            "source": source,
            "outputs": [{"output_type": "display_data", "data": {"text/html": source}}],
        },
    ]
    return showing.page("t", "x.ipynb", json.dumps({"cells": cells}).encode()).html


def pages() -> dict[str, str]:
    whole = showing.page("falcon: x.ipynb", "x.ipynb", hostile.notebook())
    got_in = whole.html.replace("</h1>", f"</h1>{SCRIPT}{hostile.MARKUP[1]}{hostile.SVG}")
    framed = showing.Page("t", "", f"<!doctype html>{SCRIPT}")._repr_html_()
    return {
        "whole": whole.html,
        "in its frame": f"<!doctype html>{whole._repr_html_()}",
        **{f"trick {n}": one_cell(each) for n, each in enumerate(hostile.MARKUP)},
        **{f"bare {n}": f"<!doctype html><p>{each}" for n, each in enumerate(TAKEN)},
        "got in": got_in,
        "got in, no policy": got_in.replace("Content-Security-Policy", "Nothing"),
        "framed": f"<!doctype html>{framed}",
        "framed, no sandbox": f"<!doctype html>{framed}".replace('sandbox=""', ""),
    }


@pytest.fixture(scope="module")
def looks() -> dict[str, dict[str, int]]:
    """Every page as it stands after it was loaded, by one browser."""
    named = pages()
    found = measured_each([(page, 900) for page in named.values()], LOOK)
    return dict(zip(named, found, strict=True))


Looks = dict[str, dict[str, int]]


def test_a_hostile_notebook_runs_nothing_and_shows_its_picture(looks: Looks) -> None:
    assert not looks["whole"]["ran"]
    assert looks["whole"]["pictures"] == 1
    assert looks["whole"]["text"] > 1000


def test_nor_does_any_of_its_tricks_alone(looks: Looks) -> None:
    for number, trick in enumerate(hostile.MARKUP):
        found = looks[f"trick {number}"]
        assert not found["ran"], trick
        assert found["text"] > 0, trick


def test_nor_in_the_frame_that_a_notebook_shows(looks: Looks) -> None:
    assert not looks["in its frame"]["ran"]


def test_the_tricks_do_run_where_they_are_taken_for_markup(looks: Looks) -> None:
    """What the tests above would see."""
    ran = {trick: looks[f"bare {number}"]["ran"] for number, trick in enumerate(TAKEN)}
    assert sum(ran.values()) >= 5, ran


def test_the_page_forbids_itself_scripts_should_one_ever_get_in(looks: Looks) -> None:
    assert not looks["got in"]["ran"]
    assert looks["got in, no policy"]["ran"], "the policy is what forbids it"


def test_the_frame_forbids_them_too(looks: Looks) -> None:
    assert not looks["framed"]["ran"]
    assert looks["framed, no sandbox"]["ran"], "the sandbox is what forbids it"
