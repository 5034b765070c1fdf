"""Foundation: network, keys, buckets, ledger, notices, the boundary, the script of a space."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from aws_cdk import CfnDeletionPolicy, Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs import policies
from infra.constructs.attached_images import AttachedImages
from infra.constructs.boundary import Boundary
from infra.constructs.network import IsolatedNetwork
from infra.constructs.notices import DeadLetters, NoticeAlarm, NoticesTopic
from infra.constructs.private_bucket import PrivateBucket
from infra.stacks.base import CohortStack

START_SCRIPT = Path(__file__).resolve().parents[2] / "workspace_images" / "start.sh"

#: How long the scorer's form of a submission is kept: it is made anew from the submission.
CHECKED_DAYS = 7

#: Of StudioLifecycleConfigContent in botocore's model of sagemaker, counted in Base64.
LIFECYCLE_CONTENT_MAX = 16_384


class LifecycleScript:
    """The script that a space runs when it starts. AWS takes it once and never changes it, so its
    name carries the hash of its content."""

    def __init__(self, path: Path = START_SCRIPT) -> None:
        script = path.read_bytes()
        self.content = base64.b64encode(script).decode("ascii")
        self.hash = hashlib.sha256(script).hexdigest()
        if len(self.content) > LIFECYCLE_CONTENT_MAX:
            raise ValueError(
                f"{path} has {len(self.content)} characters in Base64; SageMaker takes "
                f"{LIFECYCLE_CONTENT_MAX}: make it shorter"
            )


class Foundation(CohortStack):
    """What the whole cohort stands on."""

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
            cohort.names.foundation_stack,
            cohort=cohort,
            account=account,
            description="network, keys, buckets, ledger, notices, permissions boundary",
        )
        # People's work, what it was scored against, and what both are encrypted with.
        kept = self.kept

        network = IsolatedNetwork(
            self,
            "Network",
            arns=self.arns,
            cohort=cohort,
            removal=kept,
            images=images is not None,
        )
        records = self._key("records", "the ledger, the board and notices", kept)
        vault = self._key("vault", "the held-out answers", kept)
        vault.add_to_resource_policy(self._only_the_scorer("kms:*", ["*"]))

        PrivateBucket(
            self,
            "Data",
            name=self.arns.bucket_name("data"),
            removal=RemovalPolicy.DESTROY,
            # Spaces and jobs install what lies here: a wrong upload must be undoable.
            versioned=True,
        )
        held_out = PrivateBucket(
            self,
            "Vault",
            name=self.arns.bucket_name("vault"),
            removal=kept,
            key=vault,
            versioned=True,
        ).bucket
        held_out.add_to_resource_policy(
            self._only_the_scorer("s3:*", [held_out.bucket_arn, held_out.arn_for_objects("*")])
        )
        PrivateBucket(
            self,
            "Work",
            name=self.arns.bucket_name("work"),
            removal=kept,
            versioned=True,
            announces=True,
            passing={policies.CHECKED: CHECKED_DAYS},
        )
        PrivateBucket(
            self, "Site", name=self.arns.bucket_name("site"), removal=RemovalPolicy.DESTROY
        )

        self._ledger(records, kept)
        NoticesTopic(self, "Notices", arns=self.arns, key=records, email=cohort.notify.email)
        self._dead_letters()
        Boundary(
            self,
            "Boundary",
            arns=self.arns,
            cohort=cohort,
            images=images,
            inside=network.inside,
        )
        self._lifecycle(kept)

    def _key(self, purpose: str, description: str, removal: RemovalPolicy) -> kms.Key:
        key = kms.Key(
            self,
            f"{purpose.title()}Key",
            alias=self.names.key_alias(purpose),
            description=f"Deep Learning Academy {self.cohort.name}: {description}",
            enable_key_rotation=True,
            # The shortest that AWS has: a destroyed cohort's keys pend, and cost nothing.
            pending_window=Duration.days(7),
            removal_policy=removal,
        )
        if removal != RemovalPolicy.DESTROY:
            # The alias is how everything finds the key: without it nothing of what stays could be
            # read, and a next deploy would give the name to another key.
            alias = key.node.find_child("Alias").node.default_child
            assert isinstance(alias, kms.CfnAlias)
            alias.apply_removal_policy(removal)
        return key

    def _only_the_scorer(self, action: str, resources: list[str]) -> iam.PolicyStatement:
        """Deny `action` to every role of the academy but the scorer. No admin is locked out:
        their roles stand outside /academy/."""
        return iam.PolicyStatement(
            sid="OnlyTheScorer",
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=[action],
            resources=resources,
            conditions=policies.of_the_academy_but_the_scorer(self.arns),
        )

    def _ledger(self, key: kms.Key, removal: RemovalPolicy) -> None:
        text = dynamodb.AttributeType.STRING
        ledger = dynamodb.Table(
            self,
            "Ledger",
            table_name=self.names.ledger_table,
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=dynamodb.Attribute(name="sk", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self.cohort.protect,
            removal_policy=removal,
        )
        # Sparse: only an open reservation has the attribute, so the sweep reads those alone.
        ledger.add_global_secondary_index(
            index_name="open",
            partition_key=dynamodb.Attribute(name="open", type=text),
            projection_type=dynamodb.ProjectionType.ALL,
        )

    def _dead_letters(self) -> None:
        DeadLetters(self, "DeadLetters", arns=self.arns)
        NoticeAlarm(
            self,
            "DeadLettersWait",
            arns=self.arns,
            purpose="dead-letters",
            says=(
                f"Deep Learning Academy {self.cohort.name}: an event was given up. It waits in the "
                f"queue {self.names.dead_letters}. The next sweep settles what it was about, and "
                "the steward hands a submission over again; delete the message when you have read "
                "it."
            ),
            metric=cloudwatch.Metric(
                namespace="AWS/SQS",
                metric_name="ApproximateNumberOfMessagesVisible",
                dimensions_map={"QueueName": self.names.dead_letters},
                statistic="Maximum",
                period=Duration.minutes(5),
            ),
            above=0,
        )

    def _lifecycle(self, removal: RemovalPolicy) -> None:
        script = LifecycleScript()
        config = sagemaker.CfnStudioLifecycleConfig(
            self,
            "StartScript",
            studio_lifecycle_config_app_type="JupyterLab",
            studio_lifecycle_config_content=script.content,
            studio_lifecycle_config_name=self.names.lifecycle_config(script.hash),
        )
        # A domain that stays keeps its script: SageMaker deletes none that is in use.
        config.apply_removal_policy(removal, apply_to_update_replace_policy=False)
        # For the same reason a changed script leaves the old one behind, which costs nothing: when
        # Foundation is updated, the domains still name it.
        config.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
