"""A request as the event that a Lambda integration gets, and a function's answer as a response.

Payload format 2.0, pure: the time, the ids and the addresses are passed in.

Sources: "Create AWS Lambda proxy integrations for HTTP APIs", API Gateway developer guide; and what
that page leaves open, as others measured it on AWS: which bodies are base64 (ministackorg/ministack
pull request 766), that paths arrive decoded and end where a decoded "?" begins (middleapi/
standard-server pull request 93), what an answer without a statusCode or a content type becomes
(aws/aws-lambda-dotnet, Tools/LambdaTestTool-v2).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

#: Bodies that a function gets as text; all others, a form's too, come in base64.
_TEXT = frozenset({"application/javascript", "application/json", "application/xml"})

#: Between two neighbours on the way only, or made anew on it. Cookies have their own member.
_NOT_PASSED_ON = frozenset(
    {
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amzn-trace-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
    }
)
#: What a function cannot say of its answer: the connection is not its own.
_NOT_THE_FUNCTIONS = frozenset(
    {
        "apigw-requestid",
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

#: What an answer is if nobody says.
_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Request:
    """A request as it came: the target of its first line, headers in order, the whole body."""

    method: str
    target: str
    protocol: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str

    @property
    def path(self) -> str:
        """The path as functions and routes see it: decoded, up to a "?" that decoding made."""
        return unquote(self.target.partition("?")[0], errors="replace").partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """A header's values, joined by commas; "" if there is none."""
        return ",".join(value for each, value in self.headers if each.lower() == name)


@dataclass(frozen=True)
class Place:
    """Where a request arrived: the API, its stage, the route that it took."""

    account: str
    api_id: str
    domain: str
    port: int
    stage: str
    route_key: str
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)


def event(
    request: Request, place: Place, *, request_id: str, trace_id: str, now: datetime
) -> dict[str, Any]:
    """The event of payload format 2.0. Members that would be empty are left out, as on AWS."""
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": place.route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
    }
    if cookies := _cookies(request.headers):
        made["cookies"] = cookies
    made["headers"] = _headers(request, place, trace_id)
    if query := _joined(parse_qsl(request.query, keep_blank_values=True)):
        made["queryStringParameters"] = query
    made["requestContext"] = {
        "accountId": place.account,
        "apiId": place.api_id,
        "domainName": place.domain,
        "domainPrefix": place.api_id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent"),
        },
        "requestId": request_id,
        "routeKey": place.route_key,
        "stage": place.stage,
        "time": clf_time(now),
        "timeEpoch": int(now.timestamp() * 1000),
    }
    if place.path_parameters:
        made["pathParameters"] = dict(place.path_parameters)
    if place.stage_variables:
        made["stageVariables"] = dict(place.stage_variables)
    body, encoded = _body(request)
    if body:
        made["body"] = body
    made["isBase64Encoded"] = encoded
    return made


def clf_time(moment: datetime) -> str:
    """As the common log format has it, whatever the machine's language: 12/Mar/2020:19:03:58."""
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def _cookies(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [
        cookie.strip()
        for name, value in headers
        if name.lower() == "cookie"
        for cookie in value.split(";")
        if cookie.strip()
    ]


def _headers(request: Request, place: Place, trace_id: str) -> dict[str, str]:
    passed = _joined(
        (name.lower(), value)
        for name, value in request.headers
        if name.lower() not in _NOT_PASSED_ON
    )
    came_by = request.header("x-forwarded-for")
    made = {
        **passed,
        "content-length": str(len(request.body)),
        "host": place.domain,
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": f"{came_by}, {request.source_ip}" if came_by else request.source_ip,
        "x-forwarded-port": str(place.port),
        "x-forwarded-proto": "http",
    }
    return dict(sorted(made.items()))


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, value in pairs:
        made[name] = f"{made[name]},{value}" if name in made else value
    return made


def _body(request: Request) -> tuple[str, bool]:
    if not request.body:
        return "", False
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXT:
        return request.body.decode(errors="replace"), False
    return base64.b64encode(request.body).decode(), True


# --- the answer -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Response:
    """What the client gets. Headers that are the connection's own are not among them."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Malformed(ValueError):
    """An answer that is none of payload format 2.0; the message says why."""


def response(payload: bytes) -> Response:
    """What a function's answer (JSON) means.

    Raises:
        Malformed: API Gateway answers this with 500 and says no more.
    """
    try:
        answer = json.loads(payload)
    except ValueError:
        raise Malformed("not JSON") from None
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        text = answer.encode() if isinstance(answer, str) else payload
        return Response(200, (("content-type", _JSON),), text)
    return Response(_status(answer), _answered_headers(answer), _answered_body(answer))


def message(status: int, text: str) -> Response:
    """An answer of API Gateway's own."""
    body = json.dumps({"message": text}, separators=(",", ":")).encode()
    return Response(status, (("content-type", _JSON),), body)


def _status(answer: Mapping[str, Any]) -> int:
    status = answer["statusCode"]
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise Malformed(f"statusCode {status!r}")
    return status


def _answered_headers(answer: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    given, cookies = answer.get("headers") or {}, answer.get("cookies") or []
    if not isinstance(given, Mapping):
        raise Malformed("headers are no object")
    if not isinstance(cookies, list) or not all(isinstance(each, str) for each in cookies):
        raise Malformed("cookies are no list of texts")
    made = [(name, _header_text(name, value)) for name, value in given.items()]
    made = [item for item in made if item[0].lower() not in _NOT_THE_FUNCTIONS]
    if not any(name.lower() == "content-type" for name, _ in made):
        made.append(("content-type", _PLAIN))
    made += [("set-cookie", _header_text("set-cookie", each)) for each in cookies]
    return tuple(made)


def _header_text(name: str, value: Any) -> str:
    if not _TOKEN.fullmatch(name):
        raise Malformed(f"header {name!r}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise Malformed(f"the value of header {name} is no text")
    text = str(value)
    # Else a function that repeats what it was sent could be made to write headers of others.
    if any((ord(each) < 32 and each != "\t") or each == "\x7f" for each in text):
        raise Malformed(f"the value of header {name} has a control character")
    return text


def _answered_body(answer: Mapping[str, Any]) -> bytes:
    body, encoded = answer.get("body"), answer.get("isBase64Encoded") or False
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed("body is no text")
    if not isinstance(encoded, bool):
        raise Malformed(f"isBase64Encoded {encoded!r}")
    if not encoded:
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise Malformed("body has half a character") from None
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("body is no base64") from None
