"""Checker and scorer from event to receipt, over moto's S3, SSM, SNS and DynamoDB."""

from __future__ import annotations

import datetime as dt
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
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends

from infra.cohort.prices import PriceList
from infra.services.competition import checking, effort, handler, logic, state, steward_aws
from infra.services.competition.aws import AwsFiles
from infra.services.competition.board import TeamLine
from infra.services.competition.checking import canonical
from infra.services.competition.ladder import Ladder
from infra.services.competition.problems import Misconfigured
from infra.services.competition.projects.land_cover import CLASSES
from infra.services.competition.provenance import Trained
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable, DayFull, Duplicate, Entry
from infra.services.guard.settings import Settings, settings_document
from tests.services import test_competition_land_cover as maps
from tests.services.test_competition_checking import rows as runs_of_maps
from tests.services.test_competition_checking import wide
from tests.services.test_competition_scoring import ANSWERS_CSV, RIGHT, SCALES, TASK
from tests.services.test_competition_store import OneAtATime

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
        self.resources: dict[str, dict[str, Any]] = {}

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        if TrainingJobName not in self.images:
            missing = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": missing}, "DescribeTrainingJob")
        return {"AlgorithmSpecification": {"TrainingImage": self.images[TrainingJobName]}} | (
            self.resources.get(TrainingJobName, {})
        )


@dataclass
class World:
    s3: Any
    ssm: Any
    dynamodb: Any
    jobs: Jobs
    number: int = 0
    now: dt.datetime = AT

    def upload(
        self, content: bytes | str, team: str = "falcon", ending: str = "csv", **metadata: str
    ) -> str:
        self.number += 1
        key = f"{PREFIX}/{team}/20261201T090000Z-{self.number:012x}.{ending}"
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket="work", Key=key, Body=body, Metadata=metadata)
        return key

    def check(self, key: str, at: dt.datetime = AT, **where: Any) -> dict[str, Any]:
        """Has the checker read what S3 received at that time."""
        self.now = at
        kept = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["work"].keys
        for version in kept.getlist(key) if key in kept else []:
            version.last_modified = at
        return handler.checker(event(key, **where), None)

    def score(self, key: str, at: dt.datetime = AT, **where: Any) -> dict[str, Any]:
        """The way of an upload from the event on: to the checker, and from there to the scorer."""
        found = self.check(key, at, **where)
        if found["status"] != "checked":
            return found
        return handler.scorer(event(key.replace("submissions/", "checked/", 1)), None)

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


def event(key: str, bucket: str = "work", **where: Any) -> dict[str, Any]:
    """As EventBridge has it."""
    return {"detail": {"bucket": {"name": bucket}, "object": {"key": key, **where}}}


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
        "DATA_BUCKET": "data",
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
        monkeypatch.setattr(handler, "_now", lambda: world.now)
        for bucket in ("work", "vault", "site", "data"):
            world.s3.create_bucket(Bucket=bucket)
        world.s3.put_bucket_versioning(Bucket="work", VersioningConfiguration={"Status": "Enabled"})
        for project, task in (("climate-series", TASK), ("land-cover", maps.TASK)):
            world.s3.put_object(Bucket="data", Key=f"datasets/{project}/task.json", Body=task)
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


def digest_of(content: str) -> str:
    return checking.check("climate-series", "x", content.encode(), TASK).digest


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
        "entry": digest_of(RIGHT)[:12],
        "late": False,
        "left_today": 1,
        "also": {"WQL": 0.833},
        "private_score": None,
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
    original = AwsFiles.trained
    monkeypatch.setattr(
        AwsFiles, "trained", lambda self, name: asked.append(name) or original(self, name)
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
    monkeypatch.delattr(AwsFiles, "trained")
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
    told = json.load(world.s3.get_object(Bucket="work", Key=receipt["Key"])["Body"])
    assert told.pop("private_score") is None
    texts.append(json.dumps(told))
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


def test_an_early_one_is_refused(world: World) -> None:
    receipt = world.submit(RIGHT, at=dt.datetime(2026, 11, 29, 23, 59, 59, tzinfo=dt.UTC))
    assert receipt["status"] == "refused"
    assert "opens on 2026-11-30 at 00:00 UTC" in receipt["message"]


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
    ignored = {"status": "ignored"}
    for function in (handler.checker, handler.scorer):
        assert function(event(f"{PREFIX}/falcon/x.csv", bucket="other"), None) == ignored
        assert function(event("receipts/climate-series/falcon/x.csv.json"), None) == ignored
    assert handler.scorer(event(f"{PREFIX}/falcon/x.csv"), None) == ignored, "not checked"
    gone = event("checked/climate-series/falcon/gone.csv")
    assert handler.scorer(gone, None) == {"status": "gone"}


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
        patch.setattr(logic, "publish", lambda *_, **__: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(OSError, match="gone"):
            world.score(key)
    assert world.score(key)["counted"] is True
    assert world.board()["entries"][0]["submissions"] == 1


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
    expected = maps.scored(maps.RIGHT)
    assert receipt == world.receipt(key)
    assert receipt["public_score"] == round(expected.public, 3)
    assert set(receipt["classes"]) == set(CLASSES)
    digest = checking.check("land-cover", "x", maps.RIGHT, maps.TASK).digest
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
    largest = world.score(map_key(world, b"x" * 64_000_001, 2))
    assert "larger than 64,000,000 bytes" in largest["message"]


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


# --- in two steps ---------------------------------------------------------------------------------
def test_the_checker_writes_what_a_file_says_and_no_receipt(world: World) -> None:
    key = world.upload(better(1.7), note="first%20try", learner="ana", job=JOB)
    assert world.check(key) == {"status": "checked", "submission": key}
    with pytest.raises(ClientError):
        world.receipt(key)
    checked = key.replace("submissions/", "checked/", 1)
    body = world.s3.get_object(Bucket="work", Key=checked)["Body"]
    header, rest = canonical.read(body)
    assert (header.kind, header.team, header.note, header.job) == (
        "predictions",
        "falcon",
        "first try",
        JOB,
    )
    assert (header.received, header.key, header.rescore) == (AT, key, "")
    assert header.version_id == world.s3.head_object(Bucket="work", Key=key)["VersionId"]
    assert header.digest == digest_of(better(1.7))
    assert rest.read(100_000).startswith(b"series,step,value\nco2,10,")


def test_the_checker_needs_neither_vault_nor_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VAULT_BUCKET", "SITE_BUCKET", "BOARD_TABLE"):
        monkeypatch.delenv(name)
    assert world.check(world.upload(RIGHT))["status"] == "checked"
    assert world.check(world.upload("nonsense"))["status"] == "refused"


def test_another_layout_of_the_same_forecasts_is_the_same_entry(world: World) -> None:
    first = world.submit(RIGHT)
    again = world.submit(RIGHT.replace("co2,10,2", "co2,10,2.000"))
    assert (again["counted"], again["entry"]) == (False, first["entry"])


def test_what_was_checked_for_one_team_is_not_anothers(world: World) -> None:
    key = world.upload(RIGHT)
    world.check(key)
    checked = key.replace("submissions/", "checked/", 1)
    other = checked.replace("falcon", "heron")
    content = world.s3.get_object(Bucket="work", Key=checked)["Body"].read()
    world.s3.put_object(Bucket="work", Key=other, Body=content)
    with pytest.raises(Misconfigured, match="says to be of"):
        handler.scorer(event(other), None)
    world.s3.put_object(Bucket="work", Key=other, Body=content.replace(b"/falcon/", b"/heron/"))
    with pytest.raises(Misconfigured, match="says to be of"):
        handler.scorer(event(other), None)
    assert kept(world) == []


def test_the_steward_hands_over_what_an_event_did_not(world: World) -> None:
    key = world.upload(RIGHT)
    handed = {"submission": {"key": key, "version": None}}
    assert handler.checker(handed, None)["status"] == "checked"
    gone = {"submission": {"key": key, "version": "0" * 32}}
    assert handler.checker(gone, None) == {"status": "gone"}
    assert handler.checker({"submission": {"key": "x"}}, None) == {"status": "ignored"}


def test_a_forecast_with_quantiles_is_told_what_they_are_worth(world: World) -> None:
    receipt = world.submit(wide().decode())
    assert set(receipt["also"]) == {"WQL", "coverage of the 80 % interval"}
    assert receipt["public_score"] == 1.0, "the rank goes by values alone"
    [entry] = kept(world)
    assert entry.also["coverage of the 80 % interval"] == 1.0


def test_maps_as_run_lengths_are_the_entry_that_they_are_as_npz(world: World) -> None:
    first = world.score(map_key(world, maps.RIGHT))
    runs = map_key(world, ("\n".join(runs_of_maps()) + "\n").encode(), 2)
    again = world.score(runs, AT + dt.timedelta(minutes=1))
    assert (again["counted"], again["entry"]) == (False, first["entry"])
    assert again["public_score"] == first["public_score"]


# --- dates, and what admins decide ----------------------------------------------------------------
CLOSED = dt.datetime(2027, 3, 16, tzinfo=dt.UTC)


def act(world: World, verb: Any, at: dt.datetime = AT, **more: Any) -> None:
    table, rules = BoardTable("earth-board"), CompetitionSettings.from_json(parameter())
    before = table.state("climate-series")
    after, done = verb(before, rules, at=at, who="arn:x", why="because", **more)
    table.act("climate-series", before, after, done)


def test_a_late_entry_is_scored_and_said_to_be_late_and_stands_on_no_board(world: World) -> None:
    world.submit(RIGHT)
    before = world.board()["entries"]
    key = world.upload(better(1.2))
    receipt = world.score(key, CLOSED)
    assert (receipt["status"], receipt["late"], receipt["counted"]) == ("scored", True, True)
    assert "Late: the competition closed on 2027-03-16 at 00:00 UTC." in receipt["message"]
    [late] = [entry for entry in kept(world) if entry.late]
    assert receipt["public_score"] == round(late.public_score, 3) == 0.6
    assert receipt["private_score"] == round(late.private_score, 3)
    assert [e["score"] for e in world.board()["entries"]] == [e["score"] for e in before]
    assert world.score(key, CLOSED) == receipt, "also when the event comes again"


def test_an_entry_received_before_the_close_is_not_late_when_it_is_scored_after(
    world: World,
) -> None:
    key = world.upload(RIGHT)
    assert world.check(key, CLOSED - dt.timedelta(seconds=1))["status"] == "checked"
    world.now = CLOSED + dt.timedelta(hours=1)
    receipt = handler.scorer(event(key.replace("submissions/", "checked/", 1)), None)
    assert (receipt["late"], receipt["private_score"]) == (False, None)


def test_what_came_in_time_is_not_late_because_the_same_came_again_and_was_scored_first(
    world: World,
) -> None:
    """The first one's event was lost, say, and the steward finds it after the close."""
    in_time, again = world.upload(RIGHT), world.upload(RIGHT)
    assert world.score(again, CLOSED)["late"]
    receipt = world.score(in_time, CLOSED - dt.timedelta(seconds=1))
    assert (receipt["late"], receipt["counted"]) == (False, True)
    [entry] = kept(world)
    assert (entry.late, entry.key) == (False, in_time)
    assert [line["team"] for line in world.board()["entries"]] == [entry.team]
    repeated = world.score(again, CLOSED)
    assert (repeated["late"], repeated["counted"]) == (False, False)


def test_a_competition_that_was_opened_early_takes_submissions(world: World) -> None:
    early = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    assert world.submit(RIGHT, at=early)["status"] == "refused"
    act(world, state.open_, at=early)
    assert world.submit(RIGHT, at=early + dt.timedelta(hours=1))["status"] == "scored"


def test_while_it_is_frozen_a_submission_waits_and_is_scored_as_of_its_time(world: World) -> None:
    scored = world.upload(RIGHT)
    first = world.score(scored)
    act(world, state.freeze)
    key = world.upload(better(1.2))
    receipt = world.score(key)
    assert (receipt["status"], receipt["counted"]) == ("waiting", False)
    assert "stands still (because). Your submission is kept" in receipt["message"]
    table = BoardTable("earth-board")
    [held] = table.held("climate-series")
    assert (held.key, held.received) == (key, AT)
    assert len(kept(world)) == 1
    assert world.score(scored) == first, "what is an entry already keeps its receipt"
    act(world, state.reopen)
    world.now = AT + dt.timedelta(days=2)
    handler.checker({"submission": {"key": key, "version": held.version}}, None)
    after = handler.scorer(event(key.replace("submissions/", "checked/", 1)), None)
    assert (after["status"], after["received"]) == ("scored", "2026-12-01T09:00:00Z")
    assert after["left_today"] == 0, "it counts on the day that it was received"


def test_of_a_disqualified_team_nothing_is_scored(world: World) -> None:
    act(world, state.disqualify, team="falcon")
    receipt = world.submit(RIGHT)
    assert receipt["status"] == "refused"
    assert receipt["message"] == "Your team is disqualified: because"
    assert world.submit(RIGHT, team="heron")["status"] == "scored"


def test_a_day_left_counts_down_and_the_last_is_told(world: World) -> None:
    left = [world.submit(better(value))["left_today"] for value in (1.9, 1.8, 1.7)]
    assert left == [1, 0, None]


# --- marks ----------------------------------------------------------------------------------------
def test_a_mark_is_a_line_without_limit_and_dates_and_the_latest_stands(world: World) -> None:
    early = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    for hours, value in ((0, 1.9), (2, 1.2), (1, 1.5)):
        key = world.upload(better(value), team="expert", note="the%20lecturer")
        receipt = world.score(key, early + dt.timedelta(hours=hours))
        assert (receipt["status"], receipt["left_today"]) == ("scored", None)
    assert "A newer one stands on the board." in receipt["message"]
    world.submit(RIGHT, at=AT)
    lines = {line["kind"]: line for line in world.board()["lines"]}
    assert (lines["expert"]["name"], lines["expert"]["score"]) == ("expert: the lecturer", 0.6)
    assert [entry["team"] for entry in world.board()["entries"]] == ["falcon"]
    selection = world.upload('{"entries": ["0123456789ab"]}', "expert", "selection.json")
    assert "selects nothing" in world.score(selection)["message"]


# --- selections -----------------------------------------------------------------------------------
def select(world: World, *entries: str, at: dt.datetime = AT, team: str = "falcon") -> Any:
    content = json.dumps({"entries": entries})
    return world.score(world.upload(content, team, "selection.json", learner="ana"), at)


def test_a_team_selects_two_of_its_entries_and_the_later_word_holds(world: World) -> None:
    one, two = (world.submit(better(value))["entry"] for value in (1.9, 1.8))
    receipt = select(world, one, two)
    assert (receipt["status"], receipt["counted"]) == ("noted", False)
    assert f"Entries {min(one, two)} and {max(one, two)} count at the close" in receipt["message"]
    later = select(world, two, at=AT + dt.timedelta(hours=1))
    assert f"Entry {two} counts at the close, and with it the best" in later["message"]
    earlier = select(world, one, at=AT + dt.timedelta(minutes=30))
    assert "A later selection of your team's holds already" in earlier["message"]
    holds = BoardTable("earth-board").selections("climate-series")["falcon"]
    assert holds.entries == (digest_of(better(1.8)),)
    assert holds.learner == "ana"
    assert len(kept(world)) == 2, "a selection is no entry and costs none"


def test_a_selection_of_what_cannot_count_is_refused(world: World) -> None:
    mine = world.submit(better(1.9))["entry"]
    theirs = world.submit(better(1.5), team="heron")["entry"]
    late = world.submit(better(1.2), at=CLOSED)["entry"]
    for chosen, words in (
        (theirs, "Your team has no entry"),
        ("0" * 12, "Your team has no entry"),
        (late, "came after the close"),
        ("nonsense", "expected an entry's id"),
    ):
        receipt = select(world, chosen)
        assert (receipt["status"], words in receipt["message"]) == ("refused", True)
    assert "closed on 2027-03-16" in select(world, mine, at=CLOSED)["message"]
    act(world, state.disqualify, team="falcon", digest=digest_of(better(1.9)))
    assert "is disqualified: because" in select(world, mine)["message"]
    assert BoardTable("earth-board").selections("climate-series") == {}


# --- scoring again --------------------------------------------------------------------------------
def rescore(world: World, key: str) -> dict[str, Any]:
    again = {"submission": {"key": key, "version": None}, "rescore": "r1"}
    handler.checker(again, None)
    return handler.scorer(event(key.replace("submissions/", "checked/", 1)), None)


def test_scores_are_computed_again_and_nothing_else_of_an_entry_changes(world: World) -> None:
    key = world.upload(better(1.5), note="mine", job=world.train(JOB))
    receipt = world.score(key)
    [before] = kept(world)
    other = ANSWERS_CSV.replace("co2,10,1.0", "co2,10,0.5")
    where = {"Bucket": "vault", "Key": "answers/climate-series/answers.csv"}
    world.s3.put_object(**where, Body=other.encode())
    assert rescore(world, key)["status"] == "rescored"
    [after] = kept(world)
    assert after.public_score != before.public_score
    assert (after.rescored, after.fault) == ("r1", "")
    assert replace(
        after,
        public_score=before.public_score,
        private_score=before.private_score,
        record=before.record,
        also=before.also,
        rescored="",
    ) == replace(before, rescored="")
    assert world.receipt(key) == receipt, "the receipt is what was told then"


def test_an_entry_that_a_rescoring_refuses_keeps_its_scores_and_says_why(world: World) -> None:
    key = world.upload(better(1.5))
    world.score(key)
    [before] = kept(world)
    task = TASK.replace(b'"horizon": 3', b'"horizon": 2')
    where = {"Bucket": "data", "Key": "datasets/climate-series/task.json"}
    world.s3.put_object(**where, Body=task)
    assert rescore(world, key)["status"] == "rescored"
    [after] = kept(world)
    assert "step 12 of co2 is not asked for" in after.fault
    assert (after.public_score, after.rescored) == (before.public_score, "r1")


def test_what_is_no_entry_is_left_alone_by_a_rescoring(world: World) -> None:
    refused = world.upload("nonsense")
    before = world.score(refused)
    assert rescore(world, refused)["status"] == "ignored"
    assert world.receipt(refused) == before
    entry = world.submit(RIGHT)["entry"]
    selection = world.upload(json.dumps({"entries": [entry]}), "falcon", "selection.json")
    assert world.score(selection)["status"] == "noted"
    assert rescore(world, selection)["status"] == "ignored"


def test_a_mark_is_scored_again_like_an_entry(world: World) -> None:
    key = world.upload(better(1.5), team="expert")
    world.score(key)
    where = {"Bucket": "vault", "Key": "answers/climate-series/answers.csv"}
    other = ANSWERS_CSV.replace("co2,10,1.0", "co2,10,0.5")
    world.s3.put_object(**where, Body=other.encode())
    table = BoardTable("earth-board")
    before = table.marks("climate-series")["expert"]
    rescore(world, key)
    after = table.marks("climate-series")["expert"]
    assert after.public_score != before.public_score
    assert (after.key, after.received, after.rescored) == (key, AT, "r1")


# --- what an entry took ---------------------------------------------------------------------------
def test_an_entry_says_what_its_job_cost_and_how_many_gpu_hours_it_took(world: World) -> None:
    world.train(JOB)
    world.jobs.resources[JOB] = {
        "ResourceConfig": {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 2},
        "BillableTimeInSeconds": 1800,
    }
    world.score(world.upload(RIGHT, job=JOB))
    [entry] = kept(world)
    price = PriceList.snapshot().micro_usd_per_hour("us-east-1", "training", "ml.g5.12xlarge")
    assert (entry.instance, entry.instances, entry.seconds) == ("ml.g5.12xlarge", 2, 1800)
    assert (entry.cost, entry.gpu_hours) == (price, 4.0)
    [shown] = world.board()["entries"]
    assert (shown["cost_micro_usd"], shown["gpu_hours"]) == (price, 4.0)


@pytest.mark.parametrize(
    ("instance", "seconds", "gpu_hours", "known"),
    [
        ("ml.m5.large", 3600, 0.0, True),
        ("ml.m5.large", 0, None, False),
        ("ml.g9.huge", 3600, None, False),
        ("", 0, None, False),
    ],
)
def test_what_is_not_known_of_a_job_is_not_guessed(
    instance: str, seconds: int, gpu_hours: float | None, known: bool
) -> None:
    trained = Trained("image", instance, 1 if instance else 0, seconds)
    assert effort.gpu_hours(trained) == gpu_hours
    assert (effort.cost(trained, "us-east-1") is not None) == known
    assert effort.cost(trained, "nowhere-1") is None


def test_every_priced_instance_with_gpus_says_how_many() -> None:
    prices = PriceList.snapshot()
    for region in prices.regions():
        for name in prices.types(region, "training"):
            found = effort.gpu_hours(Trained("", name, 1, 3600))
            assert found is not None, name
            assert (found > 0) == (name[3] in "gp"), name


# --- news -----------------------------------------------------------------------------------------
def test_news_go_to_the_topic_in_two_forms(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = boto3.client("sns").create_topic(Name="news")["TopicArn"]
    monkeypatch.setenv("NEWS_TOPIC", topic)
    world.submit(RIGHT)
    sent = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].topics[topic].sent_notifications
    assert sent, "the first leader is news"
    for _, message, *_ in sent:
        forms = json.loads(message)
        assert set(forms) == {"default", "https", "email"}
        assert json.loads(forms["https"])["source"] == "custom"
        assert not forms["email"].startswith("{")


def test_news_that_cannot_be_told_fail_no_score(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic.news, "tell", lambda *_: 1 / 0)
    assert world.submit(RIGHT)["status"] == "scored"
    assert world.board()["entries"][0]["team"] == "falcon"


def test_without_a_topic_news_are_not_sent(world: World) -> None:
    AwsFiles(work="work").send_news("s", "{}", "p", {})
    assert world.submit(RIGHT)["status"] == "scored"


# --- the steward ----------------------------------------------------------------------------------
class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def test_the_steward_runs_as_its_function_is_called(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        steward_aws.AwsWorld, "_call", lambda _, name, event: calls.append((name, event))
    )
    topic = boto3.client("sns").create_topic(Name="notices")["TopicArn"]
    for name, value in {"CHECKER": "c", "SCORER": "s", "NOTICES_TOPIC": topic}.items():
        monkeypatch.setenv(name, value)
    key = world.upload(RIGHT)
    kept_objects = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["work"].keys
    kept_objects[key].last_modified = AT - dt.timedelta(hours=1)
    done = handler.steward({}, Context())
    assert (done["published"], done["handed"]) == (2, 1)
    assert ("c", {"submission": {"key": key, "version": None}}) in calls
    assert ("s", {"publish": "climate-series"}) in calls
