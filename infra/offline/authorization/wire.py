"""A request as it came over the wire: which operation of which service, with which input.

What IAM is asked about and what moto then does must be the same thing, however the request is
spelt. moto reads a request generously: an action may come from a header, a query string or a JSON
body that happens to look like a form; header names stand in for absent query parameters; paths are
decoded more than once; the Host header may name a bucket. So nothing is passed on as it came.
`parse` accepts exactly one spelling of each thing and refuses the rest by name, and `rebuilt`
writes a fresh request from what was parsed: canonical path, query, headers and body, and nothing
that the operation does not define.

Operations and their members come from botocore's service models.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode
from xml.etree import ElementTree

import botocore.session
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import OperationModel, ServiceModel

Environ = dict[str, Any]

#: Signing name -> botocore's service name, of the services that roles may call here.
SERVICES = {
    name: name
    for name in (
        "cloudformation",
        "cloudtrail",
        "codebuild",
        "cognito-idp",
        "dynamodb",
        "ecr",
        "events",
        "iam",
        "kms",
        "lambda",
        "logs",
        "s3",
        "sagemaker",
        "scheduler",
        "sns",
        "sqs",
        "ssm",
        "sts",
    )
} | {"apigateway": "apigatewayv2"}

#: Services that answer some requests without a signature, by what their targets begin with.
_UNSIGNED = {"AWSCognitoIdentityProviderService": "cognito-idp"}

#: AWS's limit of a request body that is not an S3 object; S3 objects are as large as disk and
#: memory let them be.
BODY_LIMIT = 16 * 1024 * 1024


class WireError(Exception):
    """A request that is answered before IAM is asked. `code` and `status` as the service's."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Signature:
    """A Signature Version 4, taken apart."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    token: str | None
    #: X-Amz-Date.
    timestamp: str
    #: Seconds a presigned URL lives; None for a signature in the Authorization header.
    expires: int | None = None

    @property
    def presigned(self) -> bool:
        return self.expires is not None

    @property
    def signed_at(self) -> dt.datetime:
        """When the client says it signed, by the client's own clock."""
        try:
            return dt.datetime.strptime(self.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        except ValueError:
            raise WireError(
                "AuthorizationQueryParametersError" if self.presigned else "IncompleteSignature",
                f"X-Amz-Date {self.timestamp!r} is not like 20261130T120000Z",
            ) from None


@dataclass(frozen=True)
class Call:
    """One parsed API call.

    `params` holds the operation's input by member name: JSON as sent; of a REST service the
    members that stand in path, query and headers, and for DeleteObjects its list; of a query
    service its flat form fields.
    """

    service: str
    operation: str
    protocol: str
    signature: Signature
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    #: The wire's own path and query, for the signature.
    raw_path: str = "/"
    raw_query: str = ""
    source_ip: str = "127.0.0.1"
    #: Query parameters as parsed, of a REST service.
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def region(self) -> str:
        return self.signature.region

    def with_params(self, **changed: Any) -> Call:
        return replace(self, params={**self.params, **changed})

    def with_only(self, params: Mapping[str, Any]) -> Call:
        return replace(self, params=params)


# --------------------------------------------------------------------------------------------------
# Headers and signature


def headers_of(environ: Environ) -> dict[str, str]:
    """Header names lower-case; values as the client wrote them (UTF-8)."""
    made = {}
    names: Mapping[str, str] = environ.get("moto.preserved_header_names") or {}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            # moto's server keeps the underscores of metadata names; WSGI would lose them.
            name = names.get(key, key[5:].replace("_", "-")).lower()
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = key.replace("_", "-").lower()
        else:
            continue
        if value != "" or key.startswith("HTTP_"):
            made[name] = _utf8(value)
    return made


def _utf8(value: str) -> str:
    """WSGI hands bytes over as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


_AUTHORIZATION = re.compile(
    r"^AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request,"
    r"\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$"
)


def signature_of(environ: Environ) -> Signature | None:
    """The request's signature, or None if it has none.

    Raises:
        WireError: for anything but one complete Signature Version 4.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    query = environ.get("QUERY_STRING", "")
    presigned = "X-Amz-Algorithm" in query or "X-Amz-Signature" in query
    if header and presigned:
        raise WireError("InvalidArgument", "Only one auth mechanism is allowed: header or query")
    if presigned:
        return _presigned(query)
    if "AWSAccessKeyId=" in query or header.startswith("AWS "):
        # Buckets made since June 2020 take no Signature Version 2, in any region. Source: "AWS
        # Signature Version 2 turned off (deprecated) for Amazon S3", Amazon S3 user guide.
        raise WireError(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. "
            "Please use AWS4-HMAC-SHA256.",
        )
    if not header:
        return None
    found = _AUTHORIZATION.match(header.strip())
    if found is None:
        raise WireError(
            "IncompleteSignature",
            "the Authorization header is not one complete AWS Signature Version 4",
        )
    key, date, region, service, signed, signature = found.groups()
    return Signature(
        access_key=key,
        date=date,
        region=region,
        service=service,
        signed_headers=tuple(signed.split(";")),
        signature=signature,
        token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or None,
        timestamp=environ.get("HTTP_X_AMZ_DATE", ""),
    )


def unsigned_service(environ: Environ) -> str:
    """The service that a request without a signature is for: S3, if it does not say."""
    prefix, _, _ = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")
    return _UNSIGNED.get(prefix, "s3")


def unsigned(service: str, region: str) -> Signature:
    """What stands in for the signature of a request that needs none."""
    return Signature(
        access_key="UNSIGNED",
        date="00000000",
        region=region,
        service=service,
        signed_headers=(),
        signature="",
        token=None,
        timestamp="",
    )


def public(call: Call) -> bool:
    """Whether a call needs no signature: what it carries says who is calling, if anything does."""
    operation = model_of(call.service).operation_model(call.operation)
    return bool(operation.auth_type == "none")


def _presigned(query: str) -> Signature:
    given = _single(parse_qsl(query, keep_blank_values=True))
    try:
        algorithm = given["X-Amz-Algorithm"]
        scope = given["X-Amz-Credential"].split("/")
        key, date, region, service, terminator = scope
        expires = int(given["X-Amz-Expires"])
        made = Signature(
            access_key=key,
            date=date,
            region=region,
            service=service,
            signed_headers=tuple(given["X-Amz-SignedHeaders"].split(";")),
            signature=given["X-Amz-Signature"],
            token=given.get("X-Amz-Security-Token"),
            timestamp=given["X-Amz-Date"],
            expires=expires,
        )
    except (KeyError, ValueError) as error:
        raise WireError(
            "AuthorizationQueryParametersError", f"incomplete presigned URL: {error}"
        ) from None
    if algorithm != "AWS4-HMAC-SHA256" or terminator != "aws4_request":
        raise WireError("AuthorizationQueryParametersError", "only AWS4-HMAC-SHA256 is supported")
    if not 0 < expires <= 604800:
        raise WireError(
            "AuthorizationQueryParametersError",
            "X-Amz-Expires must be between 1 and 604800 seconds",
        )
    return made


def _single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, value in pairs:
        if name in made:
            raise WireError("InvalidArgument", f"parameter {name!r} is given twice")
        made[name] = value
    return made


def verified(call: Call, *, secret: str) -> bool:
    """Whether the signature is the one that the holder of `secret` would make for this call.

    The body is checked against x-amz-content-sha256 where that is a hash. Chunk signatures inside
    a STREAMING body are not checked.
    """
    signature = call.signature
    wanted = {
        name: value for name, value in call.headers.items() if name in signature.signed_headers
    }
    missing = set(signature.signed_headers) - set(wanted)
    if "host" not in wanted or missing:
        return False
    query = [
        (name, value)
        for name, value in parse_qsl(call.raw_query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    ]
    claimed = call.headers.get("x-amz-content-sha256")
    if signature.presigned:
        payload = claimed or "UNSIGNED-PAYLOAD"
    else:
        payload = claimed or hashlib.sha256(call.body).hexdigest()
    if re.match(r"^[0-9a-f]{64}$", payload) and payload != hashlib.sha256(call.body).hexdigest():
        return False
    maker = S3SigV4Auth if call.service == "s3" else SigV4Auth
    signer = maker(Credentials(signature.access_key, secret), signature.service, signature.region)
    request = AWSRequest(method=call.method, url=f"http://host{call.raw_path}")
    path = signer._normalize_url_path(call.raw_path)
    canonical = "\n".join(
        (
            call.method,
            path,
            _canonical_query(query),
            "".join(
                f"{name}:{' '.join(wanted[name].split())}\n"
                for name in sorted(signature.signed_headers)
            ),
            ";".join(sorted(signature.signed_headers)),
            payload,
        )
    )
    request.context["timestamp"] = signature.timestamp
    to_sign = "\n".join(
        (
            "AWS4-HMAC-SHA256",
            signature.timestamp,
            f"{signature.date}/{signature.region}/{signature.service}/aws4_request",
            hashlib.sha256(canonical.encode()).hexdigest(),
        )
    )
    if not signature.timestamp.startswith(signature.date):
        return False
    return hmac.compare_digest(signer.signature(to_sign, request), signature.signature)


def _canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    encoded = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


# --------------------------------------------------------------------------------------------------
# Service models


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@functools.cache
def model_of(service: str) -> ServiceModel:
    """botocore's model of `service`."""
    return _session().get_service_model(service)


def protocol_of(service: str) -> str:
    """The protocol that botocore speaks with `service`, of those that the service has."""
    return str(model_of(service).resolved_protocol)


@dataclass(frozen=True)
class _Route:
    """How an operation is told from others. `query`: what must be there; "" means any value."""

    method: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    operation: str


@functools.cache
def _routes(service: str) -> tuple[_Route, ...]:
    model = model_of(service)
    made = []
    for name in model.operation_names:
        if model.operation_model(name).deprecated:
            continue  # its successor stands at the same place
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        expression = ""
        for piece in re.split(r"(\{[^}]+\})", path.rstrip("/")):
            if piece.startswith("{"):
                label = piece[1:-1]
                greedy = label.endswith("+")
                expression += f"(?P<{group_of(label)}>{'.+' if greedy else '[^/]+'})"
            else:
                expression += re.escape(piece)
        made.append(
            _Route(
                http["method"],
                re.compile(f"{expression}/?", re.DOTALL),
                {**_required_query(model.operation_model(name)), **_literal_query(query)},
                name,
            )
        )
    return tuple(made)


def group_of(label: str) -> str:
    """A label of a path as the name of a group: expressions take no hyphens."""
    return label.rstrip("+").replace("-", "_")


def _literal_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def _required_query(operation: OperationModel) -> dict[str, str]:
    """Query parameters without which a request is another operation: uploadId of ListParts."""
    shape = operation.input_shape
    if shape is None:
        return {}
    return {
        shape.members[name].serialization["name"]: ""
        for name in shape.required_members
        if shape.members[name].serialization.get("location") == "querystring"
    }


# --------------------------------------------------------------------------------------------------
# Parsing


def parse(environ: Environ, signature: Signature) -> Call:
    """Read the call. Consumes the body and puts it back.

    Raises:
        WireError: if the request is not one well-formed call of an operation that botocore knows.
    """
    service = SERVICES.get(signature.service)
    if service is None:
        raise WireError(
            "AccessDenied",
            f"calls of service {signature.service!r} are not modelled for roles",
            403,
        )
    model = model_of(service)
    if signature.presigned and service != "s3":
        raise WireError("AccessDenied", f"presigned URLs of {service} are not modelled", 403)
    raw_path, raw_query = _target(environ)
    base = Call(
        service=service,
        operation="",
        protocol=protocol_of(service),
        signature=signature,
        params={},
        headers=headers_of(environ),
        body=_body(environ, limit=None if service == "s3" else BODY_LIMIT),
        method=str(environ.get("REQUEST_METHOD", "GET")),
        raw_path=raw_path,
        raw_query=raw_query,
        source_ip=str(environ.get("REMOTE_ADDR") or "127.0.0.1"),
    )
    readers = {
        "json": _json,
        "query": _form,
        "rest-json": _rest,
        "rest-xml": _rest,
    }
    return readers[base.protocol](base, model)


def _target(environ: Environ) -> tuple[str, str]:
    """Path and query exactly as they stood on the request line."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw is None:
        raw = quote(environ.get("PATH_INFO", "/").encode("latin-1"), safe="/~:@!$&'()*+,;=")
        if environ.get("QUERY_STRING"):
            raw += "?" + environ["QUERY_STRING"]
    raw = str(raw)
    path, _, query = raw.partition("?")
    if not path.startswith("/") or query != environ.get("QUERY_STRING", ""):
        raise WireError("InvalidURI", "the request line must be a path with a query")
    return path, query


def _body(environ: Environ, *, limit: int | None) -> bytes:
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        try:
            size = int(length)
        except ValueError:
            raise WireError("InvalidArgument", f"Content-Length {length!r}") from None
        if limit is not None and size > limit:
            raise WireError("RequestEntityTooLarge", f"a body of {size} bytes", 413)
        body = stream.read(size)
    elif environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        body = b""
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


def _operation(model: ServiceModel, name: str) -> OperationModel:
    if name not in model.operation_names:
        raise WireError("UnknownOperationException", f"{model.service_name} has no {name!r}")
    return model.operation_model(name)


def _json(call: Call, model: ServiceModel) -> Call:
    prefix, _, name = call.headers.get("x-amz-target", "").rpartition(".")
    if prefix != model.metadata["targetPrefix"]:
        raise WireError(
            "UnknownOperationException",
            f"X-Amz-Target {prefix!r} is not an operation of {call.service}, "
            "for which the request is signed",
        )
    _operation(model, name)
    if call.method != "POST" or call.raw_path != "/" or call.raw_query:
        raise WireError("UnknownOperationException", "expected POST / without a query string")
    return replace(call, operation=name, params=_json_object(call.body))


def _json_object(body: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise WireError("SerializationException", "a member stands twice in one object")
        return made

    try:
        given = json.loads(body or b"{}", object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise WireError("SerializationException", "the body is not JSON") from None
    if not isinstance(given, dict):
        raise WireError("SerializationException", "the body is not a JSON object")
    return given


def _form(call: Call, model: ServiceModel) -> Call:
    if call.method != "POST" or call.raw_path != "/" or call.raw_query:
        raise WireError("InvalidAction", "expected POST / without a query string")
    content_type = call.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise WireError("InvalidAction", f"content type {content_type!r} of a query request")
    try:
        pairs = parse_qsl(call.body.decode("utf-8"), keep_blank_values=True)
    except UnicodeDecodeError:
        raise WireError("MalformedInput", "the body is not UTF-8") from None
    params = _single(pairs)
    if len({name.lower() for name in params}) != len(params):
        raise WireError("MalformedInput", "two parameters differ in case only")
    name = params.get("Action", "")
    _operation(model, name)
    if params.get("Version") != model.metadata["apiVersion"]:
        raise WireError("InvalidAction", f"Version {params.get('Version')!r} of {call.service}")
    return replace(call, operation=name, params=params)


#: Query parameters that belong to the signature or to the SDK, not to an operation.
_SIGNING_QUERY = {
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "x-id",
    "x-amz-user-agent",
}
#: Presigned uploads carry these headers in the query (botocore and the JavaScript SDK).
_HOISTED = re.compile(r"^x-amz-(checksum-|sdk-checksum-algorithm$|content-sha256$)", re.IGNORECASE)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: Buckets whose path-style address moto takes for something else.
_MOTOS_PATHS = {"moto-api", "latest", "favicon.ico", "v20180820"}
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def _rest(call: Call, model: ServiceModel) -> Call:
    path = call.raw_path
    if call.service == "s3":
        path = _path_style(path, call.headers.get("host", ""))
    query = {
        name: value
        for name, value in _single(parse_qsl(call.raw_query, keep_blank_values=True)).items()
        if name not in _SIGNING_QUERY and not _HOISTED.match(name)
    }
    found = _found(call.service, call.method, path, query, call.headers)
    if len(found) != 1:
        names = ", ".join(sorted(route.operation for route, _ in found)) or "no operation"
        raise WireError(
            "MethodNotAllowed" if call.service == "s3" else "UnknownOperationException",
            f"{call.method} {path} with {sorted(query) or 'no parameters'} is {names}",
            405 if call.service == "s3" else 400,
        )
    route, matched = found[0]
    operation = model.operation_model(route.operation)
    params = _members(operation, call, matched.groupdict(), query, set(route.query))
    if call.service == "s3":
        _check_s3(params)
        if route.operation == "DeleteObjects":
            params["Delete"] = _deletions(call.body)
    elif "application/x-www-form-urlencoded" in call.headers.get("content-type", "").lower():
        raise WireError("UnsupportedMediaTypeException", "a form is no body of this operation", 415)
    elif operation.has_streaming_input is False and not _payload_is_blob(operation):
        params = {**_json_object(call.body), **params}
    return replace(call, operation=route.operation, params=params, query=query)


def _found(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> list[tuple[_Route, re.Match[str]]]:
    """The operations that a request of a REST service may be: one, if all is well."""
    found = []
    for route in _routes(service):
        matched = route.path.fullmatch(path) if route.method == method else None
        if matched and all(
            name in query and (not value or query[name] == value)
            for name, value in route.query.items()
        ):
            found.append((route, matched))
    found = [item for item in found if _by_header(item[0].operation, headers)]
    # The one that asks for most says most: "?list-type=2" before "", a key before a bucket.
    best = max((len(route.query) for route, _ in found), default=-1)
    found = [item for item in found if len(item[0].query) == best]
    if service == "s3" and len(found) > 1:
        found = [item for item in found if item[0].operation not in ("ListDirectoryBuckets",)]
    return found


#: botocore's names of services where requests are signed for another.
_BOTOCORE_NAMES = {
    "apigateway": "apigatewayv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
}


def botocore_name(signed_for: str) -> str:
    """botocore's name of the service that a request is signed for."""
    return _BOTOCORE_NAMES.get(signed_for, signed_for)


@functools.cache
def services() -> frozenset[str]:
    """Every service that botocore knows."""
    return frozenset(_session().get_available_services())


def operation_of(environ: Environ, service: str) -> str:
    """The operation's name, whoever signed the request; "" where it is none that botocore knows.

    For counting and for faults. Authorization stands on `parse`, which refuses what is ambiguous.
    A form's body is read and put back.
    """
    if service not in services():
        return ""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rsplit(".", 1)[-1]
    raw_path, raw_query = _target(environ)
    query = dict(parse_qsl(raw_query, keep_blank_values=True))
    protocol = protocol_of(service)
    if protocol in ("query", "ec2"):
        if "Action" in query:
            return query["Action"]
        body = _body(environ, limit=BODY_LIMIT)
        return dict(parse_qsl(body.decode("utf-8", "replace"))).get("Action", "")
    if protocol in ("rest-json", "rest-xml"):
        headers = headers_of(environ)
        path = _path_style(raw_path, headers.get("host", "")) if service == "s3" else raw_path
        method = str(environ.get("REQUEST_METHOD", "GET"))
        names = {route.operation for route, _ in _found(service, method, path, query, headers)}
        return names.pop() if len(names) == 1 else ""
    # RPC over CBOR: /service/NAME/operation/NAME
    return raw_path.rsplit("/", 1)[-1]


def _by_header(operation: str, headers: Mapping[str, str]) -> bool:
    """S3 tells four operations apart by a header alone."""
    copying = "x-amz-copy-source" in headers
    if operation in ("CopyObject", "UploadPartCopy"):
        return copying
    if operation in ("PutObject", "UploadPart"):
        return not copying
    return True


def _payload_is_blob(operation: OperationModel) -> bool:
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    return bool(payload and shape and shape.members[payload].type_name in ("blob", "string"))


def _path_style(path: str, host: str) -> str:
    """A bucket that the Host header names, put in front of the path."""
    name = host.rsplit(":", 1)[0].lower() if not host.endswith("]") else host.lower()
    found = re.match(r"^(.+)\.s3(?:[.-][a-z]{2}-[a-z]+-\d)?\.amazonaws\.com$", name) or re.match(
        r"^(.+)\.(?:s3\.)?(?:localhost|127\.0\.0\.1)$", name
    )
    if found:
        return f"/{quote(found.group(1), safe='')}{path}"
    if re.match(
        r"^(s3(?:[.-][a-z]{2}-[a-z]+-\d)?\.amazonaws\.com|localhost|127\.0\.0\.1|\[::1\])$", name
    ):
        return path
    raise WireError("InvalidRequest", f"Host {host!r} is not an address of S3 here")


def _members(
    operation: OperationModel,
    call: Call,
    labels: Mapping[str, str],
    query: Mapping[str, str],
    literal: set[str],
) -> dict[str, Any]:
    params: dict[str, Any] = {}
    known = set(literal)
    shape = operation.input_shape
    for name, member in (shape.members if shape else {}).items():
        place, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri":
            params[name] = unquote(labels[group_of(wire)], errors="strict")
        elif place == "querystring":
            known.add(wire)
            if wire in query:
                params[name] = query[wire]
        elif place == "header" and wire.lower() in call.headers:
            params[name] = call.headers[wire.lower()]
        elif place == "headers":
            params[name] = {
                header[len(wire) :]: value
                for header, value in call.headers.items()
                if header.startswith(wire.lower())
            }
    unknown = set(query) - known
    if unknown:
        raise WireError(
            "InvalidArgument",
            f"{operation.name} has no parameter {', '.join(sorted(unknown))}",
        )
    return params


def _check_s3(params: Mapping[str, Any]) -> None:
    bucket = params.get("Bucket")
    if bucket is not None and (not _BUCKET.fullmatch(bucket) or bucket in _MOTOS_PATHS):
        raise WireError("InvalidBucketName", f"The specified bucket is not valid: {bucket!r}")
    for member in ("Key", "Prefix", "KeyMarker", "StartAfter"):
        check_key(params.get(member) or "")


def check_key(key: str) -> None:
    """Refuse a key that reads differently when it is decoded once more, as moto does in places."""
    if _ESCAPE.search(key):
        raise WireError(
            "InvalidArgument",
            f"keys that hold a percent escape after decoding are not modelled: {key!r}",
        )
    if len(key.encode()) > 1024:
        raise WireError("KeyTooLongError", "Your key is too long")


def _deletions(body: bytes) -> list[dict[str, str]]:
    if b"<!" in body:
        raise WireError("MalformedXML", "a document type is not accepted")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 (no document types, so no entities)
    except ElementTree.ParseError as error:
        raise WireError(
            "MalformedXML", f"The XML you provided was not well-formed: {error}"
        ) from None
    made = []
    for item in root:
        if item.tag.rpartition("}")[2] != "Object":
            continue
        fields = _single((child.tag.rpartition("}")[2], child.text or "") for child in item)
        if "Key" not in fields or set(fields) - {"Key", "VersionId"}:
            raise WireError("MalformedXML", f"an Object to delete with {sorted(fields)}")
        check_key(fields["Key"])
        made.append(fields)
    if not made or len(made) > 1000:
        raise WireError("MalformedXML", "between 1 and 1000 objects")
    return made


def quiet(body: bytes) -> bool:
    """Whether a DeleteObjects request asks for errors only."""
    return re.search(rb"<Quiet>\s*true\s*</Quiet>", body, re.IGNORECASE) is not None


def deletion_body(objects: Iterable[Mapping[str, str]], *, is_quiet: bool) -> bytes:
    """The body of DeleteObjects for `objects`."""
    root = ElementTree.Element("Delete")
    for fields in objects:
        item = ElementTree.SubElement(root, "Object")
        for name, value in fields.items():
            ElementTree.SubElement(item, name).text = value
    if is_quiet:
        ElementTree.SubElement(root, "Quiet").text = "true"
    return ElementTree.tostring(root)


# --------------------------------------------------------------------------------------------------
# Rebuilding

#: Headers that any operation may carry on to moto. Date and User-Agent are not among them: moto
#: reads a region out of the latter.
_COMMON = {
    "content-type",
    "content-length",
    "content-encoding",
    "content-md5",
    "expect",
    "range",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-trailer",
}


def rebuilt(call: Call, environ: Environ, *, body: bytes | None = None) -> Environ:
    """A fresh request for moto that says what `call` says and nothing else."""
    payload = call.body if body is None else body
    path, query = _canonical_target(call)
    headers = {name: call.headers[name] for name in _COMMON if name in call.headers}
    headers |= _member_headers(call)
    headers["content-length"] = str(len(payload))
    signature = call.signature
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signature.access_key}/{signature.date}/{signature.region}"
        f"/{signature.service}/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
    )
    host = f"{environ.get('SERVER_NAME', '127.0.0.1')}:{environ.get('SERVER_PORT', '80')}"
    headers["host"] = "127.0.0.1" + host[host.rfind(":") :]
    if call.protocol == "query":
        payload = urlencode(list(call.params.items())).encode()
        headers["content-length"] = str(len(payload))
        headers["content-type"] = "application/x-www-form-urlencoded"
    elif call.protocol == "json":
        headers["content-type"] = f"application/x-amz-json-{json_version(call.service)}"
    elif call.protocol == "rest-json":
        headers["content-type"] = "application/json"
    fresh = {key: value for key, value in environ.items() if not _from_client(key)}
    preserved = {}
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        if "_" in name:
            preserved[key] = name
        fresh[key] = value.encode("utf-8").decode("latin-1")
    fresh["moto.preserved_header_names"] = preserved
    fresh["REQUEST_METHOD"] = call.method
    fresh["SCRIPT_NAME"] = ""
    fresh["PATH_INFO"] = unquote(path).encode("utf-8").decode("latin-1")
    fresh["QUERY_STRING"] = query
    fresh["RAW_URI"] = fresh["REQUEST_URI"] = f"{path}?{query}" if query else path
    fresh["wsgi.input"] = io.BytesIO(payload)
    fresh["wsgi.input_terminated"] = True
    return fresh


def _from_client(key: str) -> bool:
    return key.startswith(("HTTP_", "werkzeug.request", "flask.")) or key in (
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "PATH_INFO",
        "QUERY_STRING",
        "RAW_URI",
        "REQUEST_URI",
        "moto.preserved_header_names",
        "wsgi.input",
    )


def json_version(service: str) -> str:
    return str(model_of(service).metadata.get("jsonVersion", "1.1"))


def _canonical_target(call: Call) -> tuple[str, str]:
    if call.protocol == "query":
        return "/", ""
    # Never an empty query: moto would then read parameters out of headers, or out of a JSON body
    # that looks like a form.
    if call.protocol == "json":
        return "/", urlencode({"x-id": call.operation})
    model = model_of(call.service).operation_model(call.operation)
    path, _, literal = model.http["requestUri"].partition("?")
    shape = model.input_shape
    for name, member in (shape.members if shape else {}).items():
        if member.serialization.get("location") == "uri":
            wire = member.serialization.get("name", name)
            value = str(call.params[name])
            path = path.replace(f"{{{wire}+}}", quote(value, safe="/~"))
            path = path.replace(f"{{{wire}}}", quote(value, safe="~"))
    pairs: dict[str, str] = dict(parse_qsl(literal, keep_blank_values=True))
    for name, member in (shape.members if shape else {}).items():
        if member.serialization.get("location") == "querystring" and name in call.params:
            pairs[member.serialization.get("name", name)] = str(call.params[name])
    pairs["x-id"] = call.operation
    return path, urlencode(pairs, quote_via=quote)


def _member_headers(call: Call) -> dict[str, str]:
    if not call.protocol.startswith("rest"):
        return {}
    shape = model_of(call.service).operation_model(call.operation).input_shape
    made: dict[str, str] = {}
    for name, member in (shape.members if shape else {}).items():
        place, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "header" and name in call.params:
            made[wire.lower()] = str(call.params[name])
        elif place == "headers":
            for suffix, value in call.params.get(name, {}).items():
                made[f"{wire.lower()}{suffix}"] = str(value)
    return made
