"""A bucket that no one reaches but by IAM and TLS."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.acknowledged import acknowledge

#: How long an overwritten or deleted object can be brought back.
KEPT_DAYS = 30


class PrivateBucket(Construct):
    """Encrypted, TLS only, closed to the public, without ACLs; empties itself of nothing.

    Args:
        key: encrypts the objects; without one, S3's own key does.
        versioned: where people write, and where others run what is written.
        announces: puts the bucket's events on EventBridge; rules stand where the consumer is.
        passing: prefix -> days after which what lies under it goes: what only passes through.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        removal: RemovalPolicy,
        key: kms.IKey | None = None,
        versioned: bool = False,
        announces: bool = False,
        passing: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            bucket_key_enabled=True if key else None,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            enforce_ssl=True,
            lifecycle_rules=_lifecycle(versioned, passing or {}),
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal,
            versioned=versioned,
        )
        if self.bucket.policy:
            # A bucket that stays keeps its rules: without them it would answer without TLS.
            self.bucket.policy.apply_removal_policy(removal)
            if removal != RemovalPolicy.DESTROY:
                _findable(self.bucket.policy, name)
        if announces:
            # The L2's event_bridge_enabled would bring a custom resource for what is a property.
            resource = self.bucket.node.default_child
            assert isinstance(resource, s3.CfnBucket)
            resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                    event_bridge_enabled=True
                )
            )
        acknowledge(
            self.bucket,
            {
                "AwsSolutions-S1": "Server access logs would need a bucket that outlives the "
                "cohort; who may read is decided by IAM, and CloudTrail data events record it "
                "where an account keeps them."
            },
        )


def _findable(policy: s3.BucketPolicy, name: str) -> None:
    """Name the bucket in the template, so that a deploy over what stayed can take the policy over.

    Source: "Import AWS resources into a CloudFormation stack automatically" in the CloudFormation
    user guide: no name that is a reference is looked up.
    """
    resource = policy.node.default_child
    assert isinstance(resource, s3.CfnBucketPolicy)
    # In the template alone: cdk-nag finds a bucket's policy by the reference. What the policy says
    # names the bucket too, so it is still made after it.
    resource.add_property_override("Bucket", name)


def _lifecycle(versioned: bool, passing: Mapping[str, int]) -> list[s3.LifecycleRule]:
    rules = [
        s3.LifecycleRule(
            id="abandoned-uploads", abort_incomplete_multipart_upload_after=Duration.days(7)
        )
    ]
    if versioned:
        rules.append(
            s3.LifecycleRule(
                id="old-versions", noncurrent_version_expiration=Duration.days(KEPT_DAYS)
            )
        )
    for prefix, days in passing.items():
        # In a versioned bucket this hides it; `old-versions` then removes it for good.
        rules.append(
            s3.LifecycleRule(
                id=f"passing-{prefix.strip('/')}", prefix=prefix, expiration=Duration.days(days)
            )
        )
    return rules
