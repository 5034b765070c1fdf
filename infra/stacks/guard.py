"""Guard: the broker that starts what bills, settler and sweep, the stops, and who watches them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort
from infra.cohort.naming import SEPARATOR
from infra.cohort.prices import MICRO_DOLLARS
from infra.constructs import policies
from infra.constructs.attached_images import AttachedImages
from infra.constructs.function import ServiceFunction
from infra.constructs.network import Inside
from infra.constructs.notices import NoticeAlarm, errors_alarm, of_function
from infra.constructs.role import ServiceRole
from infra.constructs.statements import Statement
from infra.services.guard.settings import MAX_CHARACTERS, settings_document
from infra.stacks.base import CohortStack

#: How long an ended space or a missed event may keep its reservation open.
SWEEP_MINUTES = 15

#: As long as AWS generates them.
SUBNET, SECURITY_GROUP = f"subnet-{'0' * 17}", f"sg-{'0' * 17}"


class Guard(CohortStack):
    """Money: what may start, what it holds back meanwhile, and what it cost in the end."""

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
        inside = Inside.found(self, cohort)
        self._parameter = ssm.CfnParameter(
            self,
            "Settings",
            name=self.names.settings_parameter,
            description=f"Deep Learning Academy {cohort.name}: what the services hold requests to",
            type="String",
            value=self._settings(images, inside),
        )
        minute = Duration.seconds(60)
        self._service(
            "broker",
            policies.broker(self.arns, cohort, images, inside),
            minute,
            # A broker that is warm reads the settings once a minute, and IAM turns down a space on
            # another version's image, or a job in another network, meanwhile: a changed variable
            # makes Lambda start it anew.
            more={
                **({"IMAGES_VERSION": str(images.version.number)} if images else {}),
                **({"NETWORK": inside.security_group} if inside else {}),
            },
        )
        settler = self._service("settler", policies.settler(self.arns), minute, by_events=True)
        sweep = self._service(
            "sweep",
            policies.sweep(self.arns),
            Duration.seconds(300),
            by_events=True,
            more={"NOTICES_TOPIC": self.arns.topic("notices")},
        )
        lost = self.dead_letters("RulesDeadLetters")

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
            targets=[targets.LambdaFunction(settler.function, dead_letter_queue=lost)],
        )
        events.Rule(
            self,
            "Now and then",
            rule_name=self.names.rule("sweep"),
            description="Settle what events missed",
            schedule=events.Schedule.rate(Duration.minutes(SWEEP_MINUTES)),
            targets=[targets.LambdaFunction(sweep.function, dead_letter_queue=lost)],
        )
        self._alarms()
        self._backstop()

    def _alarms(self) -> None:
        # The broker is asked by a learner who waits; nothing else tells of its failures. Those of
        # settler and sweep end among the dead letters, which have an alarm.
        errors_alarm(self, "broker", arns=self.arns)
        NoticeAlarm(
            self,
            "SweepSilent",
            arns=self.arns,
            purpose="sweep-silent",
            says=(
                f"Deep Learning Academy {self.cohort.name}: the sweep has not run for two of its "
                f"intervals ({2 * SWEEP_MINUTES} minutes). What is reserved still ends by itself "
                "and nothing exceeds a cap, but what ended is not settled and learners get no "
                f"warning. Is the rule {self.names.rule('sweep')} enabled, and the function "
                f"{self.names.function('sweep')} free to run?"
            ),
            metric=of_function(self.arns, "sweep", "Invocations", Duration.minutes(SWEEP_MINUTES)),
            below=1,
            periods=2,
            silence="alarm",
        )

    def _backstop(self) -> None:
        """The bill itself, hours late, should all of the above be wrong.

        It watches what carries the cohort's tag where that is active for cost allocation, and the
        whole account elsewhere: a filter by a tag that is not active sees nothing at all. It acts
        on nothing.
        """
        cohort = self.cohort
        start = dt.datetime.combine(cohort.starts.replace(day=1), dt.time(), tzinfo=dt.UTC)
        # Source: "CostFilters" in AWS::Budgets::Budget; a tag is user:KEY$VALUE.
        filters = (
            {"TagKeyValue": [f"user:academy:cohort${cohort.name}"]}
            if cohort.budget.cost_allocation_tags
            else None
        )
        percents = sorted(set(cohort.budget.alert_percent))
        alerts = hashlib.sha256(repr(percents).encode()).hexdigest()
        budgets.CfnBudget(
            self,
            "BackStop",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=self.names.backstop_budget(alerts),
                budget_type="COST",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=float(sum(cohort.cap_usd(each.id) for each in cohort.people)), unit="USD"
                ),
                time_unit="ANNUALLY",
                cost_filters=filters,
                time_period=budgets.CfnBudget.TimePeriodProperty(start=str(int(start.timestamp()))),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type="ACTUAL",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(
                            subscription_type="SNS", address=self.arns.topic("notices")
                        )
                    ],
                )
                for percent in percents
            ],
        )

    def _service(
        self,
        name: str,
        statements: list[Statement],
        timeout: Duration,
        *,
        by_events: bool = False,
        more: Mapping[str, str] | None = None,
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
                **(more or {}),
            },
            timeout=timeout,
            by_events=by_events,
            # What starts anew because it changed reads the settings as they are now.
            after=[self._parameter],
        )

    def _settings(self, images: AttachedImages | None, inside: Inside | None) -> str:
        # What the document comes to once the stack is deployed: generated ids are tokens until
        # then.
        longest = {
            flavour: self.arns.image_versions(flavour).replace("*", "9" * 6)
            for flavour in (images.all if images else ())
        }
        self._within_the_tier(
            self._document(
                self._images(images, longest),
                Inside((SUBNET,) * len(inside.subnets), SECURITY_GROUP) if inside else None,
            )
        )
        arns = {flavour: images.version_arn(self, flavour) for flavour in longest} if images else {}
        return self._document(self._images(images, arns), inside)

    def _images(
        self, images: AttachedImages | None, version_arns: dict[str, str]
    ) -> dict[str, dict[str, dict[str, str]]]:
        if images is None:
            return {}
        return images.settings(self.cohort, version_arns, account=self.arns.account)

    def _within_the_tier(self, document: str) -> str:
        if len(document) > MAX_CHARACTERS:
            raise ValueError(
                f"the settings of {self.cohort.name} have {len(document)} characters and SSM takes "
                f"{MAX_CHARACTERS}: list fewer instance types or advisors in the cohort file"
            )
        return document

    def _document(self, images: dict[str, dict[str, dict[str, str]]], inside: Inside | None) -> str:
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
            images=images,
            advisors=[advisor.id for advisor in cohort.advisors_with_spaces],
            advisor_cap_micro_usd=int((cohort.budget.per_advisor_usd or 0) * MICRO_DOLLARS),
            network=(
                {"subnets": list(inside.subnets), "security_groups": [inside.security_group]}
                if inside
                else None
            ),
        )
