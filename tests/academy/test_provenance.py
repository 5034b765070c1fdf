"""A learner sees which job and image an entry comes from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from academy.board import Leaderboard
from academy.submissions import Receipt, read_receipt

JOB = "earth--falcon--ana--aaaaaaaa"
IMAGE = "academy/segmentation-cpu@0123456789ab"


def receipt(**members: Any) -> Receipt:
    document = {
        "status": "scored",
        "message": "Scored 0.4200.",
        "public_score": 0.42,
        "received": "2026-12-01T10:00:00Z",
        "counted": True,
        **members,
    }
    return read_receipt("mine.csv", json.dumps(document).encode())


def test_a_receipt_shows_job_and_image() -> None:
    found = receipt(job=JOB, image=IMAGE)
    assert (found.job, found.image) == (JOB, IMAGE)
    assert f"made by {JOB} on {IMAGE}" in repr(found)
    assert f"made by {JOB} on {IMAGE}" in found._repr_html_()


@pytest.mark.parametrize("members", [{}, {"job": None, "image": None}, {"job": "", "image": ""}])
def test_a_receipt_without_a_job_shows_none(members: dict[str, Any]) -> None:
    found = receipt(**members)
    assert (found.job, found.image) == ("", "")
    assert "made by" not in repr(found) + found._repr_html_()


def test_what_a_receipt_holds_is_shown_and_not_run() -> None:
    found = receipt(job="<script>alert(1)</script>", image="<img src=x>")
    assert "<script>" not in found._repr_html_()
    assert "<img" not in found._repr_html_()


def test_the_boards_entries_keep_job_and_image() -> None:
    entry = {"rank": 1, "team": "falcon", "score": 0.4, "job": JOB, "image": IMAGE}
    board = Leaderboard.from_document({"project": "x", "entries": [entry]}, "falcon")
    assert (board.entries[0]["job"], board.entries[0]["image"]) == (JOB, IMAGE)
    assert "falcon (you)" in repr(board)
