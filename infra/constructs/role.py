"""Roles: inline policies, a path by kind, and a boundary over what learners' code runs under."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns
from infra.constructs.statements import Condition, Statement, document, reasons, trust


class ServiceRole(Construct):
    """The role of one of our services, taken by the AWS service `principal`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        name: str,
        principal: str,
        statements: Iterable[Statement],
        when: Condition | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        statements = list(statements)
        described = [iam.PolicyStatement.from_json(each.to_json()) for each in statements]
        self.role = iam.Role(
            self,
            "Role",
            role_name=arns.names.role("service", name),
            path=arns.names.role_path("service"),
            description=f"Deep Learning Academy {arns.names.cohort}: {name}",
            assumed_by=iam.ServicePrincipal(principal, conditions=dict(when or {})),
            inline_policies={
                # Unmerged: each statement keeps the Sid that says what it is for.
                name: iam.PolicyDocument(minimize=False, statements=described)
            },
        )
        acknowledge(self.role, reasons(statements))


class LearnersRole(Construct):
    """A role that learners' code runs under, taken by SageMaker.

    `kind`: learner, training or domain; and advisor, whose space meets what learners wrote.

    L1, because there is one a learner: the number of them decides how long a synth takes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        kind: str,
        name: str,
        statements: Iterable[Statement],
    ) -> None:
        super().__init__(scope, construct_id)
        statements = list(statements)
        self.arn = arns.role(kind, name)
        self.role = iam.CfnRole(
            self,
            "Role",
            role_name=arns.names.role(kind, name),
            path=arns.names.role_path(kind),
            description=f"Deep Learning Academy {arns.names.cohort}: {kind} {name}",
            assume_role_policy_document=trust("sagemaker.amazonaws.com"),
            permissions_boundary=arns.boundary,
            policies=[
                iam.CfnRole.PolicyProperty(policy_name=kind, policy_document=document(statements))
            ],
        )
        acknowledge(self.role, reasons(statements))
