"""A cohort for the library's tests: moto's S3 and SSM, and a broker that runs jobs in this process.

The jobs are real: `academy.job` runs over a folder shaped like /opt/ml, as in a container.
"""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

REGION = "us-east-1"
PARAMETER = "/academy/workspaces/earth--ana"
BROKER = "arn:aws:lambda:us-east-1:123456789012:function:earth-broker:ana"
LIBRARY = Path(__file__).resolve().parents[2] / "project_templates" / "academy"

WORKSPACE: dict[str, Any] = {
    "version": 1,
    "cohort": "earth",
    "region": REGION,
    "account": "123456789012",
    "learner": "ana",
    "team": "falcon",
    "teammates": ["ben"],
    "domain_id": "d-aaaaaaaaaaaa",
    "profile": "earth--ana",
    "space": "earth--ana",
    "training_role": "arn:aws:iam::123456789012:role/academy/earth/training/falcon",
    "lifecycle_config": "arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/start",
    "buckets": {"data": "earth-data", "work": "earth-work", "site": "earth-site"},
    "prefixes": {
        "team": "teams/falcon/",
        "datasets": "datasets/",
        "software": "software/",
        "submissions": "submissions/{project}/falcon/",
        "receipts": "receipts/{project}/falcon/",
        "boards": "boards/",
    },
    "broker": BROKER,
    "projects": ["climate-series"],
    "training": {"instances": ["ml.m5.large", "ml.g5.xlarge"], "max_hours": 4, "max_instances": 1},
    "studio": {"instances": ["ml.t3.medium"], "max_hours": 4},
    "competition": {"submissions_per_day": 5, "closes": "2027-03-15"},
}


@dataclass
class FakeBroker:
    """Answers as the broker does; what it is asked is kept in `asked`."""

    s3: Any
    folder: Path
    asked: list[dict[str, Any]] = field(default_factory=list)
    refusal: dict[str, Any] | None = None
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    score: float = 0.42

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if self.refusal:
            return {"ok": False, "error": self.refusal}
        operation = getattr(self, f"_{request['op']}")
        return {"ok": True, **operation(request)}

    def _budget(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {
            "cap_micro_usd": 25_000_000,
            "spent_micro_usd": 5_000_000,
            "reserved_micro_usd": 2_500_000,
            "available_micro_usd": 17_500_000,
            "now": "2026-12-01T11:10:00Z",
            "open": [
                {
                    "kind": "space",
                    "name": "earth--ana",
                    "instance": "ml.t3.medium",
                    "reserved_micro_usd": 2_500_000,
                    "so_far_micro_usd": 400_000,
                    "may_still_cost_micro_usd": 2_100_000,
                    "ends_at": "2026-12-01T12:30:00Z",
                }
            ],
            "entries": [],
        }

    def _stay(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"ends_at": "2026-12-01T14:00:00Z", "reserved_micro_usd": 1}

    def _stop_job(self, request: dict[str, Any]) -> dict[str, Any]:
        self.jobs[request["job"]]["status"] = "Stopped"
        return {"status": "Stopping"}

    def _job(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs[request["job"]]
        if job["looks"] > 0:
            job["looks"] -= 1
            return {"job": request["job"], "status": "InProgress", "secondary_status": "Training"}
        return {name: value for name, value in job.items() if name != "looks"}

    def _train(self, request: dict[str, Any]) -> dict[str, Any]:
        name = f"earth--falcon--ana--{request['token'][:8]}"
        root = self.folder / name
        for part in ("input/config", "input/data/code", "input/data/data", "model", "output/data"):
            (root / part).mkdir(parents=True)
        config = {**request["hyperparameters"], "academy_script": request["script"]}
        (root / "input/config/hyperparameters.json").write_text(json.dumps(config))
        channels = {"code": {}, "data": {}}
        (root / "input/config/inputdataconfig.json").write_text(json.dumps(channels))
        self._channel("earth-work", f"teams/falcon/code/{request['token']}/", root, "code")
        self._channel("earth-data", f"datasets/{request['project']}/", root, "data")
        run = subprocess.run(
            [sys.executable, "-m", "academy.job"],
            env={**os.environ, "ML_ROOT": str(root), "PYTHONPATH": str(LIBRARY)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.logs[name] = (run.stdout + run.stderr).splitlines()
        ended = {"job": name, "looks": 1, "billable_seconds": 21, "cost_micro_usd": 700}
        if run.returncode:
            failure = (root / "output/failure").read_text()
            self.jobs[name] = {**ended, "status": "Failed", "failure": failure}
        else:
            self.jobs[name] = {**ended, "status": "Completed"}
        prefix = f"teams/falcon/jobs/{name}/output"
        for kind, part in (("model", "model"), ("output", "output/data")):
            if any((root / part).iterdir()):
                content = tar_of({file.name: file.read_bytes() for file in (root / part).iterdir()})
                self.s3.put_object(Bucket="earth-work", Key=f"{prefix}/{kind}.tar.gz", Body=content)
        return {"job": name, "reserved_micro_usd": 30_000, "price_micro_usd_per_hour": 115_000}

    def _channel(self, bucket: str, prefix: str, root: Path, channel: str) -> None:
        listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        for entry in listed.get("Contents", []):
            file = root / "input/data" / channel / entry["Key"].removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())


class LambdaClient:
    """boto3's Lambda client, as far as the library uses it."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == BROKER
        content = json.dumps(self._broker.answer(json.loads(Payload))).encode()
        return {"StatusCode": 200, "Payload": io.BytesIO(content)}


class LogsClient:
    """boto3's CloudWatch Logs client: two lines a page."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    def describe_log_streams(self, **asked: Any) -> dict[str, Any]:
        job = asked["logStreamNamePrefix"].rstrip("/")
        known = job in self._broker.logs
        return {"logStreams": [{"logStreamName": f"{job}/algo-1-1"}] if known else []}

    def get_log_events(self, **asked: Any) -> dict[str, Any]:
        lines = self._broker.logs[asked["logStreamName"].split("/")[0]]
        first = int(asked.get("nextToken", "f/0").split("/")[1])
        page = lines[first : first + 2]
        return {
            "events": [{"message": line, "timestamp": 0} for line in page],
            "nextForwardToken": f"f/{first + len(page)}",
        }


@dataclass
class FakeAcademy:
    """Everything at once; `clients` is what `Connection.open` takes."""

    s3: Any
    ssm: Any
    broker: FakeBroker

    def clients(self, service: str, region: str | None) -> Any:
        return {
            "s3": self.s3,
            "ssm": self.ssm,
            "lambda": LambdaClient(self.broker),
            "logs": LogsClient(self.broker),
        }[service]

    def publish(self, files: dict[str, bytes]) -> None:
        for key, content in files.items():
            self.s3.put_object(Bucket="earth-data", Key=key, Body=content)

    def submissions(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket="earth-work", Prefix="submissions/")
        return [entry["Key"] for entry in listed.get("Contents", [])]


@functools.cache
def client(service: str) -> Any:
    """One client for all tests: making one takes longer than most of them."""
    return boto3.client(service, REGION)


def build(folder: Path) -> FakeAcademy:
    """A cohort in moto, which must be active, with empty buckets."""
    s3, ssm = client("s3"), client("ssm")
    for bucket in WORKSPACE["buckets"].values():
        s3.create_bucket(Bucket=bucket)
    ssm.put_parameter(Name=PARAMETER, Value=json.dumps(WORKSPACE), Type="String")
    return FakeAcademy(s3, ssm, FakeBroker(s3, folder))


def tar_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
