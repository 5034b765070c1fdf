"""Competition: checker, scorer and steward, the table behind the leaderboard, and the news."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs import policies
from infra.constructs.function import ServiceFunction
from infra.constructs.news import NewsTopic, TeamsNews
from infra.constructs.notices import errors_alarm
from infra.constructs.statements import Statement
from infra.stacks.base import CohortStack

#: How often the steward looks for what was lost, and boards are written anew.
STEWARD_HOURS = 1

#: One whole core (Lambda gives cores by memory: "Configure Lambda function memory"). The checker
#: reads files of up to 64 MB; the scorer resamples ranks whenever a shown score moves.
ONE_CORE_MB = 1769


class Competition(CohortStack):
    """From a file in `work/submissions/` to a line on the board."""

    def __init__(self, scope: Construct, cohort: Cohort, *, account: str) -> None:
        super().__init__(
            scope,
            cohort.names.competition_stack,
            cohort=cohort,
            account=account,
            description="checker, scorer and steward, the leaderboard, and the news",
        )
        key = kms.Alias.from_alias_name(self, "RecordsKey", self.names.key_alias("records"))
        self._board(key)
        news = NewsTopic(self, "News", arns=self.arns, key=key, emails=cohort.notify.news).topic
        if cohort.notify.teams:
            TeamsNews(self, "TeamsNews", arns=self.arns, channel=cohort.notify.teams, topic=news)
        checker = self._service(
            "checker",
            policies.checker(self.arns),
            {
                "WORK_BUCKET": self.arns.bucket_name("work"),
                "DATA_BUCKET": self.arns.bucket_name("data"),
            },
            timeout=Duration.seconds(60),
            memory_mb=ONE_CORE_MB,
        )
        scorer = self._service(
            "scorer",
            policies.scorer(self.arns),
            {
                "BOARD_TABLE": self.names.board_table,
                "WORK_BUCKET": self.arns.bucket_name("work"),
                "VAULT_BUCKET": self.arns.bucket_name("vault"),
                "SITE_BUCKET": self.arns.bucket_name("site"),
                "NEWS_TOPIC": self.arns.topic("news"),
            },
            timeout=Duration.seconds(120),
            memory_mb=ONE_CORE_MB,
        )
        steward = self._service(
            "steward",
            policies.steward(self.arns),
            {
                "BOARD_TABLE": self.names.board_table,
                "WORK_BUCKET": self.arns.bucket_name("work"),
                "CHECKER": self.names.function("checker"),
                "SCORER": self.names.function("scorer"),
                "NOTICES_TOPIC": self.arns.topic("notices"),
            },
            timeout=Duration.seconds(300),
            memory_mb=256,
            # It comes back in an hour. At once it would only count its hand-overs a second time.
            retries=0,
        )
        self._rule(
            "Submitted",
            checker,
            "A team has put a submission into the bucket: check it",
            under=policies.SUBMISSIONS,
        )
        self._rule(
            "Checked",
            scorer,
            "The checker has found a submission in order: score it",
            under=policies.CHECKED,
        )
        self._rule("Hourly", steward, "Find lost submissions, and write boards anew")

    def _service(
        self,
        name: str,
        statements: list[Statement],
        environment: Mapping[str, str],
        *,
        timeout: Duration,
        memory_mb: int,
        retries: int | None = None,
    ) -> ServiceFunction:
        made = ServiceFunction(
            self,
            name,
            package="competition",
            arns=self.arns,
            statements=statements,
            environment={
                "COHORT": self.cohort.name,
                "SETTINGS_PARAMETER": self.names.settings_parameter,
                **environment,
            },
            timeout=timeout,
            by_events=True,
            retries=retries,
            memory_mb=memory_mb,
        )
        errors_alarm(self, name, arns=self.arns)
        return made

    def _rule(
        self, construct_id: str, calls: ServiceFunction, description: str, *, under: str = ""
    ) -> None:
        """A rule that calls a function: for each new object `under` a prefix of `work`, or hourly.

        It has the name of the function that it calls.
        """
        pattern = events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [self.arns.bucket_name("work")]},
                "object": {"key": [{"prefix": under}]},
            },
        )
        events.Rule(
            self,
            construct_id,
            rule_name=self.names.rule(calls.service),
            description=description,
            event_pattern=pattern if under else None,
            schedule=None if under else events.Schedule.rate(Duration.hours(STEWARD_HOURS)),
            targets=[
                targets.LambdaFunction(
                    calls.function,
                    dead_letter_queue=self.dead_letters(f"{construct_id}DeadLetters"),
                )
            ],
        )

    def _board(self, key: kms.IKey) -> None:
        """Entries can be scored anew from the submissions. A live round stands here alone: what is
        sealed, its salts, what was observed. So a protected cohort keeps the table."""
        text = dynamodb.AttributeType.STRING
        dynamodb.Table(
            self,
            "Board",
            table_name=self.names.board_table,
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=dynamodb.Attribute(name="sk", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self.cohort.protect,
            removal_policy=self.kept,
        )
