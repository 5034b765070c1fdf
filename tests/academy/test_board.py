"""The leaderboard in a notebook: ranks with their intervals, ties, and nothing that runs."""

from __future__ import annotations

import re

from academy.board import Leaderboard

from tests.browser import boards


def cells(board: Leaderboard, team: str) -> list[str]:
    """A team's line of the text, by columns."""
    line = next(line for line in repr(board).splitlines() if team in line)
    return re.split(r"\s{2,}", line)


def test_a_line_has_rank_interval_score_interval_ties_and_gap() -> None:
    board = Leaderboard.from_document(boards.lively(), "ibis")
    assert repr(board).splitlines()[1].split("  ")[0] == "rank"
    assert cells(board, "ibis (you)")[:6] == [
        "1–4",
        "ibis (you)",
        "0.618",
        "0.584–0.649",
        "kestrel, avocet + 3",
        "97 %",
    ]
    assert cells(board, "kestrel ≈")[:2] == ["1–3", "kestrel ≈ expert"]


def test_an_entry_without_evidence_has_its_rank_and_no_interval() -> None:
    board = Leaderboard.from_document(boards.lively(), "")
    assert cells(board, "wren")[:4] == ["12", "wren", "0.238", "25"]


def test_what_the_columns_mean_stands_below() -> None:
    text = repr(Leaderboard.from_document(boards.narrow(), ""))
    assert "A rank such as 2–4 names the places that chance cannot rule out" in text
    assert "≈ expert: near or equal to the expert." in text
    assert "Only 12 scenes are held out in the public part" in text
    assert "Each team has 5 submissions a day (UTC)." in text
    assert "Only" not in repr(Leaderboard.from_document(boards.lively(), ""))


def test_a_board_of_old_has_the_columns_that_it_can_fill() -> None:
    board = Leaderboard.from_document(boards.of_old(), "heron")
    lines = repr(board).splitlines()
    assert re.split(r"\s{2,}", lines[1]) == [
        "rank",
        "team",
        "score",
        "submissions",
        "last (UTC)",
        "note",
    ]
    assert cells(board, "heron (you)")[:3] == ["4", "heron (you)", "0.912"]
    assert len(lines) == 3 + 13, "and nothing below the table"


def test_hostile_words_are_shown_and_not_run() -> None:
    board = Leaderboard.from_document(boards.hostile(), boards.HOSTILE[0])
    page = board._repr_html_()
    for tag in ("<script", "<img", "<svg", "<iframe", "<style", "<base", "<a "):
        assert tag not in page
    assert "&lt;script&gt;" in page
    text = repr(board)
    assert "\x1b" not in text, "nothing that moves a terminal's cursor"
    assert "\u202e" not in text + page, "nothing that turns a line around"
    assert "<script>window.pwned" in text


def test_a_name_from_right_to_left_leaves_the_others_in_order() -> None:
    board = Leaderboard.from_document(boards.lively(), "")
    assert "\u2068النورس\u2069, owl + 2" in cells(board, "plover  ")


def test_each_cell_of_the_notebooks_table_stands_under_its_head() -> None:
    page = Leaderboard.from_document(boards.lively(), "ibis")._repr_html_()
    head = re.findall(r"<th scope='col'[^>]*>(.*?)</th>", page)
    assert head[:6] == ["rank", "team", "score", "95 % interval", "tied with", "gap closed"]
    rows = re.findall(r"<tr style=.*?</tr>", page)
    assert len(rows) == 12 + 4
    assert {row.count("<td") for row in rows} == {len(head)}
