"""Nobody passes who may not: the WSGI layer in front of moto that authenticates and asks IAM.

- The administrator's key passes as it is. Whoever runs the embedded cloud owns it; there is nothing
  to guard it from.
- A role's temporary key passes if its signature is right, it has not expired on the cloud's clock,
  its role still exists, and IAM (infra.assurance.iam) allows every permission that the call needs.
  What is then handed to moto is not what came over the wire but a fresh request that says what was
  asked about (wire.rebuilt).
- What AWS takes without a signature (signing in to Cognito, and what people do there with their own
  tokens) passes without one, written anew too.
- Anything else is refused in the words of the service that was called: no signature, unknown keys,
  and for a role every operation that is not modelled.

The roles that the CDK CLI assumes to deploy are such roles, decided by the policies that the
bootstrap template gave them. What CloudFormation then does with its own role happens inside the
cloud, not on the wire, and is not decided here.

A request over loopback counts as made over TLS (aws:SecureTransport is true): the embedded cloud
listens nowhere else, and a bucket that refuses plain HTTP must work as it does on AWS.

moto's own enforcement stays off; its half-evaluation of bucket policies is switched off here.
"""

from __future__ import annotations

import bisect
import datetime as dt
import hmac
import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from moto.iam.access_control import PermissionResult

from infra.assurance import iam
from infra.offline import patching, runtime
from infra.offline.authorization import credentials, requests, state, wire
from infra.offline.authorization import simulation as _simulation  # noqa: F401 (extends moto)
from infra.offline.authorization.credentials import Session
from infra.offline.authorization.requests import Question
from infra.offline.authorization.tags import context as resource_context
from infra.offline.authorization.wire import Call, Environ, Signature, WireError
from infra.offline.environment import ADMIN_ACCESS_KEY

log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

#: A request over loopback counts as made over the TLS that S3 and its clients agree on.
TLS_VERSION = "1.3"

#: Paths by which moto can be told to do things without any service being asked.
_MOTO_OWN = ("/moto-api", "/latest/meta-data/", "/latest/api/", "/favicon.ico")


@patching.replaces(
    "moto.s3.models:FakeBucket.get_permission",
    because="moto reads bucket policies without their principals and conditions, so that a policy "
    "that refuses plain HTTP refuses everything; ours are decided before moto is asked",
)
def _get_permission(_original: Any, _bucket: Any, _action: str, _resource: str) -> Any:
    return PermissionResult.NEUTRAL


@patching.replaces(
    "moto.kms.responses:validate_policy",
    because="moto reads a key policy's denials without principals and conditions, so that a key "
    "closed to some roles is closed to the admin too; ours are decided before moto is asked",
)
def _validate_key_policy(_original: Any, _key: Any, _action: str) -> None:
    return None


# --------------------------------------------------------------------------------------------------
# Decisions


def decide(session: Session, question: Question, *, source_ip: str = "127.0.0.1") -> iam.Decision:
    """IAM's answer to one question about one session, by the policies as they are now."""
    role = credentials.role_of(session)
    request = _request(session, role, question, source_ip)
    if role is None:
        return _refused(request, "because its role does not exist any more")
    try:
        return iam.decide(request, _policies(session, role, question))
    except iam.UnmodelledPolicy as error:
        return _refused(request, f"because a policy is outside the embedded cloud's IAM: {error}")


def _refused(request: iam.Request, because: str) -> iam.Decision:
    return iam.Decision(False, iam.denial(request, because))


def _policies(session: Session, role: Any, question: Question) -> iam.Policies:
    boundary = None
    if role.permissions_boundary_arn:
        document = state.managed_policy(session.account, role.permissions_boundary_arn)
        if document is None:
            raise iam.UnmodelledPolicy(
                f"the boundary {role.permissions_boundary_arn} does not exist"
            )
        boundary = iam.Policy.parse(document)
    resource, decides = resource_policy(session.account, question)
    return iam.Policies(
        identity=tuple(iam.Policy.parse(text) for text in state.identity_policies(role)),
        boundary=boundary,
        session=tuple(iam.Policy.parse(text) for text in session.policies),
        resource=resource,
        resource_decides=decides,
    )


def resource_policy(account: str, question: Question) -> tuple[iam.Policy | None, bool]:
    """The policy on the resource itself, and whether nothing is allowed without it."""
    service = question.action.split(":", 1)[0]
    if service == "s3" and question.resource != "*":
        document = state.bucket_policy(account, requests.bucket_of(question.resource))
        return (iam.Policy.parse(document, kind="resource") if document else None), False
    if service == "kms":
        region = question.resource.split(":")[3]
        document = state.key_policy(account, region, question.resource)
        return (iam.Policy.parse(document, kind="resource") if document else None), True
    if service in ("sns", "sqs"):
        policy_of = state.topic_policy if service == "sns" else state.queue_policy
        document = policy_of(account, question.resource)
        return (iam.Policy.parse(document, kind="resource") if document else None), False
    if service == "ecr" and question.resource != "*":
        document = state.repository_policy(account, question.resource)
        return (iam.Policy.parse(document, kind="resource") if document else None), False
    if question.action in ("sts:AssumeRole", "sts:TagSession"):
        try:
            role = credentials.find_role(question.resource)
        except LookupError:
            raise WireError("ValidationError", f"{question.resource} is invalid") from None
        document = None if role is None else role.assume_role_policy_document
        return (iam.Policy.parse(document, kind="trust") if document else None), True
    return None, False


def _request(session: Session, role: Any, question: Question, source_ip: str) -> iam.Request:
    now = runtime.current().clock.now().astimezone(dt.UTC)
    tags = {} if role is None else dict(state.role_tags(role))
    tags |= dict(session.tags)
    resource, vouched = resource_context(question.action, question.resource)
    context: dict[str, iam.Value] = {
        "aws:PrincipalAccount": session.account,
        "aws:PrincipalArn": session.role_arn,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalType": "AssumedRole",
        "aws:userid": session.user_id,
        "aws:ResourceAccount": session.account,
        **{f"aws:PrincipalTag/{key}": value for key, value in tags.items()},
        **_environment(now, source_ip),
        **resource,
        **question.context,
    }
    if question.action.startswith("s3:"):
        context["s3:ResourceAccount"] = session.account
        context["s3:TlsVersion"] = TLS_VERSION
    parts = question.resource.split(":")
    context["aws:RequestedRegion"] = (
        parts[3] if len(parts) > 3 and parts[3] else runtime.current().region
    )
    if len(parts) > 4 and parts[4]:
        context["aws:ResourceAccount"] = parts[4]
    return iam.Request(
        iam.Principal.session(session.arn, role_arn=session.role_arn),
        question.action,
        question.resource,
        context,
        question.keys | vouched,
    )


def _environment(now: dt.datetime, source_ip: str) -> dict[str, iam.Value]:
    return {
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:SecureTransport": "true",
        "aws:SourceIp": source_ip,
        "aws:ViaAWSService": "false",
    }


def service_may_assume(role_arn: str, service: str, *, source_arn: str | None = None) -> bool:
    """Whether the role's trust policy lets an AWS service (sagemaker.amazonaws.com) take it.

    `source_arn` is the resource for which the service acts (aws:SourceArn), where it says so. A
    trust policy outside the model, and a role that does not exist, trust nobody.
    """
    role = credentials.find_role(role_arn)
    if role is None:
        return False
    account = role_arn.split(":")[4]
    now = runtime.current().clock.now().astimezone(dt.UTC)
    context: dict[str, iam.Value] = {
        **_environment(now, "127.0.0.1"),
        "aws:PrincipalIsAWSService": "true",
        "aws:SourceAccount": account,
    }
    keys = requests.GLOBAL_KEYS | {"sts:externalid", "sts:rolesessionname"}
    if source_arn is None:
        keys -= {"aws:sourcearn"}
    else:
        context["aws:SourceArn"] = source_arn
    request = iam.Request(
        iam.Principal.service(service, account=account), "sts:AssumeRole", role_arn, context, keys
    )
    try:
        trust = iam.Policy.parse(role.assume_role_policy_document, kind="trust")
        return iam.decide(request, iam.Policies(resource=trust, resource_decides=True)).allowed
    except iam.UnmodelledPolicy as error:
        log.warning("trust policy of %s: %s", role_arn, error)
        return False


# --------------------------------------------------------------------------------------------------
# Presigned URLs on a movable clock


class _Offsets:
    """How far the cloud's clock was ahead, by when: a URL's age counts moves since its signing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._walls: list[dt.datetime] = []
        self._ahead: list[dt.timedelta] = []
        self._hooked: object | None = None

    def note(self) -> None:
        clock = runtime.current().clock
        with self._lock:
            if self._hooked is not clock:
                self._hooked, self._walls, self._ahead = clock, [], []
                clock.after_each_step(self._sample)
        self._sample()

    def _sample(self) -> None:
        wall, clock = dt.datetime.now(dt.UTC), runtime.current().clock
        offset = clock.offset
        with self._lock:
            if self._hooked is clock and (not self._ahead or self._ahead[-1] != offset):
                self._walls.append(wall)
                self._ahead.append(offset)

    def age(self, signed: dt.datetime) -> dt.timedelta:
        """The age of a signature on the cloud's clock."""
        clock = runtime.current().clock
        wall = dt.datetime.now(dt.UTC)
        if signed > wall + dt.timedelta(minutes=5):
            return clock.now() - signed  # the signer itself lives on the cloud's clock
        # Signatures carry whole seconds: a clock that moved within that second moved before.
        until = signed + dt.timedelta(seconds=1)
        with self._lock:
            index = max(0, bisect.bisect_right(self._walls, until) - 1)
            then = self._ahead[index] if self._ahead else clock.offset
        return clock.now() - (signed + then)


# --------------------------------------------------------------------------------------------------
# The middleware


#: What services that have a code of their own call a denial. Source: their API references' pages on
#: errors ("Publish", Amazon SNS; "Error codes for the Amazon EC2 API").
_DENIED = {"ec2": "UnauthorizedOperation", "sns": "AuthorizationError"}


class _Denied(Exception):
    """IAM said no."""


def enforce(app: App) -> App:
    """`app` (moto) behind authentication and IAM."""
    offsets = _Offsets()

    def guarded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        offsets.note()
        path = str(environ.get("PATH_INFO", ""))
        signature: Signature | None = None
        call: Call | None = None
        try:
            signature = wire.signature_of(environ)
            if path.startswith(_MOTO_OWN):
                raise WireError("AccessDenied", f"{path} of the emulator is not served", 403)
            if signature is None:
                return app(_public(environ), start_response)
            if signature.access_key == ADMIN_ACCESS_KEY:
                _admin(environ, signature)
                return app(environ, start_response)
            session = _session(signature)
            call = wire.parse(environ, signature)
            _authentic(call, session, offsets)
            return _authorised(app, environ, start_response, call, session)
        except _Denied as denial:
            error = WireError("AccessDenied", str(denial), 403)
        except requests.Unmodelled as unmodelled:
            error = WireError("AccessDenied", f"the embedded cloud refuses this: {unmodelled}", 403)
        except WireError as wrong:
            error = wrong
        return _answer(error, environ, start_response, signature, call)

    return guarded


def _public(environ: Environ) -> Environ:
    """A request without a signature, written anew, if its operation needs none."""
    service = wire.unsigned_service(environ)
    if service != "s3":
        call = wire.parse(environ, wire.unsigned(service, runtime.current().region))
        if wire.public(call):
            return wire.rebuilt(call, environ)
    raise WireError(
        "MissingAuthenticationToken" if service == "s3" else "MissingAuthenticationTokenException",
        "Request is missing Authentication Token: sign it, as every AWS client does",
        403,
    )


def _session(signature: Signature) -> Session:
    session = credentials.principal_of(signature.access_key)
    if session is None:
        raise WireError(*_UNKNOWN.get(signature.service, _UNKNOWN_ELSEWHERE), 403)
    if not signature.token or not hmac.compare_digest(signature.token, session.token):
        raise WireError(
            "InvalidToken" if signature.service == "s3" else "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            400 if signature.service == "s3" else 403,
        )
    if session.expires is not None and session.expires <= runtime.current().clock.now():
        s3 = signature.service == "s3"
        raise WireError(
            "ExpiredToken" if s3 or signature.service in _QUERY else "ExpiredTokenException",
            "The provided token has expired."
            if s3
            else "The security token included in the request is expired",
            400 if s3 else 403,
        )
    if credentials.role_of(session) is None:
        raise WireError(*_UNKNOWN.get(signature.service, _UNKNOWN_ELSEWHERE), 403)
    return session


_QUERY = ("cloudformation", "iam", "sns", "sts")
_UNKNOWN_ELSEWHERE = (
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
)
_UNKNOWN = {
    "s3": (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    **dict.fromkeys(
        _QUERY, ("InvalidClientTokenId", "The security token included in the request is invalid.")
    ),
}


def _authentic(call: Call, session: Session, offsets: _Offsets) -> None:
    if not wire.verified(call, secret=session.secret_key):
        raise WireError(
            "SignatureDoesNotMatch"
            if call.protocol in ("query", "rest-xml")
            else "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
            403,
        )
    # A signature in a header is not held to five minutes: clients do not live on the cloud's clock.
    expires = call.signature.expires
    if expires is not None and offsets.age(call.signature.signed_at) > dt.timedelta(
        seconds=expires
    ):
        raise WireError("AccessDenied", "Request has expired", 403)


def _authorised(
    app: App, environ: Environ, start_response: StartResponse, call: Call, session: Session
) -> Iterable[bytes]:
    asked = requests.asked(call, session.account)
    for question in asked.questions:
        _check(session, question, call)
    call = asked.call
    if call.operation == "AssumeRole":
        _check_assumption(call.params, chained=True)
    if call.operation == "DeleteObjects":
        return _delete_objects(app, environ, start_response, asked, session)
    fresh = wire.rebuilt(call, environ)
    if call.operation in ("GetObject", "HeadObject"):
        return _missing_is_hidden(app, fresh, environ, start_response, call, session)
    return app(fresh, start_response)


def _check(session: Session, question: Question, call: Call) -> None:
    decision = decide(session, question, source_ip=call.source_ip)
    if not decision.allowed:
        log.info("denied: %s", decision.reason)
        raise _Denied(decision.reason)


# --- what the administrator does ------------------------------------------------------------------
def _admin(environ: Environ, signature: Signature) -> None:
    """The administrator may do all; yet a role's trust policy is the role's."""
    if signature.service != "sts":
        return
    call = wire.parse(environ, signature)
    if call.operation != "AssumeRole":
        return
    account = runtime.current().account
    now = runtime.current().clock.now().astimezone(dt.UTC)
    for question in requests.assume_role(call.params):
        context = {
            **_environment(now, call.source_ip),
            "aws:PrincipalArn": f"arn:aws:iam::{account}:root",
            "aws:PrincipalAccount": account,
            "aws:PrincipalType": "Account",
            "aws:PrincipalIsAWSService": "false",
            **question.context,
        }
        request = iam.Request(
            iam.Principal.root(account),
            question.action,
            question.resource,
            context,
            question.keys,
        )
        try:
            trust, _ = resource_policy(account, question)
            decision = iam.decide(request, iam.Policies(resource=trust, resource_decides=True))
        except iam.UnmodelledPolicy as error:
            raise _Denied(iam.denial(request, f"because of its trust policy: {error}")) from None
        if not decision.allowed:
            raise _Denied(decision.reason)
    _check_assumption(call.params, chained=False)


def _check_assumption(params: Mapping[str, Any], *, chained: bool) -> None:
    if not credentials.SESSION_NAME.fullmatch(str(params.get("RoleSessionName", ""))):
        raise WireError(
            "ValidationError",
            f"RoleSessionName must match {credentials.SESSION_NAME.pattern}",
        )
    role = credentials.find_role(str(params.get("RoleArn")))
    try:
        seconds = int(params.get("DurationSeconds", 3600))
    except ValueError:
        raise WireError("ValidationError", "DurationSeconds is not a number") from None
    longest = 3600 if chained else int((role and role.max_session_duration) or 3600)
    if not 900 <= seconds <= longest:
        raise WireError(
            "ValidationError",
            f"The requested DurationSeconds {seconds} is not between 900 and the {longest} that "
            "role chaining or the role's MaxSessionDuration allows.",
        )
    policy = params.get("Policy")
    if policy:
        try:
            iam.Policy.parse(str(policy))
        except iam.UnmodelledPolicy as error:
            raise WireError("MalformedPolicyDocument", str(error)) from None


# --- what S3 does differently ---------------------------------------------------------------------
def _missing_is_hidden(
    app: App,
    fresh: Environ,
    environ: Environ,
    start_response: StartResponse,
    call: Call,
    session: Session,
) -> Iterable[bytes]:
    """S3 says 404 only to those who may list the bucket; to others a missing object is 403."""
    status, headers, body = _collect(app, fresh)
    if status.startswith("404"):
        decision = decide(
            session, requests.may_list(str(call.params["Bucket"])), source_ip=call.source_ip
        )
        if not decision.allowed:
            error = WireError("AccessDenied", decision.reason, 403)
            return _answer(error, environ, start_response, call.signature, call)
    start_response(status, headers)
    return [body]


def _delete_objects(
    app: App,
    environ: Environ,
    start_response: StartResponse,
    asked: requests.Asked,
    session: Session,
) -> Iterable[bytes]:
    """Each key is decided by itself; a refused one is an Error in an answer of 200."""
    call = asked.call
    allowed, errors = [], []
    for item, question in zip(call.params["Delete"], asked.each, strict=True):
        decision = decide(session, question, source_ip=call.source_ip)
        if decision.allowed:
            allowed.append(item)
            continue
        version = (
            f"<VersionId>{escape(item['VersionId'])}</VersionId>" if ("VersionId" in item) else ""
        )
        errors.append(
            f"<Error><Key>{escape(item['Key'])}</Key>{version}<Code>AccessDenied</Code>"
            f"<Message>{escape(decision.reason)}</Message></Error>"
        )
    if allowed:
        body = wire.deletion_body(allowed, is_quiet=wire.quiet(call.body))
        status, headers, answer = _collect(app, wire.rebuilt(call, environ, body=body))
    else:
        status, headers = "200 OK", [("Content-Type", "application/xml")]
        answer = (
            b'<?xml version="1.0" encoding="UTF-8"?>'
            b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></DeleteResult>'
        )
    if errors and status.startswith("200"):
        head, found, _ = answer.rpartition(b"</DeleteResult>")
        if not found:  # moto wrote an empty element
            head = answer.replace(b"/>", b">")
        answer = head + "".join(errors).encode() + b"</DeleteResult>"
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    start_response(status, [*headers, ("Content-Length", str(len(answer)))])
    return [answer]


def _collect(app: App, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
    """The app's whole answer."""
    seen: dict[str, Any] = {}
    written: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        seen.update(status=status, headers=list(headers))
        return written.append

    parts = app(environ, start)
    try:
        body = b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    return seen["status"], seen["headers"], b"".join(written) + body


# --------------------------------------------------------------------------------------------------
# Refusals in each service's words


def _answer(
    error: WireError,
    environ: Environ,
    start_response: StartResponse,
    signature: Signature | None,
    call: Call | None,
) -> Iterable[bytes]:
    service = signature.service if signature else wire.unsigned_service(environ)
    protocol = "rest-xml"
    if service in wire.SERVICES:
        protocol = wire.protocol_of(service)
    elif service != "s3":
        protocol = "json" if environ.get("HTTP_X_AMZ_TARGET") else "query"
    if error.code == "AccessDenied" and service in _DENIED:
        error = WireError(_DENIED[service], error.message, error.status)
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    status = error.status
    if protocol in ("json", "rest-json"):
        code = "AccessDeniedException" if error.code == "AccessDenied" else error.code
        # JSON 1.0/1.1 services answer 400 for what IAM refuses; REST services 403.
        status = 400 if protocol == "json" and status == 403 else status
        member = "message" if protocol == "json" else "Message"
        body = json.dumps({"__type": code, member: error.message}).encode()
        content = (
            f"application/x-amz-json-{wire.json_version(service)}"
            if (protocol == "json" and service in wire.SERVICES)
            else "application/json"
        )
        headers += [("Content-Type", content), ("x-amzn-errortype", code)]
    elif protocol == "rest-xml":
        message = escape(error.message)
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(error.code)}</Code><Message>{message}</Message>"
            f"<RequestId>{request_id}</RequestId><HostId>embedded</HostId></Error>"
        ).encode()
        headers += [("Content-Type", "application/xml"), ("x-amz-request-id", request_id)]
    elif service == "ec2":
        body = (
            f"<Response><Errors><Error><Code>{escape(error.code)}</Code>"
            f"<Message>{escape(error.message)}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        ).encode()
        headers += [("Content-Type", "text/xml")]
    else:
        body = (
            "<ErrorResponse><Error><Type>Sender</Type>"
            f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        ).encode()
        headers += [("Content-Type", "text/xml")]
    if environ.get("REQUEST_METHOD") == "HEAD":
        body = b""
    _drain(environ, call)
    start_response(
        f"{status} {_PHRASES.get(status, 'Error')}", [*headers, ("Content-Length", str(len(body)))]
    )
    return [body]


_PHRASES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


def _drain(environ: Environ, call: Call | None) -> None:
    """Read what the client still sends, or it may lose our answer to a broken pipe."""
    if call is None:
        try:
            remaining = int(environ.get("CONTENT_LENGTH") or 0)
            while remaining > 0 and (part := environ["wsgi.input"].read(min(remaining, 1 << 16))):
                remaining -= len(part)
        except (OSError, ValueError):
            return
