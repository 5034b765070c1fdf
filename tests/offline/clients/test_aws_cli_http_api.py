"""The AWS CLI and an HTTP API, and what then answers at its address."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from infra.offline.server import Cloud
from tests.offline.clients.aws_cli import SERVICE_REFUSED, AwsCli
from tests.offline.small_cloud import zipped
from tests.offline.whole_cloud import role

pytestmark = pytest.mark.clients

GROUP = "/aws/vendedlogs/cli-door"
CODE = """\
import json


def handler(event, context):
    context = event["requestContext"]
    return {
        "statusCode": 201,
        "headers": {"content-type": "application/json"},
        "cookies": ["seen=1; Secure; HttpOnly"],
        "body": json.dumps([context["http"]["method"], event["rawPath"], context["stage"]]),
    }
"""


@pytest.fixture(scope="module")
def made(aws: AwsCli, cloud: Cloud) -> dict[str, Any]:
    bundle = aws.home / "door.zip"
    bundle.write_bytes(zipped({"app.py": CODE}))
    function = aws(
        "lambda",
        "create-function",
        "--function-name=cli-door",
        "--runtime=python3.11",
        "--handler=app.handler",
        f"--role={role(cloud, 'cli-door', 'lambda')}",
        f"--zip-file=fileb://{bundle}",
        "--timeout=20",
    )["FunctionArn"]
    aws("logs", "create-log-group", f"--log-group-name={GROUP}")
    api = aws(
        "apigatewayv2",
        "create-api",
        "--name=cli-door",
        "--protocol-type=HTTP",
        "--tags=cohort=earth",
    )
    named = f"--api-id={api['ApiId']}"
    integration = aws(
        "apigatewayv2",
        "create-integration",
        named,
        "--integration-type=AWS_PROXY",
        f"--integration-uri={function}",
        "--payload-format-version=2.0",
        "--timeout-in-millis=29000",
    )
    route = aws(
        "apigatewayv2",
        "create-route",
        named,
        "--route-key=$default",
        f"--target=integrations/{integration['IntegrationId']}",
    )
    aws(
        "apigatewayv2",
        "create-stage",
        named,
        "--stage-name=$default",
        "--auto-deploy",
        "--default-route-settings=ThrottlingBurstLimit=100,ThrottlingRateLimit=50",
        "--access-log-settings="
        + json.dumps(
            {
                "DestinationArn": f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}",
                "Format": "$context.requestId $context.httpMethod $context.path $context.status",
            }
        ),
    )
    aws(
        "lambda",
        "add-permission",
        "--function-name=cli-door",
        "--statement-id=api",
        "--action=lambda:InvokeFunction",
        "--principal=apigateway.amazonaws.com",
        f"--source-arn=arn:aws:execute-api:us-east-1:123456789012:{api['ApiId']}/*",
    )
    return {"named": named, "api": api, "integration": integration, "route": route}


def ask(made: dict[str, Any], method: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(made["api"]["ApiEndpoint"].removeprefix("http://"))
    connection.request(method, path)
    return connection.getresponse()


def test_what_the_cli_made_answers(aws: AwsCli, made: dict[str, Any]) -> None:
    got = ask(made, "PUT", "/team/falcon?x=1")
    assert got.status == 201
    assert got.getheader("set-cookie") == "seen=1; Secure; HttpOnly"
    assert json.loads(got.read()) == ["PUT", "/team/falcon", "$default"]
    stream = f"{made['api']['ApiId']}-$default"
    told = aws(
        "logs", "get-log-events", f"--log-group-name={GROUP}", f"--log-stream-name={stream}"
    )["events"]
    request_id = got.getheader("apigw-requestid")
    assert told[-1]["message"] == f"{request_id} PUT /team/falcon 201"


def test_it_is_read_listed_and_changed(aws: AwsCli, made: dict[str, Any]) -> None:
    named, api = made["named"], made["api"]
    assert aws("apigatewayv2", "get-api", named)["ApiEndpoint"] == api["ApiEndpoint"]
    listed = aws("apigatewayv2", "get-apis")["Items"]
    assert [each["Name"] for each in listed if each["ApiId"] == api["ApiId"]] == ["cli-door"]
    aws("apigatewayv2", "update-api", named, "--description=changed")
    assert aws("apigatewayv2", "get-api", named)["Description"] == "changed"
    (stage,) = aws("apigatewayv2", "get-stages", named)["Items"]
    assert stage["StageName"] == "$default"
    which = f"--integration-id={made['integration']['IntegrationId']}"
    aws("apigatewayv2", "update-integration", named, which, "--timeout-in-millis=5000")
    assert aws("apigatewayv2", "get-integration", named, which)["TimeoutInMillis"] == 5000
    assert len(aws("apigatewayv2", "get-integrations", named)["Items"]) == 1
    route = f"--route-id={made['route']['RouteId']}"
    aws("apigatewayv2", "update-route", named, route, "--operation-name=everything")
    assert aws("apigatewayv2", "get-route", named, route)["OperationName"] == "everything"
    assert len(aws("apigatewayv2", "get-routes", named)["Items"]) == 1
    settings = "--route-settings=" + json.dumps({"$default": {"ThrottlingBurstLimit": 9}})
    aws("apigatewayv2", "update-stage", named, "--stage-name=$default", settings)
    stage = aws("apigatewayv2", "get-stage", named, "--stage-name=$default")
    assert stage["RouteSettings"] == {"$default": {"ThrottlingBurstLimit": 9}}


def test_tags_are_put_read_and_taken(aws: AwsCli, made: dict[str, Any]) -> None:
    arn = f"--resource-arn=arn:aws:apigateway:us-east-1::/apis/{made['api']['ApiId']}"
    aws("apigatewayv2", "tag-resource", arn, "--tags=team=falcon")
    assert aws("apigatewayv2", "get-tags", arn)["Tags"] == {"cohort": "earth", "team": "falcon"}
    aws("apigatewayv2", "untag-resource", arn, "--tag-keys=team")
    assert aws("apigatewayv2", "get-tags", arn)["Tags"] == {"cohort": "earth"}


def test_refusals_are_told_in_the_services_words(aws: AwsCli, made: dict[str, Any]) -> None:
    said = aws.refused("apigatewayv2", "create-api", "--name=x", "--protocol-type=WEBSOCKET")
    assert (said.status, said.code) == (SERVICE_REFUSED, "BadRequestException")
    assert "protocolType" in said.message
    said = aws.refused("apigatewayv2", "create-route", made["named"], "--route-key=$default")
    assert said.code == "ConflictException"
    said = aws.refused("apigatewayv2", "get-api", "--api-id=none")
    assert said.code == "NotFoundException"


def test_it_is_taken_down_piece_by_piece(aws: AwsCli, made: dict[str, Any]) -> None:
    named = made["named"]
    which = f"--integration-id={made['integration']['IntegrationId']}"
    said = aws.refused("apigatewayv2", "delete-integration", named, which)
    assert said.code == "ConflictException"
    aws("apigatewayv2", "delete-stage", named, "--stage-name=$default")
    assert ask(made, "GET", "/").status == 404
    aws("apigatewayv2", "delete-route", named, f"--route-id={made['route']['RouteId']}")
    aws("apigatewayv2", "delete-integration", named, which)
    aws("apigatewayv2", "delete-api", named)
    with pytest.raises(ConnectionError):
        ask(made, "GET", "/")
