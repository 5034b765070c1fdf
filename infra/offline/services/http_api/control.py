"""The operations of API Gateway v2 on HTTP APIs: moto's state, and what it may say.

What is not emulated is refused by name when it is asked for. Each API's address is its listener's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from moto.apigatewayv2.exceptions import APIGatewayV2Error, BadRequestException
from moto.apigatewayv2.models import apigatewayv2_backends
from moto.logs.models import logs_backends

from infra.offline import runtime
from infra.offline.patching import adds, replaces
from infra.offline.services.http_api import access_log, gateway, listener, routes

_RESPONSES = "moto.apigatewayv2.responses:ApiGatewayV2Response"

Answer = tuple[int, dict[str, str], str]
Original = Callable[[Any], Answer]

_SELECTION = "${request.method} ${request.path}"
_FUNCTION = re.compile(
    r"(arn:aws:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/)?"
    r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9-_]+(:[A-Za-z0-9-_$]+)?(/invocations)?"
)


class Conflict(APIGatewayV2Error):  # type: ignore[misc]
    """There is one already, or it is in use."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ConflictException", message)


class NotFound(APIGatewayV2Error):  # type: ignore[misc]
    """No such stage, route or integration."""

    code = 404

    def __init__(self, message: str) -> None:
        super().__init__("NotFoundException", message)


def api_named(api_id: str) -> Any:
    """moto's Api.

    Raises:
        APIGatewayV2Error: if there is none.
    """
    here = runtime.current()
    return apigatewayv2_backends[here.account][here.region].get_api(api_id)


def _given(response: Any) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(response.body or "{}")
    return given


def _word(response: Any, index: int) -> str:
    """A part of the path, counted from its end."""
    return unquote(str(response.path.split("/")[index]))


def _only(given: Mapping[str, Any], allowed: Iterable[str]) -> None:
    for name, value in given.items():
        if value is not None and name not in tuple(allowed):
            raise _not_emulated(name, value)


def _fixed(given: Mapping[str, Any], name: str, *values: object) -> None:
    """A member that has one meaning here: left out, or one of these."""
    value = given.get(name)
    if value is not None and value not in values:
        raise _not_emulated(name, value)


def _not_emulated(name: str, value: object) -> BadRequestException:
    return BadRequestException(
        f"{name} {value!r} is not emulated: the embedded cloud serves HTTP APIs with the stage "
        "$default, and functions behind them by payload format 2.0"
    )


# --- APIs -----------------------------------------------------------------------------------------
_API = (
    "description",
    "disableExecuteApiEndpoint",
    "ipAddressType",
    "name",
    "protocolType",
    "routeSelectionExpression",
    "tags",
    "version",
)


def _check_api(given: Mapping[str, Any]) -> None:
    _only(given, _API)
    _fixed(given, "protocolType", "HTTP")
    _fixed(given, "routeSelectionExpression", _SELECTION, "$request.method $request.path")
    _fixed(given, "ipAddressType", "ipv4")


@replaces(
    f"{_RESPONSES}.create_api",
    because="what moto takes and ignores is refused by name; an API has a listener, whose address "
    "is the API's; times follow the cloud's clock",
)
def _create_api(original: Original, response: Any) -> Answer:
    _check_api(_given(response))
    made = json.loads(original(response)[2])
    api = api_named(made["apiId"])
    api.created_date = _now()
    api.route_selection_expression = _SELECTION
    api.api_endpoint = listener.listen(api.api_id)
    return _answer(201, api.to_json())


@replaces(f"{_RESPONSES}.update_api", because="the same when an API is changed")
def _update_api(original: Original, response: Any) -> Answer:
    api, given = api_named(_word(response, -1)), _given(response)
    _check_api(given)
    original(response)
    _unset(api, given, description="description", version="version")
    return _answer(200, api.to_json())


@replaces(
    f"{_RESPONSES}.delete_api",
    because="moto deletes what is not there; a deleted API's listener ends",
)
def _delete_api(original: Original, response: Any) -> Answer:
    api = api_named(_word(response, -1))
    listener.hush(api.api_id)
    original(response)
    return _answer(204)


# --- integrations ---------------------------------------------------------------------------------
_INTEGRATION = (
    "connectionType",
    "description",
    "integrationMethod",
    "integrationType",
    "integrationUri",
    "payloadFormatVersion",
    "timeoutInMillis",
)


def _check_integration(given: Mapping[str, Any]) -> None:
    _only(given, _INTEGRATION)
    _fixed(given, "connectionType", "INTERNET")
    _fixed(given, "integrationMethod", "POST")
    _fixed(given, "integrationType", "AWS_PROXY")
    _fixed(given, "payloadFormatVersion", "2.0")
    uri = given.get("integrationUri")
    if uri is not None and not _FUNCTION.fullmatch(str(uri)):
        raise _not_emulated("integrationUri", uri)


@replaces(
    f"{_RESPONSES}.create_integration",
    because="integrations that are not emulated are refused by name; moto's timeout is REST's",
)
def _create_integration(original: Original, response: Any) -> Answer:
    given = _given(response)
    _check_integration(given)
    for name in ("integrationUri", "payloadFormatVersion"):
        if not given.get(name):
            raise BadRequestException(f"{name} is required for an AWS_PROXY integration")
    made = json.loads(original(response)[2])
    return _answer(201, made)


@replaces(f"{_RESPONSES}.update_integration", because="the same when an integration is changed")
def _update_integration(original: Original, response: Any) -> Answer:
    api, given = api_named(_word(response, -3)), _given(response)
    _check_integration(given)
    original(response)
    changed = api.get_integration(_word(response, -1))
    _unset(changed, given, description="description")
    return _answer(200, changed.to_json())


@replaces(
    f"{_RESPONSES}.delete_integration",
    because="moto deletes what routes need, and fails on what is not there",
)
def _delete_integration(original: Original, response: Any) -> Answer:
    api, named = api_named(_word(response, -3)), _word(response, -1)
    api.get_integration(named)
    users = [each.route_key for each in api.routes.values() if _target(each.target) == named]
    if users:
        raise Conflict(
            f"Cannot delete Integration '{named}' due to Route '{users[0]}' referencing it"
        )
    original(response)
    return _answer(204)


def _target(target: str | None) -> str:
    return str(target or "").removeprefix("integrations/")


# --- routes ---------------------------------------------------------------------------------------
_ROUTE = ("apiKeyRequired", "authorizationType", "operationName", "routeKey", "target")


def _check_route(api: Any, given: Mapping[str, Any], route_id: str | None) -> None:
    _only(given, _ROUTE)
    _fixed(given, "apiKeyRequired", False)
    _fixed(given, "authorizationType", "NONE")
    if given.get("target") is not None:
        named = _target(given["target"])
        if not str(given["target"]).startswith("integrations/") or named not in api.integrations:
            raise BadRequestException(f"Invalid target {given['target']}: no such integration")
    if given.get("routeKey") is None:
        return
    try:
        wanted = routes.read(str(given["routeKey"]))
    except ValueError as error:
        raise BadRequestException(str(error)) from None
    for other in list(api.routes.values()):
        same = routes.read(other.route_key).identity == wanted.identity
        if (
            same
            and other.route_id != route_id
            and ((other.route_key == routes.DEFAULT) == wanted.is_default)
        ):
            raise Conflict(f"Route with key {wanted.text} already exists for this API")


@replaces(
    f"{_RESPONSES}.create_route",
    because="authorizers and the like are refused by name; moto takes any key, and any key twice",
)
def _create_route(original: Original, response: Any) -> Answer:
    api = api_named(_word(response, -2))
    _check_route(api, _given(response), None)
    return _answer(201, json.loads(original(response)[2]))


@replaces(f"{_RESPONSES}.update_route", because="the same when a route is changed")
def _update_route(original: Original, response: Any) -> Answer:
    api, named = api_named(_word(response, -3)), _word(response, -1)
    changed, given = api.get_route(named), _given(response)
    _check_route(api, given, named)
    original(response)
    _unset(changed, given, operationName="operation_name")
    return _answer(200, changed.to_json())


@replaces(f"{_RESPONSES}.delete_route", because="moto answers HTTP 500 for a route that is gone")
def _delete_route(original: Original, response: Any) -> Answer:
    api_named(_word(response, -3)).get_route(_word(response, -1))
    original(response)
    return _answer(204)


# --- stages ---------------------------------------------------------------------------------------
_STAGE = (
    "accessLogSettings",
    "autoDeploy",
    "defaultRouteSettings",
    "description",
    "routeSettings",
    "stageName",
    "stageVariables",
    "tags",
)


def _check_stage(api: Any, given: Mapping[str, Any]) -> None:
    _only(given, _STAGE)
    _fixed(given, "stageName", gateway.DEFAULT_STAGE)
    # Without it a stage serves what was deployed once; deployments are not emulated.
    _fixed(given, "autoDeploy", True)
    for settings in (
        given.get("defaultRouteSettings"),
        *(given.get("routeSettings") or {}).values(),
    ):
        _check_settings(settings or {})
    for key in given.get("routeSettings") or {}:
        if key not in {route.route_key for route in api.routes.values()}:
            raise NotFound(f"Unable to find Route by key {key} within the provided RouteSettings")
    if given.get("accessLogSettings"):
        _check_access_log(given["accessLogSettings"])


def _check_settings(settings: Mapping[str, Any]) -> None:
    _fixed(settings, "dataTraceEnabled", False)
    if settings.get("loggingLevel") not in (None, "OFF"):
        raise BadRequestException("Execution logs are not supported on protocolType HTTP")
    for name in ("throttlingBurstLimit", "throttlingRateLimit"):
        if settings.get(name) is not None and settings[name] < 0:
            raise BadRequestException(f"{name} must not be negative")


def _check_access_log(settings: Mapping[str, Any]) -> None:
    arn, form = settings.get("destinationArn"), settings.get("format")
    if not arn and not form:
        return
    if not arn or not form:
        raise BadRequestException("Both destinationArn and format are needed for access logs")
    here = runtime.current()
    group = gateway.group_name(str(arn))
    if group not in logs_backends[here.account][here.region].groups:
        raise BadRequestException(
            f"{arn} is no log group of this account and region: access logs go to one that exists"
        )
    if wrong := access_log.problem(str(form)):
        raise BadRequestException(wrong)


@replaces(
    f"{_RESPONSES}.create_stage",
    because="deployments, client certificates and stages by other names are refused by name; moto "
    "replaces a stage of the same name",
)
def _create_stage(original: Original, response: Any) -> Answer:
    api, given = api_named(_word(response, -2)), _given(response)
    _check_stage(api, given)
    if given.get("autoDeploy") is not True:
        raise _not_emulated("autoDeploy", given.get("autoDeploy", False))
    if given["stageName"] in api.stages:
        raise Conflict("Stage already exists")
    original(response)
    stage = api.get_stage(given["stageName"])
    stage.created = stage.updated = _now()
    return _answer(201, stage.to_json())


@replaces(f"{_RESPONSES}.get_stage", because="moto does not decode a stage's name: %24default")
def _get_stage(_original: Original, response: Any) -> Answer:
    stage = api_named(_word(response, -3)).get_stage(_word(response, -1))
    return _answer(200, stage.to_json())


@adds(f"{_RESPONSES}.update_stage", because="moto changes no stage")
def _update_stage(response: Any) -> Answer:
    api, given = api_named(_word(response, -3)), _given(response)
    stage = api.get_stage(_word(response, -1))
    _check_stage(api, given)
    put_stage(stage, given)
    return _answer(200, stage.to_json())


def put_stage(stage: Any, given: Mapping[str, Any]) -> None:
    """Set what is given of a stage; the rest stays as it is."""
    for member, attribute in (
        ("accessLogSettings", "access_log_settings"),
        ("defaultRouteSettings", "default_route_settings"),
        ("description", "description"),
        ("routeSettings", "route_settings"),
        ("stageVariables", "stage_variables"),
    ):
        if given.get(member) is not None:
            setattr(stage, attribute, given[member])
    _unset(stage, given, description="description")
    stage.default_route_settings = stage.default_route_settings or {"detailedMetricsEnabled": False}
    stage.updated = _now()


def tag_stage(api_id: str, name: str, tags: Mapping[str, str]) -> None:
    """Give a stage these tags and no others."""
    api_named(api_id).get_stage(name).tags = dict(tags)


@replaces(
    f"{_RESPONSES}.delete_stage", because="the same; and moto deletes a stage that is not there"
)
def _delete_stage(_original: Original, response: Any) -> Answer:
    api = api_named(_word(response, -3))
    api.get_stage(_word(response, -1))
    api.delete_stage(_word(response, -1))
    return _answer(204)


# --- within ---------------------------------------------------------------------------------------
def _answer(status: int, members: Mapping[str, Any] | None = None) -> Answer:
    """An answer without what has no value: moto writes null, AWS nothing."""
    said = {name: value for name, value in (members or {}).items() if value is not None}
    headers = {"status": str(status), "Content-Type": "application/json"}
    return status, headers, json.dumps(said) if members is not None else ""


def _unset(thing: Any, given: Mapping[str, Any], **attributes: str) -> None:
    """What was given as "" is not there any more: member -> moto's name for it."""
    for member, attribute in attributes.items():
        if given.get(member) == "":
            setattr(thing, attribute, None)


def _now() -> Any:
    """As moto keeps times: in UTC, and without saying so."""
    return runtime.current().clock.now().replace(tzinfo=None)
