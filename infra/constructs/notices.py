"""How the admin hears of things: the topic `notices`, the queue of dead letters, and alarms."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns

#: The longest that SQS keeps a message: time enough to come back from a holiday.
DEAD_LETTERS_KEPT = Duration.days(14)


class NoticesTopic(Construct):
    """The topic that alarms, budgets and the sweep publish to, and `email` is subscribed to.

    `key` encrypts it, and is made usable to those services, for this account alone. No rule of
    EventBridge has the topic as a target, so EventBridge may not publish.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, arns: Arns, key: kms.Key, email: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=arns.names.topic("notices"),
            display_name=f"Academy {arns.names.cohort}",
            master_key=key,
            enforce_ssl=True,
        )
        publishers = {
            # Source of both conditions: the policies in "Using Amazon CloudWatch alarms" and
            # "Creating an Amazon SNS topic for budget notifications".
            "cloudwatch": arns.alarms,
            "budgets": arns.budgets,
        }
        for service, source in publishers.items():
            principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
            account = {"StringEquals": {"aws:SourceAccount": arns.account}}
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"{service.title()}Publishes",
                    principals=[principal],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions={**account, "ArnLike": {"aws:SourceArn": source}},
                )
            )
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"{service.title()}PublishesEncrypted",
                    principals=[principal],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    resources=["*"],  # in a key's policy: this key
                    conditions=account,
                )
            )
        if email:
            sns.Subscription(
                self,
                "Email",
                topic=topic,
                protocol=sns.SubscriptionProtocol.EMAIL,
                endpoint=email,
            )


class DeadLetters(Construct):
    """The queue of what was to be done and could not: events that a function failed on to the end,
    or that a rule could not hand over. Functions write to it under their own roles."""

    def __init__(self, scope: Construct, construct_id: str, *, arns: Arns) -> None:
        super().__init__(scope, construct_id)
        queue = sqs.Queue(
            self,
            "Queue",
            queue_name=arns.names.dead_letters,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=DEAD_LETTERS_KEPT,
            removal_policy=RemovalPolicy.DESTROY,
        )
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="RulesWrite",
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": arns.account},
                    "ArnLike": {"aws:SourceArn": arns.rules},
                },
            )
        )
        acknowledge(
            queue,
            {
                "AwsSolutions-SQS3": "This is the dead-letter queue itself: of functions and of "
                "rules, which no property of another queue tells."
            },
        )


class NoticeAlarm(Construct):
    """An alarm that tells the topic `notices` when it begins and when it ends.

    It fires when `metric` is above `above` (or below `below`) in each of `periods` periods.
    `silence` says what a period without data means: "alarm" or "fine".
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        purpose: str,
        says: str,
        metric: cloudwatch.Metric,
        above: int | None = None,
        below: int | None = None,
        periods: int = 1,
        silence: str = "fine",
    ) -> None:
        super().__init__(scope, construct_id)
        if (above is None) == (below is None):
            raise ValueError(f"alarm {purpose}: give either above or below")
        comparison = cloudwatch.ComparisonOperator
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            "Alarm",
            alarm_name=arns.names.alarm(purpose),
            alarm_description=says,
            metric=metric,
            comparison_operator=(
                comparison.LESS_THAN_THRESHOLD
                if above is None
                else comparison.GREATER_THAN_THRESHOLD
            ),
            threshold=below if above is None else above,  # type: ignore[arg-type]
            evaluation_periods=periods,
            treat_missing_data=missing.BREACHING if silence == "alarm" else missing.NOT_BREACHING,
        )
        topic = sns.Topic.from_topic_arn(self, "Notices", arns.topic("notices"))
        tell = actions.SnsAction(topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)


def of_function(arns: Arns, service: str, metric: str, period: Duration) -> cloudwatch.Metric:
    """The sum of a Lambda metric of the function `service`."""
    return cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name=metric,
        dimensions_map={"FunctionName": arns.names.function(service)},
        statistic="Sum",
        period=period,
    )


def errors_alarm(scope: Construct, service: str, *, arns: Arns) -> NoticeAlarm:
    """An alarm on any failed call of the function `service`."""
    return NoticeAlarm(
        scope,
        f"{service.title()}Errors",
        arns=arns,
        purpose=f"{service}-errors",
        says=(
            f"Deep Learning Academy {arns.names.cohort}: {service} failed. Its log group "
            f"{arns.names.log_group(service)} says why."
        ),
        metric=of_function(arns, service, "Errors", Duration.minutes(5)),
        above=0,
    )
