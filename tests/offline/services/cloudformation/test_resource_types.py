"""Each modelled type: made as declared, changed as declared, gone with its stack."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.offline.environment import client_environment
from tests.offline import sample_image

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {
                "Service": [
                    "codebuild.amazonaws.com",
                    "lambda.amazonaws.com",
                    "sagemaker.amazonaws.com",
                ]
            },
        }
    ],
}


def denied(action: str) -> dict[str, Any]:
    """A policy of the bucket that the case of bucket policies has."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": "arn:aws:s3:::types-policy/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy(action: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


ROLE = resource("AWS::IAM::Role", RoleName="types-role", AssumeRolePolicyDocument=TRUST)
VPC = resource("AWS::EC2::VPC", CidrBlock="10.0.0.0/16")
FUNCTION = resource(
    "AWS::Lambda::Function",
    FunctionName="types-function",
    Handler="index.handle",
    Runtime="python3.11",
    Role={"Fn::GetAtt": ["Role", "Arn"]},
    Code={"ZipFile": "def handle(event, context):\n    return 1\n"},
)
DOMAIN = resource(
    "AWS::SageMaker::Domain",
    DomainName="types-domain",
    AuthMode="IAM",
    AppNetworkAccessType="PublicInternetOnly",
    HomeEfsFileSystemCreation="Disabled",
    VpcId={"Ref": "Vpc"},
    SubnetIds=[{"Ref": "Subnet"}],
    DefaultUserSettings={"ExecutionRole": {"Fn::GetAtt": ["Role", "Arn"]}},
)
SUBNET = resource("AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.0.0/24")
PROFILE = resource(
    "AWS::SageMaker::UserProfile", DomainId={"Ref": "Domain"}, UserProfileName="types-profile"
)
NETWORK = {"Vpc": VPC, "Subnet": SUBNET}
STUDIO = {**NETWORK, "Role": ROLE, "Domain": DOMAIN}


def changed(declared: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """`declared` with other properties; None takes one away."""
    merged = {**declared["Properties"], **properties}
    return {**declared, "Properties": {k: v for k, v in merged.items() if v is not None}}


@dataclass
class Case:
    """A resource `X` in two shapes, and how to see which one it has."""

    before: dict[str, Any]
    after: dict[str, Any]
    #: (client, physical id) -> what the service says of it.
    read: Callable[[Callable[[str], Any], str], Any]
    expected: tuple[Any, Any]
    beside: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    #: output: what it must contain.
    shown: dict[str, str] = field(default_factory=dict)


def _bucket(client, name):
    s3 = client("s3")
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    return (
        s3.get_bucket_versioning(Bucket=name).get("Status"),
        rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"][
            "RestrictPublicBuckets"
        ],
        "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name),
        [rule["ID"] for rule in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]],
        s3.get_bucket_tagging(Bucket=name)["TagSet"],
    )


def _table(client, name):
    api = client("dynamodb")
    table = api.describe_table(TableName=name)["Table"]
    backups = api.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    expiry = api.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return (
        backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        sorted(index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])),
        expiry["TimeToLiveStatus"],
        api.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"],
    )


def _index(name):
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }


def _lifecycle(name):
    return {
        "Rules": [
            {
                "Id": name,
                "Status": "Enabled",
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]
    }


def _encrypted(algorithm):
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    return {"ServerSideEncryptionConfiguration": [default]}


def _key(client, key):
    kms = client("kms")
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    document = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    return (
        described["Description"],
        kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
        document["Statement"][0]["Action"],
    )


def _role(client, name):
    iam = client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    return (
        role.get("Description"),
        role["MaxSessionDuration"],
        role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "").rsplit("/", 1)[-1],
        iam.list_role_policies(RoleName=name)["PolicyNames"],
        [
            each["PolicyName"]
            for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        ],
        role.get("Tags", []),
    )


def _managed(client, arn):
    iam = client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document["Statement"][0]["Action"]


def _function(client, name):
    api = client("lambda")
    found = api.get_function(FunctionName=name)
    configuration = found["Configuration"]
    return (
        configuration["Timeout"],
        configuration["MemorySize"],
        configuration.get("Environment", {}).get("Variables", {}),
        api.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"),
        found.get("Tags", {}),
    )


def _group(client, name):
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    found = client("logs").list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))
    return group.get("retentionInDays"), found["tags"]


def _rule(client, name):
    api = client("events")
    rule = api.describe_rule(Name=name)
    targets = api.list_targets_by_rule(Rule=name)["Targets"]
    return rule["State"], rule.get("EventPattern"), sorted(target["Id"] for target in targets)


def _domain(client, domain):
    settings = client("sagemaker").describe_domain(DomainId=domain)["DefaultUserSettings"]
    return settings.get("StudioWebPortal"), _sagemaker_tags(client, f"domain/{domain}")


def _sagemaker_tags(client, path):
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:{path}"
    return client("sagemaker").list_tags(ResourceArn=arn)["Tags"]


def _profile(client, physical):
    name, domain = physical.split("|")
    profile = client("sagemaker").describe_user_profile(DomainId=domain, UserProfileName=name)
    return profile.get("UserSettings", {}).get("StudioWebPortal")


def _space(client, physical):
    domain, name = physical.split("|")
    space = client("sagemaker").describe_space(DomainId=domain, SpaceName=name)
    storage = space["SpaceSettings"]["SpaceStorageSettings"]["EbsStorageSettings"]
    return storage["EbsVolumeSizeInGb"]


def _space_settings(size):
    storage = {"EbsStorageSettings": {"EbsVolumeSizeInGb": size}}
    return {"AppType": "JupyterLab", "SpaceStorageSettings": storage}


def _parameter(client, name):
    found = client("ssm").get_parameter(Name=name)["Parameter"]
    listed = client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
    return found["Value"], listed["TagList"]


def _repository(client, name):
    ecr = client("ecr")
    (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    text = ecr.get_repository_policy(repositoryName=name)["policyText"]
    return (
        found["imageTagMutability"],
        found["imageScanningConfiguration"]["scanOnPush"],
        json.loads(text)["Statement"][0]["Action"],
    )


def _image(client, arn):
    described = client("sagemaker").describe_image(ImageName=arn.rsplit("/", 1)[1])
    tags = client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    return described.get("Description"), described["DisplayName"], tags


def _version(client, arn):
    _, name, number = arn.rsplit("/", 2)
    described = client("sagemaker").describe_image_version(ImageName=name, Version=int(number))
    return described["BaseImage"].split(":")[-1], described["Version"], described["ReleaseNotes"]


def _image_config(client, name):
    described = client("sagemaker").describe_app_image_config(AppImageConfigName=name)
    return (
        described["JupyterLabAppImageConfig"]["ContainerConfig"],
        _sagemaker_tags(client, f"app-image-config/{name}"),
    )


def _lab(**config):
    return {"ContainerConfig": config}


def _project(client, name):
    (project,) = client("codebuild").batch_get_projects(names=[name])["projects"]
    variables = project["environment"].get("environmentVariables", [])
    return (
        project["timeoutInMinutes"],
        project["environment"]["privilegedMode"],
        {each["name"]: each["value"] for each in variables},
        project["tags"],
    )


def _environment(**changed):
    return {
        "Type": "LINUX_CONTAINER",
        "Image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
        "ComputeType": "BUILD_GENERAL1_SMALL",
        **changed,
    }


IMAGE = resource(
    "AWS::SageMaker::Image",
    ImageName="types-image",
    ImageRoleArn={"Fn::GetAtt": ["Role", "Arn"]},
)
PROJECT = resource(
    "AWS::CodeBuild::Project",
    Name="types-project",
    ServiceRole={"Fn::GetAtt": ["Role", "Arn"]},
    Artifacts={"Type": "NO_ARTIFACTS"},
    Cache={"Type": "NO_CACHE"},
    Source={"Type": "S3", "Location": "assets/context.zip"},
    Environment=_environment(),
)
PULLER = changed(
    ROLE,
    Policies=[{"PolicyName": "pull", "PolicyDocument": policy("ecr:*")}],
)
CONTAINERS = "123456789012.dkr.ecr.us-east-1.amazonaws.com/types-containers"


def _statement(client, statement):
    text = client("lambda").get_policy(FunctionName="types-function")["Policy"]
    (found,) = (each for each in json.loads(text)["Statement"] if each["Sid"] == statement)
    return found["Principal"]["Service"]


def _ec2_tags(client, name):
    found = client("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": [name]}])
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


def _vpc(client, vpc):
    answer = client("ec2").describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
    return answer["EnableDnsHostnames"]["Value"], _ec2_tags(client, vpc)


def _endpoint(client, endpoint):
    answer = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint])
    # A deleted one is shown for a while, as on AWS.
    (found,) = (each for each in answer["VpcEndpoints"] if each["State"] != "deleted")
    return len(found["RouteTableIds"])


def _security_group(client, group):
    (found,) = client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [
        [(rule["IpProtocol"], rule.get("FromPort"), _ends(rule)) for rule in found[way]]
        for way in ("IpPermissions", "IpPermissionsEgress")
    ]


def _ends(rule):
    """Where a rule leads: addresses, and how many groups."""
    return [each["CidrIp"] for each in rule["IpRanges"]] + [len(rule["UserIdGroupPairs"])]


def _interface(client, endpoint):
    (found,) = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    return (
        found["PrivateDnsEnabled"],
        len(found["SubnetIds"]),
        len(found["NetworkInterfaceIds"]),
        len(found["Groups"]),
        "logs:GetLogEvents" in found["PolicyDocument"],
    )


GROUP = resource("AWS::EC2::SecurityGroup", GroupDescription="who", VpcId={"Ref": "Vpc"})
INTERFACE = resource(
    "AWS::EC2::VPCEndpoint",
    VpcId={"Ref": "Vpc"},
    VpcEndpointType="Interface",
    ServiceName="com.amazonaws.us-east-1.logs",
    SubnetIds=[{"Ref": "Subnet"}],
    SecurityGroupIds=[{"Fn::GetAtt": ["One", "GroupId"]}],
    PrivateDnsEnabled=True,
)
TABLE = resource("AWS::EC2::RouteTable", VpcId={"Ref": "Vpc"})
CASES = {
    "AWS::EC2::SecurityGroup": Case(
        changed(
            GROUP,
            SecurityGroupIngress=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "SourceSecurityGroupId": {"Fn::GetAtt": ["Other", "GroupId"]},
                    "Description": "from the other",
                }
            ],
        ),
        changed(
            GROUP,
            SecurityGroupEgress=[
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"}
            ],
        ),
        _security_group,
        (
            [[("tcp", 443, [1])], [("-1", None, ["0.0.0.0/0", 0])]],
            [[], [("tcp", 443, ["10.0.0.0/16", 0])]],
        ),
        beside={"Vpc": VPC, "Other": GROUP},
        outputs={"Group": {"Fn::GetAtt": ["X", "GroupId"]}},
        shown={"Group": "sg-"},
    ),
    "AWS::EC2::VPC": Case(
        changed(VPC, EnableDnsHostnames=False, Tags=tags(a="1", b="1")),
        changed(VPC, EnableDnsHostnames=True, Tags=tags(a="2")),
        _vpc,
        ((False, {"a": "1", "b": "1"}), (True, {"a": "2"})),
        outputs={"Group": {"Fn::GetAtt": ["X", "DefaultSecurityGroup"]}},
        shown={"Group": "sg-"},
    ),
    "AWS::EC2::Subnet": Case(
        changed(SUBNET, Tags=tags(a="1")),
        changed(SUBNET, Tags=tags(a="2"), MapPublicIpOnLaunch=True),
        lambda client, name: (
            client("ec2").describe_subnets(SubnetIds=[name])["Subnets"][0]["MapPublicIpOnLaunch"],
            _ec2_tags(client, name),
        ),
        ((False, {"a": "1"}), (True, {"a": "2"})),
        beside={"Vpc": VPC},
        outputs={"Zone": {"Fn::GetAtt": ["X", "AvailabilityZone"]}},
        shown={"Zone": "us-east-1"},
    ),
    "AWS::EC2::RouteTable": Case(
        changed(TABLE, Tags=tags(a="1")),
        changed(TABLE, Tags=tags(a="2")),
        lambda client, name: client("ec2").describe_route_tables(RouteTableIds=[name])[
            "RouteTables"
        ][0]["Tags"],
        (tags(a="1"), tags(a="2")),
        beside={"Vpc": VPC},
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Case(
        resource(
            "AWS::EC2::SubnetRouteTableAssociation",
            SubnetId={"Ref": "Subnet"},
            RouteTableId={"Ref": "One"},
        ),
        resource(
            "AWS::EC2::SubnetRouteTableAssociation",
            SubnetId={"Ref": "Other"},
            RouteTableId={"Ref": "One"},
        ),
        lambda client, name: [
            association["SubnetId"][:7]
            for table in client("ec2").describe_route_tables()["RouteTables"]
            for association in table["Associations"]
            if association["RouteTableAssociationId"] == name
        ],
        (["subnet-"], ["subnet-"]),
        beside={
            **NETWORK,
            "Other": changed(SUBNET, CidrBlock="10.0.1.0/24"),
            "One": TABLE,
        },
    ),
    "AWS::EC2::VPCEndpoint": Case(
        resource(
            "AWS::EC2::VPCEndpoint",
            VpcId={"Ref": "Vpc"},
            ServiceName="com.amazonaws.us-east-1.s3",
            RouteTableIds=[{"Ref": "One"}],
        ),
        resource(
            "AWS::EC2::VPCEndpoint",
            VpcId={"Ref": "Vpc"},
            ServiceName="com.amazonaws.us-east-1.s3",
            RouteTableIds=[{"Ref": "One"}, {"Ref": "Two"}],
        ),
        _endpoint,
        (1, 2),
        beside={"Vpc": VPC, "One": TABLE, "Two": TABLE},
    ),
    "AWS::KMS::Key": Case(
        resource("AWS::KMS::Key", Description="old", KeyPolicy=policy("kms:*")),
        resource(
            "AWS::KMS::Key", Description="new", EnableKeyRotation=True, KeyPolicy=policy("kms:D*")
        ),
        _key,
        (("old", False, "kms:*"), ("new", True, "kms:D*")),
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:kms:us-east-1:123456789012:key/"},
    ),
    "AWS::KMS::Alias": Case(
        resource("AWS::KMS::Alias", AliasName="alias/types/x", TargetKeyId={"Ref": "One"}),
        resource("AWS::KMS::Alias", AliasName="alias/types/x", TargetKeyId={"Ref": "Two"}),
        lambda client, name: client("kms").describe_key(KeyId=name)["KeyMetadata"]["Description"],
        ("one", "two"),
        beside={
            "One": resource("AWS::KMS::Key", Description="one"),
            "Two": resource("AWS::KMS::Key", Description="two"),
        },
    ),
    "AWS::S3::Bucket": Case(
        resource(
            "AWS::S3::Bucket",
            BucketName="types-bucket",
            BucketEncryption=_encrypted("AES256"),
            PublicAccessBlockConfiguration={"RestrictPublicBuckets": False},
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            LifecycleConfiguration=_lifecycle("one"),
            NotificationConfiguration={"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            Tags=tags(a="1"),
        ),
        resource(
            "AWS::S3::Bucket",
            BucketName="types-bucket",
            BucketEncryption=_encrypted("aws:kms"),
            PublicAccessBlockConfiguration={"RestrictPublicBuckets": "true"},
            LifecycleConfiguration=_lifecycle("two"),
            VersioningConfiguration={"Status": "Enabled"},
            Tags=tags(a="2"),
        ),
        _bucket,
        (
            (None, "AES256", False, True, ["one"], tags(a="1")),
            ("Enabled", "aws:kms", True, False, ["two"], tags(a="2")),
        ),
        outputs={
            "Arn": {"Fn::GetAtt": ["X", "Arn"]},
            "Domain": {"Fn::GetAtt": ["X", "RegionalDomainName"]},
        },
        shown={
            "Arn": "arn:aws:s3:::types-bucket",
            "Domain": "types-bucket.s3.us-east-1.amazonaws.com",
        },
    ),
    "AWS::S3::BucketPolicy": Case(
        resource("AWS::S3::BucketPolicy", Bucket={"Ref": "B"}, PolicyDocument=denied("s3:Get*")),
        resource("AWS::S3::BucketPolicy", Bucket={"Ref": "B"}, PolicyDocument=denied("s3:*")),
        lambda client, bucket: json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])[
            "Statement"
        ][0]["Action"],
        ("s3:Get*", "s3:*"),
        beside={"B": resource("AWS::S3::Bucket", BucketName="types-policy")},
    ),
    "AWS::DynamoDB::Table": Case(
        resource(
            "AWS::DynamoDB::Table",
            TableName="types-table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[_index("one")],
            Tags=tags(a="1"),
        ),
        resource(
            "AWS::DynamoDB::Table",
            TableName="types-table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[_index("two")],
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
            SSESpecification={"SSEEnabled": True},
            Tags=tags(a="2"),
        ),
        _table,
        (
            ("DISABLED", ["one"], "DISABLED", tags(a="1")),
            ("ENABLED", ["two"], "ENABLED", tags(a="2")),
        ),
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:dynamodb:us-east-1:123456789012:table/types-table"},
    ),
    "AWS::IAM::Role": Case(
        resource(
            "AWS::IAM::Role",
            RoleName="types-x",
            Path="/academy/",
            AssumeRolePolicyDocument=TRUST,
            Policies=[{"PolicyName": "one", "PolicyDocument": policy("s3:Get*")}],
            ManagedPolicyArns=[{"Ref": "Managed"}],
            Tags=tags(a="1"),
        ),
        resource(
            "AWS::IAM::Role",
            RoleName="types-x",
            Path="/academy/",
            AssumeRolePolicyDocument=TRUST,
            Description="new",
            MaxSessionDuration="7200",
            PermissionsBoundary={"Ref": "Managed"},
            Policies=[{"PolicyName": "two", "PolicyDocument": policy("s3:Get*")}],
            Tags=tags(a="2"),
        ),
        _role,
        (
            (None, 3600, "", ["one"], ["types-managed"], tags(a="1")),
            ("new", 7200, "types-managed", ["two"], [], tags(a="2")),
        ),
        beside={
            "Managed": resource(
                "AWS::IAM::ManagedPolicy",
                ManagedPolicyName="types-managed",
                PolicyDocument=policy("s3:*"),
            )
        },
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:iam::123456789012:role/academy/types-x"},
    ),
    "AWS::IAM::Policy": Case(
        resource(
            "AWS::IAM::Policy",
            PolicyName="types-inline",
            PolicyDocument=policy("s3:Get*"),
            Roles=[{"Ref": "Role"}],
        ),
        resource(
            "AWS::IAM::Policy",
            PolicyName="types-renamed",
            PolicyDocument=policy("s3:*"),
            Roles=[{"Ref": "Role"}],
        ),
        lambda client, _: client("iam").list_role_policies(RoleName="types-role")["PolicyNames"],
        (["types-inline"], ["types-renamed"]),
        beside={"Role": ROLE},
    ),
    "AWS::IAM::ManagedPolicy": Case(
        resource("AWS::IAM::ManagedPolicy", PolicyDocument=policy("s3:Get*")),
        resource("AWS::IAM::ManagedPolicy", PolicyDocument=policy("s3:*"), Roles=[{"Ref": "Role"}]),
        _managed,
        ("s3:Get*", "s3:*"),
        beside={"Role": ROLE},
        outputs={"Arn": {"Ref": "X"}},
        shown={"Arn": "arn:aws:iam::123456789012:policy/"},
    ),
    "AWS::Lambda::Function": Case(
        changed(FUNCTION, Timeout=30, Tags=tags(a="1"), ReservedConcurrentExecutions=2),
        changed(
            FUNCTION,
            MemorySize="256",
            Environment={"Variables": {"MODE": "1"}},
            Tags=tags(a="2"),
        ),
        _function,
        ((30, 128, {}, 2, {"a": "1"}), (3, 256, {"MODE": "1"}, None, {"a": "2"})),
        beside={"Role": ROLE},
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:lambda:us-east-1:123456789012:function:types-function"},
    ),
    "AWS::Lambda::Alias": Case(
        resource(
            "AWS::Lambda::Alias",
            FunctionName={"Ref": "F"},
            FunctionVersion="$LATEST",
            Name="ana",
            Description="old",
        ),
        resource(
            "AWS::Lambda::Alias",
            FunctionName={"Ref": "F"},
            FunctionVersion="$LATEST",
            Name="ana",
            Description="new",
        ),
        lambda client, _: client("lambda").get_alias(FunctionName="types-function", Name="ana")[
            "Description"
        ],
        ("old", "new"),
        beside={"Role": ROLE, "F": FUNCTION},
        outputs={"Ref": {"Ref": "X"}},
        shown={"Ref": "arn:aws:lambda:us-east-1:123456789012:function:types-function:ana"},
    ),
    "AWS::Lambda::Permission": Case(
        resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName={"Fn::GetAtt": ["F", "Arn"]},
            Principal="events.amazonaws.com",
        ),
        resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName={"Fn::GetAtt": ["F", "Arn"]},
            Principal="scheduler.amazonaws.com",
        ),
        _statement,
        ("events.amazonaws.com", "scheduler.amazonaws.com"),
        beside={"Role": ROLE, "F": FUNCTION},
    ),
    "AWS::Logs::LogGroup": Case(
        resource(
            "AWS::Logs::LogGroup", LogGroupName="/types/x", RetentionInDays=7, Tags=tags(a="1")
        ),
        resource("AWS::Logs::LogGroup", LogGroupName="/types/x", Tags=tags(a="2")),
        _group,
        ((7, {"a": "1"}), (None, {"a": "2"})),
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:logs:us-east-1:123456789012:log-group:/types/x:*"},
    ),
    "AWS::Events::Rule": Case(
        resource(
            "AWS::Events::Rule",
            Name="types-rule",
            EventPattern={"source": ["aws.s3"]},
            Targets=[{"Id": "one", "Arn": {"Fn::GetAtt": ["F", "Arn"]}}],
        ),
        resource(
            "AWS::Events::Rule",
            Name="types-rule",
            State="DISABLED",
            EventPattern={"source": ["aws.sagemaker"]},
            Targets=[{"Id": "two", "Arn": {"Fn::GetAtt": ["F", "Arn"]}}],
        ),
        _rule,
        (
            ("ENABLED", '{"source": ["aws.s3"]}', ["one"]),
            ("DISABLED", '{"source": ["aws.sagemaker"]}', ["two"]),
        ),
        beside={"Role": ROLE, "F": FUNCTION},
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:events:us-east-1:123456789012:rule/types-rule"},
    ),
    "AWS::Scheduler::ScheduleGroup": Case(
        resource("AWS::Scheduler::ScheduleGroup", Name="types-group", Tags=tags(a="1")),
        resource("AWS::Scheduler::ScheduleGroup", Name="types-group", Tags=tags(a="2")),
        lambda client, name: client("scheduler").list_tags_for_resource(
            ResourceArn=client("scheduler").get_schedule_group(Name=name)["Arn"]
        )["Tags"],
        (tags(a="1"), tags(a="2")),
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:scheduler:us-east-1:123456789012:schedule-group/types-group"},
    ),
    "AWS::SageMaker::Domain": Case(
        changed(DOMAIN, Tags=tags(a="1")),
        changed(
            DOMAIN,
            DefaultUserSettings={
                "ExecutionRole": {"Fn::GetAtt": ["Role", "Arn"]},
                "StudioWebPortal": "ENABLED",
            },
            Tags=tags(a="2"),
        ),
        _domain,
        ((None, tags(a="1")), ("ENABLED", tags(a="2"))),
        beside={**NETWORK, "Role": ROLE},
        outputs={"Id": {"Ref": "X"}, "Arn": {"Fn::GetAtt": ["X", "DomainArn"]}},
        shown={"Id": "d-", "Arn": "arn:aws:sagemaker:us-east-1:123456789012:domain/d-"},
    ),
    "AWS::SageMaker::UserProfile": Case(
        changed(PROFILE, UserSettings={"StudioWebPortal": "DISABLED"}),
        changed(PROFILE, UserSettings={"StudioWebPortal": "ENABLED"}),
        _profile,
        ("DISABLED", "ENABLED"),
        beside=STUDIO,
        outputs={"Arn": {"Fn::GetAtt": ["X", "UserProfileArn"]}},
        shown={"Arn": "user-profile/d-"},
    ),
    "AWS::SageMaker::Space": Case(
        resource(
            "AWS::SageMaker::Space",
            DomainId={"Ref": "Domain"},
            SpaceName="types-space",
            OwnershipSettings={"OwnerUserProfileName": "types-profile"},
            SpaceSharingSettings={"SharingType": "Private"},
            SpaceSettings=_space_settings(20),
        )
        | {"DependsOn": "Profile"},
        resource(
            "AWS::SageMaker::Space",
            DomainId={"Ref": "Domain"},
            SpaceName="types-space",
            OwnershipSettings={"OwnerUserProfileName": "types-profile"},
            SpaceSharingSettings={"SharingType": "Private"},
            SpaceSettings=_space_settings(40),
        )
        | {"DependsOn": "Profile"},
        _space,
        (20, 40),
        beside={**STUDIO, "Profile": PROFILE},
        outputs={"Arn": {"Fn::GetAtt": ["X", "SpaceArn"]}},
        shown={"Arn": "space/d-"},
    ),
    "AWS::SageMaker::StudioLifecycleConfig": Case(
        resource(
            "AWS::SageMaker::StudioLifecycleConfig",
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=base64.b64encode(b"true").decode(),
            StudioLifecycleConfigName="types-start-1",
        ),
        resource(
            "AWS::SageMaker::StudioLifecycleConfig",
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=base64.b64encode(b"false").decode(),
            StudioLifecycleConfigName="types-start-2",
        ),
        lambda client, name: base64.b64decode(
            client("sagemaker").describe_studio_lifecycle_config(StudioLifecycleConfigName=name)[
                "StudioLifecycleConfigContent"
            ]
        ),
        (b"true", b"false"),
        outputs={"Arn": {"Fn::GetAtt": ["X", "StudioLifecycleConfigArn"]}},
        shown={"Arn": "studio-lifecycle-config/types-start-"},
    ),
    "AWS::SageMaker::Image": Case(
        changed(IMAGE, ImageDescription="old", Tags=tags(a="1")),
        changed(IMAGE, ImageDisplayName="Maps", Tags=tags(a="2")),
        _image,
        (("old", "types-image", tags(a="1")), (None, "Maps", tags(a="2"))),
        beside={"Role": ROLE},
        outputs={"Ref": {"Ref": "X"}, "Arn": {"Fn::GetAtt": ["X", "ImageArn"]}},
        shown=dict.fromkeys(
            ("Ref", "Arn"), "arn:aws:sagemaker:us-east-1:123456789012:image/types-image"
        ),
    ),
    "AWS::SageMaker::ImageVersion": Case(
        resource(
            "AWS::SageMaker::ImageVersion",
            ImageName="types-image",
            BaseImage=f"{CONTAINERS}:one",
            ReleaseNotes="old",
        )
        | {"DependsOn": "Image"},
        resource(
            "AWS::SageMaker::ImageVersion",
            ImageName="types-image",
            BaseImage=f"{CONTAINERS}:two",
            ReleaseNotes="new",
        )
        | {"DependsOn": "Image"},
        _version,
        (("one", 1, "old"), ("two", 2, "new")),
        beside={"Role": PULLER, "Image": IMAGE},
        outputs={
            "Ref": {"Ref": "X"},
            "Version": {"Fn::GetAtt": ["X", "Version"]},
            "Image": {"Fn::GetAtt": ["X", "ImageArn"]},
            "Container": {"Fn::GetAtt": ["X", "ContainerImage"]},
        },
        shown={
            "Ref": "arn:aws:sagemaker:us-east-1:123456789012:image-version/types-image/1",
            "Version": "1",
            "Image": "image/types-image",
            "Container": f"{CONTAINERS}@sha256:",
        },
    ),
    "AWS::SageMaker::AppImageConfig": Case(
        resource(
            "AWS::SageMaker::AppImageConfig",
            AppImageConfigName="types-config",
            JupyterLabAppImageConfig=_lab(
                ContainerEntrypoint=["/opt/academy/bin/start"],
                ContainerEnvironmentVariables=[{"Key": "COLOUR", "Value": "green"}],
            ),
            Tags=tags(a="1"),
        ),
        resource(
            "AWS::SageMaker::AppImageConfig",
            AppImageConfigName="types-config",
            JupyterLabAppImageConfig=_lab(ContainerArguments=["--quiet"]),
            Tags=tags(a="2"),
        ),
        _image_config,
        (
            (
                {
                    "ContainerEntrypoint": ["/opt/academy/bin/start"],
                    "ContainerEnvironmentVariables": {"COLOUR": "green"},
                },
                tags(a="1"),
            ),
            ({"ContainerArguments": ["--quiet"]}, tags(a="2")),
        ),
        outputs={"Ref": {"Ref": "X"}, "Arn": {"Fn::GetAtt": ["X", "AppImageConfigArn"]}},
        shown={"Ref": "types-config", "Arn": "app-image-config/types-config"},
    ),
    "AWS::CodeBuild::Project": Case(
        changed(PROJECT, TimeoutInMinutes="90", Tags=tags(a="1")),
        changed(
            PROJECT,
            TimeoutInMinutes=120,
            Environment=_environment(
                PrivilegedMode="true",
                EnvironmentVariables=[{"Name": "TAG", "Value": "build-1", "Type": "PLAINTEXT"}],
            ),
            LogsConfig={
                "CloudWatchLogs": {"Status": "ENABLED", "GroupName": "/aws/codebuild/types"}
            },
        ),
        _project,
        (
            (90, False, {}, [{"key": "a", "value": "1"}]),
            (120, True, {"TAG": "build-1"}, []),
        ),
        beside={"Role": ROLE},
        outputs={"Ref": {"Ref": "X"}, "Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={
            "Ref": "types-project",
            "Arn": "arn:aws:codebuild:us-east-1:123456789012:project/types-project",
        },
    ),
    "AWS::SSM::Parameter": Case(
        resource("AWS::SSM::Parameter", Name="/types/x", Type="String", Value=1, Tags={"a": "1"}),
        resource("AWS::SSM::Parameter", Name="/types/x", Type="String", Value=2, Tags={"a": "2"}),
        _parameter,
        (("1", tags(a="1")), ("2", tags(a="2"))),
        outputs={"Name": {"Ref": "X"}},
        shown={"Name": "/types/x"},
    ),
    "AWS::ECR::Repository": Case(
        resource(
            "AWS::ECR::Repository", RepositoryName="types-x", RepositoryPolicyText=policy("ecr:*")
        ),
        resource(
            "AWS::ECR::Repository",
            RepositoryName="types-x",
            ImageTagMutability="IMMUTABLE",
            ImageScanningConfiguration={"ScanOnPush": True},
            RepositoryPolicyText=policy("ecr:Get*"),
        ),
        _repository,
        (("MUTABLE", False, "ecr:*"), ("IMMUTABLE", True, "ecr:Get*")),
        outputs={"Arn": {"Fn::GetAtt": ["X", "Arn"]}},
        shown={"Arn": "arn:aws:ecr:us-east-1:123456789012:repository/types-x"},
    ),
}


@pytest.fixture(scope="module")
def containers(client, tmp_path_factory) -> None:
    """Two images in ECR, from which the versions of a SageMaker image are made."""
    environment = client("ecr").meta.endpoint_url
    client("ecr").create_repository(repositoryName="types-containers")
    for tag in ("one", "two"):
        folder = tmp_path_factory.mktemp(tag)
        sample_image.pushed(
            sample_image.context(folder / "context", lock=tag),
            "types-containers",
            tag,
            engine=folder / "engine",
            variables=client_environment(environment, "us-east-1"),
            stages=("workspace",),
        )
        text, _ = sample_image.manifest_of(client("ecr"), "types-containers", f"{tag}-workspace")
        client("ecr").put_image(repositoryName="types-containers", imageManifest=text, imageTag=tag)


#: What a type has a second case for.
VARIANTS = {
    "AWS::EC2::VPCEndpoint of an interface": Case(
        INTERFACE,
        changed(
            INTERFACE,
            SecurityGroupIds=[{"Fn::GetAtt": [each, "GroupId"]} for each in ("One", "Two")],
            PolicyDocument=policy("logs:GetLogEvents"),
        ),
        _interface,
        ((True, 1, 1, 1, False), (True, 1, 1, 2, True)),
        beside={**NETWORK, "One": GROUP, "Two": GROUP},
    ),
}


@pytest.mark.usefixtures("containers")
@pytest.mark.parametrize("kind", [*CASES, *VARIANTS])
def test_a_type_is_made_changed_and_gone(kind, stacks, client):
    case = (CASES | VARIANTS)[kind]
    name = kind.removeprefix("AWS::").replace("::", "-").replace(" ", "-")
    made = stacks.deploy(name, {**case.beside, "X": case.before}, outputs=case.outputs)
    assert (made.status, made.reasons) == ("CREATE_COMPLETE", {})
    for output, contained in case.shown.items():
        assert contained in made.outputs[output]
    assert case.read(client, stacks.resource(name, "X")) == case.expected[0]

    updated = stacks.deploy(name, {**case.beside, "X": case.after}, outputs=case.outputs)
    assert (updated.status, updated.reasons) == ("UPDATE_COMPLETE", {})
    physical = stacks.resource(name, "X")
    assert case.read(client, physical) == case.expected[1]

    gone = stacks.delete(name)
    assert (gone.status, gone.reasons) == ("DELETE_COMPLETE", {})
    if kind != "AWS::KMS::Key":
        with pytest.raises(Exception):  # noqa: B017, PT011 (each service has its own)
            assert case.read(client, physical) == case.expected[1]


def test_every_modelled_type_is_tried():
    from infra.offline.services.cloudformation.types import modelled

    # Those of alarms, notices and budgets are tried together in test_notice_types.py, a channel in
    # tests/offline/services/test_chatbot.py, those of the door in test_cognito_types.py and
    # test_http_api_types.py.
    notices = {
        "AWS::Budgets::Budget",
        "AWS::Chatbot::MicrosoftTeamsChannelConfiguration",
        "AWS::CloudWatch::Alarm",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }
    door = {f"AWS::ApiGatewayV2::{each}" for each in ("Api", "Integration", "Route", "Stage")} | {
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolGroup",
        "AWS::Cognito::UserPoolIdentityProvider",
        "AWS::Cognito::UserPoolUser",
        "AWS::Cognito::UserPoolUserToGroupAttachment",
    }
    assert set(modelled()) - set(CASES) == {"AWS::CDK::Metadata"} | notices | door


def test_a_version_of_an_image_that_is_not_there_fails_the_stack(stacks):
    version = resource(
        "AWS::SageMaker::ImageVersion",
        ImageName="types-image",
        BaseImage=f"{CONTAINERS}:nothing",
    )
    made = stacks.deploy(
        "no-base", {"Role": PULLER, "Image": IMAGE, "X": version | {"DependsOn": "Image"}}
    )
    assert made.status == "ROLLBACK_COMPLETE"
    assert "It is CREATE_FAILED: The base image" in made.reasons["X"]


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (
            changed(PROJECT, Source={"Type": "S3", "Location": "a/b.zip", "GitCloneDepth": 1}),
            "Property Source/GitCloneDepth is not modelled",
        ),
        (
            changed(PROJECT, Environment=_environment(Type="WINDOWS_CONTAINER")),
            "does not emulate environment.type of CreateProject as 'WINDOWS_CONTAINER'",
        ),
        (
            resource(
                "AWS::SageMaker::AppImageConfig",
                AppImageConfigName="types-config",
                JupyterLabAppImageConfig={"FileSystemConfig": {}},
            ),
            "Property JupyterLabAppImageConfig/FileSystemConfig is not modelled",
        ),
        (
            changed(GROUP, VpcId="vpc-1", SecurityGroupIngress=[{"CidrIpv6": "::/0"}]),
            "Property SecurityGroupIngress/CidrIpv6 is not modelled",
        ),
        (
            changed(GROUP, VpcId="vpc-1", SecurityGroupEgress=[{"IpProtocol": "tcp"}]),
            "A rule in SecurityGroupEgress names one of CidrIp, ",
        ),
        (
            resource(
                "AWS::EC2::VPCEndpoint",
                VpcId="vpc-1",
                ServiceName="com.amazonaws.us-east-1.s3",
                SubnetIds=["subnet-1"],
            ),
            "SubnetIds: only of an endpoint of type Interface",
        ),
        (
            resource(
                "AWS::EC2::VPCEndpoint",
                VpcId="vpc-1",
                ServiceName="com.amazonaws.us-east-1.s3",
                VpcEndpointType="GatewayLoadBalancer",
            ),
            "with VpcEndpointType GatewayLoadBalancer is not modelled",
        ),
    ],
)
def test_what_a_type_does_not_model_is_refused_by_name(stacks, declared, says):
    made = stacks.deploy("beyond", {"Role": ROLE, "X": declared})
    assert made.status == "ROLLBACK_COMPLETE"
    assert says in made.reasons["X"]


def test_a_deleted_key_pends_deletion(stacks, client):
    stacks.deploy("pending", {"X": resource("AWS::KMS::Key", PendingWindowInDays=7)})
    key = stacks.resource("pending", "X")
    stacks.delete("pending")
    state = client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    assert state == "PendingDeletion"
