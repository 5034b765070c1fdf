"""Roles that belong to the account and to no cohort."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.acknowledged import acknowledge
from infra.constructs.statements import Condition, Statement, document, reasons, trust


class SharedRole(Construct):
    """The role `name` under `path`, taken by the AWS service `principal` where `when` holds."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        path: str,
        principal: str,
        when: Condition,
        description: str,
        statements: Iterable[Statement],
    ) -> None:
        super().__init__(scope, construct_id)
        statements = list(statements)
        self.role = iam.CfnRole(
            self,
            "Role",
            role_name=name,
            path=path,
            description=description,
            assume_role_policy_document=trust(principal, when),
            policies=[
                iam.CfnRole.PolicyProperty(policy_name=name, policy_document=document(statements))
            ],
        )
        self.arn = self.role.attr_arn
        acknowledge(self.role, reasons(statements))
