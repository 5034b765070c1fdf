"""The advisors' workspaces: each sees every team's progress, and writes nothing of theirs.

There is such a stack only where the cohort file pays for it (`budget.per_advisor_usd`).
"""

from __future__ import annotations

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs.attached_images import AttachedImages
from infra.constructs.domain import found_domain
from infra.constructs.network import Network
from infra.constructs.workspace import Workspace, roster
from infra.stacks.base import CohortStack
from infra.stacks.foundation import LifecycleScript


class Advisors(CohortStack):
    """Everyone who advises the cohort, and the roster that tells them who is in which team."""

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
            cohort.names.advisors_stack,
            cohort=cohort,
            account=account,
            description="the advisors' workspaces",
        )
        for number, page in enumerate(roster(cohort), start=1):
            ssm.CfnParameter(
                self,
                f"Roster{number}",
                name=self.names.roster_parameter(number),
                description=f"Deep Learning Academy {cohort.name}: who is in which team",
                type="String",
                value=page,
            )
        # Nobody shares a domain with learners of one team: an advisor reads them all.
        shared = found_domain(self, self.names) if cohort.isolation == "cohort" else None
        network = None if shared else Network.found(self, cohort)
        lifecycle = self.arns.lifecycle_config(LifecycleScript().hash)
        for advisor in cohort.advisors_with_spaces:
            Workspace(
                self,
                arns=self.arns,
                cohort=cohort,
                team=None,
                person=advisor,
                network=network,
                lifecycle=lifecycle,
                images=images,
                domain_id=shared,
            )
