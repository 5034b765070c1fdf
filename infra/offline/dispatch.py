"""The services of the embedded cloud as one WSGI application, and a plain word for all others.

CloudFormation is ours, CloudTrail a stub, the rest is moto. A service that is not in the list, or
an operation that moto lacks, is refused by its name in the form that its clients understand, with
a status that they do not retry.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import (
    BackendRequest,
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from infra.offline import conformance, fence, patching
from infra.offline.authorization import wire
from infra.offline.fidelity import Part

CLOUDTRAIL = Part(
    title="CloudTrail",
    emulated="LookupEvents, which the CDK CLI asks after a failed deployment",
    checked="by client: CDK CLI",
    differences="it is always empty: no trail is kept",
)
SHARED = Part(
    title="SSM, STS, Logs, EC2",
    emulated="moto, but for the changes listed below",
    checked="by client: AWS CLI, CDK CLI, boto3",
    differences=(
        "parameters' times follow the machine's clock; of EC2 there are networks without traffic"
    ),
)
FENCE = Part(
    title="Everything else",
    emulated=(
        "services and operations outside the fence (`infra/offline/fence.py`) are refused by "
        "name, to the administrator too"
    ),
    checked="by client: AWS CLI, boto3: with a status that they do not retry",
    differences="AWS has them",
)
FIDELITY = (CLOUDTRAIL, SHARED, FENCE)

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
#: A WSGI application; werkzeug, which is untyped here, gives most of their answers.
Application = Callable[..., Any]

#: Services by the name in a request's signature, and the form of their errors.
FORMS = {
    "apigateway": "rest-json",
    "budgets": "json",
    "cloudformation": "query",
    "cloudtrail": "json",
    "codebuild": "json",
    "cognito-idp": "json",
    "dynamodb": "json",
    "ec2": "ec2",
    "ecr": "json",
    "events": "json",
    "iam": "query",
    "kms": "json",
    "lambda": "rest-json",
    "logs": "json",
    "monitoring": "json",
    "s3": "s3",
    "sagemaker": "json",
    "scheduler": "rest-json",
    "secretsmanager": "json",
    "servicequotas": "json",
    "sns": "query",
    "sqs": "json",
    "ssm": "json",
    "sts": "query",
}

#: "Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ..."
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/,\s]+)/aws4_request")

#: What moto says of an operation without a method.
_MOTO_LACKS = re.compile(r"The (?P<operation>\S+) action has not been implemented")

#: Not retried by the SDKs, unlike 500 and 503.
NOT_IMPLEMENTED = 501


@dataclass(frozen=True)
class Refusal:
    """An error in the form that the clients of one protocol read."""

    service: str
    code: str
    message: str
    status: int = NOT_IMPLEMENTED

    def response(self, environ: Environ) -> Response:
        form = FORMS.get(self.service) or _guessed_form(self.service, environ)
        headers = {"x-amzn-errortype": self.code}
        code, message = escape(self.code), escape(self.message)
        if form == "cbor":
            body = _cbor({"__type": self.code, "message": self.message})
            headers |= {"smithy-protocol": "rpc-v2-cbor"}
            return Response(body, self.status, headers, content_type="application/cbor")
        if form == "query":
            text = (
                f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
                f"<Message>{message}</Message></Error></ErrorResponse>"
            )
        elif form == "ec2":
            text = (
                f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>"
                "</Error></Errors></Response>"
            )
        elif form == "s3":
            text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        else:
            body = json.dumps({"__type": self.code, "message": self.message}).encode()
            return Response(body, self.status, headers, content_type="application/json")
        return Response(text.encode(), self.status, headers, content_type="text/xml")


def service_of(environ: Environ) -> str:
    """The service that a request is signed for, or, unsigned, that it is for."""
    signed = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" not in signed:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        scope = query.get("X-Amz-Credential", [""])[0]
        signed = f"Credential={scope}"
    match = _SCOPE.search(signed)
    return str(match["service"]).lower() if match else wire.unsigned_service(environ)


def modelled(application: Application) -> Application:
    """A WSGI application that lets only the modelled services through to `application`."""

    def serve(environ: Environ, start_response: StartResponse) -> Any:
        service = service_of(environ)
        path = environ.get("PATH_INFO", "")
        if service not in FORMS:
            refusal = Refusal(
                service,
                "NotImplemented",
                f"The service {service} is not modelled by the embedded cloud "
                f"(modelled: {', '.join(FORMS)}).",
            )
        elif path.startswith(("/moto-api", "/latest/")):
            # Moto's own dashboard and reset, and instance metadata: not of this cloud.
            refusal = Refusal(service, "NotImplemented", f"There is no {path} here.")
        elif (outside := _outside(service, environ)) is not None:
            refusal = outside
        else:
            try:
                return application(environ, start_response)
            except Exception as error:
                refusal = _failure(service, environ, error)
        return refusal.response(environ)(environ, start_response)

    return serve


def _outside(service: str, environ: Environ) -> Refusal | None:
    """The refusal of an operation that nobody here has looked at, though moto would answer it."""
    name = wire.botocore_name(service)
    try:
        operation = wire.operation_of(environ, name)
    except wire.WireError:
        return None  # for authorization to answer, in the service's words
    if name == "apigatewayv2" and not operation:
        # REST APIs are signed for the same service; moto would answer for them.
        return _lacking(service, _operation(environ))
    return _lacking(service, operation) if fence.refused(name, operation) else None


def _lacking(service: str, operation: str) -> Refusal:
    return Refusal(
        service,
        "NotImplemented",
        f"{service}:{operation} is not modelled by the embedded cloud.",
    )


@functools.cache
def application() -> Application:
    """Every modelled service. State is in moto's backends and the engines, not in it."""
    return _Services()


class _Services:
    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        service = service_of(environ)
        try:
            response = self._held_against_model(service, environ)
        except NotImplementedError as error:
            named = _MOTO_LACKS.match(str(error))
            if str(error) and not named:
                response = Refusal(service, "NotImplemented", str(error)).response(environ)
            else:
                operation = _pascal(named["operation"]) if named else _operation(environ)
                response = _lacking(service, operation).response(environ)
        except Exception as error:
            response = _failure(service, environ, error).response(environ)
        return response(environ, start_response)

    def _held_against_model(self, service: str, environ: Environ) -> Response:
        """The answer, if request and answer are as the service's model has them."""
        call = conformance.read(service, environ)
        if call is None:
            return self._answer(service, environ)
        problem = call.refusal(environ)
        if problem is None:
            response = self._answer(service, environ)
            problem = conformance.checked(call, response)
        if problem is None:
            return response
        refusal = Refusal(service, problem.code, problem.message, problem.status)
        return refusal.response(environ)

    def _answer(self, service: str, environ: Environ) -> Response:
        if service == "cloudformation":
            # Imported here: the operations stand on `inside`, which stands on this module.
            from infra.offline.services.cloudformation.api import Operations

            status, headers, body = Operations.dispatch(BackendRequest(environ))
            return Response(body, status, headers)
        if service == "cloudtrail":
            if _operation(environ) != "LookupEvents":
                return _lacking(service, _operation(environ)).response(environ)
            # The CLI looks here for the cause of a failed deployment; the stack's events say it.
            return Response(b'{"Events": []}', content_type="application/x-amz-json-1.1")
        chunks, status, headers = run_wsgi_app(self._moto, environ)
        found = int(status.split(" ", 1)[0])
        page = headers.get("Content-Type", "").startswith("text/html")
        if FORMS.get(service) == "rest-json" and found in (404, 405) and page:
            # Flask's own page: moto has no route for this operation.
            return _lacking(service, _operation(environ)).response(environ)
        return Response(chunks, found, headers, direct_passthrough=True)


def _failure(service: str, environ: Environ, error: Exception) -> Refusal:
    """What a client is told of a mistake of ours; the log has the rest."""
    for refused in (_not_xml, _bad_expression):
        if (refusal := refused(service, environ, error)) is not None:
            log.warning("%s:%s", service, _operation(environ), exc_info=error)
            return refusal
    operation = _operation(environ)
    log.error("%s:%s", service, operation, exc_info=error)
    message = f"{service}:{operation} failed inside the embedded cloud: {error!r}"
    return Refusal(service, "InternalFailure", message, 500)


#: Sub-resources of S3 whose requests have bodies in XML.
_S3_DOCUMENTS = (
    "delete",
    "encryption",
    "lifecycle",
    "notification",
    "ownershipControls",
    "publicAccessBlock",
    "tagging",
    "versioning",
)


def _not_xml(service: str, environ: Environ, error: Exception) -> Refusal | None:
    """S3's answer to a body that is no XML or has not the document's shape, on which moto fails."""
    asked = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if service != "s3" or not any(name in asked for name in _S3_DOCUMENTS):
        return None
    if not isinstance(error, (ExpatError, KeyError, TypeError, UnicodeError)):
        return None
    return Refusal(
        service,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
        400,
    )


#: Where moto reads DynamoDB's expressions.
_EXPRESSIONS = ("/moto/dynamodb/comparisons.py", "/moto/dynamodb/parsing/")


def _bad_expression(service: str, _environ: Environ, error: Exception) -> Refusal | None:
    """DynamoDB's answer to an expression on which moto fails: a name or value that is not defined,
    or a syntax that is none."""
    if service != "dynamodb":
        return None
    missing = str(error.args[0]) if isinstance(error, KeyError) and error.args else ""
    if missing.startswith(("#", ":")):
        what = "name" if missing.startswith("#") else "value"
        message = (
            f"Invalid expression: An expression attribute {what} used in expression is not "
            f"defined; attribute {what}: {missing}"
        )
    elif isinstance(error, (AssertionError, IndexError, ValueError)) and any(
        part in frame.filename.replace("\\", "/")
        for frame in traceback.extract_tb(error.__traceback__)
        for part in _EXPRESSIONS
    ):
        message = f"Invalid expression: Syntax error; {error}"
    else:
        return None
    return Refusal(service, "ValidationException", message, 400)


def _pascal(name: str) -> str:
    """An operation's name from moto's name for its method."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _operation(environ: Environ) -> str:
    """The operation, as far as a glance at the request tells."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rsplit(".", 1)[-1]
    method, path = environ.get("REQUEST_METHOD", "GET"), environ.get("PATH_INFO", "/")
    query = parse_qs(environ.get("QUERY_STRING", ""))
    return str(query.get("Action", [f"{method} {path}"])[0])


def _guessed_form(service: str, environ: Environ) -> str:
    if service in ("cloudfront", "route53"):
        return "query"  # REST with XML, whose errors have the query protocol's shape
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return "cbor"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return "json"


def _cbor(members: dict[str, str]) -> bytes:
    """A map of strings in CBOR (RFC 8949): major type 5 for the map, 3 for text."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        return struct.pack(">BI", 0x7A, len(encoded)) + encoded

    body = b"".join(text(part) for item in members.items() for part in item)
    return bytes([0xA0 | len(members)]) + body


# --- changes to moto ----------------------------------------------------------------------------
@patching.replaces(
    "moto.backends:list_of_moto_modules",
    because="moto reads its own directory twice in each request, a fifth of the request's time",
)
def _modules(original: Callable[[], Any]) -> tuple[str, ...]:
    return _listed(original)


@functools.cache
def _listed(original: Callable[[], Any]) -> tuple[str, ...]:
    return tuple(original())
