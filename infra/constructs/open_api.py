"""The door's address: an HTTP API that anybody reaches, and that hands each request to a function.

It asks nobody who they are: its own authorizers read a header or a query string and never a cookie,
and take a token until it expires, though its owner was removed an hour ago. The function asks.
"""

from __future__ import annotations

import json

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns

#: Requests a second, and at once: a class that arrives together, each page with its style and
#: script. What is beyond that is told to come again (429), and costs nothing.
RATE, BURST = 20, 100
#: Apart from them: asking for a code, which sends a message, and trying one. Cognito counts no
#: wrong codes, but each is one of a hundred million, and good for minutes.
CODES_RATE, CODES_BURST = 2, 40
CODES = {"AskForCode": "POST /sign-in", "TryCode": "POST /code"}
#: And where a provider is believed: each makes the door ask Cognito's host, once.
BY_PROVIDER = {"AskProvider": "GET /provider", "Return": "GET /signed-in"}

#: API Gateway waits for 30 seconds at most (HTTP API quotas).
TIMEOUT_MS = 29_000

#: What is written of each request: no query string, no header, no body. What a client chose stands
#: first: should a quotation mark in it ever end its text, what follows is said again by AWS.
LOGGED = {
    "method": "$context.httpMethod",
    "path": "$context.path",
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "ms": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}


class OpenApi(Construct):
    """The HTTP API: its address is `url`. It answers when `answered_by` has said by what."""

    def __init__(self, scope: Construct, construct_id: str, *, arns: Arns) -> None:
        super().__init__(scope, construct_id)
        self._arns = arns
        self._api = apigateway.CfnApi(
            self,
            "Api",
            name=arns.names.api,
            description=f"Deep Learning Academy {arns.names.cohort}: the door",
            protocol_type="HTTP",
        )
        self.url = self._api.attr_api_endpoint

    def answered_by(self, function: lambda_.IFunction, *, provider: bool) -> None:
        """Hand every request to `function`; those that begin a sign-in are throttled apart."""
        arns, names, api = self._arns, self._arns.names, self._api
        apart = {**CODES, **(BY_PROVIDER if provider else {})}
        integration = apigateway.CfnIntegration(
            self,
            "Function",
            api_id=api.ref,
            integration_type="AWS_PROXY",
            integration_uri=function.function_arn,
            payload_format_version="2.0",
            timeout_in_millis=TIMEOUT_MS,
        )
        routes = [
            self._route(construct_id, key, api.ref, integration.ref)
            for construct_id, key in {"Everything": "$default", **apart}.items()
        ]
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=names.access_log_group,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=api.ref,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=arns.log_group(names.access_log_group),
                format=json.dumps(LOGGED, separators=(",", ":")),
            ),
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=RATE, throttling_burst_limit=BURST
            ),
            route_settings={
                key: {"ThrottlingRateLimit": CODES_RATE, "ThrottlingBurstLimit": CODES_BURST}
                for key in apart.values()
            },
        )
        # Settings of a route, and a log, want them to be there.
        log_resource = log.node.default_child
        assert isinstance(log_resource, logs.CfnLogGroup)
        before = [Stack.of(self).get_logical_id(each) for each in (log_resource, *routes)]
        stage.add_override("DependsOn", before)
        lambda_.CfnPermission(
            self,
            "Calls",
            action="lambda:InvokeFunction",
            function_name=function.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=arns.api(api.ref),
        )

    def _route(
        self, construct_id: str, key: str, api_id: str, integration_id: str
    ) -> apigateway.CfnRoute:
        route = apigateway.CfnRoute(
            self,
            construct_id,
            api_id=api_id,
            route_key=key,
            authorization_type="NONE",
            target=f"integrations/{integration_id}",
        )
        acknowledge(
            route,
            {
                "AwsSolutions-APIG4": "The function asks Cognito about the cookie at each request: "
                "the authorizers of an HTTP API read no cookie, and believe a token of somebody "
                "who was removed."
            },
        )
        return route
