"""What CloudFormation's types make: how AWS names a resource, and what a template can ask of it.

Sources: per type, the sections "Return values" of the CloudFormation template reference (what `Ref`
and `Fn::GetAtt` give) and the tables "Resource types" of the Service Authorization Reference (how
IAM writes the ARN). An attribute that is not listed here is an error where a template uses it.

In the patterns stand `{name}` (the resource's own name), `{id}` (what AWS generates), `{arn}`,
`{account}`, `{region}`, and the members that the type lists under `members`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ResourceType:
    """How AWS names the resources of one type.

    Attributes:
        name: the property that holds the name; None where AWS generates an id.
        id: the kind of id that AWS generates, one of GENERATED; None where the name is all.
        arn: None for what IAM cannot speak of.
        ref: what `Ref` gives; None where no template of ours asks.
        attributes: what `Fn::GetAtt` gives.
        members: properties that the patterns read, with the value that stands for an absent one;
            None where it must be there.
        covers: what belongs to the resource; its own policy, if any, speaks about it.
    """

    name: str | None = None
    id: str | None = None
    arn: str | None = None
    ref: str | None = "{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str | None] = field(default_factory=dict)
    covers: tuple[str, ...] = ("{arn}",)


def _regional(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{{region}}:{{account}}:{resource}"


def _ec2(kind: str, prefix: str, **attributes: str) -> ResourceType:
    """Something of a network. What else it is asked for is another generated id."""
    return ResourceType(
        id=prefix,
        arn=_regional("ec2", f"{kind}/{{id}}"),
        ref="{id}",
        attributes=attributes,
    )


def _of_pool(
    part: str,
    *,
    ref: str | None = None,
    id: str | None = None,
    name: str | None = None,
    members: Mapping[str, str | None] | None = None,
) -> ResourceType:
    """Something of a user pool."""
    return ResourceType(
        name=name,
        id=id,
        arn=_regional("cognito-idp", f"userpool/{{UserPoolId}}/{part}"),
        ref=ref,
        members={"UserPoolId": None, **(members or {})},
        covers=(),
    )


def _of_api(
    part: str, *, ref: str | None = None, id: str | None = None, name: str | None = None
) -> ResourceType:
    """Something of an HTTP API, as the service authorization reference writes its ARN."""
    return ResourceType(
        name=name,
        id=id,
        arn=f"arn:aws:apigateway:{{region}}::/apis/{{ApiId}}/{part}",
        ref=ref,
        members={"ApiId": None},
        covers=(),
    )


_ARN = {"Arn": "{arn}"}
_QUEUE_URL = "https://sqs.{region}.amazonaws.com/{account}/{name}"

#: Every type that a template of ours may make and that has a name, an id or an ARN.
TYPES: Mapping[str, ResourceType] = {
    # --- storage ----------------------------------------------------------------------------------
    "AWS::S3::Bucket": ResourceType(
        name="BucketName",
        arn="arn:aws:s3:::{name}",
        attributes={
            **_ARN,
            "DomainName": "{name}.s3.amazonaws.com",
            "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
        },
        covers=("{arn}", "{arn}/*"),
    ),
    "AWS::DynamoDB::Table": ResourceType(
        name="TableName",
        arn=_regional("dynamodb", "table/{name}"),
        attributes=_ARN,
        # Its indexes, streams, backups and exports.
        covers=("{arn}", "{arn}/*"),
    ),
    "AWS::KMS::Key": ResourceType(
        id="uuid",
        arn=_regional("kms", "key/{id}"),
        ref="{id}",
        attributes={**_ARN, "KeyId": "{id}"},
    ),
    "AWS::KMS::Alias": ResourceType(name="AliasName", arn=_regional("kms", "{name}")),
    "AWS::SSM::Parameter": ResourceType(
        name="Name",
        # A name without a slash in it is written without one, and the ARN has one all the same.
        arn=_regional("ssm", "parameter/{path}"),
        attributes={"Type": "{Type}", "Value": "{Value}"},
    ),
    "AWS::SecretsManager::Secret": ResourceType(
        name="Name",
        id="secret",
        arn=_regional("secretsmanager", "secret:{name}-{id}"),
        ref="{arn}",
        attributes={"Id": "{arn}"},
    ),
    # --- messages ---------------------------------------------------------------------------------
    "AWS::SQS::Queue": ResourceType(
        name="QueueName",
        arn=_regional("sqs", "{name}"),
        ref=_QUEUE_URL,
        attributes={**_ARN, "QueueName": "{name}", "QueueUrl": _QUEUE_URL},
    ),
    "AWS::SNS::Topic": ResourceType(
        name="TopicName",
        arn=_regional("sns", "{name}"),
        ref="{arn}",
        attributes={"TopicArn": "{arn}", "TopicName": "{name}"},
        # Its subscriptions.
        covers=("{arn}", "{arn}:*"),
    ),
    "AWS::Events::EventBus": ResourceType(
        name="Name",
        arn=_regional("events", "event-bus/{name}"),
        attributes={**_ARN, "Name": "{name}"},
    ),
    "AWS::Events::Rule": ResourceType(
        name="Name",
        arn=_regional("events", "rule/{EventBusName}{name}"),
        attributes=_ARN,
        members={"EventBusName": ""},
    ),
    "AWS::Scheduler::ScheduleGroup": ResourceType(
        name="Name",
        arn=_regional("scheduler", "schedule-group/{name}"),
        attributes=_ARN,
        covers=("{arn}", _regional("scheduler", "schedule/{name}/*")),
    ),
    "AWS::Scheduler::Schedule": ResourceType(
        name="Name",
        arn=_regional("scheduler", "schedule/{GroupName}/{name}"),
        attributes=_ARN,
        members={"GroupName": "default"},
    ),
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": ResourceType(
        name="ConfigurationName",
        arn="arn:aws:chatbot::{account}:chat-configuration/microsoft-teams-channel/{name}",
        ref="{arn}",
        attributes=_ARN,
    ),
    # --- what runs --------------------------------------------------------------------------------
    "AWS::Lambda::Function": ResourceType(
        name="FunctionName",
        arn=_regional("lambda", "function:{name}"),
        attributes=_ARN,
        # Its aliases and versions.
        covers=("{arn}", "{arn}:*"),
    ),
    "AWS::Lambda::Alias": ResourceType(
        name="Name",
        arn=_regional("lambda", "function:{FunctionName}:{name}"),
        ref="{arn}",
        attributes={"AliasArn": "{arn}"},
        members={"FunctionName": None},
    ),
    "AWS::Lambda::Version": ResourceType(
        id="number",
        arn=_regional("lambda", "function:{FunctionName}:{id}"),
        ref="{arn}",
        attributes={"FunctionArn": "{arn}", "Version": "{id}"},
        members={"FunctionName": None},
    ),
    "AWS::Lambda::EventSourceMapping": ResourceType(
        id="uuid",
        arn=_regional("lambda", "event-source-mapping:{id}"),
        ref="{id}",
        attributes={"Id": "{id}"},
    ),
    "AWS::CodeBuild::Project": ResourceType(
        name="Name", arn=_regional("codebuild", "project/{name}"), attributes=_ARN
    ),
    "AWS::ECR::Repository": ResourceType(
        name="RepositoryName",
        arn=_regional("ecr", "repository/{name}"),
        attributes={
            **_ARN,
            "RepositoryUri": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
        },
    ),
    # --- SageMaker --------------------------------------------------------------------------------
    "AWS::SageMaker::Domain": ResourceType(
        id="domain",
        arn=_regional("sagemaker", "domain/{id}"),
        ref="{id}",
        attributes={"DomainId": "{id}", "DomainArn": "{arn}"},
    ),
    "AWS::SageMaker::UserProfile": ResourceType(
        name="UserProfileName",
        arn=_regional("sagemaker", "user-profile/{DomainId}/{name}"),
        ref=None,
        attributes={"UserProfileArn": "{arn}"},
        members={"DomainId": None},
    ),
    "AWS::SageMaker::Space": ResourceType(
        name="SpaceName",
        arn=_regional("sagemaker", "space/{DomainId}/{name}"),
        ref=None,
        attributes={"SpaceArn": "{arn}"},
        members={"DomainId": None},
        covers=("{arn}", _regional("sagemaker", "app/{DomainId}/{name}/*")),
    ),
    "AWS::SageMaker::StudioLifecycleConfig": ResourceType(
        name="StudioLifecycleConfigName",
        arn=_regional("sagemaker", "studio-lifecycle-config/{name}"),
        attributes={"StudioLifecycleConfigArn": "{arn}"},
    ),
    "AWS::SageMaker::Image": ResourceType(
        name="ImageName",
        arn=_regional("sagemaker", "image/{name}"),
        ref="{arn}",
        attributes={"ImageArn": "{arn}"},
    ),
    "AWS::SageMaker::ImageVersion": ResourceType(
        id="number",
        arn=_regional("sagemaker", "image-version/{ImageName}/{id}"),
        ref="{arn}",
        attributes={"ImageVersionArn": "{arn}", "Version": "{id}"},
        members={"ImageName": None},
    ),
    "AWS::SageMaker::AppImageConfig": ResourceType(
        name="AppImageConfigName",
        arn=_regional("sagemaker", "app-image-config/{name}"),
        attributes={"AppImageConfigArn": "{arn}"},
    ),
    # --- the door ---------------------------------------------------------------------------------
    # IAM speaks of a pool alone; what is in one has a name below it here, and no policy.
    "AWS::Cognito::UserPool": ResourceType(
        id="suffix",
        arn=_regional("cognito-idp", "userpool/{region}_{id}"),
        ref="{region}_{id}",
        attributes={**_ARN, "UserPoolId": "{region}_{id}"},
    ),
    "AWS::Cognito::UserPoolClient": _of_pool("client/{id}", ref="{id}", id="suffix"),
    "AWS::Cognito::UserPoolGroup": _of_pool("group/{name}", name="GroupName"),
    "AWS::Cognito::UserPoolUser": _of_pool("user/{name}", name="Username"),
    "AWS::Cognito::UserPoolIdentityProvider": _of_pool(
        "identity-provider/{name}", name="ProviderName"
    ),
    "AWS::Cognito::UserPoolDomain": _of_pool("domain/{name}", ref="{name}", name="Domain"),
    "AWS::Cognito::UserPoolUserToGroupAttachment": _of_pool(
        "group/{GroupName}/{name}", name="Username", members={"GroupName": None}
    ),
    "AWS::ApiGatewayV2::Api": ResourceType(
        id="api",
        arn=_regional("execute-api", "{id}"),
        ref="{id}",
        attributes={"ApiEndpoint": "https://{id}.execute-api.{region}.amazonaws.com"},
        # Its stages, methods and paths.
        covers=("{arn}", "{arn}/*"),
    ),
    "AWS::ApiGatewayV2::Integration": _of_api("integrations/{id}", ref="{id}", id="integration"),
    "AWS::ApiGatewayV2::Route": _of_api("routes/{id}", ref="{id}", id="route"),
    "AWS::ApiGatewayV2::Stage": _of_api("stages/{name}", name="StageName"),
    # --- IAM --------------------------------------------------------------------------------------
    "AWS::IAM::Role": ResourceType(
        name="RoleName",
        id="role",
        arn="arn:aws:iam::{account}:role{Path}{name}",
        attributes={**_ARN, "RoleId": "{id}"},
        members={"Path": "/"},
    ),
    "AWS::IAM::ManagedPolicy": ResourceType(
        name="ManagedPolicyName",
        arn="arn:aws:iam::{account}:policy{Path}{name}",
        ref="{arn}",
        attributes={"PolicyArn": "{arn}"},
        members={"Path": "/"},
    ),
    # --- what is watched --------------------------------------------------------------------------
    "AWS::Logs::LogGroup": ResourceType(
        name="LogGroupName",
        arn=_regional("logs", "log-group:{name}"),
        # The template reference: the attribute ends in a star.
        attributes={"Arn": "{arn}:*"},
        covers=("{arn}", "{arn}:*"),
    ),
    "AWS::CloudWatch::Alarm": ResourceType(
        name="AlarmName", arn=_regional("cloudwatch", "alarm:{name}"), attributes=_ARN
    ),
    "AWS::Budgets::Budget": ResourceType(
        name="Budget.BudgetName", arn="arn:aws:budgets::{account}:budget/{name}"
    ),
    # --- network ----------------------------------------------------------------------------------
    "AWS::EC2::VPC": _ec2("vpc", "vpc", VpcId="{id}"),
    "AWS::EC2::Subnet": _ec2("subnet", "subnet", SubnetId="{id}"),
    "AWS::EC2::RouteTable": _ec2("route-table", "rtb", RouteTableId="{id}"),
    "AWS::EC2::SecurityGroup": _ec2("security-group", "sg", GroupId="{id}", Id="{id}"),
    "AWS::EC2::VPCEndpoint": _ec2("vpc-endpoint", "vpce", Id="{id}"),
}

#: Types that carry no rights, and that IAM has no ARN for: each is used by a template of ours.
SILENT: Mapping[str, str] = {
    "AWS::EC2::SubnetRouteTableAssociation": "a subnet's routes",
}

#: Types that add to another resource: the reader takes them up where that one is read.
ADDITIONS = frozenset(
    {
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SNS::Subscription",
        "AWS::Events::EventBusPolicy",
        "AWS::SecretsManager::ResourcePolicy",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::IAM::Policy",
        "AWS::IAM::RolePolicy",
    }
)
