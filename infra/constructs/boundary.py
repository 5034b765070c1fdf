"""The permissions boundary of every role that learners' code runs under."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs import policies
from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns
from infra.constructs.attached_images import AttachedImages
from infra.constructs.network import Inside
from infra.constructs.statements import document, reasons


class Boundary(Construct):
    """An allow-list of actions, shut outside the cohort's dates, without the vault."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        cohort: Cohort,
        images: AttachedImages | None = None,
        inside: Inside | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        statements = policies.boundary(arns, cohort, images, inside)
        policy = iam.CfnManagedPolicy(
            self,
            "Policy",
            managed_policy_name=arns.names.boundary_policy,
            description=f"Deep Learning Academy {cohort.name}: the most that learners' code may do",
            policy_document=document(statements),
        )
        acknowledge(policy, reasons(statements))
