"""The scorer from event to receipt, over moto's S3, SSM and DynamoDB."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from infra.services.competition import handler, logic
from infra.services.competition.aws import AwsFiles
from infra.services.competition.board import TeamLine
from infra.services.competition.ladder import Ladder
from infra.services.competition.problems import Misconfigured
from infra.services.competition.projects.land_cover import CLASSES, LandCover
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable, DayFull, Duplicate, Entry
from infra.services.guard.settings import Settings, settings_document
from tests.services import test_competition_land_cover as maps
from tests.services.test_competition_scoring import ANSWERS_CSV, RIGHT, SCALES

AT = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
PREFIX = "submissions/climate-series"
JOB = "earth--falcon--ana--aaaaaaaa"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{REGISTRY}/academy/forecasting-cpu@sha256:0123456789abcdef{'0' * 48}"
SHOWN = "academy/forecasting-cpu@0123456789ab"


class Jobs:
    """SageMaker as the scorer asks it. moto's own refuses what the embedded cloud refuses, as soon
    as a test in this process has loaded that."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        if TrainingJobName not in self.images:
            missing = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": missing}, "DescribeTrainingJob")
        return {"AlgorithmSpecification": {"TrainingImage": self.images[TrainingJobName]}}


@dataclass
class World:
    s3: Any
    ssm: Any
    dynamodb: Any
    jobs: Jobs
    number: int = 0

    def upload(self, content: bytes | str, team: str = "falcon", **metadata: str) -> str:
        self.number += 1
        key = f"{PREFIX}/{team}/20261201T090000Z-{self.number:012x}.csv"
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket="work", Key=key, Body=body, Metadata=metadata)
        return key

    def score(self, key: str, at: dt.datetime = AT, **where: Any) -> dict[str, Any]:
        event = {
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "detail": {"bucket": {"name": "work"}, "object": {"key": key}},
        }
        event["detail"]["object"] |= where  # type: ignore[index]
        return handler.scorer(event, None)

    def train(self, name: str, image: str = IMAGE) -> str:
        """A training job of that name, on that image."""
        self.jobs.images[name] = image
        return name

    def submit(self, content: bytes | str, team: str = "falcon", at: dt.datetime = AT) -> Any:
        return self.score(self.upload(content, team), at)

    def receipt(self, key: str) -> dict[str, Any]:
        name = key.replace("submissions/", "receipts/", 1) + ".json"
        found: dict[str, Any] = json.load(self.s3.get_object(Bucket="work", Key=name)["Body"])
        return found

    def board(self) -> dict[str, Any]:
        where = {"Bucket": "site", "Key": "boards/climate-series.json"}
        found: dict[str, Any] = json.load(self.s3.get_object(**where)["Body"])
        return found


def parameter() -> str:
    return settings_document(
        cohort="earth",
        region="us-east-1",
        starts=dt.date(2026, 11, 30),
        ends=dt.date(2027, 3, 31),
        cap_micro_usd=1,
        studio_instances=["ml.t3.medium"],
        studio_max_hours=4,
        training_instances=["ml.m5.large"],
        training_max_hours=4,
        training_max_instances=1,
        projects=["climate-series", "land-cover"],
        data_bucket="data",
        work_bucket="work",
        schedule_group="g",
        stopper_role_arn="r",
        submissions_per_day=2,
        closes=dt.date(2027, 3, 15),
    )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "COHORT": "earth",
        "SETTINGS_PARAMETER": "/academy/earth/settings",
        "BOARD_TABLE": "earth-board",
        "WORK_BUCKET": "work",
        "VAULT_BUCKET": "vault",
        "SITE_BUCKET": "site",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handler, "_files", None)
    monkeypatch.setattr(handler, "_table", None)
    jobs, client = Jobs(), boto3.client
    monkeypatch.setattr(
        boto3, "client", lambda name, **kw: jobs if name == "sagemaker" else client(name, **kw)
    )
    with mock_aws():
        world = World(*map(client, ("s3", "ssm", "dynamodb")), jobs)
        for bucket in ("work", "vault", "site"):
            world.s3.create_bucket(Bucket=bucket)
        world.s3.put_bucket_versioning(Bucket="work", VersioningConfiguration={"Status": "Enabled"})
        answers = "answers/climate-series"
        world.s3.put_object(Bucket="vault", Key=f"{answers}/answers.csv", Body=ANSWERS_CSV.encode())
        world.s3.put_object(
            Bucket="vault", Key=f"{answers}/scales.json", Body=json.dumps(SCALES).encode()
        )
        world.ssm.put_parameter(Name="/academy/earth/settings", Value=parameter(), Type="String")
        world.dynamodb.create_table(
            TableName="earth-board",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        yield world


def better(value: float) -> str:
    """A right file that is nearer to the public answers, in both series alike; at 2 it is RIGHT,
    at 1 it errs half as much."""
    nearer = RIGHT.replace("co2,10,2", f"co2,10,{value}")
    return nearer.replace("sst,20,0", f"sst,20,{value / 2 - 1}")


LOWER = Ladder("lower")


def test_a_submission_is_scored_and_stands_on_the_board(world: World) -> None:
    key = world.upload(RIGHT, note="first%20try", learner="ana", job=world.train(JOB))
    receipt = world.score(key)
    assert receipt == world.receipt(key)
    assert receipt == {
        "submission": key,
        "status": "scored",
        "message": "Scored 1.000 on the public part (1 is the seasonal naive; lower is better).",
        "public_score": 1.0,
        "received": "2026-12-01T09:00:00Z",
        "counted": True,
        "job": JOB,
        "image": SHOWN,
    }
    [entry] = world.board()["entries"]
    assert (entry["team"], entry["score"], entry["note"]) == ("falcon", 1.0, "first try")
    page = world.s3.get_object(Bucket="site", Key="climate-series.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert "first try" in page["Body"].read().decode()
    assert (
        b"climate-series.html"
        in world.s3.get_object(Bucket="site", Key="index.html")["Body"].read()
    )


# --- where an entry comes from --------------------------------------------------------------------


def kept(world: World) -> list[Entry]:
    table = BoardTable("earth-board")
    found = world.dynamodb.scan(TableName="earth-board")["Items"]
    digests = [i["sk"]["S"].split("#") for i in found if i["sk"]["S"].startswith("entry#")]
    entries = [table.find("climate-series", team, digest) for _, team, digest in digests]
    return [each for each in entries if each is not None]


def test_an_entry_keeps_the_image_of_its_job_in_full_and_the_board_shows_it_short(
    world: World,
) -> None:
    world.score(world.upload(better(1.5), job=world.train(JOB)))
    [entry] = kept(world)
    assert (entry.job, entry.image) == (JOB, IMAGE)
    [shown] = world.board()["entries"]
    assert (shown["job"], shown["image"]) == (JOB, SHOWN)
    page = world.s3.get_object(Bucket="site", Key="climate-series.html")["Body"].read().decode()
    assert SHOWN in page
    assert JOB in page
    assert "123456789012" not in page + json.dumps(world.board()), "no account on the board"
    # A worse one changes nothing of the best one's provenance, a better one without a job all.
    world.submit(RIGHT)
    assert world.board()["entries"][0]["image"] == SHOWN
    world.submit(better(1.2), at=AT + dt.timedelta(days=1))
    assert (world.board()["entries"][0]["job"], world.board()["entries"][0]["image"]) == ("", "")


def test_a_job_on_aws_own_image_is_shown_by_name_and_tag(world: World) -> None:
    aws = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312"
    receipt = world.score(world.upload(RIGHT, job=world.train(JOB, aws)))
    assert receipt["image"] == "pytorch-training:2.8.0-cpu-py312"


@pytest.mark.parametrize(
    "job",
    [
        "earth--heron--chi--aaaaaaaa",  # another team's, which there is
        "mars--falcon--ana--aaaaaaaa",  # another cohort's, which there is
        "earth--falcon--ana--bbbbbbbb",  # none
        "earth--falcon--ana--AAAAAAAA",
        "earth--falcon--ana--aaaaaaaa--x",
        "earth--falcon--aaaaaaaa",
        "<script>alert(1)</script>",
        "earth--falcon--ana--aaaaaaa*",
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/earth--falcon--ana--aaaaaaaa",
        "x" * 1000,
    ],
)
def test_a_job_that_is_not_the_teams_is_neither_asked_about_nor_shown(
    world: World, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    for name in (JOB, "earth--heron--chi--aaaaaaaa", "mars--falcon--ana--aaaaaaaa"):
        world.train(name)
    asked = []
    original = AwsFiles.image_of_job
    monkeypatch.setattr(
        AwsFiles, "image_of_job", lambda self, name: asked.append(name) or original(self, name)
    )
    receipt = world.score(world.upload(RIGHT, job=job))
    assert receipt["status"] == "scored"
    assert "job" not in receipt
    assert "image" not in receipt
    assert (kept(world)[0].job, kept(world)[0].image) == ("", "")
    [shown] = world.board()["entries"]
    assert (shown["job"], shown["image"]) == ("", "")
    assert asked == ([job] if job == "earth--falcon--ana--bbbbbbbb" else [])


@pytest.mark.parametrize("trouble", ["AccessDeniedException", "ThrottlingException", "no answer"])
def test_a_submission_is_scored_though_nobody_can_tell_its_image(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    def fail(**_: Any) -> Any:
        if trouble == "no answer":
            raise ReadTimeoutError(endpoint_url="https://api.sagemaker")
        raise ClientError({"Error": {"Code": trouble, "Message": "no"}}, "DescribeTrainingJob")

    monkeypatch.setattr(world.jobs, "describe_training_job", fail)
    key = world.upload(RIGHT, job=JOB)
    receipt = world.score(key)
    assert (receipt["status"], receipt["job"], receipt["image"]) == ("scored", JOB, "unknown")
    [shown] = world.board()["entries"]
    assert (shown["job"], shown["image"]) == (JOB, "unknown")


def test_an_event_that_comes_again_does_not_ask_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.upload(RIGHT, job=world.train(JOB))
    first = world.score(key)
    monkeypatch.delattr(AwsFiles, "image_of_job")
    assert world.score(key) == first


def test_entries_and_bests_from_before_images_were_kept_are_read(world: World) -> None:
    world.score(world.upload(RIGHT, job=world.train(JOB)))
    for item in world.dynamodb.scan(TableName="earth-board")["Items"]:
        old = {name: value for name, value in item.items() if name != "image"}
        if item["sk"]["S"].startswith("team#"):
            del old["job"]
        world.dynamodb.put_item(TableName="earth-board", Item=old)
    handler.scorer({"publish": "climate-series"}, None)
    assert world.board()["entries"][0]["image"] == ""
    # That entry's job was its sender's word: it is not repeated.
    again = world.score(world.upload(RIGHT), AT + dt.timedelta(hours=1))
    assert "job" not in again


def test_the_private_score_is_in_the_table_alone(world: World) -> None:
    world.submit(better(1.7))
    pages = ["boards/climate-series.json", "climate-series.html", "index.html"]
    texts = [world.s3.get_object(Bucket="site", Key=k)["Body"].read().decode() for k in pages]
    kept = world.dynamodb.scan(TableName="earth-board")["Items"]
    [private] = [item["private_score"]["N"] for item in kept if "private_score" in item]
    [receipt] = world.s3.list_objects_v2(Bucket="work", Prefix="receipts/")["Contents"]
    texts.append(world.s3.get_object(Bucket="work", Key=receipt["Key"])["Body"].read().decode())
    assert all("private" not in text and private[:6] not in text for text in texts)


def test_an_event_that_comes_twice_is_one_entry(world: World) -> None:
    key = world.upload(RIGHT)
    assert world.score(key) == world.score(key) == world.receipt(key)
    assert world.board()["entries"][0]["submissions"] == 1


def test_the_same_content_again_is_not_counted_again(world: World) -> None:
    world.submit(RIGHT)
    again = world.submit(RIGHT, at=AT + dt.timedelta(hours=1))
    assert (again["status"], again["counted"], again["public_score"]) == ("scored", False, 1.0)
    assert "2026-12-01 09:00 UTC" in again["message"]
    assert world.submit(RIGHT, team="heron")["counted"] is True
    assert [e["submissions"] for e in world.board()["entries"]] == [1, 1]


def test_a_day_has_so_many_submissions_and_faults_of_form_are_free(world: World) -> None:
    for _ in range(3):
        assert world.submit("series,step,value\n")["counted"] is False
    assert world.submit(better(1.9))["counted"]
    assert world.submit(better(1.8))["counted"]
    third = world.upload(better(1.7))
    refused = world.score(third)
    assert (refused["status"], refused["counted"]) == ("refused", False)
    assert "used its 2 submissions of 2026-12-01 (UTC)" in refused["message"]
    assert world.score(third) == refused, "also when the event comes again"
    assert world.submit(better(1.6), team="heron")["counted"]
    assert world.submit(better(1.5), at=AT + dt.timedelta(days=1))["counted"]
    teams = {e["team"]: e for e in world.board()["entries"]}
    assert teams["falcon"]["submissions"] == 3
    assert teams["falcon"]["score"] < teams["heron"]["score"]


def test_a_worse_submission_does_not_take_the_place_of_a_better_one(world: World) -> None:
    world.submit(better(1.5))
    best = world.board()["entries"][0]["score"]
    receipt = world.submit(RIGHT, at=AT + dt.timedelta(hours=1))
    assert (receipt["status"], receipt["counted"]) == ("scored", True)
    assert receipt["public_score"] == best < 1
    assert "Kept" in receipt["message"]
    assert "not better than your team's shown score, 0.750, beyond noise" in receipt["message"]
    [entry] = world.board()["entries"]
    assert (entry["score"], entry["submitted"]) == (best, "2026-12-01T09:00:00Z")


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (dt.datetime(2026, 11, 29, 23, 59, 59, tzinfo=dt.UTC), "opens on 2026-11-30"),
        (dt.datetime(2027, 3, 16, tzinfo=dt.UTC), "closed on 2027-03-15"),
    ],
)
def test_early_and_late_ones_are_refused(world: World, at: dt.datetime, words: str) -> None:
    receipt = world.submit(RIGHT, at=at)
    assert receipt["status"] == "refused"
    assert words in receipt["message"]


def test_the_last_second_counts(world: World) -> None:
    at = dt.datetime(2027, 3, 15, 23, 59, 59, tzinfo=dt.UTC)
    assert world.submit(RIGHT, at=at)["status"] == "scored"


def test_what_was_uploaded_is_scored_not_what_replaced_it(world: World) -> None:
    key = world.upload(RIGHT)
    version = world.s3.head_object(Bucket="work", Key=key)["VersionId"]
    world.s3.put_object(Bucket="work", Key=key, Body=b"replaced")
    assert world.score(key, **{"version-id": version})["public_score"] == 1.0


def test_a_large_file_is_refused_without_being_read_whole(world: World) -> None:
    receipt = world.submit(b"x" * 3_000_000)
    assert "larger than 1,000,000 bytes" in receipt["message"]


def test_what_is_gone_or_nobodys_is_left_alone(world: World) -> None:
    assert world.score(f"{PREFIX}/falcon/gone.csv") == {"status": "gone"}
    assert world.score("submissions/x.csv") == {"status": "ignored"}
    event = {"time": "2026-12-01T09:00:00Z", "detail": {"bucket": {"name": "other"}}}
    event["detail"]["object"] = {"key": f"{PREFIX}/falcon/x.csv"}  # type: ignore[index]
    assert handler.scorer(event, None) == {"status": "ignored"}


def test_an_unknown_project_is_refused(world: World) -> None:
    key = "submissions/poetry/falcon/x.csv"
    world.s3.put_object(Bucket="work", Key=key, Body=RIGHT.encode())
    assert "no competition poetry" in world.score(key)["message"]


def test_missing_answers_fail_aloud_and_cost_nothing(world: World) -> None:
    world.s3.delete_object(Bucket="vault", Key="answers/climate-series/answers.csv")
    key = world.upload(RIGHT)
    with pytest.raises(Misconfigured, match="cohort publish"):
        world.score(key)
    world.s3.put_object(
        Bucket="vault", Key="answers/climate-series/answers.csv", Body=ANSWERS_CSV.encode()
    )
    assert world.score(key)["counted"], "and the retry scores it"


def test_an_admin_can_write_the_pages_anew(world: World) -> None:
    assert handler.scorer({"publish": "climate-series"}, None)["entries"] == []
    assert world.board()["lines"][0]["score"] == 1.0
    with pytest.raises(Misconfigured, match="no project"):
        handler.scorer({"publish": "x"}, None)


def test_a_run_that_broke_off_before_the_receipt_is_finished_by_the_retry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.upload(RIGHT)
    with monkeypatch.context() as patch:
        patch.setattr(logic, "publish", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(OSError, match="gone"):
            world.score(key)
    assert world.score(key)["counted"] is True
    assert world.board()["entries"][0]["submissions"] == 1


def test_two_scorers_at_once_lose_no_entry_on_the_page(world: World) -> None:
    table, settings = BoardTable("earth-board"), CompetitionSettings.from_json(parameter())

    class SlowFiles:
        """While this one writes its page, another team's entry is written and published."""

        def __init__(self, meanwhile: Any) -> None:
            self.meanwhile, self.pages = meanwhile, {}  # type: ignore[var-annotated]

        def answers(self, project: str, name: str) -> bytes:
            raise AssertionError("a board of series needs no answers")

        def put_receipt(self, key: str, receipt: dict[str, Any]) -> None: ...

        def image_of_job(self, job: str) -> str | None:
            raise AssertionError("a board is written from the table alone")

        def put_page(self, key: str, text: str) -> None:
            if self.meanwhile:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            self.pages[key] = text

    table.record(entry("falcon", 0.9), 5, LOWER)
    files = SlowFiles(lambda: table.record(entry("heron", 0.8), 5, LOWER))
    logic.publish("climate-series", settings, files, table, lambda: AT)
    shown = json.loads(files.pages["boards/climate-series.json"])
    assert [e["team"] for e in shown["entries"]] == ["heron", "falcon"]
    assert "heron" in files.pages["climate-series.html"]


class OneAtATime:
    """moto loses what other threads write during a transaction; see infra.offline.dynamodb."""

    def __init__(self, client: Any) -> None:
        self._client, self._lock = client, threading.Lock()

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            with self._lock:
                return getattr(self._client, operation)(**request)

        return call


def test_racing_submissions_are_all_kept_and_limits_are_exact(world: World) -> None:
    table = BoardTable("earth-board", OneAtATime(world.dynamodb))
    outcomes: list[str] = []

    def submit(team: str, number: int) -> None:
        try:
            table.record(entry(team, 1 - number / 100, digest=f"{number}"), 3, LOWER)
            outcomes.append("kept")
        except DayFull:
            outcomes.append("full")

    threads = [
        threading.Thread(target=submit, args=(team, n)) for n in range(5) for team in ("owl", "jay")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["full"] * 4 + ["kept"] * 6
    assert {line.team: line.submissions for line in table.lines("climate-series")} == {
        "owl": 3,
        "jay": 3,
    }
    assert table.generation("climate-series") == 6


def test_the_earlier_of_two_equals_stands_whatever_order_they_arrive_in(world: World) -> None:
    table = BoardTable("earth-board")
    table.record(entry("owl", 0.9, digest="2", at=AT + dt.timedelta(hours=1)), 5, LOWER)
    table.record(entry("owl", 0.9, digest="1", at=AT), 5, LOWER)
    assert table.lines("climate-series") == [
        TeamLine("owl", 0.9, AT, "", 2, 2, digest="1", moves=((AT + dt.timedelta(hours=1), 0.9),))
    ]
    with pytest.raises(Duplicate):
        table.record(entry("owl", 0.9, digest="1", at=AT), 5, LOWER)
    kept = replace(entry("owl", 0.9, digest="1", at=AT), shown_score=0.9, moved=False)
    assert table.find("climate-series", "owl", "1") == kept


def entry(team: str, score: float, digest: str = "d", at: dt.datetime = AT) -> Entry:
    return Entry("climate-series", team, digest, "key", at, score, score / 3, "", "ana", "")


# --- what is shown --------------------------------------------------------------------------------
def test_a_gain_on_one_series_alone_is_kept_and_not_shown(world: World) -> None:
    world.submit(RIGHT)
    key = world.upload(RIGHT.replace("co2,10,2", "co2,10,1.2"))
    receipt = world.score(key, AT + dt.timedelta(hours=1))
    assert (receipt["status"], receipt["counted"], receipt["public_score"]) == ("scored", True, 1.0)
    assert "Kept, and it counts at the close." in receipt["message"]
    assert world.score(key, AT + dt.timedelta(hours=1)) == receipt, "also when the event is told"
    scores = sorted(each.public_score for each in kept(world))
    assert scores[0] < 0.8, "its true score is kept"
    [shown] = world.board()["entries"]
    assert (shown["score"], shown["submissions"]) == (1.0, 2)
    assert len(world.board()["history"]) == 1


def test_the_same_content_as_one_that_was_kept_still_tells_nothing_of_it(world: World) -> None:
    world.submit(RIGHT)
    near = RIGHT.replace("co2,10,2", "co2,10,1.2")
    world.submit(near, at=AT + dt.timedelta(hours=1))
    again = world.submit(near, at=AT + dt.timedelta(hours=2))
    assert (again["counted"], again["public_score"]) == (False, 1.0)
    assert "which scored" not in again["message"]


def test_the_board_tells_intervals_and_how_shown_scores_moved(world: World) -> None:
    world.submit(RIGHT)
    world.submit(better(1.5), at=AT + dt.timedelta(hours=1))
    world.submit(better(1.2), team="heron", at=AT + dt.timedelta(hours=2))
    board = world.board()
    assert board["history"] == [
        {"team": "falcon", "at": "2026-12-01T09:00:00Z", "score": 1.0},
        {"team": "falcon", "at": "2026-12-01T10:00:00Z", "score": 0.75},
        {"team": "heron", "at": "2026-12-01T11:00:00Z", "score": 0.6},
    ]
    assert (board["units"], board["narrow"]) == ({"count": 2, "name": "series"}, True)
    assert (board["limit_per_day"], board["classes"], board["replicates"]) == (2, [], 1000)
    heron, falcon = board["entries"]
    assert heron["score_low"] <= heron["score"] == 0.6 <= heron["score_high"]
    assert (heron["rank_low"], falcon["rank_high"]) == (1, 2)


def test_items_from_before_intervals_are_read_and_the_next_gain_is_shown(world: World) -> None:
    key = world.upload(RIGHT)
    before = world.score(key)
    for item in world.dynamodb.scan(TableName="earth-board")["Items"]:
        new = ("record", "digest", "moves", "moved", "shown_score")
        old = {name: value for name, value in item.items() if name not in new}
        world.dynamodb.put_item(TableName="earth-board", Item=old)
    handler.scorer({"publish": "climate-series"}, None)
    [shown] = world.board()["entries"]
    assert (shown["score_low"], shown["score_high"]) == (None, None)
    assert (shown["rank"], shown["rank_low"], shown["rank_high"]) == (1, 1, 1)
    assert world.score(key) == before
    gain = world.submit(RIGHT.replace("co2,10,2", "co2,10,1.2"), at=AT + dt.timedelta(hours=1))
    assert gain["public_score"] == world.board()["entries"][0]["score"] < 1
    assert world.board()["entries"][0]["score_low"] is not None
    assert [move["score"] for move in world.board()["history"]] == [1.0, gain["public_score"]]


# --- maps ----------------------------------------------------------------------------------------
def map_key(world: World, content: bytes, number: int = 1, team: str = "falcon") -> str:
    world.s3.put_object(
        Bucket="vault", Key="answers/land-cover/answers.json", Body=maps.vault("answers.json")
    )
    key = f"submissions/land-cover/{team}/20261201T090000Z-{number:012x}.npz"
    world.s3.put_object(Bucket="work", Key=key, Body=content)
    return key


def test_a_map_is_scored_and_its_counts_are_kept_with_the_entry(world: World) -> None:
    key = map_key(world, maps.RIGHT)
    receipt = world.score(key)
    expected = LandCover().score(maps.RIGHT, maps.vault)
    assert receipt == world.receipt(key)
    assert receipt["public_score"] == round(expected.public, 3)
    assert set(receipt["classes"]) == set(CLASSES)
    digest = hashlib.sha256(maps.RIGHT).hexdigest()
    kept = BoardTable("earth-board").find("land-cover", "falcon", digest)
    assert kept is not None
    assert (kept.record, kept.private_score) == (expected.record, expected.private)
    page = world.s3.get_object(Bucket="site", Key="land-cover.html")["Body"].read().decode()
    assert "higher is" in page
    assert world.score(key) == receipt, "also when the event comes again"


def test_the_best_of_a_teams_maps_is_the_highest(world: World) -> None:
    right = {n: np.where(labels == 255, 0, labels) for n, labels in maps.LABELS.items()}
    perfect = map_key(world, maps.saved(right))
    best = world.score(perfect)["public_score"]
    world.score(map_key(world, maps.RIGHT, 2), AT + dt.timedelta(hours=1))
    where = {"Bucket": "site", "Key": "boards/land-cover.json"}
    [entry] = json.load(world.s3.get_object(**where)["Body"])["entries"]
    assert set(entry["classes"].values()) == {1.0}
    assert (entry["score"], entry["submissions"]) == (best, 2)
    assert entry["submitted"] == "2026-12-01T09:00:00Z"


def test_a_map_that_is_kept_and_not_shown_tells_no_classes(world: World) -> None:
    first = world.score(map_key(world, maps.RIGHT))
    rng = np.random.default_rng(10)
    other = {n: rng.integers(0, 9, shape, dtype=np.uint8) for n, shape in maps.SHAPES.items()}
    second = world.score(map_key(world, maps.saved(other), 2), AT + dt.timedelta(hours=1))
    assert "classes" in first
    assert "classes" not in second
    assert second["public_score"] == first["public_score"]


def test_a_map_may_have_more_bytes_than_a_forecast_but_not_any_number(world: World) -> None:
    larger = world.score(map_key(world, b"x" * 1_500_000))
    assert "no .npz" in larger["message"]
    largest = world.score(map_key(world, b"x" * 10_000_001, 2))
    assert "larger than 10,000,000 bytes" in largest["message"]


def test_maps_without_answers_fail_aloud(world: World) -> None:
    key = map_key(world, maps.RIGHT)
    world.s3.delete_object(Bucket="vault", Key="answers/land-cover/answers.json")
    with pytest.raises(Misconfigured, match="cohort publish"):
        world.score(key)


def test_guard_and_scorer_read_the_same_settings() -> None:
    scorers, guards = CompetitionSettings.from_json(parameter()), Settings.from_json(parameter())
    assert (scorers.cohort, scorers.projects) == (guards.cohort, guards.projects)
    assert scorers.opens_at == guards.opens_at
    assert scorers.closes_at == dt.datetime(2027, 3, 16, tzinfo=dt.UTC)
    with pytest.raises(Misconfigured, match="competition"):
        CompetitionSettings.from_json(
            '{"version":1,"cohort":"e","projects":[],"starts":"2026-01-01"}'
        )
