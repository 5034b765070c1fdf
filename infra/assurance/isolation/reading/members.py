"""The members of CloudFormation's types that the proof has judged: any other is an error.

A member that nobody here has looked at may copy a bucket's objects elsewhere, share a space or lay
somebody's code over a function's. So each type lists what the proof reads, or what can give nobody
anything; with a dot, what lies inside. Who lists a member, lists everything in it.

Source of what they mean: "Resource and property types reference" of the CloudFormation user guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Of every type. `reading` says why tags are left out.
_ANY = ("Tags",)

_SPACE_STARTS = "DefaultResourceSpec.InstanceType", "DefaultResourceSpec.LifecycleConfigArn"

MEMBERS: Mapping[str, tuple[str, ...]] = {
    # --- storage ----------------------------------------------------------------------------------
    # Not here: what writes a bucket's names or objects elsewhere (inventories, logs, replication,
    # metadata tables), websites, accelerated and analytics endpoints.
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "BucketName",
        "LifecycleConfiguration.Rules.AbortIncompleteMultipartUpload",
        "LifecycleConfiguration.Rules.ExpirationInDays",
        "LifecycleConfiguration.Rules.Id",
        "LifecycleConfiguration.Rules.NoncurrentVersionExpiration",
        "LifecycleConfiguration.Rules.Prefix",
        "LifecycleConfiguration.Rules.Status",
        "NotificationConfiguration",
        "OwnershipControls.Rules.ObjectOwnership",
        "PublicAccessBlockConfiguration",
        "VersioningConfiguration",
    ),
    "AWS::S3::BucketPolicy": ("Bucket", "PolicyDocument"),
    # Not here: streams, to Kinesis too, and replicas in other Regions.
    "AWS::DynamoDB::Table": (
        "AttributeDefinitions",
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "PointInTimeRecoverySpecification",
        "ResourcePolicy.PolicyDocument",
        "SSESpecification",
        "TableName",
    ),
    # Not here: keys of several Regions, and material of one's own.
    "AWS::KMS::Key": ("Description", "EnableKeyRotation", "KeyPolicy", "PendingWindowInDays"),
    "AWS::KMS::Alias": ("AliasName", "TargetKeyId"),
    "AWS::SSM::Parameter": ("Description", "Name", "Type", "Value"),
    "AWS::SecretsManager::Secret": ("Description", "Name"),
    "AWS::SecretsManager::ResourcePolicy": ("ResourcePolicy", "SecretId"),
    # --- messages ---------------------------------------------------------------------------------
    "AWS::SQS::Queue": (
        "MessageRetentionPeriod",
        "QueueName",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    ),
    "AWS::SQS::QueuePolicy": ("PolicyDocument", "Queues"),
    "AWS::SNS::Topic": ("DisplayName", "KmsMasterKeyId", "Subscription", "TopicName"),
    "AWS::SNS::TopicPolicy": ("PolicyDocument", "Topics"),
    "AWS::SNS::Subscription": ("Endpoint", "Protocol", "SubscriptionRoleArn", "TopicArn"),
    "AWS::Events::EventBus": ("Name", "Policy"),
    "AWS::Events::EventBusPolicy": (
        *("Action", "Condition", "EventBusName", "Principal"),
        *("Statement", "StatementId"),
    ),
    "AWS::Events::Rule": (
        "Description",
        "EventBusName",
        "EventPattern",
        "Name",
        "ScheduleExpression",
        "State",
        "Targets.Arn",
        "Targets.DeadLetterConfig",
        "Targets.Id",
        "Targets.RetryPolicy",
        "Targets.RoleArn",
    ),
    "AWS::Scheduler::ScheduleGroup": ("Name",),
    "AWS::Scheduler::Schedule": (
        "Description",
        "EndDate",
        "FlexibleTimeWindow",
        "GroupName",
        "Name",
        "ScheduleExpression",
        "ScheduleExpressionTimezone",
        "StartDate",
        "State",
        # Its input too: what a role may do, its policy says whatever it is told.
        "Target",
    ),
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": (
        "ConfigurationName",
        "GuardrailPolicies",
        "IamRoleArn",
        "LoggingLevel",
        "SnsTopicArns",
        "TeamId",
        "TeamsChannelId",
        "TeamsTenantId",
        "UserRoleRequired",
    ),
    # --- what runs --------------------------------------------------------------------------------
    # Not here: layers, file systems, images and code in the template: `wiring` knows whose code
    # comes from the deployment's bucket.
    "AWS::Lambda::Function": (
        "Code.S3Bucket",
        "Code.S3Key",
        "DeadLetterConfig",
        "Description",
        # What a function is told is no right of its own.
        "Environment",
        "FunctionName",
        "Handler",
        "MemorySize",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "Timeout",
    ),
    # Not here: RoutingConfig, by which an alias runs a second version.
    "AWS::Lambda::Alias": ("Description", "FunctionName", "FunctionVersion", "Name"),
    "AWS::Lambda::Version": ("Description", "FunctionName"),
    "AWS::Lambda::EventInvokeConfig": (
        "DestinationConfig",
        "FunctionName",
        "MaximumEventAgeInSeconds",
        "MaximumRetryAttempts",
        "Qualifier",
    ),
    "AWS::Lambda::EventSourceMapping": (
        *("BatchSize", "DestinationConfig", "Enabled", "EventSourceArn"),
        *("FunctionName", "StartingPosition"),
    ),
    "AWS::Lambda::Permission": (
        *("Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"),
    ),
    # Not here: more sources and artifacts, webhooks, file systems, a VPC, fleets.
    "AWS::CodeBuild::Project": (
        "Artifacts.Type",
        "Description",
        "EncryptionKey",
        "Environment.ComputeType",
        "Environment.EnvironmentVariables",
        "Environment.Image",
        "Environment.PrivilegedMode",
        "Environment.Type",
        "LogsConfig",
        "Name",
        "QueuedTimeoutInMinutes",
        "ServiceRole",
        "Source.Location",
        "Source.Type",
        "TimeoutInMinutes",
    ),
    "AWS::ECR::Repository": (
        "ImageScanningConfiguration",
        "ImageTagMutability",
        "LifecyclePolicy",
        "RepositoryName",
        "RepositoryPolicyText",
    ),
    # --- SageMaker --------------------------------------------------------------------------------
    # Not here: DefaultSpaceSettings (the role of shared spaces), Canvas, RStudio, Docker, Amazon Q,
    # file systems and code repositories of one's own, shared notebooks.
    "AWS::SageMaker::Domain": (
        "AppNetworkAccessType",
        "AuthMode",
        "DefaultUserSettings.AutoMountHomeEFS",
        "DefaultUserSettings.DefaultLandingUri",
        "DefaultUserSettings.ExecutionRole",
        "DefaultUserSettings.JupyterLabAppSettings.AppLifecycleManagement",
        "DefaultUserSettings.JupyterLabAppSettings.CustomImages",
        *(f"DefaultUserSettings.JupyterLabAppSettings.{each}" for each in _SPACE_STARTS),
        "DefaultUserSettings.JupyterLabAppSettings.LifecycleConfigArns",
        "DefaultUserSettings.SecurityGroups",
        "DefaultUserSettings.SpaceStorageSettings",
        "DefaultUserSettings.StudioWebPortal",
        "DomainName",
        "HomeEfsFileSystemCreation",
        "SubnetIds",
        "VpcId",
    ),
    "AWS::SageMaker::UserProfile": ("DomainId", "UserProfileName", "UserSettings.ExecutionRole"),
    "AWS::SageMaker::Space": (
        "DomainId",
        "OwnershipSettings.OwnerUserProfileName",
        "SpaceName",
        "SpaceSettings.AppType",
        *(f"SpaceSettings.JupyterLabAppSettings.{each}" for each in _SPACE_STARTS),
        "SpaceSettings.SpaceStorageSettings.EbsStorageSettings",
        "SpaceSharingSettings.SharingType",
    ),
    "AWS::SageMaker::StudioLifecycleConfig": (
        "StudioLifecycleConfigAppType",
        "StudioLifecycleConfigContent",
        "StudioLifecycleConfigName",
    ),
    "AWS::SageMaker::Image": (
        *("ImageDescription", "ImageDisplayName", "ImageName", "ImageRoleArn"),
    ),
    "AWS::SageMaker::ImageVersion": ("BaseImage", "ImageName"),
    "AWS::SageMaker::AppImageConfig": ("AppImageConfigName", "JupyterLabAppImageConfig"),
    # --- the door ---------------------------------------------------------------------------------
    # Not here: code that runs while somebody signs in (LambdaConfig), attributes of one's own,
    # messages by telephone, devices and passkeys.
    "AWS::Cognito::UserPool": (
        "AccountRecoverySetting.RecoveryMechanisms",
        "AdminCreateUserConfig.AllowAdminCreateUserOnly",
        "AliasAttributes",
        "DeletionProtection",
        "EmailAuthenticationMessage",
        "EmailAuthenticationSubject",
        "EmailConfiguration.EmailSendingAccount",
        "EmailConfiguration.From",
        "EmailConfiguration.SourceArn",
        "MfaConfiguration",
        "Policies.PasswordPolicy",
        "Policies.SignInPolicy.AllowedFirstAuthFactors",
        "UserPoolName",
        "UserPoolTags",
        "UserPoolTier",
        "UsernameConfiguration.CaseSensitive",
    ),
    # What they may hold is the promise's (`wiring.users`). Not here: where people are led after
    # they sign out, analytics.
    "AWS::Cognito::UserPoolClient": (
        *("AllowedOAuthFlows", "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthScopes"),
        "CallbackURLs",
        *("AccessTokenValidity", "AuthSessionValidity", "ClientName", "EnableTokenRevocation"),
        *("ExplicitAuthFlows", "GenerateSecret", "IdTokenValidity", "PreventUserExistenceErrors"),
        *("ReadAttributes", "RefreshTokenValidity", "SupportedIdentityProviders"),
        *("TokenValidityUnits", "UserPoolId", "WriteAttributes"),
    ),
    # Not here: other names for a provider.
    "AWS::Cognito::UserPoolIdentityProvider": (
        *("AttributeMapping.email", "AttributeMapping.email_verified"),
        *("ProviderDetails.attributes_request_method", "ProviderDetails.authorize_scopes"),
        *("ProviderDetails.client_id", "ProviderDetails.client_secret"),
        *("ProviderDetails.oidc_issuer", "ProviderName", "ProviderType", "UserPoolId"),
    ),
    # Not here: a domain of one's own.
    "AWS::Cognito::UserPoolDomain": ("Domain", "ManagedLoginVersion", "UserPoolId"),
    # Not here: a role for everybody in a group.
    "AWS::Cognito::UserPoolGroup": ("Description", "GroupName", "UserPoolId"),
    "AWS::Cognito::UserPoolUser": ("MessageAction", "UserAttributes", "UserPoolId", "Username"),
    "AWS::Cognito::UserPoolUserToGroupAttachment": ("GroupName", "UserPoolId", "Username"),
    # Not here: whatever else answers (Target, Body), who else may ask (CORS), domains of one's own.
    "AWS::ApiGatewayV2::Api": ("Description", "Name", "ProtocolType"),
    # Not here: a role, a network, changed requests and answers.
    "AWS::ApiGatewayV2::Integration": (
        *("ApiId", "IntegrationType", "IntegrationUri"),
        *("PayloadFormatVersion", "TimeoutInMillis"),
    ),
    "AWS::ApiGatewayV2::Route": ("ApiId", "AuthorizationType", "RouteKey", "Target"),
    "AWS::ApiGatewayV2::Stage": (
        *("AccessLogSettings", "ApiId", "AutoDeploy", "DefaultRouteSettings"),
        *("RouteSettings", "StageName"),
    ),
    # --- IAM --------------------------------------------------------------------------------------
    "AWS::IAM::Role": (
        "AssumeRolePolicyDocument",
        "Description",
        "ManagedPolicyArns",
        "MaxSessionDuration",
        "Path",
        "PermissionsBoundary",
        "Policies",
        "RoleName",
    ),
    "AWS::IAM::ManagedPolicy": (
        *("Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"),
    ),
    "AWS::IAM::Policy": ("PolicyDocument", "PolicyName", "Roles"),
    "AWS::IAM::RolePolicy": ("PolicyDocument", "PolicyName", "RoleName"),
    # --- what is watched --------------------------------------------------------------------------
    # Not here: data protection and what indexes or hands on what is logged.
    "AWS::Logs::LogGroup": ("LogGroupName", "RetentionInDays"),
    "AWS::CloudWatch::Alarm": (
        *("AlarmActions", "AlarmDescription", "AlarmName", "ComparisonOperator"),
        *("Dimensions", "EvaluationPeriods", "InsufficientDataActions", "MetricName"),
        *("Namespace", "OKActions", "Period", "Statistic", "Threshold", "TreatMissingData"),
    ),
    "AWS::Budgets::Budget": ("Budget", "NotificationsWithSubscribers"),
    # --- network ----------------------------------------------------------------------------------
    "AWS::EC2::VPC": (*("CidrBlock", "EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy"),),
    "AWS::EC2::Subnet": ("AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch", "VpcId"),
    "AWS::EC2::RouteTable": ("VpcId",),
    "AWS::EC2::SubnetRouteTableAssociation": ("RouteTableId", "SubnetId"),
    "AWS::EC2::SecurityGroup": (
        *("GroupDescription", "GroupName", "SecurityGroupEgress", "SecurityGroupIngress", "VpcId"),
    ),
    "AWS::EC2::VPCEndpoint": (
        *("PolicyDocument", "PrivateDnsEnabled", "RouteTableIds", "SecurityGroupIds"),
        *("ServiceName", "SubnetIds", "VpcEndpointType", "VpcId"),
    ),
}


def unknown(type_: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """The members, each with its path, that nobody has judged."""
    yield from _unknown(properties, "", (*MEMBERS.get(type_, ()), *_ANY))


def _unknown(value: Any, at: str, listed: tuple[str, ...]) -> Iterator[str]:
    if at in listed:
        return
    if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        for each in value:
            yield from _unknown(each, at, listed)
    elif isinstance(value, Mapping) and any(
        each.startswith(f"{at}." if at else "") for each in listed
    ):
        for member, each in value.items():
            yield from _unknown(each, f"{at}.{member}" if at else str(member), listed)
    else:
        yield at
