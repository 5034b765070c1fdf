"""The competition as deployed, in a cloud where everything goes wrong now and then.

Checker, scorer and steward run as functions of their own processes on events of the embedded cloud.
Whatever goes wrong, every submission comes to one receipt, counts once, and the board is the one
that stands there when nothing goes wrong.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.offline import faults
from infra.offline.faults import Fault
from infra.offline.server import Cloud
from infra.offline.services import lambda_runtime
from tests.offline import services_cloud, whole_cloud
from tests.services.guard_cloud import settings_text
from tests.services.test_competition_scorer import better
from tests.services.test_competition_scoring import ANSWERS_CSV, RIGHT, SCALES, TASK

pytestmark = pytest.mark.slow

PROJECT = "climate-series"
BUCKETS = ("earth-work", "earth-data", "earth-vault", "earth-site")
PER_DAY = 4


class Competition:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.clock = cloud.runtime.clock
        self.s3 = whole_cloud.client(cloud, "s3")
        self.number = 0
        self.sent: list[str] = []
        self._data()
        self._functions()

    def _data(self) -> None:
        for bucket in BUCKETS:
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(
            Bucket="earth-work", VersioningConfiguration={"Status": "Enabled"}
        )
        self.s3.put_bucket_notification_configuration(
            Bucket="earth-work", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        for bucket, key, body in (
            ("earth-data", f"datasets/{PROJECT}/task.json", TASK),
            ("earth-vault", f"answers/{PROJECT}/answers.csv", ANSWERS_CSV.encode()),
            ("earth-vault", f"answers/{PROJECT}/scales.json", json.dumps(SCALES).encode()),
        ):
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        now = self.clock.now().date()
        whole_cloud.client(self.cloud, "ssm").put_parameter(
            Name=services_cloud.SETTINGS,
            Type="String",
            Value=settings_text(
                starts=now - dt.timedelta(days=7),
                ends=now + dt.timedelta(days=90),
                closes=now + dt.timedelta(days=80),
                projects=[PROJECT],
                submissions_per_day=PER_DAY,
            ),
        )
        whole_cloud.client(self.cloud, "dynamodb").create_table(
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

    def _functions(self) -> None:
        topic = whole_cloud.client(self.cloud, "sns").create_topic(Name="earth-notices")["TopicArn"]
        buckets = {
            "WORK_BUCKET": "earth-work",
            "DATA_BUCKET": "earth-data",
            "VAULT_BUCKET": "earth-vault",
            "SITE_BUCKET": "earth-site",
            "BOARD_TABLE": "earth-board",
            "CHECKER": "earth-checker",
            "SCORER": "earth-scorer",
            "NOTICES_TOPIC": topic,
        }
        made = {
            name: services_cloud.function(
                self.cloud, "competition", name, buckets, timeout=seconds, retries=retries
            )
            for name, seconds, retries in (
                ("checker", 60, 2),
                ("scorer", 120, 2),
                ("steward", 300, 0),
            )
        }
        for name, prefix in (("checker", "submissions/"), ("scorer", "checked/")):
            pattern = {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": ["earth-work"]},
                    "object": {"key": [{"prefix": prefix}]},
                },
            }
            services_cloud.rule(self.cloud, f"earth-{name}", made[name], pattern=pattern)
        services_cloud.rule(self.cloud, "earth-steward", made["steward"], rate="rate(1 hour)")

    def submit(self, team: str, content: str) -> str:
        """What a team sends, as the library does; the event takes it from there."""
        self.number += 1
        stamp = f"{self.clock.now():%Y%m%dT%H%M%SZ}"
        key = f"submissions/{PROJECT}/{team}/{stamp}-{self.number:012x}.csv"
        self.s3.put_object(Bucket="earth-work", Key=key, Body=content.encode())
        self.sent.append(key)
        return key

    def move(self, **by: float) -> None:
        self.clock.move(by=dt.timedelta(**by))

    def come_to_rest(self) -> None:
        """Nothing goes wrong any more; the steward has a day of hours."""
        faults.clear()
        for _ in range(12):
            self.move(hours=1)
        assert lambda_runtime.drain(60)

    def receipts(self) -> dict[str, dict[str, Any]]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket="earth-work", Prefix=f"receipts/{PROJECT}/"
        )
        found = {}
        for page in pages:
            for each in page.get("Contents", ()):
                body = self.s3.get_object(Bucket="earth-work", Key=each["Key"])["Body"].read()
                found[each["Key"]] = json.loads(body)
        return found

    def verdicts(self, key: str) -> set[tuple[Any, ...]]:
        """What the receipts of one submission have ever said, over all their versions."""
        name = key.replace("submissions/", "receipts/", 1) + ".json"
        versions = self.s3.list_object_versions(Bucket="earth-work", Prefix=name)["Versions"]
        said = set()
        for each in versions:
            body = self.s3.get_object(Bucket="earth-work", Key=name, VersionId=each["VersionId"])[
                "Body"
            ].read()
            receipt = json.loads(body)
            said.add(
                tuple(receipt[name] for name in ("status", "counted", "public_score", "entry"))
            )
        return said

    def entries(self) -> list[tuple[str, str]]:
        """Team and digest of each entry in the table."""
        table = whole_cloud.client(self.cloud, "dynamodb")
        kinds = [
            item["sk"]["S"].split("#") for item in table.scan(TableName="earth-board")["Items"]
        ]
        return [(kind[1], kind[2]) for kind in kinds if kind[0] == "entry"]

    def board(self) -> list[tuple[Any, ...]]:
        body = self.s3.get_object(Bucket="earth-site", Key=f"boards/{PROJECT}.json")["Body"].read()
        entries = json.loads(body)["entries"]
        return [(each["team"], each["score"]) for each in entries]


@pytest.fixture
def competition(tmp_path: Path) -> Iterator[Competition]:
    with Cloud(state=tmp_path) as cloud:
        made = Competition(cloud)
        # All of one day, whatever the hour of the test.
        midnight = dt.datetime.combine(
            made.clock.now().date() + dt.timedelta(days=1), dt.time(1), tzinfo=dt.UTC
        )
        made.clock.move(to=midnight)
        yield made


#: Of each team: what it sends, in order. The last of falcon's is one too many for the day.
STORY = {
    "falcon": [
        RIGHT,
        better(1.5),
        better(1.5),
        "no such thing",
        better(1.2),
        better(1.1),
        better(1.05),
    ],
    "heron": [better(1.9), better(1.3)],
}


def play(competition: Competition) -> None:
    for place in range(max(map(len, STORY.values()))):
        for team, contents in STORY.items():
            if place < len(contents):
                competition.submit(team, contents[place])
        assert lambda_runtime.drain(60)
        competition.move(minutes=20)
    competition.come_to_rest()


def all_is_well(competition: Competition) -> None:
    receipts = competition.receipts()
    wanted = {key.replace("submissions/", "receipts/", 1) + ".json" for key in competition.sent}
    assert set(receipts) == wanted, "each submission has its receipt, and there are no others"
    assert {receipt["submission"] for receipt in receipts.values()} == set(competition.sent)
    entries = competition.entries()
    counted = [r for r in receipts.values() if r["counted"]]
    assert len(counted) == len(entries), "what counts, counts once"
    by_team = {team: sum(t == team for t, _ in entries) for team in STORY}
    assert by_team == {"falcon": PER_DAY, "heron": 2}
    for key in competition.sent:
        assert len(competition.verdicts(key)) == 1, (key, competition.verdicts(key))
    assert {team for team, _ in competition.board()} == set(STORY)


def test_without_faults(competition: Competition) -> None:
    play(competition)
    all_is_well(competition)
    statuses = [receipt["status"] for _, receipt in sorted(competition.receipts().items())]
    assert sorted(statuses) == sorted(["scored"] * 7 + ["refused"] * 2)


FAULTS = [
    Fault("twice", "events", match={"source": "aws.s3"}, count=100),
    Fault("late", "events", match={"source": "aws.s3"}, count=100, seconds=1500),
    Fault("out-of-order", "events", match={"source": "aws.s3"}, count=5),
    *(
        Fault(kind, "lambda", match={"FunctionName": f"earth-{name}"}, count=2)
        for name in ("checker", "scorer")
        for kind in ("crash-before", "crash-after", "timeout-after")
    ),
    *(
        Fault(kind, "dynamodb", "TransactWriteItems", count=2)
        for kind in ("closed-before", "closed-after", "dies-before", "dies-after", "conflict")
    ),
    *(
        Fault(kind, "s3", "PutObject", match={"Key": "receipts/*"}, count=2, caller="arn:*:role/*")
        for kind in ("throttle", "closed-after", "dies-before", "dies-after")
    ),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.kind}-{f.service}-{f.match}")
def test_whatever_goes_wrong_each_submission_counts_once(
    competition: Competition, fault: Fault
) -> None:
    faults.add(fault)
    play(competition)
    all_is_well(competition)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (1, 2))]
)
def test_when_everything_goes_wrong_the_board_is_the_same(
    competition: Competition, seed: int
) -> None:
    for fault in faults.chaos(seed, 0.02):
        faults.add(fault)
    play(competition)
    all_is_well(competition)
