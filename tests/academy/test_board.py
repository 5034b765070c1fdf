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
    assert repr(board).splitlines()[1] == "Open until 2027-03-15 24:00 UTC."
    assert repr(board).splitlines()[2].split("  ")[0] == "rank"
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


def heads(text: str) -> list[str]:
    """The columns of the first table in a text."""
    return re.split(r"\s{2,}", next(x for x in text.splitlines() if x.startswith("rank ")))


def test_left_today_cost_and_gpu_hours_stand_beside_the_entry() -> None:
    board = Leaderboard.from_document(boards.lively(), "ibis", today="2026-12-18")
    at = {name: place for place, name in enumerate(heads(repr(board)))}
    row = cells(board, "ibis (you)")
    assert [row[at[name]] for name in ("left today", "cost", "GPU hours")] == ["4", "$3.07", "2.2"]
    assert "Cost and GPU hours are those of the training job that the entry names." in repr(board)


def test_on_the_next_day_all_are_left_whatever_an_older_board_says() -> None:
    board = Leaderboard.from_document(boards.lively(), "ibis", today="2026-12-19")
    assert {entry["left_today"] for entry in board.entries} == {5}


def test_further_metrics_have_columns_of_their_own() -> None:
    board = Leaderboard.from_document(boards.forecast(), "ibis")
    names = heads(repr(board))
    assert "WQL" in names
    assert "coverage of the 80 % interval" in names
    assert cells(board, "ibis (you)")[names.index("WQL")] == "0.106"


def test_a_board_says_its_phase() -> None:
    assert "Opens 2026-12-01 08:00 UTC." in repr(Leaderboard.from_document(boards.soon(), ""))
    frozen = repr(Leaderboard.from_document(boards.frozen(), ""))
    assert "Paused: Two scenes had their labels swapped" in frozen
    assert "Submissions are kept and scored when it goes on." in frozen
    assert "Closed since 2026-12-18 12:00 UTC." in repr(
        Leaderboard.from_document(boards.closed(), "")
    )


def test_the_result_stands_first_with_each_teams_move_and_what_explains_it() -> None:
    text = repr(Leaderboard.from_document(boards.closed(), "falcon"))
    lines = text.splitlines()
    assert lines[2] == "The result, on the private part:"
    assert heads(text)[-4:] == ["public rank", "moved", "chosen by", "note"]
    kestrel = next(line for line in lines if "kestrel" in line and "4–6" in line)
    assert "1            −4     public score" in kestrel
    heron = next(line for line in lines if re.match(r"1–5 +heron", line))
    assert "4            +1 ≈   public score" in heron
    assert "kestrel went down from rank 1 to 5" in text
    assert "falcon had a better entry on the private part, 0.559, that was not chosen." in text
    assert "heron had a better" not in text, "what others missed is theirs to say"
    assert text.index("The public board at the close:") > text.index("kestrel went down")
    assert "Disqualified: shrike (trained on the maps that the labels were drawn from)." in text
    assert "submissions a day" not in text


def test_a_result_is_not_shown_before_the_close() -> None:
    early = boards.closed() | {"phase": "open"}
    assert "The result" not in repr(Leaderboard.from_document(early, "ibis"))


def test_hostile_words_in_a_result_are_shown_and_not_run() -> None:
    board = Leaderboard.from_document(boards.hostile_end(), boards.HOSTILE[0], link="javascript:x")
    page, text = board._repr_html_(), repr(board)
    for tag in ("<script", "<img", "<svg", "<iframe", "<style", "<base", "<a "):
        assert tag not in page
    assert "\x1b" not in text + page
    assert "\u202e" not in text + page


def test_the_boards_page_is_a_link_in_a_notebook_and_its_address_is_not_printed() -> None:
    address = "https://example.org/land-cover.html?X-Amz-Signature=a&b='"
    board = Leaderboard.from_document(boards.lively(), "ibis", link=address)
    page = board._repr_html_()
    assert "<a href='https://example.org/land-cover.html?X-Amz-Signature=a&amp;b=&#x27;'" in page
    assert "rel='noopener noreferrer'>Open the board's page</a>" in page
    assert "X-Amz" not in repr(board)


def test_a_result_in_a_notebook_has_every_cell_under_its_head() -> None:
    page = Leaderboard.from_document(boards.closed(), "ibis")._repr_html_()
    tables = re.findall(r"<table.*?</table>", page)
    assert len(tables) == 2
    for table in tables:
        head = table.count("<th scope='col'")
        assert {row.count("<td") for row in re.findall(r"<tr style=.*?</tr>", table)} == {head}


def test_entries_and_lines_have_the_other_measures_in_columns() -> None:
    board = Leaderboard.from_document(boards.forecast(), "")
    head = re.split(r"\s{2,}", repr(board).splitlines()[2])
    assert {"WQL", "coverage of the 80 % interval"} <= set(head)
    assert {"0.104", "0.820"} <= set(cells(board, "kestrel"))
    assert {"0.114", "0.833"} <= set(cells(board, "rival: AutoARIMA"))
    assert "0.114" in board._repr_html_()
    for entry in board.entries:
        entry["also"] = {}
    assert "0.833" in repr(board), "also where no entry has any"
