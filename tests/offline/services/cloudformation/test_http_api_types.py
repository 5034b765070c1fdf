"""An HTTP API from a template: made, changed in place, rolled back, gone."""

from __future__ import annotations

import copy
import http.client
import json
from typing import Any

import pytest

from infra.offline.services.http_api import listener

ACCOUNT = "123456789012"
GROUP = "/aws/vendedlogs/types-door"
CODE = """\
import json


def handle(event, context):
    return {"statusCode": 200, "body": event["routeKey"]}
"""


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def ref(logical_id: str) -> dict[str, str]:
    return {"Ref": logical_id}


def attribute(logical_id: str, name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, name]}


def template() -> dict[str, Any]:
    """As the Door stack has them, with a function of three lines."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    target = {"Fn::Join": ["/", ["integrations", ref("Integration")]]}
    route = {"ApiId": ref("Api"), "AuthorizationType": "NONE", "Target": target}
    return {
        "Log": resource("AWS::Logs::LogGroup", LogGroupName=GROUP, RetentionInDays=30),
        "Role": resource("AWS::IAM::Role", RoleName="types-door", AssumeRolePolicyDocument=trust),
        "Function": resource(
            "AWS::Lambda::Function",
            FunctionName="types-door",
            Handler="index.handle",
            Runtime="python3.11",
            Role=attribute("Role", "Arn"),
            Code={"ZipFile": CODE},
        ),
        "Api": resource(
            "AWS::ApiGatewayV2::Api",
            Name="types-door",
            Description="the door",
            ProtocolType="HTTP",
            DisableExecuteApiEndpoint=False,
            Tags={"cohort": "types"},
        ),
        "Integration": resource(
            "AWS::ApiGatewayV2::Integration",
            ApiId=ref("Api"),
            IntegrationType="AWS_PROXY",
            IntegrationUri=attribute("Function", "Arn"),
            PayloadFormatVersion="2.0",
            TimeoutInMillis="29000",
        ),
        "Default": resource("AWS::ApiGatewayV2::Route", **route, RouteKey="$default"),
        "SignIn": resource("AWS::ApiGatewayV2::Route", **route, RouteKey="POST /sign-in"),
        "Stage": {
            "DependsOn": ["Default", "SignIn"],
            **resource(
                "AWS::ApiGatewayV2::Stage",
                ApiId=ref("Api"),
                StageName="$default",
                AutoDeploy=True,
                AccessLogSettings={
                    "DestinationArn": attribute("Log", "Arn"),
                    "Format": '{"id":"$context.requestId","status":"$context.status"}',
                },
                DefaultRouteSettings={
                    "ThrottlingBurstLimit": 100,
                    "ThrottlingRateLimit": 50,
                    "DetailedMetricsEnabled": False,
                },
                RouteSettings={
                    "POST /sign-in": {"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001}
                },
                Tags={"cohort": "types"},
            ),
        },
        "May": resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=attribute("Function", "Arn"),
            Principal="apigateway.amazonaws.com",
            SourceAccount=ACCOUNT,
            SourceArn={
                "Fn::Join": [
                    "",
                    [f"arn:aws:execute-api:us-east-1:{ACCOUNT}:", ref("Api"), "/*"],
                ]
            },
        ),
    }


OUTPUTS = {"Url": attribute("Api", "ApiEndpoint"), "Id": ref("Api"), "Stage": ref("Stage")}


def ask(url: str, method: str = "GET", path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, b"" if method == "POST" else None)
        got = connection.getresponse()
        return got.status, got.read().decode()
    finally:
        connection.close()


@pytest.fixture
def door(stacks: Any) -> Any:
    made = stacks.deploy("types-door", template(), OUTPUTS)
    assert made.reasons == {}
    return made


def changed(**properties: Any) -> dict[str, Any]:
    """The template with other properties: logical id -> those that differ; None takes one away."""
    made = copy.deepcopy(template())
    for logical_id, given in properties.items():
        for name, value in given.items():
            if value is None:
                del made[logical_id]["Properties"][name]
            else:
                made[logical_id]["Properties"][name] = value
    return made


def test_a_client_reaches_the_function_by_the_stacks_output(door: Any, client: Any) -> None:
    assert door.outputs["Url"].startswith("http://127.0.0.1:")
    assert door.outputs["Stage"] == "$default"
    assert ask(door.outputs["Url"]) == (200, "$default")
    signed = [ask(door.outputs["Url"], "POST", "/sign-in")[0] for _ in range(3)]
    assert signed == [200, 200, 429]
    stream = f"{door.outputs['Id']}-$default"
    told = client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    assert [json.loads(each["message"])["status"] for each in told] == ["200", "200", "200", "429"]


def test_it_is_changed_in_place(stacks: Any, client: Any, door: Any) -> None:
    api = client("apigatewayv2")
    named = {"ApiId": door.outputs["Id"]}
    again = stacks.deploy(
        "types-door",
        changed(
            Api={"Description": None, "Name": "types-front-door", "Tags": {"other": "1"}},
            Integration={"TimeoutInMillis": None, "Description": "new"},
            Default={"RouteKey": "ANY /{proxy+}"},
            Stage={
                "AccessLogSettings": None,
                "DefaultRouteSettings": {"ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3},
                "Tags": {"other": "2"},
            },
        ),
        OUTPUTS,
    )
    assert again.reasons == {}
    assert again.outputs == door.outputs
    read = api.get_api(**named)
    assert (read["Name"], read["Tags"]) == ("types-front-door", {"other": "1"})
    assert "Description" not in read
    (integration,) = api.get_integrations(**named)["Items"]
    assert (integration["TimeoutInMillis"], integration["Description"]) == (30_000, "new")
    keys = {each["RouteKey"] for each in api.get_routes(**named)["Items"]}
    assert keys == {"ANY /{proxy+}", "POST /sign-in"}
    stage = api.get_stage(**named, StageName="$default")
    assert stage.get("AccessLogSettings", {}) == {}
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 7
    assert stage["Tags"] == {"other": "2"}
    assert ask(door.outputs["Url"], path="/a") == (200, "ANY /{proxy+}")
    assert ask(door.outputs["Url"])[0] == 404
    back = stacks.deploy("types-door", template(), OUTPUTS)
    assert back.reasons == {}
    assert ask(door.outputs["Url"]) == (200, "$default")


def test_a_change_that_fails_leaves_what_was(stacks: Any, client: Any, door: Any) -> None:
    api, named = client("apigatewayv2"), {"ApiId": door.outputs["Id"]}
    before = [
        api.get_api(**named)["Description"],
        api.get_integrations(**named)["Items"],
        api.get_routes(**named)["Items"],
    ]
    failed = stacks.deploy(
        "types-door",
        changed(
            Api={"Description": "never"},
            Integration={"Description": "never"},
            Stage={"AccessLogSettings": {"DestinationArn": "arn:none", "Format": "x"}},
        ),
        OUTPUTS,
    )
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "no log group" in failed.reasons["Stage"]
    after = [
        api.get_api(**named)["Description"],
        api.get_integrations(**named)["Items"],
        api.get_routes(**named)["Items"],
    ]
    assert after == before
    assert ask(door.outputs["Url"]) == (200, "$default")


@pytest.mark.parametrize(
    ("logical_id", "name", "value", "named"),
    [
        ("Api", "CorsConfiguration", {"AllowOrigins": ["*"]}, "CorsConfiguration"),
        ("Api", "ProtocolType", "WEBSOCKET", "protocolType"),
        ("Integration", "PayloadFormatVersion", "1.0", "payloadFormatVersion"),
        ("Integration", "RequestParameters", {}, "RequestParameters"),
        ("Default", "AuthorizationType", "JWT", "authorizationType"),
        ("Default", "RouteKey", "everything", "route key"),
        ("Stage", "AutoDeploy", False, "autoDeploy"),
        ("Stage", "StageName", "prod", "stageName"),
        ("Stage", "DeploymentId", "d", "DeploymentId"),
    ],
)
def test_what_is_not_modelled_fails_the_stack_and_leaves_no_listener(
    stacks: Any, logical_id: str, name: str, value: Any, named: str
) -> None:
    before = set(listener._listeners)
    wrong = changed(**{logical_id: {name: value}})
    for each, property_ in (("Log", "LogGroupName"), ("Role", "RoleName")):
        wrong[each]["Properties"][property_] += "-refused"
    wrong["Function"]["Properties"]["FunctionName"] += "-refused"
    made = stacks.deploy("types-door-refused", wrong)
    assert made.status == "ROLLBACK_COMPLETE", made
    assert named in made.reasons[logical_id]
    stacks.delete("types-door-refused")
    assert set(listener._listeners) == before


def test_it_goes_with_its_stack(stacks: Any, door: Any, client: Any) -> None:
    assert stacks.delete("types-door").status == "DELETE_COMPLETE"
    assert client("apigatewayv2").get_apis()["Items"] == []
    with pytest.raises(ConnectionError):
        ask(door.outputs["Url"])
