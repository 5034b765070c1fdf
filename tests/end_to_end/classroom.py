"""What a notebook meets in the tests: a cohort in moto, in the kernel's own process.

Jobs are real processes of the training script; a submission is scored by the deployed scorer's own
code. What the embedded cloud adds, the demo shows: there the notebooks run in real spaces.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from tests.academy import fake_academy

VAULT = "earth-vault"
BOARD = "earth-board"
SETTINGS = "/academy/earth/settings"
REGION = fake_academy.REGION


def enter(published: Path, work: Path) -> None:
    """Make `academy` in this process speak to a cohort with the `published` data.

    Args:
        published: The folders `data` and `vault`, with files under their object keys.
        work: A folder for jobs.
    """
    os.environ.update(
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_DEFAULT_REGION=REGION,
        ACADEMY_WORKSPACE=fake_academy.PARAMETER,
        COHORT="earth",
        SETTINGS_PARAMETER=SETTINGS,
        BOARD_TABLE=BOARD,
        WORK_BUCKET="earth-work",
        DATA_BUCKET="earth-data",
        VAULT_BUCKET=VAULT,
        SITE_BUCKET="earth-site",
    )
    mock_aws().start()
    projects = sorted(folder.name for folder in (published / "data" / "datasets").iterdir())
    fake_academy.WORKSPACE["projects"] = projects
    cohort = fake_academy.build(work)
    cohort.s3.create_bucket(Bucket=VAULT)
    for bucket, purpose in (("earth-data", "data"), (VAULT, "vault")):
        for file in sorted((published / purpose).rglob("*")):
            if file.is_file():
                key = file.relative_to(published / purpose).as_posix()
                cohort.s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    cohort.ssm.put_parameter(Name=SETTINGS, Value=_settings(projects), Type="String")
    boto3.client("dynamodb", REGION).create_table(
        TableName=BOARD,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )
    _connect(cohort)
    threading.Thread(target=_score, args=(cohort,), daemon=True).start()


def board(project: str) -> dict[str, Any]:
    """The board as learners read it."""
    page = fake_academy.client("s3").get_object(Bucket="earth-site", Key=f"boards/{project}.json")
    found: dict[str, Any] = json.loads(page["Body"].read())
    return found


def _connect(cohort: fake_academy.FakeAcademy) -> None:
    from academy import connection
    from academy.connection import Connection

    mine = Connection.open(clients=cohort.clients)
    connection.connect = lambda: mine


def _score(cohort: fake_academy.FakeAcademy) -> None:
    """As S3's events do, call the checker for each upload, and the scorer for what it wrote."""
    from infra.services.competition import handler

    done: set[str] = set()
    while True:
        for key in set(cohort.submissions()) - done:
            done.add(key)
            handler.checker(_created(key), None)
            handler.scorer(_created(key.replace("submissions/", "checked/", 1)), None)
        time.sleep(0.2)


def _created(key: str) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"time": now, "detail": {"bucket": {"name": "earth-work"}, "object": {"key": key}}}


def _settings(projects: list[str]) -> str:
    from infra.services.guard.settings import settings_document

    today = dt.datetime.now(dt.UTC).date()
    return settings_document(
        cohort="earth",
        region=REGION,
        starts=today - dt.timedelta(days=7),
        ends=today + dt.timedelta(days=100),
        cap_micro_usd=25_000_000,
        studio_instances=["ml.t3.medium"],
        studio_max_hours=4,
        training_instances=["ml.m5.large"],
        training_max_hours=4,
        training_max_instances=1,
        projects=projects,
        data_bucket="earth-data",
        work_bucket="earth-work",
        schedule_group="group",
        stopper_role_arn="role",
        submissions_per_day=5,
        closes=today + dt.timedelta(days=90),
    )
