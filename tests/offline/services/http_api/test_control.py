"""The operations on HTTP APIs: what is kept, what is refused and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from tests.offline import whole_cloud

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:door"
GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/control"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        group = GROUP.partition("log-group:")[2]
        whole_cloud.client(running, "logs").create_log_group(logGroupName=group)
        yield running


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return whole_cloud.client(cloud, "apigatewayv2")


@pytest.fixture
def named(api: Any) -> Iterator[dict[str, str]]:
    made = api.create_api(Name="door", ProtocolType="HTTP", Tags={"cohort": "earth"})
    yield {"ApiId": made["ApiId"]}
    api.delete_api(ApiId=made["ApiId"])


def integration(api: Any, named: dict[str, str], **members: Any) -> str:
    made = api.create_integration(
        **{
            **named,
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": FUNCTION,
            "PayloadFormatVersion": "2.0",
            **members,
        }
    )
    return str(made["IntegrationId"])


def refused(call: Any, *words: str, code: str = "BadRequestException") -> None:
    with pytest.raises(ClientError) as caught:
        call()
    told = caught.value.response["Error"]
    assert told["Code"] == code, told
    assert all(word in told["Message"] for word in words), told


# --- APIs -----------------------------------------------------------------------------------------
def test_an_api_is_made_read_changed_and_gone(cloud: Cloud, api: Any) -> None:
    cloud.runtime.clock.move(by=timedelta(days=3))
    made = api.create_api(Name="door", ProtocolType="HTTP", Description="d", Tags={"a": "1"})
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["ApiEndpoint"].startswith("http://127.0.0.1:")
    age = cloud.runtime.clock.now() - made["CreatedDate"]
    assert abs(age) < timedelta(minutes=1)
    named = {"ApiId": made["ApiId"]}
    api.update_api(**named, Name="front-door", Description="")
    read = api.get_api(**named)
    assert (read["Name"], read["ApiEndpoint"]) == ("front-door", made["ApiEndpoint"])
    assert read["Tags"] == {"a": "1"}
    api.delete_api(**named)
    for operation in (api.get_api, api.update_api, api.delete_api):
        refused(lambda o=operation: o(**named), "Invalid API identifier", code="NotFoundException")


@pytest.mark.parametrize(
    "member",
    [
        {"ProtocolType": "WEBSOCKET"},
        {"CorsConfiguration": {"AllowOrigins": ["*"]}},
        {"Target": FUNCTION},
        {"RouteKey": "$default"},
        {"RouteSelectionExpression": "$request.body.action"},
        {"ApiKeySelectionExpression": "$request.header.x-api-key"},
        {"IpAddressType": "dualstack"},
    ],
    ids=lambda member: next(iter(member)),
)
def test_what_an_api_does_not_have_here_is_refused_by_name(api: Any, member: Any) -> None:
    (name,) = member
    before = len(api.get_apis()["Items"])
    refused(
        lambda: api.create_api(**{"Name": "x", "ProtocolType": "HTTP", **member}),
        f"{name[:1].lower()}{name[1:]}",
        "not emulated",
    )
    assert len(api.get_apis()["Items"]) == before


def test_rest_apis_and_domains_are_refused_by_name(cloud: Cloud, api: Any) -> None:
    rest = whole_cloud.client(cloud, "apigateway")
    refused(rest.get_rest_apis, "GET /restapis is not modelled", code="NotImplemented")
    refused(api.get_domain_names, "GetDomainNames is not modelled", code="NotImplemented")
    refused(lambda: api.get_authorizers(ApiId="a"), "is not modelled", code="NotImplemented")


def test_tags_are_put_and_taken(api: Any, named: dict[str, str]) -> None:
    arn = f"arn:aws:apigateway:us-east-1::/apis/{named['ApiId']}"
    api.tag_resource(ResourceArn=arn, Tags={"team": "falcon"})
    api.untag_resource(ResourceArn=arn, TagKeys=["cohort"])
    assert api.get_tags(ResourceArn=arn)["Tags"] == {"team": "falcon"}


# --- integrations ---------------------------------------------------------------------------------
def test_an_integration_is_made_read_changed_and_gone(api: Any, named: dict[str, str]) -> None:
    made = {**named, "IntegrationId": integration(api, named)}
    read = api.get_integration(**made)
    assert (read["IntegrationMethod"], read["TimeoutInMillis"]) == ("POST", 30_000)
    api.update_integration(**made, TimeoutInMillis=29_000, Description="the door")
    read = api.get_integration(**made)
    assert (read["TimeoutInMillis"], read["Description"]) == (29_000, "the door")
    api.delete_integration(**made)
    refused(lambda: api.delete_integration(**made), "Invalid Integ", code="NotFoundException")


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"IntegrationType": "HTTP_PROXY"}, "integrationType"),
        ({"PayloadFormatVersion": "1.0"}, "payloadFormatVersion"),
        ({"IntegrationUri": "https://example.org"}, "integrationUri"),
        ({"IntegrationMethod": "GET"}, "integrationMethod"),
        ({"ConnectionType": "VPC_LINK"}, "connectionType"),
        ({"CredentialsArn": "arn:aws:iam::123456789012:role/r"}, "credentialsArn"),
        ({"RequestParameters": {"append:header.a": "b"}}, "requestParameters"),
        ({"IntegrationSubtype": "SQS-SendMessage"}, "integrationSubtype"),
    ],
)
def test_an_integration_of_another_kind_is_refused_by_name(
    api: Any, named: dict[str, str], members: dict[str, Any], word: str
) -> None:
    refused(lambda: integration(api, named, **members), word, "not emulated")
    made = {**named, "IntegrationId": integration(api, named)}
    refused(lambda: api.update_integration(**made, **members), word, "not emulated")


def test_an_integration_without_format_is_refused(api: Any, named: dict[str, str]) -> None:
    call = {**named, "IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION}
    refused(lambda: api.create_integration(**call), "payloadFormatVersion is required")


def test_a_timeout_is_at_most_30_s(api: Any, named: dict[str, str]) -> None:
    refused(lambda: integration(api, named, TimeoutInMillis=30_001), "timeoutInMillis", "30000")


def test_an_integration_that_a_route_needs_stays(api: Any, named: dict[str, str]) -> None:
    made = integration(api, named)
    api.create_route(**named, RouteKey="$default", Target=f"integrations/{made}")
    refused(
        lambda: api.delete_integration(**named, IntegrationId=made),
        "Route '$default'",
        code="ConflictException",
    )


# --- routes ---------------------------------------------------------------------------------------
def test_a_route_is_made_read_changed_and_gone(api: Any, named: dict[str, str]) -> None:
    target = f"integrations/{integration(api, named)}"
    made = api.create_route(**named, RouteKey="$default", Target=target)
    route = {**named, "RouteId": made["RouteId"]}
    api.update_route(**route, RouteKey="GET /{name}")
    read = api.get_route(**route)
    assert (read["RouteKey"], read["Target"]) == ("GET /{name}", target)
    assert read["AuthorizationType"] == "NONE"
    api.delete_route(**route)
    refused(lambda: api.delete_route(**route), "Invalid Route", code="NotFoundException")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"RouteKey": "default"}, ("not formatted properly",)),
        ({"RouteKey": "GET /{a+}/b"}, ("not formatted properly",)),
        ({"Target": "integrations/none"}, ("no such integration",)),
        ({"AuthorizationType": "JWT"}, ("authorizationType", "not emulated")),
        ({"AuthorizerId": "a"}, ("authorizerId", "not emulated")),
        ({"ApiKeyRequired": True}, ("apiKeyRequired", "not emulated")),
    ],
    ids=str,
)
def test_a_route_of_another_kind_is_refused_by_name(
    api: Any, named: dict[str, str], members: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused(lambda: api.create_route(**{**named, "RouteKey": "$default", **members}), *words)


@pytest.mark.parametrize(
    ("first", "second", "conflicts"),
    [
        ("$default", "$default", True),
        ("GET /{a}", "GET /{b}", True),
        ("GET /{a}", "POST /{a}", False),
        ("GET /", "$default", False),
    ],
)
def test_one_key_stands_once(
    api: Any, named: dict[str, str], first: str, second: str, conflicts: bool
) -> None:
    api.create_route(**named, RouteKey=first)
    if conflicts:
        refused(
            lambda: api.create_route(**named, RouteKey=second),
            "already exists",
            code="ConflictException",
        )
    else:
        other = api.create_route(**named, RouteKey=second)["RouteId"]
        api.update_route(**named, RouteId=other, RouteKey=second)


# --- the stage ------------------------------------------------------------------------------------
SETTINGS = {"ThrottlingBurstLimit": 20, "ThrottlingRateLimit": 10.0}


def test_a_stage_is_made_read_changed_and_gone(api: Any, named: dict[str, str]) -> None:
    stage = {**named, "StageName": "$default"}
    form = "$context.requestId $context.status"
    made = api.create_stage(
        **stage,
        AutoDeploy=True,
        AccessLogSettings={"DestinationArn": GROUP, "Format": form},
        DefaultRouteSettings=SETTINGS,
        StageVariables={"a": "1"},
        Tags={"cohort": "earth"},
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["AccessLogSettings"] == {"DestinationArn": GROUP, "Format": form}
    api.update_stage(**stage, Description="all there is", StageVariables={})
    read = api.get_stage(**stage)
    assert (read["Description"], read["StageVariables"]) == ("all there is", {})
    assert read["DefaultRouteSettings"] == SETTINGS
    assert read["Tags"] == {"cohort": "earth"}
    refused(
        lambda: api.create_stage(**stage, AutoDeploy=True),
        "already exists",
        code="ConflictException",
    )
    api.delete_stage(**stage)
    refused(lambda: api.get_stage(**stage), "Invalid stage", code="NotFoundException")
    refused(lambda: api.delete_stage(**stage), "Invalid stage", code="NotFoundException")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"StageName": "prod"}, ("stageName 'prod'", "not emulated")),
        ({"AutoDeploy": False}, ("autoDeploy False", "not emulated")),
        ({"DeploymentId": "d"}, ("deploymentId", "not emulated")),
        ({"ClientCertificateId": "c"}, ("clientCertificateId", "not emulated")),
        ({"DefaultRouteSettings": {"LoggingLevel": "INFO"}}, ("not supported on protocolType",)),
        ({"DefaultRouteSettings": {"DataTraceEnabled": True}}, ("dataTraceEnabled",)),
        ({"DefaultRouteSettings": {"ThrottlingBurstLimit": -1}}, ("must not be negative",)),
        (
            {"AccessLogSettings": {"DestinationArn": GROUP, "Format": "$context.status"}},
            ("requestId",),
        ),
        (
            {"AccessLogSettings": {"DestinationArn": f"{GROUP}-none", "Format": "x"}},
            ("no log group",),
        ),
        ({"AccessLogSettings": {"DestinationArn": GROUP}}, ("Both",)),
    ],
    ids=str,
)
def test_a_stage_of_another_kind_is_refused_by_name(
    api: Any, named: dict[str, str], members: dict[str, Any], words: tuple[str, ...]
) -> None:
    wanted = {**named, "StageName": "$default", "AutoDeploy": True, **members}
    refused(lambda: api.create_stage(**wanted), *words)
    assert api.get_stages(**named)["Items"] == []


def test_settings_of_a_route_that_is_not_there_are_refused(api: Any, named: dict[str, str]) -> None:
    refused(
        lambda: api.create_stage(
            **named, StageName="$default", AutoDeploy=True, RouteSettings={"GET /": SETTINGS}
        ),
        "Unable to find Route by key GET /",
        code="NotFoundException",
    )


# --- roles ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("actions", "resource", "may"),
    [
        (["apigateway:GET"], "arn:aws:apigateway:us-east-1::/apis/*", True),
        (["apigateway:GET"], "arn:aws:apigateway:us-east-1::/apis", False),
        (["apigateway:POST"], "*", False),
        (["apigateway:*"], "*", True),
    ],
)
def test_a_role_reads_what_its_policy_says_in_verbs_and_paths(
    cloud: Cloud, named: dict[str, str], actions: list[str], resource: str, may: bool
) -> None:
    name = f"reads-{abs(hash((*actions, resource)))}"
    role = whole_cloud.role(cloud, name, "lambda", (actions, resource))
    theirs = whole_cloud.as_role(cloud, role, "apigatewayv2")
    for call in (
        lambda: theirs.get_api(**named),
        lambda: theirs.get_routes(**named),
        lambda: theirs.get_stages(**named),
    ):
        if may:
            call()
        else:
            refused(
                call, "is not authorized to perform: apigateway:GET", code="AccessDeniedException"
            )


def test_each_operation_asks_for_its_own_verb_and_path(
    cloud: Cloud, api: Any, named: dict[str, str]
) -> None:
    made = integration(api, named)
    path = f"arn:aws:apigateway:us-east-1::/apis/{named['ApiId']}"
    role = whole_cloud.role(
        cloud,
        f"changes-{named['ApiId']}",
        "lambda",
        (["apigateway:PATCH"], f"{path}/integrations/{made}"),
        (["apigateway:POST"], f"{path}/routes"),
        (["apigateway:POST"], "arn:aws:apigateway:us-east-1::/apis"),
        (["apigateway:GET"], "arn:aws:apigateway:us-east-1::/tags/*"),
    )
    theirs = whole_cloud.as_role(cloud, role, "apigatewayv2")
    theirs.update_integration(**named, IntegrationId=made, Description="theirs")
    theirs.create_route(**named, RouteKey="$default", Target=f"integrations/{made}")
    assert theirs.get_tags(ResourceArn=path)["Tags"] == {"cohort": "earth"}
    other = theirs.create_api(Name="theirs", ProtocolType="HTTP", Tags={"a": "b"})["ApiId"]
    denied = "AccessDeniedException"
    refused(lambda: theirs.delete_integration(**named, IntegrationId=made), "DELETE", code=denied)
    refused(lambda: theirs.update_api(**named, Name="mine"), "PATCH", code=denied)
    refused(lambda: theirs.delete_api(ApiId=other), "DELETE", code=denied)
    refused(
        lambda: theirs.create_stage(**named, StageName="$default", AutoDeploy=True),
        "POST",
        code=denied,
    )
    api.delete_api(ApiId=other)
