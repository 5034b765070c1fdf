"""`cohort publish` of climate-series: the rivals' lines, made once, and a live round left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from academy.forecasting.rivals import cache, roster, statsforecast_models
from moto import mock_aws

from infra.cli import publish
from infra.cli.account import Site
from infra.cohort.loading import load

ROOT = Path(__file__).resolve().parents[2]
DATA, ANSWERS = "datasets/climate-series/", "answers/climate-series/"


class Cohort:
    """A cohort's buckets, and what is said while it is published."""

    def __init__(self, folder: Path) -> None:
        document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
        file = folder / "cohort.yaml"
        file.write_text(yaml.safe_dump(document | {"projects": ["climate-series"]}))
        self.site = Site(load(file))
        self.s3 = self.site.client("s3")
        for purpose in ("data", "vault"):
            self.s3.create_bucket(Bucket=self.site.bucket(purpose))
        self.progress: list[str] = []

    def publish(self, *, slow_rivals: bool = False) -> list[str]:
        def line(title: str) -> publish._Line:
            return publish._Line(False, self.progress.append, title)

        return list(publish._climate_series(self.site, slow_rivals, line))

    def put(self, key: str, purpose: str = "data") -> None:
        self.s3.put_object(Bucket=self.site.bucket(purpose), Key=key, Body=b"x")

    def there(self, purpose: str = "data") -> dict[str, bytes]:
        bucket = self.site.bucket(purpose)
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket)["Contents"]]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def rivals(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.there("vault")[f"{ANSWERS}rivals.json"])["rivals"]
        return found


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cohort]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("ACADEMY_CACHE", str(tmp_path / "cache"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Cohort(tmp_path)


def test_the_lines_are_computed_once(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    told = cohort.publish()
    assert told[0].startswith("data of climate-series: ")
    assert told[1:] == ["rivals of climate-series: 5 lines on the board, 5 computed"]
    assert list(cohort.rivals()) == list(roster.QUICK)
    before = cohort.there("vault")
    assert set(before) == {
        *(f"{ANSWERS}{name}" for name in ("answers.csv", "scales.json", "rivals.json")),
        "keys/climate-series.key",
    }

    monkeypatch.setattr(roster, "RIVALS", dict.fromkeys(roster.RIVALS))
    again = cohort.publish()
    assert again == [told[0], "rivals of climate-series: 5 lines on the board, unchanged"]
    assert cohort.there("vault") == before


def test_the_slow_three_come_with_progress_and_stay(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(tasks: Any, *, report: Any, **_: Any) -> int:
        for done in range(len(tasks) + 1):
            report(done, len(tasks))
        return len(tasks)

    def forecast(_name: str, past: Any, horizon: int, _season: int) -> Any:
        return past[-1:, None].repeat(19, 1).repeat(horizon, 0)

    monkeypatch.setattr(cache, "fill", fill)
    monkeypatch.setattr(statsforecast_models, "versions", lambda: "statsforecast 0")
    monkeypatch.setattr(statsforecast_models, "forecast", forecast)
    cohort.publish()
    told = cohort.publish(slow_rivals=True)
    assert told[1] == "rivals of climate-series: 8 lines on the board, 3 computed"
    assert cohort.progress[0] == "rivals of climate-series: 0 of 24"
    assert cohort.progress[-1] == "rivals of climate-series: 24 of 24"
    assert list(cohort.rivals()) == list(roster.RIVALS)
    # Who leaves them out takes them from nobody.
    assert cohort.publish()[1] == "rivals of climate-series: 8 lines on the board, unchanged"


def test_what_is_left_out_is_told(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise statsforecast_models.MissingPackage("not installed")

    monkeypatch.setattr(statsforecast_models, "versions", missing)
    *_, remark = cohort.publish(slow_rivals=True)
    assert remark.startswith("  AutoETS, AutoTheta and AutoARIMA: no lines on the board.")
    assert len(cohort.rivals()) == 5


def test_a_live_round_survives_and_what_is_left_over_does_not(cohort: Cohort) -> None:
    cohort.publish()
    published = set(cohort.there())
    live = {f"{DATA}live/{name}" for name in ("task.json", "history.csv", "observed.csv")}
    for key in (*live, f"{DATA}of-before.csv", f"{DATA}living.csv"):
        cohort.put(key)
    cohort.put(f"{ANSWERS}of-before.csv", "vault")
    cohort.publish()
    assert set(cohort.there()) == published | live
    assert f"{ANSWERS}of-before.csv" not in cohort.there("vault")
