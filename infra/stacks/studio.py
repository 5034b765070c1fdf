"""Studio: the domain that the whole cohort shares. Only for `isolation: cohort`.

A stack of its own, so that a team's that fails or goes takes no one else's home with it, and one
that outlives the teams': SageMaker deletes no domain that still has a profile.
"""

from __future__ import annotations

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort
from infra.cohort.naming import EVERYONE
from infra.constructs.attached_images import AttachedImages
from infra.constructs.domain import SharedDomain
from infra.constructs.network import Network
from infra.stacks.base import CohortStack
from infra.stacks.foundation import LifecycleScript


class Studio(CohortStack):
    """One domain, and where team stacks find its id."""

    def __init__(
        self,
        scope: Construct,
        cohort: Cohort,
        *,
        account: str,
        images: AttachedImages | None = None,
    ) -> None:
        super().__init__(
            scope,
            cohort.names.studio_stack,
            cohort=cohort,
            account=account,
            description="the Studio domain that all learners share",
        )
        domain = SharedDomain(
            self,
            "Domain",
            arns=self.arns,
            cohort=cohort,
            of=EVERYONE,
            network=Network.found(self, cohort),
            lifecycle=self.arns.lifecycle_config(LifecycleScript().hash),
            images=images,
        )
        ssm.CfnParameter(
            self,
            "DomainId",
            name=self.names.domain_parameter,
            description=f"Deep Learning Academy {cohort.name}: the Studio domain of all learners",
            type="String",
            value=domain.domain_id,
        )
