"""A leaderboard from Kaggle: read in both forms, and harmless whatever its teams are called."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.publishing.kaggle import KaggleError, leaderboard
from infra.publishing.kaggle.leaderboard import Row, beside, read, shown

HEADER = "Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames"


def table(*rows: str, header: str = HEADER) -> bytes:
    return ("\ufeff" + "\r\n".join([header, *rows]) + "\r\n").encode()


def test_the_downloaded_form_is_read() -> None:
    found = read(table('1,77,"Owls, the",2027-01-02 03:04:05,0.71234,5,"a,b"', "2,78,Ann,,0.5,1,c"))
    assert found == [
        Row(1, "Owls, the", 0.71234, 5, "2027-01-02 03:04:05"),
        Row(2, "Ann", 0.5, 1, ""),
    ]


def test_the_printed_form_is_read() -> None:
    header = "teamId,teamName,submissionDate,score"
    found = read(
        table("77,Owls,2027-01-02 03:04:05.6700000,0.7", "", "78,Ann,,-1e-3", header=header)
    )
    assert found == [
        Row(1, "Owls", 0.7, None, "2027-01-02 03:04:05"),
        Row(3, "Ann", -0.001, None, ""),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line is ''; expected the columns of a leaderboard of Kaggle"),
        (table(header="Rank,TeamName"), "expected the columns of a leaderboard"),
        (table(header="TeamName,Score,score"), "expected the columns of a leaderboard"),
        (table(header="<script>alert(1)</script>"), "the first line is '<script>"),
        (b"\xff\xfe\x00", "is not UTF-8 text (byte 0)"),
        (table("1,7,a\0b,,0.5,1,c"), "holds a NUL character"),
        (table('1,7,"a,,0.5,1,c'), "row 1: not CSV"),
        (table("1,7,a,,0.5,1"), "row 1: 6 cells; the first line has 7"),
        (table("1,7,a,,=1+1,1,c"), "row 1: the score '=1+1' is not a number"),
        (table("1,7,a,,nan,1,c"), "row 1: the score 'nan' is not a number"),
        (table("1,7,a,,1e999,1,c"), "row 1: the score '1e999' is not a number"),
        (table("1,7,a,,,1,c"), "row 1: the score '' is not a number"),
        (table("1,7,a,,1_0,1,c"), "row 1: the score '1_0' is not a number"),
        (table("1,7,a,,0.5,1,c", "x,8,b,,0.5,1,c"), "row 2: the rank 'x' is not a whole number"),
        (table("1,7,a,,0.5,-1,c"), "row 1: the number of submissions '-1' is not a whole number"),
        (table("9" * 99 + ",7,a,,0.5,1,c"), "row 1: the rank '9999"),
        (table(f'1,7,"{"a" * 200_000}",,0.5,1,c'), "row 1: not CSV (field larger than"),
        (bytes(leaderboard.MAX_BYTES + 1), "is larger than 20,000,000 bytes"),
    ],
)
def test_what_is_no_leaderboard_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(KaggleError) as caught:
        read(content)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_zip_is_refused_with_what_to_do() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.csv", table())
    with pytest.raises(KaggleError, match=r"unzip it, and give the \.csv"):
        read(file.getvalue())


def test_more_rows_than_a_leaderboard_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaderboard, "MAX_ROWS", 2)
    row = "1,7,a,,0.5,1,c"
    assert len(read(table(row, row))) == 2
    with pytest.raises(KaggleError, match="more than 2 rows"):
        read(table(row, row, row))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("\x1b[2J\x1b]0;owned\x07Owls", "[2J ]0;owned Owls"),
        ("one\r\ntwo\tthree", "one two three"),
        ("abc\u202edcb\u2066x\u200b", "abc dcb x"),
        ("a\u2028b\u2029c", "a b c"),
        ('=cmd|"/c calc"!A1', '=cmd|"/c calc"!A1'),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("é 火 team", "é 火 team"),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_a_name_is_shown_on_one_line_and_moves_nothing(name: str, expected: str) -> None:
    assert shown(name) == expected


@given(st.text())
def test_any_name_is_printable(name: str) -> None:
    assert shown(name).isprintable()
    assert len(shown(name)) <= leaderboard.MAX_NAME
    assert "\x1b" not in shown(name)


BOARD = {
    "better": "higher",
    "entries": [
        {
            "rank": 1,
            "team": "falcon",
            "score": 0.6,
            "submissions": 3,
            "submitted": "2027-01-02T03:04:05Z",
        },
        {"rank": 2, "team": "\x1bheron", "score": 0.2, "submissions": 1, "submitted": ""},
    ],
    "lines": [{"name": "floor: bare everywhere", "score": 0.05, "kind": "floor"}],
}


def test_both_boards_are_sorted_together_the_better_first() -> None:
    rows = [Row(1, "owls", 0.7, 5, ""), Row(2, "ann", 0.4, None, "")]
    found = beside(BOARD, rows)
    assert [(one.place, one.rank, one.team) for one in found] == [
        ("Kaggle", "1", "owls"),
        ("academy", "1", "falcon"),
        ("Kaggle", "2", "ann"),
        ("academy", "2", "heron"),
        ("", "", "floor: bare everywhere"),
    ]
    assert found[1].submitted == "2027-01-02 03:04:05"
    lower = beside({**BOARD, "better": "lower"}, rows)
    assert [one.team for one in lower] == [one.team for one in reversed(found)]


@pytest.mark.parametrize("board", [[], {}, {"entries": [{}], "lines": []}, {"entries": 3}, None])
def test_a_board_that_is_none_is_told(board: object) -> None:
    with pytest.raises(KaggleError, match="the academy's board cannot be read"):
        beside(board, [])
