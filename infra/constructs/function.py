"""A Lambda function of the academy: its code, its own role, its log."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from aws_cdk import CfnResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs import bundle, policies
from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns
from infra.constructs.role import ServiceRole
from infra.constructs.statements import Statement

#: The version that the tests and the embedded cloud run.
RUNTIME = lambda_.Runtime.PYTHON_3_11


class ServiceFunction(Construct):
    """The function `service` (broker, settler, ...) of the bundle `package` (guard, ...).

    Its handler is infra.services.<package>.handler.<service>. `by_events`: it is called
    asynchronously, so what it fails on to the end goes to the queue of dead letters, after
    `retries` (Lambda's own two, unless told otherwise).
    """

    def __init__(
        self,
        scope: Construct,
        service: str,
        *,
        package: str,
        arns: Arns,
        statements: Iterable[Statement],
        environment: Mapping[str, str],
        timeout: Duration,
        by_events: bool = False,
        retries: int | None = None,
        memory_mb: int = 256,
        after: Iterable[CfnResource] = (),
    ) -> None:
        super().__init__(scope, service.title())
        self.service = service
        names = arns.names
        handler = f"infra.services.{package}.handler.{service}"
        # Made here rather than by Lambda on the first call: it gets a retention, and goes with the
        # stack.
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=names.log_group(service),
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = ServiceRole(
            self,
            "Role",
            arns=arns,
            name=service,
            principal="lambda.amazonaws.com",
            statements=[
                policies.service_log(arns, service),
                *([policies.dead_letters(arns)] if by_events else []),
                *statements,
            ],
        )
        with tempfile.TemporaryDirectory() as folder:
            bundle.stage(package, Path(folder))
            bundle.check_handler(handler, Path(folder))
            self.function = lambda_.Function(
                self,
                "Function",
                function_name=names.function(service),
                description=f"Deep Learning Academy {names.cohort}: {service}",
                runtime=RUNTIME,
                handler=handler,
                code=lambda_.Code.from_asset(folder),
                role=role.role,
                environment=dict(environment),
                timeout=timeout,
                memory_size=memory_mb,
            )
        if by_events:
            lambda_.CfnEventInvokeConfig(
                self,
                "LostEvents",
                function_name=self.function.function_name,
                qualifier="$LATEST",
                maximum_retry_attempts=retries,
                destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                    on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(
                        destination=arns.dead_letters
                    )
                ),
            )
        # The log stands before the function and goes after it: a last call would else make it anew.
        # (The L2's own dependency on the role only repeats what the role's ARN already says.)
        resource = self.function.node.default_child
        log_resource = log.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        assert isinstance(log_resource, logs.CfnLogGroup)
        before = [Stack.of(self).get_logical_id(each) for each in (log_resource, *after)]
        resource.add_override("DependsOn", before)
        acknowledge(
            self.function,
            {
                "AwsSolutions-L1": "The handlers run on the Python version that the tests and the "
                "embedded cloud run them on; it is supported by Lambda."
            },
        )
