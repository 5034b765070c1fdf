"""A cohort with a competition over moto, for the tests of the `cohort competition` verbs.

Table, buckets and settings are moto's, and the scorer's code writes the pages. Lambda is a stand-in
that runs what a test gives it, in this process; so is SageMaker, whose jobs moto does not run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto import mock_aws

from infra.cli.account import Site
from infra.cli.main import cohort as command
from infra.cohort.loading import load
from infra.services.competition import projects
from infra.services.competition.ladder import Ladder
from infra.services.competition.problems import Misconfigured
from infra.services.competition.publishing import publish
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable, Entry
from infra.services.guard.settings import settings_document
from tests.services.test_competition_scoring import ANSWERS_CSV, SCALES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "climate-series"
ACCOUNT = "123456789012"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
TODAY = NOW.date()

Function = Callable[[dict[str, Any]], Any]


class Functions:
    """Lambda: runs `run[<service>]` in this process. What it is handed, it keeps."""

    def __init__(self, cohort: str, real: Any) -> None:
        self._cohort, self.exceptions = cohort, real.exceptions
        self.run: dict[str, Function] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> Any:  # noqa: N803
        service = FunctionName.removeprefix(f"{self._cohort}-")
        if service not in self.run:
            code = {"Code": "ResourceNotFoundException", "Message": FunctionName}
            raise self.exceptions.ResourceNotFoundException({"Error": code}, "Invoke")
        payload = json.loads(Payload)
        self.asked.append((service, payload))
        try:
            answer = self.run[service](payload)
        except Exception as error:
            if InvocationType == "Event":
                return {"StatusCode": 202}
            failed = {"errorMessage": str(error), "errorType": type(error).__name__}
            return {
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps(failed).encode()),
            }
        if InvocationType == "Event":
            return {"StatusCode": 202, "Payload": io.BytesIO(b"")}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}

    def of(self, service: str) -> list[dict[str, Any]]:
        return [payload for asked, payload in self.asked if asked == service]


class Jobs:
    """SageMaker: jobs by name, and what happens to one that is started."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.started: list[dict[str, Any]] = []
        self.ends: Callable[[dict[str, Any]], dict[str, Any]] = lambda request: request

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        if TrainingJobName not in self.jobs:
            missing = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": missing}, "DescribeTrainingJob")
        return self.jobs[TrainingJobName]

    def create_training_job(self, **request: Any) -> None:
        self.started.append(request)
        self.jobs[request["TrainingJobName"]] = self.ends(request)


class Files:
    """What the pages are written from and to."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answers(self, project: str, name: str) -> bytes:
        there = {"answers.csv": ANSWERS_CSV.encode(), "scales.json": json.dumps(SCALES).encode()}
        if name not in there:
            raise Misconfigured(f"vault has no answers/{project}/{name}; run: cohort publish")
        return there[name]

    def put_page(self, key: str, text: str) -> None:
        self._world.put("site", key, text)

    def __getattr__(self, name: str) -> Any:
        """Whatever else of the protocol: not there, S3's answer to what nobody wrote."""
        raise AttributeError(name)


class World:
    """A deployed cohort, its file, and a competition that is open."""

    def __init__(
        self, folder: Path, *, starts: int = -10, closes: int = 10, ends: int = 30
    ) -> None:
        document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
        days = {
            "starts": TODAY + dt.timedelta(days=starts),
            "ends": TODAY + dt.timedelta(days=ends),
        }
        document |= {"projects": [PROJECT], **days}
        document["competition"]["closes"] = TODAY + dt.timedelta(days=closes)
        self.file = folder / "cohort.yaml"
        self.file.write_text(yaml.safe_dump(document))
        self.site = Site(load(self.file))
        self.names = self.site.cohort.names
        self.s3 = self.site.client("s3")
        for purpose in ("data", "work", "site"):
            self.s3.create_bucket(Bucket=self.site.bucket(purpose))
        self.s3.put_bucket_versioning(
            Bucket=self.site.bucket("work"), VersioningConfiguration={"Status": "Enabled"}
        )
        self.site.client("ssm").put_parameter(
            Name=self.names.settings_parameter, Type="String", Value=self._settings()
        )
        self.table = self._table()
        self.ladder = Ladder("lower", projects.of(PROJECT))
        self.functions = Functions(self.site.cohort.name, boto3.client("lambda", "us-east-1"))
        self.functions.run["scorer"] = lambda _event: self.publish()
        self.jobs = Jobs()
        self.stands_in: dict[str, Any] = {}

    @property
    def settings(self) -> CompetitionSettings:
        return CompetitionSettings.from_json(self._settings())

    def _settings(self) -> str:
        cohort = self.site.cohort
        return settings_document(
            cohort=cohort.name,
            region=cohort.region,
            starts=cohort.starts,
            ends=cohort.ends,
            cap_micro_usd=1,
            studio_instances=["ml.t3.medium"],
            studio_max_hours=4,
            training_instances=["ml.m5.large"],
            training_max_hours=4,
            training_max_instances=1,
            projects=[PROJECT],
            data_bucket="data",
            work_bucket="work",
            schedule_group="g",
            stopper_role_arn="r",
            submissions_per_day=5,
            closes=cohort.competition.closes,
        )

    def _table(self) -> BoardTable:
        client = boto3.client("dynamodb", "us-east-1")
        client.create_table(
            TableName=self.names.board_table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        return BoardTable(self.names.board_table, client)

    def publish(self) -> dict[str, Any]:
        found = publish(
            PROJECT, self.settings, Files(self), self.table, lambda: dt.datetime.now(dt.UTC)
        )  # type: ignore[arg-type]
        assert isinstance(found, dict)
        return found

    # --- what is there ----------------------------------------------------------------------------
    def put(self, purpose: str, key: str, content: bytes | str, **more: Any) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.site.bucket(purpose), Key=key, Body=body, **more)

    def get(self, purpose: str, key: str) -> bytes:
        found = self.s3.get_object(Bucket=self.site.bucket(purpose), Key=key)
        return bytes(found["Body"].read())

    def keys(self, purpose: str, prefix: str = "") -> list[str]:
        where = {"Bucket": self.site.bucket(purpose), "Prefix": prefix}
        return [item["Key"] for item in self.s3.list_objects_v2(**where).get("Contents", [])]

    def enter(self, team: str, score: float, days: float = 1.0, **members: Any) -> Entry:
        """An entry of `team`, received so many days ago."""
        digest = hashlib.sha256(f"{team} {score} {days}".encode()).hexdigest()
        entry = Entry(
            project=PROJECT,
            team=team,
            digest=digest,
            key=f"submissions/{PROJECT}/{team}/20261201T090000Z-{digest[-12:]}.csv",
            received=NOW - dt.timedelta(days=days),
            public_score=score,
            private_score=score + 0.1,
            note="",
            learner="ana",
            job=members.pop("job", ""),
            **members,
        )
        return self.table.record(entry, 100, self.ladder)

    def acts(self) -> list[tuple[str, str]]:
        """(what, why) of what was done, newest first."""
        return [(act.what, act.why) for act in self.table.acts(PROJECT, 100)]

    def board(self) -> dict[str, Any]:
        found = json.loads(self.get("site", f"boards/{PROJECT}.json"))
        assert isinstance(found, dict)
        return found

    def run(self, *arguments: str, input: str | None = None) -> Result:
        line = [*arguments, "--file", str(self.file)]
        return CliRunner().invoke(command, line, input=input)

    def verb(self, *arguments: str, why: str = "the reason") -> Result:
        return self.run("competition", *arguments, "--why", why)


@contextmanager
def world_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **dates: int) -> Iterator[World]:
    """The world, with its Lambda and SageMaker in the place of boto3's."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        world = World(folder, **dates)
        world.stands_in |= {"lambda": world.functions, "sagemaker": world.jobs}
        real = boto3.client

        def client(service: str, *arguments: Any, **options: Any) -> Any:
            return world.stands_in.get(service) or real(service, *arguments, **options)

        monkeypatch.setattr(boto3, "client", client)
        yield world


def one_line(text: str) -> str:
    return " ".join(text.split())
