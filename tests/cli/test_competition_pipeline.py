"""The verbs with the checker's and the scorer's own code behind them: a mark is set, every entry is
scored again. In the place of EventBridge, each function's objects are handed to the next."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli.competition import marking
from infra.publishing import climate_series
from infra.services.competition import handler
from tests.cli.competition_world import NOW, PROJECT, World, world_of

SCALES = f"answers/{PROJECT}/scales.json"


class Pipeline:
    """What S3's events set off."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.published = climate_series.build(climate_series.KEY.new(), public_fraction=0.3)
        world.s3.create_bucket(Bucket=world.site.bucket("vault"))
        for key, content in self.published.data.items():
            world.put("data", key, content)
        for key, content in self.published.vault.items():
            world.put("vault", key, content)
        world.functions.run |= {"checker": self.check, "scorer": self.score}

    @property
    def sample(self) -> str:
        return self.published.data[f"datasets/{PROJECT}/sample_submission.csv"].decode()

    def event(self, key: str) -> dict[str, Any]:
        bucket = self.world.site.bucket("work")
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        return {"time": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "detail": detail}

    def check(self, event: dict[str, Any]) -> Any:
        """The checker, and for what it lets through the scorer."""
        answer = handler.checker(event, None)
        for key in self.world.keys("work", "checked/"):
            handler.scorer(self.event(key), None)
            self.world.s3.delete_object(Bucket=self.world.site.bucket("work"), Key=key)
        return answer

    def score(self, event: dict[str, Any]) -> Any:
        return handler.scorer(event, None)

    def submit(self, team: str, content: str) -> dict[str, Any]:
        key = f"submissions/{PROJECT}/{team}/20261201T090000Z-0123456789ab.csv"
        self.world.put("work", key, content)
        self.check(self.event(key))
        return self.receipt(key)

    def receipt(self, key: str) -> dict[str, Any]:
        found = json.loads(
            self.world.get("work", key.replace("submissions/", "receipts/", 1) + ".json")
        )
        assert isinstance(found, dict)
        return found


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    with world_of(tmp_path, monkeypatch) as world:
        for name, value in {
            "AWS_DEFAULT_REGION": "us-east-1",
            "COHORT": world.site.cohort.name,
            "SETTINGS_PARAMETER": world.names.settings_parameter,
            "BOARD_TABLE": world.names.board_table,
            **{f"{x.upper()}_BUCKET": world.site.bucket(x) for x in ("work", "data", "vault")},
            "SITE_BUCKET": world.site.bucket("site"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(handler, "_files", None)
        monkeypatch.setattr(handler, "_table", None)
        found = Pipeline(world)
        send = marking._send

        def sent(arena: Any, key: str, *rest: Any) -> None:
            send(arena, key, *rest)
            found.check(found.event(key))

        monkeypatch.setattr(marking, "_send", sent)
        yield found


def file(folder: Path, content: str) -> str:
    found = folder / "predictions.csv"
    found.write_text(content)
    return str(found)


def test_a_mark_is_scored_by_the_teams_own_scorer_and_stands_as_a_line(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    world = pipeline.world
    done = world.verb(
        "mark", PROJECT, "expert", file(tmp_path, pipeline.sample), "--note", "a naive one"
    )
    assert done.exit_code == 0, done.output
    mark = world.table.marks(PROJECT)["expert"]
    [line] = [each for each in world.board()["lines"] if each["kind"] == "expert"]
    assert line["name"] == "expert: a naive one"
    assert line["score"] == round(mark.public_score, 3)
    assert mark.digest[:12] in world.acts()[0][0], "the log names the entry that the table has"
    assert world.table.entries(PROJECT) == []


def test_a_mark_may_be_set_before_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline
) -> None:
    world = pipeline.world
    parameter = json.loads(world._settings())
    parameter["starts"] = str(NOW.date() + dt.timedelta(days=3))
    world.site.client("ssm").put_parameter(
        Name=world.names.settings_parameter, Value=json.dumps(parameter), Overwrite=True
    )
    done = world.verb("mark", PROJECT, "baseline", file(tmp_path, pipeline.sample))
    assert done.exit_code == 0, done.output
    assert world.board()["phase"] == "before"
    assert pipeline.submit("falcon", pipeline.sample)["status"] == "refused"


def near(pipeline: Pipeline, off: float) -> str:
    """A forecast that is off by so many standard deviations of each series, everywhere.

    So its ratios are within what a ratio counts as, whatever units the series' keys gave them.
    """
    answers = pipeline.world.get("vault", f"answers/{PROJECT}/answers.csv").decode()
    found = list(csv.DictReader(io.StringIO(answers)))
    values: dict[str, list[float]] = {}
    for row in found:
        values.setdefault(row["series"], []).append(float(row["value"]))
    by = {series: off * statistics.pstdev(each) for series, each in values.items()}
    rows = ["series,step,value"]
    rows += [
        f"{row['series']},{row['step']},{float(row['value']) + by[row['series']]!r}"
        for row in found
    ]
    return "\n".join(rows) + "\n"


def test_after_the_answers_are_mended_every_entry_and_mark_has_its_new_score(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    world = pipeline.world
    done = world.verb("mark", PROJECT, "expert", file(tmp_path, near(pipeline, 0.05)))
    assert done.exit_code == 0, done.output
    assert pipeline.submit("falcon", near(pipeline, 0.05))["status"] == "scored"
    assert pipeline.submit("heron", near(pipeline, 0.1))["status"] == "scored"
    before = {each.team: each for each in world.table.entries(PROJECT)}
    old = world.get("site", f"boards/{PROJECT}.json")
    # The scales were half of what they should be.
    scales = json.loads(world.get("vault", SCALES)).items()
    doubled = {name: each | {"mase_scale": 2 * each["mase_scale"]} for name, each in scales}
    world.put("vault", SCALES, json.dumps(doubled))
    done = world.verb("rescore", PROJECT, "--yes", why="the scales were wrong")
    assert done.exit_code == 0, done.output
    after = {each.team: each for each in world.table.entries(PROJECT)}
    for team, entry in before.items():
        assert after[team].public_score == pytest.approx(entry.public_score / 2)
        assert after[team].private_score == pytest.approx(entry.private_score / 2)
        assert after[team].received == entry.received
        assert (after[team].digest, after[team].key) == (entry.digest, entry.key)
    assert world.table.marks(PROJECT)["expert"].public_score == pytest.approx(
        before["falcon"].public_score / 2
    )
    shown = {each["team"]: each["score"] for each in world.board()["entries"]}
    assert shown == {team: round(entry.public_score, 3) for team, entry in after.items()}
    [archived] = [key for key in world.keys("site", "archive/") if key.endswith(".json")]
    assert world.get("site", archived) == old
    assert not world.table.state(PROJECT).frozen
    assert world.table.used(PROJECT, NOW.date()) == {"falcon": 1, "heron": 1}, "it costs no try"
