"""Every call on the wire, held against its service's model: requests before they are served,
answers before they leave.

One place for all services, moto's own operations included. A request that breaks the model is
answered as its service answers it. An answer that breaks it is a mistake of this cloud's: it is
logged, and where STRICT is set (the tests set it) the call fails and says so. What AWS itself
answers beside its models, and misfits of moto's in operations that nothing here depends on, are in
`TOLERATED`, each with its reason.

Not looked at: the bodies of S3's objects and of functions' payloads, S3's and EC2's requests (what
they demand is not in their models), and calls in RPC over CBOR, which no client here speaks.
"""

from __future__ import annotations

import functools
import io
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel
from botocore.parsers import ResponseParserError, ResponseParserFactory
from moto.core.parse import PROTOCOL_PARSERS, UNDEFINED
from moto.core.utils import get_service_model
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from infra.offline import shapes
from infra.offline.authorization import wire
from infra.offline.fidelity import Part
from infra.offline.shapes import ECR, JSON, PYTHON, Reading

FIDELITY = Part(
    title="Shapes of requests and answers",
    emulated=(
        "every request and every answer of every service is held against botocore's model: "
        "required members, types, enumerations, patterns, lengths, ranges, unknown members, in "
        "AWS's words. S3's and EC2's requests, objects' and payloads' bytes are not looked at"
    ),
    checked=(
        "by model: generated requests for each operation of ours, right ones and ones that are "
        "broken in one place; the tests fail on an answer that breaks its model"
    ),
    differences=(
        "unknown members are refused by name, where AWS may ignore some; what answers may break "
        "is listed with reasons (`conformance.TOLERATED`); IAM answers before validation"
    ),
)

log = logging.getLogger(__name__)

Environ = dict[str, Any]

#: The environment variable under which a misfit fails the call.
STRICT = "ACADEMY_STRICT_ANSWERS"

#: Larger answers are not looked at: nothing but objects and layers is larger.
LARGEST_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True)
class Rule:
    """How a service refuses a request that breaks its model.

    `constraints`: whether it says so of lengths, patterns and enumerations in these words; some
    check those by themselves, attribute by attribute.
    """

    code: str
    reading: Reading = field(default_factory=Reading)
    counted: bool = True

    def message(self, found: list[str]) -> str:
        return shapes.message(found) if self.counted else "; ".join(found)


_TYPES_ONLY = Reading(constraints=False)
#: By botocore's name of the service. The codes are those of the models' errors and, where the model
#: has none for it, those that people quote.
RULES: Mapping[str, Rule] = {
    "apigatewayv2": Rule("BadRequestException"),
    "budgets": Rule("InvalidParameterException"),
    "cloudformation": Rule("ValidationError"),
    "cloudwatch": Rule("ValidationError"),
    "codebuild": Rule("InvalidInputException"),
    "cognito-idp": Rule("InvalidParameterException"),
    "dynamodb": Rule("ValidationException"),
    "ecr": Rule("InvalidParameterException", Reading(wording=ECR), counted=False),
    "events": Rule("ValidationException"),
    "iam": Rule("ValidationError"),
    "kms": Rule("ValidationException"),
    "lambda": Rule("ValidationException"),
    "logs": Rule("InvalidParameterException"),
    "sagemaker": Rule("ValidationException"),
    "scheduler": Rule("ValidationException"),
    "secretsmanager": Rule("ValidationException"),
    "service-quotas": Rule("IllegalArgumentException"),
    # SNS and SQS judge names and attributes by themselves.
    "sns": Rule("InvalidParameter", _TYPES_ONLY),
    "sqs": Rule("InvalidParameterValue", _TYPES_ONLY),
    "ssm": Rule("ValidationException"),
    "sts": Rule("ValidationError"),
}


@dataclass(frozen=True)
class Tolerated:
    """A misfit of an answer that is let be. `paths` are matched from their beginning."""

    service: str
    operation: str
    paths: re.Pattern[str]
    because: str


_SHARED = "the shape is shared with requests; AWS answers with an empty list too"
_UNLISTED = "AWS answers with values that the model's list lacks, or spells otherwise"

TOLERATED: tuple[Tolerated, ...] = tuple(
    Tolerated(service, operation, re.compile(paths), because)
    for service, operation, paths, because in (
        ("cloudformation", "DescribeStackEvents", r"stackEvents\.\d+\.member\.r", _UNLISTED),
        ("codebuild", "*", r"(ids|projects|buildsNotFound|projectsNotFound)$", _SHARED),
        (
            "cognito-idp",
            "*",
            r"userPool\.schemaAttributes\.\d+\.member\.name$",
            "the name phone_number_verified, which AWS answers, is longer than the model's longest",
        ),
        ("ec2", "*", r"vpcEndpoints?\..*state$", _UNLISTED),
        # Issue 6822 of aws/aws-sdk-java-v2: the model's only value is STANDARD.
        ("ecr", "ListImages", r"imageIds$", "an empty repository is answered with an empty list"),
        ("logs", "*", r"tags$", "what has no tags is answered with an empty map"),
        # AWS's example of simulate-principal-policy has "IAM Policy".
        ("iam", "SimulatePrincipalPolicy", r".*\.sourcePolicyType$", _UNLISTED),
        ("iam", "SimulateCustomPolicy", r".*\.sourcePolicyType$", _UNLISTED),
        ("ssm", "GetParameters", r"invalidParameters$", _SHARED),
        ("ssm", "GetParameterHistory", r"parameters\.\d+\.member\.labels$", _SHARED),
        ("s3", "ListObjectVersions", r"versions\.\d+\.member\.storageClass$", _UNLISTED),
        (
            "dynamodb",
            "*",
            r"table(Description)?\.provisionedThroughput\.numberOfDecreasesToday$",
            "a table that was never made smaller has none: AWS answers 0",
        ),
    )
)


@dataclass(frozen=True)
class Problem:
    """Why a call fails here, in a form that its client understands."""

    code: str
    message: str
    status: int


@dataclass(frozen=True)
class Call:
    """A call whose operation its service's model has."""

    service: str
    protocol: str
    operation: OperationModel

    # --- the request --------------------------------------------------------------------------
    def refusal(self, environ: Environ) -> Problem | None:
        """How the service refuses the request, if it breaks the model."""
        rule, shape = RULES.get(self.service), self.operation.input_shape
        if rule is None or shape is None:
            return None
        try:
            found = self._request_problems(environ, rule.reading)
        except ValueError as error:
            # Text where a number belongs, or a body that is no JSON.
            return Problem("SerializationException", str(error), 400)
        return Problem(rule.code, rule.message(found), 400) if found else None

    def _request_problems(self, environ: Environ, reading: Reading) -> list[str]:
        shape = self.operation.input_shape
        if self.protocol == "json":
            given = _object(_body(environ))
            return shapes.problems(shape, given, _in(JSON, reading))
        if self.protocol == "rest-json":
            given, without = self._rest_request(environ)
            return shapes.problems(shape, given, _in(JSON, reading, without))
        of_moto = get_service_model(self.service).operation_model(self.operation.name)
        fields = parse_qsl(_body(environ).decode(), keep_blank_values=True)
        parser = PROTOCOL_PARSERS[self.protocol](of_moto)
        given = _defined(parser.parse({"values": MultiDict(fields)}))
        return shapes.problems(shape, given, _in(PYTHON, reading))

    def _rest_request(self, environ: Environ) -> tuple[dict[str, Any], frozenset[str]]:
        """Members by their names on the wire, wherever they stand; and those not looked at."""
        shape = self.operation.input_shape
        labels = _labels(self.operation, environ.get("RAW_URI") or environ.get("PATH_INFO", ""))
        query = MultiDict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        payload = shape.serialization.get("payload")
        stream = payload is not None and shape.members[payload].type_name in ("blob", "string")
        if stream:
            given: dict[str, Any] = {}
        else:
            given = _object(_body(environ))
            if payload is not None:
                given = {JSON.named(shape.members[payload], payload): given}
        without = {payload} if stream else set()
        for name, member in shape.members.items():
            place, named = member.serialization.get("location"), JSON.named(member, name)
            if place == "uri":
                given[named] = _typed(member, labels.get(wire.group_of(named)))
            elif place == "querystring" and named in query:
                given[named] = (
                    query.getlist(named)
                    if member.type_name == "list"
                    else _typed(member, query[named])
                )
            elif place in ("querystring", "header", "headers"):
                without.add(name)
        return given, frozenset(without)

    # --- the answer ---------------------------------------------------------------------------
    def misfits(self, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
        """What is wrong with an answer of success."""
        shape = self.operation.output_shape
        if shape is None or self.operation.has_streaming_output:
            return []
        payload = shape.serialization.get("payload")
        if self.protocol in ("json", "rest-json") and payload is None:
            try:
                answer = _object(body)
            except ValueError as error:
                return [str(error)]
            located = frozenset(
                name for name, each in shape.members.items() if "location" in each.serialization
            )
            found = shapes.problems(shape, answer, Reading(JSON, without=located))
        else:
            raw = {"status_code": status, "headers": headers, "body": body}
            try:
                answer = _parser(self.protocol).parse(raw, shape)
            except (ResponseParserError, ValueError, AttributeError, TypeError) as error:
                return [f"botocore cannot read it: {error}"]
            answer.pop("ResponseMetadata", None)
            found = shapes.problems(shape, answer, Reading(PYTHON))
        return [each for each in found if not self._tolerated(each)]

    def _tolerated(self, problem: str) -> bool:
        named = re.search(r"at '([^']*)'", problem)
        path = named[1] if named else ""
        return any(
            each.service == self.service
            and each.operation in ("*", self.operation.name)
            and each.paths.match(path)
            for each in TOLERATED
        )


def read(service: str, environ: Environ) -> Call | None:
    """The call that a request makes, or None if it cannot be held against a model."""
    name = wire.botocore_name(service)
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        return None
    try:
        operation = wire.operation_of(environ, name)
    except wire.WireError:
        return None
    model = shapes.operation_model(name, operation) if operation else None
    return None if model is None else Call(name, wire.protocol_of(name), model)


def checked(call: Call, response: Response) -> Problem | None:
    """Look at an answer; the problem that it is answered with instead, where STRICT is set."""
    if not 200 <= response.status_code < 300 or call.operation.has_streaming_output:
        return None
    if (response.content_length or 0) > LARGEST_ANSWER:
        return None
    body = b"".join(
        part.encode() if isinstance(part, str) else part for part in response.iter_encoded()
    )
    response.direct_passthrough = False
    response.response = [body]
    found = call.misfits(response.status_code, dict(response.headers), body)
    if not found:
        return None
    text = f"The answer of {call.service}:{call.operation.name} breaks its model: "
    text += "; ".join(found[:5])
    log.error("%s", text)
    # Not retried by the SDKs, unlike 500.
    return Problem("AnswerBreaksModel", text, 501) if os.environ.get(STRICT) else None


# --- within -----------------------------------------------------------------------------------
def _in(form: shapes.Form, reading: Reading, without: frozenset[str] = frozenset()) -> Reading:
    return Reading(form, reading.wording, reading.constraints, reading.unknown, without)


def _defined(value: Any) -> Any:
    """moto's parser leaves its mark where a map's value has no members: an empty structure."""
    if isinstance(value, dict):
        return {name: _defined(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_defined(each) for each in value]
    return {} if value is UNDEFINED else value


def _body(environ: Environ) -> bytes:
    """The request's body, read and put back."""
    stream = environ["wsgi.input"]
    if environ.get("CONTENT_LENGTH"):
        body = stream.read(int(environ["CONTENT_LENGTH"]))
    elif environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        body = b""
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


@functools.cache
def _parser(protocol: str) -> Any:
    return ResponseParserFactory().create_parser(protocol)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(given, dict):
        raise ValueError("the body is not a JSON object")
    return given


def _labels(operation: OperationModel, target: str) -> dict[str, str]:
    found = _route(operation.http["requestUri"]).fullmatch(target.partition("?")[0])
    labels = {} if found is None else found.groupdict()
    return {name: unquote(text) for name, text in labels.items()}


@functools.cache
def _route(uri: str) -> re.Pattern[str]:
    expression = ""
    for piece in re.split(r"(\{[^}]+\})", uri.partition("?")[0].rstrip("/")):
        if piece.startswith("{"):
            label = piece[1:-1]
            wide = label.endswith("+")
            expression += f"(?P<{wire.group_of(label)}>{'.+' if wide else '[^/]+'})"
        else:
            expression += re.escape(piece)
    return re.compile(f"{expression}/?")


def _typed(shape: Any, text: str | None) -> Any:
    """What stands in a path or a query, as JSON would have it; as it is where it is no such."""
    if text is None:
        return None
    if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    if shape.type_name == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
