"""`cohort close`: the steward writes no board into a bucket that is being emptied."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.cli.account import Site
from infra.cli.close import close_cohort
from infra.offline.server import Cloud
from infra.offline.services import lambda_runtime
from tests.offline import whole_cloud
from tests.offline.small_cloud import zipped

ROOT = Path(__file__).resolve().parents[2]

WRITES = """
import boto3
def handler(event, context):
    boto3.client("s3").put_object(Bucket="{bucket}", Key="index.html", Body=b"board")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Cloud]]:
    with Cloud(state=tmp_path / "cloud") as cloud:
        for name, value in cloud.client_environment().items():
            monkeypatch.setenv(name, value)
        # boto3 keeps the credentials that it first saw.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield Site.of(ROOT / "cohorts" / "example.yaml"), cloud


def an_hourly_steward(site: Site, cloud: Cloud) -> Any:
    """A rule called as the steward's, whose function writes into the bucket `site`."""
    names, bucket = site.cohort.names, site.bucket("site")
    whole_cloud.client(cloud, "s3").create_bucket(Bucket=bucket)
    role = whole_cloud.role(
        cloud, "steward", "lambda", (["s3:PutObject"], f"arn:aws:s3:::{bucket}/*")
    )
    function = whole_cloud.client(cloud, "lambda").create_function(
        FunctionName=names.function("steward"),
        Runtime="python3.11",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": zipped({"app.py": WRITES.format(bucket=bucket)})},
        Timeout=30,
    )["FunctionArn"]
    events = whole_cloud.client(cloud, "events")
    rule = events.put_rule(Name=names.rule("steward"), ScheduleExpression="rate(1 hour)")
    whole_cloud.client(cloud, "lambda").add_permission(
        FunctionName=function,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule["RuleArn"],
    )
    events.put_targets(Rule=names.rule("steward"), Targets=[{"Id": "1", "Arn": function}])


def pages(site: Site, cloud: Cloud) -> int:
    lambda_runtime.drain()
    listed = whole_cloud.client(cloud, "s3").list_objects_v2(Bucket=site.bucket("site"))
    return int(listed["KeyCount"])


def test_after_a_close_no_board_is_written(site: tuple[Site, Cloud]) -> None:
    cohort, cloud = site
    an_hourly_steward(cohort, cloud)
    cloud.runtime.clock.move(by=dt.timedelta(hours=1))
    assert pages(cohort, cloud) == 1
    said = list(close_cohort(cohort))
    assert "the steward rests" in said[0]
    cloud.runtime.clock.move(by=dt.timedelta(hours=5))
    assert pages(cohort, cloud) == 0


def test_a_cohort_without_a_steward_closes_all_the_same(site: tuple[Site, Cloud]) -> None:
    cohort, _ = site
    said = list(close_cohort(cohort))
    assert not any("steward" in line for line in said)
    assert "site: 0 object versions erased" in said
