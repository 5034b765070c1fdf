"""A team: its learners' workspaces and the role of its training jobs.

The team is the unit of work, money and failure: it comes and goes with one stack.
"""

from __future__ import annotations

from constructs import Construct

from infra.cohort.model import Cohort, Team
from infra.constructs import policies
from infra.constructs.attached_images import AttachedImages
from infra.constructs.domain import SharedDomain, found_domain
from infra.constructs.network import Inside, Network
from infra.constructs.role import LearnersRole
from infra.constructs.sign_in import Member, found_pool
from infra.constructs.workspace import Workspace
from infra.stacks.base import CohortStack
from infra.stacks.foundation import LifecycleScript


class TeamStack(CohortStack):
    """One team of the cohort."""

    def __init__(
        self,
        scope: Construct,
        cohort: Cohort,
        team: Team,
        *,
        account: str,
        images: AttachedImages | None = None,
    ) -> None:
        super().__init__(
            scope,
            cohort.names.team_stack(team.id),
            cohort=cohort,
            account=account,
            description=f"team {team.id} and its learners' workspaces",
        )
        LearnersRole(
            self,
            "Training",
            arns=self.arns,
            kind="training",
            name=team.id,
            statements=policies.training(self.arns, team, images, Inside.found(self, cohort)),
        )
        lifecycle = self.arns.lifecycle_config(LifecycleScript().hash)
        # Of one's own, or shared with the team, or with everyone: the last stands elsewhere.
        network = None if cohort.isolation == "cohort" else Network.found(self, cohort)
        domain_id = None
        if network is None:
            domain_id = found_domain(self, self.names)
        elif cohort.isolation == "team":
            domain_id = SharedDomain(
                self,
                "Domain",
                arns=self.arns,
                cohort=cohort,
                of=team.id,
                network=network,
                lifecycle=lifecycle,
                images=images,
            ).domain_id
        for learner in team.learners:
            Workspace(
                self,
                arns=self.arns,
                cohort=cohort,
                team=team,
                person=learner,
                network=network,
                lifecycle=lifecycle,
                images=images,
                domain_id=domain_id,
            )
        if cohort.door:
            pool_id = found_pool(self, self.names)
            for learner in team.learners:
                Member(self, person=learner, kind="learner", pool_id=pool_id)
