"""moto behind enforcement, on a real socket, with boto3 as the client."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from infra.offline import patching, runtime
from infra.offline.authorization import credentials, enforcement
from infra.offline.clock import Clock
from infra.offline.environment import ADMIN_ACCESS_KEY
from infra.offline.processes import Processes

ACCOUNT = "123456789012"
REGION = "us-east-1"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def deny(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return allow(action, resource, **condition) | {"Effect": "Deny"}


TRUST = policy(
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}},
    {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
    },
)


@dataclass
class Behind:
    """What stands behind enforcement: moto, or, with `stub`, a recorder that answers {}."""

    moto: Any
    stub: bool = False
    passed: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if not self.stub:
            return self.moto(environ, start_response)
        self.passed.append({**environ, "body": environ["wsgi.input"].read()})
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"{}"]


@dataclass
class Cloud:
    """A guarded moto. `role` makes a role with policies and gives its credentials."""

    endpoint: str
    clock: Clock
    behind: Behind
    _made: int = field(default=0)

    def client(self, service: str, keys: dict[str, str] | None = None, **config: Any) -> Any:
        given = keys or {
            "AWS_ACCESS_KEY_ID": ADMIN_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "any",
        }
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=config.pop("region", REGION),
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=given.get("AWS_SESSION_TOKEN"),
            config=Config(retries={"max_attempts": 1}, **config),
        )

    def role(
        self,
        *statements: dict[str, Any],
        name: str | None = None,
        boundary: str | None = None,
        trust: str = TRUST,
        path: str = "/academy/earth/learner/",
        **session: Any,
    ) -> dict[str, str]:
        self._made += 1
        name = name or f"role-{self._made}"
        iam = self.client("iam")
        extra = {}
        if boundary is not None:
            made = iam.create_policy(PolicyName=f"{name}-boundary", PolicyDocument=boundary)
            extra["PermissionsBoundary"] = made["Policy"]["Arn"]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Path=path, **extra)
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
        arn = f"arn:aws:iam::{ACCOUNT}:role{path}{name}"
        return credentials.for_role(arn, session_name="ana", **session)


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[str, Any]]:
    patching.apply()
    behind = Behind(DomainDispatcherApplication(create_backend_app))
    app = enforcement.enforce(behind)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", behind
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def cloud(_server: tuple[str, Any], tmp_path: Path) -> Iterator[Cloud]:
    endpoint, behind = _server
    BackendDict.reset()
    behind.stub, behind.passed = False, []
    active = runtime.Runtime(Clock(), Processes(), tmp_path, endpoint, ACCOUNT, REGION)
    runtime.activate(active)
    yield Cloud(endpoint, active.clock, behind)
    runtime.deactivate()


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call, expect an error of this code, return its message."""
    from botocore.exceptions import ClientError

    def check(
        call: Callable[[], Any], code: str = "AccessDenied", status: int | None = None
    ) -> str:
        with pytest.raises(ClientError) as caught:
            call()
        error = caught.value.response
        assert error["Error"]["Code"] == code, error
        if status is not None:
            assert error["ResponseMetadata"]["HTTPStatusCode"] == status
        return str(error["Error"].get("Message", ""))

    return check


@pytest.fixture
def in_hours() -> Callable[[float], dt.timedelta]:
    return lambda hours: dt.timedelta(hours=hours)
