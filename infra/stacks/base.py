"""What every stack of a cohort has: the cohort, its names and ARNs, one tag that never changes."""

from __future__ import annotations

from aws_cdk import Environment, Fn, RemovalPolicy, Stack
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs.arns import Arns


class CohortStack(Stack):
    """A stack of `cohort`, called `name`, for `account` in the cohort's region."""

    def __init__(
        self, scope: Construct, name: str, *, cohort: Cohort, account: str, description: str
    ) -> None:
        super().__init__(
            scope,
            name,
            stack_name=name,
            env=Environment(account=account, region=cohort.region),
            description=f"Deep Learning Academy {cohort.name}: {description}",
            # On the stack, and CloudFormation hands it to the resources. It never changes: a
            # domain whose tags change is said to be replaced, and its learners' homes with it.
            tags={"academy:cohort": cohort.name},
            # `cdk destroy` is then refused until `cohort close` has said what stays and what goes.
            termination_protection=cohort.protect,
        )
        self.cohort = cohort
        self.names = cohort.names
        self.arns = Arns(cohort.names, account, cohort.region)
        #: Of what `protect` keeps. But not from a first deploy that fails: what that left would
        #: block the names of the second.
        self.kept = (
            RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if cohort.protect else RemovalPolicy.DESTROY
        )

    def dead_letters(self, construct_id: str) -> sqs.IQueue:
        """The queue of dead letters, which Foundation has made, for a rule's target."""
        return sqs.Queue.from_queue_arn(self, construct_id, self.arns.dead_letters)

    @property
    def availability_zones(self) -> list[str]:
        """Two of the region's zones, chosen when the stack is deployed.

        The CDK's own way asks the account for them at synth; and not every account has a zone of
        every letter.
        """
        return [Fn.select(index, Fn.get_azs(self.region)) for index in range(2)]
