"""A small CDK app with every resource type that the embedded cloud models.

Context: `retention` (days, the change of a second deployment), `broken` (adds a stack with a type
that is not modelled).
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_ssm as ssm
from constructs import Construct

FUNCTION = Path(__file__).parent / "function"


class Ground(cdk.Stack):
    """What stands once: network, keys, buckets, table, function, rule."""

    @property
    def availability_zones(self) -> list[str]:
        """Chosen when the stack is deployed; the L2 would look them up at synth."""
        return [cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(2)]

    def __init__(self, scope: Construct, name: str, **more: Any) -> None:
        super().__init__(scope, name, **more)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="spaces", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                )
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        key = kms.Key(self, "Key", enable_key_rotation=True, alias="alias/sample/records")
        bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name="sample-123456789012-work",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            enforce_ssl=True,
            versioned=True,
            event_bridge_enabled=False,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=cdk.Duration.days(30),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # The L2's switch for EventBridge drags in a custom resource.
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )
        table = dynamodb.Table(
            self,
            "Ledger",
            table_name="sample-ledger",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            time_to_live_attribute="expires",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        table.add_global_secondary_index(
            index_name="open",
            partition_key=dynamodb.Attribute(name="open", type=dynamodb.AttributeType.STRING),
        )
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name="/aws/lambda/sample-broker",
            retention=logs.RetentionDays(self.node.try_get_context("retention") or "ONE_WEEK"),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        function = lambda_.Function(
            self,
            "Broker",
            function_name="sample-broker",
            runtime=lambda_.Runtime.PYTHON_3_11,
            handler="broker.handle",
            code=lambda_.Code.from_asset(str(FUNCTION)),
            environment={"TABLE": table.table_name},
            log_group=log,
            timeout=cdk.Duration.seconds(30),
        )
        table.grant_read_write_data(function)
        lambda_.CfnAlias(
            self,
            "Ana",
            function_name=function.function_name,
            function_version="$LATEST",
            name="ana",
        )
        events.Rule(
            self,
            "Uploads",
            event_pattern=events.EventPattern(
                source=["aws.s3"], detail={"bucket": {"name": [bucket.bucket_name]}}
            ),
            targets=[targets.LambdaFunction(function)],
        )
        events.Rule(
            self,
            "Sweep",
            schedule=events.Schedule.rate(cdk.Duration.minutes(15)),
            targets=[targets.LambdaFunction(function)],
        )
        scheduler.CfnScheduleGroup(self, "Stops", name="sample--stops")
        boundary = iam.ManagedPolicy(
            self,
            "Boundary",
            managed_policy_name="sample--boundary",
            statements=[iam.PolicyStatement(actions=["s3:GetObject"], resources=["*"])],
        )
        self.role = iam.Role(
            self,
            "Learner",
            role_name="sample--learner--ana",
            path="/academy/sample/learner/",
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            permissions_boundary=boundary,
        )
        bucket.grant_read(self.role, "teams/falcon/*")
        cdk.CfnOutput(self, "BucketArn", value=bucket.bucket_arn)
        cdk.CfnOutput(self, "AliasArn", value=f"{function.function_arn}:ana")


class Team(cdk.Stack):
    """What a learner has: domain, profile, space, workspace parameter."""

    def __init__(self, scope: Construct, name: str, *, ground: Ground, **more: Any) -> None:
        super().__init__(scope, name, **more)
        script = base64.b64encode(b"#!/bin/bash\ntrue\n").decode()
        start = sagemaker.CfnStudioLifecycleConfig(
            self,
            "Start",
            studio_lifecycle_config_app_type="JupyterLab",
            studio_lifecycle_config_content=script,
            studio_lifecycle_config_name="sample--start-0",
        )
        domain = sagemaker.CfnDomain(
            self,
            "Domain",
            auth_mode="IAM",
            domain_name="sample--ana",
            app_network_access_type="PublicInternetOnly",
            home_efs_file_system_creation="Disabled",
            vpc_id=ground.vpc.vpc_id,
            subnet_ids=[subnet.subnet_id for subnet in ground.vpc.isolated_subnets],
            default_user_settings=sagemaker.CfnDomain.UserSettingsProperty(
                execution_role=ground.role.role_arn,
                jupyter_lab_app_settings=sagemaker.CfnDomain.JupyterLabAppSettingsProperty(
                    lifecycle_config_arns=[start.attr_studio_lifecycle_config_arn],
                    default_resource_spec=sagemaker.CfnDomain.ResourceSpecProperty(
                        instance_type="ml.t3.medium"
                    ),
                ),
            ),
        )
        profile = sagemaker.CfnUserProfile(
            self, "Profile", domain_id=domain.ref, user_profile_name="sample--ana"
        )
        space = sagemaker.CfnSpace(
            self,
            "Space",
            domain_id=domain.attr_domain_id,
            space_name="sample--ana",
            ownership_settings=sagemaker.CfnSpace.OwnershipSettingsProperty(
                owner_user_profile_name="sample--ana"
            ),
            space_sharing_settings=sagemaker.CfnSpace.SpaceSharingSettingsProperty(
                sharing_type="Private"
            ),
            space_settings=sagemaker.CfnSpace.SpaceSettingsProperty(
                app_type="JupyterLab",
                space_storage_settings=sagemaker.CfnSpace.SpaceStorageSettingsProperty(
                    ebs_storage_settings=sagemaker.CfnSpace.EbsStorageSettingsProperty(
                        ebs_volume_size_in_gb=20
                    )
                ),
            ),
        )
        space.add_resource_dependency(profile)
        ssm.StringParameter(
            self,
            "Workspace",
            parameter_name="/academy/workspaces/sample--ana",
            string_value=self.to_json_string({"domain_id": domain.ref, "space": "sample--ana"}),
        )


def main() -> None:
    app = cdk.App()
    where = cdk.Environment(account="123456789012", region="us-east-1")
    ground = Ground(app, "Sample-Ground", env=where)
    Team(app, "Sample-Team", ground=ground, env=where)
    if app.node.try_get_context("broken"):
        broken = cdk.Stack(app, "Sample-Broken", env=where)
        kinesis.Stream(broken, "Topic")
        ssm.StringParameter(broken, "Parameter", string_value="never made")
    app.synth()


main()
