"""`cohort competition live` and `observe`: with the cloud, and with plain files when it is gone."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from infra.cli import publish
from infra.cli.competition import archive, archive_files
from infra.cli.main import cohort as command
from infra.services.competition.checking.forecast_rows import Forecast
from infra.services.competition.live import months, reading
from infra.services.competition.live.publishing import publish as publish_live
from infra.services.competition.live.publishing import revealed_key
from infra.services.competition.live.sealing import Seal, hash_of
from infra.services.competition.live.store import LiveTable
from tests.cli.competition_world import NOW, PROJECT, Files, World, one_line, world_of
from tests.services.live_world import series

#: The history ends four months ago: three are over and not in it.
LAST = months.of(NOW) - 4
FIRST = LAST - 419
VALUES = {"nino12": series(1, 23, 3), "co2": series(2, 400, 2)}
SOURCE = "https://example.org/values"


@contextmanager
def live_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_of(folder, monkeypatch) as found:

        def scorer(event: dict[str, Any]) -> dict[str, Any]:
            if "live" not in event:
                return found.publish()
            table = LiveTable.of(found.table)
            made = publish_live(
                PROJECT, found.settings, Files(found), table, lambda: dt.datetime.now(dt.UTC)
            )
            return {n: v for n, v in (made or {}).items() if n != "seals"}

        found.functions.run["scorer"] = scorer
        yield found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with live_world(tmp_path, monkeypatch) as found:
        yield found


def truth(name: str, month: int) -> float:
    return VALUES[name][month - FIRST]


@pytest.fixture
def description(tmp_path: Path) -> Path:
    return described(tmp_path)


def described(folder: Path) -> Path:
    """A round's file, with the histories beside it."""
    for name, values in VALUES.items():
        rows = [f"{months.name(FIRST + at)},{value}" for at, value in enumerate(values[:420])]
        (folder / f"{name}.csv").write_text("\n".join(["month,value", *rows, ""]))
    document = {
        "id": "winter",
        "title": "Two series, as they come",
        "horizon": 3,
        "series": [
            {
                "id": name,
                "title": name,
                "unit": "°C",
                "source": "NOAA",
                "url": "https://example.org/x",
                "history": f"{name}.csv",
            }
            for name in VALUES
        ],
    }
    file = folder / "round.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def begin(world: World, description: Path) -> Result:
    return world.verb("live", "start", PROJECT, "--round", str(description))


def seal(world: World, team: str, off: float, received: dt.datetime | None = None) -> Seal:
    """A forecast that was received when the first month after the history had not begun."""
    table = LiveTable.of(world.table)
    given = table.round(PROJECT)
    assert given is not None
    received = received or months.begins(LAST) + dt.timedelta(days=3)
    asked = given.asked(received)
    body = reading.canonical(
        {(n, m): Forecast(truth(n, m) + off) for n in given.names for m in asked}
    )
    salt = f"{abs(hash((team, off))):032x}"
    sealed = hash_of(PROJECT, given.id, team, salt, body)
    made = Seal(team, f"{off}.live.csv", received, asked[0], asked[-1], sealed, salt, sealed)
    return table.seal(given, made, body, 100)


def observe(world: World, name: str, month: int, value: float | str, *more: str) -> Result:
    line = ["observe", PROJECT, name, months.name(month), str(value), "--source", SOURCE, *more]
    return world.verb(*line, why="published")


def board(world: World) -> dict[str, Any]:
    found = json.loads(world.get("site", f"boards/{PROJECT}.live.json"))
    assert isinstance(found, dict)
    return found


def test_a_round_is_begun_recorded_and_told_to_learners(world: World, description: Path) -> None:
    done = begin(world, description)
    assert done.exit_code == 0, done.output
    asked = months.span(months.of(NOW) + 1, months.of(NOW) + 3)
    assert f"2 series, 3 months ahead. Now forecast: {asked}" in one_line(done.output)
    assert world.acts()[0] == ("start live round winter", "the reason")
    task = json.loads(world.get("data", f"datasets/{PROJECT}/live/task.json"))
    assert (task["round"], task["horizon"], task["stopped"]) == ("winter", 3, None)
    history = world.get("data", f"datasets/{PROJECT}/live/history.csv").decode()
    assert history.count("\n") == 841
    assert board(world)["entries"] == []
    # Again is no harm: it mends files that did not get there.
    world.s3.delete_object(
        Bucket=world.site.bucket("data"), Key=f"datasets/{PROJECT}/live/task.json"
    )
    again = begin(world, description)
    assert "is open since" in again.output
    assert json.loads(world.get("data", f"datasets/{PROJECT}/live/task.json")) == task
    assert len(world.acts()) == 1


def test_a_second_round_waits_for_the_end_of_the_first(world: World, description: Path) -> None:
    begin(world, description)
    other = description.with_name("other.yaml")
    other.write_text(description.read_text().replace("id: winter", "id: spring", 1))
    refused = begin(world, other)
    assert refused.exit_code == 1
    assert "stop it first" in refused.output
    stopped = world.verb("live", "stop", PROJECT)
    assert stopped.exit_code == 0, stopped.output
    assert "stopped at" in world.verb("live", "stop", PROJECT).output
    task = json.loads(world.get("data", f"datasets/{PROJECT}/live/task.json"))
    assert task["stopped"] is not None
    assert begin(world, other).exit_code == 0
    assert board(world)["round"]["round"] == "spring"
    world.verb("live", "stop", PROJECT)
    # A name is had once: its forecasts are in the table.
    assert "another id" in begin(world, description).output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("horizon: 3", "horizon: 99"), "horizon is 99", id="horizon"),
        pytest.param(("nino12.csv", "nowhere.csv"), "cannot be read", id="file"),
        pytest.param(("title: Two", "titel: Two"), "lacks title and has titel", id="member"),
        pytest.param(("title: Two", "title: [Two"), "cannot be read", id="yaml"),
    ],
)
def test_a_description_with_a_fault_begins_nothing(
    world: World, description: Path, change: tuple[str, str], said: str
) -> None:
    description.write_text(description.read_text().replace(*change))
    done = begin(world, description)
    assert done.exit_code == 1
    assert said in one_line(done.output)
    assert "Traceback" not in done.output
    assert world.acts() == []
    assert world.keys("data", "datasets/") == []


def test_a_gap_in_a_history_is_told_with_its_row(world: World, description: Path) -> None:
    file = description.with_name("co2.csv")
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:5] + lines[6:]))
    done = begin(world, description)
    assert "co2.csv, row 5" in one_line(done.output)


def test_a_project_that_forecasts_no_months_has_no_round(world: World, description: Path) -> None:
    done = world.verb("live", "start", "land-cover", "--round", str(description))
    assert (done.exit_code, "forecasts no months" in done.output) == (1, True)
    assert "has no live round" in observe(world, "nino12", LAST + 1, 20).output


def test_what_is_observed_is_recorded_and_scored(world: World, description: Path) -> None:
    begin(world, description)
    seal(world, "falcon", 0.5)
    for name in VALUES:
        done = observe(world, name, LAST + 1, truth(name, LAST + 1))
        assert done.exit_code == 0, done.output
    assert "falcon" in done.output
    assert "all are tied" in done.output
    [entry] = board(world)["entries"]
    assert (entry["team"], entry["months"]) == ("falcon", 1)
    what, why = world.acts()[0]
    month = months.name(LAST + 1)
    assert (what, why) == (f"observe co2 {month} = {truth('co2', LAST + 1)!r}", "published")
    observed = world.get("data", f"datasets/{PROJECT}/live/observed.csv").decode()
    assert f"nino12,{month},{truth('nino12', LAST + 1)!r}" in observed


def test_the_same_again_changes_nothing_and_a_correction_keeps_the_old_value(
    world: World, description: Path
) -> None:
    begin(world, description)
    value = truth("nino12", LAST + 1)
    observe(world, "nino12", LAST + 1, value)
    again = observe(world, "nino12", LAST + 1, value)
    assert (again.exit_code, "recorded already" in again.output) == (0, True)
    assert len(world.acts()) == 2
    corrected = observe(world, "nino12", LAST + 1, value + 0.1)
    assert f"corrects {value!r}, which stays in the log" in one_line(corrected.output)
    log = one_line(world.run("competition", "log", PROJECT).output)
    assert f"value: {value} -> {value + 0.1}" in log
    assert board(world)["observations"][0]["before"][0]["value"] == value


@pytest.mark.parametrize(
    ("name", "month", "value", "said"),
    [
        pytest.param("nino12", months.of(NOW), 23.0, "is not over", id="this-month"),
        pytest.param("nino12", LAST + 2, 23.0, "would leave a gap", id="gap"),
        pytest.param("nino12", LAST, 23.0, "part of the history", id="history"),
        pytest.param("soi", LAST + 1, 23.0, "no series 'soi'", id="series"),
        pytest.param("nino12", LAST + 1, 2.45, "say --surely", id="slip"),
        pytest.param("nino12", LAST + 1, "x", "expected a number", id="number"),
        pytest.param("nino12", LAST + 1, "nan", "was measured", id="nan"),
        pytest.param("nino12", LAST + 1, -999.9, "say --surely", id="missing-value"),
    ],
)
def test_what_may_not_be_observed_is_refused_in_words(
    world: World, description: Path, name: str, month: int, value: Any, said: str
) -> None:
    begin(world, description)
    done = observe(world, name, month, value)
    assert done.exit_code == 1
    assert said in one_line(done.output)
    assert len(world.acts()) == 1
    if "surely" in said:
        assert observe(world, name, month, value, "--surely").exit_code == 0


def test_if_the_board_cannot_be_renewed_the_observation_holds(
    world: World, description: Path
) -> None:
    begin(world, description)

    def broken(_event: Any) -> Any:
        raise RuntimeError("no")

    world.functions.run["scorer"] = broken
    done = observe(world, "nino12", LAST + 1, truth("nino12", LAST + 1))
    assert done.exit_code == 0
    assert "It is recorded, and holds" in done.output
    assert len(world.acts()) == 2


def whole(world: World, description: Path) -> Seal:
    """A round of which all of falcon's months and none of heron's are observed."""
    begin(world, description)
    first = seal(world, "falcon", 0.5)
    seal(world, "heron", 0.1, NOW)
    for month in range(LAST + 1, LAST + 4):
        for name in VALUES:
            assert observe(world, name, month, truth(name, month)).exit_code == 0
    return first


def test_hashes_are_verified_against_what_everybody_sees(world: World, description: Path) -> None:
    shown = whole(world, description)
    done = world.run("competition", "live", "verify", PROJECT)
    assert done.exit_code == 0, done.output
    assert "2 forecasts of the round winter, 1 of them shown" in one_line(done.output)
    key = revealed_key(PROJECT, shown.hash)
    document = json.loads(world.get("site", key))
    document["forecast"] = document["forecast"].replace("nino12", "nino13", 1)
    world.put("site", key, json.dumps(document))
    forged = world.run("competition", "live", "verify", PROJECT)
    assert (forged.exit_code, "is not what was sealed" in one_line(forged.output)) == (1, True)


def test_a_seal_that_the_public_board_lacks_is_found(world: World, description: Path) -> None:
    whole(world, description)
    key = f"boards/{PROJECT}.live.json"
    document = json.loads(world.get("site", key))
    kept = document["seals"]
    world.put("site", key, json.dumps({**document, "seals": kept[:1]}))
    assert "lacks the seal" in world.run("competition", "live", "verify", PROJECT).output
    added = {**kept[0], "hash": "f" * 64}
    world.put("site", key, json.dumps({**document, "seals": [*kept, added]}))
    done = world.run("competition", "live", "verify", PROJECT)
    assert "a seal that the table lacks" in done.output


# --- when the cloud is gone -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a cloud that is gone, for reading."""
    kept = tmp_path_factory.mktemp("round")
    target, description = kept / "kept", described(kept)
    with pytest.MonkeyPatch.context() as patch, live_world(kept, patch) as world:
        whole(world, description)
        done = world.run("competition", "live", "export", PROJECT, str(target))
        assert done.exit_code == 0, done.output
        assert "2 forecasts and 6 observations" in done.output
        again = world.run("competition", "live", "export", PROJECT, str(target))
        assert "not empty" in again.output
        (target / "board.cloud.json").write_text(json.dumps(board(world)))
    shutil.copyfile(description, target / "unrelated.yaml")
    return target


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """An export, and no cloud any more."""
    return Path(shutil.copytree(exported, tmp_path / "kept"))


def alone(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["competition", *arguments])


def observe_alone(folder: Path, month: str, value: float, *more: str) -> Result:
    line = ["observe", "--archive", str(folder), "nino12", month, str(value), "--source", SOURCE]
    return alone(*line, "--why", "published", *more)


def test_the_archive_makes_the_same_board(folder: Path) -> None:
    cloud = json.loads((folder / "board.cloud.json").read_text())
    here = json.loads((folder / "board.json").read_text())
    assert {**here, "updated": ""} == {**cloud, "updated": ""}
    assert "Two series, as they come" in (folder / "board.html").read_text()
    log = json.loads((folder / "log.json").read_text())
    assert [each["what"].split()[0] for each in log] == ["start", *["observe"] * 6]


def test_the_round_goes_on_with_the_folder_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_cloud(*_: Any, **__: Any) -> Any:
        raise AssertionError("the cloud was asked")

    monkeypatch.setattr("boto3.client", no_cloud)
    month = months.name(LAST + 3)
    value = truth("nino12", LAST + 3)
    done = observe_alone(folder, month, value + 0.2)
    assert done.exit_code == 0, done.output
    assert f"corrects {value!r}" in one_line(done.output)
    found = json.loads((folder / "board.json").read_text())
    [corrected] = [each for each in found["observations"] if each["before"]]
    assert corrected["value"] == value + 0.2
    assert json.loads((folder / "log.json").read_text())[-1]["what"].startswith("correct nino12")
    again = observe_alone(folder, month, value + 0.2)
    assert "recorded already" in again.output
    future = observe_alone(folder, months.name(months.of(NOW)), value)
    assert (future.exit_code, "is not over" in future.output) == (1, True)
    verified = alone("live", "verify", "--archive", str(folder))
    assert "2 forecasts" in verified.output


def changed(file: Path) -> None:
    text = file.read_text()
    file.write_text(text.replace(".", "1.", 1))


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda f: changed(min((f / "forecasts").iterdir())), id="value"),
        pytest.param(lambda f: min((f / "forecasts").iterdir()).unlink(), id="gone"),
        pytest.param(
            lambda f: (f / "seals.json").write_text(
                (f / "seals.json").read_text().replace('"heron"', '"kite"')
            ),
            id="team",
        ),
        pytest.param(
            lambda f: (f / "seals.json").write_text(
                json.dumps(2 * json.loads((f / "seals.json").read_text()))
            ),
            id="twice",
        ),
        pytest.param(
            lambda f: (f / "seals.json").write_text(
                (f / "seals.json").read_text().replace('"hash": "', '"hash": "../', 1)
            ),
            id="path",
        ),
        pytest.param(lambda f: (f / "round.json").write_text("[]"), id="round"),
        pytest.param(lambda f: (f / "observations.json").write_text("{}x"), id="json"),
        pytest.param(
            lambda f: (f / "seals.json").write_text(
                (f / "seals.json").read_text().replace(f"{NOW:%Y-%m-%dT}", "2020-01-01T")
            ),
            id="received",
        ),
    ],
)
def test_an_archive_that_was_tampered_with_is_refused(folder: Path, tamper: Any) -> None:
    tamper(folder)
    before = (folder / "observations.json").read_bytes()
    done = observe_alone(folder, months.name(LAST + 3), truth("nino12", LAST + 3) + 0.1)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert (folder / "observations.json").read_bytes() == before
    assert alone("live", "verify", "--archive", str(folder)).exit_code == 1


def test_words_that_are_missing_are_asked_for(world: World, tmp_path: Path) -> None:
    done = world.verb("observe", PROJECT, "nino12", "--source", SOURCE)
    assert "expected PROJECT SERIES MONTH VALUE" in done.output
    done = alone("observe", "nino12", "--archive", str(tmp_path), "--source", "x", "--why", "y")
    assert "expected SERIES MONTH VALUE" in done.output
    assert "give PROJECT, or --archive" in alone("live", "verify").output


def test_a_value_below_zero_is_a_value(world: World, description: Path) -> None:
    document = yaml.safe_load(description.read_text())
    description.write_text(yaml.safe_dump(document))
    begin(world, description)
    done = observe(world, "nino12", LAST + 1, -1.5, "--surely")
    assert done.exit_code == 0, done.output


def test_observed_values_are_written_in_order() -> None:
    assert archive.observed_csv([]) == b"series,month,value\n"


def test_a_second_publication_of_the_data_leaves_the_round_alone(
    world: World, description: Path
) -> None:
    begin(world, description)
    folder = f"datasets/{PROJECT}/"
    kept = world.keys("data", f"{folder}live/")
    world.put("data", f"{folder}old.csv", "x")
    files = {f"{folder}task.json": b"{}"}
    publish._upload(world.site, "data", files, only=folder, spared=f"{folder}live/")
    assert world.keys("data", folder) == sorted([*kept, f"{folder}task.json"])
    assert len(kept) == 3


def edited(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """A file of the archive with its JSON changed in place."""
    file = folder / name
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def _swapped(seals: Any) -> None:
    seals[0]["received"], seals[1]["received"] = seals[1]["received"], seals[0]["received"]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        pytest.param("seals.json", _swapped, "is not what was sealed", id="times"),
        pytest.param(
            "seals.json", lambda s: s[0].update(last=s[0]["first"]), "is not what was", id="months"
        ),
        pytest.param("seals.json", lambda s: s.pop(), "not the same seals", id="dropped"),
        pytest.param("board.json", lambda b: b.pop("seals"), "no archive", id="board"),
        pytest.param("round.json", lambda r: r.update(version=99), "its version", id="version"),
        pytest.param(
            "round.json",
            lambda r: r["task"]["series"][0].update(scale=9.0),
            "one round",
            id="scale",
        ),
        pytest.param(
            "observations.json", lambda o: o[0].update(value=1.5), "does not say", id="observed"
        ),
        pytest.param("log.json", lambda log: log.pop(), "does not say", id="log"),
        pytest.param(
            "observations.json",
            lambda o: o[0].update(before=[{"x": 1}]),
            "does not say",
            id="before",
        ),
    ],
)
def test_what_an_archive_says_in_two_places_must_be_the_same(
    folder: Path, name: str, change: Callable[[Any], Any], said: str
) -> None:
    edited(folder, name, change)
    done = alone("live", "verify", "--archive", str(folder))
    assert (done.exit_code, said in one_line(done.output)) == (1, True), done.output
    assert "Traceback" not in done.output


def test_a_history_that_was_changed_is_another_round(folder: Path) -> None:
    file = folder / "history.csv"
    lines = file.read_text().splitlines()
    lines[1] = lines[1].rsplit(",", 1)[0] + ",999.0"
    file.write_text("\n".join(lines) + "\n")
    assert "not of one round" in alone("live", "verify", "--archive", str(folder)).output


def test_json_without_end_is_refused_in_words(folder: Path) -> None:
    (folder / "observations.json").write_text("[" * 100_000)
    done = alone("live", "verify", "--archive", str(folder))
    assert (done.exit_code, "no archive" in one_line(done.output)) == (1, True)


def test_the_digest_is_told_at_the_export_and_stays_while_months_are_observed(
    world: World, description: Path, tmp_path: Path
) -> None:
    whole(world, description)
    target = tmp_path / "kept"
    told = one_line(world.run("competition", "live", "export", PROJECT, str(target)).output)
    digest = told.rsplit(" ", 1)[1]
    assert len(digest) == 64
    month = months.name(LAST + 3)
    assert observe_alone(target, month, truth("nino12", LAST + 3) + 0.2).exit_code == 0
    assert digest in one_line(alone("live", "verify", "--archive", str(target)).output)
    # A seal that was taken out of all files makes another archive.
    edited(target, "seals.json", lambda seals: seals.pop())
    kept = {each["hash"] for each in json.loads((target / "seals.json").read_text())}
    edited(
        target,
        "board.json",
        lambda b: b.update(seals=[each for each in b["seals"] if each["hash"] in kept]),
    )
    other = alone("live", "verify", "--archive", str(target))
    assert (other.exit_code, digest in one_line(other.output)) == (0, False)


def test_what_the_archives_board_calls_shown_can_be_computed_by_anybody(folder: Path) -> None:
    [shown] = [s for s in json.loads((folder / "board.json").read_text())["seals"] if s["revealed"]]
    [file] = (folder / "shown").iterdir()
    found = json.loads(file.read_text())
    assert found["hash"] == file.stem == shown["hash"]
    body = found["forecast"].encode()
    made = hash_of(found["project"], found["round"], found["team"], found["salt"], body)
    assert made == found["hash"]


def test_nobody_else_reads_an_archive(exported: Path) -> None:
    assert exported.stat().st_mode & 0o777 == 0o700
    for name in ("seals.json", "round.json", "observations.json", "log.json"):
        assert (exported / name).stat().st_mode & 0o077 == 0
    assert all(each.stat().st_mode & 0o077 == 0 for each in (exported / "forecasts").iterdir())


def test_two_who_observe_at_once_are_told(folder: Path) -> None:
    """What is written was read before: nobody's observation is lost."""
    month, value = months.name(LAST + 3), truth("nino12", LAST + 3) + 0.2
    with archive_files.alone(folder):
        refused = observe_alone(folder, month, value)
    assert (refused.exit_code, "at this moment" in one_line(refused.output)) == (1, True)
    assert observe_alone(folder, month, value).exit_code == 0


def test_no_link_in_an_archive_leads_a_writer_out_of_it(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in (".board.html.new", ".lock"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(victim)
    done = observe_alone(folder, months.name(LAST + 3), truth("nino12", LAST + 3) + 0.2)
    assert (done.exit_code, "cannot be opened" in one_line(done.output)) == (1, True)
    (folder / ".lock").unlink()
    done = observe_alone(folder, months.name(LAST + 3), truth("nino12", LAST + 3) + 0.2)
    assert done.exit_code == 0, done.output
    assert victim.read_text() == "mine"


def test_a_public_board_that_tells_other_times_is_found(world: World, description: Path) -> None:
    whole(world, description)
    kept = board(world)
    first = kept["seals"][0]
    for seal in (
        {**first, "received": "2020-01-01T00:00:00Z"},
        {**first, "first": "2020-01"},
        {member: value for member, value in first.items() if member != "last"},
    ):
        document = {**kept, "seals": [seal, *kept["seals"][1:]]}
        world.put("site", f"boards/{PROJECT}.live.json", json.dumps(document))
        done = world.run("competition", "live", "verify", PROJECT)
        said = "another time or other months" in one_line(done.output)
        assert (done.exit_code, said) == (1, True), seal


def test_a_shown_forecast_with_another_head_is_found(world: World, description: Path) -> None:
    shown = whole(world, description)
    key = revealed_key(PROJECT, shown.hash)
    document = json.loads(world.get("site", key))
    for member in ("team", "round", "received", "salt"):
        world.put("site", key, json.dumps({**document, member: "other"}))
        done = world.run("competition", "live", "verify", PROJECT)
        said = "is not what was sealed" in one_line(done.output)
        assert (done.exit_code, said) == (1, True), member
