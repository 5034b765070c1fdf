"""A request's way through an API: the host it names, the stage, the route, the throttle, the
function's own policy, the function.

Every request that found its stage leaves a line in the stage's access log and a point in
CloudWatch's metrics. The function is called as others call it: past IAM, by its own policy alone.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from moto.apigatewayv2.models import apigatewayv2_backends
from moto.awslambda.exceptions import LambdaClientError
from moto.logs.models import logs_backends

from infra.offline import faults, runtime
from infra.offline.services import cloudwatch, events, lambda_runtime
from infra.offline.services.http_api import access_log, routes
from infra.offline.services.http_api.events import (
    Malformed,
    Place,
    Request,
    Response,
    clf_time,
    event,
    message,
    response,
)
from infra.offline.services.http_api.throttle import Throttle

log = logging.getLogger(__name__)

SERVICE = "apigateway.amazonaws.com"
DEFAULT_STAGE = "$default"
NAMESPACE = "AWS/ApiGateway"

_NO_PERMISSION = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call "
    "the integration. Check the permissions and try again."
)


@dataclass
class Exchange:
    """A request under way, and what its log line will say."""

    request: Request
    request_id: str
    stage: Any = None  # moto's Stage
    said: dict[str, object] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)


class Gateway:
    """One API's way from requests to answers. What the API is, moto's state says, each time."""

    def __init__(self, api_id: str, domain: str, port: int) -> None:
        self.api_id, self.domain, self.port = api_id, domain, port
        self._throttle = Throttle()

    def answer(self, request: Request) -> Response:
        """The answer to a request whose head and body are in order, with API Gateway's headers."""
        exchange = Exchange(request, _request_id())
        try:
            answer = self._answered(exchange)
        except Exception:
            log.exception("%s %s of API %s", request.method, request.path, self.api_id)
            answer = message(500, "Internal Server Error")
        self._account(exchange, answer)
        headers = (*answer.headers, ("apigw-requestid", exchange.request_id))
        return Response(answer.status, headers, answer.body)

    def _answered(self, exchange: Exchange) -> Response:
        here, request = runtime.current(), exchange.request
        api = apigatewayv2_backends[here.account][here.region].apis.get(self.api_id)
        if request.header("host").lower() != self.domain or api is None:
            return message(403, "Forbidden")
        if api.disable_execute_api_endpoint:
            return message(403, "Forbidden")
        exchange.stage = stage = api.stages.get(DEFAULT_STAGE)
        if stage is None:
            return message(404, "Not Found")
        found = {route.route_key: route for route in list(api.routes.values())}
        choice = routes.chosen(found, request.method, request.path)
        if choice is None:
            return message(404, "Not Found")
        key, parameters = choice
        exchange.said["routeKey"] = key.text
        if not self._admitted(stage, key.text):
            return message(429, "Too Many Requests")
        target = str(found[key.text].target or "")
        integration = api.integrations.get(target.removeprefix("integrations/"))
        if integration is None:
            return self._failed(exchange, 500, "the route has no integration")
        place = Place(
            account=here.account,
            api_id=self.api_id,
            domain=self.domain,
            port=self.port,
            stage=stage.name,
            route_key=key.text,
            path_parameters=parameters,
            stage_variables=stage.stage_variables or {},
        )
        return self._integrated(exchange, place, integration)

    def _admitted(self, stage: Any, route_key: str) -> bool:
        settings = {
            **(stage.default_route_settings or {}),
            **(stage.route_settings or {}).get(route_key, {}),
        }
        return self._throttle.admits(
            stage.name,
            route_key,
            settings.get("throttlingRateLimit"),
            settings.get("throttlingBurstLimit"),
            runtime.current().clock.now().timestamp(),
        )

    def _integrated(self, exchange: Exchange, place: Place, integration: Any) -> Response:
        here, request = runtime.current(), exchange.request
        now = here.clock.now()
        given = event(
            request,
            place,
            request_id=exchange.request_id,
            trace_id=f"Root=1-{int(now.timestamp()):08x}-{secrets.token_hex(12)}",
            now=now,
        )
        function = function_of(str(integration.integration_uri))
        try:
            called = lambda_runtime.find(function)
        except LambdaClientError as error:
            return self._failed(exchange, 500, error.message)
        source = f"arn:aws:execute-api:{here.region}:{here.account}:{source_of(request, place)}"
        if not events.may_invoke(called, service=SERVICE, source_arn=source):
            return self._failed(exchange, 500, _NO_PERMISSION)
        began = time.monotonic()
        outcome = _invoked(function, given, float(integration.timeout_in_millis or 30_000) / 1000)
        exchange.said["integrationLatency"] = _since(began)
        if isinstance(outcome, _Refused):
            exchange.said["integrationStatus"] = outcome.lambda_status
            return self._failed(exchange, outcome.status, outcome.why)
        exchange.said["integrationStatus"] = 200
        if outcome.error is not None:
            return self._failed(exchange, 500, _error_of(outcome.payload))
        try:
            answer = response(outcome.payload)
        except Malformed as error:
            return self._failed(exchange, 500, f"Malformed Lambda proxy response: {error}")
        exchange.said["integration.status"] = answer.status
        return answer

    @staticmethod
    def _failed(exchange: Exchange, status: int, why: str) -> Response:
        exchange.said["integrationErrorMessage"] = why
        text = {413: "Request Entity Too Large", 503: "Service Unavailable"}
        return message(status, text.get(status, "Internal Server Error"))

    # what is left of a request
    def _account(self, exchange: Exchange, answer: Response) -> None:
        if exchange.stage is None:
            return
        with contextlib.suppress(RuntimeError):  # the cloud has stopped meanwhile
            self._measure(exchange, answer)
            self._log(exchange, answer)

    def _measure(self, exchange: Exchange, answer: Response) -> None:
        latency = exchange.said.get("integrationLatency")
        points = [
            ("Count", 1, "Count"),
            ("4xx", int(400 <= answer.status < 500), "Count"),
            ("5xx", int(answer.status >= 500), "Count"),
            ("DataProcessed", len(exchange.request.body) + len(answer.body), "Bytes"),
            ("Latency", _since(exchange.began), "Milliseconds"),
        ]
        if isinstance(latency, int):
            points.append(("IntegrationLatency", latency, "Milliseconds"))
        whole = {"ApiId": self.api_id}
        for dimensions in (whole, {**whole, "Stage": str(exchange.stage.name)}):
            for name, value, unit in points:
                cloudwatch.record(NAMESPACE, name, value, dimensions, unit=unit)

    def _log(self, exchange: Exchange, answer: Response) -> None:
        settings = exchange.stage.access_log_settings or {}
        group_arn, form = settings.get("destinationArn"), settings.get("format")
        if not group_arn or not form:
            return
        here = runtime.current()
        group = logs_backends[here.account][here.region].groups.get(group_name(group_arn))
        if group is None:  # the stack that made it is gone
            return
        stream = f"{self.api_id}-{exchange.stage.name}"
        if stream not in group.streams:
            group.create_log_stream(stream)
        stamp = int(here.clock.now().timestamp() * 1000)
        text = access_log.line(form, self._values(exchange, answer))
        group.put_log_events(stream, [{"timestamp": stamp, "message": text}])

    def _values(self, exchange: Exchange, answer: Response) -> dict[str, object]:
        here, request, said = runtime.current(), exchange.request, exchange.said
        now = here.clock.now()
        own = answer.status >= 400 and "integration.status" not in said
        why = said.get("integrationErrorMessage")
        return {
            "accountId": here.account,
            "apiId": self.api_id,
            "dataProcessed": len(request.body) + len(answer.body),
            "domainName": self.domain,
            "domainPrefix": self.api_id,
            "error.message": json.loads(answer.body)["message"] if own else None,
            "error.messageString": json.loads(answer.body)["message"] if own else None,
            "error.responseType": _TYPES.get(answer.status, "DEFAULT_5XX") if own else None,
            "extendedRequestId": exchange.request_id,
            "httpMethod": request.method,
            "identity.sourceIp": request.source_ip,
            "identity.userAgent": request.header("user-agent"),
            "integration.error": why,
            "integration.integrationStatus": said.get("integrationStatus"),
            "integration.latency": said.get("integrationLatency"),
            "integration.status": said.get("integration.status"),
            "integrationErrorMessage": why,
            "integrationLatency": said.get("integrationLatency"),
            "integrationStatus": said.get("integrationStatus"),
            "path": request.path,
            "protocol": request.protocol,
            "requestId": exchange.request_id,
            "requestTime": clf_time(now),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "responseLatency": _since(exchange.began),
            "responseLength": len(answer.body),
            "routeKey": said.get("routeKey"),
            "stage": exchange.stage.name,
            "status": answer.status,
        }


#: Source: "Gateway response types for API Gateway", developer guide.
_TYPES = {
    404: "RESOURCE_NOT_FOUND",
    413: "REQUEST_TOO_LARGE",
    429: "THROTTLED",
    500: "INTEGRATION_FAILURE",
    503: "INTEGRATION_TIMEOUT",
}


def function_of(uri: str) -> str:
    """The function's ARN in an integration's URI, which may be an action of Lambda's."""
    _, found, rest = uri.partition(":lambda:path/2015-03-31/functions/")
    return rest.removesuffix("/invocations") if found else uri


def group_name(arn: str) -> str:
    """The log group that an ARN names, with or without ":*" at its end."""
    return arn.partition(":log-group:")[2].removesuffix(":*")


def source_of(request: Request, place: Place) -> str:
    """Whose call it is to the function's policy: API, stage, method and the route's path."""
    if place.route_key == routes.DEFAULT:
        return f"{place.api_id}/{place.stage}/{routes.DEFAULT}"
    path = place.route_key.partition(" ")[2]
    return f"{place.api_id}/{place.stage}/{request.method}{path}"


@dataclass(frozen=True)
class _Refused:
    """A call of Lambda that came to nothing: our status, Lambda's own, and why."""

    status: int
    lambda_status: int | None
    why: str


def _invoked(
    function: str, given: dict[str, Any], seconds: float
) -> lambda_runtime.Answer | _Refused:
    """The function's answer within `seconds`; a function that takes longer runs on."""
    name = lambda_runtime.find(function).function.function_name
    members = {"FunctionName": name, "InvocationType": "RequestResponse"}
    fault = faults.on_call("lambda", "Invoke", members, caller=SERVICE)
    if fault is not None and fault.kind != "closed-after":
        return _refused_by("TooManyRequestsException" if fault.kind == "throttle" else fault.kind)
    came: list[lambda_runtime.Answer | _Refused] = []

    def call() -> None:
        try:
            answer = lambda_runtime.invoke(function, json.dumps(given).encode())
        except LambdaClientError as error:
            came.append(_refused_by(str(error.error_type), error.message))
        except Exception as error:
            log.exception("API Gateway's call of %s", function)
            came.append(_refused_by("ServiceException", str(error)))
        else:
            if answer is not None:
                came.append(answer)

    caller = threading.Thread(target=call, name=f"api-gateway-{name}", daemon=True)
    caller.start()
    caller.join(seconds)
    if not came:
        return _Refused(503, None, "Endpoint request timed out")
    return came[0] if fault is None else _refused_by("ServiceException")


def _refused_by(code: str, why: str = "") -> _Refused:
    """What Lambda's refusal becomes: 503 if it throttles, 413 if the event is too large."""
    status = {"TooManyRequestsException": 503, "RequestTooLargeException": 413}.get(code, 500)
    of_lambda = {503: 429, 413: 413}.get(status, 500)
    return _Refused(status, of_lambda, why or code)


def _error_of(payload: bytes) -> str:
    """What a function that failed said."""
    try:
        return str(json.loads(payload).get("errorMessage", ""))
    except (ValueError, AttributeError):
        return "the function failed"


def _request_id() -> str:
    """As API Gateway makes them: 15 characters of base64, and "="."""
    return base64.b64encode(secrets.token_bytes(11)).decode()


def _since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
