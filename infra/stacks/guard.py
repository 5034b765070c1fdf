"""Guard: the broker that starts what bills, the settler, the sweep, and the stops that precede."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort
from infra.cohort.naming import SEPARATOR
from infra.cohort.prices import MICRO_DOLLARS
from infra.constructs import policies
from infra.constructs.function import ServiceFunction
from infra.constructs.role import ServiceRole
from infra.constructs.statements import Statement
from infra.services.guard.settings import settings_document
from infra.stacks.base import CohortStack

#: How long an ended space or a missed event may keep its reservation open.
SWEEP_MINUTES = 15


class Guard(CohortStack):
    """Money: what may start, what it holds back meanwhile, and what it cost in the end."""

    def __init__(self, scope: Construct, cohort: Cohort, *, account: str) -> None:
        super().__init__(
            scope,
            cohort.names.guard_stack,
            cohort=cohort,
            account=account,
            description="the broker, the ledger's keepers, and the stops",
        )
        scheduler.CfnScheduleGroup(self, "Stops", name=self.names.schedule_group)
        ServiceRole(
            self,
            "Stopper",
            arns=self.arns,
            name="stopper",
            principal="scheduler.amazonaws.com",
            statements=policies.stopper(self.arns),
            # Only for this cohort's schedules: no other can borrow the role.
            when={
                "StringEquals": {"aws:SourceAccount": account},
                "ArnEquals": {"aws:SourceArn": self.arns.schedule_group},
            },
        )
        ssm.CfnParameter(
            self,
            "Settings",
            name=self.names.settings_parameter,
            description=f"Deep Learning Academy {cohort.name}: what the services hold requests to",
            type="String",
            value=self._settings(),
        )
        self._service("broker", policies.broker(self.arns, cohort), Duration.seconds(60))
        settler = self._service("settler", policies.settler(self.arns), Duration.seconds(60))
        sweep = self._service("sweep", policies.sweep(self.arns), Duration.seconds(300))

        events.Rule(
            self,
            "JobEnded",
            rule_name=self.names.rule("settler"),
            description="A training job of the cohort has ended: settle its reservation",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Training Job State Change"],
                detail={
                    "TrainingJobName": [{"prefix": f"{cohort.name}{SEPARATOR}"}],
                    "TrainingJobStatus": ["Completed", "Failed", "Stopped"],
                },
            ),
            targets=[targets.LambdaFunction(settler.function)],
        )
        events.Rule(
            self,
            "Now and then",
            rule_name=self.names.rule("sweep"),
            description="Settle what events missed",
            schedule=events.Schedule.rate(Duration.minutes(SWEEP_MINUTES)),
            targets=[targets.LambdaFunction(sweep.function)],
        )

    def _service(
        self, name: str, statements: list[Statement], timeout: Duration
    ) -> ServiceFunction:
        return ServiceFunction(
            self,
            name,
            package="guard",
            arns=self.arns,
            statements=statements,
            environment={
                "COHORT": self.cohort.name,
                "LEDGER_TABLE": self.names.ledger_table,
                "SETTINGS_PARAMETER": self.names.settings_parameter,
            },
            timeout=timeout,
        )

    def _settings(self) -> str:
        cohort = self.cohort
        return settings_document(
            cohort=cohort.name,
            region=cohort.region,
            starts=cohort.starts,
            ends=cohort.ends,
            cap_micro_usd=int(cohort.budget.per_learner_usd * MICRO_DOLLARS),
            studio_instances=list(cohort.studio.instances),
            studio_max_hours=cohort.studio.max_hours,
            training_instances=list(cohort.training.instances),
            training_max_hours=cohort.training.max_hours,
            training_max_instances=cohort.training.max_instances,
            projects=list(cohort.projects),
            data_bucket=self.arns.bucket_name("data"),
            work_bucket=self.arns.bucket_name("work"),
            schedule_group=self.names.schedule_group,
            stopper_role_arn=self.arns.role("service", "stopper"),
            submissions_per_day=cohort.competition.submissions_per_day,
            closes=cohort.competition.closes,
        )
