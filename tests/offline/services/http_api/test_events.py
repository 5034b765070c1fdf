"""Requests as events of payload format 2.0, answers as responses: pure, by AWS's own example."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler import Response as Answer
from aws_lambda_powertools.shared.cookies import Cookie
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import given
from hypothesis import strategies as st

from infra.offline.services.http_api.events import (
    Malformed,
    Place,
    Request,
    Response,
    event,
    message,
    response,
)

NOW = datetime(2020, 3, 12, 19, 3, 58, 390_000, tzinfo=UTC)
PLACE = Place("123456789012", "api-id", "127.0.0.1:8000", 8000, "$default", "$default")


def request(
    target: str = "/",
    *headers: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
) -> Request:
    return Request(method, target, "HTTP/1.1", headers, body, "127.0.0.1")


def made(given_: Request, place: Place = PLACE) -> dict[str, Any]:
    return event(given_, place, request_id="id", trace_id="Root=1-2-3", now=NOW)


# --- the event ------------------------------------------------------------------------------------
def test_awss_own_example_is_made_of_the_request_that_it_shows() -> None:
    """Source: "Create AWS Lambda proxy integrations for HTTP APIs", without what an authorizer and
    a client's certificate add; the time's two spellings there are of different days."""
    sent = Request(
        "POST",
        "/my/path?parameter1=value1&parameter1=value2&parameter2=value",
        "HTTP/1.1",
        (
            ("Host", "id.execute-api.us-east-1.amazonaws.com"),
            ("Cookie", "cookie1; cookie2"),
            ("Header1", "value1"),
            ("Header2", "value1"),
            ("Header2", "value2"),
            ("User-Agent", "agent"),
            ("Content-Type", "text/plain"),
        ),
        b"Hello from Lambda",
        "192.0.2.1",
    )
    place = Place(
        account="123456789012",
        api_id="id",
        domain="id.execute-api.us-east-1.amazonaws.com",
        port=443,
        stage="$default",
        route_key="$default",
        path_parameters={"parameter1": "value1"},
        stage_variables={"stageVariable1": "value1", "stageVariable2": "value2"},
    )
    told = made(sent, place)
    headers = told.pop("headers")
    assert {name: headers[name] for name in ("header1", "header2")} == {
        "header1": "value1",
        "header2": "value1,value2",
    }
    assert told == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2"],
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1584039838390,
        },
        "body": "Hello from Lambda",
        "pathParameters": {"parameter1": "value1"},
        "isBase64Encoded": False,
        "stageVariables": {"stageVariable1": "value1", "stageVariable2": "value2"},
    }


def test_what_would_be_empty_is_left_out_but_for_the_query() -> None:
    told = made(request("/"))
    assert set(told) == {
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "requestContext",
        "isBase64Encoded",
    }
    assert told["rawQueryString"] == ""
    assert told["headers"] == {
        "content-length": "0",
        "host": "127.0.0.1:8000",
        "x-amzn-trace-id": "Root=1-2-3",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": "8000",
        "x-forwarded-proto": "http",
    }


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/html", True),
        ("TEXT/plain; charset=utf-8", True),
        ("application/json", True),
        ("application/xml; charset=utf-8", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("application/octet-stream", False),
        ("application/problem+json", False),
        ("", False),
    ],
)
def test_bodies_come_as_text_or_in_base64_by_their_kind(kind: str, text: bool) -> None:
    headers = (("Content-Type", kind),) if kind else ()
    told = made(request("/", *headers, method="POST", body=b"a=1"))
    assert told["isBase64Encoded"] is not text
    assert told["body"] == ("a=1" if text else base64.b64encode(b"a=1").decode())


def test_a_path_comes_decoded_and_ends_where_a_decoded_question_begins() -> None:
    told = made(request("/caf%C3%A9%2Fbar%3Fadmin=1?x=%20y"))
    assert told["rawPath"] == told["requestContext"]["http"]["path"] == "/café/bar"
    assert told["rawQueryString"] == "x=%20y"
    assert told["queryStringParameters"] == {"x": " y"}


def test_a_client_cannot_say_where_it_comes_from() -> None:
    told = made(
        request(
            "/",
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Port", "443"),
            ("X-Amzn-Trace-Id", "Root=mine"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close"),
        )
    )
    assert told["headers"]["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert told["headers"]["x-forwarded-proto"] == "http"
    assert told["headers"]["x-forwarded-port"] == "8000"
    assert told["headers"]["x-amzn-trace-id"] == "Root=1-2-3"
    assert not {"transfer-encoding", "connection"} & set(told["headers"])
    assert told["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


NAMES = st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=","))
COOKIES = st.from_regex(r"[a-z]{1,5}=[A-Za-z0-9_.-]{0,9}", fullmatch=True)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="?"), max_size=20)


@given(
    path=PATHS,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    cookies=st.lists(COOKIES, max_size=4),
    body=st.binary(max_size=40),
    kind=st.sampled_from(["application/octet-stream", "application/x-www-form-urlencoded", ""]),
)
def test_nothing_that_a_request_says_is_lost_or_made_up(
    path: str, headers: list[tuple[str, str]], cookies: list[str], body: bytes, kind: str
) -> None:
    sent = [*headers, *([("Cookie", "; ".join(cookies))] if cookies else [])]
    sent += [("Content-Type", kind)] if kind else []
    told = json.loads(json.dumps(made(request("/" + quote(path), *sent, body=body))))
    assert told["rawPath"] == "/" + path
    assert told.get("cookies", []) == cookies
    assert base64.b64decode(told.get("body", "")) == body
    assert told["isBase64Encoded"] is bool(body)
    expected: dict[str, list[str]] = {}
    for name, value in headers:
        expected.setdefault(name.lower(), []).append(value)
    got = {name: value for name, value in told["headers"].items() if name in expected}
    assert got == {name: ",".join(values) for name, values in expected.items()}
    assert all(name == name.lower() for name in told["headers"])
    assert "cookie" not in told["headers"]


def test_powertools_reads_the_event_as_it_was_sent() -> None:
    sent = request(
        "/sign-in?next=%2Fteam",
        ("Cookie", "__Host-session=a.b.c; other=1"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Origin", "http://127.0.0.1:8000"),
        method="POST",
        body="email=añа%40b".encode(),
    )
    read = APIGatewayProxyEventV2(made(sent))
    assert read.path == "/sign-in"
    assert read.http_method == "POST"
    assert read.decoded_body == "email=añа%40b"
    assert read.cookies == ["__Host-session=a.b.c", "other=1"]
    assert read.headers["origin"] == "http://127.0.0.1:8000"
    assert read.query_string_parameters == {"next": "/team"}


def test_what_powertools_answers_is_a_response() -> None:
    app = APIGatewayHttpResolver()

    @app.post("/sign-in")
    def sign_in() -> Answer[bytes]:
        assert app.current_event.decoded_body == "a=1"
        cookie = Cookie(name="__Host-session", value="x.y", secure=True, http_only=True)
        headers = {"Location": "/"}
        return Answer(303, "image/png", b"\x89PNG", headers=headers, cookies=[cookie])

    sent = request(
        "/sign-in",
        ("Content-Type", "application/x-www-form-urlencoded"),
        method="POST",
        body=b"a=1",
    )
    told = answered(app.resolve(made(sent), None))  # type: ignore[arg-type]
    assert (told.status, told.body) == (303, b"\x89PNG")
    assert dict(told.headers)["Location"] == "/"
    assert dict(told.headers)["Content-Type"] == "image/png"
    (cookie,) = [value for name, value in told.headers if name == "set-cookie"]
    assert cookie.startswith("__Host-session=x.y; ")
    assert answered(app.resolve(made(request("/none")), None)).status == 404  # type: ignore[arg-type]


# --- the answer -----------------------------------------------------------------------------------
def answered(answer: Any) -> Response:
    return response(json.dumps(answer).encode())


def test_an_answer_says_status_headers_cookies_and_body() -> None:
    assert answered(
        {
            "statusCode": 303,
            "headers": {"Location": "/", "content-type": "text/html", "x-n": 7, "x-b": True},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "né",
            "isBase64Encoded": False,
        }
    ) == Response(
        303,
        (
            ("Location", "/"),
            ("content-type", "text/html"),
            ("x-n", "7"),
            ("x-b", "true"),
            ("set-cookie", "a=1; Secure"),
            ("set-cookie", "b=2"),
        ),
        "né".encode(),
    )


def test_a_body_in_base64_is_decoded() -> None:
    body = base64.b64encode(b"\x00\xff").decode()
    assert answered({"statusCode": 200, "body": body, "isBase64Encoded": True}).body == b"\x00\xff"


def test_an_answer_without_content_type_is_plain_text() -> None:
    assert answered({"statusCode": 200}).headers == (("content-type", "text/plain; charset=utf-8"),)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("Hello from Lambda!", b"Hello from Lambda!"),
        ({"message": "Hello"}, b'{"message": "Hello"}'),
        ([1, 2], b"[1, 2]"),
    ],
)
def test_an_answer_without_a_status_is_the_body_as_json(answer: Any, body: bytes) -> None:
    """Source: the same page, "Lambda function response for format 2.0"."""
    assert answered(answer) == Response(200, (("content-type", "application/json"),), body)


def test_a_function_does_not_speak_for_the_connection() -> None:
    headers = {"Content-Length": "7", "Connection": "close", "Transfer-Encoding": "chunked"}
    told = answered({"statusCode": 200, "headers": headers, "body": "x"})
    assert [name for name, _ in told.headers] == ["content-type"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"statusCode": "200"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 0},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200.5},
        {"body": {"a": 1}},
        {"body": 7},
        {"body": "no base64", "isBase64Encoded": True},
        {"body": "\ud800"},
        {"isBase64Encoded": "yes", "body": ""},
        {"headers": ["a"]},
        {"headers": {"a": ["b"]}},
        {"headers": {"a": None}},
        {"headers": {"a\r\nset-cookie": "x"}},
        {"headers": {"": "x"}},
        {"headers": {"location": "/\r\nset-cookie: a=b"}},
        {"cookies": "a=b"},
        {"cookies": [7]},
        {"cookies": ["a=b\nx: y"]},
    ],
    ids=str,
)
def test_an_answer_that_is_none_is_malformed(wrong: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        answered({"statusCode": 200, **wrong})


def test_an_answer_that_is_no_json_is_malformed() -> None:
    with pytest.raises(Malformed):
        response(b"{")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 700) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("statusCode", "headers", "cookies", "body", "isBase64Encoded"), JSON
        ),
    )
)
def test_whatever_a_function_answers_a_client_gets_lines_that_are_lines(answer: Any) -> None:
    try:
        told = answered(answer)
    except Malformed:
        return
    assert 200 <= told.status <= 599
    for name, value in told.headers:
        assert "\n" not in name + value
        assert "\r" not in name + value


def test_what_the_gateway_says_itself_is_json() -> None:
    assert message(404, "Not Found") == Response(
        404, (("content-type", "application/json"),), b'{"message":"Not Found"}'
    )
