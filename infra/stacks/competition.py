"""Competition: the scorer, woken by each submission, and the table behind the leaderboard."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs import policies
from infra.constructs.function import ServiceFunction
from infra.constructs.notices import errors_alarm
from infra.stacks.base import CohortStack


class Competition(CohortStack):
    """From a file in `work/submissions/` to a line on the board."""

    def __init__(self, scope: Construct, cohort: Cohort, *, account: str) -> None:
        super().__init__(
            scope,
            cohort.names.competition_stack,
            cohort=cohort,
            account=account,
            description="the scorer and the leaderboard",
        )
        self._board()
        scorer = ServiceFunction(
            self,
            "scorer",
            package="competition",
            arns=self.arns,
            statements=policies.scorer(self.arns),
            environment={
                "COHORT": cohort.name,
                "SETTINGS_PARAMETER": self.names.settings_parameter,
                "BOARD_TABLE": self.names.board_table,
                "WORK_BUCKET": self.arns.bucket_name("work"),
                "VAULT_BUCKET": self.arns.bucket_name("vault"),
                "SITE_BUCKET": self.arns.bucket_name("site"),
            },
            timeout=Duration.seconds(60),
            by_events=True,
            # One whole core (Lambda gives cores by memory: "Configure Lambda function memory"):
            # ranks are resampled anew whenever a shown score moves.
            memory_mb=1769,
        )
        errors_alarm(self, "scorer", arns=self.arns)
        events.Rule(
            self,
            "Submitted",
            rule_name=self.names.rule("scorer"),
            description="A team has put a submission into the bucket: score it",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [self.arns.bucket_name("work")]},
                    "object": {"key": [{"prefix": "submissions/"}]},
                },
            ),
            targets=[
                targets.LambdaFunction(
                    scorer.function, dead_letter_queue=self.dead_letters("RulesDeadLetters")
                )
            ],
        )

    def _board(self) -> None:
        """The board can be scored anew from the submissions, so it goes even from a protected
        cohort."""
        text = dynamodb.AttributeType.STRING
        dynamodb.Table(
            self,
            "Board",
            table_name=self.names.board_table,
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=dynamodb.Attribute(name="sk", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=kms.Alias.from_alias_name(
                self, "RecordsKey", self.names.key_alias("records")
            ),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
