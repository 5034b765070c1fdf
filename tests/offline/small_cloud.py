"""A cloud for the tests of clock, functions, events and schedules: moto's own server, and no more.

It has no CloudFormation, no SageMaker and no IAM enforcement of ours, so what fails here fails for
a reason of these parts alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from infra.offline import patching, runtime
from infra.offline.clock import Clock
from infra.offline.environment import client_environment
from infra.offline.processes import Processes
from infra.offline.services import lambda_runtime

ACCOUNT = "123456789012"
REGION = "us-east-1"
STILL = datetime.now(UTC)


@dataclass
class SmallCloud:
    here: runtime.Runtime

    @property
    def clock(self) -> Clock:
        return self.here.clock

    def client(self, service: str) -> Any:
        environment = client_environment(self.here.endpoint, REGION)
        return boto3.client(
            service,
            endpoint_url=self.here.endpoint,
            region_name=REGION,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    def role(self, name: str, *services: str, condition: dict[str, Any] | None = None) -> str:
        """A role that the services (lambda.amazonaws.com …) may assume; returns its ARN."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": list(services)},
                    "Action": "sts:AssumeRole",
                    **({"Condition": condition} if condition else {}),
                }
            ],
        }
        made = self.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
        )
        return str(made["Role"]["Arn"])

    def function(self, name: str, code: str, **settings: Any) -> str:
        """A function whose module `app` has `code`, with `app.handler`; returns its ARN."""
        with contextlib.suppress(self.client("iam").exceptions.EntityAlreadyExistsException):
            self.role(f"{name}-role", "lambda.amazonaws.com")
        made = self.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.11",
                "Handler": "app.handler",
                "Role": f"arn:aws:iam::{ACCOUNT}:role/{name}-role",
                "Code": {"ZipFile": zipped({"app.py": code})},
                "Timeout": 20,
                **settings,
            }
        )
        return str(made["FunctionArn"])


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, textwrap.dedent(text))
    return content.getvalue()


@contextlib.contextmanager
def small_cloud(state: Path, *, still: bool = False) -> Iterator[SmallCloud]:
    """A running cloud. `still`: time passes by moves alone, however slow the machine is."""
    patching.apply()
    moto_api_backend.reset()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    here = runtime.Runtime(
        clock=Clock(real=lambda: STILL) if still else Clock(),
        processes=Processes(),
        state=state,
        endpoint=f"http://{host}:{port}",
        account=ACCOUNT,
        region=REGION,
    )
    runtime.activate(here)
    here.clock.start()
    try:
        yield SmallCloud(here)
    finally:
        lambda_runtime.close()
        here.clock.stop()
        here.processes.stop_all(grace_seconds=0)
        server.stop()
        runtime.deactivate()
