"""One live round after the other, and admins who act on one at the same moment."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from infra.cli.close import _live_rounds
from infra.cli.main import cohort as command
from infra.services.competition.live import months
from infra.services.competition.live.store import LiveTable
from tests.cli.competition_world import PROJECT, World, one_line
from tests.cli.test_competition_live import (
    LAST,
    SOURCE,
    VALUES,
    begin,
    board,
    observe,
    seal,
    truth,
)
from tests.cli.test_competition_live import description as description
from tests.cli.test_competition_live import world as world

RIGHT = "https://example.org/right"


@pytest.fixture
def spring(description: Path) -> Path:
    """The description of a second round."""
    other = description.with_name("spring.yaml")
    other.write_text(description.read_text().replace("id: winter", "id: spring", 1))
    return other


def observe_all(world: World, month: int) -> None:
    for name in VALUES:
        assert observe(world, name, month, truth(name, month)).exit_code == 0


# --- the next round -------------------------------------------------------------------------------
def test_a_round_begins_when_all_that_is_sealed_before_it_is_observed(
    world: World, description: Path, spring: Path
) -> None:
    begin(world, description)
    seal(world, "falcon", 0.5)
    seal(world, "heron", 0.1)
    observe_all(world, LAST + 1)
    stopped = one_line(world.verb("live", "stop", PROJECT).output)
    left = (
        "2 sealed forecasts of which not every month is observed: "
        f"{months.span(LAST + 2, LAST + 3)}"
    )
    assert f"The next round can begin when all is observed. Left: {left}." in stopped
    refused = begin(world, spring)
    assert refused.exit_code == 1
    assert f"the round winter of {PROJECT} is stopped, and has {left}" in one_line(refused.output)
    assert "would never be scored or shown" in one_line(refused.output)
    # Nothing has changed: the round before goes on to its end.
    assert board(world)["round"]["round"] == "winter"
    observe_all(world, LAST + 2)
    observe(world, "co2", LAST + 3, truth("co2", LAST + 3))
    # Of one series a month is not known yet.
    refused = begin(world, spring)
    assert f"not every month is observed: {months.name(LAST + 3)}." in one_line(refused.output)
    observe_all(world, LAST + 3)
    assert all(each["revealed"] for each in board(world)["seals"])
    begun = begin(world, spring)
    assert begun.exit_code == 0, begun.output
    assert board(world)["round"]["round"] == "spring"
    assert "abandoned" not in world.table.acts(PROJECT)[0].after


def test_what_is_sealed_is_abandoned_by_a_word_alone_which_is_recorded(
    world: World, description: Path, spring: Path
) -> None:
    begin(world, description)
    seal(world, "falcon", 0.5)
    world.verb("live", "stop", PROJECT)
    done = world.verb("live", "start", PROJECT, "--round", str(spring), "--abandon")
    assert done.exit_code == 0, done.output
    assert "winter: 1 sealed forecast" in world.table.acts(PROJECT)[0].after


# --- two admins -----------------------------------------------------------------------------------
def meanwhile(monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    """Whoever records an observation next finds that `other` was done when it had read the table
    and had not written."""
    real, left = LiveTable.observe, [other]

    def late(self: LiveTable, *given: Any) -> None:
        if left:
            left.pop()()
        real(self, *given)

    monkeypatch.setattr(LiveTable, "observe", late)


def test_a_first_value_that_comes_second_is_no_silent_correction(
    world: World, description: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, description)
    value = truth("nino12", LAST + 1)
    meanwhile(monkeypatch, lambda: observe(world, "nino12", LAST + 1, value))
    mine = observe(world, "nino12", LAST + 1, value + 0.3)
    assert mine.exit_code == 1
    assert f"= {value!r} from {SOURCE} at this moment" in one_line(mine.output)
    assert world.acts()[0][0].startswith("observe nino12")
    assert board(world)["observations"][0]["value"] == value
    # Who has seen it may say so.
    assert "corrects" in observe(world, "nino12", LAST + 1, value + 0.3).output


def test_two_who_record_the_same_agree(
    world: World, description: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, description)
    value = truth("nino12", LAST + 1)
    meanwhile(monkeypatch, lambda: observe(world, "nino12", LAST + 1, value))
    mine = observe(world, "nino12", LAST + 1, value)
    assert (mine.exit_code, "recorded already" in mine.output) == (0, True)
    assert len(world.acts()) == 2


def test_a_wrong_source_is_corrected(world: World, description: Path) -> None:
    begin(world, description)
    value = truth("nino12", LAST + 1)
    observe(world, "nino12", LAST + 1, value)
    line = ["observe", PROJECT, "nino12", months.name(LAST + 1), str(value), "--source", RIGHT]
    done = world.verb(*line, why="a slip")
    assert f"corrects the source {SOURCE}, which stays in the log" in one_line(done.output)
    [made] = board(world)["observations"]
    assert (made["source"], made["before"][0]["source"]) == (RIGHT, SOURCE)
    assert world.acts()[0] == (f"correct nino12 {months.name(LAST + 1)} = {value!r}", "a slip")
    log = one_line(world.run("competition", "log", PROJECT).output)
    assert f"source: {SOURCE} -> {RIGHT}" in log


def test_observed_values_never_go_back_in_time(
    world: World, description: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, description)
    # The package calls the verb so, too.
    live = importlib.import_module("infra.cli.competition.live")
    real, left = live._put, [None]

    def slow(arena: Any, name: str, content: bytes) -> None:
        if name == "observed.csv" and left:
            left.pop()
            observe(world, "co2", LAST + 1, truth("co2", LAST + 1))
        real(arena, name, content)

    monkeypatch.setattr(live, "_put", slow)
    assert observe(world, "nino12", LAST + 1, truth("nino12", LAST + 1)).exit_code == 0
    told = world.get("data", f"datasets/{PROJECT}/live/observed.csv").decode().split()
    assert [line.split(",")[0] for line in told[1:]] == ["co2", "nino12"]


# --- the end of the cohort ------------------------------------------------------------------------
def close(world: World, *more: str) -> Result:
    return CliRunner().invoke(command, ["close", str(world.file), *more], input="n\n")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the cohort was closed. Of the account's stacks moto knows nothing."""
    done: list[bool] = []
    monkeypatch.setattr("infra.cli.close._check_protection", lambda _site: None)
    monkeypatch.setattr("infra.cli.close.close_cohort", lambda _site: done.append(True) or iter(()))
    return done


def test_a_close_names_the_live_round_that_goes(
    world: World, description: Path, closed: list[bool]
) -> None:
    assert close(world, "--yes").exit_code == 0, "there is none"
    begin(world, description)
    assert _live_rounds(world.site) == {}, "nothing is sealed in it"
    seal(world, "falcon", 0.5)
    closed.clear()
    refused = close(world, "--yes")
    assert (refused.exit_code, closed) == (1, [])
    said = one_line(refused.output)
    assert f"cdk destroy erases the live round winter of {PROJECT}: 1 sealed forecast" in said
    assert months.span(LAST + 1, LAST + 3) in said
    assert f"--erase live:{PROJECT}" in said
    assert "live export" in said
    # Who is asked reads it before.
    asked = close(world)
    assert (asked.exit_code, closed) == (1, [])
    assert one_line(asked.output).index("the live round winter") < asked.output.index("Continue?")
    assert close(world, "--yes", "--erase", f"live:{PROJECT}").exit_code == 0
    assert closed == [True]


def test_a_round_that_is_observed_to_the_end_is_named_too(world: World, description: Path) -> None:
    begin(world, description)
    seal(world, "falcon", 0.5)
    for month in range(LAST + 1, LAST + 4):
        observe_all(world, month)
    assert _live_rounds(world.site) == {
        f"live:{PROJECT}": (
            f"the live round winter of {PROJECT}: 1 sealed forecast, all of them observed"
        )
    }


def test_a_protected_cohort_keeps_its_live_round(
    world: World, description: Path, closed: list[bool]
) -> None:
    begin(world, description)
    seal(world, "falcon", 0.5)
    text = world.file.read_text()
    assert "protect: false" in text
    world.file.write_text(text.replace("protect: false", "protect: true"))
    done = close(world, "--yes")
    assert (done.exit_code, closed) == (0, [True])
    assert "live round" not in done.output
