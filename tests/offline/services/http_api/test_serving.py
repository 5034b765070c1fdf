"""What a client of an HTTP API meets, over the wire, with a real function behind it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from infra.offline import faults
from infra.offline.server import Cloud
from tests.offline import whole_cloud
from tests.offline.services.http_api.api_cloud import ACCOUNT, HttpApi, http_api


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def door(cloud: Cloud) -> HttpApi:
    return http_api(cloud, "door", TimeoutInMillis=2000)


def answer(door: HttpApi, **members: Any) -> Any:
    """What a client gets where the function answers with these members."""
    return door.get(f"/?answer={quote(json.dumps(members))}")


# --- there and back -------------------------------------------------------------------------------
def test_a_request_reaches_the_function_and_its_answer_the_client(door: HttpApi) -> None:
    got = door.send(
        "POST",
        "/caf%C3%A9?x=1&x=2",
        [("Cookie", "a=1; b=2"), ("X-One", "1"), ("x-one", "2"), ("Content-Type", "text/plain")],
        b"hello",
    )
    assert (got.status, got.one("content-type")) == (200, "application/json")
    assert got.event["rawPath"] == "/café"
    assert got.event["queryStringParameters"] == {"x": "1,2"}
    assert got.event["cookies"] == ["a=1", "b=2"]
    assert got.event["headers"]["x-one"] == "1,2"
    assert got.event["headers"]["host"] == door.host
    assert got.event["body"] == "hello"
    assert got.event["requestContext"]["requestId"] == got.one("apigw-requestid")
    assert json.loads(got.body)["arn"] == door.function


def test_its_time_is_the_clouds(cloud: Cloud, door: HttpApi) -> None:
    cloud.runtime.clock.move(by=timedelta(days=1))
    told = door.get().event["requestContext"]["timeEpoch"] / 1000
    assert abs(told - cloud.runtime.clock.now().timestamp()) < 60


def test_a_form_arrives_in_base64(door: HttpApi) -> None:
    got = door.send(
        "POST", "/", [("Content-Type", "application/x-www-form-urlencoded")], b"email=a%40b"
    )
    assert got.event["isBase64Encoded"] is True
    assert base64.b64decode(got.event["body"]) == b"email=a%40b"


def test_each_cookie_is_a_header_of_its_own(door: HttpApi) -> None:
    got = answer(door, statusCode=303, headers={"location": "/"}, cookies=["a=1", "b=2; Secure"])
    assert (got.status, got.one("location")) == (303, "/")
    assert got.all("set-cookie") == ["a=1", "b=2; Secure"]


def test_bytes_come_back_as_bytes(door: HttpApi) -> None:
    body = base64.b64encode(bytes(range(256))).decode()
    got = answer(door, statusCode=200, body=body, isBase64Encoded=True)
    assert got.body == bytes(range(256))


def test_the_answer_to_head_has_no_body(door: HttpApi) -> None:
    got = door.send("HEAD", "/")
    assert got.status == 200
    assert got.body == b""
    assert int(got.one("content-length")) > 0


def test_nothing_follows_a_204(door: HttpApi) -> None:
    got = answer(door, statusCode=204)
    assert (got.status, got.body, got.all("content-length")) == (204, b"", [])


def test_a_connection_serves_many_requests(door: HttpApi) -> None:
    one = f"GET /?answer=%22one%22 HTTP/1.1\r\nHost: {door.host}\r\n\r\n".encode()
    two = f"GET /?answer=%22two%22 HTTP/1.1\r\nHost: {door.host}\r\n\r\n".encode()
    got = door.raw(one + two)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.index(b"one") < got.index(b"two")


def test_a_body_in_chunks_is_put_together(door: HttpApi) -> None:
    head = (
        f"POST / HTTP/1.1\r\nHost: {door.host}\r\nContent-Type: text/plain\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    got = door.raw(head.encode(), b"3\r\nhel\r\n", b"2;x=y\r\nlo\r\n", b"0\r\n\r\n")
    event = json.loads(got.partition(b"\r\n\r\n")[2])["event"]
    assert event["body"] == "hello"
    assert event["headers"]["content-length"] == "5"


# --- what fails -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "members",
    [
        {"statusCode": "200"},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": {"location": "/\r\nset-cookie: a=b"}},
    ],
    ids=str,
)
def test_a_malformed_answer_is_500(door: HttpApi, members: dict[str, Any]) -> None:
    got = answer(door, **members)
    assert (got.status, got.body) == (500, b'{"message":"Internal Server Error"}')
    assert got.one("content-type") == "application/json"


def test_a_function_that_fails_is_500_and_tells_nothing(door: HttpApi) -> None:
    got = door.get("/?fail=secret")
    assert (got.status, got.message) == (500, "Internal Server Error")


def test_a_function_that_takes_too_long_is_503(door: HttpApi) -> None:
    """Source: serverless/serverless issue 11222: a 503 though the function succeeds."""
    got = door.get("/?sleep=3")
    assert (got.status, got.message) == (503, "Service Unavailable")
    assert door.get().status == 200


def test_a_function_that_answers_too_much_is_500(door: HttpApi) -> None:
    assert door.get("/?large=6500000").status == 500


def test_lambda_that_throttles_is_503(door: HttpApi) -> None:
    for kind, status in (("throttle", 503), ("internal", 500), ("closed-after", 500)):
        faults.add(
            faults.Fault(kind, "lambda", "Invoke", caller="apigateway.amazonaws.com", count=1)
        )
        assert door.get().status == status
    assert door.get().status == 200


def test_a_body_of_more_than_10_mb_is_413(door: HttpApi) -> None:
    got = door.send("POST", "/", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (got.status, got.message) == (413, "Request Entity Too Large")


def test_a_body_that_lambda_does_not_take_is_413(door: HttpApi) -> None:
    got = door.send("POST", "/", [("Content-Type", "text/plain")], b"x" * 6_291_457)
    assert got.status == 413


def test_a_head_of_more_than_10240_bytes_is_431(door: HttpApi) -> None:
    assert door.get("/", **{"X-Long": "x" * 9_000}).status == 200
    got = door.get("/", **{"X-Long": "x" * 10_241})
    assert got.status == 431


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        ("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n", 403),
        ("GET nothing HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
        ("FETCH / HTTP/1.1\r\nHost: {host}\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: {host}\r\nX-A: 1\r\n 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nshort", 400),
        (
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_never_reaches_the_function(
    door: HttpApi, text: str, status: int
) -> None:
    host, port = door.host, door.address[1]
    got = door.raw(text.format(host=host, port=port).encode())
    assert got.startswith(f"HTTP/1.1 {status} ".encode()), got
    assert b"<" not in got


def test_an_address_in_full_is_the_same_request(door: HttpApi) -> None:
    got = door.send("GET", f"{door.endpoint}/team?x=1")
    assert (got.event["rawPath"], got.event["rawQueryString"]) == ("/team", "x=1")


def test_only_this_machine_can_connect(door: HttpApi) -> None:
    assert door.endpoint == f"http://127.0.0.1:{door.address[1]}"


# --- who may --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("may", "status"),
    [
        ("/*", 200),
        ("/*/$default", 200),
        ("/$default/$default", 200),
        ("/*/GET/", 500),
        ("x/*", 500),
        (None, 500),
    ],
)
def test_the_functions_policy_decides_for_the_routes_own_arn(
    cloud: Cloud, may: str | None, status: int
) -> None:
    name = f"may{abs(hash(may))}"
    assert http_api(cloud, name, may=may).get().status == status


def test_a_named_route_asks_by_its_method_and_path(cloud: Cloud) -> None:
    api = http_api(cloud, "named", may="/*/POST/sign-in")
    api.api.create_route(
        ApiId=api.api_id, RouteKey="ANY /sign-in", Target=f"integrations/{api.integration}"
    )
    got = api.send("POST", "/sign-in", body=b"")
    assert (got.status, got.event["routeKey"]) == (200, "ANY /sign-in")
    assert api.send("GET", "/sign-in").status == 500
    assert api.get("/").status == 500


def test_a_route_tells_its_parameters(cloud: Cloud) -> None:
    api = http_api(cloud, "parameters")
    api.api.create_route(
        ApiId=api.api_id,
        RouteKey="GET /team/{name}/{rest+}",
        Target=f"integrations/{api.integration}",
    )
    got = api.get("/team/falcon/jobs/1")
    assert got.event["pathParameters"] == {"name": "falcon", "rest": "jobs/1"}


def test_an_api_without_stage_or_route_has_nothing(cloud: Cloud) -> None:
    api = http_api(cloud, "bare")
    (route,) = api.api.get_routes(ApiId=api.api_id)["Items"]
    api.api.delete_route(ApiId=api.api_id, RouteId=route["RouteId"])
    assert (api.get().status, api.get().message) == (404, "Not Found")
    api.api.delete_stage(ApiId=api.api_id, StageName="$default")
    assert api.get().status == 404


def test_a_closed_endpoint_is_forbidden(cloud: Cloud) -> None:
    api = http_api(cloud, "closed")
    api.api.update_api(ApiId=api.api_id, DisableExecuteApiEndpoint=True)
    assert (api.get().status, api.get().message) == (403, "Forbidden")
    api.api.update_api(ApiId=api.api_id, DisableExecuteApiEndpoint=False)
    assert api.get().status == 200


def test_an_alias_is_told_to_its_function(cloud: Cloud) -> None:
    api = http_api(cloud, "aliased")
    functions = whole_cloud.client(cloud, "lambda")
    version = functions.publish_version(FunctionName="aliased")["Version"]
    functions.create_alias(FunctionName="aliased", Name="live", FunctionVersion=version)
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{api.function}:live"
    api.api.update_integration(
        ApiId=api.api_id, IntegrationId=api.integration, IntegrationUri=f"{uri}/invocations"
    )
    assert api.get().status == 500
    functions.add_permission(
        FunctionName="aliased",
        Qualifier="live",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.api_id}/*",
    )
    assert json.loads(api.get().body)["arn"] == f"{api.function}:live"


# --- how much -------------------------------------------------------------------------------------
def test_a_stage_throttles_by_burst_and_rate(cloud: Cloud) -> None:
    api = http_api(cloud, "throttled")
    api.stage(DefaultRouteSettings={"ThrottlingBurstLimit": 3, "ThrottlingRateLimit": 0.01})
    assert [api.get().status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert api.get().message == "Too Many Requests"
    cloud.runtime.clock.move(by=timedelta(seconds=100))
    assert [api.get().status for _ in range(2)] == [200, 429]


def test_a_route_has_a_throttle_of_its_own(cloud: Cloud) -> None:
    api = http_api(cloud, "routed")
    key = "POST /sign-in"
    api.api.create_route(ApiId=api.api_id, RouteKey=key, Target=f"integrations/{api.integration}")
    api.stage(RouteSettings={key: {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.01}})
    assert [api.send("POST", "/sign-in", body=b"").status for _ in range(2)] == [200, 429]
    assert [api.get("/sign-in").status for _ in range(2)] == [200, 200]


def test_many_at_once_are_served(door: HttpApi) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(door.get().status)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 12


# --- what is left of a request --------------------------------------------------------------------
GROUP = "/aws/vendedlogs/door"
FORM = json.dumps(
    {
        name: f"$context.{variable}"
        for name, variable in {
            "id": "requestId",
            "time": "requestTime",
            "method": "httpMethod",
            "path": "path",
            "route": "routeKey",
            "status": "status",
            "source": "identity.sourceIp",
            "agent": "identity.userAgent",
            "length": "responseLength",
            "function": "integration.status",
            "error": "integrationErrorMessage",
        }.items()
    }
)


@pytest.fixture(scope="module")
def logged(cloud: Cloud) -> HttpApi:
    whole_cloud.client(cloud, "logs").create_log_group(logGroupName=GROUP)
    api = http_api(cloud, "logged", TimeoutInMillis=1000)
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"
    api.stage(AccessLogSettings={"DestinationArn": arn, "Format": FORM})
    return api


def lines(api: HttpApi) -> list[dict[str, str]]:
    logs = whole_cloud.client(api.cloud, "logs")
    told = logs.get_log_events(
        logGroupName=GROUP, logStreamName=f"{api.api_id}-$default", startFromHead=True
    )["events"]
    return [json.loads(each["message"]) for each in told]


def test_each_request_leaves_a_line_without_query_and_body(logged: HttpApi) -> None:
    got = logged.send(
        "POST", "/sign-in?code=12345678", [("User-Agent", 'a"b\\'), ("Cookie", "s=x")], b"secret"
    )
    line = lines(logged)[-1]
    assert line["id"] == got.one("apigw-requestid")
    assert (line["method"], line["path"], line["route"]) == ("POST", "/sign-in", "$default")
    assert (line["status"], line["function"], line["error"]) == ("200", "200", "-")
    assert (line["source"], line["agent"]) == ("127.0.0.1", 'a"b\\')
    assert line["length"] == str(len(got.body))
    text = json.dumps(line)
    assert not [each for each in ("12345678", "secret", "s=x") if each in text]


@pytest.mark.parametrize(
    ("target", "status", "why"),
    [
        ("/?fail=broke", "500", "broke"),
        ("/?sleep=2", "503", "Endpoint request timed out"),
        (
            f"/?answer={quote(json.dumps({'statusCode': 'x'}))}",
            "500",
            "Malformed Lambda proxy response: statusCode 'x'",
        ),
    ],
)
def test_a_line_says_why_a_request_failed(
    logged: HttpApi, target: str, status: str, why: str
) -> None:
    logged.get(target)
    line = lines(logged)[-1]
    assert (line["status"], line["error"]) == (status, why)


def test_a_function_that_may_not_be_called_is_named_in_the_log_alone(cloud: Cloud) -> None:
    api = http_api(cloud, "refused", may=None)
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}:*"
    whole_cloud.client(cloud, "logs")
    api.stage(AccessLogSettings={"DestinationArn": arn, "Format": FORM})
    assert api.get().message == "Internal Server Error"
    assert "doesn't have permissions" in lines(api)[-1]["error"]


def test_requests_are_counted_as_metrics(cloud: Cloud) -> None:
    api = http_api(cloud, "counted")
    for target in ("/", "/", "/?fail=1"):
        api.get(target)
    now = cloud.runtime.clock.now()
    metrics, found = whole_cloud.client(cloud, "cloudwatch"), {}
    for metric in ("Count", "4xx", "5xx"):
        points = metrics.get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            # Without the stage, moto would add both: it takes dimensions for a beginning.
            Dimensions=[
                {"Name": "ApiId", "Value": api.api_id},
                {"Name": "Stage", "Value": "$default"},
            ],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        found[metric] = sum(point["Sum"] for point in points)
    assert found == {"Count": 3, "4xx": 0, "5xx": 1}


# --- its end --------------------------------------------------------------------------------------
def test_a_deleted_api_answers_nobody(cloud: Cloud) -> None:
    api = http_api(cloud, "gone")
    assert api.get().status == 200
    api.api.delete_api(ApiId=api.api_id)
    with pytest.raises(ConnectionError):
        api.get()
