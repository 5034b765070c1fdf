"""`cohort competition mark`: checked here as a learner's file is, sent, and waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli.competition import marking as command
from tests.cli.competition_world import PROJECT, World, one_line, world_of
from tests.cli.test_competition_rerun import published


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(command, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(command, "PAUSE_SECONDS", 0.0)
    with world_of(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    found = tmp_path / "expert.csv"
    found.write_text(published(world))
    return found


def answered(world: World, monkeypatch: pytest.MonkeyPatch, status: str, message: str) -> None:
    """The receipt is there as soon as something was sent."""
    send = command._send

    def answer(arena: Any, key: str, *rest: Any) -> None:
        send(arena, key, *rest)
        receipt = {"status": status, "message": message}
        where = key.replace("submissions/", "receipts/", 1) + ".json"
        world.put("work", where, json.dumps(receipt))

    monkeypatch.setattr(command, "_send", answer)


def test_it_goes_the_way_of_a_submission_under_the_marks_own_name(
    world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(world, monkeypatch, "scored", "Scored 0.512 on the public part.")
    done = world.verb(
        "mark", PROJECT, "expert", str(file), "--note", "Shelley's", why="the expert's own"
    )
    assert done.exit_code == 0, done.output
    assert "scored: Scored 0.512 on the public part." in done.output
    [key] = world.keys("work", "submissions/")
    assert key.startswith(f"submissions/{PROJECT}/expert/")
    assert key.endswith(".csv")
    sent = world.s3.head_object(Bucket=world.site.bucket("work"), Key=key)
    assert sent["Metadata"] == {"note": "Shelley%27s"}
    [(what, why)] = world.acts()
    assert what.startswith("set expert: ")
    assert key.rpartition("/")[2] in what
    assert why == "the expert's own"


def test_a_file_that_a_learner_could_not_send_is_refused_here(world: World, file: Path) -> None:
    file.write_text(file.read_text().rsplit("\n", 2)[0] + "\n")
    done = world.verb("mark", PROJECT, "baseline", str(file))
    assert done.exit_code == 1
    assert "rows are missing" in one_line(done.output)
    assert world.keys("work") == []
    assert world.acts() == []


def test_what_the_scorer_refuses_leaves_the_mark_as_it_was(
    world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(world, monkeypatch, "refused", "\x1b[31mNo.")
    done = world.verb("mark", PROJECT, "expert", str(file))
    assert done.exit_code == 1
    assert "refused: [31mNo." in done.output
    assert "is what it was before" in one_line(done.output)


def test_nobody_waits_for_ever(world: World, file: Path) -> None:
    done = world.verb("mark", PROJECT, "expert", str(file))
    assert done.exit_code == 1
    assert "Nothing is lost: it will be scored" in one_line(done.output)


def test_a_team_is_no_mark_and_a_note_has_an_end(world: World, file: Path) -> None:
    assert world.verb("mark", PROJECT, "falcon", str(file)).exit_code == 2
    done = world.verb("mark", PROJECT, "expert", str(file), "--note", "x" * 201)
    assert done.exit_code == 1
    assert "at most 200" in done.output
    assert world.keys("work") == []


def test_before_anything_is_published_it_says_so(world: World, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("series,step,value\n")
    done = world.verb("mark", PROJECT, "expert", str(file))
    assert done.exit_code == 1
    assert "run cohort publish" in one_line(done.output)
