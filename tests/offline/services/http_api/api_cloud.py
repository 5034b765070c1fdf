"""A cloud with an HTTP API before a function, and a client that sends exactly what it is told."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from infra.offline.server import Cloud
from tests.offline import whole_cloud
from tests.offline.small_cloud import zipped

ACCOUNT = "123456789012"

#: Answers with the event, or does what the query says.
CODE = """\
import json
import time


def handler(event, context):
    asked = event.get("queryStringParameters", {})
    if "sleep" in asked:
        time.sleep(float(asked["sleep"]))
    if "fail" in asked:
        raise ValueError(asked["fail"])
    if "answer" in asked:
        return json.loads(asked["answer"])
    if "large" in asked:
        return {"statusCode": 200, "body": "x" * int(asked["large"])}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"event": event, "arn": context.invoked_function_arn}),
    }
"""


@dataclass
class Got:
    """An answer over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    @property
    def event(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)["event"]
        return told

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


@dataclass
class HttpApi:
    """An API as its owner and its clients see it."""

    cloud: Cloud
    function: str
    api_id: str
    endpoint: str
    integration: str

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.endpoint)
        return str(parts.hostname), int(parts.port or 0)

    @property
    def host(self) -> str:
        return "{}:{}".format(*self.address)

    @property
    def api(self) -> Any:
        return whole_cloud.client(self.cloud, "apigatewayv2")

    def get(self, target: str = "/", **headers: str) -> Got:
        return self.send("GET", target, headers.items())

    def send(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Got:
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Got(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def raw(self, *pieces: bytes) -> bytes:
        """What comes back for these bytes, until the API closes the connection."""
        with socket.create_connection(self.address, timeout=10) as connection:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            got = b""
            while part := connection.recv(65_536):
                got += part
            return got

    def stage(self, **settings: Any) -> None:
        self.api.update_stage(ApiId=self.api_id, StageName="$default", **settings)


def function(cloud: Cloud, name: str, code: str = CODE, **settings: Any) -> str:
    """A function; returns its ARN."""
    made = whole_cloud.client(cloud, "lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.handler",
        Role=whole_cloud.role(cloud, name, "lambda"),
        Code={"ZipFile": zipped({"app.py": code})},
        **{"Timeout": 20, **settings},
    )
    return str(made["FunctionArn"])


def http_api(cloud: Cloud, name: str, *, may: str | None = "/*", **settings: Any) -> HttpApi:
    """An API before a function of its own. `may`: what of the API the function's policy admits."""
    arn = function(cloud, name)
    api = whole_cloud.client(cloud, "apigatewayv2")
    made = api.create_api(Name=name, ProtocolType="HTTP")
    named = {"ApiId": made["ApiId"]}
    integration = api.create_integration(
        **named,
        IntegrationType="AWS_PROXY",
        IntegrationUri=arn,
        PayloadFormatVersion="2.0",
        **settings,
    )["IntegrationId"]
    api.create_route(**named, RouteKey="$default", Target=f"integrations/{integration}")
    api.create_stage(**named, StageName="$default", AutoDeploy=True)
    if may is not None:
        whole_cloud.client(cloud, "lambda").add_permission(
            FunctionName=name,
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{made['ApiId']}{may}",
            SourceAccount=ACCOUNT,
        )
    return HttpApi(cloud, arn, made["ApiId"], made["ApiEndpoint"], integration)
